//! Reads a folder of entries (`publishers.toml`, `themes.toml`, `subjects.toml`, `<slug>/dataset.toml`) and says of every mistake in which
//! file, line and key it is. `datasets/README.md` documents the format.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::advice::advice;
use super::check::{Vocabulary, check_contact, check_entry};
use super::collection::complete;
use super::entry::{Entry, Text};
use super::grading::Scheme;
use super::record::Contact;
use super::store::{Publisher, Theme};
use super::subjects::{SubjectClass, SubjectKind};
use crate::identity::uscc;
use crate::storage::{list_folders, read_text};

/// One mistake in an entry or data file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: Option<u64>,
    /// The key or column.
    pub key: Option<String>,
    /// What is wrong and what would be right.
    pub detail: String,
}

impl std::fmt::Display for Mistake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(key) = &self.key {
            write!(f, ": {key}")?;
        }
        write!(f, ": {}", self.detail)
    }
}

/// A dataset's entry as it was read, without mistakes.
#[derive(Debug)]
pub struct FolderEntry {
    /// The folder's name.
    pub slug: String,
    /// The entry file.
    pub file: PathBuf,
    /// What it says.
    pub entry: Entry,
    /// The data file.
    pub data: Option<PathBuf>,
    /// How many fields the service has put before those of the file.
    added: usize,
    text: String,
}

impl FolderEntry {
    /// A mistake in the entry, or a remark on it, at the line of its key as far as the usual layout tells.
    pub fn mistake(&self, key: &str, detail: String) -> Mistake {
        mistake_of(&self.file, &self.text, self.added, key, detail)
    }
}

