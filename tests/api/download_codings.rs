//! Content codings, files that are sent while they are made, and files that nginx sends.

use std::fs;
use std::io::Read;

use qingdan::crypto::{base64, sha256_hex, unhex};
use reqwest::Method;

use crate::support::{Folder, TestApp};

const PATH: &str = "/api/v1/datasets/xuhui-residents-committees/download?format=csv";

fn decode(coding: &str, body: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    match coding {
        "gzip" => flate2::read::GzDecoder::new(body).read_to_end(&mut plain).unwrap(),
        "zstd" => zstd::Decoder::new(body).unwrap().read_to_end(&mut plain).unwrap(),
        "br" => brotli::Decompressor::new(body, 4096).read_to_end(&mut plain).unwrap(),
        other => panic!("{other}"),
    };
    plain
}

#[tokio::test]
async fn each_coding_is_a_representation_of_its_own() {
    let app = TestApp::spawn().await;
    let plain = app.get(PATH).await.expect(200);
    assert_eq!(plain.header("vary"), "Accept-Encoding");
    assert_eq!(plain.header("content-encoding"), "");
    for coding in ["gzip", "br", "zstd"] {
        let coded = app.get_with(PATH, &[("accept-encoding", coding)]).await.expect(200);
        assert_eq!(coded.header("content-encoding"), coding);
        assert_eq!(coded.header("vary"), "Accept-Encoding");
        assert_eq!(coded.header("content-type"), plain.header("content-type"));
        assert!(coded.body.len() < plain.body.len());
        assert_eq!(decode(coding, &coded.body), plain.body);
        let digest = sha256_hex(&coded.body);
        assert_eq!(coded.header("etag"), format!("\"{digest}\""));
        assert_eq!(coded.header("repr-digest"), format!("sha-256=:{}:", base64(&unhex(&digest).unwrap())));
        let head = app.send(Method::HEAD, PATH, None, None, &[("accept-encoding", coding)]).await.expect(200);
        assert_eq!((head.header("etag"), head.header("content-encoding")), (coded.header("etag"), coding));
        assert_eq!(head.header("content-length"), coded.body.len().to_string());
        let tag = coded.header("etag").to_owned();
        let same = app.get_with(PATH, &[("accept-encoding", coding), ("if-none-match", &tag)]).await.expect(304);
        assert_eq!(same.header("vary"), "Accept-Encoding");
        // The rest of the encoded bytes, for whoever names them.
        let rest = app.get_with(PATH, &[("accept-encoding", coding), ("range", "bytes=100-"), ("if-range", &tag)]).await.expect(206);
        assert_eq!(rest.header("content-encoding"), coding);
        assert_eq!(rest.body, coded.body[100..]);
        // A library that decodes unasked has plain bytes, and names nothing.
        let rest = app.get_with(PATH, &[("accept-encoding", coding), ("range", "bytes=100-")]).await.expect(206);
        assert_eq!(rest.header("content-encoding"), "");
        assert_eq!(rest.body, plain.body[100..]);
    }
    let tag = plain.header("etag").to_owned();
    let rest = app.get_with(PATH, &[("accept-encoding", "gzip"), ("range", "bytes=100-"), ("if-range", &tag)]).await.expect(206);
    assert_eq!(rest.body, plain.body[100..]);
    let refused = app.get_with(PATH, &[("accept-encoding", "gzip;q=0, identity")]).await.expect(200);
    assert_eq!(refused.body, plain.body);
}

#[tokio::test]
async fn what_gains_nothing_is_not_encoded() {
    let folder = Folder::new();
    folder.open("small", &["a"], "a\n1\n");
    let app = TestApp::start(Some(folder.path()), &[]).await;
    let small = "/api/v1/datasets/small/download?format=csv";
    assert_eq!(app.get_with(small, &[("accept-encoding", "gzip")]).await.expect(200).header("content-encoding"), "");
    let forced = app.get_with(small, &[("accept-encoding", "gzip, identity;q=0")]).await.expect(200);
    assert_eq!(decode(forced.header("content-encoding"), &forced.body), b"a\n1\n");
    let parquet = app.get_with("/api/v1/datasets/small/download", &[("accept-encoding", "gzip")]).await.expect(200);
    assert_eq!((parquet.header("content-encoding"), parquet.header("vary")), ("", ""));
}

/// A dataset whose release is large enough to be read while its export is made, and the CSV that it comes from.
fn large(folder: &Folder) -> String {
    let row = |at: u32| format!("{at},{}\n", sha256_hex(&at.to_le_bytes()));
    let csv = format!("n,text\n{}", (0..60_000).map(row).collect::<String>());
    folder.open("large", &["n:integer", "text:string"], &csv);
    csv
}

