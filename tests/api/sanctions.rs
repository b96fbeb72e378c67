//! Sanctions: what each does to a firm and how soon, who decides what, and what everybody is told.

use chrono::{Duration, NaiveDateTime};
use diesel::{ExpressionMethods, QueryDsl, RunQueryDsl};
use qingdan::db::schema::sanctions;
use serde_json::{Value, json};

use crate::support::{Answer, Firm, TestApp};

const REASON: &str = "an internal reason that names Zhang San";

async fn impose(app: &TestApp, operator: &str, firm: &Firm, kind: &str, more: Value) -> Value {
    let mut body = json!({ "kind": kind, "reason": REASON });
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    app.post_as(&format!("/api/v1/admin/firms/{}/sanctions", firm.id), operator, &body).await.expect(201).json()
}

fn path(sanction: &Value, step: &str) -> String {
    format!("/api/v1/sanctions/{}{step}", sanction["id"].as_str().unwrap())
}

fn decision(approve: bool) -> Value {
    json!({ "approve": approve, "reason": "the logs were looked at again" })
}

async fn kinds(app: &TestApp, operator: &str) -> Vec<String> {
    let entries = app.get_as("/api/v1/ledger/entries?limit=1000", operator).await.expect(200).json();
    let kinds = entries["items"].as_array().unwrap().iter().map(|entry| entry["kind"].as_str().unwrap().to_owned());
    kinds.filter(|kind| kind.starts_with("sanction.") || kind.starts_with("firm.")).skip(2).collect()
}

#[tokio::test]
async fn a_throttle_lowers_the_tier_at_the_next_request_and_ends_when_it_is_lifted() {
    let app = TestApp::spawn().await;
    let operator = app.operator().await.token;
    let (firm, other) = (app.firm().await, app.firm().await);
    let grant = app.grant(&firm).await;
    let rows = "/api/v1/datasets/community-health-visits/rows?limit=1";
    let policies = async || {
        let mut seen = Vec::new();
        for (path, token) in [("/api/v1/grants", &firm.token), ("/api/v1/grants", &firm.person), (rows, &grant.token)] {
            seen.push(app.get_as(path, token).await.expect(200).header("ratelimit-policy").to_owned());
        }
        seen
    };
    assert_eq!(policies().await, vec!["\"firm\";q=500;w=5"; 3]);
    let throttle = impose(&app, &operator, &firm, "throttle", json!({})).await;
    assert_eq!(policies().await, vec!["\"throttled\";q=50;w=5"; 3]);
    assert_eq!(app.get_as("/api/v1/grants", &other.token).await.header("ratelimit-policy"), "\"firm\";q=500;w=5");
    assert_eq!(app.get_as("/api/v1/firms/me", &firm.token).await.expect(200).json()["throttled"], true);
    // The bucket is that of the tier, and a small one.
    let mut refused = 0;
    for _ in 0..200 {
        refused += usize::from(app.get_as("/api/v1/firms/me", &firm.token).await.status == 429);
    }
    assert!(refused > 0, "the throttle holds nothing back");
    let again = json!({ "kind": "throttle", "reason": REASON });
    app.post_as(&format!("/api/v1/admin/firms/{}/sanctions", firm.id), &operator, &again).await.problem(409, "conflict");
    assert_eq!(app.get_as("/api/v1/sanctions", &operator).await.expect(200).json()["total"], 1);
    let lifted =
        app.post_as(&path(&throttle, "/lifting"), &operator, &json!({ "reason": "it has mended its ways" })).await.expect(200).json();
    assert_eq!((&lifted["status"], &lifted["lifting_reason"]), (&json!("lifted"), &json!("it has mended its ways")));
    assert_eq!(policies().await, vec!["\"firm\";q=500;w=5"; 3]);
    app.post_as(&path(&throttle, "/lifting"), &operator, &json!({ "reason": "twice" })).await.problem(409, "conflict");
}

