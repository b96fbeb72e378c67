//! Grants: what an approved application and a signed agreement give. 授权

mod ending;
mod proofs;
mod renewal;

use chrono::{Duration, NaiveDateTime};
use diesel::prelude::*;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::Mode;
use super::agreements::Agreement;
use super::applications::{self, Application, Granted, Reach};
use crate::catalog::{self, Dataset, Policy};
use crate::clock::now_naive;
use crate::db::Conn;
use crate::db::schema::{datasets, grants};
use crate::error::{Error, Result};
use crate::identity::{Caller, Role};
use crate::ledger::{self, Kind};

pub use ending::{Ended, tidy};
pub use proofs::{DeletionProof, NewDeletionProof, OverdueProof, file as file_proof, overdue_for as overdue_proofs_for, proof_of};
pub(super) use renewal::renewed_by;
pub use renewal::{NewRenewal, ask as ask_renewal};

/// What a firm may read, how, and until when.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Grant {
    /// Never changes.
    pub id: String,
    /// The agreement that is in force: the newest one, where it was renewed.
    pub agreement_id: String,
    /// The application that it came from at first.
    pub application_id: String,
    /// The firm that holds it.
    pub firm_id: String,
    /// The dataset, by slug.
    pub dataset: String,
    /// The dataset's id.
    #[serde(skip)]
    pub dataset_id: String,
    /// What leaves, and how.
    pub policy: Policy,
    /// In which ways.
    pub modes: Vec<Mode>,
    /// How far it reaches besides.
    #[serde(flatten)]
    pub reach: Reach,
    /// `active`, `suspended` or `revoked`; an active one may still have expired.
    pub status: String,
    /// From when.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    pub starts_at: NaiveDateTime,
    /// Until when.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    pub expires_at: NaiveDateTime,
    /// When it was revoked.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize_option")]
    pub revoked_at: Option<NaiveDateTime>,
    /// Why it was suspended, resumed or revoked last.
    pub reason: Option<String>,
    /// When its releases were deleted, after its end.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize_option")]
    pub ended_at: Option<NaiveDateTime>,
    /// Until when its firm proves that it deleted the data; null as long as it has not ended, or where that is not owed.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize_option")]
    pub deletion_proof_due: Option<NaiveDateTime>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = grants)]
struct GrantRow {
    id: String,
    agreement_id: String,
    firm_id: String,
    dataset_id: String,
    policy_json: String,
    modes_json: String,
    status: String,
    starts_at: NaiveDateTime,
    expires_at: NaiveDateTime,
    revoked_at: Option<NaiveDateTime>,
    reason: Option<String>,
    application_id: String,
    reach_json: String,
    ending_told: bool,
    ended_at: Option<NaiveDateTime>,
    proof_due_at: Option<NaiveDateTime>,
    proof_overdue_told: bool,
}

fn view((row, dataset): (GrantRow, String)) -> Result<Grant> {
    Ok(Grant {
        application_id: row.application_id,
        reach: serde_json::from_str(&row.reach_json)?,
        ended_at: row.ended_at,
        deletion_proof_due: row.proof_due_at,
        id: row.id,
        agreement_id: row.agreement_id,
        firm_id: row.firm_id,
        dataset,
        dataset_id: row.dataset_id,
        policy: serde_json::from_str(&row.policy_json)?,
        modes: serde_json::from_str(&row.modes_json)?,
        status: row.status,
        starts_at: row.starts_at,
        expires_at: row.expires_at,
        revoked_at: row.revoked_at,
        reason: row.reason,
    })
}

/// Gives what a signed agreement says: a grant, or more time for the one that it renews.
///
/// # Errors
/// When the database does not take it, or the grant cannot be renewed any more.
pub(super) fn give(conn: &mut Conn, agreement: &Agreement) -> Result<Grant> {
    let application = applications::find(conn, &agreement.application_id)?;
    let dataset = catalog::find(conn, &application.dataset)?;
    require_one_sandbox(conn, &application, &application.granted(), &dataset)?;
    match &application.renews_id {
        Some(id) => renewal::renew(conn, id, agreement, &application),
        None => create(conn, agreement, &application, dataset),
    }
}

