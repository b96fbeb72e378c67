//! What firms owe for what they were given: reports on its use, every so many days. 利用情况报告

use std::collections::HashMap;

use chrono::{Duration, NaiveDate, NaiveDateTime, NaiveTime};
use diesel::dsl::max;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::grants::{self, Grant};
use crate::clock::{now_naive, shanghai, utc_of_shanghai};
use crate::db::Conn;
use crate::db::schema::{datasets, firms, grants as grant_rows, overdue_reports, use_reports};
use crate::error::{Error, Fault, Result};
use crate::identity::{Caller, Role};
use crate::ledger::{self, Kind};

/// The days that a report is about, in Shanghai, both of them included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Period {
    /// The first day.
    #[schema(value_type = String, format = Date)]
    pub from: NaiveDate,
    /// The last day.
    #[schema(value_type = String, format = Date)]
    pub to: NaiveDate,
}

/// Something that was made with the data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UseResult {
    /// What it is.
    pub title: String,
    /// Where it is.
    pub link: Option<String>,
}

/// A number that says how much the data was used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UseNumber {
    /// What is counted.
    pub name: String,
    /// How many.
    pub count: i64,
}

/// A firm's report on the use of a grant.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct UseReport {
    /// Never changes.
    pub id: String,
    /// The grant.
    pub grant_id: String,
    /// The days that it is about.
    pub period: Period,
    /// What the data was used for.
    pub used_for: String,
    /// What was made with it.
    pub results: Vec<UseResult>,
    /// How much it was used.
    pub numbers: Vec<UseNumber>,
    /// When it was filed.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    pub filed_at: NaiveDateTime,
}

/// What a firm reports.
pub struct NewUseReport {
    /// The days that it is about.
    pub period: Period,
    /// What the data was used for.
    pub used_for: String,
    /// What was made with it.
    pub results: Vec<UseResult>,
    /// How much it was used.
    pub numbers: Vec<UseNumber>,
}

/// A report that did not come in time.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct OverdueReport {
    /// The grant that owes it.
    pub grant_id: String,
    /// The firm.
    pub firm_id: String,
    /// The firm's name.
    pub firm_name: String,
    /// The dataset, by slug.
    pub dataset: String,
    /// Since when the use of the grant is not reported.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    pub unreported_since: NaiveDateTime,
    /// When the report was due.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    pub due_at: NaiveDateTime,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = use_reports)]
struct ReportRow {
    id: String,
    grant_id: String,
    period_from: String,
    period_to: String,
    covers_until: NaiveDateTime,
    used_for: String,
    results_json: String,
    numbers_json: String,
    filed_by: String,
    filed_at: NaiveDateTime,
}

fn view(row: ReportRow) -> Result<UseReport> {
    let day = |text: &str| text.parse::<NaiveDate>().map_err(Error::internal);
    Ok(UseReport {
        period: Period { from: day(&row.period_from)?, to: day(&row.period_to)? },
        results: serde_json::from_str(&row.results_json)?,
        numbers: serde_json::from_str(&row.numbers_json)?,
        id: row.id,
        grant_id: row.grant_id,
        used_for: row.used_for,
        filed_at: row.filed_at,
    })
}

/// When the next report is due of a grant whose use is reported until `covered`; none when nothing is left to report.
pub(super) fn due(covered: NaiveDateTime, ends_at: NaiveDateTime, days: u32) -> Option<NaiveDateTime> {
    if days == 0 || covered >= ends_at {
        return None;
    }
    // At the end of the grant the rest of it is reported.
    Some((covered + Duration::days(i64::from(days))).min(ends_at))
}

/// When a grant ends: by its term, or by its revocation before that.
pub(super) fn ends_at(expires_at: NaiveDateTime, revoked_at: Option<NaiveDateTime>) -> NaiveDateTime {
    revoked_at.map_or(expires_at, |revoked_at| revoked_at.min(expires_at))
}

fn covered(conn: &mut Conn, grant: &Grant) -> Result<NaiveDateTime> {
    let of_grant = use_reports::table.filter(use_reports::grant_id.eq(&grant.id));
    let last: Option<NaiveDateTime> = of_grant.select(max(use_reports::covers_until)).first(conn)?;
    Ok(last.unwrap_or(grant.starts_at))
}

/// When the next report on the use of a grant is due, every so many days.
///
/// # Errors
/// When the database does not answer.
pub fn due_of(conn: &mut Conn, grant: &Grant, days: u32) -> Result<Option<NaiveDateTime>> {
    Ok(due(covered(conn, grant)?, ends_at(grant.expires_at, grant.revoked_at), days))
}

/// Takes a firm's report on the use of its grant.
///
/// # Errors
/// When it is another firm's grant, or the period leaves a gap, is reported already, or lies ahead.
pub fn file(conn: &mut Conn, caller: &Caller, grant_id: &str, new: NewUseReport) -> Result<UseReport> {
    let firm = caller.firm()?;
    let grant = grants::find(conn, grant_id)?;
    if grant.firm_id != firm {
        return Err(Error::not_found("grant", grant_id));
    }
    let covered = covered(conn, &grant)?;
    let covers_until = check_period(new.period, covered)?;
    let row = ReportRow {
        id: uuid::Uuid::now_v7().to_string(),
        grant_id: grant.id,
        period_from: new.period.from.to_string(),
        period_to: new.period.to.to_string(),
        covers_until,
        used_for: new.used_for,
        results_json: serde_json::to_string(&new.results)?,
        numbers_json: serde_json::to_string(&new.numbers)?,
        filed_by: caller.actor(),
        filed_at: now_naive(),
    };
    diesel::insert_into(use_reports::table).values(&row).execute(conn)?;
    let detail = json!({
        "grant": row.grant_id, "firm": firm, "dataset": grant.dataset, "from": row.period_from, "to": row.period_to, "results": new.results.len(),
    });
    ledger::append_with_reason(conn, Kind::UseReportFiled, &row.filed_by, &format!("use_report:{}", row.id), detail, &row.used_for)?;
    view(row)
}

