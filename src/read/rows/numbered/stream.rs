//! All rows of a query, sent on while they are read. A slow reader slows the engine, and one who goes away ends it; what is on its way is a
//! few batches, however many rows there are.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use datafusion::arrow::array::RecordBatch;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::DataFrame;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, future, stream};
use tokio::sync::mpsc;

use super::write::{Layout, Writer, written};
use super::{NumberedQuery, Plan, Way, context, plan};
use crate::catalog::Field;
use crate::engine::{Engine, Stop, Work};
use crate::error::{Error, Result};
use crate::release::Release;

/// How many pieces wait for their reader.
const WAITING: usize = 4;

/// How many batches are written at the same time.
const AT_ONCE: usize = 4;

/// The most rows of which the first are found without sorting all.
const LARGEST_HEAP: u64 = 200_000;

/// How many bytes are gathered before they are sent on.
const PIECE_BYTES: usize = 256 << 10;

/// Rows on their way.
pub struct NumberedStream {
    /// The columns.
    pub fields: Vec<Field>,
    /// The rows in their layout, without what stands before and behind them.
    pub body: BoxStream<'static, Result<Bytes>>,
    /// How many rows have come out of the body.
    pub rows: Arc<AtomicU64>,
}

enum Message {
    /// A piece, and how many rows there are up to its end.
    Piece(Bytes, u64),
    End,
    Failed(Error),
}

/// Starts a query. When this answers, the first rows are there: what goes wrong until then is a proper error. No step from one batch to the next may
/// take longer than `limit`; how long the reader takes does not count.
///
/// # Errors
/// When the query names what there is not, or its first rows take longer than `limit`.
pub async fn numbered_stream(
    engine: &Arc<Engine>,
    release: &Arc<Release>,
    query: NumberedQuery,
    layout: Layout,
    limit: Duration,
) -> Result<NumberedStream> {
    let (runner, of) = (Arc::clone(engine), Arc::clone(release));
    let planning = async move {
        let plan = plan(&runner, &of, &query).await?;
        let fields = plan.fields.clone();
        Ok((Box::pin(batches(&runner, &plan, &query)).await?, fields))
    };
    let (batches, fields) = engine.run(Some(limit), planning).await?;
    let (sender, mut receiver) = mpsc::channel(WAITING);
    // The step's own clock ends the work; nothing here looks at this one.
    let task = engine.spawn(Stop::after(limit), async move {
        let outcome = match produce(batches, layout, limit, &sender).await {
            Ok(()) => Message::End,
            Err(error) => Message::Failed(error),
        };
        // Without a reader there is nobody to tell.
        let _gone = sender.send(outcome).await;
    })?;
    let rows = Arc::new(AtomicU64::new(0));
    let first = match receiver.recv().await {
        Some(Message::Failed(error)) => return Err(error),
        other => other,
    };
    let body = body(first, receiver, task, Arc::clone(&rows));
    Ok(NumberedStream { fields, body, rows })
}

/// The pieces as they come. An end that is missing is an error: an answer without it must not look whole.
fn body(first: Option<Message>, receiver: mpsc::Receiver<Message>, task: Work, rows: Arc<AtomicU64>) -> BoxStream<'static, Result<Bytes>> {
    let missing = || Message::Failed(Error::internal(anyhow::anyhow!("rows ended without their end")));
    let start = Some((Some(first.unwrap_or_else(missing)), receiver, task, rows));
    let pieces = stream::unfold(start, move |state| async move {
        let (first, mut receiver, task, rows) = state?;
        let message = match first {
            Some(first) => first,
            None => receiver.recv().await.unwrap_or_else(missing),
        };
        match message {
            Message::Piece(bytes, count) => {
                rows.store(count, Ordering::Relaxed);
                Some((Ok(bytes), Some((None, receiver, task, rows))))
            }
            Message::End => None,
            Message::Failed(error) => Some((Err(error), None)),
        }
    });
    pieces.boxed()
}

pub(super) type Batches = BoxStream<'static, Result<RecordBatch>>;

