//! What somebody types, as a query of the index. Each word is sought in every field, also by its stem, its synonyms, its spelling in pinyin, with a typing
//! error, and, if it is the last one, by its beginning; the field in which it is found best counts. A part in quotes has to be there as it is.

use std::collections::HashSet;

use tantivy::Term;
use tantivy::query::{BooleanQuery, BoostQuery, FuzzyTermQuery, Occur, Query};
use tantivy::schema::Field;

use super::index::Fields;
use super::synonyms::Synonyms;
use super::ways::{Sought, Way, Ways, clause};
use super::wish::Within;
use super::words;

/// The longest question that is read; the rest of a longer one is left out.
pub const MOST_LETTERS: usize = 300;

/// How many words of a question count.
const MOST_UNITS: usize = 24;

/// How many letters or words next to each other are sought as they are.
const MOST_NEXT: usize = 24;

/// How many words next to each other may mean something together.
const MOST_JOINT: usize = 12;

type Clause = Box<dyn Query>;

/// Clauses, each with whether it has to hold.
type Clauses = Vec<(Occur, Clause)>;

/// Words that say little: they help where they are, and no dataset has to have them.
const LITTLE: &[&str] = &[
    "a",
    "about",
    "all",
    "an",
    "and",
    "any",
    "are",
    "at",
    "be",
    "by",
    "can",
    "data",
    "dataset",
    "datasets",
    "do",
    "does",
    "find",
    "for",
    "from",
    "get",
    "give",
    "has",
    "have",
    "how",
    "i",
    "in",
    "is",
    "it",
    "list",
    "many",
    "me",
    "much",
    "my",
    "of",
    "on",
    "or",
    "our",
    "show",
    "that",
    "the",
    "their",
    "there",
    "these",
    "this",
    "to",
    "us",
    "was",
    "we",
    "were",
    "what",
    "when",
    "where",
    "which",
    "who",
    "why",
    "with",
    "you",
    "的",
    "了",
    "在",
    "是",
    "和",
    "与",
    "及",
    "有",
    "哪",
    "哪些",
    "哪里",
    "什么",
    "怎么",
    "怎样",
    "如何",
    "吗",
    "呢",
    "我",
    "想",
    "要",
    "查",
    "找",
    "查询",
    "请问",
    "多少",
    "几",
    "个",
    "数据",
    "数据集",
    "信息",
    "关于",
    "对",
    "到",
    "年",
    "最",
    "能",
    "可以",
    "全区",
    "本区",
    "所有",
    "全部",
    "有没有",
    "没有",
    "资料",
    "方面",
    "地方",
    "需要",
    "所需",
    "当前",
    "目前",
    "情况",
    "是否",
    "附近",
    "研究",
];

/// A question, read.
#[derive(Debug, Default)]
pub struct Asked {
    /// The parts in quotes: each has to be there as it is.
    pub phrases: Vec<Ways>,
    /// The words of which some have to be there, each in its ways.
    pub needed: Vec<Ways>,
    /// How many of them.
    pub least: usize,
    /// What only orders what is found: words that say little.
    pub little: Vec<Ways>,
    /// The same: several words next to each other that mean something together.
    pub joint: Vec<Ways>,
    /// The same: the words next to each other as they are.
    pub whole: Option<Ways>,
    /// Whether what has the words next to each other has each of them for sure: Chinese is parted into words otherwise elsewhere.
    pub whole_has_all: bool,
}

/// How much less a word counts that says little.
const OF_LITTLE: f32 = 0.3;

/// How much words next to each other count.
pub const OF_WHOLE: f32 = 4.0;

/// How much a part in quotes counts.
const OF_PHRASE: f32 = 3.0;

/// Reads a question; none where nothing in it is a word.
pub fn read(within: &Within<'_>, text: &str) -> Option<Asked> {
    let fields = within.fields;
    let text: String = text.chars().take(MOST_LETTERS).collect();
    let folded = words::folded(&text);
    let (phrases, loose) = quoted(&folded);
    // Said twice it is the same word.
    let mut said = HashSet::new();
    let units: Vec<String> = words::units(&loose).into_iter().filter(|unit| said.insert(unit.clone())).take(MOST_UNITS).collect();
    let phrases: Vec<Ways> = phrases.iter().filter_map(|phrase| phrase_of(fields, phrase).map(|way| vec![(way, 1.0)])).collect();
    if phrases.is_empty() && units.is_empty() {
        return None;
    }
    let mut asked = if units.is_empty() { Asked::default() } else { of_units(within, &units, &loose) };
    asked.phrases = phrases;
    Some(asked)
}

impl Asked {
    /// The question as a query.
    pub fn query(&self) -> Clause {
        let mut clauses: Clauses = self.phrases.iter().map(|phrase| (Occur::Must, boosted(clause(phrase), OF_PHRASE))).collect();
        if !self.needed.is_empty() {
            // Beside a phrase, other words only order what has it.
            clauses.push((if clauses.is_empty() { Occur::Must } else { Occur::Should }, self.of_words()));
        }
        Box::new(BooleanQuery::new(clauses))
    }

