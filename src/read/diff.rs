//! Two versions of a dataset side by side: what became of its columns and, by the dataset's key, of its rows.
//!
//! Both sides are releases that the caller may read, so that nothing shows that a download would not.

use std::sync::Arc;
use std::time::Duration;

use datafusion::common::{Column, JoinType};
use datafusion::dataframe::DataFrame;
use datafusion::functions_aggregate::expr_fn::{count, sum};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, ident, lit, when};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::encode::{self, Encoding};
use crate::catalog::{Field, FieldType};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::release::Release;

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RowChange {
    /// The later version has it, and the earlier one has not.
    Added,
    /// The earlier version has it, and the later one has not.
    Removed,
    /// Both have it, with other values.
    Changed,
}

impl RowChange {
    fn as_str(self) -> &'static str {
        match self {
            RowChange::Added => "added",
            RowChange::Removed => "removed",
            RowChange::Changed => "changed",
        }
    }
}

/// What became of a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldChange {
    /// The field.
    pub name: String,
    /// What became of it.
    pub change: RowChange,
    /// Its type in the earlier version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_type: Option<FieldType>,
    /// Its type in the later version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_type: Option<FieldType>,
}

/// How many rows became what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[expect(missing_docs, reason = "the names say it")]
pub struct RowCounts {
    pub added: i64,
    pub removed: i64,
    pub changed: i64,
    pub same: i64,
}

/// What is asked.
#[derive(Debug, Clone, Default)]
pub struct DiffQuery {
    /// Rows of this kind only.
    pub change: Option<RowChange>,
    /// How many rows at the most.
    pub limit: usize,
    /// How many go before.
    pub offset: usize,
}

/// The difference between two versions.
#[derive(Debug, Serialize)]
pub struct Diff {
    /// What became of the columns; those that stayed are not listed.
    pub fields: Vec<FieldChange>,
    /// The fields that name a row; empty where the dataset declares no key, and then rows are not compared.
    pub key: Vec<String>,
    /// How many rows became what; null without a key.
    pub counts: Option<RowCounts>,
    /// Rows that are not the same, by key: `change`, the key's fields, and each other field that both versions have as `{"from", "to"}`.
    pub rows: Box<RawValue>,
    /// How many such rows there are in all, of the kind that was asked for.
    pub total: i64,
    /// Whether more follow.
    #[serde(skip)]
    pub more: bool,
}

/// Compares two releases of one dataset.
///
/// # Errors
/// When the key does not name rows in one of them, or the work takes longer than `limit`.
pub async fn diff(engine: &Arc<Engine>, from: &Release, to: &Release, query: DiffQuery, limit: Duration) -> Result<Diff> {
    let fields = field_changes(from.fields(), to.fields());
    let key = from.dataset().entry.key.clone();
    let both = |name: &String| [from, to].iter().all(|side| side.fields().iter().any(|field| field.name == *name));
    // Values of other types are no names of the same rows.
    let same_type = |name: &String| !fields.iter().any(|field| field.name == *name);
    if key.is_empty() || !key.iter().all(both) || !key.iter().all(same_type) {
        let rows = RawValue::from_string("[]".to_owned())?;
        return Ok(Diff { fields, key: Vec::new(), counts: None, rows, total: 0, more: false });
    }
    let others: Vec<String> =
        from.fields().iter().map(|field| field.name.clone()).filter(|name| both(name) && !key.contains(name)).collect();
    let changed_type = |name: &String| fields.iter().any(|field| field.name == *name);
    let compared: Vec<String> = others.iter().filter(|name| !changed_type(name)).cloned().collect();
    let left = side(engine.table(&from.objects()).await?, &key, &compared, FROM)?;
    let right = side(engine.table(&to.objects()).await?, &key, &compared, TO)?;
    for (table, name, release) in [(left.clone(), FROM, from), (right.clone(), TO, to)] {
        require_key(engine, table, name, &key, release, limit).await?;
    }
    let joined = join(left, right, &key, &compared)?;
    let counts = count_changes(engine, joined.clone(), limit).await?;
    let total = match query.change {
        None => counts.added + counts.removed + counts.changed,
        Some(RowChange::Added) => counts.added,
        Some(RowChange::Removed) => counts.removed,
        Some(RowChange::Changed) => counts.changed,
    };
    let wanted = match query.change {
        None => ident(CHANGE).not_eq(lit(SAME)),
        Some(change) => ident(CHANGE).eq(lit(change.as_str())),
    };
    let order = key.iter().map(|name| ident(name).sort(true, false)).collect();
    let page = joined.filter(wanted)?.sort(order)?.limit(query.offset, Some(query.limit))?;
    let (rows, count) = engine.run(Some(limit), async move { rows_json(page).await }).await?;
    let rows = nest(&rows, &key, &compared)?;
    let more = ((query.offset + count) as i64) < total && count > 0;
    Ok(Diff { fields, key, counts: Some(counts), rows, total, more })
}

