//! Checkpoints as others read them: signed notes (C2SP signed-note and tlog-checkpoint), with Ed25519.
//!
//! ```text
//! open.example/ledger              the ledger's name
//! 1234                             how many entries it has
//! 5l0pRX…=                         the root of the tree over them, in base64
//!
//! — open.example/ledger nJk3…=     the name of the key, and in base64 four bytes of its id and the signature over the text above
//! ```
//!
//! The id of a key is `SHA-256(name ‖ "\n" ‖ 0x01 ‖ public key)`; a verifier's key is written `name+id+base64(0x01 ‖ public key)`, with
//! the first four bytes of the id in hexadecimal.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use super::merkle::Hash;
use crate::crypto::{base64, hex, sha256, unbase64, unhex};
use crate::error::{Error, Result};

/// The sign of Ed25519 in these notes.
const ED25519_SIGN: u8 = 1;

/// What a checkpoint says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The ledger's name.
    pub origin: String,
    /// How many entries it has.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
}

impl Checkpoint {
    fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, base64(&self.root))
    }

    /// Reads a note and checks that the key has signed it.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn open(note: &str, verifier: &Verifier) -> Result<Self, String> {
        let (text, signatures) = note.split_once("\n\n").ok_or("a checkpoint has an empty line between its text and its signatures")?;
        let mut lines = text.split('\n');
        let (origin, size, root) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
        let plain = size.bytes().all(|byte| byte.is_ascii_digit()) && (size == "0" || !size.starts_with('0'));
        let size = size.parse().ok().filter(|_| plain).ok_or_else(|| format!("`{size}` is no number of entries"))?;
        let root = unbase64(root).and_then(|root| root.try_into().ok()).ok_or("the third line is no root of a tree")?;
        let signed = format!("{text}\n");
        let prefix = format!("\u{2014} {} ", verifier.name);
        let mut own = signatures.lines().filter_map(|line| line.strip_prefix(&prefix)).filter_map(unbase64);
        let signature = own.find_map(|bytes| bytes.strip_prefix(verifier.id().as_slice()).map(<[u8]>::to_vec));
        let signature = signature.ok_or_else(|| format!("it is not signed by the key {verifier}"))?;
        UnparsedPublicKey::new(&ED25519, &verifier.public)
            .verify(signed.as_bytes(), &signature)
            .map_err(|_unspecified| "its signature does not hold: it was changed, or made by somebody else")?;
        if origin != verifier.name {
            return Err(format!("it is a checkpoint of `{origin}`, and the key is that of `{}`", verifier.name));
        }
        Ok(Checkpoint { origin: origin.to_owned(), size, root })
    }
}

/// The key that signs checkpoints.
pub struct LogKey {
    pair: Ed25519KeyPair,
    name: String,
}

impl LogKey {
    /// The key of that name, from its PKCS#8 form.
    ///
    /// # Errors
    /// When it is none.
    pub fn new(name: &str, pkcs8: &[u8]) -> Result<Self> {
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|_rejected| Error::internal(anyhow::anyhow!("the ledger's key is none")))?;
        Ok(LogKey { pair, name: name.to_owned() })
    }

    /// The ledger's name, which is the key's.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What others verify with.
    pub fn verifier(&self) -> Verifier {
        Verifier { name: self.name.clone(), public: self.pair.public_key().as_ref().to_vec() }
    }

    /// The note of a checkpoint.
    pub(super) fn sign(&self, size: u64, root: Hash) -> String {
        let text = Checkpoint { origin: self.name.clone(), size, root }.text();
        let signature = self.pair.sign(text.as_bytes());
        let signed = [self.verifier().id().as_slice(), signature.as_ref()].concat();
        format!("{text}\n\u{2014} {} {}\n", self.name, base64(&signed))
    }
}

/// The public half, with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    public: Vec<u8>,
}

impl Verifier {
    /// The key of that name; `None` when these are not the 32 bytes of a public key.
    pub fn new(name: &str, public: &[u8]) -> Option<Self> {
        (public.len() == 32).then(|| Verifier { name: name.to_owned(), public: public.to_vec() })
    }

    /// The key's name, which is the ledger's.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public key's 32 bytes.
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    fn id(&self) -> [u8; 4] {
        let digest = sha256(&[self.name.as_bytes(), b"\n", &[ED25519_SIGN], &self.public].concat());
        [digest[0], digest[1], digest[2], digest[3]]
    }
}

impl std::fmt::Display for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = [&[ED25519_SIGN], self.public.as_slice()].concat();
        write!(f, "{}+{}+{}", self.name, hex(&self.id()), base64(&key))
    }
}

impl std::str::FromStr for Verifier {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = "a verifier's key is written `name+id+key`, as GET /api/v1/ledger/key answers it";
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else { return Err(wrong.to_owned()) };
        let key = unbase64(key).ok_or(wrong)?;
        let public = key.strip_prefix(&[ED25519_SIGN]).filter(|public| public.len() == 32).ok_or("the key is none of Ed25519")?;
        let verifier = Verifier { name: name.to_owned(), public: public.to_vec() };
        match unhex(id) {
            Some(id) if id == verifier.id() => Ok(verifier),
            Some(_) | None => Err("the id in the key is not that of its name and bytes: it was changed, or copied in part".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::rand::SystemRandom;

    fn key(name: &str) -> LogKey {
        LogKey::new(name, Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).unwrap().as_ref()).unwrap()
    }

    #[test]
    fn a_note_opens_with_its_key_and_no_other() {
        let (key, other) = (key("open.example/ledger"), key("open.example/ledger"));
        let note = key.sign(1234, [7; 32]);
        let opened = Checkpoint::open(&note, &key.verifier()).unwrap();
        assert_eq!(opened, Checkpoint { origin: "open.example/ledger".to_owned(), size: 1234, root: [7; 32] });
        assert!(Checkpoint::open(&note, &other.verifier()).unwrap_err().contains("not signed by the key"));
        // Signatures of witnesses may stand beside ours.
        let witnessed = format!("\u{2014} witness.example AAAAAAAA\n{}", note.split_once("\n\n").unwrap().1);
        let witnessed = format!("{}\n\n{witnessed}", note.split_once("\n\n").unwrap().0);
        assert_eq!(Checkpoint::open(&witnessed, &key.verifier()).unwrap(), opened);
    }

    #[test]
    fn a_note_with_one_changed_character_opens_with_no_key() {
        let key = key("open.example/ledger");
        let note = key.sign(1234, [7; 32]);
        for at in 0..note.len() {
            let mut bytes = note.clone().into_bytes();
            bytes[at] = if bytes[at] == b'1' { b'2' } else { b'1' };
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            assert!(Checkpoint::open(&changed, &key.verifier()).is_err(), "{changed}");
        }
        for broken in ["", "\n\n", "a\n1\nAAAA\n\n", &note.replace("1234", "01234"), &note.replace("\n\n", "\n")] {
            assert!(Checkpoint::open(broken, &key.verifier()).is_err(), "{broken}");
        }
    }

    #[test]
    fn a_verifier_is_written_and_read() {
        // The example of the C2SP document on signed notes.
        let example = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        let verifier: Verifier = example.parse().unwrap();
        assert_eq!((verifier.to_string().as_str(), verifier.public().len()), (example, 32));
        for wrong in [
            "",
            "a+b",
            "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "other+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "PeterNeumann+c74f20a3+ARpc",
        ] {
            assert!(wrong.parse::<Verifier>().is_err(), "{wrong}");
        }
    }
}
