//! Documents that a firm attaches to its application.

use actix_web::body::SizedStream;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, delete, get, post, web};
use futures::StreamExt;
use serde::Deserialize;
use utoipa::IntoParams;

use super::download::disposition;
use super::{IdPath, check_text};
use crate::access::applications;
use crate::access::applications::attachments::{self, Attachment};
use crate::app::{Announced, App};
use crate::error::{Error, Result};
use crate::http::page::Page;
use crate::http::problem::Problem;
use crate::identity::Caller;

/// Which document of which application.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct AttachmentPath {
    /// The application's id.
    id: String,
    /// The document's id.
    attachment: String,
}

/// What the firm calls a document.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct AttachmentQuery {
    /// Its name with the ending of its media type, in 1 to 200 characters, without a path.
    #[param(min_length = 1, max_length = 200, example = "safeguards.pdf")]
    name: String,
}

/// Attach a document
///
/// To a draft, or to an application that the reviewer asked for more of; by its firm. The body is the document, with its media type in `Content-Type`: PDF, PNG, JPEG, plain
/// text, DOCX or XLSX, and the bytes have to be of that kind. It is kept sealed with a key of its own.
#[utoipa::path(
    tag = "access",
    params(IdPath, AttachmentQuery),
    request_body(
        description = "The document",
        content(
            (Vec<u8> = "application/pdf"),
            (Vec<u8> = "image/png"),
            (Vec<u8> = "image/jpeg"),
            (Vec<u8> = "text/plain"),
            (Vec<u8> = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
            (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        )
    ),
    security(("session" = []), ("oauth2" = [])),
    responses(
        (status = CREATED, body = Attachment),
        (status = CONFLICT, description = "The application is not open for changes, or has as many as it may have", body = Problem),
        (status = PAYLOAD_TOO_LARGE, description = "The document is larger than the settings say", body = Problem),
        (status = UNSUPPORTED_MEDIA_TYPE, description = "Documents of this kind are not taken", body = Problem),
    )
)]
#[post("/applications/{id}/attachments")]
pub async fn create_attachment(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    query: web::Query<AttachmentQuery>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse> {
    caller.firm()?;
    let name = file_name(&query.name)?;
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = attachments::declared_type(&name, content_type)?;
    let announced = Announced { application: path.into_inner().id, name, media_type };
    let broken = |cause| Error::Malformed(format!("the document did not come whole: {cause}; send it again"));
    let attachment = app.attach(caller, announced, body.map(move |piece| piece.map_err(broken))).await?;
    Ok(HttpResponse::Created().json(attachment))
}

/// List the documents of an application
///
/// To its firm, reviewers, operators and auditors; of a draft to its firm alone.
#[utoipa::path(tag = "access", params(IdPath), security(("session" = []), ("oauth2" = [])), responses((status = OK, body = Page<Attachment>)))]
#[get("/applications/{id}/attachments")]
pub async fn list_attachments(caller: Caller, app: web::Data<App>, path: web::Path<IdPath>) -> Result<web::Json<Page<Attachment>>> {
    let id = path.into_inner().id;
    Ok(web::Json(Page::whole(app.db.read(move |conn| applications::find_for(conn, &caller, &id)).await?.attachments)))
}

/// Download a document of an application
///
/// To its firm, reviewers, operators and auditors; of a draft to its firm alone. When its bytes in the store were changed the answer is a problem, or breaks off before
/// the first piece of 256 KiB that was changed.
#[utoipa::path(
    tag = "access",
    params(AttachmentPath),
    security(("session" = []), ("oauth2" = [])),
    responses(
        (status = OK, description = "The document", content((Vec<u8> = "*/*")), headers(("Content-Disposition" = String))),
        (status = INTERNAL_SERVER_ERROR, description = "The document was damaged in the store", body = Problem),
    )
)]
#[get("/applications/{id}/attachments/{attachment}")]
pub async fn download_attachment(caller: Caller, app: web::Data<App>, path: web::Path<AttachmentPath>) -> Result<HttpResponse> {
    let AttachmentPath { id, attachment } = path.into_inner();
    let (attachment, bytes) = app.attachment(caller, id, attachment).await?;
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_DISPOSITION, disposition(&attachment.name)))
        .insert_header((CACHE_CONTROL, "private, no-store"))
        .insert_header(("content-security-policy", "default-src 'none'; sandbox"))
        .content_type(attachment.media_type)
        .body(SizedStream::new(attachment.size_bytes.unsigned_abs(), Box::pin(bytes))))
}

/// Remove a document of an application
///
/// From a draft, or from an application that the reviewer asked for more of; by its firm.
#[utoipa::path(
    tag = "access",
    params(AttachmentPath),
    security(("session" = []), ("oauth2" = [])),
    responses((status = NO_CONTENT, description = "It is gone"), (status = CONFLICT, description = "The application is not open for changes", body = Problem))
)]
#[delete("/applications/{id}/attachments/{attachment}")]
pub async fn remove_attachment(caller: Caller, app: web::Data<App>, path: web::Path<AttachmentPath>) -> Result<HttpResponse> {
    let AttachmentPath { id, attachment } = path.into_inner();
    app.db.write(move |conn| attachments::remove(conn, &caller, &id, &attachment)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// A name without a path.
///
/// # Errors
/// When it is none.
pub fn file_name(text: &str) -> Result<String> {
    let name = check_text("name", text, 1, 200)?;
    if name.contains(['/', '\\', '\n', '\r', '\t']) || name.starts_with('.') {
        return Err(Error::invalid("name", "give the name of the file alone, without a path, a line break, or a dot at its beginning"));
    }
    Ok(name)
}
