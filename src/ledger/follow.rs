//! Follows the ledger, so that what is kept in memory of the open list and of firms is dropped as soon as it has changed, on every
//! replica: each change is an entry, written in the same transaction.

use std::sync::{Mutex, MutexGuard, PoisonError};

use diesel::prelude::*;

use super::{Kind, Topic};
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
    /// Of firms and their clients.
    pub firms: i64,
}

impl Marks {
    fn everything(seq: i64) -> Self {
        Marks { list: seq, firms: seq }
    }

    fn raise(&mut self, other: Marks) {
        self.list = self.list.max(other.list);
        self.firms = self.firms.max(other.firms);
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
    /// The last entry that was looked at.
    seq: i64,
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
            (seen.begun, seen.seq)
        };
        let commits = db.commits();
        let (seq, marks) = db.read(move |conn| news(conn, after)).await?;
        let mut seen = self.seen();
        seen.marks.raise(marks);
        (seen.seq, seen.commits, seen.done) = (seq, commits, look);
        Ok(seen.marks)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The last entry, and what the ones after `after` have changed.
fn news(conn: &mut Conn, after: i64) -> Result<(i64, Marks)> {
    let entries: Vec<(i64, String)> =
        ledger::table.filter(ledger::seq.gt(after)).order(ledger::seq).limit(MOST).select((ledger::seq, ledger::kind)).load(conn)?;
    if entries.len() as i64 == MOST {
        let last: Option<i64> = ledger::table.select(diesel::dsl::max(ledger::seq)).first(conn)?;
        let last = last.unwrap_or(after);
        return Ok((last, Marks::everything(last)));
    }
    let (mut last, mut marks) = (after, Marks::default());
    for (seq, kind) in entries {
        last = seq;
        marks.raise(match Kind::named(&kind).map(Kind::topic) {
            Some(Topic::List) => Marks { list: seq, ..Marks::default() },
            Some(Topic::Firms) => Marks { firms: seq, ..Marks::default() },
            Some(Topic::Other) => Marks::default(),
            // Of a newer program that shares the database.
            None => Marks::everything(seq),
        });
    }
    Ok((last, marks))
}
