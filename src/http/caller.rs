//! Works out, once for each request, who calls; counts the request against their limit; and writes one log line.
//!
//! Whether a client, its firm or a session may still act is known at every request as of the last transaction, so that a
//! revocation works at once, whatever a token still says.

use std::future::{Ready, ready};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use actix_web::body::{BodySize, BodyStream, BoxBody, MessageBody, SizedStream};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    AUTHORIZATION, CONTENT_SECURITY_POLICY, FORWARDED, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, web};

use bytes::Bytes;
use futures::stream;
use percent_encoding::percent_decode_str;

use super::problem::{Language, respond};
use super::{browser, portal};
use crate::app::App;
use crate::error::{Error, Result};
use crate::identity::dpop::{self, Demand, Possession};
use crate::identity::jwk::ALGORITHMS;
use crate::identity::people::sessions::{self, Resumed};
use crate::identity::signed_urls;
use crate::identity::{Caller, Identity, PersonIdentity};
use crate::limits::{LimitKey, Standing, Tier};
use crate::settings::{ForwardedHeader, Settings};

/// The docs page writes its own styles; everything else of it comes from files of the program.
const DOCS_POLICY: &str =
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'";

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const DPOP: HeaderName = HeaderName::from_static("dpop");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What stands before the signature of a URL that opens one file.
const SIGNED: &str = "/api/v1/signed/";

/// How long a part of a path is at most in the log. Ids and slugs are shorter, signatures longer.
const LONGEST_PART: usize = 128;

/// What stands before the path of a collection's file.
const FILES: &str = "/files/";

/// Where clients take their tokens, ask about them and end them.
const CLIENT_ENDPOINTS: &str = "/oauth2/";

#[derive(Clone)]
struct RequestId(String);

/// The request's id.
pub fn request_id(request: &HttpRequest) -> String {
    request.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default()
}

impl FromRequest for Caller {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let caller = request.extensions().get::<Caller>().cloned();
        ready(caller.ok_or_else(|| Error::internal(anyhow::anyhow!("a route outside of caller::resolve"))))
    }
}

/// What a signed URL opens, and the file name that stands at its end.
#[derive(Clone)]
pub struct SignedTarget {
    /// What the URL opens, as it says.
    pub opens: serde_json::Value,
    /// The name at its end, as it came.
    pub file_name: String,
}

impl FromRequest for SignedTarget {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        // An address that is written in another way than it was answered was not taken for one with a signature.
        let signed = request.extensions().get::<SignedTarget>().cloned();
        ready(signed.ok_or_else(signed_urls::not_valid))
    }
}

/// Whom the caller's limits count against.
pub fn limit_key(caller: &Caller) -> LimitKey {
    match &caller.identity {
        Identity::Anonymous => LimitKey::for_address(caller.address),
        Identity::Client(client) => LimitKey::for_firm(&client.firm_id, client.throttled),
        Identity::Person(person) => match &person.firm_id {
            Some(firm) if person.firm_approved => LimitKey::for_firm(firm, person.throttled),
            // Anybody can register a firm: until it is approved it is its address.
            Some(_) => LimitKey::for_address(caller.address),
            None => LimitKey { tier: Tier::Staff, name: format!("person:{}", person.id) },
        },
    }
}

/// The request came as HEAD.
struct Head;

/// The method by which the request came; `method()` of a request says GET for HEAD too.
pub fn asked_method(request: &HttpRequest) -> Method {
    if request.extensions().get::<Head>().is_some() { Method::HEAD } else { request.method().clone() }
}

