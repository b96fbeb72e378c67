//! Leaked copies and whose they are.

use std::fmt::Write;
use std::path::Path;

use qingdan::lab::trace::{Given, Renamed, Trace, Tracer};
use qingdan::release::Maker;

use crate::process::{Process, run, text};
use crate::support::{Firm, GrantOf, Service, TestApp, TestDatabase, application, people};

const DOWNLOAD: &str = "/api/v1/datasets/people/download?format=csv";
const FIELDS: [(&str, &str, &str); 5] = [
    ("name", "string", "sensitivity = \"direct\"\nrelease = \"pseudonym\""),
    ("n", "integer", "sensitivity = \"none\""),
    ("seen", "date", "sensitivity = \"quasi\"\nrelease = { shift_days = { subject = \"name\", days = 30 } }"),
    ("amount", "decimal", "scale = 2\nsensitivity = \"none\""),
    ("kind", "string", "sensitivity = \"none\""),
];
const ROWS: usize = 6000;
const POLICY: &str = "leave_out_share = 0.02";

fn rows() -> String {
    (0..ROWS).fold("name,n,seen,amount,kind\n".to_owned(), |mut text, at| {
        let day = chrono::NaiveDate::from_ymd_opt(2025, 1, 1).unwrap() + chrono::Days::new(at as u64 % 300);
        writeln!(text, "s{},{at},{day},{}.{:02},{}", at / 3, 100 + at % 977, at % 100, ["a", "b"][at % 2]).unwrap();
        text
    })
}

async fn grants(app: &Service, many: usize) -> Vec<(Firm, GrantOf, Vec<String>)> {
    let mut grants = Vec::new();
    for _ in 0..many {
        let firm = app.firm().await;
        let grant = app.grant_for(&firm, &application("people", &["name", "n", "seen", "amount", "kind"])).await;
        let csv = app.get_as(DOWNLOAD, &grant.token).await.expect(200).text();
        grants.push((firm, grant, csv.lines().map(str::to_owned).collect()));
    }
    grants
}

/// These columns of some lines of a release.
fn cut(lines: &[String], columns: &[usize], keep: impl Fn(usize) -> bool) -> String {
    let line = |line: &String| {
        let cells: Vec<&str> = line.trim_end().split(',').collect();
        columns.iter().map(|at| cells[*at]).collect::<Vec<_>>().join(",")
    };
    let body = lines[1..].iter().enumerate().filter(|(at, _)| keep(*at)).map(|(_, text)| line(text));
    std::iter::once(line(&lines[0])).chain(body).fold(String::new(), |text, line| text + &line + "\n")
}

async fn trace_with(app: &TestApp, copy: &str, change: impl FnOnce(&mut Given)) -> qingdan::error::Result<Trace> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("leaked.csv");
    std::fs::write(&path, copy).unwrap();
    let mut given = Given { path, renamed: Vec::new(), without: Vec::new() };
    change(&mut given);
    let parts = &app.app;
    let maker = Maker { db: &parts.db, storage: &parts.storage, engine: &parts.engine, master: &parts.master };
    Tracer { db: &parts.db, storage: &parts.storage, engine: &parts.engine, maker }.trace("service", "people", given, 0.99).await
}

async fn trace(app: &TestApp, copy: &str) -> Trace {
    trace_with(app, copy, |_| {}).await.unwrap()
}

