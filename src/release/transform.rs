//! What the transforms of a policy do to values: each rule becomes one expression of the engine over a column of the version.

mod numbers;
mod times;

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BinaryArray, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result as EngineResult;
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarUDF, Volatility, cast as cast_expr, create_udf, ident};

use crate::access::grants::Grant;
use crate::catalog::{Field, PolicyField, ReleaseRule, Sensitivity, Transform};
use crate::crypto::{HmacKey, MasterKey, hex};
use crate::error::{Error, Result};

/// Hexadecimal digits of a pseudonym: 128 bits, so that two values practically never meet.
const PSEUDONYM_CHARS: usize = 32;

/// The column that has the hash of each row by the key of one grant; no field has this name, since names of fields have no spaces around them.
pub(super) const MARK: &str = " mark ";

/// The column that has the hash of each row by the key of a firm and a dataset.
pub(super) const OWN: &str = " own ";

/// Who receives a release.
#[derive(Debug, Clone)]
pub struct Holder {
    /// The application that a grant comes from, or would come from: a release that is tried out for it is the one that the grant gets.
    pub application: String,
    /// The firm.
    pub firm: String,
    /// The dataset.
    pub dataset: String,
}

impl Holder {
    /// Who holds a grant.
    pub fn of(grant: &Grant) -> Self {
        Holder { application: grant.application_id.clone(), firm: grant.firm_id.clone(), dataset: grant.dataset_id.clone() }
    }
}

/// The keys of one receiver. Whatever is secret about its release comes from them.
///
/// Pseudonyms, the order of rows and what is left out are a grant's own, so that no two releases can be joined by them, and each can be told.
/// Noise, moved dates and the sample are a firm's own for a dataset: with several grants it learns nothing more of the true values.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    pseudonyms: HmacKey,
    rows: HmacKey,
    subjects: HmacKey,
    noise: HmacKey,
}

impl Keys {
    /// The keys of a receiver.
    pub fn of(master: &MasterKey, receiver: &Holder) -> Self {
        let Holder { application, firm, dataset } = receiver;
        Keys {
            pseudonyms: master.derive(&format!("pseudonym:{application}")),
            rows: master.derive(&format!("order:{application}")),
            subjects: master.derive(&format!("subject:{firm}:{dataset}")),
            noise: master.derive(&format!("noise:{firm}:{dataset}")),
        }
    }
}

/// The keyed hashes of a row by these columns, 32 bytes each, by the grant's key and by the firm's: what is decided for a row by chance is
/// decided by them, and so at each making anew in the same way.
pub(super) fn marks(columns: &[(String, DataType)], keys: &Keys) -> [Expr; 2] {
    let texts: Vec<Expr> = columns.iter().map(|(name, data_type)| as_text(ident(name), data_type)).collect();
    [("row_mark", keys.rows.clone()), ("own_mark", keys.noise.clone())].map(|(name, key)| {
        let hash = move |columns: &[&StringArray], row: usize| Some(key.tag(joined(columns, row).as_bytes()));
        bytes_function(name, texts.len(), hash).call(texts.clone())
    })
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
pub(super) fn expression(
    field: &Field,
    leaving: &PolicyField,
    rule: &ReleaseRule,
    columns: &[(String, DataType)],
    keys: &Keys,
) -> Result<(Expr, DataType)> {
    let direct = leaving.sensitivity == Sensitivity::Direct;
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
            Transform::Keep
            | Transform::Drop
            | Transform::Pseudonym
            | Transform::Year
            | Transform::Quarter
            | Transform::Month
            | Transform::YearBand { .. }
            | Transform::Area { .. }
            | Transform::Truncate { .. }
            | Transform::Mask { .. }
            | Transform::Band { .. }
            | Transform::Bands { .. }
            | Transform::Taxonomy { .. }
            | Transform::Round { .. }
            | Transform::Clamp { .. } => plain_step(value, step, direct, keys).map_err(|cause| misfit(field, step, &cause))?,
        };
    }
    Ok(value)
}

fn misfit(field: &Field, step: &Transform, cause: &str) -> Error {
    Error::Conflict(format!("the field `{}`: `{}` {cause}; have the dataset's entry mended", field.name, step.name()))
}

type Value = (Expr, DataType);

fn plain_step(value: Value, step: &Transform, direct: bool, keys: &Keys) -> std::result::Result<Value, String> {
    let text = |function: ScalarUDF, value: &Value| (function.call(vec![as_text(value.0.clone(), &value.1)]), DataType::Utf8);
    Ok(match step {
        Transform::Keep => value,
        Transform::Drop => return Err("leaves nothing to release".to_owned()),
        Transform::Pseudonym => {
            let key = keys.pseudonyms.clone();
            text(of_text("pseudonym", move |text| key.hex(text.as_bytes())[..PSEUDONYM_CHARS].to_owned()), &value)
        }
        Transform::Area { level } => text(first_chars(level.digits(), direct), &value),
        Transform::Truncate { chars } => text(first_chars(*chars, direct), &value),
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

/// The first characters of a text. Of a direct identifier nothing is left where too little of it would be hidden.
fn first_chars(chars: u32, direct: bool) -> ScalarUDF {
    let chars = chars as usize;
    text_function(&format!("first_{chars}_{direct}"), 1, move |columns, row| {
        let text = columns.first().filter(|column| column.is_valid(row))?.value(row);
        let shown = !direct || hides_enough(text.chars().count(), chars);
        shown.then(|| text.chars().take(chars).collect())
    })
}

/// Whether a third or more of a text is hidden when so many of its characters are kept.
fn hides_enough(count: usize, kept: usize) -> bool {
    count > kept && (count - kept) * 2 >= kept
}

/// The first and last characters as they are, and a sign for each one between; nothing shows where too little would be hidden.
fn masked(text: &str, first: usize, last: usize, with: char) -> String {
    let count = text.chars().count();
    let enough = hides_enough(count, first + last);
    let shown = |at: usize| enough && (at < first || at >= count - last);
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
    columns.iter().fold(String::new(), |mut text, column| {
        if column.is_valid(row) {
            let value = column.value(row);
            text += &value.len().to_string();
            text.push(':');
            text += value;
        } else {
            text.push('-');
        }
        text
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

/// A function of several texts of one row. The engine tells two of them apart by what they do, whatever their names.
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
        for (text, wanted) in [
            ("13812345678", "138****5678"),
            ("1234567", "*******"),
            ("", ""),
            ("王小明明明明明明", "********"),
            ("310104198203170015", "310***********0015"),
        ] {
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
