//! Groups of people who are alike in a release: k-anonymity over its quasi-identifiers, with distinct l-diversity of its sensitive fields.
//!
//! Fields are made coarser for all rows alike, so that a column means one thing, and as little as possible: of all ways to put the coarser rules
//! together, the first that reaches k and l is taken, in the order of their loss. The loss is that of L. Sweeney, "Achieving k-anonymity privacy
//! protection using generalization and suppression" (2002): the mean over the fields of how far up its rules each one is taken, 0 to 1.
//! Rows of groups that are still too small are left out, as many as the policy allows. Making a field coarser only joins groups: where the
//! coarsest way fails, all do.
//!
//! A receiver's later release is never finer in any field than one before it: two versions side by side, one finer here and the other
//! there, would tell apart who is alike in each.

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::common::JoinType;
use datafusion::dataframe::DataFrame;
use datafusion::functions_aggregate::expr_fn::{count, max, min, sum};
use datafusion::logical_expr::{Expr, cast as cast_expr, ident, lit, when};
use datafusion::scalar::ScalarValue;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::transform::{self, Keys};
use crate::catalog::{Field, Policy, PolicyField, ReleaseRule};
use crate::error::{Error, Result};

/// The column with what is alike in a group.
pub(super) const GROUP: &str = " group ";

const SUBJECT: &str = " subject ";
const VALUE: &str = " value ";
const WHAT: &str = " what ";
const GROUPS: &str = " groups ";
const ROWS: &str = " rows ";
const SUBJECTS: &str = " subjects ";
const FAILS: &str = " fails ";

/// The least numbers of subjects of the lines of a histogram.
const STEPS: [i64; 7] = [1, 2, 5, 10, 20, 50, 100];

/// How large groups are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Sizes {
    /// How many groups there are.
    pub groups: i64,
    /// How many rows they have.
    pub rows: i64,
    /// The subjects of all groups added up; one that is in two groups counts twice.
    pub subjects: i64,
    /// The subjects of the smallest group.
    pub smallest: i64,
    /// The fewest values that each sensitive field has in a group.
    pub least_values: Vec<LeastValues>,
    /// How many groups, with how many subjects, are of which size.
    pub histogram: Vec<Bar>,
}

/// How few values a sensitive field has in a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LeastValues {
    /// The field.
    pub field: String,
    /// The fewest values in one group.
    pub values: i64,
}

/// Groups of about the same size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Bar {
    /// The fewest subjects of such a group; the most is one less than this of the next line.
    pub from: i64,
    /// How many groups.
    pub groups: i64,
    /// The subjects of these groups added up.
    pub subjects: i64,
}

/// What groups are made of.
pub(super) struct Grouping<'a> {
    pub policy: &'a Policy,
    pub version: &'a [Field],
    pub columns: Vec<(String, DataType)>,
    pub keys: &'a Keys,
    /// How coarse each field has to be at the least, since it was so in a release that the receiver has.
    pub floor: Vec<usize>,
}

/// The way that was taken: how far up its rules each field of the policy is, and what came of it.
pub(super) struct Way {
    pub levels: Vec<usize>,
    /// What is left, without the groups that are too small.
    pub kept: Sizes,
    /// The rows of groups that are too small.
    pub suppressed: i64,
    /// Whether k and l are reached with so few rows left out.
    pub reached: bool,
}

struct Measured {
    kept: Sizes,
    suppressed: i64,
    rows: i64,
}

