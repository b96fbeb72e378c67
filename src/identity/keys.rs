//! The service's signing keys: Ed25519, sealed at rest under the master key, published as JWKS (RFC 7517).

pub mod agreements;

use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::Ed25519KeyPair;
use chrono::{Duration, NaiveDateTime};
use diesel::prelude::*;
use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::signed_urls::LONGEST_SECONDS;
use super::tokens::ACCESS_TOKEN_SECONDS;
use crate::clock::now_naive;
use crate::crypto::{MasterKey, unbase64url};
use crate::db::schema::signing_keys;
use crate::db::{Conn, Db, lock_ledger};
use crate::error::{Error, Result};
use crate::ledger::note::{LogKey, Verifier};
use crate::ledger::{self, Follower, Kind};

/// What keys are for: signing tokens.
const TOKENS: &str = "tokens";

/// What keys are for: signing the ledger's checkpoints.
const LEDGER: &str = "ledger";

/// For how long whoever reads the published keys may keep them (`max-age` of the JWK set).
pub const PUBLISHED_SECONDS: i64 = 300;

/// The keys in use: one signs, all verify. Holds asymmetric keys only, so that publishing them gives nothing away.
pub struct KeyRing {
    /// Newest first.
    keys: Vec<Held>,
}

struct Held {
    kid: String,
    /// Of those that sign now or will.
    signing: Option<EncodingKey>,
    verifying: DecodingKey,
    published: Jwk,
    signs_from: NaiveDateTime,
    retires_at: Option<NaiveDateTime>,
}

impl Held {
    fn is_in_use(&self) -> bool {
        self.retires_at.is_none_or(|at| now_naive() < at)
    }
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
    signs_from: Option<NaiveDateTime>,
}

impl KeyRing {
    /// Loads the keys, and makes the first one where there is none.
    ///
    /// # Errors
    /// When a key was sealed under another master key.
    pub fn load_or_make(conn: &mut Conn, master: &MasterKey) -> Result<Self> {
        // Replicas that start together must not each make a key.
        lock_ledger(conn)?;
        if rows(conn)?.is_empty() {
            make(conn, master, TOKENS, None)?;
        }
        Self::load(conn, master)
    }

    /// Loads the keys.
    ///
    /// # Errors
    /// When a key was sealed under another master key.
    pub fn load(conn: &mut Conn, master: &MasterKey) -> Result<Self> {
        let (now, rows) = (now_naive(), rows(conn)?);
        let begun = |row: &KeyRow| row.signs_from.unwrap_or(row.created_at) <= now;
        // The private halves of those that only verify stay sealed.
        let signs = rows.iter().find(|row| begun(row)).or(rows.last()).map(|row| row.kid.clone());
        let held = |row: KeyRow| {
            let published: Jwk = serde_json::from_str(&row.public_jwk_json)?;
            let opened = !begun(&row) || signs.as_deref() == Some(row.kid.as_str());
            let private = opened.then(|| master.open(&label(&row.kid), &row.sealed_private)).transpose()?;
            Ok(Held {
                signing: private.map(|private| EncodingKey::from_ed_der(&private)),
                verifying: DecodingKey::from_jwk(&published).map_err(Error::internal)?,
                published,
                signs_from: row.signs_from.unwrap_or(row.created_at),
                retires_at: row.retired_at,
                kid: row.kid,
            })
        };
        Ok(KeyRing { keys: rows.into_iter().map(held).collect::<Result<Vec<_>>>()? })
    }

    /// The key that signs at this moment, with its name.
    ///
    /// # Errors
    /// When there is none.
    pub fn signing(&self) -> Result<(&str, &EncodingKey)> {
        let now = now_naive();
        let in_use = || self.keys.iter().filter(|key| key.is_in_use()).filter_map(|key| Some((key, key.signing.as_ref()?)));
        // A clock that was set back must not leave the service without a key.
        let key = in_use().find(|(key, _)| key.signs_from <= now).or_else(|| in_use().next_back());
        let (key, signing) = key.ok_or_else(|| Error::internal(anyhow::anyhow!("no key signs tokens at this moment")))?;
        Ok((&key.kid, signing))
    }

    /// The key of that name.
    pub fn verifying(&self, kid: &str) -> Option<&DecodingKey> {
        self.keys.iter().find(|key| key.kid == kid && key.is_in_use()).map(|key| &key.verifying)
    }

    /// Until when the key of that name verifies, in seconds since 1970; `None` without an end.
    pub fn until(&self, kid: &str) -> Option<i64> {
        self.keys.iter().find(|key| key.kid == kid)?.retires_at.map(|at| at.and_utc().timestamp())
    }

