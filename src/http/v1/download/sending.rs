//! A file of a release on its way out: validators, ranges, digests, and who sends the bytes.

use std::ops::Range;
use std::sync::Arc;

use actix_web::body::SizedStream;
use actix_web::http::Method;
use actix_web::http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_RANGE, CONTENT_SECURITY_POLICY, ETAG, HeaderName, IF_MATCH,
    IF_UNMODIFIED_SINCE, VARY,
};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::conditions::{Answer, weigh};
use super::{describe, etag};
use crate::app::{App, Watch, watched};
use crate::crypto::{base64, unhex};
use crate::error::{Error, Result};
use crate::http::caller::asked_method;
use crate::limits::LimitKey;
use crate::read::{Archive, Coding};
use crate::release::Release;
use crate::storage::Object;

/// What RFC 8187 writes in percent form.
const EXTENDED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b'_').remove(b'~');

/// How a file looks on its way out.
pub struct Look {
    /// Its name for whoever saves it.
    pub file_name: String,
    /// Its media type.
    pub media_type: String,
    /// Whether `Accept-Encoding` chooses among several.
    pub varies: bool,
    /// Whether it was made elsewhere: then no browser opens it as a page of this service.
    pub is_foreign: bool,
}

/// A file of a release on its way out.
pub struct Sending {
    pub app: web::Data<App>,
    pub release: Arc<Release>,
    pub look: Look,
    pub key: LimitKey,
    /// The watch over the read.
    pub watch: Watch,
}

impl Sending {
    /// Answers the request with the file, a part of it, or that the caller has it already.
    ///
    /// # Errors
    /// When the request asks for a part that there is not.
    pub fn file(self, request: &HttpRequest, object: &Object, coding: Option<Coding>) -> Result<HttpResponse> {
        let (mut response, range) = self.begin(request, &object.sha256, object.size_bytes)?;
        response.insert_header((HeaderName::from_static("repr-digest"), repr_digest(object)?));
        let Some(range) = range else { return Ok(response.finish()) };
        self.describe_body(&mut response, coding);
        if let Some(address) = self.sent_by_proxy(request, object) {
            self.app.usage.add(&self.key, range.end - range.start);
            // The proxy cuts the range out by itself, and says that it can.
            response.status(actix_web::http::StatusCode::OK).insert_header((HeaderName::from_static("x-accel-redirect"), address));
            let mut response = response.finish();
            response.headers_mut().remove(CONTENT_RANGE);
            response.headers_mut().remove(ACCEPT_RANGES);
            return Ok(response);
        }
        let length = range.end - range.start;
        let rows = self.rows_in(request, length, object.size_bytes)?;
        let pieces = self.app.storage.stream(object, range);
        Ok(response.body(SizedStream::new(length, self.counted(pieces, rows))))
    }

    /// The same for a file that is being made, whose length nobody knows yet.
    ///
    /// # Errors
    /// When the grant's quota has not as many rows left.
    pub fn growing(self, pieces: BoxStream<'static, Result<Bytes>>, coding: Option<Coding>) -> Result<HttpResponse> {
        let mut response = HttpResponse::Ok();
        self.describe_body(&mut response, coding);
        let rows = self.release.row_count().unsigned_abs();
        self.watch.require(rows, 0)?;
        Ok(response.streaming(self.counted(pieces, rows)))
    }

    /// The same for all files of a collection as one archive.
    ///
    /// # Errors
    /// When the request asks for a part that there is not.
    pub fn archive(self, request: &HttpRequest, archive: Archive) -> Result<HttpResponse> {
        let (mut response, range) = self.begin(request, archive.tag(), archive.size_bytes())?;
        let Some(range) = range else { return Ok(response.finish()) };
        self.describe_body(&mut response, None);
        let length = range.end - range.start;
        let rows = self.rows_in(request, length, archive.size_bytes())?;
        Ok(response.body(SizedStream::new(length, self.counted(archive.stream(range), rows))))
    }

