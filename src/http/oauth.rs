//! OAuth 2: the token endpoint (RFC 6749 §4.4, RFC 7523, RFC 9396, RFC 9449), revocation (RFC 7009), introspection (RFC 7662). Errors of the endpoints for clients have the shape of RFC 6749 §5.2.

pub mod discovery;

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpRequest, HttpResponse, ResponseError, post, web};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::access::grants;
use crate::app::App;
use crate::db::{Conn, lock_ledger};
use crate::error::Error;
use crate::http::caller::dpop_header;
use crate::identity::Caller;
use crate::identity::clients::{self, Client};
use crate::identity::dpop::{self, Demand, Possession};
use crate::identity::keys::KeyRing;
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
    /// `Bearer`, or `DPoP` for a token that is bound to a key.
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
/// By client credentials. Without `authorization_details` the token speaks for the firm; with them it reads one grant's release. With a proof of possession
/// in the header `DPoP` (RFC 9449) the token is bound to the proof's key, and each request has to prove it again.
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
    let possession = possession(&app, &request)?;
    let proof = looked_up(&app, proof(&form.client(), &request)?).await?;
    let (issuing, ring) = (app.clone(), app.keys.ring(&app.db, &app.follower).await?);
    let bound = possession.is_some();
    let issued = app.db.write(move |conn| issue(conn, &issuing, &ring, &proof, detail, possession)).await??;
    let answer = TokenAnswer {
        access_token: issued.token,
        token_type: if bound { "DPoP" } else { "Bearer" },
        expires_in: ACCESS_TOKEN_SECONDS,
        authorization_details: issued.authorization_details,
    };
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(answer))
}

/// The proof of possession of a request for a token, if it has one.
fn possession(app: &App, request: &HttpRequest) -> Result<Option<Possession>, OauthError> {
    let wrong = |reason: String| OauthError::new("invalid_dpop_proof", reason);
    let Some(proof) = dpop_header(request.headers()).map_err(wrong)? else { return Ok(None) };
    let address = format!("{}/oauth2/token", app.issuer);
    dpop::check(&proof, Demand { method: "POST", address: &address, token: None }).map(Some).map_err(wrong)
}

/// Why a form could not be read: another media type, too long, or a parameter that stands twice.
fn unreadable(cause: &actix_web::Error) -> String {
    let reason = cause.as_error::<Error>().map_or_else(|| "the form could not be read".to_owned(), ToString::to_string);
    format!("{reason}; send each parameter once, as application/x-www-form-urlencoded")
}

/// How a client proves itself, in the form of any of the endpoints for clients.
#[derive(Clone, Copy)]
struct ClientForm<'a> {
    id: Option<&'a String>,
    secret: Option<&'a String>,
    assertion_type: Option<&'a String>,
    assertion: Option<&'a String>,
}

impl TokenRequest {
    fn client(&self) -> ClientForm<'_> {
        ClientForm {
            id: self.client_id.as_ref(),
            secret: self.client_secret.as_ref(),
            assertion_type: self.client_assertion_type.as_ref(),
            assertion: self.client_assertion.as_ref(),
        }
    }
}

type Refusable<T> = Result<Result<T, OauthError>, Error>;

/// The client that proves itself. A refusal is a value here, so that its ledger entry stays when the transaction ends.
fn authenticated(conn: &mut Conn, app: &App, path: &str, proof: &Proof) -> Refusable<Client> {
    // One after the other: of two that send the same assertion at once, one finds it used.
    lock_ledger(conn)?;
    let issuer = &app.issuer;
    let audiences = [issuer.clone(), format!("{issuer}/oauth2/token"), format!("{issuer}{path}")];
    Ok(tokens::authenticate(conn, &audiences, proof)?.map_err(|reason| OauthError::new("invalid_client", reason)))
}

