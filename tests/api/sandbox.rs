//! The sandbox: of a release that may be computed on, only checked groups come out.

use serde_json::{Value, json};

use crate::support::{Answer, Folder, GrantOf, TestApp, application, people};

const FIELDS: [(&str, &str, &str); 5] = [
    ("id", "string", "sensitivity = \"direct\"\nrelease = \"pseudonym\"\n"),
    ("kind", "string", "sensitivity = \"none\"\nrelease = \"keep\"\n"),
    ("day", "date", "sensitivity = \"none\"\nrelease = \"keep\"\n"),
    ("worth", "integer", "sensitivity = \"none\"\nrelease = \"keep\"\n"),
    ("price", "decimal", "scale = 2\nsensitivity = \"none\"\nrelease = \"keep\"\n"),
];

/// 90 rows of a, 30 of b, 4 of c; one row of b is worth more than all others of b.
fn rows() -> String {
    let row = |at: usize| {
        let kind = match at {
            0..90 => "a",
            90..120 => "b",
            _ => "c",
        };
        let worth = if at == 90 { 100_000 } else { 100 + at % 7 };
        format!("r{at},{kind},2024-{:02}-11,{worth},{}.25\n", at % 12 + 1, 10 + at % 5)
    };
    std::iter::once("id,kind,day,worth,price\n".to_owned()).chain((0..124).map(row)).collect()
}

fn folder(policy: &str, csv: &str) -> Folder {
    let folder = people(policy, &FIELDS, csv);
    let text = std::fs::read_to_string(folder.file("people/dataset.toml")).unwrap();
    folder.write("people/dataset.toml", text + "\n[offer]\nmodes = [\"download\", \"api\", \"sandbox\"]\n");
    folder
}

fn wanting(modes: &[&str], fields: &[&str]) -> Value {
    let mut body = application("people", fields);
    body["modes"] = json!(modes);
    body
}

const ALL: [&str; 5] = ["id", "kind", "day", "worth", "price"];

async fn ask(app: &TestApp, grant: &GrantOf, sql: &str) -> Answer {
    app.post_as("/api/v1/sql", &grant.token, &json!({ "sql": sql })).await
}

async fn answered(app: &TestApp, grant: &GrantOf, sql: &str) -> Vec<Value> {
    let answer = ask(app, grant, sql).await;
    assert_eq!(answer.status, 200, "{sql}: {}", answer.text());
    answer.json()["rows"].as_array().unwrap().clone()
}

