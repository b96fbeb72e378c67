//! What was made with data.

use actix_web::{HttpResponse, get, post, web};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::{created, take};
use crate::app::App;
use crate::catalog;
use crate::error::Result;
use crate::feedback::{self, Filed, New, PublicFeedback, ReuseKind};
use crate::http::page::{Page, PageQuery};
use crate::http::v1::check_text;
use crate::identity::Caller;

/// Something that was made with data.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewReuse {
    /// What it is called, in 3 to 200 characters.
    #[schema(min_length = 3, max_length = 200)]
    pub title: String,
    /// What it does and what the data is for in it, in 5 to 2000 characters.
    #[schema(min_length = 5, max_length = 2000)]
    pub text: String,
    /// Where it is: an http or https address.
    pub link: String,
    /// The organisation or project that made it, in 2 to 200 characters; not a person.
    #[schema(min_length = 2, max_length = 200)]
    pub maker: String,
    /// What it is.
    pub kind: ReuseKind,
    /// The datasets that it was made with, by slug: 1 to 50.
    #[schema(min_items = 1, max_items = 50)]
    pub datasets: Vec<String>,
}

impl NewReuse {
    /// What is filed.
    ///
    /// # Errors
    /// When a text is too short or too long.
    pub fn checked(self) -> Result<New> {
        Ok(New::Reuse {
            title: check_text("/title", &self.title, 3, 200)?,
            words: check_text("/text", &self.text, 5, 2000)?,
            maker: check_text("/maker", &self.maker, 2, 200)?,
            link: self.link,
            sort: self.kind,
            datasets: self.datasets,
        })
    }
}

/// Which of them to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ReusesQuery {
    /// Only what was made with the dataset of this slug.
    dataset: Option<String>,
    /// How many items at the most.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 1000, example = 100)]
    limit: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Show what you made
///
/// Anybody tells what they made with data of the list. It shows in the gallery and at its datasets once a reviewer or an operator has looked at it.
#[utoipa::path(tag = "feedback", responses((status = CREATED, body = Filed)))]
#[post("/reuses")]
pub async fn create_reuse(caller: Caller, app: web::Data<App>, body: web::Json<NewReuse>) -> Result<HttpResponse> {
    let new = body.into_inner().checked()?;
    Ok(created(take(&app, &caller, new).await?))
}

/// List what was made with data
///
/// The newest first, as far as it is shown.
#[utoipa::path(tag = "feedback", params(ReusesQuery), responses((status = OK, body = Page<PublicFeedback>)))]
#[get("/reuses")]
pub async fn list_reuses(_caller: Caller, app: web::Data<App>, query: web::Query<ReusesQuery>) -> Result<web::Json<Page<PublicFeedback>>> {
    let ReusesQuery { dataset, limit, cursor } = query.into_inner();
    let list = format!("reuses {dataset:?}");
    let page = PageQuery { limit, cursor };
    let (limit, after) = (page.limit()?, page.after(&list)?);
    let found = app.db.read(move |conn| {
        let dataset = dataset.map(|slug| catalog::find(conn, &slug)).transpose()?;
        feedback::list_reuses(conn, dataset.as_ref(), after.as_deref(), limit + 1)
    });
    let (items, total) = found.await?;
    Ok(web::Json(Page::cut(&list, items, total, limit, |item| item.id.clone())))
}
