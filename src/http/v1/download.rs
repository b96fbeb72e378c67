//! A release as a file, by RFC 9110: content codings, validators, conditions, ranges, and RFC 9530 digests.

mod coding;
mod conditions;

use actix_web::body::SizedStream;
use actix_web::http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_RANGE, ETAG, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED, LINK, RANGE, VARY,
};
use actix_web::http::{Method, Version};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, route, web};
use bytes::Bytes;
use chrono::{NaiveDateTime, Utc};
use futures::{Stream, StreamExt};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use utoipa::IntoParams;

use self::conditions::{Answer, weigh};
use super::datasets::DatasetPath;
use super::versions::which_version;
use crate::access::Mode;
use crate::app::App;
use crate::crypto::{base64, unhex};
use crate::error::{Error, Result};
use crate::http::caller::{asked_method, limit_key};
use crate::http::problem::Problem;
use crate::identity::Caller;
use crate::limits::LimitKey;
use crate::read::{Coding, Export, Format, Opened, Wanted};
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
    let key = limit_key(&caller);
    app.usage.check(&app.db, &key, app.limits.of(key.tier).bytes_per_day).await?;
    let version = which_version(&app, &path.slug, "version", query.version.as_deref()).await?;
    let release = app.release(&caller, &path.slug, version, Mode::Download).await?;
    let plain = Export { spreadsheet: query.spreadsheet.unwrap_or_default(), ..Export::plain(query.format.unwrap_or_default()) };
    let wanted = wanted(&app, &release, plain, &request).await?;
    let opened = app.exports.open(&release, wanted).await?;
    let sending = Sending { app, release, export: plain, key };
    match opened {
        Opened::File(object, coding) => sending.file(&request, &object, coding),
        Opened::Growing(pieces, coding) => {
            let mut response = HttpResponse::Ok();
            sending.describe_body(&mut response, coding);
            Ok(response.streaming(sending.counted(pieces)))
        }
    }
}

/// What the headers ask for.
async fn wanted(app: &App, release: &Release, plain: Export, request: &HttpRequest) -> Result<Wanted> {
    let headers = request.headers();
    let accepted = coding::accepted(headers);
    let mut wanted = Wanted { plain, coding: accepted.coding, plain_will_do: accepted.plain, may_grow: false };
    let is_get = asked_method(request) == Method::GET;
    if is_get && headers.contains_key(RANGE) {
        // A part belongs to the file that the caller names. Who names none may have bytes that were decoded for it, as many libraries
        // do without being asked: the rest of those is a part of the plain file.
        let tag = [IF_RANGE, IF_MATCH].into_iter().find_map(|name| headers.get(name)).and_then(|tag| tag.to_str().ok());
        let named = match tag {
            Some(tag) => app.exports.coding_of(release, plain, tag.trim().trim_matches('"')).await?,
            None => None,
        };
        if named.is_some() || accepted.plain {
            wanted.coding = named;
        }
        if named.is_some() {
            wanted.plain_will_do = false;
        }
    }
    let conditions = [RANGE, IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE];
    // Without chunks, a body that breaks off would look like a short one.
    wanted.may_grow = is_get && request.version() >= Version::HTTP_11 && !conditions.iter().any(|name| headers.contains_key(name));
    Ok(wanted)
}

/// A release on its way out.
struct Sending {
    app: web::Data<App>,
    release: Release,
    export: Export,
    key: LimitKey,
}

impl Sending {
    fn file(self, request: &HttpRequest, object: &Object, coding: Option<Coding>) -> Result<HttpResponse> {
        let answer = weigh(&asked_method(request), request.headers(), &object.sha256, self.release.created_at(), object.size_bytes)?;
        let mut response = HttpResponse::build(answer.status());
        response.insert_header((ETAG, etag(&object.sha256))).insert_header((ACCEPT_RANGES, "bytes"));
        response.insert_header((HeaderName::from_static("repr-digest"), repr_digest(object)?));
        let range = match answer {
            Answer::NotModified | Answer::PreconditionFailed => {
                self.describe(&mut response);
                return Ok(response.finish());
            }
            Answer::Whole => 0..object.size_bytes,
            Answer::Part(range) => {
                let content_range = format!("bytes {}-{}/{}", range.start, range.end - 1, object.size_bytes);
                response.insert_header((CONTENT_RANGE, content_range));
                range
            }
        };
        self.describe_body(&mut response, coding);
        if let Some(address) = self.sent_by_proxy(request, object) {
            self.app.usage.add(&self.key, range.end - range.start);
            // The proxy cuts the range out by itself, and says that it can.
            response.status(actix_web::http::StatusCode::OK).insert_header((HeaderName::from_static("x-accel-redirect"), address));
            let mut response = response.finish();
            response.headers_mut().remove(CONTENT_RANGE);
            response.headers_mut().remove(ACCEPT_RANGES);
            return Ok(response);
        }
        let length = range.end - range.start;
        let pieces = self.app.storage.stream(object, range);
        Ok(response.body(SizedStream::new(length, self.counted(pieces))))
    }

    /// Where nginx finds the file, if it is to send it. What it would weigh again without knowing enough, we send ourselves.
    fn sent_by_proxy(&self, request: &HttpRequest, object: &Object) -> Option<String> {
        let prefix = self.app.settings.accel_prefix.as_deref()?;
        let weighed_again = [IF_MATCH, IF_UNMODIFIED_SINCE].iter().any(|name| request.headers().contains_key(name));
        let path = object.path();
        (asked_method(request) == Method::GET && !weighed_again).then(|| format!("{prefix}/{}", path.trim_start_matches("objects/")))
    }

    fn describe(&self, response: &mut HttpResponseBuilder) {
        describe(response, &self.app, &self.release);
        if self.export.format.is_text() {
            response.insert_header((VARY, "Accept-Encoding"));
        }
    }

    fn describe_body(&self, response: &mut HttpResponseBuilder, coding: Option<Coding>) {
        self.describe(response);
        let format = self.export.format;
        let file = format!("{}-v{}.{}", self.release.dataset().slug, self.release.version(), format.ending());
        response.insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{file}\"")));
        response.content_type(format.media_type());
        if let Some(coding) = coding {
            response.insert_header((CONTENT_ENCODING, coding.as_str()));
        }
    }

    /// The pieces, whose bytes are counted while they stream.
    fn counted(self, pieces: impl Stream<Item = Result<Bytes>>) -> impl Stream<Item = Result<Bytes>> {
        pieces.map(move |piece| {
            piece
                .inspect(|bytes| self.app.usage.add(&self.key, bytes.len() as u64))
                .inspect_err(|error| tracing::error!(error = ?error, "a download broke off"))
        })
    }
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
