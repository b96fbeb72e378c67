//! From an upload to a version: pieces, checksums, quotas, jobs, and what holds a version back.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Folder, TUS, TestApp};

const FIELDS: &[&str] = &["code:string", "n:integer"];

async fn with_things(settings: &[(&str, &str)]) -> (TestApp, String) {
    let folder = Folder::new();
    folder.open("things", FIELDS, "code,n\na,1\nb,2\n");
    let app = TestApp::start(Some(folder.path()), settings).await;
    let steward = app.staff(&["steward"], Some("office")).await.token;
    (app, steward)
}

async fn rows(app: &TestApp, version: &str) -> Value {
    app.query("/api/v1/datasets/things/rows", &[("version", version)]).await.expect(200).json()["rows"].clone()
}

#[tokio::test]
async fn an_upload_becomes_a_version() {
    let (app, steward) = with_things(&[]).await;
    let upload = app.upload(&steward, "new.csv", b"code,n\nc,3\n").await;
    let job = app.publish(&steward, "things", &upload, "replace").await;
    assert_eq!(job["state"], "done", "{job}");
    assert_eq!(job["percent"], 100.0);
    assert_eq!(job["result"]["version"], 2, "{job}");
    assert_eq!(rows(&app, "2").await, json!([{ "code": "c", "n": 3 }]));
    assert_eq!(rows(&app, "1").await.as_array().unwrap().len(), 2, "the older version stays readable");
    // What was published is no upload any more.
    app.get_as(&format!("/api/v1/admin/uploads/{upload}"), &steward).await.problem(404, "not-found");
    assert_eq!(app.get_as("/api/v1/admin/uploads", &steward).await.expect(200).json()["total"], 0);
    let ledger = app.get_as("/api/v1/ledger/entries?limit=1000", &app.operator().await.token).await.expect(200).json();
    let entries = ledger["items"].as_array().unwrap();
    let published = entries.iter().rfind(|entry| entry["kind"] == "version.published").unwrap();
    assert!(published["actor"].as_str().unwrap().starts_with("person:"), "{published}");
    // The very same file again changes nothing.
    let again = app.upload(&steward, "again.csv", b"code,n\nc,3\n").await;
    let job = app.publish(&steward, "things", &again, "replace").await;
    assert_eq!((&job["result"]["unchanged"], &job["result"]["version"]), (&json!(true), &json!(2)), "{job}");
}

#[tokio::test]
async fn appending_adds_a_file_and_rewrites_none() {
    let (app, steward) = with_things(&[]).await;
    let before = app.get("/api/v1/datasets/things/download").await.expect(200).body;
    let upload = app.upload(&steward, "more.csv", b"code,n\nc,3\nd,\n").await;
    let job = app.publish(&steward, "things", &upload, "append").await;
    assert_eq!((&job["state"], &job["result"]["rows"]), (&json!("done"), &json!(4)), "{job}");
    let all = rows(&app, "2").await;
    assert_eq!(all, json!([{ "code": "a", "n": 1 }, { "code": "b", "n": 2 }, { "code": "c", "n": 3 }, { "code": "d", "n": null }]));
    let versions = app.get_as("/api/v1/admin/datasets/things/versions", &steward).await.expect(200).json();
    assert_eq!((&versions["items"][0]["files"], &versions["items"][0]["rows"]), (&json!(2), &json!(4)), "{versions}");
    assert_eq!(versions["items"][0]["profile"]["row_count"], 4, "the profile is of the whole table");
    let csv = app.query("/api/v1/datasets/things/download", &[("format", "csv")]).await.expect(200).text();
    assert_eq!(csv, "code,n\na,1\nb,2\nc,3\nd,\n");
    let first = app.query("/api/v1/datasets/things/download", &[("version", "1")]).await.expect(200).body;
    assert_eq!(first, before, "the older version's file is as it was");
}

