//! Numbers put into bands, rounded, held within bounds, and with noise. Whole numbers and decimals are reckoned exactly, in units of
//! their last digit.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Decimal128Array, Float64Array, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Float64Type};
use datafusion::logical_expr::{ColumnarValue, Expr, Volatility, cast as cast_expr, create_udf, ident};

use super::{OWN, Value, fraction};
use crate::catalog::{Amount, units_text};
use crate::crypto::HmacKey;

const DIGITS: u8 = 38;

type Outcome = Result<Value, String>;

/// How a column's numbers are reckoned.
#[derive(Clone, Copy)]
enum Kind {
    /// In units of ten to the power of minus this.
    Units(u32),
    Double,
}

fn kind(data_type: &DataType) -> Result<Kind, String> {
    if let DataType::Decimal128(_, scale) = data_type {
        return u32::try_from(*scale).map(Kind::Units).map_err(|_negative| "cannot reckon with such decimals".to_owned());
    }
    if data_type.is_integer() {
        return Ok(Kind::Units(0));
    }
    if data_type.is_floating() { Ok(Kind::Double) } else { Err(format!("is for numbers, not for {data_type}")) }
}

fn units(amount: Amount, scale: u32) -> Result<i128, String> {
    amount.in_units(scale).ok_or_else(|| format!("cannot use {amount}, which has more digits behind the point than the field"))
}

pub fn band((column, data_type): Value, width: Amount, from: Amount) -> Outcome {
    let name = format!("band_{width}_{from}");
    match kind(&data_type)? {
        Kind::Units(scale) => {
            let (width, from) = (units(width, scale)?, units(from, scale)?);
            Ok(to_text(&name, column, scale, move |value| {
                let low = (value - from).div_euclid(width) * width + from;
                format!("[{},{})", units_text(low, scale), units_text(low + width, scale))
            }))
        }
        Kind::Double => {
            // The edges are exact, as they would be for decimals; only which of them a double lies between is not.
            let scale = width.scale().max(from.scale());
            let (wide, begin) = (units(width, scale)?, units(from, scale)?);
            Ok(double_to_text(&name, column, move |value| {
                let bands = ((value - from.to_f64()) / width.to_f64()).floor() as i128;
                let low = bands.saturating_mul(wide).saturating_add(begin);
                format!("[{},{})", units_text(low, scale), units_text(low.saturating_add(wide), scale))
            }))
        }
    }
}

pub fn bands((column, data_type): Value, edges: &[Amount]) -> Outcome {
    let names: Vec<String> = edges.iter().map(Amount::to_string).collect();
    let name = format!("bands_{}", names.join("_"));
    // How many edges a value has reached says between which two it lies.
    let text = move |reached: usize| {
        let low = reached.checked_sub(1).and_then(|at| names.get(at));
        let sign = if low.is_some() { "[" } else { "(" };
        format!("{sign}{},{})", low.map_or("", String::as_str), names.get(reached).map_or("", String::as_str))
    };
    match kind(&data_type)? {
        Kind::Units(scale) => {
            let edges = edges.iter().map(|edge| units(*edge, scale)).collect::<Result<Vec<_>, _>>()?;
            Ok(to_text(&name, column, scale, move |value| text(edges.partition_point(|edge| *edge <= value))))
        }
        Kind::Double => {
            let edges: Vec<f64> = edges.iter().map(|edge| edge.to_f64()).collect();
            Ok(double_to_text(&name, column, move |value| text(edges.partition_point(|edge| *edge <= value))))
        }
    }
}

pub fn round((column, data_type): Value, to: Amount) -> Outcome {
    let name = format!("round_{to}");
    match kind(&data_type)? {
        Kind::Units(scale) => {
            let to = units(to, scale)?;
            let round = move |value: i128| {
                let (down, rest) = (value / to, value % to);
                let up = if rest.abs() * 2 >= to { rest.signum() } else { 0 };
                (down + up) * to
            };
            Ok(to_units(&name, column, &data_type, scale, move |value, _| round(value)))
        }
        Kind::Double => Ok(to_double(&name, column, move |value, _| (value / to.to_f64()).round() * to.to_f64() + 0.0)),
    }
}

pub fn clamp((column, data_type): Value, min: Option<Amount>, max: Option<Amount>) -> Outcome {
    let shown = |bound: Option<Amount>| bound.map(|bound| bound.to_string()).unwrap_or_default();
    let name = format!("clamp_{}_{}", shown(min), shown(max));
    match kind(&data_type)? {
        Kind::Units(scale) => {
            let min = min.map(|min| units(min, scale)).transpose()?.unwrap_or(i128::MIN);
            let max = max.map(|max| units(max, scale)).transpose()?.unwrap_or(i128::MAX);
            Ok(to_units(&name, column, &data_type, scale, move |value, _| value.max(min).min(max)))
        }
        Kind::Double => {
            let min = min.map_or(f64::NEG_INFINITY, Amount::to_f64);
            let max = max.map_or(f64::INFINITY, Amount::to_f64);
            Ok(to_double(&name, column, move |value, _| value.max(min).min(max)))
        }
    }
}

pub fn noise((column, data_type): Value, scale: f64, field: &str, key: HmacKey) -> Outcome {
    let name = format!("noise_{scale}_{field}");
    let place = field.as_bytes().to_vec();
    let draw = move |mark: &[u8]| laplace(fraction(&key.tag(&[mark, &place].concat()), 0)) * scale;
    match kind(&data_type)? {
        Kind::Units(digits) => {
            let one = 10f64.powi(digits as i32);
            Ok(to_units(&name, column, &data_type, digits, move |value, mark| value.saturating_add((draw(mark) * one).round() as i128)))
        }
        Kind::Double => Ok(to_double(&name, column, move |value, mark| value + draw(mark))),
    }
}

