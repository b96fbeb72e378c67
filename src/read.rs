//! The only readers of releases: whole files in several formats, and rows by query. Every function takes a
//! [`crate::release::Release`], which can be had with a pass only.

mod diff;
mod export;
mod filter;
mod kept;
mod rows;

pub use diff::{Diff, DiffQuery, FieldChange, RowChange, RowCounts, diff};
pub use export::{Coding, Export, Exports, Format, Opened, Wanted};
pub use kept::is_export;
pub use rows::{Cursor, MAX_LIMIT, Rows, RowsQuery, query};
