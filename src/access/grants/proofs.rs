//! Proofs of deletion: what a firm says at the end of a grant of how it deleted the data. 删除证明

use chrono::{NaiveDate, NaiveDateTime};
use diesel::prelude::*;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::find;
use crate::clock::{now_naive, shanghai};
use crate::db::schema::{datasets, deletion_proofs, firms, grants};
use crate::db::{Conn, lock_ledger};
use crate::error::{Error, Result};
use crate::identity::{Caller, Role};
use crate::ledger::{self, Kind};

/// A firm's proof that it deleted the data of a grant.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DeletionProof {
    /// Never changes.
    pub id: String,
    /// The grant.
    pub grant_id: String,
    /// On which day the data was deleted, in Shanghai.
    #[schema(value_type = String, format = Date)]
    pub deleted_on: NaiveDate,
    /// How.
    pub method: String,
    /// Which copies there were, and what became of each: backups, caches, what models keep.
    pub copies: String,
    /// When it was filed.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    pub filed_at: NaiveDateTime,
}

/// What a firm says.
pub struct NewDeletionProof {
    /// On which day the data was deleted, in Shanghai.
    pub deleted_on: NaiveDate,
    /// How.
    pub method: String,
    /// Which copies there were, and what became of each.
    pub copies: String,
}

/// A proof that did not come in time.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct OverdueProof {
    /// The grant whose firm owes it.
    pub grant_id: String,
    /// The firm.
    pub firm_id: String,
    /// The firm's name.
    pub firm_name: String,
    /// The dataset, by slug.
    pub dataset: String,
    /// When it was due.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    pub due_at: NaiveDateTime,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = deletion_proofs)]
struct ProofRow {
    id: String,
    grant_id: String,
    deleted_on: String,
    method: String,
    copies: String,
    filed_by: String,
    filed_at: NaiveDateTime,
}

fn view(row: ProofRow) -> Result<DeletionProof> {
    Ok(DeletionProof {
        deleted_on: row.deleted_on.parse().map_err(Error::internal)?,
        id: row.id,
        grant_id: row.grant_id,
        method: row.method,
        copies: row.copies,
        filed_at: row.filed_at,
    })
}

/// The proof of a grant, if its firm has filed one.
///
/// # Errors
/// When the database does not answer.
pub fn proof_of(conn: &mut Conn, grant: &str) -> Result<Option<DeletionProof>> {
    let row: Option<ProofRow> =
        deletion_proofs::table.filter(deletion_proofs::grant_id.eq(grant)).select(ProofRow::as_select()).first(conn).optional()?;
    row.map(view).transpose()
}

/// Takes a firm's proof that it deleted the data of a grant.
///
/// # Errors
/// When it is another firm's grant, one that has not ended, or one that is proved already; and when the day lies ahead or before the grant.
pub fn file(conn: &mut Conn, caller: &Caller, grant_id: &str, new: NewDeletionProof) -> Result<DeletionProof> {
    let firm = caller.firm()?.to_owned();
    lock_ledger(conn)?;
    let grant = find(conn, grant_id)?;
    if grant.firm_id != firm {
        return Err(Error::not_found("grant", grant_id));
    }
    if grant.status != "revoked" && grant.expires_at > now_naive() {
        return Err(Error::Conflict("the grant has not ended; the proof is filed behind its end".to_owned()));
    }
    if proof_of(conn, grant_id)?.is_some() {
        return Err(Error::Conflict("the deletion is proved already".to_owned()));
    }
    let (first, today) = (shanghai(grant.starts_at).date(), shanghai(now_naive()).date());
    if !(first..=today).contains(&new.deleted_on) {
        return Err(Error::invalid("/deleted_on", format!("give a day from {first}, when the grant began, to today, {today}")));
    }
    let row = ProofRow {
        id: uuid::Uuid::now_v7().to_string(),
        grant_id: grant.id,
        deleted_on: new.deleted_on.to_string(),
        method: new.method,
        copies: new.copies,
        filed_by: caller.actor(),
        filed_at: now_naive(),
    };
    diesel::insert_into(deletion_proofs::table).values(&row).execute(conn)?;
    let detail = json!({ "firm": firm, "dataset": grant.dataset, "deleted_on": row.deleted_on });
    let words = format!("{}\n\n{}", row.method, row.copies);
    ledger::append_with_reason(conn, Kind::DeletionProved, &row.filed_by, &format!("grant:{}", row.grant_id), detail, &words)?;
    view(row)
}

/// The grants whose proof was due before a moment, has not come, and is not written down as overdue.
pub(super) fn due_before(conn: &mut Conn, moment: NaiveDateTime) -> Result<Vec<String>> {
    let proved = deletion_proofs::table.select(deletion_proofs::grant_id);
    Ok(grants::table
        .filter(grants::proof_due_at.le(moment))
        .filter(grants::proof_overdue_told.eq(false))
        .filter(grants::id.ne_all(proved))
        .select(grants::id)
        .load(conn)?)
}

/// Writes down that a proof did not come in time, once.
pub(super) fn tell_overdue(conn: &mut Conn, id: &str) -> Result<bool> {
    let still = grants::table.find(id).filter(grants::proof_overdue_told.eq(false));
    if proof_of(conn, id)?.is_some() || diesel::update(still).set(grants::proof_overdue_told.eq(true)).execute(conn)? == 0 {
        return Ok(false);
    }
    let grant = find(conn, id)?;
    let detail = json!({ "firm": grant.firm_id, "dataset": grant.dataset });
    ledger::append(conn, Kind::DeletionProofOverdue, "service", &format!("grant:{id}"), &detail)?;
    Ok(true)
}

/// The proofs that did not come in time, those that are due longest first.
///
/// # Errors
/// When the caller is neither operator nor auditor.
pub fn overdue_for(conn: &mut Conn, caller: &Caller) -> Result<Vec<OverdueProof>> {
    caller.with_role(&[Role::Operator, Role::Auditor])?;
    let proved = deletion_proofs::table.select(deletion_proofs::grant_id);
    let rows: Vec<(String, String, String, String, Option<NaiveDateTime>)> = grants::table
        .inner_join(firms::table)
        .inner_join(datasets::table)
        .filter(grants::proof_due_at.le(now_naive()))
        .filter(grants::id.ne_all(proved))
        .order((grants::proof_due_at, grants::id))
        .select((grants::id, grants::firm_id, firms::name, datasets::slug, grants::proof_due_at))
        .load(conn)?;
    let overdue = |(grant_id, firm_id, firm_name, dataset, due_at): (String, String, String, String, Option<NaiveDateTime>)| {
        Some(OverdueProof { grant_id, firm_id, firm_name, dataset, due_at: due_at? })
    };
    Ok(rows.into_iter().filter_map(overdue).collect())
}
