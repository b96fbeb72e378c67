//! CKAN's datastore: every row once, numbers that stay right under filters, and errors in CKAN's shape. `ckanapi` itself is in `tests/clients`.

use std::fmt::Write as _;

use qingdan::catalog::{self, NewVersion, Part};
use serde_json::{Value, json};

use crate::support::{Folder, TestApp, with_query};

const SEARCH: &str = "/ckan/api/3/action/datastore_search";
const INFO: &str = "/ckan/api/3/action/datastore_info";
const SQL: &str = "/ckan/api/3/action/datastore_search_sql";

/// More rows than one piece of a file has.
const ROWS: usize = 70_003;

/// A dataset in which `n` is the row's number.
fn table(rows: std::ops::RangeInclusive<usize>) -> String {
    let mut csv = "n,kind,name,cost,at\n".to_owned();
    for n in rows {
        let cost = if n % 10 == 0 { String::new() } else { format!("{}.{:02}", n % 97, n % 100) };
        writeln!(csv, "{n},{},\"name {n}, 徐汇\",{cost},2024-01-{:02}T00:00:00", n % 7, n % 28 + 1).unwrap();
    }
    csv
}

const FIELDS: [&str; 5] = ["n:integer", "kind:string", "name:string", "cost:decimal:2", "at:datetime"];

async fn app_of(rows: usize) -> (TestApp, String) {
    let folder = Folder::new();
    folder.open("things", &FIELDS, table(1..=rows));
    let app = TestApp::start(Some(folder.path()), &[]).await;
    let resource = resource(&app, "things").await;
    (app, resource)
}

/// The one resource of a dataset that the datastore answers.
async fn resource(app: &TestApp, slug: &str) -> String {
    let package = app.get(&format!("/ckan/api/3/action/package_show?id={slug}")).await.expect(200).json();
    let resources = package["result"]["resources"].as_array().unwrap().clone();
    let active: Vec<&Value> = resources.iter().filter(|resource| resource["datastore_active"] == true).collect();
    assert_eq!((active.len(), &active[0]["format"]), (1, &json!("CSV")));
    active[0]["id"].as_str().unwrap().to_owned()
}

async fn search(app: &TestApp, body: &Value) -> Value {
    let answer = app.post(SEARCH, body).await.expect(200).json();
    assert_eq!(answer["success"], true);
    answer["result"].clone()
}

fn numbers(result: &Value) -> Vec<usize> {
    result["records"].as_array().unwrap().iter().map(|record| record["_id"].as_u64().unwrap() as usize).collect()
}

#[tokio::test]
async fn every_row_comes_once_by_each_way_of_paging() {
    let (app, resource) = app_of(ROWS).await;
    let (mut by_number, mut filters) = (Vec::new(), json!({}));
    loop {
        let page = search(&app, &json!({ "resource_id": resource, "limit": 32_000, "filters": filters })).await;
        assert_eq!(page["total"].as_u64().unwrap() as usize, ROWS - by_number.len());
        assert!(page["records"].as_array().unwrap().iter().all(|record| record["_id"] == record["n"]));
        by_number.extend(numbers(&page));
        match page.get("next_page") {
            Some(next) => filters = next.clone(),
            None => break,
        }
    }
    assert_eq!(by_number, (1..=ROWS).collect::<Vec<_>>());
    let (mut by_link, mut link) = (Vec::new(), with_query(SEARCH, &[("resource_id", &resource), ("limit", "30000"), ("fields", "_id")]));
    loop {
        let page = app.get(&link).await.expect(200).json()["result"].clone();
        assert_eq!(page["total"], ROWS);
        if page["records"] == json!([]) {
            break;
        }
        by_link.extend(numbers(&page));
        link = page["_links"]["next"].as_str().unwrap().to_owned();
        let start = app.get(page["_links"]["start"].as_str().unwrap()).await.expect(200).json();
        assert_eq!(start["result"]["records"][0]["_id"], 1);
    }
    assert_eq!(by_link, by_number);
    let more = search(&app, &json!({ "resource_id": resource, "limit": 100_000, "offset": 69_000 })).await;
    assert_eq!((&more["limit"], numbers(&more)), (&json!(32_000), (69_001..=ROWS).collect()));
    let backwards = search(&app, &json!({ "resource_id": resource, "limit": 3, "sort": "_id desc" })).await;
    assert_eq!((numbers(&backwards), &backwards["next_page"]), (vec![ROWS, ROWS - 1, ROWS - 2], &json!({ "_id": { "lt": ROWS - 2 } })));
    let before =
        search(&app, &json!({ "resource_id": resource, "limit": 2, "sort": "_id desc", "offset": 5, "filters": backwards["next_page"] }))
            .await;
    assert_eq!(numbers(&before), [ROWS - 8, ROWS - 9]);
}

