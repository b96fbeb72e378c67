//! Profiles against a naive computation over random tables.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::record_batch::RecordBatch;

use super::{ColumnProfile, QUANTILES, TOP};
use crate::intake::value::DECIMAL_DIGITS;
use crate::intake::{Declared, FieldType, Profile, Profiler};

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    /// One in ten is missing.
    fn some<T>(&mut self, value: impl Fn(&mut Self) -> T) -> Option<T> {
        (self.below(10) > 0).then(|| value(self))
    }
}

fn declared(name: &str, field_type: FieldType) -> Declared {
    Declared { name: name.to_owned(), field_type: Some(field_type), scale: Some(2), ..Declared::default() }
}

/// The profile of one column that comes in batches of unequal size.
fn profile(declared: &Declared, array: &ArrayRef) -> Profile {
    let mut profiler = Profiler::new(std::slice::from_ref(declared));
    let (mut at, mut size) = (0, 1);
    while at < array.len() {
        let length = size.min(array.len() - at);
        profiler.observe(&RecordBatch::try_from_iter([("c", array.slice(at, length))]).unwrap());
        (at, size) = (at + length, size % 8000 * 3 + 1);
    }
    profiler.finish()
}

fn only(profile: Profile) -> ColumnProfile {
    profile.columns.into_iter().next().unwrap()
}

/// The counts and the frequent values, from the values as they are written.
fn check_counts(found: &ColumnProfile, written: &[Option<String>]) {
    let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
    written.iter().flatten().for_each(|value| *counts.entry(value).or_default() += 1);
    assert_eq!(found.nulls, written.iter().filter(|value| value.is_none()).count() as i64);
    if counts.len() <= 1024 {
        assert_eq!((found.distinct, found.distinct_exact), (counts.len() as i64, true));
        let mut top: Vec<(&str, i64)> = counts.into_iter().collect();
        top.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let listed: Vec<(&str, i64)> = found.top.iter().map(|top| (top.value.as_str(), top.count)).collect();
        assert_eq!(listed, top[..top.len().min(TOP)]);
    } else {
        assert!((found.distinct as f64 / counts.len() as f64 - 1.0).abs() < 0.02, "{} {}", found.distinct, counts.len());
        assert!(!found.distinct_exact && found.top.is_empty());
    }
}

/// Range, mean, quantiles and histogram, from the values as numbers.
fn check_numbers(found: &ColumnProfile, numbers: &[f64], has_mean: bool) {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let count = numbers.len() as f64;
    assert_eq!(found.histogram.iter().map(|bin| bin.count).sum::<i64>(), numbers.len() as i64);
    let (low, high) = (found.histogram.first().unwrap().low, found.histogram.last().unwrap().high);
    assert!(low <= sorted[0] + 1e-9 && high + 1e-9 >= *sorted.last().unwrap(), "{low} {high}");
    for (at, bin) in found.histogram.iter().enumerate() {
        let last = at + 1 == found.histogram.len();
        let truth = numbers.iter().filter(|number| **number >= bin.low && (**number < bin.high || (last && **number == bin.high))).count();
        assert!((bin.count as f64 - truth as f64).abs() / count < 0.01, "{bin:?} {truth}");
    }
    if has_mean {
        let mean = numbers.iter().sum::<f64>() / count;
        assert!((found.mean.unwrap() - mean).abs() <= mean.abs() * 1e-9, "{:?} {mean}", found.mean);
        for (share, value) in QUANTILES.iter().zip(&found.quantiles) {
            let (below, until) = (sorted.partition_point(|number| number < value), sorted.partition_point(|number| number <= value));
            let off = (below as f64 / count - share).max(share - until as f64 / count);
            assert!(off < 0.01, "{share}: {value} is between {below} and {until} of {count}");
        }
    } else {
        assert!(found.mean.is_none() && found.quantiles.is_empty());
    }
}

#[test]
fn whole_numbers() {
    for (seed, rows, bound) in [(1, 10, 5), (2, 3000, 900), (3, 50_000, 1 << 30), (4, 200_000, 15), (5, 700_000, 40_000)] {
        let mut random = Random(seed);
        let values: Vec<Option<i64>> = (0..rows).map(|_| random.some(|random| random.below(bound) as i64 - 7)).collect();
        let found = only(profile(&declared("c", FieldType::Integer), &(Arc::new(Int64Array::from(values.clone())) as ArrayRef)));
        check_counts(&found, &values.iter().map(|value| value.map(|value| value.to_string())).collect::<Vec<_>>());
        let numbers: Vec<f64> = values.iter().flatten().map(|value| *value as f64).collect();
        check_numbers(&found, &numbers, true);
        assert_eq!(found.min, values.iter().flatten().min().map(ToString::to_string));
        assert_eq!(found.max, values.iter().flatten().max().map(ToString::to_string));
    }
}