    /// The public halves, as a JWK set: also that of a key which will sign soon.
    pub fn jwks(&self) -> serde_json::Value {
        let published: Vec<&Jwk> = self.keys.iter().filter(|key| key.is_in_use()).map(|key| &key.published).collect();
        json!({ "keys": published })
    }
}

/// The keys of this process, loaded again when the ledger says that they were rotated.
pub struct Keys {
    master: MasterKey,
    ring: RwLock<(i64, Arc<KeyRing>)>,
}

impl Keys {
    /// Starts with these keys.
    pub fn new(master: MasterKey, ring: KeyRing) -> Self {
        // No mark is less than this one: the first request looks once more.
        Keys { master, ring: RwLock::new((-1, Arc::new(ring))) }
    }

    /// The keys at this moment.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn ring(&self, db: &Db, follower: &Follower) -> Result<Arc<KeyRing>> {
        // Read before the keys are: a rotation in between shows at the next request, by its mark.
        let mark = follower.marks(db).await?.keys;
        {
            let held = self.ring.read().unwrap_or_else(PoisonError::into_inner);
            if held.0 == mark {
                return Ok(Arc::clone(&held.1));
            }
        }
        let master = self.master.clone();
        let ring = Arc::new(db.read(move |conn| KeyRing::load(conn, &master)).await?);
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = (mark, Arc::clone(&ring));
        Ok(ring)
    }
}

/// What became of the keys.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Rotation {
    /// The name of the new key.
    pub kid: String,
    /// From when on it signs.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    pub signs_from: NaiveDateTime,
    /// Until when tokens of the keys before it are taken, and signed URLs that were made with them.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    pub others_until: NaiveDateTime,
}

/// Makes a new key for tokens. It is published at once, signs when whoever keeps the published keys knows it, and the keys before it verify
/// until the last token that they signed has ended, and the last signed URL that was made with one. In an emergency, when a private key may have leaked, it signs at once and every token of the others is over.
///
/// # Errors
/// When the database does not take it.
pub fn rotate(conn: &mut Conn, master: &MasterKey, actor: &str, emergency: bool) -> Result<Rotation> {
    lock_ledger(conn)?;
    let now = now_naive();
    let others_in_use = !rows(conn)?.is_empty();
    let (signs_from, others_until) = if emergency || !others_in_use {
        // Also by a clock that is behind this one.
        let past = now - Duration::seconds(PUBLISHED_SECONDS);
        (past, past)
    } else {
        // With a minute for clocks, and for what was read just before.
        let signs_from = now + Duration::seconds(PUBLISHED_SECONDS + 60);
        (signs_from, signs_from + Duration::seconds(ACCESS_TOKEN_SECONDS + LONGEST_SECONDS + 60))
    };
    let others = signing_keys::table.filter(signing_keys::purpose.eq(TOKENS));
    diesel::update(others.filter(signing_keys::retired_at.is_null().or(signing_keys::retired_at.gt(others_until))))
        .set(signing_keys::retired_at.eq(others_until))
        .execute(conn)?;
    let gone = signing_keys::table.filter(signing_keys::purpose.eq(TOKENS)).filter(signing_keys::retired_at.le(now));
    diesel::update(gone).set(signing_keys::sealed_private.eq(Vec::<u8>::new())).execute(conn)?;
    let row = make(conn, master, TOKENS, None)?;
    diesel::update(signing_keys::table.find(&row.kid)).set(signing_keys::signs_from.eq(signs_from)).execute(conn)?;
    let detail = json!({ "emergency": emergency });
    ledger::append(conn, Kind::KeysRotated, actor, &format!("key:{}", row.kid), &detail)?;
    Ok(Rotation { kid: row.kid, signs_from, others_until })
}

/// Whether tokens of the key of that name are taken.
///
/// # Errors
/// When the database does not answer.
pub fn is_in_use(conn: &mut Conn, kid: &str) -> Result<bool> {
    let in_use = signing_keys::retired_at.is_null().or(signing_keys::retired_at.gt(now_naive()));
    let known: i64 = signing_keys::table
        .filter(signing_keys::kid.eq(kid).and(signing_keys::purpose.eq(TOKENS)))
        .filter(in_use)
        .count()
        .get_result(conn)?;
    Ok(known > 0)
}

/// The keys for tokens, newest first, also those that are retired since: their end is a moment.
fn rows(conn: &mut Conn) -> Result<Vec<KeyRow>> {
    let of_tokens = signing_keys::table.filter(signing_keys::purpose.eq(TOKENS));
    let in_use = signing_keys::retired_at.is_null().or(signing_keys::retired_at.gt(now_naive()));
    Ok(of_tokens.filter(in_use).order((signing_keys::created_at.desc(), signing_keys::kid.desc())).load(conn)?)
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
        signs_from: None,
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