#[tokio::test]
async fn suspension_and_termination_stop_the_firm_and_lifting_gives_back_what_was_taken() {
    let app = TestApp::spawn().await;
    let operator = app.operator().await.token;
    let firm = app.firm().await;
    let grant = app.grant(&firm).await;
    let rows = "/api/v1/datasets/community-health-visits/rows?limit=1";
    let status = async || app.get_as(rows, &grant.token).await.status.as_u16();
    let reason = json!({ "reason": "for a test" });
    assert_eq!(status().await, 200);
    let suspension = impose(&app, &operator, &firm, "suspension", json!({ "dataset": "community-health-visits" })).await;
    assert_eq!((&suspension["dataset"], status().await), (&json!("community-health-visits"), 401));
    // A second one would change nothing, and a plain resumption would leave the sanction without its effect.
    let sanctions = format!("/api/v1/admin/firms/{}/sanctions", firm.id);
    app.post_as(&sanctions, &operator, &json!({ "kind": "suspension", "reason": REASON })).await.problem(409, "conflict");
    let resumption = format!("/api/v1/admin/firms/{}/resumption", firm.id);
    let problem = app.post_as(&resumption, &operator, &reason).await.problem(409, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains(suspension["id"].as_str().unwrap()), "{problem}");
    let termination = impose(&app, &operator, &firm, "termination", json!({})).await;
    assert_eq!((status().await, app.get("/api/v1/register").await.json()["items"][0]["state"].clone()), (401, json!("revoked")));
    // The firm was suspended before, and still is.
    app.post_as(&path(&termination, "/lifting"), &operator, &reason).await.expect(200);
    assert_eq!((status().await, app.get("/api/v1/register").await.json()["items"][0]["state"].clone()), (401, json!("suspended")));
    app.post_as(&path(&suspension, "/lifting"), &operator, &reason).await.expect(200);
    assert_eq!((status().await, app.get("/api/v1/register").await.json()["items"][0]["state"].clone()), (200, json!("in_force")));
    let wanted = [
        "sanction.imposed",
        "firm.suspended",
        "sanction.imposed",
        "firm.revoked",
        "sanction.lifted",
        "firm.reinstated",
        "firm.suspended",
        "sanction.lifted",
        "firm.resumed",
    ];
    assert_eq!(kinds(&app, &operator).await, wanted);
    // A firm that nobody has approved has nothing to lose.
    let (pending, _) = app.pending_firm().await;
    let warning = json!({ "kind": "warning", "reason": REASON });
    app.post_as(&format!("/api/v1/admin/firms/{pending}/sanctions"), &operator, &warning).await.problem(409, "conflict");
    app.post_as("/api/v1/admin/firms/none/sanctions", &operator, &warning).await.problem(404, "not-found");
}

#[tokio::test]
async fn a_suspension_by_hand_outlives_a_termination_and_becomes_a_sanction_without_a_gap() {
    let app = TestApp::spawn().await;
    let operator = app.operator().await.token;
    let firm = app.firm().await;
    let reason = json!({ "reason": "for a test" });
    let status = async || app.get_as("/api/v1/firms/me", &firm.person).await.expect(200).json()["status"].clone();
    app.suspend(&format!("/api/v1/admin/firms/{}", firm.id)).await;
    let termination = impose(&app, &operator, &firm, "termination", json!({})).await;
    assert_eq!(status().await, "revoked");
    app.post_as(&path(&termination, "/lifting"), &operator, &reason).await.expect(200);
    assert_eq!(status().await, "suspended");
    let suspension = impose(&app, &operator, &firm, "suspension", json!({})).await;
    let resumption = format!("/api/v1/admin/firms/{}/resumption", firm.id);
    app.post_as(&resumption, &operator, &reason).await.problem(409, "conflict");
    // A sanction that was lifted meanwhile suspends nobody any more, whatever came before it.
    let termination = impose(&app, &operator, &firm, "termination", json!({})).await;
    app.post_as(&path(&suspension, "/lifting"), &operator, &reason).await.expect(200);
    assert_eq!(status().await, "revoked");
    app.post_as(&path(&termination, "/lifting"), &operator, &reason).await.expect(200);
    assert_eq!(status().await, "approved");
    let wanted = [
        "firm.suspended",
        "sanction.imposed",
        "firm.revoked",
        "sanction.lifted",
        "firm.reinstated",
        "firm.suspended",
        "sanction.imposed",
        "sanction.imposed",
        "firm.revoked",
        "sanction.lifted",
        "sanction.lifted",
        "firm.reinstated",
    ];
    assert_eq!(kinds(&app, &operator).await, wanted);
}

