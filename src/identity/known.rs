//! Credentials that were found valid, access tokens and signed URLs: one is verified once, and again when the ledger says that something
//! has become of firms, clients, tokens or keys since.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::keys::{KeyRing, Keys};
use super::signed_urls::SignedUrl;
use super::{ClientIdentity, clients, firms, tokens};
use crate::clock::now;
use crate::crypto::sha256;
use crate::db::Db;
use crate::error::Result;
use crate::ledger::Follower;

/// How many of a kind are kept.
const MOST: usize = 10_000;

/// The tokens and the signed URLs of this process. They are kept apart: one is never taken for the other, whatever their texts, and no number
/// of URLs puts out a token.
#[derive(Default)]
pub struct KnownCredentials {
    tokens: Kept,
    urls: Kept,
}

/// Credentials of one kind, by their digests and never by themselves.
#[derive(Default)]
struct Kept(Mutex<HashMap<[u8; 32], Known>>);

#[derive(Clone)]
struct Known {
    identity: ClientIdentity,
    /// When the credential ends, or the key that signed it, in seconds since 1970.
    expires_at: i64,
    /// The marks of firms and of keys (see `ledger::Marks`) under which it was found to hold.
    marks: (i64, i64),
}

/// What a credential says by itself.
struct Said {
    client_id: String,
    grant_id: Option<String>,
    jkt: Option<String>,
    jti: String,
    issued_at: i64,
    kid: String,
    /// In seconds since 1970.
    expires_at: i64,
    signed_url: Option<String>,
}

impl KnownCredentials {
    /// The client whose access token it is, when it and its firm may act at this moment.
    ///
    /// # Errors
    /// When the token does not hold, or one of the two may not act.
    pub async fn client(&self, db: &Db, follower: &Follower, keys: &Keys, issuer: &str, token: &str) -> Result<ClientIdentity> {
        let verify = |ring: &KeyRing| {
            let claims = tokens::verify_access(ring, issuer, token)?;
            Ok(Said {
                grant_id: claims.grant().map(str::to_owned),
                jkt: claims.jkt().map(str::to_owned),
                issued_at: claims.issued_at(),
                expires_at: claims.exp,
                client_id: claims.client_id,
                jti: claims.jti,
                kid: claims.kid,
                signed_url: None,
            })
        };
        self.tokens.holder((db, follower, keys), sha256(token.as_bytes()), verify).await
    }

    /// The client that made a signed URL, when it and its firm may act at this moment and the token with which it was made was not ended.
    ///
    /// # Errors
    /// When one of these is not so.
    pub async fn maker(&self, db: &Db, follower: &Follower, keys: &Keys, signature: &str, url: &SignedUrl) -> Result<ClientIdentity> {
        let verify = |ring: &KeyRing| {
            if ring.verifying(&url.kid).is_none() {
                return Err(SignedUrl::ended());
            }
            Ok(Said {
                client_id: url.client_id.clone(),
                grant_id: Some(url.grant_id.clone()),
                // Who has the URL needs no key: where the grant asks for one, the check says no.
                jkt: None,
                jti: url.jti.clone(),
                issued_at: url.issued_at,
                kid: url.kid.clone(),
                expires_at: url.until.timestamp(),
                signed_url: Some(url.id.clone()),
            })
        };
        self.urls.holder((db, follower, keys), sha256(signature.as_bytes()), verify).await
    }
}

impl Kept {
    /// Whose credential it is: known of it, or verified and looked up now.
    async fn holder(
        &self,
        (db, follower, keys): (&Db, &Follower, &Keys),
        digest: [u8; 32],
        verify: impl FnOnce(&KeyRing) -> Result<Said>,
    ) -> Result<ClientIdentity> {
        // Read before the client is: a revocation in between shows at the next request, by its mark.
        let marks = follower.marks(db).await?;
        let marks = (marks.firms, marks.keys);
        let known = self.known(&digest);
        if let Some(Known { identity, .. }) = known.as_ref().filter(|known| known.marks == marks) {
            return Ok(identity.clone());
        }
        // Whatever was known of it: a key may have been taken out of use.
        let ring = keys.ring(db, follower).await?;
        let said = verify(&ring)?;
        let (client_id, jti, issued_at) = (said.client_id.clone(), said.jti.clone(), said.issued_at);
        let by_url = said.signed_url.is_some();
        let (client, throttled) = db
            .read(move |conn| {
                let client = clients::require_active(conn, &client_id)?;
                if tokens::is_ended(conn, &client, &jti, issued_at)? {
                    return Err(if by_url { SignedUrl::ended() } else { tokens::ended() });
                }
                let throttled = firms::find(conn, &client.firm_id)?.throttled;
                Ok((client, throttled))
            })
            .await?;
        let expires_at = ring.until(&said.kid).map_or(said.expires_at, |until| until.min(said.expires_at));
        let Said { client_id, grant_id, jkt, jti, issued_at, kid, signed_url, .. } = said;
        let identity = ClientIdentity { client_id, firm_id: client.firm_id, grant_id, jkt, jti, issued_at, kid, signed_url, throttled };
        self.keep(digest, Known { identity: identity.clone(), expires_at, marks });
        Ok(identity)
    }

    fn known(&self, digest: &[u8; 32]) -> Option<Known> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // At its very end a token is verified again, which knows how far clocks may differ.
        known.get(digest).filter(|known| now().timestamp() < known.expires_at).cloned()
    }

    fn keep(&self, digest: [u8; 32], new: Known) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            let now = now().timestamp();
            known.retain(|_, known| now < known.expires_at);
        }
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(digest, new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(expires_at: i64) -> Known {
        let identity = ClientIdentity {
            client_id: "client".to_owned(),
            firm_id: "firm".to_owned(),
            grant_id: None,
            jkt: None,
            jti: "a".to_owned(),
            issued_at: 0,
            kid: "a".to_owned(),
            signed_url: None,
            throttled: false,
        };
        Known { identity, expires_at, marks: (1, 1) }
    }

    #[test]
    fn a_token_is_known_until_it_ends() {
        let (tokens, now) = (Kept::default(), now().timestamp());
        tokens.keep([1; 32], token(now + 100));
        tokens.keep([2; 32], token(now));
        assert!(tokens.known(&[1; 32]).is_some());
        assert!(tokens.known(&[2; 32]).is_none());
        assert!(tokens.known(&[3; 32]).is_none());
    }
}
