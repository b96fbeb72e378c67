//! What reviewers do with applications.

use actix_web::{HttpResponse, get, post, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{IdPath, check_text};
use crate::access::agreements::Agreement;
use crate::access::applications::{self, Application, Conditions, NewDecision};
use crate::access::reports::{self, FiledReport};
use crate::app::App;
use crate::error::Result;
use crate::identity::Caller;

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
    /// What of the request is granted, where that is not all of it.
    conditions: Option<Conditions>,
}

/// What the reviewer needs to know.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplicationQuestion {
    /// The question, in 3 to 4000 characters.
    #[schema(min_length = 3, max_length = 4000)]
    question: String,
}

/// What is tried out.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportRequest {
    /// Some of the fields that are asked for; all of them by default.
    fields: Option<Vec<String>>,
}

/// What becomes of an appeal.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplicationAppealDecision {
    /// `true` grants the appeal: the application is decided anew, by somebody else than who refused it. `false`: the refusal stands.
    approve: bool,
    /// The reason, in 3 to 2000 characters.
    #[schema(min_length = 3, max_length = 2000)]
    reason: String,
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

/// Accept an application
///
/// It is complete: the working-day clock of the decision begins. By a reviewer who is not the dataset's steward.
#[utoipa::path(tag = "access", params(IdPath), security(("session" = [])), responses((status = OK, body = Application)))]
#[post("/applications/{id}/acceptance")]
pub async fn accept_application(caller: Caller, app: web::Data<App>, path: web::Path<IdPath>) -> Result<web::Json<Application>> {
    let (id, terms) = (path.into_inner().id, app.terms.clone());
    Ok(web::Json(app.db.write(move |conn| applications::accept(conn, &caller, &id, &terms)).await?))
}

/// Ask the firm for more
///
/// The publisher's clock stands still until the firm answers. By a reviewer who is not the dataset's steward.
#[utoipa::path(tag = "access", params(IdPath), security(("session" = [])), responses((status = OK, body = Application)))]
#[post("/applications/{id}/questions")]
pub async fn ask_about_application(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    body: web::Json<ApplicationQuestion>,
) -> Result<web::Json<Application>> {
    let question = check_text("/question", &body.question, 3, 4000)?;
    let (id, terms) = (path.into_inner().id, app.terms.clone());
    Ok(web::Json(app.db.write(move |conn| applications::ask(conn, &caller, &id, &question, &terms)).await?))
}

/// Decide an application
///
/// By a reviewer who is not the dataset's steward. An approval names the report that was looked at, and draws up the agreement; it may grant
/// less than is asked for, or under conditions. A refusal can be appealed against once.
#[utoipa::path(tag = "access", params(IdPath), security(("session" = [])), responses((status = OK, body = DecidedApplication)))]
#[post("/applications/{id}/decision")]
pub async fn decide_application(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    body: web::Json<ApplicationDecision>,
) -> Result<web::Json<DecidedApplication>> {
    let reason = check_text("/reason", &body.reason, 3, 2000)?;
    if let Some(text) = body.conditions.as_ref().and_then(|conditions| conditions.text.as_ref()) {
        check_text("/conditions/text", text, 0, 4000)?;
    }
    let (id, body, terms) = (path.into_inner().id, body.into_inner(), app.terms.clone());
    let new = NewDecision { approve: body.approve, reason, report_sha256: body.report_sha256, conditions: body.conditions };
    let (application, agreement) = app.db.write(move |conn| applications::decide(conn, &caller, &id, &new, &terms)).await?;
    Ok(web::Json(DecidedApplication { application, agreement }))
}

/// Decide an appeal
///
/// By a reviewer who did not refuse the application and is not the dataset's steward.
#[utoipa::path(tag = "access", params(IdPath), security(("session" = [])), responses((status = OK, body = Application)))]
#[post("/applications/{id}/appeal/decision")]
pub async fn decide_application_appeal(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    body: web::Json<ApplicationAppealDecision>,
) -> Result<web::Json<Application>> {
    let reason = check_text("/reason", &body.reason, 3, 2000)?;
    let (id, uphold, terms) = (path.into_inner().id, !body.approve, app.terms.clone());
    Ok(web::Json(app.db.write(move |conn| applications::decide_appeal(conn, &caller, &id, uphold, &reason, &terms)).await?))
}

/// Try out an application
///
/// Finds out what an approval would release of the dataset's newest version, on the real rows, without showing any: rows filtered, left out and
/// suppressed, what each field becomes, the groups of people who are alike before and after, and the risk. By a reviewer.
#[utoipa::path(tag = "access", params(IdPath), security(("session" = [])), responses((status = CREATED, body = FiledReport)))]
#[post("/applications/{id}/reports")]
pub async fn create_application_report(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    body: web::Json<ReportRequest>,
) -> Result<HttpResponse> {
    let report = app.report(&caller, &path.id, body.into_inner().fields).await?;
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
