//! The scan for personal data in the files themselves: in texts, and of pictures, whether they say where they were taken.

use std::io::{Cursor, Read};

use encoding_rs::{GB18030, UTF_8};

use super::Member;
use super::media::is_text_type;
use crate::intake::decode::fill;
use crate::intake::faults::Stop;
use crate::intake::progress::Progress;
use crate::intake::scan::{self, ColumnScan, Marks, Tally};
use crate::intake::{Declared, Finding, ReportNote};
use crate::storage::Storage;

/// What findings in the files' content name as their column.
pub const CONTENT: &str = "(content)";

/// So much of a text is looked at at once, to the end of its line; with a longer line something may be cut in two.
const PIECE_BYTES: usize = 256 << 10;

/// Media types of pictures that may have EXIF data, and where it begins and ends at the latest.
const PICTURES: [&str; 4] = ["image/jpeg", "image/png", "image/webp", "image/tiff"];
const EXIF_BYTES: u64 = 1 << 20;

/// Rows of a note that are named.
const NOTED_ROWS: usize = 20;

/// What was found.
pub struct Scanned {
    pub findings: Vec<Finding>,
    /// How many files nobody looked into, and how many pictures say where they were taken.
    pub notes: Vec<ReportNote>,
}

/// Looks into every text; a value is a whole file, and its row is the one of the manifest.
pub fn scan(members: &[Member], storage: &Storage, progress: &Progress<'_>) -> Result<Scanned, Stop> {
    let declared = Declared { name: CONTENT.to_owned(), ..Declared::default() };
    let mut column = ColumnScan::new(&declared, crate::clock::now().date_naive());
    let (mut texts, mut others, mut placed) = (0, Vec::new(), Vec::new());
    for (row, member) in (1..).zip(members) {
        if !is_text_type(&member.media_type) {
            others.push(row);
            if PICTURES.contains(&member.media_type.as_str()) && has_place(&mut storage.file(&member.object).map_err(Stop::Internal)?)? {
                placed.push(row);
            }
            continue;
        }
        texts += 1;
        progress.plan(member.object.size_bytes);
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

/// Whether a picture has a place among its EXIF data. What cannot be read as such has none.
fn has_place(file: &mut impl Read) -> Result<bool, Stop> {
    let mut start = Vec::new();
    file.take(EXIF_BYTES).read_to_end(&mut start)?;
    let read = || exif::Reader::new().read_from_container(&mut Cursor::new(&start)).ok();
    // The file may be hostile, and a reader that gives up has read no place.
    let found = std::panic::catch_unwind(read).unwrap_or_default();
    Ok(found.is_some_and(|data| data.get_field(exif::Tag::GPSLatitude, exif::In::PRIMARY).is_some()))
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
