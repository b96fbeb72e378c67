//! The tree over the entries that are in the database (see [`merkle`]).
//!
//! Leaf number `seq - 1` is the entry's hash: its 32 bytes, not their hexadecimal form. Hashes of whole subtrees of 256, 65,536 and so on
//! entries are kept, so that a proof reads some hundred hashes of a ledger of any length. They follow from the entries.

use std::collections::{HashMap, HashSet};

use diesel::prelude::*;

use super::merkle::{self, Hash, Subtrees};
use crate::crypto::{hex, unhex};
use crate::db::Conn;
use crate::db::schema::{ledger, ledger_nodes};
use crate::error::{Error, Result};

/// Every so many levels hashes are kept.
pub(super) const STEP: u32 = 8;

/// How many nodes hang below a kept one.
const WIDTH: u64 = 1 << STEP;

/// How many nodes are added at the most before somebody else has a turn.
const AT_ONCE: u64 = 64;

/// Reads the tree.
pub struct Tree<'a> {
    conn: &'a mut Conn,
    /// Rows of nodes that were read, by level and place of the row.
    rows: HashMap<(u32, u64), Vec<Hash>>,
}

impl<'a> Tree<'a> {
    /// The tree of this database.
    pub fn new(conn: &'a mut Conn) -> Self {
        Tree { conn, rows: HashMap::new() }
    }

    /// The nodes of a level from `row * 256` on, up to 256 of them, as many as there are.
    fn row(&mut self, level: u32, row: u64) -> Result<&[Hash]> {
        if !self.rows.contains_key(&(level, row)) {
            let nodes = self.read(level, row)?;
            self.rows.insert((level, row), nodes);
        }
        Ok(self.rows.get(&(level, row)).map(Vec::as_slice).unwrap_or_default())
    }

    fn read(&mut self, level: u32, row: u64) -> Result<Vec<Hash>> {
        let (from, to) = (signed(row * WIDTH)?, signed((row + 1) * WIDTH)?);
        if level == 0 {
            let hashes: Vec<String> = ledger::table
                .filter(ledger::seq.gt(from).and(ledger::seq.le(to)))
                .order(ledger::seq)
                .select(ledger::hash)
                .load(self.conn)?;
            return hashes.iter().map(|hash| leaf_of(hash)).collect();
        }
        let known: Vec<(i64, String)> = ledger_nodes::table
            .filter(ledger_nodes::level.eq(level.cast_signed()))
            .filter(ledger_nodes::position.ge(from).and(ledger_nodes::position.lt(to)))
            .order(ledger_nodes::position)
            .select((ledger_nodes::position, ledger_nodes::hash))
            .load(self.conn)?;
        let mut nodes = Vec::new();
        for (position, hash) in known {
            if position != from + nodes.len() as i64 {
                break;
            }
            nodes.push(hash_of(&hash)?);
        }
        // What nobody has kept yet is computed from what is below.
        while (nodes.len() as u64) < WIDTH {
            let below = self.row(level - STEP, row * WIDTH + nodes.len() as u64)?;
            if (below.len() as u64) < WIDTH {
                break;
            }
            nodes.push(fold(below.to_vec()));
        }
        Ok(nodes)
    }
}

impl Subtrees for Tree<'_> {
    fn subtree(&mut self, level: u32, index: u64) -> Result<Hash> {
        let (kept, above) = (level / STEP * STEP, level % STEP);
        let first = index << above;
        let start = usize::try_from(first % WIDTH).map_err(Error::internal)?;
        let row = self.row(kept, first / WIDTH)?;
        let nodes = row.get(start..start + (1 << above));
        let nodes =
            nodes.ok_or_else(|| Error::internal(anyhow::anyhow!("the ledger has not the entries of subtree {index} of level {level}")))?;
        Ok(fold(nodes.to_vec()))
    }
}

/// The leaf of an entry.
pub(super) fn leaf_of(entry_hash: &str) -> Result<Hash> {
    Ok(merkle::leaf(&hash_of(entry_hash)?))
}

