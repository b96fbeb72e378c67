//! Limits by tier, and whose they are.

use crate::support::{Answer, TestApp};

/// Asks until the limit is met. However slow the machine is, it asks more than once a second.
async fn until_limited(app: &TestApp, path: &str, token: Option<&str>, headers: &[(&str, &str)]) -> Answer {
    for _ in 0..200 {
        let answer = app.send(reqwest::Method::GET, path, token, None, headers).await;
        if answer.status == 429 {
            return answer;
        }
    }
    panic!("no limit was met");
}

#[tokio::test]
async fn an_anonymous_address_is_told_its_standing_and_when_to_come_back() {
    let settings = [("limits_anonymous_burst", "3"), ("limits_anonymous_per_second", "1")];
    let app = TestApp::start(None, &settings).await;
    let first = app.get("/api/v1/datasets").await.expect(200);
    assert_eq!(first.header("ratelimit-policy"), "\"anonymous\";q=3;w=3");
    assert_eq!(first.header("ratelimit"), "\"anonymous\";r=2;t=1");
    let refused = until_limited(&app, "/api/v1/datasets", None, &[]).await;
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(refused.header("ratelimit"), "\"anonymous\";r=0;t=1");
    refused.problem(429, "rate-limited");
    // Probes are never limited.
    app.get("/healthz").await.expect(200);
    app.get("/readyz").await.expect(200);
}

#[tokio::test]
async fn forwarded_addresses_count_only_behind_a_trusted_proxy() {
    let limit = [("limits_anonymous_burst", "1"), ("limits_anonymous_per_second", "1")];
    let alone = TestApp::start(None, &limit).await;
    alone.get_with("/api/v1/datasets", &[("x-forwarded-for", "203.0.113.1")]).await.expect(200);
    until_limited(&alone, "/api/v1/datasets", None, &[("x-forwarded-for", "203.0.113.2")]).await.problem(429, "rate-limited");

    let behind = TestApp::start(None, &[limit[0], limit[1], ("trusted_proxies", "127.0.0.0/8")]).await;
    behind.get_with("/api/v1/datasets", &[("x-forwarded-for", "203.0.113.1")]).await.expect(200);
    behind.get_with("/api/v1/datasets", &[("x-forwarded-for", "203.0.113.2")]).await.expect(200);
    until_limited(&behind, "/api/v1/datasets", None, &[("x-forwarded-for", "9.9.9.9, 203.0.113.2")]).await.problem(429, "rate-limited");
    behind.get_with("/api/v1/datasets", &[("x-forwarded-for", "203.0.113.3")]).await.expect(200);
}

#[tokio::test]
async fn a_firm_has_its_own_limit_whatever_its_client() {
    let app = TestApp::start(None, &[("limits_anonymous_burst", "100"), ("limits_firm_burst", "2"), ("limits_firm_per_second", "1")]).await;
    let (id, person) = app.pending_firm().await;
    app.approve_firm(&id).await;
    // Sessions of the approved firm's person count for the firm.
    let first = app.get_as("/api/v1/firms/me", &person).await.expect(200);
    assert_eq!(first.header("ratelimit-policy"), "\"firm\";q=2;w=2");
    until_limited(&app, "/api/v1/firms/me", Some(&person), &[]).await.problem(429, "rate-limited");
    app.get("/api/v1/datasets").await.expect(200);
}

#[tokio::test]
async fn bad_tokens_count_against_their_address() {
    let app = TestApp::start(None, &[("limits_anonymous_burst", "2"), ("limits_anonymous_per_second", "1")]).await;
    app.get_as("/api/v1/datasets", "guess").await.problem(401, "unauthenticated");
    until_limited(&app, "/api/v1/datasets", Some("guess"), &[]).await.problem(429, "rate-limited");
}

#[tokio::test]
async fn guesses_at_passwords_are_few() {
    let app = TestApp::start(None, &[("limits_login_per_minute", "3")]).await;
    for _ in 0..3 {
        app.login("operator", "a guess at it").await.problem(401, "unauthenticated");
    }
    let refused = app.login("operator", "a guess at it").await;
    assert!(refused.header("retry-after").parse::<u64>().unwrap() <= 20);
    refused.problem(429, "rate-limited");
    let token = app.form("/oauth2/token", &[("grant_type", "client_credentials")], &[]).await;
    assert_eq!(token.status, 429);
}

#[tokio::test]
async fn bytes_of_a_day_are_counted_and_outlive_a_restart() {
    let app = TestApp::start(Some(&crate::support::shipped()), &[("limits_anonymous_bytes_per_day", "40000")]).await;
    let path = "/api/v1/datasets/working-calendar/download?format=csv";
    app.get(path).await.expect(200);
    app.get(path).await.expect(200);
    let refused = app.get(path).await;
    assert!(refused.header("retry-after").parse::<u64>().unwrap() <= 86_400);
    refused.problem(429, "rate-limited");
    // The count goes to the database, from where another process reads it.
    app.app.usage.flush(&app.app.db).unwrap();
    let other = qingdan::limits::Usage::new(app.app.master.derive("usage"));
    let key = qingdan::limits::LimitKey::for_address("127.0.0.1".parse().unwrap());
    assert!(other.check(&app.app.db, &key, 40_000).await.is_err());
    assert!(other.check(&app.app.db, &key, 400_000).await.is_ok());
}

#[tokio::test]
async fn a_query_that_takes_too_long_is_stopped() {
    let app = TestApp::empty().await;
    let limit = std::time::Duration::from_millis(1);
    let stopped = app.app.engine.run::<()>(Some(limit), std::future::pending()).await;
    assert!(matches!(stopped, Err(qingdan::error::Error::QueryTimeout { .. })));
}

#[tokio::test]
async fn queries_at_once_are_limited() {
    let app = TestApp::start(Some(&crate::support::shipped()), &[("limits_anonymous_queries", "1")]).await;
    let key = qingdan::limits::LimitKey::for_address("127.0.0.1".parse().unwrap());
    let place = app.app.limits.query(&key).unwrap();
    app.get("/api/v1/datasets/shanghai-districts/rows").await.problem(429, "rate-limited");
    drop(place);
    app.get("/api/v1/datasets/shanghai-districts/rows").await.expect(200);
}
