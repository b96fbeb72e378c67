//! The only readers of releases: whole files in several formats, and rows by query. Every function takes a
//! [`crate::release::Release`], which can be had with a pass only.

mod cursor;
mod encode;
mod export;
mod filter;
mod rows;
mod select;
pub mod sql;
mod terms;

pub use cursor::Cursor;
pub use encode::Encoding;
pub use export::{Exports, Format};
pub use rows::{MAX_LIMIT, Rows, RowsQuery, query};
