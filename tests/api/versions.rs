//! Versions by number and date, what they hold, and what became of a dataset between two of them.

use serde_json::{Value, json};

use crate::support::{Folder, TestApp, entry};

async fn with_versions(versions: &[(&[&str], &str)], head: &str) -> TestApp {
    let folder = Folder::new();
    let app = TestApp::empty().await;
    for (fields, csv) in versions {
        folder.write("things/data.csv", csv);
        folder.write("things/dataset.toml", entry("things", fields).replace("data = ", &format!("{head}data = ")));
        let report = qingdan::release::import_folder(
            &app.app.tools(),
            folder.path(),
            qingdan::catalog::Edition::by("service").because("a test"),
            qingdan::release::unwatched,
        )
        .await
        .unwrap();
        assert!(report.mistakes.is_empty(), "{:?}", report.mistakes);
    }
    app
}

const KEY: &str = "key = [\"code\"]\n";

async fn diff(app: &TestApp, parameters: &[(&str, &str)]) -> Value {
    app.query("/api/v1/datasets/things/diff", parameters).await.expect(200).json()
}

#[tokio::test]
async fn rows_are_compared_by_the_key() {
    let fields = &["code:string", "name:string", "price:decimal:2"];
    let before = "code,name,price\na,one,1.00\nb,two,2.00\nc,,3.00\nd,same,4.00\n";
    let after = "code,name,price\nd,same,4.00\nc,three,3.00\nb,two,2.50\ne,new,\n";
    let app = with_versions(&[(fields, before), (fields, after)], KEY).await;
    let found = diff(&app, &[("from", "1")]).await;
    assert_eq!((&found["from"], &found["to"], &found["key"]), (&json!(1), &json!(2), &json!(["code"])));
    assert_eq!(found["counts"], json!({ "added": 1, "removed": 1, "changed": 2, "same": 1 }));
    assert_eq!((&found["fields"], &found["total"], &found["next_cursor"]), (&json!([]), &json!(4), &Value::Null));
    let rows = found["rows"].as_array().unwrap();
    assert_eq!(rows[0]["change"], "removed", "{found}");
    assert_eq!(rows[0]["key"], json!({ "code": "a" }));
    assert_eq!(rows[1]["values"].as_object().unwrap().keys().collect::<Vec<_>>(), ["price"], "only what differs: {found}");
    assert_eq!(rows[2]["values"], json!({ "name": { "from": null, "to": "three" } }));
    assert_eq!(rows[3]["change"], "added");
    // The other way round, one kind only, one row at a time.
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let mut parameters = vec![("from", "2"), ("to", "1"), ("change", "changed"), ("limit", "1")];
        if !cursor.is_empty() {
            parameters.push(("cursor", &cursor));
        }
        let page = diff(&app, &parameters).await;
        assert_eq!(page["total"], 2);
        seen.extend(page["rows"].as_array().unwrap().iter().map(|row| row["key"]["code"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, ["b", "c"]);
    let other = app.query("/api/v1/datasets/things/diff", &[("from", "1"), ("cursor", &cursor)]).await;
    other.problem(400, "invalid-value");
}

#[tokio::test]
async fn columns_that_came_and_went_are_told() {
    let first: (&[&str], &str) = (&["code:string", "n:integer", "old:string"], "code,n,old\na,1,x\n");
    let second: (&[&str], &str) = (&["code:string", "n:string", "new:date"], "code,n,new\na,1,2026-01-31\n");
    let app = with_versions(&[first, second], KEY).await;
    let found = diff(&app, &[("from", "1"), ("to", "2")]).await;
    let wanted = json!([
        { "name": "n", "change": "changed", "from_type": "integer", "to_type": "string" },
        { "name": "old", "change": "removed", "from_type": "string" },
        { "name": "new", "change": "added", "to_type": "date" },
    ]);
    assert_eq!(found["fields"], wanted);
    assert_eq!(found["counts"]["same"], 1, "a column of another type is told once, and not for each row: {found}");
}

#[tokio::test]
async fn without_a_true_key_rows_are_not_compared() {
    let fields = &["code:string", "n:integer"];
    let app = with_versions(&[(fields, "code,n\na,1\n"), (fields, "code,n\na,2\n")], "").await;
    let found = diff(&app, &[("from", "1")]).await;
    assert_eq!((&found["key"], &found["counts"], &found["rows"]), (&json!([]), &Value::Null, &json!([])));
    for wrong in ["code,n\na,2\na,3\n", "code,n\n,2\n"] {
        let app = with_versions(&[(fields, "code,n\na,1\n"), (fields, wrong)], KEY).await;
        let refused = app.query("/api/v1/datasets/things/diff", &[("from", "1")]).await.problem(409, "conflict");
        assert!(refused["detail"].as_str().unwrap().contains("does not name rows in version 2"), "{refused}");
    }
}

#[tokio::test]
async fn a_version_is_found_by_number_and_by_date() {
    let fields = &["code:string", "n:integer"];
    let app = with_versions(&[(fields, "code,n\na,1\n"), (fields, "code,n\na,2\n")], "").await;
    let first = app.get("/api/v1/datasets/things/versions/1").await.expect(200).json();
    assert_eq!((&first["version"], &first["rows"]), (&json!(1), &json!(1)));
    app.get("/api/v1/datasets/things/versions/3").await.problem(404, "not-found");
    app.get("/api/v1/datasets/things/versions/x").await.problem(404, "not-found");
    let published = first["created_at"].as_str().unwrap();
    let today = &published[..10];
    let n = async |version: &str| {
        let rows = app.query("/api/v1/datasets/things/rows", &[("version", version)]).await.expect(200).json();
        rows["rows"][0]["n"].as_i64().unwrap()
    };
    assert_eq!(n(today).await, 2, "a day is meant to its end");
    assert_eq!(n(published).await, 1);
    let found = diff(&app, &[("from", published), ("to", today)]).await;
    assert_eq!((&found["from"], &found["to"]), (&json!(1), &json!(2)));
    app.query("/api/v1/datasets/things/rows", &[("version", "2001-01-01")]).await.problem(404, "not-found");
    for wrong in ["0", "-1", "yesterday", "2026-13-01"] {
        app.query("/api/v1/datasets/things/download", &[("version", wrong)]).await.problem(400, "invalid-value");
    }
}

#[tokio::test]
async fn a_profile_is_public_where_the_data_is() {
    let app = TestApp::spawn().await;
    let dataset = app.get("/api/v1/datasets/xuhui-subdistricts").await.expect(200).json();
    let found = app.get("/api/v1/datasets/xuhui-subdistricts/profile").await.expect(200).json();
    assert_eq!(found["profile"]["row_count"], dataset["rows"], "{found}");
    assert_eq!(found["profile"]["columns"].as_array().unwrap().len(), dataset["fields"].as_array().unwrap().len());
    app.get("/api/v1/datasets/xuhui-subdistricts/profile?version=9").await.problem(404, "not-found");
    app.get("/api/v1/datasets/community-health-visits/profile").await.problem(403, "forbidden");
}

#[tokio::test]
async fn a_forged_cursor_is_refused() {
    use base64::Engine;
    let fields = &["code:string", "n:integer"];
    let app = with_versions(&[(fields, "code,n\na,1\n"), (fields, "code,n\na,2\n")], KEY).await;
    for number in ["18446744073709551615", "-1", "x"] {
        let text = format!("diff things 1 2 None\n{number}");
        let cursor = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        app.query("/api/v1/datasets/things/diff", &[("from", "1"), ("cursor", &cursor)]).await.problem(400, "invalid-value");
    }
    app.query("/api/v1/datasets/things/diff", &[("from", "-200000-01-01")]).await.problem(400, "invalid-value");
}

#[tokio::test]
async fn rows_whose_key_has_another_type_are_not_compared() {
    let first: (&[&str], &str) = (&["code:integer", "n:integer"], "code,n\n1,1\n2,2\n");
    let second: (&[&str], &str) = (&["code:string", "n:integer"], "code,n\n1,1\n02,2\n");
    let app = with_versions(&[first, second], KEY).await;
    for (from, to, types) in [("1", "2", ["integer", "string"]), ("2", "1", ["string", "integer"])] {
        let found = diff(&app, &[("from", from), ("to", to)]).await;
        let changed = json!([{ "name": "code", "change": "changed", "from_type": types[0], "to_type": types[1] }]);
        assert_eq!((&found["fields"], &found["key"], &found["counts"]), (&changed, &json!([]), &Value::Null), "{found}");
        assert_eq!((&found["rows"], &found["total"], &found["next_cursor"]), (&json!([]), &json!(0), &Value::Null), "{found}");
    }
}

#[tokio::test]
async fn a_version_that_was_never_public_stays_closed_with_its_profile() {
    let folder = Folder::new();
    folder.open("things", &["code:string"], "code\nsecret\n");
    let open = entry("things", &["code:string"]);
    let reasons = "open_type_reason = { zh = \"原因\", en = \"Reason\" }\nconditions = { zh = \"条件\", en = \"Conditions\" }\n";
    folder
        .write("things/dataset.toml", open.replace("open_type = \"unconditional\"\n", &format!("open_type = \"conditional\"\n{reasons}")));
    let app = TestApp::start(Some(folder.path()), &[]).await;
    folder.open("things", &["code:string"], "code\nplain\n");
    let report = qingdan::release::import_folder(
        &app.app.tools(),
        folder.path(),
        qingdan::catalog::Edition::by("service").because("a test"),
        qingdan::release::unwatched,
    )
    .await
    .unwrap();
    assert_eq!(report.outcomes[0].version, Some((2, 1)), "{:?}", report.mistakes);
    assert!(app.get("/api/v1/datasets/things/profile").await.expect(200).text().contains("plain"));
    for path in ["profile?version=1", "rows?version=1", "download?version=1", "diff?from=1&to=2"] {
        let refused = app.get(&format!("/api/v1/datasets/things/{path}")).await;
        assert!(!refused.text().contains("secret"));
        refused.problem(404, "not-found");
    }
}