#[tokio::test]
async fn numbers_are_right_under_filters_and_in_other_orders() {
    let (app, resource) = app_of(ROWS).await;
    let expected = |keep: &dyn Fn(usize) -> bool| (1..=ROWS).filter(|n| keep(*n)).collect::<Vec<_>>();
    let cases: Vec<(Value, Vec<usize>)> = vec![
        (json!({ "kind": "3" }), expected(&|n| n % 7 == 3)),
        (
            json!({ "kind": ["3", "4"], "n": { "gte": 40_000, "lt": 65_000 } }),
            expected(&|n| [3, 4].contains(&(n % 7)) && (40_000..65_000).contains(&n)),
        ),
        (json!({ "_id": { "gt": 33_000, "lte": "66001" }, "kind": "5" }), expected(&|n| n > 33_000 && n <= 66_001 && n % 7 == 5)),
        (json!({ "$or": [{ "_id": 7 }, { "n": { "in": [8, 69_999] } }, { "_id": { "gt": 70_002 } }] }), vec![7, 8, 69_999, 70_003]),
        (json!({ "$and": [{ "n": { "gt": 10 } }, { "n": { "lt": 13 } }] }), vec![11, 12]),
        (json!({ "cost": null, "n": { "lte": 30 } }), vec![10, 20, 30]),
        (json!({ "cost": 1.01, "n": { "eq": 1 } }), vec![1]),
        (json!({ "at": "2024-01-02", "n": { "lt": 40 } }), vec![1, 29]),
        (json!({ "_id": [5, 3] }), vec![3, 5]),
        (json!({ "kind": [] }), vec![]),
        // The planner sees that nothing can match.
        (json!({ "$and": [{ "n": [1] }, { "n": [2] }] }), vec![]),
    ];
    for (filters, wanted) in cases {
        let mut found = Vec::new();
        for offset in (0..).step_by(6_000) {
            let page = search(&app, &json!({ "resource_id": resource, "filters": filters, "limit": 6_000, "offset": offset })).await;
            assert_eq!(page["total"], wanted.len(), "{filters}");
            found.extend(numbers(&page));
            assert!(page["records"].as_array().unwrap().iter().all(|record| record["_id"] == record["n"]), "{filters}");
            if found.len() >= wanted.len() {
                break;
            }
        }
        assert_eq!(found, wanted, "{filters}");
    }
    // By next_page under a filter, without counting.
    let (mut found, mut after) = (Vec::new(), 0);
    loop {
        let filters = json!({ "kind": "6", "_id": { "gt": after } });
        let page = search(&app, &json!({ "resource_id": resource, "filters": filters, "limit": 4_000, "include_total": false })).await;
        assert!(page.get("total").is_none());
        found.extend(numbers(&page));
        match page["next_page"]["_id"]["gt"].as_u64() {
            Some(next) => after = next,
            None => break,
        }
    }
    assert_eq!(found, expected(&|n| n % 7 == 6));
    let sorted = search(
        &app,
        &json!({ "resource_id": resource, "sort": "kind desc, n", "limit": 2, "offset": 1, "filters": { "n": { "gt": 69_000 } } }),
    )
    .await;
    assert_eq!(numbers(&sorted), [69_012, 69_019]);
    let behind = json!({ "resource_id": resource, "sort": "kind", "limit": 1, "offset": 9_000_000_000_000_u64 });
    assert_eq!(search(&app, &behind).await["records"], json!([]));
    let nulls = search(&app, &json!({ "resource_id": resource, "sort": "cost desc", "limit": 1 })).await;
    assert_eq!(numbers(&nulls), [10], "missing values come first where PostgreSQL has them first");
    let last = search(&app, &json!({ "resource_id": resource, "sort": ["cost desc nulls last", "_id desc"], "limit": 1 })).await;
    assert_eq!(last["records"][0]["cost"], 96.99);
}

