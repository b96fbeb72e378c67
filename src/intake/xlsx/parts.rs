//! The parts of a workbook, looked at before another library reads them: their sizes, and what they say of themselves, may be made up.

use std::io::{BufReader, Read};
use std::path::Path;

use zip::ZipArchive;

use super::super::faults::{Stop, shown};
use super::super::unpack::{MAX_RATIO, RATIO_FROM, check_names, zip_fault};
use crate::storage::open_file;

/// The most unpacked bytes of one part, and of the texts, which are held in memory.
const MAX_PART: u64 = 8 << 30;
const MAX_TEXTS: u64 = 1 << 30;

/// How much of the texts is looked at for their first element.
const LOOK_BYTES: u64 = 64 << 10;

/// Bytes that a text takes at least.
const TEXT_BYTES: u64 = 8;

/// A number of texts that does no harm if it is wrong, as it is in files of careless programs.
const HARMLESS_TEXTS: u64 = 1 << 20;

/// Unpacks the parts of a workbook for their size alone, and compares how many texts there are said to be with how many there can be.
pub fn check(path: &Path) -> Result<(), Stop> {
    let mut archive = ZipArchive::new(BufReader::new(open_file(path)?)).map_err(zip_fault)?;
    check_names(&archive)?;
    let mut buffer = vec![0; 1 << 18];
    for at in 0..archive.len() {
        let mut part = archive.by_index(at).map_err(zip_fault)?;
        let name = String::from_utf8_lossy(part.name_raw()).into_owned();
        // Names of parts are the same in capitals.
        let is_texts = name.to_ascii_lowercase().ends_with("sharedstrings.xml");
        let packed = part.compressed_size().max(1);
        let limit = if is_texts { MAX_TEXTS } else { MAX_PART };
        let (mut start, mut unpacked) = (Vec::new(), 0);
        loop {
            let read = match part.read(&mut buffer) {
                Ok(read) => read,
                Err(cause) if cause.raw_os_error().is_some() => return Err(cause.into()),
                Err(cause) => {
                    let name = shown(&name);
                    return Err(Stop::whole(format!("the part {name} of the workbook is damaged ({cause}); save it again")));
                }
            };
            if is_texts && unpacked < LOOK_BYTES {
                start.extend_from_slice(&buffer[..read]);
            }
            unpacked += read as u64;
            if unpacked > limit || (unpacked > RATIO_FROM && unpacked / packed > MAX_RATIO) {
                let name = shown(&name);
                return Err(Stop::whole(format!("the part {name} of the workbook unpacks to more than is allowed; send the table as CSV")));
            }
            if read == 0 {
                break;
            }
        }
        if is_texts {
            check_texts(&start, unpacked)?;
        }
    }
    Ok(())
}

/// The reader of workbooks makes room for as many texts as there are said to be: for billions of them the process would end.
fn check_texts(start: &[u8], unpacked: u64) -> Result<(), Stop> {
    let damaged = || Stop::whole("the workbook is damaged: its part of texts (sharedStrings.xml) does not begin as one; save it again");
    let said = said_count(start).ok_or_else(damaged)?;
    let most = (unpacked / TEXT_BYTES).max(HARMLESS_TEXTS);
    if said.is_some_and(|said| said > u128::from(most)) {
        let said = said.unwrap_or_default();
        return Err(Stop::whole(format!(
            "the workbook is damaged: its part of texts (sharedStrings.xml) says that it has {said} texts in {unpacked} bytes; save it again"
        )));
    }
    Ok(())
}

/// How many different texts there are said to be, if it is said; `None` where the first element is not the one of texts.
fn said_count(start: &[u8]) -> Option<Option<u128>> {
    let mut rest = start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(start);
    loop {
        rest = rest.trim_ascii_start();
        let end: &[u8] = match rest {
            [b'<', b'?', ..] => b"?>",
            [b'<', b'!', b'-', b'-', ..] => b"-->",
            [b'<', b'!', ..] => return None,
            [b'<', element @ ..] => return count_of(element),
            _ => return None,
        };
        let from = end.len() + 1;
        let at = rest.get(from..)?.windows(end.len()).position(|bytes| bytes == end)?;
        rest = &rest[from + at + end.len()..];
    }
}

/// The same of the element that begins here, behind its bracket.
fn count_of(element: &[u8]) -> Option<Option<u128>> {
    let length = element.iter().position(|byte| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/'))?;
    let (name, mut rest) = element.split_at(length);
    if name.rsplit(|byte| *byte == b':').next() != Some(b"sst") {
        return None;
    }
    let mut found = None;
    loop {
        rest = rest.trim_ascii_start();
        if let [b'>', ..] | [b'/', b'>', ..] = rest {
            return Some(found);
        }
        let equals = rest.iter().position(|byte| matches!(byte, b'=' | b'>'))?;
        let key = rest[..equals].trim_ascii();
        let (quote, value) = rest.get(equals + 1..)?.trim_ascii_start().split_first()?;
        if rest[equals] != b'=' || !matches!(quote, b'"' | b'\'') {
            return None;
        }
        let end = value.iter().position(|byte| byte == quote)?;
        if key == b"uniqueCount" {
            // What is no number is none for the reader either. One that is too long for any is too large.
            let digits = value[..end].trim_ascii();
            let digits = digits.strip_prefix(b"+").unwrap_or(digits);
            let number = digits.iter().all(u8::is_ascii_digit).then(|| std::str::from_utf8(digits).ok()?.parse().ok());
            found = found.max(number.map(|number| number.unwrap_or(u128::MAX)));
        }
        rest = &value[end + 1..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_texts_is_found() {
        for (start, wanted) in [
            ("<sst count=\"9\" uniqueCount=\"4\">", Some(Some(4))),
            ("\u{FEFF}<?xml version='1.0'?>\n<!-- <sst uniqueCount=\"1\"> -->\n<x:sst xmlns:x='a>b' uniqueCount = '4000000000'/>", {
                Some(Some(4_000_000_000))
            }),
            ("<sst><si/>", Some(None)),
            ("<sst\tuniqueCount=\"none\">", Some(None)),
            ("<sst uniqueCount=\" +7 \">", Some(Some(7))),
            ("<sst uniqueCount=\"99999999999999999999999999999999999999999\">", Some(Some(u128::MAX))),
            ("<a><sst uniqueCount=\"1\">", None),
            ("<!DOCTYPE x><sst>", None),
            ("<sst uniqueCount=\"1", None),
            ("<!-- never closed", None),
            ("text", None),
            ("", None),
        ] {
            assert_eq!(said_count(start.as_bytes()), wanted, "{start}");
        }
    }

    #[test]
    fn only_an_impossible_number_is_refused() {
        let check = |said: u64, unpacked| check_texts(format!("<sst uniqueCount=\"{said}\">").as_bytes(), unpacked).is_ok();
        assert!(check(HARMLESS_TEXTS, 100) && !check(HARMLESS_TEXTS + 1, 100));
        assert!(check(4 << 20, 32 << 20) && !check((4 << 20) + 1, 32 << 20));
    }
}
