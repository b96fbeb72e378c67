//! Whether the fields of a version that may single somebody out together do so: each by itself may say little, and all of them name one row.

use datafusion::functions_aggregate::expr_fn::{count, min, sum};
use datafusion::logical_expr::{Expr, ident, lit, when};

use super::groups::numbers;
use super::publish::Tools;
use crate::catalog::{Entry, Part, quasi_identifiers};
use crate::error::{Error, Result};
use crate::intake::Combination;
use crate::storage::Object;

const ROWS: &str = " rows ";
const PEOPLE: &str = " people ";
const EACH: &str = " each ";

/// How alike the rows of a version are in its quasi-identifiers; none where it has none, or where there was not the memory to count.
pub(super) async fn combination(tools: &Tools, entry: &Entry, parts: &[Part]) -> Result<Option<Combination>> {
    let fields = quasi_identifiers(entry);
    if fields.is_empty() {
        return Ok(None);
    }
    let objects: Vec<Object> = parts.iter().map(|part| part.object.clone()).collect();
    let table = tools.engine.table(&objects).await?;
    let least = i64::from(tools.grades.least_group);
    let by: Vec<Expr> = fields.iter().map(ident).collect();
    let subject = entry.policy.subject.clone();
    let counting = async move {
        let groups = match subject {
            None => table.aggregate(by, vec![count(lit(1)).alias(ROWS), count(lit(1)).alias(PEOPLE)])?,
            // In two steps, which may use the disk, where a set of the people of each group would stay in memory.
            Some(subject) => {
                let each = by.iter().cloned().chain([ident(&subject)]).collect();
                let people = table.aggregate(each, vec![count(lit(1)).alias(EACH)])?;
                people.aggregate(by, vec![sum(ident(EACH)).alias(ROWS), count(ident(subject)).alias(PEOPLE)])?
            }
        };
        let small = |value: Expr| when(ident(PEOPLE).lt(lit(least)), value).otherwise(lit(0));
        let totals = vec![count(lit(1)), min(ident(PEOPLE)), sum(small(lit(1))?), sum(small(ident(ROWS))?)];
        numbers(groups.aggregate(Vec::new(), totals)?, 4).await
    };
    let found = match tools.engine.run(None, counting).await {
        Ok(found) => found,
        // What could not be counted is not known to be safe: a version that everybody would read is held.
        Err(cause @ Error::Unavailable(_)) => {
            tracing::warn!(error = %cause, "a version's quasi-identifiers were not counted");
            return Ok(None);
        }
        Err(cause) => return Err(cause),
    };
    let [groups, smallest, small_groups, small_rows] = found[..] else { return Ok(None) };
    // A table without rows singles nobody out.
    let smallest = if groups == 0 { least } else { smallest };
    Ok(Some(Combination { fields, subject: entry.policy.subject.clone(), least_group: least, smallest, small_groups, small_rows }))
}
