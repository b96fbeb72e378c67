//! Words that mean the same, from a file: one group on each line, the words parted by commas. A `#` begins a remark.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::words;

/// The groups that come with the service.
const SHIPPED: &str = include_str!("synonyms.txt");

static GROUPS: LazyLock<Synonyms> = LazyLock::new(|| Synonyms::parse(SHIPPED));

/// Groups of words that mean the same.
pub struct Synonyms {
    /// Each word, folded and without spaces, with the words of its group.
    groups: HashMap<String, Vec<usize>>,
    lists: Vec<Vec<String>>,
}

impl Synonyms {
    /// Those that come with the service.
    pub fn shipped() -> &'static Self {
        &GROUPS
    }

    fn parse(text: &str) -> Self {
        let mut synonyms = Synonyms { groups: HashMap::new(), lists: Vec::new() };
        for line in text.lines().map(|line| line.split('#').next().unwrap_or_default()) {
            let words: Vec<String> =
                line.split([',', '，']).map(|word| words::folded(word.trim())).filter(|word| !word.is_empty()).collect();
            for word in &words {
                synonyms.groups.entry(key(word)).or_default().push(synonyms.lists.len());
            }
            synonyms.lists.push(words);
        }
        synonyms
    }

    /// What means the same as a word, or as several next to each other; the word itself is not among them.
    pub fn of(&self, word: &str) -> Vec<&str> {
        let word = key(word);
        let groups = self.groups.get(&word).into_iter().flatten();
        groups.flat_map(|group| &self.lists[*group]).map(String::as_str).filter(|other| key(other) != word).collect()
    }
}

/// A word by which it is looked up: English by its stems.
fn key(word: &str) -> String {
    let parts = words::units(word).into_iter().map(|unit| words::stemmed(&unit).unwrap_or(unit));
    parts.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_goes_both_ways_and_by_stems() {
        let synonyms = Synonyms::parse("公交, 公共汽车, tram # a remark\n停车场，parking lot\n");
        assert_eq!(synonyms.of("公交"), ["公共汽车", "tram"]);
        assert_eq!(synonyms.of("trams"), ["公交", "公共汽车"]);
        assert_eq!(synonyms.of("parking lots"), ["停车场"]);
        assert!(synonyms.of("a remark").is_empty());
    }
}
