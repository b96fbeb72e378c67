//! Splits a text table into records (RFC 4180, with any delimiter and quote), and finds what a lenient parser would silently mend or
//! drop: empty lines, a quote that is never closed, text behind a closing quote, a lone carriage return.

use std::io::Read;

use super::block::MAX_RECORD_BYTES;
use super::faults::Stop;

/// Bytes that are read at a time.
const CHUNK_BYTES: usize = 256 << 10;

/// The most cells of one record.
const MAX_CELLS: usize = 100_000;

/// What stands between cells and around them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    pub delimiter: u8,
    pub quote: u8,
}

/// Takes the records.
pub trait Records {
    /// The text of the cell at hand.
    fn text(&mut self) -> &mut Vec<u8>;
    /// Ends the cell at hand; `quoted` where it was written in quotes.
    fn end_cell(&mut self, quoted: bool);
    /// Ends the record at hand.
    fn end_row(&mut self, line: u64) -> Result<(), Stop>;
    /// Something is wrong with the record at hand.
    fn row_fault(&mut self, line: u64, detail: &str);
    /// A line that is no record.
    fn bad_line(&mut self, line: u64, detail: &str) -> Result<(), Stop>;
    /// Something is wrong with the file.
    fn fault(&mut self, line: u64, detail: &str);
    /// Bytes and cells of the record at hand.
    fn row_size(&self) -> (usize, usize);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    LineStart,
    /// Behind a carriage return at the start of a line.
    EmptyReturn,
    CellStart,
    Plain,
    Quoted,
    /// Behind a quote inside a quoted cell: its end, or the first half of a quote that is doubled.
    QuoteInQuoted,
    /// Behind a carriage return outside of quotes.
    Return,
}

/// Splits bytes into records.
pub struct Splitter {
    dialect: Dialect,
    /// Which bytes end a plain cell.
    ends: [bool; 256],
    state: State,
    line: u64,
    row_line: u64,
    /// The line on which the quoted cell at hand began.
    quoted_from: u64,
    was_quoted: bool,
    /// Empty lines after which nothing has come yet: at the end of a file they mean nothing.
    empty: Option<(u64, u64)>,
    /// In a file of one column an empty line is a missing value.
    one_column: bool,
}

const LONE_RETURN: &str = "a lone carriage return; end lines with a line feed, and put cells that hold one in quotes";

impl Splitter {
    /// Splits a file of that many columns (0 where it is not known yet).
    pub fn new(dialect: Dialect, columns: usize) -> Self {
        let mut ends = [false; 256];
        for byte in [dialect.delimiter, b'\n', b'\r'] {
            ends[usize::from(byte)] = true;
        }
        let one_column = columns == 1;
        Splitter {
            dialect,
            ends,
            state: State::LineStart,
            line: 1,
            row_line: 1,
            quoted_from: 1,
            was_quoted: false,
            empty: None,
            one_column,
        }
    }

