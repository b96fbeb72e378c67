//! The order of rows in a version's files: sorted by the fields that an entry names, a condition on them reads little.

use datafusion::dataframe::DataFrame;
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::{Expr, ident};
use datafusion::parquet::arrow::{ARROW_SCHEMA_META_KEY, ArrowWriter};
use datafusion::parquet::file::metadata::{KeyValue, ParquetMetaDataReader};
use futures::StreamExt;

use super::publish::Tools;
use crate::catalog::Entry;
use crate::db::blocking;
use crate::error::{Error, Result};
use crate::intake::{Declared, properties_for};
use crate::storage::{Scratch, open_file};

/// The name of a column that no field has, since names of fields have no spaces around them.
const PLACE: &str = " place ";

/// The same rows in the order of the entry's `sort_by`, missing values last, and otherwise in the order in which they came: the same
/// rows always make the same file. It is laid out as the file was, and says the same of itself.
pub async fn sort(tools: &Tools, file: Scratch, entry: &Entry, columns: &[Declared]) -> Result<Scratch> {
    let path = file.path().to_owned();
    let said = blocking(move || said_of(&open_file(&path)?)).await?;
    let to = tools.storage.scratch()?;
    let table = in_order(tools.engine.file(file.path()).await?, &entry.sort_by)?;
    let properties = properties_for(columns);
    let sorting = async move {
        let mut rows = table.execute_stream().await?;
        let mut writer = ArrowWriter::try_new(to.writer()?, rows.schema(), Some(properties)).map_err(Error::internal)?;
        while let Some(batch) = rows.next().await {
            writer.write(&batch?).map_err(Error::internal)?;
        }
        said.into_iter().for_each(|pair| writer.append_key_value_metadata(pair));
        writer.close().map_err(Error::internal)?;
        Ok(to)
    };
    let sorted = tools.engine.run(None, sorting).await?;
    drop(file);
    Ok(sorted)
}

fn in_order(table: DataFrame, sort_by: &[String]) -> Result<DataFrame> {
    let names: Vec<Expr> = table.schema().fields().iter().map(|field| ident(field.name())).collect();
    let order = sort_by.iter().map(String::as_str).chain([PLACE]).map(|name| ident(name).sort(true, false)).collect();
    Ok(table.with_column(PLACE, row_number())?.sort(order)?.select(names)?)
}

/// What a Parquet file says of itself, such as where its shapes lie; but for its schema, which is written anew.
fn said_of(file: &crate::storage::File) -> Result<Vec<KeyValue>> {
    let metadata = ParquetMetaDataReader::new().parse_and_finish(file).map_err(Error::internal)?;
    let pairs = metadata.file_metadata().key_value_metadata().cloned().unwrap_or_default();
    Ok(pairs.into_iter().filter(|pair| pair.key != ARROW_SCHEMA_META_KEY).collect())
}
