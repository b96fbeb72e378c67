//! Grants and their revocation.

use actix_web::{get, post, web};

use super::{IdPath, Reason};
use crate::access::grants::{self, Grant};
use crate::app::App;
use crate::error::Result;
use crate::http::page::{Page, PageQuery};
use crate::identity::Caller;

/// List grants
///
/// A firm's own; all of them for reviewers, operators and auditors.
#[utoipa::path(tag = "access", params(PageQuery), security(("session" = []), ("oauth2" = [])), responses((status = OK, body = Page<Grant>)))]
#[get("/grants")]
pub async fn list_grants(caller: Caller, app: web::Data<App>, page: web::Query<PageQuery>) -> Result<web::Json<Page<Grant>>> {
    const LIST: &str = "grants";
    let (limit, after) = (page.limit()?, page.after(LIST)?);
    let (items, total) = app.db.read(move |conn| grants::list_for(conn, &caller, after.as_deref(), limit + 1)).await?;
    Ok(web::Json(Page::cut(LIST, items, total, limit, |item| item.id.clone())))
}

/// Show a grant
///
/// To its firm, reviewers, operators and auditors.
#[utoipa::path(tag = "access", params(IdPath), security(("session" = []), ("oauth2" = [])), responses((status = OK, body = Grant)))]
#[get("/grants/{id}")]
pub async fn find_grant(caller: Caller, app: web::Data<App>, path: web::Path<IdPath>) -> Result<web::Json<Grant>> {
    let id = path.into_inner().id;
    Ok(web::Json(app.db.read(move |conn| grants::find_for(conn, &caller, &id)).await?))
}

/// Suspend a grant
///
/// By an operator or a reviewer. Its tokens stop at the next request and running answers break off, until it is resumed; its term goes on.
#[utoipa::path(tag = "access", params(IdPath), security(("session" = [])), responses((status = OK, body = Grant)))]
#[post("/grants/{id}/suspension")]
pub async fn suspend_grant(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    body: web::Json<Reason>,
) -> Result<web::Json<Grant>> {
    let (id, reason) = (path.into_inner().id, body.checked()?);
    Ok(web::Json(app.db.write(move |conn| grants::suspend(conn, &caller, &id, true, &reason)).await?))
}

/// Resume a suspended grant
///
/// By an operator or a reviewer. Tokens that were taken before hold again as long as they last.
#[utoipa::path(tag = "access", params(IdPath), security(("session" = [])), responses((status = OK, body = Grant)))]
#[post("/grants/{id}/resumption")]
pub async fn resume_grant(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    body: web::Json<Reason>,
) -> Result<web::Json<Grant>> {
    let (id, reason) = (path.into_inner().id, body.checked()?);
    Ok(web::Json(app.db.write(move |conn| grants::suspend(conn, &caller, &id, false, &reason)).await?))
}

/// Revoke a grant
///
/// By an operator or a reviewer. Its tokens stop at the next request.
#[utoipa::path(tag = "access", params(IdPath), security(("session" = [])), responses((status = OK, body = Grant)))]
#[post("/grants/{id}/revocation")]
pub async fn revoke_grant(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    body: web::Json<Reason>,
) -> Result<web::Json<Grant>> {
    let (id, reason) = (path.into_inner().id, body.checked()?);
    Ok(web::Json(app.db.write(move |conn| grants::revoke(conn, &caller, &id, &reason)).await?))
}
