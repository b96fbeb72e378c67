//! What waits for those who deal with it.

use chrono::NaiveDateTime;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::filer::{FeedbackEvent, history};
use super::steps::{ANSWERERS, MODERATORS, is_suspended_by};
use super::{FeedbackKind, FeedbackState, Row, Shown, find, slugs};
use crate::clock::now_naive;
use crate::db::Conn;
use crate::db::schema::{datasets, feedback as rows, feedback_datasets};
use crate::error::{Error, Result};
use crate::identity::{Caller, Role};

/// Who looks at it.
const LOOKERS: [Role; 4] = [Role::Steward, Role::Reviewer, Role::Operator, Role::Auditor];

/// What somebody filed, for those who deal with it. Nothing says who it was, unless they were logged in.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FeedbackCase {
    /// Never changes.
    pub id: String,
    /// What it is.
    pub kind: FeedbackKind,
    /// Where it stands.
    pub state: FeedbackState,
    /// Whether everybody sees what was written.
    pub shown: Shown,
    /// The datasets that it is about, by slug; more than one only of what was made with data.
    pub datasets: Vec<String>,
    /// The publisher that answers, by slug.
    pub publisher: Option<String>,
    /// The field that it is about.
    pub field: Option<String>,
    /// Of a rights claim the right, of what was made with data what it is.
    pub topic: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// What was written.
    pub text: Option<String>,
    /// Where what was made is.
    pub link: Option<String>,
    /// Who made it.
    pub maker: Option<String>,
    /// Of a rating, from 1 to 5.
    pub stars: Option<i32>,
    /// How many voted for it.
    pub votes: i32,
    /// The last question that was put.
    pub question: Option<String>,
    /// The answer.
    pub answer: Option<String>,
    /// Of a request that is done, the dataset in which the data is, by slug.
    pub found_in: Option<String>,
    /// Who filed it, as the ledger names them: `anonymous`, `client:ID` or `person:ID`; stewards see `registered` in place of the latter two.
    pub filed_by: String,
    /// When it was filed.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    pub filed_at: NaiveDateTime,
    /// Until when it is to be answered.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize_option")]
    pub due_at: Option<NaiveDateTime>,
    /// Whether that time is over.
    pub overdue: bool,
    /// Whether the dataset is suspended for it now.
    pub suspended: bool,
    /// What happened, in order; empty in a list.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<FeedbackEvent>,
}

impl FeedbackCase {
    /// Who filed it is not for those about whom it may be.
    fn for_publisher(mut self, limited: bool) -> Self {
        if limited && self.filed_by != "anonymous" {
            self.filed_by = "registered".to_owned();
        }
        self
    }
}

/// In which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeskSort {
    /// The newest first.
    #[default]
    Newest,
    /// Those whose term ends first come first; what has no term comes last, the oldest first.
    Due,
}

/// Which to list.
#[derive(Debug, Clone, Copy, Default)]
pub struct DeskFilter {
    /// Only of this kind.
    pub kind: Option<FeedbackKind>,
    /// Only in this state.
    pub state: Option<FeedbackState>,
    /// Only those whose term is over.
    pub overdue: bool,
    /// Only those that wait for somebody: to be answered, or to be looked at before it is shown.
    pub waiting: bool,
    /// In which order.
    pub sort: DeskSort,
}

/// Who sees what: a steward, what is for their publisher.
fn scope(caller: &Caller) -> Result<Option<String>> {
    let person = caller.with_role(&LOOKERS)?;
    let sees_all = caller.with_role(&[Role::Reviewer, Role::Operator, Role::Auditor]).is_ok();
    Ok(if sees_all { None } else { Some(person.publisher.clone().unwrap_or_default()) })
}

type Filtered<'a> = rows::BoxedQuery<'a, <Conn as Connection>::Backend>;

fn filtered(scope: Option<&str>, filter: DeskFilter, moderates: bool) -> Filtered<'static> {
    let mut query = rows::table.into_boxed::<<Conn as Connection>::Backend>();
    if let Some(publisher) = scope {
        query = query.filter(rows::publisher.eq(publisher.to_owned()));
    }
    if let Some(kind) = filter.kind {
        query = query.filter(rows::kind.eq(kind.as_str()));
    }
    if let Some(state) = filter.state {
        query = query.filter(rows::state.eq(state.as_str()));
    }
    let turn = [FeedbackState::Open.as_str(), FeedbackState::Accepted.as_str()];
    if filter.overdue {
        let late = rows::state.eq_any(turn).and(rows::due_at.le(now_naive()));
        query = query.filter(rows::closed_at.is_null()).filter(late.or(rows::overdue_at.is_not_null()));
    }
    if filter.waiting {
        let gone = [FeedbackState::Withdrawn.as_str(), FeedbackState::Dismissed.as_str()];
        let unseen = rows::shown.eq(Shown::Waiting.as_str()).and(rows::state.ne_all(gone));
        let unanswered = rows::state.eq(FeedbackState::Asked.as_str()).and(rows::due_at.le(now_naive()));
        query = if moderates {
            query.filter(rows::state.eq_any(turn).or(unanswered).or(unseen))
        } else {
            query.filter(rows::state.eq_any(turn).or(unanswered)).filter(rows::due_at.is_not_null())
        };
    }
    query
}