#[tokio::test]
async fn a_release_of_several_files_is_numbered_through() {
    let folder = Folder::new();
    folder.open("things", &FIELDS, table(1..=40_000));
    let app = TestApp::start(Some(folder.path()), &[]).await;
    folder.open("things", &FIELDS, table(40_001..=50_000));
    app.import(&folder).await;
    let write = move |conn: &mut _| {
        let dataset = catalog::find(conn, "things")?;
        let (second, source_sha256) = catalog::latest_version(conn, &dataset)?.unwrap();
        let first = catalog::version(conn, &dataset, 1)?;
        let parts: Vec<Part> = [first.parts, second.parts].concat();
        let (fields, findings) = (second.fields, catalog::Findings { profile: Some(Default::default()), report: None });
        catalog::add_version(conn, "service", &dataset, NewVersion { source_sha256, fields, parts, rejects: None, findings, held: false })
    };
    app.app.db.write(write).await.unwrap();
    app.import(&folder).await;
    let resource = resource(&app, "things").await;
    for (filters, wanted) in [
        (json!({ "_id": { "gt": 39_998 } }), [39_999, 40_000, 40_001]),
        (json!({ "_id": { "gt": 39_998 }, "kind": ["0", "1", "2", "3", "4", "5", "6"] }), [39_999, 40_000, 40_001]),
        (json!({ "name": ["name 40001, 徐汇", "name 40000, 徐汇", "name 50000, 徐汇"] }), [40_000, 40_001, 50_000]),
    ] {
        for sort in ["_id", "n"] {
            let page = search(&app, &json!({ "resource_id": resource, "filters": filters, "limit": 3, "sort": sort })).await;
            assert_eq!(numbers(&page), wanted, "{filters} {sort}");
            assert!(page["records"].as_array().unwrap().iter().all(|record| record["_id"] == record["n"]));
        }
    }
    // A page of the version before is had by its number, and links pin it.
    let old = search(&app, &json!({ "resource_id": resource, "version": 1, "limit": 1 })).await;
    assert_eq!((&old["version"], &old["total"]), (&json!(1), &json!(40_000)));
    assert!(old["_links"]["next"].as_str().unwrap().contains("version=1&offset=1"), "{}", old["_links"]);
    let dumped = app.get(&format!("/ckan/datastore/dump/{resource}?fields=_id,n")).await.expect(200).text();
    assert!(dumped.lines().skip(1).enumerate().all(|(at, line)| line == format!("{0},{0}", at + 1)));
    assert_eq!(dumped.lines().count(), 50_001);
}

