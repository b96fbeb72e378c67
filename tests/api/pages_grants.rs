//! How far a grant reaches, its renewal and its end, as people see and use them on pages.

use chrono::Duration;
use diesel::{ExpressionMethods, QueryDsl, RunQueryDsl};
use qingdan::db::schema::grants;
use serde_json::json;

use crate::support::{Firm, KeyPair, TestApp, VISIT_FIELDS};

#[tokio::test]
async fn an_application_says_how_far_it_reaches() {
    let app = TestApp::spawn().await;
    let firm = app.firm_browser().await;
    let mut form = vec![("purpose", "to test a model of visits"), ("term_days", "30"), ("safeguards", "encrypted disks, two people")];
    form.extend([("modes", "api"), ("dataset", "community-health-visits"), ("purposes", "evaluation")]);
    form.extend(VISIT_FIELDS.iter().map(|field| ("fields", *field)));
    let apply = "/datasets/community-health-visits/apply";
    let wrong = [&form[..], &[("rows_per_day", "many"), ("days", "0"), ("where", "sex = ")]].concat();
    let page = firm.send(&format!("{apply}?lang=en"), &wrong).await.expect(400).text();
    for text in ["Give a whole number from 1 to", "value=\"many\"", "sex = </textarea>"] {
        assert!(page.contains(text), "{text}: {page}");
    }
    let wrong = [&form[..], &[("where", "birth_date > '1990-01-01'")]].concat();
    let page = firm.send(&format!("{apply}?lang=en"), &wrong).await.expect(400).text();
    assert!(page.contains("that leave as they are"), "{page}");
    let zh = firm.send(&format!("{apply}?lang=zh"), &wrong).await.expect(400).text();
    assert!(zh.contains("请检查条件"), "{zh}");
    let more = [
        ("versions", "this"),
        ("rows_per_day", "5000"),
        ("days", "20"),
        ("where", "diagnosis_group = '女'"),
        ("sender_constrained", "true"),
    ];
    let address = firm.done(&format!("{apply}?lang=en"), &[&form[..], &more].concat()).await;
    let saved = firm.page(&address).await;
    for text in [
        "The version at the approval alone",
        "5000 rows a day, 20 days of use",
        "Bound to a key of the firm (DPoP)",
        "diagnosis_group = &#39;女&#39;",
    ] {
        assert!(saved.contains(text), "{text}: {saved}");
    }
    // What was saved is in the form again, and is not lost by saving it once more.
    let edit = address.split('?').next().unwrap().to_owned() + "/edit";
    let page = firm.page(&format!("{edit}?lang=en")).await;
    for text in [
        "value=\"this\" checked",
        "name=\"rows_per_day\" inputmode=\"numeric\" maxlength=\"10\" value=\"5000\"",
        "diagnosis_group = &#39;女&#39;</textarea>",
    ] {
        assert!(page.contains(text), "{text}: {page}");
    }
}

#[tokio::test]
async fn a_grant_is_renewed_and_ended_on_its_page() {
    let app = TestApp::spawn().await;
    let browser = app.firm_browser().await;
    let key = KeyPair::ed25519();
    let client_id = app.register_client(&browser.token, &key).await;
    let token = app.client_token(&client_id, &key, None).await;
    let firm = Firm { id: browser.id.clone(), person: browser.token.clone(), client_id, key, token };
    let mut application = app.application();
    application["quota"] = json!({ "calls_per_day": 40 });
    let grant = app.grant_for(&firm, &application).await;
    app.get_as("/api/v1/datasets/community-health-visits/rows?limit=3", &grant.token).await.expect(200);
    let page = format!("/firm/grants/{}", grant.id);
    let shown = browser.page(&format!("{page}?lang=en")).await;
    for text in ["40 calls a day", "1 calls, 3 rows", "This version and each new one", "Ask for a longer term"] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    assert!(!shown.contains("Proof of deletion"), "it has not ended");
    let renewal = format!("{page}/steps/renewal?lang=en");
    let short = [("term_days", "soon"), ("purpose", "the tests go on for a while"), ("safeguards", "<b>disks</b>")];
    let refused = browser.send(&renewal, &[short[0], short[1], ("safeguards", "<b>")]).await.expect(400).text();
    // What is wrong with two fields is said at once.
    for text in ["Give 10 to 4000 characters; this has 3.", "&#60;b&#62;", "value=\"soon\"", "Give a whole number of days"] {
        assert!(refused.contains(text), "{text}: {refused}");
    }
    let refused = browser.send(&renewal, &[("term_days", "999"), short[1], short[2]]).await.expect(400).text();
    assert!(refused.contains("value=\"999\"") && refused.contains("Give 1 to 180 days"), "{refused}");
    let address = browser.done(&renewal, &[("term_days", "20"), short[1], short[2]]).await;
    assert!(browser.page(&address).await.contains("The application is submitted."));
    let again = browser.send(&renewal, &[("term_days", "20"), short[1], short[2]]).await.expect(409).text();
    assert!(again.contains("the tests go on for a while"), "nothing that was typed is lost: {again}");

    let (id, over) = (grant.id.clone(), qingdan::clock::now_naive() - Duration::seconds(1));
    let change =
        move |conn: &mut qingdan::db::Conn| Ok(diesel::update(grants::table.find(id)).set(grants::expires_at.eq(over)).execute(conn)?);
    assert_eq!(app.app.db.write(change).await.unwrap(), 1);
    assert_eq!(app.app.end_grants().await.unwrap().releases, 1);
    let shown = browser.page(&format!("{page}?lang=en")).await;
    for text in ["The grant has ended. Delete the data", "Hand in the proof", "The grant ended; its releases were deleted"] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    assert!(!shown.contains("Ask for a longer term"));
    let proof = format!("{page}/steps/deletion-proof?lang=en");
    let said = [("deleted_on", "2020-01-01"), ("method", "the disks were shredded"), ("copies", "two backups, both overwritten")];
    let refused = browser.send(&proof, &said).await.expect(400).text();
    assert!(refused.contains("Give a day from") && refused.contains("the disks were shredded"), "{refused}");
    let today = (chrono::Utc::now() + Duration::hours(8)).date_naive().to_string();
    let address = browser.done(&proof, &[("deleted_on", today.as_str()), said[1], said[2]]).await;
    let shown = browser.page(&format!("{address}&lang=en").replace("?lang=en&", "?")).await;
    assert!(shown.contains("The proof of deletion is handed in.") && shown.contains("two backups, both overwritten"), "{shown}");
    let other = app.firm_browser_named("other").await;
    other.send(&renewal, &short).await.expect(404);
    other.send(&proof, &said).await.expect(404);
}

