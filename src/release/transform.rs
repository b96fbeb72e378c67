//! What the transforms of a policy do to values: each rule becomes one expression of the engine over a column of the version.

mod numbers;
mod times;

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BinaryArray, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result as EngineResult;
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarUDF, Volatility, cast as cast_expr, create_udf, ident};

use crate::catalog::{Field, ReleaseRule, Transform};
use crate::crypto::{HmacKey, MasterKey, hex};
use crate::error::{Error, Result};

/// Hexadecimal digits of a pseudonym: 128 bits, so that two values practically never meet.
const PSEUDONYM_CHARS: usize = 32;

/// The column that has the keyed hash of each row; no field has this name, since names of fields have no spaces around them.
pub(super) const MARK: &str = " mark ";

/// The keys of one receiver. Whatever is secret about its release comes from them.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    pseudonyms: HmacKey,
    rows: HmacKey,
    subjects: HmacKey,
    noise: HmacKey,
}

impl Keys {
    /// The keys of a receiver: two receivers have no key in common.
    pub fn of(master: &MasterKey, receiver: &str) -> Self {
        Keys {
            pseudonyms: master.derive(&format!("pseudonym:{receiver}")),
            rows: master.derive(&format!("order:{receiver}")),
            subjects: master.derive(&format!("subject:{receiver}")),
            noise: master.derive(&format!("noise:{receiver}")),
        }
    }
}

/// The keyed hash of a whole row, 32 bytes: what is decided for a row by chance is decided by it, and so at each making anew in the same way.
pub(super) fn mark(columns: &[(String, DataType)], keys: &Keys) -> Expr {
    let texts: Vec<Expr> = columns.iter().map(|(name, data_type)| as_text(ident(name), data_type)).collect();
    let key = keys.rows.clone();
    let hash = move |columns: &[&StringArray], row: usize| Some(key.tag(joined(columns, row).as_bytes()));
    bytes_function("row_mark", texts.len(), hash).call(texts)
}

/// Whether a row belongs to the share that a mark of it picks: `place` is which eight bytes of the mark decide.
pub(super) fn picked(mark: &str, place: usize, share: f64) -> Expr {
    let decide = move |arguments: &[ColumnarValue]| {
        let arrays = ColumnarValue::values_to_arrays(arguments)?;
        let marks = arrays.first().map(|marks| cast(marks, &DataType::Binary)).transpose()?;
        let picks = marks.iter().flat_map(|marks| marks.as_binary::<i32>().iter());
        let picks: datafusion::arrow::array::BooleanArray = picks.map(|mark| Some(fraction(mark?, place) < share)).collect();
        Ok(ColumnarValue::Array(Arc::new(picks) as ArrayRef))
    };
    let name = format!("picked_{place}_{share}");
    create_udf(&name, vec![DataType::Binary], DataType::Boolean, Volatility::Immutable, Arc::new(decide)).call(vec![ident(mark)])
}

/// The keyed hash of a subject, from which its sample is drawn.
pub(super) fn subject_mark(subject: &str, data_type: &DataType, keys: &Keys) -> Expr {
    let key = keys.subjects.clone();
    let hash = move |columns: &[&StringArray], row: usize| Some(key.tag(format!("sample:{}", joined(columns, row)).as_bytes()));
    bytes_function("subject_mark", 1, hash).call(vec![as_text(ident(subject), data_type)])
}

/// A number from 0 to 1 out of eight bytes of a hash.
fn fraction(mark: &[u8], place: usize) -> f64 {
    let bytes = mark.get(place * 8..place * 8 + 8).and_then(|bytes| <[u8; 8]>::try_from(bytes).ok()).unwrap_or_default();
    (u64::from_be_bytes(bytes) >> 11) as f64 / (1u64 << 53) as f64
}

/// Columns as one text, from which nothing else can be read: rows that are alike have the same one.
pub(super) fn group_key(columns: &[(Expr, DataType)]) -> Expr {
    let texts: Vec<Expr> = columns.iter().map(|(column, data_type)| as_text(column.clone(), data_type)).collect();
    let join = |columns: &[&StringArray], row: usize| Some(joined(columns, row));
    text_function("group_key", texts.len(), join).call(texts)
}

