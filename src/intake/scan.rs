//! The scan for personal data: which columns of a table hold identifiers, contacts, names, addresses or whereabouts of persons.
//!
//! Every value is looked at, most of them no longer than it takes to count their digits. What is decided is decided of a column:
//! one run of digits may pass a check by chance, a column of them does not.
//!
//! Not for grades and quasi-identifiers, nor for what becomes of a finding: both belong to those who publish.

mod codes;
mod conceal;
mod decide;
mod hints;
mod mask;
mod names;
mod plain;
mod tally;
mod tokens;
mod words;

use std::ops::Range;

use chrono::NaiveDate;

use super::{Declared, FieldType, FindingKind};

pub use self::conceal::conceal;
pub use self::decide::{Place, Side, findings, whereabouts};
pub use self::hints::Hints;
pub use self::tally::Tally;

/// Examples that are kept of each kind.
pub const EXAMPLES: usize = 5;

/// Kinds of findings.
const KINDS: usize = 12;

/// What was seen in a value, one bit each: the kinds, masked ones, and candidates that passed or failed a check.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Marks(u64);

impl Marks {
    /// What may be a resident ID of 15 digits, which have no check digit.
    const LEGACY: Marks = Marks(1 << 48);

    fn found(kind: FindingKind, masked: bool) -> Self {
        Marks(1 << (kind as u64 + if masked { 16 } else { 0 }))
    }

    fn candidate(kind: FindingKind) -> Self {
        Marks(1 << (kind as u64 + 32))
    }

    /// Both together.
    pub fn with(self, other: Marks) -> Self {
        Marks(self.0 | other.0)
    }

    /// Whether something was found, and not a candidate only that failed its check.
    fn is_found(self) -> bool {
        self.0 & 0xffff_ffff != 0
    }

    /// Whether there was nothing.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// Whether one value of a column, by itself, is what the scan looks for.
pub fn looks_personal(declared: &Declared, text: &str, today: NaiveDate) -> bool {
    ColumnScan::new(declared, today).look(text, Tally::of(text.as_bytes()), 1).is_found()
}

/// What the scan knows of one column.
pub struct ColumnScan {
    name: String,
    hints: Hints,
    cleared: bool,
    /// Whether its values are numbers.
    numeric: bool,
    today: NaiveDate,
    counts: [i64; 64],
    /// Masked values with their rows, for each kind, and then for each kind of masked values.
    examples: Vec<Vec<(String, i64)>>,
}

impl ColumnScan {
    /// No smaller whole number is looked at.
    pub const LEAST_NUMBER: i64 = 10_000_000_000;

    /// Nothing was seen so far. `today` bounds dates of birth.
    pub fn new(declared: &Declared, today: NaiveDate) -> Self {
        ColumnScan {
            name: declared.name.clone(),
            hints: Hints::new(&declared.name, &declared.titles),
            cleared: declared.cleared,
            numeric: declared.field_type.unwrap_or(FieldType::String) != FieldType::String,
            today,
            counts: [0; 64],
            examples: vec![Vec::new(); 2 * KINDS],
        }
    }

    /// What its header says.
    pub fn hints(&self) -> Hints {
        self.hints
    }

    /// Looks at a text with this tally, in this row from 1. What is found has to be counted with [`ColumnScan::count`].
    #[inline]
    pub fn look(&mut self, text: &str, tally: Tally, row: i64) -> Marks {
        if !self.hints.any_kind() && !tally.is_suspect(text.len()) {
            return Marks::default();
        }
        self.look_closely(text, row)
    }

    /// Looks at a whole number: mobile numbers, bank cards and resident IDs may be kept as such.
    #[inline]
    pub fn look_at_number(&mut self, number: i64, row: i64) {
        // Eleven digits, or thirteen that begin with 86, or fifteen and more.
        let suspect = matches!(number, Self::LEAST_NUMBER..=99_999_999_999 | 8_610_000_000_000..=8_619_999_999_999 | 100_000_000_000_000..);
        if suspect {
            let marks = self.look_closely(&number.to_string(), row);
            self.count(marks, 1);
        }
    }

    /// Counts what was found in a value that stands `times` times in the column.
    #[inline]
    pub fn count(&mut self, marks: Marks, times: u64) {
        let mut bits = marks.0;
        while bits != 0 {
            self.counts[bits.trailing_zeros() as usize] += times as i64;
            bits &= bits - 1;
        }
    }

    #[inline(never)]
    fn look_closely(&mut self, text: &str, row: i64) -> Marks {
        let plain = plain::plain(text);
        let mut sink = Examples { text: &plain, row, marks: Marks::default(), examples: &mut self.examples };
        tokens::look(&plain, self.hints, self.today, &mut sink);
        sink.marks
    }

    fn counted(&self, marks: Marks) -> i64 {
        self.counts[marks.0.trailing_zeros() as usize % 64]
    }
}

struct Examples<'a> {
    text: &'a str,
    row: i64,
    marks: Marks,
    examples: &'a mut [Vec<(String, i64)>],
}

impl tokens::Sink for Examples<'_> {
    fn hit(&mut self, kind: FindingKind, masked: bool, range: Range<usize>) {
        let found = Marks::found(kind, masked);
        if self.marks.0 & found.0 != 0 {
            return;
        }
        self.marks.0 |= found.0;
        let kept = &mut self.examples[kind as usize + if masked { KINDS } else { 0 }];
        if kept.len() < EXAMPLES {
            kept.push((mask::hide(kind, self.text.get(range).unwrap_or_default()), self.row));
        }
    }

    fn mark(&mut self, marks: Marks) {
        self.marks.0 |= marks.0;
    }
}

#[cfg(test)]
mod tests;