#[tokio::test]
async fn the_same_rows_appended_are_there_twice() {
    let (app, steward) = with_things(&[]).await;
    for _ in 0..2 {
        let upload = app.upload(&steward, "same.csv", b"code,n\nz,9\n").await;
        assert_eq!(app.publish(&steward, "things", &upload, "append").await["state"], "done");
    }
    let wanted = "code,n\na,1\nb,2\nz,9\nz,9\n";
    assert_eq!(app.query("/api/v1/datasets/things/download", &[("format", "csv")]).await.expect(200).text(), wanted);
    assert_eq!(app.get("/api/v1/datasets/things/rows").await.expect(200).json()["total"], 4);
    assert_eq!(rows(&app, "3").await.as_array().unwrap().len(), 4);
    let sql = json!({ "sql": "select count(*) as n, sum(n) as s from things" });
    assert_eq!(app.post("/api/v1/sql", &sql).await.expect(200).json()["rows"], json!([{ "n": 4, "s": 21 }]));
}

#[tokio::test]
async fn wide_decimals_are_exact_beside_narrow_ones() {
    let folder = Folder::new();
    folder.open("things", &["code:string", "price:decimal:2"], "code,price\na,1.50\n");
    let app = TestApp::start(Some(folder.path()), &[]).await;
    let steward = app.staff(&["steward"], Some("office")).await.token;
    let wide = "code,price\nb,123456789012345678901234567890.25\nc,-9999999999999999.99\n";
    let upload = app.upload(&steward, "wide.csv", wide.as_bytes()).await;
    assert_eq!(app.publish(&steward, "things", &upload, "append").await["state"], "done");
    let wanted = "code,price\na,1.50\nb,123456789012345678901234567890.25\nc,-9999999999999999.99\n";
    assert_eq!(app.query("/api/v1/datasets/things/download", &[("format", "csv")]).await.expect(200).text(), wanted);
    let found =
        app.query("/api/v1/datasets/things/rows", &[("where", "price > 1.49"), ("order_by", "price desc"), ("select", "code")]).await;
    assert_eq!(found.expect(200).json()["rows"], json!([{ "code": "b" }, { "code": "a" }]));
    let parquet = app.get("/api/v1/datasets/things/download").await.expect(200);
    assert_eq!(&parquet.body[..4], b"PAR1", "the two files are one");
}

#[tokio::test]
async fn a_faulty_file_fails_its_job_and_leaves_nothing() {
    let (app, steward) = with_things(&[]).await;
    let upload = app.upload(&steward, "bad.csv", b"code,n\nc,three\nd,4\ne,\xff\n").await;
    let job = app.publish(&steward, "things", &upload, "replace").await;
    assert_eq!(job["state"], "failed", "{job}");
    let fault = &job["problem"]["faults"][0];
    assert_eq!((&fault["line"], &fault["column"]), (&json!(2), &json!("n")), "{job}");
    assert!(fault["detail"].as_str().unwrap().contains("`three` is not a whole number"), "{fault}");
    assert_eq!(app.get("/api/v1/datasets/things").await.expect(200).json()["version"], 1);
    // The upload is still there; the job can be tried again, with the same end.
    let id = job["id"].as_str().unwrap();
    app.post_as(&format!("/api/v1/admin/jobs/{id}/retry"), &steward, &json!({})).await.expect(200);
    assert_eq!(app.ended_job(&steward, id).await["state"], "failed");
    app.post_as(&format!("/api/v1/admin/jobs/{id}/cancellation"), &steward, &json!({})).await.problem(409, "conflict");
}

#[tokio::test]
async fn pieces_resume_where_they_ended() {
    let (app, steward) = with_things(&[]).await;
    let text = b"code,n\nx,10\ny,20\n";
    let begun = app.begin_upload(&steward, "数据.csv", text.len(), &[]).await.expect(201);
    let id = begun.header("location").rsplit('/').next().unwrap().to_owned();
    let path = format!("/api/v1/admin/uploads/{id}");
    app.send_piece(&steward, &id, 0, &text[..5], &[]).await.expect(204);
    app.send_piece(&steward, &id, 0, &text[..5], &[]).await.problem(409, "conflict");
    let head = app.send(Method::HEAD, &path, Some(&steward), None, &[TUS]).await.expect(200);
    assert_eq!((head.header("upload-offset"), head.header("upload-length")), ("5", "17"));
    assert_eq!((head.header("tus-resumable"), head.header("cache-control")), ("1.0.0", "no-store"));
    assert!(!head.header("upload-expires").is_empty());
    let body = json!({ "upload": id });
    app.post_as("/api/v1/admin/datasets/things/versions", &steward, &body).await.problem(409, "conflict");
    // A piece that is not what its checksum says does not count.
    let wrong = format!("sha256 {}", STANDARD.encode([0; 32]));
    let refused = app.send_piece(&steward, &id, 5, &text[5..], &[("upload-checksum", &wrong)]).await;
    refused.problem(460, "checksum-mismatch");
    assert_eq!(app.get_as(&path, &steward).await.expect(200).json()["offset_bytes"], 5);
    let sha1 = "sha1 2jmj7l5rSw0yVb/vlWAYkK/YBwk="; // of nothing
    app.send_piece(&steward, &id, 5, b"", &[("upload-checksum", sha1)]).await.expect(204);
    let sent = app.send_piece(&steward, &id, 5, &text[5..], &[]).await.expect(204);
    assert_eq!(sent.header("upload-offset"), "17");
    app.send_piece(&steward, &id, 17, b"more", &[]).await.problem(413, "too-large");
    let job = app.publish(&steward, "things", &id, "replace").await;
    assert_eq!(job["result"]["rows"], 2, "{job}");
}

