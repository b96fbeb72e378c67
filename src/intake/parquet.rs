//! Parquet from elsewhere: any flat or nested columns, read in the order of their rows. The file says the types; a declared type wins.

mod cells;

use std::path::{Path, PathBuf};

use datafusion::arrow::array::AsArray;
use datafusion::arrow::compute::max;
use datafusion::arrow::datatypes::{DataType, Field as ArrowField, Schema, UInt64Type};
use datafusion::arrow::error::ArrowError;
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use datafusion::parquet::errors::ParquetError;

use self::cells::Cells;
use super::block::{BLOCK_ROWS, Out};
use super::faults::{Stop, guarded, shown};
use super::progress::Progress;
use super::table::{Found, Source};
use super::value::DECIMAL_DIGITS;
use super::{FieldType, ReportNote};
use crate::storage::{File, open_file};

/// A Parquet file.
pub struct Parquet {
    path: PathBuf,
    size: u64,
    columns: Vec<Found>,
    /// Columns that hold shapes as WKB.
    shapes: Vec<String>,
}

fn builder(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>, Stop> {
    ParquetRecordBatchReaderBuilder::try_new(open_file(path)?).map_err(broken)
}

fn broken(cause: ParquetError) -> Stop {
    Stop::whole(format!("the Parquet file is damaged or cut off ({cause}); write it again"))
}

/// A page of it that cannot be read.
fn unread(cause: ArrowError) -> Stop {
    Stop::whole(format!("the Parquet file is damaged or cut off ({cause}); write it again"))
}

impl Parquet {
    /// Looks at the schema of a file.
    pub fn open(path: &Path) -> Result<Self, Stop> {
        guarded("Parquet file", || {
            let size = open_file(path)?.metadata()?.len();
            let builder = builder(path)?;
            let schema = builder.schema().clone();
            let metadata = builder.metadata().file_metadata().key_value_metadata();
            let geo = metadata.and_then(|pairs| pairs.iter().find(|pair| pair.key == "geo")).and_then(|pair| pair.value.clone());
            let shapes = geo.map(|geo| shapes(&geo)).transpose()?.unwrap_or_default();
            let mut columns = Vec::new();
            for (at, field) in schema.fields().iter().enumerate() {
                let field_type = if shapes.contains(field.name()) {
                    Some((FieldType::Geometry, None))
                } else if field.data_type() == &DataType::UInt64 && !fits_integer(path, at)? {
                    Some((FieldType::Decimal, Some(0)))
                } else {
                    type_of(field)?
                };
                columns.push(Found { name: field.name().clone(), field_type });
            }
            Ok(Parquet { path: path.to_owned(), size, columns, shapes })
        })
    }
}

/// The columns that hold shapes, by the metadata of GeoParquet. Another reference system would put every shape in the wrong place.
fn shapes(geo: &str) -> Result<Vec<String>, Stop> {
    let geo: serde_json::Value =
        serde_json::from_str(geo).map_err(|_broken| Stop::whole("the metadata `geo` of the Parquet file is no JSON"))?;
    let mut names = Vec::new();
    for (name, column) in geo["columns"].as_object().into_iter().flatten() {
        if column["encoding"] != "WKB" {
            return Err(Stop::whole(format!("the column {} holds shapes that are not encoded as WKB; write them so", shown(name))));
        }
        let crs = &column["crs"];
        let code = format!("{}:{}", crs["id"]["authority"].as_str().unwrap_or_default(), crs["id"]["code"].to_string().trim_matches('"'));
        let absent = column.get("crs").is_none();
        if !absent && !matches!(code.as_str(), "OGC:CRS84" | "EPSG:4326") {
            let name = shown(name);
            return Err(Stop::whole(format!("the column {name} is in a reference system other than WGS 84 (EPSG:4326); transform it")));
        }
        names.push(name.clone());
    }
    Ok(names)
}

/// Whether all values of a column of unsigned numbers are whole numbers of ours.
fn fits_integer(path: &Path, column: usize) -> Result<bool, Stop> {
    let builder = builder(path)?;
    let mask = ProjectionMask::roots(builder.parquet_schema(), [column]);
    for batch in builder.with_projection(mask).build().map_err(broken)? {
        let batch = batch.map_err(unread)?;
        let largest = batch.column(0).as_primitive_opt::<UInt64Type>().and_then(max).unwrap_or_default();
        if i64::try_from(largest).is_err() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Our type for a type of Arrow; `None` where the values decide.
#[expect(clippy::wildcard_enum_match_arm, reason = "what has no type of its own is text")]
fn type_of(field: &ArrowField) -> Result<Option<(FieldType, Option<i8>)>, Stop> {
    let plain = |field_type| Ok(Some((field_type, None)));
    match field.data_type() {
        DataType::Boolean => plain(FieldType::Boolean),
        kind if kind.is_integer() => plain(FieldType::Integer),
        kind if kind.is_floating() => plain(FieldType::Number),
        DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale) | DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) => {
            // A scale that ours does not have leaves the exact text.
            let known = (0..=DECIMAL_DIGITS as i8).contains(scale);
            if known { Ok(Some((FieldType::Decimal, Some(*scale)))) } else { plain(FieldType::String) }
        }
        DataType::Date32 | DataType::Date64 => plain(FieldType::Date),
        DataType::Timestamp(..) => plain(FieldType::Datetime),
        DataType::Dictionary(_, values) => type_of(&ArrowField::new(field.name(), values.as_ref().clone(), true)),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => Err(Stop::whole(format!(
            "the column {} holds bytes, which no type of field takes; write them as text, or shapes as GeoParquet",
            shown(field.name())
        ))),
        _ => plain(FieldType::String),
    }
}

impl Source for Parquet {
    fn columns(&self) -> &[Found] {
        &self.columns
    }

    fn header_line(&self) -> Option<u64> {
        None
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn read(&self, progress: &Progress<'_>, out: &mut Out<'_>) -> Result<(), Stop> {
        guarded("Parquet file", || {
            let builder = builder(&self.path)?;
            let rows = u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or_default().max(1);
            let schema = builder.schema().clone();
            let places = self.places(&schema, out.names())?;
            let reader = builder.with_batch_size(BLOCK_ROWS).build().map_err(broken)?;
            self.read_batches(reader, &places, rows, progress, out)
        })
    }
}

impl Parquet {
    /// Where each column of the table stands in the file.
    fn places(&self, schema: &Schema, names: &[String]) -> Result<Vec<usize>, Stop> {
        names.iter().map(|name| schema.index_of(name).map_err(Stop::internal)).collect()
    }

    fn read_batches(
        &self,
        reader: ParquetRecordBatchReader,
        places: &[usize],
        rows: u64,
        progress: &Progress<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), Stop> {
        let (mut line, mut told, mut nul) = (0, 0, false);
        let mut notes = cells::Notes::default();
        let mut text = String::new();
        for batch in reader {
            let batch = batch.map_err(unread)?;
            let mut columns = Vec::with_capacity(places.len());
            for place in places {
                let field = batch.schema_ref().field(*place).clone();
                columns.push(Cells::new(&field, batch.column(*place), self.shapes.contains(field.name()))?);
            }
            let formatters = columns.iter().map(Cells::formatter).collect::<Result<Vec<_>, _>>()?;
            for row in 0..batch.num_rows() {
                line += 1;
                for (cells, formatter) in columns.iter().zip(&formatters) {
                    text.clear();
                    cells.write(row, line, formatter, &mut text, &mut notes)?;
                    nul |= text.contains('\0');
                    out.cell(&text);
                }
                if std::mem::take(&mut nul) {
                    out.check_text(line);
                }
                out.end_row(line)?;
            }
            let read = (u128::from(self.size) * u128::from(line) / u128::from(rows)) as u64;
            progress.read(read.saturating_sub(told));
            told = read.max(told);
        }
        let zoned = |name: &String| ReportNote {
            column: Some(name.clone()),
            detail: "moments with a time zone were taken over in UTC".to_owned(),
            rows: Vec::new(),
            count: i64::try_from(line).unwrap_or(i64::MAX),
        };
        cells::zoned(&self.path).map(|names| names.iter().map(zoned).for_each(|note| out.note(note)))?;
        notes.finish(out);
        Ok(())
    }
}
