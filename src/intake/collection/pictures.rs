//! Pictures that say where they were taken.

use std::io::{self, Cursor, Read};

/// Where EXIF data begins and ends at the latest.
const EXIF_BYTES: u64 = 128 << 10;

/// Whether a file is a picture with a place among its EXIF data. What cannot be read as such has none.
pub fn has_place(file: &mut impl Read) -> io::Result<bool> {
    let mut start = Vec::new();
    file.take(EXIF_BYTES).read_to_end(&mut start)?;
    let read = || exif::Reader::new().read_from_container(&mut Cursor::new(&start)).ok();
    // The file may be hostile, and a reader that gives up has read no place.
    let found = std::panic::catch_unwind(read).unwrap_or_default();
    Ok(found.is_some_and(|data| data.get_field(exif::Tag::GPSLatitude, exif::In::PRIMARY).is_some()))
}
