//! The service's side of an agreement: a signature over what was signed, by whom, and what it gives.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Confirmation, find};
use crate::access::applications;
use crate::catalog;
use crate::clock::now;
use crate::crypto::sha256_hex;
use crate::db::schema::agreements;
use crate::db::{Conn, lock_ledger};
use crate::error::{Error, Result};
use crate::identity::firms;
use crate::identity::jwk::PublicKey;
use crate::identity::keys::agreements::AgreementKey;
use crate::ledger::{self, Kind};

/// What a countersignature says: the payload of the JWS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// The service's address.
    pub iss: String,
    /// When it countersigned, in seconds since 1970.
    pub iat: i64,
    /// The agreement.
    pub agreement: String,
    /// SHA-256 of its text, in lower-case hexadecimal.
    pub agreement_sha256: String,
    /// The firm's 统一社会信用代码.
    pub firm_uscc: String,
    /// The publisher, by slug.
    pub publisher: String,
    /// The publisher's 统一社会信用代码, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publisher_uscc: Option<String>,
    /// The grant that the firm's signature gave.
    pub grant: String,
    /// The firm's detached JWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firm_signature: Option<String>,
    /// The client whose key signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The thumbprint of that key (RFC 7638).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firm_jkt: Option<String>,
    /// In place of the three: that a person of the firm confirmed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmation: Option<Confirmation>,
}

/// Countersigns a signed agreement.
///
/// # Errors
/// When the database does not take it.
pub(super) fn countersign(conn: &mut Conn, key: &AgreementKey, id: &str) -> Result<()> {
    let statement = statement(conn, key, id)?;
    let countersignature = key.sign(&statement)?;
    diesel::update(agreements::table.find(id)).set(agreements::countersignature.eq(&countersignature)).execute(conn)?;
    let detail = json!({
        "kid": key.kid(),
        "sha256": statement.agreement_sha256,
        "grant": statement.grant,
        "countersignature_sha256": sha256_hex(countersignature.as_bytes()),
    });
    ledger::append(conn, Kind::AgreementCountersigned, "service", &format!("agreement:{id}"), &detail)?;
    Ok(())
}

fn statement(conn: &mut Conn, key: &AgreementKey, id: &str) -> Result<Statement> {
    let agreement = find(conn, id)?;
    let firm = firms::find(conn, &agreement.firm_id)?;
    let application = applications::find(conn, &agreement.application_id)?;
    // The one that the text names: the dataset may be another one's by now.
    let named = agreement.text.lines().find_map(|line| line.strip_prefix("Publisher: ").map(str::to_owned));
    let publisher = match named {
        Some(publisher) => publisher,
        None => catalog::find_any(conn, &application.dataset)?.entry.publisher,
    };
    let known = catalog::publishers(conn)?.into_iter().find(|known| known.slug == publisher);
    let jwk = agreement.firm_jwk.as_ref().map(|jwk| PublicKey::parse("/firm_jwk", jwk)).transpose()?;
    Ok(Statement {
        iss: key.issuer().to_owned(),
        iat: now().timestamp(),
        agreement_sha256: agreement.sha256,
        firm_uscc: firm.uscc,
        publisher,
        publisher_uscc: known.and_then(|known| known.uscc),
        grant: agreement.grant_id.ok_or_else(|| Error::internal(anyhow::anyhow!("the agreement {id} has no grant")))?,
        firm_signature: agreement.signature,
        client_id: agreement.signed_by,
        firm_jkt: jwk.map(|jwk| jwk.thumbprint()),
        confirmation: agreement.confirmation,
        agreement: agreement.id,
    })
}

/// Countersigns what firms signed before the service did so, and says how many agreements that were.
///
/// # Errors
/// When the database does not take it.
pub fn countersign_earlier(conn: &mut Conn, key: &AgreementKey) -> Result<usize> {
    lock_ledger(conn)?;
    let without = agreements::table.filter(agreements::status.eq("signed").and(agreements::countersignature.is_null()));
    let ids: Vec<String> = without.order(agreements::id).select(agreements::id).load(conn)?;
    for id in &ids {
        countersign(conn, key, id)?;
    }
    Ok(ids.len())
}
