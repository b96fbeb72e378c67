//! The only readers of releases: whole files in several formats, and rows by query. Every function takes a
//! [`crate::release::Release`], which can be had with a pass only.

mod encode;
mod export;
mod filter;
mod rows;
pub mod sql;

pub use encode::Encoding;
pub use export::{Exports, Format};
pub use rows::{Cursor, MAX_LIMIT, Rows, RowsQuery, query};
