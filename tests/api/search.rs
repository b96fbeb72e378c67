//! Search over the list: how a dataset is found, that pages hold each once, that counts are those of the filter, and that an answer is never older than the list.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{Folder, TestApp, entry, people};

const LIST: &str = "/api/v1/datasets";

async fn search(app: &TestApp, parameters: &[(&str, &str)]) -> Value {
    app.query(LIST, parameters).await.expect(200).json()
}

fn slugs(found: &Value) -> Vec<&str> {
    found["items"].as_array().unwrap().iter().map(|item| item["slug"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_dataset_is_found_however_it_is_asked_for() {
    let app = TestApp::with_closed().await;
    let cases = [
        ("街道", "xuhui-subdistricts"),
        ("居委会", "xuhui-residents-committees"),
        ("居委會", "xuhui-residents-committees"),
        ("juweihui", "xuhui-residents-committees"),
        ("jwh", "xuhui-residents-committees"),
        ("节假日", "working-calendar"),
        ("节假曰", "working-calendar"),
        ("holidays", "working-calendar"),
        ("HOLIDAY", "working-calendar"),
        ("hollidays", "working-calendar"),
        ("holi", "working-calendar"),
        ("what days are public holidays?", "working-calendar"),
        ("\"make-up working days\"", "working-calendar"),
        ("春节", "working-calendar"),
        ("clue_type", "enterprise-inspection-clues"),
        ("线索类别", "enterprise-inspection-clues"),
        ("卫生健康委员会", "community-health-visits"),
        ("ＡＩ measures", "ai-policy-measures"),
    ];
    for (question, slug) in cases {
        let found = search(&app, &[("q", question)]).await;
        assert_eq!(slugs(&found).first(), Some(&slug), "{question}: {found}");
        assert!(found["total"].as_i64().unwrap() >= 1);
    }
    for question in
        ["\"", "*", ")(", "\"\"*)(", "的", "zzzzzzzz", "🙂", "\u{200b}", "a\u{0}b", "AND OR NOT", "title:x", "'; drop table datasets; --"]
    {
        search(&app, &[("q", question)]).await;
    }
    let none = search(&app, &[("q", "qqqqqqqq")]).await;
    assert_eq!((none["total"].as_i64(), none["items"].as_array().map(Vec::len)), (Some(0), Some(0)));
    assert_eq!(search(&app, &[("q", "comittees")]).await["did_you_mean"], "committees");
    let problem = app.query(LIST, &[("q", &"长".repeat(10_000 / 3))]).await;
    let problem = if problem.status == 414 { return } else { problem.problem(400, "invalid-value") };
    assert_eq!(problem["errors"][0]["pointer"], "q");
}

#[tokio::test]
async fn values_of_a_conditional_dataset_are_not_searched() {
    let fields = [("colour", "string", "sensitivity = \"none\"\n"), ("size", "string", "sensitivity = \"sensitive\"\n")];
    let folder = people("k = 2", &fields, "colour,size\nvermilion,enormous\nvermilion,enormous\n");
    folder.open("open", &["shade:string"], "shade\nturquoise\n");
    let app = TestApp::with_datasets(folder.path()).await;
    // It is in the list with its version, and is found by the names of its fields.
    assert_eq!(slugs(&search(&app, &[("q", "colour")]).await), ["people"]);
    assert_eq!(app.get("/api/v1/datasets/people").await.expect(200).json()["version"], 1);
    assert_eq!(slugs(&search(&app, &[("q", "turquoise")]).await), ["open"]);
    for value in ["vermilion", "enormous"] {
        assert_eq!(search(&app, &[("q", value)]).await["total"], 0, "{value}");
    }
}

/// Thirty datasets, ten of each of three themes.
fn thirty() -> Folder {
    let folder = Folder::new();
    folder.write(
        "themes.toml",
        "[things]\nname = { zh = \"事物\", en = \"Things\" }\n[roads]\nname = { zh = \"道路\", en = \"Roads\" }\n[water]\nname = { zh = \"水\", en = \"Water\" }\n",
    );
    for at in 0..30 {
        let (slug, theme) = (format!("set-{at:02}"), ["things", "roads", "water"][at % 3]);
        folder.open(&slug, &["a"], format!("a\n{at}\n"));
        let text = entry(&slug, &["a"]).replace("theme = \"things\"", &format!("theme = \"{theme}\""));
        let title = format!("title = {{ zh = \"统计 {at}\", en = \"Statistics {at}\" }}");
        let text = text.replacen(&format!("title = {{ zh = \"{slug}\", en = \"{slug}\" }}"), &title, 1);
        let years = format!("temporal = {{ start = \"{}-01-01\", end = \"{}-12-31\" }}\n[[fields]]", 2000 + at, 2001 + at);
        folder.write(&format!("{slug}/dataset.toml"), text.replacen("[[fields]]", &years, 1));
    }
    folder
}

#[tokio::test]
async fn pages_hold_each_once_and_counts_are_those_of_the_filter() {
    let folder = thirty();
    let app = TestApp::with_datasets(folder.path()).await;
    for sort in ["best", "slug", "updated"] {
        let (mut found, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let mut parameters = vec![("q", "statistics"), ("sort", sort), ("limit", "7")];
            parameters.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let page = search(&app, &parameters).await;
            assert_eq!(page["total"], 30, "{sort}");
            found.extend(slugs(&page).into_iter().map(str::to_owned));
            cursor = page["next_cursor"].as_str().map(str::to_owned);
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!((found.len(), found.iter().collect::<BTreeSet<_>>().len()), (30, 30), "{sort}: {found:?}");
        if sort == "slug" {
            assert!(found.is_sorted());
        }
    }
    let counted = search(&app, &[("q", "statistics"), ("theme", "roads"), ("facets", "true"), ("limit", "1")]).await;
    assert_eq!(counted["total"], 10);
    let values = |facet: &str| counted["facets"][facet]["values"].as_array().unwrap().clone();
    assert_eq!(values("theme"), [serde_json::json!({ "value": "roads", "title": { "zh": "道路", "en": "Roads" }, "count": 10 })]);
    assert!(values("format").iter().any(|value| value["value"] == "csv" && value["count"] == 10));
    assert_eq!(values("year").iter().map(|value| value["count"].as_i64().unwrap()).sum::<i64>(), 20);
    let cases: [(&[(&str, &str)], i64); 7] = [
        (&[("year", "2005")], 2),
        (&[("format", "csv")], 30),
        (&[("format", "geojson")], 0),
        (&[("high_value", "true")], 0),
        (&[("frequency", "yearly"), ("theme", "water")], 10),
        (&[("open_type", "closed"), ("sort", "updated")], 0),
        (&[("tag", "nothing")], 0),
    ];
    for (parameters, total) in cases {
        assert_eq!(search(&app, parameters).await["total"], total, "{parameters:?}");
    }
    for (name, value) in [("year", "soon"), ("cursor", "x"), ("sort", "colour"), ("colour", "red")] {
        app.query(LIST, &[("q", "statistics"), (name, value)]).await.expect(400);
    }
    // A cursor belongs to its question.
    let next = search(&app, &[("q", "statistics"), ("limit", "7")]).await["next_cursor"].as_str().unwrap().to_owned();
    app.query(LIST, &[("q", "statistic"), ("limit", "7"), ("cursor", &next)]).await.problem(400, "invalid-value");
}

#[tokio::test]
async fn an_answer_is_never_older_than_the_list() {
    let folder = Folder::new();
    folder.open("one", &["a"], "a\n1\n");
    let app = TestApp::with_datasets(folder.path()).await;
    assert_eq!(search(&app, &[("q", "bicycles")]).await["total"], 0);
    let text = entry("one", &["a"]).replace("en = \"one\"", "en = \"Bicycles\"");
    folder.write("one/dataset.toml", &text);
    app.import(&folder).await;
    assert_eq!(slugs(&search(&app, &[("q", "bicycles")]).await), ["one"]);
    folder.open("two", &["a"], "a\n1\n");
    app.import(&folder).await;
    assert_eq!(search(&app, &[("q", "two")]).await["total"], 1);
    folder.write("subjects.toml", "[community]\nkind = \"topic\"\nname = { zh = \"社区\", en = \"Neighbourhoods\" }\n");
    let classed = entry("two", &["a"]).replacen("[[fields]]", "subject_class = \"community\"\n[[fields]]", 1);
    folder.write("two/dataset.toml", classed);
    app.import(&folder).await;
    assert_eq!(slugs(&search(&app, &[("q", "neighbourhoods")]).await), ["two"]);
    folder.write("subjects.toml", "[community]\nkind = \"topic\"\nname = { zh = \"社区\", en = \"Hamlets\" }\n");
    app.import(&folder).await;
    assert_eq!(search(&app, &[("q", "neighbourhoods")]).await["total"], 0);
    assert_eq!(slugs(&search(&app, &[("q", "hamlets")]).await), ["two"]);
    folder.write("publishers.toml", "[office]\nname = { zh = \"水务局\", en = \"Water Bureau\" }\n");
    app.import(&folder).await;
    assert_eq!(search(&app, &[("q", "水务局")]).await["total"], 2);
    // Its values are found while the dataset is open to everybody.
    folder.open("colours", &["a:string"], "a\nvermilion\n");
    app.import(&folder).await;
    assert_eq!(search(&app, &[("q", "vermilion")]).await["total"], 1);
    let closed = entry("colours", &["a:string"]).replace("\"unconditional\"", "\"closed\"").replace("data = \"data.csv\"\n", "");
    folder.write("colours/dataset.toml", format!("open_type_reason = {{ zh = \"由\", en = \"reason\" }}\n{closed}"));
    app.import(&folder).await;
    assert_eq!(search(&app, &[("q", "vermilion")]).await["total"], 0);
}

#[tokio::test]
async fn a_list_of_more_than_a_thousand_is_counted_whole_and_anew_after_each_change() {
    let folder = Folder::new();
    folder.open("first", &["name"], "name\na\n");
    let app = TestApp::with_datasets(folder.path()).await;
    let total = async |path: &str| app.get(path).await.expect(200).json()["total"].as_i64().unwrap();
    assert_eq!((total("/api/v1/datasets").await, total("/api/v1/datasets?theme=things").await), (1, 1));
    let more = |conn: &mut qingdan::db::Conn| {
        let mut edition = qingdan::catalog::Edition::by("service");
        for number in 0..2500 {
            let entry = serde_json::json!({
                "title": { "zh": format!("街道{number}"), "en": format!("Street {number}") }, "description": { "zh": "名录", "en": "A list" },
                "publisher": "office", "theme": "things", "open_type": if number % 5 == 0 { "closed" } else { "unconditional" },
                "update_frequency": "yearly", "keywords": { "zh": ["街道"], "en": ["street"] },
            });
            qingdan::catalog::put_entry(conn, &mut edition, &format!("street-{number}"), &serde_json::from_value(entry)?)?;
        }
        Ok(())
    };
    app.app.db.write(more).await.unwrap();
    assert_eq!((total("/api/v1/datasets").await, total("/api/v1/datasets?theme=things").await), (2501, 2501));
    for path in ["/api/v1/datasets?facets=true&limit=1", "/api/v1/datasets?q=street&facets=true&limit=1"] {
        let found = app.get(path).await.expect(200).json();
        let expected = if path.contains("q=") { 2500 } else { 2501 };
        assert_eq!(found["total"], expected, "{path}");
        let count = |facet: &str, value: &str| {
            let values = found["facets"][facet]["values"].as_array().unwrap();
            values.iter().find(|one| one["value"] == value).map(|one| one["count"].as_i64().unwrap())
        };
        assert_eq!(count("open_type", "closed"), Some(500), "{path}");
        assert_eq!(count("open_type", "unconditional"), Some(expected - 500), "{path}");
        assert_eq!(count("theme", "things"), Some(expected), "{path}");
    }
    // A word that many have is sought as it is, and is still found by a misspelling of it.
    assert_eq!(total("/api/v1/datasets?q=strete").await, 2500);
}
