//! What has to hold of a row, put together from parts. Nothing of it ever becomes SQL. What is said of the number alone becomes the
//! range of rows that are read.

use std::ops::Range;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::functions::string::expr_fn::concat_ws;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, cast, lit};
use serde_json::Value;

use super::{NUMBER, column};
use crate::catalog::{Field, FieldType, example_of, unknown_field, value_of};
use crate::error::{Error, Result};

/// How deep parts may stand within one another.
const MAX_DEPTH: usize = 20;

/// How many parts there may be in all.
const MAX_PARTS: usize = 1000;

/// How many values a list may have.
const MAX_LIST: usize = 1000;

/// The longest text that is looked for.
const MAX_TEXT: usize = 1000;

/// How values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// The same.
    Equal,
    /// Smaller.
    Less,
    /// Not larger.
    LessOrEqual,
    /// Larger.
    Greater,
    /// Not smaller.
    GreaterOrEqual,
}

/// A condition.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// All of these.
    All(Vec<Filter>),
    /// One of these.
    Any(Vec<Filter>),
    /// Not this.
    Not(Box<Filter>),
    /// A field, compared with a value; equal to null is missing.
    Compare {
        /// The field, or [`NUMBER`].
        field: String,
        /// How.
        comparison: Comparison,
        /// With what.
        value: Value,
    },
    /// A field has one of these values; null is missing.
    OneOf {
        /// The field, or [`NUMBER`].
        field: String,
        /// The values.
        values: Vec<Value>,
    },
    /// A text stands in a field, or in any; upper and lower case are the same.
    Holds {
        /// The field; any without one.
        field: Option<String>,
        /// The text.
        text: String,
    },
}

fn wrong(detail: impl Into<String>) -> Error {
    Error::invalid("filters", detail)
}

/// Which of so many rows the filters are about, from 0 on, and what else has to hold.
pub(super) fn plan(filters: &[Filter], fields: &[Field], rows: u64) -> Result<(Range<u64>, Option<Expr>)> {
    let mut parts = 0;
    filters.iter().try_for_each(|filter| measure(filter, 0, &mut parts))?;
    let (mut range, mut rest) = (0..rows, Vec::new());
    let mut open: Vec<&Filter> = filters.iter().rev().collect();
    while let Some(filter) = open.pop() {
        match filter {
            Filter::All(all) => open.extend(all.iter().rev()),
            Filter::Compare { field, comparison, value } if field == NUMBER && !value.is_null() => {
                range = narrower(range, *comparison, number(value)?);
            }
            Filter::Any(_) | Filter::Not(_) | Filter::Compare { .. } | Filter::OneOf { .. } | Filter::Holds { .. } => {
                rest.push(expression(filter, fields)?);
            }
        }
    }
    range.end = range.end.max(range.start);
    Ok((range, (!rest.is_empty()).then(|| joined(&rest, Operator::And))))
}

fn measure(filter: &Filter, depth: usize, parts: &mut usize) -> Result<()> {
    *parts += 1;
    if depth > MAX_DEPTH {
        return Err(wrong(format!("parts stand more than {MAX_DEPTH} deep within one another")));
    }
    if *parts > MAX_PARTS {
        return Err(wrong(format!("there are more than {MAX_PARTS} parts")));
    }
    match filter {
        Filter::All(some) | Filter::Any(some) => some.iter().try_for_each(|filter| measure(filter, depth + 1, parts)),
        Filter::Not(one) => measure(one, depth + 1, parts),
        Filter::Compare { .. } | Filter::OneOf { .. } | Filter::Holds { .. } => Ok(()),
    }
}

/// The rows of a range whose numbers compare so with `number`. The row at 0 has the number 1.
fn narrower(range: Range<u64>, comparison: Comparison, number: i64) -> Range<u64> {
    let at = |number: i64| u64::try_from(number).unwrap_or(0);
    let (from, to) = match comparison {
        Comparison::Equal => (at(number.saturating_sub(1)), at(number)),
        Comparison::Less => (0, at(number.saturating_sub(1))),
        Comparison::LessOrEqual => (0, at(number)),
        Comparison::Greater => (at(number), u64::MAX),
        Comparison::GreaterOrEqual => (at(number.saturating_sub(1)), u64::MAX),
    };
    range.start.max(from)..range.end.min(to)
}

fn number(value: &Value) -> Result<i64> {
    let found = value.as_i64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
    found.ok_or_else(|| wrong(format!("`{value}` is no value for `{NUMBER}`, which is a whole number")))
}

/// Conditions with an operator between them, as a tree that is not deep however many there are.
fn joined(parts: &[Expr], operator: Operator) -> Expr {
    match parts {
        [] => lit(operator == Operator::And),
        [one] => one.clone(),
        many => {
            let (left, right) = many.split_at(many.len() / 2);
            let (left, right) = (Box::new(joined(left, operator)), Box::new(joined(right, operator)));
            Expr::BinaryExpr(BinaryExpr::new(left, operator, right))
        }
    }
}

