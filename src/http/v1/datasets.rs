//! The open list: entries, versions, publishers, themes.

use actix_web::{get, web};
use chrono::NaiveDateTime;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::catalog::{
    self, Dataset, DatasetKind, Due, Entry, Field, Grading, ListChange, OpenType, Publisher, RelatedDataset, State, SubjectClass, Text,
    Theme, Version,
};
use crate::clock::{now_naive, shanghai};
use crate::db::Conn;
use crate::error::Result;
use crate::feedback::{self, Objections, Ratings};
use crate::http::page::Page;
use crate::identity::Caller;
use crate::intake::Combination;
use crate::read::Format;

/// A dataset by name.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct DatasetPath {
    /// The dataset's slug.
    #[param(example = "xuhui-residents-committees")]
    pub slug: String,
}

/// A dataset in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct DatasetSummary {
    /// Its name in addresses.
    pub slug: String,
    /// Its title.
    pub title: Text,
    /// The publisher's slug.
    pub publisher: String,
    /// The theme's slug.
    pub theme: String,
    /// How far it is open.
    pub open_type: OpenType,
    /// Whether it is given out, or suspended.
    pub state: State,
    /// Whether its data is made up.
    pub synthetic: bool,
    /// The newest version's number.
    pub version: Option<i32>,
    /// Objections to it that are not settled: what it says may be wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objections: Option<Objections>,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    pub updated_at: NaiveDateTime,
}

impl DatasetSummary {
    /// The summaries of datasets, in their order.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn of(conn: &mut Conn, datasets: Vec<Dataset>) -> Result<Vec<Self>> {
        let mut objections = feedback::objections_to(conn, &datasets)?;
        let summary = |dataset: Dataset| DatasetSummary {
            objections: objections.remove(&dataset.id),
            slug: dataset.slug,
            title: dataset.entry.title,
            publisher: dataset.entry.publisher,
            theme: dataset.entry.theme,
            open_type: dataset.entry.open_type,
            state: dataset.state,
            synthetic: dataset.entry.synthetic,
            version: dataset.version,
            updated_at: dataset.updated_at,
        };
        Ok(datasets.into_iter().map(summary).collect())
    }
}

/// A dataset with everything that is public about it.
#[derive(Debug, Serialize, ToSchema)]
pub struct DatasetDetail {
    /// Its name in addresses.
    pub slug: String,
    /// The entry of the open list. Types of fields that the entry leaves out are those of the newest version, and a contact that it leaves out
    /// is the publisher's.
    #[serde(flatten)]
    pub entry: Entry,
    /// The newest version's number.
    pub version: Option<i32>,
    /// Rows of the newest version.
    pub rows: Option<i64>,
    /// When new data is due, where the list promises it for a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<Due>,
    /// Other datasets that this one names, and those that name this one.
    #[serde(rename = "related_datasets")]
    pub others: Vec<RelatedDataset>,
    /// Addresses of the public release, by format; only an unconditional dataset has them.
    pub downloads: Vec<Download>,
    /// Of a collection that is open to everybody, where all its files can be had as one tar archive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive: Option<String>,
    /// Whether it is given out: one that is suspended has neither a version nor examples for that time.
    pub state: State,
    /// Of one that is suspended, since when and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspension: Option<ListChange>,
    /// Objections to it that are not settled: what it says may be wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objections: Option<Objections>,
    /// How it is rated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratings: Option<Ratings>,
    /// How many things that were made with it are in the gallery.
    pub reuses: i64,
    /// When it came into the list.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    pub created_at: NaiveDateTime,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    pub updated_at: NaiveDateTime,
}

/// Where a file is.
#[derive(Debug, Serialize, ToSchema)]
pub struct Download {
    /// The format.
    #[schema(value_type = Format)]
    pub format: &'static str,
    /// The address, below that of the service.
    pub href: String,
}

/// A version without its data.
#[derive(Debug, Serialize, ToSchema)]
pub struct VersionSummary {
    /// From 1.
    pub version: i32,
    /// How many rows it has.
    pub rows: i64,
    /// Its columns.
    pub fields: Vec<Field>,
    /// When it was taken in.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    pub created_at: NaiveDateTime,
}

impl From<Version> for VersionSummary {
    fn from(version: Version) -> Self {
        VersionSummary { version: version.number, rows: version.row_count, fields: version.fields, created_at: version.created_at }
    }
}

/// Show a dataset
///
/// The whole entry with its fields. Of a conditional dataset this is public too: what it holds, what leaves, what is asked.
#[utoipa::path(tag = "catalog", params(DatasetPath), responses((status = OK, body = DatasetDetail)))]
#[get("/datasets/{slug}")]
pub async fn find_dataset(_caller: Caller, app: web::Data<App>, path: web::Path<DatasetPath>) -> Result<web::Json<DatasetDetail>> {
    let slug = path.into_inner().slug;
    Ok(web::Json(app.db.read(move |conn| detail(conn, &slug)).await?))
}

