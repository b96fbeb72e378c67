//! One page of numbered rows.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::DataFrame;
use futures::StreamExt;

use super::stream::in_order;
use super::write::{Layout, Writer};
use super::{NumberedQuery, Plan, Way, context, plan};
use crate::catalog::Field;
use crate::engine::{Engine, Piece, QueryStats, row_number};
use crate::error::{Error, Result};
use crate::read::rows::scan::{self, Scan};
use crate::release::Release;

/// A page is written in slices of so many rows.
const SLICE_ROWS: usize = 256;

/// The most rows that are read at once.
const LARGEST_PAGE: u64 = 100_000;

/// Behind the columns of a page stands the number of each row, by which the next page begins.
const HIDDEN: &str = " number";

/// Where the next page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// At the row behind the one with this number.
    Above(u64),
    /// At the row before it, where they come from the last to the first.
    Below(u64),
}

/// A page of rows.
#[derive(Debug)]
pub struct NumberedPage {
    /// The columns.
    pub fields: Vec<Field>,
    /// How many rows match in all, where that was asked for or costs nothing.
    pub total: Option<u64>,
    /// Where the next page begins; `None` at the end, and in an order that is not that of the numbers.
    pub next: Option<Next>,
    /// What the query cost.
    pub stats: QueryStats,
    batches: Vec<RecordBatch>,
}

impl NumberedPage {
    /// How many rows the page has.
    pub fn count(&self) -> u64 {
        self.batches.iter().map(|batch| batch.num_rows() as u64).sum()
    }

    /// The rows in a layout, without what stands around them, of at most so many bytes.
    ///
    /// # Errors
    /// When they are larger, or cannot be written.
    pub fn records(&self, layout: Layout, most: u64) -> Result<Vec<u8>> {
        let (mut writer, mut bytes) = (Writer::new(layout), Vec::new());
        for batch in &self.batches {
            // In slices, so that what is too large is not written out first.
            for from in (0..batch.num_rows()).step_by(SLICE_ROWS) {
                bytes.extend(writer.write(&batch.slice(from, SLICE_ROWS.min(batch.num_rows() - from)))?);
                if bytes.len() as u64 > most {
                    return Err(Error::invalid(
                        "limit",
                        format!("the page is larger than the {most} bytes of this tier: lower `limit`, or ask for fewer `fields`"),
                    ));
                }
            }
        }
        Ok(bytes)
    }
}

/// What was read of a page.
struct Read {
    batches: Vec<RecordBatch>,
    total: Option<u64>,
    plans: Vec<Arc<dyn ExecutionPlan>>,
}

/// Answers a page. `counted` says whether its total is to be found out where that costs something.
///
/// # Errors
/// When the query names what there is not, or runs longer than `limit`.
pub async fn numbered_page(
    engine: &Arc<Engine>,
    release: &Arc<Release>,
    query: NumberedQuery,
    counted: bool,
    limit: Duration,
) -> Result<NumberedPage> {
    let (runner, release) = (Arc::clone(engine), Arc::clone(release));
    engine.run(Some(limit), async move { Box::pin(answer(&runner, &release, &query, counted)).await }).await
}

async fn answer(engine: &Engine, release: &Release, query: &NumberedQuery, counted: bool) -> Result<NumberedPage> {
    let started = Instant::now();
    let plan = plan(engine, release, query).await?;
    let (offset, most) = (query.offset, query.limit.unwrap_or(LARGEST_PAGE).min(LARGEST_PAGE));
    let window = Window { offset, limit: most as usize, counted };
    let read = match plan.way {
        // Behind the last row there is none, in whichever order.
        Way::ByNumber | Way::Backwards | Way::Sorted | Way::Distinct if plan.known_total().is_some_and(|total| offset >= total) => {
            Read { batches: Vec::new(), total: None, plans: Vec::new() }
        }
        Way::ByNumber => Box::pin(by_number(engine, &plan, window)).await?,
        Way::Backwards if plan.condition.is_none() => {
            // The page is so many rows before the last ones.
            let end = plan.rows.end.saturating_sub(offset).max(plan.rows.start);
            let rows = end.saturating_sub(most).max(plan.rows.start)..end;
            Box::pin(sorted(engine, &plan, rows, Window { offset: 0, ..window })).await?
        }
        Way::Backwards | Way::Sorted => Box::pin(sorted(engine, &plan, plan.rows.clone(), window)).await?,
        Way::Distinct => Box::pin(distinct(engine, &plan, window)).await?,
    };
    finish(plan, read, window, started)
}

/// Which of the rows make the page.
#[derive(Clone, Copy)]
struct Window {
    offset: u64,
    limit: usize,
    counted: bool,
}

