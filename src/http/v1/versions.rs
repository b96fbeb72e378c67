//! Versions: each by number, what it holds, and what became of a dataset between two of them.

use std::time::Duration;

use actix_web::{HttpResponse, get, web};
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::datasets::{DatasetPath, VersionSummary};
use super::download::{describe, parse_version};
use super::publishing::VersionPath;
use crate::access::Read;
use crate::app::{App, Watch};
use crate::catalog::{self, Field, OpenType};
use crate::error::{Error, Result};
use crate::http::caller::limit_key;
use crate::http::page::{PageQuery, parse_limit};
use crate::identity::Caller;
use crate::intake::Profile;
use crate::read::{self, DiffQuery, FieldChange, RowChange, RowCounts};
use crate::release;

/// Which version.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ProfileQuery {
    /// The version's number; the newest by default.
    #[param(value_type = Option<i32>, minimum = 1)]
    version: Option<String>,
}

/// Which two versions, and which of their rows.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct DiffParameters {
    /// The earlier version: a number, or a day or moment (RFC 3339) at which it was the newest one.
    #[param(example = "1")]
    from: String,
    /// The later version in the same way; the newest by default.
    to: Option<String>,
    /// Rows of this kind only; all that are not the same by default.
    change: Option<RowChange>,
    /// How many rows at the most.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 1000, example = 100)]
    limit: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// What became of a dataset between two versions.
#[derive(Debug, Serialize, ToSchema)]
pub struct DiffPage {
    /// The earlier version's number.
    from: i32,
    /// The later version's number.
    to: i32,
    /// What became of the columns; those that stayed are not listed.
    fields: Vec<FieldChange>,
    /// The fields that name a row; empty where the dataset declares no key, and then rows are not compared.
    key: Vec<String>,
    /// How many rows became what; null without a key.
    counts: Option<RowCounts>,
    /// Rows that are not the same, by key: each has `change`, `key`, and in `values` each field that differs as `{"from": …, "to": …}`.
    #[schema(value_type = Vec<Object>)]
    rows: Box<RawValue>,
    /// How many such rows there are in all.
    total: i64,
    /// The cursor of the next page; null at the end.
    next_cursor: Option<String>,
}

/// What a version holds.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProfilePage {
    /// The version's number.
    version: i32,
    /// Its columns with their types.
    fields: Vec<Field>,
    /// Statistics of the whole table and of each column.
    profile: Profile,
}

/// Show a version
///
/// One version of a dataset by its number, without its data.
#[utoipa::path(tag = "catalog", params(VersionPath), responses((status = OK, body = VersionSummary)))]
#[get("/datasets/{slug}/versions/{version}")]
pub async fn find_version(_caller: Caller, app: web::Data<App>, path: web::Path<VersionPath>) -> Result<web::Json<VersionSummary>> {
    let number = path.number()?;
    let slug = path.into_inner().slug;
    let found = app.db.read(move |conn| {
        let dataset = catalog::find(conn, &slug)?;
        dataset.require_published()?;
        catalog::version(conn, &dataset, number)
    });
    Ok(web::Json(found.await?.into()))
}

/// Show a profile
///
/// Statistics of a version of an unconditional dataset: rows, missing and different values, ranges, distributions. Of a conditional
/// dataset there is none for the public: it would tell of values that leave in no release.
#[utoipa::path(tag = "catalog", params(DatasetPath, ProfileQuery), responses((status = OK, body = ProfilePage)))]
#[get("/datasets/{slug}/profile")]
pub async fn find_profile(
    _caller: Caller,
    app: web::Data<App>,
    path: web::Path<DatasetPath>,
    query: web::Query<ProfileQuery>,
) -> Result<web::Json<ProfilePage>> {
    let number = parse_version(query.version.as_deref())?;
    let slug = path.into_inner().slug;
    let found = app.db.read(move |conn| {
        let dataset = catalog::find(conn, &slug)?;
        dataset.require_published()?;
        if dataset.entry.open_type != OpenType::Unconditional {
            return Err(Error::Forbidden(format!("`{slug}` is not open to everybody: its publisher alone sees what a version holds")));
        }
        let newest = number.or(dataset.version).ok_or_else(|| Error::not_found("version of dataset", &slug))?;
        let version = catalog::version(conn, &dataset, newest)?;
        if !release::exists(conn, &version.id, "public")? {
            return Err(Error::not_found("public release of version", newest.to_string()));
        }
        let profile = catalog::findings(conn, &version.id)?.profile;
        let mut profile = profile.ok_or_else(|| Error::not_found("profile of version", newest.to_string()))?;
        // What the scan found is for the publisher, who has resolved it.
        profile.findings.clear();
        profile.combination = None;
        Ok(ProfilePage { version: version.number, fields: version.fields, profile })
    });
    Ok(web::Json(found.await?))
}

