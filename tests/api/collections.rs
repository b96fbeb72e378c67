//! Collections of files, over HTTP: the same files however they are packed, one file by its path, and no way to a file but through a
//! release that lists it.

use std::io::Write;

use qingdan::catalog;
use qingdan::crypto::sha256_hex as sha256;
use qingdan::jobs::{self, JobKind};
use qingdan::release::{import_folder, unwatched};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Folder, TestApp, TestDatabase};

/// A picture of one pixel.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0\x3a\x7e\x9b\x55\0\0\0\nIDAT\x78\x9c\x63\x60\0\0\0\x02\0\x01\x48\xaf\xa4\x71\0\0\0\0IEND\xaeB`\x82";

fn files() -> Vec<(&'static str, Vec<u8>)> {
    let large: Vec<u8> = (0..700_000_u32).map(|at| (at % 251) as u8).collect();
    vec![
        ("武康路/街景 1.png", PNG.to_vec()),
        ("武康路/说明+100%.txt", "武康路上的一幢房子\n".into()),
        ("sound/large.bin", large),
        ("page.html", "<!DOCTYPE html><html><script>alert(1)</script></html>".into()),
    ]
}

pub fn zip_of<'f>(files: impl IntoIterator<Item = (&'f str, &'f [u8])>) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

pub fn tar_of<'f>(files: impl IntoIterator<Item = (&'f str, &'f [u8])>) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, name, bytes).unwrap();
    }
    tar.into_inner().unwrap()
}

