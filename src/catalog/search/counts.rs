//! How many datasets have each value.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::StrColumn;
use tantivy::index::SegmentId;
use tantivy::{DocId, Score, Searcher, SegmentOrdinal, SegmentReader};

use super::bits::Bits;
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

/// What a [`Tally`] has counted.
#[derive(Debug, Default)]
pub struct Tallied {
    total: u64,
    of_facets: Vec<HashMap<String, u64>>,
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

    fn of_all(facets: usize, segments: Vec<Tallied>) -> Self {
        let mut all = Tallied { total: 0, of_facets: vec![HashMap::new(); facets] };
        for segment in segments {
            all.total += segment.total;
            for (all, found) in all.of_facets.iter_mut().zip(segment.of_facets) {
                found.into_iter().for_each(|(value, count)| *all.entry(value).or_default() += count);
            }
        }
        all
    }
}

fn most_frequent(found: HashMap<String, u64>, most: usize) -> Counts {
    let mut values: Vec<Counted> = found.into_iter().map(|(value, count)| Counted { value, count }).collect();
    values.sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.value.cmp(&other.value)));
    let left_out = values.len().saturating_sub(most);
    values.truncate(most);
    Counts { values, left_out }
}

/// The values of the documents of a segment, by their places among the values of the column.
enum Values {
    /// One of each, or none: then it is [`NONE`].
    One(Vec<u16>),
    /// Some of each: where those of a document begin, and they.
    Some(Vec<u32>, Vec<u16>),
}

/// The place of no value.
const NONE: u16 = u16::MAX;

/// A column of a segment in memory: at a million datasets, what is packed on the disk takes too long to read.
struct Kept {
    values: Values,
    /// How often each stands in the segment, also in what is no longer in the list.
    whole: Vec<u64>,
}

impl Kept {
    /// Nothing where there are more values than are kept.
    fn of(column: &StrColumn, documents: u32) -> Option<Self> {
        if column.num_terms() >= usize::from(NONE) {
            return None;
        }
        let (mut starts, mut places, mut is_one) = (Vec::with_capacity(documents as usize + 1), Vec::new(), true);
        let mut whole = vec![0; column.num_terms()];
        for document in 0..documents {
            starts.push(places.len() as u32);
            for place in column.term_ords(document) {
                add(&mut whole, place as usize);
                places.push(place as u16);
            }
            is_one &= places.len() as u32 - starts[document as usize] <= 1;
        }
        starts.push(places.len() as u32);
        let values = if is_one {
            let one = |at: &[u32]| places.get(at[0] as usize).filter(|_| at[1] > at[0]).copied().unwrap_or(NONE);
            Values::One(starts.windows(2).map(one).collect())
        } else {
            Values::Some(starts, places)
        };
        Some(Kept { values, whole })
    }

    fn count(&self, found: &Chosen) -> Vec<u64> {
        let counts = match &self.values {
            Values::One(values) => {
                let place = |document: DocId| values.get(document as usize).copied().map_or(usize::MAX, usize::from);
                count_in_lanes(self.whole.len(), found.documents.iter().map(|document| place(*document)))
            }
            Values::Some(starts, values) => {
                let places = |document: DocId| {
                    let at = document as usize;
                    let (from, to) = (starts.get(at).copied().unwrap_or_default(), starts.get(at + 1).copied().unwrap_or_default());
                    values.get(from as usize..to as usize).unwrap_or_default().iter().map(|place| usize::from(*place))
                };
                count_in_lanes(self.whole.len(), found.documents.iter().flat_map(|document| places(*document)))
            }
        };
        if found.are_others { self.whole.iter().zip(counts).map(|(all, left)| all - left).collect() } else { counts }
    }
}

/// Documents to be counted. Of more than half of a segment it is the others: they are fewer.
struct Chosen {
    documents: Vec<DocId>,
    are_others: bool,
}

impl Chosen {
    fn of(found: &Bits, of: u32) -> Self {
        let are_others = found.count() * 2 > u64::from(of);
        if !are_others {
            return Chosen { documents: found.iter().collect(), are_others };
        }
        let mut others = Bits::all(of);
        others.remove(found);
        Chosen { documents: others.iter().collect(), are_others }
    }
}

/// Counts in several lanes: one number that grows with each document would have each wait for the one before.
fn count_in_lanes(values: usize, places: impl Iterator<Item = usize>) -> Vec<u64> {
    const LANES: usize = 4;
    let mut lanes = vec![[0_u64; LANES]; values];
    for (at, place) in places.enumerate() {
        if let Some(lanes) = lanes.get_mut(place) {
            lanes[at % LANES] += 1;
        }
    }
    lanes.into_iter().map(|lanes| lanes.iter().sum()).collect()
}

