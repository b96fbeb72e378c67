//! The files of an archive or a folder, one after the other, each with its name and its bytes.

use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use encoding_rs::GB18030;
use zip::ZipArchive;
use zip::read::ZipFileEntry;
use zip::unstable::read::ZipIterable;

use super::MAX_FILES;
use crate::intake::FileFault;
use crate::intake::decode::fill;
use crate::intake::faults::{Stop, carried, io_fault, shown};
use crate::intake::progress::{Counted, Progress};
use crate::intake::sniff::other_archive;
use crate::intake::unpack::{Packed, Packing, is_zip, member, packing_of, zip_fault};
use crate::storage::{ListedFile, list_files, open_file};

/// The bytes of a tar header, and the unit in which everything in a tar archive is counted.
const BLOCK: usize = 512;

/// The bit of a zip archive's entry that says that its name is UTF-8.
const UTF8_FLAG: u16 = 1 << 11;

/// How the names of the PAX extensions begin that say where the holes of a sparse file are.
const PAX_SPARSE: &[u8] = b"GNU.sparse.";

/// What holds the files of a collection.
pub enum Container {
    Zip(PathBuf),
    Tar(Packed),
    Folder(Vec<ListedFile>),
}

/// The name of a file in an archive.
pub struct Name {
    /// As text.
    pub text: String,
    /// Whether it is GB18030 in the archive, as older programs write it.
    pub is_gb18030: bool,
}

/// Is given each file.
pub type Take<'t> = &'t mut dyn FnMut(Name, &mut dyn Read) -> Result<(), Stop>;

impl Container {
    /// Tells what the file or folder is.
    pub fn open(path: &Path, file_name: &str, is_folder: bool) -> Result<Self, Stop> {
        if is_folder {
            return folder(path);
        }
        let mut start = [0; 8];
        let read = fill(&mut open_file(path)?, &mut start)?;
        let start = &start[..read];
        if is_zip(start) {
            return Ok(Container::Zip(path.to_owned()));
        }
        if let Some(what) = other_archive(start) {
            return Err(Stop::whole(format!("`{file_name}` is {what}")));
        }
        let packed = Packed { path: path.to_owned(), packing: packing_of(start) };
        let mut header = [0; BLOCK];
        let unwatched = |_step| std::ops::ControlFlow::Continue(());
        let read = fill(&mut *packed.open(&Progress::new(&unwatched))?, &mut header)?;
        if read == BLOCK && is_tar(&header) {
            return Ok(Container::Tar(packed));
        }
        Err(Stop::whole(format!(
            "`{file_name}` is no archive; a collection comes as zip, tar, tar.gz or tar.zst, or as a folder beside its dataset.toml"
        )))
    }

    /// How the files are packed, as a report names it.
    pub fn packing(&self) -> Option<&'static str> {
        match self {
            Container::Zip(_) => Some("zip"),
            Container::Tar(packed) => Some(match packed.packing {
                Packing::Gzip => "tar.gz",
                Packing::Zstd => "tar.zst",
                Packing::None | Packing::Zip(_) => "tar",
            }),
            Container::Folder(_) => None,
        }
    }

    /// Bytes that are read for everything.
    pub fn size(&self) -> Result<u64, Stop> {
        Ok(match self {
            Container::Zip(path) => open_file(path)?.metadata()?.len(),
            Container::Tar(packed) => open_file(&packed.path)?.metadata()?.len(),
            Container::Folder(files) => files.iter().map(|file| file.size_bytes).sum(),
        })
    }

    /// Gives every file to `take`.
    pub fn walk(&self, progress: &Progress<'_>, take: Take<'_>) -> Result<(), Stop> {
        match self {
            Container::Zip(path) => walk_zip(path, progress, take),
            Container::Tar(packed) => walk_tar(packed, progress, take),
            Container::Folder(files) => {
                progress.plan(self.size()?);
                files.iter().try_for_each(|file| {
                    let mut bytes = Counted::new(open_file(&file.path)?, progress);
                    take(Name { text: file.name.clone(), is_gb18030: false }, &mut bytes)
                })
            }
        }
    }
}

