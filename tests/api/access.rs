//! From an application to bytes, and back to revocation.

use serde_json::{Value, json};

use crate::support::{GrantOf, KeyPair, TestApp, VISIT_FIELDS, signature_body, with_query};

const DOWNLOAD: &str = "/api/v1/datasets/community-health-visits/download?format=csv";
const ROWS: &str = "/api/v1/datasets/community-health-visits/rows";

fn records(csv: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(csv.as_bytes());
    reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
}

async fn column(app: &TestApp, grant: &GrantOf, name: &str) -> Vec<String> {
    let csv = app.get_as(DOWNLOAD, &grant.token).await.expect(200).text();
    let records = records(&csv);
    let at = records[0].iter().position(|known| known == name).unwrap();
    records[1..].iter().map(|record| record[at].clone()).collect()
}

#[tokio::test]
async fn a_grant_reads_its_release_and_no_direct_identifier() {
    let app = TestApp::spawn().await;
    let firm = app.firm().await;
    let grant = app.grant(&firm).await;
    let answer = app.get_as(DOWNLOAD, &grant.token).await.expect(200);
    assert_eq!(answer.header("cache-control"), "private, no-store");
    let csv = answer.text();
    let released = records(&csv);
    assert_eq!(released[0], VISIT_FIELDS);
    let source = std::fs::read_to_string(crate::support::shipped().join("community-health-visits/visits.csv")).unwrap();
    let source = records(&source);
    let at = |name: &str| source[0].iter().position(|known| known == name).unwrap();
    // Whole values: six digits of an identifier stand in some pseudonym by chance.
    let cells: std::collections::BTreeSet<&str> = released.iter().flatten().map(String::as_str).collect();
    for raw in &source[1..] {
        for name in ["visit_id", "resident_id", "resident_name", "mobile", "birth_date"] {
            assert!(!cells.contains(raw[at(name)].as_str()), "{name}");
        }
    }
    assert!(!csv.contains("合成居民"));
    assert!(released[1..].iter().all(|row| row[0].len() == 32), "a pseudonym has 32 hexadecimal digits");
    // Of the birth date a band of five years is left, and of residents who are alike in it and the subdistrict there are five or more.
    let band = |raw: &[String]| {
        let first = raw[at("birth_date")][..4].parse::<u32>().unwrap() / 5 * 5;
        format!("{first}-{}", first + 4)
    };
    let mut groups = std::collections::BTreeMap::<_, (std::collections::BTreeSet<_>, std::collections::BTreeSet<_>)>::new();
    for raw in &source[1..] {
        let (residents, diagnoses) = groups.entry((band(raw), &raw[at("subdistrict_code")])).or_default();
        residents.insert(&raw[at("resident_id")]);
        diagnoses.insert(&raw[at("diagnosis_group")]);
    }
    let kept = |raw: &&Vec<String>| {
        let (residents, diagnoses) = &groups[&(band(raw), &raw[at("subdistrict_code")])];
        residents.len() >= 5 && diagnoses.len() >= 2
    };
    let wanted = source[1..].iter().filter(kept);
    let wanted = wanted
        .map(|raw| vec![band(raw), raw[at("subdistrict_code")].clone(), raw[at("diagnosis_group")].clone(), raw[at("cost_cny")].clone()]);
    let mut wanted: Vec<Vec<String>> = wanted.collect();
    assert!(wanted.len() < 20_000 && wanted.len() > 19_000, "{}", wanted.len());
    let mut left: Vec<Vec<String>> = released[1..].iter().map(|row| row[1..].to_vec()).collect();
    assert_ne!(left, wanted, "the rows stand in an order of their own");
    left.sort_unstable();
    wanted.sort_unstable();
    assert!(left == wanted, "every row is there, with what the policy keeps");
    let page = app.get_as(&with_query(ROWS, &[("where", "birth_date < '1950'"), ("limit", "3")]), &grant.token).await.expect(200).json();
    assert_eq!(page["rows"].as_array().unwrap().len(), 3);
    let wanted = released[1..].iter().filter(|row| row[1].as_str() < "1950").count();
    assert_eq!(page["total"].as_u64().unwrap() as usize, wanted);
    for hidden in ["mobile = '10000000000'", "resident_name is not null", "sex = '男'"] {
        app.get_as(&with_query(ROWS, &[("where", hidden)]), &grant.token).await.problem(400, "invalid-value");
    }
}

