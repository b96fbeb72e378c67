//! What everybody may know of the ledger without proof: what happened to the list. 变更订阅

use diesel::prelude::*;
use serde_json::Value;

use super::{Kind, last_entry};
use crate::db::Conn;
use crate::db::schema::ledger;
use crate::error::Result;

/// How many entries are looked at for one answer; most of a ledger are reads.
const LOOKED_AT: i64 = 20_000;

/// The kinds of entries that are public.
const PUBLIC: [Kind; 10] = [
    Kind::DatasetCreated,
    Kind::DatasetUpdated,
    Kind::DatasetSuspended,
    Kind::DatasetRestored,
    Kind::DatasetWithdrawn,
    Kind::DatasetReopened,
    Kind::VersionPublished,
    Kind::PublisherUpdated,
    Kind::ThemeUpdated,
    Kind::SubjectClassUpdated,
];

/// Something that happened to the list.
#[derive(Debug, Clone)]
pub struct ListEvent {
    /// The entry's number.
    pub seq: i64,
    /// When it happened.
    pub moment: String,
    /// What happened.
    pub kind: Kind,
    /// What it happened to.
    pub subject: String,
    /// The particulars.
    pub detail: Value,
}

/// Some of what happened, and how far the ledger was looked at for it.
#[derive(Debug, Clone)]
pub struct ListEvents {
    /// The events, oldest first.
    pub events: Vec<ListEvent>,
    /// The last entry that was looked at.
    pub to: i64,
    /// Whether there are entries behind it.
    pub more: bool,
}

/// What happened to the list after entry number `since`: at most `limit` events.
///
/// # Errors
/// When the database does not answer.
pub fn list_events(conn: &mut Conn, since: i64, limit: i64) -> Result<ListEvents> {
    let last = last_entry(conn)?;
    let to = last.min(since.saturating_add(LOOKED_AT));
    type Row = (i64, String, String, String, String);
    let mut rows: Vec<Row> = ledger::table
        .filter(ledger::seq.gt(since).and(ledger::seq.le(to)))
        .filter(ledger::kind.eq_any(PUBLIC.map(Kind::as_str)))
        .order(ledger::seq)
        .limit(limit + 1)
        .select((ledger::seq, ledger::moment, ledger::kind, ledger::subject, ledger::detail_json))
        .load(conn)?;
    let cut = rows.len() as i64 > limit;
    rows.truncate(limit as usize);
    let to = if cut { rows.last().map_or(to, |row| row.0) } else { to };
    let event = |(seq, moment, kind, subject, detail): Row| {
        Ok(Kind::named(&kind).map(|kind| ListEvent {
            seq,
            moment,
            kind,
            subject,
            detail: serde_json::from_str(&detail).unwrap_or_default(),
        }))
    };
    let events: Vec<Option<ListEvent>> = rows.into_iter().map(event).collect::<Result<_>>()?;
    Ok(ListEvents { events: events.into_iter().flatten().collect(), to, more: to < last })
}
