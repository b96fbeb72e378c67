//! Steps of the firm up to the submission, and those of time.

use chrono::NaiveDateTime;
use diesel::prelude::*;
use serde_json::{Value, json};

use super::attachments::{self, digests};
use super::{Application, ApplicationRow, State, Step, due, find, row_of};
use crate::access::Terms;
use crate::access::agreements::Agreement;
use crate::catalog::{self, Dataset, Mode, OpenType, Policy, Wish, twice};
use crate::clock::now_naive;
use crate::crypto::sha256_hex;
use crate::db::schema::{applications, datasets};
use crate::db::{Conn, lock_ledger};
use crate::error::{Error, Fault, Result};
use crate::identity::{Caller, firms};
use crate::ledger::{self, Kind};

/// How often an application may be changed.
const MOST_CHANGES: i64 = 200;

/// What a firm asks for.
pub struct NewApplication {
    /// The dataset, by slug.
    pub dataset: String,
    /// What the data is for, in its words.
    pub purpose: String,
    /// What it asks for, as far as an offer speaks of it.
    pub wish: Wish,
    /// The fields.
    pub fields: Vec<String>,
    /// In which ways the data is to be handed over.
    pub modes: Vec<Mode>,
    /// For how many days.
    pub term_days: i32,
    /// How the firm keeps the data safe, in its words.
    pub safeguards: String,
    /// The grant whose term it is to lengthen.
    pub renews: Option<String>,
}

/// An application whose turn it is for the caller's firm.
pub struct Turn {
    pub(super) application: Application,
    pub(super) row: ApplicationRow,
    pub(super) state: State,
}

impl Turn {
    /// The firm's own application, if the step is possible. Whoever decides at the same time waits.
    pub(super) fn of_firm(conn: &mut Conn, caller: &Caller, id: &str, step: Step) -> Result<Self> {
        let firm = caller.firm()?.to_owned();
        let turn = Self::take(conn, id)?;
        if turn.row.firm_id != firm {
            return Err(Error::not_found("application", id));
        }
        // A suspended firm may still keep its rights: its clock runs on.
        if !matches!(step, Step::Answer | Step::Appeal | Step::Withdraw) {
            firms::require_approved(conn, &firm)?;
        }
        turn.application.require(step)?;
        if matches!(step, Step::Submit | Step::Answer) && turn.row.due_at.is_some_and(|due| due <= now_naive()) {
            return Err(Error::Conflict("the time for that is over; apply again".to_owned()));
        }
        Ok(turn)
    }

    /// The application, held until the end of the transaction.
    pub(super) fn take(conn: &mut Conn, id: &str) -> Result<Self> {
        lock_ledger(conn)?;
        let (row, slug) = row_of(conn, id)?;
        let state = State::parse(&row.status)?;
        let (again, _) = row_of(conn, id)?;
        Ok(Turn { application: super::view(conn, again, slug)?, row, state })
    }

    /// Writes it down in its new state, and with it what the change is of.
    ///
    /// # Errors
    /// When somebody else was faster.
    pub(super) fn go(mut self, conn: &mut Conn, to: State, due_at: Option<NaiveDateTime>) -> Result<()> {
        self.row.status = to.as_str().to_owned();
        self.row.due_at = due_at;
        self.row.overdue_told = false;
        let from = applications::table.find(self.row.id.clone()).filter(applications::status.eq(self.state.as_str()));
        if diesel::update(from).set(&self.row).execute(conn)? == 0 {
            return Err(Error::Conflict("somebody else was faster; look at the application again".to_owned()));
        }
        Ok(())
    }
}

/// Begins an application, and submits it unless it is to stay a draft.
///
/// # Errors
/// When the firm is not approved, the dataset is not conditional, or what is asked for does not fit; every fault is named.
pub fn create(conn: &mut Conn, caller: &Caller, new: NewApplication, draft: bool, terms: &Terms) -> Result<Application> {
    let firm = firms::require_approved(conn, caller.firm()?)?;
    let dataset = dataset_of(conn, &new)?;
    check(conn, &dataset, &new, draft)?;
    let row = ApplicationRow {
        id: uuid::Uuid::now_v7().to_string(),
        firm_id: firm.id,
        dataset_id: dataset.id,
        purpose: new.purpose,
        fields_json: serde_json::to_string(&new.fields)?,
        modes_json: serde_json::to_string(&new.modes)?,
        term_days: new.term_days,
        safeguards: new.safeguards,
        status: State::Draft.as_str().to_owned(),
        submitted_by: caller.actor(),
        submitted_at: now_naive(),
        decided_by: None,
        decided_at: None,
        reason: None,
        wish_json: serde_json::to_string(&new.wish)?,
        granted_json: None,
        accepted_at: None,
        due_at: Some(due(terms, terms.days.draft)),
        overdue_told: false,
        appeals: 0,
        refused_by: None,
        renews_id: new.renews,
        was_submitted: false,
        days_left: None,
    };
    diesel::insert_into(applications::table).values(&row).execute(conn)?;
    let detail = json!({ "firm": row.firm_id, "dataset": new.dataset });
    ledger::append(conn, Kind::ApplicationBegun, &row.submitted_by, &format!("application:{}", row.id), &detail)?;
    if draft { find(conn, &row.id) } else { submit(conn, caller, &row.id, terms) }
}

