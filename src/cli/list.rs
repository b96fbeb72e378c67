//! `qingdan list`: the list as a whole, out to a spreadsheet and back, and what changed in it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::End;
use super::import::edition;
use crate::app::Parts;
use crate::catalog::book::{self, BookFault, DATASETS, FIELDS, Plan, Rows};
use crate::catalog::{self, DatasetChange, DatasetFilter, Difference, Entry, ListChange, ValueChange};
use crate::intake::{IntakeError, SheetText};
use crate::settings::Settings;
use crate::storage::{read_text, write_files};

pub(super) fn command() -> Command {
    let path = |help: &'static str| Arg::new("PATH").required(true).value_parser(clap::value_parser!(PathBuf)).help(help);
    let version = |name: &'static str, help: &'static str| Arg::new(name).value_parser(clap::value_parser!(i32)).help(help);
    Command::new("list")
        .about("The list as a whole: out to a spreadsheet and back, its versions, and what changed")
        .subcommand_required(true)
        .subcommand(
            Command::new("export")
                .about("Write every entry of the list")
                .arg(path("a file list.xlsx, or a folder for the files of --format csv or toml"))
                .arg(Arg::new("format").long("format").value_parser(["xlsx", "csv", "toml"]).default_value("xlsx").help("the format")),
        )
        .subcommand(
            Command::new("import")
                .about("Say what an edited list would change; with --apply, change it: all of it, or nothing")
                .arg(path("a workbook as export writes it, or a folder with datasets.csv and fields.csv"))
                .arg(Arg::new("apply").long("apply").action(ArgAction::SetTrue).help("change the list"))
                .arg(
                    Arg::new("reason")
                        .long("reason")
                        .value_name("TEXT")
                        .help("why, for everybody to read; needed where an entry opens less than before"),
                ),
        )
        .subcommand(Command::new("versions").about("Tell the versions of the list, the newest first"))
        .subcommand(
            Command::new("diff")
                .about("Tell what changed between two versions of the list, with the reasons")
                .arg(version("FROM", "the earlier version; by default the one before the newest"))
                .arg(version("TO", "the later version; the newest by default")),
        )
}

pub(super) fn run(settings: &Settings, name: &str, matches: &ArgMatches) -> Result<End> {
    let parts = Parts::open(settings)?;
    let path = || matches.get_one::<PathBuf>("PATH").cloned().unwrap_or_default();
    match name {
        "export" => export(&parts, &path(), matches.get_one::<String>("format").map_or("xlsx", String::as_str)),
        "import" => import(&parts, &path(), matches.get_flag("apply"), matches.get_one::<String>("reason").map(String::as_str)),
        "versions" => versions(&parts),
        "diff" => diff(&parts, matches.get_one::<i32>("FROM").copied(), matches.get_one::<i32>("TO").copied()),
        other => bail!("there is no command `list {other}`"),
    }
}

/// Every entry of the list, by slug.
fn entries(parts: &Parts) -> Result<Vec<(String, Entry)>> {
    let (mut all, mut after): (Vec<(String, Entry)>, Option<String>) = (Vec::new(), None);
    loop {
        let from = after.take();
        let page = parts.db.read_now(|conn| {
            let (datasets, more) = catalog::list_on(conn, &DatasetFilter::default(), from.as_deref(), 1000)?;
            // As they were written: of one that is suspended, everybody sees less.
            let whole = datasets.iter().map(|dataset| catalog::find_any(conn, &dataset.slug)).collect::<crate::error::Result<Vec<_>>>()?;
            Ok((whole, more))
        })?;
        all.extend(page.0.into_iter().map(|dataset| (dataset.slug, dataset.entry)));
        after = all.last().map(|(slug, _)| slug.clone());
        if !page.1 {
            return Ok(all);
        }
    }
}

fn export(parts: &Parts, path: &Path, format: &str) -> Result<End> {
    let list = entries(parts)?;
    let files: Vec<(PathBuf, Vec<u8>)> = match format {
        "xlsx" => vec![(path.to_owned(), book::to_xlsx(&list)?)],
        "csv" => book::to_csv(&list)?.into_iter().map(|(name, text)| (path.join(name), text.into_bytes())).collect(),
        _ => {
            let (publishers, themes, classes) =
                parts.db.read_now(|conn| Ok((catalog::publishers(conn)?, catalog::themes(conn)?, catalog::subject_classes(conn)?)))?;
            let mut files = book::to_folder(&list)?;
            files.extend(book::vocabulary_files(&publishers, &themes, &classes)?);
            files.into_iter().map(|(name, text)| (path.join(name), text.into_bytes())).collect()
        }
    };
    let count = files.len();
    write_files(files).with_context(|| format!("cannot write to {}", path.display()))?;
    println!("{} entries in {count} file{}", list.len(), if count == 1 { "" } else { "s" });
    Ok(End::Well)
}

