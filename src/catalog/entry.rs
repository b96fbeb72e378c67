//! One entry of the open list, as a curator writes it and as everybody reads it.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::offer::Offer;
use super::record::{Code, CodesOf, Contact, HighValue, LegalBasis, Period, Place, Related, Sharing};
pub use super::transform::ReleaseRule;
pub use crate::intake::FieldType;

/// A text in both languages of the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

/// How far a dataset is open. 开放类型
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OpenType {
    /// 无条件开放: anybody may read it, without registration.
    Unconditional,
    /// 有条件开放: a registered firm may apply for it and reads a release made for its grant.
    Conditional,
    /// 非开放: it is named, and not given out.
    Closed,
}

impl OpenType {
    /// The type as it is written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            OpenType::Unconditional => "unconditional",
            OpenType::Conditional => "conditional",
            OpenType::Closed => "closed",
        }
    }

    fn strictness(self) -> u8 {
        match self {
            OpenType::Unconditional => 0,
            OpenType::Conditional => 1,
            OpenType::Closed => 2,
        }
    }

    /// Whether it opens more than another.
    pub fn is_wider(self, other: OpenType) -> bool {
        self.strictness() < other.strictness()
    }

    /// The one of two that opens less.
    pub fn narrower(self, other: OpenType) -> Self {
        if other.is_wider(self) { self } else { other }
    }
}

/// How often the publisher promises new data. 更新频率
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum UpdateFrequency {
    Realtime,
    Daily,
    Weekly,
    Monthly,
    Quarterly,
    HalfYearly,
    Yearly,
    Irregular,
    Never,
}

impl UpdateFrequency {
    /// The frequency as it is written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            UpdateFrequency::Realtime => "realtime",
            UpdateFrequency::Daily => "daily",
            UpdateFrequency::Weekly => "weekly",
            UpdateFrequency::Monthly => "monthly",
            UpdateFrequency::Quarterly => "quarterly",
            UpdateFrequency::HalfYearly => "half-yearly",
            UpdateFrequency::Yearly => "yearly",
            UpdateFrequency::Irregular => "irregular",
            UpdateFrequency::Never => "never",
        }
    }
}

/// What a field says about a person.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sensitivity {
    /// Nothing.
    #[default]
    None,
    /// With other fields it may single somebody out. 准标识符
    Quasi,
    /// It names somebody. 直接标识符
    Direct,
    /// It is sensitive personal information. 敏感个人信息
    Sensitive,
}

impl Sensitivity {
    /// The one of two that asks for more care, where the entry and a version say different things.
    pub fn stricter(self, other: Sensitivity) -> Self {
        let care = |sensitivity: Sensitivity| match sensitivity {
            Sensitivity::None => 0,
            Sensitivity::Sensitive => 1,
            Sensitivity::Quasi => 2,
            Sensitivity::Direct => 3,
        };
        if care(other) > care(self) { other } else { self }
    }
}

/// A column of a dataset. 数据项
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// The column's name.
    pub name: String,
    /// Its type; left out in an entry file it is inferred from the whole data file.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub field_type: Option<FieldType>,
    /// Digits behind the point of a decimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<i8>,
    /// Its title.
    pub title: Text,
    /// What it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Text>,
    /// The unit of its values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The values that it may have, where these are few. 代码表
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<Code>,
    /// Where its values are listed, where that is another dataset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codes_of: Option<CodesOf>,
    /// A value as it may stand in the data; made up where the field says something of a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
    /// What it says about a person.
    pub sensitivity: Sensitivity,
    /// What happens to it in a release for a grant.
    #[serde(default)]
    pub release: ReleaseRule,
    /// What may happen to it instead where groups of people would be too small, from the mildest rule to the coarsest; `drop` may be the last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coarser: Vec<ReleaseRule>,
    /// Its grade, by its code in the active scheme of grades. 分级
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grade: Option<String>,
    /// Why what the scan finds in this column is no personal data, in a curator's words. Without it, a finding holds an unconditional
    /// dataset's version back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleared: Option<String>,
}

impl Field {
    /// A field of which no more is said than what it is called and of which type it is.
    pub fn plain(name: &str, field_type: Option<FieldType>, scale: Option<i8>, title: Text) -> Self {
        Field {
            name: name.to_owned(),
            field_type,
            scale,
            title,
            description: None,
            unit: None,
            codes: Vec::new(),
            codes_of: None,
            example: None,
            sensitivity: Sensitivity::None,
            release: ReleaseRule::default(),
            coarser: Vec::new(),
            grade: None,
            cleared: None,
        }
    }
}

/// Search words in both languages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Keywords {
    /// Chinese.
    #[serde(default)]
    pub zh: Vec<String>,
    /// English.
    #[serde(default)]
    pub en: Vec<String>,
}

