//! URLs that stand for a client's token: for one thing, for a short time, for tools that send no header. 签名链接
//!
//! A URL says who made it, with which token, what it opens and until when, under a keyed hash of the service. It is not stored, and not
//! encrypted. At each use it is worth what the token is worth at that moment, but for the token's own expiry: whoever ends the token, its
//! client, its firm or its grant ends the URLs that were made with it.

use chrono::{DateTime, Duration, SubsecRound, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Caller, Identity};
use crate::clock::now;
use crate::crypto::{HmacKey, MasterKey, base64url, unbase64url};
use crate::error::{Error, Result};

/// How long a URL lasts at most.
pub const LONGEST_SECONDS: i64 = 3600;

/// How long a URL lasts.
#[derive(Debug, Clone, Copy)]
pub struct Lifetime(Duration);

impl Lifetime {
    /// So many seconds.
    ///
    /// # Errors
    /// When they are none, or too many.
    pub fn of_seconds(seconds: i64) -> Result<Self> {
        if (1..=LONGEST_SECONDS).contains(&seconds) {
            return Ok(Lifetime(Duration::seconds(seconds)));
        }
        Err(Error::invalid("/expires_in", format!("a signed URL lasts between 1 and {LONGEST_SECONDS} seconds")))
    }
}

/// How many bytes of a URL are its keyed hash.
const TAG_BYTES: usize = 32;

/// What a URL says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedUrl {
    /// Its own name, by which the ledger calls it.
    pub id: String,
    /// The client that made it.
    #[serde(rename = "client")]
    pub client_id: String,
    /// The grant under which it opens something.
    #[serde(rename = "grant")]
    pub grant_id: String,
    /// The token with which it was made, by its own name.
    pub jti: String,
    /// When that token was issued, in seconds since 1970.
    #[serde(rename = "iat")]
    pub issued_at: i64,
    /// The key that signed that token.
    pub kid: String,
    /// When the URL ends.
    #[serde(rename = "exp", with = "chrono::serde::ts_seconds")]
    pub until: DateTime<Utc>,
    /// What it opens, in the words of whoever reads it.
    pub opens: Value,
}

impl SignedUrl {
    /// What is said of one whose token was ended.
    pub(super) fn ended() -> Error {
        Error::Unauthenticated("what the URL was signed with was ended; ask for a new URL with a new token".to_owned())
    }

    /// A new one of a client that comes with the token of a grant. It ends after that time.
    ///
    /// # Errors
    /// When the caller is no client with such a token.
    pub fn new(caller: &Caller, opens: Value, lifetime: Lifetime) -> Result<Self> {
        let client = match &caller.identity {
            Identity::Client(client) => Some(client),
            Identity::Anonymous | Identity::Person(_) => None,
        };
        let no_grant =
            || Error::Forbidden("a signed URL is made with the token of a grant: take one with authorization_details".to_owned());
        let client = client.ok_or_else(no_grant)?;
        Ok(SignedUrl {
            id: uuid::Uuid::now_v7().to_string(),
            client_id: client.client_id.clone(),
            grant_id: client.grant_id.clone().ok_or_else(no_grant)?,
            jti: client.jti.clone(),
            issued_at: client.issued_at,
            kid: client.kid.clone(),
            // Whole seconds, and not fewer than were asked for.
            until: now().trunc_subsecs(0) + Duration::seconds(1) + lifetime.0,
            opens,
        })
    }
}

/// The key under which URLs are signed. All processes of a service have the same.
pub struct UrlKey(HmacKey);

impl UrlKey {
    /// The key of the service.
    pub fn of(master: &MasterKey) -> Self {
        UrlKey(master.derive("signed-urls"))
    }

    /// The part of a URL that proves it: letters, digits, `-` and `_`, so that no tool writes it in another way.
    ///
    /// # Errors
    /// When what it opens cannot be written.
    pub fn sign(&self, url: &SignedUrl) -> Result<String> {
        let claims = serde_json::to_vec(url)?;
        Ok(base64url(&[self.0.tag(&claims).as_slice(), &claims].concat()))
    }

    /// What a URL says. Whether its token, client, firm and grant hold is another question.
    ///
    /// # Errors
    /// When it was not made here, was changed, or is over.
    pub fn verify(&self, signature: &str) -> Result<SignedUrl> {
        let bytes = unbase64url(signature).ok_or_else(not_valid)?;
        let (tag, claims) = bytes.split_at_checked(TAG_BYTES).ok_or_else(not_valid)?;
        if !self.0.verifies_tag(claims, tag) {
            return Err(not_valid());
        }
        let url: SignedUrl = serde_json::from_slice(claims).map_err(|_of_another_release| not_valid())?;
        if url.until <= now() {
            return Err(Error::Unauthenticated("the signed URL has expired; ask for a new one".to_owned()));
        }
        Ok(url)
    }
}

/// What is said of one that was not made here, or was changed since.
pub fn not_valid() -> Error {
    Error::Unauthenticated("the signed URL is not valid here: take it exactly as it was answered".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn url(seconds: i64) -> SignedUrl {
        let text = || "a".to_owned();
        let until = now().trunc_subsecs(0) + Duration::seconds(seconds);
        SignedUrl { id: text(), client_id: text(), grant_id: text(), jti: text(), issued_at: 1, kid: text(), until, opens: json!({}) }
    }

    fn key(byte: &str) -> UrlKey {
        UrlKey::of(&MasterKey::from_hex(&byte.repeat(32)).unwrap())
    }

    #[test]
    fn a_url_opens_under_its_key_alone_and_until_it_ends() {
        let signature = key("07").sign(&url(60)).unwrap();
        assert_eq!(key("07").verify(&signature).unwrap(), url(60));
        assert!(key("08").verify(&signature).is_err());
        let over = key("07").sign(&url(0)).unwrap();
        assert!(key("07").verify(&over).unwrap_err().to_string().contains("expired"));
    }

    #[test]
    fn no_letter_of_a_url_can_be_another() {
        let (key, signature) = (key("07"), key("07").sign(&url(60)).unwrap());
        for at in 0..signature.len() {
            let mut changed = signature.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert!(key.verify(&String::from_utf8(changed).unwrap()).is_err(), "letter {at}");
            assert!(key.verify(&signature[..at]).is_err(), "the first {at} letters");
        }
        assert!(key.verify(&format!("{signature}A")).is_err());
        assert!(key.verify(&format!("{signature}=")).is_err());
        assert!(key.verify("é").is_err());
    }
}
