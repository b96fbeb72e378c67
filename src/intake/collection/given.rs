//! The publisher's own manifest: what it says of the files is checked, and its other columns are kept.

use std::collections::{HashMap, HashSet};

use super::files::Waiting;
use super::manifest::{Cells, Manifest};
use super::media::is_media_type;
use super::paths::path_of;
use super::{MEDIA_TYPE, Member, PATH, SHA256, SIZE, STANDARD};
use crate::intake::block::Block;
use crate::intake::faults::{Faults, Stop, shown};
use crate::intake::sniff;
use crate::intake::table::{Found, Job, pump};
use crate::intake::{Declared, FileFault, IntakeError, Report, ReportNote};

/// The endings of a manifest's name.
const ENDINGS: [&str; 7] = ["csv", "tsv", "json", "jsonl", "ndjson", "parquet", "xlsx"];

/// The most of a manifest that is kept in memory while it is checked.
const MAX_TEXT_BYTES: usize = 1 << 30;

/// Rows of a note that are named.
const NOTED_ROWS: usize = 20;

/// Whether a file may be the manifest by its name: at the root or in a folder there.
pub fn is_candidate(path: &str) -> bool {
    let mut parts = path.rsplit('/');
    let last = parts.next().and_then(|last| last.strip_prefix("manifest."));
    parts.count() < 2 && last.is_some_and(|ending| ENDINGS.contains(&ending))
}

/// The publisher's manifest.
pub struct Given(Waiting);

/// What became of the files that may be the manifest.
#[derive(Default)]
pub struct Chosen {
    /// The manifest.
    pub manifest: Option<Given>,
    /// The folder in which it stands, and everything else.
    pub top: Option<String>,
    /// Those that are files of the collection.
    pub others: Vec<Waiting>,
}

/// Chooses the manifest: the one at the root, or the one in the only folder there.
pub fn choose(candidates: Vec<Waiting>, paths: &HashSet<String>) -> Result<Chosen, Stop> {
    let top = paths.iter().next().and_then(|path| path.split_once('/')).map(|(top, _)| top.to_owned());
    let top = top.filter(|top| paths.iter().all(|path| path.strip_prefix(top.as_str()).is_some_and(|rest| rest.starts_with('/'))));
    let is_manifest = |file: &Waiting| !file.path.contains('/') || top.is_some();
    let (mut manifests, others): (Vec<Waiting>, Vec<Waiting>) = candidates.into_iter().partition(is_manifest);
    if let [one, other, ..] = manifests.as_slice() {
        return Err(Stop::whole(format!("there are two manifests, {} and {}; give one", shown(&one.path), shown(&other.path))));
    }
    let Some(manifest) = manifests.pop() else { return Ok(Chosen { others, ..Chosen::default() }) };
    let folder = manifest.path.contains('/').then_some(top).flatten();
    Ok(Chosen { manifest: Some(Given(manifest)), top: folder, others })
}

/// The manifest as it is read.
struct Reading<'m> {
    members: &'m mut [Member],
    columns: Vec<String>,
    /// The number of each file by its path.
    numbers: HashMap<String, usize>,
    lines: Vec<u64>,
    extra: Vec<Cells>,
    text_bytes: usize,
    faults: Faults,
    renamed: ReportNote,
}

impl Given {
    /// Reads the manifest, and compares what it says with the files, which are in the order of their paths.
    pub fn read(self, members: &mut [Member], job: &Job<'_>, report: &mut Report) -> Result<Manifest, IntakeError> {
        let name = self.0.path;
        let ours = |fault: FileFault| FileFault { detail: format!("{}: {}", shown(&name), fault.detail), ..fault };
        let none: &[Declared] = &[];
        let plain = Job { declared: none, options: job.options, scratch: job.scratch, progress: job.progress };
        let opened = match sniff::open(self.0.file.path(), &name, &plain) {
            Err(Stop::Fault(fault)) => return Err(Stop::Fault(ours(fault)).into()),
            opened => opened?,
        };
        let columns: Vec<String> = opened.source.columns().iter().map(|found| found.name.clone()).collect();
        if !columns.iter().any(|column| column == PATH) {
            let detail = format!(
                "the file {} is taken for the list of the files, and has no column `{PATH}`; if it is one of the files, give it another name",
                shown(&name)
            );
            return Err(Stop::whole(detail).into());
        }
        let mut seen = HashSet::new();
        if let Some(column) = columns.iter().find(|column| !seen.insert(*column)) {
            return Err(Stop::Fault(ours(FileFault::whole(format!("the column {} stands twice; name each once", shown(column))))).into());
        }
        let mut reading = Reading {
            numbers: (0..).zip(members.iter()).map(|(at, member)| (member.path.clone(), at)).collect(),
            lines: vec![0; members.len()],
            extra: vec![Cells::default(); members.len()],
            members,
            columns,
            text_bytes: 0,
            faults: Faults::default(),
            renamed: ReportNote { column: Some(MEDIA_TYPE.to_owned()), detail: String::new(), rows: Vec::new(), count: 0 },
        };
        let columns = reading.columns.clone();
        if let Some(fault) = pump(&*opened.source, &columns, job.progress, |block| reading.take(&block))? {
            reading.faults.add(fault);
        }
        reading.find_unlisted();
        reading.faults.listed.iter_mut().for_each(|fault| *fault = ours(fault.clone()));
        reading.faults.end()?;
        if reading.renamed.count > 0 {
            report.notes.push(ReportNote {
                detail: "the manifest names another media type than the file's first bytes; the manifest's is kept".to_owned(),
                ..reading.renamed
            });
        }
        report.notes.extend(opened.report.notes);
        let extra: Vec<Found> = opened.source.columns().iter().filter(|found| !STANDARD.contains(&found.name.as_str())).cloned().collect();
        Ok(Manifest { extra, cells: reading.extra, lines: reading.lines })
    }
}