/// The sheets of a workbook, or of a folder of CSV files.
fn sheets(path: &Path) -> Result<std::result::Result<Vec<SheetText>, Vec<BookFault>>> {
    let whole = |detail: String| BookFault { sheet: path.display().to_string(), row: None, column: None, key: None, detail };
    if !path.is_dir() {
        return Ok(match book::read_xlsx(path) {
            Ok(sheets) => Ok(sheets),
            Err(IntakeError::Faults(faults, _)) => Err(faults.into_iter().map(|fault| whole(fault.detail)).collect()),
            Err(IntakeError::Cancelled) => bail!("the reading was stopped"),
            Err(IntakeError::Internal(cause)) => return Err(cause.into()),
        });
    }
    let (mut sheets, mut faults) = (Vec::new(), Vec::new());
    for name in [DATASETS, FIELDS] {
        let file = path.join(format!("{name}.csv"));
        match read_text(&file) {
            Ok(text) => match book::read_csv(name, &text) {
                Ok(sheet) => sheets.push(sheet),
                Err(fault) => faults.push(fault),
            },
            Err(cause) => faults.push(BookFault { detail: format!("cannot be read as UTF-8: {cause}"), ..whole(String::new()) }),
        }
    }
    Ok(if faults.is_empty() { Ok(sheets) } else { Err(faults) })
}

fn import(parts: &Parts, path: &Path, apply: bool, reason: Option<&str>) -> Result<End> {
    let sheets = match sheets(path)? {
        Ok(sheets) => sheets,
        Err(faults) => {
            faults.iter().for_each(|fault| eprintln!("{fault}"));
            return Ok(End::Found);
        }
    };
    let (publishers, themes, classes) =
        parts.db.read_now(|conn| Ok((catalog::publishers(conn)?, catalog::themes(conn)?, catalog::subject_classes(conn)?)))?;
    let vocabulary = book::Vocabulary { publishers: &publishers, themes: &themes, subject_classes: &classes };
    let rows: Rows = book::read_rows(&sheets, vocabulary, &parts.tools().grades);
    let mut edition = edition("service", reason)?;
    let plan = parts.db.read_now(|conn| book::plan(conn, &edition, &rows))?;
    tell(&plan);
    if !plan.faults.is_empty() {
        println!("{} mistakes; nothing was imported", plan.faults.len());
        return Ok(End::Found);
    }
    if !apply {
        println!("nothing was imported; --apply does it");
        return Ok(End::Well);
    }
    if plan.changes.is_empty() {
        println!("there is nothing to change");
        return Ok(End::Well);
    }
    let version = parts.db.write_now(|conn| {
        let made = book::apply(conn, &mut edition, &rows)?;
        Ok((made.changes.len(), edition.version()))
    })?;
    println!("{} entries changed; the list is at version {}", version.0, version.1.unwrap_or_default());
    Ok(End::Well)
}

fn tell(plan: &Plan) {
    plan.faults.iter().for_each(|fault| eprintln!("{fault}"));
    for change in &plan.changes {
        println!("{}: {}", change.slug, change.code.as_str());
        change.values.iter().for_each(tell_value);
    }
    println!("{} to change, {} unchanged, {} of the list not named, which stay", plan.changes.len(), plan.unchanged, plan.absent.len());
}

fn tell_value(value: &ValueChange) {
    let text = |side: &Option<serde_json::Value>| side.as_ref().map_or_else(|| "—".to_owned(), ToString::to_string);
    match (&value.before, &value.after) {
        (None, None) => println!("    {}: the example was replaced", value.key),
        (before, after) => println!("    {}: {} → {}", value.key, text(before), text(after)),
    }
}

fn versions(parts: &Parts) -> Result<End> {
    let mut before = None;
    loop {
        let (versions, _) = parts.db.read_now(|conn| catalog::list_versions(conn, before, 1000))?;
        let Some(last) = versions.last() else { return Ok(End::Well) };
        before = Some(last.version);
        for version in versions {
            let kinds: Vec<String> = version.changes.iter().map(|(code, count)| format!("{count} {code}")).collect();
            println!("{}  {}  {}", version.version, crate::clock::format(version.effective_at.and_utc()), kinds.join(", "));
        }
    }
}

fn diff(parts: &Parts, from: Option<i32>, to: Option<i32>) -> Result<End> {
    let newest = parts.db.read_now(catalog::newest_version)?;
    let to = to.unwrap_or(newest);
    let from = from.unwrap_or_else(|| (to - 1).max(0));
    let mut after: Option<String> = None;
    loop {
        let page = parts.db.read_now(|conn| catalog::diff(conn, (from, to), after.as_deref(), 1000))?;
        if after.is_none() {
            println!("version {from} → {to}: {} datasets", page.total);
        }
        page.changes.iter().for_each(tell_change);
        after = page.changes.last().map(|change| change.slug.clone());
        if !page.more {
            return Ok(End::Well);
        }
    }
}

fn tell_change(change: &DatasetChange) {
    let mark = match change.difference {
        Difference::Added => '+',
        Difference::Removed => '-',
        Difference::Changed => '~',
        Difference::Passed => '±',
    };
    println!("{mark} {}  {} / {}", change.slug, change.title.zh, change.title.en);
    change.steps.iter().for_each(tell_step);
    change.values.iter().for_each(tell_value);
}

fn tell_step(step: &ListChange) {
    let ground = step.ground.map(|ground| format!(" ({})", ground.as_str())).unwrap_or_default();
    let reason = step.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let at = crate::clock::format(step.effective_at.and_utc());
    println!("    version {}, {at}, {}{ground}{reason}", step.version, step.code.as_str());
}
