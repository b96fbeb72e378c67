//! What publishers, reviewers and operators do about what the public files.

use actix_web::{get, post, web};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::db::Conn;
use crate::error::{Error, Result};
use crate::feedback::{self, Answer, BulkOutcome, BulkStep, DeskFilter, DeskSort, FeedbackCase, FeedbackKind, FeedbackState, Outcome};
use crate::http::page::{Page, PageQuery};
use crate::http::v1::{IdPath, Reason, check_text};
use crate::identity::Caller;

/// Which feedback to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct DeskQuery {
    /// Only of this kind.
    #[param(inline)]
    kind: Option<FeedbackKind>,
    /// Only in this state.
    #[param(inline)]
    state: Option<FeedbackState>,
    /// Only what waits for the caller: an answer, or a look at what is to be shown.
    #[serde(default)]
    waiting: bool,
    /// Only what the publisher has let the time go by of.
    #[serde(default)]
    overdue: bool,
    /// In which order; the newest first, if left out.
    #[serde(default)]
    #[param(inline)]
    sort: DeskSort,
    /// How many items at the most.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 1000, example = 100)]
    limit: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// An answer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAnswer {
    /// What it comes to.
    pub outcome: Outcome,
    /// The answer, in 3 to 2000 characters. Everybody reads it, but that to a rights claim.
    #[schema(min_length = 3, max_length = 2000)]
    pub text: String,
    /// Of a request that is `done`: the slug of the dataset in which the data is.
    pub dataset: Option<String>,
    /// Of a rights claim whose decision changes whether the dataset is given out: what the list says of why, in 3 to 2000 characters. Everybody reads it.
    #[schema(min_length = 3, max_length = 2000)]
    pub public_reason: Option<String>,
}

/// A question.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// What is asked, in 3 to 2000 characters, for who filed it.
    #[schema(min_length = 3, max_length = 2000)]
    question: String,
}

/// Whether something is shown.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Moderation {
    /// `true` shows it to everybody, `false` to nobody.
    pub show: bool,
    /// Why, in 3 to 2000 characters, for who filed it; needed where it is not shown.
    #[schema(min_length = 3, max_length = 2000)]
    pub reason: Option<String>,
}

/// What is done to each of many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BulkStepName {
    /// What was written is shown to everybody.
    Show,
    /// It is shown to nobody.
    Hide,
    /// It is none, such as advertising or abuse.
    Dismiss,
}

/// One step with many.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkModeration {
    /// With which, by ID; 1 to 100, each once.
    #[schema(min_items = 1, max_items = 100)]
    pub ids: Vec<String>,
    /// The step.
    pub step: BulkStepName,
    /// Why, in 3 to 2000 characters, for those who filed them; needed to hide and to dismiss, and left out to show.
    #[schema(min_length = 3, max_length = 2000)]
    pub reason: Option<String>,
}

/// Who answers.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Assignment {
    /// The publisher's slug.
    publisher: String,
}

impl NewAnswer {
    /// The outcome, and what is said.
    ///
    /// # Errors
    /// When a text is too short or too long.
    pub fn checked(self) -> Result<(Outcome, Answer)> {
        let public_reason = self.public_reason.map(|reason| check_text("/public_reason", &reason, 3, 2000)).transpose()?;
        let answer = Answer { text: check_text("/text", &self.text, 3, 2000)?, found_in: self.dataset, public_reason };
        Ok((self.outcome, answer))
    }
}

impl Moderation {
    /// Whether it is shown, and why.
    ///
    /// # Errors
    /// When the reason is too short or too long.
    pub fn checked(self) -> Result<(bool, Option<String>)> {
        Ok((self.show, self.reason.map(|reason| check_text("/reason", &reason, 3, 2000)).transpose()?))
    }
}

