//! Signed URLs: for tools that send no header.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, post, route, web};
use chrono::NaiveDateTime;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::datasets::DatasetPath;
use super::download::serve;
use crate::app::App;
use crate::error::{Error, Result};
use crate::http::caller::SignedTarget;
use crate::http::problem::Problem;
use crate::identity::Caller;
use crate::identity::signed_urls::Lifetime;
use crate::read::{Format, Target, TargetFile};

/// How long a URL lasts when nothing is said of it.
const SECONDS: i64 = 900;

/// For which file a URL is wanted: the release in one format, one file of a collection, or all of them.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignedUrlRequest {
    /// The version's number; the newest that the grant gives by default. The URL stays with it, whatever is published later.
    #[schema(minimum = 1, example = 1)]
    version: Option<i32>,
    /// The format of the release; Parquet by default.
    format: Option<Format>,
    /// For `csv`: a text that a spreadsheet would take for a formula gets an apostrophe before it; false by default.
    spreadsheet: Option<bool>,
    /// A file of a collection, by its path in the manifest.
    #[schema(example = "2026/wukang-road.jpg")]
    path: Option<String>,
    /// All files of a collection, as one tar archive.
    archive: Option<bool>,
    /// In how many seconds it ends; 900 by default.
    #[schema(minimum = 1, maximum = 3600, example = 900)]
    expires_in: Option<i64>,
}

/// A signed URL.
#[derive(Serialize, ToSchema)]
pub struct SignedUrlAnswer {
    /// The address. Whoever has it reads the file: keep it like a token.
    #[schema(example = "https://open.example/api/v1/signed/q4Jt…/resident-records-v1.parquet")]
    url: String,
    /// When it ends; a download that is running then goes on.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    expires_at: NaiveDateTime,
    /// The version that it opens.
    version: i32,
}

/// What stands in a signed URL.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "for the document; who comes by the address is worked out before any handler")]
pub struct SignedUrlPath {
    /// What the URL says, and its keyed hash.
    signature: String,
    /// The file's name, in plain signs; another one is refused.
    #[param(example = "resident-records-v1.parquet")]
    file: String,
}

impl SignedUrlRequest {
    fn version(&self) -> Result<Option<i32>> {
        match self.version {
            Some(number) if number < 1 => Err(Error::invalid("/version", "versions are numbered from 1 on")),
            version => Ok(version),
        }
    }

    fn file(self) -> Result<TargetFile> {
        let is_table = self.format.is_some() || self.spreadsheet.is_some();
        match (self.path, self.archive.unwrap_or_default()) {
            (None, false) => {
                Ok(TargetFile::Release { format: self.format.unwrap_or_default(), spreadsheet: self.spreadsheet.unwrap_or_default() })
            }
            (Some(path), false) if !is_table => Ok(TargetFile::File { path }),
            (None, true) if !is_table => Ok(TargetFile::Archive {}),
            (Some(_), true) => Err(Error::invalid("/archive", "ask for one file by its path, or for all of them; not for both in one URL")),
            (Some(_), false) => Err(Error::invalid("/path", "a file of a collection is as it is; leave out format and spreadsheet")),
            (None, true) => Err(Error::invalid("/archive", "an archive is a tar file; leave out format and spreadsheet")),
        }
    }
}

/// Sign a URL
///
/// A URL that opens one file of a grant's release for a short time, to whoever has it: for tools that send no header. It is worth what the token is
/// worth with which it is made: it ends when the client, the firm, the grant or the token is ended, and rests while one of them is suspended. (That the
/// token expires does not end it.) Each read by it counts like any other, and is in the ledger. Grants that ask for tokens bound to a key have none, and
/// unconditional datasets need none.
#[utoipa::path(
    tag = "reading",
    params(DatasetPath),
    security(("oauth2" = [])),
    responses(
        (status = CREATED, description = "The URL", body = SignedUrlAnswer),
        (status = FORBIDDEN, description = "The grant does not cover the file, or asks for tokens bound to a key", body = Problem),
        (status = PAYLOAD_TOO_LARGE, description = "Excel cannot hold the release; the problem says what to take instead", body = Problem),
    )
)]
#[post("/datasets/{slug}/signed-urls")]
pub async fn create_signed_url(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<DatasetPath>,
    body: web::Json<SignedUrlRequest>,
) -> Result<HttpResponse> {
    let body = body.into_inner();
    let (version, lifetime) = (body.version()?, Lifetime::of_seconds(body.expires_in.unwrap_or(SECONDS))?);
    let signed = Box::pin(app.sign_url(&caller, &path.slug, version, body.file()?, lifetime)).await?;
    let url = format!("{}{}", app.issuer, signed.path);
    let answer = SignedUrlAnswer { url, expires_at: signed.until.naive_utc(), version: signed.target.version };
    // It is as good as a token.
    Ok(HttpResponse::Created().insert_header((CACHE_CONTROL, "no-store")).json(answer))
}

/// Download by a signed URL
///
/// The file, exactly as `download`, `files/{path}` or `archive` answer it: `ETag`, `Repr-Digest`, single byte ranges with `If-Range`, content codings
/// and `HEAD`. The address says who asks: a token or cookie that comes along is not looked at. 401 when the URL was changed or has expired, or its token
/// was ended, or its client or firm is revoked or suspended; 403 when its grant is, or is over, or no longer covers the file.
#[utoipa::path(
    tag = "reading",
    params(SignedUrlPath),
    security(()),
    responses(
        (status = OK, description = "The whole file", content((Vec<u8> = "*/*")),
            headers(("ETag" = String), ("Repr-Digest" = String), ("Last-Modified" = String), ("Qingdan-Version" = i32), ("Qingdan-Citation" = String))),
        (status = PARTIAL_CONTENT, description = "The range that was asked for", headers(("Content-Range" = String))),
        (status = NOT_MODIFIED, description = "The file that you have is the same"),
        (status = UNAUTHORIZED, description = "The URL is not valid or over, or its client or firm may not act", body = Problem),
        (status = FORBIDDEN, description = "The grant is suspended, revoked or over, or does not cover the file any more", body = Problem),
        (status = PRECONDITION_FAILED, description = "The file is not the one of If-Match or If-Unmodified-Since"),
        (status = PAYLOAD_TOO_LARGE, description = "Excel cannot hold the release", body = Problem),
    )
)]
#[route("/signed/{signature}/{file}", method = "GET", method = "HEAD")]
pub async fn download_signed(caller: Caller, app: web::Data<App>, signed: SignedTarget, request: HttpRequest) -> Result<HttpResponse> {
    let target: Option<Target> = serde_json::from_value(signed.opens).ok();
    let target = target.filter(|target| target.file_name() == signed.file_name);
    let target = target
        .ok_or_else(|| Error::Unauthenticated("the signed URL is for another file: take it exactly as it was answered".to_owned()))?;
    serve(app, &caller, (&target.slug, Some(target.version)), target.file, &request).await
}
