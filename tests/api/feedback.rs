//! What the public says of the list, and what becomes of it.

use diesel::{ExpressionMethods, QueryDsl, RunQueryDsl};
use qingdan::access::calendar::Calendar;
use qingdan::db::schema::{feedback, feedback_votes, ledger_words};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Service, TestApp};

const SLUG: &str = "ai-policy-measures";
const OFFICE: &str = "xuhui-government-office";

async fn file(app: &Service, path: &str, body: &Value) -> (String, String) {
    let filed = app.post(path, body).await.expect(201);
    assert_eq!(filed.header("cache-control"), "no-store");
    let filed = filed.json();
    (filed["id"].as_str().unwrap().to_owned(), filed["receipt"].as_str().unwrap().to_owned())
}

async fn object(app: &Service, text: &str) -> (String, String) {
    file(app, &format!("/api/v1/datasets/{SLUG}/corrections"), &json!({ "text": text })).await
}

async fn step(app: &Service, token: &str, id: &str, step: &str, body: &Value) -> Answer {
    app.post_as(&format!("/api/v1/admin/feedback/{id}/{step}"), token, body).await
}

async fn dataset(app: &Service, slug: &str) -> Value {
    app.get(&format!("/api/v1/datasets/{slug}")).await.expect(200).json()
}

async fn items(app: &Service, path: &str) -> Vec<Value> {
    let found = app.get(path).await.expect(200).json();
    let items = found["items"].as_array().unwrap().clone();
    assert_eq!(found["total"], items.len());
    items
}

async fn followed(app: &Service, receipt: &str) -> Value {
    app.post("/api/v1/receipts", &json!({ "receipt": receipt })).await.expect(200).json()
}

#[tokio::test]
async fn an_objection_shows_at_once_and_its_words_when_they_were_looked_at() {
    let app = TestApp::spawn().await;
    assert!(dataset(&app, SLUG).await.get("objections").is_none());
    let before = app.get(&format!("/datasets/{SLUG}")).await.expect(200).text();
    let (id, receipt) = object(&app, "The third measure has the year 2081.").await;
    let marked = dataset(&app, SLUG).await["objections"].clone();
    assert_eq!((&marked["count"], &marked["accepted"]), (&json!(1), &json!(0)));
    // The page is kept, and yet it says so.
    let page = app.get(&format!("/datasets/{SLUG}")).await.expect(200).text();
    assert!(!before.contains("class=\"note objected\"") && page.contains("class=\"note objected\""));
    assert!(!page.contains("2081"), "nobody has looked at it");
    let [item] = items(&app, &format!("/api/v1/datasets/{SLUG}/corrections")).await.try_into().unwrap();
    assert_eq!((&item["state"], item.get("text"), &item["overdue"]), (&json!("open"), None, &json!(false)));
    let due = Calendar::shipped().unwrap().due(chrono::Utc::now().naive_utc(), 5).format("%Y-%m-%dT%H:%M:%S").to_string();
    assert!(item["due_at"].as_str().unwrap().starts_with(&due), "{item} {due}");

    // A reviewer looks at it; a steward answers, of its publisher alone, and does not decide on what is shown.
    let (steward, other) = (app.staff(&["steward"], Some(OFFICE)).await.token, app.staff(&["steward"], Some("xuhui-health")).await.token);
    let reviewer = app.staff(&["reviewer"], None).await.token;
    step(&app, &steward, &id, "moderation", &json!({ "show": true })).await.problem(403, "forbidden");
    step(&app, &reviewer, &id, "moderation", &json!({ "show": true })).await.expect(200);
    let [item] = items(&app, &format!("/api/v1/datasets/{SLUG}/corrections")).await.try_into().unwrap();
    assert_eq!(item["text"], "The third measure has the year 2081.");
    assert!(app.get(&format!("/datasets/{SLUG}")).await.text().contains("2081"));
    let right = json!({ "outcome": "accepted", "text": "It is 2018; the next version has it." });
    step(&app, &other, &id, "answer", &right).await.problem(404, "not-found");
    step(&app, &steward, &id, "answer", &right).await.expect(200);
    let marked = dataset(&app, SLUG).await["objections"].clone();
    assert_eq!((&marked["count"], &marked["accepted"]), (&json!(1), &json!(1)), "it is right and not corrected yet");
    step(&app, &steward, &id, "answer", &json!({ "outcome": "done", "text": "Version 2 says 2018." })).await.expect(200);
    assert!(dataset(&app, SLUG).await.get("objections").is_none());
    let [item] = items(&app, &format!("/api/v1/datasets/{SLUG}/corrections")).await.try_into().unwrap();
    assert_eq!((&item["state"], &item["answer"], item.get("due_at")), (&json!("done"), &json!("Version 2 says 2018."), None));
    step(&app, &steward, &id, "answer", &right).await.problem(409, "conflict");
    let told = followed(&app, &receipt).await;
    let kinds: Vec<&str> = told["history"].as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["feedback.filed", "feedback.moderated", "feedback.answered", "feedback.answered"]);
}

