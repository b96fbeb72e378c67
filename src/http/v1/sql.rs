//! SQL over everything that the caller may read.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, VARY};
use actix_web::{HttpRequest, HttpResponse, post, web};
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::download::cite;
use crate::access::Read;
use crate::app::{App, Watch, metered, watched};
use crate::catalog;
use crate::engine::QueryStats;
use crate::error::{Error, Result};
use crate::http::accept;
use crate::http::caller::limit_key;
use crate::identity::Caller;
use crate::limits::{LimitKey, QueryPlace};
use crate::read::sql::{self, Bounds, Column, MAX_BYTES, OutputCheck, Sandbox, TableName};
use crate::release::Release;
use crate::settings::TierLimits;

/// In JSON every byte of a text may take six.
const MAX_BODY: usize = MAX_BYTES * 6 + 1024;

/// A query.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SqlQuery {
    /// One SELECT. A dataset is named by its slug, in double quotes where it has hyphens; `"slug@3"` is its version 3.
    #[schema(example = "select kind, count(*) as days from \"working-calendar\" group by kind order by days desc", max_length = 65536)]
    sql: String,
    /// How many rows at the most.
    #[schema(minimum = 1)]
    limit: Option<u64>,
}

/// The answer of a query.
#[derive(Serialize, ToSchema)]
pub struct SqlRows {
    /// The columns of the rows.
    fields: Vec<Column>,
    /// The rows.
    rows: Vec<serde_json::Map<String, serde_json::Value>>,
    /// How many rows the answer has.
    row_count: u64,
    /// Whether there were more rows than you may have, or asked for.
    truncated: bool,
    /// What the query cost. In the sandbox this is its time alone.
    stats: QueryStats,
    /// The output check of the sandbox, where the grant is for that alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    sandbox: Option<OutputCheck>,
}

/// Run a query
///
/// One `SELECT` with joins, subqueries, `WITH`, `UNION` and window functions over the public releases, and, with the token of a grant, over
/// the release made for it. The answer is sent while it is computed, as JSON, CSV, NDJSON or an Arrow stream by `Accept`. The tier bounds its
/// rows, bytes and time: an answer that had to be cut says `truncated`; one that is cut after its head has gone, in a format that has
/// no place to say so, breaks off. Each dataset that was read has a `Link` to its licence and a `Qingdan-Citation`. Numbers keep every digit: decimals and 64-bit integers are JSON numbers, exact in the text.
///
/// With a grant for the sandbox alone, one dataset is read, and what comes out is `count`, `sum` and `avg` of groups, through an output check:
/// too small groups are left out, cells that would tell of few units are null, and every number is moved by a noise that is always the same
/// for the same rows. Then the answer says in `sandbox`, and in the header `Qingdan-Sandbox`, by which bounds.
#[utoipa::path(
    tag = "reading",
    request_body(content((SqlQuery = "application/json"), (String = "application/sql"))),
    security((), ("oauth2" = [])),
    responses((status = OK, content(
        (SqlRows = "application/json"), (String = "text/csv"), (String = "application/x-ndjson"), (Vec<u8> = "application/vnd.apache.arrow.stream"),
    ), headers(("Qingdan-Versions" = String), ("Qingdan-Citation" = String), ("Qingdan-Row-Limit" = u64), ("Qingdan-Row-Count" = u64), ("Qingdan-Truncated" = bool), ("Qingdan-Sandbox" = String), ("Qingdan-Query-Stats" = String))))
)]
#[post("/sql")]
pub async fn run_query(caller: Caller, app: web::Data<App>, request: HttpRequest, body: web::Payload) -> Result<HttpResponse> {
    let key = limit_key(&caller);
    let limits = app.limits.of(key.tier);
    app.usage.check(&app.db, &key, limits.bytes_per_day).await?;
    let encoding = accept::encoding(request.headers())?;
    let query = read_query(request.headers(), body).await?;
    let bounds = bounds(&limits, query.limit)?;
    let place = app.limits.query(&key)?;
    let checked = sql::check(&app.engine, query.sql, bounds.time).await?;
    let (tables, watches, sandbox) = releases(&app, &caller, &checked.tables).await?;
    let check = sandbox.as_ref().map(|sandbox| sandbox.check.to_string());
    let checked = checked.within(sandbox)?;
    let versions: Vec<String> = tables.iter().map(|(_, release)| format!("{}@{}", release.dataset().slug, release.version())).collect();
    let answer = sql::run(&app.engine, checked, tables.clone(), bounds, encoding).await?;
    if let (Some(summary), Some(watch)) = (&answer.summary, metered(&watches)) {
        watch.require(summary.row_count, 0)?;
    }
    let (rows, mut told) = (answer.rows, 0);
    let more_rows = move || {
        let now = rows.load(Ordering::Relaxed);
        now - std::mem::replace(&mut told, now)
    };
    let mut response = HttpResponse::Ok();
    response.content_type(encoding.content_type()).insert_header((CACHE_CONTROL, "private, no-store")).insert_header((VARY, "Accept"));
    tables.iter().for_each(|(_, release)| cite(&mut response, &app, release));
    let mut tell = |name: &'static str, text: String| {
        response.insert_header((HeaderName::from_static(name), text));
    };
    tell("qingdan-versions", versions.join(", "));
    tell("qingdan-row-limit", bounds.rows.to_string());
    if let Some(check) = check {
        tell("qingdan-sandbox", check);
    }
    if let Some(summary) = answer.summary {
        tell("qingdan-row-count", summary.row_count.to_string());
        tell("qingdan-truncated", summary.truncated.to_string());
        tell("qingdan-query-stats", summary.stats.to_string());
    }
    Ok(response.streaming(counted(app, key, place, watched(watches, answer.body, more_rows))))
}

