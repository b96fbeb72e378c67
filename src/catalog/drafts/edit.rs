//! How a draft is written: by a steward for their publisher, or by a reviewer or operator.

use std::collections::BTreeSet;

use diesel::prelude::*;
use serde_json::{Value, json};

use super::{Draft, DraftEntry, DraftState, find_draft, find_draft_entry, listed, open_draft_of, require_state, subject, touch};
use crate::catalog::collection::complete;
use crate::catalog::entry::Entry;
use crate::catalog::folder::{SLUG_RULE, is_slug};
use crate::catalog::history::{ValueChange, compare};
use crate::clock::now_naive;
use crate::crypto::sha256_hex;
use crate::db::schema::{draft_entries, drafts};
use crate::db::{Conn, lock_ledger};
use crate::error::{Error, Fault, Result};
use crate::identity::{Caller, Role};
use crate::ledger::{self, Kind};

/// What stands in the place of a title that was given up with its draft.
const FORGOTTEN: &str = "—";

/// So many entries one draft changes at the most.
const MOST_ENTRIES: i64 = 5000;

/// Who edits drafts.
pub const EDITORS: [Role; 3] = [Role::Steward, Role::Reviewer, Role::Operator];

/// The publisher to whose entries the caller's edits are limited; `None` for those who edit every one.
pub(super) fn edits_for(caller: &Caller) -> Result<Option<String>> {
    let person = caller.with_role(&EDITORS)?;
    let edits_all = person.roles.iter().any(|role| matches!(role, Role::Reviewer | Role::Operator));
    if edits_all {
        return Ok(None);
    }
    let publisher = person.publisher.clone();
    publisher.map(Some).ok_or_else(|| Error::Forbidden("you are the steward of no publisher; an operator names one".to_owned()))
}

/// Begins an empty draft.
///
/// # Errors
/// When the caller may not.
pub fn begin(conn: &mut Conn, caller: &Caller, title: &str, reason: Option<&str>) -> Result<Draft> {
    let publisher = edits_for(caller)?;
    lock_ledger(conn)?;
    let (id, now, actor) = (uuid::Uuid::now_v7().to_string(), now_naive(), caller.actor());
    let row = (
        drafts::id.eq(&id),
        drafts::title.eq(title),
        drafts::reason.eq(reason),
        drafts::publisher.eq(&publisher),
        drafts::state.eq(DraftState::Draft.as_str()),
        drafts::revision.eq(1),
        drafts::editors_json.eq(serde_json::to_string(&[&actor])?),
        drafts::created_by.eq(&actor),
        drafts::created_at.eq(now),
        drafts::updated_at.eq(now),
    );
    diesel::insert_into(drafts::table).values(row).execute(conn)?;
    ledger::append(conn, Kind::DraftBegun, &actor, &format!("draft:{id}"), &json!({ "publisher": publisher }))?;
    find_draft(conn, caller, &id)
}

/// A draft that the caller may edit now. Of two who edit at the same time, the second finds what the first has done.
pub(super) fn editable(conn: &mut Conn, caller: &Caller, id: &str) -> Result<Draft> {
    let scope = edits_for(caller)?;
    lock_ledger(conn)?;
    let draft = find_draft(conn, caller, id)?;
    if scope.is_some() && scope != draft.publisher {
        return Err(Error::not_found("draft", id));
    }
    Ok(draft)
}

/// Says something else of a draft as a whole; `expected` is the revision that the caller has read.
///
/// # Errors
/// When the caller may not, the draft is not edited any more, or somebody else has changed it.
pub fn rename(conn: &mut Conn, caller: &Caller, id: &str, expected: i32, (title, reason): (&str, Option<&str>)) -> Result<Draft> {
    let draft = editable(conn, caller, id)?;
    require_state(&draft, &[DraftState::Draft], "a change")?;
    require_revision(&draft, expected)?;
    diesel::update(drafts::table.find(&draft.id)).set((drafts::title.eq(title), drafts::reason.eq(reason))).execute(conn)?;
    edited(conn, caller, &draft)?;
    ledger::append(conn, Kind::DraftEdited, &caller.actor(), &subject(&draft), &json!({}))?;
    find_draft(conn, caller, id)
}

/// Refuses whoever has read another revision of a draft.
pub(super) fn require_revision(draft: &Draft, expected: i32) -> Result<()> {
    if draft.revision == expected {
        return Ok(());
    }
    let detail = format!("the draft was changed since you read it: it is at revision {}, not {expected}; read it again", draft.revision);
    Err(Error::Stale { detail, differences: Vec::new() })
}

