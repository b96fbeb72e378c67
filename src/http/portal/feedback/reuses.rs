//! The gallery: who made what with which dataset. 应用成果

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use askama::Template;
use serde::Deserialize;

use super::super::told::{Told, again};
use super::super::visit::Visit;
use super::super::{Words, private_page};
use super::{filed, opened};
use crate::catalog;
use crate::error::{Error, Result};
use crate::feedback::{self, PublicFeedback, ReuseKind};
use crate::http::browser::{Filled, OpenForm};
use crate::http::v1::feedback::reuses::NewReuse;
use crate::http::v1::feedback::take;

/// Things on one page.
const SHOWN: i64 = 20;

/// Which of them.
#[derive(Default, Deserialize)]
pub struct ReusesQuery {
    dataset: Option<String>,
    after: Option<String>,
}

#[derive(Template)]
#[template(path = "reuses.html")]
struct ReusesPage {
    w: Words,
    told: Told,
    items: Vec<PublicFeedback>,
    total: i64,
    next: Option<String>,
    dataset: String,
}

impl ReusesPage {
    fn kinds(&self) -> [ReuseKind; 6] {
        ReuseKind::ALL
    }

    fn is_chosen(&self, kind: &ReuseKind) -> bool {
        self.told.text("reuse", "kind") == kind.as_str()
    }
}

async fn show(visit: Visit, query: ReusesQuery, told: Told) -> Result<HttpResponse> {
    let Visit { app, w, .. } = visit;
    let dataset = query.dataset.filter(|slug| !slug.is_empty());
    let (slug, after) = (dataset.clone(), query.after);
    let found = app.db.read(move |conn| {
        let dataset = slug.map(|slug| catalog::find(conn, &slug)).transpose()?;
        feedback::list_reuses(conn, dataset.as_ref(), after.as_deref(), SHOWN + 1)
    });
    let (mut items, total) = found.await?;
    let more = items.len() as i64 > SHOWN;
    items.truncate(SHOWN as usize);
    let next = items.last().filter(|_| more).map(|item| item.id.clone());
    private_page(w, StatusCode::OK, &ReusesPage { w, told, items, total, next, dataset: dataset.unwrap_or_default() })
}

#[get("/reuses")]
pub async fn reuses_page(visit: Visit, query: web::Query<ReusesQuery>) -> Result<HttpResponse> {
    let told = visit.told();
    show(visit, query.into_inner(), told).await
}

fn new_of(filled: &Filled) -> Result<feedback::New> {
    let named = filled.one("kind");
    let kind =
        ReuseKind::ALL.into_iter().find(|kind| kind.as_str() == named).ok_or_else(|| Error::invalid("/kind", "choose what it is"))?;
    let slugs = filled.text("datasets");
    let separate = |letter: char| letter.is_whitespace() || matches!(letter, ',' | '，' | '、' | ';' | '；');
    let new = NewReuse {
        title: filled.text("title"),
        text: filled.text("text"),
        link: filled.text("link"),
        maker: filled.text("maker"),
        kind,
        datasets: slugs.split(separate).filter(|slug| !slug.is_empty()).map(str::to_owned).collect(),
    };
    new.checked()
}

#[post("/reuses")]
pub async fn file_reuse(visit: Visit, request: HttpRequest, form: web::Form<OpenForm>) -> Result<HttpResponse> {
    let filled = opened(&visit, &request, form)?;
    let taken = match new_of(&filled) {
        Ok(new) => take(&visit.app, &visit.caller, new).await,
        Err(error) => Err(error),
    };
    let w = visit.w;
    let then = w.t("审核后在应用成果和相关数据集页面展示。", "It shows in the gallery and at its datasets once it was looked at.");
    match taken {
        Ok(taken) => filed(w, taken, then, "/reuses".to_owned()),
        Err(error) => again(w, "reuse", filled, error, async |told| show(visit, ReusesQuery::default(), told).await).await,
    }
}
