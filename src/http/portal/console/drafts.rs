//! Drafts of the list: who prepares a change, who looks at it, and when it takes effect. 清单变更草稿

pub mod entry;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, post, web};
use askama::Template;
use chrono::{Datelike, NaiveDateTime};
use serde::Deserialize;

use super::super::told::{Told, again, onwards};
use super::super::visit::{Sent, Visit};
use super::super::{Words, private_page, see};
use super::{ANY, Rooms, staff_of};
use crate::app::{App, MOST_BOOK_BYTES};
use crate::catalog::drafts::{self, Decided, Draft, DraftState, EntryLook, Put};
use crate::catalog::{self};
use crate::clock::{now_naive, shanghai, utc_of_shanghai};
use crate::db::Conn;
use crate::error::{Error, Result};
use crate::http::browser::{self, Filled, GuardedUpload};
use crate::http::v1::check_text;
use crate::identity::Caller;

/// Drafts on one page, and entries of a draft on one page.
const SHOWN: i64 = 50;

/// Which drafts.
#[derive(Deserialize)]
pub struct DraftsQuery {
    state: Option<String>,
    after: Option<String>,
}

#[derive(Template)]
#[template(path = "console-drafts.html")]
struct DraftsPage {
    w: Words,
    csrf: String,
    rooms: Rooms,
    drafts: Vec<Draft>,
    total: i64,
    next: Option<String>,
    state: String,
    /// Whether the person may begin one.
    begins: bool,
    told: Told,
}

impl DraftsPage {
    fn states(&self) -> [DraftState; 5] {
        DraftState::ALL
    }

    fn asked(&self) -> String {
        if self.state.is_empty() { String::new() } else { format!("&state={}", self.state) }
    }
}

/// The place behind a draft, as an address names it.
fn place_of(draft: &Draft) -> String {
    format!("{}-{}", draft.updated_at.and_utc().timestamp_micros(), draft.id)
}

fn place(text: &str) -> Option<(NaiveDateTime, String)> {
    let (micros, id) = text.split_once('-')?;
    Some((chrono::DateTime::from_timestamp_micros(micros.parse().ok()?)?.naive_utc(), id.to_owned()))
}

async fn list(Visit { caller, app, w, .. }: Visit, query: DraftsQuery, told: Told) -> Result<HttpResponse> {
    let csrf = browser::csrf_token(&app, &staff_of(&caller, &ANY)?.session);
    let state = query.state.and_then(|named| DraftState::ALL.into_iter().find(|state| state.as_str() == named));
    let after = query.after.as_deref().and_then(place);
    let begins = caller.with_role(&drafts::EDITORS).is_ok();
    let found = app.db.read(move |conn| Ok((drafts::list_drafts(conn, &caller, state, after, SHOWN + 1)?, Rooms::of(conn, &caller)?)));
    let ((mut drafts, total), rooms) = found.await?;
    let more = drafts.len() as i64 > SHOWN;
    drafts.truncate(SHOWN as usize);
    let next = drafts.last().filter(|_| more).map(place_of);
    let state = state.map(DraftState::as_str).unwrap_or_default().to_owned();
    private_page(w, StatusCode::OK, &DraftsPage { w, csrf, rooms, drafts, total, next, state, begins, told })
}

#[get("/console/drafts")]
pub async fn drafts_page(visit: Visit, query: web::Query<DraftsQuery>) -> Result<HttpResponse> {
    let told = visit.told();
    list(visit, query.into_inner(), told).await
}

/// The title and the reason that a form gives.
fn text_of(filled: &Filled) -> Result<(String, Option<String>)> {
    let reason = Some(filled.text("reason")).filter(|reason| !reason.trim().is_empty());
    let reason = reason.map(|reason| check_text("/reason", &reason, 3, 2000)).transpose()?;
    Ok((check_text("/title", &filled.text("title"), 3, 200)?, reason))
}

#[post("/console/drafts")]
pub async fn begin_draft(sent: Sent) -> Result<HttpResponse> {
    let begun = match text_of(&sent.filled) {
        Ok((title, reason)) => {
            let caller = sent.visit.caller.clone();
            sent.visit.app.db.write(move |conn| drafts::begin(conn, &caller, &title, reason.as_deref())).await
        }
        Err(error) => Err(error),
    };
    match begun {
        Ok(draft) => Ok(onwards(sent.visit.w, &format!("/console/drafts/{}", draft.id), "draft-begun")),
        Err(error) => {
            let nothing = DraftsQuery { state: None, after: None };
            sent.again("draft", error, async |visit, told| list(visit, nothing, told).await).await
        }
    }
}

/// Which part of a draft.
#[derive(Default, Deserialize)]
pub struct DraftQuery {
    after: Option<String>,
    /// The revision whose first page was read.
    revision: Option<i32>,
}

