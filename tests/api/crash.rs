//! `kill -9` in the middle of an upload, an intake and an export: what was told is kept, the work goes on, nothing half made is served.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::Method;
use serde_json::json;

use crate::collections::zip_of;
use crate::process::{Process, large_table, ledger_holds};
use crate::support::{Folder, TUS, TestDatabase};

const FIELDS: &[&str] = &["n:integer", "digest"];

/// A service with a small dataset `large`, and its steward.
async fn serve(dir: &Path, database: &TestDatabase, folder: &Folder, more: &[&str]) -> Process {
    Process::serve(dir, database, &[&["--datasets-dir", folder.path().to_str().unwrap()], more].concat())
}

fn small() -> Folder {
    let folder = Folder::new();
    folder.open("large", FIELDS, large_table(10));
    folder
}

#[tokio::test]
async fn an_upload_goes_on_where_the_disk_has_everything() {
    let dir = tempfile::tempdir().unwrap();
    let database = TestDatabase::create(dir.path());
    let folder = small();
    let process = serve(dir.path(), &database, &folder, &[]).await;
    let token = process.service.staff(&["steward"], Some("office")).await.token;
    let table = large_table(400_000).into_bytes();
    assert!(table.len() > 24 << 20, "{} bytes", table.len());
    let begun = process.service.begin_upload(&token, "large.csv", table.len(), &[]).await.expect(201);
    let id = begun.header("location").rsplit('/').next().unwrap().to_owned();
    let path = format!("/api/v1/admin/uploads/{id}");
    // One piece that never comes to its end: the sender holds the last bytes back.
    let (sender, receiver) = futures::channel::mpsc::unbounded::<Result<Vec<u8>, std::io::Error>>();
    for part in table[..table.len() - 1].chunks(1 << 20) {
        sender.unbounded_send(Ok(part.to_vec())).unwrap();
    }
    let request = reqwest::Client::new()
        .patch(format!("{}{path}", process.service.url))
        .bearer_auth(&token)
        .header(TUS.0, TUS.1)
        .header("upload-offset", "0")
        .header("content-type", "application/offset+octet-stream")
        .body(reqwest::Body::wrap_stream(receiver));
    let sending = tokio::spawn(request.send());
    let offset = async |process: &Process| -> usize {
        let head = process.service.send(Method::HEAD, &path, Some(&token), None, &[TUS]).await.expect(200);
        head.header("upload-offset").parse().unwrap()
    };
    while offset(&process).await == 0 {
        tokio::task::yield_now().await;
    }
    process.signal("KILL");
    assert!(sending.await.unwrap().is_err());
    drop(sender);
    assert!(!process.wait().success());

    let process = serve(dir.path(), &database, &folder, &[]).await;
    let there = offset(&process).await;
    assert!(there >= 16 << 20, "{there}");
    process.service.send_piece(&token, &id, there, &table[there..], &[]).await.expect(204);
    let job = process.service.publish(&token, "large", &id, "replace").await;
    assert_eq!((&job["state"], &job["result"]["rows"]), (&json!("done"), &json!(400_000)), "{job}");
    let csv = process.service.get("/api/v1/datasets/large/download?format=csv").await.expect(200).body;
    assert!(csv == table, "what was published is what was sent");
}

