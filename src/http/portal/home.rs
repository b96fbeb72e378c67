//! The list as a page: a question, filters with what each would leave, and the datasets.

use std::collections::HashMap;

use actix_web::{HttpRequest, HttpResponse, get, web};
use askama::Template;
use serde::Deserialize;

use super::{Words, headers, made, words};
use crate::app::App;
use crate::catalog::{self, Choice, Counted, Dataset, Facet, Found, OpenType, Order, Publisher, Search, SearchPlace, SearchWish, Theme};
use crate::error::Result;
use crate::feedback::{self, Objections};
use crate::http::kept::PageAnswers;
use crate::http::v1::listing;
use crate::identity::Caller;

/// Entries of the list on one page.
const PAGE_ENTRIES: usize = 50;

/// Values of a filter.
const VALUES: usize = 200;

/// Below so many results, another spelling is looked for.
const LITTLE_FOUND: usize = 3;

/// Which language and which part of the list. What is none of the filter's values finds nothing.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct HomeQuery {
    lang: Option<String>,
    #[serde(default)]
    q: String,
    #[serde(default)]
    theme: String,
    #[serde(default)]
    publisher: String,
    #[serde(default)]
    open_type: String,
    #[serde(default)]
    format: String,
    #[serde(default)]
    year: String,
    #[serde(default)]
    after: String,
}

impl HomeQuery {
    fn filters(&self) -> [(Facet, &str); 5] {
        [
            (Facet::OpenType, &self.open_type),
            (Facet::Theme, &self.theme),
            (Facet::Publisher, &self.publisher),
            (Facet::Format, &self.format),
            (Facet::Year, &self.year),
        ]
    }

    /// The question as far as it is read.
    fn question(&self) -> String {
        self.q.trim().chars().take(Search::MOST_LETTERS).collect()
    }

    fn wish(&self) -> SearchWish {
        let question = self.question();
        let (asked, order) = match question.is_empty() {
            true => (None, Order::Slug),
            false => (Some(Choice::Question(question)), Order::Best),
        };
        let filters = self.filters().into_iter().filter(|(_, value)| !value.is_empty());
        let chosen = filters.map(|(facet, value)| Choice::Has(facet, value.to_owned()));
        let after = match order {
            _ if self.after.is_empty() => None,
            Order::Slug => Some(SearchPlace::Slug(self.after.clone())),
            Order::Best | Order::SlugDown | Order::Updated | Order::UpdatedUp => SearchPlace::parse(&self.after),
        };
        let counted = self.filters().into_iter().map(|(facet, _)| (facet, VALUES)).collect();
        SearchWish { choice: Choice::And(asked.into_iter().chain(chosen).collect()), order, after, skip: 0, limit: PAGE_ENTRIES, counted }
    }
}

impl HomeQuery {
    /// The counts of a facet without what is chosen of it.
    fn without(&self, facet: Facet) -> SearchWish {
        let mut query = HomeQuery { after: String::new(), ..self.clone() };
        match facet {
            Facet::OpenType => query.open_type.clear(),
            Facet::Theme => query.theme.clear(),
            Facet::Publisher => query.publisher.clear(),
            Facet::Format => query.format.clear(),
            Facet::Year => query.year.clear(),
            Facet::Frequency | Facet::HighValue | Facet::Tag | Facet::Licence | Facet::Slug | Facet::Resource => {}
        }
        SearchWish { limit: 0, counted: vec![(facet, VALUES)], ..query.wish() }
    }
}

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    w: Words,
    query: HomeQuery,
    datasets: Vec<Dataset>,
    /// Objections that are not settled, by the id of the dataset.
    objections: HashMap<String, Objections>,
    total: i64,
    found: Found,
    themes: Vec<Theme>,
    publishers: Vec<Publisher>,
    did_you_mean: Option<String>,
}

impl Home {
    fn publisher_name(&self, slug: &str) -> &str {
        self.publishers.iter().find(|publisher| publisher.slug == slug).map_or("", |publisher| self.w.text(&publisher.name))
    }

    fn theme_name(&self, slug: &str) -> &str {
        self.themes.iter().find(|theme| theme.slug == slug).map_or("", |theme| self.w.text(&theme.name))
    }

    fn is_filtered(&self) -> bool {
        !self.query.q.trim().is_empty() || self.query.filters().into_iter().any(|(_, value)| !value.is_empty())
    }

