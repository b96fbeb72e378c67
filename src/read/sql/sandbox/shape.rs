//! Which plans and expressions the sandbox allows: one scan, conditions and choices of columns, groups, and what is made of them.

#![expect(clippy::wildcard_enum_match_arm, reason = "of the engine's many forms a few are allowed, and every other one is refused")]

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, DataFusionError};
use datafusion::logical_expr::expr::{Cast, ScalarFunction, TryCast};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{BinaryExpr, Distinct, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Operator};

use super::{Sandbox, cells, noise, refused};
use crate::error::{Error, Result};
use crate::read::sql::refusal;

/// The column that says of which unit a row is.
pub(super) const UNIT: &str = "__unit";

/// Functions that answer something for every value.
const TOTAL: &[&str] = &[
    "character_length",
    "coalesce",
    "contains",
    "date_part",
    "date_trunc",
    "ends_with",
    "left",
    "lower",
    "nullif",
    "octet_length",
    "right",
    "starts_with",
    "upper",
];

/// Parts of dates and times.
const PARTS: &[&str] = &["year", "quarter", "month", "week", "day", "hour", "minute", "second"];

/// What stands above the groups.
pub(super) fn above(plan: LogicalPlan, sandbox: &Sandbox) -> Result<LogicalPlan> {
    match plan {
        LogicalPlan::Aggregate(aggregate) => cells::cells(aggregate, sandbox),
        LogicalPlan::Projection(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Distinct(Distinct::All(_)) => {
            let input = above(input(&plan)?, sandbox)?;
            renewed(&plan, input)
        }
        other => Err(unfit(&other)),
    }
}

/// What stands below the groups. The scan says of which unit each row is, and that is handed on.
pub(super) fn below(plan: LogicalPlan, sandbox: &Sandbox) -> Result<LogicalPlan> {
    match plan {
        LogicalPlan::TableScan(_) => scan(plan, sandbox),
        LogicalPlan::Filter(_) | LogicalPlan::SubqueryAlias(_) => {
            let input = below(input(&plan)?, sandbox)?;
            renewed(&plan, input)
        }
        LogicalPlan::Projection(_) => {
            if plan.schema().fields().iter().any(|field| field.name() == UNIT) {
                return Err(refused("a column of the query has a name that is in use"));
            }
            let input = below(input(&plan)?, sandbox)?;
            let mut columns = safe_all(&plan, input.schema())?;
            columns.push(Expr::Column(unit_of(input.schema())?));
            built(LogicalPlanBuilder::from(input).project(columns))
        }
        other => Err(unfit(&other)),
    }
}

/// The column of the unit in that schema.
pub(super) fn unit_of(schema: &DFSchema) -> Result<Column> {
    let (qualifier, field) = schema.qualified_field_with_unqualified_name(UNIT).map_err(refusal::refuse)?;
    Ok(Column::new(qualifier.cloned(), field.name()))
}

/// The name of the table's column that a column behind `below` is, where it is one as it stands.
pub(super) fn origin(column: &Column, plan: &LogicalPlan) -> Option<String> {
    match plan {
        LogicalPlan::TableScan(_) => Some(column.name.clone()),
        LogicalPlan::Filter(filter) => origin(column, &filter.input),
        LogicalPlan::SubqueryAlias(alias) => {
            let at = alias.schema.maybe_index_of_column(column)?;
            let (qualifier, field) = alias.input.schema().qualified_field(at);
            origin(&Column::new(qualifier.cloned(), field.name()), &alias.input)
        }
        LogicalPlan::Projection(projection) => {
            let at = projection.schema.maybe_index_of_column(column)?;
            match projection.expr.get(at)?.clone().unalias_nested().data {
                Expr::Column(inner) => origin(&inner, &projection.input),
                _computed => None,
            }
        }
        _other => None,
    }
}

fn scan(plan: LogicalPlan, sandbox: &Sandbox) -> Result<LogicalPlan> {
    let columns: Vec<Expr> = plan.schema().columns().into_iter().map(Expr::Column).collect();
    let of = match &sandbox.subject {
        None => columns.clone(),
        Some(subject) => vec![Expr::Column(plan.schema().qualified_field_with_unqualified_name(subject).map_or_else(
            |_missing| Err(refused("the release has no field that names its subjects")),
            |(qualifier, field)| Ok(Column::new(qualifier.cloned(), field.name())),
        )?)],
    };
    let unit = noise::unit(sandbox.seed).call(of).alias(UNIT);
    built(LogicalPlanBuilder::from(plan).project(columns.into_iter().chain([unit])))
}

pub(super) fn built(builder: Result<LogicalPlanBuilder, DataFusionError>) -> Result<LogicalPlan> {
    builder.and_then(LogicalPlanBuilder::build).map_err(refusal::refuse)
}

fn input(plan: &LogicalPlan) -> Result<LogicalPlan> {
    match plan.inputs().as_slice() {
        [input] => Ok((*input).clone()),
        _several => Err(unfit(plan)),
    }
}

/// The same over another input, with safe expressions.
fn renewed(plan: &LogicalPlan, input: LogicalPlan) -> Result<LogicalPlan> {
    let expressions = safe_all(plan, input.schema())?;
    plan.with_new_exprs(expressions, vec![input]).map_err(refusal::refuse)
}

fn safe_all(plan: &LogicalPlan, schema: &DFSchema) -> Result<Vec<Expr>> {
    let names = NamePreserver::new(plan);
    let one = |expr: Expr| {
        let name = names.save(&expr);
        safe(expr, schema).map(|expr| name.restore(expr))
    };
    plan.expressions().into_iter().map(one).collect()
}

/// The expression, where it is one that cannot fail on any value: an error would tell of one row. Numbers are computed as floating point, and
/// what cannot be converted is missing.
pub(super) fn safe(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let mut refusal = None;
    let made = expr.transform_up(|node| match one(node, schema) {
        Ok(node) => Ok(node),
        Err(error) => {
            refusal = Some(error);
            Err(DataFusionError::Plan(String::new()))
        }
    });
    match (made, refusal) {
        (Ok(made), None) => Ok(made.data),
        (_, Some(error)) => Err(error),
        (Err(cause), None) => Err(refusal::refuse(cause)),
    }
}

fn one(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::Column(column) if column.name == UNIT => Err(refused("a column of that name is in use")),
        Expr::Column(_)
        | Expr::Literal(..)
        | Expr::Alias(_)
        | Expr::Like(_)
        | Expr::Not(_)
        | Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::IsTrue(_)
        | Expr::IsFalse(_)
        | Expr::IsUnknown(_)
        | Expr::IsNotTrue(_)
        | Expr::IsNotFalse(_)
        | Expr::IsNotUnknown(_)
        | Expr::Between(_)
        | Expr::InList(_)
        | Expr::Case(_)
        | Expr::TryCast(_) => Ok(Transformed::no(expr)),
        Expr::Cast(cast) => converted(cast).map(Transformed::yes),
        Expr::Negative(inner) => Ok(Transformed::yes(Expr::Negative(Box::new(float(*inner, schema)?)))),
        Expr::BinaryExpr(binary) => operator(binary, schema),
        Expr::ScalarFunction(call) => function(call),
        other => Err(refused(&format!("`{other}` is not allowed"))),
    }
}