impl Grouping<'_> {
    /// The fields that groups are made of.
    pub fn fields(&self) -> impl Iterator<Item = &PolicyField> {
        self.policy.fields.iter().filter(|field| field.is_grouped())
    }

    /// Whether rows may have to be left out at all.
    pub fn is_needed(&self) -> bool {
        self.policy.rows.k > 1 || self.policy.rows.l > 1
    }

    /// The first way to reach k and l, in the order of loss; or, where none does, the coarsest one.
    ///
    /// # Errors
    /// When the rows cannot be read.
    pub async fn search(&self, base: &DataFrame) -> Result<Way> {
        let ways = self.ways();
        let last = ways.last().ok_or_else(|| Error::internal(anyhow::anyhow!("there is no way to make groups")))?;
        // Where the coarsest way fails, every other one does.
        let coarsest = self.try_way(base, last).await?;
        if !coarsest.reached {
            return Ok(coarsest);
        }
        for levels in &ways {
            let way = self.try_way(base, levels).await?;
            if way.reached {
                return Ok(way);
            }
        }
        Ok(coarsest)
    }

    async fn try_way(&self, base: &DataFrame, levels: &[usize]) -> Result<Way> {
        let measured = self.measure(base, levels).await?;
        let allowed = (measured.rows as f64 * self.policy.rows.max_suppressed_share).floor() as i64;
        let leaves = self.rules(levels).iter().any(|rule| !rule.is_drop());
        let reached = leaves && measured.suppressed <= allowed && (measured.kept.groups > 0 || measured.rows == 0);
        Ok(Way { levels: levels.to_vec(), kept: measured.kept, suppressed: measured.suppressed, reached })
    }

    /// The groups of the fields as they are in the version.
    ///
    /// # Errors
    /// When the rows cannot be read.
    pub async fn untouched(&self, base: &DataFrame) -> Result<Sizes> {
        let keep = ReleaseRule::default();
        let rules: Vec<&ReleaseRule> = self.policy.fields.iter().map(|_| &keep).collect();
        Ok(self.measure_rules(base, &rules, 1, 1).await?.kept)
    }

    /// How many subjects are in more than one group: whoever knows several of their rows may tell them apart better than k says.
    ///
    /// # Errors
    /// When the rows cannot be read.
    pub async fn linked(&self, released: &DataFrame, rules: &[&ReleaseRule]) -> Result<Option<i64>> {
        let Some(subject) = &self.policy.rows.subject else { return Ok(None) };
        let named = released.clone().filter(self.text(subject)?.is_not_null())?;
        let linked = distinct(&named, SUBJECT, &self.text(subject)?, vec![(GROUPS.to_owned(), self.key(rules)?)])?;
        let linked = linked.filter(ident(GROUPS).gt(lit(1i64)))?;
        Ok(Some(numbers(linked.aggregate(vec![], vec![count(lit(1i64))])?, 1).await?[0]))
    }

    /// How far the fields are taken up by a way, 0 to 1.
    pub fn loss(&self, levels: &[usize]) -> f64 {
        let grouped: Vec<f64> = self
            .policy
            .fields
            .iter()
            .zip(levels)
            .filter(|(field, _)| field.is_grouped() && !field.coarser.is_empty())
            .map(|(field, level)| *level as f64 / field.coarser.len() as f64)
            .collect();
        if grouped.is_empty() { 0.0 } else { grouped.iter().sum::<f64>() / grouped.len() as f64 }
    }

    /// The rules of a way, one for each field of the policy.
    pub fn rules(&self, levels: &[usize]) -> Vec<&ReleaseRule> {
        self.policy.fields.iter().zip(levels).map(|(field, level)| field.levels().nth(*level).unwrap_or(&field.rule)).collect()
    }

    /// Those of the rows that belong to no group of `base` that is too small.
    ///
    /// # Errors
    /// When the engine does not take it.
    pub fn without_small_groups(&self, rows: DataFrame, base: &DataFrame, levels: &[usize]) -> Result<DataFrame> {
        let rules = self.rules(levels);
        let grouped = self.groups(base, &rules, i64::from(self.policy.rows.k), i64::from(self.policy.rows.l))?;
        let small = grouped.filter(ident(FAILS))?.select(vec![ident(GROUP).alias(" small ")])?;
        let rows = rows.with_column(GROUP, self.key(&rules)?)?;
        Ok(rows.join_on(small, JoinType::LeftAnti, [ident(GROUP).eq(ident(" small "))])?)
    }

    /// Every way to put the rules together, the mildest first.
    fn ways(&self) -> Vec<Vec<usize>> {
        let mut ways = vec![Vec::new()];
        for field in &self.policy.fields {
            let most = if field.is_grouped() { field.coarser.len() } else { 0 };
            let least = self.floor.get(ways.first().map_or(0, Vec::len)).copied().unwrap_or(0).min(most);
            ways = ways.into_iter().flat_map(|way| (least..=most).map(move |level| [way.as_slice(), &[level]].concat())).collect();
        }
        ways.sort_by(|one, other| self.loss(one).total_cmp(&self.loss(other)).then_with(|| one.cmp(other)));
        ways
    }

    fn text(&self, name: &str) -> Result<Expr> {
        let known = self.columns.iter().find(|(column, _)| column == name);
        let (_, data_type) = known.ok_or_else(|| Error::Conflict(format!("this version has no field `{name}`")))?;
        Ok(transform::as_text(ident(name), data_type))
    }

    /// What is alike in a group.
    fn key(&self, rules: &[&ReleaseRule]) -> Result<Expr> {
        let grouped = self.policy.fields.iter().zip(rules).filter(|(field, rule)| field.is_grouped() && !rule.is_drop());
        let values = grouped.map(|(field, rule)| self.value(field, rule)).collect::<Result<Vec<_>>>()?;
        // With nothing to tell people apart by, all are one group.
        Ok(if values.is_empty() { lit("") } else { transform::group_key(&values) })
    }

    fn value(&self, field: &PolicyField, rule: &ReleaseRule) -> Result<(Expr, DataType)> {
        let known = self.version.iter().find(|known| known.name == field.name);
        let known = known.ok_or_else(|| Error::Conflict(format!("this version has no field `{}`", field.name)))?;
        transform::expression(known, field, rule, &self.columns, self.keys)
    }

    async fn measure(&self, base: &DataFrame, levels: &[usize]) -> Result<Measured> {
        let rules = self.rules(levels);
        self.measure_rules(base, &rules, i64::from(self.policy.rows.k), i64::from(self.policy.rows.l)).await
    }

    fn sensitive(&self) -> Vec<&PolicyField> {
        self.policy.fields.iter().filter(|field| field.is_sensitive()).collect()
    }

    /// One row for each group: its rows, its subjects, the values of each sensitive field, and whether it is too small.
    fn groups(&self, base: &DataFrame, rules: &[&ReleaseRule], k: i64, l: i64) -> Result<DataFrame> {
        let mut counted = Vec::new();
        if let Some(subject) = &self.policy.rows.subject {
            counted.push((SUBJECTS.to_owned(), self.text(subject)?));
        }
        // Where nothing is asked for, nothing is too small, rows about nobody included.
        let mut fails = if k > 1 { ident(SUBJECTS).lt(lit(k)) } else { lit(false) };
        for (at, field) in self.sensitive().into_iter().enumerate() {
            let rule = self.policy.fields.iter().zip(rules).find(|(one, _)| one.name == field.name).map_or(&field.rule, |(_, rule)| *rule);
            let (value, data_type) = self.value(field, rule)?;
            counted.push((values_of(at), transform::as_text(value, &data_type)));
            if l > 1 {
                fails = fails.or(ident(values_of(at)).lt(lit(l)));
            }
        }
        let mut groups = distinct(base, GROUP, &self.key(rules)?, counted)?;
        if self.policy.rows.subject.is_none() {
            groups = groups.with_column(SUBJECTS, ident(ROWS))?;
        }
        Ok(groups.with_column(FAILS, fails)?)
    }

    async fn measure_rules(&self, base: &DataFrame, rules: &[&ReleaseRule], k: i64, l: i64) -> Result<Measured> {
        let groups = self.groups(base, rules, k, l)?;
        let kept =
            |value: Expr| Ok::<Expr, Error>(when(Expr::Not(Box::new(ident(FAILS))), value).otherwise(lit(ScalarValue::Int64(None)))?);
        let mut totals = vec![
            count(kept(lit(1i64))?),
            sum(ident(ROWS)),
            sum(kept(ident(ROWS))?),
            sum(kept(ident(SUBJECTS))?),
            min(kept(ident(SUBJECTS))?),
            max(kept(ident(SUBJECTS))?),
        ];
        for (at, from) in STEPS.iter().enumerate() {
            let below = STEPS.get(at + 1).copied().unwrap_or(i64::MAX);
            let within = ident(SUBJECTS).gt_eq(lit(*from)).and(ident(SUBJECTS).lt(lit(below)));
            let within = |value: Expr| Ok::<Expr, Error>(when(within.clone(), value).otherwise(lit(ScalarValue::Int64(None)))?);
            totals.push(count(within(kept(lit(1i64))?)?));
            totals.push(sum(within(kept(ident(SUBJECTS))?)?));
        }
        let sensitive = self.sensitive();
        for at in 0..sensitive.len() {
            totals.push(min(kept(ident(values_of(at)))?));
        }
        let named = totals.into_iter().enumerate().map(|(at, total)| total.alias(format!(" total {at} "))).collect();
        let found = numbers(groups.aggregate(vec![], named)?, 6 + STEPS.len() * 2 + sensitive.len()).await?;
        let bars = STEPS.iter().zip(found[6..].chunks(2));
        let bars = bars.map(|(from, counts)| Bar { from: *from, groups: counts[0], subjects: counts[1] });
        let values = sensitive.iter().zip(&found[6 + STEPS.len() * 2..]);
        let sizes = Sizes {
            groups: found[0],
            rows: found[2],
            subjects: found[3],
            smallest: found[4],
            least_values: values.map(|(field, values)| LeastValues { field: field.name.clone(), values: *values }).collect(),
            histogram: bars.filter(|bar| bar.groups > 0).collect(),
        };
        Ok(Measured { suppressed: found[1] - found[2], rows: found[1], kept: sizes })
    }
}

