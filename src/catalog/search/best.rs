//! The best of what a question finds, without a judgement of all of it.
//!
//! First each word marks its documents in every segment: those bits tell what is found, to the last document. Then the documents that have all words are
//! judged, or most of them, until there are enough. The worst of these is the bar: from the most that each word counts follows which words a document has
//! to have together to come above it, and of the rest only such are judged. This is MaxScore (Turtle and Flood, 1995) over sets in place of lists. What is
//! found is the same as if everything were judged, and the order too.

use std::sync::Arc;

use tantivy::query::Query;
use tantivy::{DocId, Executor, Searcher};

use super::bits::Bits;
use super::question::{Asked, OF_WHOLE};
use super::ways::{At, Heres, Judge, Marks, Spread, Ways};
use super::{Place, value};

/// Where more documents than this have all words and would be judged first, all are gone through in one stream instead.
const DENSE: u64 = 60_000;

/// So few documents are judged all at once. Tests have few of them.
const FEW: u64 = if cfg!(test) { 20 } else { 1000 };

/// How much of what could be had is asked for, one after the other.
const PARTS: [f64; 7] = [0.8, 0.6, 0.45, 0.3, 0.2, 0.1, 0.0];

/// So many sets are held against the bar, in all their combinations.
const MOST_COMBINED: usize = 10;

/// What counts for so little of the bar is taken to be in every document.
const SMALL: f64 = 0.02;

/// What rounding may add to a number, and then some.
const ROUNDING: f64 = 1.0001;

/// A document that is judged.
#[derive(Debug, Clone, Copy)]
pub struct Hit {
    /// How well it fits.
    pub number: f64,
    /// What parts it from others that fit alike.
    pub tie: u64,
    /// Its segment.
    pub segment: u32,
    /// It.
    pub document: DocId,
}

impl Hit {
    fn order(&self, other: &Hit) -> std::cmp::Ordering {
        other.number.total_cmp(&self.number).then_with(|| self.tie.cmp(&other.tie))
    }
}

/// What a question finds in a segment.
pub struct Marked<'a> {
    at: At<'a>,
    ordinal: u32,
    /// Each word of which some are needed, and then all else that counts.
    words: Vec<Word>,
    /// How many of these are words of which some are needed.
    needed: usize,
    /// Sets of documents, and what being in one of them counts at the most.
    sets: Vec<(Arc<Bits>, f32)>,
    /// What is found.
    pub found: Bits,
}

/// Something that counts, in a segment.
struct Word {
    /// Its documents.
    all: Arc<Bits>,
    /// The most that it counts for one of them.
    most: f32,
    /// In which ways it is there.
    here: Heres,
    boost: f32,
}

/// A question that is put to the index.
pub struct Put<'a> {
    searcher: &'a Searcher,
    /// How many words there are that any document has.
    known: usize,
    /// How many documents have all of these.
    with_all: u64,
    /// Whether another way is faster. It is the same for every page of what is found.
    pub is_dense: bool,
    /// What is found, by segment.
    pub segments: Vec<Marked<'a>>,
}

impl<'a> Put<'a> {
    /// Finds what there is. Parts in quotes are for others.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn new(searcher: &'a Searcher, marks: &'a Marks, asked: &'a Asked, filters: &[Box<dyn Query>]) -> tantivy::Result<Self> {
        let each = searcher.segment_readers().iter().enumerate();
        let mark = |(ordinal, segment)| mark(At { searcher, marks, segment }, ordinal as u32, asked, filters);
        let segments = executor(searcher).map(mark, each)?;
        let mut put = Put { searcher, known: 0, with_all: 0, is_dense: false, segments };
        let is_known = |at: &usize| put.segments.iter().any(|segment| segment.words.get(*at).is_some_and(|word| !word.all.is_empty()));
        put.known = (0..asked.needed.len()).filter(is_known).count();
        put.with_all = put.segments.iter().map(|segment| segment.with(put.known).count()).sum();
        if let Some(whole) = &asked.whole {
            // So few are judged in any case: for them it need not be known beforehand.
            let beforehand = !asked.whole_has_all || put.with_all > FEW;
            let found = executor(searcher).map(|segment: &Marked<'_>| segment.whole(whole, beforehand), put.segments.iter())?;
            put.segments.iter_mut().zip(found).for_each(|(segment, (word, is_set))| segment.take(word, is_set));
        }
        put.is_dense = put.with_all > DENSE && put.first()? > DENSE;
        Ok(put)
    }

    /// More than any document can have.
    fn highest(&self) -> f64 {
        self.segments.iter().map(Marked::highest).fold(0.0, f64::max)
    }

