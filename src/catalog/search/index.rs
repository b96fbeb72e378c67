//! What the index holds of a dataset, under which names.

use std::collections::BTreeSet;

use chrono::Datelike;
use tantivy::TantivyDocument;
use tantivy::schema::{FAST, Field, INDEXED, IndexRecordOption, STRING, Schema, TextFieldIndexing, TextOptions};
use tantivy::tokenizer::{PreTokenizedString, Token};

use super::words::{self, Word};
use crate::catalog::{Dataset, DatasetKind, Newest, OpenType, Publisher, SubjectClass, Text, Theme};
use crate::clock::now_naive;

/// The kind of the index: one of another kind is made anew.
pub const KIND: &str = "2";

/// The formats in which a release for a grant is named.
pub const BY_GRANT: [&str; 2] = ["parquet", "csv"];

/// The fields of the index.
#[derive(Debug, Clone, Copy)]
pub struct Fields {
    pub slug: Field,
    pub tie: Field,
    pub weight: Field,
    pub updated: Field,
    pub created: Field,
    pub publisher: Field,
    pub theme: Field,
    pub open_type: Field,
    pub frequency: Field,
    pub format: Field,
    pub tag: Field,
    pub year: Field,
    pub high_value: Field,
    pub licence: Field,
    pub resource: Field,
    pub title: Field,
    pub keywords: Field,
    pub description: Field,
    pub names: Field,
    pub columns: Field,
    pub values: Field,
    pub letters: Field,
    pub pinyin: Field,
    pub initials: Field,
}

/// The schema of the index with its fields.
pub fn schema() -> (Schema, Fields) {
    let mut builder = Schema::builder();
    let indexed = |record: IndexRecordOption| {
        TextOptions::default().set_indexing_options(TextFieldIndexing::default().set_index_option(record).set_tokenizer("raw"))
    };
    let words = indexed(IndexRecordOption::WithFreqs);
    let places = indexed(IndexRecordOption::WithFreqsAndPositions);
    let mut name = |name: &str| builder.add_text_field(name, STRING | FAST);
    let (slug, publisher, theme, open_type, frequency) =
        (name("slug"), name("publisher"), name("theme"), name("open_type"), name("frequency"));
    let (format, tag, year, high_value, licence) = (name("format"), name("tag"), name("year"), name("high_value"), name("licence"));
    let resource = name("resource");
    let fields = Fields {
        slug,
        publisher,
        theme,
        open_type,
        frequency,
        format,
        tag,
        year,
        high_value,
        licence,
        resource,
        tie: builder.add_u64_field("tie", FAST),
        weight: builder.add_f64_field("weight", FAST),
        updated: builder.add_i64_field("updated", FAST | INDEXED),
        created: builder.add_i64_field("created", FAST | INDEXED),
        title: builder.add_text_field("title", words.clone()),
        keywords: builder.add_text_field("keywords", words.clone()),
        description: builder.add_text_field("description", words.clone()),
        names: builder.add_text_field("names", words.clone()),
        columns: builder.add_text_field("columns", words.clone()),
        values: builder.add_text_field("values", words.clone()),
        pinyin: builder.add_text_field("pinyin", words.clone()),
        initials: builder.add_text_field("initials", words),
        letters: builder.add_text_field("letters", places),
    };
    (builder.build(), fields)
}

/// What the list knows of a dataset.
pub struct Known<'a> {
    /// The dataset.
    pub dataset: &'a Dataset,
    /// Its newest version.
    pub newest: Option<&'a Newest>,
    /// Its publisher.
    pub publisher: Option<&'a Publisher>,
    /// Its theme.
    pub theme: Option<&'a Theme>,
    /// Its national class.
    pub class: Option<&'a SubjectClass>,
    /// The formats that it can be had in.
    pub formats: Vec<&'static str>,
    /// Values of columns that have few, of data that is open to everybody.
    pub values: Vec<String>,
}

