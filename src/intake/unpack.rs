//! Packing: gzip, zstd, and zip with one file in it, told by their content and unpacked as a stream within limits.

use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use flate2::Crc;
use flate2::read::{DeflateDecoder, MultiGzDecoder};
use zip::{CompressionMethod, ZipArchive};

use super::FileFault;
use super::faults::{Stop, carried, io_fault, printable};
use super::progress::{Counted, Progress};
use crate::storage::{File, open_file};

/// Unpacked bytes from which the ratio is looked at.
pub const RATIO_FROM: u64 = 64 << 20;

/// The most unpacked bytes for one packed byte.
pub const MAX_RATIO: u64 = 200;

/// The most unpacked bytes.
pub const MAX_UNPACKED: u64 = 200 << 30;

/// The most files of an archive that are looked at.
const MAX_MEMBERS: usize = 100_000;

/// The most names that one message lists.
const LISTED_NAMES: usize = 10;

/// How a file is packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packing {
    None,
    Gzip,
    Zstd,
    Zip(Member),
}

/// Where the one file of a zip archive lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    start: u64,
    packed_size: u64,
    size: u64,
    crc: u32,
    deflated: bool,
}

impl Packing {
    /// The packing as a report names it.
    pub fn name(&self) -> Option<&'static str> {
        match self {
            Packing::None => None,
            Packing::Gzip => Some("gzip"),
            Packing::Zstd => Some("zstd"),
            Packing::Zip(_) => Some("zip"),
        }
    }
}

/// A file and how it is packed.
#[derive(Debug, Clone)]
pub struct Packed {
    pub path: PathBuf,
    pub packing: Packing,
}

/// Whether the bytes begin a zip archive.
pub fn is_zip(start: &[u8]) -> bool {
    start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06")
}

/// How the file is packed, told by its first bytes. A workbook is a zip archive too, and is left as it is.
pub fn look(path: &Path) -> Result<Packed, Stop> {
    let mut start = Vec::new();
    open_file(path)?.take(4).read_to_end(&mut start)?;
    let packing = match start.as_slice() {
        start if is_zip(start) => {
            let mut archive = ZipArchive::new(BufReader::new(open_file(path)?)).map_err(zip_fault)?;
            let names = check_names(&archive)?;
            if names.iter().any(|name| name == "[Content_Types].xml" || name == "mimetype") {
                Packing::None
            } else {
                Packing::Zip(only_member(&mut archive)?)
            }
        }
        start => packing_of(start),
    };
    Ok(Packed { path: path.to_owned(), packing })
}

/// How a single stream that begins with these bytes is packed.
pub fn packing_of(start: &[u8]) -> Packing {
    match start {
        [0x1F, 0x8B, ..] => Packing::Gzip,
        [0x28, 0xB5, 0x2F, 0xFD, ..] => Packing::Zstd,
        _ => Packing::None,
    }
}

/// What `zip` says of an archive that it cannot read.
pub fn zip_fault(cause: zip::result::ZipError) -> Stop {
    if let zip::result::ZipError::Io(cause) = cause {
        if cause.raw_os_error().is_some() {
            return cause.into();
        }
        return Stop::whole(format!("the zip archive is damaged or cut off ({cause}); send it again"));
    }
    Stop::whole(format!("the zip archive is damaged or cut off ({cause}); send it again"))
}

/// The names of all files of an archive, none of which leads out of it.
pub fn check_names<R: Read + Seek>(archive: &ZipArchive<R>) -> Result<Vec<String>, Stop> {
    if archive.len() > MAX_MEMBERS {
        return Err(Stop::whole(format!("the archive has {} files; at most {MAX_MEMBERS} are allowed", archive.len())));
    }
    let mut names = Vec::new();
    for at in 0..archive.len() {
        let entry = archive.by_index_data(at).map_err(zip_fault)?;
        let name = String::from_utf8_lossy(entry.name_raw()).into_owned();
        let named: String = printable(&name.chars().take(200).collect::<String>());
        if entry.is_symlink() {
            return Err(Stop::whole(format!("`{named}` in the archive is a link; put the file itself into it")));
        }
        let drive = name.as_bytes().get(1) == Some(&b':');
        let outside =
            name.starts_with('/') || name.contains('\\') || name.contains('\0') || drive || name.split('/').any(|part| part == "..");
        if outside {
            return Err(Stop::whole(format!("`{named}` in the archive leads out of it; pack the file by its plain name")));
        }
        names.push(name);
    }
    Ok(names)
}

fn only_member<R: Read + Seek>(archive: &mut ZipArchive<R>) -> Result<Member, Stop> {
    let mut found: Vec<(usize, String)> = Vec::new();
    for at in 0..archive.len() {
        let entry = archive.by_index_data(at).map_err(zip_fault)?;
        let name = String::from_utf8_lossy(entry.name_raw()).into_owned();
        // What macOS adds to every archive is no data.
        if !entry.is_dir() && !name.starts_with("__MACOSX/") && !name.ends_with(".DS_Store") {
            found.push((at, name));
        }
    }
    let at = match found.as_slice() {
        [] => return Err(Stop::whole("the zip archive has no file in it")),
        [(at, _)] => *at,
        many => {
            let names: Vec<String> = many.iter().take(LISTED_NAMES).map(|(_, name)| format!("`{}`", printable(name))).collect();
            let more = if many.len() > LISTED_NAMES { ", …" } else { "" };
            return Err(Stop::whole(format!(
                "the zip archive has {} files ({}{more}); pack one data file, take in each as a dataset of its own, or write kind = \"collection\" into the entry if the files are the data",
                many.len(),
                names.join(", ")
            )));
        }
    };
    member(archive, at, "the file")
}