    /// Begins the answer: its status, its validators, and which bytes it has, if any.
    fn begin(&self, request: &HttpRequest, tag: &str, size: u64) -> Result<(HttpResponseBuilder, Option<Range<u64>>)> {
        let answer = weigh(&asked_method(request), request.headers(), tag, self.release.created_at(), size)?;
        let mut response = HttpResponse::build(answer.status());
        response.insert_header((ETAG, etag(tag))).insert_header((ACCEPT_RANGES, "bytes"));
        let range = match answer {
            Answer::NotModified | Answer::PreconditionFailed => {
                self.describe(&mut response);
                None
            }
            Answer::Whole => Some(0..size),
            Answer::Part(range) => {
                response.insert_header((CONTENT_RANGE, format!("bytes {}-{}/{size}", range.start, range.end - 1)));
                Some(range)
            }
        };
        Ok((response, range))
    }

    /// Where nginx finds the file, if it is to send it. What it would weigh again without knowing enough, we send ourselves.
    fn sent_by_proxy(&self, request: &HttpRequest, object: &Object) -> Option<String> {
        // What nginx sends, nobody can break off.
        let prefix = self.app.settings.accel_prefix.as_deref().filter(|_| !self.release.is_sensitive())?;
        let weighed_again = [IF_MATCH, IF_UNMODIFIED_SINCE].iter().any(|name| request.headers().contains_key(name));
        let path = object.path();
        (asked_method(request) == Method::GET && !weighed_again).then(|| format!("{prefix}/{}", path.trim_start_matches("objects/")))
    }

    fn describe(&self, response: &mut HttpResponseBuilder) {
        describe(response, &self.app, &self.release);
        if self.look.varies {
            response.insert_header((VARY, "Accept-Encoding"));
        }
    }

    /// The headers of an answer with bytes.
    fn describe_body(&self, response: &mut HttpResponseBuilder, coding: Option<Coding>) {
        self.describe(response);
        response.insert_header((CONTENT_DISPOSITION, disposition(&self.look.file_name)));
        response.content_type(self.look.media_type.as_str());
        if self.look.is_foreign {
            response.insert_header((CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'"));
        }
        if let Some(coding) = coding {
            response.insert_header((CONTENT_ENCODING, coding.as_str()));
        }
    }

    /// How many rows a part of a file counts for: as many as its part of the bytes, and at least one. Refused at once where the grant's quota
    /// has not as much left.
    fn rows_in(&self, request: &HttpRequest, length: u64, size: u64) -> Result<u64> {
        let rows = u128::from(self.release.row_count().unsigned_abs()) * u128::from(length);
        let rows = u64::try_from(rows.div_ceil(u128::from(size.max(1)))).unwrap_or(u64::MAX);
        if asked_method(request) == Method::GET {
            self.watch.require(rows, length)?;
        }
        Ok(rows)
    }

    /// The pieces, whose bytes are counted while they stream; `rows` count when the first of them leaves.
    fn counted(self, pieces: impl Stream<Item = Result<Bytes>> + Send + 'static, mut rows: u64) -> impl Stream<Item = Result<Bytes>> {
        let Sending { app, key, watch, .. } = self;
        let pieces = watched(vec![watch], pieces, move || std::mem::take(&mut rows));
        pieces.map(move |piece| {
            piece
                .inspect(|bytes| app.usage.add(&key, bytes.len() as u64))
                .inspect_err(|error| tracing::error!(error = ?error, "a download broke off"))
        })
    }
}

/// A name for whoever saves the file (RFC 6266): where it is not plain ASCII, in both forms.
pub fn disposition(name: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_graphic() && !matches!(letter, '"' | '\\' | '%') || letter == ' ';
    if name.chars().all(is_plain) {
        return format!("attachment; filename=\"{name}\"");
    }
    let plain: String = name.chars().map(|letter| if is_plain(letter) { letter } else { '_' }).collect();
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{}", utf8_percent_encode(name, EXTENDED))
}

fn repr_digest(object: &Object) -> Result<String> {
    let bytes = unhex(&object.sha256).ok_or_else(|| Error::internal(anyhow::anyhow!("a digest that is none")))?;
    Ok(format!("sha-256=:{}:", base64(&bytes)))
}
