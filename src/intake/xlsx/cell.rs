//! One cell of a sheet as text: numbers without `.0`, days and moments in ISO 8601 by the cell's number format.

use calamine::{DataRef, ExcelDateTime};
use chrono::{NaiveDate, NaiveTime};

/// A spreadsheet holds fifteen digits of a number; what is longer has lost some.
const EXACT: f64 = 1e15;

/// What a cell holds.
#[derive(Debug, PartialEq)]
pub enum Text {
    Value(String),
    Missing,
    /// Why it cannot be read.
    Fault(String),
}

/// The cell's name in the sheet, such as `B5`; row and column count from 0.
pub fn reference(row: u32, column: u32) -> String {
    let mut letters = Vec::new();
    let mut rest = column + 1;
    while rest > 0 {
        rest -= 1;
        letters.push(b'A' + (rest % 26) as u8);
        rest /= 26;
    }
    letters.reverse();
    format!("{}{}", String::from_utf8_lossy(&letters), row + 1)
}

/// The cell as text; in a column of moments a day is one at midnight.
pub fn text(value: &DataRef<'_>, moment: bool) -> Text {
    match value {
        DataRef::Empty => Text::Missing,
        DataRef::String(text) if text.is_empty() => Text::Missing,
        DataRef::SharedString("") => Text::Missing,
        DataRef::String(text) => Text::Value(text.clone()),
        DataRef::SharedString(text) => Text::Value((*text).to_owned()),
        DataRef::Int(number) => Text::Value(number.to_string()),
        DataRef::Float(number) => Text::Value(number_text(*number)),
        DataRef::Bool(value) => Text::Value(value.to_string()),
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => Text::Value(text.clone()),
        DataRef::Error(error) => Text::Fault(format!("it holds the error {error} in place of a value")),
        DataRef::DateTime(serial) if serial.is_duration() => Text::Value(duration(serial.as_f64())),
        DataRef::DateTime(serial) => date_text(serial, moment),
    }
}

/// Days beyond the year 9999 are none of a spreadsheet.
const SERIALS: std::ops::Range<f64> = 0.0..2_958_466.0;

fn date_text(serial: &ExcelDateTime, moment: bool) -> Text {
    let number = serial.as_f64();
    let (year, month, day, hour, minute, second, milli) = serial.to_ymd_hms_milli();
    let date = NaiveDate::from_ymd_opt(i32::from(year), u32::from(month), u32::from(day)).filter(|_| SERIALS.contains(&number));
    let Some(at) = date.and_then(|date| date.and_hms_milli_opt(hour.into(), minute.into(), second.into(), milli.into())) else {
        return Text::Fault(format!("its number {number} is no day of the calendar"));
    };
    if number < 1.0 {
        return Text::Value(at.format("%H:%M:%S%.f").to_string());
    }
    let midnight = at.time() == NaiveTime::MIN;
    Text::Value(if midnight && !moment { at.format("%Y-%m-%d").to_string() } else { at.format("%Y-%m-%dT%H:%M:%S%.f").to_string() })
}

/// A span of time, which a spreadsheet counts in days, as `HH:MM:SS`.
fn duration(days: f64) -> String {
    let seconds = (days * 86_400.0).round() as i64;
    let (sign, seconds) = if seconds < 0 { ("-", -seconds) } else { ("", seconds) };
    format!("{sign}{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// A number as it is written in a table. One that is too long to be exact is written in scientific notation, which no whole number is.
fn number_text(number: f64) -> String {
    if number.fract() != 0.0 {
        return number.to_string();
    }
    if number.abs() >= EXACT { format!("{number:E}") } else { (number as i64).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_have_names() {
        for (column, name) in [(0, "A5"), (25, "Z5"), (26, "AA5"), (701, "ZZ5"), (702, "AAA5"), (16_383, "XFD5")] {
            assert_eq!(reference(4, column), name);
        }
    }

    #[test]
    fn numbers_are_written_as_in_a_table() {
        for (number, wanted) in [
            (1.0, "1"),
            (-20.0, "-20"),
            (0.1, "0.1"),
            (57.82, "57.82"),
            (310_104_003_001.0, "310104003001"),
            (310_105_194_912_310_021.0, "3.1010519491231E17"),
        ] {
            assert!(number_text(number).starts_with(&wanted[..wanted.len().min(8)]), "{number}");
            assert_eq!(number_text(number).contains('E'), number >= 1e15);
        }
        assert_eq!(number_text(-0.0), "0");
    }

    #[test]
    fn days_and_moments_are_written_in_iso_8601() {
        let said = |number: f64, kind, moment| text(&DataRef::DateTime(ExcelDateTime::new(number, kind, false)), moment);
        let value = |text: &str| Text::Value(text.to_owned());
        use calamine::ExcelDateTimeType::{DateTime, TimeDelta};
        assert_eq!(said(45123.0, DateTime, false), value("2023-07-16"));
        assert_eq!(said(45123.0, DateTime, true), value("2023-07-16T00:00:00"));
        assert_eq!(said(45123.0 + 10.0 / 24.0, DateTime, false), value("2023-07-16T10:00:00"));
        assert_eq!(said(45123.0 + 86_399.0 / 86_400.0, DateTime, false), value("2023-07-16T23:59:59"));
        assert_eq!(said(0.75, DateTime, false), value("18:00:00"));
        assert_eq!(said(1.5, TimeDelta, false), value("36:00:00"));
        assert!(matches!(said(60.0, DateTime, false), Text::Fault(_)));
        assert!(matches!(said(-1.0, DateTime, false), Text::Fault(_)));
    }
}
