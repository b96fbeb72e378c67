//! Writes the rows of a source as Parquet, with everything that is found on the way: faults, rejected rows, traps, the profile.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, ScopedJoinHandle};

use datafusion::arrow::array::BooleanArray;
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::{Field as ArrowField, Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::metadata::KeyValue;

use super::block::{Bad, Block};
use super::column::Column;
use super::faults::{Faults, Stop};
use super::geometry;
use super::layout::properties_for;
use super::rejects::Rejects;
use super::table::{Job, Source, WAITING, names, pump, with_findings};
use super::traps::Watcher;
use super::{Declared, FieldType, FileFault, IntakeError, MAX_FAULTS, Profile, Profiler, Report, ReportNote, Taken};
use crate::error::Error;
use crate::storage::File;

/// Writes the source's rows as those columns, each of which has a type. Decimals with more than 18 digits are noticed on the way; then
/// everything is written once more with wider columns for them.
pub fn write(source: &dyn Source, columns: Vec<Declared>, job: &Job<'_>, report: Report) -> Result<Taken, IntakeError> {
    let mut wide = vec![false; columns.len()];
    loop {
        match attempt(source, &columns, &wide, job, report.clone())? {
            Attempt::Taken(taken) => return Ok(*taken),
            Attempt::TooNarrow(found) => wide = found,
        }
    }
}

enum Attempt {
    Taken(Box<Taken>),
    /// Which columns have to be wide.
    TooNarrow(Vec<bool>),
}

fn attempt(source: &dyn Source, columns: &[Declared], wide: &[bool], job: &Job<'_>, mut report: Report) -> Result<Attempt, IntakeError> {
    let file = (job.scratch)()?;
    let mut table = Table::new(source, columns, wide, job)?;
    let schema = Arc::clone(&table.schema);
    let writer = ArrowWriter::try_new(file.writer()?, schema, Some(properties_for(columns))).map_err(Error::internal)?;
    let mut profiler = Profiler::new(columns);
    let (mut writer, stopped) = thread::scope(|scope| {
        let (to_encoder, for_encoder) = sync_channel::<RecordBatch>(WAITING);
        let (to_profiler, for_profiler) = sync_channel::<RecordBatch>(WAITING);
        let encoder = scope.spawn(move || encode(writer, &for_encoder));
        let profiling = scope.spawn(|| for_profiler.into_iter().for_each(|batch| profiler.observe(&batch)));
        let lines = Lines { encoder: to_encoder, profiler: to_profiler };
        let pumped = pump(source, &names(columns), job.progress, |block| {
            let batch = table.build(&block, job)?;
            lines.send(batch)
        });
        drop(lines);
        let profiled = joined(profiling);
        let encoded = joined(encoder);
        // What the encoder says explains why nobody took the rows.
        let writer = encoded?.map_err(Error::internal)?;
        profiled?;
        Ok::<_, IntakeError>((writer, pumped?))
    })?;
    if let Some(fault) = stopped {
        table.faults.add(fault);
        table.refused = true;
    }
    if table.columns.iter().any(Column::is_exceeded) {
        return Ok(Attempt::TooNarrow(table.columns.iter().zip(wide).map(|(column, wide)| *wide || column.is_exceeded()).collect()));
    }
    let profile = profiler.finish();
    let rejects = table.finish(&mut report, &profile, job)?;
    if let Some(geo) = table.geo() {
        writer.append_key_value_metadata(geo);
    }
    writer.close().map_err(Error::internal)?;
    let row_count = table.rows;
    let columns = columns.to_vec();
    Ok(Attempt::Taken(Box::new(Taken { file, columns, row_count, rejects, profile, report })))
}

/// The threads that take finished batches.
struct Lines {
    encoder: SyncSender<RecordBatch>,
    profiler: SyncSender<RecordBatch>,
}

impl Lines {
    fn send(&self, batch: RecordBatch) -> Result<(), IntakeError> {
        // A thread that is gone has an error to tell, which comes to light when it is joined.
        self.profiler.send(batch.clone()).and_then(|()| self.encoder.send(batch)).map_err(|_gone| IntakeError::Cancelled)
    }
}

fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> Result<T, IntakeError> {
    thread.join().map_err(|_panic| Error::internal(anyhow::anyhow!("a thread of the intake has panicked")).into())
}

fn encode(mut writer: ArrowWriter<File>, batches: &Receiver<RecordBatch>) -> Result<ArrowWriter<File>, ParquetError> {
    batches.iter().try_for_each(|batch| writer.write(&batch))?;
    Ok(writer)
}

/// The table in the making.
struct Table<'c> {
    source: &'c dyn Source,
    declared: &'c [Declared],
    columns: Vec<Column>,
    schema: SchemaRef,
    /// One for each text column.
    watchers: Vec<Option<Watcher>>,
    faults: Faults,
    /// Whether there is a fault that no row can be rejected for.
    refused: bool,
    rejects: Option<Rejects>,
    rejected: i64,
    rows: i64,
    notes: Vec<ReportNote>,
}

