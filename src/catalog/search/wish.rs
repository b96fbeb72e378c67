//! What is asked of the index: which datasets, in which order, which part of them, and counted by what.

use std::ops::Bound;

use chrono::NaiveDateTime;
use tantivy::query::{AllQuery, BooleanQuery, BoostQuery, ConstScoreQuery, EmptyQuery, ExistsQuery, Occur, Query, RangeQuery, TermQuery};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{Searcher, Term};

use super::index::Fields;
use super::question;

/// By what datasets are counted and chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Facet {
    Theme,
    Publisher,
    OpenType,
    Format,
    Frequency,
    HighValue,
    Year,
    Tag,
    Licence,
    Slug,
    /// The formats in which files are named, also those that only the holder of a grant gets.
    Resource,
}

impl Facet {
    /// Those that a list is counted by.
    pub const COUNTED: [Facet; 7] =
        [Facet::Theme, Facet::Publisher, Facet::OpenType, Facet::Format, Facet::Frequency, Facet::HighValue, Facet::Year];

    /// The facet as it is written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Facet::Theme => "theme",
            Facet::Publisher => "publisher",
            Facet::OpenType => "open_type",
            Facet::Format => "format",
            Facet::Frequency => "frequency",
            Facet::HighValue => "high_value",
            Facet::Year => "year",
            Facet::Tag => "tag",
            Facet::Licence => "licence",
            Facet::Slug => "slug",
            Facet::Resource => "resource",
        }
    }

    fn field(self, fields: &Fields) -> Field {
        match self {
            Facet::Theme => fields.theme,
            Facet::Publisher => fields.publisher,
            Facet::OpenType => fields.open_type,
            Facet::Format => fields.format,
            Facet::Frequency => fields.frequency,
            Facet::HighValue => fields.high_value,
            Facet::Year => fields.year,
            Facet::Tag => fields.tag,
            Facet::Licence => fields.licence,
            Facet::Slug => fields.slug,
            Facet::Resource => fields.resource,
        }
    }
}

/// A moment that datasets have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// When it came into the list.
    Created,
    /// When it last changed.
    Updated,
}

/// Which datasets.
#[derive(Debug, Clone)]
pub enum Choice {
    /// Every one.
    All,
    /// None.
    None,
    /// Those that a question finds.
    Question(String),
    /// Those that have any value.
    Any(Facet),
    /// Those that have a value.
    Has(Facet, String),
    /// Those of a time, both ends included.
    Between(Moment, Option<NaiveDateTime>, Option<NaiveDateTime>),
    /// Those of all of these.
    And(Vec<Choice>),
    /// Those of any of these.
    Or(Vec<Choice>),
    /// Those of the others.
    Not(Box<Choice>),
}

/// The index in which is sought.
pub struct Within<'a> {
    /// Its fields.
    pub fields: &'a Fields,
    /// Its state.
    pub searcher: &'a Searcher,
}

impl Choice {
    /// The query; only questions score.
    pub fn query(&self, within: &Within<'_>) -> Box<dyn Query> {
        let fields = within.fields;
        match self {
            Choice::All => Box::new(ConstScoreQuery::new(Box::new(AllQuery), 1.0)),
            Choice::None => Box::new(EmptyQuery),
            Choice::Question(text) => {
                question::read(within, text).map_or_else(|| Box::new(EmptyQuery) as Box<dyn Query>, |asked| asked.query())
            }
            Choice::Any(facet) => Box::new(BoostQuery::new(Box::new(ExistsQuery::new(facet.as_str().to_owned(), false)), 0.0)),
            Choice::Has(facet, value) => {
                let term = Term::from_field_text(facet.field(fields), value);
                Box::new(BoostQuery::new(Box::new(TermQuery::new(term, IndexRecordOption::Basic)), 0.0))
            }
            Choice::Between(moment, from, to) => {
                let field = match moment {
                    Moment::Created => fields.created,
                    Moment::Updated => fields.updated,
                };
                let bound = |at: &Option<NaiveDateTime>| match at {
                    Some(at) => Bound::Included(Term::from_field_i64(field, at.and_utc().timestamp_micros())),
                    None => Bound::Unbounded,
                };
                if from.is_none() && to.is_none() {
                    return Choice::All.query(within);
                }
                Box::new(BoostQuery::new(Box::new(RangeQuery::new(bound(from), bound(to))), 0.0))
            }
            Choice::And(all) if all.is_empty() => Choice::All.query(within),
            // Where nothing is asked for, all fit alike, and their own weights order them.
            Choice::And(all) => {
                let weight = if self.asks() { 0.0 } else { 1.0 };
                Box::new(BooleanQuery::new(all.iter().map(|one| one.clause(within)).chain([every(weight)]).collect()))
            }
            Choice::Or(any) => Box::new(BooleanQuery::new(any.iter().map(|one| (Occur::Should, one.query(within))).collect())),
            Choice::Not(_) => Box::new(BooleanQuery::new(vec![every(1.0), self.clause(within)])),
        }
    }

