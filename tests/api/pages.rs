//! Rows: computed values, groups, formats, and paging that neither misses nor repeats a row.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::support::{Folder, TestApp, with_query};

const COMMITTEES: &str = "/api/v1/datasets/xuhui-residents-committees/rows";

/// Follows the cursor to the end.
async fn all(app: &TestApp, path: &str, parameters: &[(&str, &str)]) -> Vec<Value> {
    let (mut found, mut cursor, mut totals) = (Vec::new(), None::<String>, Vec::new());
    loop {
        let mut parameters = parameters.to_vec();
        parameters.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let page = app.query(path, &parameters).await.expect(200).json();
        found.extend(page["rows"].as_array().unwrap().clone());
        totals.push(page["total"].as_u64().unwrap());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
    }
    assert!(totals.iter().all(|total| *total == totals[0]), "{totals:?}");
    assert_eq!(totals[0], found.len() as u64, "{parameters:?}");
    found
}

/// 1,200 rows: few values in `k`, some missing, whole rows twice and thrice, and a text too long for a cursor.
fn duplicates() -> Folder {
    let folder = Folder::new();
    let mut csv = String::from("k,x,d,t\n");
    for row in 0..1200 {
        let k = if row % 7 == 0 { String::new() } else { (row % 5).to_string() };
        let x = if row % 11 == 0 { String::new() } else { format!("{}.5", row % 13) };
        let t = if row % 400 == 399 { "长".repeat(2000) } else { format!("t{}", row % 3) };
        writeln!(csv, "{k},{x},2024-01-{:02},{t}", row % 28 + 1).unwrap();
    }
    // Rows that are the same in every column.
    for _ in 0..60 {
        csv.push_str("2,1.5,2024-01-01,same\n");
    }
    folder.open("duplicates", &["k:integer", "x:number", "d:date", "t:string"], csv);
    folder
}

#[tokio::test]
async fn no_page_misses_or_repeats_a_row() {
    let folder = duplicates();
    let app = TestApp::start(Some(folder.path()), &[]).await;
    let path = "/api/v1/datasets/duplicates/rows";
    let whole = all(&app, path, &[("limit", "1000")]).await;
    assert_eq!(whole.len(), 1260);
    for order in ["", "k", "-k", "x desc, k", "-d", "t", "-t, x"] {
        for condition in ["k is null or k <> 3", "x > 2", "t = 'same'", "k = 99", "k = 2 and d = '2024-01-01'", "year(d) = 2024"] {
            let once = all(&app, path, &[("order_by", order), ("where", condition), ("limit", "1000")]).await;
            for limit in ["7", "50"] {
                if limit == "7" && !matches!(condition, "t = 'same'" | "k = 2 and d = '2024-01-01'") {
                    continue;
                }
                let found = all(&app, path, &[("order_by", order), ("where", condition), ("limit", limit)]).await;
                assert!(found == once, "{order} {condition} {limit}");
                let mut sorted: Vec<String> = found.iter().map(Value::to_string).collect();
                let mut wanted: Vec<String> = whole.iter().filter(|row| matches(row, condition)).map(Value::to_string).collect();
                sorted.sort();
                wanted.sort();
                assert!(sorted == wanted, "{order} {condition} {limit}: {} and not {}", sorted.len(), wanted.len());
                if order.is_empty() {
                    // Without an order it is that of the file.
                    let wanted: Vec<&Value> = whole.iter().filter(|row| matches(row, condition)).collect();
                    assert!(found.iter().collect::<Vec<_>>() == wanted, "{condition} {limit}");
                }
            }
        }
    }
}

/// The conditions of the test above, by hand.
fn matches(row: &Value, condition: &str) -> bool {
    match condition {
        "k is null or k <> 3" => row["k"] != 3,
        "x > 2" => row["x"].as_f64().is_some_and(|x| x > 2.0),
        "t = 'same'" => row["t"] == "same",
        "k = 99" => false,
        "k = 2 and d = '2024-01-01'" => row["k"] == 2 && row["d"] == "2024-01-01",
        _ => true,
    }
}

