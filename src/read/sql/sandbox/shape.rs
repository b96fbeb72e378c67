//! Which plans and expressions the sandbox allows: one scan, groups or conditions, and what is made of them.

#![expect(clippy::wildcard_enum_match_arm, reason = "of the engine's many forms a few are allowed, and every other one is refused")]

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, DataFusionError};
use datafusion::logical_expr::expr::{Cast, ScalarFunction, TryCast};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{BinaryExpr, Distinct, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Operator, lit};

use super::{Sandbox, cells, noise, refused};
use crate::error::{Error, Result};
use crate::read::sql::refusal;

/// The column that says of which unit a row is.
pub(super) const UNIT: &str = "__unit";

/// The column that tells a row from others.
pub(super) const ROW: &str = "__row";

/// Functions that answer something for every value.
const TOTAL: &[&str] =
    &["character_length", "coalesce", "contains", "date_part", "ends_with", "left", "lower", "nullif", "right", "starts_with", "upper"];

/// Parts of dates and times.
const PARTS: &[&str] = &["year", "quarter", "month", "week", "day", "hour", "minute", "second"];

/// Those of a day, and of what is longer.
const DAY_PARTS: &[&str] = &["year", "quarter", "month", "week", "day"];

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

/// What stands below the groups. The scan says which unit and which row each row is, and that is handed on.
pub(super) fn below(plan: LogicalPlan, sandbox: &Sandbox) -> Result<LogicalPlan> {
    match plan {
        LogicalPlan::TableScan(_) => scan(plan, sandbox),
        LogicalPlan::Filter(ref filter) => {
            require_condition(&filter.predicate, &filter.input, sandbox)?;
            let input = below(input(&plan)?, sandbox)?;
            renewed(&plan, input)
        }
        LogicalPlan::SubqueryAlias(_) => {
            let input = below(input(&plan)?, sandbox)?;
            renewed(&plan, input)
        }
        LogicalPlan::Projection(_) => {
            if plan.schema().fields().iter().any(|field| [UNIT, ROW].contains(&field.name().as_str())) {
                return Err(refused("a column of the query has a name that is in use"));
            }
            let input = below(input(&plan)?, sandbox)?;
            let mut columns = safe_all(&plan, input.schema())?;
            columns.push(Expr::Column(mark(UNIT, input.schema())?));
            columns.push(Expr::Column(mark(ROW, input.schema())?));
            built(LogicalPlanBuilder::from(input).project(columns))
        }
        other => Err(unfit(&other)),
    }
}

/// The column with that mark in the schema.
pub(super) fn mark(name: &str, schema: &DFSchema) -> Result<Column> {
    let (qualifier, field) = schema.qualified_field_with_unqualified_name(name).map_err(refusal::refuse)?;
    Ok(Column::new(qualifier.cloned(), field.name()))
}

/// Where a column behind `below` comes from.
enum Origin<'p> {
    /// It is a field of the table.
    Field(String),
    /// It was computed, from the columns of that plan.
    Computed(&'p Expr, &'p LogicalPlan),
    /// Nobody knows.
    Unknown,
}

fn origin<'p>(column: &Column, plan: &'p LogicalPlan) -> Origin<'p> {
    match plan {
        LogicalPlan::TableScan(_) => Origin::Field(column.name.clone()),
        LogicalPlan::Filter(filter) => origin(column, &filter.input),
        LogicalPlan::SubqueryAlias(alias) => match alias.schema.maybe_index_of_column(column) {
            None => Origin::Unknown,
            Some(at) => {
                let (qualifier, field) = alias.input.schema().qualified_field(at);
                origin(&Column::new(qualifier.cloned(), field.name()), &alias.input)
            }
        },
        LogicalPlan::Projection(projection) => {
            let at = projection.schema.maybe_index_of_column(column);
            match at.and_then(|at| projection.expr.get(at)).map(unaliased) {
                None => Origin::Unknown,
                Some(Expr::Column(inner)) => origin(inner, &projection.input),
                Some(computed) => Origin::Computed(computed, &projection.input),
            }
        }
        _other => Origin::Unknown,
    }
}