/// Changes a draft, or one that more was asked of.
///
/// # Errors
/// When it is another firm's, cannot be changed any more, or does not fit.
pub fn change(conn: &mut Conn, caller: &Caller, id: &str, new: NewApplication) -> Result<Application> {
    let mut turn = Turn::of_firm(conn, caller, id, Step::Change)?;
    if new.dataset != turn.application.dataset {
        return Err(Error::invalid("/dataset", "an application stays with its dataset; begin another one"));
    }
    let dataset = dataset_of(conn, &new)?;
    check(conn, &dataset, &new, turn.state == State::Draft)?;
    if turn.row.renews_id.is_some() {
        check_same_reach(&turn.application, &new)?;
    }
    turn.row.purpose = new.purpose;
    turn.row.fields_json = serde_json::to_string(&new.fields)?;
    turn.row.modes_json = serde_json::to_string(&new.modes)?;
    turn.row.term_days = new.term_days;
    turn.row.safeguards = new.safeguards;
    turn.row.wish_json = serde_json::to_string(&new.wish)?;
    let (state, due_at) = (turn.state, turn.row.due_at);
    let detail = contents(&turn.row, &new.dataset)?;
    require_few_changes(conn, id)?;
    turn.go(conn, state, due_at)?;
    ledger::append(conn, Kind::ApplicationChanged, &caller.actor(), &format!("application:{id}"), &detail)?;
    find(conn, id)
}

/// Submits a draft: the publisher's clock begins.
///
/// # Errors
/// When it is another firm's, submitted already, or does not fit what the dataset is now.
pub fn submit(conn: &mut Conn, caller: &Caller, id: &str, terms: &Terms) -> Result<Application> {
    let mut turn = Turn::of_firm(conn, caller, id, Step::Submit)?;
    let new = request_of(&turn.application);
    let dataset = dataset_of(conn, &new)?;
    check(conn, &dataset, &new, false)?;
    turn.row.submitted_by = caller.actor();
    turn.row.submitted_at = now_naive();
    turn.row.was_submitted = true;
    let mut detail = contents(&turn.row, &new.dataset)?;
    detail["attachments"] = json!(digests(&turn.application));
    turn.go(conn, State::Submitted, Some(due(terms, terms.days.accept)))?;
    // The register shows the purpose to everybody: as words of people it can be taken out.
    ledger::append_with_reason(conn, Kind::ApplicationSubmitted, &caller.actor(), &format!("application:{id}"), detail, &new.purpose)?;
    find(conn, id)
}

/// Looks through what time has done: applications whose firm let its time go by expire, and those whose publisher did are written down as
/// overdue, once for each turn. Answers how many of both.
///
/// # Errors
/// When the database does not answer.
pub fn tidy(conn: &mut Conn) -> Result<(usize, usize)> {
    let of = |wanted: fn(State) -> bool| -> Vec<&'static str> {
        State::ALL.into_iter().filter(|state| wanted(*state)).map(State::as_str).collect()
    };
    let firms = applications::status.eq_any(of(|state| state.may(Step::Expire)));
    let publishers = applications::status.eq_any(of(State::is_publishers_turn)).and(applications::overdue_told.eq(false));
    let late = applications::table.filter(applications::due_at.le(now_naive())).filter(firms.or(publishers));
    let late: Vec<String> = late.select(applications::id).load(conn)?;
    let (mut expired, mut overdue) = (0, 0);
    for id in late {
        // What was found is looked at again, now that nobody else acts.
        let turn = Turn::take(conn, &id)?;
        if turn.row.due_at.is_none_or(|due| due > now_naive()) {
            continue;
        }
        let (state, told) = (turn.state, turn.row.overdue_told);
        let subject = format!("application:{id}");
        if state.may(Step::Expire) {
            // What nobody can sign while the dataset is suspended is not late.
            if state == State::Approved && is_suspended(conn, &turn.row.dataset_id)? {
                continue;
            }
            expire(conn, turn)?;
            expired += 1;
        } else if state.is_publishers_turn() && !told {
            diesel::update(applications::table.find(&id)).set(applications::overdue_told.eq(true)).execute(conn)?;
            ledger::append(conn, Kind::ApplicationOverdue, "service", &subject, &json!({ "state": state.as_str() }))?;
            overdue += 1;
        }
    }
    Ok((expired, overdue))
}

