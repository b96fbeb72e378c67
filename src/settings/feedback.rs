//! How the public is heard.

use anyhow::Result;

use super::values::Values;

/// How the public is heard.
#[derive(Debug, Clone, Copy)]
pub struct FeedbackSettings {
    /// Working days for the answer to a correction.
    pub correction_days: u32,
    /// Working days for the decision on a rights claim.
    pub claim_days: u32,
    /// Working days for the answer to a request for data.
    pub request_days: u32,
    /// Days after which what was not shown, and is done with, is forgotten.
    pub retention_days: u32,
    /// What one caller files an hour.
    pub per_hour: u32,
    /// What all who are not logged in file an hour.
    pub per_hour_total: u32,
    /// Votes of one caller an hour.
    pub votes_per_hour: u32,
}

impl FeedbackSettings {
    pub(super) fn of(values: &Values) -> Result<Self> {
        Ok(FeedbackSettings {
            correction_days: values.small("correction_answer_days")?,
            claim_days: values.small("claim_answer_days")?,
            request_days: values.small("request_answer_days")?,
            retention_days: values.small("feedback_retention_days")?,
            per_hour: values.small("limits_feedback_per_hour")?,
            per_hour_total: values.small("limits_feedback_per_hour_total")?,
            votes_per_hour: values.small("limits_votes_per_hour")?,
        })
    }
}