    /// Everything that counts but the words next to each other, those of which some are needed first; and how much each counts.
    pub fn words(&self) -> impl Iterator<Item = (&Ways, f32)> {
        let little = self.little.iter().map(|ways| (ways, OF_LITTLE));
        self.needed.iter().map(|ways| (ways, 1.0)).chain(little).chain(self.joint.iter().map(|ways| (ways, 1.0)))
    }

    fn of_words(&self) -> Clause {
        let needed = self.needed.iter().map(|ways| (Occur::Should, clause(ways))).collect();
        let needed: Clause = Box::new(BooleanQuery::with_minimum_required_clauses(needed, self.least));
        let little = self.little.iter().map(|ways| boosted(clause(ways), OF_LITTLE));
        let whole = self.whole.iter().map(|ways| boosted(clause(ways), OF_WHOLE));
        let others = little.chain(self.joint.iter().map(clause)).chain(whole).map(|clause| (Occur::Should, clause));
        Box::new(BooleanQuery::new(others.chain([(Occur::Must, needed)]).collect()))
    }
}

/// The parts of a question in quotes, and the rest.
fn quoted(text: &str) -> (Vec<String>, String) {
    let text = text.replace(['“', '”', '「', '」'], "\"");
    let parts: Vec<&str> = text.split('"').collect();
    // A quote that does not end is none.
    let closed = parts.len() - usize::from(parts.len().is_multiple_of(2));
    let (mut phrases, mut rest) = (Vec::new(), Vec::new());
    for (at, part) in parts.into_iter().enumerate() {
        let inside = at % 2 == 1 && at < closed;
        if inside && !words::letters(part).is_empty() { phrases.push(part.to_owned()) } else { rest.push(part) }
    }
    (phrases, rest.join(" "))
}

fn of_units(within: &Within<'_>, units: &[String], loose: &str) -> Asked {
    let fields = within.fields;
    let known: Vec<bool> = units.iter().map(|unit| is_well_known(within, unit)).collect();
    let last_open = !loose.ends_with(char::is_whitespace);
    let says_much = |unit: &String| !LITTLE.contains(&unit.as_str());
    let counted = units.iter().filter(|unit| says_much(unit)).count();
    let mut asked = Asked::default();
    for (at, (unit, known)) in units.iter().zip(&known).enumerate() {
        let ways = if *known { with_synonyms(fields, unit) } else { of_unit(fields, unit, last_open && at + 1 == units.len()) };
        if counted == 0 || says_much(unit) { asked.needed.push(ways) } else { asked.little.push(ways) }
    }
    // Of a long question two words have to be there: the rarest words order what is found.
    asked.least = (asked.needed.len() / 3).clamp(1, 2);
    // Several words next to each other may have a synonym, or be spelt as one.
    for count in 2..=3 {
        for (joined, known) in units.windows(count).zip(known.windows(count)) {
            asked.joint.extend(joint(fields, joined, known.iter().all(|known| *known)));
        }
    }
    asked.joint.truncate(MOST_JOINT);
    // So much next to each other nobody has; to look would be the dearest part of it.
    if units.len() > 1 && words::letters(loose).len() <= MOST_NEXT {
        asked.whole = phrase_of(fields, loose).map(|way| vec![(way, 1.0)]);
    }
    asked.whole_has_all = !loose.chars().any(words::is_han);
    asked
}

/// The fields in which words are sought, and how much each counts.
fn places(fields: &Fields) -> [(Field, f32); 6] {
    [
        (fields.title, 6.0),
        (fields.keywords, 4.0),
        (fields.names, 2.0),
        (fields.columns, 2.0),
        (fields.description, 1.5),
        (fields.values, 1.5),
    ]
}

fn term(field: Field, text: &str) -> Way {
    Way::Term(Term::from_field_text(field, text))
}

fn boosted(query: Clause, by: f32) -> Clause {
    Box::new(BoostQuery::new(query, by))
}

/// A word as it is, in every field.
fn plain(fields: &Fields, unit: &str) -> Ways {
    let mut ways = Ways::new();
    let stem = words::stemmed(unit);
    for (field, weight) in places(fields) {
        ways.push((term(field, unit), weight));
        ways.extend(stem.as_deref().map(|stem| (term(field, stem), weight * 0.9)));
    }
    ways
}

/// All words of a text that stands for another one.
fn meaning_the_same(fields: &Fields, text: &str) -> Option<Way> {
    let all: Vec<Ways> = words::units(text).iter().map(|unit| plain(fields, unit)).collect();
    (!all.is_empty()).then_some(Way::All(all))
}

/// In so many datasets a word is no misspelling, and no beginning of another one.
const WELL_KNOWN: u64 = 1000;

