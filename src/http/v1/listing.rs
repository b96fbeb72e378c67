//! The open list, whole or by question and facet.

use std::collections::BTreeMap;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, get, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::datasets::DatasetSummary;
use crate::app::App;
use crate::catalog::{
    self, Choice, Dataset, DatasetFilter, Facet, Found, OpenType, Order, Search, SearchPlace, SearchWish, Text, UpdateFrequency,
};
use crate::crypto::sha256_hex;
use crate::db::Conn;
use crate::error::{Error, Result};
use crate::http::kept::{Made, PageAnswers};
use crate::http::page::{PageQuery, cursor};
use crate::identity::Caller;
use crate::read::Format;

/// Which datasets to list.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct DatasetsQuery {
    /// Words to look for, in Chinese or English, in pinyin or its initials: in titles, keywords, descriptions, names of bodies, themes and fields, and in the
    /// values of open fields that have few. A part in double quotes has to be there as it is. At most 300 characters, of which the first 24 words count.
    #[param(example = "公交站点")]
    pub q: Option<String>,
    /// Only of this theme, by slug.
    pub theme: Option<String>,
    /// Only of this publisher, by slug.
    pub publisher: Option<String>,
    /// Only of this open type.
    pub open_type: Option<OpenType>,
    /// Only what anybody can download in this format.
    pub format: Option<Format>,
    /// Only with this frequency of updates.
    pub frequency: Option<UpdateFrequency>,
    /// Only of high value, or only others.
    pub high_value: Option<bool>,
    /// Only about this year.
    #[param(value_type = Option<i32>, example = 2024)]
    pub year: Option<String>,
    /// Only with this keyword, exactly.
    pub tag: Option<String>,
    /// The order: what fits best (with `q` the default), by slug (without `q` the default), or the latest change first.
    #[param(inline)]
    pub sort: Option<Sort>,
    /// Whether to count by theme, publisher, open type, format, frequency, high value and year.
    pub facets: Option<bool>,
    /// How many items at the most.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 1000, example = 100)]
    pub limit: Option<String>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// What fits best first.
    Best,
    /// By slug.
    Slug,
    /// The latest change first.
    Updated,
}

/// The datasets of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct DatasetList {
    /// The datasets.
    pub items: Vec<DatasetSummary>,
    /// How many there are in all.
    pub total: i64,
    /// The cursor of the next page; null at the end.
    pub next_cursor: Option<String>,
    /// With `facets`, how many of all of them have each value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facets: Option<BTreeMap<&'static str, FacetCounts>>,
    /// Where little was found, what may have been meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub did_you_mean: Option<String>,
}

/// How many datasets have each value.
#[derive(Debug, Serialize, ToSchema)]
pub struct FacetCounts {
    /// The values, the most frequent first.
    pub values: Vec<FacetValue>,
    /// How many rarer values are left out.
    pub left_out: usize,
}

/// A value of a facet.
#[derive(Debug, Serialize, ToSchema)]
pub struct FacetValue {
    /// The value, as a parameter takes it.
    pub value: String,
    /// Its name, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<Text>,
    /// How many datasets have it.
    pub count: u64,
}

/// How many values of a facet are shown.
const FACET_VALUES: usize = 100;

/// Below so many results, another spelling is looked for.
const LITTLE_FOUND: usize = 3;

impl DatasetsQuery {
    /// Whether the plain list answers it, without the index.
    fn is_plain(&self) -> bool {
        let DatasetsQuery { q, format, frequency, high_value, year, tag, sort, facets, .. } = self;
        q.is_none()
            && (format.is_none() && frequency.is_none() && high_value.is_none() && year.is_none() && tag.is_none())
            && matches!(sort, None | Some(Sort::Slug))
            && !facets.unwrap_or_default()
    }

