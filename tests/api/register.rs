//! The register: what everybody sees of grants, and how soon.

use qingdan::access::register::{self, RegisterFilter};
use serde_json::{Value, json};

use crate::support::{TestApp, with_query};

const REGISTER: &str = "/api/v1/register";

async fn first(app: &TestApp) -> Value {
    app.get(REGISTER).await.expect(200).json()["items"][0].clone()
}

#[tokio::test]
async fn a_grant_stands_in_the_register_with_what_everybody_may_know() {
    let app = TestApp::spawn().await;
    assert_eq!(app.get(REGISTER).await.expect(200).json()["total"], 0);
    let firm = app.firm().await;
    let mut application = app.application();
    application["purpose"] = json!("为训练就诊量预测模型 <b>only</b>");
    let grant = app.grant_for(&firm, &application).await;
    let entry = first(&app).await;
    let own = app.get_as("/api/v1/firms/me", &firm.token).await.expect(200).json();
    assert_eq!((&entry["grant"], &entry["firm"]), (&json!(grant.id), &json!({ "name": own["name"], "uscc": own["uscc"] })));
    assert_eq!(entry["dataset"]["slug"], "community-health-visits");
    assert_eq!((&entry["purpose"], &entry["modes"]), (&application["purpose"], &json!(["download", "api"])));
    assert_eq!((&entry["state"], &entry["state_since"]), (&json!("in_force"), &entry["starts_at"]));
    let birth = entry["fields"].as_array().unwrap().iter().find(|field| field["name"] == "birth_date").unwrap();
    assert!(birth["leaves"]["zh"].as_str().unwrap().contains('年') && birth["title"]["zh"] != "birth_date", "{birth}");
    let held = app.get_as(&format!("/api/v1/grants/{}", grant.id), &firm.token).await.expect(200).json();
    let agreement = app.get_as(&format!("/api/v1/agreements/{}", held["agreement_id"].as_str().unwrap()), &firm.token).await.json();
    for key in ["id", "sha256", "signed_at"] {
        assert_eq!(entry["agreement"][key], agreement[key], "{key}");
    }
    // One by itself, with what happened.
    let record = app.get(&format!("{REGISTER}/{}", grant.id)).await.expect(200).json();
    let kinds: Vec<&str> = record["history"].as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap()).collect();
    let wanted = ["application.submitted", "application.approved", "agreement.drawn", "agreement.signed", "grant.created"];
    assert_eq!(kinds, wanted);
    assert_eq!(record["grant"], entry["grant"]);
    app.get(&format!("{REGISTER}/none")).await.problem(404, "not-found");
    // No person, no contact, no words but the firm's own purpose.
    let page = app.get("/register?lang=en").await.expect(200).text();
    let csv = app.get(&format!("{REGISTER}?format=csv")).await.expect(200).text();
    for text in [&entry.to_string(), &record.to_string(), &page, &csv] {
        for secret in ["example.org", "Contact", "purpose and safeguards are sound", "encrypted disks", "person:", "client:"] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
        assert!(text.contains(own["uscc"].as_str().unwrap()) && text.contains("就诊量预测模型"), "{text}");
    }
    assert!(page.contains("&lt;b&gt;only") || page.contains("&#60;b&#62;only"), "{page}");
}

