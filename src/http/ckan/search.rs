//! `package_search` and what else asks the index.

use std::collections::BTreeMap;

use actix_web::web;
use serde_json::{Map, Value, json};

use super::params::Params;
use super::{Fault, shapes, solr};
use crate::app::App;
use crate::catalog::{self, Choice, Counts, Facet, Order, Search, SearchWish};
use crate::http::standards::card;

/// The most datasets of one answer.
const MOST_ROWS: i64 = 1000;

/// `package_search`.
///
/// # Errors
/// When the query cannot be read.
pub async fn packages(app: &web::Data<App>, params: &Params) -> Result<Value, Fault> {
    let rows = params.number("rows", 0)?.unwrap_or(10).min(MOST_ROWS);
    let start = params.number("start", 0)?.unwrap_or(0);
    let question = params.text("q").unwrap_or_default();
    let mut all = vec![chosen(app, &question).await?];
    let filters: Vec<String> =
        params.text("fq").into_iter().chain(params.texts("fq_list")).filter(|filter| !filter.trim().is_empty()).collect();
    if filters.len() > MOST_FILTERS {
        return Err(Fault::Search(format!("the request has {} filters; the most are {MOST_FILTERS}", filters.len())));
    }
    for filter in filters {
        all.push(chosen(app, &filter).await?);
    }
    bounded(&all)?;
    let (order, sort) = order(params.text("sort").as_deref(), all[0].asks())?;
    let facets = facets(params)?;
    let most = match params.number("facet.limit", -1)?.unwrap_or(50) {
        -1 => usize::MAX,
        most => most as usize,
    };
    let counted = facets.iter().map(|(_, facet)| (*facet, most)).collect();
    let wish = SearchWish { choice: Choice::And(all), order, after: None, skip: start as usize, limit: rows as usize, counted };
    let found = app.search(wish).await?;
    let (site, cards) = card::named(app, found.slugs).await?;
    let results: Vec<Value> = cards.iter().map(|card| shapes::package(&site, card)).collect();
    let least = params.number("facet.mincount", 0)?.unwrap_or(1).max(0) as u64;
    let (plain, named) = counts(app, &facets, &found.counts, least).await?;
    Ok(json!({ "count": found.total, "sort": sort, "facets": plain, "search_facets": named, "results": results }))
}

/// Which datasets a query means; a dataset's id stands for its slug.
async fn chosen(app: &web::Data<App>, text: &str) -> Result<Choice, Fault> {
    let mut choice = solr::choice(text).map_err(Fault::Search)?;
    let mut ids = Vec::new();
    slugs_in(&mut choice, &mut |slug| ids.push(slug.clone()));
    ids.retain(|id| uuid::Uuid::parse_str(id).is_ok());
    if !ids.is_empty() {
        let reading = app.db.read(move |conn| {
            let pairs = ids.into_iter().map(|id| Ok((catalog::slug_of(conn, &id)?, id)));
            pairs.collect::<crate::error::Result<Vec<(Option<String>, String)>>>()
        });
        let known: BTreeMap<String, String> = reading.await?.into_iter().filter_map(|(slug, id)| Some((id, slug?))).collect();
        slugs_in(&mut choice, &mut |slug| {
            if let Some(known) = known.get(slug) {
                slug.clone_from(known);
            }
        });
    }
    Ok(choice)
}

fn slugs_in(choice: &mut Choice, with: &mut impl FnMut(&mut String)) {
    match choice {
        Choice::Has(Facet::Slug, slug) => with(slug),
        Choice::And(parts) | Choice::Or(parts) => parts.iter_mut().for_each(|part| slugs_in(part, with)),
        Choice::Not(inner) => slugs_in(inner, with),
        Choice::All | Choice::None | Choice::Question(_) | Choice::Any(_) | Choice::Has(..) | Choice::Between(..) => {}
    }
}

/// How many filters, parts of all queries together, and letters of all questions together a request may have: each part is work.
const MOST_FILTERS: usize = 50;
const MOST_PARTS: usize = 300;
const MOST_QUESTIONS: usize = 8;

/// Checks that all queries of a request together are no more than that.
fn bounded(all: &[Choice]) -> Result<(), Fault> {
    let (mut parts, mut questions, mut letters) = (0, 0, 0);
    all.iter().for_each(|one| {
        one.parts(&mut |part| {
            parts += 1;
            if let Choice::Question(text) = part {
                questions += 1;
                letters += text.chars().count();
            }
        })
    });
    let bounds = [
        ("filters", all.len(), MOST_FILTERS),
        ("parts", parts, MOST_PARTS),
        ("texts to look for", questions, MOST_QUESTIONS),
        ("characters to look for", letters, Search::MOST_LETTERS),
    ];
    match bounds.into_iter().find(|(_, count, most)| count > most) {
        Some((what, count, most)) => Err(Fault::Search(format!("the request has {count} {what}; the most are {most}"))),
        None => Ok(()),
    }
}

