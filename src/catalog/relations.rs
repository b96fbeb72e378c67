//! What entries say of each other: relations, code lists of other datasets, and the codes that no two may share.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::entry::{Entry, Text};
use super::record::{Related, Relation};
use super::state::State;
use super::store::Dataset;
use crate::db::Conn;
use crate::db::schema::{datasets, relations};
use crate::error::{Error, Result};

/// A dataset that another one names, or that names another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RelatedDataset {
    /// Its slug.
    pub slug: String,
    /// Its title.
    pub title: Text,
    /// The relation.
    pub relation: Relation,
    /// Whether the other dataset says so of this one: then the relation is read from there.
    pub inverse: bool,
}

/// The key of an entry that is wrong, and what is wrong with it, by the entry's slug.
pub type Clashes = BTreeMap<String, Vec<(String, String)>>;

/// Keeps what an entry is related to.
pub(super) fn put_relations(conn: &mut Conn, dataset_id: &str, related: &[Related]) -> Result<()> {
    diesel::delete(relations::table.filter(relations::dataset_id.eq(dataset_id))).execute(conn)?;
    for (position, one) in (0..).zip(related) {
        let row = (
            relations::dataset_id.eq(dataset_id),
            relations::position.eq(position),
            relations::kind.eq(one.relation.as_str()),
            relations::target.eq(&one.dataset),
        );
        diesel::insert_into(relations::table).values(row).execute(conn)?;
    }
    Ok(())
}

/// The datasets that this one names, and then those that name this one.
///
/// # Errors
/// When the database does not answer.
pub fn related(conn: &mut Conn, slug: &str, entry: &Entry) -> Result<Vec<RelatedDataset>> {
    let mut found = Vec::new();
    for one in &entry.related {
        if let Some(title) = title_of(conn, &one.dataset)? {
            found.push(RelatedDataset { slug: one.dataset.clone(), title, relation: one.relation, inverse: false });
        }
    }
    let naming: Vec<(String, String, String)> = relations::table
        .inner_join(datasets::table)
        .filter(relations::target.eq(slug))
        .filter(datasets::state.ne(State::Withdrawn.as_str()))
        .order((datasets::slug, relations::position))
        .select((datasets::slug, relations::kind, datasets::entry_json))
        .load(conn)?;
    let mutual: BTreeSet<&str> =
        entry.related.iter().filter(|one| one.relation == Relation::SeeAlso).map(|one| one.dataset.as_str()).collect();
    for (other, kind, json) in naming {
        let relation: Relation = serde_json::from_value(serde_json::Value::String(kind))?;
        // One that is named from both sides stands once.
        if relation.has_order() || !mutual.contains(other.as_str()) {
            let Titled { title } = serde_json::from_str(&json)?;
            found.push(RelatedDataset { slug: other, title, relation, inverse: true });
        }
    }
    Ok(found)
}

/// Takes out of an entry what names a dataset that the list has no longer.
///
/// # Errors
/// When the database does not answer.
pub fn forget_unlisted(conn: &mut Conn, entry: &mut Entry) -> Result<()> {
    let related = entry.related.iter().map(|one| one.dataset.clone());
    let named: BTreeSet<String> =
        related.chain(entry.fields.iter().filter_map(|field| Some(field.codes_of.as_ref()?.dataset.clone()))).collect();
    if named.is_empty() {
        return Ok(());
    }
    let withdrawn = datasets::table.filter(datasets::slug.eq_any(named)).filter(datasets::state.eq(State::Withdrawn.as_str()));
    let withdrawn: Vec<String> = withdrawn.select(datasets::slug).load(conn)?;
    entry.related.retain(|one| !withdrawn.contains(&one.dataset));
    for field in &mut entry.fields {
        field.codes_of = field.codes_of.take().filter(|of| !withdrawn.contains(&of.dataset));
    }
    Ok(())
}

/// A dataset that another one names, or that names another one, without its title.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The other dataset's slug.
    pub slug: String,
    /// The relation.
    pub relation: Relation,
    /// Whether the other dataset says so of this one.
    pub inverse: bool,
}