/// Names of columns that no field has, since names of fields have no spaces around them.
const FROM: &str = " from ";
const TO: &str = " to ";
const CHANGE: &str = " change ";
const SAME: &str = "same";

fn field_changes(from: &[Field], to: &[Field]) -> Vec<FieldChange> {
    let change = |name: &str, change, from_type, to_type| FieldChange { name: name.to_owned(), change, from_type, to_type };
    let of = |fields: &[Field], name: &str| fields.iter().find(|field| field.name == name).map(|field| (field.field_type, field.scale));
    let gone_or_other = from.iter().filter_map(|field| match of(to, &field.name) {
        None => Some(change(&field.name, RowChange::Removed, field.field_type, None)),
        Some(other) if other != (field.field_type, field.scale) => Some(change(&field.name, RowChange::Changed, field.field_type, other.0)),
        Some(_) => None,
    });
    let new = to.iter().filter(|field| of(from, &field.name).is_none());
    gone_or_other.chain(new.map(|field| change(&field.name, RowChange::Added, None, field.field_type))).collect()
}

/// One side of the join: every column with the side's name before it, and a mark that the row is there.
fn side(table: DataFrame, key: &[String], compared: &[String], name: &str) -> Result<DataFrame> {
    let column = |field: &String| ident(field).alias(format!("{name}{field}"));
    let columns = key.iter().chain(compared).map(column).chain([lit(true).alias(name)]).collect::<Vec<_>>();
    Ok(table.select(columns)?)
}

/// The key must name each row once, without gaps; otherwise the comparison would be wrong without a word.
async fn require_key(engine: &Arc<Engine>, table: DataFrame, name: &str, key: &[String], release: &Release, limit: Duration) -> Result<()> {
    let columns: Vec<Expr> = key.iter().map(|field| ident(format!("{name}{field}"))).collect();
    let missing = columns.iter().cloned().map(Expr::is_null).reduce(Expr::or).unwrap_or_else(|| lit(false));
    let twice = table.aggregate(columns, vec![count(lit(1)).alias("n")])?.filter(missing.or(ident("n").gt(lit(1))))?.limit(0, Some(1))?;
    let found = engine.run(Some(limit), async move { Ok(twice.count().await?) }).await?;
    if found > 0 {
        let detail = format!(
            "the key ({}) does not name rows in version {}: some have the same, or none; rows cannot be compared",
            key.join(", "),
            release.version()
        );
        return Err(Error::Conflict(detail));
    }
    Ok(())
}

