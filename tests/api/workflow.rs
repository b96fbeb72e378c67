//! The way of an application: offer, draft, questions, conditions, appeal, and the working-day clock.

use serde_json::{Value, json};

use crate::support::{Answer, Firm, Person, TestApp, people};

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
        (json!({ "modes": ["api", "api"] }), "/conditions/modes"),
        (json!({ "fields": ["cost_cny", "cost_cny"] }), "/conditions/fields"),
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
    let unknown = app.post_as(&path(&draft, "/reports"), &reviewer.token, &json!({ "fields": ["x"] })).await;
    assert_eq!(unknown.problem(400, "invalid-value")["errors"][0]["pointer"], "/fields", "the body has no conditions");

    // What nobody else has ever seen stays so when it ends.
    for end in ["withdrawn", "expired"] {
        let draft = app.post_as("/api/v1/applications?draft=true", &firm.token, &body).await.expect(201).json();
        if end == "withdrawn" {
            app.post_as(&path(&draft, "/withdrawal"), &firm.token, &json!({ "reason": "not now" })).await.expect(200);
        } else {
            late(&app, &draft);
            app.post_as(&path(&draft, "/submission"), &firm.token, &json!({})).await.problem(409, "conflict");
            assert_eq!(tidy(&app).await, (1, 0));
        }
        assert_eq!(app.get_as(&path(&draft, ""), &firm.token).await.expect(200).json()["status"], end);
        app.get_as(&path(&draft, ""), &reviewer.token).await.problem(404, "not-found");
        app.get_as(&path(&draft, "/steps"), &reviewer.token).await.problem(404, "not-found");
        app.post_as(&path(&draft, "/decision"), &reviewer.token, &json!({ "approve": false, "reason": "not now" })).await.expect(404);
        assert_eq!(app.get_as("/api/v1/applications", &reviewer.token).await.expect(200).json()["total"], 1);
    }
}

/// Lets the time of an application be over.
fn late(app: &TestApp, application: &Value) {
    let id = application["id"].as_str().unwrap();
    let sql = format!("UPDATE applications SET due_at = '2026-01-02 00:00:00' WHERE id = '{id}'");
    crate::support::TestDatabase::tamper(app.app.settings.database_url.expose(), &sql);
}

async fn tidy(app: &TestApp) -> (usize, usize) {
    app.app.db.write(qingdan::access::applications::tidy).await.unwrap()
}

/// What a reviewer has read is what is approved: an application that changed since needs another look.
#[tokio::test]
async fn an_approval_is_of_the_application_that_was_read() {
    let app = TestApp::spawn().await;
    let (firm, reviewer) = (app.firm().await, app.staff(&["reviewer"], None).await);
    let padding = " ".repeat(2000);
    let application = begin(&app, &firm, |body| body["purpose"] = json!(format!("{padding}to test a model{padding}"))).await;
    assert_eq!(application["purpose"], "to test a model");
    let approval = app.approval(&reviewer, application["id"].as_str().unwrap()).await;
    for change in [json!({ "term_days": 90 }), json!({ "purposes": ["fine_tuning"] }), json!({ "purpose": "to do something else with it" })]
    {
        app.post_as(&path(&application, "/questions"), &reviewer.token, &json!({ "question": "And?" })).await.expect(200);
        let mut body = app.application();
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        app.send(reqwest::Method::PUT, &path(&application, ""), Some(&firm.token), Some(&body), &[]).await.expect(200);
        app.post_as(&path(&application, "/answers"), &firm.token, &json!({ "answer": "like so" })).await.expect(200);
        let problem = app.post_as(&path(&application, "/decision"), &reviewer.token, &approval).await.problem(409, "conflict");
        assert!(problem["detail"].as_str().unwrap().contains("has changed its application"), "{change}: {problem}");
    }
    let approval = app.approval(&reviewer, application["id"].as_str().unwrap()).await;
    app.post_as(&path(&application, "/decision"), &reviewer.token, &approval).await.expect(200);
}

/// The offer is held against what is signed too: a firm has weeks to sign.
#[tokio::test]
async fn what_is_not_offered_any_more_cannot_be_signed() {
    let offer = "[offer]\nmodes = [\"download\", \"api\"]\n";
    let kinds = [("kind", "string", "sensitivity = \"none\"\nrelease = \"keep\"\n")];
    let folder = people("", &kinds, "kind\na\nb\n");
    let text = std::fs::read_to_string(folder.file("people/dataset.toml")).unwrap();
    let rest = text.split_once("[[fields]]").unwrap();
    let with = |offer: &str| format!("{}{offer}[[fields]]{}", rest.0, rest.1);
    folder.write("people/dataset.toml", with(offer));
    let app = TestApp::with_datasets(folder.path()).await;
    let firm = app.firm().await;
    let agreement = app.drawn_agreement_for(&firm, &crate::support::application("people", &["kind"])).await;
    folder.write("people/dataset.toml", with("[offer]\nmodes = [\"api\"]\n"));
    app.import(&folder).await;
    let problem = app.sign(&firm, &agreement).await.problem(409, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains("/modes"), "{problem}");
    folder.write("people/dataset.toml", with(offer));
    app.import(&folder).await;
    app.sign(&firm, &agreement).await.expect(200);
}

