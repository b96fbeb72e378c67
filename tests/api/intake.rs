//! Intake of every kind of file: what goes in comes out, and what cannot be read is told with its place.

mod archives;
mod collections;
mod folder;
mod hostile;
mod kinds;
mod parquet;
mod spreadsheets;
pub mod support;
