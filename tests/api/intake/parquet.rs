//! Parquet from elsewhere, and the layout of our own.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BinaryArray, Date64Array, Decimal128Array, Decimal256Array, DictionaryArray, Float32Array, Int8Array, Int32Builder,
    LargeStringArray, ListArray, MapBuilder, StringArray, StringBuilder, StructArray, TimestampNanosecondArray, UInt64Array,
};
use datafusion::arrow::datatypes::{DataType, Field, Int8Type, Int32Type, i256};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::file::reader::{FileReader, SerializedFileReader};
use qingdan::intake::Taken;

use super::support::{Bench, columns, notes, rows, types};

pub fn metadata(taken: &Taken, key: &str) -> Option<String> {
    let file = SerializedFileReader::new(std::fs::File::open(taken.file.path()).unwrap()).unwrap();
    let pairs = file.metadata().file_metadata().key_value_metadata()?.clone();
    pairs.into_iter().find(|pair| pair.key == key).and_then(|pair| pair.value)
}

fn written(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

#[test]
fn every_type_is_taken_over_exactly() {
    let bench = Bench::new();
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None]);
    let dictionary: DictionaryArray<Int8Type> = vec![Some("007"), None].into_iter().collect();
    let bytes = written(vec![
        ("small", Arc::new(Int8Array::from(vec![Some(-5), None]))),
        ("fits", Arc::new(UInt64Array::from(vec![Some(5), None]))),
        ("large", Arc::new(UInt64Array::from(vec![Some(u64::MAX), None]))),
        ("float", Arc::new(Float32Array::from(vec![Some(0.1), None]))),
        ("text", Arc::new(LargeStringArray::from(vec![Some("徐"), Some("")]))),
        ("dictionary", Arc::new(dictionary)),
        ("day", Arc::new(Date64Array::from(vec![Some(86_400_000), None]))),
        ("moment", Arc::new(TimestampNanosecondArray::from(vec![Some(1_500_000_000_123_456_000), None]).with_timezone("+08:00"))),
        ("long", Arc::new(Decimal256Array::from(vec![Some(i256::from_i128(12_345)), None]).with_precision_and_scale(50, 2).unwrap())),
        ("list", Arc::new(list)),
    ]);
    let taken = bench.take("t.parquet", &bytes, &[]);
    let wanted = ["integer", "integer", "decimal", "number", "string", "string", "date", "datetime", "decimal", "string"];
    assert_eq!((taken.report.format.as_str(), types(&taken)), ("parquet", wanted.to_vec()));
    let rows = rows(&taken);
    let first = [
        "-5",
        "5",
        "18446744073709551615",
        "0.10000000149011612",
        "徐",
        "007",
        "1970-01-02",
        "2017-07-14T02:40:00.123456",
        "123.45",
        "[1,null]",
    ];
    assert_eq!(rows[0], first);
    assert!(rows[1].iter().all(|cell| cell == "∅"), "{rows:?}");
    assert!(notes(&taken).contains("moment: moments with a time zone were taken over in UTC"), "{}", notes(&taken));
    assert!(notes(&taken).contains("empty texts were kept as missing values"), "{}", notes(&taken));
}

#[test]
fn what_does_not_fit_has_its_row() {
    let bench = Bench::new();
    let nanos = written(vec![("at", Arc::new(TimestampNanosecondArray::from(vec![0, 1])))]);
    assert!(bench.refuse("t.parquet", nanos, &[])[0].starts_with("2: at: `1970-01-01T00:00:00.000000001` is not a moment"));
    let texts = written(vec![("b", Arc::new(StringArray::from(vec!["1", "x"]))), ("a", Arc::new(Int8Array::from(vec![1, 2])))]);
    assert!(bench.refuse("t.parquet", &texts, &columns(&["a", "b:integer"]))[0].starts_with("2: b: `x` is not a whole number"));
    assert_eq!(rows(&bench.take("t.parquet", &texts, &columns(&["a", "b"]))), [["1", "1"], ["2", "x"]]);
    assert!(bench.refuse("t.parquet", &texts, &columns(&["a"]))[0].contains("the column `b` has no [[fields]]"));
    let days = written(vec![("day", Arc::new(Date64Array::from(vec![1])))]);
    assert!(bench.refuse("t.parquet", days, &[])[0].starts_with("1: day: `1970-01-01T00:00:00.001` is not a day"));
    let bytes = written(vec![("raw", Arc::new(BinaryArray::from(vec![b"x".as_slice()])))]);
    assert!(bench.refuse("t.parquet", bytes, &[])[0].contains("`raw` holds bytes"));
    let zero = written(vec![("text", Arc::new(StringArray::from(vec!["a", "b\0"])))]);
    assert!(bench.refuse("t.parquet", zero, &[])[0].starts_with("2: text: the cell holds a NUL byte"));
    let whole = written(vec![("b", Arc::new(StringArray::from(vec!["1", "x"])))]);
    assert!(bench.refuse("t.parquet", &whole[..whole.len() - 9], &[])[0].contains("damaged or cut off"));
}