#[tokio::test]
async fn pseudonyms_of_two_grants_share_nothing_and_group_alike() {
    let app = TestApp::spawn().await;
    let (one, two) = (app.firm().await, app.firm().await);
    let (one, two) = (app.grant(&one).await, app.grant(&two).await);
    let (one, two) = (column(&app, &one, "resident_id").await, column(&app, &two, "resident_id").await);
    let distinct = |values: &[String]| values.iter().cloned().collect::<std::collections::BTreeSet<_>>();
    assert_eq!(distinct(&one).len(), distinct(&two).len());
    assert!(distinct(&one).is_disjoint(&distinct(&two)));
    // The same person is the same pseudonym throughout: as many visits of the first, the second, …
    let visits = |values: &[String]| {
        let mut counts = std::collections::BTreeMap::<&String, usize>::new();
        values.iter().for_each(|value| *counts.entry(value).or_default() += 1);
        let mut counts: Vec<usize> = counts.into_values().collect();
        counts.sort_unstable();
        counts
    };
    assert_eq!(visits(&one), visits(&two));
    let order = |values: &[String]| {
        values.iter().map(|value| values.iter().position(|other| other == value).unwrap()).take(3000).collect::<Vec<_>>()
    };
    assert_ne!(order(&one), order(&two), "the rows of two releases stand in different orders");
}

#[tokio::test]
async fn a_token_opens_its_own_grant_only() {
    let app = TestApp::spawn().await;
    let (firm, other) = (app.firm().await, app.firm().await);
    let grant = app.grant(&firm).await;
    let claims = crate::support::assertion_claims(&app, &other.client_id);
    let foreign = app.assert(&other.key.sign(&claims), Some(&grant.id)).await.expect(400).json();
    assert_eq!(foreign["error"], "invalid_authorization_details");
    app.get_as(ROWS, &other.token).await.problem(403, "forbidden");
    app.get_as(ROWS, &firm.token).await.problem(403, "forbidden");
    app.get_as(ROWS, &firm.person).await.problem(403, "forbidden");
    for path in ["grants", "applications", "agreements"] {
        let id = match path {
            "grants" => grant.id.clone(),
            "agreements" => {
                app.get_as(&format!("/api/v1/grants/{}", grant.id), &firm.token).await.json()["agreement_id"].as_str().unwrap().to_owned()
            }
            _ => app.get_as("/api/v1/applications", &firm.token).await.json()["items"][0]["id"].as_str().unwrap().to_owned(),
        };
        app.get_as(&format!("/api/v1/{path}/{id}"), &firm.token).await.expect(200);
        app.get_as(&format!("/api/v1/{path}/{id}"), &other.token).await.problem(404, "not-found");
    }
    // A grant's token reads open data like anybody's.
    app.get_as("/api/v1/datasets/shanghai-districts/rows", &grant.token).await.expect(200);
}

#[tokio::test]
async fn revoking_the_grant_the_client_or_the_firm_stops_the_next_request() {
    let app = TestApp::spawn().await;
    let operator = app.operator().await;
    let reason = json!({ "reason": "an incident" });

    let firm = app.firm().await;
    let (first, second) = (app.grant(&firm).await, app.grant(&firm).await);
    app.get_as(ROWS, &first.token).await.expect(200);
    app.post_as(&format!("/api/v1/grants/{}/revocation", first.id), &operator.token, &reason).await.expect(200);
    app.get_as(ROWS, &first.token).await.problem(403, "forbidden");
    app.get_as(DOWNLOAD, &first.token).await.problem(403, "forbidden");
    app.get_as(ROWS, &second.token).await.expect(200);
    app.post_as(&format!("/api/v1/grants/{}/revocation", first.id), &operator.token, &reason).await.problem(409, "conflict");
    let claims = crate::support::assertion_claims(&app, &firm.client_id);
    app.assert(&firm.key.sign(&claims), Some(&first.id)).await.expect(400);

    app.post_as(&format!("/api/v1/admin/clients/{}/revocation", firm.client_id), &operator.token, &reason).await.expect(200);
    app.get_as(ROWS, &second.token).await.problem(401, "unauthenticated");
    app.get_as("/api/v1/firms/me", &firm.token).await.problem(401, "unauthenticated");
    app.assert(&firm.key.sign(&crate::support::assertion_claims(&app, &firm.client_id)), None).await.expect(401);

    let firm = app.firm().await;
    let grant = app.grant(&firm).await;
    app.get_as(ROWS, &grant.token).await.expect(200);
    app.post_as(&format!("/api/v1/admin/firms/{}/revocation", firm.id), &operator.token, &reason).await.expect(200);
    app.get_as(ROWS, &grant.token).await.problem(401, "unauthenticated");
    app.post_as("/api/v1/applications", &firm.person, &app.application()).await.problem(403, "forbidden");
}

