//! Queries that mean harm: each is refused within its limits, and the service keeps answering meanwhile.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Answer, Folder, TestApp};

const PATH: &str = "/api/v1/sql";

/// Asks, and looks after the service's health until the answer is there.
async fn ask_and_look(app: &TestApp, sql: &str) -> Answer {
    let body = json!({ "sql": sql });
    let asking = app.post(PATH, &body);
    tokio::pin!(asking);
    loop {
        tokio::select! {
            answer = &mut asking => return answer,
            health = look(app) => assert!(health < Duration::from_secs(2), "health took {health:?} during {sql:.100}"),
        }
    }
}

async fn look(app: &TestApp) -> Duration {
    let began = Instant::now();
    app.get("/healthz").await.expect(200);
    began.elapsed()
}

#[tokio::test]
async fn what_is_no_select_is_refused() {
    let app = TestApp::spawn().await;
    let deep = format!("select {}1{}", "(".repeat(10_000), ")".repeat(10_000));
    let sums = format!("select 1{}", "+1".repeat(4_900));
    let conditions = format!("select 1 where true{}", " or true".repeat(4_900));
    for sql in [
        "drop table \"shanghai-districts\"",
        "create view v as select 1",
        "insert into \"shanghai-districts\" values (1)",
        "select 1; drop table x",
        "copy (select 1) to '/tmp/x.csv'",
        "explain analyze select 1",
        "set datafusion.execution.batch_size = 1",
        "select * from read_csv('/etc/passwd')",
        "select * from '/etc/passwd'",
        "select * from information_schema.tables",
        "select * from pg_catalog.pg_class",
        "with recursive t as (select 1 as n union all select n + 1 from t) select * from t",
        "select repeat('x', 1000000000)",
        "select length(repeat(repeat('x', 8000), 8000))",
        "select rpad('x', 2000000000, 'y')",
        "select replace(repeat('x', 8000), 'x', repeat('y', 8000))",
        "with a as (select repeat('x', 8000) as v), b as (select v || v as v from a) select length(v) from b",
        "select regexp_like('aaaa', '((a{1,1000}){1,1000}){1,1000}')",
        r#"select count(*) from "shanghai-districts" where regexp_like(code, concat('(\w{10}){6}', name))"#,
        r#"select count(*) from "shanghai-districts" where regexp_count(code, 'a', 1, name) > 0"#,
        r#"select regexp_instr(code, name) as n from "shanghai-districts""#,
        r#"select regexp_like('aaaa', '(\w{100}){2}')"#,
        r#"select count(*) from "shanghai-districts" where code ~ concat('(\w{10}){6}', name)"#,
        r#"select count(*) from "shanghai-districts" where code !~* (name || '(\w{10}){6}')"#,
        r#"select count(*) from "shanghai-districts" where code similar to name"#,
        r#"select count(*) from "shanghai-districts" where code ~ '(\w{10}){11}'"#,
        "select array_agg(name) from \"shanghai-districts\"",
        "select range(1, 1000000000)",
        "select levenshtein(repeat('x', 8000), repeat('y', 8000))",
        "select count(a.date) over () as n from \"working-calendar\" a, \"working-calendar\" b, \"working-calendar\" c",
        "select sum(1) over (partition by kind) as n from \"working-calendar\"",
        deep.as_str(),
    ] {
        let problem = ask_and_look(&app, sql).await.problem(400, "invalid-value");
        assert!(problem["detail"].as_str().unwrap().len() < 3000, "{sql:.100}");
    }
    // Long chains, which the engine walks one inside the other.
    for sql in [&sums, &conditions] {
        ask_and_look(&app, sql).await.problem(400, "invalid-value");
    }
    let sum = ask_and_look(&app, &format!("select 1{} as n", "+1".repeat(100))).await.expect(200).json();
    assert_eq!(sum["rows"], json!([{ "n": 101 }]));
    let large = json!({ "sql": "x".repeat(1 << 20) });
    app.post(PATH, &large).await.problem(413, "too-large");
    let long = json!({ "sql": format!("select 1 -- {}", "x".repeat(70_000)) });
    app.post(PATH, &long).await.problem(400, "invalid-value");
    app.get("/api/v1/datasets/shanghai-districts/rows").await.expect(200);
}

