//! Drafts: changes of the list that some prepare, somebody else looks at, and that then take effect together, as one version of the list, at once or at a
//! moment that was set. 清单变更草稿

mod decide;
mod edit;
mod look;

use chrono::NaiveDateTime;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::entry::Entry;
use super::state::State;
use crate::clock::now_naive;
use crate::db::Conn;
use crate::db::schema::{datasets, draft_entries, drafts};
use crate::error::{Error, Result};
use crate::identity::{Caller, Role};

pub use decide::{DECIDERS, Decided, any_due, approve, publish_due, recall, return_draft, submit};
pub use edit::{EDITORS, Put, begin, discard, open_for_book, put_book, put_draft_entry, refusals, rename, take_out};
pub use look::{EntryLook, look, obstacles};

/// Where a draft stands. 草稿状态
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DraftState {
    /// 编辑中: it is edited.
    Draft,
    /// 待审核: it waits for somebody else to look at it.
    InReview,
    /// 待生效: it was approved, and takes effect at the moment that was set.
    Scheduled,
    /// 已发布: it is in the list.
    Published,
    /// 已放弃: it was given up.
    Discarded,
}

impl DraftState {
    /// Every state.
    pub const ALL: [DraftState; 5] =
        [DraftState::Draft, DraftState::InReview, DraftState::Scheduled, DraftState::Published, DraftState::Discarded];

    /// Those of a draft that has not come to its end.
    const OPEN: [&'static str; 3] = ["draft", "in_review", "scheduled"];

    /// The state as it is written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            DraftState::Draft => "draft",
            DraftState::InReview => "in_review",
            DraftState::Scheduled => "scheduled",
            DraftState::Published => "published",
            DraftState::Discarded => "discarded",
        }
    }

    fn parse(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == text);
        found.ok_or_else(|| Error::internal(anyhow::anyhow!("a draft of the unknown state `{text}`")))
    }
}

/// A draft: changes of the list that take effect together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Draft {
    /// Its id.
    pub id: String,
    /// What it is about, for those who keep the list.
    pub title: String,
    /// Why the list changes. Everybody reads it with the version of the list; it is needed where an entry opens less than before. Empty once the draft is
    /// published: then the list's versions have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The publisher whose entries it is about; without it, those of several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publisher: Option<String>,
    /// Where it stands.
    pub state: DraftState,
    /// Grows with each change of the draft and of its entries; it is the draft's `ETag`.
    pub revision: i32,
    /// How many entries it changes; 0 once it has come to its end: then the version of the list says what they were.
    pub entries: i64,
    /// Who has edited it, as in the ledger.
    pub editors: Vec<String>,
    /// Who began it.
    pub created_by: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    pub created_at: NaiveDateTime,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    pub updated_at: NaiveDateTime,
    /// Who asked for a review.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub submitted_by: Option<String>,
    /// Who has decided last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
    /// What the reviewer said who sent it back, or why it could not take effect when its moment came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remark: Option<String>,
    /// When it takes effect, or has taken it.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "crate::clock::serialize_option")]
    pub effective_at: Option<NaiveDateTime>,
    /// The version of the list that it became.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub list_version: Option<i32>,
}

/// What a draft has an entry say.
#[derive(Debug, Clone, PartialEq)]
pub struct DraftEntry {
    /// The dataset's name in addresses.
    pub slug: String,
    /// The whole entry.
    pub entry: Entry,
    /// The digest of what the list said of it when it was begun; none of a dataset that the list did not have.
    pub base_sha256: Option<String>,
    /// Grows with each change.
    pub revision: i32,
    /// Who changed it last.
    pub edited_by: String,
    /// When.
    pub edited_at: NaiveDateTime,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = drafts)]
struct DraftRow {
    id: String,
    title: String,
    reason: Option<String>,
    publisher: Option<String>,
    state: String,
    revision: i32,
    editors_json: String,
    created_by: String,
    created_at: NaiveDateTime,
    updated_at: NaiveDateTime,
    submitted_by: Option<String>,
    decided_by: Option<String>,
    remark: Option<String>,
    effective_at: Option<NaiveDateTime>,
    list_version: Option<i32>,
}

fn draft_of(conn: &mut Conn, row: DraftRow) -> Result<Draft> {
    Ok(Draft {
        entries: draft_entries::table.filter(draft_entries::draft_id.eq(&row.id)).count().get_result(conn)?,
        state: DraftState::parse(&row.state)?,
        editors: serde_json::from_str(&row.editors_json)?,
        id: row.id,
        title: row.title,
        reason: row.reason,
        publisher: row.publisher,
        revision: row.revision,
        created_by: row.created_by,
        created_at: row.created_at,
        updated_at: row.updated_at,
        submitted_by: row.submitted_by,
        decided_by: row.decided_by,
        remark: row.remark,
        effective_at: row.effective_at,
        list_version: row.list_version,
    })
}

