//! Conditions and ranges by RFC 9110 §13 and §14.

use std::time::SystemTime;

use actix_web::http::header::{
    HeaderMap, HeaderName, HttpDate, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE,
};
use actix_web::http::{Method, StatusCode};
use chrono::{DateTime, NaiveDateTime, SubsecRound, Utc};

use super::{etag, matches_any};
use crate::error::{Error, Result};

/// How a request for a file is answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Whole,
    Part(std::ops::Range<u64>),
    NotModified,
    PreconditionFailed,
}

impl Answer {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Answer::Whole => StatusCode::OK,
            Answer::Part(_) => StatusCode::PARTIAL_CONTENT,
            Answer::NotModified => StatusCode::NOT_MODIFIED,
            Answer::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
        }
    }
}

/// Weighs conditions and range in the order of RFC 9110 §13.2.2. A range is for GET alone (§14.2).
pub(super) fn weigh(method: &Method, headers: &HeaderMap, sha256: &str, modified: NaiveDateTime, size: u64) -> Result<Answer> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    // A list may stand on several lines.
    let list = |name: HeaderName| {
        let lines: Vec<&str> = headers.get_all(name).filter_map(|value| value.to_str().ok()).map(str::trim).collect();
        (!lines.is_empty()).then(|| lines.join(","))
    };
    let tag = etag(sha256);
    let modified = modified.and_utc().trunc_subsecs(0);
    let date = |text: &str| text.parse::<HttpDate>().ok().map(|date| DateTime::<Utc>::from(SystemTime::from(date)));
    match (list(IF_MATCH), text(IF_UNMODIFIED_SINCE).and_then(date)) {
        // A weak tag never matches here.
        (Some(list), _) if list != "*" && !list.split(',').any(|other| other.trim() == tag) => return Ok(Answer::PreconditionFailed),
        (None, Some(since)) if modified > since => return Ok(Answer::PreconditionFailed),
        _ => {}
    }
    match (list(IF_NONE_MATCH), text(IF_MODIFIED_SINCE).and_then(date)) {
        (Some(list), _) => {
            if matches_any(&list, sha256) {
                return Ok(Answer::NotModified);
            }
        }
        (None, Some(since)) if modified <= since => return Ok(Answer::NotModified),
        (None, _) => {}
    }
    let same = match text(IF_RANGE) {
        None => true,
        Some(validator) if validator.starts_with('"') => validator == tag,
        Some(validator) => date(validator) == Some(modified),
    };
    match text(RANGE) {
        Some(range) if same && method == Method::GET => part(range, size),
        _ => Ok(Answer::Whole),
    }
}

