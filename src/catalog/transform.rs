//! What happens to the values of a field when a release is made, as a curator writes it.
//!
//! The transforms follow the families of GB/T 37964-2019: suppression (`drop`, `mask`), pseudonymisation by a keyed hash (`pseudonym`),
//! generalisation (`truncate`, `area`, `year`, `quarter`, `month`, `year_band`, `band`, `bands`, `taxonomy`, and rounding and top and bottom coding:
//! `round`, `clamp`) and randomisation (`shift_days`, `noise`). What they do to values is in `release`; here is what they mean.

mod amount;
mod coarser;
mod words;

use std::collections::BTreeMap;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer, StrDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::entry::{FieldType, Sensitivity};

pub use amount::{Amount, units_text};

/// The most steps of one rule.
const MAX_STEPS: usize = 4;

/// The most entries of a taxonomy and edges of bands.
const MAX_VALUES: usize = 2000;

/// One step that a value goes through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Transform {
    /// It stays as it is.
    Keep,
    /// It is left out. 抑制
    Drop,
    /// It becomes a keyed hash (HMAC-SHA-256, 128 bits in hexadecimal); each grant has its own key, so that it links no two releases. 假名化
    Pseudonym,
    /// Of a date or moment, the year stays, as an integer.
    Year,
    /// Of a date or moment, the quarter stays, as `2025-Q1`.
    Quarter,
    /// Of a date or moment, the month stays, as `2025-03`.
    Month,
    /// Of a date or moment, a band of years stays, as `1980-1984`; bands begin at year 0.
    YearBand {
        /// How many years a band has, 2 to 200.
        years: u32,
    },
    /// Of a division code (GB/T 2260, GB/T 10114), the code of the division above it stays.
    Area {
        /// Which one.
        level: AreaLevel,
    },
    /// The first characters of a text stay.
    Truncate {
        /// How many.
        chars: u32,
    },
    /// The first and last characters of a text stay, each one between becomes a sign; a text of which less than a third would be hidden is hidden
    /// whole. 屏蔽
    Mask {
        /// How many characters stay at the beginning.
        #[serde(default)]
        first: u32,
        /// How many characters stay at the end.
        #[serde(default)]
        last: u32,
        /// The sign; `*` by default.
        #[serde(default = "star")]
        with: char,
    },
    /// A number becomes the band that it lies in, as a text such as `[20,30)`: the lower bound belongs to it. 泛化
    Band {
        /// How wide a band is, in the field's unit.
        #[schema(value_type = f64)]
        width: Amount,
        /// Where a band begins; 0 by default.
        #[serde(default)]
        #[schema(value_type = f64)]
        from: Amount,
    },
    /// A number becomes one of these bands, as a text such as `[100,500)`, below the first edge `(,100)` and from the last one on `[500,)`.
    Bands {
        /// Where bands begin, in ascending order, in the field's unit.
        #[schema(value_type = Vec<f64>)]
        edges: Vec<Amount>,
    },
    /// A text becomes the wider term that it belongs to.
    Taxonomy {
        /// The wider term of each value.
        values: BTreeMap<String, String>,
        /// What every other value becomes.
        other: String,
    },
    /// A number becomes the nearest multiple of this one, halves away from zero. 取整
    Round {
        /// The multiple, in the field's unit.
        #[schema(value_type = f64)]
        to: Amount,
    },
    /// A number below the least becomes the least, above the most the most. 底层编码与顶层编码
    Clamp {
        /// The least, in the field's unit.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<f64>)]
        min: Option<Amount>,
        /// The most, in the field's unit.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<f64>)]
        max: Option<Amount>,
    },
    /// A date or moment moves by a number of days that is the same for all rows of one subject and secret for each grant; it stays a date, and
    /// the time between two events of one subject stays true.
    ShiftDays {
        /// The field whose values name the subjects.
        subject: String,
        /// The most days by which a date moves, earlier or later, 7 to 3650.
        days: u32,
    },
    /// A number gets noise of the Laplace distribution added to it, the same for the same row at each making of the grant's release. 噪声添加
    Noise {
        /// The scale of the distribution, in the field's unit: the mean distance from the true value.
        #[schema(value_type = f64)]
        scale: Amount,
    },
}