type EntryRow = (String, String, Option<String>, i32, String, NaiveDateTime);

const ENTRY_COLUMNS: (
    draft_entries::slug,
    draft_entries::entry_json,
    draft_entries::base_sha256,
    draft_entries::revision,
    draft_entries::edited_by,
    draft_entries::edited_at,
) = (
    draft_entries::slug,
    draft_entries::entry_json,
    draft_entries::base_sha256,
    draft_entries::revision,
    draft_entries::edited_by,
    draft_entries::edited_at,
);

fn entry_of((slug, json, base_sha256, revision, edited_by, edited_at): EntryRow) -> Result<DraftEntry> {
    Ok(DraftEntry { slug, entry: serde_json::from_str(&json)?, base_sha256, revision, edited_by, edited_at })
}

/// The draft of that id, for somebody who may see it: those who decide and audit see every one, a steward those of their publisher.
///
/// # Errors
/// When there is none, or the caller may not see it.
pub fn find_draft(conn: &mut Conn, caller: &Caller, id: &str) -> Result<Draft> {
    let scope = scope_of(caller)?;
    let row: Option<DraftRow> = drafts::table.find(id).select(DraftRow::as_select()).first(conn).optional()?;
    let row = row.filter(|row| scope.as_ref().is_none_or(|publisher| row.publisher.as_ref() == Some(publisher)));
    let row = row.ok_or_else(|| Error::not_found("draft", id))?;
    draft_of(conn, row)
}

/// The publisher to whose drafts the caller's view is limited; `None` for those who see every one.
fn scope_of(caller: &Caller) -> Result<Option<String>> {
    let person = caller.with_role(&[Role::Steward, Role::Reviewer, Role::Operator, Role::Auditor])?;
    let sees_all = person.roles.iter().any(|role| matches!(role, Role::Reviewer | Role::Operator | Role::Auditor));
    Ok(if sees_all { None } else { Some(person.publisher.clone().unwrap_or_default()) })
}

/// Drafts, the last changed first, after the place of one; and how many there are in all.
///
/// # Errors
/// When the caller may not see any.
pub fn list_drafts(
    conn: &mut Conn,
    caller: &Caller,
    state: Option<DraftState>,
    after: Option<(NaiveDateTime, String)>,
    limit: i64,
) -> Result<(Vec<Draft>, i64)> {
    let scope = scope_of(caller)?;
    let matching = || {
        let mut query = drafts::table.into_boxed::<<Conn as Connection>::Backend>();
        if let Some(publisher) = &scope {
            query = query.filter(drafts::publisher.eq(publisher.clone()));
        }
        if let Some(state) = state {
            query = query.filter(drafts::state.eq(state.as_str()));
        }
        query
    };
    let total = matching().count().get_result(conn)?;
    let mut page = matching();
    if let Some((moment, id)) = after {
        page = page.filter(drafts::updated_at.lt(moment).or(drafts::updated_at.eq(moment).and(drafts::id.gt(id))));
    }
    let rows: Vec<DraftRow> = page.order((drafts::updated_at.desc(), drafts::id)).limit(limit).select(DraftRow::as_select()).load(conn)?;
    Ok((rows.into_iter().map(|row| draft_of(conn, row)).collect::<Result<_>>()?, total))
}

/// How many drafts wait for a review.
///
/// # Errors
/// When the database does not answer.
pub fn waiting_drafts(conn: &mut Conn) -> Result<i64> {
    Ok(drafts::table.filter(drafts::state.eq(DraftState::InReview.as_str())).count().get_result(conn)?)
}

/// A draft's entries by slug, after the one named `after`.
///
/// # Errors
/// When the database does not answer.
pub fn draft_entries_after(conn: &mut Conn, draft: &Draft, after: Option<&str>, limit: i64) -> Result<Vec<DraftEntry>> {
    let rows: Vec<EntryRow> = draft_entries::table
        .filter(draft_entries::draft_id.eq(&draft.id))
        .filter(draft_entries::slug.gt(after.unwrap_or_default()))
        .order(draft_entries::slug)
        .limit(limit)
        .select(ENTRY_COLUMNS)
        .load(conn)?;
    rows.into_iter().map(entry_of).collect()
}

/// One entry of a draft.
///
/// # Errors
/// When the draft does not have it.
pub fn find_draft_entry(conn: &mut Conn, draft: &Draft, slug: &str) -> Result<DraftEntry> {
    let row: Option<EntryRow> = draft_entries::table.find((&draft.id, slug)).select(ENTRY_COLUMNS).first(conn).optional()?;
    entry_of(row.ok_or_else(|| Error::not_found("entry of this draft", slug))?)
}

