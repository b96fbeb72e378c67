//! How an entry comes into the list, and how it is changed.

use diesel::prelude::*;
use serde_json::json;

use super::{Dataset, find_any};
use crate::catalog::entry::Entry;
use crate::catalog::history::{ChangeCode, Edition, Happened, keep_entry, narrowing, write_down};
use crate::catalog::relations::put_relations;
use crate::catalog::state::State;
use crate::clock::now_naive;
use crate::db::Conn;
use crate::db::schema::datasets;
use crate::error::{Error, Fault, Result};
use crate::ledger::Kind;

/// Takes an entry's codes from whoever holds them: `clashes` has seen that the holder gives them up in the same import.
fn free_codes(conn: &mut Conn, slug: &str, entry: &Entry) -> Result<()> {
    let others = || datasets::table.filter(datasets::slug.ne(slug));
    if let Some(code) = &entry.code {
        diesel::update(others().filter(datasets::code.eq(code))).set(datasets::code.eq(None::<String>)).execute(conn)?;
    }
    if let Some(code) = &entry.registration_code {
        let none = datasets::registration_code.eq(None::<String>);
        diesel::update(others().filter(datasets::registration_code.eq(code))).set(none).execute(conn)?;
    }
    Ok(())
}

/// Why an entry cannot be put into the list, by key: its dataset was withdrawn, or it opens less than before and nobody says why.
///
/// # Errors
/// When the database does not answer.
pub fn change_faults(conn: &mut Conn, edition: &Edition, slug: &str, entry: &Entry) -> Result<Vec<(String, String)>> {
    let known: Option<(String, String)> =
        datasets::table.filter(datasets::slug.eq(slug)).select((datasets::state, datasets::entry_json)).first(conn).optional()?;
    let Some((state, json)) = known else { return Ok(Vec::new()) };
    if State::parse(&state)? == State::Withdrawn {
        let detail = format!("the dataset `{slug}` was withdrawn from the list; take it out here, or have it reopened first");
        return Ok(vec![("title".to_owned(), detail)]);
    }
    let narrower = narrowing(&serde_json::from_str(&json)?, entry).filter(|_| edition.reason.is_none());
    let told = |(key, how): (String, String)| (key, format!("the entry opens less than before ({how}); give the reason for that"));
    Ok(narrower.map(told).into_iter().collect())
}

/// What [`put_entry`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum EntryChange {
    Created,
    Updated,
    Unchanged,
}

/// Adds or changes an entry, with its ledger entry and as a change of the list.
///
/// # Errors
/// When [`change_faults`] has any, or the database does not take it.
pub fn put_entry(conn: &mut Conn, edition: &mut Edition, slug: &str, entry: &Entry) -> Result<(Dataset, EntryChange)> {
    let faults = change_faults(conn, edition, slug, entry)?;
    if !faults.is_empty() {
        return Err(Error::Invalid(faults.into_iter().map(|(pointer, detail)| Fault { pointer, detail }).collect()));
    }
    let entry_json = serde_json::to_string(entry)?;
    let digest = keep_entry(conn, &entry_json)?;
    let known: Option<(String, String, String)> = datasets::table
        .filter(datasets::slug.eq(slug))
        .select((datasets::id, datasets::entry_sha256, datasets::entry_json))
        .first(conn)
        .optional()?;
    free_codes(conn, slug, entry)?;
    let change = match known {
        Some((id, known, _)) if known == digest => {
            // Another entry may have taken its codes in an import that did not come to its end.
            if entry.code.is_some() || entry.registration_code.is_some() {
                let codes = (datasets::code.eq(&entry.code), datasets::registration_code.eq(&entry.registration_code));
                diesel::update(datasets::table.find(&id)).set(codes).execute(conn)?;
            }
            EntryChange::Unchanged
        }
        Some((id, known, json)) => {
            let before: Entry = serde_json::from_str(&json)?;
            set(conn, (&id, slug), entry, (&entry_json, &digest), false)?;
            let detail = json!({ "entry_sha256": digest, "open_type": entry.open_type, "open_type_before": before.open_type });
            let (kind, code) = (Kind::DatasetUpdated, ChangeCode::of(&before, entry));
            let (before, after) = (Some(known.as_str()), Some(digest.as_str()));
            write_down(conn, edition, Happened { kind, code, ground: None, dataset_id: &id, slug, before, after, detail })?;
            EntryChange::Updated
        }
        None => {
            let id = uuid::Uuid::now_v7().to_string();
            set(conn, (&id, slug), entry, (&entry_json, &digest), true)?;
            let detail = json!({ "entry_sha256": digest, "open_type": entry.open_type });
            let (kind, code) = (Kind::DatasetCreated, ChangeCode::New);
            let (before, after) = (None, Some(digest.as_str()));
            write_down(conn, edition, Happened { kind, code, ground: None, dataset_id: &id, slug, before, after, detail })?;
            EntryChange::Created
        }
    };
    Ok((find_any(conn, slug)?, change))
}

/// Writes an entry into the list, as a new one or in the place of what it said.
fn set(conn: &mut Conn, (id, slug): (&str, &str), entry: &Entry, (entry_json, digest): (&str, &str), is_new: bool) -> Result<()> {
    let now = now_naive();
    let values = (
        datasets::publisher.eq(&entry.publisher),
        datasets::theme.eq(&entry.theme),
        datasets::open_type.eq(entry.open_type.as_str()),
        datasets::code.eq(&entry.code),
        datasets::registration_code.eq(&entry.registration_code),
        datasets::entry_json.eq(entry_json),
        datasets::entry_sha256.eq(digest),
        datasets::updated_at.eq(now),
    );
    if is_new {
        let row = (datasets::id.eq(id), datasets::slug.eq(slug), datasets::created_at.eq(now), values);
        diesel::insert_into(datasets::table).values(row).execute(conn)?;
    } else {
        diesel::update(datasets::table.find(id)).set(values).execute(conn)?;
    }
    put_relations(conn, id, &entry.related)
}
