//! The service's signing keys: Ed25519, sealed at rest under the master key, published as JWKS (RFC 7517).

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::Ed25519KeyPair;
use chrono::NaiveDateTime;
use diesel::prelude::*;
use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use serde_json::json;

use crate::clock::now_naive;
use crate::crypto::MasterKey;
use crate::db::schema::signing_keys;
use crate::db::{Conn, lock_ledger};
use crate::error::{Error, Result};
use crate::ledger::{self, Kind};

/// The keys in use: one signs, all verify. Holds asymmetric keys only, so that publishing them gives nothing away.
pub struct KeyRing {
    signing: EncodingKey,
    /// The name of the signing key.
    pub kid: String,
    verifying: Vec<(String, DecodingKey)>,
    /// The public halves, as a JWK set.
    pub jwks: serde_json::Value,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = signing_keys)]
struct KeyRow {
    kid: String,
    sealed_private: Vec<u8>,
    public_jwk_json: String,
    created_at: NaiveDateTime,
    retired_at: Option<NaiveDateTime>,
}

impl KeyRing {
    /// Loads the keys, and makes the first one where there is none.
    ///
    /// # Errors
    /// When a key was sealed under another master key.
    pub fn load(conn: &mut Conn, master: &MasterKey) -> Result<Self> {
        // Replicas that start together must not each make a key.
        lock_ledger(conn)?;
        let mut rows: Vec<KeyRow> =
            signing_keys::table.filter(signing_keys::retired_at.is_null()).order(signing_keys::created_at.desc()).load(conn)?;
        if rows.is_empty() {
            rows.push(make(conn, master)?);
        }
        let newest = &rows[0];
        let private = master.open(&label(&newest.kid), &newest.sealed_private)?;
        let mut verifying = Vec::new();
        let mut published = Vec::new();
        for row in &rows {
            let jwk: Jwk = serde_json::from_str(&row.public_jwk_json)?;
            verifying.push((row.kid.clone(), DecodingKey::from_jwk(&jwk).map_err(Error::internal)?));
            published.push(jwk);
        }
        let kid = newest.kid.clone();
        Ok(KeyRing { signing: EncodingKey::from_ed_der(&private), kid, verifying, jwks: json!({ "keys": published }) })
    }

    /// The key that signs.
    pub fn signing(&self) -> &EncodingKey {
        &self.signing
    }

    /// The key of that name.
    pub fn verifying(&self, kid: &str) -> Option<&DecodingKey> {
        self.verifying.iter().find(|(known, _)| known == kid).map(|(_, key)| key)
    }
}

fn label(kid: &str) -> String {
    format!("signing-key:{kid}")
}

fn make(conn: &mut Conn, master: &MasterKey) -> Result<KeyRow> {
    let pair =
        Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).map_err(|_unspecified| Error::internal(anyhow::anyhow!("no new key")))?;
    let encoding = EncodingKey::from_ed_der(pair.as_ref());
    let mut jwk = Jwk::from_encoding_key(&encoding, Algorithm::EdDSA).map_err(Error::internal)?;
    let kid = jwk.thumbprint(ThumbprintHash::SHA256).map_err(Error::internal)?;
    jwk.common.key_id = Some(kid.clone());
    jwk.common.public_key_use = Some(PublicKeyUse::Signature);
    let row = KeyRow {
        sealed_private: master.seal(&label(&kid), pair.as_ref())?,
        public_jwk_json: serde_json::to_string(&jwk)?,
        created_at: now_naive(),
        retired_at: None,
        kid,
    };
    diesel::insert_into(signing_keys::table).values(&row).execute(conn)?;
    ledger::append(conn, Kind::ServiceInitialized, "service", &format!("key:{}", row.kid), &json!({ "alg": "EdDSA" }))?;
    Ok(row)
}
