//! What every standard is mapped from: all that is public about a dataset, with whole addresses.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::web;
use chrono::NaiveDateTime;

use crate::app::App;
use crate::catalog::{self, Contact, Dataset, DatasetFilter, DatasetKind, Link, Newest, OpenType, Publisher, SubjectClass, Text, Theme};
use crate::db::Conn;
use crate::error::{Error, Result};
use crate::feedback::{self, Objections};
use crate::read::{Format, known_files};
use crate::storage::Object;

/// How many datasets are read from the database at once.
pub const AT_ONCE: i64 = 500;

/// The list itself.
#[derive(Debug, Clone)]
pub struct Site {
    /// The address of the service, without a slash at its end.
    pub base: String,
    /// The body that answers for the list, where it is one of the publishers.
    pub publisher: Option<Publisher>,
    /// Where questions about the list go.
    pub email: Option<String>,
}

impl Site {
    /// The list of this service.
    pub fn of(app: &App, publishers: &[Publisher]) -> Self {
        let publisher = publishers.iter().find(|publisher| publisher.slug == app.settings.list.publisher).cloned();
        Site { base: app.issuer.clone(), publisher, email: app.settings.list.contact_email.clone() }
    }

    /// Its name.
    pub fn title() -> Text {
        Text { zh: "徐汇区公共数据资源开放清单".to_owned(), en: "Open data list of Xuhui District".to_owned() }
    }

    /// What it is.
    pub fn description() -> Text {
        Text {
            zh: "徐汇区各数据开放主体的公共数据资源：无条件开放的可直接获取，有条件开放的经申请获批后获取，非开放的只列名称。".to_owned(),
            en: "The public data of the bodies of Xuhui District: open to everybody, open to registered firms whose application was approved, or \
                 closed and listed by name only."
                .to_owned(),
        }
    }

    /// A whole address on this service.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The table in a format.
    Table(Format),
    /// All files of a collection as one tar archive.
    Archive,
}

impl Kind {
    /// Its name: `csv`, `archive`.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Table(format) => format.as_str(),
            Kind::Archive => "archive",
        }
    }

    /// What a file of it ends with.
    pub fn ending(self) -> &'static str {
        match self {
            Kind::Table(format) => format.ending(),
            Kind::Archive => "tar",
        }
    }

    /// Its media type, without parameters.
    pub fn media_type(self) -> &'static str {
        match self {
            Kind::Table(format) => format.media_type().split(';').next().unwrap_or_default(),
            Kind::Archive => "application/x-tar",
        }
    }
}

/// A file that a dataset can be had as.
#[derive(Debug, Clone)]
pub struct File {
    /// Its kind.
    pub kind: Kind,
    /// The address of the file of whichever version is the newest.
    pub newest: String,
    /// The address of the file of this version, which never changes.
    pub pinned: String,
    /// How large it is and its digest, where it is made already.
    pub object: Option<Object>,
}

/// Everything public about a dataset.
#[derive(Debug, Clone)]
pub struct Card {
    /// The address of its page, which is its name in every standard.
    pub page: String,
    /// The dataset. A contact that the entry leaves out is the publisher's, and types of fields are those of the newest version.
    pub dataset: Dataset,
    /// The body that publishes it.
    pub publisher: Publisher,
    /// Its theme.
    pub theme: Theme,
    /// Its national class.
    pub subject_class: Option<SubjectClass>,
    /// Its newest version.
    pub newest: Option<Newest>,
    /// The datasets that it is related to.
    pub links: Vec<Link>,
    /// What anybody can download.
    pub files: Vec<File>,
    /// Objections to it that are not settled.
    pub objections: Option<Objections>,
}

impl Card {
    /// The formats in which a release for a grant is named; the holder may take any other too.
    pub const BY_GRANT: [Format; 2] = [Format::Parquet, Format::Csv];

    /// Where the holder of a grant downloads; nobody else gets anything there.
    pub fn download_by_grant(&self, site: &Site, format: Format) -> String {
        site.at(&format!("/api/v1/datasets/{}/download?format={}", self.dataset.slug, format.as_str()))
    }

    /// Whether anybody may have its data.
    pub fn is_open(&self) -> bool {
        self.dataset.entry.open_type == OpenType::Unconditional
    }

    /// When its data last changed: that of its newest version, or of the entry where there is no data.
    pub fn data_changed_at(&self) -> NaiveDateTime {
        self.newest.as_ref().map_or(self.dataset.updated_at, |newest| newest.created_at)
    }

    /// Its identifier: the publisher's resource code, or its slug.
    pub fn identifier(&self) -> &str {
        self.dataset.entry.code.as_deref().unwrap_or(&self.dataset.slug)
    }

    /// Whom to ask.
    pub fn contact(&self) -> Option<&Contact> {
        self.dataset.entry.contact.as_ref()
    }

    /// The file of a kind.
    pub fn file(&self, format: Format) -> Option<&File> {
        self.files.iter().find(|file| file.kind == Kind::Table(format))
    }
}

/// Some datasets of the list, and what stands before and behind them.
pub struct Cards {
    /// The list.
    pub site: Site,
    /// The datasets, by slug.
    pub cards: Vec<Card>,
    /// How many there are in all.
    pub total: i64,
    /// Whether more follow.
    pub more: bool,
    /// When any dataset of the list last changed.
    pub changed_at: Option<NaiveDateTime>,
}

