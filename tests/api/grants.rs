//! How far a grant reaches: which versions and rows, how much may be read; how it is renewed, and what becomes of it at its end.

use chrono::{Duration, Utc};
use diesel::{ExpressionMethods, QueryDsl, RunQueryDsl};
use qingdan::db::schema::{grant_usage, grants, parts, releases};
use qingdan::limits::{Amounts, Metering, ReadQuota};
use serde_json::{Value, json};

use crate::support::{Answer, Firm, Folder, GrantOf, TestApp, application, people};

const FIELDS: [(&str, &str, &str); 4] = [
    ("id", "string", "sensitivity = \"direct\"\nrelease = \"drop\"\n"),
    ("kind", "string", "sensitivity = \"none\"\nrelease = \"keep\"\n"),
    ("day", "date", "sensitivity = \"none\"\nrelease = \"year\"\n"),
    ("worth", "integer", "sensitivity = \"none\"\nrelease = \"keep\"\n"),
];

/// Rows 0 to `count`, half of kind a and half of kind b.
fn rows(count: usize) -> String {
    let row = |at: usize| format!("r{at},{},2024-03-{:02},{at}\n", if at.is_multiple_of(2) { "a" } else { "b" }, at % 28 + 1);
    std::iter::once("id,kind,day,worth\n".to_owned()).chain((0..count).map(row)).collect()
}

fn folder(offer: &str) -> Folder {
    let folder = people("", &FIELDS, &rows(20));
    let text = std::fs::read_to_string(folder.file("people/dataset.toml")).unwrap();
    folder.write("people/dataset.toml", text + offer);
    folder
}

fn wanting(change: Value) -> Value {
    let mut body = application("people", &["kind", "day", "worth"]);
    body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    body
}

async fn read(app: &TestApp, grant: &GrantOf, query: &str) -> Answer {
    app.get_as(&format!("/api/v1/datasets/people/rows?{query}"), &grant.token).await
}

async fn change(app: &TestApp, work: impl FnOnce(&mut qingdan::db::Conn) -> usize + Send + 'static) {
    assert_eq!(app.app.db.write(move |conn| Ok(work(conn))).await.unwrap(), 1);
}

/// Lets a grant end so many seconds from now.
async fn ends_in(app: &TestApp, id: &str, seconds: i64) {
    let (id, ends) = (id.to_owned(), qingdan::clock::now_naive() + Duration::seconds(seconds));
    change(app, move |conn| diesel::update(grants::table.find(id)).set(grants::expires_at.eq(ends)).execute(conn).unwrap()).await;
}

async fn entries(app: &TestApp, kind: &str) -> Vec<Value> {
    let auditor = app.staff(&["auditor"], None).await;
    let page = app.get_as("/api/v1/ledger/entries?limit=1000", &auditor.token).await.expect(200).json();
    page["items"].as_array().unwrap().iter().filter(|entry| entry["kind"] == kind).cloned().collect()
}

#[tokio::test]
async fn a_grant_of_one_version_gives_no_other() {
    let folder = folder("");
    let app = TestApp::with_datasets(folder.path()).await;
    let firm = app.firm().await;
    let agreement = app.drawn_agreement_for(&firm, &wanting(json!({ "versions": "this" }))).await;
    let text = agreement["text"].as_str().unwrap();
    assert!(text.contains("Versions: version 1 alone\n") && text.contains("版本：仅第 1 版\n"), "{text}");
    // Between the approval and the signature a version comes.
    folder.write("people/data.csv", rows(30));
    app.import(&folder).await;
    let signed = app.sign(&firm, &agreement).await.expect(200).json();
    assert_eq!((&signed["grant"]["versions"], &signed["grant"]["version"]), (&json!("this"), &json!(1)));
    let this = GrantOf {
        token: app.client_token(&firm.client_id, &firm.key, signed["grant"]["id"].as_str()).await,
        id: signed["grant"]["id"].as_str().unwrap().to_owned(),
    };
    let each = app.grant_for(&firm, &wanting(json!({}))).await;
    for (grant, version, total) in [(&this, "1", 20), (&each, "2", 30), (&this, "1", 20)] {
        let page = read(&app, grant, "limit=1").await.expect(200);
        assert_eq!((page.header("qingdan-version"), page.json()["total"].as_i64()), (version, Some(total)));
    }
    assert_eq!(read(&app, &each, "limit=1&version=1").await.expect(200).json()["total"], 20);
    let problem = read(&app, &this, "limit=1&version=2").await.problem(403, "forbidden");
    assert!(problem["detail"].as_str().unwrap().contains("for version 1 alone"), "{problem}");
    let sql = json!({ "sql": "select count(*) as n from \"people@2\"" });
    app.post_as("/api/v1/sql", &this.token, &sql).await.problem(403, "forbidden");
    let sql = json!({ "sql": "select count(*) as n from people" });
    assert_eq!(app.post_as("/api/v1/sql", &this.token, &sql).await.expect(200).json()["rows"][0]["n"], 20);
}

