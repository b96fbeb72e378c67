//! Search: an index of the list on this machine's disk, which follows the ledger. It is brought up to the list before each answer, so that what is no longer
//! in the list is in no answer; and it can be made anew from the list at any time.

mod best;
mod bits;
mod counts;
mod follow;
mod index;
mod question;
mod suggest;
mod synonyms;
mod ways;
mod wish;
mod words;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex};

use tantivy::collector::TopDocs;
use tantivy::columnar::Column;
use tantivy::query::{BooleanQuery, Occur, Query, RangeQuery};
use tantivy::{DocId, Index, IndexReader, ReloadPolicy, Score, Searcher, SegmentReader, Term};

use crate::catalog::Field;
use crate::error::{Error, Result};
use index::Fields;

use best::{Hit, Put};
use counts::{Columns, Tallied, Tally};
pub use counts::{Counted, Counts};
use question::MOST_LETTERS;
use ways::Marks;
use wish::Within;
pub use wish::{Choice, Facet, Moment, Order, Place};

/// In which formats a table of these fields and so many rows can be had.
pub type FormatsOf = fn(&[Field], i64) -> Vec<&'static str>;

/// The index.
pub struct Search {
    reader: IndexReader,
    fields: Fields,
    formats: FormatsOf,
    /// What is counted of the segments.
    columns: Arc<Columns>,
    /// Where frequent words are.
    marks: Marks,
    keeper: Mutex<follow::Keeper>,
    /// The last ledger entry that is in the index, once it was held against the ledger.
    reached: AtomicI64,
}

/// What is asked.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Which datasets.
    pub choice: Choice,
    /// In which order.
    pub order: Order,
    /// Behind which place.
    pub after: Option<Place>,
    /// How many to leave out at the beginning.
    pub skip: usize,
    /// How many at the most.
    pub limit: usize,
    /// By what they are counted, each with how many of its most frequent values.
    pub counted: Vec<(Facet, usize)>,
}

/// So many threads go through the index at the most.
const MOST_THREADS: usize = 8;

/// A part of what was found: the slugs, and where the next part begins.
type Page = (Vec<String>, Option<Place>);

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// The slugs, in their order.
    pub slugs: Vec<String>,
    /// How many there are in all.
    pub total: usize,
    /// Where the next page begins.
    pub next: Option<Place>,
    /// How many have each value.
    pub counts: BTreeMap<Facet, Counts>,
}

impl Search {
    /// The longest question, in characters.
    pub const MOST_LETTERS: usize = MOST_LETTERS;

    /// Opens the index in a folder, which is made where it is not there.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub fn open(folder: &Path, formats: FormatsOf) -> anyhow::Result<Self> {
        let (schema, fields) = index::schema();
        let folder = folder.join(format!("kind-{}", index::KIND));
        let open = || -> anyhow::Result<Index> {
            crate::storage::make_folder(&folder)?;
            Ok(Index::open_or_create(tantivy::directory::MmapDirectory::open(&folder)?, schema.clone())?)
        };
        let mut index = open().or_else(|cause| {
            // It holds nothing that is not in the list: a damaged one is made anew.
            tracing::warn!(error = ?cause, "the search index cannot be read, and is made anew");
            crate::storage::remove_folder(&folder)?;
            open()
        })?;
        // A question goes through the parts of the index at the same time.
        index.set_multithread_executor(std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(MOST_THREADS))?;
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        let keeper = Mutex::new(follow::Keeper::new(&index)?);
        Ok(Search { reader, fields, formats, columns: Arc::default(), marks: Marks::default(), keeper, reached: AtomicI64::new(i64::MIN) })
    }

    /// Loads what every search needs, so that the first one does not wait for it.
    pub fn load_words() {
        words::load();
    }

    /// Answers a wish from the index as it is.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn find(&self, wish: &Wish) -> Result<Found> {
        let searcher = self.reader.searcher();
        let within = Within { fields: &self.fields, searcher: &searcher };
        self.columns.forget_others(&searcher);
        self.marks.forget_others(&searcher);
        // Room is made for what there is, whatever is asked for.
        let there = usize::try_from(searcher.num_docs()).unwrap_or(usize::MAX);
        let room = wish.limit.saturating_add(1).min(there.saturating_sub(wish.skip));
        let answered = if wish.order == Order::Best { self.best(&within, wish, room)? } else { None };
        let (tallied, (slugs, next)) = match answered {
            Some(answered) => answered,
            None => self.page(&searcher, wish.choice.query(&within), wish, room)?,
        };
        Ok(Found { slugs, total: tallied.total(), next, counts: tallied.counts(&wish.counted) })
    }

    /// The best of what one question finds; nothing where another way is the better one.
    fn best(&self, within: &Within<'_>, wish: &Wish, room: usize) -> Result<Option<(Tallied, Page)>> {
        let Some((text, others)) = wish.choice.question() else { return Ok(None) };
        let Some(asked) = question::read(within, text).filter(|asked| asked.phrases.is_empty()) else { return Ok(None) };
        let filters: Vec<Box<dyn Query>> = others.into_iter().map(|other| other.query(within)).collect();
        let searcher = within.searcher;
        let put = Put::new(searcher, &self.marks, &asked, &filters).map_err(Error::internal)?;
        if put.is_dense {
            return Ok(None);
        }
        let tally = Tally::of(&wish.counted, &self.columns);
        let tallied = tally.count(searcher, put.segments.iter().map(|segment| &segment.found)).map_err(Error::internal)?;
        if wish.limit == 0 || room == 0 {
            return Ok(Some((tallied, (Vec::new(), None))));
        }
        let found = put.best(wish.skip.saturating_add(room), wish.after.as_ref()).map_err(Error::internal)?;
        let mut found: Vec<Hit> = found.into_iter().skip(wish.skip).collect();
        let more = found.len() > wish.limit;
        found.truncate(wish.limit);
        let next = found.last().filter(|_| more).map(|hit| Place::Number(hit.number, hit.tie));
        let mut slugs = Vec::with_capacity(found.len());
        for hit in found {
            slugs.extend(slug_of(searcher.segment_reader(hit.segment), hit.document)?);
        }
        Ok(Some((tallied, (slugs, next))))
    }

    /// What somebody may have meant who asked this and found nothing or little; none where every word is known.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn suggestion(&self, question: &str) -> Result<Option<String>> {
        suggest::suggestion(&self.reader.searcher(), &self.fields, question)
    }

    fn page(&self, searcher: &Searcher, query: Box<dyn Query>, wish: &Wish, room: usize) -> Result<(Tallied, Page)> {
        let tally = || searcher.search(&query, &Tally::of(&wish.counted, &self.columns)).map_err(Error::internal);
        if wish.limit == 0 || room == 0 {
            return Ok((tally()?, (Vec::new(), None)));
        }
        match wish.order {
            // A page of it goes through what is behind a slug, and the counts are of all.
            Order::Slug | Order::SlugDown => Ok((tally()?, self.by_slug(searcher, query, wish, room)?)),
            Order::Best | Order::Updated | Order::UpdatedUp => by_number(&self.columns, searcher, &query, wish, room),
        }
    }

    fn by_slug(&self, searcher: &Searcher, query: Box<dyn Query>, wish: &Wish, room: usize) -> Result<Page> {
        let down = wish.order == Order::SlugDown;
        let mut clauses = vec![(Occur::Must, query)];
        if let Some(Place::Slug(slug)) = &wish.after {
            let end = Bound::Excluded(Term::from_field_text(self.fields.slug, slug));
            let range = if down { RangeQuery::new(Bound::Unbounded, end) } else { RangeQuery::new(end, Bound::Unbounded) };
            clauses.push((Occur::Must, Box::new(range)));
        }
        let order = if down { tantivy::Order::Desc } else { tantivy::Order::Asc };
        let top = TopDocs::with_limit(room).and_offset(wish.skip).order_by_string_fast_field("slug", order);
        let found = searcher.search(&BooleanQuery::new(clauses), &top).map_err(Error::internal)?;
        let mut slugs: Vec<String> = found.into_iter().filter_map(|(slug, _)| slug).collect();
        let more = slugs.len() > wish.limit;
        slugs.truncate(wish.limit);
        let next = slugs.last().filter(|_| more).cloned().map(Place::Slug);
        Ok((slugs, next))
    }
}

