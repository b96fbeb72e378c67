//! The feed of changes, and what crawlers and language models are told.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_TYPE, VARY};
use actix_web::{HttpRequest, HttpResponse, get, web};
use chrono::NaiveDateTime;
use serde::Deserialize;
use utoipa::IntoParams;

use super::card::{self, Site};
use super::datasets::LanguageQuery;
use super::feeds::{self, Feed, MOST_ADDRESSES};
use super::{for_a_while, llms, moment};
use crate::app::App;
use crate::catalog::{self, DatasetFilter};
use crate::db::Conn;
use crate::error::{Error, Result};
use crate::http::kept::{Answers, Made};
use crate::http::page::{PageQuery, cursor};
use crate::http::v1::citation::CitationLanguage;
use crate::identity::Caller;

/// Which part of the feed, and in which language.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct FeedQuery {
    /// How many changes at the most.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 1000, example = 100)]
    limit: Option<String>,
    /// Where the page before ended; its `next` link has it.
    cursor: Option<String>,
    /// The language; that of `Accept-Language` by default.
    #[param(inline)]
    lang: Option<CitationLanguage>,
}

/// Show the feed of changes
///
/// Datasets in the order in which they last changed, the latest first, as Atom; `next` leads on to older ones.
#[utoipa::path(tag = "standards", params(FeedQuery), responses((status = OK, content((String = "application/atom+xml")))))]
#[get("/feed.atom")]
pub async fn show_feed(
    _caller: Caller,
    app: web::Data<App>,
    answers: web::Data<Answers>,
    query: web::Query<FeedQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let FeedQuery { limit, cursor, lang } = query.into_inner();
    let in_chinese = LanguageQuery { lang }.in_chinese(&request);
    let asked = PageQuery { limit, cursor };
    let (limit, after) = (asked.limit()?, asked.after(FEED)?.as_deref().map(place).transpose()?);
    let name = format!("feed {in_chinese} {limit} {after:?}");
    let body = answers.find(&app, name, async || feed(&app, &asked, limit, after, in_chinese).await).await?;
    let language = if in_chinese { "zh-CN" } else { "en" };
    let about = [
        (CONTENT_TYPE, "application/atom+xml; charset=utf-8"),
        (CONTENT_LANGUAGE, language),
        (VARY, "Accept-Language"),
        (CACHE_CONTROL, "no-cache"),
    ];
    Ok(body.answer(&request, &about))
}

const FEED: &str = "feed";

/// A place in the feed: when a dataset changed, and its slug.
fn place(key: &str) -> Result<(NaiveDateTime, String)> {
    let read =
        key.split_once(' ').and_then(|(at, slug)| Some((chrono::DateTime::parse_from_rfc3339(at).ok()?.naive_utc(), slug.to_owned())));
    read.ok_or_else(|| Error::invalid("cursor", "this is no cursor of the feed; start again without it"))
}

async fn feed(app: &App, asked: &PageQuery, limit: i64, after: Option<(NaiveDateTime, String)>, in_chinese: bool) -> Result<Made> {
    let reading = app.db.read(move |conn| Ok((catalog::latest_changes(conn, after, limit)?, catalog::publishers(conn)?)));
    let ((datasets, more), publishers) = reading.await?;
    let site = Site::of(app, &publishers);
    let lang = if in_chinese { "zh" } else { "en" };
    let address = |cursor: Option<&str>| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("lang", lang).append_pair("limit", &limit.to_string());
        cursor.map(|cursor| query.append_pair("cursor", cursor));
        format!("{}?{}", site.at("/feed.atom"), query.finish())
    };
    let last = datasets.last().filter(|_| more);
    let next = last.map(|last| cursor(FEED, &format!("{} {}", moment(last.updated_at), last.slug)));
    let feed = Feed {
        datasets: &datasets,
        address: address(asked.cursor.as_deref()),
        first: address(None),
        next: next.map(|next| address(Some(&next))),
        in_chinese,
    };
    Ok(for_a_while(feeds::atom(&site, &feed)?))
}

