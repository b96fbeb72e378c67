//! Texts as the words that they are found by: Chinese in the words of jieba, English by its stems, either script folded to one form, and how Chinese words
//! are spelt in pinyin.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use icu_normalizer::ComposingNormalizerBorrowed;
use jieba_rs::{Jieba, TokenizeMode};
use pinyin::ToPinyin;
use tantivy::tokenizer::{Language, RawTokenizer, Stemmer, TextAnalyzer, TokenStream};

static JIEBA: LazyLock<Jieba> = LazyLock::new(Jieba::new);

/// Loads the dictionary of Chinese words, which takes some tenths of a second and is done once.
pub fn load() {
    LazyLock::force(&JIEBA);
}

/// A word and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The word, folded.
    pub text: String,
    /// Its place among the words of the text.
    pub position: usize,
}

/// A text folded to one form: compatibility characters, capitals and traditional characters are as their plain ones.
pub fn folded(text: &str) -> String {
    let plain = ComposingNormalizerBorrowed::new_nfkc().normalize(text).to_lowercase();
    fast2s::convert(&plain)
}

/// Whether a letter is a Chinese character.
pub fn is_han(letter: char) -> bool {
    matches!(letter, '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}' | '〇')
}

/// A part of a text in one script.
#[derive(Debug, PartialEq, Eq)]
pub enum Run<'a> {
    /// Chinese characters.
    Han(&'a str),
    /// Letters and digits of other scripts.
    Other(&'a str),
}

/// The parts of a folded text; what is neither letter nor digit parts them.
pub fn runs(text: &str) -> Vec<Run<'_>> {
    let mut runs = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let same: fn(char) -> bool = match () {
            () if is_han(first) => is_han,
            () if first.is_alphanumeric() => |letter| letter.is_alphanumeric() && !is_han(letter),
            () => |letter| !letter.is_alphanumeric() && !is_han(letter),
        };
        let end = rest.find(|letter| !same(letter)).unwrap_or(rest.len());
        let (run, behind) = rest.split_at(end);
        match () {
            () if is_han(first) => runs.push(Run::Han(run)),
            () if first.is_alphanumeric() => runs.push(Run::Other(run)),
            () => {}
        }
        rest = behind;
    }
    runs
}

/// The stem of an English word.
pub fn stem(word: &str) -> String {
    let mut analyzer = TextAnalyzer::builder(RawTokenizer::default()).filter_dynamic(Stemmer::new(Language::English)).build();
    let mut stream = analyzer.token_stream(word);
    if stream.advance() { stream.token().text.clone() } else { word.to_owned() }
}

/// How an English word stands in the index beside its own form.
pub fn stemmed(word: &str) -> Option<String> {
    let stem = if word.is_ascii() && word.chars().all(|letter| letter.is_ascii_alphabetic()) { stem(word) } else { return None };
    // What is a stem is no word that somebody wrote.
    Some(format!("~{stem}"))
}

/// The words of a text for the index: Chinese words with the shorter words inside of them, others as they are and by their stems.
pub fn words(text: &str) -> Vec<Word> {
    let text = folded(text);
    let (mut words, mut position) = (Vec::new(), 0);
    for run in runs(&text) {
        match run {
            Run::Han(run) => {
                for token in JIEBA.tokenize(run, TokenizeMode::Search, false) {
                    words.push(Word { text: token.word.to_owned(), position: position + token.start });
                }
                position += run.chars().count();
            }
            Run::Other(run) => {
                words.push(Word { text: run.to_owned(), position });
                words.extend(stemmed(run).map(|text| Word { text, position }));
                position += 1;
            }
        }
    }
    words.sort_by_key(|word| word.position);
    words
}

/// The words of a question, without those inside of others.
pub fn units(text: &str) -> Vec<String> {
    let mut units = Vec::new();
    for run in runs(text) {
        match run {
            Run::Han(run) => units.extend(JIEBA.cut(run, false).into_iter().map(|token| token.word.to_owned())),
            Run::Other(run) => units.push(run.to_owned()),
        }
    }
    units
}

/// The shorter words inside of a Chinese one.
pub fn inner(word: &str) -> Vec<String> {
    JIEBA.cut_for_search(word, false).into_iter().map(|token| token.word.to_owned()).filter(|inner| inner != word).collect()
}

/// Every character, and every word of another script: phrases are sought in these.
pub fn letters(text: &str) -> Vec<Word> {
    let text = folded(text);
    let mut words: Vec<Word> = Vec::new();
    for run in runs(&text) {
        let parts: Vec<String> = match run {
            Run::Han(run) => run.chars().map(String::from).collect(),
            Run::Other(run) => vec![run.to_owned()],
        };
        for text in parts {
            let position = words.len();
            words.push(Word { text, position });
        }
    }
    words
}

/// How many words next to each other are spelt as one, and of how many characters at the most.
const SPELT_TOGETHER: usize = 4;
const SPELT_LETTERS: usize = 8;

/// How the Chinese words of a text are spelt, and their initials: each word, and up to four next to each other.
pub fn spellings(text: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut full, mut initials) = (BTreeSet::new(), BTreeSet::new());
    let text = folded(text);
    for run in runs(&text) {
        let Run::Han(run) = run else { continue };
        let words: Vec<&str> = JIEBA.cut(run, false).into_iter().map(|token| token.word).collect();
        for inner in words.iter().flat_map(|word| JIEBA.cut_for_search(word, false)) {
            full.extend(spelt(inner.word).map(|sounds| sounds.concat()));
        }
        for start in 0..words.len() {
            let mut joined = String::new();
            for word in words.iter().skip(start).take(SPELT_TOGETHER) {
                joined.push_str(word);
                let count = joined.chars().count();
                if count > SPELT_LETTERS {
                    break;
                }
                let Some(sounds) = spelt(&joined) else { continue };
                full.insert(sounds.concat());
                if count > 1 {
                    initials.insert(sounds.iter().filter_map(|sound| sound.chars().next()).collect());
                }
            }
        }
    }
    (full, initials)
}

/// How each character of a word is spelt; none where one has no spelling.
fn spelt(word: &str) -> Option<Vec<&'static str>> {
    word.to_pinyin().map(|sound| sound.map(|sound| sound.plain())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        words(text).into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn either_script_and_any_form_is_one_word() {
        assert_eq!(texts("空氣質量"), texts("空气质量"));
        assert_eq!(texts("ＡＩ企業"), texts("ai企业"));
        assert!(texts("Parking lots").contains(&"~lot".to_owned()));
        assert_eq!(texts("station_id"), ["station", "~station", "id", "~id"]);
        assert_eq!(units("2023年人口"), ["2023", "年", "人口"]);
    }

    #[test]
    fn chinese_is_found_by_how_it_is_spelt() {
        let (full, initials) = spellings("空气质量监测站");
        assert!(full.contains("kongqizhiliang") && initials.contains("kqzl"), "{full:?} {initials:?}");
    }

    #[test]
    fn what_is_no_letter_is_no_word() {
        assert!(texts("\"*)( \u{200b}").is_empty());
        assert!(units("").is_empty());
        assert_eq!(letters("A座，1号").into_iter().map(|word| word.text).collect::<Vec<_>>(), ["a", "座", "1", "号"]);
    }
}
