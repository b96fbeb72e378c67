//! The page of the list's versions: what changed, when and why. 清单变更

use actix_web::{HttpRequest, HttpResponse, get, web};
use askama::Template;
use serde::Deserialize;

use super::{Words, headers, made, words};
use crate::app::App;
use crate::catalog::{self, DatasetChange, ListVersion};
use crate::clock::shanghai;
use crate::error::Result;
use crate::http::kept::Answers;
use crate::identity::Caller;

/// Versions on one page.
const SHOWN: i64 = 20;

/// Datasets of a version that are shown at once.
const DATASETS: i64 = 20;

/// Which part of the list's history.
#[derive(Deserialize)]
pub struct OpenListQuery {
    lang: Option<String>,
    before: Option<i32>,
}

/// A version with what it changed.
struct Shown {
    version: ListVersion,
    changes: Vec<DatasetChange>,
    /// How many more it changed.
    more: i64,
}

#[derive(Template)]
#[template(path = "open-list.html")]
struct OpenListPage {
    w: Words,
    versions: Vec<Shown>,
    total: i64,
    /// Before which version the next page begins.
    next: Option<i32>,
}

impl OpenListPage {
    fn when(&self, version: &ListVersion) -> String {
        shanghai(version.effective_at).format("%Y-%m-%d %H:%M").to_string()
    }
}

#[get("/open-list")]
pub async fn open_list_page(
    _caller: Caller,
    app: web::Data<App>,
    answers: web::Data<Answers>,
    query: web::Query<OpenListQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let (w, before) = (words(&request, query.lang.as_deref()), query.before.filter(|before| *before > 0));
    let making = async || made(&page_of(&app, w, before).await?, true);
    let body = answers.find(&app, format!("open-list {} {before:?}", w.code()), making).await?;
    Ok(body.answer(&request, &headers(w)))
}

async fn page_of(app: &App, w: Words, before: Option<i32>) -> Result<OpenListPage> {
    let found = app.db.read(move |conn| {
        let (versions, total) = catalog::list_versions(conn, before, SHOWN)?;
        let shown = versions.into_iter().map(|version| {
            let of_it = catalog::diff(conn, (version.version - 1, version.version), None, DATASETS)?;
            Ok(Shown { more: of_it.total - of_it.changes.len() as i64, changes: of_it.changes, version })
        });
        Ok((shown.collect::<Result<Vec<_>>>()?, total))
    });
    let (versions, total) = found.await?;
    let next = versions.last().map(|shown| shown.version.version).filter(|oldest| *oldest > 1);
    Ok(OpenListPage { w, versions, total, next })
}
