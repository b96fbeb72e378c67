//! URLs that stand for a client's token: for one thing, for a short time, for tools that send no header. 签名链接
//!
//! A URL says who made it, with which token, what it opens and until when, under a keyed hash of the service. Nothing of it is stored. At each
//! use it is worth what the token is worth at that moment, but for the token's own end: whoever ends the token, its client, its firm or its
//! grant ends the URLs that were made with it.

use chrono::{DateTime, Duration, SubsecRound, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ClientIdentity;
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
    /// A new one of a client that comes with the token of a grant. It ends after that time.
    ///
    /// # Errors
    /// When the token is for no grant.
    pub fn new(client: &ClientIdentity, opens: Value, lifetime: Lifetime) -> Result<Self> {
        let no_grant = || Error::Forbidden("a signed URL is made with the token of a grant".to_owned());
        Ok(SignedUrl {
            id: uuid::Uuid::now_v7().to_string(),
            client_id: client.client_id.clone(),
            grant_id: client.grant_id.clone().ok_or_else(no_grant)?,
            jti: client.jti.clone(),
            issued_at: client.issued_at,
            kid: client.kid.clone(),
            until: now().trunc_subsecs(0) + lifetime.0,
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
    pub fn seal(&self, url: &SignedUrl) -> Result<String> {
        let claims = serde_json::to_vec(url)?;
        Ok(base64url(&[self.0.tag(&claims).as_slice(), &claims].concat()))
    }

    /// What a URL says. Whether its token, client, firm and grant hold is another question.
    ///
    /// # Errors
    /// When it was not made here, was changed, or is over.
    pub fn open(&self, sealed: &str) -> Result<SignedUrl> {
        let refused = || Error::Unauthenticated("the signed URL is not valid here: take it exactly as it was answered".to_owned());
        let bytes = unbase64url(sealed).ok_or_else(refused)?;
        let (tag, claims) = bytes.split_at_checked(TAG_BYTES).ok_or_else(refused)?;
        if !self.0.verifies_tag(claims, tag) {
            return Err(refused());
        }
        let url: SignedUrl = serde_json::from_slice(claims).map_err(|_of_another_release| refused())?;
        if url.until <= now() {
            return Err(Error::Unauthenticated("the signed URL has expired; ask for a new one".to_owned()));
        }
        Ok(url)
    }
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
        let sealed = key("07").seal(&url(60)).unwrap();
        assert_eq!(key("07").open(&sealed).unwrap(), url(60));
        assert!(key("08").open(&sealed).is_err());
        let over = key("07").seal(&url(0)).unwrap();
        assert!(key("07").open(&over).unwrap_err().to_string().contains("expired"));
    }

    #[test]
    fn no_letter_of_a_url_can_be_another() {
        let (key, sealed) = (key("07"), key("07").seal(&url(60)).unwrap());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert!(key.open(&String::from_utf8(changed).unwrap()).is_err(), "letter {at}");
            assert!(key.open(&sealed[..at]).is_err(), "the first {at} letters");
        }
        assert!(key.open(&format!("{sealed}A")).is_err());
        assert!(key.open(&format!("{sealed}=")).is_err());
        assert!(key.open("é").is_err());
    }
}