    /// How many datasets a value of a filter leaves, in brackets; nothing where that is not known.
    fn count(&self, facet: Facet, value: &str) -> String {
        let counts = self.found.counts.get(&facet);
        if counts.is_some_and(|counts| counts.left_out > 0 && counts.values.iter().all(|counted| counted.value != value)) {
            return String::new();
        }
        let found = counts.and_then(|counts| counts.values.iter().find(|counted| counted.value == value));
        let (open, close) = (self.w.t("（", " ("), self.w.t("）", ")"));
        format!("{open}{}{close}", found.map_or(0, |counted| counted.count))
    }

    fn theme_count(&self, slug: &str) -> String {
        self.count(Facet::Theme, slug)
    }

    fn publisher_count(&self, slug: &str) -> String {
        self.count(Facet::Publisher, slug)
    }

    fn open_type_count(&self, name: &str) -> String {
        self.count(Facet::OpenType, name)
    }

    /// The values of a facet that there are, and the one that is chosen.
    fn values(&self, facet: Facet, chosen: &str) -> Vec<Counted> {
        let mut values = self.found.counts.get(&facet).map_or_else(Vec::new, |counts| counts.values.clone());
        if !chosen.is_empty() && values.iter().all(|counted| counted.value != chosen) {
            values.push(Counted { value: chosen.to_owned(), count: 0 });
        }
        values
    }

    fn formats(&self) -> Vec<Counted> {
        self.values(Facet::Format, &self.query.format)
    }

    /// The years, the latest first.
    fn years(&self) -> Vec<Counted> {
        let mut years = self.values(Facet::Year, &self.query.year);
        years.sort_by(|one, other| other.value.cmp(&one.value));
        years
    }

    /// The parameters of this page, with another value of one of them.
    fn address(&self, name: &str, value: &str) -> String {
        let mut address = url::form_urlencoded::Serializer::new(String::new());
        address.append_pair("lang", self.w.short());
        let query = &self.query;
        let all = [
            ("q", query.q.as_str()),
            ("open_type", &query.open_type),
            ("theme", &query.theme),
            ("publisher", &query.publisher),
            ("format", &query.format),
            ("year", &query.year),
        ];
        for (key, given) in all {
            let given = if key == name { value } else { given };
            if !given.is_empty() {
                address.append_pair(key, given);
            }
        }
        if name == "after" {
            address.append_pair(name, value);
        }
        format!("/?{}", address.finish())
    }

    /// The address of the next page.
    fn next(&self) -> Option<String> {
        let place = self.found.next.as_ref()?;
        let text = match place {
            SearchPlace::Slug(slug) => slug.clone(),
            SearchPlace::Number(..) => place.text(),
        };
        Some(self.address("after", &text))
    }

    fn open_types(&self) -> [(&'static str, &'static str); 3] {
        [OpenType::Unconditional, OpenType::Conditional, OpenType::Closed].map(|kind| (kind.as_str(), self.w.open_type(&kind)))
    }
}

#[get("/")]
pub async fn home(
    _caller: Caller,
    app: web::Data<App>,
    answers: web::Data<PageAnswers>,
    query: web::Query<HomeQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let query = query.into_inner();
    let w = words(&request, query.lang.as_deref());
    let name = format!("home {} {:?}", w.code(), HomeQuery { lang: None, ..query.clone() });
    let body = answers.0.find(&app, name, async || made(&list_of(&app, w, query).await?, true)).await?;
    Ok(body.answer(&request, &headers(w)))
}

async fn list_of(app: &App, w: Words, query: HomeQuery) -> Result<Home> {
    let mut found = app.search(query.wish()).await?;
    // What each value of a filter would leave is counted without that filter.
    for (facet, _) in query.filters().into_iter().filter(|(_, value)| !value.is_empty()) {
        let counted = app.search(query.without(facet)).await?.counts.remove(&facet).unwrap_or_default();
        found.counts.insert(facet, counted);
    }
    let did_you_mean = match query.question() {
        question if question.is_empty() || found.total >= LITTLE_FOUND || !query.after.is_empty() => None,
        question => app.suggestion(question).await?,
    };
    let reading = app.db.read(move |conn| {
        let datasets = listing::read(conn, &found.slugs)?;
        let objections = feedback::objections_to(conn, &datasets)?;
        Ok((datasets, objections, catalog::themes(conn)?, catalog::publishers(conn)?, found))
    });
    let (datasets, objections, themes, publishers, found) = reading.await?;
    Ok(Home { w, query, datasets, objections, total: found.total as i64, found, themes, publishers, did_you_mean })
}