/// The middleware around every route.
///
/// # Errors
/// Never; a refusal is an answer.
pub async fn resolve(mut request: ServiceRequest, next: Next<impl MessageBody + 'static>) -> actix_web::Result<ServiceResponse<BoxBody>> {
    let started = Instant::now();
    let id = uuid::Uuid::now_v7().to_string();
    request.extensions_mut().insert(RequestId(id.clone()));
    let language = Language::of(request.headers());
    let (method, path) = (request.method().clone(), request.path().to_owned());
    if method == Method::HEAD {
        // Every GET answers HEAD too (RFC 9110 §9.3.2): the connection knows what was asked, and sends no body.
        request.extensions_mut().insert(Head);
        request.head_mut().method = Method::GET;
    }
    let (response, who, standing) = answer(request, next, language, &id).await?;
    let mut response = if method == Method::HEAD { without_bytes(response) } else { response };
    let refused = response.status() == StatusCode::TOO_MANY_REQUESTS;
    decorate(response.headers_mut(), refused, &id, standing);
    if path.starts_with("/docs/") {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(DOCS_POLICY));
    }
    tracing::info!(
        request.id = %id,
        http.method = %method,
        http.path = %told_path(&path),
        http.status = response.status().as_u16(),
        caller = %who,
        duration_ms = started.elapsed().as_secs_f64() * 1000.0,
        "request"
    );
    Ok(response)
}

/// The path as the log and problems have it: that of a collection's file may name a person, and is left out. So is whatever is as long as a
/// signature, which is as good as a token at another address too.
pub fn told_path(path: &str) -> String {
    let plain = percent_decode_str(path).decode_utf8_lossy();
    let told = match (plain.split_once(SIGNED), plain.split_once(FILES)) {
        (Some((before, _)), _) => format!("{before}{SIGNED}…"),
        (None, Some((dataset, _))) if dataset.contains("/datasets/") => format!("{dataset}{FILES}…"),
        (None, Some(_) | None) => path.to_owned(),
    };
    if told.split('/').all(|part| part.len() <= LONGEST_PART) {
        return told;
    }
    told.split('/').map(|part| if part.len() > LONGEST_PART { "…" } else { part }).collect::<Vec<_>>().join("/")
}

/// The same answer without its bytes, which nobody asked for: they are not read, and count for nobody.
fn without_bytes(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    response.map_body(|_, body| match body.size() {
        BodySize::None | BodySize::Sized(0) => body,
        BodySize::Sized(length) => BoxBody::new(SizedStream::new(length, stream::empty::<Result<Bytes>>())),
        BodySize::Stream => BoxBody::new(BodyStream::new(stream::empty::<Result<Bytes>>())),
    })
}

type Answered = (ServiceResponse<BoxBody>, String, Option<Standing>);

async fn answer(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
    language: Language,
    id: &str,
) -> actix_web::Result<Answered> {
    let path = request.path();
    // Probes, and what every page loads from the program itself.
    if matches!(path, "/healthz" | "/readyz") || path.starts_with("/assets/") || path.starts_with("/docs/") {
        let anonymous = Caller { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), identity: Identity::Anonymous };
        request.extensions_mut().insert(anonymous);
        return Ok((next.call(request).await?.map_into_boxed_body(), "anonymous".to_owned(), None));
    }
    let Some(app) = request.app_data::<web::Data<App>>().map(|data| Arc::clone(data)) else {
        return Err(Error::internal(anyhow::anyhow!("no app data")).into());
    };
    let address = address(request.peer_addr().map(|peer| peer.ip()), request.headers(), &app.settings);
    let resolved = match request.path() {
        // They read their Authorization header themselves (RFC 6749 §2.3.1), and answer in their own shape.
        path if path.starts_with(CLIENT_ENDPOINTS) => Ok((Caller { address, identity: Identity::Anonymous }, None)),
        _ => identify(&app, &request, address).await,
    };
    // A token that does not hold counts against the address that it came from.
    let key = resolved.as_ref().map_or_else(|_| LimitKey::for_address(address), |(caller, _)| limit_key(caller));
    let (standing, counted) = app.limits.request(&key);
    let who = resolved.as_ref().map_or_else(|_| "refused".to_owned(), |(caller, _)| caller.actor());
    let by_cookie = resolved.as_ref().is_ok_and(|(caller, _)| browser::is_browser(caller));
    let refused = match counted {
        Err(limited) => Some(limited),
        // That a proof was used is written down only for a request that is within its limits.
        Ok(()) => match admit(&app, resolved).await {
            Ok(caller) => {
                request.extensions_mut().insert(caller);
                None
            }
            Err(error) => Some(error),
        },
    };
    let page = portal::shows_errors(request.path(), request.headers()).then(|| portal::Shown::of(&request));
    if let Some(error) = refused {
        let body = refuse(&app, &error, page.as_ref(), language, id);
        return Ok((request.into_response(body), who, Some(standing)));
    }
    let response = next.call(request).await?.map_into_boxed_body();
    let mut response = match response.response().error().and_then(|error| error.as_error::<Error>()) {
        None => response,
        Some(error) => {
            let body = refuse(&app, error, page.as_ref(), language, id);
            response.into_response(body)
        }
    };
    if by_cookie {
        browser::keep_private(response.headers_mut());
    }
    Ok((response, who, Some(standing)))
}

