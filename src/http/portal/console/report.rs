//! A report of a release that was tried, as people read it: counts and rules, never a row.

use super::super::Words;
use crate::access::reports::FiledReport;
use crate::catalog::Entry;
use crate::error::Result;
use crate::release::{FieldReport, ReleaseReport, Risk, Sizes};

/// A report with what is known of its fields.
pub(super) struct ReportView {
    /// The report on file.
    pub filed: FiledReport,
    /// What it says.
    pub report: ReleaseReport,
    /// The fields that were tried.
    pub fields: Vec<FieldLine>,
}

/// A field in a report.
pub(super) struct FieldLine {
    /// Its title.
    pub title: String,
    /// What became of it.
    pub rule: String,
    /// What was counted.
    pub counted: FieldReport,
}

impl ReportView {
    /// The report for a page.
    ///
    /// # Errors
    /// When it is none of this service's.
    pub fn of(w: Words, entry: &Entry, filed: FiledReport) -> Result<Self> {
        let report: ReleaseReport = serde_json::from_value(filed.report.clone())?;
        let line = |counted: &FieldReport| FieldLine {
            title: entry.field(&counted.name).map_or_else(|| counted.name.clone(), |field| w.text(&field.title).to_owned()),
            rule: w.rule(&counted.rule),
            counted: counted.clone(),
        };
        Ok(ReportView { fields: report.fields.iter().map(line).collect(), report, filed })
    }

    /// Whether a field was tried.
    pub fn has(&self, name: &str) -> bool {
        self.report.policy.fields.iter().any(|field| field.name == name)
    }

    /// Where rows stay: a label in both languages, and how many.
    pub fn rows(&self) -> [(&'static str, &'static str, i64); 6] {
        let rows = &self.report.rows;
        [
            ("版本中的行", "Rows of the version", rows.in_version),
            ("不符合条件", "Not meeting the condition", -rows.filtered),
            ("未抽中", "Not in the sample", -rows.not_sampled),
            ("为追溯而略去", "Left out for tracing", -rows.left_out),
            ("分组过小而略去", "Suppressed: groups too small", -rows.suppressed),
            ("发布的行", "Rows released", rows.released),
        ]
    }

    /// The fewest subjects of a group, before and after.
    pub fn smallest(&self) -> (Option<i64>, Option<i64>) {
        let of = |sizes: &Option<Sizes>| sizes.as_ref().map(|sizes| sizes.smallest);
        (of(&self.report.groups.before), of(&self.report.groups.after))
    }

    /// Every step of both histograms: from how many subjects on, groups before, and groups after.
    pub fn histogram(&self) -> Vec<(i64, i64, i64)> {
        let groups = &self.report.groups;
        let bars = |sizes: &Option<Sizes>| sizes.as_ref().map(|sizes| sizes.histogram.clone()).unwrap_or_default();
        let (before, after) = (bars(&groups.before), bars(&groups.after));
        let mut steps: Vec<i64> = before.iter().chain(&after).map(|bar| bar.from).collect();
        steps.sort_unstable();
        steps.dedup();
        let at = |bars: &[crate::release::Bar], from| bars.iter().find(|bar| bar.from == from).map_or(0, |bar| bar.groups);
        steps.into_iter().map(|from| (from, at(&before, from), at(&after, from))).collect()
    }
}

impl Words {
    /// A share in percent.
    pub(in crate::http::portal) fn percent(&self, share: &f64) -> String {
        format!("{} %", (share * 10_000.0).round() / 100.0)
    }

    /// A number that may be missing.
    pub(in crate::http::portal) fn count(&self, count: &Option<i64>) -> String {
        count.as_ref().map_or_else(|| "—".to_owned(), |count| self.signed(count))
    }

    /// A number with its thousands apart, and its sign.
    pub(in crate::http::portal) fn signed(&self, number: &i64) -> String {
        if *number < 0 { format!("−{}", self.number(&-number)) } else { self.number(number) }
    }

    /// The highest or the mean risk, which may be missing.
    pub(in crate::http::portal) fn risk(&self, risk: &Option<Risk>, highest: bool) -> String {
        let share = risk.as_ref().map(|risk| if highest { risk.highest } else { risk.mean });
        share.map_or_else(|| "—".to_owned(), |share| self.percent(&share))
    }
}