async fn sandboxed(policy: &str, csv: &str) -> (TestApp, GrantOf, Folder) {
    let folder = folder(policy, csv);
    let app = TestApp::with_datasets(folder.path()).await;
    let firm = app.firm().await;
    let grant = app.grant_for(&firm, &wanting(&["sandbox"], &ALL)).await;
    (app, grant, folder)
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[tokio::test]
async fn groups_come_out_as_they_are_but_for_a_little_noise() {
    let (app, grant, _folder) = sandboxed("leave_out_share = 0", &rows()).await;
    let answer =
        ask(&app, &grant, "select kind, count(*) as n, sum(worth) as total, avg(worth) as mean from people group by kind order by kind")
            .await;
    let answer = answer.expect(200);
    assert!(answer.header("qingdan-sandbox").starts_with("min_units=10, unit=row, max_share=0.5"), "{}", answer.header("qingdan-sandbox"));
    let body = answer.json();
    assert_eq!(body["sandbox"], json!({ "min_units": 10, "unit": "row", "max_share": 0.5, "count_noise": 2.0, "sum_noise": 1.0 }));
    // How much was looked at would tell of groups that are too small to be told.
    assert_eq!((&body["stats"]["rows_scanned"], &body["stats"]["scanned_bytes"]), (&json!(0), &json!(0)));
    let groups = body["rows"].as_array().unwrap();
    let kinds: Vec<&str> = groups.iter().map(|group| group["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["a", "b"], "c has 4 rows alone");
    let true_total: usize = (0..90).map(|at| 100 + at % 7).sum();
    assert!((number(&groups[0]["n"]) - 90.0).abs() <= 2.0, "{groups:?}");
    assert!((number(&groups[0]["total"]) - true_total as f64).abs() <= 106.0, "{groups:?}");
    assert!(groups[0]["total"].is_i64() && groups[0]["n"].is_i64(), "{groups:?}");
    // The average is that of the two numbers, and does not tell the true count.
    let mut moved = 0;
    for month in 1..=12 {
        let sql = format!(
            "select count(*) as n, sum(worth) as total, avg(worth) as mean from people where kind = 'a' and date_part('month', day) <> {month}"
        );
        let [row] = answered(&app, &grant, &sql).await.try_into().unwrap();
        assert!((number(&row["mean"]) - number(&row["total"]) / number(&row["n"])).abs() < 0.01, "{row}");
        moved += usize::from(number(&row["n"]) != (0..90).filter(|at| at % 12 + 1 != month).count() as f64);
    }
    assert!(moved > 0, "the counts of twelve sets are all the true ones");
    assert!(groups[1]["n"].is_i64(), "{groups:?}");
    assert_eq!((&groups[1]["total"], &groups[1]["mean"]), (&Value::Null, &Value::Null), "one row makes up nearly all of b");
    let decimal = answered(&app, &grant, "select sum(price) as total, avg(price) as mean from people where kind = 'a'").await;
    let true_total: f64 = (0..90).map(|at| 10.25 + f64::from(at % 5)).sum();
    assert!((number(&decimal[0]["total"]) - true_total).abs() <= 14.25, "{decimal:?}");
    assert!((number(&decimal[0]["mean"]) - 12.25).abs() < 0.6, "{decimal:?}");
    let entries = app.get_as("/api/v1/ledger/entries?limit=1000", &app.staff(&["auditor"], None).await.token).await.expect(200).json();
    let reads = entries["items"].as_array().unwrap().iter().filter(|entry| entry["kind"] == "read.allowed");
    let details: Vec<&str> = reads.map(|entry| entry["detail_json"].as_str().unwrap()).collect();
    assert!(details.len() > 12 && details.iter().all(|detail| detail.contains(r#""mode":"sandbox""#)), "{details:?}");
}

#[tokio::test]
async fn noise_is_the_same_for_the_same_rows_in_whatever_words_and_another_for_others() {
    let (app, grant, _folder) = sandboxed("leave_out_share = 0", &rows()).await;
    let mut told = Vec::new();
    for sql in [
        "select count(*) as n, sum(worth) as total from people where kind = 'a'",
        "select count(1) as n, sum(p.worth) as total from people as p where kind in ('a', 'x')",
        "with t as (select kind as k, worth as w from people) select count(w) as n, sum(w) as total from t where k < 'b'",
        "select count(*) filter (where kind = 'a') as n, sum(worth) filter (where kind = 'a') as total from people",
        "select n, total from (select kind, count(*) as n, sum(worth) as total from people group by kind) where kind = 'a'",
    ] {
        told.push(answered(&app, &grant, sql).await);
    }
    for other in &told {
        assert_eq!(other, &told[0]);
    }
    // Sets that differ in one row have noises of their own: what one row adds does not show.
    let mut moved = Vec::new();
    for least in 0..20 {
        let sql = format!("select count(*) as n, sum(worth) as total from people where kind = 'a' and (worth > 100 or id >= '{least:x}')");
        let [row] = answered(&app, &grant, &sql).await.try_into().unwrap();
        moved.push((number(&row["n"]), number(&row["total"])));
    }
    let different: std::collections::BTreeSet<String> = moved.iter().map(|pair| format!("{pair:?}")).collect();
    assert!(different.len() > 5, "{different:?}");
    // Of another grant over the same rows they are others too.
    let firm = app.firm().await;
    let second = app.grant_for(&firm, &wanting(&["sandbox"], &ALL)).await;
    let sql = "select sum(worth) as total, sum(price) as price from people where kind = 'a'";
    assert_ne!(answered(&app, &second, sql).await, answered(&app, &grant, sql).await);
}

#[tokio::test]
async fn whatever_depends_on_one_row_is_refused() {
    let (app, grant, _folder) = sandboxed("leave_out_share = 0", &rows()).await;
    for (sql, hint) in [
        ("select * from people", "has no group"),
        ("select kind from people limit 1", "has no group"),
        ("select distinct id from people", "has no group"),
        ("select max(worth) as m from people", "tells of single rows"),
        ("select min(id) as m from people group by kind", "tells of single rows"),
        ("select median(worth) as m from people", "tells of single rows"),
        ("select first_value(id order by worth) as m from people", "ORDER BY"),
        ("select any_value(id) as m from people", "tells of single rows"),
        ("select bit_xor(worth) as m from people", "tells of single rows"),
        ("select stddev(worth) as m from people", "tells of single rows"),
        ("select count(distinct id) as m from people", "DISTINCT"),
        ("select sum(worth + 1) as m from people", "nothing computed"),
        ("select sum(case when id = 'x' then worth else 0 end) as m from people", "nothing computed"),
        ("select sum(w) as m from (select worth * 2 as w from people)", "as it stands"),
        ("select sum(w) as m from (select case when kind = 'a' then worth end as w from people)", "as it stands"),
        ("select count(*) as n from people a join people b on a.kind = b.kind", "without joins"),
        ("select count(*) as n from people a, people b", "without joins"),
        ("select count(*) as n from people where id in (select id from people)", "not allowed"),
        ("select count(*) as n from people where worth = (select max(worth) from people)", "not allowed"),
        ("select count(*) as n from people where exists (select 1 from people)", "not allowed"),
        ("select count(*) as n from (select * from people order by worth limit 11)", "sorted or cut"),
        ("select count(*) as n from (select * from people limit 11)", "sorted or cut"),
        ("select count(*) as n from (select distinct kind from people)", "DISTINCT over rows"),
        ("select count(*) as n from (select kind, count(*) as c from people group by kind)", "groups of groups"),
        ("select count(*) as n from (select id from people union all select id from people)", "UNION"),
        ("select count(*) as n from people union all select worth from people", "UNION"),
        ("select count(*) as n, sum(count(*)) over () as m from people group by kind", "window"),
        ("select sum(r) as n from (select row_number() over (order by worth) as r from people)", "window"),
        ("select kind, count(*) as n from people group by rollup (kind)", "ROLLUP"),
        ("select count(*) as n from people where 1 / (worth - 100) > 0 and repeat(kind, 9) = ''", "`repeat` is not allowed"),
        ("select count(*) as n from people where to_date(kind) is null", "`to_date` is not allowed"),
        ("select count(*) as n from people where date_part(kind, day) = 1", "constant"),
        ("select count(*) as n from people where date_part('nonsense', day) = 1", "written out"),
        ("select count(*) as n from people where day > '2024-99-01'", "2024-99-01"),
        ("select count(*) as n from people where day > cast('x' as date)", "x"),
        ("select count(*) as n from people where day + interval '1 day' > day", "not"),
        ("select count(*) as n from people where kind ~ 'a'", "not allowed"),
        ("select count(*) as n from (select 1 as __unit, kind from people)", "in use"),
        ("select count(*) as n from people where __unit = 1", "__unit"),
        ("select count(*) as n from people group by kind having max(worth) > 5", "tells of single rows"),
    ] {
        let problem = ask(&app, &grant, sql).await.problem(400, "invalid-value");
        let detail = problem["errors"][0]["detail"].as_str().unwrap();
        assert!(detail.contains(hint), "{sql}: {detail}");
    }
    // No query of another kind, either.
    for path in ["rows", "rows?group_by=kind&select=kind,count(*)", "download", "download?format=csv", "diff?from=1&to=1"] {
        let problem = app.get_as(&format!("/api/v1/datasets/people/{path}"), &grant.token).await.problem(403, "forbidden");
        assert!(problem["detail"].as_str().unwrap().contains("it allows sandbox"), "{path}: {problem}");
    }
}

#[tokio::test]
async fn an_empty_set_and_a_small_one_look_the_same() {
    let (app, grant, _folder) = sandboxed("leave_out_share = 0", &rows()).await;
    let ids = "select id, count(*) as n from people group by id";
    assert_eq!(answered(&app, &grant, ids).await, Vec::<Value>::new());
    for condition in [
        "kind = 'c'",
        "kind = 'nobody'",
        // These fail on some rows elsewhere: an error would tell that there are such rows.
        "kind = 'c' and 1 / (worth - 100) > 0",
        "kind = 'nobody' and 1 / (worth - 100) > 0",
        "kind = 'c' and cast(kind as integer) = 1",
        "kind = 'c' and cast(worth as integer) * 9223372036854775807 > 5",
        "kind = 'c' and cast(kind as date) = '2024-01-01'",
    ] {
        let sql = format!("select count(*) as n, sum(worth) as s, avg(price) as p from people where {condition}");
        assert_eq!(answered(&app, &grant, &sql).await, Vec::<Value>::new(), "{condition}");
        let sql = format!("select kind, count(*) as n from people where {condition} group by kind having 1 / (count(*) - 3) > 0");
        assert_eq!(answered(&app, &grant, &sql).await, Vec::<Value>::new(), "{condition}");
    }
    // A large group tells nothing of the few in it, nor of the few who are not.
    for (condition, told) in
        [("kind = 'c'", false), ("kind <> 'c'", false), ("kind = 'b'", true), ("true", true), ("kind = 'nobody'", false)]
    {
        let sql = format!(
            "select count(*) as n, count(*) filter (where {condition}) as some, count(case when {condition} then 1 end) as other from people"
        );
        let [row] = answered(&app, &grant, &sql).await.try_into().unwrap();
        assert!(row["n"].is_i64(), "{row}");
        assert_eq!((row["some"].is_i64(), row["other"].is_i64()), (told, told), "{condition}: {row}");
    }
}

#[tokio::test]
async fn where_a_policy_names_subjects_they_are_counted() {
    // 12 people with ten rows each of a; two people with sixty rows each of b.
    let row = |at: usize| match at {
        0..120 => format!("p{},a,2024-01-11,{},1.00\n", at % 12, 100 + at % 3),
        _ => format!("q{},b,2024-01-11,100,1.00\n", at % 2),
    };
    let csv: String = std::iter::once("id,kind,day,worth,price\n".to_owned()).chain((0..240).map(row)).collect();
    let (app, grant, folder) = sandboxed("subject = \"id\", leave_out_share = 0", &csv).await;
    let answer = ask(&app, &grant, "select kind, count(*) as n, sum(worth) as total from people group by kind").await.expect(200).json();
    assert_eq!(answer["sandbox"]["unit"], "id");
    let groups = answer["rows"].as_array().unwrap();
    assert_eq!(groups.len(), 1, "b are two people: {groups:?}");
    // Each has ten rows, and a count is moved by up to twice that.
    assert!((number(&groups[0]["n"]) - 120.0).abs() <= 20.0, "{groups:?}");
    let total = (0..120).map(|at| 100 + at % 3).sum::<usize>() as f64;
    assert!((number(&groups[0]["total"]) - total).abs() <= 1_030.0, "{groups:?}");
    // Who leaves the field of the subjects out cannot have the sandbox.
    let firm = app.firm().await;
    let answer = app.post_as("/api/v1/applications", &firm.token, &wanting(&["sandbox"], &["kind", "worth"])).await;
    let problem = answer.problem(400, "invalid-value");
    assert_eq!(problem["errors"][0]["pointer"], "/fields");
    assert!(problem["errors"][0]["detail"].as_str().unwrap().contains("`id`"), "{problem}");
    drop(folder);
}

#[tokio::test]
async fn a_reviewer_may_give_the_sandbox_for_rows() {
    let folder = folder("leave_out_share = 0", &rows());
    let app = TestApp::with_datasets(folder.path()).await;
    let firm = app.firm().await;
    let made = app.post_as("/api/v1/applications", &firm.token, &wanting(&["api"], &ALL)).await.expect(201).json();
    let id = made["id"].as_str().unwrap();
    let reviewer = app.staff(&["reviewer"], None).await;
    let mut approval = app.approval(&reviewer, id).await;
    approval["conditions"] = json!({ "modes": ["sandbox"], "text": "Groups alone." });
    app.post_as(&format!("/api/v1/applications/{id}/decision"), &reviewer.token, &approval).await.expect(200);
    let application = app.get_as(&format!("/api/v1/applications/{id}"), &firm.token).await.expect(200).json();
    let agreement =
        app.get_as(&format!("/api/v1/agreements/{}", application["agreement_id"].as_str().unwrap()), &firm.token).await.expect(200).json();
    assert!(agreement["text"].as_str().unwrap().contains("Handed over by: sandbox"), "{agreement}");
    let signed = app.sign(&firm, &agreement).await.expect(200).json();
    let token = app.client_token(&firm.client_id, &firm.key, signed["grant"]["id"].as_str()).await;
    app.get_as("/api/v1/datasets/people/rows", &token).await.problem(403, "forbidden");
    let sql = json!({ "sql": "select count(*) as n from people" });
    app.post_as("/api/v1/sql", &token, &sql).await.expect(200);
    // With rows as well, the same question is answered without noise.
    let rows = app.grant_for(&firm, &wanting(&["api", "sandbox"], &ALL)).await;
    let answer = ask(&app, &rows, "select count(*) as n, max(worth) as m from people").await.expect(200);
    assert_eq!((answer.header("qingdan-sandbox"), &answer.json()["rows"][0]), ("", &json!({ "n": 124, "m": 100_000 })));
}