/// Which site map.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct SiteMapQuery {
    /// Of a list that is too long for one site map, the slug behind which this one begins; empty for the first one.
    behind: Option<String>,
}

/// Show the site map
///
/// The address of every page for people, for crawlers. Of a list of more than 50,000 datasets it is an index of site maps.
#[utoipa::path(tag = "standards", params(SiteMapQuery), responses((status = OK, content((String = "application/xml")))))]
#[get("/sitemap.xml")]
pub async fn show_site_map(
    _caller: Caller,
    app: web::Data<App>,
    answers: web::Data<Answers>,
    query: web::Query<SiteMapQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let behind = query.into_inner().behind;
    let making = async || site_map(&app, behind.clone()).await;
    let body = answers.find(&app, format!("site map {behind:?}"), making).await?;
    Ok(body.answer(&request, &[(CONTENT_TYPE, "application/xml; charset=utf-8"), (CACHE_CONTROL, "no-cache")]))
}

async fn site_map(app: &web::Data<App>, behind: Option<String>) -> Result<Made> {
    // The pages that are no dataset's take places of the first one.
    let most = MOST_ADDRESSES - 2;
    let site = Site::of(app, &[]);
    let reading = app.db.read(move |conn| {
        let starts = if behind.is_none() { starts(conn, most)? } else { Vec::new() };
        let first = behind.as_deref().filter(|slug| !slug.is_empty()).map(str::to_owned);
        if let Some(slug) = &first {
            // Only a slug of the list is one to begin behind.
            catalog::find(conn, slug)?;
        }
        let slugs = if starts.is_empty() { catalog::slugs_after(conn, first.as_deref(), most)? } else { Vec::new() };
        Ok((starts, slugs, first.is_none()))
    });
    let (starts, slugs, is_first) = reading.await?;
    if starts.is_empty() {
        // A part that anybody may name is not kept.
        return Ok(Made { keep: is_first, ..for_a_while(feeds::site_map(&site, &slugs, is_first)?) });
    }
    let address = |slug: &str| {
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("behind", slug).finish();
        format!("{}?{query}", site.at("/sitemap.xml"))
    };
    let addresses: Vec<String> = std::iter::once("").chain(starts.iter().map(String::as_str)).map(address).collect();
    Ok(for_a_while(feeds::site_map_index(&addresses)?))
}

/// The slugs behind which the second site map begins, the third, and so on.
fn starts(conn: &mut Conn, most: i64) -> Result<Vec<String>> {
    let mut starts: Vec<String> = Vec::new();
    while let Some(last) = catalog::slug_behind(conn, starts.last().map(String::as_str), most)? {
        if catalog::slugs_after(conn, Some(&last), 1)?.is_empty() {
            break;
        }
        starts.push(last);
    }
    Ok(starts)
}

/// Show what crawlers leave alone
///
/// `robots.txt` (RFC 9309).
#[utoipa::path(tag = "standards", responses((status = OK, content((String = "text/plain")))))]
#[get("/robots.txt")]
pub async fn show_robots(_caller: Caller, app: web::Data<App>) -> HttpResponse {
    let text = feeds::robots(&Site::of(&app, &[]));
    HttpResponse::Ok().insert_header((CONTENT_TYPE, "text/plain; charset=utf-8")).body(text)
}

/// Show what language models are told
///
/// Where the list, the rows and the files are, and the first datasets, in Markdown.
#[utoipa::path(tag = "standards", responses((status = OK, content((String = "text/markdown")))))]
#[get("/llms.txt")]
pub async fn show_llms(_caller: Caller, app: web::Data<App>, answers: web::Data<Answers>, request: HttpRequest) -> Result<HttpResponse> {
    let making = async || {
        let found = card::page(&app, DatasetFilter::default(), None, llms::DATASETS).await?;
        Ok(for_a_while(llms::text(&found).into_bytes()))
    };
    let body = answers.find(&app, "llms".to_owned(), making).await?;
    Ok(body.answer(&request, &[(CONTENT_TYPE, "text/markdown; charset=utf-8"), (CACHE_CONTROL, "no-cache")]))
}
