//! What holds for people in a browser: the cookie that keeps their session, and that no other site can use it.
//!
//! A browser sends the cookie by itself, also when another site makes it send a request (CSRF). `SameSite=Lax` keeps the cookie from most of those, but
//! "site" means the registrable domain: a neighbour under the same domain, which a city's services have many of, counts as the same site. So a request that
//! may change something and comes with the cookie passes two more checks, each of which would do alone:
//!
//! - The browser itself says where the request was made: `Sec-Fetch-Site` must be `same-origin`. A page cannot write this header. Browsers that do not send it
//!   send `Origin`, which must then be the origin of the public address; without either the request is refused.
//! - The request carries a token that only a page of ours, or a script of our origin, can know: HMAC-SHA-256 over the digest of the session's token, under a
//!   key of its own. A form has it in a field; everything else sends it as `X-CSRF-Token`. Another origin can neither read the page nor set the header.
//!
//! Requests with an `Authorization` header need neither: a browser adds none by itself, and the cookie is not read when there is one.

mod upload;

use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use actix_web::http::header::{CACHE_CONTROL, COOKIE, HeaderMap, HeaderName, HeaderValue, ORIGIN, SET_COOKIE, USER_AGENT};
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde::Deserialize;

use crate::app::App;
use crate::error::{Error, Result};
use crate::identity::people::sessions::Origin;
use crate::identity::{Caller, Identity, PersonIdentity};

pub use upload::{GuardedUpload, Uploaded};

/// The prefix binds it to this very host, to all of its paths, and to a safe connection: no neighbour can plant it.
const NAME: &str = "__Host-qingdan";

/// How everything but a form proves that it is of our origin.
pub const CSRF_HEADER: HeaderName = HeaderName::from_static("x-csrf-token");

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Where the portal's forms go; they have the token in a field, which [`GuardedForm`] and [`GuardedUpload`] check; those of
/// people who have no session yet have none.
const FORMS: [&str; 10] =
    ["/login", "/logout", "/register-firm", "/requests", "/reuses", "/receipt", "/account/", "/firm/", "/console/", "/mail/"];

fn is_form(path: &str) -> bool {
    let of_dataset = path.starts_with("/datasets/") && (path.ends_with("/apply") || path.contains("/feedback/"));
    of_dataset
        || path.starts_with("/requests/")
        || path.starts_with("/receipt/")
        || FORMS.iter().any(|form| path == *form || (form.ends_with('/') && path.starts_with(form)))
}

/// The session's token that the browser keeps. Of two cookies of the name neither is ours for sure.
pub fn session(headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(COOKIE).filter_map(|value| value.to_str().ok());
    let mut found = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('=')).filter(|(name, _)| *name == NAME);
    match (found.next(), found.next()) {
        (Some((_, token)), None) if !token.is_empty() => Some(token.to_owned()),
        _ => None,
    }
}

/// Has the browser keep a session, until it is closed or the session is over.
pub fn keep(response: &mut HttpResponse, token: &str) {
    // Tokens are ASCII.
    if let Ok(value) = HeaderValue::try_from(format!("{NAME}={token}; Path=/; Secure; HttpOnly; SameSite=Lax")) {
        response.headers_mut().append(SET_COOKIE, value);
    }
}

/// [`keep`] where the session got another token.
pub fn keep_renewed(mut response: HttpResponse, token: Option<&str>) -> HttpResponse {
    if let Some(token) = token {
        keep(&mut response, token);
    }
    response
}

/// Has the browser forget its session.
pub fn forget(response: &mut HttpResponseBuilder) -> &mut HttpResponseBuilder {
    response.insert_header((SET_COOKIE, format!("{NAME}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0")))
}

/// Whether the caller came by the cookie.
pub fn is_browser(caller: &Caller) -> bool {
    matches!(&caller.identity, Identity::Person(person) if person.browser)
}

