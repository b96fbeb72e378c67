//! Import of a folder: repeatable, and exact about every mistake.

use qingdan::catalog::EntryChange;
use qingdan::release::{Report, import_folder, unwatched};

use crate::support::{Folder, TestApp, entry};

async fn import(app: &TestApp, folder: &Folder) -> Report {
    import_folder(&app.app.tools(), folder.path(), qingdan::catalog::Edition::by("service").because("a test"), unwatched).await.unwrap()
}

fn mistakes(report: &Report, folder: &Folder) -> Vec<String> {
    let root = format!("{}/", folder.path().display());
    report.mistakes.iter().map(|mistake| mistake.to_string().replace(&root, "")).collect()
}

#[tokio::test]
async fn the_same_input_changes_nothing_and_a_changed_file_is_a_new_version() {
    let app = TestApp::empty().await;
    let folder = Folder::new();
    folder.open("one", &["a", "b"], "a,b\n007,x\n");
    let first = import(&app, &folder).await;
    assert_eq!((first.outcomes[0].entry, first.outcomes[0].version), (EntryChange::Created, Some((1, 1))));
    let entries = app.app.db.read_now(|conn| qingdan::ledger::list(conn, 0, 1000)).unwrap().1;
    let second = import(&app, &folder).await;
    assert_eq!((second.outcomes[0].entry, second.outcomes[0].version), (EntryChange::Unchanged, None));
    assert_eq!(app.app.db.read_now(|conn| qingdan::ledger::list(conn, 0, 1000)).unwrap().1, entries);
    folder.open("one", &["a", "b"], "a,b\n007,x\n008,y\n");
    assert_eq!(import(&app, &folder).await.outcomes[0].version, Some((2, 2)));
    let text = entry("one", &["a", "b"]).replace("Things", "Other").replace("\"About\"", "\"About it\"");
    folder.write("one/dataset.toml", text);
    let third = import(&app, &folder).await;
    assert_eq!((third.outcomes[0].entry, third.outcomes[0].version), (EntryChange::Updated, None));
}

#[tokio::test]
async fn a_mistake_names_file_line_and_key_and_stops_nobody_else() {
    let app = TestApp::empty().await;
    let folder = Folder::new();
    folder.open("good", &["a"], "a\n1\n");
    folder.open("ragged", &["a", "b"], "a,b\n1,2\n3\n4,5,6\n");
    folder.open("no-title", &["a"], "a\n1\n");
    folder.write("no-title/dataset.toml", entry("x", &["a"]).replace("title = { zh = \"x\", en = \"x\" }\n", ""));
    folder.open("typo", &["a"], "a\n1\n");
    folder.write("typo/dataset.toml", entry("x", &["a"]).replace("licence", "license"));
    folder.open("elsewhere", &["a"], "a\n1\n");
    folder.write("elsewhere/dataset.toml", entry("x", &["a"]).replace("\"office\"", "\"nobody\"").replace("data.csv", "../good/data.csv"));
    folder.open("gone", &["a"], "a\n1\n");
    folder.write("gone/dataset.toml", entry("x", &["a"]).replace("data.csv", "gone.csv"));
    folder.open("typed", &["a:integer", "b:date"], "a,b\n1,2024-01-01\n007,2024-01-01\nx,2024-13-01\n");
    folder.open("columns", &["a", "b"], "a,c\n1,2\n");
    folder.open("twice", &["a", "a"], "a,a\n1,2\n");
    folder.open("empty", &["a"], "");
    folder.open("latin", &["a"], b"a\nok\n\xe9\n".as_slice());
    folder.open("strict", &["a", "b"], "a,b\n1,2\n\n\"x\"y,4\n\"5,6\n");
    folder.open("Upper", &["a"], "a\n1\n");
    let report = import(&app, &folder).await;
    let mistakes = mistakes(&report, &folder);
    let wanted = [
        "Upper/dataset.toml: the folder's name is the slug",
        "columns/data.csv:1: the column `c` has no [[fields]] in dataset.toml",
        "columns/data.csv:1: the column `b` of dataset.toml is missing in the file",
        "elsewhere/dataset.toml:3: publisher: `nobody` is not in publishers.toml",
        "elsewhere/dataset.toml:9: data: give the name of a file in the same folder",
        "empty/data.csv: the file is empty",
        "gone/gone.csv: cannot be read: No such file",
        "latin/data.csv:3: a: the text is not UTF-8",
        "no-title/dataset.toml:1: title: missing field `title`",
        "ragged/data.csv:3: the row has 1 cells, and the header 2",
        "ragged/data.csv:4: the row has 3 cells, and the header 2",
        "strict/data.csv:3: the line is empty",
        "strict/data.csv:4: text stands behind a closing quote",
        "strict/data.csv:5: the quote that opens here is never closed",
        "strict/data.csv:5: the row has 1 cells",
        "twice/dataset.toml:15: fields[1].name: field `a`: the name stands twice",
        "typed/data.csv:3: a: `007` is not a whole number without leading zeros",
        "typed/data.csv:4: a: `x` is not a whole number",
        "typed/data.csv:4: b: `2024-13-01` is not a day as YYYY-MM-DD",
        "typo/dataset.toml:7: license: unknown field `license`",
    ];
    for text in wanted {
        assert!(mistakes.iter().any(|mistake| mistake.starts_with(text)), "{text} is missing in {mistakes:#?}");
    }
    assert_eq!(mistakes.len(), wanted.len(), "{mistakes:#?}");
    assert_eq!(report.outcomes.len(), 1);
    let listed = app.get("/api/v1/datasets").await.json();
    assert_eq!((listed["total"].as_i64(), listed["items"][0]["slug"].as_str()), (Some(1), Some("good")));
}

