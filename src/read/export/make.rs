//! How an export is made: the rows are decoded in order, formatted many batches at a time, and written in order by a thread of its own,
//! which takes the digest on the way.

use std::io::Write;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::coding::Sink;
use super::merge::Parts;
use super::workbook::Sheet;
use super::{Export, Format, csv, json, merge};
use crate::db::blocking;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::storage::{DigestWriter, Digested, Object, Storage};

/// How many batches may be formatted before the first of them is written: enough to keep every core busy, and bounded memory.
const AHEAD: usize = 8;

/// How much of a file is compressed at a time.
const PIECE_BYTES: u64 = 1 << 20;

/// Makes an export of a release's objects.
pub(super) async fn from_rows(
    engine: &Engine,
    storage: &Storage,
    objects: Vec<Object>,
    export: Export,
    to: DigestWriter,
) -> Result<Digested> {
    let mut said = Vec::new();
    if export.format == Format::Parquet {
        let files = objects.iter().map(|object| storage.file(object)).collect::<Result<Vec<_>>>()?;
        let parts = blocking(move || Parts::open(files)).await?;
        if parts.are_alike() {
            return blocking(move || parts.merge(to)?.finish()).await;
        }
        said = parts.metadata();
    }
    let table = engine.table(&objects).await?;
    let scratch = storage.scratch_dir().to_owned();
    let work = async move {
        let rows = table.execute_stream().await?;
        match export.format {
            Format::Parquet => {
                let writer = merge::writer(to, rows.schema(), said)?;
                let add = |writer: &mut merge::Writer, batch: &RecordBatch| writer.write(batch).map_err(Error::internal);
                serially(rows, writer, add, |writer| writer.into_inner().map_err(Error::internal)?.finish()).await
            }
            Format::Xlsx => {
                let sheet = Sheet::new(&scratch, &rows.schema())?;
                let finish = move |sheet: Sheet| {
                    let mut to = to;
                    sheet.finish(&mut to)?;
                    to.finish()
                };
                serially(rows, sheet, |sheet, batch| sheet.add(batch), finish).await
            }
            Format::Arrow => {
                let writer = StreamWriter::try_new(to, &rows.schema()).map_err(Error::internal)?;
                let add = |writer: &mut StreamWriter<DigestWriter>, batch: &RecordBatch| writer.write(batch).map_err(Error::internal);
                serially(rows, writer, add, |writer| writer.into_inner().map_err(Error::internal)?.finish()).await
            }
            Format::Csv | Format::Ndjson | Format::Json | Format::Geojson => pour(rows, export, Sink::new(to, export.coding)?).await,
        }
    };
    engine.run(None, work).await
}

/// Makes the export with a content coding from the one without.
pub(super) async fn from_plain(storage: &Storage, plain: Object, export: Export, to: DigestWriter) -> Result<Digested> {
    let storage = storage.clone();
    blocking(move || {
        let from = storage.reader(&plain)?;
        let mut sink = Sink::new(to, export.coding)?;
        let mut at = 0;
        while at < plain.size_bytes {
            let end = (at + PIECE_BYTES).min(plain.size_bytes);
            sink.write_all(&from.bytes(at..end)?)?;
            at = end;
        }
        sink.finish()
    })
    .await
}

/// Writes batches one after the other, away from whoever decodes them.
async fn serially<W: Send + 'static>(
    mut rows: SendableRecordBatchStream,
    mut writer: W,
    add: impl Fn(&mut W, &RecordBatch) -> Result<()> + Send + 'static,
    finish: impl FnOnce(W) -> Result<Digested> + Send + 'static,
) -> Result<Digested> {
    let (sender, mut receiver) = mpsc::channel::<Option<RecordBatch>>(AHEAD);
    let writing = tokio::spawn(blocking(move || {
        while let Some(step) = receiver.blocking_recv() {
            match step {
                Some(batch) => add(&mut writer, &batch)?,
                None => return finish(writer),
            }
        }
        Err(stopped())
    }));
    while let Some(batch) = rows.next().await {
        // The writer has stopped: it says why.
        if sender.send(Some(batch?)).await.is_err() {
            break;
        }
    }
    // A writer that does not get this has stopped too.
    let _gone = sender.send(None).await;
    writing.await.map_err(Error::internal)?
}