fn begun_id(begun: &crate::support::Answer) -> String {
    let (_, path) = begun.header("location").split_once("/api/").unwrap();
    format!("/api/{path}")
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_early() {
    let (app, steward) = with_things(&[("upload_max_bytes", "100"), ("upload_quota_bytes", "150")]).await;
    app.begin_upload(&steward, "a", 101, &[]).await.problem(413, "too-large");
    let first = app.begin_upload(&steward, "a", 100, &[]).await.expect(201);
    let refused = app.begin_upload(&steward, "b", 51, &[]).await.problem(413, "too-large");
    assert!(refused["detail"].as_str().unwrap().contains("over the quota of 150"), "{refused}");
    let id = first.header("location").rsplit('/').next().unwrap();
    app.send(Method::DELETE, &format!("/api/v1/admin/uploads/{id}"), Some(&steward), None, &[TUS]).await.expect(204);
    app.begin_upload(&steward, "b", 51, &[]).await.expect(201);
    let path = "/api/v1/admin/uploads";
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[], "Tus-Resumable"),
        (&[TUS], "upload-length"),
        (&[TUS, ("upload-length", "-1")], "upload-length"),
        (&[TUS, ("upload-length", "1"), ("upload-metadata", "filename %%%")], "Upload-Metadata"),
        (&[TUS, ("upload-length", "1"), ("upload-metadata", "sha256 bm8=")], "Upload-Metadata"),
    ];
    for (headers, pointer) in cases {
        let problem = app.send(Method::POST, path, Some(&steward), None, headers).await.problem(400, "invalid-value");
        assert_eq!(problem["errors"][0]["pointer"], *pointer, "{problem}");
    }
    let other = &[("tus-resumable", "0.2.2"), ("upload-length", "1")];
    let id = begun_id(&app.begin_upload(&steward, "c", 1, &[]).await.expect(201));
    for (method, path) in [(Method::POST, path), (Method::PATCH, &id), (Method::HEAD, &id), (Method::DELETE, &id)] {
        let refused = app.send(method.clone(), path, Some(&steward), None, other).await.expect(412);
        assert_eq!((refused.header("tus-version"), refused.header("tus-resumable")), ("1.0.0", "1.0.0"), "{method}");
        if method != Method::HEAD {
            refused.problem(412, "wrong-protocol-version");
        }
    }
    // Who is no tus client may ask all the same.
    app.get_as(&id, &steward).await.expect(200);
    let options = app.send(Method::OPTIONS, path, None, None, &[]).await.expect(204);
    assert_eq!((options.header("tus-version"), options.header("tus-max-size")), ("1.0.0", "100"));
}

#[tokio::test]
async fn a_whole_file_is_held_against_its_announced_digest() {
    let (app, steward) = with_things(&[]).await;
    let text = b"code,n\nz,26\n";
    let metadata = format!("filename {},sha256 {}", STANDARD.encode("z.csv"), STANDARD.encode("0".repeat(64)));
    let length = text.len().to_string();
    let headers = [TUS, ("upload-length", length.as_str()), ("upload-metadata", metadata.as_str())];
    let begun = app.send(Method::POST, "/api/v1/admin/uploads", Some(&steward), None, &headers).await.expect(201);
    let id = begun.header("location").rsplit('/').next().unwrap().to_owned();
    app.send_piece(&steward, &id, 0, text, &[]).await.expect(204);
    let job = app.publish(&steward, "things", &id, "replace").await;
    assert_eq!(job["state"], "failed", "{job}");
    assert!(job["problem"]["detail"].as_str().unwrap().contains("was announced: upload it again"), "{job}");
}

