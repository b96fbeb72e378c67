//! Drafts of the list: begun, looked at by somebody else, and then in the list.

pub mod entries;

use actix_web::http::header::{ETAG, IF_MATCH, LOCATION};
use actix_web::{HttpRequest, HttpResponse, delete, get, post, put, web};
use chrono::{DateTime, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{IdPath, check_text};
use crate::app::App;
use crate::catalog::book::Plan;
use crate::catalog::drafts::{self, Decided, Draft, DraftState};
use crate::error::{Error, Result};
use crate::http::page::{Page, PageQuery};
use crate::http::problem::Problem;
use crate::identity::{Caller, Role};

/// What a draft is about.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DraftText {
    /// What it is about, for those who keep the list, in 3 to 200 characters.
    #[schema(min_length = 3, max_length = 200)]
    title: String,
    /// Why the list changes, in 3 to 2000 characters: name nobody, everybody reads it with the version of the list that the draft becomes. It is needed
    /// where an entry opens less than before.
    #[schema(min_length = 3, max_length = 2000)]
    reason: Option<String>,
}

impl DraftText {
    fn checked(&self) -> Result<(String, Option<String>)> {
        let reason = self.reason.as_deref().map(|reason| check_text("/reason", reason, 3, 2000)).transpose()?;
        Ok((check_text("/title", &self.title, 3, 200)?, reason))
    }
}

/// Why a draft goes back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Remark {
    /// What is to be done, in 3 to 2000 characters, for those who edit it.
    #[schema(min_length = 3, max_length = 2000)]
    remark: String,
}

/// When an approved draft takes effect.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// A moment within a year; at once without it, or when it is past.
    effective_at: Option<DateTime<Utc>>,
}

/// Which drafts to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct DraftsQuery {
    /// Only of this state.
    #[param(inline)]
    state: Option<DraftState>,
    /// How many items at the most.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 1000, example = 100)]
    limit: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Whether a book is only tried.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct BookQuery {
    /// `true` says what it would change and puts nothing into the draft.
    dry_run: Option<bool>,
}

/// What a book has done.
#[derive(Serialize, ToSchema)]
pub struct BookTaken {
    /// The draft as it is now.
    draft: Draft,
    /// What the book changes of the list.
    plan: Plan,
}

fn tag(revision: i32) -> String {
    format!("\"{revision}\"")
}

/// The revision that `If-Match` names; `None` without it.
fn expected(request: &HttpRequest) -> Result<Option<i32>> {
    let Some(value) = request.headers().get(IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    let number = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).and_then(|text| text.parse().ok());
    number.map(Some).ok_or_else(|| Error::Malformed("If-Match is to be the ETag of what you have read, such as \"3\"".to_owned()))
}

/// The revision that somebody with one of these roles has read.
fn needed(caller: &Caller, roles: &[Role], request: &HttpRequest) -> Result<i32> {
    caller.with_role(roles)?;
    let missing =
        || Error::ConditionMissing("send If-Match with the ETag of what you have read: others may have changed it since".to_owned());
    expected(request)?.ok_or_else(missing)
}

fn answer(draft: Draft) -> HttpResponse {
    HttpResponse::Ok().insert_header((ETAG, tag(draft.revision))).json(draft)
}

/// Begin a draft
///
/// Changes of the list that take effect together, as one version of it. By a steward, for the entries of their publisher alone, or by a reviewer or an
/// operator. It is empty: put entries into it.
#[utoipa::path(tag = "curation", security(("session" = [])), responses((status = CREATED, body = Draft)))]
#[post("/admin/drafts")]
pub async fn create_draft(caller: Caller, app: web::Data<App>, body: web::Json<DraftText>) -> Result<HttpResponse> {
    let (title, reason) = body.checked()?;
    let draft = app.db.write(move |conn| drafts::begin(conn, &caller, &title, reason.as_deref())).await?;
    let at = format!("/api/v1/admin/drafts/{}", draft.id);
    Ok(HttpResponse::Created().insert_header((ETAG, tag(draft.revision))).insert_header((LOCATION, at)).json(draft))
}

