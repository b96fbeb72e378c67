//! Applications for conditional datasets, from the firm's side; those who decide are in `reviews`.

use actix_web::{HttpResponse, get, post, put, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{IdPath, Reason, check_text};
use crate::access::Mode;
use crate::access::applications::{self, Application, ApplicationFilter, NewApplication, State};
use crate::app::App;
use crate::catalog::{Purpose, Safeguard, Versions, Wish};
use crate::error::Result;
use crate::http::page::{Page, PageQuery};
use crate::identity::Caller;
use crate::ledger;
use crate::limits::ReadQuota;

/// What a firm asks for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplicationRequest {
    /// The conditional dataset, by slug.
    #[schema(example = "community-health-visits")]
    dataset: String,
    /// What the data is for, in the firm's words, in 10 to 4000 characters.
    #[schema(min_length = 10, max_length = 4000)]
    purpose: String,
    /// What the data is for, in the words of offers.
    #[schema(min_items = 1)]
    purposes: Vec<Purpose>,
    /// Whether models that learn from the data are to be passed on.
    #[serde(default)]
    shares_models: bool,
    /// The fields that are needed.
    #[schema(min_items = 1)]
    fields: Vec<String>,
    /// In which ways the data is to be handed over.
    #[schema(min_items = 1)]
    modes: Vec<Mode>,
    /// For how many days from the signature on.
    #[schema(minimum = 1)]
    term_days: i32,
    /// How the firm keeps the data safe, in its words, in 10 to 4000 characters.
    #[schema(min_length = 10, max_length = 4000)]
    safeguards: String,
    /// How the firm keeps the data safe, in the words of offers.
    #[serde(default)]
    safeguards_met: Vec<Safeguard>,
    /// Which versions are needed; each new one by default.
    #[serde(default)]
    versions: Versions,
    /// How much is to be read at the most; as much as the offer gives by default.
    #[serde(default)]
    quota: ReadQuota,
    /// Only rows for which this condition holds. It is written as the `where` of a row query, without functions, over fields of `fields` that leave
    /// as they are.
    #[schema(max_length = 8192, example = "sex = '女'")]
    r#where: Option<String>,
    /// Whether tokens are to be bound to a key of the firm (DPoP), even where the offer does not ask for it.
    #[serde(default)]
    sender_constrained: bool,
}

impl ApplicationRequest {
    /// The lengths of texts are checked with everything else, so that all faults are told at once.
    ///
    /// # Errors
    /// When a text has characters that are not shown.
    pub fn checked(self) -> Result<NewApplication> {
        let purpose = check_text("/purpose", &self.purpose, 0, usize::MAX)?;
        let safeguards = check_text("/safeguards", &self.safeguards, 0, usize::MAX)?;
        Ok(NewApplication {
            dataset: self.dataset,
            purpose,
            wish: Wish {
                purposes: self.purposes,
                shares_models: self.shares_models,
                safeguards_met: self.safeguards_met,
                versions: self.versions,
                quota: self.quota,
                condition: self.r#where,
                sender_constrained: self.sender_constrained,
            },
            fields: self.fields,
            modes: self.modes,
            term_days: self.term_days,
            safeguards,
            renews: None,
        })
    }
}

/// How an application is begun.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct DraftQuery {
    /// Whether it stays a draft, which may still lack something and is seen by the firm alone.
    #[serde(default)]
    draft: bool,
}

/// Which applications are listed.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ApplicationQuery {
    /// Those in this state.
    #[param(value_type = Option<State>)]
    status: Option<String>,
    /// Those of which the publisher has let the time go by.
    #[serde(default)]
    overdue: bool,
    /// How many items at the most.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 1000, example = 100)]
    limit: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// An answer to what the reviewer asked for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplicationAnswer {
    /// The answer, in 3 to 4000 characters.
    #[schema(min_length = 3, max_length = 4000)]
    answer: String,
}

/// One thing that happened to an application.
#[derive(Serialize, ToSchema)]
pub struct ApplicationStep {
    /// What, as the ledger has it.
    kind: String,
    /// When.
    moment: String,
    /// Who: `firm`, `publisher` or `service`.
    by: &'static str,
    /// What was said, unless it was taken out.
    words: Option<String>,
    /// The entry of the ledger.
    seq: i64,
}

/// What happened to an application, in order.
#[derive(Serialize, ToSchema)]
pub struct ApplicationSteps {
    /// The steps.
    items: Vec<ApplicationStep>,
}

/// Apply for a dataset
///
/// By an approved firm, as its person or its client. The answer says where the application does not meet the dataset's offer.
#[utoipa::path(tag = "access", params(DraftQuery), security(("session" = []), ("oauth2" = [])), responses((status = CREATED, body = Application)))]
#[post("/applications")]
pub async fn create_application(
    caller: Caller,
    app: web::Data<App>,
    query: web::Query<DraftQuery>,
    body: web::Json<ApplicationRequest>,
) -> Result<HttpResponse> {
    let (new, draft, terms) = (body.into_inner().checked()?, query.draft, app.terms.clone());
    let application = app.db.write(move |conn| applications::create(conn, &caller, new, draft, &terms)).await?;
    Ok(HttpResponse::Created().json(application))
}

