//! Steps of reviewers.

use chrono::NaiveDateTime;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::steps::Turn;
use super::{Application, Granted, Reach, State, Step, due, find};
use crate::access::agreements::{self, Agreement};
use crate::access::{Terms, grants, reports};
use crate::catalog::{self, Dataset, Mode, OpenType, Purpose, Versions, Wish, twice};
use crate::clock::now_naive;
use crate::db::Conn;
use crate::error::{Error, Fault, Result};
use crate::identity::{Caller, PersonIdentity, Role, firms};
use crate::ledger::{self, Kind};
use crate::limits::ReadQuota;

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
    /// `this` gives the version at the approval alone, where each new one is asked for.
    pub versions: Option<Versions>,
    /// Lower bounds of what may be read.
    pub quota: Option<ReadQuota>,
    /// Whether only tokens count that are bound to a key of the firm (DPoP); only `true` says something.
    pub sender_constrained: Option<bool>,
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
        if !turn.row.was_submitted {
            return Err(Error::not_found("application", id));
        }
        let dataset = catalog::find_any(conn, &turn.application.dataset)?;
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
    let Review { mut turn, .. } = Review::begin(conn, caller, id, Step::Ask)?;
    let left = turn.row.due_at.map(|due| terms.calendar.left(now_naive(), due));
    turn.row.days_left = left.and_then(|left| i32::try_from(left).ok());
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
    if turn.row.appeals > 0 && turn.row.refused_by.as_deref() == Some(reviewer.id.as_str()) {
        return Err(Error::Forbidden("who refused an application does not decide it anew after its appeal (four eyes)".to_owned()));
    }
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
    dataset.require_published()?;
    let mut granted = granted(&turn.application, new.conditions.as_ref())?;
    require_approvable(conn, &turn.application, &granted, &dataset)?;
    let policy = reports::policy_for(conn, &turn.application, &granted.fields, &dataset, terms)?;
    if let Some(fault) = policy.sandbox_fault().filter(|_| granted.modes.contains(&Mode::Sandbox)) {
        return Err(Error::invalid("/conditions/modes", fault));
    }
    grants::require_one_sandbox(conn, &turn.application, &granted, &dataset)?;
    let renewed = grants::renewed_by(conn, &turn.application, &policy)?;
    reports::require_seen(conn, &turn.application, &dataset, &policy, new.report_sha256.as_deref())?;
    detail["report_sha256"] = json!(new.report_sha256);
    if granted != turn.application.asked_for() {
        detail["with_conditions"] = json!(true);
    }
    granted.reach = reach_under(granted.reach, &dataset);
    if let Some(renewed) = &renewed {
        granted.reach.version = renewed.reach.version;
    }
    turn.row.granted_json = Some(serde_json::to_string(&granted)?);
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
///
/// # Errors
/// Names each condition that does not fit what is asked for, below `/conditions`.
pub(in crate::access) fn granted(application: &Application, conditions: Option<&Conditions>) -> Result<Granted> {
    let mut granted = application.asked_for();
    let Some(conditions) = conditions else { return Ok(granted) };
    let mut faults = Vec::new();
    let mut fault = |pointer: &str, detail: String| faults.push(Fault { pointer: format!("/conditions/{pointer}"), detail });
    if let Some(fields) = &conditions.fields {
        if fields.is_empty() || twice(fields) || fields.iter().any(|field| !granted.fields.contains(field)) {
            fault("fields", format!("name some of the fields that are asked for, each once: {}", granted.fields.join(", ")));
        }
        granted.fields.clone_from(fields);
    }
    if let Some(modes) = &conditions.modes {
        if modes.is_empty() || twice(modes) || modes.iter().any(|mode| !may_give(&granted.modes, *mode)) {
            fault("modes", "name some of the modes that are asked for, each once; sandbox may stand for api".to_owned());
        }
        granted.modes.clone_from(modes);
    }
    if let Some(purposes) = &conditions.purposes {
        if purposes.is_empty() || twice(purposes) || purposes.iter().any(|purpose| !granted.purposes.contains(purpose)) {
            fault("purposes", "name some of the purposes that are asked for, each once".to_owned());
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
    if conditions.versions == Some(Versions::This) {
        granted.reach.versions = Versions::This;
    }
    let quota = conditions.quota.unwrap_or_default();
    for (key, most, ..) in quota.bounds() {
        if most == 0 || granted.reach.quota.bounds().any(|(other, asked, ..)| other == key && most > asked) {
            fault(&format!("quota/{key}"), "give at least 1, and no more than is asked for".to_owned());
        }
    }
    granted.reach.quota = granted.reach.quota.lower(quota);
    granted.reach.sender_constrained |= conditions.sender_constrained.unwrap_or_default();
    granted.conditions = conditions.text.as_ref().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    if faults.is_empty() { Ok(granted) } else { Err(Error::Invalid(faults)) }
}

/// How far a grant reaches under the offer as it stands now.
fn reach_under(asked: Reach, dataset: &Dataset) -> Reach {
    let offer = dataset.entry.offer();
    Reach {
        version: if asked.versions == Versions::This { dataset.version } else { None },
        quota: asked.quota.lower(offer.quota),
        sender_constrained: asked.sender_constrained || offer.sender_constrained,
        duties: offer.duties,
        ..asked
    }
}

/// Whether a mode is asked for, or gives less than one that is.
fn may_give(asked: &[Mode], mode: Mode) -> bool {
    asked.contains(&mode) || mode == Mode::Sandbox && asked.contains(&Mode::Api)
}

/// What was true when the application came has to be true when it is approved, and what is granted has to meet the offer.
///
/// # Errors
/// Says what is not so any more, or where the offer is not met.
pub(in crate::access) fn require_approvable(
    conn: &mut Conn,
    application: &Application,
    granted: &Granted,
    dataset: &Dataset,
) -> Result<()> {
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
        versions: granted.reach.versions,
        quota: granted.reach.quota,
        ..Wish::default()
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
