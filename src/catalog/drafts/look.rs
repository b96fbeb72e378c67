//! What a draft would do: how each entry differs from the list, and what stands in its way.

use std::collections::{BTreeMap, BTreeSet};

use super::{Draft, DraftEntry, draft_entries_after, listed};
use crate::catalog::advice::advice;
use crate::catalog::book::{again, revealed};
use crate::catalog::check::{Vocabulary, check_entry};
use crate::catalog::entry::Entry;
use crate::catalog::grading::Scheme;
use crate::catalog::history::{ChangeCode, Edition, ValueChange, compare, narrowing};
use crate::catalog::relations::clashes;
use crate::catalog::store::{change_faults, find_any, publishers, themes};
use crate::catalog::subjects::subject_classes;
use crate::db::Conn;
use crate::error::{Error, Result};

/// What an entry of a draft would change.
#[derive(Debug, Clone, PartialEq)]
pub struct EntryLook {
    /// What the draft has it say.
    pub entry: DraftEntry,
    /// What kind of change it is; none where it says what the list says.
    pub code: Option<ChangeCode>,
    /// How it opens less than the list does now, in words: then the draft needs a reason.
    pub narrower: Option<String>,
    /// How it differs from the list now; empty for a dataset that the list does not have.
    pub values: Vec<ValueChange>,
    /// How the list now differs from what it said when the entry was begun; empty where it says the same.
    pub moved: bool,
    /// The digest of what the list says now.
    pub listed_sha256: Option<String>,
    /// What stands in its way, by key.
    pub faults: Vec<(String, String)>,
    /// What could be better, by key; it stands in nobody's way.
    pub advice: Vec<(String, String)>,
}

/// Every entry of a draft as it is.
fn all(conn: &mut Conn, draft: &Draft) -> Result<Vec<DraftEntry>> {
    draft_entries_after(conn, draft, None, i64::MAX)
}

/// What the entries of a draft would change, by slug: all of them are looked at together, and those that are wanted are told.
///
/// # Errors
/// When the database does not answer.
pub fn look(conn: &mut Conn, scheme: &Scheme, draft: &Draft, wanted: &[String]) -> Result<Vec<EntryLook>> {
    let wanted: BTreeSet<&str> = wanted.iter().map(String::as_str).collect();
    looks(conn, scheme, draft, |slug| wanted.contains(slug))
}

fn looks(conn: &mut Conn, scheme: &Scheme, draft: &Draft, wanted: impl Fn(&str) -> bool) -> Result<Vec<EntryLook>> {
    let entries = all(conn, draft)?;
    let (publishers, themes, classes) = (publishers(conn)?, themes(conn)?, subject_classes(conn)?);
    let vocabulary = Vocabulary { publishers: &publishers, themes: &themes, subject_classes: &classes };
    let new: BTreeMap<&str, &Entry> = entries.iter().map(|one| (one.slug.as_str(), &one.entry)).collect();
    let mut clashing = clashes(conn, &new)?;
    let edition = edition_of(draft);
    let mut looks = Vec::new();
    for one in entries.iter().filter(|one| wanted(&one.slug)) {
        let mut faults = check_entry(&one.entry, vocabulary, scheme);
        faults.extend(clashing.remove(&one.slug).unwrap_or_default());
        faults.extend(change_faults(conn, &edition, &one.slug, &one.entry)?);
        let there = listed(conn, &one.slug)?;
        let mut looked = EntryLook {
            entry: one.clone(),
            code: Some(ChangeCode::New),
            narrower: None,
            values: Vec::new(),
            moved: there.as_ref().map(|(sha256, _)| sha256) != one.base_sha256.as_ref(),
            listed_sha256: there.as_ref().map(|(sha256, _)| sha256.clone()),
            faults,
            advice: advice(&one.entry, publishers.iter().find(|publisher| publisher.slug == one.entry.publisher)),
        };
        if let Some((_, before)) = &there {
            // Blanks around texts, and texts that are empty, say nothing.
            let same = *before == one.entry || again(before).is_some_and(|said| Some(said) == again(&one.entry));
            if !same {
                looked.values = compare(&serde_json::to_value(before)?, &serde_json::to_value(&one.entry)?);
            }
            looked.code = (!same).then(|| ChangeCode::of(before, &one.entry));
            looked.narrower = narrowing(before, &one.entry).map(|(_, how)| how);
            if find_any(conn, &one.slug)?.version.is_some() {
                looked.faults.extend(revealed(before, &one.entry));
            }
        }
        looks.push(looked);
    }
    Ok(looks)
}

/// Who changes the list by a draft, and why.
pub(super) fn edition_of(draft: &Draft) -> Edition {
    let edition = Edition::by(draft.decided_by.as_deref().unwrap_or("service"));
    match &draft.reason {
        Some(reason) => edition.because(reason),
        None => edition,
    }
}

/// What stands in the way of a draft: the dataset, the key of its entry and why.
///
/// # Errors
/// When the database does not answer.
pub fn obstacles(conn: &mut Conn, scheme: &Scheme, draft: &Draft) -> Result<Vec<(String, String, String)>> {
    let mut found = Vec::new();
    for looked in looks(conn, scheme, draft, |_slug| true)? {
        let slug = &looked.entry.slug;
        let mut add = |key: String, detail: String| found.push((slug.clone(), key, detail));
        looked.faults.into_iter().for_each(|(key, detail)| add(key, detail));
        if looked.moved {
            add(String::new(), "the list has changed it since the draft was begun: look at it again, and put what shall stand".to_owned());
        } else if looked.code.is_none() {
            add(String::new(), "it says what the list says already; take it out of the draft".to_owned());
        }
    }
    Ok(found)
}

/// The obstacles as an error, by their place in the draft.
pub(super) fn require_clear(conn: &mut Conn, scheme: &Scheme, draft: &Draft) -> Result<()> {
    if draft.entries == 0 {
        return Err(Error::Conflict("the draft changes nothing yet; put an entry into it first".to_owned()));
    }
    let found = obstacles(conn, scheme, draft)?;
    if found.is_empty() {
        return Ok(());
    }
    let fault = |(slug, key, detail): (String, String, String)| {
        let at = if key.is_empty() { String::new() } else { format!("/{}", key.replace('[', "/").replace(']', "").replace('.', "/")) };
        crate::error::Fault { pointer: format!("/entries/{slug}{at}"), detail }
    };
    Err(Error::Invalid(found.into_iter().map(fault).collect()))
}
