//! The import of a folder: each entry with its data file.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use super::{Prepared, Refusal, Source, Tools, Watcher, add_version, open_findings, prepare, release_public};
use crate::catalog::{self, Dataset, Edition, EntryChange, Folder, FolderEntry, Mistake, NewVersion, VersionStatus};
use crate::db::{Conn, blocking, lock_ledger};
use crate::error::{Error, Result};
use crate::intake::FileFault;

/// What an import did with one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The dataset.
    pub slug: String,
    /// Whether its entry changed.
    pub entry: EntryChange,
    /// The new version and its rows, where the file changed.
    pub version: Option<(i32, i64)>,
    /// How many findings of the scan hold the new version back.
    pub held_by: usize,
    /// How many rows could not be read.
    pub rejected_rows: i64,
}

/// What an import did.
#[derive(Debug, Default)]
pub struct Report {
    /// One outcome for each entry that was taken.
    pub outcomes: Vec<Outcome>,
    /// Every mistake; an entry with one is left as it was.
    pub mistakes: Vec<Mistake>,
    /// What somebody who edits the entries should look at, and which stopped nothing.
    pub remarks: Vec<Mistake>,
}

/// Imports a folder. The same input changes nothing; a mistake in one entry does not stop the others. The watcher is told of the
/// dataset that is taken in, and how far it is.
///
/// # Errors
/// When the database or the store does not answer; what was imported until then stays.
pub async fn import_folder(tools: &Tools, dir: &Path, by: impl Into<Edition>, watcher: impl Fn(&str) -> Watcher) -> Result<Report> {
    let mut edition: Edition = by.into();
    let folder = check_folder(tools, dir, &edition).await?;
    let mut report = Report { outcomes: Vec::new(), mistakes: folder.mistakes, remarks: folder.remarks };
    let (publishers, themes, classes) = (folder.publishers, folder.themes, folder.subject_classes);
    let who = edition.actor().to_owned();
    tools
        .db
        .write(move |conn| {
            lock_ledger(conn)?;
            publishers.iter().try_for_each(|publisher| catalog::put_publisher(conn, &who, publisher))?;
            (0..).zip(&themes).try_for_each(|(position, theme)| catalog::put_theme(conn, &who, theme, position))?;
            (0..).zip(&classes).try_for_each(|(position, class)| catalog::put_subject_class(conn, &who, class, position))
        })
        .await?;
    for entry in folder.entries {
        let watcher = watcher(&entry.slug);
        match import_entry(tools, entry, &edition, &watcher).await? {
            Ok((outcome, made)) => {
                report.outcomes.push(outcome);
                edition = made;
            }
            Err(mistakes) => report.mistakes.extend(mistakes),
        }
    }
    Ok(report)
}

/// Reads a folder and says what is wrong with it and what its editors should look at; changes nothing, and reads no data file.
///
/// # Errors
/// When the database does not answer.
pub async fn check_folder(tools: &Tools, dir: &Path, edition: &Edition) -> Result<Folder> {
    let (dir, edition) = (dir.to_owned(), edition.clone());
    let scheme = Arc::clone(&tools.grades);
    let folder = blocking(move || Ok(catalog::read_folder(&dir, &scheme))).await?;
    tools.db.read(move |conn| without_clashes(conn, &edition, folder)).await
}

/// Leaves out the entries that clash with others, and says so. One that refers to an entry which is left out is left out itself.
fn without_clashes(conn: &mut Conn, edition: &Edition, mut folder: Folder) -> Result<Folder> {
    loop {
        let new = folder.entries.iter().map(|one| (one.slug.as_str(), &one.entry)).collect();
        let mut clashes = catalog::clashes(conn, &new)?;
        for one in &folder.entries {
            let faults = catalog::change_faults(conn, edition, &one.slug, &one.entry)?;
            if !faults.is_empty() {
                clashes.entry(one.slug.clone()).or_default().extend(faults);
            }
        }
        if clashes.is_empty() {
            return Ok(folder);
        }
        let (wrong, right): (Vec<_>, Vec<_>) = folder.entries.into_iter().partition(|one| clashes.contains_key(&one.slug));
        folder.entries = right;
        for one in wrong {
            let faults = clashes.get(&one.slug).into_iter().flatten();
            folder.mistakes.extend(faults.map(|(key, detail)| one.mistake(key, detail.clone())));
        }
    }
}