#[test]
fn decimals_and_doubles() {
    let mut random = Random(11);
    let cents: Vec<Option<i128>> = (0..100_000).map(|_| random.some(|random| i128::from(random.below(1 << 20)) - 1000)).collect();
    let array = Decimal128Array::from(cents.clone()).with_precision_and_scale(DECIMAL_DIGITS, 2).unwrap();
    let found = only(profile(&declared("c", FieldType::Decimal), &(Arc::new(array) as ArrayRef)));
    let numbers: Vec<f64> = cents.iter().flatten().map(|value| *value as f64 / 100.0).collect();
    check_numbers(&found, &numbers, true);
    let least = cents.iter().flatten().min().unwrap();
    assert_eq!(found.min.unwrap(), format!("-{}.{:02}", -least / 100, -least % 100));

    let doubles: Vec<Option<f64>> =
        (0..100_000).map(|_| random.some(|random| (random.below(1 << 30) as f64 / 1e9).powi(5) - 0.25)).collect();
    let found = only(profile(&declared("c", FieldType::Number), &(Arc::new(Float64Array::from(doubles.clone())) as ArrayRef)));
    check_counts(&found, &doubles.iter().map(|value| value.map(|value| value.to_string())).collect::<Vec<_>>());
    let numbers: Vec<f64> = doubles.iter().flatten().copied().collect();
    check_numbers(&found, &numbers, true);
    let least = numbers.iter().copied().fold(f64::INFINITY, f64::min);
    assert_eq!(found.min, Some(least.to_string()));
}

#[test]
fn large_decimals_stay_exact_and_strange_doubles_do_no_harm() {
    let large = 10i128.pow(38) - 1;
    let array = Decimal128Array::from(vec![large, -large, 0]).with_precision_and_scale(DECIMAL_DIGITS, 2).unwrap();
    let found = only(profile(&declared("c", FieldType::Decimal), &(Arc::new(array) as ArrayRef)));
    assert_eq!(found.max, Some(format!("{}.99", "9".repeat(36))));
    assert_eq!((found.distinct, found.mean), (3, Some(0.0)));

    let strange = vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, f64::MAX, f64::MIN, f64::NAN];
    let found = only(profile(&declared("c", FieldType::Number), &(Arc::new(Float64Array::from(strange)) as ArrayRef)));
    assert_eq!((found.distinct, found.nulls), (6, 0));
    assert_eq!(found.histogram.iter().map(|bin| bin.count).sum::<i64>(), 4);
    assert!(found.histogram.iter().all(|bin| bin.low.is_finite() && bin.high.is_finite() && bin.low < bin.high), "{:?}", found.histogram);
    assert_eq!((found.min, found.max), (Some(f64::MIN.to_string()), Some(f64::MAX.to_string())));

    // What a sum cannot hold has no mean, and what is kept can be read again.
    let large = Float64Array::from(vec![-1e308, 1e308, 1e308, 1e308, 0.0]);
    let found = only(profile(&declared("c", FieldType::Number), &(Arc::new(large) as ArrayRef)));
    assert_eq!(found.mean, None);
    let kept = serde_json::to_string(&found).unwrap();
    assert_eq!(serde_json::from_str::<ColumnProfile>(&kept).unwrap().histogram.len(), found.histogram.len());
}

