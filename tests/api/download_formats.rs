//! Releases in every format, with the values that they have in all of them.

use std::io::Cursor;

use calamine::{Data, Reader, Xlsx};
use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use datafusion::parquet::file::reader::{FileReader, SerializedFileReader};
use qingdan::catalog::{self, NewVersion, Part};
use serde_json::json;

use crate::support::{Folder, TestApp};

const FIELDS: [&str; 8] =
    ["name:string", "count:integer", "price:decimal:2", "share:number", "is_open:boolean", "day:date", "at:datetime", "place:geometry"];

const CSV: &str = "name,count,price,share,is_open,day,at,place\n\
    =1+1,7,1.50,0.25,true,2026-02-28,2026-02-28T12:30:00,\"{\"\"type\"\":\"\"Point\"\",\"\"coordinates\"\":[121.5,31.25]}\"\n\
    徐汇,1234567890123456789,12345678901234.56,,false,1066-10-14,2026-01-01T00:00:00.123456,\n";

async fn mixed() -> TestApp {
    let folder = Folder::new();
    folder.open("mixed", &FIELDS, CSV);
    folder.open("plain", &["a:integer"], "a\n1\n");
    TestApp::start(Some(folder.path()), &[]).await
}

fn path(format: &str) -> String {
    format!("/api/v1/datasets/mixed/download?format={format}")
}

#[tokio::test]
async fn a_workbook_has_typed_cells_and_no_formula() {
    let app = mixed().await;
    let answer = app.get(&path("xlsx")).await.expect(200);
    assert_eq!(answer.header("content-type"), "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet");
    assert!(answer.header("content-disposition").contains("mixed-v1.xlsx"));
    let mut workbook: Xlsx<_> = Xlsx::new(Cursor::new(answer.body)).unwrap();
    let formulas = workbook.worksheet_formula("Sheet1").unwrap();
    assert!(formulas.used_cells().next().is_none());
    let sheet = workbook.worksheet_range("Sheet1").unwrap();
    let rows: Vec<Vec<Data>> = sheet.rows().map(<[Data]>::to_vec).collect();
    let text = |text: &str| Data::String(text.to_owned());
    assert_eq!(rows[0], ["name", "count", "price", "share", "is_open", "day", "at", "place"].map(text));
    let first = &rows[1];
    assert_eq!(first[..5], [text("=1+1"), Data::Float(7.0), Data::Float(1.5), Data::Float(0.25), Data::Bool(true)]);
    let moment = |cell: &Data| {
        let Data::DateTime(at) = cell else { panic!("{cell:?}") };
        at.to_ymd_hms_milli()
    };
    assert_eq!(moment(&first[5]), (2026, 2, 28, 0, 0, 0, 0));
    assert_eq!(moment(&first[6]), (2026, 2, 28, 12, 30, 0, 0));
    assert!(matches!(&first[7], Data::String(shape) if shape.contains("121.5")));
    // What a workbook cannot hold exactly is text.
    let second = &rows[2];
    assert_eq!(second[1], text("1234567890123456789"));
    assert_eq!(second[2], text("12345678901234.56"));
    assert_eq!(second[3], Data::Empty);
    assert_eq!(second[5], text("1066-10-14"));
    assert_eq!(second[6], text("2026-01-01T00:00:00.123456"));
}

#[tokio::test]
async fn geometries_are_geojson_outside() {
    let app = mixed().await;
    let point = json!({ "type": "Point", "coordinates": [121.5, 31.25] });
    let collection = app.get(&path("geojson")).await.expect(200);
    assert_eq!(collection.header("content-type"), "application/geo+json");
    let collection = collection.json();
    assert_eq!(collection["type"], "FeatureCollection");
    assert_eq!(collection["features"].as_array().unwrap().len(), 2);
    assert_eq!(collection["features"][0]["geometry"], point);
    assert_eq!(collection["features"][0]["properties"]["name"], "=1+1");
    assert_eq!(collection["features"][0]["properties"].get("place"), None);
    assert_eq!(collection["features"][1]["geometry"], json!(null));
    assert_eq!(collection["features"][1]["properties"]["day"], "1066-10-14");

    let rows = app.get(&path("json")).await.expect(200).json();
    assert_eq!((&rows[0]["place"], &rows[1]["place"]), (&point, &json!(null)));
    let lines = app.get(&path("ndjson")).await.expect(200).text();
    let lines: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, *rows.as_array().unwrap());
    let csv = app.get(&path("csv")).await.expect(200);
    let mut reader = csv::Reader::from_reader(csv.body.as_slice());
    let cells: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&cells[0][7]).unwrap(), point);
    assert_eq!((&cells[0][0], &cells[1][7]), ("=1+1", ""));
}