/// [`related`] for several datasets at once, by their slugs and without titles. What is named from both sides stands twice.
///
/// # Errors
/// When the database does not answer.
pub fn links_of(conn: &mut Conn, of: &[Dataset]) -> Result<BTreeMap<String, Vec<Link>>> {
    let named: Vec<&str> = of.iter().flat_map(|dataset| &dataset.entry.related).map(|one| one.dataset.as_str()).collect();
    let listed = datasets::table.filter(datasets::slug.eq_any(named)).filter(datasets::state.ne(State::Withdrawn.as_str()));
    let known: Vec<String> = listed.select(datasets::slug).load(conn)?;
    let known: BTreeSet<String> = known.into_iter().collect();
    let mut links: BTreeMap<String, Vec<Link>> = BTreeMap::new();
    for dataset in of {
        let there = dataset.entry.related.iter().filter(|one| known.contains(&one.dataset));
        let of_this = there.map(|one| Link { slug: one.dataset.clone(), relation: one.relation, inverse: false });
        links.entry(dataset.slug.clone()).or_default().extend(of_this);
    }
    let slugs: Vec<&str> = of.iter().map(|dataset| dataset.slug.as_str()).collect();
    let naming: Vec<(String, String, String)> = relations::table
        .inner_join(datasets::table)
        .filter(relations::target.eq_any(slugs))
        .filter(datasets::state.ne(State::Withdrawn.as_str()))
        .order((datasets::slug, relations::position))
        .select((relations::target, datasets::slug, relations::kind))
        .load(conn)?;
    for (target, slug, kind) in naming {
        let relation: Relation = serde_json::from_value(serde_json::Value::String(kind))?;
        links.entry(target).or_default().push(Link { slug, relation, inverse: true });
    }
    Ok(links)
}

/// Of an entry, its title alone.
#[derive(Deserialize)]
struct Titled {
    title: Text,
}

/// What the list says of a dataset that it has.
fn listed_json(conn: &mut Conn, slug: &str) -> Result<Option<String>> {
    let listed = datasets::table.filter(datasets::slug.eq(slug)).filter(datasets::state.ne(State::Withdrawn.as_str()));
    Ok(listed.select(datasets::entry_json).first(conn).optional()?)
}

fn title_of(conn: &mut Conn, slug: &str) -> Result<Option<Text>> {
    let json = listed_json(conn, slug)?;
    json.map(|json| serde_json::from_str(&json).map(|Titled { title }| title).map_err(Error::from)).transpose()
}

/// What the list says, or said, of a dataset. One that was withdrawn may go on being named: it is shown to nobody, and comes back with its reopening.
fn known_entry(conn: &mut Conn, slug: &str) -> Result<Option<Entry>> {
    let json: Option<String> = datasets::table.filter(datasets::slug.eq(slug)).select(datasets::entry_json).first(conn).optional()?;
    json.map(|json| serde_json::from_str(&json).map_err(Error::from)).transpose()
}

/// What is wrong between entries that are about to be put into the list, and between them and what the list holds.
///
/// # Errors
/// When the database does not answer.
pub fn clashes(conn: &mut Conn, new: &BTreeMap<&str, &Entry>) -> Result<Clashes> {
    let mut codes: BTreeMap<(&'static str, &str), Vec<&str>> = BTreeMap::new();
    for (slug, entry) in new {
        for (key, of) in CODES {
            if let Some(code) = of(entry) {
                codes.entry((key, code.as_str())).or_default().push(slug);
            }
        }
    }
    let mut look = Look { conn, new, codes, known: BTreeMap::new() };
    let mut clashes = Clashes::new();
    for (slug, entry) in new {
        let mut faults = codes_taken(&mut look, slug, entry)?;
        faults.extend(relations_of(&mut look, slug, entry)?);
        faults.extend(code_lists(&mut look, slug, entry)?);
        if !faults.is_empty() {
            clashes.insert((*slug).to_owned(), faults);
        }
    }
    Ok(clashes)
}

/// Entries by slug: those that are new, and those of the list beside them.
struct Look<'a> {
    conn: &'a mut Conn,
    new: &'a BTreeMap<&'a str, &'a Entry>,
    /// Which of those that are new have a code, by its key and itself.
    codes: BTreeMap<(&'static str, &'a str), Vec<&'a str>>,
    known: BTreeMap<String, Option<Entry>>,
}

