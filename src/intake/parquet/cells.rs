//! The values of one Arrow column as text of our tables.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StructArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Field as ArrowField, Fields, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

use super::super::block::Out;
use super::super::faults::{Stop, shown};
use super::super::traps::LISTED_ROWS;
use super::super::{ReportNote, geometry};

/// The values of a column.
pub struct Cells {
    array: ArrayRef,
    kind: Kind,
}

enum Kind {
    /// As Arrow writes them.
    Plain,
    Text,
    /// Moments, of which those of a column of days are at midnight.
    Days,
    Shapes,
    /// One JSON text for each row.
    Nested(Vec<String>),
}

/// What was found on the way.
#[derive(Default)]
pub struct Notes {
    empty: i64,
    rows: Vec<i64>,
}

impl Notes {
    fn empty(&mut self, line: u64) {
        self.empty += 1;
        let row = i64::try_from(line).unwrap_or(i64::MAX);
        if self.rows.len() < LISTED_ROWS && self.rows.last() != Some(&row) {
            self.rows.push(row);
        }
    }

    /// Tells what a publisher should know.
    pub fn finish(self, out: &mut Out<'_>) {
        if self.empty > 0 {
            let detail = "empty texts were kept as missing values, as in every table here".to_owned();
            out.note(ReportNote { column: None, detail, rows: self.rows, count: self.empty });
        }
    }
}

/// The columns of a file that hold moments with a time zone.
pub fn zoned(path: &Path) -> Result<Vec<String>, Stop> {
    let builder = super::builder(path)?;
    let zoned = |field: &&Arc<ArrowField>| matches!(field.data_type(), DataType::Timestamp(_, Some(_)));
    Ok(builder.schema().fields().iter().filter(zoned).map(|field| field.name().clone()).collect())
}

impl Cells {
    /// Makes the values of a column ready.
    #[expect(clippy::wildcard_enum_match_arm, reason = "Arrow writes all other types as they are")]
    pub fn new(field: &ArrowField, array: &ArrayRef, shapes: bool) -> Result<Self, Stop> {
        let to = |kind: DataType| cast(array, &kind).map_err(Stop::internal);
        let (array, kind) = match array.data_type() {
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView if shapes => (to(DataType::Binary)?, Kind::Shapes),
            DataType::Dictionary(_, values) => {
                let values = to(values.as_ref().clone())?;
                return Cells::new(&ArrowField::new(field.name(), values.data_type().clone(), true), &values, shapes);
            }
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => (to(DataType::Utf8)?, Kind::Text),
            // The exact value of the double that it is.
            DataType::Float16 | DataType::Float32 => (to(DataType::Float64)?, Kind::Plain),
            DataType::Date64 => (to(DataType::Timestamp(TimeUnit::Millisecond, None))?, Kind::Days),
            DataType::Timestamp(unit, Some(_)) => (without_zone(array, *unit), Kind::Plain),
            kind if kind.is_nested() => {
                let texts = nested(field, array)?;
                (Arc::clone(array), Kind::Nested(texts))
            }
            _ => (Arc::clone(array), Kind::Plain),
        };
        Ok(Cells { array, kind })
    }

    /// Writes the values that Arrow writes as they are; made once for all of them.
    pub fn formatter(&self) -> Result<ArrayFormatter<'_>, Stop> {
        ArrayFormatter::try_new(&*self.array, &FormatOptions::new().with_display_error(false)).map_err(Stop::internal)
    }

    /// Writes the value of a row; nothing where it is missing.
    pub fn write(&self, row: usize, line: u64, formatter: &ArrayFormatter<'_>, to: &mut String, notes: &mut Notes) -> Result<(), Stop> {
        if self.array.is_null(row) {
            return Ok(());
        }
        match &self.kind {
            Kind::Text => {
                let text = self.array.as_string::<i32>().value(row);
                if text.is_empty() {
                    notes.empty(line);
                }
                to.push_str(text);
            }
            Kind::Shapes => match geometry::geojson(self.array.as_binary::<i32>().value(row)) {
                Some(text) => to.push_str(&text),
                // No geometry reads as such, so that the row gets its fault.
                None => to.push_str("bytes that are no shape in WKB"),
            },
            Kind::Nested(texts) => to.push_str(texts.get(row).map_or("", String::as_str)),
            Kind::Plain | Kind::Days => {
                write!(to, "{}", formatter.value(row)).map_err(Stop::internal)?;
                if matches!(self.kind, Kind::Days) && to.ends_with("T00:00:00") {
                    to.truncate(to.len() - "T00:00:00".len());
                }
            }
        }
        Ok(())
    }
}

/// The same moments, which Arrow keeps in UTC, without their zone.
fn without_zone(array: &ArrayRef, unit: TimeUnit) -> ArrayRef {
    match unit {
        TimeUnit::Second => Arc::new(array.as_primitive::<TimestampSecondType>().clone().with_timezone_opt(None::<Arc<str>>)),
        TimeUnit::Millisecond => Arc::new(array.as_primitive::<TimestampMillisecondType>().clone().with_timezone_opt(None::<Arc<str>>)),
        TimeUnit::Microsecond => Arc::new(array.as_primitive::<TimestampMicrosecondType>().clone().with_timezone_opt(None::<Arc<str>>)),
        TimeUnit::Nanosecond => Arc::new(array.as_primitive::<TimestampNanosecondType>().clone().with_timezone_opt(None::<Arc<str>>)),
    }
}

/// Lists, structs and maps as JSON, in which what is missing inside is `null`.
fn nested(field: &ArrowField, array: &ArrayRef) -> Result<Vec<String>, Stop> {
    use datafusion::arrow::json::WriterBuilder;
    use datafusion::arrow::json::writer::LineDelimited;
    let fields = Fields::from(vec![ArrowField::new("v", field.data_type().clone(), true)]);
    let rows = StructArray::try_new(fields, vec![Arc::clone(array)], None).map_err(Stop::internal)?;
    let mut bytes = Vec::new();
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(&mut bytes);
    writer.write(&rows.into()).map_err(|cause| {
        let name = shown(field.name());
        Stop::whole(format!("the column {name} holds values that JSON cannot ({cause}); write them as text"))
    })?;
    writer.finish().map_err(Stop::internal)?;
    let text = String::from_utf8(bytes).map_err(Stop::internal)?;
    // Each line is an object with one member.
    let value = |line: &str| line.strip_prefix("{\"v\":").and_then(|rest| rest.strip_suffix('}')).unwrap_or_default().to_owned();
    Ok(text.lines().map(value).collect())
}
