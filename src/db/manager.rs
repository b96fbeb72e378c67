//! Makes connections for the pools: picks the database by the URL's scheme and sets what each needs.

use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::r2d2::{ManageConnection, R2D2Connection};
use diesel::{Connection, ConnectionError, PgConnection, SqliteConnection};

use super::{Conn, sqlite_path};
use crate::storage::create_private_file;

/// What a connection will be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Queries only; SQLite refuses to write.
    Read,
    /// Transactions that write.
    Write,
}

/// Makes and checks connections.
pub struct Manager {
    url: String,
    mode: Mode,
}

impl Manager {
    pub fn new(url: &str, mode: Mode) -> Self {
        Manager { url: url.to_owned(), mode }
    }
}

impl ManageConnection for Manager {
    type Connection = Conn;
    type Error = diesel::r2d2::Error;

    fn connect(&self) -> Result<Conn, Self::Error> {
        let conn = match sqlite_path(&self.url) {
            Some(path) => Conn::Sqlite(sqlite(&path.to_string_lossy(), self.mode)?),
            None => Conn::Postgres(postgres(&self.url)?),
        };
        Ok(conn)
    }

    fn is_valid(&self, conn: &mut Conn) -> Result<(), Self::Error> {
        conn.ping().map_err(diesel::r2d2::Error::QueryError)
    }

    fn has_broken(&self, conn: &mut Conn) -> bool {
        std::thread::panicking() || conn.is_broken()
    }
}

fn sqlite(path: &str, mode: Mode) -> Result<SqliteConnection, diesel::r2d2::Error> {
    // SQLite would make the file readable to everybody.
    create_private_file(Path::new(path))
        .map_err(|cause| diesel::r2d2::Error::ConnectionError(ConnectionError::BadConnection(cause.to_string())))?;
    let mut conn = SqliteConnection::establish(path).map_err(diesel::r2d2::Error::ConnectionError)?;
    // `synchronous = FULL`: a committed entry is on disk, which the ledger promises for each sensitive read. `journal_size_limit`: after one
    // large transaction the log would keep its size for ever.
    let mut pragmas = "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
        PRAGMA secure_delete = ON; PRAGMA journal_size_limit = 67108864;"
        .to_owned();
    if mode == Mode::Read {
        pragmas.push_str("PRAGMA query_only = ON;");
    }
    conn.batch_execute(&pragmas).map_err(diesel::r2d2::Error::QueryError)?;
    Ok(conn)
}

fn postgres(url: &str) -> Result<PgConnection, diesel::r2d2::Error> {
    let mut conn = PgConnection::establish(url).map_err(|cause| diesel::r2d2::Error::ConnectionError(without_url(cause)))?;
    conn.batch_execute("SET TIME ZONE 'UTC'; SET client_min_messages TO WARNING").map_err(diesel::r2d2::Error::QueryError)?;
    Ok(conn)
}

/// The cause without the URL, which holds a password.
fn without_url(cause: ConnectionError) -> ConnectionError {
    if let ConnectionError::InvalidConnectionUrl(_) = cause {
        return ConnectionError::InvalidConnectionUrl("database_url cannot be read".to_owned());
    }
    cause
}
