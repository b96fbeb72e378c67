//! In which ways a word may stand in a dataset, and how much each counts; the way that counts most does, and the others a little.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tantivy::index::SegmentId;
use tantivy::query::{
    Bm25Weight, BooleanQuery, BoostQuery, DisjunctionMaxQuery, EnableScoring, Occur, PhraseQuery, Query, Scorer, TermQuery, Weight,
};
use tantivy::schema::IndexRecordOption;
use tantivy::{DocId, DocSet, Searcher, SegmentReader, TERMINATED, Term};

use super::bits::Bits;

type Clause = Box<dyn Query>;

/// What the other ways add to the best one.
const TIE_BREAKER: f32 = 0.15;

/// A way.
#[derive(Debug, Clone)]
pub enum Way {
    /// As a term of the index.
    Term(Term),
    /// In the best of some ways.
    Best(Ways),
    /// As several words, each of which has to be there.
    All(Vec<Ways>),
    /// In any of the terms that a query finds; how many does not count.
    Any(Sought),
    /// As terms next to each other.
    Phrase(Vec<Term>),
}

/// Some ways, each with how much it counts.
pub type Ways = Vec<(Way, f32)>;

/// What finds terms. It is made once for all segments: that of a misspelt word is a table of some hundred kilobytes.
pub struct Sought {
    clause: Clause,
    weight: Arc<OnceLock<Box<dyn Weight>>>,
}

impl Sought {
    /// What this query finds.
    pub fn by(query: impl Query) -> Self {
        Sought { clause: Box::new(query), weight: Arc::default() }
    }

    fn scorer(&self, at: At<'_>) -> tantivy::Result<Box<dyn Scorer>> {
        if let Some(weight) = self.weight.get() {
            return weight.scorer(at.segment, 1.0);
        }
        let weight = self.clause.weight(EnableScoring::disabled_from_searcher(at.searcher))?;
        // Where two segments make it at the same time, one of them is kept.
        self.weight.get_or_init(|| weight).scorer(at.segment, 1.0)
    }
}

impl Clone for Sought {
    fn clone(&self) -> Self {
        Sought { clause: self.clause.box_clone(), weight: Arc::clone(&self.weight) }
    }
}

impl std::fmt::Debug for Sought {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.clause.fmt(f)
    }
}

/// The ways as a query.
pub fn clause(ways: &Ways) -> Clause {
    let each = ways.iter().map(|(way, weight)| Box::new(BoostQuery::new(clause_of(way), *weight)) as Clause);
    Box::new(DisjunctionMaxQuery::with_tie_breaker(each.collect(), TIE_BREAKER))
}

fn clause_of(way: &Way) -> Clause {
    match way {
        Way::Term(term) => Box::new(TermQuery::new(term.clone(), IndexRecordOption::WithFreqs)),
        Way::Best(ways) => clause(ways),
        Way::All(parts) => Box::new(BooleanQuery::new(parts.iter().map(|part| (Occur::Must, clause(part))).collect())),
        Way::Any(sought) => sought.clause.box_clone(),
        Way::Phrase(terms) => Box::new(PhraseQuery::new(terms.clone())),
    }
}

/// The documents of frequent terms, kept as long as their segment is there: a list has words that many questions name.
#[derive(Default)]
pub struct Marks(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// The segments that there are.
    segments: Vec<SegmentId>,
    bytes: usize,
    terms: HashMap<(SegmentId, Term), Arc<Postings>>,
}

/// The documents of a term in a segment, whatever there is in others.
struct Postings {
    bits: Arc<Bits>,
    /// How often it is in a text of each length, at the most.
    often: Vec<(u8, u32)>,
}

/// The documents of a way.
pub struct Marked {
    bits: Arc<Bits>,
    /// How many they are.
    count: u64,
    /// The most that it counts for one of them.
    most: f32,
}

impl Marked {
    fn of(bits: Arc<Bits>, most: f32) -> Self {
        Marked { count: bits.count(), bits, most }
    }
}

/// So much is kept.
const MOST_BYTES: usize = 64 << 20;

/// A term is frequent that is in such a part of a segment.
const FREQUENT: u32 = 16;

/// Smaller segments are gone through quickly. Tests have small ones.
const SMALLEST: u32 = if cfg!(test) { 64 } else { 1 << 14 };

