//! Datasets, files, bodies, themes and keywords in the shapes of CKAN. Titles are Chinese; both languages stand in `title_translated` and the like.

use chrono::NaiveDateTime;
use serde_json::{Value, json};

use crate::catalog::{Dataset, OpenType, Publisher, Text, Theme};
use crate::http::standards::card::{Card, File, Site};
use crate::http::standards::{licence_page, rights};
use crate::read::Format;
use crate::read::numbered::is_numbered;

/// A moment as CKAN says it: UTC, without zone.
fn moment(at: NaiveDateTime) -> String {
    at.format("%Y-%m-%dT%H:%M:%S%.6f").to_string()
}

fn both(text: &Text) -> Value {
    json!({ "zh": text.zh, "en": text.en })
}

/// Whether a licence lets everybody use, change and pass on what it is for, as the open definition asks. An address says nothing about that.
fn is_open(licence: &str) -> bool {
    !licence.contains(':') && !licence.contains("-NC") && !licence.contains("-ND")
}

/// A dataset.
pub fn package(site: &Site, card: &Card) -> Value {
    let (dataset, entry) = (&card.dataset, &card.dataset.entry);
    let contact = card.contact();
    let name = contact.and_then(|contact| contact.name.as_ref()).unwrap_or(&card.publisher.name);
    let email = contact.and_then(|contact| contact.email.clone()).or_else(|| site.email.clone());
    let resources = resources(site, card);
    let tags: Vec<Value> = tags(dataset).into_iter().map(|tag| tag_of(tag)).collect();
    let licence = entry.licence.as_deref();
    let mut value = json!({
        "id": dataset.id,
        "name": dataset.slug,
        "title": entry.title.zh,
        "title_translated": both(&entry.title),
        "notes": entry.description.zh,
        "notes_translated": both(&entry.description),
        "url": card.page,
        "type": "dataset",
        "state": "active",
        "private": false,
        "author": card.publisher.name.zh,
        "author_email": email,
        "maintainer": name.zh,
        "maintainer_email": email,
        "owner_org": card.publisher.slug,
        "organization": organization(&card.publisher, None),
        "groups": [group(&card.theme, None)],
        "tags": tags,
        "num_tags": tags.len(),
        "resources": resources,
        "num_resources": resources.len(),
        "isopen": entry.open_type == OpenType::Unconditional && licence.is_some_and(is_open),
        "creator_user_id": Value::Null,
        "metadata_created": moment(dataset.created_at),
        "metadata_modified": moment(dataset.updated_at),
        "relationships_as_subject": [],
        "relationships_as_object": [],
        "extras": extras(card),
    });
    value["version"] = card.newest.as_ref().map_or(Value::Null, |newest| newest.number.to_string().into());
    value["license_id"] = licence.map_or(Value::Null, Into::into);
    value["license_title"] = licence.map_or(Value::Null, Into::into);
    if let Some(licence) = licence {
        value["license_url"] = licence_page(licence).into();
    }
    value
}

fn extras(card: &Card) -> Vec<Value> {
    let entry = &card.dataset.entry;
    let mut extras = Vec::new();
    let mut add = |key: &str, value: String| extras.push(json!({ "key": key, "value": value }));
    add("open_type", entry.open_type.as_str().to_owned());
    add("rights", rights(card).zh);
    add("frequency", entry.update_frequency.as_str().to_owned());
    add("high_value", entry.high_value.is_some().to_string());
    add("identifier", card.identifier().to_owned());
    if let Some(source) = &entry.source {
        add("provenance", source.clone());
    }
    if let Some(period) = entry.temporal {
        period.start.into_iter().for_each(|day| add("temporal_start", day.to_string()));
        period.end.into_iter().for_each(|day| add("temporal_end", day.to_string()));
    }
    if !entry.spatial.is_empty() {
        add("spatial_text", entry.spatial.iter().map(|place| place.name.zh.clone()).collect::<Vec<_>>().join("、"));
    }
    if !entry.languages.is_empty() {
        add("language", entry.languages.join(","));
    }
    if let Some(url) = card.contact().and_then(|contact| contact.url.clone()) {
        add("contact_uri", url);
    }
    if let Some(objections) = &card.objections {
        add("objections", objections.count.to_string());
        add("objections_accepted", objections.accepted.to_string());
        add("objections_since", moment(objections.since));
    }
    extras
}

