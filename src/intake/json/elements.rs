//! Splits a stream of JSON into its elements without holding more than one of them: the values of an array, or those of a file with a
//! value on each line. What is inside an element is looked at later.

use std::io::Read;

use crate::intake::block::MAX_RECORD_BYTES;
use crate::intake::faults::Stop;

/// Bytes that are read at a time.
const CHUNK_BYTES: usize = 256 << 10;

/// The deepest that values may be nested.
const MAX_DEPTH: usize = 128;

/// A cursor over the bytes of a JSON text.
pub struct Elements<'r> {
    from: Box<dyn Read + Send + 'r>,
    buffer: Vec<u8>,
    at: usize,
    end: usize,
    line: u64,
}

impl<'r> Elements<'r> {
    /// Reads `from`, which is UTF-8.
    pub fn new(from: Box<dyn Read + Send + 'r>) -> Self {
        Elements { from, buffer: Vec::new(), at: 0, end: 0, line: 1 }
    }

    /// The line at hand.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Reads more behind what is there, and drops what lies before `keep`; answers whether there was more.
    fn refill(&mut self, keep: usize) -> Result<bool, Stop> {
        self.buffer.copy_within(keep..self.end, 0);
        (self.at, self.end) = (self.at - keep, self.end - keep);
        if self.buffer.len() < self.end + CHUNK_BYTES {
            self.buffer.resize(self.end + CHUNK_BYTES, 0);
        }
        let read = loop {
            match self.from.read(&mut self.buffer[self.end..]) {
                Err(cause) if cause.kind() == std::io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.end += read;
        Ok(read > 0)
    }

    /// The next byte that is no white space, without taking it.
    pub fn peek(&mut self) -> Result<Option<u8>, Stop> {
        loop {
            while self.at < self.end {
                match self.buffer[self.at] {
                    b'\n' => self.line += 1,
                    b' ' | b'\t' | b'\r' => {}
                    other => return Ok(Some(other)),
                }
                self.at += 1;
            }
            if !self.refill(self.at)? {
                return Ok(None);
            }
        }
    }

    /// Takes the next byte that is no white space, which must be `wanted`.
    pub fn expect(&mut self, wanted: u8, place: &str) -> Result<(), Stop> {
        match self.peek()? {
            Some(found) if found == wanted => {
                self.at += 1;
                Ok(())
            }
            Some(_) => Err(Stop::at(self.line, format!("the JSON is broken: `{}` is missing {place}", char::from(wanted)))),
            None => Err(self.cut_off()),
        }
    }

    fn cut_off(&self) -> Stop {
        Stop::at(self.line, "the JSON ends in the middle; the file is cut off")
    }

    /// The next value as it is written, and the line on which it begins.
    pub fn value(&mut self) -> Result<(u64, &[u8]), Stop> {
        if self.peek()?.is_none() {
            return Err(self.cut_off());
        }
        let line = self.line;
        let mut scan = Scan::default();
        let mut start = self.at;
        loop {
            let ended = scan.feed(&self.buffer[self.at..self.end], line)?;
            self.at += ended.unwrap_or(self.end - self.at);
            if ended.is_some() {
                break;
            }
            if self.at - start > MAX_RECORD_BYTES {
                let limit = MAX_RECORD_BYTES >> 20;
                return Err(Stop::at(line, format!("the record is longer than {limit} MiB, the most that one may hold")));
            }
            let more = self.refill(start)?;
            start = 0;
            if !more {
                if !scan.may_end() {
                    return Err(self.cut_off());
                }
                break;
            }
        }
        self.line += scan.lines;
        Ok((line, &self.buffer[start..self.at]))
    }
}

/// Looks for the end of a value.
#[derive(Default)]
struct Scan {
    depth: usize,
    in_string: bool,
    escaped: bool,
    scalar: bool,
    lines: u64,
}

impl Scan {
    /// How many of the bytes belong to the value, if it ends among them.
    fn feed(&mut self, bytes: &[u8], line: u64) -> Result<Option<usize>, Stop> {
        for (at, byte) in bytes.iter().enumerate() {
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => {
                        self.in_string = false;
                        if self.depth == 0 {
                            return Ok(Some(at + 1));
                        }
                    }
                    b'\n' => self.lines += 1,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' if !self.scalar => self.in_string = true,
                b'{' | b'[' if !self.scalar => {
                    self.depth += 1;
                    if self.depth > MAX_DEPTH {
                        return Err(Stop::at(line, format!("the values are nested deeper than {MAX_DEPTH} levels")));
                    }
                }
                b'}' | b']' if self.depth > 0 => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return Ok(Some(at + 1));
                    }
                }
                b'}' | b']' | b',' | b':' | b' ' | b'\t' | b'\r' | b'\n' if self.depth == 0 && self.scalar => return Ok(Some(at)),
                b'}' | b']' | b',' | b':' if self.depth == 0 => {
                    return Err(Stop::at(line, format!("the JSON is broken: a value is missing before `{}`", char::from(*byte))));
                }
                b'\n' => self.lines += 1,
                _ => self.scalar = self.depth == 0,
            }
        }
        Ok(None)
    }

    fn may_end(&self) -> bool {
        self.scalar && self.depth == 0 && !self.in_string
    }
}

