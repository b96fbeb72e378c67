//! Where files live: the object store with content-addressed names, and the data folder around it.
//!
//! This is the only room that touches the file system. An object's name is the SHA-256 of its bytes, so that the same
//! bytes are kept once and a name can never point at other bytes. What an object means is written in the database.

mod folder;
mod growing;
mod incoming;
mod local;
mod many;
mod mapped;

pub use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt};
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use tokio::sync::watch;

use crate::db::blocking;
use crate::error::{Error, Result};

pub use folder::{
    Beside, DataFolder, Scratch, create_private_file, digest_file, list_folders, make_folder, open_file, read_text, remove_folder,
    write_files, write_text,
};
pub use growing::{DigestWriter, Digested, Growth};
pub use incoming::{Incoming, IncomingFile};
pub use local::StoredObject;
pub use many::{ListedFile, Listing, is_folder, list_files};
pub use mapped::OpenObject;

/// An object: its digest, size, and the ending that tells its format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// SHA-256 of its bytes, in lower-case hexadecimal.
    pub sha256: String,
    /// Its size.
    pub size_bytes: u64,
    /// The ending of its name: a format such as `parquet`, or one with a content coding, such as `csv.gz`.
    pub format: String,
}

impl Object {
    /// The object's name in the store.
    pub fn path(&self) -> String {
        format!("objects/{}/{}.{}", self.sha256.get(..2).unwrap_or_default(), self.sha256, self.format)
    }
}

/// The object store.
#[derive(Clone)]
pub struct Storage {
    store: Arc<dyn ObjectStore>,
    root: PathBuf,
    scratch: PathBuf,
    incoming: Incoming,
    /// Many may put objects there at the same time, and nobody while one that is old is looked at and removed.
    collecting: Arc<RwLock<()>>,
}

impl Storage {
    /// Opens the store in a folder; files in the making are kept in `scratch`, uploads in `incoming`.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open(dir: &Path, scratch: &Path, incoming: &Path) -> anyhow::Result<Self> {
        folder::create_private_dir(dir)?;
        let store = LocalFileSystem::new_with_prefix(dir)?;
        let incoming = Incoming::open(incoming)?;
        Ok(Storage { store: Arc::new(store), root: dir.to_owned(), scratch: scratch.to_owned(), incoming, collecting: Arc::default() })
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

    /// The folder of files in the making, for a library that makes files of its own.
    pub fn scratch_dir(&self) -> &Path {
        &self.scratch
    }

    /// Moves a finished scratch file into the store under its digest.
    ///
    /// # Errors
    /// When reading or storing fails; the store then holds nothing new.
    pub async fn keep(&self, file: Scratch, format: &str) -> Result<Object> {
        let storage = self.clone();
        let format = format.to_owned();
        blocking(move || {
            let (sha256, size_bytes) = file.digest()?;
            storage.keep_now(&file, Digested { sha256, size_bytes }, &format)
        })
        .await
    }

    /// [`Storage::keep`] for a file whose digest was taken while it was written, by [`Scratch::digest_writer`]. Blocks.
    ///
    /// The file and its name are on the disk when this returns: only then may the database point at it.
    ///
    /// # Errors
    /// When storing fails; the store then holds nothing new.
    pub fn keep_now(&self, file: &Scratch, digested: Digested, format: &str) -> Result<Object> {
        let object = Object { sha256: digested.sha256, size_bytes: digested.size_bytes, format: format.to_owned() };
        // Nothing is behind the lock that a panic could have left half done.
        let _shared = self.collecting.read().unwrap_or_else(PoisonError::into_inner);
        if self.is_there(&object)? {
            // It counts as new: whoever collects orphans leaves it alone until somebody points at it.
            local::touch(&self.root.join(object.path()))?;
        } else {
            local::place(file.path(), &self.root, &object).map_err(Error::internal)?;
        }
        Ok(object)
    }

