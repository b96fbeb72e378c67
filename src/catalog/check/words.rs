//! What texts of an entry must not be: of several lines where one is shown, with characters that nobody sees, or without end.

use serde_json::Value;

use super::Faults;
use crate::catalog::entry::Entry;

/// Keys whose texts may have several lines.
const LONG: [&str; 7] = ["description", "open_type_reason", "conditions", "source", "way", "reason", "cleared"];

/// Characters of a text that may have several lines, and of one line.
const LONG_CHARS: usize = 10_000;
const SHORT_CHARS: usize = 300;

/// Keys with rules of their own: nobody reads them as texts.
const RULES: [&str; 4] = ["policy", "offer", "release", "coarser"];

/// Keys of addresses, and how long these may be.
const ADDRESSES: [&str; 2] = ["url", "licence"];
const ADDRESS_CHARS: usize = 2000;

/// Keywords of one language, and codes of one field.
const KEYWORDS: usize = 100;
pub(super) const CODES: usize = 1000;

/// Items of the other lists of an entry.
const ITEMS: usize = 100;

pub(super) fn check(entry: &Entry, faults: &mut Faults) {
    for (key, words) in [("keywords.zh", &entry.keywords.zh), ("keywords.en", &entry.keywords.en)] {
        too_many(key, words.len(), KEYWORDS, faults);
        for (at, word) in words.iter().enumerate().take(KEYWORDS) {
            if word.trim().is_empty() {
                faults.push((format!("{key}[{at}]"), "an empty keyword: take it out".to_owned()));
            } else if words[..at].contains(word) {
                faults.push((format!("{key}[{at}]"), format!("`{word}` stands twice")));
            }
        }
    }
    for (at, field) in entry.fields.iter().enumerate() {
        too_many(&format!("fields[{at}].codes"), field.codes.len(), CODES, faults);
    }
    let lists = [
        ("spatial", entry.spatial.len()),
        ("languages", entry.languages.len()),
        ("legal_basis", entry.legal_basis.len()),
        ("related", entry.related.len()),
    ];
    lists.into_iter().for_each(|(key, length)| too_many(key, length, ITEMS, faults));
    // What is too long has been told; its texts are not looked at one by one.
    if faults.is_empty() {
        match serde_json::to_value(entry) {
            Ok(value) => walk("", "", &value, faults),
            Err(cause) => faults.push((String::new(), format!("the entry cannot be written as JSON: {cause}"))),
        }
    }
}

fn too_many(key: &str, length: usize, most: usize, faults: &mut Faults) {
    if length > most {
        faults.push((key.to_owned(), format!("{length} are too many: give at most {most}")));
    }
}

/// Looks at every text below a key; `name` is the last key that has a name of its own.
fn walk(path: &str, name: &str, value: &Value, faults: &mut Faults) {
    match value {
        Value::String(text) => {
            let most = match name {
                name if LONG.contains(&name) => LONG_CHARS,
                name if ADDRESSES.contains(&name) => ADDRESS_CHARS,
                _ => SHORT_CHARS,
            };
            faults.extend(fault_of(text, most).map(|detail| (path.to_owned(), detail)));
        }
        Value::Array(items) => items.iter().enumerate().for_each(|(at, item)| walk(&format!("{path}[{at}]"), name, item, faults)),
        Value::Object(map) => {
            for (key, item) in map.iter().filter(|(key, _)| !RULES.contains(&key.as_str())) {
                let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                walk(&below, if matches!(key.as_str(), "zh" | "en") { name } else { key }, item, faults);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn fault_of(text: &str, most: usize) -> Option<String> {
    let long = most == LONG_CHARS;
    let length = text.chars().count();
    if length > most {
        return Some(format!("{length} characters are too many: give at most {most}"));
    }
    let unseen = text.chars().enumerate().find(|(_, character)| is_unseen(*character) || (*character == '\n' && !long));
    unseen.map(|(at, character)| match character {
        '\n' => format!("a line break at character {}: this is shown in one line", at + 1),
        _ => format!("the character U+{:04X} at {} is not seen and changes how the text reads: take it out", character as u32, at + 1),
    })
}

/// Controls, marks of zero width and marks that turn the direction of writing.
fn is_unseen(character: char) -> bool {
    let control = character.is_control() && !matches!(character, '\n' | '\t');
    control
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_sees_is_told_by_its_code_and_place() {
        assert_eq!(fault_of("徐汇区名录", SHORT_CHARS), None);
        assert_eq!(fault_of("two\nlines", LONG_CHARS), None);
        assert!(fault_of("two\nlines", SHORT_CHARS).unwrap().starts_with("a line break at character 4"));
        for (text, code) in
            [("a\u{202e}b", "U+202E at 2"), ("\u{200b}x", "U+200B at 1"), ("ab\u{7}", "U+0007 at 3"), ("ab\u{feff}", "U+FEFF at 3")]
        {
            assert!(fault_of(text, LONG_CHARS).unwrap().contains(code), "{text:?}: {:?}", fault_of(text, LONG_CHARS));
        }
        assert!(fault_of(&"字".repeat(301), SHORT_CHARS).unwrap().starts_with("301 characters"));
        assert!(fault_of(&"字".repeat(301), LONG_CHARS).is_none());
    }
}
