//! Requests for data that is not open, and votes for them.

use actix_web::{HttpRequest, HttpResponse, delete, get, post, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{MOST_TEXT, created, take, voter};
use crate::app::App;
use crate::error::{Error, Result};
use crate::feedback::{self, FeedbackState, Filed, New, PublicFeedback, RequestSort, Wanted};
use crate::http::browser::check_no_other_site;
use crate::http::caller::limit_key;
use crate::http::page::{Page, PageQuery};
use crate::http::v1::{IdPath, check_text};
use crate::identity::Caller;

/// A request for data that is not open.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRequest {
    /// Which data, in 3 to 200 characters.
    #[schema(min_length = 3, max_length = 200)]
    pub title: String,
    /// What it is to be used for and what it has to hold, in 5 to 4000 characters. Name nobody: everybody may come to read it.
    #[schema(min_length = 5, max_length = 4000)]
    pub text: String,
    /// The slug of a closed dataset of the list, where it is that.
    pub dataset: Option<String>,
    /// The slug of the publisher that has the data, where it is known; else an operator finds it out.
    pub publisher: Option<String>,
}

impl NewRequest {
    /// What is filed.
    ///
    /// # Errors
    /// When a text is too short or too long.
    pub fn checked(self) -> Result<New> {
        let given = |text: Option<String>| text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let (title, words) = (check_text("/title", &self.title, 3, 200)?, check_text("/text", &self.text, 5, MOST_TEXT)?);
        Ok(New::Request { title, words, dataset: given(self.dataset), publisher: given(self.publisher) })
    }
}

/// Which requests to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct RequestsQuery {
    /// Only in this state.
    #[param(inline)]
    state: Option<FeedbackState>,
    /// Only for the publisher of this slug.
    publisher: Option<String>,
    /// In which order; those with the most votes first.
    #[param(inline)]
    #[serde(default)]
    sort: RequestSort,
    /// How many items at the most.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 1000, example = 100)]
    limit: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// How a request stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct Votes {
    /// How many have voted for it.
    votes: i32,
}

/// Request data
///
/// Anybody asks for data that is not open: a closed dataset of the list, or data that the list does not have. It shows once a reviewer or an operator
/// has looked at it; others vote for it, and the publisher answers in public within `request_answer_days` working days.
#[utoipa::path(tag = "feedback", responses((status = CREATED, body = Filed)))]
#[post("/requests")]
pub async fn create_request(caller: Caller, app: web::Data<App>, body: web::Json<NewRequest>) -> Result<HttpResponse> {
    let new = body.into_inner().checked()?;
    Ok(created(take(&app, &caller, new).await?))
}

/// List requests
///
/// Requests for data with their votes and answers, as far as they are shown.
#[utoipa::path(tag = "feedback", params(RequestsQuery), responses((status = OK, body = Page<PublicFeedback>)))]
#[get("/requests")]
pub async fn list_requests(
    _caller: Caller,
    app: web::Data<App>,
    query: web::Query<RequestsQuery>,
) -> Result<web::Json<Page<PublicFeedback>>> {
    let RequestsQuery { state, publisher, sort, limit, cursor } = query.into_inner();
    let list = format!("requests {sort:?} {state:?} {publisher:?}");
    let page = PageQuery { limit, cursor };
    let (limit, after) = (page.limit()?, page.after(&list)?.map(|key| place(&key)).transpose()?);
    let wanted = Wanted { state, publisher, sort };
    let (items, total) = app.db.read(move |conn| feedback::list_requests(conn, &wanted, after, limit + 1)).await?;
    Ok(web::Json(Page::cut(&list, items, total, limit, |item| format!("{} {}", item.votes.unwrap_or_default(), item.id))))
}

/// The votes and the id of the last item of a page.
fn place(key: &str) -> Result<(i32, String)> {
    let found = key.split_once(' ').and_then(|(votes, id)| Some((votes.parse().ok()?, id.to_owned())));
    found.ok_or_else(|| Error::invalid("cursor", "this is no cursor of this list; start again without it"))
}

/// Show a request
///
/// With its votes and its answer.
#[utoipa::path(tag = "feedback", params(IdPath), responses((status = OK, body = PublicFeedback)))]
#[get("/requests/{id}")]
pub async fn find_request(_caller: Caller, app: web::Data<App>, path: web::Path<IdPath>) -> Result<web::Json<PublicFeedback>> {
    let id = path.into_inner().id;
    Ok(web::Json(app.db.read(move |conn| feedback::request(conn, &id)).await?))
}

/// Vote for a request
///
/// Once for each caller (firm, person, or address; IPv6 by /64), until it is settled. Of who votes a keyed hash is kept until then, another one for
/// each request.
#[utoipa::path(tag = "feedback", params(IdPath), responses((status = OK, body = Votes)))]
#[post("/requests/{id}/vote")]
pub async fn create_vote(caller: Caller, app: web::Data<App>, path: web::Path<IdPath>, request: HttpRequest) -> Result<web::Json<Votes>> {
    check_no_other_site(&app, request.headers())?;
    app.limits.vote(&limit_key(&caller))?;
    let (id, voter) = (path.into_inner().id, voter(&app, &caller));
    Ok(web::Json(Votes { votes: app.db.write(move |conn| feedback::vote(conn, &voter, &id)).await? }))
}

/// Take a vote back
///
/// Nothing happens where there is none.
#[utoipa::path(tag = "feedback", params(IdPath), responses((status = OK, body = Votes)))]
#[delete("/requests/{id}/vote")]
pub async fn remove_vote(caller: Caller, app: web::Data<App>, path: web::Path<IdPath>) -> Result<web::Json<Votes>> {
    app.limits.vote(&limit_key(&caller))?;
    let (id, voter) = (path.into_inner().id, voter(&app, &caller));
    Ok(web::Json(Votes { votes: app.db.write(move |conn| feedback::take_vote_back(conn, &voter, &id)).await? }))
}