#[derive(Template)]
#[template(path = "console-draft.html")]
struct DraftPage {
    w: Words,
    csrf: String,
    draft: Draft,
    looks: Vec<EntryLook>,
    next: Option<String>,
    /// Whether the person may edit it, and decide on it.
    edits: bool,
    decides: bool,
    /// The revision that the person has read from its first page on, which is decided on.
    read: i32,
    /// What was wrong with a book.
    book: Vec<String>,
    told: Told,
}

impl DraftPage {
    fn may_edit(&self) -> bool {
        self.edits && self.draft.state == DraftState::Draft
    }

    fn may_submit(&self) -> bool {
        self.may_edit() && self.draft.entries > 0
    }

    fn may_recall(&self) -> bool {
        self.edits && matches!(self.draft.state, DraftState::InReview | DraftState::Scheduled)
    }

    fn may_discard(&self) -> bool {
        self.may_edit() || self.may_recall()
    }

    fn may_decide(&self) -> bool {
        self.decides && self.draft.state == DraftState::InReview
    }

    fn is_open(&self) -> bool {
        matches!(self.draft.state, DraftState::Draft | DraftState::InReview | DraftState::Scheduled)
    }

    /// The earliest moment that can be chosen, by the clocks of Shanghai.
    fn soonest(&self) -> String {
        shanghai(now_naive()).format("%Y-%m-%dT%H:%M").to_string()
    }

    /// Whether it was changed since the person began to read it.
    fn is_stale(&self) -> bool {
        self.read != self.draft.revision
    }

    /// The revision that the form of the title is about: that which was read when it was filled in.
    fn change_of(&self) -> String {
        let sent = self.told.text("change", "revision");
        if sent.is_empty() { self.draft.revision.to_string() } else { sent.to_owned() }
    }

    fn largest(&self) -> usize {
        MOST_BOOK_BYTES >> 20
    }
}

async fn show(visit: Visit, id: String, part: DraftQuery, told: Told, book: Vec<String>) -> Result<HttpResponse> {
    let Visit { caller, app, w, .. } = visit;
    let csrf = browser::csrf_token(&app, &staff_of(&caller, &ANY)?.session);
    let grades = app.tools().grades;
    let found = app.db.read(move |conn| {
        let draft = drafts::find_draft(conn, &caller, &id)?;
        let entries = drafts::draft_entries_after(conn, &draft, part.after.as_deref(), SHOWN + 1)?;
        let mut slugs: Vec<String> = entries.into_iter().map(|one| one.slug).collect();
        let more = slugs.len() as i64 > SHOWN;
        slugs.truncate(SHOWN as usize);
        let (edits, decides) = (drafts::may_edit(&caller, &draft), drafts::may_decide(&caller, &draft));
        let looks = drafts::look(conn, &grades, &draft, &slugs)?;
        let next = slugs.pop().filter(|_| more);
        let read = part.revision.unwrap_or(draft.revision);
        Ok(DraftPage { w, csrf, draft, looks, next, edits, decides, read, book, told })
    });
    private_page(w, StatusCode::OK, &found.await?)
}

#[get("/console/drafts/{id}")]
pub async fn draft_page(visit: Visit, path: web::Path<String>, query: web::Query<DraftQuery>) -> Result<HttpResponse> {
    let told = visit.told();
    show(visit, path.into_inner(), query.into_inner(), told, Vec::new()).await
}

/// What a form has a draft do.
enum Step {
    Change(String, Option<String>),
    Submit,
    Recall,
    Return(String),
    Approve(Option<NaiveDateTime>),
    Discard,
}

fn step_of(filled: &Filled, step: &str) -> Result<Step> {
    Ok(match step {
        "change" => {
            let (title, reason) = text_of(filled)?;
            Step::Change(title, reason)
        }
        "submission" => Step::Submit,
        "recall" => Step::Recall,
        "return" => Step::Return(check_text("/remark", &filled.text("remark"), 3, 2000)?),
        "approval" => {
            let text = filled.text("effective_at");
            let moment = |text: &str| {
                let at = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M").ok().filter(|at| (2000..10_000).contains(&at.year()));
                at.map(utc_of_shanghai).ok_or_else(|| Error::invalid("/effective_at", "give a day and a time, or nothing"))
            };
            Step::Approve(Some(text.trim()).filter(|text| !text.is_empty()).map(moment).transpose()?)
        }
        "discard" => Step::Discard,
        other => return Err(Error::not_found("page or operation at", format!("/console/drafts/…/{other}"))),
    })
}

