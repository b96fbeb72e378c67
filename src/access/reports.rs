//! Reports of releases that were tried out for an application, as they are kept on file: what a reviewer saw is what the reviewer approves.

use chrono::NaiveDateTime;
use diesel::prelude::*;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::Terms;
use super::applications::{self, Application, Conditions};
use super::grants;
use crate::catalog::{self, Dataset, OpenType, Policy, Version};
use crate::clock::now_naive;
use crate::crypto::sha256_hex;
use crate::db::Conn;
use crate::db::schema::release_reports;
use crate::error::{Error, Fault, Result};
use crate::identity::{Caller, Role};
use crate::ledger::{self, Kind};

/// How many reports of one application are answered.
const SHOWN: i64 = 20;

/// A report on file.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FiledReport {
    /// Never changes.
    pub id: String,
    /// The application that it is for.
    pub application_id: String,
    /// The dataset's version that was tried, by number.
    pub version: i32,
    /// Whether a release can be made of it.
    pub reached: bool,
    /// SHA-256 of the report as it is kept, in lower-case hexadecimal: an approval names it.
    pub sha256: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    pub created_at: NaiveDateTime,
    /// What the policy does to the version: a `ReleaseReport`.
    #[schema(value_type = Object)]
    pub report: Value,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = release_reports)]
struct ReportRow {
    id: String,
    application_id: String,
    version: i32,
    policy_json: String,
    reached: bool,
    report_json: String,
    sha256: String,
    created_by: String,
    created_at: NaiveDateTime,
    contents_sha256: String,
}

fn view(row: ReportRow) -> Result<FiledReport> {
    Ok(FiledReport {
        report: serde_json::from_str(&row.report_json)?,
        id: row.id,
        application_id: row.application_id,
        version: row.version,
        reached: row.reached,
        sha256: row.sha256,
        created_at: row.created_at,
    })
}

/// What has to be tried out for an application.
pub struct ToTry {
    /// The firm that applies.
    pub firm: String,
    /// The application from which the keys of the release come: that of the grant, where it is renewed.
    pub keyed_by: String,
    /// The dataset.
    pub dataset: Dataset,
    /// The policy that an approval would agree on.
    pub policy: Policy,
    /// The newest version.
    pub version: Version,
    /// SHA-256 over what the application says.
    pub contents: String,
}

/// What has to be tried out for an application.
///
/// # Errors
/// When the caller is no reviewer, or the application cannot be approved any more.
pub fn to_try(conn: &mut Conn, caller: &Caller, id: &str, fields: Option<Vec<String>>, terms: &Terms) -> Result<ToTry> {
    caller.with_role(&[Role::Reviewer])?;
    let application = applications::find_for(conn, caller, id)?;
    application.require(applications::Step::Decide)?;
    let dataset = catalog::find_any(conn, &application.dataset)?;
    dataset.require_published()?;
    let conditions = Conditions { fields, ..Conditions::default() };
    let granted = applications::granted(&application, Some(&conditions)).map_err(beside_conditions)?;
    let contents = applications::contents_sha256(conn, id)?;
    let (policy, number) = (policy_for(conn, &application, &granted.fields, &dataset, terms)?, newest(&dataset)?);
    let version = catalog::version(conn, &dataset, number)?;
    let keyed_by = match &application.renews_id {
        Some(grant) => grants::find(conn, grant)?.application_id,
        None => application.id,
    };
    Ok(ToTry { firm: application.firm_id, keyed_by, dataset, policy, version, contents })
}

/// What is tried out names its fields by themselves, and not within conditions.
fn beside_conditions(error: Error) -> Error {
    let Error::Invalid(faults) = error else { return error };
    let fault = |fault: Fault| Fault { pointer: fault.pointer.replacen("/conditions", "", 1), ..fault };
    Error::Invalid(faults.into_iter().map(fault).collect())
}

