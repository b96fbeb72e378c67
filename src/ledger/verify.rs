//! The check of the whole ledger: the chain, the words beside it, the kept hashes of its tree, and the checkpoints that were signed.

use std::collections::{BTreeSet, VecDeque};

use diesel::prelude::*;

use super::checkpoint::{Signed, last_signed, signed_after};
use super::merkle::{self, Hash};
use super::note::{Checkpoint, Verifier};
use super::tree::{self, kept_at, leaf_of};
use super::{BATCH, GENESIS, Kind, LedgerEntry, words};
use crate::crypto::{hex, sha256};
use crate::db::Conn;
use crate::db::schema::ledger;
use crate::error::Result;

/// What a check of the ledger found.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every entry follows from the one before, and all that was signed agrees with them.
    Whole {
        /// How many entries there are.
        entries: i64,
        /// The last entry's hash.
        head: String,
        /// The root of the tree over the entries, in hexadecimal.
        root: String,
    },
    /// The first entry that does not hold.
    Broken {
        /// Its place.
        seq: i64,
        /// What is wrong with it.
        reason: String,
    },
}

/// Hashes of whole subtrees from the left, greatest first: what is needed of the entries that were read.
#[derive(Default)]
struct Walked {
    size: u64,
    nodes: Vec<(u32, Hash)>,
    /// Those of the levels that are kept, which the last leaf made.
    made: Vec<(u32, Hash)>,
}

impl Walked {
    fn add(&mut self, leaf: Hash) {
        self.size += 1;
        self.nodes.push((0, leaf));
        self.made.clear();
        while let [.., (left_level, left), (right_level, right)] = self.nodes.as_slice()
            && left_level == right_level
        {
            let above = (left_level + 1, merkle::node(left, right));
            self.nodes.truncate(self.nodes.len() - 2);
            self.nodes.push(above);
            if above.0.is_multiple_of(tree::STEP) {
                self.made.push(above);
            }
        }
    }

    fn root(&self) -> Hash {
        let mut nodes = self.nodes.iter().rev().map(|(_, hash)| *hash);
        let Some(last) = nodes.next() else { return sha256(b"") };
        nodes.fold(last, |right, left| merkle::node(&left, &right))
    }
}

/// Checks everything, oldest entry first. `kept` are checkpoints that others have kept; with the ledger's key also the notes are opened
/// that were given out.
///
/// # Errors
/// When the database does not answer.
pub fn verify(conn: &mut Conn, kept: &[Checkpoint], key: Option<&Verifier>) -> Result<Verdict> {
    let first: Option<i64> = ledger::table.select(diesel::dsl::min(ledger::seq)).first(conn)?;
    if let Some(seq) = first.filter(|seq| *seq < 1) {
        return Ok(broken(seq, "entries begin at 1"));
    }
    // Before the walk: a service that runs beside us goes on writing and signing.
    let promised = last_signed(conn)?.into_iter().chain(kept.iter().map(|checkpoint| checkpoint.size)).max().unwrap_or(0);
    let mut check =
        Check { claims: Claims::new(kept, key), seq: 0, head: GENESIS.to_owned(), walked: Walked::default(), silent: BTreeSet::new() };
    loop {
        let entries: Vec<LedgerEntry> = ledger::table.filter(ledger::seq.gt(check.seq)).order(ledger::seq).limit(BATCH).load(conn)?;
        if entries.is_empty() {
            break;
        }
        let said = words::of(conn, &entries)?;
        for entry in entries {
            let words = said.get(&entry.seq);
            if let Some(reason) = check.step(conn, entry, words)? {
                return Ok(broken(check.seq, reason));
            }
        }
    }
    check.end(conn, promised)
}

fn broken(seq: i64, reason: impl Into<String>) -> Verdict {
    Verdict::Broken { seq, reason: reason.into() }
}

/// How far a check has come.
struct Check<'a> {
    claims: Claims<'a>,
    /// The last entry that was looked at.
    seq: i64,
    head: String,
    walked: Walked,
    /// Entries whose words are gone, and no entry has said so yet.
    silent: BTreeSet<i64>,
}