/// Checks that a firm which asks in the sandbox has no other grant for that over the dataset, and had none over other fields. Rows that are left out
/// to reach k are others with other fields, and those of the fingerprint with another grant: of two, one tells what the other keeps back.
///
/// # Errors
/// When it has, or had.
pub(super) fn require_one_sandbox(conn: &mut Conn, application: &Application, granted: &Granted, dataset: &Dataset) -> Result<()> {
    if !Mode::asks_in_sandbox(&granted.modes) {
        return Ok(());
    }
    let of_firm = |grant: &Grant| grant.firm_id == application.firm_id && application.renews_id.as_ref() != Some(&grant.id);
    let asking = |grant: &Grant| of_firm(grant) && Mode::asks_in_sandbox(&grant.modes);
    for grant in of_dataset(conn, dataset)?.into_iter().filter(asking) {
        if grant.status != "revoked" && grant.expires_at > now_naive() {
            let text = format!("the firm has a grant for the sandbox over this dataset in force, {}: renew it, or end it first", grant.id);
            return Err(Error::Conflict(text));
        }
        let fields: Vec<String> = grant.policy.fields.into_iter().map(|field| field.name).collect();
        if fields.len() != granted.fields.len() || !fields.iter().all(|field| granted.fields.contains(field)) {
            return Err(Error::Conflict(format!(
                "the firm had the sandbox over other fields of this dataset ({}), and two sets of fields would tell more than each",
                fields.join(", ")
            )));
        }
    }
    Ok(())
}

fn create(conn: &mut Conn, agreement: &Agreement, application: &Application, dataset: Dataset) -> Result<Grant> {
    let granted = application.granted();
    let starts_at = now_naive();
    let row = GrantRow {
        id: uuid::Uuid::now_v7().to_string(),
        agreement_id: agreement.id.clone(),
        firm_id: agreement.firm_id.clone(),
        dataset_id: dataset.id,
        policy_json: serde_json::to_string(&agreement.policy)?,
        modes_json: serde_json::to_string(&granted.modes)?,
        status: "active".to_owned(),
        starts_at,
        expires_at: starts_at + Duration::days(i64::from(granted.term_days)),
        revoked_at: None,
        reason: None,
        application_id: application.id.clone(),
        reach_json: serde_json::to_string(&granted.reach)?,
        ending_told: false,
        ended_at: None,
        proof_due_at: None,
        proof_overdue_told: false,
    };
    diesel::insert_into(grants::table).values(&row).execute(conn)?;
    let detail = json!({ "agreement": row.agreement_id, "firm": row.firm_id, "dataset": dataset.slug, "term_days": granted.term_days });
    ledger::append(conn, Kind::GrantCreated, "service", &format!("grant:{}", row.id), &detail)?;
    find(conn, &row.id)
}

/// One grant.
///
/// # Errors
/// When there is none.
pub fn find(conn: &mut Conn, id: &str) -> Result<Grant> {
    let row: Option<(GrantRow, String)> = grants::table
        .inner_join(datasets::table)
        .filter(grants::id.eq(id))
        .select((GrantRow::as_select(), datasets::slug))
        .first(conn)
        .optional()?;
    view(row.ok_or_else(|| Error::not_found("grant", id))?)
}

/// The grant of that id, if there is one and it is for that dataset.
///
/// # Errors
/// When the database does not answer.
pub fn for_dataset(conn: &mut Conn, id: &str, slug: &str) -> Result<Option<Grant>> {
    match find(conn, id) {
        Ok(grant) if grant.dataset == slug => Ok(Some(grant)),
        Ok(_) | Err(Error::NotFound { .. }) => Ok(None),
        Err(other) => Err(other),
    }
}

/// Every grant of a dataset that there ever was, oldest first.
///
/// # Errors
/// When the database does not answer.
pub fn of_dataset(conn: &mut Conn, dataset: &Dataset) -> Result<Vec<Grant>> {
    let of_it = grants::table.inner_join(datasets::table).filter(grants::dataset_id.eq(&dataset.id));
    let rows: Vec<(GrantRow, String)> = of_it.order(grants::id).select((GrantRow::as_select(), datasets::slug)).load(conn)?;
    rows.into_iter().map(view).collect()
}

/// What the firm of an application has had of the dataset besides: its other grants, newest first, but for one that the application renews. For those
/// who decide; whether they may see it is another question.
///
/// # Errors
/// When the database does not answer.
pub fn besides(conn: &mut Conn, application: &Application, dataset: &Dataset) -> Result<Vec<Grant>> {
    let mut grants = of_dataset(conn, dataset)?;
    let own = |grant: &Grant| grant.application_id == application.id || application.renews_id.as_ref() == Some(&grant.id);
    grants.retain(|grant| grant.firm_id == application.firm_id && !own(grant));
    grants.reverse();
    Ok(grants)
}

