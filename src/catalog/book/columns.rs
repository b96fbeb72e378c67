//! The columns of both sheets: one table, by which a book is written and read.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::catalog::entry::{DatasetKind, FieldType, OpenType, RowPolicy, Sensitivity, UpdateFrequency};
use crate::catalog::offer::Offer;
use crate::catalog::record::{Code, CodesOf, Contact, HighValue, LegalBasis, Place, Related, Sharing};
use crate::catalog::transform::ReleaseRule;

/// How a cell is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// As it is.
    Text,
    /// Several, each on a line of its own or with a semicolon between.
    List,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// `true` or `false`; 是 or 否.
    Boolean,
    /// A value as in an entry file, in TOML; a single word without quotes.
    Toml,
}

/// A column of a sheet.
pub struct Column {
    /// Where it stands in an entry: keys with points between.
    pub key: &'static str,
    /// What a curator calls it.
    pub zh: &'static str,
    pub kind: Kind,
    /// Whether every row has it.
    pub required: bool,
    /// Checks a value; the text says what would be right.
    pub check: fn(&Value) -> Result<(), String>,
}

fn of<T: DeserializeOwned>(value: &Value) -> Result<(), String> {
    T::deserialize(value).map(|_read| ()).map_err(|cause| cause.to_string())
}

const fn column(key: &'static str, zh: &'static str, kind: Kind, check: fn(&Value) -> Result<(), String>) -> Column {
    Column { key, zh, kind, required: false, check }
}

const fn needed(key: &'static str, zh: &'static str, kind: Kind, check: fn(&Value) -> Result<(), String>) -> Column {
    Column { required: true, ..column(key, zh, kind, check) }
}

/// The column that names the dataset, in both sheets.
pub const SLUG: &str = "slug";

/// Of the sheet of datasets.
pub const OF_DATASETS: &[Column] = &[
    needed(SLUG, "标识", Kind::Text, of::<String>),
    needed("title.zh", "名称", Kind::Text, of::<String>),
    needed("title.en", "名称（英文）", Kind::Text, of::<String>),
    needed("description.zh", "摘要", Kind::Text, of::<String>),
    needed("description.en", "摘要（英文）", Kind::Text, of::<String>),
    column("code", "信息资源代码", Kind::Text, of::<String>),
    column("registration_code", "登记码", Kind::Text, of::<String>),
    needed("publisher", "数据开放主体", Kind::Text, of::<String>),
    column("department.zh", "内部部门", Kind::Text, of::<String>),
    column("department.en", "内部部门（英文）", Kind::Text, of::<String>),
    column("contact", "联系方式", Kind::Toml, of::<Contact>),
    needed("theme", "领域", Kind::Text, of::<String>),
    column("subject_class", "国家主题分类", Kind::Text, of::<String>),
    needed("open_type", "开放类型", Kind::Text, of::<OpenType>),
    column("open_type_reason.zh", "开放类型理由", Kind::Text, of::<String>),
    column("open_type_reason.en", "开放类型理由（英文）", Kind::Text, of::<String>),
    column("conditions.zh", "开放条件", Kind::Text, of::<String>),
    column("conditions.en", "开放条件（英文）", Kind::Text, of::<String>),
    column("max_term_days", "最长期限（天）", Kind::Integer, of::<u32>),
    column("offer", "开放要约", Kind::Toml, of::<Offer>),
    column("policy", "脱敏策略", Kind::Toml, of::<RowPolicy>),
    needed("update_frequency", "更新频率", Kind::Text, of::<UpdateFrequency>),
    column("next_due", "下次更新", Kind::Text, of::<chrono::NaiveDate>),
    column("spatial", "空间范围", Kind::Toml, of::<Vec<Place>>),
    column("temporal.start", "时间范围起", Kind::Text, of::<chrono::NaiveDate>),
    column("temporal.end", "时间范围止", Kind::Text, of::<chrono::NaiveDate>),
    column("languages", "语种", Kind::List, of::<Vec<String>>),
    column("sharing", "共享属性", Kind::Toml, of::<Sharing>),
    column("legal_basis", "法律依据", Kind::Toml, of::<Vec<LegalBasis>>),
    column("high_value", "高价值", Kind::Toml, of::<HighValue>),
    column("related", "关联资源", Kind::Toml, of::<Vec<Related>>),
    column("licence", "许可", Kind::Text, of::<String>),
    column("source", "来源", Kind::Text, of::<String>),
    column("keywords.zh", "关键词", Kind::List, of::<Vec<String>>),
    column("keywords.en", "关键词（英文）", Kind::List, of::<Vec<String>>),
    column("synthetic", "合成数据", Kind::Boolean, of::<bool>),
    column("kind", "数据集类别", Kind::Text, of::<DatasetKind>),
    column("data", "数据文件", Kind::Text, of::<String>),
    column("key", "主键", Kind::List, of::<Vec<String>>),
    column("sort_by", "排序", Kind::List, of::<Vec<String>>),
    column("max_reject_share", "允许剔除比例", Kind::Number, of::<f64>),
];

