//! What a file is, told by its content; its name only helps to say so.

use std::io::Write;

use super::csv::TextTable;
use super::decode::{Encoding, LOOK_BYTES, TextFile, fill, survey, utf16};
use super::faults::Stop;
use super::geojson::GeoJson;
use super::json::Json;
use super::json::elements::Form;
use super::parquet::Parquet;
use super::table::{Job, Source};
use super::unpack::{self, Packed, Packing, is_zip};
use super::xlsx::Workbook;
use super::{Report, ReportNote};
use crate::storage::Scratch;

/// First bytes of files that publishers send in place of tables, and what to do instead.
const NO_TABLES: &[(&[u8], &str)] = &[
    (b"\xD0\xCF\x11\xE0", "an old or encrypted Office file (such as .xls); save it as .xlsx without a password, or as CSV"),
    (b"%PDF", "a PDF, which holds no table that could be read; send the table that it was made from"),
    (b"\x89PNG", "a picture; send the table itself"),
    (b"\xFF\xD8\xFF", "a picture; send the table itself"),
    (b"SQLite format 3\x00", "an SQLite database; export the table as CSV"),
];

/// First bytes of archives that cannot be read, and what to do instead.
const OTHER_ARCHIVES: &[(&[u8], &str)] = &[
    (b"Rar!", "a RAR archive; pack it as zip"),
    (b"7z\xBC\xAF\x27\x1C", "a 7z archive; pack it as zip"),
    (b"BZh", "packed with bzip2; use gzip, zstd or zip"),
    (b"\xFD7zXZ\x00", "packed with xz; use gzip, zstd or zip"),
];

/// What an archive is that cannot be read, and what to do instead.
pub fn other_archive(start: &[u8]) -> Option<&'static str> {
    OTHER_ARCHIVES.iter().find(|(magic, _)| start.starts_with(magic)).map(|(_, what)| *what)
}

/// A file that can be read, and what was found out about it.
pub struct Opened {
    pub source: Box<dyn Source>,
    pub report: Report,
    /// The unpacked file, where it cannot be read as a stream.
    pub unpacked: Option<Scratch>,
}

/// Opens the file at `path` as what it is.
pub fn open(path: &std::path::Path, file_name: &str, job: &Job<'_>) -> Result<Opened, Stop> {
    let packed = unpack::look(path)?;
    let mut start = vec![0; LOOK_BYTES];
    let read = fill(&mut *packed.open(job.progress)?, &mut start)?;
    start.truncate(read);
    if start.is_empty() {
        return Err(Stop::whole("the file is empty; its first line must name the columns"));
    }
    let report = Report { packing: packed.packing.name().map(str::to_owned), ..Report::default() };
    if start.starts_with(b"PAR1") {
        let (path, unpacked) = seekable(&packed, job)?;
        let source = Box::new(Parquet::open(&path)?);
        return Ok(Opened { source, report: Report { format: "parquet".to_owned(), ..report }, unpacked });
    }
    if is_zip(&start) {
        let (path, unpacked) = seekable(&packed, job)?;
        if unpacked.is_some() && unpack::look(&path)?.packing != Packing::None {
            return Err(Stop::whole("the file is packed twice; unpack it once"));
        }
        let workbook = Workbook::open(&path, job.declared)?;
        let report = Report { format: "xlsx".to_owned(), notes: workbook.notes(), ..report };
        return Ok(Opened { source: Box::new(workbook), report, unpacked });
    }
    refuse_binary(&start, file_name)?;
    text(survey(packed, &start, job.progress)?, report, job)
}

/// What is neither table nor text.
fn refuse_binary(start: &[u8], file_name: &str) -> Result<(), Stop> {
    if start.starts_with(&[0x1F, 0x8B]) || start.starts_with(&[0x28, 0xB5, 0x2F, 0xFD]) {
        return Err(Stop::whole("the file is packed twice; unpack it once"));
    }
    if start.get(257..262) == Some(b"ustar") {
        return Err(Stop::whole(
            "the file is a tar archive; take the data file out of it and pack it with gzip alone, or write kind = \"collection\" into the entry if its files are the data",
        ));
    }
    let no_table = NO_TABLES.iter().find(|(magic, _)| start.starts_with(magic)).map(|(_, what)| *what);
    if let Some(what) = no_table.or_else(|| other_archive(start)) {
        return Err(Stop::whole(format!("`{file_name}` is {what}")));
    }
    let zeros = start.iter().filter(|byte| **byte == 0).count();
    // A single NUL byte is a fault of its cell.
    if utf16(start).is_none() && zeros > 8 && zeros * 100 > start.len() {
        return Err(Stop::whole(format!(
            "`{file_name}` is a binary file and no table: {zeros} of its first {} bytes are NUL",
            start.len()
        )));
    }
    Ok(())
}