fn stopped() -> Error {
    Error::internal(anyhow::anyhow!("an export was stopped"))
}

/// Formats batches at the same time, and writes them in order.
async fn pour(mut rows: SendableRecordBatchStream, export: Export, mut sink: Sink) -> Result<Digested> {
    let schema = rows.schema();
    let (sender, mut formatting) = mpsc::channel::<JoinHandle<Result<Vec<u8>>>>(AHEAD);
    let decoding = tokio::spawn(async move {
        while let Some(batch) = rows.next().await {
            let batch = batch?;
            let formatted = tokio::spawn(async move { piece(export, &batch) });
            // Nobody waits for the rest any more.
            if sender.send(formatted).await.is_err() {
                break;
            }
        }
        Ok::<(), Error>(())
    });
    let (pieces, mut written) = mpsc::channel::<Option<Vec<u8>>>(AHEAD);
    let writing = tokio::spawn(blocking(move || {
        while let Some(step) = written.blocking_recv() {
            match step {
                Some(piece) => sink.write_all(&piece)?,
                None => return sink.finish(),
            }
        }
        Err(stopped())
    }));
    let order = async {
        // A writer that stops before the end says why.
        if pieces.send(Some(head(export, &schema)?)).await.is_err() {
            return Ok(());
        }
        let mut is_first = true;
        while let Some(formatted) = formatting.recv().await {
            let mut piece = formatted.await.map_err(Error::internal)??;
            if piece.is_empty() {
                continue;
            }
            if !std::mem::take(&mut is_first)
                && let Some(between) = between(export.format)
            {
                piece.splice(..0, between.iter().copied());
            }
            if pieces.send(Some(piece)).await.is_err() {
                return Ok(());
            }
        }
        decoding.await.map_err(Error::internal)??;
        for step in [Some(tail(export.format).to_vec()), None] {
            // A writer that does not get this has stopped too.
            let _gone = pieces.send(step).await;
        }
        Ok(())
    };
    let ordered: Result<()> = order.await;
    // Without its end, the writer gives up and leaves no file.
    drop(pieces);
    let written = writing.await.map_err(Error::internal)?;
    ordered.and(written)
}

fn head(export: Export, schema: &SchemaRef) -> Result<Vec<u8>> {
    Ok(match export.format {
        Format::Csv => csv::header(schema, export.spreadsheet),
        Format::Json => b"[".to_vec(),
        Format::Geojson => json::FEATURES_HEAD.to_vec(),
        Format::Ndjson => Vec::new(),
        Format::Parquet | Format::Arrow | Format::Xlsx => return Err(stopped()),
    })
}

fn piece(export: Export, batch: &RecordBatch) -> Result<Vec<u8>> {
    match export.format {
        Format::Csv => csv::rows(&json::shapes(batch)?, export.spreadsheet),
        Format::Ndjson => json::lines(batch),
        Format::Json => json::items(batch),
        Format::Geojson => json::features(batch),
        Format::Parquet | Format::Arrow | Format::Xlsx => Err(stopped()),
    }
}

fn between(format: Format) -> Option<&'static [u8]> {
    match format {
        Format::Json => Some(b","),
        Format::Geojson => Some(b",\n"),
        Format::Csv | Format::Ndjson | Format::Parquet | Format::Arrow | Format::Xlsx => None,
    }
}

fn tail(format: Format) -> &'static [u8] {
    match format {
        Format::Json => b"]",
        Format::Geojson => json::FEATURES_TAIL,
        Format::Csv | Format::Ndjson | Format::Parquet | Format::Arrow | Format::Xlsx => b"",
    }
}