impl Marks {
    fn of(&self, key: &(SegmentId, Term), mark: impl FnOnce() -> Postings) -> Arc<Postings> {
        if let Some(found) = self.known().terms.get(key) {
            return Arc::clone(found);
        }
        // Nobody waits for it.
        let marked = Arc::new(mark());
        let mut known = self.known();
        let bytes = marked.bits.bytes();
        if known.bytes + bytes > MOST_BYTES {
            known.terms.clear();
            known.bytes = 0;
        }
        if known.terms.insert(key.clone(), Arc::clone(&marked)).is_none() {
            known.bytes += bytes;
        }
        marked
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what was known of segments that are not there any more.
    pub fn forget_others(&self, searcher: &Searcher) {
        let segments: Vec<SegmentId> = searcher.segment_readers().iter().map(SegmentReader::segment_id).collect();
        let mut known = self.known();
        if known.segments != segments {
            known.terms.retain(|(segment, _), _| segments.contains(segment));
            known.bytes = known.terms.values().map(|marked| marked.bits.bytes()).sum();
            known.segments = segments;
        }
    }
}

/// A segment of the index.
#[derive(Clone, Copy)]
pub struct At<'a> {
    /// The index.
    pub searcher: &'a Searcher,
    /// What is known of it.
    pub marks: &'a Marks,
    /// The segment.
    pub segment: &'a SegmentReader,
}

/// The most that ways count together, where each counts no more than this.
fn together(each: impl Iterator<Item = f32>) -> f32 {
    let (best, sum) = each.fold((0.0_f32, 0.0_f32), |(best, sum), one| (best.max(one), sum + one));
    best + TIE_BREAKER * (sum - best)
}

/// More than terms can count for any document: as if a very short one had nothing but them. What the index calls the most is that of long ones.
fn most_of(searcher: &Searcher, terms: &[Term]) -> tantivy::Result<f32> {
    Ok(Bm25Weight::for_terms(searcher, terms)?.score(0, u32::MAX))
}

/// A way is rare for a word if it is that of less than such a part of those of its most frequent one.
const RARE: u64 = 4;

/// A way, as it is in a segment.
pub enum Here {
    /// As a term.
    Term(Term),
    /// In the best of some ways.
    Best(Heres),
    /// As several words, each of which has to be there.
    All(Vec<Heres>),
    /// In one of these documents; each counts one.
    In(Arc<Marked>),
    /// As terms next to each other.
    Phrase(Vec<Term>),
}

/// Those of some ways that are in a segment, each with how much it counts.
pub type Heres = Vec<(Here, f32)>;

/// Where a word stands in a segment.
pub struct Spread {
    /// Its documents.
    pub all: Arc<Bits>,
    /// The most that it counts for one of them.
    pub usual: f32,
    /// Those in which it stands in a way that is rare for it.
    pub rare: Arc<Bits>,
    /// What it counts more for one of these, at the most.
    pub more: f32,
    /// In which ways.
    pub here: Heres,
}