fn is_suspended(conn: &mut Conn, dataset_id: &str) -> Result<bool> {
    let state: String = datasets::table.find(dataset_id).select(datasets::state).first(conn)?;
    Ok(state == catalog::State::Suspended.as_str())
}

fn expire(conn: &mut Conn, turn: Turn) -> Result<()> {
    let (subject, detail) = (format!("application:{}", turn.row.id), json!({ "was": turn.state.as_str() }));
    turn.go(conn, State::Expired, None)?;
    ledger::append(conn, Kind::ApplicationExpired, "service", &subject, &detail)?;
    Ok(())
}

/// Ends the applications for a dataset that wait for their firms, as if their time were over: the dataset was withdrawn. Those that wait for the
/// publisher are refused by a reviewer, who says why.
///
/// # Errors
/// When the database does not take it.
pub fn expire_for(conn: &mut Conn, dataset: &Dataset) -> Result<()> {
    let waiting: Vec<&str> = State::ALL.into_iter().filter(|state| state.may(Step::Expire)).map(State::as_str).collect();
    let of_it = applications::table.filter(applications::dataset_id.eq(&dataset.id)).filter(applications::status.eq_any(waiting));
    let ids: Vec<String> = of_it.select(applications::id).load(conn)?;
    for id in ids {
        let turn = Turn::take(conn, &id)?;
        expire(conn, turn)?;
    }
    Ok(())
}

/// The agreement of an application was signed.
///
/// # Errors
/// When it waits for no signature: it was withdrawn, or its time is over.
pub(in crate::access) fn mark_signed(conn: &mut Conn, agreement: &Agreement) -> Result<()> {
    require_signable(conn, agreement)?;
    Turn::take(conn, &agreement.application_id)?.go(conn, State::Signed, None)
}

/// Whether the agreement of an application can be signed.
///
/// # Errors
/// When it was withdrawn, or its time is over.
pub(in crate::access) fn require_signable(conn: &mut Conn, agreement: &Agreement) -> Result<()> {
    let turn = Turn::take(conn, &agreement.application_id)?;
    turn.application.require(Step::Sign)?;
    if turn.row.due_at.is_some_and(|due| due <= now_naive()) {
        return Err(Error::Conflict("the time to sign is over; apply again".to_owned()));
    }
    Ok(())
}

/// A history that nobody can read helps nobody.
fn require_few_changes(conn: &mut Conn, id: &str) -> Result<()> {
    let changes = ledger::count_of(conn, Kind::ApplicationChanged, &format!("application:{id}"))?;
    if changes >= MOST_CHANGES {
        return Err(Error::Conflict(format!("it was changed {MOST_CHANGES} times, which is the most; submit it, or begin another one")));
    }
    Ok(())
}

/// SHA-256 over all that an application says: what a reviewer has read, and decides.
///
/// # Errors
/// When there is no such application.
pub(in crate::access) fn contents_sha256(conn: &mut Conn, id: &str) -> Result<String> {
    let (row, slug) = row_of(conn, id)?;
    let attached = attachments::of_applications(conn, &[id])?.remove(id).unwrap_or_default();
    let attached: Vec<&str> = attached.iter().map(|one| one.sha256.as_str()).collect();
    let said = json!([contents(&row, &slug)?, row.purpose, row.safeguards, row.renews_id, attached]);
    Ok(sha256_hex(said.to_string().as_bytes()))
}

fn contents(row: &ApplicationRow, dataset: &str) -> Result<Value> {
    let json = |text: &str| serde_json::from_str::<Value>(text);
    Ok(json!({
        "firm": row.firm_id, "dataset": dataset, "fields": json(&row.fields_json)?, "modes": json(&row.modes_json)?,
        "term_days": row.term_days, "wish": json(&row.wish_json)?,
    }))
}

