//! What the public files, and what everybody sees of it. Nobody needs an account.

pub mod desk;
pub mod receipts;
pub mod requests;
pub mod reuses;

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, get, post, web};
use serde::Deserialize;
use utoipa::ToSchema;

use super::check_text;
use super::datasets::DatasetPath;
use crate::app::App;
use crate::catalog;
use crate::error::Result;
use crate::feedback::{self, Filed, New, PublicFeedback, Right, Voter};
use crate::http::caller::limit_key;
use crate::http::page::{Page, PageQuery};
use crate::identity::Caller;

/// The longest text of an objection, a claim or a request.
pub const MOST_TEXT: usize = 4000;

/// An objection to a dataset.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCorrection {
    /// The field that is wrong, by its name in the entry; without it the objection is about the dataset as a whole.
    pub field: Option<String>,
    /// What is wrong or missing, and how that shows, in 5 to 4000 characters. Name nobody: everybody may come to read it.
    #[schema(min_length = 5, max_length = 4000)]
    pub text: String,
}

/// A claim that a dataset infringes a right.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewClaim {
    /// Which right.
    pub right: Right,
    /// What infringes it, and the evidence, in 5 to 4000 characters. Only those who deal with it read it; it is never shown, and forgotten some time
    /// after the claim is decided.
    #[schema(min_length = 5, max_length = 4000)]
    pub text: String,
}

/// A rating of a dataset.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRating {
    /// From 1, of no use, to 5.
    #[schema(minimum = 1, maximum = 5)]
    pub stars: i32,
    /// Why, in 5 to 1000 characters. Name nobody: everybody may come to read it.
    #[schema(min_length = 5, max_length = 1000)]
    pub text: Option<String>,
}

impl NewCorrection {
    /// What is filed of a dataset.
    ///
    /// # Errors
    /// When the text is too short or too long.
    pub fn checked(self, dataset: String) -> Result<New> {
        let field = self.field.map(|field| field.trim().to_owned()).filter(|field| !field.is_empty());
        Ok(New::Correction { dataset, field, words: check_text("/text", &self.text, 5, MOST_TEXT)? })
    }
}

impl NewClaim {
    /// What is filed of a dataset.
    ///
    /// # Errors
    /// When the text is too short or too long.
    pub fn checked(self, dataset: String) -> Result<New> {
        Ok(New::Claim { dataset, right: self.right, words: check_text("/text", &self.text, 5, MOST_TEXT)? })
    }
}

impl NewRating {
    /// What is filed of a dataset.
    ///
    /// # Errors
    /// When it has too few or too many stars, or the text is too short or too long.
    pub fn checked(self, dataset: String) -> Result<New> {
        if !(1..=5).contains(&self.stars) {
            return Err(crate::error::Error::invalid("/stars", "give 1 to 5 stars"));
        }
        let words = self.text.map(|text| check_text("/text", &text, 5, 1000)).transpose()?;
        Ok(New::Rating { dataset, stars: self.stars, words })
    }
}

/// Who votes or rates.
pub fn voter(app: &App, caller: &Caller) -> Voter {
    Voter { key: app.master.derive("voter"), name: limit_key(caller).name }
}

/// Files something for whoever calls, unless they have filed too much.
///
/// # Errors
/// What is wrong with it.
pub async fn take(app: &App, caller: &Caller, new: New) -> Result<Filed> {
    app.limits.feedback(&limit_key(caller), matches!(new, New::Claim { .. }))?;
    let (rules, voter, actor) = (app.hearing.clone(), voter(app, caller), caller.actor());
    app.db.write(move |conn| feedback::file(conn, &rules, &actor, &voter, new)).await
}

/// The answer has a receipt: nobody keeps it.
fn created(filed: Filed) -> HttpResponse {
    HttpResponse::Created().insert_header((CACHE_CONTROL, "no-store")).json(filed)
}