    /// How many documents are judged before it is known which of the others have to be.
    fn first(&self) -> tantivy::Result<u64> {
        let highest = self.highest();
        for part in PARTS {
            let count = |segment: &Marked<'_>| Ok(segment.above(highest * part, self.known)?.count());
            let count = executor(self.searcher).map(count, self.segments.iter())?.into_iter().sum();
            if count >= FEW {
                return Ok(count);
            }
        }
        Ok(self.with_all)
    }

    /// The best ones behind a place, so many at the most.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn best(&self, most: usize, after: Option<&Place>) -> tantivy::Result<Vec<Hit>> {
        let mut judged: Vec<Bits> = self.segments.iter().map(|segment| Bits::none(segment.at.segment.max_doc())).collect();
        let mut best = Vec::new();
        let (known, highest) = (self.known, self.highest());
        // What has all words and much of what could be had comes first; then less is enough, until there are so many.
        let parts = if self.with_all > FEW { PARTS.as_slice() } else { &[] };
        let first = parts.iter().map(|part| (highest * part, known)).chain([(0.0, known)]);
        for (bar, words) in first.chain(PARTS.iter().map(|part| (highest * part, 0))) {
            if best.len() >= most {
                break;
            }
            self.judge(&mut judged, &mut best, most, after, |segment| segment.above(bar, words))?;
        }
        if best.len() >= most {
            let bar = best.last().map_or(0.0, |hit| hit.number);
            self.judge(&mut judged, &mut best, most, after, |segment| segment.above(bar, 0))?;
        }
        Ok(best)
    }

    /// Judges what is not yet judged of some sets, one for each segment.
    fn judge(
        &self,
        judged: &mut [Bits],
        best: &mut Vec<Hit>,
        most: usize,
        after: Option<&Place>,
        sets: impl Fn(&Marked<'_>) -> tantivy::Result<Bits> + Sync,
    ) -> tantivy::Result<()> {
        // Below what is there already nothing has to be known exactly.
        let bar = best.get(most.saturating_sub(1)).map_or(0.0, |hit| hit.number);
        let one = |(segment, judged): (&Marked<'_>, &Bits)| {
            let mut set = sets(segment)?;
            set.remove(judged);
            let hits = segment.hits(&set, most, (bar, after))?;
            Ok((set, hits))
        };
        let found = executor(self.searcher).map(one, self.segments.iter().zip(judged.iter()))?;
        for (judged, (set, hits)) in judged.iter_mut().zip(found) {
            judged.add(&set);
            best.extend(hits);
        }
        best.sort_unstable_by(Hit::order);
        best.truncate(most);
        Ok(())
    }
}

fn executor(searcher: &Searcher) -> &Executor {
    searcher.index().search_executor()
}

fn mark<'a>(at: At<'a>, ordinal: u32, asked: &Asked, filters: &[Box<dyn Query>]) -> tantivy::Result<Marked<'a>> {
    let documents = at.segment.max_doc();
    let (mut words, mut sets) = (Vec::new(), Vec::new());
    for (ways, boost) in asked.words() {
        let Spread { all, usual, rare, more, here } = at.spread(ways)?;
        sets.push((Arc::clone(&all), usual * boost));
        sets.push((rare, more * boost));
        words.push(Word { all, most: (usual + more) * boost, here, boost });
    }
    let mut found = Bits::in_at_least(asked.least, words.iter().take(asked.needed.len()).map(|word| word.all.as_ref()), documents);
    for filter in filters {
        let mut bits = Bits::none(documents);
        at.mark_query(filter.as_ref(), &mut bits)?;
        found.keep(&bits);
    }
    if let Some(alive) = at.segment.alive_bitset() {
        let mut bits = Bits::none(documents);
        alive.iter_alive().for_each(|document| bits.insert(document));
        found.keep(&bits);
    }
    let mut marked = Marked { at, ordinal, words, needed: asked.needed.len(), sets, found };
    marked.order();
    Ok(marked)
}

