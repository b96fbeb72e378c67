//! The versions of the list as a whole: each change of an entry belongs to one, with what was changed, when and why. What an entry said is
//! kept by its digest, so that two versions of the list can be compared however far they are apart. 清单版本

mod compare;

use std::collections::BTreeMap;

use chrono::NaiveDateTime;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::entry::{Entry, Text};
use super::state::{Ground, State};
use super::store::Dataset;
use crate::clock::now_naive;
use crate::crypto::sha256_hex;
use crate::db::schema::{datasets, list_changes, list_entries};
use crate::db::{Conn, lock_ledger};
use crate::error::{Error, Result};
use crate::ledger::{self, Kind};

pub use compare::{compare, narrowing};

/// What a change of the list is. 变更原因代码
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeCode {
    /// 新增: the entry is new.
    New,
    /// 开放类型变更: the entry is open in another way than before.
    TypeChange,
    /// 数据项变更: the entry has other fields than before, or they leave in another way.
    FieldsChange,
    /// 信息修订: something else is said of the dataset.
    Revision,
    /// 暂停开放: nothing of the dataset is given out for now.
    Suspended,
    /// 恢复开放: the dataset is given out again.
    Restored,
    /// 撤回: the dataset is not in the list any more.
    Withdrawn,
    /// 重新开放: the dataset is in the list again, without the data that it had.
    Reopened,
}

impl ChangeCode {
    const ALL: [ChangeCode; 8] = [
        ChangeCode::New,
        ChangeCode::TypeChange,
        ChangeCode::FieldsChange,
        ChangeCode::Revision,
        ChangeCode::Suspended,
        ChangeCode::Restored,
        ChangeCode::Withdrawn,
        ChangeCode::Reopened,
    ];

    /// The code as it is written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            ChangeCode::New => "new",
            ChangeCode::TypeChange => "type_change",
            ChangeCode::FieldsChange => "fields_change",
            ChangeCode::Revision => "revision",
            ChangeCode::Suspended => "suspended",
            ChangeCode::Restored => "restored",
            ChangeCode::Withdrawn => "withdrawn",
            ChangeCode::Reopened => "reopened",
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|code| code.as_str() == text);
        found.ok_or_else(|| Error::internal(anyhow::anyhow!("a change of the list of the unknown kind `{text}`")))
    }

    /// What a new text of an entry is.
    pub(super) fn of(before: &Entry, after: &Entry) -> Self {
        if before.open_type != after.open_type {
            ChangeCode::TypeChange
        } else if before.fields != after.fields {
            ChangeCode::FieldsChange
        } else {
            ChangeCode::Revision
        }
    }
}

/// Who changes the list and why. All changes of one edition are one version of the list, unless somebody else changes it in between.
#[derive(Debug, Clone)]
pub struct Edition {
    pub(super) actor: String,
    pub(super) reason: Option<String>,
    number: Option<i32>,
}

impl From<&str> for Edition {
    fn from(actor: &str) -> Self {
        Edition::by(actor)
    }
}

impl Edition {
    /// One by somebody who gives no reason, and so may not open less than before.
    pub fn by(actor: impl Into<String>) -> Self {
        Edition { actor: actor.into(), reason: None, number: None }
    }

    /// With a reason, which everybody reads.
    #[must_use]
    pub fn because(self, reason: impl Into<String>) -> Self {
        Edition { reason: Some(reason.into()), ..self }
    }

    /// Who changes the list.
    pub fn actor(&self) -> &str {
        &self.actor
    }

    /// The version of the list that it made last.
    pub fn version(&self) -> Option<i32> {
        self.number
    }

    /// The version of the list that the next change belongs to.
    fn next(&mut self, conn: &mut Conn) -> Result<i32> {
        // Two who begin a version at the same time would begin the same one.
        lock_ledger(conn)?;
        let last = newest_version(conn)?;
        let number = if self.number == Some(last) { last } else { last + 1 };
        self.number = Some(number);
        Ok(number)
    }
}

/// The number of the newest version of the list; 0 where it never held anything.
///
/// # Errors
/// When the database does not answer.
pub fn newest_version(conn: &mut Conn) -> Result<i32> {
    let last: Option<i32> = list_changes::table.select(diesel::dsl::max(list_changes::number)).first(conn)?;
    Ok(last.unwrap_or(0))
}