fn expression(filter: &Filter, fields: &[Field]) -> Result<Expr> {
    let all = |some: &[Filter]| some.iter().map(|filter| expression(filter, fields)).collect::<Result<Vec<Expr>>>();
    match filter {
        Filter::All(some) => Ok(joined(&all(some)?, Operator::And)),
        Filter::Any(some) => Ok(joined(&all(some)?, Operator::Or)),
        Filter::Not(one) => Ok(Expr::Not(Box::new(expression(one, fields)?))),
        Filter::Compare { field, comparison, value } => compare(find(field, fields)?, *comparison, value),
        Filter::OneOf { field, values } => one_of(find(field, fields)?, values),
        Filter::Holds { field, text } => {
            let within: Vec<&Field> = match field {
                Some(field) => vec![find(field, fields).map_err(|_unknown| Error::invalid("q", unknown_field(field, fields)))?],
                None => fields.iter().filter(|field| field.name != NUMBER).collect(),
            };
            holds(&within, text)
        }
    }
}

fn find<'a>(name: &str, fields: &'a [Field]) -> Result<&'a Field> {
    fields.iter().find(|field| field.name == name).ok_or_else(|| wrong(unknown_field(name, fields)))
}

fn compare(field: &Field, comparison: Comparison, value: &Value) -> Result<Expr> {
    let column = column(&field.name);
    if value.is_null() {
        return match comparison {
            Comparison::Equal => Ok(column.is_null()),
            Comparison::Less | Comparison::LessOrEqual | Comparison::Greater | Comparison::GreaterOrEqual => {
                Err(wrong(format!("null is neither smaller nor larger than a value of `{}`", field.name)))
            }
        };
    }
    let value = lit(scalar(field, value)?);
    Ok(match comparison {
        Comparison::Equal => column.eq(value),
        Comparison::Less => column.lt(value),
        Comparison::LessOrEqual => column.lt_eq(value),
        Comparison::Greater => column.gt(value),
        Comparison::GreaterOrEqual => column.gt_eq(value),
    })
}

fn one_of(field: &Field, values: &[Value]) -> Result<Expr> {
    if values.len() > MAX_LIST {
        return Err(wrong(format!("the list for `{}` has {} values; the most is {MAX_LIST}", field.name, values.len())));
    }
    let (missing, present): (Vec<&Value>, Vec<&Value>) = values.iter().partition(|value| value.is_null());
    let present = present.into_iter().map(|value| scalar(field, value).map(lit)).collect::<Result<Vec<Expr>>>()?;
    let mut any = Vec::new();
    if !present.is_empty() {
        any.push(column(&field.name).in_list(present, false));
    }
    if !missing.is_empty() {
        any.push(column(&field.name).is_null());
    }
    Ok(joined(&any, Operator::Or))
}

/// A value of the field's own type. A number may stand in a text, as it does in an address; a text is never taken from a number.
fn scalar(field: &Field, value: &Value) -> Result<ScalarValue> {
    let kind = field.field_type.unwrap_or(FieldType::String);
    let text = match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) if kind == FieldType::Decimal && number.is_f64() => Some(decimal_text(field, number)?),
        Value::Number(number) if kind != FieldType::String => Some(number.to_string()),
        Value::Bool(value) if kind == FieldType::Boolean => Some(value.to_string()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let read = |text: &str| value_of(text, matches!(kind, FieldType::String | FieldType::Date | FieldType::Datetime), field);
    let found = text.and_then(|text| match kind {
        FieldType::Datetime => {
            let text = text.replacen(' ', "T", 1);
            read(&text).or_else(|| read(&format!("{text}T00:00:00")))
        }
        FieldType::Date => read(text.strip_suffix("T00:00:00").or_else(|| text.strip_suffix(" 00:00:00")).unwrap_or(&text)),
        FieldType::String | FieldType::Integer | FieldType::Decimal | FieldType::Number | FieldType::Boolean | FieldType::Geometry => {
            read(&text)
        }
    });
    found
        .ok_or_else(|| wrong(format!("`{value}` is no value for `{}`, which is {}: give {}", field.name, kind.as_str(), example_of(field))))
}

/// A number with a point as a decimal. JSON hands it over as a double, which holds fifteen digits.
fn decimal_text(field: &Field, number: &serde_json::Number) -> Result<String> {
    let text = number.as_f64().map(|number| number.to_string()).unwrap_or_default();
    let digits = text.trim_start_matches(['-', '0', '.']).chars().filter(char::is_ascii_digit).count();
    if digits <= 15 {
        return Ok(text);
    }
    Err(wrong(format!("a number of more than fifteen digits for `{}` would be another one: give it as a text, in quotes", field.name)))
}

