//! Entries of sensitive reads, many in one transaction: whoever reads waits until the entry is on the disk, together with all others who
//! read at that moment.
//!
//! That a read is allowed was found out before, and may be known no longer: an entry is written only when nothing has happened since that
//! could have changed it. Whoever decided on older news is told so, and decides again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};

use anyhow::anyhow;
use serde_json::Value;
use tokio::sync::oneshot;

use super::follow::{Marks, news};
use super::{Kind, append_after, last};
use crate::db::{Conn, Db, lock_ledger};
use crate::error::{Error, Result};

/// How many entries go to the disk together at the most.
const TOGETHER: usize = 256;

/// An entry that is to be written.
pub struct Draft {
    /// What happened.
    pub kind: Kind,
    /// Who did it.
    pub actor: String,
    /// What it happened to.
    pub subject: String,
    /// The particulars.
    pub detail: Value,
    /// The marks under which it was decided.
    pub marks: Marks,
}

struct Turn {
    draft: Draft,
    answer: oneshot::Sender<Result<bool>>,
}

/// The way to the thread that writes them, which ends with this.
pub struct Recorder(Sender<Turn>);

impl Recorder {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(db: Db) -> std::io::Result<Self> {
        let (sender, turns) = channel();
        std::thread::Builder::new().name("recorder".to_owned()).spawn(move || run(&db, &turns))?;
        Ok(Recorder(sender))
    }

    /// Writes an entry and answers when it is on the disk. `false` means that it was decided on older news, and nothing was written.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn record(&self, draft: Draft) -> Result<bool> {
        let ended = || Error::internal(anyhow!("the thread that records reads has ended"));
        let (answer, answered) = oneshot::channel();
        self.0.send(Turn { draft, answer }).map_err(|_ended| ended())?;
        answered.await.map_err(|_ended| ended())?
    }
}

fn run(db: &Db, turns: &Receiver<Turn>) {
    // What was before is looked at here, where nobody waits for the writer.
    let mut looked = db.read_now(|conn| news(conn, 0)).unwrap_or_else(|cause| {
        tracing::warn!(error = ?cause, "the ledger could not be looked at; the first entry of a read does it");
        Marks::default()
    });
    while let Ok(first) = turns.recv() {
        let (mut drafts, mut answers) = (vec![first.draft], vec![first.answer]);
        while drafts.len() < TOGETHER
            && let Ok(next) = turns.try_recv()
        {
            drafts.push(next.draft);
            answers.push(next.answer);
        }
        let before = looked;
        // A fault of one must not end the recording of all.
        let written = catch_unwind(AssertUnwindSafe(|| db.record_now(|conn| together(conn, &drafts, before))));
        match written.unwrap_or_else(|_told| Err(Error::internal(anyhow!("a panic while recording")))) {
            Ok((written, after)) => {
                looked = after;
                answers.into_iter().zip(written).for_each(|(answer, written)| _ = answer.send(Ok(written)));
            }
            Err(cause) => {
                tracing::error!(error = ?cause, entries = drafts.len(), "entries of reads could not be written; the reads are refused");
                let words = "the ledger does not take the entry at this moment, and without it nothing is read; try again";
                answers.into_iter().for_each(|answer| _ = answer.send(Err(Error::Unavailable(words.to_owned()))));
            }
        }
    }
}

/// Writes those that were decided on the newest news, and says which.
fn together(conn: &mut Conn, drafts: &[Draft], before: Marks) -> Result<(Vec<bool>, Marks)> {
    lock_ledger(conn)?;
    let mut marks = before;
    marks.raise(news(conn, before.seen)?);
    let mut head = last(conn)?;
    let mut written = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let holds = draft.marks.seen >= marks.newest();
        if holds {
            head = append_after(conn, &head, draft.kind, &draft.actor, &draft.subject, &draft.detail)?.head();
        }
        written.push(holds);
    }
    // What was written now is none of the news.
    marks.seen = marks.seen.max(head.0);
    Ok((written, marks))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Follower, Verdict, append, list, verify};
    use super::*;

    #[tokio::test]
    async fn a_read_that_was_decided_on_older_news_is_not_written() {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(&format!("sqlite:{}", dir.path().join("test.sqlite").display())).unwrap();
        let write = |kind: Kind| {
            let db = db.clone();
            async move { db.write(move |conn| append(conn, kind, "service", "grant:a", &json!({}))).await.unwrap() }
        };
        write(Kind::GrantCreated).await;
        let (recorder, follower) = (Recorder::start(db.clone()).unwrap(), Follower::default());
        let draft = |marks: Marks| {
            let (actor, subject) = ("client:a".to_owned(), "dataset:a".to_owned());
            Draft { kind: Kind::ReadAllowed, actor, subject, detail: json!({}), marks }
        };
        let first = follower.marks(&db).await.unwrap();
        assert!(recorder.record(draft(first)).await.unwrap());
        // What changes nothing for a read.
        write(Kind::SessionStarted).await;
        assert!(recorder.record(draft(first)).await.unwrap());
        for kind in [Kind::GrantRevoked, Kind::FirmRevoked, Kind::ClientRevoked, Kind::DatasetUpdated] {
            let before = follower.marks(&db).await.unwrap();
            write(kind).await;
            assert!(!recorder.record(draft(before)).await.unwrap(), "{kind:?}");
            assert!(!recorder.record(draft(before)).await.unwrap(), "{kind:?} once more");
            let after = follower.marks(&db).await.unwrap();
            assert!(!after.same(before), "{kind:?}");
            assert!(recorder.record(draft(after)).await.unwrap(), "{kind:?}");
        }
        let newest = follower.marks(&db).await.unwrap();
        let together = futures::future::join_all((0..600).map(|_| recorder.record(draft(newest))));
        assert!(together.await.into_iter().all(|written| written.unwrap()));
        let (entries, total) = db.read_now(|conn| list(conn, 0, 1000)).unwrap();
        let reads = entries.iter().filter(|record| record.entry.kind == Kind::ReadAllowed.as_str()).count();
        assert_eq!((reads, total), (606, 612));
        assert!(matches!(db.read_now(|conn| verify(conn, &[], None)).unwrap(), Verdict::Whole { entries: 612, .. }));
    }
}
