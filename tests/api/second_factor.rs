//! The second factor: codes of an app, recovery codes, and the roles that must have one.

use chrono::NaiveDateTime;
use diesel::prelude::*;
use qingdan::app::App;
use qingdan::db::schema::{lockouts, second_factors};
use qingdan::identity::second_factor;
use serde_json::{Value, json};
use totp_rs::{Builder, Secret};

use crate::support::{OPERATOR_PASSWORD, TestApp};

const BASE: &str = "/api/v1/people/me/second-factor";
const PASSWORD: &str = "a password of their own";

/// A person with a second factor.
struct Enrolled {
    id: String,
    username: String,
    token: String,
    secret: String,
    recovery: Vec<String>,
}

/// The code of this moment.
pub fn code(secret: &str) -> String {
    let secret = Secret::try_from_base32(secret).unwrap();
    Builder::new().with_secret(secret).with_account_name("a").build().unwrap().generate_current().to_string()
}

/// Codes are used once, and a test does not wait for the next: it forgets that one was used.
pub fn forget_steps(app: &App) {
    app.db.write_now(|conn| Ok(diesel::update(second_factors::table).set(second_factors::last_step.eq(0)).execute(conn)?)).unwrap();
}

async fn enrol(app: &TestApp) -> Enrolled {
    let (id, username, one_time) = app.new_person(&["auditor"], None).await;
    let token = app.login(&username, &one_time).await.expect(201).json()["token"].as_str().unwrap().to_owned();
    let change = json!({ "current": one_time, "new": PASSWORD });
    app.send(reqwest::Method::PUT, "/api/v1/people/me/password", Some(&token), Some(&change), &[]).await.expect(204);
    let begun = app.post_as(BASE, &token, &json!({ "password": PASSWORD })).await.expect(201).json();
    let secret = begun["secret"].as_str().unwrap().to_owned();
    let body = json!({ "code": code(&secret) });
    let confirmed = app.post_as(&format!("{BASE}/confirmation"), &token, &body).await.expect(200).json();
    let recovery = codes(&confirmed);
    Enrolled { id, username, token, secret, recovery }
}

