//! Intake: a publisher's file becomes a typed Parquet file. Nothing is lost and nothing is guessed silently: a value that
//! does not fit its column's type is a fault with its line, and a type that is not declared is inferred over the whole file.
//!
//! Knows nothing of datasets; `release::publish` brings the two together.

mod column;
mod csv;
mod strict;
pub mod value;

use serde::{Deserialize, Serialize};

use crate::storage::Scratch;

pub use self::csv::{csv_to_parquet, writer_properties};

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
        }
    }
}

/// A column as it is declared; without a type it is inferred.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// The name in the header.
    pub name: String,
    /// Its type.
    pub field_type: Option<FieldType>,
    /// Digits behind the point of a decimal.
    pub scale: Option<i8>,
    /// Whether its values say something about a person: then no message repeats them.
    pub personal: bool,
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
}
