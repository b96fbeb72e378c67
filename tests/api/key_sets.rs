//! Clients that publish their keys at an address of their own: which keys are found there, how often is asked, and what is never asked.

use serde_json::{Value, json};

use crate::support::{Answer, Firm, KeyPair, KeyServer, TestApp, assertion_claims, shipped};

/// A key of a set.
fn published(key: &KeyPair, kid: &str) -> Value {
    let mut jwk = key.jwk.clone();
    jwk["kid"] = kid.into();
    jwk
}

/// An application that reaches the server, with these settings besides.
async fn reaching(server: &KeyServer, more: &[(&str, &str)]) -> TestApp {
    TestApp::start(None, &[server.settings().as_slice(), more].concat()).await
}

async fn register(app: &TestApp, firm: &Firm, uri: &str) -> String {
    let body = json!({ "name": "with keys of its own", "jwks_uri": uri });
    let client = app.post_as("/api/v1/firms/me/clients", &firm.person, &body).await.expect(201).json();
    assert_eq!((client["method"].as_str(), client["jwks_uri"].as_str()), (Some("private_key_jwt"), Some(uri)));
    client["id"].as_str().unwrap().to_owned()
}

async fn ask(app: &TestApp, client: &str, key: &KeyPair, kid: &str) -> Answer {
    let header = json!({ "alg": format!("{:?}", key.algorithm), "kid": kid });
    app.assert(&key.sign_with(&header, &assertion_claims(app, client)), None).await
}

/// What the client hears who is not let in.
fn refusal(answer: Answer) -> String {
    let body = answer.expect(401).json();
    assert_eq!(body["error"], "invalid_client", "{body}");
    body["error_description"].as_str().unwrap().to_owned()
}

/// The entries of the ledger about a client's keys.
async fn changes(app: &TestApp) -> Vec<Value> {
    let operator = app.operator().await;
    let entries = app.get_as("/api/v1/ledger/entries?limit=1000", &operator.token).await.expect(200).json();
    let of_keys = |entry: &&Value| entry["kind"] == "client.keys_changed";
    let detail = |entry: &Value| serde_json::from_str(entry["detail_json"].as_str().unwrap()).unwrap();
    entries["items"].as_array().unwrap().iter().filter(of_keys).map(detail).collect()
}

#[tokio::test]
async fn keys_change_at_the_address_and_the_ledger_says_so() {
    let server = KeyServer::start().await;
    let app = reaching(&server, &[("jwks_cooldown_seconds", "0")]).await;
    let firm = app.firm().await;
    let (first, second) = (KeyPair::ed25519(), KeyPair::p256());
    server.publish(&[published(&first, "2026-01")], "cache-control: max-age=600\r\n");
    let client = register(&app, &firm, &server.uri()).await;
    assert_eq!(server.asked(), 0, "nothing is fetched before there is something to check");
    ask(&app, &client, &first, "2026-01").await.expect(200);
    ask(&app, &client, &first, "2026-01").await.expect(200);
    assert_eq!(server.asked(), 1, "the set is kept");
    // The new key is known before the old one's time is over; then the old one goes.
    server.publish(&[published(&first, "2026-01"), published(&second, "2026-02")], "");
    ask(&app, &client, &second, "2026-02").await.expect(200);
    ask(&app, &client, &first, "2026-01").await.expect(200);
    server.publish(&[published(&second, "2026-02")], "");
    ask(&app, &client, &first, "2026-03").await.expect(401);
    assert!(refusal(ask(&app, &client, &first, "2026-01").await).contains("not at the client's jwks_uri"));
    // A name stands for one key.
    assert!(refusal(ask(&app, &client, &first, "2026-02").await).contains("not signed"));
    ask(&app, &client, &second, "2026-02").await.expect(200);
    let thumbprint = |key: &KeyPair| qingdan::identity::jwk::PublicKey::parse("", &key.jwk).unwrap().thumbprint();
    let wanted = [
        json!({ "added": [thumbprint(&first)], "removed": [] }),
        json!({ "added": [thumbprint(&second)], "removed": [] }),
        json!({ "added": [], "removed": [thumbprint(&first)] }),
    ];
    assert_eq!(changes(&app).await, wanted);
}

#[tokio::test]
async fn names_of_keys_that_nobody_has_make_us_ask_once() {
    let server = KeyServer::start().await;
    let app = reaching(&server, &[]).await;
    let firm = app.firm().await;
    let key = KeyPair::ed25519();
    server.publish(&[published(&key, "a")], "cache-control: max-age=600\r\n");
    let client = register(&app, &firm, &server.uri()).await;
    let kids: Vec<String> = (0..10).map(|at| format!("made-up-{at}")).collect();
    let answers = futures::future::join_all(kids.iter().map(|kid| ask(&app, &client, &key, kid))).await;
    for answer in answers {
        assert!(refusal(answer).contains("asked again in"));
    }
    ask(&app, &client, &key, "a").await.expect(200);
    assert_eq!(server.asked(), 1);
    // Another client has a turn of its own.
    let other = register(&app, &firm, &server.uri()).await;
    ask(&app, &other, &key, "a").await.expect(200);
    assert_eq!(server.asked(), 2);
}

