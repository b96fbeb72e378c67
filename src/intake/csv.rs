//! Text tables: CSV, TSV and the like, with a header row. Delimiter and quote are told by the header and the first rows.

use super::block::Out;
use super::decode::{LOOK_BYTES, TextFile, fill, size};
use super::faults::Stop;
use super::progress::Progress;
use super::records::{Dialect, Records, Sample, Splitter};
use super::table::{Found, Source};
use super::{Declared, FileFault, ReportNote};

/// The delimiters that are tried, the most usual one first.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Quoted cells of the first rows after which `'` is taken for the quote.
const ENOUGH_QUOTED: usize = 2;

/// A text table.
pub struct TextTable {
    file: TextFile,
    dialect: Dialect,
    columns: Vec<Found>,
    header_line: u64,
    size: u64,
}

impl TextTable {
    /// Looks at the first rows of a text file.
    pub fn open(file: TextFile, declared: &[Declared], progress: &Progress<'_>) -> Result<Self, Stop> {
        let mut start = vec![0; LOOK_BYTES];
        let read = fill(&mut *file.open(progress)?, &mut start)?;
        let dialect = dialect(&start[..read], read == LOOK_BYTES, declared);
        let mut header = Sample::of(1);
        let split = Splitter::new(dialect, 0).run(&mut *file.open(progress)?, &mut header);
        // A header that cannot be split has no names to compare; with lone carriage returns it may be the whole file.
        if let (Some((line, detail)), Ok(()) | Err(Stop::Gone | Stop::Fault(_))) = (header.first_fault.take(), &split) {
            return Err(Stop::at(line, detail));
        }
        match split {
            Ok(()) | Err(Stop::Gone) => {}
            Err(other) => return Err(other),
        }
        let Some((header_line, names)) = header.rows.into_iter().next() else {
            return Err(Stop::whole("the file is empty; its first line must name the columns"));
        };
        if file.encoding == super::decode::Encoding::Unknown && names.iter().any(|name| name.contains('\u{FFFD}')) {
            return Err(Stop::at(header_line, "the header is not UTF-8, nor is the file GB18030 as a whole; save the file as UTF-8"));
        }
        let columns = names.into_iter().map(Found::named).collect();
        let size = size(&file.packed)?;
        Ok(TextTable { file, dialect, columns, header_line, size })
    }

    /// The delimiter as a report names it.
    pub fn delimiter(&self) -> String {
        match self.dialect.delimiter {
            b'\t' => "tab".to_owned(),
            other => char::from(other).to_string(),
        }
    }

    /// What a publisher should know about how the file is read.
    pub fn notes(&self) -> Vec<ReportNote> {
        if self.dialect.quote == b'"' {
            return Vec::new();
        }
        let detail = "cells are quoted with ' and not with \"; the quotes were taken off".to_owned();
        vec![ReportNote { column: None, detail, rows: Vec::new(), count: 0 }]
    }
}

impl Source for TextTable {
    fn columns(&self) -> &[Found] {
        &self.columns
    }

    fn header_line(&self) -> Option<u64> {
        Some(self.header_line)
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn read(&self, progress: &Progress<'_>, out: &mut Out<'_>) -> Result<(), Stop> {
        let mut body = Body { out, in_header: true, suspect: self.file.suspect };
        Splitter::new(self.dialect, self.columns.len()).run(&mut *self.file.open(progress)?, &mut body)
    }
}

/// The rows behind the header.
struct Body<'o, 'n> {
    out: &'o mut Out<'n>,
    in_header: bool,
    suspect: bool,
}

impl Records for Body<'_, '_> {
    fn text(&mut self) -> &mut Vec<u8> {
        self.out.text()
    }

    fn end_cell(&mut self, _quoted: bool) {
        self.out.end_cell();
    }

    fn end_row(&mut self, line: u64) -> Result<(), Stop> {
        if std::mem::take(&mut self.in_header) {
            self.out.drop_row();
            return Ok(());
        }
        if self.suspect {
            self.out.check_text(line);
        }
        self.out.end_row(line)
    }

