//! The sandbox: of a release that may be computed on, only checked groups come out.

mod noise;

use serde_json::{Value, json};

use crate::support::{Answer, Firm, Folder, GrantOf, TestApp, application, people};

const FIELDS: [(&str, &str, &str); 7] = [
    ("id", "string", "sensitivity = \"direct\"\nrelease = \"pseudonym\"\n"),
    ("kind", "string", "sensitivity = \"quasi\"\nrelease = \"keep\"\n"),
    ("age", "integer", "sensitivity = \"quasi\"\nrelease = \"keep\"\n"),
    ("day", "date", "sensitivity = \"none\"\nrelease = \"keep\"\n"),
    ("worth", "integer", "sensitivity = \"none\"\nrelease = \"keep\"\n"),
    ("price", "decimal", "scale = 2\nsensitivity = \"none\"\nrelease = \"keep\"\n"),
    ("fine", "integer", "sensitivity = \"none\"\nrelease = \"keep\"\n"),
];

const POLICY: &str = "k = 3, leave_out_share = 0";

/// 90 rows of a, 30 of b, and 4 of c that are alike. One row of b is worth more than all others of b; three of a have a fine.
fn rows() -> String {
    let row = |at: usize| {
        let fine = if at < 3 { 500 } else { 0 };
        let worth = if at == 90 { 100_000 } else { 100 + at % 7 };
        match at {
            0..90 => format!("r{at},a,30,2024-{:02}-11,{worth},{}.25,{fine}\n", at % 12 + 1, 10 + at % 5),
            90..120 => format!("r{at},b,40,2024-{:02}-11,{worth},{}.25,{fine}\n", at % 12 + 1, 10 + at % 5),
            _ => format!("r{at},c,50,2024-01-11,100,10.25,0\n"),
        }
    };
    std::iter::once("id,kind,age,day,worth,price,fine\n".to_owned()).chain((0..124).map(row)).collect()
}

fn folder(policy: &str, csv: &str) -> Folder {
    folder_of(policy, &FIELDS, csv)
}

fn folder_of(policy: &str, fields: &[(&str, &str, &str)], csv: &str) -> Folder {
    let folder = people(policy, fields, csv);
    let text = std::fs::read_to_string(folder.file("people/dataset.toml")).unwrap();
    folder.write("people/dataset.toml", text + "\n[offer]\nmodes = [\"download\", \"api\", \"sandbox\"]\n");
    folder
}

fn wanting(modes: &[&str], fields: &[&str]) -> Value {
    let mut body = application("people", fields);
    body["modes"] = json!(modes);
    body
}

const ALL: [&str; 7] = ["id", "kind", "age", "day", "worth", "price", "fine"];

async fn ask(app: &TestApp, grant: &GrantOf, sql: &str) -> Answer {
    app.post_as("/api/v1/sql", &grant.token, &json!({ "sql": sql })).await
}

async fn answered(app: &TestApp, grant: &GrantOf, sql: &str) -> Vec<Value> {
    let answer = ask(app, grant, sql).await;
    assert_eq!(answer.status, 200, "{sql}: {}", answer.text());
    answer.json()["rows"].as_array().unwrap().clone()
}

async fn sandboxed(policy: &str, csv: &str) -> (TestApp, GrantOf, Firm) {
    let folder = folder(policy, csv);
    let app = TestApp::with_datasets(folder.path()).await;
    let firm = app.firm().await;
    let grant = app.grant_for(&firm, &wanting(&["sandbox"], &ALL)).await;
    (app, grant, firm)
}

