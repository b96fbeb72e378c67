//! A release as a file, by RFC 9110: content codings, validators, conditions, ranges, and RFC 9530 digests.

mod coding;
mod conditions;
mod sending;
mod serving;

use actix_web::http::header::{HeaderName, LAST_MODIFIED, LINK};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, route, web};
use chrono::NaiveDateTime;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use utoipa::IntoParams;

pub use self::sending::disposition;
pub use self::serving::serve;
use super::datasets::DatasetPath;
use super::versions::which_version;
use crate::app::App;
use crate::catalog::Citation;
use crate::clock::{now_naive, shanghai};
use crate::error::{Error, Result};
use crate::http::problem::Problem;
use crate::identity::Caller;
use crate::read::{Format, TargetFile};
use crate::release::Release;

/// What a citation writes in percent form: everything that is not plain ASCII text.
const ESCAPED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b' ').remove(b'.').remove(b'/').remove(b':').remove(b'-').remove(b'(').remove(b')').remove(b',').remove(b'\'');

/// Which file.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct DownloadQuery {
    /// The version: its number, or a day or moment (RFC 3339, UTC) at which it was the newest one; the newest by default.
    #[param(value_type = Option<String>, example = "1")]
    version: Option<String>,
    /// The format; Parquet by default.
    format: Option<Format>,
    /// For `format=csv`: a text that a spreadsheet would take for a formula (it begins with `=`, `+`, `-`, `@`, a tab or a line break)
    /// gets an apostrophe before it. False by default, when each cell is exactly as it is in the data.
    spreadsheet: Option<bool>,
}

/// Download a dataset
///
/// The public release of an unconditional dataset, for anybody; or, with the token of a grant, the release made for it.
/// A strong `ETag`, `Last-Modified`, `Repr-Digest` (SHA-256), single byte ranges with `If-Range`, and `HEAD`. Formats of text come with the
/// content coding that `Accept-Encoding` likes best (`zstd`, `br`, `gzip`); each is a file of its own with its own `ETag`. Whoever asks first for
/// a large file gets it while it is made, without `ETag` and length. For a release of a grant the read is in the ledger before the first
/// byte leaves.
#[utoipa::path(
    tag = "reading",
    params(DatasetPath, DownloadQuery),
    security((), ("oauth2" = [])),
    responses(
        (status = OK, description = "The whole file", content(
            (Vec<u8> = "application/vnd.apache.parquet"), (String = "text/csv"), (String = "application/x-ndjson"), (Vec<Object> = "application/json"),
            (Vec<u8> = "application/vnd.apache.arrow.stream"), (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
            (Object = "application/geo+json"),
        ), headers(("ETag" = String), ("Repr-Digest" = String), ("Last-Modified" = String), ("Qingdan-Version" = i32), ("Qingdan-Citation" = String))),
        (status = PARTIAL_CONTENT, description = "The range that was asked for", headers(("Content-Range" = String))),
        (status = NOT_MODIFIED, description = "The file that you have is the same"),
        (status = PRECONDITION_FAILED, description = "The file is not the one of If-Match or If-Unmodified-Since"),
        (status = PAYLOAD_TOO_LARGE, description = "Excel cannot hold the release; the problem says what to take instead", body = Problem),
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
    let version = which_version(&app, &path.slug, "version", query.version.as_deref()).await?;
    let file = TargetFile::Release { format: query.format.unwrap_or_default(), spreadsheet: query.spreadsheet.unwrap_or_default() };
    serve(app, &caller, (&path.slug, version), file, &request).await
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
    cite(response, app, release);
    response.insert_header((HeaderName::from_static("qingdan-version"), release.version().to_string()));
    response.insert_header((LAST_MODIFIED, http_date(release.created_at())));
    let cache = if release.is_sensitive() { "private, no-store" } else { "public, no-cache" };
    response.insert_header((actix_web::http::header::CACHE_CONTROL, cache));
}

/// The headers of a release that is in an answer: where its licence is, and how it is cited. An answer may have several.
pub fn cite(response: &mut HttpResponseBuilder, app: &App, release: &Release) {
    let (dataset, version) = (release.dataset(), release.version());
    let today = shanghai(now_naive()).date();
    let citation = Citation::of(dataset, Some(version), shanghai(release.created_at()).date(), today, &app.issuer);
    let (page, api) = (&citation.address, format!("{}/api/v1/datasets/{}", app.issuer, dataset.slug));
    let mut links = vec![
        format!("<{page}>; rel=\"cite-as\""),
        format!("<{page}>; rel=\"describedby\""),
        format!("<{api}/citation?format=csl&version={version}>; rel=\"describedby\"; type=\"application/vnd.citationstyles.csl+json\""),
    ];
    if let Some(licence) = &dataset.entry.licence {
        let href = if licence.starts_with("https://") { licence.clone() } else { format!("https://spdx.org/licenses/{licence}") };
        links.insert(0, format!("<{href}>; rel=\"license\""));
    }
    response.append_header((LINK, links.join(", ")));
    // Percent-encoded where it is not ASCII, as in RFC 8187.
    let text = utf8_percent_encode(&citation.text().en, ESCAPED).to_string();
    response.append_header((HeaderName::from_static("qingdan-citation"), text));
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