/// What cannot be converted is missing. A value that is written out is converted here: an error that waits for a row would tell that there is one.
fn converted(Cast { expr, field }: Cast) -> Result<Expr> {
    if let Expr::Literal(value, metadata) = *expr {
        let value = value.cast_to(field.data_type()).map_err(refusal::refuse)?;
        return Ok(Expr::Literal(value, metadata));
    }
    Ok(Expr::TryCast(TryCast { expr, field }))
}

fn operator(BinaryExpr { left, op, right }: BinaryExpr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match op {
        Operator::Eq
        | Operator::NotEq
        | Operator::Lt
        | Operator::LtEq
        | Operator::Gt
        | Operator::GtEq
        | Operator::And
        | Operator::Or
        | Operator::IsDistinctFrom
        | Operator::IsNotDistinctFrom => Ok(Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right }))),
        Operator::Plus | Operator::Minus | Operator::Multiply | Operator::Divide => {
            let (left, right) = (Box::new(float(*left, schema)?), Box::new(float(*right, schema)?));
            Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr { left, op, right })))
        }
        _other => Err(refused(&format!("the operator `{op}` is not allowed"))),
    }
}

/// A number as floating point, where sums and quotients cannot fail.
fn float(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let kind = expr.get_type(schema).map_err(refusal::refuse)?;
    if kind.is_numeric() || kind == DataType::Null {
        return Ok(Expr::TryCast(TryCast::new(Box::new(expr), DataType::Float64)));
    }
    Err(refused(&format!("`{expr}` is no number, and is not computed with; compare it, or take a part of it with date_part or date_trunc")))
}

fn function(call: ScalarFunction) -> Result<Transformed<Expr>> {
    let name = call.func.name();
    if !TOTAL.contains(&name) {
        return Err(refused(&format!("the function `{name}` is not allowed; those that are: {}", TOTAL.join(", "))));
    }
    if matches!(name, "date_part" | "date_trunc") && !call.args.first().is_some_and(is_part) {
        return Err(refused(&format!("`{name}` takes one of {}, written out", PARTS.join(", "))));
    }
    Ok(Transformed::no(Expr::ScalarFunction(call)))
}

/// A part that there is none of would be an error, and only where there is a row.
fn is_part(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(value, _) if value.try_as_str().flatten().is_some_and(|part| PARTS.contains(&part)))
}

fn unfit(plan: &LogicalPlan) -> Error {
    let what = match plan {
        LogicalPlan::TableScan(_) => "the query has no group; give count, sum or avg, with GROUP BY or without",
        LogicalPlan::Aggregate(_) => "groups of groups are not allowed; give one SELECT with GROUP BY",
        LogicalPlan::Join(_) | LogicalPlan::Subquery(_) => "it reads one dataset, without joins and subqueries in conditions",
        LogicalPlan::Union(_) => "UNION, INTERSECT and EXCEPT are not allowed",
        LogicalPlan::Window(_) => "window functions are not allowed",
        LogicalPlan::Limit(_) | LogicalPlan::Sort(_) => "rows are not sorted or cut before they are grouped",
        LogicalPlan::Distinct(_) => "DISTINCT over rows is not allowed; use GROUP BY",
        _other => "give one SELECT over the dataset, with GROUP BY or without",
    };
    refused(what)
}
