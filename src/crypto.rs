//! Digests, keyed hashes, random tokens and sealing, all from one library (`aws-lc-rs`).

pub mod chunks;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{digest, hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use crate::error::{Error, Result};

/// SHA-256 of `bytes`, in lower-case hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// SHA-256 of `bytes`.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut sum = [0; 32];
    sum.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    sum
}

/// SHA-256 over bytes that come in pieces.
pub struct Sha256(digest::Context);

impl Default for Sha256 {
    fn default() -> Self {
        Sha256(digest::Context::new(&digest::SHA256))
    }
}

impl Sha256 {
    /// Takes the next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest in lower-case hexadecimal.
    pub fn finish(self) -> String {
        hex(self.0.finish().as_ref())
    }
}

/// A checksum by which a sender and we know that bytes arrived whole. SHA-1 is for that alone, and because the tus protocol asks for it.
pub struct Checksum(digest::Context);

impl Checksum {
    /// The checksum of that name: `sha1` or `sha256`.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "sha1" => Some(Checksum(digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY))),
            "sha256" => Some(Checksum(digest::Context::new(&digest::SHA256))),
            _ => None,
        }
    }

    /// Takes the next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest's bytes.
    pub fn finish(self) -> Vec<u8> {
        self.0.finish().as_ref().to_vec()
    }
}

/// Bytes in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The bytes of a hexadecimal text; `None` when it is none.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

/// Base64 with padding, as HTTP digests use it.
pub fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The bytes of a base64 text with padding; `None` when it is none.
pub fn unbase64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Base64url without padding, as JOSE uses it.
pub fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes of a base64url text; `None` when it is none.
pub fn unbase64url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// A random token of 256 bits, in base64url behind a prefix that secret scanners can look for.
///
/// # Errors
/// When the system gives no randomness.
pub fn random_token(prefix: &str) -> Result<String> {
    Ok(format!("{prefix}{}", base64url(&random_bytes::<32>()?)))
}

/// Random bytes.
///
/// # Errors
/// When the system gives no randomness.
pub fn random_bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0u8; N];
    rand::fill(&mut bytes).map_err(|_unspecified| Error::internal(anyhow::anyhow!("no randomness from the system")))?;
    Ok(bytes)
}

/// The key from which all others come. It never leaves this type.
#[derive(Clone)]
pub struct MasterKey([u8; 32]);

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(master key)")
    }
}

impl MasterKey {
    /// Takes the key from its hexadecimal form.
    pub fn from_hex(text: &str) -> Option<Self> {
        Some(MasterKey(unhex(text.trim())?.try_into().ok()?))
    }

    /// A key for one use, derived from the master key by HMAC-SHA-256 over the use's name.
    pub fn derive(&self, usage: &str) -> HmacKey {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.0), usage.as_bytes());
        HmacKey(hmac::Key::new(hmac::HMAC_SHA256, tag.as_ref()))
    }

    /// Encrypts `plain` with AES-256-GCM; `label` binds it to its place.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn seal(&self, label: &str, plain: &[u8]) -> Result<Vec<u8>> {
        let nonce = random_bytes::<NONCE_LEN>()?;
        let mut sealed = plain.to_vec();
        self.aead()?
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(label.as_bytes()), &mut sealed)
            .map_err(|_unspecified| Error::internal(anyhow::anyhow!("sealing failed")))?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Decrypts what [`MasterKey::seal`] made.
    ///
    /// # Errors
    /// When another key or label sealed it, or it was changed.
    pub fn open(&self, label: &str, sealed: &[u8]) -> Result<Vec<u8>> {
        let wrong = || Error::internal(anyhow::anyhow!("`{label}` was sealed with another master key, or was changed"));
        let (nonce, body) = sealed.split_at_checked(NONCE_LEN).ok_or_else(wrong)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_unspecified| wrong())?;
        let mut body = body.to_vec();
        let plain = self.aead()?.open_in_place(nonce, Aad::from(label.as_bytes()), &mut body).map_err(|_unspecified| wrong())?;
        Ok(plain.to_vec())
    }

    fn aead(&self) -> Result<LessSafeKey> {
        let key = UnboundKey::new(&AES_256_GCM, &self.0).map_err(|_unspecified| Error::internal(anyhow::anyhow!("not an AES-256 key")))?;
        Ok(LessSafeKey::new(key))
    }
}

/// A key for keyed hashes.
#[derive(Clone)]
pub struct HmacKey(hmac::Key);

impl std::fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(hmac key)")
    }
}

impl HmacKey {
    /// A key of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        HmacKey(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// HMAC-SHA-256 of `text`, in lower-case hexadecimal.
    pub fn hex(&self, text: &[u8]) -> String {
        hex(&self.tag(text))
    }

    /// HMAC-SHA-256 of `text`.
    pub fn tag(&self, text: &[u8]) -> [u8; 32] {
        let mut tag = [0; 32];
        tag.copy_from_slice(hmac::sign(&self.0, text).as_ref());
        tag
    }

    /// Whether `given` is [`HmacKey::hex`] of `text`, compared in constant time.
    pub fn verifies(&self, text: &[u8], given: &str) -> bool {
        unhex(given).is_some_and(|tag| self.verifies_tag(text, &tag))
    }

    /// Whether `given` is [`HmacKey::tag`] of `text`, compared in constant time.
    pub fn verifies_tag(&self, text: &[u8], given: &[u8]) -> bool {
        hmac::verify(&self.0, text, given).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_of_the_empty_text() {
        assert_eq!(sha256_hex(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn sealed_text_opens_only_with_its_key_and_label() {
        let key = MasterKey::from_hex(&"07".repeat(32)).unwrap();
        let sealed = key.seal("a", b"plain").unwrap();
        assert_eq!(key.open("a", &sealed).unwrap(), b"plain");
        assert!(key.open("b", &sealed).is_err());
        assert!(MasterKey::from_hex(&"08".repeat(32)).unwrap().open("a", &sealed).is_err());
        assert!(key.open("a", &sealed[..5]).is_err());
    }

    #[test]
    fn each_use_has_its_own_key() {
        let key = MasterKey::from_hex(&"07".repeat(32)).unwrap();
        assert_ne!(key.derive("a").hex(b"x"), key.derive("b").hex(b"x"));
        let tag = key.derive("a").hex(b"x");
        assert!(key.derive("a").verifies(b"x", &tag));
        assert!(!key.derive("b").verifies(b"x", &tag));
        assert!(!key.derive("a").verifies(b"y", &tag));
        assert!(!key.derive("a").verifies(b"x", ""));
    }

    #[test]
    fn hexadecimal_both_ways() {
        assert_eq!(unhex("00ff").unwrap(), [0, 255]);
        assert_eq!(unhex("0"), None);
        assert_eq!(unhex("zz"), None);
        assert_eq!(unhex("é0"), None);
    }
}