#[tokio::test]
async fn a_copy_is_traced_to_its_grant_or_to_nobody() {
    let folder = people(POLICY, &FIELDS, &rows());
    let app = TestApp::with_datasets(folder.path()).await;
    let grants = grants(&app, 4).await;
    let id = |at: usize| grants[at].1.id.clone();
    let lines = |at: usize| grants[at].2.as_slice();

    // Without the keyed columns, what is left out tells: of the whole copy and of a half, in another order.
    let open = [1, 3, 4];
    assert_eq!(trace(&app, &cut(lines(2), &open, |_| true)).await.named, [id(2)]);
    let half = cut(lines(1), &open, |at| at % 2 == 0);
    let mut shuffled: Vec<&str> = half.lines().skip(1).collect();
    shuffled.sort_unstable_by_key(|line| line.bytes().rev().collect::<Vec<_>>());
    let found = trace(&app, &format!("n,amount,kind\n{}\n", shuffled.join("\n"))).await;
    assert_eq!(found.named, [id(1)]);
    let guilty = &found.grants[0];
    assert_eq!((guilty.has, guilty.left_out, found.foreign), (shuffled.len(), 0, 0));
    assert!(found.grants[1..].iter().all(|other| other.left_out > 20 && other.probability < 1e-3), "{found:?}");

    // Few rows, or columns that look alike in many rows, say nothing; a few pseudonyms say it all.
    assert!(trace(&app, &cut(lines(1), &open, |at| at < 60)).await.named.is_empty());
    assert!(trace(&app, &cut(lines(1), &[4], |_| true)).await.named.is_empty());
    assert_eq!(trace(&app, &cut(lines(3), &[0, 4], |at| at < 3)).await.named, [id(3)]);
    // Dates moved by the grant's key are a fingerprint too.
    assert_eq!(trace(&app, &cut(lines(3), &[1, 2], |at| at < 200)).await.named, [id(3)]);

    // Two copies mixed: both, or nobody, and never a third.
    let mut mixed = cut(lines(0), &[0, 1, 4], |at| at % 3 == 0);
    mixed += cut(lines(2), &[0, 1, 4], |at| at % 3 == 1).split_once('\n').unwrap().1;
    let mut both = [id(0), id(2)];
    both.sort_unstable();
    let mut named = trace(&app, &mixed).await.named;
    named.sort_unstable();
    assert_eq!(named, both);
    let mut mixed = cut(lines(0), &open, |at| at % 2 == 0);
    mixed += cut(lines(2), &open, |at| at % 2 == 1).split_once('\n').unwrap().1;
    assert!(trace(&app, &mixed).await.named.iter().all(|named| both.contains(named)));

    // What the publisher has itself, and what is of no release at all.
    let raw: Vec<String> = rows().lines().map(str::to_owned).collect();
    let found = trace(&app, &cut(&raw, &open, |_| true)).await;
    assert!(found.named.is_empty() && found.none > 0.99, "{found:?}");
    let found = trace(&app, "n,amount,kind\n-1,5.00,a\n-2,6.00,b\n").await;
    assert!(found.named.is_empty() && found.foreign == 2, "{found:?}");
    app.import(&folder).await;
    // A leak is why a dataset is withdrawn: its copies are traced all the same.
    let operator = app.operator().await.token;
    let ground = serde_json::json!({ "ground": "personal_data", "reason": "a copy was found" });
    app.post_as("/api/v1/admin/datasets/people/withdrawal", &operator, &ground).await.expect(200);
    assert_eq!(trace(&app, &cut(lines(2), &open, |_| true)).await.named, [id(2)]);
}

