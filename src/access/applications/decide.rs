//! Steps of reviewers.

use chrono::NaiveDateTime;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::steps::Turn;
use super::{Application, Granted, State, Step, due, find};
use crate::access::agreements::{self, Agreement};
use crate::access::{Terms, reports};
use crate::catalog::{self, Dataset, Mode, OpenType, Purpose, Wish};
use crate::clock::now_naive;
use crate::db::Conn;
use crate::error::{Error, Fault, Result};
use crate::identity::{Caller, PersonIdentity, Role, firms};
use crate::ledger::{self, Kind};

/// What a reviewer grants of what was asked for; what is not said is granted as asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Conditions {
    /// Some of the fields.
    pub fields: Option<Vec<String>>,
    /// Some of the modes.
    pub modes: Option<Vec<Mode>>,
    /// A shorter term.
    pub term_days: Option<i32>,
    /// Some of the purposes.
    pub purposes: Option<Vec<Purpose>>,
    /// Whether models that learned from the data may be passed on; only `false` says something.
    pub shares_models: Option<bool>,
    /// What the firm has to heed besides; it becomes a part of the agreement.
    pub text: Option<String>,
}

/// What a reviewer decides.
pub struct NewDecision {
    /// Whether the firm gets what it asks for.
    pub approve: bool,
    /// Why.
    pub reason: String,
    /// The report that an approval is based on.
    pub report_sha256: Option<String>,
    /// Under which conditions.
    pub conditions: Option<Conditions>,
}

/// A reviewer with an application and its dataset.
struct Review<'a> {
    reviewer: &'a PersonIdentity,
    turn: Turn,
    dataset: Dataset,
}

impl<'a> Review<'a> {
    fn begin(conn: &mut Conn, caller: &'a Caller, id: &str, step: Step) -> Result<Self> {
        let reviewer = caller.with_role(&[Role::Reviewer])?;
        let turn = Turn::take(conn, id)?;
        if turn.state == State::Draft {
            return Err(Error::not_found("application", id));
        }
        let dataset = catalog::find(conn, &turn.application.dataset)?;
        check_four_eyes(reviewer, &dataset)?;
        turn.application.require(step)?;
        Ok(Review { reviewer, turn, dataset })
    }
}

/// Finds an application complete: the clock of the decision begins.
///
/// # Errors
/// When the caller is no reviewer or is the dataset's steward, or it does not wait for that.
pub fn accept(conn: &mut Conn, caller: &Caller, id: &str, terms: &Terms) -> Result<Application> {
    let Review { mut turn, .. } = Review::begin(conn, caller, id, Step::Accept)?;
    turn.row.accepted_at = Some(now_naive());
    turn.go(conn, State::Accepted, Some(due(terms, terms.days.decide)))?;
    ledger::append(conn, Kind::ApplicationAccepted, &caller.actor(), &format!("application:{id}"), &json!({}))?;
    find(conn, id)
}

/// Asks the firm for more: the publisher's clock stops, and the firm's begins.
///
/// # Errors
/// When the caller is no reviewer or is the dataset's steward, or it is not the publisher's turn.
pub fn ask(conn: &mut Conn, caller: &Caller, id: &str, question: &str, terms: &Terms) -> Result<Application> {
    let Review { turn, .. } = Review::begin(conn, caller, id, Step::Ask)?;
    turn.go(conn, State::Asked, Some(due(terms, terms.days.answer)))?;
    ledger::append_with_reason(conn, Kind::ApplicationAsked, &caller.actor(), &format!("application:{id}"), json!({}), question)?;
    find(conn, id)
}

/// Decides an application: an approval draws up the agreement.
///
/// # Errors
/// When the caller is no reviewer or is the dataset's steward (four eyes), it is decided already, an approval names no report of what it
/// would do, or what is granted does not meet the dataset's offer.
pub fn decide(conn: &mut Conn, caller: &Caller, id: &str, new: &NewDecision, terms: &Terms) -> Result<(Application, Option<Agreement>)> {
    let Review { reviewer, mut turn, dataset } = Review::begin(conn, caller, id, Step::Decide)?;
    turn.row.decided_by = Some(reviewer.id.clone());
    turn.row.decided_at = Some(now_naive());
    turn.row.reason = Some(new.reason.clone());
    let subject = format!("application:{id}");
    let mut detail = json!({ "firm": turn.row.firm_id, "dataset": dataset.slug });
    if !new.approve {
        turn.row.refused_by = Some(reviewer.id.clone());
        // A refusal after an appeal stands.
        let appealable = (turn.row.appeals == 0).then(|| due(terms, terms.days.appeal));
        turn.go(conn, State::Refused, appealable)?;
        ledger::append_with_reason(conn, Kind::ApplicationRefused, &caller.actor(), &subject, detail, &new.reason)?;
        return Ok((find(conn, id)?, None));
    }
    let granted = granted(&turn.application, new.conditions.as_ref())?;
    require_approvable(conn, &turn.application, &granted, &dataset)?;
    let policy = reports::policy_for(&granted.fields, &dataset, terms)?;
    reports::require_seen(conn, &turn.application, &dataset, &policy, new.report_sha256.as_deref())?;
    detail["report_sha256"] = json!(new.report_sha256);
    if granted != turn.application.asked_for() {
        turn.row.granted_json = Some(serde_json::to_string(&granted)?);
        detail["with_conditions"] = json!(true);
    }
    turn.go(conn, State::Approved, Some(due(terms, terms.days.sign)))?;
    ledger::append_with_reason(conn, Kind::ApplicationApproved, &caller.actor(), &subject, detail, &new.reason)?;
    let application = find(conn, id)?;
    let agreement = agreements::draw(conn, &application, &dataset, &policy)?;
    Ok((find(conn, id)?, Some(agreement)))
}

