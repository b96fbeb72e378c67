//! What waits for whom: the lists of a firm's desk and of the publisher's console. However long they are, they ask the database a few times.

use std::collections::HashMap;

use chrono::NaiveDateTime;
use diesel::dsl::{count_star, max};
use diesel::prelude::*;
use serde::Deserialize;

use super::applications::{self, Application, Reach, State, side_of};
use super::duties;
use crate::catalog::{self, Duty, Text};
use crate::clock::now_naive;
use crate::db::Conn;
use crate::db::schema::{applications as rows, datasets, firms, grants, use_reports};
use crate::error::{Error, Result};
use crate::identity::{Caller, Role};
use crate::ledger;
use crate::settings::DutySettings;

/// Applications on one page of a list.
pub const PAGE: i64 = 50;

/// Which applications are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// Those that the publisher has to act on, those that are due longest first.
    Waiting,
    /// Those of which the publisher has let the time go by.
    Overdue,
    /// Those in one state.
    In(State),
    /// All of them, the newest first.
    All,
}

/// One application in a list.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The application.
    pub id: String,
    /// The firm's name.
    pub firm: String,
    /// The dataset, by slug.
    pub dataset: String,
    /// The dataset's title.
    pub title: Text,
    /// Where it stands.
    pub status: State,
    /// When it was submitted; of a draft, when it was begun.
    pub submitted_at: NaiveDateTime,
    /// Until when the one whose turn it is has time.
    pub due_at: Option<NaiveDateTime>,
    /// Whether the publisher has let that time go by.
    pub overdue: bool,
}

/// A page of a list.
#[derive(Debug)]
pub struct Listing {
    /// The applications.
    pub items: Vec<Listed>,
    /// How many the view has in all.
    pub total: i64,
    /// How many there are in each state, where there are any.
    pub counts: Vec<(State, i64)>,
    /// How many of them the publisher has let the time go by of.
    pub overdue: i64,
}

/// Something that happened to an application, its agreement or its grant.
#[derive(Debug, Clone)]
pub struct Happened {
    /// What, as the ledger has it.
    pub kind: String,
    /// When.
    pub moment: String,
    /// Who: `firm`, `publisher` or `service`.
    pub by: &'static str,
    /// What was said, unless it was taken out.
    pub words: Option<String>,
    /// The entry of the ledger.
    pub seq: i64,
}

/// Whose applications the caller sees in lists.
enum Scope {
    Firm(String),
    /// Those for these datasets, by id.
    Datasets(Vec<String>),
    All,
}

impl Scope {
    fn of(conn: &mut Conn, caller: &Caller) -> Result<Self> {
        let Ok(person) = caller.person() else { return caller.firm().map(|firm| Scope::Firm(firm.to_owned())) };
        if let Some(firm) = &person.firm_id {
            return Ok(Scope::Firm(firm.clone()));
        }
        let person = caller.with_role(&[Role::Steward, Role::Reviewer, Role::Operator, Role::Auditor])?;
        match &person.publisher {
            Some(publisher) if is_steward_alone(caller) => {
                let own = rows::table.inner_join(datasets::table).filter(datasets::publisher.eq(publisher));
                Ok(Scope::Datasets(own.select(rows::dataset_id).distinct().load(conn)?))
            }
            Some(_) | None => Ok(Scope::All),
        }
    }
}

fn is_steward_alone(caller: &Caller) -> bool {
    caller.with_role(&[Role::Reviewer, Role::Operator, Role::Auditor]).is_err()
}

/// What a list needs of a dataset's entry.
#[derive(Deserialize)]
struct Titled {
    title: Text,
}

type Row = (String, String, String, String, String, NaiveDateTime, Option<NaiveDateTime>);

