//! The API document: fresh, complete, and served.

use std::collections::BTreeSet;

use crate::support::TestApp;

#[tokio::test]
async fn the_committed_document_is_the_one_of_the_routes() {
    let committed = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/openapi.json")).unwrap();
    let made = qingdan::http::document_json().unwrap();
    assert!(committed == made, "openapi/openapi.json is stale; run `cargo run -- openapi openapi/openapi.json`");
    let app = TestApp::empty().await;
    assert_eq!(app.get("/openapi.json").await.expect(200).text(), made);
}

#[test]
fn every_operation_says_what_it_is() {
    let document: serde_json::Value = serde_json::from_str(&qingdan::http::document_json().unwrap()).unwrap();
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{method} {path} has no operationId"));
            assert!(ids.insert(id.to_owned()), "{id} stands twice");
            for key in ["summary", "description"] {
                assert!(operation[key].as_str().is_some_and(|text| !text.is_empty()), "{id} has no {key}");
            }
            assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{id} has not exactly one tag");
            let responses = operation["responses"].as_object().unwrap();
            assert!(responses.keys().any(|status| status.starts_with('2')), "{id} has no answer of success");
            assert!(responses.contains_key("default"), "{id} says nothing of errors");
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                assert!(parameter["description"].is_string(), "{id}: {} has no description", parameter["name"]);
            }
        }
    }
    assert!(ids.len() > 35, "{}", ids.len());
}

#[test]
fn every_reference_leads_somewhere() {
    let text = qingdan::http::document_json().unwrap();
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    for part in text.split("\"$ref\": \"#").skip(1) {
        let pointer = part.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer}");
    }
}

#[tokio::test]
async fn the_docs_page_and_its_parts_are_served_from_here() {
    let app = TestApp::empty().await;
    let redirect = app.get("/docs").await.expect(308);
    assert_eq!(redirect.header("location"), "/docs/");
    let page = app.get("/docs/").await.expect(200).text();
    for part in page.split("src=\"").chain(page.split("href=\"")).skip(1) {
        let address = part.split('"').next().unwrap();
        if address.starts_with('<') || address.contains('\n') {
            continue;
        }
        assert!(!address.contains("//"), "{address}");
    }
    let script = app.get("/docs/swagger-initializer.js").await.expect(200).text();
    assert!(script.contains("/openapi.json"));
    assert!(!script.contains("http"), "{script}");
}
