//! The `where`, `select` and `order_by` of a row query, parsed into engine expressions. Nothing of the text ever becomes SQL.
//!
//! `where` is written like a SQL condition over the release's fields: comparisons of a field with a value or another field,
//! `IN`, `BETWEEN`, `LIKE`, `IS NULL`, combined by `AND`, `OR`, `NOT` and parentheses. Text and dates stand in single quotes.

#![expect(clippy::wildcard_enum_match_arm, reason = "of the parser's many forms a few are allowed, and every other one is refused")]

use std::borrow::Cow;

use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, SortExpr, ident, lit};
use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr as Ast, UnaryOperator, Value};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::select;
use super::terms::{self, Terms};
use crate::catalog::{Field, FieldType};
use crate::error::{Error, Result};
use crate::intake::value;

/// The longest condition that is read.
pub(super) const MAX_CHARS: usize = 8192;

/// How deep a condition may be nested.
pub(super) const MAX_DEPTH: usize = 40;

/// How many values an `IN` may list.
const MAX_LIST: usize = 1000;

fn wrong(detail: impl Into<String>) -> Error {
    Error::invalid("where", detail)
}

/// Reads a condition over `fields`.
///
/// # Errors
/// Says what is wrong with it, and which fields or forms there are.
pub fn condition(text: &str, fields: &[Field], terms: &Terms) -> Result<Expr> {
    if text.len() > MAX_CHARS {
        return Err(wrong(format!("the condition is longer than {MAX_CHARS} bytes")));
    }
    let dialect = GenericDialect {};
    let parser = Parser::new(&dialect).with_recursion_limit(MAX_DEPTH);
    let mut parser = parser.try_with_sql(text).map_err(|cause| wrong(format!("cannot be read: {cause}")))?;
    let ast = parser.parse_expr().map_err(|cause| wrong(format!("cannot be read: {cause}")))?;
    let rest = parser.peek_token();
    if rest.token != Token::EOF {
        return Err(wrong(format!("cannot be read from `{rest}` on; give one condition")));
    }
    Reader { fields, terms }.condition(&ast, 0)
}

struct Reader<'a> {
    fields: &'a [Field],
    terms: &'a Terms,
}

