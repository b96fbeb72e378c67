//! Groups as cells: what each unit adds to a cell, whether the cell may be told, and how far it is moved.

use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Column, DFSchema, TableReference};
use datafusion::functions::math::expr_fn::{abs, ceil, floor, log2, log10, power, round};
use datafusion::functions_aggregate::expr_fn::{count, max, sum};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{Aggregate, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, lit, try_cast, when};

use super::shape::{ROW, Slice, UNIT, below, built, chooses, field_of, mark, require_condition, safe, slice};
use super::{Sandbox, noise, refused};
use crate::error::Result;
use crate::read::sql::refusal;

/// The most aggregates of a query: planning takes longer with the square of their number.
const MAX_CELLS: usize = 16;

/// How many digits a sum or an average is told with where it is not whole. All that a double has would tell by which whole numbers it may have been
/// divided, and so of how many rows it is.
const DIGITS: i32 = 9;

/// In what the marks of rows are added: more than there are rows.
const MARKS: DataType = DataType::Decimal128(20, 0);

/// What a cell tells.
enum Told {
    /// How many rows have a value.
    Count,
    /// How many subjects have one.
    Units,
    /// The sum of a field.
    Sum(String),
    /// Its average over the rows that have a value.
    Average(String),
}

impl Told {
    /// Whether it tells an amount, and not only how many there are.
    fn is_amount(&self) -> bool {
        match self {
            Told::Count | Told::Units => false,
            Told::Sum(_) | Told::Average(_) => true,
        }
    }
}

/// One aggregate of the query.
struct Cell {
    told: Told,
    /// What it counts or sums; missing where a row does not belong to it.
    value: Expr,
    /// Whether that is a whole number.
    is_whole: bool,
    /// As what the query knows it.
    name: (Option<TableReference>, FieldRef),
}

/// The groups, with the output check in them. Their columns are those of the aggregate that they stand for.
pub(super) fn cells(aggregate: Aggregate, sandbox: &Sandbox) -> Result<LogicalPlan> {
    let Aggregate { input, group_expr, aggr_expr, schema, .. } = aggregate;
    if group_expr.iter().any(|group| matches!(group, Expr::GroupingSet(_))) {
        return Err(refused("GROUPING SETS, CUBE and ROLLUP are not allowed; ask for each grouping by itself"));
    }
    if aggr_expr.len() > MAX_CELLS {
        return Err(refused(&format!("{} aggregates are too many for one query; the most is {MAX_CELLS}", aggr_expr.len())));
    }
    if schema.fields().len() != group_expr.len() + aggr_expr.len() {
        return Err(refused("two groups are the same, or one is a constant; group by each field once"));
    }
    let source = input.as_ref().clone();
    let input = below(source.clone(), sandbox)?;
    let is_table = is_table(&group_expr, &aggr_expr, &source, sandbox)?;
    let groups = group_expr.into_iter().map(|group| safe(group, input.schema())).collect::<Result<Vec<_>>>()?;
    let names: Vec<_> = schema.iter().map(|(qualifier, field)| (qualifier.cloned(), field.clone())).collect();
    let (group_names, cell_names) = names.split_at(groups.len());
    let of = Of { schema: input.schema(), source: &source, sandbox, is_table };
    let cells = aggr_expr.into_iter().zip(cell_names).map(|(expr, name)| of.cell(expr, name.clone()));
    let cells = cells.collect::<Result<Vec<_>>>()?;
    let of_units = units(input, groups, &cells, sandbox)?;
    let counted = summed(of_units, group_names.len(), &cells)?;
    checked(of_partition(counted, is_table, sandbox)?, group_names, &cells, sandbox)
}

/// What a query may do is one of two things. Either it chooses rows, by quasi-identifiers alone, and counts them: then whatever two queries differ
/// in is a group of the release. Or it asks for the whole table by some of its fields, in words of which there are only so many. Together they
/// would choose single rows: those of a group that have a rare value.
fn is_table(groups: &[Expr], aggregates: &[Expr], source: &LogicalPlan, sandbox: &Sandbox) -> Result<bool> {
    let slices: Option<Vec<Slice>> = groups.iter().map(|group| slice(group, source, sandbox)).collect();
    let chosen = |aggregate: &Expr| {
        let Expr::AggregateFunction(AggregateFunction { func, params }) = aggregate.clone().unalias_nested().data else { return true };
        let counts = func.name() == "count" && !params.distinct;
        params.filter.is_some() || counts && !params.args.iter().all(|argument| matches!(argument, Expr::Literal(..)))
    };
    if let Some(slices) = slices.filter(|_| !chooses(source) && !aggregates.iter().any(chosen)) {
        // Two parts of one date cut finer than each of them.
        if let Some(pair) = slices.iter().enumerate().find(|(at, one)| slices[..*at].iter().any(|other| other.field == one.field)) {
            return Err(refused(&format!("`{}` stands in the groups twice; a field stands there once, or one part of it", pair.1.field)));
        }
        // Two of them would make small groups that others complete, and many tables with the same ones.
        let others: Vec<&str> =
            slices.iter().map(|slice| slice.field.as_str()).filter(|field| !sandbox.grouped.iter().any(|known| known == field)).collect();
        if others.len() > 1 {
            return Err(refused(&format!("of {} one at a time may be grouped by: they are no quasi-identifiers", others.join(", "))));
        }
        return Ok(true);
    }
    groups.iter().try_for_each(|group| require_condition(group, source, sandbox))?;
    Ok(false)
}

