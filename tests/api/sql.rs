//! SQL over releases.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Folder, TestApp};

const PATH: &str = "/api/v1/sql";

async fn ask(app: &TestApp, sql: &str) -> Answer {
    app.post(PATH, &json!({ "sql": sql })).await
}

async fn rows(app: &TestApp, sql: &str) -> Value {
    ask(app, sql).await.expect(200).json()["rows"].clone()
}

async fn refusal(app: &TestApp, sql: &str) -> String {
    let problem = ask(app, sql).await.problem(400, "invalid-value");
    assert_eq!(problem["errors"][0]["pointer"], "/sql", "{problem}");
    let detail = problem["detail"].as_str().unwrap().to_owned();
    assert!(!detail.contains("objects/") && !detail.contains("qingdan://"), "{detail}");
    detail
}

#[tokio::test]
async fn one_select_over_several_datasets() {
    let app = TestApp::spawn().await;
    let sql = r#"select d.name, count(*) as n from "xuhui-residents-committees" c
        join "xuhui-subdistricts" s on s.code = c.subdistrict_code
        join "shanghai-districts" d on d.code = substr(s.code, 1, 6) group by d.name"#;
    let answer = ask(&app, sql).await.expect(200);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("qingdan-versions"), "shanghai-districts@1, xuhui-residents-committees@1, xuhui-subdistricts@1");
    let body = answer.json();
    assert_eq!(body["rows"][0]["n"], 313, "{body}");
    assert_eq!(body["fields"], json!([{ "name": "name", "type": "string" }, { "name": "n", "type": "integer" }]));
    assert_eq!((&body["row_count"], &body["truncated"]), (&json!(1), &json!(false)));
    assert!(body["stats"]["scanned_bytes"].as_u64().unwrap() > 0, "{body}");
    assert_eq!(answer.header("qingdan-truncated"), "false");
    assert!(answer.header("qingdan-query-stats").contains("row_groups=3, pruned_row_groups=0"), "{}", answer.header("qingdan-query-stats"));
    let empty = ask(&app, "select 1 as one where false").await.expect(200).json();
    assert_eq!((&empty["rows"], &empty["row_count"]), (&json!([]), &json!(0)));
}

#[tokio::test]
async fn the_whole_of_select_is_there() {
    let app = TestApp::spawn().await;
    for (sql, wanted) in [
        ("select 1 as a union all select 2 order by a", json!([{ "a": 1 }, { "a": 2 }])),
        (
            "with t as (select * from (values (1), (2), (3)) as v(x)) select sum(x) as s from t where x > (select min(x) from t)",
            json!([{ "s": 5 }]),
        ),
        (
            "select x, row_number() over (order by x desc) as n from (values (1), (2)) as v(x) order by x",
            json!([{ "x": 1, "n": 2 }, { "x": 2, "n": 1 }]),
        ),
        ("select 'a' || 'b' || 1 as t, 'a' || null as m, concat('x', 2) as c", json!([{ "t": "ab1", "m": null, "c": "x2" }])),
        (
            "select substring('abc' from 2 for 1) as b, extract(year from date '2024-02-29') as y, trim(' a ') as t",
            json!([{ "b": "b", "y": 2024, "t": "a" }]),
        ),
        ("select date '1998-12-01' - interval '90' day as d", json!([{ "d": "1998-09-02" }])),
        ("select 2 + 3 * 4 - 1 as n, substr('abc', 1 + 1) as t", json!([{ "n": 13, "t": "bc" }])),
        ("select 0.1 + 0.2 = 0.3 as exact, 0.06 - 0.01 as low", json!([{ "exact": true, "low": 0.05 }])),
        (
            r"select regexp_like('沪-12', '^\p{Han}-\d{2}$') as l, 'Abc' ~* 'b' as m, regexp_count('aAa', 'a', 1, 'i') as n, 'a' similar to 'a|b' as s",
            json!([{ "l": true, "m": true, "n": 3, "s": true }]),
        ),
        ("select case when 'abc' like 'a%' then 1 else 0 end as y, coalesce(null, 7) as c", json!([{ "y": 1, "c": 7 }])),
    ] {
        assert_eq!(rows(&app, sql).await, wanted, "{sql}");
    }
    let plain = app.raw(Method::POST, PATH, "application/sql; charset=utf-8", b"select 1 as a -- a comment".to_vec()).await.expect(200);
    assert_eq!(plain.json()["rows"], json!([{ "a": 1 }]));
    app.raw(Method::POST, PATH, "text/plain", b"select 1".to_vec()).await.problem(415, "unsupported-media-type");
    app.raw(Method::POST, PATH, "application/json", b"{".to_vec()).await.problem(400, "malformed-request");
}

