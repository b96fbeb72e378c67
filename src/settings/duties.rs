//! Settings of what firms owe for what they were given, and of sanctions.

use anyhow::Result;

use super::TierLimits;
use super::values::Values;

/// What the output check of the sandbox asks for.
#[derive(Debug, Clone, Copy)]
pub struct SandboxSettings {
    /// How many units each number stands for at the least.
    pub min_units: u32,
    /// Which share of a sum one unit makes up at the most.
    pub max_share: f64,
}

impl SandboxSettings {
    pub(super) fn of(values: &Values) -> Result<Self> {
        Ok(SandboxSettings { min_units: values.small("sandbox_min_units")?, max_share: values.share("sandbox_max_share")? })
    }
}

/// What firms owe, and what becomes of those who break their agreements.
#[derive(Debug, Clone, Copy)]
pub struct DutySettings {
    /// How many days after the notice a firm may answer a sanction.
    pub answer_days: u32,
    /// How many days after the notice a firm may appeal against it.
    pub appeal_days: u32,
    /// By what the requests of a throttled firm are divided.
    pub throttle_divisor: u32,
    /// Every how many days a firm reports the use of a grant; 0 means never.
    pub report_days: u32,
    /// How many days before its end a firm is reminded of a grant's end.
    pub reminder_days: u32,
    /// How many days after the end of a grant its firm proves that it deleted the data.
    pub proof_days: u32,
    /// How many days after the end of a grant the report on the rest of it is due.
    pub report_grace_days: u32,
    /// How many days words of people in the ledger are kept; 0 means for ever.
    pub retention_days: u32,
}

impl DutySettings {
    pub(super) fn of(values: &Values) -> Result<Self> {
        Ok(DutySettings {
            answer_days: values.small("sanction_answer_days")?,
            appeal_days: values.small("sanction_appeal_days")?,
            throttle_divisor: values.small("limits_throttle_divisor")?,
            report_days: values.small("use_report_days")?,
            reminder_days: values.small("grant_reminder_days")?,
            proof_days: values.small("deletion_proof_days")?,
            report_grace_days: values.small("use_report_grace_days")?,
            retention_days: values.small("ledger_retention_days")?,
        })
    }

    /// The limits of a throttled firm, from those of a firm.
    pub fn throttled(&self, firm: TierLimits) -> TierLimits {
        let part = |number: u32| (number / self.throttle_divisor.max(1)).max(1);
        TierLimits { per_second: part(firm.per_second), burst: part(firm.burst), ..firm }
    }
}
