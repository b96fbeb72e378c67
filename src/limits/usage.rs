//! Bytes a day of each caller: counted in memory while they stream, added to the database every few seconds, so that the
//! count survives a restart and holds over replicas. Callers are kept as keyed hashes.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chrono::{Duration, Utc};
use diesel::prelude::*;

use super::LimitKey;
use crate::crypto::HmacKey;
use crate::db::schema::usage_days;
use crate::db::{Conn, Db};
use crate::error::{Error, Result};

/// How many days of counts are kept.
const KEPT_DAYS: i64 = 40;

/// The count of bytes.
pub struct Usage {
    key: HmacKey,
    /// Bytes that are not in the database yet, by hashed caller and day.
    pending: Mutex<HashMap<(String, String), u64>>,
}

impl Usage {
    /// An empty count; callers are hashed with `key`.
    pub fn new(key: HmacKey) -> Self {
        Usage { key, pending: Mutex::default() }
    }

    fn slot(&self, key: &LimitKey) -> (String, String) {
        (self.key.hex(key.name.as_bytes()), today())
    }

    /// Counts bytes that were sent.
    pub fn add(&self, key: &LimitKey, bytes: u64) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        *pending.entry(self.slot(key)).or_insert(0) += bytes;
    }

    /// Whether the caller may take more today.
    ///
    /// # Errors
    /// When the day's bytes are used up.
    pub async fn check(&self, db: &Db, key: &LimitKey, bytes_per_day: u64) -> Result<()> {
        let slot = self.slot(key);
        let pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner).get(&slot).copied().unwrap_or(0);
        let stored = db.read(move |conn| stored(conn, &slot.0, &slot.1)).await?;
        if pending + stored < bytes_per_day {
            return Ok(());
        }
        let now = Utc::now();
        let midnight = (now + Duration::days(1)).date_naive().and_time(chrono::NaiveTime::MIN).and_utc();
        let retry_after_seconds = (midnight - now).num_seconds().max(1).unsigned_abs();
        let reason = format!("the {bytes_per_day} bytes of today are used up; the count starts again at 00:00 UTC");
        Err(Error::RateLimited { reason, retry_after_seconds })
    }

    /// Adds what is pending to the database.
    ///
    /// # Errors
    /// When the database does not take it; the bytes stay pending.
    pub fn flush(&self, db: &Db) -> Result<()> {
        let taken = std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner));
        if taken.is_empty() {
            return Ok(());
        }
        let written = db.write_now(|conn| {
            let oldest = (Utc::now() - Duration::days(KEPT_DAYS)).format("%Y-%m-%d").to_string();
            diesel::delete(usage_days::table.filter(usage_days::day.lt(oldest))).execute(conn)?;
            taken.iter().try_for_each(|((caller, day), bytes)| add(conn, caller, day, *bytes as i64))
        });
        if written.is_err() {
            let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            for (slot, bytes) in taken {
                *pending.entry(slot).or_insert(0) += bytes;
            }
        }
        written
    }
}

fn today() -> String {
    Utc::now().format("%Y-%m-%d").to_string()
}

fn stored(conn: &mut Conn, caller: &str, day: &str) -> Result<u64> {
    let bytes: Option<i64> = usage_days::table.find((caller, day)).select(usage_days::bytes).first(conn).optional()?;
    Ok(bytes.unwrap_or(0).max(0).unsigned_abs())
}

fn add(conn: &mut Conn, caller: &str, day: &str, bytes: i64) -> Result<()> {
    let known = diesel::update(usage_days::table.find((caller, day))).set(usage_days::bytes.eq(usage_days::bytes + bytes)).execute(conn)?;
    if known == 0 {
        diesel::insert_into(usage_days::table)
            .values((usage_days::caller.eq(caller), usage_days::day.eq(day), usage_days::bytes.eq(bytes)))
            .execute(conn)?;
    }
    Ok(())
}