fn star() -> char {
    '*'
}

/// A level of divisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AreaLevel {
    /// 省、直辖市: 2 digits.
    Province,
    /// 市: 4 digits.
    City,
    /// 区、县: 6 digits.
    District,
    /// 街道、镇: 9 digits.
    Subdistrict,
}

impl AreaLevel {
    /// How many digits its codes have.
    pub fn digits(self) -> u32 {
        match self {
            AreaLevel::Province => 2,
            AreaLevel::City => 4,
            AreaLevel::District => 6,
            AreaLevel::Subdistrict => 9,
        }
    }
}

/// What happens to a field when a release is made for a grant: one step, or several one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum ReleaseRule {
    /// One step.
    One(Transform),
    /// Several, in their order.
    Chain(Vec<Transform>),
}

impl Default for ReleaseRule {
    fn default() -> Self {
        ReleaseRule::One(Transform::Keep)
    }
}

impl ReleaseRule {
    /// The rule that leaves a field out.
    pub const DROP: ReleaseRule = ReleaseRule::One(Transform::Drop);

    /// Its steps, in order.
    pub fn steps(&self) -> &[Transform] {
        match self {
            ReleaseRule::One(step) => std::slice::from_ref(step),
            ReleaseRule::Chain(steps) => steps,
        }
    }

    /// Whether values stay as they are.
    pub fn is_keep(&self) -> bool {
        self.steps().iter().all(|step| *step == Transform::Keep)
    }

    /// Whether the field is left out.
    pub fn is_drop(&self) -> bool {
        self.steps().contains(&Transform::Drop)
    }

    /// Whether values become keyed hashes.
    pub fn is_pseudonym(&self) -> bool {
        self.steps().contains(&Transform::Pseudonym)
    }

    /// Whether a part of each value is hidden, which is the least that a direct identifier needs.
    pub fn hides(&self) -> bool {
        self.steps().iter().any(|step| matches!(step, Transform::Mask { .. } | Transform::Truncate { .. } | Transform::Area { .. }))
    }

    /// Whether values depend on a key of the grant, so that no two grants have the same ones.
    pub fn is_keyed(&self) -> bool {
        self.is_pseudonym() || self.is_random()
    }

    /// Whether values are moved away from the true ones.
    pub fn is_random(&self) -> bool {
        self.steps().iter().any(Transform::is_random)
    }

    /// The fields by whose values it tells subjects apart.
    pub fn subjects(&self) -> impl Iterator<Item = &String> {
        self.steps().iter().filter_map(|step| if let Transform::ShiftDays { subject, .. } = step { Some(subject) } else { None })
    }

    /// Whether a field of this sensitivity may leave by this rule: of a direct identifier at least a part is hidden.
    pub fn lets_leave(&self, sensitivity: Sensitivity) -> bool {
        !self.is_drop() && (sensitivity != Sensitivity::Direct || self.is_pseudonym() || self.hides())
    }

    /// Of which type values of the type `from`, with so many digits behind the point of a decimal, are behind the steps.
    ///
    /// # Errors
    /// Says which step does not fit, or what is wrong with it.
    pub fn output(&self, from: FieldType, scale: Option<i8>) -> Result<FieldType, String> {
        let steps = self.steps();
        if steps.is_empty() || steps.len() > MAX_STEPS {
            return Err(format!("a rule has 1 to {MAX_STEPS} steps"));
        }
        if steps.iter().rev().skip(1).any(Transform::is_random) {
            return Err("shift_days and noise stand at the end: what comes after them would undo them".to_owned());
        }
        let alone = |step: &Transform| matches!(step, Transform::Keep | Transform::Drop | Transform::Pseudonym);
        if steps.len() > 1 && steps.iter().any(alone) {
            return Err("keep, drop and pseudonym stand alone".to_owned());
        }
        steps.iter().try_fold(from, |from, step| step.output(from, scale))
    }
}

