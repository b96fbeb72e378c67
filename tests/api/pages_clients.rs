//! The clients of a firm on its pages: registered with a key or a secret that is shown once, and ended.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

use crate::support::{KeyPair, SAME_SITE, TestApp};

const HERE: &str = "/firm/clients?lang=en";

fn pem(label: &str, der: &[u8]) -> String {
    let text = qingdan::crypto::base64(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\r\n{}\r\n-----END {label}-----\r\n", lines.join("\r\n"))
}

/// The secret on a page.
fn secret_of(page: &str) -> String {
    page.split("class=\"secret\"><code>").nth(1).unwrap_or_else(|| panic!("no secret: {page}")).split('<').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_secret_is_shown_once_and_takes_a_token() {
    let app = TestApp::spawn().await;
    let firm = app.firm_browser().await;
    assert!(firm.page("/firm?lang=en").await.contains("href=\"/firm/clients?lang=en\""));
    let made = firm.send(HERE, &[("name", "nightly <job>"), ("method", "secret"), ("public_key", "left over")]).await.expect(200);
    assert_eq!(made.header("cache-control"), "no-store");
    let page = made.text();
    let secret = secret_of(&page);
    let id = page.split("/firm/clients/").nth(1).unwrap().split('?').next().unwrap().to_owned();
    assert!(secret.starts_with("qdc_") && page.contains("nightly &#60;job&#62;"), "{page}");
    // Nowhere a second time.
    let one = format!("/firm/clients/{id}?lang=en");
    for path in [one.as_str(), HERE, "/firm"] {
        assert!(!firm.page(path).await.contains(&secret), "{path}");
    }
    let operator = app.operator().await;
    for path in ["/api/v1/ledger/entries?limit=1000", "/api/v1/firms/me/clients"] {
        let token = if path.contains("ledger") { &operator.token } else { &firm.token };
        assert!(!app.get_as(path, token).await.expect(200).text().contains(&secret), "{path}");
    }
    assert!(firm.page(&one).await.contains("Not yet") && firm.page(HERE).await.contains("Has taken no token yet"));
    // The line on the page does what it says.
    assert!(page.contains(&format!("curl -u \"{id}:$SECRET\" {}/oauth2/token -d grant_type=client_credentials", app.app.issuer)), "{page}");
    let basic = format!("Basic {}", qingdan::crypto::base64(format!("{id}:{secret}").as_bytes()));
    let take = async || app.form("/oauth2/token", &[("grant_type", "client_credentials")], &[("authorization", &basic)]).await;
    let token = take().await.expect(200).json()["access_token"].as_str().unwrap().to_owned();
    assert!(!firm.page(&one).await.contains("Not yet") && firm.page(HERE).await.contains("Took a token last on"));

    // A token leaked: all of them end, and the client goes on.
    let holds = async |token: &str| app.get_as("/api/v1/firms/me", token).await.status.as_u16();
    assert_eq!(holds(&token).await, 200);
    let steps = format!("/firm/clients/{id}/steps");
    let led = firm.done(&format!("{steps}/token-revocation?lang=en"), &[]).await;
    assert!(firm.page(&led).await.contains("Every token that was issued until now is over."));
    assert_eq!(holds(&token).await, 401);
    take().await.expect(200);
    // It is revoked once that is said twice.
    let asked = firm.send(&format!("{steps}/revocation?lang=en"), &[]).await.expect(200).text();
    assert!(asked.contains("Revoke the client for good") && asked.contains("nightly &#60;job&#62;"), "{asked}");
    take().await.expect(200);
    firm.send(&format!("{steps}/revocation"), &[("confirmed", "another")]).await.expect(200);
    take().await.expect(200);
    firm.done(&format!("{steps}/revocation"), &[("confirmed", &id)]).await;
    take().await.expect(401);
    let gone = firm.page(&one).await;
    assert!(gone.contains("Revoked") && !gone.contains("End all its tokens"), "{gone}");
    firm.send(&format!("{steps}/revocation"), &[("confirmed", &id)]).await.expect(409);
    firm.send(&format!("{steps}/nothing"), &[]).await.expect(404);
}

#[tokio::test]
async fn a_key_is_read_as_jwk_and_as_pem_and_a_private_one_is_not_kept() {
    let app = TestApp::spawn().await;
    let firm = app.firm_browser().await;
    let pkcs8 = Ed25519KeyPair::generate_pkcs8v1(&aws_lc_rs::rand::SystemRandom::new()).unwrap();
    let ed25519 = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
    let p256 = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let of_ed25519 = ed25519.public_key().as_der().unwrap();
    let of_p256 = p256.public_key().as_der().unwrap();
    let x = qingdan::crypto::base64url(ed25519.public_key().as_ref());
    let point = p256.public_key().as_ref();
    let (px, py) = (qingdan::crypto::base64url(&point[1..33]), qingdan::crypto::base64url(&point[33..]));
    let expected = [
        (pem("PUBLIC KEY", of_ed25519.as_ref()), json!({ "kty": "OKP", "crv": "Ed25519", "x": x })),
        (pem("PUBLIC KEY", of_p256.as_ref()), json!({ "kty": "EC", "crv": "P-256", "x": px, "y": py })),
        (format!(" {} \n", KeyPair::p256().jwk), Value::Null),
    ];
    for (text, jwk) in &expected {
        let led = firm.done(HERE, &[("name", "a key"), ("method", "key"), ("public_key", text), ("dpop", "true")]).await;
        let id = led.split('/').nth(3).unwrap().split('?').next().unwrap();
        let page = firm.page(&led).await;
        assert!(
            page.contains("The client is registered.") && page.contains(&format!("\"iss\": \"{id}\"").replace('"', "&#34;"))
                || page.contains(id)
        );
        assert!(page.contains("Thumbprint") && page.contains("Always bound to a key"), "{page}");
        let known = app.get_as("/api/v1/firms/me/clients", &firm.token).await.expect(200).json();
        let known = known["items"].as_array().unwrap().iter().find(|client| client["id"] == id).unwrap().clone();
        assert!(known["dpop_bound_access_tokens"] == true && (jwk.is_null() || known["public_jwk"] == *jwk), "{known} {jwk}");
    }
    // What is no public key comes back beside its field; a private one does not come back at all.
    let before = app.get_as("/api/v1/firms/me/clients", &firm.token).await.json();
    let wrong = async |key: &str| {
        let form = [("name", "typed name"), ("method", "key"), ("public_key", key), ("dpop", "true")];
        let page = firm.send(HERE, &form).await.expect(400).text();
        assert!(
            page.contains("value=\"typed name\"") && page.contains("class=\"wrong\"") && page.contains("value=\"true\" checked"),
            "{page}"
        );
        page
    };
    let rsa = pem("PUBLIC KEY", &[0x30; 70]);
    for (key, said) in [("</textarea><script>", "as a JWK in JSON, or in PEM"), ("", "as a JWK in JSON, or in PEM"), (&rsa, "openssl pkey")]
    {
        let page = wrong(key).await;
        assert!(page.contains(said) && !page.contains("<script"), "{page}");
    }
    assert!(wrong("</textarea><script>").await.contains("&#60;/textarea&#62;&#60;script&#62;"));
    let private = pem("PRIVATE KEY", pkcs8.as_ref());
    let line = private.lines().nth(1).unwrap();
    let page = wrong(&private).await;
    assert!(page.contains("this is a private key") || page.contains("This is a private key"), "{page}");
    assert!(!page.contains(line), "{page}");
    let secret = json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "d": "cHJpdmF0ZQ" }).to_string();
    assert!(!wrong(&secret).await.contains("cHJpdmF0ZQ"));
    let page = firm.send(HERE, &[("name", "n"), ("method", "keys"), ("jwks_uri", "http://10.0.0.1/x\"y")]).await.expect(400).text();
    assert!(page.contains("value=\"keys\" checked") && page.contains("10.0.0.1/x&#34;y"), "{page}");
    firm.send(HERE, &[("name", "n"), ("method", "none")]).await.expect(400);
    assert_eq!(app.get_as("/api/v1/firms/me/clients", &firm.token).await.json(), before);
}