/// Whether a word stands as it is in so many datasets that nothing else was meant. What else it could be is much to go through in a long list.
fn is_well_known(within: &Within<'_>, unit: &str) -> bool {
    let count = |field| within.searcher.doc_freq(&Term::from_field_text(field, unit)).unwrap_or_default();
    // What was deleted is counted until the parts of the index are joined: a short list has no such words.
    within.searcher.num_docs() >= WELL_KNOWN && places(within.fields).into_iter().any(|(field, _)| count(field) >= WELL_KNOWN)
}

/// A word and those that mean the same.
fn with_synonyms(fields: &Fields, unit: &str) -> Ways {
    let mut ways = plain(fields, unit);
    for other in Synonyms::shipped().of(unit) {
        ways.extend(meaning_the_same(fields, other).map(|way| (way, 0.7)));
    }
    ways
}

fn of_unit(fields: &Fields, unit: &str, is_last: bool) -> Ways {
    let mut ways = with_synonyms(fields, unit);
    if unit.chars().all(words::is_han) {
        of_han(fields, unit, is_last, &mut ways);
    } else if unit.chars().all(|letter| letter.is_ascii_alphabetic()) {
        of_latin(fields, unit, is_last, &mut ways);
    }
    ways
}

/// As the beginning of a word.
fn beginning(field: Field, text: &str) -> Way {
    Way::Any(Sought::by(FuzzyTermQuery::new_prefix(Term::from_field_text(field, text), 0, true)))
}

fn of_han(fields: &Fields, unit: &str, is_last: bool, ways: &mut Ways) {
    let count = unit.chars().count();
    if count < 2 {
        ways.extend(phrase_of(fields, unit).map(|way| (way, 0.3)));
        return;
    }
    // Where the index parts the words otherwise.
    ways.extend(phrase_of(fields, unit).map(|way| (way, 2.0)));
    for inner in words::inner(unit) {
        ways.push((Way::Best(plain(fields, &inner)), 0.4));
    }
    if is_last {
        for (field, weight) in [(fields.title, 1.5), (fields.keywords, 1.0)] {
            ways.push((beginning(field, unit), weight));
        }
    }
    // A word that sounds the same was meant, perhaps.
    for sound in words::spellings(unit).0.iter().filter(|sound| sound.len() >= 4) {
        ways.push((term(fields.pinyin, sound), 0.5));
    }
}

fn of_latin(fields: &Fields, unit: &str, is_last: bool, ways: &mut Ways) {
    ways.push((term(fields.pinyin, unit), 2.5));
    if (2..=8).contains(&unit.len()) {
        ways.push((term(fields.initials, unit), 2.0));
    }
    let wrong = match unit.len() {
        0..=3 => 0,
        4..=7 => 1,
        _ => 2,
    };
    for (field, weight) in [(fields.title, 1.5), (fields.keywords, 1.0), (fields.names, 0.5), (fields.columns, 0.5)] {
        if wrong > 0 {
            let fuzzy = FuzzyTermQuery::new(Term::from_field_text(field, unit), wrong, true);
            ways.push((Way::Any(Sought::by(fuzzy)), weight));
        }
        if is_last && unit.len() >= 2 {
            ways.push((beginning(field, unit), weight * 1.5));
        }
    }
    if is_last && unit.len() >= 4 {
        ways.push((beginning(fields.pinyin, unit), 1.0));
    }
}

/// Words next to each other that mean something together.
fn joint(fields: &Fields, units: &[String], all_known: bool) -> Option<Ways> {
    let is_latin = units.iter().all(|unit| unit.is_ascii());
    let text = units.join(if is_latin { " " } else { "" });
    let mut ways: Ways = Ways::new();
    for other in Synonyms::shipped().of(&text) {
        ways.extend(meaning_the_same(fields, other).map(|way| (way, 1.0)));
    }
    if is_latin {
        ways.push((term(fields.pinyin, &units.concat()), 3.0));
    } else if !all_known {
        ways.extend(phrase_of(fields, &text).map(|way| (way, 2.0)));
    }
    (!ways.is_empty()).then_some(ways)
}

/// The letters of a text next to each other.
fn phrase_of(fields: &Fields, text: &str) -> Option<Way> {
    let letters = words::letters(text);
    let terms: Vec<Term> = letters.iter().map(|word| Term::from_field_text(fields.letters, &word.text)).collect();
    match terms.len() {
        0 => None,
        1 => terms.into_iter().next().map(Way::Term),
        _ => Some(Way::Phrase(terms)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_that_does_not_end_is_none() {
        assert_eq!(quoted("a \"b c\" d"), (vec!["b c".to_owned()], "a   d".to_owned()));
        assert_eq!(quoted("a \"b c"), (vec![], "a  b c".to_owned()));
        assert_eq!(quoted("“空气”"), (vec!["空气".to_owned()], " ".to_owned()));
        assert_eq!(quoted("\"\"*)("), (vec![], "  *)(".to_owned()));
    }
}