    /// Whether the object is there with its full size.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn contains(&self, object: &Object) -> Result<bool> {
        let (storage, object) = (self.clone(), object.clone());
        blocking(move || storage.is_there(&object)).await
    }

    fn is_there(&self, object: &Object) -> Result<bool> {
        match self.open_object(object) {
            Ok(_file) => Ok(true),
            Err(OpenError::Missing | OpenError::OtherSize(_)) => Ok(false),
            Err(OpenError::Other(cause)) => Err(cause.into()),
        }
    }

    fn open_object(&self, object: &Object) -> Result<File, OpenError> {
        let file = open_file(&self.root.join(object.path())).map_err(OpenError::from)?;
        let size_bytes = file.metadata().map_err(OpenError::from)?.len();
        if size_bytes == object.size_bytes { Ok(file) } else { Err(OpenError::OtherSize(size_bytes)) }
    }

    /// Opens an object for reading. Blocks.
    ///
    /// # Errors
    /// When it is not there, or not with its full size.
    pub fn reader(&self, object: &Object) -> Result<OpenObject> {
        let wrong = |what: String| Error::internal(anyhow::anyhow!("the object {} {what}", object.path()));
        match self.open_object(object) {
            Ok(file) => Ok(OpenObject::new(file, object.size_bytes)),
            Err(OpenError::Missing) => Err(wrong("is missing in the store".to_owned())),
            Err(OpenError::OtherSize(size)) => Err(wrong(format!("has {size} bytes in the store instead of {}", object.size_bytes))),
            Err(OpenError::Other(cause)) => Err(cause.into()),
        }
    }

    /// Opens an object as a file, for a reader that needs one. Blocks.
    ///
    /// # Errors
    /// When it is not there.
    pub fn file(&self, object: &Object) -> Result<File> {
        Ok(open_file(&self.root.join(object.path()))?)
    }

    /// A part of an object as a stream of pieces of a memory map; nothing is read before it is asked for.
    pub fn stream(&self, object: &Object, range: Range<u64>) -> BoxStream<'static, Result<Bytes>> {
        let (storage, object) = (self.clone(), object.clone());
        if OpenObject::is_small(&range) {
            // Opened and read at one go, away from the caller's thread.
            let read = async move { blocking(move || storage.reader(&object)?.bytes(range)).await };
            return futures::stream::once(read).boxed();
        }
        let opened = async move {
            match blocking(move || storage.reader(&object)).await {
                Ok(reader) => reader.stream(range),
                // After an error the stream ends.
                Err(cause) => futures::stream::once(std::future::ready(Err(cause))).boxed(),
            }
        };
        futures::stream::once(opened).flatten().boxed()
    }

    /// The bytes of a file in the making, from its start, as they are written.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn follow(&self, file: &Scratch, growth: watch::Receiver<Growth>) -> Result<BoxStream<'static, Result<Bytes>>> {
        Ok(growing::follow(open_file(file.path())?, growth))
    }

    /// Every object of the store with the time when it was put there, for whoever collects what nothing points at. An object is put
    /// there before the database points at it: leave the young ones alone. Blocks while it is stepped through.
    pub fn list(&self) -> impl Iterator<Item = Result<StoredObject>> + use<> {
        local::list(self.root.clone()).map(|stored| Ok(stored?))
    }

    /// Removes an object. Those who are reading it read on to its end.
    ///
    /// # Errors
    /// When it cannot be removed; one that is not there is removed already.
    pub async fn remove(&self, object: &Object) -> Result<()> {
        let path = self.root.join(object.path());
        blocking(move || Ok(local::remove(&path)?)).await
    }

    /// Removes an object that was put there so long ago. Answers whether it did.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub async fn remove_older(&self, object: &Object, age: Duration) -> Result<bool> {
        let path = self.root.join(object.path());
        let collecting = Arc::clone(&self.collecting);
        blocking(move || {
            let _alone = collecting.write().unwrap_or_else(PoisonError::into_inner);
            Ok(local::is_older(&path, age)? && local::remove(&path).map(|()| true)?)
        })
        .await
    }

    /// Removes copies into the store that a crash left unfinished. Answers how many there were.
    ///
    /// # Errors
    /// When one cannot be removed.
    pub async fn remove_unfinished(&self, older_than: Duration) -> Result<usize> {
        let root = self.root.clone();
        blocking(move || Ok(local::remove_unfinished(&root, older_than)?)).await
    }
}

/// Why an object cannot be read.
enum OpenError {
    Missing,
    OtherSize(u64),
    Other(std::io::Error),
}

impl From<std::io::Error> for OpenError {
    fn from(cause: std::io::Error) -> Self {
        if cause.kind() == std::io::ErrorKind::NotFound { OpenError::Missing } else { OpenError::Other(cause) }
    }
}

