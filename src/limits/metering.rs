//! How much is read under each grant: calls, rows and bytes of a day, and days. Counted in memory while it streams, added to the database
//! every few seconds, so that the count survives a restart; other replicas' counts are known some seconds late.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use chrono::{Duration, NaiveDate, NaiveTime};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::clock::{now_naive, shanghai, utc_of_shanghai};
use crate::db::schema::grant_usage;
use crate::db::{Conn, Db};
use crate::error::{Error, Result};

/// For how long what the database had is believed.
const KNOWN_FOR: std::time::Duration = std::time::Duration::from_secs(5);

/// How much may be read under a grant; what is not said is not bounded. A day is one of Shanghai.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ReadQuota {
    /// Requests a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls_per_day: Option<u64>,
    /// Rows a day. Of a file a part counts as many rows as its part of the bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows_per_day: Option<u64>,
    /// Bytes a day, as they are sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_per_day: Option<u64>,
    /// On how many different days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
}

impl ReadQuota {
    /// Whether nothing is bounded.
    pub fn is_unbounded(&self) -> bool {
        *self == ReadQuota::default()
    }

    /// Of each bound the lower one.
    pub fn lower(self, other: ReadQuota) -> ReadQuota {
        fn least<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
            one.into_iter().chain(other).min()
        }
        ReadQuota {
            calls_per_day: least(self.calls_per_day, other.calls_per_day),
            rows_per_day: least(self.rows_per_day, other.rows_per_day),
            bytes_per_day: least(self.bytes_per_day, other.bytes_per_day),
            days: least(self.days, other.days),
        }
    }

    /// Each bound that there is: its key, how much, and what is counted in Chinese and English.
    pub fn bounds(&self) -> impl Iterator<Item = (&'static str, u64, &'static str, &'static str)> {
        let bounds = [
            ("calls_per_day", self.calls_per_day, "次调用／日", "calls a day"),
            ("rows_per_day", self.rows_per_day, "行／日", "rows a day"),
            ("bytes_per_day", self.bytes_per_day, "字节／日", "bytes a day"),
            ("days", self.days.map(u64::from), "个使用日", "days of use"),
        ];
        bounds.into_iter().filter_map(|(key, most, zh, en)| Some((key, most?, zh, en)))
    }
}

/// How much was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Amounts {
    /// Requests.
    pub calls: u64,
    /// Rows.
    pub rows: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Amounts {
    fn plus(self, other: Amounts) -> Amounts {
        Amounts { calls: self.calls + other.calls, rows: self.rows + other.rows, bytes: self.bytes + other.bytes }
    }
}

/// What was read under a grant up to now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Used {
    /// Today, by the day of Shanghai.
    pub today: Amounts,
    /// On how many different days.
    pub days: u32,
}

/// A grant and a day.
type Slot = (String, NaiveDate);

#[derive(Default)]
struct Counts {
    /// What is not in the database yet.
    pending: HashMap<Slot, Amounts>,
    /// What the database had when it was asked last, and when that was: of the day, and how many other days it had.
    known: HashMap<Slot, (Amounts, u32, Instant)>,
}

/// The count of what is read under grants.
#[derive(Default)]
pub struct Metering {
    counts: Mutex<Counts>,
    /// Nothing is pending and in the database at the same time for whoever holds it.
    writing: tokio::sync::RwLock<()>,
}

/// Counts one answer under one grant.
#[derive(Clone)]
pub struct Meter {
    metering: Arc<Metering>,
    grant: String,
    quota: ReadQuota,
}

impl Metering {
    fn counts(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was read under a grant up to now.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn used(&self, db: &Db, grant: &str) -> Result<Used> {
        let slot = (grant.to_owned(), today());
        let fresh = used_in(&self.counts(), &slot);
        if let Some(used) = fresh {
            return Ok(used);
        }
        let _nobody_writes = self.writing.read().await;
        let asked = slot.clone();
        let (stored, days) = db.read(move |conn| stored(conn, &asked)).await?;
        let mut counts = self.counts();
        counts.known.insert(slot.clone(), (stored, days, Instant::now()));
        let pending = counts.pending.get(&slot).copied().unwrap_or_default();
        Ok(sum(stored, days, pending))
    }

    /// Counts one call under a grant, if its quota has one left, and answers what counts its rows and bytes.
    ///
    /// # Errors
    /// When the quota of the day, or of days, is used up.
    pub async fn begin(self: &Arc<Self>, db: &Db, grant: &str, quota: ReadQuota) -> Result<Meter> {
        let meter = Meter { metering: Arc::clone(self), grant: grant.to_owned(), quota };
        if !quota.is_unbounded() {
            let used = self.used(db, grant).await?;
            let is_new_day = used.today == Amounts::default();
            if let Some(days) = quota.days.filter(|days| is_new_day && used.days >= *days) {
                return Err(Error::Forbidden(format!("the grant may be read on {days} different days, and they are used up; apply again")));
            }
            // Nothing is left of what one more of would be needed in any case.
            meter.require_left(used, Amounts { calls: 1, rows: 1, bytes: 1 })?;
        }
        meter.take(Amounts { calls: 1, ..Amounts::default() })?;
        Ok(meter)
    }

    /// Adds what is pending to the database. Not for a thread that runs asynchronous work.
    ///
    /// # Errors
    /// When the database does not take it; it stays pending.
    pub fn flush(&self, db: &Db) -> Result<()> {
        let _alone = self.writing.blocking_write();
        let today = today();
        let taken = {
            let mut counts = self.counts();
            counts.known.retain(|(_, day), _| *day == today);
            counts.pending.clone()
        };
        if taken.is_empty() {
            return Ok(());
        }
        db.write_now(|conn| taken.iter().try_for_each(|(slot, amounts)| add(conn, slot, *amounts)))?;
        let mut counts = self.counts();
        for (slot, written) in taken {
            if let Some((stored, ..)) = counts.known.get_mut(&slot) {
                *stored = stored.plus(written);
            }
            if let Some(pending) = counts.pending.get_mut(&slot) {
                // What came in between stays.
                *pending = Amounts {
                    calls: pending.calls - written.calls,
                    rows: pending.rows - written.rows,
                    bytes: pending.bytes - written.bytes,
                };
                if *pending == Amounts::default() {
                    counts.pending.remove(&slot);
                }
            }
        }
        Ok(())
    }
}

impl Meter {
    /// Counts what is about to be sent, if the quota has that much left.
    ///
    /// # Errors
    /// When it has not: nothing is counted, and nothing may be sent.
    pub fn take(&self, more: Amounts) -> Result<()> {
        let slot = (self.grant.clone(), today());
        let mut counts = self.metering.counts();
        self.require_left(self.used(&counts, &slot), more)?;
        let pending = counts.pending.get(&slot).copied().unwrap_or_default();
        counts.pending.insert(slot, pending.plus(more));
        Ok(())
    }

