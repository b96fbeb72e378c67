//! Agreements that both sides sign and anybody can check.

use std::path::Path;
use std::process::Command;

use diesel::prelude::*;
use qingdan::access::agreements::{Verdict, countersign_earlier, verify};
use qingdan::crypto::{sha256_hex, unbase64url};
use qingdan::db::schema::{agreements, clients, lockouts};
use qingdan::identity::jwk::PublicKey;
use qingdan::identity::keys;
use serde_json::{Value, json};

use crate::second_factor::{code, forget_steps};
use crate::support::{Answer, Firm, KeyPair, TestApp};

const KEYS: &str = "/api/v1/agreements/keys";

/// What the person of a firm has to confirm with.
struct Factor {
    secret: String,
    recovery: Vec<String>,
}

async fn enrol(app: &TestApp, firm: &Firm) -> Factor {
    const BASE: &str = "/api/v1/people/me/second-factor";
    let begun = app.post_as(BASE, &firm.person, &json!({ "password": "the firm's password" })).await.expect(201).json();
    let secret = begun["secret"].as_str().unwrap().to_owned();
    let body = json!({ "code": code(&secret) });
    let confirmed = app.post_as(&format!("{BASE}/confirmation"), &firm.person, &body).await.expect(200).json();
    forget_steps(&app.app);
    let recovery = confirmed["recovery_codes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned()).collect();
    Factor { secret, recovery }
}

async fn confirm(app: &TestApp, token: &str, agreement: &Value, code: &str) -> Answer {
    let path = format!("/api/v1/agreements/{}/confirmation", agreement["id"].as_str().unwrap());
    app.post_as(&path, token, &json!({ "sha256": agreement["sha256"], "code": code })).await
}

fn bundle_path(agreement: &Value) -> String {
    format!("/api/v1/agreements/{}/bundle", agreement["id"].as_str().unwrap())
}

async fn bundle(app: &TestApp, firm: &Firm, agreement: &Value) -> Value {
    app.get_as(&bundle_path(agreement), &firm.token).await.expect(200).json()
}

fn parts(jws: &Value) -> (Value, Value) {
    let part = |at| serde_json::from_slice(&unbase64url(jws.as_str().unwrap().split('.').nth(at).unwrap()).unwrap()).unwrap();
    (part(0), part(1))
}

async fn uscc(app: &TestApp, firm: &Firm) -> Value {
    app.get_as("/api/v1/firms/me", &firm.token).await.expect(200).json()["uscc"].clone()
}

/// The entries of that kind, newest last: their details.
async fn entries(app: &TestApp, kind: &str) -> Vec<Value> {
    let operator = app.operator().await;
    let page = app.get_as("/api/v1/ledger/entries?limit=1000", &operator.token).await.expect(200).json();
    let of_kind = page["items"].as_array().unwrap().iter().filter(|entry| entry["kind"] == kind);
    of_kind.map(|entry| serde_json::from_str(entry["detail_json"].as_str().unwrap()).unwrap()).collect()
}

#[track_caller]
fn faults(bundle: &Value, keys: Option<&str>) -> Vec<String> {
    match verify(&bundle.to_string(), keys).unwrap() {
        Verdict::Broken(faults) => faults,
        Verdict::Holds { .. } => panic!("it holds: {bundle}"),
    }
}

#[tokio::test]
async fn a_signature_is_countersigned_and_both_are_in_the_bundle() {
    let app = TestApp::spawn().await;
    let firm = app.firm().await;
    let agreement = app.drawn_agreement(&firm).await;
    let path = bundle_path(&agreement);
    let problem = app.get_as(&path, &firm.token).await.problem(409, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains("not signed yet"), "{problem}");
    let signed = app.sign(&firm, &agreement).await.expect(200).json();
    let countersignature = &signed["agreement"]["countersignature"];
    let keys = app.get(KEYS).await.expect(200);
    assert_eq!(keys.header("content-type"), "application/jwk-set+json");
    assert_eq!(keys.header("cache-control"), "public, max-age=300");
    let published = keys.json();
    let key = &published["keys"][0];
    assert_eq!((published["keys"].as_array().unwrap().len(), &key["alg"], &key["use"]), (1, &json!("EdDSA"), &json!("sig")), "{key}");

    let (header, said) = parts(countersignature);
    assert_eq!(header, json!({ "typ": "agreement+jws", "alg": "EdDSA", "kid": key["kid"] }));
    let iat = said["iat"].as_i64().unwrap();
    assert!((chrono::Utc::now().timestamp() - iat).abs() < 60);
    let jkt = PublicKey::parse("", &firm.key.jwk).unwrap().thumbprint();
    let firm_uscc = uscc(&app, &firm).await;
    let publishers = app.get("/api/v1/publishers").await.expect(200).json();
    let publisher = publishers["items"].as_array().unwrap().iter().find(|known| known["slug"] == "xuhui-health").unwrap().clone();
    let mut wanted = json!({
        "iss": app.app.issuer, "iat": iat, "agreement": agreement["id"], "agreement_sha256": agreement["sha256"], "firm_uscc": firm_uscc,
        "publisher": "xuhui-health", "grant": signed["grant"]["id"], "firm_signature": signed["agreement"]["signature"],
        "client_id": firm.client_id, "firm_jkt": jkt,
    });
    if let Some(uscc) = publisher.get("uscc") {
        wanted["publisher_uscc"] = uscc.clone();
    }
    assert_eq!(said, wanted);

    let answer = app.get_as(&path, &firm.token).await.expect(200);
    let name = format!("attachment; filename=\"agreement-{}.json\"", agreement["id"].as_str().unwrap());
    assert_eq!((answer.header("content-disposition"), answer.header("content-type")), (name.as_str(), "application/json"));
    let wanted = json!({
        "agreement": agreement["id"], "text": agreement["text"], "sha256": agreement["sha256"], "countersignature": countersignature,
        "firm": {
            "uscc": firm_uscc, "client_id": firm.client_id, "public_jwk": firm.key.jwk, "signature": signed["agreement"]["signature"],
        },
        "keys": published,
    });
    assert_eq!(answer.json(), wanted);
    assert!(matches!(verify(&answer.text(), Some(&keys.text())).unwrap(), Verdict::Holds { .. }));

    let signed_entry = &entries(&app, "agreement.signed").await[0];
    assert_eq!((&signed_entry["method"], &signed_entry["client"]), (&json!("jws"), &json!(firm.client_id)));
    let digest = sha256_hex(countersignature.as_str().unwrap().as_bytes());
    let wanted = json!({
        "kid": key["kid"], "sha256": agreement["sha256"], "grant": signed["grant"]["id"], "countersignature_sha256": digest,
    });
    assert_eq!(entries(&app, "agreement.countersigned").await, [wanted]);
}

#[tokio::test]
async fn a_bundle_stays_the_same_when_the_client_the_firm_and_the_key_have_gone() {
    let app = TestApp::spawn().await;
    let firm = app.firm().await;
    let agreement = app.drawn_agreement(&firm).await;
    app.sign(&firm, &agreement).await.expect(200);
    let path = bundle_path(&agreement);
    let before = app.get_as(&path, &firm.token).await.expect(200).body;
    let (operator, reason) = (app.operator().await.token, json!({ "reason": "an incident" }));
    app.post_as(&format!("/api/v1/admin/clients/{}/revocation", firm.client_id), &operator, &reason).await.expect(200);
    app.post_as(&format!("/api/v1/admin/firms/{}/revocation", firm.id), &operator, &reason).await.expect(200);
    let forgotten = clients::public_jwk_json.eq(None::<String>);
    app.app.db.write_now(|conn| Ok(diesel::update(clients::table.find(&firm.client_id)).set(forgotten).execute(conn)?)).unwrap();
    let master = app.app.master.clone();
    app.app.db.write_now(|conn| keys::agreements::rotate(conn, &master, "service")).unwrap();
    assert_eq!(app.get_as(&path, &operator).await.expect(200).body, before);
    let published = app.get(KEYS).await.expect(200);
    assert_eq!(published.json()["keys"].as_array().unwrap().len(), 2);
    assert!(matches!(verify(std::str::from_utf8(&before).unwrap(), Some(&published.text())).unwrap(), Verdict::Holds { .. }));
    // The keys of tokens are others, and know nothing of these.
    let tokens = app.get("/.well-known/jwks.json").await.expect(200).text();
    assert!(published.json()["keys"].as_array().unwrap().iter().all(|key| !tokens.contains(key["x"].as_str().unwrap())));
}

#[tokio::test]
async fn a_person_confirms_with_a_second_factor() {
    let app = TestApp::spawn().await;
    let firm = app.firm().await;
    let factor = enrol(&app, &firm).await;
    let agreement = app.drawn_agreement(&firm).await;
    let signed = confirm(&app, &firm.person, &agreement, &code(&factor.secret)).await.expect(200).json();
    let found = &signed["agreement"];
    assert_eq!((&found["status"], &found["signature"], &found["signed_by"]), (&json!("signed"), &Value::Null, &Value::Null));
    let me = app.get_as("/api/v1/people/me", &firm.person).await.expect(200).json();
    let confirmation = json!({ "method": "totp", "person": me["id"], "at": found["signed_at"] });
    assert_eq!(found["confirmation"], confirmation);
    let (_, said) = parts(&found["countersignature"]);
    assert_eq!((&said["confirmation"], said.get("client_id"), said.get("firm_signature")), (&confirmation, None, None));
    let answer = bundle(&app, &firm, &agreement).await;
    assert_eq!(answer["firm"], json!({ "uscc": uscc(&app, &firm).await, "confirmation": confirmation }));
    let keys = app.get(KEYS).await.expect(200).text();
    assert!(matches!(verify(&answer.to_string(), Some(&keys)).unwrap(), Verdict::Holds { .. }));
    let wanted = json!({ "method": "totp", "person": me["id"], "sha256": agreement["sha256"] });
    assert_eq!(entries(&app, "agreement.signed").await, [wanted]);
    // The grant gives what one gives that was signed with a key.
    let token = app.client_token(&firm.client_id, &firm.key, signed["grant"]["id"].as_str()).await;
    app.get_as("/api/v1/datasets/community-health-visits/rows?limit=1", &token).await.expect(200);
    confirm(&app, &firm.person, &agreement, &factor.recovery[0]).await.problem(409, "conflict");
    app.sign(&firm, &agreement).await.problem(409, "conflict");

    // A code of paper is said to be one, and who signs with a key does not confirm too.
    let second = app.drawn_agreement(&firm).await;
    let signed = confirm(&app, &firm.person, &second, &factor.recovery[0].to_uppercase()).await.expect(200).json();
    assert_eq!(signed["agreement"]["confirmation"]["method"], "recovery_code");
    let third = app.drawn_agreement(&firm).await;
    app.sign(&firm, &third).await.expect(200);
    confirm(&app, &firm.person, &third, &factor.recovery[1]).await.problem(409, "conflict");
}

#[tokio::test]
async fn nobody_else_confirms_and_no_other_text() {
    let app = TestApp::spawn().await;
    let (firm, other) = (app.firm().await, app.firm().await);
    let agreement = app.drawn_agreement(&firm).await;
    let problem = confirm(&app, &firm.person, &agreement, "123456").await.problem(409, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains("/account"), "a person without a second factor: {problem}");
    let (factor, others) = (enrol(&app, &firm).await, enrol(&app, &other).await);
    confirm(&app, &other.person, &agreement, &others.recovery[0]).await.problem(404, "not-found");
    confirm(&app, &firm.token, &agreement, &factor.recovery[0]).await.problem(403, "forbidden");
    confirm(&app, &app.operator().await.token, &agreement, &factor.recovery[0]).await.problem(403, "forbidden");
    confirm(&app, &firm.person, &agreement, &others.recovery[0]).await.problem(400, "invalid-value");
    let mut changed = agreement.clone();
    changed["sha256"] = json!(sha256_hex(b"another text"));
    let problem = confirm(&app, &firm.person, &changed, &factor.recovery[0]).await.problem(400, "invalid-value");
    assert_eq!(problem["errors"][0]["pointer"], "/sha256");
    let operator = app.operator().await.token;
    app.suspend(&format!("/api/v1/admin/firms/{}", firm.id)).await;
    confirm(&app, &firm.person, &agreement, &factor.recovery[0]).await.problem(403, "forbidden");
    let reason = json!({ "reason": "papers are in order" });
    app.post_as(&format!("/api/v1/admin/firms/{}/resumption", firm.id), &operator, &reason).await.expect(200);
    // None of these refusals used the code up.
    confirm(&app, &firm.person, &agreement, &factor.recovery[0]).await.expect(200);
}

#[tokio::test]
async fn wrong_codes_are_counted_and_lock() {
    let app = TestApp::spawn().await;
    let firm = app.firm().await;
    let factor = enrol(&app, &firm).await;
    let agreement = app.drawn_agreement(&firm).await;
    let failures =
        || -> Option<i32> { app.app.db.read_now(|conn| Ok(lockouts::table.select(lockouts::failures).first(conn).optional()?)).unwrap() };
    let problem = confirm(&app, &firm.person, &agreement, "not one").await.problem(400, "invalid-value");
    assert_eq!((&problem["errors"][0]["pointer"], failures()), (&json!("/code"), Some(1)));
    assert_eq!(entries(&app, "second_factor.refused").await.len(), 1);
    let many = lockouts::failures.eq(13);
    app.app.db.write_now(|conn| Ok(diesel::update(lockouts::table).set(many).execute(conn)?)).unwrap();
    confirm(&app, &firm.person, &agreement, "not one").await.problem(400, "invalid-value");
    let locked = confirm(&app, &firm.person, &agreement, &factor.recovery[0]).await;
    assert!(!locked.header("retry-after").is_empty());
    locked.problem(429, "rate-limited");
    assert_eq!(
        app.get_as(&format!("/api/v1/agreements/{}", agreement["id"].as_str().unwrap()), &firm.token).await.json()["status"],
        "drawn"
    );
    app.app.db.write_now(|conn| Ok(diesel::delete(lockouts::table).execute(conn)?)).unwrap();
    confirm(&app, &firm.person, &agreement, &factor.recovery[0]).await.expect(200);
}

#[tokio::test]
async fn of_two_at_the_same_time_one_signs() {
    let app = TestApp::spawn().await;
    let firm = app.firm().await;
    let factor = enrol(&app, &firm).await;
    let agreement = app.drawn_agreement(&firm).await;
    let one = |at: usize| confirm(&app, &firm.person, &agreement, &factor.recovery[at]);
    let answers = futures::join!(one(0), one(1), one(2), app.sign(&firm, &agreement));
    let mut statuses = [&answers.0, &answers.1, &answers.2, &answers.3].map(|answer| answer.status.as_u16());
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409, 409]);
    assert_eq!((entries(&app, "agreement.signed").await.len(), entries(&app, "agreement.countersigned").await.len()), (1, 1));
    // The codes of those who came too late are not used up.
    let by_code = u64::from(answers.3.status.as_u16() != 200);
    let left = app.get_as("/api/v1/people/me/second-factor", &firm.person).await.expect(200).json()["recovery_codes_left"].as_u64();
    assert_eq!(left, Some(10 - by_code));
}