impl BulkModeration {
    /// The IDs, and the step.
    ///
    /// # Errors
    /// When a reason is missing, too short or too long, or given where nobody would read it.
    pub fn checked(self) -> Result<(Vec<String>, BulkStep)> {
        let reason = self.reason.map(|reason| check_text("/reason", &reason, 3, 2000)).transpose()?;
        let step = match (self.step, reason) {
            (BulkStepName::Show, None) => BulkStep::Show,
            (BulkStepName::Show, Some(_)) => return Err(Error::invalid("/reason", "nobody reads why something is shown; leave it out")),
            (BulkStepName::Hide, Some(reason)) => BulkStep::Hide(reason),
            (BulkStepName::Dismiss, Some(reason)) => BulkStep::Dismiss(reason),
            (BulkStepName::Hide | BulkStepName::Dismiss, None) => {
                return Err(Error::invalid("/reason", "say why: those who filed them read that"));
            }
        };
        Ok((self.ids, step))
    }
}

/// Takes a step, and answers how it stands then.
async fn step(
    app: &App,
    caller: Caller,
    path: web::Path<IdPath>,
    take: impl FnOnce(&mut Conn, &Caller, &str) -> Result<()> + Send + 'static,
) -> Result<web::Json<FeedbackCase>> {
    let id = path.into_inner().id;
    let taken = app.db.write(move |conn| {
        take(conn, &caller, &id)?;
        feedback::find_for(conn, &caller, &id)
    });
    Ok(web::Json(taken.await?))
}

/// List feedback
///
/// What the public filed. A steward sees what is for their publisher; reviewers, operators and auditors see everything.
#[utoipa::path(tag = "curation", params(DeskQuery), security(("session" = [])), responses((status = OK, body = Page<FeedbackCase>)))]
#[get("/admin/feedback")]
pub async fn list_feedback(caller: Caller, app: web::Data<App>, query: web::Query<DeskQuery>) -> Result<web::Json<Page<FeedbackCase>>> {
    let DeskQuery { kind, state, waiting, overdue, sort, limit, cursor } = query.into_inner();
    let list = format!("feedback {kind:?} {state:?} {waiting} {overdue} {sort:?}");
    let page = PageQuery { limit, cursor };
    let (limit, after) = (page.limit()?, page.after(&list)?);
    let filter = DeskFilter { kind, state, overdue, waiting, sort };
    let (items, total) = app.db.read(move |conn| feedback::list_for(conn, &caller, filter, after.as_deref(), limit + 1)).await?;
    Ok(web::Json(Page::cut(&list, items, total, limit, |item| item.key(sort))))
}

/// Show feedback
///
/// With what happened to it.
#[utoipa::path(tag = "curation", params(IdPath), security(("session" = [])), responses((status = OK, body = FeedbackCase)))]
#[get("/admin/feedback/{id}")]
pub async fn find_feedback(caller: Caller, app: web::Data<App>, path: web::Path<IdPath>) -> Result<web::Json<FeedbackCase>> {
    let id = path.into_inner().id;
    Ok(web::Json(app.db.read(move |conn| feedback::find_for(conn, &caller, &id)).await?))
}

/// Ask who filed it
///
/// By a steward of the publisher, a reviewer or an operator. The term stands still until the reply, and begins anew with it. After ten working days without one it is the publisher's turn again.
#[utoipa::path(tag = "curation", params(IdPath), security(("session" = [])), responses((status = OK, body = FeedbackCase)))]
#[post("/admin/feedback/{id}/question")]
pub async fn ask_about_feedback(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    body: web::Json<Question>,
) -> Result<web::Json<FeedbackCase>> {
    let question = check_text("/question", &body.question, 3, 2000)?;
    let rules = app.hearing.clone();
    step(&app, caller, path, move |conn, caller, id| feedback::ask(conn, caller, &rules, id, &question)).await
}