fn borrowed<'f>(files: &'f [(&'f str, Vec<u8>)]) -> impl DoubleEndedIterator<Item = (&'f str, &'f [u8])> {
    files.iter().map(|(name, bytes)| (*name, bytes.as_slice()))
}

fn address(slug: &str, path: &str) -> String {
    let escaped = |part: &str| percent_encoding::utf8_percent_encode(part, percent_encoding::NON_ALPHANUMERIC).to_string();
    format!("/api/v1/datasets/{slug}/files/{}", path.split('/').map(escaped).collect::<Vec<_>>().join("/"))
}

async fn file(app: &TestApp, slug: &str, path: &str) -> Answer {
    app.get(&address(slug, path)).await
}

#[tokio::test]
async fn the_same_files_make_the_same_collection_however_they_are_packed() {
    let files = files();
    let folder = Folder::new();
    let tar = tar_of(borrowed(&files).rev());
    let packed = [
        ("zipped", "files.zip", zip_of(borrowed(&files))),
        ("tarred", "files.tar", tar.clone()),
        ("gzipped", "files.tar.gz", crate::intake::support::gz(&tar)),
        ("zstandard", "files.tar.zst", zstd::encode_all(tar.as_slice(), 3).unwrap()),
    ];
    for (slug, name, bytes) in &packed {
        folder.collection(slug, name, "", &[]);
        folder.write(&format!("{slug}/{name}"), bytes);
    }
    folder.collection("folder", "files", "", &[]);
    for (name, bytes) in borrowed(&files) {
        folder.write(&format!("folder/files/{name}"), bytes);
    }
    let app = TestApp::start(Some(folder.path()), &[]).await;
    let manifest = app.get("/api/v1/datasets/folder/download").await.expect(200);
    for (slug, ..) in &packed {
        let other = app.get(&format!("/api/v1/datasets/{slug}/download")).await.expect(200);
        assert!(other.header("etag") == manifest.header("etag") && other.body == manifest.body, "{slug}");
    }
    let rows = app.get("/api/v1/datasets/zipped/rows").await.expect(200).json();
    let mut wanted: Vec<Value> = files
        .iter()
        .zip(["image/png", "text/plain", "application/octet-stream", "text/html"])
        .map(|((path, bytes), kind)| json!({ "path": path, "size_bytes": bytes.len(), "media_type": kind, "sha256": sha256(bytes) }))
        .collect();
    wanted.sort_by(|one, other| one["path"].as_str().cmp(&other["path"].as_str()));
    assert_eq!(rows["rows"], json!(wanted));
    // The import of the very same files again changes nothing.
    let report = import_folder(&app.app.tools(), folder.path(), "service", unwatched).await.unwrap();
    assert!(report.mistakes.is_empty() && report.outcomes.iter().all(|outcome| outcome.version.is_none()), "{report:?}");
}

#[tokio::test]
async fn a_file_is_served_as_it_came() {
    let files = files();
    let folder = Folder::new();
    folder.collection("photos", "files.zip", "", &[]);
    folder.write("photos/files.zip", zip_of(borrowed(&files)));
    folder.open("table", &["a"], "a\n1\n");
    let app = TestApp::start(Some(folder.path()), &[]).await;
    for (path, bytes) in &files {
        let answer = file(&app, "photos", path).await.expect(200);
        assert!(answer.body == *bytes, "{path}");
        assert_eq!(answer.header("etag"), format!("\"{}\"", sha256(bytes)));
        assert_eq!(answer.header("content-length"), bytes.len().to_string());
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("content-security-policy"), "sandbox; default-src 'none'");
        assert!(answer.header("content-disposition").starts_with("attachment; "), "{path}");
        assert_eq!(answer.header("qingdan-version"), "1");
    }
    let picture = file(&app, "photos", "武康路/街景 1.png").await.expect(200);
    assert_eq!(picture.header("content-type"), "image/png");
    let named = "attachment; filename=\"__ 1.png\"; filename*=UTF-8''%E8%A1%97%E6%99%AF%201.png";
    assert_eq!(picture.header("content-disposition"), named);
    let large = address("photos", "sound/large.bin");
    let part = app.send(Method::GET, &large, None, None, &[("range", "bytes=251-501")]).await.expect(206);
    assert!(part.body == files[2].1[251..502] && part.header("content-range") == "bytes 251-501/700000");
    let known = app.send(Method::GET, &large, None, None, &[("if-none-match", part.header("etag"))]).await.expect(304);
    assert!(known.body.is_empty());
    let head = app.send(Method::HEAD, &large, None, None, &[]).await.expect(200);
    assert!(head.body.is_empty() && head.header("content-length") == "700000");
    app.send(Method::POST, &large, None, None, &[]).await.problem(405, "method-not-allowed");
    for (slug, path) in [("photos", "sound"), ("photos", "sound/"), ("photos", "../table"), ("photos", "SOUND/large.bin"), ("table", "a")] {
        file(&app, slug, path).await.problem(404, "not-found");
    }
    app.get("/api/v1/datasets/photos/files/sound%2Flarge.bin").await.expect(200);
    app.get("/api/v1/datasets/photos/files/").await.problem(404, "not-found");
    app.get(&format!("{large}?version=2")).await.problem(404, "not-found");
    let page = app.get("/datasets/photos?lang=en").await.expect(200).text();
    assert!(page.contains("href=\"/api/v1/datasets/photos/archive\"") && page.contains(&format!("href=\"{large}\"")), "{page}");
    assert!(!app.get("/datasets/table?lang=en").await.expect(200).text().contains("/archive"));
    let entry = app.get("/api/v1/datasets/photos").await.expect(200).json();
    assert_eq!((&entry["kind"], &entry["archive"]), (&json!("collection"), &json!("/api/v1/datasets/photos/archive")));
}

