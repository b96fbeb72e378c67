//! Rows by query.

use serde_json::{Value, json};

use crate::support::{Folder, TestApp, with_query};

const COMMITTEES: &str = "/api/v1/datasets/xuhui-residents-committees/rows";

async fn rows(app: &TestApp, parameters: &[(&str, &str)]) -> Value {
    app.query(COMMITTEES, parameters).await.expect(200).json()
}

#[tokio::test]
async fn a_page_has_fields_rows_and_a_true_total() {
    let app = TestApp::spawn().await;
    let page =
        rows(&app, &[("select", "code,name"), ("where", "subdistrict_code = '310104003' AND name LIKE '%安%'"), ("order_by", "code")])
            .await;
    assert_eq!(page["fields"][0]["name"], "code");
    assert_eq!(page["fields"][0]["type"], "string");
    assert_eq!(page["rows"][0], json!({ "code": "310104003005", "name": "安亭居委会" }));
    assert_eq!(page["total"].as_u64().unwrap() as usize, page["rows"].as_array().unwrap().len());
    assert_eq!(page["next_cursor"], Value::Null);
    assert_eq!(rows(&app, &[("limit", "1")]).await["total"], 313);
    assert_eq!(
        rows(&app, &[("where", "name = 'nobody'")]).await,
        json!({ "fields": page_fields(&app).await, "rows": [], "total": 0, "next_cursor": null })
    );
}

async fn page_fields(app: &TestApp) -> Value {
    rows(app, &[("limit", "1")]).await["fields"].clone()
}

#[tokio::test]
async fn paging_gives_every_row_once_in_the_same_order() {
    let app = TestApp::spawn().await;
    for order in [None, Some("subdistrict_code desc"), Some("-name")] {
        let mut parameters = vec![("limit", "50".to_owned())];
        parameters.extend(order.map(|order| ("order_by", order.to_owned())));
        let whole = {
            let mut all = parameters.clone();
            all[0].1 = "1000".to_owned();
            let borrowed: Vec<(&str, &str)> = all.iter().map(|(name, value)| (*name, value.as_str())).collect();
            rows(&app, &borrowed).await["rows"].as_array().unwrap().clone()
        };
        assert_eq!(whole.len(), 313);
        let (mut collected, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let mut page = parameters.clone();
            page.extend(cursor.take().map(|cursor| ("cursor", cursor)));
            let borrowed: Vec<(&str, &str)> = page.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let page = rows(&app, &borrowed).await;
            collected.extend(page["rows"].as_array().unwrap().clone());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => break,
            }
        }
        assert_eq!(collected, whole, "{order:?}");
    }
}

#[tokio::test]
async fn a_cursor_belongs_to_its_query() {
    let app = TestApp::spawn().await;
    let page = rows(&app, &[("limit", "5"), ("order_by", "code")]).await;
    let cursor = page["next_cursor"].as_str().unwrap();
    let other = app.query(COMMITTEES, &[("limit", "5"), ("order_by", "name"), ("cursor", cursor)]).await;
    assert!(other.problem(400, "invalid-value")["detail"].as_str().unwrap().contains("another query"));
    let elsewhere = app.query("/api/v1/datasets/shanghai-districts/rows", &[("order_by", "code"), ("cursor", cursor)]).await;
    elsewhere.problem(400, "invalid-value");
}

#[tokio::test]
async fn a_cursor_pins_its_version() {
    let folder = Folder::new();
    folder.open("growing", &["a:integer"], "a\n1\n2\n3\n");
    let app = TestApp::start(Some(folder.path()), &[]).await;
    let path = "/api/v1/datasets/growing/rows";
    let first = app.query(path, &[("limit", "2")]).await.expect(200).json();
    folder.open("growing", &["a:integer"], "a\n9\n8\n7\n6\n");
    qingdan::release::import_folder(&app.app.tools(), folder.path(), "service", qingdan::release::unwatched).await.unwrap();
    let next = app.query(path, &[("limit", "2"), ("cursor", first["next_cursor"].as_str().unwrap())]).await.expect(200);
    assert_eq!(next.header("qingdan-version"), "1");
    assert_eq!(next.json()["rows"], json!([{ "a": 3 }]));
    assert_eq!(app.query(path, &[]).await.json()["total"], 4);
}