/// A file that can be read from any place: the file itself, or what it unpacks to.
fn seekable(packed: &Packed, job: &Job<'_>) -> Result<(std::path::PathBuf, Option<Scratch>), Stop> {
    if packed.packing == Packing::None {
        return Ok((packed.path.clone(), None));
    }
    job.progress.plan(super::decode::size(packed)?);
    let scratch = (job.scratch)().map_err(Stop::Internal)?;
    let mut to = scratch.writer().map_err(Stop::Internal)?;
    let mut from = packed.open(job.progress)?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = fill(&mut *from, &mut buffer)?;
        if read == 0 {
            break;
        }
        to.write_all(&buffer[..read])?;
        if job.progress.stopped() {
            return Err(Stop::Gone);
        }
    }
    Ok((scratch.path().to_owned(), Some(scratch)))
}

fn text(file: TextFile, report: Report, job: &Job<'_>) -> Result<Opened, Stop> {
    let mut start = vec![0; LOOK_BYTES];
    let read = fill(&mut *file.open(job.progress)?, &mut start)?;
    let mut report = Report { encoding: Some(file.encoding.name().to_owned()), ..report };
    if file.encoding == Encoding::Gb18030 {
        let detail = "the text is not UTF-8 and was read as GB18030".to_owned();
        report.notes.push(ReportNote { column: None, detail, rows: Vec::new(), count: 0 });
    }
    let kind = json_kind(&start[..read]);
    if kind.is_some() && file.encoding == Encoding::Unknown {
        return Err(Stop::whole("the text is not UTF-8, nor is it GB18030 as a whole; save the file as UTF-8"));
    }
    let source: Box<dyn Source> = match kind {
        None => {
            let table = TextTable::open(file, job.declared, job.progress)?;
            report.format = "csv".to_owned();
            report.delimiter = Some(table.delimiter());
            report.notes.extend(table.notes());
            Box::new(table)
        }
        Some(JsonKind::Array) => {
            report.format = "json".to_owned();
            Box::new(Json::open(file, Form::Array, job.declared, job.progress)?)
        }
        Some(JsonKind::Lines) => {
            report.format = "ndjson".to_owned();
            Box::new(Json::open(file, Form::Lines, job.declared, job.progress)?)
        }
        Some(JsonKind::Geo) => {
            report.format = "geojson".to_owned();
            Box::new(GeoJson::open(file, job.declared, job.progress)?)
        }
    };
    Ok(Opened { source, report, unpacked: None })
}

#[derive(Debug, PartialEq, Eq)]
enum JsonKind {
    Array,
    Lines,
    Geo,
}

/// Whether a text is JSON, and which.
fn json_kind(start: &[u8]) -> Option<JsonKind> {
    let (first, rest) = start.trim_ascii_start().split_first()?;
    let second = rest.trim_ascii_start().first().copied();
    match (first, second) {
        // A header may begin with a bracket, but hardly with these two.
        (b'[', Some(b'{' | b']' | b'[')) => Some(JsonKind::Array),
        (b'{', Some(b'"' | b'}')) => Some(if is_collection(start) { JsonKind::Geo } else { JsonKind::Lines }),
        _ => None,
    }
}

/// Whether the object that begins here is a feature collection: one of its own keys says so.
fn is_collection(start: &[u8]) -> bool {
    let text = String::from_utf8_lossy(start);
    let (mut depth, mut in_string, mut escaped, mut from) = (0, false, false, 0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => {
                in_string = !in_string;
                if in_string {
                    from = at + 1;
                } else if depth == 1 && text.get(from..at) == Some("features") {
                    let behind = text.get(at + 1..).unwrap_or_default().trim_start();
                    return behind.strip_prefix(':').is_some_and(|value| value.trim_start().starts_with('['));
                } else if depth == 1 && text.get(from..at) == Some("FeatureCollection") {
                    return true;
                }
            }
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return false;
                }
            }
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_told_from_tables() {
        for (text, wanted) in [
            ("[{\"a\":1}]", Some(JsonKind::Array)),
            (" \n[ ]", Some(JsonKind::Array)),
            ("{\"a\":1}\n{\"a\":2}", Some(JsonKind::Lines)),
            ("{\"type\":\"FeatureCollection\",\"features\":[]}", Some(JsonKind::Geo)),
            ("{\"features\" : [", Some(JsonKind::Geo)),
            ("{\"crs\":{\"features\":[]},\"x\":1}", Some(JsonKind::Lines)),
            ("{\"features\":3}", Some(JsonKind::Lines)),
            ("a,b\n1,2\n", None),
            ("[a],b\n", None),
            ("{a},b\n", None),
            ("", None),
        ] {
            assert_eq!(json_kind(text.as_bytes()), wanted, "{text}");
        }
    }
}
