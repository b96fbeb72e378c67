//! Publishing: an uploaded file becomes a version, and a steward answers for what the scan found in it.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, LOCATION};
use actix_web::{HttpResponse, get, post, web};
use chrono::NaiveDateTime;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::check_text;
use super::datasets::DatasetPath;
use crate::access;
use crate::app::{App, IntakeOrder};
use crate::catalog::{self, Dataset, Field, VersionStatus};
use crate::db::Conn;
use crate::error::{Error, Result};
use crate::http::page::Page;
use crate::identity::{Caller, Role};
use crate::intake::uploads;
use crate::intake::{Profile, Report};
use crate::jobs::{self, Job, JobKind};
use crate::ledger::{self, Kind};
use crate::release::{self, PublishMode};

/// What is to be published.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Publication {
    /// The upload's id. All its bytes have arrived.
    upload: String,
    /// What becomes of the rows that are there.
    #[serde(default)]
    mode: PublishMode,
}

/// A version of a dataset.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct VersionPath {
    /// The dataset's name in addresses.
    pub slug: String,
    /// The version's number.
    #[param(value_type = i32, minimum = 1)]
    pub version: String,
}

impl VersionPath {
    /// The version's number.
    ///
    /// # Errors
    /// When it is none.
    pub fn number(&self) -> Result<i32> {
        self.version.parse().ok().filter(|number| *number > 0).ok_or_else(|| Error::not_found("version", &self.version))
    }
}

/// What a steward says of a version that is held.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Resolution {
    /// `true` publishes the version as it is, `false` turns it down for ever.
    publish: bool,
    /// Why, in 3 to 2000 characters: what the values are, and why they are no personal data; or what has to be mended.
    #[schema(min_length = 3, max_length = 2000)]
    reason: String,
}

/// A version as its publisher sees it.
#[derive(Debug, Serialize, ToSchema)]
pub struct StewardVersion {
    /// From 1.
    version: i32,
    /// Whether it can be read.
    status: VersionStatus,
    /// How many rows it has.
    rows: i64,
    /// How many data files it consists of.
    files: usize,
    /// Its columns with their types.
    fields: Vec<Field>,
    /// What was decided on the way in.
    report: Option<Report>,
    /// What the table holds; examples of findings are masked.
    profile: Option<Profile>,
    /// How many of the findings nobody has cleared.
    open_findings: usize,
    /// Whether there are rows that could not be read, to be downloaded.
    has_rejects: bool,
    /// Why a steward published it in spite of what the scan found, or turned it down.
    resolution: Option<String>,
    /// When it was taken in.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    created_at: NaiveDateTime,
    /// Since when it can be read.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize_option")]
    published_at: Option<NaiveDateTime>,
}

/// Publish an upload
///
/// By a steward of the dataset's publisher. The file is taken in by a job: `Location` says where to follow it. The upload is removed when it
/// has become a version. A version of an unconditional dataset in which the scan finds personal data is held until a steward resolves it.
#[utoipa::path(
    tag = "publishing",
    params(DatasetPath),
    security(("session" = [])),
    responses((status = ACCEPTED, body = Job, headers(("Location" = String))))
)]
#[post("/admin/datasets/{slug}/versions")]
pub async fn publish_version(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<DatasetPath>,
    body: web::Json<Publication>,
) -> Result<HttpResponse> {
    let (slug, Publication { upload, mode }) = (path.into_inner().slug, body.into_inner());
    let ordered = app.db.write(move |conn| {
        let (actor, subject) = (caller.actor(), format!("dataset:{slug}"));
        let dataset = stewarded(conn, &caller, &slug)?;
        if dataset.state == catalog::State::Withdrawn {
            dataset.require_published()?;
        }
        let found = uploads::find(conn, &actor, &upload)?;
        if !found.is_complete() {
            let detail = format!("the upload has {} of {} bytes; send the rest first", found.offset_bytes, found.size_bytes);
            return Err(Error::Conflict(detail));
        }
        if jobs::is_ordered(conn, &subject, &upload)? {
            return Err(Error::Conflict("this upload is being published already; see GET /api/v1/admin/jobs".to_owned()));
        }
        uploads::extend(conn, &upload)?;
        let order = serde_json::to_value(IntakeOrder { upload, slug, mode })?;
        jobs::enqueue(conn, JobKind::Intake, &subject, &order, &actor)
    });
    let job = ordered.await?;
    app.wake();
    let location = format!("{}/api/v1/admin/jobs/{}", app.issuer, job.id);
    Ok(HttpResponse::build(StatusCode::ACCEPTED).insert_header((LOCATION, location)).json(job))
}

