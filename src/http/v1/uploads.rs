//! Uploads by the tus protocol 1.0 (<https://tus.io/protocols/resumable-upload>): files of any size, in pieces, over broken lines.
//! Extensions: creation, creation-with-upload, checksum, termination, expiration.

use std::sync::Arc;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, LOCATION};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, delete, get, options, patch, post, web};
use futures::StreamExt;

use super::IdPath;
use super::download::http_date;
use crate::app::{App, Receiving};
use crate::crypto::{Checksum, unbase64};
use crate::db::blocking;
use crate::error::{Error, Result};
use crate::http::page::Page;
use crate::identity::{Caller, Role};
use crate::intake::uploads::{self, Quota, Upload};

const TUS_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
const UPLOAD_METADATA: HeaderName = HeaderName::from_static("upload-metadata");
const UPLOAD_CHECKSUM: HeaderName = HeaderName::from_static("upload-checksum");
const UPLOAD_EXPIRES: HeaderName = HeaderName::from_static("upload-expires");

/// The version of the protocol.
const VERSION: &str = "1.0.0";

/// The media type of a piece.
const PIECE: &str = "application/offset+octet-stream";

/// How many bytes are collected before they go to the disk.
const BLOCK_BYTES: usize = 1 << 20;

/// Ask what the upload service can do
///
/// As the tus protocol has it: versions, extensions, checksums, and the largest file.
#[utoipa::path(tag = "publishing", responses((status = NO_CONTENT, description = "See the headers", headers(("Tus-Version" = String), ("Tus-Extension" = String), ("Tus-Max-Size" = i64), ("Tus-Checksum-Algorithm" = String)))))]
#[options("/admin/uploads")]
pub async fn describe_uploads(_caller: Caller, app: web::Data<App>) -> HttpResponse {
    let mut response = HttpResponse::NoContent();
    response.insert_header((TUS_RESUMABLE, VERSION)).insert_header(("tus-version", VERSION));
    response.insert_header(("tus-extension", "creation,creation-with-upload,checksum,termination,expiration"));
    response.insert_header(("tus-checksum-algorithm", "sha1,sha256"));
    response.insert_header(("tus-max-size", app.settings.upload_max_bytes.to_string())).finish()
}

/// Begin an upload
///
/// By a steward. `Upload-Length` says how many bytes the file has; `Upload-Metadata` may hold `filename` and `sha256` (hexadecimal), both
/// in base64 as the tus protocol has it. The body may hold the first piece. Over the quota it is refused before a byte is sent.
#[utoipa::path(
    tag = "publishing",
    params(
        ("Tus-Resumable" = String, Header, description = "1.0.0"),
        ("Upload-Length" = i64, Header, description = "The file's size in bytes"),
        ("Upload-Metadata" = Option<String>, Header, description = "filename and sha256"),
    ),
    security(("session" = [])),
    responses((status = CREATED, description = "The upload's address is in Location", headers(("Location" = String), ("Upload-Offset" = i64), ("Upload-Expires" = String))))
)]
#[post("/admin/uploads")]
pub async fn create_upload(caller: Caller, app: web::Data<App>, request: HttpRequest, body: web::Payload) -> Result<HttpResponse> {
    caller.with_role(&[Role::Steward])?;
    require_version(request.headers())?;
    let length = number(request.headers(), &UPLOAD_LENGTH)?;
    let metadata = text(request.headers(), &UPLOAD_METADATA)?.unwrap_or_default();
    let file_name = metadata_value(&metadata, "filename")?.unwrap_or_else(|| "file".to_owned());
    let sha256 = metadata_value(&metadata, "sha256")?;
    if sha256.as_ref().is_some_and(|text| text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit())) {
        return Err(Error::invalid("Upload-Metadata", "sha256 is not 64 hexadecimal characters (then in base64)"));
    }
    let quota = Quota { file_bytes: app.settings.upload_max_bytes, person_bytes: app.settings.upload_quota_bytes };
    let (actor, sha256) = (caller.actor(), sha256.map(|text| text.to_lowercase()));
    let upload = app.db.write(move |conn| uploads::create(conn, &actor, &file_name, length, sha256, quota)).await?;
    let (incoming, id) = (app.storage.incoming().clone(), upload.id.clone());
    blocking(move || incoming.create(&id)).await?;
    let location = format!("{}/api/v1/admin/uploads/{}", app.issuer, upload.id);
    let upload = if text(request.headers(), &CONTENT_TYPE)?.as_deref() == Some(PIECE) {
        receive(app.clone().into_inner(), upload, request.headers(), body).await?
    } else {
        upload
    };
    let mut response = HttpResponse::Created();
    response.insert_header((LOCATION, location));
    Ok(standing(&mut response, &upload).finish())
}