/// How a time is written in a key; it has everything that the database has of it.
const IN_KEY: &str = "%Y-%m-%dT%H:%M:%S%.f";

impl FeedbackCase {
    /// Its place in the order, from which [`list_for`] goes on.
    pub fn key(&self, sort: DeskSort) -> String {
        match (sort, self.due_at) {
            (DeskSort::Newest, _) => self.id.clone(),
            (DeskSort::Due, Some(due)) => format!("{} {}", due.format(IN_KEY), self.id),
            (DeskSort::Due, None) => format!("- {}", self.id),
        }
    }
}

/// Those behind a place in the order.
fn behind<'a>(query: Filtered<'a>, sort: DeskSort, key: &str) -> Result<Filtered<'a>> {
    let (due, id) = match sort {
        DeskSort::Newest => return Ok(query.filter(rows::id.lt(key.to_owned()))),
        DeskSort::Due => key.split_once(' ').ok_or_else(no_place)?,
    };
    let later = rows::id.gt(id.to_owned());
    if due == "-" {
        return Ok(query.filter(rows::due_at.is_null()).filter(later));
    }
    let due = NaiveDateTime::parse_from_str(due, IN_KEY).map_err(|_not_ours| no_place())?;
    Ok(query.filter(rows::due_at.gt(due).or(rows::due_at.eq(due).and(later)).or(rows::due_at.is_null())))
}

fn no_place() -> Error {
    Error::invalid("cursor", "this is no cursor of this list; start again without it")
}

/// Those that the caller may see, and how many there are in all; those behind a [key](FeedbackCase::key), where there is one.
///
/// # Errors
/// When the caller has no role here, or the key is none.
pub fn list_for(conn: &mut Conn, caller: &Caller, filter: DeskFilter, after: Option<&str>, limit: i64) -> Result<(Vec<FeedbackCase>, i64)> {
    let (scope, moderates) = (scope(caller)?, caller.with_role(&MODERATORS).is_ok());
    let total: i64 = filtered(scope.as_deref(), filter, moderates).count().get_result(conn)?;
    let mut page = filtered(scope.as_deref(), filter, moderates);
    if let Some(after) = after {
        page = behind(page, filter.sort, after)?;
    }
    page = match filter.sort {
        DeskSort::Newest => page.order(rows::id.desc()),
        DeskSort::Due => page.order((rows::due_at.is_null(), rows::due_at, rows::id)),
    };
    let found: Vec<Row> = page.limit(limit).select(Row::as_select()).load(conn)?;
    let limited = scope.is_some();
    Ok((found.into_iter().map(|row| view(conn, row).map(|case| case.for_publisher(limited))).collect::<Result<_>>()?, total))
}

/// How many wait for the caller.
///
/// # Errors
/// When the caller has no role here.
pub fn waiting(conn: &mut Conn, caller: &Caller) -> Result<i64> {
    if caller.with_role(&ANSWERERS).is_err() {
        return Ok(0);
    }
    let (scope, moderates) = (scope(caller)?, caller.with_role(&MODERATORS).is_ok());
    let filter = DeskFilter { waiting: true, ..DeskFilter::default() };
    Ok(filtered(scope.as_deref(), filter, moderates).count().get_result(conn)?)
}

/// One, with what happened to it.
///
/// # Errors
/// When there is none that the caller may see.
pub fn find_for(conn: &mut Conn, caller: &Caller, id: &str) -> Result<FeedbackCase> {
    let scope = scope(caller)?;
    let row = find(conn, id)?;
    if scope.is_some() && row.publisher != scope {
        return Err(Error::not_found("feedback", id));
    }
    let history = history(conn, &row)?;
    Ok(FeedbackCase { history, ..view(conn, row)?.for_publisher(scope.is_some()) })
}

/// The slugs of the datasets that something is about.
pub(super) fn datasets_of(conn: &mut Conn, row: &Row) -> Result<Vec<String>> {
    if let Some(id) = &row.dataset_id {
        return Ok(slugs(conn, std::slice::from_ref(id))?.into_values().collect());
    }
    if row.kind != FeedbackKind::Reuse.as_str() {
        return Ok(Vec::new());
    }
    let used = feedback_datasets::table.inner_join(datasets::table).filter(feedback_datasets::feedback_id.eq(&row.id));
    Ok(used.order(datasets::slug).select(datasets::slug).load(conn)?)
}

fn view(conn: &mut Conn, row: Row) -> Result<FeedbackCase> {
    Ok(FeedbackCase {
        datasets: datasets_of(conn, &row)?,
        kind: row.kind()?,
        state: row.state()?,
        shown: Shown::parse(&row.shown)?,
        overdue: row.is_overdue(now_naive()),
        suspended: is_suspended_by(conn, &row)?,
        id: row.id,
        publisher: row.publisher,
        field: row.field,
        topic: row.topic,
        title: row.title,
        text: row.words,
        link: row.link,
        maker: row.maker,
        stars: row.stars,
        votes: row.votes,
        question: row.question,
        answer: row.answer,
        found_in: row.found_in,
        filed_by: row.filed_by,
        filed_at: row.filed_at,
        due_at: row.due_at,
        history: Vec::new(),
    })
}
