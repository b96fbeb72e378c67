//! In which ways a word may stand in a dataset, and how much each counts; the way that counts most does, and the others a little.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tantivy::index::SegmentId;
use tantivy::query::{
    Bm25Weight, BooleanQuery, BoostQuery, DisjunctionMaxQuery, EnableScoring, Occur, PhraseQuery, Query, Scorer, TermQuery,
};
use tantivy::schema::IndexRecordOption;
use tantivy::{DocId, DocSet, Searcher, SegmentReader, TERMINATED, Term};

use super::bits::Bits;

type Clause = Box<dyn Query>;

/// What the other ways add to the best one.
const TIE_BREAKER: f32 = 0.15;

/// A way.
#[derive(Debug)]
pub enum Way {
    /// As a term of the index.
    Term(Term),
    /// In the best of some ways.
    Best(Ways),
    /// As several words, each of which has to be there.
    All(Vec<Ways>),
    /// In any of the terms that a query finds; how many does not count.
    Any(Clause),
    /// As terms next to each other.
    Phrase(Vec<Term>),
}

/// Some ways, each with how much it counts.
pub type Ways = Vec<(Way, f32)>;

impl Clone for Way {
    fn clone(&self) -> Self {
        match self {
            Way::Term(term) => Way::Term(term.clone()),
            Way::Best(ways) => Way::Best(ways.clone()),
            Way::All(parts) => Way::All(parts.clone()),
            Way::Any(clause) => Way::Any(clause.box_clone()),
            Way::Phrase(terms) => Way::Phrase(terms.clone()),
        }
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
        Way::Any(clause) => clause.box_clone(),
        Way::Phrase(terms) => Box::new(PhraseQuery::new(terms.clone())),
    }
}

/// The documents of frequent terms, kept while the index stays as it is: a list has words that many questions name.
#[derive(Default)]
pub struct Marks(Mutex<Known>);

#[derive(Default)]
struct Known {
    generation: u64,
    bytes: usize,
    terms: HashMap<(SegmentId, Term), Arc<Marked>>,
}

/// The documents of a way.
struct Marked {
    bits: Bits,
    /// How many they are.
    count: u64,
    /// The most that it counts for one of them.
    most: f32,
}

impl Marked {
    fn of(bits: Bits, most: f32) -> Self {
        Marked { count: bits.count(), bits, most }
    }
}

/// So much is kept.
const MOST_BYTES: usize = 64 << 20;

/// A term is frequent that is in such a part of a segment.
const FREQUENT: u32 = 16;

/// Smaller segments are gone through quickly.
const SMALLEST: u32 = 1 << 14;

impl Marks {
    fn of(&self, searcher: &Searcher, key: &(SegmentId, Term), mark: impl FnOnce() -> Marked) -> Arc<Marked> {
        let generation = searcher.generation().generation_id();
        if let Some(found) = self.at(generation).terms.get(key) {
            return Arc::clone(found);
        }
        // Nobody waits for it.
        let marked = Arc::new(mark());
        let mut known = self.at(generation);
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

    /// What is known of this state of the index; that of another one is forgotten.
    fn at(&self, generation: u64) -> MutexGuard<'_, Known> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.generation != generation {
            *known = Known { generation, ..Known::default() };
        }
        known
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

fn most_of(searcher: &Searcher, terms: &[Term]) -> tantivy::Result<f32> {
    Ok(Bm25Weight::for_terms(searcher, terms)?.max_score())
}

/// A way is rare for a word if it is that of less than such a part of those of its most frequent one.
const RARE: u64 = 4;

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
}

