//! Documents of applications: who may attach and read them, what lies in the store, and what becomes of bytes that were changed there.

use std::path::{Path, PathBuf};

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Firm, TestApp, TestDatabase, shipped};

/// A PDF of so many bytes; each stands for its place.
fn pdf(size: usize) -> Vec<u8> {
    let mut bytes = b"%PDF-1.7\n%\xE2\xE3\xCF\xD3\n".to_vec();
    bytes.extend((bytes.len()..size).map(|at| (at / 7 + at) as u8));
    bytes
}

const CHUNK: usize = 256 << 10;

fn sealed_files(app: &TestApp) -> Vec<PathBuf> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "sealed") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&app.app.settings.data_dir.join("store"), &mut found);
    found
}

fn of(application: &str) -> String {
    format!("/api/v1/applications/{application}/attachments")
}

async fn entries(app: &TestApp, kind: &str) -> Vec<Value> {
    let operator = app.operator().await;
    let entries = app.get_as("/api/v1/ledger/entries?limit=1000", &operator.token).await.expect(200).json();
    entries["items"].as_array().unwrap().iter().filter(|entry| entry["kind"] == kind).cloned().collect()
}

#[tokio::test]
async fn a_document_goes_in_sealed_and_comes_out_as_it_was() {
    let app = TestApp::spawn().await;
    let firm = app.firm().await;
    let draft = app.draft(&firm.token).await;
    let marker = "the door code is 4711";
    // Around the borders of chunks, and a text that can be looked for.
    let mut documents = vec![("说明 \"1\".txt".to_owned(), "text/plain", marker.repeat(40).into_bytes())];
    for size in [CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 5] {
        documents.push((format!("{size}.pdf"), "application/pdf", pdf(size)));
    }
    for (name, media_type, bytes) in &documents {
        let attached = app.attach(&firm.token, &draft, name, media_type, bytes).await.expect(201).json();
        assert_eq!(attached["sha256"], qingdan::crypto::sha256_hex(bytes));
        assert_eq!((attached["name"].as_str(), attached["size_bytes"].as_u64()), (Some(name.as_str()), Some(bytes.len() as u64)));
    }
    let stored = sealed_files(&app);
    assert_eq!(stored.len(), documents.len());
    for file in &stored {
        let sealed = std::fs::read(file).unwrap();
        let holds = |part: &[u8]| sealed.windows(part.len()).any(|window| window == part);
        assert!(!holds(b"%PDF-1") && !holds(marker.as_bytes()) && !holds(&pdf(CHUNK)[1000..1032]), "{}", file.display());
    }
    app.post_as(&format!("/api/v1/applications/{draft}/submission"), &firm.token, &json!({})).await.expect(200);
    let seen = app.get_as(&format!("/api/v1/applications/{draft}"), &firm.token).await.expect(200).json()["attachments"].clone();
    assert_eq!(seen, app.get_as(&of(&draft), &firm.person).await.expect(200).json()["items"]);
    let auditor = app.staff(&["auditor"], None).await;
    for (attachment, (_, media_type, bytes)) in seen.as_array().unwrap().iter().zip(&documents) {
        let path = format!("{}/{}", of(&draft), attachment["id"].as_str().unwrap());
        let answer = app.get_as(&path, &auditor.token).await.expect(200);
        assert!(answer.body == *bytes, "{attachment}");
        assert_eq!(answer.header("content-type"), *media_type);
        assert_eq!(answer.header("content-length"), bytes.len().to_string());
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("cache-control"), "private, no-store");
        assert!(answer.header("content-disposition").starts_with("attachment; filename="));
    }
    let first = format!("{}/{}", of(&draft), seen[0]["id"].as_str().unwrap());
    let named = app.get_as(&first, &firm.token).await.expect(200);
    assert_eq!(
        named.header("content-disposition"),
        "attachment; filename=\"__ _1_.txt\"; filename*=UTF-8''%E8%AF%B4%E6%98%8E%20%221%22.txt"
    );
    // The ledger holds on to the bytes, and knows no names.
    let added = entries(&app, "attachment.added").await;
    assert_eq!(added.len(), documents.len());
    assert!(!added.iter().any(|entry| entry.to_string().contains("说明") || entry.to_string().contains(".pdf")));
    let submitted = entries(&app, "application.submitted").await;
    let detail: Value = serde_json::from_str(submitted[0]["detail_json"].as_str().unwrap()).unwrap();
    let digests: Vec<String> = documents.iter().map(|(_, _, bytes)| qingdan::crypto::sha256_hex(bytes)).collect();
    assert_eq!(detail["attachments"], json!(digests));
}