impl Reader<'_> {
    fn condition(&self, ast: &Ast, depth: usize) -> Result<Expr> {
        if depth > MAX_DEPTH {
            return Err(wrong(format!("nested more than {MAX_DEPTH} deep")));
        }
        let down = depth + 1;
        match ast {
            Ast::Nested(inner) => self.condition(inner, down),
            Ast::UnaryOp { op: UnaryOperator::Not, expr } => Ok(Expr::Not(Box::new(self.condition(expr, down)?))),
            Ast::BinaryOp { op: BinaryOperator::And, .. } => self.chain(ast, &BinaryOperator::And, Expr::and, down),
            Ast::BinaryOp { op: BinaryOperator::Or, .. } => self.chain(ast, &BinaryOperator::Or, Expr::or, down),
            Ast::BinaryOp { left, op, right } => self.comparison(left, op, right),
            Ast::Function(_) => {
                let (field, column) = self.column(ast)?;
                if kind(&field) == FieldType::Boolean {
                    return Ok(column);
                }
                Err(wrong(format!("`{}` alone is no condition; compare it with a value", field.name)))
            }
            Ast::IsNull(inner) => Ok(self.column(inner)?.1.is_null()),
            Ast::IsNotNull(inner) => Ok(self.column(inner)?.1.is_not_null()),
            Ast::InList { expr, list, negated } => self.in_list(expr, list, *negated),
            Ast::Between { expr, negated, low, high } => {
                let (field, column) = self.column(expr)?;
                let (low, high) = (self.value(low, &field)?, self.value(high, &field)?);
                Ok(if *negated { column.not_between(low, high) } else { column.between(low, high) })
            }
            Ast::Like { negated, any: false, expr, pattern, escape_char: None } => self.like(expr, pattern, *negated, false),
            Ast::ILike { negated, any: false, expr, pattern, escape_char: None } => self.like(expr, pattern, *negated, true),
            Ast::Identifier(name) => {
                let field = self.field(&name.value)?;
                if kind(field) == FieldType::Boolean {
                    return Ok(ident(&field.name));
                }
                Err(wrong(format!("`{}` alone is no condition; compare it with a value", field.name)))
            }
            _ => Err(wrong(format!(
                "`{ast}` is not allowed; use comparisons of a field with a value, IN, BETWEEN, LIKE, ILIKE, IS NULL, AND, OR, NOT"
            ))),
        }
    }

    /// `a AND b AND c …`: one after the other, since a long chain is not a deep one.
    fn chain(&self, ast: &Ast, operator: &BinaryOperator, join: fn(Expr, Expr) -> Expr, depth: usize) -> Result<Expr> {
        let (mut first, mut rest) = (ast, Vec::new());
        while let Ast::BinaryOp { left, op, right } = first
            && op == operator
        {
            rest.push(&**right);
            first = left;
        }
        let first = self.condition(first, depth)?;
        rest.into_iter().rev().try_fold(first, |left, right| Ok(join(left, self.condition(right, depth)?)))
    }

    fn comparison(&self, left: &Ast, op: &BinaryOperator, right: &Ast) -> Result<Expr> {
        let operator = match op {
            BinaryOperator::Eq => Operator::Eq,
            BinaryOperator::NotEq => Operator::NotEq,
            BinaryOperator::Lt => Operator::Lt,
            BinaryOperator::LtEq => Operator::LtEq,
            BinaryOperator::Gt => Operator::Gt,
            BinaryOperator::GtEq => Operator::GtEq,
            other => return Err(wrong(format!("the operator `{other}` is not allowed; use = <> < <= > >=, AND, OR"))),
        };
        let (left, right) = match (self.as_column(left)?, self.as_column(right)?) {
            (Some((a, left)), Some((b, right))) if comparable(kind(&a), kind(&b)) => (left, right),
            (Some((a, _)), Some((b, _))) => {
                let (a_kind, b_kind) = (kind(&a).as_str(), kind(&b).as_str());
                return Err(wrong(format!("`{}` is {a_kind} and `{}` is {b_kind}: they cannot be compared", a.name, b.name)));
            }
            (Some((field, column)), None) => (column, self.value(right, &field)?),
            (None, Some((field, column))) => (self.value(left, &field)?, column),
            (None, None) => return Err(wrong(format!("`{left} {op} {right}` compares no field"))),
        };
        Ok(Expr::BinaryExpr(BinaryExpr::new(Box::new(left), operator, Box::new(right))))
    }

    fn in_list(&self, expr: &Ast, list: &[Ast], negated: bool) -> Result<Expr> {
        if list.len() > MAX_LIST {
            return Err(wrong(format!("IN lists {} values; the most is {MAX_LIST}", list.len())));
        }
        let (field, column) = self.column(expr)?;
        let values = list.iter().map(|value| self.value(value, &field)).collect::<Result<Vec<_>>>()?;
        Ok(column.in_list(values, negated))
    }

    fn like(&self, expr: &Ast, pattern: &Ast, negated: bool, fold_case: bool) -> Result<Expr> {
        let (field, column) = self.column(expr)?;
        if kind(&field) != FieldType::String {
            return Err(wrong(format!("LIKE is for text; `{}` is {}", field.name, kind(&field).as_str())));
        }
        let pattern = self.value(pattern, &field)?;
        Ok(match (negated, fold_case) {
            (false, false) => column.like(pattern),
            (true, false) => column.not_like(pattern),
            (false, true) => column.ilike(pattern),
            (true, true) => column.not_ilike(pattern),
        })
    }

    fn field(&self, name: &str) -> Result<&Field> {
        self.fields.iter().find(|field| field.name == name).ok_or_else(|| wrong(unknown(name, self.fields)))
    }

    /// A field, or a computed value as if it were one.
    fn as_column(&self, ast: &Ast) -> Result<Option<(Cow<'_, Field>, Expr)>> {
        match ast {
            Ast::Identifier(name) => {
                let field = self.field(&name.value)?;
                Ok(Some((Cow::Borrowed(field), ident(&field.name))))
            }
            Ast::Nested(inner) => self.as_column(inner),
            computed if terms::is_computed(computed) => {
                select::check_names("where", computed, self.fields)?;
                let expr = self.terms.plan("where", computed)?;
                if expr.column_refs().is_empty() {
                    return Ok(None);
                }
                let mut fields = self.terms.fields("where", &[expr.clone().alias(computed.to_string())])?;
                Ok(fields.pop().map(|field| (Cow::Owned(field), expr)))
            }
            _ => Ok(None),
        }
    }

    fn column(&self, ast: &Ast) -> Result<(Cow<'_, Field>, Expr)> {
        self.as_column(ast)?.ok_or_else(|| wrong(format!("`{ast}` stands where the name of a field belongs")))
    }

    /// A value of the field's own type: no silent conversion, so that `code = 7` never means `code = '007'`.
    fn value(&self, ast: &Ast, field: &Field) -> Result<Expr> {
        let expected =
            || wrong(format!("`{ast}` is no value for `{}`, which is {}: write {}", field.name, kind(field).as_str(), example(field)));
        let (text, quoted) = match ast {
            Ast::Nested(inner) => return self.value(inner, field),
            Ast::UnaryOp { op: UnaryOperator::Minus, expr } => match &**expr {
                Ast::Value(value) => match &value.value {
                    Value::Number(text, false) => (format!("-{text}"), false),
                    _ => return Err(expected()),
                },
                _ => return Err(expected()),
            },
            Ast::Value(value) => match &value.value {
                Value::SingleQuotedString(text) => (text.clone(), true),
                Value::Number(text, false) => (text.clone(), false),
                Value::Boolean(value) => (value.to_string(), false),
                _ => return Err(expected()),
            },
            _ => return Err(expected()),
        };
        scalar(&text, quoted, field).map(lit).ok_or_else(expected)
    }
}