/// Everything that a folder holds.
#[derive(Debug, Default)]
pub struct Folder {
    /// The publishers.
    pub publishers: Vec<Publisher>,
    /// The themes, in the file's order.
    pub themes: Vec<Theme>,
    /// The classes of subjects, in the file's order.
    pub subject_classes: Vec<SubjectClass>,
    /// The entries without mistakes, by slug.
    pub entries: Vec<FolderEntry>,
    /// Every mistake.
    pub mistakes: Vec<Mistake>,
    /// What somebody who edits the entries should look at, and which stops nothing.
    pub remarks: Vec<Mistake>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PublisherText {
    name: Text,
    #[serde(default)]
    uscc: Option<String>,
    #[serde(default)]
    contact: Contact,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ThemeText {
    name: Text,
    #[serde(default)]
    data_theme: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SubjectText {
    name: Text,
    kind: SubjectKind,
}

/// Reads the folder, whose fields are graded by that scheme. Mistakes do not stop it: what is right is answered beside them.
pub fn read_folder(dir: &Path, scheme: &Scheme) -> Folder {
    let mut folder = Folder::default();
    read_publishers(&dir.join("publishers.toml"), &mut folder);
    read_themes(&dir.join("themes.toml"), &mut folder);
    read_subjects(&dir.join("subjects.toml"), &mut folder);
    let slugs = match list_folders(dir) {
        Ok(slugs) => slugs,
        Err(cause) => {
            folder.mistakes.push(Mistake { file: dir.to_owned(), line: None, key: None, detail: format!("cannot be read: {cause}") });
            return folder;
        }
    };
    for slug in slugs {
        read_entry(dir, &slug, scheme, &mut folder);
    }
    folder
}

fn read_publishers(file: &Path, folder: &mut Folder) {
    let Some((text, publishers)) = read_toml::<BTreeMap<String, PublisherText>>(file, &mut folder.mistakes) else { return };
    for (slug, publisher) in publishers {
        let mut mistake = |key: &str, detail: String| {
            let line = find_line(&text, &format!("[{slug}]"), 0).and_then(|start| find_key(&text, key, start));
            folder.mistakes.push(Mistake { file: file.to_owned(), line, key: Some(format!("{slug}.{key}")), detail });
        };
        if !is_slug(&slug) {
            mistake("", SLUG_RULE.to_owned());
            continue;
        }
        if let Some(Err(reason)) = publisher.uscc.as_deref().map(uscc::check) {
            mistake("uscc", reason);
            continue;
        }
        let faults = check_contact("contact", &publisher.contact);
        if !faults.is_empty() {
            faults.into_iter().for_each(|(key, detail)| mistake(&key, detail));
            continue;
        }
        folder.publishers.push(Publisher { slug, name: publisher.name, uscc: publisher.uscc, contact: publisher.contact });
    }
}

fn read_themes(file: &Path, folder: &mut Folder) {
    let Some((text, themes)) = read_toml::<BTreeMap<String, ThemeText>>(file, &mut folder.mistakes) else { return };
    let mut mistake = |slug: &str, key: String, detail: String| {
        let line = find_line(&text, &format!("[{slug}]"), 0);
        folder.mistakes.push(Mistake { file: file.to_owned(), line, key: Some(key), detail });
    };
    let mut read = Vec::new();
    for (slug, theme) in themes {
        let known = theme.data_theme.as_deref().is_none_or(|code| DATA_THEMES.contains(&code));
        if !is_slug(&slug) {
            mistake(&slug, slug.clone(), SLUG_RULE.to_owned());
        } else if !known {
            mistake(&slug, format!("{slug}.data_theme"), format!("give one of {}", DATA_THEMES.join(", ")));
        } else {
            read.push(Theme { slug, name: theme.name, data_theme: theme.data_theme });
        }
    }
    read.sort_by_key(|theme| find_line(&text, &format!("[{}]", theme.slug), 0));
    folder.themes = read;
}

/// The classes of subjects; a folder without that file has none.
fn read_subjects(file: &Path, folder: &mut Folder) {
    if !file.is_file() {
        return;
    }
    let Some((text, classes)) = read_toml::<BTreeMap<String, SubjectText>>(file, &mut folder.mistakes) else { return };
    for slug in classes.keys().filter(|slug| !is_slug(slug)) {
        let line = find_line(&text, &format!("[{slug}]"), 0);
        folder.mistakes.push(Mistake { file: file.to_owned(), line, key: Some(slug.clone()), detail: SLUG_RULE.to_owned() });
    }
    let class = |(slug, class): (String, SubjectText)| SubjectClass { slug, kind: class.kind, name: class.name };
    folder.subject_classes = classes.into_iter().filter(|(slug, _)| is_slug(slug)).map(class).collect();
    folder.subject_classes.sort_by_key(|class| find_line(&text, &format!("[{}]", class.slug), 0));
}

/// The codes of the EU's vocabulary of data themes (`http://publications.europa.eu/resource/authority/data-theme`).
const DATA_THEMES: [&str; 13] = ["AGRI", "ECON", "EDUC", "ENER", "ENVI", "GOVE", "HEAL", "INTR", "JUST", "REGI", "SOCI", "TECH", "TRAN"];

fn read_entry(dir: &Path, slug: &str, scheme: &Scheme, folder: &mut Folder) {
    let file = dir.join(slug).join("dataset.toml");
    if !is_slug(slug) {
        folder.mistakes.push(Mistake { file, line: None, key: None, detail: format!("the folder's name is the slug: {SLUG_RULE}") });
        return;
    }
    let Some((text, mut entry)) = read_toml::<Entry>(&file, &mut folder.mistakes) else { return };
    let before = folder.mistakes.len();
    let added = complete(&mut entry);
    let vocabulary = Vocabulary { publishers: &folder.publishers, themes: &folder.themes, subject_classes: &folder.subject_classes };
    for (key, detail) in check_entry(&entry, vocabulary, scheme) {
        folder.mistakes.push(mistake_of(&file, &text, added, &key, detail));
    }
    let publisher = folder.publishers.iter().find(|publisher| publisher.slug == entry.publisher);
    folder.remarks.extend(advice(&entry, publisher).into_iter().map(|(key, detail)| mistake_of(&file, &text, added, &key, detail)));
    if folder.mistakes.len() == before {
        let data = entry.data.as_ref().map(|name| dir.join(slug).join(name));
        folder.entries.push(FolderEntry { slug: slug.to_owned(), file, entry, data, added, text });
    }
}

/// A mistake at a key such as `fields[2].release`, whose number counts the fields that the service has put before those of the file.
fn mistake_of(file: &Path, text: &str, added: usize, key: &str, detail: String) -> Mistake {
    let key = as_written(key.to_owned(), added);
    Mistake { file: file.to_owned(), line: line_of_key(text, &key), key: Some(key), detail }
}

pub(super) const SLUG_RULE: &str = "use lower-case letters, digits and single hyphens, at most 100 characters";

pub(super) fn is_slug(text: &str) -> bool {
    let proper = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    text.len() <= 100 && text.split('-').all(proper)
}

fn read_toml<T: DeserializeOwned>(file: &Path, mistakes: &mut Vec<Mistake>) -> Option<(String, T)> {
    let mut mistake = |line, key, detail| mistakes.push(Mistake { file: file.to_owned(), line, key, detail });
    let text = match read_text(file) {
        Ok(text) => text,
        Err(cause) => {
            mistake(None, None, format!("cannot be read: {cause}"));
            return None;
        }
    };
    match toml::from_str(&text) {
        Ok(value) => Some((text, value)),
        Err(cause) => {
            let line = cause.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() as u64 + 1);
            let message = cause.message().to_owned();
            // The parser names the key between backticks: "missing field `title`".
            let key = message.split('`').nth(1).filter(|_| message.contains("field")).map(str::to_owned);
            mistake(line, key, message);
            None
        }
    }
}

/// The key as the file has it, where the service has put so many fields before those of the file.
fn as_written(key: String, added: usize) -> String {
    let number = key.strip_prefix("fields[").and_then(|rest| rest.split_once(']'));
    match number.and_then(|(number, rest)| Some((number.parse::<usize>().ok()?.checked_sub(added)?, rest))) {
        Some((number, rest)) => format!("fields[{number}]{rest}"),
        None => key,
    }
}

/// The line of a key such as `licence`, `contact.phone` or `fields[2].release` (from 0), as far as the usual layout tells.
fn line_of_key(text: &str, key: &str) -> Option<u64> {
    line_below(text, key, 0)
}

/// The line of a key after line `after`: of the whole key, or of as much of it as has a line of its own.
fn line_below(text: &str, key: &str, after: u64) -> Option<u64> {
    if let Some(line) = find_key(text, key, after) {
        return Some(line);
    }
    let head = key.split(['.', '[']).next().filter(|head| !head.is_empty())?;
    let rest = &key[head.len()..];
    let (number, rest) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((number, rest)) => (number.parse::<usize>().ok()?, rest),
        None => (0, rest),
    };
    // A table of its own is headed by its name, the item of a list by the name between two brackets; only those of the file's first level.
    let headed = |heading: &str| {
        let mut line = 0;
        for _ in 0..=number {
            line = find_line(text, heading, line)?;
        }
        line_below(text, rest.trim_start_matches('.'), line).or(Some(line))
    };
    let own = if after == 0 { headed(&format!("[[{head}]]")).or_else(|| headed(&format!("[{head}]"))) } else { None };
    own.or_else(|| find_key(text, head, after))
}

/// The first line after line `after` that begins with `start`.
fn find_line(text: &str, start: &str, after: u64) -> Option<u64> {
    (1..).zip(text.lines()).find(|(number, line)| *number > after && line.trim_start().starts_with(start)).map(|(number, _)| number)
}

/// The first line after line `after` that sets `key`, before the next table begins.
fn find_key(text: &str, key: &str, after: u64) -> Option<u64> {
    let sets = |line: &str| line.trim_start().strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with(['=', '.']));
    (1..)
        .zip(text.lines())
        .skip_while(|(number, _)| *number <= after)
        .take_while(|(_, line)| !line.starts_with('['))
        .find(|(_, line)| sets(line))
        .map(|(number, _)| number)
}
