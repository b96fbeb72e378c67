//! What firms owe for what they were given: reports on its use, every so many days. 利用情况报告

use chrono::{Days, Duration, NaiveDate, NaiveDateTime, NaiveTime};
use diesel::dsl::{exists, max, not};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::grants::{self, Grant};
use crate::catalog::Duty;
use crate::clock::{now_naive, shanghai, utc_of_shanghai};
use crate::db::schema::{datasets, firms as firm_rows, grants as grant_rows, overdue_reports, use_reports};
use crate::db::{Conn, lock_ledger};
use crate::error::{Error, Fault, Result};
use crate::identity::{Caller, Role, firms};
use crate::ledger::{self, Kind};
use crate::settings::DutySettings;

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
pub(super) fn due(covered: NaiveDateTime, ends_at: NaiveDateTime, duties: &DutySettings) -> Option<NaiveDateTime> {
    if duties.report_days == 0 || covered >= ends_at {
        return None;
    }
    let next = covered + Duration::days(i64::from(duties.report_days));
    // At the end of the grant the rest of it is reported, which nobody can do before the end.
    Some(if next > ends_at { ends_at + Duration::days(i64::from(duties.report_grace_days)) } else { next })
}

/// When a grant ends: at the end of its term, or when it or its firm is revoked before.
pub(super) fn ends_at(
    expires_at: NaiveDateTime,
    revoked_at: Option<NaiveDateTime>,
    firm: (String, Option<NaiveDateTime>),
) -> NaiveDateTime {
    let (status, decided_at) = firm;
    let firm_revoked_at = decided_at.filter(|_| status == firms::REVOKED);
    [revoked_at, firm_revoked_at].into_iter().flatten().fold(expires_at, NaiveDateTime::min)
}

fn covered(conn: &mut Conn, grant: &Grant) -> Result<NaiveDateTime> {
    let of_grant = use_reports::table.filter(use_reports::grant_id.eq(&grant.id));
    let last: Option<NaiveDateTime> = of_grant.select(max(use_reports::covers_until)).first(conn)?;
    Ok(last.unwrap_or(grant.starts_at))
}

/// When the next report on the use of a grant is due.
///
/// # Errors
/// When the database does not answer.
pub fn due_of(conn: &mut Conn, grant: &Grant, duties: &DutySettings) -> Result<Option<NaiveDateTime>> {
    if !grant.reach.duties.contains(&Duty::UseReport) {
        return Ok(None);
    }
    let firm = firm_rows::table.find(&grant.firm_id).select((firm_rows::status, firm_rows::decided_at)).first(conn)?;
    Ok(due(covered(conn, grant)?, ends_at(grant.expires_at, grant.revoked_at, firm), duties))
}

