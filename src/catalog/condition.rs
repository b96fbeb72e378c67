//! A condition on rows, parsed into an expression of the engine. Nothing of the text ever becomes SQL.
//!
//! It is written like a SQL condition over fields: comparisons of a field with a value or another field, `IN`, `BETWEEN`, `LIKE`,
//! `IS NULL`, combined by `AND`, `OR`, `NOT` and parentheses. Text and dates stand in single quotes.

#![expect(clippy::wildcard_enum_match_arm, reason = "of the parser's many forms a few are allowed, and every other one is refused")]

use std::borrow::Cow;

use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, ident, lit};
use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr as Ast, UnaryOperator, Value};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::entry::{Field, FieldType};
use crate::error::{Error, Result};
use crate::intake::value;

/// The longest condition that is read.
pub const MAX_CHARS: usize = 8192;

/// How deep a condition may be nested.
pub const MAX_DEPTH: usize = 40;

/// How many values an `IN` may list.
const MAX_LIST: usize = 1000;

fn wrong(detail: impl Into<String>) -> Error {
    Error::invalid("where", detail)
}

/// Reads a value that is computed, as if it were a field; `None` for whatever is none.
pub type Computed<'a> = &'a dyn Fn(&Ast) -> Result<Option<(Field, Expr)>>;

/// Reads a condition over `fields`, in which there may be computed values as far as `computed` knows them.
///
/// # Errors
/// Says what is wrong with it, and which fields or forms there are.
pub fn condition(text: &str, fields: &[Field], computed: Computed<'_>) -> Result<Expr> {
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
    Reader { fields, computed }.condition(&ast, 0)
}

struct Reader<'a> {
    fields: &'a [Field],
    computed: Computed<'a>,
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
            other => Ok((self.computed)(other)?.map(|(field, expr)| (Cow::Owned(field), expr))),
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

/// A value of the field's own type. What is text, a day or a moment is `quoted`, and nothing else is.
pub fn scalar(text: &str, quoted: bool, field: &Field) -> Option<ScalarValue> {
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

/// What a value of the field looks like, for whoever gave something else.
pub fn example(field: &Field) -> String {
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

/// What is said of a name that no field has.
pub fn unknown(name: &str, fields: &[Field]) -> String {
    let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    format!("there is no field `{name}`; the fields are: {}", names.join(", "))
}
