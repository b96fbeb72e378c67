//! A release as a file: Parquet as it is, other formats made once, kept under their digest, and served as files.

use std::collections::HashMap;
use std::io::{BufWriter, Write};
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::csv::WriterBuilder as CsvWriterBuilder;
use datafusion::arrow::json::WriterBuilder as JsonWriterBuilder;
use datafusion::arrow::json::writer::{JsonArray, LineDelimited};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use diesel::prelude::*;
use futures::StreamExt;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::clock::now_naive;
use crate::db::schema::exports;
use crate::db::{Conn, Db, lock_ledger};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::release::Release;
use crate::storage::{File, Object, Scratch, Storage};

/// The formats of a download.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Apache Parquet, typed and compressed.
    #[default]
    Parquet,
    /// RFC 4180, UTF-8, with a header row; a missing value is an empty cell.
    Csv,
    /// One JSON object on each line.
    Ndjson,
    /// One JSON array of objects.
    Json,
}

impl Format {
    /// The format as it is written everywhere, which is also the file's ending.
    pub fn as_str(self) -> &'static str {
        match self {
            Format::Parquet => "parquet",
            Format::Csv => "csv",
            Format::Ndjson => "ndjson",
            Format::Json => "json",
        }
    }

    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Format::Parquet => "application/vnd.apache.parquet",
            Format::Csv => "text/csv; charset=utf-8; header=present",
            Format::Ndjson => "application/x-ndjson",
            Format::Json => "application/json",
        }
    }
}

/// Whoever holds it makes the export; the others wait.
type Turn = Arc<tokio::sync::Mutex<()>>;

/// Exports that are being made at this moment, so that no two requests make the same one.
#[derive(Default)]
pub struct Exports {
    making: Mutex<HashMap<(String, Format), Turn>>,
}

impl Exports {
    /// The release as a file of that format.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub async fn file(&self, db: &Db, storage: &Storage, engine: &Engine, release: &Release, format: Format) -> Result<Object> {
        if format == Format::Parquet
            && let [only] = release.objects().as_slice()
        {
            return Ok(only.clone());
        }
        if let Some(object) = known(db, release, format).await? {
            return Ok(object);
        }
        let key = (release.id().to_owned(), format);
        let making = Arc::clone(self.making.lock().unwrap_or_else(PoisonError::into_inner).entry(key.clone()).or_default());
        let _turn = making.lock().await;
        // Whoever came first has made it by now.
        let object = match known(db, release, format).await? {
            Some(object) => object,
            None => make(db, storage, engine, release, format).await?,
        };
        self.making.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        Ok(object)
    }
}

async fn known(db: &Db, release: &Release, format: Format) -> Result<Option<Object>> {
    let id = release.id().to_owned();
    db.read(move |conn| find(conn, &id, format)).await
}

fn find(conn: &mut Conn, release_id: &str, format: Format) -> Result<Option<Object>> {
    let row: Option<(String, i64)> =
        exports::table.find((release_id, format.as_str())).select((exports::object_sha256, exports::size_bytes)).first(conn).optional()?;
    Ok(row.map(|(sha256, size)| Object { sha256, size_bytes: size as u64, format: format.as_str().to_owned() }))
}

async fn make(db: &Db, storage: &Storage, engine: &Engine, release: &Release, format: Format) -> Result<Object> {
    let table = engine.table(&release.objects()).await?;
    let scratch = storage.scratch()?;
    let scratch = engine.run(None, async move { write(table.execute_stream().await?, scratch, format).await }).await?;
    let object = storage.keep(scratch, format.as_str()).await?;
    let (id, kept) = (release.id().to_owned(), object.clone());
    db.write(move |conn| {
        // Another replica may have made it meanwhile: the same bytes under the same digest. Two who look at the same time would
        // both find nothing.
        lock_ledger(conn)?;
        if find(conn, &id, format)?.is_none() {
            let values = (
                exports::release_id.eq(&id),
                exports::format.eq(format.as_str()),
                exports::object_sha256.eq(&kept.sha256),
                exports::size_bytes.eq(kept.size_bytes as i64),
                exports::created_at.eq(now_naive()),
            );
            diesel::insert_into(exports::table).values(values).execute(conn)?;
        }
        Ok(())
    })
    .await?;
    Ok(object)
}

async fn write(mut rows: SendableRecordBatchStream, scratch: Scratch, format: Format) -> Result<Scratch> {
    let schema = rows.schema();
    let mut to = Writer::new(format, BufWriter::with_capacity(1 << 18, scratch.writer()?))?;
    // An empty batch first: also a table without rows has its header.
    to.write(&RecordBatch::new_empty(schema))?;
    while let Some(batch) = rows.next().await {
        to.write(&batch?)?;
    }
    to.finish()?;
    Ok(scratch)
}

#[expect(clippy::large_enum_variant, reason = "one value for each export")]
enum Writer {
    Csv(datafusion::arrow::csv::Writer<BufWriter<File>>),
    Ndjson(datafusion::arrow::json::Writer<BufWriter<File>, LineDelimited>),
    Json(datafusion::arrow::json::Writer<BufWriter<File>, JsonArray>),
}

impl Writer {
    fn new(format: Format, to: BufWriter<File>) -> Result<Self> {
        let json = JsonWriterBuilder::new().with_explicit_nulls(true).with_timestamp_format(MOMENT.to_owned());
        match format {
            Format::Csv => {
                let builder = CsvWriterBuilder::new().with_header(true).with_timestamp_format(MOMENT.to_owned());
                Ok(Writer::Csv(builder.build(to)))
            }
            Format::Ndjson => Ok(Writer::Ndjson(json.build::<_, LineDelimited>(to))),
            Format::Json => Ok(Writer::Json(json.build::<_, JsonArray>(to))),
            Format::Parquet => Err(Error::internal(anyhow::anyhow!("a release is Parquet already"))),
        }
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match self {
            Writer::Csv(to) => to.write(batch),
            Writer::Ndjson(to) => to.write(batch),
            Writer::Json(to) => to.write(batch),
        }
        .map_err(Error::internal)
    }

    fn finish(self) -> Result<()> {
        let mut to = match self {
            Writer::Csv(to) => to.into_inner(),
            Writer::Ndjson(mut to) => {
                to.finish().map_err(Error::internal)?;
                to.into_inner()
            }
            Writer::Json(mut to) => {
                to.finish().map_err(Error::internal)?;
                to.into_inner()
            }
        };
        Ok(to.flush()?)
    }
}

/// How a moment is written: without zone, with its fraction of a second where it has one.
pub const MOMENT: &str = "%Y-%m-%dT%H:%M:%S%.f";
