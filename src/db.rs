//! The relational store: SQLite inside the data folder, or PostgreSQL shared by all replicas, chosen by URL.
//!
//! Core functions take `&mut Conn` and open neither connection nor transaction of their own: the surface picks
//! [`Db::read`] or [`Db::write`]. The few places where the two databases differ live here and nowhere else.

mod manager;
mod migrate;
pub mod schema;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use diesel::connection::{AnsiTransactionManager, Connection, TransactionManager};
use diesel::{PgConnection, RunQueryDsl, SqliteConnection};

use crate::error::{Error, Result};
use manager::{Manager, Mode};
use writer::Writer;

pub use migrate::Direction;

/// One connection to either database.
#[derive(diesel::MultiConnection)]
pub enum Conn {
    /// The embedded database.
    Sqlite(SqliteConnection),
    /// The shared database.
    Postgres(PgConnection),
}

/// A transaction that holds this advisory lock may append to the ledger.
const LEDGER_LOCK: i64 = 0x7169_6e67;

type Pool = diesel::r2d2::Pool<Manager>;

/// The database, with one pool for reading and one for writing.
#[derive(Clone)]
pub struct Db {
    readers: Pool,
    writers: Pool,
    /// The one writer of SQLite; PostgreSQL has several.
    writer: Option<Writer>,
    commits: Arc<AtomicU64>,
}

impl Db {
    /// Opens the database and brings its schema up to date.
    ///
    /// # Errors
    /// When the database cannot be reached or migrated.
    pub fn open(url: &str) -> anyhow::Result<Self> {
        let db = Self::connect(url)?;
        db.migrate(Direction::Up)?;
        Ok(db)
    }

    /// Brings the schema to its newest state, or to nothing.
    ///
    /// # Errors
    /// When a step fails; each step is a transaction of its own.
    pub fn migrate(&self, direction: Direction) -> anyhow::Result<()> {
        migrate::migrate(&mut *self.writers.get()?, direction)
    }

    /// The schema as sorted lines of text, to compare before and after.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn schema_text(&self) -> anyhow::Result<Vec<String>> {
        migrate::schema_text(&mut *self.writers.get()?)
    }

    /// Opens the database as it is.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub fn connect(url: &str) -> anyhow::Result<Self> {
        // SQLite takes one writer at a time: they wait in one queue instead of timing out.
        let sqlite = url.starts_with("sqlite:");
        let (readers, writers) = if sqlite { (8, 1) } else { (8, 8) };
        let pool = |size, mode| {
            Pool::builder()
                .max_size(size)
                .min_idle(Some(1))
                .connection_timeout(Duration::from_secs(10))
                // A connection to a file does not break by itself.
                .test_on_check_out(!sqlite)
                .error_handler(Box::new(LogPoolError))
                .build(Manager::new(url, mode))
        };
        // The writer comes first: it creates the file that the readers open.
        let writers = pool(writers, Mode::Write)?;
        let commits = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&commits);
        let writer = sqlite.then(|| Writer::start(writers.clone(), move || _ = count.fetch_add(1, Ordering::AcqRel))).transpose()?;
        Ok(Db { readers: pool(readers, Mode::Read)?, writers, writer, commits })
    }

    /// A number that rises with each transaction but those of [`Db::record_now`], before anybody hears of its end: while it stays the same, so
    /// does all that anybody keeps in memory. `None` where other processes write too; a SQLite file belongs to one process, which has locked its data folder.
    pub fn commits(&self) -> Option<u64> {
        self.writer.as_ref().map(|_| self.commits.load(Ordering::Acquire))
    }

    /// How many transactions this process has written, whoever else writes.
    pub fn own_commits(&self) -> u64 {
        self.commits.load(Ordering::Acquire)
    }

    /// Runs `work` on a connection that is meant for reading, away from the HTTP workers.
    ///
    /// # Errors
    /// What `work` answers, or that the database does not.
    pub async fn read<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Conn) -> Result<T> + Send + 'static,
    {
        let db = self.clone();
        blocking(move || db.read_now(work)).await
    }

    /// Runs `work` in a transaction, away from the HTTP workers; an error rolls all of it back. What it wrote is on the disk when this
    /// returns. With SQLite, work that waits at the same time shares one transaction, behind savepoints.
    ///
    /// # Errors
    /// What `work` answers, or that the database does not.
    pub async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Conn) -> Result<T> + Send + 'static,
    {
        match &self.writer {
            Some(writer) => writer.write(work).await,
            None => {
                let db = self.clone();
                blocking(move || db.write_now(work)).await
            }
        }
    }

    /// [`Db::read`] for callers that are not asynchronous.
    ///
    /// # Errors
    /// What `work` answers, or that the database does not.
    pub fn read_now<T>(&self, work: impl FnOnce(&mut Conn) -> Result<T>) -> Result<T> {
        let mut conn = self.readers.get().map_err(unavailable)?;
        work(&mut conn)
    }

    /// [`Db::write`] for callers that are not asynchronous, in a transaction of its own.
    ///
    /// # Errors
    /// What `work` answers, or that the database does not.
    pub fn write_now<T>(&self, work: impl FnOnce(&mut Conn) -> Result<T>) -> Result<T> {
        let outcome = self.record_now(work);
        // Also after an error: who knows what of it is on the disk.
        self.commits.fetch_add(1, Ordering::AcqRel);
        outcome
    }

    /// [`Db::write_now`] for what is written often and changes nothing that anybody keeps in memory: [`Db::commits`] stays.
    ///
    /// # Errors
    /// What `work` answers, or that the database does not.
    pub fn record_now<T>(&self, work: impl FnOnce(&mut Conn) -> Result<T>) -> Result<T> {
        let _lent = self.writer.as_ref().map(Writer::lend).transpose()?;
        let mut conn = self.writers.get().map_err(unavailable)?;
        begin(&mut conn)?;
        match work(&mut conn) {
            Ok(value) => {
                <Conn as Connection>::TransactionManager::commit_transaction(&mut *conn)?;
                Ok(value)
            }
            Err(error) => {
                // The error that made us roll back matters more than one of the rollback, which the pool notices by itself.
                if let Err(cause) = <Conn as Connection>::TransactionManager::rollback_transaction(&mut *conn) {
                    tracing::warn!(error = %cause, "a rollback failed; the connection is dropped");
                }
                Err(error)
            }
        }
    }
}