/// The policy that an approval of these fields agrees on.
pub(super) fn policy_for(
    conn: &mut Conn,
    application: &Application,
    fields: &[String],
    dataset: &Dataset,
    terms: &Terms,
) -> Result<Policy> {
    if dataset.entry.open_type != OpenType::Conditional {
        return Err(Error::Conflict(format!("the dataset is {} now; refuse the application", dataset.entry.open_type.as_str())));
    }
    let known = catalog::columns_of(conn, dataset)?;
    let policy = Policy::for_fields(&dataset.entry, fields, terms.fingerprint_share);
    let policy = policy.and_then(|policy| policy.narrowed(application.wish.condition.as_deref(), &known));
    // That fitted when the firm asked for it.
    policy.map_err(|cause| {
        let unfit = matches!(cause, Error::Invalid(_));
        if unfit {
            Error::Conflict(format!("what is asked for does not fit the dataset any more: {cause}; ask for more, or refuse"))
        } else {
            cause
        }
    })
}

fn newest(dataset: &Dataset) -> Result<i32> {
    dataset
        .version
        .ok_or_else(|| Error::Conflict(format!("the dataset `{}` has no version yet; nothing can be released of it", dataset.slug)))
}

/// What was tried out.
pub struct Tried {
    /// The version, by number.
    pub version: i32,
    /// The policy.
    pub policy: Policy,
    /// Whether a release can be made.
    pub reached: bool,
    /// The report.
    pub report: Value,
    /// SHA-256 over what the application said.
    pub contents: String,
}

/// Puts a report on file.
///
/// # Errors
/// When the database does not take it.
pub fn put(conn: &mut Conn, caller: &Caller, id: &str, tried: &Tried) -> Result<FiledReport> {
    let report_json = tried.report.to_string();
    let row = ReportRow {
        id: uuid::Uuid::now_v7().to_string(),
        application_id: id.to_owned(),
        version: tried.version,
        policy_json: serde_json::to_string(&tried.policy)?,
        reached: tried.reached,
        sha256: sha256_hex(report_json.as_bytes()),
        report_json,
        created_by: caller.actor(),
        created_at: now_naive(),
        contents_sha256: tried.contents.clone(),
    };
    diesel::insert_into(release_reports::table).values(&row).execute(conn)?;
    let detail = json!({ "version": tried.version, "reached": tried.reached, "report_sha256": row.sha256 });
    ledger::append(conn, Kind::ReleaseTried, &row.created_by, &format!("application:{id}"), &detail)?;
    view(row)
}

/// The newest reports of an application, the newest first.
///
/// # Errors
/// When the caller is neither reviewer nor auditor, or there is no such application.
pub fn list(conn: &mut Conn, caller: &Caller, id: &str) -> Result<Vec<FiledReport>> {
    caller.with_role(&[Role::Reviewer, Role::Auditor])?;
    applications::find(conn, id)?;
    let rows: Vec<ReportRow> = release_reports::table
        .filter(release_reports::application_id.eq(id))
        .order(release_reports::id.desc())
        .limit(SHOWN)
        .select(ReportRow::as_select())
        .load(conn)?;
    rows.into_iter().map(view).collect()
}

/// Looks whether the report that a reviewer names is what an approval would do now.
///
/// # Errors
/// When there is no such report, it is of another version or policy, or no release can be made.
pub(super) fn require_seen(
    conn: &mut Conn,
    application: &Application,
    dataset: &Dataset,
    policy: &Policy,
    sha256: Option<&str>,
) -> Result<()> {
    let make = "have one made by POST /applications/{id}/reports, look at it, and name its sha256 as report_sha256";
    let Some(sha256) = sha256 else {
        return Err(Error::invalid("/report_sha256", format!("an approval names the report that was looked at; {make}")));
    };
    let row: Option<ReportRow> = release_reports::table
        .filter(release_reports::application_id.eq(&application.id))
        .filter(release_reports::sha256.eq(sha256))
        .order(release_reports::id.desc())
        .select(ReportRow::as_select())
        .first(conn)
        .optional()?;
    let row = row.ok_or_else(|| Error::invalid("/report_sha256", format!("the application has no such report; {make}")))?;
    if row.contents_sha256 != applications::contents_sha256(conn, &application.id)? {
        return Err(Error::Conflict(format!("the firm has changed its application since that report was made: read it again; {make}")));
    }
    if row.version != newest(dataset)? || serde_json::from_str::<Policy>(&row.policy_json)? != *policy {
        return Err(Error::Conflict(format!("the dataset or its policy has changed since that report was made; {make}")));
    }
    if !row.reached {
        return Err(Error::Conflict(
            "by that report no release can be made under this policy; refuse the application, or have the policy changed".to_owned(),
        ));
    }
    Ok(())
}
