//! What publishers, reviewers and operators do about it.

use chrono::NaiveDateTime;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::clock::note;
use super::{FeedbackKind, FeedbackState, Row, Rules, Shown, find, votes};
use crate::catalog::{self, Dataset, Ground, OpenType, State, Turn};
use crate::clock::now_naive;
use crate::db::schema::{datasets, feedback as rows, publishers};
use crate::db::{Conn, lock_ledger};
use crate::error::{Error, Result};
use crate::identity::{Caller, Role};
use crate::ledger::{self, Kind};
use crate::release;

/// Who answers.
pub(super) const ANSWERERS: [Role; 3] = [Role::Steward, Role::Reviewer, Role::Operator];

/// Who decides on what everybody sees, and on claims.
pub(super) const MODERATORS: [Role; 2] = [Role::Reviewer, Role::Operator];

/// What an answer comes to. 办理结果
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// 采纳: it is right, and what follows from it is still to be done. Not of a rights claim.
    Accepted,
    /// 办结: what follows from it is done. Of a rights claim: the dataset is withdrawn.
    Done,
    /// 不予采纳: it is turned down. Of a rights claim: what was suspended for it is given out again.
    Rejected,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Outcome; 3] = [Outcome::Accepted, Outcome::Done, Outcome::Rejected];

    /// As it is written everywhere.
    pub fn as_str(self) -> &'static str {
        self.state().as_str()
    }

    fn state(self) -> FeedbackState {
        match self {
            Outcome::Accepted => FeedbackState::Accepted,
            Outcome::Done => FeedbackState::Done,
            Outcome::Rejected => FeedbackState::Rejected,
        }
    }
}

/// What is answered, beside its outcome. Lengths have been checked.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// For who filed it; everybody reads it but that to a rights claim.
    pub text: String,
    /// Of a request that is done: the dataset in which the data is.
    pub found_in: Option<String>,
    /// Of a rights claim: what the list says of why the dataset is withdrawn or given out again.
    pub public_reason: Option<String>,
}

/// What somebody with one of these roles may act on: a steward, what is for their publisher.
fn own(conn: &mut Conn, caller: &Caller, id: &str, roles: &[Role]) -> Result<Row> {
    let person = caller.with_role(roles)?;
    // Of two who decide at the same time, the second finds what the first has done.
    lock_ledger(conn)?;
    let row = find(conn, id)?;
    if caller.with_role(&MODERATORS).is_err() && (row.publisher.is_none() || row.publisher != person.publisher) {
        return Err(Error::not_found("feedback", id));
    }
    if row.filed_by == caller.actor() {
        return Err(Error::Forbidden("you filed this yourself; somebody else deals with it".to_owned()));
    }
    Ok(row)
}

fn require_under_way(row: &Row) -> Result<()> {
    let state = row.state()?;
    if state.is_under_way() { Ok(()) } else { Err(Error::Conflict(format!("it is {} already", state.as_str()))) }
}

fn require_answered_kind(row: &Row) -> Result<FeedbackKind> {
    let kind = row.kind()?;
    if kind.is_answered() {
        return Ok(kind);
    }
    Err(Error::Conflict(format!("a {} is not answered: it is shown, hidden or dismissed", kind.as_str())))
}

fn detail(row: &Row) -> serde_json::Value {
    json!({ "kind": row.kind })
}

/// The dataset that it is about.
fn dataset_of(conn: &mut Conn, row: &Row) -> Result<Dataset> {
    let id = row.dataset_id.as_deref().unwrap_or_default();
    let slug: String = datasets::table.find(id).select(datasets::slug).first(conn)?;
    catalog::find_any(conn, &slug)
}

/// Asks who filed it for something. The publisher's term begins anew with the reply.
///
/// # Errors
/// When the caller may not, or it is decided.
pub fn ask(conn: &mut Conn, caller: &Caller, rules: &Rules, id: &str, question: &str) -> Result<()> {
    let row = own(conn, caller, id, &ANSWERERS)?;
    require_answered_kind(&row)?;
    require_under_way(&row)?;
    match row.state()? {
        FeedbackState::Asked => return Err(Error::Conflict("a question waits for its reply already".to_owned())),
        FeedbackState::Accepted => return Err(Error::Conflict("it was found right already; what is left is to answer `done`".to_owned())),
        FeedbackState::Open | FeedbackState::Done | FeedbackState::Rejected | FeedbackState::Withdrawn | FeedbackState::Dismissed => {}
    }
    // It was late already: a question does not undo that.
    if row.is_overdue(now_naive()) && row.overdue_at.is_none() {
        note(conn, &row)?;
    }
    let until = rules.reply_due(now_naive());
    let asked = (rows::state.eq(FeedbackState::Asked.as_str()), rows::question.eq(question), rows::due_at.eq(until));
    diesel::update(rows::table.find(id)).set(asked).execute(conn)?;
    ledger::append_with_reason(conn, Kind::FeedbackAsked, &caller.actor(), &row.subject(), detail(&row), question)?;
    Ok(())
}

