//! What a table holds, worked out while it is written: counts, ranges, distributions, and what looks like personal data.

use datafusion::arrow::record_batch::RecordBatch;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Declared, FieldType};

/// Statistics of a whole table.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Profile {
    /// How many rows it has.
    pub row_count: i64,
    /// One profile for each column, in their order.
    pub columns: Vec<ColumnProfile>,
    /// What looks like personal data.
    pub findings: Vec<Finding>,
}

/// Statistics of one column. Of a column that says something about a person, no value is kept: `min`, `max`, `quantiles`, `histogram`
/// and `top` are empty.
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
    /// The smallest value as it is written in CSV.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<String>,
    /// The largest value as it is written in CSV.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<String>,
    /// The mean of a numeric column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<f64>,
    /// Estimated values at the shares 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99 of a numeric column; empty for others.
    #[serde(default)]
    pub quantiles: Vec<f64>,
    /// A histogram of a numeric or date column (days since 1970); empty for others.
    #[serde(default)]
    pub histogram: Vec<Bin>,
    /// The most frequent values with their counts, where there are few different ones.
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
    /// Up to five of the values with most of their characters replaced by `*`.
    pub examples: Vec<String>,
    /// The rows of these, from 1.
    pub rows: Vec<i64>,
}

/// Collects the profile of a table batch by batch.
pub struct Profiler {
    columns: Vec<ColumnProfile>,
    row_count: i64,
}

impl Profiler {
    /// A profiler for a table with these columns, each with its type.
    pub fn new(columns: &[Declared]) -> Self {
        let column = |declared: &Declared| ColumnProfile {
            name: declared.name.clone(),
            field_type: declared.field_type.unwrap_or(FieldType::String),
            nulls: 0,
            distinct: 0,
            distinct_exact: true,
            min: None,
            max: None,
            mean: None,
            quantiles: Vec::new(),
            histogram: Vec::new(),
            top: Vec::new(),
            length: None,
        };
        Profiler { columns: columns.iter().map(column).collect(), row_count: 0 }
    }

    /// Takes the next rows of the table; its columns are those of [`Profiler::new`], in their order.
    pub fn observe(&mut self, batch: &RecordBatch) {
        self.row_count += batch.num_rows() as i64;
        for (column, array) in self.columns.iter_mut().zip(batch.columns()) {
            column.nulls += array.null_count() as i64;
        }
    }

    /// The profile of everything that was observed.
    pub fn finish(self) -> Profile {
        Profile { row_count: self.row_count, columns: self.columns, findings: Vec::new() }
    }
}