impl Marked<'_> {
    /// The words next to each other as they are, and whether their documents are known; else they are those that have all words.
    fn whole(&self, whole: &Ways, beforehand: bool) -> tantivy::Result<(Word, bool)> {
        let unmarked = if beforehand { None } else { self.at.unmarked(whole)? };
        Ok(match unmarked {
            Some((here, most)) => (Word { all: Arc::new(self.with(self.needed)), most: most * OF_WHOLE, here, boost: OF_WHOLE }, false),
            None => {
                let Spread { all, usual, more, here, .. } = self.at.spread(whole)?;
                (Word { all, most: (usual + more) * OF_WHOLE, here, boost: OF_WHOLE }, true)
            }
        })
    }

    fn take(&mut self, word: Word, is_set: bool) {
        if is_set {
            self.sets.push((Arc::clone(&word.all), word.most));
            self.order();
        }
        self.words.push(word);
    }

    /// What counts most comes first.
    fn order(&mut self) {
        self.sets.retain(|(bits, most)| *most > 0.0 && !bits.is_empty());
        self.sets.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    }

    /// Those found that have so many of the words.
    fn with(&self, level: usize) -> Bits {
        let mut set =
            Bits::in_at_least(level, self.words.iter().take(self.needed).map(|word| word.all.as_ref()), self.at.segment.max_doc());
        set.keep(&self.found);
        set
    }

    /// More than any document of the segment can have, if it had everything.
    fn highest(&self) -> f64 {
        self.sets.iter().map(|(_, most)| f64::from(*most)).sum()
    }

    /// Those found that have so many of the words, and may come above a bar.
    fn above(&self, bar: f64, words: usize) -> tantivy::Result<Bits> {
        let found = if words == 0 { self.found.clone() } else { self.with(words) };
        let heaviest = self.at.segment.fast_fields().f64("weight")?.max_value();
        let mut needed = bar / (heaviest * ROUNDING);
        // From the smallest: many together are not small any more.
        let mut kept = self.sets.len();
        let mut small = 0.0;
        for (_, most) in self.sets.iter().rev() {
            small += f64::from(*most);
            if small > SMALL * needed && kept <= MOST_COMBINED {
                break;
            }
            needed -= f64::from(*most);
            kept -= 1;
        }
        if needed <= 0.0 {
            return Ok(found);
        }
        let mut above = Bits::none(self.at.segment.max_doc());
        combine(&found, self.sets.get(..kept).unwrap_or_default(), needed, &mut above);
        Ok(above)
    }

    /// The best of a set that come above a bar, behind a place.
    fn hits(&self, set: &Bits, most: usize, (bar, after): (f64, Option<&Place>)) -> tantivy::Result<Vec<Hit>> {
        if set.is_empty() {
            return Ok(Vec::new());
        }
        let fast = self.at.segment.fast_fields();
        let (ties, weights) = (fast.u64("tie")?, fast.f64("weight")?);
        let needed = bar / (weights.max_value() * ROUNDING);
        let mut words = self.judged()?;
        let mut hits = Vec::new();
        for document in set.iter() {
            let Some(score) = score(&mut words, document, needed) else { continue };
            let (number, tie) = (f64::from(score) * value(Some(&weights), document), value(Some(&ties), document));
            let is_behind = match after {
                Some(Place::Number(last, last_tie)) => number < *last || number == *last && tie > *last_tie,
                Some(Place::Slug(_)) | None => true,
            };
            if is_behind {
                hits.push(Hit { number, tie, segment: self.ordinal, document });
            }
        }
        if hits.len() > most && most > 0 {
            hits.select_nth_unstable_by(most - 1, Hit::order);
            hits.truncate(most);
        }
        Ok(hits)
    }

    /// What counts, what counts most first. It is the same and in the same order for every page: sums of the same numbers are the same.
    fn judged(&self) -> tantivy::Result<Vec<Judged<'_>>> {
        let mut judged = Vec::new();
        for word in self.words.iter().filter(|word| !word.all.is_empty()) {
            let judge = self.at.judge(&word.here, word.boost)?;
            judged.extend(judge.map(|judge| Judged { bits: &word.all, most: f64::from(word.most), judge }));
        }
        judged.sort_by(|one, other| other.most.total_cmp(&one.most));
        Ok(judged)
    }
}

/// Adds those found that are in sets which together count so much.
fn combine(found: &Bits, sets: &[(Arc<Bits>, f32)], needed: f64, above: &mut Bits) {
    if needed <= 0.0 {
        above.add(found);
        return;
    }
    let Some(((bits, most), others)) = sets.split_first() else { return };
    if sets.iter().map(|(_, most)| f64::from(*most)).sum::<f64>() < needed {
        return;
    }
    let mut within = found.clone();
    within.keep(bits);
    if !within.is_empty() {
        combine(&within, others, needed - f64::from(*most), above);
    }
    combine(found, others, needed, above);
}

/// Something that counts for some documents.
struct Judged<'a> {
    bits: &'a Bits,
    most: f64,
    judge: Judge,
}

/// The score of a document; nothing as soon as it cannot be so much.
fn score(words: &mut [Judged<'_>], document: DocId, needed: f64) -> Option<f32> {
    let mut left: f64 = words.iter().filter(|word| word.bits.has(document)).map(|word| word.most).sum();
    let mut sum = 0.0_f32;
    for word in words.iter_mut().filter(|word| word.bits.has(document)) {
        if f64::from(sum) + left < needed {
            return None;
        }
        left -= word.most;
        sum += word.judge.of(document).unwrap_or_default();
    }
    Some(sum)
}
