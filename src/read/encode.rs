//! Answers of queries in the formats of `Accept`, batch by batch.
//!
//! A number keeps every digit in each of them: a decimal of scale 2 is `1.50`, and a whole number of 19 digits has 19. In JSON
//! these are JSON numbers, whose text is exact; a reader that turns them into doubles has to say so itself.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, BinaryArray, RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::csv::WriterBuilder as CsvWriterBuilder;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::arrow::json::writer::{Encoder, EncoderFactory, EncoderOptions, JsonFormat, LineDelimited, NullableEncoder};
use datafusion::arrow::json::{Writer as JsonWriter, WriterBuilder as JsonWriterBuilder};

use super::export::MOMENT;
use crate::error::{Error, Result};
use crate::intake::FieldType;
use crate::intake::geometry;

/// The formats of a query's answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Encoding {
    /// One JSON object with fields, rows and what belongs to them.
    #[default]
    Json,
    /// RFC 4180 with a header row; a missing value is an empty cell.
    Csv,
    /// One JSON object on each line.
    Ndjson,
    /// The stream of Arrow's IPC format.
    Arrow,
}

impl Encoding {
    /// All of them.
    pub const ALL: [Encoding; 4] = [Encoding::Json, Encoding::Csv, Encoding::Ndjson, Encoding::Arrow];

    /// Its media type, without parameters.
    pub fn media_type(self) -> &'static str {
        match self {
            Encoding::Json => "application/json",
            Encoding::Csv => "text/csv",
            Encoding::Ndjson => "application/x-ndjson",
            Encoding::Arrow => "application/vnd.apache.arrow.stream",
        }
    }

    /// What stands in `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Encoding::Csv => "text/csv; charset=utf-8; header=present",
            Encoding::Json | Encoding::Ndjson | Encoding::Arrow => self.media_type(),
        }
    }
}

/// Writes batches of one schema. For JSON it writes the rows only, separated by commas: the envelope is the caller's.
pub struct Rows {
    schema: SchemaRef,
    writer: Writer,
    rows: u64,
}

enum Writer {
    Json,
    Csv,
    Ndjson,
    Arrow(Box<StreamWriter<Vec<u8>>>),
}

impl Rows {
    /// A writer for batches of this schema.
    ///
    /// # Errors
    /// When the format cannot hold such a schema.
    pub fn new(encoding: Encoding, schema: &SchemaRef) -> Result<Self> {
        let writer = match encoding {
            Encoding::Json => Writer::Json,
            Encoding::Csv => Writer::Csv,
            Encoding::Ndjson => Writer::Ndjson,
            Encoding::Arrow => Writer::Arrow(Box::new(StreamWriter::try_new(Vec::new(), schema).map_err(Error::internal)?)),
        };
        Ok(Rows { schema: Arc::clone(schema), writer, rows: 0 })
    }

    /// How many rows were written.
    pub fn count(&self) -> u64 {
        self.rows
    }

    /// What stands before the first row: the header of CSV, the schema of Arrow.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn start(&mut self) -> Result<Vec<u8>> {
        match &mut self.writer {
            Writer::Json | Writer::Ndjson => Ok(Vec::new()),
            Writer::Csv => csv(&RecordBatch::new_empty(Arc::clone(&self.schema)), true),
            Writer::Arrow(writer) => Ok(std::mem::take(writer.get_mut())),
        }
    }

    /// Writes a batch.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<Vec<u8>> {
        if batch.num_rows() == 0 {
            return Ok(Vec::new());
        }
        let first = self.rows == 0;
        self.rows += batch.num_rows() as u64;
        match &mut self.writer {
            Writer::Json => {
                let mut bytes = if first { Vec::new() } else { vec![b','] };
                json::<Listed>(batch, &mut bytes)?;
                Ok(bytes)
            }
            Writer::Ndjson => {
                let mut bytes = Vec::new();
                json::<LineDelimited>(batch, &mut bytes)?;
                Ok(bytes)
            }
            Writer::Csv => csv(batch, false),
            Writer::Arrow(writer) => {
                writer.write(batch).map_err(Error::internal)?;
                Ok(std::mem::take(writer.get_mut()))
            }
        }
    }

    /// What stands behind the last row.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(&mut self) -> Result<Vec<u8>> {
        match &mut self.writer {
            Writer::Json | Writer::Ndjson | Writer::Csv => Ok(Vec::new()),
            Writer::Arrow(writer) => {
                writer.finish().map_err(Error::internal)?;
                Ok(std::mem::take(writer.get_mut()))
            }
        }
    }
}

