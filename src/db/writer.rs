//! The one writer of SQLite: a thread that puts all transactions that wait for it on the disk together, with one sync.
//!
//! Each piece of work has a savepoint of its own, so that one that fails takes nothing of the others with it, and is answered only
//! when what it wrote is on the disk.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};

use anyhow::anyhow;
use diesel::connection::{Connection, TransactionManager};
use tokio::sync::oneshot;

use super::{Conn, Pool, begin, unavailable};
use crate::error::{Error, Result};

/// How many pieces of work go to the disk together at the most: the first one waits for all of them.
const TOGETHER: usize = 64;

type Transactions = <Conn as Connection>::TransactionManager;

/// The way to the writer's thread, which ends with the last copy of this.
#[derive(Clone)]
pub(super) struct Writer(Sender<Turn>);

/// What waits for its turn, in the order in which it came.
enum Turn {
    /// Work that may share a transaction.
    Work(Box<dyn Piece>),
    /// Somebody who writes on a thread of their own, and drops the other end of `returned` when done.
    Lend { granted: Sender<()>, returned: Receiver<()> },
}

/// Whoever has it is the only one who writes.
pub(super) struct Lent(#[expect(dead_code, reason = "its end is what counts")] Sender<()>);

impl Writer {
    /// Starts the thread. `committed` is called after each transaction, before anybody hears of it.
    pub(super) fn start(pool: Pool, committed: impl Fn() + Send + 'static) -> std::io::Result<Self> {
        let (sender, turns) = channel();
        std::thread::Builder::new().name("writer".to_owned()).spawn(move || run(&pool, &turns, &committed))?;
        Ok(Writer(sender))
    }

    /// Does work in a transaction that others may share. Answers when it is on the disk.
    pub(super) async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Conn) -> Result<T> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        self.0.send(Turn::Work(Box::new(Waiting { work: Some(work), outcome: None, answer }))).map_err(|_ended| ended())?;
        answered.await.map_err(|_ended| ended())?
    }

    /// Waits until nobody else writes.
    pub(super) fn lend(&self) -> Result<Lent> {
        let (granted, wait) = channel();
        let (lent, returned) = channel();
        self.0.send(Turn::Lend { granted, returned }).map_err(|_ended| ended())?;
        wait.recv().map_err(|_ended| ended())?;
        Ok(Lent(lent))
    }
}

fn ended() -> Error {
    Error::internal(anyhow!("the thread that writes to the database has ended"))
}

fn run(pool: &Pool, turns: &Receiver<Turn>, committed: &dyn Fn()) {
    let mut next = turns.recv().ok();
    while let Some(turn) = next.take() {
        match turn {
            Turn::Lend { granted, returned } => {
                // Ends when the other end is dropped. Whoever has given up waiting has dropped it already.
                if granted.send(()).is_ok() {
                    let _dropped = returned.recv();
                }
            }
            Turn::Work(first) => {
                let mut pieces = vec![first];
                while pieces.len() < TOGETHER {
                    match turns.try_recv() {
                        Ok(Turn::Work(piece)) => pieces.push(piece),
                        Ok(lend @ Turn::Lend { .. }) => {
                            next = Some(lend);
                            break;
                        }
                        Err(_none) => break,
                    }
                }
                let written = together(pool, &mut pieces);
                committed();
                if let Err(cause) = &written {
                    tracing::error!(error = %cause, pieces = pieces.len(), "a transaction could not be written");
                }
                pieces.into_iter().for_each(|piece| piece.answer(written.is_ok()));
            }
        }
        if next.is_none() {
            next = turns.recv().ok();
        }
    }
}

/// Does the work in one transaction. After an error nothing of it is in the database.
fn together(pool: &Pool, pieces: &mut [Box<dyn Piece>]) -> Result<()> {
    let mut conn = pool.get().map_err(unavailable)?;
    begin(&mut conn)?;
    for piece in pieces {
        if let Err(cause) = apart(&mut conn, piece.as_mut()) {
            // The error that made us roll back matters more than one of the rollback, which the pool notices by itself.
            if let Err(cause) = Transactions::rollback_transaction(&mut *conn) {
                tracing::warn!(error = %cause, "a rollback failed; the connection is dropped");
            }
            return Err(cause.into());
        }
    }
    Ok(Transactions::commit_transaction(&mut *conn)?)
}

/// Does one piece of the work behind a savepoint, to which its own failure goes back. An error here is one of the whole transaction.
fn apart(conn: &mut Conn, piece: &mut dyn Piece) -> diesel::QueryResult<()> {
    Transactions::begin_transaction(conn)?;
    if piece.work(conn) { Transactions::commit_transaction(conn) } else { Transactions::rollback_transaction(conn) }
}

/// A piece of work, whatever it answers.
trait Piece: Send {
    /// Does it. `false` means that nothing of it is to stay.
    fn work(&mut self, conn: &mut Conn) -> bool;

    /// Tells whoever waits what came of it, now that it is on the disk, or that it is not.
    fn answer(self: Box<Self>, written: bool);
}

struct Waiting<T, F> {
    work: Option<F>,
    outcome: Option<Result<T>>,
    answer: oneshot::Sender<Result<T>>,
}

