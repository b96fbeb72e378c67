//! The end of a grant: its firm is reminded before, its releases are deleted behind it, and a proof that the firm did the same is asked for.

use chrono::{Duration, NaiveDateTime};
use diesel::prelude::*;
use serde_json::json;

use super::proofs;
use crate::access::applications::Reach;
use crate::catalog::{self, Duty};
use crate::clock::now_naive;
use crate::db::schema::{grants, releases};
use crate::db::{Conn, lock_ledger};
use crate::error::Result;
use crate::ledger::{self, Kind};
use crate::settings::DutySettings;

/// What time has done to grants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ended {
    /// How many end soon, and were not said to before.
    pub reminded: usize,
    /// How many have ended.
    pub ended: usize,
    /// How many releases were deleted.
    pub releases: usize,
    /// How many proofs of deletion did not come in time.
    pub proofs_overdue: usize,
}

/// Looks through what time has done to grants: those that end soon, those that have ended, and proofs that did not come.
///
/// # Errors
/// When the database does not take it.
pub fn tidy(conn: &mut Conn, settings: &DutySettings) -> Result<Ended> {
    let (now, soon) = (now_naive(), now_naive() + Duration::days(i64::from(settings.reminder_days)));
    let alive = || grants::table.filter(grants::ended_at.is_null());
    let ending: Vec<String> = alive()
        .filter(grants::status.eq("active"))
        .filter(grants::ending_told.eq(false))
        .filter(grants::expires_at.gt(now))
        .filter(grants::expires_at.le(soon))
        .select(grants::id)
        .load(conn)?;
    let over: Vec<String> = alive().filter(grants::expires_at.le(now).or(grants::status.eq("revoked"))).select(grants::id).load(conn)?;
    let proofs = proofs::due_before(conn, now)?;
    let mut done = Ended::default();
    if ending.is_empty() && over.is_empty() && proofs.is_empty() {
        return Ok(done);
    }
    // Whoever renews, revokes, or looks through the same at the same time waits; what is found is looked at again.
    lock_ledger(conn)?;
    for id in ending {
        done.reminded += usize::from(remind(conn, &id, soon)?);
    }
    for id in over {
        if let Some(releases) = end(conn, &id, settings)? {
            (done.ended, done.releases) = (done.ended + 1, done.releases + releases);
        }
    }
    for id in proofs {
        done.proofs_overdue += usize::from(proofs::tell_overdue(conn, &id)?);
    }
    Ok(done)
}

fn remind(conn: &mut Conn, id: &str, soon: NaiveDateTime) -> Result<bool> {
    let still = grants::table
        .find(id)
        .filter(grants::ending_told.eq(false))
        .filter(grants::status.eq("active"))
        .filter(grants::expires_at.le(soon));
    if diesel::update(still).set(grants::ending_told.eq(true)).execute(conn)? == 0 {
        return Ok(false);
    }
    let grant = super::find(conn, id)?;
    let until = crate::clock::format(grant.expires_at.and_utc());
    let detail = json!({ "firm": grant.firm_id, "dataset": grant.dataset, "until": until });
    ledger::append(conn, Kind::GrantEnding, "service", &format!("grant:{id}"), &detail)?;
    Ok(true)
}

/// Ends a grant whose time is over; answers how many releases were deleted.
fn end(conn: &mut Conn, id: &str, settings: &DutySettings) -> Result<Option<usize>> {
    let now = now_naive();
    let still =
        grants::table.find(id).filter(grants::ended_at.is_null()).filter(grants::expires_at.le(now).or(grants::status.eq("revoked")));
    if diesel::update(still).set(grants::ended_at.eq(now)).execute(conn)? == 0 {
        return Ok(None);
    }
    let grant = super::find(conn, id)?;
    let deleted = delete_releases(conn, id)?;
    let owes = owes_proof(&grant.reach);
    if owes {
        let due = now + Duration::days(i64::from(settings.proof_days));
        diesel::update(grants::table.find(id)).set(grants::proof_due_at.eq(due)).execute(conn)?;
    }
    let detail = json!({ "firm": grant.firm_id, "dataset": grant.dataset, "releases_deleted": deleted, "proof_owed": owes });
    ledger::append(conn, Kind::GrantEnded, "service", &format!("grant:{id}"), &detail)?;
    Ok(Some(deleted))
}

fn owes_proof(reach: &Reach) -> bool {
    reach.duties.contains(&Duty::DeletionProof)
}

/// Forgets the files of a grant's releases: nothing points at them any more, and they are removed. That there were such releases, and what
/// the policy did to them, stays.
fn delete_releases(conn: &mut Conn, grant: &str) -> Result<usize> {
    let made = releases::table.filter(releases::receiver.eq(grant)).filter(releases::deleted_at.is_null());
    let ids: Vec<String> = made.select(releases::id).load(conn)?;
    for id in &ids {
        catalog::forget_parts(conn, id)?;
        diesel::update(releases::table.find(id)).set(releases::deleted_at.eq(now_naive())).execute(conn)?;
    }
    Ok(ids.len())
}
