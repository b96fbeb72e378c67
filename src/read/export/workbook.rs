//! Rows as an Excel workbook. A cell gets the type of its value: a text never becomes a formula, and a number that Excel would round
//! stays a text.

use std::path::Path;

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float64Type, Int64Type, Schema, TimeUnit, TimestampMicrosecondType,
};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use rust_xlsxwriter::{Format, Workbook, Worksheet, XlsxError};

use super::{MOMENT, json};
use crate::error::{Error, Result};
use crate::release::Release;

/// Rows of a sheet below its header.
pub const MAX_ROWS: i64 = 1_048_575;

/// Columns of a sheet.
pub const MAX_COLUMNS: usize = 16_384;

/// Excel keeps so many digits of a number.
const EXACT_DIGITS: usize = 15;

/// Characters of a cell, in UTF-16 units.
const MAX_TEXT: usize = 32_767;

/// The serial number of 1970-01-01.
const SERIAL_OF_1970: f64 = 25_569.0;

/// Serial numbers that are right: from 1900-03-01, before which Excel knows a day that never was, to the end of 9999.
const SERIALS: std::ops::Range<f64> = 61.0..2_958_466.0;

const MICROS_PER_DAY: f64 = 86_400_000_000.0;

/// Whether a sheet can hold the release.
///
/// # Errors
/// When it has too many rows or columns; the text says what to take instead.
pub(super) fn check(release: &Release) -> Result<()> {
    let (rows, columns) = (release.row_count(), release.fields().len());
    if rows <= MAX_ROWS && columns <= MAX_COLUMNS {
        return Ok(());
    }
    Err(Error::TooLarge(format!(
        "an Excel sheet holds {MAX_ROWS} rows and {MAX_COLUMNS} columns, and this release has {rows} rows and {columns} columns; \
         take the format csv or parquet instead"
    )))
}

/// A sheet in the making. Its rows go through a file of the scratch folder, not through memory.
pub(super) struct Sheet {
    workbook: Workbook,
    styles: Styles,
    columns: Vec<String>,
    rows: u32,
}

struct Styles {
    day: Format,
    second: Format,
    millisecond: Format,
    /// By scale.
    decimals: Vec<Format>,
}

impl Sheet {
    pub(super) fn new(scratch: &Path, schema: &Schema) -> Result<Self> {
        let mut workbook = Workbook::new();
        workbook.set_tempdir(scratch).map_err(Error::internal)?;
        let sheet = workbook.add_worksheet_with_constant_memory().map_err(Error::internal)?;
        let bold = Format::new().set_bold();
        let columns: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        for (at, name) in (0..).zip(&columns) {
            sheet.write_string_with_format(0, at, name, &bold).map_err(Error::internal)?;
        }
        sheet.set_freeze_panes(1, 0).map_err(Error::internal)?;
        let decimal = |scale: usize| if scale == 0 { "0".to_owned() } else { format!("0.{}", "0".repeat(scale)) };
        let styles = Styles {
            day: Format::new().set_num_format("yyyy-mm-dd"),
            second: Format::new().set_num_format("yyyy-mm-dd hh:mm:ss"),
            millisecond: Format::new().set_num_format("yyyy-mm-dd hh:mm:ss.000"),
            decimals: (0..=EXACT_DIGITS).map(|scale| Format::new().set_num_format(decimal(scale))).collect(),
        };
        Ok(Sheet { workbook, styles, columns, rows: 0 })
    }

    /// Adds the rows of a batch.
    ///
    /// # Errors
    /// When a text is longer than a cell can hold.
    pub(super) fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let batch = json::shapes(batch)?;
        let options = FormatOptions::default().with_timestamp_format(Some(MOMENT));
        let formatters = batch
            .columns()
            .iter()
            .map(|array| ArrayFormatter::try_new(array.as_ref(), &options))
            .collect::<Result<Vec<_>, _>>()
            .map_err(Error::internal)?;
        let sheet = self.workbook.worksheet_from_index(0).map_err(Error::internal)?;
        for row in 0..batch.num_rows() {
            self.rows += 1;
            for ((at, array), formatter) in (0..).zip(batch.columns()).zip(&formatters) {
                let value = value(array.as_ref(), row, formatter);
                let name = self.columns.get(usize::from(at)).map_or("", String::as_str);
                write(sheet, &self.styles, (self.rows, at), value).map_err(|cause| fault(name, self.rows, cause))?;
            }
        }
        Ok(())
    }

    pub(super) fn finish(mut self, to: impl std::io::Write + Send) -> Result<()> {
        self.workbook.save_to_writer(to).map_err(Error::internal)
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "all others are faults of ours")]
fn fault(name: &str, row: u32, cause: XlsxError) -> Error {
    match cause {
        XlsxError::MaxStringLengthExceeded => Error::TooLarge(format!(
            "row {row} has more than the {MAX_TEXT} characters that a cell of Excel holds in `{name}`; take the format csv or parquet instead"
        )),
        other => Error::internal(other),
    }
}