/// Numbers are compared by value, whatever their types; everything else with its like.
fn comparable(one: FieldType, other: FieldType) -> bool {
    let is_number = |kind| matches!(kind, FieldType::Integer | FieldType::Decimal | FieldType::Number);
    one == other || (is_number(one) && is_number(other))
}

fn kind(field: &Field) -> FieldType {
    field.field_type.unwrap_or(FieldType::String)
}

fn scalar(text: &str, quoted: bool, field: &Field) -> Option<ScalarValue> {
    let plain = !quoted;
    match kind(field) {
        FieldType::String => quoted.then(|| ScalarValue::Utf8(Some(text.to_owned()))),
        FieldType::Integer => value::integer(text).filter(|_| plain).map(|value| ScalarValue::Int64(Some(value))),
        FieldType::Decimal => {
            let scale = field.scale.unwrap_or(0);
            let value = value::decimal(text, usize::try_from(scale).ok()?).filter(|_| plain)?;
            Some(ScalarValue::Decimal128(Some(value), value::DECIMAL_DIGITS, scale))
        }
        FieldType::Number => value::number(text).filter(|_| plain).map(|value| ScalarValue::Float64(Some(value))),
        FieldType::Boolean => value::boolean(text).filter(|_| plain).map(|value| ScalarValue::Boolean(Some(value))),
        FieldType::Date => {
            let day = value::date(text).filter(|_| quoted)?;
            Some(ScalarValue::Date32(Some(datafusion::arrow::datatypes::Date32Type::from_naive_date(day))))
        }
        FieldType::Datetime => {
            let moment = value::datetime(text).filter(|_| quoted)?;
            Some(ScalarValue::TimestampMicrosecond(Some(moment.and_utc().timestamp_micros()), None))
        }
        FieldType::Geometry => None,
    }
}

fn example(field: &Field) -> String {
    match kind(field) {
        FieldType::String => "a text in single quotes, such as '007'".to_owned(),
        FieldType::Integer => "a whole number, such as 42".to_owned(),
        FieldType::Decimal => format!("a number with at most {} digits behind the point", field.scale.unwrap_or(0)),
        FieldType::Number => "a number, such as 1.5".to_owned(),
        FieldType::Boolean => "true or false".to_owned(),
        FieldType::Date => "a day in single quotes, such as '2026-01-31'".to_owned(),
        FieldType::Datetime => "a moment in single quotes, such as '2026-01-31T08:00:00'".to_owned(),
        FieldType::Geometry => "nothing: a geometry cannot be compared, only be missing or not".to_owned(),
    }
}

pub(super) fn unknown(name: &str, fields: &[Field]) -> String {
    let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    format!("there is no field `{name}`; the fields are: {}", names.join(", "))
}

