//! Collections: an archive or a folder of any files becomes files in the store and a table that lists them, the manifest.
//!
//! The same files make the same manifest, however they are packed: its rows stand in the order of their paths, and hold nothing of the
//! archive. A manifest of the publisher's own may come with the files; what it says of them is checked, and its other columns are kept.

mod archive;
mod files;
mod given;
mod manifest;
mod media;
mod paths;
mod pictures;
mod texts;

use std::path::Path;

use self::archive::Container;
use self::files::Files;
use self::manifest::Manifest;
pub use self::media::media_type as told_type;
pub use self::texts::appended;
use super::faults::Stop;
use super::progress::Progress;
use super::table::{self, Job};
use super::{Declared, IntakeError, Options, Report, Taken, Watch};
use crate::crypto::Sha256;
use crate::storage::{Object, Storage, digest_file, is_folder, list_files};

/// The column of a manifest that holds the path of a file.
pub const PATH: &str = "path";
/// The column that holds its size in bytes.
pub const SIZE: &str = "size_bytes";
/// The column that holds its media type.
pub const MEDIA_TYPE: &str = "media_type";
/// The column that holds the SHA-256 of its bytes.
pub const SHA256: &str = "sha256";

/// The columns that every manifest has.
const STANDARD: [&str; 4] = [PATH, SIZE, MEDIA_TYPE, SHA256];

/// The ending of the name of a collection's file in the store.
pub const MEMBER_FORMAT: &str = "member";

/// The most files of a collection.
pub const MAX_FILES: usize = 1_000_000;

/// A file of a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its path in the collection.
    pub path: String,
    /// Its bytes.
    pub object: Object,
    /// Its media type.
    pub media_type: String,
}

/// A collection that was taken in.
#[derive(Debug)]
pub struct Gathered {
    /// Its manifest.
    pub taken: Taken,
    /// Its files, which are in the store, by path.
    pub members: Vec<Member>,
}

/// Takes in the archive or folder at `path`, whose name was `file_name`. Its files are in the store when this returns; with an error, some
/// of them may be, and nothing points at them.
///
/// # Errors
/// [`IntakeError::Faults`] names what is wrong with the archive, and which of its files it is about.
pub fn gather(path: &Path, file_name: &str, declared: &[Declared], storage: &Storage, watch: Watch<'_>) -> Result<Gathered, IntakeError> {
    let progress = Progress::new(watch);
    let options = Options::default();
    let scratch = || storage.scratch();
    let job = Job { declared, options: &options, scratch: &scratch, progress: &progress };
    let container = Container::open(path, file_name, is_folder(path))?;
    let mut files = Files::new(storage, &progress, container.size()?);
    container.walk(&progress, &mut |name, bytes| files.take(name, bytes))?;
    let mut report = Report { format: "collection".to_owned(), packing: container.packing().map(str::to_owned), ..Report::default() };
    let (mut members, given) = files.end(&mut report)?;
    members.sort_by(|one, other| one.path.cmp(&other.path));
    if members.is_empty() {
        return Err(Stop::whole(format!("there is no file in `{file_name}`")).into());
    }
    // Before the publisher's manifest may call them something else.
    let by_content = texts::by_content(&members);
    let manifest = match given {
        Some(given) => given.read(&mut members, &job, &mut report)?,
        None => Manifest::bare(&members, declared)?,
    };
    // Until here the files were counted.
    progress.begin_rows();
    let mut taken = table::take(&manifest.of(&members), &job, report)?;
    let scanned = texts::scan(&members, &by_content, storage, &progress)?;
    taken.profile.findings.extend(scanned.findings);
    taken.report.notes.extend(scanned.notes);
    if progress.stopped() {
        return Err(IntakeError::Cancelled);
    }
    Ok(Gathered { taken, members })
}

/// The digest of a folder of files, by which it is known again: over the path, size and digest of each.
///
/// # Errors
/// When it cannot be read.
pub fn folder_digest(path: &Path) -> std::io::Result<String> {
    let mut digest = Sha256::default();
    let listing = list_files(path, MAX_FILES)?;
    // A folder with a link in it is another one than without: it is read, and refused.
    for name in listing.others.iter().chain(&listing.unreadable) {
        digest.update(format!("no file {name}\n").as_bytes());
    }
    for file in listing.files {
        let (sha256, size) = digest_file(&file.path)?;
        digest.update(format!("{sha256} {size} {}\n", file.name).as_bytes());
    }
    Ok(digest.finish())
}