    /// The list that a cursor belongs to.
    fn name(&self) -> String {
        if self.is_plain() {
            return format!("datasets {:?} {:?} {:?}", self.theme, self.publisher, self.open_type);
        }
        let whole = DatasetsQuery { limit: None, cursor: None, facets: None, ..self.clone() };
        format!("search {}", sha256_hex(format!("{whole:?}").as_bytes()))
    }

    /// What the index is asked.
    ///
    /// # Errors
    /// When a value is none of those that are allowed.
    pub fn choice(&self) -> Result<Choice> {
        let mut all = Vec::new();
        if let Some(question) = self.question()? {
            all.push(Choice::Question(question.to_owned()));
        }
        let mut only = |facet: Facet, value: Option<String>| all.extend(value.map(|value| Choice::Has(facet, value)));
        only(Facet::Theme, self.theme.clone());
        only(Facet::Publisher, self.publisher.clone());
        only(Facet::OpenType, self.open_type.map(|open_type| open_type.as_str().to_owned()));
        only(Facet::Format, self.format.map(|format| format.as_str().to_owned()));
        only(Facet::Frequency, self.frequency.map(|frequency| frequency.as_str().to_owned()));
        only(Facet::HighValue, self.high_value.map(|is| is.to_string()));
        only(Facet::Tag, self.tag.clone());
        if let Some(year) = &self.year {
            let number = year.parse::<i32>().ok().filter(|year| (1..=9999).contains(year));
            let number = number.ok_or_else(|| Error::invalid("year", format!("`{year}` is no year, such as 2024")))?;
            all.push(Choice::Has(Facet::Year, number.to_string()));
        }
        Ok(Choice::And(all))
    }

    /// The question, where there is one.
    ///
    /// # Errors
    /// When it is too long.
    pub fn question(&self) -> Result<Option<&str>> {
        let Some(question) = self.q.as_deref().map(str::trim).filter(|question| !question.is_empty()) else { return Ok(None) };
        let (letters, most) = (question.chars().count(), Search::MOST_LETTERS);
        if letters > most {
            return Err(Error::invalid("q", format!("the question has {letters} characters; ask in at most {most}")));
        }
        Ok(Some(question))
    }

    fn order(&self) -> Result<Order> {
        Ok(match (self.sort, self.question()?) {
            (Some(Sort::Best), _) | (None, Some(_)) => Order::Best,
            (Some(Sort::Updated), _) => Order::Updated,
            (Some(Sort::Slug), _) | (None, None) => Order::Slug,
        })
    }
}