#[tokio::test]
async fn a_publishers_manifest_is_checked_and_its_columns_are_kept() {
    let files = [("a.png", PNG.to_vec()), ("b.txt", b"b".to_vec())];
    let digest = sha256(b"b");
    let manifest = format!("taken,path,size_bytes,sha256,media_type\n2026-01-02,a.png,,,\n2026-03-04,./b.txt,1,{digest},text/x-note\n");
    let folder = Folder::new();
    for (slug, top) in [("flat", ""), ("deep", "photos/")] {
        folder.collection(slug, "files.zip", "", &["taken:date"]);
        let names: Vec<String> = files.iter().map(|(name, _)| format!("{top}{name}")).collect();
        let mut all: Vec<(&str, &[u8])> = names.iter().zip(&files).map(|(name, (_, bytes))| (name.as_str(), bytes.as_slice())).collect();
        let name = format!("{top}manifest.csv");
        all.push((&name, manifest.as_bytes()));
        folder.write(&format!("{slug}/files.zip"), zip_of(all));
    }
    let app = TestApp::start(Some(folder.path()), &[]).await;
    let wanted = json!([
        { "path": "a.png", "size_bytes": PNG.len(), "media_type": "image/png", "sha256": sha256(PNG), "taken": "2026-01-02" },
        { "path": "b.txt", "size_bytes": 1, "media_type": "text/x-note", "sha256": digest, "taken": "2026-03-04" },
    ]);
    for slug in ["flat", "deep"] {
        assert_eq!(app.get(&format!("/api/v1/datasets/{slug}/rows")).await.expect(200).json()["rows"], wanted, "{slug}");
        assert_eq!(file(&app, slug, "b.txt").await.expect(200).header("content-type"), "text/x-note");
        file(&app, slug, "manifest.csv").await.problem(404, "not-found");
    }
    let sql = json!({ "sql": "select max(taken) as last, sum(size_bytes) as bytes from deep where media_type like 'image/%'" });
    let found = app.post("/api/v1/sql", &sql).await.expect(200).json();
    assert_eq!(found["rows"], json!([{ "last": "2026-01-02", "bytes": PNG.len() }]));
}

#[tokio::test]
async fn versions_keep_their_files_and_appending_adds_some() {
    let folder = Folder::new();
    folder.collection("notes", "files.zip", "", &[]);
    folder.write("notes/files.zip", zip_of([("a.txt", &b"one"[..]), ("b.txt", b"two")]));
    let app = TestApp::start(Some(folder.path()), &[]).await;
    let steward = app.staff(&["steward"], Some("office")).await.token;
    let publish = async |mode: &str, files: &[(&str, &[u8])]| {
        let upload = app.upload(&steward, "more.zip", &zip_of(files.iter().copied())).await;
        app.publish(&steward, "notes", &upload, mode).await
    };
    let job = publish("append", &[("c.txt", b"three")]).await;
    assert_eq!((&job["state"], &job["result"]["rows"]), (&json!("done"), &json!(3)), "{job}");
    for (path, text) in [("a.txt", "one"), ("b.txt", "two"), ("c.txt", "three")] {
        assert_eq!(file(&app, "notes", path).await.expect(200).text(), text);
    }
    app.get("/api/v1/datasets/notes/files/c.txt?version=1").await.problem(404, "not-found");
    let job = publish("append", &[("d.txt", b"four"), ("b.txt", b"another two")]).await;
    assert_eq!(job["state"], "failed", "{job}");
    let detail = job["problem"]["faults"][0]["detail"].as_str().unwrap();
    assert_eq!(detail, "the file `b.txt` is in version 2 already; replace instead");
    let job = publish("replace", &[("a.txt", b"one, better"), ("b.txt", b"two")]).await;
    assert_eq!(job["result"]["version"], 3, "{job}");
    assert_eq!(file(&app, "notes", "a.txt").await.expect(200).text(), "one, better");
    assert_eq!(app.get("/api/v1/datasets/notes/files/a.txt?version=2").await.expect(200).text(), "one");
    file(&app, "notes", "c.txt").await.problem(404, "not-found");
    let diff = app.get("/api/v1/datasets/notes/diff?from=2").await.expect(200).json();
    assert_eq!(diff["counts"], json!({ "added": 0, "removed": 1, "changed": 1, "same": 1 }), "{diff}");
}

