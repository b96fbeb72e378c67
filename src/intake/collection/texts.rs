//! The scan for personal data in the files themselves, as far as they are texts.

use std::io::Read;

use encoding_rs::{GB18030, UTF_8};

use super::Member;
use super::media::is_text_type;
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

/// Rows of a note that are named.
const NOTED_ROWS: usize = 20;

/// What was found.
pub struct Scanned {
    pub findings: Vec<Finding>,
    /// How many files nobody looked into.
    pub note: Option<ReportNote>,
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
    let (mut texts, mut others) = (0, Vec::new());
    let is_text = |(member, by_content): (&Member, &bool)| *by_content || is_text_type(&member.media_type);
    let is_text: Vec<bool> = members.iter().zip(by_content).map(is_text).collect();
    // All at once: how far the work is would stand still otherwise.
    progress.plan(members.iter().zip(&is_text).filter(|(_, is_text)| **is_text).map(|(member, _)| member.object.size_bytes).sum());
    for ((row, member), is_text) in (1..).zip(members).zip(is_text) {
        if !is_text {
            others.push(row);
            continue;
        }
        texts += 1;
        let mut file = storage.file(&member.object).map_err(Stop::Internal)?;
        let marks = look(&mut file, &mut column, row, progress)?;
        column.count(marks, 1);
    }
    let count = others.len() as i64;
    others.truncate(NOTED_ROWS);
    let detail = "files are no text, and were not looked into for personal data".to_owned();
    let note = (count > 0).then_some(ReportNote { column: None, detail, rows: others, count });
    Ok(Scanned { findings: scan::findings(&column, texts), note })
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
    loop {
        let read = fill(file, &mut buffer[kept..])?;
        let filled = kept + read;
        let is_last = filled < buffer.len();
        // A piece ends behind a line, and if there is none, in the middle of one.
        let end = match buffer[..filled].iter().rposition(|byte| *byte == b'\n') {
            Some(at) if !is_last => at + 1,
            Some(_) | None => filled,
        };
        let piece = &buffer[..end];
        let text = match std::str::from_utf8(piece) {
            Ok(text) => text.into(),
            Err(_) if GB18030.decode_without_bom_handling_and_without_replacement(piece).is_some() => {
                GB18030.decode_without_bom_handling(piece).0
            }
            Err(_) => UTF_8.decode_without_bom_handling(piece).0,
        };
        marks = marks.with(column.look(&text, Tally::of(text.as_bytes()), row));
        progress.read(read as u64);
        if progress.stopped_at_last() {
            return Err(Stop::Gone);
        }
        if is_last {
            return Ok(marks);
        }
        buffer.copy_within(end..filled, 0);
        kept = filled - end;
    }
}
