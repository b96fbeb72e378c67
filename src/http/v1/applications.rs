//! Applications for conditional datasets, and their decisions.

use actix_web::{HttpResponse, get, post, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{IdPath, check_text};
use crate::access::Mode;
use crate::access::agreements::Agreement;
use crate::access::applications::{self, Application, NewApplication, NewDecision};
use crate::access::reports::{self, FiledReport};
use crate::app::App;
use crate::error::Result;
use crate::http::page::{Page, PageQuery};
use crate::identity::Caller;

/// What a firm asks for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplicationRequest {
    /// The conditional dataset, by slug.
    #[schema(example = "community-health-visits")]
    dataset: String,
    /// What the data is for, in 10 to 4000 characters.
    #[schema(min_length = 10, max_length = 4000)]
    purpose: String,
    /// The fields that are needed.
    #[schema(min_items = 1)]
    fields: Vec<String>,
    /// In which ways the data is to be handed over.
    #[schema(min_items = 1)]
    modes: Vec<Mode>,
    /// For how many days from the signature on.
    #[schema(minimum = 1)]
    term_days: i32,
    /// How the firm keeps the data safe, in 10 to 4000 characters.
    #[schema(min_length = 10, max_length = 4000)]
    safeguards: String,
}

/// What a reviewer decides.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplicationDecision {
    /// `true` approves, `false` refuses.
    approve: bool,
    /// The reason, in 3 to 2000 characters.
    #[schema(min_length = 3, max_length = 2000)]
    reason: String,
    /// The `sha256` of the report that the reviewer looked at; needed for an approval.
    report_sha256: Option<String>,
}

/// Reports of an application.
#[derive(Serialize, ToSchema)]
pub struct FiledReports {
    /// The newest 20, the newest first.
    items: Vec<FiledReport>,
}

/// A decided application.
#[derive(Serialize, ToSchema)]
pub struct DecidedApplication {
    /// The application.
    application: Application,
    /// The agreement that an approval draws up, for the firm to sign.
    agreement: Option<Agreement>,
}

/// Apply for a dataset
///
/// By an approved firm, as its person or its client.
#[utoipa::path(tag = "access", security(("session" = []), ("oauth2" = [])), responses((status = CREATED, body = Application)))]
#[post("/applications")]
pub async fn create_application(caller: Caller, app: web::Data<App>, body: web::Json<ApplicationRequest>) -> Result<HttpResponse> {
    let body = body.into_inner();
    // Their lengths are checked with everything else, so that all faults are told at once.
    for (pointer, text) in [("/purpose", &body.purpose), ("/safeguards", &body.safeguards)] {
        check_text(pointer, text, 0, usize::MAX)?;
    }
    let new = NewApplication {
        dataset: body.dataset,
        purpose: body.purpose,
        fields: body.fields,
        modes: body.modes,
        term_days: body.term_days,
        safeguards: body.safeguards,
    };
    let application = app.db.write(move |conn| applications::submit(conn, &caller, new)).await?;
    Ok(HttpResponse::Created().json(application))
}

/// List applications
///
/// A firm's own; all of them for reviewers, operators and auditors.
#[utoipa::path(tag = "access", params(PageQuery), security(("session" = []), ("oauth2" = [])), responses((status = OK, body = Page<Application>)))]
#[get("/applications")]
pub async fn list_applications(caller: Caller, app: web::Data<App>, page: web::Query<PageQuery>) -> Result<web::Json<Page<Application>>> {
    const LIST: &str = "applications";
    let (limit, after) = (page.limit()?, page.after(LIST)?);
    let (items, total) = app.db.read(move |conn| applications::list_for(conn, &caller, after.as_deref(), limit + 1)).await?;
    Ok(web::Json(Page::cut(LIST, items, total, limit, |item| item.id.clone())))
}

/// Show an application
///
/// To its firm, reviewers, operators and auditors.
#[utoipa::path(tag = "access", params(IdPath), security(("session" = []), ("oauth2" = [])), responses((status = OK, body = Application)))]
#[get("/applications/{id}")]
pub async fn find_application(caller: Caller, app: web::Data<App>, path: web::Path<IdPath>) -> Result<web::Json<Application>> {
    let id = path.into_inner().id;
    Ok(web::Json(app.db.read(move |conn| applications::find_for(conn, &caller, &id)).await?))
}

/// Decide an application
///
/// By a reviewer who is not the dataset's steward. An approval names the report that was looked at, and draws up the agreement.
#[utoipa::path(tag = "access", params(IdPath), security(("session" = [])), responses((status = OK, body = DecidedApplication)))]
#[post("/applications/{id}/decision")]
pub async fn decide_application(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    body: web::Json<ApplicationDecision>,
) -> Result<web::Json<DecidedApplication>> {
    let reason = check_text("/reason", &body.reason, 3, 2000)?;
    let (id, body, terms) = (path.into_inner().id, body.into_inner(), app.terms());
    let new = NewDecision { approve: body.approve, reason, report_sha256: body.report_sha256 };
    let (application, agreement) = app.db.write(move |conn| applications::decide(conn, &caller, &id, &new, &terms)).await?;
    Ok(web::Json(DecidedApplication { application, agreement }))
}

/// Try out an application
///
/// Finds out what an approval would release of the dataset's newest version, on the real rows, without showing any: rows filtered, left out and
/// suppressed, what each field becomes, the groups of people who are alike before and after, and the risk. By a reviewer.
#[utoipa::path(tag = "access", params(IdPath), security(("session" = [])), responses((status = CREATED, body = FiledReport)))]
#[post("/applications/{id}/reports")]
pub async fn create_application_report(caller: Caller, app: web::Data<App>, path: web::Path<IdPath>) -> Result<HttpResponse> {
    let report = app.report(&caller, &path.id).await?;
    Ok(HttpResponse::Created().json(report))
}

/// List the reports of an application
///
/// To reviewers and auditors.
#[utoipa::path(tag = "access", params(IdPath), security(("session" = [])), responses((status = OK, body = FiledReports)))]
#[get("/applications/{id}/reports")]
pub async fn list_application_reports(caller: Caller, app: web::Data<App>, path: web::Path<IdPath>) -> Result<web::Json<FiledReports>> {
    let id = path.into_inner().id;
    let items = app.db.read(move |conn| reports::list(conn, &caller, &id)).await?;
    Ok(web::Json(FiledReports { items }))
}
