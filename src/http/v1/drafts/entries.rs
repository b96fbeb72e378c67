//! What drafts have entries say.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, ETAG};
use actix_web::{HttpRequest, HttpResponse, delete, get, put, web};
use chrono::NaiveDateTime;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::IdPath;
use super::super::datasets::DatasetPath;
use super::{expected, needed, tag};
use crate::app::App;
use crate::catalog::book;
use crate::catalog::drafts::{self, Draft, EntryLook, Put};
use crate::catalog::{ChangeCode, Entry, Scheme, ValueChange};
use crate::db::Conn;
use crate::error::{Error, Result};
use crate::http::page::{Page, PageQuery};
use crate::http::problem::Problem;
use crate::identity::Caller;

/// Which entry of which draft.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct EntryPath {
    /// The draft's id.
    id: String,
    /// The dataset's slug: one of the list, or a new one of 1 to 100 lower-case letters, digits and hyphens.
    slug: String,
}

/// What an entry shall say.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DraftEntryText {
    /// The whole entry.
    entry: Entry,
    /// `listed_sha256` as it was when the caller looked at the list; needed when an entry of the list first comes into the draft. Where the list has changed
    /// since, the answer is 412 with the differences. Without it, what the draft was begun from stays.
    base_sha256: Option<String>,
}

/// A remark on a value of an entry.
#[derive(Serialize, ToSchema)]
pub struct EntryRemark {
    /// The key in the entry, such as `fields[2].unit`.
    key: String,
    /// What is wrong or could be better, and what to do.
    detail: String,
}

/// What a draft has an entry say, beside the list as it is now.
#[derive(Serialize, ToSchema)]
pub struct DraftEntryView {
    /// The dataset's name in addresses.
    slug: String,
    /// Grows with each change of the entry; it is its `ETag`.
    revision: i32,
    /// Who changed it last, as in the ledger.
    edited_by: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    edited_at: NaiveDateTime,
    /// What kind of change it is; null where it says what the list says.
    code: Option<ChangeCode>,
    /// How it opens less than the list does now, in words: then the draft needs a reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    narrower: Option<String>,
    /// How it differs from the list as it is now; empty for a dataset that the list does not have.
    changes: Vec<ValueChange>,
    /// Whether the list has changed it since the draft was begun: then look again and put what shall stand, with `base_sha256`.
    moved: bool,
    /// The digest of what the list said when the draft was begun.
    base_sha256: Option<String>,
    /// The digest of what the list says now.
    listed_sha256: Option<String>,
    /// What stands in the way of its publication.
    faults: Vec<EntryRemark>,
    /// What could be better.
    advice: Vec<EntryRemark>,
    /// The whole entry.
    entry: Entry,
}

impl From<EntryLook> for DraftEntryView {
    fn from(look: EntryLook) -> Self {
        let remarks = |list: Vec<(String, String)>| list.into_iter().map(|(key, detail)| EntryRemark { key, detail }).collect();
        DraftEntryView {
            slug: look.entry.slug,
            revision: look.entry.revision,
            edited_by: look.entry.edited_by,
            edited_at: look.entry.edited_at,
            code: look.code,
            narrower: look.narrower,
            changes: look.values,
            moved: look.moved,
            base_sha256: look.entry.base_sha256,
            listed_sha256: look.listed_sha256,
            faults: remarks(look.faults),
            advice: remarks(look.advice),
            entry: look.entry.entry,
        }
    }
}

/// What the list says of a dataset, for those who edit it.
#[derive(Serialize, ToSchema)]
pub struct ListedEntry {
    /// The dataset's name in addresses.
    slug: String,
    /// The digest of the entry: `base_sha256` of a draft that begins from it.
    listed_sha256: String,
    /// The open draft that changes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    draft: Option<String>,
    /// The whole entry as it was written, also of a dataset that is suspended.
    entry: Entry,
}

fn one(conn: &mut Conn, grades: &Scheme, draft: &Draft, slug: &str) -> Result<DraftEntryView> {
    let found = drafts::look(conn, grades, draft, &[slug.to_owned()])?;
    found.into_iter().next().map(DraftEntryView::from).ok_or_else(|| Error::not_found("entry of this draft", slug))
}

fn answer(view: DraftEntryView) -> HttpResponse {
    HttpResponse::Ok().insert_header((ETAG, tag(view.revision))).json(view)
}

/// Show what the list says of a dataset
///
/// The whole entry, to begin a draft from. By a steward of its publisher, a reviewer, an operator or an auditor.
#[utoipa::path(tag = "curation", params(DatasetPath), security(("session" = [])), responses((status = OK, body = ListedEntry)))]
#[get("/admin/datasets/{slug}/entry")]
pub async fn find_listed_entry(caller: Caller, app: web::Data<App>, path: web::Path<DatasetPath>) -> Result<web::Json<ListedEntry>> {
    let slug = path.into_inner().slug;
    let found = app.db.read(move |conn| {
        let (listed_sha256, entry) = drafts::listed_for(conn, &caller, &slug)?;
        let draft = drafts::open_draft_of(conn, &slug)?.map(|(id, _)| id);
        Ok(ListedEntry { slug, listed_sha256, draft, entry })
    });
    Ok(web::Json(found.await?))
}

/// Which entries go into a book.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct BookOfQuery {
    /// Only of this publisher, by slug; of a steward it is their own.
    publisher: Option<String>,
}