/// List own uploads
///
/// By a steward: those that are not published yet.
#[utoipa::path(tag = "publishing", security(("session" = [])), responses((status = OK, body = Page<Upload>)))]
#[get("/admin/uploads")]
pub async fn list_uploads(caller: Caller, app: web::Data<App>) -> Result<web::Json<Page<Upload>>> {
    caller.with_role(&[Role::Steward])?;
    let actor = caller.actor();
    Ok(web::Json(Page::whole(app.db.read(move |conn| uploads::list(conn, &actor)).await?)))
}

/// Ask how far an upload is
///
/// By the person who began it. `HEAD` tells it in `Upload-Offset`, as the tus protocol has it; `GET` also as JSON.
#[utoipa::path(tag = "publishing", params(IdPath), security(("session" = [])), responses((status = OK, body = Upload, headers(("Upload-Offset" = i64), ("Upload-Length" = i64), ("Upload-Expires" = String)))))]
#[get("/admin/uploads/{id}")]
pub async fn find_upload(caller: Caller, app: web::Data<App>, path: web::Path<IdPath>, request: HttpRequest) -> Result<HttpResponse> {
    refuse_other_version(request.headers())?;
    let upload = own(&caller, &app, path.into_inner().id).await?;
    let mut response = HttpResponse::Ok();
    response.insert_header((CACHE_CONTROL, "no-store")).insert_header((UPLOAD_LENGTH, upload.size_bytes.to_string()));
    Ok(standing(&mut response, &upload).json(&upload))
}

/// Send a piece of an upload
///
/// By the person who began it. `Upload-Offset` must be how far the upload is; `Upload-Checksum` (`sha256` or `sha1`, a space, base64) is
/// checked before the piece counts. When the line breaks, what has arrived stays.
#[utoipa::path(
    tag = "publishing",
    params(
        IdPath,
        ("Tus-Resumable" = String, Header, description = "1.0.0"),
        ("Upload-Offset" = i64, Header, description = "How far the upload is"),
        ("Upload-Checksum" = Option<String>, Header, description = "The digest of this piece"),
    ),
    request_body(content = Vec<u8>, content_type = "application/offset+octet-stream"),
    security(("session" = [])),
    responses((status = NO_CONTENT, description = "The new Upload-Offset tells how far it is", headers(("Upload-Offset" = i64), ("Upload-Expires" = String))))
)]
#[patch("/admin/uploads/{id}")]
pub async fn append_upload(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse> {
    refuse_other_version(request.headers())?;
    let upload = own(&caller, &app, path.into_inner().id).await?;
    require_version(request.headers())?;
    if text(request.headers(), &CONTENT_TYPE)?.as_deref() != Some(PIECE) {
        return Err(Error::UnsupportedMediaType(format!("a piece of an upload is sent as {PIECE}")));
    }
    let offset = number(request.headers(), &UPLOAD_OFFSET)?;
    if offset != upload.offset_bytes.unsigned_abs() {
        return Err(Error::Conflict(format!(
            "the upload is at {}, and not at {offset}; ask by HEAD and go on from there",
            upload.offset_bytes
        )));
    }
    let upload = receive(app.into_inner(), upload, request.headers(), body).await?;
    Ok(standing(&mut HttpResponse::NoContent(), &upload).finish())
}

/// Give an upload up
///
/// By the person who began it; its bytes are removed.
#[utoipa::path(tag = "publishing", params(IdPath), security(("session" = [])), responses((status = NO_CONTENT, description = "It is gone")))]
#[delete("/admin/uploads/{id}")]
pub async fn remove_upload(caller: Caller, app: web::Data<App>, path: web::Path<IdPath>, request: HttpRequest) -> Result<HttpResponse> {
    refuse_other_version(request.headers())?;
    let upload = own(&caller, &app, path.into_inner().id).await?;
    let _turn = app.turn_to_upload(&upload.id)?;
    let id = upload.id.clone();
    app.db.write(move |conn| uploads::remove(conn, &id)).await?;
    let incoming = app.storage.incoming().clone();
    blocking(move || incoming.remove(&upload.id)).await?;
    Ok(HttpResponse::NoContent().insert_header((TUS_RESUMABLE, VERSION)).finish())
}

async fn own(caller: &Caller, app: &web::Data<App>, id: String) -> Result<Upload> {
    caller.with_role(&[Role::Steward])?;
    let actor = caller.actor();
    app.db.read(move |conn| uploads::find(conn, &actor, &id)).await
}

/// Takes the body in. The work goes on to write down what has arrived when the connection breaks and nobody waits for the answer.
async fn receive(app: Arc<App>, upload: Upload, headers: &HeaderMap, mut body: web::Payload) -> Result<Upload> {
    let checksum = text(headers, &UPLOAD_CHECKSUM)?.map(|text| checksum(&text)).transpose()?;
    let mut receiving = Receiving::begin(app, upload, checksum).await?;
    let task = actix_web::rt::spawn(async move {
        let mut block = Vec::with_capacity(BLOCK_BYTES);
        loop {
            match body.next().await {
                Some(Ok(bytes)) => {
                    block.extend_from_slice(&bytes);
                    if block.len() >= BLOCK_BYTES {
                        receiving.take(std::mem::replace(&mut block, Vec::with_capacity(BLOCK_BYTES))).await?;
                    }
                }
                Some(Err(cause)) => {
                    receiving.take(block).await?;
                    receiving.broken().await?;
                    return Err(Error::Malformed(format!("the line broke: {cause}; ask by HEAD how far it is, and go on from there")));
                }
                None => {
                    receiving.take(block).await?;
                    return receiving.end().await;
                }
            }
        }
    });
    task.await.map_err(Error::internal)?
}

/// Where an upload stands, in the headers of the protocol.
fn standing<'a>(response: &'a mut HttpResponseBuilder, upload: &Upload) -> &'a mut HttpResponseBuilder {
    let expires = http_date(upload.expires_at);
    response.insert_header((TUS_RESUMABLE, VERSION)).insert_header((UPLOAD_OFFSET, upload.offset_bytes.to_string()));
    response.insert_header((UPLOAD_EXPIRES, expires))
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let text = value.to_str().map_err(|_not_ascii| Error::invalid(name.as_str(), "it has characters that no header has"))?;
    Ok(Some(text.trim().to_owned()))
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Result<u64> {
    let text = text(headers, name)?.ok_or_else(|| Error::invalid(name.as_str(), "this header is missing"))?;
    text.parse().map_err(|_unreadable| Error::invalid(name.as_str(), format!("`{text}` is no number of bytes")))
}

