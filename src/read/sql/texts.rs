//! Texts of an answer as they are written out. The engine computes with views, which point into what it has unpacked; an answer
//! has plain texts, whatever was computed from them.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};

use crate::error::{Error, Result};

/// The columns of an answer, each of which may miss a value. No function of a query makes lists or structures, so that no view
/// lies within another type.
pub(super) fn plain_schema(schema: &Schema) -> SchemaRef {
    let column = |field: &FieldRef| {
        let is_view = *field.data_type() == DataType::Utf8View;
        Arc::new(Field::new(field.name(), if is_view { DataType::Utf8 } else { field.data_type().clone() }, true))
    };
    Arc::new(Schema::new(schema.fields().iter().map(column).collect::<Vec<_>>()))
}

/// A batch with these columns.
///
/// # Errors
/// When its columns are others.
pub(super) fn plain(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let columns = batch.columns().iter().zip(schema.fields()).map(|(column, field)| match column.data_type() == field.data_type() {
        true => Ok(Arc::clone(column)),
        false => cast(column, field.data_type()),
    });
    let columns = columns.collect::<Result<Vec<_>, _>>().map_err(Error::internal)?;
    RecordBatch::try_new(Arc::clone(schema), columns).map_err(Error::internal)
}
