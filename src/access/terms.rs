//! What the service's settings say of applications and agreements.

use chrono::NaiveDateTime;

use super::calendar::Calendar;
use crate::clock::now_naive;

/// The terms.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The share of rows that a grant's release leaves out where the dataset's entry says nothing of it.
    pub fingerprint_share: f64,
    /// How long everybody has, in working days.
    pub days: Days,
    /// Which days are worked.
    pub calendar: Calendar,
}

impl Terms {
    /// The end of the longest turn that begins now, where nobody has told the calendar of that year's holidays: deadlines are too early there.
    pub fn beyond_calendar(&self) -> Option<NaiveDateTime> {
        let Days { draft, accept, decide, answer, sign, appeal } = self.days;
        let longest = [draft, accept, decide, answer, sign, appeal].into_iter().max()?;
        Some(self.calendar.due(now_naive(), longest)).filter(|end| !self.calendar.knows(*end))
    }
}

/// Working days for each turn.
#[derive(Debug, Clone, Copy)]
pub struct Days {
    /// A draft that nobody submits.
    pub draft: u32,
    /// The publisher, to find an application complete.
    pub accept: u32,
    /// The publisher, to decide it, or an appeal.
    pub decide: u32,
    /// The firm, to answer what was asked.
    pub answer: u32,
    /// The firm, to sign.
    pub sign: u32,
    /// The firm, to appeal against a refusal.
    pub appeal: u32,
}