impl From<object_store::Error> for Error {
    fn from(cause: object_store::Error) -> Self {
        Error::internal(cause)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn storage(dir: &Path) -> Storage {
        std::fs::create_dir(dir.join("scratch")).unwrap();
        Storage::open(&dir.join("store"), &dir.join("scratch"), &dir.join("incoming")).unwrap()
    }

    #[tokio::test]
    async fn a_kept_file_is_listed_read_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let storage = storage(dir.path());
        let scratch = storage.scratch().unwrap();
        let mut writer = scratch.digest_writer().unwrap();
        writer.write_all(b"abc").unwrap();
        let object = storage.keep_now(&scratch, writer.finish().unwrap(), "csv.gz").unwrap();
        assert_eq!(object.sha256, crate::crypto::sha256_hex(b"abc"));
        drop(scratch);
        assert_eq!(list_files(&dir.path().join("scratch")), 0);
        assert_eq!(storage.reader(&object).unwrap().bytes(1..3).unwrap(), "bc");
        let listed: Vec<StoredObject> = storage.list().map(Result::unwrap).collect();
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].object, object);
        storage.remove(&object).await.unwrap();
        assert!(!storage.contains(&object).await.unwrap());
        storage.remove(&object).await.unwrap();
        assert_eq!(storage.list().count(), 0);
    }

    async fn keep(storage: &Storage) -> Object {
        let scratch = storage.scratch().unwrap();
        scratch.writer().unwrap().write_all(b"abc").unwrap();
        storage.keep(scratch, "csv").await.unwrap()
    }

    #[tokio::test]
    async fn a_broken_object_is_put_there_again() {
        let dir = tempfile::tempdir().unwrap();
        let storage = storage(dir.path());
        let object = keep(&storage).await;
        let path = dir.path().join("store").join(object.path());
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, b"a").unwrap();
        assert!(storage.reader(&object).is_err());
        assert_eq!(keep(&storage).await, object);
        assert_eq!(storage.reader(&object).unwrap().bytes(0..3).unwrap(), "abc");
        // The copy went by the folder of unfinished ones, and left nothing there.
        assert_eq!(storage.remove_unfinished(Duration::ZERO).await.unwrap(), 0);
        std::fs::write(dir.path().join("store/unfinished/x"), b"half").unwrap();
        assert_eq!(storage.remove_unfinished(Duration::from_secs(60)).await.unwrap(), 0);
        assert_eq!(storage.remove_unfinished(Duration::ZERO).await.unwrap(), 1);
    }

    const HOUR: Duration = Duration::from_secs(3600);

    fn make_old(path: &Path) {
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.set_modified(std::time::SystemTime::now() - 2 * HOUR).unwrap();
    }

    #[tokio::test]
    async fn an_object_that_is_used_again_is_not_collected() {
        let dir = tempfile::tempdir().unwrap();
        let storage = storage(dir.path());
        let object = keep(&storage).await;
        let path = dir.path().join("store").join(object.path());
        assert!(!storage.remove_older(&object, HOUR).await.unwrap(), "it is young");
        make_old(&path);
        let listed: Vec<StoredObject> = storage.list().map(Result::unwrap).collect();
        assert!(listed[0].modified.elapsed().unwrap() > HOUR);
        // Between the collector's list and its second look, somebody has the same bytes.
        assert_eq!(keep(&storage).await, object);
        assert!(!storage.remove_older(&object, HOUR).await.unwrap());
        assert!(storage.contains(&object).await.unwrap());
        make_old(&path);
        assert!(storage.remove_older(&object, HOUR).await.unwrap());
        assert!(!storage.contains(&object).await.unwrap());
        assert!(!storage.remove_older(&object, HOUR).await.unwrap(), "it is gone already");
    }

    /// However the two meet: what has been kept is there.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn keeping_and_collecting_do_not_meet() {
        let dir = tempfile::tempdir().unwrap();
        let storage = storage(dir.path());
        let keep = || {
            let scratch = storage.scratch().unwrap();
            scratch.writer().unwrap().write_all(b"abc").unwrap();
            let (sha256, size_bytes) = scratch.digest().unwrap();
            storage.keep_now(&scratch, Digested { sha256, size_bytes }, "csv").unwrap()
        };
        let object = keep();
        let path = dir.path().join("store").join(object.path());
        let ended = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (collector, collected, stop) = (storage.clone(), object.clone(), Arc::clone(&ended));
        let collecting = tokio::spawn(async move {
            let mut removed = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                removed += u32::from(collector.remove_older(&collected, HOUR).await.unwrap());
            }
            removed
        });
        for _ in 0..1500 {
            if let Ok(file) = std::fs::File::options().write(true).open(&path) {
                file.set_modified(std::time::SystemTime::now() - 2 * HOUR).unwrap();
            }
            keep();
            assert!(path.exists(), "what was kept is gone");
        }
        ended.store(true, std::sync::atomic::Ordering::Relaxed);
        collecting.await.unwrap();
        assert!(path.exists());
    }

    fn list_files(dir: &Path) -> usize {
        std::fs::read_dir(dir).unwrap().count()
    }
}