#[tokio::test]
async fn the_last_good_set_serves_within_its_time() {
    let server = KeyServer::start().await;
    let app = reaching(&server, &[("jwks_cooldown_seconds", "0")]).await;
    let firm = app.firm().await;
    let key = KeyPair::ed25519();
    // The answer asks not to be kept at all; it is kept for the least time of the settings, a minute.
    server.publish(&[published(&key, "a")], "cache-control: no-store\r\n");
    let client = register(&app, &firm, &server.uri()).await;
    ask(&app, &client, &key, "a").await.expect(200);
    server.answer("HTTP/1.1 500 Broken\r\ncontent-length: 0\r\n\r\n");
    ask(&app, &client, &key, "b").await.expect(401);
    ask(&app, &client, &key, "a").await.expect(200);
    assert_eq!(server.asked(), 2);

    // And not beyond it: here that is a second, which is over by the time that the answer has come.
    let short = [("jwks_cooldown_seconds", "0"), ("jwks_least_seconds", "1"), ("jwks_most_seconds", "1")];
    let app = reaching(&server, &short).await;
    let firm = app.firm().await;
    server.publish(&[published(&key, "a")], "cache-control: max-age=600\r\n");
    let client = register(&app, &firm, &server.uri()).await;
    ask(&app, &client, &key, "a").await.expect(200);
    let (asked, began) = (server.asked(), std::time::Instant::now());
    while server.asked() == asked {
        ask(&app, &client, &key, "a").await.expect(200);
        assert!(began.elapsed().as_secs() < 10, "the set is kept for longer than the settings say");
    }
    assert!(began.elapsed().as_millis() > 500);
}

