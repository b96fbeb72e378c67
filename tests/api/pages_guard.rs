//! Who sees which page, that no other site sends a form, and that words of people stay words.

use serde_json::json;

use crate::support::{Answer, SAFEGUARDS, SAME_SITE, TestApp, csrf_of};

/// Hostile words, and what must not come of them.
const HOSTILE: &str = "<script>alert('x')</script>\"><img src=x onerror=\"y\"> & '`";

fn assert_harmless(page: &str, what: &str) {
    for sign in ["<script", "<img src=x", "onerror=\"y\""] {
        assert!(!page.contains(sign), "{what}: {sign}: {page}");
    }
    assert!(page.contains("&#60;script&#62;"), "{what} shows the words: {page}");
}

#[tokio::test]
async fn whoever_is_not_logged_in_comes_back_after_the_log_in() {
    let app = TestApp::spawn().await;
    let html = ("accept", "text/html");
    for path in ["/firm", "/console", "/console/grants", "/datasets/community-health-visits/apply", "/firm/applications/0190-a_b"] {
        let led = app.get_with(&format!("{path}?lang=en"), &[html]).await.expect(303);
        assert_eq!(led.header("location"), format!("/login?lang=en&next={path}"));
        app.get(path).await.problem(401, "unauthenticated");
    }
    let login = "/login?lang=en&next=/console";
    let page = app.get(login).await.expect(200).text();
    assert!(page.contains("action=\"/login?lang=en&amp;next=/console\"") && page.contains("?lang=zh&amp;next=/console"), "{page}");
    let right = [("username", "operator"), ("password", crate::support::OPERATOR_PASSWORD)];
    let after = async |next: &str| -> Answer { app.form(&format!("/login?lang=en&next={next}"), &right, &[SAME_SITE]).await.expect(303) };
    assert_eq!(after("/console").await.header("location"), "/console?lang=en");
    for elsewhere in
        ["//evil.example", "https://evil.example", "/\\evil.example", "/firm//evil.example", "/firm%0d%0ax:y", "/docs", "firm", "/firmest"]
    {
        assert_eq!(after(elsewhere).await.header("location"), "/account?lang=en", "{elsewhere}");
        assert!(!app.get(&format!("/login?next={elsewhere}")).await.expect(200).text().contains("evil"), "{elsewhere}");
    }
    // A one-time password comes first.
    let (_, username, one_time) = app.new_person(&["reviewer"], None).await;
    let fields = [("username", username.as_str()), ("password", one_time.as_str())];
    let begun = app.form(login, &fields, &[SAME_SITE]).await.expect(303);
    assert_eq!(begun.header("location"), "/account?lang=en");
    let cookie = begun.header("set-cookie").split("; ").next().unwrap().to_owned();
    assert_eq!(app.get_with("/console?lang=zh", &[html, ("cookie", &cookie)]).await.expect(303).header("location"), "/account?lang=zh");
}