/// A watcher that lets everything go on.
pub fn unwatched(_slug: &str) -> Watcher {
    Arc::new(|_stage, _step| ControlFlow::Continue(()))
}

async fn import_entry(
    tools: &Tools,
    folder: FolderEntry,
    edition: &Edition,
    watcher: &Watcher,
) -> Result<std::result::Result<(Outcome, Edition), Vec<Mistake>>> {
    let new = match &folder.data {
        None => None,
        Some(path) => {
            let file_name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let source = Source { path: path.clone(), file_name };
            let known = known(tools, &folder.slug).await?;
            match prepare(tools, known.as_ref(), &folder.entry, &source, None, watcher).await? {
                Ok(Prepared::Unchanged(_)) => None,
                Ok(Prepared::New(new)) => Some(*new),
                Err(Refusal::Faults(faults, count)) => return Ok(Err(mistakes(path, faults, count))),
                Err(Refusal::Cancelled) => return Err(Error::Conflict("the import was stopped".to_owned())),
            }
        }
    };
    let (by, known) = (edition.clone(), Arc::new(folder));
    let folder = Arc::clone(&known);
    match tools.db.write(move |conn| write(conn, by, &folder, new)).await {
        // It was withdrawn, or opened further, while its file was read.
        Err(Error::Invalid(faults)) => Ok(Err(faults.into_iter().map(|fault| known.mistake(&fault.pointer, fault.detail)).collect())),
        written => written.map(Ok),
    }
}

async fn known(tools: &Tools, slug: &str) -> Result<Option<Dataset>> {
    let slug = slug.to_owned();
    let found = tools.db.read(move |conn| match catalog::find_any(conn, &slug) {
        Err(Error::NotFound { .. }) => Ok(None),
        found => found.map(Some),
    });
    found.await
}

fn write(conn: &mut Conn, mut edition: Edition, folder: &FolderEntry, new: Option<NewVersion>) -> Result<(Outcome, Edition)> {
    lock_ledger(conn)?;
    let (dataset, entry) = catalog::put_entry(conn, &mut edition, &folder.slug, &folder.entry)?;
    let actor = edition.actor();
    let mut outcome = Outcome { slug: folder.slug.clone(), entry, version: None, held_by: 0, rejected_rows: 0 };
    match new {
        Some(new) => {
            let published = add_version(conn, actor, &dataset, new)?;
            outcome.version = Some((published.version.number, published.version.row_count));
            outcome.rejected_rows = published.rejected_rows;
            if published.version.status == VersionStatus::Held {
                outcome.held_by = published.open_findings;
            }
        }
        None => {
            clear_held(conn, actor, &dataset)?;
            // Also when only the entry changed: a dataset that has become unconditional needs its public release.
            release_public(conn, &outcome.slug)?;
        }
    }
    Ok((outcome, edition))
}

/// Publishes the version that is held when the entry clears by now whatever the scan found.
fn clear_held(conn: &mut Conn, actor: &str, dataset: &Dataset) -> Result<()> {
    let Some((version, _)) = catalog::last_taken(conn, dataset)? else { return Ok(()) };
    let profile = catalog::findings(conn, &version.id)?.profile;
    if version.status == VersionStatus::Held && open_findings(&dataset.entry, profile.as_ref()) == 0 {
        catalog::resolve(conn, actor, dataset, version.number, true, "the entry clears every finding")?;
    }
    Ok(())
}

fn mistakes(path: &Path, faults: Vec<FileFault>, count: u64) -> Vec<Mistake> {
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
