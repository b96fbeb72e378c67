//! The open list in the database.

mod put;

use chrono::NaiveDateTime;
use diesel::prelude::*;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::entry::{Entry, OpenType, Text};
use super::record::Contact;
use super::state::{State, standing, withdrawn};
use crate::clock::now_naive;
use crate::crypto::sha256_hex;
use crate::db::Conn;
use crate::db::schema::{datasets, marks, publishers, themes};
use crate::error::{Error, Result};
use crate::ledger::{self, Kind};

pub use put::{EntryChange, change_faults, put_entry};

/// A public body that opens data. 数据开放主体
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Publisher {
    /// Its name in addresses.
    pub slug: String,
    /// Its name.
    pub name: Text,
    /// Its 统一社会信用代码, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uscc: Option<String>,
    /// How to reach it.
    pub contact: Contact,
}

/// A theme of the list. 领域
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Theme {
    /// Its name in addresses.
    pub slug: String,
    /// Its name.
    pub name: Text,
    /// The theme of the EU's vocabulary of data themes that it comes nearest to, by its code such as `HEAL`: catalogues elsewhere know these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_theme: Option<String>,
}

/// One entry of the open list with its state.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Never changes, also when the slug does.
    pub id: String,
    /// Its name in addresses.
    pub slug: String,
    /// What the curator wrote.
    pub entry: Entry,
    /// The publisher's name.
    pub publisher_name: Text,
    /// The newest version's number.
    pub version: Option<i32>,
    /// When it came into the list.
    pub created_at: NaiveDateTime,
    /// When it last changed.
    pub updated_at: NaiveDateTime,
    /// Whether the list gives it out.
    pub state: State,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = datasets)]
struct DatasetRow {
    id: String,
    slug: String,
    entry_json: String,
    version: Option<i32>,
    created_at: NaiveDateTime,
    updated_at: NaiveDateTime,
    state: String,
}

/// A dataset with its publisher's names.
type NamedRow = (DatasetRow, (String, String));

impl TryFrom<NamedRow> for Dataset {
    type Error = Error;

    fn try_from((row, (zh, en)): NamedRow) -> Result<Self> {
        Ok(Dataset {
            publisher_name: Text { zh, en },
            id: row.id,
            slug: row.slug,
            entry: serde_json::from_str(&row.entry_json)?,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
            state: State::parse(&row.state)?,
        })
    }
}

/// What everybody may know of a dataset: of one that is suspended, nothing that comes from its data.
fn shown(row: NamedRow) -> Result<Dataset> {
    let mut dataset = Dataset::try_from(row)?;
    if dataset.state != State::Published {
        dataset.version = None;
        dataset.entry.fields.iter_mut().for_each(|field| field.example = None);
    }
    Ok(dataset)
}

/// Which datasets to list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub struct DatasetFilter {
    pub theme: Option<String>,
    pub publisher: Option<String>,
    pub open_type: Option<OpenType>,
    pub changed_since: Option<NaiveDateTime>,
}

/// A part of the list.
pub struct DatasetPage {
    /// The datasets, by slug.
    pub datasets: Vec<Dataset>,
    /// How many the filter matches in all.
    pub total: i64,
    /// Whether more follow.
    pub more: bool,
}

/// Whether the list holds nothing yet.
///
/// # Errors
/// When the database does not answer.
pub fn is_empty(conn: &mut Conn) -> Result<bool> {
    let count: i64 = datasets::table.count().get_result(conn)?;
    Ok(count == 0)
}

/// The mark of the import that the first start does.
const FIRST_IMPORT: &str = "first-import";

/// Whether the first start's import has come to its end, or the list was filled otherwise before a service ran.
///
/// # Errors
/// When the database does not answer.
pub fn is_first_import_done(conn: &mut Conn) -> Result<bool> {
    let marked: i64 = marks::table.find(FIRST_IMPORT).count().get_result(conn)?;
    Ok(marked > 0)
}

