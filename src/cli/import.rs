//! `qingdan import`.

use std::path::Path;

use anyhow::Result;

use super::{End, block_on};
use crate::app::Parts;
use crate::catalog::{self, EntryChange};
use crate::release::{Report, import_folder};
use crate::settings::Settings;

/// Imports a folder and tells what became of each entry.
pub(super) fn import(settings: &Settings, dir: &Path) -> Result<End> {
    let parts = Parts::open(settings)?;
    let report = block_on(async { Ok(import_folder(&parts.db, &parts.storage, dir, "service").await?) })?;
    parts.db.write_now(catalog::mark_first_import)?;
    for line in lines(&report) {
        println!("{line}");
    }
    for mistake in &report.mistakes {
        eprintln!("{mistake}");
    }
    Ok(if report.mistakes.is_empty() { End::Well } else { End::Found })
}

fn lines(report: &Report) -> Vec<String> {
    let line = |outcome: &crate::release::Outcome| {
        let entry = match outcome.entry {
            EntryChange::Created => "created",
            EntryChange::Updated => "updated",
            EntryChange::Unchanged => "unchanged",
        };
        let version =
            outcome.version.map_or_else(|| "no new data".to_owned(), |(number, rows)| format!("version {number} with {rows} rows"));
        format!("{}: {entry}, {version}", outcome.slug)
    };
    report.outcomes.iter().map(line).collect()
}

/// The import of the first start. Mistakes are told and do not stop the service.
pub(super) async fn first(settings: &Settings, parts: &Parts) -> Result<()> {
    if !parts.db.read_now(catalog::is_empty)? && !settings.datasets_dir.is_dir() {
        // The list was filled by `qingdan import`.
        return Ok(parts.db.write_now(catalog::mark_first_import)?);
    }
    if !settings.datasets_dir.is_dir() {
        tracing::warn!(dir = %settings.datasets_dir.display(), "there is no datasets folder; the list starts empty");
        return Ok(());
    }
    let report = import_folder(&parts.db, &parts.storage, &settings.datasets_dir, "service").await?;
    for mistake in &report.mistakes {
        tracing::error!(mistake = %mistake, "an entry was not imported");
    }
    parts.db.write_now(catalog::mark_first_import)?;
    tracing::info!(datasets = report.outcomes.len(), mistakes = report.mistakes.len(), "imported");
    Ok(())
}