/// List drafts
///
/// The last changed first. A steward sees those of their publisher; reviewers, operators and auditors see every one.
#[utoipa::path(tag = "curation", params(DraftsQuery), security(("session" = [])), responses((status = OK, body = Page<Draft>)))]
#[get("/admin/drafts")]
pub async fn list_drafts(caller: Caller, app: web::Data<App>, query: web::Query<DraftsQuery>) -> Result<web::Json<Page<Draft>>> {
    let DraftsQuery { state, limit, cursor } = query.into_inner();
    let list = format!("drafts {:?}", state.map(DraftState::as_str));
    let page = PageQuery { limit, cursor };
    let (limit, after) = (page.limit()?, page.after(&list)?.map(|key| place(&key)).transpose()?);
    let (items, total) = app.db.read(move |conn| drafts::list_drafts(conn, &caller, state, after, limit + 1)).await?;
    Ok(web::Json(Page::cut(&list, items, total, limit, |draft| format!("{} {}", draft.updated_at.and_utc().timestamp_micros(), draft.id))))
}

fn place(key: &str) -> Result<(NaiveDateTime, String)> {
    let read = key.split_once(' ').and_then(|(micros, id)| {
        let at = DateTime::from_timestamp_micros(micros.parse().ok()?)?;
        Some((at.naive_utc(), id.to_owned()))
    });
    read.ok_or_else(|| Error::invalid("cursor", "this is no cursor of this list with these filters; start again without it"))
}

/// Show a draft
///
/// Its `ETag` names the revision that was read: who hands it in or approves it sends that as `If-Match`.
#[utoipa::path(tag = "curation", params(IdPath), security(("session" = [])), responses((status = OK, body = Draft)))]
#[get("/admin/drafts/{id}")]
pub async fn find_draft(caller: Caller, app: web::Data<App>, path: web::Path<IdPath>) -> Result<HttpResponse> {
    let id = path.into_inner().id;
    Ok(answer(app.db.read(move |conn| drafts::find_draft(conn, &caller, &id)).await?))
}

/// Say what a draft is about
///
/// While it is edited, with `If-Match`.
#[utoipa::path(
    tag = "curation",
    params(IdPath, ("If-Match" = String, Header, description = "The ETag of the draft that was read")),
    security(("session" = [])),
    responses((status = OK, body = Draft), (status = PRECONDITION_FAILED, body = Problem), (status = PRECONDITION_REQUIRED, body = Problem))
)]
#[put("/admin/drafts/{id}")]
pub async fn change_draft(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    request: HttpRequest,
    body: web::Json<DraftText>,
) -> Result<HttpResponse> {
    let (id, expected, (title, reason)) = (path.into_inner().id, needed(&caller, &drafts::EDITORS, &request)?, body.checked()?);
    let changed = app.db.write(move |conn| drafts::rename(conn, &caller, &id, expected, (&title, reason.as_deref())));
    Ok(answer(changed.await?))
}

/// Give a draft up
///
/// Before it is in the list. What it said is forgotten; that it was there stays. With `If-Match`.
#[utoipa::path(
    tag = "curation",
    params(IdPath, ("If-Match" = String, Header, description = "The ETag of the draft that was read")),
    security(("session" = [])),
    responses((status = OK, body = Draft), (status = PRECONDITION_FAILED, body = Problem), (status = PRECONDITION_REQUIRED, body = Problem))
)]
#[delete("/admin/drafts/{id}")]
pub async fn discard_draft(caller: Caller, app: web::Data<App>, path: web::Path<IdPath>, request: HttpRequest) -> Result<HttpResponse> {
    let (id, expected) = (path.into_inner().id, needed(&caller, &drafts::EDITORS, &request)?);
    Ok(answer(app.db.write(move |conn| drafts::discard(conn, &caller, &id, expected)).await?))
}

/// Put a workbook into a draft
///
/// A book as `qingdan list export` writes it (XLSX, 16 MiB at the most), edited in a spreadsheet. Each entry that it changes goes into the draft, in the place of what
/// the draft said of it; or none does, when there is any mistake, each named by sheet, row and column. With `dry_run` nothing goes into the draft, and the
/// mistakes stand in the plan, also those that are the draft's: another publisher's entry, or one that another draft changes. What the book leaves as the
/// list has it, the draft does not change any more.
#[utoipa::path(
    tag = "curation",
    params(IdPath, BookQuery),
    request_body(content = Vec<u8>, content_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    security(("session" = [])),
    responses((status = OK, body = BookTaken), (status = PAYLOAD_TOO_LARGE, body = Problem))
)]
#[post("/admin/drafts/{id}/book")]
pub async fn put_draft_book(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    query: web::Query<BookQuery>,
    body: web::Payload,
) -> Result<HttpResponse> {
    let trial = query.dry_run.unwrap_or_default();
    let (draft, plan) = Box::pin(app.take_book(caller, path.into_inner().id, trial, body)).await?;
    Ok(HttpResponse::Ok().insert_header((ETAG, tag(draft.revision))).json(BookTaken { draft, plan }))
}

