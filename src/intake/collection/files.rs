//! The files of a collection on their way into the store.

use std::collections::HashSet;
use std::io::{Read, Write};

use super::archive::{Name, too_many};
use super::given::{self, Given};
use super::media::media_type;
use super::paths::{is_added, path_of};
use super::{MAX_FILES, MEMBER_FORMAT, Member};
use crate::intake::decode::fill;
use crate::intake::faults::{Stop, shown};
use crate::intake::progress::Progress;
use crate::intake::unpack::{MAX_RATIO, MAX_UNPACKED, RATIO_FROM};
use crate::intake::{FileFault, Report, ReportNote};
use crate::storage::{Digested, Object, Scratch, Storage};

/// Files that go into the store together, and after how many bytes they do.
const KEPT_AT_ONCE: usize = 4096;
const KEPT_BYTES: u64 = 1 << 30;

/// So much of a file is read at once; the first of it tells what it is.
const PIECE_BYTES: usize = 256 << 10;

/// A file that lies in a scratch file.
pub struct Waiting {
    pub path: String,
    pub file: Scratch,
    pub digested: Digested,
    pub media_type: &'static str,
}

/// The files as they come out of the archive.
pub struct Files<'a> {
    storage: &'a Storage,
    progress: &'a Progress<'a>,
    /// What the archive has, and what came out of it.
    packed: u64,
    unpacked: u64,
    members: Vec<Member>,
    paths: HashSet<String>,
    waiting: Vec<Waiting>,
    waiting_bytes: u64,
    /// What may be the publisher's manifest: it is known only when everything has been seen.
    given: Vec<Waiting>,
    buffer: Vec<u8>,
    left_out: i64,
    gb18030: i64,
}

impl<'a> Files<'a> {
    /// Nothing has come so far, out of an archive of that size.
    pub fn new(storage: &'a Storage, progress: &'a Progress<'a>, packed: u64) -> Self {
        Files {
            storage,
            progress,
            packed,
            unpacked: 0,
            members: Vec::new(),
            paths: HashSet::new(),
            waiting: Vec::new(),
            waiting_bytes: 0,
            given: Vec::new(),
            buffer: vec![0; PIECE_BYTES],
            left_out: 0,
            gb18030: 0,
        }
    }

    /// Takes the next file.
    pub fn take(&mut self, name: Name, bytes: &mut dyn Read) -> Result<(), Stop> {
        let Name { text, is_gb18030 } = name;
        let path = path_of(&text).map_err(|why| Stop::whole(format!("the file {} {why}", shown(&text))))?;
        if is_added(&path) {
            self.left_out += 1;
            return Ok(());
        }
        if self.paths.len() == MAX_FILES {
            return Err(too_many());
        }
        if !self.paths.insert(path.clone()) {
            return Err(Stop::whole(format!("two files have the path {}; each file needs a path of its own", shown(&path))));
        }
        self.gb18030 += i64::from(is_gb18030);
        let waiting = self.write(path, bytes).map_err(|stop| about(stop, &text))?;
        if given::is_candidate(&waiting.path) {
            self.given.push(waiting);
            return Ok(());
        }
        self.wait(waiting)
    }

    fn write(&mut self, path: String, bytes: &mut dyn Read) -> Result<Waiting, Stop> {
        let file = self.storage.scratch().map_err(Stop::Internal)?;
        let mut to = file.digest_writer().map_err(Stop::Internal)?;
        let mut kind = None;
        loop {
            let read = fill(bytes, &mut self.buffer)?;
            let piece = &self.buffer[..read];
            kind.get_or_insert_with(|| media_type(&path, piece, read < PIECE_BYTES));
            if read == 0 {
                break;
            }
            self.unpacked += read as u64;
            self.check_size()?;
            to.write_all(piece)?;
            if self.progress.stopped_at_last() {
                return Err(Stop::Gone);
            }
        }
        let digested = to.finish().map_err(Stop::Internal)?;
        Ok(Waiting { path, file, digested, media_type: kind.unwrap_or_default() })
    }

