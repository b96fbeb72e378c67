//! The ledger: everything that happens is one entry, and entries chain by hash.
//!
//! The hash of an entry is the SHA-256 of the JSON array `[seq, moment, kind, actor, subject, detail, previous_hash]`, where
//! `detail` is the text of a JSON object and stands in the array as a string. The first entry's `previous_hash` is 64 zeros.
//! Entries name firms, people and things by id; names, addresses and other personal data never go in.

pub mod checkpoint;
mod follow;
mod kinds;
pub mod merkle;
mod moments;
pub mod note;
mod public;
mod record;
mod retention;
pub mod tree;
mod verify;
mod words;

use diesel::prelude::*;
use serde::Serialize;
use serde_json::Value;

use crate::crypto::sha256_hex;
use crate::db::schema::ledger;
use crate::db::{Conn, lock_ledger};
use crate::error::Result;

pub use follow::{Follower, Marks, actor_of, hash_of, last_entry, list_changes};
pub use kinds::Kind;
pub use moments::{Moment, last_moments, moments};
pub use public::{ListEvent, ListEvents, list_events};
pub use record::{Draft, Recorder};
pub use retention::forget_old;
pub use verify::{Verdict, verify};
pub use words::{LedgerRecord, Words, append_with_reason, count_of, history, list, redact};

/// What the first entry follows.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// How many entries a check reads at a time.
const BATCH: i64 = 1000;

/// One entry.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, Serialize, utoipa::ToSchema)]
#[diesel(table_name = ledger)]
pub struct LedgerEntry {
    /// Place in the chain, from 1, without gaps.
    pub seq: i64,
    /// When it happened, in UTC to the microsecond.
    pub moment: String,
    /// What happened, `noun.verb`.
    pub kind: String,
    /// Who did it: `person:ID`, `client:ID`, `anonymous` or `service`.
    pub actor: String,
    /// What it happened to: `dataset:SLUG`, `grant:ID` and the like.
    pub subject: String,
    /// The particulars: the text of a JSON object, exactly as it went into the hash.
    pub detail_json: String,
    /// The hash of the entry before.
    pub previous_hash: String,
    /// The hash of this entry.
    pub hash: String,
}

impl LedgerEntry {
    fn head(&self) -> Head {
        (self.seq, self.hash.clone())
    }

    fn computed_hash(&self) -> Result<String> {
        let parts = (self.seq, &self.moment, &self.kind, &self.actor, &self.subject, &self.detail_json, &self.previous_hash);
        Ok(sha256_hex(serde_json::to_string(&parts)?.as_bytes()))
    }
}

/// Adds an entry to the chain, in the caller's transaction.
///
/// # Errors
/// When the database does not take it.
pub fn append(conn: &mut Conn, kind: Kind, actor: &str, subject: &str, detail: &Value) -> Result<LedgerEntry> {
    lock_ledger(conn)?;
    let head = last(conn)?;
    append_after(conn, &head, kind, actor, subject, detail)
}

/// The last entry: its place and its hash.
type Head = (i64, String);

fn last(conn: &mut Conn) -> Result<Head> {
    let last: Option<Head> = ledger::table.order(ledger::seq.desc()).select((ledger::seq, ledger::hash)).first(conn).optional()?;
    Ok(last.unwrap_or((0, GENESIS.to_owned())))
}

/// Adds an entry behind the last one, by whoever holds the lock.
fn append_after(conn: &mut Conn, head: &Head, kind: Kind, actor: &str, subject: &str, detail: &Value) -> Result<LedgerEntry> {
    let (seq, previous_hash) = head.clone();
    let mut entry = LedgerEntry {
        seq: seq + 1,
        moment: crate::clock::format(crate::clock::now()),
        kind: kind.as_str().to_owned(),
        actor: actor.to_owned(),
        subject: subject.to_owned(),
        detail_json: detail.to_string(),
        previous_hash,
        hash: String::new(),
    };
    entry.hash = entry.computed_hash()?;
    diesel::insert_into(ledger::table).values(&entry).execute(conn)?;
    Ok(entry)
}
