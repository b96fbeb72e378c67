//! Where a firm has the changes of the list sent, on its pages: by mail and by webhooks.

use diesel::{ExpressionMethods, RunQueryDsl};
use qingdan::db::schema::{dead_letters, webhooks};
use serde_json::{Value, json};

use crate::mail::{CONFIRM, app_with, confirm, restore, suspend};
use crate::support::{FirmBrowser, MailServer, SAME_SITE, TestApp};

const HERE: &str = "/firm/following?lang=en";
const BY_MAIL: &str = "/firm/following/mail?lang=en";
const BY_WEBHOOK: &str = "/firm/following/webhooks?lang=en";
const WEBHOOKS: &str = "/api/v1/firms/me/webhooks";
const MAILS: &str = "/api/v1/firms/me/mail-subscriptions";

/// The address of a form of the page whose path ends so.
fn form_of(page: &str, step: &str) -> String {
    let ending = format!("/{step}?lang=en\"");
    let before = page.split(&ending).next().filter(|before| before.len() < page.len()).unwrap_or_else(|| panic!("no {step}: {page}"));
    format!("{}/{step}?lang=en", before.rsplit("action=\"").next().unwrap())
}

async fn items(app: &TestApp, path: &str, token: &str) -> Vec<Value> {
    app.get_as(path, token).await.expect(200).json()["items"].as_array().unwrap().clone()
}

