//! What a policy does to a version, as a reviewer sees it before anything is approved: counts and rules, never a row.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::groups::Sizes;
use crate::catalog::{Policy, ReleaseRule};

/// The report of a release that was made, or of one that was tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReleaseReport {
    /// The dataset, by slug.
    pub dataset: String,
    /// The version, by number.
    pub version: i32,
    /// The policy, with what the version itself says of its fields where that is stricter.
    pub policy: Policy,
    /// Whether a release can be made: k and l are reached.
    pub reached: bool,
    /// What became of the version's rows.
    pub rows: RowsReport,
    /// What became of the fields.
    pub fields: Vec<FieldReport>,
    /// Groups of subjects who are alike in all fields that tell them apart, before and after.
    pub groups: GroupsReport,
}

impl ReleaseReport {
    /// Why no release can be made, where k or l is not reached.
    pub fn shortfall(&self) -> String {
        let rows = &self.policy.rows;
        let percent = |share: f64| (share * 1000.0).round() / 10.0;
        let (suppressed, allowed) = (percent(self.rows.suppressed_share), percent(rows.max_suppressed_share));
        format!(
            "no release of version {} of `{}` can be made under this policy: even with every field at its coarsest rule, {suppressed} % of the \
             rows are in groups with fewer than k = {} subjects or l = {} values of a sensitive field, and {allowed} % may be left out; \
             the publisher has to add coarser rules, or lower k or l",
            self.version, self.dataset, rows.k, rows.l
        )
    }
}

/// What became of rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RowsReport {
    /// Rows of the version.
    pub in_version: i64,
    /// Those for which the policy's condition does not hold.
    pub filtered: i64,
    /// Those that are not in the sample.
    pub not_sampled: i64,
    /// Those that are left out so that a leaked copy can be traced.
    pub left_out: i64,
    /// Those of groups that are too small.
    pub suppressed: i64,
    /// The share of the rows before it that suppression takes, 0 to 1.
    pub suppressed_share: f64,
    /// Rows of the release.
    pub released: i64,
}

/// What became of one field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FieldReport {
    /// Its name.
    pub name: String,
    /// The rule that was applied.
    pub rule: ReleaseRule,
    /// How far up its coarser rules it is; 0 is the first rule.
    pub level: usize,
    /// How many coarser rules it has.
    pub coarser: usize,
    /// Whether groups are made of it.
    pub grouped: bool,
    /// How many different values it has in the version, about.
    pub values_before: i64,
    /// How many different values it has in the release, about.
    pub values_after: i64,
    /// How many values are missing in the version.
    pub missing_before: i64,
    /// How many values are missing in the release.
    pub missing_after: i64,
}

/// Groups before and after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GroupsReport {
    /// The fields that groups are made of. Keyed hashes and values that were moved are not among them: nobody outside knows them.
    pub fields: Vec<String>,
    /// What is counted in a group: the field that names subjects, or nothing where rows are counted.
    pub subject: Option<String>,
    /// How far fields were made coarser, from 0 (their first rules) to 1 (their last): the mean over those that can be.
    pub loss: f64,
    /// The same fields as they are in the version, over the rows that leave before suppression.
    pub before: Option<Sizes>,
    /// The release.
    pub after: Option<Sizes>,
    /// The risk before.
    pub risk_before: Option<Risk>,
    /// The risk after.
    pub risk_after: Option<Risk>,
    /// Subjects of the release that are in more than one group: whoever knows several of their rows knows more of them than the risk says.
    pub linked_subjects: Option<i64>,
}

/// The risk that somebody who knows the grouped fields of a subject finds the subject's rows (prosecutor risk): one by the size of its group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Risk {
    /// Of the subject that is easiest to find, 0 to 1.
    pub highest: f64,
    /// The mean over all subjects, 0 to 1.
    pub mean: f64,
}

impl Risk {
    /// The risk of groups of these sizes; none where there is nobody.
    pub fn of(sizes: &Sizes) -> Option<Self> {
        let (smallest, subjects) = (sizes.smallest, sizes.subjects);
        (smallest > 0 && subjects > 0).then(|| Risk { highest: 1.0 / smallest as f64, mean: sizes.groups as f64 / subjects as f64 })
    }
}