impl Look<'_> {
    fn entry(&mut self, slug: &str) -> Result<Option<&Entry>> {
        if let Some(entry) = self.new.get(slug) {
            return Ok(Some(entry));
        }
        if !self.known.contains_key(slug) {
            let entry = known_entry(self.conn, slug)?;
            self.known.insert(slug.to_owned(), entry);
        }
        Ok(self.known.get(slug).and_then(Option::as_ref))
    }
}

/// A code of an entry.
type CodeOf = fn(&Entry) -> Option<&String>;

/// The codes of an entry, by key.
const CODES: [(&str, CodeOf); 2] = [("code", |entry| entry.code.as_ref()), ("registration_code", |entry| entry.registration_code.as_ref())];

fn codes_taken(look: &mut Look<'_>, slug: &str, entry: &Entry) -> Result<Vec<(String, String)>> {
    let mut faults = Vec::new();
    let mut taken = |key: &str, code: &str, by: &str| faults.push((key.to_owned(), format!("`{code}` is the code of `{by}` already")));
    for (key, of) in CODES {
        let Some(code) = of(entry) else { continue };
        let others = look.codes.get(&(key, code.as_str())).into_iter().flatten();
        if let Some(other) = others.copied().find(|other| *other != slug) {
            taken(key, code, other);
            continue;
        }
        let holds = datasets::table.select(datasets::slug).into_boxed::<<Conn as diesel::Connection>::Backend>();
        let holds = if key == "code" { holds.filter(datasets::code.eq(code)) } else { holds.filter(datasets::registration_code.eq(code)) };
        let holder: Option<String> = holds.first(look.conn).optional()?;
        // One that gives its code up in the same import is in `new` with another code.
        if let Some(holder) = holder.filter(|holder| holder != slug && !look.new.contains_key(holder.as_str())) {
            taken(key, code, &holder);
        }
    }
    Ok(faults)
}

fn relations_of(look: &mut Look<'_>, slug: &str, entry: &Entry) -> Result<Vec<(String, String)>> {
    let mut faults = Vec::new();
    for (at, one) in entry.related.iter().enumerate() {
        let key = format!("related[{at}].dataset");
        if look.entry(&one.dataset)?.is_none() {
            faults.push((key, format!("there is no dataset `{}`", one.dataset)));
        } else if one.relation.has_order()
            && let Some(way) = way_back(look, slug, &one.dataset, one.relation)?
        {
            let kind = one.relation.as_str();
            faults.push((key, format!("`{kind}` goes round in a circle: {}; take one of these out", way.join(" → "))));
        }
    }
    Ok(faults)
}

/// The way along relations of one kind from a dataset to `slug`, which names it.
fn way_back(look: &mut Look<'_>, slug: &str, from: &str, kind: Relation) -> Result<Option<Vec<String>>> {
    // Each dataset that is reached, with the one before it.
    let mut before = BTreeMap::from([(from.to_owned(), slug.to_owned())]);
    let mut open = vec![from.to_owned()];
    while let Some(at) = open.pop() {
        if at == slug {
            let mut way = vec![at];
            while let Some(last) = way.last().and_then(|last| before.remove(last)) {
                way.push(last);
            }
            way.reverse();
            return Ok(Some(way));
        }
        let next: Vec<String> = match look.entry(&at)? {
            Some(entry) => entry.related.iter().filter(|one| one.relation == kind).map(|one| one.dataset.clone()).collect(),
            None => Vec::new(),
        };
        for next in next {
            if !before.contains_key(&next) {
                before.insert(next.clone(), at.clone());
                open.push(next);
            }
        }
    }
    Ok(None)
}

fn code_lists(look: &mut Look<'_>, slug: &str, entry: &Entry) -> Result<Vec<(String, String)>> {
    let mut faults = Vec::new();
    for (at, field) in entry.fields.iter().enumerate() {
        let Some(of) = &field.codes_of else { continue };
        let mut fault = |key: &str, detail: String| faults.push((format!("fields[{at}].codes_of.{key}"), detail));
        if of.dataset == slug && of.field == field.name {
            fault("field", "a field does not list its own codes".to_owned());
            continue;
        }
        match look.entry(&of.dataset)? {
            None => fault("dataset", format!("there is no dataset `{}`", of.dataset)),
            Some(other) if other.field(&of.field).is_none() => fault("field", format!("`{}` has no field `{}`", of.dataset, of.field)),
            Some(_) => {}
        }
    }
    Ok(faults)
}
