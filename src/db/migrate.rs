//! Migrations: two trees with the same names, `migrations/sqlite` and `migrations/postgres`.

use anyhow::{Result, anyhow};
use diesel::connection::SimpleConnection;
use diesel::{QueryableByName, RunQueryDsl};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::Conn;

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// Which way to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To the newest schema.
    Up,
    /// To an empty database.
    Down,
}

/// Brings the schema to one end.
///
/// # Errors
/// When a step fails; each step is a transaction of its own.
pub(super) fn migrate(conn: &mut Conn, direction: Direction) -> Result<()> {
    match conn {
        Conn::Sqlite(conn) => {
            // A table that is rebuilt would otherwise take its children along; the pragma is ignored inside a transaction.
            conn.batch_execute("PRAGMA foreign_keys = OFF")?;
            let done = run(conn, SQLITE, direction);
            conn.batch_execute("PRAGMA foreign_keys = ON")?;
            done
        }
        Conn::Postgres(conn) => {
            // Replicas that start together wait for each other.
            conn.batch_execute("SELECT pg_advisory_lock(7169)")?;
            let done = run(conn, POSTGRES, direction);
            conn.batch_execute("SELECT pg_advisory_unlock(7169)")?;
            done
        }
    }
}

fn run<B: diesel::backend::Backend, C: MigrationHarness<B>>(conn: &mut C, steps: EmbeddedMigrations, direction: Direction) -> Result<()> {
    let done = match direction {
        Direction::Up => conn.run_pending_migrations(steps).map(|_| ()),
        Direction::Down => conn.revert_all_migrations(steps).map(|_| ()),
    };
    done.map_err(|cause| anyhow!("migration failed: {cause}"))
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = diesel::sql_types::Text)]
    line: String,
}

/// The schema as sorted lines of text, to compare before and after.
///
/// # Errors
/// When the database does not answer.
pub(super) fn schema_text(conn: &mut Conn) -> Result<Vec<String>> {
    let lines: Vec<Line> = match conn {
        Conn::Sqlite(conn) => diesel::sql_query(
            "SELECT type || ' ' || name || ' ' || coalesce(sql, '') AS line FROM sqlite_master \
             WHERE name NOT LIKE '\\_\\_diesel%' ESCAPE '\\' AND tbl_name NOT LIKE '\\_\\_diesel%' ESCAPE '\\' ORDER BY 1",
        )
        .load(conn)?,
        Conn::Postgres(conn) => diesel::sql_query(
            "SELECT c.table_name || '.' || c.column_name || ' ' || c.data_type || ' ' || c.is_nullable AS line \
             FROM information_schema.columns c WHERE c.table_schema = current_schema() AND c.table_name NOT LIKE '\\_\\_diesel%' \
             UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema() AND tablename NOT LIKE '\\_\\_diesel%' \
             ORDER BY 1",
        )
        .load(conn)?,
    };
    Ok(lines.into_iter().map(|line| line.line).collect())
}
