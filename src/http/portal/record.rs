//! What pages say of an entry's record, in both languages.

use super::Words;
use crate::catalog::{Field, HighValueCategory, Period, RelatedDataset, Relation, Sharing, SharingType};

impl Words {
    /// What the time covered is.
    pub(super) fn period(&self, period: &Period) -> String {
        match (period.start, period.end) {
            (Some(start), Some(end)) => format!("{start} {} {end}", self.t("至", "to")),
            (Some(start), None) => format!("{start} {}", self.t("起", "on")),
            (None, Some(end)) => format!("{} {end}", self.t("截至", "up to")),
            (None, None) => String::new(),
        }
    }

    /// A language by its name, or its tag.
    pub(super) fn language(&self, tag: &str) -> String {
        match tag.split('-').next().unwrap_or_default() {
            "zh" => self.t("中文", "Chinese").to_owned(),
            "en" => self.t("英文", "English").to_owned(),
            _ => tag.to_owned(),
        }
    }

    /// What another dataset is to this one.
    pub(super) fn relation(&self, other: &RelatedDataset) -> &'static str {
        match (other.relation, other.inverse) {
            (Relation::PartOf, false) => self.t("所属数据集", "Part of"),
            (Relation::PartOf, true) => self.t("组成部分", "Has part"),
            (Relation::DerivedFrom, false) => self.t("数据来自", "Made from"),
            (Relation::DerivedFrom, true) => self.t("被用于制作", "Used to make"),
            (Relation::Replaces, false) => self.t("取代", "Replaces"),
            (Relation::Replaces, true) => self.t("已被取代，请改用", "Replaced by"),
            (Relation::SeeAlso, _) => self.t("参见", "See also"),
        }
    }

    /// How far government bodies may have it.
    pub(super) fn shared(&self, sharing: &Sharing) -> &'static str {
        match sharing.sharing_type {
            SharingType::Unconditional => self.t("无条件共享", "shared with every public body"),
            SharingType::Conditional => self.t("有条件共享", "shared on conditions"),
            SharingType::None => self.t("不予共享", "not shared"),
        }
    }

    /// The kind of a dataset of high value.
    pub(super) fn high_value(&self, category: &HighValueCategory) -> &'static str {
        match category {
            HighValueCategory::Geospatial => self.t("地理空间", "geospatial"),
            HighValueCategory::EarthObservation => self.t("对地观测与环境", "earth observation and environment"),
            HighValueCategory::Meteorological => self.t("气象", "meteorological"),
            HighValueCategory::Statistics => self.t("统计", "statistics"),
            HighValueCategory::Companies => self.t("企业及所有权", "companies and ownership"),
            HighValueCategory::Mobility => self.t("交通出行", "mobility"),
        }
    }

    /// Whether a licence is an address and no identifier.
    pub(super) fn is_address(&self, licence: &str) -> bool {
        licence.contains("://")
    }

    /// How late new data is.
    pub(super) fn late(&self, days: &i64) -> String {
        if self.short() == "zh" {
            format!("已逾期 {days} 天")
        } else {
            format!("{days} {} late", if *days == 1 { "day" } else { "days" })
        }
    }

    /// Whether a row of the table of fields has more to say below its description.
    pub(super) fn has_more(&self, field: &Field) -> bool {
        !field.codes.is_empty() || field.codes_of.is_some() || field.example.is_some()
    }
}