/// A conditional collection with these rules for path and digest, as lines of its entry.
#[tokio::test]
async fn no_file_of_a_conditional_collection_is_had_but_through_its_own_release() {
    let folder = Folder::new();
    let archive = zip_of([("shared.txt", &b"in both"[..]), ("secret.txt", b"a secret")]);
    let rules = [("plain", "", ""), ("kept", "keep", "keep"), ("hidden", "pseudonym", "keep"), ("listed", "keep", "drop")];
    for (slug, path, sha256) in rules {
        let rules: Vec<_> = [("path", path), ("sha256", sha256)].into_iter().filter(|(_, rule)| !rule.is_empty()).collect();
        folder.conditional_collection(slug, "files.zip", &rules);
        folder.write(&format!("{slug}/files.zip"), &archive);
    }
    folder.collection("open", "files.zip", "", &[]);
    folder.write("open/files.zip", zip_of([("shared.txt", &b"in both"[..])]));
    let app = TestApp::start(Some(folder.path()), &[]).await;
    let (firm, other) = (app.firm().await, app.firm().await);
    let apply = |slug: &str, fields: &[&str]| json!({ "dataset": slug, "purpose": "to test the release of files", "purposes": ["research"], "fields": fields, "modes": ["download", "api"], "term_days": 30, "safeguards": "encrypted disks, two people" });
    // Unasked, neither path nor digest may leave.
    let refused = app.post_as("/api/v1/applications", &firm.token, &apply("plain", &["path", "sha256"])).await;
    assert_eq!(refused.problem(400, "invalid-value")["errors"].as_array().unwrap().len(), 2);
    let kept = app.grant_for(&firm, &apply("kept", &["path", "size_bytes", "media_type", "sha256"])).await;
    let fewer = app.grant_for(&other, &apply("kept", &["path", "media_type"])).await;
    let hidden = app.grant_for(&firm, &apply("hidden", &["path", "sha256"])).await;
    let listed = app.grant_for(&firm, &apply("listed", &["path", "size_bytes"])).await;
    let secret = async |slug: &str, token: &str| app.get_as(&address(slug, "secret.txt"), token).await;
    assert_eq!(secret("kept", &kept.token).await.expect(200).text(), "a secret");
    let answer = secret("kept", &kept.token).await.expect(200);
    assert_eq!(answer.header("cache-control"), "private, no-store");
    for (slug, token) in [("kept", &fewer.token), ("hidden", &hidden.token), ("listed", &listed.token)] {
        secret(slug, token).await.problem(403, "forbidden");
    }
    // By anybody else, and through anything else.
    for slug in ["plain", "kept", "hidden", "listed"] {
        file(&app, slug, "secret.txt").await.problem(401, "unauthenticated");
        file(&app, slug, "shared.txt").await.problem(401, "unauthenticated");
    }
    secret("plain", &kept.token).await.problem(403, "forbidden");
    secret("kept", &other.token).await.problem(403, "forbidden");
    let steward = app.staff(&["steward"], Some("office")).await.token;
    secret("kept", &steward).await.problem(403, "forbidden");
    file(&app, "open", "secret.txt").await.problem(404, "not-found");
    assert_eq!(file(&app, "open", "shared.txt").await.expect(200).text(), "in both");
    // The reads are in the ledger, and the paths are not.
    let ledger = app.get_as("/api/v1/ledger/entries?limit=1000", &app.operator().await.token).await.expect(200);
    let of_path = format!("\"path_sha256\":\"{}\"", sha256(b"secret.txt"));
    let entries = ledger.json()["items"].as_array().unwrap().clone();
    let count = |kind: &str| {
        entries.iter().filter(|entry| entry["kind"] == kind && entry["detail_json"].as_str().unwrap().contains(&of_path)).count()
    };
    assert_eq!((count("read.allowed"), count("read.refused")), (2, 6));
    assert!(!ledger.text().contains("secret.txt"));
    // With the grant goes the file.
    let operator = app.operator().await.token;
    app.post_as(&format!("/api/v1/grants/{}/revocation", kept.id), &operator, &json!({ "reason": "over" })).await.expect(200);
    secret("kept", &kept.token).await.problem(403, "forbidden");
}

