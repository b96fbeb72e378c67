//! How many datasets have each value.

use std::collections::{BTreeMap, HashMap};

use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::{ColumnIndex, StrColumn};
use tantivy::{DocId, Score, SegmentOrdinal, SegmentReader};

use super::wish::Facet;

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

/// Counts what a query finds, in all and by facets, while it is gone through once: at a million datasets each way through costs.
pub struct Tally {
    facets: Vec<Facet>,
}

/// What a [`Tally`] has counted.
#[derive(Debug, Default)]
pub struct Tallied {
    total: u64,
    of_facets: Vec<HashMap<String, u64>>,
}

impl Tally {
    /// Counts by these facets.
    pub fn of(wanted: &[(Facet, usize)]) -> Self {
        Tally { facets: wanted.iter().map(|(facet, _)| *facet).collect() }
    }
}

impl Tallied {
    /// How many there are in all.
    pub fn total(&self) -> usize {
        usize::try_from(self.total).unwrap_or(usize::MAX)
    }

    /// The counts of the facets that were wanted, each with so many of its most frequent values.
    pub fn counts(self, wanted: &[(Facet, usize)]) -> BTreeMap<Facet, Counts> {
        wanted.iter().zip(self.of_facets).map(|((facet, most), found)| (*facet, most_frequent(found, *most))).collect()
    }
}

fn most_frequent(found: HashMap<String, u64>, most: usize) -> Counts {
    let mut values: Vec<Counted> = found.into_iter().map(|(value, count)| Counted { value, count }).collect();
    values.sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.value.cmp(&other.value)));
    let left_out = values.len().saturating_sub(most);
    values.truncate(most);
    Counts { values, left_out }
}

/// The values of a facet in a segment, and how often each was found.
struct OfFacet {
    column: StrColumn,
    counts: Vec<u64>,
}

/// What is counted in a segment; where it has no value of a facet, nothing by that.
pub struct OfSegment {
    total: u64,
    facets: Vec<Option<OfFacet>>,
    /// Those that were found and are not counted by facets yet: many at a time are faster than one.
    waiting: Vec<DocId>,
    /// Room for their values.
    ords: Vec<u64>,
}

/// So many are counted at a time.
const AT_ONCE: usize = 1024;

impl Collector for Tally {
    type Fruit = Tallied;
    type Child = OfSegment;

    fn for_segment(&self, _ordinal: SegmentOrdinal, segment: &SegmentReader) -> tantivy::Result<OfSegment> {
        let of = |facet: &Facet| {
            let column = segment.fast_fields().str(facet.as_str())?;
            Ok(column.map(|column| OfFacet { counts: vec![0; column.num_terms()], column }))
        };
        let facets = self.facets.iter().map(of).collect::<tantivy::Result<_>>()?;
        Ok(OfSegment { total: 0, facets, waiting: Vec::with_capacity(AT_ONCE), ords: Vec::new() })
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, segments: Vec<Tallied>) -> tantivy::Result<Tallied> {
        let mut all = Tallied { total: 0, of_facets: vec![HashMap::new(); self.facets.len()] };
        for segment in segments {
            all.total += segment.total;
            for (all, found) in all.of_facets.iter_mut().zip(segment.of_facets) {
                found.into_iter().for_each(|(value, count)| *all.entry(value).or_default() += count);
            }
        }
        Ok(all)
    }
}

impl SegmentCollector for OfSegment {
    type Fruit = Tallied;

    fn collect(&mut self, doc: DocId, _score: Score) {
        self.total += 1;
        if self.facets.is_empty() {
            return;
        }
        self.waiting.push(doc);
        if self.waiting.len() == AT_ONCE {
            self.count();
        }
    }

    fn harvest(mut self) -> Tallied {
        self.count();
        let of_facets = self.facets.into_iter().map(|facet| facet.map(OfFacet::named).unwrap_or_default()).collect();
        Tallied { total: self.total, of_facets }
    }
}

impl OfSegment {
    fn count(&mut self) {
        for facet in self.facets.iter_mut().flatten() {
            let ords = facet.column.ords();
            if matches!(ords.index, ColumnIndex::Full) {
                // Each has one value: they are read together.
                self.ords.resize(self.waiting.len(), 0);
                ords.values.get_vals(&self.waiting, &mut self.ords);
                self.ords.iter().for_each(|ord| add(&mut facet.counts, *ord));
            } else {
                self.waiting.iter().flat_map(|doc| facet.column.term_ords(*doc)).for_each(|ord| add(&mut facet.counts, ord));
            }
        }
        self.waiting.clear();
    }
}

fn add(counts: &mut [u64], ord: u64) {
    if let Some(count) = counts.get_mut(ord as usize) {
        *count += 1;
    }
}

impl OfFacet {
    fn named(self) -> HashMap<String, u64> {
        let mut found = HashMap::new();
        for (ord, count) in self.counts.into_iter().enumerate().filter(|(_, count)| *count > 0) {
            let mut value = String::new();
            // A column names all of its values.
            if self.column.ord_to_str(ord as u64, &mut value).unwrap_or(false) {
                found.insert(value, count);
            }
        }
        found
    }
}