fn hash_of(text: &str) -> Result<Hash> {
    let bytes = unhex(text).and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| Error::internal(anyhow::anyhow!("a hash of the ledger is none: it was changed")))
}

fn signed(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(Error::internal)
}

/// The node above a power of two of nodes.
fn fold(mut nodes: Vec<Hash>) -> Hash {
    while nodes.len() > 1 {
        nodes = nodes.chunks_exact(2).map(|pair| merkle::node(&pair[0], &pair[1])).collect();
    }
    nodes.into_iter().next().unwrap_or_default()
}

/// How many entries there are.
///
/// # Errors
/// When the database does not answer.
pub fn size(conn: &mut Conn) -> Result<u64> {
    let last: Option<i64> = ledger::table.select(diesel::dsl::max(ledger::seq)).first(conn)?;
    Ok(last.unwrap_or(0).max(0).unsigned_abs())
}

/// Keeps the hashes of whole subtrees that are new. Answers whether there may be more.
///
/// # Errors
/// When the database does not take them.
pub fn grow(conn: &mut Conn) -> Result<bool> {
    crate::db::lock_ledger(conn)?;
    let size = size(conn)?;
    let (mut added, mut level) = (0, STEP);
    while size.checked_shr(level).unwrap_or(0) > 0 {
        for position in missing(conn, level, size >> level)? {
            if added == AT_ONCE {
                return Ok(true);
            }
            let below = Tree::new(conn).read(level - STEP, position)?;
            let hash = fold(below);
            let row = (
                ledger_nodes::level.eq(level.cast_signed()),
                ledger_nodes::position.eq(signed(position)?),
                ledger_nodes::hash.eq(hex(&hash)),
            );
            diesel::insert_into(ledger_nodes::table).values(row).execute(conn)?;
            added += 1;
        }
        level += STEP;
    }
    Ok(false)
}

/// Which of the first nodes of a level are not kept.
fn missing(conn: &mut Conn, level: u32, wanted: u64) -> Result<Vec<u64>> {
    let of_level =
        ledger_nodes::table.filter(ledger_nodes::level.eq(level.cast_signed())).filter(ledger_nodes::position.lt(signed(wanted)?));
    let known: i64 = of_level.count().get_result(conn)?;
    if known.unsigned_abs() >= wanted {
        return Ok(Vec::new());
    }
    let known: HashSet<i64> = of_level.select(ledger_nodes::position).load(conn)?.into_iter().collect();
    let is_missing = |position: &u64| signed(*position).is_ok_and(|position| !known.contains(&position));
    Ok((0..wanted).filter(is_missing).collect())
}

/// How many entries a ledger has at least by the hashes that are kept of it.
pub(super) fn reach(conn: &mut Conn) -> Result<u64> {
    let (mut reach, mut level) = (0, STEP);
    while level < u64::BITS {
        let last: Option<i64> = ledger_nodes::table
            .filter(ledger_nodes::level.eq(level.cast_signed()))
            .select(diesel::dsl::max(ledger_nodes::position))
            .first(conn)?;
        if let Some(last) = last {
            reach = reach.max(last.unsigned_abs().saturating_add(1).saturating_mul(1 << level));
        }
        level += STEP;
    }
    Ok(reach)
}

/// The kept hashes that were made when entry number `size` came, by level.
pub(super) fn kept_at(conn: &mut Conn, size: u64) -> Result<Vec<(u32, Hash)>> {
    let (mut kept, mut level) = (Vec::new(), STEP);
    while size.checked_shr(level).unwrap_or(0) > 0 && size.is_multiple_of(1 << level) {
        let position = signed((size >> level) - 1)?;
        let hash: Option<String> =
            ledger_nodes::table.find((level.cast_signed(), position)).select(ledger_nodes::hash).first(conn).optional()?;
        if let Some(hash) = hash {
            kept.push((level, hash_of(&hash)?));
        }
        level += STEP;
    }
    Ok(kept)
}
