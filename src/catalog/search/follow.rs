//! How the index follows the ledger: what changed since the last look is taken in before anything is answered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use chrono::Datelike;
use tantivy::{Index, IndexWriter, TantivyDocument, Term};

use super::Search;
use super::index::{Known, document};
use crate::catalog::{
    self, Dataset, DatasetFilter, Newest, OpenType, Publisher, SubjectClass, Theme, findings, list_on, newest_of, publishers,
    subject_classes, themes,
};
use crate::clock::now_naive;
use crate::db::Conn;
use crate::error::{Error, Result};
use crate::ledger;

/// Memory of the writer.
const WRITER_BYTES: usize = 64 << 20;

/// After more changes than these the whole index is made anew.
const MOST_CHANGES: i64 = 100_000;

/// How many datasets are read at once.
const AT_ONCE: i64 = 500;

/// A column of more different values than these is no list of values.
const FEW_VALUES: i64 = 50;

/// Who writes the index.
pub struct Keeper {
    writer: IndexWriter,
    /// The last ledger entry that is in the index; none of a new one.
    cursor: Option<i64>,
    /// The hash of that entry as the index has it, until the ledger was asked: another one is of another database, or of a backup.
    unproven: Option<String>,
    /// The year in which it was made: periods that are still open reach into it.
    year: i32,
}

impl Keeper {
    pub(super) fn new(index: &Index) -> anyhow::Result<Self> {
        let payload = index.load_metas()?.payload;
        let read = payload.as_deref().and_then(|payload| {
            let mut words = payload.splitn(3, ' ');
            let (seq, year, hash) = (words.next()?, words.next()?, words.next()?);
            Some((seq.parse().ok()?, year.parse().ok()?, hash.to_owned()))
        });
        let ((cursor, year), unproven) = read.map_or(((None, this_year()), None), |(seq, year, hash)| ((Some(seq), year), Some(hash)));
        Ok(Keeper { writer: index.writer_with_num_threads(1, WRITER_BYTES)?, cursor, unproven, year })
    }
}

/// What all datasets share.
struct Names {
    publishers: BTreeMap<String, Publisher>,
    themes: BTreeMap<String, Theme>,
    classes: Vec<SubjectClass>,
}

impl Names {
    fn read(conn: &mut Conn) -> Result<Self> {
        Ok(Names {
            publishers: publishers(conn)?.into_iter().map(|publisher| (publisher.slug.clone(), publisher)).collect(),
            themes: themes(conn)?.into_iter().map(|theme| (theme.slug.clone(), theme)).collect(),
            classes: subject_classes(conn)?,
        })
    }
}

impl Search {
    /// Whether the index has what the ledger's entry `mark` changed.
    pub fn reaches(&self, mark: i64) -> bool {
        self.reached.load(Ordering::Acquire) >= mark
    }