#[test]
fn nested_values_keep_what_is_missing_in_them() {
    let bench = Bench::new();
    let mut map = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    map.keys().append_value("k");
    map.values().append_value(1);
    map.keys().append_value("x");
    map.values().append_null();
    map.append(true).unwrap();
    map.append(false).unwrap();
    let inner: ArrayRef = Arc::new(Int8Array::from(vec![None, Some(2)]));
    let both = StructArray::from(vec![(Arc::new(Field::new("n", DataType::Int8, true)), inner)]);
    let taken = bench.take("t.parquet", written(vec![("map", Arc::new(map.finish())), ("struct", Arc::new(both))]), &[]);
    assert_eq!(rows(&taken), [["{\"k\":1,\"x\":null}", "{\"n\":null}"], ["∅", "{\"n\":2}"]]);
    let mut numbered = MapBuilder::new(None, Int32Builder::new(), Int32Builder::new());
    numbered.keys().append_value(1);
    numbered.values().append_value(1);
    numbered.append(true).unwrap();
    let told = bench.refuse("t.parquet", written(vec![("map", Arc::new(numbered.finish()))]), &[]);
    assert!(told[0].starts_with("the column `map` holds values that JSON cannot"), "{told:?}");
}

#[test]
fn a_damaged_page_is_a_fault_of_the_file() {
    let bench = Bench::new();
    let mut bytes = written(vec![("n", Arc::new(UInt64Array::from_iter_values(0..1000)))]);
    bytes[4..24].fill(0xFF);
    let told = bench.refuse("t.parquet", bytes, &[]);
    assert!(told.len() == 1 && told[0].starts_with("the Parquet file is damaged"), "{told:?}");
}

#[test]
fn a_decimal_may_have_all_its_digits_behind_the_point() {
    let bench = Bench::new();
    let most = 10_i128.pow(38) - 1;
    let shares = Decimal128Array::from(vec![Some(most), Some(-1), None]).with_precision_and_scale(38, 38).unwrap();
    let taken = bench.take("t.parquet", written(vec![("share", Arc::new(shares))]), &[]);
    assert_eq!((types(&taken), taken.columns[0].scale), (vec!["decimal"], Some(38)));
    let (nines, one) = (format!("0.{}", "9".repeat(38)), format!("-0.{}1", "0".repeat(37)));
    assert_eq!(rows(&taken), [[nines.as_str()], [one.as_str()], ["∅"]]);
}

#[test]
fn our_files_can_be_searched() {
    let bench = Bench::new();
    let content: String = (0..300_000).map(|row| format!("V{row:08},{row},{}\n", row % 7)).collect();
    let taken = bench.take("t.csv", format!("visit_id,n,kind\n{content}"), &columns(&["visit_id", "n", "kind"]));
    let file = SerializedFileReader::new(std::fs::File::open(taken.file.path()).unwrap()).unwrap();
    let groups = file.metadata().row_groups();
    assert_eq!(groups.iter().map(|group| group.num_rows()).collect::<Vec<_>>(), [262_144, 300_000 - 262_144]);
    for group in groups {
        let [id, n, kind] = group.columns() else { panic!("{:?}", group.columns()) };
        assert!(id.bloom_filter_offset().is_some() && n.bloom_filter_offset().is_none());
        assert!([id, n, kind].iter().all(|column| column.statistics().is_some() && column.offset_index_offset().is_some()));
        assert!([id, n, kind].iter().all(|column| column.column_index_offset().is_some()));
    }
    let again = bench.take("t.csv", format!("visit_id,n,kind\n{content}"), &columns(&["visit_id", "n", "kind"]));
    assert!(super::support::bytes(&again) == super::support::bytes(&taken));
}
