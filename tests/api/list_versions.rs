//! The versions of the list: what opens less needs a reason, and every change is told with it.

use qingdan::catalog::Edition;
use qingdan::release::{import_folder, unwatched};
use serde_json::{Value, json};

use crate::support::{Folder, TestApp, entry};

async fn step(app: &TestApp, token: &str, slug: &str, step: &str, body: &Value) -> crate::support::Answer {
    app.post_as(&format!("/api/v1/admin/datasets/{slug}/{step}"), token, body).await
}

#[tokio::test]
async fn opening_less_needs_a_reason_and_the_list_tells_it() {
    let folder = Folder::new();
    for slug in ["one", "two"] {
        folder.open(slug, &["name", "value"], "name,value\na,1\n");
    }
    let app = TestApp::start(Some(folder.path()), &[]).await;
    assert_eq!(app.get("/api/v1/open-list/versions").await.expect(200).json()["items"][0]["datasets"], 2, "one import is one version");
    folder.open("one", &["name"], "name\na\n");
    folder.write("two/dataset.toml", entry("two", &["name", "value"]).replace("CC0-1.0", "CC-BY-4.0"));
    let import = async |by: Edition| import_folder(&app.app.tools(), folder.path(), by, unwatched).await.unwrap();
    let report = import("service".into()).await;
    assert_eq!(report.outcomes.len(), 1, "{report:?}");
    let mistake = &report.mistakes[0];
    assert!(mistake.file.ends_with("one/dataset.toml") && mistake.key.as_deref() == Some("fields"), "{mistake}");
    assert!(mistake.detail.contains("the field `value` goes"), "{mistake}");
    let closed = entry("one", &["name", "value"]).replace("unconditional", "closed").replace("data = \"data.csv\"\n", "");
    folder.write("one/dataset.toml", format!("open_type_reason = {{ zh = \"不宜公开\", en = \"not fit\" }}\n{closed}"));
    let report = import("service".into()).await;
    assert!(report.mistakes[0].detail.contains("from unconditional to closed"), "{report:?}");
    folder.open("one", &["name"], "name\na\n");
    let report = import(Edition::by("service").because("value was never collected")).await;
    assert!(report.mistakes.is_empty(), "{:?}", report.mistakes);
    let diff = app.get("/api/v1/open-list/diff?from=1").await.expect(200).json();
    let of = |slug: &str| diff["items"].as_array().unwrap().iter().find(|change| change["slug"] == slug).unwrap().clone();
    let one = of("one");
    assert_eq!((&one["difference"], &one["steps"][0]["code"]), (&json!("changed"), &json!("fields_change")));
    assert_eq!(one["steps"][0]["reason"], "value was never collected");
    let keys: Vec<&str> = one["values"].as_array().unwrap().iter().map(|value| value["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["fields", "fields.value.release", "fields.value.sensitivity", "fields.value.title.en", "fields.value.title.zh"]);
    let two = of("two");
    assert_eq!(two["steps"][0]["code"], "revision");
    assert_eq!(two["values"], json!([{ "key": "licence", "before": "CC0-1.0", "after": "CC-BY-4.0" }]));
    // In pages, of the versions that the first page compared.
    let first = app.get("/api/v1/open-list/diff?from=1&limit=1").await.expect(200).json();
    assert_eq!((&first["items"][0]["slug"], &first["total"]), (&json!("one"), &json!(2)));
    let next = first["next_cursor"].as_str().unwrap();
    let second = app.get(&format!("/api/v1/open-list/diff?from=1&limit=1&cursor={next}")).await.expect(200).json();
    assert_eq!((&second["items"][0]["slug"], &second["next_cursor"]), (&json!("two"), &Value::Null));
    for (query, parameter) in [
        ("from=9", "from"),
        ("to=9", "to"),
        ("from=2&to=1", "from"),
        ("from=-1", "from"),
        ("from=x", "from"),
        ("limit=0", "limit"),
        ("cursor=x", "cursor"),
    ] {
        let problem = app.get(&format!("/api/v1/open-list/diff?{query}")).await.problem(400, "invalid-value");
        assert_eq!(problem["errors"][0]["pointer"], parameter, "{query}");
    }
    assert_eq!(app.get("/api/v1/open-list/diff?from=3&to=3").await.expect(200).json()["total"], 0);
    let page = app.get("/api/v1/open-list/versions?limit=2").await.expect(200).json();
    assert_eq!((&page["items"][0]["version"], &page["items"][1]["version"], &page["total"]), (&json!(3), &json!(2), &json!(3)));
    let next = page["next_cursor"].as_str().unwrap();
    let rest = app.get(&format!("/api/v1/open-list/versions?limit=2&cursor={next}")).await.expect(200).json();
    assert_eq!(
        (&rest["items"][0]["version"], &rest["items"][0]["changes"], &rest["next_cursor"]),
        (&json!(1), &json!({ "new": 2 }), &Value::Null)
    );
}

#[tokio::test]
async fn what_was_said_of_a_withdrawal_can_be_taken_out() {
    let folder = Folder::new();
    folder.open("things", &["name"], "name\na\n");
    let app = TestApp::start(Some(folder.path()), &[]).await;
    let operator = app.operator().await.token;
    step(&app, &operator, "things", "suspension", &json!({ "ground": "personal_data", "reason": "张某某的电话" })).await.expect(200);
    assert!(app.get("/datasets/things").await.expect(200).text().contains("张某某"));
    let entries = app.get_as("/api/v1/ledger/entries?limit=1000", &operator).await.expect(200).json();
    let entry = entries["items"].as_array().unwrap().iter().find(|entry| entry["kind"] == "dataset.suspended").unwrap().clone();
    assert!(!entry["detail_json"].as_str().unwrap().contains("张某某"), "{entry}");
    let redaction = format!("/api/v1/ledger/entries/{}/redaction", entry["seq"]);
    app.post_as(&redaction, &operator, &json!({ "reason": "a name in it" })).await.expect(200);
    for path in ["/datasets/things", "/api/v1/datasets/things", "/api/v1/datasets/things/history", "/api/v1/open-list/diff?from=1"] {
        let text = app.get(path).await.expect(200).text();
        assert!(!text.contains("张某某") && text.contains("(taken out)"), "{path}: {text}");
    }
}
