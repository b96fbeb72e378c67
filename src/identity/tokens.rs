//! Tokens: OAuth 2 client credentials (RFC 6749 §4.4) proved by a signed assertion (RFC 7523) or a secret, and access tokens
//! as JWTs (RFC 9068) that may be bound to one grant (RFC 9396).

mod assertion;

use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;
use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header, encode};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::ClientIdentity;
use super::clients::Client;
use super::keys::{self, KeyRing};
use super::once;
use super::signed_urls::{LONGEST_SECONDS, SignedUrl};
use crate::clock::now;
use crate::db::schema::ended_tokens;
use crate::db::{Conn, lock_ledger};
use crate::error::{Error, Result};
use crate::ledger::{self, Kind};

pub use assertion::{Proof, PublishedKey, authenticate, registered_key, subject};

/// How long an access token lasts.
pub const ACCESS_TOKEN_SECONDS: i64 = 900;

/// How far clocks may differ.
const LEEWAY_SECONDS: u64 = 30;

/// With how much to spare a token counts for as long as a URL that was signed at its very end.
const MARGIN_SECONDS: i64 = 60;

/// The `type` of our authorization details (RFC 9396).
pub const GRANT_DETAIL: &str = "qingdan_grant";

/// One authorization detail: the token is for this grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthorizationDetail {
    /// `qingdan_grant`.
    #[serde(rename = "type")]
    pub detail_type: String,
    /// The grant's id.
    pub grant: String,
    /// The dataset's slug; answered by us, and checked when it is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
}

/// What an access token says (RFC 9068 §2.2).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AccessClaims {
    iss: String,
    aud: String,
    sub: String,
    /// The client.
    pub client_id: String,
    /// Its firm.
    pub firm: String,
    /// The token's own name.
    pub jti: String,
    iat: i64,
    /// When it ends, in seconds since 1970.
    pub exp: i64,
    /// The grant that it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_details: Option<Vec<AuthorizationDetail>>,
    /// The key to which it is bound (RFC 9449 §6.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cnf: Option<Confirmation>,
    /// The key that signed it, by its header.
    #[serde(skip)]
    pub kid: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Confirmation {
    jkt: String,
}

impl AccessClaims {
    /// The thumbprint of the key to which it is bound.
    pub fn jkt(&self) -> Option<&str> {
        self.cnf.as_ref().map(|confirmation| confirmation.jkt.as_str())
    }

    /// The grant that it is for.
    pub fn grant(&self) -> Option<&str> {
        self.authorization_details.as_ref().and_then(|details| details.first()).map(|detail| detail.grant.as_str())
    }

    /// When it was issued, in seconds since 1970.
    pub fn issued_at(&self) -> i64 {
        self.iat
    }
}

/// A new access token.
pub struct AccessToken {
    /// The JWT.
    pub token: String,
    /// What it is for.
    pub authorization_details: Option<Vec<AuthorizationDetail>>,
}

/// Makes an access token.
///
/// # Errors
/// When signing or writing fails.
pub fn issue(
    conn: &mut Conn,
    keys: &KeyRing,
    issuer: &str,
    client: &Client,
    detail: Option<AuthorizationDetail>,
    jkt: Option<String>,
) -> Result<AccessToken> {
    // Tokens of before the moment from which they hold are over: this one is of after it.
    let at = now().timestamp().max(client.tokens_from.map_or(0, |from| from.and_utc().timestamp()));
    let (kid, key) = keys.signing()?;
    let claims = AccessClaims {
        iss: issuer.to_owned(),
        aud: issuer.to_owned(),
        sub: client.id.clone(),
        client_id: client.id.clone(),
        firm: client.firm_id.clone(),
        jti: uuid::Uuid::now_v7().to_string(),
        iat: at,
        exp: at + ACCESS_TOKEN_SECONDS,
        authorization_details: detail.map(|detail| vec![detail]),
        cnf: jkt.map(|jkt| Confirmation { jkt }),
        kid: kid.to_owned(),
    };
    let mut header = Header::new(Algorithm::EdDSA);
    header.typ = Some("at+jwt".to_owned());
    header.kid = Some(kid.to_owned());
    let token = encode(&header, &claims, key).map_err(Error::internal)?;
    let detail = json!({ "jti": claims.jti, "grant": claims.grant(), "bound": claims.cnf.is_some() });
    ledger::append(conn, Kind::TokenIssued, &format!("client:{}", client.id), &format!("client:{}", client.id), &detail)?;
    Ok(AccessToken { token, authorization_details: claims.authorization_details })
}

