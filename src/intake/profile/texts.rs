//! Statistics of a column of text, and the scan of its values. While there are few different values each is looked at once; the
//! scan of the others goes along with the counting of their characters.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringArray};

use super::distinct::{Distinct, Seen};
use super::{Lengths, TopValue, hash, written};
use crate::intake::scan::{ColumnScan, Marks, Tally};

/// The most bytes of different values that are kept; beyond, there is no list of frequent values.
const KEPT_BYTES: usize = 1 << 16;

/// The most bytes of the smallest and the largest value that are compared.
const COMPARED_BYTES: usize = 1024;

/// The statistics of a column of text.
pub struct Texts {
    distinct: Distinct,
    entries: Vec<Entry>,
    /// The different values, one after the other, while they are few and short.
    kept: String,
    too_long: bool,
    min: Option<Edge>,
    max: Option<Edge>,
    shortest: u64,
    longest: u64,
    characters: u64,
    values: u64,
}

/// A value that was seen, while there are few different ones.
struct Entry {
    marks: Marks,
    characters: u32,
    end: u32,
}

/// The smallest or the largest value, and its first eight bytes for a quick comparison.
struct Edge {
    key: u64,
    text: String,
}

/// What is known of a column of text in the end.
pub struct Text {
    pub distinct: (i64, bool),
    pub min: Option<String>,
    pub max: Option<String>,
    pub top: Vec<TopValue>,
    pub length: Option<Lengths>,
}

impl Texts {
    /// Nothing was seen so far.
    pub fn new() -> Self {
        Texts {
            distinct: Distinct::new(),
            entries: Vec::new(),
            kept: String::new(),
            too_long: false,
            min: None,
            max: None,
            shortest: u64::MAX,
            longest: 0,
            characters: 0,
            values: 0,
        }
    }

    /// Takes the values of an array whose first row has this number. Its type is that of the column; of another type nothing is taken.
    pub fn observe(&mut self, array: &ArrayRef, first_row: i64, scan: &mut ColumnScan) {
        let Some(array) = array.as_string_opt::<i32>() else { return };
        match array.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => (0..array.len()).for_each(|at| self.one(array, at, first_row, scan)),
            Some(nulls) => nulls.valid_indices().for_each(|at| self.one(array, at, first_row, scan)),
        }
    }

    /// What is known in the end; the scan learns how often the values were seen.
    pub fn finish(mut self, scan: &mut ColumnScan) -> Text {
        if let Some(counts) = self.distinct.counts() {
            let counts = counts.to_vec();
            self.fold(&counts, scan);
        }
        let entries = &self.entries;
        let value = |at: usize| {
            let start = at.checked_sub(1).and_then(|before| entries.get(before)).map_or(0, |entry| entry.end as usize);
            let text = entries.get(at).and_then(|entry| self.kept.get(start..entry.end as usize));
            text.filter(|_| !self.too_long).map(written::text)
        };
        let mean = self.characters as f64 / self.values as f64;
        Text {
            distinct: self.distinct.count(),
            top: super::top(self.distinct.counts(), value),
            min: self.min.map(|edge| written::text(&edge.text)),
            max: self.max.map(|edge| written::text(&edge.text)),
            length: (self.values > 0).then_some(Lengths { min: self.shortest as i64, max: self.longest as i64, mean }),
        }
    }

    #[inline]
    fn one(&mut self, array: &StringArray, at: usize, first_row: i64, scan: &mut ColumnScan) {
        let text = array.value(at);
        let seen = self.distinct.add(hash::of_bytes(text.as_bytes()));
        if seen == Seen::Before {
            return;
        }
        let tally = Tally::of(text.as_bytes());
        let characters = text.len() as u64 - u64::from(tally.continued);
        let marks = scan.look(text, tally, first_row + at as i64);
        self.widen(text);
        self.shortest = self.shortest.min(characters);
        self.longest = self.longest.max(characters);
        if seen == Seen::New {
            self.keep(text);
            self.entries.push(Entry { marks, characters: characters as u32, end: self.kept.len() as u32 });
            return;
        }
        if !self.entries.is_empty() {
            let counts = self.distinct.take_counts();
            self.fold(&counts, scan);
            (self.entries, self.kept) = (Vec::new(), String::new());
        }
        self.characters += characters;
        self.values += 1;
        if !marks.is_empty() {
            scan.count(marks, 1);
        }
    }

    /// Takes the counts of the values that were looked at once.
    fn fold(&mut self, counts: &[u64], scan: &mut ColumnScan) {
        for (entry, count) in self.entries.iter().zip(counts) {
            scan.count(entry.marks, *count);
            self.characters += u64::from(entry.characters) * count;
            self.values += count;
        }
    }

    fn keep(&mut self, text: &str) {
        if self.kept.len() + text.len() > KEPT_BYTES {
            self.too_long = true;
        }
        if !self.too_long {
            self.kept.push_str(text);
        }
    }

    #[inline]
    fn widen(&mut self, text: &str) {
        let key = key(text.as_bytes());
        if self.min.as_ref().is_none_or(|min| key < min.key || (key == min.key && text < min.text.as_str())) {
            Edge::put(&mut self.min, key, text);
        }
        if self.max.as_ref().is_none_or(|max| key > max.key || (key == max.key && text > max.text.as_str())) {
            Edge::put(&mut self.max, key, text);
        }
    }
}

impl Edge {
    /// Keeps the start of a text; in a sorted column every value comes by here, and none needs new memory.
    fn put(edge: &mut Option<Edge>, key: u64, text: &str) {
        let edge = edge.get_or_insert_with(|| Edge { key, text: String::new() });
        edge.key = key;
        edge.text.clear();
        edge.text.push_str(&text[..text.floor_char_boundary(COMPARED_BYTES)]);
    }
}

/// The first bytes as a number of the same order.
#[inline]
fn key(bytes: &[u8]) -> u64 {
    if let Some(first) = bytes.first_chunk::<8>() {
        return u64::from_be_bytes(*first);
    }
    let mut padded = [0; 8];
    padded.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    u64::from_be_bytes(padded)
}