/// What happened to an entry.
pub(super) struct Happened<'a> {
    pub kind: Kind,
    pub code: ChangeCode,
    pub ground: Option<Ground>,
    pub dataset_id: &'a str,
    pub slug: &'a str,
    /// The digests of what the list said and says of it.
    pub before: Option<&'a str>,
    pub after: Option<&'a str>,
    pub detail: Value,
}

/// Writes a change down: in the ledger, and as a part of a version of the list.
pub(super) fn write_down(conn: &mut Conn, edition: &mut Edition, happened: Happened<'_>) -> Result<()> {
    let number = edition.next(conn)?;
    let Happened { kind, code, ground, dataset_id, slug, before, after, mut detail } = happened;
    detail["list_version"] = number.into();
    detail["change"] = json!(code);
    if let Some(ground) = ground {
        detail["ground"] = json!(ground);
    }
    let subject = format!("dataset:{slug}");
    let entry = match &edition.reason {
        Some(reason) => ledger::append_with_reason(conn, kind, &edition.actor, &subject, detail, reason)?,
        None => ledger::append(conn, kind, &edition.actor, &subject, &detail)?,
    };
    let row = (
        list_changes::number.eq(number),
        list_changes::dataset_id.eq(dataset_id),
        list_changes::slug.eq(slug),
        list_changes::code.eq(code.as_str()),
        list_changes::ground.eq(ground.map(Ground::as_str)),
        list_changes::reason.eq(edition.reason.clone()),
        list_changes::before_sha256.eq(before),
        list_changes::after_sha256.eq(after),
        list_changes::entry_seq.eq(entry.seq),
        list_changes::changed_at.eq(now_naive()),
    );
    diesel::insert_into(list_changes::table).values(row).execute(conn)?;
    Ok(())
}

/// Keeps what an entry says, by its digest.
pub(super) fn keep_entry(conn: &mut Conn, entry_json: &str) -> Result<String> {
    let sha256 = sha256_hex(entry_json.as_bytes());
    let known: i64 = list_entries::table.find(&sha256).count().get_result(conn)?;
    if known == 0 {
        let row = (list_entries::sha256.eq(&sha256), list_entries::entry_json.eq(entry_json));
        diesel::insert_into(list_entries::table).values(row).execute(conn)?;
    }
    Ok(sha256)
}

#[derive(Clone, Queryable, Selectable)]
#[diesel(table_name = list_changes)]
struct ChangeRow {
    number: i32,
    slug: String,
    code: String,
    ground: Option<String>,
    reason: Option<String>,
    before_sha256: Option<String>,
    after_sha256: Option<String>,
    entry_seq: i64,
    changed_at: NaiveDateTime,
}

/// A change of one dataset in the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ListChange {
    /// The version of the list that it belongs to.
    pub version: i32,
    /// What it is.
    pub code: ChangeCode,
    /// Why the dataset was suspended or withdrawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ground: Option<Ground>,
    /// The reason in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Since when it holds.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    pub effective_at: NaiveDateTime,
    /// The entry of the ledger that holds it; 0 for what was in the list before it had versions.
    #[serde(skip)]
    pub entry_seq: i64,
}

impl TryFrom<&ChangeRow> for ListChange {
    type Error = Error;

    fn try_from(row: &ChangeRow) -> Result<Self> {
        Ok(ListChange {
            version: row.number,
            code: ChangeCode::parse(&row.code)?,
            ground: row.ground.as_deref().map(Ground::parse).transpose()?,
            reason: row.reason.clone(),
            effective_at: row.changed_at,
            entry_seq: row.entry_seq,
        })
    }
}

/// Every change of a dataset, the newest first.
///
/// # Errors
/// When the database does not answer.
pub fn history_of(conn: &mut Conn, dataset_id: &str) -> Result<Vec<ListChange>> {
    let rows: Vec<ChangeRow> = list_changes::table
        .filter(list_changes::dataset_id.eq(dataset_id))
        .order(list_changes::number.desc())
        .select(ChangeRow::as_select())
        .load(conn)?;
    rows.iter().map(ListChange::try_from).collect()
}

