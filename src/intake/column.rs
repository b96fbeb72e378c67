//! One column in the making: text goes in, an Arrow array comes out.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int64Builder, StringBuilder,
    TimestampMicrosecondBuilder,
};
use datafusion::arrow::datatypes::{DataType, Date32Type, TimeUnit};
use datafusion::arrow::error::ArrowError;

use super::value::{self, DECIMAL_DIGITS};
use super::{FieldType, geometry};

/// Builds the values of one column.
pub enum Column {
    String(StringBuilder),
    Integer(Int64Builder),
    Decimal(Decimal128Builder, i8),
    Number(Float64Builder),
    Boolean(BooleanBuilder),
    Date(Date32Builder),
    Datetime(TimestampMicrosecondBuilder),
    Geometry(BinaryBuilder),
}

impl Column {
    /// A column of that type.
    pub fn new(field_type: FieldType, scale: i8) -> Result<Self, ArrowError> {
        Ok(match field_type {
            FieldType::String => Column::String(StringBuilder::new()),
            FieldType::Integer => Column::Integer(Int64Builder::new()),
            FieldType::Decimal => Column::Decimal(Decimal128Builder::new().with_precision_and_scale(DECIMAL_DIGITS, scale)?, scale),
            FieldType::Number => Column::Number(Float64Builder::new()),
            FieldType::Boolean => Column::Boolean(BooleanBuilder::new()),
            FieldType::Date => Column::Date(Date32Builder::new()),
            FieldType::Datetime => Column::Datetime(TimestampMicrosecondBuilder::new()),
            FieldType::Geometry => Column::Geometry(BinaryBuilder::new()),
        })
    }

    /// The Arrow type of the column.
    pub fn data_type(&self) -> DataType {
        match self {
            Column::String(_) => DataType::Utf8,
            Column::Integer(_) => DataType::Int64,
            Column::Decimal(_, scale) => DataType::Decimal128(DECIMAL_DIGITS, *scale),
            Column::Number(_) => DataType::Float64,
            Column::Boolean(_) => DataType::Boolean,
            Column::Date(_) => DataType::Date32,
            Column::Datetime(_) => DataType::Timestamp(TimeUnit::Microsecond, None),
            Column::Geometry(_) => DataType::Binary,
        }
    }

    /// What a value of the column looks like, for a fault.
    pub fn expected(&self) -> String {
        match self {
            Column::String(_) => "text".to_owned(),
            Column::Integer(_) => "a whole number without leading zeros (declare codes and identifiers as string)".to_owned(),
            Column::Decimal(_, scale) => format!("a decimal number with at most {scale} digits behind the point"),
            Column::Number(_) => "a number".to_owned(),
            Column::Boolean(_) => "true or false".to_owned(),
            Column::Date(_) => "a day as YYYY-MM-DD".to_owned(),
            Column::Datetime(_) => "a moment as YYYY-MM-DDTHH:MM:SS".to_owned(),
            Column::Geometry(_) => "a GeoJSON geometry".to_owned(),
        }
    }

    /// Takes one cell; an empty one is a missing value. Answers whether it fits; what does not fit leaves a gap.
    pub fn push(&mut self, text: &str) -> bool {
        let empty = text.is_empty();
        let taken = match self {
            Column::String(to) => {
                to.append_option((!empty).then_some(text));
                true
            }
            Column::Integer(to) => {
                let value = value::integer(text);
                to.append_option(value);
                value.is_some()
            }
            Column::Decimal(to, scale) => {
                let value = value::decimal(text, usize::try_from(*scale).unwrap_or_default());
                to.append_option(value);
                value.is_some()
            }
            Column::Number(to) => {
                let value = value::number(text);
                to.append_option(value);
                value.is_some()
            }
            Column::Boolean(to) => {
                let value = value::boolean(text);
                to.append_option(value);
                value.is_some()
            }
            Column::Date(to) => {
                let value = value::date(text);
                to.append_option(value.map(Date32Type::from_naive_date));
                value.is_some()
            }
            Column::Datetime(to) => {
                let value = value::datetime(text);
                to.append_option(value.map(|moment| moment.and_utc().timestamp_micros()));
                value.is_some()
            }
            Column::Geometry(to) => {
                let value = geometry::wkb(text);
                let fits = value.is_some();
                to.append_option(value);
                fits
            }
        };
        taken || empty
    }

    /// The values so far as an array; the column is empty again.
    pub fn finish(&mut self) -> ArrayRef {
        match self {
            Column::String(from) => Arc::new(from.finish()),
            Column::Integer(from) => Arc::new(from.finish()),
            Column::Decimal(from, _) => Arc::new(from.finish()),
            Column::Number(from) => Arc::new(from.finish()),
            Column::Boolean(from) => Arc::new(from.finish()),
            Column::Date(from) => Arc::new(from.finish()),
            Column::Datetime(from) => Arc::new(from.finish()),
            Column::Geometry(from) => Arc::new(from.finish()),
        }
    }
}
