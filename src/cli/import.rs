//! `qingdan import`.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};

use super::{End, block_on};
use crate::app::Parts;
use crate::catalog::{self, Edition, EntryChange, Mistake};
use crate::http::check_text;
use crate::release::{Report, Watcher, check_folder, import_folder, unwatched};
use crate::settings::Settings;

/// Imports a folder and tells what became of each entry.
pub(super) fn import(settings: &Settings, dir: &Path, reason: Option<&str>) -> Result<End> {
    let by = edition("service", reason)?;
    let parts = Parts::open(settings)?;
    let report = block_on(async { Ok(import_folder(&parts.tools(), dir, by, bar).await?) })?;
    parts.db.write_now(catalog::mark_first_import)?;
    for line in lines(&report) {
        println!("{line}");
    }
    // Remarks are for `--check`: who imports every night wants to hear of mistakes.
    tell(&report.mistakes, &[]);
    Ok(if report.mistakes.is_empty() { End::Well } else { End::Found })
}

/// Says what is wrong with a folder's entries, and what their editors should look at.
pub(super) fn check(settings: &Settings, dir: &Path, reason: Option<&str>) -> Result<End> {
    let by = edition("service", reason)?;
    let parts = Parts::open(settings)?;
    let folder = block_on(async { Ok(check_folder(&parts.tools(), dir, &by).await?) })?;
    println!("{} entries without a mistake; {} mistakes, {} remarks", folder.entries.len(), folder.mistakes.len(), folder.remarks.len());
    tell(&folder.mistakes, &folder.remarks);
    Ok(if folder.mistakes.is_empty() { End::Well } else { End::Found })
}

/// Who changes the list from the command line, and why.
pub(super) fn edition(actor: &str, reason: Option<&str>) -> Result<Edition> {
    let edition = Edition::by(actor);
    match reason {
        Some(reason) => Ok(edition.because(check_text("--reason", reason, 3, 2000)?)),
        None => Ok(edition),
    }
}

fn tell(mistakes: &[Mistake], remarks: &[Mistake]) {
    for mistake in mistakes {
        eprintln!("{mistake}");
    }
    for remark in remarks {
        eprintln!("note: {remark}");
    }
}

/// A progress bar on the terminal for one dataset; nothing where the output is no terminal.
fn bar(slug: &str) -> Watcher {
    let bar = ProgressBar::new(0);
    let style = "{msg} [{bar:30}] {percent:>3}% {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    let slug = slug.to_owned();
    Arc::new(move |stage, step| {
        if bar.length() != Some(step.total_bytes) && step.total_bytes > 0 {
            bar.set_length(step.total_bytes);
        }
        bar.set_message(format!("{slug}: {}", stage.as_str()));
        if step.done_bytes > 0 {
            bar.set_position(step.done_bytes);
        }
        ControlFlow::Continue(())
    })
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
        let mut line = format!("{}: {entry}, {version}", outcome.slug);
        if outcome.rejected_rows > 0 {
            line += &format!(", {} rows rejected", outcome.rejected_rows);
        }
        if outcome.held_by > 0 {
            line += &format!(
                "; held back by {} findings of personal data: a steward resolves them, or the entry's fields say `cleared = \"why\"`",
                outcome.held_by
            );
        }
        line
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
    let report = import_folder(&parts.tools(), &settings.datasets_dir, "service", unwatched).await?;
    for mistake in &report.mistakes {
        tracing::error!(mistake = %mistake, "an entry was not imported");
    }
    parts.db.write_now(catalog::mark_first_import)?;
    tracing::info!(datasets = report.outcomes.len(), mistakes = report.mistakes.len(), "imported");
    Ok(())
}
