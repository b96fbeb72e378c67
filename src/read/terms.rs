//! Computed values in the `select`, `where` and `group_by` of a row query: functions, arithmetic, casts and CASE over fields.
//!
//! The syntax tree is checked form by form, and planned with the same functions as SQL; nothing of the text ever becomes SQL.

#![expect(clippy::wildcard_enum_match_arm, reason = "of the parser's many forms a few are allowed, and every other one is refused")]

use std::cell::OnceCell;
use std::ops::ControlFlow;

use datafusion::arrow::datatypes::{Field as ArrowField, Schema};
use datafusion::common::DFSchema;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, ExprSchemable};
use datafusion::prelude::SessionConfig;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr as Ast, ExprWithAlias, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, Query,
    UnaryOperator, Value, Visit, Visitor, visit_expressions_mut,
};

use super::select;
use super::sql::{MAX_GROWING, functions, patterns};
use crate::catalog::Field;
use crate::error::{Error, Result};

/// Parts of a day or moment that are functions of their own here.
const PARTS: &[&str] = &["year", "quarter", "month", "week", "day", "hour", "minute", "second"];

/// Plans computed values over the columns of one release.
pub struct Terms {
    schema: DFSchema,
    state: OnceCell<SessionState>,
}

impl Terms {
    /// Terms over these columns.
    ///
    /// # Errors
    /// When two columns have one name.
    pub fn new(schema: &Schema) -> Result<Self> {
        Ok(Terms { schema: DFSchema::try_from(schema.clone())?, state: OnceCell::new() })
    }

    /// The engine's expression for a computed value.
    ///
    /// # Errors
    /// When it has a form that is not allowed, or the engine cannot plan it.
    pub fn plan(&self, parameter: &'static str, ast: &Ast) -> Result<Expr> {
        let ast = checked(parameter, ast)?;
        let state = self.state.get_or_init(|| functions::state(config(SessionConfig::new()), None));
        let planned = state.create_logical_expr_from_sql_expr(ExprWithAlias { expr: ast, alias: None }, &self.schema);
        planned.map_err(|cause| functions::refuse(parameter, cause))
    }

    /// The columns that expressions give, as fields.
    ///
    /// # Errors
    /// When one is of a type that no field has.
    pub fn fields(&self, parameter: &'static str, columns: &[Expr]) -> Result<Vec<Field>> {
        let named = columns.iter().map(|column| {
            let data_type = column.get_type(&self.schema).map_err(|cause| functions::refuse(parameter, cause))?;
            Ok(ArrowField::new(column.schema_name().to_string(), data_type, true))
        });
        select::output_fields(&Schema::new(named.collect::<Result<Vec<_>>>()?), parameter)
    }
}

/// Names of fields are taken as they are written.
pub fn config(mut config: SessionConfig) -> SessionConfig {
    config.options_mut().sql_parser.enable_ident_normalization = false;
    config.options_mut().sql_parser.parse_float_as_decimal = true;
    config
}

/// Whether a form computes a value; the simple ones, a name or a literal, do not.
pub fn is_computed(ast: &Ast) -> bool {
    match ast {
        Ast::Function(_) | Ast::Cast { .. } | Ast::Extract { .. } | Ast::Substring { .. } | Ast::Trim { .. } | Ast::Ceil { .. } => true,
        Ast::Floor { .. } | Ast::Position { .. } | Ast::Case { .. } => true,
        Ast::BinaryOp { op, .. } => is_arithmetic(op),
        Ast::UnaryOp { op: UnaryOperator::Minus, expr } => !matches!(**expr, Ast::Value(_)),
        _ => false,
    }
}

fn is_arithmetic(op: &BinaryOperator) -> bool {
    use BinaryOperator::{Divide, Minus, Modulo, Multiply, Plus, StringConcat};
    matches!(op, Plus | Minus | Multiply | Divide | Modulo | StringConcat)
}

