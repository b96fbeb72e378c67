//! The sandbox: SQL of which only checked aggregates come out. 数据沙箱
//!
//! It computes on the release that was made under the grant's policy, and never on the version itself: what the policy says of fields and
//! rows holds here too. Of that release no row leaves. What holds it together is which sets of rows can be asked for:
//!
//! - chosen by conditions, rows are counted, and conditions and groups are over quasi-identifiers alone. The release is k-anonymous by these, so
//!   that whatever two such sets differ in is a group of at least k;
//! - without conditions, the whole table is grouped by quasi-identifiers and one other field as they stand: of such tables there are only so many.
//!
//! Each number passes an output check besides:
//!
//! - a group, and whatever is counted or summed in it, stands for a least number of units;
//! - no unit makes up more than a set share of a sum (the rule of dominance, Hundepool and others, Handbook on Statistical Disclosure
//!   Control, §4.2.1);
//! - to each number is added a noise that depends on the set of rows and how the table is cut alone, so that it is the same however often it is asked
//!   for, and another one for a set that differs in one row (the cell key method, Thompson and others, ABS 2013).
//!
//! A unit is a subject of the policy, or a row where it names none. What would let an answer depend on one row in another way is refused
//! before anything is computed: joins, windows, sorting and cutting before the groups, other aggregates, and expressions that can fail on a
//! value. What fails all the same while it is computed has one message, whatever it was.

mod cells;
mod noise;
mod shape;

use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use serde::Serialize;
use utoipa::ToSchema;

use super::check::wrong;
use super::refusal;
use crate::catalog::{Policy, PolicyField, ReleaseRule};
use crate::crypto::HmacKey;
use crate::error::{Error, Result};

/// What the output check asks for.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct OutputCheck {
    /// How many units a group, and what is counted in it, stands for at the least. Smaller groups are left out, smaller cells are null; so may be
    /// those that have just as many, or one more.
    pub min_units: u32,
    /// What a unit is: the field that names the subjects, or `row`.
    pub unit: String,
    /// Which share of a sum one unit makes up at the most. Where one makes up more, the cell is null.
    pub max_share: f64,
    /// How far a count is from the true one at the most, in rows of the unit with the most rows, taken up to the next power of two.
    pub count_noise: f64,
    /// How far a sum is from the true one at the most, in parts of the largest amount of a unit, taken up to the next power of two.
    pub sum_noise: f64,
}

/// By what rules a query is answered in the sandbox.
#[derive(Debug, Clone)]
pub struct Sandbox {
    /// What the output check asks for.
    pub check: OutputCheck,
    /// The field that names the subjects.
    subject: Option<String>,
    /// The quasi-identifiers, by which the release's groups are made.
    grouped: Vec<String>,
    /// The fields that tell rows apart: those that are the same in another release.
    marked: Vec<String>,
    /// The fields that name one each.
    pseudonyms: Vec<String>,
    /// What the noise comes from; another one for each firm, dataset and version.
    seed: [u8; 32],
}

impl Sandbox {
    /// The sandbox over a release under that policy, with a key of its own.
    pub fn new(min_units: u32, max_share: f64, policy: &Policy, key: &HmacKey) -> Self {
        let subject = policy.rows.subject.clone();
        let unit = subject.clone().unwrap_or_else(|| "row".to_owned());
        let min_units = min_units.max(policy.rows.k);
        let check = OutputCheck { min_units, unit, max_share, count_noise: noise::COUNT, sum_noise: noise::SUM };
        let names = |wanted: fn(&&PolicyField) -> bool| policy.fields.iter().filter(wanted).map(|field| field.name.clone()).collect();
        let (grouped, marked) = (names(|field| field.is_grouped()), names(|field| !field.rule.is_keyed()));
        let pseudonyms = names(|field| field.levels().any(ReleaseRule::is_pseudonym));
        Sandbox { check, subject, grouped, marked, pseudonyms, seed: key.tag(b"sandbox") }
    }
}

impl std::fmt::Display for OutputCheck {
    /// As it stands in a header.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let OutputCheck { min_units, unit, max_share, count_noise, sum_noise } = self;
        write!(f, "min_units={min_units}, unit={unit}, max_share={max_share}, count_noise={count_noise}, sum_noise={sum_noise}")
    }
}

/// The plan with the output check in it.
///
/// # Errors
/// Says which part of the query the sandbox does not allow.
pub(super) fn guard(context: &SessionContext, plan: LogicalPlan, sandbox: &Sandbox) -> Result<LogicalPlan> {
    let state = context.state();
    // Types are made to fit first, so that every conversion is seen.
    let analyzed = state.analyzer().execute_and_check(plan, state.config_options(), |_, _| {}).map_err(refusal::refuse)?;
    shape::above(analyzed, sandbox)
}

/// What is said of everything that fails while it is computed: a message of its own would tell of a row.
pub(super) fn failed(cause: Error) -> Error {
    if matches!(cause, Error::Invalid(_)) {
        tracing::warn!(error = %cause, "a query in the sandbox failed");
        return wrong("the sandbox cannot answer this query; write it in another way");
    }
    cause
}

fn refused(what: &str) -> Error {
    wrong(format!("the grant is for the sandbox, which answers groups with count, sum and avg and nothing of one row: {what}"))
}
