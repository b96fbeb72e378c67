//! The scan for personal data in the files themselves: in texts, and of pictures, whether they say where they were taken.

use std::borrow::Cow;
use std::io::Read;

use encoding_rs::{Encoding, GB18030, UTF_8};

use super::Member;
use super::media::{is_text_type, utf16};
use super::pictures::has_place;
use crate::intake::decode::fill;
use crate::intake::faults::Stop;
use crate::intake::progress::Progress;
use crate::intake::scan::{self, ColumnScan, Marks, Tally};
use crate::intake::{Declared, Finding, FindingLevel, ReportNote};
use crate::storage::Storage;

/// What findings in the files' content name as their column.
pub const CONTENT: &str = "(content)";

/// So much of a text is looked at at once, to the end of its line; with a longer line something may be cut in two.
const PIECE_BYTES: usize = 256 << 10;

/// So much of a piece in UTF-16 is looked at twice. It is even, and longer than anything that is looked for.
const SEAM_BYTES: usize = 4096;

/// Rows of a note that are named.
const NOTED_ROWS: usize = 20;

/// What was found.
pub struct Scanned {
    pub findings: Vec<Finding>,
    /// How many files nobody looked into, and how many pictures say where they were taken.
    pub notes: Vec<ReportNote>,
}

/// Whether each file is a text by its own bytes.
pub fn by_content(members: &[Member]) -> Vec<bool> {
    members.iter().map(|member| is_text_type(&member.media_type)).collect()
}

/// Looks into every text: what is one by its bytes, whatever the publisher calls it, or what the publisher calls one. A value is a whole
/// file, and its row is the one of the manifest.
pub fn scan(members: &[Member], by_content: &[bool], storage: &Storage, progress: &Progress<'_>) -> Result<Scanned, Stop> {
    let declared = Declared { name: CONTENT.to_owned(), ..Declared::default() };
    let mut column = ColumnScan::new(&declared, crate::clock::now().date_naive());
    let (mut texts, mut others, mut placed) = (0, Vec::new(), Vec::new());
    let is_text = |(member, by_content): (&Member, &bool)| *by_content || is_text_type(&member.media_type);
    let is_text: Vec<bool> = members.iter().zip(by_content).map(is_text).collect();
    // All at once: how far the work is would stand still otherwise.
    progress.plan(members.iter().zip(&is_text).filter(|(_, is_text)| **is_text).map(|(member, _)| member.object.size_bytes).sum());
    for ((row, member), is_text) in (1..).zip(members).zip(is_text) {
        if !is_text {
            others.push(row);
            if has_place(&mut storage.file(&member.object).map_err(Stop::Internal)?)? {
                placed.push(row);
            }
            continue;
        }
        texts += 1;
        let mut file = storage.file(&member.object).map_err(Stop::Internal)?;
        let marks = look(&mut file, &mut column, row, progress)?;
        column.count(marks, 1);
    }
    let note = |mut rows: Vec<i64>, detail: &str| {
        let count = rows.len() as i64;
        rows.truncate(NOTED_ROWS);
        (count > 0).then(|| ReportNote { column: None, detail: detail.to_owned(), rows, count })
    };
    let unread = note(others, "files are no text, and were not looked into for personal data");
    let placed = note(placed, "pictures say in their EXIF data where they were taken; take it out if nobody is to know");
    Ok(Scanned { findings: scan::findings(&column, texts), notes: unread.into_iter().chain(placed).collect() })
}

/// The findings in the content of a collection to which files were appended: those of the files that were there, which had so many rows and
/// into which nobody looks again, and those of the others.
pub fn appended(there: &[Finding], rows_there: i64, added: &[Finding]) -> Vec<Finding> {
    let of_content = |findings: &[Finding]| findings.iter().filter(|finding| finding.column == CONTENT).cloned().collect::<Vec<_>>();
    let mut all = of_content(there);
    for mut finding in of_content(added) {
        finding.rows.iter_mut().for_each(|row| *row += rows_there);
        match all.iter_mut().find(|known| (known.kind, known.masked) == (finding.kind, finding.masked)) {
            Some(known) => join(known, finding),
            None => all.push(finding),
        }
    }
    all
}

fn join(known: &mut Finding, other: Finding) {
    let values = |finding: &Finding| if finding.share > 0.0 { finding.matches as f64 / finding.share } else { 0.0 };
    let all = values(known) + values(&other);
    known.matches += other.matches;
    known.share = if all > 0.0 { known.matches as f64 / all } else { 0.0 };
    if other.level == FindingLevel::Strong {
        known.level = other.level;
    }
    known.examples.extend(other.examples);
    known.rows.extend(other.rows);
    known.examples.truncate(scan::EXAMPLES);
    known.rows.truncate(scan::EXAMPLES);
}

fn look(file: &mut impl Read, column: &mut ColumnScan, row: i64, progress: &Progress<'_>) -> Result<Marks, Stop> {
    let (mut buffer, mut kept, mut marks) = (vec![0; PIECE_BYTES], 0, Marks::default());
    let mut encoding = None;
    loop {
        let read = fill(file, &mut buffer[kept..])?;
        let filled = kept + read;
        let is_last = filled < buffer.len();
        let encoding = *encoding.get_or_insert_with(|| utf16(&buffer[..filled]));
        // A piece ends behind a line, and if there is none, in the middle of one. In UTF-16 a byte of a line's end tells nothing: some of
        // the piece is looked at once more with the next one.
        let (end, from) = match buffer[..filled].iter().rposition(|byte| *byte == b'\n') {
            _ if is_last => (filled, filled),
            _ if encoding.is_some() => (filled & !1, (filled & !1) - SEAM_BYTES),
            Some(at) => (at + 1, at + 1),
            None => (filled, filled),
        };
        let text = decoded(&buffer[..end], encoding);
        marks = marks.with(column.look(&text, Tally::of(text.as_bytes()), row));
        progress.read(read as u64);
        if progress.stopped_at_last() {
            return Err(Stop::Gone);
        }
        if is_last {
            return Ok(marks);
        }
        buffer.copy_within(from..filled, 0);
        kept = filled - from;
    }
}

/// A piece of a text in UTF-16 if its file says so, in UTF-8, or else in GB18030.
fn decoded<'t>(piece: &'t [u8], utf16: Option<&'static Encoding>) -> Cow<'t, str> {
    if let Some(encoding) = utf16 {
        return encoding.decode_without_bom_handling(piece).0;
    }
    match std::str::from_utf8(piece) {
        Ok(text) => text.into(),
        Err(_) => match GB18030.decode_without_bom_handling_and_without_replacement(piece) {
            Some(text) => text,
            None => UTF_8.decode_without_bom_handling(piece).0,
        },
    }
}
