//! How a dataset is cited: publisher, title, version, date of access, address.

use chrono::{Datelike, NaiveDate};
use serde_json::{Value, json};

use super::entry::Text;
use super::store::Dataset;

/// What a citation says.
#[derive(Debug, Clone)]
pub struct Citation {
    /// The dataset's name in addresses.
    pub slug: String,
    /// The dataset's title.
    pub title: Text,
    /// The publisher's name.
    pub publisher: Text,
    /// The version's number; none of a dataset without data.
    pub version: Option<i32>,
    /// When the version was taken in, or, without one, when the dataset came into the list.
    pub issued: NaiveDate,
    /// The day of access.
    pub accessed: NaiveDate,
    /// The address of the dataset.
    pub address: String,
}

impl Citation {
    /// The citation of a version of a dataset.
    pub fn of(dataset: &Dataset, version: Option<i32>, issued: NaiveDate, accessed: NaiveDate, issuer: &str) -> Self {
        Citation {
            slug: dataset.slug.clone(),
            title: dataset.entry.title.clone(),
            publisher: dataset.publisher_name.clone(),
            version,
            issued,
            accessed,
            address: format!("{issuer}/datasets/{}", dataset.slug),
        }
    }

    /// In words.
    pub fn text(&self) -> Text {
        let Citation { title, publisher, accessed, address, .. } = self;
        let (zh, en) = self.version.map(|number| (format!(" 版本 {number}."), format!(" Version {number}."))).unwrap_or_default();
        Text {
            zh: format!("{}. {}.{zh} {address}. 获取日期 {accessed}.", publisher.zh, title.zh),
            en: format!("{}. {}.{en} {address}. Accessed {accessed}.", publisher.en, title.en),
        }
    }

    fn key(&self) -> String {
        match self.version {
            Some(number) => format!("{}-v{number}", self.slug),
            None => self.slug.clone(),
        }
    }

    /// For BibTeX, in one of the languages.
    pub fn bibtex(&self, in_chinese: bool) -> String {
        let pick = |text: &Text| braced(if in_chinese { &text.zh } else { &text.en });
        let version = self.version.map(|number| format!("  version = {{{number}}},\n")).unwrap_or_default();
        format!(
            "@misc{{{},\n  author = {{{{{}}}}},\n  title = {{{{{}}}}},\n  year = {{{}}},\n{version}  howpublished = {{\\url{{{}}}}},\n  url = {{{}}},\n  \
             urldate = {{{}}}\n}}\n",
            self.key(),
            pick(&self.publisher),
            pick(&self.title),
            self.issued.year(),
            self.address,
            self.address,
            self.accessed,
        )
    }

    /// As CSL-JSON, in one of the languages.
    pub fn csl(&self, in_chinese: bool) -> Value {
        let pick = |text: &Text| if in_chinese { text.zh.clone() } else { text.en.clone() };
        let parts = |date: NaiveDate| json!({ "date-parts": [[date.year(), date.month(), date.day()]] });
        let mut csl = json!({
            "id": self.key(),
            "type": "dataset",
            "title": pick(&self.title),
            "author": [{ "literal": pick(&self.publisher) }],
            "publisher": pick(&self.publisher),
            "issued": parts(self.issued),
            "accessed": parts(self.accessed),
            "URL": self.address,
            "language": if in_chinese { "zh-CN" } else { "en" },
        });
        if let Some(number) = self.version {
            csl["version"] = number.to_string().into();
        }
        csl
    }
}

/// A text in which nothing is an instruction to TeX.
fn braced(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '{' | '}' | '&' | '%' | '$' | '#' | '_' => written.extend(['\\', letter]),
            '\\' => written.push_str("\\textbackslash{}"),
            '~' => written.push_str("\\textasciitilde{}"),
            '^' => written.push_str("\\textasciicircum{}"),
            other => written.push(other),
        }
    }
    written
}