/// The answer for an error: a problem, or a page for people who look at pages.
fn refuse(app: &App, error: &Error, page: Option<&portal::Shown>, language: Language, id: &str) -> HttpResponse {
    log_internal(error, id);
    let response = challenge(respond(error, language, id), app);
    match page {
        Some(page) => portal::error_page(error, page, id, response),
        None => response,
    }
}

/// A 401 says where the authorization server is described (RFC 9728 §5.1).
fn challenge(mut response: HttpResponse, app: &App) -> HttpResponse {
    if response.status() == StatusCode::UNAUTHORIZED {
        let metadata = format!("resource_metadata=\"{}/.well-known/oauth-protected-resource\"", app.issuer);
        let algorithms = ALGORITHMS.join(" ");
        for text in [format!("Bearer realm=\"qingdan\", {metadata}"), format!("DPoP realm=\"qingdan\", algs=\"{algorithms}\", {metadata}")]
        {
            // The issuer is an address of ASCII, as the settings checked.
            if let Ok(value) = HeaderValue::try_from(text) {
                response.headers_mut().append(WWW_AUTHENTICATE, value);
            }
        }
    }
    response
}

/// A fault of ours is logged once, with its whole cause; the caller gets the request's id only.
fn log_internal(error: &Error, id: &str) {
    if let Error::Internal(cause) = error {
        tracing::error!(request.id = %id, error = format!("{cause:#}"), "internal error");
    }
}

fn decorate(headers: &mut HeaderMap, refused: bool, id: &str, standing: Option<Standing>) {
    let set = |headers: &mut HeaderMap, name: HeaderName, text: String| {
        // These texts are ASCII; a value that is not would be a fault of ours and is left out.
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(name, value);
        }
    };
    set(headers, REQUEST_ID, id.to_owned());
    if let Some(Standing { policy, burst, window_seconds, remaining }) = standing {
        // A refusal by another limit than that of requests says when to come back itself.
        let wait = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()).and_then(|text| text.parse::<u64>().ok());
        let remaining = if refused && wait.is_some() { 0 } else { remaining };
        let reset = if let (true, Some(wait)) = (refused, wait) {
            wait
        } else if remaining >= burst {
            0
        } else {
            (u64::from(burst - remaining) * window_seconds).div_ceil(u64::from(burst))
        };
        set(headers, RATE_LIMIT, format!("\"{policy}\";r={remaining};t={reset}"));
        set(headers, RATE_LIMIT_POLICY, format!("\"{policy}\";q={burst};w={window_seconds}"));
    }
    headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    headers.insert(HeaderName::from_static("referrer-policy"), HeaderValue::from_static("same-origin"));
}

/// The caller, and the proof of possession that the request came with.
type Resolved = Result<(Caller, Option<Possession>)>;

/// The caller of a request within its limits, whose proof was not used before.
async fn admit(app: &Arc<App>, resolved: Resolved) -> Result<Caller> {
    let (caller, proof) = resolved?;
    let Some(proof) = proof else { return Ok(caller) };
    if app.db.write(move |conn| dpop::remember(conn, &proof)).await? {
        return Ok(caller);
    }
    Err(Error::Unauthenticated("DPoP: the proof's jti was used already; make a new proof for each request".to_owned()))
}

