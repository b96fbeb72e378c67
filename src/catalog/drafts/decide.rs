//! How a draft comes into the list: somebody asks for a review, somebody else decides, and it takes effect at once or when its moment comes.

use chrono::NaiveDateTime;
use diesel::prelude::*;
use serde_json::json;

use super::edit::{editable, require_revision, with_editor};
use super::look::{edition_of, require_clear};
use super::{Draft, DraftRow, DraftState, draft_entries_after, draft_of, find_draft, require_state, subject, touch};
use crate::catalog::grading::Scheme;
use crate::catalog::store::put_entry;
use crate::clock::now_naive;
use crate::db::schema::{draft_entries, drafts};
use crate::db::{Conn, lock_ledger};
use crate::error::{Error, Result};
use crate::identity::{Caller, Role};
use crate::ledger::{self, Kind};

/// Who decides on drafts.
pub const DECIDERS: [Role; 2] = [Role::Reviewer, Role::Operator];

/// How far ahead a draft is scheduled at the most, in days.
const FARTHEST_DAYS: i64 = 366;

/// Asks somebody else to look at a draft, as the caller has read it.
///
/// # Errors
/// When the caller may not edit it, or something stands in its way: each by its place.
pub fn submit(conn: &mut Conn, caller: &Caller, scheme: &Scheme, id: &str, expected: i32) -> Result<Draft> {
    let draft = editable(conn, caller, id)?;
    require_state(&draft, &[DraftState::Draft], "a request for a review")?;
    require_revision(&draft, expected)?;
    require_clear(conn, scheme, &draft)?;
    // Who has handed it in once has had a hand in it, whoever does so again.
    let values = (
        drafts::submitted_by.eq(caller.actor()),
        drafts::submitted_at.eq(now_naive()),
        drafts::remark.eq(None::<String>),
        drafts::editors_json.eq(with_editor(&draft, caller)?),
    );
    diesel::update(drafts::table.find(&draft.id)).set(values).execute(conn)?;
    touch(conn, &draft, DraftState::InReview)?;
    let detail = json!({ "entries": draft.entries });
    ledger::append(conn, Kind::DraftSubmitted, &caller.actor(), &subject(&draft), &detail)?;
    find_draft(conn, caller, id)
}

/// Takes a draft back to edit it, before it is in the list.
///
/// # Errors
/// When the caller may not edit it, or it does not wait for anything.
pub fn recall(conn: &mut Conn, caller: &Caller, id: &str, expected: i32) -> Result<Draft> {
    let draft = editable(conn, caller, id)?;
    require_state(&draft, &[DraftState::InReview, DraftState::Scheduled], "taking it back")?;
    require_revision(&draft, expected)?;
    back(conn, &draft, None)?;
    ledger::append(conn, Kind::DraftRecalled, &caller.actor(), &subject(&draft), &json!({}))?;
    find_draft(conn, caller, id)
}

fn back(conn: &mut Conn, draft: &Draft, remark: Option<&str>) -> Result<()> {
    let nothing = (drafts::effective_at.eq(None::<NaiveDateTime>), drafts::decided_by.eq(None::<String>), drafts::remark.eq(remark));
    diesel::update(drafts::table.find(&draft.id)).set(nothing).execute(conn)?;
    touch(conn, draft, DraftState::Draft)
}

/// Refuses whoever has had a hand in a draft: it takes two to change the list.
pub(super) fn require_another(draft: &Draft, caller: &Caller) -> Result<()> {
    let actor = caller.actor();
    let had = draft.editors.contains(&actor) || draft.created_by == actor || draft.submitted_by.as_ref() == Some(&actor);
    if had {
        Err(Error::Forbidden("you have edited this draft or asked for its review; somebody else decides on it".to_owned()))
    } else {
        Ok(())
    }
}

/// Sends a draft back to those who edit it, with a remark.
///
/// # Errors
/// When the caller may not decide, or it does not wait for a review.
pub fn return_draft(conn: &mut Conn, caller: &Caller, id: &str, expected: i32, remark: &str) -> Result<Draft> {
    caller.with_role(&DECIDERS)?;
    lock_ledger(conn)?;
    let draft = find_draft(conn, caller, id)?;
    require_another(&draft, caller)?;
    require_state(&draft, &[DraftState::InReview], "a decision")?;
    require_revision(&draft, expected)?;
    back(conn, &draft, Some(remark))?;
    ledger::append_with_reason(conn, Kind::DraftReturned, &caller.actor(), &subject(&draft), json!({}), remark)?;
    find_draft(conn, caller, id)
}

/// What a reviewer has decided.
#[derive(Debug, Clone, Copy)]
pub struct Decided {
    /// The revision that the reviewer has read.
    pub expected: i32,
    /// When it takes effect; at once without it.
    pub effective_at: Option<NaiveDateTime>,
}