#[tokio::test]
async fn pages_of_a_large_table_begin_where_the_page_before_ended() {
    let folder = Folder::new();
    let mut csv = String::from("id,g\n");
    for row in 0..150_000 {
        writeln!(csv, "{row},{}", row % 10).unwrap();
    }
    folder.open("large", &["id:integer", "g:integer"], csv);
    let app = TestApp::start(Some(folder.path()), &[]).await;
    let path = "/api/v1/datasets/large/rows";
    let found = all(&app, path, &[("where", "g = 3 and id >= 100000"), ("limit", "1000")]).await;
    assert_eq!(found.first().unwrap()["id"], 100_003);
    assert!(found.windows(2).all(|pair| pair[1]["id"].as_u64() == pair[0]["id"].as_u64().map(|id| id + 10)));
    assert_eq!(found.len(), 5000);
    let found = all(&app, path, &[("order_by", "-id"), ("where", "g = 3"), ("limit", "1000")]).await;
    assert_eq!((found.len(), &found[0]["id"]), (15_000, &json!(149_993)));
    // The first rows are read, and not the whole file; the second page begins further on.
    let first = app.query(path, &[("limit", "10")]).await.expect(200);
    assert!(first.header("qingdan-query-stats").contains("rows_scanned=10,"), "{}", first.header("qingdan-query-stats"));
    let next = first.json()["next_cursor"].as_str().unwrap().to_owned();
    let second = app.query(path, &[("limit", "10"), ("cursor", &next)]).await.expect(200);
    assert!(second.header("qingdan-query-stats").contains("rows_scanned=10,"), "{}", second.header("qingdan-query-stats"));
    assert_eq!(second.json()["rows"][0]["id"], 10);
}

#[tokio::test]
async fn a_forged_cursor_is_refused() {
    let app = TestApp::spawn().await;
    for parameters in [&[("limit", "5")][..], &[("limit", "5"), ("order_by", "name")], &[("limit", "5"), ("where", "code <> 'x'")]] {
        let page = app.query(COMMITTEES, parameters).await.expect(200).json();
        let cursor = page["next_cursor"].as_str().unwrap();
        let mut forged =
            vec![format!("{cursor}A"), cursor[1..].to_owned(), "e30".to_owned(), "甲".repeat(40), String::new(), "A".repeat(5000)];
        let mut other = cursor.to_owned();
        let last = if other.pop() == Some('A') { 'B' } else { 'A' };
        other.push(last);
        forged.push(other);
        for cursor in forged {
            let mut parameters = parameters.to_vec();
            parameters.push(("cursor", &cursor));
            app.query(COMMITTEES, &parameters).await.problem(400, "invalid-value");
        }
    }
}

#[tokio::test]
async fn values_are_computed() {
    let app = TestApp::spawn().await;
    let asked = [
        (
            "select",
            "code, upper(name) AS loud, length(name) + 1 as n, substr(code, 1, 6) || '!' as area, case when code < '31010400301' then 'a' else 'b' end as side",
        ),
        ("where", "length(name) = 5 and lower(code) = code"),
        ("limit", "2"),
    ];
    let page = app.query(COMMITTEES, &asked).await.expect(200).json();
    let row = &page["rows"][0];
    assert_eq!((&row["n"], &row["area"]), (&json!(6), &json!("310104!")), "{page}");
    assert_eq!(page["fields"][1]["name"], "loud");
    assert_eq!(page["fields"][2]["type"], "integer");
    assert_eq!(all(&app, COMMITTEES, &asked).await.len() as u64, page["total"].as_u64().unwrap());
    for (parameter, text, wanted) in [
        ("select", "nothing", "there is no field `nothing`"),
        ("select", "upper(nothing)", "there is no field `nothing`"),
        ("select", "code, code", "named twice"),
        ("select", "upper(name) as a, lower(name) as a", "named twice"),
        ("select", "(select 1)", "is not allowed"),
        ("select", "*", "is not allowed"),
        ("select", "read_csv(name)", "the functions are"),
        ("select", "repeat(name, 1000000000)", "longer than"),
        ("select", "upper(name", "cannot be read"),
        ("group_by", "name", "name what to compute"),
        ("where", "upper(name) > 3", "a text in single quotes"),
    ] {
        let problem = app.query(COMMITTEES, &[(parameter, text)]).await.problem(400, "invalid-value");
        assert!(problem["detail"].as_str().unwrap().contains(wanted), "{text}: {problem}");
        assert_eq!(problem["errors"][0]["pointer"], if text == "name" { "select" } else { parameter }, "{problem}");
    }
}