/// Rows with commas between them.
#[derive(Debug, Default)]
struct Listed;

impl JsonFormat for Listed {
    fn start_row<W: std::io::Write>(&self, writer: &mut W, is_first_row: bool) -> Result<(), ArrowError> {
        if !is_first_row {
            writer.write_all(b",")?;
        }
        Ok(())
    }
}

fn json<F: JsonFormat>(batch: &RecordBatch, to: &mut Vec<u8>) -> Result<()> {
    let builder = JsonWriterBuilder::new()
        .with_explicit_nulls(true)
        .with_timestamp_format(MOMENT.to_owned())
        .with_encoder_factory(Arc::new(Geometries));
    let mut writer: JsonWriter<&mut Vec<u8>, F> = builder.build(to);
    writer.write(batch).map_err(Error::internal)?;
    writer.finish().map_err(Error::internal)
}

/// Geometries as GeoJSON objects: of all types of fields they alone are bytes in Arrow.
#[derive(Debug)]
struct Geometries;

impl EncoderFactory for Geometries {
    fn make_default_encoder<'a>(
        &self,
        _field: &'a FieldRef,
        array: &'a dyn Array,
        _options: &'a EncoderOptions,
    ) -> Result<Option<NullableEncoder<'a>>, ArrowError> {
        if !is_bytes(array.data_type()) {
            return Ok(None);
        }
        let texts = geojson(array)?;
        let nulls = texts.nulls().cloned();
        Ok(Some(NullableEncoder::new(Box::new(Written(texts)), nulls)))
    }
}

/// Texts that are JSON already.
struct Written(StringArray);

impl Encoder for Written {
    fn encode(&mut self, idx: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.value(idx).as_bytes());
    }
}

fn is_bytes(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView)
}

/// GeoJSON of well-known binary; a shape that cannot be read is an error, and never a missing value.
fn geojson(array: &dyn Array) -> Result<StringArray, ArrowError> {
    let bytes = cast(array, &DataType::Binary)?;
    let Some(bytes) = bytes.as_any().downcast_ref::<BinaryArray>() else {
        return Err(ArrowError::CastError("a geometry is not kept as bytes".to_owned()));
    };
    let text = |wkb: &[u8]| geometry::geojson(wkb).ok_or_else(|| ArrowError::ParseError("a geometry is no well-known binary".to_owned()));
    bytes.iter().map(|wkb| wkb.map(text).transpose()).collect()
}

fn csv(batch: &RecordBatch, header: bool) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let batch = with_texts(batch).map_err(Error::internal)?;
    let mut writer = CsvWriterBuilder::new().with_header(header).with_timestamp_format(MOMENT.to_owned()).build(&mut bytes);
    writer.write(&batch).map_err(Error::internal)?;
    drop(writer);
    Ok(bytes)
}

/// The batch with geometries as texts of GeoJSON.
fn with_texts(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    if !batch.columns().iter().any(|column| is_bytes(column.data_type())) {
        return Ok(batch.clone());
    }
    let schema = batch.schema();
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        if is_bytes(column.data_type()) {
            fields.push(Arc::new(Field::new(field.name(), DataType::Utf8, true)));
            columns.push(Arc::new(geojson(column.as_ref())?) as ArrayRef);
        } else {
            fields.push(Arc::clone(field));
            columns.push(Arc::clone(column));
        }
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

/// The type of a column as a field has it, with the digits behind the point of a decimal; `None` for a type that no field has.
#[expect(clippy::wildcard_enum_match_arm, reason = "of the library's many types some are those of fields")]
pub fn field_type(data_type: &DataType) -> Option<(FieldType, Option<i8>)> {
    let plain = |field_type| Some((field_type, None));
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => plain(FieldType::String),
        data_type if data_type.is_integer() => plain(FieldType::Integer),
        DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale) | DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) => {
            Some((FieldType::Decimal, Some(*scale)))
        }
        data_type if data_type.is_floating() => plain(FieldType::Number),
        DataType::Boolean => plain(FieldType::Boolean),
        DataType::Date32 | DataType::Date64 => plain(FieldType::Date),
        DataType::Timestamp(_, None) => plain(FieldType::Datetime),
        data_type if is_bytes(data_type) => plain(FieldType::Geometry),
        _ => None,
    }
}

