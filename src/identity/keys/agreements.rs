//! The keys that countersign agreements. The newest signs; every one that ever was stays published, since agreements outlast keys.

use diesel::prelude::*;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{KeyRow, label, make};
use crate::crypto::MasterKey;
use crate::db::schema::signing_keys;
use crate::db::{Conn, lock_ledger};
use crate::error::{Error, Result};
use crate::ledger::{self, Kind};

/// What keys are for: countersigning agreements.
const AGREEMENTS: &str = "agreements";

/// The type of a countersignature, in its header.
pub const COUNTERSIGNATURE: &str = "agreement+jws";

/// The key that countersigns agreements, and for whom.
pub struct AgreementKey {
    kid: String,
    signing: EncodingKey,
    issuer: String,
}

impl AgreementKey {
    /// The key's name: its thumbprint (RFC 7638).
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The service's address, for which it signs.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// A JWS in compact form (RFC 7515) with this payload.
    ///
    /// # Errors
    /// When the payload cannot be written as JSON.
    pub fn sign(&self, payload: &impl Serialize) -> Result<String> {
        let header = Header { typ: Some(COUNTERSIGNATURE.to_owned()), kid: Some(self.kid.clone()), ..Header::new(Algorithm::EdDSA) };
        encode(&header, payload, &self.signing).map_err(Error::internal)
    }
}

/// Public keys, as a JWK set (RFC 7517).
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeySet {
    /// The keys, oldest first.
    #[schema(value_type = Vec<Object>)]
    pub keys: Vec<Box<RawValue>>,
}

/// Loads the newest key, and makes the first one where there is none.
///
/// # Errors
/// When the key was sealed under another master key.
pub fn load_or_make(conn: &mut Conn, master: &MasterKey, issuer: &str) -> Result<AgreementKey> {
    // Replicas that start together must not each make a key.
    lock_ledger(conn)?;
    let of_agreements = signing_keys::table.filter(signing_keys::purpose.eq(AGREEMENTS));
    let newest = of_agreements.order((signing_keys::created_at.desc(), signing_keys::kid.desc()));
    let row = match newest.select(KeyRow::as_select()).first(conn).optional()? {
        Some(row) => row,
        None => make(conn, master, AGREEMENTS, None)?,
    };
    let private = master.open(&label(&row.kid), &row.sealed_private)?;
    Ok(AgreementKey { signing: EncodingKey::from_ed_der(&private), issuer: issuer.to_owned(), kid: row.kid })
}

/// Makes a new key, which signs from the next start on; those before it stay published. Answers its name.
///
/// # Errors
/// When the database does not take it.
pub fn rotate(conn: &mut Conn, master: &MasterKey, actor: &str) -> Result<String> {
    lock_ledger(conn)?;
    let row = make(conn, master, AGREEMENTS, None)?;
    ledger::append(conn, Kind::KeysRotated, actor, &format!("key:{}", row.kid), &json!({ "purpose": AGREEMENTS }))?;
    Ok(row.kid)
}

/// The public halves of all keys that ever countersigned.
///
/// # Errors
/// When the database does not answer.
pub fn published(conn: &mut Conn) -> Result<KeySet> {
    let of_agreements = signing_keys::table.filter(signing_keys::purpose.eq(AGREEMENTS));
    let texts: Vec<String> =
        of_agreements.order((signing_keys::created_at, signing_keys::kid)).select(signing_keys::public_jwk_json).load(conn)?;
    key_set(texts)
}

/// The public half of one of them.
///
/// # Errors
/// When there is none of that name.
pub fn published_one(conn: &mut Conn, kid: &str) -> Result<KeySet> {
    let of_agreements = signing_keys::table.filter(signing_keys::purpose.eq(AGREEMENTS).and(signing_keys::kid.eq(kid)));
    let text: Option<String> = of_agreements.select(signing_keys::public_jwk_json).first(conn).optional()?;
    key_set(vec![text.ok_or_else(|| Error::not_found("key of agreements", kid))?])
}

fn key_set(texts: Vec<String>) -> Result<KeySet> {
    Ok(KeySet { keys: texts.into_iter().map(RawValue::from_string).collect::<Result<_, _>>()? })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::db::Db;
    use crate::identity::jwk::{self, PublicKey};

    #[test]
    fn the_newest_key_signs_and_all_stay_published() {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(&format!("sqlite:{}", dir.path().join("test.sqlite").display())).unwrap();
        let master = MasterKey::from_hex(&"07".repeat(32)).unwrap();
        let load = || db.write_now(|conn| load_or_make(conn, &master, "https://open.example")).unwrap();
        let first = load();
        assert_eq!(load().kid(), first.kid(), "a second start keeps the key");
        let signed = first.sign(&json!({ "iss": first.issuer() })).unwrap();
        let second = db.write_now(|conn| rotate(conn, &master, "service")).unwrap();
        assert_eq!(load().kid(), second);
        assert_ne!(first.kid(), second);

        let keys = db.read_now(published).unwrap().keys;
        let keys: Vec<Value> = keys.iter().map(|key| serde_json::from_str(key.get()).unwrap()).collect();
        assert_eq!(keys.iter().map(|key| key["kid"].as_str().unwrap()).collect::<Vec<_>>(), [first.kid(), second.as_str()]);
        let kid = jwk::key_id("", &signed).unwrap();
        let key = PublicKey::parse("", keys.iter().find(|key| key["kid"] == kid).unwrap()).unwrap();
        assert_eq!(key.thumbprint(), kid);
        assert_eq!(key.verify_attached("", &signed, COUNTERSIGNATURE).unwrap(), br#"{"iss":"https://open.example"}"#);
        key.verify_attached("", &signed, "at+jwt").unwrap_err();
        let other = PublicKey::parse("", &keys[1]).unwrap();
        other.verify_attached("", &signed, COUNTERSIGNATURE).unwrap_err();
        // Keys for tokens are none of them.
        let tokens = db.write_now(|conn| super::super::KeyRing::load_or_make(conn, &master)).unwrap();
        let kid = tokens.signing().unwrap().0;
        assert!(db.read_now(|conn| published_one(conn, kid)).is_err());
        assert!(tokens.verifying(first.kid()).is_none());
    }
}
