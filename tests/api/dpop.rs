//! Tokens that are bound to a key (RFC 9449), tokens that end before their time (RFC 7009, RFC 7662), and keys that rotate.

use jsonwebtoken::{Header, encode};
use qingdan::crypto::{base64url, sha256};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Firm, KeyPair, TestApp, assertion_claims};

fn now() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64
}

/// A proof with these changes of its header and its claims; null takes one away.
fn proof(key: &KeyPair, method: &str, address: &str, token: Option<&str>, header: &Value, claims: &Value) -> String {
    let mut head = json!({ "typ": "dpop+jwt", "alg": format!("{:?}", key.algorithm), "jwk": key.jwk });
    let mut body = json!({ "jti": uuid::Uuid::new_v4().to_string(), "htm": method, "htu": address, "iat": now() });
    if let Some(token) = token {
        body["ath"] = base64url(&sha256(token.as_bytes())).into();
    }
    for (target, changes) in [(&mut head, header), (&mut body, claims)] {
        for (name, value) in changes.as_object().unwrap() {
            if value.is_null() { _ = target.as_object_mut().unwrap().remove(name) } else { target[name] = value.clone() }
        }
    }
    let message = format!("{}.{}", base64url(head.to_string().as_bytes()), base64url(body.to_string().as_bytes()));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key.encoding, key.algorithm).unwrap();
    format!("{message}.{signature}")
}

fn plain(key: &KeyPair, method: &str, address: &str, token: Option<&str>) -> String {
    proof(key, method, address, token, &json!({}), &json!({}))
}