/// The column with how many values the sensitive field at a place has in a group.
fn values_of(at: usize) -> String {
    format!(" values {at} ")
}

/// One row for each key, as `by`: its rows, and by the names how many values each of some columns has. First the rows of each value are put together
/// and then those of each key: `count(distinct …)` would keep a set for each key and column.
fn distinct(base: &DataFrame, by: &str, key: &Expr, counted: Vec<(String, Expr)>) -> Result<DataFrame> {
    let of_rows = count(lit(1i64)).alias(ROWS);
    let (mut pairs, mut totals): (Option<DataFrame>, Vec<Expr>) = (None, Vec::new());
    for (at, (name, value)) in (0i64..).zip(counted) {
        let of_one = base.clone().select(vec![key.clone().alias(by), lit(at).alias(WHAT), value.alias(VALUE)])?;
        pairs = Some(match pairs {
            Some(others) => others.union(of_one)?,
            None => of_one,
        });
        totals.push(count(when(ident(WHAT).eq(lit(at)), ident(VALUE)).end()?).alias(name));
    }
    let Some(pairs) = pairs else {
        return Ok(base.clone().select(vec![key.clone().alias(by)])?.aggregate(vec![ident(by)], vec![of_rows])?);
    };
    totals.push(sum(when(ident(WHAT).eq(lit(0i64)), ident(ROWS)).end()?).alias(ROWS));
    Ok(pairs.aggregate(vec![ident(by), ident(WHAT), ident(VALUE)], vec![of_rows])?.aggregate(vec![ident(by)], totals)?)
}

/// The one row of a result, in whole numbers; a missing one is 0.
pub(super) async fn numbers(frame: DataFrame, wanted: usize) -> Result<Vec<i64>> {
    let columns: Vec<Expr> = frame.schema().fields().iter().map(|field| cast_expr(ident(field.name()), DataType::Int64)).collect();
    let columns: Vec<Expr> = columns.into_iter().enumerate().map(|(at, column)| column.alias(format!("n{at}"))).collect();
    let batches = frame.select(columns)?.collect().await?;
    let row = batches.iter().find(|batch| batch.num_rows() > 0);
    let found: Vec<i64> = row.map_or_else(Vec::new, |row| {
        let value = |column: &std::sync::Arc<dyn datafusion::arrow::array::Array>| {
            let column = column.as_primitive::<Int64Type>();
            column.iter().next().flatten().unwrap_or(0)
        };
        row.columns().iter().map(value).collect()
    });
    if found.len() != wanted {
        return Err(Error::internal(anyhow::anyhow!("{} totals instead of {wanted}", found.len())));
    }
    Ok(found)
}