#[tokio::test]
async fn what_is_turned_down_taken_back_or_dismissed_leaves_no_mark() {
    let app = TestApp::spawn().await;
    let operator = app.operator().await.token;
    let (rejected, _) = object(&app, "The first is wrong.").await;
    let (_, back) = object(&app, "The second is wrong.").await;
    let (spam, _) = object(&app, "Buy cheap watches here.").await;
    assert_eq!(dataset(&app, SLUG).await["objections"]["count"], 3);
    step(&app, &operator, &rejected, "answer", &json!({ "outcome": "rejected", "text": "It is as the measure says." })).await.expect(200);
    assert_eq!(dataset(&app, SLUG).await["objections"]["count"], 2);
    app.post("/api/v1/receipts/withdrawal", &json!({ "receipt": back })).await.expect(200);
    app.post("/api/v1/receipts/withdrawal", &json!({ "receipt": back })).await.problem(409, "conflict");
    assert_eq!(dataset(&app, SLUG).await["objections"]["count"], 1);
    step(&app, &operator, &spam, "dismissal", &json!({ "reason": "advertising" })).await.expect(200);
    assert!(dataset(&app, SLUG).await.get("objections").is_none());
    let [item] = items(&app, &format!("/api/v1/datasets/{SLUG}/corrections")).await.try_into().unwrap();
    assert_eq!((&item["id"], &item["state"]), (&json!(rejected), &json!("rejected")));
}

#[tokio::test]
async fn a_question_stops_the_clock_and_the_receipt_answers_it() {
    let app = TestApp::spawn().await;
    let steward = app.staff(&["steward"], Some(OFFICE)).await.token;
    let (id, receipt) = object(&app, "A line is wrong somewhere.").await;
    app.post("/api/v1/receipts/reply", &json!({ "receipt": receipt, "text": "Line 3" })).await.problem(409, "conflict");
    step(&app, &steward, &id, "question", &json!({ "question": "Which line is it?" })).await.expect(200);
    let told = followed(&app, &receipt).await;
    assert_eq!((&told["state"], &told["question"]), (&json!("asked"), &json!("Which line is it?")));
    let due = Calendar::shipped().unwrap().due(chrono::Utc::now().naive_utc(), 10).format("%Y-%m-%dT").to_string();
    assert!(told["due_at"].as_str().unwrap().starts_with(&due), "the reply has ten working days: {told} {due}");
    step(&app, &steward, &id, "question", &json!({ "question": "And which?" })).await.problem(409, "conflict");
    let waiting = app.get_as("/api/v1/admin/feedback?waiting=true", &steward).await.expect(200).json();
    assert_eq!(waiting["total"], 0, "it waits for the public");
    app.post("/api/v1/receipts/reply", &json!({ "receipt": receipt, "text": "Line 3, by mail of 13800138000." })).await.expect(200);
    let told = followed(&app, &receipt).await;
    assert_eq!((&told["state"], told.get("question")), (&json!("open"), None));
    assert!(told["due_at"].is_string());
    let desk = app.get_as(&format!("/api/v1/admin/feedback/{id}"), &steward).await.expect(200).json();
    assert_eq!(desk["history"][2]["words"], "Line 3, by mail of 13800138000.");
    assert_eq!(desk["filed_by"], "anonymous");
    // A receipt is a secret: what is none is not repeated.
    let wrong = app.post("/api/v1/receipts", &json!({ "receipt": "qdf_guess" })).await;
    assert!(!wrong.text().contains("guess"));
    assert_eq!(wrong.problem(400, "invalid-value")["errors"][0]["pointer"], "/receipt");
}

