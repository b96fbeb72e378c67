//! From rows to a Parquet file, for every kind of source: the columns are matched, types are inferred over the whole file where none is
//! declared, and a file is written while the source is still read. One thread reads, one builds, one encodes, one makes the profile.

use std::collections::HashSet;
use std::sync::mpsc::sync_channel;
use std::thread;

use super::block::{Block, Out};
use super::faults::{Faults, Stop, shown};
use super::infer::Tally;
use super::progress::Progress;
use super::write::write;
use super::{Declared, FieldType, FileFault, IntakeError, Options, Profile, Report, ReportNote, Taken};
use crate::error::Error;
use crate::storage::Scratch;

/// The most columns of a table.
pub const MAX_COLUMNS: usize = 2000;

/// Blocks that wait between two threads.
pub const WAITING: usize = 3;

/// A column as a source knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    pub name: String,
    /// Its type and scale, where the kind of file says it.
    pub field_type: Option<(FieldType, Option<i8>)>,
}

impl Found {
    /// A column of which only the name is known.
    pub fn named(name: impl Into<String>) -> Self {
        Found { name: name.into(), field_type: None }
    }
}

/// A file that can be read as rows of text cells, as often as needed.
pub trait Source: Sync {
    /// Its columns.
    fn columns(&self) -> &[Found];
    /// The line of the header, where it has one that gives the columns an order.
    fn header_line(&self) -> Option<u64>;
    /// Bytes that one pass reads.
    fn size(&self) -> u64;
    /// What the cell in that line and column (from 0) is called in the file, where it has a name of its own.
    fn cell_reference(&self, _line: u64, _column: usize) -> Option<String> {
        None
    }
    /// Reads all rows; their cells stand in the order of [`Out::names`].
    fn read(&self, progress: &Progress<'_>, out: &mut Out<'_>) -> Result<(), Stop>;
}

/// What everything needs that takes a file in.
pub struct Job<'a> {
    pub declared: &'a [Declared],
    pub options: &'a Options,
    pub scratch: &'a dyn Fn() -> crate::error::Result<Scratch>,
    pub progress: &'a Progress<'a>,
}

/// Takes in a source.
pub fn take(source: &dyn Source, job: &Job<'_>, report: Report) -> Result<Taken, IntakeError> {
    let columns = match_columns(source, job.declared)?;
    if columns.iter().all(|column| column.field_type.is_some()) {
        return write(source, columns, job, report);
    }
    let (columns, tallies) = infer(source, &columns, job)?;
    let before = report.notes.len();
    let mut taken = write(source, columns, job, report)?;
    // Only now is it known in which columns there is personal data, of which no example may be shown.
    let tallied = taken.columns.iter().zip(&tallies);
    let notes: Vec<ReportNote> =
        tallied.filter_map(|(column, tally)| tally.as_ref()?.note(&with_findings(column, &taken.profile))).collect();
    taken.report.notes.splice(before..before, notes);
    Ok(taken)
}

/// The column as personal where personal data was found in it that nobody has cleared.
pub fn with_findings(column: &Declared, profile: &Profile) -> Declared {
    let found = profile.findings.iter().any(|finding| finding.column == column.name && !finding.cleared);
    Declared { personal: column.personal || found, ..column.clone() }
}

/// The columns of the table: the declared ones, or those of the file where none is declared. A type that only the file knows is added.
fn match_columns(source: &dyn Source, declared: &[Declared]) -> Result<Vec<Declared>, IntakeError> {
    let found = source.columns();
    let mut faults = Faults::default();
    check_names(source, declared, &mut faults);
    faults.end()?;
    if declared.is_empty() {
        let column = |found: &Found| with_type(Declared { name: found.name.clone(), ..Declared::default() }, found);
        return Ok(found.iter().map(column).collect());
    }
    let column = |column: &Declared| match found.iter().find(|found| found.name == column.name) {
        Some(found) => with_type(column.clone(), found),
        None => column.clone(),
    };
    Ok(declared.iter().map(column).collect())
}

fn with_type(column: Declared, found: &Found) -> Declared {
    match (column.field_type, found.field_type) {
        (None, Some((field_type, scale))) => Declared { field_type: Some(field_type), scale, ..column },
        _ => column,
    }
}