impl Check<'_> {
    /// Looks at the next entry; answers what is wrong with it.
    fn step(&mut self, conn: &mut Conn, entry: LedgerEntry, said: Option<&Vec<words::Words>>) -> Result<Option<String>> {
        self.seq += 1;
        if let Some(reason) = fault(&entry, self.seq, &self.head)?.or_else(|| words::fault(&entry, said)) {
            return Ok(Some(reason));
        }
        if words::is_silent(&entry, said) {
            self.silent.insert(entry.seq);
        }
        if entry.kind == Kind::EntryRedacted.as_str()
            && let Some(seq) = entry.subject.strip_prefix("entry:").and_then(|seq| seq.parse().ok())
        {
            self.silent.remove(&seq);
        }
        self.walked.add(leaf_of(&entry.hash)?);
        self.head = entry.hash;
        if let Some(reason) = against_kept(conn, &self.walked)? {
            return Ok(Some(reason));
        }
        self.claims.check(conn, &self.walked)
    }

    /// Looks at what would have to be there and is not.
    fn end(self, conn: &mut Conn, promised: u64) -> Result<Verdict> {
        let size = self.walked.size;
        if promised > size {
            return Ok(broken(self.seq + 1, format!("it is missing: a checkpoint was signed over {promised} entries")));
        }
        if let Some(seq) = self.silent.first() {
            return Ok(broken(*seq, "its words are gone, and no entry says that they were taken out"));
        }
        // The size last: what a service beside us writes meanwhile is in it.
        let (kept, said) = (tree::reach(conn)?, words::last(conn)?);
        let newest = tree::size(conn)?;
        if kept > newest {
            return Ok(broken(self.seq + 1, "hashes of the tree are kept of entries that are not there"));
        }
        if let Some(seq) = said.filter(|seq| seq.unsigned_abs() > newest) {
            return Ok(broken(seq, "it is missing, and words lie beside it"));
        }
        Ok(Verdict::Whole { entries: self.seq, head: self.head, root: hex(&self.walked.root()) })
    }
}

/// What was claimed of the ledger, smallest size first.
struct Claims<'a> {
    kept: VecDeque<&'a Checkpoint>,
    ours: VecDeque<Signed>,
    /// Whether there are more of ours than were read.
    more: bool,
    key: Option<&'a Verifier>,
}

impl<'a> Claims<'a> {
    fn new(kept: &'a [Checkpoint], key: Option<&'a Verifier>) -> Self {
        let mut kept: Vec<&Checkpoint> = kept.iter().collect();
        kept.sort_by_key(|checkpoint| checkpoint.size);
        Claims { kept: kept.into(), ours: VecDeque::new(), more: true, key }
    }

    /// Checks what was claimed of a ledger that ends here.
    fn check(&mut self, conn: &mut Conn, walked: &Walked) -> Result<Option<String>> {
        if self.ours.is_empty() && self.more {
            self.ours = signed_after(conn, walked.size - 1, BATCH)?.into();
            self.more = self.ours.len() as i64 == BATCH;
        }
        let wrong = "the entries up to it are not those of a checkpoint that was signed";
        while let Some(claim) = self.kept.pop_front_if(|claim| claim.size <= walked.size) {
            // A checkpoint of nothing says nothing.
            if claim.size == walked.size && claim.root != walked.root() {
                return Ok(Some(wrong.to_owned()));
            }
        }
        while let Some(claim) = self.ours.pop_front_if(|claim| claim.size <= walked.size) {
            let root = walked.root();
            if claim.root != hex(&root) {
                return Ok(Some(wrong.to_owned()));
            }
            if let Some(key) = self.key {
                match Checkpoint::open(&claim.note, key) {
                    Ok(opened) if opened.size == walked.size && opened.root == root => {}
                    Ok(_) => {
                        return Ok(Some("the checkpoint over the entries up to it says something else than was kept of it".to_owned()));
                    }
                    Err(reason) => return Ok(Some(format!("the checkpoint over the entries up to it: {reason}"))),
                }
            }
        }
        Ok(None)
    }
}

fn fault(entry: &LedgerEntry, seq: i64, head: &str) -> Result<Option<String>> {
    if entry.seq != seq {
        return Ok(Some(format!("it is missing; the next one there is {}", entry.seq)));
    }
    if entry.previous_hash != head {
        return Ok(Some("its previous_hash is not the hash of the entry before".to_owned()));
    }
    if entry.computed_hash()? != entry.hash {
        return Ok(Some("its hash does not match its content".to_owned()));
    }
    Ok(None)
}

/// Whether the hashes that are kept of the tree are those of the entries.
fn against_kept(conn: &mut Conn, walked: &Walked) -> Result<Option<String>> {
    if !walked.size.is_multiple_of(1 << tree::STEP) {
        return Ok(None);
    }
    for (level, kept) in kept_at(conn, walked.size)? {
        if !walked.made.contains(&(level, kept)) {
            return Ok(Some(format!("the kept hash of level {level} up to it is not that of the entries")));
        }
    }
    Ok(None)
}