/// List a dataset's versions for its publisher
///
/// Newest first, also those that are held or refused, with the report of the intake, the profile and the findings. To stewards of the
/// publisher, reviewers and auditors. Of columns that say something about a person no value is shown.
#[utoipa::path(tag = "publishing", params(DatasetPath), security(("session" = [])), responses((status = OK, body = Page<StewardVersion>)))]
#[get("/admin/datasets/{slug}/versions")]
pub async fn list_all_versions(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<DatasetPath>,
) -> Result<web::Json<Page<StewardVersion>>> {
    let slug = path.into_inner().slug;
    let found = app.db.read(move |conn| {
        let dataset = match caller.with_role(&[Role::Reviewer, Role::Auditor]) {
            Ok(_) => catalog::find_any(conn, &slug)?,
            Err(_) => stewarded(conn, &caller, &slug)?,
        };
        let versions = catalog::all_versions(conn, &dataset)?;
        versions.into_iter().map(|version| steward_version(conn, &dataset, version)).collect::<Result<Vec<_>>>()
    });
    Ok(web::Json(Page::whole(found.await?)))
}

/// Resolve what holds a version
///
/// By a steward of the dataset's publisher, with the reason, which goes into the ledger.
#[utoipa::path(tag = "publishing", params(VersionPath), security(("session" = [])), responses((status = OK, body = StewardVersion)))]
#[post("/admin/datasets/{slug}/versions/{version}/resolution")]
pub async fn resolve_version(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<VersionPath>,
    body: web::Json<Resolution>,
) -> Result<web::Json<StewardVersion>> {
    let (number, reason) = (path.number()?, check_text("/reason", &body.reason, 3, 2000)?);
    let (slug, publish) = (path.into_inner().slug, body.publish);
    let resolved = app.db.write(move |conn| {
        let dataset = stewarded(conn, &caller, &slug)?;
        let version = release::resolve_version(conn, &caller.actor(), &slug, number, publish, &reason)?;
        steward_version(conn, &dataset, version)
    });
    Ok(web::Json(resolved.await?))
}

/// Download the rows that could not be read
///
/// By a steward of the dataset's publisher: CSV with the line and the reason before each row's cells.
#[utoipa::path(tag = "publishing", params(VersionPath), security(("session" = [])), responses((status = OK, content_type = "text/csv", body = String)))]
#[get("/admin/datasets/{slug}/versions/{version}/rejects")]
pub async fn download_rejects(caller: Caller, app: web::Data<App>, path: web::Path<VersionPath>) -> Result<HttpResponse> {
    let number = path.number()?;
    let (slug, name) = (path.slug.clone(), path.slug.clone());
    let found = app.db.write(move |conn| {
        let dataset = stewarded(conn, &caller, &slug)?;
        let version = catalog::any_version(conn, &dataset, number)?;
        if version.status == VersionStatus::Withdrawn {
            return Err(Error::Withdrawn(format!("version {number} of `{slug}` was withdrawn, and its rejected rows with it")));
        }
        let object = version.rejects.ok_or_else(|| Error::not_found("rejected rows of version", number.to_string()))?;
        // They are raw cells: who took them is on record before the first byte leaves.
        let detail = serde_json::json!({ "version": number, "rejects": true });
        ledger::append(conn, Kind::ReadAllowed, &caller.actor(), &format!("dataset:{slug}"), &detail)?;
        Ok(object)
    });
    let object = found.await?;
    let mut response = HttpResponse::Ok();
    response.content_type("text/csv; charset=utf-8; header=present").insert_header((CACHE_CONTROL, "private, no-store"));
    response.insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{name}-v{number}-rejects.csv\"")));
    Ok(response.streaming(app.storage.stream(&object, 0..object.size_bytes)))
}

/// The dataset, which the caller stewards.
fn stewarded(conn: &mut Conn, caller: &Caller, slug: &str) -> Result<Dataset> {
    caller.with_role(&[Role::Steward])?;
    let dataset = catalog::find_any(conn, slug)?;
    access::check_steward(caller, &dataset)?;
    Ok(dataset)
}

fn steward_version(conn: &mut Conn, dataset: &Dataset, version: catalog::Version) -> Result<StewardVersion> {
    let catalog::Findings { profile, report } = catalog::findings(conn, &version.id)?;
    Ok(StewardVersion {
        version: version.number,
        status: version.status,
        rows: version.row_count,
        files: version.parts.len(),
        open_findings: release::open_findings(&dataset.entry, profile.as_ref()),
        fields: version.fields,
        report,
        profile,
        has_rejects: version.rejects.is_some(),
        resolution: version.resolution,
        created_at: version.created_at,
        published_at: version.published_at,
    })
}