/// How many times a dataset was withdrawn. What was begun before a withdrawal does not end after it.
///
/// # Errors
/// When the database does not answer.
pub fn withdrawals(conn: &mut Conn, dataset: &Dataset) -> Result<i64> {
    let of_it = list_changes::table.filter(list_changes::dataset_id.eq(&dataset.id));
    Ok(of_it.filter(list_changes::code.eq(ChangeCode::Withdrawn.as_str())).count().get_result(conn)?)
}

/// The newest change of a dataset of that code.
pub(super) fn last_of(conn: &mut Conn, dataset_id: &str, code: ChangeCode) -> Result<Option<ListChange>> {
    let row: Option<ChangeRow> = list_changes::table
        .filter(list_changes::dataset_id.eq(dataset_id))
        .filter(list_changes::code.eq(code.as_str()))
        .order(list_changes::number.desc())
        .select(ChangeRow::as_select())
        .first(conn)
        .optional()?;
    row.as_ref().map(ListChange::try_from).transpose()
}

/// A version of the list. 清单版本
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ListVersion {
    /// From 1.
    pub version: i32,
    /// Since when it holds.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    pub effective_at: NaiveDateTime,
    /// How many datasets it changed.
    pub datasets: i64,
    /// How many of them in which way.
    pub changes: BTreeMap<String, i64>,
}

/// Versions of the list, the newest first, those before `before`; and how many there are in all.
///
/// # Errors
/// When the database does not answer.
pub fn list_versions(conn: &mut Conn, before: Option<i32>, limit: i64) -> Result<(Vec<ListVersion>, i64)> {
    let total = i64::from(newest_version(conn)?);
    // Numbers have no gaps: a version is taken and written in one transaction.
    let newest = before.map_or(total, |before| i64::from(before) - 1);
    let oldest = (newest - limit + 1).max(1);
    let (oldest, newest) = (i32::try_from(oldest).unwrap_or(i32::MAX), i32::try_from(newest).unwrap_or(i32::MAX));
    type Row = (i32, String, i64, Option<NaiveDateTime>);
    let rows: Vec<Row> = list_changes::table
        .filter(list_changes::number.between(oldest, newest))
        .group_by((list_changes::number, list_changes::code))
        .order((list_changes::number.desc(), list_changes::code))
        .select((list_changes::number, list_changes::code, diesel::dsl::count_star(), diesel::dsl::max(list_changes::changed_at)))
        .load(conn)?;
    let mut versions: Vec<ListVersion> = Vec::new();
    for (number, code, count, at) in rows {
        let at = at.unwrap_or_default();
        match versions.last_mut().filter(|last| last.version == number) {
            Some(last) => {
                last.datasets += count;
                last.effective_at = last.effective_at.max(at);
                last.changes.insert(code, count);
            }
            None => {
                versions.push(ListVersion { version: number, effective_at: at, datasets: count, changes: BTreeMap::from([(code, count)]) })
            }
        }
    }
    Ok((versions, total))
}

/// How a dataset differs between two versions of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Difference {
    /// Only the later version has it.
    Added,
    /// Only the earlier version has it.
    Removed,
    /// Both have it.
    Changed,
    /// Neither has it: it came and went in between.
    Passed,
}

/// A value of an entry that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ValueChange {
    /// Where it stands: keys with points between them; a field by its name, as in `fields.cost_cny.unit`.
    pub key: String,
    /// What stood there; without it, nothing did, or it is an example, which is not repeated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What stands there; without it, nothing does, or it is an example.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// What became of a dataset between two versions of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DatasetChange {
    /// Its name in addresses.
    pub slug: String,
    /// Its title, as it is or was last.
    pub title: Text,
    /// How it differs. A dataset that was suspended or restored is `changed`.
    pub difference: Difference,
    /// Where it stands now, whatever the versions are.
    pub state: State,
    /// The changes in between, the oldest first, each with its reason.
    pub steps: Vec<ListChange>,
    /// What its entry says now and did not say then; empty for one that only one of the versions has, and for one that was withdrawn since.
    pub values: Vec<ValueChange>,
}

/// What makes a page of differences.
pub struct ListDiff {
    /// The datasets that differ, by slug.
    pub changes: Vec<DatasetChange>,
    /// How many there are in all.
    pub total: i64,
    /// Whether more follow.
    pub more: bool,
}