/// List datasets
///
/// Every entry of the open list, by slug; closed ones by name too. With `q`, those that it finds, the best first: no dataset that has left the list is in an
/// answer. With `facets`, how many datasets have each value under the same filters.
#[utoipa::path(
    tag = "catalog",
    params(DatasetsQuery),
    responses(
        (status = OK, body = DatasetList, headers(("ETag" = String))),
        (status = NOT_MODIFIED, description = "The list that you have is the same"),
    )
)]
#[get("/datasets")]
pub async fn list_datasets(
    _caller: Caller,
    app: web::Data<App>,
    answers: web::Data<PageAnswers>,
    query: web::Query<DatasetsQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let query = query.into_inner();
    let list = query.name();
    let page = PageQuery { limit: query.limit.clone(), cursor: query.cursor.clone() };
    let (limit, after) = (page.limit()?, page.after(&list)?);
    let name = format!("{list} {:?} {limit} {after:?}", query.facets);
    let making = async || {
        let found = if query.is_plain() {
            plain(&app, &query, &list, after, limit).await?
        } else {
            by_index(&app, &query, &list, after, limit).await?
        };
        Ok(Made { body: serde_json::to_vec(&found)?, keep: true, until: None })
    };
    let body = answers.0.find(&app, name, making).await?;
    Ok(body.answer(&request, &[(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-cache")]))
}

async fn plain(app: &App, query: &DatasetsQuery, list: &str, after: Option<String>, limit: i64) -> Result<DatasetList> {
    let DatasetsQuery { theme, publisher, open_type, .. } = query.clone();
    let filter = DatasetFilter { theme, publisher, open_type, changed_since: None };
    let total = app.total(&filter).await?;
    let reading = app.db.read(move |conn| {
        let (datasets, more) = catalog::list_on(conn, &filter, after.as_deref(), limit)?;
        Ok((DatasetSummary::of(conn, datasets)?, more))
    });
    let (items, more) = reading.await?;
    let last = items.last().filter(|_| more).map(|dataset| cursor(list, &dataset.slug));
    Ok(DatasetList { items, total, next_cursor: last, facets: None, did_you_mean: None })
}

async fn by_index(app: &App, query: &DatasetsQuery, list: &str, after: Option<String>, limit: i64) -> Result<DatasetList> {
    let after = after.map(|text| SearchPlace::parse(&text).ok_or_else(no_cursor)).transpose()?;
    let counted = if query.facets.unwrap_or_default() { Facet::COUNTED.map(|facet| (facet, FACET_VALUES)).to_vec() } else { Vec::new() };
    let is_first = after.is_none();
    let wish = SearchWish { choice: query.choice()?, order: query.order()?, after, skip: 0, limit: limit as usize, counted };
    let found = app.search(wish).await?;
    let did_you_mean = match query.question()? {
        Some(question) if is_first && found.total < LITTLE_FOUND => app.suggestion(question.to_owned()).await?,
        Some(_) | None => None,
    };
    let next = found.next.as_ref().map(|place| cursor(list, &place.text()));
    let reading = app.db.read(move |conn| {
        let datasets = read(conn, &found.slugs)?;
        Ok((DatasetSummary::of(conn, datasets)?, titled(conn, &found)?, found.total))
    });
    let (items, facets, total) = reading.await?;
    let facets = query.facets.unwrap_or_default().then_some(facets);
    Ok(DatasetList { items, total: total as i64, next_cursor: next, facets, did_you_mean })
}

fn no_cursor() -> Error {
    Error::invalid("cursor", "this is no cursor of this list with these filters; start again without it")
}

/// Datasets in the order of their slugs; one that has just left the list is left out.
///
/// # Errors
/// When the database does not answer.
pub fn read(conn: &mut Conn, slugs: &[String]) -> Result<Vec<Dataset>> {
    let mut found: BTreeMap<String, Dataset> =
        catalog::named(conn, slugs)?.into_iter().map(|dataset| (dataset.slug.clone(), dataset)).collect();
    Ok(slugs.iter().filter_map(|slug| found.remove(slug)).collect())
}

/// The counts with the names of themes and publishers.
///
/// # Errors
/// When the database does not answer.
pub fn titled(conn: &mut Conn, found: &Found) -> Result<BTreeMap<&'static str, FacetCounts>> {
    let themes = catalog::themes(conn)?.into_iter().map(|theme| (theme.slug, theme.name));
    let publishers = catalog::publishers(conn)?.into_iter().map(|publisher| (publisher.slug, publisher.name));
    let (themes, publishers): (BTreeMap<_, _>, BTreeMap<_, _>) = (themes.collect(), publishers.collect());
    let counts = found.counts.iter().map(|(facet, counts)| {
        let title = |value: &str| match facet {
            Facet::Theme => themes.get(value).cloned(),
            Facet::Publisher => publishers.get(value).cloned(),
            Facet::OpenType
            | Facet::Format
            | Facet::Frequency
            | Facet::HighValue
            | Facet::Year
            | Facet::Tag
            | Facet::Licence
            | Facet::Slug
            | Facet::Resource => None,
        };
        let value =
            |counted: &catalog::Counted| FacetValue { title: title(&counted.value), value: counted.value.clone(), count: counted.count };
        (facet.as_str(), FacetCounts { values: counts.values.iter().map(value).collect(), left_out: counts.left_out })
    });
    Ok(counts.collect())
}