/// The document of a dataset.
pub fn document(fields: &Fields, known: &Known<'_>) -> TantivyDocument {
    let mut document = TantivyDocument::default();
    let (dataset, entry) = (known.dataset, &known.dataset.entry);
    document.add_text(fields.slug, &dataset.slug);
    document.add_u64(fields.tie, tie(&dataset.slug));
    document.add_f64(fields.weight, weight(known));
    document.add_i64(fields.updated, dataset.updated_at.and_utc().timestamp_micros());
    document.add_i64(fields.created, dataset.created_at.and_utc().timestamp_micros());
    document.add_text(fields.publisher, &entry.publisher);
    document.add_text(fields.theme, &entry.theme);
    document.add_text(fields.open_type, entry.open_type.as_str());
    document.add_text(fields.frequency, entry.update_frequency.as_str());
    document.add_text(fields.high_value, if entry.high_value.is_some() { "true" } else { "false" });
    if let Some(licence) = &entry.licence {
        document.add_text(fields.licence, licence);
    }
    known.formats.iter().for_each(|format| document.add_text(fields.format, format));
    let by_grant: &[&'static str] = if entry.open_type == OpenType::Conditional && known.newest.is_some() { &BY_GRANT } else { &[] };
    known.formats.iter().chain(by_grant).for_each(|format| document.add_text(fields.resource, format));
    if entry.kind == DatasetKind::Collection && !known.formats.is_empty() {
        document.add_text(fields.resource, "archive");
    }
    let tags: BTreeSet<&String> = entry.keywords.zh.iter().chain(&entry.keywords.en).collect();
    tags.into_iter().for_each(|tag| document.add_text(fields.tag, tag));
    years(known).into_iter().for_each(|year| document.add_text(fields.year, year.to_string()));
    texts(&mut document, fields, known);
    document
}

fn texts(document: &mut TantivyDocument, fields: &Fields, known: &Known<'_>) {
    let entry = &known.dataset.entry;
    let both = |text: &Text| format!("{}\n{}", text.zh, text.en);
    let title = format!("{}\n{}", both(&entry.title), known.dataset.slug);
    let keywords: Vec<&str> = entry.keywords.zh.iter().chain(&entry.keywords.en).map(String::as_str).collect();
    let names: Vec<String> = [known.publisher.map(|publisher| &publisher.name), known.theme.map(|theme| &theme.name)]
        .into_iter()
        .chain([known.class.map(|class| &class.name), entry.department.as_ref()])
        .flatten()
        .map(both)
        .chain(entry.spatial.iter().map(|place| both(&place.name)))
        .chain([entry.code.clone(), entry.registration_code.clone()].into_iter().flatten())
        .collect();
    let codes = entry.fields.iter().flat_map(|field| &field.codes).map(|code| both(&code.title));
    let columns: Vec<String> = entry.fields.iter().map(|field| format!("{}\n{}", field.name, both(&field.title))).chain(codes).collect();
    let description = both(&entry.description);
    let mut add = |field: Field, words: Vec<Word>| document.add_pre_tokenized_text(field, tokenized(words));
    add(fields.title, words::words(&title));
    add(fields.keywords, words::words(&keywords.join("\n")));
    add(fields.description, words::words(&description));
    add(fields.names, words::words(&names.join("\n")));
    add(fields.columns, words::words(&columns.join("\n")));
    add(fields.values, words::words(&known.values.join("\n")));
    add(fields.letters, words::letters(&format!("{title}\n{}\n{description}", keywords.join("\n"))));
    let (full, initials) = words::spellings(&format!("{}\n{}\n{}", entry.title.zh, entry.keywords.zh.join("\n"), names.join("\n")));
    let plain = |words: BTreeSet<String>| words.into_iter().enumerate().map(|(position, text)| Word { text, position }).collect();
    add(fields.pinyin, plain(full));
    add(fields.initials, plain(initials));
}

pub fn tokenized(words: Vec<Word>) -> PreTokenizedString {
    let token = |word: Word| Token { offset_from: 0, offset_to: 0, position: word.position, text: word.text, position_length: 1 };
    PreTokenizedString { text: String::new(), tokens: words.into_iter().map(token).collect() }
}

/// What parts two datasets that are found alike: the same in every answer, and no order that anybody could aim at.
pub fn tie(slug: &str) -> u64 {
    let digest = crate::crypto::sha256_hex(slug.as_bytes());
    u64::from_str_radix(digest.get(..16).unwrap_or_default(), 16).unwrap_or_default()
}

/// How much better a dataset is found that is described well and has fresh data.
fn weight(known: &Known<'_>) -> f64 {
    let entry = &known.dataset.entry;
    let described = [
        !entry.keywords.zh.is_empty() && !entry.keywords.en.is_empty(),
        !entry.spatial.is_empty(),
        entry.temporal.is_some(),
        entry.licence.is_some(),
        !entry.fields.is_empty(),
        entry.source.is_some(),
        entry.high_value.is_some(),
    ];
    let complete = described.into_iter().filter(|is| *is).count() as f64 * 0.01;
    let has_data = if known.newest.is_some() && entry.open_type == OpenType::Unconditional { 0.03 } else { 0.0 };
    let fresh = known.newest.map_or(0.0, |newest| {
        let days = (now_naive() - newest.created_at).num_days().max(0) as f64;
        0.05 / (1.0 + days / 180.0)
    });
    1.0 + complete + has_data + fresh
}

/// The years that the data is about; without a period, those that the title names.
fn years(known: &Known<'_>) -> BTreeSet<i32> {
    let entry = &known.dataset.entry;
    if let Some(period) = entry.temporal {
        let this = now_naive().date().year();
        let first = period.start.map(|day| day.year()).or(period.end.map(|day| day.year()));
        let last = period.end.map_or(this, |day| day.year());
        if let Some(first) = first {
            // No list is about more than this; a period of a wrong century would fill the facet.
            return (first.max(last - 200)..=last).collect();
        }
    }
    let title = words::folded(&format!("{} {}", entry.title.zh, entry.title.en));
    let number = |run: &words::Run<'_>| match run {
        words::Run::Other(run) => run.parse::<i32>().ok().filter(|year| (1900..=2100).contains(year)),
        words::Run::Han(_) => None,
    };
    words::runs(&title).iter().filter_map(number).collect()
}