/// A request of another version must not be carried out.
fn refuse_other_version(headers: &HeaderMap) -> Result<()> {
    match text(headers, &TUS_RESUMABLE)? {
        Some(other) if other != VERSION => {
            let detail = format!("Tus-Resumable: `{other}` is not spoken here; send {VERSION}");
            Err(Error::WrongProtocol { spoken: VERSION, detail })
        }
        Some(_) | None => Ok(()),
    }
}

fn require_version(headers: &HeaderMap) -> Result<()> {
    refuse_other_version(headers)?;
    if headers.contains_key(&TUS_RESUMABLE) {
        return Ok(());
    }
    Err(Error::invalid("Tus-Resumable", format!("send {VERSION}: uploads go by the tus protocol")))
}

/// A value of `Upload-Metadata`: pairs of a key and base64, separated by commas.
fn metadata_value(metadata: &str, key: &str) -> Result<Option<String>> {
    let pairs = metadata.split(',').map(str::trim).filter_map(|pair| pair.split_once(' '));
    let Some((_, value)) = pairs.into_iter().find(|(name, _)| *name == key) else { return Ok(None) };
    let bytes = unbase64(value.trim()).and_then(|bytes| String::from_utf8(bytes).ok());
    let wrong = || Error::invalid("Upload-Metadata", format!("the value of {key} is no base64 of a text"));
    let value = bytes.ok_or_else(wrong)?;
    if value.chars().any(char::is_control) || value.chars().count() > 255 {
        return Err(Error::invalid("Upload-Metadata", format!("the value of {key} has control characters or more than 255 characters")));
    }
    Ok(Some(value))
}

fn checksum(text: &str) -> Result<(Checksum, Vec<u8>)> {
    let wrong = || Error::invalid("Upload-Checksum", "give `sha256` or `sha1`, a space, and the digest in base64");
    let (algorithm, digest) = text.split_once(' ').ok_or_else(wrong)?;
    let checksum = Checksum::named(algorithm).ok_or_else(wrong)?;
    Ok((checksum, unbase64(digest.trim()).ok_or_else(wrong)?))
}