/// Reads `order_by`: names separated by commas, each with `asc` or `desc` behind it or a minus before it. Missing values come last.
/// Rows that are equal in all of these are ordered by all fields, so that the order is the same at every request.
///
/// # Errors
/// When a field is unknown or named twice.
pub fn order(text: Option<&str>, fields: &[Field]) -> Result<Vec<SortExpr>> {
    let Some(text) = text.filter(|text| !text.trim().is_empty()) else { return Ok(Vec::new()) };
    let wrong = |detail: String| Error::invalid("order_by", detail);
    let mut names: Vec<&str> = Vec::new();
    let mut order = Vec::new();
    for part in text.split(',').map(str::trim) {
        let (name, ascending) = match part.strip_prefix('-') {
            Some(name) => (name, false),
            None => match part.rsplit_once(' ') {
                Some((name, word)) if word.eq_ignore_ascii_case("desc") => (name.trim(), false),
                Some((name, word)) if word.eq_ignore_ascii_case("asc") => (name.trim(), true),
                _ => (part, true),
            },
        };
        let field = fields.iter().find(|field| field.name == name).ok_or_else(|| wrong(unknown(name, fields)))?;
        if names.contains(&name) {
            return Err(wrong(format!("the field `{name}` is named twice")));
        }
        names.push(name);
        order.push(ident(&field.name).sort(ascending, false));
    }
    let rest = fields.iter().filter(|field| !names.contains(&field.name.as_str()));
    order.extend(rest.map(|field| ident(&field.name).sort(true, false)));
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{ReleaseRule, Sensitivity, Text};

    fn fields() -> Vec<Field> {
        let field = |name: &str, field_type, scale| Field {
            name: name.to_owned(),
            field_type: Some(field_type),
            scale,
            title: Text { zh: String::new(), en: String::new() },
            description: None,
            unit: None,
            sensitivity: Sensitivity::None,
            release: ReleaseRule::Keep,
            cleared: None,
        };
        vec![
            field("code", FieldType::String, None),
            field("count", FieldType::Integer, None),
            field("cost", FieldType::Decimal, Some(2)),
            field("day", FieldType::Date, None),
            field("open", FieldType::Boolean, None),
        ]
    }

    fn read(text: &str) -> Result<Expr> {
        condition(text, &fields(), &Terms::new(&crate::read::encode::schema_of(&fields())).unwrap())
    }

    #[test]
    fn conditions_become_expressions() {
        let cases = [
            ("code = '007'", "code = Utf8(\"007\")"),
            ("count >= 3 and not (cost < 1.5 or open)", "count >= Int64(3) AND NOT cost < Decimal128(1.50,38,2) OR open"),
            ("day between '2024-01-01' and '2024-12-31'", "day BETWEEN Date32(\"2024-01-01\") AND Date32(\"2024-12-31\")"),
            ("code in ('a','b')", "code IN ([Utf8(\"a\"), Utf8(\"b\")])"),
            ("code like 'a%'", "code LIKE Utf8(\"a%\")"),
            ("count = -3", "count = Int64(-3)"),
            ("code is not null", "code IS NOT NULL"),
            ("UPPER(code) = 'A'", "upper(code) = Utf8(\"A\")"),
            ("year(day) between 2020 and 2021", "date_part(Utf8(\"year\"), day) BETWEEN Int64(2020) AND Int64(2021)"),
            ("starts_with(code, '0') and count < cost", "starts_with(code, Utf8(\"0\")) AND count < cost"),
        ];
        for (text, wanted) in cases {
            assert_eq!(read(text).unwrap().to_string(), wanted, "{text}");
        }
    }

    #[test]
    fn whatever_else_is_refused() {
        let deep = format!("{}count = 1{}", "(".repeat(200), ")".repeat(200));
        let long = format!("code = '{}'", "x".repeat(9000));
        let cases = [
            ("nothing = 1", "the fields are: code, count"),
            ("code = 7", "a text in single quotes"),
            ("count = '7'", "a whole number"),
            ("cost = 1.234", "at most 2 digits"),
            ("day = '2024-13-01'", "a day in single quotes"),
            ("count", "alone is no condition"),
            ("1 = 1", "compares no field"),
            ("code = count", "cannot be compared"),
            ("day = open", "cannot be compared"),
            ("count = 1; drop table x", "give one condition"),
            ("count in (select 1)", "is not allowed"),
            ("upper('a') = 'A'", "compares no field"),
            ("upper(nothing) = 'A'", "there is no field `nothing`"),
            ("upper(code) = 7", "a text in single quotes"),
            ("system(code) = 'A'", "the functions are"),
            ("length((select code)) = 1", "is not allowed"),
            ("sum(count) over () = 1", "is not allowed"),
            ("length(code)", "alone is no condition"),
            ("exists (select 1)", "is not allowed"),
            ("count like 'x'", "LIKE is for text"),
            ("count =", "cannot be read"),
            ("", "cannot be read"),
            (deep.as_str(), "cannot be read"),
            (long.as_str(), "longer than"),
        ];
        for (text, wanted) in cases {
            let message = read(text).expect_err(text).to_string();
            assert!(message.contains(wanted), "{text}: {message}");
        }
    }

    #[test]
    fn order_is_total() {
        let names: Vec<String> = order(Some("cost desc, -code"), &fields()).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(names[0], "cost DESC NULLS LAST");
        assert_eq!(names[1], "code DESC NULLS LAST");
        assert_eq!(names.len(), 5);
        assert!(order(Some("nope"), &fields()).is_err());
        assert!(order(Some("code,code"), &fields()).is_err());
    }
}
