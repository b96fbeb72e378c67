//! What was withdrawn does not come back by a publication.

use super::Tools;
use crate::catalog::{self, Dataset, State};
use crate::error::Result;

/// Data comes into what the list has; a dataset that is suspended may be mended so.
pub(super) fn require_listed(dataset: &Dataset) -> Result<()> {
    if dataset.state == State::Withdrawn { dataset.require_published() } else { Ok(()) }
}

/// The withdrawn version of a dataset that came from the same file.
pub(super) async fn withdrawn_before(tools: &Tools, known: Option<&Dataset>, sha256: &str) -> Result<Option<i32>> {
    let Some(dataset) = known.cloned() else { return Ok(None) };
    let sha256 = sha256.to_owned();
    tools.db.read(move |conn| catalog::withdrawn_source(conn, &dataset, &sha256)).await
}