/// The value of the Laplace distribution of scale 1 below which so great a share lies (the inverse of its distribution function).
fn laplace(share: f64) -> f64 {
    // The ends have infinite values: they count as half a step beside.
    let half_a_step = 0.5 / (1u64 << 53) as f64;
    let centred = share - 0.5;
    -centred.signum() * (2.0 * (0.5 - centred.abs()).max(half_a_step)).ln()
}

fn decimals(column: Expr, scale: u32) -> (Expr, DataType) {
    let data_type = DataType::Decimal128(DIGITS, i8::try_from(scale).unwrap_or(i8::MAX));
    (cast_expr(column, data_type.clone()), data_type)
}

fn to_text(name: &str, column: Expr, scale: u32, text: impl Fn(i128) -> String + Send + Sync + 'static) -> Value {
    let (column, from) = decimals(column, scale);
    let run = move |arguments: &[ColumnarValue]| {
        let arrays = ColumnarValue::values_to_arrays(arguments)?;
        let values = arrays.iter().flat_map(|array| array.as_primitive::<Decimal128Type>().iter());
        let texts: StringArray = values.map(|value| value.map(&text)).collect();
        Ok(ColumnarValue::Array(Arc::new(texts) as ArrayRef))
    };
    (create_udf(name, vec![from], DataType::Utf8, Volatility::Immutable, Arc::new(run)).call(vec![column]), DataType::Utf8)
}

fn double_to_text(name: &str, column: Expr, text: impl Fn(f64) -> String + Send + Sync + 'static) -> Value {
    let run = move |arguments: &[ColumnarValue]| {
        let arrays = ColumnarValue::values_to_arrays(arguments)?;
        let values = arrays.iter().flat_map(|array| array.as_primitive::<Float64Type>().iter());
        let texts: StringArray = values.map(|value| value.map(&text)).collect();
        Ok(ColumnarValue::Array(Arc::new(texts) as ArrayRef))
    };
    let function = create_udf(name, vec![DataType::Float64], DataType::Utf8, Volatility::Immutable, Arc::new(run));
    (function.call(vec![cast_expr(column, DataType::Float64)]), DataType::Utf8)
}

/// Numbers of the same type as before, decimals with room for every digit.
fn to_units(
    name: &str,
    column: Expr,
    data_type: &DataType,
    scale: u32,
    change: impl Fn(i128, &[u8]) -> i128 + Send + Sync + 'static,
) -> Value {
    let (column, units) = decimals(column, scale);
    let is_whole = data_type.is_integer();
    let most = if is_whole { i128::from(i64::MAX) } else { 10i128.pow(u32::from(DIGITS)) - 1 };
    let out = units.clone();
    let run = move |arguments: &[ColumnarValue]| {
        let arrays = ColumnarValue::values_to_arrays(arguments)?;
        let (Some(values), Some(marks)) = (arrays.first(), arrays.get(1)) else {
            return datafusion::common::internal_err!("a change of nothing");
        };
        let marks = cast(marks, &DataType::Binary)?;
        let pairs = values.as_primitive::<Decimal128Type>().iter().zip(marks.as_binary::<i32>().iter());
        let changed: Decimal128Array = pairs.map(|(value, mark)| Some(change(value?, mark?).clamp(-most, most))).collect();
        let DataType::Decimal128(digits, scale) = out else { return datafusion::common::internal_err!("no decimals") };
        Ok(ColumnarValue::Array(Arc::new(changed.with_precision_and_scale(digits, scale)?) as ArrayRef))
    };
    let function = create_udf(name, vec![units.clone(), DataType::Binary], units.clone(), Volatility::Immutable, Arc::new(run));
    let changed = function.call(vec![column, ident(OWN)]);
    if is_whole { (cast_expr(changed, DataType::Int64), DataType::Int64) } else { (changed, units) }
}

fn to_double(name: &str, column: Expr, change: impl Fn(f64, &[u8]) -> f64 + Send + Sync + 'static) -> Value {
    let run = move |arguments: &[ColumnarValue]| {
        let arrays = ColumnarValue::values_to_arrays(arguments)?;
        let (Some(values), Some(marks)) = (arrays.first(), arrays.get(1)) else {
            return datafusion::common::internal_err!("a change of nothing");
        };
        let marks = cast(marks, &DataType::Binary)?;
        let pairs = values.as_primitive::<Float64Type>().iter().zip(marks.as_binary::<i32>().iter());
        let changed: Float64Array = pairs.map(|(value, mark)| Some(change(value?, mark?))).collect();
        Ok(ColumnarValue::Array(Arc::new(changed) as ArrayRef))
    };
    let function = create_udf(name, vec![DataType::Float64, DataType::Binary], DataType::Float64, Volatility::Immutable, Arc::new(run));
    (function.call(vec![cast_expr(column, DataType::Float64), ident(OWN)]), DataType::Float64)
}

#[cfg(test)]
mod tests {
    use super::laplace;

    #[test]
    fn noise_has_the_distribution_that_it_says() {
        let many = 100_000;
        let values: Vec<f64> = (0..many).map(|at| laplace((f64::from(at) + 0.5) / f64::from(many))).collect();
        let mean = values.iter().sum::<f64>() / f64::from(many);
        let distance = values.iter().map(|value| value.abs()).sum::<f64>() / f64::from(many);
        assert!(mean.abs() < 1e-6, "{mean}");
        assert!((distance - 1.0).abs() < 1e-3, "{distance}");
        assert!(laplace(0.0).is_finite() && laplace(1.0 - 1e-16).is_finite());
    }
}