/// What the aggregates of a query are over.
struct Of<'p> {
    schema: &'p DFSchema,
    source: &'p LogicalPlan,
    sandbox: &'p Sandbox,
    /// Whether no rows are chosen.
    is_table: bool,
}

impl Of<'_> {
    fn cell(&self, expr: Expr, name: (Option<TableReference>, FieldRef)) -> Result<Cell> {
        let Expr::AggregateFunction(AggregateFunction { func, params }) = expr.unalias_nested().data else {
            return Err(refused("only count, sum and avg are allowed"));
        };
        let [argument] = params.args.as_slice() else {
            return Err(refused("count, sum and avg take one column"));
        };
        if !params.order_by.is_empty() || params.null_treatment.is_some() {
            return Err(refused("ORDER BY and IGNORE NULLS are not allowed inside an aggregate"));
        }
        let (told, value) = match (func.name(), params.distinct) {
            // A subject may have rows in several groups: of two sets that differ in whole groups, the subjects may differ in one.
            ("count", true) if !self.is_table => {
                return Err(refused("the subjects are counted in the whole table, without conditions (WHERE, FILTER, CASE)"));
            }
            ("count", true) => (Told::Units, self.subject(argument)?),
            (_, true) => return Err(refused("DISTINCT is allowed for counting the subjects alone")),
            ("count", false) => {
                require_condition(argument, self.source, self.sandbox)?;
                (Told::Count, argument.clone())
            }
            ("sum" | "avg", false) if !self.is_table => {
                return Err(refused(
                    "sum and avg are of the whole table, without conditions (WHERE, FILTER, CASE); group by the fields, and choose among the groups",
                ));
            }
            ("sum", false) => self.field(argument).map(|(field, column)| (Told::Sum(field), column))?,
            ("avg", false) => self.field(argument).map(|(field, column)| (Told::Average(field), column))?,
            (other, false) => return Err(refused(&format!("`{other}` tells of single rows; use count, sum and avg"))),
        };
        let value = match params.filter {
            None => value,
            Some(filter) => {
                require_condition(&filter, self.source, self.sandbox)?;
                when(*filter, value).end().map_err(refusal::refuse)?
            }
        };
        let is_whole = value.get_type(self.schema).is_ok_and(|kind| kind.is_integer());
        Ok(Cell { told, value: safe(value, self.schema)?, is_whole, name })
    }

    /// The field that names the subjects, which alone is counted by its different values.
    fn subject(&self, argument: &Expr) -> Result<Expr> {
        if let Expr::Column(column) = argument
            && field_of(column, self.source).is_some_and(|field| self.sandbox.subject.as_ref() == Some(&field))
        {
            return Ok(argument.clone());
        }
        Err(refused("DISTINCT is allowed for counting the subjects alone"))
    }

    /// The numeric field that is summed. A sum of something computed would have another noise for each way of writing it.
    #[expect(clippy::wildcard_enum_match_arm, reason = "what stands around a column is taken off, whatever else it may be")]
    fn field(&self, argument: &Expr) -> Result<(String, Expr)> {
        let mut inner = argument;
        loop {
            match inner {
                Expr::Alias(alias) => inner = &alias.expr,
                Expr::Cast(cast) => inner = &cast.expr,
                Expr::TryCast(cast) => inner = &cast.expr,
                _other => break,
            }
        }
        let Expr::Column(column) = inner else {
            return Err(refused("sum and avg take a field of the dataset as it stands, and nothing computed"));
        };
        let numeric = Expr::Column(column.clone()).get_type(self.source.schema()).is_ok_and(|kind| kind.is_numeric());
        match field_of(column, self.source) {
            Some(field) if numeric => Ok((field, inner.clone())),
            _computed => Err(refused(&format!("`{}` is no numeric field of the dataset as it stands; sum and avg take one", column.name))),
        }
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

fn if_then(condition: Expr, value: Expr) -> Result<Expr> {
    when(condition, value).end().map_err(refusal::refuse)
}

/// A row for each unit of each group: how many values it adds to each cell, what they sum to, and the marks of the rows that they are from.
fn units(input: LogicalPlan, groups: Vec<Expr>, cells: &[Cell], sandbox: &Sandbox) -> Result<LogicalPlan> {
    let marks = [UNIT, ROW].map(|name| mark(name, input.schema()).map(|column| Expr::Column(column).alias(name)));
    let [unit, row] = marks;
    let count = groups.len();
    let groups = groups.into_iter().enumerate().map(|(at, expr)| expr.alias(group(at)));
    let values = cells.iter().enumerate().map(|(at, cell)| cell.value.clone().alias(of("value", at)));
    let columns: Vec<Expr> = groups.chain([unit?, row?]).chain(values).collect();
    let builder = LogicalPlanBuilder::from(input).project(columns).map_err(refusal::refuse)?;
    let mut names: Vec<Expr> = (0..count).map(|at| own(group(at))).collect();
    // What tells a group from others, also where none of its rows has a value.
    let mut added = vec![(try_cast(own(ROW), MARKS), "marks".to_owned())];
    for (at, cell) in cells.iter().enumerate() {
        let there = own(of("value", at)).is_not_null();
        let amount = if cell.told.is_amount() { float(own(of("value", at))) } else { lit(1.0) };
        added.push((if_then(there.clone(), lit(1.0))?, of("values", at)));
        added.push((if_then(there.clone(), amount)?, of("amount", at)));
        added.push((if_then(there, try_cast(own(ROW), MARKS))?, of("marks", at)));
    }
    match sandbox.subject {
        None => {
            names.extend(added.into_iter().map(|(expr, name)| expr.alias(name)));
            // A query without cells still has groups, which count.
            names.push(own(UNIT));
            built(builder.project(names))
        }
        Some(_) => {
            names.push(own(UNIT));
            built(builder.aggregate(names, added.into_iter().map(|(expr, name)| sum(expr).alias(name))))
        }
    }
}

/// A row for each group: what its cells come to, of how many units and of which rows, and what the largest of these units adds.
fn summed(units: LogicalPlan, groups: usize, cells: &[Cell]) -> Result<LogicalPlan> {
    let names: Vec<Expr> = (0..groups).map(|at| own(group(at))).collect();
    let mut sums = vec![count(lit(1_i64)).alias("units"), sum(own("marks")).alias("marks")];
    for (at, cell) in cells.iter().enumerate() {
        let (values, marks, amount) = (own(of("values", at)), own(of("marks", at)), own(of("amount", at)));
        sums.push(count(values.clone()).alias(of("counted", at)));
        sums.push(sum(marks.clone()).alias(of("marks", at)));
        sums.push(sum(values.clone()).alias(of("rows", at)));
        sums.push(max(values).alias(of("most_rows", at)));
        if cell.told.is_amount() {
            // Who adds nothing does not stand for anybody in a sum.
            let adds = amount.clone().not_eq(lit(0.0));
            sums.push(count(if_then(adds.clone(), lit(1_i64))?).alias(of("adding", at)));
            sums.push(sum(if_then(adds, marks)?).alias(of("adding_marks", at)));
            sums.push(sum(amount.clone()).alias(of("total", at)));
            sums.push(sum(abs(amount.clone())).alias(of("all", at)));
            sums.push(max(abs(amount)).alias(of("most", at)));
        }
    }
    built(LogicalPlanBuilder::from(units).aggregate(names, sums))
}

/// The same with how the whole table is cut, as a number. Two tables that cut it in the same way, by whatever fields, have the same noise: where one
/// field follows from another, each group would stand in many tables, and the mean of many tells the true number. Tables that cut it in another
/// way have another noise, also for a group that stands in both: that it does would tell that nobody else is in it.
fn of_partition(summed: LogicalPlan, is_table: bool, sandbox: &Sandbox) -> Result<LogicalPlan> {
    let columns: Vec<Expr> = summed.schema().columns().into_iter().map(Expr::Column).collect();
    let builder = LogicalPlanBuilder::from(summed);
    if !is_table {
        return built(builder.project(columns.into_iter().chain([lit(0_i64).alias("partition")])));
    }
    // Groups that are left out are no part of it: whether there are any would show.
    let group = if_then(enough("units", "marks", sandbox)?, noise::mark(sandbox.seed).call(vec![own("marks"), own("units")]))?;
    let all = built(builder.clone().aggregate(Vec::<Expr>::new(), [sum(try_cast(group, MARKS)).alias("partition")]))?;
    built(builder.cross_join(all))
}

/// The groups that are large enough, each cell moved, or missing where it would tell too much.
fn checked(summed: LogicalPlan, groups: &[(Option<TableReference>, FieldRef)], cells: &[Cell], sandbox: &Sandbox) -> Result<LogicalPlan> {
    let group_columns = groups.iter().enumerate().map(|(at, (qualifier, field))| {
        let column = own(group(at));
        column.alias_qualified(qualifier.clone(), field.name())
    });
    let mut columns: Vec<Expr> = group_columns.collect();
    for (at, cell) in cells.iter().enumerate() {
        let told = if_then(may_tell(at, cell, sandbox)?, moved(at, cell, sandbox)?)?;
        let (qualifier, field) = &cell.name;
        columns.push(try_cast(told, field.data_type().clone()).alias_qualified(qualifier.clone(), field.name()));
    }
    let large = enough("units", "marks", sandbox)?;
    built(LogicalPlanBuilder::from(summed).filter(large).and_then(|builder| builder.project(columns)))
}

/// Whether there are units enough: the least, or up to two more, by the set of rows alone, so that a set that is told and one that is not do not
/// differ by a number that is known.
fn enough(units: &str, marks: &str, sandbox: &Sandbox) -> Result<Expr> {
    let by = || noise::noise(sandbox.seed, "least".to_owned()).call(vec![own(marks), lit(0_i64)]);
    let more = when(by().lt(lit(-noise::MIDDLE)), lit(0.0)).when(by().lt(lit(noise::MIDDLE)), lit(1.0)).otherwise(lit(2.0));
    Ok(float(own(units)).gt_eq(more.map_err(refusal::refuse)? + lit(f64::from(sandbox.check.min_units))))
}

/// Whether enough units add to a cell, and none too much.
fn may_tell(at: usize, cell: &Cell, sandbox: &Sandbox) -> Result<Expr> {
    let enough = |what: &str, marks: &str| enough(&of(what, at), &of(marks, at), sandbox);
    let spread = |most: &str, all: &str| own(of(most, at)).lt_eq(own(of(all, at)) * lit(sandbox.check.max_share));
    Ok(match cell.told {
        Told::Units => enough("counted", "marks")?,
        Told::Count => enough("counted", "marks")?.and(spread("most_rows", "rows")),
        Told::Sum(_) => enough("adding", "adding_marks")?.and(spread("most", "all")),
        Told::Average(_) => enough("adding", "adding_marks")?.and(spread("most", "all")).and(spread("most_rows", "rows")),
    })
}

/// A number between -1 and 1 that follows from a set of rows, how the table is cut, and what it is for.
fn moving(label: &str, marks: &str, sandbox: &Sandbox) -> Expr {
    noise::noise(sandbox.seed, label.to_owned()).call(vec![own(marks), own("partition")])
}

/// The next power of two: how far a number is moved tells of the largest one no more than that.
fn rounded_up(expr: Expr) -> Expr {
    power(lit(2.0), ceil(log2(expr)))
}

/// A number with as many digits as are told.
fn rounded(expr: Expr) -> Result<Expr> {
    let step = power(lit(10.0), floor(log10(abs(expr.clone()))) - lit(f64::from(DIGITS - 1)));
    let rounded = round(vec![expr.clone() / step.clone(), lit(0_i64)]) * step;
    when(expr.clone().eq(lit(0.0)), expr).otherwise(rounded).map_err(refusal::refuse)
}

/// The number of a cell with its noise.
fn moved(at: usize, cell: &Cell, sandbox: &Sandbox) -> Result<Expr> {
    let whole = |expr: Expr| round(vec![expr, lit(0_i64)]);
    let noise = |label: &str, marks: &str| moving(label, &of(marks, at), sandbox);
    // What a double does not hold is no number.
    let finite = |expr: Expr| if_then(abs(expr.clone()).lt_eq(lit(f64::MAX)), expr);
    // Multiples of what the largest unit has, so that whether that unit is there does not show.
    let of_rows = rounded_up(own(of("most_rows", at))) * lit(noise::COUNT);
    let of_amounts = || rounded_up(own(of("most", at))) * lit(noise::SUM);
    Ok(match &cell.told {
        Told::Count => own(of("rows", at)) + whole(noise("count", "marks") * of_rows),
        Told::Units => float(own(of("counted", at))) + whole(noise("units", "marks") * lit(noise::COUNT)),
        Told::Sum(field) => {
            let sum = own(of("total", at)) + noise(&format!("sum {field}"), "adding_marks") * of_amounts();
            // Whole numbers stay whole, and are not cut off towards zero.
            finite(if cell.is_whole { whole(sum) } else { rounded(sum)? })?
        }
        // With a noise of its own: made of the sum and a count as told, it would tell whether these are of the same rows, and so whether a value is
        // missing; of the true count, it would tell that.
        Told::Average(field) => {
            let sum = own(of("total", at)) + noise(&format!("average {field}"), "marks") * of_amounts();
            finite(rounded(sum / own(of("rows", at)))?)?
        }
    })
}