#[tokio::test]
async fn personal_data_in_a_text_holds_the_collection() {
    let folder = Folder::new();
    folder.collection("letters", "files.zip", "", &[]);
    folder.write("letters/files.zip", zip_of([("a.txt", &b"nothing"[..])]));
    let app = TestApp::start(Some(folder.path()), &[]).await;
    let steward = app.staff(&["steward"], Some("office")).await.token;
    let letter = "您好，\n我的手机是 13800138000，身份证 11010519491231002X。\n";
    let gb18030 = encoding_rs::GB18030.encode(letter).0.into_owned();
    let long = format!("{}{letter}", "没有什么。\n".repeat(40_000));
    // In the middle of the second piece that is read.
    let wide: Vec<u8> =
        format!("\u{FEFF}{}{letter}{}", "无".repeat(200_000), "无".repeat(100_000)).encode_utf16().flat_map(u16::to_be_bytes).collect();
    for (number, bytes) in [(2, letter.as_bytes()), (3, &gb18030), (4, &wide), (5, long.as_bytes())] {
        let upload = app.upload(&steward, "letters.zip", &zip_of([("a.txt", &b"nothing"[..]), ("b/letter.txt", bytes)])).await;
        let job = app.publish(&steward, "letters", &upload, "replace").await;
        assert_eq!((&job["result"]["status"], &job["result"]["version"]), (&json!("held"), &json!(number)), "{job}");
        app.get(&format!("/api/v1/datasets/letters/files/b%2Fletter.txt?version={number}")).await.problem(404, "not-found");
        let versions = app.get_as("/api/v1/admin/datasets/letters/versions", &steward).await.expect(200);
        let finding = &versions.json()["items"][0]["profile"]["findings"][0];
        assert_eq!((&finding["column"], &finding["kind"], &finding["rows"]), (&json!("(content)"), &json!("resident_id"), &json!([2])));
        assert!(!versions.text().contains("13800138000") && !versions.text().contains("19491231"));
    }
    file(&app, "letters", "b/letter.txt").await.problem(404, "not-found");
    let path = "/api/v1/admin/datasets/letters/versions/5/resolution";
    app.post_as(path, &steward, &json!({ "publish": true, "reason": "made up" })).await.expect(200);
    assert_eq!(file(&app, "letters", "b/letter.txt").await.expect(200).text(), long);
}

#[tokio::test]
async fn sets_that_nothing_names_are_collected_and_others_are_not() {
    let folder = Folder::new();
    folder.collection("notes", "files.zip", "", &[]);
    folder.write("notes/files.zip", zip_of([("a.txt", &b"one"[..])]));
    let app = TestApp::start(Some(folder.path()), &[]).await;
    let db = &app.app.db;
    let member = {
        let parts = db.read_now(|conn| {
            let dataset = catalog::find(conn, "notes")?;
            Ok(catalog::version(conn, &dataset, 1)?.parts)
        });
        db.read_now(|conn| catalog::find_member(conn, &parts.as_ref().unwrap().clone(), "a.txt")).unwrap()
    };
    let (old, young) = ("019a0000-0000-7000-8000-000000000000", catalog::new_set());
    for set in [old, &young] {
        db.write_now(|conn| catalog::put_members(conn, set, std::slice::from_ref(&member))).unwrap();
    }
    let before = chrono::Utc::now().naive_utc() - chrono::Duration::hours(1);
    assert_eq!(db.write_now(|conn| catalog::remove_orphan_sets(conn, before)).unwrap(), 1);
    let later = chrono::Utc::now().naive_utc() + chrono::Duration::hours(1);
    assert_eq!(db.write_now(|conn| catalog::remove_orphan_sets(conn, later)).unwrap(), 1, "the young one, and not the one of the version");
    assert_eq!(file(&app, "notes", "a.txt").await.expect(200).text(), "one");
    assert!(db.read_now(|conn| catalog::is_member(conn, &member.object.sha256)).unwrap());
}

fn untar(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let read = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
        let mut entry = entry.unwrap();
        let (path, mut bytes) = (entry.path().unwrap().to_str().unwrap().to_owned(), Vec::new());
        std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
        (path, bytes)
    };
    tar::Archive::new(bytes).entries().unwrap().map(read).collect()
}

