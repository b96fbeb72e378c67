//! Lock-out after wrong passwords, and a person's own sessions.

use chrono::{Duration, NaiveDateTime};
use diesel::prelude::*;
use qingdan::clock::now_naive;
use qingdan::db::schema::{lockouts, sessions};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{OPERATOR_PASSWORD, TestApp};

const WRONG: &str = "this is not the password";

/// Makes all that was counted so many wrong tries, without a lock.
fn pretend(app: &TestApp, failures: i32) {
    let set = (lockouts::failures.eq(failures), lockouts::locked_until.eq(None::<NaiveDateTime>));
    app.app.db.write_now(|conn| Ok(diesel::update(lockouts::table).set(set).execute(conn)?)).unwrap();
}

fn kinds(app: &TestApp) -> Vec<Value> {
    let records = app.app.db.read_now(|conn| qingdan::ledger::list(conn, 0, 10_000)).unwrap().0;
    records.iter().map(|record| serde_json::to_value(record).unwrap()).collect()
}

fn of_kind(app: &TestApp, kind: &str) -> Vec<Value> {
    kinds(app).into_iter().filter(|entry| entry["kind"] == kind).collect()
}

#[tokio::test]
async fn wrong_passwords_make_the_next_try_wait_whoever_it_is() {
    let app = TestApp::empty().await;
    for username in ["operator", "nobody-at-all"] {
        for _ in 0..5 {
            app.login(username, WRONG).await.problem(401, "unauthenticated");
        }
        // The fifth began a lock of one second; the seventh in a row one of 4, the fourteenth one of 512.
        pretend(&app, 13);
        app.login(username, WRONG).await.problem(401, "unauthenticated");
        let right = app.login(username, OPERATOR_PASSWORD).await;
        let seconds: u64 = right.header("retry-after").parse().unwrap();
        assert!((500..=512).contains(&seconds), "{seconds}");
        let problem = right.problem(429, "rate-limited");
        assert_eq!(problem["detail"], format!("too many wrong passwords or codes in a row; come back in {seconds} s"));
        // While it lasts nothing is counted.
        let failures: Vec<i32> = app.app.db.read_now(|conn| Ok(lockouts::table.select(lockouts::failures).load(conn)?)).unwrap();
        assert_eq!(failures.iter().max(), Some(&14));
    }
    let locked = of_kind(&app, "session.locked");
    assert_eq!(locked.len(), 4, "{locked:#?}");
    let unknown: Vec<&Value> = locked.iter().filter(|entry| entry["subject"] == "person:unknown").collect();
    assert_eq!(unknown.len(), 2);
    assert_eq!(unknown[0]["detail_json"], "{\"failures\":5,\"seconds\":1}");
    assert!(!kinds(&app).iter().any(|entry| entry.to_string().contains("nobody-at-all")));
    let kept: Vec<String> = app.app.db.read_now(|conn| Ok(lockouts::table.select(lockouts::name_hmac).load(conn)?)).unwrap();
    assert!(kept.iter().all(|name| name.len() == 64), "{kept:?}");
}

#[tokio::test]
async fn a_stranger_locks_their_own_network_out_and_the_owner_only_with_many() {
    let app = TestApp::start(None, &[("trusted_proxies", "127.0.0.0/8")]).await;
    let from = async |network: u8, password: &str| {
        let body = json!({ "username": "operator", "password": password });
        let address = format!("203.0.113.{network}");
        app.send(Method::POST, "/api/v1/sessions", None, Some(&body), &[("x-forwarded-for", &address)]).await
    };
    from(1, WRONG).await.problem(401, "unauthenticated");
    pretend(&app, 13);
    from(1, WRONG).await.problem(401, "unauthenticated");
    from(1, OPERATOR_PASSWORD).await.problem(429, "rate-limited");
    from(2, OPERATOR_PASSWORD).await.expect(201);
    from(1, OPERATOR_PASSWORD).await.problem(429, "rate-limited");
    // From everywhere together there is an end to it too.
    from(3, WRONG).await.problem(401, "unauthenticated");
    pretend(&app, 63);
    from(4, WRONG).await.problem(401, "unauthenticated");
    from(5, OPERATOR_PASSWORD).await.problem(429, "rate-limited");
}