#[tokio::test]
async fn only_its_firm_attaches_and_only_while_it_is_the_firms_turn() {
    let app = TestApp::spawn().await;
    let (firm, other) = (app.firm().await, app.firm().await);
    let reviewer = app.staff(&["reviewer"], None).await;
    let (draft, attachment) = app.draft_with_attachment(&firm).await;
    let path = format!("{}/{attachment}", of(&draft));
    let attach = async |who: &Firm| app.attach(&who.token, &draft, "b.txt", "text/plain", b"another one").await;
    // Another firm learns nothing; of a draft neither does the reviewer.
    attach(&other).await.problem(404, "not-found");
    for token in [&other.token, &other.person, &reviewer.token] {
        app.get_as(&path, token).await.problem(404, "not-found");
        app.get_as(&of(&draft), token).await.problem(404, "not-found");
    }
    app.send(Method::DELETE, &path, Some(&other.token), None, &[]).await.problem(404, "not-found");
    // An attachment of one application is none of another.
    let second = app.draft(&firm.token).await;
    app.get_as(&format!("{}/{attachment}", of(&second)), &firm.token).await.problem(404, "not-found");

    let step = async |token: &str, step: &str, body: Value| {
        app.post_as(&format!("/api/v1/applications/{draft}/{step}"), token, &body).await.expect(200);
    };
    step(&firm.token, "submission", json!({})).await;
    attach(&firm).await.problem(409, "conflict");
    app.send(Method::DELETE, &path, Some(&firm.token), None, &[]).await.problem(409, "conflict");
    app.get_as(&path, &reviewer.token).await.expect(200);
    step(&reviewer.token, "questions", json!({ "question": "who has the keys?" })).await;
    let more = attach(&firm).await.expect(201).json();
    app.send(Method::DELETE, &path, Some(&firm.person), None, &[]).await.expect(204);
    app.get_as(&path, &reviewer.token).await.problem(404, "not-found");
    step(&firm.token, "answers", json!({ "answer": "two people, see there" })).await;
    attach(&firm).await.problem(409, "conflict");
    let left = app.get_as(&format!("/api/v1/applications/{draft}"), &reviewer.token).await.expect(200).json();
    assert_eq!(left["attachments"], json!([more]));
    let steps = app.get_as(&format!("/api/v1/applications/{draft}/steps"), &reviewer.token).await.expect(200).json();
    let kinds: Vec<&str> = steps["items"].as_array().unwrap().iter().map(|step| step["kind"].as_str().unwrap()).collect();
    let wanted = ["begun", "submitted", "asked", "answered"].map(|step| format!("application.{step}"));
    assert_eq!(kinds.iter().filter(|kind| kind.starts_with("application")).collect::<Vec<_>>(), wanted.iter().collect::<Vec<_>>());
    assert_eq!(
        kinds.iter().filter(|kind| kind.starts_with("attachment")).collect::<Vec<_>>(),
        [&"attachment.added", &"attachment.added", &"attachment.removed"]
    );
}

