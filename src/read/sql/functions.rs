//! The functions that a query may call: those that compute a value from values. None reads a file, an address or the system,
//! none makes lists, and those that make long texts out of short ones, or take patterns, are bounded.

use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{DFSchema, Result, exec_err};
use datafusion::error::DataFusionError;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::functions::all_default_functions;
use datafusion::functions_aggregate::all_default_aggregate_functions;
use datafusion::functions_window::all_default_window_functions;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{AggregateUDF, ColumnarValue, ScalarFunctionArgs, ScalarUDF, WindowUDF, lit, when};
use datafusion::prelude::SessionConfig;
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::guarded::guarded;
use super::{patterns, sums};
use crate::error::Error;

/// The longest text that a function may make.
pub const MAX_TEXT: usize = 8 << 10;

/// The most bytes of text that a function may make for one batch of rows.
const MAX_BATCH: usize = 16 << 20;

/// What a number or a date takes as text at the most.
const PLAIN_BYTES: usize = 48;

/// Scalar functions, by what they are for.
const SCALAR: &[&str] = &[
    // Choice and type.
    "nullif",
    "nvl",
    "nvl2",
    "coalesce",
    "greatest",
    "least",
    "arrow_typeof",
    // Days and moments.
    "current_date",
    "date_bin",
    "date_part",
    "date_trunc",
    "make_date",
    "now",
    "to_char",
    "to_date",
    "to_timestamp",
    "to_timestamp_millis",
    "to_timestamp_seconds",
    "to_timestamp_micros",
    "to_unixtime",
    "from_unixtime",
    // Numbers.
    "abs",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cbrt",
    "ceil",
    "cos",
    "cosh",
    "cot",
    "degrees",
    "exp",
    "factorial",
    "floor",
    "gcd",
    "isnan",
    "iszero",
    "lcm",
    "ln",
    "log",
    "log2",
    "log10",
    "nanvl",
    "pi",
    "power",
    "radians",
    "round",
    "signum",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "trunc",
    // Text.
    "ascii",
    "bit_length",
    "btrim",
    "character_length",
    "chr",
    "concat",
    "concat_ws",
    "contains",
    "ends_with",
    "find_in_set",
    "initcap",
    "left",
    "lower",
    "lpad",
    "ltrim",
    "octet_length",
    "regexp_count",
    "regexp_instr",
    "regexp_like",
    "repeat",
    "replace",
    "reverse",
    "right",
    "rpad",
    "rtrim",
    "split_part",
    "starts_with",
    "strpos",
    "substr",
    "substr_index",
    "to_hex",
    "translate",
    "upper",
];

/// Aggregate functions. `array_agg` and `string_agg` are none of them: they make one value of any size.
const AGGREGATE: &[&str] = &[
    "any_value",
    "approx_distinct",
    "approx_median",
    "approx_percentile_cont",
    "avg",
    "bit_and",
    "bit_or",
    "bit_xor",
    "bool_and",
    "bool_or",
    "corr",
    "count",
    "covar_pop",
    "covar_samp",
    "first_value",
    "grouping",
    "last_value",
    "max",
    "median",
    "min",
    "nth_value",
    "percentile_cont",
    "regr_avgx",
    "regr_avgy",
    "regr_count",
    "regr_intercept",
    "regr_r2",
    "regr_slope",
    "regr_sxx",
    "regr_sxy",
    "regr_syy",
    "stddev",
    "stddev_pop",
    "sum",
    "var",
    "var_pop",
];

/// Functions whose text may be longer than what they are given.
const GROWING: &[&str] = &["concat", "concat_ws", "lpad", "repeat", "replace", "rpad"];

/// Whether the text that a function makes may be longer than what it is given.
pub(super) fn is_growing(name: &str) -> bool {
    GROWING.contains(&name)
}

/// Whether a function makes one value of many rows.
pub(crate) fn is_aggregate(name: &str) -> bool {
    AGGREGATE.contains(&name) || matches!(name, "mean" | "stddev_samp" | "var_samp" | "approx_percentile_cont_with_weight")
}

