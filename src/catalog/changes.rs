//! The list as it changes: what happened to it, for those who keep a copy of it or of its data.

use std::collections::BTreeMap;

use diesel::prelude::*;
use serde::Serialize;
use utoipa::ToSchema;

use super::history::ChangeCode;
use super::state::{Ground, State};
use crate::db::Conn;
use crate::db::schema::{datasets, list_changes};
use crate::error::{Error, Result};
use crate::ledger::{self, Kind, ListEvent};

/// Something that happened to the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Change {
    /// The number of the ledger's entry that holds it: later ones are larger, with gaps.
    pub seq: i64,
    /// When it happened, in UTC.
    pub moment: String,
    /// What happened: `dataset.created`, `dataset.updated`, `dataset.suspended`, `dataset.restored`, `dataset.withdrawn`, `dataset.reopened`,
    /// `version.published`, `publisher.updated`, `theme.updated` or `subject_class.updated`.
    #[schema(example = "version.published")]
    pub event: String,
    /// The dataset, by slug; of the last three, the publisher, theme or class.
    pub slug: String,
    /// The version of the data that was published; of a dataset that was restored, the one that it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
    /// The version of the list that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub list_version: Option<i64>,
    /// What the change of the list is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<ChangeCode>,
    /// Why a dataset was suspended or withdrawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ground: Option<Ground>,
}

/// Some of what happened.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Changes {
    /// What happened, oldest first.
    pub items: Vec<Change>,
    /// `since` of the next request: also where there are no items.
    pub next_since: i64,
    /// Whether there may be more already. Otherwise ask again after a while.
    pub more: bool,
}

/// What happened to the list after entry number `since` of the ledger. Of a dataset that was withdrawn since, only that is told; of one that is
/// suspended, none of its versions.
///
/// # Errors
/// When the ledger has no such entry, or the database does not answer.
pub fn changes(conn: &mut Conn, since: i64, limit: i64) -> Result<Changes> {
    let last = ledger::last_entry(conn)?;
    if since > last {
        let detail = format!("the ledger has {last} entries; if it had more when you asked before, it is another ledger: begin again at 0");
        return Err(Error::invalid("since", detail));
    }
    let found = ledger::list_events(conn, since, limit)?;
    let slugs: Vec<&str> = found.events.iter().filter_map(|event| event.subject.strip_prefix("dataset:")).collect();
    let states: Vec<(String, String)> =
        datasets::table.filter(datasets::slug.eq_any(slugs.clone())).select((datasets::slug, datasets::state)).load(conn)?;
    let states: BTreeMap<String, String> = states.into_iter().collect();
    let withdrawn = withdrawals_of(conn, &slugs)?;
    let mut items = Vec::with_capacity(found.events.len());
    for event in &found.events {
        let slug = event.subject.strip_prefix("dataset:");
        let state = slug.and_then(|slug| states.get(slug)).map(|state| State::parse(state)).transpose()?;
        // What was before a withdrawal is told by nothing but that, also after a reopening.
        let since = slug.and_then(|slug| withdrawn.get(slug)).copied().unwrap_or(0);
        if event.seq >= since && is_told(event.kind, state) {
            items.push(change(event));
        }
    }
    Ok(Changes { items, next_since: found.to, more: found.more })
}

fn is_told(kind: Kind, state: Option<State>) -> bool {
    match state {
        None | Some(State::Published) => true,
        Some(State::Suspended) => kind != Kind::VersionPublished,
        Some(State::Withdrawn) => kind == Kind::DatasetWithdrawn,
    }
}

/// The entries of the last withdrawals of datasets, by slug.
fn withdrawals_of(conn: &mut Conn, slugs: &[&str]) -> Result<BTreeMap<String, i64>> {
    let of_them =
        list_changes::table.filter(list_changes::slug.eq_any(slugs)).filter(list_changes::code.eq(ChangeCode::Withdrawn.as_str()));
    let rows: Vec<(String, Option<i64>)> =
        of_them.group_by(list_changes::slug).select((list_changes::slug, diesel::dsl::max(list_changes::entry_seq))).load(conn)?;
    Ok(rows.into_iter().filter_map(|(slug, seq)| Some((slug, seq?))).collect())
}

fn change(event: &ListEvent) -> Change {
    let ListEvent { seq, moment, kind, subject, detail } = event;
    Change {
        seq: *seq,
        moment: moment.clone(),
        event: kind.as_str().to_owned(),
        slug: subject.split_once(':').map_or(subject.as_str(), |(_, slug)| slug).to_owned(),
        version: detail["version"].as_i64(),
        list_version: detail["list_version"].as_i64(),
        // A code of a newer program that shares the database is left out.
        change: detail["change"].as_str().and_then(|code| ChangeCode::parse(code).ok()),
        ground: detail["ground"].as_str().and_then(|ground| Ground::parse(ground).ok()),
    }
}
