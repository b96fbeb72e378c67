//! Applications: a firm asks for a conditional dataset, a reviewer decides. 开放申请
//!
//! An application goes from state to state by steps, each of which is one entry of the ledger; `State::may` is the one list of what is
//! possible. A working-day clock runs while it is the publisher's turn, and another while it is the firm's.

mod answers;
pub mod attachments;
mod decide;
mod steps;

use std::collections::HashMap;

use chrono::NaiveDateTime;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Terms;
use super::agreements;
use crate::catalog::{self, Duty, Entry, Mode, OfferConflict, Purpose, Versions, Wish};
use crate::clock::now_naive;
use crate::db::Conn;
use crate::db::schema::{applications, datasets};
use crate::error::{Error, Result};
use crate::identity::Caller;
use crate::limits::ReadQuota;

use attachments::Attachment;

pub use answers::{answer, appeal, withdraw};
pub use decide::{Conditions, NewDecision, accept, ask, decide, decide_appeal};
pub(super) use decide::{granted, require_approvable};
pub use steps::{NewApplication, Turn, change, create, expire_for, submit, tidy};
pub(super) use steps::{contents_sha256, mark_signed, require_signable};

/// Where an application stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// 草稿: the firm writes it; nobody else acts on it.
    Draft,
    /// 已提交: it waits to be accepted.
    Submitted,
    /// 已受理: it is complete, and waits for a decision.
    Accepted,
    /// 待补正: the reviewer has asked for more, and it waits for the firm.
    Asked,
    /// 已批准: the agreement is drawn up, and waits for the firm's signature.
    Approved,
    /// 不予开放: it was refused, with reasons.
    Refused,
    /// 申诉中: the firm appeals against the refusal.
    Appealed,
    /// 已签约: the agreement is signed, and there is a grant.
    Signed,
    /// 已撤回: the firm took it back.
    Withdrawn,
    /// 已失效: the firm let its time go by.
    Expired,
}

/// What can be done with an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Step {
    Change,
    Submit,
    Accept,
    Ask,
    Answer,
    Decide,
    Sign,
    Withdraw,
    Appeal,
    DecideAppeal,
    Expire,
}

impl State {
    /// Every state.
    pub const ALL: [State; 10] = [
        State::Draft,
        State::Submitted,
        State::Accepted,
        State::Asked,
        State::Approved,
        State::Refused,
        State::Appealed,
        State::Signed,
        State::Withdrawn,
        State::Expired,
    ];

    /// The state as it is written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Draft => "draft",
            State::Submitted => "submitted",
            State::Accepted => "accepted",
            State::Asked => "asked",
            State::Approved => "approved",
            State::Refused => "refused",
            State::Appealed => "appealed",
            State::Signed => "signed",
            State::Withdrawn => "withdrawn",
            State::Expired => "expired",
        }
    }

    /// The state of that name.
    ///
    /// # Errors
    /// When there is none.
    pub fn parse(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == name);
        let names: Vec<&str> = Self::ALL.iter().map(|state| state.as_str()).collect();
        found.ok_or_else(|| Error::invalid("status", format!("`{name}` is no state of an application; they are: {}", names.join(", "))))
    }

    /// Whether a step is possible here.
    pub fn may(self, step: Step) -> bool {
        match step {
            Step::Change => matches!(self, State::Draft | State::Asked),
            Step::Submit => self == State::Draft,
            Step::Accept => self == State::Submitted,
            Step::Ask => matches!(self, State::Submitted | State::Accepted),
            Step::Answer => self == State::Asked,
            Step::Decide => matches!(self, State::Submitted | State::Accepted),
            Step::Sign => self == State::Approved,
            Step::Withdraw => {
                matches!(self, State::Draft | State::Submitted | State::Accepted | State::Asked | State::Approved | State::Appealed)
            }
            Step::Appeal => self == State::Refused,
            Step::DecideAppeal => self == State::Appealed,
            Step::Expire => matches!(self, State::Draft | State::Asked | State::Approved),
        }
    }

    /// Whether nothing is decided about it any more, unless somebody appeals.
    pub(super) fn is_over(self) -> bool {
        matches!(self, State::Refused | State::Signed | State::Withdrawn | State::Expired)
    }

    /// Whether the publisher has to act.
    pub fn is_publishers_turn(self) -> bool {
        matches!(self, State::Submitted | State::Accepted | State::Appealed)
    }
}