#[tokio::test]
async fn a_version_is_named_behind_an_at() {
    let folder = Folder::new();
    folder.open("growing", &["a:integer"], "a\n1\n2\n3\n");
    let app = TestApp::start(Some(folder.path()), &[]).await;
    folder.open("growing", &["a:integer"], "a\n9\n");
    qingdan::release::import_folder(&app.app.tools(), folder.path(), "service", qingdan::release::unwatched).await.unwrap();
    assert_eq!(rows(&app, "select sum(a) as s from growing").await, json!([{ "s": 9 }]));
    assert_eq!(rows(&app, r#"select sum(a) as s from "growing@1""#).await, json!([{ "s": 6 }]));
    let both = r#"select a.a as x, b.a as y from "growing@1" a join "growing@2" b on a.a < b.a order by x"#;
    assert_eq!(rows(&app, both).await[0], json!({ "x": 1, "y": 9 }));
    assert!(refusal(&app, r#"select * from "growing@3""#).await.contains("no version 3"));
    assert!(refusal(&app, "select * from growin").await.contains("near it are \"growing\""));
}

#[tokio::test]
async fn a_grant_opens_its_dataset_beside_the_open_ones() {
    let app = TestApp::with_closed().await;
    let firm = app.firm().await;
    let grant = app.grant(&firm).await;
    let sql = json!({ "sql": r#"select count(*) as n from "community-health-visits" union all select count(*) from "shanghai-districts" order by n"# });
    ask(&app, sql["sql"].as_str().unwrap()).await.problem(401, "unauthenticated");
    app.post_as(PATH, &firm.token, &sql).await.problem(403, "forbidden");
    let answer = app.post_as(PATH, &grant.token, &sql).await.expect(200);
    assert_eq!(answer.json()["rows"], json!([{ "n": 16 }, { "n": 19_884 }]));
    assert_eq!(answer.header("cache-control"), "private, no-store");
    // Dropped fields are in no release of the grant.
    let name = json!({ "sql": r#"select patient_name from "community-health-visits""# });
    app.post_as(PATH, &grant.token, &name).await.problem(400, "invalid-value");
    let closed = refusal_of(&app, r#"select * from "enterprise-inspection-clues""#).await;
    assert_eq!(closed, 403);
    let entries = app.get_as("/api/v1/ledger/entries?limit=1000", &app.operator().await.token).await.expect(200).json();
    let read = |kind: &str| entries["items"].as_array().unwrap().iter().filter(|entry| entry["kind"] == kind).count();
    assert_eq!((read("read.allowed"), read("read.refused")), (2, 1));
}

async fn refusal_of(app: &TestApp, sql: &str) -> u16 {
    ask(app, sql).await.status.as_u16()
}

#[tokio::test]
async fn every_format_by_accept() {
    let app = TestApp::spawn().await;
    let body = json!({ "sql": "select code, name from \"shanghai-districts\" order by code limit 2" });
    let asked = |accept: &'static str| {
        let (app, body) = (&app, &body);
        async move { app.send(Method::POST, PATH, None, Some(body), &[("accept", accept)]).await }
    };
    let csv = asked("text/csv").await.expect(200);
    assert!(csv.header("content-type").starts_with("text/csv"));
    assert_eq!(csv.text().lines().next().unwrap(), "code,name");
    assert_eq!((csv.text().lines().count(), csv.header("qingdan-row-count"), csv.header("qingdan-truncated")), (3, "2", "false"));
    let ndjson = asked("application/x-ndjson").await.expect(200).text();
    assert!(ndjson.lines().count() == 2 && ndjson.lines().all(|line| serde_json::from_str::<Value>(line).unwrap().is_object()));
    let arrow = asked("application/vnd.apache.arrow.stream").await.expect(200);
    let batches = datafusion::arrow::ipc::reader::StreamReader::try_new(arrow.body.as_slice(), None).unwrap();
    let types: Vec<String> = batches.schema().fields().iter().map(|field| field.data_type().to_string()).collect();
    assert_eq!(types, ["Utf8", "Utf8"], "texts are plain, as every reader knows them");
    assert_eq!(batches.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 2);
    asked("image/png").await.problem(406, "not-acceptable");
}

#[tokio::test]
async fn rows_and_bytes_are_bounded_and_said_so() {
    let app = TestApp::start(
        Some(&crate::support::shipped()),
        &[("limits_anonymous_query_rows", "100"), ("limits_anonymous_query_bytes", "2048")],
    )
    .await;
    let all = "select date from \"working-calendar\"";
    let answer = ask(&app, all).await.expect(200);
    let body = answer.json();
    assert_eq!(
        (body["truncated"].clone(), body["row_count"].as_u64().unwrap()),
        (json!(true), body["rows"].as_array().unwrap().len() as u64)
    );
    assert_eq!((body["row_count"].clone(), answer.header("qingdan-row-limit")), (json!(100), "100"));
    let three = app.post(PATH, &json!({ "sql": all, "limit": 3 })).await.expect(200).json();
    assert_eq!((&three["row_count"], &three["truncated"]), (&json!(3), &json!(true)));
    let exact = app.post(PATH, &json!({ "sql": "select * from (values (1),(2)) as v(x)", "limit": 2 })).await.expect(200).json();
    assert_eq!((&exact["row_count"], &exact["truncated"]), (&json!(2), &json!(false)));
    app.post(PATH, &json!({ "sql": all, "limit": 0 })).await.problem(400, "invalid-value");
    let firm = app.firm().await;
    let more = app.post_as(PATH, &firm.token, &json!({ "sql": all })).await.expect(200).json();
    assert_eq!((&more["row_count"], &more["truncated"]), (&json!(769), &json!(false)));
    let cut = TestApp::start(Some(&crate::support::shipped()), &[("limits_anonymous_query_bytes", "2048")]).await;
    let cross = "select a.date from \"working-calendar\" a, \"working-calendar\" b";
    let body = ask(&cut, cross).await.expect(200).json();
    assert!(body["truncated"] == true && body["row_count"].as_u64().unwrap() <= 2048, "{}", body["row_count"]);
}

#[tokio::test]
async fn mistakes_are_told_with_their_place() {
    let app = TestApp::spawn().await;
    for (sql, wanted) in [
        ("select nme from \"shanghai-districts\"", "line 1, column 8"),
        ("select nme from \"shanghai-districts\"", "nme"),
        ("select code\nfrom , x", "Line: 2"),
        ("selec 1", "cannot be read"),
        ("select nofunction(1)", "the functions are"),
        ("select string_agg(name, ',') from \"shanghai-districts\"", "the functions are"),
        ("select input_file_name()", "the functions are"),
        ("select a.code, b.code from \"shanghai-districts\" a, \"shanghai-districts\" b", "two columns of the answer are named `code`"),
        ("select 1/0 as x", "Divide by zero"),
        ("select cast('x' as int)", "x"),
        ("select $1", "$1"),
        ("select * from \"shanghai-districts\" where name ~ '('", ""),
        ("select \"a\"\"b\" from \"shanghai-districts\"", "a\"\"b"),
        ("select (select code from \"shanghai-districts\")", "more than one"),
        ("select @@version", ""),
    ] {
        let detail = refusal(&app, sql).await;
        assert!(detail.contains(wanted), "{sql}: {detail}");
    }
}

#[tokio::test]
async fn a_sum_that_no_integer_holds_is_refused_and_never_wraps() {
    let folder = Folder::new();
    folder.open("large", &["g:string", "n:integer"], "g,n\na,9223372036854775807\na,1\nb,-9223372036854775808\nb,7\nb,-7\nc,\n");
    let app = TestApp::start(Some(folder.path()), &[]).await;
    for sql in [
        "select sum(n) as s from large where g = 'a'",
        "select g, sum(n) as s from large group by g",
        "select sum(distinct n) as s from large where g = 'a'",
        "select g, sum(n) over (partition by g order by n desc rows between unbounded preceding and current row) as s from large",
        "select sum(n) over (order by n desc rows between 1 preceding and current row) as s from large where g = 'a'",
    ] {
        let said = refusal(&app, sql).await;
        assert!(said.contains("a sum is larger than a whole number of 64 bits"), "{sql}: {said}");
    }
    let query = [("select", "g,sum(n) as s"), ("group_by", "g")];
    let refused = app.query("/api/v1/datasets/large/rows", &query).await.problem(400, "invalid-value");
    assert!(refused["detail"].as_str().unwrap().contains("a sum is larger"), "{refused}");
    // What comes back into the range on the way is no fault, nor are the ends of the range.
    let wide = "select cast(sum(cast(n as decimal(38, 0))) as varchar) as s from large where g = 'a'";
    assert_eq!(rows(&app, wide).await, json!([{ "s": "9223372036854775808" }]));
    let answer = ask(&app, "select g, sum(n) as s from large where g <> 'a' group by g order by g").await.expect(200).json();
    assert_eq!(answer["fields"][1], json!({ "name": "s", "type": "integer" }));
    assert_eq!(answer["rows"].to_string(), r#"[{"g":"b","s":-9223372036854775808},{"g":"c","s":null}]"#, "{answer}");
    let moving = "select n, sum(n) over (order by n rows between 1 preceding and current row) as s from large where g = 'b' order by n";
    let moved = ask(&app, moving).await;
    assert!(moved.status == 400, "the least number and a smaller one: {}", moved.text());
    assert_eq!(rows(&app, "select sum(n) as s from large").await, json!([{ "s": 0 }]));
    let having = "select g from large where g = 'b' group by g having sum(n) < 0";
    assert_eq!(rows(&app, having).await, json!([{ "g": "b" }]));
}
