//! The key sets that clients publish at an address of their own (`jwks_uri`, RFC 7591), as they were seen last. The fetching is `app`'s; here
//! is what a set may hold, and that a changed one is written down.

use std::collections::BTreeSet;

use chrono::NaiveDateTime;
use diesel::prelude::*;
use serde_json::{Value, json};

use super::jwk::PublicKey;
use crate::clock::now_naive;
use crate::db::schema::client_key_sets;
use crate::db::{Conn, lock_ledger};
use crate::error::Result;
use crate::ledger::{self, Kind};

/// The most keys of a set.
const MAX_KEYS: usize = 20;

/// The longest name of a key.
const MAX_KID: usize = 256;

/// The public keys of a client, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySet {
    keys: Vec<(String, PublicKey)>,
}

impl KeySet {
    /// Reads a JWK set (RFC 7517). Keys of other kinds and for other uses are left out; a private or a symmetric key, or a name that stands
    /// twice, spoils the whole set: then something is wrong that its owner must know of.
    ///
    /// # Errors
    /// Says what is wrong, without repeating anything of it.
    pub fn parse(bytes: &[u8]) -> std::result::Result<Self, String> {
        let set: Value = serde_json::from_slice(bytes).map_err(|_cause| "it is no JSON".to_owned())?;
        let listed = set.get("keys").and_then(Value::as_array).ok_or("it has no array `keys`")?;
        if listed.len() > MAX_KEYS {
            return Err(format!("it has more than {MAX_KEYS} keys"));
        }
        let mut keys: Vec<(String, PublicKey)> = Vec::new();
        let mut names = BTreeSet::new();
        for (at, jwk) in listed.iter().enumerate() {
            let pointer = format!("/keys/{at}");
            if jwk.get("kty").and_then(Value::as_str) == Some("oct") || PublicKey::private_member(jwk).is_some() {
                return Err(format!("{pointer} is a private or symmetric key; take it away, and make a new one: everybody could read it"));
            }
            let named = match jwk.get("kid") {
                None => None,
                Some(kid) => Some(
                    kid.as_str()
                        .filter(|kid| (1..=MAX_KID).contains(&kid.len()))
                        .ok_or(format!("{pointer}/kid must be a text of 1 to {MAX_KID} bytes"))?,
                ),
            };
            let Some(key) = usable(&pointer, jwk)? else { continue };
            let name = named.map_or_else(|| key.thumbprint(), str::to_owned);
            if !names.insert(name.clone()) {
                return Err(format!("{pointer}/kid stands twice"));
            }
            keys.push((name, key));
        }
        if keys.is_empty() { Err("it has no Ed25519 or P-256 key for signatures".to_owned()) } else { Ok(KeySet { keys }) }
    }

    /// The key of that name. Without a name: the only key, where there is no more than one.
    pub fn find(&self, kid: Option<&str>) -> Option<&PublicKey> {
        match kid {
            Some(kid) => self.keys.iter().find(|(name, _)| name == kid).map(|(_, key)| key),
            None => <&[_; 1]>::try_from(self.keys.as_slice()).ok().map(|[(_, key)]| key),
        }
    }

    fn thumbprints(&self) -> BTreeSet<String> {
        self.keys.iter().map(|(_, key)| key.thumbprint()).collect()
    }

    fn to_json(&self) -> Value {
        let jwk = |(name, key): &(String, PublicKey)| {
            let mut jwk = key.to_jwk();
            jwk["kid"] = name.as_str().into();
            jwk
        };
        json!({ "keys": self.keys.iter().map(jwk).collect::<Vec<_>>() })
    }
}

/// The key, where it is of a kind that is taken, and for signatures.
fn usable(pointer: &str, jwk: &Value) -> std::result::Result<Option<PublicKey>, String> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    let taken = matches!((text("kty"), text("crv")), (Some("OKP"), Some("Ed25519")) | (Some("EC"), Some("P-256")));
    let operations = jwk.get("key_ops").and_then(Value::as_array);
    let signs = text("use").is_none_or(|usage| usage == "sig") && operations.is_none_or(|named| named.iter().any(|name| name == "verify"));
    if !taken || !signs {
        return Ok(None);
    }
    let key = PublicKey::parse(pointer, jwk).map_err(|wrong| wrong.to_string())?;
    let named = text("alg");
    Ok(Some(key).filter(|key| named.is_none_or(|named| key.algorithms().contains(&named))))
}

/// A set as it was seen last.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The set.
    pub set: KeySet,
    /// When it was fetched.
    pub fetched_at: NaiveDateTime,
    /// Until when it holds without being fetched again.
    pub fresh_until: NaiveDateTime,
}

impl Kept {
    /// Whether it still holds.
    pub fn is_fresh(&self) -> bool {
        now_naive() < self.fresh_until
    }
}