#[tokio::test]
async fn a_steward_reaches_the_own_publisher_only() {
    let (app, steward) = with_things(&[]).await;
    let folder = Folder::new();
    folder.write("publishers.toml", "[other]\nname = { zh = \"别处\", en = \"Other\" }\n");
    qingdan::release::import_folder(
        &app.app.tools(),
        folder.path(),
        qingdan::catalog::Edition::by("service").because("a test"),
        qingdan::release::unwatched,
    )
    .await
    .unwrap();
    let stranger = app.staff(&["steward"], Some("other")).await.token;
    let upload = app.upload(&stranger, "x.csv", b"code,n\nc,3\n").await;
    let body = json!({ "upload": upload });
    app.post_as("/api/v1/admin/datasets/things/versions", &stranger, &body).await.problem(403, "forbidden");
    // Nor does anybody publish what somebody else has uploaded.
    app.post_as("/api/v1/admin/datasets/things/versions", &steward, &body).await.problem(404, "not-found");
    app.get_as(&format!("/api/v1/admin/uploads/{upload}"), &steward).await.problem(404, "not-found");
    let own = app.upload(&steward, "x.csv", b"code,n\nc,3\n").await;
    let job = app.publish(&steward, "things", &own, "replace").await;
    let path = format!("/api/v1/admin/jobs/{}", job["id"].as_str().unwrap());
    app.get_as(&path, &stranger).await.problem(404, "not-found");
    assert_eq!(app.get_as("/api/v1/admin/jobs", &stranger).await.expect(200).json()["total"], 0);
    assert_eq!(app.get_as("/api/v1/admin/jobs?state=done", &steward).await.expect(200).json()["total"], 1);
    app.get_as(&path, &app.operator().await.token).await.expect(200);
    app.get_as("/api/v1/admin/datasets/things/versions", &stranger).await.problem(403, "forbidden");
}

/// Made-up resident IDs with right check characters: of a region, a day, and a running number.
fn resident_ids(count: usize) -> Vec<String> {
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let id = |number: usize| {
        let body = format!("31010419800101{:03}", number % 1000);
        let sum: u32 = body.bytes().zip(weights).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
        format!("{body}{}", b"10X98765432"[(sum % 11) as usize] as char)
    };
    (0..count).map(id).collect()
}

#[tokio::test]
async fn personal_data_holds_an_open_version_until_a_steward_answers_for_it() {
    let (app, steward) = with_things(&[]).await;
    let ids = resident_ids(40);
    let csv = ids.iter().enumerate().fold("code,n\n".to_owned(), |text, (n, id)| text + &format!("{id},{n}\n"));
    let upload = app.upload(&steward, "ids.csv", csv.as_bytes()).await;
    let job = app.publish(&steward, "things", &upload, "replace").await;
    let result = &job["result"];
    assert_eq!((&result["status"], &result["version"]), (&json!("held"), &json!(2)), "{job}");
    assert!(result["open_findings"].as_i64().unwrap() > 0);
    // Nobody reads it by any way.
    assert_eq!(app.get("/api/v1/datasets/things").await.expect(200).json()["version"], 1);
    assert_eq!(app.get("/api/v1/datasets/things/versions").await.expect(200).json()["total"], 1);
    for path in ["rows?version=2", "download?version=2", "versions/2", "profile?version=2", "diff?from=1&to=2"] {
        app.get(&format!("/api/v1/datasets/things/{path}")).await.problem(404, "not-found");
    }
    let versions = app.get_as("/api/v1/admin/datasets/things/versions", &steward).await.expect(200);
    let held = &versions.json()["items"][0];
    let finding = &held["profile"]["findings"][0];
    assert_eq!((&finding["column"], &finding["kind"], &finding["level"]), (&json!("code"), &json!("resident_id"), &json!("strong")));
    for id in &ids {
        assert!(!versions.text().contains(id.as_str()), "an example shows a whole number");
    }
    let path = "/api/v1/admin/datasets/things/versions/2/resolution";
    app.post_as(path, &steward, &json!({ "publish": true, "reason": "" })).await.problem(400, "invalid-value");
    let reason = "made up for a test; no persons have these numbers";
    app.post_as(path, &steward, &json!({ "publish": true, "reason": reason })).await.expect(200);
    app.post_as(path, &steward, &json!({ "publish": false, "reason": reason })).await.problem(409, "conflict");
    assert_eq!(rows(&app, "2").await[0]["code"], ids[0]);
    let ledger = app.get_as("/api/v1/ledger/entries?limit=1000", &app.operator().await.token).await.expect(200).json();
    let kinds: Vec<&str> = ledger["items"].as_array().unwrap().iter().map(|entry| entry["kind"].as_str().unwrap()).collect();
    assert!(kinds.contains(&"version.held"), "{kinds:?}");
    let last = ledger["items"].as_array().unwrap().iter().rfind(|entry| entry["kind"] == "version.published").unwrap();
    assert!(last.to_string().contains(reason), "{last}");
}