/// Answer feedback
///
/// An objection or a request by a steward of the publisher, a reviewer or an operator: `accepted` where something is still to be done, then `done`;
/// or `rejected`. A rights claim by a reviewer or an operator: `done` withdraws the dataset, `rejected` gives it out again if it was suspended for the
/// claim, which somebody else decides than who suspended it.
#[utoipa::path(tag = "curation", params(IdPath), security(("session" = [])), responses((status = OK, body = FeedbackCase)))]
#[post("/admin/feedback/{id}/answer")]
pub async fn answer_feedback(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    body: web::Json<NewAnswer>,
) -> Result<web::Json<FeedbackCase>> {
    let (outcome, answer) = body.into_inner().checked()?;
    let rules = app.hearing.clone();
    step(&app, caller, path, move |conn, caller, id| feedback::answer(conn, caller, &rules, id, outcome, &answer)).await
}

/// Suspend the dataset of a rights claim
///
/// At once, by a steward of the publisher, a reviewer or an operator, until the claim is decided. The reason is public: name nobody.
#[utoipa::path(tag = "curation", params(IdPath), security(("session" = [])), responses((status = OK, body = FeedbackCase)))]
#[post("/admin/feedback/{id}/suspension")]
pub async fn suspend_for_claim(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    body: web::Json<Reason>,
) -> Result<web::Json<FeedbackCase>> {
    let reason = body.checked()?;
    step(&app, caller, path, move |conn, caller, id| feedback::suspend(conn, caller, id, &reason)).await
}

/// Show or hide feedback
///
/// By a reviewer or an operator: what was written is shown to everybody, or to nobody. It may be decided again.
#[utoipa::path(tag = "curation", params(IdPath), security(("session" = [])), responses((status = OK, body = FeedbackCase)))]
#[post("/admin/feedback/{id}/moderation")]
pub async fn moderate_feedback(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    body: web::Json<Moderation>,
) -> Result<web::Json<FeedbackCase>> {
    let (show, reason) = body.into_inner().checked()?;
    step(&app, caller, path, move |conn, caller, id| feedback::moderate(conn, caller, id, show, reason.as_deref())).await
}

/// Show, hide or dismiss much feedback at once
///
/// By a reviewer or an operator. All of it is decided in one transaction, with an entry of the ledger for each. What cannot be decided so, because
/// somebody else decided it meanwhile, say, or because it is a rights claim, is named in `passed_over` and stays as it is.
#[utoipa::path(tag = "curation", security(("session" = [])), responses((status = OK, body = BulkOutcome)))]
#[post("/admin/feedback/moderation")]
pub async fn moderate_many(caller: Caller, app: web::Data<App>, body: web::Json<BulkModeration>) -> Result<web::Json<BulkOutcome>> {
    let (ids, step) = body.into_inner().checked()?;
    Ok(web::Json(app.db.write(move |conn| feedback::take_with_all(conn, &caller, &ids, &step)).await?))
}

/// Dismiss feedback
///
/// By a reviewer or an operator: what is none, such as advertising or abuse. A mark on a dataset goes, and a rating does not count any more.
#[utoipa::path(tag = "curation", params(IdPath), security(("session" = [])), responses((status = OK, body = FeedbackCase)))]
#[post("/admin/feedback/{id}/dismissal")]
pub async fn dismiss_feedback(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    body: web::Json<Reason>,
) -> Result<web::Json<FeedbackCase>> {
    let reason = body.checked()?;
    step(&app, caller, path, move |conn, caller, id| feedback::dismiss(conn, caller, id, &reason)).await
}

/// Say which publisher answers a request
///
/// By a reviewer or an operator.
#[utoipa::path(tag = "curation", params(IdPath), security(("session" = [])), responses((status = OK, body = FeedbackCase)))]
#[post("/admin/feedback/{id}/assignment")]
pub async fn assign_request(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    body: web::Json<Assignment>,
) -> Result<web::Json<FeedbackCase>> {
    let publisher = body.into_inner().publisher;
    step(&app, caller, path, move |conn, caller, id| feedback::assign(conn, caller, id, &publisher)).await
}