    /// Tells of every part of it.
    pub fn parts(&self, tell: &mut impl FnMut(&Choice)) {
        tell(self);
        match self {
            Choice::And(parts) | Choice::Or(parts) => parts.iter().for_each(|part| part.parts(tell)),
            Choice::Not(inner) => inner.parts(tell),
            Choice::All | Choice::None | Choice::Question(_) | Choice::Any(_) | Choice::Has(..) | Choice::Between(..) => {}
        }
    }

    /// Whether it asks for words, by which datasets can be ordered.
    pub fn asks(&self) -> bool {
        match self {
            Choice::Question(_) => true,
            Choice::And(parts) | Choice::Or(parts) => parts.iter().any(Choice::asks),
            Choice::All | Choice::None | Choice::Any(_) | Choice::Has(..) | Choice::Between(..) | Choice::Not(_) => false,
        }
    }

    /// The question that it asks, and what else has to hold, where it asks one and nothing in its place.
    pub fn question(&self) -> Option<(&str, Vec<&Choice>)> {
        match self {
            Choice::Question(text) => Some((text, Vec::new())),
            Choice::And(parts) => {
                let (mut asking, others): (Vec<&Choice>, Vec<&Choice>) = parts.iter().partition(|part| part.asks());
                match (asking.pop(), asking.is_empty()) {
                    (Some(Choice::Question(text)), true) => Some((text, others)),
                    (Some(_) | None, _) => None,
                }
            }
            Choice::All | Choice::None | Choice::Any(_) | Choice::Has(..) | Choice::Between(..) | Choice::Or(_) | Choice::Not(_) => None,
        }
    }

    fn clause(&self, within: &Within<'_>) -> (Occur, Box<dyn Query>) {
        match self {
            Choice::Not(inner) => (Occur::MustNot, inner.query(within)),
            Choice::All
            | Choice::None
            | Choice::Question(_)
            | Choice::Any(_)
            | Choice::Has(..)
            | Choice::Between(..)
            | Choice::And(_)
            | Choice::Or(_) => (Occur::Must, self.query(within)),
        }
    }
}

/// Every dataset, so that those which are not of something are found too.
fn every(weight: f32) -> (Occur, Box<dyn Query>) {
    (Occur::Must, Box::new(BoostQuery::new(Box::new(AllQuery), weight)))
}

/// In which order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// What fits best first.
    Best,
    /// By slug.
    #[default]
    Slug,
    /// By slug, backwards.
    SlugDown,
    /// The latest change first.
    Updated,
    /// The earliest change first.
    UpdatedUp,
}

/// A place in an order: what a page begins behind.
#[derive(Debug, Clone, PartialEq)]
pub enum Place {
    /// Behind a slug.
    Slug(String),
    /// Behind a number, and among those of the same number behind a tie breaker.
    Number(f64, u64),
}

impl Place {
    /// As a cursor holds it.
    pub fn text(&self) -> String {
        match self {
            Place::Slug(slug) => format!("s{slug}"),
            Place::Number(number, tie) => format!("n{:x}.{tie:x}", number.to_bits()),
        }
    }

    /// From what a cursor holds.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(slug) = text.strip_prefix('s') {
            return Some(Place::Slug(slug.to_owned()));
        }
        let (number, tie) = text.strip_prefix('n')?.split_once('.')?;
        let number = f64::from_bits(u64::from_str_radix(number, 16).ok()?);
        number.is_finite().then_some(Place::Number(number, u64::from_str_radix(tie, 16).ok()?))
    }
}
