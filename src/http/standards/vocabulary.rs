//! The controlled vocabularies of other catalogues, and what of ours they are: the authority tables of the EU's Publications Office, IANA's media
//! types, SPDX's licences.

use super::card::Kind;
use crate::catalog::{HighValueCategory, OpenType, UpdateFrequency};
use crate::read::Format;

const AUTHORITY: &str = "http://publications.europa.eu/resource/authority/";

/// How far a dataset is open, in the table `access-right`.
pub fn access_right(open_type: OpenType) -> String {
    let name = match open_type {
        OpenType::Unconditional => "PUBLIC",
        OpenType::Conditional => "RESTRICTED",
        OpenType::Closed => "NON_PUBLIC",
    };
    format!("{AUTHORITY}access-right/{name}")
}

/// How often data comes, in the table `frequency`.
pub fn frequency(frequency: UpdateFrequency) -> String {
    let name = match frequency {
        UpdateFrequency::Realtime => "UPDATE_CONT",
        UpdateFrequency::Daily => "DAILY",
        UpdateFrequency::Weekly => "WEEKLY",
        UpdateFrequency::Monthly => "MONTHLY",
        UpdateFrequency::Quarterly => "QUARTERLY",
        UpdateFrequency::HalfYearly => "ANNUAL_2",
        UpdateFrequency::Yearly => "ANNUAL",
        UpdateFrequency::Irregular => "IRREG",
        UpdateFrequency::Never => "NEVER",
    };
    format!("{AUTHORITY}frequency/{name}")
}

/// How often data comes, as an ISO 8601 repeating duration; none where it comes at no interval.
pub fn interval(frequency: UpdateFrequency) -> &'static str {
    match frequency {
        UpdateFrequency::Realtime => "R/PT1S",
        UpdateFrequency::Daily => "R/P1D",
        UpdateFrequency::Weekly => "R/P1W",
        UpdateFrequency::Monthly => "R/P1M",
        UpdateFrequency::Quarterly => "R/P3M",
        UpdateFrequency::HalfYearly => "R/P6M",
        UpdateFrequency::Yearly => "R/P1Y",
        UpdateFrequency::Irregular => "irregular",
        UpdateFrequency::Never => "never",
    }
}

/// The languages that the table `language` is asked for; the table has more, and others go by the Library of Congress's codes.
const LANGUAGES: [(&str, &str); 12] = [
    ("zh", "ZHO"),
    ("en", "ENG"),
    ("fr", "FRA"),
    ("de", "DEU"),
    ("es", "SPA"),
    ("ja", "JPN"),
    ("ko", "KOR"),
    ("ru", "RUS"),
    ("ar", "ARA"),
    ("pt", "POR"),
    ("it", "ITA"),
    ("bo", "BOD"),
];

/// A language by its BCP 47 tag.
pub fn language(tag: &str) -> String {
    let primary = primary_language(tag);
    match LANGUAGES.iter().find(|(code, _)| *code == primary) {
        Some((_, name)) => format!("{AUTHORITY}language/{name}"),
        None if primary.len() == 2 => format!("http://id.loc.gov/vocabulary/iso639-1/{primary}"),
        None => format!("http://id.loc.gov/vocabulary/iso639-2/{primary}"),
    }
}

/// The first part of a BCP 47 tag: the language without script and region.
pub fn primary_language(tag: &str) -> String {
    tag.split('-').next().unwrap_or_default().to_ascii_lowercase()
}

/// The scheme of themes that catalogues know.
pub fn theme_scheme() -> String {
    format!("{AUTHORITY}data-theme")
}

/// A theme of the table `data-theme`.
pub fn theme(code: &str) -> String {
    format!("{AUTHORITY}data-theme/{code}")
}

/// A kind of file, in the table `file-type`; none where the table has nothing like it.
pub fn file_type(kind: Kind) -> Option<String> {
    let name = match kind {
        Kind::Table(Format::Parquet) => "PARQUET",
        Kind::Table(Format::Csv) => "CSV",
        // The table does not tell lines of JSON from a document.
        Kind::Table(Format::Ndjson | Format::Json) => "JSON",
        Kind::Table(Format::Arrow) => return None,
        Kind::Table(Format::Xlsx) => "XLSX",
        Kind::Table(Format::Geojson) => "GEOJSON",
        Kind::Archive => "TAR",
    };
    Some(format!("{AUTHORITY}file-type/{name}"))
}

/// A media type in IANA's register; none where it is not registered.
pub fn media_type(kind: Kind) -> Option<String> {
    match kind {
        Kind::Table(Format::Ndjson) | Kind::Archive => None,
        Kind::Table(Format::Parquet | Format::Csv | Format::Json | Format::Arrow | Format::Xlsx | Format::Geojson) => {
            Some(format!("https://www.iana.org/assignments/media-types/{}", kind.media_type()))
        }
    }
}

/// The table of licences of the EU: those of SPDX that it has, by their names there.
const LICENCES: [(&str, &str); 6] = [
    ("CC0-1.0", "CC0"),
    ("CC-BY-4.0", "CC_BY_4_0"),
    ("CC-BY-SA-4.0", "CC_BYSA_4_0"),
    ("CC-BY-NC-4.0", "CC_BYNC_4_0"),
    ("CC-BY-ND-4.0", "CC_BYND_4_0"),
    ("Apache-2.0", "APACHE_2_0"),
];

/// The address of a licence: its own, that of the EU's table, or that of SPDX.
pub fn licence(licence: &str) -> String {
    if licence.starts_with("https://") || licence.starts_with("http://") {
        return licence.to_owned();
    }
    match LICENCES.iter().find(|(spdx, _)| *spdx == licence) {
        Some((_, name)) => format!("{AUTHORITY}licence/{name}"),
        None => spdx(licence),
    }
}

/// A licence at SPDX, as its own vocabulary names it.
fn spdx(licence: &str) -> String {
    format!("http://spdx.org/licenses/{licence}")
}

/// The address at which a licence can be read.
pub fn licence_page(licence: &str) -> String {
    if licence.starts_with("https://") || licence.starts_with("http://") {
        licence.to_owned()
    } else {
        format!("https://spdx.org/licenses/{licence}")
    }
}

/// A kind of high-value dataset of the EU's regulation 2023/138.
pub fn high_value(category: HighValueCategory) -> &'static str {
    match category {
        HighValueCategory::Geospatial => "http://data.europa.eu/bna/c_ac64a52d",
        HighValueCategory::EarthObservation => "http://data.europa.eu/bna/c_dd313021",
        HighValueCategory::Meteorological => "http://data.europa.eu/bna/c_164e0bf5",
        HighValueCategory::Statistics => "http://data.europa.eu/bna/c_e1da4e07",
        HighValueCategory::Companies => "http://data.europa.eu/bna/c_a9135398",
        HighValueCategory::Mobility => "http://data.europa.eu/bna/c_b79e35eb",
    }
}