fn folder(path: &Path) -> Result<Container, Stop> {
    let listing = list_files(path, MAX_FILES)?;
    if let Some(name) = listing.unreadable.first() {
        return Err(Stop::whole(format!("the name {} in the folder is not UTF-8; rename it", shown(name))));
    }
    if let Some(name) = listing.others.first() {
        return Err(Stop::whole(format!("{} in the folder is a link or a device; put the file itself there", shown(name))));
    }
    Ok(Container::Folder(listing.files))
}

/// The name as text: UTF-8, or else what Chinese programs write into archives.
fn name_of(bytes: &[u8]) -> Result<Name, Stop> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Name { text: text.to_owned(), is_gb18030: false }),
        Err(_) => gb18030_name(bytes),
    }
}

fn gb18030_name(bytes: &[u8]) -> Result<Name, Stop> {
    match GB18030.decode_without_bom_handling_and_without_replacement(bytes) {
        Some(text) => Ok(Name { text: text.into_owned(), is_gb18030: true }),
        None => {
            let name = String::from_utf8_lossy(bytes);
            Err(Stop::whole(format!("the name {} in the archive is neither UTF-8 nor GB18030; pack the files again", shown(&name))))
        }
    }
}

/// Whether a name in GB18030 may be UTF-8 by chance: two bytes of a Chinese character are now and then those of a letter, and hardly ever
/// three of them those of a Chinese character.
fn may_be_chance(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| !text.is_ascii() && text.chars().all(|letter| letter < '\u{800}'))
}

/// Whether a zip archive says of a name that it is UTF-8.
fn says_utf8(entry: &ZipFileEntry<'_>) -> bool {
    entry.flags().as_u16() & UTF8_FLAG != 0
}

/// A folder has no bytes of its own: what an archive has there would be lost.
fn refuse_content(name: &str, size: u64) -> Result<(), Stop> {
    if size == 0 {
        return Ok(());
    }
    Err(Stop::whole(format!("{} in the archive is a folder, and has content; pack the files again", shown(name))))
}

fn walk_zip(path: &Path, progress: &Progress<'_>, take: Take<'_>) -> Result<(), Stop> {
    let open = || -> Result<_, Stop> { Ok(BufReader::new(open_file(path)?)) };
    let mut archive = ZipArchive::new(open()?).map_err(zip_fault)?;
    // The archive keeps its files by name: of two with the same name it knows one.
    if ZipIterable::try_new(open()?, Default::default()).map_err(zip_fault)?.len() != archive.len() {
        return Err(Stop::whole("two files in the zip archive have the same name; each file needs a name of its own"));
    }
    if archive.len() > 2 * MAX_FILES {
        return Err(too_many());
    }
    if archive.offset() > 0 {
        return Err(Stop::whole("there is something before the zip archive, such as another one; pack all files into one archive"));
    }
    let (mut packed, mut is_utf8) = (0_u64, true);
    for at in 0..archive.len() {
        let entry = archive.by_index_data(at).map_err(zip_fault)?;
        packed = packed.saturating_add(entry.compressed_size());
        is_utf8 &= says_utf8(&entry) || std::str::from_utf8(entry.name_raw()).is_ok();
    }
    if packed > open_file(path)?.metadata()?.len() {
        return Err(Stop::whole("the files in the zip archive lie over each other; pack them again"));
    }
    // What stands around the files is not read with them.
    progress.plan(packed);
    for at in 0..archive.len() {
        let entry = archive.by_index_data(at).map_err(zip_fault)?;
        // Beside names in GB18030, one that is UTF-8 by chance is in GB18030 too.
        let by_chance = !is_utf8 && !says_utf8(&entry) && may_be_chance(entry.name_raw());
        let name = if by_chance { gb18030_name(entry.name_raw())? } else { name_of(entry.name_raw())? };
        if entry.is_dir() {
            refuse_content(&name.text, entry.size())?;
            continue;
        }
        if entry.is_symlink() {
            return Err(link(&name.text));
        }
        let packing = Packing::Zip(member(&mut archive, at, &shown(&name.text))?);
        let bytes = Packed { path: path.to_owned(), packing }.open(progress);
        take(name, &mut *bytes?)?;
    }
    Ok(())
}