/// Decides an appeal: the refusal stands, or the application is decided anew.
///
/// # Errors
/// When the caller is no reviewer, is the dataset's steward, or is who refused it (four eyes).
pub fn decide_appeal(conn: &mut Conn, caller: &Caller, id: &str, uphold: bool, reason: &str, terms: &Terms) -> Result<Application> {
    let Review { reviewer, mut turn, .. } = Review::begin(conn, caller, id, Step::DecideAppeal)?;
    if turn.row.refused_by.as_deref() == Some(reviewer.id.as_str()) {
        return Err(Error::Forbidden("who refused an application does not decide the appeal against that (four eyes)".to_owned()));
    }
    let (to, kind, due_at): (State, Kind, Option<NaiveDateTime>) = match uphold {
        true => (State::Refused, Kind::AppealDismissed, None),
        false => (State::Accepted, Kind::AppealGranted, Some(due(terms, terms.days.decide))),
    };
    if !uphold {
        turn.row.accepted_at.get_or_insert(now_naive());
        turn.row.decided_at = None;
        turn.row.decided_by = None;
        turn.row.reason = None;
    }
    turn.go(conn, to, due_at)?;
    ledger::append_with_reason(conn, kind, &caller.actor(), &format!("application:{id}"), json!({}), reason)?;
    find(conn, id)
}

/// What an approval gives: never more than was asked for.
pub(in crate::access) fn granted(application: &Application, conditions: Option<&Conditions>) -> Result<Granted> {
    let mut granted = application.asked_for();
    let Some(conditions) = conditions else { return Ok(granted) };
    let mut faults = Vec::new();
    let mut fault = |pointer: &str, detail: String| faults.push(Fault { pointer: format!("/conditions/{pointer}"), detail });
    if let Some(fields) = &conditions.fields {
        if fields.is_empty() || fields.iter().any(|field| !granted.fields.contains(field)) {
            fault("fields", format!("name some of the fields that are asked for: {}", granted.fields.join(", ")));
        }
        granted.fields.clone_from(fields);
    }
    if let Some(modes) = &conditions.modes {
        if modes.is_empty() || modes.iter().any(|mode| !granted.modes.contains(mode)) {
            fault("modes", "name some of the modes that are asked for".to_owned());
        }
        granted.modes.clone_from(modes);
    }
    if let Some(purposes) = &conditions.purposes {
        if purposes.is_empty() || purposes.iter().any(|purpose| !granted.purposes.contains(purpose)) {
            fault("purposes", "name some of the purposes that are asked for".to_owned());
        }
        granted.purposes.clone_from(purposes);
    }
    if let Some(days) = conditions.term_days {
        if !(1..=granted.term_days).contains(&days) {
            fault("term_days", format!("give 1 to {} days, as many as are asked for", granted.term_days));
        }
        granted.term_days = days;
    }
    granted.shares_models &= conditions.shares_models.unwrap_or(true);
    granted.conditions = conditions.text.as_ref().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    if faults.is_empty() { Ok(granted) } else { Err(Error::Invalid(faults)) }
}

/// What was true when the application came has to be true when it is approved, and what is granted has to meet the offer.
fn require_approvable(conn: &mut Conn, application: &Application, granted: &Granted, dataset: &Dataset) -> Result<()> {
    let firm = firms::find(conn, &application.firm_id)?;
    if firm.status != firms::APPROVED {
        return Err(Error::Conflict(format!("the firm is {}; refuse the application", firm.status)));
    }
    if dataset.entry.open_type != OpenType::Conditional {
        return Err(Error::Conflict(format!("the dataset is {} now; refuse the application", dataset.entry.open_type.as_str())));
    }
    let wish = Wish {
        purposes: granted.purposes.clone(),
        shares_models: granted.shares_models,
        safeguards_met: application.wish.safeguards_met.clone(),
    };
    let conflicts = dataset.entry.offer().conflicts(&dataset.entry, &wish, &granted.modes, granted.term_days);
    if let Some(conflict) = conflicts.first() {
        return Err(Error::Conflict(format!(
            "what would be granted does not meet the dataset's offer at {}: {}; approve less by conditions, ask for more, or refuse",
            conflict.pointer, conflict.detail.en
        )));
    }
    Ok(())
}

fn check_four_eyes(reviewer: &PersonIdentity, dataset: &Dataset) -> Result<()> {
    let own = reviewer.roles.contains(&Role::Steward) && reviewer.publisher.as_deref() == Some(dataset.entry.publisher.as_str());
    if own {
        return Err(Error::Forbidden("the steward of a dataset does not decide its applications (four eyes)".to_owned()));
    }
    Ok(())
}
