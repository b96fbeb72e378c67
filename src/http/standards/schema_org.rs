//! A dataset in the terms of schema.org, as search engines read it inside of a page.

use serde_json::{Value, json};

use super::card::{Card, Site};
use super::{moment, policy, vocabulary};
use crate::catalog::Text;

/// The dataset, in one language.
pub fn dataset(site: &Site, card: &Card, in_chinese: bool) -> Value {
    let entry = &card.dataset.entry;
    let pick = |text: &Text| if in_chinese { text.zh.clone() } else { text.en.clone() };
    let other = |text: &Text| if in_chinese { text.en.clone() } else { text.zh.clone() };
    let mut publisher = json!({ "@type": "GovernmentOrganization", "name": pick(&card.publisher.name) });
    if let Some(uscc) = &card.publisher.uscc {
        publisher["identifier"] = uscc.clone().into();
    }
    let files = card.files.iter().map(|file| {
        let mut value = json!({ "@type": "DataDownload", "contentUrl": file.newest, "encodingFormat": file.kind.media_type() });
        if let Some(object) = &file.object {
            value["contentSize"] = format!("{} B", object.size_bytes).into();
        }
        value
    });
    let mut value = json!({
        "@context": "https://schema.org/",
        "@type": "Dataset",
        "@id": card.page,
        "url": card.page,
        "name": pick(&entry.title),
        "alternateName": other(&entry.title),
        "description": pick(&entry.description),
        "identifier": card.identifier(),
        "keywords": if in_chinese { &entry.keywords.zh } else { &entry.keywords.en },
        "inLanguage": entry.languages,
        "creator": publisher,
        "publisher": publisher,
        "isAccessibleForFree": true,
        "conditionsOfAccess": pick(&policy::rights(card)),
        "datePublished": moment(card.dataset.created_at),
        "dateModified": moment(card.data_changed_at()),
        "includedInDataCatalog": { "@type": "DataCatalog", "@id": site.at("/catalog"), "name": pick(&Site::title()), "url": site.at("/") },
        "distribution": files.collect::<Vec<Value>>(),
        "variableMeasured": entry.fields.iter().map(|field| json!({ "@type": "PropertyValue", "name": field.name, "description": pick(&field.title) })).collect::<Vec<Value>>(),
    });
    if let Some(licence) = &entry.licence {
        value["license"] = vocabulary::licence_page(licence).into();
    }
    if let Some(newest) = &card.newest {
        value["version"] = newest.number.to_string().into();
    }
    if let Some(period) = entry.temporal {
        let end = |day: Option<chrono::NaiveDate>| day.map_or_else(|| "..".to_owned(), |day| day.to_string());
        value["temporalCoverage"] = format!("{}/{}", end(period.start), end(period.end)).into();
    }
    if !entry.spatial.is_empty() {
        let places = entry.spatial.iter().map(|place| {
            let mut value = json!({ "@type": "Place", "name": pick(&place.name) });
            if let Some([west, south, east, north]) = place.bbox {
                value["geo"] = json!({ "@type": "GeoShape", "box": format!("{south} {west} {north} {east}") });
            }
            value
        });
        value["spatialCoverage"] = places.collect();
    }
    value
}

/// A document as it may stand inside of a page: nothing in it ends the element that it stands in.
pub fn embedded(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}