/// Of the sheet of fields.
pub const OF_FIELDS: &[Column] = &[
    needed(SLUG, "标识", Kind::Text, of::<String>),
    needed("name", "数据项", Kind::Text, of::<String>),
    column("type", "类型", Kind::Text, of::<FieldType>),
    column("scale", "小数位数", Kind::Integer, of::<i8>),
    needed("title.zh", "数据项名称", Kind::Text, of::<String>),
    needed("title.en", "数据项名称（英文）", Kind::Text, of::<String>),
    column("description.zh", "说明", Kind::Text, of::<String>),
    column("description.en", "说明（英文）", Kind::Text, of::<String>),
    column("unit", "单位", Kind::Text, of::<String>),
    column("codes", "代码表", Kind::Toml, of::<Vec<Code>>),
    column("codes_of", "代码来源", Kind::Toml, of::<CodesOf>),
    column("example", "示例", Kind::Text, of::<String>),
    needed("sensitivity", "敏感性", Kind::Text, of::<Sensitivity>),
    column("release", "发布方式", Kind::Toml, of::<ReleaseRule>),
    column("coarser", "可更粗", Kind::Toml, of::<Vec<ReleaseRule>>),
    column("grade", "分级", Kind::Text, of::<String>),
    column("cleared", "已核实说明", Kind::Text, of::<String>),
];

/// The column whose header is that text: its key, what a curator calls it, or both.
pub fn named(columns: &[Column], header: &str) -> Option<usize> {
    let header = header.trim().trim_start_matches('\u{feff}');
    let last = header.rsplit(char::is_whitespace).next().unwrap_or(header);
    columns.iter().position(|column| column.key == last || column.zh == header)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::catalog::entry::Entry;

    #[test]
    fn every_key_of_an_entry_has_a_column() {
        let text = include_str!("../../../datasets/community-health-visits/dataset.toml");
        let entry: Entry = toml::from_str(text).unwrap();
        let value = serde_json::to_value(entry).unwrap();
        let of =
            |columns: &[Column]| columns.iter().map(|column| column.key.split('.').next().unwrap_or_default()).collect::<BTreeSet<_>>();
        for (key, value) in value.as_object().unwrap() {
            if key == "fields" {
                for key in value.as_array().unwrap().iter().flat_map(|field| field.as_object().unwrap().keys()) {
                    assert!(of(OF_FIELDS).contains(key.as_str()), "{key}");
                }
            } else {
                assert!(of(OF_DATASETS).contains(key.as_str()), "{key}");
            }
        }
    }

    #[test]
    fn headers_are_found_by_key_or_by_what_curators_say() {
        for header in ["title.zh", "名称", "名称 title.zh", " 名称 title.zh "] {
            assert_eq!(named(OF_DATASETS, header), Some(1), "{header}");
        }
        assert_eq!(named(OF_DATASETS, "名"), None);
    }
}
