//! What the public filed, for those who answer it. 公众反馈办理

mod list;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, post, web};
use askama::Template;

use super::super::confirm::Confirm;
use super::super::told::Told;
use super::super::visit::{Sent, Visit};
use super::super::{Words, private_page};
use super::{ANY, staff_of};
use crate::catalog::{self, Publisher};
use crate::error::{Error, Result};
use crate::feedback::{self, FeedbackCase, FeedbackKind, FeedbackState, Outcome, Shown};
use crate::http::browser::{self, Filled};
use crate::http::v1::check_text;
use crate::http::v1::feedback::desk::{Moderation, NewAnswer};
use crate::identity::Role;
use crate::release;

pub use list::{feedback_list_page, take_bulk_step};

#[derive(Template)]
#[template(path = "console-feedback-case.html")]
struct CasePage {
    w: Words,
    csrf: String,
    told: Told,
    c: FeedbackCase,
    /// Whether the person answers such things.
    answers: bool,
    /// Whether the person decides on what is shown, and on claims.
    moderates: bool,
    publishers: Vec<Publisher>,
}

impl CasePage {
    fn is_claim(&self) -> bool {
        self.c.kind == FeedbackKind::RightsClaim
    }

    fn is_request(&self) -> bool {
        self.c.kind == FeedbackKind::DataRequest
    }

    fn may_ask(&self) -> bool {
        self.answers && self.c.kind.is_answered() && self.c.state.is_under_way() && self.c.state == FeedbackState::Open
    }

    fn may_answer(&self) -> bool {
        self.answers && self.c.kind.is_answered() && self.c.state.is_under_way() && (!self.is_claim() || self.moderates)
    }

    fn may_suspend(&self) -> bool {
        self.answers && self.is_claim() && self.c.state.is_under_way() && !self.c.suspended
    }

    fn may_moderate(&self) -> bool {
        let gone = matches!(self.c.state, FeedbackState::Withdrawn | FeedbackState::Dismissed);
        self.moderates && !self.is_claim() && self.c.text.is_some() && !gone
    }

    fn may_dismiss(&self) -> bool {
        let stands = self.c.state == FeedbackState::Done && !self.c.kind.is_answered();
        self.moderates && !self.c.suspended && (self.c.state.is_under_way() || stands)
    }

    fn may_assign(&self) -> bool {
        self.moderates && self.is_request() && self.c.state.is_under_way()
    }

    fn is_shown(&self) -> bool {
        self.c.shown == Shown::Shown
    }

    fn is_hidden(&self) -> bool {
        self.c.shown == Shown::Hidden
    }

    fn outcomes(&self) -> Vec<Outcome> {
        let again = self.is_claim() || self.c.state == FeedbackState::Accepted;
        Outcome::ALL.into_iter().filter(|outcome| *outcome != Outcome::Accepted || !again).collect()
    }

    fn is_chosen(&self, name: &str, value: &str) -> bool {
        self.told.text("answer", name) == value
    }

    /// What an outcome is called; of a rights claim what becomes of the dataset.
    fn outcome(&self, outcome: &Outcome) -> &'static str {
        match (outcome, self.is_claim()) {
            (Outcome::Done, true) => self.w.t("主张成立，撤回数据集", "The claim is right: withdraw the dataset"),
            (Outcome::Rejected, true) => {
                self.w.t("主张不成立（已暂停的恢复开放）", "The claim is not right: give it out again, if it was suspended")
            }
            (other, _) => self.w.outcome(other),
        }
    }

    fn is_owner(&self, slug: &str) -> bool {
        self.c.publisher.as_deref() == Some(slug)
    }
}

async fn show(Visit { caller, app, w, .. }: Visit, id: String, told: Told) -> Result<HttpResponse> {
    let csrf = browser::csrf_token(&app, &staff_of(&caller, &ANY)?.session);
    let answers = caller.with_role(&[Role::Steward, Role::Reviewer, Role::Operator]).is_ok();
    let moderates = caller.with_role(&[Role::Reviewer, Role::Operator]).is_ok();
    let found = app.db.read(move |conn| Ok((feedback::find_for(conn, &caller, &id)?, catalog::publishers(conn)?)));
    let (c, publishers) = found.await?;
    private_page(w, StatusCode::OK, &CasePage { w, csrf, told, c, answers, moderates, publishers })
}

#[get("/console/feedback/{id}")]
pub async fn feedback_case_page(visit: Visit, path: web::Path<String>) -> Result<HttpResponse> {
    let told = visit.told();
    show(visit, path.into_inner(), told).await
}

