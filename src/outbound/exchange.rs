//! One request over a connection that is open already: a GET, and what its answer says about being kept; or a POST, of whose answer the status counts.

use std::time::Duration;

use bytes::Bytes;
use chrono::DateTime;
use http_body_util::{BodyExt, Empty, Full, LengthLimitError, Limited};
use hyper::Request;
use hyper::client::conn::http1;
use hyper::header::{
    ACCEPT, AGE, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPIRES, HOST, HeaderMap, HeaderName,
    USER_AGENT,
};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use url::{Position, Url};

use super::Refusal;
use crate::clock::now;

/// The most bytes of an answer's head.
const MAX_HEAD: usize = 16 << 10;

/// An answer, read to its end.
#[derive(Debug)]
pub struct Fetched {
    /// Its body.
    pub body: Bytes,
    /// For how long it may be kept, as it says itself; nothing where it does not.
    pub kept_for: Option<Duration>,
}

/// Asks for `url` and reads the answer, which has to be a plain 200.
pub(super) async fn get<S>(stream: S, url: &Url, accept: &'static str, max_bytes: usize) -> Result<Fetched, Refusal>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let opened = http1::Builder::new().max_buf_size(MAX_HEAD).max_headers(64).handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = opened.map_err(Refusal::Exchange)?;
    let request = Request::get(&url[Position::BeforePath..Position::AfterQuery])
        .header(HOST, &url[Position::BeforeHost..Position::AfterPort])
        .header(ACCEPT, accept)
        .header(USER_AGENT, "qingdan")
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|_unfit| Refusal::Address("it cannot be written as a request".to_owned()))?;
    let exchange = async move {
        let answer = sender.send_request(request).await.map_err(Refusal::Exchange)?;
        let (head, body) = answer.into_parts();
        if head.status.as_u16() != 200 {
            return Err(Refusal::Status(head.status.as_u16()));
        }
        let announced = text(&head.headers, CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok());
        if announced.is_some_and(|length| length > max_bytes) {
            return Err(Refusal::Answer("it is too long"));
        }
        if text(&head.headers, CONTENT_ENCODING).is_some_and(|coding| !coding.eq_ignore_ascii_case("identity")) {
            return Err(Refusal::Answer("it has a content coding"));
        }
        let body = Limited::new(body, max_bytes).collect().await.map_err(broken)?.to_bytes();
        Ok(Fetched { body, kept_for: kept_for(&head.headers) })
    };
    tokio::pin!(exchange);
    // The connection is driven beside the exchange; when it ends first, the rest of the answer is there already.
    tokio::select! {
        answer = &mut exchange => answer,
        _ended = connection => exchange.await,
    }
}

/// Sends a JSON body to `url` and answers the status. What the answer says besides is not read.
pub(super) async fn post<S>(stream: S, url: &Url, headers: &[(&'static str, String)], body: String) -> Result<u16, Refusal>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let opened = http1::Builder::new().max_buf_size(MAX_HEAD).max_headers(64).handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = opened.map_err(Refusal::Exchange)?;
    let mut request = Request::post(&url[Position::BeforePath..Position::AfterQuery])
        .header(HOST, &url[Position::BeforeHost..Position::AfterPort])
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, "qingdan")
        .header(CONNECTION, "close");
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let request =
        request.body(Full::new(Bytes::from(body))).map_err(|_unfit| Refusal::Address("it cannot be written as a request".to_owned()))?;
    let exchange = async move { Ok(sender.send_request(request).await.map_err(Refusal::Exchange)?.status().as_u16()) };
    tokio::pin!(exchange);
    tokio::select! {
        status = &mut exchange => status,
        _ended = connection => exchange.await,
    }
}

fn broken(cause: Box<dyn std::error::Error + Send + Sync>) -> Refusal {
    match cause.downcast::<hyper::Error>() {
        Ok(cause) => Refusal::Exchange(*cause),
        Err(other) if other.is::<LengthLimitError>() => Refusal::Answer("it is too long"),
        Err(_other) => Refusal::Answer("its body could not be read"),
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// How long a private cache may keep an answer (RFC 9111 §4.2).
fn kept_for(headers: &HeaderMap) -> Option<Duration> {
    let mut max_age = None;
    let directives = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    for directive in directives {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" | "no-cache" => return Some(Duration::ZERO),
            "max-age" => max_age = Some(value.trim().trim_matches('"').parse::<u64>().unwrap_or(0)),
            _ => {}
        }
    }
    if let Some(seconds) = max_age {
        let age = text(headers, AGE).and_then(|age| age.trim().parse::<u64>().ok()).unwrap_or(0);
        return Some(Duration::from_secs(seconds.saturating_sub(age)));
    }
    let expires = text(headers, EXPIRES)?;
    let left = DateTime::parse_from_rfc2822(expires).ok().and_then(|moment| (moment.to_utc() - now()).to_std().ok());
    Some(left.unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn what_an_answer_says_about_being_kept() {
        let cases = [
            (vec![], None),
            (vec![("cache-control", "public, max-age=600")], Some(600)),
            (vec![("cache-control", "Max-Age=\"600\"")], Some(600)),
            (vec![("cache-control", "max-age=600"), ("age", "100")], Some(500)),
            (vec![("cache-control", "max-age=600"), ("age", "700")], Some(0)),
            (vec![("cache-control", "max-age=nonsense")], Some(0)),
            (vec![("cache-control", "max-age=600, no-store")], Some(0)),
            (vec![("cache-control", "no-cache")], Some(0)),
            (vec![("cache-control", "public"), ("cache-control", "max-age=5")], Some(5)),
            (vec![("expires", "Sun, 06 Nov 1994 08:49:37 GMT")], Some(0)),
            (vec![("expires", "0")], Some(0)),
            (vec![("cache-control", "max-age=5"), ("expires", "Sun, 06 Nov 1994 08:49:37 GMT")], Some(5)),
        ];
        for (headers, wanted) in cases {
            let mut map = HeaderMap::new();
            for (name, value) in &headers {
                map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            assert_eq!(kept_for(&map), wanted.map(Duration::from_secs), "{headers:?}");
        }
        let later = (now() + chrono::Duration::seconds(300)).to_rfc2822();
        let map = HeaderMap::from_iter([(EXPIRES, HeaderValue::from_str(&later).unwrap())]);
        assert!((298..=300).contains(&kept_for(&map).unwrap().as_secs()));
    }
}