/// Takes a firm's report on the use of its grant.
///
/// # Errors
/// When it is another firm's grant, or the period leaves a gap, is reported already, begins before the grant, or lies ahead.
pub fn file(conn: &mut Conn, caller: &Caller, grant_id: &str, new: NewUseReport) -> Result<UseReport> {
    let firm = caller.firm()?;
    // Of two reports on the same days the second one finds them reported.
    lock_ledger(conn)?;
    let grant = grants::find(conn, grant_id)?;
    if grant.firm_id != firm {
        return Err(Error::not_found("grant", grant_id));
    }
    let covered = covered(conn, &grant)?;
    let covers_until = check_period(new.period, shanghai(grant.starts_at).date(), covered)?;
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

/// The end of a period of a grant that begins on `first`, which begins where the reports before it ended, or earlier.
fn check_period(period: Period, first: NaiveDate, covered: NaiveDateTime) -> Result<NaiveDateTime> {
    let (today, next) = (shanghai(now_naive()).date(), shanghai(covered).date());
    // The calendar has an end, and what comes after it lies ahead too.
    let until = period.to.checked_add_days(Days::new(1)).map(|day| utc_of_shanghai(day.and_time(NaiveTime::MIN)));
    let mut faults = Vec::new();
    let mut fault = |pointer: &str, detail: String| faults.push(Fault { pointer: pointer.to_owned(), detail });
    if period.from < first {
        fault("/period/from", format!("begin no earlier than on {first}, the first day of the grant"));
    } else if period.from > next {
        fault("/period/from", format!("begin no later than on {next}, the first day that is not reported"));
    }
    if period.to < period.from {
        fault("/period/to", "the last day comes before the first".to_owned());
    } else if period.to > today {
        fault("/period/to", format!("end no later than today, {today}"));
    } else if until.is_some_and(|until| until <= covered) {
        fault("/period/to", format!("the use is reported until then already; end on {next} or later"));
    }
    match until {
        Some(until) if faults.is_empty() => Ok(until),
        Some(_) | None => Err(Error::Invalid(faults)),
    }
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

type Owing =
    ((String, String, String, String), (NaiveDateTime, NaiveDateTime, Option<NaiveDateTime>), (String, Option<NaiveDateTime>), Covered);

/// Until when the use of a grant is reported, and since when the last report is missing that was written down as such.
type Covered = (Option<NaiveDateTime>, Option<NaiveDateTime>);

/// The grants of which a report may be due at a moment, and all of them of which one is: whose use is reported neither to the end, nor for so long.
fn owing(conn: &mut Conn, now: NaiveDateTime, duties: &DutySettings) -> Result<Vec<Owing>> {
    let long_ago = now - Duration::days(i64::from(duties.report_days));
    let ended_before = now - Duration::days(i64::from(duties.report_grace_days));
    let reported = || use_reports::table.filter(use_reports::grant_id.eq(grant_rows::id));
    let firm_revoked = || firm_rows::status.eq(firms::REVOKED);
    let to_the_end = use_reports::covers_until
        .nullable()
        .ge(grant_rows::expires_at.nullable())
        .or(use_reports::covers_until.nullable().ge(grant_rows::revoked_at))
        .or(firm_revoked().and(use_reports::covers_until.nullable().ge(firm_rows::decided_at)));
    let ended = grant_rows::expires_at
        .nullable()
        .lt(ended_before)
        .or(grant_rows::revoked_at.lt(ended_before))
        .or(firm_revoked().and(firm_rows::decided_at.lt(ended_before)));
    let runs_long = grant_rows::starts_at.lt(long_ago).and(not(exists(reported().filter(use_reports::covers_until.ge(long_ago)))));
    let noted = overdue_reports::table.filter(overdue_reports::grant_id.eq(grant_rows::id));
    let found = grant_rows::table
        .inner_join(firm_rows::table)
        .inner_join(datasets::table)
        // Grants of before agreements said so owe it too.
        .filter(grant_rows::reach_json.eq("{}").or(grant_rows::reach_json.like("%\"use_report\"%")))
        .filter(not(exists(reported().filter(to_the_end))))
        .filter(runs_long.nullable().or(ended))
        .select((
            (grant_rows::id, grant_rows::firm_id, firm_rows::name, datasets::slug),
            (grant_rows::starts_at, grant_rows::expires_at, grant_rows::revoked_at),
            (firm_rows::status, firm_rows::decided_at),
            (
                reported().select(max(use_reports::covers_until)).single_value(),
                noted.select(max(overdue_reports::period_from)).single_value(),
            ),
        ));
    Ok(found.load(conn)?)
}

/// The reports that did not come in time, those that are due longest first; and whether each is written down as such.
fn overdue(conn: &mut Conn, duties: &DutySettings) -> Result<Vec<(OverdueReport, bool)>> {
    if duties.report_days == 0 {
        return Ok(Vec::new());
    }
    let now = now_naive();
    let report = |((grant_id, firm_id, firm_name, dataset), (starts_at, expires_at, revoked_at), firm, (covered, noted)): Owing| {
        let unreported_since = covered.unwrap_or(starts_at);
        let due_at = due(unreported_since, ends_at(expires_at, revoked_at, firm), duties).filter(|due_at| *due_at < now)?;
        let report = OverdueReport { grant_id, firm_id, firm_name, dataset, unreported_since, due_at };
        Some((report, noted.is_some_and(|noted| noted >= unreported_since)))
    };
    let mut found: Vec<(OverdueReport, bool)> = owing(conn, now, duties)?.into_iter().filter_map(report).collect();
    found.sort_by_key(|(report, _)| report.due_at);
    Ok(found)
}

/// The reports that did not come in time, those that are due longest first.
///
/// # Errors
/// When the caller is neither operator nor auditor.
pub fn overdue_for(conn: &mut Conn, caller: &Caller, duties: &DutySettings) -> Result<Vec<OverdueReport>> {
    caller.with_role(&[Role::Operator, Role::Auditor])?;
    Ok(overdue(conn, duties)?.into_iter().map(|(report, _)| report).collect())
}

/// Writes down which reports did not come in time, once for each period; answers how many are new.
///
/// # Errors
/// When the database does not take it.
pub fn note_overdue(conn: &mut Conn, duties: &DutySettings) -> Result<usize> {
    // Replicas look at the same hour: the second one sees what the first one wrote.
    lock_ledger(conn)?;
    let mut count = 0;
    for (report, _) in overdue(conn, duties)?.into_iter().filter(|(_, noted)| !noted) {
        let (id, since) = (&report.grant_id, report.unreported_since);
        let row = (overdue_reports::grant_id.eq(id), overdue_reports::period_from.eq(since), overdue_reports::noted_at.eq(now_naive()));
        diesel::insert_into(overdue_reports::table).values(row).execute(conn)?;
        let due_at = crate::clock::format(report.due_at.and_utc());
        let detail = json!({ "firm": report.firm_id, "dataset": report.dataset, "due_at": due_at });
        ledger::append(conn, Kind::UseReportOverdue, "service", &format!("grant:{id}"), &detail)?;
        count += 1;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(day: u32) -> NaiveDateTime {
        NaiveDate::from_ymd_opt(2026, 1, day).unwrap().and_time(NaiveTime::MIN)
    }

    #[test]
    fn the_rest_is_due_some_days_after_the_end() {
        let duties = DutySettings {
            answer_days: 0,
            appeal_days: 0,
            throttle_divisor: 2,
            report_days: 5,
            report_grace_days: 3,
            reminder_days: 0,
            proof_days: 0,
            retention_days: 0,
        };
        for (covered, ends, due_at) in [(1, 20, Some(6)), (1, 6, Some(6)), (2, 6, Some(9)), (5, 6, Some(9)), (6, 6, None), (7, 6, None)] {
            assert_eq!(due(day(covered), day(ends), &duties), due_at.map(day), "{covered} {ends}");
        }
        assert_eq!(due(day(1), day(9), &DutySettings { report_days: 0, ..duties }), None);
    }

    #[test]
    fn a_grant_ends_with_whatever_ends_it_first() {
        let of = |status: &str, decided| (status.to_owned(), decided);
        assert_eq!(ends_at(day(9), None, of("approved", Some(day(2)))), day(9));
        assert_eq!(ends_at(day(9), Some(day(7)), of(firms::REVOKED, Some(day(8)))), day(7));
        assert_eq!(ends_at(day(9), Some(day(7)), of(firms::REVOKED, Some(day(2)))), day(2));
        assert_eq!(ends_at(day(9), None, of(firms::REVOKED, Some(day(12)))), day(9));
    }
}
