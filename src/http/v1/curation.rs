//! What becomes of a dataset of the list: suspended, given out again, withdrawn, reopened.

use actix_web::{get, post, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::datasets::DatasetPath;
use super::{Reason, check_text};
use crate::app::App;
use crate::catalog::{self, Dataset, Ground, ListChange, State, Turn};
use crate::db::Conn;
use crate::error::Result;
use crate::feedback;
use crate::http::page::Page;
use crate::identity::Caller;

/// Why a dataset is not to be given out. Everybody reads it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroundedReason {
    /// The kind of reason.
    pub ground: Ground,
    /// The reason in words, in 3 to 2000 characters: name nobody, everybody reads it.
    #[schema(min_length = 3, max_length = 2000)]
    pub reason: String,
}

/// Where a dataset stands in the list.
#[derive(Debug, Serialize, ToSchema)]
pub struct DatasetStanding {
    /// Its name in addresses.
    slug: String,
    /// Whether it is given out.
    state: State,
    /// What the list said of it, the newest change first.
    changes: Vec<ListChange>,
}

async fn turn(app: &App, caller: Caller, slug: String, step: Turn, reason: String) -> Result<web::Json<DatasetStanding>> {
    let turned = app.db.write(move |conn| {
        let dataset = feedback::turn_dataset(conn, &caller, &slug, step, &reason)?;
        standing(conn, dataset)
    });
    Ok(web::Json(turned.await?))
}

fn standing(conn: &mut Conn, dataset: Dataset) -> Result<DatasetStanding> {
    let changes = catalog::history_of(conn, &dataset.id)?;
    Ok(DatasetStanding { slug: dataset.slug, state: dataset.state, changes })
}

/// Show what the list said of a dataset
///
/// Every change of its entry, the newest first, with the version of the list that it belongs to, what it is and why: also of a dataset that was
/// withdrawn.
#[utoipa::path(tag = "catalog", params(DatasetPath), responses((status = OK, body = Page<ListChange>)))]
#[get("/datasets/{slug}/history")]
pub async fn find_dataset_history(
    _caller: Caller,
    app: web::Data<App>,
    path: web::Path<DatasetPath>,
) -> Result<web::Json<Page<ListChange>>> {
    let slug = path.into_inner().slug;
    let found = app.db.read(move |conn| {
        let dataset = catalog::find_any(conn, &slug)?;
        catalog::history_of(conn, &dataset.id)
    });
    Ok(web::Json(Page::whole(found.await?)))
}

/// Suspend a dataset
///
/// At once, by a steward of its publisher, a reviewer or an operator. It stays in the list with the reason, which everybody reads, and nothing of it
/// is given out any more: no file, no row, no profile, no example; answers that are being sent break off, but those that a reverse proxy sends by itself (`accel_prefix`). Grants over it stay, and give nothing.
/// Data may be published meanwhile; it is given out when the dataset is restored.
#[utoipa::path(tag = "publishing", params(DatasetPath), security(("session" = [])), responses((status = OK, body = DatasetStanding)))]
#[post("/admin/datasets/{slug}/suspension")]
pub async fn suspend_dataset(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<DatasetPath>,
    body: web::Json<GroundedReason>,
) -> Result<web::Json<DatasetStanding>> {
    let reason = check_text("/reason", &body.reason, 3, 2000)?;
    turn(&app, caller, path.into_inner().slug, Turn::Suspend(body.ground), reason).await
}

/// Give a suspended dataset out again
///
/// By a reviewer or an operator who did not suspend it. While a rights claim on it waits, its decision gives it out again, and nothing else does.
#[utoipa::path(tag = "publishing", params(DatasetPath), security(("session" = [])), responses((status = OK, body = DatasetStanding)))]
#[post("/admin/datasets/{slug}/restoration")]
pub async fn restore_dataset(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<DatasetPath>,
    body: web::Json<Reason>,
) -> Result<web::Json<DatasetStanding>> {
    let reason = body.checked()?;
    turn(&app, caller, path.into_inner().slug, Turn::Restore, reason).await
}

/// Withdraw a dataset
///
/// By a reviewer or an operator, at once. It leaves the list, the search, every catalogue and feed; its versions are never read again, its public
/// releases are deleted, and every grant over it is revoked. Its addresses answer 410, and its history says why. A folder that still holds it is
/// refused at the next import.
#[utoipa::path(tag = "publishing", params(DatasetPath), security(("session" = [])), responses((status = OK, body = DatasetStanding)))]
#[post("/admin/datasets/{slug}/withdrawal")]
pub async fn withdraw_dataset(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<DatasetPath>,
    body: web::Json<GroundedReason>,
) -> Result<web::Json<DatasetStanding>> {
    let reason = check_text("/reason", &body.reason, 3, 2000)?;
    turn(&app, caller, path.into_inner().slug, Turn::Withdraw(body.ground), reason).await
}

/// Reopen a withdrawn dataset
///
/// By a reviewer or an operator who did not withdraw it. Its entry is in the list again as it was, without the data that it had: a steward
/// publishes what was mended as its next version. Grants that were revoked stay so.
#[utoipa::path(tag = "publishing", params(DatasetPath), security(("session" = [])), responses((status = OK, body = DatasetStanding)))]
#[post("/admin/datasets/{slug}/reopening")]
pub async fn reopen_dataset(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<DatasetPath>,
    body: web::Json<Reason>,
) -> Result<web::Json<DatasetStanding>> {
    let reason = body.checked()?;
    turn(&app, caller, path.into_inner().slug, Turn::Reopen, reason).await
}