#[tokio::test]
async fn rows_of_a_grant_are_those_that_the_firm_asked_for() {
    let folder = folder("");
    let app = TestApp::with_datasets(folder.path()).await;
    let firm = app.firm().await;
    for (condition, hint) in [
        ("day > '2024-03-10'", "kind, worth"),
        ("id = 'r1'", "kind, worth"),
        ("kind = ", "cannot be read"),
        ("kind = 'a'; drop table grants", "cannot be read"),
        ("kind in (select kind from people)", "kind, worth"),
    ] {
        let answer = app.post_as("/api/v1/applications", &firm.token, &wanting(json!({ "where": condition }))).await;
        let problem = answer.problem(400, "invalid-value");
        assert_eq!(problem["errors"][0]["pointer"], "/where", "{condition}: {problem}");
        assert!(problem["errors"][0]["detail"].as_str().unwrap().contains(hint), "{condition}: {problem}");
    }
    let wanted = wanting(json!({ "where": "kind = 'a' and worth < 10" }));
    let made = app.post_as("/api/v1/applications", &firm.token, &wanted).await.expect(201).json();
    assert_eq!(made["where"], "kind = 'a' and worth < 10");
    let reviewer = app.staff(&["reviewer"], None).await;
    let report = app.report(&reviewer, made["id"].as_str().unwrap()).await.expect(201).json();
    assert_eq!((&report["report"]["rows"]["filtered"], &report["report"]["rows"]["released"]), (&json!(15), &json!(5)));
    let agreement = app.approve(made["id"].as_str().unwrap()).await;
    assert!(agreement["text"].as_str().unwrap().contains("as the receiver asks: those for which this holds: kind = 'a' and worth < 10"));
    let signed = app.sign(&firm, &agreement).await.expect(200).json();
    let token = app.client_token(&firm.client_id, &firm.key, signed["grant"]["id"].as_str()).await;
    let csv = app.get_as("/api/v1/datasets/people/download?format=csv", &token).await.expect(200).text();
    let mut lines: Vec<&str> = csv.lines().skip(1).collect();
    lines.sort_unstable();
    assert_eq!(lines, ["a,2024,0", "a,2024,2", "a,2024,4", "a,2024,6", "a,2024,8"]);
}

/// The condition counts before groups are made: what is left is k-anonymous by itself.
#[tokio::test]
async fn a_condition_of_ones_own_leaves_no_group_below_k() {
    let fields = [
        ("kind", "string", "sensitivity = \"quasi\"\nrelease = \"keep\"\n"),
        ("town", "string", "sensitivity = \"quasi\"\nrelease = \"keep\"\n"),
        ("worth", "integer", "sensitivity = \"none\"\nrelease = \"keep\"\n"),
    ];
    let mut csv = "kind,town,worth\n".to_owned();
    for at in 0_u32..12 {
        csv += &format!("{},{},{at}\n", if at.is_multiple_of(2) { "a" } else { "b" }, if at < 6 { "x" } else { "y" });
    }
    let folder = people("k = 3, max_suppressed_share = 0.5", &fields, &csv);
    let app = TestApp::with_datasets(folder.path()).await;
    let firm = app.firm().await;
    let mut body = application("people", &["kind", "town", "worth"]);
    // Of (a, x) three rows stay, of (a, y) two: these would be a group below k.
    body["where"] = json!("kind = 'a' and worth < 10");
    let grant = app.grant_for(&firm, &body).await;
    let page = read(&app, &grant, "limit=100").await.expect(200).json();
    let towns: Vec<&str> = page["rows"].as_array().unwrap().iter().map(|row| row["town"].as_str().unwrap_or("-")).collect();
    assert_eq!(towns, ["x", "x", "x"], "{page}");
}