impl Transform {
    /// Whether values are moved away from the true ones.
    fn is_random(&self) -> bool {
        matches!(self, Transform::ShiftDays { .. } | Transform::Noise { .. })
    }

    /// Its name as it is written.
    pub fn name(&self) -> &'static str {
        match self {
            Transform::Keep => "keep",
            Transform::Drop => "drop",
            Transform::Pseudonym => "pseudonym",
            Transform::Year => "year",
            Transform::Quarter => "quarter",
            Transform::Month => "month",
            Transform::YearBand { .. } => "year_band",
            Transform::Area { .. } => "area",
            Transform::Truncate { .. } => "truncate",
            Transform::Mask { .. } => "mask",
            Transform::Band { .. } => "band",
            Transform::Bands { .. } => "bands",
            Transform::Taxonomy { .. } => "taxonomy",
            Transform::Round { .. } => "round",
            Transform::Clamp { .. } => "clamp",
            Transform::ShiftDays { .. } => "shift_days",
            Transform::Noise { .. } => "noise",
        }
    }

    fn output(&self, from: FieldType, decimals: Option<i8>) -> Result<FieldType, String> {
        let is_time = matches!(from, FieldType::Date | FieldType::Datetime);
        let is_number = matches!(from, FieldType::Integer | FieldType::Decimal | FieldType::Number);
        let (fits, wanted, to) = match self {
            Transform::Keep | Transform::Drop => (true, "", from),
            Transform::Pseudonym => (true, "", FieldType::String),
            Transform::Year => (is_time, "a date or datetime", FieldType::Integer),
            Transform::Quarter | Transform::Month | Transform::YearBand { .. } => (is_time, "a date or datetime", FieldType::String),
            Transform::Area { .. } | Transform::Truncate { .. } | Transform::Mask { .. } | Transform::Taxonomy { .. } => {
                (from == FieldType::String, "a string", FieldType::String)
            }
            Transform::Band { .. } | Transform::Bands { .. } => (is_number, "a number", FieldType::String),
            Transform::Round { .. } | Transform::Clamp { .. } | Transform::Noise { .. } => (is_number, "a number", from),
            Transform::ShiftDays { .. } => (is_time, "a date or datetime", from),
        };
        if !fits {
            return Err(format!("`{}` needs a field declared as {wanted}; here it meets {}", self.name(), from.as_str()));
        }
        self.check().map_err(|cause| format!("`{}`: {cause}", self.name()))?;
        if let Transform::Noise { scale } = self
            && !is_felt(scale, from, decimals)
        {
            return Err("`noise`: give a scale of at least one in the field's last digit, or it changes nothing".to_owned());
        }
        if let Some(amount) = self.amounts().find(|amount| !fits_digits(amount, from, decimals)) {
            return Err(format!("`{}`: {amount} has more digits behind the point than the field", self.name()));
        }
        Ok(to)
    }

    /// The numbers with which values are compared exactly.
    fn amounts(&self) -> impl Iterator<Item = &Amount> {
        let (one, other, many): (Option<&Amount>, Option<&Amount>, &[Amount]) = match self {
            Transform::Band { width, from } => (Some(width), Some(from), &[]),
            Transform::Bands { edges } => (None, None, edges),
            Transform::Round { to } => (Some(to), None, &[]),
            Transform::Clamp { min, max } => (min.as_ref(), max.as_ref(), &[]),
            Transform::Keep
            | Transform::Drop
            | Transform::Pseudonym
            | Transform::Year
            | Transform::Quarter
            | Transform::Month
            | Transform::YearBand { .. }
            | Transform::Area { .. }
            | Transform::Truncate { .. }
            | Transform::Mask { .. }
            | Transform::Taxonomy { .. }
            | Transform::ShiftDays { .. }
            | Transform::Noise { .. } => (None, None, &[]),
        };
        one.into_iter().chain(other).chain(many)
    }

    /// Whether its own numbers make sense.
    fn check(&self) -> Result<(), String> {
        let positive = |amount: &Amount| if amount.is_positive() { Ok(()) } else { Err("give a number above 0".to_owned()) };
        match self {
            Transform::YearBand { years } if !(2..=200).contains(years) => Err("give 2 to 200 years".to_owned()),
            Transform::Truncate { chars } if !(1..=1000).contains(chars) => Err("give 1 to 1000 chars".to_owned()),
            Transform::Mask { first, last, .. } if first.max(last) > &1000 => Err("give at most 1000 characters".to_owned()),
            Transform::Mask { with, .. } if with.is_control() || with.is_whitespace() => Err("give a visible sign".to_owned()),
            Transform::Band { width, .. } => positive(width),
            Transform::Bands { edges } if edges.is_empty() || edges.len() > MAX_VALUES => Err(format!("give 1 to {MAX_VALUES} edges")),
            Transform::Bands { edges } if !edges.is_sorted_by(|low, high| low < high) => Err("give edges in ascending order".to_owned()),
            Transform::Taxonomy { values, .. } if values.is_empty() || values.len() > MAX_VALUES => {
                Err(format!("give 1 to {MAX_VALUES} values"))
            }
            Transform::Round { to } => positive(to),
            Transform::Clamp { min: None, max: None } => Err("give min, max or both".to_owned()),
            Transform::Clamp { min: Some(min), max: Some(max) } if min >= max => Err("min has to be below max".to_owned()),
            Transform::ShiftDays { days, .. } if !(7..=3650).contains(days) => Err("give 7 to 3650 days".to_owned()),
            Transform::Noise { scale } => positive(scale),
            Transform::Keep
            | Transform::Drop
            | Transform::Pseudonym
            | Transform::Year
            | Transform::Quarter
            | Transform::Month
            | Transform::YearBand { .. }
            | Transform::Area { .. }
            | Transform::Truncate { .. }
            | Transform::Mask { .. }
            | Transform::Bands { .. }
            | Transform::Taxonomy { .. }
            | Transform::Clamp { .. }
            | Transform::ShiftDays { .. } => Ok(()),
        }
    }
}