/// Runs work that blocks on a thread that may block.
///
/// # Errors
/// What `work` answers.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
}

/// Starts a transaction that will write: SQLite takes its write lock at once, since a later upgrade could fail with "busy".
fn begin(conn: &mut Conn) -> Result<()> {
    match conn {
        Conn::Sqlite(conn) => AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN IMMEDIATE")?,
        Conn::Postgres(conn) => AnsiTransactionManager::begin_transaction(conn)?,
    }
    Ok(())
}

/// Makes the current transaction the only one that appends to the ledger, or does anything else that only one may do, until it ends.
///
/// # Errors
/// When the database does not answer.
pub fn lock_ledger(conn: &mut Conn) -> Result<()> {
    // SQLite has one writer anyway.
    if let Conn::Postgres(conn) = conn {
        diesel::sql_query("SELECT pg_advisory_xact_lock($1)").bind::<diesel::sql_types::BigInt, _>(LEDGER_LOCK).execute(conn)?;
    }
    Ok(())
}

/// The path of a `sqlite:` URL.
pub fn sqlite_path(url: &str) -> Option<&Path> {
    url.strip_prefix("sqlite:").map(Path::new)
}

fn unavailable(cause: impl std::fmt::Display) -> Error {
    tracing::error!(error = %cause, "no database connection");
    Error::Unavailable("the database does not answer".to_owned())
}

#[derive(Debug)]
struct LogPoolError;

impl<E: std::fmt::Display> diesel::r2d2::HandleError<E> for LogPoolError {
    fn handle_error(&self, error: E) {
        tracing::warn!(error = %error, "the database connection failed");
    }
}

impl From<diesel::result::Error> for Error {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the library may name more kinds of errors")]
    fn from(cause: diesel::result::Error) -> Self {
        use diesel::result::{DatabaseErrorKind, Error as DbError};
        match cause {
            DbError::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => Error::Conflict("it exists already".to_owned()),
            DbError::DatabaseError(DatabaseErrorKind::ClosedConnection, _) => unavailable("the connection is closed"),
            // PostgreSQL keeps no NUL in a text: then it came with the request.
            DbError::DatabaseError(_, info) if info.message().contains("0x00") => {
                Error::Malformed("a text holds the character NUL".to_owned())
            }
            other => Error::internal(other),
        }
    }
}

/// Gives a unique violation an error of its own, and passes every other one on.
pub fn on_duplicate(instead: Error) -> impl FnOnce(diesel::result::Error) -> Error {
    move |cause| {
        let error = Error::from(cause);
        if matches!(error, Error::Conflict(_)) { instead } else { error }
    }
}
