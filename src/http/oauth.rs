//! OAuth 2: the token endpoint (RFC 6749 §4.4, RFC 7523, RFC 9396), discovery (RFC 8414, RFC 9728) and keys (RFC 7517).
//! Errors of the token endpoint have the shape of RFC 6749 §5.2.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpRequest, HttpResponse, ResponseError, get, post, web};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::access::grants;
use crate::app::App;
use crate::db::Conn;
use crate::error::Error;
use crate::identity::Caller;
use crate::identity::clients::Client;
use crate::identity::tokens::{self, ACCESS_TOKEN_SECONDS, AccessToken, AuthorizationDetail, GRANT_DETAIL, Proof};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A request for a token. The client proves itself by an assertion, by its secret here, or by its secret in HTTP Basic.
#[derive(Deserialize, ToSchema)]
pub struct TokenRequest {
    /// `client_credentials`.
    grant_type: Option<String>,
    /// The client; needed with a secret.
    client_id: Option<String>,
    /// The client's secret.
    #[schema(format = Password)]
    client_secret: Option<String>,
    /// `urn:ietf:params:oauth:client-assertion-type:jwt-bearer`.
    client_assertion_type: Option<String>,
    /// A JWT signed with the client's key: `iss` and `sub` are the client_id, `aud` is the issuer or this address, `exp` within ten minutes,
    /// `jti` used once.
    client_assertion: Option<String>,
    /// A JSON array with one object `{"type": "qingdan_grant", "grant": "<id>"}` (RFC 9396): the token is for that grant.
    authorization_details: Option<String>,
}

/// A token (RFC 6749 §5.1).
#[derive(Serialize, ToSchema)]
pub struct TokenAnswer {
    /// The access token: a JWT (RFC 9068).
    access_token: String,
    /// `Bearer`.
    token_type: &'static str,
    /// Seconds until it expires.
    expires_in: i64,
    /// What it is for.
    #[schema(value_type = Option<Vec<Object>>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization_details: Option<Vec<AuthorizationDetail>>,
}

/// An error in the shape of RFC 6749 §5.2.
#[derive(Debug)]
pub struct OauthError {
    code: &'static str,
    status: StatusCode,
    description: String,
    retry_after_seconds: Option<u64>,
}

impl OauthError {
    fn new(code: &'static str, description: impl Into<String>) -> Self {
        let status = if code == "invalid_client" { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST };
        OauthError { code, status, description: description.into(), retry_after_seconds: None }
    }
}

impl From<Error> for OauthError {
    #[expect(clippy::wildcard_enum_match_arm, reason = "every other error is a request that is not valid")]
    fn from(error: Error) -> Self {
        let mut answer = OauthError::new("invalid_request", error.to_string());
        match error {
            Error::RateLimited { retry_after_seconds, .. } => {
                answer.code = "temporarily_unavailable";
                answer.status = StatusCode::TOO_MANY_REQUESTS;
                answer.retry_after_seconds = Some(retry_after_seconds);
            }
            Error::Internal(cause) => {
                tracing::error!(error = format!("{cause:#}"), "internal error at the token endpoint");
                answer.code = "server_error";
                answer.status = StatusCode::INTERNAL_SERVER_ERROR;
            }
            Error::Unavailable(_) => {
                answer.code = "temporarily_unavailable";
                answer.status = StatusCode::SERVICE_UNAVAILABLE;
            }
            _ => {}
        }
        answer
    }
}

impl fmt::Display for OauthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.description)
    }
}

impl ResponseError for OauthError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        response.insert_header((CACHE_CONTROL, "no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            response.insert_header((WWW_AUTHENTICATE, "Basic realm=\"qingdan\""));
        }
        if let Some(seconds) = self.retry_after_seconds {
            response.insert_header((RETRY_AFTER, seconds));
        }
        response.json(json!({ "error": self.code, "error_description": self.description }))
    }
}

/// Take an access token
///
/// By client credentials. Without `authorization_details` the token speaks for the firm; with them it reads one grant's release.
#[utoipa::path(
    tag = "oauth2",
    request_body(content = TokenRequest, content_type = "application/x-www-form-urlencoded"),
    responses((status = OK, body = TokenAnswer))
)]
#[post("/oauth2/token")]
pub async fn create_token(
    caller: Caller,
    app: web::Data<App>,
    request: HttpRequest,
    form: Result<web::Form<TokenRequest>, actix_web::Error>,
) -> Result<HttpResponse, OauthError> {
    app.limits.login(caller.address)?;
    let form = form.map_err(|cause| OauthError::new("invalid_request", unreadable(&cause)))?.into_inner();
    match form.grant_type.as_deref() {
        Some("client_credentials") => {}
        None => return Err(OauthError::new("invalid_request", "grant_type is missing; give client_credentials")),
        Some(_) => return Err(OauthError::new("unsupported_grant_type", "only client_credentials is supported")),
    }
    let detail = form.authorization_details.as_deref().map(parse_detail).transpose()?;
    let proof = proof(&form, &request)?;
    let issuing = app.clone();
    let issued = app.db.write(move |conn| issue(conn, &issuing, &proof, detail)).await??;
    let answer = TokenAnswer {
        access_token: issued.token,
        token_type: "Bearer",
        expires_in: ACCESS_TOKEN_SECONDS,
        authorization_details: issued.authorization_details,
    };
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(answer))
}

/// Why a form could not be read: another media type, too long, or a parameter that stands twice.
fn unreadable(cause: &actix_web::Error) -> String {
    let reason = cause.as_error::<Error>().map_or_else(|| "the form could not be read".to_owned(), ToString::to_string);
    format!("{reason}; send each parameter once, as application/x-www-form-urlencoded")
}

