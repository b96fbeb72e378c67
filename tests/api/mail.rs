//! Mail: nothing comes to an address that did not say yes, everything comes to one that did, and it ends with one click.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Firm, Folder, MailServer, SAME_SITE, TestApp, TestDatabase};

pub const PATH: &str = "/api/v1/firms/me/mail-subscriptions";
pub const CONFIRM: &str = "/mail/confirm";
const END: &str = "/mail/unsubscribe";

pub async fn app_with(server: &MailServer, batch_seconds: &str) -> (TestApp, Folder) {
    let folder = Folder::new();
    for slug in ["one", "two"] {
        folder.open(slug, &["name"], "name\na\n");
    }
    let settings = [
        ("smtp_url", server.url.as_str()),
        ("smtp_from", "List <list@example.org>"),
        ("mail_batch_seconds", batch_seconds),
        // What is waited for is asked for without a rest.
        ("limits_firm_per_second", "1000000"),
        ("limits_firm_burst", "1000000"),
    ];
    let app = TestApp::start(Some(folder.path()), &settings).await;
    (app, folder)
}

pub async fn suspend(app: &TestApp, slug: &str) {
    let operator = app.operator().await.token;
    let ground = json!({ "ground": "other", "reason": "for mail" });
    app.post_as(&format!("/api/v1/admin/datasets/{slug}/suspension"), &operator, &ground).await.expect(200);
}

pub async fn restore(app: &TestApp, slug: &str) {
    let reviewer = app.staff(&["reviewer"], None).await.token;
    app.post_as(&format!("/api/v1/admin/datasets/{slug}/restoration"), &reviewer, &json!({ "reason": "all is well" })).await.expect(200);
}

pub async fn subscribe(app: &TestApp, firm: &Firm, body: Value) -> Value {
    app.post_as(PATH, &firm.person, &body).await.expect(201).json()
}

pub async fn confirm(app: &TestApp, token: &str) -> Answer {
    app.form(&format!("{CONFIRM}?lang=en"), &[("token", token)], &[SAME_SITE]).await
}

/// Subscribes an address and confirms it.
pub async fn confirmed(app: &TestApp, server: &mut MailServer, firm: &Firm, body: Value) -> Value {
    let subscription = subscribe(app, firm, body).await;
    let token = server.next().await.token(CONFIRM);
    confirm(app, &token).await.expect(200);
    subscription
}

pub async fn shown(app: &TestApp, firm: &Firm) -> Value {
    app.get_as(PATH, &firm.person).await.expect(200).json()["items"][0].clone()
}