/// What was granted of what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Granted {
    /// The fields.
    pub fields: Vec<String>,
    /// In which ways the data is handed over.
    pub modes: Vec<Mode>,
    /// For how many days, from the signature on.
    pub term_days: i32,
    /// What the data is for.
    pub purposes: Vec<Purpose>,
    /// Whether models that learned from it may be passed on.
    pub shares_models: bool,
    /// What the firm has to heed besides, in the reviewer's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conditions: Option<String>,
    /// How far it reaches besides.
    #[serde(flatten)]
    pub reach: Reach,
}

/// How far a grant reaches, besides its fields, modes and term.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Reach {
    /// Which versions it gives.
    pub versions: Versions,
    /// The one version that it gives, by number; null where it gives each.
    pub version: Option<i32>,
    /// How much may be read.
    pub quota: ReadQuota,
    /// Whether only tokens count that are bound to a key of the firm (DPoP, RFC 9449).
    pub sender_constrained: bool,
    /// What the firm owes.
    pub duties: Vec<Duty>,
}

impl Default for Reach {
    /// As it was before applications could say it.
    fn default() -> Self {
        Reach {
            versions: Versions::Each,
            version: None,
            quota: ReadQuota::default(),
            sender_constrained: false,
            duties: vec![Duty::Citation, Duty::UseReport, Duty::DeletionProof],
        }
    }
}

/// A firm's request for a conditional dataset.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Application {
    /// Never changes.
    pub id: String,
    /// The firm that asks.
    pub firm_id: String,
    /// The dataset, by slug.
    pub dataset: String,
    /// What the data is for, in the firm's words.
    pub purpose: String,
    /// What it asks for, as far as the dataset's offer speaks of it.
    #[serde(flatten)]
    pub wish: Wish,
    /// The fields that are asked for.
    pub fields: Vec<String>,
    /// In which ways the data is to be handed over.
    pub modes: Vec<Mode>,
    /// For how many days, from the signature on.
    pub term_days: i32,
    /// How the firm keeps the data safe, in its words.
    pub safeguards: String,
    /// The documents that the firm has attached.
    pub attachments: Vec<Attachment>,
    /// Where it does not meet the dataset's offer as that stands now; nothing where it meets.
    pub conflicts: Vec<OfferConflict>,
    /// Where it stands.
    pub status: State,
    /// When it was submitted; of a draft, when it was begun.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    pub submitted_at: NaiveDateTime,
    /// When it was found complete.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize_option")]
    pub accepted_at: Option<NaiveDateTime>,
    /// Until when the one whose turn it is has time, by the working-day clock.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize_option")]
    pub due_at: Option<NaiveDateTime>,
    /// Whether the publisher has let that time go by.
    pub overdue: bool,
    /// When it was decided.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize_option")]
    pub decided_at: Option<NaiveDateTime>,
    /// The reviewer's reason.
    pub reason: Option<String>,
    /// What was granted, once it is approved.
    pub granted: Option<Granted>,
    /// The agreement that an approval draws up.
    pub agreement_id: Option<String>,
    /// The grant whose term it is to lengthen; null where it is for a grant of its own.
    pub renews_id: Option<String>,
}

impl Application {
    /// What an approval without conditions gives.
    pub(super) fn asked_for(&self) -> Granted {
        Granted {
            fields: self.fields.clone(),
            modes: self.modes.clone(),
            term_days: self.term_days,
            purposes: self.wish.purposes.clone(),
            shares_models: self.wish.shares_models,
            conditions: None,
            reach: Reach {
                versions: self.wish.versions,
                quota: self.wish.quota,
                sender_constrained: self.wish.sender_constrained,
                ..Reach::default()
            },
        }
    }