/// The scalar functions.
pub(super) fn scalar() -> Vec<Arc<ScalarUDF>> {
    let allowed = all_default_functions().into_iter().filter(|function| SCALAR.contains(&function.name()));
    let checked = |function: Arc<ScalarUDF>| match function.name() {
        name if is_growing(name) => guarded(function, check_texts),
        name if patterns::is_function(name) => guarded(function, patterns::check),
        _ => function,
    };
    allowed.map(checked).collect()
}

/// The aggregate functions.
pub(super) fn aggregate() -> Vec<Arc<AggregateUDF>> {
    let allowed = all_default_aggregate_functions().into_iter().filter(|function| AGGREGATE.contains(&function.name()));
    allowed.map(|function| if function.name() == "sum" { sums::exact(function) } else { function }).collect()
}

/// The window functions: all of them compute a value from the rows around.
pub(super) fn window() -> Vec<Arc<WindowUDF>> {
    all_default_window_functions()
}

/// The state of a session that knows these functions and no table.
pub(crate) fn state(config: SessionConfig, env: Option<Arc<RuntimeEnv>>) -> SessionState {
    let builder = SessionStateBuilder::new()
        .with_config(config)
        .with_scalar_functions(scalar())
        .with_aggregate_functions(aggregate())
        .with_window_functions(window())
        .with_expr_planners(planners());
    match env {
        Some(env) => builder.with_runtime_env(env).build(),
        None => builder.build(),
    }
}

/// What the engine says against a parameter of a query.
pub(crate) fn refuse(parameter: &'static str, cause: DataFusionError) -> Error {
    super::refusal::refuse_at(parameter, cause)
}

/// What gives the syntax its meaning; nothing of it makes lists.
pub(super) fn planners() -> Vec<Arc<dyn ExprPlanner>> {
    vec![
        Arc::new(Operators { concat: scalar().into_iter().find(|function| function.name() == "concat") }),
        Arc::new(datafusion::functions::datetime::planner::DatetimeFunctionPlanner),
        Arc::new(datafusion::functions::unicode::planner::UnicodeFunctionPlanner),
        Arc::new(datafusion::functions_aggregate::planner::AggregateFunctionPlanner),
        Arc::new(datafusion::functions_window::planner::WindowFunctionPlanner),
    ]
}

/// `a || b` as the bounded `concat`, and missing where either is.
#[derive(Debug)]
struct Operators {
    concat: Option<Arc<ScalarUDF>>,
}

impl ExprPlanner for Operators {
    fn plan_binary_op(&self, expr: RawBinaryExpr, _schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        if let (BinaryOperator::StringConcat, Some(concat)) = (&expr.op, &self.concat) {
            let name = format!("{} || {}", expr.left.schema_name(), expr.right.schema_name());
            let missing = expr.left.clone().is_null().or(expr.right.clone().is_null());
            let joined = concat.call(vec![expr.left, expr.right]);
            let nothing = lit(datafusion::common::ScalarValue::Utf8(None));
            return Ok(PlannerResult::Planned(when(missing, nothing).otherwise(joined)?.alias(name)));
        }
        Ok(PlannerResult::Original(expr))
    }
}

/// Looks how long the texts of a function would be before it makes them.
fn check_texts(name: &str, arguments: &ScalarFunctionArgs) -> Result<()> {
    let rows = if arguments.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_))) { 1 } else { arguments.number_rows };
    let mut total = 0;
    for size in sizes(name, &arguments.args, rows)? {
        total += size;
        if size > MAX_TEXT || total > MAX_BATCH {
            return exec_err!("{name} would make a text longer than {MAX_TEXT} bytes, or too many long ones");
        }
    }
    Ok(())
}