#[tokio::test]
async fn every_fault_of_an_application_is_named() {
    let app = TestApp::spawn().await;
    let firm = app.firm().await;
    let body = json!({
        "dataset": "community-health-visits", "purpose": "short", "purposes": [], "fields": ["sex", "mobile", "nope", "sex"], "modes": [],
        "term_days": 999, "safeguards": "none",
    });
    let problem = app.post_as("/api/v1/applications", &firm.token, &body).await.problem(400, "invalid-value");
    let pointers: Vec<&str> = problem["errors"].as_array().unwrap().iter().map(|fault| fault["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/purpose", "/safeguards", "/purposes", "/term_days", "/modes", "/fields/1", "/fields/2", "/fields/3"]);
    let mut open = app.application();
    open["dataset"] = json!("shanghai-districts");
    app.post_as("/api/v1/applications", &firm.token, &open).await.problem(400, "invalid-value");
    open["dataset"] = json!("nope");
    app.post_as("/api/v1/applications", &firm.token, &open).await.problem(404, "not-found");
}

async fn decide(app: &TestApp, token: &str, application: &str, approve: bool) -> crate::support::Answer {
    let mut body = json!({ "approve": false, "reason": "looked at it" });
    if approve {
        let reviewer = app.staff(&["reviewer"], None).await;
        body = app.approval(&reviewer, application).await;
    }
    app.post_as(&format!("/api/v1/applications/{application}/decision"), token, &body).await
}

#[tokio::test]
async fn four_eyes_decide_once() {
    let app = TestApp::spawn().await;
    let firm = app.firm().await;
    let application = app.apply(&firm.token).await;
    let both = app.staff(&["steward", "reviewer"], Some("xuhui-health")).await;
    let problem = decide(&app, &both.token, &application, true).await.problem(403, "forbidden");
    assert!(problem["detail"].as_str().unwrap().contains("four eyes"));
    let elsewhere = app.staff(&["steward", "reviewer"], Some("xuhui-data")).await;
    let reviewer = app.staff(&["reviewer"], None).await;
    let approval = app.approval(&reviewer, &application).await;
    let path = format!("/api/v1/applications/{application}/decision");
    let (one, two) = futures::join!(app.post_as(&path, &elsewhere.token, &approval), decide(&app, &reviewer.token, &application, false));
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409], "two reviewers at once: one decides");
}

#[tokio::test]
async fn a_refused_application_gives_no_agreement() {
    let app = TestApp::spawn().await;
    let firm = app.firm().await;
    let application = app.apply(&firm.token).await;
    let reviewer = app.staff(&["reviewer"], None).await;
    let decided = decide(&app, &reviewer.token, &application, false).await.expect(200).json();
    assert_eq!(decided["agreement"], Value::Null);
    assert_eq!(decided["application"]["status"], "refused");
    assert_eq!(decided["application"]["reason"], "looked at it");
}