async fn identify(app: &Arc<App>, request: &ServiceRequest, address: IpAddr) -> Resolved {
    if let Some(signed) = request.path().strip_prefix(SIGNED) {
        return by_signature(app, request, signed, address).await;
    }
    let headers = request.headers();
    let Some(value) = headers.get(AUTHORIZATION) else {
        let identity = from_cookie(app, request).await?.map_or(Identity::Anonymous, Identity::Person);
        return Ok((Caller { address, identity }, None));
    };
    let text = value.to_str().unwrap_or_default();
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    let bound = scheme.eq_ignore_ascii_case("dpop");
    if !(bound || scheme.eq_ignore_ascii_case("bearer")) || token.trim().is_empty() {
        return Err(Error::Unauthenticated(
            "send Authorization: Bearer with a session's or an access token, or DPoP with a bound one".to_owned(),
        ));
    }
    let token = token.trim().to_owned();
    if token.starts_with("qds_") && !bound {
        let person = resume(app, token, false).await?;
        return Ok((Caller { address, identity: Identity::Person(person) }, None));
    }
    let client = app.known.client(&app.db, &app.follower, &app.keys, &app.issuer, &token).await?;
    let proof = match (&client.jkt, bound) {
        (None, false) => None,
        (Some(_), false) => {
            return Err(Error::Unauthenticated(
                "this token is bound to a key: send Authorization: DPoP with it, and a proof in the header DPoP".to_owned(),
            ));
        }
        (None, true) => return Err(Error::Unauthenticated("this token is bound to no key: send Authorization: Bearer with it".to_owned())),
        (Some(jkt), true) => Some(prove(app, request, &token, jkt)?),
    };
    Ok((Caller { address, identity: Identity::Client(client) }, proof))
}

/// The client that signed the address. What else the request says of its sender is not looked at.
async fn by_signature(app: &Arc<App>, request: &ServiceRequest, signed: &str, address: IpAddr) -> Resolved {
    let (signature, file_name) = signed.split_once('/').unwrap_or((signed, ""));
    let url = app.url_key.verify(signature)?;
    let client = app.known.maker(&app.db, &app.follower, &app.keys, signature, &url).await?;
    request.extensions_mut().insert(SignedTarget { opens: url.opens, file_name: file_name.to_owned() });
    Ok((Caller { address, identity: Identity::Client(client) }, None))
}

/// The person whose session a browser keeps in a cookie. A session that is over leaves nobody: the same browser still reads what everybody may.
async fn from_cookie(app: &Arc<App>, request: &ServiceRequest) -> Result<Option<PersonIdentity>> {
    let Some(token) = browser::session(request.headers()) else { return Ok(None) };
    let person = match resume(app, token, true).await {
        Ok(person) => person,
        Err(Error::Unauthenticated(_)) => return Ok(None),
        Err(other) => return Err(other),
    };
    browser::check_request(app, request, &person)?;
    Ok(Some(person))
}

/// The person of a session; writes down, once a minute, that it is used.
async fn resume(app: &Arc<App>, token: String, browser: bool) -> Result<PersonIdentity> {
    let settings = app.settings.sign_in.clone();
    let Resumed { person, stale } = app.db.read(move |conn| sessions::resume(conn, &settings, &token, browser)).await?;
    if stale {
        let (app, used) = (Arc::clone(app), person.clone());
        crate::db::blocking(move || app.db.record_now(|conn| sessions::touch(conn, &used))).await?;
    }
    Ok(person)
}

/// Checks that the request shows the possession of the key to which its token is bound (RFC 9449 §7). Whether the proof was used before is for
/// [`admit`].
fn prove(app: &App, request: &ServiceRequest, token: &str, jkt: &str) -> Result<Possession> {
    let refuse = |reason: String| Error::Unauthenticated(format!("DPoP: {reason}"));
    let proof = dpop_header(request.headers()).map_err(refuse)?;
    let proof =
        proof.ok_or_else(|| refuse("the token is bound to a key, and the request has no proof of it in the header DPoP".to_owned()))?;
    let method = asked_method(request.request());
    let address = format!("{}{}", app.issuer, request.path());
    let demand = Demand { method: method.as_str(), address: &address, token: Some(token) };
    let shown = dpop::check(&proof, demand).map_err(refuse)?;
    if shown.jkt != jkt {
        return Err(refuse("the proof is made with another key than the token is bound to".to_owned()));
    }
    Ok(shown)
}

