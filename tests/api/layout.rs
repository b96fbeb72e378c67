//! `sort_by`: what is served is in that order, and has all that an unsorted file has.

use bytes::Bytes;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use datafusion::parquet::file::reader::{FileReader, SerializedFileReader};
use serde_json::{Value, json};

use crate::support::{Folder, TestApp, entry};

/// A folder with the unconditional dataset `things`, whose entry has this before its fields.
fn folder(keys: &str, fields: &[&str], name: &str, data: impl AsRef<[u8]>) -> Folder {
    let folder = Folder::new();
    let text = entry("things", fields).replace("data = \"data.csv\"\n", &format!("data = \"{name}\"\n{keys}\n"));
    folder.write("things/dataset.toml", text);
    folder.write(&format!("things/{name}"), data);
    folder
}

async fn parquet(app: &TestApp) -> SerializedFileReader<Bytes> {
    let answer = app.get("/api/v1/datasets/things/download").await.expect(200);
    SerializedFileReader::new(Bytes::from(answer.body)).unwrap()
}

/// Of each row group, the columns that have a bloom filter.
fn blooms(file: &SerializedFileReader<Bytes>) -> Vec<Vec<String>> {
    let groups = file.metadata().row_groups().iter();
    let with = |column: &&datafusion::parquet::file::metadata::ColumnChunkMetaData| column.bloom_filter_offset().is_some();
    groups.map(|group| group.columns().iter().filter(with).map(|column| column.column_path().string()).collect()).collect()
}

fn geo(file: &SerializedFileReader<Bytes>) -> Value {
    let pairs = file.metadata().file_metadata().key_value_metadata().unwrap();
    let geo: Vec<&str> = pairs.iter().filter(|pair| pair.key == "geo").filter_map(|pair| pair.value.as_deref()).collect();
    assert_eq!(pairs.iter().filter(|pair| pair.key == "ARROW:schema").count(), 1);
    let [geo] = geo.as_slice() else { panic!("{} times what GeoParquet says", geo.len()) };
    serde_json::from_str(geo).unwrap()
}

/// A table of rows in no order: the number runs backwards through steps, and each number comes three times.
fn shuffled(rows: usize) -> String {
    (0..rows).fold("thing_id,n,at\n".to_owned(), |text, row| {
        let n = (rows - row) * 7919 % (rows / 3);
        text + &format!("{:04x},{},{row}\n", row % 500, if n == 5 { String::new() } else { n.to_string() })
    })
}

#[tokio::test]
async fn a_sorted_file_is_laid_out_as_any_other() {
    const ROWS: usize = 270_000;
    let fields = ["thing_id:string", "n:integer", "at:integer"];
    let plain = TestApp::start(Some(folder("", &fields, "data.csv", shuffled(ROWS)).path()), &[]).await;
    let sorted = TestApp::start(Some(folder("sort_by = [\"n\"]", &fields, "data.csv", shuffled(ROWS)).path()), &[]).await;
    let file = parquet(&sorted).await;
    assert_eq!(blooms(&file), vec![vec!["thing_id"]; 2], "two row groups, each with the filter of the identifiers");
    assert_eq!(blooms(&file), blooms(&parquet(&plain).await));
    let profile = async |app: &TestApp| app.get("/api/v1/datasets/things/profile").await.expect(200).json()["profile"].clone();
    let (of_plain, of_sorted) = (profile(&plain).await, profile(&sorted).await);
    assert_eq!(of_sorted["row_count"], ROWS);
    assert_eq!(of_sorted["columns"], of_plain["columns"]);
    assert_eq!(sorted.get("/api/v1/datasets/things/rows?limit=1").await.expect(200).json()["total"], ROWS);
    let answer = sorted.get("/api/v1/datasets/things/download").await.expect(200);
    let mut order = Vec::new();
    for batch in ParquetRecordBatchReaderBuilder::try_new(Bytes::from(answer.body)).unwrap().build().unwrap() {
        let batch = batch.unwrap();
        let (n, at) = (batch.column(1).as_primitive::<Int64Type>(), batch.column(2).as_primitive::<Int64Type>());
        order.extend(n.iter().zip(at.iter()).map(|(n, at)| (n.is_none(), n, at)));
    }
    assert_eq!(order.len(), ROWS);
    assert!(order.is_sorted(), "by the number, missing ones last, and within one number in the order of the file");
    assert!(order.last().unwrap().0, "some are missing");
}

fn features(points: &[(&str, &str)]) -> String {
    let feature = |(code, shape): &(&str, &str)| {
        format!("{{\"type\":\"Feature\",\"properties\":{{\"code\":\"{code}\"}},\"geometry\":{{\"type\":{shape}}}}}")
    };
    let features: Vec<String> = points.iter().map(feature).collect();
    format!("{{\"type\":\"FeatureCollection\",\"features\":[{}]}}", features.join(","))
}