#[tokio::test]
async fn what_is_no_key_set_within_the_limits_is_not_taken() {
    let server = KeyServer::start().await;
    let app = reaching(&server, &[("jwks_cooldown_seconds", "0"), ("outbound_timeout_seconds", "1"), ("jwks_max_bytes", "2000")]).await;
    let firm = app.firm().await;
    let key = KeyPair::ed25519();
    let client = register(&app, &firm, &server.uri()).await;
    let ok = |headers: &str, body: &str| format!("HTTP/1.1 200 OK\r\n{headers}\r\n{body}");
    let set = |keys: Value| ok("", &json!({ "keys": keys }).to_string());
    let good = published(&key, "a");
    let mut private = good.clone();
    private["d"] = "c2VjcmV0".into();
    let general = "has to answer 200 with a key set, without a redirect";
    let padded = format!("{}{}", json!({ "keys": [good] }), " ".repeat(3000));
    let cases = [
        ("a redirect", "HTTP/1.1 302 Found\r\nlocation: /other.json\r\ncontent-length: 0\r\n\r\n".to_owned(), general),
        ("another status", "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned(), general),
        ("too large, and says so", ok(&format!("content-length: {}\r\n", padded.len()), &padded), general),
        ("too large without saying so", ok("", &padded), general),
        ("a coding", ok("content-encoding: gzip\r\n", "x"), general),
        ("no HTTP", "SSH-2.0-OpenSSH_9.9 secret banner\r\n".to_owned(), general),
        ("broken off", ok("content-length: 1000\r\n", "{"), general),
        ("silence", String::new(), general),
        ("no JSON", ok("", "<html>internal page</html>"), "it is no JSON"),
        ("a private key", set(json!([good, private])), "/keys/1 is a private or symmetric key"),
        ("a symmetric key", set(json!([good, { "kty": "oct", "kid": "s", "k": "c2VjcmV0" }])), "/keys/1 is a private or symmetric key"),
        ("a name twice", set(json!([good, published(&KeyPair::p256(), "a")])), "/keys/1/kid stands twice"),
        ("no key", set(json!([])), "no Ed25519 or P-256 key"),
    ];
    for (at, (what, answer, wanted)) in cases.into_iter().enumerate() {
        server.answer(answer);
        let said = refusal(ask(&app, &client, &key, "a").await);
        assert!(said.contains(wanted), "{what}: {said}");
        assert!(!["secret", "c2Vj", "internal", "OpenSSH", "302", "404"].iter().any(|word| said.contains(word)), "{what}: {said}");
        assert_eq!(server.asked(), at + 1, "{what}");
    }
    assert_eq!(changes(&app).await, Vec::<Value>::new());
    server.publish(&[good], "");
    ask(&app, &client, &key, "a").await.expect(200);
}

#[tokio::test]
async fn an_address_that_is_not_public_is_never_asked() {
    let server = KeyServer::start().await;
    let key = KeyPair::ed25519();
    server.publish(&[published(&key, "a")], "");
    // As in service: without the setting that tests need.
    let app = TestApp::start(None, &[server.settings()[1]]).await;
    let firm = app.firm().await;
    let addresses = [
        server.uri(),
        format!("http://{}/jwks.json", server.address),
        "https://127.0.0.1/jwks.json".to_owned(),
        "https://[::ffff:10.0.0.1]/jwks.json".to_owned(),
        "https://169.254.169.254/jwks.json".to_owned(),
        "https://user:pass@keys.example.com/jwks.json".to_owned(),
        "https://keys.example.com/jwks.json#x".to_owned(),
        "https://keys.example.com:6443/jwks.json".to_owned(),
        "gopher://keys.example.com/".to_owned(),
    ];
    for address in addresses {
        let body = json!({ "name": "x", "jwks_uri": address });
        let problem = app.post_as("/api/v1/firms/me/clients", &firm.person, &body).await.problem(400, "invalid-value");
        assert_eq!(problem["errors"][0]["pointer"], "/jwks_uri", "{address}: {problem}");
    }
    let both = json!({ "name": "x", "jwks_uri": "https://keys.example.com/jwks.json", "public_jwk": key.jwk });
    app.post_as("/api/v1/firms/me/clients", &firm.person, &both).await.problem(400, "invalid-value");
    // A name that leads inside is found out when it is resolved, and the answer does not tell it from any other failure.
    let client = register(&app, &firm, "https://localhost/jwks.json").await;
    let said = refusal(ask(&app, &client, &key, "a").await);
    assert!(said.contains("over https in the public network"), "{said}");
    assert_eq!(server.asked(), 0);
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_is_not_believed() {
    let (server, other) = (KeyServer::start().await, KeyServer::start().await);
    let key = KeyPair::ed25519();
    other.publish(&[published(&key, "a")], "");
    let app = reaching(&server, &[("jwks_cooldown_seconds", "0")]).await;
    let firm = app.firm().await;
    let client = register(&app, &firm, &other.uri()).await;
    refusal(ask(&app, &client, &key, "a").await);
    // The certificate is for the name, and not for the address.
    server.publish(&[published(&key, "a")], "");
    let by_address = register(&app, &firm, &format!("https://{}/jwks.json", server.address)).await;
    refusal(ask(&app, &by_address, &key, "a").await);
    assert_eq!((server.asked(), other.asked()), (0, 0));
    // Loopback without TLS, for development.
    let plain = register(&app, &firm, &format!("http://{}/jwks.json", other.address)).await;
    ask(&app, &plain, &key, "a").await.expect(200);
}

#[tokio::test]
async fn for_those_who_may_not_act_nothing_is_fetched() {
    let server = KeyServer::start().await;
    let app = reaching(&server, &[("jwks_cooldown_seconds", "0")]).await;
    let firm = app.firm().await;
    let key = KeyPair::ed25519();
    server.publish(&[published(&key, "a")], "");
    let client = register(&app, &firm, &server.uri()).await;
    app.suspend(&format!("/api/v1/admin/clients/{client}")).await;
    assert!(refusal(ask(&app, &client, &key, "a").await).contains("suspended"));
    let other = register(&app, &firm, &server.uri()).await;
    app.suspend(&format!("/api/v1/admin/firms/{}", firm.id)).await;
    refusal(ask(&app, &other, &key, "a").await);
    refusal(ask(&app, "nobody", &key, "a").await);
    assert_eq!(server.asked(), 0);
}

#[tokio::test]
async fn a_published_key_signs_an_agreement_and_stays_with_the_signature() {
    let server = KeyServer::start().await;
    let app = TestApp::start(Some(&shipped()), &server.settings()).await;
    let (firm, stranger) = (app.firm().await, app.firm().await);
    let key = KeyPair::ed25519();
    server.publish(&[published(&key, "a")], "");
    let client = register(&app, &firm, &server.uri()).await;
    let agreement = app.drawn_agreement(&firm).await;
    let path = format!("/api/v1/agreements/{}", agreement["id"].as_str().unwrap());
    let sign = |kid: &str| {
        let signature = key.sign_detached_with(&json!({ "alg": "EdDSA", "kid": kid }), agreement["sha256"].as_str().unwrap());
        json!({ "client_id": client, "signature": signature })
    };
    // Another firm's client is looked up for nobody.
    app.post_as(&format!("{path}/signature"), &stranger.token, &sign("a")).await.problem(404, "not-found");
    assert_eq!(server.asked(), 0);
    app.post_as(&format!("{path}/signature"), &firm.token, &sign("a")).await.expect(200);
    // The key goes from the address, and stays with what it has signed.
    server.publish(&[published(&KeyPair::p256(), "b")], "");
    let bundle = app.get_as(&format!("{path}/bundle"), &firm.token).await.expect(200).json();
    assert_eq!(bundle["firm"]["public_jwk"], key.jwk);
}
