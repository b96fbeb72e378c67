//! The files of a collection.

use actix_web::{HttpRequest, HttpResponse, route, web};
use serde::Deserialize;
use utoipa::IntoParams;

use super::datasets::DatasetPath;
use super::download::serve;
use super::versions::which_version;
use crate::app::App;
use crate::error::Result;
use crate::http::problem::Problem;
use crate::identity::Caller;
use crate::read::TargetFile;

/// Which file of which collection.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct FilePath {
    /// The dataset's slug.
    #[param(example = "street-photographs")]
    slug: String,
    /// The file's path as the manifest has it; its `/` may stand as they are.
    #[param(example = "2026/wukang-road.jpg")]
    path: String,
}

/// Which version.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct FileQuery {
    /// The version: its number, or a day or moment (RFC 3339, UTC) at which it was the newest one; the newest by default.
    #[param(value_type = Option<String>, example = "1")]
    version: Option<String>,
}

/// Download a file of a collection
///
/// One file by its path in the manifest, which is the collection's table: list the paths with `rows`, `sql` or `download`. The bytes are those that
/// the publisher gave, with a strong `ETag`, `Repr-Digest` (SHA-256), single byte ranges with `If-Range`, and `HEAD`; the media type is the manifest's.
/// Under a grant a file can be had where its row is in the grant's release and `path` and `sha256` leave as they are; each read is in the ledger,
/// with the SHA-256 of the path, before the first byte leaves.
#[utoipa::path(
    tag = "reading",
    params(FilePath, FileQuery),
    security((), ("oauth2" = [])),
    responses(
        (status = OK, description = "The whole file", content((Vec<u8> = "*/*")),
            headers(("ETag" = String), ("Repr-Digest" = String), ("Last-Modified" = String), ("Qingdan-Version" = i32), ("Qingdan-Citation" = String))),
        (status = PARTIAL_CONTENT, description = "The range that was asked for", headers(("Content-Range" = String))),
        (status = NOT_MODIFIED, description = "The file that you have is the same"),
        (status = FORBIDDEN, description = "The grant does not cover the files themselves", body = Problem),
        (status = PRECONDITION_FAILED, description = "The file is not the one of If-Match or If-Unmodified-Since"),
    )
)]
#[route("/datasets/{slug}/files/{path:.+}", method = "GET", method = "HEAD")]
pub async fn download_file(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<FilePath>,
    query: web::Query<FileQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let FilePath { slug, path } = path.into_inner();
    let version = which_version(&app, &slug, "version", query.version.as_deref()).await?;
    serve(app, &caller, (&slug, version), TargetFile::File { path }, &request).await
}

/// Download all files of a collection
///
/// All files of a version in one tar archive (POSIX with GNU's long names), in the order of their paths, each at its path in the manifest. It has an `ETag`,
/// a length and single byte ranges with `If-Range`, so that a download that broke off goes on: `curl -C -`. One request in place of one for each file.
#[utoipa::path(
    tag = "reading",
    params(DatasetPath, FileQuery),
    security((), ("oauth2" = [])),
    responses(
        (status = OK, description = "The whole archive", content((Vec<u8> = "application/x-tar")),
            headers(("ETag" = String), ("Last-Modified" = String), ("Qingdan-Version" = i32), ("Qingdan-Citation" = String))),
        (status = PARTIAL_CONTENT, description = "The range that was asked for", headers(("Content-Range" = String))),
        (status = NOT_MODIFIED, description = "The archive that you have is the same"),
        (status = FORBIDDEN, description = "The grant does not cover the files themselves", body = Problem),
        (status = PRECONDITION_FAILED, description = "The archive is not the one of If-Match or If-Unmodified-Since"),
    )
)]
#[route("/datasets/{slug}/archive", method = "GET", method = "HEAD")]
pub async fn download_archive(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<DatasetPath>,
    query: web::Query<FileQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let version = which_version(&app, &path.slug, "version", query.version.as_deref()).await?;
    serve(app, &caller, (&path.slug, version), TargetFile::Archive {}, &request).await
}
