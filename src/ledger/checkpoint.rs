//! Checkpoints that were given out, and what the ledger must agree with for ever after.

use chrono::{Duration, NaiveDateTime};
use diesel::prelude::*;

use super::merkle::{self, Hash};
use super::note::LogKey;
use super::tree::{self, Tree};
use crate::clock::now_naive;
use crate::crypto::{hex, unhex};
use crate::db::Conn;
use crate::db::schema::checkpoints;
use crate::error::{Error, Result};

/// A new one is signed at the most so often: whoever asks in between gets the last one.
const APART: Duration = Duration::seconds(1);

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = checkpoints)]
struct CheckpointRow {
    size: i64,
    root: String,
    note: String,
    created_at: NaiveDateTime,
}

/// The note of a checkpoint that will do: the last one, when nothing was written since or it is new enough.
///
/// # Errors
/// When the database does not answer.
pub fn fresh(conn: &mut Conn) -> Result<Option<String>> {
    let size = tree::size(conn)?;
    let last: Option<CheckpointRow> = checkpoints::table.order(checkpoints::size.desc()).first(conn).optional()?;
    Ok(last.filter(|last| last.size.unsigned_abs() == size || now_naive() < last.created_at + APART).map(|last| last.note))
}

/// Signs a checkpoint over all entries, unless there is one already, and answers its note. Of each minute the last one is kept.
///
/// # Errors
/// When the database does not take it.
pub fn sign(conn: &mut Conn, key: &LogKey) -> Result<String> {
    crate::db::lock_ledger(conn)?;
    if let Some(note) = fresh(conn)? {
        return Ok(note);
    }
    let size = tree::size(conn)?;
    let root = merkle::root(&mut Tree::new(conn), size)?;
    let created_at = now_naive();
    let row =
        CheckpointRow { size: i64::try_from(size).map_err(Error::internal)?, root: hex(&root), note: key.sign(size, root), created_at };
    let minute = created_at - Duration::microseconds(created_at.and_utc().timestamp_micros().rem_euclid(60_000_000));
    diesel::delete(checkpoints::table.filter(checkpoints::created_at.ge(minute))).execute(conn)?;
    diesel::insert_into(checkpoints::table).values(&row).execute(conn)?;
    Ok(row.note)
}

/// How many entries the last checkpoint is over.
pub(super) fn last_signed(conn: &mut Conn) -> Result<Option<u64>> {
    let size: Option<i64> = checkpoints::table.select(diesel::dsl::max(checkpoints::size)).first(conn)?;
    Ok(size.map(i64::unsigned_abs))
}

/// The roots that were signed for trees of more than `after` entries, smallest first.
pub(super) fn signed_after(conn: &mut Conn, after: u64, limit: i64) -> Result<Vec<(u64, Option<Hash>)>> {
    let after = i64::try_from(after).map_err(Error::internal)?;
    let rows: Vec<(i64, String)> = checkpoints::table
        .filter(checkpoints::size.gt(after))
        .order(checkpoints::size)
        .limit(limit)
        .select((checkpoints::size, checkpoints::root))
        .load(conn)?;
    let root = |text: String| unhex(&text).and_then(|bytes| bytes.try_into().ok());
    Ok(rows.into_iter().map(|(size, text)| (size.unsigned_abs(), root(text))).collect())
}