#[tokio::test]
async fn a_rights_claim_suspends_first_and_is_decided_by_somebody_else() {
    let app = TestApp::spawn().await;
    let download = format!("/api/v1/datasets/{SLUG}/download?format=csv");
    let claims = format!("/api/v1/datasets/{SLUG}/claims");
    let steward = app.staff(&["steward"], Some(OFFICE)).await.token;
    let (reviewer, operator) = (app.staff(&["reviewer"], None).await.token, app.operator().await.token);
    let (id, receipt) = file(&app, &claims, &json!({ "right": "trade_secret", "text": "Row 7 is our price list, see 13800138000." })).await;
    // Nobody else ever sees it.
    for path in [format!("/api/v1/datasets/{SLUG}"), format!("/api/v1/datasets/{SLUG}/corrections"), format!("/datasets/{SLUG}")] {
        let text = app.get(&path).await.expect(200).text();
        assert!(!text.contains("price list") && !text.contains("class=\"note objected\""), "{path}");
    }
    step(&app, &reviewer, &id, "moderation", &json!({ "show": true })).await.problem(409, "conflict");
    let decision = |outcome: &str| json!({ "outcome": outcome, "text": "We have looked.", "public_reason": "A claim was looked at." });
    step(&app, &steward, &id, "answer", &decision("done")).await.problem(403, "forbidden");
    step(&app, &steward, &id, "suspension", &json!({ "reason": "A right is claimed." })).await.expect(200);
    app.get(&download).await.problem(403, "dataset-suspended");
    assert_eq!(followed(&app, &receipt).await["dataset_state"], "suspended");
    step(&app, &operator, &id, "dismissal", &json!({ "reason": "no" })).await.problem(400, "invalid-value");
    step(&app, &operator, &id, "dismissal", &json!({ "reason": "none at all" })).await.problem(409, "conflict");
    step(&app, &reviewer, &id, "answer", &decision("accepted")).await.problem(400, "invalid-value");
    step(&app, &reviewer, &id, "answer", &json!({ "outcome": "rejected", "text": "No." })).await.problem(400, "invalid-value");
    let bare = json!({ "outcome": "rejected", "text": "It is no secret." });
    assert_eq!(step(&app, &reviewer, &id, "answer", &bare).await.problem(400, "invalid-value")["errors"][0]["pointer"], "/public_reason");
    step(&app, &reviewer, &id, "answer", &decision("rejected")).await.expect(200);
    app.get(&download).await.expect(200);
    assert_eq!(followed(&app, &receipt).await["state"], "rejected");

    // The second is right: whoever suspends for it does not give it out again alone, and the dataset is withdrawn.
    let (id, receipt) = file(&app, &claims, &json!({ "right": "privacy", "text": "Row 8 is about me." })).await;
    step(&app, &reviewer, &id, "suspension", &json!({ "reason": "A right is claimed." })).await.expect(200);
    step(&app, &reviewer, &id, "answer", &decision("rejected")).await.problem(403, "forbidden");
    app.get(&download).await.problem(403, "dataset-suspended");
    assert_eq!(followed(&app, &receipt).await["state"], "open", "nothing was half done");
    step(&app, &operator, &id, "answer", &decision("done")).await.expect(200);
    app.get(&download).await.problem(410, "dataset-withdrawn");
    let told = followed(&app, &receipt).await;
    assert_eq!((&told["state"], &told["dataset_state"]), (&json!("done"), &json!("withdrawn")));
    let history = app.get(&format!("/api/v1/datasets/{SLUG}/history")).await.expect(200).json();
    assert_eq!((&history["items"][0]["code"], &history["items"][0]["ground"]), (&json!("withdrawn"), &json!("rights_claim")));
    // Reopened after it was mended, by the list's own step.
    let reopened = app.post_as(&format!("/api/v1/admin/datasets/{SLUG}/reopening"), &reviewer, &json!({ "reason": "Row 8 is out." })).await;
    reopened.expect(200);
    assert_eq!(followed(&app, &receipt).await["dataset_state"], "published");
}

