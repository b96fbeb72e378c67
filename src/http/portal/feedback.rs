//! Where the public says something of the list: of a dataset, for data that is not open, and of what was made with data. 公众反馈

pub mod receipt;
pub mod requests;
pub mod reuses;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use askama::Template;

use super::told::{Told, again};
use super::visit::Visit;
use super::{Words, private_page};
use crate::catalog::{self, Dataset, OpenType};
use crate::error::{Error, Result};
use crate::feedback::{Filed, New, Right};
use crate::http::browser::{Filled, OpenForm};
use crate::http::v1::feedback::{NewClaim, NewCorrection, NewRating, take};

/// What a person does not see, and so does not fill in; programs that fill in everything do.
const TRAP: &str = "website";

#[derive(Template)]
#[template(path = "feedback.html")]
struct FeedbackPage {
    w: Words,
    told: Told,
    dataset: Dataset,
    correction_days: u32,
    claim_days: u32,
}

impl FeedbackPage {
    fn rights(&self) -> [Right; 4] {
        Right::ALL
    }

    fn is_open(&self) -> bool {
        self.dataset.entry.open_type != OpenType::Closed
    }

    fn is_chosen(&self, form: &str, name: &str, value: &str) -> bool {
        self.told.text(form, name) == value
    }
}

/// What somebody gets who filed something: its receipt, which is told here alone.
#[derive(Template)]
#[template(path = "filed.html")]
struct FiledPage {
    w: Words,
    filed: Filed,
    /// What comes of it.
    then: &'static str,
    back: String,
}

fn filed(w: Words, filed: Filed, then: &'static str, back: String) -> Result<HttpResponse> {
    private_page(w, StatusCode::CREATED, &FiledPage { w, filed, then, back })
}

/// What somebody filled in, who may have no session.
fn opened(visit: &Visit, request: &HttpRequest, form: web::Form<OpenForm>) -> Result<Filled> {
    let filled = form.into_inner().open(&visit.app, request.headers())?;
    if filled.one(TRAP).is_empty() { Ok(filled) } else { Err(Error::Malformed("the field that nobody sees was filled in".to_owned())) }
}

/// A text that need not be there.
fn optional(filled: &Filled, name: &str) -> Option<String> {
    Some(filled.text(name).trim().to_owned()).filter(|text| !text.is_empty())
}

async fn show(visit: Visit, slug: String, told: Told) -> Result<HttpResponse> {
    let Visit { app, w, .. } = visit;
    let dataset = app.db.read(move |conn| catalog::find(conn, &slug)).await?;
    let (correction_days, claim_days) = (app.hearing.correction_days, app.hearing.claim_days);
    private_page(w, StatusCode::OK, &FeedbackPage { w, told, dataset, correction_days, claim_days })
}

#[get("/datasets/{slug}/feedback")]
pub async fn feedback_page(visit: Visit, path: web::Path<String>) -> Result<HttpResponse> {
    let told = visit.told();
    show(visit, path.into_inner(), told).await
}

/// What a form of the page files.
fn new_of(form: &str, filled: &Filled, slug: String) -> Result<New> {
    match form {
        "correction" => NewCorrection { field: optional(filled, "field"), text: filled.text("text") }.checked(slug),
        "claim" => {
            let named = filled.one("right");
            let right = Right::ALL.into_iter().find(|right| right.as_str() == named);
            let right = right.ok_or_else(|| Error::invalid("/right", "choose the right"))?;
            NewClaim { right, text: filled.text("text") }.checked(slug)
        }
        "rating" => {
            let stars = filled.one("stars").parse().map_err(|_unreadable| Error::invalid("/stars", "choose 1 to 5 stars"))?;
            NewRating { stars, text: optional(filled, "text") }.checked(slug)
        }
        other => Err(Error::not_found("page or operation at", format!("/datasets/…/feedback/{other}"))),
    }
}

fn then(w: Words, form: &str) -> &'static str {
    match form {
        "correction" => w.t(
            "异议标注已显示在数据集页面。您的文字经审核后公开，由数据开放主体答复。",
            "The dataset is marked now. Your words show once they were looked at, and the publisher answers.",
        ),
        "claim" => w.t(
            "您的主张不对外公开。必要时将先暂停开放该数据集，再作出决定。",
            "Nobody but those who deal with it sees your claim. Where it is needed the dataset is suspended first, and then it is decided.",
        ),
        _ => w.t("评分已计入；所附文字经审核后公开。", "The stars count now. Words with them show once they were looked at."),
    }
}

#[post("/datasets/{slug}/feedback/{form}")]
pub async fn file_of_dataset(
    visit: Visit,
    request: HttpRequest,
    path: web::Path<(String, String)>,
    form: web::Form<OpenForm>,
) -> Result<HttpResponse> {
    let (slug, name) = path.into_inner();
    let filled = opened(&visit, &request, form)?;
    let taken = match new_of(&name, &filled, slug.clone()) {
        Ok(new) => take(&visit.app, &visit.caller, new).await,
        Err(error) => Err(error),
    };
    let w = visit.w;
    match taken {
        Ok(taken) => filed(w, taken, then(w, &name), format!("/datasets/{slug}")),
        Err(error) => again(w, &name, filled, error, async |told| show(visit, slug, told).await).await,
    }
}