impl<'c> Table<'c> {
    fn new(source: &'c dyn Source, declared: &'c [Declared], wide: &[bool], job: &Job<'_>) -> Result<Self, IntakeError> {
        let type_of = |column: &Declared| column.field_type.unwrap_or(FieldType::String);
        let columns: Vec<Column> = declared
            .iter()
            .zip(wide)
            .map(|(column, wide)| Column::new(type_of(column), column.scale.unwrap_or(0), *wide))
            .collect::<Result<_, _>>()
            .map_err(Error::internal)?;
        let fields: Vec<ArrowField> =
            declared.iter().zip(&columns).map(|(declared, column)| ArrowField::new(&declared.name, column.data_type(), true)).collect();
        let watchers = declared.iter().map(|column| (type_of(column) == FieldType::String).then(Watcher::default)).collect();
        let rejects = if job.options.max_reject_share > 0.0 { Some(Rejects::new((job.scratch)()?, &names(declared))?) } else { None };
        Ok(Table {
            source,
            declared,
            columns,
            schema: Arc::new(Schema::new(fields)),
            watchers,
            faults: Faults::default(),
            refused: false,
            rejects,
            rejected: 0,
            rows: 0,
            notes: Vec::new(),
        })
    }

    /// The rows of a block that can be read.
    fn build(&mut self, block: &Block, job: &Job<'_>) -> Result<RecordBatch, IntakeError> {
        for fault in &block.faults {
            self.refused = true;
            self.faults.add(fault.clone());
        }
        self.notes.extend(block.notes.iter().cloned());
        let mut misfits: Vec<(usize, usize)> = Vec::new();
        let count = self.columns.len();
        for (at, column) in self.columns.iter_mut().enumerate() {
            column.push_all(block.column(at, count), |row| misfits.push((row, at)));
        }
        self.watch(block);
        let arrays = self.columns.iter_mut().map(Column::finish).collect();
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), arrays).map_err(Error::internal)?;
        misfits.sort_unstable();
        let kept = self.reject(block, &misfits)?;
        let batch = match kept {
            None => batch,
            Some(kept) => filter_record_batch(&batch, &kept).map_err(Error::internal)?,
        };
        self.rows += batch.num_rows() as i64;
        job.progress.wrote(batch.num_rows() as u64);
        Ok(batch)
    }

    fn watch(&mut self, block: &Block) {
        for (at, watcher) in self.watchers.iter_mut().enumerate() {
            let Some(watcher) = watcher else { continue };
            for (row, text) in block.column(at, self.declared.len()).enumerate() {
                if !text.is_empty() {
                    watcher.look(text, self.rows + row as i64 + 1, block.lines[row]);
                }
            }
        }
    }

    /// Notes the rows that cannot be read, in the order of their lines; answers which of the others stay, where not all do.
    fn reject(&mut self, block: &Block, misfits: &[(usize, usize)]) -> Result<Option<BooleanArray>, IntakeError> {
        let mut bad = block.bad.iter().peekable();
        let mut kept = vec![true; if misfits.is_empty() { 0 } else { block.rows() }];
        for of_row in misfits.chunk_by(|one, other| one.0 == other.0) {
            let row = of_row[0].0;
            kept[row] = false;
            while let Some(earlier) = bad.next_if(|bad| bad.line < block.lines[row]) {
                self.reject_bad(earlier)?;
            }
            let listed = MAX_FAULTS.saturating_sub(self.faults.listed.len()).max(usize::from(self.rejects.is_some()));
            let faults: Vec<FileFault> = of_row.iter().take(listed).map(|(_, column)| self.misfit(block, row, *column)).collect();
            let reason = faults.first().map(reason).unwrap_or_default();
            self.faults.count += (of_row.len() - faults.len()) as u64;
            faults.into_iter().for_each(|fault| self.faults.add(fault));
            self.rejected += 1;
            if let Some(rejects) = &mut self.rejects {
                let width = self.declared.len();
                rejects.add(block.lines[row], &reason, (0..width).map(|at| block.cell(row * width + at)))?;
            }
        }
        for left in bad {
            self.reject_bad(left)?;
        }
        Ok((!misfits.is_empty()).then(|| BooleanArray::from(kept)))
    }

    fn reject_bad(&mut self, bad: &Bad) -> Result<(), Stop> {
        bad.faults.iter().for_each(|fault| self.faults.add(fault.clone()));
        self.rejected += 1;
        let Some(rejects) = &mut self.rejects else { return Ok(()) };
        let reasons: Vec<String> = bad.faults.iter().map(reason).collect();
        rejects.add(bad.line, &reasons.join("; "), bad.cells.iter().map(String::as_str))
    }

    fn misfit(&self, block: &Block, row: usize, column: usize) -> FileFault {
        let declared = &self.declared[column];
        let text = block.cell(row * self.declared.len() + column);
        let misfit = self.columns[column].misfit(text, declared);
        let detail = match self.source.cell_reference(block.lines[row], column) {
            Some(cell) => format!("the cell {cell}: {misfit}"),
            None => misfit,
        };
        FileFault { line: Some(block.lines[row]), column: Some(declared.name.clone()), detail }
    }

    /// Decides whether the file is taken; answers the rejected rows.
    fn finish(&mut self, report: &mut Report, profile: &Profile, job: &Job<'_>) -> Result<Option<crate::storage::Scratch>, IntakeError> {
        for (column, watcher) in self.declared.iter().zip(&mut self.watchers) {
            let Some(watcher) = watcher.take() else { continue };
            let declared = job.declared.iter().any(|declared| declared.name == column.name && declared.field_type.is_some());
            let (faults, notes) = watcher.finish(&with_findings(column, profile), declared);
            self.refused |= !faults.is_empty();
            faults.into_iter().for_each(|fault| self.faults.add(fault));
            self.notes.extend(notes);
        }
        let all = self.rows + self.rejected;
        if self.refused || (self.rejected > 0 && self.rejected as f64 > job.options.max_reject_share * all as f64) {
            self.faults.end()?;
        }
        report.rejected_rows = self.rejected;
        report.notes.append(&mut self.notes);
        if all == 0 {
            let detail = "the file has a header and no rows".to_owned();
            report.notes.push(ReportNote { column: None, detail, rows: Vec::new(), count: 0 });
        }
        Ok(self.rejects.take().map(Rejects::finish).transpose()?.flatten())
    }

    /// The metadata of GeoParquet, where the table has a geometry.
    fn geo(&self) -> Option<KeyValue> {
        let mut shapes = Vec::new();
        for (declared, column) in self.declared.iter().zip(&self.columns) {
            if let Column::Geometry(_, extent) = column {
                shapes.push((declared.name.as_str(), extent));
            }
        }
        geometry::geoparquet(shapes.into_iter()).map(|text| KeyValue::new("geo".to_owned(), text))
    }
}

fn reason(fault: &FileFault) -> String {
    match &fault.column {
        Some(column) => format!("{column}: {}", fault.detail),
        None => fault.detail.clone(),
    }
}