/// Says that there are more files than a collection may have.
pub fn too_many() -> Stop {
    Stop::whole(format!("there are more than {MAX_FILES} files; make several collections of them, or pack some of them together"))
}

fn link(name: &str) -> Stop {
    Stop::whole(format!("{} in the archive is a link; put the file itself into it", shown(name)))
}

fn walk_tar(packed: &Packed, progress: &Progress<'_>, take: Take<'_>) -> Result<(), Stop> {
    progress.plan(open_file(&packed.path)?.metadata()?.len());
    let mut bytes = Ending { inner: packed.open(progress)?, is_over: false };
    let mut archive = tar::Archive::new(&mut bytes);
    for entry in archive.entries().map_err(tar_fault)? {
        let mut entry = entry.map_err(tar_fault)?;
        let name = name_of(&entry.path_bytes())?;
        let kind = entry.header().entry_type();
        if kind.is_pax_global_extensions() {
            continue;
        }
        if kind.is_dir() {
            refuse_content(&name.text, entry.size())?;
            continue;
        }
        if kind.is_symlink() || kind.is_hard_link() {
            return Err(link(&name.text));
        }
        if is_pax_sparse(&mut entry)? {
            let detail = format!(
                "{} in the archive is a sparse file in a form that is not read; pack it without --sparse, or as zip",
                shown(&name.text)
            );
            return Err(Stop::whole(detail));
        }
        if !(kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse()) {
            return Err(Stop::whole(format!("{} in the archive is no file but a device; leave it out", shown(&name.text))));
        }
        let mut whole = Whole { left: entry.size(), inner: &mut entry };
        take(name, &mut whole)?;
    }
    // An archive ends with a block of zeros. One that was cut off between two files has none.
    if bytes.is_over {
        return Err(Stop::whole("the tar archive is cut off: the block that ends it is missing; send it again"));
    }
    let mut rest = vec![0; 1 << 16];
    loop {
        let read = fill(&mut bytes, &mut rest)?;
        if rest[..read].iter().any(|byte| *byte != 0) {
            return Err(Stop::whole("there is something behind the end of the tar archive; pack all files into one archive"));
        }
        if read == 0 {
            return Ok(());
        }
    }
}

/// Whether the bytes of a file are those without its holes, and a list of them: the library hands out both as if they were the file.
fn is_pax_sparse(entry: &mut tar::Entry<'_, impl Read>) -> Result<bool, Stop> {
    let Some(extensions) = entry.pax_extensions().map_err(tar_fault)? else { return Ok(false) };
    for extension in extensions {
        if extension.map_err(tar_fault)?.key_bytes().starts_with(PAX_SPARSE) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn tar_fault(cause: io::Error) -> Stop {
    if carried(&cause).is_some() || cause.raw_os_error().is_some() {
        return cause.into();
    }
    // The library wraps the cause, and its text.
    match cause
        .get_ref()
        .and_then(|inner| std::error::Error::source(inner))
        .and_then(|inner| inner.downcast_ref::<io::Error>())
        .and_then(carried)
    {
        Some(fault) => Stop::Fault(fault.clone()),
        None => Stop::whole(format!("the tar archive is damaged or cut off ({cause}); send it again")),
    }
}

/// Whether a block is the header of a tar archive: its checksum says so.
fn is_tar(block: &[u8; BLOCK]) -> bool {
    let header = tar::Header::from_byte_slice(block);
    let sum: u32 = block.iter().enumerate().map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) }).sum();
    block.iter().all(|byte| *byte == 0) || header.cksum().is_ok_and(|wanted| wanted == sum)
}

/// Remembers that there was nothing more.
struct Ending<R> {
    inner: R,
    is_over: bool,
}

impl<R: Read> Read for Ending<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.is_over |= read == 0 && !buffer.is_empty();
        Ok(read)
    }
}

/// A file of a tar archive, which must not end before its size.
struct Whole<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Whole<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self.left.saturating_sub(read as u64);
        if read == 0 && !buffer.is_empty() && self.left > 0 {
            return Err(io_fault(FileFault::whole("the tar archive is cut off in the middle of this file; send it again")));
        }
        Ok(read)
    }
}