#[tokio::test]
async fn a_job_starts_again_and_a_forged_orphan_is_collected() {
    let dir = tempfile::tempdir().unwrap();
    let database = TestDatabase::create(dir.path());
    let folder = small();
    let process = serve(dir.path(), &database, &folder, &[]).await;
    let token = process.service.staff(&["steward"], Some("office")).await.token;
    let table = large_table(300_000).into_bytes();
    let id = process.service.upload(&token, "large.csv", &table).await;
    let job = process.service.post_as("/api/v1/admin/datasets/large/versions", &token, &json!({ "upload": id })).await.expect(202).json();
    let path = format!("/api/v1/admin/jobs/{}", job["id"].as_str().unwrap());
    loop {
        let job = process.service.get_as(&path, &token).await.expect(200).json();
        assert_ne!(job["state"], "done", "the job ended before the service could be killed");
        if job["state"] == "running" && job["done_bytes"].as_i64().unwrap() > 0 {
            break;
        }
    }
    process.signal("KILL");
    assert!(!process.wait().success());
    ledger_holds(dir.path(), &database);

    // What a crash between storing and writing down leaves.
    let orphan = dir.path().join("data/store/objects/00").join(format!("{}.parquet", "0".repeat(64)));
    std::fs::create_dir_all(orphan.parent().unwrap()).unwrap();
    std::fs::write(&orphan, "half a file").unwrap();
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(7200);
    std::fs::File::options().write(true).open(&orphan).unwrap().set_modified(long_ago).unwrap();
    let process = serve(dir.path(), &database, &folder, &["--orphan-hours", "1"]).await;
    let ended = process.service.ended_job(&token, job["id"].as_str().unwrap()).await;
    assert_eq!((&ended["state"], &ended["attempts"]), (&json!("done"), &json!(2)), "{ended}");
    assert_eq!(ended["result"]["version"], 2, "the job was done once: {ended}");
    let operator = process.service.operator().await.token;
    let collection = process.service.post_as("/api/v1/admin/orphan-collections", &operator, &json!({})).await.expect(202).json();
    let collected = process.service.ended_job(&operator, collection["id"].as_str().unwrap()).await;
    assert!(collected["result"]["objects_removed"].as_i64().unwrap() >= 1, "{collected}");
    assert!(!orphan.exists());
    for version in ["1", "2"] {
        let rows = process.service.get(&format!("/api/v1/datasets/large/download?format=csv&version={version}")).await.expect(200);
        assert_eq!(rows.text().lines().count(), if version == "1" { 11 } else { 300_001 });
    }
}

#[tokio::test]
async fn an_export_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let database = TestDatabase::create(dir.path());
    let folder = Folder::new();
    let table = large_table(400_000);
    folder.open("large", FIELDS, &table);
    let process = serve(dir.path(), &database, &folder, &[]).await;
    let scratch = dir.path().join("data/scratch");
    let url = format!("{}/api/v1/datasets/large/download?format=csv", process.service.url);
    let reading = tokio::spawn(async move { reqwest::get(url).await?.bytes().await });
    let growing =
        || std::fs::read_dir(&scratch).is_ok_and(|files| files.flatten().any(|file| file.metadata().is_ok_and(|meta| meta.len() > 0)));
    while !growing() {
        assert!(!reading.is_finished(), "the export was made before the service could be killed");
        tokio::task::yield_now().await;
    }
    process.signal("KILL");
    if let Ok(Ok(bytes)) = reading.await {
        assert_eq!(bytes.len(), table.len(), "a reader takes a part for the whole");
    }
    assert!(!process.wait().success());
    let process = serve(dir.path(), &database, &folder, &[]).await;
    let again = process.service.get("/api/v1/datasets/large/download?format=csv").await.expect(200);
    assert!(again.body == table.into_bytes());
}

#[tokio::test]
async fn a_collection_is_taken_in_anew() {
    let dir = tempfile::tempdir().unwrap();
    let database = TestDatabase::create(dir.path());
    let folder = Folder::new();
    folder.collection("notes", "files.zip", "", &[]);
    folder.write("notes/files.zip", zip_of([("old.txt", &b"old"[..])]));
    let process = serve(dir.path(), &database, &folder, &[]).await;
    let token = process.service.staff(&["steward"], Some("office")).await.token;
    let table = large_table(200_000).into_bytes();
    let files: Vec<(String, &[u8])> = table.chunks(1500).enumerate().map(|(at, bytes)| (format!("{at}.txt"), bytes)).collect();
    let archive = zip_of(files.iter().map(|(name, bytes)| (name.as_str(), *bytes)));
    let id = process.service.upload(&token, "files.zip", &archive).await;
    let job = process.service.post_as("/api/v1/admin/datasets/notes/versions", &token, &json!({ "upload": id })).await.expect(202).json();
    let path = format!("/api/v1/admin/jobs/{}", job["id"].as_str().unwrap());
    // Some of the files are in the store, and nothing names them.
    while process.service.get_as(&path, &token).await.expect(200).json()["rows"] == 0 {}
    process.signal("KILL");
    assert!(!process.wait().success());

    let process = serve(dir.path(), &database, &folder, &[]).await;
    let ended = process.service.ended_job(&token, job["id"].as_str().unwrap()).await;
    assert_eq!((&ended["state"], &ended["attempts"]), (&json!("done"), &json!(2)), "{ended}");
    assert_eq!((&ended["result"]["version"], &ended["result"]["rows"]), (&json!(2), &json!(files.len())), "{ended}");
    let scratch = std::fs::read_dir(dir.path().join("data/scratch")).unwrap().flatten();
    assert_eq!(scratch.filter(|entry| entry.path().is_file()).count(), 0);
    for (name, bytes) in files.iter().step_by(97) {
        let answer = process.service.get(&format!("/api/v1/datasets/notes/files/{name}")).await.expect(200);
        assert!(answer.body == *bytes, "{name}");
    }
    process.service.get("/api/v1/datasets/notes/files/old.txt").await.problem(404, "not-found");
    assert_eq!(process.service.get("/api/v1/datasets/notes/files/old.txt?version=1").await.expect(200).text(), "old");
}

