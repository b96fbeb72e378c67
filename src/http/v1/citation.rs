//! How a dataset is cited.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_TYPE, VARY};
use actix_web::{HttpRequest, HttpResponse, get, web};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::datasets::DatasetPath;
use super::versions::which_version;
use crate::app::App;
use crate::catalog::{self, Citation};
use crate::clock::{now_naive, shanghai};
use crate::error::Result;
use crate::http::problem::Language;
use crate::identity::Caller;

/// How a citation is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CitationFormat {
    /// Words.
    Text,
    /// An entry for BibTeX.
    Bibtex,
    /// CSL-JSON, which reference managers read.
    Csl,
}

/// The language of a citation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CitationLanguage {
    /// Chinese.
    Zh,
    /// English.
    En,
}

/// Which citation.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct CitationQuery {
    /// `text` by default.
    #[param(inline)]
    format: Option<CitationFormat>,
    /// The version: its number, or a day or moment (RFC 3339, UTC) at which it was the newest one; the newest by default.
    #[param(value_type = Option<String>, example = "1")]
    version: Option<String>,
    /// The language; that of `Accept-Language` by default.
    #[param(inline)]
    lang: Option<CitationLanguage>,
}

/// Cite a dataset
///
/// Publisher, title, version, address and today's date (in Shanghai) as the date of access. Every answer with data says the same in
/// `Qingdan-Citation`, and where to find it in `Link`.
#[utoipa::path(
    tag = "catalog",
    params(DatasetPath, CitationQuery),
    responses((status = OK, content(
        (String = "text/plain"), (String = "application/x-bibtex"), (Object = "application/vnd.citationstyles.csl+json"),
    )))
)]
#[get("/datasets/{slug}/citation")]
pub async fn find_citation(
    _caller: Caller,
    app: web::Data<App>,
    path: web::Path<DatasetPath>,
    query: web::Query<CitationQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let (slug, query) = (path.into_inner().slug, query.into_inner());
    let version = which_version(&app, &slug, "version", query.version.as_deref()).await?;
    let citation = cited(&app, slug, version).await?;
    let in_chinese = match query.lang {
        Some(CitationLanguage::Zh) => true,
        Some(CitationLanguage::En) => false,
        None => Language::of(request.headers()) == Language::Zh,
    };
    Ok(written(&citation, query.format.unwrap_or(CitationFormat::Text), in_chinese))
}

async fn cited(app: &App, slug: String, version: Option<i32>) -> Result<Citation> {
    let issuer = app.issuer.clone();
    let cited = app.db.read(move |conn| {
        let dataset = catalog::find(conn, &slug)?;
        if version.is_some() {
            dataset.require_published()?;
        }
        let number = version.or(dataset.version);
        let issued = match number {
            Some(number) => catalog::version(conn, &dataset, number)?.created_at,
            None => dataset.created_at,
        };
        let (issued, accessed) = (shanghai(issued).date(), shanghai(now_naive()).date());
        Ok(Citation::of(&dataset, number, issued, accessed, &issuer))
    });
    cited.await
}

fn written(citation: &Citation, format: CitationFormat, in_chinese: bool) -> HttpResponse {
    let (media_type, body) = match format {
        CitationFormat::Text => {
            let text = citation.text();
            ("text/plain; charset=utf-8", (if in_chinese { text.zh } else { text.en }) + "\n")
        }
        CitationFormat::Bibtex => ("application/x-bibtex; charset=utf-8", citation.bibtex(in_chinese)),
        CitationFormat::Csl => ("application/vnd.citationstyles.csl+json", citation.csl(in_chinese).to_string()),
    };
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, media_type))
        .insert_header((CONTENT_LANGUAGE, if in_chinese { "zh-CN" } else { "en" }))
        .insert_header((VARY, "Accept-Language"))
        // It says on which day it was asked for.
        .insert_header((CACHE_CONTROL, "no-cache"))
        .body(body)
}