#[test]
fn days_moments_booleans_and_shapes() {
    let mut random = Random(21);
    let days: Vec<Option<i32>> = (0..20_000).map(|_| random.some(|random| random.below(5000) as i32 + 15_000)).collect();
    let found = only(profile(&declared("c", FieldType::Date), &(Arc::new(Date32Array::from(days.clone())) as ArrayRef)));
    check_numbers(&found, &days.iter().flatten().map(|day| f64::from(*day)).collect::<Vec<_>>(), false);
    assert_eq!(found.min.as_deref(), Some("2011-01-26"));

    let moments: Vec<Option<i64>> = (0..20_000).map(|_| random.some(|random| random.below(1 << 40) as i64 * 1000)).collect();
    let array = TimestampMicrosecondArray::from(moments.clone());
    let found = only(profile(&declared("c", FieldType::Datetime), &(Arc::new(array) as ArrayRef)));
    check_numbers(&found, &moments.iter().flatten().map(|micros| *micros as f64 / 86_400e6).collect::<Vec<_>>(), false);

    let booleans = BooleanArray::from(vec![Some(true), None, Some(true), Some(false)]);
    let found = only(profile(&declared("c", FieldType::Boolean), &(Arc::new(booleans) as ArrayRef)));
    assert_eq!((found.distinct, found.nulls), (2, 1));
    assert_eq!((found.min.as_deref(), found.max.as_deref()), (Some("false"), Some("true")));
    assert_eq!(found.top.iter().map(|top| (top.value.as_str(), top.count)).collect::<Vec<_>>(), [("true", 2), ("false", 1)]);

    let shapes = BinaryArray::from(vec![Some(b"one".as_slice()), None, Some(b"two"), Some(b"one")]);
    let found = only(profile(&declared("c", FieldType::Geometry), &(Arc::new(shapes) as ArrayRef)));
    assert_eq!((found.distinct, found.nulls, found.min, found.top.len()), (2, 1, None, 0));
}

#[test]
fn texts() {
    for (seed, rows, bound) in [(31, 10, 4), (32, 5000, 1000), (33, 60_000, 1 << 30), (34, 60_000, 30)] {
        let mut random = Random(seed);
        let word = |random: &mut Random| match random.below(3) {
            0 => format!("上海{}", random.below(bound)),
            1 => format!("V2025-{:06}", random.below(bound)),
            _ => "字".repeat(random.below(40) as usize + 1),
        };
        let values: Vec<Option<String>> = (0..rows).map(|_| random.some(word)).collect();
        let found = only(profile(&declared("c", FieldType::String), &(Arc::new(StringArray::from(values.clone())) as ArrayRef)));
        check_counts(&found, &values);
        assert_eq!(found.min.as_ref(), values.iter().flatten().min());
        assert_eq!(found.max.as_ref(), values.iter().flatten().max());
        let lengths: Vec<i64> = values.iter().flatten().map(|value| value.chars().count() as i64).collect();
        let length = found.length.unwrap();
        assert_eq!((length.min, length.max), (*lengths.iter().min().unwrap(), *lengths.iter().max().unwrap()));
        assert!((length.mean - lengths.iter().sum::<i64>() as f64 / lengths.len() as f64).abs() < 1e-9);
    }
}

#[test]
fn long_texts_are_cut_and_need_no_memory() {
    let long: Vec<String> = (0..200).map(|number| format!("{number:03}{}", "长".repeat(5000))).collect();
    let found = only(profile(&declared("c", FieldType::String), &(Arc::new(StringArray::from(long)) as ArrayRef)));
    assert_eq!((found.distinct, found.distinct_exact, found.top.len()), (200, true, 0));
    assert_eq!(found.max, Some(format!("199{}…", "长".repeat(197))));
    assert_eq!(found.length.map(|length| length.max), Some(5003));
}

#[test]
fn an_empty_table_has_a_profile() {
    let empty = profile(&declared("c", FieldType::Integer), &(Arc::new(Int64Array::from(vec![None, None])) as ArrayRef));
    assert_eq!(empty.row_count, 2);
    let found = only(empty);
    assert_eq!((found.nulls, found.distinct, found.min, found.mean), (2, 0, None, None));
    assert!(found.histogram.is_empty() && found.quantiles.is_empty());
    let found = only(profile(&declared("c", FieldType::String), &(Arc::new(StringArray::from(vec![None::<&str>])) as ArrayRef)));
    assert_eq!((found.nulls, found.length), (1, None));
}

#[test]
fn a_personal_column_keeps_no_value() {
    let ages: ArrayRef = Arc::new(Int64Array::from(vec![371, 371, 984]));
    let words: ArrayRef = Arc::new(StringArray::from(vec!["糖尿病", "糖尿病", "高血压"]));
    for personal in [true, false] {
        let numbers = profile(&Declared { personal, ..declared("c", FieldType::Integer) }, &ages);
        let texts = profile(&Declared { personal, ..declared("c", FieldType::String) }, &words);
        let text = format!("{}{}", serde_json::to_string(&numbers).unwrap(), serde_json::to_string(&texts).unwrap());
        for value in ["371", "984", "糖尿病", "高血压"] {
            assert_eq!(text.contains(value), !personal, "{value}: {text}");
        }
        assert_eq!((only(numbers).distinct, only(texts).distinct), (2, 2));
    }
}

#[test]
fn it_may_move_between_threads() {
    fn moves<T: Send>(_: T) {}
    moves(Profiler::new(&[declared("c", FieldType::String)]));
}