#[tokio::test]
async fn a_quota_of_rows_bytes_and_calls_is_kept() {
    let folder = folder("[offer]\nquota = { calls_per_day = 1000, rows_per_day = 10 }\n");
    let app = TestApp::with_datasets(folder.path()).await;
    let firm = app.firm().await;
    let offer = app.get("/api/v1/datasets/people/offer").await.expect(200).json();
    assert!(offer["permission"][0]["constraint"].to_string().contains("docs#rows_per_day"), "{offer}");
    let more = wanting(json!({ "quota": { "rows_per_day": 11, "bytes_per_day": 5 } }));
    let made = app.post_as("/api/v1/applications", &firm.token, &more).await.expect(201).json();
    assert_eq!(made["conflicts"][0]["pointer"], "/quota/rows_per_day");
    assert_eq!(made["conflicts"].as_array().unwrap().len(), 1);
    let none = app.post_as("/api/v1/applications", &firm.token, &wanting(json!({ "quota": { "days": 0 } }))).await;
    assert_eq!(none.problem(400, "invalid-value")["errors"][0]["pointer"], "/quota/days");

    let agreement = app.drawn_agreement_for(&firm, &wanting(json!({ "quota": { "bytes_per_day": 100_000 } }))).await;
    let text = agreement["text"].as_str().unwrap();
    assert!(text.contains("At most: 1000 calls a day, 10 rows a day, 100000 bytes a day\n"), "{text}");
    let signed = app.sign(&firm, &agreement).await.expect(200).json();
    let id = signed["grant"]["id"].as_str().unwrap().to_owned();
    let grant = GrantOf { token: app.client_token(&firm.client_id, &firm.key, Some(&id)).await, id };
    // A file of twenty rows is over it, a page of seven is not; then three are left.
    limited(app.get_as("/api/v1/datasets/people/download", &grant.token).await, "10 rows a day has 10 left, and this needs 20");
    read(&app, &grant, "limit=7").await.expect(200);
    limited(read(&app, &grant, "limit=7").await, "has 3 left, and this needs 7");
    let sql = |sql: &str| json!({ "sql": sql });
    limited(app.post_as("/api/v1/sql", &grant.token, &sql("select kind from people limit 4")).await, "has 3 left, and this needs 4");
    app.post_as("/api/v1/sql", &grant.token, &sql("select kind from people limit 2")).await.expect(200).json();
    read(&app, &grant, "limit=1").await.expect(200);
    limited(read(&app, &grant, "limit=1").await, "has 0 left, and this needs 1");
    let shown = app.get_as(&format!("/api/v1/grants/{}", grant.id), &firm.token).await.expect(200).json();
    assert_eq!((&shown["used"]["today"]["rows"], &shown["used"]["days"]), (&json!(10), &json!(1)));
    assert!(shown["used"]["today"]["calls"].as_u64() >= Some(6) && shown["used"]["today"]["bytes"].as_u64() > Some(100), "{shown}");
    assert_eq!(shown["quota"], json!({ "calls_per_day": 1000, "rows_per_day": 10, "bytes_per_day": 100_000 }));
}

fn limited(answer: Answer, says: &str) {
    assert!(answer.header("retry-after").parse::<u64>().unwrap() <= 24 * 3600);
    let problem = answer.problem(429, "rate-limited");
    assert!(problem["detail"].as_str().unwrap().contains(says), "{problem}");
}

