//! What the public filed, as a list, and one step with many of it.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, post, web};
use askama::Template;
use serde::Deserialize;

use super::super::super::told::{Told, conflict};
use super::super::super::visit::{Sent, Visit};
use super::super::super::{Words, private_page, see};
use super::super::{ANY, Rooms, staff_of};
use crate::error::{Error, Result};
use crate::feedback::{self, BulkOutcome, DeskFilter, DeskSort, FeedbackCase, FeedbackKind, FeedbackState};
use crate::http::browser::{self, Filled};
use crate::http::v1::feedback::desk::{BulkModeration, BulkStepName};
use crate::identity::Role;

/// Things on one page.
const SHOWN: i64 = 50;

/// The form of the step with many.
const MANY: &str = "many";

/// Which of them.
#[derive(Default, Deserialize)]
pub struct FeedbackQuery {
    view: Option<String>,
    kind: Option<String>,
    after: Option<String>,
    /// Whether all of the page are chosen.
    chosen: Option<String>,
}

/// The same, read.
struct Wanted {
    view: &'static str,
    kind: Option<FeedbackKind>,
    after: Option<String>,
    all_chosen: bool,
}

impl Wanted {
    fn of(query: FeedbackQuery) -> Self {
        let FeedbackQuery { view, kind, after, chosen } = query;
        Wanted {
            view: ["overdue", "all"].into_iter().find(|known| Some(*known) == view.as_deref()).unwrap_or("waiting"),
            kind: FeedbackKind::ALL.into_iter().find(|known| Some(known.as_str()) == kind.as_deref()),
            after: after.filter(|after| !after.is_empty()),
            all_chosen: chosen.as_deref() == Some("all"),
        }
    }

    fn filter(&self) -> DeskFilter {
        let sort = if self.view == "all" { DeskSort::Newest } else { DeskSort::Due };
        DeskFilter { kind: self.kind, state: None, overdue: self.view == "overdue", waiting: self.view == "waiting", sort }
    }
}

/// One with which a step was not taken, and why.
struct Left {
    id: String,
    why: String,
}

#[derive(Template)]
#[template(path = "console-feedback.html")]
struct FeedbackPage {
    w: Words,
    csrf: String,
    told: Told,
    rooms: Rooms,
    items: Vec<FeedbackCase>,
    total: i64,
    next: Option<String>,
    view: &'static str,
    kind: &'static str,
    /// Where the page begins.
    after: String,
    /// Whether the person decides on what is shown.
    moderates: bool,
    all_chosen: bool,
    /// With how many the step was taken, and with which not.
    outcome: Option<(usize, Vec<Left>)>,
}

impl FeedbackPage {
    fn kinds(&self) -> [FeedbackKind; 5] {
        FeedbackKind::ALL
    }

    fn is_view(&self, name: &str) -> bool {
        self.view == name
    }

    fn views(&self) -> [(&'static str, &'static str); 3] {
        [("waiting", self.w.t("待办理", "Waiting")), ("overdue", self.w.t("已逾期", "Overdue")), ("all", self.w.t("全部", "All"))]
    }

    /// Whether it can be decided with others: claims are each decided by themselves.
    fn is_choice(&self, item: &FeedbackCase) -> bool {
        let gone = matches!(item.state, FeedbackState::Withdrawn | FeedbackState::Dismissed);
        self.moderates && item.kind != FeedbackKind::RightsClaim && !gone
    }

    fn has_choices(&self) -> bool {
        self.items.iter().any(|item| self.is_choice(item))
    }

    fn is_chosen(&self, item: &FeedbackCase) -> bool {
        self.all_chosen || (self.told.is(MANY) && self.told.ticked(MANY, "ids", &item.id))
    }
}

async fn show(Visit { caller, app, w, .. }: Visit, wanted: Wanted, told: Told, outcome: Option<BulkOutcome>) -> Result<HttpResponse> {
    let csrf = browser::csrf_token(&app, &staff_of(&caller, &ANY)?.session);
    let moderates = caller.with_role(&[Role::Reviewer, Role::Operator]).is_ok();
    let (filter, after) = (wanted.filter(), wanted.after.clone());
    let found = app.db.read(move |conn| {
        let found = feedback::list_for(conn, &caller, filter, after.as_deref(), SHOWN + 1)?;
        Ok((found, Rooms::of(conn, &caller)?))
    });
    let ((mut items, total), rooms) = found.await?;
    let more = items.len() as i64 > SHOWN;
    items.truncate(SHOWN as usize);
    let next = items.last().filter(|_| more).map(|item| item.key(filter.sort));
    let left = |outcome: BulkOutcome| {
        let left = outcome.passed_over.into_iter().map(|one| Left { id: one.id, why: conflict(w, &one.detail) });
        (outcome.done.len(), left.collect())
    };
    let page = FeedbackPage {
        w,
        csrf,
        told,
        rooms,
        items,
        total,
        next,
        view: wanted.view,
        kind: wanted.kind.map(FeedbackKind::as_str).unwrap_or_default(),
        after: wanted.after.unwrap_or_default(),
        moderates,
        all_chosen: wanted.all_chosen,
        outcome: outcome.map(left),
    };
    private_page(w, StatusCode::OK, &page)
}

#[get("/console/feedback")]
pub async fn feedback_list_page(visit: Visit, query: web::Query<FeedbackQuery>) -> Result<HttpResponse> {
    let told = visit.told();
    show(visit, Wanted::of(query.into_inner()), told, None).await
}

/// The step that the form means.
fn meant(filled: &Filled) -> Result<(Vec<String>, feedback::BulkStep)> {
    let (ids, reason) = (filled.list("ids"), Some(filled.text("reason")).filter(|reason| !reason.trim().is_empty()));
    if ids.is_empty() {
        return Err(Error::invalid("/ids", "choose at least one"));
    }
    let (step, reason) = match filled.one("step") {
        // Whatever stands in the field: nobody would read it.
        "show" => (BulkStepName::Show, None),
        "hide" => (BulkStepName::Hide, reason),
        "dismiss" => (BulkStepName::Dismiss, reason),
        other => return Err(Error::invalid("/step", format!("`{other}` is none of show, hide, dismiss"))),
    };
    BulkModeration { ids, step, reason }.checked()
}

#[post("/console/feedback")]
pub async fn take_bulk_step(sent: Sent) -> Result<HttpResponse> {
    let named = |name: &str| Some(sent.filled.one(name).to_owned());
    let wanted = Wanted::of(FeedbackQuery { view: named("view"), kind: named("kind"), after: named("after"), chosen: None });
    let taken = match meant(&sent.filled) {
        Ok((ids, step)) => {
            let caller = sent.visit.caller.clone();
            sent.visit.app.db.write(move |conn| feedback::take_with_all(conn, &caller, &ids, &step)).await
        }
        Err(error) => Err(error),
    };
    match taken {
        Ok(outcome) if outcome.passed_over.is_empty() => {
            let kind = wanted.kind.map(FeedbackKind::as_str).unwrap_or_default();
            Ok(see(&format!("/console/feedback?lang={}&view={}&kind={kind}&done=feedback-many", sent.visit.w.short(), wanted.view)))
        }
        Ok(outcome) => {
            let told = Told::done(sent.visit.w, None);
            // As where all is done: from the beginning. The place behind which the page began may be no place any more.
            show(sent.visit, Wanted { after: None, ..wanted }, told, Some(outcome)).await
        }
        Err(error) => sent.again(MANY, error, async |visit, told| show(visit, wanted, told, None).await).await,
    }
}
