//! The service's signing keys: Ed25519, sealed at rest under the master key, published as JWKS (RFC 7517).

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::Ed25519KeyPair;
use chrono::NaiveDateTime;
use diesel::prelude::*;
use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use serde_json::json;

use crate::clock::now_naive;
use crate::crypto::{MasterKey, unbase64url};
use crate::db::schema::signing_keys;
use crate::db::{Conn, lock_ledger};
use crate::error::{Error, Result};
use crate::ledger::note::{LogKey, Verifier};
use crate::ledger::{self, Kind};

/// What keys are for: signing tokens.
const TOKENS: &str = "tokens";

/// What keys are for: signing the ledger's checkpoints.
const LEDGER: &str = "ledger";

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
    purpose: String,
}

impl KeyRing {
    /// Loads the keys, and makes the first one where there is none.
    ///
    /// # Errors
    /// When a key was sealed under another master key.
    pub fn load(conn: &mut Conn, master: &MasterKey) -> Result<Self> {
        // Replicas that start together must not each make a key.
        lock_ledger(conn)?;
        let mut rows: Vec<KeyRow> = signing_keys::table
            .filter(signing_keys::retired_at.is_null().and(signing_keys::purpose.eq(TOKENS)))
            .order(signing_keys::created_at.desc())
            .load(conn)?;
        if rows.is_empty() {
            rows.push(make(conn, master, TOKENS, None)?);
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

/// The key that signs the ledger's checkpoints, made at the first start. Its name stays the ledger's own, whatever becomes of the service's address.
///
/// # Errors
/// When the key was sealed under another master key.
pub fn log_key(conn: &mut Conn, master: &MasterKey, issuer: &str) -> Result<LogKey> {
    lock_ledger(conn)?;
    let known: Option<KeyRow> = signing_keys::table.filter(signing_keys::purpose.eq(LEDGER)).first(conn).optional()?;
    let row = match known {
        Some(row) => row,
        None => {
            let host = issuer.split_once("://").map_or(issuer, |(_, host)| host);
            // Names of keys have neither spaces nor plus signs.
            let host: String =
                host.chars().map(|sign| if sign.is_ascii_alphanumeric() || ".-:[]/".contains(sign) { sign } else { '-' }).collect();
            make(conn, master, LEDGER, Some(format!("{host}/ledger")))?
        }
    };
    LogKey::new(&row.kid, &master.open(&label(&row.kid), &row.sealed_private)?)
}

/// The public half of the key that signs the ledger's checkpoints; `None` before the first start.
///
/// # Errors
/// When the database does not answer.
pub fn log_verifier(conn: &mut Conn) -> Result<Option<Verifier>> {
    let row: Option<KeyRow> = signing_keys::table.filter(signing_keys::purpose.eq(LEDGER)).first(conn).optional()?;
    let Some(row) = row else { return Ok(None) };
    let jwk: serde_json::Value = serde_json::from_str(&row.public_jwk_json)?;
    let public = jwk["x"].as_str().and_then(unbase64url);
    let verifier = public.and_then(|public| Verifier::new(&row.kid, &public));
    Ok(Some(verifier.ok_or_else(|| Error::internal(anyhow::anyhow!("the ledger's public key is none of Ed25519")))?))
}

fn make(conn: &mut Conn, master: &MasterKey, purpose: &str, name: Option<String>) -> Result<KeyRow> {
    let pair =
        Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).map_err(|_unspecified| Error::internal(anyhow::anyhow!("no new key")))?;
    let encoding = EncodingKey::from_ed_der(pair.as_ref());
    let mut jwk = Jwk::from_encoding_key(&encoding, Algorithm::EdDSA).map_err(Error::internal)?;
    let thumbprint = jwk.thumbprint(ThumbprintHash::SHA256).map_err(Error::internal)?;
    let kid = name.unwrap_or_else(|| thumbprint.clone());
    jwk.common.key_id = Some(kid.clone());
    jwk.common.public_key_use = Some(PublicKeyUse::Signature);
    let row = KeyRow {
        sealed_private: master.seal(&label(&kid), pair.as_ref())?,
        public_jwk_json: serde_json::to_string(&jwk)?,
        created_at: now_naive(),
        // It never signs tokens, whatever program looks for a key that does.
        retired_at: (purpose != TOKENS).then(now_naive),
        purpose: purpose.to_owned(),
        kid,
    };
    diesel::insert_into(signing_keys::table).values(&row).execute(conn)?;
    ledger::append(
        conn,
        Kind::ServiceInitialized,
        "service",
        &format!("key:{thumbprint}"),
        &json!({ "alg": "EdDSA", "purpose": purpose }),
    )?;
    Ok(row)
}
