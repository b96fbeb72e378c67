//! The `select` and `group_by` of a row query: names of fields, or computed values with names of their own.

use datafusion::arrow::datatypes::Schema;
use datafusion::logical_expr::{Expr, SortExpr, ident};
use datafusion::sql::sqlparser::ast::{Expr as Ast, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, SelectItem, Visit, Visitor};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;
use std::ops::ControlFlow;

use super::encode::field_type;
use super::sql::functions;
use super::terms;
use crate::catalog::{Field, MAX_CONDITION_CHARS as MAX_CHARS, MAX_CONDITION_DEPTH as MAX_DEPTH, Text, unknown_field};
use crate::error::{Error, Result};

/// The most columns of an answer that are computed.
const MAX_ITEMS: usize = 200;

/// A column of the answer.
#[derive(Debug, Clone)]
pub struct Item {
    /// What is computed.
    pub ast: Ast,
    /// Its name.
    pub name: String,
}

impl Item {
    /// The name as the parser writes it.
    pub fn alias(&self) -> Ident {
        Ident::with_quote('"', self.name.clone())
    }
}

/// What is selected.
#[derive(Debug)]
pub enum Selection {
    /// Fields as they are; all of them where nothing is named.
    Fields(Vec<Field>),
    /// Computed values.
    Items(Vec<Item>),
}

/// Reads `select`.
///
/// # Errors
/// When a field is unknown, a name is given twice, or a form is not allowed.
pub fn selection(text: Option<&str>, fields: &[Field]) -> Result<Selection> {
    let Some(text) = text.filter(|text| !text.trim().is_empty()) else { return Ok(Selection::Fields(fields.to_vec())) };
    let named: Option<Vec<Field>> = text.split(',').map(|name| fields.iter().find(|field| field.name == name.trim()).cloned()).collect();
    if let Some(named) = named {
        unique("select", named.iter().map(|field| field.name.as_str()))?;
        return Ok(Selection::Fields(named));
    }
    let items = items("select", text, fields)?;
    unique("select", items.iter().map(|item| item.name.as_str()))?;
    Ok(Selection::Items(items))
}

/// Reads `group_by`: names of fields or computed values, separated by commas.
///
/// # Errors
/// As [`selection`].
pub fn group_by(text: &str, fields: &[Field]) -> Result<Vec<Ast>> {
    let named: Option<Vec<Ast>> = text
        .split(',')
        .map(|name| fields.iter().find(|field| field.name == name.trim()).map(|field| Ast::Identifier(Ident::with_quote('"', &field.name))))
        .collect();
    match named {
        Some(named) => Ok(named),
        None => Ok(items("group_by", text, fields)?.into_iter().map(|item| item.ast).collect()),
    }
}

fn items(parameter: &'static str, text: &str, fields: &[Field]) -> Result<Vec<Item>> {
    let wrong = |detail: String| Error::invalid(parameter, detail);
    if text.len() > MAX_CHARS {
        return Err(wrong(format!("is longer than {MAX_CHARS} bytes")));
    }
    let dialect = GenericDialect {};
    let parser = Parser::new(&dialect).with_recursion_limit(MAX_DEPTH);
    let mut parser = parser.try_with_sql(text).map_err(|cause| wrong(format!("cannot be read: {cause}")))?;
    let parsed = parser.parse_comma_separated(Parser::parse_select_item).map_err(|cause| wrong(format!("cannot be read: {cause}")))?;
    let rest = parser.peek_token();
    if rest.token != Token::EOF {
        return Err(wrong(format!("cannot be read from `{rest}` on; give values separated by commas")));
    }
    if parsed.len() > MAX_ITEMS {
        return Err(wrong(format!("has {} values; the most is {MAX_ITEMS}", parsed.len())));
    }
    parsed.into_iter().map(|item| self::item(parameter, item, fields)).collect()
}