/// The open draft that changes a dataset's entry.
///
/// # Errors
/// When the database does not answer.
pub fn open_draft_of(conn: &mut Conn, slug: &str) -> Result<Option<(String, String)>> {
    Ok(draft_entries::table
        .inner_join(drafts::table)
        .filter(draft_entries::slug.eq(slug))
        .filter(drafts::state.eq_any(DraftState::OPEN))
        .select((drafts::id, drafts::title))
        .first(conn)
        .optional()?)
}

/// The digest of what the list says of a dataset now, and what it says.
fn listed(conn: &mut Conn, slug: &str) -> Result<Option<(String, Entry)>> {
    let row: Option<(String, String)> =
        datasets::table.filter(datasets::slug.eq(slug)).select((datasets::entry_sha256, datasets::entry_json)).first(conn).optional()?;
    row.map(|(sha256, json)| Ok((sha256, serde_json::from_str(&json)?))).transpose()
}

/// Writes down that a draft changed: its state, and that it is not the one any more that somebody has read.
fn touch(conn: &mut Conn, draft: &Draft, state: DraftState) -> Result<()> {
    let values = (drafts::state.eq(state.as_str()), drafts::revision.eq(draft.revision + 1), drafts::updated_at.eq(now_naive()));
    diesel::update(drafts::table.find(&draft.id)).set(values).execute(conn)?;
    Ok(())
}

/// Refuses what a draft in another state does not allow.
fn require_state(draft: &Draft, states: &[DraftState], what: &str) -> Result<()> {
    if states.contains(&draft.state) {
        return Ok(());
    }
    let from: Vec<&str> = states.iter().map(|state| state.as_str()).collect();
    Err(Error::Conflict(format!("the draft is `{}`; {what} is for one that is {}", draft.state.as_str(), from.join(" or "))))
}

/// Whether somebody may edit a draft, in a state that allows it.
pub fn may_edit(caller: &Caller, draft: &Draft) -> bool {
    edit::edits_for(caller).is_ok_and(|scope| scope.is_none() || scope == draft.publisher)
}

/// Whether somebody may decide on a draft that waits for a review.
pub fn may_decide(caller: &Caller, draft: &Draft) -> bool {
    decide::require_another(draft, caller).is_ok() && caller.with_role(&DECIDERS).is_ok()
}

/// How a draft stands in the ledger.
fn subject(draft: &Draft) -> String {
    format!("draft:{}", draft.id)
}

/// What the list says of a dataset, with its digest, for somebody who may edit or audit it.
///
/// # Errors
/// When there is none of that name, or it belongs to another publisher than the steward's.
pub fn listed_for(conn: &mut Conn, caller: &Caller, slug: &str) -> Result<(String, Entry)> {
    let scope = scope_of(caller)?;
    let (sha256, entry) = listed(conn, slug)?.ok_or_else(|| Error::not_found("dataset", slug))?;
    if scope.is_some_and(|publisher| publisher != entry.publisher) {
        return Err(Error::Forbidden(format!("`{slug}` belongs to the publisher `{}`, whose steward you are not", entry.publisher)));
    }
    Ok((sha256, entry))
}

/// The most entries that go into one book.
const MOST_OF_BOOK: i64 = 20_000;

/// Every entry of the list as it was written, by slug, for a book: a steward's own publisher's, for others those of the publisher that they name, or all.
///
/// # Errors
/// When the caller may not see them, or they are more than a book has.
pub fn entries_for_book(conn: &mut Conn, caller: &Caller, publisher: Option<&str>) -> Result<Vec<(String, Entry)>> {
    let scope = scope_of(caller)?;
    if let (Some(own), Some(other)) = (&scope, publisher)
        && own != other
    {
        return Err(Error::Forbidden(format!("you are not the steward of the publisher `{other}`")));
    }
    let mut query = datasets::table.filter(datasets::state.ne(State::Withdrawn.as_str())).into_boxed::<<Conn as Connection>::Backend>();
    if let Some(publisher) = scope.as_deref().or(publisher) {
        query = query.filter(datasets::publisher.eq(publisher.to_owned()));
    }
    let rows: Vec<(String, String)> =
        query.order(datasets::slug).limit(MOST_OF_BOOK + 1).select((datasets::slug, datasets::entry_json)).load(conn)?;
    if rows.len() as i64 > MOST_OF_BOOK {
        return Err(Error::TooLarge(format!("these are more than the {MOST_OF_BOOK} entries of a book; name one publisher")));
    }
    rows.into_iter().map(|(slug, json)| Ok((slug, serde_json::from_str(&json)?))).collect()
}
