//! Proofs of possession (DPoP, RFC 9449): a token is bound to a key of the client's, and each request shows that it has the private half.

use serde::Deserialize;
use serde_json::Value;

use super::jwk::{self, PublicKey};
use super::once;
use crate::clock::now;
use crate::crypto::{base64url, sha256};
use crate::db::Conn;
use crate::error::Result;

/// How old a proof may be, and how far ahead the client's clock may be.
const SECONDS: i64 = 60;

/// The longest `jti` that is remembered.
const MAX_JTI: usize = 256;

/// A proof that holds for one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Possession {
    /// The thumbprint of the key (RFC 7638), which a token names in `cnf`.
    pub jkt: String,
    jti: String,
}

#[derive(Deserialize)]
struct Claims {
    jti: String,
    htm: String,
    htu: String,
    iat: f64,
    #[serde(default)]
    ath: Option<String>,
}

/// What the proof has to be for.
#[derive(Debug, Clone, Copy)]
pub struct Demand<'a> {
    /// The method of the request.
    pub method: &'a str,
    /// Its address, without query and fragment.
    pub address: &'a str,
    /// The access token beside it; `None` at the token endpoint.
    pub token: Option<&'a str>,
}

/// Checks a proof: its form, its signature by the key within it, and that it was made for this request, now. That it is not used
/// twice is for [`remember`].
///
/// # Errors
/// Says what is wrong with it.
pub fn check(proof: &str, demand: Demand<'_>) -> std::result::Result<Possession, String> {
    let (header, _) = jwk::unchecked("", proof).map_err(|_any| "the DPoP header is no JWT")?;
    if header.get("typ").and_then(Value::as_str) != Some("dpop+jwt") {
        return Err("the proof's typ must be dpop+jwt".to_owned());
    }
    if header.get("crit").is_some() {
        return Err("the proof's header names critical extensions (crit), and none is supported".to_owned());
    }
    let jwk = header.get("jwk").ok_or("the proof's header has no jwk")?;
    let key = PublicKey::parse("jwk", jwk).map_err(|wrong| format!("the proof's jwk: {wrong}"))?;
    let (_, claims) = key.verify_jwt("the proof", proof).map_err(|wrong| wrong.to_string())?;
    let claims: Claims = serde_json::from_value(claims).map_err(|_any| "a claim of jti, htm, htu, iat is missing from the proof")?;
    if claims.htm != demand.method {
        return Err(format!("the proof's htm must be {}", demand.method));
    }
    if !same_address(&claims.htu, demand.address) {
        return Err(format!("the proof's htu must be {}", demand.address));
    }
    let age = now().timestamp() as f64 - claims.iat;
    if !(-(SECONDS as f64)..=SECONDS as f64).contains(&age) {
        return Err(format!("the proof's iat must be within {SECONDS} s from now"));
    }
    if claims.jti.is_empty() || claims.jti.len() > MAX_JTI {
        return Err(format!("the proof's jti must be 1 to {MAX_JTI} bytes long"));
    }
    let hash = demand.token.map(|token| base64url(&sha256(token.as_bytes())));
    if hash.is_some() && claims.ath != hash {
        return Err("the proof's ath must be the SHA-256 of the access token, in base64url".to_owned());
    }
    Ok(Possession { jkt: key.thumbprint(), jti: claims.jti })
}

/// Whether two addresses are the same without query and fragment, by scheme, host, port and path (RFC 9449 §4.3).
fn same_address(one: &str, other: &str) -> bool {
    let parsed = |text: &str| {
        let mut address = url::Url::parse(text).ok()?;
        address.set_query(None);
        address.set_fragment(None);
        Some(address)
    };
    match (parsed(one), parsed(other)) {
        (Some(one), Some(other)) => one == other,
        _ => false,
    }
}

/// Writes down that a proof was used; `false` when it was used before.
///
/// # Errors
/// When the database does not answer.
pub fn remember(conn: &mut Conn, proof: &Possession) -> Result<bool> {
    // As long as a proof of now could be valid, and one whose clock was ahead.
    let until = now() + chrono::Duration::seconds(2 * SECONDS + 1);
    once::remember(conn, &format!("dpop\n{}\n{}", proof.jkt, proof.jti), until)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_compared_without_query_and_by_their_parts() {
        for (one, other, same) in [
            ("https://a.example/x", "https://a.example/x", true),
            ("https://a.example/x?y=1#z", "https://a.example/x", true),
            ("https://a.example:443/x", "https://A.example/x", true),
            ("https://a.example/x/", "https://a.example/x", false),
            ("http://a.example/x", "https://a.example/x", false),
            ("https://a.example:8443/x", "https://a.example/x", false),
            ("https://b.example/x", "https://a.example/x", false),
            ("/x", "https://a.example/x", false),
        ] {
            assert_eq!(same_address(one, other), same, "{one} {other}");
        }
    }
}
