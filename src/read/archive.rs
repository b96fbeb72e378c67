//! All files of a collection as one tar archive. It is nowhere stored: each byte of it is known from the files' sizes, so that it has a
//! length and ranges like a file, and costs no memory and no disk.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;
use futures::stream::{self, BoxStream, Stream, StreamExt, TryStreamExt};

use crate::catalog::{self, Part};
use crate::crypto::sha256_hex;
use crate::db::Db;
use crate::error::{Error, Result};
use crate::intake::collection::Member;
use crate::release::Release;
use crate::storage::{Object, Storage};

/// The unit of a tar archive.
const BLOCK: u64 = 512;

/// The longest name that a header holds; a longer one stands in an entry of its own before it.
const SHORT_NAME: usize = 100;

/// What ends an archive.
const END: u64 = 2 * BLOCK;

/// Part of the tag: another layout of the archive is another file.
const LAYOUT: u32 = 1;

/// The archive of a release's files, in the order of their paths.
pub struct Archive {
    db: Db,
    storage: Storage,
    parts: Vec<Part>,
    /// The time that each file in it has: when the release was made.
    modified: u64,
    size_bytes: u64,
    tag: String,
}

/// Some bytes of it.
enum Piece {
    Bytes(Bytes),
    Object(Object, Range<u64>),
}

impl Archive {
    /// The archive of all files of a release. Looks up the size of each.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn of(db: &Db, storage: &Storage, release: &Release) -> Result<Self> {
        let modified = u64::try_from(release.created_at().and_utc().timestamp()).map_err(Error::internal)?;
        // A release and its files never change.
        let tag = sha256_hex(format!("tar {LAYOUT} {}", release.id()).as_bytes());
        let mut archive =
            Archive { db: db.clone(), storage: storage.clone(), parts: release.parts().to_vec(), modified, size_bytes: END, tag };
        let mut after = None;
        loop {
            let page = archive.page(after).await?;
            archive.size_bytes += page.iter().map(entry_bytes).sum::<u64>();
            after = page.last().map(|member| member.path.clone());
            if after.is_none() {
                return Ok(archive);
            }
        }
    }

    /// How many bytes it has.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// What names its bytes.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// A part of it; files that lie outside are not opened.
    pub fn stream(self, range: Range<u64>) -> impl Stream<Item = Result<Bytes>> {
        let storage = self.storage.clone();
        let walk = Walk { archive: self, range, at: 0, after: None, is_over: false };
        stream::try_unfold(walk, Walk::next).map_ok(move |pieces| open(&storage, pieces)).try_flatten()
    }

    async fn page(&self, after: Option<String>) -> Result<Vec<Member>> {
        let parts = self.parts.clone();
        self.db.read(move |conn| catalog::members_after(conn, &parts, after.as_deref())).await
    }

    /// What stands before a file: its header, and before that its name where it is long.
    fn head(&self, member: &Member) -> Result<Bytes> {
        let header = |size: u64| {
            let mut header = tar::Header::new_gnu();
            // Without a type, some programs take a name that was cut behind a `/` for a folder.
            header.set_entry_type(tar::EntryType::Regular);
            header.set_mode(0o644);
            header.set_mtime(self.modified);
            header.set_size(size);
            header
        };
        let mut head = Vec::with_capacity(head_bytes(member) as usize);
        let name = member.path.as_bytes();
        let mut own = header(member.object.size_bytes);
        if name.len() > SHORT_NAME {
            let mut long = header(name.len() as u64 + 1);
            long.set_entry_type(tar::EntryType::GNULongName);
            long.set_path("././@LongLink")?;
            long.set_cksum();
            head.extend_from_slice(long.as_bytes());
            head.extend_from_slice(name);
            head.resize((BLOCK + round_up(name.len() as u64 + 1)) as usize, 0);
        }
        let short = name.get(..SHORT_NAME).unwrap_or(name);
        if let Some(place) = own.as_old_mut().name.get_mut(..short.len()) {
            place.copy_from_slice(short);
        }
        own.set_cksum();
        head.extend_from_slice(own.as_bytes());
        Ok(Bytes::from(head))
    }
}

fn round_up(bytes: u64) -> u64 {
    bytes.next_multiple_of(BLOCK)
}

fn head_bytes(member: &Member) -> u64 {
    let name = member.path.len();
    if name > SHORT_NAME { 2 * BLOCK + round_up(name as u64 + 1) } else { BLOCK }
}

fn entry_bytes(member: &Member) -> u64 {
    head_bytes(member) + round_up(member.object.size_bytes)
}

fn open(storage: &Storage, pieces: VecDeque<Piece>) -> BoxStream<'static, Result<Bytes>> {
    let storage = storage.clone();
    let open = move |piece| match piece {
        Piece::Bytes(bytes) => stream::once(std::future::ready(Ok(bytes))).boxed(),
        Piece::Object(object, range) => storage.stream(&object, range),
    };
    stream::iter(pieces).flat_map(open).boxed()
}

/// Goes through the archive page by page.
struct Walk {
    archive: Archive,
    range: Range<u64>,
    at: u64,
    after: Option<String>,
    is_over: bool,
}

impl Walk {
    async fn next(mut self) -> Result<Option<(VecDeque<Piece>, Self)>> {
        if self.is_over || self.at >= self.range.end {
            return Ok(None);
        }
        let page = self.archive.page(self.after.take()).await?;
        let mut pieces = VecDeque::new();
        for member in &page {
            self.member(member, &mut pieces)?;
        }
        self.after = page.last().map(|member| member.path.clone());
        if self.after.is_none() {
            self.bytes(&Bytes::from_static(&[0; END as usize]), &mut pieces);
            self.is_over = true;
        }
        Ok(Some((pieces, self)))
    }

    fn member(&mut self, member: &Member, pieces: &mut VecDeque<Piece>) -> Result<()> {
        let size = member.object.size_bytes;
        if self.at + entry_bytes(member) <= self.range.start {
            self.at += entry_bytes(member);
            return Ok(());
        }
        self.bytes(&self.archive.head(member)?, pieces);
        if let Some(range) = self.wanted(size) {
            pieces.push_back(Piece::Object(member.object.clone(), range));
        }
        self.at += size;
        self.bytes(&Bytes::from(vec![0; (round_up(size) - size) as usize]), pieces);
        Ok(())
    }

    fn bytes(&mut self, bytes: &Bytes, pieces: &mut VecDeque<Piece>) {
        if let Some(range) = self.wanted(bytes.len() as u64) {
            pieces.push_back(Piece::Bytes(bytes.slice(range.start as usize..range.end as usize)));
        }
        self.at += bytes.len() as u64;
    }

    /// Which of the next so many bytes are asked for.
    fn wanted(&self, length: u64) -> Option<Range<u64>> {
        let start = self.range.start.saturating_sub(self.at).min(length);
        let end = self.range.end.saturating_sub(self.at).min(length);
        (start < end).then_some(start..end)
    }
}