/// The rows of a query in their order.
async fn batches(engine: &Engine, plan: &Plan, query: &NumberedQuery) -> Result<Batches> {
    let left = query.limit.unwrap_or(u64::MAX);
    if plan.way == Way::ByNumber {
        let (rows, skip) = match &plan.condition {
            Some(_) => (plan.rows.clone(), query.offset),
            None => {
                let start = plan.rows.start.saturating_add(query.offset).min(plan.rows.end);
                (start..start.saturating_add(left).min(plan.rows.end), 0)
            }
        };
        let pieces = plan.table.pieces_of(&rows);
        let context = context(engine, pieces.len());
        let frame = plan.frame(&context, &pieces, pieces.len())?.select(plan.columns.clone())?;
        let task = Arc::new(frame.task_ctx());
        return Ok(cut(in_turn(frame.create_physical_plan().await?, task), skip, left));
    }
    let context = context(engine, engine.cores());
    let all = plan.frame(&context, &plan.table.pieces_of(&plan.rows), engine.cores())?;
    let frame = if plan.way == Way::Distinct {
        all.select(plan.columns.clone())?.distinct()?.sort(plan.order.clone())?
    } else {
        all.sort(plan.order.clone())?.select(plan.columns.clone())?
    };
    Ok(in_order(frame, query.offset, left).await?.0)
}

/// The rows of a frame that is sorted, behind the first `skip`, `left` at the most; and the plan by which they are read.
pub(super) async fn in_order(frame: DataFrame, skip: u64, left: u64) -> Result<(Batches, Arc<dyn ExecutionPlan>)> {
    let end = skip.saturating_add(left);
    let task = Arc::new(frame.task_ctx());
    if end <= LARGEST_HEAP {
        let plan = frame.limit(skip as usize, Some(left as usize))?.create_physical_plan().await?;
        return Ok((execute_stream(Arc::clone(&plan), task)?.map_err(Error::from).boxed(), plan));
    }
    // The first of many rows would be kept in memory; all of them are sorted with what does not fit on the disk.
    let plan = frame.create_physical_plan().await?;
    let rows = execute_stream(Arc::clone(&plan), task)?.map_err(Error::from).boxed();
    Ok((cut(rows, skip, left), plan))
}

/// The partitions of a plan, one after the other.
fn in_turn(plan: Arc<dyn ExecutionPlan>, task: Arc<TaskContext>) -> Batches {
    let partitions = plan.properties().output_partitioning().partition_count();
    stream::iter(0..partitions)
        .map(move |partition| plan.execute(partition, Arc::clone(&task)).map(|rows| rows.map_err(Error::from)).map_err(Error::from))
        .try_flatten()
        .boxed()
}

/// The rows behind the first `skip`, `left` at the most.
fn cut(batches: Batches, mut skip: u64, mut left: u64) -> Batches {
    let cut = batches.scan((), move |(), batch| {
        future::ready(match batch {
            _ if left == 0 => None,
            Err(error) => Some(Err(error)),
            Ok(batch) => {
                let rows = batch.num_rows() as u64;
                let from = skip.min(rows);
                let taken = (rows - from).min(left);
                (skip, left) = (skip - from, left - taken);
                // Both are within the batch.
                Some(Ok(batch.slice(from as usize, taken as usize)))
            }
        })
    });
    cut.boxed()
}

/// Writes batches at the same time, and sends them in their order.
async fn produce(batches: Batches, layout: Layout, limit: Duration, sender: &mpsc::Sender<Message>) -> Result<()> {
    let writing = batches.map(move |batch| async move {
        let batch = batch?;
        let rows = batch.num_rows() as u64;
        let bytes = tokio::spawn(async move { written(layout, &batch) }).await.map_err(Error::internal)??;
        Ok::<_, Error>((rows, bytes))
    });
    let mut writing = writing.buffered(AT_ONCE).boxed();
    let (mut writer, mut piece, mut rows) = (Writer::new(layout), Vec::new(), 0_u64);
    let timed_out = |_elapsed| Error::QueryTimeout { limit_seconds: limit.as_secs() };
    while let Some(batch) = tokio::time::timeout(limit, writing.next()).await.map_err(timed_out)? {
        let (count, bytes) = batch?;
        rows += count;
        piece.extend(writer.join(bytes));
        if piece.len() >= PIECE_BYTES && sender.send(Message::Piece(Bytes::from(std::mem::take(&mut piece)), rows)).await.is_err() {
            return Ok(());
        }
    }
    if !piece.is_empty() {
        // Without a reader there is nobody to send to.
        let _gone = sender.send(Message::Piece(Bytes::from(piece), rows)).await;
    }
    Ok(())
}