#[tokio::test]
async fn columns_words_and_formats_are_those_of_ckan() {
    let (app, resource) = app_of(50).await;
    let page = search(&app, &json!({ "resource_id": resource, "limit": 1, "q": "name", "include_next_page": false })).await;
    let types: Vec<(&str, &str)> =
        page["fields"].as_array().unwrap().iter().map(|field| (field["id"].as_str().unwrap(), field["type"].as_str().unwrap())).collect();
    let wanted = [("_id", "int"), ("n", "int"), ("kind", "text"), ("name", "text"), ("cost", "numeric"), ("at", "timestamp")];
    assert_eq!(types, wanted);
    assert_eq!(
        page["records"],
        json!([{ "_id": 1, "n": 1, "kind": "1", "name": "name 1, 徐汇", "cost": 1.01, "at": "2024-01-02T00:00:00" }])
    );
    assert_eq!((&page["total"], &page["q"], page.get("next_page")), (&json!(50), &json!("name"), None));
    let count = async |question: Value, plain: bool| {
        search(&app, &json!({ "resource_id": resource, "q": question, "plain": plain, "limit": 0 })).await["total"].as_u64().unwrap()
    };
    assert_eq!(count(json!("NAME 徐汇"), true).await, 50);
    assert_eq!(count(json!({ "name": "50" }), true).await, 1);
    assert_eq!(count(json!("徐汇 & (50 | 49) & !'2024-01-22'"), false).await, 1);
    assert_eq!(count(json!("100% _"), true).await, 0);
    for (format, wanted) in [
        ("lists", json!([[3, 3.03], [2, 2.02]])),
        ("csv", json!("3,3.03\n2,2.02\n")),
        ("tsv", json!("3\t3.03\n2\t2.02\n")),
        ("objects", json!([{ "n": 3, "cost": 3.03 }, { "n": 2, "cost": 2.02 }])),
    ] {
        let asked = json!({ "resource_id": resource, "fields": ["n", "cost"], "sort": "n desc", "offset": 47, "limit": 2, "records_format": format });
        let page = search(&app, &asked).await;
        assert_eq!((&page["records"], &page["records_format"], &page["total"]), (&wanted, &json!(format), &json!(50)));
    }
    let distinct =
        search(&app, &json!({ "resource_id": resource, "fields": "kind", "distinct": true, "sort": "kind desc", "limit": 3, "offset": 1 }))
            .await;
    assert_eq!((&distinct["records"], &distinct["total"]), (&json!([{ "kind": "5" }, { "kind": "4" }, { "kind": "3" }]), &json!(7)));
    // Other files of the same dataset are the same rows.
    let parquet = resource.replace("-csv", "-parquet");
    assert_eq!(search(&app, &json!({ "resource_id": parquet, "limit": 0 })).await["total"], 50);
    let info = app.get(&format!("{INFO}?id={resource}")).await.expect(200).json()["result"].clone();
    assert_eq!((&info["meta"]["count"], &info["schema"]["cost"]), (&json!(50), &json!("numeric")));
    assert_eq!(info["fields"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn a_dump_has_every_row_in_each_format() {
    let (app, resource) = app_of(45_000).await;
    let path = format!("/ckan/datastore/dump/{resource}");
    let csv = app.get(&path).await.expect(200);
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(csv.header("content-disposition"), format!("attachment; filename=\"{resource}.csv\""));
    assert_eq!((csv.header("qingdan-version"), csv.header("qingdan-citation").is_empty()), ("1", false));
    let download = app.get("/api/v1/datasets/things/download?format=csv").await.expect(200).text();
    let numbered: Vec<String> =
        download.lines().enumerate().map(|(at, line)| if at == 0 { format!("_id,{line}") } else { format!("{at},{line}") }).collect();
    assert!(csv.text().lines().eq(numbered.iter().map(String::as_str)));
    let json: Value = app.get(&format!("{path}?format=json")).await.expect(200).json();
    assert_eq!((json["records"].as_array().unwrap().len(), &json["records"][44_999][1]), (45_000, &json!(45_000)));
    assert_eq!(json["fields"][0], json!({ "id": "_id", "type": "int" }));
    let few = [("filters", "{\"n\":{\"gt\":44000}}"), ("limit", "2"), ("offset", "1"), ("fields", "_id,kind"), ("bom", "true")];
    let few = |format: &str| with_query(&path, &[few.as_slice(), &[("format", format)]].concat());
    assert_eq!(app.get(&few("tsv")).await.expect(200).text(), "\u{feff}_id\tkind\n44002\t0\n44003\t1\n");
    let xml = app.get(&few("xml")).await.expect(200).text();
    let rows = "<row _id=\"44002\"><kind>0</kind></row>\n<row _id=\"44003\"><kind>1</kind></row>\n";
    assert_eq!(xml, format!("\u{feff}<data xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\n{rows}</data>\n"));
    let sorted = app.query(&path, &[("sort", "n desc"), ("fields", "n"), ("format", "csv")]).await.expect(200).text();
    assert!(sorted.lines().skip(1).map(|line| line.parse::<usize>().unwrap()).eq((1..=45_000).rev()));
    assert_eq!(app.query(&path, &[("fields", "kind"), ("distinct", "true")]).await.expect(200).text(), "kind\n0\n1\n2\n3\n4\n5\n6\n");
    assert_eq!(app.query(&path, &[("filters", "{\"n\":-1}"), ("format", "json")]).await.expect(200).json()["records"], json!([]));
}

#[tokio::test]
async fn sql_names_resources_in_double_quotes() {
    let (app, resource) = app_of(40_000).await;
    let ask = async |sql: String| app.query(SQL, &[("sql", &sql)]).await;
    let rows = ask(format!("SELECT * FROM \"{resource}\" WHERE \"_id\" > 39999")).await.expect(200).json()["result"].clone();
    assert_eq!((&rows["records"][0]["_id"], &rows["records"][0]["n"]), (&json!(40_000), &json!(40_000)));
    assert_eq!(rows["fields"][0], json!({ "id": "_id", "type": "int" }));
    let sums = ask(format!("SELECT kind, count(*) AS c, max(_id - n) AS d FROM \"{resource}\" GROUP BY kind ORDER BY kind"))
        .await
        .expect(200)
        .json();
    assert_eq!(sums["result"]["records"].as_array().unwrap().len(), 7);
    assert_eq!(sums["result"]["records"][6], json!({ "kind": "6", "c": 5714, "d": 0 }));
    assert!(sums["result"].get("records_truncated").is_none());
    let all = ask(format!("SELECT n FROM \"{resource}\"")).await.expect(200).json()["result"].clone();
    assert_eq!((&all["records_truncated"], all["records"].as_array().unwrap().len()), (&json!(true), 10_000));
    let failed = ask(format!("SELECT nothing FROM \"{resource}\"")).await.expect(409).json();
    assert_eq!((&failed["error"]["__type"], failed["error"]["query"].is_array()), (&json!("Validation Error"), true));
    for (sql, status) in [("DELETE FROM x", 409), ("SELECT 1 FROM things", 404), ("", 409), ("SELECT * FROM pg_catalog.pg_class", 409)] {
        ask(sql.to_owned()).await.expect(status);
    }
}

#[tokio::test]
async fn errors_have_the_shape_of_ckan() {
    let (app, resource) = app_of(3).await;
    let noise = "\"*)(".repeat(2_500);
    let bad: Vec<(&str, &str)> = vec![
        ("filters", "{nothing"),
        ("filters", "[1]"),
        ("filters", "{\"nothing\":1}"),
        ("filters", "{\"n\":\"x\"}"),
        ("filters", "{\"n\":{\"like\":1}}"),
        ("filters", "{\"$or\":{}}"),
        ("filters", "{\"name\":{\"a\":{\"b\":1}}}"),
        ("filters", "{\"n\\u0000\":1}"),
        ("filters", &noise),
        ("fields", "n,nothing"),
        ("fields", "n,n"),
        ("fields", &noise),
        ("sort", "nothing desc"),
        ("sort", &noise),
        ("sort", "n\0"),
        ("limit", "many"),
        ("limit", "-1"),
        ("limit", "1e9"),
        ("limit", "99999999999999999999"),
        ("offset", "-1"),
        ("offset", "x"),
        ("records_format", "xlsx"),
        ("include_total", "maybe"),
        ("q", &noise),
        ("q", "{\"nothing\":\"x\"}"),
        ("version", "0"),
        ("version", "99999999999"),
        ("colour", "red"),
    ];
    for (name, value) in bad {
        let refused = app.post(SEARCH, &json!({ "resource_id": resource, name: value })).await.expect(409).json();
        assert_eq!(
            (&refused["success"], &refused["error"]["__type"]),
            (&json!(false), &json!("Validation Error")),
            "{name}={value}: {refused}"
        );
        assert!(refused["error"]["message"].as_str().is_some_and(|text| !text.is_empty()), "{refused}");
    }
    assert_eq!(app.query(SEARCH, &[("resource_id", &resource), ("q", "\0\"*)(")]).await.expect(200).json()["result"]["total"], 0);
    assert_eq!(
        app.query(SEARCH, &[("resource_id", &resource), ("offset", "9223372036854775807")]).await.expect(200).json()["result"]["records"],
        json!([])
    );
    app.get(SEARCH).await.expect(409);
    let other = format!("{}-csv", uuid::Uuid::now_v7());
    let (no_format, no_file) = (resource.replace("-csv", "-exe"), resource.replace("-csv", "-geojson"));
    for id in [other.as_str(), &no_format, &no_file, "nothing", "a\0", "/etc/passwd", &noise, "things"] {
        for path in [SEARCH, INFO] {
            let refused = app.query(path, &[("resource_id", id)]).await.expect(404).json();
            assert_eq!((&refused["success"], &refused["error"]["__type"]), (&json!(false), &json!("Not Found Error")), "{id}");
        }
    }
    app.query(SEARCH, &[("resource_id", &resource), ("version", "9")]).await.expect(404);
    for (path, status) in [("nothing".to_owned(), 404), (format!("{resource}?format=xls"), 409), (format!("{resource}?sort=x"), 409)] {
        let refused = app.get(&format!("/ckan/datastore/dump/{path}")).await.expect(status).json();
        assert_eq!(refused["success"], false, "{path}");
    }
}

#[tokio::test]
async fn what_is_not_open_is_read_with_a_grant_alone_and_within_limits() {
    let app = TestApp::spawn().await;
    let package = app.get("/ckan/api/3/action/package_show?id=community-health-visits").await.expect(200).json();
    let resources = package["result"]["resources"].as_array().unwrap().clone();
    assert!(!resources.is_empty() && resources.iter().all(|resource| resource["datastore_active"] == false));
    let resource = resources.iter().find(|resource| resource["format"] == "CSV").unwrap()["id"].as_str().unwrap().to_owned();
    let paths = [
        with_query(SEARCH, &[("resource_id", &resource)]),
        with_query(INFO, &[("id", &resource)]),
        with_query(SQL, &[("sql", &format!("SELECT 1 AS one FROM \"{resource}\""))]),
        format!("/ckan/datastore/dump/{resource}"),
    ];
    for path in &paths {
        let refused = app.get(path).await.expect(403).json();
        assert_eq!((&refused["success"], &refused["error"]["__type"]), (&json!(false), &json!("Authorization Error")), "{path}");
    }
    let firm = app.firm().await;
    let grant = app.grant(&firm).await;
    for path in &paths {
        let read = app.get_as(path, &grant.token).await.expect(200);
        assert!(read.header("cache-control").starts_with("private, no-store"), "{path}");
    }
    let operator = app.operator().await.token;
    let entries = app.get_as("/api/v1/ledger/entries?limit=1000", &operator).await.expect(200).json();
    let read = entries["items"].as_array().unwrap().iter().filter(|entry| entry["kind"] == "read.allowed").count();
    assert_eq!(read, paths.len());
    app.post_as(&format!("/api/v1/grants/{}/revocation", grant.id), &operator, &json!({ "reason": "an incident" })).await.expect(200);
    for path in &paths {
        app.get_as(path, &grant.token).await.expect(403);
    }
}

#[tokio::test]
async fn the_bytes_of_a_day_count_for_the_datastore_too() {
    let folder = Folder::new();
    folder.open("things", &FIELDS, table(1..=2_000));
    let app = TestApp::start(Some(folder.path()), &[("limits_anonymous_bytes_per_day", "50000")]).await;
    let path = format!("/ckan/datastore/dump/{}", resource(&app, "things").await);
    app.get(&path).await.expect(200);
    let refused = app.get(&path).await.expect(429);
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(refused.json()["error"]["__type"], "Rate Limit Error");
    app.get(&path.replace("datastore/dump/", "api/action/datastore_search?resource_id=")).await.expect(429);
}

#[tokio::test]
async fn a_table_with_a_field_of_that_name_has_no_datastore() {
    let folder = Folder::new();
    folder.open("things", &FIELDS, table(1..=3));
    folder.open("odd", &["_id:integer", "x:string"], "_id,x\n9,a\n");
    folder.open(
        "names",
        &["a, b:string", "2 x:string", "g:geometry"],
        "\"a, b\",2 x,g\nv,w,\"{\"\"type\"\":\"\"Point\"\",\"\"coordinates\"\":[121.5,31.25]}\"\n",
    );
    let app = TestApp::start(Some(folder.path()), &[]).await;
    let package = app.get("/ckan/api/3/action/package_show?id=odd").await.expect(200).json();
    assert!(package["result"]["resources"].as_array().unwrap().iter().all(|resource| resource["datastore_active"] == false));
    let id = format!("{}-csv", package["result"]["id"].as_str().unwrap());
    app.query(SEARCH, &[("resource_id", &id)]).await.expect(404);
    app.query(SQL, &[("sql", &format!("SELECT * FROM \"{id}\""))]).await.expect(404);
    // Names that are none elsewhere, and shapes as JSON.
    let resource = resource(&app, "names").await;
    let asked = json!({ "resource_id": resource, "fields": ["a, b", "g"], "filters": { "2 x": "w" }, "sort": "\"a, b\" desc", "q": "v" });
    let page = search(&app, &asked).await;
    let shape = json!({ "type": "Point", "coordinates": [121.5, 31.25] });
    assert_eq!(page["records"], json!([{ "a, b": "v", "g": shape }]));
    assert_eq!(page["fields"][1]["type"], "json");
    let xml =
        app.query(&format!("/ckan/datastore/dump/{resource}"), &[("format", "xml"), ("fields", "\"a, b\",2 x")]).await.expect(200).text();
    assert!(xml.contains("<row><field name=\"a, b\">v</field><field name=\"2 x\">w</field></row>"), "{xml}");
    let both = json!({ "resource_id": resource, "filters": { "g": shape } });
    app.post(SEARCH, &both).await.expect(409);
}

#[tokio::test]
async fn decimals_keep_every_digit() {
    let folder = Folder::new();
    folder.open("exact", &["n:integer", "amount:decimal:4"], "n,amount\n1,123456789012345.6789\n2,123456789012345.6788\n3,0.5\n");
    let app = TestApp::start(Some(folder.path()), &[]).await;
    let resource = resource(&app, "exact").await;
    let by_text = json!({ "resource_id": resource, "filters": { "amount": "123456789012345.6789" } });
    let answer = app.post(SEARCH, &by_text).await.expect(200);
    assert!(answer.text().contains("123456789012345.6789"), "{}", answer.text());
    assert_eq!(numbers(&answer.json()["result"]), [1]);
    let short = json!({ "resource_id": resource, "filters": { "amount": 0.5 } });
    assert_eq!(numbers(&search(&app, &short).await), [3]);
    // Read as a double it would be both of them, or neither.
    let exact = "{\"amount\":123456789012345.6789}";
    let said = app.query(SEARCH, &[("resource_id", &resource), ("filters", exact)]).await.expect(409).text();
    assert!(said.contains("fifteen digits") && said.contains("Validation Error"), "{said}");
}

#[tokio::test]
async fn an_answer_to_sql_is_cut_off_before_it_fills_the_memory() {
    let folder = Folder::new();
    let rows: String = (0..100).map(|n| format!("{n},{}\n", "x".repeat(7_000))).collect();
    folder.open("wide", &["n:integer", "words:string"], format!("n,words\n{rows}"));
    let app = TestApp::start(Some(folder.path()), &[]).await;
    let resource = resource(&app, "wide").await;
    // Each row with each: 70 MB.
    let sql = format!("SELECT one.words FROM \"{resource}\" AS one CROSS JOIN \"{resource}\" AS other");
    let answer = app.query(SQL, &[("sql", &sql)]).await.expect(200).text();
    assert!((60 << 20..=65 << 20).contains(&answer.len()), "{}", answer.len());
    assert!(answer[..10_000.min(answer.len())].contains("\"records_truncated\":true"));
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused_in_the_shape_of_ckan() {
    let (app, resource) = app_of(1).await;
    let wide = json!({ "resource_id": resource, "filters": { "name": "x".repeat(300 << 10) } });
    for path in [SEARCH, "/ckan/api/action/datastore_search"] {
        let refused = app.post(path, &wide).await.expect(413).json();
        assert_eq!((&refused["success"], &refused["error"]["__type"]), (&json!(false), &json!("Validation Error")), "{refused}");
    }
}
