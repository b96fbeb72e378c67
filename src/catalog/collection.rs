//! What the entry of a collection of files has that the entry of a table has not.
//!
//! A collection's table is its manifest: one row for each file, by its path. Its first four fields are always the same; what the curator
//! leaves out of them is added here.

use super::entry::{DatasetKind, Entry, Field, FieldType, OpenType, ReleaseRule, Text};
use crate::intake::collection::{MEDIA_TYPE, PATH, SHA256, SIZE};

/// The fields of every manifest: name, type, titles, and whether the field may leave unasked when the collection is conditional.
const STANDARD: [(&str, FieldType, &str, &str, bool); 4] = [
    (PATH, FieldType::String, "路径", "Path", false),
    (SIZE, FieldType::Integer, "大小", "Size", true),
    (MEDIA_TYPE, FieldType::String, "媒体类型", "Media type", true),
    (SHA256, FieldType::String, "SHA-256", "SHA-256", false),
];

/// Adds what every collection has and this entry leaves out. Answers how many fields now stand before the entry's own.
pub fn complete(entry: &mut Entry) -> usize {
    if entry.kind != DatasetKind::Collection {
        return 0;
    }
    let missing: Vec<Field> = STANDARD
        .iter()
        .filter(|(name, ..)| entry.field(name).is_none())
        .map(|standard| standard_field(standard, entry.open_type))
        .collect();
    let added = missing.len();
    entry.fields.splice(0..0, missing);
    for field in &mut entry.fields {
        if let Some((_, field_type, ..)) = STANDARD.iter().find(|(name, ..)| *name == field.name) {
            field.field_type.get_or_insert(*field_type);
        }
    }
    if entry.key.is_empty() {
        entry.key = vec![PATH.to_owned()];
    }
    added
}

fn standard_field(standard: &(&str, FieldType, &str, &str, bool), open_type: OpenType) -> Field {
    let (name, field_type, zh, en, leaves) = standard;
    // In a conditional collection a curator has to say that paths, or files, may leave.
    let kept = *leaves || open_type != OpenType::Conditional;
    Field {
        unit: (*name == SIZE).then(|| "B".to_owned()),
        release: if kept { ReleaseRule::default() } else { ReleaseRule::DROP },
        ..Field::plain(name, Some(*field_type), None, Text { zh: (*zh).to_owned(), en: (*en).to_owned() })
    }
}

/// Every rule of collections that the entry breaks.
pub(super) fn check(entry: &Entry, faults: &mut Vec<(String, String)>) {
    if entry.kind != DatasetKind::Collection {
        return;
    }
    for (at, field) in entry.fields.iter().enumerate() {
        if let Some((name, field_type, ..)) = STANDARD.iter().find(|(name, ..)| *name == field.name)
            && field.field_type != Some(*field_type)
        {
            let detail = format!("field `{name}`: in a collection it is always of the type {}", field_type.as_str());
            faults.push((format!("fields[{at}].type"), detail));
        }
        if [PATH, SHA256].contains(&field.name.as_str()) && !field.coarser.is_empty() {
            faults.push((
                format!("fields[{at}].coarser"),
                format!("field `{}`: it names a file, and leaves as its rule says or not at all", field.name),
            ));
        }
    }
    if entry.key != [PATH] {
        faults.push(("key".to_owned(), format!("the files of a collection are told apart by `{PATH}`; leave the key out")));
    }
    if entry.max_reject_share.is_some() {
        faults.push(("max_reject_share".to_owned(), "no file of a collection is left out; leave this out too".to_owned()));
    }
}

/// Whether the files themselves leave with these fields, and not only what the manifest says of them: where path and digest stay as they
/// are. Whoever may have a file's digest may have the file.
pub fn files_leave<'f>(fields: impl Iterator<Item = (&'f str, &'f ReleaseRule)>) -> bool {
    let kept: Vec<&str> = fields.filter(|(_, rule)| rule.is_keep()).map(|(name, _)| name).collect();
    [PATH, SHA256].iter().all(|name| kept.contains(name))
}
