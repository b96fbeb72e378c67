//! What becomes of a sanction: its effect, the firm's answer and appeal, the decision, the end.

use chrono::NaiveDateTime;
use diesel::prelude::*;
use serde_json::json;

use super::{IN_FORCE, LIFTED, Sanction, SanctionKind, SanctionRow, find};
use crate::clock::{format, now_naive};
use crate::db::schema::sanctions;
use crate::db::{Conn, lock_ledger};
use crate::error::{Error, Result};
use crate::identity::firms::{self, Firm, FirmStep};
use crate::identity::{Caller, Role};
use crate::ledger::{self, Kind};

/// Does to the firm what the sanction says.
pub(super) fn take_effect(conn: &mut Conn, caller: &Caller, kind: SanctionKind, row: &SanctionRow) -> Result<()> {
    // The reason stands in the sanction, and need not stand in the firm too.
    let reason = format!("sanction {}", row.id);
    match kind {
        SanctionKind::Warning | SanctionKind::Publication => Ok(()),
        SanctionKind::Throttle => firms::throttle(conn, &row.firm_id, true),
        // An operator has suspended it by hand already: the sanction takes that over, and the firm does nothing in between.
        SanctionKind::Suspension if row.firm_before.is_some() => Ok(()),
        SanctionKind::Suspension => firms::step(conn, &caller.actor(), &row.firm_id, FirmStep::Suspend, Some(&reason)).map(|_firm| ()),
        SanctionKind::Termination => firms::step(conn, &caller.actor(), &row.firm_id, FirmStep::Revoke, Some(&reason)).map(|_firm| ()),
    }
}

/// The state of the firm that a new sanction finds and has to remember: suspended by hand, where no sanction does so.
pub(super) fn before(conn: &mut Conn, kind: SanctionKind, firm: &Firm) -> Result<Option<String>> {
    let ends_acts = matches!(kind, SanctionKind::Suspension | SanctionKind::Termination);
    if !ends_acts || firm.status != firms::SUSPENDED || is_in_force(conn, &firm.id, SanctionKind::Suspension)?.is_some() {
        return Ok(None);
    }
    Ok(Some(firm.status.clone()))
}

/// Whether a sanction of this kind against the firm is in force.
fn is_in_force(conn: &mut Conn, firm_id: &str, kind: SanctionKind) -> Result<Option<String>> {
    let of_firm = sanctions::table.filter(sanctions::firm_id.eq(firm_id)).filter(sanctions::kind.eq(kind.as_str()));
    Ok(of_firm.filter(sanctions::status.eq(IN_FORCE)).select(sanctions::id).first(conn).optional()?)
}

/// Undoes what a sanction that is lifted did to the firm, as far as nothing else does it too.
fn undo(conn: &mut Conn, caller: &Caller, sanction: &Sanction) -> Result<()> {
    let (firm_id, actor) = (sanction.firm_id.as_str(), caller.actor());
    let reason = format!("sanction {} lifted", sanction.id);
    let step = |conn: &mut Conn, step| firms::step(conn, &actor, firm_id, step, Some(&reason)).map(|_firm| ());
    let status = firms::find(conn, firm_id)?.status;
    match sanction.kind {
        SanctionKind::Warning | SanctionKind::Publication => Ok(()),
        SanctionKind::Throttle => firms::throttle(conn, firm_id, false),
        SanctionKind::Suspension if status == firms::SUSPENDED => step(conn, FirmStep::Resume),
        SanctionKind::Suspension => Ok(()),
        SanctionKind::Termination if status == firms::REVOKED => {
            step(conn, FirmStep::Reinstate)?;
            // It was suspended before it was terminated, by hand or by a sanction, and that still holds.
            let before: Option<String> = sanctions::table.find(&sanction.id).select(sanctions::firm_before).first(conn)?;
            if before.is_some() || is_in_force(conn, firm_id, SanctionKind::Suspension)?.is_some() {
                step(conn, FirmStep::Suspend)?;
            }
            Ok(())
        }
        SanctionKind::Termination => Ok(()),
    }
}

/// Resumes a firm that was suspended by hand.
///
/// # Errors
/// When it is not suspended, or a sanction keeps it so, which is named: such a suspension ends with its sanction.
pub fn resume(conn: &mut Conn, caller: &Caller, firm_id: &str, reason: &str) -> Result<Firm> {
    caller.with_role(&[Role::Operator])?;
    // No sanction suspends the firm between the look and the step.
    lock_ledger(conn)?;
    match is_in_force(conn, firm_id, SanctionKind::Suspension)? {
        None => firms::step(conn, &caller.actor(), firm_id, FirmStep::Resume, Some(reason)),
        Some(id) => Err(Error::Conflict(format!("the firm is suspended by a sanction: POST /api/v1/sanctions/{id}/lifting"))),
    }
}

/// The sanction, when it is the caller's firm's and still in force.
fn own(conn: &mut Conn, caller: &Caller, id: &str) -> Result<Sanction> {
    let firm = caller.firm()?;
    lock_ledger(conn)?;
    let sanction = find(conn, id)?;
    if sanction.firm_id != firm {
        return Err(Error::not_found("sanction", id));
    }
    require_in_force(&sanction)?;
    Ok(sanction)
}

fn require_in_force(sanction: &Sanction) -> Result<()> {
    if sanction.status == IN_FORCE { Ok(()) } else { Err(Error::Conflict("the sanction is lifted already".to_owned())) }
}

fn require_in_time(what: &str, until: NaiveDateTime) -> Result<()> {
    if now_naive() < until {
        return Ok(());
    }
    Err(Error::Conflict(format!("the term to {what} ended at {}", format(until.and_utc()))))
}