fn view((id, firm, dataset, entry_json, status, submitted_at, due_at): Row, now: NaiveDateTime) -> Result<Listed> {
    let (status, Titled { title }) = (State::parse(&status)?, serde_json::from_str(&entry_json)?);
    let overdue = status.is_publishers_turn() && due_at.is_some_and(|due| due <= now);
    Ok(Listed { id, firm, dataset, title, status, submitted_at, due_at, overdue })
}

fn publishers_turns() -> Vec<&'static str> {
    State::ALL.into_iter().filter(|state| state.is_publishers_turn()).map(State::as_str).collect()
}

/// The conditions of a scope, on any query over applications.
macro_rules! scoped {
    ($query:expr, $scope:expr) => {
        match $scope {
            Scope::Firm(firm) => $query.filter(rows::firm_id.eq(firm.clone())),
            Scope::Datasets(ids) => $query.filter(rows::dataset_id.eq_any(ids.clone())).filter(rows::status.ne(State::Draft.as_str())),
            Scope::All => $query.filter(rows::status.ne(State::Draft.as_str())),
        }
    };
}

/// The applications that the caller may see in a list; `page` counts from 0. A firm sees its own, a steward those for the publisher's datasets,
/// who decides or audits all but drafts.
///
/// # Errors
/// When the caller may see none.
pub fn list(conn: &mut Conn, caller: &Caller, view_of: View, page: i64) -> Result<Listing> {
    let (scope, now) = (Scope::of(conn, caller)?, now_naive());
    let matching = |of: View| {
        let query = rows::table.inner_join(datasets::table).inner_join(firms::table).into_boxed::<<Conn as Connection>::Backend>();
        let query = scoped!(query, &scope);
        match of {
            View::All => query,
            View::In(state) => query.filter(rows::status.eq(state.as_str())),
            View::Waiting => query.filter(rows::status.eq_any(publishers_turns())),
            View::Overdue => query.filter(rows::status.eq_any(publishers_turns())).filter(rows::due_at.le(now)),
        }
    };
    let total = matching(view_of).count().get_result(conn)?;
    let overdue = matching(View::Overdue).count().get_result(conn)?;
    let columns = (rows::id, firms::name, datasets::slug, datasets::entry_json, rows::status, rows::submitted_at, rows::due_at);
    let ordered = match view_of {
        View::All => matching(view_of).order(rows::id.desc()),
        // What is due longest comes first; where nothing is due, the order is that of the beginning.
        View::Waiting | View::Overdue | View::In(_) => matching(view_of).order((rows::due_at.is_null(), rows::due_at, rows::id)),
    };
    let found: Vec<Row> = ordered.limit(PAGE).offset(page.max(0) * PAGE).select(columns).load(conn)?;
    let counted = rows::table.group_by(rows::status).select((rows::status, count_star())).into_boxed::<<Conn as Connection>::Backend>();
    let counted: Vec<(String, i64)> = scoped!(counted, &scope).load(conn)?;
    let counted: HashMap<&str, i64> = counted.iter().map(|(state, count)| (state.as_str(), *count)).collect();
    let counts = State::ALL.into_iter().filter_map(|state| Some((state, *counted.get(state.as_str())?))).collect();
    Ok(Listing { items: found.into_iter().map(|row| view(row, now)).collect::<Result<_>>()?, total, counts, overdue })
}

/// The application, when the caller may look at it in the console: as by the API, and besides the steward of its dataset.
///
/// # Errors
/// When there is none, or it is not the caller's to see.
pub fn find(conn: &mut Conn, caller: &Caller, id: &str) -> Result<Application> {
    let person = caller.with_role(&[Role::Steward, Role::Reviewer, Role::Operator, Role::Auditor])?;
    if !is_steward_alone(caller) {
        return applications::find_for(conn, caller, id);
    }
    let application = applications::find(conn, id)?;
    let dataset = catalog::find_any(conn, &application.dataset)?;
    if application.status == State::Draft || person.publisher.as_deref() != Some(dataset.entry.publisher.as_str()) {
        return Err(Error::not_found("application", id));
    }
    Ok(application)
}