/// File an objection
///
/// Anybody says that data or its entry is wrong. That there is an objection shows at once, on the dataset's page and as `objections` of the dataset;
/// what it says, once a reviewer or an operator has looked at it. The publisher answers within `correction_answer_days` working days.
#[utoipa::path(tag = "feedback", params(DatasetPath), responses((status = CREATED, body = Filed)))]
#[post("/datasets/{slug}/corrections")]
pub async fn create_correction(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<DatasetPath>,
    body: web::Json<NewCorrection>,
) -> Result<HttpResponse> {
    let new = body.into_inner().checked(path.into_inner().slug)?;
    Ok(created(take(&app, &caller, new).await?))
}

/// List objections
///
/// Every objection to a dataset, the newest first, but those that were taken back or dismissed.
#[utoipa::path(tag = "feedback", params(DatasetPath, PageQuery), responses((status = OK, body = Page<PublicFeedback>)))]
#[get("/datasets/{slug}/corrections")]
pub async fn list_corrections(
    _caller: Caller,
    app: web::Data<App>,
    path: web::Path<DatasetPath>,
    query: web::Query<PageQuery>,
) -> Result<web::Json<Page<PublicFeedback>>> {
    let slug = path.into_inner().slug;
    let (list, limit) = (format!("corrections {slug}"), query.limit()?);
    let after = query.after(&list)?;
    let found = app.db.read(move |conn| {
        let dataset = catalog::find(conn, &slug)?;
        feedback::corrections_of(conn, &dataset, after.as_deref(), limit + 1)
    });
    let (items, total) = found.await?;
    Ok(web::Json(Page::cut(&list, items, total, limit, |item| item.id.clone())))
}

/// File a rights claim
///
/// Anybody whose trade secret, privacy or other right a dataset infringes says so. Where it is needed the publisher suspends the dataset at once; a
/// reviewer or an operator decides within `claim_answer_days` working days: the dataset is given out again, or withdrawn, and reopened for data that
/// was mended. Nobody but those who deal with it sees the claim.
#[utoipa::path(tag = "feedback", params(DatasetPath), responses((status = CREATED, body = Filed)))]
#[post("/datasets/{slug}/claims")]
pub async fn create_claim(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<DatasetPath>,
    body: web::Json<NewClaim>,
) -> Result<HttpResponse> {
    let new = body.into_inner().checked(path.into_inner().slug)?;
    Ok(created(take(&app, &caller, new).await?))
}

/// Rate a dataset
///
/// The stars count at once; another rating by the same caller (firm, person, or address) takes the place of the first. What is said with it shows
/// once a reviewer or an operator has looked at it.
#[utoipa::path(tag = "feedback", params(DatasetPath), responses((status = CREATED, body = Filed)))]
#[post("/datasets/{slug}/ratings")]
pub async fn create_rating(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<DatasetPath>,
    body: web::Json<NewRating>,
) -> Result<HttpResponse> {
    let new = body.into_inner().checked(path.into_inner().slug)?;
    Ok(created(take(&app, &caller, new).await?))
}

/// List what was said with ratings
///
/// The newest first, as far as it is shown. All ratings together are `ratings` of the dataset.
#[utoipa::path(tag = "feedback", params(DatasetPath, PageQuery), responses((status = OK, body = Page<PublicFeedback>)))]
#[get("/datasets/{slug}/ratings")]
pub async fn list_ratings(
    _caller: Caller,
    app: web::Data<App>,
    path: web::Path<DatasetPath>,
    query: web::Query<PageQuery>,
) -> Result<web::Json<Page<PublicFeedback>>> {
    let slug = path.into_inner().slug;
    let (list, limit) = (format!("ratings {slug}"), query.limit()?);
    let after = query.after(&list)?;
    let found = app.db.read(move |conn| {
        let dataset = catalog::find(conn, &slug)?;
        feedback::ratings_of(conn, &dataset, after.as_deref(), limit + 1)
    });
    let (items, total) = found.await?;
    Ok(web::Json(Page::cut(&list, items, total, limit, |item| item.id.clone())))
}
