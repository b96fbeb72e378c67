//! What the open list and the guide for catalogues of government information (2017) ask of an entry beside its title, summary, type and
//! fields. Each part names the term of DCAT-AP 3 that it becomes.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::entry::Text;

/// Whom to ask; what is not known is left out. `dcat:contactPoint`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Contact {
    /// The office, not a person. `vcard:fn`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Text>,
    /// `vcard:hasEmail`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// `vcard:hasTelephone`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// An https address. `vcard:hasURL`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

impl Contact {
    /// Whether it says how to reach anybody.
    pub fn is_reachable(&self) -> bool {
        self.email.is_some() || self.phone.is_some() || self.url.is_some()
    }

    /// This one, and of what it leaves out entirely the other.
    pub fn or(self, other: &Contact) -> Contact {
        if self.is_reachable() { self } else { Contact { name: self.name.or_else(|| other.name.clone()), ..other.clone() } }
    }
}

/// A place that the data is about. `dct:spatial`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Its name. `skos:prefLabel`
    pub name: Text,
    /// Its division code for statistics (GB/T 2260 and what the National Bureau of Statistics builds on it): 2, 4, 6, 9 or 12 digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Its least and greatest longitude and latitude, in degrees of WGS 84: west, south, east, north. `dcat:bbox`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bbox: Option<[f64; 4]>,
}

/// The time that the data is about; an end that is left out is open. `dct:temporal`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Period {
    /// The first day. `dcat:startDate`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<NaiveDate>,
    /// The last day. `dcat:endDate`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<NaiveDate>,
}

/// How a dataset is related to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// It is a part of the other. `dct:isPartOf`
    PartOf,
    /// It was made from the other. `dct:source`
    DerivedFrom,
    /// It takes the other's place. `dct:replaces`
    Replaces,
    /// Whoever uses it may want the other. `dct:relation`
    SeeAlso,
}

impl Relation {
    /// The relation as it is written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Relation::PartOf => "part_of",
            Relation::DerivedFrom => "derived_from",
            Relation::Replaces => "replaces",
            Relation::SeeAlso => "see_also",
        }
    }

    /// Whether nothing can be related to itself, also not through others.
    pub fn has_order(self) -> bool {
        self != Relation::SeeAlso
    }
}

/// Another dataset of the list. 关联资源
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Related {
    /// The other dataset's slug.
    pub dataset: String,
    /// What it is to this one.
    pub relation: Relation,
}

/// A rule that the data is collected or opened by. 法律依据; `dcatap:applicableLegislation` where it has an address
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LegalBasis {
    /// Its title, with number and article where they matter.
    pub title: Text,
    /// Where it can be read: an https address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// The kinds of high-value datasets of the EU's regulation 2023/138, which other catalogues know. `dcatap:hvdCategory`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum HighValueCategory {
    Geospatial,
    EarthObservation,
    Meteorological,
    Statistics,
    Companies,
    Mobility,
}

/// Why a dataset counts as one of high value. 高价值数据集
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HighValue {
    /// What it is good for.
    pub reason: Text,
    /// Its kind, where it is one of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<HighValueCategory>,
}

/// How far government bodies may have a resource. 共享类型
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SharingType {
    /// 无条件共享: every government body.
    Unconditional,
    /// 有条件共享: some, or on conditions.
    Conditional,
    /// 不予共享: none.
    None,
}

/// How the data is shared between government bodies, which is another thing than how far it is open. 共享属性
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Sharing {
    /// How far.
    #[serde(rename = "type")]
    pub sharing_type: SharingType,
    /// The conditions, or by which rule it is not shared; for every type but `unconditional`. 共享条件
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conditions: Option<Text>,
    /// In which way bodies have it. 共享方式
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way: Option<Text>,
}

/// One code of a code list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Code {
    /// The value in the data. `skos:notation`
    pub code: String,
    /// What it means. `skos:prefLabel`
    pub title: Text,
}

/// A field of another dataset that lists the codes of this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CodesOf {
    /// The other dataset's slug.
    pub dataset: String,
    /// The field there that holds the codes.
    pub field: String,
}
