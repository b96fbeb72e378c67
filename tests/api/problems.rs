//! Bad input: every 4xx is a problem with a stable type that says what is wrong, where, and what to do.

use reqwest::Method;
use serde_json::json;

use crate::support::{TestApp, with_query};

#[tokio::test]
async fn a_body_that_cannot_be_read() {
    let app = TestApp::empty().await;
    let malformed = app.raw(Method::POST, "/api/v1/sessions", "application/json", b"{\"username\": ".to_vec()).await;
    assert!(malformed.problem(400, "malformed-request")["detail"].as_str().unwrap().contains("line 1 column"));
    let unknown = app.post("/api/v1/sessions", &json!({ "username": "a", "password": "b", "remember": true })).await;
    assert!(unknown.problem(400, "malformed-request")["detail"].as_str().unwrap().contains("unknown field `remember`"));
    let text = app.raw(Method::POST, "/api/v1/sessions", "text/plain", b"{}".to_vec()).await;
    text.problem(415, "unsupported-media-type");
    let large = app.raw(Method::POST, "/api/v1/sessions", "application/json", vec![b' '; 2 << 20]).await;
    large.problem(413, "too-large");
}

#[tokio::test]
async fn a_wrong_address_is_told_from_a_wrong_method() {
    let app = TestApp::empty().await;
    app.get("/api/v1/nothing").await.problem(404, "not-found");
    app.get("/nothing").await.problem(404, "not-found");
    let method = app.send(Method::DELETE, "/api/v1/datasets", None, None, &[]).await;
    assert_eq!(method.header("allow"), "GET, HEAD");
    for path in ["/", "/api/v1/datasets", "/openapi.json", "/docs/"] {
        let head = app.send(Method::HEAD, path, None, None, &[]).await.expect(200);
        assert!(head.body.is_empty());
        assert_eq!(head.header("content-length"), app.get(path).await.body.len().to_string(), "{path}");
    }
    method.problem(405, "method-not-allowed");
    let download = app.send(Method::POST, "/api/v1/datasets/x/download", None, None, &[]).await;
    assert_eq!(download.header("allow"), "GET, HEAD");
}

#[tokio::test]
async fn unknown_things_and_parameters() {
    let app = TestApp::spawn().await;
    for path in ["/api/v1/datasets/nope", "/api/v1/datasets/nope/rows", "/api/v1/datasets/nope/download", "/api/v1/datasets/nope/versions"]
    {
        let problem = app.get(path).await.problem(404, "not-found");
        assert_eq!(problem["detail"], "there is no dataset `nope`");
    }
    let rows = "/api/v1/datasets/shanghai-districts/rows";
    let cases = [
        (with_query(rows, &[("limit", "-1")]), "invalid-value", "`-1` is not a whole number from 1 to 1000"),
        (with_query(rows, &[("limit", "1001")]), "invalid-value", "from 1 to 1000"),
        (with_query(rows, &[("limit", "x")]), "invalid-value", "from 1 to 1000"),
        (with_query(rows, &[("where", "nope = 1")]), "invalid-value", "there is no field `nope`; the fields are: code, name, city_code"),
        (with_query(rows, &[("select", "code,nope")]), "invalid-value", "there is no field `nope`"),
        (with_query(rows, &[("order_by", "nope")]), "invalid-value", "there is no field `nope`"),
        (with_query(rows, &[("cursor", "zzz")]), "invalid-value", "this is no cursor of ours"),
        (with_query(rows, &[("version", "0")]), "invalid-value", "they start at 1"),
        (with_query(rows, &[("wher", "1")]), "malformed-request", "unknown field `wher`"),
        ("/api/v1/datasets?open_type=secret".to_owned(), "malformed-request", "unknown variant `secret`"),
        ("/api/v1/datasets?cursor=abc".to_owned(), "invalid-value", "no cursor of this list"),
        ("/api/v1/datasets/shanghai-districts/download?format=pdf".to_owned(), "malformed-request", "unknown variant `pdf`"),
    ];
    for (path, slug, wanted) in cases {
        let problem = app.get(&path).await.problem(400, slug);
        assert!(problem["detail"].as_str().unwrap().contains(wanted), "{path}: {problem}");
    }
    let problem = app.get(&with_query(rows, &[("version", "9")])).await.problem(404, "not-found");
    assert_eq!(problem["detail"], "there is no version `9`");
}

#[tokio::test]
async fn the_title_is_in_the_callers_language_and_the_type_is_a_page() {
    let app = TestApp::empty().await;
    let zh = app.get_with("/api/v1/nothing", &[("accept-language", "fr, zh-CN;q=0.9, en;q=0.8")]).await.problem(404, "not-found");
    assert_eq!(zh["title"], "未找到");
    let en = app.get_with("/api/v1/nothing", &[("accept-language", "fr, en;q=0.5, zh;q=0.1")]).await.problem(404, "not-found");
    assert_eq!(en["title"], "Not found");
    for kind in qingdan::http::problem_slugs() {
        app.get(&format!("/problems/{kind}")).await.expect(200);
    }
    app.get("/problems/nope").await.problem(404, "not-found");
}

#[tokio::test]
async fn a_person_who_looks_at_pages_gets_a_page() {
    let app = TestApp::empty().await;
    for (path, title) in [("/datasets/nope?lang=zh", "未找到"), ("/nothing?lang=en", "Not found")] {
        let page = app.get_with(path, &[("accept", "text/html,*/*;q=0.8")]).await.expect(404);
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        assert!(page.text().contains(&format!("<h1>{title}</h1>")), "{path}");
        assert_eq!(page.text().contains("there is no"), title == "Not found", "the page speaks one language");
    }
    let page = app.get_with("/datasets/%3Cb%3Enope", &[("accept", "text/html")]).await.expect(404);
    assert!(!page.text().contains("<b>nope"));
    let api = app.get_with("/api/v1/datasets/nope", &[("accept", "text/html")]).await;
    api.problem(404, "not-found");
}

#[tokio::test]
async fn every_answer_carries_a_request_id_and_cannot_be_sniffed() {
    let app = TestApp::empty().await;
    for path in ["/", "/api/v1/datasets", "/nothing", "/healthz"] {
        let answer = app.get(path).await;
        assert_eq!(answer.header("x-request-id").len(), 36, "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
    }
}