#[tokio::test]
async fn clients_are_their_firms_alone() {
    let app = TestApp::spawn().await;
    let (firm, other, waiting) = (app.firm_browser().await, app.firm_browser().await, app.pending_firm_browser().await);
    let key = KeyPair::ed25519();
    let id = app.register_client(&firm.token, &key).await;
    let steps = [format!("/firm/clients/{id}/steps/token-revocation"), format!("/firm/clients/{id}/steps/revocation")];
    other.get(&format!("/firm/clients/{id}")).await.expect(404);
    assert!(!other.page(HERE).await.contains(&id));
    let form = [("name", "n"), ("method", "secret"), ("confirmed", id.as_str())];
    for path in &steps {
        other.send(path, &form).await.expect(404);
    }
    // A firm that waits reads so; staff have no clients.
    let page = waiting.page(HERE).await;
    assert!(page.contains("once it is approved") && !page.contains("<form"), "{page}");
    waiting.send(HERE, &form).await.expect(403);
    let reviewer = app.staff_browser(&["reviewer"], None).await;
    for path in [HERE, &format!("/firm/clients/{id}")] {
        reviewer.get(path).await.expect(403);
    }
    reviewer.send(HERE, &form).await.expect(403);
    let led = app.get_with(&format!("/firm/clients/{id}?lang=zh"), &[("accept", "text/html")]).await.expect(303);
    assert_eq!(led.header("location"), format!("/login?lang=zh&next=/firm/clients/{id}"));
    // Without the token of the session, or from elsewhere, nothing is done.
    let (own, foreign) = (firm.csrf().await, other.csrf().await);
    for path in [steps[0].as_str(), &steps[1], HERE] {
        for csrf in ["", foreign.as_str()] {
            firm.send_bare(path, &[&[("csrf", csrf)], &form[..]].concat(), SAME_SITE).await.expect(403);
        }
        let right = [&[("csrf", own.as_str())], &form[..]].concat();
        firm.send_bare(path, &right, ("sec-fetch-site", "cross-site")).await.expect(403);
    }
    let known = app.get_as("/api/v1/firms/me/clients", &firm.token).await.expect(200).json();
    assert_eq!((known["total"].as_i64(), known["items"][0]["status"].as_str()), (Some(1), Some("active")));
    app.client_token(&id, &key, None).await;
}