/// The order that the first part of `sort` names.
fn order(sort: Option<&str>, asks: bool) -> Result<(Order, String), Fault> {
    let Some(sort) = sort.map(str::trim).filter(|sort| !sort.is_empty()) else {
        let order = if asks { Order::Best } else { Order::Updated };
        return Ok((order, "score desc, metadata_modified desc".to_owned()));
    };
    let mut order = None;
    for part in sort.split(',') {
        let mut words = part.split_whitespace();
        let (field, down) = (words.next().unwrap_or_default(), words.next().unwrap_or("asc").eq_ignore_ascii_case("desc"));
        let this = match (field, down) {
            // Without words every dataset fits as well as the others.
            ("score", _) if !asks => continue,
            ("score", _) => Order::Best,
            ("metadata_modified", true) => Order::Updated,
            ("metadata_modified", false) => Order::UpdatedUp,
            ("name" | "id" | "title" | "title_string", false) => Order::Slug,
            ("name" | "id" | "title" | "title_string", true) => Order::SlugDown,
            _ => return Err(Fault::Search(format!("cannot sort by `{}`; there are score, metadata_modified and name", part.trim()))),
        };
        order = order.or(Some(this));
    }
    Ok((order.unwrap_or(Order::Updated), sort.to_owned()))
}

fn facets(params: &Params) -> Result<Vec<(String, Facet)>, Fault> {
    let mut named = params.texts("facet.field");
    named.sort_unstable();
    named.dedup();
    named
        .into_iter()
        .map(|name| solr::facet(&name).map(|facet| (name.clone(), facet)).ok_or_else(|| Fault::Search(format!("undefined field {name}"))))
        .collect()
}

/// The counts as CKAN has them: plain, and with names.
async fn counts(
    app: &web::Data<App>,
    facets: &[(String, Facet)],
    counts: &BTreeMap<Facet, Counts>,
    least: u64,
) -> Result<(Map<String, Value>, Map<String, Value>), Fault> {
    let names = names(app).await?;
    let (mut plain, mut named) = (Map::new(), Map::new());
    for (name, facet) in facets {
        let counted =
            counts.get(facet).map(|counts| counts.values.as_slice()).unwrap_or_default().iter().filter(|counted| counted.count >= least);
        let shown = |value: &str| if *facet == Facet::Resource { value.to_uppercase() } else { value.to_owned() };
        let values: Map<String, Value> = counted.clone().map(|counted| (shown(&counted.value), counted.count.into())).collect();
        let items = counted.map(|counted| {
            let display = names.get(&(*facet, counted.value.clone())).cloned().unwrap_or_else(|| shown(&counted.value));
            json!({ "name": shown(&counted.value), "display_name": display, "count": counted.count })
        });
        let items: Vec<Value> = items.collect();
        plain.insert(name.clone(), values.into());
        named.insert(name.clone(), json!({ "title": name, "items": items }));
    }
    Ok((plain, named))
}

async fn names(app: &web::Data<App>) -> Result<BTreeMap<(Facet, String), String>, Fault> {
    let reading = app.db.read(|conn| Ok((catalog::themes(conn)?, catalog::publishers(conn)?)));
    let (themes, publishers) = reading.await?;
    let themes = themes.into_iter().map(|theme| ((Facet::Theme, theme.slug), theme.name.zh));
    let publishers = publishers.into_iter().map(|publisher| ((Facet::Publisher, publisher.slug), publisher.name.zh));
    Ok(themes.chain(publishers).collect())
}

/// How many datasets have each value of a facet, by value.
///
/// # Errors
/// When the index cannot be read.
pub async fn counted(app: &web::Data<App>, facet: Facet) -> Result<BTreeMap<String, u64>, Fault> {
    let wish = SearchWish { choice: Choice::All, order: Order::Slug, after: None, skip: 0, limit: 0, counted: vec![(facet, usize::MAX)] };
    let mut found = app.search(wish).await?;
    let counts = found.counts.remove(&facet).unwrap_or_default();
    Ok(counts.values.into_iter().map(|counted| (counted.value, counted.count)).collect())
}

/// The slugs of the datasets that have a value, in their order.
///
/// # Errors
/// When the index cannot be read.
pub async fn slugs(app: &web::Data<App>, facet: Facet, value: &str, limit: usize) -> Result<Vec<String>, Fault> {
    let choice = Choice::Has(facet, value.to_owned());
    let wish = SearchWish { choice, order: Order::Slug, after: None, skip: 0, limit, counted: Vec::new() };
    Ok(app.search(wish).await?.slugs)
}
