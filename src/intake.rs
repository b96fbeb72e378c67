//! Intake: a publisher's file becomes a typed Parquet file. Nothing is lost and nothing is guessed silently: a value that
//! does not fit its column's type is a fault with its line, and a type that is not declared is inferred over the whole file.
//!
//! Knows nothing of datasets; `release::publish` brings the two together.

mod block;
pub mod collection;
mod column;
mod csv;
mod decode;
mod faults;
mod geojson;
pub mod geometry;
mod infer;
mod json;
mod layout;
mod parquet;
mod profile;
mod progress;
mod records;
mod rejects;
mod scan;
mod sniff;
mod table;
mod traps;
mod unpack;
pub mod uploads;
pub mod value;
mod write;
mod xlsx;

use std::ops::ControlFlow;
use std::path::Path;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::storage::Scratch;

pub use self::faults::shown;
pub use self::layout::{properties_for, writer_properties};
pub use self::profile::{Bin, ColumnProfile, Combination, Finding, FindingKind, FindingLevel, Lengths, Profile, Profiler, TopValue};
pub use self::scan::looks_personal;
pub use self::xlsx::{CellText, SheetText, read_sheets, reference as cell_reference};

/// How a field's values are read and kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FieldType {
    /// Text, exactly as written: codes, identifiers, names.
    String,
    /// A 64-bit whole number.
    Integer,
    /// An exact decimal number with `scale` digits behind the point.
    Decimal,
    /// An IEEE 754 double.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A day, `YYYY-MM-DD`.
    Date,
    /// A moment without zone, `YYYY-MM-DDTHH:MM:SS`.
    Datetime,
    /// A shape on the earth in WGS 84: WKB in Parquet (GeoParquet), a GeoJSON geometry elsewhere.
    Geometry,
}

impl FieldType {
    /// The type as it is written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            FieldType::String => "string",
            FieldType::Integer => "integer",
            FieldType::Decimal => "decimal",
            FieldType::Number => "number",
            FieldType::Boolean => "boolean",
            FieldType::Date => "date",
            FieldType::Datetime => "datetime",
            FieldType::Geometry => "geometry",
        }
    }
}

/// A column as it is declared; without a type it is inferred.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Declared {
    /// The name in the header.
    pub name: String,
    /// Its type.
    pub field_type: Option<FieldType>,
    /// Digits behind the point of a decimal.
    pub scale: Option<i8>,
    /// Whether its values say something about a person: then no message repeats them.
    pub personal: bool,
    /// Its titles in any language: what the scan for personal data reads besides the name.
    pub titles: Vec<String>,
    /// Whether it is part of the dataset's key.
    pub key: bool,
    /// Whether a curator has looked at the column and says, with a reason, that its values are no personal data.
    pub cleared: bool,
}

/// How a file is to be taken in.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The share of rows, from 0 to 1, that may be rejected; above it the file is refused. With 0, any row that cannot be read refuses it.
    pub max_reject_share: f64,
}

/// How far the work is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Step {
    /// Bytes of the source that were read, over all passes.
    pub done_bytes: u64,
    /// Bytes to read in all, over all passes.
    pub total_bytes: u64,
    /// Rows that were written.
    pub rows: u64,
}

/// Is told how far the work is, now and then; breaking stops it with [`IntakeError::Cancelled`].
pub type Watch<'a> = &'a (dyn Fn(Step) -> ControlFlow<()> + Sync);

/// What was decided on the way in, for the publisher to look at.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Report {
    /// What the file is: `csv`, `xlsx`, `json`, `ndjson`, `parquet`, `geojson`, or `collection` of an archive or folder of files.
    pub format: String,
    /// How its text is encoded, where it is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// What stands between cells, where it is a text table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<String>,
    /// How it is packed: `gzip`, `zstd`, `zip`; a collection also `tar`, `tar.gz`, `tar.zst`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packing: Option<String>,
    /// How many rows could not be read.
    pub rejected_rows: i64,
    /// What a publisher should know: mixed columns kept as text, identifiers in scientific notation, dates as serial numbers, and the like.
    pub notes: Vec<ReportNote>,
}

/// One thing that a publisher should know about a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReportNote {
    /// The column, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// What it is, with an example that shows nothing of a personal column.
    pub detail: String,
    /// The first rows that it is about, from 1.
    pub rows: Vec<i64>,
    /// How many rows it is about.
    pub count: i64,
}

/// One thing that is wrong with a data file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFault {
    /// The line, from 1; the header is line 1.
    pub line: Option<u64>,
    /// The column.
    pub column: Option<String>,
    /// What is wrong.
    pub detail: String,
}

impl FileFault {
    fn whole(detail: impl Into<String>) -> Self {
        FileFault { line: None, column: None, detail: detail.into() }
    }

    fn at(line: u64, detail: impl Into<String>) -> Self {
        FileFault { line: Some(line), column: None, detail: detail.into() }
    }
}

/// The most faults of one file that are listed; the rest is counted.
pub const MAX_FAULTS: usize = 20;

/// Why a file was not taken in.
#[derive(Debug)]
pub enum IntakeError {
    /// The file has faults: the first [`MAX_FAULTS`] of them, and how many there are in all.
    Faults(Vec<FileFault>, u64),
    /// The watcher asked to stop.
    Cancelled,
    /// A fault of ours.
    Internal(crate::error::Error),
}

impl From<crate::error::Error> for IntakeError {
    fn from(cause: crate::error::Error) -> Self {
        IntakeError::Internal(cause)
    }
}

impl From<std::io::Error> for IntakeError {
    fn from(cause: std::io::Error) -> Self {
        IntakeError::Internal(cause.into())
    }
}

/// A file that was taken in.
#[derive(Debug)]
pub struct Taken {
    /// The Parquet file, not in the store yet.
    pub file: Scratch,
    /// Its columns, each with a type.
    pub columns: Vec<Declared>,
    /// How many rows it has.
    pub row_count: i64,
    /// The rows that could not be read, as CSV with the line and the reason before the cells; not in the store yet.
    pub rejects: Option<Scratch>,
    /// What the table holds.
    pub profile: Profile,
    /// What was decided on the way in.
    pub report: Report,
}

/// Takes in the file at `path`, whose name was `file_name`, as the declared columns say, and writes a Parquet file to a scratch file.
///
/// What the file is, how it is packed and what it is written in are told by its content. Without declared columns it has those that it
/// names itself.
///
/// # Errors
/// [`IntakeError::Faults`] names what is wrong with the file, and where.
pub fn take(
    path: &Path,
    file_name: &str,
    declared: &[Declared],
    options: &Options,
    scratch: &dyn Fn() -> crate::error::Result<Scratch>,
    watch: Watch<'_>,
) -> Result<Taken, IntakeError> {
    let progress = progress::Progress::new(watch);
    let job = table::Job { declared, options, scratch, progress: &progress };
    let sniff::Opened { source, report, unpacked } = sniff::open(path, file_name, &job)?;
    let mut taken = table::take(&*source, &job, report)?;
    taken.report.notes.iter_mut().for_each(|note| note.detail = faults::printable(&note.detail));
    // What the source has read from until now.
    drop(unpacked);
    if progress.stopped() {
        return Err(IntakeError::Cancelled);
    }
    Ok(taken)
}
