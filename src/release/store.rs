//! Releases in the database.

use chrono::NaiveDateTime;
use diesel::prelude::*;
use serde_json::json;

use super::report::ReleaseReport;
use crate::access::grants::Grant;
use crate::access::{Pass, Receiver};
use crate::catalog::{self, Dataset, Field, Part, Version};
use crate::clock::now_naive;
use crate::db::schema::{releases, versions};
use crate::db::{Conn, lock_ledger};
use crate::error::{Error, Result};
use crate::ledger::{self, Kind};
use crate::storage::Object;

/// A release that the holder of a pass may read. It can be had from a [`Pass`] only.
#[derive(Debug, Clone)]
pub struct Release {
    id: String,
    dataset: Dataset,
    receiver: Receiver,
    version: i32,
    fields: Vec<Field>,
    parts: Vec<Part>,
    row_count: i64,
    created_at: NaiveDateTime,
}

impl Release {
    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The dataset that it comes from.
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// The version that it comes from.
    pub fn version(&self) -> i32 {
        self.version
    }

    /// Whether it was made for one grant.
    pub fn is_sensitive(&self) -> bool {
        matches!(self.receiver, Receiver::Grant(_))
    }

    /// When the term of the grant ends for which it was made; `None` for what everybody may read.
    pub fn ends(&self) -> Option<NaiveDateTime> {
        match &self.receiver {
            Receiver::Public => None,
            Receiver::Grant(grant) => Some(grant.expires_at),
        }
    }

    /// Its columns.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Its Parquet files, in order.
    pub fn objects(&self) -> Vec<Object> {
        self.parts.iter().map(|part| part.object.clone()).collect()
    }

    /// Its parts, each with the files that it lists where it is a collection.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Checks that it is one of a collection of files.
    ///
    /// # Errors
    /// When it is not.
    pub fn require_collection(&self) -> Result<()> {
        if self.parts.iter().any(|part| part.members.is_some()) {
            return Ok(());
        }
        Err(Error::not_found("collection of files", &self.dataset.slug))
    }

    /// How many rows it has.
    pub fn row_count(&self) -> i64 {
        self.row_count
    }

    /// When it was made.
    pub fn created_at(&self) -> NaiveDateTime {
        self.created_at
    }
}

/// What [`find_for`] found.
pub enum Found {
    /// The release.
    Release(Box<Release>),
    /// The version exists, and the grant's release of it has to be made first.
    Missing(Box<Grant>, Box<Version>),
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = releases)]
struct ReleaseRow {
    id: String,
    dataset_id: String,
    version_id: String,
    receiver: String,
    fields_json: String,
    object_sha256: String,
    size_bytes: i64,
    row_count: i64,
    created_at: NaiveDateTime,
    report_json: Option<String>,
    deleted_at: Option<NaiveDateTime>,
}

/// The release that a pass opens, of the newest version or of one by number.
///
/// # Errors
/// When there is no such version.
pub fn find_for(conn: &mut Conn, pass: &Pass, number: Option<i32>) -> Result<Found> {
    let dataset = pass.dataset();
    let number = number.or(pass.version()).ok_or_else(|| Error::not_found("version of dataset", &dataset.slug))?;
    let row: Option<ReleaseRow> = releases::table
        .inner_join(versions::table)
        .filter(releases::dataset_id.eq(&dataset.id))
        .filter(versions::number.eq(number))
        .filter(releases::receiver.eq(pass.receiver_name()))
        .filter(releases::deleted_at.is_null())
        .select(ReleaseRow::as_select())
        .first(conn)
        .optional()?;
    if let Some(row) = row {
        return Ok(Found::Release(Box::new(release(conn, row, pass, number)?)));
    }
    let version = catalog::version(conn, dataset, number)?;
    match pass.receiver() {
        Receiver::Grant(grant) => Ok(Found::Missing(grant.clone(), Box::new(version))),
        // A version from the time when the dataset was not open to everybody.
        Receiver::Public => Err(Error::not_found("public release of version", number.to_string())),
    }
}

fn release(conn: &mut Conn, row: ReleaseRow, pass: &Pass, version: i32) -> Result<Release> {
    Ok(Release {
        parts: catalog::parts_of(conn, &row.id)?,
        id: row.id,
        dataset: pass.dataset().clone(),
        receiver: pass.receiver().clone(),
        version,
        fields: serde_json::from_str(&row.fields_json)?,
        row_count: row.row_count,
        created_at: row.created_at,
    })
}

