//! What everybody sees of it.

use std::collections::HashMap;

use chrono::NaiveDateTime;
use diesel::dsl::count_star;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::desk::datasets_of;
use super::{FeedbackKind, FeedbackState, Row, Shown};
use crate::catalog::Dataset;
use crate::clock::now_naive;
use crate::db::Conn;
use crate::db::schema::{feedback as rows, feedback_datasets};
use crate::error::{Error, Result};

/// What somebody filed, as everybody sees it. What it has of these depends on its kind.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PublicFeedback {
    /// Never changes.
    pub id: String,
    /// What it is.
    pub kind: FeedbackKind,
    /// Where it stands.
    pub state: FeedbackState,
    /// The datasets that it is about, by slug.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub datasets: Vec<String>,
    /// The publisher that answers, by slug.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publisher: Option<String>,
    /// Of a correction, the field that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Of what was made with data, what it is: a `ReuseKind`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Its title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What was written: only once a reviewer or an operator has looked at it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Where what was made is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Who made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maker: Option<String>,
    /// Of a rating, from 1 to 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stars: Option<i32>,
    /// Of a request, how many voted for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub votes: Option<i32>,
    /// The publisher's answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// When it was answered.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "crate::clock::serialize_option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub answered_at: Option<NaiveDateTime>,
    /// Of a request that is done, the dataset in which the data is, by slug.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found_in: Option<String>,
    /// When it was filed.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    pub filed_at: NaiveDateTime,
    /// Until when the publisher answers.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "crate::clock::serialize_option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub due_at: Option<NaiveDateTime>,
    /// Whether the publisher has let that time go by.
    pub overdue: bool,
}

fn view(conn: &mut Conn, row: Row) -> Result<PublicFeedback> {
    let shown = row.shown == Shown::Shown.as_str();
    let kind = row.kind()?;
    Ok(PublicFeedback {
        datasets: datasets_of(conn, &row)?,
        kind,
        state: row.state()?,
        overdue: row.is_overdue(now_naive()),
        id: row.id,
        publisher: row.publisher,
        field: row.field,
        topic: row.topic,
        title: row.title.filter(|_| shown),
        text: row.words.filter(|_| shown),
        link: row.link.filter(|_| shown),
        maker: row.maker.filter(|_| shown),
        stars: row.stars,
        votes: (kind == FeedbackKind::DataRequest).then_some(row.votes),
        answer: row.answer,
        answered_at: row.answered_at,
        found_in: row.found_in,
        filed_at: row.filed_at,
        due_at: row.due_at,
    })
}

fn views(conn: &mut Conn, found: Vec<Row>) -> Result<Vec<PublicFeedback>> {
    found.into_iter().map(|row| view(conn, row)).collect()
}

/// Objections to a dataset that are not settled. 异议标注
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Objections {
    /// How many are not settled.
    pub count: i64,
    /// How many of them the publisher has found right, and has still to correct.
    pub accepted: i64,
    /// When the first of them was filed.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    pub since: NaiveDateTime,
}

/// Objections to a dataset that are not settled; `None` when there are none.
///
/// # Errors
/// When the database does not answer.
pub fn objections(conn: &mut Conn, dataset: &Dataset) -> Result<Option<Objections>> {
    Ok(objections_to(conn, std::slice::from_ref(dataset))?.remove(&dataset.id))
}

/// Objections that are not settled, by the id of the dataset; one without any is left out.
///
/// # Errors
/// When the database does not answer.
pub fn objections_to(conn: &mut Conn, datasets: &[Dataset]) -> Result<HashMap<String, Objections>> {
    let ids: Vec<&str> = datasets.iter().map(|dataset| dataset.id.as_str()).collect();
    let open = rows::table
        .filter(rows::dataset_id.eq_any(ids))
        .filter(rows::kind.eq(FeedbackKind::Correction.as_str()))
        .filter(rows::state.eq_any(FeedbackState::UNDER_WAY));
    let wanted = (rows::dataset_id.assume_not_null(), rows::state, rows::filed_at);
    let found: Vec<(String, String, NaiveDateTime)> = open.select(wanted).load(conn)?;
    let mut objections: HashMap<String, Objections> = HashMap::new();
    for (dataset, state, filed_at) in found {
        let of_dataset = objections.entry(dataset).or_insert(Objections { count: 0, accepted: 0, since: filed_at });
        of_dataset.count += 1;
        of_dataset.accepted += i64::from(state == FeedbackState::Accepted.as_str());
        of_dataset.since = of_dataset.since.min(filed_at);
    }
    Ok(objections)
}