#[tokio::test]
async fn what_is_no_document_within_the_limits_is_refused() {
    let app = TestApp::start(Some(&shipped()), &[("attachment_max_bytes", "300000"), ("attachments_most", "2")]).await;
    let firm = app.firm().await;
    let draft = app.draft(&firm.token).await;
    let attach = async |name: &str, media_type: &str, bytes: &[u8]| app.attach(&firm.token, &draft, name, media_type, bytes).await;
    attach("a.html", "text/html", b"<script>").await.problem(415, "unsupported-media-type");
    attach("a.pdf", "application/octet-stream", &pdf(100)).await.problem(415, "unsupported-media-type");
    attach("a.exe", "application/pdf", &pdf(100)).await.problem(400, "invalid-value");
    let told = attach("a.pdf", "application/pdf", b"MZ\x90\x00\x03 a program").await.problem(400, "invalid-value");
    assert_eq!(told["errors"][0]["pointer"], "Content-Type", "{told}");
    attach("a.png", "image/png", &pdf(CHUNK + 9)).await.problem(400, "invalid-value");
    attach("a.txt", "text/plain", b"").await.problem(400, "invalid-value");
    for name in ["", "../a.txt", "a\\b.txt", ".txt", "a\nb.txt", "a\u{202e}fdp.txt", &format!("{}.txt", "x".repeat(200))] {
        let problem = attach(name, "text/plain", b"text").await.problem(400, "invalid-value");
        assert_eq!(problem["errors"][0]["pointer"], "name", "{name:?}: {problem}");
    }
    attach("a.pdf", "application/pdf", &pdf(300_001)).await.problem(413, "too-large");
    assert_eq!(sealed_files(&app).len(), 0);
    attach("a.pdf", "application/pdf", &pdf(300_000)).await.expect(201);
    attach("b.txt", "text/plain; charset=utf-8", "措施".as_bytes()).await.expect(201);
    let told = attach("c.txt", "text/plain", b"one too many").await.problem(409, "conflict");
    assert!(told["detail"].as_str().unwrap().contains("has 2 attachments"), "{told}");
    assert_eq!(sealed_files(&app).len(), 2);
}

#[tokio::test]
async fn bytes_that_were_changed_in_the_store_are_not_answered() {
    let app = TestApp::spawn().await;
    let firm = app.firm().await;
    let draft = app.draft(&firm.token).await;
    let plain = pdf(3 * CHUNK + 100);
    let attached = app.attach(&firm.token, &draft, "a.pdf", "application/pdf", &plain).await.expect(201).json();
    let path = format!("{}/{}", of(&draft), attached["id"].as_str().unwrap());
    let file = sealed_files(&app).remove(0);
    let sealed = std::fs::read(&file).unwrap();
    let store = |bytes: &[u8]| {
        std::fs::remove_file(&file).unwrap();
        std::fs::write(&file, bytes).unwrap();
    };
    let read = async || {
        let mut answer = app.open_as(&path, &firm.token).await;
        let mut body = Vec::new();
        loop {
            match answer.chunk().await {
                Ok(Some(piece)) => body.extend_from_slice(&piece),
                Ok(None) => return (answer.status(), body, true),
                Err(_broken) => return (answer.status(), body, false),
            }
        }
    };
    assert_eq!(read().await, (reqwest::StatusCode::OK, plain.clone(), true));
    let change = |at: usize| {
        let mut bytes = sealed.clone();
        bytes[at] ^= 1;
        bytes
    };
    // In the first chunk, in its tag, cut off, longer, and with chunks swapped: nothing leaves.
    let chunk = CHUNK + 16;
    let swapped = [&sealed[chunk..2 * chunk], &sealed[..chunk], &sealed[2 * chunk..]].concat();
    let longer = [sealed.as_slice(), b"more"].concat();
    for bytes in [change(0), change(chunk - 1), sealed[..3 * chunk].to_vec(), longer, swapped] {
        store(&bytes);
        let problem = app.get_as(&path, &firm.token).await.problem(500, "damaged");
        assert!(problem["detail"].as_str().unwrap().contains("cannot be opened"), "{problem}");
    }
    // In a later one: what is before it leaves, and nothing of it or behind it.
    for (at, whole) in [(chunk, 1), (2 * chunk + 5, 2), (sealed.len() - 1, 3)] {
        store(&change(at));
        let (status, body, complete) = read().await;
        assert!(status == 200 && !complete, "{at}: {status}");
        assert!(plain[..whole * CHUNK].starts_with(&body), "{at}: {} bytes", body.len());
    }
    std::fs::remove_file(&file).unwrap();
    app.get_as(&path, &firm.token).await.problem(500, "damaged");
    std::fs::write(&file, &sealed).unwrap();
    app.get_as(&path, &firm.token).await.expect(200);
}