/// The page as soon as it shows something.
async fn page_with(firm: &FirmBrowser, sign: &str) -> String {
    let begun = std::time::Instant::now();
    while begun.elapsed() < std::time::Duration::from_secs(60) {
        let page = firm.page(HERE).await;
        if page.contains(sign) {
            return page;
        }
        tokio::task::yield_now().await;
    }
    panic!("the page never had {sign}: {}", firm.page(HERE).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_subscribed_confirmed_mended_and_removed() {
    let mut server = MailServer::start().await;
    let (app, _folder) = app_with(&server, "0").await;
    let firm = app.firm_browser().await;
    assert!(firm.page("/firm?lang=en").await.contains("href=\"/firm/following?lang=en\""));
    // What is wrong stands beside its field, with everything that was typed.
    let wrong = [("address", "a@b@c\"><script>"), ("event", "dataset.suspended"), ("datasets", "one, two")];
    let page = firm.send(BY_MAIL, &wrong).await.expect(400).text();
    assert!(page.contains("value=\"a@b@c&#34;&#62;&#60;script&#62;\" autocomplete=\"email\"") && !page.contains("<script"), "{page}");
    assert!(page.contains("value=\"dataset.suspended\" checked") && page.contains(">one, two</textarea>"), "{page}");
    assert_eq!((page.matches(" checked").count(), page.matches("class=\"wrong\"").count()), (1, 1), "{page}");
    let chinese = firm.send("/firm/following/mail?lang=zh", &wrong).await.expect(400).text();
    assert!(chinese.contains("请填写一个有效的电子邮箱地址。"), "{chinese}");
    let page = firm.send(BY_MAIL, &[("address", "a@example.com"), ("datasets", "one three")]).await.expect(400).text();
    assert!(page.contains("There is no dataset `three`."), "{page}");
    let page = firm.send(BY_MAIL, &[("address", "a@example.com"), ("event", "dataset.painted")]).await.expect(400).text();
    assert!(page.contains("`dataset.painted` is no event"), "{page}");
    assert!(items(&app, MAILS, &firm.token).await.is_empty() && server.is_empty());

    let right =
        [("address", " a@example.com "), ("event", "dataset.suspended"), ("event", "dataset.restored"), ("datasets", "one，\n two、")];
    let led = firm.done(BY_MAIL, &right).await;
    let page = firm.page(&led).await;
    assert!(page.contains("The letter that asks is on its way.") && page.contains("Waits for a yes"), "{page}");
    let [known] = items(&app, MAILS, &firm.token).await.try_into().unwrap();
    assert_eq!((&known["address"], &known["datasets"]), (&json!("a@example.com"), &json!(["one", "two"])));
    assert_eq!(known["events"], json!(["dataset.suspended", "dataset.restored"]));
    assert!(firm.send(BY_MAIL, &right).await.expect(409).text().contains("remove that first"));
    assert!(!page.contains("/replay?"), "there is nothing to send again before a yes");
    confirm(&app, &server.next().await.token(CONFIRM)).await.expect(200);
    let page = firm.page(HERE).await;
    assert!(page.contains(">Active<") && page.contains("Suspended, Given out again") && !page.contains("/replay?"), "{page}");

    // The mailbox is gone: it is disabled, and once it is back, what was missed comes.
    server.answer_recipient("550 5.1.1 no such user");
    suspend(&app, "one").await;
    let page = page_with(&firm, ">Disabled<").await;
    assert!(page.contains("The last try was in vain: the mail server answered 550 to the address"), "{page}");
    assert!(firm.page("/firm/following?lang=zh").await.contains("上次未送达：邮件服务器不接受该邮箱地址（550）"));
    let led = firm.done(&form_of(&page, "replay"), &[]).await;
    let page = firm.page(&led).await;
    assert!(page.contains("It is active. What was not taken is sent once more.") && page.contains(">Active<"), "{page}");
    assert!(server.next().await.part("text/plain").contains("/datasets/one"));
    restore(&app, "one").await;
    assert!(server.next().await.part("text/plain").contains("given out again"));

    // It is removed once that is said twice.
    let removal = form_of(&firm.page(HERE).await, "removal");
    let asked = firm.send(&removal, &[]).await.expect(200).text();
    assert!(asked.contains("Remove the subscription?") && asked.contains("a@example.com"), "{asked}");
    firm.send(&removal, &[("confirmed", "another")]).await.expect(200);
    assert_eq!(items(&app, MAILS, &firm.token).await.len(), 1);
    let id = items(&app, MAILS, &firm.token).await[0]["id"].as_str().unwrap().to_owned();
    let led = firm.done(&removal, &[("confirmed", &id)]).await;
    let page = firm.page(&led).await;
    assert!(page.contains("its address forgotten") && !page.contains("a@example.com"), "{page}");
    assert!(items(&app, MAILS, &firm.token).await.is_empty());
    firm.send(&removal, &[("confirmed", &id)]).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_never_confirmed_is_not_offered_to_be_sent_again() {
    let server = MailServer::start().await;
    let (app, _folder) = app_with(&server, "0").await;
    let firm = app.firm_browser().await;
    server.answer_recipient("550 5.1.1 no such user");
    firm.done(BY_MAIL, &[("address", "nobody@example.com")]).await;
    let page = page_with(&firm, ">Disabled<").await;
    assert!(!page.contains("/replay?") && page.contains("/removal?"), "{page}");
}

#[tokio::test]
async fn a_webhook_shows_its_secret_once_and_goes_on_after_it_was_disabled() {
    let app = TestApp::spawn().await;
    let firm = app.firm_browser().await;
    let page = firm.page(HERE).await;
    assert!(page.contains("This service sends no mail.") && !page.contains("name=\"address\""), "{page}");
    assert!(firm.send(BY_MAIL, &[("address", "a@example.com")]).await.expect(409).text().contains("sends no mail"));
    let typed = [("url", "https://10.0.0.1/x\"y"), ("event", "version.published")];
    let page = firm.send(BY_WEBHOOK, &typed).await.expect(400).text();
    assert!(page.contains("value=\"https://10.0.0.1/x&#34;y\"") && page.contains("value=\"version.published\" checked"), "{page}");
    assert_eq!(page.matches("class=\"wrong\"").count(), 1, "{page}");

    let made = firm.send(BY_WEBHOOK, &[("url", "https://localhost/hook"), ("event", "version.published")]).await.expect(200);
    assert_eq!(made.header("cache-control"), "no-store");
    let page = made.text();
    let secret = page.split("class=\"secret\"><code>").nth(1).unwrap().split('<').next().unwrap().to_owned();
    assert!(secret.starts_with("whsec_") && page.contains("https://localhost/hook"), "{page}");
    assert!(!firm.page(HERE).await.contains(&secret));
    let [known] = items(&app, WEBHOOKS, &firm.token).await.try_into().unwrap();
    assert_eq!((&known["url"], &known["events"]), (&json!("https://localhost/hook"), &json!(["version.published"])));
    let id = known["id"].as_str().unwrap().to_owned();

    // What was refused for days is disabled, with an event laid aside; a person goes on with what was not taken.
    let (gone, sent_to) = (id.clone(), known["sent_to"].as_i64().unwrap());
    let disable = app.app.db.write(move |conn| {
        let disabled = (webhooks::status.eq("disabled"), webhooks::last_error.eq("status <503>"), webhooks::attempts.eq(90));
        let laid_aside = (
            dead_letters::webhook_id.eq(gone.clone()),
            dead_letters::seq.eq(2),
            dead_letters::attempts.eq(10),
            dead_letters::error.eq("status <400>"),
            dead_letters::died_at.eq(chrono::Utc::now().naive_utc()),
        );
        diesel::insert_into(dead_letters::table).values(laid_aside).execute(conn)?;
        Ok(diesel::update(webhooks::table).filter(webhooks::id.eq(gone)).set(disabled).execute(conn)?)
    });
    assert_eq!(disable.await.unwrap(), 1);
    let page = firm.page(HERE).await;
    assert!(page.contains(">Disabled<") && page.contains("status &#60;503&#62;"), "{page}");
    assert!(page.contains("1 refused many times and laid aside: status &#60;400&#62;<"), "{page}");
    let led = firm.done(&form_of(&page, "replay"), &[]).await;
    let page = firm.page(&led).await;
    assert!(page.contains("It is active.") && !page.contains("laid aside"), "{page}");
    let [known] = items(&app, WEBHOOKS, &firm.token).await.try_into().unwrap();
    // Nobody takes the first version of the shipped data, which comes after the event that was laid aside.
    assert_eq!((&known["status"], known["sent_to"].as_i64().unwrap() < sent_to), (&json!("active"), true), "{known}");
    firm.send(&format!("/firm/following/webhooks/{id}/steps/nothing"), &[]).await.expect(404);
    firm.send(&format!("/firm/following/mail/{id}/steps/replay"), &[]).await.expect(404);
    firm.send(&format!("/firm/following/pigeons/{id}/steps/replay"), &[]).await.expect(404);
    let removal = format!("/firm/following/webhooks/{id}/steps/removal?lang=en");
    assert!(firm.send(&removal, &[]).await.expect(200).text().contains("its secret is of no use"));
    assert_eq!(items(&app, WEBHOOKS, &firm.token).await.len(), 1);
    let led = firm.done(&removal, &[("confirmed", &id)]).await;
    assert!(firm.page(&led).await.contains("The webhook is removed."));
    assert!(items(&app, WEBHOOKS, &firm.token).await.is_empty());
}

#[tokio::test]
async fn receivers_are_their_firms_alone() {
    let app = TestApp::spawn().await;
    let (firm, other, waiting) = (app.firm_browser().await, app.firm_browser().await, app.pending_firm_browser().await);
    let form = [("url", "https://localhost/hook"), ("address", "a@example.com")];
    firm.send(BY_WEBHOOK, &form).await.expect(200);
    let id = items(&app, WEBHOOKS, &firm.token).await[0]["id"].as_str().unwrap().to_owned();
    assert!(!other.page(HERE).await.contains(&id));
    let steps = ["replay", "removal"].map(|step| format!("/firm/following/webhooks/{id}/steps/{step}"));
    let confirmed = [("confirmed", id.as_str())];
    for path in &steps {
        other.send(path, &confirmed).await.expect(404);
    }
    // A firm that waits reads so; staff have none; who is not logged in comes back after it.
    let page = waiting.page(HERE).await;
    assert!(page.contains("once it is approved") && !page.contains("<form"), "{page}");
    waiting.send(BY_WEBHOOK, &form).await.expect(403);
    let reviewer = app.staff_browser(&["reviewer"], None).await;
    reviewer.get(HERE).await.expect(403);
    for path in [BY_MAIL, BY_WEBHOOK, &steps[0], &steps[1]] {
        reviewer.send(path, &form).await.expect(403);
    }
    let led = app.get_with("/firm/following?lang=zh", &[("accept", "text/html")]).await.expect(303);
    assert_eq!(led.header("location"), "/login?lang=zh&next=/firm/following");
    // Without the token of the session, or from elsewhere, nothing is done.
    let (own, foreign) = (firm.csrf().await, other.csrf().await);
    for path in [BY_MAIL, BY_WEBHOOK, &steps[0], &steps[1]] {
        for csrf in ["", foreign.as_str()] {
            firm.send_bare(path, &[&[("csrf", csrf)], &form[..], &confirmed[..]].concat(), SAME_SITE).await.expect(403);
        }
        let right = [&[("csrf", own.as_str())], &form[..], &confirmed[..]].concat();
        firm.send_bare(path, &right, ("sec-fetch-site", "cross-site")).await.expect(403);
    }
    assert_eq!(items(&app, WEBHOOKS, &firm.token).await.len(), 1);
}