#[tokio::test]
async fn sorted_shapes_stay_geoparquet_and_each_part_is_sorted() {
    let content = features(&[("c", "\"Point\",\"coordinates\":[121.5,31]"), ("a", "\"Point\",\"coordinates\":[120,30.5]")]);
    let folder = folder("sort_by = [\"code\"]", &["code:string", "geometry:geometry"], "data.geojson", content);
    let app = TestApp::start(Some(folder.path()), &[]).await;
    let file = parquet(&app).await;
    let column = &geo(&file)["columns"]["geometry"];
    assert_eq!((&column["bbox"], &column["geometry_types"]), (&json!([120.0, 30.5, 121.5, 31.0]), &json!(["Point"])));
    assert_eq!(blooms(&file), [["code"]]);
    let codes = async || app.get("/api/v1/datasets/things/download?format=csv").await.expect(200).text();
    let first = |text: &str| text.lines().skip(1).map(|line| line[..1].to_owned()).collect::<String>();
    assert_eq!(first(&codes().await), "ac");

    // What is appended is sorted by itself: no file is written again.
    let steward = app.staff(&["steward"], Some("office")).await.token;
    let line = "\"LineString\",\"coordinates\":[[0,0],[1,1]]";
    let more = features(&[("d", "\"Point\",\"coordinates\":[1,2]"), ("b", line)]);
    let upload = app.upload(&steward, "more.geojson", more.as_bytes()).await;
    let job = app.publish(&steward, "things", &upload, "append").await;
    assert_eq!((&job["state"], &job["result"]["rows"]), (&json!("done"), &json!(4)), "{job}");
    assert_eq!(first(&codes().await), "acbd");
    let file = parquet(&app).await;
    assert_eq!(blooms(&file), [["code"], ["code"]]);
    let column = &geo(&file)["columns"]["geometry"];
    // The shapes of both files are told, and no box that holds for one alone.
    assert_eq!((&column["bbox"], &column["geometry_types"]), (&json!(null), &json!(["LineString", "Point"])));
}

#[tokio::test]
async fn shapes_stay_geoparquet_where_the_files_are_written_as_one_anew() {
    let fields = ["price:decimal:2", "place:geometry"];
    let row = |price: &str, x: u32| format!("price,place\n{price},\"{{\"\"type\"\":\"\"Point\"\",\"\"coordinates\"\":[{x},1]}}\"\n");
    let folder = folder("", &fields, "data.csv", row("1.50", 7));
    let app = TestApp::start(Some(folder.path()), &[]).await;
    let steward = app.staff(&["steward"], Some("office")).await.token;
    let upload = app.upload(&steward, "wide.csv", row("123456789012345678901234567890.25", 8).as_bytes()).await;
    assert_eq!(app.publish(&steward, "things", &upload, "append").await["state"], "done");
    let column = &geo(&parquet(&app).await)["columns"]["place"];
    assert_eq!((&column["bbox"], &column["geometry_types"]), (&json!(null), &json!(["Point"])));
}

#[tokio::test]
async fn a_grants_release_is_laid_out_as_any_other() {
    let content = features(&[("c", "\"Point\",\"coordinates\":[121.5,31]"), ("a", "\"Point\",\"coordinates\":[120,30.5]")]);
    let folder = folder("", &["code:string", "geometry:geometry"], "data.geojson", content);
    let file = folder.file("things/dataset.toml");
    let reason =
        "open_type_reason = { zh = \"敏感\", en = \"sensitive\" }\nconditions = { zh = \"说明用途\", en = \"say what for\" }\ndata =";
    let text = std::fs::read_to_string(&file).unwrap().replace("\"unconditional\"", "\"conditional\"").replace("data =", reason);
    std::fs::write(&file, text).unwrap();
    let app = TestApp::start(Some(folder.path()), &[]).await;
    let firm = app.firm().await;
    let application = json!({
        "dataset": "things", "purpose": "to test the layout of files", "purposes": ["research"], "fields": ["code", "geometry"], "modes": ["download"],
        "term_days": 30, "safeguards": "encrypted disks, two people",
    });
    let grant = app.grant_for(&firm, &application).await;
    let answer = app.get_as("/api/v1/datasets/things/download", &grant.token).await.expect(200);
    let file = SerializedFileReader::new(Bytes::from(answer.body)).unwrap();
    assert_eq!(blooms(&file), [["code"]]);
    assert_eq!(geo(&file)["columns"], json!({ "geometry": { "encoding": "WKB", "geometry_types": [] } }), "nothing of the raw rows");
}
