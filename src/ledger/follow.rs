//! Follows the ledger, so that what is kept in memory of the open list and of firms is dropped as soon as it has changed, on every
//! replica: each change is an entry, written in the same transaction.

use std::sync::{Mutex, MutexGuard, PoisonError};

use diesel::prelude::*;

use super::Kind;
use super::kinds::Topic;
use crate::db::schema::ledger;
use crate::db::{Conn, Db};
use crate::error::Result;

/// How many new entries are looked at; after more than these everything counts as changed.
const MOST: i64 = 1000;

/// The entries that changed something last. What was read from the database while a mark is the same still holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Marks {
    /// Of the open list: datasets with their versions and public releases, publishers, themes.
    pub list: i64,
    /// Of firms, their clients and their tokens.
    pub firms: i64,
    /// Of what the public says.
    pub heard: i64,
    /// Of grants.
    pub grants: i64,
    /// Of the keys that sign tokens.
    pub keys: i64,
    /// The last entry that was looked at, whatever it changed.
    pub seen: i64,
}

impl Marks {
    fn everything(seq: i64) -> Self {
        Marks { list: seq, firms: seq, heard: seq, grants: seq, keys: seq, seen: seq }
    }

    pub(super) fn raise(&mut self, other: Marks) {
        self.list = self.list.max(other.list);
        self.firms = self.firms.max(other.firms);
        self.heard = self.heard.max(other.heard);
        self.grants = self.grants.max(other.grants);
        self.keys = self.keys.max(other.keys);
        self.seen = self.seen.max(other.seen);
    }

    /// Of the register: who holds which grant of which dataset.
    pub fn register(self) -> i64 {
        self.list.max(self.firms).max(self.grants)
    }

    /// Of the page of a dataset.
    pub fn page(self) -> i64 {
        self.list.max(self.heard)
    }

    /// Whether nothing has changed between these and the others that a read depends on.
    pub fn same(self, other: Marks) -> bool {
        (self.list, self.firms, self.grants, self.keys) == (other.list, other.firms, other.grants, other.keys)
    }

    /// The last entry that changed anything.
    pub(super) fn newest(self) -> i64 {
        self.list.max(self.firms).max(self.grants).max(self.keys)
    }
}

/// Knows the marks as of the last time that it looked.
#[derive(Default)]
pub struct Follower {
    seen: Mutex<Seen>,
    /// One looks, and those who came before it looked take what it saw.
    looking: tokio::sync::Mutex<()>,
}

#[derive(Clone, Copy, Default)]
struct Seen {
    /// What [`Db::commits`] said before the last look.
    commits: Option<u64>,
    /// How many looks have begun.
    begun: u64,
    /// Which of them came to its end last.
    done: u64,
    marks: Marks,
}

impl Follower {
    /// The marks at this moment. The database is asked only when something may have been written.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn marks(&self, db: &Db) -> Result<Marks> {
        let wanted = db.commits();
        let begun = {
            let seen = self.seen();
            if wanted.is_some() && seen.commits >= wanted {
                return Ok(seen.marks);
            }
            seen.begun
        };
        let _turn = self.looking.lock().await;
        let (look, after) = {
            let mut seen = self.seen();
            // Somebody looked meanwhile, who began after we came.
            if seen.done > begun {
                return Ok(seen.marks);
            }
            seen.begun += 1;
            (seen.begun, seen.marks.seen)
        };
        let commits = db.commits();
        let marks = db.read(move |conn| news(conn, after)).await?;
        let mut seen = self.seen();
        seen.marks.raise(marks);
        (seen.commits, seen.done) = (commits, look);
        Ok(seen.marks)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the entries after `after` have changed.
pub(super) fn news(conn: &mut Conn, after: i64) -> Result<Marks> {
    let last: Option<i64> = ledger::table.select(diesel::dsl::max(ledger::seq)).first(conn)?;
    let last = last.unwrap_or(after).max(after);
    let mut marks = Marks { seen: last, ..Marks::default() };
    if last == after {
        return Ok(marks);
    }
    // Reads change nothing, and may be many.
    let entries: Vec<(i64, String)> = ledger::table
        .filter(ledger::seq.gt(after).and(ledger::seq.le(last)))
        .filter(ledger::kind.ne(Kind::ReadAllowed.as_str()).and(ledger::kind.ne(Kind::ReadRefused.as_str())))
        .order(ledger::seq)
        .limit(MOST)
        .select((ledger::seq, ledger::kind))
        .load(conn)?;
    if entries.len() as i64 == MOST {
        return Ok(Marks::everything(last));
    }
    for (seq, kind) in entries {
        marks.raise(match Kind::named(&kind).map(Kind::topic) {
            Some(Topic::List) => Marks { list: seq, ..Marks::default() },
            Some(Topic::Firms) => Marks { firms: seq, ..Marks::default() },
            Some(Topic::Heard) => Marks { heard: seq, ..Marks::default() },
            Some(Topic::Words) => Marks { list: seq, firms: seq, ..Marks::default() },
            Some(Topic::Grants) => Marks { grants: seq, ..Marks::default() },
            Some(Topic::Keys) => Marks { keys: seq, ..Marks::default() },
            Some(Topic::Other) => Marks::default(),
            // Of a newer program that shares the database.
            None => Marks::everything(seq),
        });
    }
    Ok(marks)
}

/// The subjects of entries after `after` that changed the open list, in their order, `limit` at the most, each with its number.
///
/// # Errors
/// When the database does not answer.
pub fn list_changes(conn: &mut Conn, after: i64, limit: i64) -> Result<Vec<(i64, String)>> {
    // An entry of a newer program that shares the database may have changed the list.
    let others: Vec<&str> = Kind::ALL.iter().filter(|kind| kind.topic() != Topic::List).map(|kind| kind.as_str()).collect();
    let changes = ledger::table.filter(ledger::seq.gt(after)).filter(ledger::kind.ne_all(others));
    Ok(changes.order(ledger::seq).limit(limit).select((ledger::seq, ledger::subject)).load(conn)?)
}

/// The number of the last entry; 0 where there is none.
///
/// # Errors
/// When the database does not answer.
pub fn last_entry(conn: &mut Conn) -> Result<i64> {
    let last: Option<i64> = ledger::table.select(diesel::dsl::max(ledger::seq)).first(conn)?;
    Ok(last.unwrap_or(0))
}

/// Who wrote an entry.
///
/// # Errors
/// When the database does not answer.
pub fn actor_of(conn: &mut Conn, seq: i64) -> Result<Option<String>> {
    Ok(ledger::table.find(seq).select(ledger::actor).first(conn).optional()?)
}

/// The hash of an entry.
///
/// # Errors
/// When the database does not answer.
pub fn hash_of(conn: &mut Conn, seq: i64) -> Result<Option<String>> {
    Ok(ledger::table.find(seq).select(ledger::hash).first(conn).optional()?)
}