/// That a text stands in one of these fields, each as it is written out. Between two fields there is a sign that no text holds that is looked for.
fn holds(fields: &[&Field], text: &str) -> Result<Expr> {
    if text.len() > MAX_TEXT || text.contains('\u{1}') {
        return Err(Error::invalid("q", format!("give a text of up to {MAX_TEXT} bytes, without control characters")));
    }
    let texts: Vec<Expr> = fields
        .iter()
        .filter(|field| field.field_type != Some(FieldType::Geometry))
        .map(|field| cast(column(&field.name), DataType::Utf8))
        .collect();
    if texts.is_empty() {
        return Err(Error::invalid("q", "there is no field with text to look into"));
    }
    let pattern: String = text
        .chars()
        .flat_map(|letter| matches!(letter, '%' | '_' | '\\').then_some('\\').into_iter().chain(std::iter::once(letter)))
        .collect();
    Ok(concat_ws(lit("\u{1}"), texts).ilike(lit(format!("%{pattern}%"))))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog::Text;

    fn fields() -> Vec<Field> {
        let field = |name: &str, kind| Field::plain(name, Some(kind), None, Text { zh: String::new(), en: String::new() });
        vec![
            field(NUMBER, FieldType::Integer),
            field("code", FieldType::String),
            field("count", FieldType::Integer),
            field("at", FieldType::Datetime),
            field("day", FieldType::Date),
        ]
    }

    fn compare(field: &str, comparison: Comparison, value: Value) -> Filter {
        Filter::Compare { field: field.to_owned(), comparison, value }
    }

    #[test]
    fn numbers_become_the_range_of_rows() {
        let ranged = |filters: &[Filter]| plan(filters, &fields(), 100).unwrap().0;
        let by = |comparison, value: i64| ranged(&[compare(NUMBER, comparison, json!(value))]);
        assert_eq!(by(Comparison::Greater, 10), 10..100);
        assert_eq!(by(Comparison::GreaterOrEqual, 10), 9..100);
        assert_eq!(by(Comparison::Less, 10), 0..9);
        assert_eq!(by(Comparison::LessOrEqual, 10), 0..10);
        assert_eq!(by(Comparison::Equal, 10), 9..10);
        for (comparison, value) in
            [(Comparison::Greater, 100), (Comparison::Less, -5), (Comparison::Equal, 0), (Comparison::Equal, i64::MIN)]
        {
            assert!(by(comparison, value).is_empty(), "{comparison:?} {value}");
        }
        let both = [compare(NUMBER, Comparison::Greater, json!("10")), compare(NUMBER, Comparison::LessOrEqual, json!(20))];
        assert_eq!(ranged(&[Filter::All(both.to_vec())]), 10..20);
        assert!(plan(&both, &fields(), 100).unwrap().1.is_none());
        assert!(plan(&[compare(NUMBER, Comparison::Greater, json!(1.5))], &fields(), 100).is_err());
    }

    #[test]
    fn parts_become_one_condition() {
        let cases = [
            (compare("code", Comparison::Equal, json!("7")), "code = Utf8(\"7\")"),
            (compare("count", Comparison::Less, json!("7")), "count < Int64(7)"),
            (compare("code", Comparison::Equal, Value::Null), "code IS NULL"),
            (compare("day", Comparison::Equal, json!("2024-01-02T00:00:00")), "day = Date32(\"2024-01-02\")"),
            (Filter::OneOf { field: "count".to_owned(), values: vec![json!(1), Value::Null] }, "count IN ([Int64(1)]) OR count IS NULL"),
            (Filter::OneOf { field: "count".to_owned(), values: Vec::new() }, "Boolean(false)"),
            (Filter::Any(Vec::new()), "Boolean(false)"),
        ];
        for (filter, wanted) in cases {
            assert_eq!(plan(std::slice::from_ref(&filter), &fields(), 1).unwrap().1.unwrap().to_string(), wanted, "{filter:?}");
        }
        let moment = |text: &str| plan(&[compare("at", Comparison::Equal, json!(text))], &fields(), 1).unwrap().1.unwrap().to_string();
        assert_eq!(moment("2024-01-02"), moment("2024-01-02 00:00:00"));
    }

    #[test]
    fn whatever_else_is_refused() {
        let deep = (0..30).fold(compare("count", Comparison::Equal, json!(1)), |inner, _| Filter::Not(Box::new(inner)));
        let many = Filter::Any(vec![compare("count", Comparison::Equal, json!(1)); 1100]);
        let list = Filter::OneOf { field: "count".to_owned(), values: vec![json!(1); 1001] };
        for filter in [
            deep,
            many,
            list,
            compare("nothing", Comparison::Equal, json!(1)),
            compare("code", Comparison::Equal, json!(7)),
            compare("count", Comparison::Equal, json!("x\0")),
            compare("count", Comparison::Less, Value::Null),
            compare("count", Comparison::Equal, json!({ "a": 1 })),
            compare("day", Comparison::Equal, json!("yesterday")),
            Filter::Holds { field: Some("nothing".to_owned()), text: "a".to_owned() },
            Filter::Holds { field: None, text: "a".repeat(1001) },
        ] {
            assert!(plan(std::slice::from_ref(&filter), &fields(), 1).is_err(), "{filter:?}");
        }
    }
}
