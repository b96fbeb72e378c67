//! Groups as cells: what each unit adds to a cell, whether the cell may be told, and how far it is moved.

use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Column, DFSchema, TableReference};
use datafusion::functions::math::expr_fn::{abs, round};
use datafusion::functions_aggregate::expr_fn::{bit_xor, count, max, sum};
use datafusion::logical_expr::expr::{AggregateFunction, TryCast};
use datafusion::logical_expr::{Aggregate, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, lit, try_cast, when};

use super::shape::{UNIT, below, built, origin, safe, unit_of};
use super::{Sandbox, noise, refused};
use crate::error::Result;
use crate::read::sql::refusal;

/// What a cell tells.
enum Told {
    /// How many rows have a value.
    Count,
    /// The sum of a field.
    Sum(String),
    /// Its average.
    Average(String),
}

/// One aggregate of the query.
struct Cell {
    told: Told,
    /// What it counts or sums; missing where a row does not belong to it.
    value: Expr,
    /// As what the query knows it.
    name: (Option<TableReference>, FieldRef),
}

/// The groups, with the output check in them. Their columns are those of the aggregate that they stand for.
pub(super) fn cells(aggregate: Aggregate, sandbox: &Sandbox) -> Result<LogicalPlan> {
    let Aggregate { input, group_expr, aggr_expr, schema, .. } = aggregate;
    if group_expr.iter().any(|group| matches!(group, Expr::GroupingSet(_))) {
        return Err(refused("GROUPING SETS, CUBE and ROLLUP are not allowed; ask for each grouping by itself"));
    }
    let source = input.as_ref().clone();
    let input = below(source.clone(), sandbox)?;
    let groups = group_expr.into_iter().map(|group| safe(group, input.schema())).collect::<Result<Vec<_>>>()?;
    let names: Vec<_> = schema.iter().map(|(qualifier, field)| (qualifier.cloned(), field.clone())).collect();
    let (group_names, cell_names) = names.split_at(groups.len());
    let cells = aggr_expr.into_iter().zip(cell_names).map(|(expr, name)| cell(expr, name.clone(), input.schema(), &source));
    let cells = cells.collect::<Result<Vec<_>>>()?;
    let of_units = units(input, groups, &cells, sandbox)?;
    let counted = summed(of_units, group_names.len(), cells.len())?;
    checked(counted, group_names, &cells, sandbox)
}

fn cell(expr: Expr, name: (Option<TableReference>, FieldRef), schema: &DFSchema, source: &LogicalPlan) -> Result<Cell> {
    let Expr::AggregateFunction(AggregateFunction { func, params }) = expr.unalias_nested().data else {
        return Err(refused("only count, sum and avg are allowed"));
    };
    let [argument] = params.args.as_slice() else {
        return Err(refused("count, sum and avg take one column"));
    };
    if params.distinct {
        return Err(refused("DISTINCT is not allowed"));
    }
    if !params.order_by.is_empty() || params.null_treatment.is_some() {
        return Err(refused("ORDER BY and IGNORE NULLS are not allowed inside an aggregate"));
    }
    let (told, value) = match func.name() {
        "count" => (Told::Count, argument.clone()),
        "sum" => {
            let (field, column) = field(argument, source)?;
            (Told::Sum(field), column)
        }
        "avg" => {
            let (field, column) = field(argument, source)?;
            (Told::Average(field), column)
        }
        other => return Err(refused(&format!("`{other}` tells of single rows; use count, sum and avg"))),
    };
    let value = match params.filter {
        None => value,
        Some(filter) => when(*filter, value).end().map_err(refusal::refuse)?,
    };
    Ok(Cell { told, value: safe(value, schema)?, name })
}

/// The numeric column of the table that is summed. A sum of something computed would have another noise for each way of writing it.
#[expect(clippy::wildcard_enum_match_arm, reason = "what stands around a column is taken off, whatever else it may be")]
fn field(argument: &Expr, source: &LogicalPlan) -> Result<(String, Expr)> {
    let mut inner = argument;
    loop {
        match inner {
            Expr::Alias(alias) => inner = &alias.expr,
            Expr::Cast(cast) => inner = &cast.expr,
            Expr::TryCast(TryCast { expr, .. }) => inner = expr,
            _other => break,
        }
    }
    let Expr::Column(column) = inner else {
        return Err(refused("sum and avg take a field of the dataset as it stands, and nothing computed"));
    };
    let numeric = Expr::Column(column.clone()).get_type(source.schema()).is_ok_and(|kind| kind.is_numeric());
    match origin(column, source) {
        Some(field) if numeric => Ok((field, Expr::Column(column.clone()))),
        _computed => Err(refused(&format!("`{}` is no numeric field of the dataset as it stands; sum and avg take one", column.name))),
    }
}

fn group(at: usize) -> String {
    format!("group_{at}")
}

fn of(what: &str, at: usize) -> String {
    format!("{what}_{at}")
}

/// A column of the steps in between.
fn own(name: impl Into<String>) -> Expr {
    Expr::Column(Column::new_unqualified(name))
}

fn float(expr: Expr) -> Expr {
    try_cast(expr, DataType::Float64)
}