    /// Looks whether the quota has that much left.
    ///
    /// # Errors
    /// Says of which there is not, and how much is left.
    pub fn require(&self, more: Amounts) -> Result<()> {
        let counts = self.metering.counts();
        self.require_left(self.used(&counts, &(self.grant.clone(), today())), more)
    }

    /// What is counted of a day. Where the quota bounds anything, the database was asked at the beginning; a day that has begun since has
    /// nothing yet.
    fn used(&self, counts: &Counts, slot: &Slot) -> Used {
        let stored = counts.known.get(slot).map(|(stored, ..)| *stored).unwrap_or_default();
        sum(stored, 0, counts.pending.get(slot).copied().unwrap_or_default())
    }

    fn require_left(&self, used: Used, more: Amounts) -> Result<()> {
        let asked = [
            ("calls", self.quota.calls_per_day, used.today.calls, more.calls),
            ("rows", self.quota.rows_per_day, used.today.rows, more.rows),
            ("bytes", self.quota.bytes_per_day, used.today.bytes, more.bytes),
        ];
        for (what, most, used, more) in asked {
            let Some(most) = most.filter(|most| used.saturating_add(more) > *most) else { continue };
            let left = most.saturating_sub(used);
            let reason = format!(
                "the grant's quota of {most} {what} a day has {left} left, and this needs {more}; the count starts again at 00:00 Asia/Shanghai"
            );
            return Err(Error::RateLimited { reason, retry_after_seconds: until_midnight() });
        }
        Ok(())
    }
}

fn used_in(counts: &Counts, slot: &Slot) -> Option<Used> {
    let (stored, days, _) = counts.known.get(slot).filter(|(_, _, at)| at.elapsed() < KNOWN_FOR)?;
    Some(sum(*stored, *days, counts.pending.get(slot).copied().unwrap_or_default()))
}

/// `days` are those besides today.
fn sum(stored: Amounts, days: u32, pending: Amounts) -> Used {
    let today = stored.plus(pending);
    Used { today, days: days + u32::from(today != Amounts::default()) }
}

fn today() -> NaiveDate {
    shanghai(now_naive()).date()
}

fn until_midnight() -> u64 {
    let midnight = utc_of_shanghai((today() + Duration::days(1)).and_time(NaiveTime::MIN));
    (midnight - now_naive()).num_seconds().max(1).unsigned_abs()
}

/// What the database has of a day, and how many other days it has.
fn stored(conn: &mut Conn, (grant, day): &Slot) -> Result<(Amounts, u32)> {
    let day = day.to_string();
    let of_day: Option<(i64, i64, i64)> = grant_usage::table
        .find((grant, &day))
        .select((grant_usage::calls, grant_usage::read_rows, grant_usage::read_bytes))
        .first(conn)
        .optional()?;
    let others: i64 =
        grant_usage::table.filter(grant_usage::grant_id.eq(grant)).filter(grant_usage::day.ne(&day)).count().get_result(conn)?;
    let number = |number: i64| number.max(0).unsigned_abs();
    let amounts = of_day.map(|(calls, rows, bytes)| Amounts { calls: number(calls), rows: number(rows), bytes: number(bytes) });
    Ok((amounts.unwrap_or_default(), u32::try_from(others).unwrap_or(u32::MAX)))
}

fn add(conn: &mut Conn, (grant, day): &Slot, amounts: Amounts) -> Result<()> {
    let day = day.to_string();
    let (calls, rows, bytes) = (amounts.calls as i64, amounts.rows as i64, amounts.bytes as i64);
    let known = diesel::update(grant_usage::table.find((grant, &day)))
        .set((
            grant_usage::calls.eq(grant_usage::calls + calls),
            grant_usage::read_rows.eq(grant_usage::read_rows + rows),
            grant_usage::read_bytes.eq(grant_usage::read_bytes + bytes),
        ))
        .execute(conn)?;
    if known == 0 {
        let row = (
            grant_usage::grant_id.eq(grant),
            grant_usage::day.eq(day),
            grant_usage::calls.eq(calls),
            grant_usage::read_rows.eq(rows),
            grant_usage::read_bytes.eq(bytes),
        );
        diesel::insert_into(grant_usage::table).values(row).execute(conn)?;
    }
    Ok(())
}