    /// Brings the index up to the list, at least to the entry `mark` of the ledger.
    ///
    /// # Errors
    /// When the database does not answer, or the index cannot be written.
    pub fn follow(&self, conn: &mut Conn, mark: i64) -> Result<()> {
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(cursor), Some(hash)) = (keeper.cursor, keeper.unproven.clone()) {
            if hash_at(conn, cursor)? != hash {
                keeper.cursor = None;
            }
            keeper.unproven = None;
        }
        if keeper.year != this_year() {
            keeper.cursor = None;
        }
        if let Some(cursor) = keeper.cursor.filter(|cursor| *cursor >= mark) {
            self.reached.store(cursor, Ordering::Release);
            return Ok(());
        }
        let changes = match keeper.cursor {
            Some(cursor) => Some(ledger::list_changes(conn, cursor, MOST_CHANGES)?).filter(|changes| (changes.len() as i64) < MOST_CHANGES),
            None => None,
        };
        let done = match changes {
            Some(changes) => self.take_in(conn, &mut keeper, &changes, mark),
            None => self.make_anew(conn, &mut keeper, mark),
        };
        if done.is_err() {
            // What is half written is forgotten, and tried again by the next one who asks.
            keeper.writer.rollback().map_err(Error::internal)?;
        }
        done
    }

    /// Makes the whole index anew.
    ///
    /// # Errors
    /// When the database does not answer, or the index cannot be written.
    pub fn rebuild(&self, conn: &mut Conn) -> Result<()> {
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        self.make_anew(conn, &mut keeper, 0)
    }

    fn make_anew(&self, conn: &mut Conn, keeper: &mut Keeper, mark: i64) -> Result<()> {
        // Read before the list is: what changes meanwhile is taken in again.
        let last = ledger::last_entry(conn)?.max(mark);
        let names = Names::read(conn)?;
        keeper.writer.delete_all_documents().map_err(Error::internal)?;
        let mut after: Option<String> = None;
        loop {
            let (datasets, more) = list_on(conn, &DatasetFilter::default(), after.as_deref(), AT_ONCE)?;
            self.add(conn, keeper, &names, &datasets)?;
            after = datasets.last().map(|dataset| dataset.slug.clone());
            if !more {
                break;
            }
        }
        self.commit(conn, keeper, last)
    }

    fn take_in(&self, conn: &mut Conn, keeper: &mut Keeper, changes: &[(i64, String)], mark: i64) -> Result<()> {
        let last = changes.last().map_or(mark, |(seq, _)| (*seq).max(mark));
        let mut slugs: BTreeSet<String> = BTreeSet::new();
        for (_, subject) in changes {
            match subject.split_once(':') {
                Some(("dataset", slug)) => _ = slugs.insert(slug.to_owned()),
                Some(("publisher", slug)) => slugs.extend(catalog::slugs_of(conn, slug)?),
                Some(("theme", slug)) => slugs.extend(of_theme(conn, slug)?),
                // A class, or something that a newer program writes: any dataset may be another one.
                Some(_) | None => return self.make_anew(conn, keeper, last),
            }
        }
        let names = Names::read(conn)?;
        let slugs: Vec<String> = slugs.into_iter().collect();
        for some in slugs.chunks(AT_ONCE as usize) {
            for slug in some {
                keeper.writer.delete_term(Term::from_field_text(self.fields.slug, slug));
            }
            let datasets = catalog::named(conn, some)?;
            self.add(conn, keeper, &names, &datasets)?;
        }
        self.commit(conn, keeper, last)
    }

    fn commit(&self, conn: &mut Conn, keeper: &mut Keeper, last: i64) -> Result<()> {
        let mut prepared = keeper.writer.prepare_commit().map_err(Error::internal)?;
        prepared.set_payload(&format!("{last} {} {}", this_year(), hash_at(conn, last)?));
        prepared.commit().map_err(Error::internal)?;
        self.reader.reload().map_err(Error::internal)?;
        keeper.cursor = Some(last);
        keeper.year = this_year();
        self.reached.store(last, Ordering::Release);
        Ok(())
    }

    fn add(&self, conn: &mut Conn, keeper: &mut Keeper, names: &Names, datasets: &[Dataset]) -> Result<()> {
        let newest = newest_of(conn, datasets)?;
        for dataset in datasets {
            let newest = newest.get(&dataset.id);
            let known = Known {
                dataset,
                newest,
                publisher: names.publishers.get(&dataset.entry.publisher),
                theme: names.themes.get(&dataset.entry.theme),
                class: names.classes.iter().find(|class| Some(&class.slug) == dataset.entry.subject_class.as_ref()),
                formats: self.formats_of(dataset, newest),
                values: values(conn, dataset, newest)?,
            };
            let made: TantivyDocument = document(&self.fields, &known);
            keeper.writer.add_document(made).map_err(Error::internal)?;
        }
        Ok(())
    }

    fn formats_of(&self, dataset: &Dataset, newest: Option<&Newest>) -> Vec<&'static str> {
        match (dataset.entry.open_type, newest) {
            (OpenType::Unconditional, Some(newest)) => (self.formats)(&newest.fields, newest.row_count),
            (OpenType::Unconditional | OpenType::Conditional | OpenType::Closed, _) => Vec::new(),
        }
    }
}

fn this_year() -> i32 {
    now_naive().date().year()
}

/// The hash of an entry; that of none is empty.
fn hash_at(conn: &mut Conn, seq: i64) -> Result<String> {
    Ok(ledger::hash_of(conn, seq)?.unwrap_or_default())
}

fn of_theme(conn: &mut Conn, theme: &str) -> Result<Vec<String>> {
    let filter = DatasetFilter { theme: Some(theme.to_owned()), ..DatasetFilter::default() };
    let (mut slugs, mut after): (Vec<String>, Option<String>) = (Vec::new(), None);
    loop {
        let (datasets, more) = list_on(conn, &filter, after.as_deref(), AT_ONCE)?;
        slugs.extend(datasets.into_iter().map(|dataset| dataset.slug));
        after = slugs.last().cloned();
        if !more {
            return Ok(slugs);
        }
    }
}

/// Values of columns that have few, of data that is open to everybody and says nothing of a person.
fn values(conn: &mut Conn, dataset: &Dataset, newest: Option<&Newest>) -> Result<Vec<String>> {
    let Some(newest) = newest.filter(|_| dataset.entry.open_type == OpenType::Unconditional) else { return Ok(Vec::new()) };
    let found = findings(conn, &newest.id).inspect_err(|cause| {
        tracing::warn!(error = ?cause, dataset = %dataset.slug, "a dataset is found without its values: its profile cannot be read");
    });
    let Some(profile) = found.ok().and_then(|found| found.profile) else { return Ok(Vec::new()) };
    let is_public = |name: &str| dataset.entry.field(name).is_none_or(|field| field.sensitivity == catalog::Sensitivity::None);
    let few = profile.columns.iter().filter(|column| {
        column.field_type == catalog::FieldType::String && column.distinct_exact && column.distinct <= FEW_VALUES && is_public(&column.name)
    });
    Ok(few.flat_map(|column| column.top.iter().map(|top| top.value.clone())).collect())
}
