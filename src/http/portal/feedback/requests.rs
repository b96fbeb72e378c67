//! Requests for data that is not open: others vote for them, and publishers answer in public. 数据需求

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use askama::Template;
use serde::Deserialize;

use super::super::told::{Told, again, onwards};
use super::super::visit::Visit;
use super::super::{Words, private_page};
use super::{filed, opened, optional};
use crate::catalog::{self, Publisher};
use crate::error::{Error, Result};
use crate::feedback::{self, FeedbackState, PublicFeedback, RequestSort, Wanted};
use crate::http::browser::OpenForm;
use crate::http::caller::limit_key;
use crate::http::v1::feedback::requests::NewRequest;
use crate::http::v1::feedback::{take, voter};

/// Requests on one page.
const SHOWN: i64 = 20;

/// Which of them.
#[derive(Default, Deserialize)]
pub struct RequestsQuery {
    state: Option<String>,
    sort: Option<String>,
    /// The votes and the id of the last one of the page before.
    after: Option<String>,
    /// The slug of a closed dataset that is wanted.
    dataset: Option<String>,
}

#[derive(Template)]
#[template(path = "requests.html")]
struct RequestsPage {
    w: Words,
    told: Told,
    items: Vec<PublicFeedback>,
    total: i64,
    next: Option<String>,
    state: String,
    newest: bool,
    publishers: Vec<Publisher>,
    dataset: String,
    days: u32,
}

impl RequestsPage {
    fn states(&self) -> [FeedbackState; 4] {
        [FeedbackState::Open, FeedbackState::Accepted, FeedbackState::Done, FeedbackState::Rejected]
    }

    fn publisher(&self, slug: &str) -> &str {
        self.publishers.iter().find(|one| one.slug == slug).map_or("", |one| self.w.text(&one.name))
    }

    fn may_vote(&self, item: &PublicFeedback) -> bool {
        item.state.is_under_way()
    }

    /// What was asked for, for an address; begins with `&` where there is any.
    fn asked(&self) -> String {
        let state = if self.state.is_empty() { String::new() } else { format!("&state={}", self.state) };
        state + if self.newest { "&sort=newest" } else { "" }
    }
}

async fn show(visit: Visit, query: RequestsQuery, told: Told) -> Result<HttpResponse> {
    let Visit { app, w, .. } = visit;
    let state = FeedbackState::ALL.into_iter().find(|state| Some(state.as_str()) == query.state.as_deref());
    let newest = query.sort.as_deref() == Some("newest");
    let sort = if newest { RequestSort::Newest } else { RequestSort::Votes };
    let after = query.after.as_deref().and_then(|after| after.split_once('.'));
    let after = after.and_then(|(votes, id)| Some((votes.parse().ok()?, id.to_owned())));
    let wanted = Wanted { state, publisher: None, sort };
    let found = app.db.read(move |conn| Ok((feedback::list_requests(conn, &wanted, after, SHOWN + 1)?, catalog::publishers(conn)?)));
    let ((mut items, total), publishers) = found.await?;
    let more = items.len() as i64 > SHOWN;
    items.truncate(SHOWN as usize);
    let next = items.last().filter(|_| more).map(|item| format!("{}.{}", item.votes.unwrap_or_default(), item.id));
    let state = state.map(FeedbackState::as_str).unwrap_or_default().to_owned();
    let (dataset, days) = (query.dataset.unwrap_or_default(), app.hearing.request_days);
    private_page(w, StatusCode::OK, &RequestsPage { w, told, items, total, next, state, newest, publishers, dataset, days })
}

#[get("/requests")]
pub async fn requests_page(visit: Visit, query: web::Query<RequestsQuery>) -> Result<HttpResponse> {
    let told = visit.told();
    show(visit, query.into_inner(), told).await
}

#[post("/requests")]
pub async fn file_request(visit: Visit, request: HttpRequest, form: web::Form<OpenForm>) -> Result<HttpResponse> {
    let filled = opened(&visit, &request, form)?;
    let new = NewRequest {
        title: filled.text("title"),
        text: filled.text("text"),
        dataset: optional(&filled, "dataset"),
        publisher: optional(&filled, "publisher"),
    };
    let taken = match new.checked() {
        Ok(new) => take(&visit.app, &visit.caller, new).await,
        Err(error) => Err(error),
    };
    let w = visit.w;
    let then = w.t(
        "审核后公开，其他人可以支持，由数据开放主体公开答复。",
        "It shows once it was looked at. Others vote for it, and the publisher answers in public.",
    );
    match taken {
        Ok(taken) => filed(w, taken, then, "/requests".to_owned()),
        Err(error) => again(w, "request", filled, error, async |told| show(visit, RequestsQuery::default(), told).await).await,
    }
}

#[post("/requests/{id}/{step}")]
pub async fn vote_for_request(
    visit: Visit,
    request: HttpRequest,
    path: web::Path<(String, String)>,
    form: web::Form<OpenForm>,
) -> Result<HttpResponse> {
    let (id, step) = path.into_inner();
    let filled = opened(&visit, &request, form)?;
    let (app, voter, w) = (visit.app.clone(), voter(&visit.app, &visit.caller), visit.w);
    let counted = match (step.as_str(), app.limits.vote(&limit_key(&visit.caller))) {
        (_, Err(error)) => Err(error),
        ("vote", Ok(())) => app.db.write(move |conn| feedback::vote(conn, &voter, &id)).await,
        ("unvote", Ok(())) => app.db.write(move |conn| feedback::take_vote_back(conn, &voter, &id)).await,
        (other, Ok(())) => Err(Error::not_found("page or operation at", format!("/requests/…/{other}"))),
    };
    match counted {
        Ok(_votes) => Ok(onwards(w, "/requests", &step)),
        Err(error) => again(w, "vote", filled, error, async |told| show(visit, RequestsQuery::default(), told).await).await,
    }
}
