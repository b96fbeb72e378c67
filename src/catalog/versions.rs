//! Versions of datasets in the database: each is one or more Parquet files, and immutable.

use chrono::NaiveDateTime;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::entry::Field;
use super::store::Dataset;
use crate::clock::now_naive;
use crate::crypto::sha256_hex;
use crate::db::Conn;
use crate::db::schema::{datasets, parts, versions};
use crate::error::{Error, Result};
use crate::intake::{Profile, Report};
use crate::ledger::{self, Kind};
use crate::storage::Object;

/// One of the files that a version or a release consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The Parquet file.
    pub object: Object,
    /// How many rows it has.
    pub row_count: i64,
    /// The set of files that it lists, where it is the manifest of a collection.
    pub members: Option<String>,
}

/// Whether a version can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VersionStatus {
    /// It is taken in, and waits for a steward to resolve what the scan found.
    Held,
    /// Whoever may read the dataset may read it.
    Published,
    /// A steward turned it down: it is never read.
    Refused,
    /// Its dataset was withdrawn: it is never read again, also when the dataset is reopened.
    Withdrawn,
}

impl VersionStatus {
    /// The status as it is written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            VersionStatus::Held => "held",
            VersionStatus::Published => "published",
            VersionStatus::Refused => "refused",
            VersionStatus::Withdrawn => "withdrawn",
        }
    }

    fn parse(text: &str) -> Result<Self> {
        let all = [VersionStatus::Held, VersionStatus::Published, VersionStatus::Refused, VersionStatus::Withdrawn];
        let found = all.into_iter().find(|status| status.as_str() == text);
        found.ok_or_else(|| Error::internal(anyhow::anyhow!("a version of the unknown status `{text}`")))
    }
}

/// An immutable snapshot of a dataset's data.
#[derive(Debug, Clone)]
pub struct Version {
    /// Never changes.
    pub id: String,
    /// The dataset that it belongs to.
    pub dataset_id: String,
    /// From 1.
    pub number: i32,
    /// Its columns with their types.
    pub fields: Vec<Field>,
    /// Its Parquet files, in order.
    pub parts: Vec<Part>,
    /// How many rows it has.
    pub row_count: i64,
    /// When it was taken in.
    pub created_at: NaiveDateTime,
    /// Whether it can be read.
    pub status: VersionStatus,
    /// Since when it can be read.
    pub published_at: Option<NaiveDateTime>,
    /// The rows of its source that could not be read, as the publisher may download them.
    pub rejects: Option<Object>,
    /// Why a steward published it in spite of what the scan found, or turned it down.
    pub resolution: Option<String>,
}

impl Version {
    /// Its Parquet files.
    pub fn objects(&self) -> Vec<Object> {
        self.parts.iter().map(|part| part.object.clone()).collect()
    }
}

/// What intake found out about a version's data.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    /// Statistics and personal data, where the version was taken in since there is a profile.
    pub profile: Option<Profile>,
    /// What was decided on the way in.
    pub report: Option<Report>,
}

/// A version as the database keeps it.
#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = versions)]
struct VersionRow {
    id: String,
    dataset_id: String,
    number: i32,
    source_sha256: String,
    fields_json: String,
    object_sha256: String,
    size_bytes: i64,
    row_count: i64,
    created_at: NaiveDateTime,
    status: String,
    published_at: Option<NaiveDateTime>,
    rejects_sha256: Option<String>,
    rejects_size_bytes: Option<i64>,
    resolution: Option<String>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = parts)]
struct PartRow {
    owner_id: String,
    position: i32,
    object_sha256: String,
    size_bytes: i64,
    row_count: i64,
    members_id: Option<String>,
}

/// The files of a version or a release, by its id, in order.
///
/// # Errors
/// When the database does not answer.
pub fn parts_of(conn: &mut Conn, owner_id: &str) -> Result<Vec<Part>> {
    let rows: Vec<PartRow> =
        parts::table.filter(parts::owner_id.eq(owner_id)).order(parts::position).select(PartRow::as_select()).load(conn)?;
    let part = |row: PartRow| Part {
        object: Object { sha256: row.object_sha256, size_bytes: row.size_bytes as u64, format: "parquet".to_owned() },
        row_count: row.row_count,
        members: row.members_id,
    };
    Ok(rows.into_iter().map(part).collect())
}

