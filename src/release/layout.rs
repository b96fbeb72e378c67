//! The order of rows in a version's files: sorted by the fields that an entry names, a condition on them reads little.

use datafusion::logical_expr::ident;
use datafusion::parquet::arrow::ArrowWriter;
use futures::StreamExt;

use super::publish::Tools;
use crate::catalog::Entry;
use crate::error::{Error, Result};
use crate::intake::{Declared, writer_properties};
use crate::storage::Scratch;

/// The same rows in the order of the entry's `sort_by`, missing values last.
pub async fn sort(tools: &Tools, file: Scratch, entry: &Entry, _columns: &[Declared]) -> Result<Scratch> {
    let to = tools.storage.scratch()?;
    let order = entry.sort_by.iter().map(|name| ident(name).sort(true, false)).collect();
    let table = tools.engine.file(file.path()).await?.sort(order)?;
    let sorting = async move {
        let mut rows = table.execute_stream().await?;
        let mut writer = ArrowWriter::try_new(to.writer()?, rows.schema(), Some(writer_properties())).map_err(Error::internal)?;
        while let Some(batch) = rows.next().await {
            writer.write(&batch?).map_err(Error::internal)?;
        }
        writer.close().map_err(Error::internal)?;
        Ok(to)
    };
    let sorted = tools.engine.run(None, sorting).await?;
    drop(file);
    Ok(sorted)
}
