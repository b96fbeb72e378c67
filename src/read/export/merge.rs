//! Several Parquet files as one, without decoding: the column chunks are copied as they are, with their statistics, page indexes and
//! bloom filters.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::parquet::arrow::{ARROW_SCHEMA_META_KEY, ArrowWriter};
use datafusion::parquet::bloom_filter::Sbbf;
use datafusion::parquet::column::writer::ColumnCloseResult;
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::metadata::{KeyValue, PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use datafusion::parquet::file::properties::WriterProperties;
use datafusion::parquet::file::writer::SerializedFileWriter;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::intake::writer_properties;
use crate::storage::{DigestWriter, File};

/// The parts of a release, opened.
pub(super) struct Parts(Vec<(File, ParquetMetaData)>);

impl Parts {
    pub(super) fn open(files: Vec<File>) -> Result<Self> {
        let open = |file: File| {
            let metadata = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Optional).parse_and_finish(&file)?;
            Ok((file, metadata))
        };
        Ok(Parts(files.into_iter().map(open).collect::<Result<_, ParquetError>>().map_err(Error::internal)?))
    }

    /// Whether all have the same columns, so that they can be put together as they are.
    pub(super) fn are_alike(&self) -> bool {
        let mut schemas = self.0.iter().map(|(_, metadata)| metadata.file_metadata().schema());
        let first = schemas.next();
        schemas.all(|schema| Some(schema) == first)
    }

    /// Writes all row groups, one after the other.
    pub(super) fn merge<W: Write + Send>(self, to: W) -> Result<W> {
        self.write(to).map_err(Error::internal)
    }

    fn write<W: Write + Send>(self, to: W) -> Result<W, ParquetError> {
        let Some((_, first)) = self.0.first() else { return Err(ParquetError::General("a release without files".to_owned())) };
        let properties = WriterProperties::builder().set_created_by("qingdan".to_owned()).build();
        let schema = first.file_metadata().schema_descr().root_schema_ptr();
        let mut writer = SerializedFileWriter::new(to, schema, Arc::new(properties))?;
        for (file, metadata) in &self.0 {
            for (at, group) in metadata.row_groups().iter().enumerate() {
                let column_indexes = metadata.column_index().and_then(|groups| groups.get(at));
                let offset_indexes = metadata.offset_index().and_then(|groups| groups.get(at));
                let mut out = writer.next_row_group()?;
                for (at, column) in group.columns().iter().enumerate() {
                    let closed = ColumnCloseResult {
                        bytes_written: column.compressed_size().unsigned_abs(),
                        rows_written: group.num_rows().unsigned_abs(),
                        metadata: column.clone(),
                        bloom_filter: Sbbf::read_from_column_chunk(column, file)?,
                        column_index: column_indexes.and_then(|columns| columns.get(at)).cloned(),
                        offset_index: offset_indexes.and_then(|columns| columns.get(at)).cloned(),
                    };
                    out.append_column(file, closed)?;
                }
                out.close()?;
            }
        }
        self.metadata().into_iter().for_each(|pair| writer.append_key_value_metadata(pair));
        writer.into_inner()
    }

    /// What the files say of themselves. GeoParquet names the kinds of all shapes; where they lie is said of each
    /// part alone, and is left out.
    pub(super) fn metadata(&self) -> Vec<KeyValue> {
        let pairs = |(_, metadata): &(File, ParquetMetaData)| metadata.file_metadata().key_value_metadata().cloned().unwrap_or_default();
        let said: Vec<Vec<KeyValue>> = self.0.iter().map(pairs).collect();
        let geo = |pairs: &Vec<KeyValue>| -> Option<Value> {
            serde_json::from_str(pairs.iter().find(|pair| pair.key == GEO)?.value.as_deref()?).ok()
        };
        let all: Vec<Value> = said.iter().filter_map(geo).collect();
        let whole = |mut pair: KeyValue| {
            if let (GEO, Some(first)) = (pair.key.as_str(), all.first()) {
                pair.value = Some(of_all(first, &all).to_string());
            }
            pair
        };
        said.into_iter().next().unwrap_or_default().into_iter().map(whole).collect()
    }
}

/// The name of the metadata of GeoParquet.
const GEO: &str = "geo";

/// What GeoParquet says of the first of several files, so that it holds for all.
fn of_all(first: &Value, all: &[Value]) -> Value {
    let mut geo = first.clone();
    let columns = geo.get_mut("columns").and_then(Value::as_object_mut);
    for (name, column) in columns.into_iter().flatten() {
        let Some(column) = column.as_object_mut() else { continue };
        column.remove("bbox");
        let kinds = all.iter().filter_map(|geo| geo["columns"][name]["geometry_types"].as_array()).flatten().filter_map(Value::as_str);
        let kinds: BTreeSet<&str> = kinds.collect();
        column.insert("geometry_types".to_owned(), Value::from_iter(kinds));
    }
    geo
}

/// Writes Parquet.
pub(super) type Writer = ArrowWriter<DigestWriter>;

/// A writer for parts that are not alike, which have to be written anew; they say that of themselves.
pub(super) fn writer(to: DigestWriter, schema: SchemaRef, said: Vec<KeyValue>) -> Result<Writer> {
    let mut writer = ArrowWriter::try_new(to, schema, Some(writer_properties())).map_err(Error::internal)?;
    // It tells its schema itself.
    said.into_iter().filter(|pair| pair.key != ARROW_SCHEMA_META_KEY).for_each(|pair| writer.append_key_value_metadata(pair));
    Ok(writer)
}
