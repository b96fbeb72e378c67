//! Rules in both languages, as agreements and pages say them.

use super::super::entry::Text;
use super::{AreaLevel, ReleaseRule, Transform};

impl ReleaseRule {
    /// What the rule does, in words.
    pub fn words(&self) -> Text {
        let words: Vec<Text> = self.steps().iter().map(Transform::words).collect();
        Text {
            zh: words.iter().map(|text| text.zh.as_str()).collect::<Vec<_>>().join("，再"),
            en: words.iter().map(|text| text.en.as_str()).collect::<Vec<_>>().join(", then "),
        }
    }
}

impl AreaLevel {
    fn words(self) -> (&'static str, &'static str) {
        match self {
            AreaLevel::Province => ("省级", "province"),
            AreaLevel::City => ("市级", "city"),
            AreaLevel::District => ("区级", "district"),
            AreaLevel::Subdistrict => ("街镇级", "subdistrict"),
        }
    }
}

impl Transform {
    fn words(&self) -> Text {
        let text = |zh: String, en: String| Text { zh, en };
        let plain = |zh: &str, en: &str| Text { zh: zh.to_owned(), en: en.to_owned() };
        match self {
            Transform::Keep => plain("原样", "as it is"),
            Transform::Drop => plain("不提供", "left out"),
            Transform::Pseudonym => plain("以本授权专用密钥假名化", "as a pseudonym keyed for this grant alone"),
            Transform::Year => plain("仅保留年份", "its year only"),
            Transform::Quarter => plain("仅保留季度", "its quarter only"),
            Transform::Month => plain("仅保留月份", "its month only"),
            Transform::YearBand { years } => text(format!("归入 {years} 年一段"), format!("in bands of {years} years")),
            Transform::Area { level } => {
                let (zh, en) = level.words();
                text(format!("仅保留{zh}区划代码"), format!("the code of its {en} only"))
            }
            Transform::Truncate { chars } => text(format!("仅保留前 {chars} 个字符"), format!("its first {chars} characters only")),
            Transform::Mask { first, last, .. } => text(
                format!("屏蔽，保留前 {first} 位和后 {last} 位"),
                format!("masked but for the first {first} and last {last} characters"),
            ),
            Transform::Band { width, from } => text(format!("自 {from} 起每 {width} 为一段"), format!("in bands of {width} from {from}")),
            Transform::Bands { edges } => {
                let edges = edges.iter().map(ToString::to_string).collect::<Vec<_>>().join("、");
                text(format!("按 {edges} 分段"), format!("in bands that begin at {}", edges.replace('、', ", ")))
            }
            Transform::Taxonomy { .. } => plain("归入上级类别", "as the wider term that it belongs to"),
            Transform::Round { to } => text(format!("取整到 {to} 的倍数"), format!("rounded to multiples of {to}")),
            Transform::Clamp { min, max } => match (min, max) {
                (Some(min), Some(max)) => text(format!("限于 {min} 至 {max}"), format!("held between {min} and {max}")),
                (Some(min), None) => text(format!("低于 {min} 的记为 {min}"), format!("not below {min}")),
                (None, Some(max)) => text(format!("高于 {max} 的记为 {max}"), format!("not above {max}")),
                (None, None) => plain("原样", "as it is"),
            },
            Transform::ShiftDays { days, .. } => text(
                format!("按对象整体平移至多 {days} 天，间隔不变"),
                format!("moved by up to {days} days, by the same number for all rows of one subject"),
            ),
            Transform::Noise { scale } => text(format!("加入尺度为 {scale} 的噪声"), format!("with noise of scale {scale}")),
        }
    }
}