#[tokio::test]
async fn each_page_is_for_its_people() {
    let app = TestApp::spawn().await;
    let (firm, other, waiting) = (app.firm_browser().await, app.firm_browser().await, app.pending_firm_browser().await);
    let id = app.draft(&firm.token).await;
    let staff = [
        app.operator_browser().await,
        app.staff_browser(&["reviewer"], None).await,
        app.staff_browser(&["auditor"], None).await,
        app.staff_browser(&["steward"], Some("xuhui-health")).await,
    ];
    let apply = "/datasets/community-health-visits/apply";
    for who in &staff {
        for path in ["/firm", apply, &format!("/firm/applications/{id}")] {
            let page = who.get(&format!("{path}?lang=en")).await.expect(403);
            assert!(page.header("content-type").starts_with("text/html") && page.text().contains("This is not allowed"), "{path}");
        }
        who.send(apply, &[("term_days", "3")]).await.expect(403);
        let page = who.get("/console").await.expect(200);
        assert_eq!((page.header("cache-control"), page.header("vary")), ("no-store", "Accept-Language, Cookie"));
    }
    for path in ["/console", "/console/grants", &format!("/console/applications/{id}")] {
        assert!(firm.get(&format!("{path}?lang=zh")).await.expect(403).text().contains("当前账户不能使用此页面"), "{path}");
    }
    for path in ["edit", "steps/submission", "steps/withdrawal", "confirmation"] {
        let fields = [("dataset", "community-health-visits"), ("term_days", "3"), ("reason", "because"), ("agreement", "x")];
        other.send(&format!("/firm/applications/{id}/{path}"), &fields).await.expect(404);
        let refused = firm.send(&format!("/console/applications/{id}/{path}"), &fields).await;
        assert!(matches!(refused.status.as_u16(), 403 | 404), "{path}: {}", refused.status);
    }
    other.get(&format!("/firm/applications/{id}")).await.expect(404);
    other.get(&format!("/firm/applications/{id}/edit")).await.expect(404);
    // A firm that waits reads so on its desk, and fills nothing in.
    assert!(waiting.page("/firm?lang=en").await.contains("has not decided on the firm"));
    waiting.get(apply).await.expect(403);
    // The API's tokens are no cookies.
    app.send(reqwest::Method::GET, "/firm", Some(&firm.token), None, &[]).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn no_form_is_taken_without_its_token_or_from_another_site() {
    let app = TestApp::spawn().await;
    let (firm, reviewer) = (app.firm_browser().await, app.staff_browser(&["reviewer"], None).await);
    let id = app.apply(&firm.token).await;
    let draft = app.draft(&firm.token).await;
    let signing = app.firm().await;
    let grant = app.grant(&signing).await;
    let fields =
        [("term_days", "3"), ("reason", "because"), ("question", "why?"), ("fields", "sex"), ("dataset", "community-health-visits")];
    let own = [
        "/datasets/community-health-visits/apply".to_owned(),
        format!("/firm/applications/{draft}/edit"),
        format!("/firm/applications/{draft}/steps/submission"),
        format!("/firm/applications/{id}/steps/withdrawal"),
        format!("/firm/applications/{id}/confirmation"),
        format!("/firm/grants/{}/use-reports", grant.id),
        format!("/firm/notices/{id}/steps/statement"),
    ];
    let of_staff = [
        format!("/console/applications/{id}/steps/acceptance"),
        format!("/console/applications/{id}/steps/questions"),
        format!("/console/applications/{id}/steps/refusal"),
        format!("/console/applications/{id}/reports"),
        format!("/console/grants/{}/steps/suspension", grant.id),
        format!("/console/grants/{}/steps/revocation", grant.id),
    ];
    let before = app.get_as(&format!("/api/v1/applications/{id}/steps"), &firm.token).await.json();
    let others = reviewer.csrf().await;
    for (who, foreign, paths) in [(&firm.browser, &others, &own[..]), (&reviewer, &firm.csrf().await, &of_staff[..])] {
        let token = csrf_of(&who.page("/account").await);
        for path in paths {
            who.send_bare(path, &fields, SAME_SITE).await.expect(403);
            for csrf in ["", foreign.as_str(), &"0".repeat(64)] {
                who.send_bare(path, &[&[("csrf", csrf)], &fields[..]].concat(), SAME_SITE).await.expect(403);
            }
            let right = [&[("csrf", token.as_str())], &fields[..]].concat();
            for site in [("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site"), ("x-nothing", "x")] {
                who.send_bare(path, &right, site).await.expect(403);
            }
        }
    }
    assert_eq!(app.get_as(&format!("/api/v1/applications/{id}/steps"), &firm.token).await.json(), before);
    assert_eq!(app.get_as(&format!("/api/v1/applications/{draft}"), &firm.token).await.json()["status"], "draft");
    // Other addresses below those of datasets are no forms.
    let token = firm.csrf().await;
    firm.send_bare("/datasets/community-health-visits/other", &[("csrf", &token)], SAME_SITE).await.expect(403);
    assert_eq!(firm.send("/datasets/community-health-visits/apply", &fields).await.status.as_u16(), 303);
}

#[tokio::test]
async fn words_of_people_stay_words() {
    let app = TestApp::spawn().await;
    let firm = app.firm_browser_named(HOSTILE).await;
    app.approve_firm(&firm.id).await;
    let (reviewer, other) = (app.staff_browser(&["reviewer"], None).await, app.staff_browser(&["reviewer"], None).await);
    let mut form = vec![("purpose", HOSTILE), ("safeguards", HOSTILE), ("term_days", HOSTILE), ("modes", "api"), ("fields", "sex")];
    form.extend([("purposes", "evaluation"), ("dataset", "community-health-visits")]);
    form.extend(SAFEGUARDS.iter().map(|safeguard| ("safeguards_met", *safeguard)));
    let apply = "/datasets/community-health-visits/apply";
    assert_harmless(&firm.send(apply, &form).await.expect(400).text(), "the form that comes back");
    form[2] = ("term_days", "30");
    let saved = firm.done(apply, &form).await;
    let page = saved.split('?').next().unwrap().to_owned();
    let review = page.replace("/firm/", "/console/");
    assert_harmless(&firm.page(&format!("{page}/edit")).await, "the form");
    firm.done(&format!("{page}/steps/submission"), &[]).await;
    assert_harmless(&firm.page("/firm").await, "the desk");
    reviewer.done(&format!("{review}/steps/questions"), &[("question", HOSTILE)]).await;
    firm.done(&format!("{page}/steps/answer"), &[("answer", HOSTILE)]).await;
    assert_harmless(&reviewer.page("/console").await, "the queue");
    reviewer.done(&format!("{review}/steps/refusal"), &[("reason", HOSTILE)]).await;
    firm.done(&format!("{page}/steps/appeal"), &[("reason", HOSTILE)]).await;
    other.done(&format!("{review}/steps/appeal-granted"), &[("reason", HOSTILE)]).await;
    let tried = other.done(&format!("{review}/reports"), &[("fields", "sex")]).await;
    let sha256 = tried.split("report=").nth(1).unwrap().split('#').next().unwrap();
    let mut approval = vec![("report_sha256", sha256), ("reason", HOSTILE), ("term_days", HOSTILE), ("text", HOSTILE), ("modes", "api")];
    approval.extend([("purposes", "evaluation"), ("fields", "sex")]);
    let step = format!("{review}/steps/approval");
    assert_harmless(&other.send(&step, &approval).await.expect(400).text(), "the decision that comes back");
    approval[2] = ("term_days", "9");
    other.done(&step, &approval).await;
    for (what, text) in [("the review", other.page(&review).await), ("the application", firm.page(&page).await)] {
        assert_harmless(&text, what);
        // Each of the six said so, on both sides.
        assert!(text.matches("&#60;script&#62;").count() >= 8, "{what}: {text}");
    }
    let order = json!({ "kind": "warning", "reason": HOSTILE });
    let operator = app.operator().await;
    let made = app.post_as(&format!("/api/v1/admin/firms/{}/sanctions", firm.id), &operator.token, &order).await.expect(201).json();
    let notice = format!("/firm/notices/{}", made["id"].as_str().unwrap());
    firm.done(&format!("{notice}/steps/statement"), &[("text", HOSTILE)]).await;
    assert_harmless(&firm.page(&notice).await, "the notice");

    // A grant, what is reported of it, and what is asked before it is revoked.
    let client = app.firm().await;
    let mut wanted = app.application();
    wanted["purpose"] = HOSTILE.into();
    let grant = app.grant_for(&client, &wanted).await;
    let today = (chrono::Utc::now().naive_utc() + chrono::Duration::hours(8)).date().to_string();
    let report = json!({
        "period": { "from": today, "to": today }, "used_for": HOSTILE, "results": [{ "title": HOSTILE, "link": "https://example.org/\"onerror=\"y\"" }],
        "numbers": [{ "name": HOSTILE, "count": 3 }],
    });
    app.post_as(&format!("/api/v1/grants/{}/use-reports", grant.id), &client.token, &report).await.expect(201);
    let console = format!("/console/grants/{}", grant.id);
    assert_harmless(&reviewer.page(&console).await, "the grant");
    assert_harmless(
        &reviewer.send(&format!("{console}/steps/revocation"), &[("reason", HOSTILE)]).await.expect(200).text(),
        "the question",
    );
    reviewer.done(&format!("{console}/steps/suspension"), &[("reason", HOSTILE)]).await;
    assert_harmless(&reviewer.page(&console).await, "the suspended grant");
    assert!(!reviewer.page(&format!("/console/grants?q={}", "%22%3E%3Cscript%3E")).await.contains("\"><script>"));
}