#[tokio::test]
async fn a_dataset_stays_suspended_until_every_claim_on_it_is_decided() {
    let app = TestApp::spawn().await;
    let (download, claims) = (format!("/api/v1/datasets/{SLUG}/download?format=csv"), format!("/api/v1/datasets/{SLUG}/claims"));
    let (reviewer, operator) = (app.staff(&["reviewer"], None).await.token, app.operator().await.token);
    let claim = json!({ "right": "trade_secret", "text": "See http://a.example http://b.example http://c.example http://d.example" });
    let (first, receipt) = file(&app, &claims, &claim).await;
    let (second, other) = file(&app, &claims, &claim).await;
    step(&app, &reviewer, &first, "suspension", &json!({ "reason": "A right is claimed." })).await.expect(200);
    // It is decided now: neither the claimant nor the list's own step ends it.
    app.post("/api/v1/receipts/withdrawal", &json!({ "receipt": receipt })).await.problem(409, "conflict");
    app.post("/api/v1/receipts/withdrawal", &json!({ "receipt": other })).await.expect(200);
    let (third, _) = file(&app, &claims, &claim).await;
    let restoration = format!("/api/v1/admin/datasets/{SLUG}/restoration");
    app.post_as(&restoration, &operator, &json!({ "reason": "It is fine." })).await.problem(409, "conflict");
    let reject = |reason: Option<&str>| json!({ "outcome": "rejected", "text": "It is none.", "public_reason": reason });
    step(&app, &operator, &first, "answer", &reject(Some("We looked."))).await.problem(400, "invalid-value");
    step(&app, &operator, &first, "answer", &reject(None)).await.expect(200);
    app.get(&download).await.problem(403, "dataset-suspended");
    // The last one gives it out again, though it was not suspended for that one.
    step(&app, &operator, &second, "answer", &reject(None)).await.problem(409, "conflict");
    step(&app, &operator, &third, "answer", &reject(Some("We looked."))).await.expect(200);
    app.get(&download).await.expect(200);
    let desk = app.get_as(&format!("/api/v1/admin/feedback/{first}"), &operator).await.expect(200).json();
    assert_eq!(desk["suspended"], false);
}

#[tokio::test]
async fn the_console_asks_twice_before_a_claim_withdraws_a_dataset() {
    let app = TestApp::spawn().await;
    let claims = format!("/api/v1/datasets/{SLUG}/claims");
    let (id, _) = file(&app, &claims, &json!({ "right": "privacy", "text": "Row 8 is about me." })).await;
    let reviewer = app.staff_browser(&["reviewer"], None).await;
    let answer = [("outcome", "done"), ("text", "You are right."), ("public_reason", "A right was infringed.")];
    let path = format!("/console/feedback/{id}/steps/answer");
    let asked = reviewer.send(&path, &answer).await.expect(200).text();
    assert!(asked.contains("name=\"confirmed\"") && asked.contains("You are right."), "{asked}");
    dataset(&app, SLUG).await;
    let [outcome, text, reason] = answer;
    reviewer.send(&path, &[outcome, text, reason, ("confirmed", &id)]).await.expect(303);
    app.get(&format!("/api/v1/datasets/{SLUG}")).await.problem(410, "dataset-withdrawn");
}

