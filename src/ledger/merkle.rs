//! The tree over the entries: RFC 6962, section 2.1 (the same as RFC 9162, section 2.1), with SHA-256.
//!
//! `MTH({}) = SHA-256()`, `MTH({d}) = SHA-256(0x00 ‖ d)`, and for more leaves `MTH(D) = SHA-256(0x01 ‖ MTH(left) ‖ MTH(right))`, where
//! the left part has the greatest power of two of leaves that is less than all. Whoever reads hashes of subtrees answers
//! [`Subtrees`]; everything else is computed here.

use crate::crypto::sha256;
use crate::error::Result;

/// A digest of the tree.
pub type Hash = [u8; 32];

/// Where hashes of whole subtrees come from.
pub trait Subtrees {
    /// The hash of the subtree of `1 << level` leaves, of which the first is leaf `index << level`. Asked only of subtrees all of
    /// whose leaves are there.
    ///
    /// # Errors
    /// When it cannot be read.
    fn subtree(&mut self, level: u32, index: u64) -> Result<Hash>;
}

/// The hash of a leaf.
pub fn leaf(data: &[u8]) -> Hash {
    sha256(&[&[0], data].concat())
}

/// The hash of the node above two others.
pub fn node(left: &Hash, right: &Hash) -> Hash {
    let mut both = [1; 65];
    both[1..33].copy_from_slice(left);
    both[33..].copy_from_slice(right);
    sha256(&both)
}

/// The hash of the tree of the first `size` leaves.
///
/// # Errors
/// When a subtree cannot be read.
pub fn root(from: &mut impl Subtrees, size: u64) -> Result<Hash> {
    if size == 0 {
        return Ok(sha256(b""));
    }
    range(from, 0, size)
}

