//! Publication: a file becomes a version and, for an unconditional dataset, its public release. The import of a folder and
//! an upload through the API go the same way.
//!
//! A version is visible from the moment when the one transaction that writes it ends; before that its file may be in the
//! store, where nothing points at it.

mod import;
mod withdrawn;

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use futures::StreamExt;
use serde_json::json;

use super::store::{self, NewRelease};
use crate::catalog::{
    self, Dataset, DatasetKind, Entry, Field, Findings, MEMBERS_AT_ONCE, NewVersion, OpenType, Part, Scheme, Sensitivity, Version,
    VersionStatus,
};
use crate::db::{Conn, Db, blocking, lock_ledger};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::intake::collection::{Gathered, Member, appended, folder_digest, gather};
use crate::intake::{self, Declared, FileFault, Finding, IntakeError, Options, Profile, Profiler, Step, Taken};
use crate::storage::{Object, Storage, digest_file, is_folder};

use withdrawn::{require_listed, withdrawn_before};

pub use import::{Outcome, Report, check_folder, import_folder, unwatched};

/// What publishing works with.
#[derive(Clone)]
pub struct Tools {
    /// The database.
    pub db: Db,
    /// The object store.
    pub storage: Storage,
    /// The query engine.
    pub engine: Arc<Engine>,
    /// The active scheme of grades.
    pub grades: Arc<Scheme>,
}

/// Is told how far the work is; breaking stops it.
pub type Watcher = Arc<dyn Fn(Stage, Step) -> ControlFlow<()> + Send + Sync>;

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The file is read.
    Reading,
    /// Its rows are sorted.
    Sorting,
    /// The new files go into the store.
    Storing,
    /// The version is written down.
    Publishing,
}

impl Stage {
    /// The stage in a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Reading => "reading",
            Stage::Sorting => "sorting",
            Stage::Storing => "storing",
            Stage::Publishing => "publishing",
        }
    }
}

/// A file to be published.
#[derive(Debug, Clone)]
pub struct Source {
    /// Where it is.
    pub path: PathBuf,
    /// Its name at the publisher.
    pub file_name: String,
}

/// What becomes of the rows that a dataset has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PublishMode {
    /// The file holds the whole table: the new version has its rows alone.
    #[default]
    Replace,
    /// The file holds more rows: the new version has those of the newest one, and then these.
    Append,
}

/// Why a file did not become a version.
#[derive(Debug)]
pub enum Refusal {
    /// The file has faults: those that are listed, and how many there are in all.
    Faults(Vec<FileFault>, u64),
    /// The watcher asked to stop.
    Cancelled,
}

impl Refusal {
    fn whole(detail: String) -> Self {
        Refusal::Faults(vec![FileFault { line: None, column: None, detail }], 1)
    }
}

/// What became of a file.
#[derive(Debug, Clone)]
pub struct Published {
    /// The version.
    pub version: Version,
    /// Whether the newest version came from the very same file, so that nothing was done.
    pub unchanged: bool,
    /// How many of the findings hold the version back.
    pub open_findings: usize,
    /// How many rows could not be read.
    pub rejected_rows: i64,
}

impl Published {
    /// As a job's result.
    pub fn to_json(&self, slug: &str) -> serde_json::Value {
        json!({
            "dataset": slug,
            "version": self.version.number,
            "status": self.version.status,
            "rows": self.version.row_count,
            "unchanged": self.unchanged,
            "open_findings": self.open_findings,
            "rejected_rows": self.rejected_rows,
        })
    }
}

/// A file that was read, or need not be.
enum Prepared {
    /// The version that came in last came from the very same file.
    Unchanged(Box<Version>),
    /// What makes the next version.
    New(Box<NewVersion>),
}

/// What is written down in the same transaction as the version: with it, a file becomes a version once, whatever breaks in between.
pub type Settle = Box<dyn FnOnce(&mut Conn, &Published) -> Result<()> + Send>;