#[tokio::test]
async fn many_faults_are_counted_and_not_all_listed() {
    let app = TestApp::empty().await;
    let folder = Folder::new();
    folder.open("bad", &["a:integer"], format!("a\n{}", "x\n".repeat(1000)));
    let mistakes = mistakes(&import(&app, &folder).await, &folder);
    assert_eq!(mistakes.len(), 21);
    assert_eq!(mistakes[20], "bad/data.csv: and 980 more mistakes");
}

fn conditional(fields: &str) -> String {
    let head = entry("x", &[]).replace("unconditional", "conditional");
    format!(
        "{head}open_type_reason = {{ zh = \"原因\", en = \"Reason\" }}\nconditions = {{ zh = \"条件\", en = \"Conditions\" }}\n{fields}"
    )
}

fn field(name: &str, more: &str) -> String {
    format!("[[fields]]\nname = \"{name}\"\ntype = \"string\"\ntitle = {{ zh = \"x\", en = \"x\" }}\n{more}\n")
}

#[tokio::test]
async fn an_entry_that_could_leak_is_refused() {
    let app = TestApp::empty().await;
    let folder = Folder::new();
    let cases = [
        ("keeps", conditional(&field("id", "sensitivity = \"direct\"\nrelease = \"keep\"")), "never leaves as it is"),
        ("silent", conditional(&field("id", "sensitivity = \"direct\"")), "never leaves as it is"),
        ("open-direct", entry("x", &[]) + &field("id", "sensitivity = \"direct\""), "cannot be open to everybody"),
        ("open-sensitive", entry("x", &[]) + &field("id", "sensitivity = \"sensitive\""), "cannot be open to everybody"),
        ("nothing", conditional(&field("id", "sensitivity = \"direct\"\nrelease = \"drop\"")), "at least one field"),
        ("year", conditional(&field("id", "sensitivity = \"quasi\"\nrelease = \"year\"")), "declared as a date"),
        ("closed-data", entry("x", &["id"]).replace("unconditional", "closed"), "a closed entry has no data file"),
    ];
    for (slug, text, _) in &cases {
        folder.write(&format!("{slug}/dataset.toml"), text);
        folder.write(&format!("{slug}/data.csv"), "id\n1\n");
    }
    let report = import(&app, &folder).await;
    let mistakes = mistakes(&report, &folder);
    for (slug, _, wanted) in cases {
        assert!(mistakes.iter().any(|mistake| mistake.starts_with(slug) && mistake.contains(wanted)), "{slug}: {mistakes:#?}");
    }
    assert!(report.outcomes.is_empty());
}

#[tokio::test]
async fn a_faulty_personal_value_is_not_repeated() {
    let app = TestApp::empty().await;
    let folder = Folder::new();
    let fields = field("born", "sensitivity = \"quasi\"").replace("\"string\"", "\"date\"");
    folder.write("visits/dataset.toml", conditional(&fields));
    folder.write("visits/data.csv", "born\n1987/06/05\n");
    let mistakes = mistakes(&import(&app, &folder).await, &folder);
    assert_eq!(mistakes, ["visits/data.csv:2: born: a value of 10 characters (not shown) is not a day as YYYY-MM-DD"]);
}

#[tokio::test]
async fn types_are_inferred_over_the_whole_file() {
    let app = TestApp::empty().await;
    let folder = Folder::new();
    let mut csv = "code,id,n,mixed,empty\n".to_owned();
    for row in 0..20_000 {
        let mixed = if row == 19_999 { "x" } else { "1" };
        csv += &format!("{row:06},11010519491231{row:04},{row},{mixed},\n");
    }
    folder.open("inferred", &["code", "id", "n", "mixed", "empty"], &csv);
    assert_eq!(import(&app, &folder).await.outcomes[0].version, Some((1, 20_000)));
    let detail = app.get("/api/v1/datasets/inferred").await.json();
    let types: Vec<&str> = detail["fields"].as_array().unwrap().iter().map(|field| field["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["string", "string", "integer", "string", "string"]);
    let back = app.get("/api/v1/datasets/inferred/download?format=csv").await.text();
    assert!(back == csv);
}

#[tokio::test]
async fn a_dataset_that_closes_is_given_out_no_more() {
    let app = TestApp::empty().await;
    let folder = Folder::new();
    folder.open("shy", &["id"], "id\n1\n");
    import(&app, &folder).await;
    let path = "/api/v1/datasets/shy/download?format=csv";
    app.get(path).await.expect(200);
    folder.write("shy/dataset.toml", conditional(&field("id", "sensitivity = \"direct\"\nrelease = \"pseudonym\"")));
    assert!(import(&app, &folder).await.mistakes.is_empty());
    app.get(path).await.problem(401, "unauthenticated");
    app.get(&format!("{path}&version=1")).await.problem(401, "unauthenticated");
    let page = app.get("/datasets/shy").await.expect(200).text();
    assert!(!page.contains("download?format"));
}

#[tokio::test]
async fn the_generator_makes_the_shipped_file_again() {
    let example = std::path::Path::new(env!("CARGO_BIN_EXE_qingdan")).parent().unwrap().join("examples/generate_health_visits");
    let made = std::process::Command::new(&example).output().unwrap_or_else(|cause| panic!("{}: {cause}", example.display()));
    assert!(made.status.success());
    let shipped = std::fs::read(crate::support::shipped().join("community-health-visits/visits.csv")).unwrap();
    assert!(made.stdout == shipped, "run `cargo run --example generate_health_visits > datasets/community-health-visits/visits.csv`");
}