/// What proves that leaf `index` is in the tree of the first `size` leaves: the hashes beside its way up, from the leaf on.
/// `index` is less than `size`.
///
/// # Errors
/// When a subtree cannot be read.
pub fn inclusion(from: &mut impl Subtrees, index: u64, size: u64) -> Result<Vec<Hash>> {
    let (mut path, mut start, mut end) = (Vec::new(), 0, size);
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            path.push(range(from, middle, end)?);
            end = middle;
        } else {
            path.push(range(from, start, middle)?);
            start = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// What proves that the tree of the first `old` leaves is the beginning of the tree of the first `size`. `old` is at most `size`.
///
/// # Errors
/// When a subtree cannot be read.
pub fn consistency(from: &mut impl Subtrees, old: u64, size: u64) -> Result<Vec<Hash>> {
    // With an empty tree, and with itself, everything is consistent.
    if old == 0 || old == size {
        return Ok(Vec::new());
    }
    let (mut path, mut start, mut end, mut whole) = (Vec::new(), 0, size, true);
    while old != end {
        let middle = start + split(end - start);
        if old <= middle {
            path.push(range(from, middle, end)?);
            end = middle;
        } else {
            path.push(range(from, start, middle)?);
            start = middle;
            whole = false;
        }
    }
    // The old tree's own root is known to whoever asks.
    if !whole {
        path.push(range(from, start, end)?);
    }
    path.reverse();
    Ok(path)
}

/// How many leaves the left part has.
fn split(leaves: u64) -> u64 {
    1 << (leaves - 1).ilog2()
}

/// The hash over the leaves from `start` up to `end`, as the rule cuts the tree: `start` is a multiple of every power of two that is
/// less than how many they are.
fn range(from: &mut impl Subtrees, start: u64, end: u64) -> Result<Hash> {
    let leaves = end - start;
    if leaves.is_power_of_two() {
        let level = leaves.ilog2();
        return from.subtree(level, start >> level);
    }
    let middle = start + split(leaves);
    let (left, right) = (range(from, start, middle)?, range(from, middle, end)?);
    Ok(node(&left, &right))
}

/// Whether a proof shows that the leaf with this hash is number `index` of the tree of `size` leaves with this root
/// (RFC 9162, section 2.1.3.2).
pub fn shows_inclusion(leaf: &Hash, index: u64, size: u64, path: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut at, mut last, mut hash) = (index, size - 1, *leaf);
    for beside in path {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            hash = node(beside, &hash);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            hash = node(&hash, beside);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && hash == *root
}

/// Whether a proof shows that the tree of `old` leaves with the root `old_root` is the beginning of that of `size` leaves with `root`
/// (RFC 9162, section 2.1.4.2).
pub fn shows_consistency(old: u64, old_root: &Hash, size: u64, root: &Hash, path: &[Hash]) -> bool {
    if old == size {
        return path.is_empty() && old_root == root;
    }
    if old == 0 {
        return path.is_empty() && *old_root == sha256(b"");
    }
    if old > size {
        return false;
    }
    let mut path = path.iter();
    let first = if old.is_power_of_two() { Some(old_root) } else { path.next() };
    let Some(first) = first else { return false };
    let (mut at, mut last) = (old - 1, size - 1);
    while at & 1 == 1 {
        (at, last) = (at >> 1, last >> 1);
    }
    let (mut of_old, mut of_new) = (*first, *first);
    for beside in path {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            (of_old, of_new) = (node(beside, &of_old), node(beside, &of_new));
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            of_new = node(&of_new, beside);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && of_old == *old_root && of_new == *root
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{hex, unhex};

    /// A tree whose leaves are all in memory.
    struct Leaves(Vec<Hash>);

    impl Subtrees for Leaves {
        fn subtree(&mut self, level: u32, index: u64) -> Result<Hash> {
            if level == 0 {
                return Ok(self.0[usize::try_from(index).unwrap()]);
            }
            let (left, right) = (self.subtree(level - 1, index * 2)?, self.subtree(level - 1, index * 2 + 1)?);
            Ok(node(&left, &right))
        }
    }

    fn tree(size: u64) -> Leaves {
        Leaves((0..size).map(|at| leaf(&at.to_be_bytes())).collect())
    }

    /// The rule as the RFC writes it.
    fn by_the_rule(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => sha256(b""),
            [one] => *one,
            more => {
                let (left, right) = more.split_at(usize::try_from(split(more.len() as u64)).unwrap());
                node(&by_the_rule(left), &by_the_rule(right))
            }
        }
    }

    #[test]
    fn the_known_tree_of_certificate_transparency() {
        // The inputs and roots that the implementations of RFC 6962 share as a test.
        let inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
        let leaves: Vec<Hash> = inputs.iter().map(|input| leaf(&unhex(input).unwrap())).collect();
        assert_eq!(hex(&leaves[0]), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
        let wanted = [
            (1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
            (2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
            (3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
            (4, "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
            (8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
        ];
        for (size, wanted) in wanted {
            assert_eq!(hex(&root(&mut Leaves(leaves.clone()), size).unwrap()), wanted, "{size}");
        }
        assert_eq!(hex(&root(&mut tree(0), 0).unwrap()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn every_leaf_is_shown_to_be_in_every_tree_and_at_no_other_place() {
        for size in 1..=40 {
            let mut tree = tree(size);
            let all = root(&mut tree, size).unwrap();
            assert_eq!(all, by_the_rule(&tree.0));
            for index in 0..size {
                let path = inclusion(&mut tree, index, size).unwrap();
                let own = tree.0[usize::try_from(index).unwrap()];
                assert!(shows_inclusion(&own, index, size, &path, &all), "{index} of {size}");
                let other = (index + 1) % size;
                assert_eq!(shows_inclusion(&own, other, size, &path, &all), other == index, "{index} as {other} of {size}");
                assert!(!shows_inclusion(&leaf(b"other"), index, size, &path, &all));
                assert!(!shows_inclusion(&own, index, size, &[path.as_slice(), &[own]].concat(), &all));
                assert!(!shows_inclusion(&own, size, size, &path, &all));
                for at in 0..path.len() {
                    let mut wrong = path.clone();
                    wrong[at][7] ^= 1;
                    assert!(!shows_inclusion(&own, index, size, &wrong, &all), "{index} of {size}, hash {at} changed");
                }
            }
        }
    }

    #[test]
    fn every_tree_is_shown_to_be_the_beginning_of_every_later_one() {
        for size in 0..=40 {
            let mut tree = tree(size);
            let all = root(&mut tree, size).unwrap();
            for old in 0..=size {
                let before = root(&mut tree, old).unwrap();
                let path = consistency(&mut tree, old, size).unwrap();
                assert!(shows_consistency(old, &before, size, &all, &path), "{old} of {size}");
                assert!(!shows_consistency(old, &leaf(b"other"), size, &all, &path), "{old} of {size}");
                assert!(!shows_consistency(old, &before, size, &leaf(b"other"), &path) || old == 0 && size > 0, "{old} of {size}");
                for at in 0..path.len() {
                    let mut wrong = path.clone();
                    wrong[at][0] ^= 1;
                    assert!(!shows_consistency(old, &before, size, &all, &wrong), "{old} of {size}, hash {at} changed");
                }
                assert!(path.is_empty() || !shows_consistency(old, &before, size, &all, &path[1..]));
            }
        }
    }
}
