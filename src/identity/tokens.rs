//! Tokens: OAuth 2 client credentials (RFC 6749 §4.4) proved by a signed assertion (RFC 7523) or a secret, and access tokens
//! as JWTs (RFC 9068) that may be bound to one grant (RFC 9396).

use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;
use jsonwebtoken::{Algorithm, Header, Validation, dangerous, decode, decode_header, encode};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::ClientIdentity;
use super::clients::{self, Client};
use super::jwk::PublicKey;
use super::keys::{self, KeyRing};
use super::once;
use crate::clock::now;
use crate::crypto::sha256_hex;
use crate::db::schema::ended_tokens;
use crate::db::{Conn, lock_ledger};
use crate::error::{Error, Result};
use crate::ledger::{self, Kind};

/// How long an access token lasts.
pub const ACCESS_TOKEN_SECONDS: i64 = 900;

/// How far clocks may differ.
const LEEWAY_SECONDS: u64 = 30;

/// The longest time that an assertion may be valid for.
const ASSERTION_SECONDS: i64 = 600;

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
#[expect(clippy::wildcard_enum_match_arm, reason = "the library may name more kinds of errors")]
pub fn verify_access(keys: &KeyRing, issuer: &str, token: &str) -> Result<AccessClaims> {
    let refused = || Error::Unauthenticated("the access token is not valid here".to_owned());
    let header = decode_header(token).map_err(|_malformed| refused())?;
    let typed =
        header.typ.as_deref().is_some_and(|typ| typ.eq_ignore_ascii_case("at+jwt") || typ.eq_ignore_ascii_case("application/at+jwt"));
    if !typed || header.crit.is_some() {
        return Err(refused());
    }
    let kid = header.kid.ok_or_else(refused)?;
    let key = keys.verifying(&kid).ok_or_else(refused)?;
    let mut validation = validation(Algorithm::EdDSA);
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
        return Err(Error::Unauthenticated("the access token was ended before its time; take a new one".to_owned()));
    }
    Ok(())
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