pub(super) fn with_editor(draft: &Draft, caller: &Caller) -> Result<String> {
    let (mut editors, actor) = (draft.editors.clone(), caller.actor());
    if !editors.contains(&actor) {
        editors.push(actor);
    }
    Ok(serde_json::to_string(&editors)?)
}

/// What somebody has an entry say.
#[derive(Debug, Clone)]
pub struct Put {
    /// The dataset.
    pub slug: String,
    /// The whole entry.
    pub entry: Entry,
    /// The revision that the caller has read; none where the draft did not have the entry.
    pub expected: Option<i32>,
    /// The digest of what the list said when the caller looked; none to leave that as it is.
    pub base_sha256: Option<String>,
}

/// Has a draft say something of an entry.
///
/// # Errors
/// When the caller may not, the draft is not edited any more, another open draft changes the entry, or somebody else has changed it: then
/// [`Error::Stale`] says how what there is differs from what came.
pub fn put_draft_entry(conn: &mut Conn, caller: &Caller, id: &str, put: Put) -> Result<DraftEntry> {
    let draft = editable(conn, caller, id)?;
    require_state(&draft, &[DraftState::Draft], "a change of its entries")?;
    let put = put_into(conn, caller, &draft, put)?;
    edited(conn, caller, &draft)?;
    Ok(put)
}

/// Has a draft say of many entries what a book says of them, in the place of what the draft said; what the book leaves as the list has it, the draft does
/// not change any more.
///
/// # Errors
/// When the caller may not, the draft is not edited any more, or another open draft changes one of them.
pub fn put_book(
    conn: &mut Conn,
    caller: &Caller,
    id: &str,
    entries: impl Iterator<Item = (String, Entry)>,
    unchanged: &BTreeSet<String>,
) -> Result<Draft> {
    let mut draft = editable(conn, caller, id)?;
    require_state(&draft, &[DraftState::Draft], "a change of its entries")?;
    let there: Vec<String> = draft_entries::table.filter(draft_entries::draft_id.eq(&draft.id)).select(draft_entries::slug).load(conn)?;
    for slug in there.iter().filter(|slug| unchanged.contains(*slug)) {
        diesel::delete(draft_entries::table.find((&draft.id, slug))).execute(conn)?;
    }
    draft.entries = draft_entries::table.filter(draft_entries::draft_id.eq(&draft.id)).count().get_result(conn)?;
    for (slug, entry) in entries {
        let known = match find_draft_entry(conn, &draft, &slug) {
            Err(Error::NotFound { .. }) => None,
            known => Some(known?.revision),
        };
        // A book is the whole of what shall stand, beside the list as it is now.
        let base_sha256 = listed(conn, &slug)?.map(|(sha256, _)| sha256);
        put_into(conn, caller, &draft, Put { slug, entry, expected: known, base_sha256 })?;
        draft.entries += i64::from(known.is_none());
    }
    edited(conn, caller, &draft)?;
    find_draft(conn, caller, id)
}

/// Why a draft cannot take an entry, by key: it is another publisher's, or another open draft changes it.
///
/// # Errors
/// When the caller may not edit the draft, or it is not edited any more.
pub fn refusals(conn: &mut Conn, caller: &Caller, draft: &Draft, slug: &str, entry: &Entry) -> Result<Vec<(String, String)>> {
    let before = listed(conn, slug)?;
    let mut refused = Vec::new();
    if let Err(error) = require_publisher(caller, draft, slug, before.as_ref().map(|(_, entry)| entry), entry) {
        refused.push(("publisher".to_owned(), error.to_string()));
    }
    if let Some((other, title)) = open_draft_of(conn, slug)?.filter(|(other, _)| *other != draft.id) {
        refused.push(("slug".to_owned(), taken(conn, caller, slug, &other, &title).to_string()));
    }
    Ok(refused)
}

/// The draft, if a book can come into it.
///
/// # Errors
/// When the caller may not edit it, or it is not edited any more.
pub fn open_for_book(conn: &mut Conn, caller: &Caller, id: &str) -> Result<Draft> {
    let draft = find_draft(conn, caller, id)?;
    let scope = edits_for(caller)?;
    if scope.is_some() && scope != draft.publisher {
        return Err(Error::not_found("draft", id));
    }
    require_state(&draft, &[DraftState::Draft], "a change of its entries")?;
    Ok(draft)
}