/// List applications
///
/// A firm's own; all but drafts for reviewers, operators and auditors.
#[utoipa::path(tag = "access", params(ApplicationQuery), security(("session" = []), ("oauth2" = [])), responses((status = OK, body = Page<Application>)))]
#[get("/applications")]
pub async fn list_applications(
    caller: Caller,
    app: web::Data<App>,
    query: web::Query<ApplicationQuery>,
) -> Result<web::Json<Page<Application>>> {
    let query = query.into_inner();
    let list = format!("applications {} {}", query.status.as_deref().unwrap_or_default(), query.overdue);
    let page = PageQuery { limit: query.limit, cursor: query.cursor };
    let (limit, after) = (page.limit()?, page.after(&list)?);
    let status = query.status.as_deref().map(State::parse).transpose()?;
    let filter = ApplicationFilter { status, overdue: query.overdue, after, limit: limit + 1 };
    let (items, total) = app.db.read(move |conn| applications::list_for(conn, &caller, &filter)).await?;
    Ok(web::Json(Page::cut(&list, items, total, limit, |item| item.id.clone())))
}

/// Show an application
///
/// To its firm, reviewers, operators and auditors; a draft to its firm alone.
#[utoipa::path(tag = "access", params(IdPath), security(("session" = []), ("oauth2" = [])), responses((status = OK, body = Application)))]
#[get("/applications/{id}")]
pub async fn find_application(caller: Caller, app: web::Data<App>, path: web::Path<IdPath>) -> Result<web::Json<Application>> {
    let id = path.into_inner().id;
    Ok(web::Json(app.db.read(move |conn| applications::find_for(conn, &caller, &id)).await?))
}

/// List what happened to an application
///
/// Its steps with what was said at each, oldest first. To those who may see the application.
#[utoipa::path(tag = "access", params(IdPath), security(("session" = []), ("oauth2" = [])), responses((status = OK, body = ApplicationSteps)))]
#[get("/applications/{id}/steps")]
pub async fn list_application_steps(caller: Caller, app: web::Data<App>, path: web::Path<IdPath>) -> Result<web::Json<ApplicationSteps>> {
    let id = path.into_inner().id;
    let steps = move |conn: &mut crate::db::Conn| {
        applications::find_for(conn, &caller, &id)?;
        ledger::history(conn, &format!("application:{id}"))
    };
    let items = app.db.read(steps).await?.into_iter().map(|(entry, words)| ApplicationStep {
        by: applications::side_of(&entry.kind),
        kind: entry.kind,
        moment: entry.moment,
        words,
        seq: entry.seq,
    });
    Ok(web::Json(ApplicationSteps { items: items.collect() }))
}

/// Change an application
///
/// A draft, or one that the reviewer asked for more of. By its firm.
#[utoipa::path(tag = "access", params(IdPath), security(("session" = []), ("oauth2" = [])), responses((status = OK, body = Application)))]
#[put("/applications/{id}")]
pub async fn change_application(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    body: web::Json<ApplicationRequest>,
) -> Result<web::Json<Application>> {
    let (id, new) = (path.into_inner().id, body.into_inner().checked()?);
    Ok(web::Json(app.db.write(move |conn| applications::change(conn, &caller, &id, new)).await?))
}

/// Submit a draft
///
/// By its firm. The publisher's working-day clock begins.
#[utoipa::path(tag = "access", params(IdPath), security(("session" = []), ("oauth2" = [])), responses((status = OK, body = Application)))]
#[post("/applications/{id}/submission")]
pub async fn submit_application(caller: Caller, app: web::Data<App>, path: web::Path<IdPath>) -> Result<web::Json<Application>> {
    let (id, terms) = (path.into_inner().id, app.terms.clone());
    Ok(web::Json(app.db.write(move |conn| applications::submit(conn, &caller, &id, &terms)).await?))
}

/// Answer a reviewer
///
/// By the firm, when the reviewer has asked for more.
#[utoipa::path(tag = "access", params(IdPath), security(("session" = []), ("oauth2" = [])), responses((status = OK, body = Application)))]
#[post("/applications/{id}/answers")]
pub async fn answer_application(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    body: web::Json<ApplicationAnswer>,
) -> Result<web::Json<Application>> {
    let words = check_text("/answer", &body.answer, 3, 4000)?;
    let (id, terms) = (path.into_inner().id, app.terms.clone());
    Ok(web::Json(app.db.write(move |conn| applications::answer(conn, &caller, &id, &words, &terms)).await?))
}

/// Withdraw an application
///
/// By its firm, as long as no agreement is signed.
#[utoipa::path(tag = "access", params(IdPath), security(("session" = []), ("oauth2" = [])), responses((status = OK, body = Application)))]
#[post("/applications/{id}/withdrawal")]
pub async fn withdraw_application(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    body: web::Json<Reason>,
) -> Result<web::Json<Application>> {
    let (id, reason) = (path.into_inner().id, body.checked()?);
    Ok(web::Json(app.db.write(move |conn| applications::withdraw(conn, &caller, &id, &reason)).await?))
}

/// Appeal against a refusal
///
/// By the firm, once, within the working days for it. Somebody else than who refused decides the appeal.
#[utoipa::path(tag = "access", params(IdPath), security(("session" = []), ("oauth2" = [])), responses((status = OK, body = Application)))]
#[post("/applications/{id}/appeal")]
pub async fn appeal_application(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    body: web::Json<Reason>,
) -> Result<web::Json<Application>> {
    let (id, reason, terms) = (path.into_inner().id, body.checked()?, app.terms.clone());
    Ok(web::Json(app.db.write(move |conn| applications::appeal(conn, &caller, &id, &reason, &terms)).await?))
}