/// Answers. A rights claim is decided by a reviewer or an operator, and with it what becomes of its dataset.
///
/// # Errors
/// When the caller may not, it is decided already, or the outcome is none of this kind.
pub fn answer(conn: &mut Conn, caller: &Caller, rules: &Rules, id: &str, outcome: Outcome, said: &Answer) -> Result<()> {
    let row = own(conn, caller, id, &ANSWERERS)?;
    let kind = require_answered_kind(&row)?;
    require_under_way(&row)?;
    if outcome == Outcome::Accepted && row.state == FeedbackState::Accepted.as_str() {
        return Err(Error::Conflict("it was found right already; what is left is to answer `done`".to_owned()));
    }
    let mut detail = detail(&row);
    detail["outcome"] = outcome.as_str().into();
    if kind == FeedbackKind::RightsClaim {
        decide_claim(conn, caller, &row, outcome, said)?;
    } else if said.public_reason.is_some() {
        return Err(Error::invalid("/public_reason", "only the decision on a rights claim changes what the list says of a dataset"));
    }
    let found_in = found_in(conn, kind, outcome, said)?;
    if let Some(slug) = &found_in {
        detail["dataset"] = slug.as_str().into();
    }
    let (now, state) = (now_naive(), outcome.state());
    let closed_at = (!state.is_under_way()).then_some(now);
    let due_at = if closed_at.is_some() { None } else { rules.due(kind, now) };
    diesel::update(rows::table.find(id))
        .set((
            rows::state.eq(state.as_str()),
            rows::answer.eq(&said.text),
            rows::answered_at.eq(now),
            rows::found_in.eq(&found_in),
            rows::due_at.eq(due_at),
            rows::overdue_at.eq(None::<NaiveDateTime>),
            rows::closed_at.eq(closed_at),
        ))
        .execute(conn)?;
    votes::settle(conn, id, state)?;
    ledger::append_with_reason(conn, Kind::FeedbackAnswered, &caller.actor(), &row.subject(), detail, &said.text)?;
    Ok(())
}

/// The dataset that a request has led to.
fn found_in(conn: &mut Conn, kind: FeedbackKind, outcome: Outcome, said: &Answer) -> Result<Option<String>> {
    let opens = kind == FeedbackKind::DataRequest && outcome == Outcome::Done;
    match (&said.found_in, opens) {
        (None, false) => Ok(None),
        (None, true) => Err(Error::invalid("/dataset", "a request is done when the data is open: name its dataset")),
        (Some(_), false) => Err(Error::invalid("/dataset", "only of a request that is done a dataset is named")),
        (Some(slug), true) => {
            let dataset = catalog::find(conn, slug)?;
            if dataset.state != State::Published || dataset.entry.open_type == OpenType::Closed {
                return Err(Error::invalid("/dataset", format!("`{slug}` is not open; answer `accepted` until it is, or `rejected`")));
            }
            Ok(Some(dataset.slug))
        }
    }
}

fn decide_claim(conn: &mut Conn, caller: &Caller, row: &Row, outcome: Outcome, said: &Answer) -> Result<()> {
    caller.with_role(&MODERATORS)?;
    let dataset = dataset_of(conn, row)?;
    let turn = match outcome {
        Outcome::Accepted => {
            return Err(Error::invalid(
                "/outcome",
                "a rights claim is decided: `done` withdraws the dataset, `rejected` gives it out again; suspend it until then",
            ));
        }
        Outcome::Done if dataset.state != State::Withdrawn => Some(Turn::Withdraw(Ground::RightsClaim)),
        Outcome::Rejected if is_suspended_for_claim(conn, &dataset)? && !other_claim(conn, row)? => Some(Turn::Restore),
        Outcome::Done | Outcome::Rejected => None,
    };
    match (turn, &said.public_reason) {
        (Some(turn), Some(reason)) => release::turn_dataset(conn, caller, &dataset.slug, turn, reason).map(|_dataset| ()),
        (Some(_), None) => Err(Error::invalid("/public_reason", "say what the list says of why: everybody reads it, so name nobody")),
        (None, Some(_)) => Err(Error::invalid(
            "/public_reason",
            "leave it out: the decision changes nothing of the dataset, which was not suspended for a claim, or stays so for another one",
        )),
        (None, None) => Ok(()),
    }
}

