//! Agreements: the text that a firm signs, made from its application and the dataset's entry. 数据利用协议
//!
//! The text is canonical: UTF-8, lines ended by one line feed, made once and never changed. Its SHA-256 in lower-case
//! hexadecimal (64 ASCII characters) is the payload that the firm signs as a detached JWS.

mod text;

use chrono::NaiveDateTime;
use diesel::prelude::*;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::applications::{self, Application};
use super::grants::{self, Grant};
use crate::catalog::{self, Dataset, Policy};
use crate::clock::now_naive;
use crate::crypto::sha256_hex;
use crate::db::Conn;
use crate::db::schema::agreements;
use crate::error::{Error, Result};
use crate::identity::jwk::PublicKey;
use crate::identity::{Caller, clients, firms};
use crate::ledger::{self, Kind};

/// An agreement between the publisher and a firm.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Agreement {
    /// Never changes.
    pub id: String,
    /// The application that it comes from.
    pub application_id: String,
    /// The firm that signs.
    pub firm_id: String,
    /// The text, in Chinese and English.
    pub text: String,
    /// SHA-256 of the text in lower-case hexadecimal: these 64 characters are what is signed.
    pub sha256: String,
    /// What leaves, and how.
    pub policy: Policy,
    /// `drawn` or `signed`.
    pub status: String,
    /// The firm's detached JWS.
    pub signature: Option<String>,
    /// The client whose key signed.
    pub signed_by: Option<String>,
    /// When it was signed.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize_option")]
    pub signed_at: Option<NaiveDateTime>,
    /// The grant that the signature gave.
    pub grant_id: Option<String>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = agreements)]
struct AgreementRow {
    id: String,
    application_id: String,
    firm_id: String,
    text: String,
    sha256: String,
    policy_json: String,
    status: String,
    signature: Option<String>,
    signed_by: Option<String>,
    signed_at: Option<NaiveDateTime>,
    created_at: NaiveDateTime,
}

/// Draws up the agreement of an approved application.
///
/// # Errors
/// When the database does not take it.
pub(super) fn draw(conn: &mut Conn, application: &Application, dataset: &Dataset, policy: &Policy) -> Result<Agreement> {
    let firm = firms::find(conn, &application.firm_id)?;
    let id = uuid::Uuid::now_v7().to_string();
    let text = text::text(&id, application, dataset, policy, &firm);
    let row = AgreementRow {
        sha256: sha256_hex(text.as_bytes()),
        policy_json: serde_json::to_string(policy)?,
        application_id: application.id.clone(),
        firm_id: application.firm_id.clone(),
        status: "drawn".to_owned(),
        signature: None,
        signed_by: None,
        signed_at: None,
        created_at: now_naive(),
        id,
        text,
    };
    diesel::insert_into(agreements::table).values(&row).execute(conn)?;
    let detail = json!({ "application": row.application_id, "firm": row.firm_id, "sha256": row.sha256 });
    ledger::append(conn, Kind::AgreementDrawn, "service", &format!("agreement:{}", row.id), &detail)?;
    find(conn, &row.id)
}

/// The id of an application's agreement, if it has one.
///
/// # Errors
/// When the database does not answer.
pub(super) fn id_for_application(conn: &mut Conn, application_id: &str) -> Result<Option<String>> {
    Ok(agreements::table.filter(agreements::application_id.eq(application_id)).select(agreements::id).first(conn).optional()?)
}

/// One agreement.
///
/// # Errors
/// When there is none.
pub fn find(conn: &mut Conn, id: &str) -> Result<Agreement> {
    let row: Option<AgreementRow> = agreements::table.find(id).select(AgreementRow::as_select()).first(conn).optional()?;
    let row = row.ok_or_else(|| Error::not_found("agreement", id))?;
    Ok(Agreement {
        grant_id: grants::id_for_agreement(conn, &row.id)?,
        id: row.id,
        application_id: row.application_id,
        firm_id: row.firm_id,
        text: row.text,
        sha256: row.sha256,
        policy: serde_json::from_str(&row.policy_json)?,
        status: row.status,
        signature: row.signature,
        signed_by: row.signed_by,
        signed_at: row.signed_at,
    })
}

/// The agreement, when the caller may see it.
///
/// # Errors
/// When there is none, or it is another firm's.
pub fn find_for(conn: &mut Conn, caller: &Caller, id: &str) -> Result<Agreement> {
    let only_firm = super::firm_scope(caller)?;
    let agreement = find(conn, id)?;
    match only_firm {
        Some(firm) if firm != agreement.firm_id => Err(Error::not_found("agreement", id)),
        _ => Ok(agreement),
    }
}

/// Takes the firm's signature: a detached JWS by the key of one of its clients over the agreement's SHA-256. Gives the grant.
///
/// # Errors
/// When the agreement is another firm's or signed already, or the signature does not hold.
pub fn sign(conn: &mut Conn, caller: &Caller, id: &str, client_id: &str, signature: &str) -> Result<(Agreement, Grant)> {
    let firm = firms::require_approved(conn, caller.firm()?)?;
    let agreement = find(conn, id)?;
    if agreement.firm_id != firm.id {
        return Err(Error::not_found("agreement", id));
    }
    let application = applications::find(conn, &agreement.application_id)?;
    agreement.policy.require_allowed(&catalog::find(conn, &application.dataset)?.entry)?;
    let client = match clients::find(conn, client_id) {
        Ok(client) if client.firm_id == firm.id && client.status == "active" => client,
        Ok(_) | Err(Error::NotFound { .. }) => return Err(Error::invalid("/client_id", "this is no active client of the firm")),
        Err(other) => return Err(other),
    };
    let Some(jwk) = &client.public_jwk else {
        return Err(Error::invalid("/client_id", "this client has a secret and no key; sign with a client that has a key"));
    };
    PublicKey::parse("/client_id", jwk)?.verify_detached("/signature", signature, agreement.sha256.as_bytes())?;
    let changed = diesel::update(agreements::table.find(id).filter(agreements::status.eq("drawn")))
        .set((
            agreements::status.eq("signed"),
            agreements::signature.eq(signature.trim()),
            agreements::signed_by.eq(client_id),
            agreements::signed_at.eq(now_naive()),
        ))
        .execute(conn)?;
    if changed == 0 {
        return Err(Error::Conflict("the agreement is signed already".to_owned()));
    }
    let detail = json!({ "client": client_id, "sha256": agreement.sha256, "signature": signature.trim() });
    ledger::append(conn, Kind::AgreementSigned, &caller.actor(), &format!("agreement:{id}"), &detail)?;
    let grant = grants::create(conn, &agreement)?;
    Ok((find(conn, id)?, grant))
}