#[tokio::test]
async fn a_copy_in_other_clothes_is_known_again() {
    let folder = people(POLICY, &FIELDS, &rows());
    let app = TestApp::with_datasets(folder.path()).await;
    let grants = grants(&app, 3).await;
    let lines = &grants[1].2;
    // Amounts without their last zeros, other headers, and one column that somebody has multiplied.
    let body = lines[1..].iter().fold(String::new(), |mut text, line| {
        let cells: Vec<&str> = line.trim_end().split(',').collect();
        writeln!(text, "{}\t{}\t{}", cells[1], cells[3].parse::<f64>().unwrap(), cells[4].to_uppercase()).unwrap();
        text
    });
    let copy = format!("number\tAMOUNT\tkind\n{body}");
    let found = trace_with(&app, &copy, |given| {
        given.renamed.push(Renamed { column: "number".to_owned(), field: "n".to_owned() });
    });
    assert_eq!(found.await.unwrap().named, [grants[1].1.id.clone()]);
    let changed = body.lines().fold("n\tamount\n".to_owned(), |mut text, line| {
        let cells: Vec<&str> = line.split('\t').collect();
        writeln!(text, "{}\t{}", cells[0], cells[1].parse::<f64>().unwrap() * 2.0 + 1.0).unwrap();
        text
    });
    let found = trace(&app, &changed).await;
    assert!(found.named.is_empty() && found.foreign * 2 > found.distinct, "{found:?}");
    let found = trace_with(&app, &changed, |given| given.without.push("amount".to_owned())).await.unwrap();
    assert_eq!(found.named, [grants[1].1.id.clone()]);

    let wrong = trace(&app, "n\n1\n").await;
    assert_eq!((wrong.rows, wrong.columns.as_slice()), (1, ["n".to_owned()].as_slice()));
    let problem = trace_with(&app, "x,y\n1,2\n", |_| {}).await.unwrap_err().to_string();
    assert!(problem.contains("has no column of the dataset's releases"), "{problem}");
    let rename = |given: &mut Given| given.renamed.push(Renamed { column: "z".to_owned(), field: "n".to_owned() });
    let problem = trace_with(&app, "x,y\n1,2\n", rename).await.unwrap_err().to_string();
    assert!(problem.contains("no column `z`"), "{problem}");
}

#[tokio::test]
async fn the_command_traces_beside_a_running_service() {
    let folder = people(POLICY, &FIELDS, &rows());
    let dir = tempfile::tempdir().unwrap();
    let database = TestDatabase::create(dir.path());
    let process = Process::serve(dir.path(), &database, &["--datasets-dir", &folder.path().display().to_string()]);
    let grants = grants(&process.service, 2).await;
    let leak = |name: &str, text: String| {
        std::fs::write(dir.path().join(name), text).unwrap();
        name.to_owned()
    };
    let whole = leak("whole.csv", cut(&grants[0].2, &[1, 3], |_| true));
    let traced = run(dir.path(), &database, &["lab", "trace", &whole, "--dataset", "people"]);
    let said = text(&traced.stdout);
    assert!(traced.status.success(), "{said}{}", text(&traced.stderr));
    assert!(said.contains(&format!("the copy comes from: {} (each with 99.0000 % or more)", grants[0].1.id)), "{said}");
    let few = leak("few.csv", cut(&grants[0].2, &[1, 3], |at| at < 5));
    let traced = run(dir.path(), &database, &["lab", "trace", &few, "--dataset", "people"]);
    assert_eq!(traced.status.code(), Some(1));
    assert!(text(&traced.stdout).contains("cannot tell: no grant reaches 99.0000 %"), "{}", text(&traced.stdout));
    let json = run(dir.path(), &database, &["lab", "trace", &whole, "--dataset", "people", "--json", "--confidence", "0.9"]);
    let found: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(found["named"], serde_json::json!([grants[0].1.id]));
    for (arguments, wanted) in [
        (vec!["--dataset", "nothing"], "there is no dataset"),
        (vec!["--dataset", "people", "--confidence", "2"], "give 0.9 to 0.999999"),
        (vec!["--dataset", "people", "--rename", "n"], "give COLUMN=FIELD"),
    ] {
        let refused = run(dir.path(), &database, &[&["lab", "trace", whole.as_str()], arguments.as_slice()].concat());
        assert_eq!(refused.status.code(), Some(2));
        assert!(text(&refused.stderr).contains(wanted), "{}", text(&refused.stderr));
    }
    let left = std::fs::read_dir(Path::new(dir.path()).join("data/scratch"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left: Vec<String> = left.filter(|name| name.starts_with("beside-")).collect();
    assert!(left.is_empty(), "files in the making are left: {left:?}");
    let auditor = process.service.operator().await.token;
    let entries = process.service.get_as("/api/v1/ledger/entries?limit=200", &auditor).await.expect(200).json();
    let traced = entries["items"].as_array().unwrap().iter().filter(|entry| entry["kind"] == "copy.traced");
    assert_eq!(traced.count(), 3, "each trace that was made is written down: {entries}");
    process.signal("TERM");
    assert!(process.wait().success());
}
