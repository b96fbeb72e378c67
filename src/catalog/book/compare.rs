//! What an import of the list would change, and the import itself: all of it, or nothing.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::read::{Rows, again, in_order};
use super::{BookFault, DATASETS};
use crate::catalog::entry::{Entry, OpenType, Sensitivity};
use crate::catalog::history::{ChangeCode, Edition, ValueChange, compare};
use crate::catalog::relations::clashes;
use crate::catalog::store::{change_faults, find_any, put_entry, slugs_after};
use crate::db::{Conn, lock_ledger};
use crate::error::{Error, Result};

/// A dataset whose entry an import adds or changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Planned {
    /// Its name in addresses.
    pub slug: String,
    /// What the change is.
    pub code: ChangeCode,
    /// What its entry would say, and says now.
    pub values: Vec<ValueChange>,
}

/// What an import would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Plan {
    /// What it changes, by slug.
    pub changes: Vec<Planned>,
    /// How many entries stay as they are.
    pub unchanged: usize,
    /// Datasets of the list that the book does not name. They stay: a dataset leaves the list by its withdrawal.
    pub absent: Vec<String>,
    /// Every mistake. With any, nothing is imported.
    pub faults: Vec<BookFault>,
}

/// How many names of the list are read at a time.
const AT_ONCE: i64 = 10_000;

/// Says what an import of a book would change; changes nothing.
///
/// # Errors
/// When the database does not answer.
pub fn plan(conn: &mut Conn, edition: &Edition, rows: &Rows) -> Result<Plan> {
    let mut plan = Plan { faults: rows.faults.clone(), ..Plan::default() };
    let new: BTreeMap<&str, &Entry> = rows.entries.iter().map(|one| (one.slug.as_str(), &one.entry)).collect();
    let mut wrong = clashes(conn, &new)?;
    for one in &rows.entries {
        let mut faults = wrong.remove(&one.slug).unwrap_or_default();
        // Of one that has a mistake elsewhere in the book, it is not known what it will say.
        faults
            .retain(|(_, detail)| !rows.named.iter().any(|slug| !new.contains_key(slug.as_str()) && detail.contains(&format!("`{slug}`"))));
        faults.extend(change_faults(conn, edition, &one.slug, &one.entry)?);
        let planned = change(conn, &one.slug, &one.entry, &mut faults)?;
        if !faults.is_empty() {
            plan.faults.extend(faults.into_iter().map(|(key, detail)| one.fault(&key, detail)));
        } else if let Some(planned) = planned {
            plan.changes.push(planned);
        } else {
            plan.unchanged += 1;
        }
    }
    plan.changes.sort_by(|one, other| one.slug.cmp(&other.slug));
    plan.absent = absent(conn, rows)?;
    plan.faults = in_order(plan.faults);
    Ok(plan)
}

fn absent(conn: &mut Conn, rows: &Rows) -> Result<Vec<String>> {
    let (mut absent, mut after): (Vec<String>, Option<String>) = (Vec::new(), None);
    loop {
        let slugs = slugs_after(conn, after.as_deref(), AT_ONCE)?;
        let Some((last, _)) = slugs.last() else { return Ok(absent) };
        after = Some(last.clone());
        absent.extend(slugs.into_iter().map(|(slug, _)| slug).filter(|slug| !rows.named.contains(slug)));
    }
}

fn change(conn: &mut Conn, slug: &str, entry: &Entry, faults: &mut Vec<(String, String)>) -> Result<Option<Planned>> {
    let known = match find_any(conn, slug) {
        Err(Error::NotFound { .. }) => return Ok(Some(Planned { slug: slug.to_owned(), code: ChangeCode::New, values: Vec::new() })),
        known => known?,
    };
    // What a book cannot say is no change: blanks around texts, and texts that are empty.
    let before = again(&known.entry).unwrap_or_else(|| known.entry.clone());
    if before == *entry {
        return Ok(None);
    }
    if known.version.is_some() {
        faults.extend(revealed(&before, entry));
    }
    let code = ChangeCode::of(&before, entry);
    let values = compare(&serde_json::to_value(&before)?, &serde_json::to_value(entry)?);
    Ok(Some(Planned { slug: slug.to_owned(), code, values }))
}

/// What an import without data must not change of a dataset that has some: how it is open, which columns it has, and what these say of people. Its
/// data was looked at by what the entry said then.
pub fn revealed(before: &Entry, after: &Entry) -> Vec<(String, String)> {
    const FOLDER: &str = "import its folder with the data, by `qingdan import`";
    let mut faults = Vec::new();
    if after.open_type == OpenType::Unconditional && before.open_type != OpenType::Unconditional {
        let detail = format!("the data that there is was never open to everybody; {FOLDER}");
        faults.push(("open_type".to_owned(), detail));
    }
    if after.open_type != OpenType::Unconditional || before.open_type != OpenType::Unconditional {
        return faults;
    }
    let columns =
        |entry: &Entry| -> Vec<_> { entry.fields.iter().map(|field| (field.name.clone(), field.field_type, field.scale)).collect() };
    if before.kind != after.kind || columns(before) != columns(after) {
        let detail = format!("the data that everybody can have goes on having the columns that it has; {FOLDER}");
        faults.push(("fields".to_owned(), detail));
    }
    for (at, field) in after.fields.iter().enumerate() {
        let was = before.field(&field.name).map_or(Sensitivity::None, |field| field.sensitivity);
        if was == Sensitivity::None && field.sensitivity != Sensitivity::None {
            let detail = format!("`{}` says something of a person from now on, and everybody can have its values; {FOLDER}", field.name);
            faults.push((format!("fields[{at}].sensitivity"), detail));
        }
    }
    faults
}

/// Imports a book: every change of the plan, as one version of the list. Without data: a new dataset gets its first version later.
///
/// # Errors
/// When the plan has mistakes; then nothing is changed.
pub fn apply(conn: &mut Conn, edition: &mut Edition, rows: &Rows) -> Result<Plan> {
    lock_ledger(conn)?;
    let plan = plan(conn, edition, rows)?;
    if let Some(first) = plan.faults.first() {
        let detail = format!("the book has {} mistakes, the first at {first}; nothing was imported", plan.faults.len());
        return Err(Error::invalid(DATASETS, detail));
    }
    let changed: std::collections::BTreeSet<&str> = plan.changes.iter().map(|change| change.slug.as_str()).collect();
    for one in rows.entries.iter().filter(|one| changed.contains(one.slug.as_str())) {
        put_entry(conn, edition, &one.slug, &one.entry)?;
    }
    Ok(plan)
}
