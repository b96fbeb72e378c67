//! Access tokens that were found valid: a token is verified once, and again when the ledger says that something has become of firms, clients,
//! tokens or keys since.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::keys::Keys;
use super::{ClientIdentity, clients, firms, tokens};
use crate::clock::now;
use crate::crypto::sha256;
use crate::db::Db;
use crate::error::{Error, Result};
use crate::ledger::Follower;

/// How many tokens are kept.
const MOST: usize = 10_000;

/// The tokens of this process, by digest: what is kept is no token.
#[derive(Default)]
pub struct KnownTokens {
    known: Mutex<HashMap<[u8; 32], Known>>,
}

#[derive(Clone)]
struct Known {
    identity: ClientIdentity,
    /// When the token ends, or the key that signed it, in seconds since 1970.
    expires_at: i64,
    /// The marks of firms and of keys (see `ledger::Marks`) under which it was found to hold.
    marks: (i64, i64),
}

impl KnownTokens {
    /// The client whose access token it is, when it and its firm may act at this moment.
    ///
    /// # Errors
    /// When the token does not hold, or one of the two may not act.
    pub async fn client(&self, db: &Db, follower: &Follower, keys: &Keys, issuer: &str, token: &str) -> Result<ClientIdentity> {
        // Read before the client is: a revocation in between shows at the next request, by its mark.
        let marks = follower.marks(db).await?;
        let marks = (marks.firms, marks.keys);
        let digest = sha256(token.as_bytes());
        let known = self.known(&digest);
        if let Some(Known { identity, .. }) = known.as_ref().filter(|known| known.marks == marks) {
            return Ok(identity.clone());
        }
        // Whatever was known of it: a key may have been taken out of use.
        let ring = keys.ring(db, follower).await?;
        let claims = tokens::verify_access(&ring, issuer, token)?;
        let (client_id, jti, issued_at) = (claims.client_id.clone(), claims.jti.clone(), claims.issued_at());
        let (client, throttled) = db
            .read(move |conn| {
                let client = clients::require_active(conn, &client_id)?;
                if tokens::is_ended(conn, &client, &jti, issued_at)? {
                    return Err(Error::Unauthenticated("the access token was ended before its time; take a new one".to_owned()));
                }
                let throttled = firms::find(conn, &client.firm_id)?.throttled;
                Ok((client, throttled))
            })
            .await?;
        let (grant_id, jkt) = (claims.grant().map(str::to_owned), claims.jkt().map(str::to_owned));
        let (jti, issued_at) = (claims.jti.clone(), claims.issued_at());
        let kid = claims.kid.clone();
        let identity = ClientIdentity { client_id: client.id, firm_id: client.firm_id, grant_id, jkt, jti, issued_at, kid, throttled };
        let expires_at = ring.until(&claims.kid).map_or(claims.exp, |until| until.min(claims.exp));
        self.keep(digest, Known { identity: identity.clone(), expires_at, marks });
        Ok(identity)
    }

    fn known(&self, digest: &[u8; 32]) -> Option<Known> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // At its very end a token is verified again, which knows how far clocks may differ.
        known.get(digest).filter(|known| now().timestamp() < known.expires_at).cloned()
    }

    fn keep(&self, digest: [u8; 32], new: Known) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
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
            throttled: false,
        };
        Known { identity, expires_at, marks: (1, 1) }
    }

    #[test]
    fn a_token_is_known_until_it_ends() {
        let (tokens, now) = (KnownTokens::default(), now().timestamp());
        tokens.keep([1; 32], token(now + 100));
        tokens.keep([2; 32], token(now));
        assert!(tokens.known(&[1; 32]).is_some());
        assert!(tokens.known(&[2; 32]).is_none());
        assert!(tokens.known(&[3; 32]).is_none());
    }
}