/// A page in the order of the numbers.
async fn by_number(engine: &Engine, plan: &Plan, window: Window) -> Result<Read> {
    let Window { offset, limit, counted } = window;
    let Some(condition) = &plan.condition else {
        // Every row matches: where the page begins follows from the numbers.
        let start = plan.rows.start.saturating_add(offset).min(plan.rows.end);
        let rows = start..start.saturating_add(limit as u64).min(plan.rows.end);
        let pieces = plan.table.pieces_of(&rows);
        return scanned(engine, plan, &pieces, (limit, 0), Some(0)).await;
    };
    let pieces = plan.table.pieces_of(&plan.rows);
    if offset == 0 {
        return scanned(engine, plan, &pieces, (limit, 0), (!counted).then_some(0)).await;
    }
    let table = plan.table.clone().numbered(&pieces, pieces.len());
    let counts = scan::counts(engine, table, &pieces, condition.clone()).await?;
    let total = counts.iter().map(|count| *count as u64).sum();
    let (mut skip, mut first) = (offset, counts.len());
    for (at, count) in counts.iter().enumerate() {
        if skip < *count as u64 {
            first = at;
            break;
        }
        skip -= *count as u64;
    }
    let behind = pieces.get(first..).unwrap_or_default();
    // What is left over where nothing is behind it does not matter.
    let skip = if behind.is_empty() { 0 } else { skip as usize };
    scanned(engine, plan, behind, (limit, skip), Some(total)).await
}

async fn scanned(engine: &Engine, plan: &Plan, pieces: &[Piece], (limit, skip): (usize, usize), total: Option<u64>) -> Result<Read> {
    let hidden = std::iter::once(row_number().alias(HIDDEN));
    let columns: Vec<Expr> = plan.columns.iter().cloned().chain(hidden).collect();
    let table = plan.table.clone().numbered(pieces, pieces.len());
    let scan = Scan { condition: plan.condition.clone(), columns, limit, from: None, total };
    let page = scan::page_of(engine, table, pieces, scan, skip).await?;
    Ok(Read { batches: page.batches, total: Some(page.total), plans: page.plans })
}

/// A page in another order, of these rows.
async fn sorted(engine: &Engine, plan: &Plan, rows: Range<u64>, window: Window) -> Result<Read> {
    let context = context(engine, engine.cores());
    let all = plan.frame(&context, &plan.table.pieces_of(&rows), engine.cores())?;
    let hidden = std::iter::once(row_number().alias(HIDDEN));
    let columns: Vec<Expr> = plan.columns.iter().cloned().chain(hidden).collect();
    let page = all.clone().sort(plan.order.clone())?.select(columns)?;
    read(page, window, (window.counted && plan.known_total().is_none()).then_some(all)).await
}

/// A page of rows that are different from one another.
async fn distinct(engine: &Engine, plan: &Plan, window: Window) -> Result<Read> {
    let context = context(engine, engine.cores());
    let all = plan.frame(&context, &plan.table.pieces_of(&plan.rows), engine.cores())?;
    let all = all.select(plan.columns.clone())?.distinct()?;
    let page = all.clone().sort(plan.order.clone())?;
    read(page, window, window.counted.then_some(all)).await
}

/// The rows of a page, and how many there are in all where that is to be counted.
async fn read(sorted: DataFrame, window: Window, all: Option<DataFrame>) -> Result<Read> {
    let counted = async {
        match all {
            Some(all) => Ok(Some(all.count().await? as u64)),
            None => Ok::<_, Error>(None),
        }
    };
    let rows = async {
        let (mut rows, plan) = in_order(sorted, window.offset, window.limit as u64).await?;
        let (mut batches, mut count) = (Vec::new(), 0);
        while count < window.limit
            && let Some(batch) = rows.next().await
        {
            let batch = batch?;
            count += batch.num_rows();
            batches.push(batch);
        }
        Ok::<_, Error>((batches, plan))
    };
    let (read, total) = tokio::join!(Box::pin(rows), counted);
    let (batches, plan) = read?;
    Ok(Read { batches, total: total?, plans: vec![plan] })
}

fn finish(plan: Plan, read: Read, window: Window, started: Instant) -> Result<NumberedPage> {
    let rows: usize = read.batches.iter().map(RecordBatch::num_rows).sum();
    let total = plan.known_total().or(read.total.filter(|_| window.counted));
    let more = match total {
        Some(total) => window.offset.saturating_add(rows as u64) < total,
        None => rows == window.limit,
    };
    let next = match plan.way {
        Way::ByNumber if more => last_number(&read.batches)?.map(Next::Above),
        Way::Backwards if more => last_number(&read.batches)?.map(Next::Below),
        Way::ByNumber | Way::Backwards | Way::Sorted | Way::Distinct => None,
    };
    let shown: Vec<usize> = (0..plan.columns.len()).collect();
    let batches = read.batches.iter().map(|batch| batch.project(&shown)).collect::<Result<Vec<_>, _>>().map_err(Error::internal)?;
    Ok(NumberedPage { fields: plan.fields, total, next, stats: QueryStats::of(&read.plans, started), batches })
}

/// The number of the last row, which stands in the last column.
fn last_number(batches: &[RecordBatch]) -> Result<Option<u64>> {
    let Some(batch) = batches.iter().rev().find(|batch| batch.num_rows() > 0) else { return Ok(None) };
    let numbers = batch.columns().last().and_then(|column| column.as_primitive_opt::<Int64Type>());
    let numbers = numbers.ok_or_else(|| Error::internal(anyhow::anyhow!("a page without its numbers")))?;
    Ok(Some(numbers.value(batch.num_rows() - 1).unsigned_abs()))
}