/// The datasets that match, after the one named `after`.
///
/// # Errors
/// When the database does not answer.
pub async fn page(app: &web::Data<App>, filter: DatasetFilter, after: Option<String>, limit: i64) -> Result<Cards> {
    let (reader, total) = (Arc::clone(&**app), app.total(&filter).await?);
    let reading = app.db.read(move |conn| {
        let (found, more) = catalog::list_on(conn, &filter, after.as_deref(), limit)?;
        let publishers = catalog::publishers(conn)?;
        let site = Site::of(&reader, &publishers);
        let cards = cards(conn, &site, &publishers, found)?;
        Ok(Cards { site, cards, total, more, changed_at: catalog::last_change(conn)? })
    });
    reading.await
}

/// The datasets of these names, in their order; one that has left the list is left out.
///
/// # Errors
/// When the database does not answer.
pub async fn named(app: &web::Data<App>, slugs: Vec<String>) -> Result<(Site, Vec<Card>)> {
    let reader = Arc::clone(&**app);
    let reading = app.db.read(move |conn| {
        let publishers = catalog::publishers(conn)?;
        let site = Site::of(&reader, &publishers);
        let datasets = catalog::named(conn, &slugs)?;
        let found = cards(conn, &site, &publishers, datasets)?;
        let mut found: BTreeMap<String, Card> = found.into_iter().map(|card| (card.dataset.slug.clone(), card)).collect();
        Ok((site, slugs.iter().filter_map(|slug| found.remove(slug)).collect()))
    });
    reading.await
}

/// One dataset.
///
/// # Errors
/// When there is none of that name.
pub async fn one(app: &web::Data<App>, slug: String) -> Result<(Site, Card)> {
    let reader = Arc::clone(&**app);
    let reading = app.db.read(move |conn| {
        let dataset = catalog::find(conn, &slug)?;
        let publishers = catalog::publishers(conn)?;
        let site = Site::of(&reader, &publishers);
        let found = cards(conn, &site, &publishers, vec![dataset])?.pop();
        Ok((site, found.ok_or_else(|| Error::not_found("dataset", &slug))?))
    });
    reading.await
}

fn cards(conn: &mut Conn, site: &Site, publishers: &[Publisher], datasets: Vec<Dataset>) -> Result<Vec<Card>> {
    let publishers: BTreeMap<&str, &Publisher> = publishers.iter().map(|publisher| (publisher.slug.as_str(), publisher)).collect();
    let themes: BTreeMap<String, Theme> = catalog::themes(conn)?.into_iter().map(|theme| (theme.slug.clone(), theme)).collect();
    let classes = catalog::subject_classes(conn)?;
    let mut newest = catalog::newest_of(conn, &datasets)?;
    let mut links = catalog::links_of(conn, &datasets)?;
    let mut objections = feedback::objections_to(conn, &datasets)?;
    let ids: Vec<&str> = newest.values().map(|newest| newest.id.as_str()).collect();
    let mut known = known_files(conn, &ids)?;
    let missing = |what: &str, slug: &str| Error::internal(anyhow::anyhow!("a dataset of the {what} `{slug}`, which is not there"));
    let card = |mut dataset: Dataset| {
        let publisher = publishers.get(dataset.entry.publisher.as_str()).copied();
        let publisher = publisher.ok_or_else(|| missing("publisher", &dataset.entry.publisher))?.clone();
        let theme = themes.get(&dataset.entry.theme).ok_or_else(|| missing("theme", &dataset.entry.theme))?.clone();
        let subject_class = classes.iter().find(|class| Some(&class.slug) == dataset.entry.subject_class.as_ref()).cloned();
        let contact = dataset.entry.contact.take().unwrap_or_default().or(&publisher.contact);
        dataset.entry.contact = contact.is_reachable().then_some(contact);
        let newest = newest.remove(&dataset.id);
        if let Some(newest) = &newest {
            dataset.entry.fields = catalog::with_types(std::mem::take(&mut dataset.entry.fields), &newest.fields);
        }
        let known = newest.as_ref().and_then(|newest| known.remove(&newest.id)).unwrap_or_default();
        let files = newest.as_ref().map(|newest| files(site, &dataset, newest, known)).unwrap_or_default();
        let page = site.at(&format!("/datasets/{}", dataset.slug));
        let links = links.remove(&dataset.slug).unwrap_or_default();
        let objections = objections.remove(&dataset.id);
        Ok(Card { page, publisher, theme, subject_class, newest, links, files, objections, dataset })
    };
    datasets.into_iter().map(card).collect()
}

/// What anybody can download of a version; of a dataset that is not open to everybody, nothing.
fn files(site: &Site, dataset: &Dataset, newest: &Newest, mut known: BTreeMap<Format, Object>) -> Vec<File> {
    let entry = &dataset.entry;
    if entry.open_type != OpenType::Unconditional {
        return Vec::new();
    }
    let api = site.at(&format!("/api/v1/datasets/{}", dataset.slug));
    let suits = |format: &Format| format.suits(&newest.fields, newest.row_count);
    let mut files: Vec<File> = Format::ALL
        .into_iter()
        .filter(suits)
        .map(|format| {
            let address = format!("{api}/download?format={}", format.as_str());
            let pinned = format!("{address}&version={}", newest.number);
            File { kind: Kind::Table(format), newest: address, pinned, object: known.remove(&format) }
        })
        .collect();
    if entry.kind == DatasetKind::Collection {
        let address = format!("{api}/archive");
        let pinned = format!("{address}?version={}", newest.number);
        files.push(File { kind: Kind::Archive, newest: address, pinned, object: None });
    }
    files
}
