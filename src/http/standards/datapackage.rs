//! A dataset as a Frictionless data package: the CSV file of its newest version with the schema of its columns.

use serde_json::{Value, json};

use super::card::{Card, Kind};
use super::{moment, vocabulary};
use crate::catalog::{Field, FieldType, Text};
use crate::error::{Error, Result};
use crate::read::Format;

/// The package of a dataset.
///
/// # Errors
/// When not everybody may have its data, or there is none.
pub fn document(card: &Card, in_chinese: bool) -> Result<Value> {
    let (Some(newest), Some(csv)) = (&card.newest, card.file(Format::Csv)) else {
        return Err(Error::not_found("data package, which only an unconditional dataset with data has, of dataset", &card.dataset.slug));
    };
    let entry = &card.dataset.entry;
    let pick = |text: &Text| if in_chinese { text.zh.clone() } else { text.en.clone() };
    let keywords = if in_chinese { &entry.keywords.zh } else { &entry.keywords.en };
    let mut resource = json!({
        "name": card.dataset.slug,
        "title": pick(&entry.title),
        "path": csv.pinned,
        "scheme": "http",
        "format": "csv",
        "mediatype": Kind::Table(Format::Csv).media_type(),
        "encoding": "utf-8",
        "schema": schema(card, &newest.fields, &pick),
    });
    // An address is read by what it begins with.
    if csv.pinned.starts_with("https:") {
        resource["scheme"] = "https".into();
    }
    if let Some(object) = &csv.object {
        resource["bytes"] = object.size_bytes.into();
        resource["hash"] = format!("sha256:{}", object.sha256).into();
    }
    let mut package = json!({
        "$schema": "https://datapackage.org/profiles/2.0/datapackage.json",
        "name": card.dataset.slug,
        "id": card.page,
        "title": pick(&entry.title),
        "description": pick(&entry.description),
        "homepage": card.page,
        "version": format!("{}.0.0", newest.number),
        "created": moment(newest.created_at),
        "keywords": keywords,
        "contributors": [{ "title": pick(&card.publisher.name), "role": "publisher", "roles": ["publisher"] }],
        "resources": [resource],
    });
    if keywords.is_empty() {
        package.as_object_mut().map(|package| package.remove("keywords"));
    }
    if let Some(licence) = &entry.licence {
        let mut value = json!({ "path": vocabulary::licence_page(licence) });
        if !licence.contains(':') {
            value["name"] = licence.clone().into();
        }
        package["licenses"] = json!([value]);
    }
    if let Some(source) = &entry.source {
        package["sources"] = json!([{ "title": source }]);
    }
    Ok(package)
}

fn schema(card: &Card, columns: &[Field], pick: &impl Fn(&Text) -> String) -> Value {
    let entry = &card.dataset.entry;
    let fields: Vec<Value> =
        columns.iter().map(|column| field(entry.field(&column.name).unwrap_or(column), column.field_type, pick)).collect();
    let mut schema = json!({ "fields": fields, "missingValues": [""] });
    if !entry.key.is_empty() {
        schema["primaryKey"] = json!(entry.key);
    }
    schema
}

fn field(field: &Field, field_type: Option<FieldType>, pick: &impl Fn(&Text) -> String) -> Value {
    let mut value = json!({ "name": field.name, "title": pick(&field.title), "type": type_of(field_type) });
    if field_type == Some(FieldType::Datetime) {
        // Without zone, and with a fraction of a second where there is one.
        value["format"] = "any".into();
    }
    if let Some(description) = &field.description {
        value["description"] = pick(description).into();
    }
    if let Some(example) = &field.example {
        value["example"] = example.clone().into();
    }
    if !field.codes.is_empty() {
        let codes = field.codes.iter().map(|code| json!({ "value": code.code, "label": pick(&code.title) }));
        value["categories"] = codes.collect();
    }
    value
}

fn type_of(field_type: Option<FieldType>) -> &'static str {
    match field_type {
        Some(FieldType::Integer) => "integer",
        Some(FieldType::Decimal | FieldType::Number) => "number",
        Some(FieldType::Boolean) => "boolean",
        Some(FieldType::Date) => "date",
        Some(FieldType::Datetime) => "datetime",
        Some(FieldType::Geometry) => "geojson",
        Some(FieldType::String) | None => "string",
    }
}