impl At<'_> {
    /// Marks the documents in which a word stands in any of the ways. Answers the most that they count for one of them.
    fn mark(self, ways: &Ways, bits: &mut Bits) -> tantivy::Result<f32> {
        let mut each = Vec::with_capacity(ways.len());
        for (way, weight) in ways {
            each.push(self.mark_way(way, bits)? * weight);
        }
        Ok(together(each.into_iter()))
    }

    fn mark_way(self, way: &Way, bits: &mut Bits) -> tantivy::Result<f32> {
        Ok(match way {
            Way::Term(term) => self.mark_term(term, bits)?,
            Way::Best(ways) => self.mark(ways, bits)?,
            Way::All(parts) => self.mark_all(parts, bits)?,
            Way::Any(clause) => {
                if self.mark_query(clause.as_ref(), bits)? {
                    1.0
                } else {
                    0.0
                }
            }
            Way::Phrase(terms) => {
                let is_there = self.mark_query(&PhraseQuery::new(terms.clone()), bits)?;
                if is_there { most_of(self.searcher, terms)? } else { 0.0 }
            }
        })
    }

    /// The most that words next to each other can count, without a look at any document.
    pub fn most(self, ways: &Ways) -> tantivy::Result<f32> {
        let mut each = Vec::with_capacity(ways.len());
        for (way, weight) in ways {
            let most = match way {
                Way::Term(term) => most_of(self.searcher, std::slice::from_ref(term))?,
                Way::Phrase(terms) => most_of(self.searcher, terms)?,
                Way::Best(_) | Way::All(_) | Way::Any(_) => f32::INFINITY,
            };
            each.push(most * weight);
        }
        Ok(together(each.into_iter()))
    }

    /// The documents of a word, with the most that it counts for one of them: for each of them, and for those besides in which it stands in a way that is
    /// rare for it. A word that most texts have may stand in few titles.
    pub fn spread(self, ways: &Ways) -> tantivy::Result<Spread> {
        let documents = self.segment.max_doc();
        let mut each = Vec::with_capacity(ways.len());
        for (way, weight) in ways {
            each.extend(self.marked(way)?.map(|marked| (marked.most * weight, marked)));
        }
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
        Ok(Spread { all: Arc::new(all), usual, rare: Arc::new(rare), more })
    }

    /// The documents of a way; nothing where there are none. Most ways are in few segments.
    fn marked(self, way: &Way) -> tantivy::Result<Option<Arc<Marked>>> {
        if let Way::Term(term) = way {
            return self.marked_term(term);
        }
        let mut bits = Bits::none(0);
        let most = self.mark_way(way, &mut bits)?;
        Ok((most > 0.0).then(|| Arc::new(Marked::of(bits, most))))
    }

    fn mark_term(self, term: &Term, bits: &mut Bits) -> tantivy::Result<f32> {
        let Some(marked) = self.marked_term(term)? else { return Ok(0.0) };
        bits.make_room(self.segment.max_doc());
        bits.add(&marked.bits);
        Ok(marked.most)
    }

    fn marked_term(self, term: &Term) -> tantivy::Result<Option<Arc<Marked>>> {
        let inverted = self.segment.inverted_index(term.field())?;
        let Some(mut block) = inverted.read_block_postings(term, IndexRecordOption::WithFreqs)? else { return Ok(None) };
        let (documents, of) = (self.segment.max_doc(), block.doc_freq());
        let weight = Bm25Weight::for_terms(self.searcher, std::slice::from_ref(term))?;
        if of == documents {
            return Ok(Some(Arc::new(Marked::of(Bits::all(documents), weight.max_score()))));
        }
        let norms = self.segment.get_fieldnorms_reader(term.field())?;
        let mut mark = || {
            let (mut bits, mut most) = (Bits::none(documents), 0.0_f32);
            while block.block_len() > 0 {
                most = most.max(block.block_max_score(&norms, &weight));
                block.docs().iter().for_each(|document| bits.insert(*document));
                block.advance();
            }
            Marked::of(bits, most)
        };
        let is_frequent = documents >= SMALLEST && of >= documents / FREQUENT;
        Ok(Some(match is_frequent {
            true => self.marks.of(self.searcher, &(self.segment.segment_id(), term.clone()), mark),
            false => Arc::new(mark()),
        }))
    }

    fn mark_all(self, parts: &[Ways], bits: &mut Bits) -> tantivy::Result<f32> {
        let mut found = Bits::all(self.segment.max_doc());
        let mut most = 0.0;
        for part in parts {
            let mut of_part = Bits::none(self.segment.max_doc());
            most += self.mark(part, &mut of_part)?;
            found.keep(&of_part);
        }
        if found.is_empty() {
            return Ok(0.0);
        }
        bits.make_room(self.segment.max_doc());
        bits.add(&found);
        Ok(most)
    }

    /// Marks what a query finds, and answers whether there is anything.
    pub fn mark_query(self, query: &dyn Query, bits: &mut Bits) -> tantivy::Result<bool> {
        let weight = query.weight(EnableScoring::disabled_from_searcher(self.searcher))?;
        let mut scorer = weight.scorer(self.segment, 1.0)?;
        let is_there = scorer.doc() != TERMINATED;
        if is_there {
            bits.make_room(self.segment.max_doc());
        }
        while scorer.doc() != TERMINATED {
            bits.insert(scorer.doc());
            scorer.advance();
        }
        Ok(is_there)
    }

    /// What tells how much the ways count for a document; nothing where none of them is in the segment.
    pub fn judge(self, ways: &Ways, boost: f32) -> tantivy::Result<Option<Judge>> {
        let mut judges = Vec::with_capacity(ways.len());
        for (way, weight) in ways {
            judges.extend(self.judge_of(way, boost * weight)?);
        }
        Ok((!judges.is_empty()).then_some(Judge::Best(judges)))
    }

    fn judge_of(self, way: &Way, boost: f32) -> tantivy::Result<Option<Judge>> {
        match way {
            Way::Best(ways) => self.judge(ways, boost),
            Way::All(parts) => {
                let judges: Option<Vec<Judge>> = parts.iter().map(|part| self.judge(part, boost)).collect::<tantivy::Result<_>>()?;
                Ok(judges.map(Judge::All))
            }
            Way::Term(_) | Way::Any(_) | Way::Phrase(_) => {
                let weight = clause_of(way).weight(EnableScoring::enabled_from_searcher(self.searcher))?;
                let scorer = weight.scorer(self.segment, boost)?;
                Ok((scorer.doc() != TERMINATED).then_some(Judge::One(scorer)))
            }
        }
    }
}

/// Tells how much ways count for a document. It is asked of documents in their order. Whatever else it was asked of, it says the same of one: pages
/// that are asked for one after the other fit together.
pub enum Judge {
    /// As the index says.
    One(Box<dyn Scorer>),
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