#[tokio::test]
async fn a_reviewer_may_give_less_than_a_firm_wants_to_read() {
    let folder = folder("[offer]\nquota = { calls_per_day = 1000, rows_per_day = 10 }\n");
    let app = TestApp::with_datasets(folder.path()).await;
    let (firm, reviewer) = (app.firm().await, app.staff(&["reviewer"], None).await);
    // A reviewer may give less, and no more.
    let made = app.post_as("/api/v1/applications", &firm.token, &wanting(json!({ "quota": { "days": 5 } }))).await.expect(201).json();
    let path = format!("/api/v1/applications/{}/decision", made["id"].as_str().unwrap());
    let mut approval = app.approval(&reviewer, made["id"].as_str().unwrap()).await;
    approval["conditions"] = json!({ "quota": { "days": 6 } });
    let problem = app.post_as(&path, &reviewer.token, &approval).await.problem(400, "invalid-value");
    assert_eq!(problem["errors"][0]["pointer"], "/conditions/quota/days");
    approval["conditions"] = json!({ "quota": { "days": 1, "calls_per_day": 2 } });
    let decided = app.post_as(&path, &reviewer.token, &approval).await.expect(200).json();
    assert_eq!(decided["application"]["granted"]["quota"], json!({ "calls_per_day": 2, "rows_per_day": 10, "days": 1 }));
    let signed = app.sign(&firm, &decided["agreement"]).await.expect(200).json();
    let id = signed["grant"]["id"].as_str().unwrap().to_owned();
    let grant = GrantOf { token: app.client_token(&firm.client_id, &firm.key, Some(&id)).await, id: id.clone() };
    read(&app, &grant, "limit=1").await.expect(200);
    read(&app, &grant, "limit=1").await.expect(200);
    limited(read(&app, &grant, "limit=1").await, "2 calls a day has 0 left");

    // The one day is used up on another one.
    let made = app.grant_for(&firm, &wanting(json!({ "quota": { "days": 1 } }))).await;
    let id = made.id.clone();
    let row = (
        grant_usage::grant_id.eq(id),
        grant_usage::day.eq("2026-01-05"),
        grant_usage::calls.eq(1),
        grant_usage::read_rows.eq(0),
        grant_usage::read_bytes.eq(0),
    );
    change(&app, move |conn| diesel::insert_into(grant_usage::table).values(row).execute(conn).unwrap()).await;
    let problem = read(&app, &made, "limit=1").await.problem(403, "forbidden");
    assert!(problem["detail"].as_str().unwrap().contains("1 different days, and they are used up"), "{problem}");
}

#[tokio::test]
async fn what_was_counted_survives_a_restart_and_two_replicas_add_up() {
    let folder = folder("");
    let app = TestApp::with_datasets(folder.path()).await;
    let firm = app.firm().await;
    let id = app.grant_for(&firm, &wanting(json!({}))).await.id;
    let quota = ReadQuota { rows_per_day: Some(10), ..ReadQuota::default() };
    let [first, second] = [std::sync::Arc::<Metering>::default(), std::sync::Arc::default()];
    let (db, rows) = (app.app.db.clone(), |rows| Amounts { rows, ..Amounts::default() });
    let [one, other] = [first.begin(&db, &id, quota).await.unwrap(), second.begin(&db, &id, quota).await.unwrap()];
    one.take(rows(6)).unwrap();
    other.take(rows(3)).unwrap();
    for metering in [first, second] {
        let db = db.clone();
        tokio::task::spawn_blocking(move || metering.flush(&db)).await.unwrap().unwrap();
    }
    let third = std::sync::Arc::<Metering>::default();
    let meter = third.begin(&db, &id, quota).await.unwrap();
    let used = third.used(&db, &id).await.unwrap();
    assert_eq!((used.today, used.days), (Amounts { calls: 3, rows: 9, bytes: 0 }, 1));
    meter.take(rows(2)).unwrap_err();
    meter.take(rows(1)).unwrap();
    assert!(third.begin(&db, &id, quota).await.is_err(), "nothing is left");
}

/// Renews a grant up to the signature, and answers what the signature gave.
async fn renew(app: &TestApp, firm: &Firm, grant: &str, days: i32) -> Value {
    let agreement = app.approve(ask(app, firm, grant, days).await.expect(201).json()["id"].as_str().unwrap()).await;
    let text = agreement["text"].as_str().unwrap();
    assert!(text.contains(&format!("the grant {grant} is renewed: {days} days from the end")), "{text}");
    app.sign(firm, &agreement).await.expect(200).json()
}

async fn ask(app: &TestApp, firm: &Firm, grant: &str, days: i32) -> Answer {
    let body = json!({ "term_days": days, "purpose": "the tests go on for a while", "safeguards": "encrypted disks, two people" });
    app.post_as(&format!("/api/v1/grants/{grant}/renewals"), &firm.token, &body).await
}

