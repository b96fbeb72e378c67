//! What spreadsheets do to data: identifiers in scientific notation, days as serial numbers, apostrophes that only mark text.

use chrono::{Days, NaiveDate};

use super::faults::shown_of;
use super::{Declared, FileFault, ReportNote};

/// The first rows that a note lists.
pub const LISTED_ROWS: usize = 5;

/// Serial numbers of days that are taken for such: from 1954 to 2064.
const SERIAL_DAYS: std::ops::RangeInclusive<u64> = 20_000..=60_000;

/// Digits from which a column of digits is one of identifiers.
const IDENTIFIER_DIGITS: usize = 11;

/// The day behind a spreadsheet's serial number, where the text can be one.
pub fn serial_date(text: &str) -> Option<NaiveDate> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let days: u64 = whole.parse().ok().filter(|days| SERIAL_DAYS.contains(days) && fraction.bytes().all(|byte| byte.is_ascii_digit()))?;
    NaiveDate::from_ymd_opt(1899, 12, 30)?.checked_add_days(Days::new(days))
}

/// Whether the text is a whole number of eleven digits or more in scientific notation, some of which are not written: `3.10105E+17`.
pub fn is_scientific(text: &str) -> bool {
    let bytes = text.as_bytes();
    // Nearly every cell ends here.
    if bytes.len() < 4 || bytes.len() > 26 || !bytes[0].is_ascii_digit() || !bytes[bytes.len() - 1].is_ascii_digit() {
        return false;
    }
    let Some((mantissa, exponent)) = text.split_once(['E', 'e']) else { return false };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent = exponent.strip_prefix('+').unwrap_or(exponent);
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let proper = whole.len() == 1 && digits(fraction) && !exponent.is_empty() && digits(exponent);
    proper && exponent.parse::<usize>().is_ok_and(|exponent| (IDENTIFIER_DIGITS - 1..30).contains(&exponent) && exponent >= fraction.len())
}

fn is_identifier(text: &str) -> bool {
    text.len() >= IDENTIFIER_DIGITS && text.as_bytes()[0].is_ascii_digit() && {
        let body = text.trim_end_matches(['X', 'x']);
        text.len() - body.len() <= 1 && body.bytes().all(|byte| byte.is_ascii_digit())
    }
}

#[derive(Debug, Default)]
struct Seen {
    count: i64,
    /// Rows and lines of the first ones, and the very first.
    rows: Vec<i64>,
    lines: Vec<u64>,
    example: String,
}

impl Seen {
    fn add(&mut self, text: &str, row: i64, line: u64) {
        if self.count == 0 {
            text.clone_into(&mut self.example);
        }
        self.count += 1;
        if self.rows.len() < LISTED_ROWS {
            self.rows.push(row);
            self.lines.push(line);
        }
    }
}

/// Watches the cells of a text column.
#[derive(Debug, Default)]
pub struct Watcher {
    values: i64,
    identifiers: i64,
    scientific: Seen,
    apostrophes: Seen,
}

impl Watcher {
    /// Looks at one value.
    pub fn look(&mut self, text: &str, row: i64, line: u64) {
        self.values += 1;
        if text.as_bytes()[0] == b'\'' {
            self.apostrophes.add(text, row, line);
        } else if is_identifier(text) {
            self.identifiers += 1;
        } else if is_scientific(text) {
            self.scientific.add(text, row, line);
        }
    }

    /// What was found: faults where the column was declared as text, notes otherwise.
    pub fn finish(self, column: &Declared, declared: bool) -> (Vec<FileFault>, Vec<ReportNote>) {
        let (mut faults, mut notes) = (Vec::new(), Vec::new());
        let named = Some(column.name.clone());
        if self.scientific.count > 0 && (self.scientific.count + self.identifiers) * 2 >= self.values {
            let detail = format!(
                "{} is an identifier in scientific notation: digits are lost; ask for the original, with the column formatted as text",
                shown_of(&self.scientific.example, column)
            );
            if declared {
                let fault = |line: &u64| FileFault { line: Some(*line), column: named.clone(), detail: detail.clone() };
                faults.extend(self.scientific.lines.iter().map(fault));
            } else {
                notes.push(ReportNote { column: named.clone(), detail, rows: self.scientific.rows, count: self.scientific.count });
            }
        }
        if self.apostrophes.count > 0 {
            let detail = format!(
                "{} begins with an apostrophe, which spreadsheets put before numbers to keep them as text; it was kept as written",
                shown_of(&self.apostrophes.example, column)
            );
            notes.push(ReportNote { column: named, detail, rows: self.apostrophes.rows, count: self.apostrophes.count });
        }
        (faults, notes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_has_spoilt_is_told() {
        for text in ["3.10105E+17", "1.38E+10", "3.1010519491231E17", "4E+15"] {
            assert!(is_scientific(text), "{text}");
        }
        for text in ["3.10105E-17", "1.5E+3", "E+17", "310105194912310021", "3.E1x", "1.23456789012E+10", "V2025-000001", "12E+17"] {
            assert!(!is_scientific(text), "{text}");
        }
        assert_eq!(serial_date("45123").map(|day| day.to_string()).as_deref(), Some("2023-07-16"));
        assert_eq!(serial_date("45123.5").map(|day| day.to_string()).as_deref(), Some("2023-07-16"));
        for text in ["1999", "60001", "-45123", "45123x", "2023-07-16"] {
            assert_eq!(serial_date(text), None, "{text}");
        }
    }

    #[test]
    fn a_column_of_identifiers_is_told_from_one_of_codes() {
        let found = |texts: &[&str], declared| {
            let mut watcher = Watcher::default();
            texts.iter().enumerate().for_each(|(at, text)| watcher.look(text, at as i64 + 1, at as u64 + 2));
            let (faults, notes) = watcher.finish(&Declared { name: "id".to_owned(), ..Declared::default() }, declared);
            (faults.len(), notes.len())
        };
        assert_eq!(found(&["31010519491231002X", "3.10105E+17"], true), (1, 0));
        assert_eq!(found(&["310105194912310021", "3.10105E+17"], false), (0, 1));
        assert_eq!(found(&["3.10105E+17"], true), (1, 0));
        assert_eq!(found(&["a", "b", "c", "4E+15"], true), (0, 0));
        assert_eq!(found(&["'007"], true), (0, 1));
    }
}