    /// Splits everything that `from` gives.
    pub fn run(&mut self, from: &mut dyn Read, to: &mut impl Records) -> Result<(), Stop> {
        let mut buffer = vec![0; CHUNK_BYTES];
        loop {
            let read = match from.read(&mut buffer) {
                Err(cause) if cause.kind() == std::io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            if read == 0 {
                return self.end(to);
            }
            self.feed(&buffer[..read], to)?;
        }
    }

    /// Takes the next bytes.
    pub fn feed(&mut self, bytes: &[u8], to: &mut impl Records) -> Result<(), Stop> {
        let mut at = 0;
        while at < bytes.len() {
            at += match self.state {
                State::LineStart | State::EmptyReturn => self.line_start(bytes[at], to)?,
                State::CellStart if bytes[at] == self.dialect.quote => {
                    (self.quoted_from, self.was_quoted, self.state) = (self.line, true, State::Quoted);
                    1
                }
                State::CellStart => {
                    (self.was_quoted, self.state) = (false, State::Plain);
                    0
                }
                State::Plain => self.plain(&bytes[at..], to)?,
                State::Return if bytes[at] == b'\n' => self.end_row(to)?,
                State::Return => {
                    to.row_fault(self.line, LONE_RETURN);
                    to.text().push(b'\r');
                    self.state = State::Plain;
                    0
                }
                State::Quoted => self.quoted(&bytes[at..], to),
                State::QuoteInQuoted => self.behind_quote(bytes[at], to)?,
            };
        }
        self.check_size(to)
    }

    fn check_size(&self, to: &impl Records) -> Result<(), Stop> {
        let (bytes, cells) = to.row_size();
        if bytes > MAX_RECORD_BYTES {
            let limit = MAX_RECORD_BYTES >> 20;
            if self.state == State::Quoted {
                let detail = format!("the quote that opens here is not closed within {limit} MiB, the most that a record may hold");
                return Err(Stop::at(self.quoted_from, detail));
            }
            return Err(Stop::at(self.row_line, format!("the record is longer than {limit} MiB, the most that one may hold")));
        }
        if cells > MAX_CELLS {
            return Err(Stop::at(self.row_line, format!("the record has more than {MAX_CELLS} cells")));
        }
        Ok(())
    }

    fn line_start(&mut self, byte: u8, to: &mut impl Records) -> Result<usize, Stop> {
        match (byte, self.state) {
            (b'\n', _) => {
                let first = self.empty.map_or(self.line, |(first, _)| first);
                self.empty = Some((first, self.line));
                self.line += 1;
                self.state = State::LineStart;
                Ok(1)
            }
            (b'\r', State::LineStart) => {
                self.state = State::EmptyReturn;
                Ok(1)
            }
            _ => {
                self.empty_lines(to)?;
                self.row_line = self.line;
                if self.state == State::EmptyReturn {
                    to.row_fault(self.line, LONE_RETURN);
                    to.text().push(b'\r');
                    (self.was_quoted, self.state) = (false, State::Plain);
                } else {
                    self.state = State::CellStart;
                }
                Ok(0)
            }
        }
    }

    fn empty_lines(&mut self, to: &mut impl Records) -> Result<(), Stop> {
        let Some((first, last)) = self.empty.take() else { return Ok(()) };
        let detail = if self.one_column {
            "the line is empty; write \"\" for a missing value"
        } else {
            "the line is empty; every row has as many cells as the header"
        };
        (first..=last).try_for_each(|line| to.bad_line(line, detail))
    }

    fn plain(&mut self, bytes: &[u8], to: &mut impl Records) -> Result<usize, Stop> {
        let length = bytes.iter().position(|byte| self.ends[usize::from(*byte)]).unwrap_or(bytes.len());
        to.text().extend_from_slice(&bytes[..length]);
        match bytes.get(length) {
            None => Ok(length),
            Some(b'\n') => Ok(length + self.end_row(to)?),
            Some(b'\r') => {
                self.state = State::Return;
                Ok(length + 1)
            }
            Some(_delimiter) => {
                to.end_cell(self.was_quoted);
                self.state = State::CellStart;
                Ok(length + 1)
            }
        }
    }

    fn quoted(&mut self, bytes: &[u8], to: &mut impl Records) -> usize {
        let quote = bytes.iter().position(|byte| *byte == self.dialect.quote);
        let length = quote.unwrap_or(bytes.len());
        let text = &bytes[..length];
        self.line += text.iter().filter(|byte| **byte == b'\n').count() as u64;
        to.text().extend_from_slice(text);
        if quote.is_none() {
            return length;
        }
        self.state = State::QuoteInQuoted;
        length + 1
    }

    fn behind_quote(&mut self, byte: u8, to: &mut impl Records) -> Result<usize, Stop> {
        if byte == self.dialect.quote {
            to.text().push(byte);
            self.state = State::Quoted;
            return Ok(1);
        }
        if !self.ends[usize::from(byte)] {
            to.row_fault(self.line, "text stands behind a closing quote; double a quote that belongs to the cell");
        }
        self.state = State::Plain;
        Ok(0)
    }

    fn end_row(&mut self, to: &mut impl Records) -> Result<usize, Stop> {
        to.end_cell(self.was_quoted);
        self.check_size(to)?;
        to.end_row(self.row_line)?;
        self.line += 1;
        self.state = State::LineStart;
        Ok(1)
    }

    /// The file ends here.
    pub fn end(&mut self, to: &mut impl Records) -> Result<(), Stop> {
        match self.state {
            State::LineStart | State::EmptyReturn if self.one_column => self.empty_lines(to),
            State::LineStart | State::EmptyReturn => Ok(()),
            State::Quoted => {
                to.fault(self.quoted_from, "the quote that opens here is never closed");
                self.end_row(to).map(|_advance| ())
            }
            State::CellStart | State::Plain | State::QuoteInQuoted | State::Return => self.end_row(to).map(|_advance| ()),
        }
    }
}

/// The first records of a file, for a look at it.
#[derive(Default)]
pub struct Sample {
    pub rows: Vec<(u64, Vec<String>)>,
    pub faults: usize,
    /// The first record that something is wrong with, and what.
    pub first_fault: Option<(u64, String)>,
    pub quoted: usize,
    /// Records after which it has seen enough; 0 for all.
    most: usize,
    text: Vec<u8>,
    cells: Vec<String>,
    bytes: usize,
}

impl Sample {
    /// Takes that many records and then answers [`Stop::Gone`].
    pub fn of(most: usize) -> Self {
        Sample { most, ..Sample::default() }
    }
}

impl Records for Sample {
    fn text(&mut self) -> &mut Vec<u8> {
        &mut self.text
    }

