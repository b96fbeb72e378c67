//! A release as a file: Parquet as it is, other formats made once, kept under their digest, and served as files. Whoever comes first
//! for a large one may read it while it is made.

mod coding;
pub mod csv;
mod jobs;
pub mod json;
mod make;
mod merge;
mod workbook;

use bytes::Bytes;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::catalog::{Field, FieldType};
use crate::error::{Error, Result};
use crate::release::Release;
use crate::storage::Object;

pub use coding::Coding;
pub use jobs::Exports;

/// How a moment is written: without zone, with its fraction of a second where it has one.
pub const MOMENT: &str = "%Y-%m-%dT%H:%M:%S%.f";

/// The formats of a download.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
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
    /// An Apache Arrow IPC stream.
    Arrow,
    /// An Excel workbook with one sheet, of up to 1,048,575 rows.
    Xlsx,
    /// A GeoJSON collection of features, of a dataset with a geometry.
    Geojson,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 7] = [Format::Parquet, Format::Csv, Format::Ndjson, Format::Json, Format::Arrow, Format::Xlsx, Format::Geojson];

    /// The format as it is written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Format::Parquet => "parquet",
            Format::Csv => "csv",
            Format::Ndjson => "ndjson",
            Format::Json => "json",
            Format::Arrow => "arrow",
            Format::Xlsx => "xlsx",
            Format::Geojson => "geojson",
        }
    }

    /// The ending of a file of the format.
    pub fn ending(self) -> &'static str {
        // `.arrow` is the other of the two kinds of Arrow files.
        if self == Format::Arrow { "arrows" } else { self.as_str() }
    }

    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Format::Parquet => "application/vnd.apache.parquet",
            Format::Csv => "text/csv; charset=utf-8; header=present",
            Format::Ndjson => "application/x-ndjson",
            Format::Json => "application/json",
            Format::Arrow => "application/vnd.apache.arrow.stream",
            Format::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Format::Geojson => "application/geo+json",
        }
    }

    /// Whether it is text, which a content coding makes smaller.
    pub fn is_text(self) -> bool {
        match self {
            Format::Csv | Format::Ndjson | Format::Json | Format::Geojson => true,
            Format::Parquet | Format::Arrow | Format::Xlsx => false,
        }
    }

    /// Whether a file of it is written from front to back, so that it can be read while it is made.
    fn grows(self) -> bool {
        self != Format::Xlsx
    }

    /// Whether data of these fields and so many rows can be had in the format.
    pub fn suits(self, fields: &[Field], rows: i64) -> bool {
        match self {
            Format::Parquet | Format::Csv | Format::Ndjson | Format::Json | Format::Arrow => true,
            Format::Xlsx => rows <= workbook::MAX_ROWS && fields.len() <= workbook::MAX_COLUMNS,
            Format::Geojson => has_geometry(fields),
        }
    }
}

fn has_geometry(fields: &[Field]) -> bool {
    fields.iter().any(|field| field.field_type == Some(FieldType::Geometry))
}

/// A kind of export: one file for each release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Export {
    /// The format.
    pub format: Format,
    /// CSV in which no text can be taken for a formula.
    pub spreadsheet: bool,
    /// The content coding of the file.
    pub coding: Option<Coding>,
}

impl Export {
    /// The file of a format without content coding.
    pub fn plain(format: Format) -> Self {
        Export { format, spreadsheet: false, coding: None }
    }

    /// How it is called in the database: `csv`, `csv+spreadsheet+gzip`.
    fn key(self) -> String {
        let spreadsheet = if self.spreadsheet { "+spreadsheet" } else { "" };
        let coding = self.coding.map(|coding| format!("+{}", coding.as_str())).unwrap_or_default();
        format!("{}{spreadsheet}{coding}", self.format.as_str())
    }

    /// The ending of its object: `csv`, `csv.gz`.
    fn ending(self) -> String {
        let ending = self.format.ending();
        self.coding.map_or_else(|| ending.to_owned(), |coding| format!("{ending}.{}", coding.ending()))
    }

    /// Whether the release can be had like this.
    ///
    /// # Errors
    /// When it cannot; the text says what to take instead.
    pub fn check(self, release: &Release) -> Result<()> {
        if self.spreadsheet && self.format != Format::Csv {
            return Err(Error::invalid("spreadsheet", "this is for csv alone; in the other formats no text can be taken for a formula"));
        }
        match self.format {
            Format::Xlsx => workbook::check(release),
            Format::Geojson if !has_geometry(release.fields()) => {
                Err(Error::invalid("format", "no field of this release is a geometry, which GeoJSON needs; take json or ndjson instead"))
            }
            Format::Parquet | Format::Csv | Format::Ndjson | Format::Json | Format::Arrow | Format::Geojson => Ok(()),
        }
    }
}

/// Which file is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// The file, without content coding.
    pub plain: Export,
    /// The content coding that the caller likes best; formats that are no text are never encoded.
    pub coding: Option<Coding>,
    /// Whether a file without content coding would do.
    pub plain_will_do: bool,
    /// Whether the caller can read the file while it is made.
    pub may_grow: bool,
}

/// A file to send.
pub enum Opened {
    /// It is made.
    File(Object, Option<Coding>),
    /// It is being made: its bytes as they come, with an error where it cannot be made to its end.
    Growing(BoxStream<'static, Result<Bytes>>, Option<Coding>),
}