#[tokio::test]
async fn the_sandbox_is_offered_asked_for_and_explained() {
    let app = TestApp::spawn().await;
    let browser = app.firm_browser().await;
    let key = KeyPair::ed25519();
    let client_id = app.register_client(&browser.token, &key).await;
    let token = app.client_token(&client_id, &key, None).await;
    let firm = Firm { id: browser.id.clone(), person: browser.token.clone(), client_id, key, token };
    let form = browser.page("/datasets/community-health-visits/apply?lang=zh").await;
    assert!(form.contains("value=\"sandbox\"") && form.contains("数据沙箱"), "{form}");
    let made = app.post_as("/api/v1/applications", &firm.token, &app.application()).await.expect(201).json();
    app.report(&app.staff(&["reviewer"], None).await, made["id"].as_str().unwrap()).await.expect(201);
    let reviewer = app.staff_browser(&["reviewer"], None).await;
    let page = reviewer.page(&format!("/console/applications/{}?lang=en", made["id"].as_str().unwrap())).await;
    assert!(page.contains("name=\"modes\" value=\"sandbox\"><span>Sandbox"), "it may stand for the API, and is not given unasked: {page}");
    let mut application = app.application();
    application["modes"] = json!(["sandbox"]);
    let grant = app.grant_for(&firm, &application).await;
    let page = browser.page(&format!("/firm/grants/{}?lang=en", grant.id)).await;
    assert!(page.contains("groups of too few are left out") && page.contains("/api/v1/sql") && !page.contains("/rows?limit"), "{page}");
}

#[tokio::test]
async fn a_review_says_what_else_the_firm_has_of_the_dataset() {
    let app = TestApp::spawn().await;
    let firm = app.firm().await;
    let reviewer = app.staff_browser(&["reviewer"], None).await;
    let first = app.grant(&firm).await;
    let page = async |application: &serde_json::Value| {
        let asked = app.post_as("/api/v1/applications", &firm.token, application).await.expect(201).json();
        reviewer.page(&format!("/console/applications/{}?lang=en", asked["id"].as_str().unwrap())).await
    };
    let again = page(&app.application()).await;
    assert!(again.contains("Other grants of the firm") && again.contains(&first.id) && again.contains("in force"), "{again}");
    assert!(!again.contains("held against each other"), "the same rows and fields: {again}");
    let mut fewer = app.application();
    fewer["fields"] = json!(["sex", "diagnosis_group"]);
    let mut part = app.application();
    part["where"] = json!("diagnosis_group = '呼吸系统'");
    for wish in [fewer, part] {
        let page = page(&wish).await;
        assert!(page.contains("held against each other"), "{page}");
    }
    // Another firm's grants are none of it, nor is the grant that an application has become.
    let other = app.firm().await;
    let asked = app.post_as("/api/v1/applications", &other.token, &app.application()).await.expect(201).json();
    let page = reviewer.page(&format!("/console/applications/{}?lang=en", asked["id"].as_str().unwrap())).await;
    assert!(!page.contains("Other grants of the firm"), "{page}");
}
