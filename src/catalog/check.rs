//! What an entry must hold, beyond its shape: one rule, one sentence.

mod policy;
mod record;
mod words;

use super::entry::{Entry, Field, FieldType, OpenType, Text};
use super::grading::Scheme;
use super::store::{Publisher, Theme};
use super::subjects::SubjectClass;

pub(super) use record::check_contact;

/// Faults of an entry: the key, and what is wrong with it.
pub(super) type Faults = Vec<(String, String)>;

/// What an entry names by slug.
#[derive(Debug, Clone, Copy)]
pub struct Vocabulary<'a> {
    pub publishers: &'a [Publisher],
    pub themes: &'a [Theme],
    pub subject_classes: &'a [SubjectClass],
}

/// Every rule that the entry breaks: the key, and what is wrong with it.
pub fn check_entry(entry: &Entry, vocabulary: Vocabulary<'_>, scheme: &Scheme) -> Faults {
    let Vocabulary { publishers, themes, subject_classes } = vocabulary;
    let mut faults = Faults::new();
    words::check(entry, &mut faults);
    check_texts(entry, &mut faults);
    if !publishers.iter().any(|publisher| publisher.slug == entry.publisher) {
        faults.push(("publisher".to_owned(), format!("`{}` is not in publishers.toml", entry.publisher)));
    }
    if !themes.iter().any(|theme| theme.slug == entry.theme) {
        faults.push(("theme".to_owned(), format!("`{}` is not in themes.toml", entry.theme)));
    }
    record::check(entry, subject_classes, &mut faults);
    check_open_type(entry, &mut faults);
    check_data(entry, &mut faults);
    check_layout(entry, &mut faults);
    super::collection::check(entry, &mut faults);
    policy::check(entry, &mut faults);
    for (at, field) in entry.fields.iter().enumerate() {
        check_field(entry, at, field, &mut faults);
        record::check_field(entry, at, field, &mut faults);
    }
    faults.extend(scheme.faults(entry));
    faults
}

fn check_texts(entry: &Entry, faults: &mut Faults) {
    let texts = [
        ("title", Some(&entry.title)),
        ("description", Some(&entry.description)),
        ("open_type_reason", entry.open_type_reason.as_ref()),
        ("conditions", entry.conditions.as_ref()),
    ];
    texts.into_iter().for_each(|(key, text)| both(key, text, faults));
}

/// A text that is given is given in both languages.
fn both(key: &str, text: Option<&Text>, faults: &mut Faults) {
    if let Some(Text { zh, en }) = text
        && (zh.trim().is_empty() || en.trim().is_empty())
    {
        faults.push((key.to_owned(), "both zh and en need a text".to_owned()));
    }
}

fn check_open_type(entry: &Entry, faults: &mut Faults) {
    let conditional = entry.open_type == OpenType::Conditional;
    let kind = entry.open_type.as_str();
    let mut fault = |key: &str, detail: String| faults.push((key.to_owned(), detail));
    if entry.open_type != OpenType::Unconditional && entry.open_type_reason.is_none() {
        fault("open_type_reason", format!("a {kind} entry says why it is not open to everybody"));
    }
    if conditional && entry.conditions.is_none() {
        fault("conditions", "a conditional entry says what it asks of an applicant".to_owned());
    }
    if !conditional && entry.conditions.is_some() {
        fault("conditions", format!("only a conditional entry has conditions; this one is {kind}"));
    }
    match entry.max_term_days {
        Some(_) if !conditional => fault("max_term_days", format!("only a conditional entry has a term; this one is {kind}")),
        Some(days) if !(1..=3650).contains(&days) => fault("max_term_days", "give 1 to 3650 days".to_owned()),
        Some(_) | None => {}
    }
}

fn check_data(entry: &Entry, faults: &mut Faults) {
    let closed = entry.open_type == OpenType::Closed;
    let mut fault = |key: &str, detail: &str| faults.push((key.to_owned(), detail.to_owned()));
    match &entry.data {
        Some(_) if closed => fault("data", "a closed entry has no data file"),
        None if !closed => fault("data", "name the data file beside this one"),
        Some(name) if name.contains(['/', '\\']) || name.starts_with('.') || name.is_empty() => {
            fault("data", "give the name of a file in the same folder, without a path");
        }
        Some(_) | None => {}
    }
    if !closed {
        if entry.fields.is_empty() {
            fault("fields", "describe each column of the data file in a [[fields]]");
        }
        if entry.source.as_deref().is_none_or(|source| source.trim().is_empty()) {
            fault("source", "say where the data comes from");
        }
    }
    match entry.licence.as_deref() {
        None if !closed => fault("licence", "name a licence: an SPDX identifier such as CC-BY-4.0, or an https address"),
        Some(licence) if !is_licence(licence) => fault("licence", &licence_hint(licence)),
        Some(_) | None => {}
    }
}

fn check_layout(entry: &Entry, faults: &mut Faults) {
    for (key, names) in [("key", &entry.key), ("sort_by", &entry.sort_by)] {
        for (at, name) in names.iter().enumerate() {
            if entry.field(name).is_none() {
                faults.push((key.to_owned(), format!("there is no field `{name}`")));
            }
            if names[..at].contains(name) {
                faults.push((key.to_owned(), format!("the field `{name}` stands twice")));
            }
        }
    }
    if entry.max_reject_share.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
        faults.push(("max_reject_share".to_owned(), "give a share from 0 to 1".to_owned()));
    }
}

fn is_licence(text: &str) -> bool {
    is_address(text) || spdx::license_id(text).is_some()
}

fn licence_hint(text: &str) -> String {
    match spdx::imprecise_license_id(text) {
        Some((meant, _)) => format!("`{text}` is no SPDX identifier; did you mean `{}`?", meant.name),
        None => format!("`{text}` is neither an SPDX identifier such as CC-BY-4.0 nor an https address"),
    }
}

/// Whether it is an https address that can stand in a page, and as it is in every other catalogue (an IRI of RFC 3987).
fn is_address(text: &str) -> bool {
    text.starts_with("https://") && oxrdf::NamedNode::new(text).is_ok() && url::Url::parse(text).is_ok_and(|url| url.has_host())
}

fn check_field(entry: &Entry, at: usize, field: &Field, faults: &mut Faults) {
    let mut fault = |key: &str, detail: &str| faults.push((format!("fields[{at}].{key}"), format!("field `{}`: {detail}", field.name)));
    if field.name.trim().is_empty() || field.name.trim() != field.name {
        fault("name", "give the column's name, without spaces around it");
    }
    if entry.fields[..at].iter().any(|other| other.name == field.name) {
        fault("name", "the name stands twice");
    }
    match (field.field_type, field.scale) {
        (Some(FieldType::Decimal), None) => fault("scale", "a decimal needs scale, the digits behind its point"),
        (Some(FieldType::Decimal), Some(scale)) if !(0..=30).contains(&scale) => fault("scale", "give 0 to 30 digits"),
        (Some(FieldType::Decimal), Some(_)) | (_, None) => {}
        (_, Some(_)) => fault("scale", "only a decimal has a scale"),
    }
    policy::check_field(entry, at, field, faults);
}