async fn revoke(app: &TestApp, grant: &GrantOf) {
    let reviewer = app.staff(&["reviewer"], None).await;
    let reason = json!({ "reason": "The work is done." });
    app.post_as(&format!("/api/v1/grants/{}/revocation", grant.id), &reviewer.token, &reason).await.expect(200);
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[tokio::test]
async fn groups_come_out_as_they_are_but_for_a_little_noise() {
    let (app, grant, _firm) = sandboxed(POLICY, &rows()).await;
    let answer =
        ask(&app, &grant, "select kind, count(*) as n, sum(worth) as total, avg(worth) as mean from people group by kind order by kind")
            .await;
    let answer = answer.expect(200);
    assert!(answer.header("qingdan-sandbox").starts_with("min_units=10, unit=row, max_share=0.5"), "{}", answer.header("qingdan-sandbox"));
    let body = answer.json();
    assert_eq!(body["sandbox"], json!({ "min_units": 10, "unit": "row", "max_share": 0.5, "count_noise": 6.0, "sum_noise": 6.0 }));
    // How much was looked at would tell of groups that are too small to be told.
    assert_eq!((&body["stats"]["rows_scanned"], &body["stats"]["scanned_bytes"]), (&json!(0), &json!(0)));
    let groups = body["rows"].as_array().unwrap();
    let kinds: Vec<&str> = groups.iter().map(|group| group["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["a", "b"], "c has 4 rows alone");
    let true_total: usize = (0..90).map(|at| 100 + at % 7).sum();
    assert!((number(&groups[0]["n"]) - 90.0).abs() <= 6.0, "{groups:?}");
    assert!((number(&groups[0]["total"]) - true_total as f64).abs() <= 768.0, "{groups:?}");
    assert!(groups[0]["total"].is_i64() && groups[0]["n"].is_i64(), "{groups:?}");
    // An average has a noise of its own, as large as that of the sum: that it is made of the same count would tell that nobody lacks a value.
    let (mut moved, mut apart) = (0, 0);
    let of_worths = "select kind, worth, count(*) as n, sum(worth) as total, avg(worth) as mean from people group by kind, worth";
    for row in answered(&app, &grant, of_worths).await {
        let members = (0..90).filter(|at| (100 + at % 7) as f64 == number(&row["worth"])).count() as f64;
        assert!(row["kind"] == "a" && (number(&row["n"]) - members).abs() <= 6.0, "{row}");
        assert!((number(&row["mean"]) - number(&row["worth"])).abs() <= 768.0 / members, "{row}");
        moved += usize::from(number(&row["n"]) != members);
        apart += usize::from((number(&row["total"]) / number(&row["mean"]) - members).abs() > 0.01);
    }
    assert!(apart > 0, "each sum and average tell the true count");
    assert!(moved > 0, "the counts of seven sets are all the true ones");
    assert!(groups[1]["n"].is_i64(), "{groups:?}");
    // Whoever adds nothing to a sum does not stand for anybody in it: three have a fine, and nobody of b has.
    for row in answered(&app, &grant, "select kind, sum(fine) as fines, avg(fine) as mean from people group by kind").await {
        assert_eq!((&row["fines"], &row["mean"]), (&Value::Null, &Value::Null), "{row}");
    }
    let quarters = "select kind, extract(QUARTER from day) as q, count(*) as n from people group by kind, q order by q";
    let quarters = answered(&app, &grant, quarters).await;
    assert_eq!(quarters.len(), 4, "{quarters:?}");
    assert_eq!((&groups[1]["total"], &groups[1]["mean"]), (&Value::Null, &Value::Null), "one row makes up nearly all of b");
    let decimal =
        answered(&app, &grant, "select kind, sum(price) as total, avg(price) as mean from people group by kind order by kind").await;
    let true_total: f64 = (0..90).map(|at| 10.25 + f64::from(at % 5)).sum();
    assert!((number(&decimal[0]["total"]) - true_total).abs() <= 96.0, "{decimal:?}");
    assert!((number(&decimal[0]["mean"]) - 12.25).abs() <= 96.0 / 90.0, "{decimal:?}");
    let entries = app.get_as("/api/v1/ledger/entries?limit=1000", &app.staff(&["auditor"], None).await.token).await.expect(200).json();
    let reads = entries["items"].as_array().unwrap().iter().filter(|entry| entry["kind"] == "read.allowed");
    let details: Vec<&str> = reads.map(|entry| entry["detail_json"].as_str().unwrap()).collect();
    assert!(details.len() == 5 && details.iter().all(|detail| detail.contains(r#""mode":"sandbox""#)), "{details:?}");
}

/// Queries that depend on one row, and what is said against them.
const REFUSED: &[(&str, &str)] = &[
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
    ("select count(distinct id) as m from people", "the subjects alone"),
    ("select sum(worth + 1) as m from people", "nothing computed"),
    ("select sum(case when id = 'x' then worth else 0 end) as m from people", "nothing computed"),
    ("select sum(w) as m from (select worth * 2 as w from people)", "as it stands"),
    ("select sum(w) as m from (select case when kind = 'a' then worth end as w from people)", "as it stands"),
    ("select count(*) as n from people a join people b on a.kind = b.kind", "without joins"),
    ("select count(*) as n from people a, people b", "without joins"),
    ("select count(*) as n from people where kind in (select kind from people)", "not allowed"),
    ("select count(*) as n from people where age = (select max(age) from people)", "not allowed"),
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
    ("select count(*) as n from people where 1 / (age - 30) > 0 and repeat(kind, 9) = ''", "`repeat` is not allowed"),
    ("select count(*) as n from people where id = 'x'", "conditions"),
    ("select count(*) as n from people where worth <> 100", "conditions"),
    ("select count(*) as n from people where kind = 'a' or not (day = '2024-01-11')", "conditions"),
    ("select count(*) filter (where fine > 0) as n from people", "conditions"),
    ("select count(case when fine > 0 then 1 end) as n from people", "conditions"),
    ("select count(nullif(fine, 0)) as n from people", "conditions"),
    ("select case when fine > 0 then 1 else 0 end as f, count(*) as n from people group by f", "conditions"),
    ("select coalesce(id, kind) as f, count(*) as n from people group by f", "conditions"),
    ("select worth > 100 as f, count(*) as n from people group by f", "conditions"),
    ("select count(*) as n from (select worth * 2 as w, kind from people) where w > 5", "conditions"),
    ("select count(*) as n from (select id || kind as w from people) where w > ''", "conditions"),
    ("select date_trunc('month', day) as m, count(*) as n from people group by m", "conditions"),
    ("select count(*) as n from people where date_trunc('month', date '2024-01-11') is null", "not allowed"),
    ("select cast(day as varchar) as d, count(*) as n from people group by d", "conditions"),
    ("select count(*) as n from people where cast(age as date) is null", "not converted"),
    ("select count(*) as n from people where cast(kind as integer) = 1", "not converted"),
    ("select count(*) as n from people where to_date(kind) is null", "not allowed"),
    ("select count(*) as n from people where date_part(kind, age) = 1", ""),
    ("select date_part('nonsense', day) as p, count(*) as n from people group by p", "conditions"),
    ("select count(*) as n from people where kind > 'a' and date '2024-99-01' > date '2024-01-01'", "2024-99-01"),
    ("select count(*) as n from people where kind + 1 > 5", ""),
    // Conditions and other fields together would choose single rows.
    ("select kind, sum(worth) as s from people where age > 5 group by kind", "of the whole table"),
    ("select sum(worth) filter (where age > 5) as s from people", "of the whole table"),
    ("select left(kind, 1) as l, avg(worth) as s from people group by l", "of the whole table"),
    ("select day, count(*) as n from people where kind = 'a' group by day", "conditions"),
    ("select day, count(*) filter (where kind = 'a') as n from people group by day", "conditions"),
    ("select day, case when age > 30 then 1 end as c, count(*) as n from people group by day, c", "conditions"),
    ("select left(cast(worth as varchar), 1) as l, count(*) as n from people group by l", "conditions"),
    ("select cast(worth as smallint) as l, count(*) as n from people group by l", "conditions"),
    ("select count(worth) as n from people", "conditions"),
    ("select id, count(*) as n from people group by id", "conditions"),
    ("select date_part('hour', day) as h, count(*) as n from people group by h", "conditions"),
    // Each would be another table with the same groups.
    ("select worth, fine, count(*) as n from people group by worth, fine", "one at a time"),
    ("select date_part('month', day) as m, worth, sum(price) as n from people group by m, worth", "one at a time"),
    ("select kind as a, kind as b, count(*) as n from people group by 1, 2", "the same"),
    ("select kind, 1 as o, count(*) as n from people group by kind, o", "a constant"),
    ("select k, l, count(*) as n from (select kind as k, kind as l from people) group by k, l", "twice"),
    ("select date_part('month', day) as m, date_part('year', day) as y, count(*) as n from people group by m, y", "twice"),
    ("select count(distinct kind) as n from people", "DISTINCT"),
    // The subjects of two sets that differ in whole groups may differ in one.
    ("select count(distinct id) as n from people where kind = 'a'", "whole table"),
    ("select count(distinct id) filter (where age > 30) as n from people", "whole table"),
    ("select kind, count(case when age > 30 then 1 end) as o, count(distinct id) as n from people group by kind", "whole table"),
    ("select sum(distinct worth) as n from people", "DISTINCT"),
    ("select count(*) as n from people where kind ~ 'a'", "not allowed"),
    ("select count(*) as n from (select 1 as __unit, kind from people)", "in use"),
    ("select count(*) as n from people where __unit = 1", "__unit"),
    ("select count(*) as n from (select kind as __row from people)", "in use"),
    ("select count(*) as n from people group by kind having max(worth) > 5", "tells of single rows"),
];

#[tokio::test]
async fn whatever_depends_on_one_row_is_refused() {
    let (app, grant, _firm) = sandboxed(POLICY, &rows()).await;
    let mut wrong = Vec::new();
    for (sql, hint) in REFUSED {
        let answer = ask(&app, &grant, sql).await;
        if answer.status != 400 || !answer.text().contains(hint) {
            wrong.push(format!("{sql}: {} {:.400}", answer.status, answer.text()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let many: Vec<String> = (0..17).map(|at| format!("count(*) filter (where age > {at}) as n{at}")).collect();
    let problem = ask(&app, &grant, &format!("select {} from people", many.join(", "))).await.problem(400, "invalid-value");
    assert!(problem["detail"].as_str().unwrap().contains("the most is 16"), "{problem}");
    // No query of another kind, either.
    for path in ["rows", "rows?group_by=kind&select=kind,count(*)", "download", "download?format=csv", "diff?from=1&to=1"] {
        let problem = app.get_as(&format!("/api/v1/datasets/people/{path}"), &grant.token).await.problem(403, "forbidden");
        assert!(problem["detail"].as_str().unwrap().contains("it allows sandbox"), "{path}: {problem}");
    }
}

#[tokio::test]
async fn an_empty_set_and_a_small_one_look_the_same() {
    let (app, grant, _firm) = sandboxed(POLICY, &rows()).await;
    for condition in [
        "kind = 'c'",
        "kind = 'nobody'",
        // These would fail on some rows elsewhere: an error would tell that there are such rows.
        "kind = 'c' and 1 / (age - 50) > 0",
        "kind = 'c' and age * 9223372036854775807 > 5",
        "kind = 'c' and cast(age * 1000000000000 as integer) is null",
    ] {
        let sql = format!("select count(*) as n, count(kind) as k from people where {condition}");
        assert_eq!(answered(&app, &grant, &sql).await, Vec::<Value>::new(), "{condition}");
        let sql = format!("select kind, count(*) as n from people where {condition} group by kind having 1 / (count(*) - 3) > 0");
        assert_eq!(answered(&app, &grant, &sql).await, Vec::<Value>::new(), "{condition}");
    }
    // A large group tells nothing of the few in it.
    for (condition, told) in
        [("kind = 'c'", false), ("kind <> 'c'", true), ("kind = 'b'", true), ("true", true), ("kind = 'nobody'", false)]
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
    // 12 people with ten rows each of a, and as many of d; four people with thirty rows each of b.
    let row = |at: usize| match at {
        0..120 => format!("p{},a,30,2024-01-11,{},1.00,0\n", at % 12, 100 + at % 3),
        120..240 => format!("p{},d,30,2024-01-11,{},1.00,0\n", at % 12, 100 + at % 3),
        _ => format!("q{},b,40,2024-01-11,100,1.00,0\n", at % 4),
    };
    let csv: String = std::iter::once("id,kind,age,day,worth,price,fine\n".to_owned()).chain((0..360).map(row)).collect();
    let (app, grant, _firm) = sandboxed("subject = \"id\", k = 3, leave_out_share = 0", &csv).await;
    let sql = "select kind, count(*) as n, sum(worth) as total, count(distinct id) as people from people group by kind order by kind";
    let answer = ask(&app, &grant, sql).await.expect(200).json();
    assert_eq!(answer["sandbox"]["unit"], "id");
    let groups = answer["rows"].as_array().unwrap();
    assert_eq!(groups.iter().map(|group| group["kind"].as_str().unwrap()).collect::<Vec<_>>(), ["a", "d"], "b are four people");
    let total = (0..120).map(|at| 100 + at % 3).sum::<usize>() as f64;
    for group in groups {
        // Each has ten rows, and a count is moved by up to six times the next power of two.
        assert!((number(&group["n"]) - 120.0).abs() <= 96.0, "{group}");
        assert!((number(&group["total"]) - total).abs() <= 6_144.0, "{group}");
        // Either may be moved by nothing: a count in one run of seventy. Both are not.
        assert_ne!((number(&group["n"]), number(&group["total"])), (120.0, total), "{group}");
        assert!((number(&group["people"]) - 12.0).abs() <= 6.0, "{group}");
    }
    // The people of a, of d and of both are the same, and the rows are not: neither are the noises.
    let told = |at: usize| ["n", "total"].map(|name| groups[at][name].clone());
    assert_ne!(told(0), told(1));
    // A grant in which every field leaves keyed has nothing else to tell its rows apart by.
    let keyed = app.grant_for(&app.firm().await, &wanting(&["sandbox"], &["id"])).await;
    let [row] = answered(&app, &keyed, "select count(*) as n, count(distinct id) as people from people").await.try_into().unwrap();
    assert!((number(&row["n"]) - 360.0).abs() <= 192.0 && (number(&row["people"]) - 16.0).abs() <= 6.0, "{row}");
    // Who leaves the field of the subjects out cannot have the sandbox; nor can anybody where groups may be of one or two.
    let problem = app.post_as("/api/v1/applications", &app.firm().await.token, &wanting(&["sandbox"], &["kind", "worth"])).await;
    let problem = problem.problem(400, "invalid-value");
    assert_eq!(problem["errors"][0]["pointer"], "/fields");
    assert!(problem["errors"][0]["detail"].as_str().unwrap().contains("`id`"), "{problem}");
    let narrow = json!({ "where": "kind = 'a'" });
    let folder = folder("k = 2, leave_out_share = 0", &rows());
    let app = TestApp::with_datasets(folder.path()).await;
    let problem = app.post_as("/api/v1/applications", &app.firm().await.token, &wanting(&["sandbox"], &ALL)).await;
    let problem = problem.problem(400, "invalid-value");
    assert!(problem["errors"][0]["detail"].as_str().unwrap().contains("must be at least 3"), "{problem}");
    let mut body = wanting(&["sandbox"], &ALL);
    body.as_object_mut().unwrap().extend(narrow.as_object().unwrap().clone());
    let problem = app.post_as("/api/v1/applications", &app.firm().await.token, &body).await.problem(400, "invalid-value");
    assert_eq!(problem["errors"][0]["pointer"], "/where", "{problem}");
}

#[tokio::test]
async fn rows_that_name_no_subject_count_as_nobody() {
    let row = |at: usize| match at {
        0..60 => format!("p{at},a,30,2024-01-11,100,1.00,0\n"),
        _ => format!(",{},30,2024-01-11,100,1.00,0\n", if at.is_multiple_of(2) { "a" } else { "e" }),
    };
    let csv = "id,kind,age,day,worth,price,fine\n".to_owned() + &(0..200).map(row).collect::<String>();
    let (app, grant, _firm) = sandboxed("subject = \"id\", k = 3, max_suppressed_share = 1, leave_out_share = 0", &csv).await;
    let [row] =
        answered(&app, &grant, "select kind, count(*) as n, sum(worth) as total, count(distinct id) as people from people group by kind")
            .await
            .try_into()
            .unwrap();
    assert_eq!(row["kind"], "a", "nobody is in e");
    assert!(
        (number(&row["n"]) - 60.0).abs() <= 6.0
            && (number(&row["total"]) - 6_000.0).abs() <= 768.0
            && (number(&row["people"]) - 60.0).abs() <= 6.0,
        "{row}"
    );
}

/// Rows that are left out to reach k are others with other fields, and those of the fingerprint with another grant: of two, one tells what the
/// other keeps back.
#[tokio::test]
async fn a_firm_has_the_sandbox_once_and_over_one_set_of_fields() {
    let (app, grant, firm) = sandboxed(POLICY, &rows()).await;
    let fewer = ["id", "kind", "worth", "price"];
    let ask = async |firm: &Firm, modes: &[&str], fields: &[&str]| {
        let made = app.post_as("/api/v1/applications", &firm.token, &wanting(modes, fields)).await.expect(201).json();
        let id = made["id"].as_str().unwrap().to_owned();
        let reviewer = app.staff(&["reviewer"], None).await;
        let approval = app.approval(&reviewer, &id).await;
        (app.post_as(&format!("/api/v1/applications/{id}/decision"), &reviewer.token, &approval).await, id)
    };
    for fields in [ALL.as_slice(), &fewer] {
        let problem = ask(&firm, &["sandbox"], fields).await.0.problem(409, "conflict");
        assert!(problem["detail"].as_str().unwrap().contains("in force"), "{problem}");
    }
    revoke(&app, &grant).await;
    let problem = ask(&firm, &["sandbox"], &fewer).await.0.problem(409, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains("id, kind, age, day, worth, price, fine"), "{problem}");
    // Rows are another matter, and so is another firm. Of two that are approved together, the second is not signed.
    ask(&firm, &["api", "sandbox"], &fewer).await.0.expect(200);
    let other = app.firm().await;
    let (approved, id) = ask(&other, &["sandbox"], &fewer).await;
    approved.expect(200);
    app.grant_for(&other, &wanting(&["sandbox"], &ALL)).await;
    let application = app.get_as(&format!("/api/v1/applications/{id}"), &other.token).await.expect(200).json();
    let agreement = format!("/api/v1/agreements/{}", application["agreement_id"].as_str().unwrap());
    let agreement = app.get_as(&agreement, &other.token).await.expect(200).json();
    app.sign(&other, &agreement).await.problem(409, "conflict");
}

#[tokio::test]
async fn a_reviewer_may_give_the_sandbox_for_rows() {
    let folder = folder(POLICY, &rows());
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
