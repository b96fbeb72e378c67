//! One dataset in other catalogues' shapes.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_LOCATION, CONTENT_TYPE, HeaderValue, VARY};
use actix_web::{HttpRequest, HttpResponse, get, web};
use serde::Deserialize;
use utoipa::IntoParams;

use super::catalogs::{by_ending, headers};
use super::graph::Syntax;
use super::{card, croissant, datapackage, dcat, for_a_while};
use crate::app::App;
use crate::error::Result;
use crate::http::kept::{Answers, Body, PageAnswers};
use crate::http::problem::Language;
use crate::http::v1::citation::CitationLanguage;
use crate::http::v1::datasets::DatasetPath;
use crate::identity::Caller;

/// A dataset in a syntax.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct DatasetSyntaxPath {
    /// The dataset's slug.
    #[param(example = "xuhui-residents-committees")]
    slug: String,
    /// `jsonld`, `ttl` or `rdf`.
    #[param(example = "ttl")]
    syntax: String,
}

/// Show a dataset in DCAT-AP
///
/// The same description as in the catalogue. The address without the ending answers it too, where `Accept` asks for one of these syntaxes rather than for
/// a page.
#[utoipa::path(
    tag = "standards",
    params(DatasetSyntaxPath),
    responses((status = OK, content((Object = "application/ld+json"), (String = "text/turtle"), (String = "application/rdf+xml"))))
)]
#[get("/datasets/{slug}.{syntax}")]
pub async fn show_dataset_in(
    _caller: Caller,
    app: web::Data<App>,
    answers: web::Data<PageAnswers>,
    path: web::Path<DatasetSyntaxPath>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let DatasetSyntaxPath { slug, syntax } = path.into_inner();
    let syntax = by_ending(&syntax)?;
    Ok(described(&app, &answers, slug, syntax).await?.answer(&request, &headers(syntax)))
}

/// The answer of a dataset's own address in the syntax that the caller likes better than a page.
///
/// # Errors
/// When there is no dataset of that name.
pub async fn negotiated(
    app: &web::Data<App>,
    answers: &PageAnswers,
    slug: String,
    syntax: Syntax,
    request: &HttpRequest,
) -> Result<HttpResponse> {
    let at = format!("/datasets/{slug}.{}", syntax.ending());
    let body = described(app, answers, slug, syntax).await?;
    let mut response = body.answer(request, &headers(syntax));
    response.headers_mut().insert(VARY, HeaderValue::from_static("Accept, Accept-Language"));
    // A slug that was found is plain ASCII.
    if let Ok(at) = HeaderValue::from_str(&at) {
        response.headers_mut().insert(CONTENT_LOCATION, at);
    }
    Ok(response)
}

async fn described(app: &web::Data<App>, answers: &PageAnswers, slug: String, syntax: Syntax) -> Result<Body> {
    let making = async || {
        let (site, card) = card::one(app, slug.clone()).await?;
        Ok(for_a_while(dcat::dataset(&site, &card).write(syntax)?))
    };
    answers.0.find(app, format!("dcat {syntax:?} {slug}"), making).await
}

/// Show a dataset in Croissant
///
/// Croissant 1.1 for loaders of machine learning: files with their SHA-256, the fields as a record set, licence, citation; of a conditional dataset also on
/// what terms a firm gets it (ODRL, DUO), with the address that the holder of a grant downloads from.
#[utoipa::path(tag = "standards", params(DatasetPath), responses((status = OK, content((Object = "application/ld+json")))))]
#[get("/datasets/{slug}/croissant.json")]
pub async fn show_croissant(
    _caller: Caller,
    app: web::Data<App>,
    answers: web::Data<Answers>,
    path: web::Path<DatasetPath>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let slug = path.into_inner().slug;
    let making = async || {
        let (site, card) = card::one(&app, slug.clone()).await?;
        Ok(for_a_while(serde_json::to_vec(&croissant::document(&site, &card)?)?))
    };
    let body = answers.find(&app, format!("croissant {slug}"), making).await?;
    Ok(body.answer(&request, &[(CONTENT_TYPE, croissant::MEDIA_TYPE), (CACHE_CONTROL, "no-cache")]))
}

/// In which language.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct LanguageQuery {
    /// The language; that of `Accept-Language` by default.
    #[param(inline)]
    pub lang: Option<CitationLanguage>,
}

impl LanguageQuery {
    /// Whether the answer is in Chinese.
    pub fn in_chinese(&self, request: &HttpRequest) -> bool {
        match self.lang {
            Some(CitationLanguage::Zh) => true,
            Some(CitationLanguage::En) => false,
            None => Language::of(request.headers()) == Language::Zh,
        }
    }
}

/// Show a dataset as a data package
///
/// A Frictionless data package of the newest version's CSV file, with the types, titles and codes of its columns.
#[utoipa::path(tag = "standards", params(DatasetPath, LanguageQuery), responses((status = OK, body = Object)))]
#[get("/datasets/{slug}/datapackage.json")]
pub async fn show_data_package(
    _caller: Caller,
    app: web::Data<App>,
    answers: web::Data<Answers>,
    path: web::Path<DatasetPath>,
    query: web::Query<LanguageQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let (slug, in_chinese) = (path.into_inner().slug, query.in_chinese(&request));
    let making = async || {
        let (_site, card) = card::one(&app, slug.clone()).await?;
        Ok(for_a_while(serde_json::to_vec(&datapackage::document(&card, in_chinese)?)?))
    };
    let body = answers.find(&app, format!("data package {in_chinese} {slug}"), making).await?;
    let language = if in_chinese { "zh-CN" } else { "en" };
    let about = [(CONTENT_TYPE, "application/json"), (CONTENT_LANGUAGE, language), (VARY, "Accept-Language"), (CACHE_CONTROL, "no-cache")];
    Ok(body.answer(&request, &about))
}