/// The datasets by a number, the greatest first; among those of the same number by their tie breaker.
fn by_number(columns: &Arc<Columns>, searcher: &Searcher, query: &dyn Query, wish: &Wish, room: usize) -> Result<(Tallied, Page)> {
    let (after, order) = (wish.after.clone(), wish.order);
    let keys = move |segment: &SegmentReader| {
        let fast = segment.fast_fields();
        let (tie, weight, updated) = (fast.u64("tie").ok(), fast.f64("weight").ok(), fast.i64("updated").ok());
        let after = after.clone();
        move |doc: DocId, score: Score| {
            let number = match order {
                Order::Updated => value(updated.as_ref(), doc) as f64,
                Order::UpdatedUp => -(value(updated.as_ref(), doc) as f64),
                Order::Best | Order::Slug | Order::SlugDown => f64::from(score) * value(weight.as_ref(), doc),
            };
            let tie: u64 = value(tie.as_ref(), doc);
            let is_behind = match after {
                Some(Place::Number(last, last_tie)) => number < last || number == last && tie > last_tie,
                Some(Place::Slug(_)) | None => true,
            };
            (is_behind, number, std::cmp::Reverse(tie))
        }
    };
    let top = TopDocs::with_limit(room).and_offset(wish.skip).tweak_score(keys);
    let (tallied, found) = searcher.search(query, &(Tally::of(&wish.counted, columns), top)).map_err(Error::internal)?;
    let mut found: Vec<_> = found.into_iter().filter(|((is_behind, ..), _)| *is_behind).collect();
    let more = found.len() > wish.limit;
    found.truncate(wish.limit);
    let last = found.last().filter(|_| more).map(|((_, number, tie), _)| Place::Number(*number, tie.0));
    let mut slugs = Vec::with_capacity(found.len());
    for (_, address) in found {
        let segment = searcher.segment_reader(address.segment_ord);
        slugs.extend(slug_of(segment, address.doc_id)?);
    }
    Ok((tallied, (slugs, last)))
}

fn value<T: Copy + Default + PartialOrd + std::fmt::Debug + Send + Sync + 'static>(column: Option<&Column<T>>, doc: DocId) -> T {
    column.and_then(|column| column.first(doc)).unwrap_or_default()
}

fn slug_of(segment: &SegmentReader, doc: DocId) -> Result<Option<String>> {
    let Some(column) = segment.fast_fields().str("slug").map_err(Error::internal)? else { return Ok(None) };
    let Some(ord) = column.term_ords(doc).next() else { return Ok(None) };
    let mut slug = String::new();
    Ok(column.ord_to_str(ord, &mut slug).map_err(Error::internal)?.then_some(slug))
}

#[cfg(test)]
mod tests;
