//! The manifest as a table that can be taken in like any other: one row for each file, in the order of their paths.

use super::{MEDIA_TYPE, Member, PATH, SHA256, SIZE, STANDARD};
use crate::intake::block::Out;
use crate::intake::faults::Stop;
use crate::intake::progress::Progress;
use crate::intake::table::{Found, Source};
use crate::intake::{Declared, FieldType};

/// The cells of a row one behind the other, so that a million rows with many columns that say little take little memory.
#[derive(Debug, Clone, Default)]
pub struct Cells {
    text: String,
    ends: Vec<u32>,
}

impl Cells {
    /// Memory that each cell takes besides its text.
    pub const CELL_BYTES: usize = size_of::<u32>();

    /// Adds a cell. No row is too long for its numbers.
    pub fn push(&mut self, cell: &str) {
        self.text.push_str(cell);
        self.ends.push(self.text.len() as u32);
    }

    fn get(&self, at: usize) -> Option<&str> {
        let start = if at == 0 { 0 } else { *self.ends.get(at - 1)? };
        self.text.get(start as usize..*self.ends.get(at)? as usize)
    }
}

/// What a manifest says beyond the files themselves.
pub struct Manifest {
    /// The columns that a publisher has added.
    pub extra: Vec<Found>,
    /// Their cells, for each file.
    pub cells: Vec<Cells>,
    /// The line of each file in the publisher's manifest.
    pub lines: Vec<u64>,
}

impl Manifest {
    /// The manifest of files that came without one.
    pub fn bare(members: &[Member], declared: &[Declared]) -> Result<Self, Stop> {
        if let Some(column) = declared.iter().find(|column| !STANDARD.contains(&column.name.as_str())) {
            let name = &column.name;
            return Err(Stop::whole(format!(
                "the field `{name}` needs a manifest: put manifest.csv with the columns `{PATH}` and `{name}` beside the files"
            )));
        }
        Ok(Manifest { extra: Vec::new(), cells: vec![Cells::default(); members.len()], lines: (1..=members.len() as u64).collect() })
    }

    /// The table of these files.
    pub fn of<'m>(&'m self, members: &'m [Member]) -> impl Source + 'm {
        let standard = |name: &str| {
            let kind = if name == SIZE { FieldType::Integer } else { FieldType::String };
            Found { name: name.to_owned(), field_type: Some((kind, None)) }
        };
        let columns = STANDARD.map(standard).into_iter().chain(self.extra.iter().cloned()).collect();
        Rows { columns, members, manifest: self }
    }
}

struct Rows<'m> {
    columns: Vec<Found>,
    members: &'m [Member],
    manifest: &'m Manifest,
}

impl Source for Rows<'_> {
    fn columns(&self) -> &[Found] {
        &self.columns
    }

    fn header_line(&self) -> Option<u64> {
        None
    }

    fn size(&self) -> u64 {
        0
    }

    fn read(&self, _progress: &Progress<'_>, out: &mut Out<'_>) -> Result<(), Stop> {
        let extra = |name: &String| self.manifest.extra.iter().position(|found| found.name == *name);
        let names: Vec<(&str, Option<usize>)> = out.names().iter().map(|name| (name.as_str(), extra(name))).collect();
        for ((member, cells), line) in self.members.iter().zip(&self.manifest.cells).zip(&self.manifest.lines) {
            for (name, at) in &names {
                match *name {
                    PATH => out.cell(&member.path),
                    SIZE => out.cell(&member.object.size_bytes.to_string()),
                    MEDIA_TYPE => out.cell(&member.media_type),
                    SHA256 => out.cell(&member.object.sha256),
                    _ => out.cell(at.and_then(|at| cells.get(at)).unwrap_or_default()),
                }
            }
            out.end_row(*line)?;
        }
        Ok(())
    }
}
