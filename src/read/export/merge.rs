//! Several Parquet files as one, without decoding: the column chunks are copied as they are, with their statistics, page indexes and
//! bloom filters.

use std::io::Write;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::parquet::arrow::ArrowWriter;
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
        let properties = WriterProperties::builder().set_created_by("qingdan".to_owned()).set_key_value_metadata(self.metadata()).build();
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
        writer.into_inner()
    }

    /// The metadata of the first part. What GeoParquet says of the place of all shapes holds for that part alone, and is left out.
    fn metadata(&self) -> Option<Vec<KeyValue>> {
        let first = self.0.first().and_then(|(_, metadata)| metadata.file_metadata().key_value_metadata())?;
        let without_boxes = |pair: &KeyValue| {
            let mut pair = pair.clone();
            if pair.key == "geo"
                && let Some(Ok(mut geo)) = pair.value.as_deref().map(serde_json::from_str::<Value>)
            {
                let columns = geo.get_mut("columns").and_then(Value::as_object_mut);
                for column in columns.into_iter().flat_map(|columns| columns.values_mut()).filter_map(Value::as_object_mut) {
                    column.remove("bbox");
                }
                pair.value = Some(geo.to_string());
            }
            pair
        };
        Some(first.iter().map(without_boxes).collect())
    }
}

/// Writes Parquet.
pub(super) type Writer = ArrowWriter<DigestWriter>;

/// A writer for parts that are not alike, which have to be written anew.
pub(super) fn writer(to: DigestWriter, schema: SchemaRef) -> Result<Writer> {
    ArrowWriter::try_new(to, schema, Some(writer_properties())).map_err(Error::internal)
}
