//! The `where` and `order_by` of a row query, parsed into engine expressions.

use datafusion::logical_expr::{Expr, SortExpr, ident};

use super::select;
use super::terms::{self, Terms};
use crate::catalog::{self, Field, unknown_field};
use crate::error::{Error, Result};

/// Reads a condition over `fields`, which may compute values.
///
/// # Errors
/// Says what is wrong with it, and which fields or forms there are.
pub fn condition(text: &str, fields: &[Field], terms: &Terms) -> Result<Expr> {
    catalog::condition(text, fields, &|ast| {
        if !terms::is_computed(ast) {
            return Ok(None);
        }
        select::check_names("where", ast, fields)?;
        let expr = terms.plan("where", ast)?;
        if expr.column_refs().is_empty() {
            return Ok(None);
        }
        let mut fields = terms.fields("where", &[expr.clone().alias(ast.to_string())])?;
        Ok(fields.pop().map(|field| (field, expr)))
    })
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
        let field = fields.iter().find(|field| field.name == name).ok_or_else(|| wrong(unknown_field(name, fields)))?;
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
    use crate::catalog::{FieldType, Text};

    fn fields() -> Vec<Field> {
        let field =
            |name: &str, field_type, scale| Field::plain(name, Some(field_type), scale, Text { zh: String::new(), en: String::new() });
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