const LARGE: &str = "/api/v1/datasets/large/download?format=csv";

#[tokio::test]
async fn the_first_reader_gets_the_file_while_it_is_made() {
    let folder = Folder::new();
    let csv = large(&folder);
    let app = TestApp::start(Some(folder.path()), &[]).await;
    let (first, head) = futures::join!(app.get(LARGE), app.send(Method::HEAD, LARGE, None, None, &[]));
    let first = first.expect(200);
    assert_eq!(first.header("transfer-encoding"), "chunked");
    assert_eq!((first.header("etag"), first.header("content-length")), ("", ""));
    assert!(first.header("content-disposition").contains("large-v1.csv"));
    assert!(first.text() == csv);
    // Whoever asks for its headers waits for the file, which is the same.
    assert_eq!(head.expect(200).header("etag"), format!("\"{}\"", sha256_hex(csv.as_bytes())));
    let coded = app.get_with(LARGE, &[("accept-encoding", "zstd")]).await.expect(200);
    assert_eq!(coded.header("transfer-encoding"), "chunked");
    assert!(decode(coded.header("content-encoding"), &coded.body) == csv.as_bytes());
    let again = app.get(LARGE).await.expect(200);
    assert_eq!(again.header("content-length"), csv.len().to_string());
}

#[tokio::test]
async fn a_reader_who_goes_away_does_not_stop_the_making() {
    let folder = Folder::new();
    let csv = large(&folder);
    let app = TestApp::start(Some(folder.path()), &[]).await;
    drop(app.open(LARGE).await);
    let head = app.send(Method::HEAD, LARGE, None, None, &[]).await.expect(200);
    assert_eq!(head.header("content-length"), csv.len().to_string());
}

#[tokio::test]
async fn a_file_that_cannot_be_made_to_its_end_is_no_short_success() {
    let folder = Folder::new();
    large(&folder);
    let app = TestApp::start(Some(folder.path()), &[]).await;
    let store = app.app.settings.store_dir.clone();
    for stored in app.app.storage.list() {
        let stored = stored.unwrap();
        let path = store.join(stored.object.path());
        let mut bytes = fs::read(&path).unwrap();
        // The last data page, before the footer.
        let at = bytes.len() * 9 / 10;
        bytes[at..at + 5000].fill(0);
        fs::write(&path, bytes).unwrap();
    }
    let answer = app.open(LARGE).await;
    assert_eq!(answer.status(), 200);
    answer.bytes().await.unwrap_err();
    // Whoever can be told is told.
    app.send(Method::GET, LARGE, None, None, &[("range", "bytes=0-9")]).await.problem(500, "internal");
}

#[tokio::test]
async fn nginx_may_send_the_file() {
    let folder = Folder::new();
    folder.open("small", &["a"], "a\n1\n");
    let app = TestApp::start(Some(folder.path()), &[("accel_prefix", "/objects")]).await;
    let path = "/api/v1/datasets/small/download?format=csv";
    let digest = sha256_hex(b"a\n1\n");
    let answer = app.get(path).await.expect(200);
    assert_eq!(answer.header("x-accel-redirect"), format!("/objects/{}/{digest}.csv", &digest[..2]));
    assert_eq!((answer.body.len(), answer.header("etag")), (0, format!("\"{digest}\"").as_str()));
    assert!(answer.header("content-disposition").contains("small-v1.csv"));
    let stored = app.app.settings.store_dir.join("objects").join(answer.header("x-accel-redirect").trim_start_matches("/objects/"));
    assert_eq!(fs::read(stored).unwrap(), b"a\n1\n");
    let part = app.get_with(path, &[("range", "bytes=0-1")]).await.expect(200);
    assert!(!part.header("x-accel-redirect").is_empty() && part.header("content-range").is_empty());
    let head = app.send(Method::HEAD, path, None, None, &[]).await.expect(200);
    assert_eq!((head.header("x-accel-redirect"), head.header("content-length")), ("", "4"));
    app.get_with(path, &[("if-none-match", &format!("\"{digest}\""))]).await.expect(304);
    app.get_with(path, &[("range", "bytes=9-")]).await.problem(416, "range-not-satisfiable");
    let certain = app.get_with(path, &[("if-match", &format!("\"{digest}\""))]).await.expect(200);
    assert_eq!(certain.body, b"a\n1\n");
}
