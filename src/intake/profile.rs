//! What a table holds, worked out while it is written: counts, ranges, distributions, and what looks like personal data.

mod collect;
mod distinct;
mod hash;
mod numbers;
mod shapes;
mod sketch;
mod texts;
mod written;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::FieldType;

pub use self::collect::Profiler;

/// The shares at which the quantiles of a numeric column are given.
const QUANTILES: [f64; 7] = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99];

/// Frequent values that are listed.
const TOP: usize = 20;

/// Statistics of a whole table.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Profile {
    /// How many rows it has.
    pub row_count: i64,
    /// One profile for each column, in their order.
    pub columns: Vec<ColumnProfile>,
    /// What looks like personal data.
    pub findings: Vec<Finding>,
    /// Whether its quasi-identifiers single somebody out together; none of a table without quasi-identifiers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub combination: Option<Combination>,
}

/// How alike the rows of a table are in the fields that may single somebody out together. A group is all rows with the same values in all of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Combination {
    /// The quasi-identifiers.
    pub fields: Vec<String>,
    /// The field that names the people who are counted; without it rows are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// How many people, or rows where the entry names no subject, a group has to have for nobody in it to be singled out.
    pub least_group: i64,
    /// How many the smallest group has.
    pub smallest: i64,
    /// How many groups have too few.
    pub small_groups: i64,
    /// How many rows these have.
    pub small_rows: i64,
}

impl Combination {
    /// Whether somebody is singled out.
    pub fn singles_out(&self) -> bool {
        self.smallest < self.least_group
    }
}

/// Statistics of one column. Of a column that says something about a person, no value is kept: `min`, `max`, `mean`, `quantiles`,
/// `histogram` and `top` are empty. The same holds for one in which the scan found personal data, unless a curator has cleared it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ColumnProfile {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub field_type: FieldType,
    /// How many values are missing.
    pub nulls: i64,
    /// How many different values there are: exact up to 1024, above that a HyperLogLog estimate.
    pub distinct: i64,
    /// Whether `distinct` is exact.
    pub distinct_exact: bool,
    /// The smallest value as it is written in CSV; of a text of more than 200 characters, its beginning and `…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<String>,
    /// The largest value as it is written in CSV.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<String>,
    /// The mean of a numeric column; missing where the sum of its values is more than a double holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<f64>,
    /// Values at the shares 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99 of a numeric column; empty for others. Of more than 512 values
    /// they are estimates, whose rank is off by less than a per cent.
    #[serde(default)]
    pub quantiles: Vec<f64>,
    /// A histogram of a numeric column, or of days or moments (as days since 1970); empty for others. Of more than 512 values its
    /// counts are estimates; their sum is the number of the values.
    #[serde(default)]
    pub histogram: Vec<Bin>,
    /// Up to twenty of the most frequent values with their counts, where there are at most 1024 different ones.
    #[serde(default)]
    pub top: Vec<TopValue>,
    /// Of a text column, its shortest, longest and mean length in characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<Lengths>,
}

/// A bar of a histogram: values from `low` on, below `high`; the last one includes `high`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Bin {
    pub low: f64,
    pub high: f64,
    pub count: i64,
}

/// A frequent value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[expect(missing_docs, reason = "the names say it")]
pub struct TopValue {
    pub value: String,
    pub count: i64,
}

/// Lengths of texts in characters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Lengths {
    pub min: i64,
    pub max: i64,
    pub mean: f64,
}

/// What the scan for personal data looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// 居民身份证号, with its check character, date and region; also 港澳台居民居住证 and 外国人永居证.
    ResidentId,
    /// 统一社会信用代码 of a 个体工商户 (92…), which names a person; those of other organisations are no finding.
    SoleTraderCode,
    /// A bank card's number: a BIN that is in use, and the Luhn digit.
    BankCard,
    /// 手机号.
    Mobile,
    /// 车牌.
    Plate,
    /// 车辆识别代号, with its check digit.
    Vin,
    /// An e-mail address.
    Email,
    /// 护照, 通行证, 军官证, 社保号, 病历号 in a column of such a name.
    Document,
    /// Names of persons in a column of such a name.
    Name,
    /// Addresses down to a room.
    Address,
    /// Places of a person or vehicle over time.
    Whereabouts,
    /// An address of the network: IPv4, IPv6, MAC.
    Network,
}

/// How sure the scan is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FindingLevel {
    /// The column as a whole is of that kind.
    Strong,
    /// Some values are.
    Some,
}

/// Personal data that the scan found in a column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// The column.
    pub column: String,
    /// What it is.
    pub kind: FindingKind,
    /// How sure that is.
    pub level: FindingLevel,
    /// How many values are of that kind.
    pub matches: i64,
    /// Their share of the values that are not missing.
    pub share: f64,
    /// Whether the values are masked already (`138****0000`).
    pub masked: bool,
    /// Whether a curator has looked at the column and says that its values are no personal data.
    #[serde(default)]
    pub cleared: bool,
    /// Up to five of the values with most of their characters replaced by `*`.
    pub examples: Vec<String>,
    /// The rows of these, from 1.
    pub rows: Vec<i64>,
}

/// The most frequent values; none when one of them is not at hand.
fn top(counts: Option<&[u64]>, value: impl Fn(usize) -> Option<String>) -> Vec<TopValue> {
    let entries = counts.unwrap_or_default().iter().enumerate();
    let all: Option<Vec<TopValue>> =
        entries.map(|(at, count)| value(at).map(|value| TopValue { value, count: i64::try_from(*count).unwrap_or(i64::MAX) })).collect();
    let mut all = all.unwrap_or_default();
    all.sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.value.cmp(&other.value)));
    all.truncate(TOP);
    all
}

#[cfg(test)]
mod tests;
