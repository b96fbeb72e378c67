//! The ledger: every step is in it, nothing personal is, and tampering shows.

use qingdan::ledger::note::{Checkpoint, Verifier};
use qingdan::ledger::{self, Kind, Verdict, verify};
use serde_json::json;

use crate::support::{TestApp, TestDatabase};

async fn kinds(app: &TestApp) -> Vec<String> {
    let operator = app.operator().await;
    let entries = app.get_as("/api/v1/ledger/entries?limit=1000", &operator.token).await.expect(200).json();
    entries["items"].as_array().unwrap().iter().map(|entry| entry["kind"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn every_step_to_a_read_is_an_entry_in_order() {
    let app = TestApp::spawn().await;
    let firm = app.firm().await;
    let grant = app.grant(&firm).await;
    app.get_as("/api/v1/datasets/community-health-visits/rows?limit=1", &grant.token).await.expect(200);
    app.get_as("/api/v1/datasets/community-health-visits/rows?limit=1", &firm.token).await.problem(403, "forbidden");
    let kinds = kinds(&app).await;
    let wanted = [
        "dataset.created",
        "version.published",
        "release.made",
        "person.created",
        "firm.registered",
        "session.started",
        "firm.approved",
        "client.registered",
        "token.issued",
        "application.submitted",
        "application.approved",
        "agreement.drawn",
        "agreement.signed",
        "grant.created",
        "token.issued",
        "read.allowed",
        "read.refused",
    ];
    let mut rest = kinds.iter();
    for kind in wanted {
        assert!(rest.any(|known| known == kind), "{kind} is missing or out of order in {kinds:?}");
    }
    // The grant's release is made by a job, or by whoever reads first.
    let granted = kinds.iter().position(|kind| kind == "grant.created").unwrap();
    assert!(kinds[granted..].iter().any(|kind| kind == "release.made"), "{kinds:?}");
}

#[tokio::test]
async fn nothing_personal_and_nothing_secret_goes_in() {
    let app = TestApp::spawn().await;
    let firm = app.firm().await;
    app.login("operator", "not the password at all").await.problem(401, "unauthenticated");
    let grant = app.grant(&firm).await;
    let operator = app.operator().await;
    let text = app.get_as("/api/v1/ledger/entries?limit=1000", &operator.token).await.expect(200).text();
    for secret in
        ["contact@example.org", "127.0.0.1", "the firm's password", "not the password", &grant.token, &firm.person, "qds_", "测试企业"]
    {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn pages_of_the_ledger_are_the_ledger() {
    let app = TestApp::spawn().await;
    let operator = app.operator().await;
    let whole = app.get_as("/api/v1/ledger/entries?limit=1000", &operator.token).await.expect(200).json();
    let (mut seqs, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = app.get_as(&format!("/api/v1/ledger/entries?limit=3{cursor}"), &operator.token).await.expect(200).json();
        seqs.extend(page["items"].as_array().unwrap().iter().map(|entry| entry["seq"].as_i64().unwrap()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seqs.len() as u64, whole["total"].as_u64().unwrap());
    assert!(seqs.iter().zip(1..).all(|(seq, wanted)| *seq == wanted));
}

#[tokio::test]
async fn one_changed_byte_is_found_and_named() {
    let app = TestApp::spawn().await;
    let check = || app.app.db.read_now(|conn| verify(conn, &[], None)).unwrap();
    assert!(matches!(check(), Verdict::Whole { .. }));
    let url = app.app.settings.database_url.expose().to_owned();
    let broken = |seq: i64| matches!(check(), Verdict::Broken { seq: found, .. } if found == seq);
    let undo = "UPDATE ledger SET actor = 'service' WHERE seq = 4";
    TestDatabase::tamper(&url, "UPDATE ledger SET actor = 'servicf' WHERE seq = 4");
    assert!(broken(4), "{:?}", check());
    TestDatabase::tamper(&url, undo);
    assert!(matches!(check(), Verdict::Whole { .. }));
    TestDatabase::tamper(&url, "UPDATE ledger SET hash = replace(hash, substr(hash, 1, 1), 'z') WHERE seq = 7");
    assert!(broken(7), "{:?}", check());
    TestDatabase::tamper(&url, "DELETE FROM ledger WHERE seq = 5");
    assert!(broken(5), "{:?}", check());
}

#[tokio::test]
async fn many_writers_make_one_chain() {
    let app = TestApp::spawn().await;
    let firm = app.firm().await;
    let grant = app.grant(&firm).await;
    let path = "/api/v1/datasets/community-health-visits/rows?limit=1&select=cost_cny";
    let answers = futures::future::join_all((0..40).map(|_| app.get_as(path, &grant.token))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert!(matches!(app.app.db.read_now(|conn| verify(conn, &[], None)).unwrap(), Verdict::Whole { .. }));
    assert_eq!(kinds(&app).await.iter().filter(|kind| *kind == "read.allowed").count(), 40);
    let bad = json!({ "username": "operator", "password": "wrong wrong wrong" });
    app.post("/api/v1/sessions", &bad).await.problem(401, "unauthenticated");
    assert!(kinds(&app).await.contains(&"session.refused".to_owned()));
}

#[tokio::test]
async fn a_ledger_of_another_history_than_was_signed_is_found_out() {
    let app = TestApp::spawn().await;
    let key: Verifier = app.get("/api/v1/ledger/key").await.expect(200).json()["verifier"].as_str().unwrap().parse().unwrap();
    let check = |kept: &[Checkpoint]| app.app.db.read_now(|conn| verify(conn, kept, Some(&key))).unwrap();
    let note = app.get("/api/v1/ledger/checkpoint").await.expect(200).text();
    let kept = Checkpoint::open(&note, &key).unwrap();
    app.operator().await;
    assert!(matches!(check(std::slice::from_ref(&kept)), Verdict::Whole { .. }));
    // A chain that holds in itself, over another history.
    let other = Checkpoint { root: [7; 32], ..kept.clone() };
    let last = i64::try_from(kept.size).unwrap();
    assert!(matches!(check(&[other]), Verdict::Broken { seq, .. } if seq == last));
    let url = app.app.settings.database_url.expose().to_owned();
    TestDatabase::tamper(&url, "UPDATE checkpoints SET note = replace(note, 'ledger', 'ledges')");
    assert!(matches!(check(&[]), Verdict::Broken { .. }), "{:?}", check(&[]));
    TestDatabase::tamper(&url, "UPDATE checkpoints SET root = replace(root, substr(root, 1, 2), 'zz')");
    assert!(matches!(check(&[]), Verdict::Broken { .. }), "{:?}", check(&[]));
    TestDatabase::tamper(&url, "DELETE FROM checkpoints");
    assert!(matches!(check(&[]), Verdict::Whole { .. }));
    // With its end cut off nothing else is wrong with it. At once with what was signed meanwhile: the service signs each minute.
    TestDatabase::tamper(&url, &format!("DELETE FROM checkpoints; DELETE FROM ledger WHERE seq >= {last}"));
    assert!(matches!(check(&[]), Verdict::Whole { .. }));
    assert!(matches!(check(&[kept]), Verdict::Broken { seq, .. } if seq == last));
}

#[tokio::test]
async fn hashes_that_are_kept_of_the_tree_are_checked_and_made_again() {
    let app = TestApp::spawn().await;
    app.app
        .db
        .write(|conn| {
            for number in 0..700 {
                ledger::append(conn, Kind::ReadRefused, "anonymous", "dataset:none", &json!({ "number": number }))?;
            }
            while ledger::tree::grow(conn)? {}
            Ok(())
        })
        .await
        .unwrap();
    let proof = async |entry: u64, size: u64| app.get(&format!("/api/v1/ledger/proof?entry={entry}&size={size}")).await;
    let before = proof(3, 600).await.expect(200).json();
    // Signs what is there: the service, which looks each minute, then has nothing to sign over a tree that is wrong.
    app.get("/api/v1/ledger/checkpoint").await.expect(200);
    let check = || app.app.db.read_now(|conn| verify(conn, &[], None)).unwrap();
    assert!(matches!(check(), Verdict::Whole { .. }));
    let url = app.app.settings.database_url.expose().to_owned();
    TestDatabase::tamper(&url, &format!("UPDATE ledger_nodes SET hash = '{}' WHERE level = 8 AND position = 1", "0".repeat(64)));
    assert!(matches!(check(), Verdict::Broken { seq: 512, .. }), "{:?}", check());
    TestDatabase::tamper(&url, "DELETE FROM ledger_nodes");
    assert!(matches!(check(), Verdict::Whole { .. }));
    TestDatabase::tamper(&url, "INSERT INTO ledger_nodes VALUES (8, 900, '00')");
    assert!(matches!(check(), Verdict::Broken { .. }));
    TestDatabase::tamper(&url, "DELETE FROM ledger_nodes");
    assert_eq!(proof(3, 600).await.expect(200).json(), before);
    app.app.db.write(ledger::tree::grow).await.unwrap();
    assert_eq!(proof(3, 600).await.expect(200).json(), before);
}

#[tokio::test]
async fn what_cannot_be_proved_is_told() {
    let app = TestApp::spawn().await;
    let size = app.get("/api/v1/ledger/proof?entry=1").await.expect(200).json()["size"].as_u64().unwrap();
    for (query, parameter) in [
        (String::new(), "entry"),
        ("?entry=0".to_owned(), "entry"),
        ("?entry=-1".to_owned(), "entry"),
        ("?entry=first".to_owned(), "entry"),
        (format!("?entry={}", size + 1), "entry"),
        (format!("?entry=5&size={}", size + 1), "size"),
        ("?entry=5&size=0".to_owned(), "size"),
        ("?entry=5&size=4".to_owned(), "entry"),
        ("?entry=99999999999999999999".to_owned(), "entry"),
        (format!("?old={}", size + 1), "old"),
        ("?old=3&entry=1".to_owned(), "old"),
    ] {
        let problem = app.get(&format!("/api/v1/ledger/proof{query}")).await.problem(400, "invalid-value");
        assert_eq!(problem["errors"][0]["pointer"], parameter, "{query}: {problem}");
    }
    app.get("/api/v1/ledger/proof?leaf=1").await.expect(400);
}

#[tokio::test]
async fn words_go_only_with_an_entry_that_says_so() {
    let app = TestApp::spawn().await;
    let (operator, firm) = (app.operator().await.token, app.firm().await);
    let grant = app.grant(&firm).await;
    let reason = json!({ "reason": "张某某 was careless" });
    app.post_as(&format!("/api/v1/grants/{}/revocation", grant.id), &operator, &reason).await.expect(200);
    let check = || app.app.db.read_now(|conn| verify(conn, &[], None)).unwrap();
    let entries = app.get_as("/api/v1/ledger/entries?limit=1000", &operator).await.expect(200).json();
    let entry = entries["items"].as_array().unwrap().iter().rfind(|entry| entry["kind"] == "grant.revoked").unwrap().clone();
    assert!(entry["words"][0]["words"] == reason["reason"] && !entry["detail_json"].as_str().unwrap().contains("careless"), "{entry}");
    let seq = entry["seq"].as_i64().unwrap();
    let shown = async || app.get_as(&format!("/api/v1/grants/{}", grant.id), &operator).await.expect(200).json()["reason"].clone();
    assert_eq!(shown().await, reason["reason"]);
    let redaction = format!("/api/v1/ledger/entries/{seq}/redaction");
    app.post_as(&redaction, &operator, &json!({ "reason": "a name in it" })).await.expect(200);
    app.post_as(&redaction, &operator, &json!({ "reason": "a name in it" })).await.problem(409, "conflict");
    app.post_as("/api/v1/ledger/entries/999999/redaction", &operator, &json!({ "reason": "none" })).await.problem(404, "not-found");
    assert_eq!(shown().await, "(taken out)");
    assert!(!app.get_as("/api/v1/ledger/entries?limit=1000", &operator).await.expect(200).text().contains("careless"));
    assert!(matches!(check(), Verdict::Whole { .. }), "{:?}", check());
    let url = app.app.settings.database_url.expose().to_owned();
    // The words of the redaction itself.
    TestDatabase::tamper(&url, &format!("DELETE FROM ledger_words WHERE seq > {seq}"));
    assert!(matches!(check(), Verdict::Broken { seq: found, .. } if found > seq), "{:?}", check());
}