/// Takes the firm's answer.
///
/// # Errors
/// When it is another firm's sanction, it is answered already, or the term is over.
pub fn answer(conn: &mut Conn, caller: &Caller, id: &str, text: &str) -> Result<Sanction> {
    let sanction = own(conn, caller, id)?;
    require_in_time("answer", sanction.answer_until)?;
    let open = sanctions::table.find(id).filter(sanctions::status.eq(IN_FORCE)).filter(sanctions::answered_at.is_null());
    let changed = diesel::update(open).set((sanctions::answer.eq(text), sanctions::answered_at.eq(now_naive()))).execute(conn)?;
    if changed == 0 {
        return Err(Error::Conflict("the sanction is answered already".to_owned()));
    }
    note(conn, caller, Kind::SanctionAnswered, &sanction, text)?;
    find(conn, id)
}

/// Takes the firm's appeal; there is one.
///
/// # Errors
/// When it is another firm's sanction, there is an appeal already, or the term is over.
pub fn appeal(conn: &mut Conn, caller: &Caller, id: &str, text: &str) -> Result<Sanction> {
    let sanction = own(conn, caller, id)?;
    require_in_time("appeal", sanction.appeal_until)?;
    let open = sanctions::table.find(id).filter(sanctions::status.eq(IN_FORCE)).filter(sanctions::appealed_at.is_null());
    let changed = diesel::update(open).set((sanctions::appeal.eq(text), sanctions::appealed_at.eq(now_naive()))).execute(conn)?;
    if changed == 0 {
        return Err(Error::Conflict("the firm has appealed already".to_owned()));
    }
    note(conn, caller, Kind::SanctionAppealed, &sanction, text)?;
    find(conn, id)
}

/// Decides an appeal. One that is granted lifts the sanction.
///
/// # Errors
/// When the caller imposed the sanction (four eyes), or no appeal waits for a decision.
pub fn decide_appeal(conn: &mut Conn, caller: &Caller, id: &str, grant: bool, reason: &str) -> Result<Sanction> {
    let person = caller.with_role(&[Role::Operator, Role::Reviewer])?;
    lock_ledger(conn)?;
    let sanction = find(conn, id)?;
    let imposed_by: String = sanctions::table.find(id).select(sanctions::imposed_by).first(conn)?;
    if imposed_by == person.id {
        return Err(Error::Forbidden("who imposed a sanction does not decide the appeal against it (four eyes)".to_owned()));
    }
    require_in_force(&sanction)?;
    let open = sanctions::table
        .find(id)
        .filter(sanctions::status.eq(IN_FORCE))
        .filter(sanctions::appealed_at.is_not_null())
        .filter(sanctions::appeal_decided_at.is_null());
    let decided = (
        sanctions::appeal_granted.eq(grant),
        sanctions::appeal_reason.eq(reason),
        sanctions::appeal_decided_by.eq(&person.id),
        sanctions::appeal_decided_at.eq(now_naive()),
    );
    if diesel::update(open).set(decided).execute(conn)? == 0 {
        return Err(Error::Conflict("no appeal waits for a decision".to_owned()));
    }
    let kind = if grant { Kind::SanctionAppealGranted } else { Kind::SanctionAppealRejected };
    note(conn, caller, kind, &sanction, reason)?;
    if grant {
        end(conn, caller, &sanction)?;
    }
    find(conn, id)
}

/// Lifts a sanction, whatever became of an appeal.
///
/// # Errors
/// When the caller is no operator, or it is lifted already.
pub fn lift(conn: &mut Conn, caller: &Caller, id: &str, reason: &str) -> Result<Sanction> {
    caller.with_role(&[Role::Operator])?;
    lock_ledger(conn)?;
    let sanction = find(conn, id)?;
    require_in_force(&sanction)?;
    diesel::update(sanctions::table.find(id)).set(sanctions::lifting_reason.eq(reason)).execute(conn)?;
    note(conn, caller, Kind::SanctionLifted, &sanction, reason)?;
    end(conn, caller, &sanction)?;
    find(conn, id)
}

/// Ends a sanction with what it did, and everything that shows it.
fn end(conn: &mut Conn, caller: &Caller, sanction: &Sanction) -> Result<()> {
    let ended = || (sanctions::status.eq(LIFTED), sanctions::lifted_at.eq(now_naive()));
    let open = sanctions::table.find(&sanction.id).filter(sanctions::status.eq(IN_FORCE));
    // The condition on the state makes the second of two simultaneous steps fail.
    if diesel::update(open).set(ended()).execute(conn)? == 0 {
        return Err(Error::Conflict("the sanction is lifted already".to_owned()));
    }
    undo(conn, caller, sanction)?;
    let showing = sanctions::table.filter(sanctions::publishes.eq(&sanction.id)).filter(sanctions::status.eq(IN_FORCE));
    let shown: Vec<String> = showing.select(sanctions::id).load(conn)?;
    for id in shown {
        diesel::update(sanctions::table.find(&id)).set(ended()).execute(conn)?;
        let detail = json!({ "firm": sanction.firm_id, "kind": SanctionKind::Publication, "with": sanction.id });
        ledger::append(conn, Kind::SanctionLifted, &caller.actor(), &format!("sanction:{id}"), &detail)?;
    }
    Ok(())
}

fn note(conn: &mut Conn, caller: &Caller, kind: Kind, sanction: &Sanction, words: &str) -> Result<()> {
    let detail = json!({ "firm": sanction.firm_id, "kind": sanction.kind });
    ledger::append_with_reason(conn, kind, &caller.actor(), &format!("sanction:{}", sanction.id), detail, words)?;
    Ok(())
}