/// A rule as an expression over the column of a field, and the type that it gives.
///
/// # Errors
/// When the rule does not fit the column's type.
pub(super) fn expression(field: &Field, rule: &ReleaseRule, columns: &[(String, DataType)], keys: &Keys) -> Result<(Expr, DataType)> {
    let known = |name: &str| columns.iter().find(|(column, _)| column == name).map(|(_, data_type)| data_type.clone());
    let data_type = known(&field.name).ok_or_else(|| Error::internal(anyhow::anyhow!("a release of a column that is not there")))?;
    let mut value = (ident(&field.name), data_type);
    for step in rule.steps() {
        value = match step {
            Transform::ShiftDays { subject, days } => {
                let subject_type = known(subject).ok_or_else(|| Error::Conflict(format!("this version has no field `{subject}`")))?;
                let subject = as_text(ident(subject), &subject_type);
                times::shift(value, subject, i64::from(*days), keys.subjects.clone())
            }
            Transform::Noise { scale } => {
                numbers::noise(value, scale.to_f64(), &field.name, keys.noise.clone()).map_err(|cause| misfit(field, step, &cause))?
            }
            step => plain_step(value, step, keys).map_err(|cause| misfit(field, step, &cause))?,
        };
    }
    Ok(value)
}

fn misfit(field: &Field, step: &Transform, cause: &str) -> Error {
    Error::Conflict(format!("the field `{}`: `{}` {cause}; have the dataset's entry mended", field.name, step.name()))
}

type Value = (Expr, DataType);

fn plain_step(value: Value, step: &Transform, keys: &Keys) -> std::result::Result<Value, String> {
    let text = |function: ScalarUDF, value: &Value| (function.call(vec![as_text(value.0.clone(), &value.1)]), DataType::Utf8);
    Ok(match step {
        Transform::Keep => value,
        Transform::Drop => return Err("leaves nothing to release".to_owned()),
        Transform::Pseudonym => {
            let key = keys.pseudonyms.clone();
            text(of_text("pseudonym", move |text| key.hex(text.as_bytes())[..PSEUDONYM_CHARS].to_owned()), &value)
        }
        Transform::Area { level } => text(first_chars(level.digits()), &value),
        Transform::Truncate { chars } => text(first_chars(*chars), &value),
        Transform::Mask { first, last, with } => {
            let (first, last, with) = (*first as usize, *last as usize, *with);
            text(of_text(&format!("mask_{first}_{last}_{with}"), move |text| masked(text, first, last, with)), &value)
        }
        Transform::Taxonomy { values, other } => {
            let (values, other) = (values.clone(), other.clone());
            text(of_text("taxonomy", move |text| values.get(text).unwrap_or(&other).clone()), &value)
        }
        Transform::Year => times::year(value),
        Transform::Quarter => times::quarter(value),
        Transform::Month => times::month(value),
        Transform::YearBand { years } => times::year_band(value, i64::from(*years)),
        Transform::Band { width, from } => numbers::band(value, *width, *from)?,
        Transform::Bands { edges } => numbers::bands(value, edges)?,
        Transform::Round { to } => numbers::round(value, *to)?,
        Transform::Clamp { min, max } => numbers::clamp(value, *min, *max)?,
        Transform::ShiftDays { .. } | Transform::Noise { .. } => return Err("stands in the wrong place".to_owned()),
    })
}

fn first_chars(chars: u32) -> ScalarUDF {
    of_text(&format!("first_{chars}"), move |text| text.chars().take(chars as usize).collect())
}

/// The first and last characters as they are, and a sign for each one between; nothing shows of a text that has no more than these.
fn masked(text: &str, first: usize, last: usize, with: char) -> String {
    let count = text.chars().count();
    let shown = |at: usize| count > first + last && (at < first || at >= count - last);
    text.chars().enumerate().map(|(at, character)| if shown(at) { character } else { with }).collect()
}

