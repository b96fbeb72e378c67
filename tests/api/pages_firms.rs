//! A firm registers on its page, and the operator decides on the console.

use serde_json::json;

use crate::support::{Answer, Browser, SAME_SITE, TestApp, uscc};

const HOSTILE: &str = "<script>alert('x')</script>\"><img src=x onerror=\"y\">";

const PASSWORD: &str = "the firm's password";

/// The form of a registration, as it is filled in.
fn filled<'a>(name: &'a str, uscc: &'a str, username: &'a str) -> Vec<(&'a str, &'a str)> {
    let contact = [("contact_name", "张三 Zhang"), ("contact_email", "zhang@example.org"), ("contact_phone", "021-5555")];
    let account = [("username", username), ("password", PASSWORD), ("again", PASSWORD)];
    [&[("name", name), ("uscc", uscc)], &contact[..], &account[..]].concat()
}

async fn send(app: &TestApp, form: &[(&str, &str)], language: &str) -> Answer {
    app.form(&format!("/register-firm?lang={language}"), form, &[SAME_SITE, ("accept", "text/html")]).await
}

/// The id of the firm that comes first on a page of the console.
fn first_firm(page: &str) -> String {
    page.split("<h2><a href=\"/console/firms/").nth(1).unwrap_or_else(|| panic!("no firm: {page}")).split('?').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_firm_registers_on_its_page_and_waits() {
    let app = TestApp::spawn().await;
    for (page, lang) in [("/login", "en"), ("/datasets/community-health-visits", "zh")] {
        assert!(app.get(&format!("{page}?lang={lang}")).await.expect(200).text().contains(&format!("href=\"/register-firm?lang={lang}\"")));
    }
    let page = app.get("/register-firm?lang=en").await.expect(200);
    assert_eq!(page.header("cache-control"), "no-store");
    // The code as people paste it.
    let code = uscc();
    let pasted = format!(" {} {} ", &code[..8].to_lowercase(), &code[8..]);
    let led = send(&app, &filled("徐汇示例智能", &pasted, "zhang"), "en").await.expect(303);
    assert_eq!(led.header("location"), "/register-firm?lang=en&done=registration");
    let next = app.get(led.header("location")).await.expect(200).text();
    assert!(next.contains("The operator decides on it now") && next.contains("/login?lang=en&amp;next=/firm"), "{next}");
    let zhang = app.browser("zhang", PASSWORD).await;
    let desk = zhang.page("/firm?lang=en").await;
    assert!(desk.contains("has not decided on the firm") && desk.contains(&code) && desk.contains("徐汇示例智能"), "{desk}");
    assert!(desk.contains("/register-firm?lang=en"));
    // As by the API: the same firm, with the same contact.
    let operator = app.operator().await;
    let firms = app.get_as("/api/v1/admin/firms", &operator.token).await.expect(200).json();
    let firm = &firms["items"][0];
    let contact = (&firm["contact_name"], &firm["contact_email"], &firm["contact_phone"]);
    assert_eq!(contact, (&json!("张三 Zhang"), &json!("zhang@example.org"), &json!("021-5555")));
    // The code and the name are taken; what was typed is there again, but for the passwords.
    let again = send(&app, &filled("another name", &code, "li-4"), "en").await.expect(409).text();
    assert!(again.contains("is registered already") && again.contains("value=\"another name\"") && !again.contains(PASSWORD), "{again}");
    let taken = send(&app, &filled("another name", &uscc(), "zhang"), "zh").await.expect(400).text();
    assert!(taken.contains("已被使用") && !taken.contains("the firm&#39;s password"), "{taken}");
}

#[tokio::test]
async fn what_is_wrong_stands_beside_its_field() {
    let app = TestApp::spawn().await;
    let mut form = filled(HOSTILE, "91310104MA1FR0001X", "No");
    form.retain(|(name, _)| !["contact_name", "contact_email", "password", "again"].contains(name));
    form.extend([("contact_name", ""), ("contact_email", "\"><b>nobody"), ("password", "short-secret"), ("again", "other-secret")]);
    form[0] = ("name", "x");
    let page = send(&app, &form, "en").await.expect(400).text();
    for text in [
        "Give 2 to 200 characters; this has 1.",
        "check digit",
        "Give 1 to 100 characters; this has 0.",
        "This is no e-mail address.",
        "It is not the same both times.",
        "value=\"&#34;&#62;&#60;b&#62;nobody\"",
        "value=\"91310104MA1FR0001X\"",
        "value=\"No\"",
    ] {
        assert!(page.contains(text), "{text}: {page}");
    }
    assert!(!page.contains("-secret"), "{page}");
    assert_eq!(page.matches("aria-invalid").count(), page.matches("class=\"wrong\"").count(), "{page}");
    let zh = send(&app, &form, "zh").await.expect(400).text();
    for text in ["请填写企业名称", "请核对统一社会信用代码", "请填写联系人姓名", "请填写有效的电子邮箱地址", "两次输入的密码不一致"]
    {
        assert!(zh.contains(text), "{text}: {zh}");
    }
    // A hostile name is a name, and stays one wherever it is shown.
    send(&app, &filled(HOSTILE, &uscc(), "hostile"), "en").await.expect(303);
    let operator = app.operator_browser().await;
    let list = operator.page("/console/firms").await;
    let one = operator.page(&format!("/console/firms/{}", first_firm(&list))).await;
    for page in [list, one] {
        assert!(!page.contains("<script") && !page.contains("<img src=x") && page.contains("&#60;script&#62;"), "{page}");
    }
}

#[tokio::test]
async fn registering_counts_for_its_network_and_is_for_our_page_alone() {
    let app = TestApp::start(None, &[("limits_login_per_minute", "3")]).await;
    let form = filled("a firm", "wrong", "firm");
    for _ in 0..2 {
        send(&app, &form, "en").await.expect(400);
    }
    app.post("/api/v1/firms", &app.registration()).await.expect(201);
    let (code, last) = (uscc(), "last");
    let limited = send(&app, &filled("a firm", &code, last), "en").await.expect(429);
    assert!(!limited.header("retry-after").is_empty() && limited.text().contains("Too many tries"), "{}", limited.text());
    assert!(limited.text().contains(&format!("value=\"{code}\"")) && !limited.text().contains(PASSWORD));

    let app = TestApp::start(None, &[]).await;
    let right = filled("a firm", &code, last);
    for site in [("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site"), ("x-nothing", "x")] {
        app.form("/register-firm", &right, &[site]).await.problem(403, "forbidden");
    }
    // Whoever is logged in may register another firm.
    let operator = app.operator_browser().await;
    operator.send_bare("/register-firm", &right, SAME_SITE).await.expect(303);
    operator.send_bare("/register-firm", &right, ("sec-fetch-site", "same-site")).await.expect(403);
}

/// Sends a form about a firm, and reads its page.
async fn step(operator: &Browser, firm: &str, step: &str, reason: &str) -> String {
    let here = format!("/console/firms/{firm}");
    let led = operator.done(&format!("{here}/steps/{step}?lang=en"), &[("reason", reason)]).await;
    assert_eq!(led, format!("{here}?lang=en&done=firm-{step}"));
    operator.page(&led).await
}

#[tokio::test]
async fn the_operator_decides_on_firms() {
    let app = TestApp::spawn().await;
    let operator = app.operator_browser().await;
    let old = app.firm().await;
    let first = app.firm_browser_named("the first that waits").await;
    let second = app.firm_browser_named("the second that waits").await;
    let list = operator.page("/console/firms?lang=en").await;
    assert!(list.contains("Waiting for a decision: <strong>2</strong>") && !list.contains(&old.id), "{list}");
    assert_eq!(first_firm(&list), first.id);
    assert!(operator.page("/console?lang=en").await.contains("2 waiting"));
    let all = operator.page("/console/firms?lang=en&state=all").await;
    assert!(all.find(&second.id).unwrap() < all.find(&old.id).unwrap(), "{all}");
    assert!(operator.page("/console/firms?state=approved").await.contains(&old.id));

    let here = format!("/console/firms/{}", first.id);
    let page = operator.page(&format!("{here}?lang=en")).await;
    for text in ["Approve the firm", "Refuse the registration", "The firm registered", "None is registered yet."] {
        assert!(page.contains(text), "{text}: {page}");
    }
    let short = operator.send(&format!("{here}/steps/approval?lang=en"), &[("reason", "no")]).await.expect(400).text();
    assert!(short.contains("Give 3 to 2000 characters; this has 2.") && short.contains(">no</textarea>"), "{short}");
    let approved = step(&operator, &first.id, "approval", "papers <in> order").await;
    assert!(approved.contains("The firm is approved.") && approved.contains("papers &#60;in&#62; order"), "{approved}");
    let refused = step(&operator, &second.id, "refusal", "no such firm").await;
    assert!(refused.contains("no such firm") && !refused.contains("Suspend the firm"), "{refused}");
    assert!(second.page("/firm?lang=en").await.contains("register again with the same code"));
    operator.send(&format!("/console/firms/{}/steps/approval", second.id), &[("reason", "after all")]).await.expect(409);
    operator.send(&format!("{here}/steps/reinstatement"), &[("reason", "after all")]).await.expect(404);

    // Its tokens stop, hold again, and end.
    let token = async || app.get_as("/api/v1/firms/me", &old.token).await.status.as_u16();
    step(&operator, &old.id, "suspension", "a look at it").await;
    assert_eq!(token().await, 401);
    step(&operator, &old.id, "resumption", "all is well").await;
    assert_eq!(token().await, 200);
    let revocation = format!("/console/firms/{}/steps/revocation?lang=en", old.id);
    let asked = operator.send(&revocation, &[("reason", "it \"broke\" the rules")]).await.expect(200).text();
    assert!(asked.contains("Revoke the firm for good") && asked.contains("it &#34;broke&#34; the rules</textarea>"), "{asked}");
    assert_eq!(token().await, 200);
    operator.done(&revocation, &[("reason", "it broke the rules"), ("confirmed", &old.id)]).await;
    assert_eq!(token().await, 401);
    let history = operator.page(&format!("/console/firms/{}?lang=en", old.id)).await;
    for text in ["The firm was suspended", "The firm was resumed", "registration was revoked", "it broke the rules"] {
        assert!(history.contains(text), "{text}: {history}");
    }
}

#[tokio::test]
async fn the_operator_acts_on_clients_and_sees_sanctions() {
    let app = TestApp::spawn().await;
    let (operator, firm, other) = (app.operator_browser().await, app.firm().await, app.firm().await);
    let here = format!("/console/firms/{}", firm.id);
    let steps = format!("{here}/clients/{}/steps", firm.client_id);
    let token = async || app.get_as("/api/v1/firms/me", &firm.token).await.status.as_u16();
    let page = operator.page(&format!("{here}?lang=en")).await;
    assert!(page.contains(&firm.client_id) && page.contains("Took a token last on") && !page.contains(&other.client_id), "{page}");
    let short = operator.send(&format!("{steps}/suspension?lang=en"), &[("reason", "n")]).await.expect(400).text();
    assert!(short.contains("this has 1.") && short.contains("<details open>"), "{short}");
    operator.done(&format!("{steps}/suspension"), &[("reason", "odd requests")]).await;
    assert_eq!(token().await, 401);
    operator.done(&format!("{steps}/resumption"), &[("reason", "explained")]).await;
    assert_eq!(token().await, 200);
    operator.done(&format!("{steps}/token-revocation"), &[]).await;
    assert_eq!(token().await, 401);
    let asked = operator.send(&format!("{steps}/revocation?lang=en"), &[]).await.expect(200).text();
    assert!(asked.contains("Revoke the client for good"), "{asked}");
    let elsewhere = format!("/console/firms/{}/clients/{}/steps", other.id, firm.client_id);
    for step in ["suspension", "token-revocation", "revocation"] {
        operator.send(&format!("{elsewhere}/{step}"), &[("reason", "not its own"), ("confirmed", &firm.client_id)]).await.expect(404);
    }
    operator.done(&format!("{steps}/revocation"), &[("confirmed", &firm.client_id)]).await;
    let order = json!({ "kind": "warning", "reason": "a report came <late>" });
    let token = app.operator().await.token;
    app.post_as(&format!("/api/v1/admin/firms/{}/sanctions", firm.id), &token, &order).await.expect(201);
    let page = operator.page(&format!("{here}?lang=en")).await;
    assert!(page.contains("a report came &#60;late&#62;") && !page.contains("Act on this client"), "{page}");
}

#[tokio::test]
async fn firms_are_for_the_operator_alone_and_auditors_look() {
    let app = TestApp::spawn().await;
    let (firm, waiting) = (app.firm_browser().await, app.pending_firm_browser().await);
    let client = app.firm().await;
    let here = format!("/console/firms/{}", waiting.id);
    let acts = [
        format!("{here}/steps/approval"),
        format!("{here}/steps/refusal"),
        format!("/console/firms/{}/steps/suspension", client.id),
        format!("/console/firms/{}/steps/revocation", client.id),
        format!("/console/firms/{}/clients/{}/steps/suspension", client.id, client.client_id),
        format!("/console/firms/{}/clients/{}/steps/revocation", client.id, client.client_id),
        format!("/console/firms/{}/clients/{}/steps/token-revocation", client.id, client.client_id),
    ];
    let (auditor, reviewer) = (app.staff_browser(&["auditor"], None).await, app.staff_browser(&["reviewer"], None).await);
    let confirmed = [("reason", "because"), ("confirmed", client.id.as_str()), ("confirmed", client.client_id.as_str())];
    for who in [&auditor, &reviewer, &firm.browser] {
        for path in &acts {
            who.send(path, &confirmed).await.expect(403);
        }
    }
    assert!(!auditor.page(&format!("{here}?lang=en")).await.contains("Approve the firm"));
    assert!(!auditor.page(&format!("/console/firms/{}?lang=en", client.id)).await.contains("<form"));
    for who in [&reviewer, &firm.browser] {
        for path in ["/console/firms", &here] {
            assert!(who.get(&format!("{path}?lang=en")).await.expect(403).text().contains("This is not allowed"), "{path}");
        }
    }
    assert!(!reviewer.page("/console").await.contains("/console/firms"));
    let led = app.get_with(&format!("{here}?lang=en"), &[("accept", "text/html")]).await.expect(303);
    assert_eq!(led.header("location"), format!("/login?lang=en&next={here}"));
    // Without the token of the session, or from elsewhere, nothing is done.
    let operator = app.operator_browser().await;
    let (own, foreign) = (operator.csrf().await, auditor.csrf().await);
    for path in &acts {
        for csrf in ["", foreign.as_str()] {
            operator.send_bare(path, &[&[("csrf", csrf)], &confirmed[..]].concat(), SAME_SITE).await.expect(403);
        }
        let right = [&[("csrf", own.as_str())], &confirmed[..]].concat();
        operator.send_bare(path, &right, ("sec-fetch-site", "cross-site")).await.expect(403);
    }
    assert!(operator.page(&here).await.contains("type of-firm pending"));
    app.get_as("/api/v1/firms/me", &client.token).await.expect(200);
}