/// Writes down the files of a version or a release.
///
/// # Errors
/// When the database does not take it.
pub fn put_parts(conn: &mut Conn, owner_id: &str, files: &[Part]) -> Result<()> {
    for (position, file) in (0..).zip(files) {
        let row = PartRow {
            owner_id: owner_id.to_owned(),
            position,
            object_sha256: file.object.sha256.clone(),
            size_bytes: file.object.size_bytes as i64,
            row_count: file.row_count,
            members_id: file.members.clone(),
        };
        diesel::insert_into(parts::table).values(&row).execute(conn)?;
    }
    Ok(())
}

/// Forgets the files of a release that is deleted.
///
/// # Errors
/// When the database does not take it.
pub fn forget_parts(conn: &mut Conn, owner_id: &str) -> Result<()> {
    diesel::delete(parts::table.filter(parts::owner_id.eq(owner_id))).execute(conn)?;
    Ok(())
}

/// The digest of the only file, or one over the digests of all files.
pub fn digest_of(files: &[Part]) -> String {
    match files {
        [only] => only.object.sha256.clone(),
        all => sha256_hex(all.iter().map(|part| part.object.sha256.as_str()).collect::<Vec<_>>().join("\n").as_bytes()),
    }
}

fn read(conn: &mut Conn, row: VersionRow) -> Result<Version> {
    let rejects = row.rejects_sha256.zip(row.rejects_size_bytes);
    Ok(Version {
        parts: parts_of(conn, &row.id)?,
        id: row.id,
        dataset_id: row.dataset_id,
        number: row.number,
        fields: serde_json::from_str(&row.fields_json)?,
        row_count: row.row_count,
        created_at: row.created_at,
        status: VersionStatus::parse(&row.status)?,
        published_at: row.published_at,
        resolution: row.resolution,
        rejects: rejects.map(|(sha256, size)| Object { sha256, size_bytes: size as u64, format: "csv".to_owned() }),
    })
}

/// Every version of a dataset that can be read, newest first.
///
/// # Errors
/// When the database does not answer.
pub fn versions(conn: &mut Conn, dataset: &Dataset) -> Result<Vec<Version>> {
    all_versions(conn, dataset).map(|all| all.into_iter().filter(|version| version.status == VersionStatus::Published).collect())
}

/// Every version of a dataset, also those that are held or refused, newest first.
///
/// # Errors
/// When the database does not answer.
pub fn all_versions(conn: &mut Conn, dataset: &Dataset) -> Result<Vec<Version>> {
    let rows: Vec<VersionRow> = versions::table
        .filter(versions::dataset_id.eq(&dataset.id))
        .order(versions::number.desc())
        .select(VersionRow::as_select())
        .load(conn)?;
    rows.into_iter().map(|row| read(conn, row)).collect()
}

/// One version of a dataset, whatever its status.
///
/// # Errors
/// When there is none of that number.
pub fn any_version(conn: &mut Conn, dataset: &Dataset, number: i32) -> Result<Version> {
    let row: Option<VersionRow> = versions::table
        .filter(versions::dataset_id.eq(&dataset.id))
        .filter(versions::number.eq(number))
        .select(VersionRow::as_select())
        .first(conn)
        .optional()?;
    let row = row.ok_or_else(|| Error::not_found("version", number.to_string()))?;
    read(conn, row)
}

/// One version of a dataset that can be read.
///
/// # Errors
/// When there is none of that number.
pub fn version(conn: &mut Conn, dataset: &Dataset, number: i32) -> Result<Version> {
    let version = any_version(conn, dataset, number)?;
    if version.status != VersionStatus::Published {
        return Err(Error::not_found("version", number.to_string()));
    }
    Ok(version)
}

/// The version that was the newest one at that moment.
///
/// # Errors
/// When there was none yet.
pub fn version_at(conn: &mut Conn, dataset: &Dataset, moment: NaiveDateTime) -> Result<i32> {
    let number: Option<i32> = versions::table
        .filter(versions::dataset_id.eq(&dataset.id))
        .filter(versions::status.eq(VersionStatus::Published.as_str()))
        .filter(versions::published_at.le(moment))
        .select(diesel::dsl::max(versions::number))
        .first(conn)?;
    number.ok_or_else(|| Error::not_found("version that was published by", format!("{moment}Z")))
}

