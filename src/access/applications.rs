//! Applications: a firm asks for a conditional dataset, a reviewer decides. 开放申请

use chrono::NaiveDateTime;
use diesel::prelude::*;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::agreements::{self, Agreement};
use super::{Mode, Terms, reports};
use crate::catalog::{self, Dataset, OpenType, Policy};
use crate::clock::now_naive;
use crate::db::Conn;
use crate::db::schema::{applications, datasets};
use crate::error::{Error, Fault, Result};
use crate::identity::{Caller, PersonIdentity, Role, firms};
use crate::ledger::{self, Kind};

/// A firm's request for a conditional dataset.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Application {
    /// Never changes.
    pub id: String,
    /// The firm that asks.
    pub firm_id: String,
    /// The dataset, by slug.
    pub dataset: String,
    /// What the data is for.
    pub purpose: String,
    /// The fields that are asked for.
    pub fields: Vec<String>,
    /// In which ways the data is to be handed over.
    pub modes: Vec<Mode>,
    /// For how many days, from the signature on.
    pub term_days: i32,
    /// How the firm keeps the data safe.
    pub safeguards: String,
    /// `submitted`, `approved` or `refused`.
    pub status: String,
    /// When it was submitted.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    pub submitted_at: NaiveDateTime,
    /// When it was decided.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize_option")]
    pub decided_at: Option<NaiveDateTime>,
    /// The reviewer's reason.
    pub reason: Option<String>,
    /// The agreement that an approval draws up.
    pub agreement_id: Option<String>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = applications)]
struct ApplicationRow {
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
}

/// What a firm asks for.
pub struct NewApplication {
    /// The dataset, by slug.
    pub dataset: String,
    /// What the data is for.
    pub purpose: String,
    /// The fields.
    pub fields: Vec<String>,
    /// In which ways the data is to be handed over.
    pub modes: Vec<Mode>,
    /// For how many days.
    pub term_days: i32,
    /// How the firm keeps the data safe.
    pub safeguards: String,
}

/// Submits an application.
///
/// # Errors
/// When the firm is not approved, the dataset is not conditional, or what is asked for does not fit; every fault is named.
pub fn submit(conn: &mut Conn, caller: &Caller, new: NewApplication) -> Result<Application> {
    let firm = firms::require_approved(conn, caller.firm()?)?;
    let dataset = catalog::find(conn, &new.dataset)?;
    if dataset.entry.open_type != OpenType::Conditional {
        let kind = dataset.entry.open_type.as_str();
        return Err(Error::invalid("/dataset", format!("only a conditional dataset is applied for; `{}` is {kind}", new.dataset)));
    }
    check(&dataset, &new)?;
    let row = ApplicationRow {
        id: uuid::Uuid::now_v7().to_string(),
        firm_id: firm.id,
        dataset_id: dataset.id,
        purpose: new.purpose,
        fields_json: serde_json::to_string(&new.fields)?,
        modes_json: serde_json::to_string(&new.modes)?,
        term_days: new.term_days,
        safeguards: new.safeguards,
        status: "submitted".to_owned(),
        submitted_by: caller.actor(),
        submitted_at: now_naive(),
        decided_by: None,
        decided_at: None,
        reason: None,
    };
    diesel::insert_into(applications::table).values(&row).execute(conn)?;
    let detail =
        json!({ "firm": row.firm_id, "dataset": new.dataset, "fields": new.fields, "modes": new.modes, "term_days": row.term_days });
    ledger::append(conn, Kind::ApplicationSubmitted, &row.submitted_by, &format!("application:{}", row.id), &detail)?;
    find(conn, &row.id)
}

fn check(dataset: &Dataset, new: &NewApplication) -> Result<()> {
    let mut faults = Vec::new();
    let mut fault = |pointer: &str, detail: String| faults.push(Fault { pointer: pointer.to_owned(), detail });
    for (pointer, text) in [("/purpose", &new.purpose), ("/safeguards", &new.safeguards)] {
        let length = text.trim().chars().count();
        if !(10..=4000).contains(&length) {
            fault(pointer, format!("say it in 10 to 4000 characters; this has {length}"));
        }
    }
    let max = dataset.entry.max_term_days();
    if new.term_days < 1 || i64::from(new.term_days) > i64::from(max) {
        fault("/term_days", format!("give 1 to {max} days"));
    }
    if new.modes.is_empty() || new.modes.len() > 2 || (new.modes.len() == 2 && new.modes[0] == new.modes[1]) {
        fault("/modes", "give download, api, or both, each once".to_owned());
    }
    match Policy::for_fields(&dataset.entry, &new.fields, 0.0) {
        Err(Error::Invalid(more)) => faults.extend(more),
        Err(other) => return Err(other),
        Ok(_) => {}
    }
    if faults.is_empty() { Ok(()) } else { Err(Error::Invalid(faults)) }
}

/// One application.
///
/// # Errors
/// When there is none.
pub fn find(conn: &mut Conn, id: &str) -> Result<Application> {
    let row: Option<(ApplicationRow, String)> = applications::table
        .inner_join(datasets::table)
        .filter(applications::id.eq(id))
        .select((ApplicationRow::as_select(), datasets::slug))
        .first(conn)
        .optional()?;
    let (row, slug) = row.ok_or_else(|| Error::not_found("application", id))?;
    view(conn, row, slug)
}