#[tokio::test]
async fn a_version_is_turned_down_for_ever() {
    let (app, steward) = with_things(&[]).await;
    let csv = resident_ids(40).iter().fold("code,n\n".to_owned(), |text, id| text + &format!("{id},1\n"));
    let upload = app.upload(&steward, "ids.csv", csv.as_bytes()).await;
    app.publish(&steward, "things", &upload, "replace").await;
    let path = "/api/v1/admin/datasets/things/versions/2/resolution";
    let refused = app.post_as(path, &steward, &json!({ "publish": false, "reason": "these are residents" })).await.expect(200).json();
    assert_eq!(refused["status"], "refused");
    app.post_as(path, &steward, &json!({ "publish": true, "reason": "after all" })).await.problem(409, "conflict");
    app.get("/api/v1/datasets/things/rows?version=2").await.problem(404, "not-found");
    // The next file is the next version: numbers are not used twice.
    let upload = app.upload(&steward, "clean.csv", b"code,n\nz,9\n").await;
    let job = app.publish(&steward, "things", &upload, "replace").await;
    assert_eq!((&job["result"]["version"], &job["result"]["status"]), (&json!(3), &json!("published")), "{job}");
}

#[tokio::test]
async fn a_dataset_that_becomes_open_is_looked_at_anew() {
    let folder = Folder::new();
    let csv = resident_ids(40).iter().fold("code,n\n".to_owned(), |text, id| text + &format!("{id},1\n"));
    folder.open("things", FIELDS, &csv);
    let open = std::fs::read_to_string(folder.file("things/dataset.toml")).unwrap();
    let reasons = "open_type_reason = { zh = \"个人信息\", en = \"Personal\" }\nconditions = { zh = \"条件\", en = \"Conditions\" }\n";
    let conditional = open.replace("open_type = \"unconditional\"\n", &format!("open_type = \"conditional\"\n{reasons}"));
    folder.write("things/dataset.toml", &conditional);
    let app = TestApp::start(Some(folder.path()), &[]).await;
    let import = async || {
        let report = qingdan::release::import_folder(
            &app.app.tools(),
            folder.path(),
            qingdan::catalog::Edition::by("service").because("a test"),
            qingdan::release::unwatched,
        )
        .await
        .unwrap();
        assert!(report.mistakes.is_empty(), "{:?}", report.mistakes);
        report.outcomes.into_iter().next().unwrap()
    };
    folder.write("things/dataset.toml", &open);
    let outcome = import().await;
    assert!(outcome.held_by > 0, "{outcome:?}");
    // Nor by the profile of the version that was there before, nor by rows behind it.
    app.get("/api/v1/datasets/things/profile").await.problem(404, "not-found");
    let steward = app.staff(&["steward"], Some("office")).await.token;
    let upload = app.upload(&steward, "more.csv", b"code,n\nz,9\n").await;
    let job = app.publish(&steward, "things", &upload, "append").await;
    assert_eq!(job["state"], "failed", "{job}");
    assert!(job["problem"]["detail"].as_str().unwrap().contains("is held; resolve it first"), "{job}");
    let path = "/api/v1/admin/datasets/things/versions/2/resolution";
    app.post_as(path, &steward, &json!({ "publish": false, "reason": "these are residents" })).await.expect(200);
    app.post_as(&format!("/api/v1/admin/jobs/{}/retry", job["id"].as_str().unwrap()), &steward, &json!({})).await.expect(200);
    let job = app.ended_job(&steward, job["id"].as_str().unwrap()).await;
    assert!(job["problem"]["detail"].as_str().unwrap().contains("was never open to everybody"), "{job}");
    app.get("/api/v1/datasets/things/rows").await.problem(404, "not-found");
    folder.write("things/data.csv", csv.clone() + "31,2\n");
    assert!(import().await.held_by > 0);
    app.get("/api/v1/datasets/things/rows").await.problem(404, "not-found");
    app.get("/api/v1/datasets/things/download?version=1").await.problem(404, "not-found");
    // The curator clears the column in the entry, with a reason: then it opens.
    folder.write("things/dataset.toml", open.replacen("sensitivity = \"none\"", "sensitivity = \"none\"\ncleared = \"made up\"", 1));
    import().await;
    assert_eq!(app.get("/api/v1/datasets/things/rows").await.expect(200).json()["total"], 41);
}