#[tokio::test]
async fn a_grant_is_renewed_by_an_application_of_its_own() {
    let folder = folder("");
    let app = TestApp::with_datasets(folder.path()).await;
    let (firm, other) = (app.firm().await, app.firm().await);
    let grant = app.grant_for(&firm, &wanting(json!({ "where": "kind = 'a'", "quota": { "days": 20 } }))).await;
    let before = app.get_as(&format!("/api/v1/grants/{}", grant.id), &firm.token).await.expect(200).json();
    read(&app, &grant, "limit=1").await.expect(200);
    ask(&app, &other, &grant.id, 10).await.problem(404, "not-found");
    assert_eq!(ask(&app, &firm, &grant.id, 0).await.problem(400, "invalid-value")["errors"][0]["pointer"], "/term_days");

    let first = ask(&app, &firm, &grant.id, 10).await.expect(201).json();
    assert_eq!((&first["status"], &first["renews_id"], &first["where"]), (&json!("submitted"), &json!(grant.id), &json!("kind = 'a'")));
    let problem = ask(&app, &firm, &grant.id, 10).await.problem(409, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains(first["id"].as_str().unwrap()), "{problem}");
    // Asked for more, the firm may change its words and its term, and not what the grant gives.
    let reviewer = app.staff(&["reviewer"], None).await;
    let path = format!("/api/v1/applications/{}", first["id"].as_str().unwrap());
    app.post_as(&format!("{path}/questions"), &reviewer.token, &json!({ "question": "Why longer?" })).await.expect(200);
    let put = |body: Value| {
        let (app, path, token) = (&app, &path, &firm.token);
        async move { app.send(reqwest::Method::PUT, path, Some(token), Some(&body), &[]).await }
    };
    let wider = put(wanting(json!({ "where": "worth > 3", "quota": { "days": 20 }, "versions": "this" }))).await;
    let pointers: Vec<Value> =
        wider.problem(400, "invalid-value")["errors"].as_array().unwrap().iter().map(|fault| fault["pointer"].clone()).collect();
    assert_eq!(pointers, ["/versions", "/where"]);
    put(wanting(json!({ "where": "kind = 'a'", "quota": { "days": 20 }, "term_days": 12 }))).await.expect(200);
    let reason = json!({ "reason": "we ask in another way" });
    app.post_as(&format!("{path}/withdrawal"), &firm.token, &reason).await.expect(200);

    let signed = renew(&app, &firm, &grant.id, 15).await;
    assert_eq!(signed["grant"]["id"], grant.id);
    assert_eq!(signed["agreement"]["grant_id"], grant.id);
    let moment = |grant: &Value| grant["expires_at"].as_str().unwrap().parse::<chrono::DateTime<Utc>>().unwrap();
    assert_eq!(moment(&signed["grant"]) - moment(&before), Duration::days(15));
    assert_eq!(signed["grant"]["starts_at"], before["starts_at"]);
    // The same token reads the same release, and the register has the new agreement.
    read(&app, &grant, "limit=1").await.expect(200);
    let entry = app.get(&format!("/api/v1/register/{}", grant.id)).await.expect(200).json();
    assert_eq!(entry["agreement"]["sha256"], signed["agreement"]["sha256"]);
    let kinds: Vec<&str> = entry["history"].as_array().unwrap().iter().map(|one| one["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "agreement.signed").count(), 2, "{kinds:?}");
    assert_eq!(kinds.last(), Some(&"grant.renewed"));
    app.get_as(&format!("/api/v1/agreements/{}/bundle", signed["agreement"]["id"].as_str().unwrap()), &firm.token).await.expect(200);
    assert_eq!(app.app.db.read(|conn| Ok(releases::table.count().get_result::<i64>(conn)?)).await.unwrap(), 1, "no second release");

    // When the dataset's policy has become another one, an approval would give something else.
    let again = ask(&app, &firm, &grant.id, 10).await.expect(201).json();
    let text = std::fs::read_to_string(folder.file("people/dataset.toml")).unwrap();
    folder.write("people/dataset.toml", text.replace("policy = {  }", "policy = { sample = 0.5 }"));
    app.import(&folder).await;
    let approval = app.approval(&reviewer, again["id"].as_str().unwrap()).await;
    let path = format!("/api/v1/applications/{}/decision", again["id"].as_str().unwrap());
    let problem = app.post_as(&path, &reviewer.token, &approval).await.problem(409, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains("apply for a new grant"), "{problem}");
    // What is over is not renewed.
    ends_in(&app, &grant.id, -1).await;
    app.post_as(&format!("/api/v1/applications/{}/withdrawal", again["id"].as_str().unwrap()), &firm.token, &reason).await.expect(200);
    ask(&app, &firm, &grant.id, 10).await.problem(409, "conflict");
}

#[tokio::test]
async fn at_its_end_a_grant_leaves_nothing_and_asks_for_proof() {
    let folder = folder("");
    let app = TestApp::with_datasets(folder.path()).await;
    let (firm, other, operator) = (app.firm().await, app.firm().await, app.operator().await);
    let grant = app.grant_for(&firm, &wanting(json!({}))).await;
    let kept = app.grant_for(&firm, &wanting(json!({}))).await;
    read(&app, &grant, "limit=1").await.expect(200);
    read(&app, &kept, "limit=1").await.expect(200);
    let proof = |day: &str| json!({ "deleted_on": day, "method": "the disks were shredded", "copies": "two backups, both overwritten" });
    let file = |firm: &Firm, body: Value| {
        let (app, path, token) = (&app, format!("/api/v1/grants/{}/deletion-proof", grant.id), firm.token.clone());
        async move { app.post_as(&path, &token, &body).await }
    };
    let today = (Utc::now() + Duration::hours(8)).date_naive();
    file(&firm, proof(&today.to_string())).await.problem(409, "conflict");

    // Reminded once, in the month before.
    assert_eq!(app.app.end_grants().await.unwrap(), qingdan::access::grants::Ended { reminded: 2, ..Default::default() });
    assert_eq!(app.app.end_grants().await.unwrap(), Default::default());
    assert_eq!(entries(&app, "grant.ending").await.len(), 2);

    ends_in(&app, &grant.id, -1).await;
    let ended = app.app.end_grants().await.unwrap();
    assert_eq!((ended.ended, ended.releases, ended.proofs_overdue), (1, 1, 0));
    assert_eq!(app.app.end_grants().await.unwrap(), Default::default());
    let left = app.app.db.read(|conn| {
        let dead: Vec<String> = releases::table.filter(releases::deleted_at.is_not_null()).select(releases::id).load(conn)?;
        Ok((dead.len(), parts::table.filter(parts::owner_id.eq_any(dead)).count().get_result::<i64>(conn)?))
    });
    assert_eq!(left.await.unwrap(), (1, 0), "nothing points at the file any more");
    read(&app, &grant, "limit=1").await.problem(403, "forbidden");
    read(&app, &kept, "limit=1").await.expect(200);
    let shown = app.get_as(&format!("/api/v1/grants/{}", grant.id), &firm.token).await.expect(200).json();
    assert!(shown["ended_at"].is_string() && shown["deletion_proof_due"].is_string() && shown["deletion_proof"].is_null(), "{shown}");
    let detail: Value = serde_json::from_str(entries(&app, "grant.ended").await[0]["detail_json"].as_str().unwrap()).unwrap();
    assert_eq!((&detail["releases_deleted"], &detail["proof_owed"]), (&json!(1), &json!(true)));

    // It does not come in time, which is noted once; then it comes.
    assert_eq!(app.get_as("/api/v1/admin/deletion-proofs/overdue", &operator.token).await.expect(200).json()["total"], 0);
    let id = grant.id.clone();
    let yesterday = qingdan::clock::now_naive() - Duration::days(1);
    change(&app, move |conn| diesel::update(grants::table.find(id)).set(grants::proof_due_at.eq(yesterday)).execute(conn).unwrap()).await;
    assert_eq!(app.app.end_grants().await.unwrap().proofs_overdue, 1);
    assert_eq!(app.app.end_grants().await.unwrap().proofs_overdue, 0);
    let overdue = app.get_as("/api/v1/admin/deletion-proofs/overdue", &operator.token).await.expect(200).json();
    assert_eq!((&overdue["total"], &overdue["items"][0]["grant_id"]), (&json!(1), &json!(grant.id)));
    file(&other, proof(&today.to_string())).await.problem(404, "not-found");
    for day in [(today + Duration::days(1)).to_string(), "2020-01-01".to_owned()] {
        assert_eq!(file(&firm, proof(&day)).await.problem(400, "invalid-value")["errors"][0]["pointer"], "/deleted_on");
    }
    file(&firm, proof(&today.to_string())).await.expect(201);
    file(&firm, proof(&today.to_string())).await.problem(409, "conflict");
    let shown = app.get_as(&format!("/api/v1/grants/{}", grant.id), &firm.token).await.expect(200).json();
    assert_eq!(shown["deletion_proof"]["method"], "the disks were shredded");
    assert_eq!(app.get_as("/api/v1/admin/deletion-proofs/overdue", &operator.token).await.expect(200).json()["total"], 0);
    let filed = &entries(&app, "deletion.proved").await[0];
    assert!(filed.to_string().contains("deleted_on") && !filed["detail_json"].to_string().contains("shredded"), "{filed}");

    // A revoked grant ends too.
    let reason = json!({ "reason": "for the test" });
    app.post_as(&format!("/api/v1/grants/{}/revocation", kept.id), &operator.token, &reason).await.expect(200);
    assert_eq!(app.app.end_grants().await.unwrap().releases, 1);
}

/// Words of people go when their time is over and what they were said of has ended; the chain holds.
#[tokio::test]
async fn old_words_are_taken_out_once_what_they_were_said_of_is_over() {
    let folder = folder("");
    let app = TestApp::with_datasets(folder.path()).await;
    let (firm, operator, auditor) = (app.firm().await, app.operator().await, app.staff(&["auditor"], None).await);
    let grant = app.grant_for(&firm, &wanting(json!({}))).await;
    let reason = json!({ "reason": "Zhang San called from the fair" });
    let refused = app.post_as("/api/v1/applications", &firm.token, &wanting(json!({}))).await.expect(201).json();
    let path = format!("/api/v1/applications/{}", refused["id"].as_str().unwrap());
    app.post_as(&format!("{path}/withdrawal"), &firm.token, &reason).await.expect(200);
    app.post_as(&format!("/api/v1/grants/{}/suspension", grant.id), &operator.token, &reason).await.expect(200);
    let words = async || -> Vec<(String, usize)> {
        let page = app.get_as("/api/v1/ledger/entries?limit=1000", &auditor.token).await.expect(200).json();
        let entries = page["items"].as_array().unwrap().iter();
        let said = entries.map(|entry| (entry["subject"].as_str().unwrap().to_owned(), entry["words"].as_array().unwrap().len()));
        said.filter(|(_, count)| *count > 0).collect()
    };
    let forget = |before| app.app.db.write(move |conn| qingdan::ledger::forget_old(conn, before, 0));
    let long_ago = Utc::now() - Duration::days(1000);
    assert_eq!(forget(long_ago).await.unwrap(), (0, None), "nothing is as old");
    assert_eq!(app.app.forget_old_words().await.unwrap(), 0);
    let before = words().await;
    assert!(before.iter().any(|(subject, _)| subject == &format!("grant:{}", grant.id)), "{before:?}");
    let (taken, _) = forget(Utc::now() + Duration::seconds(1)).await.unwrap();
    assert!(taken >= 2, "the withdrawal's and the firm's: {taken}");
    let kept = words().await;
    assert!(kept.iter().all(|(subject, _)| subject.starts_with("grant:") || subject.starts_with("application:")), "{kept:?}");
    assert!(kept.iter().any(|(subject, _)| subject == &format!("grant:{}", grant.id)), "the grant has not ended: {kept:?}");
    assert!(!kept.iter().any(|(subject, _)| path.ends_with(subject.trim_start_matches("application:"))), "{kept:?}");
    let steps = app.get_as(&format!("{path}/steps"), &firm.token).await.expect(200).text();
    assert!(!steps.contains("Zhang San"), "{steps}");
    ends_in(&app, &grant.id, -1).await;
    app.app.end_grants().await.unwrap();
    forget(Utc::now() + Duration::seconds(1)).await.unwrap();
    assert_eq!(words().await, []);
    let shown = app.get_as(&format!("/api/v1/grants/{}", grant.id), &firm.token).await.expect(200).json();
    assert!(!shown["reason"].as_str().unwrap().contains("Zhang San"), "{shown}");
    let verdict = app.app.db.read(|conn| qingdan::ledger::verify(conn, &[], None)).await.unwrap();
    assert!(matches!(verdict, qingdan::ledger::Verdict::Whole { .. }), "{verdict:?}");
}