#[tokio::test]
async fn all_files_come_as_one_archive() {
    let long = format!("{}/{}.txt", "深".repeat(40), "x".repeat(120));
    let edge = "e".repeat(100);
    let mut files = files();
    files.extend([(long.as_str(), b"deep".to_vec()), (edge.as_str(), vec![7; 512]), ("empty", Vec::new())]);
    files.sort();
    let folder = Folder::new();
    folder.collection("photos", "files.zip", "", &[]);
    folder.write("photos/files.zip", zip_of(borrowed(&files)));
    folder.conditional_collection("secret", "files.zip", &[("path", "keep"), ("sha256", "keep")]);
    folder.write("secret/files.zip", zip_of([("a.txt", &b"a secret"[..]), ("b.txt", b"another")]));
    folder.open("table", &["a"], "a\n1\n");
    let app = TestApp::start(Some(folder.path()), &[]).await;
    let path = "/api/v1/datasets/photos/archive";
    let whole = app.get(path).await.expect(200);
    let wanted: Vec<(String, Vec<u8>)> = files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.clone())).collect();
    assert!(untar(&whole.body) == wanted);
    assert_eq!(whole.header("content-length"), whole.body.len().to_string());
    assert_eq!((whole.header("content-type"), whole.body.len() % 512), ("application/x-tar", 0));
    assert_eq!(whole.header("content-disposition"), "attachment; filename=\"photos-v1.tar\"");
    let head = app.send(Method::HEAD, path, None, None, &[]).await.expect(200);
    assert_eq!((head.header("content-length"), head.header("etag")), (whole.header("content-length"), whole.header("etag")));
    app.send(Method::GET, path, None, None, &[("if-none-match", whole.header("etag"))]).await.expect(304);
    // Every seam lies in one of these ranges.
    for start in (0..whole.body.len()).step_by(30_011) {
        let end = (start + 30_010).min(whole.body.len() - 1);
        let range = format!("bytes={start}-{end}");
        let part = app.send(Method::GET, path, None, None, &[("range", &range), ("if-range", whole.header("etag"))]).await.expect(206);
        assert!(part.body == whole.body[start..=end], "{range}");
    }
    for (start, end) in [(0, 0), (511, 512), (512, 513), (whole.body.len() - 1025, whole.body.len() - 1)] {
        let part = app.send(Method::GET, path, None, None, &[("range", &format!("bytes={start}-{end}"))]).await.expect(206);
        assert!(part.body == whole.body[start..=end], "{start}-{end}");
    }
    // What comes out goes in again as the same collection.
    let steward = app.staff(&["steward"], Some("office")).await.token;
    let upload = app.upload(&steward, "again.tar", &whole.body).await;
    let job = app.publish(&steward, "photos", &upload, "replace").await;
    assert_eq!(job["result"]["version"], 2, "{job}");
    let etag =
        async |version| app.get(&format!("/api/v1/datasets/photos/download?version={version}")).await.expect(200).header("etag").to_owned();
    assert_eq!(etag(1).await, etag(2).await);

    let secret = "/api/v1/datasets/secret/archive";
    app.get(secret).await.problem(401, "unauthenticated");
    app.get("/api/v1/datasets/table/archive").await.problem(404, "not-found");
    let firm = app.firm().await;
    let apply = |fields: &[&str]| {
        let safeguards = "encrypted disks, two people";
        json!({ "dataset": "secret", "purpose": "to test the release of files", "purposes": ["research"], "fields": fields, "modes": ["download"], "term_days": 30, "safeguards": safeguards })
    };
    let less = app.grant_for(&firm, &apply(&["path"])).await;
    app.get_as(secret, &less.token).await.problem(403, "forbidden");
    let grant = app.grant_for(&firm, &apply(&["path", "sha256"])).await;
    let files = untar(&app.get_as(secret, &grant.token).await.expect(200).body);
    assert_eq!(files, [("a.txt".to_owned(), b"a secret".to_vec()), ("b.txt".to_owned(), b"another".to_vec())]);
    let ledger = app.get_as("/api/v1/ledger/entries?limit=1000", &app.operator().await.token).await.expect(200).json();
    let of_all = |kind: &str| {
        let entries = ledger["items"].as_array().unwrap().iter().filter(|entry| entry["kind"] == kind);
        entries.filter(|entry| entry["detail_json"].as_str().unwrap().contains("\"files\":\"all\"")).count()
    };
    assert_eq!((of_all("read.allowed"), of_all("read.refused")), (1, 1));
}

