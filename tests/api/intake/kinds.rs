//! The same table in every kind of file.

use super::support::{Bench, bytes, columns, gz, notes, rows, types, zipped};

const TABLE: &str = "code,name,n,price,day,at\n007,徐汇区,12,1.50,2024-02-29,2024-02-29T08:00:00\n110105194912310021,\"a,b\"\"c\",-3,20.25,2023-12-31,2023-12-31T23:59:59.5\n010,,,,,\n";

const NAMES: [&str; 6] = ["code", "name", "n", "price", "day", "at"];
const TYPES: [&str; 6] = ["string", "string", "integer", "decimal", "date", "datetime"];

fn utf16(text: &str, little: bool, mark: bool) -> Vec<u8> {
    let mark = if mark { "\u{FEFF}" } else { "" };
    format!("{mark}{text}").encode_utf16().flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect()
}

#[test]
fn a_table_is_the_same_in_every_encoding_and_packing() {
    let bench = Bench::new();
    let declared = columns(&NAMES);
    let usual = bench.take("t.csv", TABLE, &declared);
    assert_eq!(types(&usual), TYPES);
    assert_eq!(rows(&usual)[1], ["110105194912310021", "a,b\"c", "-3", "20.25", "2023-12-31", "2023-12-31T23:59:59.500"]);
    assert_eq!(rows(&usual)[2], ["010", "∅", "∅", "∅", "∅", "∅"]);
    let gb18030 = encoding_rs::GB18030.encode(TABLE).0.into_owned();
    let semicolons = TABLE.replace(',', ";").replace("a;b", "a,b");
    let single = TABLE.replace("\"a,b\"\"c\"", "'a,b\"c'").replace("徐汇区", "'徐汇区'");
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("bom", [b"\xEF\xBB\xBF", TABLE.as_bytes()].concat(), "utf-8 , -"),
        ("crlf", TABLE.replace('\n', "\r\n").into_bytes(), "utf-8 , -"),
        ("gb18030", gb18030.clone(), "gb18030 , -"),
        ("utf-16le", utf16(TABLE, true, true), "utf-16le , -"),
        ("utf-16be", utf16(TABLE, false, true), "utf-16be , -"),
        ("utf-16le without mark", utf16(TABLE, true, false), "utf-16le , -"),
        ("tabs", TABLE.replace(',', "\t").replace("a\tb", "a,b").into_bytes(), "utf-8 tab -"),
        ("semicolons", semicolons.clone().into_bytes(), "utf-8 ; -"),
        ("bars", semicolons.replace(';', "|").into_bytes(), "utf-8 | -"),
        ("single quotes", single.into_bytes(), "utf-8 , -"),
        ("gzip", gz(TABLE.as_bytes()), "utf-8 , gzip"),
        ("gzip in two members", [gz(&TABLE.as_bytes()[..40]), gz(&TABLE.as_bytes()[40..])].concat(), "utf-8 , gzip"),
        ("gzip of gb18030", gz(&gb18030), "gb18030 , gzip"),
        ("zstd", zstd::encode_all(TABLE.as_bytes(), 3).unwrap(), "utf-8 , zstd"),
        ("zip", zipped(&[("folder/t.csv", TABLE.as_bytes()), ("__MACOSX/t.csv", b"x")]), "utf-8 , zip"),
    ];
    for (name, content, wanted) in cases {
        let taken = bench.take("t.bin", content, &declared);
        let report = &taken.report;
        let said = format!(
            "{} {} {}",
            report.encoding.as_deref().unwrap(),
            report.delimiter.as_deref().unwrap(),
            report.packing.as_deref().unwrap_or("-")
        );
        assert_eq!((said.as_str(), report.format.as_str()), (wanted, "csv"), "{name}");
        assert!(bytes(&taken) == bytes(&usual), "{name}: {:?}", rows(&taken));
    }
}