#[tokio::test]
async fn every_change_of_a_bundle_is_named() {
    let app = TestApp::spawn().await;
    let (firm, other) = (app.firm().await, app.firm().await);
    let (first, second) = (app.drawn_agreement(&firm).await, app.drawn_agreement(&firm).await);
    let foreign = app.drawn_agreement(&other).await;
    app.sign(&firm, &first).await.expect(200);
    app.sign(&firm, &second).await.expect(200);
    app.sign(&other, &foreign).await.expect(200);
    let good = bundle(&app, &firm, &first).await;
    let (second, foreign) = (bundle(&app, &firm, &second).await, bundle(&app, &other, &foreign).await);
    let keys = app.get(KEYS).await.expect(200).text();
    let check = |change: &dyn Fn(&mut Value), wanted: &[&str]| {
        let mut changed = good.clone();
        change(&mut changed);
        for keys in [None, Some(keys.as_str())] {
            let found = faults(&changed, keys);
            let starts: Vec<&str> = found.iter().map(|fault| fault.split(':').next().unwrap()).collect();
            assert_eq!(starts, wanted, "{found:#?}");
        }
    };
    assert!(matches!(verify(&good.to_string(), Some(&keys)).unwrap(), Verdict::Holds { .. }));
    // One byte of the text; and with its SHA-256 too.
    check(&|it| it["text"] = json!(it["text"].as_str().unwrap().replacen("30 ", "31 ", 1)), &["/text"]);
    let both = |it: &mut Value| {
        it["text"] = json!(it["text"].as_str().unwrap().replacen("30 ", "31 ", 1));
        it["sha256"] = json!(sha256_hex(it["text"].as_str().unwrap().as_bytes()));
    };
    check(&both, &["/firm/signature", "/sha256"]);
    // Even with a signature of the firm's that holds.
    let signed_anew = |it: &mut Value| {
        both(it);
        it["firm"]["signature"] = json!(firm.key.sign_detached(it["sha256"].as_str().unwrap()));
    };
    check(&signed_anew, &["/sha256", "/firm/signature"]);
    // Another key of the firm's, another's signature, another countersignature, another firm.
    check(&|it| it["firm"]["public_jwk"] = KeyPair::ed25519().jwk, &["/firm/signature", "/firm/public_jwk"]);
    check(&|it| it["firm"]["signature"] = second["firm"]["signature"].clone(), &["/firm/signature", "/firm/signature"]);
    check(&|it| it["firm"]["client_id"] = json!("somebody"), &["/firm/client_id"]);
    check(&|it| it["countersignature"] = second["countersignature"].clone(), &["/agreement", "/sha256", "/firm/signature"]);
    let of_other = ["/firm/uscc", "/firm/signature", "/firm/uscc", "/firm/client_id", "/firm/public_jwk", "/firm/signature"];
    check(&|it| it["firm"] = foreign["firm"].clone(), &of_other);
    check(
        &|it| it["firm"] = json!({ "uscc": it["firm"]["uscc"], "confirmation": { "method": "totp", "person": "a", "at": "b" } }),
        &["/firm/client_id", "/firm/public_jwk", "/firm/signature", "/firm/confirmation"],
    );
    check(&|it| it["agreement"] = second["agreement"].clone(), &["/agreement", "/agreement"]);
    check(&|it| it["keys"]["keys"][0]["kid"] = json!("another"), &["/keys"]);
    check(&|it| it["keys"]["keys"] = json!([]), &["/keys"]);
    check(&|it| it["keys"]["keys"].as_array_mut().unwrap().push(good["keys"]["keys"][0].clone()), &["/keys"]);
    let payload = |it: &mut Value| {
        let [header, _, signature] =
            <[&str; 3]>::try_from(it["countersignature"].as_str().unwrap().split('.').collect::<Vec<_>>()).unwrap();
        it["countersignature"] = json!(format!("{header}.e30.{signature}"));
    };
    check(&payload, &["/countersignature"]);
}

