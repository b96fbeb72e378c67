//! Drafts: what some prepare, somebody else looks at, and what is then in the list.

use std::time::Duration;

use diesel::{ExpressionMethods, QueryDsl, RunQueryDsl};
use qingdan::catalog::book;
use qingdan::db::schema::drafts;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Folder, Service, TestApp};

const SLUG: &str = "ai-policy-measures";
const OFFICE: &str = "xuhui-government-office";
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

async fn begin(app: &Service, token: &str, title: &str) -> String {
    app.post_as("/api/v1/admin/drafts", token, &json!({ "title": title })).await.expect(201).json()["id"].as_str().unwrap().to_owned()
}

async fn listed(app: &Service, token: &str, slug: &str) -> Value {
    app.get_as(&format!("/api/v1/admin/datasets/{slug}/entry"), token).await.expect(200).json()
}

async fn put(app: &Service, token: &str, draft: &str, slug: &str, body: &Value, tag: Option<&str>) -> Answer {
    let headers: Vec<(&str, &str)> = tag.into_iter().map(|tag| ("if-match", tag)).collect();
    let path = format!("/api/v1/admin/drafts/{draft}/entries/{slug}");
    app.send(Method::PUT, &path, Some(token), Some(body), &headers).await
}

/// Puts an entry of the list into a draft for the first time.
async fn first(app: &Service, token: &str, draft: &str, slug: &str, entry: &Value) -> Answer {
    let listed = app.get_as(&format!("/api/v1/admin/datasets/{slug}/entry"), token).await.json();
    put(app, token, draft, slug, &json!({ "entry": entry, "base_sha256": listed["listed_sha256"] }), None).await
}

/// A step of a draft, with the revision that it has now.
async fn step(app: &Service, token: &str, draft: &str, step: &str, body: &Value) -> Answer {
    let path = format!("/api/v1/admin/drafts/{draft}");
    let read = app.get_as(&path, token).await.expect(200);
    app.send(Method::POST, &format!("{path}/{step}"), Some(token), Some(body), &[("if-match", read.header("etag"))]).await
}

async fn draft_of(app: &Service, token: &str, draft: &str) -> Value {
    app.get_as(&format!("/api/v1/admin/drafts/{draft}"), token).await.expect(200).json()
}

/// A draft of the office that gives a dataset another English title.
async fn retitled(app: &Service, token: &str, title: &str) -> String {
    let draft = begin(app, token, "Another title").await;
    let mut entry = listed(app, token, SLUG).await["entry"].clone();
    entry["title"]["en"] = json!(title);
    first(app, token, &draft, SLUG, &entry).await.expect(200);
    draft
}

async fn title_of(app: &Service, slug: &str) -> String {
    app.get(&format!("/api/v1/datasets/{slug}")).await.expect(200).json()["title"]["en"].as_str().unwrap().to_owned()
}

async fn list_version(app: &Service) -> i64 {
    app.get("/api/v1/open-list/versions").await.expect(200).json()["items"][0]["version"].as_i64().unwrap()
}