/// Where the file with that number lies in the archive; messages call it `shown`.
pub fn member<R: Read + Seek>(archive: &mut ZipArchive<R>, at: usize, shown: &str) -> Result<Member, Stop> {
    let entry = archive.by_index_data(at).map_err(zip_fault)?;
    if entry.encrypted() {
        return Err(Stop::whole(format!("{shown} in the zip archive is encrypted; pack it without a password")));
    }
    let method = entry.compression();
    let deflated = method == CompressionMethod::Deflated;
    if !deflated && method != CompressionMethod::Stored {
        return Err(Stop::whole(format!("{shown} in the zip archive is packed by the method {method}; use deflate, the usual one")));
    }
    let (packed_size, size, crc) = (entry.compressed_size(), entry.size(), entry.crc32());
    let raw = archive.by_index_raw(at).map_err(zip_fault)?;
    let start = raw.data_start().ok_or_else(|| Stop::whole(format!("the zip archive is damaged: {shown} cannot be found in it")))?;
    Ok(Member { start, packed_size, size, crc, deflated })
}

impl Packed {
    /// The unpacked bytes, from their start. What is read of the file itself is counted.
    pub fn open<'p, 'a: 'p>(&self, progress: &'p Progress<'a>) -> Result<Box<dyn Read + Send + 'p>, Stop> {
        let mut file = open_file(&self.path)?;
        let before = progress.done();
        Ok(match &self.packing {
            Packing::None => Box::new(Counted::new(file, progress)),
            Packing::Gzip => {
                let inner = MultiGzDecoder::new(BufReader::with_capacity(1 << 16, Counted::new(file, progress)));
                Box::new(Limited { inner, progress, before, unpacked: 0, packing: "gzip" })
            }
            Packing::Zstd => {
                let inner = zstd::Decoder::new(Counted::new(file, progress))?;
                Box::new(Limited { inner, progress, before, unpacked: 0, packing: "zstd" })
            }
            Packing::Zip(member) => {
                file.seek(SeekFrom::Start(member.start))?;
                Box::new(Limited { inner: open_member(file, member, progress), progress, before, unpacked: 0, packing: "zip" })
            }
        })
    }
}

fn open_member<'p>(file: File, member: &Member, progress: &'p Progress<'_>) -> Box<dyn Read + Send + 'p> {
    let packed = Counted::new(file, progress).take(member.packed_size);
    let (wanted, size) = (member.crc, member.size);
    if member.deflated {
        Box::new(Checked { inner: DeflateDecoder::new(packed), crc: Crc::new(), wanted, size, read: 0 })
    } else {
        Box::new(Checked { inner: packed, crc: Crc::new(), wanted, size, read: 0 })
    }
}

/// Compares size and checksum of a zip archive's file when it ends.
struct Checked<R> {
    inner: R,
    crc: Crc,
    wanted: u32,
    size: u64,
    read: u64,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.crc.update(&buffer[..read]);
        self.read += read as u64;
        if self.read > self.size || (read == 0 && !buffer.is_empty() && (self.read != self.size || self.crc.sum() != self.wanted)) {
            return Err(io_fault(FileFault::whole("the zip archive is damaged: size or checksum of its file differ; send it again")));
        }
        Ok(read)
    }
}

/// Stops what unpacks to far more than it is, and says what is wrong with what cannot be unpacked.
struct Limited<'p, 'a, R> {
    inner: R,
    progress: &'p Progress<'a>,
    before: u64,
    unpacked: u64,
    packing: &'static str,
}

impl<R: Read> Read for Limited<'_, '_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match self.inner.read(buffer) {
            Ok(read) => read,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted || carried(&cause).is_some() || cause.raw_os_error().is_some() => {
                return Err(cause);
            }
            Err(cause) => {
                let packing = self.packing;
                let detail = if cause.kind() == io::ErrorKind::UnexpectedEof {
                    format!("the {packing} file is cut off after {} unpacked bytes; send it again", self.unpacked)
                } else {
                    format!("the {packing} file is damaged after {} unpacked bytes ({cause}); send it again", self.unpacked)
                };
                return Err(io_fault(FileFault::whole(detail)));
            }
        };
        self.unpacked += read as u64;
        let packed = self.progress.done().saturating_sub(self.before).max(1);
        if self.unpacked > RATIO_FROM && self.unpacked / packed > MAX_RATIO {
            let detail = format!("the file unpacks to more than {MAX_RATIO} times its size; send it unpacked if that is right");
            return Err(io_fault(FileFault::whole(detail)));
        }
        if self.unpacked > MAX_UNPACKED {
            return Err(io_fault(FileFault::whole(format!("the file unpacks to more than {} GiB", MAX_UNPACKED >> 30))));
        }
        Ok(read)
    }
}