#[tokio::test]
async fn a_bundle_of_somebody_who_plays_the_service_holds_under_its_own_key_only() {
    let app = TestApp::spawn().await;
    let firm = app.firm().await;
    let agreement = app.drawn_agreement(&firm).await;
    app.sign(&firm, &agreement).await.expect(200);
    let good = bundle(&app, &firm, &agreement).await;
    let keys = app.get(KEYS).await.expect(200).text();
    let forger = KeyPair::ed25519();
    let forge = |kid: &Value, typ: &str| {
        let mut header = jsonwebtoken::Header::new(forger.algorithm);
        (header.typ, header.kid) = (Some(typ.to_owned()), kid.as_str().map(str::to_owned));
        let mut forged = good.clone();
        forged["countersignature"] = json!(jsonwebtoken::encode(&header, &parts(&good["countersignature"]).1, &forger.encoding).unwrap());
        forged["keys"]["keys"][0] = forger.jwk.clone();
        forged["keys"]["keys"][0]["kid"] = kid.clone();
        forged
    };
    let named = forge(&json!("mine"), "agreement+jws");
    assert!(matches!(verify(&named.to_string(), None).unwrap(), Verdict::Holds { .. }));
    assert!(faults(&named, Some(&keys))[0].starts_with("/keys: the key mine that countersigned is not among"));
    let same = forge(&good["keys"]["keys"][0]["kid"], "agreement+jws");
    assert!(faults(&same, Some(&keys))[0].contains("is another one than that of the same name"));
    assert!(faults(&forge(&json!("mine"), "at+jwt"), None)[0].contains("of the type agreement+jws"));
}

