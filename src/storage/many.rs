//! Many small files at once: folders of them on their way in, and objects that are put in place together.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use super::folder::{Scratch, create_private_dir};
use super::growing::Digested;
use super::{Object, Storage, local};
use crate::error::{Error, Result};

impl Storage {
    /// [`Storage::keep_now`] for many files: the disk is waited for twice in all, and not twice for each of them. Blocks.
    ///
    /// # Errors
    /// When storing fails; some of the files may be in the store then, where nothing points at them.
    pub fn keep_all(&self, files: &[(Scratch, Digested)], format: &str) -> Result<Vec<Object>> {
        let object = |digested: &Digested| {
            let Digested { sha256, size_bytes } = digested.clone();
            Object { sha256, size_bytes, format: format.to_owned() }
        };
        let objects: Vec<Object> = files.iter().map(|(_, digested)| object(digested)).collect();
        let _shared = self.collecting.read().unwrap_or_else(PoisonError::into_inner);
        let mut new: HashMap<&str, (&Path, &Object)> = HashMap::new();
        for ((scratch, _), object) in files.iter().zip(&objects) {
            if self.is_there(object)? {
                local::touch(&self.root.join(object.path()))?;
            } else {
                new.insert(&object.sha256, (scratch.path(), object));
            }
        }
        place_all(new.into_values(), &self.root).map_err(Error::internal)?;
        Ok(objects)
    }
}

/// Puts complete files in their places: the bytes of all are on the disk before the first name, and all names before this returns.
fn place_all<'f>(files: impl Iterator<Item = (&'f Path, &'f Object)>, root: &Path) -> anyhow::Result<()> {
    let files: Vec<(&Path, &Object)> = files.collect();
    let Some((first, _)) = files.first() else { return Ok(()) };
    sync_all_around(first)?;
    let folders: BTreeSet<PathBuf> = files.iter().filter_map(|(_, object)| root.join(object.path()).parent().map(Path::to_owned)).collect();
    folders.iter().try_for_each(|folder| create_private_dir(folder))?;
    for (file, object) in files {
        local::link(file, root, object)?;
    }
    Ok(sync_all_around(root)?)
}

/// Returns when everything in the file system of this file or folder is on the disk.
fn sync_all_around(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(File::open(path)?)?)
}

/// A file in a folder of files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedFile {
    /// Its path below the folder, with `/` between its parts; what is not UTF-8 is replaced.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Its size.
    pub size_bytes: u64,
}

/// What a folder of files holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Its files and those of the folders in it, by name.
    pub files: Vec<ListedFile>,
    /// The names of what is neither file nor folder: links, sockets, devices.
    pub others: Vec<String>,
    /// The names that are not UTF-8.
    pub unreadable: Vec<String>,
}

/// Whether there is a folder at this path.
pub fn is_folder(path: &Path) -> bool {
    path.is_dir()
}

/// Everything in a folder, at any depth, until more than `most` files were found. No link is followed.
///
/// # Errors
/// When a folder cannot be read.
pub fn list_files(dir: &Path, most: usize) -> io::Result<Listing> {
    let mut listing = Listing::default();
    let mut folders = vec![(dir.to_owned(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let last = entry.file_name();
            let name = format!("{prefix}{}", last.to_string_lossy());
            if last.to_str().is_none() {
                listing.unreadable.push(name.clone());
            }
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push((entry.path(), format!("{name}/")));
            } else if kind.is_file() {
                listing.files.push(ListedFile { name, path: entry.path(), size_bytes: entry.metadata()?.len() });
            } else {
                listing.others.push(name);
            }
            if listing.files.len() > most {
                return Ok(listing);
            }
        }
    }
    listing.files.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(listing)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn scratch(storage: &Storage, text: &str) -> (Scratch, Digested) {
        let file = storage.scratch().unwrap();
        let mut writer = file.digest_writer().unwrap();
        writer.write_all(text.as_bytes()).unwrap();
        (file, writer.finish().unwrap())
    }

    #[test]
    fn many_files_are_kept_as_each_alone_would_be() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("scratch")).unwrap();
        let storage = Storage::open(dir.path(), &dir.path().join("scratch"), &dir.path().join("incoming")).unwrap();
        let (file, digested) = scratch(&storage, "one");
        let alone = storage.keep_now(&file, digested, "member").unwrap();
        let files = ["two", "one", "three", "two"].map(|text| scratch(&storage, text));
        let kept = storage.keep_all(&files, "member").unwrap();
        assert_eq!(kept[1], alone);
        assert_eq!(kept[0], kept[3]);
        for (object, text) in kept.iter().zip(["two", "one", "three", "two"]) {
            assert_eq!(fs::read_to_string(dir.path().join(object.path())).unwrap(), text);
        }
        // A file that was cut off there is put in place anew.
        fs::write(dir.path().join(kept[2].path()), "thr").unwrap();
        assert_eq!(storage.keep_all(&[scratch(&storage, "three")], "member").unwrap(), kept[2..3]);
        assert_eq!(fs::read_to_string(dir.path().join(kept[2].path())).unwrap(), "three");
        assert_eq!(storage.list().count(), 3);
    }

    #[test]
    fn folders_are_listed_without_following_links() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("b/c")).unwrap();
        fs::write(dir.path().join("b/c/深.txt"), "123").unwrap();
        fs::write(dir.path().join("a"), "").unwrap();
        std::os::unix::fs::symlink("/etc", dir.path().join("out")).unwrap();
        let listing = list_files(dir.path(), 10).unwrap();
        let names: Vec<(&str, u64)> = listing.files.iter().map(|file| (file.name.as_str(), file.size_bytes)).collect();
        assert_eq!(names, [("a", 0), ("b/c/深.txt", 3)]);
        assert_eq!(listing.others, ["out"]);
    }
}
