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
    pub name: String,
    /// The public half of its key, as a JWK: Ed25519 or P-256. Without one, and without `jwks_uri`, it gets a secret.
    #[schema(value_type = Option<Object>)]
    pub public_jwk: Option<serde_json::Value>,
    /// In its place an https address in the public network, at port 443 or 8443, where the client publishes its public keys as a JWK set. Assertions and signatures then
    /// name a key of it by `kid`, and keys change there.
    #[schema(example = "https://keys.example.com/jwks.json")]
    pub jwks_uri: Option<String>,
    /// Whether its access tokens are always bound to a key, which each request has to prove (DPoP, RFC 9449): a token that leaks is of no use then. `false`
    /// by default; a client may bind a token in any case.
    #[serde(default)]
    pub dpop_bound_access_tokens: bool,
}

/// A client that was registered.
#[derive(Serialize, ToSchema)]
pub struct RegisteredClient {
    /// The client; its `id` is the `client_id`.
    #[serde(flatten)]
    pub client: Client,
    /// Its secret, where it has one. It is shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

impl ClientRegistration {
    /// Registers the client for the firm of the person who asks.
    ///
    /// # Errors
    /// When a value is not allowed, the firm is not approved, or the caller is no person of a firm: a leaked token must not be able to make
    /// itself another client.
    pub async fn take(self, app: &App, caller: &Caller) -> Result<RegisteredClient> {
        let (actor, firm) = (format!("person:{}", caller.person()?.id), caller.firm()?.to_owned());
        let name = check_text("/name", &self.name, 1, 100)?;
        let new = match (&self.public_jwk, &self.jwks_uri) {
            (Some(_), Some(_)) => return Err(Error::invalid("/jwks_uri", "give a key, or the address of keys, and not both")),
            (Some(jwk), None) => NewClient::Key(PublicKey::parse("/public_jwk", jwk)?),
            (None, Some(address)) => NewClient::KeysAt(app.outbound.address("/jwks_uri", address)?.to_string()),
            (None, None) => NewClient::Secret,
        };
        let bound = self.dpop_bound_access_tokens;
        let (client, secret) = app.db.write(move |conn| clients::register(conn, &actor, &firm, &name, new, bound)).await?;
        Ok(RegisteredClient { client, secret })
    }
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
    Ok(HttpResponse::Created().json(body.into_inner().take(&app, &caller).await?))
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
        let client = clients::find_of(conn, &firm, &id)?;
        clients::revoke(conn, &caller.actor(), &client.id)
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
        let client = clients::find_of(conn, &firm, &id)?;
        clients::end_tokens(conn, &caller.actor(), &client.id)
    });
    Ok(web::Json(client.await?))
}
