//! Files on their way in: bytes that arrive in pieces, maybe over days and restarts, each in a file of its own.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::folder::{create_private_dir, private_file};
use crate::error::Result;

/// The folder of files on their way in.
#[derive(Debug, Clone)]
pub struct Incoming {
    dir: PathBuf,
}

impl Incoming {
    pub(super) fn open(dir: &Path) -> anyhow::Result<Self> {
        create_private_dir(dir)?;
        Ok(Incoming { dir: dir.to_owned() })
    }

    /// Where the file with that id is. Ids are made by the service, never by a caller.
    pub fn path(&self, id: &str) -> PathBuf {
        self.dir.join(id)
    }

    /// Makes the empty file of a new upload.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(&self, id: &str) -> Result<()> {
        private_file().create_new(true).write(true).open(self.path(id))?;
        Ok(())
    }

    /// Opens the file for writing from `offset` on; what stands behind it came after the last count and is cut off.
    ///
    /// # Errors
    /// When the file is shorter than that, or cannot be opened.
    pub fn writer(&self, id: &str, offset: u64) -> Result<IncomingFile> {
        let mut file = private_file().write(true).open(self.path(id))?;
        let length = file.metadata()?.len();
        if length < offset {
            return Err(crate::error::Error::internal(anyhow::anyhow!("an upload has {length} bytes, and {offset} were counted")));
        }
        file.set_len(offset)?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(IncomingFile { file })
    }

    /// Removes the file; one that is gone already is fine.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self, id: &str) -> Result<()> {
        match fs::remove_file(self.path(id)) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(cause.into()),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// The ids of all files.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn list(&self) -> Result<Vec<String>> {
        fs::read_dir(&self.dir)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }
}

/// A file on its way in, open for writing at its end.
#[derive(Debug)]
pub struct IncomingFile {
    file: File,
}

impl IncomingFile {
    /// Writes the next bytes.
    ///
    /// # Errors
    /// When the disk does not take them.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.file.write_all(bytes)?)
    }

    /// Returns when everything that was written is on the disk.
    ///
    /// # Errors
    /// When that fails.
    pub fn sync(&self) -> Result<()> {
        Ok(self.file.sync_data()?)
    }
}
