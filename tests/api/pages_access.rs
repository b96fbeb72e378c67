//! The pages on which firms apply and the publisher decides, as people use them: forms, and what they lead to.

use serde_json::{Value, json};

use crate::second_factor::{code, forget_steps};
use crate::support::{Browser, FirmBrowser, Folder, SAFEGUARDS, TestApp, VISIT_FIELDS, application, people};

const VISITS: &str = "/datasets/community-health-visits/apply";

/// The form of an application, as it is filled in.
fn filled<'a>(fields: &[&'a str], purposes: &[&'a str], term: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut form = vec![("purpose", "to test a model of visits"), ("term_days", term), ("safeguards", "encrypted disks, two people")];
    form.extend([("modes", "download"), ("modes", "api"), ("dataset", "community-health-visits")]);
    form.extend(purposes.iter().map(|purpose| ("purposes", *purpose)));
    form.extend(fields.iter().map(|field| ("fields", *field)));
    form.extend(SAFEGUARDS.iter().map(|safeguard| ("safeguards_met", *safeguard)));
    form
}

/// The path of an address that an answer leads to.
fn path(address: &str) -> String {
    address.split('?').next().unwrap().to_owned()
}

async fn submitted(firm: &FirmBrowser) -> String {
    let page = path(&firm.done(VISITS, &filled(&VISIT_FIELDS, &["evaluation"], "30")).await);
    firm.done(&format!("{page}/steps/submission"), &[]).await;
    page.rsplit('/').next().unwrap().to_owned()
}

/// Has a report made; answers its hash.
async fn tried(reviewer: &Browser, id: &str, fields: &[&str]) -> String {
    let fields: Vec<(&str, &str)> = fields.iter().map(|field| ("fields", *field)).collect();
    let address = reviewer.done(&format!("/console/applications/{id}/reports?lang=en"), &fields).await;
    address.split("report=").nth(1).unwrap().split('#').next().unwrap().to_owned()
}

fn approval<'a>(sha256: &'a str, fields: &[&'a str], term: &'a str, reason: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut form = vec![("report_sha256", sha256), ("reason", reason), ("term_days", term), ("purposes", "evaluation")];
    form.extend([("modes", "download"), ("modes", "api")]);
    form.extend(fields.iter().map(|field| ("fields", *field)));
    form
}

async fn secret_of(app: &TestApp, firm: &FirmBrowser) -> String {
    const BASE: &str = "/api/v1/people/me/second-factor";
    let begun = app.post_as(BASE, &firm.token, &json!({ "password": "the firm's password" })).await.expect(201).json();
    let secret = begun["secret"].as_str().unwrap().to_owned();
    app.post_as(&format!("{BASE}/confirmation"), &firm.token, &json!({ "code": code(&secret) })).await.expect(200);
    forget_steps(&app.app);
    secret
}

