//! A dataset in Croissant 1.1 (ML Commons): its files with their digests, its fields as a record set, and on what terms it may be used. Loaders read
//! the Parquet file, in which every column has its type.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::card::{Card, File, Kind, Site};
use super::{moment, policy, vocabulary};
use crate::catalog::{Citation, DatasetKind, Field, FieldType, OpenType, Publisher, Text};
use crate::clock::{now_naive, shanghai};
use crate::error::{Error, Result};
use crate::read::Format;

/// The media type of a Croissant document.
pub const MEDIA_TYPE: &str = "application/ld+json; profile=\"http://mlcommons.org/croissant/1.1\"";

/// What the document conforms to.
const VERSION: &str = "http://mlcommons.org/croissant/1.1";

/// What loaders know Parquet by, besides the registered media type.
const PARQUET: [&str; 2] = ["application/vnd.apache.parquet", "application/x-parquet"];

/// The document of a dataset.
///
/// # Errors
/// When there is no data that a document could be of.
pub fn document(site: &Site, card: &Card) -> Result<Value> {
    let entry = &card.dataset.entry;
    let Some(newest) = card.newest.as_ref().filter(|_| entry.open_type != OpenType::Closed) else {
        return Err(Error::not_found("Croissant document, which only a dataset with data has, of dataset", &card.dataset.slug));
    };
    let files = files(site, card);
    // Where a digest is not known beforehand, the standard has the file count as one that still changes.
    let live = files.iter().any(|file| file.get("contentUrl").is_some() && file.get("sha256").is_none());
    let publisher = organization(&card.publisher);
    let mut document = json!({
        "@context": context(),
        "@type": "sc:Dataset",
        "@id": card.page,
        "conformsTo": VERSION,
        "name": language_map(&entry.title),
        "description": language_map(&entry.description),
        "url": card.page,
        "identifier": card.identifier(),
        "license": entry.licence.as_deref().map_or_else(|| card.page.clone(), vocabulary::licence_page),
        "creator": publisher,
        "publisher": publisher,
        "datePublished": moment(card.dataset.created_at),
        "dateCreated": moment(newest.created_at),
        "dateModified": moment(card.data_changed_at()),
        "version": format!("{}.0.0", newest.number),
        "keywords": entry.keywords.en.iter().chain(&entry.keywords.zh).collect::<Vec<_>>(),
        "inLanguage": entry.languages,
        "citeAs": citation(site, card),
        "isAccessibleForFree": true,
        "conditionsOfAccess": policy::rights(card).en,
        "isLiveDataset": live,
        "distribution": files,
        "recordSet": [records(card, &newest.fields)],
    });
    if let Some(offer) = policy::offer_json(card) {
        let mut usage = vec![offer];
        usage.extend(policy::data_use_terms());
        document["usageInfo"] = usage.into();
    }
    if let Some(source) = &entry.source {
        document["rai:dataCollection"] = source.clone().into();
    }
    Ok(document)
}

/// What the names in the document mean: those of Croissant 1.1, and what usage terms are said in.
fn context() -> Value {
    let mut names = Map::from_iter([("@language".to_owned(), "en".into()), ("@vocab".to_owned(), "https://schema.org/".into())]);
    let prefixes = [
        ("cr", "http://mlcommons.org/croissant/"),
        ("dct", "http://purl.org/dc/terms/"),
        ("odrl", "http://www.w3.org/ns/odrl/2/"),
        ("rai", "http://mlcommons.org/croissant/RAI/"),
        ("sc", "https://schema.org/"),
        ("xsd", "http://www.w3.org/2001/XMLSchema#"),
        ("conformsTo", "dct:conformsTo"),
    ];
    names.extend(prefixes.map(|(name, meaning)| (name.to_owned(), meaning.into())));
    let own = [
        "arrayShape",
        "citeAs",
        "column",
        "containedIn",
        "equivalentProperty",
        "extract",
        "field",
        "fileObject",
        "fileProperty",
        "fileSet",
        "format",
        "includes",
        "isArray",
        "isLiveDataset",
        "jsonPath",
        "key",
        "md5",
        "parentField",
        "path",
        "recordSet",
        "references",
        "regex",
        "repeated",
        "replace",
        "samplingRate",
        "separator",
        "source",
        "subField",
        "transform",
    ];
    names.extend(own.map(|name| (name.to_owned(), format!("cr:{name}").into())));
    for name in ["data", "examples"] {
        names.insert(name.to_owned(), json!({ "@id": format!("cr:{name}"), "@type": "@json" }));
    }
    names.insert("dataType".to_owned(), json!({ "@id": "cr:dataType", "@type": "@vocab" }));
    for name in ["name", "description"] {
        names.insert(name.to_owned(), json!({ "@container": "@language" }));
    }
    Value::Object(names)
}

fn language_map(text: &Text) -> Value {
    json!({ "en": text.en, "zh": text.zh })
}

fn organization(publisher: &Publisher) -> Value {
    let mut value = json!({ "@type": "sc:Organization", "name": publisher.name.en, "alternateName": publisher.name.zh });
    if let Some(url) = &publisher.contact.url {
        value["url"] = url.clone().into();
    }
    value
}

