//! The desk of what the public filed: its order, and one step with many.

use serde_json::{Value, json};

use crate::support::{Service, TestApp};

const SLUG: &str = "ai-policy-measures";

async fn file(app: &Service, path: &str, body: &Value) -> String {
    app.post(path, body).await.expect(201).json()["id"].as_str().unwrap().to_owned()
}

async fn object(app: &Service, text: &str) -> String {
    file(app, &format!("/api/v1/datasets/{SLUG}/corrections"), &json!({ "text": text })).await
}

async fn moderate(app: &Service, token: &str, ids: &[&str], step: &str, reason: Option<&str>) -> crate::support::Answer {
    let mut body = json!({ "ids": ids, "step": step });
    if let Some(reason) = reason {
        body["reason"] = reason.into();
    }
    app.post_as("/api/v1/admin/feedback/moderation", token, &body).await
}

async fn case(app: &Service, token: &str, id: &str) -> Value {
    app.get_as(&format!("/api/v1/admin/feedback/{id}"), token).await.expect(200).json()
}

#[tokio::test]
async fn a_wave_of_advertising_is_dismissed_at_once_and_claims_are_not() {
    let app = TestApp::spawn().await;
    let (reviewer, steward) = (app.staff(&["reviewer"], None).await.token, app.staff(&["steward"], Some("xuhui-health")).await.token);
    let mut wave = Vec::new();
    for number in 1..=3 {
        wave.push(object(&app, &format!("Buy cheap watches, offer {number}.")).await);
    }
    let claim = file(&app, &format!("/api/v1/datasets/{SLUG}/claims"), &json!({ "right": "trade_secret", "text": "Row 2 is ours." })).await;
    let ids: Vec<&str> = wave.iter().chain([&claim]).map(String::as_str).collect();
    moderate(&app, &steward, &ids, "dismiss", Some("advertising")).await.problem(403, "forbidden");

    // One was hidden by somebody else already: nothing else is passed over for it.
    moderate(&app, &reviewer, &[&wave[1]], "hide", Some("advertising")).await.expect(200);
    let hidden = moderate(&app, &reviewer, &ids, "hide", Some("advertising")).await.expect(200).json();
    assert_eq!(hidden["done"], json!([wave[0], wave[2]]));
    let passed: Vec<&Value> = hidden["passed_over"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
    assert_eq!(passed, [&json!(wave[1]), &json!(claim)]);

    let dismissed = moderate(&app, &reviewer, &ids, "dismiss", Some("advertising")).await.expect(200).json();
    assert_eq!(dismissed["done"], json!(wave));
    assert_eq!(dismissed["passed_over"], json!([{ "id": claim, "detail": "a rights claim is decided by itself" }]));
    assert!(app.get(&format!("/api/v1/datasets/{SLUG}")).await.expect(200).json().get("objections").is_none());
    assert_eq!(case(&app, &reviewer, &claim).await["state"], "open");
    // Each has its own entry, with the reason that its filer reads.
    for id in &wave {
        let history = case(&app, &reviewer, id).await["history"].clone();
        let told: Vec<(&Value, &Value)> = history
            .as_array()
            .unwrap()
            .iter()
            .map(|event| (&event["kind"], &event["words"]))
            .filter(|(kind, _)| *kind != "feedback.filed")
            .collect();
        let reason = json!("advertising");
        assert_eq!(told, [(&json!("feedback.moderated"), &reason), (&json!("feedback.dismissed"), &reason)], "{id}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_step_for_many_changes_none_of_them() {
    let app = TestApp::spawn().await;
    let reviewer = app.staff(&["reviewer"], None).await.token;
    let (first, second) = (object(&app, "The first is wrong.").await, object(&app, "The second is wrong.").await);
    moderate(&app, &reviewer, &[&first, &second, "no-such"], "show", None).await.problem(404, "not-found");
    let faults = [
        (moderate(&app, &reviewer, &[], "show", None).await, "/ids"),
        (moderate(&app, &reviewer, &["a"; 101], "show", None).await, "/ids"),
        (moderate(&app, &reviewer, &[&first, &second, &first], "show", None).await, "/ids/2"),
        (moderate(&app, &reviewer, &[&first], "hide", None).await, "/reason"),
        (moderate(&app, &reviewer, &[&first], "dismiss", Some("no")).await, "/reason"),
        (moderate(&app, &reviewer, &[&first], "show", Some("it is fine")).await, "/reason"),
    ];
    for (answer, pointer) in faults {
        assert_eq!(answer.problem(400, "invalid-value")["errors"][0]["pointer"], pointer);
    }
    moderate(&app, &reviewer, &[&first], "praise", None).await.problem(400, "malformed-request");
    for id in [&first, &second] {
        assert_eq!(case(&app, &reviewer, id).await["shown"], "waiting");
    }
    let shown = moderate(&app, &reviewer, &[&first, &second], "show", None).await.expect(200).json();
    assert_eq!((&shown["done"], &shown["passed_over"]), (&json!([first, second]), &json!([])));
}

#[tokio::test]
async fn what_is_to_be_answered_first_comes_first() {
    let app = TestApp::spawn().await;
    let operator = app.operator().await.token;
    // In the order of filing: without a term, the longest, the shortest twice, without a term.
    let mut filed = Vec::new();
    filed.push(file(&app, &format!("/api/v1/datasets/{SLUG}/ratings"), &json!({ "stars": 4, "text": "Good measures." })).await);
    filed.push(file(&app, "/api/v1/requests", &json!({ "title": "Bus stops", "text": "Where every bus stop is." })).await);
    filed.push(object(&app, "The first is wrong.").await);
    filed.push(object(&app, "The second is wrong.").await);
    let reuse = json!({ "title": "A map", "text": "A map of it all.", "link": "https://example.org/", "maker": "Example", "kind": "other", "datasets": [SLUG] });
    filed.push(file(&app, "/api/v1/reuses", &reuse).await);
    let due: Vec<Value> = futures::future::join_all(filed.iter().map(|id| case(&app, &operator, id))).await;
    assert!(due[1]["due_at"].as_str() > due[2]["due_at"].as_str() && due[0]["due_at"].is_null(), "{due:?}");

    let order = |picked: [usize; 5]| picked.map(|at| filed[at].clone());
    for (sort, wanted) in [("due", order([2, 3, 1, 0, 4])), ("newest", order([4, 3, 2, 1, 0]))] {
        let mut found = Vec::new();
        let mut cursor = String::new();
        for page in 1..=5 {
            let answer =
                app.get_as(&format!("/api/v1/admin/feedback?waiting=true&sort={sort}&limit=1{cursor}"), &operator).await.expect(200).json();
            assert_eq!(answer["total"], 5);
            found.push(answer["items"][0]["id"].as_str().unwrap().to_owned());
            assert_eq!(answer["next_cursor"].is_null(), page == 5, "{sort} {page}");
            cursor = format!("&cursor={}", answer["next_cursor"].as_str().unwrap_or_default());
        }
        assert_eq!(found, wanted, "{sort}");
    }
    // A cursor of one order is none of the other.
    let other = app.get_as("/api/v1/admin/feedback?waiting=true&sort=due&limit=1", &operator).await.json()["next_cursor"].clone();
    let other = format!("/api/v1/admin/feedback?waiting=true&limit=1&cursor={}", other.as_str().unwrap());
    app.get_as(&other, &operator).await.problem(400, "invalid-value");
}

#[tokio::test]
async fn the_console_takes_one_step_with_all_that_were_chosen() {
    let app = TestApp::spawn().await;
    let reviewer = app.staff_browser(&["reviewer"], None).await;
    let (first, second) = (object(&app, "Advertising, the first.").await, object(&app, "Advertising, the second.").await);
    let page = reviewer.page("/console/feedback?lang=en&chosen=all").await;
    assert_eq!(page.matches("name=\"ids\"").count(), 2);
    assert_eq!(page.matches(" checked").count(), 2);
    let fields =
        |step, reason| [("ids", first.as_str()), ("ids", second.as_str()), ("view", "waiting"), ("reason", reason), ("step", step)];
    // Without a reason nothing is done, and what was chosen is chosen still.
    let refused = reviewer.send("/console/feedback?lang=zh", &fields("dismiss", "")).await;
    assert_eq!(refused.status, 400);
    assert_eq!(refused.text().matches(" checked").count(), 2);
    reviewer.done("/console/feedback?lang=en", &fields("dismiss", "advertising")).await;
    assert_eq!(reviewer.page("/console/feedback?lang=en").await.matches("name=\"ids\"").count(), 0);
    // What somebody else has decided meanwhile is named.
    let left = reviewer.send("/console/feedback?lang=en", &fields("dismiss", "advertising")).await.expect(200).text();
    assert!(left.contains(&first) && left.contains(&second) && left.contains("role=\"alert\""), "{left}");
    // A steward is offered nothing of it.
    let third = object(&app, "The third is wrong.").await;
    let steward = app.staff_browser(&["steward"], Some("xuhui-government-office")).await;
    let page = steward.page("/console/feedback?lang=en").await;
    assert!(page.contains(&third) && !page.contains("name=\"ids\""));
    assert_eq!(steward.send("/console/feedback", &[("ids", &third), ("step", "show")]).await.status, 403);
}
