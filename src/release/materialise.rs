//! Makes the release of a version for a grant: the rows that its policy lets leave, as one file; or finds out what they would be.

use std::sync::Arc;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::dataframe::DataFrame;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::file::metadata::KeyValue;
use datafusion::parquet::file::properties::WriterProperties;
use futures::StreamExt;

use super::plan::{Plan, Planned};
use super::report::ReleaseReport;
use super::store::{self, NewRelease};
use super::transform::{Holder, Keys};
use crate::access::grants::Grant;
use crate::catalog::{self, Field, FieldType, MEMBERS_AT_ONCE, Part, Policy, Version};
use crate::crypto::MasterKey;
use crate::db::{Conn, Db};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::intake::collection::PATH;
use crate::intake::geometry::{Extent, geoparquet};
use crate::intake::{Declared, properties_for};
use crate::storage::{Scratch, Storage};

/// What releases are made with.
pub struct Maker<'a> {
    /// The database.
    pub db: &'a Db,
    /// Where files lie.
    pub storage: &'a Storage,
    /// What reads and computes.
    pub engine: &'a Arc<Engine>,
    /// The key from which those of each receiver come.
    pub master: &'a MasterKey,
}

impl Maker<'_> {
    /// Makes the release of `version` for a grant, and writes it down. Gives nobody anything: reading it takes a pass.
    ///
    /// # Errors
    /// When the policy does not fit the version, its k cannot be reached, or making it fails; then nothing is written down.
    pub async fn make(&self, grant: &Grant, version: Version) -> Result<()> {
        let policy = grant.policy.for_version(&version.fields)?;
        let keys = Keys::of(self.master, &Holder::of(grant));
        let (id, fields) = (grant.id.clone(), policy.fields.len());
        let floor = self.db.read(move |conn| store::levels_of(conn, &id, fields)).await?;
        let (engine, storage, slug, of) = (Arc::clone(self.engine), self.storage.clone(), grant.dataset.clone(), version.clone());
        let planning = async move {
            let plan = Plan { engine: &engine, storage: &storage, slug: &slug, version: &of, policy: &policy, keys: &keys, floor: &floor };
            let Planned { rows, fields, report, base } = plan.make().await?;
            require_reached(&report)?;
            let paths = hands_out_files(&policy, &of).then(Vec::new);
            let (layout, geo) = layout_of(&fields);
            let written = write(rows, storage.scratch()?, layout, geo, paths).await?;
            drop(base);
            Ok((written, fields, report))
        };
        let (Written { scratch, row_count, paths }, fields, report) = self.engine.run(None, planning).await?;
        let object = self.storage.keep(scratch, "parquet").await?;
        let members = match paths {
            Some(paths) => Some(copy_members(self.db, &version, paths).await?),
            None => None,
        };
        let (slug, receiver) = (grant.dataset.clone(), grant.id.clone());
        let write_down = move |conn: &mut Conn| {
            let parts = [Part { object, row_count, members }];
            let new = NewRelease { version: &version, receiver: &receiver, fields: &fields, parts: &parts, report: Some(&report) };
            store::add(conn, &slug, &new)
        };
        self.db.write(write_down).await
    }

    /// Finds out what a release of `version` under a policy would be for a receiver who does not have it yet. Nothing of it is kept.
    ///
    /// # Errors
    /// When the policy does not fit the version, or its rows cannot be read. That k is not reached is said in the report.
    pub async fn try_out(&self, slug: &str, policy: &Policy, holder: &Holder, version: Version) -> Result<ReleaseReport> {
        let policy = policy.for_version(&version.fields)?;
        let keys = Keys::of(self.master, holder);
        let (engine, storage, slug) = (Arc::clone(self.engine), self.storage.clone(), slug.to_owned());
        let planning = async move {
            let plan =
                Plan { engine: &engine, storage: &storage, slug: &slug, version: &version, policy: &policy, keys: &keys, floor: &[] };
            Ok(plan.make().await?.report)
        };
        self.engine.run(None, planning).await
    }
}

/// No release is made whose groups are too small.
fn require_reached(report: &ReleaseReport) -> Result<()> {
    if report.reached {
        return Ok(());
    }
    Err(Error::Conflict(report.shortfall()))
}

/// Whether the release of a collection hands out the files, and not only what the manifest says of them.
fn hands_out_files(policy: &Policy, version: &Version) -> bool {
    let leaving = policy.fields.iter().map(|field| (field.name.as_str(), &field.rule));
    version.parts.iter().any(|part| part.members.is_some()) && catalog::files_leave(leaving)
}

/// Makes the release's own set of files: those whose rows it has. A set that no release comes to name is collected.
async fn copy_members(db: &Db, version: &Version, mut paths: Vec<String>) -> Result<String> {
    let set = catalog::new_set();
    while !paths.is_empty() {
        let piece = paths.split_off(paths.len().saturating_sub(MEMBERS_AT_ONCE));
        let (set, parts) = (set.clone(), version.parts.clone());
        db.write(move |conn| {
            let members = catalog::members_of(conn, &parts, &piece)?;
            if members.len() != piece.len() {
                return Err(Error::internal(anyhow::anyhow!("a release has rows of files that its version has not")));
            }
            catalog::put_members(conn, &set, &members)
        })
        .await?;
    }
    Ok(set)
}

/// The file of a release, and the paths of its rows where they were asked for.
struct Written {
    scratch: Scratch,
    row_count: i64,
    paths: Option<Vec<String>>,
}

/// How the file of these fields is laid out, and what it says of its shapes: of those of a release nobody has looked at how far they reach.
fn layout_of(fields: &[Field]) -> (WriterProperties, Option<String>) {
    let column = |field: &Field| Declared { name: field.name.clone(), field_type: field.field_type, ..Declared::default() };
    let columns: Vec<Declared> = fields.iter().map(column).collect();
    let unknown = Extent::default();
    let shapes = columns.iter().filter(|column| column.field_type == Some(FieldType::Geometry));
    let geo = geoparquet(shapes.map(|column| (column.name.as_str(), &unknown)));
    (properties_for(&columns), geo)
}

async fn write(
    plan: DataFrame,
    scratch: Scratch,
    layout: WriterProperties,
    geo: Option<String>,
    mut paths: Option<Vec<String>>,
) -> Result<Written> {
    let mut rows = plan.execute_stream().await?;
    let mut writer = ArrowWriter::try_new(scratch.writer()?, rows.schema(), Some(layout)).map_err(Error::internal)?;
    let mut row_count = 0;
    while let Some(batch) = rows.next().await {
        let batch = batch?;
        row_count += batch.num_rows() as i64;
        if let Some(paths) = &mut paths {
            let column = batch.column_by_name(PATH).ok_or_else(|| Error::internal(anyhow::anyhow!("a manifest without paths")))?;
            let column = cast(column, &DataType::Utf8).map_err(Error::internal)?;
            paths.extend(column.as_string::<i32>().iter().flatten().map(str::to_owned));
        }
        writer.write(&batch).map_err(Error::internal)?;
    }
    if let Some(geo) = geo {
        writer.append_key_value_metadata(KeyValue::new("geo".to_owned(), geo));
    }
    writer.close().map_err(Error::internal)?;
    Ok(Written { scratch, row_count, paths })
}
