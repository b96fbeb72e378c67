//! The rows of a query as bytes, sent on while they are computed.
//!
//! The engine writes into a channel of a few places, so that a slow reader slows the query, and one who goes away ends it. The
//! head of the answer waits for the first bytes: what goes wrong until then is a proper error.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::SessionContext;
use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use serde::Serialize;
use tokio::sync::mpsc;

use super::{Bounds, Checked, Column, Summary, columns, plan, refusal, sandbox, texts};
use crate::engine::{Engine, QueryStats, Stop};
use crate::error::{Error, Result};
use crate::read::encode::{Encoding, Rows};

/// How many pieces of an answer wait for its reader.
const WAITING: usize = 4;

/// How many bytes are gathered before they are sent on.
const PIECE_BYTES: usize = 256 << 10;

/// Batches are written in slices of so many rows, so that the limit of bytes cuts close to where it should.
const SLICE_ROWS: usize = 1024;

/// What is said of a window over rows that are still to come: the engine would hold all of them, outside of the memory that it accounts for.
const WINDOW: &str = "a window function may not look at all rows of its window at once: give OVER an ORDER BY, with a frame that ends \
    at a number of rows or at the current row, or compute the value in a subquery with GROUP BY and join it; ntile, percent_rank and \
    cume_dist are not there";

/// A query's answer on its way.
pub struct Answer {
    /// What stands behind the rows, when all of them fitted into the first piece.
    pub summary: Option<Summary>,
    /// The answer in its format.
    pub body: BoxStream<'static, Result<Bytes>>,
    /// How many rows have come out of the body.
    pub rows: Arc<AtomicU64>,
}

enum Message {
    /// A piece, and how many rows there are up to its end.
    Piece(Bytes, u64),
    /// The last piece.
    End(Bytes, Summary),
    Failed(Error),
}

/// Starts a query and waits for its first piece.
pub(super) async fn start(
    engine: &Arc<Engine>,
    context: SessionContext,
    query: Checked,
    bounds: Bounds,
    encoding: Encoding,
    started: Instant,
) -> Result<Answer> {
    let rows = Arc::new(AtomicU64::new(0));
    let (sender, mut receiver) = mpsc::channel(WAITING);
    let stop = Stop::after(bounds.time);
    let task = engine.spawn(stop.clone(), async move {
        let failed = sender.clone();
        let run = produce(context, query, bounds, encoding, started, &stop, sender);
        let outcome = match tokio::time::timeout(bounds.time, run).await {
            Ok(outcome) if outcome.is_ok() || !stop.is_over() => outcome,
            Ok(_) | Err(_) => Err(Error::QueryTimeout { limit_seconds: bounds.time.as_secs() }),
        };
        if let Err(error) = outcome {
            // Without a reader there is nobody to tell.
            let _ = failed.send(Message::Failed(error)).await;
        }
    })?;
    // Planning may hold its thread, where no timeout reaches it: the reader's own clock counts too.
    let first = tokio::time::timeout(bounds.time, receiver.recv()).await;
    let first = first.map_err(|_elapsed| Error::QueryTimeout { limit_seconds: bounds.time.as_secs() })?;
    let (summary, first) = match first {
        Some(Message::Piece(bytes, count)) => {
            rows.store(count, Ordering::Relaxed);
            (None, bytes)
        }
        Some(Message::End(bytes, summary)) => {
            rows.store(summary.row_count, Ordering::Relaxed);
            (Some(summary), bytes)
        }
        Some(Message::Failed(error)) => return Err(error),
        // The task panicked; its thread has logged where.
        None => return Err(super::wrong("the engine failed on this query; write it in another way")),
    };
    let counted = Arc::clone(&rows);
    let rest = stream::unfold((receiver, task, summary.is_some(), counted), |(mut receiver, task, ended, counted)| async move {
        if ended {
            return None;
        }
        let (piece, ended) = match receiver.recv().await {
            Some(Message::Piece(bytes, count)) => {
                counted.store(count, Ordering::Relaxed);
                (Ok(bytes), false)
            }
            Some(Message::End(bytes, summary)) => {
                counted.store(summary.row_count, Ordering::Relaxed);
                (Ok(bytes), true)
            }
            Some(Message::Failed(error)) => (Err(error), true),
            // An answer without its end must not look whole.
            None => (Err(Error::internal(anyhow::anyhow!("a query ended without its last piece"))), true),
        };
        Some((piece, (receiver, task, ended, counted)))
    });
    Ok(Answer { summary, body: stream::once(async move { Ok(first) }).chain(rest).boxed(), rows })
}

/// The part of the envelope before the rows.
#[derive(Serialize)]
struct Head {
    fields: Vec<Column>,
}