    fn row_fault(&mut self, line: u64, detail: &str) {
        let fault = FileFault::at(line, detail);
        if self.in_header { self.out.fault(fault) } else { self.out.row_fault(fault) }
    }

    fn bad_line(&mut self, line: u64, detail: &str) -> Result<(), Stop> {
        self.out.bad_line(line, detail)
    }

    fn fault(&mut self, line: u64, detail: &str) {
        self.out.fault(FileFault::at(line, detail));
    }

    fn row_size(&self) -> (usize, usize) {
        self.out.row_size()
    }
}

/// The dialect in which the header names the declared columns, or else the one in which most rows are as long as the header.
fn dialect(start: &[u8], cut: bool, declared: &[Declared]) -> Dialect {
    let mut best = (Dialect { delimiter: b',', quote: b'"' }, Score::default());
    for delimiter in DELIMITERS {
        let usual = Dialect { delimiter, quote: b'"' };
        let (score, quoted, _) = score(start, cut, usual, declared);
        let mut tried = (usual, score);
        if quoted == 0 {
            let single = Dialect { delimiter, quote: b'\'' };
            let (score, quoted, faults) = self::score(start, cut, single, declared);
            if quoted >= ENOUGH_QUOTED && faults == 0 && score.same == 100 {
                tried = (single, score);
            }
        }
        if tried.1 > best.1 {
            best = tried;
        }
    }
    best.0
}

/// How well a dialect fits, what matters most first.
#[derive(Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Score {
    declared: usize,
    /// Of a hundred rows, those that are as long as the header.
    same: usize,
    columns: usize,
}

/// The score, the number of quoted cells, and of faults.
fn score(start: &[u8], cut: bool, dialect: Dialect, declared: &[Declared]) -> (Score, usize, usize) {
    let mut sample = Sample::default();
    let mut splitter = Splitter::new(dialect, 0);
    let split = splitter.feed(start, &mut sample);
    // The last record of a piece may be cut in two.
    let ended = if cut || split.is_err() { split } else { splitter.end(&mut sample) };
    let faults = sample.faults + usize::from(ended.is_err());
    let Some((_, header)) = sample.rows.first() else { return (Score::default(), sample.quoted, faults) };
    let known = header.iter().filter(|name| declared.iter().any(|column| column.name == **name)).count();
    let same = if header.len() < 2 {
        0
    } else {
        sample.rows.iter().filter(|(_, row)| row.len() == header.len()).count() * 100 / sample.rows.len()
    };
    (Score { declared: known, same, columns: header.len() }, sample.quoted, faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str, declared: &[&str]) -> (char, char) {
        let declared: Vec<Declared> = declared.iter().map(|name| Declared { name: (*name).to_owned(), ..Declared::default() }).collect();
        let dialect = dialect(text.as_bytes(), false, &declared);
        (char::from(dialect.delimiter), char::from(dialect.quote))
    }

    #[test]
    fn the_dialect_is_told_by_header_and_rows() {
        assert_eq!(told("a,b\n1,2\n", &[]), (',', '"'));
        assert_eq!(told("a\n1\n", &[]), (',', '"'));
        assert_eq!(told("a;b\n1,5;2,5\n", &[]), (';', '"'));
        assert_eq!(told("a\tb\n1,2\t3\n", &[]), ('\t', '"'));
        assert_eq!(told("a|b|c\n1|2|3\n", &[]), ('|', '"'));
        assert_eq!(told("a;b,c\n1;2,3\n", &["a;b", "c"]), (',', '"'));
        assert_eq!(told("a;b,c\n1;2,3\n", &["a", "b,c"]), (';', '"'));
        assert_eq!(told("a,b\n'x,y','z'\n", &[]), (',', '\''));
        assert_eq!(told("a,b\n'tis,it's\n", &[]), (',', '"'));
        assert_eq!(told("a,b\n\"x\",'y'\n'z','q'\n", &[]), (',', '"'));
        assert_eq!(told("a;b\n1;2\n3\n4;5\n", &[]), (';', '"'));
    }
}
