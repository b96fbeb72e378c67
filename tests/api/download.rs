//! Releases as files.

use std::fs;

use qingdan::crypto::{base64, sha256_hex, unhex};

use crate::support::{TestApp, shipped};

const OPEN: [(&str, &str); 5] = [
    ("ai-policy-measures", "ai_policy_measures.csv"),
    ("shanghai-districts", "shanghai_districts.csv"),
    ("working-calendar", "working_calendar.csv"),
    ("xuhui-residents-committees", "xuhui_residents_committees.csv"),
    ("xuhui-subdistricts", "xuhui_subdistricts.csv"),
];

fn cells(text: &[u8]) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text);
    reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[tokio::test]
async fn a_downloaded_csv_equals_its_source() {
    let app = TestApp::spawn().await;
    let listed = app.get("/api/v1/datasets?open_type=unconditional").await.expect(200).json();
    assert_eq!(listed["total"], OPEN.len());
    for (slug, file) in OPEN {
        let source = fs::read(shipped().join(slug).join(file)).unwrap();
        let csv = app.get(&format!("/api/v1/datasets/{slug}/download?format=csv")).await.expect(200);
        assert_eq!(cells(&csv.body), cells(&source), "{slug}");
        assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8; header=present");
        let rows = cells(&source).len() - 1;
        let ndjson = app.get(&format!("/api/v1/datasets/{slug}/download?format=ndjson")).await.expect(200);
        assert_eq!(ndjson.text().lines().count(), rows, "{slug}");
        let json = app.get(&format!("/api/v1/datasets/{slug}/download?format=json")).await.expect(200).json();
        assert_eq!(json.as_array().unwrap().len(), rows, "{slug}");
        let parquet = app.get(&format!("/api/v1/datasets/{slug}/download")).await.expect(200);
        assert_eq!(&parquet.body[..4], b"PAR1");
    }
}

#[tokio::test]
async fn validators_conditions_and_digests() {
    let app = TestApp::spawn().await;
    let path = "/api/v1/datasets/working-calendar/download?format=csv";
    let whole = app.get(path).await.expect(200);
    let digest = sha256_hex(&whole.body);
    assert_eq!(whole.header("etag"), format!("\"{digest}\""));
    assert_eq!(whole.header("repr-digest"), format!("sha-256=:{}:", base64(&unhex(&digest).unwrap())));
    assert_eq!(whole.header("accept-ranges"), "bytes");
    assert!(whole.header("link").contains("rel=\"license\""));
    assert!(whole.header("qingdan-citation").contains("Version 1."));
    assert!(whole.header("content-disposition").contains("working-calendar-v1.csv"));

    let head = app.send(reqwest::Method::HEAD, path, None, None, &[]).await.expect(200);
    assert!(head.body.is_empty());
    assert_eq!(head.header("content-length"), whole.body.len().to_string());
    assert_eq!(head.header("etag"), whole.header("etag"));

    let tag = whole.header("etag").to_owned();
    let same = app.get_with(path, &[("if-none-match", &tag)]).await.expect(304);
    assert_eq!(same.header("etag"), tag);
    let modified = whole.header("last-modified").to_owned();
    app.get_with(path, &[("if-modified-since", &modified)]).await.expect(304);
    app.get_with(path, &[("if-match", "\"other\"")]).await.expect(412);
}

#[tokio::test]
async fn ranges_put_together_are_the_file() {
    let app = TestApp::spawn().await;
    let path = "/api/v1/datasets/working-calendar/download?format=csv";
    let whole = app.get(path).await.expect(200);
    let tag = whole.header("etag").to_owned();
    let first = app.get_with(path, &[("range", "bytes=0-999")]).await.expect(206);
    assert_eq!(first.header("content-range"), format!("bytes 0-999/{}", whole.body.len()));
    assert_eq!(first.header("repr-digest"), whole.header("repr-digest"));
    let rest = app.get_with(path, &[("range", "bytes=1000-"), ("if-range", &tag)]).await.expect(206);
    assert_eq!([first.body, rest.body].concat(), whole.body);
    let changed = app.get_with(path, &[("range", "bytes=1000-"), ("if-range", "\"before\"")]).await.expect(200);
    assert_eq!(changed.body, whole.body);
    let outside = app.get_with(path, &[("range", "bytes=99999999-")]).await;
    assert_eq!(outside.header("content-range"), format!("bytes */{}", whole.body.len()));
    outside.problem(416, "range-not-satisfiable");
}

#[tokio::test]
async fn many_at_once_get_the_same_export() {
    let app = TestApp::spawn().await;
    let path = "/api/v1/datasets/xuhui-residents-committees/download?format=json";
    let answers = futures::future::join_all((0..20).map(|_| app.get(path))).await;
    let tags: std::collections::BTreeSet<String> = answers.into_iter().map(|answer| answer.expect(200).header("etag").to_owned()).collect();
    assert_eq!(tags.len(), 1);
}

#[tokio::test]
async fn what_is_not_open_is_not_given_out() {
    let app = TestApp::with_closed().await;
    for kind in ["download", "rows"] {
        app.get(&format!("/api/v1/datasets/community-health-visits/{kind}")).await.problem(401, "unauthenticated");
        app.get(&format!("/api/v1/datasets/enterprise-inspection-clues/{kind}")).await.problem(403, "forbidden");
    }
    let detail = app.get("/api/v1/datasets/community-health-visits").await.expect(200).json();
    assert_eq!(detail["downloads"], serde_json::json!([]));
    assert_eq!(detail["rows"], 20_000);
    let page = app.get("/datasets/community-health-visits").await.expect(200).text();
    assert!(!page.contains("合成居民0") && !page.contains("/download?"));
    // The region stands in a field's description; a whole identifier must not.
    assert!(page.split("310199").skip(1).all(|rest| !rest.starts_with(|next: char| next.is_ascii_digit())));
}

#[tokio::test]
async fn an_older_version_stays_readable() {
    let folder = crate::support::Folder::new();
    folder.open("growing", &["a"], "a\n1\n");
    let app = TestApp::start(Some(folder.path()), &[]).await;
    folder.open("growing", &["a"], "a\n1\n2\n");
    let report = qingdan::release::import_folder(&app.app.tools(), folder.path(), "service", qingdan::release::unwatched).await.unwrap();
    assert_eq!(report.outcomes[0].version, Some((2, 2)));
    let path = "/api/v1/datasets/growing/download?format=csv";
    assert_eq!(app.get(&format!("{path}&version=1")).await.expect(200).text(), "a\n1\n");
    assert_eq!(app.get(path).await.expect(200).text(), "a\n1\n2\n");
    let versions = app.get("/api/v1/datasets/growing/versions").await.expect(200).json();
    assert_eq!(versions["items"][0]["version"], 2);
    assert_eq!(versions["items"][1]["rows"], 1);
}