fn unaliased(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => unaliased(&alias.expr),
        other => other,
    }
}

/// The field of the table that a column is, where it is one as it stands.
pub(super) fn field_of(column: &Column, plan: &LogicalPlan) -> Option<String> {
    match origin(column, plan) {
        Origin::Field(field) => Some(field),
        Origin::Computed(..) | Origin::Unknown => None,
    }
}

/// Checks that a condition is over quasi-identifiers alone: then the rows that it holds for are whole groups of the release.
pub(super) fn require_condition(expr: &Expr, plan: &LogicalPlan, sandbox: &Sandbox) -> Result<()> {
    for column in expr.column_refs() {
        match origin(column, plan) {
            Origin::Field(field) if sandbox.grouped.contains(&field) => {}
            Origin::Computed(inner, below) => require_condition(inner, below, sandbox)?,
            Origin::Field(_) | Origin::Unknown => {
                let allowed = match sandbox.grouped.as_slice() {
                    [] => "the grant has no such field".to_owned(),
                    fields => fields.join(", "),
                };
                return Err(refused(&format!(
                    "conditions (WHERE, FILTER, CASE), and whatever is grouped or counted with them, are over quasi-identifiers, and `{}` is \
                     none: {allowed}; without conditions, group by fields as they stand",
                    column.name
                )));
            }
        }
    }
    Ok(())
}

/// Whether rows are chosen somewhere in what stands below the groups.
pub(super) fn chooses(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Filter(_)) || plan.inputs().into_iter().any(chooses)
}

/// By what rows are grouped: a field, or a part of a date.
pub(super) struct Slice {
    /// The field.
    pub(super) field: String,
    /// Whether it is a part of it.
    is_part: bool,
}

/// The field, or the part of one, as it stands, by which rows are grouped; nothing where it is something else. Pseudonyms are none: they stand
/// for one each. Texts have no parts, and dates no hours: each would be another table in which the same groups have other noises.
pub(super) fn slice(expr: &Expr, plan: &LogicalPlan, sandbox: &Sandbox) -> Option<Slice> {
    match expr {
        Expr::Alias(alias) => slice(&alias.expr, plan, sandbox),
        Expr::Cast(Cast { expr: inner, field }) | Expr::TryCast(TryCast { expr: inner, field }) => {
            let texts = field.data_type().is_string() && inner.get_type(plan.schema()).is_ok_and(|kind| kind.is_string());
            if texts { slice(inner, plan, sandbox) } else { None }
        }
        Expr::Column(column) => match origin(column, plan) {
            Origin::Field(field) if sandbox.pseudonyms.contains(&field) => None,
            Origin::Field(field) => Some(Slice { field, is_part: false }),
            Origin::Computed(inner, below) => slice(inner, below, sandbox),
            Origin::Unknown => None,
        },
        Expr::ScalarFunction(call) if call.func.name() == "date_part" => {
            let [told, value] = call.args.as_slice() else { return None };
            let has_hours = matches!(value.get_type(plan.schema()), Ok(DataType::Timestamp(..)));
            part(told).filter(|part| DAY_PARTS.contains(part) || *part == "hour" && has_hours)?;
            let Slice { field, is_part } = slice(value, plan, sandbox)?;
            (!is_part).then_some(Slice { field, is_part: true })
        }
        _other => None,
    }
}

