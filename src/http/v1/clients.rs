//! A firm's clients.

use actix_web::{HttpResponse, delete, get, post, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{IdPath, check_text};
use crate::app::App;
use crate::error::{Error, Result};
use crate::http::page::Page;
use crate::identity::Caller;
use crate::identity::clients::{self, Client, NewClient};
use crate::identity::jwk::PublicKey;

/// A new client.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientRegistration {
    /// What the firm calls it.
    name: String,
    /// The public half of its key, as a JWK: Ed25519 or P-256. Without one, and without `jwks_uri`, it gets a secret.
    #[schema(value_type = Option<Object>)]
    public_jwk: Option<serde_json::Value>,
    /// In its place an https address in the public network, at port 443 or 8443, where the client publishes its public keys as a JWK set. Assertions and signatures then
    /// name a key of it by `kid`, and keys change there.
    #[schema(example = "https://keys.example.com/jwks.json")]
    jwks_uri: Option<String>,
    /// Whether its access tokens are always bound to a key, which each request has to prove (DPoP, RFC 9449): a token that leaks is of no use then. `false`
    /// by default; a client may bind a token in any case.
    #[serde(default)]
    dpop_bound_access_tokens: bool,
}

/// A client that was registered.
#[derive(Serialize, ToSchema)]
pub struct RegisteredClient {
    /// The client; its `id` is the `client_id`.
    #[serde(flatten)]
    client: Client,
    /// Its secret, where it has one. It is shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

/// List the own firm's clients
///
/// Revoked ones too.
#[utoipa::path(tag = "firms", security(("session" = []), ("oauth2" = [])), responses((status = OK, body = Page<Client>)))]
#[get("/firms/me/clients")]
pub async fn list_clients(caller: Caller, app: web::Data<App>) -> Result<web::Json<Page<Client>>> {
    let firm = caller.firm()?.to_owned();
    Ok(web::Json(Page::whole(app.db.read(move |conn| clients::list(conn, &firm)).await?)))
}

/// Register a client
///
/// By a person of an approved firm. A key is better than a secret: it never leaves the firm, and it signs agreements.
#[utoipa::path(tag = "firms", security(("session" = [])), responses((status = CREATED, body = RegisteredClient)))]
#[post("/firms/me/clients")]
pub async fn create_client(caller: Caller, app: web::Data<App>, body: web::Json<ClientRegistration>) -> Result<HttpResponse> {
    // A person: a leaked token must not be able to make itself another client.
    caller.person()?;
    let firm = caller.firm()?.to_owned();
    let name = check_text("/name", &body.name, 1, 100)?;
    let new = match (&body.public_jwk, &body.jwks_uri) {
        (Some(_), Some(_)) => return Err(Error::invalid("/jwks_uri", "give a key, or the address of keys, and not both")),
        (Some(jwk), None) => NewClient::Key(PublicKey::parse("/public_jwk", jwk)?),
        (None, Some(address)) => NewClient::KeysAt(app.outbound.address("/jwks_uri", address)?.to_string()),
        (None, None) => NewClient::Secret,
    };
    let bound = body.dpop_bound_access_tokens;
    let (client, secret) = app.db.write(move |conn| clients::register(conn, &caller.actor(), &firm, &name, new, bound)).await?;
    Ok(HttpResponse::Created().json(RegisteredClient { client, secret }))
}

/// Revoke a client of the own firm
///
/// Its tokens stop at the next request.
#[utoipa::path(tag = "firms", params(IdPath), security(("session" = [])), responses((status = OK, body = Client)))]
#[delete("/firms/me/clients/{id}")]
pub async fn revoke_my_client(caller: Caller, app: web::Data<App>, path: web::Path<IdPath>) -> Result<web::Json<Client>> {
    caller.person()?;
    let firm = caller.firm()?.to_owned();
    let id = path.into_inner().id;
    let client = app.db.write(move |conn| {
        if clients::find(conn, &id)?.firm_id != firm {
            return Err(Error::not_found("client", &id));
        }
        clients::revoke(conn, &caller.actor(), &id)
    });
    Ok(web::Json(client.await?))
}

/// End the tokens of a client of the own firm
///
/// The answer to a token that leaked, in one call: every access token of the client that was issued until now is refused from the next request on, and running downloads
/// break off. The client goes on and takes new tokens.
#[utoipa::path(tag = "firms", params(IdPath), security(("session" = [])), responses((status = OK, body = Client)))]
#[post("/firms/me/clients/{id}/token-revocation")]
pub async fn end_my_client_tokens(caller: Caller, app: web::Data<App>, path: web::Path<IdPath>) -> Result<web::Json<Client>> {
    caller.person()?;
    let firm = caller.firm()?.to_owned();
    let id = path.into_inner().id;
    let client = app.db.write(move |conn| {
        if clients::find(conn, &id)?.firm_id != firm {
            return Err(Error::not_found("client", &id));
        }
        clients::end_tokens(conn, &caller.actor(), &id)
    });
    Ok(web::Json(client.await?))
}
