//! The actions by name.

use std::collections::BTreeMap;

use actix_web::web;
use serde_json::{Value, json};

use super::params::Params;
use super::search::{counted, packages, slugs};
use super::shapes;
use super::{CKAN_VERSION, Fault};
use crate::app::App;
use crate::catalog::{self, Choice, Facet, Order, Publisher, SearchWish, Theme};
use crate::http::standards::card::{self, Card, Site};

/// Every action with what it does, as `help_show` tells it.
const ACTIONS: &[(&str, &str)] = &[
    ("current_package_list_with_resources", "Datasets with their resources, the latest change first. Parameters: limit, offset."),
    ("datastore_info", "The columns of a resource, and how many rows it has. Parameters: id, version."),
    (
        "datastore_search",
        "Rows of a resource. Parameters: resource_id, filters, q, plain, language, distinct, limit (32000 at the most), offset, fields, sort, include_total, \
         records_format, include_next_page, version.",
    ),
    ("datastore_search_sql", "One SELECT over resources, each named by its id in double quotes. Parameters: sql."),
    ("group_list", "Names of the groups, which are the themes of the list. Parameters: all_fields, limit, offset."),
    ("group_show", "One group. Parameters: id, include_datasets."),
    ("help_show", "What an action does. Parameters: name."),
    ("license_list", "The licences that datasets have."),
    ("organization_list", "Names of the publishers. Parameters: all_fields, limit, offset."),
    ("organization_show", "One publisher. Parameters: id, include_datasets."),
    ("package_autocomplete", "Datasets whose title, name or keywords begin with a text. Parameters: q, limit."),
    ("package_list", "Names of all datasets. Parameters: limit, offset."),
    (
        "package_search",
        "Datasets by question and filter. Parameters: q, fq, fq_list, sort, start, rows (1000 at the most), facet.field, facet.limit, facet.mincount.",
    ),
    ("package_show", "One dataset. Parameters: id, which is its id or its name."),
    ("resource_search", "Resources by a field, such as format:CSV. Parameters: query, limit, offset."),
    ("resource_show", "One resource. Parameters: id."),
    ("resource_view_list", "The views of a resource; there are none."),
    ("site_read", "Whether the site can be read: true."),
    ("status_show", "What this site is."),
    ("tag_list", "The keywords. Parameters: query, all_fields."),
    ("tag_show", "One keyword with its datasets. Parameters: id, include_datasets."),
    ("user_list", "The users that are public; there are none."),
    ("vocabulary_list", "The vocabularies of keywords; there are none."),
];

/// What an action answers.
///
/// # Errors
/// When there is no such action, or a parameter is wrong.
pub async fn act(app: &web::Data<App>, action: &str, params: &Params) -> Result<Value, Fault> {
    match action {
        "site_read" => Ok(true.into()),
        "status_show" => Ok(status(app)),
        "help_show" => help(&params.needed("name")?),
        "package_list" => package_list(app, params).await,
        "current_package_list_with_resources" => current(app, params).await,
        "package_show" => package_show(app, params).await,
        "package_search" => packages(app, params).await,
        "package_autocomplete" => autocomplete(app, params).await,
        "resource_show" => resource_show(app, params).await,
        "resource_search" => resource_search(app, params).await,
        "organization_list" => organizations(app, params).await,
        "organization_show" => organization_show(app, params).await,
        "group_list" => groups(app, params).await,
        "group_show" => group_show(app, params).await,
        "tag_list" => tag_list(app, params).await,
        "tag_show" => tag_show(app, params).await,
        "license_list" => licences(app).await,
        "resource_view_list" | "vocabulary_list" | "user_list" => Ok(json!([])),
        other => Err(Fault::Bad(format!("Bad request - Action name not known: {other}"))),
    }
}

fn status(app: &App) -> Value {
    let title = Site::title();
    json!({
        "site_title": title.zh,
        "site_description": Site::description().zh,
        "site_url": app.issuer,
        "ckan_version": CKAN_VERSION,
        "error_emails_to": app.settings.list.contact_email,
        "locale_default": "zh_Hans_CN",
        "extensions": [],
    })
}

fn help(name: &str) -> Result<Value, Fault> {
    let found = ACTIONS.iter().find(|(action, _)| *action == name);
    found.map(|(_, what)| (*what).into()).ok_or_else(|| Fault::NotFound(format!("action {name}")))
}

/// A part of a list, by `limit` and `offset`.
fn part<T>(items: Vec<T>, params: &Params) -> Result<Vec<T>, Fault> {
    let offset = params.number("offset", 0)?.unwrap_or(0) as usize;
    let limit = params.number("limit", 0)?.map_or(usize::MAX, |limit| limit as usize);
    Ok(items.into_iter().skip(offset).take(limit).collect())
}

