//! Webhooks: everything that happens to the list comes to a firm's address, in order, whatever happens to that.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::support::{Firm, Folder, TestApp, TestDatabase};

/// A firm's address, which answers as it is told and hands on what came.
struct Receiver {
    url: String,
    answers: Arc<Mutex<VecDeque<u16>>>,
    came: UnboundedReceiver<(String, Value)>,
}

impl Receiver {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook?for=test", listener.local_addr().unwrap());
        let answers: Arc<Mutex<VecDeque<u16>>> = Arc::default();
        let (sender, came) = unbounded_channel();
        let next = Arc::clone(&answers);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut bytes = Vec::new();
                let (head, length) = loop {
                    if stream.read_buf(&mut bytes).await.unwrap() == 0 {
                        break (String::new(), 0);
                    }
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    if let Some((head, _)) = text.split_once("\r\n\r\n") {
                        let length = header(head, "content-length").parse::<usize>().unwrap();
                        break (head.to_owned(), head.len() + 4 + length);
                    }
                };
                while bytes.len() < length {
                    stream.read_buf(&mut bytes).await.unwrap();
                }
                let status = next.lock().unwrap().pop_front().unwrap_or(200);
                let answer = format!("HTTP/1.1 {status} Told\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                _ = stream.write_all(answer.as_bytes()).await;
                if !head.is_empty() {
                    assert!(head.starts_with("POST /hook?for=test HTTP/1.1"), "{head}");
                    _ = sender.send((head.clone(), serde_json::from_slice(&bytes[head.len() + 4..]).unwrap()));
                }
            }
        });
        Receiver { url, answers, came }
    }

    /// Answers so from now on, and then with 200.
    fn answer(&self, statuses: &[u16]) {
        self.answers.lock().unwrap().extend(statuses);
    }

    /// What comes next: its head and its body.
    async fn next(&mut self) -> (String, Value) {
        tokio::time::timeout(Duration::from_secs(60), self.came.recv()).await.unwrap().unwrap()
    }

    async fn type_and_slug(&mut self) -> (String, String) {
        let (_, body) = self.next().await;
        (body["type"].as_str().unwrap().to_owned(), body["data"]["slug"].as_str().unwrap().to_owned())
    }
}

fn header<'a>(head: &'a str, name: &str) -> &'a str {
    let line = head.lines().find(|line| line.to_lowercase().starts_with(&format!("{name}: ")));
    line.map_or("", |line| &line[name.len() + 2..])
}

async fn app() -> (TestApp, Folder) {
    let folder = Folder::new();
    for slug in ["one", "two"] {
        folder.open(slug, &["name"], "name\na\n");
    }
    let app = TestApp::start(Some(folder.path()), &[("outbound_allow_private", "true")]).await;
    (app, folder)
}

async fn register(app: &TestApp, firm: &Firm, body: Value) -> Value {
    app.post_as("/api/v1/firms/me/webhooks", &firm.person, &body).await.expect(201).json()
}