/// Waits until the firm's subscription is as it should be.
pub async fn until(app: &TestApp, firm: &Firm, what: &str, value: &Value) {
    let begun = std::time::Instant::now();
    while begun.elapsed() < std::time::Duration::from_secs(60) {
        if shown(app, firm).await[what] == *value {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("{what} did not become {value}: {}", shown(app, firm).await);
}

async fn entries(app: &TestApp) -> String {
    let operator = app.operator().await.token;
    app.get_as("/api/v1/ledger/entries?limit=1000", &operator).await.expect(200).text()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_comes_before_a_yes_and_everything_after_it() {
    let mut server = MailServer::start().await;
    let (app, _folder) = app_with(&server, "0").await;
    let firm = app.firm().await;
    let subscription = subscribe(&app, &firm, json!({ "address": "Some.Body@Example.COM" })).await;
    assert_eq!((&subscription["status"], &subscription["address"]), (&json!("pending"), &json!("Some.Body@example.com")));
    let asked = server.next().await;
    assert_eq!(asked.to, "Some.Body@example.com");
    assert!(asked.part("text/html").contains("Confirm the subscription"));
    let token = asked.token(CONFIRM);
    // Who looks at the page, as programs do that look after mail, changes nothing; and no other site does.
    suspend(&app, "one").await;
    let page = app.get(&format!("{CONFIRM}?lang=en&token={token}")).await.expect(200);
    assert!(page.text().contains("<button type=\"submit\">Confirm</button>") && page.header("cache-control") == "no-store");
    app.form(CONFIRM, &[("token", &token)], &[("sec-fetch-site", "cross-site")]).await.problem(403, "forbidden");
    app.get(&format!("{CONFIRM}?lang=en&token={token}x")).await.expect(404);
    confirm(&app, &format!("{token}x")).await.expect(404);
    assert_eq!(shown(&app, &firm).await["status"], "pending");
    for _ in 0..2 {
        assert!(confirm(&app, &token).await.expect(200).text().contains("The subscription is confirmed"));
    }
    assert_eq!(entries(&app).await.matches("mail.confirmed").count(), 1, "twice is as good as once");
    suspend(&app, "two").await;
    let letter = server.next().await;
    let plain = letter.part("text/plain");
    assert!(plain.contains("two") && !plain.contains("/datasets/one"), "{plain}");
    assert!(plain.contains("暂停开放") && plain.contains("suspended"), "{plain}");
    assert!(letter.part("text/html").contains("/datasets/two?lang=zh"));
    assert_eq!(letter.header("Auto-Submitted"), "auto-generated");
    assert!(letter.header("Message-ID").ends_with("@example.org>"));
    let (id, end) = (subscription["id"].as_str().unwrap(), letter.token(END));
    assert_eq!(letter.header("List-Unsubscribe"), format!("<{}{END}?token={end}>", app.url));
    // The address stands nowhere but sealed.
    let written = entries(&app).await.to_lowercase();
    assert!(written.contains("mail.subscribed") && !written.contains("some.body"), "{written}");
    // The link of a letter shows a page; what a mailbox's provider sends ends it at once, without a cookie or a page.
    assert!(
        app.get(&format!("{END}?lang=en&token={end}")).await.expect(200).text().contains("<button type=\"submit\">Unsubscribe</button>")
    );
    assert_eq!(shown(&app, &firm).await["id"], id);
    app.form(&format!("{END}?token={id}.AAAA"), &[("List-Unsubscribe", "One-Click")], &[]).await.expect(404);
    for _ in 0..2 {
        app.form(&format!("{END}?token={end}"), &[("List-Unsubscribe", "One-Click")], &[]).await.expect(200);
    }
    assert_eq!(app.get_as(PATH, &firm.person).await.expect(200).json()["total"], 0);
    assert!(entries(&app).await.contains("unsubscribed"));
    confirm(&app, &token).await.expect(404);
    restore(&app, "two").await;
    app.get("/api/v1/changes?since=0").await.expect(200);
    assert!(server.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_together_comes_in_one_letter_and_no_more_than_was_asked_for() {
    let mut server = MailServer::start().await;
    let (app, folder) = app_with(&server, "4").await;
    let firm = app.firm().await;
    let wish = json!({ "address": "a@example.com", "datasets": ["one", "two"], "events": ["dataset.suspended", "version.published"] });
    confirmed(&app, &mut server, &firm, wish).await;
    folder.open("three", &["name"], "name\na\n");
    app.import(&folder).await;
    suspend(&app, "one").await;
    suspend(&app, "two").await;
    let letter = server.next().await;
    let plain = letter.part("text/plain");
    let place = |text: &str| plain.find(text).unwrap_or_else(|| panic!("{text}: {plain}"));
    assert!(place("/datasets/one") < place("/datasets/two") && !plain.contains("/datasets/three"), "oldest first: {plain}");
    assert!(server.is_empty());
    // Of a firm that is suspended nothing is sent; afterwards what it missed.
    app.suspend(&format!("/api/v1/admin/firms/{}", firm.id)).await;
    restore(&app, "one").await;
    let other = app.firm().await;
    confirmed(&app, &mut server, &other, json!({ "address": "b@example.com" })).await;
    restore(&app, "two").await;
    assert_eq!(server.next().await.to, "b@example.com");
    let operator = app.operator().await.token;
    app.post_as(&format!("/api/v1/admin/firms/{}/resumption", firm.id), &operator, &json!({ "reason": "all is well" })).await.expect(200);
    let missed = server.next().await;
    assert_eq!(missed.to, "a@example.com");
    assert!(missed.part("text/plain").contains("given out again"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_taken_comes_again_is_laid_aside_or_ends_it() {
    let mut server = MailServer::start().await;
    let (app, _folder) = app_with(&server, "0").await;
    let firm = app.firm().await;
    let id = confirmed(&app, &mut server, &firm, json!({ "address": "a@example.com" })).await["id"].as_str().unwrap().to_owned();
    let path = format!("{PATH}/{id}");
    let confirmed_at = shown(&app, &firm).await["confirmed_at_entry"].as_i64().unwrap();
    // Not now: the same letter comes again, and what comes later waits.
    server.answer_recipient("451 4.7.1 greylisted");
    server.answer_mail("452 no space");
    suspend(&app, "one").await;
    suspend(&app, "two").await;
    let first = server.next().await;
    assert!(first.part("text/plain").contains("/datasets/one"));
    assert_eq!(server.refused(), 2);
    let mut letter = first;
    while !letter.part("text/plain").contains("/datasets/two") {
        letter = server.next().await;
    }
    // Everything after the confirmation once more, in other letters; nothing before it.
    let replay = format!("{path}/replay");
    app.post_as(&replay, &firm.person, &json!({ "since": confirmed_at - 1 })).await.problem(400, "invalid-value");
    app.post_as(&replay, &firm.person, &json!({ "since": 1_000_000 })).await.problem(400, "invalid-value");
    // The tenth refusal of a letter lays it aside.
    server.answer_mail("554 5.6.0 not this");
    restore(&app, "one").await;
    until(&app, &firm, "attempts", &json!(1)).await;
    server.answer_mail("554 5.6.0 not this");
    TestDatabase::tamper(app.app.settings.database_url.expose(), "UPDATE mail_subscriptions SET refusals = 9, next_at = NULL");
    let dead = async || app.get_as(&format!("{path}/dead-letters"), &firm.person).await.expect(200).json();
    while dead().await["total"] == 0 {
        tokio::task::yield_now().await;
    }
    let letters = dead().await;
    assert!(letters["items"][0]["error"].as_str().unwrap().contains("554"), "{letters}");
    let since = letters["items"][0]["after"].clone();
    app.post_as(&replay, &firm.person, &json!({ "since": since })).await.expect(200);
    assert!(server.next().await.part("text/plain").contains("given out again"));
    assert_eq!(dead().await["total"], 0);
    // There is no such address: nothing more is tried.
    server.answer_recipient("550 5.1.1 <a@example.com>: no such user");
    restore(&app, "two").await;
    until(&app, &firm, "status", &json!("disabled")).await;
    assert!(!shown(&app, &firm).await["last_error"].as_str().unwrap().contains('@'));
    let written = entries(&app).await;
    assert!(written.contains("mail.disabled") && !written.contains("a@example.com"));
    app.post_as(&replay, &firm.person, &json!({ "since": confirmed_at })).await.expect(200);
    let again = server.next().await.part("text/plain");
    assert!(again.contains("/datasets/one") && again.contains("/datasets/two"), "{again}");
    // Not for 72 hours: it is given up.
    for _ in 0..3 {
        server.answer_recipient("452 4.2.2 mailbox full");
    }
    suspend(&app, "one").await;
    until(&app, &firm, "attempts", &json!(1)).await;
    TestDatabase::tamper(app.app.settings.database_url.expose(), "UPDATE mail_subscriptions SET failing_since = '2020-01-01 00:00:00'");
    until(&app, &firm, "status", &json!("disabled")).await;
    app.send(Method::DELETE, &path, Some(&firm.person), None, &[]).await.expect(204);
    app.send(Method::DELETE, &path, Some(&firm.person), None, &[]).await.problem(404, "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmation_holds_for_three_days_and_for_one_address() {
    let mut server = MailServer::start().await;
    let (app, _folder) = app_with(&server, "0").await;
    let (firm, other) = (app.firm().await, app.firm().await);
    let subscription = subscribe(&app, &firm, json!({ "address": "a@example.com" })).await;
    let path = format!("{PATH}/{}", subscription["id"].as_str().unwrap());
    let token = server.next().await.token(CONFIRM);
    while shown(&app, &firm).await["delivered_at"].is_null() {
        tokio::task::yield_now().await;
    }
    // Another firm's is none.
    assert_eq!(app.get_as(PATH, &other.person).await.expect(200).json()["total"], 0);
    app.send(Method::DELETE, &path, Some(&other.person), None, &[]).await.problem(404, "not-found");
    app.get_as(&format!("{path}/dead-letters"), &other.person).await.problem(404, "not-found");
    app.post_as(&format!("{path}/replay"), &other.person, &json!({ "since": 0 })).await.problem(404, "not-found");
    // Programs of the firm see no address.
    app.get_as(PATH, &firm.token).await.problem(403, "forbidden");
    // A replay is no confirmation.
    app.post_as(&format!("{path}/replay"), &firm.person, &json!({ "since": 0 })).await.problem(409, "conflict");
    TestDatabase::tamper(app.app.settings.database_url.expose(), "UPDATE mail_subscriptions SET token_expires_at = created_at");
    assert!(app.get(&format!("{CONFIRM}?lang=en&token={token}")).await.expect(404).text().contains("holds no longer"));
    confirm(&app, &token).await.expect(404);
    assert_eq!(shown(&app, &firm).await["status"], "pending");
    assert_eq!(app.app.db.write(qingdan::access::mail::expire).await.unwrap(), 1);
    assert_eq!(app.get_as(PATH, &firm.person).await.expect(200).json()["total"], 0);
    assert!(entries(&app).await.contains("expired"));
    // Somebody who is logged in confirms as well.
    subscribe(&app, &other, json!({ "address": "b@example.com" })).await;
    let token = server.next().await.token(CONFIRM);
    let browser = app.operator_browser().await;
    browser.send_bare(CONFIRM, &[("token", &token)], ("sec-fetch-site", "same-site")).await.expect(403);
    browser.send_bare(CONFIRM, &[("token", &token)], SAME_SITE).await.expect(200);
    assert_eq!(shown(&app, &other).await["status"], "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_flooded_and_no_address_smuggles_anything() {
    let mut server = MailServer::start().await;
    let (app, folder) = app_with(&server, "0").await;
    let firm = app.firm().await;
    for address in [
        "",
        "nobody",
        "a@localhost",
        "a@127.0.0.1",
        "a@example.com\r\nBcc: b@example.com",
        "A <a@example.com>",
        "a@example.com,b@example.com",
    ] {
        let problem = app.post_as(PATH, &firm.person, &json!({ "address": address })).await.problem(400, "invalid-value");
        assert_eq!(problem["errors"][0]["pointer"], "/address", "{address}");
        assert!(address.is_empty() || !problem.to_string().contains(address), "{problem}");
    }
    for (body, pointer) in [
        (json!({ "address": "a@example.com", "events": ["dataset.suspended", "read.allowed"] }), "/events/1"),
        (json!({ "address": "a@example.com", "datasets": ["none"] }), "/datasets/0"),
    ] {
        assert_eq!(app.post_as(PATH, &firm.person, &body).await.problem(400, "invalid-value")["errors"][0]["pointer"], pointer);
    }
    assert!(server.is_empty());
    // One confirmation a day from a firm, however it is written.
    let path = format!("{PATH}/{}", subscribe(&app, &firm, json!({ "address": "a@example.com" })).await["id"].as_str().unwrap());
    app.post_as(PATH, &firm.person, &json!({ "address": "A@EXAMPLE.com" })).await.problem(409, "conflict");
    app.send(Method::DELETE, &path, Some(&firm.person), None, &[]).await.expect(204);
    let refused = app.post_as(PATH, &firm.person, &json!({ "address": "a@Example.com" })).await;
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((86_000..=86_400).contains(&wait), "{wait}");
    refused.problem(429, "rate-limited");
    // Three from all.
    for _ in 0..2 {
        subscribe(&app, &app.firm().await, json!({ "address": "a@example.com" })).await;
    }
    app.post_as(PATH, &app.firm().await.person, &json!({ "address": "a@example.com" })).await.problem(429, "rate-limited");
    // Ten addresses of a firm.
    for number in 0..10 {
        subscribe(&app, &firm, json!({ "address": format!("a{number}@example.com") })).await;
    }
    app.post_as(PATH, &firm.person, &json!({ "address": "b@example.com" })).await.problem(409, "conflict");
    // Without a mail server there is nothing to ask for.
    let silent = TestApp::start(Some(folder.path()), &[]).await;
    let firm = silent.firm().await;
    silent.post_as(PATH, &firm.person, &json!({ "address": "a@example.com" })).await.problem(409, "conflict");
}
