//! A page in an order that was asked for. The next page begins at the values of the last row, so that no page costs more than
//! the first; rows that are equal in all columns are counted.

use std::sync::Arc;

use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, SortExpr, lit};
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{DataFrame, SessionContext};

use crate::crypto::{hex, unhex};
use crate::engine::{Engine, ReleaseTable};
use crate::error::{Error, Result};
use crate::read::cursor::{MAX_KEY_BYTES, Place, foreign};

/// What is asked of a table.
pub(super) struct Sorted {
    pub condition: Option<Expr>,
    pub columns: Vec<Expr>,
    /// All columns of the table, each once.
    pub order: Vec<SortExpr>,
    pub limit: usize,
    pub from: Option<Place>,
    /// How many rows went before.
    pub before: u64,
    pub total: Option<u64>,
}

pub(super) async fn page(engine: &Engine, table: ReleaseTable, sorted: Sorted) -> Result<super::scan::Page> {
    let context = SessionContext::new_with_config_rt(engine.config(engine.cores()), engine.query_env());
    let schema = datafusion::catalog::TableProvider::schema(&table);
    let mut all = context.read_table(Arc::new(table))?;
    if let Some(condition) = sorted.condition {
        all = all.filter(condition)?;
    }
    let (rows, skip, key) = begin(all.clone(), &sorted.order, &schema, sorted.from.as_ref(), sorted.before)?;
    let width = sorted.columns.len();
    let keys = sorted.order.iter().enumerate().map(|(at, sort)| sort.expr.clone().alias(format!(" key {at}")));
    let columns: Vec<Expr> = sorted.columns.into_iter().chain(keys).collect();
    let rows = rows.sort(sorted.order)?.limit(skip, Some(sorted.limit))?.select(columns)?;
    let plan = rows.create_physical_plan().await?;
    let (batches, counted) = match sorted.total {
        Some(total) => (collect(Arc::clone(&plan), context.task_ctx()).await?, total),
        None => {
            let (batches, count) = tokio::join!(collect(Arc::clone(&plan), context.task_ctx()), all.count());
            (batches?, count? as u64)
        }
    };
    let next = end(&batches, width, skip, key)?;
    finish(batches, width, next, counted, plan)
}

fn finish(batches: Vec<RecordBatch>, width: usize, next: Place, total: u64, plan: Arc<dyn ExecutionPlan>) -> Result<super::scan::Page> {
    let shown: Vec<usize> = (0..width).collect();
    let batches = batches.iter().map(|batch| batch.project(&shown)).collect::<Result<Vec<_>, _>>().map_err(Error::internal)?;
    let rows = batches.iter().map(RecordBatch::num_rows).sum();
    Ok(super::scan::Page { batches, rows, total, next, plans: vec![plan] })
}

type Begin = (DataFrame, usize, Option<Vec<Option<String>>>);

/// The rows from the page's beginning on, how many of them to leave out, and the values where it begins.
fn begin(all: DataFrame, order: &[SortExpr], schema: &Schema, from: Option<&Place>, before: u64) -> Result<Begin> {
    match from {
        None => Ok((all, 0, None)),
        Some(Place::Counted) => Ok((all, usize::try_from(before).map_err(Error::internal)?, None)),
        Some(Place::Piece(..)) => Err(foreign()),
        Some(Place::Key(texts, skip)) => {
            if texts.len() != order.len() {
                return Err(foreign());
            }
            let mut condition = None;
            // From the last column to the first: behind it in this column, or the same and then by the next.
            for (sort, text) in order.iter().zip(texts).rev() {
                let value = text.as_deref().map(|text| value(text, &sort.expr, schema)).transpose()?;
                condition = Some(from_here(sort, value, condition));
            }
            let rows = match condition {
                Some(condition) => all.filter(condition)?,
                None => all,
            };
            Ok((rows, *skip, Some(texts.clone())))
        }
    }
}

/// At this value or behind it; `then` decides where it is the same. Missing values come last.
fn from_here(sort: &SortExpr, value: Option<ScalarValue>, then: Option<Expr>) -> Expr {
    let column = sort.expr.clone();
    let Some(value) = value else {
        let same = column.is_null();
        return then.map_or(same.clone(), |then| same.and(then));
    };
    let value = lit(value);
    let behind = if sort.asc { column.clone().gt(value.clone()) } else { column.clone().lt(value.clone()) };
    let behind = behind.or(column.clone().is_null());
    let same = column.clone().eq(value.clone());
    let exact = behind.or(then.map_or(same.clone(), |then| same.and(then)));
    // What follows from it, said once more: by this the reader can leave out whole row groups.
    let near = if sort.asc { column.clone().gt_eq(value) } else { column.clone().lt_eq(value) };
    near.or(column.is_null()).and(exact)
}

/// Where the next page begins.
fn end(batches: &[RecordBatch], width: usize, skip: usize, began: Option<Vec<Option<String>>>) -> Result<Place> {
    let Some(last) = batches.iter().rev().find(|batch| batch.num_rows() > 0) else { return Ok(Place::Counted) };
    let key = key(last, last.num_rows() - 1, width)?;
    if key.iter().flatten().map(String::len).sum::<usize>() > MAX_KEY_BYTES {
        return Ok(Place::Counted);
    }
    let mut equal = 0;
    for batch in batches.iter().rev() {
        for row in (0..batch.num_rows()).rev() {
            if self::key(batch, row, width)? != key {
                return Ok(Place::Key(key, equal));
            }
            equal += 1;
        }
    }
    // The whole page is one value: those that went before it are of it too.
    let before = if began.as_ref() == Some(&key) { skip } else { 0 };
    Ok(Place::Key(key, equal + before))
}

/// The values of a row in the columns of the order, as texts that give them back exactly.
fn key(batch: &RecordBatch, row: usize, width: usize) -> Result<Vec<Option<String>>> {
    batch.columns().iter().skip(width).map(|column| text(column.as_ref(), row)).collect()
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a few types have no text that gives them back; all others have")]
fn text(column: &dyn Array, row: usize) -> Result<Option<String>> {
    if column.is_null(row) {
        return Ok(None);
    }
    match ScalarValue::try_from_array(column, row)? {
        ScalarValue::Float64(Some(value)) => Ok(Some(value.to_bits().to_string())),
        ScalarValue::Binary(Some(bytes)) => Ok(Some(hex(&bytes))),
        ScalarValue::TimestampMicrosecond(Some(micros), _) => Ok(Some(micros.to_string())),
        other => match other.cast_to(&DataType::Utf8)? {
            ScalarValue::Utf8(text) => Ok(text),
            _ => Err(Error::internal(anyhow::anyhow!("a value that has no text"))),
        },
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a few types have no text that gives them back; all others have")]
fn value(text: &str, column: &Expr, schema: &Schema) -> Result<ScalarValue> {
    let Expr::Column(column) = column else { return Err(foreign()) };
    let field = schema.field_with_name(&column.name).map_err(|_unknown| foreign())?;
    match field.data_type() {
        DataType::Float64 => Ok(ScalarValue::Float64(Some(f64::from_bits(text.parse().map_err(|_none| foreign())?)))),
        DataType::Binary => Ok(ScalarValue::Binary(Some(unhex(text).ok_or_else(foreign)?))),
        DataType::Timestamp(_, zone) => Ok(ScalarValue::TimestampMicrosecond(Some(text.parse().map_err(|_none| foreign())?), zone.clone())),
        data_type => ScalarValue::try_from_string(text.to_owned(), data_type).map_err(|_none| foreign()),
    }
}
