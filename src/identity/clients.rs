//! Clients: the credentials with which a firm's programs come. 接入凭证

use std::collections::HashMap;

use chrono::{Duration, NaiveDateTime};
use diesel::prelude::*;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::firms;
use super::jwk::PublicKey;
use crate::clock::now_naive;
use crate::crypto::{random_token, sha256_hex};
use crate::db::schema::clients;
use crate::db::{Conn, lock_ledger};
use crate::error::{Error, Result};
use crate::ledger::{self, Kind};

/// A firm's client.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Client {
    /// Its `client_id`.
    pub id: String,
    /// Its firm.
    pub firm_id: String,
    /// What the firm calls it.
    pub name: String,
    /// How it proves itself: `private_key_jwt` or `client_secret`.
    pub method: String,
    /// Its public key.
    #[schema(value_type = Option<Object>)]
    pub public_jwk: Option<serde_json::Value>,
    /// Or where it publishes its public keys.
    pub jwks_uri: Option<String>,
    /// `active`, `suspended` or `revoked`.
    pub status: String,
    /// When it was registered.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    pub created_at: NaiveDateTime,
    /// When it was revoked.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize_option")]
    pub revoked_at: Option<NaiveDateTime>,
    /// Whether its access tokens are bound to a key of the client's, which every request has to prove (DPoP, RFC 9449).
    pub dpop_bound_access_tokens: bool,
    /// Tokens that were issued before this moment are over.
    #[serde(skip)]
    pub tokens_from: Option<NaiveDateTime>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = clients)]
struct ClientRow {
    id: String,
    firm_id: String,
    name: String,
    method: String,
    public_jwk_json: Option<String>,
    secret_sha256: Option<String>,
    status: String,
    created_at: NaiveDateTime,
    revoked_at: Option<NaiveDateTime>,
    tokens_from: Option<NaiveDateTime>,
    dpop_bound: bool,
    jwks_uri: Option<String>,
}

impl TryFrom<&ClientRow> for Client {
    type Error = Error;

    fn try_from(row: &ClientRow) -> Result<Self> {
        Ok(Client {
            id: row.id.clone(),
            firm_id: row.firm_id.clone(),
            name: row.name.clone(),
            method: row.method.clone(),
            public_jwk: row.public_jwk_json.as_deref().map(serde_json::from_str).transpose()?,
            jwks_uri: row.jwks_uri.clone(),
            status: row.status.clone(),
            created_at: row.created_at,
            revoked_at: row.revoked_at,
            dpop_bound_access_tokens: row.dpop_bound,
            tokens_from: row.tokens_from,
        })
    }
}

/// How a new client will prove itself.
pub enum NewClient {
    /// By signing with the private half of this key.
    Key(PublicKey),
    /// By signing with the private half of one of the keys that are published there.
    KeysAt(String),
    /// By a secret that is made here.
    Secret,
}

/// The method of clients with a key.
pub const PRIVATE_KEY_JWT: &str = "private_key_jwt";

/// The method of clients with a secret.
pub const CLIENT_SECRET: &str = "client_secret";

/// Registers a client of an approved firm. The secret, if it has one, is answered this once and kept as a digest.
///
/// # Errors
/// When the firm is not approved.
pub fn register(
    conn: &mut Conn,
    actor: &str,
    firm_id: &str,
    name: &str,
    new: NewClient,
    dpop_bound: bool,
) -> Result<(Client, Option<String>)> {
    firms::require_approved(conn, firm_id)?;
    let (method, jwk, jwks_uri, secret) = match new {
        NewClient::Key(key) => (PRIVATE_KEY_JWT, Some(key.to_jwk().to_string()), None, None),
        NewClient::KeysAt(address) => (PRIVATE_KEY_JWT, None, Some(address), None),
        NewClient::Secret => (CLIENT_SECRET, None, None, Some(random_token("qdc_")?)),
    };
    let row = ClientRow {
        id: uuid::Uuid::now_v7().to_string(),
        firm_id: firm_id.to_owned(),
        name: name.to_owned(),
        method: method.to_owned(),
        public_jwk_json: jwk,
        secret_sha256: secret.as_ref().map(|secret| sha256_hex(secret.as_bytes())),
        status: "active".to_owned(),
        created_at: now_naive(),
        revoked_at: None,
        tokens_from: None,
        dpop_bound,
        jwks_uri,
    };
    diesel::insert_into(clients::table).values(&row).execute(conn)?;
    let detail = json!({ "firm": firm_id, "method": method, "keys_at_uri": row.jwks_uri.is_some() });
    ledger::append(conn, Kind::ClientRegistered, actor, &format!("client:{}", row.id), &detail)?;
    Ok(((&row).try_into()?, secret))
}

