//! A page in the order of the files. Every row is looked at once: the same pass fills the page and counts what matches, and a
//! page further on begins at the piece of a file in which the page before ended.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::RecordBatch;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{Expr, lit};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::{DataFrame, SessionContext};
use futures::StreamExt;
use tokio::task::JoinSet;

use crate::engine::{Engine, Piece, ReleaseTable};
use crate::error::{Error, Result};
use crate::read::cursor::{Place, foreign};

/// What is asked of a table.
pub(super) struct Scan {
    pub condition: Option<Expr>,
    pub columns: Vec<Expr>,
    pub limit: usize,
    /// Where the page begins.
    pub from: Option<Place>,
    /// How many rows match in all, where it is known.
    pub total: Option<u64>,
}

/// What was found in the pieces of a table: how many rows of each match, and which were kept.
type Found = Vec<Option<(usize, Vec<RecordBatch>)>>;

/// A page that was read.
pub(super) struct Page {
    pub batches: Vec<RecordBatch>,
    pub rows: usize,
    pub total: u64,
    pub next: Place,
    pub plans: Vec<Arc<dyn ExecutionPlan>>,
}

/// How much the readers of one page keep at the most. Each of them may keep a page, until it is known whose rows are the first.
const MOST_KEPT: usize = 128 << 20;

/// One pass over the pieces of a table.
struct Pass {
    /// With the columns of the page, and with none, for each piece.
    full: Arc<dyn ExecutionPlan>,
    count: Arc<dyn ExecutionPlan>,
    task: Arc<TaskContext>,
    skip: usize,
    limit: usize,
    /// Whether the pass ends when the page is full.
    page_only: bool,
    /// What all readers keep, in bytes.
    kept_bytes: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next: usize,
    /// Rows that match, and those of them that were kept, for each piece that is done.
    done: Found,
}

pub(super) async fn page(engine: &Engine, table: ReleaseTable, scan: Scan) -> Result<Page> {
    let (pieces, skip) = pieces(&table, &scan)?;
    let table = table.in_pieces(pieces.clone());
    page_of(engine, table, &pieces, Scan { from: None, ..scan }, skip).await
}

/// A page of a table that is read in these pieces, in which so many of the first one's rows are left out. Where the page begins is not looked at.
pub(super) async fn page_of(engine: &Engine, table: ReleaseTable, pieces: &[Piece], scan: Scan, skip: usize) -> Result<Page> {
    let (limit, total) = (scan.limit, scan.total);
    let (done, plans) = look(engine, table, pieces.len(), scan, skip).await?;
    Ok(gather(pieces, done, skip, limit, total, plans))
}

/// How many rows of each piece match.
pub(super) async fn counts(engine: &Engine, table: ReleaseTable, pieces: &[Piece], condition: Expr) -> Result<Vec<usize>> {
    let scan = Scan { condition: Some(condition), columns: vec![lit(1).alias("one")], limit: 0, from: None, total: None };
    let (done, _plans) = look(engine, table, pieces.len(), scan, 0).await?;
    Ok(done.into_iter().map(|piece| piece.map_or(0, |(matched, _kept)| matched)).collect())
}

/// Looks at the pieces of a table until the page is full, or at all of them where its total is not known.
async fn look(
    engine: &Engine,
    table: ReleaseTable,
    pieces: usize,
    scan: Scan,
    skip: usize,
) -> Result<(Found, Vec<Arc<dyn ExecutionPlan>>)> {
    // Each piece is a partition, which nothing may join to others or split.
    let mut config = engine.config(pieces.max(1));
    config.options_mut().optimizer.repartition_file_scans = false;
    config.options_mut().optimizer.enable_round_robin_repartition = false;
    let context = SessionContext::new_with_config_rt(config, engine.query_env());
    let frame = |columns: Vec<Expr>| -> Result<DataFrame> {
        let rows = context.read_table(Arc::new(table.clone()))?;
        let rows = match &scan.condition {
            Some(condition) => rows.filter(condition.clone())?,
            None => rows,
        };
        Ok(rows.select(columns)?)
    };
    let pass = Arc::new(Pass {
        full: frame(scan.columns)?.create_physical_plan().await?,
        count: frame(vec![lit(1).alias("one")])?.create_physical_plan().await?,
        task: context.task_ctx(),
        skip,
        limit: scan.limit,
        page_only: scan.total.is_some(),
        kept_bytes: AtomicUsize::new(0),
        state: Mutex::new(State { next: 0, done: vec![None; pieces] }),
    });
    // They end with this function, also when it is dropped.
    let mut readers = JoinSet::new();
    for _ in 0..engine.cores().min(pieces) {
        readers.spawn(Arc::clone(&pass).read());
    }
    while let Some(read) = readers.join_next().await {
        read.map_err(Error::internal)??;
    }
    let done = std::mem::take(&mut pass.lock().done);
    Ok((done, vec![Arc::clone(&pass.full), Arc::clone(&pass.count)]))
}

