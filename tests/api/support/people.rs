//! Conditional datasets of a test's own, and applications for them.

use std::fmt::Write;

use serde_json::{Value, json};

use super::{Folder, SAFEGUARDS, entry};

/// A folder with the conditional dataset `people`: a field is its name, its type and the rest of its lines.
pub fn people(policy: &str, fields: &[(&str, &str, &str)], csv: &str) -> Folder {
    let folder = Folder::new();
    let reasons =
        "open_type_reason = { zh = \"含个人信息\", en = \"personal\" }\nconditions = { zh = \"说明用途\", en = \"say what for\" }\n";
    let mut text = entry("people", &[]).replace("\"unconditional\"", "\"conditional\"") + reasons;
    text += &format!("policy = {{ {policy} }}\n");
    for (name, kind, more) in fields {
        writeln!(text, "[[fields]]\nname = \"{name}\"\ntype = \"{kind}\"\ntitle = {{ zh = \"{name}\", en = \"{name}\" }}\n{more}").unwrap();
    }
    folder.write("people/dataset.toml", text);
    folder.write("people/data.csv", csv);
    folder
}

/// An application for these fields.
pub fn application(dataset: &str, fields: &[&str]) -> Value {
    json!({
        "dataset": dataset, "purpose": "to test what leaves", "purposes": ["analytics"], "fields": fields, "modes": ["download", "api"],
        "term_days": 30, "safeguards": "encrypted disks, two people", "safeguards_met": SAFEGUARDS,
    })
}