/// A refusal is a value here, so that its ledger entry stays when the transaction ends.
fn issue(conn: &mut Conn, app: &App, proof: &Proof, detail: Option<AuthorizationDetail>) -> Result<Result<AccessToken, OauthError>, Error> {
    let audiences = [app.issuer.clone(), format!("{}/oauth2/token", app.issuer)];
    let client = match tokens::authenticate(conn, &audiences, proof)? {
        Ok(client) => client,
        Err(reason) => return Ok(Err(OauthError::new("invalid_client", reason))),
    };
    if let Some(detail) = detail {
        return match checked_detail(conn, &client, detail) {
            Ok(detail) => Ok(Ok(tokens::issue(conn, &app.keys, &app.issuer, &client, Some(detail))?)),
            Err(reason @ (Error::Forbidden(_) | Error::NotFound { .. } | Error::Invalid(_))) => {
                Ok(Err(OauthError::new("invalid_authorization_details", reason.to_string())))
            }
            Err(other) => Err(other),
        };
    }
    Ok(Ok(tokens::issue(conn, &app.keys, &app.issuer, &client, None)?))
}

fn checked_detail(conn: &mut Conn, client: &Client, detail: AuthorizationDetail) -> Result<AuthorizationDetail, Error> {
    let grant = grants::find(conn, &detail.grant)?;
    // Another firm's grant is told apart from none by nobody.
    if grant.firm_id != client.firm_id {
        return Err(Error::not_found("grant", detail.grant));
    }
    grants::require_in_force(&grant)?;
    if detail.dataset.as_ref().is_some_and(|dataset| *dataset != grant.dataset) {
        return Err(Error::Forbidden("the grant is for another dataset".to_owned()));
    }
    Ok(AuthorizationDetail { dataset: Some(grant.dataset), ..detail })
}

fn parse_detail(text: &str) -> Result<AuthorizationDetail, OauthError> {
    let wrong = |reason: String| OauthError::new("invalid_authorization_details", reason);
    let details: Vec<AuthorizationDetail> = serde_json::from_str(text).map_err(|cause| wrong(format!("authorization_details: {cause}")))?;
    match <[AuthorizationDetail; 1]>::try_from(details) {
        Ok([detail]) if detail.detail_type == GRANT_DETAIL => Ok(detail),
        Ok([detail]) => Err(wrong(format!("the type `{}` is unknown; give {GRANT_DETAIL}", detail.detail_type))),
        Err(_other_count) => Err(wrong("give exactly one authorization detail".to_owned())),
    }
}

/// Exactly one proof: an assertion, a secret in the body, or a secret in HTTP Basic.
fn proof(form: &TokenRequest, request: &HttpRequest) -> Result<Proof, OauthError> {
    let basic = basic(request)?;
    let offered = [form.client_assertion.is_some(), form.client_secret.is_some(), basic.is_some()];
    if offered.iter().filter(|given| **given).count() > 1 {
        return Err(OauthError::new("invalid_request", "the client proves itself in more than one way; choose one"));
    }
    if let Some(proof) = basic {
        let same = matches!((&proof, &form.client_id), (Proof::Secret(id, _), Some(named)) if id == named);
        if form.client_id.is_some() && !same {
            return Err(OauthError::new("invalid_request", "client_id is not the one of the Authorization header"));
        }
        return Ok(proof);
    }
    if let Some(assertion) = &form.client_assertion {
        if form.client_assertion_type.as_deref() != Some(ASSERTION_TYPE) {
            return Err(OauthError::new("invalid_request", format!("client_assertion_type must be {ASSERTION_TYPE}")));
        }
        return Ok(Proof::Assertion { assertion: assertion.clone(), client_id: form.client_id.clone() });
    }
    match (&form.client_id, &form.client_secret) {
        (Some(id), Some(secret)) => Ok(Proof::Secret(id.clone(), secret.clone())),
        _ => Err(OauthError::new(
            "invalid_client",
            "the client does not prove itself; send client_assertion, or client_id with client_secret",
        )),
    }
}

/// The client's id and secret in HTTP Basic, each form-encoded (RFC 6749 §2.3.1).
fn basic(request: &HttpRequest) -> Result<Option<Proof>, OauthError> {
    let Some(value) = request.headers().get(AUTHORIZATION) else { return Ok(None) };
    let wrong = || OauthError::new("invalid_client", "the Authorization header is no HTTP Basic with client_id and secret");
    let (scheme, encoded) = value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(wrong)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Ok(None);
    }
    let decoded = STANDARD.decode(encoded.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(wrong)?;
    let (id, secret) = decoded.split_once(':').ok_or_else(wrong)?;
    let plain = |text: &str| {
        url::form_urlencoded::parse(format!("x={text}").as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    Ok(Some(Proof::Secret(plain(id), plain(secret))))
}

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
        "token_endpoint_auth_methods_supported": ["private_key_jwt", "client_secret_basic", "client_secret_post"],
        "token_endpoint_auth_signing_alg_values_supported": ["EdDSA", "ES256"],
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
        "bearer_methods_supported": ["header"],
        "authorization_details_types_supported": [GRANT_DETAIL],
        "resource_documentation": format!("{issuer}/docs/"),
    }))
}

/// List the service's public keys
///
/// RFC 7517; access tokens are verified with them.
#[utoipa::path(tag = "oauth2", responses((status = OK, body = Object)))]
#[get("/.well-known/jwks.json")]
pub async fn list_keys(app: web::Data<App>) -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "public, max-age=300")).content_type("application/jwk-set+json").json(&app.keys.jwks)
}
