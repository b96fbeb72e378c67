//! Collects what nothing points at: objects of the store that a crash left behind, and uploads whose time is over.

use std::sync::Arc;

use futures::TryStreamExt;
use serde_json::json;

use super::App;
use crate::catalog;
use crate::clock::now;
use crate::error::Result;
use crate::intake::uploads;
use crate::jobs::{Outcome, Progress};
use crate::read;

/// Removes orphans that are older than the settings say: younger ones may be about to be pointed at.
pub(super) async fn collect(app: &Arc<App>, progress: &Arc<Progress>) -> Result<Outcome> {
    progress.stage("listing");
    let oldest = now() - chrono::Duration::hours(i64::from(app.settings.orphan_hours));
    // Listed first: whatever is pointed at later than this is in the database by the time that it is asked.
    let objects: Vec<_> = app.storage.list().try_filter(|(_, modified)| std::future::ready(*modified <= oldest)).try_collect().await?;
    let (mut removed, mut freed) = (0_u64, 0_u64);
    progress.stage("removing");
    for (object, _) in objects {
        if progress.is_stopping() {
            return Ok(Outcome::Cancelled);
        }
        let sha256 = object.sha256.clone();
        let known = app.db.read(move |conn| Ok(catalog::is_part(conn, &sha256)? || read::is_export(conn, &sha256)?)).await?;
        if !known {
            app.storage.remove(&object).await?;
            (removed, freed) = (removed + 1, freed + object.size_bytes);
        }
        progress.tell(0, 0, removed);
    }
    // Files first: the row of an upload is there before its file.
    let files = app.storage.incoming().list()?;
    let kept = app.db.write(uploads::expire).await?;
    let mut uploads_removed = 0_u64;
    for id in files {
        if !kept.contains(&id) {
            app.storage.incoming().remove(&id)?;
            uploads_removed += 1;
        }
    }
    Ok(Outcome::Done(json!({ "objects_removed": removed, "bytes_freed": freed, "uploads_removed": uploads_removed })))
}
