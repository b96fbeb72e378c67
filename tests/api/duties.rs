//! What firms owe: citations, and reports on the use of what they were given.

use chrono::{Duration, NaiveDateTime};
use diesel::{ExpressionMethods, QueryDsl, RunQueryDsl};
use qingdan::db::schema::{firms, grants};
use serde_json::{Value, json};

use crate::support::{Answer, TestApp};

const COMMITTEES: &str = "/api/v1/datasets/xuhui-residents-committees";

/// The moment at which a test begins: its days stay the same when it runs into the next one.
#[derive(Clone, Copy)]
struct Began(NaiveDateTime);

impl Began {
    fn now() -> Self {
        Began(qingdan::clock::now_naive())
    }

    /// The day in Shanghai so many days ago.
    fn ago(self, days: i64) -> String {
        (self.0 + Duration::hours(8) - Duration::days(days)).date().to_string()
    }

    /// Lets a grant begin and end so many days ago.
    async fn move_grant(self, app: &TestApp, id: &str, began: i64, ended: i64) -> (NaiveDateTime, NaiveDateTime) {
        let (starts, ends) = (self.0 - Duration::days(began), self.0 - Duration::days(ended));
        let id = id.to_owned();
        let work = move |conn: &mut qingdan::db::Conn| {
            let change = diesel::update(grants::table.find(id)).set((grants::starts_at.eq(starts), grants::expires_at.eq(ends)));
            Ok(change.execute(conn)?)
        };
        app.app.db.write(work).await.unwrap();
        (starts, ends)
    }
}

fn report(from: &str, to: &str) -> Value {
    json!({
        "period": { "from": from, "to": to }, "used_for": "to train a model of visits by month",
        "results": [{ "title": "论文", "link": "https://example.org/paper" }, { "title": "a service" }],
        "numbers": [{ "name": "queries", "count": 12 }],
    })
}

fn written(at: NaiveDateTime) -> String {
    qingdan::clock::format(at.and_utc())
}

#[tokio::test]
async fn every_answer_with_data_says_how_it_is_cited() {
    let began = Began::now();
    let ago = |days| began.ago(days);
    let app = TestApp::spawn().await;
    let page = format!("{}/datasets/xuhui-residents-committees", app.url);
    let citation = format!("Version 1. {page}. Accessed {}.", ago(0));
    let links = |answer: &Answer| -> String {
        answer.headers.get_all("link").iter().map(|value| value.to_str().unwrap()).collect::<Vec<_>>().join(", ")
    };
    let sql = json!({ "sql": "select count(*) from \"xuhui-residents-committees\", \"xuhui-subdistricts\"" });
    let answers = [
        app.get(&format!("{COMMITTEES}/download?format=csv")).await.expect(200),
        app.get(&format!("{COMMITTEES}/rows?limit=1")).await.expect(200),
        app.post("/api/v1/sql", &sql).await.expect(200),
    ];
    for (at, answer) in answers.iter().enumerate() {
        let links = links(answer);
        let cited: Vec<&str> = answer.headers.get_all("qingdan-citation").iter().map(|value| value.to_str().unwrap()).collect();
        assert_eq!(cited.len(), if at == 2 { 2 } else { 1 }, "{cited:?}");
        assert!(cited.iter().any(|text| text.ends_with(&citation)), "{cited:?}");
        assert!(links.contains(&format!("<{page}>; rel=\"cite-as\"")) && links.contains("rel=\"license\""), "{links}");
        let csl = format!("<{}{COMMITTEES}/citation?format=csl&version=1>", app.url);
        assert!(links.contains(&csl), "{links}");
        assert_eq!(links.contains("/datasets/xuhui-subdistricts>"), at == 2, "{links}");
    }
}