/// A column as the text that is hashed; of shapes, their bytes in hexadecimal.
pub(super) fn as_text(column: Expr, data_type: &DataType) -> Expr {
    if *data_type == DataType::Utf8 {
        return column;
    }
    if !data_type.is_binary() {
        return cast_expr(column, DataType::Utf8);
    }
    let to_hex = |arguments: &[ColumnarValue]| {
        let arrays = ColumnarValue::values_to_arrays(arguments)?;
        let texts: StringArray = match arrays.first() {
            Some(bytes) => cast(bytes, &DataType::Binary)?.as_binary::<i32>().iter().map(|bytes| bytes.map(hex)).collect(),
            None => StringArray::from(Vec::<String>::new()),
        };
        Ok(ColumnarValue::Array(Arc::new(texts) as ArrayRef))
    };
    create_udf("hex_of_bytes", vec![DataType::Binary], DataType::Utf8, Volatility::Immutable, Arc::new(to_hex))
        .call(vec![cast_expr(column, DataType::Binary)])
}

/// Several values of a row as one text, with their lengths before them, so that no two rows run into the same text.
fn joined(columns: &[&StringArray], row: usize) -> String {
    columns.iter().fold(String::new(), |text, column| match column.is_valid(row) {
        true => format!("{text}{}:{}", column.value(row).len(), column.value(row)),
        false => text + "-",
    })
}

/// A function of one text; a missing value stays missing.
fn of_text(name: &str, function: impl Fn(&str) -> String + Send + Sync + 'static) -> ScalarUDF {
    text_function(name, 1, move |columns, row| {
        let column = columns.first().filter(|column| column.is_valid(row))?;
        Some(function(column.value(row)))
    })
}

type RowFunction<T> = dyn Fn(&[&StringArray], usize) -> Option<T> + Send + Sync;

fn text_function(
    name: &str,
    arguments: usize,
    function: impl Fn(&[&StringArray], usize) -> Option<String> + Send + Sync + 'static,
) -> ScalarUDF {
    row_function(name, arguments, DataType::Utf8, Box::new(function), |values| Arc::new(values.into_iter().collect::<StringArray>()))
}

fn bytes_function(
    name: &str,
    arguments: usize,
    function: impl Fn(&[&StringArray], usize) -> Option<[u8; 32]> + Send + Sync + 'static,
) -> ScalarUDF {
    row_function(name, arguments, DataType::Binary, Box::new(function), |values| Arc::new(values.into_iter().collect::<BinaryArray>()))
}

/// A function of several texts of one row. Each has a name of its own, since the engine takes two of one name for the same.
fn row_function<T: 'static>(
    name: &str,
    arguments: usize,
    to: DataType,
    function: Box<RowFunction<T>>,
    collect: fn(Vec<Option<T>>) -> ArrayRef,
) -> ScalarUDF {
    let run = move |arguments: &[ColumnarValue]| -> EngineResult<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(arguments)?;
        let columns = arrays.iter().map(|array| cast(array, &DataType::Utf8)).collect::<std::result::Result<Vec<_>, _>>()?;
        let columns: Vec<&StringArray> = columns.iter().map(|column| column.as_string::<i32>()).collect();
        let rows = columns.first().map_or(0, |column| column.len());
        Ok(ColumnarValue::Array(collect((0..rows).map(|row| function(&columns, row)).collect())))
    };
    create_udf(name, vec![DataType::Utf8; arguments], to, Volatility::Immutable, Arc::new(run))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_hide_short_texts_whole() {
        for (text, wanted) in [("13812345678", "138****5678"), ("1234567", "*******"), ("", ""), ("王小明明明明明明", "王小明*明明明明")]
        {
            assert_eq!(masked(text, 3, 4, '*'), wanted, "{text}");
        }
        assert_eq!(masked("abc", 0, 0, 'x'), "xxx");
    }

    #[test]
    fn rows_never_run_into_one_another() {
        let column = |values: Vec<Option<&str>>| StringArray::from(values);
        let (a, b) = (column(vec![Some("1:"), Some("1"), None]), column(vec![Some("a"), Some(":a"), Some("")]));
        let texts: Vec<String> = (0..3).map(|row| joined(&[&a, &b], row)).collect();
        assert_ne!(texts[0], texts[1]);
        assert_eq!(texts[2], "-0:");
    }

    #[test]
    fn fractions_lie_between_nothing_and_one() {
        assert_eq!(fraction(&[0; 32], 3), 0.0);
        let most = fraction(&[255; 32], 0);
        assert!(most < 1.0 && most > 0.999_999);
    }
}
