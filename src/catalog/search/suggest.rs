//! What somebody may have meant: each word of another script that no dataset has is replaced by the most frequent word that is nearest to it.

use tantivy::collector::Count;
use tantivy::query::{FuzzyTermQuery, TermQuery};
use tantivy::schema::IndexRecordOption;
use tantivy::{Searcher, Term};

use super::index::Fields;
use super::words;
use crate::error::{Error, Result};

/// The question as it may have been meant.
///
/// # Errors
/// When the index cannot be read.
pub fn suggestion(searcher: &Searcher, fields: &Fields, question: &str) -> Result<Option<String>> {
    let question: String = question.chars().take(super::MOST_LETTERS).collect();
    let folded = words::folded(&question);
    let (mut meant, mut changed) = (String::new(), false);
    for piece in folded.split_inclusive(|letter: char| !letter.is_ascii_alphabetic()) {
        let word = piece.trim_end_matches(|letter: char| !letter.is_ascii_alphabetic());
        match if word.len() < 4 { None } else { nearest(searcher, fields, word)? } {
            Some(better) => {
                meant.push_str(&better);
                meant.push_str(&piece[word.len()..]);
                changed = true;
            }
            None => meant.push_str(piece),
        }
    }
    Ok(changed.then_some(meant))
}

/// The word that is nearest to one that no dataset has.
fn nearest(searcher: &Searcher, fields: &Fields, unit: &str) -> Result<Option<String>> {
    let known = [fields.title, fields.keywords, fields.description, fields.columns, fields.names, fields.pinyin];
    for field in known {
        let term = TermQuery::new(Term::from_field_text(field, unit), IndexRecordOption::Basic);
        if searcher.search(&term, &Count).map_err(Error::internal)? > 0 {
            return Ok(None);
        }
    }
    for distance in 1..=if unit.len() >= 6 { 2 } else { 1 } {
        let mut best: Option<(u64, String)> = None;
        for field in [fields.title, fields.keywords] {
            let automaton = FuzzyTermQuery::new(Term::from_field_text(field, unit), distance, true).automaton().map_err(Error::internal)?;
            for segment in searcher.segment_readers() {
                let inverted = segment.inverted_index(field).map_err(Error::internal)?;
                let mut stream = inverted.terms().search(&automaton).into_stream().map_err(Error::internal)?;
                while stream.advance() {
                    let Ok(word) = std::str::from_utf8(stream.key()) else { continue };
                    if word.starts_with('~') {
                        continue;
                    }
                    let count = u64::from(stream.value().doc_freq);
                    // The dictionary still has the words of what is no longer in the list.
                    let term = TermQuery::new(Term::from_field_text(field, word), IndexRecordOption::Basic);
                    if searcher.search(&term, &Count).map_err(Error::internal)? == 0 {
                        continue;
                    }
                    if best.as_ref().is_none_or(|(most, _)| count > *most) {
                        best = Some((count, word.to_owned()));
                    }
                }
            }
        }
        if let Some((_, word)) = best {
            return Ok(Some(word));
        }
    }
    Ok(None)
}