/// Whether another claim on the dataset of this one waits for a decision.
fn other_claim(conn: &mut Conn, row: &Row) -> Result<bool> {
    let others = rows::table.filter(rows::dataset_id.eq(&row.dataset_id)).filter(rows::id.ne(&row.id));
    let claims = others.filter(rows::kind.eq(FeedbackKind::RightsClaim.as_str()));
    Ok(claims.filter(rows::state.eq_any(FeedbackState::UNDER_WAY)).count().get_result::<i64>(conn)? > 0)
}

/// Whether the dataset is suspended because of a claim, and by nothing since.
fn is_suspended_for_claim(conn: &mut Conn, dataset: &Dataset) -> Result<bool> {
    let standing = catalog::standing(conn, dataset)?.filter(|_| dataset.state == State::Suspended);
    let Some(change) = standing else { return Ok(false) };
    let claims = rows::table.filter(rows::dataset_id.eq(&dataset.id)).filter(rows::suspended_seq.eq(change.entry_seq));
    Ok(claims.count().get_result::<i64>(conn)? > 0)
}

/// Whether the dataset is suspended because of this claim, and by nothing since.
pub(super) fn is_suspended_by(conn: &mut Conn, row: &Row) -> Result<bool> {
    if row.suspended_seq.is_none() {
        return Ok(false);
    }
    let dataset = dataset_of(conn, row)?;
    let standing = catalog::standing(conn, &dataset)?;
    Ok(dataset.state == State::Suspended && standing.is_some_and(|change| row.suspended_seq == Some(change.entry_seq)))
}

/// Suspends a dataset, gives it out again, withdraws or reopens it, as the list's own steps do. While a rights claim on it waits for a decision, it is
/// given out again by that decision alone.
///
/// # Errors
/// When the caller may not, the dataset is not in the state that the step starts from, or a claim waits.
pub fn turn_dataset(conn: &mut Conn, caller: &Caller, slug: &str, step: Turn, reason: &str) -> Result<Dataset> {
    lock_ledger(conn)?;
    release::require_may(conn, caller, slug, step)?;
    if step == Turn::Restore {
        let dataset = catalog::find_any(conn, slug)?;
        let claims = rows::table.filter(rows::dataset_id.eq(&dataset.id)).filter(rows::kind.eq(FeedbackKind::RightsClaim.as_str()));
        let waiting: Option<String> =
            claims.filter(rows::state.eq_any(FeedbackState::UNDER_WAY)).order(rows::id).select(rows::id).first(conn).optional()?;
        if let Some(id) = waiting {
            return Err(Error::Conflict(format!(
                "a rights claim on `{slug}` waits for its decision: POST /api/v1/admin/feedback/{id}/answer"
            )));
        }
    }
    release::turn_dataset(conn, caller, slug, step, reason)
}

/// Suspends the dataset that a rights claim is about, until the claim is decided.
///
/// # Errors
/// When the caller may not, it is no claim, it is decided, or the dataset is not given out anyway.
pub fn suspend(conn: &mut Conn, caller: &Caller, id: &str, public_reason: &str) -> Result<()> {
    let row = own(conn, caller, id, &ANSWERERS)?;
    if row.kind()? != FeedbackKind::RightsClaim {
        return Err(Error::Conflict("only a rights claim suspends its dataset".to_owned()));
    }
    require_under_way(&row)?;
    let dataset = dataset_of(conn, &row)?;
    let dataset = release::turn_dataset(conn, caller, &dataset.slug, Turn::Suspend(Ground::RightsClaim), public_reason)?;
    let seq = catalog::standing(conn, &dataset)?.map(|change| change.entry_seq);
    diesel::update(rows::table.find(id)).set(rows::suspended_seq.eq(seq)).execute(conn)?;
    let mut detail = detail(&row);
    detail["dataset"] = dataset.slug.into();
    ledger::append(conn, Kind::FeedbackSuspended, &caller.actor(), &row.subject(), &detail)?;
    Ok(())
}