#[tokio::test]
async fn personal_data_in_a_text_holds_what_is_appended() {
    let folder = Folder::new();
    folder.collection("letters", "files.zip", "", &[]);
    folder.write("letters/files.zip", zip_of([("a.txt", &b"nothing"[..]), ("b.txt", b"nothing")]));
    let app = TestApp::start(Some(folder.path()), &[]).await;
    let steward = app.staff(&["steward"], Some("office")).await.token;
    let append = async |name: &str, text: &str| {
        let upload = app.upload(&steward, "more.zip", &zip_of([(name, text.as_bytes())])).await;
        app.publish(&steward, "letters", &upload, "append").await
    };
    let findings = async || {
        let versions = app.get_as("/api/v1/admin/datasets/letters/versions", &steward).await.expect(200).json();
        let all = versions["items"][0]["profile"]["findings"].as_array().unwrap().clone();
        all.iter().map(|finding| json!([finding["column"], finding["kind"], finding["matches"], finding["rows"]])).collect::<Vec<_>>()
    };
    let job = append("c.txt", "身份证 11010519491231002X\n").await;
    assert_eq!((&job["result"]["status"], &job["result"]["version"]), (&json!("held"), &json!(2)), "{job}");
    assert_eq!(findings().await, [json!(["(content)", "resident_id", 1, [3]])]);
    file(&app, "letters", "c.txt").await.problem(404, "not-found");
    let resolve = async |number: i32| {
        let path = format!("/api/v1/admin/datasets/letters/versions/{number}/resolution");
        app.post_as(&path, &steward, &json!({ "publish": true, "reason": "made up" })).await.expect(200);
    };
    resolve(2).await;
    // As with a table, what was found before is found again.
    let job = append("0.txt", "nothing").await;
    assert_eq!((&job["result"]["status"], &job["result"]["open_findings"]), (&json!("held"), &json!(1)), "{job}");
    resolve(3).await;
    append("00.txt", "身份证 11010519491231002X\n").await;
    assert_eq!(findings().await, [json!(["(content)", "resident_id", 2, [3, 5]])]);
}

#[tokio::test]
async fn what_a_long_job_has_stored_is_not_collected() {
    let app = TestApp::start(None, &[("orphan_hours", "1")]).await;
    let operator = app.operator().await.token;
    let collect = async || {
        let ordered = app.post_as("/api/v1/admin/orphan-collections", &operator, &json!({})).await.expect(202).json();
        app.ended_job(&operator, ordered["id"].as_str().unwrap()).await
    };
    // The one that the start orders must not be the one that finds it.
    collect().await;
    for job in app.get_as("/api/v1/admin/jobs", &operator).await.expect(200).json()["items"].as_array().unwrap() {
        app.ended_job(&operator, job["id"].as_str().unwrap()).await;
    }
    let orphan = app.app.settings.data_dir.join("store/objects/00").join(format!("{}.member", "0".repeat(64)));
    std::fs::create_dir_all(orphan.parent().unwrap()).unwrap();
    std::fs::write(&orphan, "a file of a collection that is still read").unwrap();
    let stored = std::time::SystemTime::now() - std::time::Duration::from_secs(2 * 3600);
    std::fs::File::options().write(true).open(&orphan).unwrap().set_modified(stored).unwrap();
    // A job of another replica, which began before that.
    app.app.db.write_now(|conn| jobs::enqueue(conn, JobKind::Intake, "dataset:large", &json!({}), "somebody").map(|_| ())).unwrap();
    let url = app.app.settings.database_url.expose();
    let is_running = "state = 'running', runner = 'other/1', started_at = '2026-01-01 00:00:00', beat_at = '2999-01-01 00:00:00'";
    TestDatabase::tamper(url, &format!("UPDATE jobs SET {is_running} WHERE kind = 'intake'"));
    assert_eq!(collect().await["result"]["objects_removed"], 0);
    TestDatabase::tamper(url, "UPDATE jobs SET state = 'failed' WHERE kind = 'intake'");
    assert_eq!(collect().await["result"]["objects_removed"], 1);
    assert!(!orphan.exists());
}