#[tokio::test]
async fn every_type_filters_and_comes_back_as_itself() {
    let folder = Folder::new();
    let fields = ["s:string", "i:integer", "d:decimal:2", "n:number", "b:boolean", "day:date", "at:datetime"];
    folder.open(
        "types",
        &fields,
        "s,i,d,n,b,day,at\n007,9007199254740993,1.50,0.5,true,2024-02-29,2024-02-29T01:02:03\n\"a,\"\"b\",,,,,,\n",
    );
    let app = TestApp::start(Some(folder.path()), &[]).await;
    let path = "/api/v1/datasets/types/rows";
    for condition in [
        "s = '007'",
        "i = 9007199254740993",
        "i > 9007199254740992",
        "d = 1.5",
        "d between 1.49 and 1.51",
        "n < 0.6",
        "b",
        "b = true",
        "not (b = false)",
        "day >= '2024-02-29'",
        "at = '2024-02-29T01:02:03'",
        "s in ('007', 'x') and i is not null",
    ] {
        let page = app.query(path, &[("where", condition)]).await.expect(200).json();
        assert_eq!(page["total"], 1, "{condition}");
        assert_eq!(page["rows"][0]["s"], "007", "{condition}");
    }
    let text = app.query(path, &[("limit", "1")]).await.expect(200).text();
    assert!(text.contains("\"i\":9007199254740993"), "{text}");
    assert!(text.contains("\"day\":\"2024-02-29\"") && text.contains("\"at\":\"2024-02-29T01:02:03\""), "{text}");
    assert!(text.contains("1.50"), "{text}");
    let missing = app.query(path, &[("where", "i is null")]).await.expect(200).json();
    assert_eq!(missing["rows"][0], json!({ "s": "a,\"b", "i": null, "d": null, "n": null, "b": null, "day": null, "at": null }));
    let csv = app.get("/api/v1/datasets/types/download?format=csv").await.expect(200).text();
    assert_eq!(csv, "s,i,d,n,b,day,at\n007,9007199254740993,1.50,0.5,true,2024-02-29,2024-02-29T01:02:03\n\"a,\"\"b\",,,,,,\n");
}

#[tokio::test]
async fn what_looks_like_an_attack_is_only_a_bad_condition() {
    let app = TestApp::spawn().await;
    let nested = format!("{}code = 'x'{}", "(".repeat(10_000), ")".repeat(10_000));
    let nested = &nested[..8_000];
    for condition in [
        "code = 'x'; DROP TABLE datasets",
        "code = 'x' UNION SELECT 1",
        "code IN (SELECT 1)",
        "EXISTS (SELECT 1)",
        "read_csv('/etc/passwd') = 1",
        "input_file_name() = name",
        "count(*) over () = 1",
        "length((select name)) = 1",
        "code = (SELECT '1')",
        "1 = 1",
        "\u{0}",
        "--",
        nested,
    ] {
        app.get(&with_query(COMMITTEES, &[("where", condition)])).await.problem(400, "invalid-value");
    }
    let harmless = app.query(COMMITTEES, &[("where", "name = '''; DROP TABLE datasets; --'")]).await.expect(200).json();
    assert_eq!(harmless["total"], 0);
}

#[tokio::test]
async fn rows_have_validators_too() {
    let app = TestApp::spawn().await;
    let first = app.query(COMMITTEES, &[("limit", "3")]).await.expect(200);
    let tag = first.header("etag").to_owned();
    let again = app.get_with(&with_query(COMMITTEES, &[("limit", "3")]), &[("if-none-match", &tag)]).await.expect(304);
    assert!(again.body.is_empty());
    assert_eq!(again.header("content-length"), "");
    let list = format!("\"other\", W/{tag}");
    app.get_with(&with_query(COMMITTEES, &[("limit", "3")]), &[("if-none-match", &list)]).await.expect(304);
    app.get_with(&with_query(COMMITTEES, &[("limit", "3")]), &[("if-none-match", "\"other\"")]).await.expect(200);
}

#[tokio::test]
async fn a_condition_that_nothing_can_meet_has_no_rows() {
    let folder = Folder::new();
    // More than one piece of a file.
    let rows: String = (0..40_000).map(|n| format!("{n}\n")).collect();
    folder.open("numbers", &["n:integer"], format!("n\n{rows}"));
    let app = TestApp::start(Some(folder.path()), &[]).await;
    for condition in ["n = 1 and n = 2", "n in (1) and n in (2)"] {
        let page = app.query("/api/v1/datasets/numbers/rows", &[("where", condition)]).await.expect(200).json();
        assert_eq!((&page["rows"], &page["total"]), (&json!([]), &json!(0)), "{condition}");
    }
}