/// Ask for a draft's review
///
/// By one who may edit it, with `If-Match`. What stands in its way is told, each by its place in the draft.
#[utoipa::path(
    tag = "curation",
    params(IdPath, ("If-Match" = String, Header, description = "The ETag of the draft that was read")),
    security(("session" = [])),
    responses((status = OK, body = Draft), (status = PRECONDITION_FAILED, body = Problem), (status = PRECONDITION_REQUIRED, body = Problem))
)]
#[post("/admin/drafts/{id}/submission")]
pub async fn submit_draft(caller: Caller, app: web::Data<App>, path: web::Path<IdPath>, request: HttpRequest) -> Result<HttpResponse> {
    let (id, expected, grades) = (path.into_inner().id, needed(&caller, &drafts::EDITORS, &request)?, app.tools().grades);
    Ok(answer(app.db.write(move |conn| drafts::submit(conn, &caller, &grades, &id, expected)).await?))
}

/// Take a draft back
///
/// From its review, or before its moment has come, to edit it again. With `If-Match`.
#[utoipa::path(
    tag = "curation",
    params(IdPath, ("If-Match" = String, Header, description = "The ETag of the draft that was read")),
    security(("session" = [])),
    responses((status = OK, body = Draft), (status = PRECONDITION_FAILED, body = Problem), (status = PRECONDITION_REQUIRED, body = Problem))
)]
#[post("/admin/drafts/{id}/recall")]
pub async fn recall_draft(caller: Caller, app: web::Data<App>, path: web::Path<IdPath>, request: HttpRequest) -> Result<HttpResponse> {
    let (id, expected) = (path.into_inner().id, needed(&caller, &drafts::EDITORS, &request)?);
    Ok(answer(app.db.write(move |conn| drafts::recall(conn, &caller, &id, expected)).await?))
}

/// Send a draft back
///
/// By a reviewer or an operator who has had no hand in it, with a remark for those who edit it, and with `If-Match`.
#[utoipa::path(
    tag = "curation",
    params(IdPath, ("If-Match" = String, Header, description = "The ETag of the draft that was read")),
    security(("session" = [])),
    responses((status = OK, body = Draft), (status = PRECONDITION_FAILED, body = Problem), (status = PRECONDITION_REQUIRED, body = Problem))
)]
#[post("/admin/drafts/{id}/return")]
pub async fn return_draft(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    request: HttpRequest,
    body: web::Json<Remark>,
) -> Result<HttpResponse> {
    let (id, expected) = (path.into_inner().id, needed(&caller, &drafts::DECIDERS, &request)?);
    let remark = check_text("/remark", &body.remark, 3, 2000)?;
    Ok(answer(app.db.write(move |conn| drafts::return_draft(conn, &caller, &id, expected, &remark)).await?))
}

/// Approve a draft
///
/// By a reviewer or an operator who has had no hand in it, with `If-Match`: what was read is what is approved. It is in the list at once, as one version of the list; or
/// at the moment that is given, if nothing stands in its way then.
#[utoipa::path(
    tag = "curation",
    params(IdPath, ("If-Match" = String, Header, description = "The ETag of the draft that was read")),
    security(("session" = [])),
    responses((status = OK, body = Draft), (status = PRECONDITION_FAILED, body = Problem), (status = PRECONDITION_REQUIRED, body = Problem))
)]
#[post("/admin/drafts/{id}/approval")]
pub async fn approve_draft(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    request: HttpRequest,
    body: web::Json<Approval>,
) -> Result<HttpResponse> {
    let (id, grades) = (path.into_inner().id, app.tools().grades);
    let decided =
        Decided { expected: needed(&caller, &drafts::DECIDERS, &request)?, effective_at: body.effective_at.map(|at| at.naive_utc()) };
    let approved = app.db.write(move |conn| drafts::approve(conn, &caller, &grades, &id, decided));
    Ok(answer(approved.await.map_err(Error::in_body)?))
}