/// Marks the first start's import as done.
///
/// # Errors
/// When the database does not take it.
pub fn mark_first_import(conn: &mut Conn) -> Result<()> {
    if !is_first_import_done(conn)? {
        diesel::insert_into(marks::table).values((marks::name.eq(FIRST_IMPORT), marks::moment.eq(now_naive()))).execute(conn)?;
    }
    Ok(())
}

/// Those of the list that match.
fn matching<'a>(filter: &DatasetFilter) -> ListedQuery<'a> {
    let mut query = datasets::table
        .inner_join(publishers::table)
        .filter(datasets::state.ne(State::Withdrawn.as_str()))
        .into_boxed::<<Conn as Connection>::Backend>();
    if let Some(theme) = &filter.theme {
        query = query.filter(datasets::theme.eq(theme.clone()));
    }
    if let Some(publisher) = &filter.publisher {
        query = query.filter(datasets::publisher.eq(publisher.clone()));
    }
    if let Some(open_type) = filter.open_type {
        query = query.filter(datasets::open_type.eq(open_type.as_str()));
    }
    if let Some(moment) = filter.changed_since {
        query = query.filter(datasets::updated_at.ge(moment));
    }
    query
}

type ListedQuery<'a> =
    diesel::helper_types::IntoBoxed<'a, diesel::helper_types::InnerJoin<datasets::table, publishers::table>, <Conn as Connection>::Backend>;

/// Datasets that match, by slug, after the one named `after`.
///
/// # Errors
/// When the database does not answer.
pub fn list(conn: &mut Conn, filter: &DatasetFilter, after: Option<&str>, limit: i64) -> Result<DatasetPage> {
    let total = total(conn, filter)?;
    let (datasets, more) = list_on(conn, filter, after, limit)?;
    Ok(DatasetPage { datasets, total, more })
}

/// How many datasets match.
///
/// # Errors
/// When the database does not answer.
pub fn total(conn: &mut Conn, filter: &DatasetFilter) -> Result<i64> {
    Ok(matching(filter).count().get_result(conn)?)
}

/// [`list`] without counting how many there are in all, and whether more follow: for whoever goes through the whole list.
///
/// # Errors
/// When the database does not answer.
pub fn list_on(conn: &mut Conn, filter: &DatasetFilter, after: Option<&str>, limit: i64) -> Result<(Vec<Dataset>, bool)> {
    let mut page = matching(filter);
    if let Some(after) = after {
        page = page.filter(datasets::slug.gt(after.to_owned()));
    }
    let columns = (DatasetRow::as_select(), (publishers::name_zh, publishers::name_en));
    let mut rows: Vec<NamedRow> = page.order(datasets::slug).limit(limit + 1).select(columns).load(conn)?;
    let more = rows.len() as i64 > limit;
    rows.truncate(limit as usize);
    Ok((rows.into_iter().map(shown).collect::<Result<_>>()?, more))
}

/// When any dataset of the list last changed.
///
/// # Errors
/// When the database does not answer.
pub fn last_change(conn: &mut Conn) -> Result<Option<NaiveDateTime>> {
    let listed = datasets::table.filter(datasets::state.ne(State::Withdrawn.as_str()));
    Ok(listed.order((datasets::updated_at.desc(), datasets::slug)).select(datasets::updated_at).first(conn).optional()?)
}

/// Datasets by when they changed, the latest first, after the one that changed at that moment and has that slug; and whether more follow.
///
/// # Errors
/// When the database does not answer.
pub fn latest_changes(conn: &mut Conn, after: Option<(NaiveDateTime, String)>, limit: i64) -> Result<(Vec<Dataset>, bool)> {
    let listed = datasets::table.filter(datasets::state.ne(State::Withdrawn.as_str()));
    let mut page = listed.inner_join(publishers::table).into_boxed::<<Conn as Connection>::Backend>();
    if let Some((moment, slug)) = after {
        page = page.filter(datasets::updated_at.lt(moment).or(datasets::updated_at.eq(moment).and(datasets::slug.gt(slug))));
    }
    let columns = (DatasetRow::as_select(), (publishers::name_zh, publishers::name_en));
    let order = (datasets::updated_at.desc(), datasets::slug);
    let mut rows: Vec<NamedRow> = page.order(order).limit(limit + 1).select(columns).load(conn)?;
    let more = rows.len() as i64 > limit;
    rows.truncate(limit as usize);
    Ok((rows.into_iter().map(shown).collect::<Result<_>>()?, more))
}

