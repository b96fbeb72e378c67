//! Callers of every kind, made through the API as they would make themselves.

use std::sync::atomic::{AtomicU32, Ordering};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use qingdan::crypto::base64url;
use serde_json::{Value, json};

use super::{Answer, OPERATOR_PASSWORD, Service};

static COUNTER: AtomicU32 = AtomicU32::new(1);

fn next() -> u32 {
    COUNTER.fetch_add(1, Ordering::Relaxed)
}

/// A made-up 统一社会信用代码 with both check digits right.
pub fn uscc() -> String {
    const ALPHABET: &[u8] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
    let organisation = format!("MA1{:05}", next());
    let value = |byte: u8| if byte.is_ascii_digit() { u32::from(byte - b'0') } else { u32::from(byte - b'A') + 10 };
    let sum: u32 = organisation.bytes().zip([3, 7, 9, 10, 5, 8, 4, 2]).map(|(byte, weight)| value(byte) * weight).sum();
    let check = match 11 - sum % 11 {
        10 => 'X',
        11 => '0',
        digit => char::from_digit(digit, 10).unwrap(),
    };
    let body = format!("91310104{organisation}{check}");
    let weighted: usize = body
        .bytes()
        .enumerate()
        .map(|(at, byte)| ALPHABET.iter().position(|known| *known == byte).unwrap() * (0..at).fold(1, |weight, _| weight * 3 % 31))
        .sum();
    format!("{body}{}", char::from(ALPHABET[(31 - weighted % 31) % 31]))
}

/// A client's key pair.
pub struct KeyPair {
    pub algorithm: Algorithm,
    pub encoding: EncodingKey,
    pub jwk: Value,
}

impl KeyPair {
    pub fn ed25519() -> Self {
        let document = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(document.as_ref()).unwrap();
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": base64url(pair.public_key().as_ref()) });
        KeyPair { algorithm: Algorithm::EdDSA, encoding: EncodingKey::from_ed_der(document.as_ref()), jwk }
    }

    pub fn p256() -> Self {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref()).unwrap();
        let point = pair.public_key().as_ref().to_vec();
        let jwk = json!({ "kty": "EC", "crv": "P-256", "x": base64url(&point[1..33]), "y": base64url(&point[33..]) });
        KeyPair { algorithm: Algorithm::ES256, encoding: EncodingKey::from_ec_der(document.as_ref()), jwk }
    }

    pub fn sign(&self, claims: &Value) -> String {
        encode(&Header::new(self.algorithm), claims, &self.encoding).unwrap()
    }

    /// A JWT with a header of its own, which may say what it likes.
    pub fn sign_with(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", base64url(header.to_string().as_bytes()), base64url(claims.to_string().as_bytes()));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &self.encoding, self.algorithm).unwrap();
        format!("{message}.{signature}")
    }

    /// A detached JWS over `payload`.
    pub fn sign_detached(&self, payload: &str) -> String {
        self.sign_detached_with(&json!({ "alg": format!("{:?}", self.algorithm) }), payload)
    }

    /// The same with a header of its own.
    pub fn sign_detached_with(&self, header: &Value, payload: &str) -> String {
        let header = base64url(header.to_string().as_bytes());
        let message = format!("{header}.{}", base64url(payload.as_bytes()));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &self.encoding, self.algorithm).unwrap();
        format!("{header}..{signature}")
    }
}

/// The claims of a client assertion that is right in every way.
pub fn assertion_claims(service: &Service, client_id: &str) -> Value {
    let now = chrono::Utc::now().timestamp();
    json!({ "iss": client_id, "sub": client_id, "aud": service.url, "iat": now, "exp": now + 120, "jti": uuid::Uuid::new_v4().to_string() })
}

/// A person who is logged in.
pub struct Person {
    pub token: String,
}

/// A firm with its person and a client with an Ed25519 key.
pub struct Firm {
    pub id: String,
    pub person: String,
    pub client_id: String,
    pub key: KeyPair,
    /// A token of the client for no grant.
    pub token: String,
}

/// A grant and a token for it.
pub struct GrantOf {
    pub id: String,
    pub token: String,
}

/// What the shipped conditional dataset's offer asks for.
pub const SAFEGUARDS: [&str; 6] =
    ["encryption_at_rest", "encryption_in_transit", "access_log", "least_privilege", "isolated_environment", "named_officer"];