/// How a dataset is rated. 评分
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Ratings {
    /// How many rated it.
    pub count: i64,
    /// The mean, from 1 to 5, to two digits.
    pub mean: f64,
    /// How many gave 1, 2, 3, 4 and 5.
    pub by_stars: [i64; 5],
}

/// How a dataset is rated; `None` when nobody did.
///
/// # Errors
/// When the database does not answer.
pub fn ratings(conn: &mut Conn, dataset: &Dataset) -> Result<Option<Ratings>> {
    let given = rows::table
        .filter(rows::dataset_id.eq(&dataset.id))
        .filter(rows::kind.eq(FeedbackKind::Rating.as_str()))
        .filter(rows::state.eq(FeedbackState::Done.as_str()));
    let found: Vec<(Option<i32>, i64)> = given.group_by(rows::stars).select((rows::stars, count_star())).load(conn)?;
    let mut by_stars = [0; 5];
    for (stars, times) in found {
        let at = stars.and_then(|stars| usize::try_from(stars - 1).ok());
        if let Some(slot) = at.and_then(|at| by_stars.get_mut(at)) {
            *slot = times;
        }
    }
    let count: i64 = by_stars.iter().sum();
    let sum: i64 = by_stars.iter().zip(1..).map(|(times, stars)| times * stars).sum();
    Ok((count > 0).then(|| Ratings { count, mean: (sum as f64 / count as f64 * 100.0).round() / 100.0, by_stars }))
}

/// A page of a list: its items, of which there is one more where more follow, and how many there are in all.
pub type Found = (Vec<PublicFeedback>, i64);

fn of_dataset(conn: &mut Conn, dataset: &Dataset, kind: FeedbackKind, after: Option<&str>, limit: i64) -> Result<Found> {
    let wanted = || {
        let mut query = rows::table
            .filter(rows::dataset_id.eq(dataset.id.clone()))
            .filter(rows::kind.eq(kind.as_str()))
            .filter(rows::state.ne_all([FeedbackState::Withdrawn.as_str(), FeedbackState::Dismissed.as_str()]))
            .into_boxed::<<Conn as Connection>::Backend>();
        if kind == FeedbackKind::Rating {
            query = query.filter(rows::shown.eq(Shown::Shown.as_str())).filter(rows::words.is_not_null());
        }
        query
    };
    let total = wanted().count().get_result(conn)?;
    let mut page = wanted().order(rows::id.desc()).limit(limit).select(Row::as_select());
    if let Some(after) = after {
        page = page.filter(rows::id.lt(after.to_owned()));
    }
    let found = page.load(conn)?;
    Ok((views(conn, found)?, total))
}

/// Objections to a dataset, the newest first: each at once, its words once they were looked at.
///
/// # Errors
/// When the database does not answer.
pub fn corrections_of(conn: &mut Conn, dataset: &Dataset, after: Option<&str>, limit: i64) -> Result<Found> {
    of_dataset(conn, dataset, FeedbackKind::Correction, after, limit)
}

/// What was said with ratings of a dataset, the newest first.
///
/// # Errors
/// When the database does not answer.
pub fn ratings_of(conn: &mut Conn, dataset: &Dataset, after: Option<&str>, limit: i64) -> Result<Found> {
    of_dataset(conn, dataset, FeedbackKind::Rating, after, limit)
}

/// In which order requests are listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RequestSort {
    /// Those with the most votes first.
    #[default]
    Votes,
    /// The newest first.
    Newest,
}

/// Which requests are listed.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Only in this state.
    pub state: Option<FeedbackState>,
    /// Only for this publisher.
    pub publisher: Option<String>,
    /// In which order.
    pub sort: RequestSort,
}

