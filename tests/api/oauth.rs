//! Tokens: how a client proves itself, and which tokens are refused.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use qingdan::crypto::base64url;
use serde_json::{Value, json};

use crate::support::{KeyPair, TestApp, assertion_claims};

#[tokio::test]
async fn both_kinds_of_keys_and_both_ways_of_a_secret_take_tokens() {
    let app = TestApp::empty().await;
    let firm = app.firm().await;
    let p256 = KeyPair::p256();
    let client = app.register_client(&firm.person, &p256).await;
    let token = app.client_token(&client, &p256, None).await;
    app.get_as("/api/v1/firms/me", &token).await.expect(200);

    let body = json!({ "name": "with a secret" });
    let created = app.post_as("/api/v1/firms/me/clients", &firm.person, &body).await.expect(201).json();
    let (id, secret) = (created["id"].as_str().unwrap(), created["secret"].as_str().unwrap());
    let grant_type = ("grant_type", "client_credentials");
    app.form("/oauth2/token", &[grant_type, ("client_id", id), ("client_secret", secret)], &[]).await.expect(200);
    let basic = format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
    let answer = app.form("/oauth2/token", &[grant_type], &[("authorization", &basic)]).await.expect(200);
    assert_eq!(answer.header("cache-control"), "no-store");
    let answer = answer.json();
    assert_eq!((answer["token_type"].as_str(), answer["expires_in"].as_i64()), (Some("Bearer"), Some(900)));
}

fn refusal(answer: crate::support::Answer, status: u16, code: &str, wanted: &str) {
    let body = answer.expect(status).json();
    assert_eq!(body["error"], code, "{body}");
    assert!(body["error_description"].as_str().unwrap().contains(wanted), "{body}");
}

#[tokio::test]
async fn the_token_endpoint_answers_in_its_own_shape() {
    let app = TestApp::empty().await;
    let firm = app.firm().await;
    refusal(app.form("/oauth2/token", &[], &[]).await, 400, "invalid_request", "grant_type is missing");
    refusal(app.form("/oauth2/token", &[("grant_type", "password")], &[]).await, 400, "unsupported_grant_type", "client_credentials");
    let grant_type = ("grant_type", "client_credentials");
    let json = app.raw(reqwest::Method::POST, "/oauth2/token", "application/json", b"{}".to_vec()).await;
    refusal(json, 400, "invalid_request", "x-www-form-urlencoded");
    refusal(app.form("/oauth2/token", &[grant_type, grant_type], &[]).await, 400, "invalid_request", "each parameter once");
    let bearer = app.form("/oauth2/token", &[grant_type], &[("authorization", "Bearer x")]).await;
    refusal(bearer, 401, "invalid_client", "does not prove itself");
    refusal(app.form("/oauth2/token", &[grant_type], &[]).await, 401, "invalid_client", "does not prove itself");
    let wrong = [grant_type, ("client_id", firm.client_id.as_str()), ("client_secret", "guess")];
    refusal(app.form("/oauth2/token", &wrong, &[]).await, 401, "invalid_client", "secret is wrong");
    let both = [grant_type, ("client_id", "x"), ("client_secret", "y"), ("client_assertion", "z")];
    refusal(app.form("/oauth2/token", &both, &[]).await, 400, "invalid_request", "more than one way");
    let details = |text| [grant_type, ("authorization_details", text)];
    refusal(app.form("/oauth2/token", &details("[]"), &[]).await, 400, "invalid_authorization_details", "exactly one");
    refusal(app.form("/oauth2/token", &details("{"), &[]).await, 400, "invalid_authorization_details", "authorization_details");
}

