//! Whether the fields of a version that may single somebody out together do so: each by itself may say little, and all of them name one row.

use datafusion::functions_aggregate::expr_fn::{count, count_distinct, min, sum};
use datafusion::logical_expr::{Expr, ident, lit, when};

use super::groups::numbers;
use super::publish::Tools;
use crate::catalog::{Entry, Part, quasi_identifiers};
use crate::error::Result;
use crate::intake::Combination;
use crate::storage::Object;

const ROWS: &str = " rows ";
const PEOPLE: &str = " people ";

/// How alike the rows of a version are in its quasi-identifiers; none where it has none.
pub(super) async fn combination(tools: &Tools, entry: &Entry, parts: &[Part]) -> Result<Option<Combination>> {
    let fields = quasi_identifiers(entry);
    if fields.is_empty() {
        return Ok(None);
    }
    let objects: Vec<Object> = parts.iter().map(|part| part.object.clone()).collect();
    let table = tools.engine.table(&objects).await?;
    let least = i64::from(tools.grades.least_group);
    let people = match &entry.policy.subject {
        Some(subject) => count_distinct(ident(subject)),
        None => count(lit(1)),
    };
    let by: Vec<Expr> = fields.iter().map(ident).collect();
    let counting = async move {
        let groups = table.aggregate(by, vec![count(lit(1)).alias(ROWS), people.alias(PEOPLE)])?;
        let small = |value: Expr| when(ident(PEOPLE).lt(lit(least)), value).otherwise(lit(0));
        let totals = vec![count(lit(1)), min(ident(PEOPLE)), sum(small(lit(1))?), sum(small(ident(ROWS))?)];
        numbers(groups.aggregate(Vec::new(), totals)?, 4).await
    };
    let found = tools.engine.run(None, counting).await?;
    let [groups, smallest, small_groups, small_rows] = found[..] else { return Ok(None) };
    // A table without rows singles nobody out.
    let smallest = if groups == 0 { least } else { smallest };
    Ok(Some(Combination { fields, least_group: least, smallest, small_groups, small_rows }))
}