enum Value {
    Missing,
    Number(f64),
    Decimal(f64, usize),
    Boolean(bool),
    Day(f64),
    Moment(f64, bool),
    Text(String),
}

#[expect(clippy::wildcard_enum_match_arm, reason = "arrow has many types, and all others are texts")]
fn value(array: &dyn Array, row: usize, formatter: &ArrayFormatter<'_>) -> Value {
    if array.is_null(row) {
        return Value::Missing;
    }
    let text = || formatter.value(row).to_string();
    let exact =
        |number: f64| if digits(&text()) <= EXACT_DIGITS && number.is_finite() { Value::Number(number) } else { Value::Text(text()) };
    match array.data_type() {
        DataType::Int64 => exact(array.as_primitive::<Int64Type>().value(row) as f64),
        DataType::Float64 => exact(array.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal128(_, scale) => decimal(array.as_primitive::<Decimal128Type>().value(row), *scale, text()),
        DataType::Boolean => Value::Boolean(array.as_boolean().value(row)),
        DataType::Date32 => {
            let serial = f64::from(array.as_primitive::<Date32Type>().value(row)) + SERIAL_OF_1970;
            if SERIALS.contains(&serial) { Value::Day(serial) } else { Value::Text(text()) }
        }
        DataType::Timestamp(TimeUnit::Microsecond, None) => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
            let serial = micros as f64 / MICROS_PER_DAY + SERIAL_OF_1970;
            // Excel keeps milliseconds.
            let whole = micros % 1000 == 0;
            if SERIALS.contains(&serial) && whole { Value::Moment(serial, micros % 1_000_000 != 0) } else { Value::Text(text()) }
        }
        _ => Value::Text(text()),
    }
}

fn decimal(value: i128, scale: i8, text: String) -> Value {
    let exact = digits(&value.to_string()) <= EXACT_DIGITS;
    match (text.parse::<f64>(), usize::try_from(scale)) {
        (Ok(number), Ok(scale)) if exact && scale <= EXACT_DIGITS => Value::Decimal(number, scale),
        _ => Value::Text(text),
    }
}

/// Significant digits of a number as it is written.
fn digits(text: &str) -> usize {
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let digits = digits.trim_start_matches('0');
    // Zeros at the end count in a whole number, where they are written out.
    digits.len() - if mantissa.contains('.') { digits.len() - digits.trim_end_matches('0').len() } else { 0 }
}

fn write(sheet: &mut Worksheet, styles: &Styles, (row, column): (u32, u16), value: Value) -> Result<(), XlsxError> {
    match value {
        Value::Missing => return Ok(()),
        // An empty text would be a missing value too.
        Value::Text(text) => sheet.write_string(row, column, text)?,
        Value::Number(number) => sheet.write_number(row, column, number)?,
        Value::Decimal(number, scale) => match styles.decimals.get(scale) {
            Some(style) => sheet.write_number_with_format(row, column, number, style)?,
            None => sheet.write_number(row, column, number)?,
        },
        Value::Boolean(value) => sheet.write_boolean(row, column, value)?,
        Value::Day(serial) => sheet.write_number_with_format(row, column, serial, &styles.day)?,
        Value::Moment(serial, with_fraction) => {
            let style = if with_fraction { &styles.millisecond } else { &styles.second };
            sheet.write_number_with_format(row, column, serial, style)?
        }
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_that_count() {
        for (text, wanted) in [
            ("0", 0),
            ("100", 3),
            ("-1.50", 2),
            ("0.001", 1),
            ("1e300", 1),
            ("123456789012345", 15),
            ("1234567890123456", 16),
            ("0.30000000000000004", 17),
        ] {
            assert_eq!(digits(text), wanted, "{text}");
        }
    }

    #[test]
    fn what_excel_would_round_stays_a_text() {
        assert!(matches!(decimal(123_456_789_012_345, 2, "1234567890123.45".to_owned()), Value::Decimal(_, 2)));
        assert!(matches!(decimal(1_234_567_890_123_456, 2, "12345678901234.56".to_owned()), Value::Text(_)));
    }
}
