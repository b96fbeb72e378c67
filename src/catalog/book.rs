//! The list as a book of two sheets, `datasets` and `fields`, that a curator edits in a spreadsheet: how entries become rows, how rows become
//! entries again, and what an import would change. `docs/list.md` documents the columns.

mod columns;
mod compare;
mod form;
mod read;
mod write;

use serde::Serialize;
use utoipa::ToSchema;

pub use super::check::Vocabulary;
pub use columns::Kind as TextKind;
pub(in crate::catalog) use compare::revealed;
pub use compare::{Plan, Planned, apply, plan};
pub use form::{Form, FormFault, FormText, begun};
pub(in crate::catalog) use read::again;
pub use read::{Rows, read_csv, read_rows, read_xlsx};
pub use write::{to_csv, to_folder, to_xlsx, vocabulary_files, workbook};

/// The sheet with a row for each dataset.
pub const DATASETS: &str = "datasets";

/// The sheet with a row for each field of each dataset.
pub const FIELDS: &str = "fields";

/// One mistake in a book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct BookFault {
    /// The sheet, or the file.
    pub sheet: String,
    /// The row, from 1; the header is row 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<u64>,
    /// The column by its letters, as a spreadsheet shows them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The column by its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What is wrong, and what would be right.
    pub detail: String,
}

impl std::fmt::Display for BookFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.sheet)?;
        match (&self.column, self.row) {
            (Some(column), Some(row)) => write!(f, "!{column}{row}")?,
            (None, Some(row)) => write!(f, ", row {row}")?,
            (Some(column), None) => write!(f, ", column {column}")?,
            (None, None) => {}
        }
        if let Some(key) = &self.key {
            write!(f, " ({key})")?;
        }
        write!(f, ": {}", self.detail)
    }
}
