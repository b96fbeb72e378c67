//! The whole list: in pages as DCAT-AP, and in one piece as DCAT-US.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, VARY};
use actix_web::{HttpRequest, HttpResponse, get, web};
use bytes::Bytes;
use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use futures::{Stream, stream};
use serde::Deserialize;
use utoipa::IntoParams;

use super::card::{self, AT_ONCE, Site};
use super::dcat::{self, View};
use super::graph::Syntax;
use super::{dcat_us, for_a_while};
use crate::app::App;
use crate::catalog::DatasetFilter;
use crate::error::{Error, Result};
use crate::http::kept::{Body, PageAnswers};
use crate::http::page::{PageQuery, cursor};
use crate::identity::Caller;

/// Which part of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct CatalogQuery {
    /// How many datasets at the most.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 1000, example = 100)]
    limit: Option<String>,
    /// Where the page before ended; `hydra:next` has it.
    cursor: Option<String>,
    /// Only datasets that changed since then: a day or a moment (RFC 3339).
    #[param(value_type = Option<String>, example = "2026-01-31")]
    modified_since: Option<String>,
}

/// In which syntax.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct SyntaxPath {
    /// `jsonld`, `ttl` or `rdf`.
    #[param(example = "ttl")]
    syntax: String,
}

/// Show the catalogue
///
/// The list in DCAT-AP 3, in the syntax that `Accept` likes best; `/catalog.jsonld`, `/catalog.ttl` and `/catalog.rdf` name it.
#[utoipa::path(
    tag = "standards",
    params(CatalogQuery),
    responses((status = OK, content((Object = "application/ld+json"), (String = "text/turtle"), (String = "application/rdf+xml"))))
)]
#[get("/catalog")]
pub async fn show_catalog(
    _caller: Caller,
    app: web::Data<App>,
    answers: web::Data<PageAnswers>,
    query: web::Query<CatalogQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let syntax = Syntax::of(request.headers())?;
    let body = page(&app, &answers, syntax, query.into_inner()).await?;
    Ok(body.answer(&request, &[(CONTENT_TYPE, syntax.content_type()), (CACHE_CONTROL, "no-cache"), (VARY, "Accept")]))
}

/// Show the catalogue in a syntax
///
/// One page of the list in DCAT-AP 3, by slug: datasets, distributions with size and SHA-256 where their files are made, records, publishers, themes,
/// and what a conditional dataset is offered for (ODRL). The page says with Hydra how many datasets there are, and where the next page is.
#[utoipa::path(
    tag = "standards",
    params(SyntaxPath, CatalogQuery),
    responses((status = OK, content((Object = "application/ld+json"), (String = "text/turtle"), (String = "application/rdf+xml"))))
)]
#[get("/catalog.{syntax}")]
pub async fn show_catalog_in(
    _caller: Caller,
    app: web::Data<App>,
    answers: web::Data<PageAnswers>,
    path: web::Path<SyntaxPath>,
    query: web::Query<CatalogQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let syntax = by_ending(&path.syntax)?;
    let body = page(&app, &answers, syntax, query.into_inner()).await?;
    Ok(body.answer(&request, &headers(syntax)))
}

/// The syntax that an address ends with.
///
/// # Errors
/// When it is none of ours.
pub fn by_ending(ending: &str) -> Result<Syntax> {
    Syntax::by_ending(ending).ok_or_else(|| Error::not_found("syntax (there are jsonld, ttl and rdf)", ending))
}

