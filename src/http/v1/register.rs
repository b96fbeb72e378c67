//! The register: who was given what, for what purpose, until when.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, get, web};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::access::register::{self, RegisterEntry, RegisterFile, RegisterFilter, RegisterRecord};
use crate::app::App;
use crate::error::{Error, Result};
use crate::http::kept::{Made, RegisterAnswers, Turn};
use crate::http::page::{Page, PageQuery};
use crate::identity::Caller;

/// The longest search.
const MOST_CHARS: usize = 200;

/// How the register is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RegisterFormat {
    /// A page.
    Json,
    /// Everything that matches, as a file.
    Csv,
}

/// Which grants.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct RegisterQuery {
    /// Words of the firm's name or code, the dataset's slug or title, or the purpose.
    #[param(max_length = 200)]
    q: Option<String>,
    /// Only of this dataset, by slug.
    dataset: Option<String>,
    /// Only of this firm, by 统一社会信用代码.
    firm: Option<String>,
    /// Only those that are in force, or only those that are not.
    in_force: Option<bool>,
    /// `json` by default; `csv` is all that matches as one file, without `limit` and `cursor`, in UTF-8 with a byte order mark.
    #[param(inline)]
    format: Option<RegisterFormat>,
    /// How many items at the most.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 1000, example = 100)]
    limit: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A grant by its id.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct GrantPath {
    /// The grant's id.
    grant: String,
}

/// A search as it is looked for.
///
/// # Errors
/// When it is too long.
pub fn checked_words(q: Option<String>) -> Result<Option<String>> {
    let Some(words) = q.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()) else { return Ok(None) };
    if words.chars().count() > MOST_CHARS {
        return Err(Error::invalid("q", format!("give at most {MOST_CHARS} characters")));
    }
    Ok(Some(words))
}

/// Show the register
///
/// Every grant that there ever was, the newest first: which firm, which dataset and fields, how each field leaves, for what purpose, from when
/// until when, under which agreement, and whether it is in force. Neither people nor contacts stand in it.
#[utoipa::path(
    tag = "register",
    params(RegisterQuery),
    responses(
        (status = OK, content((Page<RegisterEntry> = "application/json"), (String = "text/csv")), headers(("ETag" = String))),
        (status = NOT_MODIFIED, description = "The register that you have is the same"),
    )
)]
#[get("/register")]
pub async fn list_register(
    _caller: Caller,
    app: web::Data<App>,
    answers: web::Data<RegisterAnswers>,
    query: web::Query<RegisterQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let RegisterQuery { q, dataset, firm, in_force, format, limit, cursor } = query.into_inner();
    let filter = RegisterFilter { q: checked_words(q)?, dataset, firm, in_force };
    match format.unwrap_or(RegisterFormat::Json) {
        RegisterFormat::Json => json_page(&app, &answers, filter, PageQuery { limit, cursor }, &request).await,
        RegisterFormat::Csv if limit.is_some() || cursor.is_some() => {
            Err(Error::invalid("limit", "CSV is everything that matches: leave `limit` and `cursor` out"))
        }
        RegisterFormat::Csv => csv_file(&app, &answers, filter, &request).await,
    }
}

async fn json_page(
    app: &App,
    answers: &RegisterAnswers,
    filter: RegisterFilter,
    page: PageQuery,
    request: &HttpRequest,
) -> Result<HttpResponse> {
    let list = format!("register {filter:?}");
    let (limit, after) = (page.limit()?, page.after(&list)?);
    let name = format!("json {list} {limit} {after:?}");
    let make = async || {
        let found = app.db.read(move |conn| register::list(conn, &filter, after.as_deref(), limit)).await?;
        let last = if found.more { found.entries.last().map(|entry| entry.grant.clone()) } else { None };
        let body = serde_json::to_vec(&Page::new(&list, found.entries, found.total, last.as_deref()))?;
        Ok(Made { body, keep: found.usual, until: found.until })
    };
    let body = answers.0.find(app, name, make).await?;
    Ok(body.answer(request, &[(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-cache")]))
}

async fn csv_file(app: &App, answers: &RegisterAnswers, filter: RegisterFilter, request: &HttpRequest) -> Result<HttpResponse> {
    let name = format!("csv {filter:?}");
    let make = async |turn| {
        let work = move |conn: &mut _| {
            // Kept until the end, also when the caller has gone meanwhile.
            let _turn: Turn = turn;
            register::csv(conn, &filter, register::BATCH)
        };
        let RegisterFile { bytes, usual, until } = app.db.read(work).await?;
        Ok(Made { body: bytes, keep: usual, until })
    };
    let body = answers.0.find_in_turn(app, name, make).await?;
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8"),
        (CONTENT_DISPOSITION, "attachment; filename=\"register.csv\""),
        (CACHE_CONTROL, "no-cache"),
    ];
    Ok(body.answer(request, &headers))
}

/// Show a grant of the register
///
/// With its history: what happened from the application on, and when, by the ledger.
#[utoipa::path(
    tag = "register",
    params(GrantPath),
    responses(
        (status = OK, body = RegisterRecord, headers(("ETag" = String))),
        (status = NOT_MODIFIED, description = "The entry that you have is the same"),
    )
)]
#[get("/register/{grant}")]
pub async fn find_register_entry(
    _caller: Caller,
    app: web::Data<App>,
    answers: web::Data<RegisterAnswers>,
    path: web::Path<GrantPath>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let id = path.into_inner().grant;
    let name = format!("entry {id}");
    let make = async || {
        let (record, until) = app.db.read(move |conn| register::find(conn, &id)).await?;
        Ok(Made { body: serde_json::to_vec(&record)?, keep: true, until })
    };
    let body = answers.0.find(&app, name, make).await?;
    Ok(body.answer(&request, &[(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-cache")]))
}
