//! Grants and their revocation.

use actix_web::{get, post, web};
use chrono::NaiveDateTime;
use serde::Serialize;
use utoipa::ToSchema;

use super::{IdPath, Reason};
use crate::access::duties;
use crate::access::grants::{self, Grant};
use crate::app::App;
use crate::error::Result;
use crate::http::page::{Page, PageQuery};
use crate::identity::Caller;

/// A grant with what its firm owes.
#[derive(Debug, Serialize, ToSchema)]
pub struct GrantDetail {
    /// The grant.
    #[serde(flatten)]
    grant: Grant,
    /// When the next report on its use is due, or was due; null when none is owed.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize_option")]
    use_report_due: Option<NaiveDateTime>,
}

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
#[utoipa::path(tag = "access", params(IdPath), security(("session" = []), ("oauth2" = [])), responses((status = OK, body = GrantDetail)))]
#[get("/grants/{id}")]
pub async fn find_grant(caller: Caller, app: web::Data<App>, path: web::Path<IdPath>) -> Result<web::Json<GrantDetail>> {
    let (id, settings) = (path.into_inner().id, app.settings.duties);
    let found = app.db.read(move |conn| {
        let grant = grants::find_for(conn, &caller, &id)?;
        Ok(GrantDetail { use_report_due: duties::due_of(conn, &grant, &settings)?, grant })
    });
    Ok(web::Json(found.await?))
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
