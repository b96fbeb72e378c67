//! Agreements: the text that a firm signs, made from its application and the dataset's entry. 数据利用协议
//!
//! The text is canonical: UTF-8, lines ended by one line feed, made once and never changed. Its SHA-256 in lower-case
//! hexadecimal (64 ASCII characters) is the payload that the firm signs as a detached JWS. What was signed the service countersigns.

mod bundle;
mod countersignature;
mod signing;
mod text;
mod verify;

use std::collections::HashMap;

use chrono::NaiveDateTime;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::applications::Application;
use super::grants;
use crate::catalog::{Dataset, Policy};
use crate::clock::now_naive;
use crate::crypto::sha256_hex;
use crate::db::Conn;
use crate::db::schema::agreements;
use crate::error::{Error, Result};
use crate::identity::{Caller, firms};
use crate::ledger::{self, Kind};

pub use bundle::{AgreementBundle, BundleFirm, bundle_for};
pub use countersignature::{Statement, countersign_earlier};
pub use signing::{Code, FirmSignature, confirm, sign};
pub use text::rows as words_of_rows;
pub use verify::{Verdict, verify};

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
    /// That key, as it was at the signature.
    #[schema(value_type = Option<Object>)]
    pub firm_jwk: Option<serde_json::Value>,
    /// In place of a signature: that a person of the firm confirmed it.
    pub confirmation: Option<Confirmation>,
    /// When it was signed or confirmed.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize_option")]
    pub signed_at: Option<NaiveDateTime>,
    /// The grant that the signature gave.
    pub grant_id: Option<String>,
    /// The service's own signature over all of this: a JWS in compact form, of the type `agreement+jws`.
    pub countersignature: Option<String>,
}

/// That a person of the firm confirmed an agreement with a second factor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Confirmation {
    /// `totp`, a code of an app, or `recovery_code`.
    pub method: String,
    /// The person, by id.
    pub person: String,
    /// When.
    #[schema(format = DateTime)]
    pub at: String,
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
    firm_jwk_json: Option<String>,
    confirmed_by: Option<String>,
    confirmation_method: Option<String>,
    countersignature: Option<String>,
    grant_id: Option<String>,
}

impl AgreementRow {
    fn confirmation(&self) -> Option<Confirmation> {
        let (person, method, at) = (self.confirmed_by.clone()?, self.confirmation_method.clone()?, self.signed_at?);
        Some(Confirmation { method, person, at: crate::clock::format(at.and_utc()) })
    }
}

/// Draws up the agreement of an approved application.
///
/// # Errors
/// When the database does not take it.
pub(super) fn draw(conn: &mut Conn, application: &Application, dataset: &Dataset, policy: &Policy) -> Result<Agreement> {
    let firm = firms::find(conn, &application.firm_id)?;
    let id = uuid::Uuid::now_v7().to_string();
    let renewed = application.renews_id.as_ref().map(|id| grants::find(conn, id)).transpose()?;
    let text = text::text(&id, application, dataset, policy, &firm, renewed.as_ref());
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
        firm_jwk_json: None,
        confirmed_by: None,
        confirmation_method: None,
        countersignature: None,
        grant_id: None,
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

/// The ids of the agreements of applications, by application.
///
/// # Errors
/// When the database does not answer.
pub(super) fn ids_for_applications(conn: &mut Conn, applications: &[&str]) -> Result<HashMap<String, String>> {
    let of_them = agreements::table.filter(agreements::application_id.eq_any(applications));
    let pairs: Vec<(String, String)> = of_them.select((agreements::application_id, agreements::id)).load(conn)?;
    Ok(pairs.into_iter().collect())
}

fn find_row(conn: &mut Conn, id: &str) -> Result<AgreementRow> {
    let row: Option<AgreementRow> = agreements::table.find(id).select(AgreementRow::as_select()).first(conn).optional()?;
    row.ok_or_else(|| Error::not_found("agreement", id))
}

/// One agreement.
///
/// # Errors
/// When there is none.
pub fn find(conn: &mut Conn, id: &str) -> Result<Agreement> {
    let row = find_row(conn, id)?;
    Ok(Agreement {
        grant_id: row.grant_id.clone(),
        confirmation: row.confirmation(),
        id: row.id,
        application_id: row.application_id,
        firm_id: row.firm_id,
        text: row.text,
        sha256: row.sha256,
        policy: serde_json::from_str(&row.policy_json)?,
        status: row.status,
        signature: row.signature,
        signed_by: row.signed_by,
        firm_jwk: row.firm_jwk_json.as_deref().map(serde_json::from_str).transpose()?,
        signed_at: row.signed_at,
        countersignature: row.countersignature,
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