#[tokio::test]
async fn an_assertion_is_used_once_and_for_us_only() {
    let app = TestApp::empty().await;
    let firm = app.firm().await;
    let assertion = firm.key.sign(&assertion_claims(&app, &firm.client_id));
    app.assert(&assertion, None).await.expect(200);
    refusal(app.assert(&assertion, None).await, 401, "invalid_client", "used already");

    let now = chrono::Utc::now().timestamp();
    let changed = |name: &str, value: Value| {
        let mut claims = assertion_claims(&app, &firm.client_id);
        claims[name] = value;
        firm.key.sign(&claims)
    };
    let cases = [
        (changed("aud", json!("https://elsewhere.example")), "aud must be"),
        (changed("exp", json!(now - 600)), "has expired"),
        (changed("exp", json!(now + 86_400)), "within 600 s"),
        (changed("iat", json!(now + 3_600)), "iat lies in the future"),
        (changed("nbf", json!(now + 3_600)), "nbf lies in the future"),
        (changed("exp", json!("soon")), "exp must be a number"),
        (changed("aud", Value::Null), "the claim `aud` is missing"),
        (changed("iss", json!("somebody")), "claims iss, sub"),
        (changed("sub", json!("nobody")), "unknown"),
        (changed("jti", Value::Null), "the claim `jti` is missing"),
        (KeyPair::ed25519().sign(&assertion_claims(&app, &firm.client_id)), "not signed with the client's registered key"),
        ("not.a.jwt".to_owned(), "not a JWT"),
    ];
    for (assertion, wanted) in cases {
        refusal(app.assert(&assertion, None).await, 401, "invalid_client", wanted);
    }
    let mut header = Header::new(Algorithm::EdDSA);
    header.crit = Some(vec!["example".to_owned()]);
    let critical = encode(&header, &assertion_claims(&app, &firm.client_id), &firm.key.encoding).unwrap();
    refusal(app.assert(&critical, None).await, 401, "invalid_client", "critical");
    app.assert(&changed("exp", json!(now as f64 + 100.5)), None).await.expect(200);
    let endpoint = changed("aud", json!(format!("{}/oauth2/token", app.url)));
    app.assert(&endpoint, None).await.expect(200);
}