async fn produce(
    context: SessionContext,
    query: Checked,
    bounds: Bounds,
    encoding: Encoding,
    started: Instant,
    stop: &Stop,
    sender: mpsc::Sender<Message>,
) -> Result<()> {
    let check = query.sandbox.as_ref().map(|sandbox| sandbox.check.clone());
    let frame = plan(&context, query, bounds.rows).await?;
    let task = Arc::new(frame.task_ctx());
    let plan = frame.create_physical_plan().await.map_err(refusal::refuse)?;
    check_windows(&plan)?;
    let plan = stop.watch(plan).map_err(refusal::refuse)?;
    let in_sandbox = check.is_some();
    let fault = |cause| if in_sandbox { sandbox::failed(refusal::refuse(cause)) } else { refusal::refuse(cause) };
    let mut batches = execute_stream(Arc::clone(&plan), task).map_err(fault)?;
    let mut writer = Writer::new(encoding, &plan, bounds)?;
    while let Some(batch) = batches.next().await {
        if !writer.write(&batch.map_err(fault)?)? {
            break;
        }
        if writer.bytes.len() >= PIECE_BYTES {
            let piece = Bytes::from(std::mem::take(&mut writer.bytes));
            writer.sent = true;
            if sender.send(Message::Piece(piece, writer.rows.count())).await.is_err() {
                return Ok(());
            }
        }
    }
    drop(batches);
    let stats = match check {
        None => QueryStats::of(&[plan], started),
        // How much was looked at tells of rows that no group shows.
        Some(_) => QueryStats::of(&[], started),
    };
    let summary = Summary { row_count: writer.rows.count(), truncated: writer.truncated, stats, sandbox: check };
    let bytes = writer.finish(&summary)?;
    let _ = sender.send(Message::End(bytes, summary)).await;
    Ok(())
}

/// A plan that holds all of its rows for a window is refused.
fn check_windows(plan: &Arc<dyn ExecutionPlan>) -> Result<()> {
    let mut holds = false;
    let mut look = |node: &Arc<dyn ExecutionPlan>| {
        holds |= node.name() == "WindowAggExec";
        Ok(TreeNodeRecursion::Continue)
    };
    plan.apply(&mut look).map_err(refusal::refuse)?;
    if holds { Err(super::wrong(WINDOW)) } else { Ok(()) }
}

struct Writer {
    encoding: Encoding,
    schema: SchemaRef,
    rows: Rows,
    bytes: Vec<u8>,
    written: u64,
    bounds: Bounds,
    truncated: bool,
    /// Whether the head of the answer has gone.
    sent: bool,
}

impl Writer {
    fn new(encoding: Encoding, plan: &Arc<dyn ExecutionPlan>, bounds: Bounds) -> Result<Self> {
        let schema = texts::plain_schema(&plan.schema());
        let mut rows = Rows::new(encoding, &schema)?;
        let mut bytes = rows.start()?;
        if encoding == Encoding::Json {
            bytes = serde_json::to_vec(&Head { fields: columns(&schema) })?;
            // The closing brace comes with the summary.
            bytes.pop();
            bytes.extend_from_slice(b",\"rows\":[");
        }
        let written = bytes.len() as u64;
        Ok(Writer { encoding, schema, rows, bytes, written, bounds, truncated: false, sent: false })
    }

    /// Writes a batch, or what of it is within the bounds. Answers whether more may follow.
    fn write(&mut self, batch: &RecordBatch) -> Result<bool> {
        let left = usize::try_from(self.bounds.rows - self.rows.count()).unwrap_or(usize::MAX);
        let taken = batch.num_rows().min(left);
        for from in (0..taken).step_by(SLICE_ROWS) {
            if self.written >= self.bounds.bytes {
                self.truncated = true;
                return Ok(false);
            }
            let slice = texts::plain(&batch.slice(from, SLICE_ROWS.min(taken - from)), &self.schema)?;
            let bytes = self.rows.write(&slice)?;
            self.written += bytes.len() as u64;
            self.bytes.extend(bytes);
        }
        self.truncated = taken < batch.num_rows();
        Ok(!self.truncated)
    }

    fn finish(mut self, summary: &Summary) -> Result<Bytes> {
        self.bytes.extend(self.rows.finish()?);
        if self.encoding == Encoding::Json {
            self.bytes.extend_from_slice(b"],");
            let tail = serde_json::to_vec(summary)?;
            self.bytes.extend_from_slice(tail.strip_prefix(b"{").unwrap_or(&tail));
        } else if summary.truncated && self.sent {
            return self.cut();
        }
        Ok(Bytes::from(self.bytes))
    }

    /// The head of these formats has gone, and they have no place behind the rows to say that more exist: the answer breaks off,
    /// which no reader takes for the whole.
    fn cut(self) -> Result<Bytes> {
        let (rows, bytes) = (self.bounds.rows, self.bounds.bytes);
        Err(Error::TooLarge(format!("the answer is larger than {rows} rows or {bytes} bytes; narrow it, or ask for JSON")))
    }
}