impl<T, F> Piece for Waiting<T, F>
where
    T: Send,
    F: FnOnce(&mut Conn) -> Result<T> + Send,
{
    fn work(&mut self, conn: &mut Conn) -> bool {
        let Some(work) = self.work.take() else { return false };
        // A fault of one must not take the writer with it.
        let outcome =
            catch_unwind(AssertUnwindSafe(|| work(conn))).unwrap_or_else(|_told| Err(Error::internal(anyhow!("a panic while writing"))));
        self.outcome.insert(outcome).is_ok()
    }

    fn answer(self: Box<Self>, written: bool) {
        let outcome = match self.outcome {
            Some(Ok(value)) if written => Ok(value),
            Some(Err(own)) => Err(own),
            Some(Ok(_)) | None => {
                Err(Error::Unavailable("the database does not take it at this moment; nothing was written, try again".to_owned()))
            }
        };
        // Whoever has gone away needs no answer.
        let _gone = self.answer.send(outcome);
    }
}

#[cfg(test)]
mod tests {
    use diesel::{QueryDsl, RunQueryDsl};

    use super::super::Db;
    use super::super::schema::marks;
    use super::*;
    use crate::clock::now_naive;
    use diesel::ExpressionMethods;

    fn mark(conn: &mut Conn, name: &str) -> Result<()> {
        diesel::insert_into(marks::table).values((marks::name.eq(name), marks::moment.eq(now_naive()))).execute(conn)?;
        Ok(())
    }

    fn names(db: &Db) -> Vec<String> {
        db.read_now(|conn| Ok(marks::table.order(marks::name).select(marks::name).load(conn)?)).unwrap()
    }

    fn open(dir: &tempfile::TempDir) -> Db {
        Db::open(&format!("sqlite:{}", dir.path().join("test.sqlite").display())).unwrap()
    }

    #[tokio::test]
    async fn of_work_that_is_written_together_each_piece_stands_for_itself() {
        let dir = tempfile::tempdir().unwrap();
        let db = open(&dir);
        let (entered, first_runs) = channel();
        let (go_on, wait) = channel::<()>();
        // Holds the writer up, so that all that follows waits and is written together.
        let first = tokio::spawn({
            let db = db.clone();
            async move {
                db.write(move |conn| {
                    entered.send(()).unwrap();
                    wait.recv().unwrap();
                    mark(conn, "first")
                })
                .await
            }
        });
        tokio::task::spawn_blocking(move || first_runs.recv().unwrap()).await.unwrap();
        let before = db.commits();
        let mut pieces = Vec::new();
        for number in 0..6 {
            let db = db.clone();
            pieces.push(tokio::spawn(async move {
                db.write(move |conn| {
                    mark(conn, &format!("piece{number}"))?;
                    match number {
                        1 => Err(Error::Conflict("turned down".to_owned())),
                        // A row that is there already.
                        2 => mark(conn, "piece0"),
                        3 => panic!("a fault"),
                        _ => Ok(()),
                    }
                })
                .await
            }));
            tokio::task::yield_now().await;
        }
        go_on.send(()).unwrap();
        first.await.unwrap().unwrap();
        let mut outcomes = Vec::new();
        for piece in pieces {
            outcomes.push(piece.await.unwrap());
        }
        assert!(matches!(&outcomes[1], Err(Error::Conflict(words)) if words == "turned down"), "{:?}", outcomes[1]);
        assert!(matches!(outcomes[2], Err(Error::Conflict(_))), "{:?}", outcomes[2]);
        assert!(matches!(outcomes[3], Err(Error::Internal(_))), "{:?}", outcomes[3]);
        assert!([0, 4, 5].iter().all(|at| outcomes[*at].is_ok()));
        assert_eq!(names(&db), ["first", "piece0", "piece4", "piece5"]);
        // The held-up one, and one for all others.
        assert_eq!(db.commits(), before.map(|commits| commits + 2));
    }

    #[tokio::test]
    async fn a_transaction_that_breaks_leaves_nothing_and_tells_everybody() {
        let dir = tempfile::tempdir().unwrap();
        let db = open(&dir);
        let broken = db.write(|conn| {
            mark(conn, "gone")?;
            // As the database does by itself when the disk is full.
            diesel::sql_query("ROLLBACK").execute(conn)?;
            Ok(())
        });
        assert!(matches!(broken.await, Err(Error::Unavailable(_))));
        db.write(|conn| mark(conn, "after")).await.unwrap();
        assert_eq!(names(&db), ["after"]);
    }

    #[tokio::test]
    async fn whoever_writes_directly_waits_for_a_turn_and_has_the_database_alone() {
        let dir = tempfile::tempdir().unwrap();
        let db = open(&dir);
        let direct: Vec<_> = (0..4)
            .map(|number| {
                let db = db.clone();
                std::thread::spawn(move || (0..20).try_for_each(|at| db.write_now(|conn| mark(conn, &format!("direct{number}-{at}")))))
            })
            .collect();
        for at in 0..80 {
            db.write(move |conn| mark(conn, &format!("queued{at}"))).await.unwrap();
        }
        direct.into_iter().for_each(|thread| thread.join().unwrap().unwrap());
        assert_eq!(names(&db).len(), 160);
    }
}
