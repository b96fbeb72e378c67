//! The place where a page ended. It holds for the same query over the same version, and for nobody but us to write.

use serde::{Deserialize, Serialize};

use crate::crypto::{HmacKey, base64url, sha256_hex, unbase64url};
use crate::error::{Error, Result};

/// Characters of the seal before a cursor.
const SEAL_CHARS: usize = 32;

/// The largest place that is written by its values; a larger one is counted instead.
pub(super) const MAX_KEY_BYTES: usize = 3000;

/// Where a page ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The digest of the query.
    pub(super) q: String,
    /// The version.
    pub(super) v: i32,
    /// How many rows went before.
    pub(super) o: u64,
    /// How many rows match in all.
    pub(super) t: u64,
    pub(super) at: Place,
}

/// Where the next page begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Place {
    /// In a piece of a file: object, row group, first row and rows of the piece, and how many of its matching rows went before.
    Piece(usize, usize, usize, usize, usize),
    /// At the row with these values, of which so many equal ones went before.
    Key(Vec<Option<String>>, usize),
    /// Behind the rows that went before.
    Counted,
}

impl Cursor {
    /// Reads a cursor.
    ///
    /// # Errors
    /// When it is none of ours.
    pub fn parse(text: &str, key: &HmacKey) -> Result<Self> {
        let sealed = text.is_ascii().then(|| text.split_at_checked(SEAL_CHARS)).flatten();
        let body = sealed.filter(|(seal, body)| same(seal, &key.hex(body.as_bytes())[..SEAL_CHARS])).map(|(_, body)| body);
        let cursor = body.and_then(unbase64url).and_then(|bytes| serde_json::from_slice(&bytes).ok());
        cursor.ok_or_else(|| Error::invalid("cursor", "this is no cursor of ours; take next_cursor of the page before, or leave it out"))
    }

    /// The version that it pins.
    pub fn version(&self) -> i32 {
        self.v
    }

    pub(super) fn write(&self, key: &HmacKey) -> Result<String> {
        let body = base64url(serde_json::to_string(self)?.as_bytes());
        Ok(format!("{}{body}", &key.hex(body.as_bytes())[..SEAL_CHARS]))
    }
}

/// Whether two texts are the same, without telling by the time where they differ.
fn same(one: &str, other: &str) -> bool {
    one.len() == other.len() && one.bytes().zip(other.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

/// The digest of what makes a query what it is.
pub(super) fn digest(parts: &[Option<&str>]) -> Result<String> {
    Ok(sha256_hex(serde_json::to_string(parts)?.as_bytes())[..16].to_owned())
}

/// That a cursor belongs to another query.
pub(super) fn foreign() -> Error {
    Error::invalid("cursor", "this cursor belongs to another query; start again without it")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::MasterKey;

    #[test]
    fn a_cursor_that_was_changed_is_none() {
        let key = MasterKey::from_hex(&"07".repeat(32)).unwrap().derive("cursor");
        let cursor = Cursor { q: "q".to_owned(), v: 1, o: 5, t: 9, at: Place::Key(vec![None, Some("甲".to_owned())], 1) };
        let text = cursor.write(&key).unwrap();
        assert_eq!(Cursor::parse(&text, &key).unwrap(), cursor);
        let mut other = text.clone().into_bytes();
        for at in 0..other.len() {
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            assert!(Cursor::parse(std::str::from_utf8(&other).unwrap(), &key).is_err());
            other[at] = text.as_bytes()[at];
        }
        for bad in ["", "x", "甲甲甲甲甲甲甲甲甲甲甲甲甲甲甲甲", &"0".repeat(32)] {
            assert!(Cursor::parse(bad, &key).is_err());
        }
    }
}
