//! How many datasets have each value.

use std::collections::HashMap;

use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::StrColumn;
use tantivy::query::Query;
use tantivy::{DocId, Score, Searcher, SegmentOrdinal, SegmentReader};

use super::wish::Facet;
use crate::error::{Error, Result};

/// How many have a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// The value.
    pub value: String,
    /// How many.
    pub count: u64,
}

/// The values with their counts, the most frequent first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// The most frequent values.
    pub values: Vec<Counted>,
    /// How many values are left out.
    pub left_out: usize,
}

/// Counts what a query finds by a facet.
///
/// # Errors
/// When the index cannot be read.
pub fn count(searcher: &Searcher, query: &dyn Query, facet: Facet, most: usize) -> Result<Counts> {
    let found = searcher.search(query, &ByValue { name: facet.as_str() }).map_err(Error::internal)?;
    let mut values: Vec<Counted> = found.into_iter().map(|(value, count)| Counted { value, count }).collect();
    values.sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.value.cmp(&other.value)));
    let left_out = values.len().saturating_sub(most);
    values.truncate(most);
    Ok(Counts { values, left_out })
}

struct ByValue {
    name: &'static str,
}

struct OfSegment {
    column: Option<StrColumn>,
    counts: Vec<u64>,
}

impl Collector for ByValue {
    type Fruit = HashMap<String, u64>;
    type Child = OfSegment;

    fn for_segment(&self, _ordinal: SegmentOrdinal, segment: &SegmentReader) -> tantivy::Result<OfSegment> {
        let column = segment.fast_fields().str(self.name)?;
        let counts = vec![0; column.as_ref().map_or(0, |column| column.num_terms())];
        Ok(OfSegment { column, counts })
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, segments: Vec<HashMap<String, u64>>) -> tantivy::Result<Self::Fruit> {
        let mut all = HashMap::new();
        for (value, count) in segments.into_iter().flatten() {
            *all.entry(value).or_default() += count;
        }
        Ok(all)
    }
}

impl SegmentCollector for OfSegment {
    type Fruit = HashMap<String, u64>;

    fn collect(&mut self, doc: DocId, _score: Score) {
        if let Some(column) = &self.column {
            for ord in column.term_ords(doc) {
                if let Some(count) = self.counts.get_mut(ord as usize) {
                    *count += 1;
                }
            }
        }
    }

    fn harvest(self) -> HashMap<String, u64> {
        let Some(column) = self.column else { return HashMap::new() };
        let mut found = HashMap::new();
        for (ord, count) in self.counts.into_iter().enumerate().filter(|(_, count)| *count > 0) {
            let mut value = String::new();
            // A column names all of its values.
            if column.ord_to_str(ord as u64, &mut value).unwrap_or(false) {
                found.insert(value, count);
            }
        }
        found
    }
}
