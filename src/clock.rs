//! The time of day, in one place, so that every record carries UTC to the microsecond on both databases.

use chrono::{DateTime, NaiveDateTime, SubsecRound, Utc};

/// How far Shanghai is ahead of UTC.
const SHANGHAI: chrono::Duration = chrono::Duration::hours(8);

/// Now, in UTC, cut to the microsecond that both databases keep.
pub fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}

/// Now, as the databases store it.
pub fn now_naive() -> NaiveDateTime {
    now().naive_utc()
}

/// A moment by the clocks of Shanghai, which is eight hours ahead of UTC throughout the year.
pub fn shanghai(at: NaiveDateTime) -> NaiveDateTime {
    at + SHANGHAI
}

/// A moment in UTC, from the clocks of Shanghai.
pub fn utc_of_shanghai(at: NaiveDateTime) -> NaiveDateTime {
    at - SHANGHAI
}

/// The one way that a moment is written in the ledger and in answers: `2026-11-24T08:00:00.000000Z`.
pub fn format(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// Writes a stored moment into an answer.
///
/// # Errors
/// When the serializer does not take it.
pub fn serialize<S: serde::Serializer>(at: &NaiveDateTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format(at.and_utc()))
}

/// Writes a stored moment into an answer, or null.
///
/// # Errors
/// When the serializer does not take it.
pub fn serialize_option<S: serde::Serializer>(at: &Option<NaiveDateTime>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => serialize(at, serializer),
        None => serializer.serialize_none(),
    }
}