async fn package_list(app: &web::Data<App>, params: &Params) -> Result<Value, Fault> {
    let offset = params.number("offset", 0)?.unwrap_or(0) as usize;
    let limit = params.number("limit", 0)?;
    let reading = app.db.read(move |conn| {
        let mut names: Vec<String> = Vec::new();
        let most = limit.map_or(usize::MAX, |limit| offset.saturating_add(limit as usize));
        loop {
            let some = catalog::slugs_after(conn, names.last().map(String::as_str), 10_000)?;
            let is_last = some.len() < 10_000;
            names.extend(some.into_iter().map(|(slug, _)| slug));
            if is_last || names.len() >= most {
                names.truncate(most);
                return Ok(names.split_off(offset.min(names.len())));
            }
        }
    });
    Ok(reading.await?.into())
}

async fn current(app: &web::Data<App>, params: &Params) -> Result<Value, Fault> {
    let limit = params.number("limit", 0)?.unwrap_or(1000).min(1000) as usize;
    let skip = params.number("offset", 0)?.unwrap_or(0) as usize;
    let wish = SearchWish { choice: Choice::All, order: Order::Updated, after: None, skip, limit, counted: Vec::new() };
    let found = app.search(wish).await?;
    let (site, cards) = card::named(app, found.slugs).await?;
    Ok(cards.iter().map(|card| shapes::package(&site, card)).collect())
}

/// The dataset of that id or name.
async fn card_of(app: &web::Data<App>, id: &str) -> Result<(Site, Card), Fault> {
    let asked = id.to_owned();
    let slug = match uuid::Uuid::parse_str(id) {
        Ok(_) => app.db.read(move |conn| catalog::slug_of(conn, &asked)).await?,
        Err(_) => Some(asked),
    };
    let slug = slug.ok_or_else(|| Fault::NotFound(format!("package {id}")))?;
    Ok(card::one(app, slug).await?)
}

async fn package_show(app: &web::Data<App>, params: &Params) -> Result<Value, Fault> {
    let id = params.text("id").filter(|id| !id.is_empty()).map_or_else(|| params.needed("name_or_id"), Ok);
    let id = id.map_err(|_missing| Fault::Validation("name_or_id".to_owned(), "Missing value".to_owned()))?;
    let (site, card) = card_of(app, &id).await?;
    Ok(shapes::package(&site, &card))
}

async fn autocomplete(app: &web::Data<App>, params: &Params) -> Result<Value, Fault> {
    let question: String = params.needed("q")?.chars().take(catalog::Search::MOST_LETTERS).collect();
    let limit = params.number("limit", 1)?.unwrap_or(10).min(100) as usize;
    let wish = SearchWish { choice: Choice::Question(question), order: Order::Best, after: None, skip: 0, limit, counted: Vec::new() };
    let found = app.search(wish).await?;
    let (_site, cards) = card::named(app, found.slugs).await?;
    let shown = cards.iter().map(|card| {
        let title = &card.dataset.entry.title.zh;
        json!({ "name": card.dataset.slug, "title": title, "match_field": "title", "match_displayed": title })
    });
    Ok(shown.collect())
}

async fn resource_show(app: &web::Data<App>, params: &Params) -> Result<Value, Fault> {
    let id = params.needed("id")?;
    let missing = || Fault::NotFound(format!("resource {id}"));
    // A resource is called by its dataset's id and its format.
    let (dataset, _format) = id.rsplit_once('-').ok_or_else(missing)?;
    uuid::Uuid::parse_str(dataset).map_err(|_no_id| missing())?;
    let (site, card) = card_of(app, dataset).await.map_err(|_none| missing())?;
    shapes::resources(&site, &card).into_iter().find(|resource| resource["id"] == id.as_str()).ok_or_else(missing)
}

async fn resource_search(app: &web::Data<App>, params: &Params) -> Result<Value, Fault> {
    let query = params.texts("query");
    let [query] = query.as_slice() else {
        return Err(Fault::Validation("query".to_owned(), "Give one term, such as format:CSV".to_owned()));
    };
    let found = query.split_once(':').filter(|(field, _)| *field == "format");
    let (_, format) = found.ok_or_else(|| Fault::Validation("query".to_owned(), format!("`{query}` is not of the form format:CSV")))?;
    let (limit, skip) = (params.number("limit", 0)?.unwrap_or(100).min(1000), params.number("offset", 0)?.unwrap_or(0));
    let choice = Choice::Has(Facet::Resource, format.to_lowercase());
    let wish = SearchWish { choice, order: Order::Slug, after: None, skip: skip as usize, limit: limit as usize, counted: Vec::new() };
    let found = app.search(wish).await?;
    let (site, cards) = card::named(app, found.slugs).await?;
    let named = format.to_uppercase();
    let resources = cards.iter().flat_map(|card| shapes::resources(&site, card)).filter(|resource| resource["format"] == named.as_str());
    Ok(json!({ "count": found.total, "results": resources.collect::<Vec<Value>>() }))
}