/// Compare two versions
///
/// What became of the columns and, by the key that the dataset declares, of the rows. Both sides are the releases that the caller may read.
#[utoipa::path(
    tag = "reading",
    params(DatasetPath, DiffParameters),
    security((), ("oauth2" = [])),
    responses((status = OK, body = DiffPage, headers(("Qingdan-Version" = i32), ("Qingdan-Citation" = String))))
)]
#[get("/datasets/{slug}/diff")]
pub async fn compare_versions(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<DatasetPath>,
    parameters: web::Query<DiffParameters>,
) -> Result<HttpResponse> {
    let (slug, parameters) = (path.into_inner().slug, parameters.into_inner());
    let key = limit_key(&caller);
    let limits = app.limits.of(key.tier);
    app.usage.check(&app.db, &key, limits.bytes_per_day).await?;
    let _place = app.limits.query(&key)?;
    let from = which_version(&app, &slug, "from", Some(parameters.from.as_str())).await?;
    let to = which_version(&app, &slug, "to", parameters.to.as_deref()).await?;
    let (older, newer) = (Read::rows(from), Read::rows(to));
    let from = app.release(&caller, &slug, older.clone()).await?;
    let to = app.release(&caller, &slug, newer.clone()).await?;
    let mut watches = [Watch::over(&app, &caller, &from, older), Watch::over(&app, &caller, &to, newer)];
    let (from, to) = (from.release, to.release);
    // The cursor belongs to exactly these two versions.
    let list = format!("diff {slug} {} {} {:?}", from.version(), to.version(), parameters.change);
    let after = PageQuery { limit: None, cursor: parameters.cursor }.after(&list)?;
    let offset = match after {
        None => 0,
        Some(text) => text.parse::<u32>().map_err(|_unreadable| Error::invalid("cursor", "this is no cursor of this comparison"))? as usize,
    };
    let query = DiffQuery { change: parameters.change, limit: parse_limit(parameters.limit.as_deref(), 1000)? as usize, offset };
    let next = offset + query.limit;
    let diff = read::diff(&app.engine, &from, &to, query, Duration::from_secs(limits.query_seconds)).await?;
    for watch in &mut watches {
        watch.holds().await?;
    }
    let row_count = serde_json::from_str::<Vec<&serde_json::value::RawValue>>(diff.rows.get())?.len() as u64;
    let page = DiffPage {
        from: from.version(),
        to: to.version(),
        fields: diff.fields,
        key: diff.key,
        counts: diff.counts,
        rows: diff.rows,
        total: diff.total,
        next_cursor: diff.more.then(|| crate::http::page::cursor(&list, &next.to_string())),
    };
    let body = serde_json::to_vec(&page)?;
    if let Some(watch) = watches.first() {
        watch.take(row_count, body.len() as u64)?;
    }
    app.usage.add(&key, body.len() as u64);
    let mut response = HttpResponse::Ok();
    describe(&mut response, &app, &to);
    Ok(response.content_type("application/json").body(body))
}

/// A version by number, or by a day or moment at which it was the newest one.
///
/// # Errors
/// When the text is neither, or there was no version yet.
pub async fn which_version(app: &App, slug: &str, parameter: &'static str, text: Option<&str>) -> Result<Option<i32>> {
    let Some(text) = text else { return Ok(None) };
    if let Some(number) = text.parse::<i32>().ok().filter(|number| *number > 0) {
        return Ok(Some(number));
    }
    let moment = moment(text).ok_or_else(|| {
        let detail =
            format!("`{text}` is neither a version's number (they start at 1) nor a day (2026-01-31) or moment (2026-01-31T08:00:00Z)");
        Error::invalid(parameter, detail)
    })?;
    let slug = slug.to_owned();
    let number = app.db.read(move |conn| {
        let dataset = catalog::find(conn, &slug)?;
        dataset.require_published()?;
        catalog::version_at(conn, &dataset, moment)
    });
    number.await.map(Some)
}

/// A moment in UTC; a day is meant to its end.
fn moment(text: &str) -> Option<NaiveDateTime> {
    if let Some(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|day| (1..=9999).contains(&day.year())) {
        return Some(day.and_time(NaiveTime::from_hms_micro_opt(23, 59, 59, 999_999)?));
    }
    DateTime::parse_from_rfc3339(text)
        .ok()
        .map(|at| at.with_timezone(&Utc).naive_utc())
        .filter(|moment| (1..=9999).contains(&moment.year()))
}
