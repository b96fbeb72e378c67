//! Rows of a release by query: a page of rows, the true number of rows that match, and a cursor that pins the version.

mod grouped;
pub mod numbered;
mod scan;
mod sorted;

use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::Expr;
use serde::Serialize;

use self::grouped::Grouped;
use self::scan::{Page, Scan};
use self::sorted::Sorted;
use super::cursor::{Cursor, digest, foreign};
use super::encode::{Encoding, Rows as Writer};
use super::filter;
use super::select::{self, Selection};
use super::sql::functions;
use super::terms::Terms;
use crate::catalog::Field;
use crate::crypto::HmacKey;
use crate::engine::{Engine, QueryStats, ReleaseTable, Texts};
use crate::error::{Error, Result};
use crate::release::Release;

/// The most rows of one page.
pub const MAX_LIMIT: usize = 1000;

/// A page is written in slices of so many rows.
const SLICE_ROWS: usize = 64;

/// What is asked of a release.
#[derive(Debug, Clone, Default)]
pub struct RowsQuery {
    /// Names of fields or computed values, separated by commas.
    pub select: Option<String>,
    /// A condition.
    pub condition: Option<String>,
    /// What makes a group, separated by commas.
    pub group_by: Option<String>,
    /// Names of fields to sort by.
    pub order_by: Option<String>,
    /// How many rows at the most.
    pub limit: usize,
    /// Where the page before ended.
    pub cursor: Option<Cursor>,
}

/// A page of rows.
#[derive(Debug)]
pub struct Rows {
    /// The columns of the rows.
    pub fields: Vec<Field>,
    /// How many rows match in all.
    pub total: u64,
    /// The cursor of the next page; `None` at the end.
    pub next_cursor: Option<String>,
    /// What the query cost.
    pub stats: QueryStats,
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
}

impl Rows {
    /// How many rows the page has.
    pub fn count(&self) -> u64 {
        self.batches.iter().map(|batch| batch.num_rows() as u64).sum()
    }
}

/// The part of the JSON envelope before the rows.
#[derive(Serialize)]
struct Head<'a> {
    fields: &'a [Field],
}

/// The part behind them.
#[derive(Serialize)]
struct Tail<'a> {
    total: u64,
    next_cursor: Option<&'a str>,
}

impl Rows {
    /// The rows as JSON objects, for those who show them.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn objects(&self) -> Result<Vec<serde_json::Map<String, serde_json::Value>>> {
        let bytes = self.encode(Encoding::Ndjson, u64::MAX)?;
        bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(|line| Ok(serde_json::from_slice(line)?)).collect()
    }

    /// The page in a format, of at most so many bytes.
    ///
    /// # Errors
    /// When it is larger, or cannot be written.
    pub fn encode(&self, encoding: Encoding, most: u64) -> Result<Vec<u8>> {
        let mut writer = Writer::new(encoding, &self.schema)?;
        let mut bytes = writer.start()?;
        if encoding == Encoding::Json {
            bytes = serde_json::to_vec(&Head { fields: &self.fields })?;
            // The closing brace stands behind the rows.
            bytes.pop();
            bytes.extend_from_slice(b",\"rows\":[");
        }
        for batch in &self.batches {
            // In slices, so that what is too large is not written out first.
            for from in (0..batch.num_rows()).step_by(SLICE_ROWS) {
                bytes.extend(writer.write(&batch.slice(from, SLICE_ROWS.min(batch.num_rows() - from)))?);
                if bytes.len() as u64 > most {
                    return Err(Error::TooLarge(format!(
                        "the page is larger than the {most} bytes of this tier: lower `limit`, or select fewer fields"
                    )));
                }
            }
        }
        bytes.extend(writer.finish()?);
        if encoding == Encoding::Json {
            let tail = serde_json::to_vec(&Tail { total: self.total, next_cursor: self.next_cursor.as_deref() })?;
            bytes.extend_from_slice(b"],");
            bytes.extend_from_slice(tail.strip_prefix(b"{").unwrap_or(&tail));
        }
        Ok(bytes)
    }
}

/// Answers a query over a release; cursors are sealed with `key`.
///
/// # Errors
/// When the query cannot be read, or runs longer than `limit`.
pub async fn query(engine: &Arc<Engine>, release: &Arc<Release>, query: RowsQuery, key: HmacKey, limit: Duration) -> Result<Rows> {
    let (runner, release) = (Arc::clone(engine), Arc::clone(release));
    // What is nested takes more stack than an HTTP worker has: also reading the query is the engine's work.
    engine
        .run(Some(limit), async move {
            // The library does not say in which part of the query a value could not be computed.
            let parameter = if query.condition.is_some() { "where" } else { "select" };
            answer(&runner, &release, query, &key).await.map_err(|error| told(parameter, error))
        })
        .await
}