/// The digits behind the point that a field's numbers have; none of those that have as many as it takes.
fn digits_of(field_type: FieldType, decimals: Option<i8>) -> Option<u32> {
    match field_type {
        FieldType::Decimal => Some(decimals.and_then(|scale| u32::try_from(scale).ok()).unwrap_or(0)),
        FieldType::Integer => Some(0),
        FieldType::Number | FieldType::String | FieldType::Boolean | FieldType::Date | FieldType::Datetime | FieldType::Geometry => None,
    }
}

/// Whether a number can be written with the digits that a field has.
fn fits_digits(amount: &Amount, field_type: FieldType, decimals: Option<i8>) -> bool {
    digits_of(field_type, decimals).is_none_or(|digits| amount.in_units(digits).is_some())
}

/// Whether noise of a scale changes the digits that a field has.
fn is_felt(scale: &Amount, field_type: FieldType, decimals: Option<i8>) -> bool {
    digits_of(field_type, decimals).is_none_or(|digits| scale.to_f64() >= 10f64.powi(-(digits as i32)))
}

/// Reads one step or a list of them; by hand, since serde's own way to read either says nothing of what is wrong.
impl<'de> Deserialize<'de> for ReleaseRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RuleVisitor)
    }
}

struct RuleVisitor;

impl<'de> Visitor<'de> for RuleVisitor {
    type Value = ReleaseRule;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a rule such as \"keep\", \"drop\" or { round = { to = 10 } }, or a list of such steps")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<ReleaseRule, E> {
        Transform::deserialize(StrDeserializer::new(text)).map(ReleaseRule::One)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ReleaseRule, A::Error> {
        let step = Transform::deserialize(MapAccessDeserializer::new(&mut map))?;
        // Or a second step would be lost without a word.
        match map.next_key::<String>()? {
            None => Ok(ReleaseRule::One(step)),
            Some(other) => Err(serde::de::Error::custom(format!("`{other}` stands beside `{}`; give a list of steps", step.name()))),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<ReleaseRule, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(seq)).map(ReleaseRule::Chain)
    }
}
