//! The two ways in which a firm signs: with the key of a client, or by a person with a second factor.

use diesel::prelude::*;
use serde_json::json;

use super::{Agreement, countersignature, find};
use crate::access::applications;
use crate::access::grants::{self, Grant};
use crate::catalog;
use crate::clock::now_naive;
use crate::crypto::MasterKey;
use crate::db::schema::agreements;
use crate::db::{Conn, lock_ledger};
use crate::error::{Error, Result};
use crate::identity::keys::agreements::AgreementKey;
use crate::identity::tokens::{self, PublishedKey};
use crate::identity::{Caller, clients, firms, second_factor};
use crate::ledger::{self, Kind};

/// What a person sends who confirms an agreement.
pub struct Code {
    /// The SHA-256 of the text that the person saw.
    pub sha256: String,
    /// A code of the app, or a recovery code.
    pub code: String,
}

/// A firm's signature.
pub struct FirmSignature {
    /// The client whose key signed.
    pub client_id: String,
    /// The detached JWS.
    pub signature: String,
    /// The key of a client that publishes its keys, as it was found there.
    pub published: Option<PublishedKey>,
}

/// How the firm signed, as it is written down.
enum Proof<'p> {
    Signature { client_id: &'p str, jwk: String, signature: &'p str },
    Confirmation { person: &'p str, method: &'static str },
}

/// Takes the firm's signature: a detached JWS by the key of one of its clients over the agreement's SHA-256. Countersigns it, and gives the grant.
///
/// # Errors
/// When the agreement is another firm's or signed already, or the signature does not hold.
pub fn sign(conn: &mut Conn, key: &AgreementKey, caller: &Caller, id: &str, given: &FirmSignature) -> Result<(Agreement, Grant)> {
    let agreement = find_signable(conn, caller, id)?;
    let FirmSignature { client_id, signature, published } = given;
    let client = match clients::find(conn, client_id) {
        Ok(client) if client.firm_id == agreement.firm_id && client.status == "active" => client,
        Ok(_) | Err(Error::NotFound { .. }) => return Err(Error::invalid("/client_id", "this is no active client of the firm")),
        Err(other) => return Err(other),
    };
    let firm_key = tokens::registered_key(&client, published.as_ref())?.map_err(|reason| Error::invalid("/client_id", reason))?;
    firm_key.verify_detached("/signature", signature, agreement.sha256.as_bytes())?;
    let proof = Proof::Signature { client_id, jwk: firm_key.to_jwk().to_string(), signature: signature.trim() };
    finish(conn, key, caller, &agreement, &proof)
}

/// Takes the word of a person of the firm, who confirms with a second factor the text that they saw. Countersigns it, and gives the grant. A
/// refusal of the code is inside: what was counted stays.
///
/// # Errors
/// When the caller is no person of the firm, the agreement is signed already, the text is another one, or the person has no second factor.
pub fn confirm(
    conn: &mut Conn,
    key: &AgreementKey,
    master: &MasterKey,
    caller: &Caller,
    id: &str,
    given: &Code,
) -> Result<Result<(Agreement, Grant)>> {
    let person = caller.person()?;
    let agreement = find_signable(conn, caller, id)?;
    if given.sha256 != agreement.sha256 {
        return Err(Error::invalid(
            "/sha256",
            "this is not the SHA-256 of the agreement's text; read the text again, and confirm what you read",
        ));
    }
    // The code comes last: what is refused for anything else uses none up.
    if let Err(refusal) = second_factor::confirm(conn, master, &person.id, &given.code)? {
        return Ok(Err(refusal));
    }
    let proof = Proof::Confirmation { person: &person.id, method: second_factor::method(&given.code) };
    finish(conn, key, caller, &agreement, &proof).map(Ok)
}

/// The agreement, when the caller's firm may sign it.
fn find_signable(conn: &mut Conn, caller: &Caller, id: &str) -> Result<Agreement> {
    // Nobody suspends the firm, or signs too, between this and the end.
    lock_ledger(conn)?;
    let firm = firms::require_approved(conn, caller.firm()?)?;
    let agreement = find(conn, id)?;
    if agreement.firm_id != firm.id {
        return Err(Error::not_found("agreement", id));
    }
    let application = applications::find(conn, &agreement.application_id)?;
    let dataset = catalog::find_any(conn, &application.dataset)?;
    dataset.require_published()?;
    agreement.policy.require_allowed(&dataset.entry)?;
    if agreement.status == "drawn" {
        applications::require_approvable(conn, &application, &application.granted(), &dataset)?;
    }
    if !names_publisher(&agreement.text, &dataset.entry.publisher) {
        return Err(Error::Conflict(
            "the dataset is another publisher's now than the one that the agreement names; apply again".to_owned(),
        ));
    }
    if agreement.status != "drawn" {
        return Err(signed_already());
    }
    applications::require_signable(conn, &agreement)?;
    Ok(agreement)
}

/// Whether an agreement's text has the publisher for a party.
pub(super) fn names_publisher(text: &str, publisher: &str) -> bool {
    text.lines().any(|line| line.strip_prefix("Publisher: ") == Some(publisher))
}

fn signed_already() -> Error {
    Error::Conflict("the agreement is signed already".to_owned())
}

/// Writes down how the firm signed, makes the grant, and countersigns.
fn finish(conn: &mut Conn, key: &AgreementKey, caller: &Caller, agreement: &Agreement, proof: &Proof<'_>) -> Result<(Agreement, Grant)> {
    let drawn = agreements::table.find(&agreement.id).filter(agreements::status.eq("drawn"));
    let signed = (agreements::status.eq("signed"), agreements::signed_at.eq(now_naive()));
    let (changed, detail) = match proof {
        Proof::Signature { client_id, jwk, signature } => {
            let by = (agreements::signature.eq(signature), agreements::signed_by.eq(client_id), agreements::firm_jwk_json.eq(jwk));
            let detail = json!({ "method": "jws", "client": client_id, "sha256": agreement.sha256, "signature": signature });
            (diesel::update(drawn).set((signed, by)).execute(conn)?, detail)
        }
        Proof::Confirmation { person, method } => {
            let by = (agreements::confirmed_by.eq(person), agreements::confirmation_method.eq(method));
            let detail = json!({ "method": method, "person": person, "sha256": agreement.sha256 });
            (diesel::update(drawn).set((signed, by)).execute(conn)?, detail)
        }
    };
    if changed == 0 {
        return Err(signed_already());
    }
    applications::mark_signed(conn, agreement)?;
    ledger::append(conn, Kind::AgreementSigned, &caller.actor(), &format!("agreement:{}", agreement.id), &detail)?;
    let grant = grants::give(conn, agreement)?;
    diesel::update(agreements::table.find(&agreement.id)).set(agreements::grant_id.eq(&grant.id)).execute(conn)?;
    countersignature::countersign(conn, key, &agreement.id)?;
    Ok((find(conn, &agreement.id)?, grant))
}
