//! The change feed of the list, and the statutory list as a table.

use std::io::Cursor;

use calamine::{Reader, Xlsx};
use serde_json::{Value, json};

use crate::support::{Folder, TestApp, entry};

#[tokio::test]
async fn a_copy_of_the_list_is_kept_by_the_change_feed() {
    let folder = Folder::new();
    for slug in ["one", "two"] {
        folder.open(slug, &["name"], "name\na\n");
    }
    let app = TestApp::start(Some(folder.path()), &[]).await;
    let operator = app.operator().await.token;
    let first = app.get("/api/v1/changes?limit=2").await.expect(200).json();
    assert_eq!((first["items"].as_array().unwrap().len(), &first["more"]), (2, &json!(true)));
    let (mut since, mut events) = (0, Vec::new());
    loop {
        let page = app.get(&format!("/api/v1/changes?limit=2&since={since}")).await.expect(200).json();
        let told = |item: &Value| format!("{} {}", item["event"].as_str().unwrap(), item["slug"].as_str().unwrap());
        events.extend(page["items"].as_array().unwrap().iter().map(told));
        since = page["next_since"].as_i64().unwrap();
        if page["more"] == false {
            break;
        }
    }
    let of = |slug: &str| [format!("dataset.created {slug}"), format!("version.published {slug}")];
    assert_eq!(events[..2], ["publisher.updated office".to_owned(), "theme.updated things".to_owned()]);
    assert_eq!(events[2..], [of("one"), of("two")].concat());
    // Nothing new: the same answer, by its validator.
    let path = format!("/api/v1/changes?since={since}");
    let nothing = app.get(&path).await.expect(200);
    assert_eq!(nothing.json()["items"], json!([]));
    app.get_with(&path, &[("if-none-match", nothing.header("etag"))]).await.expect(304);
    folder.write("one/dataset.toml", entry("one", &["name"]).replace("CC0-1.0", "CC-BY-4.0"));
    app.import(&folder).await;
    let changed = app.get_with(&path, &[("if-none-match", nothing.header("etag"))]).await.expect(200).json();
    assert_eq!((&changed["items"][0]["event"], &changed["items"][0]["change"]), (&json!("dataset.updated"), &json!("revision")));
    // Nothing of what people do, and nothing but its end of what is withdrawn.
    let ground = json!({ "ground": "superseded", "reason": "for the feed" });
    app.post_as("/api/v1/admin/datasets/one/withdrawal", &operator, &ground).await.expect(200);
    let all = app.get("/api/v1/changes?limit=1000").await.expect(200).json();
    let of_one: Vec<&Value> = all["items"].as_array().unwrap().iter().filter(|item| item["slug"] == "one").collect();
    assert_eq!(of_one.len(), 1);
    assert_eq!((&of_one[0]["event"], &of_one[0]["ground"]), (&json!("dataset.withdrawn"), &json!("superseded")));
    // Nor does a reopening bring it back.
    let reviewer = app.staff(&["reviewer"], None).await.token;
    app.post_as("/api/v1/admin/datasets/one/reopening", &reviewer, &json!({ "reason": "mended" })).await.expect(200);
    let again = app.get("/api/v1/changes?limit=1000").await.expect(200).json();
    let told = again["items"].as_array().unwrap().iter().filter(|item| item["slug"] == "one").map(|item| item["event"].as_str().unwrap());
    assert_eq!(told.collect::<Vec<_>>(), ["dataset.withdrawn", "dataset.reopened"]);
    assert!(!all.to_string().contains("person:") && !all.to_string().contains("session"), "{all}");
    for (query, parameter) in [("since=-1", "since"), ("since=x", "since"), ("since=99999", "since"), ("limit=0", "limit")] {
        let problem = app.get(&format!("/api/v1/changes?{query}")).await.problem(400, "invalid-value");
        assert_eq!(problem["errors"][0]["pointer"], parameter, "{query}");
    }
}

#[tokio::test]
async fn the_statutory_list_comes_as_pages_and_as_a_table() {
    let folder = Folder::new();
    folder.open("one", &["name"], "name\na\n");
    folder.write("one/dataset.toml", entry("one", &["name"]).replace("zh = \"one\"", "zh = \"=HYPERLINK(1)\""));
    let app = TestApp::with_closed().await;
    app.import(&folder).await;
    let page = app.get("/api/v1/open-list?limit=3").await.expect(200).json();
    assert_eq!((&page["total"], page["items"].as_array().unwrap().len()), (&json!(8), 3));
    let mut rows = page["items"].as_array().unwrap().clone();
    let mut next = page["next_cursor"].clone();
    while let Some(cursor) = next.as_str() {
        let page = app.get(&format!("/api/v1/open-list?limit=3&cursor={cursor}")).await.expect(200).json();
        rows.extend(page["items"].as_array().unwrap().iter().cloned());
        next = page["next_cursor"].clone();
    }
    assert_eq!(rows.len(), 8);
    let of = |slug: &str| rows.iter().find(|row| row["slug"] == slug).unwrap().clone();
    let visits = of("community-health-visits");
    assert_eq!((&visits["open_type"], &visits["formats"]), (&json!("conditional"), &json!(["parquet", "csv"])));
    assert!(visits["conditions"]["zh"].as_str().unwrap().len() > 10);
    assert_eq!(of("enterprise-inspection-clues")["formats"], json!([]));
    let csv = app.get("/api/v1/open-list?format=csv").await.expect(200);
    let text = csv.text();
    assert!(text.starts_with('\u{feff}') && csv.header("content-disposition").contains("open-list.csv"));
    let mut reader = csv::Reader::from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let header: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(&header[..4], ["领域", "名称", "摘要", "信息资源代码"]);
    let lines: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(lines.len(), 8);
    let one = lines.iter().find(|line| &line[11] == "one").unwrap();
    assert!(one[1].starts_with("'=HYPERLINK"), "a spreadsheet would take it for a formula: {one:?}");
    let xlsx = app.get("/api/v1/open-list?format=xlsx").await.expect(200);
    let mut book: Xlsx<_> = calamine::open_workbook_from_rs(Cursor::new(xlsx.body.clone())).unwrap();
    let sheet = book.worksheet_range("开放清单").unwrap();
    assert_eq!(sheet.height(), 9);
    for (row, line) in sheet.rows().skip(1).zip(&lines) {
        assert_eq!(row[11].to_string(), line[11]);
        assert_eq!(row[7].to_string(), line[7]);
    }
    for query in ["format=csv&limit=1", "format=pdf", "limit=0", "cursor=x"] {
        app.get(&format!("/api/v1/open-list?{query}")).await.expect(400);
    }
}