fn add(counts: &mut [u64], place: usize) {
    if let Some(count) = counts.get_mut(place) {
        *count += 1;
    }
}

/// A column that is kept; nothing where it has too many values for that.
type MaybeKept = Option<Arc<Kept>>;

/// The columns of the segments that are kept in memory: the facets of the list, some 30 bytes of a dataset.
#[derive(Default)]
pub struct Columns(Mutex<HashMap<(SegmentId, Facet), MaybeKept>>);

impl Columns {
    fn of(&self, segment: &SegmentReader, facet: Facet, column: &StrColumn) -> MaybeKept {
        if !Facet::COUNTED.contains(&facet) {
            return None;
        }
        let key = (segment.segment_id(), facet);
        if let Some(kept) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return kept.clone();
        }
        // Whoever comes at the same time reads it as well: nobody waits for it.
        let kept = Kept::of(column, segment.max_doc()).map(Arc::new);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, kept.clone());
        kept
    }

    /// Forgets what belongs to no segment of the index any more.
    pub fn forget_others(&self, searcher: &Searcher) {
        let there: HashSet<SegmentId> = searcher.segment_readers().iter().map(SegmentReader::segment_id).collect();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|(segment, _), _| there.contains(segment));
    }
}

/// Counts what a query finds, in all and by facets.
pub struct Tally {
    facets: Vec<Facet>,
    columns: Arc<Columns>,
}

impl Tally {
    /// Counts by these facets.
    pub fn of(wanted: &[(Facet, usize)], columns: &Arc<Columns>) -> Self {
        Tally { facets: wanted.iter().map(|(facet, _)| *facet).collect(), columns: Arc::clone(columns) }
    }

    /// Counts sets of documents, one for each segment.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn count<'a>(&self, searcher: &Searcher, sets: impl Iterator<Item = &'a Bits>) -> tantivy::Result<Tallied> {
        let one = |(segment, set): (&SegmentReader, &Bits)| Ok(self.segment(segment)?.tallied(set));
        let segments = searcher.index().search_executor().map(one, searcher.segment_readers().iter().zip(sets))?;
        Ok(Tallied::of_all(self.facets.len(), segments))
    }

    fn segment(&self, segment: &SegmentReader) -> tantivy::Result<OfSegment> {
        let of = |facet: &Facet| {
            let column = segment.fast_fields().str(facet.as_str())?;
            Ok(column.map(|column| (self.columns.of(segment, *facet, &column), column)))
        };
        let facets = self.facets.iter().map(of).collect::<tantivy::Result<_>>()?;
        Ok(OfSegment { documents: segment.max_doc(), found: Bits::none(segment.max_doc()), facets })
    }
}

/// What is counted in a segment; where it has no value of a facet, nothing by that.
pub struct OfSegment {
    documents: u32,
    found: Bits,
    facets: Vec<Option<(MaybeKept, StrColumn)>>,
}

impl OfSegment {
    fn tallied(&self, found: &Bits) -> Tallied {
        let chosen = if self.facets.is_empty() { None } else { Some(Chosen::of(found, self.documents)) };
        let of_facet = |facet: &Option<(MaybeKept, StrColumn)>| {
            let Some((kept, column)) = facet else { return HashMap::new() };
            let counts = kept.as_ref().zip(chosen.as_ref()).map(|(kept, chosen)| kept.count(chosen));
            let counts = counts.unwrap_or_else(|| count_column(column, found));
            named(column, &counts)
        };
        Tallied { total: found.count(), of_facets: self.facets.iter().map(of_facet).collect() }
    }
}

fn count_column(column: &StrColumn, found: &Bits) -> Vec<u64> {
    let mut counts = vec![0; column.num_terms()];
    found.iter().flat_map(|document| column.term_ords(document)).for_each(|place| add(&mut counts, place as usize));
    counts
}

fn named(column: &StrColumn, counts: &[u64]) -> HashMap<String, u64> {
    let mut found = HashMap::new();
    for (place, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let mut value = String::new();
        // A column names all of its values.
        if column.ord_to_str(place as u64, &mut value).unwrap_or(false) {
            found.insert(value, *count);
        }
    }
    found
}

impl Collector for Tally {
    type Fruit = Tallied;
    type Child = OfSegment;

    fn for_segment(&self, _ordinal: SegmentOrdinal, segment: &SegmentReader) -> tantivy::Result<OfSegment> {
        self.segment(segment)
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, segments: Vec<Tallied>) -> tantivy::Result<Tallied> {
        Ok(Tallied::of_all(self.facets.len(), segments))
    }
}

impl SegmentCollector for OfSegment {
    type Fruit = Tallied;

    fn collect(&mut self, doc: DocId, _score: Score) {
        self.found.insert(doc);
    }

    fn harvest(self) -> Tallied {
        self.tallied(&self.found)
    }
}