/// The newest version that can be read, if there is any, and the digest of the file that it came from.
///
/// # Errors
/// When the database does not answer.
pub fn latest_version(conn: &mut Conn, dataset: &Dataset) -> Result<Option<(Version, String)>> {
    let Some(number) = dataset.version else { return Ok(None) };
    let version = version(conn, dataset, number)?;
    let source = versions::table.find(&version.id).select(versions::source_sha256).first(conn)?;
    Ok(Some((version, source)))
}

/// The columns of a dataset as they are known best: those of its newest version, or else those of its entry.
///
/// # Errors
/// When the database does not answer.
pub fn columns_of(conn: &mut Conn, dataset: &Dataset) -> Result<Vec<Field>> {
    Ok(latest_version(conn, dataset)?.map_or_else(|| dataset.entry.fields.clone(), |(version, _)| version.fields))
}

/// The version that came in last, whatever its status, and the digest of the file that it came from.
///
/// # Errors
/// When the database does not answer.
pub fn last_taken(conn: &mut Conn, dataset: &Dataset) -> Result<Option<(Version, String)>> {
    let row: Option<VersionRow> = versions::table
        .filter(versions::dataset_id.eq(&dataset.id))
        .order(versions::number.desc())
        .select(VersionRow::as_select())
        .first(conn)
        .optional()?;
    let Some(row) = row else { return Ok(None) };
    let source = row.source_sha256.clone();
    Ok(Some((read(conn, row)?, source)))
}

/// What intake found out about a version.
///
/// # Errors
/// When the database does not answer.
pub fn findings(conn: &mut Conn, version_id: &str) -> Result<Findings> {
    let (profile, report): (Option<String>, Option<String>) =
        versions::table.find(version_id).select((versions::profile_json, versions::report_json)).first(conn)?;
    Ok(Findings {
        profile: profile.map(|text| serde_json::from_str(&text)).transpose()?,
        report: report.map(|text| serde_json::from_str(&text)).transpose()?,
    })
}

/// Whether a version or a release has the file of that digest, or a version's rejected rows are in it.
///
/// # Errors
/// When the database does not answer.
pub fn is_part(conn: &mut Conn, sha256: &str) -> Result<bool> {
    let as_part: i64 = parts::table.filter(parts::object_sha256.eq(sha256)).count().get_result(conn)?;
    let as_rejects: i64 = versions::table.filter(versions::rejects_sha256.eq(sha256)).count().get_result(conn)?;
    Ok(as_part + as_rejects > 0)
}

/// What makes a version.
pub struct NewVersion {
    /// The digest of the file that it came from.
    pub source_sha256: String,
    /// Its columns with their types.
    pub fields: Vec<Field>,
    /// Its Parquet files, which are in the store already.
    pub parts: Vec<Part>,
    /// The rows that could not be read, which are in the store already.
    pub rejects: Option<Object>,
    /// What intake found out.
    pub findings: Findings,
    /// Whether it waits for a steward.
    pub held: bool,
}

/// Adds a dataset's next version, with its ledger entry. Unless it is held, everybody sees it from the end of the transaction on.
///
/// # Errors
/// When the database does not take it.
pub fn add_version(conn: &mut Conn, actor: &str, dataset: &Dataset, new: NewVersion) -> Result<Version> {
    let last: Option<i32> =
        versions::table.filter(versions::dataset_id.eq(&dataset.id)).select(diesel::dsl::max(versions::number)).first(conn)?;
    let (number, now) = (last.unwrap_or(0) + 1, now_naive());
    let status = if new.held { VersionStatus::Held } else { VersionStatus::Published };
    let row = VersionRow {
        id: uuid::Uuid::now_v7().to_string(),
        dataset_id: dataset.id.clone(),
        number,
        source_sha256: new.source_sha256,
        fields_json: serde_json::to_string(&new.fields)?,
        object_sha256: digest_of(&new.parts),
        size_bytes: new.parts.iter().map(|part| part.object.size_bytes as i64).sum(),
        row_count: new.parts.iter().map(|part| part.row_count).sum(),
        created_at: now,
        status: status.as_str().to_owned(),
        published_at: (!new.held).then_some(now),
        rejects_sha256: new.rejects.as_ref().map(|object| object.sha256.clone()),
        rejects_size_bytes: new.rejects.as_ref().map(|object| object.size_bytes as i64),
        resolution: None,
    };
    diesel::insert_into(versions::table).values(&row).execute(conn)?;
    let profile = new.findings.profile.as_ref().map(serde_json::to_string).transpose()?;
    let report = new.findings.report.as_ref().map(serde_json::to_string).transpose()?;
    diesel::update(versions::table.find(&row.id))
        .set((versions::profile_json.eq(profile), versions::report_json.eq(report)))
        .execute(conn)?;
    put_parts(conn, &row.id, &new.parts)?;
    let kind = if new.held { Kind::VersionHeld } else { Kind::VersionPublished };
    if !new.held {
        point_at(conn, &dataset.id, number, now)?;
    }
    let detail = json!({ "version": number, "object_sha256": row.object_sha256, "rows": row.row_count });
    ledger::append(conn, kind, actor, &format!("dataset:{}", dataset.slug), &detail)?;
    read(conn, row)
}