/// What goes wrong while values are computed, such as a division by zero, is told.
#[expect(clippy::wildcard_enum_match_arm, reason = "every other error is what it is")]
fn told(parameter: &'static str, error: Error) -> Error {
    let Error::Internal(cause) = error else { return error };
    match cause.downcast::<DataFusionError>() {
        Err(cause) => Error::Internal(cause),
        Ok(cause) => match cause.find_root() {
            DataFusionError::Execution(_) | DataFusionError::ArrowError(..) => functions::refuse(parameter, cause),
            DataFusionError::ParquetError(_) => functions::refuse(parameter, cause),
            _ => Error::internal(cause),
        },
    }
}

async fn answer(engine: &Engine, release: &Release, query: RowsQuery, key: &HmacKey) -> Result<Rows> {
    let started = Instant::now();
    let parts =
        [Some(&release.dataset().slug), query.select.as_ref(), query.condition.as_ref(), query.group_by.as_ref(), query.order_by.as_ref()];
    let digest = digest(&parts.map(|part| part.map(String::as_str)))?;
    if query.cursor.as_ref().is_some_and(|cursor| cursor.q != digest || cursor.v != release.version()) {
        return Err(foreign());
    }
    let before = query.cursor.as_ref().map_or(0, |cursor| cursor.o);
    let table = engine.open(&release.objects(), Texts::Plain).await?;
    let (fields, page) = page(engine, release, table, query).await?;
    let reached = before + page.rows as u64;
    let more = reached < page.total && page.rows > 0;
    let cursor = Cursor { q: digest, v: release.version(), o: reached, t: page.total, at: page.next };
    let schema = page.batches.first().map_or_else(|| Arc::new(Schema::empty()), RecordBatch::schema);
    Ok(Rows {
        // Without rows the header of CSV still names the columns.
        schema: if page.batches.is_empty() { super::encode::schema_of(&fields) } else { schema },
        fields,
        total: page.total,
        next_cursor: more.then(|| cursor.write(key)).transpose()?,
        stats: QueryStats::of(&page.plans, started),
        batches: page.batches,
    })
}

async fn page(engine: &Engine, release: &Release, table: ReleaseTable, query: RowsQuery) -> Result<(Vec<Field>, Page)> {
    let schema = table.schema();
    let fields = release.fields();
    let (condition, columns, outputs) = {
        let terms = Terms::new(&schema)?;
        let condition = query.condition.as_deref().map(|text| filter::condition(text, fields, &terms)).transpose()?;
        let selection = select::selection(query.select.as_deref(), fields)?;
        let group_by = query.group_by.as_deref().filter(|text| !text.trim().is_empty());
        match selection {
            Selection::Fields(_) if group_by.is_some() && query.select.is_none() => {
                return Err(Error::invalid("select", "name what to compute for each group, such as `count(*) AS n`"));
            }
            Selection::Fields(named) if group_by.is_none() => {
                let columns: Vec<Expr> = named.iter().map(select::column).collect();
                (condition, columns, named)
            }
            Selection::Items(items) if group_by.is_none() && !select::has_aggregates(&items) => {
                let planned = items.iter().map(|item| Ok(terms.plan("select", &item.ast)?.alias(item.name.clone())));
                let columns = planned.collect::<Result<Vec<Expr>>>()?;
                let outputs = terms.fields("select", &columns)?;
                (condition, columns, outputs)
            }
            selection @ (Selection::Fields(_) | Selection::Items(_)) => {
                let group_by = group_by.map(|text| select::group_by(text, fields)).transpose()?.unwrap_or_default();
                drop(terms);
                let items = select::as_items(selection);
                let before = query.cursor.as_ref().map_or(0, |cursor| cursor.o);
                let grouped = Grouped { condition, items, group_by, order_by: query.order_by, limit: query.limit, before };
                return grouped::page(engine, table, grouped).await;
            }
        }
    };
    let order = filter::order(query.order_by.as_deref(), fields)?;
    let (from, total) = (query.cursor.as_ref().map(|cursor| cursor.at.clone()), query.cursor.as_ref().map(|cursor| cursor.t));
    let total = if condition.is_none() { Some(release.row_count().max(0).unsigned_abs()) } else { total };
    let before = query.cursor.map_or(0, |cursor| cursor.o);
    let page = if order.is_empty() {
        scan::page(engine, table, Scan { condition, columns, limit: query.limit, from, total }).await?
    } else {
        sorted::page(engine, table, Sorted { condition, columns, order, limit: query.limit, from, before, total }).await?
    };
    Ok((outputs, page))
}
