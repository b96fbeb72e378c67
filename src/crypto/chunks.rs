//! Files that are sealed in chunks, each by itself, so that no file is whole in memory. As in the construction STREAM (Hoang, Reyhanitabar,
//! Rogaway, Vizár 2015): the nonce is the number of the chunk and whether it is the last one, so that chunks cannot be swapped, left out or cut off.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use super::random_bytes;
use crate::error::{Error, Result};

/// How many bytes a chunk holds; the last one may hold fewer.
pub const CHUNK_BYTES: usize = 256 << 10;

/// What sealing adds to a chunk.
const TAG_BYTES: u64 = 16;

/// A key for one file alone, bound to what the file belongs to.
pub struct FileKey {
    key: LessSafeKey,
    bound_to: String,
}

impl FileKey {
    /// A new key, and its bytes, which are to be sealed and kept.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn make(bound_to: &str) -> Result<(Self, [u8; 32])> {
        let bytes = random_bytes::<32>()?;
        Ok((Self::from_bytes(&bytes, bound_to)?, bytes))
    }

    /// The key of a file that was sealed before.
    ///
    /// # Errors
    /// When the bytes are no key.
    pub fn from_bytes(bytes: &[u8], bound_to: &str) -> Result<Self> {
        let key = UnboundKey::new(&AES_256_GCM, bytes).map_err(|_unspecified| Error::internal(anyhow::anyhow!("not an AES-256 key")))?;
        Ok(FileKey { key: LessSafeKey::new(key), bound_to: bound_to.to_owned() })
    }

    /// Opens a chunk; `None` when it was changed, stands elsewhere, or belongs to another key or file.
    pub fn open(&self, number: u32, is_last: bool, sealed: &[u8]) -> Option<Vec<u8>> {
        let mut bytes = sealed.to_vec();
        let length = self.key.open_in_place(nonce(number, is_last), Aad::from(self.bound_to.as_bytes()), &mut bytes).ok()?.len();
        bytes.truncate(length);
        Some(bytes)
    }
}

/// Seals the chunks of a new file in their order. Each number is used once: the key is of this file alone, and this counts.
pub struct Sealer {
    key: FileKey,
    number: u32,
}

impl Sealer {
    /// Begins a file. The key must have sealed nothing yet.
    pub fn new(key: FileKey) -> Self {
        Sealer { key, number: 0 }
    }

    /// Seals the next chunk, which must be full unless it is the last one.
    ///
    /// # Errors
    /// When the file has too many chunks.
    pub fn seal(&mut self, mut chunk: Vec<u8>, is_last: bool) -> Result<Vec<u8>> {
        let failed = || Error::internal(anyhow::anyhow!("sealing a chunk failed"));
        if chunk.len() > CHUNK_BYTES || (!is_last && chunk.len() < CHUNK_BYTES) {
            return Err(failed());
        }
        let (nonce, aad) = (nonce(self.number, is_last), Aad::from(self.key.bound_to.as_bytes()));
        self.number = self.number.checked_add(1).ok_or_else(failed)?;
        self.key.key.seal_in_place_append_tag(nonce, aad, &mut chunk).map_err(|_unspecified| failed())?;
        Ok(chunk)
    }
}

fn nonce(number: u32, is_last: bool) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    bytes[NONCE_LEN - 5..NONCE_LEN - 1].copy_from_slice(&number.to_be_bytes());
    bytes[NONCE_LEN - 1] = is_last.into();
    Nonce::assume_unique_for_key(bytes)
}

/// How many chunks a file of so many plain bytes has.
pub fn chunk_count(plain_bytes: u64) -> u64 {
    plain_bytes.div_ceil(CHUNK_BYTES as u64).max(1)
}

/// Where chunk `number` of a sealed file of so many plain bytes stands in it.
pub fn chunk_range(plain_bytes: u64, number: u32) -> std::ops::Range<u64> {
    let (chunk, number) = (CHUNK_BYTES as u64, u64::from(number));
    let start = number * (chunk + TAG_BYTES);
    let plain = plain_bytes.saturating_sub(number * chunk).min(chunk);
    start..start + plain + TAG_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_opens_in_its_own_place_alone() {
        let (key, bytes) = FileKey::make("file a").unwrap();
        let mut sealer = Sealer::new(key);
        let plain = vec![7; CHUNK_BYTES];
        let (first, second) = (sealer.seal(plain.clone(), false).unwrap(), sealer.seal(plain.clone(), false).unwrap());
        let last = sealer.seal(b"end".to_vec(), true).unwrap();
        assert!(sealer.seal(b"short".to_vec(), false).is_err());
        assert_ne!(first, second);
        let size = 2 * CHUNK_BYTES as u64 + 3;
        assert_eq!(chunk_count(size), 3);
        assert_eq!(chunk_range(size, 0).end, first.len() as u64);
        assert_eq!(chunk_range(size, 2), (first.len() + second.len()) as u64..(first.len() + second.len() + last.len()) as u64);
        let key = FileKey::from_bytes(&bytes, "file a").unwrap();
        assert_eq!(key.open(0, false, &first).unwrap(), plain);
        assert_eq!(key.open(2, true, &last).unwrap(), b"end");
        assert!(key.open(1, false, &first).is_none(), "swapped");
        assert!(key.open(1, true, &second).is_none(), "cut off behind it");
        assert!(key.open(2, false, &last).is_none(), "something put behind it");
        let mut changed = last.clone();
        changed[0] ^= 1;
        assert!(key.open(2, true, &changed).is_none());
        assert!(FileKey::from_bytes(&bytes, "file b").unwrap().open(2, true, &last).is_none(), "another file");
        assert!(FileKey::from_bytes(&[0; 32], "file a").unwrap().open(2, true, &last).is_none(), "another key");
        assert!(key.open(0, true, b"").is_none());
    }
}