/// Takes an element and the line on which it begins.
pub type With<'w> = dyn FnMut(u64, &[u8]) -> Result<(), Stop> + 'w;

/// How elements follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// In one array.
    Array,
    /// Each on a line of its own.
    Lines,
}

/// Calls `with` for each element up to the end of the file.
pub fn each(elements: &mut Elements<'_>, form: Form, mut with: impl FnMut(u64, &[u8]) -> Result<(), Stop>) -> Result<(), Stop> {
    match form {
        Form::Array => {
            array(elements, &mut with)?;
            if elements.peek()?.is_some() {
                return Err(Stop::at(elements.line(), "the JSON is broken: something stands behind the end of the array"));
            }
        }
        Form::Lines => {
            let mut last = 0;
            while elements.peek()?.is_some() {
                if elements.line() == last {
                    return Err(Stop::at(last, "two values stand on one line; write each on a line of its own"));
                }
                let (line, bytes) = elements.value()?;
                with(line, bytes)?;
                last = elements.line();
            }
        }
    }
    Ok(())
}

/// Calls `with` for each element of the array that begins here.
pub fn array(elements: &mut Elements<'_>, with: &mut With<'_>) -> Result<(), Stop> {
    elements.expect(b'[', "at the start of the array")?;
    if elements.peek()? == Some(b']') {
        return elements.expect(b']', "at the end of the array");
    }
    loop {
        let (line, bytes) = elements.value()?;
        with(line, bytes)?;
        if elements.peek()? == Some(b']') {
            return elements.expect(b']', "at the end of the array");
        }
        elements.expect(b',', "between two records")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let length = 1.min(self.0.len()).min(buffer.len());
            buffer[..length].copy_from_slice(&self.0[..length]);
            self.0 = &self.0[length..];
            Ok(length)
        }
    }

    fn found(text: &'static str, form: Form) -> Result<Vec<(u64, String)>, String> {
        let mut list = Vec::new();
        let read = each(&mut Elements::new(Box::new(Slow(text.as_bytes()))), form, |line, bytes| {
            list.push((line, String::from_utf8(bytes.to_vec()).unwrap()));
            Ok(())
        });
        match read {
            Ok(()) => Ok(list),
            Err(Stop::Fault(fault)) => Err(format!("{}: {}", fault.line.unwrap(), fault.detail)),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn elements_come_one_by_one() {
        let rows = found("[ {\"a\":\"]}\\\"\"},\n{\"b\":\n[1,2]} , 3]\n", Form::Array).unwrap();
        assert_eq!(rows, [(1, "{\"a\":\"]}\\\"\"}".to_owned()), (2, "{\"b\":\n[1,2]}".to_owned()), (3, "3".to_owned())]);
        assert_eq!(found("[]", Form::Array).unwrap(), []);
        assert_eq!(found("{\"a\":1}\n\n{\"a\":2}", Form::Lines).unwrap().len(), 2);
        assert_eq!(found("12", Form::Lines).unwrap(), [(1, "12".to_owned())]);
    }

    #[test]
    fn broken_json_is_told_with_its_line() {
        for (text, form, wanted) in [
            ("[{\"a\":1},\n{\"a\":2", Form::Array, "2: the JSON ends in the middle"),
            ("[{\"a\":1}\n{\"a\":2}]", Form::Array, "2: the JSON is broken: `,` is missing"),
            ("[{\"a\":1},]", Form::Array, "1: the JSON is broken: a value is missing"),
            ("[1] 2", Form::Array, "1: the JSON is broken: something stands behind"),
            ("[1", Form::Array, "1: the JSON ends"),
            ("{\"a\":1}{\"a\":2}", Form::Lines, "1: two values stand on one line"),
        ] {
            let told = found(text, form).unwrap_err();
            assert!(told.starts_with(wanted), "{text}: {told}");
        }
        let deep: &'static str = "[".repeat(100_000).leak();
        assert!(found(deep, Form::Array).unwrap_err().contains("nested deeper"));
    }
}