/// Makes a file the next version of a dataset that exists.
///
/// # Errors
/// When there is no such dataset, or a part does not answer; the inner error says what is wrong with the file.
pub async fn publish_file(
    tools: &Tools,
    actor: &str,
    slug: &str,
    source: &Source,
    mode: PublishMode,
    watcher: &Watcher,
    settle: Settle,
) -> Result<std::result::Result<Published, Refusal>> {
    let name = slug.to_owned();
    let (withdrawals, dataset, base) = tools
        .db
        .read(move |conn| {
            let dataset = catalog::find_any(conn, &name)?;
            require_listed(&dataset)?;
            let base = if mode == PublishMode::Append { Some(appendable(conn, &dataset)?) } else { None };
            Ok((catalog::withdrawals(conn, &dataset)?, dataset, base))
        })
        .await?;
    let new = match prepare(tools, Some(&dataset), &dataset.entry, source, base.as_ref(), watcher).await? {
        Ok(prepared) => prepared,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if watcher(Stage::Publishing, Step::default()).is_break() {
        return Ok(Err(Refusal::Cancelled));
    }
    let (actor, base_number) = (actor.to_owned(), base.map(|version| version.number));
    let write = move |conn: &mut Conn| {
        // Of two who publish at the same time, the second looks at what the first has written.
        lock_ledger(conn)?;
        let now = catalog::find_any(conn, &dataset.slug)?;
        require_listed(&now)?;
        if catalog::withdrawals(conn, &now)? != withdrawals {
            return Err(Error::Conflict("the dataset was withdrawn while the file was read; publish the file again".to_owned()));
        }
        if now.entry != dataset.entry {
            return Err(Error::Conflict("the dataset's entry changed while the file was read; publish the file again".to_owned()));
        }
        if base_number.is_some() && appendable(conn, &now)?.number != base_number.unwrap_or_default() {
            return Err(Error::Conflict("another version was published while the file was read; append the file again".to_owned()));
        }
        let published = match new {
            Prepared::New(new) => add_version(conn, &actor, &now, *new)?,
            Prepared::Unchanged(version) => {
                let open_findings = open_findings(&now.entry, catalog::findings(conn, &version.id)?.profile.as_ref());
                Published { version: *version, unchanged: true, open_findings, rejected_rows: 0 }
            }
        };
        settle(conn, &published)?;
        Ok(published)
    };
    tools.db.write(write).await.map(Ok)
}

/// The version to which rows can be appended: the newest one, when nothing is held behind it, when it has the entry's columns, and, in a
/// dataset that is open to everybody, when it is open itself. Otherwise rows would come out that nobody has looked at.
fn appendable(conn: &mut Conn, dataset: &Dataset) -> Result<Version> {
    let slug = &dataset.slug;
    if let Some((last, _)) = catalog::last_taken(conn, dataset)?
        && last.status == VersionStatus::Held
    {
        return Err(Error::Conflict(format!("version {} of `{slug}` is held; resolve it first", last.number)));
    }
    let Some((version, _)) = catalog::latest_version(conn, dataset)? else {
        return Err(Error::Conflict(format!("`{slug}` has no version yet to append to; replace instead")));
    };
    if !same_columns(&version, &dataset.entry) {
        let detail = format!("the entry of `{slug}` has other columns than version {}; replace instead", version.number);
        return Err(Error::Conflict(detail));
    }
    if dataset.entry.open_type == OpenType::Unconditional && !store::exists(conn, &version.id, "public")? {
        return Err(Error::Conflict(format!("version {} of `{slug}` was never open to everybody; replace instead", version.number)));
    }
    Ok(version)
}

/// Adds a version with its public release, where it has one.
fn add_version(conn: &mut Conn, actor: &str, dataset: &Dataset, new: NewVersion) -> Result<Published> {
    let open_findings = open_findings(&dataset.entry, new.findings.profile.as_ref());
    let rejected_rows = new.findings.report.as_ref().map_or(0, |report| report.rejected_rows);
    let version = catalog::add_version(conn, actor, dataset, new)?;
    release_public(conn, &dataset.slug)?;
    Ok(Published { version, unchanged: false, open_findings, rejected_rows })
}

/// Reads a file, unless it is the one that came in last. `known` is the dataset as it stands, where it exists already.
async fn prepare(
    tools: &Tools,
    known: Option<&Dataset>,
    entry: &Entry,
    source: &Source,
    base: Option<&Version>,
    watcher: &Watcher,
) -> Result<std::result::Result<Prepared, Refusal>> {
    let path = source.path.clone();
    let is_collection = entry.kind == DatasetKind::Collection;
    let digest = move || {
        if is_folder(&path) && is_collection { folder_digest(&path) } else { digest_file(&path).map(|(sha256, _)| sha256) }
    };
    let sha256 = match blocking(move || Ok(digest())).await? {
        Ok(sha256) => sha256,
        Err(cause) => return Ok(Err(Refusal::whole(format!("cannot be read: {cause}")))),
    };
    if let Some(number) = withdrawn_before(tools, known, &sha256).await? {
        let detail = format!("this is the file of version {number}, which was withdrawn with its dataset; mend it first");
        return Ok(Err(Refusal::whole(detail)));
    }
    if let (Some(dataset), None) = (known, base) {
        let dataset = dataset.clone();
        // A dataset that becomes open to everybody is looked at anew, whatever it was before.
        let opens = dataset.entry.open_type != entry.open_type && entry.open_type == OpenType::Unconditional;
        let found = tools.db.read(move |conn| {
            let last = catalog::last_taken(conn, &dataset)?;
            let profile = match &last {
                Some((version, _)) => catalog::findings(conn, &version.id)?.profile,
                None => None,
            };
            Ok((last, profile.and_then(|profile| profile.combination)))
        });
        let (last, combination) = found.await?;
        // So is a version whose quasi-identifiers are others by now than those that were counted.
        let counted = !catalog::is_to_be_counted(entry, combination.as_ref(), tools.grades.least_group);
        if let Some((version, source)) = last
            && source == sha256
            && !opens
            && counted
            && same_columns(&version, entry)
        {
            return Ok(Ok(Prepared::Unchanged(Box::new(version))));
        }
    }
    let taken = take_in(tools, entry, source, sha256, base, watcher).await?;
    Ok(taken.map(|new| Prepared::New(Box::new(new))))
}

/// Publishes a held version with a steward's reason, or turns it down.
///
/// # Errors
/// When it is not held.
pub fn resolve_version(conn: &mut Conn, actor: &str, slug: &str, number: i32, publish: bool, reason: &str) -> Result<Version> {
    lock_ledger(conn)?;
    let dataset = catalog::find_any(conn, slug)?;
    let version = catalog::resolve(conn, actor, &dataset, number, publish, reason)?;
    release_public(conn, slug)?;
    Ok(version)
}

/// How many findings nobody has cleared, and one more where quasi-identifiers single somebody out together. Each holds an unconditional dataset's
/// version back.
pub fn open_findings(entry: &Entry, profile: Option<&Profile>) -> usize {
    let open = |column: &str| entry.field(column).is_none_or(|field| field.cleared.is_none());
    let found = |profile: &Profile| {
        let combined = catalog::is_singled_out(entry, profile.combination.as_ref());
        profile.findings.iter().filter(|finding| open(&finding.column)).count() + usize::from(combined)
    };
    profile.map_or(0, found)
}

/// Turns a file into everything that a version needs.
async fn take_in(
    tools: &Tools,
    entry: &Entry,
    source: &Source,
    source_sha256: String,
    base: Option<&Version>,
    watcher: &Watcher,
) -> Result<std::result::Result<NewVersion, Refusal>> {
    let columns = declared(entry, base);
    let options = Options { max_reject_share: entry.max_reject_share.unwrap_or_default() };
    let (store, from, watching, kind) = (tools.storage.clone(), source.clone(), Arc::clone(watcher), entry.kind);
    let reading = move || {
        let watch = |step| watching(Stage::Reading, step);
        Ok(match kind {
            DatasetKind::Table => {
                intake::take(&from.path, &from.file_name, &columns, &options, &|| store.scratch(), &watch).map(|taken| (taken, None))
            }
            DatasetKind::Collection => {
                gather(&from.path, &from.file_name, &columns, &store, &watch).map(|Gathered { taken, members }| (taken, Some(members)))
            }
        })
    };
    let (taken, members) = match blocking(reading).await? {
        Ok(taken) => taken,
        Err(IntakeError::Internal(cause)) => return Err(cause),
        Err(IntakeError::Cancelled) => return Ok(Err(Refusal::Cancelled)),
        Err(IntakeError::Faults(faults, count)) => return Ok(Err(Refusal::Faults(faults, count))),
    };
    let members = match members {
        Some(members) => match write_members(tools, base, members).await? {
            Ok(set) => Some(set),
            Err(refusal) => return Ok(Err(refusal)),
        },
        None => None,
    };
    keep(tools, entry, taken, members, source_sha256, base, watcher).await
}

/// Writes down the files of a collection as a set, which nobody sees before a version names it. What is appended adds to the files that
/// are there, and replaces none.
async fn write_members(tools: &Tools, base: Option<&Version>, members: Vec<Member>) -> Result<std::result::Result<String, Refusal>> {
    let mut members = Arc::new(members);
    if let Some(base) = base {
        let (parts, new) = (base.parts.clone(), Arc::clone(&members));
        let paths = move || new.iter().map(|member| member.path.clone()).collect::<Vec<_>>();
        let known = tools.db.read(move |conn| catalog::members_of(conn, &parts, &paths())).await?;
        if !known.is_empty() {
            let count = known.len() as u64;
            let fault = |member: Member| FileFault {
                line: None,
                column: None,
                detail: format!("the file {} is in version {} already; replace instead", intake::shown(&member.path), base.number),
            };
            return Ok(Err(Refusal::Faults(known.into_iter().take(intake::MAX_FAULTS).map(fault).collect(), count)));
        }
    }
    let set = catalog::new_set();
    let all = std::mem::take(Arc::make_mut(&mut members));
    let mut rest = all.into_iter().peekable();
    // In pieces: others may write meanwhile.
    while rest.peek().is_some() {
        let (set, piece) = (set.clone(), rest.by_ref().take(MEMBERS_AT_ONCE).collect::<Vec<_>>());
        tools.db.write(move |conn| catalog::put_members(conn, &set, &piece)).await?;
    }
    Ok(Ok(set))
}

async fn keep(
    tools: &Tools,
    entry: &Entry,
    taken: Taken,
    members: Option<String>,
    source_sha256: String,
    base: Option<&Version>,
    watcher: &Watcher,
) -> Result<std::result::Result<NewVersion, Refusal>> {
    let step = Step { rows: taken.row_count.unsigned_abs(), ..Step::default() };
    let typed = |(field, column): (&Field, &Declared)| Field { field_type: column.field_type, scale: column.scale, ..field.clone() };
    let fields: Vec<Field> = entry.fields.iter().zip(&taken.columns).map(typed).collect();
    let mut file = taken.file;
    if !entry.sort_by.is_empty() {
        if watcher(Stage::Sorting, step).is_break() {
            return Ok(Err(Refusal::Cancelled));
        }
        file = super::layout::sort(tools, file, entry, &taken.columns).await?;
    }
    if watcher(Stage::Storing, step).is_break() {
        return Ok(Err(Refusal::Cancelled));
    }
    let object = tools.storage.keep(file, "parquet").await?;
    let rejects = match taken.rejects {
        Some(file) => Some(tools.storage.keep(file, "csv").await?),
        None => None,
    };
    let mut parts = base.map(|version| version.parts.clone()).unwrap_or_default();
    parts.push(Part { object, row_count: taken.row_count, members });
    let mut profile = match base {
        None => taken.profile,
        // The older files are read once more, and not written: the profile is of the whole table.
        Some(base) => {
            let mut profile = profile_of(tools, &parts, &taken.columns).await?;
            profile.findings.extend(content_findings(tools, base, &taken.profile).await?);
            profile
        }
    };
    profile.combination = super::combination::combination(tools, entry, &parts).await?;
    let held = entry.open_type == OpenType::Unconditional && open_findings(entry, Some(&profile)) > 0;
    let findings = Findings { profile: Some(profile), report: Some(taken.report) };
    Ok(Ok(NewVersion { source_sha256, fields, parts, rejects, findings, held }))
}

/// What was found in the files of a collection themselves when they came in: their table does not tell it again.
async fn content_findings(tools: &Tools, base: &Version, added: &Profile) -> Result<Vec<Finding>> {
    if base.parts.iter().all(|part| part.members.is_none()) {
        return Ok(Vec::new());
    }
    let id = base.id.clone();
    let there = tools.db.read(move |conn| catalog::findings(conn, &id)).await?.profile.unwrap_or_default();
    Ok(appended(&there.findings, base.row_count, &added.findings))
}

/// The profile of a table that is in the store.
async fn profile_of(tools: &Tools, parts: &[Part], columns: &[Declared]) -> Result<Profile> {
    let objects: Vec<Object> = parts.iter().map(|part| part.object.clone()).collect();
    let (table, mut profiler) = (tools.engine.table(&objects).await?, Profiler::new(columns));
    let reading = async move {
        let mut rows = table.execute_stream().await?;
        while let Some(batch) = rows.next().await {
            profiler.observe(&batch?);
        }
        Ok(profiler.finish())
    };
    tools.engine.run(None, reading).await
}

/// Whether a version is of the kind and has the columns that the entry describes. Without a declared type, the one inferred from the same file is the same again.
fn same_columns(version: &Version, entry: &Entry) -> bool {
    let same = |(known, wanted): (&Field, &Field)| {
        known.name == wanted.name && wanted.field_type.is_none_or(|kind| known.field_type == Some(kind) && known.scale == wanted.scale)
    };
    let is_collection = version.parts.iter().all(|part| part.members.is_some());
    is_collection == (entry.kind == DatasetKind::Collection)
        && version.fields.len() == entry.fields.len()
        && version.fields.iter().zip(&entry.fields).all(same)
}

/// The columns as intake wants them. What is appended has the types of what is there.
fn declared(entry: &Entry, base: Option<&Version>) -> Vec<Declared> {
    let fields = match base {
        Some(version) => catalog::with_types(entry.fields.clone(), &version.fields),
        None => entry.fields.clone(),
    };
    let column = |field: Field| Declared {
        personal: field.sensitivity != Sensitivity::None,
        titles: vec![field.title.zh, field.title.en],
        key: entry.key.contains(&field.name),
        cleared: field.cleared.is_some(),
        name: field.name,
        field_type: field.field_type,
        scale: field.scale,
    };
    fields.into_iter().map(column).collect()
}

/// Makes the public release of the newest version of an unconditional dataset: it shares the version's files. A version that came in
/// while the dataset was not open to everybody, with findings that nobody has looked at, gets none.
///
/// # Errors
/// When the database does not answer.
fn release_public(conn: &mut Conn, slug: &str) -> Result<()> {
    let dataset = catalog::find_any(conn, slug)?;
    if dataset.entry.open_type != OpenType::Unconditional {
        return Ok(());
    }
    let Some((version, _)) = catalog::latest_version(conn, &dataset)? else { return Ok(()) };
    if store::exists(conn, &version.id, "public")? {
        return Ok(());
    }
    // Not an older version in the place of one that is held: nobody has asked for that one.
    if catalog::last_taken(conn, &dataset)?.is_some_and(|(last, _)| last.status == VersionStatus::Held) {
        return Ok(());
    }
    let profile = catalog::findings(conn, &version.id)?.profile;
    if version.resolution.is_none() && (profile.is_none() || open_findings(&dataset.entry, profile.as_ref()) > 0) {
        tracing::warn!(dataset.slug = %slug, version = version.number, "nobody has looked at what the scan found: no public release");
        return Ok(());
    }
    let Version { fields, parts, .. } = &version;
    store::add(conn, slug, &NewRelease { version: &version, receiver: "public", fields, parts, report: None })
}