/// The pieces from the page's beginning on, and how many matching rows of the first one went before.
fn pieces(table: &ReleaseTable, scan: &Scan) -> Result<(Vec<Piece>, usize)> {
    let (mut pieces, skip) = match &scan.from {
        None => (table.pieces(0, 0, 0).unwrap_or_default(), 0),
        Some(Place::Piece(object, row_group, start, rows, skip)) => {
            let behind = table.pieces(*object, *row_group, start + rows).ok_or_else(foreign)?;
            let first = Piece { object: *object, row_group: *row_group, start: *start, rows: *rows };
            (std::iter::once(first).filter(|piece| piece.rows > 0).chain(behind).collect(), *skip)
        }
        Some(Place::Key(..) | Place::Counted) => return Err(foreign()),
    };
    if scan.condition.is_none() {
        // Every row matches: the page is so many rows from here on.
        let (mut skip, mut left) = (skip, scan.limit);
        for piece in &mut pieces {
            let skipped = skip.min(piece.rows);
            (piece.start, piece.rows, skip) = (piece.start + skipped, piece.rows - skipped, skip - skipped);
            piece.rows = piece.rows.min(left);
            left -= piece.rows;
        }
        pieces.retain(|piece| piece.rows > 0);
        return Ok((pieces, 0));
    }
    Ok((pieces, skip))
}

impl Pass {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads one piece after the other until none is left.
    async fn read(self: Arc<Self>) -> Result<()> {
        while let Some((piece, is_full)) = self.take() {
            let plan = if is_full { &self.count } else { &self.full };
            if piece >= plan.properties().output_partitioning().partition_count() {
                // The planner has seen that nothing can match: what is left of the plan has one partition without rows.
                self.put(piece, (0, Vec::new()));
                continue;
            }
            let mut rows = plan.execute(piece, Arc::clone(&self.task))?;
            let skip = if piece == 0 { self.skip } else { 0 };
            let (mut matched, mut kept, mut kept_rows) = (0, Vec::new(), 0);
            while let Some(batch) = rows.next().await {
                let batch = batch?;
                let from = skip.saturating_sub(matched).min(batch.num_rows());
                let taken = (batch.num_rows() - from).min(self.limit - kept_rows);
                if taken > 0 && !is_full {
                    self.keep(&batch, taken)?;
                    kept.push(batch.slice(from, taken));
                    kept_rows += taken;
                }
                matched += batch.num_rows();
                if self.page_only && kept_rows == self.limit {
                    break;
                }
            }
            self.put(piece, (matched, kept));
        }
        Ok(())
    }

    /// Counts rows that are kept for the page.
    fn keep(&self, batch: &RecordBatch, taken: usize) -> Result<()> {
        let bytes = batch.get_array_memory_size() / batch.num_rows().max(1) * taken;
        if self.kept_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes <= MOST_KEPT {
            return Ok(());
        }
        let most = MOST_KEPT >> 20;
        Err(Error::invalid("limit", format!("the rows of this page take more than {most} MiB: lower `limit`, or ask for fewer fields")))
    }

    fn put(&self, piece: usize, found: (usize, Vec<RecordBatch>)) {
        if let Some(place) = self.lock().done.get_mut(piece) {
            *place = Some(found);
        }
    }

    /// The next piece, and whether the pieces before it have filled the page, so that it need only be counted.
    fn take(&self) -> Option<(usize, bool)> {
        let mut state = self.lock();
        let piece = state.next;
        let before: usize = state.done.get(..piece)?.iter().flatten().map(|(matched, _)| matched).sum();
        let is_full = before >= self.skip + self.limit;
        if piece >= state.done.len() || (is_full && self.page_only) {
            return None;
        }
        state.next += 1;
        Some((piece, is_full))
    }
}

fn gather(pieces: &[Piece], done: Found, skip: usize, limit: usize, total: Option<u64>, plans: Vec<Arc<dyn ExecutionPlan>>) -> Page {
    let (mut batches, mut rows, mut matched_in_all) = (Vec::new(), 0, 0_u64);
    // Behind everything, where nothing was read.
    let mut next = Place::Counted;
    for (at, (piece, done)) in pieces.iter().zip(done).enumerate() {
        let Some((matched, kept)) = done else { continue };
        matched_in_all += matched as u64;
        let mut taken = 0;
        for batch in kept {
            let batch = batch.slice(0, batch.num_rows().min(limit - rows));
            taken += batch.num_rows();
            rows += batch.num_rows();
            batches.push(batch);
        }
        if taken > 0 {
            let went = taken + if at == 0 { skip } else { 0 };
            next = Place::Piece(piece.object, piece.row_group, piece.start, piece.rows, went);
        }
    }
    batches.retain(|batch| batch.num_rows() > 0);
    Page { batches, rows, total: total.unwrap_or(matched_in_all), next, plans }
}