/// What a release for a grant may hold of the rows of a conditional dataset, as a curator writes it. 脱敏策略
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RowPolicy {
    /// Only rows that this condition holds for leave; it is written as the `where` of a row query, without functions.
    #[serde(rename = "where", default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// The share of subjects, or of rows where no subject is named, that leaves: above 0, at most 1. Each grant has a sample of its own. 抽样
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<f64>,
    /// The field whose values name the persons or firms that rows are about: groups are counted in them. Without it rows are counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The least number of subjects that are alike in all quasi-identifiers of a release (k-anonymity), 1 to 1000. By default 5 where a
    /// quasi-identifier leaves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub k: Option<u32>,
    /// The least number of values that each sensitive field has in each such group (distinct l-diversity), 1 to 100; by default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub l: Option<u32>,
    /// The share of rows, from 0 to 1, that may be left out to reach k and l before fields are made coarser instead; by default 0.05.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_suppressed_share: Option<f64>,
    /// The share of rows, from 0 to 0.1, that each grant's release leaves out so that a leaked copy can be traced; by default what the
    /// service is set to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leave_out_share: Option<f64>,
}

impl RowPolicy {
    fn is_default(&self) -> bool {
        *self == RowPolicy::default()
    }
}

/// What a dataset consists of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DatasetKind {
    /// Rows of a table.
    #[default]
    Table,
    /// Files of any kind, with a table that lists them: the manifest.
    Collection,
}

impl DatasetKind {
    fn is_table(&self) -> bool {
        *self == DatasetKind::Table
    }
}

/// One entry of the open list. `dcat:Dataset`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its name. `dct:title`
    pub title: Text,
    /// What it holds. 摘要; `dct:description`
    pub description: Text,
    /// The publisher's resource code: a class, `/`, a number. It stays when the slug changes. 信息资源代码; `dct:identifier`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The code under which the data is registered as a public data resource. 公共数据资源登记码; `adms:identifier`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_code: Option<String>,
    /// The public body that owns it, by slug. 数据开放主体; `dct:publisher`
    pub publisher: String,
    /// The department of that body which keeps the data. 内部部门
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub department: Option<Text>,
    /// Whom to ask, where that is not the publisher's own contact. 联系方式; `dcat:contactPoint`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<Contact>,
    /// Its theme, by slug. 领域; `dcat:theme`
    pub theme: String,
    /// Its class in the national classification, by slug. 国家主题分类; `dct:subject`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_class: Option<String>,
    /// How far it is open. 开放类型; `dct:accessRights`
    pub open_type: OpenType,
    /// Why it is not open to everybody; given for conditional and closed entries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_type_reason: Option<Text>,
    /// What is asked of an applicant; given for conditional entries. 开放条件
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conditions: Option<Text>,
    /// The longest term of a grant, in days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_term_days: Option<u32>,
    /// On what terms a firm may have it; given for conditional entries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer: Option<Offer>,
    /// What of its rows a release for a grant may hold; given for conditional entries.
    #[serde(default, skip_serializing_if = "RowPolicy::is_default")]
    pub policy: RowPolicy,
    /// How often new data is promised. 更新频率; `dct:accrualPeriodicity`
    pub update_frequency: UpdateFrequency,
    /// The day for which the next data is promised, where that is not one period after the newest version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_due: Option<NaiveDate>,
    /// The places that the data is about. 空间范围; `dct:spatial`
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spatial: Vec<Place>,
    /// The time that the data is about. 时间范围; `dct:temporal`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temporal: Option<Period>,
    /// The languages of the data, as in BCP 47: `zh`, `en`. `dct:language`
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub languages: Vec<String>,
    /// How it is shared between government bodies. 共享属性
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sharing: Option<Sharing>,
    /// The rules that it is collected and opened by. 法律依据
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub legal_basis: Vec<LegalBasis>,
    /// The mark of a dataset of high value. 高价值数据集
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high_value: Option<HighValue>,
    /// Other datasets of the list. 关联资源
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<Related>,
    /// The licence: an SPDX identifier or an address. `dct:license`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// Where the data comes from. `dct:provenance`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Search words. `dcat:keyword`
    #[serde(default)]
    pub keywords: Keywords,
    /// Whether the data is made up.
    #[serde(default)]
    pub synthetic: bool,
    /// What it consists of: `table` by default.
    #[serde(default, skip_serializing_if = "DatasetKind::is_table")]
    pub kind: DatasetKind,
    /// The data file beside the entry file, or, of a collection, the archive or folder of its files; absent for a closed entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// The fields whose values together name a row; then versions can be compared row by row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<String>,
    /// The fields by which rows are sorted in the data files, so that a condition on them reads little; without it the order is the source's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sort_by: Vec<String>,
    /// The share of rows, from 0 to 1, that may be left out because they cannot be read; above it a file is refused. 0 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_reject_share: Option<f64>,
    /// The columns, in the file's order. A collection has `path`, `size_bytes`, `media_type` and `sha256` without being told so.
    #[serde(default)]
    pub fields: Vec<Field>,
}

impl Entry {
    /// The longest term of a grant, in days.
    pub fn max_term_days(&self) -> u32 {
        self.max_term_days.unwrap_or(365)
    }

    /// On what terms a firm may have it.
    pub fn offer(&self) -> Offer {
        self.offer.clone().unwrap_or_default()
    }

    /// The field of that name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// The fields of an entry with the types of a version where the entry leaves them out.
pub fn with_types(fields: Vec<Field>, version: &[Field]) -> Vec<Field> {
    let typed = |field: Field| match version.iter().find(|known| known.name == field.name) {
        Some(known) if field.field_type.is_none() => Field { field_type: known.field_type, scale: known.scale, ..field },
        _ => field,
    };
    fields.into_iter().map(typed).collect()
}