impl At<'_> {
    /// The documents of a word, with the most that it counts for one of them: for each of them, and for those besides in which it stands in a way that is
    /// rare for it. A word that most texts have may stand in few titles.
    pub fn spread(self, ways: &Ways) -> tantivy::Result<Spread> {
        let mut each = Vec::with_capacity(ways.len());
        let mut here = Heres::new();
        for (way, weight) in ways {
            let Some((way, marked)) = self.find(way)? else { continue };
            each.push((marked.most * weight, marked));
            here.push((way, *weight));
        }
        let documents = if each.is_empty() { 0 } else { self.segment.max_doc() };
        let largest = each.iter().map(|(_, marked)| marked.count).max().unwrap_or_default();
        let (mut all, mut rare) = (Bits::none(documents), Bits::none(documents));
        for (_, marked) in &each {
            all.add(&marked.bits);
            if marked.count * RARE < largest {
                rare.add(&marked.bits);
            }
        }
        let usual = together(each.iter().filter(|(_, marked)| marked.count * RARE >= largest).map(|(most, _)| *most));
        let more = together(each.iter().map(|(most, _)| *most)) - usual;
        Ok(Spread { all: Arc::new(all), usual, rare: Arc::new(rare), more, here })
    }

    /// Terms by themselves or next to each other, and the most that they can count, without a look at any document; nothing where there is another way.
    pub fn unmarked(self, ways: &Ways) -> tantivy::Result<Option<(Heres, f32)>> {
        let mut each = Vec::with_capacity(ways.len());
        let mut here = Heres::new();
        for (way, weight) in ways {
            let (way, most) = match way {
                Way::Term(term) => (Here::Term(term.clone()), most_of(self.searcher, std::slice::from_ref(term))?),
                Way::Phrase(terms) => (Here::Phrase(terms.clone()), most_of(self.searcher, terms)?),
                Way::Best(_) | Way::All(_) | Way::Any(_) => return Ok(None),
            };
            each.push(most * weight);
            here.push((way, *weight));
        }
        Ok(Some((here, together(each.into_iter()))))
    }

    /// A way and its documents; nothing where there are none. Most ways are in few segments.
    fn find(self, way: &Way) -> tantivy::Result<Option<(Here, Arc<Marked>)>> {
        Ok(match way {
            Way::Term(term) => self.marked_term(term)?.map(|marked| (Here::Term(term.clone()), marked)),
            Way::Best(ways) => {
                let Spread { all, usual, more, here, .. } = self.spread(ways)?;
                let marked = || Arc::new(Marked::of(Arc::clone(&all), usual + more));
                (!here.is_empty()).then(|| (Here::Best(here), marked()))
            }
            Way::All(parts) => self.find_all(parts)?,
            Way::Any(sought) => {
                let marked = self.marked(sought.scorer(self)?, || Ok(1.0))?;
                marked.map(|marked| (Here::In(Arc::clone(&marked)), marked))
            }
            Way::Phrase(terms) => {
                let weight = PhraseQuery::new(terms.clone()).weight(EnableScoring::disabled_from_searcher(self.searcher))?;
                let marked = self.marked(weight.scorer(self.segment, 1.0)?, || most_of(self.searcher, terms))?;
                marked.map(|marked| (Here::Phrase(terms.clone()), marked))
            }
        })
    }

    fn find_all(self, parts: &[Ways]) -> tantivy::Result<Option<(Here, Arc<Marked>)>> {
        let mut found = Bits::all(self.segment.max_doc());
        let (mut most, mut each) = (0.0, Vec::with_capacity(parts.len()));
        for part in parts {
            let Spread { all, usual, more, here, .. } = self.spread(part)?;
            found.keep(&all);
            most += usual + more;
            each.push(here);
        }
        Ok((!found.is_empty()).then(|| (Here::All(each), Arc::new(Marked::of(Arc::new(found), most)))))
    }

    fn marked(self, mut scorer: Box<dyn Scorer>, most: impl FnOnce() -> tantivy::Result<f32>) -> tantivy::Result<Option<Arc<Marked>>> {
        if scorer.doc() == TERMINATED {
            return Ok(None);
        }
        let mut bits = Bits::none(self.segment.max_doc());
        mark(scorer.as_mut(), &mut bits);
        Ok(Some(Arc::new(Marked::of(Arc::new(bits), most()?))))
    }

    fn marked_term(self, term: &Term) -> tantivy::Result<Option<Arc<Marked>>> {
        let inverted = self.segment.inverted_index(term.field())?;
        let Some(mut block) = inverted.read_block_postings(term, IndexRecordOption::WithFreqs)? else { return Ok(None) };
        let (documents, of) = (self.segment.max_doc(), block.doc_freq());
        if of == documents {
            return Ok(Some(Arc::new(Marked::of(Arc::new(Bits::all(documents)), most_of(self.searcher, std::slice::from_ref(term))?))));
        }
        let weight = Bm25Weight::for_terms(self.searcher, std::slice::from_ref(term))?;
        let norms = self.segment.get_fieldnorms_reader(term.field())?;
        // The most that the index has written down of a block is that of a segment by itself: texts elsewhere may be longer.
        let mut mark = || {
            let (mut bits, mut most_often) = (Bits::none(documents), [0; 256]);
            while block.block_len() > 0 {
                for (document, often) in block.docs().iter().zip(block.freqs()) {
                    let most: &mut u32 = &mut most_often[usize::from(norms.fieldnorm_id(*document))];
                    *most = (*most).max(*often);
                    bits.insert(*document);
                }
                block.advance();
            }
            Postings { bits: Arc::new(bits), often: (0..=u8::MAX).zip(most_often).filter(|(_, often)| *often > 0).collect() }
        };
        let is_frequent = documents >= SMALLEST && of >= documents / FREQUENT;
        let postings = match is_frequent {
            true => self.marks.of(&(self.segment.segment_id(), term.clone()), mark),
            false => Arc::new(mark()),
        };
        let most = postings.often.iter().map(|(length, often)| weight.score(*length, *often)).fold(0.0, f32::max);
        Ok(Some(Arc::new(Marked::of(Arc::clone(&postings.bits), most))))
    }

    /// Marks what a query finds.
    pub fn mark_query(self, query: &dyn Query, bits: &mut Bits) -> tantivy::Result<()> {
        let weight = query.weight(EnableScoring::disabled_from_searcher(self.searcher))?;
        mark(weight.scorer(self.segment, 1.0)?.as_mut(), bits);
        Ok(())
    }

    /// What tells how much ways count for a document; nothing where none of them is in the segment.
    pub fn judge(self, ways: &Heres, boost: f32) -> tantivy::Result<Option<Judge>> {
        let mut judges = Vec::with_capacity(ways.len());
        for (way, weight) in ways {
            judges.extend(self.judge_of(way, boost * weight)?);
        }
        Ok((!judges.is_empty()).then_some(Judge::Best(judges)))
    }

    fn judge_of(self, way: &Here, boost: f32) -> tantivy::Result<Option<Judge>> {
        let query: Clause = match way {
            Here::Best(ways) => return self.judge(ways, boost),
            Here::All(parts) => {
                let judges: Option<Vec<Judge>> = parts.iter().map(|part| self.judge(part, boost)).collect::<tantivy::Result<_>>()?;
                return Ok(judges.map(Judge::All));
            }
            Here::In(marked) => return Ok(Some(Judge::In(Arc::clone(marked), boost))),
            Here::Term(term) => Box::new(TermQuery::new(term.clone(), IndexRecordOption::WithFreqs)),
            Here::Phrase(terms) => Box::new(PhraseQuery::new(terms.clone())),
        };
        let scorer = query.weight(EnableScoring::enabled_from_searcher(self.searcher))?.scorer(self.segment, boost)?;
        Ok((scorer.doc() != TERMINATED).then_some(Judge::One(scorer)))
    }
}