async fn suspend(app: &TestApp, slug: &str) {
    let operator = app.operator().await.token;
    let ground = json!({ "ground": "other", "reason": "for a webhook" });
    app.post_as(&format!("/api/v1/admin/datasets/{slug}/suspension"), &operator, &ground).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_come_signed_in_order_and_again_after_a_failure() {
    let (app, folder) = app().await;
    let firm = app.firm().await;
    let mut receiver = Receiver::start().await;
    let hook = register(&app, &firm, json!({ "url": receiver.url })).await;
    assert!(hook["secret"].as_str().unwrap().starts_with("whsec_"), "{hook}");
    suspend(&app, "one").await;
    let (head, body) = receiver.next().await;
    assert_eq!((&body["type"], &body["data"]["ground"]), (&json!("dataset.suspended"), &json!("other")));
    assert_eq!(header(&head, "webhook-id"), format!("qingdan_{}", body["data"]["seq"]));
    assert!(header(&head, "webhook-signature").starts_with("v1,") && !header(&head, "webhook-timestamp").is_empty(), "{head}");
    assert_eq!(header(&head, "content-type"), "application/json");
    // What is not possible now is tried again, and what comes later waits.
    receiver.answer(&[503, 500, 429]);
    suspend(&app, "two").await;
    folder.open("three", &["name"], "name\na\n");
    app.import(&folder).await;
    for _ in 0..4 {
        assert_eq!(receiver.type_and_slug().await, ("dataset.suspended".to_owned(), "two".to_owned()));
    }
    assert_eq!(receiver.type_and_slug().await, ("dataset.created".to_owned(), "three".to_owned()));
    assert_eq!(receiver.type_and_slug().await, ("version.published".to_owned(), "three".to_owned()));
    let feed = app.get(&format!("/api/v1/changes?since={}", hook["sent_to"])).await.expect(200).json();
    let events: Vec<&str> = feed["items"].as_array().unwrap().iter().map(|item| item["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["dataset.suspended", "dataset.suspended", "dataset.created", "version.published"]);
    // Everything once more, under the same ids.
    let id = hook["id"].as_str().unwrap();
    let replay = json!({ "since": hook["sent_to"] });
    app.post_as(&format!("/api/v1/firms/me/webhooks/{id}/replay"), &firm.person, &replay).await.expect(200);
    assert_eq!(receiver.next().await.1, body);
    for _ in 0..3 {
        receiver.next().await;
    }
    // A firm that is suspended gets nothing, and what it missed afterwards.
    app.suspend(&format!("/api/v1/admin/firms/{}", firm.id)).await;
    let other = app.firm().await;
    let mut others = Receiver::start().await;
    register(&app, &other, json!({ "url": others.url })).await;
    folder.open("four", &["name"], "name\na\n");
    app.import(&folder).await;
    let operator = app.operator().await.token;
    assert_eq!(others.type_and_slug().await.1, "four");
    assert_eq!(others.type_and_slug().await.1, "four");
    assert!(receiver.came.try_recv().is_err());
    app.post_as(&format!("/api/v1/admin/firms/{}/resumption", firm.id), &operator, &json!({ "reason": "all is well" })).await.expect(200);
    assert_eq!(receiver.type_and_slug().await, ("dataset.created".to_owned(), "four".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_for_good_is_laid_aside_and_what_is_gone_is_disabled() {
    let (app, _folder) = app().await;
    let firm = app.firm().await;
    let mut receiver = Receiver::start().await;
    let hook = register(&app, &firm, json!({ "url": receiver.url })).await;
    let path = format!("/api/v1/firms/me/webhooks/{}", hook["id"].as_str().unwrap());
    let shown = async || app.get_as("/api/v1/firms/me/webhooks", &firm.person).await.expect(200).json()["items"][0].clone();
    receiver.answer(&[400]);
    suspend(&app, "one").await;
    receiver.next().await;
    while shown().await["attempts"] != 1 {
        tokio::task::yield_now().await;
    }
    // The last of ten tries, which take a quarter of an hour.
    receiver.answer(&[422]);
    TestDatabase::tamper(app.app.settings.database_url.expose(), "UPDATE webhooks SET refusals = 9, next_at = NULL");
    let (_, refused) = receiver.next().await;
    suspend(&app, "two").await;
    assert_eq!(receiver.type_and_slug().await, ("dataset.suspended".to_owned(), "two".to_owned()));
    let letters = app.get_as(&format!("{path}/dead-letters"), &firm.person).await.expect(200).json();
    assert_eq!((&letters["total"], &letters["items"][0]["seq"]), (&json!(1), &refused["data"]["seq"]));
    assert!(letters["items"][0]["error"].as_str().unwrap().contains("422"), "{letters}");
    // A replay sends what was laid aside, too.
    let since = refused["data"]["seq"].as_i64().unwrap() - 1;
    receiver.answer(&[410]);
    app.post_as(&format!("{path}/replay"), &firm.person, &json!({ "since": since })).await.expect(200);
    assert_eq!(receiver.next().await.1, refused);
    assert_eq!(app.get_as(&format!("{path}/dead-letters"), &firm.person).await.expect(200).json()["total"], 0);
    let operator = app.operator().await.token;
    let disabled = async || {
        let entries = app.get_as("/api/v1/ledger/entries?limit=1000", &operator).await.expect(200).json();
        entries["items"].as_array().unwrap().iter().filter(|entry| entry["kind"] == "webhook.disabled").count()
    };
    let mut waited = 0;
    while disabled().await == 0 {
        waited += 1;
        assert!(waited < 20_000, "it was not disabled");
        tokio::task::yield_now().await;
    }
    assert_eq!(shown().await["status"], "disabled");
    app.post_as(&format!("{path}/replay"), &firm.person, &json!({ "since": since })).await.expect(200);
    assert_eq!(receiver.next().await.1, refused);
    assert_eq!(receiver.type_and_slug().await.1, "two");
    app.send(reqwest::Method::DELETE, &path, Some(&firm.person), None, &[]).await.expect(204);
    app.send(reqwest::Method::DELETE, &path, Some(&firm.person), None, &[]).await.problem(404, "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_gets_what_it_asked_for_and_nothing_can_be_asked_by_it() {
    let (app, folder) = app().await;
    let (firm, other) = (app.firm().await, app.firm().await);
    let mut receiver = Receiver::start().await;
    let wish = json!({ "url": receiver.url, "events": ["version.published", "dataset.suspended"], "datasets": ["two"] });
    let hook = register(&app, &firm, wish).await;
    suspend(&app, "one").await;
    folder.open("two", &["name"], "name\nb\n");
    app.import(&folder).await;
    assert_eq!(receiver.type_and_slug().await, ("version.published".to_owned(), "two".to_owned()));
    suspend(&app, "two").await;
    assert_eq!(receiver.type_and_slug().await, ("dataset.suspended".to_owned(), "two".to_owned()));
    // What is published meanwhile is told with the restoration.
    folder.open("two", &["name"], "name\nc\n");
    app.import(&folder).await;
    let reviewer = app.staff(&["reviewer"], None).await.token;
    app.post_as("/api/v1/admin/datasets/two/restoration", &reviewer, &json!({ "reason": "all is well" })).await.expect(200);
    let mut restored = receiver.next().await.1;
    if restored["type"] == "version.published" {
        // It was looked at after the restoration, when it is told as ever.
        restored = receiver.next().await.1;
    }
    assert_eq!((&restored["type"], &restored["data"]["version"]), (&json!("dataset.restored"), &json!(3)));
    // Of the other firm's it is none.
    let replay = format!("/api/v1/firms/me/webhooks/{}/replay", hook["id"].as_str().unwrap());
    app.post_as(&replay, &other.person, &json!({ "since": 0 })).await.problem(404, "not-found");
    app.post_as(&replay, &firm.person, &json!({ "since": 1_000_000 })).await.problem(400, "invalid-value");
    assert_eq!(app.get_as("/api/v1/firms/me/webhooks", &other.person).await.expect(200).json()["total"], 0);
    for (body, pointer) in [
        (json!({ "url": "nowhere" }), "/url"),
        (json!({ "url": "ftp://example.com/" }), "/url"),
        (json!({ "url": "https://name:secret@example.com/" }), "/url"),
        (json!({ "url": receiver.url, "events": ["dataset.suspended", "read.allowed"] }), "/events/1"),
        (json!({ "url": receiver.url, "datasets": ["none"] }), "/datasets/0"),
    ] {
        let problem = app.post_as("/api/v1/firms/me/webhooks", &firm.person, &body).await.problem(400, "invalid-value");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}");
    }
    for _ in 1..10 {
        register(&app, &firm, json!({ "url": receiver.url, "datasets": ["one"] })).await;
    }
    app.post_as("/api/v1/firms/me/webhooks", &firm.person, &json!({ "url": receiver.url })).await.problem(409, "conflict");
    // As it is set by default, nobody has the service ask its own machine.
    let strict = TestApp::start(Some(folder.path()), &[]).await;
    let firm = strict.firm().await;
    let body = json!({ "url": "https://127.0.0.1:8443/" });
    let long = json!({ "url": format!("https://example.com/{}", "清".repeat(600)) });
    strict.post_as("/api/v1/firms/me/webhooks", &firm.person, &long).await.problem(400, "invalid-value");
    strict.post_as("/api/v1/firms/me/webhooks", &firm.person, &body).await.problem(400, "invalid-value");
    assert!(receiver.came.try_recv().is_err());
}