fn join(left: DataFrame, right: DataFrame, key: &[String], compared: &[String]) -> Result<DataFrame> {
    let column = |side: &str, field: &str| Expr::Column(Column::from_name(format!("{side}{field}")));
    let names = |side: &str| key.iter().map(|field| format!("{side}{field}")).collect::<Vec<_>>();
    let (left_names, right_names) = (names(FROM), names(TO));
    let left_names: Vec<&str> = left_names.iter().map(String::as_str).collect();
    let right_names: Vec<&str> = right_names.iter().map(String::as_str).collect();
    let joined = left.join(right, JoinType::Full, &left_names, &right_names, None)?;
    let differ = compared
        .iter()
        .map(|field| {
            let (from, to) = (Box::new(column(FROM, field)), Box::new(column(TO, field)));
            Expr::BinaryExpr(BinaryExpr::new(from, Operator::IsDistinctFrom, to))
        })
        .reduce(Expr::or)
        .unwrap_or_else(|| lit(false));
    let change = when(column(FROM, "").is_null(), lit(RowChange::Added.as_str()))
        .when(column(TO, "").is_null(), lit(RowChange::Removed.as_str()))
        .when(differ, lit(RowChange::Changed.as_str()))
        .otherwise(lit(SAME))?
        .alias(CHANGE);
    let mut columns = vec![change];
    for field in key {
        let either = when(column(FROM, "").is_null(), column(TO, field)).otherwise(column(FROM, field))?;
        columns.push(either.alias(field));
    }
    for field in compared {
        columns.push(column(FROM, field));
        columns.push(column(TO, field));
    }
    Ok(joined.select(columns)?)
}

async fn count_changes(engine: &Arc<Engine>, joined: DataFrame, limit: Duration) -> Result<RowCounts> {
    let one =
        |change: &str| -> Result<Expr> { Ok(sum(when(ident(CHANGE).eq(lit(change)), lit(1_i64)).otherwise(lit(0_i64))?).alias(change)) };
    let counted = joined.aggregate(Vec::new(), vec![one("added")?, one("removed")?, one("changed")?, one(SAME)?])?;
    let (text, _) = engine.run(Some(limit), async move { rows_json(counted).await }).await?;
    let rows: Vec<std::collections::BTreeMap<String, Option<i64>>> = serde_json::from_str(text.get())?;
    let number = |name: &str| rows.first().and_then(|row| row.get(name).copied().flatten()).unwrap_or(0);
    Ok(RowCounts { added: number("added"), removed: number("removed"), changed: number("changed"), same: number(SAME) })
}

/// The rows of a plan as a JSON array of objects, and how many they are.
async fn rows_json(plan: DataFrame) -> Result<(Box<RawValue>, usize)> {
    let schema = Arc::clone(plan.schema().inner());
    let batches = plan.collect().await?;
    let mut writer = encode::Rows::new(Encoding::Json, &schema)?;
    let mut bytes = b"[".to_vec();
    bytes.extend(writer.start()?);
    for batch in &batches {
        bytes.extend(writer.write(batch)?);
    }
    bytes.extend(writer.finish()?);
    bytes.push(b']');
    let text = String::from_utf8(bytes).map_err(Error::internal)?;
    Ok((RawValue::from_string(text)?, batches.iter().map(|batch| batch.num_rows()).sum()))
}

/// Flat rows as they are answered: the key's fields, and of each other field both values.
fn nest(rows: &RawValue, key: &[String], compared: &[String]) -> Result<Box<RawValue>> {
    let flat: Vec<std::collections::BTreeMap<String, Box<RawValue>>> = serde_json::from_str(rows.get())?;
    let nested = flat.into_iter().map(|row| {
        let text = |name: &str| row.get(name).map_or("null", |value| value.get()).to_owned();
        let mut parts = vec![format!("\"change\":{}", text(CHANGE))];
        let mut named = Vec::new();
        for name in key {
            named.push(format!("{}:{}", serde_json::to_string(name)?, text(name)));
        }
        parts.push(format!("\"key\":{{{}}}", named.join(",")));
        let mut values = Vec::new();
        for name in compared {
            let (from, to) = (text(&format!("{FROM}{name}")), text(&format!("{TO}{name}")));
            if from != to {
                values.push(format!("{}:{{\"from\":{from},\"to\":{to}}}", serde_json::to_string(name)?));
            }
        }
        parts.push(format!("\"values\":{{{}}}", values.join(",")));
        Ok(format!("{{{}}}", parts.join(",")))
    });
    let nested = nested.collect::<Result<Vec<_>>>()?;
    Ok(RawValue::from_string(format!("[{}]", nested.join(",")))?)
}