    fn check_size(&self) -> Result<(), Stop> {
        if self.unpacked > RATIO_FROM && self.unpacked / self.packed.max(1) > MAX_RATIO {
            return Err(Stop::whole(format!(
                "the archive unpacks to more than {MAX_RATIO} times its size; send it as tar if that is right"
            )));
        }
        if self.unpacked > MAX_UNPACKED {
            return Err(Stop::whole(format!("the files have more than {} GiB; make several collections of them", MAX_UNPACKED >> 30)));
        }
        Ok(())
    }

    fn wait(&mut self, waiting: Waiting) -> Result<(), Stop> {
        self.waiting_bytes += waiting.digested.size_bytes;
        self.waiting.push(waiting);
        if self.waiting.len() >= KEPT_AT_ONCE || self.waiting_bytes >= KEPT_BYTES {
            self.keep()?;
        }
        Ok(())
    }

    /// Puts what waits into the store.
    fn keep(&mut self) -> Result<(), Stop> {
        self.waiting_bytes = 0;
        let (mut files, mut named) = (Vec::new(), Vec::new());
        for Waiting { path, file, digested, media_type } in self.waiting.drain(..) {
            files.push((file, digested));
            named.push((path, media_type));
        }
        let objects = self.storage.keep_all(&files, MEMBER_FORMAT).map_err(Stop::Internal)?;
        self.progress.wrote(objects.len() as u64);
        let member = |((path, media_type), object): ((String, &str), Object)| Member { path, object, media_type: media_type.to_owned() };
        self.members.extend(named.into_iter().zip(objects).map(member));
        if self.progress.stopped() { Err(Stop::Gone) } else { Ok(()) }
    }

    /// No file system has a file and a folder of the same name: whoever unpacks or downloads everything would lose one of them.
    fn find_clash(&self) -> Result<(), Stop> {
        let mut folders: HashSet<&str> = HashSet::new();
        for path in &self.paths {
            let mut rest = path.as_str();
            // What stands above a known folder has been looked at.
            while let Some((folder, _)) = rest.rsplit_once('/').filter(|(folder, _)| folders.insert(*folder)) {
                if self.paths.contains(folder) {
                    return Err(Stop::whole(format!("{} is a file and a folder at once; rename one of them", shown(folder))));
                }
                rest = folder;
            }
        }
        Ok(())
    }

    /// Puts the last files into the store. Answers all of them, and the publisher's manifest where there is one.
    pub fn end(mut self, report: &mut Report) -> Result<(Vec<Member>, Option<Given>), Stop> {
        self.find_clash()?;
        let given::Chosen { manifest, top, others } = given::choose(std::mem::take(&mut self.given), &self.paths)?;
        others.into_iter().try_for_each(|file| self.wait(file))?;
        self.keep()?;
        if let Some(top) = &top {
            let below = |path: &str| path.strip_prefix(top.as_str()).map(|rest| rest.trim_start_matches('/').to_owned());
            self.members.iter_mut().for_each(|member| member.path = below(&member.path).unwrap_or_default());
        }
        let mut note = |count: i64, detail: String| {
            if count > 0 {
                report.notes.push(ReportNote { column: None, detail, rows: Vec::new(), count });
            }
        };
        note(self.left_out, "files that an operating system adds (such as .DS_Store) were left out".to_owned());
        note(self.gb18030, "names in the archive are not UTF-8 and were read as GB18030".to_owned());
        if let Some(top) = top {
            note(1, format!("the manifest stands in the folder {}, and paths count from there", shown(&top)));
        }
        Ok((self.members, manifest))
    }
}

/// The fault with the name of the file that it is about.
fn about(stop: Stop, name: &str) -> Stop {
    match stop {
        Stop::Fault(fault) => Stop::Fault(FileFault { detail: format!("{}: {}", shown(name), fault.detail), ..fault }),
        other @ (Stop::Gone | Stop::Internal(_)) => other,
    }
}
