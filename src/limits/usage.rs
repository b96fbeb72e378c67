//! Bytes a day of each caller: counted in memory while they stream, added to the database every few seconds, so that the
//! count survives a restart and holds over replicas. Callers are kept as keyed hashes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use chrono::{Duration, Utc};
use diesel::prelude::*;

use super::LimitKey;
use crate::crypto::HmacKey;
use crate::db::schema::usage_days;
use crate::db::{Conn, Db};
use crate::error::{Error, Result};

/// For how long what the database had is believed.
const KNOWN_FOR: std::time::Duration = std::time::Duration::from_secs(5);

/// How many days of counts are kept.
const KEPT_DAYS: i64 = 40;

/// The count of bytes.
pub struct Usage {
    key: HmacKey,
    /// Bytes that are not in the database yet, by hashed caller and day.
    pending: Mutex<HashMap<Slot, u64>>,
    /// Bytes that the database had when it was asked last, and when that was. Other replicas add to them.
    known: Mutex<HashMap<Slot, (u64, Instant)>>,
    /// How often what was pending went into the database.
    flushes: AtomicU64,
}

/// A hashed caller and a day.
type Slot = (String, String);

impl Usage {
    /// An empty count; callers are hashed with `key`.
    pub fn new(key: HmacKey) -> Self {
        Usage { key, pending: Mutex::default(), known: Mutex::default(), flushes: AtomicU64::new(0) }
    }

    fn slot(&self, key: &LimitKey) -> Slot {
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
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&slot).copied();
        let stored = match known.filter(|(_, at)| at.elapsed() < KNOWN_FOR) {
            Some((stored, _)) => stored,
            None => {
                let (asked, flushes) = (slot.clone(), self.flushes.load(Ordering::Acquire));
                let stored = db.read(move |conn| stored(conn, &asked.0, &asked.1)).await?;
                let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                // What was read before a flush is not what there is after it.
                if flushes == self.flushes.load(Ordering::Acquire) {
                    known.insert(slot, (stored, Instant::now()));
                }
                stored
            }
        };
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
        self.known.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, (_, at)| at.elapsed() < KNOWN_FOR);
        let taken = std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner));
        if taken.is_empty() {
            return Ok(());
        }
        let written = db.write_now(|conn| {
            let oldest = (Utc::now() - Duration::days(KEPT_DAYS)).format("%Y-%m-%d").to_string();
            diesel::delete(usage_days::table.filter(usage_days::day.lt(oldest))).execute(conn)?;
            taken.iter().try_for_each(|((caller, day), bytes)| add(conn, caller, day, *bytes as i64))
        });
        if written.is_ok() {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            self.flushes.fetch_add(1, Ordering::AcqRel);
            // The next check asks again.
            taken.keys().for_each(|slot| _ = known.remove(slot));
        } else {
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
