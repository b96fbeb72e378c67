//! Mail servers that break off, say nothing, or have something against the service itself.

use diesel::{QueryDsl, RunQueryDsl};
use qingdan::db::schema::mail_subscriptions;
use serde_json::{Value, json};

use crate::mail::{CONFIRM, PATH, app_with, confirm, confirmed, restore, shown, subscribe, suspend, until};
use crate::support::{MailServer, TestApp};

/// Waits until the mail server has taken something of the firm's subscription, or may have.
async fn delivered(app: &TestApp, firm: &crate::support::Firm) -> Value {
    let begun = std::time::Instant::now();
    while begun.elapsed() < std::time::Duration::from_secs(60) {
        let shown = shown(app, firm).await;
        if !shown["delivered_at"].is_null() {
            return shown;
        }
        tokio::task::yield_now().await;
    }
    panic!("nothing was delivered: {}", shown(app, firm).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmation_that_may_have_arrived_is_sent_once() {
    let mut server = MailServer::start().await;
    let (app, _folder) = app_with(&server, "0").await;
    let firm = app.firm().await;
    // It has the letter whole, and does not say so.
    server.answer_mail("");
    subscribe(&app, &firm, json!({ "address": "a@example.com" })).await;
    let asked = server.next().await;
    let known = delivered(&app, &firm).await;
    assert_eq!((&known["status"], &known["attempts"], &known["next_at"]), (&json!("pending"), &json!(0), &Value::Null));
    // Its link is right. The letter that comes next is not the question once more.
    confirm(&app, &asked.token(CONFIRM)).await.expect(200);
    suspend(&app, "one").await;
    let told = server.next().await;
    assert!(told.part("text/plain").contains("/datasets/one"), "{}", told.raw);
    assert!(server.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_may_have_arrived_comes_again_under_its_own_id() {
    let mut server = MailServer::start().await;
    let (app, _folder) = app_with(&server, "0").await;
    let firm = app.firm().await;
    confirmed(&app, &mut server, &firm, json!({ "address": "a@example.com" })).await;
    server.answer_mail("");
    suspend(&app, "one").await;
    let (first, again) = (server.next().await, server.next().await);
    assert_eq!(first.header("Message-ID"), again.header("Message-ID"), "whoever has both shows one");
    assert_eq!(first.part("text/plain"), again.part("text/plain"));
    until(&app, &firm, "attempts", &json!(0)).await;
    restore(&app, "one").await;
    let next = server.next().await;
    assert!(next.part("text/plain").contains("given out again"));
    assert_ne!(next.header("Message-ID"), first.header("Message-ID"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_answer_the_good_bye_has_taken_the_letter() {
    let mut server = MailServer::start().await;
    server.be_silent_at_the_end();
    let (app, _folder) = app_with(&server, "0").await;
    let firm = app.firm().await;
    confirmed(&app, &mut server, &firm, json!({ "address": "a@example.com" })).await;
    suspend(&app, "one").await;
    assert!(server.next().await.part("text/plain").contains("/datasets/one"));
    // The letter behind it is another one.
    restore(&app, "one").await;
    assert!(server.next().await.part("text/plain").contains("given out again"));
    until(&app, &firm, "attempts", &json!(0)).await;
    assert_eq!(shown(&app, &firm).await["last_error"], Value::Null);
    assert!(server.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_has_against_the_service_is_no_fault_of_the_address() {
    let mut server = MailServer::start().await;
    let (app, _folder) = app_with(&server, "0").await;
    let firm = app.firm().await;
    let id = confirmed(&app, &mut server, &firm, json!({ "address": "a@example.com" })).await["id"].as_str().unwrap().to_owned();
    // The sender is refused, then the address by a policy: neither is counted against the subscription, however long it lasts.
    server.answer_sender("550 5.7.1 not from here");
    server.answer_recipient("550 5.7.1 relaying denied");
    suspend(&app, "one").await;
    until(&app, &firm, "attempts", &json!(1)).await;
    let first = shown(&app, &firm).await;
    assert_eq!((&first["status"], &first["last_error"]), (&json!("active"), &json!("the mail server answered 550")));
    let of_it = mail_subscriptions::table.find(id.clone()).select((mail_subscriptions::refusals, mail_subscriptions::failing_since));
    let counted: (i32, Option<chrono::NaiveDateTime>) = app.app.db.read(move |conn| Ok(of_it.first(conn)?)).await.unwrap();
    assert_eq!(counted, (0, None));
    let told = server.next().await;
    assert!(told.part("text/plain").contains("/datasets/one"));
    assert_eq!(server.refused(), 2);
    until(&app, &firm, "attempts", &json!(0)).await;
    assert_eq!(app.get_as(&format!("{PATH}/{id}/dead-letters"), &firm.person).await.expect(200).json()["total"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn replays_have_a_limit() {
    let mut server = MailServer::start().await;
    let (app, _folder) = app_with(&server, "0").await;
    let firm = app.firm().await;
    let id = confirmed(&app, &mut server, &firm, json!({ "address": "a@example.com" })).await["id"].as_str().unwrap().to_owned();
    let since = json!({ "since": shown(&app, &firm).await["confirmed_at_entry"] });
    let path = format!("{PATH}/{id}/replay");
    for _ in 0..6 {
        app.post_as(&path, &firm.person, &since).await.expect(200);
    }
    let refused = app.post_as(&path, &firm.person, &since).await;
    assert!(refused.header("retry-after").parse::<u64>().unwrap() <= 3600);
    refused.problem(429, "rate-limited");
    // Another firm has its own.
    let other = app.firm().await;
    app.post_as(&path, &other.person, &since).await.problem(404, "not-found");
}
