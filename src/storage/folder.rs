//! The data folder: private to its owner, used by one process at a time, with a place for files in the making.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::growing::DigestWriter;
use crate::crypto::Sha256;
use crate::error::Result;

/// The data folder, locked for as long as this value lives.
pub struct DataFolder {
    path: PathBuf,
    /// The lock goes when the file is closed, also after a crash.
    _lock: File,
}

impl DataFolder {
    /// Makes the folder where it is missing, closes it to everybody else, and locks it.
    ///
    /// # Errors
    /// When another process uses it, or it cannot be made.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        create_private_dir(path)?;
        let lock = private_file().create(true).truncate(false).write(true).open(path.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!(
                "the data folder {} is in use by another qingdan process; stop that one first, or give another data_dir",
                path.display()
            ),
            Err(TryLockError::Error(cause)) => return Err(cause).context("cannot lock the data folder"),
        }
        let folder = DataFolder { path: path.to_owned(), _lock: lock };
        folder.clear_scratch()?;
        Ok(folder)
    }

    /// The folder for files in the making.
    pub fn scratch(&self) -> PathBuf {
        self.path.join("scratch")
    }

    /// The folder for uploads.
    pub fn incoming(&self) -> PathBuf {
        self.path.join("incoming")
    }

    /// Reads a secret, or makes it once and keeps it readable to the owner alone.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn secret(&self, name: &str, make: impl FnOnce() -> Result<String>) -> anyhow::Result<String> {
        let dir = self.path.join("secrets");
        create_private_dir(&dir)?;
        let path = dir.join(name);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text.trim().to_owned()),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                let text = make()?;
                // Written beside and renamed, so that a crash leaves no half key.
                let beside = dir.join(format!("{name}.new"));
                let mut file = private_file().create(true).truncate(true).write(true).open(&beside)?;
                file.write_all(text.as_bytes())?;
                file.sync_all()?;
                fs::rename(&beside, &path)?;
                File::open(&dir)?.sync_all()?;
                Ok(text)
            }
            Err(cause) => Err(cause).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// What a crash left half made is of no use to anybody.
    fn clear_scratch(&self) -> anyhow::Result<()> {
        let dir = self.scratch();
        create_private_dir(&dir)?;
        for entry in fs::read_dir(&dir)? {
            let path = entry?.path();
            if path.is_dir() { fs::remove_dir_all(&path)? } else { fs::remove_file(&path)? }
        }
        Ok(())
    }
}

/// A data folder that another process may be using, with a place for files in the making that is removed with this.
pub struct Beside {
    path: PathBuf,
    scratch: PathBuf,
}

impl Beside {
    /// Makes the place for files.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let scratch = path.join("scratch").join(format!("beside-{}", uuid::Uuid::new_v4()));
        create_private_dir(&scratch)?;
        Ok(Beside { path: path.to_owned(), scratch })
    }

    /// The folder for files in the making.
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// Reads a secret that is there.
    ///
    /// # Errors
    /// When it is not there or cannot be read.
    pub fn secret(&self, name: &str) -> anyhow::Result<String> {
        let path = self.path.join("secrets").join(name);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(text.trim().to_owned())
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if let Err(cause) = fs::remove_dir_all(&self.scratch) {
            tracing::warn!(error = %cause, path = %self.scratch.display(), "files in the making were not removed");
        }
    }
}

/// Removes a folder with all that is in it.
///
/// # Errors
/// When it cannot be removed.
pub fn remove_folder(path: &Path) -> anyhow::Result<()> {
    fs::remove_dir_all(path).with_context(|| format!("cannot remove the folder {}", path.display()))
}

/// Makes a folder that only its owner can enter, with those above it; one that exists is closed to others.
///
/// # Errors
/// When it cannot be made.
pub fn make_folder(path: &Path) -> anyhow::Result<()> {
    create_private_dir(path)
}

pub(super) fn create_private_dir(path: &Path) -> anyhow::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).with_context(|| format!("cannot make the folder {}", path.display()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
        .with_context(|| format!("cannot close the folder {} to others", path.display()))
}

pub(super) fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// Reads a whole text file.
///
/// # Errors
/// When it cannot be read or is not UTF-8.
pub fn read_text(path: &Path) -> io::Result<String> {
    fs::read_to_string(path)
}

/// Opens a file for reading from its start.
///
/// # Errors
/// When it cannot be opened.
pub fn open_file(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// A file in the making. It is removed when it is dropped.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    pub(super) fn create(dir: &Path) -> Result<Self> {
        let path = dir.join(uuid::Uuid::new_v4().to_string());
        private_file().create_new(true).write(true).open(&path)?;
        Ok(Scratch { path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the file for writing from its start.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn writer(&self) -> Result<File> {
        Ok(private_file().write(true).truncate(true).open(&self.path)?)
    }

    /// Opens the file for writing from its start, with its digest taken on the way.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn digest_writer(&self) -> Result<DigestWriter> {
        Ok(DigestWriter::new(self.writer()?))
    }

    /// SHA-256 and size of what is in the file.
    pub(super) fn digest(&self) -> Result<(String, u64)> {
        Ok(digest_file(&self.path)?)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(cause) = fs::remove_file(&self.path) {
            tracing::warn!(error = %cause, "a scratch file could not be removed; the next start removes it");
        }
    }
}

/// The names of the folders in `dir`, in order; hidden ones are left out.
///
/// # Errors
/// When it cannot be read.
pub fn list_folders(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_dir() && !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// SHA-256 and size of a file.
///
/// # Errors
/// When it cannot be read.
pub fn digest_file(path: &Path) -> io::Result<(String, u64)> {
    let mut file = File::open(path)?;
    let mut digest = Sha256::default();
    let mut buffer = vec![0; 1 << 18];
    let mut size = 0;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok((digest.finish(), size));
        }
        digest.update(&buffer[..read]);
        size += read as u64;
    }
}

/// Writes a text file beside its place and renames it, so that it is never half written.
///
/// # Errors
/// When it cannot be written.
pub fn write_text(path: &Path, text: &str) -> io::Result<()> {
    let beside = path.with_extension("new");
    fs::write(&beside, text)?;
    fs::rename(&beside, path)
}

/// Writes files with their folders, each beside its place first, so that none is half written.
///
/// # Errors
/// When one cannot be written; those before it are there.
pub fn write_files(files: impl IntoIterator<Item = (PathBuf, Vec<u8>)>) -> io::Result<()> {
    for (path, bytes) in files {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder)?;
        }
        let mut beside = path.clone().into_os_string();
        beside.push(".new");
        fs::write(&beside, bytes)?;
        fs::rename(&beside, &path)?;
    }
    Ok(())
}

/// Makes an empty file that only its owner can read, unless there is one.
///
/// # Errors
/// When it cannot be made.
pub fn create_private_file(path: &Path) -> io::Result<()> {
    private_file().create(true).truncate(false).write(true).open(path).map(|_file| ())
}