fn codes(answer: &Value) -> Vec<String> {
    answer["recovery_codes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned()).collect()
}

async fn log_in(app: &TestApp, username: &str, code: &str) -> crate::support::Answer {
    app.post("/api/v1/sessions", &json!({ "username": username, "password": PASSWORD, "code": code })).await
}

#[tokio::test]
async fn a_second_factor_counts_once_a_code_of_it_is_confirmed() {
    let app = TestApp::empty().await;
    let token = app.operator().await.token;
    let (app_ref, token_ref) = (&app, token.as_str());
    let post = |path: &str, body: Value| {
        let path = format!("{BASE}{path}");
        async move { app_ref.post_as(&path, token_ref, &body).await }
    };
    assert_eq!(app.get_as(BASE, &token).await.expect(200).json()["enrolled"], false);
    post("/confirmation", json!({ "code": "123456" })).await.problem(409, "conflict");
    assert_eq!(post("", json!({ "password": "wrong" })).await.problem(400, "invalid-value")["errors"][0]["pointer"], "/password");
    let begun = post("", json!({ "password": OPERATOR_PASSWORD })).await.expect(201).json();
    let secret = begun["secret"].as_str().unwrap();
    assert_eq!(secret.len(), 32, "20 bytes in base32");
    let uri = format!("otpauth://totp/qingdan%20127.0.0.1:operator?secret={secret}&issuer=qingdan%20127.0.0.1");
    assert_eq!(begun["uri"], uri);
    assert!(begun["qr_svg"].as_str().unwrap().starts_with("<svg "), "{begun}");

    // It does not count yet.
    app.operator().await;
    let other = app.operator().await;
    let wrong = if code(secret) == "000000" { "000001" } else { "000000" };
    assert_eq!(post("/confirmation", json!({ "code": wrong })).await.problem(400, "invalid-value")["errors"][0]["pointer"], "/code");
    let used = code(secret);
    let recovery = codes(&post("/confirmation", json!({ "code": used })).await.expect(200).json());
    assert_eq!(recovery.len(), 10);
    // Sessions that were started without it are over.
    app.get_as("/api/v1/people/me", &other.token).await.problem(401, "unauthenticated");
    let state = app.get_as(BASE, &token).await.expect(200).json();
    assert_eq!((&state["enrolled"], &state["recovery_codes_left"], &state["required"]), (&json!(true), &json!(10), &json!(false)));
    app.login("operator", OPERATOR_PASSWORD).await.problem(401, "second-factor-required");
    post("", json!({ "password": OPERATOR_PASSWORD })).await.problem(409, "conflict");

    // What is kept opens with the master key only.
    let sealed: Vec<u8> = app.app.db.read_now(|conn| Ok(second_factors::table.select(second_factors::sealed_secret).first(conn)?)).unwrap();
    let bytes = Secret::try_from_base32(secret).unwrap();
    assert!(!sealed.windows(20).any(|window| window == bytes.as_bytes()));
}

#[tokio::test]
async fn a_secret_that_was_begun_belongs_to_its_session_and_ends_soon() {
    let app = TestApp::empty().await;
    let (one, other) = (app.operator().await.token, app.operator().await.token);
    let begin = async || {
        let begun = app.post_as(BASE, &one, &json!({ "password": OPERATOR_PASSWORD })).await.expect(201).json();
        json!({ "code": code(begun["secret"].as_str().unwrap()) })
    };
    let confirm = async |token: &str, code: &Value| app.post_as(&format!("{BASE}/confirmation"), token, code).await;
    let given = begin().await;
    // Another session has given no password, and learns and does nothing.
    confirm(&other, &given).await.problem(409, "conflict");
    let ten_minutes_ago = qingdan::clock::now_naive() - chrono::Duration::minutes(10);
    let set = second_factors::created_at.eq(ten_minutes_ago);
    app.app.db.write_now(|conn| Ok(diesel::update(second_factors::table).set(set).execute(conn)?)).unwrap();
    confirm(&one, &given).await.problem(409, "conflict");
    let given = begin().await;
    confirm(&one, &given).await.expect(200);
}

#[tokio::test]
async fn a_log_in_takes_each_code_once() {
    let app = TestApp::empty().await;
    let person = enrol(&app).await;
    app.login(&person.username, PASSWORD).await.problem(401, "second-factor-required");
    log_in(&app, &person.username, "").await.problem(401, "second-factor-required");
    let used = code(&person.secret);
    forget_steps(&app.app);
    log_in(&app, &person.username, &used).await.expect(201);
    log_in(&app, &person.username, &used).await.problem(401, "unauthenticated");
    log_in(&app, &person.username, "12345").await.problem(401, "unauthenticated");

    // A recovery code, as somebody types it.
    let typed = person.recovery[3].replace('-', " ").to_uppercase();
    log_in(&app, &person.username, &typed).await.expect(201);
    log_in(&app, &person.username, &person.recovery[3]).await.problem(401, "unauthenticated");
    assert_eq!(app.get_as(BASE, &person.token).await.expect(200).json()["recovery_codes_left"], 9);
    // Another person's recovery codes are worth nothing.
    let other = enrol(&app).await;
    log_in(&app, &person.username, &other.recovery[0]).await.problem(401, "unauthenticated");
    log_in(&app, &other.username, &other.recovery[0]).await.expect(201);
}

#[tokio::test]
async fn wrong_codes_lock_like_wrong_passwords_and_a_missing_one_clears_nothing() {
    let app = TestApp::empty().await;
    let person = enrol(&app).await;
    let failures =
        || -> Option<i32> { app.app.db.read_now(|conn| Ok(lockouts::table.select(lockouts::failures).first(conn).optional()?)).unwrap() };
    for _ in 0..4 {
        log_in(&app, &person.username, "not one").await.problem(401, "unauthenticated");
    }
    app.login(&person.username, PASSWORD).await.problem(401, "second-factor-required");
    assert_eq!(failures(), Some(4));
    let set = lockouts::failures.eq(13);
    app.app.db.write_now(|conn| Ok(diesel::update(lockouts::table).set(set).execute(conn)?)).unwrap();
    log_in(&app, &person.username, "not one").await.problem(401, "unauthenticated");
    log_in(&app, &person.username, &person.recovery[0]).await.problem(429, "rate-limited");
    app.login(&person.username, PASSWORD).await.problem(429, "rate-limited");
    // What was refused by the lock is not used up.
    app.app.db.write_now(|conn| Ok(diesel::delete(lockouts::table).execute(conn)?)).unwrap();
    log_in(&app, &person.username, &person.recovery[0]).await.expect(201);
    assert_eq!(failures(), None);
}

#[tokio::test]
async fn recovery_codes_are_made_anew_and_the_factor_ends() {
    let app = TestApp::empty().await;
    let person = enrol(&app).await;
    let (app_ref, token) = (&app, person.token.as_str());
    let post = |path: &str, body: Value| {
        let path = format!("{BASE}{path}");
        async move { app_ref.post_as(&path, token, &body).await }
    };
    post("/recovery-codes", json!({ "code": "no" })).await.problem(400, "invalid-value");
    let made = codes(&post("/recovery-codes", json!({ "code": person.recovery[0] })).await.expect(201).json());
    log_in(&app, &person.username, &person.recovery[1]).await.problem(401, "unauthenticated");
    log_in(&app, &person.username, &made[1]).await.expect(201);

    let removal = |password: &str, code: &str| post("/removal", json!({ "password": password, "code": code }));
    removal("wrong", &made[2]).await.problem(400, "invalid-value");
    removal(PASSWORD, "wrong").await.problem(400, "invalid-value");
    removal(PASSWORD, &made[2]).await.expect(204);
    app.login(&person.username, PASSWORD).await.expect(201);
    removal(PASSWORD, &made[3]).await.problem(409, "conflict");
    assert_eq!(app.get_as(BASE, token).await.expect(200).json()["recovery_codes_left"], 0);
}

#[tokio::test]
async fn a_right_password_forgets_no_wrong_code() {
    let app = TestApp::empty().await;
    let person = enrol(&app).await;
    let failures = || -> Vec<i32> { app.app.db.read_now(|conn| Ok(lockouts::table.select(lockouts::failures).load(conn)?)).unwrap() };
    let removal = async |password: &str, code: &str| {
        app.post_as(&format!("{BASE}/removal"), &person.token, &json!({ "password": password, "code": code })).await
    };
    for _ in 0..5 {
        assert_eq!(removal(PASSWORD, "no").await.problem(400, "invalid-value")["errors"][0]["pointer"], "/code");
    }
    assert_eq!(failures(), [5]);
    // The fifth began a lock of one second; the fourteenth in a row begins one of 512.
    let set = (lockouts::failures.eq(13), lockouts::locked_until.eq(None::<NaiveDateTime>));
    app.app.db.write_now(|conn| Ok(diesel::update(lockouts::table).set(set).execute(conn)?)).unwrap();
    removal(PASSWORD, "no").await.problem(400, "invalid-value");
    removal(PASSWORD, &person.recovery[0]).await.problem(429, "rate-limited");
    // Every way in which a session gives a code has the same count; the password has its own.
    let codes = json!({ "code": person.recovery[0] });
    app.post_as(&format!("{BASE}/recovery-codes"), &person.token, &codes).await.problem(429, "rate-limited");
    assert_eq!(removal("wrong", &person.recovery[0]).await.problem(400, "invalid-value")["errors"][0]["pointer"], "/password");
    app.app.db.write_now(|conn| Ok(diesel::delete(lockouts::table).execute(conn)?)).unwrap();
    removal(PASSWORD, &person.recovery[0]).await.expect(204);
    assert!(failures().is_empty());
}

#[tokio::test]
async fn an_operator_resets_the_factor_of_another_person() {
    let app = TestApp::empty().await;
    let person = enrol(&app).await;
    let operator = app.operator().await;
    let path = format!("/api/v1/admin/people/{}/second-factor-reset", person.id);
    app.post_as(&path, &operator.token, &json!({ "reason": "" })).await.problem(400, "invalid-value");
    app.post_as(&path, &operator.token, &json!({ "reason": "lost the phone" })).await.expect(200);
    app.get_as("/api/v1/people/me", &person.token).await.problem(401, "unauthenticated");
    app.login(&person.username, PASSWORD).await.expect(201);
    app.post_as(&path, &operator.token, &json!({ "reason": "once more" })).await.problem(409, "conflict");
    let own = app.get_as("/api/v1/people/me", &operator.token).await.json()["id"].as_str().unwrap().to_owned();
    let own = format!("/api/v1/admin/people/{own}/second-factor-reset");
    assert!(
        app.post_as(&own, &operator.token, &json!({ "reason": "my own" })).await.problem(409, "conflict")["detail"]
            .as_str()
            .unwrap()
            .contains("another operator")
    );
    let entries = app.get_as("/api/v1/ledger/entries?limit=200", &operator.token).await.expect(200).json();
    let reset: Vec<&Value> = entries["items"].as_array().unwrap().iter().filter(|entry| entry["kind"] == "second_factor.reset").collect();
    assert_eq!((reset.len(), &reset[0]["words"][0]["words"]), (1, &json!("lost the phone")));
}

#[tokio::test]
async fn a_role_that_must_have_one_does_nothing_before() {
    let app = TestApp::start(None, &[("require_second_factor", "operator, firm")]).await;
    let token = app.operator().await.token;
    app.get_as("/api/v1/ledger/entries", &token).await.problem(403, "second-factor-enrolment-required");
    app.get_as("/api/v1/people/me", &token).await.expect(200);
    assert_eq!(app.get_as(BASE, &token).await.expect(200).json()["required"], true);
    let begun = app.post_as(BASE, &token, &json!({ "password": OPERATOR_PASSWORD })).await.expect(201).json();
    app.get_as("/api/v1/ledger/entries", &token).await.problem(403, "second-factor-enrolment-required");
    let body = json!({ "code": code(begun["secret"].as_str().unwrap()) });
    app.post_as(&format!("{BASE}/confirmation"), &token, &body).await.expect(200);
    app.get_as("/api/v1/ledger/entries", &token).await.expect(200);
    let person = json!({ "username": "rita", "display_name": "Rita", "roles": ["auditor"] });
    let created = app.post_as("/api/v1/admin/people", &token, &person).await.expect(201).json();
    let one_time = created["one_time_password"].as_str().unwrap();
    // Others are not asked; and a firm's people are.
    let rita = app.login("rita", one_time).await.expect(201).json()["token"].as_str().unwrap().to_owned();
    app.get_as(BASE, &rita).await.problem(403, "password-change-required");
    let (_, firm) = app.pending_firm().await;
    app.get_as("/api/v1/firms/me", &firm).await.problem(403, "second-factor-enrolment-required");
}

#[tokio::test]
async fn what_is_confirmed_by_a_code_is_confirmed_once_and_wrong_ones_count() {
    let app = TestApp::empty().await;
    let person = enrol(&app).await;
    let none = app.new_person(&["auditor"], None).await.0;
    let confirm = |id: &str, code: &str| {
        let (id, code, master) = (id.to_owned(), code.to_owned(), app.app.master.clone());
        app.app.db.write_now(move |conn| second_factor::confirm(conn, &master, &id, &code))
    };
    assert!(confirm(&none, "123456").unwrap_err().to_string().contains("/account"));
    forget_steps(&app.app);
    let used = code(&person.secret);
    confirm(&person.id, &used).unwrap().unwrap();
    confirm(&person.id, &used).unwrap().unwrap_err();
    confirm(&person.id, &person.recovery[0]).unwrap().unwrap();
    confirm(&person.id, &person.recovery[0]).unwrap().unwrap_err();
    for _ in 0..4 {
        confirm(&person.id, "no").unwrap().unwrap_err();
    }
    let failures: i32 = app.app.db.read_now(|conn| Ok(lockouts::table.select(lockouts::failures).first(conn)?)).unwrap();
    assert_eq!(failures, 5);
    // A stranger at the log-in is not kept out by it, nor the other way round.
    log_in(&app, &person.username, &person.recovery[1]).await.expect(201);
}
