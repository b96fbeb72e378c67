//! The way of an application: offer, draft, questions, conditions, appeal, and the working-day clock.

use serde_json::{Value, json};

use crate::support::{Answer, Firm, Person, TestApp};

fn path(application: &Value, step: &str) -> String {
    format!("/api/v1/applications/{}{step}", application["id"].as_str().unwrap())
}

async fn begin(app: &TestApp, firm: &Firm, change: impl FnOnce(&mut Value)) -> Value {
    let mut body = app.application();
    change(&mut body);
    app.post_as("/api/v1/applications", &firm.token, &body).await.expect(201).json()
}

async fn approve(app: &TestApp, reviewer: &Person, application: &Value, conditions: Value) -> Answer {
    let fields = conditions["fields"].clone();
    let report = app.post_as(&path(application, "/reports"), &reviewer.token, &json!({ "fields": fields })).await.expect(201).json();
    let body = json!({ "approve": true, "reason": "looked at it", "report_sha256": report["sha256"], "conditions": conditions });
    app.post_as(&path(application, "/decision"), &reviewer.token, &body).await
}

#[tokio::test]
async fn an_application_is_held_against_the_offer() {
    let app = TestApp::spawn().await;
    let (firm, reviewer) = (app.firm().await, app.staff(&["reviewer"], None).await);
    let offer = app.get("/api/v1/datasets/community-health-visits/offer").await.expect(200);
    assert_eq!(offer.header("content-type"), "application/ld+json");
    let offer = offer.json();
    assert_eq!((&offer["@type"], &offer["permission"][0]["action"]), (&json!("Offer"), &json!("use")));
    let purposes = offer["permission"][0]["constraint"][0]["rightOperand"].to_string();
    assert!(purposes.contains("fine_tuning") && !purposes.contains("pre_training"), "{purposes}");
    assert_eq!(offer["permission"][0]["constraint"][2]["rightOperand"]["@value"], "P180D");
    app.get("/api/v1/datasets/shanghai-districts/offer").await.problem(409, "conflict");

    assert_eq!(begin(&app, &firm, |_| ()).await["conflicts"], json!([]));
    let wanted = begin(&app, &firm, |body| {
        body["purposes"] = json!(["pre_training", "evaluation"]);
        body["shares_models"] = json!(true);
        body["safeguards_met"] = json!(["encryption_at_rest"]);
    });
    let wanted = wanted.await;
    let pointers: Vec<&str> = wanted["conflicts"].as_array().unwrap().iter().map(|one| one["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, [&["/purposes", "/shares_models"][..], &["/safeguards_met"; 5]].concat());
    assert!(wanted["conflicts"][0]["detail"]["zh"].as_str().unwrap().contains("模型预训练"));
    // The reviewer sees the same, and cannot grant what the offer does not give, but less than what is asked for.
    assert_eq!(app.get_as(&path(&wanted, ""), &reviewer.token).await.expect(200).json()["conflicts"], wanted["conflicts"]);
    let problem = approve(&app, &reviewer, &wanted, Value::Null).await.problem(409, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains("pre-training"), "{problem}");
    let less = json!({ "purposes": ["evaluation"], "shares_models": false });
    let problem = approve(&app, &reviewer, &wanted, less.clone()).await.problem(409, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains("/safeguards_met"), "{problem}");

    // Asked for more, the firm changes the application, answers, and is granted less than it wanted.
    let question = json!({ "question": "Which safeguards do you have?" });
    let asked = app.post_as(&path(&wanted, "/questions"), &reviewer.token, &question).await.expect(200).json();
    assert_eq!(asked["status"], "asked");
    let mut body = app.application();
    body["purposes"] = json!(["pre_training", "evaluation"]);
    let changed = app.send(reqwest::Method::PUT, &path(&wanted, ""), Some(&firm.token), Some(&body), &[]).await.expect(200).json();
    assert_eq!((&changed["status"], changed["conflicts"].as_array().unwrap().len()), (&json!("asked"), 1));
    let answered = app.post_as(&path(&wanted, "/answers"), &firm.token, &json!({ "answer": "All of them." })).await.expect(200).json();
    assert_eq!(answered["status"], "submitted");
    let less = json!({ "purposes": ["evaluation"], "fields": ["birth_date", "diagnosis_group"], "term_days": 10, "text": "只在北京机房处理 Only in one room" });
    let decided = approve(&app, &reviewer, &wanted, less).await.expect(200).json();
    assert_eq!(decided["application"]["granted"]["term_days"], 10);
    let signed = app.sign(&firm, &decided["agreement"]).await.expect(200).json();
    let names: Vec<&str> =
        signed["grant"]["policy"]["fields"].as_array().unwrap().iter().map(|field| field["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["birth_date", "diagnosis_group"]);
    let text = decided["agreement"]["text"].as_str().unwrap();
    assert!(text.contains("Term: 10 days") && text.contains("只在北京机房处理 Only in one room") && text.contains("模型评测"), "{text}");

    let steps = app.get_as(&path(&wanted, "/steps"), &firm.token).await.expect(200).json();
    let steps: Vec<(&str, &str)> =
        steps["items"].as_array().unwrap().iter().map(|step| (step["kind"].as_str().unwrap(), step["by"].as_str().unwrap())).collect();
    let wanted = [
        ("application.begun", "firm"),
        ("application.submitted", "firm"),
        ("release.tried", "publisher"),
        ("release.tried", "publisher"),
        ("application.asked", "publisher"),
        ("application.changed", "firm"),
        ("application.answered", "firm"),
        ("release.tried", "publisher"),
        ("application.approved", "publisher"),
    ];
    assert_eq!(steps, wanted);
}

#[tokio::test]
async fn more_than_was_asked_for_is_not_granted() {
    let app = TestApp::spawn().await;
    let (firm, reviewer) = (app.firm().await, app.staff(&["reviewer"], None).await);
    let application = begin(&app, &firm, |body| body["modes"] = json!(["api"])).await;
    let report = app.post_as(&path(&application, "/reports"), &reviewer.token, &json!({})).await.expect(201).json();
    for (conditions, pointer) in [
        (json!({ "fields": ["visit_id"] }), "/conditions/fields"),
        (json!({ "fields": [] }), "/conditions/fields"),
        (json!({ "modes": ["download"] }), "/conditions/modes"),
        (json!({ "term_days": 31 }), "/conditions/term_days"),
        (json!({ "term_days": 0 }), "/conditions/term_days"),
        (json!({ "purposes": ["research"] }), "/conditions/purposes"),
    ] {
        let body = json!({ "approve": true, "reason": "looked at it", "report_sha256": report["sha256"], "conditions": conditions });
        let problem = app.post_as(&path(&application, "/decision"), &reviewer.token, &body).await.problem(400, "invalid-value");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{conditions}");
    }
    // The report was of all fields: with fewer of them it is another policy.
    let body = json!({ "approve": true, "reason": "looked", "report_sha256": report["sha256"], "conditions": { "fields": ["cost_cny"] } });
    app.post_as(&path(&application, "/decision"), &reviewer.token, &body).await.problem(409, "conflict");
}

#[tokio::test]
async fn a_draft_is_its_firms_alone() {
    let app = TestApp::spawn().await;
    let (firm, other, reviewer) = (app.firm().await, app.firm().await, app.staff(&["reviewer"], None).await);
    let mut body = app.application();
    body["purpose"] = json!("");
    body["purposes"] = json!([]);
    body["fields"] = json!([]);
    let draft = app.post_as("/api/v1/applications?draft=true", &firm.token, &body).await.expect(201).json();
    assert_eq!(draft["status"], "draft");
    for token in [&other.token, &reviewer.token] {
        app.get_as(&path(&draft, ""), token).await.problem(404, "not-found");
        app.get_as(&path(&draft, "/steps"), token).await.problem(404, "not-found");
    }
    app.post_as(&path(&draft, "/acceptance"), &reviewer.token, &json!({})).await.problem(404, "not-found");
    assert_eq!(app.get_as("/api/v1/applications", &reviewer.token).await.expect(200).json()["total"], 0);
    let problem = app.post_as(&path(&draft, "/submission"), &firm.token, &json!({})).await.problem(400, "invalid-value");
    let pointers: Vec<&str> = problem["errors"].as_array().unwrap().iter().map(|fault| fault["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/purpose", "/purposes", "/fields"]);
    let whole = app.application();
    app.send(reqwest::Method::PUT, &path(&draft, ""), Some(&other.token), Some(&whole), &[]).await.problem(404, "not-found");
    app.send(reqwest::Method::PUT, &path(&draft, ""), Some(&firm.token), Some(&whole), &[]).await.expect(200);
    app.post_as(&path(&draft, "/submission"), &other.token, &json!({})).await.problem(404, "not-found");
    assert_eq!(app.post_as(&path(&draft, "/submission"), &firm.token, &json!({})).await.expect(200).json()["status"], "submitted");
    app.post_as(&path(&draft, "/submission"), &firm.token, &json!({})).await.problem(409, "conflict");
    app.send(reqwest::Method::PUT, &path(&draft, ""), Some(&firm.token), Some(&whole), &[]).await.problem(409, "conflict");
    assert_eq!(app.get_as("/api/v1/applications?status=submitted", &reviewer.token).await.expect(200).json()["total"], 1);
    app.get_as("/api/v1/applications?status=lost", &reviewer.token).await.problem(400, "invalid-value");
}

#[tokio::test]
async fn a_refusal_can_be_appealed_against_once_and_another_decides() {
    let app = TestApp::spawn().await;
    let firm = app.firm().await;
    let (one, two) = (app.staff(&["reviewer"], None).await, app.staff(&["reviewer"], None).await);
    let steward = app.staff(&["steward", "reviewer"], Some("xuhui-health")).await;
    let reason = json!({ "reason": "we see it otherwise" });
    let refuse = json!({ "approve": false, "reason": "the purpose is not definite" });
    let application = begin(&app, &firm, |_| ()).await;
    app.post_as(&path(&application, "/appeal"), &firm.token, &reason).await.problem(409, "conflict");
    app.post_as(&path(&application, "/acceptance"), &steward.token, &json!({})).await.problem(403, "forbidden");
    let accepted = app.post_as(&path(&application, "/acceptance"), &one.token, &json!({})).await.expect(200).json();
    assert_eq!(accepted["status"], "accepted");
    app.post_as(&path(&application, "/decision"), &one.token, &refuse).await.expect(200);
    let appealed = app.post_as(&path(&application, "/appeal"), &firm.token, &reason).await.expect(200).json();
    assert_eq!(appealed["status"], "appealed");
    let decide = |uphold: bool| json!({ "uphold": uphold, "reason": "read it again" });
    let problem = app.post_as(&path(&application, "/appeal/decision"), &one.token, &decide(true)).await.problem(403, "forbidden");
    assert!(problem["detail"].as_str().unwrap().contains("four eyes"));
    app.post_as(&path(&application, "/appeal/decision"), &steward.token, &decide(false)).await.problem(403, "forbidden");
    let again = app.post_as(&path(&application, "/appeal/decision"), &two.token, &decide(false)).await.expect(200).json();
    assert_eq!((&again["status"], &again["reason"]), (&json!("accepted"), &Value::Null));
    app.post_as(&path(&application, "/decision"), &two.token, &refuse).await.expect(200);
    let problem = app.post_as(&path(&application, "/appeal"), &firm.token, &reason).await.problem(409, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains("appeal already"), "{problem}");
    // Withdrawn at any time before the signature; then nothing is left to sign.
    let other = begin(&app, &firm, |_| ()).await;
    let agreement = app.approve(other["id"].as_str().unwrap()).await;
    app.post_as(&path(&other, "/withdrawal"), &firm.token, &reason).await.expect(200);
    app.sign(&firm, &agreement).await.problem(409, "conflict");
    app.post_as(&path(&other, "/withdrawal"), &firm.token, &reason).await.problem(409, "conflict");
}

#[tokio::test]
async fn the_clock_runs_in_working_days_and_what_is_late_shows() {
    let dir = tempfile::tempdir().unwrap();
    // Every day of these years is a holiday but one, so that what is due lies far ahead.
    let start = chrono::NaiveDate::from_ymd_opt(2026, 1, 1).unwrap();
    let mut calendar = "date,kind\n".to_owned();
    for ahead in 0..4000 {
        let day = start + chrono::Days::new(ahead);
        let weekend = matches!(chrono::Datelike::weekday(&day), chrono::Weekday::Sat | chrono::Weekday::Sun);
        if !weekend && day != chrono::NaiveDate::from_ymd_opt(2035, 6, 1).unwrap() {
            calendar += &format!("{day},holiday\n");
        }
    }
    let file = dir.path().join("calendar.csv");
    std::fs::write(&file, calendar).unwrap();
    let settings = [("working_calendar", file.to_str().unwrap()), ("application_accept_days", "1")];
    let app = TestApp::start(Some(&crate::support::shipped()), &settings).await;
    let (firm, reviewer) = (app.firm().await, app.staff(&["reviewer"], None).await);
    let application = begin(&app, &firm, |_| ()).await;
    assert_eq!(application["due_at"], "2035-06-01T16:00:00.000000Z", "the end of that day in Shanghai");
    assert_eq!(application["overdue"], false);

    let list = "/api/v1/applications?overdue=true";
    assert_eq!(app.get_as(list, &reviewer.token).await.expect(200).json()["total"], 0);
    let late = |id: &str| {
        let id = id.to_owned();
        let sql = format!("UPDATE applications SET due_at = '2026-01-02 00:00:00' WHERE id = '{id}'");
        crate::support::TestDatabase::tamper(app.app.settings.database_url.expose(), &sql);
    };
    let id = application["id"].as_str().unwrap();
    late(id);
    let tidy = async || app.app.db.write(qingdan::access::applications::tidy).await.unwrap();
    assert_eq!(tidy().await, (0, 1));
    assert_eq!(tidy().await, (0, 0), "it is written down once");
    let listed = app.get_as(list, &reviewer.token).await.expect(200).json();
    assert_eq!((&listed["total"], &listed["items"][0]["overdue"]), (&json!(1), &json!(true)));
    // The firm's own time goes by: what it was asked, and what it could sign.
    app.post_as(&path(&application, "/questions"), &reviewer.token, &json!({ "question": "What for?" })).await.expect(200);
    assert_eq!(app.get_as(list, &reviewer.token).await.expect(200).json()["total"], 0, "it is the firm's turn");
    late(id);
    assert_eq!(tidy().await, (1, 0));
    let expired = app.get_as(&path(&application, ""), &firm.token).await.expect(200).json();
    assert_eq!((&expired["status"], &expired["due_at"]), (&json!("expired"), &Value::Null));
    app.post_as(&path(&application, "/answers"), &firm.token, &json!({ "answer": "too late" })).await.problem(409, "conflict");
    let other = begin(&app, &firm, |_| ()).await;
    let agreement = app.approve(other["id"].as_str().unwrap()).await;
    late(other["id"].as_str().unwrap());
    let problem = app.sign(&firm, &agreement).await.problem(409, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains("the time to sign is over"), "{problem}");
}