/// Writes down who has edited a draft, which is another one now.
fn edited(conn: &mut Conn, caller: &Caller, draft: &Draft) -> Result<()> {
    let editors = with_editor(draft, caller)?;
    diesel::update(drafts::table.find(&draft.id)).set(drafts::editors_json.eq(editors)).execute(conn)?;
    touch(conn, draft, DraftState::Draft)
}

fn put_into(conn: &mut Conn, caller: &Caller, draft: &Draft, put: Put) -> Result<DraftEntry> {
    let Put { slug, mut entry, expected, base_sha256 } = put;
    if !is_slug(&slug) {
        return Err(Error::invalid("slug", format!("{}: {SLUG_RULE}", crate::intake::shown(&slug))));
    }
    complete(&mut entry);
    let now_listed = listed(conn, &slug)?;
    require_publisher(caller, draft, &slug, now_listed.as_ref().map(|(_, entry)| entry), &entry)?;
    if let Some((other, title)) = open_draft_of(conn, &slug)?.filter(|(other, _)| *other != draft.id) {
        return Err(taken(conn, caller, &slug, &other, &title));
    }
    let known = match find_draft_entry(conn, draft, &slug) {
        Err(Error::NotFound { .. }) => None,
        known => Some(known?),
    };
    require_same(&slug, known.as_ref(), expected, &entry)?;
    let now_sha256 = now_listed.as_ref().map(|(sha256, _)| sha256.clone());
    if known.is_none() && now_sha256.is_some() && base_sha256.is_none() {
        let detail = format!("the list has `{slug}`: send as base_sha256 the listed_sha256 of what you have read");
        return Err(Error::ConditionMissing(detail));
    }
    if base_sha256.is_some() && base_sha256 != now_sha256 {
        return Err(moved(&slug, now_listed.as_ref().map(|(_, listed)| listed), &entry));
    }
    let base = match (&known, base_sha256) {
        (Some(known), None) => known.base_sha256.clone(),
        (Some(_) | None, _) => now_sha256,
    };
    let (entry_json, actor, now) = (serde_json::to_string(&entry)?, caller.actor(), now_naive());
    let values = (
        draft_entries::entry_json.eq(&entry_json),
        draft_entries::base_sha256.eq(&base),
        draft_entries::revision.eq(known.as_ref().map_or(1, |known| known.revision + 1)),
        draft_entries::edited_by.eq(&actor),
        draft_entries::edited_at.eq(now),
    );
    if known.is_some() {
        diesel::update(draft_entries::table.find((&draft.id, &slug))).set(values).execute(conn)?;
    } else {
        if draft.entries >= MOST_ENTRIES {
            return Err(Error::Conflict(format!("the draft has {MOST_ENTRIES} entries, and no more go into one; begin another")));
        }
        let row = (draft_entries::draft_id.eq(&draft.id), draft_entries::slug.eq(&slug), values);
        diesel::insert_into(draft_entries::table).values(row).execute(conn)?;
    }
    let detail = json!({ "dataset": slug, "entry_sha256": sha256_hex(entry_json.as_bytes()) });
    ledger::append(conn, Kind::DraftEdited, &actor, &subject(draft), &detail)?;
    find_draft_entry(conn, draft, &slug)
}

/// Another open draft changes the dataset; which one, is told to those who may see it.
fn taken(conn: &mut Conn, caller: &Caller, slug: &str, other: &str, title: &str) -> Error {
    let which = if find_draft(conn, caller, other).is_ok() { format!("the draft `{title}` ({other})") } else { "another draft".to_owned() };
    Error::Conflict(format!("{which} changes `{slug}` already; one draft at a time does"))
}

/// A draft of one publisher holds that publisher's entries alone, before and after.
fn require_publisher(caller: &Caller, draft: &Draft, slug: &str, before: Option<&Entry>, after: &Entry) -> Result<()> {
    let scope = edits_for(caller)?;
    let Some(publisher) = draft.publisher.as_ref().or(scope.as_ref()) else { return Ok(()) };
    if let Some(other) = before.map(|entry| &entry.publisher).filter(|other| *other != publisher) {
        return Err(Error::Forbidden(format!("`{slug}` belongs to the publisher `{other}`, and this draft is about `{publisher}`")));
    }
    if after.publisher != *publisher {
        return Err(Error::invalid(
            "entry/publisher",
            format!("this draft is about `{publisher}`; an operator gives an entry to another publisher"),
        ));
    }
    Ok(())
}

