//! Where files live: the object store with content-addressed names, and the data folder around it.
//!
//! This is the only room that touches the file system. An object's name is the SHA-256 of its bytes, so that the same
//! bytes are kept once and a name can never point at other bytes. What an object means is written in the database.

mod folder;
mod incoming;
mod orphans;

pub use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt, WriteMultipart};

use crate::crypto::Sha256;
use crate::error::{Error, Result};

pub use folder::{DataFolder, Scratch, create_private_file, digest_file, list_folders, open_file, read_text, write_text};
pub use incoming::{Incoming, IncomingFile};

/// How much of an object is read at once while it is streamed.
const CHUNK_BYTES: u64 = 1 << 20;

/// An object: its digest, size, and the ending that tells its format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// SHA-256 of its bytes, in lower-case hexadecimal.
    pub sha256: String,
    /// Its size.
    pub size_bytes: u64,
    /// Its format: `parquet`, `csv`, `ndjson`, `json`.
    pub format: String,
}

impl Object {
    /// The object's name in the store.
    pub fn path(&self) -> String {
        format!("objects/{}/{}.{}", self.sha256.get(..2).unwrap_or_default(), self.sha256, self.format)
    }
}

impl Object {
    /// The object with that name in the store; `None` where it is none of ours.
    fn at(path: &str, size_bytes: u64) -> Option<Self> {
        let (_, name) = path.rsplit_once('/')?;
        let (sha256, format) = name.split_once('.')?;
        let object = Object { sha256: sha256.to_owned(), size_bytes, format: format.to_owned() };
        (sha256.len() == 64 && object.path() == path).then_some(object)
    }
}

/// The object store.
#[derive(Clone)]
pub struct Storage {
    store: Arc<dyn ObjectStore>,
    scratch: PathBuf,
    incoming: Incoming,
}

impl Storage {
    /// Opens the store in a folder; files in the making are kept in `scratch`, uploads in `incoming`.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open(dir: &Path, scratch: &Path, incoming: &Path) -> anyhow::Result<Self> {
        folder::create_private_dir(dir)?;
        let store = LocalFileSystem::new_with_prefix(dir)?;
        Ok(Storage { store: Arc::new(store), scratch: scratch.to_owned(), incoming: Incoming::open(incoming)? })
    }

    /// The store itself, for the query engine.
    pub fn object_store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.store)
    }

    /// The folder of files on their way in.
    pub fn incoming(&self) -> &Incoming {
        &self.incoming
    }

    /// A new empty file in the making; it is removed when it is dropped.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn scratch(&self) -> Result<Scratch> {
        Scratch::create(&self.scratch)
    }

    /// Moves a finished scratch file into the store under its digest.
    ///
    /// # Errors
    /// When reading or storing fails; the store then holds nothing new.
    pub async fn keep(&self, file: Scratch, format: &str) -> Result<Object> {
        let (file, sha256, size_bytes) = crate::db::blocking(move || {
            let (sha256, size_bytes) = file.digest()?;
            Ok((file, sha256, size_bytes))
        })
        .await?;
        let object = Object { sha256, size_bytes, format: format.to_owned() };
        if !self.contains(&object).await? {
            self.upload(file, &object).await?;
        }
        Ok(object)
    }

    async fn upload(&self, file: Scratch, object: &Object) -> Result<()> {
        use tokio::io::AsyncReadExt;
        let mut from = file.reader().await?;
        let upload = self.store.put_multipart(&ObjectPath::from(object.path())).await?;
        let mut to = WriteMultipart::new(upload);
        let mut digest = Sha256::default();
        let mut buffer = vec![0; CHUNK_BYTES as usize];
        loop {
            let read = from.read(&mut buffer).await?;
            if read == 0 {
                break;
            }
            digest.update(&buffer[..read]);
            to.wait_for_capacity(4).await?;
            to.write(&buffer[..read]);
        }
        if digest.finish() != object.sha256 {
            to.abort().await?;
            return Err(Error::internal(anyhow::anyhow!("a file changed while it was stored")));
        }
        to.finish().await?;
        Ok(())
    }

    /// Whether the object is there with its full size.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn contains(&self, object: &Object) -> Result<bool> {
        match self.store.head(&ObjectPath::from(object.path())).await {
            Ok(meta) => Ok(meta.size == object.size_bytes),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(other) => Err(other.into()),
        }
    }

    /// A part of an object as a stream of pieces; nothing is read before it is asked for.
    pub fn stream(&self, object: &Object, range: Range<u64>) -> BoxStream<'static, Result<Bytes>> {
        let store = Arc::clone(&self.store);
        let path = ObjectPath::from(object.path());
        let pieces = futures::stream::unfold(range.start, move |at| {
            let (store, path, end) = (Arc::clone(&store), path.clone(), range.end);
            async move {
                if at >= end {
                    return None;
                }
                let next = (at + CHUNK_BYTES).min(end);
                let piece = store.get_range(&path, at..next).await.map_err(Error::from);
                // After an error the stream ends.
                let at = if piece.is_ok() { next } else { end };
                Some((piece, at))
            }
        });
        pieces.boxed()
    }
}

impl From<object_store::Error> for Error {
    fn from(cause: object_store::Error) -> Self {
        Error::internal(cause)
    }
}