/// One byte range. Several ranges, another unit or a range that cannot be read are answered with the whole file, as RFC 9110 §14.2 allows.
fn part(range: &str, size: u64) -> Result<Answer> {
    let spec = range.split_once('=').filter(|(unit, _)| unit.trim().eq_ignore_ascii_case("bytes")).map(|(_, spec)| spec.trim());
    let Some((first, last)) = spec.filter(|spec| !spec.contains(',')).and_then(|spec| spec.split_once('-')) else {
        return Ok(Answer::Whole);
    };
    // A number that is too large for us is larger than any file.
    let number =
        |text: &str| (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse::<u64>().unwrap_or(u64::MAX));
    let range = match (first, last) {
        ("", suffix) => match number(suffix) {
            None => return Ok(Answer::Whole),
            Some(0) => return Err(Error::RangeNotSatisfiable { size_bytes: size }),
            Some(suffix) => size.saturating_sub(suffix)..size,
        },
        (first, "") => match number(first) {
            None => return Ok(Answer::Whole),
            Some(first) => first..size,
        },
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(size),
            _ => return Ok(Answer::Whole),
        },
    };
    if range.start >= size { Err(Error::RangeNotSatisfiable { size_bytes: size }) } else { Ok(Answer::Part(range)) }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn answer(headers: &[(HeaderName, &str)]) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name.clone(), HeaderValue::try_from(*value).unwrap());
        }
        let modified = DateTime::parse_from_rfc3339("2026-01-02T03:04:05.5Z").unwrap().naive_utc();
        match weigh(&Method::GET, &map, "ab", modified, 100) {
            Ok(answer) => format!("{answer:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_range_is_for_get_alone() {
        let mut map = HeaderMap::new();
        map.insert(RANGE, HeaderValue::from_static("bytes=0-9"));
        let modified = DateTime::UNIX_EPOCH.naive_utc();
        assert_eq!(weigh(&Method::HEAD, &map, "ab", modified, 100).unwrap(), Answer::Whole);
    }

    #[test]
    fn conditions_and_ranges() {
        let day = "Fri, 02 Jan 2026 03:04:05 GMT";
        let before = "Fri, 02 Jan 2026 03:04:04 GMT";
        let cases: &[(&[(HeaderName, &str)], &str)] = &[
            (&[], "Whole"),
            (&[(RANGE, "bytes=0-0")], "Part(0..1)"),
            (&[(RANGE, "bytes=90-")], "Part(90..100)"),
            (&[(RANGE, "bytes=-5")], "Part(95..100)"),
            (&[(RANGE, "bytes=-500")], "Part(0..100)"),
            (&[(RANGE, "bytes=50-5000")], "Part(50..100)"),
            (&[(RANGE, "bytes=100-")], "the range lies outside"),
            (&[(RANGE, "bytes=99999999999999999999-")], "the range lies outside"),
            (&[(RANGE, "bytes=0-99999999999999999999")], "Part(0..100)"),
            (&[(RANGE, "bytes=-99999999999999999999")], "Part(0..100)"),
            (&[(RANGE, "Bytes=0-9")], "Part(0..10)"),
            (&[(RANGE, "bytes=-")], "Whole"),
            (&[(RANGE, "bytes=-0")], "the range lies outside"),
            (&[(RANGE, "bytes=5-4")], "Whole"),
            (&[(RANGE, "bytes=1-2,4-5")], "Whole"),
            (&[(RANGE, "lines=1-2")], "Whole"),
            (&[(RANGE, "bytes=+1-2")], "Whole"),
            (&[(RANGE, "bytes=0-9"), (IF_RANGE, "\"ab\"")], "Part(0..10)"),
            (&[(RANGE, "bytes=0-9"), (IF_RANGE, "\"cd\"")], "Whole"),
            (&[(RANGE, "bytes=0-9"), (IF_RANGE, "W/\"ab\"")], "Whole"),
            (&[(RANGE, "bytes=0-9"), (IF_RANGE, day)], "Part(0..10)"),
            (&[(RANGE, "bytes=0-9"), (IF_RANGE, before)], "Whole"),
            (&[(IF_NONE_MATCH, "\"ab\"")], "NotModified"),
            (&[(IF_NONE_MATCH, "\"x\", W/\"ab\"")], "NotModified"),
            (&[(IF_NONE_MATCH, "*")], "NotModified"),
            (&[(IF_NONE_MATCH, "\"x\""), (IF_MODIFIED_SINCE, day)], "Whole"),
            (&[(IF_MODIFIED_SINCE, day)], "NotModified"),
            (&[(IF_MODIFIED_SINCE, "Friday, 02-Jan-26 03:04:05 GMT")], "NotModified"),
            (&[(IF_MODIFIED_SINCE, "Fri Jan  2 03:04:05 2026")], "NotModified"),
            (&[(IF_NONE_MATCH, "\"x\""), (IF_NONE_MATCH, "\"ab\"")], "NotModified"),
            (&[(IF_MATCH, "\"x\""), (IF_MATCH, "\"ab\"")], "Whole"),
            (&[(IF_MATCH, "W/\"ab\"")], "PreconditionFailed"),
            (&[(IF_MODIFIED_SINCE, before)], "Whole"),
            (&[(IF_MODIFIED_SINCE, "yesterday")], "Whole"),
            (&[(IF_MATCH, "\"x\"")], "PreconditionFailed"),
            (&[(IF_MATCH, "\"ab\""), (RANGE, "bytes=0-9")], "Part(0..10)"),
            (&[(IF_UNMODIFIED_SINCE, before)], "PreconditionFailed"),
            (&[(IF_UNMODIFIED_SINCE, day)], "Whole"),
        ];
        for (headers, wanted) in cases {
            let got = answer(headers);
            assert!(got.starts_with(wanted), "{headers:?}: {got}");
        }
    }
}
