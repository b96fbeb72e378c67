//! Migrations: the same steps in both trees, each undone by its `down.sql`, and every column readable.

use std::collections::BTreeSet;

use diesel::RunQueryDsl;
use diesel::query_dsl::methods::LimitDsl;
use qingdan::db::{Db, Direction, schema};

use crate::support::TestDatabase;

fn steps(tree: &str) -> BTreeSet<String> {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(tree);
    std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn both_trees_hold_the_same_steps() {
    assert_eq!(steps("sqlite"), steps("postgres"));
    for tree in ["sqlite", "postgres"] {
        for step in steps(tree) {
            for file in ["up.sql", "down.sql"] {
                let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(tree).join(&step).join(file);
                assert!(path.exists(), "{}", path.display());
            }
        }
    }
}

#[test]
fn up_down_and_up_again_give_the_same_schema() {
    let dir = tempfile::tempdir().unwrap();
    let database = TestDatabase::create(dir.path());
    let db = Db::connect(&database.url).unwrap();
    let run = |direction| db.migrate(direction).unwrap();
    let text = || db.schema_text().unwrap();
    run(Direction::Up);
    let first = text();
    assert!(first.len() > 17, "{first:#?}");
    run(Direction::Down);
    assert_eq!(text(), Vec::<String>::new());
    run(Direction::Up);
    assert_eq!(text(), first);
}

macro_rules! select_every_column {
    ($conn:expr, $($table:ident: $row:ty),* $(,)?) => {
        $( let _rows: Vec<$row> = schema::$table::table.limit(1).load($conn)?; )*
    };
}

#[test]
#[expect(clippy::too_many_lines, reason = "a line for each table")]
fn every_column_of_the_schema_exists() {
    use chrono::NaiveDateTime as T;
    type S = String;
    type O = Option<String>;
    let dir = tempfile::tempdir().unwrap();
    let database = TestDatabase::create(dir.path());
    let db = Db::open(&database.url).unwrap();
    db.read_now(|conn| {
        select_every_column!(conn,
            publishers: (S, S, S, O, S),
            themes: (S, S, S, i32, O),
            subject_classes: (S, S, S, S, i32),
            datasets: (S, S, S, S, S, S, S, Option<i32>, T, T, O, O, S),
            list_entries: (S, S),
            list_changes: (i32, S, S, S, O, O, O, O, i64, T),
            drafts: (S, S, O, O, S, i32, S, S, T, T, O, Option<T>, O, Option<T>, O, Option<T>, Option<i32>),
            draft_entries: (S, S, S, O, i32, S, T),
            webhooks: (S, S, S, S, S, S, i64, i32, i32, T, Option<T>, Option<T>, Option<T>, O, Option<T>, T),
            dead_letters: (S, i64, i32, S, T),
            feedback: (S, S, S, S, O, O, O, O, O, O, O, O, Option<i32>, i32, O, O, Option<T>, O, S, S, O, T, Option<T>, Option<T>, Option<i64>, Option<T>),
            feedback_datasets: (S, S),
            feedback_votes: (S, S, T),
            mail_subscriptions: (S, S, Vec<u8>, S, S, S, S, S, Option<Vec<u8>>, T, Option<i64>, i64, O, Option<i64>, i32, i32, T, Option<T>, Option<T>, Option<T>, O, Option<T>, T),
            mail_confirmations: (S, S, S, T),
            dead_mails: (S, i64, i64, i32, S, T),
            relations: (S, i32, S, S),
            versions: (S, S, i32, S, S, S, i64, i64, T, S, Option<T>, O, O, O, Option<i64>, O),
            parts: (S, i32, S, i64, i64, O),
            members: (S, S, S, i64, S),
            jobs: (S, S, S, S, S, S, i64, i64, i64, i32, bool, O, O, O, S, T, Option<T>, Option<T>, Option<T>),
            uploads: (S, S, S, i64, i64, O, T, T),
            firms: (S, S, S, S, S, O, S, O, T, Option<T>, bool),
            sanctions: (S, S, O, S, O, O, O, S, S, S, T, T, S, T, O, Option<T>, O, Option<T>, Option<bool>, O, O, Option<T>, Option<T>, O, O),
            use_reports: (S, S, S, S, T, S, S, S, S, T),
            overdue_reports: (S, T, T),
            people: (S, S, S, S, bool, S, O, O, S, T),
            sessions: (S, S, S, bool, S, T, T, T),
            lockouts: (S, i32, Option<T>, T, O),
            second_factors: (S, Vec<u8>, i64, T, Option<T>, O),
            recovery_codes: (S, S),
            clients: (S, S, S, S, O, O, S, T, Option<T>, Option<T>, bool, O),
            client_key_sets: (S, S, T, T),
            assertions: (S, T),
            ended_tokens: (S, T),
            signing_keys: (S, Vec<u8>, S, T, Option<T>, S, Option<T>),
            attachments: (S, S, S, S, i64, S, S, i64, Vec<u8>, S, T),
            applications: (S, S, S, S, S, S, i32, S, S, S, T, O, Option<T>, O, S, O, Option<T>, Option<T>, bool, i32, O, O, bool, Option<i32>),
            agreements: (S, S, S, S, S, S, S, O, O, Option<T>, T, O, O, O, O, O),
            grants: (S, S, S, S, S, S, S, T, T, Option<T>, O, S, S, bool, Option<T>, Option<T>, bool),
            releases: (S, S, S, S, S, S, i64, i64, T, O, Option<T>),
            release_reports: (S, S, i32, S, bool, S, S, S, T, S),
            exports: (S, S, S, i64, T),
            ledger: (i64, S, S, S, S, S, S, S),
            ledger_nodes: (i32, i64, S),
            checkpoints: (i64, S, S, T),
            ledger_words: (i64, S, S, S),
            usage_days: (S, S, i64),
            grant_usage: (S, S, i64, i64, i64),
            deletion_proofs: (S, S, S, S, S, S, T),
            marks: (S, T),
        );
        Ok(())
    })
    .unwrap();
}
