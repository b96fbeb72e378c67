//! What somebody types, as a query of the index. Each word is sought in every field, also by its stem, its synonyms, its spelling in pinyin, with a typing
//! error, and, if it is the last one, by its beginning; the field in which it is found best counts. A part in quotes has to be there as it is.

use tantivy::Term;
use tantivy::query::{BooleanQuery, BoostQuery, DisjunctionMaxQuery, FuzzyTermQuery, Occur, PhraseQuery, Query, TermQuery};
use tantivy::schema::{Field, IndexRecordOption};

use super::index::Fields;
use super::synonyms::Synonyms;
use super::wish::Within;
use super::words;

/// The longest question that is read; the rest of a longer one is left out.
pub const MOST_LETTERS: usize = 300;

/// How many words of a question count.
const MOST_UNITS: usize = 24;

type Clause = Box<dyn Query>;

/// Clauses, each with whether it has to hold.
type Clauses = Vec<(Occur, Clause)>;

/// What the other fields add to the best one.
const TIE_BREAKER: f32 = 0.15;

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

/// The query of a question; none where nothing in it is a word.
pub fn query(within: &Within<'_>, text: &str) -> Option<Clause> {
    let fields = within.fields;
    let text: String = text.chars().take(MOST_LETTERS).collect();
    let folded = words::folded(&text);
    let (phrases, loose) = quoted(&folded);
    let units: Vec<String> = words::units(&loose).into_iter().take(MOST_UNITS).collect();
    let mut clauses: Clauses = Vec::new();
    for phrase in &phrases {
        clauses.extend(phrase_of(fields, phrase).map(|query| (Occur::Must, boosted(query, 3.0))));
    }
    if !units.is_empty() {
        let of_words = of_units(within, &units, &loose);
        // Beside a phrase, other words only order what has it.
        clauses.push((if phrases.is_empty() { Occur::Must } else { Occur::Should }, of_words));
    }
    (!clauses.is_empty()).then(|| Box::new(BooleanQuery::new(clauses)) as Clause)
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

fn of_units(within: &Within<'_>, units: &[String], loose: &str) -> Clause {
    let fields = within.fields;
    let known: Vec<bool> = units.iter().map(|unit| is_well_known(within, unit)).collect();
    let last_open = !loose.ends_with(char::is_whitespace);
    let says_much = |unit: &String| !LITTLE.contains(&unit.as_str());
    let counted = units.iter().filter(|unit| says_much(unit)).count();
    let (mut needed, mut others): (Clauses, Clauses) = (Vec::new(), Vec::new());
    for (at, (unit, known)) in units.iter().zip(&known).enumerate() {
        let clause = if *known { of_known(fields, unit) } else { of_unit(fields, unit, last_open && at + 1 == units.len()) };
        if counted == 0 || says_much(unit) {
            needed.push((Occur::Should, clause));
        } else {
            others.push((Occur::Should, boosted(clause, 0.3)));
        }
    }
    // Of a long question two words have to be there: the rarest words order what is found.
    let least = (needed.len() / 3).clamp(1, 2);
    // Several words next to each other may have a synonym, or be spelt as one.
    for count in 2..=3 {
        for (joined, known) in units.windows(count).zip(known.windows(count)) {
            let all_known = known.iter().all(|known| *known);
            others.extend(joint(fields, joined, all_known).map(|clause| (Occur::Should, clause)));
        }
    }
    if units.len() > 1 {
        others.extend(phrase_of(fields, loose).map(|clause| (Occur::Should, boosted(clause, 4.0))));
    }
    let needed: Clause = Box::new(BooleanQuery::with_minimum_required_clauses(needed, least));
    others.push((Occur::Must, needed));
    Box::new(BooleanQuery::new(others))
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

fn term(field: Field, text: &str) -> Clause {
    Box::new(TermQuery::new(Term::from_field_text(field, text), IndexRecordOption::WithFreqs))
}

fn boosted(query: Clause, by: f32) -> Clause {
    Box::new(BoostQuery::new(query, by))
}

fn best(clauses: Vec<Clause>) -> Clause {
    Box::new(DisjunctionMaxQuery::with_tie_breaker(clauses, TIE_BREAKER))
}

/// A word as it is, in every field.
fn plain(fields: &Fields, unit: &str) -> Vec<Clause> {
    let mut clauses = Vec::new();
    let stem = words::stemmed(unit);
    for (field, weight) in places(fields) {
        clauses.push(boosted(term(field, unit), weight));
        clauses.extend(stem.as_deref().map(|stem| boosted(term(field, stem), weight * 0.9)));
    }
    clauses
}

/// All words of a text that stands for another one.
fn meaning_the_same(fields: &Fields, text: &str) -> Option<Clause> {
    let mut all: Clauses = Vec::new();
    for unit in words::units(text) {
        all.push((Occur::Must, best(plain(fields, &unit))));
    }
    (!all.is_empty()).then(|| Box::new(BooleanQuery::new(all)) as Clause)
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
fn with_synonyms(fields: &Fields, unit: &str) -> Vec<Clause> {
    let mut clauses = plain(fields, unit);
    for other in Synonyms::shipped().of(unit) {
        clauses.extend(meaning_the_same(fields, other).map(|clause| boosted(clause, 0.7)));
    }
    clauses
}

/// A word that is well known: as it is, and by what means the same.
fn of_known(fields: &Fields, unit: &str) -> Clause {
    best(with_synonyms(fields, unit))
}

fn of_unit(fields: &Fields, unit: &str, is_last: bool) -> Clause {
    let mut clauses = with_synonyms(fields, unit);
    if unit.chars().all(words::is_han) {
        of_han(fields, unit, is_last, &mut clauses);
    } else if unit.chars().all(|letter| letter.is_ascii_alphabetic()) {
        of_latin(fields, unit, is_last, &mut clauses);
    }
    best(clauses)
}

fn of_han(fields: &Fields, unit: &str, is_last: bool, clauses: &mut Vec<Clause>) {
    let count = unit.chars().count();
    if count < 2 {
        clauses.extend(phrase_of(fields, unit).map(|clause| boosted(clause, 0.3)));
        return;
    }
    // Where the index parts the words otherwise.
    clauses.extend(phrase_of(fields, unit).map(|clause| boosted(clause, 2.0)));
    for inner in words::inner(unit) {
        clauses.push(boosted(best(plain(fields, &inner)), 0.4));
    }
    if is_last {
        for (field, weight) in [(fields.title, 1.5), (fields.keywords, 1.0)] {
            let beginning = FuzzyTermQuery::new_prefix(Term::from_field_text(field, unit), 0, true);
            clauses.push(boosted(Box::new(beginning), weight));
        }
    }
    // A word that sounds the same was meant, perhaps.
    for sound in words::spellings(unit).0.iter().filter(|sound| sound.len() >= 4) {
        clauses.push(boosted(term(fields.pinyin, sound), 0.5));
    }
}

fn of_latin(fields: &Fields, unit: &str, is_last: bool, clauses: &mut Vec<Clause>) {
    clauses.push(boosted(term(fields.pinyin, unit), 2.5));
    if (2..=8).contains(&unit.len()) {
        clauses.push(boosted(term(fields.initials, unit), 2.0));
    }
    let wrong = match unit.len() {
        0..=3 => 0,
        4..=7 => 1,
        _ => 2,
    };
    for (field, weight) in [(fields.title, 1.5), (fields.keywords, 1.0), (fields.names, 0.5), (fields.columns, 0.5)] {
        if wrong > 0 {
            let fuzzy = FuzzyTermQuery::new(Term::from_field_text(field, unit), wrong, true);
            clauses.push(boosted(Box::new(fuzzy), weight));
        }
        if is_last && unit.len() >= 2 {
            let beginning = FuzzyTermQuery::new_prefix(Term::from_field_text(field, unit), 0, true);
            clauses.push(boosted(Box::new(beginning), weight * 1.5));
        }
    }
    if is_last && unit.len() >= 4 {
        let beginning = FuzzyTermQuery::new_prefix(Term::from_field_text(fields.pinyin, unit), 0, true);
        clauses.push(boosted(Box::new(beginning), 1.0));
    }
}

/// Words next to each other that mean something together.
fn joint(fields: &Fields, units: &[String], all_known: bool) -> Option<Clause> {
    let is_latin = units.iter().all(|unit| unit.is_ascii());
    let text = units.join(if is_latin { " " } else { "" });
    let mut clauses: Vec<Clause> = Vec::new();
    for other in Synonyms::shipped().of(&text) {
        clauses.extend(meaning_the_same(fields, other));
    }
    if is_latin {
        clauses.push(boosted(term(fields.pinyin, &units.concat()), 3.0));
    } else if !all_known {
        clauses.extend(phrase_of(fields, &text).map(|clause| boosted(clause, 2.0)));
    }
    (!clauses.is_empty()).then(|| best(clauses))
}

/// The letters of a text next to each other.
fn phrase_of(fields: &Fields, text: &str) -> Option<Clause> {
    let letters = words::letters(text);
    let terms: Vec<Term> = letters.iter().map(|word| Term::from_field_text(fields.letters, &word.text)).collect();
    match terms.len() {
        0 => None,
        1 => terms.into_iter().next().map(|term| Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs)) as Clause),
        _ => Some(Box::new(PhraseQuery::new(terms))),
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
