//! The queue of applications: those that wait for the publisher come first, and among them those that are overdue.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, web};
use askama::Template;
use serde::Deserialize;

use super::super::visit::Visit;
use super::super::wording::Side;
use super::super::{Words, private_page};
use super::{ANY, Rooms, staff_of};
use crate::access::applications::State;
use crate::access::desk::{self, Listing, PAGE, View};
use crate::error::Result;

/// Which part of the queue.
#[derive(Deserialize)]
pub struct QueueQuery {
    state: Option<String>,
    page: Option<String>,
}

impl QueueQuery {
    fn view(&self) -> Result<View> {
        Ok(match self.state.as_deref() {
            None | Some("" | "waiting") => View::Waiting,
            Some("overdue") => View::Overdue,
            Some("all") => View::All,
            Some(state) => View::In(State::parse(state)?),
        })
    }
}

/// Which page of a list, counted from 1.
pub(super) fn page_number(text: Option<&str>) -> i64 {
    text.and_then(|page| page.parse().ok()).filter(|page| (1..=100_000).contains(page)).unwrap_or(1)
}

#[derive(Template)]
#[template(path = "console-queue.html")]
struct QueuePage {
    w: Words,
    listing: Listing,
    view: View,
    page: i64,
    rooms: Rooms,
    side: Side,
}

impl QueuePage {
    /// The view as it stands in the address.
    fn state(&self) -> &'static str {
        match self.view {
            View::Waiting => "waiting",
            View::Overdue => "overdue",
            View::All => "all",
            View::In(state) => state.as_str(),
        }
    }

    fn waiting(&self) -> i64 {
        self.listing.counts.iter().filter(|(state, _)| state.is_publishers_turn()).map(|(_, count)| count).sum()
    }

    fn all(&self) -> i64 {
        self.listing.counts.iter().map(|(_, count)| count).sum()
    }

    fn is_chosen(&self, state: &State) -> bool {
        self.view == View::In(*state)
    }

    fn has_more(&self) -> bool {
        self.page * PAGE < self.listing.total
    }
}

#[get("/console")]
pub async fn queue_page(Visit { caller, app, w, .. }: Visit, query: web::Query<QueueQuery>) -> Result<HttpResponse> {
    staff_of(&caller, &ANY)?;
    let (view, page) = (query.view()?, page_number(query.page.as_deref()));
    let found = app.db.read(move |conn| Ok((desk::list(conn, &caller, view, page - 1)?, Rooms::of(conn, &caller)?)));
    let (listing, rooms) = found.await?;
    private_page(w, StatusCode::OK, &QueuePage { w, listing, view, page, rooms, side: Side::Staff })
}