#[tokio::test]
async fn requests_are_voted_for_and_answered_in_public() {
    let app = TestApp::with_closed().await;
    let operator = app.operator().await.token;
    let wanted = json!({ "title": "Bus stops", "text": "For a route planner." });
    let (id, receipt) = file(&app, "/api/v1/requests", &wanted).await;
    assert!(items(&app, "/api/v1/requests").await.is_empty(), "nobody has looked at it");
    app.post(&format!("/api/v1/requests/{id}/vote"), &json!({})).await.problem(404, "not-found");
    step(&app, &operator, &id, "moderation", &json!({ "show": true })).await.expect(200);
    let (second, _) = file(&app, "/api/v1/requests", &json!({ "title": "Trees", "text": "For shade maps.", "publisher": OFFICE })).await;
    step(&app, &operator, &second, "moderation", &json!({ "show": true })).await.expect(200);
    // One caller has one vote, however often.
    let vote = format!("/api/v1/requests/{id}/vote");
    for _ in 0..3 {
        assert_eq!(app.post(&vote, &json!({})).await.expect(200).json()["votes"], 1);
    }
    let firm = app.firm().await;
    assert_eq!(app.post_as(&vote, &firm.token, &json!({})).await.expect(200).json()["votes"], 2);
    assert_eq!(app.post_as(&vote, &firm.person, &json!({})).await.expect(200).json()["votes"], 2, "a firm is one caller");
    let titles = |items: &[Value]| items.iter().map(|item| item["title"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(titles(&items(&app, "/api/v1/requests").await), ["Bus stops", "Trees"]);
    assert_eq!(titles(&items(&app, "/api/v1/requests?sort=newest").await), ["Trees", "Bus stops"]);
    assert_eq!(titles(&items(&app, &format!("/api/v1/requests?publisher={OFFICE}")).await), ["Trees"]);
    let first = app.get("/api/v1/requests?limit=1").await.expect(200).json();
    let next = app.get(&format!("/api/v1/requests?limit=1&cursor={}", first["next_cursor"].as_str().unwrap())).await.expect(200).json();
    assert_eq!((&first["items"][0]["title"], &next["items"][0]["title"]), (&json!("Bus stops"), &json!("Trees")));
    assert_eq!((&next["total"], &next["next_cursor"]), (&json!(2), &Value::Null));
    assert_eq!(app.send(Method::DELETE, &vote, None, None, &[]).await.expect(200).json()["votes"], 1);
    // A page of somebody else does not vote with its visitors.
    for foreign in [("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site"), ("origin", "https://elsewhere.example")] {
        app.send(Method::POST, &vote, None, None, &[foreign]).await.problem(403, "forbidden");
    }

    step(&app, &operator, &id, "assignment", &json!({ "publisher": OFFICE })).await.expect(200);
    let steward = app.staff(&["steward"], Some(OFFICE)).await.token;
    let answer = |outcome: &str, dataset: Option<&str>| json!({ "outcome": outcome, "text": "By the end of May.", "dataset": dataset });
    step(&app, &steward, &id, "answer", &answer("accepted", Some(SLUG))).await.problem(400, "invalid-value");
    step(&app, &steward, &id, "answer", &answer("accepted", None)).await.expect(200);
    step(&app, &steward, &id, "answer", &answer("done", None)).await.problem(400, "invalid-value");
    step(&app, &steward, &id, "answer", &answer("done", Some("enterprise-inspection-clues"))).await.problem(400, "invalid-value");
    step(&app, &steward, &id, "answer", &answer("done", Some(SLUG))).await.expect(200);
    let found = app.get(&format!("/api/v1/requests/{id}")).await.expect(200).json();
    assert_eq!((&found["state"], &found["found_in"], &found["votes"]), (&json!("done"), &json!(SLUG), &json!(1)));
    assert_eq!(followed(&app, &receipt).await["found_in"], SLUG);
    app.post(&vote, &json!({})).await.problem(409, "conflict");
    let kept = app.app.db.write(move |conn| Ok(feedback_votes::table.count().get_result::<i64>(conn)?)).await.unwrap();
    assert_eq!(kept, 0, "who voted is forgotten");
}

#[tokio::test]
async fn one_caller_has_one_rating_and_its_words_wait() {
    let app = TestApp::with_closed().await;
    let (ratings, operator) = (format!("/api/v1/datasets/{SLUG}/ratings"), app.operator().await.token);
    file(&app, &ratings, &json!({ "stars": 1 })).await;
    let (id, _) = file(&app, &ratings, &json!({ "stars": 4, "text": "Clean and complete." })).await;
    let firm = app.firm().await;
    app.post_as(&ratings, &firm.token, &json!({ "stars": 5 })).await.expect(201);
    assert_eq!(dataset(&app, SLUG).await["ratings"], json!({ "count": 2, "mean": 4.5, "by_stars": [0, 0, 0, 1, 1] }));
    assert!(items(&app, &ratings).await.is_empty());
    step(&app, &operator, &id, "moderation", &json!({ "show": true })).await.expect(200);
    let [item] = items(&app, &ratings).await.try_into().unwrap();
    assert_eq!((&item["stars"], &item["text"]), (&json!(4), &json!("Clean and complete.")));
    step(&app, &operator, &id, "moderation", &json!({ "show": false })).await.problem(400, "invalid-value");
    step(&app, &operator, &id, "answer", &json!({ "outcome": "done", "text": "Thanks." })).await.problem(409, "conflict");
    step(&app, &operator, &id, "dismissal", &json!({ "reason": "It rates itself." })).await.expect(200);
    assert_eq!(dataset(&app, SLUG).await["ratings"]["count"], 1);
    assert!(items(&app, &ratings).await.is_empty());
    // Of what is closed nobody can tell.
    let closed = "/api/v1/datasets/enterprise-inspection-clues/ratings";
    app.post(closed, &json!({ "stars": 3 })).await.problem(409, "conflict");
    for wrong in [json!({ "stars": 0 }), json!({ "stars": 6 })] {
        assert_eq!(app.post(&ratings, &wrong).await.problem(400, "invalid-value")["errors"][0]["pointer"], "/stars");
    }
}

#[tokio::test]
async fn what_was_made_with_data_is_in_the_gallery_and_at_its_datasets() {
    let app = TestApp::spawn().await;
    let operator = app.operator().await.token;
    let made = json!({
        "title": "Measures, searchable", "text": "A search over all measures.", "link": "https://example.org/measures",
        "maker": "Example Lab", "kind": "application", "datasets": [SLUG, "xuhui-subdistricts", SLUG],
    });
    let (id, _) = file(&app, "/api/v1/reuses", &made).await;
    assert!(items(&app, "/api/v1/reuses").await.is_empty());
    assert_eq!(dataset(&app, SLUG).await["reuses"], 0);
    step(&app, &operator, &id, "moderation", &json!({ "show": true })).await.expect(200);
    let [item] = items(&app, &format!("/api/v1/reuses?dataset={SLUG}")).await.try_into().unwrap();
    assert_eq!(
        (&item["datasets"], &item["maker"], &item["topic"]),
        (&json!([SLUG, "xuhui-subdistricts"]), &json!("Example Lab"), &json!("application"))
    );
    assert_eq!(dataset(&app, SLUG).await["reuses"], 1);
    assert!(items(&app, "/api/v1/reuses?dataset=shanghai-districts").await.is_empty());
    let with = |key: &str, value: Value| {
        let mut made = made.clone();
        made[key] = value;
        made
    };
    for (key, value) in [
        ("link", json!("javascript:alert(1)")),
        ("link", json!("https://name:word@example.org/")),
        ("link", json!("example.org")),
        ("datasets", json!([])),
        ("datasets", json!(["no-such-dataset"])),
        ("text", json!("Call 13800138000 to buy it.")),
        ("maker", json!("\u{202e}baL")),
    ] {
        let problem = app.post("/api/v1/reuses", &with(key, value.clone())).await.problem(400, "invalid-value");
        assert_eq!(problem["errors"][0]["pointer"], format!("/{key}"), "{value}");
    }
    step(&app, &operator, &id, "dismissal", &json!({ "reason": "It is gone." })).await.expect(200);
    assert!(items(&app, "/api/v1/reuses").await.is_empty());
}

#[tokio::test]
async fn what_is_wrong_with_an_objection_is_said_with_its_place() {
    let app = TestApp::with_closed().await;
    let path = format!("/api/v1/datasets/{SLUG}/corrections");
    for (body, pointer) in [
        (json!({ "text": "no" }), "/text"),
        (json!({ "text": "x".repeat(4001) }), "/text"),
        (json!({ "text": "It is\u{200b} wrong" }), "/text"),
        (json!({ "text": "Ask me at someone@example.org please" }), "/text"),
        (json!({ "text": "http://a.example http://b.example http://c.example http://d.example" }), "/text"),
        (json!({ "text": "It is wrong.", "field": "no_such_field" }), "/field"),
    ] {
        let problem = app.post(&path, &body).await.problem(400, "invalid-value");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}");
        assert!(!problem.to_string().contains("someone@"), "it is not repeated");
    }
    app.post(&path, &json!({ "text": "It is wrong.", "more": 1 })).await.problem(400, "malformed-request");
    app.post("/api/v1/datasets/no-such/corrections", &json!({ "text": "It is wrong." })).await.problem(404, "not-found");
    object(&app, "It is wrong.").await;
    app.post(&path, &json!({ "text": " It is wrong. " })).await.problem(409, "conflict");
    let open = json!({ "title": "The measures", "text": "I want them.", "dataset": SLUG });
    let problem = app.post("/api/v1/requests", &open).await.problem(400, "invalid-value");
    assert_eq!(problem["errors"][0]["pointer"], "/dataset");
    let closed = json!({ "title": "The clues", "text": "I want them.", "dataset": "enterprise-inspection-clues" });
    app.post("/api/v1/requests", &closed).await.expect(201);
    let unknown = json!({ "title": "The clues", "text": "I want them.", "publisher": "nobody" });
    assert_eq!(app.post("/api/v1/requests", &unknown).await.problem(400, "invalid-value")["errors"][0]["pointer"], "/publisher");
}

#[tokio::test]
async fn who_files_too_much_is_told_when_to_come_back() {
    let app = TestApp::start(
        Some(&crate::support::shipped()),
        &[
            ("limits_feedback_per_hour", "2"),
            ("limits_feedback_per_hour_total", "3"),
            ("limits_votes_per_hour", "1"),
            ("trusted_proxies", "127.0.0.1"),
        ],
    )
    .await;
    let path = format!("/api/v1/datasets/{SLUG}/corrections");
    let send = async |address: &str, text: &str| {
        app.send(Method::POST, &path, None, Some(&json!({ "text": text })), &[("x-forwarded-for", address)]).await
    };
    send("192.0.2.1", "The first is wrong.").await.expect(201);
    send("192.0.2.1", "The second is wrong.").await.expect(201);
    let refused = send("192.0.2.1", "The third is wrong.").await;
    assert!(refused.header("retry-after").parse::<u32>().unwrap() > 0);
    refused.problem(429, "rate-limited");
    send("192.0.2.2", "The third is wrong.").await.expect(201);
    // All who are not logged in together; a firm counts by itself.
    send("192.0.2.3", "The fourth is wrong.").await.problem(429, "rate-limited");
    let firm = app.firm().await;
    app.post_as(&path, &firm.token, &json!({ "text": "The fifth is wrong." })).await.expect(201);
    // Whoever fills that up keeps nobody from claiming a right.
    let claims = format!("/api/v1/datasets/{SLUG}/claims");
    let claim = json!({ "right": "other", "text": "It is ours." });
    app.send(Method::POST, &claims, None, Some(&claim), &[("x-forwarded-for", "192.0.2.4")]).await.expect(201);
    let vote = "/api/v1/requests/none/vote";
    app.send(Method::POST, vote, None, None, &[("x-forwarded-for", "192.0.2.5")]).await.problem(404, "not-found");
    app.send(Method::POST, vote, None, None, &[("x-forwarded-for", "192.0.2.5")]).await.problem(429, "rate-limited");
}

#[tokio::test]
async fn time_makes_it_overdue_and_has_it_forgotten() {
    let app = TestApp::spawn().await;
    let operator = app.operator().await.token;
    let (late, receipt) = object(&app, "The first is wrong.").await;
    let (shown, asked) = object(&app, "The second is wrong.").await;
    let (hidden, _) = object(&app, "The third is wrong.").await;
    step(&app, &operator, &shown, "moderation", &json!({ "show": true })).await.expect(200);
    step(&app, &operator, &shown, "question", &json!({ "question": "Where is it?" })).await.expect(200);
    app.post("/api/v1/receipts/reply", &json!({ "receipt": asked, "text": "At 13800138000." })).await.expect(200);
    app.post(&format!("/api/v1/datasets/{SLUG}/ratings"), &json!({ "stars": 5 })).await.expect(201);
    for id in [&shown, &hidden] {
        step(&app, &operator, id, "answer", &json!({ "outcome": "rejected", "text": "It is right." })).await.expect(200);
    }
    let (id, long_ago) = (late.clone(), chrono::Utc::now().naive_utc() - chrono::Duration::days(181));
    app.app
        .db
        .write(move |conn| {
            diesel::update(feedback::table.find(id)).set(feedback::due_at.eq(long_ago)).execute(conn)?;
            let done = feedback::table.filter(feedback::closed_at.is_not_null());
            diesel::update(done).set(feedback::closed_at.eq(long_ago)).execute(conn)?;
            Ok(())
        })
        .await
        .unwrap();
    app.app.look_through_feedback().await.unwrap();
    app.app.look_through_feedback().await.unwrap();
    let kinds: Vec<String> = followed(&app, &receipt).await["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["kind"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(kinds, ["feedback.filed", "feedback.overdue"], "once");
    let overdue = app.get_as("/api/v1/admin/feedback?overdue=true", &operator).await.expect(200).json();
    assert_eq!((&overdue["total"], &overdue["items"][0]["id"], &overdue["items"][0]["overdue"]), (&json!(1), &json!(late), &json!(true)));
    let desk = app.get_as(&format!("/api/v1/admin/feedback/{hidden}"), &operator).await.expect(200).json();
    assert!(desk["text"].is_null(), "{desk}");
    assert_eq!(app.get_as(&format!("/api/v1/admin/feedback/{shown}"), &operator).await.json()["text"], "The second is wrong.");
    let left = app.app.db.write(|conn| Ok(ledger_words::table.select(ledger_words::words).load::<String>(conn)?)).await.unwrap();
    for (words, stays) in
        [("The third", false), ("13800138000", false), ("Where is it", false), ("The second", true), ("It is right.", true)]
    {
        assert_eq!(left.iter().any(|known| known.contains(words)), stays, "{words}: {left:?}");
    }
    let voters = feedback::table.filter(feedback::voter.is_not_null());
    assert_eq!(app.app.db.write(move |conn| Ok(voters.count().get_result::<i64>(conn)?)).await.unwrap(), 0);
    // A question does not undo that it is late, and right is said once.
    step(&app, &operator, &late, "question", &json!({ "question": "Which one?" })).await.expect(200);
    let listed = items(&app, &format!("/api/v1/datasets/{SLUG}/corrections")).await;
    let marked = listed.iter().find(|item| item["id"] == json!(late)).unwrap();
    assert_eq!((&marked["state"], &marked["overdue"]), (&json!("asked"), &json!(true)));
    let right = json!({ "outcome": "accepted", "text": "It is." });
    step(&app, &operator, &late, "answer", &right).await.expect(200);
    step(&app, &operator, &late, "answer", &right).await.problem(409, "conflict");
    step(&app, &operator, &late, "question", &json!({ "question": "Which one?" })).await.problem(409, "conflict");
}

#[tokio::test]
async fn words_that_name_somebody_are_taken_out_everywhere() {
    let app = TestApp::spawn().await;
    let operator = app.operator().await.token;
    let wanted = json!({ "title": "The files of Example Person", "text": "What it says of Example Person." });
    let (id, _) = file(&app, "/api/v1/requests", &wanted).await;
    step(&app, &operator, &id, "moderation", &json!({ "show": true })).await.expect(200);
    let entries = app.get_as("/api/v1/ledger/entries?limit=1000", &operator).await.expect(200).json();
    let filed = entries["items"].as_array().unwrap().iter().find(|entry| entry["kind"] == "feedback.filed").unwrap().clone();
    assert!(!filed["detail_json"].as_str().unwrap().contains("Example Person"));
    let redaction = format!("/api/v1/ledger/entries/{}/redaction", filed["seq"]);
    app.post_as(&redaction, &operator, &json!({ "reason": "It names somebody." })).await.expect(200);
    for path in [format!("/api/v1/requests/{id}"), "/api/v1/requests".to_owned()] {
        let text = app.get(&path).await.expect(200).text();
        assert!(!text.contains("Example Person") && text.contains("(taken out)"), "{text}");
    }
}

#[tokio::test]
async fn who_filed_it_does_not_decide_on_it() {
    let app = TestApp::spawn().await;
    let operator = app.operator().await.token;
    let path = format!("/api/v1/datasets/{SLUG}/corrections");
    let filed = app.post_as(&path, &operator, &json!({ "text": "It is wrong." })).await.expect(201).json();
    let id = filed["id"].as_str().unwrap();
    step(&app, &operator, id, "dismissal", &json!({ "reason": "never mind" })).await.problem(403, "forbidden");
    let other = app.staff(&["operator"], None).await.token;
    step(&app, &other, id, "dismissal", &json!({ "reason": "never mind" })).await.expect(200);
    let auditor = app.staff(&["auditor"], None).await.token;
    let desk = app.get_as(&format!("/api/v1/admin/feedback/{id}"), &auditor).await.expect(200).json();
    assert!(desk["filed_by"].as_str().unwrap().starts_with("person:"));
    step(&app, &auditor, id, "answer", &json!({ "outcome": "done", "text": "Done." })).await.problem(403, "forbidden");
}