fn view(conn: &mut Conn, row: ApplicationRow, dataset: String) -> Result<Application> {
    Ok(Application {
        agreement_id: agreements::id_for_application(conn, &row.id)?,
        id: row.id,
        firm_id: row.firm_id,
        dataset,
        purpose: row.purpose,
        fields: serde_json::from_str(&row.fields_json)?,
        modes: serde_json::from_str(&row.modes_json)?,
        term_days: row.term_days,
        safeguards: row.safeguards,
        status: row.status,
        submitted_at: row.submitted_at,
        decided_at: row.decided_at,
        reason: row.reason,
    })
}

/// The application, when the caller may see it: its firm, and those who decide or audit.
///
/// # Errors
/// When there is none, or it is another firm's.
pub fn find_for(conn: &mut Conn, caller: &Caller, id: &str) -> Result<Application> {
    let only_firm = super::firm_scope(caller)?;
    let application = find(conn, id)?;
    match only_firm {
        Some(firm) if firm != application.firm_id => Err(Error::not_found("application", id)),
        _ => Ok(application),
    }
}

/// The applications that the caller may see, oldest first, after the one named `after`; and how many there are in all.
///
/// # Errors
/// When the caller may see none.
pub fn list_for(conn: &mut Conn, caller: &Caller, after: Option<&str>, limit: i64) -> Result<(Vec<Application>, i64)> {
    let firm = super::firm_scope(caller)?;
    let matching = || {
        let mut query = applications::table.inner_join(datasets::table).into_boxed::<<Conn as Connection>::Backend>();
        if let Some(firm) = &firm {
            query = query.filter(applications::firm_id.eq(firm.clone()));
        }
        query
    };
    let total = matching().count().get_result(conn)?;
    let mut page = matching();
    if let Some(after) = after {
        page = page.filter(applications::id.gt(after.to_owned()));
    }
    let rows: Vec<(ApplicationRow, String)> =
        page.order(applications::id).limit(limit).select((ApplicationRow::as_select(), datasets::slug)).load(conn)?;
    let items = rows.into_iter().map(|(row, slug)| view(conn, row, slug)).collect::<Result<_>>()?;
    Ok((items, total))
}

/// What a reviewer decides.
pub struct NewDecision {
    /// Whether the firm gets what it asks for.
    pub approve: bool,
    /// Why.
    pub reason: String,
    /// The report that an approval is based on.
    pub report_sha256: Option<String>,
}

/// Decides an application: an approval draws up the agreement.
///
/// # Errors
/// When the caller is no reviewer or is the dataset's steward (four eyes), it is decided already, or an approval names no report of what
/// it would do.
pub fn decide(conn: &mut Conn, caller: &Caller, id: &str, new: &NewDecision, terms: &Terms) -> Result<(Application, Option<Agreement>)> {
    let (approve, reason) = (new.approve, new.reason.as_str());
    let reviewer = caller.with_role(&[Role::Reviewer])?;
    let application = find(conn, id)?;
    let dataset = catalog::find(conn, &application.dataset)?;
    check_four_eyes(reviewer, &dataset)?;
    require_open(&application)?;
    let mut policy = None;
    if approve {
        require_approvable(conn, &application, &dataset)?;
        let agreed = reports::policy_for(&application, &dataset, terms)?;
        reports::require_seen(conn, &application, &dataset, &agreed, new.report_sha256.as_deref())?;
        policy = Some(agreed);
    }
    let (status, kind) = if approve { ("approved", Kind::ApplicationApproved) } else { ("refused", Kind::ApplicationRefused) };
    // The condition on the state makes the second of two simultaneous decisions fail.
    let changed = diesel::update(applications::table.find(id).filter(applications::status.eq("submitted")))
        .set((
            applications::status.eq(status),
            applications::decided_by.eq(&reviewer.id),
            applications::decided_at.eq(now_naive()),
            applications::reason.eq(reason),
        ))
        .execute(conn)?;
    if changed == 0 {
        return Err(Error::Conflict("the application is decided already".to_owned()));
    }
    let mut detail = json!({ "firm": application.firm_id, "dataset": application.dataset });
    if let Some(sha256) = new.report_sha256.as_ref().filter(|_| approve) {
        detail["report_sha256"] = json!(sha256);
    }
    ledger::append_with_reason(conn, kind, &caller.actor(), &format!("application:{id}"), detail, reason)?;
    let agreement = policy.map(|policy| agreements::draw(conn, &application, &dataset, &policy)).transpose()?;
    Ok((find(conn, id)?, agreement))
}

/// Whether an application waits for a decision.
pub(super) fn require_open(application: &Application) -> Result<()> {
    if application.status == "submitted" {
        return Ok(());
    }
    Err(Error::Conflict("the application is decided already".to_owned()))
}

/// What was true when the application came has to be true when it is approved.
fn require_approvable(conn: &mut Conn, application: &Application, dataset: &Dataset) -> Result<()> {
    let firm = firms::find(conn, &application.firm_id)?;
    if firm.status != firms::APPROVED {
        return Err(Error::Conflict(format!("the firm is {}; refuse the application", firm.status)));
    }
    if dataset.entry.open_type != OpenType::Conditional {
        return Err(Error::Conflict(format!("the dataset is {} now; refuse the application", dataset.entry.open_type.as_str())));
    }
    let max = dataset.entry.max_term_days();
    if i64::from(application.term_days) > i64::from(max) {
        return Err(Error::Conflict(format!("the longest term is {max} days now; refuse the application")));
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