/// How long the text of each row would be at the most.
fn sizes(name: &str, arguments: &[ColumnarValue], rows: usize) -> Result<Vec<usize>> {
    let arrays = arguments.iter().map(|value| value.to_array(rows)).collect::<Result<Vec<_>>>()?;
    let text = |at: usize| arrays.get(at).map(|array| cast(array, &DataType::Utf8)).transpose();
    let number = |at: usize| arrays.get(at).map(|array| cast(array, &DataType::Int64)).transpose();
    let length = |texts: &StringArray, row: usize| if texts.is_valid(row) { texts.value(row).len() } else { 0 };
    let lengths = |array: &dyn Array| -> Result<Vec<usize>> {
        if array.data_type().is_numeric() || array.data_type().is_temporal() {
            return Ok(vec![PLAIN_BYTES; rows]);
        }
        let texts = cast(array, &DataType::Utf8)?;
        Ok((0..rows).map(|row| length(texts.as_string::<i32>(), row)).collect())
    };
    match name {
        "repeat" | "lpad" | "rpad" => {
            let (Some(texts), Some(counts)) = (text(0)?, number(1)?) else { return Ok(Vec::new()) };
            let (texts, counts) = (texts.as_string::<i32>(), counts.as_primitive::<Int64Type>());
            let count = |row: usize| if counts.is_valid(row) { usize::try_from(counts.value(row)).unwrap_or(0) } else { 0 };
            // A character takes four bytes at the most.
            let each = |row: usize| if name == "repeat" { length(texts, row) } else { 4 };
            Ok((0..rows).map(|row| count(row).saturating_mul(each(row))).collect())
        }
        "replace" => {
            let (Some(texts), Some(from), Some(to)) = (text(0)?, text(1)?, text(2)?) else { return Ok(Vec::new()) };
            let (texts, from, to) = (texts.as_string::<i32>(), from.as_string::<i32>(), to.as_string::<i32>());
            let found = |row: usize| match texts.is_valid(row) && from.is_valid(row) {
                true => texts.value(row).matches(from.value(row)).count(),
                false => 0,
            };
            Ok((0..rows).map(|row| length(texts, row).saturating_add(found(row).saturating_mul(length(to, row)))).collect())
        }
        _ => {
            let mut sizes = vec![0_usize; rows];
            // Between the texts of concat_ws stands the first of them.
            let between = if name == "concat_ws" { arrays.len().saturating_sub(2) } else { 0 };
            for (at, array) in arrays.iter().enumerate() {
                let times = if at == 0 && between > 0 { between } else { 1 };
                for (size, more) in sizes.iter_mut().zip(lengths(array.as_ref())?) {
                    *size = size.saturating_add(more.saturating_mul(times));
                }
            }
            Ok(sizes)
        }
    }
}

/// A call that the engine has no function for, in the words of the list above.
pub(super) fn names() -> Vec<&'static str> {
    let mut names = [SCALAR, AGGREGATE].concat();
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_function() {
        let found = scalar();
        for name in SCALAR {
            assert!(found.iter().any(|function| function.name() == *name), "{name}");
        }
        let found = aggregate();
        for name in AGGREGATE {
            assert!(found.iter().any(|function| function.name() == *name), "{name}");
        }
    }

    #[test]
    fn lengths_are_known_before_the_texts_are_made() {
        let text = |text: &str| ColumnarValue::from(datafusion::common::ScalarValue::from(text));
        let number = |number: i64| ColumnarValue::from(datafusion::common::ScalarValue::from(number));
        let size = |name: &str, arguments: &[ColumnarValue]| sizes(name, arguments, 1).unwrap()[0];
        assert_eq!(size("repeat", &[text("ab"), number(1_000_000_000)]), 2_000_000_000);
        assert_eq!(size("repeat", &[text("ab"), number(-1)]), 0);
        assert_eq!(size("rpad", &[text("ab"), number(i64::MAX), text("x")]), usize::MAX);
        assert_eq!(size("replace", &[text("aaa"), text("a"), text("bbbb")]), 15);
        assert_eq!(size("concat", &[text("aaa"), text("bb")]), 5);
        assert_eq!(size("concat_ws", &[text("--"), text("a"), text("b"), text("c")]), 7);
        assert_eq!(size("concat", &[text("a"), number(1)]), 1 + PLAIN_BYTES);
    }
}