async fn take(app: &App, caller: Caller, id: String, expected: i32, step: Step) -> Result<Draft> {
    let grades = app.tools().grades;
    let done = app.db.write(move |conn| match step {
        Step::Change(title, reason) => drafts::rename(conn, &caller, &id, expected, (&title, reason.as_deref())),
        Step::Submit => drafts::submit(conn, &caller, &grades, &id, expected),
        Step::Recall => drafts::recall(conn, &caller, &id, expected),
        Step::Return(remark) => drafts::return_draft(conn, &caller, &id, expected, &remark),
        Step::Approve(effective_at) => drafts::approve(conn, &caller, &grades, &id, Decided { expected, effective_at }),
        Step::Discard => drafts::discard(conn, &caller, &id, expected),
    });
    done.await.map_err(Error::in_body).map_err(as_conflict)
}

/// A page says of what somebody else has changed as of everything that is not as it was.
fn as_conflict(error: Error) -> Error {
    if let Error::Stale { detail, .. } = error { Error::Conflict(detail) } else { error }
}

fn revision(filled: &Filled) -> i32 {
    filled.one("revision").parse().unwrap_or_default()
}

#[post("/console/drafts/{id}/steps/{step}")]
pub async fn take_draft_step(sent: Sent, path: web::Path<(String, String)>) -> Result<HttpResponse> {
    let (id, step) = path.into_inner();
    let taken = match step_of(&sent.filled, &step) {
        Ok(meant) => take(&sent.visit.app, sent.visit.caller.clone(), id.clone(), revision(&sent.filled), meant).await,
        Err(error) => Err(error),
    };
    let done = match &taken {
        Ok(draft) if step == "approval" => format!("draft-{}", draft.state.as_str()),
        Ok(_) | Err(_) => format!("draft-{step}"),
    };
    let here = format!("/console/drafts/{id}");
    sent.answer(taken, (&here, &done), &step, async |visit, told| show(visit, id, DraftQuery::default(), told, Vec::new()).await).await
}

/// Puts a dataset into a draft as the list has it, or begins a new one.
fn add(conn: &mut Conn, caller: &Caller, id: &str, slug: &str) -> Result<()> {
    let draft = drafts::find_draft(conn, caller, id)?;
    if drafts::find_draft_entry(conn, &draft, slug).is_ok() {
        return Ok(());
    }
    let (base_sha256, entry) = match drafts::listed_for(conn, caller, slug) {
        Ok((sha256, entry)) => (Some(sha256), entry),
        Err(Error::NotFound { .. }) => {
            let (publishers, themes) = (catalog::publishers(conn)?, catalog::themes(conn)?);
            let publisher = draft.publisher.clone().or_else(|| publishers.first().map(|one| one.slug.clone())).unwrap_or_default();
            let theme = themes.first().map(|one| one.slug.clone()).unwrap_or_default();
            (None, catalog::book::begun(slug, &publisher, &theme)?)
        }
        Err(error) => return Err(error),
    };
    drafts::put_draft_entry(conn, caller, id, Put { slug: slug.to_owned(), entry, expected: None, base_sha256 })?;
    Ok(())
}

#[post("/console/drafts/{id}/entries")]
pub async fn add_entry(sent: Sent, path: web::Path<String>) -> Result<HttpResponse> {
    let (id, slug) = (path.into_inner(), sent.filled.text("slug").trim().to_owned());
    let (caller, draft, name) = (sent.visit.caller.clone(), id.clone(), slug.clone());
    let added = sent.visit.app.db.write(move |conn| add(conn, &caller, &draft, &name)).await;
    match added.map_err(Error::in_body).map_err(as_conflict) {
        // A slug is of letters that an address takes as they are.
        Ok(()) => Ok(see(&format!("/console/drafts/{id}/entries/{slug}?lang={}", sent.visit.w.short()))),
        Err(error) => sent.again("entry", error, async |visit, told| show(visit, id, DraftQuery::default(), told, Vec::new()).await).await,
    }
}

#[post("/console/drafts/{id}/book")]
pub async fn upload_book(visit: Visit, path: web::Path<String>, form: GuardedUpload) -> Result<HttpResponse> {
    let (w, id) = (visit.w, path.into_inner());
    let file = form.open(&visit.app, &visit.caller).await?;
    match Box::pin(visit.app.take_book(visit.caller.clone(), id.clone(), false, file)).await {
        Ok(_taken) => Ok(onwards(w, &format!("/console/drafts/{id}"), "draft-book")),
        // Mistakes of cells, each with its place in its words.
        Err(Error::Invalid(faults)) if faults.iter().any(|fault| fault.pointer.contains('!')) => {
            let told = Told::done(w, None)
                .saying(w.t("表格有误，尚未载入任何内容。", "The workbook has mistakes. Nothing of it was taken.").to_owned());
            let book = faults.into_iter().map(|fault| fault.detail).collect();
            let mut page = show(visit, id, DraftQuery::default(), told, book).await?;
            *page.status_mut() = StatusCode::BAD_REQUEST;
            Ok(page)
        }
        Err(error) => {
            again(w, "book", Filled::default(), error, async |told| show(visit, id, DraftQuery::default(), told, Vec::new()).await).await
        }
    }
}