impl Reading<'_> {
    fn take(&mut self, block: &Block) -> Result<(), IntakeError> {
        block.faults.iter().for_each(|fault| self.faults.add(fault.clone()));
        block.bad.iter().flat_map(|bad| &bad.faults).for_each(|fault| self.faults.add(fault.clone()));
        self.text_bytes += block.text.len() + block.ends.len() * Cells::CELL_BYTES;
        if self.text_bytes > MAX_TEXT_BYTES {
            return Err(Stop::whole(format!(
                "the manifest has more than {} GiB of text and cells; keep long texts in files, and leave out empty columns",
                MAX_TEXT_BYTES >> 30
            ))
            .into());
        }
        let columns = self.columns.len();
        for (row, line) in block.lines.iter().enumerate() {
            let cells: Vec<&str> = (0..columns).map(|at| block.cell(row * columns + at)).collect();
            if let Err(fault) = self.row(*line, &cells) {
                self.faults.add(fault);
            }
        }
        Ok(())
    }

    fn row(&mut self, line: u64, cells: &[&str]) -> Result<(), FileFault> {
        let fault = |column: &str, detail: String| FileFault { line: Some(line), column: Some(column.to_owned()), detail };
        let cell = |name: &str| {
            let at = self.columns.iter().position(|column| column == name);
            at.and_then(|at| cells.get(at)).copied().filter(|cell| !cell.is_empty())
        };
        let given = cell(PATH).ok_or_else(|| fault(PATH, "the row names no file".to_owned()))?;
        let path = path_of(given).map_err(|why| fault(PATH, format!("{} {why}", shown(given))))?;
        let number = *self.numbers.get(&path).ok_or_else(|| fault(PATH, format!("{} is not among the files", shown(given))))?;
        if self.lines[number] != 0 {
            return Err(fault(PATH, format!("{} is listed twice", shown(given))));
        }
        self.lines[number] = line;
        let member = &mut self.members[number];
        if let Some(size) = cell(SIZE)
            && size.parse() != Ok(member.object.size_bytes)
        {
            return Err(fault(SIZE, format!("{} has {} bytes, not {}", shown(given), member.object.size_bytes, shown(size))));
        }
        if let Some(sha256) = cell(SHA256)
            && !sha256.eq_ignore_ascii_case(&member.object.sha256)
        {
            return Err(fault(
                SHA256,
                format!("{} has the SHA-256 {}; the file has changed, or was damaged on its way", shown(given), member.object.sha256),
            ));
        }
        if let Some(kind) = cell(MEDIA_TYPE) {
            if !is_media_type(kind) {
                return Err(fault(MEDIA_TYPE, format!("{} is no media type such as image/jpeg", shown(kind))));
            }
            if kind != member.media_type {
                self.renamed.count += 1;
                if self.renamed.rows.len() < NOTED_ROWS {
                    self.renamed.rows.push(number as i64 + 1);
                }
                kind.clone_into(&mut member.media_type);
            }
        }
        let others = self.columns.iter().zip(cells).filter(|(column, _)| !STANDARD.contains(&column.as_str()));
        others.for_each(|(_, cell)| self.extra[number].push(cell));
        Ok(())
    }

    fn find_unlisted(&mut self) {
        // What could not be read may have listed the rest.
        if self.faults.count > 0 {
            return;
        }
        for (member, _) in self.members.iter().zip(&self.lines).filter(|(_, line)| **line == 0) {
            self.faults.add(FileFault {
                line: None,
                column: Some(PATH.to_owned()),
                detail: format!("the file {} is not listed", shown(&member.path)),
            });
        }
    }
}