/// How many of these answers have this status.
fn count(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

#[tokio::test]
async fn of_steps_at_the_same_moment_one_counts() {
    let app = TestApp::spawn().await;
    let (operator, second) = (app.operator().await.token, app.staff(&["operator"], None).await.token);
    let firm = app.firm().await;
    let sanctions = format!("/api/v1/admin/firms/{}/sanctions", firm.id);
    let words = json!({ "zh": "该企业将数据转交他人。", "en": "The firm handed data on." });
    let reason = json!({ "reason": "for a test" });
    let (app_ref, operator_ref) = (&app, operator.as_str());
    let post = |path: String, token: String, body: Value| async move { app_ref.post_as(&path, &token, &body).await };
    let publish = |shown: &Value| {
        let body = json!({ "kind": "publication", "reason": REASON, "publishes": shown["id"], "public_text": words });
        post(sanctions.clone(), operator_ref.to_owned(), body)
    };
    let published = async || app_ref.get("/api/v1/register/sanctions").await.expect(200).json()["total"].clone();
    for _ in 0..5 {
        // Two operators who publish.
        let warning = impose(&app, &operator, &firm, "warning", json!({})).await;
        let answers = futures::future::join_all([publish(&warning), publish(&warning)]).await;
        assert_eq!((count(&answers, 201), count(&answers, 409)), (1, 1));
        assert_eq!(published().await, 1);
        app.post_as(&path(&warning, "/lifting"), &operator, &reason).await.expect(200);
        // One who publishes, and one who lifts: nothing of it is shown.
        let warning = impose(&app, &operator, &firm, "warning", json!({})).await;
        let lifting = post(path(&warning, "/lifting"), second.clone(), reason.clone());
        let (_either, lifted) = futures::future::join(publish(&warning), lifting).await;
        lifted.expect(200);
        assert_eq!(published().await, 0);
        let all = app.get_as(&format!("{sanctions}?limit=1000"), &operator).await.expect(200).json();
        assert!(all["items"].as_array().unwrap().iter().all(|sanction| sanction["status"] == "lifted"), "{all}");
        // Two who decide.
        let warning = impose(&app, &operator, &firm, "warning", json!({})).await;
        app.post_as(&path(&warning, "/appeal"), &firm.person, &json!({ "text": "it was not us" })).await.expect(200);
        let decide = |approve| post(path(&warning, "/appeal/decision"), second.clone(), decision(approve));
        let answers = futures::future::join_all([decide(false), decide(true)]).await;
        assert_eq!((count(&answers, 200), count(&answers, 409)), (1, 1));
        let _whatever_it_is_now = app.post_as(&path(&warning, "/lifting"), &operator, &reason).await;
        // One who resumes the firm, and one who makes its suspension a sanction.
        app.suspend(&format!("/api/v1/admin/firms/{}", firm.id)).await;
        let resumption = post(format!("/api/v1/admin/firms/{}/resumption", firm.id), second.clone(), reason.clone());
        let suspension = post(sanctions.clone(), operator.clone(), json!({ "kind": "suspension", "reason": REASON }));
        let (_either, suspended) = futures::future::join(resumption, suspension).await;
        let suspended = suspended.expect(201).json();
        assert_eq!(app.get_as("/api/v1/firms/me", &firm.person).await.expect(200).json()["status"], "suspended");
        app.post_as(&path(&suspended, "/lifting"), &operator, &reason).await.expect(200);
    }
}

#[tokio::test]
async fn a_firm_answers_and_appeals_and_somebody_else_decides() {
    let app = TestApp::spawn().await;
    let (operator, second) = (app.operator().await.token, app.staff(&["operator"], None).await.token);
    let reviewer = app.staff(&["reviewer"], None).await.token;
    let (firm, other) = (app.firm().await, app.firm().await);
    let statement = json!({ "text": "it was a mistake of our cache" });
    let suspension = impose(&app, &operator, &firm, "suspension", json!({})).await;
    // Its client is stopped, and its person may still speak.
    app.post_as(&path(&suspension, "/answer"), &firm.token, &statement).await.problem(401, "unauthenticated");
    app.post_as(&path(&suspension, "/answer"), &other.token, &statement).await.problem(404, "not-found");
    app.get_as(&path(&suspension, ""), &other.token).await.problem(404, "not-found");
    assert_eq!(app.get_as("/api/v1/sanctions", &other.token).await.expect(200).json()["total"], 0);
    app.post_as(&path(&suspension, "/appeal/decision"), &second, &decision(true)).await.problem(409, "conflict");
    let answered = app.post_as(&path(&suspension, "/answer"), &firm.person, &statement).await.expect(200).json();
    assert_eq!((&answered["answer"], &answered["reason"]), (&statement["text"], &json!(REASON)));
    app.post_as(&path(&suspension, "/answer"), &firm.person, &statement).await.problem(409, "conflict");
    app.post_as(&path(&suspension, "/appeal"), &firm.person, &statement).await.expect(200);
    app.post_as(&path(&suspension, "/appeal"), &firm.person, &statement).await.problem(409, "conflict");
    let own = app.post_as(&path(&suspension, "/appeal/decision"), &operator, &decision(true)).await.problem(403, "forbidden");
    assert!(own["detail"].as_str().unwrap().contains("four eyes"), "{own}");
    let granted = app.post_as(&path(&suspension, "/appeal/decision"), &second, &decision(true)).await.expect(200).json();
    assert_eq!((&granted["appeal_granted"], &granted["status"]), (&json!(true), &json!("lifted")));
    app.get_as("/api/v1/grants", &firm.token).await.expect(200);
    app.post_as(&path(&suspension, "/appeal/decision"), &second, &decision(false)).await.problem(409, "conflict");
    // One that is turned down leaves the sanction as it was.
    let throttle = impose(&app, &operator, &firm, "throttle", json!({})).await;
    app.post_as(&path(&throttle, "/appeal"), &firm.token, &statement).await.expect(200);
    let rejected = app.post_as(&path(&throttle, "/appeal/decision"), &reviewer, &decision(false)).await.expect(200).json();
    assert_eq!((&rejected["appeal_granted"], &rejected["status"]), (&json!(false), &json!("in_force")));
    assert!(app.get_as("/api/v1/grants", &firm.token).await.header("ratelimit-policy").contains("throttled"));
    let of_firm = app.get_as(&format!("/api/v1/admin/firms/{}/sanctions", firm.id), &reviewer).await.expect(200).json();
    assert_eq!((&of_firm["total"], &of_firm["items"][1]["id"]), (&json!(2), &throttle["id"]));
    // Whatever people wrote stands beside the ledger, and not in it.
    let entries = app.get_as("/api/v1/ledger/entries?limit=1000", &operator).await.expect(200).json();
    for entry in entries["items"].as_array().unwrap() {
        for words in [REASON, "mistake of our cache", "looked at again"] {
            assert!(!entry["detail_json"].as_str().unwrap().contains(words), "{entry}");
        }
    }
    let wanted = [
        "sanction.imposed",
        "firm.suspended",
        "sanction.answered",
        "sanction.appealed",
        "sanction.appeal_granted",
        "firm.resumed",
        "sanction.imposed",
        "sanction.appealed",
        "sanction.appeal_rejected",
    ];
    assert_eq!(kinds(&app, &operator).await[2..], wanted);
}

/// Lets the terms of a sanction have begun so many days ago.
fn move_terms(app: &TestApp, sanction: &Value, days: i64) {
    let id = sanction["id"].as_str().unwrap();
    let change = |conn: &mut qingdan::db::Conn| {
        let (answer, appeal): (NaiveDateTime, NaiveDateTime) =
            sanctions::table.find(id).select((sanctions::answer_until, sanctions::appeal_until)).first(conn)?;
        let earlier = Duration::days(days);
        let moved = (sanctions::answer_until.eq(answer - earlier), sanctions::appeal_until.eq(appeal - earlier));
        Ok(diesel::update(sanctions::table.find(id)).set(moved).execute(conn)?)
    };
    app.app.db.write_now(change).unwrap();
}

#[tokio::test]
async fn terms_count_from_the_day_on_which_the_firm_hears_of_it() {
    let app = TestApp::start(None, &[("sanction_answer_days", "1"), ("sanction_appeal_days", "2")]).await;
    let operator = app.operator().await.token;
    let firm = app.firm().await;
    let today = (chrono::Utc::now() + Duration::hours(8)).date_naive();
    let ago = |days: i64| (today - Duration::days(days)).to_string();
    let statement = json!({ "text": "we were told by letter" });
    let warned = impose(&app, &operator, &firm, "warning", json!({})).await;
    assert_eq!(warned["notice_date"], ago(0));
    // The day after tomorrow begins at 16:00 UTC of tomorrow.
    assert_eq!(warned["answer_until"], format!("{}T16:00:00.000000Z", ago(-1)));
    // (days since it was imposed, answer, appeal)
    for (days, answer, appeal) in [(0, 200, 200), (1, 200, 200), (2, 409, 200), (3, 409, 409)] {
        // The day of the notice is the operator's word, and the firm hears of the sanction here: a notice of long ago takes nothing of its time.
        let warning = impose(&app, &operator, &firm, "warning", json!({ "notice_date": ago(60) })).await;
        assert_eq!((&warning["notice_date"], &warning["answer_until"]), (&json!(ago(60)), &warned["answer_until"]));
        move_terms(&app, &warning, days);
        let statuses = [
            app.post_as(&path(&warning, "/answer"), &firm.token, &statement).await.status.as_u16(),
            app.post_as(&path(&warning, "/appeal"), &firm.token, &statement).await.status.as_u16(),
        ];
        assert_eq!(statuses, [answer, appeal], "{days} days ago");
    }
    let sanctions = format!("/api/v1/admin/firms/{}/sanctions", firm.id);
    for (key, value) in [
        ("notice_date", json!(ago(-2))),
        ("notice_date", json!(ago(62))),
        ("dataset", json!("none-such")),
        ("public_text", json!({ "zh": "公示词", "en": "words" })),
        ("publishes", warned["id"].clone()),
        ("reason", json!("x")),
    ] {
        let mut body = json!({ "kind": "warning", "reason": REASON });
        body[key] = value;
        let problem = app.post_as(&sanctions, &operator, &body).await.problem(400, "invalid-value");
        assert_eq!(problem["errors"][0]["pointer"], format!("/{key}"), "{problem}");
    }
}

#[tokio::test]
async fn what_a_firm_says_stays_until_somebody_else_has_heard_it() {
    let app = TestApp::spawn().await;
    let (operator, second) = (app.operator().await.token, app.staff(&["operator"], None).await.token);
    let firm = app.firm().await;
    let warning = impose(&app, &operator, &firm, "warning", json!({})).await;
    app.post_as(&path(&warning, "/answer"), &firm.person, &json!({ "text": "it was our cache" })).await.expect(200);
    // The same words as the operator's: to take those out leaves these.
    app.post_as(&path(&warning, "/appeal"), &firm.person, &json!({ "text": REASON })).await.expect(200);
    let entries = app.get_as("/api/v1/ledger/entries?limit=1000", &operator).await.expect(200).json();
    let redaction = |kind: &str| {
        let entry = entries["items"].as_array().unwrap().iter().find(|entry| entry["kind"] == kind).unwrap();
        format!("/api/v1/ledger/entries/{}/redaction", entry["seq"])
    };
    let reason = json!({ "reason": "it named a person" });
    app.post_as(&redaction("sanction.imposed"), &operator, &reason).await.expect(200);
    for own in ["sanction.answered", "sanction.appealed"] {
        app.post_as(&redaction(own), &operator, &reason).await.problem(403, "forbidden");
        app.post_as(&redaction(own), &second, &reason).await.problem(409, "conflict");
    }
    let now = app.get_as(&path(&warning, ""), &second).await.expect(200).json();
    assert_eq!((&now["reason"], &now["answer"], &now["appeal"]), (&json!("(taken out)"), &json!("it was our cache"), &json!(REASON)));
    app.post_as(&path(&warning, "/appeal/decision"), &second, &decision(false)).await.expect(200);
    for own in ["sanction.answered", "sanction.appealed"] {
        app.post_as(&redaction(own), &operator, &reason).await.problem(403, "forbidden");
        app.post_as(&redaction(own), &second, &reason).await.expect(200);
    }
    let now = app.get_as(&path(&warning, ""), &second).await.expect(200).json();
    assert_eq!((&now["answer"], &now["appeal"]), (&json!("(taken out)"), &json!("(taken out)")));
}

#[tokio::test]
async fn a_publication_shows_what_was_done_and_not_why() {
    let app = TestApp::spawn().await;
    let (operator, second) = (app.operator().await.token, app.staff(&["operator"], None).await.token);
    let (firm, other) = (app.firm().await, app.firm().await);
    let published = async || app.get("/api/v1/register/sanctions").await.expect(200).json();
    let page = async || app.get("/register?lang=en").await.expect(200).text();
    assert_eq!(published().await["total"], 0);
    let throttle = impose(&app, &operator, &firm, "throttle", json!({ "dataset": "community-health-visits" })).await;
    let foreign = impose(&app, &operator, &other, "warning", json!({})).await;
    assert_eq!(published().await["total"], 0, "only a publication shows it");
    assert!(!page().await.contains("Published sanctions"));
    let words = json!({ "zh": "该企业将数据转交他人。", "en": "The firm handed data on to <others>." });
    let sanctions = format!("/api/v1/admin/firms/{}/sanctions", firm.id);
    for (publishes, public_text, pointer) in [
        (None, Some(&words), "/publishes"),
        (Some(&foreign["id"]), Some(&words), "/publishes"),
        (Some(&throttle["id"]), None, "/public_text"),
    ] {
        let body = json!({ "kind": "publication", "reason": REASON, "publishes": publishes, "public_text": public_text });
        let problem = app.post_as(&sanctions, &operator, &body).await.problem(400, "invalid-value");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    let publication = impose(&app, &operator, &firm, "publication", json!({ "publishes": throttle["id"], "public_text": words })).await;
    let body = json!({ "kind": "publication", "reason": REASON, "publishes": throttle["id"], "public_text": words });
    app.post_as(&sanctions, &operator, &body).await.problem(409, "conflict");
    let list = published().await;
    let shown = &list["items"][0];
    let own = app.get_as("/api/v1/firms/me", &firm.token).await.expect(200).json();
    assert_eq!((&list["total"], &shown["id"], &shown["firm"]["uscc"]), (&json!(1), &throttle["id"], &own["uscc"]));
    assert_eq!((&shown["kind"], &shown["public_text"], &shown["appeal"]), (&json!("throttle"), &words, &json!("none")));
    let imposed: NaiveDateTime = throttle["imposed_at"].as_str().unwrap().trim_end_matches('Z').parse().unwrap();
    let today = (imposed + Duration::hours(8)).date().to_string();
    let text = shown["text"]["en"].as_str().unwrap();
    assert!(text.contains(&today) && text.contains("slowed down") && text.contains("community health services"), "{text}");
    let shown_page = page().await;
    assert!(shown_page.contains("slowed down") && shown_page.contains("&#60;others&#62;"), "{shown_page}");
    for text in [list.to_string(), shown_page, app.get("/register?lang=zh").await.text()] {
        assert!(!text.contains("Zhang San") && !text.contains("internal reason"), "{text}");
    }
    // What becomes of an appeal shows too.
    app.post_as(&path(&throttle, "/appeal"), &firm.person, &json!({ "text": "nobody else has it" })).await.expect(200);
    assert_eq!(published().await["items"][0]["appeal"], "pending");
    assert!(page().await.contains("The firm has appealed"));
    app.post_as(&path(&throttle, "/appeal/decision"), &second, &decision(false)).await.expect(200);
    assert_eq!(published().await["items"][0]["appeal"], "rejected");
    // Words can be taken out, at once and everywhere.
    let entries = app.get_as("/api/v1/ledger/entries?limit=1000", &operator).await.expect(200).json();
    let entry = entries["items"].as_array().unwrap().iter().find(|entry| entry["kind"] == "sanction.published").unwrap().clone();
    assert_eq!(entry["words"][0]["words"], format!("{}\n{}", words["zh"].as_str().unwrap(), words["en"].as_str().unwrap()));
    let redaction = format!("/api/v1/ledger/entries/{}/redaction", entry["seq"]);
    app.post_as(&redaction, &operator, &json!({ "reason": "it named a person" })).await.expect(200);
    assert_eq!(published().await["items"][0]["public_text"]["en"], "(taken out)");
    assert!(!page().await.contains("others"));
    // The publication ends with what it shows.
    app.post_as(&path(&throttle, "/lifting"), &operator, &json!({ "reason": "it has mended its ways" })).await.expect(200);
    assert_eq!(published().await["total"], 0);
    assert!(!page().await.contains("Published sanctions"));
    assert_eq!(app.get_as(&path(&publication, ""), &operator).await.expect(200).json()["status"], "lifted");
}