#[expect(clippy::wildcard_enum_match_arm, reason = "of the parser's many forms two are allowed")]
fn item(parameter: &'static str, item: SelectItem, fields: &[Field]) -> Result<Item> {
    let (ast, name) = match item {
        SelectItem::UnnamedExpr(Ast::Identifier(name)) => (Ast::Identifier(name.clone()), name.value),
        SelectItem::UnnamedExpr(ast) => {
            // A tree that is too deep is not written out either.
            terms::checked(parameter, &ast)?;
            let name = ast.to_string();
            (ast, name)
        }
        SelectItem::ExprWithAlias { expr, alias } => (expr, alias.value),
        other => return Err(Error::invalid(parameter, format!("`{other}` is not allowed; name the fields"))),
    };
    check_names(parameter, &ast, fields)?;
    Ok(Item { ast: terms::checked(parameter, &ast)?, name })
}

/// That every name in a value is that of a field.
///
/// # Errors
/// Names the one that is none.
pub fn check_names(parameter: &'static str, ast: &Ast, fields: &[Field]) -> Result<()> {
    let mut names = Names { fields, unknown: None };
    // Breaking is how the visit tells what it found.
    let _ = ast.visit(&mut names);
    match names.unknown {
        Some(name) => Err(Error::invalid(parameter, unknown_field(&name, fields))),
        None => Ok(()),
    }
}

/// Looks for names that are no fields.
struct Names<'a> {
    fields: &'a [Field],
    unknown: Option<String>,
}

impl Visitor for Names<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Ast) -> ControlFlow<()> {
        if let Ast::Identifier(name) = expr
            && !self.fields.iter().any(|field| field.name == name.value)
        {
            self.unknown = Some(name.value.clone());
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

fn unique<'a>(parameter: &'static str, names: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut seen = Vec::new();
    for name in names {
        if seen.contains(&name) {
            return Err(Error::invalid(parameter, format!("the field `{name}` is named twice")));
        }
        seen.push(name);
    }
    Ok(())
}

/// Fields as values to compute with.
pub fn as_items(selection: Selection) -> Vec<Item> {
    match selection {
        Selection::Items(items) => items,
        Selection::Fields(fields) => {
            fields.into_iter().map(|field| Item { ast: Ast::Identifier(Ident::with_quote('"', &field.name)), name: field.name }).collect()
        }
    }
}

/// Whether any of these is an aggregate.
pub fn has_aggregates(items: &[Item]) -> bool {
    let mut found = Aggregates(false);
    items.iter().any(|item| {
        // Breaking is how the visit tells what it found.
        let _ = item.ast.visit(&mut found);
        found.0
    })
}

struct Aggregates(bool);

impl Visitor for Aggregates {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Ast) -> ControlFlow<()> {
        if let Ast::Function(function) = expr {
            let counts_all = matches!(&function.args, FunctionArguments::List(list)
                if matches!(list.args.first(), Some(FunctionArg::Unnamed(FunctionArgExpr::Wildcard))));
            self.0 |= counts_all || functions::is_aggregate(&function.name.to_string().to_lowercase());
        }
        ControlFlow::Continue(())
    }
}

/// The columns of an answer with computed values, as fields.
///
/// # Errors
/// When a column is of a type that no field has.
pub fn output_fields(schema: &Schema, parameter: &'static str) -> Result<Vec<Field>> {
    let field = |name: &String, data_type| {
        let (kind, scale) = field_type(data_type)
            .ok_or_else(|| Error::invalid(parameter, format!("`{name}` is of the type {data_type}, which no field has; CAST it")))?;
        Ok(Field::plain(name, Some(kind), scale, Text { zh: name.clone(), en: name.clone() }))
    };
    schema.fields().iter().map(|column| field(column.name(), column.data_type())).collect()
}

/// The order by all columns.
pub fn by_all(fields: &[Field]) -> Vec<SortExpr> {
    fields.iter().map(|field| ident(&field.name).sort(true, false)).collect()
}

/// A field as it is.
pub fn column(field: &Field) -> Expr {
    ident(&field.name)
}