/// What happened to an application, and to the agreement and the grant that came of it, in order. Whoever asks may see the application.
///
/// # Errors
/// When the database does not answer.
pub fn history(conn: &mut Conn, application: &str, agreement: Option<&str>, grant: Option<&str>) -> Result<Vec<Happened>> {
    let mut subjects = vec![format!("application:{application}")];
    subjects.extend(agreement.map(|id| format!("agreement:{id}")));
    subjects.extend(grant.map(|id| format!("grant:{id}")));
    let mut found = Vec::new();
    for subject in subjects {
        for (entry, words) in ledger::history(conn, &subject)? {
            found.push(Happened { by: side(&entry.kind), kind: entry.kind, moment: entry.moment, words, seq: entry.seq });
        }
    }
    found.sort_by_key(|happened| happened.seq);
    Ok(found)
}

/// What happened to a firm, in order. Whoever asks may see the firm.
///
/// # Errors
/// When the database does not answer.
pub fn history_of_firm(conn: &mut Conn, firm: &str) -> Result<Vec<Happened>> {
    let found = ledger::history(conn, &format!("firm:{firm}"))?;
    let by = |kind: &str| if kind == "firm.registered" { "firm" } else { "publisher" };
    Ok(found
        .into_iter()
        .map(|(entry, words)| Happened { by: by(&entry.kind), kind: entry.kind, moment: entry.moment, words, seq: entry.seq })
        .collect())
}

/// Whose step an entry about an application, an agreement or a grant is.
fn side(kind: &str) -> &'static str {
    match kind {
        "agreement.signed" => "firm",
        "grant.suspended" | "grant.resumed" | "grant.revoked" => "publisher",
        "grant.renewed" | "grant.ending" | "grant.ended" | "deletion_proof.overdue" => "service",
        "agreement.drawn" | "agreement.countersigned" | "grant.created" | "use_report.overdue" => "service",
        other => side_of(other),
    }
}

/// When the next report on the use of each of a firm's grants is due, every so many days; a grant that owes none is not in the answer.
///
/// # Errors
/// When the database does not answer.
pub fn reports_due(conn: &mut Conn, firm_id: &str, settings: &DutySettings) -> Result<HashMap<String, NaiveDateTime>> {
    type Term = (String, NaiveDateTime, NaiveDateTime, Option<NaiveDateTime>, String);
    let firm: (String, Option<NaiveDateTime>) = firms::table.find(firm_id).select((firms::status, firms::decided_at)).first(conn)?;
    let of_firm = grants::table.filter(grants::firm_id.eq(firm_id));
    let terms = of_firm.select((grants::id, grants::starts_at, grants::expires_at, grants::revoked_at, grants::reach_json));
    let terms: Vec<Term> = terms.load(conn)?;
    let ids: Vec<&str> = terms.iter().map(|term| term.0.as_str()).collect();
    let last: Vec<(String, Option<NaiveDateTime>)> = use_reports::table
        .filter(use_reports::grant_id.eq_any(ids))
        .group_by(use_reports::grant_id)
        .select((use_reports::grant_id, max(use_reports::covers_until)))
        .load(conn)?;
    let last: HashMap<String, NaiveDateTime> = last.into_iter().filter_map(|(id, until)| Some((id, until?))).collect();
    let owes = |reach: &str| serde_json::from_str::<Reach>(reach).is_ok_and(|reach| reach.duties.contains(&Duty::UseReport));
    let due = terms.into_iter().filter(|term| owes(&term.4)).filter_map(|(id, starts_at, expires_at, revoked_at, _)| {
        let covered = last.get(&id).copied().unwrap_or(starts_at);
        duties::due(covered, duties::ends_at(expires_at, revoked_at, firm.clone()), settings).map(|due| (id, due))
    });
    Ok(due.collect())
}