fn citation(site: &Site, card: &Card) -> String {
    let issued = card.newest.as_ref().map_or(card.dataset.created_at, |newest| newest.created_at);
    let number = card.newest.as_ref().map(|newest| newest.number);
    Citation::of(&card.dataset, number, shanghai(issued).date(), shanghai(now_naive()).date(), &site.base).bibtex(false)
}

fn files(site: &Site, card: &Card) -> Vec<Value> {
    if !card.is_open() {
        // What the holder of a grant gets is made for that grant: neither size nor digest is known to anybody else.
        let address = card.download_by_grant(site, Format::Parquet);
        return vec![json!({
            "@type": "cr:FileObject",
            "@id": "parquet",
            "name": format!("{}.parquet", card.dataset.slug),
            "contentUrl": address,
            "encodingFormat": PARQUET,
        })];
    }
    let is_collection = card.dataset.entry.kind == DatasetKind::Collection;
    let named = |file: &&File| file.kind == Kind::Table(Format::Parquet) || file.kind == Kind::Archive || file.object.is_some();
    let mut files: Vec<Value> = card.files.iter().filter(named).map(|file| file_object(card, file)).collect();
    if is_collection {
        files.push(json!({
            "@type": "cr:FileSet",
            "@id": "files",
            "name": "files",
            "containedIn": { "@id": Kind::Archive.as_str() },
            "encodingFormat": "application/octet-stream",
            "includes": "**",
        }));
    }
    files
}

fn file_object(card: &Card, file: &File) -> Value {
    let number = card.newest.as_ref().map_or(0, |newest| newest.number);
    let encoding = if file.kind == Kind::Table(Format::Parquet) { json!(PARQUET) } else { file.kind.media_type().into() };
    let mut value = json!({
        "@type": "cr:FileObject",
        "@id": file.kind.as_str(),
        "name": format!("{}-v{number}.{}", card.dataset.slug, file.kind.ending()),
        "contentUrl": file.pinned,
        "encodingFormat": encoding,
    });
    if let Some(object) = &file.object {
        value["contentSize"] = format!("{} B", object.size_bytes).into();
        value["sha256"] = object.sha256.clone().into();
    }
    value
}

/// The fields as they are in the Parquet file; of a conditional dataset those that leave.
fn records(card: &Card, fields: &[Field]) -> Value {
    let entry = &card.dataset.entry;
    let leaves = |field: &&Field| card.is_open() || !entry.field(&field.name).is_some_and(|field| field.release.is_drop());
    let described = fields.iter().filter(leaves).map(|column| field(entry.field(&column.name).unwrap_or(column), column, card.is_open()));
    let mut set = json!({
        "@type": "cr:RecordSet",
        "@id": "records",
        "name": "records",
        "description": language_map(&entry.title),
        "field": described.collect::<Vec<Value>>(),
    });
    if !entry.key.is_empty() && card.is_open() {
        set["key"] = entry.key.iter().map(|name| json!({ "@id": field_id(name) })).collect();
    }
    set
}

/// A field's name as an identifier, in which nothing is a space or ends an address.
fn field_id(name: &str) -> String {
    let mut id = String::from("records/");
    for letter in name.chars() {
        if letter.is_whitespace() || letter.is_control() || "\"%<>\\^`{|}#?".contains(letter) {
            id.extend(utf8_percent_encode(letter.encode_utf8(&mut [0; 4]), NON_ALPHANUMERIC));
        } else {
            id.push(letter);
        }
    }
    id
}

fn field(field: &Field, column: &Field, open: bool) -> Value {
    // Of a conditional dataset the type is that of a release, in which values may be years or pseudonyms.
    let of_release = match column.field_type {
        Some(stored) if !open => field.release.output(stored, column.scale).ok(),
        stored => stored,
    };
    let both = |of: fn(&Text) -> &String| match &field.description {
        Some(description) => format!("{}: {}", of(&field.title), of(description)),
        None => of(&field.title).clone(),
    };
    let mut value = json!({
        "@type": "cr:Field",
        "@id": field_id(&column.name),
        "name": column.name,
        "description": { "en": both(|text| &text.en), "zh": both(|text| &text.zh) },
        "dataType": data_type(of_release),
        "source": { "fileObject": { "@id": "parquet" }, "extract": { "column": column.name } },
    });
    if let Some(example) = &field.example {
        value["examples"] = json!([example]);
    }
    value
}

fn data_type(field_type: Option<FieldType>) -> Value {
    let name = match field_type {
        Some(FieldType::Integer) => "cr:Int64",
        Some(FieldType::Decimal | FieldType::Number) => "cr:Float64",
        Some(FieldType::Boolean) => "sc:Boolean",
        Some(FieldType::Date) => "sc:Date",
        Some(FieldType::Datetime) => "sc:DateTime",
        // Loaders know no shapes, and hand WKB on as it is.
        Some(FieldType::Geometry) => return json!(["sc:Text", "sc:GeoShape"]),
        Some(FieldType::String) | None => "sc:Text",
    };
    name.into()
}