/// Show how a dataset is graded
///
/// By the active scheme of grades: the grade of each field, as it stands and as it leaves for a grant; how far the dataset may be open at most, which
/// fields force this, and what would lower their grades.
#[utoipa::path(tag = "catalog", params(DatasetPath), responses((status = OK, body = Grading)))]
#[get("/datasets/{slug}/grading")]
pub async fn find_grading(_caller: Caller, app: web::Data<App>, path: web::Path<DatasetPath>) -> Result<web::Json<Grading>> {
    let slug = path.into_inner().slug;
    let found = app.db.read(move |conn| {
        let dataset = catalog::find(conn, &slug)?;
        let combination = combination(conn, &dataset)?;
        Ok((dataset, combination))
    });
    let (dataset, combination) = found.await?;
    Ok(web::Json(app.grades.explain(&dataset.entry, combination.as_ref())))
}

/// What was found of the quasi-identifiers of the newest version; none where a person has looked at the version and published it all the same.
///
/// # Errors
/// When the database does not answer.
pub fn combination(conn: &mut Conn, dataset: &Dataset) -> Result<Option<Combination>> {
    match catalog::latest_version(conn, dataset)? {
        Some((version, _)) if version.resolution.is_none() => {
            Ok(catalog::findings(conn, &version.id)?.profile.and_then(|profile| profile.combination))
        }
        Some(_) | None => Ok(None),
    }
}

/// Everything that is public about a dataset.
///
/// # Errors
/// When there is none of that name.
pub fn detail(conn: &mut Conn, slug: &str) -> Result<DatasetDetail> {
    let dataset = catalog::find(conn, slug)?;
    let suspension = catalog::standing(conn, &dataset)?;
    let (objections, ratings) = (feedback::objections(conn, &dataset)?, feedback::ratings(conn, &dataset)?);
    let reuses = feedback::reuses_of(conn, &dataset)?;
    let version = catalog::latest_version(conn, &dataset)?.map(|(version, _)| version);
    let open = dataset.entry.open_type == OpenType::Unconditional && version.is_some();
    let mut entry = dataset.entry;
    let contact = entry.contact.take().unwrap_or_default().or(&catalog::publisher_contact(conn, &entry.publisher)?);
    entry.contact = contact.is_reachable().then_some(contact);
    let newest = version.as_ref().map(|version| shanghai(version.created_at).date());
    // Of what is not given out, nothing is late.
    let due = catalog::due(&entry, newest, shanghai(now_naive()).date()).filter(|_| suspension.is_none());
    let others = catalog::related(conn, slug, &entry)?;
    if let Some(version) = &version {
        entry.fields = catalog::with_types(entry.fields, &version.fields);
    }
    catalog::forget_unlisted(conn, &mut entry)?;
    let suits = |format: &Format| version.as_ref().is_some_and(|version| open && format.suits(&version.fields, version.row_count));
    let formats: Vec<Format> = Format::ALL.into_iter().filter(suits).collect();
    let downloads = formats
        .into_iter()
        .map(|format| Download { format: format.as_str(), href: format!("/api/v1/datasets/{slug}/download?format={}", format.as_str()) });
    let archive = (open && entry.kind == DatasetKind::Collection).then(|| format!("/api/v1/datasets/{slug}/archive"));
    Ok(DatasetDetail {
        downloads: downloads.collect(),
        archive,
        due,
        others,
        state: dataset.state,
        suspension,
        objections,
        ratings,
        reuses,
        slug: dataset.slug,
        entry,
        version: dataset.version,
        rows: version.map(|version| version.row_count),
        created_at: dataset.created_at,
        updated_at: dataset.updated_at,
    })
}

/// List versions
///
/// Every version of a dataset, newest first, without its data.
#[utoipa::path(tag = "catalog", params(DatasetPath), responses((status = OK, body = Page<VersionSummary>)))]
#[get("/datasets/{slug}/versions")]
pub async fn list_versions(_caller: Caller, app: web::Data<App>, path: web::Path<DatasetPath>) -> Result<web::Json<Page<VersionSummary>>> {
    let slug = path.into_inner().slug;
    let versions = app
        .db
        .read(move |conn| {
            let dataset = catalog::find(conn, &slug)?;
            dataset.require_published()?;
            catalog::versions(conn, &dataset)
        })
        .await?;
    Ok(web::Json(Page::whole(versions.into_iter().map(VersionSummary::from).collect())))
}

/// List publishers
///
/// Every public body that opens data.
#[utoipa::path(tag = "catalog", responses((status = OK, body = Page<Publisher>)))]
#[get("/publishers")]
pub async fn list_publishers(_caller: Caller, app: web::Data<App>) -> Result<web::Json<Page<Publisher>>> {
    Ok(web::Json(Page::whole(app.db.read(catalog::publishers).await?)))
}

/// List classes of subjects
///
/// The national classification that entries are put into besides their theme.
#[utoipa::path(tag = "catalog", responses((status = OK, body = Page<SubjectClass>)))]
#[get("/subject-classes")]
pub async fn list_subject_classes(_caller: Caller, app: web::Data<App>) -> Result<web::Json<Page<SubjectClass>>> {
    Ok(web::Json(Page::whole(app.db.read(catalog::subject_classes).await?)))
}

/// List themes
///
/// Every theme of the open list.
#[utoipa::path(tag = "catalog", responses((status = OK, body = Page<Theme>)))]
#[get("/themes")]
pub async fn list_themes(_caller: Caller, app: web::Data<App>) -> Result<web::Json<Page<Theme>>> {
    Ok(web::Json(Page::whole(app.db.read(catalog::themes).await?)))
}