/// Approves a draft as the caller has read it: it is in the list at once, or when its moment comes.
///
/// # Errors
/// When the caller may not decide, has had a hand in it, has read another revision, or something stands in its way.
pub fn approve(conn: &mut Conn, caller: &Caller, scheme: &Scheme, id: &str, decided: Decided) -> Result<Draft> {
    caller.with_role(&DECIDERS)?;
    lock_ledger(conn)?;
    let draft = find_draft(conn, caller, id)?;
    require_another(&draft, caller)?;
    require_state(&draft, &[DraftState::InReview], "a decision")?;
    require_revision(&draft, decided.expected)?;
    require_clear(conn, scheme, &draft)?;
    let (now, actor) = (now_naive(), caller.actor());
    if decided.effective_at.is_some_and(|at| at > now + chrono::Duration::days(FARTHEST_DAYS)) {
        return Err(Error::invalid("effective_at", format!("give a moment within {FARTHEST_DAYS} days")));
    }
    let later = decided.effective_at.filter(|at| *at > now);
    let values = (drafts::decided_by.eq(&actor), drafts::decided_at.eq(now), drafts::effective_at.eq(later.unwrap_or(now)));
    diesel::update(drafts::table.find(&draft.id)).set(values).execute(conn)?;
    let detail = json!({ "entries": draft.entries, "effective_at": crate::clock::format(later.unwrap_or(now).and_utc()) });
    ledger::append(conn, Kind::DraftApproved, &actor, &subject(&draft), &detail)?;
    let approved = find_draft(conn, caller, id)?;
    if later.is_some() {
        touch(conn, &approved, DraftState::Scheduled)?;
    } else {
        publish(conn, &approved)?;
    }
    find_draft(conn, caller, id)
}

/// Puts every entry of a draft into the list, as one version of it.
fn publish(conn: &mut Conn, draft: &Draft) -> Result<()> {
    let mut edition = edition_of(draft);
    for one in draft_entries_after(conn, draft, None, i64::MAX)? {
        put_entry(conn, &mut edition, &one.slug, &one.entry)?;
    }
    let version = edition.version();
    diesel::delete(draft_entries::table.filter(draft_entries::draft_id.eq(&draft.id))).execute(conn)?;
    // What it says and why stands with the version of the list now, where it can be taken out.
    let values = (drafts::list_version.eq(version), drafts::reason.eq(None::<String>), drafts::remark.eq(None::<String>));
    diesel::update(drafts::table.find(&draft.id)).set(values).execute(conn)?;
    touch(conn, draft, DraftState::Published)?;
    let detail = json!({ "list_version": version, "entries": draft.entries });
    ledger::append(conn, Kind::DraftPublished, edition.actor(), &subject(draft), &detail)?;
    Ok(())
}

/// Whether the moment of a draft has come.
///
/// # Errors
/// When the database does not answer.
pub fn any_due(conn: &mut Conn) -> Result<bool> {
    let due: i64 = drafts::table
        .filter(drafts::state.eq(DraftState::Scheduled.as_str()))
        .filter(drafts::effective_at.le(now_naive()))
        .count()
        .get_result(conn)?;
    Ok(due > 0)
}

/// Puts the next draft whose moment has come into the list; one in whose way something stands by now goes back to those who edit it, with that as its
/// remark, so that it stands in no other's way. Answers whether there was one.
///
/// # Errors
/// When the database does not take it.
#[expect(clippy::wildcard_enum_match_arm, reason = "one error names several places")]
pub fn publish_due(conn: &mut Conn, scheme: &Scheme) -> Result<bool> {
    // Of several processes one does it.
    lock_ledger(conn)?;
    let row: Option<DraftRow> = drafts::table
        .filter(drafts::state.eq(DraftState::Scheduled.as_str()))
        .filter(drafts::effective_at.le(now_naive()))
        .order((drafts::effective_at, drafts::id))
        .select(DraftRow::as_select())
        .first(conn)
        .optional()?;
    let Some(row) = row else { return Ok(false) };
    let draft = draft_of(conn, row)?;
    // All of it or nothing, and nothing of it where something fails.
    let done = conn.transaction(|conn| {
        require_clear(conn, scheme, &draft)?;
        publish(conn, &draft)
    });
    let Err(cause) = done else { return Ok(true) };
    if let Error::Unavailable(_) = cause {
        return Err(cause);
    }
    let (why, count) = match &cause {
        Error::Invalid(faults) if !faults.is_empty() => {
            (faults.first().map(|fault| format!("{}: {}", fault.pointer, fault.detail)).unwrap_or_default(), faults.len())
        }
        // Whatever else it is, it stands in the way.
        other => {
            tracing::error!(draft = %draft.id, error = ?other, "a scheduled draft could not be published");
            (other.to_string(), 1)
        }
    };
    back(conn, &draft, Some(&format!("it could not take effect when its moment came (obstacles: {count}); the first: {why}")))?;
    ledger::append(conn, Kind::DraftFailed, "service", &subject(&draft), &json!({ "obstacles": count }))?;
    Ok(true)
}