/// Slugs in their order with when each dataset last changed, after that slug, `limit` at the most.
///
/// # Errors
/// When the database does not answer.
pub fn slugs_after(conn: &mut Conn, after: Option<&str>, limit: i64) -> Result<Vec<(String, NaiveDateTime)>> {
    let rows = datasets::table.filter(datasets::state.ne(State::Withdrawn.as_str())).filter(datasets::slug.gt(after.unwrap_or_default()));
    Ok(rows.order(datasets::slug).limit(limit).select((datasets::slug, datasets::updated_at)).load(conn)?)
}

/// The slug that is `steps` places behind that slug, where there are so many.
///
/// # Errors
/// When the database does not answer.
pub fn slug_behind(conn: &mut Conn, after: Option<&str>, steps: i64) -> Result<Option<String>> {
    let rows = datasets::table.filter(datasets::state.ne(State::Withdrawn.as_str())).filter(datasets::slug.gt(after.unwrap_or_default()));
    Ok(rows.order(datasets::slug).offset(steps - 1).limit(1).select(datasets::slug).first(conn).optional()?)
}

/// The dataset of that name as everybody sees it: of one that is suspended neither a version nor an example.
///
/// # Errors
/// When there is none, or it was withdrawn.
pub fn find(conn: &mut Conn, slug: &str) -> Result<Dataset> {
    let dataset = shown(row_of(conn, slug)?)?;
    if dataset.state == State::Withdrawn {
        let last = standing(conn, &dataset)?;
        return Err(withdrawn(slug, last.as_ref()));
    }
    Ok(dataset)
}

/// The dataset of that name, whatever its state: for those who keep the list, and for what is on record of one that was withdrawn.
///
/// # Errors
/// When there is none.
pub fn find_any(conn: &mut Conn, slug: &str) -> Result<Dataset> {
    row_of(conn, slug)?.try_into()
}

fn row_of(conn: &mut Conn, slug: &str) -> Result<NamedRow> {
    let row: Option<NamedRow> = datasets::table
        .inner_join(publishers::table)
        .filter(datasets::slug.eq(slug))
        .select((DatasetRow::as_select(), (publishers::name_zh, publishers::name_en)))
        .first(conn)
        .optional()?;
    row.ok_or_else(|| Error::not_found("dataset", slug))
}

/// The datasets of these names, as far as the list has them, by slug.
///
/// # Errors
/// When the database does not answer.
pub fn named(conn: &mut Conn, slugs: &[String]) -> Result<Vec<Dataset>> {
    let rows: Vec<NamedRow> = datasets::table
        .inner_join(publishers::table)
        .filter(datasets::slug.eq_any(slugs))
        .filter(datasets::state.ne(State::Withdrawn.as_str()))
        .order(datasets::slug)
        .select((DatasetRow::as_select(), (publishers::name_zh, publishers::name_en)))
        .load(conn)?;
    rows.into_iter().map(shown).collect()
}

/// The slug of the dataset with that id.
///
/// # Errors
/// When the database does not answer.
pub fn slug_of(conn: &mut Conn, id: &str) -> Result<Option<String>> {
    let listed = datasets::table.find(id).filter(datasets::state.ne(State::Withdrawn.as_str()));
    Ok(listed.select(datasets::slug).first(conn).optional()?)
}

/// The names of a publisher's datasets.
///
/// # Errors
/// When the database does not answer.
pub fn slugs_of(conn: &mut Conn, publisher: &str) -> Result<Vec<String>> {
    Ok(datasets::table.filter(datasets::publisher.eq(publisher)).order(datasets::slug).select(datasets::slug).load(conn)?)
}

