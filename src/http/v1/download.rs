//! A release as a file, by RFC 9110: validators, conditions, ranges, and RFC 9530 digests.

use actix_web::body::SizedStream;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_RANGE, ETAG, HeaderMap, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE, LAST_MODIFIED, LINK, RANGE,
};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, route, web};
use chrono::{DateTime, NaiveDateTime, SubsecRound, Utc};
use futures::StreamExt;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use utoipa::IntoParams;

use super::datasets::DatasetPath;
use crate::access::Mode;
use crate::app::App;
use crate::crypto::{base64, unhex};
use crate::error::{Error, Result};
use crate::http::caller::limit_key;
use crate::identity::Caller;
use crate::read::Format;
use crate::release::Release;
use crate::storage::Object;

/// What a citation writes in percent form: everything that is not plain ASCII text.
const ESCAPED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b' ').remove(b'.').remove(b'/').remove(b':').remove(b'-').remove(b'(').remove(b')').remove(b',').remove(b'\'');

/// Which file.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct DownloadQuery {
    /// The version; the newest by default.
    #[param(value_type = Option<i32>, minimum = 1)]
    version: Option<String>,
    /// The format; Parquet by default.
    format: Option<Format>,
}

/// Download a dataset
///
/// The public release of an unconditional dataset, for anybody; or, with the token of a grant, the release made for it.
/// A strong `ETag`, `Last-Modified`, `Repr-Digest` (SHA-256), single byte ranges with `If-Range`, and `HEAD`. For a release of a grant
/// the read is in the ledger before the first byte leaves.
#[utoipa::path(
    tag = "reading",
    params(DatasetPath, DownloadQuery),
    security((), ("oauth2" = [])),
    responses(
        (status = OK, description = "The whole file", content(
            (Vec<u8> = "application/vnd.apache.parquet"), (String = "text/csv"), (String = "application/x-ndjson"), (Vec<Object> = "application/json"),
        ), headers(("ETag" = String), ("Repr-Digest" = String), ("Last-Modified" = String), ("Qingdan-Version" = i32), ("Qingdan-Citation" = String))),
        (status = PARTIAL_CONTENT, description = "The range that was asked for", headers(("Content-Range" = String))),
        (status = NOT_MODIFIED, description = "The file that you have is the same"),
        (status = PRECONDITION_FAILED, description = "The file is not the one of If-Match or If-Unmodified-Since"),
    )
)]
#[route("/datasets/{slug}/download", method = "GET", method = "HEAD")]
pub async fn download_dataset(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<DatasetPath>,
    query: web::Query<DownloadQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let key = limit_key(&caller);
    app.usage.check(&app.db, &key, app.limits.of(key.tier).bytes_per_day).await?;
    let version = parse_version(query.version.as_deref())?;
    let release = app.release(&caller, &path.slug, version, Mode::Download).await?;
    let format = query.format.unwrap_or_default();
    let object = app.clone().into_inner().export(release.clone(), format).await?;
    let answer = weigh(request.headers(), &object.sha256, release.created_at(), object.size_bytes)?;
    let mut response = HttpResponse::build(answer.status());
    describe(&mut response, &app, &release);
    response.insert_header((ETAG, etag(&object.sha256))).insert_header((ACCEPT_RANGES, "bytes"));
    response.insert_header((HeaderName::from_static("repr-digest"), repr_digest(&object)?));
    let range = match answer {
        Answer::NotModified | Answer::PreconditionFailed => return Ok(response.finish()),
        Answer::Whole => 0..object.size_bytes,
        Answer::Part(range) => {
            let content_range = format!("bytes {}-{}/{}", range.start, range.end - 1, object.size_bytes);
            response.insert_header((CONTENT_RANGE, content_range));
            range
        }
    };
    let file = format!("{}-v{}.{}", release.dataset().slug, release.version(), format.as_str());
    response.insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{file}\"")));
    response.content_type(format.media_type());
    let counted = app.clone();
    let body = app.storage.stream(&object, range.clone()).map(move |piece| {
        // Bytes are counted while they stream.
        piece
            .inspect(|bytes| counted.usage.add(&key, bytes.len() as u64))
            .inspect_err(|error| tracing::error!(error = ?error, "a download broke off"))
    });
    Ok(response.body(SizedStream::new(range.end - range.start, body)))
}

/// A version's number.
///
/// # Errors
/// When it is none.
pub fn parse_version(text: Option<&str>) -> Result<Option<i32>> {
    let Some(text) = text else { return Ok(None) };
    let number = text.parse::<i32>().ok().filter(|number| *number > 0);
    number.map(Some).ok_or_else(|| Error::invalid("version", format!("`{text}` is no version number; they start at 1")))
}

