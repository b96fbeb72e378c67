//! All rows of a resource as a file, sent while they are read.

use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::http::header::CONTENT_DISPOSITION;
use actix_web::{HttpResponse, web};
use bytes::Bytes;
use futures::{StreamExt, stream};
use serde_json::{Value, json};

use super::query::Wish;
use super::{Asking, Opened, column, columns};
use crate::app::watched;
use crate::catalog::Field;
use crate::error::{Error, Result};
use crate::http::ckan::Fault;
use crate::http::ckan::params::Params;
use crate::http::v1::download::{describe, disposition};
use crate::limits::{LimitKey, QueryPlace};
use crate::read::numbered::{self, Layout};

/// What stands before the rows of XML, and behind them.
const XML: (&str, &str) = ("<data xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\n", "</data>\n");

/// What a program may ask of a file in UTF-8 that it begins with.
const BOM: &str = "\u{feff}";

/// The rows of a resource.
///
/// # Errors
/// When a parameter is wrong, or the caller may not read the resource.
pub async fn dump(asking: Asking<'_>, resource: String, params: &Params) -> std::result::Result<HttpResponse, Fault> {
    let wish = Wish::of_dump(params, resource)?;
    let bom = params.flag_or("bom", false)?;
    let (key, limits) = asking.limits().await?;
    let place = asking.app.limits.query(&key)?;
    let Opened { release, watch } = asking.open(&wish.resource, wish.version).await?;
    let (head, tail) = around(wish.layout, &columns(&release, wish.query.columns.as_deref())?)?;
    let head = [if bom { BOM.as_bytes() } else { b"" }, &head].concat();
    let time = Duration::from_secs(limits.query_seconds);
    let rows = Box::pin(numbered::stream(&asking.app.engine, &release, wish.query, wish.layout, time)).await?;
    let (counter, mut told) = (rows.rows, 0);
    let more_rows = move || {
        let now = counter.load(Ordering::Relaxed);
        now - std::mem::replace(&mut told, now)
    };
    let once = |bytes: Vec<u8>| stream::once(async move { Ok::<Bytes, Error>(Bytes::from(bytes)) });
    // An error ends the body: what stands behind the rows does not follow it.
    let ended = stream::unfold((rows.body.chain(once(tail)).boxed(), false), |(mut body, failed)| async move {
        if failed {
            return None;
        }
        let piece = body.next().await?;
        let failed = piece.is_err();
        Some((piece, (body, failed)))
    });
    let body = watched(vec![watch], once(head).chain(ended), more_rows);
    let (ending, media_type) = named(wish.layout);
    let mut response = HttpResponse::Ok();
    describe(&mut response, asking.app, &release);
    response.insert_header((CONTENT_DISPOSITION, disposition(&format!("{}.{ending}", wish.resource))));
    Ok(response.content_type(media_type).streaming(counted(asking.app.clone(), key, place, body)))
}

/// The body, counted while it streams. The caller's place is free when it ends.
fn counted(
    app: web::Data<crate::app::App>,
    key: LimitKey,
    place: QueryPlace,
    body: impl futures::Stream<Item = Result<Bytes>>,
) -> impl futures::Stream<Item = Result<Bytes>> {
    body.map(move |piece| {
        let _held = &place;
        piece
            .inspect(|bytes| app.usage.add(&key, bytes.len() as u64))
            .inspect_err(|error| tracing::warn!(error = ?error, "a dump of the datastore broke off"))
    })
}

/// What stands before the rows and behind them.
fn around(layout: Layout, fields: &[Field]) -> Result<(Vec<u8>, Vec<u8>)> {
    let text = |text: &str| text.as_bytes().to_vec();
    match layout {
        Layout::Csv | Layout::Tsv => Ok((layout.header(fields)?, Vec::new())),
        Layout::Xml => Ok((text(XML.0), text(XML.1))),
        Layout::Objects | Layout::Lists => {
            let mut head = serde_json::to_vec(&json!({ "fields": fields.iter().map(column).collect::<Vec<Value>>() }))?;
            head.pop();
            head.extend_from_slice(b",\"records\":[");
            Ok((head, text("]}\n")))
        }
    }
}

/// What a file ends with, and its media type.
fn named(layout: Layout) -> (&'static str, &'static str) {
    match layout {
        Layout::Csv => ("csv", "text/csv; charset=utf-8"),
        Layout::Tsv => ("tsv", "text/tab-separated-values; charset=utf-8"),
        Layout::Xml => ("xml", "text/xml; charset=utf-8"),
        Layout::Objects | Layout::Lists => ("json", "application/json; charset=utf-8"),
    }
}
