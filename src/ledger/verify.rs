//! The check of the whole ledger: the chain, the kept hashes of its tree, and every checkpoint that was ever signed.

use diesel::prelude::*;

use super::checkpoint::{last_signed, signed_after};
use super::merkle::{self, Hash};
use super::note::Checkpoint;
use super::tree::{self, kept_at, leaf_of};
use super::{BATCH, GENESIS, LedgerEntry, words};
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

/// Checks everything, oldest entry first; `signed` are checkpoints that others have kept.
///
/// # Errors
/// When the database does not answer.
pub fn verify(conn: &mut Conn, signed: &[Checkpoint]) -> Result<Verdict> {
    let (mut seq, mut head, mut walked) = (0, GENESIS.to_owned(), Walked::default());
    let mut signed: Vec<(u64, Option<Hash>)> = signed.iter().map(|checkpoint| (checkpoint.size, Some(checkpoint.root))).collect();
    signed.sort_unstable();
    let mut ours: Vec<(u64, Option<Hash>)> = Vec::new();
    // Before the walk: a service that runs beside us goes on writing and signing.
    let promised = last_signed(conn)?.into_iter().chain(signed.iter().map(|(size, _)| *size)).max().unwrap_or(0);
    loop {
        let entries: Vec<LedgerEntry> = ledger::table.filter(ledger::seq.gt(seq)).order(ledger::seq).limit(BATCH).load(conn)?;
        if entries.is_empty() {
            break;
        }
        let said = words::of(conn, &entries)?;
        for entry in entries {
            if let Some(reason) = fault(&entry, seq + 1, &head)?.or_else(|| words::fault(&entry, said.get(&entry.seq))) {
                return Ok(Verdict::Broken { seq: if entry.seq == seq + 1 { entry.seq } else { seq + 1 }, reason });
            }
            walked.add(leaf_of(&entry.hash)?);
            (seq, head) = (entry.seq, entry.hash);
            if let Some(reason) = against_kept(conn, &walked)? {
                return Ok(Verdict::Broken { seq, reason });
            }
            if ours.last().is_none_or(|(size, _)| *size < walked.size) {
                ours = signed_after(conn, walked.size - 1, BATCH)?;
                if ours.is_empty() {
                    // None after this one: not to be asked for again.
                    ours.push((u64::MAX, None));
                }
            }
            let claims = signed.iter().chain(&ours).filter(|(size, _)| *size == walked.size);
            if claims.into_iter().any(|(_, root)| *root != Some(walked.root())) {
                let reason = "the entries up to it are not those of a checkpoint that was signed".to_owned();
                return Ok(Verdict::Broken { seq, reason });
            }
        }
    }
    // What was signed for more entries than there are: somebody has cut the end off.
    if promised > walked.size {
        let reason = format!("it is missing: a checkpoint was signed over {promised} entries");
        return Ok(Verdict::Broken { seq: seq + 1, reason });
    }
    Ok(Verdict::Whole { entries: seq, head, root: hex(&walked.root()) })
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