#[tokio::test]
async fn another_master_key_or_place_opens_nothing() {
    let app = TestApp::spawn().await;
    let firm = app.firm().await;
    let (first, attachment) = app.draft_with_attachment(&firm).await;
    let (second, other) = app.draft_with_attachment(&firm).await;
    let path = format!("{}/{attachment}", of(&first));
    app.get_as(&path, &firm.token).await.expect(200);
    let (url, place) = (app.app.settings.database_url.expose(), format!("WHERE id = '{attachment}'"));
    // Key and bytes of the other document, put into the place of this one.
    for columns in [vec!["object_sha256"], vec!["sealed_key"], vec!["object_sha256", "sealed_key"]] {
        let of_other = |column: &&str| format!("{column} = (SELECT {column} FROM attachments WHERE id = '{other}')");
        let set: Vec<String> = columns.iter().map(of_other).collect();
        TestDatabase::tamper(url, "CREATE TABLE kept AS SELECT * FROM attachments");
        TestDatabase::tamper(url, &format!("UPDATE attachments SET {} {place}", set.join(", ")));
        app.get_as(&path, &firm.token).await.problem(500, "damaged");
        let back = |column: &&str| format!("{column} = (SELECT {column} FROM kept {place})");
        let set: Vec<String> = columns.iter().map(back).collect();
        TestDatabase::tamper(url, &format!("UPDATE attachments SET {} {place}", set.join(", ")));
        TestDatabase::tamper(url, "DROP TABLE kept");
        app.get_as(&path, &firm.token).await.expect(200);
    }
    // The document itself, moved to the other application.
    TestDatabase::tamper(url, &format!("UPDATE attachments SET application_id = '{second}' {place}"));
    app.get_as(&format!("{}/{attachment}", of(&second)), &firm.token).await.problem(500, "damaged");
    TestDatabase::tamper(url, &format!("UPDATE attachments SET application_id = '{first}' {place}"));
    // What another master key has sealed does not open with this one.
    let stranger = qingdan::crypto::MasterKey::from_hex(&"5a".repeat(32)).unwrap();
    let foreign = stranger.seal(&format!("attachment\n{first}\n{attachment}"), &[7; 32]).unwrap();
    let literal = if url.starts_with("sqlite:") {
        format!("X'{}'", qingdan::crypto::hex(&foreign))
    } else {
        format!("'\\x{}'", qingdan::crypto::hex(&foreign))
    };
    TestDatabase::tamper(url, &format!("UPDATE attachments SET sealed_key = {literal} {place}"));
    let problem = app.get_as(&path, &firm.token).await.problem(500, "damaged");
    assert!(problem["detail"].as_str().unwrap().contains("another master key"), "{problem}");
}