/// The headers of every answer with data: licence, citation, version, and how long it may be kept.
pub fn describe(response: &mut HttpResponseBuilder, app: &App, release: &Release) {
    let dataset = release.dataset();
    let page = format!("{}/datasets/{}", app.issuer, dataset.slug);
    let mut links = vec![format!("<{page}>; rel=\"cite-as\""), format!("<{page}>; rel=\"describedby\"")];
    if let Some(licence) = &dataset.entry.licence {
        let href = if licence.starts_with("https://") { licence.clone() } else { format!("https://spdx.org/licenses/{licence}") };
        links.insert(0, format!("<{href}>; rel=\"license\""));
    }
    response.insert_header((LINK, links.join(", ")));
    response.insert_header((HeaderName::from_static("qingdan-version"), release.version().to_string()));
    let today = Utc::now().format("%Y-%m-%d");
    let citation =
        format!("{}. {}. Version {}. {page}. Accessed {today}.", dataset.publisher_name.en, dataset.entry.title.en, release.version());
    // Percent-encoded where it is not ASCII, as in RFC 8187.
    response.insert_header((HeaderName::from_static("qingdan-citation"), utf8_percent_encode(&citation, ESCAPED).to_string()));
    response.insert_header((LAST_MODIFIED, http_date(release.created_at())));
    let cache = if release.is_sensitive() { "private, no-store" } else { "public, no-cache" };
    response.insert_header((actix_web::http::header::CACHE_CONTROL, cache));
}

/// A moment as HTTP writes it.
pub fn http_date(at: NaiveDateTime) -> String {
    at.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// A strong validator: the file's digest.
pub fn etag(sha256: &str) -> String {
    format!("\"{sha256}\"")
}

/// Whether an `If-None-Match` names the file: by weak comparison (RFC 9110 §13.1.2), in a list, or by `*`.
pub fn matches_any(list: &str, sha256: &str) -> bool {
    let tag = etag(sha256);
    list.trim() == "*" || list.split(',').any(|other| other.trim().trim_start_matches("W/") == tag)
}

fn repr_digest(object: &Object) -> Result<String> {
    let bytes = unhex(&object.sha256).ok_or_else(|| Error::internal(anyhow::anyhow!("a digest that is none")))?;
    Ok(format!("sha-256=:{}:", base64(&bytes)))
}

/// How a request for a file is answered.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Whole,
    Part(std::ops::Range<u64>),
    NotModified,
    PreconditionFailed,
}

impl Answer {
    fn status(&self) -> StatusCode {
        match self {
            Answer::Whole => StatusCode::OK,
            Answer::Part(_) => StatusCode::PARTIAL_CONTENT,
            Answer::NotModified => StatusCode::NOT_MODIFIED,
            Answer::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
        }
    }
}

/// Weighs conditions and range in the order of RFC 9110 §13.2.2.
fn weigh(headers: &HeaderMap, sha256: &str, modified: NaiveDateTime, size: u64) -> Result<Answer> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let tag = etag(sha256);
    let modified = modified.and_utc().trunc_subsecs(0);
    let date = |text: &str| DateTime::parse_from_rfc2822(text).ok().map(|at| at.with_timezone(&Utc));
    match (text(IF_MATCH), text(IF_UNMODIFIED_SINCE).and_then(date)) {
        // A weak tag never matches here.
        (Some(list), _) if list != "*" && !list.split(',').any(|other| other.trim() == tag) => return Ok(Answer::PreconditionFailed),
        (None, Some(since)) if modified > since => return Ok(Answer::PreconditionFailed),
        _ => {}
    }
    match (text(IF_NONE_MATCH), text(IF_MODIFIED_SINCE).and_then(date)) {
        (Some(list), _) => {
            if matches_any(list, sha256) {
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
        Some(range) if same => part(range, size),
        _ => Ok(Answer::Whole),
    }
}

/// One byte range. Several ranges, another unit or a range that cannot be read are answered with the whole file, as RFC 9110 §14.2 allows.
fn part(range: &str, size: u64) -> Result<Answer> {
    let Some(spec) = range.strip_prefix("bytes=").map(str::trim).filter(|spec| !spec.contains(',')) else { return Ok(Answer::Whole) };
    let Some((first, last)) = spec.split_once('-') else { return Ok(Answer::Whole) };
    let number = |text: &str| text.parse::<u64>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
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
            map.insert(name.clone(), HeaderValue::try_from(*value).unwrap());
        }
        let modified = DateTime::parse_from_rfc3339("2026-01-02T03:04:05.5Z").unwrap().naive_utc();
        match weigh(&map, "ab", modified, 100) {
            Ok(answer) => format!("{answer:?}"),
            Err(error) => error.to_string(),
        }
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
