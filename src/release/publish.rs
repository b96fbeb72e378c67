//! Publication: a folder's entries and files become datasets, versions and, for unconditional ones, public releases.
//!
//! A version is visible from the moment when the one transaction that writes it ends; before that its file may be in the
//! store, where nothing points at it.

use std::ops::ControlFlow;
use std::path::Path;

use super::store::{self, NewRelease};
use crate::catalog::{self, Dataset, Entry, EntryChange, Field, Findings, FolderEntry, Mistake, NewVersion, OpenType, Part, Version};
use crate::db::{Conn, Db, blocking};
use crate::error::{Error, Result};
use crate::intake::{self, Declared, IntakeError, Options, Taken};
use crate::storage::{Object, Storage, digest_file};

/// What an import did with one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The dataset.
    pub slug: String,
    /// Whether its entry changed.
    pub entry: EntryChange,
    /// The new version and its rows, where the file changed.
    pub version: Option<(i32, i64)>,
}

/// What an import did.
#[derive(Debug, Default)]
pub struct Report {
    /// One outcome for each entry that was taken.
    pub outcomes: Vec<Outcome>,
    /// Every mistake; an entry with one is left as it was.
    pub mistakes: Vec<Mistake>,
}

/// Imports a folder. The same input changes nothing; a mistake in one entry does not stop the others.
///
/// # Errors
/// When the database or the store does not answer; what was imported until then stays.
pub async fn import_folder(db: &Db, storage: &Storage, dir: &Path, actor: &str) -> Result<Report> {
    let dir = dir.to_owned();
    let folder = blocking(move || Ok(catalog::read_folder(&dir))).await?;
    let mut report = Report { outcomes: Vec::new(), mistakes: folder.mistakes };
    let (publishers, themes) = (folder.publishers, folder.themes);
    db.write(move |conn| {
        publishers.iter().try_for_each(|publisher| catalog::put_publisher(conn, publisher))?;
        (0..).zip(&themes).try_for_each(|(position, theme)| catalog::put_theme(conn, theme, position))
    })
    .await?;
    for entry in folder.entries {
        match import_entry(db, storage, entry, actor).await? {
            Ok(outcome) => report.outcomes.push(outcome),
            Err(mistakes) => report.mistakes.extend(mistakes),
        }
    }
    Ok(report)
}

async fn import_entry(db: &Db, storage: &Storage, folder: FolderEntry, actor: &str) -> Result<std::result::Result<Outcome, Vec<Mistake>>> {
    let taken = match &folder.data {
        None => None,
        Some(path) => {
            let path = path.clone();
            let digest = match blocking({
                let path = path.clone();
                move || Ok(digest_file(&path))
            })
            .await?
            {
                Ok((sha256, _)) => sha256,
                Err(cause) => {
                    let detail = format!("cannot be read: {cause}");
                    return Ok(Err(vec![Mistake { file: path, line: None, key: None, detail }]));
                }
            };
            if is_known(db, &folder, &digest).await? {
                None
            } else {
                let declared = declared(&folder.entry);
                let source = path.clone();
                let options = Options { max_reject_share: folder.entry.max_reject_share.unwrap_or_default() };
                let store = storage.clone();
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let taking = move || {
                    let watch = |_step| ControlFlow::Continue(());
                    Ok(intake::take(&source, &name, &declared, &options, &|| store.scratch(), &watch))
                };
                match blocking(taking).await? {
                    Ok(taken) => Some(keep(storage, taken, digest, &folder.entry.fields).await?),
                    Err(IntakeError::Internal(cause)) => return Err(cause),
                    Err(IntakeError::Cancelled) => return Err(Error::internal(anyhow::anyhow!("nobody cancels an import"))),
                    Err(IntakeError::Faults(faults, count)) => return Ok(Err(mistakes(&path, faults, count))),
                }
            }
        }
    };
    let actor = actor.to_owned();
    db.write(move |conn| write(conn, &actor, folder, taken)).await.map(Ok)
}

