//! Rows of a release by query.

use std::time::Duration;

use actix_web::http::header::{ETAG, HeaderName, IF_NONE_MATCH, LINK, VARY};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, get, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::datasets::DatasetPath;
use super::download::{describe, etag, matches_any, parse_version};
use super::versions::which_version;
use crate::access::Read;
use crate::app::{App, Watch};
use crate::catalog::Field;
use crate::crypto::{HmacKey, base64, sha256_hex, unhex};
use crate::error::{Error, Result};
use crate::http::accept;
use crate::http::caller::limit_key;
use crate::http::page::parse_limit;
use crate::identity::Caller;
use crate::read::{self, Cursor, Encoding, MAX_LIMIT, Rows, RowsQuery};

/// Which rows.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct RowsParameters {
    /// The version: its number, or a day or moment (RFC 3339, UTC) at which it was the newest one; the newest by default. A cursor pins it.
    #[param(value_type = Option<String>, example = "1")]
    version: Option<String>,
    /// Names of fields or computed values, separated by commas; all fields by default. A value is a function, arithmetic, CAST or CASE over
    /// fields, with ` AS name` behind it; with aggregates (`count(*)`, `sum(x)`, `avg(x)`, `min(x)`, `max(x)`, `median(x)`, …) each group is a row.
    #[param(example = "code,name")]
    select: Option<String>,
    /// A condition in the manner of SQL over fields and computed values: `=` `<>` `<` `<=` `>` `>=`, `IN`, `BETWEEN`, `LIKE`, `ILIKE`, `IS NULL`, `AND`, `OR`, `NOT`. Text and
    /// dates stand in single quotes.
    #[param(example = "subdistrict_code = '310104003'")]
    r#where: Option<String>,
    /// What makes a group, for aggregates in `select`: names of fields or computed values, separated by commas.
    #[param(example = "subdistrict_code")]
    group_by: Option<String>,
    /// Names of fields, or of the columns of groups, separated by commas, each with ` desc` behind it or `-` before it for descending order. Missing values come last.
    #[param(example = "name desc")]
    order_by: Option<String>,
    /// How many rows at the most.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 1000, example = 100)]
    limit: Option<String>,
    /// `next_cursor` of the page before, with the same select, where, group_by and order_by.
    cursor: Option<String>,
}

/// A page of rows.
#[derive(Serialize, ToSchema)]
pub struct RowsPage {
    /// The columns of the rows.
    fields: Vec<Field>,
    /// The rows.
    rows: Vec<serde_json::Map<String, serde_json::Value>>,
    /// How many rows match in all.
    total: u64,
    /// The cursor of the next page; null at the end.
    next_cursor: Option<String>,
}

/// List rows
///
/// Rows of the public release of an unconditional dataset, for anybody; or, with the token of a grant, of the release made for it.
/// `total` is the number of rows that match, and a cursor pins the version, so that paging neither misses nor repeats a row; no page costs
/// more than the first. JSON, CSV, NDJSON or an Arrow stream by `Accept`; outside of JSON, `Qingdan-Total` and the link `next` say what the
/// envelope says. Numbers keep every digit: decimals and 64-bit integers are JSON numbers, exact in the text.
#[utoipa::path(
    tag = "reading",
    params(DatasetPath, RowsParameters),
    security((), ("oauth2" = [])),
    responses((status = OK, content(
            (RowsPage = "application/json"), (String = "text/csv"), (String = "application/x-ndjson"), (Vec<u8> = "application/vnd.apache.arrow.stream"),
        ), headers(("ETag" = String), ("Repr-Digest" = String), ("Qingdan-Version" = i32), ("Qingdan-Citation" = String), ("Qingdan-Total" = u64),
            ("Qingdan-Query-Stats" = String))),
        (status = NOT_MODIFIED, description = "The rows that you have are the same"))
)]
#[get("/datasets/{slug}/rows")]
pub async fn list_rows(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<DatasetPath>,
    parameters: web::Query<RowsParameters>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let key = limit_key(&caller);
    let limits = app.limits.of(key.tier);
    app.usage.check(&app.db, &key, limits.bytes_per_day).await?;
    let encoding = accept::encoding(request.headers())?;
    let sealing = app.master.derive("cursor");
    let mut parameters = parameters.into_inner();
    let named = which_version(&app, &path.slug, "version", parameters.version.as_deref()).await?;
    parameters.version = named.map(|number| number.to_string());
    let (version, query) = parse(parameters, &sealing)?;
    let _place = app.limits.query(&key)?;
    let allowed = app.release(&caller, &path.slug, Read::rows(version)).await?;
    let mut watch = Watch::over(&app, &caller, &allowed, Read::rows(version));
    let release = allowed.release;
    let rows = read::query(&app.engine, &release, query, sealing, Duration::from_secs(limits.query_seconds)).await?;
    let most = limits.query_bytes;
    // A page may be large: it is written and hashed where no other request waits for it.
    let written = app.engine.run(None, async move {
        let body = rows.encode(encoding, most)?;
        let sha256 = sha256_hex(&body);
        Ok((rows, body, sha256))
    });
    let (rows, body, sha256) = written.await?;
    watch.holds().await?;
    let known = request.headers().get(IF_NONE_MATCH).and_then(|value| value.to_str().ok()).is_some_and(|list| matches_any(list, &sha256));
    let mut response = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    describe(&mut response, &app, &release);
    tell(&mut response, &rows, encoding, &request);
    let digest = unhex(&sha256).map(|bytes| format!("sha-256=:{}:", base64(&bytes))).unwrap_or_default();
    response.insert_header((ETAG, etag(&sha256))).insert_header((HeaderName::from_static("repr-digest"), digest));
    if known {
        return Ok(response.finish());
    }
    watch.take(rows.count(), body.len() as u64)?;
    app.usage.add(&key, body.len() as u64);
    Ok(response.content_type(encoding.content_type()).body(body))
}

/// The headers of a page: what it cost, and outside of JSON what the envelope would say.
fn tell(response: &mut HttpResponseBuilder, rows: &Rows, encoding: Encoding, request: &HttpRequest) {
    response.append_header((VARY, "Accept"));
    response.insert_header((HeaderName::from_static("qingdan-query-stats"), rows.stats.to_string()));
    if encoding == Encoding::Json {
        return;
    }
    response.insert_header((HeaderName::from_static("qingdan-total"), rows.total.to_string()));
    if let Some(cursor) = &rows.next_cursor {
        let pairs = url::form_urlencoded::parse(request.query_string().as_bytes()).filter(|(name, _)| name != "cursor");
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).append_pair("cursor", cursor).finish();
        response.append_header((LINK, format!("<{}?{query}>; rel=\"next\"", request.path())));
    }
}

fn parse(parameters: RowsParameters, sealing: &HmacKey) -> Result<(Option<i32>, RowsQuery)> {
    let asked = parse_version(parameters.version.as_deref())?;
    let cursor = parameters.cursor.as_deref().map(|text| Cursor::parse(text, sealing)).transpose()?;
    let pinned = cursor.as_ref().map(Cursor::version);
    if let (Some(asked), Some(pinned)) = (asked, pinned)
        && asked != pinned
    {
        return Err(Error::invalid("cursor", format!("this cursor belongs to version {pinned}; start again without it")));
    }
    let limit = parse_limit(parameters.limit.as_deref(), MAX_LIMIT as i64)? as usize;
    let RowsParameters { select, r#where: condition, group_by, order_by, .. } = parameters;
    let query = RowsQuery { select, condition, group_by, order_by, limit, cursor };
    Ok((pinned.or(asked), query))
}