#[tokio::test]
async fn an_arrow_stream_has_the_rows() {
    let app = mixed().await;
    let answer = app.get(&path("arrow")).await.expect(200);
    assert_eq!(answer.header("content-type"), "application/vnd.apache.arrow.stream");
    let batches: Vec<_> = StreamReader::try_new(Cursor::new(answer.body), None).unwrap().map(Result::unwrap).collect();
    assert_eq!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 2);
    assert_eq!(batches[0].schema().field(2).data_type().to_string(), "Decimal128(18, 2)");
}

#[tokio::test]
async fn a_format_is_offered_where_it_makes_sense() {
    let app = mixed().await;
    let formats = async |slug: &str| {
        let detail = app.get(&format!("/api/v1/datasets/{slug}")).await.expect(200).json();
        let all: Vec<String> =
            detail["downloads"].as_array().unwrap().iter().map(|one| one["format"].as_str().unwrap().to_owned()).collect();
        all
    };
    assert_eq!(formats("mixed").await, ["parquet", "csv", "ndjson", "json", "arrow", "xlsx", "geojson"]);
    assert_eq!(formats("plain").await, ["parquet", "csv", "ndjson", "json", "arrow", "xlsx"]);
    let problem = app.get("/api/v1/datasets/plain/download?format=geojson").await.problem(400, "invalid-value");
    assert_eq!(problem["errors"][0]["pointer"], "format");
    let problem = app.get("/api/v1/datasets/plain/download?format=json&spreadsheet=true").await.problem(400, "invalid-value");
    assert_eq!(problem["errors"][0]["pointer"], "spreadsheet");
}

#[tokio::test]
async fn csv_for_a_spreadsheet_has_no_formula_and_is_a_file_of_its_own() {
    let app = mixed().await;
    let exact = app.get(&path("csv")).await.expect(200);
    let safe = app.get(&path("csv&spreadsheet=true")).await.expect(200);
    assert!(exact.text().contains("\n=1+1,7,1.50,"));
    assert!(safe.text().contains("\n'=1+1,7,1.50,"));
    assert_ne!(exact.header("etag"), safe.header("etag"));
    assert_eq!(app.get(&path("csv")).await.expect(200).body, exact.body);
}

#[tokio::test]
async fn a_release_too_long_for_excel_is_refused_with_a_way_out() {
    let folder = Folder::new();
    folder.open("long", &["a:integer"], format!("a\n{}", "1\n".repeat(1_048_576)));
    let app = TestApp::start(Some(folder.path()), &[]).await;
    let problem = app.get("/api/v1/datasets/long/download?format=xlsx").await.problem(413, "too-large");
    assert!(problem["detail"].as_str().unwrap().contains("format csv"), "{problem}");
    let detail = app.get("/api/v1/datasets/long").await.expect(200).json();
    assert!(detail["downloads"].as_array().unwrap().iter().all(|one| one["format"] != "xlsx"));
}

#[tokio::test]
async fn a_release_of_several_files_is_one_parquet_file() {
    let folder = Folder::new();
    folder.open("parts", &["a:integer"], "a\n1\n2\n3\n");
    let app = TestApp::start(Some(folder.path()), &[]).await;
    folder.open("parts", &["a:integer"], "a\n4\n5\n6\n");
    qingdan::release::import_folder(&app.app.tools(), folder.path(), "service", qingdan::release::unwatched).await.unwrap();
    let write = move |conn: &mut _| {
        let dataset = catalog::find(conn, "parts")?;
        let (second, source_sha256) = catalog::latest_version(conn, &dataset)?.unwrap();
        let first = catalog::version(conn, &dataset, 1)?;
        let parts: Vec<Part> = [first.parts, second.parts].concat();
        let (fields, findings) = (second.fields, catalog::Findings { profile: Some(Default::default()), report: None });
        catalog::add_version(conn, "service", &dataset, NewVersion { source_sha256, fields, parts, rejects: None, findings, held: false })
    };
    app.app.db.write(write).await.unwrap();
    qingdan::release::import_folder(&app.app.tools(), folder.path(), "service", qingdan::release::unwatched).await.unwrap();
    let path = "/api/v1/datasets/parts/download";
    let file = app.get(path).await.expect(200);
    let bytes = bytes::Bytes::from(file.body);
    let reader = SerializedFileReader::new(bytes.clone()).unwrap();
    assert_eq!(reader.metadata().num_row_groups(), 2);
    let batches = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap();
    assert_eq!(batches.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 6);
    assert_eq!(app.get(&format!("{path}?format=csv")).await.expect(200).text(), "a\n1\n2\n3\n4\n5\n6\n");
}