/// The headers of a description whose address names the syntax.
pub fn headers(syntax: Syntax) -> [(HeaderName, &'static str); 2] {
    [(CONTENT_TYPE, syntax.content_type()), (CACHE_CONTROL, "no-cache")]
}

async fn page(app: &web::Data<App>, answers: &PageAnswers, syntax: Syntax, query: CatalogQuery) -> Result<Body> {
    let since = query.modified_since.as_deref().map(since).transpose()?;
    let list = format!("catalog {since:?}");
    let given = query.modified_since;
    let asked = PageQuery { limit: query.limit, cursor: query.cursor };
    let (limit, after) = (asked.limit()?, asked.after(&list)?);
    let name = format!("{list} {syntax:?} {limit} {after:?}");
    let making = async || {
        let filter = DatasetFilter { changed_since: since, ..DatasetFilter::default() };
        let found = card::page(app, filter, after, limit).await?;
        let address = |cursor: Option<&str>| {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            query.append_pair("limit", &limit.to_string());
            given.as_deref().map(|since| query.append_pair("modified_since", since));
            cursor.map(|cursor| query.append_pair("cursor", cursor));
            format!("{}?{}", found.site.at(&format!("/catalog.{}", syntax.ending())), query.finish())
        };
        let last = found.cards.last().filter(|_| found.more).map(|card| cursor(&list, &card.dataset.slug));
        let view = View {
            address: address(asked.cursor.as_deref()),
            first: address(None),
            next: last.map(|last| address(Some(&last))),
            limit,
            total: found.total,
            changed_at: found.changed_at,
            cards: &found.cards,
        };
        Ok(for_a_while(dcat::catalog(&found.site, &view).write(syntax)?))
    };
    answers.0.find(app, name, making).await
}

/// The first moment that counts.
fn since(text: &str) -> Result<NaiveDateTime> {
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(|day| day.and_time(chrono::NaiveTime::MIN));
    let moment = || DateTime::parse_from_rfc3339(text).ok().map(|at| at.with_timezone(&Utc).naive_utc());
    day.or_else(moment).ok_or_else(|| {
        Error::invalid("modified_since", format!("`{text}` is neither a day (2026-01-31) nor a moment (2026-01-31T08:00:00Z)"))
    })
}

/// Show the list in DCAT-US
///
/// The whole list as one DCAT-US 3.0 document.
#[utoipa::path(tag = "standards", responses((status = OK, body = Object)))]
#[get("/data.json")]
pub async fn show_dcat_us(_caller: Caller, app: web::Data<App>) -> Result<HttpResponse> {
    // The first part is made before anything is sent, so that what goes wrong at once is an error with a status.
    let first = card::page(&app, DatasetFilter::default(), None, AT_ONCE).await?;
    let parts = Parts { app, state: State::Start(Box::new(first)) };
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "application/json"))
        .insert_header((CACHE_CONTROL, "no-cache"))
        .streaming(pieces(parts)))
}

struct Parts {
    app: web::Data<App>,
    state: State,
}

enum State {
    /// The first datasets are there.
    Start(Box<card::Cards>),
    /// What follows behind that slug.
    After(String),
    /// Everything is sent.
    End,
}

fn pieces(parts: Parts) -> impl Stream<Item = Result<Bytes>> {
    stream::try_unfold(parts, |Parts { app, state }| async move {
        let (found, is_first) = match state {
            State::Start(found) => (*found, true),
            State::After(slug) => (Box::pin(card::page(&app, DatasetFilter::default(), Some(slug), AT_ONCE)).await?, false),
            State::End => return Ok(None),
        };
        let bytes = written(&found, is_first)?;
        let last = found.cards.last().filter(|_| found.more).map(|card| card.dataset.slug.clone());
        Ok(Some((bytes, Parts { app, state: last.map_or(State::End, State::After) })))
    })
}

fn written(found: &card::Cards, is_first: bool) -> Result<Bytes> {
    let mut text = String::new();
    if is_first {
        text.push_str(&opening(&found.site)?);
    }
    for (at, card) in found.cards.iter().enumerate() {
        if at > 0 || !is_first {
            text.push(',');
        }
        text.push_str(&dcat_us::dataset(&found.site, card).to_string());
    }
    if !found.more {
        text.push_str("]}");
    }
    Ok(text.into())
}

/// The catalogue up to its first dataset.
fn opening(site: &Site) -> Result<String> {
    let mut catalog = dcat_us::catalog(site);
    if let Some(object) = catalog.as_object_mut() {
        object.remove("dataset");
    }
    let text = catalog.to_string();
    let open = text.strip_suffix('}').ok_or_else(|| Error::internal(anyhow::anyhow!("a JSON object without an end")))?;
    Ok(format!("{open},\"dataset\":["))
}