#[test]
fn utf_16_without_a_mark_may_hold_any_characters() {
    let bench = Bench::new();
    let chinese = format!(
        "编号,名称\n{}",
        "徐汇区一号,统一社会信用代码开放平台数据目录名称与说明以及来源部门与更新频率等内容一览表格样本\n".repeat(2000)
    );
    for (text, names) in [("code,name\n007,一\n", ["code", "name"]), (chinese.as_str(), ["编号", "名称"]), ("一,中\n一,中\n", ["一", "中"])]
    {
        for little in [true, false] {
            let taken = bench.take("t.csv", utf16(text, little, false), &columns(&names));
            assert_eq!(taken.report.encoding.as_deref(), Some(if little { "utf-16le" } else { "utf-16be" }));
            assert_eq!(rows(&taken), rows(&bench.take("t.csv", text, &columns(&names))));
        }
    }
}

#[test]
fn without_declared_columns_the_file_names_them() {
    let bench = Bench::new();
    for content in [TABLE.to_owned(), TABLE.replace(',', ";").replace("a;b", "a,b")] {
        let taken = bench.take("t.csv", content, &[]);
        assert_eq!(types(&taken), TYPES);
        assert_eq!(taken.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(), NAMES);
    }
}

#[test]
fn json_and_ndjson_keep_what_they_say() {
    let bench = Bench::new();
    let records = [
        r#"{"id":110105194912310021,"price":0.1234567890123456789,"n":1,"tags":["a", {"b":null}],"ok":true}"#,
        r#"{"n":2,"id":"x\u5f90","ok":null}"#,
        "{\n\"n\":3,\n\"price\":\"\"}",
    ];
    let array = format!("[{}]\n", records.join(",\n"));
    let lines = records.iter().map(|record| record.replace('\n', "") + "\n").collect::<String>();
    for (content, format, declared) in [
        (array.clone(), "json", columns(&["id", "price", "n", "tags", "ok"])),
        (array, "json", vec![]),
        (lines.clone(), "ndjson", columns(&["id", "price", "n", "tags", "ok"])),
        (lines, "ndjson", vec![]),
    ] {
        let taken = bench.take("t", content, &declared);
        assert_eq!(taken.report.format, format);
        assert_eq!(types(&taken), ["string", "decimal", "integer", "string", "boolean"]);
        let rows = rows(&taken);
        assert_eq!(rows[0], ["110105194912310021", "0.1234567890123456789", "1", r#"["a", {"b":null}]"#, "true"]);
        assert_eq!(rows[1], ["x徐", "∅", "2", "∅", "∅"]);
        assert!(notes(&taken).contains("-: empty texts were kept as missing values, as in every table here [3] 1"), "{}", notes(&taken));
    }
}

#[test]
fn a_fault_in_json_has_its_line() {
    let bench = Bench::new();
    let declared = columns(&["a:integer", "b:string"]);
    let faults = bench.refuse(
        "t.ndjson",
        "{\"a\":1}\n{\"a\":1.5}\n{\"a\":2,\"a\":2}\n{\"c\":1}\n{\"b\":\"\\ud800\"}\n[1]\n{\"a\":1,}\n{\"b\":\"\\u0000\"}\n",
        &declared,
    );
    let wanted = [
        "2: a: `1.5` is not a whole number",
        "3: a: the key `a` stands twice in one object",
        "4: the key `c` has no [[fields]]",
        "5: b: a text holds half of a pair of UTF-16",
        "6: the record is no JSON object",
        "7: the JSON is broken: trailing comma",
        "8: b: the text holds a NUL character",
    ];
    assert_eq!(faults.len(), wanted.len(), "{faults:#?}");
    for (fault, wanted) in faults.iter().zip(wanted) {
        assert!(fault.starts_with(wanted), "{faults:#?}");
    }
    for (content, wanted) in [
        ("[{\"a\":1},\n{\"a\":", "2: the JSON ends in the middle"),
        ("[{\"a\":1}\n,{\"a\":1}] x", "2: the JSON is broken: something stands behind"),
    ] {
        assert!(bench.refuse("t.json", content, &declared)[0].starts_with(wanted), "{content}");
    }
    let deep = format!("[{{\"b\":{}", "[".repeat(1_000_000));
    assert!(bench.refuse("t.json", deep, &declared)[0].contains("nested deeper than 128"));
    let endless = format!("[{{\"b\":\"{}", "x".repeat(17 << 20));
    assert!(bench.refuse("t.json", endless, &declared)[0].contains("longer than 16 MiB"));
}

#[test]
fn features_become_rows_with_a_shape() {
    let bench = Bench::new();
    let content = r#"{"type":"FeatureCollection","name":"x","features":[
        {"type":"Feature","properties":{"code":"007","n":1},"geometry":{"type":"Point","coordinates":[121.4365,31.1884]}},
        {"type":"Feature","bbox":[0,0,1,1],"properties":{"n":2},"geometry":{"type":"LineString","coordinates":[[121,31],[122,32.5]]}},
        {"type":"Feature","properties":null,"geometry":null}
    ],"crs":{"type":"name","properties":{"name":"urn:ogc:def:crs:OGC:1.3:CRS84"}}}"#;
    for declared in [vec![], columns(&["code", "n", "geometry:geometry"])] {
        let taken = bench.take("t.geojson", content, &declared);
        assert_eq!((taken.report.format.as_str(), types(&taken)), ("geojson", vec!["string", "integer", "geometry"]));
        assert_eq!(rows(&taken)[2], ["∅", "∅", "∅"]);
        let batch = &super::support::batches(&taken)[0];
        let shapes = datafusion::arrow::array::AsArray::as_binary::<i32>(batch.column(2).as_ref());
        assert_eq!(
            qingdan::intake::geometry::geojson(shapes.value(1)).unwrap(),
            r#"{"type":"LineString","coordinates":[[121,31],[122,32.5]]}"#
        );
        let geo = batch.schema().metadata().get("geo").cloned();
        let geo: serde_json::Value =
            serde_json::from_str(&geo.unwrap_or_else(|| super::parquet::metadata(&taken, "geo").unwrap())).unwrap();
        assert_eq!(geo["version"], "1.1.0");
        assert_eq!(geo["columns"]["geometry"]["geometry_types"], serde_json::json!(["LineString", "Point"]));
        assert_eq!(geo["columns"]["geometry"]["bbox"], serde_json::json!([121.0, 31.0, 122.0, 32.5]));
        // What came out goes in again.
        let again = bench.take("again.parquet", bytes(&taken), &[]);
        assert_eq!((types(&again), rows(&again)), (types(&taken), rows(&taken)));
    }
}

