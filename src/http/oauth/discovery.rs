//! Where clients and resource servers find everything: discovery (RFC 8414, RFC 9728) and keys (RFC 7517).

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, get, web};
use serde_json::{Value, json};

use crate::app::App;
use crate::error::Error;
use crate::identity::jwk::ALGORITHMS;
use crate::identity::keys::PUBLISHED_SECONDS;
use crate::identity::tokens::GRANT_DETAIL;

/// How clients prove themselves.
const METHODS: [&str; 3] = ["private_key_jwt", "client_secret_basic", "client_secret_post"];

/// Describe the authorization server
///
/// RFC 8414.
#[utoipa::path(tag = "oauth2", responses((status = OK, body = Object)))]
#[get("/.well-known/oauth-authorization-server")]
pub async fn find_authorization_server(app: web::Data<App>) -> web::Json<Value> {
    let issuer = &app.issuer;
    web::Json(json!({
        "issuer": issuer,
        "token_endpoint": format!("{issuer}/oauth2/token"),
        "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
        "token_endpoint_auth_methods_supported": METHODS,
        "token_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
        "revocation_endpoint": format!("{issuer}/oauth2/revoke"),
        "revocation_endpoint_auth_methods_supported": METHODS,
        "revocation_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
        "introspection_endpoint": format!("{issuer}/oauth2/introspect"),
        "introspection_endpoint_auth_methods_supported": METHODS,
        "introspection_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
        "dpop_signing_alg_values_supported": ALGORITHMS,
        "authorization_details_types_supported": [GRANT_DETAIL],
        "service_documentation": format!("{issuer}/docs/"),
    }))
}

/// Describe the protected resource
///
/// RFC 9728.
#[utoipa::path(tag = "oauth2", responses((status = OK, body = Object)))]
#[get("/.well-known/oauth-protected-resource")]
pub async fn find_protected_resource(app: web::Data<App>) -> web::Json<Value> {
    let issuer = &app.issuer;
    web::Json(json!({
        "resource": issuer,
        "authorization_servers": [issuer],
        "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
        "bearer_methods_supported": ["header"],
        "dpop_signing_alg_values_supported": ALGORITHMS,
        "dpop_bound_access_tokens_required": false,
        "authorization_details_types_supported": [GRANT_DETAIL],
        "resource_documentation": format!("{issuer}/docs/"),
    }))
}

/// List the service's public keys
///
/// RFC 7517; access tokens are verified with them. A new key stands here six minutes before it signs; they may be kept for five.
#[utoipa::path(tag = "oauth2", responses((status = OK, body = Object)))]
#[get("/.well-known/jwks.json")]
pub async fn list_keys(app: web::Data<App>) -> Result<HttpResponse, Error> {
    let ring = app.keys.ring(&app.db, &app.follower).await?;
    let kept = format!("public, max-age={PUBLISHED_SECONDS}");
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, kept)).content_type("application/jwk-set+json").json(ring.jwks()))
}