/// Decides whether everybody sees what was written.
///
/// # Errors
/// When the caller may not, or there is nothing to show.
pub fn moderate(conn: &mut Conn, caller: &Caller, id: &str, show: bool, reason: Option<&str>) -> Result<()> {
    let row = own(conn, caller, id, &MODERATORS)?;
    let (kind, state) = (row.kind()?, row.state()?);
    if kind == FeedbackKind::RightsClaim {
        return Err(Error::Conflict("what a rights claim says is never shown".to_owned()));
    }
    if row.words.is_none() {
        return Err(Error::Conflict("nothing was written that could be shown".to_owned()));
    }
    if matches!(state, FeedbackState::Dismissed | FeedbackState::Withdrawn) {
        return Err(Error::Conflict(format!("it is {} already", state.as_str())));
    }
    if !show && reason.is_none() {
        return Err(Error::invalid("/reason", "say why it is not shown: who filed it reads that"));
    }
    let shown = if show { Shown::Shown } else { Shown::Hidden };
    if row.shown == shown.as_str() {
        return Err(Error::Conflict(format!("it is {} already", shown.as_str())));
    }
    diesel::update(rows::table.find(id)).set(rows::shown.eq(shown.as_str())).execute(conn)?;
    // There is nothing else to be decided of it.
    if kind == FeedbackKind::Reuse {
        let state = if show { FeedbackState::Done } else { FeedbackState::Rejected };
        diesel::update(rows::table.find(id)).set((rows::state.eq(state.as_str()), rows::closed_at.eq(now_naive()))).execute(conn)?;
    }
    let mut detail = detail(&row);
    detail["show"] = show.into();
    match reason {
        Some(reason) => ledger::append_with_reason(conn, Kind::FeedbackModerated, &caller.actor(), &row.subject(), detail, reason)?,
        None => ledger::append(conn, Kind::FeedbackModerated, &caller.actor(), &row.subject(), &detail)?,
    };
    Ok(())
}

/// Turns away what is none: advertising, abuse, what is about nothing here. It counts for nothing any more.
///
/// # Errors
/// When the caller may not, or it is decided, or a dataset is suspended for it.
pub fn dismiss(conn: &mut Conn, caller: &Caller, id: &str, reason: &str) -> Result<()> {
    let row = own(conn, caller, id, &MODERATORS)?;
    let (kind, state) = (row.kind()?, row.state()?);
    let stands = state == FeedbackState::Done && !kind.is_answered();
    if !stands {
        require_under_way(&row)?;
    }
    if is_suspended_by(conn, &row)? {
        return Err(Error::Conflict("a dataset was suspended for this claim: decide it by an answer".to_owned()));
    }
    let now = now_naive();
    let gone = (rows::state.eq(FeedbackState::Dismissed.as_str()), rows::due_at.eq(None::<NaiveDateTime>), rows::closed_at.eq(now));
    diesel::update(rows::table.find(id)).set(gone).execute(conn)?;
    votes::forget(conn, id)?;
    ledger::append_with_reason(conn, Kind::FeedbackDismissed, &caller.actor(), &row.subject(), detail(&row), reason)?;
    Ok(())
}

/// Says which publisher answers a request.
///
/// # Errors
/// When the caller may not, it is no request or decided, or there is no such publisher.
pub fn assign(conn: &mut Conn, caller: &Caller, id: &str, publisher: &str) -> Result<()> {
    let row = own(conn, caller, id, &MODERATORS)?;
    if row.kind()? != FeedbackKind::DataRequest {
        return Err(Error::Conflict("it is about a dataset, whose publisher answers it".to_owned()));
    }
    require_under_way(&row)?;
    let known: i64 = publishers::table.filter(publishers::slug.eq(publisher)).count().get_result(conn)?;
    if known == 0 {
        return Err(Error::invalid("/publisher", format!("there is no publisher `{publisher}`; GET /api/v1/publishers names them")));
    }
    diesel::update(rows::table.find(id)).set(rows::publisher.eq(publisher)).execute(conn)?;
    let mut detail = detail(&row);
    detail["publisher"] = publisher.into();
    ledger::append(conn, Kind::FeedbackAssigned, &caller.actor(), &row.subject(), &detail)?;
    Ok(())
}
