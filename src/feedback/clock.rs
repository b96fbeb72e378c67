//! What time does to it.

use diesel::prelude::*;
use serde_json::json;

use super::{Row, Rules, Shown};
use crate::clock::now_naive;
use crate::db::schema::feedback as rows;
use crate::db::{Conn, lock_ledger};
use crate::error::Result;
use crate::ledger::{self, Kind};

/// How many are looked at with one lock.
const BATCH: i64 = 200;

/// In which states it is the publisher's turn.
const TURN: [&str; 2] = ["open", "accepted"];

/// States in which nobody reads any more what was shown.
const GONE: [&str; 2] = ["withdrawn", "dismissed"];

/// What is done with and still has words that nobody reads: what was filed and is not shown, or a question with its reply.
macro_rules! has_words {
    () => {
        rows::question.is_not_null().or(rows::words.is_not_null().and(rows::shown.ne(Shown::Shown.as_str()).or(rows::state.eq_any(GONE))))
    };
}

/// Whether time has done anything that [`note_overdue`] and [`forget_old`] would find.
///
/// # Errors
/// When the database does not answer.
pub fn any_over(conn: &mut Conn, rules: &Rules) -> Result<bool> {
    let late = rows::table.filter(rows::state.eq_any(TURN)).filter(rows::due_at.le(now_naive())).filter(rows::overdue_at.is_null());
    let late: i64 = late.count().get_result(conn)?;
    let old = rows::table.filter(rows::closed_at.lt(rules.kept_since()));
    let old: i64 = old.filter(rows::voter.is_not_null().or(has_words!())).count().get_result(conn)?;
    Ok(late + old > 0)
}

/// Writes down, once, of which the publisher has let the time go by; answers how many.
///
/// # Errors
/// When the database does not take it.
pub fn note_overdue(conn: &mut Conn) -> Result<usize> {
    lock_ledger(conn)?;
    let late = rows::table.filter(rows::state.eq_any(TURN)).filter(rows::due_at.le(now_naive())).filter(rows::overdue_at.is_null());
    let late: Vec<Row> = late.order(rows::due_at).limit(BATCH).select(Row::as_select()).load(conn)?;
    for row in &late {
        note(conn, row)?;
    }
    Ok(late.len())
}

/// Writes down that the publisher has let the time go by.
pub(super) fn note(conn: &mut Conn, row: &Row) -> Result<()> {
    diesel::update(rows::table.find(&row.id)).set(rows::overdue_at.eq(now_naive())).execute(conn)?;
    let detail =
        json!({ "kind": row.kind, "publisher": row.publisher, "due_at": row.due_at.map(|due| crate::clock::format(due.and_utc())) });
    ledger::append(conn, Kind::FeedbackOverdue, "service", &row.subject(), &detail)?;
    Ok(())
}

/// Forgets what nobody needs any more: the words of what is done with and was never shown, and by what raters are told apart; answers how many.
///
/// # Errors
/// When the database does not take it.
pub fn forget_old(conn: &mut Conn, rules: &Rules) -> Result<usize> {
    lock_ledger(conn)?;
    let before = rules.kept_since();
    let old = || rows::table.filter(rows::closed_at.lt(before));
    diesel::update(old().filter(rows::voter.is_not_null())).set(rows::voter.eq(None::<String>)).execute(conn)?;
    let over: Vec<Row> = old().filter(has_words!()).limit(BATCH).select(Row::as_select()).load(conn)?;
    for row in &over {
        let read = row.shown == Shown::Shown.as_str() && !GONE.contains(&row.state.as_str());
        for (entry, words) in ledger::history(conn, &row.subject())? {
            // An answer was public from the beginning, but that to a claim.
            let public = entry.kind == Kind::FeedbackAnswered.as_str() && row.shown != Shown::Private.as_str();
            let filed = entry.kind == Kind::FeedbackFiled.as_str();
            if words.is_some() && !public && !(read && filed) {
                ledger::redact(conn, "service", entry.seq, "kept for as long as the settings say")?;
            }
        }
        diesel::update(rows::table.find(&row.id)).set(rows::question.eq(None::<String>)).execute(conn)?;
        if !read {
            let (words, title) = (rows::words.eq(None::<String>), rows::title.eq(None::<String>));
            let (maker, link) = (rows::maker.eq(None::<String>), rows::link.eq(None::<String>));
            diesel::update(rows::table.find(&row.id)).set((words, title, maker, link)).execute(conn)?;
        }
    }
    Ok(over.len())
}