    /// What was granted.
    pub fn granted(&self) -> Granted {
        self.granted.clone().unwrap_or_else(|| self.asked_for())
    }

    /// Whether a step is possible now.
    ///
    /// # Errors
    /// Says where the application stands.
    pub(super) fn require(&self, step: Step) -> Result<()> {
        if self.status.may(step) {
            return Ok(());
        }
        Err(Error::Conflict(format!("the application is {}; this step is not possible from there", self.status.as_str())))
    }
}

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = applications, treat_none_as_null = true)]
pub(super) struct ApplicationRow {
    id: String,
    firm_id: String,
    dataset_id: String,
    purpose: String,
    fields_json: String,
    modes_json: String,
    term_days: i32,
    safeguards: String,
    status: String,
    submitted_by: String,
    submitted_at: NaiveDateTime,
    decided_by: Option<String>,
    decided_at: Option<NaiveDateTime>,
    reason: Option<String>,
    wish_json: String,
    granted_json: Option<String>,
    accepted_at: Option<NaiveDateTime>,
    due_at: Option<NaiveDateTime>,
    overdue_told: bool,
    appeals: i32,
    refused_by: Option<String>,
    renews_id: Option<String>,
    /// Whether anybody but its firm has ever seen it.
    was_submitted: bool,
    /// How many working days the publisher has left, while it is the firm's turn to answer.
    days_left: Option<i32>,
}

/// One application.
///
/// # Errors
/// When there is none.
pub fn find(conn: &mut Conn, id: &str) -> Result<Application> {
    let (row, slug) = row_of(conn, id)?;
    view(conn, row, slug)
}

fn row_of(conn: &mut Conn, id: &str) -> Result<(ApplicationRow, String)> {
    let row: Option<(ApplicationRow, String)> = applications::table
        .inner_join(datasets::table)
        .filter(applications::id.eq(id))
        .select((ApplicationRow::as_select(), datasets::slug))
        .first(conn)
        .optional()?;
    row.ok_or_else(|| Error::not_found("application", id))
}

fn view(conn: &mut Conn, row: ApplicationRow, dataset: String) -> Result<Application> {
    let entry = catalog::find_any(conn, &dataset)?.entry;
    let agreement_id = agreements::id_for_application(conn, &row.id)?;
    let attachments = attachments::of_applications(conn, &[row.id.as_str()])?.remove(&row.id).unwrap_or_default();
    shown(row, dataset, &entry, agreement_id, attachments)
}

fn shown(
    row: ApplicationRow,
    dataset: String,
    entry: &Entry,
    agreement_id: Option<String>,
    attachments: Vec<Attachment>,
) -> Result<Application> {
    let status = State::parse(&row.status)?;
    let (wish, modes): (Wish, Vec<Mode>) = (serde_json::from_str(&row.wish_json)?, serde_json::from_str(&row.modes_json)?);
    Ok(Application {
        agreement_id,
        attachments,
        conflicts: entry.offer().conflicts(entry, &wish, &modes, row.term_days),
        overdue: status.is_publishers_turn() && row.due_at.is_some_and(|due| due <= now_naive()),
        id: row.id,
        firm_id: row.firm_id,
        dataset,
        purpose: row.purpose,
        wish,
        fields: serde_json::from_str(&row.fields_json)?,
        modes,
        term_days: row.term_days,
        safeguards: row.safeguards,
        status,
        submitted_at: row.submitted_at,
        accepted_at: row.accepted_at,
        due_at: row.due_at,
        decided_at: row.decided_at,
        reason: row.reason,
        granted: row.granted_json.as_deref().map(serde_json::from_str).transpose()?,
        renews_id: row.renews_id,
    })
}

