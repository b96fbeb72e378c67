//! Rows as JSON: lines, one array, or the features of a GeoJSON collection; and geometries in all of them, and in CSV, as GeoJSON.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, StringBuilder};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::json::writer::{JsonArray, LineDelimited, NullableEncoder};
use datafusion::arrow::json::{Encoder, EncoderFactory, EncoderOptions, WriterBuilder};

use super::MOMENT;
use crate::error::{Error, Result};
use crate::intake::geometry;

/// The mark, in the metadata of a field, of texts that are JSON already.
const IS_JSON: &str = "qingdan:json";

/// How JSON is written everywhere: missing values are `null`, and a column of [`shapes`] is JSON and no text.
pub fn writer() -> WriterBuilder {
    WriterBuilder::new().with_explicit_nulls(true).with_timestamp_format(MOMENT.to_owned()).with_encoder_factory(Arc::new(Raw))
}

/// The batch with each geometry as the text of its GeoJSON. Every column of bytes is a geometry: no other type of a field has bytes.
///
/// # Errors
/// When one is no geometry.
pub fn shapes(batch: &RecordBatch) -> Result<RecordBatch> {
    let schema = batch.schema();
    if !schema.fields().iter().any(|field| is_geometry(field)) {
        return Ok(batch.clone());
    }
    let column = |(field, array): (&FieldRef, &ArrayRef)| {
        if !is_geometry(field) {
            return Ok((Arc::clone(field), Arc::clone(array)));
        }
        let marked = Field::new(field.name(), DataType::Utf8, true).with_metadata([(IS_JSON.to_owned(), String::new())].into());
        Ok((Arc::new(marked), Arc::new(geojson(field.name(), array)?) as ArrayRef))
    };
    let (fields, columns): (Vec<_>, Vec<_>) =
        schema.fields().iter().zip(batch.columns()).map(column).collect::<Result<Vec<_>>>()?.into_iter().unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(Error::internal)
}

fn is_geometry(field: &Field) -> bool {
    matches!(field.data_type(), DataType::Binary | DataType::LargeBinary | DataType::BinaryView)
}

fn geojson(name: &str, array: &ArrayRef) -> Result<StringArray> {
    let array = cast(array, &DataType::Binary).map_err(Error::internal)?;
    let array = array.as_binary::<i32>();
    let mut texts = StringBuilder::new();
    for wkb in array {
        let broken = || Error::internal(anyhow::anyhow!("the field `{name}` holds bytes that are no geometry"));
        texts.append_option(wkb.map(|wkb| geometry::geojson(wkb).ok_or_else(broken)).transpose()?);
    }
    Ok(texts.finish())
}

#[derive(Debug)]
struct Raw;

impl EncoderFactory for Raw {
    fn make_default_encoder<'a>(
        &self,
        field: &'a FieldRef,
        array: &'a dyn Array,
        _options: &'a EncoderOptions,
    ) -> std::result::Result<Option<NullableEncoder<'a>>, ArrowError> {
        let texts = array.as_string_opt::<i32>().filter(|_| field.metadata().contains_key(IS_JSON));
        Ok(texts.map(|texts| NullableEncoder::new(Box::new(RawTexts(texts)), texts.nulls().cloned())))
    }
}

struct RawTexts<'a>(&'a StringArray);

impl Encoder for RawTexts<'_> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.value(row).as_bytes());
    }
}

/// One object on each line.
pub(super) fn lines(batch: &RecordBatch) -> Result<Vec<u8>> {
    let mut writer = writer().build::<_, LineDelimited>(Vec::new());
    writer.write(&shapes(batch)?).and_then(|()| writer.finish()).map_err(Error::internal)?;
    Ok(writer.into_inner())
}

/// Objects with commas between them: an array without its brackets.
///
/// # Errors
/// When a value cannot be written.
pub fn items(batch: &RecordBatch) -> Result<Vec<u8>> {
    let mut writer = writer().build::<_, JsonArray>(Vec::new());
    writer.write(&shapes(batch)?).and_then(|()| writer.finish()).map_err(Error::internal)?;
    unwrapped(writer.into_inner())
}

/// An array without its brackets.
///
/// # Errors
/// When it has none.
pub fn unwrapped(bytes: Vec<u8>) -> Result<Vec<u8>> {
    match bytes.strip_prefix(b"[").and_then(|bytes| bytes.strip_suffix(b"]")) {
        Some(inner) => Ok(inner.to_vec()),
        None => Err(Error::internal(anyhow::anyhow!("a JSON array without brackets"))),
    }
}

/// What stands before the features of a collection, and after them.
pub(super) const FEATURES_HEAD: &[u8] = b"{\"type\":\"FeatureCollection\",\"features\":[\n";
pub(super) const FEATURES_TAIL: &[u8] = b"\n]}\n";

/// Features with commas between them: the first geometry is the feature's, all other fields are its properties.
pub(super) fn features(batch: &RecordBatch) -> Result<Vec<u8>> {
    let schema = batch.schema();
    let at = schema.fields().iter().position(|field| is_geometry(field));
    let at = at.ok_or_else(|| Error::internal(anyhow::anyhow!("features without a geometry")))?;
    let geometries = geojson(schema.field(at).name(), batch.column(at))?;
    let others: Vec<usize> = (0..batch.num_columns()).filter(|other| *other != at).collect();
    let properties = if others.is_empty() { Vec::new() } else { lines(&batch.project(&others).map_err(Error::internal)?)? };
    // A line break inside of a text is escaped: each line is one row.
    let mut properties = properties.split(|byte| *byte == b'\n');
    let mut out = Vec::new();
    for row in 0..batch.num_rows() {
        if row > 0 {
            out.extend_from_slice(b",\n");
        }
        out.extend_from_slice(b"{\"type\":\"Feature\",\"geometry\":");
        let geometry = if geometries.is_valid(row) { geometries.value(row) } else { "null" };
        out.extend_from_slice(geometry.as_bytes());
        out.extend_from_slice(b",\"properties\":");
        let line = if others.is_empty() { Some(b"{}".as_slice()) } else { properties.next() };
        out.extend_from_slice(line.ok_or_else(|| Error::internal(anyhow::anyhow!("fewer properties than geometries")))?);
        out.push(b'}');
    }
    Ok(out)
}
