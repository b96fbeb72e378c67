//! The rows that could not be read, as a CSV file for the publisher. A cell that a spreadsheet would take for a formula gets an apostrophe.

use super::faults::Stop;
use crate::storage::{File, Scratch};

/// Writes the file of rejected rows.
pub struct Rejects {
    scratch: Scratch,
    csv: csv::Writer<File>,
    count: i64,
}

impl Rejects {
    /// Begins the file for a table with these columns.
    pub fn new(scratch: Scratch, names: &[String]) -> Result<Self, Stop> {
        let mut csv = csv::WriterBuilder::new().flexible(true).from_writer(scratch.writer().map_err(Stop::Internal)?);
        csv.write_record(["line", "reason"].into_iter().map(str::to_owned).chain(names.iter().map(|name| harmless(name))))
            .map_err(Stop::internal)?;
        Ok(Rejects { scratch, csv, count: 0 })
    }

    /// Adds a row.
    pub fn add<'t>(&mut self, line: u64, reason: &str, cells: impl Iterator<Item = &'t str>) -> Result<(), Stop> {
        self.count += 1;
        self.csv.write_record([line.to_string(), harmless(reason)].into_iter().chain(cells.map(harmless))).map_err(Stop::internal)
    }

    /// Ends the file; answers it where it has rows.
    pub fn finish(mut self) -> Result<Option<Scratch>, Stop> {
        self.csv.flush()?;
        Ok((self.count > 0).then_some(self.scratch))
    }
}

fn harmless(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠']) { format!("'{text}") } else { text.to_owned() }
}