/// The fields that the shipped conditional dataset lets go.
pub const VISIT_FIELDS: [&str; 5] = ["resident_id", "birth_date", "subdistrict_code", "diagnosis_group", "cost_cny"];

impl Service {
    pub async fn login(&self, username: &str, password: &str) -> Answer {
        self.post("/api/v1/sessions", &json!({ "username": username, "password": password })).await
    }

    async fn session(&self, username: &str, password: &str) -> String {
        let session = self.login(username, password).await.expect(201).json();
        session["token"].as_str().unwrap().to_owned()
    }

    pub async fn operator(&self) -> Person {
        Person { token: self.session("operator", OPERATOR_PASSWORD).await }
    }

    /// A person who never logged in: id, username and one-time password.
    pub async fn new_person(&self, roles: &[&str], publisher: Option<&str>) -> (String, String, String) {
        let operator = self.operator().await;
        let username = format!("person{}", next());
        let body = json!({ "username": username, "display_name": "A person", "roles": roles, "publisher": publisher });
        let created = self.post_as("/api/v1/admin/people", &operator.token, &body).await.expect(201).json();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&created["person"]["id"]), username, text(&created["one_time_password"]))
    }

    /// A person with roles, whose one-time password is changed already.
    pub async fn staff(&self, roles: &[&str], publisher: Option<&str>) -> Person {
        let (_, username, one_time) = self.new_person(roles, publisher).await;
        let token = self.session(&username, &one_time).await;
        let change = json!({ "current": one_time, "new": "a password of their own" });
        self.send(reqwest::Method::PUT, "/api/v1/people/me/password", Some(&token), Some(&change), &[]).await.expect(204);
        Person { token }
    }

    pub fn registration(&self) -> Value {
        let number = next();
        json!({
            "name": format!("测试企业{number}"), "uscc": uscc(),
            "contact": { "name": "Contact", "email": "contact@example.org" },
            "account": { "username": format!("firm{number}"), "password": "the firm's password" },
        })
    }

    /// A firm that has registered and waits: its id and its person's token.
    pub async fn pending_firm(&self) -> (String, String) {
        let body = self.registration();
        let registered = self.post("/api/v1/firms", &body).await.expect(201).json();
        let person = self.session(body["account"]["username"].as_str().unwrap(), "the firm's password").await;
        (registered["firm"]["id"].as_str().unwrap().to_owned(), person)
    }

    pub async fn approve_firm(&self, id: &str) {
        let operator = self.operator().await;
        let body = json!({ "approve": true, "reason": "papers are in order" });
        self.post_as(&format!("/api/v1/admin/firms/{id}/decision"), &operator.token, &body).await.expect(200);
    }

    /// Suspends a firm, a client or a grant at that address.
    pub async fn suspend(&self, path: &str) {
        let operator = self.operator().await;
        self.post_as(&format!("{path}/suspension"), &operator.token, &json!({ "reason": "an incident" })).await.expect(200);
    }

    pub async fn firm(&self) -> Firm {
        let (id, person) = self.pending_firm().await;
        self.approve_firm(&id).await;
        let key = KeyPair::ed25519();
        let client_id = self.register_client(&person, &key).await;
        let token = self.client_token(&client_id, &key, None).await;
        Firm { id, person, client_id, key, token }
    }

    pub async fn register_client(&self, person: &str, key: &KeyPair) -> String {
        let body = json!({ "name": "a client", "public_jwk": key.jwk });
        let client = self.post_as("/api/v1/firms/me/clients", person, &body).await.expect(201).json();
        client["id"].as_str().unwrap().to_owned()
    }

    pub async fn assert(&self, assertion: &str, grant: Option<&str>) -> Answer {
        let details = grant.map(|grant| json!([{ "type": "qingdan_grant", "grant": grant }]).to_string());
        let mut fields = vec![
            ("grant_type", "client_credentials"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion),
        ];
        if let Some(details) = &details {
            fields.push(("authorization_details", details));
        }
        self.form("/oauth2/token", &fields, &[]).await
    }

    pub async fn client_token(&self, client_id: &str, key: &KeyPair, grant: Option<&str>) -> String {
        let answer = self.assert(&key.sign(&assertion_claims(self, client_id)), grant).await.expect(200).json();
        answer["access_token"].as_str().unwrap().to_owned()
    }

    pub fn application(&self) -> Value {
        json!({
            "dataset": "community-health-visits", "purpose": "to test a model of visits", "purposes": ["evaluation"], "fields": VISIT_FIELDS,
            "modes": ["download", "api"], "term_days": 30, "safeguards": "encrypted disks, two people",
            "safeguards_met": SAFEGUARDS,
        })
    }

    pub async fn apply(&self, token: &str) -> String {
        let application = self.post_as("/api/v1/applications", token, &self.application()).await.expect(201).json();
        application["id"].as_str().unwrap().to_owned()
    }

    /// A draft of an application.
    pub async fn draft(&self, token: &str) -> String {
        let draft = self.post_as("/api/v1/applications?draft=true", token, &self.application()).await.expect(201).json();
        draft["id"].as_str().unwrap().to_owned()
    }

    /// Attaches a document to an application.
    pub async fn attach(&self, token: &str, application: &str, name: &str, media_type: &str, bytes: &[u8]) -> Answer {
        let path = super::with_query(&format!("/api/v1/applications/{application}/attachments"), &[("name", name)]);
        self.bytes(reqwest::Method::POST, &path, token, bytes, &[("content-type", media_type)]).await
    }

    /// A draft with a document: the ids of both.
    pub async fn draft_with_attachment(&self, firm: &Firm) -> (String, String) {
        let id = self.draft(&firm.token).await;
        let attached = self.attach(&firm.token, &id, "safeguards.txt", "text/plain", b"how the data is kept safe").await.expect(201).json();
        (id, attached["id"].as_str().unwrap().to_owned())
    }

    /// An application with which a reviewer has done these steps.
    pub async fn apply_and(&self, firm: &Firm, steps: &[(&str, Value)]) -> String {
        let id = self.apply(&firm.token).await;
        let reviewer = self.staff(&["reviewer"], None).await;
        for (step, body) in steps {
            self.post_as(&format!("/api/v1/applications/{id}/{step}"), &reviewer.token, body).await.expect(200);
        }
        id
    }

    /// Approves an application; answers the agreement.
    pub async fn approve(&self, application: &str) -> Value {
        let reviewer = self.staff(&["reviewer"], None).await;
        let body = self.approval(&reviewer, application).await;
        let path = format!("/api/v1/applications/{application}/decision");
        self.post_as(&path, &reviewer.token, &body).await.expect(200).json()["agreement"].clone()
    }

    /// What a reviewer says who approves an application, after a look at what that would release.
    pub async fn approval(&self, reviewer: &Person, application: &str) -> Value {
        let report = self.report(reviewer, application).await.expect(201).json();
        json!({ "approve": true, "reason": "purpose and safeguards are sound", "report_sha256": report["sha256"] })
    }

    /// Has a reviewer try out an application.
    pub async fn report(&self, reviewer: &Person, application: &str) -> Answer {
        self.post_as(&format!("/api/v1/applications/{application}/reports"), &reviewer.token, &json!({})).await
    }

    pub async fn drawn_agreement(&self, firm: &Firm) -> Value {
        self.drawn_agreement_for(firm, &self.application()).await
    }

    pub async fn drawn_agreement_for(&self, firm: &Firm, application: &Value) -> Value {
        let application = self.post_as("/api/v1/applications", &firm.token, application).await.expect(201).json();
        self.approve(application["id"].as_str().unwrap()).await
    }

    pub async fn sign(&self, firm: &Firm, agreement: &Value) -> Answer {
        let body = signature_body(firm, agreement);
        self.post_as(&format!("/api/v1/agreements/{}/signature", agreement["id"].as_str().unwrap()), &firm.token, &body).await
    }

    /// The whole way from application to a token for the grant.
    pub async fn grant(&self, firm: &Firm) -> GrantOf {
        self.grant_for(firm, &self.application()).await
    }

    /// The same with an application of its own.
    pub async fn grant_for(&self, firm: &Firm, application: &Value) -> GrantOf {
        let agreement = self.drawn_agreement_for(firm, application).await;
        let signed = self.sign(firm, &agreement).await.expect(200).json();
        let id = signed["grant"]["id"].as_str().unwrap().to_owned();
        let token = self.client_token(&firm.client_id, &firm.key, Some(&id)).await;
        GrantOf { id, token }
    }
}

pub fn signature_body(firm: &Firm, agreement: &Value) -> Value {
    json!({ "client_id": firm.client_id, "signature": firm.key.sign_detached(agreement["sha256"].as_str().unwrap()) })
}
