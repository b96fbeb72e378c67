//! Checks a bundle with nothing but itself, and the service's keys where somebody has kept them.

use serde::Deserialize;
use serde_json::Value;

use super::{AgreementBundle, BundleFirm, Statement};
use crate::crypto::sha256_hex;
use crate::error::{Error, Result};
use crate::identity::jwk::{self, PublicKey};
use crate::identity::keys::agreements::COUNTERSIGNATURE;

/// What a check found.
#[derive(Debug)]
pub enum Verdict {
    /// Both sides signed this text.
    Holds {
        /// What the service countersigned.
        statement: Box<Statement>,
        /// The name of the key with which it did.
        kid: String,
    },
    /// Something does not hold; each fault says what.
    Broken(Vec<String>),
}

/// A service's key, by its name.
struct Known {
    kid: String,
    key: PublicKey,
}

/// Checks a bundle. The service's key is believed from `keys`, a JWK set, or else from the bundle itself.
///
/// # Errors
/// When one of the two cannot be read.
pub fn verify(bundle: &str, keys: Option<&str>) -> Result<Verdict> {
    let bundle: AgreementBundle =
        serde_json::from_str(bundle).map_err(|cause| Error::Malformed(format!("the bundle cannot be read: {cause}")))?;
    let own: Vec<&str> = bundle.keys.keys.iter().map(|key| key.get()).collect();
    let own = known(own.into_iter().map(serde_json::from_str), "the bundle's keys cannot be read")?;
    let given = keys.map(read_keys).transpose()?;
    let mut faults = Vec::new();
    check_text(&bundle, &mut faults);
    check_firm(&bundle, &mut faults)?;
    let signed = match believe(&bundle, &own, given.as_deref()).and_then(|known| Ok((read_statement(&bundle, known)?, known))) {
        Ok((statement, known)) => {
            compare(&bundle, &statement, &mut faults)?;
            Some((statement, known.kid.clone()))
        }
        Err(fault) => {
            faults.push(fault);
            None
        }
    };
    match signed {
        Some((statement, kid)) if faults.is_empty() => Ok(Verdict::Holds { statement: Box::new(statement), kid }),
        Some(_) | None => Ok(Verdict::Broken(faults)),
    }
}

fn read_keys(text: &str) -> Result<Vec<Known>> {
    /// A JWK set may have more in it.
    #[derive(Deserialize)]
    struct Published {
        keys: Vec<Value>,
    }
    let words = "the file of keys is no JWK set as GET /api/v1/agreements/keys answers it";
    let published: Published = serde_json::from_str(text).map_err(|cause| Error::Malformed(format!("{words}: {cause}")))?;
    known(published.keys.into_iter().map(Ok), words)
}

fn known(keys: impl Iterator<Item = serde_json::Result<Value>>, words: &str) -> Result<Vec<Known>> {
    let one = |(at, jwk): (usize, serde_json::Result<Value>)| {
        let unreadable = |cause: String| Error::Malformed(format!("{words}: {cause}"));
        let jwk = jwk.map_err(|cause| unreadable(cause.to_string()))?;
        let key = PublicKey::parse(&format!("/keys/{at}"), &jwk).map_err(|cause| unreadable(cause.to_string()))?;
        let kid = jwk.get("kid").and_then(Value::as_str).ok_or_else(|| unreadable(format!("/keys/{at}: the key has no `kid`")))?;
        Ok(Known { kid: kid.to_owned(), key })
    };
    keys.enumerate().map(one).collect()
}

fn check_text(bundle: &AgreementBundle, faults: &mut Vec<String>) {
    let found = sha256_hex(bundle.text.as_bytes());
    if found != bundle.sha256 {
        faults.push(format!("/text: the text was changed: its SHA-256 is {found}, and what was signed is {}", bundle.sha256));
    }
    for (name, value) in [("/agreement", &bundle.agreement), ("/firm/uscc", &bundle.firm.uscc)] {
        if !bundle.text.contains(value.as_str()) {
            faults.push(format!("{name}: the text does not name `{value}`"));
        }
    }
}