/// The grant, when the caller may see it.
///
/// # Errors
/// When there is none, or it is another firm's.
pub fn find_for(conn: &mut Conn, caller: &Caller, id: &str) -> Result<Grant> {
    let only_firm = super::firm_scope(caller)?;
    let grant = find(conn, id)?;
    match only_firm {
        Some(firm) if firm != grant.firm_id => Err(Error::not_found("grant", id)),
        _ => Ok(grant),
    }
}

/// The grants that the caller may see, oldest first, after the one named `after`; and how many there are in all.
///
/// # Errors
/// When the caller may see none.
pub fn list_for(conn: &mut Conn, caller: &Caller, after: Option<&str>, limit: i64) -> Result<(Vec<Grant>, i64)> {
    let firm = super::firm_scope(caller)?;
    let matching = || {
        let mut query = grants::table.inner_join(datasets::table).into_boxed::<<Conn as Connection>::Backend>();
        if let Some(firm) = &firm {
            query = query.filter(grants::firm_id.eq(firm.clone()));
        }
        query
    };
    let total = matching().count().get_result(conn)?;
    let mut page = matching();
    if let Some(after) = after {
        page = page.filter(grants::id.gt(after.to_owned()));
    }
    let rows: Vec<(GrantRow, String)> = page.order(grants::id).limit(limit).select((GrantRow::as_select(), datasets::slug)).load(conn)?;
    Ok((rows.into_iter().map(view).collect::<Result<_>>()?, total))
}

/// Whether the grant gives anything at this moment.
///
/// # Errors
/// When it is revoked or has expired.
pub fn require_in_force(grant: &Grant) -> Result<()> {
    if grant.status != "active" {
        return Err(Error::Forbidden(format!("the grant is {}", grant.status)));
    }
    if grant.expires_at <= now_naive() {
        return Err(Error::Forbidden("the grant's term is over; apply again".to_owned()));
    }
    Ok(())
}

/// Keeps a grant from giving anything for a while, or lets it give again: its tokens stop at the next request, and answers that are being
/// sent break off.
///
/// # Errors
/// When the caller may not, or it is not in the state that the step starts from.
pub fn suspend(conn: &mut Conn, caller: &Caller, id: &str, suspended: bool, reason: &str) -> Result<Grant> {
    caller.with_role(&[Role::Operator, Role::Reviewer])?;
    let (from, to, kind) = match suspended {
        true => ("active", "suspended", Kind::GrantSuspended),
        false => ("suspended", "active", Kind::GrantResumed),
    };
    let grant = find(conn, id)?;
    let changed = diesel::update(grants::table.find(id).filter(grants::status.eq(from)))
        .set((grants::status.eq(to), grants::reason.eq(reason)))
        .execute(conn)?;
    if changed == 0 {
        return Err(Error::Conflict(format!("the grant is {}, not {from}", grant.status)));
    }
    let detail = json!({ "firm": grant.firm_id, "dataset": grant.dataset });
    ledger::append_with_reason(conn, kind, &caller.actor(), &format!("grant:{id}"), detail, reason)?;
    find(conn, id)
}

/// The grants over a dataset that have not come to their end.
///
/// # Errors
/// When the database does not answer.
pub fn running_over(conn: &mut Conn, dataset: &Dataset) -> Result<Vec<String>> {
    let over = grants::table.filter(grants::dataset_id.eq(&dataset.id));
    let running = over.filter(grants::status.ne("revoked")).filter(grants::ended_at.is_null());
    Ok(running.order(grants::id).select(grants::id).load(conn)?)
}

/// Ends a grant before its term: its tokens stop at the next request.
///
/// # Errors
/// When the caller may not, or it is revoked already.
pub fn revoke(conn: &mut Conn, caller: &Caller, id: &str, reason: &str) -> Result<Grant> {
    caller.with_role(&[Role::Operator, Role::Reviewer])?;
    let grant = find(conn, id)?;
    let changed = diesel::update(grants::table.find(id).filter(grants::status.ne("revoked")))
        .set((grants::status.eq("revoked"), grants::revoked_at.eq(now_naive()), grants::reason.eq(reason)))
        .execute(conn)?;
    if changed == 0 {
        return Err(Error::Conflict(format!("the grant is {} already", grant.status)));
    }
    let detail = json!({ "firm": grant.firm_id, "dataset": grant.dataset });
    ledger::append_with_reason(conn, Kind::GrantRevoked, &caller.actor(), &format!("grant:{id}"), detail, reason)?;
    find(conn, id)
}