/// The tree with its functions in lower case, when every form of it is allowed.
///
/// # Errors
/// Names the form that is not allowed.
pub fn checked(parameter: &'static str, ast: &Ast) -> Result<Ast> {
    // Before anything else walks the tree: this walk stops where it is too deep.
    if let ControlFlow::Break(form) = ast.visit(&mut Check::default()) {
        let detail = format!("`{form}` is not allowed; use functions, arithmetic, CAST, EXTRACT, CASE and comparisons over fields");
        return Err(Error::invalid(parameter, detail));
    }
    let mut ast = ast.clone();
    // This visit never breaks.
    let _ = visit_expressions_mut(&mut ast, |expr| {
        if let Ast::Function(function) = expr {
            rename(function);
        }
        ControlFlow::<()>::Continue(())
    });
    Ok(ast)
}

/// Functions are found by lower-case names; `year(d)` is `date_part('year', d)`.
fn rename(function: &mut Function) {
    let name = function.name.to_string().to_lowercase();
    let part = PARTS.contains(&name.as_str());
    if part && let FunctionArguments::List(list) = &mut function.args {
        let part = Ast::Value(Value::SingleQuotedString(name.clone()).into());
        list.args.insert(0, FunctionArg::Unnamed(FunctionArgExpr::Expr(part)));
    }
    function.name = ObjectName::from(vec![Ident::new(if part { "date_part" } else { &name })]);
}

/// How many operators and calls may stand within one another, with those of a chain such as `a + b + c`.
const MAX_CHAIN: usize = 200;

#[derive(Default)]
struct Check {
    depth: usize,
    joins: usize,
    patterns: usize,
}

impl Visitor for Check {
    type Break = String;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<String> {
        ControlFlow::Break(query.to_string())
    }

    fn post_visit_expr(&mut self, _expr: &Ast) -> ControlFlow<String> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Ast) -> ControlFlow<String> {
        use BinaryOperator::{And, Eq, Gt, GtEq, Lt, LtEq, NotEq, Or};
        let allowed = match expr {
            Ast::Identifier(_) | Ast::Value(_) | Ast::Nested(_) | Ast::TypedString(_) | Ast::Interval(_) | Ast::Case { .. } => true,
            Ast::Extract { .. }
            | Ast::Substring { .. }
            | Ast::Trim { .. }
            | Ast::Ceil { .. }
            | Ast::Floor { .. }
            | Ast::Position { .. } => true,
            Ast::IsNull(_) | Ast::IsNotNull(_) | Ast::Between { .. } | Ast::InList { .. } | Ast::Like { .. } | Ast::ILike { .. } => true,
            Ast::Cast { data_type, format: None, .. } => {
                !data_type.to_string().contains(['[', '<', '(']) || data_type.to_string().starts_with("DECIMAL(")
            }
            Ast::UnaryOp { op, .. } => matches!(op, UnaryOperator::Minus | UnaryOperator::Plus | UnaryOperator::Not),
            Ast::BinaryOp { op, .. } => is_arithmetic(op) || matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq | And | Or),
            Ast::Function(function) => is_plain(function),
            _ => false,
        };
        self.depth += 1;
        if self.depth > MAX_CHAIN {
            return ControlFlow::Break(format!("more than {MAX_CHAIN} operators within one another"));
        }
        self.joins += usize::from(matches!(expr, Ast::BinaryOp { op: BinaryOperator::StringConcat, .. }));
        if self.joins > MAX_GROWING {
            return ControlFlow::Break(format!("|| more than {MAX_GROWING} times"));
        }
        let takes_pattern = |function: &Function| patterns::is_function(&function.name.to_string().to_lowercase());
        self.patterns += usize::from(matches!(expr, Ast::Function(function) if takes_pattern(function)));
        if self.patterns > patterns::MAX_PATTERNS {
            return ControlFlow::Break(format!("more than {} regular expressions", patterns::MAX_PATTERNS));
        }
        if allowed { ControlFlow::Continue(()) } else { ControlFlow::Break(expr.to_string()) }
    }
}

/// A call without window, filter or order.
fn is_plain(function: &Function) -> bool {
    function.over.is_none()
        && function.filter.is_none()
        && function.null_treatment.is_none()
        && function.within_group.is_empty()
        && !function.uses_odbc_syntax
        && matches!(function.parameters, FunctionArguments::None)
        && matches!(&function.args, FunctionArguments::List(list) if list.clauses.is_empty())
}