/// The one proof of possession of a request.
pub fn dpop_header(headers: &HeaderMap) -> Result<Option<String>, String> {
    let mut values = headers.get_all(DPOP);
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err("send one header DPoP".to_owned());
    }
    value.to_str().map(|text| Some(text.to_owned())).map_err(|_not_ascii| "the header DPoP is no JWT".to_owned())
}

/// The caller's address: the peer's, or, when the peer is a trusted proxy, the nearest address before it that is none.
fn address(peer: Option<IpAddr>, headers: &HeaderMap, settings: &Settings) -> IpAddr {
    let mut address = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)).to_canonical();
    let is_trusted = |address: IpAddr| settings.trusted_proxies.iter().any(|net| net.contains(&address));
    for hop in hops(headers, settings.forwarded_header).into_iter().rev() {
        if !is_trusted(address) {
            break;
        }
        let Some(hop) = hop else { break };
        address = hop.to_canonical();
    }
    address
}

/// The chain of addresses that proxies wrote down, nearest last; `None` for one that cannot be read. Only the one header that our
/// proxies write is read: another one would be the caller's own.
fn hops(headers: &HeaderMap, header: ForwardedHeader) -> Vec<Option<IpAddr>> {
    let texts = |name: &HeaderName| headers.get_all(name).filter_map(|value| value.to_str().ok()).collect::<Vec<_>>().join(",");
    let (text, read): (String, fn(&str) -> Option<IpAddr>) = match header {
        ForwardedHeader::XForwardedFor => (texts(&FORWARDED_FOR), read_address),
        ForwardedHeader::Forwarded => (texts(&FORWARDED), read_element),
    };
    text.split(',').filter(|part| !part.trim().is_empty()).map(read).collect()
}

/// The `for` of one element of `Forwarded` (RFC 7239 §4).
fn read_element(element: &str) -> Option<IpAddr> {
    let (_, address) =
        element.split(';').filter_map(|pair| pair.trim().split_once('=')).find(|(name, _)| name.eq_ignore_ascii_case("for"))?;
    read_address(address)
}

/// An address with or without port, brackets and quotes.
fn read_address(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    text.parse()
        .or_else(|_| text.trim_start_matches('[').trim_end_matches(']').parse())
        .or_else(|_| text.parse().map(|socket: std::net::SocketAddr| socket.ip()))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, headers: &[(&str, &str)], trusted: &str, header: &str) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap());
        }
        let flags = [("trusted_proxies", trusted), ("forwarded_header", header)];
        let flags = flags.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let settings = Settings::load(&flags, std::iter::empty(), None).unwrap();
        address(Some(peer.parse().unwrap()), &map, &settings).to_string()
    }

    #[test]
    fn forwarded_addresses_are_believed_from_trusted_peers_only() {
        let seen_for = |peer, value, trusted| seen(peer, &[("x-forwarded-for", value)], trusted, "x-forwarded-for");
        let net = "10.0.0.0/8";
        assert_eq!(seen_for("9.9.9.9", "1.1.1.1", ""), "9.9.9.9");
        assert_eq!(seen_for("10.0.0.1", "1.1.1.1", net), "1.1.1.1");
        assert_eq!(seen_for("10.0.0.1", "6.6.6.6, 1.1.1.1", net), "1.1.1.1");
        assert_eq!(seen_for("10.0.0.1", "1.1.1.1, 10.0.0.2", net), "1.1.1.1");
        assert_eq!(seen_for("10.0.0.1", "nonsense", net), "10.0.0.1");
        let both = [("x-forwarded-for", "1.1.1.1"), ("forwarded", "For=\"[2001:db8::1]:80\";proto=https")];
        assert_eq!(seen("10.0.0.1", &both, net, "x-forwarded-for"), "1.1.1.1");
        assert_eq!(seen("10.0.0.1", &both, net, "forwarded"), "2001:db8::1");
    }
}