/// The application, when the caller may see it: its firm, and those who decide or audit. What was never submitted is its firm's alone, also
/// when it has expired or was withdrawn.
///
/// # Errors
/// When there is none, or it is another firm's.
pub fn find_for(conn: &mut Conn, caller: &Caller, id: &str) -> Result<Application> {
    let only_firm = super::firm_scope(caller)?;
    let (row, slug) = row_of(conn, id)?;
    match only_firm {
        Some(firm) if firm != row.firm_id => Err(Error::not_found("application", id)),
        None if !row.was_submitted => Err(Error::not_found("application", id)),
        Some(_) | None => view(conn, row, slug),
    }
}

/// Which applications are listed.
#[derive(Debug, Clone, Default)]
pub struct ApplicationFilter {
    /// Those in this state.
    pub status: Option<State>,
    /// Those of which the publisher has let the time go by.
    pub overdue: bool,
    /// Those behind this one.
    pub after: Option<String>,
    /// How many at the most.
    pub limit: i64,
}

/// The applications that the caller may see, oldest first; and how many there are in all.
///
/// # Errors
/// When the caller may see none.
pub fn list_for(conn: &mut Conn, caller: &Caller, filter: &ApplicationFilter) -> Result<(Vec<Application>, i64)> {
    let firm = super::firm_scope(caller)?;
    let now = now_naive();
    let matching = || {
        let mut query = applications::table.inner_join(datasets::table).into_boxed::<<Conn as Connection>::Backend>();
        query = match &firm {
            Some(firm) => query.filter(applications::firm_id.eq(firm.clone())),
            None => query.filter(applications::was_submitted.eq(true)),
        };
        if let Some(status) = filter.status {
            query = query.filter(applications::status.eq(status.as_str()));
        }
        if filter.overdue {
            let turns: Vec<&str> = State::ALL.into_iter().filter(|state| state.is_publishers_turn()).map(State::as_str).collect();
            query = query.filter(applications::due_at.le(now)).filter(applications::status.eq_any(turns));
        }
        query
    };
    let total = matching().count().get_result(conn)?;
    let mut page = matching();
    if let Some(after) = &filter.after {
        page = page.filter(applications::id.gt(after.clone()));
    }
    let rows: Vec<(ApplicationRow, String)> =
        page.order(applications::id).limit(filter.limit).select((ApplicationRow::as_select(), datasets::slug)).load(conn)?;
    let ids: Vec<&str> = rows.iter().map(|(row, _)| row.id.as_str()).collect();
    let mut drawn = agreements::ids_for_applications(conn, &ids)?;
    let mut attached = attachments::of_applications(conn, &ids)?;
    let mut entries: HashMap<String, Entry> = HashMap::new();
    for (_, slug) in &rows {
        if !entries.contains_key(slug) {
            entries.insert(slug.clone(), catalog::find_any(conn, slug)?.entry);
        }
    }
    let item = |(row, slug): (ApplicationRow, String)| {
        let (agreement, attachments) = (drawn.remove(&row.id), attached.remove(&row.id).unwrap_or_default());
        let entry = entries.get(&slug).ok_or_else(|| Error::not_found("dataset", &slug))?;
        shown(row, slug, entry, agreement, attachments)
    };
    Ok((rows.into_iter().map(item).collect::<Result<_>>()?, total))
}

/// Whose step an entry of the ledger is: `firm`, `publisher` or `service`.
pub fn side_of(kind: &str) -> &'static str {
    match kind {
        "application.accepted"
        | "application.asked"
        | "application.approved"
        | "application.refused"
        | "release.tried"
        | "appeal.dismissed"
        | "appeal.granted" => "publisher",
        "application.expired" | "application.overdue" | "attachment.expired" => "service",
        _ => "firm",
    }
}

/// Until when the next one has time.
fn due(terms: &Terms, working_days: u32) -> NaiveDateTime {
    terms.calendar.due(now_naive(), working_days)
}