/// Nothing that a person got by the cookie is kept for the next one at the same machine, or by a cache that does not look at cookies.
pub fn keep_private(headers: &mut HeaderMap) {
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// The token of a session's forms and requests.
pub fn csrf_token(app: &App, session: &str) -> String {
    app.master.derive("csrf").hex(session.as_bytes())
}

fn check_token(app: &App, person: &PersonIdentity, given: &str) -> Result<()> {
    if app.master.derive("csrf").verifies(person.session.as_bytes(), given) {
        return Ok(());
    }
    Err(Error::Forbidden(
        "the request carries no token of this session: load the page again, or send X-CSRF-Token from GET /api/v1/people/me".to_owned(),
    ))
}

/// Checks that the browser made the request on a page of ours.
///
/// # Errors
/// When it says otherwise, or nothing.
pub fn check_site(app: &App, headers: &HeaderMap) -> Result<()> {
    let same = match (headers.get(FETCH_SITE), headers.get(ORIGIN)) {
        (Some(site), _) => site == "same-origin",
        (None, Some(origin)) => origin.to_str().is_ok_and(|origin| origin == app.issuer),
        (None, None) => false,
    };
    if same {
        return Ok(());
    }
    Err(Error::Forbidden(
        "with the cookie of a session this is done from a page of this service only; a program sends Authorization instead".to_owned(),
    ))
}

/// Checks that no page of another site made a request that needs no session, as a form of it can. Programs say nothing of where they come from.
///
/// # Errors
/// When the browser names another site.
pub fn check_no_other_site(app: &App, headers: &HeaderMap) -> Result<()> {
    let other = match (headers.get(FETCH_SITE), headers.get(ORIGIN)) {
        (Some(site), _) => site != "same-origin" && site != "none",
        (None, Some(origin)) => origin.to_str().map_or(true, |origin| origin != app.issuer),
        (None, None) => false,
    };
    if other { Err(Error::Forbidden("a page of another site has sent this; do it on a page of this service".to_owned())) } else { Ok(()) }
}

/// Checks a request that came with the cookie, for all but the token of a form, which is in the body.
///
/// # Errors
/// When another site may have made it.
pub fn check_request(app: &App, request: &ServiceRequest, person: &PersonIdentity) -> Result<()> {
    if [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method()) {
        return Ok(());
    }
    check_site(app, request.headers())?;
    if is_form(request.path()) {
        return Ok(());
    }
    let given = request.headers().get(CSRF_HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
    check_token(app, person, given)
}

/// A form of the portal: what stands in it is reached through the check of its token only. A name may stand in it more than once, as that of
/// boxes that are ticked does.
#[derive(Deserialize)]
#[serde(transparent)]
pub struct GuardedForm(Vec<(String, String)>);

impl GuardedForm {
    /// What the person filled in.
    ///
    /// # Errors
    /// When nobody is logged in by the cookie, or the form is not of this session.
    pub fn open(self, app: &App, caller: &Caller) -> Result<Filled> {
        let filled = Filled(self.0);
        check_token(app, signed_in(caller)?, filled.one("csrf"))?;
        Ok(filled)
    }
}

/// A form of people who have no session yet, and so no token: what stands in it is reached through the check of where it was sent from only.
#[derive(Deserialize)]
#[serde(transparent)]
pub struct OpenForm(Vec<(String, String)>);

impl OpenForm {
    /// What somebody filled in.
    ///
    /// # Errors
    /// When it was not sent from a page of ours.
    pub fn open(self, app: &App, headers: &HeaderMap) -> Result<Filled> {
        check_site(app, headers)?;
        Ok(Filled(self.0))
    }
}

/// What somebody filled in. It may be a password, and is not written anywhere.
#[derive(Default, Clone)]
pub struct Filled(Vec<(String, String)>);

impl Filled {
    /// The first value of a name, with line ends as everywhere else; nothing where there is none.
    pub fn text(&self, name: &str) -> String {
        self.one(name).replace("\r\n", "\n")
    }

    /// The first value of a name; nothing where there is none.
    pub fn one<'a>(&'a self, name: &str) -> &'a str {
        self.all(name).next().unwrap_or_default()
    }

    /// The first value of each name.
    pub fn by_name(&self) -> std::collections::HashMap<&str, &str> {
        let mut found = std::collections::HashMap::new();
        for (name, value) in &self.0 {
            found.entry(name.as_str()).or_insert(value.as_str());
        }
        found
    }

    /// Every value of a name.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Every value of a name, as a list of its own.
    pub fn list(&self, name: &str) -> Vec<String> {
        self.all(name).map(str::to_owned).collect()
    }

    /// The same without what stands under a name.
    pub fn without(mut self, name: &str) -> Self {
        self.0.retain(|(known, _)| known != name);
        self
    }

    /// Whether a name has this value.
    pub fn has(&self, name: &str, value: &str) -> bool {
        self.all(name).any(|known| known == value)
    }
}

/// The person who is logged in by the cookie, whatever is still to be done before they may do more.
///
/// # Errors
/// When there is nobody.
pub fn signed_in(caller: &Caller) -> Result<&PersonIdentity> {
    match &caller.identity {
        Identity::Person(person) if person.browser => Ok(person),
        Identity::Person(_) | Identity::Client(_) | Identity::Anonymous => {
            Err(Error::Unauthenticated("log in first, at /login".to_owned()))
        }
    }
}

/// The person who is logged in by the cookie.
///
/// # Errors
/// When there is nobody.
pub fn person(caller: Caller) -> Result<PersonIdentity> {
    signed_in(&caller).cloned()
}

/// Where a session starts from: the family of the program that the request names, and nothing else of it.
pub fn origin(headers: &HeaderMap, browser: bool) -> Origin {
    // The first that stands in the text: most browsers name those before them too.
    const FAMILIES: [(&str, &str); 13] = [
        ("MicroMessenger", "WeChat"),
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrom", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
        ("Wget/", "Wget"),
        ("python", "Python"),
        ("Go-http-client", "Go"),
        ("okhttp", "Java"),
        ("Java", "Java"),
        ("node", "Node.js"),
    ];
    let text = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let agent = FAMILIES.iter().find(|(mark, _)| text.contains(mark)).map_or("other", |(_, family)| *family);
    Origin { browser, agent }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, values: &[&str]) -> HeaderMap {
        let mut map = HeaderMap::new();
        values.iter().for_each(|value| map.append(name.clone(), HeaderValue::try_from(*value).unwrap()));
        map
    }

    #[test]
    fn the_cookie_is_found_among_others_and_only_once() {
        let found = |values: &[&str]| session(&headers(COOKIE, values));
        assert_eq!(found(&["a=b; __Host-qingdan=qds_x; c=d"]).as_deref(), Some("qds_x"));
        assert_eq!(found(&["a=b", "__Host-qingdan=qds_x"]).as_deref(), Some("qds_x"));
        assert_eq!(found(&["__Host-qingdan=qds_x; __Host-qingdan=qds_y"]), None);
        assert_eq!(found(&["qingdan=qds_x", "x__Host-qingdan=y"]), None);
        assert_eq!(found(&["__Host-qingdan="]), None);
    }

    #[test]
    fn a_program_is_one_of_a_closed_list() {
        let family = |text: &str| origin(&headers(USER_AGENT, &[text]), true).agent;
        assert_eq!(
            family("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0"),
            "Edge"
        );
        assert_eq!(family("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"), "Firefox");
        assert_eq!(family("a name and an address"), "other");
    }
}