#[tokio::test]
async fn groups_are_rows_too() {
    let app = TestApp::spawn().await;
    let one = app
        .query(COMMITTEES, &[("select", "count(*) as n, count(distinct subdistrict_code) as s, min(code) as low")])
        .await
        .expect(200)
        .json();
    assert_eq!((&one["rows"][0]["n"], &one["total"]), (&json!(313), &json!(1)), "{one}");
    let asked = [("select", "subdistrict_code, count(*) as n"), ("group_by", "subdistrict_code"), ("order_by", "-n"), ("limit", "4")];
    let groups = all(&app, COMMITTEES, &asked).await;
    assert_eq!(groups.iter().map(|row| row["n"].as_u64().unwrap()).sum::<u64>(), 313);
    assert!(groups.windows(2).all(|pair| pair[0]["n"].as_u64() >= pair[1]["n"].as_u64()), "{groups:?}");
    let calendar = "/api/v1/datasets/working-calendar/rows";
    let years = all(
        &app,
        calendar,
        &[("select", "year(date) as y, count(*) as n, avg(length(name_zh)) as l"), ("group_by", "year(date)"), ("limit", "3")],
    )
    .await;
    assert!(years.windows(2).all(|pair| pair[0]["y"].as_u64() < pair[1]["y"].as_u64()), "{years:?}");
    assert_eq!(years.iter().map(|row| row["n"].as_u64().unwrap()).sum::<u64>(), 769);
    let wrong =
        app.query(COMMITTEES, &[("select", "name, count(*)"), ("group_by", "subdistrict_code")]).await.problem(400, "invalid-value");
    assert!(wrong["detail"].as_str().unwrap().contains("name"), "{wrong}");
}

#[tokio::test]
async fn a_page_is_no_larger_than_the_bytes_of_the_tier() {
    let app = TestApp::start(Some(&crate::support::shipped()), &[("limits_anonymous_query_bytes", "4096")]).await;
    app.query(COMMITTEES, &[("limit", "5")]).await.expect(200);
    for accept in ["application/json", "text/csv", "application/x-ndjson", "application/vnd.apache.arrow.stream"] {
        let path = with_query(COMMITTEES, &[("limit", "300")]);
        let problem = app.get_with(&path, &[("accept", accept)]).await.problem(413, "too-large");
        assert!(problem["detail"].as_str().unwrap().contains("lower `limit`"), "{problem}");
    }
}

#[tokio::test]
async fn a_page_comes_in_every_format() {
    let app = TestApp::spawn().await;
    let path = with_query(COMMITTEES, &[("select", "code,name"), ("limit", "2"), ("order_by", "code")]);
    let csv = app.get_with(&path, &[("accept", "text/csv")]).await.expect(200);
    assert_eq!((csv.text().lines().count(), csv.header("qingdan-total")), (3, "313"));
    let links: Vec<&str> = csv.headers.get_all("link").iter().map(|value| value.to_str().unwrap()).collect();
    let next = links.iter().find_map(|link| link.strip_suffix(">; rel=\"next\"")).unwrap().trim_start_matches('<');
    let second = app.get_with(next, &[("accept", "application/x-ndjson")]).await.expect(200).text();
    let json = app.get(&with_query(COMMITTEES, &[("select", "code,name"), ("limit", "4"), ("order_by", "code")])).await.expect(200).json();
    assert_eq!(serde_json::from_str::<Value>(second.lines().next().unwrap()).unwrap(), json["rows"][2]);
    let arrow = app.get_with(&path, &[("accept", "application/vnd.apache.arrow.stream")]).await.expect(200);
    let mut batches = datafusion::arrow::ipc::reader::StreamReader::try_new(arrow.body.as_slice(), None).unwrap();
    assert_eq!(batches.next().unwrap().unwrap().num_rows(), 2);
    app.get_with(&path, &[("accept", "text/html")]).await.problem(406, "not-acceptable");
    let none = with_query(COMMITTEES, &[("where", "code = 'x'"), ("select", "code,name")]);
    assert_eq!(app.get_with(&none, &[("accept", "text/csv")]).await.expect(200).text(), "code,name\n");
}