/// The body, counted while it streams. The caller's place is free when it ends.
fn counted(
    app: web::Data<App>,
    key: LimitKey,
    place: QueryPlace,
    body: impl futures::Stream<Item = Result<web::Bytes>>,
) -> impl futures::Stream<Item = Result<web::Bytes>> {
    body.map(move |piece| {
        let _held = &place;
        piece
            .inspect(|bytes| app.usage.add(&key, bytes.len() as u64))
            .inspect_err(|error| tracing::warn!(error = ?error, "the answer of a query broke off"))
    })
}

async fn read_query(headers: &HeaderMap, body: web::Payload) -> Result<SqlQuery> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let content_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let bytes = match body.to_bytes_limited(MAX_BODY).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_broken)) => return Err(Error::Malformed("the body could not be read".to_owned())),
        Err(_larger) => return Err(Error::TooLarge(format!("the query is longer than {MAX_BYTES} bytes"))),
    };
    match content_type.as_str() {
        "application/json" => {
            serde_json::from_slice(&bytes).map_err(|cause| Error::Malformed(format!("the body is not the JSON that is asked for: {cause}")))
        }
        "application/sql" => {
            let sql = String::from_utf8(bytes.to_vec()).map_err(|_invalid| Error::Malformed("the body is not UTF-8".to_owned()))?;
            Ok(SqlQuery { sql, limit: None })
        }
        _ => Err(Error::UnsupportedMediaType("send the query as application/json or application/sql".to_owned())),
    }
}

fn bounds(limits: &TierLimits, limit: Option<u64>) -> Result<Bounds> {
    let TierLimits { query_seconds, query_rows, query_bytes, .. } = *limits;
    if limit == Some(0) {
        return Err(Error::invalid("/limit", "give a whole number from 1"));
    }
    let rows = limit.unwrap_or(query_rows).min(query_rows);
    Ok(Bounds { rows, bytes: query_bytes, time: Duration::from_secs(query_seconds) })
}

/// What a query reads: the releases, the watches over them, and the sandbox, where one of them is for that alone.
type Readable = (Vec<(TableName, Arc<Release>)>, Vec<Watch>, Option<Sandbox>);

/// A release for each dataset of a query, as a read of rows takes it, and the watches over them.
async fn releases(app: &Arc<App>, caller: &Caller, tables: &[TableName]) -> Result<Readable> {
    let (mut found, mut watches, mut sandbox) = (Vec::with_capacity(tables.len()), Vec::new(), None);
    for table in tables {
        match app.release(caller, &table.slug, Read::query(table.version)).await {
            Ok(allowed) => {
                watches.push(Watch::over(app, caller, &allowed, Read::query(table.version)));
                sandbox = sandbox.or(allowed.sandbox);
                found.push((table.clone(), allowed.release));
            }
            Err(Error::NotFound { what: "dataset", .. }) => {
                let (listed, _) = app.db.read(|conn| catalog::list_on(conn, &catalog::DatasetFilter::default(), None, 1000)).await?;
                let slugs: Vec<String> = listed.into_iter().map(|dataset| dataset.slug).collect();
                return Err(sql::unknown_table(table, &slugs));
            }
            Err(Error::NotFound { name, .. }) => {
                return Err(Error::invalid("/sql", format!("`{}` has no version {name}", table.slug)));
            }
            Err(other) => return Err(other),
        }
    }
    Ok((found, watches, sandbox))
}