/// The clients of a firm, oldest first.
///
/// # Errors
/// When the database does not answer.
pub fn list(conn: &mut Conn, firm_id: &str) -> Result<Vec<Client>> {
    let rows: Vec<ClientRow> =
        clients::table.filter(clients::firm_id.eq(firm_id)).order(clients::id).select(ClientRow::as_select()).load(conn)?;
    rows.iter().map(Client::try_from).collect()
}

/// One client.
///
/// # Errors
/// When there is none.
pub fn find(conn: &mut Conn, id: &str) -> Result<Client> {
    let row: Option<ClientRow> = clients::table.find(id).select(ClientRow::as_select()).first(conn).optional()?;
    row.as_ref().ok_or_else(|| Error::not_found("client", id))?.try_into()
}

/// One client of a firm.
///
/// # Errors
/// When the firm has none of that id.
pub fn find_of(conn: &mut Conn, firm_id: &str, id: &str) -> Result<Client> {
    let client = find(conn, id)?;
    if client.firm_id == firm_id { Ok(client) } else { Err(Error::not_found("client", id)) }
}

/// When each of these clients took a token last; one that never did is not in the answer.
///
/// # Errors
/// When the database does not answer.
pub fn last_tokens(conn: &mut Conn, clients: &[Client]) -> Result<HashMap<String, NaiveDateTime>> {
    let subjects: Vec<String> = clients.iter().map(|client| format!("client:{}", client.id)).collect();
    let found = ledger::last_moments(conn, &subjects, Kind::TokenIssued)?;
    Ok(found.into_iter().filter_map(|(subject, at)| Some((subject.strip_prefix("client:")?.to_owned(), at))).collect())
}

/// The digest of a client's secret, if it has one.
///
/// # Errors
/// When the database does not answer.
pub fn secret_sha256(conn: &mut Conn, id: &str) -> Result<Option<String>> {
    Ok(clients::table.find(id).select(clients::secret_sha256).first::<Option<String>>(conn).optional()?.flatten())
}

/// Keeps a client from acting for a while, or lets it act again: its tokens stop at the next request, and hold again as long as they last.
///
/// # Errors
/// When it is not in the state that the step starts from.
pub fn suspend(conn: &mut Conn, actor: &str, id: &str, suspended: bool, reason: &str) -> Result<Client> {
    let (from, to, kind) = match suspended {
        true => ("active", "suspended", Kind::ClientSuspended),
        false => ("suspended", "active", Kind::ClientResumed),
    };
    let client = find(conn, id)?;
    let changed = diesel::update(clients::table.find(id).filter(clients::status.eq(from))).set(clients::status.eq(to)).execute(conn)?;
    if changed == 0 {
        return Err(Error::Conflict(format!("the client is {}, not {from}", client.status)));
    }
    ledger::append_with_reason(conn, kind, actor, &format!("client:{id}"), json!({ "firm": client.firm_id }), reason)?;
    find(conn, id)
}

/// Ends a client: its tokens stop at the next request.
///
/// # Errors
/// When it has ended already.
pub fn revoke(conn: &mut Conn, actor: &str, id: &str) -> Result<Client> {
    let changed = diesel::update(clients::table.find(id).filter(clients::status.ne("revoked")))
        .set((clients::status.eq("revoked"), clients::revoked_at.eq(now_naive())))
        .execute(conn)?;
    let client = find(conn, id)?;
    if changed == 0 {
        return Err(Error::Conflict("the client is revoked already".to_owned()));
    }
    ledger::append(conn, Kind::ClientRevoked, actor, &format!("client:{id}"), &json!({ "firm": client.firm_id }))?;
    Ok(client)
}

/// Ends every access token of a client that was issued until now: the answer to a token that leaked. The client itself goes on.
///
/// # Errors
/// When there is no such client.
pub fn end_tokens(conn: &mut Conn, actor: &str, id: &str) -> Result<Client> {
    // Nobody issues one between the moment and its being written down.
    lock_ledger(conn)?;
    // Tokens know whole seconds, and the clocks of replicas differ a little: one of these seconds counts as issued before.
    let from = now_naive() + Duration::seconds(5);
    let client = find(conn, id)?;
    diesel::update(clients::table.find(id)).set(clients::tokens_from.eq(from)).execute(conn)?;
    ledger::append(conn, Kind::ClientTokensEnded, actor, &format!("client:{id}"), &json!({ "firm": client.firm_id }))?;
    Ok(client)
}

/// The client and its firm, when both may act.
///
/// # Errors
/// When either may not.
pub fn require_active(conn: &mut Conn, id: &str) -> Result<Client> {
    let refused = || Error::Unauthenticated("the client or its firm is unknown, suspended, revoked, or not approved".to_owned());
    let Ok(client) = find(conn, id) else { return Err(refused()) };
    let firm = firms::find(conn, &client.firm_id)?;
    if client.status == "active" && firm.status == firms::APPROVED { Ok(client) } else { Err(refused()) }
}