fn mark(scorer: &mut dyn Scorer, bits: &mut Bits) {
    while scorer.doc() != TERMINATED {
        bits.insert(scorer.doc());
        scorer.advance();
    }
}

/// Tells how much ways count for a document. It is asked of documents in their order. Whatever else it was asked of, it says the same of one: pages
/// that are asked for one after the other fit together.
pub enum Judge {
    /// As the index says.
    One(Box<dyn Scorer>),
    /// The same for each of some documents.
    In(Arc<Marked>, f32),
    /// The best of some, and a little of the others.
    Best(Vec<Judge>),
    /// All of some, where each says something.
    All(Vec<Judge>),
}

impl Judge {
    /// How much they count for this document; nothing where it has none of them.
    pub fn of(&mut self, document: DocId) -> Option<f32> {
        match self {
            Judge::One(scorer) => {
                let at = if scorer.doc() < document { scorer.seek(document) } else { scorer.doc() };
                (at == document).then(|| scorer.score())
            }
            Judge::In(marked, each) => marked.bits.has(document).then_some(*each),
            Judge::Best(judges) => {
                let (mut best, mut sum, mut is_there) = (0.0_f32, 0.0_f32, false);
                for one in judges.iter_mut().filter_map(|judge| judge.of(document)) {
                    (best, sum, is_there) = (best.max(one), sum + one, true);
                }
                is_there.then_some(best + TIE_BREAKER * (sum - best))
            }
            Judge::All(judges) => {
                // Each is asked: all of them go on together.
                let mut sum = Some(0.0);
                for judge in judges {
                    let one = judge.of(document);
                    sum = sum.zip(one).map(|(sum, one)| sum + one);
                }
                sum
            }
        }
    }
}
