//! Types over a whole file: each column that has none gets the narrowest one that keeps every value exactly.

use super::faults::shown_of;
use super::traps::LISTED_ROWS;
use super::value::{self, Guess};
use super::{Declared, FieldType, ReportNote, traps};

/// What single values look like, for the note on a mixed column.
const KINDS: [&str; 6] =
    ["whole numbers", "numbers with a point", "true or false", "days or moments", "digits that are no number", "texts"];

/// The last of the kinds.
const TEXT: usize = 5;

fn kind(text: &str) -> usize {
    if value::integer(text).is_some() && text.len() <= 15 {
        0
    } else if text.bytes().all(|byte| byte.is_ascii_digit()) {
        4
    } else if value::number(text).is_some() {
        1
    } else if value::boolean(text).is_some() {
        2
    } else if value::date(text).is_some() || value::datetime(text).is_some() {
        3
    } else {
        TEXT
    }
}

#[derive(Default)]
struct Kind {
    count: i64,
    rows: Vec<i64>,
    example: String,
}

/// What the values of one column allow.
pub struct Tally {
    guess: Guess,
    kinds: [Kind; KINDS.len()],
    /// Whether every value can be a spreadsheet's serial number of a day.
    serial: bool,
    values: i64,
}

impl Default for Tally {
    fn default() -> Self {
        Tally { guess: Guess::default(), kinds: Default::default(), serial: true, values: 0 }
    }
}

impl Tally {
    /// Looks at one value that is not empty.
    pub fn look(&mut self, text: &str, row: i64) {
        self.guess.look(text);
        self.values += 1;
        self.serial = self.serial && traps::serial_date(text).is_some();
        let kind = &mut self.kinds[kind(text)];
        if kind.count == 0 {
            text.chars().take(100).for_each(|letter| kind.example.push(letter));
        }
        kind.count += 1;
        if kind.rows.len() < LISTED_ROWS {
            kind.rows.push(row);
        }
    }

    /// The column with its type.
    pub fn conclude(&self, column: &Declared) -> Declared {
        let (field_type, scale) = self.guess.conclude();
        Declared { field_type: Some(field_type), scale, ..column.clone() }
    }

    /// What the publisher of the column should know.
    pub fn note(&self, column: &Declared) -> Option<ReportNote> {
        let (field_type, _) = self.guess.conclude();
        if field_type == FieldType::String {
            self.mixed(column)
        } else if field_type == FieldType::Integer && self.serial && is_day(column) {
            Some(self.serial_days(column))
        } else {
            None
        }
    }

    fn serial_days(&self, column: &Declared) -> ReportNote {
        let [whole, ..] = &self.kinds;
        let example = shown_of(&whole.example, column);
        let detail = format!("whole numbers such as {example} look like a spreadsheet's serial numbers of days; they were kept as numbers");
        ReportNote { column: Some(column.name.clone()), detail, rows: whole.rows.clone(), count: whole.count }
    }

    /// A column with values of several kinds, most of which are no plain text.
    fn mixed(&self, column: &Declared) -> Option<ReportNote> {
        let present = self.kinds.iter().filter(|kind| kind.count > 0).count();
        if present < 2 || self.kinds[TEXT].count * 2 > self.values {
            return None;
        }
        let (largest, _) = self.kinds.iter().enumerate().max_by_key(|(at, kind)| (kind.count, TEXT - at))?;
        let mut parts: Vec<(usize, &Kind)> = self.kinds.iter().enumerate().filter(|(_, kind)| kind.count > 0).collect();
        parts.sort_by_key(|(at, _)| *at != largest);
        let part = |(at, kind): &(usize, &Kind)| format!("{} {} (such as {})", kind.count, KINDS[*at], shown_of(&kind.example, column));
        let listed: Vec<String> = parts.iter().map(part).collect();
        let mut rows: Vec<i64> = parts[1..].iter().flat_map(|(_, kind)| kind.rows.iter().copied()).collect();
        rows.sort_unstable();
        rows.truncate(LISTED_ROWS);
        Some(ReportNote {
            column: Some(column.name.clone()),
            detail: format!("the values are of several kinds and were kept as text: {}", listed.join(", ")),
            rows,
            count: self.values - self.kinds[largest].count,
        })
    }
}

/// Whether the column's name says that it holds days.
fn is_day(column: &Declared) -> bool {
    let names = column.titles.iter().chain(std::iter::once(&column.name));
    names.map(|name| name.to_lowercase()).any(|name| ["date", "day", "time", "日期", "时间"].iter().any(|word| name.contains(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn concluded(name: &str, values: &[&str], personal: bool) -> (FieldType, Option<ReportNote>) {
        let mut tally = Tally::default();
        values.iter().enumerate().for_each(|(at, value)| tally.look(value, at as i64 + 1));
        let column = Declared { name: name.to_owned(), personal, ..Declared::default() };
        (tally.conclude(&column).field_type.unwrap(), tally.note(&column))
    }

    #[test]
    fn a_mixed_column_is_text_and_is_told() {
        let (kind, note) = concluded("n", &["1", "2", "x", "3", "2024-01-01"], false);
        let note = note.unwrap();
        assert_eq!((kind, note.rows, note.count), (FieldType::String, vec![3, 5], 2));
        assert!(note.detail.contains("3 whole numbers (such as `1`)") && note.detail.contains("1 texts (such as `x`)"), "{}", note.detail);
        let (_, note) = concluded("n", &["1", "2", "secret"], true);
        assert!(!note.unwrap().detail.contains("secret"));
        assert_eq!(concluded("n", &["a", "b", "1"], false), (FieldType::String, None));
        assert_eq!(concluded("n", &["007", "008"], false), (FieldType::String, None));
        assert_eq!(concluded("n", &["007", "8"], false).1.unwrap().count, 1);
    }

    #[test]
    fn serial_numbers_of_days_are_told() {
        assert!(concluded("visit_date", &["45123", "45124"], false).1.is_some());
        assert!(concluded("visits", &["45123", "45124"], false).1.is_none());
        assert!(concluded("visit_date", &["45123", "7"], false).1.is_none());
    }
}