#[test]
fn shapes_in_the_wrong_place_are_refused() {
    let bench = Bench::new();
    let collection = |feature: &str, crs: &str| format!(r#"{{"type":"FeatureCollection","features":[{feature}]{crs}}}"#);
    let point =
        |position: &str| format!(r#"{{"type":"Feature","properties":{{}},"geometry":{{"type":"Point","coordinates":{position}}}}}"#);
    let crs = r#","crs":{"type":"name","properties":{"name":"urn:ogc:def:crs:EPSG::3857"}}"#;
    for (content, wanted) in [
        (collection(&point("[121,31]"), crs), "the reference system is `urn:ogc:def:crs:EPSG::3857`"),
        (collection(&point("[13519000,3640000]"), ""), "1: geometry: `{\"type\":\"Point\""),
        (collection(&point("[121]"), ""), "two numbers"),
        (collection(r#"{"type":"Point","coordinates":[1,2]}"#, ""), "no place in a table"),
        (collection(&point("[121,31]"), r#","features":[]"#), "stands twice"),
    ] {
        let faults = bench.refuse("t.geojson", &content, &[]);
        assert!(faults[0].contains(wanted), "{faults:?}");
    }
}

#[test]
fn a_mixed_column_is_kept_as_text_and_told() {
    let bench = Bench::new();
    let mut declared = columns(&["n", "secret", "free"]);
    declared[1].personal = true;
    let content: String =
        (0..20_000).map(|row| if row == 19_998 { "x,geheim,t\n".to_owned() } else { format!("{row},{row},t\n") }).collect();
    let taken = bench.take("t.csv", format!("n,secret,free\n{content}"), &declared);
    assert_eq!(types(&taken), ["string", "string", "string"]);
    let notes = notes(&taken);
    assert!(
        notes.contains(
            "n: the values are of several kinds and were kept as text: 19999 whole numbers (such as `0`), 1 texts (such as `x`) [19999] 1"
        ),
        "{notes}"
    );
    assert!(notes.contains("secret: ") && !notes.contains("geheim") && !notes.contains("free: "), "{notes}");
}

#[test]
fn rejected_rows_are_handed_back() {
    let bench = Bench::new();
    let declared = columns(&["a:integer", "b"]);
    let good: String = (0..8).map(|row| format!("{row},x\n")).collect();
    bench.write("t.csv", format!("a,b\n{good}x,=1+1\n3\n\"4\"y,z\n\n5,e\n"));
    let faults = super::support::faults(bench.take_with("t.csv", &declared, 0.1));
    assert_eq!(faults.len(), 4, "{faults:?}");
    let taken = bench.take_with("t.csv", &declared, 0.4).unwrap();
    assert_eq!((taken.row_count, taken.report.rejected_rows), (9, 4));
    assert_eq!(rows(&taken)[8], ["5", "e"]);
    let rejects = std::fs::read_to_string(taken.rejects.as_ref().unwrap().path()).unwrap();
    let lines: Vec<&str> = rejects.lines().collect();
    assert_eq!(lines[0], "line,reason,a,b");
    assert!(lines[1].starts_with("10,a: `x` is not a whole number") && lines[1].ends_with(",x,'=1+1"), "{rejects}");
    assert!(lines[2].starts_with("11,\"the row has 1 cells, and the header 2\",3"), "{rejects}");
    assert!(lines[3].starts_with("12,text stands behind a closing quote") && lines[3].ends_with(",4y,z"), "{rejects}");
    assert!(lines[4].starts_with("13,the line is empty"), "{rejects}");
    assert_eq!(lines.len(), 5);
    let clean = bench.take("t.csv", "a,b\n1,x\n", &declared);
    assert!(clean.rejects.is_none());
}

#[test]
fn whoever_watches_can_stop_it() {
    use std::ops::ControlFlow;
    use std::sync::Mutex;

    let bench = Bench::new();
    let content: String = std::iter::once("a,b\n".to_owned()).chain((0..50_000).map(|row| format!("{row},text\n"))).collect();
    let path = bench.write("t.csv", content);
    let scratch = bench.path("scratch");
    let storage = qingdan::storage::Storage::open(&bench.path("store"), &scratch, &bench.path("incoming")).unwrap();
    let steps = Mutex::new(Vec::new());
    let run = |stop_at: u64| {
        let watch = |step: qingdan::intake::Step| {
            steps.lock().unwrap().push(step);
            if step.rows >= stop_at { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        qingdan::intake::take(&path, "t.csv", &columns(&["a", "b"]), &qingdan::intake::Options::default(), &|| storage.scratch(), &watch)
    };
    assert_eq!(run(u64::MAX).unwrap().row_count, 50_000);
    let seen = std::mem::take(&mut *steps.lock().unwrap());
    assert!(seen.windows(2).all(|pair| pair[0].done_bytes <= pair[1].done_bytes && pair[0].rows <= pair[1].rows));
    let last = seen.last().unwrap();
    assert!(last.rows == 50_000 && last.done_bytes >= last.total_bytes, "{last:?}");
    assert!(matches!(run(20_000), Err(qingdan::intake::IntakeError::Cancelled)));
    assert_eq!(bench.scratch_files(), 0);
}