async fn organizations(app: &web::Data<App>, params: &Params) -> Result<Value, Fault> {
    let publishers = part(app.db.read(catalog::publishers).await?, params)?;
    if !params.flag("all_fields") {
        return Ok(publishers.into_iter().map(|publisher| publisher.slug).collect());
    }
    let counts = counted(app, Facet::Publisher).await?;
    Ok(publishers.iter().map(|publisher| shapes::organization(publisher, Some(count(&counts, &publisher.slug)))).collect())
}

fn count(counts: &BTreeMap<String, u64>, slug: &str) -> u64 {
    counts.get(slug).copied().unwrap_or_default()
}

async fn organization_show(app: &web::Data<App>, params: &Params) -> Result<Value, Fault> {
    let id = params.needed("id")?;
    let found: Option<Publisher> = app.db.read(catalog::publishers).await?.into_iter().find(|publisher| publisher.slug == id);
    let publisher = found.ok_or_else(|| Fault::NotFound(format!("organization {id}")))?;
    let counts = counted(app, Facet::Publisher).await?;
    let mut value = shapes::organization(&publisher, Some(count(&counts, &publisher.slug)));
    value["packages"] = members(app, params, Facet::Publisher, &publisher.slug).await?;
    value["groups"] = json!([]);
    value["tags"] = json!([]);
    value["users"] = json!([]);
    Ok(value)
}

/// The datasets of a body or a theme, where they are asked for; a thousand at the most, as in CKAN.
async fn members(app: &web::Data<App>, params: &Params, facet: Facet, slug: &str) -> Result<Value, Fault> {
    if !params.flag("include_datasets") {
        return Ok(json!([]));
    }
    let (site, cards) = card::named(app, slugs(app, facet, slug, 1000).await?).await?;
    Ok(cards.iter().map(|card| shapes::package(&site, card)).collect())
}

async fn groups(app: &web::Data<App>, params: &Params) -> Result<Value, Fault> {
    let themes = part(app.db.read(catalog::themes).await?, params)?;
    if !params.flag("all_fields") {
        return Ok(themes.into_iter().map(|theme| theme.slug).collect());
    }
    let counts = counted(app, Facet::Theme).await?;
    Ok(themes.iter().map(|theme| shapes::group(theme, Some(count(&counts, &theme.slug)))).collect())
}

async fn group_show(app: &web::Data<App>, params: &Params) -> Result<Value, Fault> {
    let id = params.needed("id")?;
    let found: Option<Theme> = app.db.read(catalog::themes).await?.into_iter().find(|theme| theme.slug == id);
    let theme = found.ok_or_else(|| Fault::NotFound(format!("group {id}")))?;
    let counts = counted(app, Facet::Theme).await?;
    let mut value = shapes::group(&theme, Some(count(&counts, &theme.slug)));
    value["packages"] = members(app, params, Facet::Theme, &theme.slug).await?;
    value["groups"] = json!([]);
    value["tags"] = json!([]);
    value["users"] = json!([]);
    Ok(value)
}

async fn tag_list(app: &web::Data<App>, params: &Params) -> Result<Value, Fault> {
    let wanted = params.text("query").map(|query| query.to_lowercase()).unwrap_or_default();
    let counts = counted(app, Facet::Tag).await?;
    let tags: Vec<String> = counts.into_keys().filter(|tag| tag.to_lowercase().contains(&wanted)).collect();
    let tags = part(tags, params)?;
    if params.flag("all_fields") { Ok(tags.iter().map(|tag| shapes::tag_of(tag)).collect()) } else { Ok(tags.into()) }
}

async fn tag_show(app: &web::Data<App>, params: &Params) -> Result<Value, Fault> {
    let id = params.needed("id")?;
    let named = slugs(app, Facet::Tag, &id, 1000).await?;
    if named.is_empty() {
        return Err(Fault::NotFound(format!("tag {id}")));
    }
    let mut value = shapes::tag_of(&id);
    if params.flag("include_datasets") {
        let (site, cards) = card::named(app, named).await?;
        value["packages"] = cards.iter().map(|card| shapes::package(&site, card)).collect();
    }
    Ok(value)
}

async fn licences(app: &web::Data<App>) -> Result<Value, Fault> {
    let counts = counted(app, Facet::Licence).await?;
    let licence = |name: &String| {
        json!({
            "id": name,
            "title": name,
            "url": crate::http::standards::licence_page(name),
            "status": "active",
            "is_generic": false,
        })
    };
    Ok(counts.keys().map(licence).collect())
}

#[cfg(test)]
mod tests {
    use super::ACTIONS;

    #[test]
    fn actions_stand_in_order() {
        assert!(ACTIONS.is_sorted_by_key(|(name, _)| *name));
    }
}