/// The number of the withdrawn version that came from the file of that digest. What was withdrawn does not come back as it was.
///
/// # Errors
/// When the database does not answer.
pub fn withdrawn_source(conn: &mut Conn, dataset: &Dataset, source_sha256: &str) -> Result<Option<i32>> {
    let same = versions::table.filter(versions::dataset_id.eq(&dataset.id)).filter(versions::source_sha256.eq(source_sha256));
    let withdrawn = same.filter(versions::status.eq(VersionStatus::Withdrawn.as_str()));
    Ok(withdrawn.order(versions::number.desc()).select(versions::number).first(conn).optional()?)
}

/// Takes back every version of a dataset that can be read or still could come to be; answers how many.
pub(super) fn withdraw_versions(conn: &mut Conn, dataset_id: &str) -> Result<usize> {
    let readable = [VersionStatus::Published.as_str(), VersionStatus::Held.as_str()];
    let taken = versions::table.filter(versions::dataset_id.eq(dataset_id)).filter(versions::status.eq_any(readable));
    let changed = diesel::update(taken).set(versions::status.eq(VersionStatus::Withdrawn.as_str())).execute(conn)?;
    diesel::update(datasets::table.find(dataset_id)).set(datasets::version.eq(None::<i32>)).execute(conn)?;
    Ok(changed)
}

/// Makes `number` the newest version, unless a newer one is published already.
fn point_at(conn: &mut Conn, dataset_id: &str, number: i32, now: NaiveDateTime) -> Result<()> {
    let newest: Option<i32> = datasets::table.find(dataset_id).select(datasets::version).first(conn)?;
    diesel::update(datasets::table.find(dataset_id))
        .set((datasets::version.eq(newest.unwrap_or(0).max(number)), datasets::updated_at.eq(now)))
        .execute(conn)?;
    Ok(())
}

/// Publishes a held version, or turns it down, with the steward's reason.
///
/// # Errors
/// When the version is not held.
pub fn resolve(conn: &mut Conn, actor: &str, dataset: &Dataset, number: i32, publish: bool, reason: &str) -> Result<Version> {
    let version = any_version(conn, dataset, number)?;
    if version.status != VersionStatus::Held {
        return Err(Error::Conflict(format!("version {number} is {}, not held", version.status.as_str())));
    }
    let now = now_naive();
    let (status, kind) = match publish {
        true => (VersionStatus::Published, Kind::VersionPublished),
        false => (VersionStatus::Refused, Kind::VersionRefused),
    };
    // Of two who resolve at once, one finds the version held no longer.
    let changed = diesel::update(versions::table.find(&version.id).filter(versions::status.eq(VersionStatus::Held.as_str())))
        .set((versions::status.eq(status.as_str()), versions::published_at.eq(publish.then_some(now)), versions::resolution.eq(reason)))
        .execute(conn)?;
    if changed == 0 {
        return Err(Error::Conflict(format!("version {number} was resolved by somebody else just now")));
    }
    if publish {
        point_at(conn, &dataset.id, number, now)?;
    }
    let detail = json!({ "version": number, "object_sha256": digest_of(&version.parts), "rows": version.row_count });
    ledger::append_with_reason(conn, kind, actor, &format!("dataset:{}", dataset.slug), detail, reason)?;
    any_version(conn, dataset, number)
}