/// Download the list as a workbook
///
/// XLSX with the sheets `datasets` and `fields`, to be edited in a spreadsheet and put into a draft: every entry of a steward's publisher, or, for a reviewer,
/// an operator or an auditor, of the publisher that is named, or of all. At most 20,000 entries.
#[utoipa::path(
    tag = "curation",
    params(BookOfQuery),
    security(("session" = [])),
    responses((status = OK, content_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", body = Vec<u8>))
)]
#[get("/admin/book")]
pub async fn download_book(caller: Caller, app: web::Data<App>, query: web::Query<BookOfQuery>) -> Result<HttpResponse> {
    let publisher = query.into_inner().publisher;
    let entries = app.db.read(move |conn| drafts::entries_for_book(conn, &caller, publisher.as_deref())).await?;
    let book = crate::db::blocking(move || book::to_xlsx(&entries)).await?;
    let headers = [(CONTENT_DISPOSITION, "attachment; filename=\"list.xlsx\""), (CACHE_CONTROL, "no-store"), (CONTENT_TYPE, XLSX)];
    let mut response = HttpResponse::Ok();
    headers.into_iter().for_each(|header| _ = response.insert_header(header));
    Ok(response.body(book))
}

/// The media type of a workbook.
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// List a draft's entries
///
/// By slug, each with how it differs from the list, what stands in its way and what could be better. The answer's `ETag` is the draft's as these entries
/// were read: whoever approves by what they have read sends that one, and finds the same with each page.
#[utoipa::path(tag = "curation", params(IdPath, PageQuery), security(("session" = [])), responses((status = OK, body = Page<DraftEntryView>)))]
#[get("/admin/drafts/{id}/entries")]
pub async fn list_draft_entries(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    page: web::Query<PageQuery>,
) -> Result<HttpResponse> {
    let id = path.into_inner().id;
    let list = format!("draft-entries {id}");
    let (limit, after, grades) = (page.limit()?, page.after(&list)?, app.tools().grades);
    let found = app.db.read(move |conn| {
        let draft = drafts::find_draft(conn, &caller, &id)?;
        let entries = drafts::draft_entries_after(conn, &draft, after.as_deref(), limit + 1)?;
        let slugs: Vec<String> = entries.into_iter().map(|one| one.slug).collect();
        Ok((drafts::look(conn, &grades, &draft, &slugs)?, draft))
    });
    let (looks, draft) = found.await?;
    let items = looks.into_iter().map(DraftEntryView::from).collect();
    let page = Page::cut(&list, items, draft.entries, limit, |view: &DraftEntryView| view.slug.clone());
    Ok(HttpResponse::Ok().insert_header((ETAG, tag(draft.revision))).json(page))
}

/// Show an entry of a draft
///
/// Its `ETag` names the revision that was read: who puts it again sends that as `If-Match`.
#[utoipa::path(tag = "curation", params(EntryPath), security(("session" = [])), responses((status = OK, body = DraftEntryView)))]
#[get("/admin/drafts/{id}/entries/{slug}")]
pub async fn find_draft_entry(caller: Caller, app: web::Data<App>, path: web::Path<EntryPath>) -> Result<HttpResponse> {
    let (EntryPath { id, slug }, grades) = (path.into_inner(), app.tools().grades);
    let found = app.db.read(move |conn| {
        let draft = drafts::find_draft(conn, &caller, &id)?;
        one(conn, &grades, &draft, &slug)
    });
    Ok(answer(found.await?))
}

/// Put an entry into a draft
///
/// The whole of what it shall say, of a dataset of the list or of a new one. Values may still be wrong: `faults` says which, and with any the draft is not handed in.
/// Where the draft has the entry already, `If-Match` names the revision that was read; when somebody else has changed it since, the answer is 412, and
/// `errors` says how what there is differs from what came. One open draft at a time changes a dataset.
#[utoipa::path(
    tag = "curation",
    params(EntryPath, ("If-Match" = Option<String>, Header, description = "The ETag of the entry that was read, where the draft has it already")),
    security(("session" = [])),
    responses(
        (status = OK, body = DraftEntryView),
        (status = PRECONDITION_FAILED, body = Problem),
        (status = PRECONDITION_REQUIRED, body = Problem)
    )
)]
#[put("/admin/drafts/{id}/entries/{slug}")]
pub async fn put_draft_entry(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<EntryPath>,
    request: HttpRequest,
    body: web::Json<DraftEntryText>,
) -> Result<HttpResponse> {
    let (EntryPath { id, slug }, grades) = (path.into_inner(), app.tools().grades);
    let DraftEntryText { entry, base_sha256 } = body.into_inner();
    let put = Put { slug: slug.clone(), entry, expected: expected(&request)?, base_sha256 };
    let (who, draft) = (caller.clone(), id.clone());
    app.db.write(move |conn| drafts::put_draft_entry(conn, &who, &draft, put).map(|_put| ())).await.map_err(Error::in_body)?;
    // Looked at beside those who write: a draft may have thousands of entries.
    let found = app.db.read(move |conn| {
        let draft = drafts::find_draft(conn, &caller, &id)?;
        one(conn, &grades, &draft, &slug)
    });
    Ok(answer(found.await?))
}

/// Take an entry out of a draft
///
/// The list keeps what it says of it. With `If-Match`.
#[utoipa::path(
    tag = "curation",
    params(EntryPath, ("If-Match" = String, Header, description = "The ETag of the entry that was read")),
    security(("session" = [])),
    responses((status = NO_CONTENT), (status = PRECONDITION_FAILED, body = Problem), (status = PRECONDITION_REQUIRED, body = Problem))
)]
#[delete("/admin/drafts/{id}/entries/{slug}")]
pub async fn remove_draft_entry(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<EntryPath>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let (EntryPath { id, slug }, expected) = (path.into_inner(), needed(&caller, &drafts::EDITORS, &request)?);
    app.db.write(move |conn| drafts::take_out(conn, &caller, &id, &slug, expected)).await?;
    Ok(HttpResponse::NoContent().finish())
}