/// Asks once more before the dataset of a claim is withdrawn.
async fn ask_again(Visit { caller, app, w, .. }: Visit, case: FeedbackCase, said: feedback::Answer) -> Result<HttpResponse> {
    let csrf = browser::csrf_token(&app, &staff_of(&caller, &[Role::Operator, Role::Reviewer])?.session);
    let slug = case.datasets.first().cloned().unwrap_or_default();
    let (dataset, grants) = app.db.read(move |conn| release::affected(conn, &slug)).await?;
    let here = format!("/console/feedback/{}", case.id);
    let page = Confirm {
        w,
        csrf,
        title: w.t("确认主张成立并撤回数据集？", "Decide that the claim is right, and withdraw the dataset?"),
        lead: w.t(
            "撤回后立即生效：该数据集从清单、检索、各类目录和订阅中移除，现有数据版本不再提供，全部授权随即撤销。处理后重新开放须由他人决定并发布新的数据。",
            "It takes effect at once: the dataset leaves the list, the search, every catalogue and feed, its data is read no more, and every grant over it is revoked. Somebody else may reopen it, for data that was mended.",
        ),
        facts: vec![
            (w.t("数据集", "Dataset"), w.text(&dataset.entry.title).to_owned()),
            (w.t("将撤销的授权", "Grants to be revoked"), grants.to_string()),
            (w.t("公开的理由", "What the list says of why"), said.public_reason.clone().unwrap_or_default()),
        ],
        action: format!("{here}/steps/answer"),
        confirmed: case.id,
        also: vec![
            ("outcome", Outcome::Done.as_str().to_owned()),
            ("text", said.text),
            ("public_reason", said.public_reason.unwrap_or_default()),
        ],
        reason: None,
        button: w.t("撤回数据集", "Withdraw the dataset"),
        back: here,
    };
    private_page(w, StatusCode::OK, &page)
}

/// The claim that an answer would withdraw a dataset for, where it was not asked once more.
async fn unconfirmed(sent: &Sent, id: &str, step: &Result<Step>) -> Result<Option<(FeedbackCase, feedback::Answer)>> {
    let Ok(Step::Answer(Outcome::Done, said)) = step else { return Ok(None) };
    if sent.filled.has("confirmed", id) || said.public_reason.is_none() {
        return Ok(None);
    }
    let (caller, case) = (sent.visit.caller.clone(), id.to_owned());
    let case = sent.visit.app.db.read(move |conn| feedback::find_for(conn, &caller, &case)).await?;
    let withdraws = case.kind == FeedbackKind::RightsClaim && case.state.is_under_way();
    Ok(withdraws.then(|| (case, said.clone())))
}

/// A step that a form means.
enum Step {
    Ask(String),
    Answer(Outcome, feedback::Answer),
    Suspend(String),
    Moderate(bool, Option<String>),
    Dismiss(String),
    Assign(String),
}

fn step_of(filled: &Filled, step: &str) -> Result<Step> {
    let reason = || check_text("/reason", &filled.text("reason"), 3, 2000);
    let given = |name: &str| Some(filled.text(name).trim().to_owned()).filter(|text| !text.is_empty());
    Ok(match step {
        "question" => Step::Ask(check_text("/question", &filled.text("question"), 3, 2000)?),
        "answer" => {
            let named = filled.one("outcome");
            let outcome = Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == named);
            let outcome = outcome.ok_or_else(|| Error::invalid("/outcome", "choose what it comes to"))?;
            let answer = NewAnswer { outcome, text: filled.text("text"), dataset: given("dataset"), public_reason: given("public_reason") };
            let (outcome, answer) = answer.checked()?;
            Step::Answer(outcome, answer)
        }
        "suspension" => Step::Suspend(reason()?),
        "showing" => Step::Moderate(true, None),
        "hiding" => {
            let (show, reason) = Moderation { show: false, reason: Some(filled.text("reason")) }.checked()?;
            Step::Moderate(show, reason)
        }
        "dismissal" => Step::Dismiss(reason()?),
        "assignment" => Step::Assign(filled.text("publisher")),
        other => return Err(Error::not_found("page or operation at", format!("/console/feedback/…/{other}"))),
    })
}

#[post("/console/feedback/{id}/steps/{step}")]
pub async fn take_feedback_step(sent: Sent, path: web::Path<(String, String)>) -> Result<HttpResponse> {
    let (id, step) = path.into_inner();
    let meant = step_of(&sent.filled, &step);
    // What cannot be undone is asked twice.
    if let Some((case, said)) = unconfirmed(&sent, &id, &meant).await? {
        return ask_again(sent.visit, case, said).await;
    }
    let taken = match meant {
        Ok(step) => {
            let (caller, rules, case) = (sent.visit.caller.clone(), sent.visit.app.hearing.clone(), id.clone());
            let write = move |conn: &mut crate::db::Conn| match step {
                Step::Ask(question) => feedback::ask(conn, &caller, &rules, &case, &question),
                Step::Answer(outcome, said) => feedback::answer(conn, &caller, &rules, &case, outcome, &said),
                Step::Suspend(reason) => feedback::suspend(conn, &caller, &case, &reason),
                Step::Moderate(show, reason) => feedback::moderate(conn, &caller, &case, show, reason.as_deref()),
                Step::Dismiss(reason) => feedback::dismiss(conn, &caller, &case, &reason),
                Step::Assign(publisher) => feedback::assign(conn, &caller, &case, &publisher),
            };
            sent.visit.app.db.write(write).await
        }
        Err(error) => Err(error),
    };
    let (here, done) = (format!("/console/feedback/{id}"), format!("feedback-{step}"));
    sent.answer(taken, (&here, &done), &step, async |visit, told| show(visit, id, told).await).await
}