/// Columns for fields of which there is no row.
pub fn schema_of(fields: &[crate::catalog::Field]) -> SchemaRef {
    let column = |field: &crate::catalog::Field| {
        let data_type = match field.field_type.unwrap_or(FieldType::String) {
            FieldType::String => DataType::Utf8,
            FieldType::Integer => DataType::Int64,
            FieldType::Decimal => DataType::Decimal128(crate::intake::value::DECIMAL_DIGITS, field.scale.unwrap_or(0)),
            FieldType::Number => DataType::Float64,
            FieldType::Boolean => DataType::Boolean,
            FieldType::Date => DataType::Date32,
            FieldType::Datetime => DataType::Timestamp(datafusion::arrow::datatypes::TimeUnit::Microsecond, None),
            FieldType::Geometry => DataType::Binary,
        };
        Field::new(&field.name, data_type, true)
    };
    Arc::new(Schema::new(fields.iter().map(column).collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Decimal128Array, Float64Array, Int64Array, TimestampMicrosecondArray};

    use super::*;

    fn batch() -> RecordBatch {
        let point = geometry::wkb(r#"{"type":"Point","coordinates":[121.5,31.25]}"#).unwrap();
        let columns: [(&str, ArrayRef); 6] = [
            ("i", Arc::new(Int64Array::from(vec![Some(9_007_199_254_740_993), None]))),
            (
                "d",
                Arc::new(
                    Decimal128Array::from(vec![Some(1_234_567_890_123_456_789_050), Some(150)]).with_precision_and_scale(38, 2).unwrap(),
                ),
            ),
            ("n", Arc::new(Float64Array::from(vec![Some(0.1), Some(f64::NAN)]))),
            ("at", Arc::new(TimestampMicrosecondArray::from(vec![Some(1_500_000), Some(0)]))),
            ("s", Arc::new(StringArray::from(vec!["a,\"b", "甲"]))),
            ("g", Arc::new(BinaryArray::from(vec![Some(point.as_slice()), None]))),
        ];
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
    }

    fn written(encoding: Encoding) -> Vec<u8> {
        let batch = batch();
        let mut rows = Rows::new(encoding, &batch.schema()).unwrap();
        let mut bytes = rows.start().unwrap();
        bytes.extend(rows.write(&batch.slice(0, 1)).unwrap());
        bytes.extend(rows.write(&batch.slice(0, 0)).unwrap());
        bytes.extend(rows.write(&batch.slice(1, 1)).unwrap());
        bytes.extend(rows.finish().unwrap());
        assert_eq!(rows.count(), 2);
        bytes
    }

    #[test]
    fn every_format_keeps_every_digit() {
        let first = r#"{"i":9007199254740993,"d":12345678901234567890.50,"n":0.1,"at":"1970-01-01T00:00:01.500","s":"a,\"b","g":{"type":"Point","coordinates":[121.5,31.25]}}"#;
        let second = r#"{"i":null,"d":1.50,"n":null,"at":"1970-01-01T00:00:00","s":"甲","g":null}"#;
        assert_eq!(String::from_utf8(written(Encoding::Json)).unwrap(), format!("{first},{second}"));
        assert_eq!(String::from_utf8(written(Encoding::Ndjson)).unwrap(), format!("{first}\n{second}\n"));
        let csv = String::from_utf8(written(Encoding::Csv)).unwrap();
        let wanted = "i,d,n,at,s,g\n9007199254740993,12345678901234567890.50,0.1,1970-01-01T00:00:01.500,\"a,\"\"b\",\"{\"\"type\"\":\"\"Point\"\",\"\"coordinates\"\":[121.5,31.25]}\"\n,1.50,NaN,1970-01-01T00:00:00,甲,\n";
        assert_eq!(csv, wanted);
        let arrow = written(Encoding::Arrow);
        let back: Vec<RecordBatch> =
            datafusion::arrow::ipc::reader::StreamReader::try_new(arrow.as_slice(), None).unwrap().map(Result::unwrap).collect();
        assert_eq!(back.iter().map(RecordBatch::num_rows).sum::<usize>(), 2);
        assert_eq!(back[0].schema(), batch().schema());
    }

    #[test]
    fn a_broken_geometry_is_an_error() {
        let column: ArrayRef = Arc::new(BinaryArray::from(vec![Some(b"no".as_slice())]));
        let batch = RecordBatch::try_from_iter([("g", column)]).unwrap();
        for encoding in [Encoding::Json, Encoding::Csv] {
            assert!(Rows::new(encoding, &batch.schema()).unwrap().write(&batch).is_err(), "{encoding:?}");
        }
    }
}