#[tokio::test]
async fn a_dataset_is_cited_in_three_formats_and_two_languages() {
    let began = Began::now();
    let ago = |days| began.ago(days);
    let app = TestApp::with_closed().await;
    let of = |more: &str| format!("{COMMITTEES}/citation?{more}");
    let text = app.get(&of("lang=en")).await.expect(200);
    assert_eq!(text.header("content-type"), "text/plain; charset=utf-8");
    assert!(text.text().ends_with(&format!("Version 1. {}/datasets/xuhui-residents-committees. Accessed {}.\n", app.url, ago(0))));
    let zh = app.get_with(&of("format=text"), &[("accept-language", "zh")]).await.expect(200);
    assert_eq!(zh.header("content-language"), "zh-CN");
    assert!(zh.text().contains("获取日期") && zh.text().contains("版本 1"), "{}", zh.text());
    let csl = app.get(&of("format=csl&lang=en")).await.expect(200);
    assert_eq!(csl.header("content-type"), "application/vnd.citationstyles.csl+json");
    let csl = csl.json();
    assert_eq!((&csl["type"], &csl["version"], &csl["id"]), (&json!("dataset"), &json!("1"), &json!("xuhui-residents-committees-v1")));
    let today: Vec<u32> = ago(0).split('-').map(|part| part.parse().unwrap()).collect();
    assert_eq!(csl["accessed"]["date-parts"][0], json!(today));
    let bibtex = app.get(&of("format=bibtex&lang=en&version=1")).await.expect(200).text();
    for line in ["@misc{xuhui-residents-committees-v1,", "  version = {1},", &format!("  urldate = {{{}}}", ago(0))] {
        assert!(bibtex.lines().any(|found| found == line), "{line}: {bibtex}");
    }
    assert!(bibtex.contains(&format!("author = {{{{{}}}}}", csl["publisher"].as_str().unwrap())), "{bibtex}");
    // What is not open is cited too, and what is not there is not.
    app.get("/api/v1/datasets/community-health-visits/citation").await.expect(200);
    let closed = app.get("/api/v1/datasets/enterprise-inspection-clues/citation?lang=en").await.expect(200).text();
    assert!(!closed.contains("Version"), "{closed}");
    app.get(&of("version=9")).await.problem(404, "not-found");
    app.get(&of("format=ris")).await.problem(400, "malformed-request");
    app.get("/api/v1/datasets/none/citation").await.problem(404, "not-found");
}