fn issue(
    conn: &mut Conn,
    app: &App,
    ring: &KeyRing,
    proof: &Proof,
    detail: Option<AuthorizationDetail>,
    possession: Option<Possession>,
) -> Refusable<AccessToken> {
    let client = match authenticated(conn, app, "/oauth2/token", proof)? {
        Ok(client) => client,
        Err(refused) => return Ok(Err(refused)),
    };
    if client.dpop_bound_access_tokens && possession.is_none() {
        let reason = "this client's tokens are bound to a key: send a proof of possession in the header DPoP";
        return Ok(Err(OauthError::new("invalid_dpop_proof", reason)));
    }
    if let Some(shown) = &possession
        && !dpop::remember(conn, shown)?
    {
        return Ok(Err(OauthError::new("invalid_dpop_proof", "the proof's jti was used already; make a new proof for each request")));
    }
    let detail = match detail.map(|detail| checked_detail(conn, &client, detail, possession.is_some())).transpose() {
        Ok(detail) => detail,
        Err(reason @ (Error::Forbidden(_) | Error::NotFound { .. } | Error::Invalid(_))) => {
            return Ok(Err(OauthError::new("invalid_authorization_details", reason.to_string())));
        }
        Err(other) => return Err(other),
    };
    Ok(Ok(tokens::issue(conn, ring, &app.issuer, &client, detail, possession.map(|shown| shown.jkt))?))
}

fn checked_detail(conn: &mut Conn, client: &Client, detail: AuthorizationDetail, bound: bool) -> Result<AuthorizationDetail, Error> {
    let grant = grants::find(conn, &detail.grant)?;
    // Another firm's grant is told apart from none by nobody.
    if grant.firm_id != client.firm_id {
        return Err(Error::not_found("grant", detail.grant));
    }
    grants::require_in_force(&grant)?;
    if grant.reach.sender_constrained && !bound {
        return Err(Error::Forbidden(
            "the grant asks for tokens that are bound to a key: send a proof of it in the header DPoP (RFC 9449)".to_owned(),
        ));
    }
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
fn proof(form: &ClientForm<'_>, request: &HttpRequest) -> Result<Proof, OauthError> {
    let basic = basic(request)?;
    let offered = [form.assertion.is_some(), form.secret.is_some(), basic.is_some()];
    if offered.iter().filter(|given| **given).count() > 1 {
        return Err(OauthError::new("invalid_request", "the client proves itself in more than one way; choose one"));
    }
    if let Some(proof) = basic {
        let same = matches!((&proof, form.id), (Proof::Secret(id, _), Some(named)) if id == named);
        if form.id.is_some() && !same {
            return Err(OauthError::new("invalid_request", "client_id is not the one of the Authorization header"));
        }
        return Ok(proof);
    }
    if let Some(assertion) = form.assertion {
        if form.assertion_type.map(String::as_str) != Some(ASSERTION_TYPE) {
            return Err(OauthError::new("invalid_request", format!("client_assertion_type must be {ASSERTION_TYPE}")));
        }
        return Ok(Proof::Assertion { assertion: assertion.clone(), client_id: form.id.cloned(), published: None });
    }
    match (form.id, form.secret) {
        (Some(id), Some(secret)) => Ok(Proof::Secret(id.clone(), secret.clone())),
        _ => Err(OauthError::new(
            "invalid_client",
            "the client does not prove itself; send client_assertion, or client_id with client_secret",
        )),
    }
}

/// The proof with the key of a client that publishes its keys, which may have to be fetched first.
async fn looked_up(app: &App, mut proof: Proof) -> Result<Proof, OauthError> {
    if let Proof::Assertion { assertion, published, .. } = &mut proof
        && let Some(client_id) = tokens::subject(assertion)
    {
        *published = app.published_key(&client_id, None, assertion).await?;
    }
    Ok(proof)
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

/// A token about which a client asks, or that it ends. The client proves itself as at the token endpoint.
#[derive(Deserialize, ToSchema)]
pub struct TokenForm {
    /// The access token.
    token: Option<String>,
    /// `access_token`, or nothing: there are no other tokens.
    #[expect(dead_code, reason = "a hint to what follows from the token itself")]
    token_type_hint: Option<String>,
    /// The client; needed with a secret.
    client_id: Option<String>,
    /// The client's secret.
    #[schema(format = Password)]
    client_secret: Option<String>,
    /// `urn:ietf:params:oauth:client-assertion-type:jwt-bearer`.
    client_assertion_type: Option<String>,
    /// A JWT signed with the client's key, as at the token endpoint.
    client_assertion: Option<String>,
}

impl TokenForm {
    fn client(&self) -> ClientForm<'_> {
        ClientForm {
            id: self.client_id.as_ref(),
            secret: self.client_secret.as_ref(),
            assertion_type: self.client_assertion_type.as_ref(),
            assertion: self.client_assertion.as_ref(),
        }
    }

    fn token(&self) -> Result<&str, OauthError> {
        self.token.as_deref().ok_or_else(|| OauthError::new("invalid_request", "token is missing"))
    }
}

/// Revoke an access token
///
/// RFC 7009, by the client to which it was issued: the token is refused from the next request on, a download that runs with it breaks off, and the signed URLs that
/// were made with it are over; these may outlast it, so that a token counts for an hour after it has expired. A token that is not valid, or another
/// client's, is left alone, and the answer is the same.
#[utoipa::path(
    tag = "oauth2",
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = OK, description = "The token is over, or was none of this client's"))
)]
#[post("/oauth2/revoke")]
pub async fn revoke_token(
    caller: Caller,
    app: web::Data<App>,
    request: HttpRequest,
    form: Result<web::Form<TokenForm>, actix_web::Error>,
) -> Result<HttpResponse, OauthError> {
    app.limits.login(caller.address)?;
    let form = form.map_err(|cause| OauthError::new("invalid_request", unreadable(&cause)))?.into_inner();
    // RFC 7009 §2.2.1: what is no kind of token here is told; an unknown hint is only a hint.
    let (token, proof) = (form.token()?.to_owned(), proof(&form.client(), &request)?);
    let proof = looked_up(&app, proof).await?;
    let (ending, ring) = (app.clone(), app.keys.ring(&app.db, &app.follower).await?);
    let ended = app.db.write(move |conn| {
        Ok(match authenticated(conn, &ending, "/oauth2/revoke", &proof)? {
            Ok(client) => Ok(tokens::end(conn, &ring, &ending.issuer, &client, &token)?),
            Err(refused) => Err(refused),
        })
    });
    ended.await??;
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).finish())
}