#[tokio::test]
async fn rows_are_not_appended_under_other_columns() {
    let folder = Folder::new();
    folder.open("things", &["code:string", "secret:string", "n:integer"], "code,secret,n\na,x,1\n");
    let app = TestApp::start(Some(folder.path()), &[]).await;
    let steward = app.staff(&["steward"], Some("office")).await.token;
    // The entry loses a column, and its data file is not there yet: the newest version still has it.
    let narrow = crate::support::entry("things", FIELDS);
    let entry: qingdan::catalog::Entry = toml::from_str(&narrow).unwrap();
    app.app
        .db
        .write(move |conn| {
            qingdan::catalog::put_entry(conn, &mut qingdan::catalog::Edition::by("service").because("a test"), "things", &entry)
                .map(|_changed| ())
        })
        .await
        .unwrap();
    let upload = app.upload(&steward, "more.csv", b"code,n\nz,9\n").await;
    let job = app.publish(&steward, "things", &upload, "append").await;
    assert!(job["problem"]["detail"].as_str().unwrap().contains("other columns than version 1"), "{job}");
    assert_eq!(app.get("/api/v1/datasets/things").await.expect(200).json()["version"], 1);
}

#[tokio::test]
async fn one_upload_is_published_once() {
    let (app, steward) = with_things(&[("jobs_at_once", "4")]).await;
    let upload = app.upload(&steward, "z.csv", b"code,n\nz,9\n").await;
    let body = json!({ "upload": upload, "mode": "append" });
    let path = "/api/v1/admin/datasets/things/versions";
    let mut answers = Vec::new();
    for _ in 0..6 {
        answers.push(app.post_as(path, &steward, &body).await);
    }
    let accepted: Vec<Value> = answers.iter().filter(|answer| answer.status == 202).map(|answer| answer.json()).collect();
    assert!(answers.iter().all(|answer| matches!(answer.status.as_u16(), 202 | 404 | 409)), "{answers:?}");
    for job in &accepted {
        app.ended_job(&steward, job["id"].as_str().unwrap()).await;
    }
    let csv = app.query("/api/v1/datasets/things/download", &[("format", "csv")]).await.expect(200).text();
    assert_eq!(csv, "code,n\na,1\nb,2\nz,9\n", "{} jobs were accepted", accepted.len());
}

#[tokio::test]
async fn a_fault_shows_no_personal_data_of_a_column_that_should_have_none() {
    let (app, steward) = with_things(&[]).await;
    let id = resident_ids(100).into_iter().find(|id| id.ends_with('X')).unwrap();
    let csv = format!("code,n\nc,{id}\nd,three\ne,phone 13812345678\n");
    let upload = app.upload(&steward, "bad.csv", csv.as_bytes()).await;
    let job = app.publish(&steward, "things", &upload, "replace").await;
    assert_eq!((&job["state"], job["problem"]["faults"].as_array().unwrap().len()), (&json!("failed"), 3), "{job}");
    let details: Vec<&str> = job["problem"]["faults"].as_array().unwrap().iter().map(|fault| fault["detail"].as_str().unwrap()).collect();
    assert!(details[0].starts_with("`310*************") && details[0].contains("X` is not a whole number"), "{details:?}");
    assert!(details[1].starts_with("`three` is not") && details[2].starts_with("`phone 138******78` is not"), "{details:?}");
    let ledger = app.get_as("/api/v1/ledger/entries?limit=1000", &app.operator().await.token).await.expect(200).text();
    assert!(ledger.contains("version.published"));
    // Nor does a file without a header, whose first row is taken for one, nor the program on the command line.
    let folder = Folder::new();
    folder.open("things", FIELDS, &csv);
    folder.open("headless", FIELDS, format!("{id},1\n"));
    let dir = tempfile::tempdir().unwrap();
    let database = crate::support::TestDatabase::create(dir.path());
    let refused = crate::process::run(dir.path(), &database, &["import", folder.path().to_str().unwrap()]);
    let told = crate::process::text(&refused.stdout) + &crate::process::text(&refused.stderr);
    assert!(!refused.status.success() && told.contains("things/data.csv:2: n: `310**") && told.contains("headless/data.csv:1"), "{told}");
    for text in [&job.to_string(), &ledger, &told] {
        assert!(!text.contains(&id) && !text.contains("13812345678"), "{text}");
    }
}