#[tokio::test]
async fn it_takes_two_people_to_change_the_list() {
    let app = TestApp::spawn().await;
    let (steward, reviewer) = (app.staff(&["steward"], Some(OFFICE)).await.token, app.staff(&["reviewer"], None).await.token);
    let (before, version) = (title_of(&app, SLUG).await, list_version(&app).await);
    let draft = retitled(&app, &steward, "Measures for AI").await;
    let seen = app.get_as(&format!("/api/v1/admin/drafts/{draft}/entries/{SLUG}"), &steward).await.expect(200).json();
    assert_eq!(seen["code"], "revision");
    assert_eq!(seen["changes"], json!([{ "key": "title.en", "before": before, "after": "Measures for AI" }]));
    assert_eq!((&seen["faults"], &seen["moved"]), (&json!([]), &json!(false)));

    // Nobody decides before it is handed in, nobody on what they have edited, and a steward on nothing.
    step(&app, &reviewer, &draft, "approval", &json!({})).await.problem(409, "conflict");
    let submitted = step(&app, &steward, &draft, "submission", &json!({})).await.expect(200).json();
    assert_eq!(submitted["state"], "in_review");
    step(&app, &steward, &draft, "approval", &json!({})).await.problem(403, "forbidden");
    put(&app, &steward, &draft, SLUG, &json!({ "entry": seen["entry"] }), Some("\"1\"")).await.problem(409, "conflict");
    assert_eq!((title_of(&app, SLUG).await, list_version(&app).await), (before.clone(), version));

    let path = format!("/api/v1/admin/drafts/{draft}/approval");
    app.send(Method::POST, &path, Some(&reviewer), Some(&json!({})), &[]).await.problem(428, "condition-missing");
    app.send(Method::POST, &path, Some(&reviewer), Some(&json!({})), &[("if-match", "\"2\"")]).await.problem(412, "stale");
    let approved = step(&app, &reviewer, &draft, "approval", &json!({})).await.expect(200).json();
    assert_eq!((&approved["state"], &approved["list_version"]), (&json!("published"), &json!(version + 1)));
    assert_eq!(title_of(&app, SLUG).await, "Measures for AI");
    assert_eq!(app.get("/api/v1/datasets?q=%22Measures%20for%20AI%22").await.expect(200).json()["items"][0]["slug"], SLUG);
    let diff = app.get(&format!("/api/v1/open-list/diff?from={version}&to={}", version + 1)).await.expect(200).json();
    assert_eq!(diff["items"][0]["values"][0]["after"], "Measures for AI");
    step(&app, &reviewer, &draft, "recall", &json!({})).await.problem(409, "conflict");

    let auditor = app.staff(&["auditor"], None).await.token;
    let ledger = app.get_as("/api/v1/ledger/entries?limit=1000", &auditor).await.expect(200).json();
    let subject = format!("draft:{draft}");
    let kinds: Vec<&str> = ledger["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["subject"] == subject)
        .map(|entry| entry["kind"].as_str().unwrap())
        .collect();
    let mut wanted = ["draft.begun", "draft.edited", "draft.submitted", "draft.approved", "draft.published"];
    if kinds.first() == Some(&"draft.published") {
        wanted.reverse();
    }
    assert_eq!(kinds, wanted);
}

#[tokio::test]
async fn whoever_has_had_a_hand_in_a_draft_does_not_decide_on_it() {
    let app = TestApp::spawn().await;
    let (one, other) = (app.staff(&["reviewer"], None).await.token, app.staff(&["operator"], None).await.token);
    let draft = retitled(&app, &one, "Measures").await;
    let third = app.staff(&["reviewer", "steward"], Some(OFFICE)).await.token;
    let seen = app.get_as(&format!("/api/v1/admin/drafts/{draft}/entries/{SLUG}"), &third).await.expect(200);
    let mut entry = seen.json()["entry"].clone();
    entry["keywords"]["en"] = json!(["artificial intelligence"]);
    put(&app, &third, &draft, SLUG, &json!({ "entry": entry }), Some(seen.header("etag"))).await.expect(200);
    step(&app, &one, &draft, "submission", &json!({})).await.expect(200);
    for hand in [&one, &third] {
        let refused = step(&app, hand, &draft, "approval", &json!({})).await.problem(403, "forbidden");
        assert!(refused["detail"].as_str().unwrap().contains("somebody else"), "{refused}");
        step(&app, hand, &draft, "return", &json!({ "remark": "not by me" })).await.problem(403, "forbidden");
    }
    // Sent back with a remark, which its editors read and which goes when it is handed in again.
    let returned = step(&app, &other, &draft, "return", &json!({ "remark": "说明关键词为何减少" })).await.expect(200).json();
    assert_eq!((&returned["state"], &returned["remark"]), (&json!("draft"), &json!("说明关键词为何减少")));
    let again = step(&app, &third, &draft, "submission", &json!({})).await.expect(200).json();
    assert!(again.get("remark").is_none(), "{again}");
    step(&app, &other, &draft, "approval", &json!({})).await.expect(200);
}

#[tokio::test]
async fn what_was_read_is_what_is_approved() {
    let app = TestApp::spawn().await;
    let (steward, reviewer) = (app.staff(&["steward"], Some(OFFICE)).await.token, app.staff(&["reviewer"], None).await.token);
    let draft = retitled(&app, &steward, "One title").await;
    step(&app, &steward, &draft, "submission", &json!({})).await.expect(200);
    let path = format!("/api/v1/admin/drafts/{draft}");
    let read = app.get_as(&path, &reviewer).await.expect(200);
    // Behind the reviewer's back it is taken back, changed and handed in again.
    step(&app, &steward, &draft, "recall", &json!({})).await.expect(200);
    let seen = app.get_as(&format!("{path}/entries/{SLUG}"), &steward).await.expect(200);
    let mut entry = seen.json()["entry"].clone();
    entry["title"]["en"] = json!("Another title");
    put(&app, &steward, &draft, SLUG, &json!({ "entry": entry }), Some(seen.header("etag"))).await.expect(200);
    step(&app, &steward, &draft, "submission", &json!({})).await.expect(200);
    let approval = format!("{path}/approval");
    let refused = app.send(Method::POST, &approval, Some(&reviewer), Some(&json!({})), &[("if-match", read.header("etag"))]).await;
    assert!(refused.problem(412, "stale")["detail"].as_str().unwrap().contains("read it again"));
    assert!(!title_of(&app, SLUG).await.ends_with("title"));
}

#[tokio::test]
async fn of_two_editors_the_second_is_told_what_the_first_has_done() {
    let app = TestApp::spawn().await;
    let (one, other) = (app.staff(&["steward"], Some(OFFICE)).await.token, app.staff(&["steward"], Some(OFFICE)).await.token);
    let draft = retitled(&app, &one, "Measures").await;
    let path = format!("/api/v1/admin/drafts/{draft}/entries/{SLUG}");
    let read = app.get_as(&path, &other).await.expect(200);
    let (tag, mut entry) = (read.header("etag").to_owned(), read.json()["entry"].clone());
    let mut theirs = entry.clone();
    theirs["title"]["en"] = json!("Measures of 2018");
    theirs["fields"][1]["title"]["en"] = json!("Part");
    put(&app, &one, &draft, SLUG, &json!({ "entry": theirs }), Some(&tag)).await.expect(200);

    entry["title"]["en"] = json!("AI measures");
    put(&app, &other, &draft, SLUG, &json!({ "entry": entry }), None).await.problem(428, "condition-missing");
    let conflict = put(&app, &other, &draft, SLUG, &json!({ "entry": entry }), Some(&tag)).await.problem(412, "stale");
    let told: Vec<(&str, &str)> = conflict["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| (error["pointer"].as_str().unwrap(), error["detail"].as_str().unwrap()))
        .collect();
    let wanted = [
        ("/entry/fields/1/title/en", "there is \"Part\"; yours is \"Chapter heading\""),
        ("/entry/title/en", "there is \"Measures of 2018\"; yours is \"AI measures\""),
    ];
    assert_eq!(told, wanted);
    let read = app.get_as(&path, &other).await.expect(200);
    assert_eq!(read.json()["entry"]["title"]["en"], "Measures of 2018", "nothing of the second came in");
    let mut merged = read.json()["entry"].clone();
    merged["title"]["en"] = json!("AI measures");
    put(&app, &other, &draft, SLUG, &json!({ "entry": merged }), Some(read.header("etag"))).await.expect(200);
    // Another draft does not change the same dataset meanwhile.
    let second = begin(&app, &one, "A second draft").await;
    let refused = first(&app, &one, &second, SLUG, &merged).await.problem(409, "conflict");
    assert!(refused["detail"].as_str().unwrap().contains(&draft), "{refused}");
    // What is taken out of a draft is free for another.
    let read = app.get_as(&path, &one).await.expect(200);
    app.send(Method::DELETE, &path, Some(&one), None, &[("if-match", "\"1\"")]).await.problem(412, "stale");
    app.send(Method::DELETE, &path, Some(&one), None, &[("if-match", read.header("etag"))]).await.expect(204);
    first(&app, &one, &second, SLUG, &merged).await.expect(200);
}

/// A list of one dataset of the publisher `office`, without the shipped ones.
async fn small() -> (TestApp, Folder) {
    let folder = Folder::new();
    folder.open("streets", &["name", "place"], "name,place\na,b\n");
    (TestApp::with_datasets(folder.path()).await, folder)
}

fn text_of(folder: &Folder, slug: &str) -> String {
    std::fs::read_to_string(folder.file(&format!("{slug}/dataset.toml"))).unwrap()
}

#[tokio::test]
async fn a_list_that_moves_under_a_draft_is_looked_at_again() {
    let (app, folder) = small().await;
    let (steward, reviewer) = (app.staff(&["steward"], Some("office")).await.token, app.staff(&["reviewer"], None).await.token);
    let draft = begin(&app, &steward, "Another title").await;
    let mut entry = listed(&app, &steward, "streets").await["entry"].clone();
    entry["title"]["en"] = json!("Streets and places");
    first(&app, &steward, &draft, "streets", &entry).await.expect(200);
    let before = listed(&app, &steward, "streets").await;
    assert_eq!(before["draft"], json!(draft));
    folder.write("streets/dataset.toml", text_of(&folder, "streets").replace("yearly", "daily"));
    app.import(&folder).await;
    assert_eq!(listed(&app, &steward, "streets").await["entry"]["update_frequency"], "daily");

    let path = format!("/api/v1/admin/drafts/{draft}/entries/streets");
    let seen = app.get_as(&path, &steward).await.expect(200);
    assert_eq!(seen.json()["moved"], true);
    let refused = step(&app, &steward, &draft, "submission", &json!({})).await.problem(400, "invalid-value");
    assert_eq!(refused["errors"][0]["pointer"], "/entries/streets");
    let body = |sha256: &Value| json!({ "entry": entry, "base_sha256": sha256 });
    let moved = put(&app, &steward, &draft, "streets", &body(&before["listed_sha256"]), Some(seen.header("etag"))).await;
    let moved = moved.problem(412, "stale");
    assert!(moved["errors"].to_string().contains("/entry/update_frequency"), "{moved}");
    let now = listed(&app, &steward, "streets").await;
    put(&app, &steward, &draft, "streets", &body(&now["listed_sha256"]), Some(seen.header("etag"))).await.expect(200);
    step(&app, &steward, &draft, "submission", &json!({})).await.expect(200);
    step(&app, &reviewer, &draft, "approval", &json!({})).await.expect(200);
    assert_eq!(title_of(&app, "streets").await, "Streets and places");
}

#[tokio::test]
async fn what_stands_in_the_way_is_told_by_its_place_and_opening_less_needs_a_reason() {
    let (app, _folder) = small().await;
    let (operator, reviewer) = (app.operator().await.token, app.staff(&["reviewer"], None).await.token);
    let draft = begin(&app, &operator, "Fewer fields, and a new dataset").await;
    step(&app, &operator, &draft, "submission", &json!({})).await.problem(409, "conflict");
    let listed = listed(&app, &operator, "streets").await["entry"].clone();
    put(&app, &operator, &draft, "streets", &json!({ "entry": listed }), None).await.problem(428, "condition-missing");
    first(&app, &operator, &draft, "streets", &listed).await.expect(200);
    let same = step(&app, &operator, &draft, "submission", &json!({})).await.problem(400, "invalid-value");
    assert!(same["errors"][0]["detail"].as_str().unwrap().contains("already"), "{same}");

    let mut narrower = listed.clone();
    narrower["open_type"] = json!("closed");
    narrower["open_type_reason"] = json!({ "zh": "不再公开", "en": "Not open any more" });
    narrower.as_object_mut().unwrap().remove("data");
    put(&app, &operator, &draft, "streets", &json!({ "entry": narrower }), Some("\"1\"")).await.expect(200);
    let mut wrong = listed.clone();
    wrong["theme"] = json!("nothing");
    wrong["title"]["zh"] = json!("街\u{200b}道");
    wrong["related"] = json!([{ "dataset": "new-streets", "relation": "part_of" }]);
    let seen = put(&app, &operator, &draft, "new-streets", &json!({ "entry": wrong }), None).await.expect(200).json();
    assert_eq!(seen["code"], "new");
    assert!(!seen["advice"].as_array().unwrap().is_empty(), "{seen}");
    let refused = step(&app, &operator, &draft, "submission", &json!({})).await.problem(400, "invalid-value");
    let told: Vec<&str> = refused["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    for place in ["/entries/new-streets/theme", "/entries/new-streets/title/zh", "/entries/streets/open_type"] {
        assert!(told.contains(&place), "{place} is not among {told:?}");
    }
    assert!(told.iter().any(|place| place.starts_with("/entries/new-streets/related")), "{told:?}");

    let mut right = listed.clone();
    right["title"] = json!({ "zh": "新街道", "en": "New streets" });
    put(&app, &operator, &draft, "new-streets", &json!({ "entry": right }), Some("\"1\"")).await.expect(200);
    let path = format!("/api/v1/admin/drafts/{draft}");
    let tag = app.get_as(&path, &operator).await.expect(200).header("etag").to_owned();
    let text = json!({ "title": "Fewer fields, and a new dataset", "reason": "街道名录改由他处发布" });
    app.send(Method::PUT, &path, Some(&operator), Some(&text), &[("if-match", "\"1\"")]).await.problem(412, "stale");
    app.send(Method::PUT, &path, Some(&operator), Some(&text), &[("if-match", &tag)]).await.expect(200);
    step(&app, &operator, &draft, "submission", &json!({})).await.expect(200);
    let version = list_version(&app).await;
    let approved = step(&app, &reviewer, &draft, "approval", &json!({})).await.expect(200).json();
    // Both in one version of the list, with the reason, which is in one place only.
    assert_eq!((&approved["list_version"], approved.get("reason")), (&json!(version + 1), None));
    let diff = app.get(&format!("/api/v1/open-list/diff?from={version}&to={}", version + 1)).await.expect(200).json();
    assert_eq!((&diff["total"], &diff["items"][1]["steps"][0]["reason"]), (&json!(2), &json!("街道名录改由他处发布")));
    app.get("/api/v1/datasets/streets/download").await.expect(403);
}

#[tokio::test]
async fn a_steward_drafts_for_their_publisher_alone() {
    let app = TestApp::spawn().await;
    let (office, health) = (app.staff(&["steward"], Some(OFFICE)).await.token, app.staff(&["steward"], Some("xuhui-health")).await.token);
    let draft = retitled(&app, &office, "Measures").await;
    app.get_as(&format!("/api/v1/admin/drafts/{draft}"), &health).await.problem(404, "not-found");
    app.get_as(&format!("/api/v1/admin/drafts/{draft}/entries"), &health).await.problem(404, "not-found");
    app.get_as(&format!("/api/v1/admin/datasets/{SLUG}/entry"), &health).await.problem(403, "forbidden");
    assert_eq!(app.get_as("/api/v1/admin/drafts", &health).await.expect(200).json()["total"], 0);
    assert_eq!(app.get_as("/api/v1/admin/drafts?state=draft", &office).await.expect(200).json()["items"][0]["id"], json!(draft));
    assert_eq!(app.get_as("/api/v1/admin/drafts?state=in_review", &office).await.expect(200).json()["total"], 0);

    let own = begin(&app, &health, "Not ours").await;
    let entry = listed(&app, &office, SLUG).await["entry"].clone();
    put(&app, &health, &own, SLUG, &json!({ "entry": entry }), None).await.problem(403, "forbidden");
    // Which draft changes it, is not told to whoever may not see that.
    let new = json!({ "entry": { "title": { "zh": "新", "en": "New" }, "description": { "zh": "新", "en": "New" }, "publisher": "xuhui-health", "theme": "health",
        "open_type": "closed", "update_frequency": "yearly" } });
    let theirs = begin(&app, &office, "A secret plan").await;
    let mut of_office = new.clone();
    of_office["entry"]["publisher"] = json!(OFFICE);
    put(&app, &office, &theirs, "new-plan", &of_office, None).await.expect(200);
    let refused = put(&app, &health, &own, "new-plan", &new, None).await.problem(409, "conflict");
    assert!(!refused.to_string().contains("secret") && !refused.to_string().contains(&theirs), "{refused}");
    let mut taken = entry.clone();
    taken["publisher"] = json!("xuhui-health");
    put(&app, &health, &own, SLUG, &json!({ "entry": taken }), None).await.problem(403, "forbidden");
    let refused = put(&app, &health, &own, "new-one", &json!({ "entry": entry }), None).await.problem(400, "invalid-value");
    assert_eq!(refused["errors"][0]["pointer"], "/entry/publisher");
    put(&app, &health, &own, "No Slug", &json!({ "entry": taken }), None).await.problem(400, "invalid-value");
    for step_of in ["submission", "recall"] {
        let path = format!("/api/v1/admin/drafts/{draft}/{step_of}");
        app.send(Method::POST, &path, Some(&health), Some(&json!({})), &[("if-match", "\"2\"")]).await.problem(404, "not-found");
    }
    // What is given up is forgotten, and free.
    let path = format!("/api/v1/admin/drafts/{draft}");
    app.send(Method::DELETE, &path, Some(&office), None, &[("if-match", "\"1\"")]).await.problem(412, "stale");
    let tag = app.get_as(&path, &office).await.expect(200).header("etag").to_owned();
    app.send(Method::DELETE, &path, Some(&office), None, &[("if-match", &tag)]).await.expect(200);
    assert_eq!(draft_of(&app, &office, &draft).await["state"], "discarded");
    assert_eq!(draft_of(&app, &office, &draft).await["entries"], 0);
    retitled(&app, &office, "Measures").await;
}

async fn until(app: &Service, token: &str, draft: &str, state: &str) -> Value {
    for _ in 0..600 {
        let found = draft_of(app, token, draft).await;
        if found["state"] == state {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the draft did not become {state}: {}", draft_of(app, token, draft).await);
}

/// Has the moment of a scheduled draft come.
async fn come(app: &TestApp, draft: &str) {
    let id = draft.to_owned();
    let now = chrono::Utc::now().naive_utc();
    let set = move |conn: &mut qingdan::db::Conn| {
        diesel::update(drafts::table.find(id)).set(drafts::effective_at.eq(now)).execute(conn)?;
        Ok(())
    };
    app.app.db.write(set).await.unwrap();
}

fn in_seconds(seconds: i64) -> String {
    (chrono::Utc::now() + chrono::Duration::seconds(seconds)).to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

#[tokio::test]
async fn an_approved_draft_takes_effect_when_its_moment_comes() {
    let (app, _folder) = small().await;
    let (steward, reviewer) = (app.staff(&["steward"], Some("office")).await.token, app.staff(&["reviewer"], None).await.token);
    let before = title_of(&app, "streets").await;
    let mut entry = listed(&app, &steward, "streets").await["entry"].clone();
    entry["title"]["en"] = json!("Later streets");
    let draft = begin(&app, &steward, "Another title").await;
    first(&app, &steward, &draft, "streets", &entry).await.expect(200);
    step(&app, &steward, &draft, "submission", &json!({})).await.expect(200);
    step(&app, &reviewer, &draft, "approval", &json!({ "effective_at": "2999-01-01T00:00:00Z" })).await.problem(400, "invalid-value");
    let moment = in_seconds(3600);
    let scheduled = step(&app, &reviewer, &draft, "approval", &json!({ "effective_at": moment })).await.expect(200).json();
    assert_eq!((&scheduled["state"], scheduled.get("list_version")), (&json!("scheduled"), None));
    assert_eq!(title_of(&app, "streets").await, before);
    // Taken back before its moment, and handed in again for a nearer one.
    step(&app, &steward, &draft, "recall", &json!({})).await.expect(200);
    step(&app, &steward, &draft, "submission", &json!({})).await.expect(200);
    let version = list_version(&app).await;
    step(&app, &reviewer, &draft, "approval", &json!({ "effective_at": in_seconds(3600) })).await.expect(200);
    assert_eq!(list_version(&app).await, version);
    come(&app, &draft).await;
    let published = until(&app, &reviewer, &draft, "published").await;
    assert_eq!(published["list_version"], json!(version + 1));
    assert_eq!(title_of(&app, "streets").await, "Later streets");
    let history = app.get("/api/v1/datasets/streets/history").await.expect(200).json();
    assert!(history["items"][0]["effective_at"].as_str() >= published["effective_at"].as_str(), "{history} {published}");
}

#[tokio::test]
async fn a_draft_in_whose_way_something_stands_when_its_moment_comes_goes_back() {
    let (app, folder) = small().await;
    let (steward, reviewer) = (app.staff(&["steward"], Some("office")).await.token, app.staff(&["reviewer"], None).await.token);
    let mut entry = listed(&app, &steward, "streets").await["entry"].clone();
    entry["code"] = json!("29200/000001");
    let draft = begin(&app, &steward, "A code").await;
    first(&app, &steward, &draft, "streets", &entry).await.expect(200);
    step(&app, &steward, &draft, "submission", &json!({})).await.expect(200);
    step(&app, &reviewer, &draft, "approval", &json!({ "effective_at": in_seconds(3600) })).await.expect(200);
    // Somebody else's dataset takes the code meanwhile.
    folder.open("squares", &["name"], "name\na\n");
    folder.write("squares/dataset.toml", format!("code = \"29200/000001\"\n{}", text_of(&folder, "squares")));
    app.import(&folder).await;
    come(&app, &draft).await;
    let back = until(&app, &steward, &draft, "draft").await;
    let remark = back["remark"].as_str().unwrap();
    assert!(remark.contains("/entries/streets/code") && remark.contains("squares"), "{remark}");
    assert!(back.get("effective_at").is_none(), "{back}");
    assert!(listed(&app, &steward, "streets").await["entry"].get("code").is_none());
}

#[tokio::test]
async fn a_workbook_becomes_a_draft_and_one_version_of_the_list() {
    let (app, folder) = small().await;
    for name in ["parks", "squares"] {
        folder.open(name, &["name"], "name\na\n");
    }
    app.import(&folder).await;
    let (steward, reviewer) = (app.staff(&["steward"], Some("office")).await.token, app.staff(&["reviewer"], None).await.token);
    let mut entries = Vec::new();
    for slug in ["parks", "squares", "streets"] {
        let mut entry = listed(&app, &steward, slug).await["entry"].clone();
        if slug != "parks" {
            entry["description"]["en"] = json!(format!("All {slug} of the district"));
        }
        entries.push((slug.to_owned(), serde_json::from_value::<qingdan::catalog::Entry>(entry).unwrap()));
    }
    let draft = begin(&app, &steward, "Descriptions").await;
    let path = format!("/api/v1/admin/drafts/{draft}/book");
    let send = async |bytes: &[u8], query: &str| {
        app.bytes(Method::POST, &format!("{path}{query}"), &steward, bytes, &[("content-type", XLSX)]).await
    };
    send(b"no workbook", "").await.problem(400, "invalid-value");
    let mut wrong = entries.clone();
    wrong[1].1.theme = "nothing".to_owned();
    let tried = send(&book::to_xlsx(&wrong).unwrap(), "?dry_run=true").await.expect(200).json();
    assert_eq!(tried["plan"]["faults"][0]["key"], "theme");
    let refused = send(&book::to_xlsx(&wrong).unwrap(), "").await.problem(400, "invalid-value");
    assert!(refused["errors"][0]["pointer"].as_str().unwrap().starts_with("datasets!"), "{refused}");
    assert_eq!(draft_of(&app, &steward, &draft).await["entries"], 0);

    let taken = send(&book::to_xlsx(&entries).unwrap(), "").await.expect(200).json();
    assert_eq!((&taken["draft"]["entries"], &taken["plan"]["unchanged"]), (&json!(2), &json!(1)));
    // Again: it is in the place of what was there, and what it leaves as the list has it is not changed any more.
    let squares = entries[1].1.clone();
    entries[1].1 = serde_json::from_value(listed(&app, &steward, "squares").await["entry"].clone()).unwrap();
    let taken = send(&book::to_xlsx(&entries).unwrap(), "").await.expect(200).json();
    assert_eq!(taken["draft"]["entries"], 1);
    entries[1].1 = squares;
    send(&book::to_xlsx(&entries).unwrap(), "").await.expect(200);
    // What another draft changes is a mistake of the book, by its cell, also when it is only tried.
    let other = begin(&app, &steward, "Parks").await;
    let parks = listed(&app, &steward, "parks").await["entry"].clone();
    first(&app, &steward, &other, "parks", &parks).await.expect(200);
    let mut more = entries.clone();
    more[0].1.description.en = "All parks".to_owned();
    let tried = send(&book::to_xlsx(&more).unwrap(), "?dry_run=true").await.expect(200).json();
    assert_eq!((&tried["plan"]["faults"][0]["key"], &tried["plan"]["faults"][0]["row"]), (&json!("slug"), &json!(2)), "{tried}");
    let first = app.get_as(&format!("/api/v1/admin/drafts/{draft}/entries?limit=1"), &reviewer).await.expect(200);
    let of_draft = app.get_as(&format!("/api/v1/admin/drafts/{draft}"), &reviewer).await.expect(200);
    assert_eq!(first.header("etag"), of_draft.header("etag"));
    let first = first.json();
    assert_eq!((&first["total"], &first["items"][0]["slug"]), (&json!(2), &json!("squares")));
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = app.get_as(&format!("/api/v1/admin/drafts/{draft}/entries?limit=1&cursor={cursor}"), &reviewer).await.expect(200).json();
    assert_eq!((&rest["items"][0]["slug"], &rest["next_cursor"]), (&json!("streets"), &Value::Null));
    let version = list_version(&app).await;
    step(&app, &steward, &draft, "submission", &json!({})).await.expect(200);
    step(&app, &reviewer, &draft, "approval", &json!({})).await.expect(200);
    assert_eq!(list_version(&app).await, version + 1);
    let squares = app.get("/api/v1/datasets/squares").await.expect(200).json();
    assert_eq!(squares["description"]["en"], "All squares of the district");
}

#[tokio::test]
async fn the_workbook_of_the_running_service_changes_nothing_as_it_is() {
    let (app, _folder) = small().await;
    let steward = app.staff(&["steward"], Some("office")).await.token;
    let book = app.get_as("/api/v1/admin/book", &steward).await.expect(200);
    assert_eq!((book.header("content-type"), book.header("cache-control")), (XLSX, "no-store"));
    app.get_as("/api/v1/admin/book?publisher=nobody", &steward).await.problem(403, "forbidden");
    let draft = begin(&app, &steward, "Nothing").await;
    let path = format!("/api/v1/admin/drafts/{draft}/book?dry_run=true");
    let same = app.bytes(Method::POST, &path, &steward, &book.body, &[("content-type", XLSX)]).await.expect(200).json();
    assert_eq!((&same["plan"]["unchanged"], &same["plan"]["changes"]), (&json!(1), &json!([])));
}
