//! The only readers of releases: whole files in several formats, and rows by query. Every function takes a
//! [`crate::release::Release`], which can be had with a pass only.

mod archive;
mod cursor;
mod diff;
mod encode;
mod export;
mod filter;
mod kept;
mod known;
mod rows;
mod select;
pub mod sql;
mod target;
mod terms;

pub use archive::Archive;
pub use cursor::Cursor;
pub use diff::{Diff, DiffQuery, FieldChange, RowChange, RowCounts, diff};
pub use encode::Encoding;
pub use export::{Coding, Export, Exports, Format, Opened, Wanted};
pub use kept::is_export;
pub use known::{KnownFiles, known_files};
pub use rows::{MAX_LIMIT, Rows, RowsQuery, numbered, query};
pub use target::{Target, TargetFile};