/// A row for each unit of each group: how many values it adds to each cell, and what they sum to.
fn units(input: LogicalPlan, groups: Vec<Expr>, cells: &[Cell], sandbox: &Sandbox) -> Result<LogicalPlan> {
    let unit = Expr::Column(unit_of(input.schema())?).alias(UNIT);
    let groups = groups.into_iter().enumerate().map(|(at, expr)| expr.alias(group(at)));
    let values = cells.iter().enumerate().map(|(at, cell)| cell.value.clone().alias(of("value", at)));
    let columns: Vec<Expr> = groups.chain([unit]).chain(values).collect();
    let keys = columns.len() - cells.len();
    let names: Vec<Expr> = columns.iter().take(keys).map(|column| own(column.schema_name().to_string())).collect();
    let builder = LogicalPlanBuilder::from(input).project(columns).map_err(refusal::refuse)?;
    let amount = |at: usize| match cells[at].told {
        Told::Count => None,
        Told::Sum(_) | Told::Average(_) => Some(float(own(of("value", at)))),
    };
    let one = |at: usize| when(own(of("value", at)).is_not_null(), lit(1_i64)).otherwise(lit(0_i64));
    match sandbox.subject {
        None => {
            let mut columns = names;
            for at in 0..cells.len() {
                let values = one(at).map_err(refusal::refuse)?;
                columns.push(amount(at).unwrap_or_else(|| float(values.clone())).alias(of("amount", at)));
                columns.push(values.alias(of("values", at)));
            }
            built(builder.project(columns))
        }
        Some(_) => {
            let mut sums = Vec::new();
            for at in 0..cells.len() {
                let values = one(at).map_err(refusal::refuse)?;
                sums.push(sum(amount(at).unwrap_or_else(|| float(values.clone()))).alias(of("amount", at)));
                sums.push(sum(values).alias(of("values", at)));
            }
            built(builder.aggregate(names, sums))
        }
    }
}

/// A row for each group: what its cells come to, of how many units and of which, and what the largest of these adds.
fn summed(units: LogicalPlan, groups: usize, cells: usize) -> Result<LogicalPlan> {
    let names: Vec<Expr> = (0..groups).map(|at| own(group(at))).collect();
    let mut sums = vec![count(lit(1_i64)).alias("units")];
    for at in 0..cells {
        let adds = own(of("values", at)).gt(lit(0_i64));
        let if_adds = |expr: Expr| when(adds.clone(), expr).end().map_err(refusal::refuse);
        let amount = own(of("amount", at));
        sums.push(count(if_adds(lit(1_i64))?).alias(of("adding", at)));
        sums.push(bit_xor(if_adds(own(UNIT))?).alias(of("key", at)));
        sums.push(sum(float(own(of("values", at)))).alias(of("rows", at)));
        sums.push(max(float(own(of("values", at)))).alias(of("most_rows", at)));
        sums.push(sum(amount.clone()).alias(of("total", at)));
        sums.push(sum(abs(amount.clone())).alias(of("all", at)));
        sums.push(max(abs(amount)).alias(of("most", at)));
    }
    built(LogicalPlanBuilder::from(units).aggregate(names, sums))
}

/// The groups that are large enough, each cell moved, or missing where it would tell too much.
fn checked(summed: LogicalPlan, groups: &[(Option<TableReference>, FieldRef)], cells: &[Cell], sandbox: &Sandbox) -> Result<LogicalPlan> {
    let least = lit(i64::from(sandbox.check.min_units));
    let group_columns = groups.iter().enumerate().map(|(at, (qualifier, field))| {
        let column = own(group(at));
        column.alias_qualified(qualifier.clone(), field.name())
    });
    let mut columns: Vec<Expr> = group_columns.collect();
    for (at, cell) in cells.iter().enumerate() {
        let adding = own(of("adding", at));
        let others = own("units") - adding.clone();
        let enough = adding.gt_eq(least.clone()).and(others.clone().eq(lit(0_i64)).or(others.gt_eq(least.clone())));
        let spread = |most: &str, all: &str| own(of(most, at)).lt_eq(own(of(all, at)) * lit(sandbox.check.max_share));
        let may = enough.and(spread("most", "all")).and(spread("most_rows", "rows"));
        let told = when(may, moved(at, cell, sandbox)?).end().map_err(refusal::refuse)?;
        let (qualifier, field) = &cell.name;
        columns.push(try_cast(told, field.data_type().clone()).alias_qualified(qualifier.clone(), field.name()));
    }
    let large = own("units").gt_eq(least);
    built(LogicalPlanBuilder::from(summed).filter(large).and_then(|builder| builder.project(columns)))
}

/// The number of a cell with its noise.
fn moved(at: usize, cell: &Cell, sandbox: &Sandbox) -> Result<Expr> {
    let noise = |label: &str, size: Expr| noise::noise(sandbox.seed, label.to_owned()).call(vec![own(of("key", at))]) * size;
    // A multiple of what the unit with the most rows has, so that whether that unit is there does not show.
    let whole = |expr: Expr| round(vec![expr, lit(0_i64)]);
    let count = own(of("rows", at)) + whole(noise("count", own(of("most_rows", at)) * lit(noise::COUNT)));
    let sum = |field: &str| own(of("total", at)) + noise(&format!("sum {field}"), own(of("most", at)) * lit(noise::SUM));
    Ok(match &cell.told {
        Told::Count => count,
        // Whole numbers stay whole, and are not cut off towards zero.
        Told::Sum(field) if cell.name.1.data_type().is_integer() => whole(sum(field)),
        Told::Sum(field) => sum(field),
        // Of the same two numbers that are told, or the quotient would tell the true count.
        Told::Average(field) => when(count.clone().gt(lit(0.0)), sum(field) / count).end().map_err(refusal::refuse)?,
    })
}