    fn end_cell(&mut self, quoted: bool) {
        self.quoted += usize::from(quoted);
        self.bytes += self.text.len();
        self.cells.push(String::from_utf8_lossy(&self.text).into_owned());
        self.text.clear();
    }

    fn end_row(&mut self, line: u64) -> Result<(), Stop> {
        self.bytes = 0;
        self.rows.push((line, std::mem::take(&mut self.cells)));
        if self.rows.len() == self.most { Err(Stop::Gone) } else { Ok(()) }
    }

    fn row_fault(&mut self, line: u64, detail: &str) {
        self.faults += 1;
        self.first_fault.get_or_insert_with(|| (line, detail.to_owned()));
    }

    fn bad_line(&mut self, _line: u64, _detail: &str) -> Result<(), Stop> {
        self.faults += 1;
        Ok(())
    }

    fn fault(&mut self, _line: u64, _detail: &str) {
        self.faults += 1;
    }

    fn row_size(&self) -> (usize, usize) {
        (self.bytes + self.text.len(), self.cells.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Log {
        text: Vec<u8>,
        cells: Vec<String>,
        rows: Vec<Vec<String>>,
        faults: Vec<String>,
    }

    impl Records for Log {
        fn text(&mut self) -> &mut Vec<u8> {
            &mut self.text
        }
        fn end_cell(&mut self, _quoted: bool) {
            self.cells.push(String::from_utf8(std::mem::take(&mut self.text)).unwrap());
        }
        fn end_row(&mut self, _line: u64) -> Result<(), Stop> {
            self.rows.push(std::mem::take(&mut self.cells));
            Ok(())
        }
        fn row_fault(&mut self, line: u64, detail: &str) {
            self.faults.push(format!("{line}: {}", &detail[..16]));
        }
        fn bad_line(&mut self, line: u64, detail: &str) -> Result<(), Stop> {
            self.row_fault(line, detail);
            Ok(())
        }
        fn fault(&mut self, line: u64, detail: &str) {
            self.row_fault(line, detail);
        }
        fn row_size(&self) -> (usize, usize) {
            (self.text.len(), self.cells.len())
        }
    }

    const USUAL: Dialect = Dialect { delimiter: b',', quote: b'"' };

    fn split(text: &str, columns: usize, dialect: Dialect) -> Log {
        let mut whole = Log::default();
        Splitter::new(dialect, columns).run(&mut text.as_bytes(), &mut whole).unwrap();
        // In whatever pieces the bytes come.
        let mut pieces = Log::default();
        let mut splitter = Splitter::new(dialect, columns);
        text.as_bytes().iter().for_each(|byte| splitter.feed(std::slice::from_ref(byte), &mut pieces).unwrap());
        splitter.end(&mut pieces).unwrap();
        assert_eq!((&whole.rows, &whole.faults), (&pieces.rows, &pieces.faults), "{text:?}");
        whole
    }

    #[test]
    fn what_rfc_4180_allows_passes() {
        let cases: &[(&str, &[&[&str]])] = &[
            ("a,b\n1,2\n", &[&["a", "b"], &["1", "2"]]),
            ("a,b\r\n1,2\r\n", &[&["a", "b"], &["1", "2"]]),
            ("a,b\n\"x\ny\",\"q\"\"q\"\n", &[&["a", "b"], &["x\ny", "q\"q"]]),
            ("a,b\n1,2", &[&["a", "b"], &["1", "2"]]),
            ("a,b\n1,", &[&["a", "b"], &["1", ""]]),
            ("a,b\n1,2\n\n\n", &[&["a", "b"], &["1", "2"]]),
            ("a,b\n\"\",x\"y\n", &[&["a", "b"], &["", "x\"y"]]),
            ("a,b\n\"\r\",2\n", &[&["a", "b"], &["\r", "2"]]),
        ];
        for (text, rows) in cases {
            let log = split(text, 2, USUAL);
            assert_eq!(log.rows, rows.iter().map(|row| row.to_vec()).collect::<Vec<_>>());
            assert!(log.faults.is_empty(), "{text:?}");
        }
    }

    #[test]
    fn what_would_be_lost_is_found() {
        let faults = |text, columns| split(text, columns, USUAL).faults;
        assert_eq!(faults("a,b\n1,2\n\n3,4\n", 2), ["3: the line is empt"]);
        assert_eq!(faults("a,b\r\n1,2\r\n\r\n3,4\r\n", 2), ["3: the line is empt"]);
        assert_eq!(faults("a\n1\n\n3\n\n", 1), ["3: the line is empt", "5: the line is empt"]);
        assert_eq!(faults("a,b\n1,\"x\n2,y\n", 2), ["2: the quote that o"]);
        assert_eq!(faults("a,b\n\"foo\"bar,2\n", 2), ["2: text stands behi"]);
        assert_eq!(faults("a,b\nx\ry,2\n", 2), ["2: a lone carriage "]);
        assert_eq!(faults("a,b\n\rx,2\n", 2), ["2: a lone carriage "]);
    }

    #[test]
    fn another_dialect_is_as_strict() {
        let dialect = Dialect { delimiter: b';', quote: b'\'' };
        let log = split("a;b\n'x;y';'it''s'\n\"q\";'z'k\n", 2, dialect);
        assert_eq!(log.rows[1], ["x;y", "it's"]);
        assert_eq!(log.rows[2], ["\"q\"", "zk"]);
        assert_eq!(log.faults, ["3: text stands behi"]);
    }

    #[test]
    fn a_record_without_end_stops_the_reading() {
        let endless = std::io::repeat(b'x');
        let stopped = Splitter::new(USUAL, 2).run(&mut Read::take(endless, 1 << 30), &mut Log::default());
        assert!(matches!(stopped, Err(Stop::Fault(fault)) if fault.line == Some(1) && fault.detail.contains("16 MiB")));
    }
}