#[tokio::test]
async fn an_operator_gives_another_person_a_new_password_and_ends_the_locks() {
    let app = TestApp::empty().await;
    let operator = app.operator().await.token;
    let (id, username, first) = app.new_person(&["operator"], None).await;
    let token = app.login(&username, &first).await.expect(201).json()["token"].as_str().unwrap().to_owned();
    app.login(&username, WRONG).await.problem(401, "unauthenticated");
    pretend(&app, 63);
    app.login(&username, WRONG).await.problem(401, "unauthenticated");
    app.login(&username, &first).await.problem(429, "rate-limited");
    let path = format!("/api/v1/admin/people/{id}/password-reset");
    app.post_as(&path, &operator, &json!({ "reason": "" })).await.problem(400, "invalid-value");
    let reset = app.post_as(&path, &operator, &json!({ "reason": "locked out" })).await.expect(200).json();
    assert_eq!(reset["person"]["one_time_password"], true);
    app.get_as("/api/v1/people/me", &token).await.problem(401, "unauthenticated");
    app.login(&username, &first).await.problem(401, "unauthenticated");
    let token = app.login(&username, reset["one_time_password"].as_str().unwrap()).await.expect(201).json()["token"].clone();
    let token = token.as_str().unwrap();
    app.get_as("/api/v1/ledger/entries", token).await.problem(403, "password-change-required");
    // Nobody's own.
    let own = app.get_as("/api/v1/people/me", &operator).await.json()["id"].as_str().unwrap().to_owned();
    let own = format!("/api/v1/admin/people/{own}/password-reset");
    app.post_as(&own, &operator, &json!({ "reason": "my own" })).await.problem(409, "conflict");
    app.post_as("/api/v1/admin/people/none/password-reset", &operator, &json!({ "reason": "nobody" })).await.problem(404, "not-found");
    let reset = of_kind(&app, "person.password_changed");
    assert_eq!((reset.len(), reset[0]["subject"].clone()), (1, json!(format!("person:{id}"))));
}

#[tokio::test]
async fn a_right_password_forgets_the_wrong_ones() {
    let app = TestApp::empty().await;
    for _ in 0..4 {
        app.login("operator", WRONG).await.problem(401, "unauthenticated");
    }
    app.operator().await;
    for _ in 0..4 {
        app.login("operator", WRONG).await.problem(401, "unauthenticated");
    }
    assert!(of_kind(&app, "session.locked").is_empty());
    app.operator().await;
}

#[tokio::test]
async fn tries_at_the_same_moment_count_one_by_one() {
    let app = TestApp::empty().await;
    app.login("operator", WRONG).await.problem(401, "unauthenticated");
    pretend(&app, 13);
    let tries = (0..8).map(|_| app.login("operator", WRONG));
    let statuses: Vec<u16> = futures::future::join_all(tries).await.iter().map(|answer| answer.status.as_u16()).collect();
    // The first of them begins a lock, and those that were being compared meanwhile are not told whether they were right.
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 7, "{statuses:?}");
}

#[tokio::test]
async fn a_session_guesses_no_password_either_and_strangers_do_not_lock_it() {
    let app = TestApp::empty().await;
    let operator = app.operator().await;
    let body = json!({ "current": WRONG, "new": "another long password" });
    let change = |body: Value| {
        let (app, token) = (&app, operator.token.clone());
        async move { app.send(Method::PUT, "/api/v1/people/me/password", Some(&token), Some(&body), &[]).await }
    };
    app.login("operator", WRONG).await.problem(401, "unauthenticated");
    pretend(&app, 13);
    app.login("operator", WRONG).await.problem(401, "unauthenticated");
    app.login("operator", OPERATOR_PASSWORD).await.problem(429, "rate-limited");
    assert_eq!(change(body.clone()).await.problem(400, "invalid-value")["errors"][0]["pointer"], "/current");
    pretend(&app, 13);
    change(body.clone()).await.problem(400, "invalid-value");
    let right = json!({ "current": OPERATOR_PASSWORD, "new": "another long password" });
    change(right.clone()).await.problem(429, "rate-limited");
    pretend(&app, 0);
    change(right).await.expect(204);
}

#[tokio::test]
async fn wrong_tries_of_long_ago_are_forgotten() {
    let app = TestApp::empty().await;
    app.login("operator", WRONG).await.problem(401, "unauthenticated");
    app.login("nobody-at-all", WRONG).await.problem(401, "unauthenticated");
    let count = || -> i64 { app.app.db.read_now(|conn| Ok(lockouts::table.count().get_result(conn)?)).unwrap() };
    let forget = || {
        let settings = app.app.settings.sign_in.clone();
        app.app.db.write_now(|conn| qingdan::identity::people::forget_expired(conn, &settings)).unwrap();
    };
    forget();
    // Each is counted for the name and its network, and for the name alone.
    assert_eq!(count(), 4);
    let long_ago = now_naive() - Duration::hours(25);
    app.app.db.write_now(|conn| Ok(diesel::update(lockouts::table).set(lockouts::failed_at.eq(long_ago)).execute(conn)?)).unwrap();
    forget();
    assert_eq!(count(), 0);
}