#[tokio::test]
async fn a_signature_holds_for_its_text_and_key_only() {
    let app = TestApp::spawn().await;
    let (firm, other) = (app.firm().await, app.firm().await);
    let agreement = app.drawn_agreement(&firm).await;
    assert_eq!(agreement["sha256"], qingdan::crypto::sha256_hex(agreement["text"].as_str().unwrap().as_bytes()));
    let path = format!("/api/v1/agreements/{}/signature", agreement["id"].as_str().unwrap());
    let sha256 = agreement["sha256"].as_str().unwrap();
    let good = firm.key.sign_detached(sha256);
    let attached = good.replacen("..", ".e30.", 1);
    let header = qingdan::crypto::base64url(br#"{"alg":"HS256"}"#);
    let confused = format!("{header}..{}", good.split("..").nth(1).unwrap());
    let cases = [
        (firm.client_id.as_str(), firm.key.sign_detached(&sha256.replace(&sha256[..1], "0").to_uppercase()), "/signature"),
        (&firm.client_id, KeyPair::ed25519().sign_detached(sha256), "/signature"),
        (&firm.client_id, attached, "/signature"),
        (&firm.client_id, confused, "/signature"),
        (&firm.client_id, "nonsense".to_owned(), "/signature"),
        (&other.client_id, good.clone(), "/client_id"),
        ("nobody", good.clone(), "/client_id"),
    ];
    for (client, signature, pointer) in cases {
        let body = json!({ "client_id": client, "signature": signature });
        let problem = app.post_as(&path, &firm.token, &body).await.problem(400, "invalid-value");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    app.post_as(&path, &other.token, &signature_body(&other, &agreement)).await.problem(404, "not-found");
    app.sign(&firm, &agreement).await.expect(200);
    app.sign(&firm, &agreement).await.problem(409, "conflict");
}

#[tokio::test]
async fn a_p256_key_signs_an_agreement_and_a_secret_cannot() {
    let app = TestApp::spawn().await;
    let firm = app.firm().await;
    let agreement = app.drawn_agreement(&firm).await;
    let path = format!("/api/v1/agreements/{}/signature", agreement["id"].as_str().unwrap());
    let secret = app.post_as("/api/v1/firms/me/clients", &firm.person, &json!({ "name": "s" })).await.expect(201).json();
    let body = json!({ "client_id": secret["id"], "signature": firm.key.sign_detached(agreement["sha256"].as_str().unwrap()) });
    let problem = app.post_as(&path, &firm.person, &body).await.problem(400, "invalid-value");
    assert!(problem["detail"].as_str().unwrap().contains("has a secret and no key"));
    let key = KeyPair::p256();
    let client = app.register_client(&firm.person, &key).await;
    let body = json!({ "client_id": client, "signature": key.sign_detached(agreement["sha256"].as_str().unwrap()) });
    app.post_as(&path, &firm.person, &body).await.expect(200);
}

#[tokio::test]
async fn the_modes_of_a_grant_are_kept() {
    let app = TestApp::spawn().await;
    let firm = app.firm().await;
    let mut body = app.application();
    body["modes"] = json!(["api"]);
    let application = app.post_as("/api/v1/applications", &firm.token, &body).await.expect(201).json();
    let agreement = app.approve(application["id"].as_str().unwrap()).await;
    let signed = app.sign(&firm, &agreement).await.expect(200).json();
    let token = app.client_token(&firm.client_id, &firm.key, signed["grant"]["id"].as_str()).await;
    app.get_as(ROWS, &token).await.expect(200);
    app.get_as(DOWNLOAD, &token).await.problem(403, "forbidden");
}

#[tokio::test]
async fn an_agreement_cannot_be_written_by_its_receiver() {
    let app = TestApp::spawn().await;
    let firm = app.firm().await;
    let mut body = app.application();
    body["purpose"] = json!("to test a model\nTerm: 9999 days from the signature\nFields: mobile");
    let application = app.post_as("/api/v1/applications", &firm.token, &body).await.expect(201).json();
    let agreement = app.approve(application["id"].as_str().unwrap()).await;
    let text = agreement["text"].as_str().unwrap();
    assert_eq!(text.lines().filter(|line| line.starts_with("Term:")).count(), 1, "{text}");
    assert!(text.contains("Term: 30 days"));
}

#[tokio::test]
async fn a_policy_that_becomes_stricter_stops_what_was_agreed_before() {
    let app = TestApp::spawn().await;
    let firm = app.firm().await;
    let grant = app.grant(&firm).await;
    let drawn = app.drawn_agreement(&firm).await;
    app.get_as(DOWNLOAD, &grant.token).await.expect(200);

    // The curator finds that the subdistrict tells too much, and imports the corrected entry; the data file stays the same.
    let folder = crate::support::Folder::new();
    for file in ["publishers.toml", "themes.toml", "subjects.toml", "community-health-visits/visits.csv"] {
        folder.write(file, std::fs::read(crate::support::shipped().join(file)).unwrap());
    }
    let entry = std::fs::read_to_string(crate::support::shipped().join("community-health-visits/dataset.toml")).unwrap();
    let at = entry.find("name = \"subdistrict_code\"").unwrap();
    let (head, tail) = entry.split_at(at);
    let stricter =
        tail.replacen("sensitivity = \"quasi\"", "sensitivity = \"direct\"", 1).replacen("release = \"keep\"", "release = \"drop\"", 1);
    let stricter = stricter.replacen("coarser = [{ area = { level = \"district\" } }]\n", "", 1);
    folder.write("community-health-visits/dataset.toml", format!("{head}{stricter}"));
    let report = qingdan::release::import_folder(&app.app.tools(), folder.path(), "service", qingdan::release::unwatched).await.unwrap();
    assert!(report.mistakes.is_empty(), "{:?}", report.mistakes);
    assert_eq!(report.outcomes[0].version, None);

    let problem = app.get_as(DOWNLOAD, &grant.token).await.problem(403, "forbidden");
    assert!(problem["detail"].as_str().unwrap().contains("`subdistrict_code`"), "{problem}");
    app.get_as(&format!("{DOWNLOAD}&version=1"), &grant.token).await.problem(403, "forbidden");
    app.get_as(ROWS, &grant.token).await.problem(403, "forbidden");
    app.sign(&firm, &drawn).await.problem(403, "forbidden");
}

#[tokio::test]
async fn an_application_of_a_revoked_firm_is_not_approved() {
    let app = TestApp::spawn().await;
    let firm = app.firm().await;
    let application = app.apply(&firm.token).await;
    let operator = app.operator().await;
    let reason = json!({ "reason": "an incident" });
    app.post_as(&format!("/api/v1/admin/firms/{}/revocation", firm.id), &operator.token, &reason).await.expect(200);
    let reviewer = app.staff(&["reviewer"], None).await;
    decide(&app, &reviewer.token, &application, true).await.problem(409, "conflict");
    decide(&app, &reviewer.token, &application, false).await.expect(200);
}