/// What a token is good for at this moment (RFC 7662 §2.2).
#[derive(Serialize, ToSchema)]
pub struct Introspection {
    /// Whether it holds: issued here to a client of the asking client's firm, not over, and its client and firm may act.
    active: bool,
    /// The rest of it, when it holds.
    #[serde(flatten)]
    #[schema(value_type = Option<Object>)]
    claims: Option<Value>,
}

/// Ask about an access token
///
/// RFC 7662, by a client of the firm that holds the token. Of any other token the answer says that it is not active.
#[utoipa::path(
    tag = "oauth2",
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = OK, body = Introspection))
)]
#[post("/oauth2/introspect")]
pub async fn introspect_token(
    caller: Caller,
    app: web::Data<App>,
    request: HttpRequest,
    form: Result<web::Form<TokenForm>, actix_web::Error>,
) -> Result<HttpResponse, OauthError> {
    app.limits.login(caller.address)?;
    let form = form.map_err(|cause| OauthError::new("invalid_request", unreadable(&cause)))?.into_inner();
    let (token, proof) = (form.token()?.to_owned(), proof(&form.client(), &request)?);
    let proof = looked_up(&app, proof).await?;
    let (asking, ring) = (app.clone(), app.keys.ring(&app.db, &app.follower).await?);
    let found = app.db.write(move |conn| {
        Ok(match authenticated(conn, &asking, "/oauth2/introspect", &proof)? {
            Ok(client) => Ok(held(conn, &ring, &asking.issuer, &client, &token)?),
            Err(refused) => Err(refused),
        })
    });
    let claims = found.await??;
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(Introspection { active: claims.is_some(), claims }))
}

/// What a token says that holds and belongs to the asking client's firm.
fn held(conn: &mut Conn, ring: &KeyRing, issuer: &str, asking: &Client, token: &str) -> Result<Option<Value>, Error> {
    let Ok(claims) = tokens::verify_access(ring, issuer, token) else { return Ok(None) };
    if claims.firm != asking.firm_id {
        return Ok(None);
    }
    let client = match clients::require_active(conn, &claims.client_id) {
        Ok(client) => client,
        Err(Error::Unauthenticated(_)) => return Ok(None),
        Err(other) => return Err(other),
    };
    if tokens::is_ended(conn, &client, &claims.jti, claims.issued_at())? {
        return Ok(None);
    }
    if let Some(grant) = claims.grant() {
        match grants::find(conn, grant).and_then(|grant| grants::require_in_force(&grant)) {
            Ok(()) => {}
            Err(Error::Forbidden(_) | Error::NotFound { .. }) => return Ok(None),
            Err(other) => return Err(other),
        }
    }
    let mut said = serde_json::to_value(&claims)?;
    said["token_type"] = if claims.jkt().is_some() { "DPoP" } else { "Bearer" }.into();
    Ok(Some(said))
}
