//! Votes for requests: one for each caller, and nothing of who it was.

use diesel::prelude::*;

use super::{FeedbackKind, FeedbackState, Row, Shown, find};
use crate::clock::now_naive;
use crate::crypto::HmacKey;
use crate::db::schema::{feedback as rows, feedback_votes};
use crate::db::{Conn, lock_ledger};
use crate::error::{Error, Result};

/// Who votes or rates, as far as two of one caller are told apart. 投票人
///
/// What is kept is an HMAC-SHA-256 over what it is about and the name by which the caller's limits count (a firm, a person, or the address; IPv6 by
/// /64), under a key of this service: two votes of one caller for different things do not show that they are.
pub struct Voter {
    /// The key.
    pub key: HmacKey,
    /// The name.
    pub name: String,
}

impl Voter {
    /// What is kept of them, about one thing.
    pub(super) fn tag(&self, about: &str) -> String {
        self.key.hex(format!("{about}\n{}", self.name).as_bytes())
    }
}

/// The request, where everybody sees it and it is not decided.
fn open(conn: &mut Conn, id: &str) -> Result<Row> {
    let row = find(conn, id)?;
    if row.kind != FeedbackKind::DataRequest.as_str() || row.shown != Shown::Shown.as_str() {
        return Err(Error::not_found("request", id));
    }
    if !row.state()?.is_under_way() {
        return Err(Error::Conflict("the request is answered; votes count until then".to_owned()));
    }
    Ok(row)
}

fn count(conn: &mut Conn, id: &str) -> Result<i32> {
    let votes: i64 = feedback_votes::table.filter(feedback_votes::feedback_id.eq(id)).count().get_result(conn)?;
    let votes = i32::try_from(votes).map_err(Error::internal)?;
    diesel::update(rows::table.find(id)).set(rows::votes.eq(votes)).execute(conn)?;
    Ok(votes)
}

/// Votes for a request. Who has voted already has voted once.
///
/// # Errors
/// When there is no such request, or it is answered.
pub fn vote(conn: &mut Conn, voter: &Voter, id: &str) -> Result<i32> {
    // Of two votes of one caller at the same time the second finds the first.
    lock_ledger(conn)?;
    let row = open(conn, id)?;
    let tag = voter.tag(&format!("vote:{}", row.id));
    let known: i64 = feedback_votes::table.find((id, &tag)).count().get_result(conn)?;
    if known == 0 {
        let new = (feedback_votes::feedback_id.eq(id), feedback_votes::voter.eq(tag), feedback_votes::voted_at.eq(now_naive()));
        diesel::insert_into(feedback_votes::table).values(new).execute(conn)?;
    }
    count(conn, id)
}

/// Takes a vote back; nothing where there is none.
///
/// # Errors
/// When there is no such request, or it is answered.
pub fn take_vote_back(conn: &mut Conn, voter: &Voter, id: &str) -> Result<i32> {
    lock_ledger(conn)?;
    let row = open(conn, id)?;
    let tag = voter.tag(&format!("vote:{}", row.id));
    diesel::delete(feedback_votes::table.find((id, &tag))).execute(conn)?;
    count(conn, id)
}

/// Forgets who voted for something that is done with; the number stays.
pub(super) fn forget(conn: &mut Conn, id: &str) -> Result<()> {
    diesel::delete(feedback_votes::table.filter(feedback_votes::feedback_id.eq(id))).execute(conn)?;
    Ok(())
}

/// What a state means for those who voted.
pub(super) fn settle(conn: &mut Conn, id: &str, state: FeedbackState) -> Result<()> {
    if state.is_under_way() { Ok(()) } else { forget(conn, id) }
}