/// Asks for a token, with a proof.
async fn ask(app: &TestApp, firm: &Firm, grant: Option<&str>, proof: Option<&str>) -> Answer {
    let assertion = firm.key.sign(&assertion_claims(app, &firm.client_id));
    let details = grant.map(|grant| json!([{ "type": "qingdan_grant", "grant": grant }]).to_string());
    let mut form = vec![
        ("grant_type", "client_credentials"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", &assertion),
    ];
    form.extend(details.as_deref().map(|details| ("authorization_details", details)));
    let headers: Vec<_> = proof.map(|proof| ("dpop", proof)).into_iter().collect();
    app.form("/oauth2/token", &form, &headers).await
}

async fn bound(app: &TestApp, firm: &Firm, key: &KeyPair, grant: Option<&str>) -> String {
    let proof = plain(key, "POST", &format!("{}/oauth2/token", app.url), None);
    let answer = ask(app, firm, grant, Some(&proof)).await.expect(200).json();
    assert_eq!(answer["token_type"], "DPoP");
    answer["access_token"].as_str().unwrap().to_owned()
}

async fn read(app: &TestApp, path: &str, token: &str, proof: Option<&str>) -> Answer {
    let value = format!("DPoP {token}");
    let mut headers = vec![("authorization", value.as_str())];
    headers.extend(proof.map(|proof| ("dpop", proof)));
    app.send(Method::GET, path, None, None, &headers).await
}

#[tokio::test]
async fn a_bound_token_reads_with_a_proof_for_each_request_and_not_without() {
    let app = TestApp::spawn().await;
    let firm = app.firm().await;
    let grant = app.grant(&firm).await;
    let path = "/api/v1/datasets/community-health-visits/rows";
    let address = format!("{}{path}", app.url);
    for key in [KeyPair::ed25519(), KeyPair::p256()] {
        let token = bound(&app, &firm, &key, Some(&grant.id)).await;
        let fresh = || plain(&key, "GET", &address, Some(&token));
        // The query is no part of the address.
        let used = fresh();
        read(&app, &format!("{path}?limit=1"), &token, Some(&used)).await.expect(200);
        let again = read(&app, &format!("{path}?limit=1"), &token, Some(&used)).await.problem(401, "unauthenticated");
        assert!(again["detail"].as_str().unwrap().contains("used already"), "{again}");
        read(&app, path, &token, Some(&fresh())).await.expect(200);
        // As a bearer token it is of no use.
        let refused = app.get_as(path, &token).await;
        assert!(refused.headers.get_all("www-authenticate").iter().any(|value| value.to_str().unwrap().starts_with("DPoP ")));
        refused.problem(401, "unauthenticated");
        read(&app, path, &token, None).await.problem(401, "unauthenticated");
        let head = plain(&key, "HEAD", &address.replace("/rows", "/download"), Some(&token));
        let value = format!("DPoP {token}");
        let download = path.replace("/rows", "/download");
        app.send(Method::HEAD, &download, None, None, &[("authorization", &value), ("dpop", &head)]).await.expect(200);
    }
    // And a token that is bound to no key is none for DPoP.
    let key = KeyPair::ed25519();
    let unbound = plain(&key, "GET", &address, Some(&grant.token));
    read(&app, path, &grant.token, Some(&unbound)).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_proof_for_anything_else_is_refused() {
    let app = TestApp::spawn().await;
    let firm = app.firm().await;
    let (key, other) = (KeyPair::ed25519(), KeyPair::p256());
    let token = bound(&app, &firm, &key, None).await;
    let path = "/api/v1/firms/me";
    let address = format!("{}{path}", app.url);
    read(&app, path, &token, Some(&plain(&key, "GET", &address, Some(&token)))).await.expect(200);
    let with = |header: Value, claims: Value| proof(&key, "GET", &address, Some(&token), &header, &claims);
    read(&app, path, &token, Some(&with(json!({ "alg": "Ed25519" }), json!({})))).await.expect(200);
    let cases = [
        ("of another key", plain(&other, "GET", &address, Some(&token))),
        ("of another method", with(json!({}), json!({ "htm": "POST" }))),
        ("of another address", with(json!({}), json!({ "htu": format!("{}/api/v1/firms", app.url) }))),
        ("of another host", with(json!({}), json!({ "htu": format!("http://elsewhere.example{path}") }))),
        ("too old", with(json!({}), json!({ "iat": now() - 120 }))),
        ("of the future", with(json!({}), json!({ "iat": now() + 120 }))),
        ("for no token", with(json!({}), json!({ "ath": null }))),
        ("for another token", with(json!({}), json!({ "ath": base64url(&sha256(b"another")) }))),
        ("without jti", with(json!({}), json!({ "jti": null }))),
        ("with an endless jti", with(json!({}), json!({ "jti": "x".repeat(1000) }))),
        ("of another type", with(json!({ "typ": "JWT" }), json!({}))),
        ("with another algorithm", with(json!({ "alg": "HS256" }), json!({}))),
        ("with the algorithm of the other kind of key", with(json!({ "alg": "ES256" }), json!({}))),
        ("with no algorithm", with(json!({ "alg": "none" }), json!({}))),
        ("with a private key", with(json!({ "jwk": { "kty": "OKP", "crv": "Ed25519", "x": key.jwk["x"], "d": key.jwk["x"] } }), json!({}))),
        ("with a symmetric key", with(json!({ "jwk": { "kty": "oct", "k": "AAAA" } }), json!({}))),
        ("without a key", with(json!({ "jwk": null }), json!({}))),
        ("with somebody else's key", with(json!({ "jwk": other.jwk }), json!({}))),
        ("with what is critical", with(json!({ "crit": ["b64"] }), json!({}))),
        ("that is no JWT", "not a proof".to_owned()),
    ];
    for (what, proof) in cases {
        let answer = read(&app, path, &token, Some(&proof)).await;
        assert_eq!(answer.status, 401, "{what}: {}", answer.text());
    }
    let endpoint = format!("{}/oauth2/token", app.url);
    for (claims, wanted) in [(json!({ "htm": "GET" }), "htm"), (json!({ "htu": address }), "htu"), (json!({ "iat": 0 }), "iat")] {
        let proof = proof(&key, "POST", &endpoint, None, &json!({}), &claims);
        let body = ask(&app, &firm, None, Some(&proof)).await.expect(400).json();
        assert_eq!(body["error"], "invalid_dpop_proof");
        assert!(body["error_description"].as_str().unwrap().contains(wanted), "{body}");
    }
    let once = plain(&key, "POST", &endpoint, None);
    ask(&app, &firm, None, Some(&once)).await.expect(200);
    assert_eq!(ask(&app, &firm, None, Some(&once)).await.expect(400).json()["error"], "invalid_dpop_proof");
}

#[tokio::test]
async fn a_client_that_asked_for_bound_tokens_gets_no_others() {
    let app = TestApp::empty().await;
    let mut firm = app.firm().await;
    let body = json!({ "name": "careful", "public_jwk": firm.key.jwk, "dpop_bound_access_tokens": true });
    let created = app.post_as("/api/v1/firms/me/clients", &firm.person, &body).await.expect(201).json();
    assert_eq!(created["dpop_bound_access_tokens"], true);
    firm.client_id = created["id"].as_str().unwrap().to_owned();
    assert_eq!(ask(&app, &firm, None, None).await.expect(400).json()["error"], "invalid_dpop_proof");
    bound(&app, &firm, &KeyPair::p256(), None).await;
}

#[tokio::test]
async fn where_tokens_have_to_be_bound_no_url_is_signed() {
    let app = TestApp::spawn().await;
    let firm = app.firm().await;
    let key = KeyPair::ed25519();
    let path = "/api/v1/datasets/community-health-visits/signed-urls";
    let sign = async |grant: &str| {
        let token = bound(&app, &firm, &key, Some(grant)).await;
        let proof = plain(&key, "POST", &format!("{}{path}", app.url), Some(&token));
        let value = format!("DPoP {token}");
        app.send(Method::POST, path, None, Some(&json!({})), &[("authorization", &value), ("dpop", &proof)]).await
    };
    let mut application = app.application();
    application["sender_constrained"] = json!(true);
    let agreement = app.drawn_agreement_for(&firm, &application).await;
    let constrained = app.sign(&firm, &agreement).await.expect(200).json()["grant"]["id"].as_str().unwrap().to_owned();
    let refused = sign(&constrained).await.problem(403, "forbidden");
    assert!(refused["detail"].as_str().unwrap().contains("bound to none"), "{refused}");
    // Where the firm alone chose to bind its token, it may also choose this.
    let free = app.grant(&firm).await;
    let url = sign(&free.id).await.expect(201).json()["url"].as_str().unwrap().to_owned();
    app.get(url.strip_prefix(&app.url).unwrap()).await.expect(200);
}

/// A form of a client about a token.
pub async fn about(app: &TestApp, firm: &Firm, path: &str, token: &str) -> Answer {
    let assertion = firm.key.sign(&assertion_claims(app, &firm.client_id));
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    app.form(path, &[("token", token), ("client_assertion_type", kind), ("client_assertion", &assertion)], &[]).await
}

#[tokio::test]
async fn a_token_is_looked_into_and_ended_by_its_own() {
    let app = TestApp::spawn().await;
    let (firm, other) = (app.firm().await, app.firm().await);
    let grant = app.grant(&firm).await;
    let look = async |asking: &Firm, token: &str| about(&app, asking, "/oauth2/introspect", token).await.expect(200).json();
    let path = "/api/v1/datasets/community-health-visits/rows?limit=1";
    let said = look(&firm, &grant.token).await;
    assert_eq!(
        (&said["active"], &said["client_id"], &said["token_type"]),
        (&json!(true), &json!(firm.client_id), &json!("Bearer")),
        "{said}"
    );
    assert_eq!(said["authorization_details"][0]["grant"], grant.id.as_str());
    assert_eq!(look(&other, &grant.token).await, json!({ "active": false }));
    assert_eq!(look(&firm, "nonsense").await, json!({ "active": false }));
    // Another's token is left alone, with the same answer.
    about(&app, &other, "/oauth2/revoke", &grant.token).await.expect(200);
    app.get_as(path, &grant.token).await.expect(200);
    about(&app, &firm, "/oauth2/revoke", &grant.token).await.expect(200);
    about(&app, &firm, "/oauth2/revoke", &grant.token).await.expect(200);
    about(&app, &firm, "/oauth2/revoke", "nonsense").await.expect(200);
    app.get_as(path, &grant.token).await.problem(401, "unauthenticated");
    assert_eq!(look(&firm, &grant.token).await, json!({ "active": false }));
    let again = app.client_token(&firm.client_id, &firm.key, Some(&grant.id)).await;
    app.get_as(path, &again).await.expect(200);
    // Without a proof of who asks, nothing.
    let nobody = app.form("/oauth2/introspect", &[("token", again.as_str())], &[]).await.expect(401).json();
    assert_eq!(nobody["error"], "invalid_client");
    let nothing = about(&app, &firm, "/oauth2/revoke", "").await;
    assert_eq!(nothing.status, 200);
    let reason = json!({ "reason": "an incident" });
    let operator = app.operator().await.token;
    app.post_as(&format!("/api/v1/grants/{}/revocation", grant.id), &operator, &reason).await.expect(200);
    assert_eq!(look(&firm, &again).await, json!({ "active": false }));
}

#[tokio::test]
async fn one_call_ends_every_token_of_a_client() {
    let app = TestApp::spawn().await;
    let (firm, other) = (app.firm().await, app.firm().await);
    let grant = app.grant(&firm).await;
    let key = KeyPair::ed25519();
    let tied = bound(&app, &firm, &key, None).await;
    let foreign = format!("/api/v1/firms/me/clients/{}/token-revocation", other.client_id);
    app.post_as(&foreign, &firm.person, &json!({})).await.problem(404, "not-found");
    app.get_as("/api/v1/firms/me", &firm.token).await.expect(200);
    let own = format!("/api/v1/firms/me/clients/{}/token-revocation", firm.client_id);
    app.post_as(&own, &firm.person, &json!({})).await.expect(200);
    app.get_as("/api/v1/firms/me", &firm.token).await.problem(401, "unauthenticated");
    app.get_as("/api/v1/datasets/community-health-visits/rows", &grant.token).await.problem(401, "unauthenticated");
    let proof = plain(&key, "GET", &format!("{}/api/v1/firms/me", app.url), Some(&tied));
    read(&app, "/api/v1/firms/me", &tied, Some(&proof)).await.problem(401, "unauthenticated");
    app.get_as("/api/v1/firms/me", &other.token).await.expect(200);
    let entries = app.get_as("/api/v1/ledger/entries?limit=1000", &app.operator().await.token).await.expect(200).text();
    assert!(entries.contains("client.tokens_ended"));
}

#[tokio::test]
async fn keys_rotate_with_an_overlap_and_in_an_emergency_without() {
    let app = TestApp::empty().await;
    let firm = app.firm().await;
    let operator = app.operator().await.token;
    let kids = async || {
        let keys = app.get("/.well-known/jwks.json").await.expect(200).json();
        keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let kid_of = |token: &str| jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
    let first = kid_of(&firm.token);
    assert_eq!(kids().await, [first.as_str()]);
    let rotation = app.post_as("/api/v1/admin/keys/rotation", &operator, &json!({})).await.expect(201).json();
    let second = rotation["kid"].as_str().unwrap().to_owned();
    // Known to everybody before it signs.
    assert_eq!(kids().await, [second.as_str(), &first]);
    assert!(rotation["signs_from"].as_str() < rotation["others_until"].as_str(), "{rotation}");
    let token = app.client_token(&firm.client_id, &firm.key, None).await;
    assert_eq!(kid_of(&token), first);
    for token in [&firm.token, &token] {
        app.get_as("/api/v1/firms/me", token).await.expect(200);
    }
    let rotation = app.post_as("/api/v1/admin/keys/rotation", &operator, &json!({ "emergency": true })).await.expect(201).json();
    let third = rotation["kid"].as_str().unwrap().to_owned();
    assert_eq!(kids().await, [third.as_str()]);
    for token in [&firm.token, &token] {
        app.get_as("/api/v1/firms/me", token).await.problem(401, "unauthenticated");
    }
    let token = app.client_token(&firm.client_id, &firm.key, None).await;
    assert_eq!(kid_of(&token), third);
    app.get_as("/api/v1/firms/me", &token).await.expect(200);
    // Signed with a key of one's own under the name of ours.
    let mut header = Header::new(firm.key.algorithm);
    (header.kid, header.typ) = (Some(third), Some("at+jwt".to_owned()));
    let claims = json!({ "iss": app.url, "aud": app.url, "sub": firm.client_id, "client_id": firm.client_id, "firm": firm.id, "jti": "x", "iat": now(), "exp": now() + 600 });
    let forged = encode(&header, &claims, &firm.key.encoding).unwrap();
    app.get_as("/api/v1/firms/me", &forged).await.problem(401, "unauthenticated");
}
