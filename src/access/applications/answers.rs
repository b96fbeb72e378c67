//! Steps of the firm after the submission: it answers, takes back, or appeals.

use serde_json::json;

use super::attachments::digests;
use super::steps::Turn;
use super::{Application, State, Step, due, find};
use crate::access::Terms;
use crate::clock::now_naive;
use crate::db::Conn;
use crate::error::{Error, Result};
use crate::identity::Caller;
use crate::ledger::{self, Kind};

/// Answers what the reviewer has asked for: it is the publisher's turn again.
///
/// # Errors
/// When it is another firm's, or nothing was asked.
pub fn answer(conn: &mut Conn, caller: &Caller, id: &str, words: &str, terms: &Terms) -> Result<Application> {
    let mut turn = Turn::of_firm(conn, caller, id, Step::Answer)?;
    let (to, days) = match turn.row.accepted_at {
        Some(_) => (State::Accepted, terms.days.decide),
        None => (State::Submitted, terms.days.accept),
    };
    // The publisher's clock stood still; what it had let go by is over still.
    let left = turn.row.days_left.take().map_or(days, |left| u32::try_from(left).unwrap_or(0));
    let detail = json!({ "attachments": digests(&turn.application) });
    turn.go(conn, to, Some(due(terms, left)))?;
    ledger::append_with_reason(conn, Kind::ApplicationAnswered, &caller.actor(), &format!("application:{id}"), detail, words)?;
    find(conn, id)
}

/// Takes an application back; an agreement that was drawn up for it can be signed no more.
///
/// # Errors
/// When it is another firm's, or there is nothing left to take back.
pub fn withdraw(conn: &mut Conn, caller: &Caller, id: &str, reason: &str) -> Result<Application> {
    let turn = Turn::of_firm(conn, caller, id, Step::Withdraw)?;
    let detail = json!({ "was": turn.state.as_str() });
    turn.go(conn, State::Withdrawn, None)?;
    ledger::append_with_reason(conn, Kind::ApplicationWithdrawn, &caller.actor(), &format!("application:{id}"), detail, reason)?;
    find(conn, id)
}

/// Appeals against a refusal, once.
///
/// # Errors
/// When it is another firm's, was not refused, the time for it is over, or there was an appeal already.
pub fn appeal(conn: &mut Conn, caller: &Caller, id: &str, reason: &str, terms: &Terms) -> Result<Application> {
    let mut turn = Turn::of_firm(conn, caller, id, Step::Appeal)?;
    if turn.row.appeals > 0 {
        return Err(Error::Conflict("there was an appeal already, and its decision stands; apply again".to_owned()));
    }
    if turn.row.due_at.is_none_or(|due| due <= now_naive()) {
        return Err(Error::Conflict("the time to appeal is over; apply again".to_owned()));
    }
    turn.row.appeals += 1;
    turn.go(conn, State::Appealed, Some(due(terms, terms.days.decide)))?;
    ledger::append_with_reason(conn, Kind::ApplicationAppealed, &caller.actor(), &format!("application:{id}"), json!({}), reason)?;
    find(conn, id)
}
