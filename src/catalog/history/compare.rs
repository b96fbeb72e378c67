//! How two texts of an entry differ.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::ValueChange;
use crate::catalog::entry::Entry;

/// What differs between two texts of an entry, by key.
pub fn compare(before: &Value, after: &Value) -> Vec<ValueChange> {
    let (mut old, mut new) = (BTreeMap::new(), BTreeMap::new());
    flatten("", before, &mut old);
    flatten("", after, &mut new);
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let differing = keys.into_iter().filter(|key| old.get(*key) != new.get(*key));
    let change = |key: &String| {
        // An example is the one value of the data in an entry: one that was taken out stays out.
        let told = |side: &BTreeMap<String, Value>| side.get(key).filter(|_| !is_example(key)).cloned();
        ValueChange { key: key.clone(), before: told(&old), after: told(&new) }
    };
    differing.map(change).collect()
}

fn is_example(key: &str) -> bool {
    key.starts_with("fields.") && key.ends_with(".example")
}

/// Objects by key, the columns by name; everything else is one value.
fn flatten(at: &str, value: &Value, into: &mut BTreeMap<String, Value>) {
    let below = |key: &str| if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") };
    match value {
        Value::Object(map) if !map.is_empty() => map.iter().for_each(|(key, value)| flatten(&below(key), value, into)),
        Value::Array(items) if at == "fields" => {
            let names: Vec<&str> = items.iter().filter_map(|item| item["name"].as_str()).collect();
            into.insert("fields".to_owned(), json!(names));
            for item in items {
                if let (Some(name), Value::Object(map)) = (item["name"].as_str(), item) {
                    map.iter()
                        .filter(|(key, _)| *key != "name")
                        .for_each(|(key, value)| flatten(&below(&format!("{name}.{key}")), value, into));
                }
            }
        }
        Value::Object(_) | Value::Array(_) | Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => {
            into.insert(at.to_owned(), value.clone());
        }
    }
}

/// How an entry opens less than before, in words; `None` where it does not.
pub fn narrowing(before: &Entry, after: &Entry) -> Option<(String, String)> {
    if before.open_type.is_wider(after.open_type) {
        let (was, is) = (before.open_type.as_str(), after.open_type.as_str());
        return Some(("open_type".to_owned(), format!("from {was} to {is}")));
    }
    if let Some(gone) = before.fields.iter().find(|field| after.field(&field.name).is_none()) {
        return Some(("fields".to_owned(), format!("the field `{}` goes", gone.name)));
    }
    let (was, is) = (before.offer(), after.offer());
    if before.open_type == after.open_type
        && let Some(gone) = was.modes.iter().find(|mode| !is.modes.contains(mode))
    {
        return Some(("offer.modes".to_owned(), format!("the mode `{}` goes", gone.as_str())));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_name_fields_and_keep_examples_out() {
        let field = |name: &str, unit: &str, example: &str| json!({ "name": name, "unit": unit, "example": example });
        let before = json!({ "title": { "zh": "甲", "en": "A" }, "fields": [field("a", "m", "1"), field("b", "m", "13800000000")] });
        let after = json!({ "title": { "zh": "甲", "en": "B" }, "fields": [field("a", "km", "2")], "licence": "MIT" });
        let found: Vec<(String, Option<Value>, Option<Value>)> =
            compare(&before, &after).into_iter().map(|change| (change.key, change.before, change.after)).collect();
        let wanted = vec![
            ("fields".to_owned(), Some(json!(["a", "b"])), Some(json!(["a"]))),
            ("fields.a.example".to_owned(), None, None),
            ("fields.a.unit".to_owned(), Some(json!("m")), Some(json!("km"))),
            ("fields.b.example".to_owned(), None, None),
            ("fields.b.unit".to_owned(), Some(json!("m")), None),
            ("licence".to_owned(), None, Some(json!("MIT"))),
            ("title.en".to_owned(), Some(json!("A")), Some(json!("B"))),
        ];
        assert_eq!(found, wanted);
    }
}
