//! How a client proves itself at the endpoints for clients: by an assertion signed with its key (RFC 7523), or by its secret.

use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};

use super::LEEWAY_SECONDS;
use crate::clock::now;
use crate::crypto::sha256_hex;
use crate::db::Conn;
use crate::error::{Error, Result};
use crate::identity::clients::{self, Client};
use crate::identity::jwk::{self, PublicKey};
use crate::identity::once;
use crate::ledger::{self, Kind};

/// The longest time that an assertion may be valid for.
const ASSERTION_SECONDS: i64 = 600;

/// A key that was looked for where a client publishes its keys, or why it was not found, in words for the client.
pub type PublishedKey = std::result::Result<PublicKey, String>;

/// How a client proves itself at the token endpoint.
pub enum Proof {
    /// A JWT signed with its private key.
    Assertion {
        /// The JWT.
        assertion: String,
        /// The client that the request names beside it, which has to be the same (RFC 7521 §4.2).
        client_id: Option<String>,
        /// The key of a client that publishes its keys, as it was found there; or why there is none.
        published: Option<PublishedKey>,
    },
    /// Its id and secret.
    Secret(String, String),
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
        Proof::Assertion { assertion, client_id, published } => {
            let Some(subject) = subject(assertion) else {
                return Ok(Err("client_assertion is not a JWT with the claim sub".to_owned()));
            };
            if client_id.as_ref().is_some_and(|id| *id != subject) {
                return Ok(Err("client_id is not the sub of client_assertion".to_owned()));
            }
            let outcome = check_assertion(conn, audiences, &subject, assertion, published.as_ref())?;
            (subject, outcome)
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

/// The key with which a client has to have signed.
///
/// # Errors
/// When the stored key cannot be read.
pub fn registered_key(client: &Client, published: Option<&PublishedKey>) -> Result<PublishedKey> {
    match (&client.public_jwk, &client.jwks_uri, published) {
        (Some(jwk), _, _) => Ok(Ok(PublicKey::parse("", jwk)?)),
        (None, Some(_), Some(found)) => Ok(found.clone()),
        (None, Some(_), None) => Ok(Err("the client has changed at this moment; send it again".to_owned())),
        (None, None, _) => Ok(Err("this client has a secret and no key".to_owned())),
    }
}

/// The client that an assertion speaks of; whether it is by that client is another question.
pub fn subject(assertion: &str) -> Option<String> {
    let (_, claims) = jwk::unchecked("", assertion).ok()?;
    claims.get("sub").and_then(Value::as_str).map(str::to_owned)
}

/// What is said of an assertion whose signature does not hold.
const NOT_RIGHT: &str = "client_assertion is not signed with the client's registered key, by the algorithm of that key";

fn check_assertion(conn: &mut Conn, audiences: &[String], id: &str, assertion: &str, published: Option<&PublishedKey>) -> Result<Outcome> {
    let client = match clients::require_active(conn, id) {
        Ok(client) => client,
        Err(Error::Unauthenticated(reason)) => return Ok(Err(reason)),
        Err(other) => return Err(other),
    };
    let key = match registered_key(&client, published)? {
        Ok(key) => key,
        Err(reason) => return Ok(Err(format!("client_assertion: {reason}"))),
    };
    if jwk::unchecked("", assertion).is_ok_and(|(header, _)| header.get("crit").is_some()) {
        return Ok(Err("client_assertion: its header names critical extensions (crit), and none is supported".to_owned()));
    }
    // The algorithm comes from the registered key, never from the assertion's header.
    let Ok((_, claims)) = key.verify_jwt("", assertion) else { return Ok(Err(NOT_RIGHT.to_owned())) };
    let claims = match Claims::check(&claims, audiences, id) {
        Ok(claims) => claims,
        Err(reason) => return Ok(Err(format!("client_assertion: {reason}"))),
    };
    if !remember(conn, &client.id, &claims)? {
        return Ok(Err("client_assertion: this jti was used already; sign a new one for each request".to_owned()));
    }
    Ok(Ok(client))
}

/// What remains of an assertion that was checked.
struct Claims {
    jti: String,
    exp: f64,
}

impl Claims {
    /// Checks that an assertion was made for us, by this client, for now. Moments are seconds since 1970, perhaps with a fraction (RFC 7519 §2).
    fn check(claims: &Value, audiences: &[String], id: &str) -> std::result::Result<Self, String> {
        if let Some(missing) = ["iss", "sub", "aud", "exp"].into_iter().find(|name| claims.get(name).is_none_or(Value::is_null)) {
            return Err(format!("the claim `{missing}` is missing"));
        }
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let moment = |name: &str| match claims.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value.as_f64().map(Some).ok_or_else(|| format!("{name} must be a number: seconds since 1970")),
        };
        let (at, leeway) = (now().timestamp() as f64, LEEWAY_SECONDS as f64);
        let exp = moment("exp")?.unwrap_or_default();
        if exp < at - leeway {
            return Err("it has expired".to_owned());
        }
        if exp > at + ASSERTION_SECONDS as f64 + leeway {
            return Err(format!("exp must lie within {ASSERTION_SECONDS} s from now"));
        }
        for name in ["nbf", "iat"] {
            if moment(name)?.is_some_and(|moment| moment > at + leeway) {
                return Err(format!("{name} lies in the future"));
            }
        }
        // One name, or a list of them.
        let named: Vec<&str> = match claims["aud"].as_array() {
            Some(names) => names.iter().filter_map(Value::as_str).collect(),
            None => claims["aud"].as_str().into_iter().collect(),
        };
        if !named.iter().any(|name| audiences.iter().any(|ours| ours == name)) {
            return Err(format!("aud must be `{}`", audiences.first().map_or("", String::as_str)));
        }
        if text("iss") != Some(id) || text("sub") != Some(id) {
            return Err("its claims iss, sub must both be the client_id".to_owned());
        }
        let jti = text("jti").filter(|jti| !jti.is_empty()).ok_or("the claim `jti` is missing; make a new one for each request")?;
        Ok(Claims { jti: jti.to_owned(), exp })
    }
}

/// Writes down that an assertion was used; `false` when it was used before.
fn remember(conn: &mut Conn, client_id: &str, claims: &Claims) -> Result<bool> {
    let ends = DateTime::<Utc>::from_timestamp(claims.exp as i64 + 1, 0).unwrap_or_else(now);
    once::remember(conn, &format!("{client_id}\n{}", claims.jti), ends + Duration::seconds(LEEWAY_SECONDS as i64 + 1))
}