/// How many reads the ledger says were allowed.
async fn reads_written(process: &Process) -> usize {
    let operator = process.service.operator().await.token;
    let (mut written, mut cursor) = (0, String::new());
    loop {
        let page = process.service.get_as(&format!("/api/v1/ledger/entries?limit=1000{cursor}"), &operator).await.expect(200).json();
        written += page["items"].as_array().unwrap().iter().filter(|entry| entry["kind"] == "read.allowed").count();
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return written,
        }
    }
}

#[tokio::test]
async fn a_read_waits_until_its_entry_is_on_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let database = TestDatabase::create(dir.path());
    let shipped = crate::support::shipped();
    let start = || Process::serve(dir.path(), &database, &["--datasets-dir", shipped.to_str().unwrap()]);
    let process = start();
    let firm = process.service.firm().await;
    let grant = process.service.grant(&firm).await;
    let path = "/api/v1/datasets/community-health-visits/download";
    let client = reqwest::Client::new();
    let ask = || client.get(format!("{}{path}", process.service.url)).bearer_auth(&grant.token).send();
    // What a later read is decided on is known after these.
    for _ in 0..2 {
        assert_eq!(ask().await.unwrap().status(), 200);
    }
    let before = reads_written(&process).await;
    let held = database.hold_ledger();
    let mut read = Box::pin(ask());
    for _ in 0..100 {
        assert!(futures::poll!(read.as_mut()).is_pending(), "a read was answered before its entry was written");
        process.service.get("/healthz").await.expect(200);
    }
    process.signal("KILL");
    assert!(read.await.is_err());
    assert!(!process.wait().success());
    drop(held);
    assert_eq!(reads_written(&start()).await, before);
}

#[tokio::test]
async fn no_read_that_was_answered_is_missing_in_the_ledger() {
    const READERS: usize = 32;
    let dir = tempfile::tempdir().unwrap();
    let database = TestDatabase::create(dir.path());
    let shipped = crate::support::shipped();
    let start = || {
        Process::serve(
            dir.path(),
            &database,
            &["--datasets-dir", shipped.to_str().unwrap(), "--limits-firm-per-second", "100000", "--limits-firm-burst", "100000"],
        )
    };
    let process = start();
    let firm = process.service.firm().await;
    let grant = process.service.grant(&firm).await;
    let path = "/api/v1/datasets/community-health-visits/download";
    // The first read makes the release, should no job have made it.
    process.service.get_as(path, &grant.token).await.expect(200);
    let answered = AtomicUsize::new(1);
    let reader = async || {
        let client = reqwest::Client::new();
        loop {
            let request = client.get(format!("{}{path}", process.service.url)).bearer_auth(&grant.token).header("range", "bytes=0-0");
            let Ok(answer) = request.send().await else { return };
            assert_eq!(answer.status(), 206);
            answered.fetch_add(1, Ordering::Relaxed);
        }
    };
    let killer = async {
        while answered.load(Ordering::Relaxed) < 1500 {
            tokio::task::yield_now().await;
        }
        process.signal("KILL");
    };
    futures::future::join(futures::future::join_all((0..READERS).map(|_| reader())), killer).await;
    let answered = answered.load(Ordering::Relaxed);
    assert!(!process.wait().success());
    ledger_holds(dir.path(), &database);

    let process = start();
    let written = reads_written(&process).await;
    // An entry may stand there whose answer the reader did not live to see.
    assert!((answered..=answered + READERS).contains(&written), "{answered} answers, {written} entries");
}