/// Requests for data that is not open, as far as they were looked at. `after` is the last one of the page before: its votes and its id.
///
/// # Errors
/// When the database does not answer.
pub fn list_requests(conn: &mut Conn, wanted: &Wanted, after: Option<(i32, String)>, limit: i64) -> Result<Found> {
    let matching = || {
        let mut query = rows::table
            .filter(rows::kind.eq(FeedbackKind::DataRequest.as_str()))
            .filter(rows::shown.eq(Shown::Shown.as_str()))
            .filter(rows::state.ne_all([FeedbackState::Withdrawn.as_str(), FeedbackState::Dismissed.as_str()]))
            .into_boxed::<<Conn as Connection>::Backend>();
        if let Some(state) = wanted.state {
            query = query.filter(rows::state.eq(state.as_str()));
        }
        if let Some(publisher) = &wanted.publisher {
            query = query.filter(rows::publisher.eq(publisher.clone()));
        }
        query
    };
    let total = matching().count().get_result(conn)?;
    let page = matching().limit(limit).select(Row::as_select());
    let page = match (wanted.sort, after) {
        (RequestSort::Votes, None) => page.order((rows::votes.desc(), rows::id.desc())),
        (RequestSort::Votes, Some((votes, id))) => {
            page.order((rows::votes.desc(), rows::id.desc())).filter(rows::votes.lt(votes).or(rows::votes.eq(votes).and(rows::id.lt(id))))
        }
        (RequestSort::Newest, None) => page.order(rows::id.desc()),
        (RequestSort::Newest, Some((_, id))) => page.order(rows::id.desc()).filter(rows::id.lt(id)),
    };
    let found = page.load(conn)?;
    Ok((views(conn, found)?, total))
}

/// A request that everybody sees.
///
/// # Errors
/// When there is none.
pub fn request(conn: &mut Conn, id: &str) -> Result<PublicFeedback> {
    let row: Option<Row> = rows::table.find(id).select(Row::as_select()).first(conn).optional()?;
    let row = row.ok_or_else(|| Error::not_found("request", id))?;
    let gone = matches!(row.state()?, FeedbackState::Withdrawn | FeedbackState::Dismissed);
    if row.kind != FeedbackKind::DataRequest.as_str() || row.shown != Shown::Shown.as_str() || gone {
        return Err(Error::not_found("request", id));
    }
    view(conn, row)
}

/// What was made with data, the newest first; with one dataset, or with any.
///
/// # Errors
/// When the database does not answer.
pub fn list_reuses(conn: &mut Conn, dataset: Option<&Dataset>, after: Option<&str>, limit: i64) -> Result<Found> {
    let made = || {
        let mut query = rows::table
            .filter(rows::kind.eq(FeedbackKind::Reuse.as_str()))
            .filter(rows::shown.eq(Shown::Shown.as_str()))
            .filter(rows::state.eq(FeedbackState::Done.as_str()))
            .into_boxed::<<Conn as Connection>::Backend>();
        if let Some(dataset) = dataset {
            let with = feedback_datasets::table.filter(feedback_datasets::dataset_id.eq(dataset.id.clone()));
            query = query.filter(rows::id.eq_any(with.select(feedback_datasets::feedback_id)));
        }
        query
    };
    let total = made().count().get_result(conn)?;
    let mut page = made().order(rows::id.desc()).limit(limit).select(Row::as_select());
    if let Some(after) = after {
        page = page.filter(rows::id.lt(after.to_owned()));
    }
    let found = page.load(conn)?;
    Ok((views(conn, found)?, total))
}

/// How many things were made with a dataset.
///
/// # Errors
/// When the database does not answer.
pub fn reuses_of(conn: &mut Conn, dataset: &Dataset) -> Result<i64> {
    let of = feedback_datasets::table.inner_join(rows::table).filter(feedback_datasets::dataset_id.eq(&dataset.id));
    let shown = of.filter(rows::shown.eq(Shown::Shown.as_str())).filter(rows::state.eq(FeedbackState::Done.as_str()));
    Ok(shown.count().get_result(conn)?)
}