/// Whether the newest version came from this very file and the same columns.
async fn is_known(db: &Db, folder: &FolderEntry, digest: &str) -> Result<bool> {
    let (slug, digest, wanted) = (folder.slug.clone(), digest.to_owned(), declared(&folder.entry));
    db.read(move |conn| {
        let dataset = match catalog::find(conn, &slug) {
            Err(Error::NotFound { .. }) => return Ok(false),
            found => found?,
        };
        let Some((version, source)) = catalog::latest_version(conn, &dataset)? else { return Ok(false) };
        let same = |(known, wanted): (&Field, &Declared)| {
            // Without a declared type, the one inferred from the same file is the same again.
            known.name == wanted.name && wanted.field_type.is_none_or(|kind| known.field_type == Some(kind) && known.scale == wanted.scale)
        };
        Ok(source == digest && version.fields.len() == wanted.len() && version.fields.iter().zip(&wanted).all(same))
    })
    .await
}

fn declared(entry: &Entry) -> Vec<Declared> {
    let (fields, key) = (&entry.fields, &entry.key);
    let column = |field: &Field| Declared {
        name: field.name.clone(),
        field_type: field.field_type,
        scale: field.scale,
        personal: field.sensitivity != catalog::Sensitivity::None,
        titles: vec![field.title.zh.clone(), field.title.en.clone()],
        key: key.contains(&field.name),
        cleared: field.cleared.is_some(),
    };
    fields.iter().map(column).collect()
}

async fn keep(storage: &Storage, taken: Taken, source_sha256: String, fields: &[Field]) -> Result<NewVersion> {
    let typed = |(field, column): (&Field, &Declared)| Field { field_type: column.field_type, scale: column.scale, ..field.clone() };
    let fields = fields.iter().zip(&taken.columns).map(typed).collect();
    let object: Object = storage.keep(taken.file, "parquet").await?;
    let parts = vec![Part { object, row_count: taken.row_count }];
    let findings = Findings { profile: Some(taken.profile), report: Some(taken.report) };
    Ok(NewVersion { source_sha256, fields, parts, rejects: None, findings, held: false })
}

fn write(conn: &mut Conn, actor: &str, folder: FolderEntry, taken: Option<NewVersion>) -> Result<Outcome> {
    let (dataset, entry) = catalog::put_entry(conn, actor, &folder.slug, &folder.entry)?;
    let version = match taken {
        None => None,
        Some(new) => Some(catalog::add_version(conn, actor, &dataset, new)?),
    };
    // Also when only the entry changed: a dataset that has become unconditional needs its public release.
    let dataset = catalog::find(conn, &folder.slug)?;
    release_public(conn, &dataset)?;
    Ok(Outcome { slug: folder.slug, entry, version: version.map(|version| (version.number, version.row_count)) })
}

fn release_public(conn: &mut Conn, dataset: &Dataset) -> Result<()> {
    if dataset.entry.open_type != OpenType::Unconditional {
        return Ok(());
    }
    let Some((version, _)) = catalog::latest_version(conn, dataset)? else { return Ok(()) };
    let Version { fields, parts, .. } = &version;
    store::add(conn, &dataset.slug, &NewRelease { version: &version, receiver: "public", fields, parts })
}

fn mistakes(path: &Path, faults: Vec<crate::intake::FileFault>, count: u64) -> Vec<Mistake> {
    let listed = faults.len() as u64;
    let mut mistakes: Vec<Mistake> = faults
        .into_iter()
        .map(|fault| Mistake { file: path.to_owned(), line: fault.line, key: fault.column, detail: fault.detail })
        .collect();
    if count > listed {
        mistakes.push(Mistake { file: path.to_owned(), line: None, key: None, detail: format!("and {} more mistakes", count - listed) });
    }
    mistakes
}
