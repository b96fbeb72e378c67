//! The change feed of the list.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, get, web};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::app::App;
use crate::catalog::{self, Changes};
use crate::error::{Error, Result};
use crate::http::kept::{Answers, Made};
use crate::http::page::parse_limit;
use crate::identity::Caller;

/// From where on.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ChangesQuery {
    /// `next_since` of the answer before; 0, the default, begins with the first change.
    #[param(value_type = Option<i64>, minimum = 0, example = 0)]
    since: Option<String>,
    /// How many changes at the most.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 1000, example = 100)]
    limit: Option<String>,
}

/// Follow the list
///
/// What happened to the list, oldest first, from the ledger: entries that came, changed, were suspended or withdrawn, versions that were published.
/// Ask again with `next_since`; an answer may have no items and still lead on, for of the ledger's 20,000 next entries most may be reads. A copy of the
/// list is kept so: begin at 0, and read again each dataset that is named; one that was withdrawn is told as that alone.
#[utoipa::path(
    tag = "catalog",
    params(ChangesQuery),
    responses((status = OK, body = Changes, headers(("ETag" = String))), (status = NOT_MODIFIED, description = "What you have is the same"))
)]
#[get("/changes")]
pub async fn follow_list(
    _caller: Caller,
    app: web::Data<App>,
    answers: web::Data<Answers>,
    query: web::Query<ChangesQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let ChangesQuery { since, limit } = query.into_inner();
    let limit = parse_limit(limit.as_deref(), 1000)?;
    let text = since.unwrap_or_else(|| "0".to_owned());
    let since = text.parse::<i64>().ok().filter(|since| *since >= 0);
    let since = since
        .ok_or_else(|| Error::invalid("since", format!("`{text}` is no whole number from 0; give `next_since` of the answer before")))?;
    let making = async || {
        let found = app.db.read(move |conn| catalog::changes(conn, since, limit)).await?;
        // One that does not reach the end leads on also when only reads come.
        Ok(Made { body: serde_json::to_vec(&found)?, keep: !found.more, until: None })
    };
    let body = answers.find(&app, format!("changes {since} {limit}"), making).await?;
    Ok(body.answer(&request, &[(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-cache")]))
}