/// The keywords of a dataset, each once.
pub fn tags(dataset: &Dataset) -> std::collections::BTreeSet<&String> {
    dataset.entry.keywords.zh.iter().chain(&dataset.entry.keywords.en).collect()
}

/// A keyword.
pub fn tag_of(name: &str) -> Value {
    json!({ "id": name, "name": name, "display_name": name, "state": "active", "vocabulary_id": Value::Null })
}

/// The files of a dataset.
pub fn resources(site: &Site, card: &Card) -> Vec<Value> {
    let open = card.files.iter().map(|file| (file.kind.as_str(), file.kind.media_type(), file.newest.clone(), Some(file)));
    let by_grant = Card::BY_GRANT.into_iter().filter(|_| card.dataset.entry.open_type == OpenType::Conditional && card.newest.is_some());
    let by_grant = by_grant.map(|format| {
        let kind = crate::http::standards::card::Kind::Table(format);
        (kind.as_str(), kind.media_type(), card.download_by_grant(site, format), None)
    });
    open.chain(by_grant)
        .enumerate()
        .map(|(position, (kind, media_type, url, file))| resource(card, position, kind, (media_type, url), file))
        .collect()
}

fn resource(card: &Card, position: usize, kind: &str, (media_type, url): (&str, String), file: Option<&File>) -> Value {
    let changed = card.newest.as_ref().map_or(card.dataset.updated_at, |newest| newest.created_at);
    let object = file.and_then(|file| file.object.as_ref());
    let format = kind.to_uppercase();
    json!({
        "id": format!("{}-{kind}", card.dataset.id),
        "package_id": card.dataset.id,
        "name": format!("{}（{format}）", card.dataset.entry.title.zh),
        "description": rights(card).zh,
        "url": url,
        "url_type": Value::Null,
        "resource_type": "file",
        "format": format,
        "mimetype": media_type,
        "mimetype_inner": Value::Null,
        "size": object.map(|object| object.size_bytes),
        "hash": object.map_or_else(String::new, |object| format!("sha256:{}", object.sha256)),
        "created": moment(changed),
        "last_modified": moment(changed),
        "metadata_modified": moment(changed),
        "position": position,
        "state": "active",
        "cache_url": Value::Null,
        "cache_last_updated": Value::Null,
        "datastore_active": has_datastore(card, kind),
    })
}

/// Whether the datastore answers for a file, as everybody may ask it. It answers for each table of a dataset with the same rows; it is said of one, so that
/// nobody takes them twice.
fn has_datastore(card: &Card, kind: &str) -> bool {
    let fields = card.newest.as_ref().map(|newest| newest.fields.as_slice());
    card.is_open() && kind == Format::Csv.as_str() && fields.is_some_and(is_numbered)
}

/// A publisher, with how many datasets it has where that is known.
pub fn organization(publisher: &Publisher, count: Option<u64>) -> Value {
    let mut value = json!({
        "id": publisher.slug,
        "name": publisher.slug,
        "title": publisher.name.zh,
        "title_translated": both(&publisher.name),
        "display_name": publisher.name.zh,
        "description": "",
        "image_url": "",
        "image_display_url": "",
        "type": "organization",
        "is_organization": true,
        "approval_status": "approved",
        "state": "active",
    });
    count.into_iter().for_each(|count| value["package_count"] = count.into());
    if let Some(uscc) = &publisher.uscc {
        value["extras"] = json!([{ "key": "uscc", "value": uscc, "state": "active" }]);
    }
    value
}

/// A theme, which is a group in CKAN.
pub fn group(theme: &Theme, count: Option<u64>) -> Value {
    let mut value = json!({
        "id": theme.slug,
        "name": theme.slug,
        "title": theme.name.zh,
        "title_translated": both(&theme.name),
        "display_name": theme.name.zh,
        "description": "",
        "image_display_url": "",
        "type": "group",
        "is_organization": false,
        "state": "active",
    });
    count.into_iter().for_each(|count| value["package_count"] = count.into());
    value
}