/// Refuses whoever has not read what the draft says of an entry now.
fn require_same(slug: &str, known: Option<&DraftEntry>, expected: Option<i32>, yours: &Entry) -> Result<()> {
    match (known, expected) {
        (None, None) => Ok(()),
        (Some(known), Some(expected)) if known.revision == expected => Ok(()),
        (None, Some(_)) => {
            Err(Error::Stale { detail: format!("`{slug}` is not in the draft any more; put it without If-Match"), differences: Vec::new() })
        }
        (Some(known), Some(expected)) => {
            let detail = format!(
                "somebody else has changed `{slug}` since you read it: it is at revision {}, not {expected}. See how it differs from yours, read it again, and put what shall stand",
                known.revision
            );
            Err(Error::Stale { detail, differences: differences(&known.entry, yours)? })
        }
        (Some(_), None) => {
            Err(Error::ConditionMissing(format!("the draft has `{slug}` already; send If-Match with the ETag of what you have read")))
        }
    }
}

/// The list says something else than when the entry was looked at.
fn moved(slug: &str, listed: Option<&Entry>, yours: &Entry) -> Error {
    let detail = format!("the list says something else of `{slug}` than `base_sha256` names; read it again, and put what shall stand");
    match listed.map_or_else(|| Ok(Vec::new()), |listed| differences(listed, yours)) {
        Ok(differences) => Error::Stale { detail, differences },
        Err(error) => error,
    }
}

/// How what there is differs from what came, each at its place in what came.
pub(super) fn differences(there: &Entry, yours: &Entry) -> Result<Vec<Fault>> {
    let changes = compare(&serde_json::to_value(there)?, &serde_json::to_value(yours)?);
    Ok(changes.into_iter().map(|change| Fault { pointer: format!("entry/{}", pointer(&change, yours)), detail: told(&change) }).collect())
}

fn told(change: &ValueChange) -> String {
    let text = |side: &Option<Value>| side.as_ref().map_or_else(|| "nothing".to_owned(), ToString::to_string);
    match (&change.before, &change.after) {
        (None, None) => "another example".to_owned(),
        (there, yours) => format!("there is {}; yours is {}", text(there), text(yours)),
    }
}

fn pointer(change: &ValueChange, yours: &Entry) -> String {
    let field = change.key.strip_prefix("fields.").and_then(|rest| {
        let at = yours.fields.iter().position(|field| rest.strip_prefix(&field.name).is_some_and(|rest| rest.starts_with('.')))?;
        let name = &yours.fields.get(at)?.name;
        Some(format!("fields/{at}/{}", rest.get(name.len() + 1..)?.replace('.', "/")))
    });
    field.unwrap_or_else(|| change.key.replace('.', "/"))
}

/// Takes an entry out of a draft; the list keeps what it says.
///
/// # Errors
/// When the caller may not, or somebody else has changed it.
pub fn take_out(conn: &mut Conn, caller: &Caller, id: &str, slug: &str, expected: i32) -> Result<()> {
    let draft = editable(conn, caller, id)?;
    require_state(&draft, &[DraftState::Draft], "a change of its entries")?;
    let known = find_draft_entry(conn, &draft, slug)?;
    if known.revision != expected {
        let detail = format!("somebody else has changed `{slug}` since you read it: it is at revision {}, not {expected}", known.revision);
        return Err(Error::Stale { detail, differences: Vec::new() });
    }
    diesel::delete(draft_entries::table.find((&draft.id, slug))).execute(conn)?;
    edited(conn, caller, &draft)?;
    ledger::append(conn, Kind::DraftEdited, &caller.actor(), &subject(&draft), &json!({ "dataset": slug, "taken_out": true }))?;
    Ok(())
}

/// Gives a draft up; the list stays as it is, and what the draft said is forgotten.
///
/// # Errors
/// When the caller may not, or it has come to its end already.
pub fn discard(conn: &mut Conn, caller: &Caller, id: &str, expected: i32) -> Result<Draft> {
    let draft = editable(conn, caller, id)?;
    require_state(&draft, &[DraftState::Draft, DraftState::InReview, DraftState::Scheduled], "giving up")?;
    require_revision(&draft, expected)?;
    diesel::delete(draft_entries::table.filter(draft_entries::draft_id.eq(&draft.id))).execute(conn)?;
    let nothing = (drafts::title.eq(FORGOTTEN), drafts::reason.eq(None::<String>), drafts::remark.eq(None::<String>));
    diesel::update(drafts::table.find(&draft.id)).set(nothing).execute(conn)?;
    touch(conn, &draft, DraftState::Discarded)?;
    ledger::append(conn, Kind::DraftDiscarded, &caller.actor(), &subject(&draft), &json!({}))?;
    find_draft(conn, caller, id)
}