fn scan(plan: LogicalPlan, sandbox: &Sandbox) -> Result<LogicalPlan> {
    let columns: Vec<Expr> = plan.schema().columns().into_iter().map(Expr::Column).collect();
    let marked = |of: Vec<Expr>, name: &str| noise::mark(sandbox.seed).call(of).alias(name);
    let subject = match &sandbox.subject {
        None => None,
        Some(subject) => {
            let found = plan.schema().qualified_field_with_unqualified_name(subject);
            let (qualifier, field) = found.map_err(|_missing| refused("the release has no field that names its subjects"))?;
            Some(Expr::Column(Column::new(qualifier.cloned(), field.name())))
        }
    };
    let unit = subject.clone().map_or_else(|| lit(0_i64).alias(UNIT), |subject| marked(vec![subject], UNIT));
    let apart = |column: &Expr| matches!(column, Expr::Column(column) if sandbox.marked.contains(&column.name));
    let mut told: Vec<Expr> = columns.iter().filter(|column| apart(column)).cloned().collect();
    if told.is_empty() {
        told.clone_from(&columns);
    }
    let row = marked(told, ROW);
    let builder = LogicalPlanBuilder::from(plan);
    // A row that names no subject stands for nobody.
    let builder = match subject {
        None => Ok(builder),
        Some(subject) => builder.filter(subject.is_not_null()),
    };
    built(builder.and_then(|builder| builder.project(columns.into_iter().chain([unit, row]))))
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

/// The expression, where it is one that cannot fail on any value: an error would tell of one row. Numbers are computed as floating point.
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
        Expr::Column(column) if [UNIT, ROW].contains(&column.name.as_str()) => Err(refused("a column of that name is in use")),
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
        | Expr::Case(_) => Ok(Transformed::no(expr)),
        Expr::Cast(Cast { expr, field }) | Expr::TryCast(TryCast { expr, field }) => {
            converted(*expr, field.data_type(), schema).map(Transformed::yes)
        }
        Expr::Negative(inner) => Ok(Transformed::yes(Expr::Negative(Box::new(float(*inner, schema)?)))),
        Expr::BinaryExpr(binary) => operator(binary, schema),
        Expr::ScalarFunction(call) => function(call),
        other => Err(refused(&format!("`{other}` is not allowed"))),
    }
}

/// A conversion that has an answer for every value: between numbers, and between texts. A value that is written out is converted here: an error that
/// waits for a row would tell that there is one.
fn converted(expr: Expr, kind: &DataType, schema: &DFSchema) -> Result<Expr> {
    if let Expr::Literal(value, metadata) = expr {
        let value = value.cast_to(kind).map_err(refusal::refuse)?;
        return Ok(Expr::Literal(value, metadata));
    }
    let from = expr.get_type(schema).map_err(refusal::refuse)?;
    let within = |is: fn(&DataType) -> bool| is(&from) && is(kind);
    if from == *kind || from == DataType::Null || within(DataType::is_numeric) || within(DataType::is_string) {
        return Ok(Expr::TryCast(TryCast::new(Box::new(expr), kind.clone())));
    }
    Err(refused(&format!("`{expr}` is not converted; numbers become numbers and texts texts")))
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
    Err(refused(&format!("`{expr}` is no number, and is not computed with; compare it, or take a part of it with date_part")))
}

fn function(mut call: ScalarFunction) -> Result<Transformed<Expr>> {
    let name = call.func.name();
    if !TOTAL.contains(&name) {
        return Err(refused(&format!("the function `{name}` is not allowed; those that are: {}", TOTAL.join(", "))));
    }
    if name == "date_part" {
        // A part that there is none of would be an error, and only where there is a row.
        let part = call
            .args
            .first()
            .and_then(part)
            .ok_or_else(|| refused(&format!("`date_part` takes one of {}, written out", PARTS.join(", "))))?;
        call.args[0] = lit(part);
        return Ok(Transformed::yes(Expr::ScalarFunction(call)));
    }
    Ok(Transformed::no(Expr::ScalarFunction(call)))
}

fn part(expr: &Expr) -> Option<&'static str> {
    let Expr::Literal(value, _) = expr else { return None };
    let told = value.try_as_str().flatten()?;
    PARTS.iter().copied().find(|part| told.eq_ignore_ascii_case(part))
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