#[tokio::test]
async fn one_assertion_sent_many_times_at_once_gives_one_token() {
    let app = TestApp::empty().await;
    let firm = app.firm().await;
    let assertion = firm.key.sign(&assertion_claims(&app, &firm.client_id));
    let answers = futures::future::join_all((0..10).map(|_| app.assert(&assertion, None))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
}

/// RFC 9864: one algorithm, two names; and the name of another algorithm is refused whatever the key.
#[tokio::test]
async fn ed25519_goes_by_both_of_its_names() {
    let app = TestApp::spawn().await;
    let firm = app.firm().await;
    let p256 = KeyPair::p256();
    let p256_client = app.register_client(&firm.person, &p256).await;
    let named = |name: &str| firm.key.sign_with(&json!({ "alg": name }), &assertion_claims(&app, &firm.client_id));
    app.assert(&named("Ed25519"), None).await.expect(200);
    app.assert(&named("EdDSA"), None).await.expect(200);
    for wrong in ["ed25519", "ES256", "Ed448", "none"] {
        refusal(app.assert(&named(wrong), None).await, 401, "invalid_client", "not signed");
    }
    let other = p256.sign_with(&json!({ "alg": "Ed25519" }), &assertion_claims(&app, &p256_client));
    refusal(app.assert(&other, None).await, 401, "invalid_client", "not signed");

    let agreement = app.drawn_agreement(&firm).await;
    let path = format!("/api/v1/agreements/{}/signature", agreement["id"].as_str().unwrap());
    let body = |name: &str| {
        let signature = firm.key.sign_detached_with(&json!({ "alg": name }), agreement["sha256"].as_str().unwrap());
        json!({ "client_id": firm.client_id, "signature": signature })
    };
    app.post_as(&path, &firm.token, &body("ES256")).await.problem(400, "invalid-value");
    app.post_as(&path, &firm.token, &body("Ed25519")).await.expect(200);

    let server = app.get("/.well-known/oauth-authorization-server").await.expect(200).json();
    for list in ["token_endpoint_auth_signing_alg_values_supported", "dpop_signing_alg_values_supported"] {
        assert_eq!(server[list], json!(["EdDSA", "Ed25519", "ES256"]), "{list}");
    }
    let refused = app.get("/api/v1/firms/me").await;
    let challenges: Vec<&str> = refused.headers.get_all("www-authenticate").iter().map(|value| value.to_str().unwrap()).collect();
    assert!(challenges.iter().any(|value| value.contains("algs=\"EdDSA Ed25519 ES256\"")), "{challenges:?}");
}

#[tokio::test]
async fn keys_are_not_confused() {
    let app = TestApp::empty().await;
    let firm = app.firm().await;
    let claims = assertion_claims(&app, &firm.client_id);
    // The public key as an HMAC secret.
    let public = firm.key.jwk["x"].as_str().unwrap();
    let hmac = encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(public.as_bytes())).unwrap();
    refusal(app.assert(&hmac, None).await, 401, "invalid_client", "not signed");
    let unsigned = format!("{}.{}.", base64url(br#"{"alg":"none"}"#), base64url(claims.to_string().as_bytes()));
    refusal(app.assert(&unsigned, None).await, 401, "invalid_client", "not signed");
}

fn forged(app: &TestApp, firm: &crate::support::Firm, header: Header, key: &EncodingKey, change: &[(&str, Value)]) -> String {
    let now = chrono::Utc::now().timestamp();
    let mut claims = json!({
        "iss": app.url, "aud": app.url, "sub": firm.client_id, "client_id": firm.client_id, "firm": firm.id, "jti": "1", "iat": now, "exp": now + 600,
    });
    for (name, value) in change {
        claims[*name] = value.clone();
    }
    encode(&header, &claims, key).unwrap()
}

#[tokio::test]
async fn tokens_that_are_not_ours_are_refused() {
    let app = TestApp::empty().await;
    let firm = app.firm().await;
    let ring = app.app.keys.ring(&app.app.db, &app.app.follower).await.unwrap();
    let (kid, ours) = ring.signing().unwrap();
    let header = || {
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some("at+jwt".to_owned());
        header.kid = Some(kid.to_owned());
        header
    };
    let now = chrono::Utc::now().timestamp();
    // The same token unchanged is taken: so each refusal below is for its change alone.
    let good = forged(&app, &firm, header(), ours, &[]);
    app.get_as("/api/v1/firms/me", &good).await.expect(200);

    let mut plain_type = header();
    plain_type.typ = Some("JWT".to_owned());
    let mut other_kid = header();
    other_kid.kid = Some("other".to_owned());
    let mut no_kid = header();
    no_kid.kid = None;
    let stranger = KeyPair::ed25519();
    let cases = [
        ("expired", forged(&app, &firm, header(), ours, &[("exp", json!(now - 60))])),
        ("another audience", forged(&app, &firm, header(), ours, &[("aud", json!("https://elsewhere.example"))])),
        ("another issuer", forged(&app, &firm, header(), ours, &[("iss", json!("https://elsewhere.example"))])),
        ("issued in the future", forged(&app, &firm, header(), ours, &[("iat", json!(now + 600))])),
        ("not before later", forged(&app, &firm, header(), ours, &[("nbf", json!(now + 600))])),
        ("another subject", forged(&app, &firm, header(), ours, &[("sub", json!("x"))])),
        ("no expiry", forged(&app, &firm, header(), ours, &[("exp", Value::Null)])),
        ("an unknown client", forged(&app, &firm, header(), ours, &[("sub", json!("x")), ("client_id", json!("x"))])),
        ("another type", forged(&app, &firm, plain_type, ours, &[])),
        ("an unknown kid", forged(&app, &firm, other_kid, ours, &[])),
        ("no kid", forged(&app, &firm, no_kid, ours, &[])),
        ("a stranger's key", forged(&app, &firm, header(), &stranger.encoding, &[])),
        ("alg none", format!("{}.{}.", base64url(br#"{"alg":"none","typ":"at+jwt"}"#), good.split('.').nth(1).unwrap())),
        ("a changed payload", {
            let parts: Vec<&str> = good.split('.').collect();
            format!("{}.{}.{}", parts[0], base64url(br#"{"sub":"x"}"#), parts[2])
        }),
        ("a client assertion", firm.key.sign(&assertion_claims(&app, &firm.client_id))),
        ("nonsense", "nonsense".to_owned()),
    ];
    for (what, token) in cases {
        let answer = app.get_as("/api/v1/firms/me", &token).await;
        assert_eq!(answer.status, 401, "{what}: {}", answer.text());
        assert!(answer.header("www-authenticate").starts_with("Bearer"), "{what}");
        answer.problem(401, "unauthenticated");
        // A bad token is no anonymous caller: it is refused where nobody in particular would be served.
        app.get_as("/api/v1/datasets", &token).await.problem(401, "unauthenticated");
    }
    app.get_with("/api/v1/datasets", &[("authorization", "Digest x")]).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn discovery_and_keys_say_what_is_true() {
    let app = TestApp::empty().await;
    let server = app.get("/.well-known/oauth-authorization-server").await.expect(200).json();
    assert_eq!(server["issuer"], app.url);
    assert_eq!(server["token_endpoint"], format!("{}/oauth2/token", app.url));
    let resource = app.get("/.well-known/oauth-protected-resource").await.expect(200).json();
    assert_eq!(resource["authorization_servers"][0], app.url);
    let keys = app.get("/.well-known/jwks.json").await.expect(200);
    assert!(keys.header("cache-control").contains("max-age"));
    let keys = keys.json();
    assert_eq!(keys["keys"][0]["kty"], "OKP");
    assert!(keys["keys"][0].get("d").is_none());
}
