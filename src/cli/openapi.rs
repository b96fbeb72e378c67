//! `qingdan openapi`.

use std::path::PathBuf;

use anyhow::Result;

use super::End;

/// Writes the API document to a file or to standard output.
pub(super) fn write(file: Option<&PathBuf>) -> Result<End> {
    let text = crate::http::document_json()?;
    match file {
        Some(path) => crate::storage::write_text(path, &text)?,
        None => print!("{text}"),
    }
    Ok(End::Well)
}
