//! Access tokens that were found valid: a signature is verified once, and a client is looked up again when the ledger says that
//! something has become of firms or clients since.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::keys::KeyRing;
use super::{ClientIdentity, clients, tokens};
use crate::clock::now;
use crate::crypto::sha256;
use crate::db::Db;
use crate::error::Result;
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
    /// When the token ends, in seconds since 1970.
    expires_at: i64,
    /// The mark of firms (see `ledger::Marks`) under which client and firm were found active.
    mark: i64,
}

impl KnownTokens {
    /// The client whose access token it is, when it and its firm may act at this moment.
    ///
    /// # Errors
    /// When the token does not hold, or one of the two may not act.
    pub async fn client(&self, db: &Db, follower: &Follower, keys: &KeyRing, issuer: &str, token: &str) -> Result<ClientIdentity> {
        // Read before the client is: a revocation in between shows at the next request, by its mark.
        let mark = follower.marks(db).await?.firms;
        let digest = sha256(token.as_bytes());
        let known = self.known(&digest);
        if let Some(Known { identity, .. }) = known.as_ref().filter(|known| known.mark == mark) {
            return Ok(identity.clone());
        }
        let (client_id, grant_id, expires_at) = match known {
            Some(Known { identity, expires_at, .. }) => (identity.client_id, identity.grant_id, expires_at),
            None => {
                let claims = tokens::verify_access(keys, issuer, token)?;
                let grant = claims.authorization_details.as_ref().and_then(|details| details.first()).map(|detail| detail.grant.clone());
                (claims.client_id, grant, claims.exp)
            }
        };
        let client = db.read(move |conn| clients::require_active(conn, &client_id)).await?;
        let identity = ClientIdentity { client_id: client.id, firm_id: client.firm_id, grant_id };
        self.keep(digest, Known { identity: identity.clone(), expires_at, mark });
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
        let identity = ClientIdentity { client_id: "client".to_owned(), firm_id: "firm".to_owned(), grant_id: None };
        Known { identity, expires_at, mark: 1 }
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