/// What became of the list between two of its versions; 0 is the empty list before the first. Datasets after the one named `after`.
///
/// # Errors
/// When there are no such versions, or the later one is given first.
pub fn diff(conn: &mut Conn, (from, to): (i32, i32), after: Option<&str>, limit: i64) -> Result<ListDiff> {
    let newest = newest_version(conn)?;
    for (name, version) in [("from", from), ("to", to)] {
        if !(0..=newest).contains(&version) {
            return Err(Error::invalid(name, format!("`{version}` is no version of the list; give 0 to {newest}")));
        }
    }
    if from > to {
        return Err(Error::invalid("from", format!("`{from}` is later than `to`, {to}; give the earlier version as `from`")));
    }
    let between = || list_changes::table.filter(list_changes::number.gt(from)).filter(list_changes::number.le(to));
    let total = between().select(diesel::dsl::count(list_changes::slug).aggregate_distinct()).first(conn)?;
    let mut slugs: Vec<String> = between()
        .filter(list_changes::slug.gt(after.unwrap_or_default()))
        .select(list_changes::slug)
        .distinct()
        .order(list_changes::slug)
        .limit(limit + 1)
        .load(conn)?;
    let more = slugs.len() as i64 > limit;
    slugs.truncate(limit as usize);
    let mut changes = Vec::with_capacity(slugs.len());
    for some in slugs.chunks(200) {
        let rows: Vec<ChangeRow> = between()
            .filter(list_changes::slug.eq_any(some))
            .order((list_changes::slug, list_changes::number))
            .select(ChangeRow::as_select())
            .load(conn)?;
        let entries = entries_of(conn, &rows)?;
        let states: Vec<(String, String)> =
            datasets::table.filter(datasets::slug.eq_any(some)).select((datasets::slug, datasets::state)).load(conn)?;
        let states: BTreeMap<String, String> = states.into_iter().collect();
        for steps in rows.chunk_by(|one, other| one.slug == other.slug) {
            let state = steps.first().and_then(|step| states.get(&step.slug)).map_or("", String::as_str);
            changes.extend(change(steps, &entries, State::parse(state)?)?);
        }
    }
    Ok(ListDiff { changes, total, more })
}

/// The texts of entries by their digest.
type Entries = BTreeMap<String, Value>;

fn entries_of(conn: &mut Conn, rows: &[ChangeRow]) -> Result<Entries> {
    let wanted: Vec<&String> = rows.iter().flat_map(|row| [&row.before_sha256, &row.after_sha256]).flatten().collect();
    let mut found = Entries::new();
    for some in wanted.chunks(500) {
        let rows: Vec<(String, String)> =
            list_entries::table.filter(list_entries::sha256.eq_any(some.iter().map(|sha256| sha256.as_str()))).load(conn)?;
        for (sha256, json) in rows {
            found.insert(sha256, serde_json::from_str(&json)?);
        }
    }
    Ok(found)
}

fn change(rows: &[ChangeRow], entries: &Entries, state: State) -> Result<Option<DatasetChange>> {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(None) };
    let entry = |sha256: &Option<String>| sha256.as_ref().and_then(|sha256| entries.get(sha256));
    let (before, after) = (entry(&first.before_sha256), entry(&last.after_sha256));
    let known = after.or(before).or_else(|| rows.iter().rev().find_map(|row| entry(&row.before_sha256).or(entry(&row.after_sha256))));
    let title = known.ok_or_else(|| Error::internal(anyhow::anyhow!("nothing is kept of the entry `{}`", first.slug)))?;
    let (difference, values) = match (before, after) {
        (None, Some(_)) => (Difference::Added, Vec::new()),
        (Some(_), None) => (Difference::Removed, Vec::new()),
        (None, None) => (Difference::Passed, Vec::new()),
        // What was taken from the list is not told again by its history.
        (Some(_), Some(_)) if state == State::Withdrawn => (Difference::Changed, Vec::new()),
        (Some(before), Some(after)) => (Difference::Changed, compare(before, after)),
    };
    Ok(Some(DatasetChange {
        slug: first.slug.clone(),
        title: serde_json::from_value(title["title"].clone())?,
        difference,
        state,
        steps: rows.iter().map(ListChange::try_from).collect::<Result<_>>()?,
        values,
    }))
}