/// A suspended firm reads nothing, and still answers, appeals and withdraws: its clock runs on.
#[tokio::test]
async fn a_suspended_firm_keeps_its_rights() {
    let app = TestApp::spawn().await;
    let (firm, reviewer) = (app.firm().await, app.staff(&["reviewer"], None).await);
    let [asked, refused, waiting] = [begin(&app, &firm, |_| ()).await, begin(&app, &firm, |_| ()).await, begin(&app, &firm, |_| ()).await];
    app.post_as(&path(&asked, "/questions"), &reviewer.token, &json!({ "question": "Why?" })).await.expect(200);
    let refuse = json!({ "approve": false, "reason": "the purpose is not definite" });
    app.post_as(&path(&refused, "/decision"), &reviewer.token, &refuse).await.expect(200);
    app.suspend(&format!("/api/v1/admin/firms/{}", firm.id)).await;
    app.post_as("/api/v1/applications", &firm.person, &app.application()).await.problem(403, "forbidden");
    let reason = json!({ "reason": "we see it otherwise" });
    app.post_as(&path(&asked, "/answers"), &firm.person, &json!({ "answer": "Because." })).await.expect(200);
    app.post_as(&path(&refused, "/appeal"), &firm.person, &reason).await.expect(200);
    app.post_as(&path(&waiting, "/withdrawal"), &firm.person, &reason).await.expect(200);
}

#[tokio::test]
async fn the_publishers_clock_stands_still_while_the_firm_answers() {
    let app = TestApp::spawn().await;
    let (firm, reviewer) = (app.firm().await, app.staff(&["reviewer"], None).await);
    let moment = |application: &Value| application["due_at"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    let ask_and_answer = async |application: &Value| {
        let question = json!({ "question": "What for?" });
        app.post_as(&path(application, "/questions"), &reviewer.token, &question).await.expect(200);
        app.post_as(&path(application, "/answers"), &firm.token, &json!({ "answer": "for that" })).await.expect(200).json()
    };
    let application = begin(&app, &firm, |_| ()).await;
    assert_eq!(moment(&ask_and_answer(&application).await), moment(&application), "as long as before");
    // Time that was let go by does not come back by a question.
    late(&app, &application);
    let answered = ask_and_answer(&application).await;
    assert!(moment(&answered) - chrono::Utc::now() <= chrono::Duration::days(1), "{answered}");
    // The firm's own time is over when it is over, and not when somebody notes it.
    app.post_as(&path(&application, "/questions"), &reviewer.token, &json!({ "question": "What for?" })).await.expect(200);
    late(&app, &application);
    let problem = app.post_as(&path(&application, "/answers"), &firm.token, &json!({ "answer": "late" })).await.problem(409, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains("time for that is over"), "{problem}");
}

#[tokio::test]
async fn an_application_is_not_changed_without_end() {
    let app = TestApp::spawn().await;
    let firm = app.firm().await;
    let draft = app.draft(&firm.token).await;
    let at = format!("/api/v1/applications/{draft}");
    let body = app.application();
    let mut changes = 0;
    let refused = loop {
        let answer = app.send(reqwest::Method::PUT, &at, Some(&firm.token), Some(&body), &[]).await;
        if answer.status != 200 {
            break answer;
        }
        changes += 1;
        assert!(changes <= 200, "more than can be read");
    };
    assert!(refused.problem(409, "conflict")["detail"].as_str().unwrap().contains("200 times"));
    assert_eq!(changes, 200);
    let steps = app.get_as(&format!("{at}/steps"), &firm.token).await.expect(200).json();
    assert_eq!(steps["items"].as_array().unwrap().len(), 201);
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
    let decide = |approve: bool| json!({ "approve": approve, "reason": "read it again" });
    let problem = app.post_as(&path(&application, "/appeal/decision"), &one.token, &decide(true)).await.problem(403, "forbidden");
    assert!(problem["detail"].as_str().unwrap().contains("four eyes"));
    app.post_as(&path(&application, "/appeal/decision"), &steward.token, &decide(false)).await.problem(403, "forbidden");
    let again = app.post_as(&path(&application, "/appeal/decision"), &two.token, &decide(true)).await.expect(200).json();
    assert_eq!((&again["status"], &again["reason"]), (&json!("accepted"), &Value::Null));
    let problem = app.post_as(&path(&application, "/decision"), &one.token, &refuse).await.problem(403, "forbidden");
    assert!(problem["detail"].as_str().unwrap().contains("anew after its appeal (four eyes)"), "{problem}");
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
    late(&app, &application);
    assert_eq!(tidy(&app).await, (0, 1));
    assert_eq!(tidy(&app).await, (0, 0), "it is written down once");
    let listed = app.get_as(list, &reviewer.token).await.expect(200).json();
    assert_eq!((&listed["total"], &listed["items"][0]["overdue"]), (&json!(1), &json!(true)));
    // The firm's own time goes by: what it was asked, and what it could sign.
    app.post_as(&path(&application, "/questions"), &reviewer.token, &json!({ "question": "What for?" })).await.expect(200);
    assert_eq!(app.get_as(list, &reviewer.token).await.expect(200).json()["total"], 0, "it is the firm's turn");
    late(&app, &application);
    assert_eq!(tidy(&app).await, (1, 0));
    let expired = app.get_as(&path(&application, ""), &firm.token).await.expect(200).json();
    assert_eq!((&expired["status"], &expired["due_at"]), (&json!("expired"), &Value::Null));
    app.post_as(&path(&application, "/answers"), &firm.token, &json!({ "answer": "too late" })).await.problem(409, "conflict");
    let other = begin(&app, &firm, |_| ()).await;
    let agreement = app.approve(other["id"].as_str().unwrap()).await;
    late(&app, &other);
    let problem = app.sign(&firm, &agreement).await.problem(409, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains("the time to sign is over"), "{problem}");
}