/// All publishers, by slug.
///
/// # Errors
/// When the database does not answer.
pub fn publishers(conn: &mut Conn) -> Result<Vec<Publisher>> {
    type Row = (String, String, String, Option<String>, String);
    let rows: Vec<Row> = publishers::table.order(publishers::slug).load(conn)?;
    rows.into_iter()
        .map(|(slug, zh, en, uscc, contact)| Ok(Publisher { slug, name: Text { zh, en }, uscc, contact: serde_json::from_str(&contact)? }))
        .collect()
}

/// How to reach a publisher.
///
/// # Errors
/// When there is none of that name.
pub fn publisher_contact(conn: &mut Conn, slug: &str) -> Result<Contact> {
    let contact: Option<String> = publishers::table.find(slug).select(publishers::contact_json).first(conn).optional()?;
    Ok(serde_json::from_str(&contact.ok_or_else(|| Error::not_found("publisher", slug))?)?)
}

/// All themes, in the curators' order.
///
/// # Errors
/// When the database does not answer.
pub fn themes(conn: &mut Conn) -> Result<Vec<Theme>> {
    let columns = (themes::slug, themes::name_zh, themes::name_en, themes::data_theme);
    let rows: Vec<(String, String, String, Option<String>)> =
        themes::table.order((themes::position, themes::slug)).select(columns).load(conn)?;
    Ok(rows.into_iter().map(|(slug, zh, en, data_theme)| Theme { slug, name: Text { zh, en }, data_theme }).collect())
}

/// Adds or changes a publisher, with its ledger entry where it is new or changed.
///
/// # Errors
/// When the database does not take it.
pub fn put_publisher(conn: &mut Conn, actor: &str, publisher: &Publisher) -> Result<()> {
    let contact = serde_json::to_string(&publisher.contact)?;
    type Row = (String, String, String, Option<String>, String);
    let row: Row = (publisher.slug.clone(), publisher.name.zh.clone(), publisher.name.en.clone(), publisher.uscc.clone(), contact);
    let known: Option<Row> = publishers::table.find(&publisher.slug).first(conn).optional()?;
    if known.as_ref() == Some(&row) {
        return Ok(());
    }
    let values =
        (publishers::name_zh.eq(&row.1), publishers::name_en.eq(&row.2), publishers::uscc.eq(&row.3), publishers::contact_json.eq(&row.4));
    if known.is_some() {
        diesel::update(publishers::table.find(&publisher.slug)).set(values).execute(conn)?;
    } else {
        diesel::insert_into(publishers::table).values((publishers::slug.eq(&publisher.slug), values)).execute(conn)?;
    }
    // Not the values themselves: a contact may be a person's.
    let detail = json!({ "sha256": sha256_hex(serde_json::to_string(&row)?.as_bytes()) });
    ledger::append(conn, Kind::PublisherUpdated, actor, &format!("publisher:{}", publisher.slug), &detail)?;
    Ok(())
}

/// Adds or changes a theme, with its ledger entry where it is new or changed.
///
/// # Errors
/// When the database does not take it.
pub fn put_theme(conn: &mut Conn, actor: &str, theme: &Theme, position: i32) -> Result<()> {
    let row = (theme.name.zh.clone(), theme.name.en.clone(), position, theme.data_theme.clone());
    let columns = (themes::name_zh, themes::name_en, themes::position, themes::data_theme);
    let known: Option<(String, String, i32, Option<String>)> = themes::table.find(&theme.slug).select(columns).first(conn).optional()?;
    if known.as_ref() == Some(&row) {
        return Ok(());
    }
    let values =
        (themes::name_zh.eq(&row.0), themes::name_en.eq(&row.1), themes::position.eq(position), themes::data_theme.eq(&theme.data_theme));
    if known.is_some() {
        diesel::update(themes::table.find(&theme.slug)).set(values).execute(conn)?;
    } else {
        diesel::insert_into(themes::table).values((themes::slug.eq(&theme.slug), values)).execute(conn)?;
    }
    let detail = json!({ "name": theme.name, "position": position, "data_theme": theme.data_theme });
    ledger::append(conn, Kind::ThemeUpdated, actor, &format!("theme:{}", theme.slug), &detail)?;
    Ok(())
}