/// The file must name exactly the declared columns, in their order where it has one.
fn check_names(source: &dyn Source, declared: &[Declared], faults: &mut Faults) {
    let (found, line) = (source.columns(), source.header_line());
    let mut fault = |detail: String| faults.add(FileFault { line, column: None, detail });
    if found.len() > MAX_COLUMNS {
        return fault(format!("the file has {} columns; at most {MAX_COLUMNS} are allowed", found.len()));
    }
    let mut seen = HashSet::new();
    for (at, name) in found.iter().map(|found| &found.name).enumerate() {
        if !seen.insert(name) {
            fault(format!("the name of column number {} stands twice", at + 1));
        }
        if declared.is_empty() && name.trim().is_empty() {
            fault(format!("column number {} has no name", at + 1));
        }
        if name.contains('\0') {
            fault(format!("the name of column number {} holds a NUL byte; the file is no text", at + 1));
        } else if !declared.is_empty() && !declared.iter().any(|column| column.name == *name) {
            // Without a header the first line is a row: its cells are not to be repeated where any may be personal.
            let personal = declared.iter().any(|column| column.personal);
            let named = if personal { format!("number {}", at + 1) } else { shown(name) };
            fault(format!("the column {named} has no [[fields]] in dataset.toml"));
        }
    }
    for column in declared.iter().filter(|column| !seen.contains(&column.name)) {
        fault(format!("the column `{}` of dataset.toml is missing in the file", column.name));
    }
    let same_order = line.is_none() || declared.is_empty() || found.iter().zip(declared).all(|(found, column)| found.name == column.name);
    if faults.count == 0 && !same_order {
        faults.add(FileFault {
            line,
            column: None,
            detail: "the columns stand in another order than the [[fields]] of dataset.toml".to_owned(),
        });
    }
}

/// Reads the source on a thread of its own, and gives each block to `handle`. Answers the fault that stopped the source, if one did.
pub fn pump(
    source: &dyn Source,
    names: &[String],
    progress: &Progress<'_>,
    mut handle: impl FnMut(Block) -> Result<(), IntakeError>,
) -> Result<Option<FileFault>, IntakeError> {
    progress.plan(source.size());
    let (send, receive) = sync_channel(WAITING);
    thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let mut out = Out::new(send, names);
            let read = source.read(progress, &mut out);
            let sent = out.finish();
            read.and(sent)
        });
        // When this ends early the receiver is dropped, and the reader stops at its next block.
        let handled = receive.into_iter().try_for_each(|block| {
            handle(block)?;
            if progress.stopped() { Err(IntakeError::Cancelled) } else { Ok(()) }
        });
        let read = reader.join().map_err(|_panic| Error::internal(anyhow::anyhow!("the reader of a file has panicked")))?;
        handled?;
        match read {
            Ok(()) => Ok(None),
            Err(Stop::Fault(fault)) => Ok(Some(fault)),
            Err(other) => Err(other.into()),
        }
    })
}

/// The names of the columns.
pub fn names(columns: &[Declared]) -> Vec<String> {
    columns.iter().map(|column| column.name.clone()).collect()
}

/// Gives each column that has no type the narrowest one that keeps every value exactly.
fn infer(source: &dyn Source, columns: &[Declared], job: &Job<'_>) -> Result<(Vec<Declared>, Vec<Option<Tally>>), IntakeError> {
    let mut tallies: Vec<Option<Tally>> = columns.iter().map(|column| column.field_type.is_none().then(Tally::default)).collect();
    let mut rows = 0;
    // Whatever is wrong is told when the file is written.
    pump(source, &names(columns), job.progress, |block| {
        for (at, tally) in tallies.iter_mut().enumerate() {
            let Some(tally) = tally else { continue };
            for (row, text) in block.column(at, columns.len()).enumerate() {
                if !text.is_empty() {
                    tally.look(text, rows + row as i64 + 1);
                }
            }
        }
        rows += block.rows() as i64;
        Ok(())
    })?;
    let typed = |(column, tally): (&Declared, &Option<Tally>)| match tally {
        None => column.clone(),
        Some(tally) => tally.conclude(column),
    };
    Ok((columns.iter().zip(&tallies).map(typed).collect(), tallies))
}