/// Whether a version has its release for a receiver.
///
/// # Errors
/// When the database does not answer.
pub fn exists(conn: &mut Conn, version_id: &str, receiver: &str) -> Result<bool> {
    let known: i64 =
        releases::table.filter(releases::version_id.eq(version_id)).filter(releases::receiver.eq(receiver)).count().get_result(conn)?;
    Ok(known > 0)
}

/// The versions, by number, of which a receiver has a release, the newest first.
///
/// # Errors
/// When the database does not answer.
pub fn versions_of(conn: &mut Conn, receiver: &str) -> Result<Vec<i32>> {
    let made = releases::table.inner_join(versions::table).filter(releases::receiver.eq(receiver));
    Ok(made.order(versions::number.desc()).select(versions::number).load(conn)?)
}

/// How coarse each field of a receiver's policy is in its releases, the coarsest of all of them.
///
/// # Errors
/// When the database does not answer.
pub(super) fn levels_of(conn: &mut Conn, receiver: &str, fields: usize) -> Result<Vec<usize>> {
    let made: Vec<Option<String>> = releases::table.filter(releases::receiver.eq(receiver)).select(releases::report_json).load(conn)?;
    let mut levels = vec![0; fields];
    for report in made.into_iter().flatten() {
        for (level, made) in levels.iter_mut().zip(levels_in(&report)?) {
            *level = made.max(*level);
        }
    }
    Ok(levels)
}

/// How coarse each field is in the receiver's release of one version.
///
/// # Errors
/// When the database does not answer.
pub(super) fn levels_of_version(conn: &mut Conn, receiver: &str, version_id: &str) -> Result<Vec<usize>> {
    let made = releases::table.filter(releases::receiver.eq(receiver)).filter(releases::version_id.eq(version_id));
    let report: Option<Option<String>> = made.select(releases::report_json).first(conn).optional()?;
    report.flatten().map(|report| levels_in(&report)).transpose().map(Option::unwrap_or_default)
}

fn levels_in(report: &str) -> Result<Vec<usize>> {
    #[derive(serde::Deserialize)]
    struct Levels {
        fields: Vec<LevelOf>,
    }
    #[derive(serde::Deserialize)]
    struct LevelOf {
        level: usize,
    }
    Ok(serde_json::from_str::<Levels>(report)?.fields.into_iter().map(|field| field.level).collect())
}

/// What makes a release.
pub(super) struct NewRelease<'a> {
    pub version: &'a Version,
    pub receiver: &'a str,
    pub fields: &'a [Field],
    pub parts: &'a [Part],
    /// What the policy did, where there was one.
    pub report: Option<&'a ReleaseReport>,
}

/// Writes a release down, with its ledger entry. One that exists already stays as it is.
pub(super) fn add(conn: &mut Conn, slug: &str, new: &NewRelease<'_>) -> Result<()> {
    // Two who count at the same time would both find nothing.
    lock_ledger(conn)?;
    if exists(conn, &new.version.id, new.receiver)? {
        return Ok(());
    }
    let row = ReleaseRow {
        id: uuid::Uuid::now_v7().to_string(),
        dataset_id: new.version.dataset_id.clone(),
        version_id: new.version.id.clone(),
        receiver: new.receiver.to_owned(),
        fields_json: serde_json::to_string(new.fields)?,
        object_sha256: catalog::digest_of(new.parts),
        size_bytes: new.parts.iter().map(|part| part.object.size_bytes as i64).sum(),
        row_count: new.parts.iter().map(|part| part.row_count).sum(),
        created_at: now_naive(),
        report_json: new.report.map(serde_json::to_string).transpose()?,
        deleted_at: None,
    };
    diesel::insert_into(releases::table).values(&row).execute(conn)?;
    catalog::put_parts(conn, &row.id, new.parts)?;
    let detail =
        json!({ "version": new.version.number, "receiver": new.receiver, "object_sha256": row.object_sha256, "rows": row.row_count });
    ledger::append(conn, Kind::ReleaseMade, "service", &format!("dataset:{slug}"), &detail)?;
    Ok(())
}