#[tokio::test]
async fn reports_follow_one_another_without_a_gap() {
    let began = Began::now();
    let ago = |days| began.ago(days);
    let app = TestApp::start(Some(&crate::support::shipped()), &[("use_report_days", "10")]).await;
    let (firm, other) = (app.firm().await, app.firm().await);
    let grant = app.grant(&firm).await;
    let (starts, ends) = began.move_grant(&app, &grant.id, 25, -5).await;
    let path = format!("/api/v1/grants/{}", grant.id);
    let reports = format!("{path}/use-reports");
    let due = async || app.get_as(&path, &firm.token).await.expect(200).json()["use_report_due"].clone();
    assert_eq!(due().await, written(starts + Duration::days(10)));
    app.post_as(&reports, &other.token, &report(&ago(25), &ago(16))).await.problem(404, "not-found");
    app.get_as(&reports, &other.token).await.problem(404, "not-found");
    for (from, to, pointer) in [(24, 16, "/period/from"), (26, 16, "/period/from"), (25, 26, "/period/to"), (25, -2, "/period/to")] {
        let problem = app.post_as(&reports, &firm.token, &report(&ago(from), &ago(to))).await.problem(400, "invalid-value");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    // Days at which no calendar goes on.
    for (from, to, pointer) in [(ago(25).as_str(), "+262142-12-31", "/period/to"), ("-262143-01-01", &ago(16), "/period/from")] {
        let problem = app.post_as(&reports, &firm.token, &report(from, to)).await.problem(400, "invalid-value");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    let filed = app.post_as(&reports, &firm.person, &report(&ago(25), &ago(16))).await.expect(201).json();
    assert_eq!((&filed["period"], &filed["results"][1]["title"]), (&json!({ "from": ago(25), "to": ago(16) }), &json!("a service")));
    // Ten days after the end of the last day that is reported, which in Shanghai is at 16:00 UTC.
    assert_eq!(due().await, format!("{}T16:00:00.000000Z", ago(6)));
    let problem = app.post_as(&reports, &firm.token, &report(&ago(20), &ago(16))).await.problem(400, "invalid-value");
    assert!(problem["detail"].as_str().unwrap().contains("reported until then already"), "{problem}");
    app.post_as(&reports, &firm.token, &report(&ago(14), &ago(5))).await.problem(400, "invalid-value");
    app.post_as(&reports, &firm.token, &report(&ago(15), &ago(0))).await.expect(201);
    // The rest is due some days after the grant ends.
    assert_eq!(due().await, written(ends + Duration::days(30)));
    let auditor = app.staff(&["auditor"], None).await.token;
    let list = app.get_as(&reports, &auditor).await.expect(200).json();
    assert_eq!((&list["total"], &list["items"][0]["id"]), (&json!(2), &filed["id"]));
    let first = app.get_as(&format!("{reports}?limit=1"), &firm.token).await.expect(200).json();
    let second = app.get_as(&format!("{reports}?limit=1&cursor={}", first["next_cursor"].as_str().unwrap()), &firm.token).await.json();
    assert_eq!(second["items"][0]["id"], list["items"][1]["id"]);
    for (body, pointer) in [
        (json!({ "used_for": "short" }), "/used_for"),
        (json!({ "results": [{ "title": "x", "link": "javascript:alert(1)" }] }), "/results/0/link"),
        (json!({ "results": [{ "title": "" }] }), "/results/0/title"),
        (json!({ "numbers": [{ "name": "queries", "count": -1 }] }), "/numbers/0/count"),
    ] {
        let mut whole = report(&ago(5), &ago(0));
        body.as_object().unwrap().iter().for_each(|(key, value)| whole[key] = value.clone());
        let problem = app.post_as(&reports, &firm.token, &whole).await.problem(400, "invalid-value");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    // The words stand beside the ledger, and can be taken out.
    let operator = app.operator().await.token;
    let entries = app.get_as("/api/v1/ledger/entries?limit=1000", &operator).await.expect(200).json();
    let entry = entries["items"].as_array().unwrap().iter().find(|entry| entry["kind"] == "use_report.filed").unwrap().clone();
    assert!(!entry["detail_json"].as_str().unwrap().contains("train") && entry["words"][0]["words"] == filed["used_for"], "{entry}");
    let redaction = format!("/api/v1/ledger/entries/{}/redaction", entry["seq"]);
    app.post_as(&redaction, &operator, &json!({ "reason": "it named a person" })).await.expect(200);
    assert_eq!(app.get_as(&reports, &auditor).await.expect(200).json()["items"][0]["used_for"], "(taken out)");
}

#[tokio::test]
async fn a_report_that_does_not_come_is_noted_once() {
    let began = Began::now();
    let ago = |days| began.ago(days);
    let settings = [("use_report_days", "10"), ("use_report_grace_days", "4")];
    let app = TestApp::start(Some(&crate::support::shipped()), &settings).await;
    let operator = app.operator().await.token;
    let firm = app.firm().await;
    let (late, new) = (app.grant(&firm).await, app.grant(&firm).await);
    let overdue = async || app.get_as("/api/v1/admin/use-reports/overdue", &operator).await.expect(200).json();
    let noted = async || {
        let entries = app.get_as("/api/v1/ledger/entries?limit=1000", &operator).await.expect(200).json();
        let of_kind = entries["items"].as_array().unwrap().iter().filter(|entry| entry["kind"] == "use_report.overdue");
        of_kind.map(|entry| entry["subject"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((overdue().await["total"].clone(), app.app.note_overdue().await.unwrap()), (json!(0), 0));
    let (starts, _) = began.move_grant(&app, &late.id, 21, -9).await;
    began.move_grant(&app, &new.id, 9, -21).await;
    let list = overdue().await;
    let (item, wanted) = (&list["items"][0], json!(late.id));
    assert_eq!((&list["total"], &item["grant_id"], &item["firm_id"]), (&json!(1), &wanted, &json!(firm.id)));
    assert_eq!((&item["unreported_since"], &item["due_at"]), (&json!(written(starts)), &json!(written(starts + Duration::days(10)))));
    assert_eq!((app.app.note_overdue().await.unwrap(), app.app.note_overdue().await.unwrap()), (1, 0));
    let subject = format!("grant:{}", late.id);
    assert_eq!(noted().await, vec![subject.clone()]);
    // A report that ends the period ends this; the next period is another one.
    let reports = format!("/api/v1/grants/{}/use-reports", late.id);
    app.post_as(&reports, &firm.token, &report(&ago(21), &ago(12))).await.expect(201);
    assert_eq!((overdue().await["total"].clone(), app.app.note_overdue().await.unwrap()), (json!(1), 1));
    app.post_as(&reports, &firm.token, &report(&ago(12), &ago(1))).await.expect(201);
    assert_eq!((overdue().await["total"].clone(), app.app.note_overdue().await.unwrap()), (json!(0), 0));
    assert_eq!(noted().await, vec![subject; 2]);
    // A grant that has ended owes what was not reported of it, some days later; one that is reported to its end owes nothing.
    began.move_grant(&app, &new.id, 9, 3).await;
    assert_eq!(overdue().await["total"], 0);
    began.move_grant(&app, &new.id, 9, 5).await;
    assert_eq!(overdue().await["total"], 1);
    let last = app.post_as(&format!("/api/v1/grants/{}/use-reports", new.id), &firm.token, &report(&ago(9), &ago(2))).await;
    last.expect(201);
    assert_eq!(overdue().await["total"], 0);
    let ended = app.get_as(&format!("/api/v1/grants/{}", new.id), &firm.token).await.expect(200).json();
    assert_eq!(ended["use_report_due"], Value::Null);
}

#[tokio::test]
async fn a_firm_that_is_revoked_owes_what_is_left_and_not_what_would_have_come() {
    let began = Began::now();
    let app = TestApp::start(Some(&crate::support::shipped()), &[("use_report_days", "10"), ("use_report_grace_days", "4")]).await;
    let operator = app.operator().await.token;
    let firm = app.firm().await;
    let (grant, other) = (app.grant(&firm).await, app.grant(&firm).await);
    let overdue = async || app.get_as("/api/v1/admin/use-reports/overdue", &operator).await.expect(200).json()["total"].clone();
    let due = async || app.get_as(&format!("/api/v1/grants/{}", grant.id), &operator).await.expect(200).json()["use_report_due"].clone();
    let (starts, _) = began.move_grant(&app, &grant.id, 8, -22).await;
    began.move_grant(&app, &other.id, 8, -22).await;
    assert_eq!(due().await, written(starts + Duration::days(10)));
    let revocation = json!({ "kind": "termination", "reason": "it handed data on" });
    app.post_as(&format!("/api/v1/admin/firms/{}/sanctions", firm.id), &operator, &revocation).await.expect(201);
    let revoked_at = |days: i64| {
        let at = began.0 - Duration::days(days);
        let of_firm = diesel::update(firms::table.find(&firm.id)).set(firms::decided_at.eq(at));
        app.app.db.write_now(|conn| Ok(of_firm.execute(conn)?)).unwrap();
        at
    };
    let ended = revoked_at(3);
    assert_eq!(due().await, written(ended + Duration::days(4)));
    assert_eq!(overdue().await, 0);
    let ended = revoked_at(5);
    assert_eq!(due().await, written(ended + Duration::days(4)));
    assert_eq!((overdue().await, app.app.note_overdue().await.unwrap(), app.app.note_overdue().await.unwrap()), (json!(2), 2, 0));
    // Its person may still report, and then owes nothing: however long the term would have run.
    let reports = format!("/api/v1/grants/{}/use-reports", grant.id);
    app.post_as(&reports, &firm.person, &report(&began.ago(8), &began.ago(4))).await.expect(201);
    assert_eq!((overdue().await, due().await), (json!(1), Value::Null));
}

#[tokio::test]
async fn of_two_reports_at_the_same_moment_one_counts() {
    let began = Began::now();
    let app = TestApp::start(Some(&crate::support::shipped()), &[("use_report_days", "10")]).await;
    let firm = app.firm().await;
    let (grant, late) = (app.grant(&firm).await, app.grant(&firm).await);
    began.move_grant(&app, &grant.id, 25, -5).await;
    began.move_grant(&app, &late.id, 25, -5).await;
    let path = format!("/api/v1/grants/{}/use-reports", grant.id);
    let body = report(&began.ago(25), &began.ago(16));
    let answers = futures::future::join_all((0..6).map(|_| app.post_as(&path, &firm.token, &body))).await;
    let filed = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!((filed, answers.iter().filter(|answer| answer.status == 400).count()), (1, 5));
    // Replicas look at the same moment.
    let noted = futures::future::join_all((0..6).map(|_| app.app.note_overdue())).await;
    assert_eq!(noted.into_iter().map(Result::unwrap).sum::<usize>(), 2);
}

#[tokio::test]
async fn nothing_is_owed_where_the_settings_ask_for_nothing() {
    let began = Began::now();
    let app = TestApp::start(Some(&crate::support::shipped()), &[("use_report_days", "0")]).await;
    let firm = app.firm().await;
    let grant = app.grant(&firm).await;
    began.move_grant(&app, &grant.id, 400, 10).await;
    let held = app.get_as(&format!("/api/v1/grants/{}", grant.id), &firm.token).await.expect(200).json();
    assert_eq!((&held["use_report_due"], app.app.note_overdue().await.unwrap()), (&Value::Null, 0));
}
