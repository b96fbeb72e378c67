//! Collects what nothing points at: objects of the store that a crash left behind, and uploads whose time is over.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::App;
use crate::access::applications::attachments;
use crate::catalog;
use crate::db::blocking;
use crate::error::Result;
use crate::intake::uploads;
use crate::jobs::{self, Outcome, Progress};
use crate::read;
use crate::storage::StoredObject;

/// What a running job has stored is left alone, and so long before it: clocks differ.
const MARGIN: Duration = Duration::from_secs(3600);

/// How old an orphan is. A large collection may take longer than the settings say, and is pointed at only at its end.
async fn age(app: &App) -> Result<Duration> {
    let wanted = Duration::from_secs(u64::from(app.settings.orphan_hours) * 3600);
    let since = app.db.read(jobs::running_since).await?;
    let running = since.and_then(|since| (crate::clock::now_naive() - since).to_std().ok());
    Ok(running.map_or(wanted, |running| wanted.max(running + MARGIN)))
}

/// Removes orphans that are older than the settings say: younger ones may be about to be pointed at.
pub(super) async fn collect(app: &Arc<App>, progress: &Arc<Progress>) -> Result<Outcome> {
    progress.stage("listing");
    let age = age(app).await?;
    let before = crate::clock::now_naive() - age;
    let sets_removed = app.db.write(move |conn| catalog::remove_orphan_sets(conn, before)).await?;
    let retention_days = app.settings.attachments.retention_days;
    let attachments_removed = app.db.write(move |conn| attachments::expire(conn, retention_days)).await?;
    let storage = app.storage.clone();
    // Listed first: whatever is pointed at later than this is in the database by the time that it is asked.
    let objects = blocking(move || {
        // A file from the future is young.
        let is_old = |stored: &StoredObject| stored.modified.elapsed().is_ok_and(|elapsed| elapsed >= age);
        storage.list().filter(|stored| stored.as_ref().map_or(true, is_old)).collect::<Result<Vec<_>>>()
    })
    .await?;
    let (mut removed, mut freed) = (0_u64, 0_u64);
    progress.stage("removing");
    for StoredObject { object, .. } in objects {
        if progress.is_stopping() {
            return Ok(Outcome::Cancelled);
        }
        let sha256 = object.sha256.clone();
        let known = app
            .db
            .read(move |conn| {
                let of_list = catalog::is_part(conn, &sha256)? || catalog::is_member(conn, &sha256)? || read::is_export(conn, &sha256)?;
                Ok(of_list || attachments::is_attachment(conn, &sha256)?)
            })
            .await?;
        // Looked at once more: somebody may have put the same bytes there again, and be about to point at them.
        if !known && app.storage.remove_older(&object, age).await? {
            (removed, freed) = (removed + 1, freed + object.size_bytes);
        }
        progress.tell(0, 0, removed);
    }
    let unfinished = app.storage.remove_unfinished(age).await?;
    // Files first: the row of an upload is there before its file.
    let incoming = app.storage.incoming().clone();
    let files = blocking(move || incoming.list()).await?;
    let kept = app.db.write(uploads::expire).await?;
    let incoming = app.storage.incoming().clone();
    let gone: Vec<String> = files.into_iter().filter(|id| !kept.contains(id)).collect();
    let uploads_removed = gone.len();
    blocking(move || gone.iter().try_for_each(|id| incoming.remove(id))).await?;
    Ok(Outcome::Done(
        json!({ "objects_removed": removed, "sets_removed": sets_removed, "attachments_removed": attachments_removed, "bytes_freed": freed, "unfinished_removed": unfinished, "uploads_removed": uploads_removed }),
    ))
}
