//! Objects as files of a folder: put in place whole, listed, removed.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::Object;
use super::folder::create_private_dir;

/// Copies in the making, for a store that cannot link the scratch file.
const UNFINISHED: &str = "unfinished";

/// An object that lies in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredObject {
    /// The object, with the size of its file.
    pub object: Object,
    /// When it was put there.
    pub modified: SystemTime,
}

/// Puts a complete file in its place, so that after a crash it is there whole or not at all: the bytes are on the disk before the
/// name, and the name is before this returns. The file is linked; where that cannot be (another file system) it is copied beside and renamed.
pub(super) fn place(file: &Path, root: &Path, object: &Object) -> anyhow::Result<()> {
    let target = root.join(object.path());
    let folder = target.parent().unwrap_or(root);
    if !folder.is_dir() {
        create_private_dir(folder)?;
        // The name of a new folder has to be on the disk too.
        sync(folder.parent().unwrap_or(root))?;
        sync(root)?;
    }
    sync(file)?;
    link(file, root, object)?;
    sync(folder)?;
    Ok(())
}

/// Gives a file that is on the disk its name as an object, in a folder that exists.
pub(super) fn link(file: &Path, root: &Path, object: &Object) -> anyhow::Result<()> {
    let target = root.join(object.path());
    match fs::hard_link(file, &target) {
        Ok(()) => Ok(()),
        Err(_taken_or_impossible) => copy(file, root, &target),
    }
}

fn copy(file: &Path, root: &Path, target: &Path) -> anyhow::Result<()> {
    let folder = root.join(UNFINISHED);
    create_private_dir(&folder)?;
    let beside = folder.join(uuid::Uuid::new_v4().to_string());
    let copied = fs::copy(file, &beside).and_then(|_bytes| sync(&beside)).and_then(|()| fs::rename(&beside, target));
    if let Err(cause) = copied {
        if let Err(cause) = fs::remove_file(&beside) {
            tracing::warn!(error = %cause, "an unfinished copy could not be removed; the collector removes it");
        }
        return Err(cause.into());
    }
    Ok(())
}

fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Gives a file the time of now.
pub(super) fn touch(path: &Path) -> io::Result<()> {
    let file = File::open(path)?;
    file.set_modified(SystemTime::now())?;
    file.sync_all()
}

/// Whether a file was put there so long ago; one that is gone was not.
pub(super) fn is_older(path: &Path, age: Duration) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(meta) => Ok(meta.modified()?.elapsed().is_ok_and(|elapsed| elapsed >= age)),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(cause) => Err(cause),
    }
}

/// Every object of the store. Reads one folder after the other; what is no object is left out.
pub(super) fn list(root: PathBuf) -> impl Iterator<Item = io::Result<StoredObject>> {
    let folders = match fs::read_dir(root.join("objects")) {
        Ok(entries) => entries.collect::<Vec<_>>(),
        // Nothing has been kept yet.
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(cause) => vec![Err(cause)],
    };
    folders.into_iter().flat_map(|folder| match objects_of(folder) {
        Ok(objects) => objects,
        Err(cause) => vec![Err(cause)],
    })
}

fn objects_of(folder: io::Result<fs::DirEntry>) -> io::Result<Vec<io::Result<StoredObject>>> {
    let folder = folder?;
    if !folder.file_type()?.is_dir() {
        return Ok(Vec::new());
    }
    Ok(fs::read_dir(folder.path())?.filter_map(|entry| entry.and_then(|entry| stored(&entry)).transpose()).collect())
}

fn stored(entry: &fs::DirEntry) -> io::Result<Option<StoredObject>> {
    let name = entry.file_name();
    let parts = name.to_str().and_then(|name| name.split_once('.'));
    let is_digest = |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase());
    let Some((sha256, format)) = parts.filter(|(sha256, _)| is_digest(sha256)) else { return Ok(None) };
    let meta = match entry.metadata() {
        Ok(meta) => meta,
        // Removed meanwhile.
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(cause),
    };
    let object = Object { sha256: sha256.to_owned(), size_bytes: meta.len(), format: format.to_owned() };
    Ok(Some(StoredObject { object, modified: meta.modified()? }))
}

/// Removes an object's file; one that is not there is removed already.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(cause),
        _ => Ok(()),
    }
}

/// Removes copies that a crash left unfinished. Answers how many.
pub(super) fn remove_unfinished(root: &Path, older_than: Duration) -> io::Result<usize> {
    let entries = match fs::read_dir(root.join(UNFINISHED)) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(cause) => return Err(cause),
    };
    let mut removed = 0;
    for entry in entries {
        let entry = entry?;
        // A clock that goes back makes a file younger, never older.
        if entry.metadata()?.modified()?.elapsed().unwrap_or_default() >= older_than {
            fs::remove_file(entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
}