fn run(dir: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qingdan"));
    let done = command.args(["agreement", "verify"]).args(arguments).current_dir(dir).env_clear().output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (done.status.code(), text(done.stdout), text(done.stderr))
}

#[tokio::test]
async fn the_program_checks_a_bundle_where_there_is_nothing_else() {
    let app = TestApp::spawn().await;
    let firm = app.firm().await;
    let factor = enrol(&app, &firm).await;
    let (signed, confirmed) = (app.drawn_agreement(&firm).await, app.drawn_agreement(&firm).await);
    app.sign(&firm, &signed).await.expect(200);
    confirm(&app, &firm.person, &confirmed, &factor.recovery[0]).await.expect(200);
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &[u8]| std::fs::write(dir.path().join(name), content).unwrap();
    let good = app.get_as(&bundle_path(&signed), &firm.token).await.expect(200);
    write("good.json", &good.body);
    write("confirmed.json", &app.get_as(&bundle_path(&confirmed), &firm.token).await.expect(200).body);
    write("changed.json", good.text().replacen("30 ", "31 ", 1).as_bytes());
    write("more.json", good.text().replacen('{', "{\"void\":true,", 1).as_bytes());
    write("twice.json", good.text().replacen('{', "{\"text\":\"\",", 1).as_bytes());
    write("keys.json", &app.get(KEYS).await.expect(200).body);
    write("others.json", &app.get("/.well-known/jwks.json").await.expect(200).body);

    let (status, out, _) = run(dir.path(), &["good.json"]);
    assert_eq!(status, Some(0), "{out}");
    assert!(out.contains(signed["id"].as_str().unwrap()) && out.contains(&firm.client_id), "{out}");
    assert!(out.contains("the bundle's own and is believed because the bundle says so"), "{out}");
    let (status, out, _) = run(dir.path(), &["good.json", "--keys", "keys.json"]);
    assert_eq!(status, Some(0), "{out}");
    assert!(out.contains("it is among the keys that you gave") && !out.contains("bundle's own"), "{out}");
    let (status, out, _) = run(dir.path(), &["confirmed.json", "--keys", "keys.json"]);
    assert_eq!(status, Some(0), "{out}");
    assert!(out.contains("with no signature of its own") && out.contains("recovery_code"), "{out}");
    let (status, out, _) = run(dir.path(), &["changed.json", "--keys", "keys.json"]);
    assert_eq!(status, Some(1), "{out}");
    assert!(out.starts_with("the agreement does not hold:\n/text: the text was changed"), "{out}");
    let (status, out, _) = run(dir.path(), &["good.json", "--keys", "others.json"]);
    assert_eq!(status, Some(1), "{out}");
    for arguments in [&["none.json"][..], &["keys.json"], &["more.json"], &["twice.json"], &["good.json", "--keys", "good.json"], &[]] {
        let (status, out, error) = run(dir.path(), arguments);
        assert_eq!((status, out.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(!error.is_empty());
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 7, "it makes no files");
}

#[tokio::test]
async fn what_was_signed_before_is_countersigned_once() {
    let app = TestApp::spawn().await;
    let firm = app.firm().await;
    let agreement = app.drawn_agreement(&firm).await;
    app.sign(&firm, &agreement).await.expect(200);
    let none = agreements::countersignature.eq(None::<String>);
    app.app.db.write_now(|conn| Ok(diesel::update(agreements::table).set(none).execute(conn)?)).unwrap();
    app.get_as(&bundle_path(&agreement), &firm.token).await.problem(409, "conflict");
    let earlier = || app.app.db.write_now(|conn| countersign_earlier(conn, &app.app.agreement_key)).unwrap();
    assert_eq!((earlier(), earlier()), (1, 0));
    let keys = app.get(KEYS).await.expect(200).text();
    assert!(matches!(verify(&bundle(&app, &firm, &agreement).await.to_string(), Some(&keys)).unwrap(), Verdict::Holds { .. }));
}