#[tokio::test]
async fn what_becomes_of_a_grant_shows_at_the_next_request() {
    let app = TestApp::spawn().await;
    let operator = app.operator().await.token;
    let firm = app.firm().await;
    let grant = app.grant(&firm).await;
    let reason = json!({ "reason": "an incident that nobody else is told of" });
    let entry_of = format!("{REGISTER}/{}", grant.id);
    let csv = format!("{REGISTER}?format=csv");
    let steps = [
        (format!("/api/v1/grants/{}/suspension", grant.id), "suspended", "Suspended"),
        (format!("/api/v1/grants/{}/resumption", grant.id), "in_force", "In force"),
        (format!("/api/v1/admin/firms/{}/suspension", firm.id), "suspended", "Suspended"),
        (format!("/api/v1/admin/firms/{}/resumption", firm.id), "in_force", "In force"),
        (format!("/api/v1/grants/{}/revocation", grant.id), "revoked", "Revoked"),
    ];
    for (step, state, words) in steps {
        // Kept before and after.
        let before = first(&app).await["state"].clone();
        for path in ["/register?lang=en", entry_of.as_str(), csv.as_str()] {
            let tag = app.get(path).await.expect(200).header("etag").to_owned();
            app.get_with(path, &[("if-none-match", &tag)]).await.expect(304);
        }
        app.post_as(&step, &operator, &reason).await.expect(200);
        let entry = first(&app).await;
        assert_eq!(entry["state"], state, "{step} after {before}");
        assert!(entry["state_since"].as_str() >= entry["starts_at"].as_str());
        assert_eq!(entry["state_since"] == entry["starts_at"], state == "in_force", "{step}");
        assert_eq!(app.get(&entry_of).await.expect(200).json()["state"], state);
        assert!(app.get(&csv).await.expect(200).text().contains(&format!(",{state},")), "{step}");
        let page = app.get("/register?lang=en").await.expect(200).text();
        assert!(page.contains(&format!("<span class=\"type {state}\">{words}</span>")), "{step}: {page}");
        assert!(!page.contains("an incident"), "{page}");
        let in_force = app.get(&format!("{REGISTER}?in_force=true")).await.expect(200).json()["total"].clone();
        let others = app.get(&format!("{REGISTER}?in_force=false")).await.expect(200).json()["total"].clone();
        assert_eq!((in_force == 1, others == 0), (state == "in_force", state == "in_force"), "{step}");
    }
    let history = app.get(&entry_of).await.expect(200).json()["history"].clone();
    let kinds: Vec<&str> = history.as_array().unwrap().iter().skip(5).map(|event| event["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["grant.suspended", "grant.resumed", "firm.suspended", "firm.resumed", "grant.revoked"]);
    assert!(!history.to_string().contains("incident"));
}

#[tokio::test]
async fn the_end_of_a_term_shows_though_nothing_is_written() {
    use diesel::{ExpressionMethods, QueryDsl, RunQueryDsl};
    use qingdan::db::schema::grants;
    let app = TestApp::spawn().await;
    let firm = app.firm().await;
    let grant = app.grant(&firm).await;
    let soon = chrono::Utc::now().naive_utc() + chrono::Duration::milliseconds(3000);
    let id = grant.id.clone();
    let shorten =
        move |conn: &mut qingdan::db::Conn| Ok(diesel::update(grants::table.find(id)).set(grants::expires_at.eq(soon)).execute(conn)?);
    app.app.db.write(shorten).await.unwrap();
    // Made anew once, by a change of the register, and kept from then on.
    app.suspend(&format!("/api/v1/grants/{}", grant.id)).await;
    let operator = app.operator().await.token;
    app.post_as(&format!("/api/v1/grants/{}/resumption", grant.id), &operator, &json!({ "reason": "for a test" })).await.expect(200);
    let mut states = Vec::new();
    loop {
        let over = chrono::Utc::now().naive_utc() >= soon;
        let state = first(&app).await["state"].as_str().unwrap().to_owned();
        states.push(state.clone());
        if over {
            assert_eq!(state, "expired", "{states:?}");
            break;
        }
    }
    assert!(states.iter().any(|state| state == "in_force"), "{states:?}");
    assert!(app.get("/register?lang=en").await.expect(200).text().contains("type expired"));
}

#[tokio::test]
async fn a_purpose_can_be_taken_out() {
    let app = TestApp::spawn().await;
    let operator = app.operator().await.token;
    let firm = app.firm().await;
    let mut application = app.application();
    application["purpose"] = json!("to look for Zhang San among the visits");
    app.grant_for(&firm, &application).await;
    let shown = async || {
        let csv = app.get(&format!("{REGISTER}?format=csv")).await.expect(200).text();
        [first(&app).await.to_string(), csv, app.get("/register?lang=en").await.expect(200).text()]
    };
    assert!(shown().await.iter().all(|text| text.contains("Zhang San")));
    let entries = app.get_as("/api/v1/ledger/entries?limit=1000", &operator).await.expect(200).json();
    let entry = entries["items"].as_array().unwrap().iter().find(|entry| entry["kind"] == "application.submitted").unwrap();
    assert_eq!(entry["words"][0]["words"], application["purpose"]);
    assert!(!entry["detail_json"].as_str().unwrap().contains("Zhang San"), "{entry}");
    let redaction = format!("/api/v1/ledger/entries/{}/redaction", entry["seq"]);
    app.post_as(&redaction, &operator, &json!({ "reason": "it named a person" })).await.expect(200);
    assert!(shown().await.iter().all(|text| text.contains("(taken out)") && !text.contains("Zhang San")));
    app.post_as(&redaction, &operator, &json!({ "reason": "once more" })).await.problem(409, "conflict");
}

#[tokio::test]
async fn the_register_is_searched_filtered_and_paged() {
    let app = TestApp::spawn().await;
    let (one, two) = (app.firm().await, app.firm().await);
    let mut application = app.application();
    application["purpose"] = json!("=HYPERLINK 100%_sure of MODELS");
    let grants = [app.grant(&one).await.id, app.grant(&two).await.id, app.grant_for(&two, &application).await.id];
    let uscc = app.get_as("/api/v1/firms/me", &two.token).await.expect(200).json()["uscc"].as_str().unwrap().to_owned();
    let found = async |parameters: &[(&str, &str)]| -> Vec<String> {
        let page = app.query(REGISTER, parameters).await.expect(200).json();
        let ids: Vec<String> = page["items"].as_array().unwrap().iter().map(|item| item["grant"].as_str().unwrap().to_owned()).collect();
        assert_eq!(page["total"], ids.len(), "{parameters:?}");
        ids
    };
    let newest_first: Vec<String> = grants.iter().rev().cloned().collect();
    assert_eq!(found(&[]).await, newest_first);
    for (parameters, wanted) in [
        (vec![("firm", uscc.as_str())], vec![2, 1]),
        (vec![("dataset", "community-health-visits")], vec![2, 1, 0]),
        (vec![("dataset", "none-such")], vec![]),
        (vec![("q", "hyperlink 100%_SURE")], vec![2]),
        // Neither stands for any letters.
        (vec![("q", "h%sure")], vec![]),
        (vec![("q", "a_model")], vec![]),
        (vec![("q", "\\")], vec![]),
        (vec![("q", "community-health")], vec![2, 1, 0]),
        (vec![("q", "社区")], vec![2, 1, 0]),
        (vec![("q", &uscc.to_lowercase())], vec![2, 1]),
        (vec![("q", "models"), ("firm", uscc.as_str()), ("in_force", "true")], vec![2]),
        (vec![("q", "models"), ("in_force", "false")], vec![]),
    ] {
        let wanted: Vec<String> = wanted.into_iter().map(|at: usize| grants[at].clone()).collect();
        assert_eq!(found(&parameters).await, wanted, "{parameters:?}");
        let page = app.query("/register", &parameters).await.expect(200).text();
        for id in &grants {
            assert_eq!(page.contains(&format!("id=\"{id}\"")), wanted.contains(id), "{parameters:?}");
        }
        let csv = app.get(&with_query(REGISTER, &[parameters.clone(), vec![("format", "csv")]].concat())).await.expect(200);
        assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
        assert_eq!(csv.text().lines().count(), wanted.len() + 1, "{parameters:?}");
        assert!(!csv.text().contains(",=HYPERLINK"), "{}", csv.text());
        assert!(csv.text().starts_with("\u{feff}grant,"), "a spreadsheet is told that it is UTF-8");
    }
    let mut cursor: Option<String> = None;
    let mut walked = Vec::new();
    for _ in 0..3 {
        let mut parameters = vec![("limit", "1")];
        parameters.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let page = app.query(REGISTER, &parameters).await.expect(200).json();
        walked.push(page["items"][0]["grant"].as_str().unwrap().to_owned());
        assert_eq!(page["total"], 3);
        cursor = page["next_cursor"].as_str().map(str::to_owned);
    }
    assert_eq!((walked, cursor), (newest_first, None));
    app.query(REGISTER, &[("q", &"x".repeat(201))]).await.problem(400, "invalid-value");
    app.query(REGISTER, &[("format", "csv"), ("limit", "1")]).await.problem(400, "invalid-value");
    app.query(REGISTER, &[("format", "xml")]).await.problem(400, "malformed-request");
}

#[tokio::test]
async fn what_is_kept_of_the_register_nobody_can_make_up() {
    let app = TestApp::spawn().await;
    let firm = app.firm().await;
    let mut grants = Vec::new();
    for _ in 0..3 {
        grants.push(app.grant(&firm).await.id);
    }
    let uscc = app.get_as("/api/v1/firms/me", &firm.token).await.expect(200).json()["uscc"].as_str().unwrap().to_owned();
    // However many are read at a time, and whether anything of it is kept for others: not what anybody can make up.
    let read = |filter: &RegisterFilter, batch: i64| app.app.db.read_now(|conn| register::csv(conn, filter, batch)).unwrap();
    let page = |filter: &RegisterFilter, after: Option<&str>| app.app.db.read_now(|conn| register::list(conn, filter, after, 2)).unwrap();
    let all = RegisterFilter::default();
    for batch in [1, 2, 3] {
        assert_eq!(read(&all, batch).bytes, read(&all, 1000).bytes, "{batch}");
    }
    let firm = |code: &str| RegisterFilter { firm: Some(code.to_owned()), ..all.clone() };
    let dataset = |slug: &str| RegisterFilter { dataset: Some(slug.to_owned()), ..all.clone() };
    let words = RegisterFilter { q: Some("models".to_owned()), ..all.clone() };
    for (filter, usual) in [
        (&all, true),
        (&firm(&uscc), true),
        (&firm("made up"), false),
        (&dataset("community-health-visits"), true),
        (&dataset("made-up"), false),
        (&words, false),
    ] {
        assert_eq!((page(filter, None).usual, read(filter, 1000).usual), (usual, usual), "{filter:?}");
        assert_eq!((page(filter, Some(&grants[0])).usual, page(filter, Some("made up")).usual), (usual, false), "{filter:?}");
    }
}