/// Checks the firm's own signature, where there is one. A confirmation is the service's word, and is looked at with what it countersigned.
fn check_firm(bundle: &AgreementBundle, faults: &mut Vec<String>) -> Result<()> {
    match &bundle.firm {
        BundleFirm { client_id: Some(_), public_jwk: Some(jwk), signature: Some(signature), confirmation: None, .. } => {
            let checked = serde_json::from_str(jwk.get())
                .map_err(Error::from)
                .and_then(|jwk| PublicKey::parse("/firm/public_jwk", &jwk))
                .and_then(|key| key.verify_detached("/firm/signature", signature, bundle.sha256.as_bytes()));
            match checked {
                Ok(()) => {}
                Err(fault) => faults.push(fault.to_string()),
            }
            Ok(())
        }
        BundleFirm { client_id: None, public_jwk: None, signature: None, confirmation: Some(_), .. } => Ok(()),
        BundleFirm { .. } => Err(Error::Malformed(
            "the bundle cannot be read: /firm has either client_id, public_jwk and signature, or confirmation".to_owned(),
        )),
    }
}

/// The key that must have countersigned, from those that are believed.
fn believe<'k>(bundle: &AgreementBundle, own: &'k [Known], given: Option<&'k [Known]>) -> Result<&'k Known, String> {
    let kid = jwk::key_id("/countersignature", &bundle.countersignature).map_err(|fault| fault.to_string())?;
    if own.len() > 1 {
        return Err(format!("/keys: there are {} keys in the bundle, and one countersigned", own.len()));
    }
    let named = |keys: &'k [Known]| keys.iter().find(|known| known.kid == kid);
    let own = named(own).ok_or_else(|| format!("/keys: the key {kid} that countersigned is not among the bundle's keys"))?;
    let Some(given) = given else { return Ok(own) };
    let known = named(given).ok_or_else(|| format!("/keys: the key {kid} that countersigned is not among the keys that were given"))?;
    if known.key != own.key {
        return Err(format!("/keys: the bundle's key {kid} is another one than that of the same name among the keys that were given"));
    }
    Ok(known)
}

fn read_statement(bundle: &AgreementBundle, known: &Known) -> Result<Statement, String> {
    let payload = known.key.verify_attached("/countersignature", &bundle.countersignature, COUNTERSIGNATURE);
    let payload = payload.map_err(|fault| fault.to_string())?;
    serde_json::from_slice(&payload).map_err(|cause| format!("/countersignature: its payload is none of an agreement: {cause}"))
}

/// Checks that the service countersigned what stands in the bundle, and nothing else.
fn compare(bundle: &AgreementBundle, statement: &Statement, faults: &mut Vec<String>) -> Result<()> {
    let firm = &bundle.firm;
    let jwk = firm.public_jwk.as_ref().map(|jwk| serde_json::from_str::<Value>(jwk.get())).transpose()?;
    let jkt = jwk.and_then(|jwk| PublicKey::parse("/firm/public_jwk", &jwk).ok()).map(|key| key.thumbprint());
    let confirmed = |confirmation: &Option<super::Confirmation>| {
        confirmation.as_ref().map(|one| format!("{} by {} at {}", one.method, one.person, one.at))
    };
    let some = |text: &String| Some(text.clone());
    let pairs = [
        ("/agreement", "the agreement", some(&bundle.agreement), some(&statement.agreement)),
        ("/sha256", "the text's SHA-256", some(&bundle.sha256), some(&statement.agreement_sha256)),
        ("/firm/uscc", "the firm", some(&firm.uscc), some(&statement.firm_uscc)),
        ("/firm/client_id", "the client", firm.client_id.clone(), statement.client_id.clone()),
        ("/firm/public_jwk", "the thumbprint of the firm's key", jkt, statement.firm_jkt.clone()),
        ("/firm/signature", "the firm's signature", firm.signature.clone(), statement.firm_signature.clone()),
        ("/firm/confirmation", "the confirmation", confirmed(&firm.confirmation), confirmed(&statement.confirmation)),
    ];
    if !super::signing::names_publisher(&bundle.text, &statement.publisher) {
        faults.push(format!("/text: the service countersigned for the publisher `{}`, which the text does not name", statement.publisher));
    }
    for (pointer, what, here, there) in pairs {
        if here != there {
            let [here, there] = [here, there].map(|text| text.map_or_else(|| "none".to_owned(), |text| format!("`{text}`")));
            faults.push(format!("{pointer}: {what} is {here} here, and {there} in what the service countersigned"));
        }
    }
    Ok(())
}