/// The value of a hidden field.
fn hidden(page: &str, name: &str) -> String {
    let field = page.split(&format!("name=\"{name}\" value=\"")).nth(1);
    field.unwrap_or_else(|| panic!("no field {name}")).split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_firm_applies_and_the_publisher_decides_on_pages() {
    let app = TestApp::spawn().await;
    let (firm, reviewer) = (app.firm_browser().await, app.staff_browser(&["reviewer"], None).await);
    let secret = secret_of(&app, &firm).await;
    // The token of the session that set the factor up was renewed, and the browser's has ended with it.
    let firm = FirmBrowser { browser: relogged(&app, &firm, &secret).await, ..firm };

    assert!(firm.page("/firm?lang=en").await.contains("How to begin"));
    let dataset = firm.page("/datasets/community-health-visits?lang=en").await;
    assert!(dataset.contains("href=\"/datasets/community-health-visits/apply?lang=en\"") && dataset.contains("Safeguards asked for"));
    let form = firm.page("/datasets/community-health-visits/apply?lang=en").await;
    for text in ["Fine-tuning of models", "not in the offer", "asked for", "As a pseudonym keyed for this grant alone", "Not given out"] {
        assert!(form.contains(text), "{text}: {form}");
    }

    let id = drafted(&firm, &reviewer).await;
    asked_and_answered(&firm, &reviewer, &id).await;
    approved_with_less(&reviewer, &id).await;
    let grant = confirmed(&firm, &reviewer, &id, &secret).await;
    reported(&firm, &reviewer, &grant).await;
}

/// A draft is held against the offer, mended and submitted; answers the application.
async fn drafted(firm: &FirmBrowser, reviewer: &Browser) -> String {
    // A draft that does not meet the offer says where.
    let address = firm.done(&format!("{VISITS}?lang=en"), &filled(&VISIT_FIELDS, &["pre_training"], "30")).await;
    let page = path(&address);
    assert_eq!(address, format!("{page}?lang=en&done=saved"));
    let draft = firm.page(&format!("{page}?lang=en&done=saved")).await;
    assert!(draft.contains("The draft is saved.") && draft.contains("The dataset is not offered for pre-training of models"), "{draft}");
    let edit = firm.page(&format!("{page}/edit?lang=en")).await;
    assert!(edit.contains("Conflict: The dataset is not offered") && edit.contains("Meets the offer"), "{edit}");
    assert!(edit.contains("value=\"pre_training\" checked") && edit.contains("to test a model of visits"));
    firm.done(&format!("{page}/edit"), &filled(&VISIT_FIELDS, &["evaluation"], "30")).await;
    assert!(!firm.page(&format!("{page}?lang=en")).await.contains("Conflict: "));
    let id = page.rsplit('/').next().unwrap().to_owned();
    reviewer.get(&format!("/console/applications/{id}")).await.expect(404);
    firm.done(&format!("{page}/steps/submission"), &[]).await;
    id
}

async fn asked_and_answered(firm: &FirmBrowser, reviewer: &Browser, id: &str) {
    let (page, review) = (format!("/firm/applications/{id}"), format!("/console/applications/{id}"));
    assert!(reviewer.page("/console?lang=en").await.contains(&review));
    reviewer.done(&format!("{review}/steps/questions"), &[("question", "Which model is it?")]).await;
    let asked = firm.page(&format!("{page}?lang=en")).await;
    assert!(asked.contains("<blockquote>Which model is it?</blockquote>") && asked.contains("Send the answer"), "{asked}");
    assert!(firm.page("/firm?lang=en").await.contains("Answer what the reviewer asks"));
    firm.done(&format!("{page}/steps/answer"), &[("answer", "A forecast of visits.")]).await;
    let answered = reviewer.page(&format!("{review}?lang=en")).await;
    assert!(
        answered.contains("A forecast of visits.") && answered.contains("It can be approved once a report has been made."),
        "{answered}"
    );
    reviewer.done(&format!("{review}/steps/acceptance"), &[]).await;
}

async fn approved_with_less(reviewer: &Browser, id: &str) {
    let review = format!("/console/applications/{id}");
    let some = &VISIT_FIELDS[1..];
    let sha256 = tried(reviewer, id, some).await;
    let reported = reviewer.page(&format!("{review}?lang=en&report={sha256}")).await;
    assert!(reported.contains("Smallest group (k)") && reported.contains("A release can be made") && reported.contains("Rows released"));
    assert_eq!(hidden(&reported, "report_sha256"), sha256);
    let mut granted = approval(&sha256, some, "10", "purpose and safeguards are sound");
    granted.push(("text", "Only in one room"));
    reviewer.done(&format!("{review}/steps/approval?lang=en"), &granted).await;
}

/// The firm reads the agreement and confirms it by a code of its person; answers the grant's page.
async fn confirmed(firm: &FirmBrowser, reviewer: &Browser, id: &str, secret: &str) -> String {
    let page = format!("/firm/applications/{id}");
    let drawn = firm.page(&format!("{page}?lang=en")).await;
    for text in ["What is granted", "Only in one room", "Data use agreement", "purpose and safeguards are sound", "openssl pkeyutl -sign"] {
        assert!(drawn.contains(text), "{text}: {drawn}");
    }
    let (agreement, text_sha256) = (hidden(&drawn, "agreement"), hidden(&drawn, "sha256"));
    assert!(drawn.contains(&format!("/api/v1/agreements/{agreement}/signature")));
    let confirmation = format!("{page}/confirmation?lang=en");
    let sent = |code: String| [("agreement", agreement.clone()), ("sha256", text_sha256.clone()), ("code", code)];
    let wrong = sent("no".to_owned());
    let wrong = firm.send(&confirmation, &wrong.each_ref().map(|(name, value)| (*name, value.as_str()))).await.expect(400).text();
    assert!(wrong.contains("Nothing was done yet"), "{wrong}");
    let right = sent(code(secret));
    let address = firm.done(&confirmation, &right.each_ref().map(|(name, value)| (*name, value.as_str()))).await;
    let grant = path(&address);
    let shown = firm.page(&format!("{grant}?lang=en&done=signed")).await;
    for text in
        ["In force", "The agreement is signed", "In bands of 10 years", "pandas.read_parquet", "CREATE SECRET", "Hand in the report"]
    {
        assert!(shown.contains(text) || text.starts_with("In bands"), "{text}: {shown}");
    }
    assert!(shown.contains("/api/v1/datasets/community-health-visits/download?format=parquet"));
    assert!(firm.page(&format!("{page}?lang=en")).await.contains(&format!("/api/v1/agreements/{agreement}/bundle")));
    assert!(firm.page("/firm?lang=en").await.contains(&grant));
    let in_console = grant.replace("/firm/", "/console/");
    assert!(reviewer.page("/console/grants?lang=en").await.contains(&in_console));
    grant
}

async fn reported(firm: &FirmBrowser, reviewer: &Browser, grant: &str) {
    let in_console = grant.replace("/firm/", "/console/");
    let today = chrono::Utc::now().naive_utc() + chrono::Duration::hours(8);
    let today = today.date().to_string();
    let report = [("from", today.as_str()), ("to", &today), ("used_for", "We trained the forecast."), ("title-0", "A forecast")];
    let wrong = [&report[..], &[("link-0", "ftp://example.org"), ("name-1", "rows"), ("count-1", "many")]].concat();
    let refused = firm.send(&format!("{grant}/use-reports?lang=en"), &wrong).await.expect(400).text();
    for text in ["Give an http or https address", "Give a whole number from 0", "value=\"ftp://example.org\"", "We trained the forecast."] {
        assert!(refused.contains(text), "{text}: {refused}");
    }
    firm.done(&format!("{grant}/use-reports"), &[&report[..], &[("name-0", "rows"), ("count-0", "1200")]].concat()).await;
    assert!(firm.page(grant).await.contains("We trained the forecast.") && reviewer.page(&in_console).await.contains("1,200"));
}

/// The firm's person, logged in again with a code.
async fn relogged(app: &TestApp, firm: &FirmBrowser, secret: &str) -> Browser {
    let fields = [("username", firm.username.as_str()), ("password", "the firm's password"), ("code", &code(secret))];
    let answer = app.form("/login", &fields, &[crate::support::SAME_SITE]).await.expect(303);
    forget_steps(&app.app);
    firm.browser.with_cookie(answer.header("set-cookie").split("; ").next().unwrap())
}

#[tokio::test]
async fn wrong_input_comes_back_beside_its_field_with_what_was_typed() {
    let app = TestApp::spawn().await;
    let firm = app.firm_browser().await;
    let mut form = filled(&["resident_name", "sex"], &["analytics"], "soon");
    form[0] = ("purpose", "short\u{202e} \"&lt;");
    let page = firm.send(&format!("{VISITS}?lang=en"), &form).await.expect(400).text();
    assert!(page.contains("Nothing was done yet") && page.contains("invisible characters"), "{page}");
    form[0] = ("purpose", "say \"why\"");
    let page = firm.send(&format!("{VISITS}?lang=en"), &form).await.expect(400).text();
    for text in [
        "Give 1 to 180 days",
        "The field `resident_name` may not leave",
        "value=\"soon\"",
        "value=\"analytics\" checked",
        "value=\"sex\" checked",
    ] {
        assert!(page.contains(text), "{text}: {page}");
    }
    assert!(page.contains("say &#34;why&#34;</textarea>"), "{page}");
    let zh = firm.send(&format!("{VISITS}?lang=zh"), &form).await.expect(400).text();
    assert!(zh.contains("请填写天数（整数）") && zh.contains("请选择可以提供的数据项"), "{zh}");

    // A draft may lack something; it is not submitted so, and the page says what is missing.
    let page = path(&firm.done(VISITS, &[("dataset", "community-health-visits"), ("term_days", "30")]).await);
    let refused = firm.send(&format!("{page}/steps/submission?lang=en"), &[]).await.expect(400).text();
    for pointer in ["/purpose", "/purposes", "/fields", "/modes", "/safeguards"] {
        assert!(refused.contains(&format!("<code>{pointer}</code>")), "{pointer}: {refused}");
    }
    let long = "x".repeat(2001);
    let refused = firm.send(&format!("{page}/steps/withdrawal?lang=en"), &[("reason", &long)]).await.expect(400).text();
    assert!(refused.contains(&long) && refused.contains("Give 3 to 2000 characters; this has 2001."), "{refused}");
    firm.done(&format!("{page}/steps/withdrawal"), &[("reason", "not needed")]).await;
    let conflict = firm.send(&format!("{page}/steps/submission?lang=en"), &[]).await.expect(409).text();
    assert!(conflict.contains("Withdrawn"), "{conflict}");
    firm.get(&format!("{page}/edit")).await.expect(409);
    firm.get("/datasets/shanghai-districts/apply").await.expect(409);
    firm.send(&format!("{page}/steps/nothing"), &[]).await.expect(404);
}

fn changing(k: u32) -> Folder {
    let csv: String = (0..40).map(|number| format!("p{number},{}\n", 20 + number % 4)).collect();
    let fields = [
        ("id", "string", "sensitivity = \"direct\"\nrelease = \"pseudonym\""),
        ("age", "integer", "sensitivity = \"quasi\"\nrelease = { band = { width = 10 } }"),
    ];
    people(&format!("subject = \"id\", k = {k}"), &fields, &format!("id,age\n{csv}"))
}

#[tokio::test]
async fn a_world_that_changed_gives_a_fresh_report_and_keeps_what_was_typed() {
    let folder = changing(2);
    let app = TestApp::with_datasets(folder.path()).await;
    let (firm, reviewer) = (app.firm().await, app.staff_browser(&["reviewer"], None).await);
    let body = application("people", &["id", "age"]);
    let made: Value = app.post_as("/api/v1/applications", &firm.token, &body).await.expect(201).json();
    let id = made["id"].as_str().unwrap();
    let sha256 = tried(&reviewer, id, &["id", "age"]).await;
    let step = format!("/console/applications/{id}/steps/approval?lang=en");
    let form = |sha256: &str| {
        let pairs =
            [("report_sha256", sha256), ("reason", "I looked at \"it\""), ("term_days", "12"), ("text", "Only <here>"), ("modes", "api")];
        let more = [("purposes", "analytics"), ("fields", "id"), ("fields", "age")];
        pairs.into_iter().chain(more).map(|(name, value)| (name, value.to_owned())).collect::<Vec<_>>()
    };
    let send = async |form: Vec<(&str, String)>| {
        let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        reviewer.send(&step, &form).await
    };
    app.import(&changing(3)).await;
    let page = send(form(&sha256)).await.expect(409).text();
    assert!(page.contains("A fresh report was made.") && page.contains("At least 3 asked for"), "{page}");
    for text in ["I looked at &#34;it&#34;</textarea>", "Only &#60;here&#62;</textarea>", "value=\"12\"", "value=\"api\" checked"] {
        assert!(page.contains(text), "{text}: {page}");
    }
    assert!(!page.contains("value=\"download\" checked"), "{page}");
    let fresh = hidden(&page, "report_sha256");
    assert_ne!(fresh, sha256);

    // What is wrong with the decision itself says so, and makes nothing up of a change.
    let mut wrong = form(&fresh);
    wrong[2].1 = "31".to_owned();
    wrong[4].1 = "download".to_owned();
    let page = send(wrong).await.expect(400).text();
    assert!(page.contains("Give 1 to 30 days") && !page.contains("A fresh report was made."), "{page}");
    assert_eq!(send(form(&fresh)).await.expect(303).header("location"), format!("/console/applications/{id}?lang=en&done=approval"));
    let page = reviewer.page(&format!("/console/applications/{id}?lang=en")).await;
    assert!(page.contains("Only &#60;here&#62;") && page.contains("12 days"), "{page}");
    let again = send(form(&fresh)).await.expect(409).text();
    assert!(again.contains("Approved, to be signed") && again.contains("<blockquote>I looked at &#34;it&#34;</blockquote>"), "{again}");
}

#[tokio::test]
async fn a_refusal_an_appeal_and_a_withdrawal_go_by_pages() {
    let app = TestApp::spawn().await;
    let firm = app.firm_browser().await;
    let (one, two) = (app.staff_browser(&["reviewer"], None).await, app.staff_browser(&["reviewer"], None).await);
    let id = submitted(&firm).await;
    let (review, page) = (format!("/console/applications/{id}"), format!("/firm/applications/{id}"));
    let short = one.send(&format!("{review}/steps/refusal?lang=en"), &[("reason", "no")]).await.expect(400).text();
    assert!(short.contains("Give 3 to 2000 characters; this has 2.") && short.contains(">no</textarea>"), "{short}");
    one.done(&format!("{review}/steps/refusal"), &[("reason", "the purpose is not definite")]).await;
    let refused = firm.page(&format!("{page}?lang=en")).await;
    assert!(refused.contains("the purpose is not definite") && refused.contains("Appeal against the refusal"), "{refused}");
    firm.done(&format!("{page}/steps/appeal"), &[("reason", "we see it otherwise")]).await;
    one.send(&format!("{review}/steps/appeal-granted"), &[("reason", "read it again")]).await.expect(403);
    two.done(&format!("{review}/steps/appeal-granted"), &[("reason", "read it again")]).await;
    two.done(&format!("{review}/steps/refusal"), &[("reason", "still not definite")]).await;
    assert!(!firm.page(&format!("{page}?lang=en")).await.contains("Appeal against the refusal"));
    let history = firm.page(&format!("{page}?lang=en")).await;
    let places: Vec<usize> = ["The firm appealed", "The appeal was granted", "still not definite</blockquote>"]
        .iter()
        .map(|text| history.rfind(text).unwrap())
        .collect();
    assert!(places.is_sorted(), "{history}");
}

#[tokio::test]
async fn the_queue_counts_what_is_overdue_and_puts_it_first() {
    let app = TestApp::spawn().await;
    let firm = app.firm_browser().await;
    let reviewer = app.staff_browser(&["reviewer"], None).await;
    let steward = app.staff_browser(&["steward"], Some("xuhui-health")).await;
    let other = app.staff_browser(&["steward"], Some("xuhui-data")).await;
    let (early, late) = (submitted(&firm).await, submitted(&firm).await);
    assert!(reviewer.page("/console?lang=en").await.contains("Waiting for the publisher: <strong>2</strong>"));
    let sql = format!("UPDATE applications SET due_at = '2026-01-02 00:00:00' WHERE id = '{late}'");
    crate::support::TestDatabase::tamper(app.app.settings.database_url.expose(), &sql);
    for who in [&reviewer, &steward] {
        let queue = who.page("/console?lang=en").await;
        assert!(queue.contains("Overdue: <strong>1</strong>"), "{queue}");
        assert!(queue.find(&late).unwrap() < queue.find(&early).unwrap(), "{queue}");
        let overdue = who.page("/console?lang=en&state=overdue").await;
        assert!(overdue.contains(&late) && !overdue.contains(&early));
        assert!(!who.page("/console?state=asked").await.contains(&late));
        assert!(who.page("/console?state=all").await.contains(&early));
        assert!(who.page(&format!("/console/applications/{late}?lang=en")).await.contains("The application against the offer"));
    }
    reviewer.get("/console?state=lost").await.expect(400);
    // A steward looks at what concerns the publisher's datasets, and decides nothing.
    assert!(!other.page("/console?state=all").await.contains(&late));
    other.get(&format!("/console/applications/{late}")).await.expect(404);
    assert!(!steward.page(&format!("/console/applications/{late}?lang=en")).await.contains("<textarea"));
    steward.send(&format!("/console/applications/{late}/steps/refusal"), &[("reason", "not mine to say")]).await.expect(403);
    steward.get("/console/grants").await.expect(403);
    // Who is both sees that somebody else decides.
    let both = app.staff_browser(&["steward", "reviewer"], Some("xuhui-health")).await;
    let own = both.page(&format!("/console/applications/{late}?lang=en")).await;
    assert!(own.contains("another reviewer decides") && !own.contains("Refuse the application"), "{own}");
}

#[tokio::test]
async fn a_grant_is_suspended_resumed_and_asked_about_before_it_is_revoked() {
    let app = TestApp::spawn().await;
    let firm = app.firm().await;
    let grant = app.grant(&firm).await;
    let (operator, auditor) = (app.operator_browser().await, app.staff_browser(&["auditor"], None).await);
    let page = format!("/console/grants/{}", grant.id);
    let rows = "/api/v1/datasets/community-health-visits/rows?limit=1";
    app.get_as(rows, &grant.token).await.expect(200);
    operator.done(&format!("{page}/steps/suspension"), &[("reason", "an incident")]).await;
    app.get_as(rows, &grant.token).await.expect(403);
    assert!(operator.page(&format!("{page}?lang=en")).await.contains("Resume the grant"));
    let twice = operator.send(&format!("{page}/steps/suspension?lang=en"), &[("reason", "an incident")]).await.expect(409).text();
    assert!(twice.contains("Suspended"), "{twice}");
    operator.done(&format!("{page}/steps/resumption"), &[("reason", "it was nothing")]).await;
    app.get_as(rows, &grant.token).await.expect(200);

    let revocation = format!("{page}/steps/revocation?lang=en");
    let asked = operator.send(&revocation, &[("reason", "a \"breach\"")]).await.expect(200).text();
    assert!(asked.contains("Revoke the grant?") && asked.contains("a &#34;breach&#34;</textarea>"), "{asked}");
    app.get_as(rows, &grant.token).await.expect(200);
    operator.send(&revocation, &[("reason", "a breach"), ("confirmed", "another")]).await.expect(200);
    app.get_as(rows, &grant.token).await.expect(200);
    // Whoever audits looks on.
    let seen = auditor.page(&format!("{page}?lang=en")).await;
    assert!(seen.contains("an incident") && !seen.contains("<textarea"), "{seen}");
    auditor.send(&revocation, &[("reason", "a breach"), ("confirmed", &grant.id)]).await.expect(403);
    operator.done(&revocation, &[("reason", "a breach"), ("confirmed", &grant.id)]).await;
    app.get_as(rows, &grant.token).await.expect(403);
    assert!(operator.page("/console/grants?in_force=false").await.contains(&grant.id));
}

#[tokio::test]
async fn a_firm_answers_a_notice_and_appeals() {
    let app = TestApp::spawn().await;
    let (firm, operator) = (app.firm_browser().await, app.operator().await);
    let order = json!({ "kind": "warning", "reason": "reports came late" });
    let made = app.post_as(&format!("/api/v1/admin/firms/{}/sanctions", firm.id), &operator.token, &order).await.expect(201).json();
    let page = format!("/firm/notices/{}", made["id"].as_str().unwrap());
    let desk = firm.page("/firm?lang=en").await;
    assert!(desk.contains(&page) && desk.contains("reports came late"), "{desk}");
    let short = firm.send(&format!("{page}/steps/statement?lang=en"), &[("text", "no")]).await.expect(400).text();
    assert!(short.contains("Give 3 to 4000 characters; this has 2.") && short.contains(">no</textarea>"), "{short}");
    firm.done(&format!("{page}/steps/statement"), &[("text", "it was a holiday")]).await;
    firm.done(&format!("{page}/steps/appeal"), &[("text", "please think again")]).await;
    let shown = firm.page(&page).await;
    assert!(shown.contains("it was a holiday") && shown.contains("please think again") && !shown.contains("<textarea"), "{shown}");
    let other = app.firm_browser().await;
    other.get(&page).await.expect(404);
}