/// Ends a token of the client's own before its time (RFC 7009). One that is not valid, or another's, is left alone without a word.
///
/// # Errors
/// When the database does not answer.
pub fn end(conn: &mut Conn, keys: &KeyRing, issuer: &str, client: &Client, token: &str) -> Result<()> {
    lock_ledger(conn)?;
    let Ok(claims) = verify_access(keys, issuer, token) else { return Ok(()) };
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

fn validation(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.leeway = LEEWAY_SECONDS;
    validation.validate_nbf = true;
    validation
}

/// How a client proves itself at the token endpoint.
pub enum Proof {
    /// A JWT signed with its private key.
    Assertion {
        /// The JWT.
        assertion: String,
        /// The client that the request names beside it, which has to be the same (RFC 7521 §4.2).
        client_id: Option<String>,
    },
    /// Its id and secret.
    Secret(String, String),
}

#[derive(Deserialize)]
struct AssertionSubject {
    sub: String,
}

#[derive(Deserialize)]
struct AssertionClaims {
    iss: String,
    sub: String,
    jti: String,
    /// Seconds since 1970, perhaps with a fraction (RFC 7519 §2).
    exp: f64,
    #[serde(default)]
    iat: Option<f64>,
}

/// Works out which client it is. `audiences` are the names by which an assertion may address us.
///
/// A refusal is a value and not an error, so that its ledger entry stays.
///
/// # Errors
/// When the database does not answer.
pub fn authenticate(conn: &mut Conn, audiences: &[String], proof: &Proof) -> Result<std::result::Result<Client, String>> {
    let (claimed, outcome) = match proof {
        Proof::Secret(id, secret) => (id.clone(), check_secret(conn, id, secret)?),
        Proof::Assertion { assertion, client_id } => {
            let Ok(subject) = dangerous::insecure_decode_claims::<AssertionSubject>(assertion) else {
                return Ok(Err("client_assertion is not a JWT with the claim sub".to_owned()));
            };
            if client_id.as_ref().is_some_and(|id| *id != subject.sub) {
                return Ok(Err("client_id is not the sub of client_assertion".to_owned()));
            }
            let outcome = check_assertion(conn, audiences, &subject.sub, assertion)?;
            (subject.sub, outcome)
        }
    };
    if let Err(reason) = &outcome
        && clients::find(conn, &claimed).is_ok()
    {
        let detail = json!({ "reason": reason });
        ledger::append(conn, Kind::TokenRefused, "anonymous", &format!("client:{claimed}"), &detail)?;
    }
    Ok(outcome)
}

type Outcome = std::result::Result<Client, String>;

fn check_secret(conn: &mut Conn, id: &str, secret: &str) -> Result<Outcome> {
    let wrong = || Ok(Err("the client is unknown or the secret is wrong".to_owned()));
    let stored = clients::secret_sha256(conn, id)?;
    let given = sha256_hex(secret.as_bytes());
    // Digests of 256-bit random secrets: their comparison gives nothing away, and still takes the same time.
    let same = stored.is_some_and(|stored| aws_lc_rs::constant_time::verify_slices_are_equal(stored.as_bytes(), given.as_bytes()).is_ok());
    if !same {
        return wrong();
    }
    match clients::require_active(conn, id) {
        Ok(client) => Ok(Ok(client)),
        Err(Error::Unauthenticated(reason)) => Ok(Err(reason)),
        Err(other) => Err(other),
    }
}

fn check_assertion(conn: &mut Conn, audiences: &[String], id: &str, assertion: &str) -> Result<Outcome> {
    let client = match clients::require_active(conn, id) {
        Ok(client) => client,
        Err(Error::Unauthenticated(reason)) => return Ok(Err(reason)),
        Err(other) => return Err(other),
    };
    let Some(jwk) = &client.public_jwk else {
        return Ok(Err("this client proves itself by its secret".to_owned()));
    };
    let key = PublicKey::parse("", jwk)?;
    if decode_header(assertion).is_ok_and(|header| header.crit.is_some()) {
        return Ok(Err("client_assertion: its header names critical extensions (crit), and none is supported".to_owned()));
    }
    // The algorithm comes from the registered key, never from the assertion's header.
    let mut validation = validation(key.algorithm());
    validation.set_audience(audiences);
    validation.set_issuer(&[id]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let claims = match decode::<AssertionClaims>(assertion, &key.decoding_key()?, &validation) {
        Ok(data) => data.claims,
        Err(cause) => return Ok(Err(assertion_fault(&cause, &audiences[0]))),
    };
    if claims.iss != claims.sub {
        return Ok(Err("client_assertion: iss and sub must both be the client_id".to_owned()));
    }
    let at = now().timestamp() as f64;
    let leeway = LEEWAY_SECONDS as f64;
    if claims.exp > at + ASSERTION_SECONDS as f64 + leeway {
        return Ok(Err(format!("client_assertion: exp must lie within {ASSERTION_SECONDS} s from now")));
    }
    if claims.iat.is_some_and(|iat| iat > at + leeway) {
        return Ok(Err("client_assertion: iat lies in the future".to_owned()));
    }
    if !remember(conn, &client.id, &claims)? {
        return Ok(Err("client_assertion: this jti was used already; sign a new one for each request".to_owned()));
    }
    Ok(Ok(client))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the library may name more kinds of errors")]
fn assertion_fault(cause: &jsonwebtoken::errors::Error, audience: &str) -> String {
    use jsonwebtoken::errors::ErrorKind;
    match cause.kind() {
        ErrorKind::ExpiredSignature => "client_assertion has expired".to_owned(),
        ErrorKind::InvalidAudience => format!("client_assertion: aud must be `{audience}`"),
        ErrorKind::MissingRequiredClaim(claim) => format!("client_assertion: the claim `{claim}` is missing"),
        _ => "client_assertion is not signed with the client's registered key, or its claims iss, sub, aud, exp, jti are not right"
            .to_owned(),
    }
}

/// Writes down that an assertion was used; `false` when it was used before.
fn remember(conn: &mut Conn, client_id: &str, claims: &AssertionClaims) -> Result<bool> {
    let ends = DateTime::<Utc>::from_timestamp(claims.exp as i64 + 1, 0).unwrap_or_else(now);
    once::remember(conn, &format!("{client_id}\n{}", claims.jti), ends + Duration::seconds(LEEWAY_SECONDS as i64 + 1))
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
