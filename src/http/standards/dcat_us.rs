//! The list in DCAT-US 3.0, as the one JSON document that US catalogues harvest. That profile knows one language for each text; English stands in the
//! property, and both in the property's language map.

use serde_json::{Map, Value, json};

use super::card::{Card, File, Kind, Site};
use super::policy;
use super::vocabulary;
use super::{dcat, moment};
use crate::catalog::{OpenType, Place, Publisher, Text, UpdateFrequency};
use crate::read::Format;

/// What the document says of the list, with an empty list of datasets at its end.
pub fn catalog(site: &Site) -> Value {
    let publisher = site.publisher.as_ref().map_or_else(|| json!({ "@type": "Organization", "name": Site::title().en }), organization);
    json!({
        "@type": "Catalog",
        "@id": site.at("/catalog"),
        "conformsTo": { "@type": "Standard", "@id": "https://resources.data.gov/dcat-us/3.0.0/", "title": "DCAT-US 3.0" },
        "title": Site::title().en,
        "description": Site::description().en,
        "language": ["zh", "en"],
        "publisher": publisher,
        "dataset": [],
    })
}

/// Sets a text: the English one, and both by language.
fn say(object: &mut Map<String, Value>, key: &str, text: &Text) {
    object.insert(key.to_owned(), text.en.clone().into());
    object.insert(format!("{key}Map"), json!({ "zh": text.zh, "en": text.en }));
}

fn organization(publisher: &Publisher) -> Value {
    let mut value = json!({ "@type": "Organization", "name": publisher.name.en, "altLabel": publisher.name.zh });
    if let Some(uscc) = &publisher.uscc {
        value["identifier"] = json!({ "@type": "Identifier", "schemaAgency": "统一社会信用代码", "notation": uscc });
    }
    value
}

/// A dataset.
pub fn dataset(site: &Site, card: &Card) -> Value {
    let entry = &card.dataset.entry;
    let mut object = Map::new();
    object.insert("@type".to_owned(), "Dataset".into());
    object.insert("@id".to_owned(), card.page.clone().into());
    say(&mut object, "title", &entry.title);
    say(&mut object, "description", &entry.description);
    let mut set = |key: &str, value: Value| object.insert(key.to_owned(), value);
    set("identifier", json!({ "@type": "Identifier", "@id": card.page, "notation": card.identifier() }));
    if let Some(code) = &entry.registration_code {
        set("otherIdentifier", json!([{ "@type": "Identifier", "notation": code }]));
    }
    set("publisher", organization(&card.publisher));
    set("contactPoint", contact(site, card));
    set("keyword", entry.keywords.en.iter().chain(&entry.keywords.zh).cloned().collect());
    set(
        "theme",
        json!([{ "@type": "Concept", "prefLabel": card.theme.name.en, "altLabel": card.theme.name.zh, "notation": [card.theme.slug] }]),
    );
    set("landingPage", json!({ "@type": "Document", "@id": card.page, "title": entry.title.en, "accessURL": card.page }));
    set("accessRights", access(entry.open_type).into());
    set("accrualPeriodicity", frequency(entry.update_frequency).into());
    set("issued", moment(card.dataset.created_at).into());
    set("modified", moment(card.data_changed_at()).into());
    let codes = entry.languages.iter().map(|tag| vocabulary::primary_language(tag)).filter(|code| code.len() == 2);
    set("language", codes.collect());
    set("rights", json!([policy::rights(card).en]));
    if let Some(newest) = &card.newest {
        set("version", newest.number.to_string().into());
    }
    if let Some(source) = &entry.source {
        set("provenance", json!([source]));
    }
    if !entry.spatial.is_empty() {
        set("spatial", entry.spatial.iter().map(location).collect());
    }
    if let Some(period) = entry.temporal {
        set("temporal", json!([{ "@type": "PeriodOfTime", "startDate": period.start, "endDate": period.end }]));
    }
    if let Some(class) = &card.subject_class {
        set("subject", json!([{ "@type": "Concept", "prefLabel": class.name.en, "altLabel": class.name.zh, "notation": [class.slug] }]));
    }
    let related: Vec<String> = card.links.iter().map(|link| site.at(&format!("/datasets/{}", link.slug))).collect();
    if !related.is_empty() {
        set("relation", related.into());
    }
    set("describedBy", dictionary(site, card));
    set("distribution", distributions(site, card).into());
    Value::Object(object)
}

/// How far it is open, in the words of the vocabulary that the profile names.
fn access(open_type: OpenType) -> &'static str {
    match open_type {
        OpenType::Unconditional => "public",
        OpenType::Conditional => "restricted public",
        OpenType::Closed => "non-public",
    }
}