/// Checks an access token: signature, type, issuer, audience, times. Whether its client may still act is another question.
///
/// # Errors
/// When anything about it is wrong; the answer never says what, beyond "expired".
pub fn verify_access(keys: &KeyRing, issuer: &str, token: &str) -> Result<AccessClaims> {
    verify_until(keys, issuer, token, 0)
}

/// The same, also for a token that expired up to `expired` seconds ago.
#[expect(clippy::wildcard_enum_match_arm, reason = "the library may name more kinds of errors")]
fn verify_until(keys: &KeyRing, issuer: &str, token: &str, expired: i64) -> Result<AccessClaims> {
    let refused = || Error::Unauthenticated("the access token is not valid here".to_owned());
    let header = decode_header(token).map_err(|_malformed| refused())?;
    let typed =
        header.typ.as_deref().is_some_and(|typ| typ.eq_ignore_ascii_case("at+jwt") || typ.eq_ignore_ascii_case("application/at+jwt"));
    if !typed || header.crit.is_some() {
        return Err(refused());
    }
    let kid = header.kid.ok_or_else(refused)?;
    let key = keys.verifying(&kid).ok_or_else(refused)?;
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.leeway = LEEWAY_SECONDS + expired.unsigned_abs();
    validation.validate_nbf = true;
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[issuer]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let claims = decode::<AccessClaims>(token, key, &validation)
        .map_err(|cause| match cause.kind() {
            jsonwebtoken::errors::ErrorKind::ExpiredSignature => {
                Error::Unauthenticated("the access token has expired; take a new one".to_owned())
            }
            _ => refused(),
        })?
        .claims;
    // None of ours lasts longer.
    let too_long = claims.exp - claims.iat > ACCESS_TOKEN_SECONDS;
    if too_long || claims.iat > now().timestamp() + LEEWAY_SECONDS as i64 || claims.sub != claims.client_id {
        return Err(refused());
    }
    Ok(AccessClaims { kid, ..claims })
}

/// Checks that a token which was valid when it came still is: neither it nor all of its client's were ended, and its key is in use.
///
/// # Errors
/// When it is over.
pub fn require_held(conn: &mut Conn, client: &Client, token: &ClientIdentity) -> Result<()> {
    if is_ended(conn, client, &token.jti, token.issued_at)? || !keys::is_in_use(conn, &token.kid)? {
        return Err(if token.signed_url.is_some() { SignedUrl::ended() } else { ended() });
    }
    Ok(())
}

/// What is said of a token that was ended before its time.
pub(super) fn ended() -> Error {
    Error::Unauthenticated("the access token was ended before its time; take a new one".to_owned())
}

/// Whether a token that is valid by itself was ended before its time, with its own name or with all of its client's.
///
/// # Errors
/// When the database does not answer.
pub fn is_ended(conn: &mut Conn, client: &Client, jti: &str, issued_at: i64) -> Result<bool> {
    if client.tokens_from.is_some_and(|from| issued_at < from.and_utc().timestamp()) {
        return Ok(true);
    }
    let ended: i64 = ended_tokens::table.find(jti).count().get_result(conn)?;
    Ok(ended > 0)
}

/// Ends a token of the client's own before its time (RFC 7009), and the signed URLs that were made with it. These may outlast it, so that
/// one which has expired is ended too for as long as they may. One that is not valid, or another's, is left alone without a word.
///
/// # Errors
/// When the database does not answer.
pub fn end(conn: &mut Conn, keys: &KeyRing, issuer: &str, client: &Client, token: &str) -> Result<()> {
    lock_ledger(conn)?;
    let Ok(claims) = verify_until(keys, issuer, token, LONGEST_SECONDS + MARGIN_SECONDS) else { return Ok(()) };
    if claims.client_id != client.id || is_ended(conn, client, &claims.jti, claims.iat)? {
        return Ok(());
    }
    // An answer that was begun with it may take longer than the token lasts.
    let until = DateTime::<Utc>::from_timestamp(claims.exp, 0).unwrap_or_else(now) + Duration::days(2);
    diesel::insert_into(ended_tokens::table)
        .values((ended_tokens::jti.eq(&claims.jti), ended_tokens::expires_at.eq(until.naive_utc())))
        .execute(conn)?;
    let subject = format!("client:{}", client.id);
    ledger::append(conn, Kind::TokenRevoked, &subject, &subject, &json!({ "jti": claims.jti, "grant": claims.grant() }))?;
    Ok(())
}

/// Forgets assertions, proofs and ended tokens whose time is over.
///
/// # Errors
/// When the database does not answer.
pub fn forget_expired(conn: &mut Conn) -> Result<()> {
    once::forget_expired(conn)?;
    diesel::delete(ended_tokens::table.filter(ended_tokens::expires_at.lt(now().naive_utc()))).execute(conn)?;
    Ok(())
}
