//! Checkpoints that were given out, and what the ledger must agree with for ever after.

use chrono::{Duration, NaiveDateTime};
use diesel::prelude::*;

use super::merkle;
use super::note::LogKey;
use super::tree::{self, Tree};
use crate::clock::now_naive;
use crate::crypto::hex;
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
    // In this order: a later checkpoint that somebody signs meanwhile is over entries that are there by then.
    let last: Option<CheckpointRow> = checkpoints::table.order(checkpoints::size.desc()).first(conn).optional()?;
    let size = tree::size(conn)?;
    let Some(last) = last else { return Ok(None) };
    if last.size.unsigned_abs() > size {
        // To sign a shorter tree would be to deny what was signed.
        let gone = format!("the ledger has {size} entries, and a checkpoint was signed over {}: its end was cut off", last.size);
        return Err(Error::internal(anyhow::anyhow!(gone)));
    }
    let age = now_naive() - last.created_at;
    let is_new = (Duration::zero()..APART).contains(&age);
    Ok((last.size.unsigned_abs() == size || is_new).then_some(last.note))
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
    let of_minute = checkpoints::created_at.ge(minute).and(checkpoints::created_at.lt(minute + Duration::minutes(1)));
    diesel::delete(checkpoints::table.filter(of_minute.and(checkpoints::size.lt(row.size)))).execute(conn)?;
    diesel::insert_into(checkpoints::table).values(&row).execute(conn)?;
    Ok(row.note)
}

/// How many entries the last checkpoint is over.
pub(super) fn last_signed(conn: &mut Conn) -> Result<Option<u64>> {
    let size: Option<i64> = checkpoints::table.select(diesel::dsl::max(checkpoints::size)).first(conn)?;
    Ok(size.map(i64::unsigned_abs))
}

/// A checkpoint that was signed, as it lies in the database.
pub(super) struct Signed {
    /// How many entries it is over.
    pub size: u64,
    /// The root, in hexadecimal.
    pub root: String,
    /// The note that was given out.
    pub note: String,
}

/// What was signed over more than `after` entries, smallest first.
pub(super) fn signed_after(conn: &mut Conn, after: u64, limit: i64) -> Result<Vec<Signed>> {
    let after = i64::try_from(after).map_err(Error::internal)?;
    let rows: Vec<CheckpointRow> =
        checkpoints::table.filter(checkpoints::size.gt(after)).order(checkpoints::size).limit(limit).load(conn)?;
    let signed = |row: CheckpointRow| Signed { size: row.size.unsigned_abs(), root: row.root, note: row.note };
    Ok(rows.into_iter().map(signed).collect())
}
