//! The list as a whole: its versions, and what changed between them.

use actix_web::{get, web};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::app::App;
use crate::catalog::{self, DatasetChange, ListVersion};
use crate::error::{Error, Result};
use crate::http::page::{Page, PageQuery, parse_limit};
use crate::identity::Caller;

/// List the versions of the list
///
/// The newest first: what was changed, and since when it holds. An import is one version, and so is each step that a person takes.
#[utoipa::path(tag = "catalog", params(PageQuery), responses((status = OK, body = Page<ListVersion>)))]
#[get("/open-list/versions")]
pub async fn list_list_versions(_caller: Caller, app: web::Data<App>, page: web::Query<PageQuery>) -> Result<web::Json<Page<ListVersion>>> {
    const LIST: &str = "list-versions";
    let (limit, after) = (page.limit()?, page.after(LIST)?);
    let before = after.map(|number| version_number("cursor", &number)).transpose()?;
    let (items, total) = app.db.read(move |conn| catalog::list_versions(conn, before, limit + 1)).await?;
    Ok(web::Json(Page::cut(LIST, items, total, limit, |item| item.version.to_string())))
}

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
/// then. Examples of values are not repeated. Of one that came or went no values are told; of one that was withdrawn only its title is.
#[utoipa::path(tag = "catalog", params(ListDiffQuery), responses((status = OK, body = Page<DatasetChange>)))]
#[get("/open-list/diff")]
pub async fn compare_list_versions(
    _caller: Caller,
    app: web::Data<App>,
    query: web::Query<ListDiffQuery>,
) -> Result<web::Json<Page<DatasetChange>>> {
    let ListDiffQuery { from, to, limit, cursor } = query.into_inner();
    let limit = parse_limit(limit.as_deref(), 1000)?;
    let from = from.map_or(Ok(0), |from| version_number("from", &from))?;
    let to = to.map(|to| version_number("to", &to)).transpose()?;
    let page = PageQuery { limit: None, cursor };
    let found = app.db.read(move |conn| {
        let newest = catalog::newest_version(conn)?;
        // Pages of one comparison are of the same versions, also when the list changes meanwhile.
        let to = match (to, cursor_to(page.cursor.as_deref())) {
            (Some(to), _) | (None, Some(to)) => to,
            (None, None) => newest,
        };
        let list = list_name(from, to);
        let after = page.after(&list)?;
        let found = catalog::diff(conn, (from, to), after.as_deref(), limit)?;
        let last = found.changes.last().map(|change| change.slug.clone()).filter(|_| found.more);
        Ok(Page::new(&list, found.changes, found.total, last.as_deref()))
    });
    Ok(web::Json(found.await?))
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