/// The end of a period that begins where the reports before it ended, or earlier.
fn check_period(period: Period, covered: NaiveDateTime) -> Result<NaiveDateTime> {
    let (today, next) = (shanghai(now_naive()).date(), shanghai(covered).date());
    let until = utc_of_shanghai((period.to + Duration::days(1)).and_time(NaiveTime::MIN));
    let mut faults = Vec::new();
    let mut fault = |pointer: &str, detail: String| faults.push(Fault { pointer: pointer.to_owned(), detail });
    if period.from > next {
        fault("/period/from", format!("begin no later than on {next}, the first day that is not reported"));
    }
    if period.to < period.from {
        fault("/period/to", "the last day comes before the first".to_owned());
    } else if period.to > today {
        fault("/period/to", format!("end no later than today, {today}"));
    } else if until <= covered {
        fault("/period/to", format!("the use is reported until then already; end on {next} or later"));
    }
    if faults.is_empty() { Ok(until) } else { Err(Error::Invalid(faults)) }
}

/// The reports on the use of a grant, oldest first, after the one named `after`; and how many there are in all.
///
/// # Errors
/// When the caller may not see the grant.
pub fn list_for(conn: &mut Conn, caller: &Caller, grant_id: &str, after: Option<&str>, limit: i64) -> Result<(Vec<UseReport>, i64)> {
    let grant = grants::find_for(conn, caller, grant_id)?;
    let total = use_reports::table.filter(use_reports::grant_id.eq(&grant.id)).count().get_result(conn)?;
    let mut page = use_reports::table.filter(use_reports::grant_id.eq(&grant.id)).into_boxed::<<Conn as Connection>::Backend>();
    if let Some(after) = after {
        page = page.filter(use_reports::id.gt(after.to_owned()));
    }
    let rows: Vec<ReportRow> = page.order(use_reports::id).limit(limit).select(ReportRow::as_select()).load(conn)?;
    Ok((rows.into_iter().map(view).collect::<Result<_>>()?, total))
}

type Owing = (String, String, String, String, NaiveDateTime, NaiveDateTime, Option<NaiveDateTime>);

/// The reports that did not come in time, those that are due longest first.
fn overdue(conn: &mut Conn, days: u32) -> Result<Vec<OverdueReport>> {
    if days == 0 {
        return Ok(Vec::new());
    }
    let now = now_naive();
    let last: Vec<(String, Option<NaiveDateTime>)> =
        use_reports::table.group_by(use_reports::grant_id).select((use_reports::grant_id, max(use_reports::covers_until))).load(conn)?;
    let last: HashMap<String, NaiveDateTime> = last.into_iter().filter_map(|(id, until)| Some((id, until?))).collect();
    let owing: Vec<Owing> = grant_rows::table
        .inner_join(firms::table)
        .inner_join(datasets::table)
        .select((
            grant_rows::id,
            grant_rows::firm_id,
            firms::name,
            datasets::slug,
            grant_rows::starts_at,
            grant_rows::expires_at,
            grant_rows::revoked_at,
        ))
        .load(conn)?;
    let mut found: Vec<OverdueReport> = owing
        .into_iter()
        .filter_map(|(grant_id, firm_id, firm_name, dataset, starts_at, expires_at, revoked_at)| {
            let unreported_since = last.get(&grant_id).copied().unwrap_or(starts_at);
            let due_at = due(unreported_since, ends_at(expires_at, revoked_at), days).filter(|due_at| *due_at < now)?;
            Some(OverdueReport { grant_id, firm_id, firm_name, dataset, unreported_since, due_at })
        })
        .collect();
    found.sort_by_key(|report| report.due_at);
    Ok(found)
}

/// The reports that did not come in time, those that are due longest first.
///
/// # Errors
/// When the caller is neither operator nor auditor.
pub fn overdue_for(conn: &mut Conn, caller: &Caller, days: u32) -> Result<Vec<OverdueReport>> {
    caller.with_role(&[Role::Operator, Role::Auditor])?;
    overdue(conn, days)
}

/// Writes down which reports did not come in time, once for each period; answers how many are new.
///
/// # Errors
/// When the database does not take it.
pub fn note_overdue(conn: &mut Conn, days: u32) -> Result<usize> {
    let noted: Vec<(String, NaiveDateTime)> =
        overdue_reports::table.select((overdue_reports::grant_id, overdue_reports::period_from)).load(conn)?;
    let noted: std::collections::HashSet<(String, NaiveDateTime)> = noted.into_iter().collect();
    let mut count = 0;
    for report in overdue(conn, days)? {
        let key = (report.grant_id, report.unreported_since);
        if noted.contains(&key) {
            continue;
        }
        let row = (overdue_reports::grant_id.eq(&key.0), overdue_reports::period_from.eq(key.1), overdue_reports::noted_at.eq(now_naive()));
        diesel::insert_into(overdue_reports::table).values(row).execute(conn)?;
        let due_at = crate::clock::format(report.due_at.and_utc());
        let detail = json!({ "firm": report.firm_id, "dataset": report.dataset, "due_at": due_at });
        ledger::append(conn, Kind::UseReportOverdue, "service", &format!("grant:{}", key.0), &detail)?;
        count += 1;
    }
    Ok(count)
}
