//! People in a browser: the cookie, the pages that set it, and that no other site can use it.

use reqwest::Method;
use serde_json::json;

use crate::support::{Answer, OPERATOR_PASSWORD, TestApp};

const SAME: (&str, &str) = ("sec-fetch-site", "same-origin");

/// Logs in on the page; answers the cookie.
async fn cookie(app: &TestApp) -> String {
    let answer = post(app, "/login", &[("username", "operator"), ("password", OPERATOR_PASSWORD)], &[SAME]).await.expect(303);
    kept(&answer)
}

/// The cookie that an answer sets, as the browser sends it.
fn kept(answer: &Answer) -> String {
    let set = answer.header("set-cookie");
    let (pair, attributes) = set.split_once("; ").unwrap_or_else(|| panic!("no cookie: {}", answer.text()));
    assert_eq!(attributes, "Path=/; Secure; HttpOnly; SameSite=Lax");
    assert!(pair.starts_with("__Host-qingdan=qds_"), "{pair}");
    pair.to_owned()
}

async fn post(app: &TestApp, path: &str, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Answer {
    app.form(path, fields, headers).await
}

/// The token in a page's forms.
fn csrf(page: &str) -> String {
    page.split("name=\"csrf\" value=\"").nth(1).unwrap_or_else(|| panic!("{page}")).split('"').next().unwrap().to_owned()
}

async fn account(app: &TestApp, cookie: &str) -> Answer {
    app.get_with("/account?lang=en", &[("cookie", cookie)]).await
}

#[tokio::test]
async fn a_browser_logs_in_on_a_page_and_out_again() {
    let app = TestApp::empty().await;
    let html = ("accept", "text/html");
    assert_eq!(app.get_with("/account?lang=zh", &[html]).await.expect(303).header("location"), "/login?lang=zh");
    assert!(app.get("/login?lang=zh").await.expect(200).text().contains("密码"));

    let wrong = post(&app, "/login?lang=en", &[("username", "operator"), ("password", "no")], &[SAME]).await.expect(401);
    assert!(wrong.text().contains("The username, the password or the code is wrong."), "{}", wrong.text());
    assert_eq!((wrong.header("set-cookie"), wrong.header("cache-control")), ("", "no-store"));
    // Another site logs nobody in.
    let right = [("username", "operator"), ("password", OPERATOR_PASSWORD)];
    post(&app, "/login", &right, &[("sec-fetch-site", "cross-site")]).await.problem(403, "forbidden");
    post(&app, "/login", &right, &[]).await.problem(403, "forbidden");

    let cookie = cookie(&app).await;
    let page = account(&app, &cookie).await.expect(200);
    assert_eq!(page.header("cache-control"), "no-store");
    assert!(page.text().contains("This one"), "{}", page.text());
    assert_eq!(app.get_with("/login", &[("cookie", &cookie)]).await.expect(303).header("location"), "/account?lang=en");
    let token = csrf(&page.text());
    let left = post(&app, "/logout", &[("csrf", &token)], &[SAME, ("cookie", &cookie)]).await.expect(303);
    assert_eq!(left.header("set-cookie"), "__Host-qingdan=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0");
    app.get_with("/account", &[("cookie", &cookie), html]).await.expect(303);
    // What everybody may read, the browser still reads.
    app.get_with("/", &[("cookie", &cookie)]).await.expect(200);
}

#[tokio::test]
async fn the_cookie_works_for_the_api_and_no_other_site_uses_it() {
    let app = TestApp::empty().await;
    let cookie = cookie(&app).await;
    let cookie = ("cookie", cookie.as_str());
    let me = app.get_with("/api/v1/people/me", &[cookie]).await.expect(200);
    assert_eq!(me.header("cache-control"), "no-store");
    let token = me.header("x-csrf-token").to_owned();
    let body = json!({ "username": "rita", "display_name": "Rita", "roles": ["auditor"] });
    let (app_ref, body_ref) = (&app, &body);
    let add = |headers: Vec<(&'static str, String)>| async move {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).chain([cookie]).collect();
        app_ref.send(Method::POST, "/api/v1/admin/people", None, Some(body_ref), &headers).await
    };
    let site = |site: &str| ("sec-fetch-site", site.to_owned());
    let origin = |origin: &str| ("origin", origin.to_owned());
    let csrf = ("x-csrf-token", token.clone());
    // Each of the two checks is needed.
    add(vec![]).await.problem(403, "forbidden");
    add(vec![site("same-origin")]).await.problem(403, "forbidden");
    add(vec![csrf.clone()]).await.problem(403, "forbidden");
    for from in ["cross-site", "same-site", "none"] {
        add(vec![site(from), csrf.clone()]).await.problem(403, "forbidden");
        // The browser's word beats the other header.
        add(vec![site(from), origin(&app.url), csrf.clone()]).await.problem(403, "forbidden");
    }
    add(vec![origin("https://evil.example"), csrf.clone()]).await.problem(403, "forbidden");
    add(vec![origin("null"), csrf.clone()]).await.problem(403, "forbidden");
    add(vec![site("same-origin"), ("x-csrf-token", "0".repeat(64))]).await.problem(403, "forbidden");
    // Another session's token is none of this one.
    let other = self::cookie(&app).await;
    let others = app.get_with("/api/v1/people/me", &[("cookie", &other)]).await.expect(200).header("x-csrf-token").to_owned();
    add(vec![site("same-origin"), ("x-csrf-token", others)]).await.problem(403, "forbidden");
    add(vec![origin(&app.url), csrf.clone()]).await.expect(201);
    add(vec![site("same-origin"), csrf]).await.problem(400, "invalid-value");
}

#[tokio::test]
async fn a_cookie_is_no_token_and_a_token_no_cookie() {
    let app = TestApp::empty().await;
    let (cookie, program) = (cookie(&app).await, app.operator().await);
    app.get_as("/api/v1/people/me", cookie.strip_prefix("__Host-qingdan=").unwrap()).await.problem(401, "unauthenticated");
    let as_cookie = format!("__Host-qingdan={}", program.token);
    app.get_with("/api/v1/people/me", &[("cookie", &as_cookie)]).await.problem(401, "unauthenticated");
    // With an Authorization header the cookie is not read.
    let bearer = format!("Bearer {}", program.token);
    let body = json!({ "username": "rita", "display_name": "Rita", "roles": ["auditor"] });
    let headers = [("cookie", cookie.as_str()), ("authorization", bearer.as_str())];
    app.send(Method::POST, "/api/v1/admin/people", None, Some(&body), &headers).await.expect(201);
    let wrong = [("cookie", cookie.as_str()), ("authorization", "Bearer qds_nonsense")];
    app.send(Method::GET, "/api/v1/people/me", None, None, &wrong).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn forms_need_the_token_of_their_session_and_a_new_password_a_new_cookie() {
    let app = TestApp::empty().await;
    let (first, other) = (cookie(&app).await, cookie(&app).await);
    let token = csrf(&account(&app, &first).await.text());
    let fields = |csrf: &str, again: &str| {
        let pairs = [("csrf", csrf), ("current", OPERATOR_PASSWORD), ("new", "another long password"), ("again", again)];
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    let (app_ref, first_ref) = (&app, first.as_str());
    let change = |fields: [(String, String); 4], site: &'static str| async move {
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        post(app_ref, "/account/password?lang=en", &fields, &[("cookie", first_ref), ("sec-fetch-site", site)]).await
    };
    let good = "another long password";
    change(fields(&token, good), "same-site").await.problem(403, "forbidden");
    change(fields(&"0".repeat(64), good), "same-origin").await.problem(403, "forbidden");
    let others = csrf(&account(&app, &other).await.text());
    change(fields(&others, good), "same-origin").await.problem(403, "forbidden");
    let unlike = change(fields(&token, "something else"), "same-origin").await.expect(400);
    assert!(unlike.text().contains("not the same both times"), "{}", unlike.text());

    let changed = change(fields(&token, good), "same-origin").await.expect(303);
    assert_eq!(changed.header("location"), "/account?lang=en&done=password");
    let renewed = kept(&changed);
    assert_ne!(renewed, first);
    for over in [&first, &other] {
        app.get_with("/api/v1/people/me", &[("cookie", over)]).await.problem(401, "unauthenticated");
    }
    let page = account(&app, &renewed).await.expect(200);
    assert_ne!(csrf(&page.text()), token);
    app.login("operator", good).await.expect(201);
}

#[tokio::test]
async fn the_pages_set_up_and_end_a_second_factor() {
    let app = TestApp::empty().await;
    let mut cookie = cookie(&app).await;
    let token = csrf(&account(&app, &cookie).await.text());
    let send = |path: &'static str, cookie: String, mut fields: Vec<(&'static str, String)>, token: String| {
        let app = &app;
        async move {
            fields.push(("csrf", token));
            let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
            post(app, path, &fields, &[SAME, ("cookie", &cookie)]).await
        }
    };
    let password = || ("password", OPERATOR_PASSWORD.to_owned());
    let wrong = vec![("password", "no".to_owned())];
    assert!(
        send("/account/second-factor?lang=en", cookie.clone(), wrong, token.clone())
            .await
            .expect(400)
            .text()
            .contains("The password is wrong.")
    );
    let begun = send("/account/second-factor?lang=en", cookie.clone(), vec![password()], token.clone()).await.expect(303);
    assert_eq!(begun.header("location"), "/account/second-factor?lang=en");
    let page = app.get_with("/account/second-factor?lang=en", &[("cookie", &cookie)]).await.expect(200).text();
    let secret = page.split("?secret=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    assert!(page.contains("<svg "), "{page}");
    // Another browser of the same person is not shown it.
    let elsewhere = self::cookie(&app).await;
    let other = app.get_with("/account/second-factor?lang=en", &[("cookie", &elsewhere)]).await.expect(303);
    assert_eq!(other.header("location"), "/account?lang=en");
    let confirm = "/account/second-factor/confirmation?lang=en";
    let refused = send(confirm, cookie.clone(), vec![("code", "no".to_owned())], token.clone()).await.expect(400);
    assert!(refused.text().contains("The code is wrong") && refused.text().contains(&secret), "{}", refused.text());
    let code = totp_rs::Builder::new()
        .with_secret(totp_rs::Secret::try_from_base32(&secret).unwrap())
        .with_account_name("a")
        .build()
        .unwrap()
        .generate_current()
        .to_string();
    let shown = send(confirm, cookie.clone(), vec![("code", code)], token).await.expect(200);
    let codes: Vec<String> = shown.text().split("<li><code>").skip(1).map(|part| part.split('<').next().unwrap().to_owned()).collect();
    assert_eq!(codes.len(), 10);
    // The old cookie is over: the session may do more from now on.
    app.get_with("/api/v1/people/me", &[("cookie", &cookie)]).await.problem(401, "unauthenticated");
    cookie = kept(&shown);

    let log_in = |code: String| {
        let app = &app;
        async move {
            let fields = [("username", "operator"), ("password", OPERATOR_PASSWORD), ("code", &code)];
            post(app, "/login?lang=en", &fields, &[SAME]).await
        }
    };
    assert!(log_in(String::new()).await.expect(401).text().contains("This account has a second factor"));
    log_in(codes[0].clone()).await.expect(303);
    let token = csrf(&account(&app, &cookie).await.text());
    let fields = vec![password(), ("code", codes[1].clone())];
    send("/account/second-factor/removal", cookie.clone(), fields, token).await.expect(303);
    log_in(String::new()).await.expect(303);
}
