//! Watches the bytes of a CSV file on their way to the parser, and finds what the parser would silently mend or drop: empty lines,
//! a quote that is never closed, text behind a closing quote, a lone carriage return (RFC 4180 §2).

use std::io::{self, Read};

use super::FileFault;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    LineStart,
    CellStart,
    Plain,
    Quoted,
    /// Behind a quote inside a quoted cell: its end, or the first half of a quote that is doubled.
    QuoteInQuoted,
    /// Behind a carriage return outside of quotes.
    Return,
}

/// A reader that watches what it reads.
pub struct Strict<R> {
    inner: R,
    state: State,
    line: u64,
    /// The line on which the quoted cell at hand began.
    quoted_from: u64,
    /// Empty lines after which nothing has come yet: at the end of a file they mean nothing.
    empty: Vec<u64>,
    columns: usize,
    faults: Vec<FileFault>,
    count: u64,
}

impl<R: Read> Strict<R> {
    /// Watches `inner`.
    pub fn new(inner: R) -> Self {
        Strict { inner, state: State::LineStart, line: 1, quoted_from: 1, empty: Vec::new(), columns: 0, faults: Vec::new(), count: 0 }
    }

    /// How many columns the file has, once its header is read: in a file of one column an empty line is a missing value.
    pub fn set_columns(&mut self, columns: usize) {
        self.columns = columns;
    }

    /// What was found, and how many faults there are in all. Call it at the end of the file.
    pub fn finish(&mut self) -> (Vec<FileFault>, u64) {
        if self.state == State::Quoted {
            let line = self.quoted_from;
            self.fault(line, "the quote that opens here is never closed");
        }
        if self.columns == 1 {
            self.empty_lines();
        }
        (std::mem::take(&mut self.faults), self.count)
    }

    fn fault(&mut self, line: u64, detail: &str) {
        self.count += 1;
        if self.faults.len() < super::MAX_FAULTS {
            self.faults.push(FileFault::at(line, detail));
        }
    }

    fn empty_lines(&mut self) {
        let detail = if self.columns == 1 {
            "the line is empty; write \"\" for a missing value"
        } else {
            "the line is empty; every row has as many cells as the header"
        };
        for line in std::mem::take(&mut self.empty) {
            self.fault(line, detail);
        }
    }

    fn watch(&mut self, byte: u8) {
        if self.state == State::Return && byte != b'\n' {
            let line = self.line;
            self.fault(line, "a lone carriage return; end lines with a line feed, and put cells that hold one in quotes");
            self.state = State::Plain;
        }
        if self.state == State::LineStart && !matches!(byte, b'\r' | b'\n') && !self.empty.is_empty() {
            self.empty_lines();
        }
        self.state = match (self.state, byte) {
            (State::Quoted, b'"') => State::QuoteInQuoted,
            (State::Quoted, _) => State::Quoted,
            (State::QuoteInQuoted, b'"') => State::Quoted,
            (State::LineStart, b'\n') => {
                self.empty_line();
                State::LineStart
            }
            (State::LineStart, b'\r') => {
                self.empty_line();
                State::Return
            }
            (_, b'\r') => State::Return,
            (_, b'\n') => State::LineStart,
            (_, b',') => State::CellStart,
            (State::LineStart | State::CellStart, b'"') => {
                self.quoted_from = self.line;
                State::Quoted
            }
            (State::QuoteInQuoted, _) => {
                let line = self.line;
                self.fault(line, "text stands behind a closing quote; double a quote that belongs to the cell");
                State::Plain
            }
            (_, _) => State::Plain,
        };
        if byte == b'\n' {
            self.line += 1;
        }
    }

    fn empty_line(&mut self) {
        if self.empty.len() <= super::MAX_FAULTS {
            self.empty.push(self.line);
        }
    }
}

impl<R: Read> Read for Strict<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        for byte in &buffer[..read] {
            self.watch(*byte);
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, columns: usize) -> Vec<String> {
        let mut strict = Strict::new(text.as_bytes());
        strict.set_columns(columns);
        io::copy(&mut strict, &mut io::sink()).unwrap();
        strict.finish().0.into_iter().map(|fault| format!("{}: {}", fault.line.unwrap(), &fault.detail[..16])).collect()
    }

    #[test]
    fn what_rfc_4180_allows_passes() {
        for text in [
            "a,b\n1,2\n",
            "a,b\r\n1,2\r\n",
            "a,b\n\"x\ny\",\"q\"\"q\"\n",
            "a,b\n1,2",
            "a,b\n1,2\n\n\n",
            "a,b\n\"\",x\"y\n",
            "a,b\n\"\r\",2\n",
        ] {
            assert_eq!(found(text, 2), Vec::<String>::new(), "{text:?}");
        }
    }

    #[test]
    fn what_would_be_lost_is_found() {
        assert_eq!(found("a,b\n1,2\n\n3,4\n", 2), ["3: the line is empt"]);
        assert_eq!(found("a\n1\n\n3\n\n", 1), ["3: the line is empt", "5: the line is empt"]);
        assert_eq!(found("a,b\n1,\"x\n2,y\n", 2), ["2: the quote that o"]);
        assert_eq!(found("a,b\n\"foo\"bar,2\n", 2), ["2: text stands behi"]);
        assert_eq!(found("a,b\nx\ry,2\n", 2), ["2: a lone carriage "]);
    }
}