#[tokio::test]
async fn people_see_their_sessions_and_end_them() {
    let app = TestApp::empty().await;
    let (one, two, three) = (app.operator().await, app.operator().await, app.operator().await);
    let listed = app.get_as("/api/v1/people/me/sessions", &one.token).await.expect(200);
    assert!(!listed.text().contains("127.0.0.1") && !listed.text().contains("qds_"), "{}", listed.text());
    let listed = listed.json();
    assert_eq!(listed["total"], 3);
    let items = listed["items"].as_array().unwrap();
    let current: Vec<&Value> = items.iter().filter(|item| item["current"] == true).collect();
    assert_eq!((current.len(), &current[0]["id"]), (1, &items[2]["id"]), "newest first: {items:#?}");
    assert!(items.iter().all(|item| item["seen_at"].as_str().unwrap().ends_with(":00.000000Z")), "{items:#?}");
    assert_eq!((&items[0]["browser"], &items[0]["agent"]), (&json!(false), &json!("other")));

    // The second one, by its name; somebody else's name ends nothing.
    let path = format!("/api/v1/people/me/sessions/{}", items[1]["id"].as_str().unwrap());
    let auditor = app.staff(&["auditor"], None).await;
    app.send(Method::DELETE, &path, Some(&auditor.token), None, &[]).await.problem(404, "not-found");
    app.get_as("/api/v1/people/me", &two.token).await.expect(200);
    app.send(Method::DELETE, &path, Some(&one.token), None, &[]).await.expect(204);
    app.get_as("/api/v1/people/me", &two.token).await.problem(401, "unauthenticated");
    app.get_as("/api/v1/people/me", &three.token).await.expect(200);

    app.send(Method::DELETE, "/api/v1/people/me/sessions", Some(&one.token), None, &[]).await.expect(204);
    app.get_as("/api/v1/people/me", &three.token).await.problem(401, "unauthenticated");
    app.get_as("/api/v1/people/me", &one.token).await.expect(200);
    app.get_as("/api/v1/people/me", &auditor.token).await.expect(200);
}

#[tokio::test]
async fn a_session_that_is_used_goes_on_however_short_its_idle_time_is() {
    let app = TestApp::start(None, &[("session_idle_minutes", "1")]).await;
    let token = app.operator().await.token;
    let at = now_naive() - Duration::seconds(20);
    app.app.db.write_now(|conn| Ok(diesel::update(sessions::table).set(sessions::seen_at.eq(at)).execute(conn)?)).unwrap();
    app.get_as("/api/v1/people/me", &token).await.expect(200);
    let seen: NaiveDateTime = app.app.db.read_now(|conn| Ok(sessions::table.select(sessions::seen_at).first(conn)?)).unwrap();
    assert!(seen > at, "its use is written down");
}

#[tokio::test]
async fn a_person_has_so_many_sessions_and_no_more() {
    let app = TestApp::start(None, &[("sessions_per_person", "3")]).await;
    let (first, second) = (app.operator().await.token, app.operator().await.token);
    app.operator().await;
    app.get_as("/api/v1/people/me", &first).await.expect(200);
    let last = app.operator().await.token;
    app.get_as("/api/v1/people/me", &first).await.problem(401, "unauthenticated");
    assert_eq!(app.get_as("/api/v1/people/me/sessions", &second).await.expect(200).json()["total"], 3);
    app.get_as("/api/v1/people/me", &last).await.expect(200);
    assert_eq!(of_kind(&app, "session.ended").len(), 1);
}

#[tokio::test]
async fn a_session_ends_when_it_is_not_used_and_at_its_end() {
    let app = TestApp::start(None, &[("session_idle_minutes", "20"), ("session_hours", "2")]).await;
    let set_seen = |minutes: i64| {
        let at = now_naive() - Duration::minutes(minutes);
        app.app.db.write_now(|conn| Ok(diesel::update(sessions::table).set(sessions::seen_at.eq(at)).execute(conn)?)).unwrap();
    };
    let seen = || -> NaiveDateTime { app.app.db.read_now(|conn| Ok(sessions::table.select(sessions::seen_at).first(conn)?)).unwrap() };
    let session = app.login("operator", OPERATOR_PASSWORD).await.expect(201).json();
    let ends: NaiveDateTime = session["expires_at"].as_str().unwrap().trim_end_matches('Z').parse().unwrap();
    assert!((ends - now_naive() - Duration::hours(2)).num_seconds().abs() < 60);
    let token = session["token"].as_str().unwrap();
    set_seen(19);
    app.get_as("/api/v1/people/me", token).await.expect(200);
    assert!(now_naive() - seen() < Duration::minutes(1), "its use is written down");
    set_seen(21);
    app.get_as("/api/v1/people/me", token).await.problem(401, "unauthenticated");
    set_seen(0);
    app.get_as("/api/v1/people/me", token).await.expect(200);
    let past = now_naive() - Duration::seconds(1);
    app.app.db.write_now(|conn| Ok(diesel::update(sessions::table).set(sessions::expires_at.eq(past)).execute(conn)?)).unwrap();
    app.get_as("/api/v1/people/me", token).await.problem(401, "unauthenticated");
}