#[tokio::test]
async fn who_takes_rejected_rows_is_on_record() {
    let folder = Folder::new();
    folder.open("things", FIELDS, "code,n\na,1\n");
    let text = crate::support::entry("things", FIELDS).replace("data = ", "max_reject_share = 0.5\ndata = ");
    folder.write("things/dataset.toml", text);
    let app = TestApp::start(Some(folder.path()), &[]).await;
    let steward = app.staff(&["steward"], Some("office")).await.token;
    let upload = app.upload(&steward, "some.csv", b"code,n\nb,2\nc,three\n").await;
    assert_eq!(app.publish(&steward, "things", &upload, "replace").await["result"]["rejected_rows"], 1);
    let operator = app.operator().await.token;
    let reads = async || -> Vec<Value> {
        let ledger = app.get_as("/api/v1/ledger/entries?limit=1000", &operator).await.expect(200).json();
        ledger["items"].as_array().unwrap().iter().filter(|entry| entry["kind"] == "read.allowed").cloned().collect()
    };
    let path = "/api/v1/admin/datasets/things/versions/2/rejects";
    app.get(path).await.problem(401, "unauthenticated");
    assert_eq!(reads().await, Vec::<Value>::new());
    let rejects = app.get_as(path, &steward).await.expect(200);
    assert!(rejects.text().contains("c,three"), "{}", rejects.text());
    assert_eq!(rejects.header("cache-control"), "private, no-store");
    let [read] = <[Value; 1]>::try_from(reads().await).unwrap();
    assert!(read["actor"].as_str().unwrap().starts_with("person:"), "{read}");
    let detail: Value = serde_json::from_str(read["detail_json"].as_str().unwrap()).unwrap();
    assert_eq!((&read["subject"], &detail), (&json!("dataset:things"), &json!({ "version": 2, "rejects": true })), "{read}");
}

/// The version, the end of the upload and that of the job are one: what breaks between them leaves nothing that a second try doubles.
#[tokio::test]
async fn a_version_comes_with_the_end_of_its_job_or_not_at_all() {
    let (app, _steward) = with_things(&[]).await;
    let folder = Folder::new();
    folder.write("more.csv", "code,n\nz,9\n");
    let append = async |settle: qingdan::release::Settle| {
        let source = qingdan::release::Source { path: folder.file("more.csv"), file_name: "more.csv".to_owned() };
        let watcher = qingdan::release::unwatched("things");
        let mode = qingdan::release::PublishMode::Append;
        qingdan::release::publish_file(&app.app.tools(), "service", "things", &source, mode, &watcher, settle).await
    };
    let breaks = append(Box::new(|conn, published| {
        assert_eq!(qingdan::catalog::find(conn, "things")?.version, Some(published.version.number), "it is written down already");
        Err(qingdan::error::Error::Conflict("the job's end cannot be written down".to_owned()))
    }));
    assert!(breaks.await.unwrap_err().to_string().contains("the job's end"));
    assert_eq!(app.get("/api/v1/datasets/things").await.expect(200).json()["version"], 1);
    assert!(append(Box::new(|_conn, _published| Ok(()))).await.unwrap().is_ok());
    let csv = app.query("/api/v1/datasets/things/download", &[("format", "csv")]).await.expect(200).text();
    assert_eq!(csv, "code,n\na,1\nb,2\nz,9\n");
}
