//! Grants and their revocation.

use actix_web::{HttpResponse, get, post, web};
use chrono::{NaiveDate, NaiveDateTime};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{IdPath, Reason, check_text};
use crate::access::applications::Application;
use crate::access::duties;
use crate::access::grants::{self, DeletionProof, Grant, NewDeletionProof, NewRenewal, OverdueProof};
use crate::app::App;
use crate::error::Result;
use crate::http::page::{Page, PageQuery};
use crate::identity::Caller;
use crate::limits::Used;

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
    /// What was read under it, as far as its quota counts.
    used: Used,
    /// The proof that its firm deleted the data, once it is filed.
    deletion_proof: Option<DeletionProof>,
}

/// Why a firm needs more time.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RenewalRequest {
    /// For how many days more, from the end of the current term on.
    #[schema(minimum = 1)]
    term_days: i32,
    /// What the data is for still, in the firm's words, in 10 to 4000 characters.
    #[schema(min_length = 10, max_length = 4000)]
    purpose: String,
    /// How the firm keeps the data safe, in its words, in 10 to 4000 characters.
    #[schema(min_length = 10, max_length = 4000)]
    safeguards: String,
}

/// How a firm deleted the data.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeletionProofBody {
    /// On which day, in Shanghai.
    #[schema(value_type = String, format = Date)]
    deleted_on: NaiveDate,
    /// How, in 10 to 4000 characters.
    #[schema(min_length = 10, max_length = 4000)]
    method: String,
    /// Which copies there were, and what became of each: backups, caches, what models keep; in 10 to 4000 characters.
    #[schema(min_length = 10, max_length = 4000)]
    copies: String,
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
        Ok((duties::due_of(conn, &grant, &settings)?, grants::proof_of(conn, &grant.id)?, grant))
    });
    let (use_report_due, deletion_proof, grant) = found.await?;
    let used = app.metering.used(&app.db, &grant.id).await?;
    Ok(web::Json(GrantDetail { grant, use_report_due, used, deletion_proof }))
}

/// Ask for a longer term of a grant
///
/// By its firm, while the grant is in force. This is an application for what the grant gives already: it is decided and signed like the first one, and
/// then the term goes on from where it ends now. Tokens, releases and pseudonyms stay as they are.
#[utoipa::path(tag = "access", params(IdPath), security(("session" = []), ("oauth2" = [])), responses((status = CREATED, body = Application)))]
#[post("/grants/{id}/renewals")]
pub async fn renew_grant(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    body: web::Json<RenewalRequest>,
) -> Result<HttpResponse> {
    let (id, terms) = (path.into_inner().id, app.terms.clone());
    let purpose = check_text("/purpose", &body.purpose, 10, 4000)?;
    let safeguards = check_text("/safeguards", &body.safeguards, 10, 4000)?;
    let new = NewRenewal { term_days: body.term_days, purpose, safeguards };
    let application = app.db.write(move |conn| grants::ask_renewal(conn, &caller, &id, new, &terms)).await?;
    Ok(HttpResponse::Created().json(application))
}

/// Prove the deletion of a grant's data
///
/// By its firm, once the grant has ended. The grant says until when, as `deletion_proof_due`.
#[utoipa::path(tag = "access", params(IdPath), security(("session" = []), ("oauth2" = [])), responses((status = CREATED, body = DeletionProof)))]
#[post("/grants/{id}/deletion-proof")]
pub async fn prove_deletion(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    body: web::Json<DeletionProofBody>,
) -> Result<HttpResponse> {
    let id = path.into_inner().id;
    let method = check_text("/method", &body.method, 10, 4000)?;
    let copies = check_text("/copies", &body.copies, 10, 4000)?;
    let new = NewDeletionProof { deleted_on: body.deleted_on, method, copies };
    let proof = app.db.write(move |conn| grants::file_proof(conn, &caller, &id, new)).await?;
    Ok(HttpResponse::Created().json(proof))
}

/// List overdue proofs of deletion
///
/// Those that did not come in time after the end of a grant, to operators and auditors; those that are due longest come first.
#[utoipa::path(tag = "administration", security(("session" = [])), responses((status = OK, body = Page<OverdueProof>)))]
#[get("/admin/deletion-proofs/overdue")]
pub async fn list_overdue_proofs(caller: Caller, app: web::Data<App>) -> Result<web::Json<Page<OverdueProof>>> {
    Ok(web::Json(Page::whole(app.db.read(move |conn| grants::overdue_proofs_for(conn, &caller)).await?)))
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
