//! People: log-in, one-time passwords, roles; and firms that register.

use diesel::{ExpressionMethods, RunQueryDsl};
use qingdan::db::schema::firms;
use reqwest::Method;
use serde_json::json;

use crate::support::{OPERATOR_PASSWORD, TestApp, uscc};

#[tokio::test]
async fn a_one_time_password_does_nothing_but_change_itself() {
    let app = TestApp::empty().await;
    let operator = app.operator().await;
    let body = json!({ "username": "rita", "display_name": "Rita", "roles": ["auditor"] });
    let created = app.post_as("/api/v1/admin/people", &operator.token, &body).await.expect(201).json();
    let one_time = created["one_time_password"].as_str().unwrap();
    let session = app.login("rita", one_time).await.expect(201).json();
    assert_eq!(session["person"]["one_time_password"], true);
    let token = session["token"].as_str().unwrap();
    app.get_as("/api/v1/ledger/entries", token).await.problem(403, "password-change-required");
    app.get_as("/api/v1/people/me", token).await.expect(200);

    let change = |current: &str, new: &str| json!({ "current": current, "new": new });
    let path = "/api/v1/people/me/password";
    let (app_ref, token_ref) = (&app, token);
    let put = |body| async move { app_ref.send(Method::PUT, path, Some(token_ref), Some(&body), &[]).await };
    assert_eq!(put(change(one_time, "short")).await.problem(400, "invalid-value")["errors"][0]["pointer"], "/new");
    assert_eq!(put(change("wrong", "a long new password")).await.problem(400, "invalid-value")["errors"][0]["pointer"], "/current");
    put(change(one_time, one_time)).await.problem(400, "invalid-value");
    put(change(one_time, "a long new password")).await.expect(204);
    app.get_as("/api/v1/ledger/entries", token).await.expect(200);
    app.login("rita", one_time).await.problem(401, "unauthenticated");
    app.login("rita", "a long new password").await.expect(201);
}