/// Either a code of ISO 19115 or a repeating duration, as the profile wants it.
fn frequency(frequency: UpdateFrequency) -> &'static str {
    match frequency {
        UpdateFrequency::Realtime => "continual",
        UpdateFrequency::Irregular => "irregular",
        UpdateFrequency::Never => "notPlanned",
        UpdateFrequency::Daily
        | UpdateFrequency::Weekly
        | UpdateFrequency::Monthly
        | UpdateFrequency::Quarterly
        | UpdateFrequency::HalfYearly
        | UpdateFrequency::Yearly => vocabulary::interval(frequency),
    }
}

/// Whom to ask. The profile asks for an e-mail address: the dataset's, or else that of the list; where nobody has set one, none is made up.
fn contact(site: &Site, card: &Card) -> Value {
    let contact = card.contact();
    let name = contact.and_then(|contact| contact.name.as_ref()).unwrap_or(&card.publisher.name);
    let mut value = json!({ "@type": "Kind", "fn": name.en, "organization-name": card.publisher.name.en });
    let email = contact.and_then(|contact| contact.email.as_ref()).or(site.email.as_ref());
    if let Some(email) = email {
        value["hasEmail"] = format!("mailto:{email}").into();
    }
    if let Some(phone) = contact.and_then(|contact| contact.phone.as_ref()) {
        value["tel"] = dcat::telephone(phone).into();
    }
    value
}

fn location(place: &Place) -> Value {
    let mut value = json!({ "@type": "Location", "prefLabel": place.name.en, "altLabel": place.name.zh });
    if let Some(code) = &place.code {
        value["identifier"] = json!({ "@type": "Identifier", "schemaAgency": "GB/T 2260", "notation": code });
    }
    if let Some(wkt) = dcat::wkt(place) {
        value["bbox"] = wkt.into();
    }
    value
}

/// What the fields mean.
fn dictionary(site: &Site, card: &Card) -> Value {
    let address = site.at(&format!("/api/v1/datasets/{}", card.dataset.slug));
    json!({ "@type": "Distribution", "title": "Fields of the dataset", "downloadURL": address, "mediaType": "application/json" })
}

fn distributions(site: &Site, card: &Card) -> Vec<Value> {
    match card.dataset.entry.open_type {
        OpenType::Closed => Vec::new(),
        OpenType::Unconditional => card.files.iter().map(|file| open_file(card, file)).collect(),
        OpenType::Conditional if card.newest.is_none() => Vec::new(),
        OpenType::Conditional => Card::BY_GRANT.into_iter().map(|format| file_by_grant(site, card, format)).collect(),
    }
}

fn file_by_grant(site: &Site, card: &Card, format: Format) -> Value {
    let mut value = distribution(card, Kind::Table(format));
    value["title"] = format!("The release that is made for a grant ({})", format.as_str().to_uppercase()).into();
    value["accessURL"] = card.page.clone().into();
    value["downloadURL"] = card.download_by_grant(site, format).into();
    let note = card.dataset.entry.open_type_reason.as_ref();
    value["accessRestriction"] = json!([{
        "@type": "AccessRestriction",
        "restrictionStatus": { "@type": "Concept", "prefLabel": "Restricted - Partly" },
        "restrictionNote": note.map(|note| note.en.clone()),
    }]);
    value
}

fn distribution(card: &Card, kind: Kind) -> Value {
    let mut value = json!({
        "@type": "Distribution",
        "@id": format!("{}#{}", card.page, kind.as_str()),
        "format": kind.as_str().to_uppercase(),
        "mediaType": kind.media_type(),
        "rights": [policy::rights(card).en],
    });
    if let Some(licence) = &card.dataset.entry.licence {
        value["license"] = vocabulary::licence_page(licence).into();
    }
    if let Some(newest) = &card.newest {
        value["issued"] = moment(newest.created_at).into();
        value["modified"] = moment(newest.created_at).into();
    }
    value
}

fn open_file(card: &Card, file: &File) -> Value {
    let mut value = distribution(card, file.kind);
    value["title"] = format!("{} ({})", card.dataset.entry.title.en, file.kind.as_str().to_uppercase()).into();
    value["accessURL"] = card.page.clone().into();
    value["downloadURL"] = file.pinned.clone().into();
    if let Some(object) = &file.object {
        value["byteSize"] = object.size_bytes.to_string().into();
        value["checksum"] = json!({ "@type": "Checksum", "algorithm": "SHA-256", "checksumValue": object.sha256 });
    }
    value
}