fn request_of(application: &Application) -> NewApplication {
    NewApplication {
        dataset: application.dataset.clone(),
        purpose: application.purpose.clone(),
        wish: application.wish.clone(),
        fields: application.fields.clone(),
        modes: application.modes.clone(),
        term_days: application.term_days,
        safeguards: application.safeguards.clone(),
        renews: application.renews_id.clone(),
    }
}

/// A renewal is for what the grant gives: its words and its term may change, and nothing else.
fn check_same_reach(application: &Application, new: &NewApplication) -> Result<()> {
    let (old, wish) = (&application.wish, &new.wish);
    let differ = [
        ("/fields", application.fields != new.fields),
        ("/modes", application.modes != new.modes),
        ("/purposes", old.purposes != wish.purposes),
        ("/shares_models", old.shares_models != wish.shares_models),
        ("/versions", old.versions != wish.versions),
        ("/quota", old.quota != wish.quota),
        ("/where", old.condition != wish.condition),
        ("/sender_constrained", old.sender_constrained != wish.sender_constrained),
    ];
    let fault = |(pointer, differs): (&str, bool)| {
        let detail = "a renewal keeps this as the grant has it; apply for another grant to change it".to_owned();
        differs.then(|| Fault { pointer: pointer.to_owned(), detail })
    };
    let faults: Vec<Fault> = differ.into_iter().filter_map(fault).collect();
    if faults.is_empty() { Ok(()) } else { Err(Error::Invalid(faults)) }
}

fn dataset_of(conn: &mut Conn, new: &NewApplication) -> Result<Dataset> {
    let dataset = catalog::find(conn, &new.dataset)?;
    dataset.require_published()?;
    if dataset.entry.open_type != OpenType::Conditional {
        let kind = dataset.entry.open_type.as_str();
        return Err(Error::invalid("/dataset", format!("only a conditional dataset is applied for; `{}` is {kind}", new.dataset)));
    }
    Ok(dataset)
}

/// Checks what is asked for; a draft may still lack something, and has nothing wrong.
fn check(conn: &mut Conn, dataset: &Dataset, new: &NewApplication, draft: bool) -> Result<()> {
    let mut faults = Vec::new();
    let mut fault = |pointer: &str, detail: String| faults.push(Fault { pointer: pointer.to_owned(), detail });
    for (pointer, text) in [("/purpose", &new.purpose), ("/safeguards", &new.safeguards)] {
        let length = text.trim().chars().count();
        let least = if draft { 0 } else { 10 };
        if !(least..=4000).contains(&length) {
            fault(pointer, format!("say it in 10 to 4000 characters; this has {length}"));
        }
    }
    if new.wish.purposes.is_empty() && !draft {
        let known: Vec<&str> = catalog::Purpose::ALL.iter().map(|purpose| purpose.as_str()).collect();
        fault("/purposes", format!("name at least one of: {}", known.join(", ")));
    }
    if twice(&new.wish.purposes) {
        fault("/purposes", "a purpose stands twice".to_owned());
    }
    if twice(&new.wish.safeguards_met) {
        fault("/safeguards_met", "a safeguard stands twice".to_owned());
    }
    let max = dataset.entry.max_term_days();
    if new.term_days < 1 || i64::from(new.term_days) > i64::from(max) {
        fault("/term_days", format!("give 1 to {max} days"));
    }
    if (new.modes.is_empty() && !draft) || twice(&new.modes) {
        fault("/modes", "give one or more of download, api and sandbox, each once".to_owned());
    }
    for (key, most, ..) in new.wish.quota.bounds() {
        if most == 0 {
            fault(&format!("/quota/{key}"), "give at least 1, or leave it out where nothing is bounded".to_owned());
        }
    }
    if !(draft && new.fields.is_empty()) {
        let known = catalog::columns_of(conn, dataset)?;
        let policy = Policy::for_fields(&dataset.entry, &new.fields, 0.0);
        match policy.and_then(|policy| policy.narrowed(new.wish.condition.as_deref(), &known)) {
            Err(Error::Invalid(more)) => faults.extend(more),
            Err(other) => return Err(other),
            Ok(policy) => {
                if let Some(detail) = policy.sandbox_fault().filter(|_| new.modes.contains(&Mode::Sandbox)) {
                    fault(if new.wish.condition.is_some() { "/where" } else { "/fields" }, detail);
                }
            }
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(Error::Invalid(faults)) }
}