#[tokio::test]
async fn a_change_of_password_ends_the_other_sessions() {
    let app = TestApp::empty().await;
    let (one, two) = (app.operator().await, app.operator().await);
    let body = json!({ "current": OPERATOR_PASSWORD, "new": "another long password" });
    app.send(Method::PUT, "/api/v1/people/me/password", Some(&one.token), Some(&body), &[]).await.expect(204);
    app.get_as("/api/v1/people/me", &one.token).await.expect(200);
    app.get_as("/api/v1/people/me", &two.token).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn wrong_names_and_wrong_passwords_look_alike() {
    let app = TestApp::empty().await;
    let name = app.login("nobody", "a long enough one").await.problem(401, "unauthenticated");
    let password = app.login("operator", "a long enough one").await.problem(401, "unauthenticated");
    assert_eq!(name["detail"], password["detail"]);
    let ended = app.operator().await;
    app.send(Method::DELETE, "/api/v1/sessions/current", Some(&ended.token), None, &[]).await.expect(204);
    app.get_as("/api/v1/people/me", &ended.token).await.problem(401, "unauthenticated");
    app.get_as("/api/v1/people/me", "qds_nonsense").await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn people_are_added_with_sensible_roles() {
    let app = TestApp::spawn().await;
    let operator = app.operator().await;
    let (app_ref, token) = (&app, operator.token.as_str());
    let add = |body| async move { app_ref.post_as("/api/v1/admin/people", token, &body).await };
    let person = |username: &str, roles: serde_json::Value, publisher: Option<&str>| json!({ "username": username, "display_name": "P", "roles": roles, "publisher": publisher });
    add(person("a b", json!(["auditor"]), None)).await.problem(400, "invalid-value");
    add(person("abc", json!([]), None)).await.problem(400, "invalid-value");
    add(person("abc", json!(["king"]), None)).await.problem(400, "malformed-request");
    add(person("abc", json!(["operator", "reviewer"]), None)).await.problem(400, "invalid-value");
    add(person("abc", json!(["auditor", "reviewer"]), None)).await.problem(400, "invalid-value");
    add(person("abc", json!(["steward"]), None)).await.problem(400, "invalid-value");
    add(person("abc", json!(["steward"]), Some("nobody"))).await.problem(400, "invalid-value");
    add(person("abc", json!(["auditor"]), Some("xuhui-health"))).await.problem(400, "invalid-value");
    add(person("abc", json!(["steward"]), Some("xuhui-health"))).await.expect(201);
    assert_eq!(add(person("abc", json!(["auditor"]), None)).await.problem(400, "invalid-value")["errors"][0]["pointer"], "/username");
    let listed = app.get_as("/api/v1/admin/people", &operator.token).await.expect(200).json();
    assert_eq!(listed["total"], 2);
}

#[tokio::test]
async fn a_firm_registers_with_both_check_digits() {
    let app = TestApp::empty().await;
    let mut body = app.registration();
    let good = body["uscc"].as_str().unwrap().to_owned();

    let mut last = good.clone().into_bytes();
    last[17] = if last[17] == b'0' { b'1' } else { b'0' };
    body["uscc"] = json!(String::from_utf8(last).unwrap());
    body["contact"]["email"] = json!("nowhere");
    let problem = app.post("/api/v1/firms", &body).await.problem(400, "invalid-value");
    let pointers: Vec<&str> = problem["errors"].as_array().unwrap().iter().map(|fault| fault["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/uscc", "/contact/email"]);
    assert!(problem["errors"][0]["detail"].as_str().unwrap().contains("character 18"), "{problem}");

    body["uscc"] = json!("914403001922038215");
    body["contact"]["email"] = json!("contact@example.org");
    app.post("/api/v1/firms", &body).await.problem(400, "invalid-value");
    body["uscc"] = json!(good);
    app.post("/api/v1/firms", &body).await.expect(201);
    let mut twice = app.registration();
    twice["uscc"] = json!(good);
    app.post("/api/v1/firms", &twice).await.problem(409, "conflict");
    // Nothing of the refused registration stays.
    twice["uscc"] = json!(uscc());
    app.post("/api/v1/firms", &twice).await.expect(201);
}

#[tokio::test]
async fn a_name_that_is_taken_is_pointed_at_and_not_repeated() {
    let app = TestApp::empty().await;
    let mut body = app.registration();
    body["account"]["username"] = json!("operator");
    let problem = app.post("/api/v1/firms", &body).await.problem(400, "invalid-value");
    assert_eq!(problem["errors"][0]["pointer"], "/account/username");
    assert!(!problem.to_string().contains("operator"), "{problem}");
}

#[tokio::test]
async fn a_registration_that_was_refused_or_lies_too_long_gives_way() {
    let app = TestApp::start(None, &[("registration_days", "7")]).await;
    let operator = app.operator().await.token;
    let first = app.registration();
    let again = |name: &str| {
        let mut body = first.clone();
        body["name"] = json!(name);
        body
    };
    let register = async |name: &str| app.post("/api/v1/firms", &again(name)).await;
    let log_in = async || {
        let session = app.login(first["account"]["username"].as_str().unwrap(), "the firm's password").await.expect(201).json();
        session["token"].as_str().unwrap().to_owned()
    };
    let firm = register("somebody else").await.expect(201).json()["firm"].clone();
    let decide = format!("/api/v1/admin/firms/{}/decision", firm["id"].as_str().unwrap());
    let stranger = log_in().await;
    register("the firm").await.problem(409, "conflict");
    app.post_as(&decide, &operator, &json!({ "approve": false, "reason": "a stranger" })).await.expect(200);
    // The username is free again with it.
    let second = register("the firm").await.expect(201).json()["firm"].clone();
    assert_eq!((&second["id"], &second["name"], &second["status"]), (&firm["id"], &json!("the firm"), &json!("pending")));
    assert_eq!((&second["status_reason"], &second["decided_at"]), (&json!(null), &json!(null)));
    app.get_as("/api/v1/firms/me", &stranger).await.problem(401, "unauthenticated");
    let token = log_in().await;
    assert_eq!(app.get_as("/api/v1/firms/me", &token).await.expect(200).json()["name"], "the firm");
    // One that nobody decides holds for so many days.
    let lie = |days: i64| {
        let at = qingdan::clock::now_naive() - chrono::Duration::days(days);
        app.app.db.write_now(|conn| Ok(diesel::update(firms::table).set(firms::created_at.eq(at)).execute(conn)?)).unwrap();
    };
    lie(6);
    register("a third").await.problem(409, "conflict");
    lie(8);
    register("a third").await.expect(201);
    app.get_as("/api/v1/firms/me", &token).await.problem(401, "unauthenticated");
    // Of two at the same moment one comes through.
    lie(8);
    let body = |at: u32| {
        let mut body = again("at once");
        body["account"]["username"] = json!(format!("at-once-{at}"));
        body
    };
    let (one, two) = (body(1), body(2));
    let answers = futures::future::join(app.post("/api/v1/firms", &one), app.post("/api/v1/firms", &two)).await;
    let mut statuses = [answers.0.status.as_u16(), answers.1.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
    app.post_as(&decide, &operator, &json!({ "approve": true, "reason": "papers are in order" })).await.expect(200);
    lie(8);
    register("a fourth").await.problem(409, "conflict");
    let entries = app.get_as("/api/v1/ledger/entries?limit=1000", &operator).await.expect(200).json();
    let of_kind = |kind: &str| entries["items"].as_array().unwrap().iter().filter(|entry| entry["kind"] == kind).count();
    assert_eq!((of_kind("firm.registered"), of_kind("person.revoked")), (4, 3));
}

#[tokio::test]
async fn a_firm_acts_once_it_is_approved() {
    let app = TestApp::spawn().await;
    let (id, person) = app.pending_firm().await;
    let client = json!({ "name": "a client" });
    app.post_as("/api/v1/firms/me/clients", &person, &client).await.problem(403, "forbidden");
    app.post_as("/api/v1/applications", &person, &app.application()).await.problem(403, "forbidden");
    assert_eq!(app.get_as("/api/v1/firms/me", &person).await.expect(200).json()["status"], "pending");
    app.approve_firm(&id).await;
    let secret = app.post_as("/api/v1/firms/me/clients", &person, &client).await.expect(201).json();
    assert!(secret["secret"].as_str().unwrap().starts_with("qdc_"));
    let listed = app.get_as("/api/v1/firms/me/clients", &person).await.expect(200).text();
    assert!(!listed.contains("qdc_"), "the secret is shown once only");
    let operator = app.operator().await;
    let again = json!({ "approve": false, "reason": "a second thought" });
    app.post_as(&format!("/api/v1/admin/firms/{id}/decision"), &operator.token, &again).await.problem(409, "conflict");
}

#[tokio::test]
async fn private_keys_are_refused() {
    let app = TestApp::empty().await;
    let (id, person) = app.pending_firm().await;
    app.approve_firm(&id).await;
    let bad = [
        (json!({ "kty": "OKP", "crv": "Ed25519", "x": "A".repeat(43), "d": "A".repeat(43) }), "/public_jwk/d"),
        (json!({ "kty": "oct", "k": "AAAA" }), "/public_jwk/k"),
        (json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB" }), "/public_jwk"),
        (json!({ "kty": "OKP", "crv": "Ed25519", "x": "short" }), "/public_jwk/x"),
        (json!({ "kty": "EC", "crv": "P-256", "x": "A".repeat(43) }), "/public_jwk/y"),
        (json!("text"), "/public_jwk"),
        // Under a point of small order a signature needs no private key; the other point lies on no curve.
        (json!({ "kty": "OKP", "crv": "Ed25519", "x": format!("AQ{}", "A".repeat(41)) }), "/public_jwk"),
        (json!({ "kty": "EC", "crv": "P-256", "x": format!("AQ{}", "A".repeat(41)), "y": format!("Ag{}", "A".repeat(41)) }), "/public_jwk"),
    ];
    for (jwk, pointer) in bad {
        let body = json!({ "name": "a client", "public_jwk": jwk });
        let problem = app.post_as("/api/v1/firms/me/clients", &person, &body).await.problem(400, "invalid-value");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
}

#[tokio::test]
async fn a_revoked_account_stops_at_once() {
    let app = TestApp::empty().await;
    let operator = app.operator().await;
    let (id, username, one_time) = app.new_person(&["auditor"], None).await;
    let session = app.login(&username, &one_time).await.expect(201).json();
    let token = session["token"].as_str().unwrap();
    app.get_as("/api/v1/people/me", token).await.expect(200);
    let path = format!("/api/v1/admin/people/{id}/revocation");
    let reason = json!({ "reason": "left the office" });
    app.post_as(&path, &operator.token, &reason).await.expect(200);
    app.get_as("/api/v1/people/me", token).await.problem(401, "unauthenticated");
    app.login(&username, &one_time).await.problem(401, "unauthenticated");
    app.post_as(&path, &operator.token, &reason).await.problem(409, "conflict");
    let own = app.get_as("/api/v1/people/me", &operator.token).await.json()["id"].as_str().unwrap().to_owned();
    app.post_as(&format!("/api/v1/admin/people/{own}/revocation"), &operator.token, &reason).await.problem(409, "conflict");
}

#[tokio::test]
async fn a_firm_that_nobody_approved_is_a_stranger() {
    let app = TestApp::spawn().await;
    let (_, person) = app.pending_firm().await;
    let answer = app.get_as("/api/v1/firms/me", &person).await.expect(200);
    assert!(answer.header("ratelimit-policy").starts_with("\"anonymous\""));
    let before = app.app.db.read_now(|conn| qingdan::ledger::list(conn, 0, 1)).unwrap().1;
    app.get_as("/api/v1/datasets/community-health-visits/rows", &person).await.problem(403, "forbidden");
    assert_eq!(
        app.app.db.read_now(|conn| qingdan::ledger::list(conn, 0, 1)).unwrap().1,
        before,
        "a stranger writes nothing into the ledger"
    );
}
