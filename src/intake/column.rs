//! One column in the making: text goes in, an Arrow array comes out.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int64Builder, StringBuilder,
    TimestampMicrosecondBuilder,
};
use datafusion::arrow::datatypes::{DataType, Date32Type, TimeUnit};
use datafusion::arrow::error::ArrowError;

use super::faults::{reason, shown_of};
use super::value::{self, DECIMAL_DIGITS};
use super::{Declared, FieldType, geometry, traps};

/// Builds the values of one column.
pub enum Column {
    String(StringBuilder),
    Integer(Int64Builder),
    Decimal(Decimal128Builder, Width),
    Number(Float64Builder),
    Boolean(BooleanBuilder),
    Date(Date32Builder),
    Datetime(TimestampMicrosecondBuilder),
    Geometry(BinaryBuilder, geometry::Extent),
}

/// How a column of decimals is kept: in 64 bits as long as every value fits, which is read twice as fast.
#[derive(Debug, Clone, Copy)]
pub struct Width {
    precision: u8,
    scale: i8,
    /// Whether a value has come that has more digits.
    exceeded: bool,
}

/// Digits that fit into 64 bits.
const NARROW_DIGITS: u8 = 18;

impl Column {
    /// A column of that type; decimals that are not `wide` have at most 18 digits.
    pub fn new(field_type: FieldType, scale: i8, wide: bool) -> Result<Self, ArrowError> {
        let precision = if wide || scale > NARROW_DIGITS as i8 { DECIMAL_DIGITS } else { NARROW_DIGITS };
        Ok(match field_type {
            FieldType::String => Column::String(StringBuilder::new()),
            FieldType::Integer => Column::Integer(Int64Builder::new()),
            FieldType::Decimal => {
                let width = Width { precision, scale, exceeded: false };
                Column::Decimal(Decimal128Builder::new().with_precision_and_scale(precision, scale)?, width)
            }
            FieldType::Number => Column::Number(Float64Builder::new()),
            FieldType::Boolean => Column::Boolean(BooleanBuilder::new()),
            FieldType::Date => Column::Date(Date32Builder::new()),
            FieldType::Datetime => Column::Datetime(TimestampMicrosecondBuilder::new()),
            FieldType::Geometry => Column::Geometry(BinaryBuilder::new(), geometry::Extent::default()),
        })
    }

    /// The Arrow type of the column.
    pub fn data_type(&self) -> DataType {
        match self {
            Column::String(_) => DataType::Utf8,
            Column::Integer(_) => DataType::Int64,
            Column::Decimal(_, width) => DataType::Decimal128(width.precision, width.scale),
            Column::Number(_) => DataType::Float64,
            Column::Boolean(_) => DataType::Boolean,
            Column::Date(_) => DataType::Date32,
            Column::Datetime(_) => DataType::Timestamp(TimeUnit::Microsecond, None),
            Column::Geometry(..) => DataType::Binary,
        }
    }

    /// Whether a decimal has come that the column is too narrow for: then everything has to be written again with a wide one.
    pub fn is_exceeded(&self) -> bool {
        matches!(self, Column::Decimal(_, Width { exceeded: true, .. }))
    }

    /// What a value of the column looks like, for a fault.
    pub fn expected(&self) -> String {
        match self {
            Column::String(_) => "text".to_owned(),
            Column::Integer(_) => "a whole number without leading zeros (declare codes and identifiers as string)".to_owned(),
            Column::Decimal(_, width) => format!("a decimal number with at most {} digits behind the point", width.scale),
            Column::Number(_) => "a number".to_owned(),
            Column::Boolean(_) => "true or false".to_owned(),
            Column::Date(_) => "a day as YYYY-MM-DD".to_owned(),
            Column::Datetime(_) => "a moment as YYYY-MM-DDTHH:MM:SS".to_owned(),
            Column::Geometry(..) => "a GeoJSON geometry".to_owned(),
        }
    }

    /// What is wrong with a cell that does not fit.
    pub fn misfit(&self, text: &str, column: &Declared) -> String {
        let said = format!("{} is not {}", shown_of(text, column), self.expected());
        let personal = column.personal;
        let more = match self {
            Column::Date(_) | Column::Datetime(_) => traps::serial_date(text).map(|day| {
                let day = if personal { "a day".to_owned() } else { format!("the day {day}") };
                format!("; it looks like a spreadsheet's serial number of {day}: format the column as YYYY-MM-DD and save the file again")
            }),
            Column::Integer(_) | Column::Decimal(..) => {
                traps::is_scientific(text).then(|| "; digits are lost in scientific notation: ask for the original".to_owned())
            }
            // Why it is none repeats words of it.
            Column::Geometry(..) if personal => None,
            Column::Geometry(..) => geometry::read(text, &mut geometry::Extent::default()).err().map(|why| format!(": {}", reason(&why))),
            Column::String(_) | Column::Number(_) | Column::Boolean(_) => None,
        };
        said + &more.unwrap_or_default()
    }

    /// Takes the cells of some rows; an empty one is a missing value. What does not fit leaves a gap, and its row is told to `misfit`.
    pub fn push_all<'t>(&mut self, cells: impl Iterator<Item = &'t str>, mut misfit: impl FnMut(usize)) {
        // One loop for each type, so that the type is not asked for with every cell.
        macro_rules! each {
            ($to:expr, $read:expr) => {
                for (row, text) in cells.enumerate() {
                    if text.is_empty() {
                        $to.append_null();
                        continue;
                    }
                    let value = $read(text);
                    if value.is_none() {
                        misfit(row);
                    }
                    $to.append_option(value);
                }
            };
        }
        match self {
            Column::String(to) => each!(to, Some),
            Column::Integer(to) => each!(to, value::integer),
            Column::Decimal(to, width) => {
                let scale = usize::try_from(width.scale).unwrap_or_default();
                let most = 10_u128.pow(u32::from(width.precision));
                let mut exceeded = false;
                each!(to, |text| value::decimal(text, scale).inspect(|value| exceeded |= value.unsigned_abs() >= most));
                width.exceeded |= exceeded;
            }
            Column::Number(to) => each!(to, value::number),
            Column::Boolean(to) => each!(to, value::boolean),
            Column::Date(to) => each!(to, |text| value::date(text).map(Date32Type::from_naive_date)),
            Column::Datetime(to) => each!(to, |text| value::datetime(text).map(|moment| moment.and_utc().timestamp_micros())),
            Column::Geometry(to, extent) => each!(to, |text| geometry::read(text, extent).ok()),
        }
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
            Column::Geometry(from, _) => Arc::new(from.finish()),
        }
    }
}