#[tokio::test]
async fn what_has_no_end_is_stopped() {
    let settings = [("limits_anonymous_query_seconds", "1"), ("query_memory_bytes", "33554432")];
    let app = TestApp::start(Some(&crate::support::shipped()), &settings).await;
    let c = "\"working-calendar\"";
    for sql in [
        format!("select count(*) from {c} a, {c} b, {c} c, {c} d where a.name_zh || b.name_zh || c.name_zh || d.name_zh = 'x'"),
        format!("select count(distinct a.date || b.date || c.date) from {c} a, {c} b, {c} c"),
        format!("select a.date, b.date as x, c.date as y, d.date as z from {c} a, {c} b, {c} c, {c} d order by a.date, z desc, y, x"),
    ] {
        let began = Instant::now();
        let answer = ask_and_look(&app, &sql).await;
        assert!(matches!(answer.status.as_u16(), 422 | 503), "{}: {}", answer.status, answer.text());
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    }
    // The places of the stopped queries are free, and so are their memory and their threads, as soon as these look up.
    let (began, small) = (Instant::now(), json!({ "sql": format!("select count(*) as n from {c}") }));
    loop {
        let answer = app.post(PATH, &small).await;
        if answer.status == 200 {
            assert_eq!(answer.json()["rows"], json!([{ "n": 769 }]));
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(5), "{}", answer.text());
    }
}

#[tokio::test]
async fn a_query_ends_when_its_caller_goes() {
    let settings = [
        ("limits_anonymous_queries", "1"),
        ("limits_anonymous_query_rows", "1000000000"),
        ("limits_anonymous_query_bytes", "1000000000000"),
    ];
    let app = TestApp::start(Some(&crate::support::shipped()), &settings).await;
    let c = "\"working-calendar\"";
    let sql = json!({ "sql": format!("select a.date, b.name_zh, c.kind from {c} a, {c} b, {c} c, {c} d") });
    let client = reqwest::Client::new();
    let mut answer = client.post(format!("{}{PATH}", app.url)).json(&sql).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.chunk().await.unwrap().is_some());
    // As long as it runs, its place is taken.
    app.post(PATH, &json!({ "sql": "select 1" })).await.problem(429, "rate-limited");
    drop(answer);
    let began = Instant::now();
    loop {
        let next = app.post(PATH, &json!({ "sql": "select 1 as one" })).await;
        if next.status == 200 {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(8), "the query of a caller who has gone still runs");
    }
}

#[tokio::test]
async fn rows_stay_in_their_limits_too() {
    let folder = Folder::new();
    folder.open("small", &["a:integer", "t:string"], "a,t\n1,x\n2,y\n");
    let app = TestApp::start(Some(folder.path()), &[]).await;
    let path = "/api/v1/datasets/small/rows";
    let deep = format!("{}a = 1{}", "(".repeat(3_900), ")".repeat(3_900));
    let nots = format!("{} a = 1", "not ".repeat(2_000));
    let chain = format!("a{} = 1", "+1".repeat(4_000));
    for condition in [
        deep.as_str(),
        nots.as_str(),
        chain.as_str(),
        "a = 1; select 1",
        "a in (select a from small)",
        "repeat(t, 100000000) = 'x'",
        r"regexp_like(t, concat('(\w{10}){6}', t))",
        r"regexp_like(t, '(\w{100}){2}')",
        "t ~ t",
        "levenshtein(t, t) = 0",
    ] {
        app.query(path, &[("where", condition)]).await.problem(400, "invalid-value");
    }
    app.get("/healthz").await.expect(200);
}
