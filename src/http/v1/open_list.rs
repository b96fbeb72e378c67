//! The list as a whole: its versions, and what changed between them.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use actix_web::{HttpRequest, HttpResponse, get, web};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::app::App;
use crate::catalog::{self, DatasetChange, ListVersion};
use crate::error::{Error, Result};
use crate::http::kept::{Answers, Made};
use crate::http::page::{Page, PageQuery, parse_limit};
use crate::identity::Caller;

/// List the versions of the list
///
/// The newest first: what was changed, and since when it holds. An import is one version, and so is each step that a person takes.
#[utoipa::path(
    tag = "catalog",
    params(PageQuery),
    responses((status = OK, body = Page<ListVersion>, headers(("ETag" = String))), (status = NOT_MODIFIED, description = "What you have is the same"))
)]
#[get("/open-list/versions")]
pub async fn list_list_versions(
    _caller: Caller,
    app: web::Data<App>,
    answers: web::Data<Answers>,
    page: web::Query<PageQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    const LIST: &str = "list-versions";
    let (limit, after) = (page.limit()?, page.after(LIST)?);
    let before = after.map(|number| version_number("cursor", &number)).transpose()?;
    let making = async || {
        let (items, total) = app.db.read(move |conn| catalog::list_versions(conn, before, limit + 1)).await?;
        let page = Page::cut(LIST, items, total, limit, |item| item.version.to_string());
        Ok(Made { body: serde_json::to_vec(&page)?, keep: true, until: None })
    };
    let body = answers.find(&app, format!("{LIST} {limit} {before:?}"), making).await?;
    Ok(body.answer(&request, JSON))
}

/// The headers of these answers.
pub(super) const JSON: &[(HeaderName, &str)] = &[(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-cache")];

/// Which versions of the list are compared.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ListDiffQuery {
    /// The earlier version; 0, the default, is the empty list before the first.
    #[param(value_type = Option<i32>, minimum = 0, example = 1)]
    from: Option<String>,
    /// The later version; the newest by default.
    #[param(value_type = Option<i32>, minimum = 0)]
    to: Option<String>,
    /// How many datasets at the most.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 1000, example = 100)]
    limit: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Compare two versions of the list
///
/// The datasets that came, went or changed, by slug: each with the steps in between and their reasons, and with what its entry says now and said
/// then. Examples of values are not repeated. Of one that came or went no values are told, and of one that was withdrawn since none are.
#[utoipa::path(
    tag = "catalog",
    params(ListDiffQuery),
    responses((status = OK, body = Page<DatasetChange>, headers(("ETag" = String))), (status = NOT_MODIFIED, description = "What you have is the same"))
)]
#[get("/open-list/diff")]
pub async fn compare_list_versions(
    _caller: Caller,
    app: web::Data<App>,
    answers: web::Data<Answers>,
    query: web::Query<ListDiffQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let ListDiffQuery { from, to, limit, cursor } = query.into_inner();
    let limit = parse_limit(limit.as_deref(), 1000)?;
    let from = from.map_or(Ok(0), |from| version_number("from", &from))?;
    // Pages of one comparison are of the same versions, also when the list changes meanwhile.
    let to = to.map(|to| version_number("to", &to)).transpose()?.or_else(|| cursor_to(cursor.as_deref()));
    let name = format!("list-diff {from} {to:?} {limit} {cursor:?}");
    let page = PageQuery { limit: None, cursor };
    let making = async || Ok(Made { body: serde_json::to_vec(&compared(&app, (from, to), page, limit).await?)?, keep: true, until: None });
    Ok(answers.find(&app, name, making).await?.answer(&request, JSON))
}

async fn compared(app: &App, (from, to): (i32, Option<i32>), page: PageQuery, limit: i64) -> Result<Page<DatasetChange>> {
    let found = app.db.read(move |conn| {
        let to = match to {
            Some(to) => to,
            None => catalog::newest_version(conn)?,
        };
        let list = list_name(from, to);
        let after = page.after(&list)?;
        let found = catalog::diff(conn, (from, to), after.as_deref(), limit)?;
        let last = found.changes.last().map(|change| change.slug.clone()).filter(|_| found.more);
        Ok(Page::new(&list, found.changes, found.total, last.as_deref()))
    });
    found.await
}

fn list_name(from: i32, to: i32) -> String {
    format!("list-diff {from} {to}")
}

/// The later version that a cursor of a comparison is of.
fn cursor_to(cursor: Option<&str>) -> Option<i32> {
    let text = String::from_utf8(crate::crypto::unbase64url(cursor?)?).ok()?;
    text.lines().next()?.strip_prefix("list-diff ")?.split_once(' ')?.1.parse().ok()
}

fn version_number(parameter: &str, text: &str) -> Result<i32> {
    let number = text.parse::<i32>().ok().filter(|number| *number >= 0);
    number
        .ok_or_else(|| Error::invalid(parameter, format!("`{text}` is no version of the list; GET /api/v1/open-list/versions names them")))
}