#[tokio::test]
async fn what_nobody_needs_any_more_is_collected() {
    let app = TestApp::start(Some(&shipped()), &[("orphan_hours", "1"), ("attachment_retention_days", "30")]).await;
    let firm = app.firm().await;
    let operator = app.operator().await.token;
    let collect = async || {
        for file in sealed_files(&app) {
            let old = std::time::SystemTime::now() - std::time::Duration::from_secs(2 * 3600);
            std::fs::File::options().write(true).open(&file).unwrap().set_modified(old).unwrap();
        }
        let ordered = app.post_as("/api/v1/admin/orphan-collections", &operator, &json!({})).await.expect(202).json();
        app.ended_job(&operator, ordered["id"].as_str().unwrap()).await["result"].clone()
    };
    let withdraw = async |id: &str| {
        let reason = json!({ "reason": "changed our minds" });
        app.post_as(&format!("/api/v1/applications/{id}/withdrawal"), &firm.token, &reason).await.expect(200);
    };
    let (kept, _) = app.draft_with_attachment(&firm).await;
    let (withdrawn, _) = app.draft_with_attachment(&firm).await;
    let (submitted, attachment) = app.draft_with_attachment(&firm).await;
    let (changed, removed) = app.draft_with_attachment(&firm).await;
    app.send(Method::DELETE, &format!("{}/{removed}", of(&changed)), Some(&firm.token), None, &[]).await.expect(204);
    withdraw(&withdrawn).await;
    app.post_as(&format!("/api/v1/applications/{submitted}/submission"), &firm.token, &json!({})).await.expect(200);
    withdraw(&submitted).await;
    // Gone are the removed one, and that of the draft which came to nothing.
    let result = collect().await;
    assert_eq!((&result["attachments_removed"], &result["objects_removed"]), (&json!(1), &json!(2)), "{result}");
    assert_eq!(app.get_as(&of(&withdrawn), &firm.token).await.expect(200).json()["items"], json!([]));
    app.get_as(&format!("{}/{attachment}", of(&submitted)), &firm.token).await.expect(200);
    // That of one which the reviewer has seen stays for its time.
    let long_ago = "UPDATE ledger SET moment = '2026-01-01T00:00:00.000000Z' WHERE kind = 'application.withdrawn'";
    TestDatabase::tamper(app.app.settings.database_url.expose(), long_ago);
    let result = collect().await;
    assert_eq!((&result["attachments_removed"], &result["objects_removed"]), (&json!(1), &json!(1)), "{result}");
    assert_eq!(app.get_as(&of(&kept), &firm.token).await.expect(200).json()["items"].as_array().unwrap().len(), 1);
    assert_eq!(sealed_files(&app).len(), 1);
    let expired = entries(&app, "attachment.expired").await;
    assert_eq!(expired.iter().map(|entry| entry["actor"].as_str().unwrap()).collect::<Vec<_>>(), ["service", "service"]);
}

/// What a firm said of its safeguards counts for as long as the grant that came of it is in force, however often it is renewed.
#[tokio::test]
async fn documents_stay_while_the_grant_goes_on() {
    let app = TestApp::spawn().await;
    let firm = app.firm().await;
    let (id, attachment) = app.draft_with_attachment(&firm).await;
    app.post_as(&format!("/api/v1/applications/{id}/submission"), &firm.token, &json!({})).await.expect(200);
    let signed = app.sign(&firm, &app.approve(&id).await).await.expect(200).json();
    let grant = signed["grant"]["id"].as_str().unwrap();
    let body = json!({ "term_days": 30, "purpose": "the tests go on for a while", "safeguards": "encrypted disks, two people" });
    let renewal = app.post_as(&format!("/api/v1/grants/{grant}/renewals"), &firm.token, &body).await.expect(201).json();
    let agreement = app.approve(renewal["id"].as_str().unwrap()).await;
    app.sign(&firm, &agreement).await.expect(200);
    let expire = async || app.app.db.write(|conn| qingdan::access::applications::attachments::expire(conn, 30)).await.unwrap();
    assert_eq!(expire().await, 0, "the grant is in force");
    app.get_as(&format!("{}/{attachment}", of(&id)), &firm.token).await.expect(200);
    let url = app.app.settings.database_url.expose();
    TestDatabase::tamper(url, &format!("UPDATE grants SET expires_at = '2026-01-01 00:00:00' WHERE id = '{grant}'"));
    assert_eq!(expire().await, 1);
    app.get_as(&format!("{}/{attachment}", of(&id)), &firm.token).await.problem(404, "not-found");
}