/// The set of a client, if one was ever seen.
///
/// # Errors
/// When the database does not answer.
pub fn find(conn: &mut Conn, client_id: &str) -> Result<Option<Kept>> {
    let columns = (client_key_sets::keys_json, client_key_sets::fetched_at, client_key_sets::fresh_until);
    let row = client_key_sets::table.find(client_id).select(columns).first::<(String, NaiveDateTime, NaiveDateTime)>(conn).optional()?;
    let Some((keys, fetched_at, fresh_until)) = row else { return Ok(None) };
    // What was taken once and would not be any more counts as never seen.
    Ok(KeySet::parse(keys.as_bytes()).ok().map(|set| Kept { set, fetched_at, fresh_until }))
}

/// Keeps a set that was fetched. A set with other keys than the last one is written down, by thumbprints.
///
/// # Errors
/// When the database does not take it.
pub fn keep(conn: &mut Conn, client_id: &str, kept: &Kept) -> Result<()> {
    lock_ledger(conn)?;
    let before = find(conn, client_id)?.map(|kept| kept.set);
    let keys_json = kept.set.to_json().to_string();
    let values = (
        client_key_sets::keys_json.eq(keys_json),
        client_key_sets::fetched_at.eq(kept.fetched_at),
        client_key_sets::fresh_until.eq(kept.fresh_until),
    );
    if diesel::update(client_key_sets::table.find(client_id)).set(values.clone()).execute(conn)? == 0 {
        diesel::insert_into(client_key_sets::table).values((client_key_sets::client_id.eq(client_id), values)).execute(conn)?;
    }
    let (old, new) = (before.as_ref().map(KeySet::thumbprints).unwrap_or_default(), kept.set.thumbprints());
    if old != new {
        let added: Vec<&String> = new.difference(&old).collect();
        let removed: Vec<&String> = old.difference(&new).collect();
        let detail = json!({ "added": added, "removed": removed });
        ledger::append(conn, Kind::ClientKeysChanged, "service", &format!("client:{client_id}"), &detail)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED: &str = r#""kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;
    const EC: &str =
        r#""kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0""#;

    fn parse(keys: &[&str]) -> std::result::Result<KeySet, String> {
        KeySet::parse(format!(r#"{{"keys":[{}]}}"#, keys.join(",")).as_bytes())
    }

    #[test]
    fn what_is_taken_and_what_is_left_out() {
        let rsa = r#"{"kty":"RSA","kid":"r","n":"AQAB","e":"AQAB"}"#;
        let set = parse(&[
            rsa,
            &format!(r#"{{"kid":"a",{ED},"alg":"Ed25519","use":"sig"}}"#),
            &format!(r#"{{"kid":"b",{EC},"key_ops":["verify"]}}"#),
            &format!(r#"{{"kid":"encryption",{EC},"use":"enc"}}"#),
            &format!(r#"{{"kid":"other",{EC},"alg":"ES384"}}"#),
            r#"{"kty":"OKP","crv":"X25519","kid":"x","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
        ])
        .unwrap();
        assert_eq!(set.keys.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert!(set.find(Some("a")).is_some() && set.find(Some("r")).is_none() && set.find(None).is_none());
        assert_eq!(KeySet::parse(set.to_json().to_string().as_bytes()).unwrap(), set);
        let single = parse(&[&format!("{{{ED}}}")]).unwrap();
        // RFC 8037, appendix A.3.
        assert!(single.find(Some("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")).is_some() && single.find(None).is_some());
    }

    #[test]
    fn what_spoils_a_set() {
        let twenty_one: Vec<String> = (0..21).map(|at| format!(r#"{{"kid":"{at}",{ED}}}"#)).collect();
        let good = format!(r#"{{"kid":"a",{ED}}}"#);
        let cases: Vec<(Vec<String>, &str)> = vec![
            (vec![], "no Ed25519 or P-256 key"),
            (vec![good.clone(), format!(r#"{{"kid":"b",{ED},"d":"x"}}"#)], "/keys/1 is a private or symmetric key"),
            (vec![good.clone(), r#"{"kty":"oct","kid":"b","k":"AAAA"}"#.to_owned()], "private or symmetric"),
            (vec![good.clone(), r#"{"kty":"oct","kid":"b"}"#.to_owned()], "private or symmetric"),
            (vec![good.clone(), r#"{"kty":"RSA","kid":"b","n":"AQAB","e":"AQAB","d":"AQAB"}"#.to_owned()], "private or symmetric"),
            (vec![good.clone(), format!(r#"{{"kid":"a",{EC}}}"#)], "/keys/1/kid stands twice"),
            (vec![format!("{{{ED}}}"), format!("{{{ED}}}")], "stands twice"),
            (vec![format!(r#"{{"kid":7,{ED}}}"#)], "/keys/0/kid must be"),
            (vec![format!(r#"{{"kid":"",{ED}}}"#)], "/keys/0/kid must be"),
            (vec![r#"{"kty":"OKP","crv":"Ed25519","kid":"a","x":"AA"}"#.to_owned()], "/keys/0/x"),
            (twenty_one, "more than 20"),
        ];
        for (keys, wanted) in cases {
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            let reason = parse(&keys).unwrap_err();
            assert!(reason.contains(wanted), "{keys:?}: {reason}");
        }
        for text in ["", "[]", "{}", r#"{"keys":{}}"#] {
            assert!(KeySet::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
