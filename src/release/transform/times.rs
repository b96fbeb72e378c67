//! Dates and moments made coarser or moved.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Date32Array, Int64Array, StringArray, TimestampMicrosecondArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Date32Type, Int64Type, TimeUnit, TimestampMicrosecondType};
use datafusion::functions::datetime::expr_fn::date_part;
use datafusion::logical_expr::{ColumnarValue, Expr, Volatility, cast as cast_expr, create_udf, lit};

use super::Value;
use crate::crypto::HmacKey;

const DAY_MICROSECONDS: i64 = 86_400_000_000;

pub fn year(value: Value) -> Value {
    (part("year", value.0), DataType::Int64)
}

pub fn quarter(value: Value) -> Value {
    of_month("quarter", value, |year, month| format!("{year:04}-Q{}", (month - 1) / 3 + 1))
}

pub fn month(value: Value) -> Value {
    of_month("month", value, |year, month| format!("{year:04}-{month:02}"))
}

pub fn year_band(value: Value, years: i64) -> Value {
    of_month(&format!("years_{years}"), value, move |year, _| {
        let first = year.div_euclid(years) * years;
        format!("{first:04}-{:04}", first + years - 1)
    })
}

fn part(name: &str, column: Expr) -> Expr {
    cast_expr(date_part(lit(name), column), DataType::Int64)
}

/// A text out of a year and a month.
fn of_month(name: &str, value: Value, text: impl Fn(i64, i64) -> String + Send + Sync + 'static) -> Value {
    let write = move |arguments: &[ColumnarValue]| {
        let arrays = ColumnarValue::values_to_arrays(arguments)?;
        let part = |at: usize| {
            arrays.get(at).map(|array| array.as_primitive::<Int64Type>().clone()).unwrap_or(Int64Array::from(Vec::<i64>::new()))
        };
        let (years, months) = (part(0), part(1));
        let texts: StringArray = years.iter().zip(months.iter()).map(|(year, month)| Some(text(year?, month?))).collect();
        Ok(ColumnarValue::Array(Arc::new(texts) as ArrayRef))
    };
    let function = create_udf(name, vec![DataType::Int64, DataType::Int64], DataType::Utf8, Volatility::Immutable, Arc::new(write));
    (function.call(vec![part("year", value.0.clone()), part("month", value.0)]), DataType::Utf8)
}

/// Moves dates by a number of days that the subject's keyed hash says; of a row without a subject nothing is known, and its date goes.
pub fn shift(value: Value, subject: Expr, days: i64, key: HmacKey) -> Value {
    let is_date = value.1 == DataType::Date32;
    let inner = if is_date { DataType::Date32 } else { DataType::Timestamp(TimeUnit::Microsecond, None) };
    let run = move |arguments: &[ColumnarValue]| {
        let arrays = ColumnarValue::values_to_arrays(arguments)?;
        let (Some(times), Some(subjects)) = (arrays.first(), arrays.get(1)) else {
            return datafusion::common::internal_err!("a shift of nothing");
        };
        let subjects = cast(subjects, &DataType::Utf8)?;
        let moves = subjects.as_string::<i32>().iter().map(|subject| Some(moved_by(&key, subject?, days)));
        let moved: ArrayRef = if is_date {
            let dates = times.as_primitive::<Date32Type>().iter();
            Arc::new(dates.zip(moves).map(|(date, by)| date?.checked_add(i32::try_from(by?).ok()?)).collect::<Date32Array>())
        } else {
            let times = times.as_primitive::<TimestampMicrosecondType>().iter();
            Arc::new(times.zip(moves).map(|(time, by)| time?.checked_add(by? * DAY_MICROSECONDS)).collect::<TimestampMicrosecondArray>())
        };
        Ok(ColumnarValue::Array(moved))
    };
    let arguments = vec![inner.clone(), DataType::Utf8];
    let function = create_udf(&format!("shift_{days}"), arguments, inner.clone(), Volatility::Immutable, Arc::new(run));
    let moved = function.call(vec![cast_expr(value.0, inner), subject]);
    (cast_expr(moved, value.1.clone()), value.1)
}

/// From `-days` to `days`, each as likely as the others.
fn moved_by(key: &HmacKey, subject: &str, days: i64) -> i64 {
    let tag = key.tag(format!("shift:{subject}").as_bytes());
    let number = tag.iter().take(8).fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    (number % (2 * days.unsigned_abs() + 1)) as i64 - days
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::MasterKey;

    #[test]
    fn a_subject_moves_by_one_number_of_days() {
        let key = MasterKey::from_hex(&"07".repeat(32)).unwrap().derive("x");
        let moves: Vec<i64> = (0..2000).map(|at| moved_by(&key, &at.to_string(), 3)).collect();
        assert_eq!((moves.iter().min(), moves.iter().max()), (Some(&-3), Some(&3)));
        for by in -3..=3 {
            let often = moves.iter().filter(|one| **one == by).count();
            assert!((200..380).contains(&often), "{by}: {often}");
        }
        assert_eq!(moved_by(&key, "7", 3), moves[7]);
    }
}
