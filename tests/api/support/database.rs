//! A database for one test: a SQLite file, or a schema of its own on the PostgreSQL server of `TEST_DATABASE_URL`.

use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};

pub struct TestDatabase {
    pub url: String,
    schema: Option<(String, String)>,
}

impl TestDatabase {
    #[expect(clippy::disallowed_methods, reason = "which database the tests run on is no setting of the service")]
    pub fn create(dir: &Path) -> Self {
        match std::env::var("TEST_DATABASE_URL") {
            Err(_) => TestDatabase { url: format!("sqlite:{}", dir.join("test.sqlite").display()), schema: None },
            Ok(server) => {
                let schema = format!("test_{}", uuid::Uuid::new_v4().simple());
                run(&server, &format!("CREATE SCHEMA {schema}"));
                let mark = if server.contains('?') { '&' } else { '?' };
                let url = format!("{server}{mark}options=-csearch_path%3D{schema}");
                TestDatabase { url, schema: Some((server, schema)) }
            }
        }
    }

    /// Keeps everybody from writing into the ledger for as long as the answer lives.
    pub fn hold_ledger(&self) -> Box<dyn std::any::Any> {
        match self.url.strip_prefix("sqlite:") {
            Some(path) => {
                let mut held = diesel::SqliteConnection::establish(path).unwrap();
                held.batch_execute("PRAGMA busy_timeout = 10000; BEGIN IMMEDIATE").unwrap();
                Box::new(held)
            }
            None => {
                let mut held = PgConnection::establish(&self.url).unwrap();
                held.batch_execute("BEGIN; LOCK TABLE ledger IN EXCLUSIVE MODE").unwrap();
                Box::new(held)
            }
        }
    }

    /// Runs SQL behind the service's back.
    pub fn tamper(url: &str, sql: &str) {
        match url.strip_prefix("sqlite:") {
            Some(path) => {
                // The service may be writing at this moment.
                let sql = format!("PRAGMA busy_timeout = 10000; {sql}");
                diesel::SqliteConnection::establish(path).unwrap().batch_execute(&sql).unwrap();
            }
            None => run(url, sql),
        }
    }
}

fn run(url: &str, sql: &str) {
    PgConnection::establish(url).unwrap().batch_execute(sql).unwrap();
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if let Some((server, schema)) = &self.schema {
            run(server, &format!("SET client_min_messages TO WARNING; DROP SCHEMA IF EXISTS {schema} CASCADE"));
        }
    }
}
