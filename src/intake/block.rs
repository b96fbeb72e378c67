//! Rows on their way from a source to the columns: a block of cells in one text, so that no cell has an allocation of its own.

use std::sync::mpsc::SyncSender;

use super::faults::Stop;
use super::{FileFault, ReportNote};

/// Rows of one block, and so of one batch of the Parquet file.
pub const BLOCK_ROWS: usize = 8192;

/// Text after which a block ends early. It counts decoded cells, so that the same table makes the same blocks from any kind of file.
const BLOCK_BYTES: usize = 8 << 20;

/// The longest cell.
pub const MAX_CELL_BYTES: usize = 8 << 20;

/// The longest record.
pub const MAX_RECORD_BYTES: usize = 16 << 20;

/// A row that cannot be read.
pub struct Bad {
    pub line: u64,
    pub faults: Vec<FileFault>,
    /// Its cells as far as they are known.
    pub cells: Vec<String>,
}

/// Rows of a table.
#[derive(Default)]
pub struct Block {
    /// The cells one behind the other.
    pub text: String,
    /// Where each cell ends in `text`.
    pub ends: Vec<u32>,
    /// The line of each row.
    pub lines: Vec<u64>,
    /// Rows that are not among them.
    pub bad: Vec<Bad>,
    /// Faults of the file that no row can be rejected for.
    pub faults: Vec<FileFault>,
    /// What a publisher should know.
    pub notes: Vec<ReportNote>,
}

impl Block {
    /// How many rows it has.
    pub fn rows(&self) -> usize {
        self.lines.len()
    }

    /// The cells of one column.
    pub fn column(&self, at: usize, columns: usize) -> impl Iterator<Item = &str> {
        (0..self.rows()).map(move |row| self.cell(row * columns + at))
    }

    /// The cell with that number, counted row by row.
    pub fn cell(&self, index: usize) -> &str {
        let start = if index == 0 { 0 } else { self.ends[index - 1] as usize };
        &self.text[start..self.ends[index] as usize]
    }
}

/// Where a source puts its rows.
pub struct Out<'a> {
    send: SyncSender<Block>,
    names: &'a [String],
    block: Block,
    text: Vec<u8>,
    /// Where the row at hand begins: in the text, and in the ends.
    row_text: usize,
    row_ends: usize,
    row_faults: Vec<FileFault>,
    /// Memory that the bad rows of the block take, about.
    bad_bytes: usize,
}

impl Bad {
    /// Memory that it takes, about: a row may have many cells with nothing in them, and a fault in each.
    fn size(&self) -> usize {
        let cells: usize = self.cells.iter().map(|cell| size_of::<String>() + cell.capacity()).sum();
        let faults: usize = self.faults.iter().map(|fault| size_of::<FileFault>() + fault.detail.len()).sum();
        cells + faults
    }
}

impl<'a> Out<'a> {
    /// Sends blocks of rows with these columns.
    pub fn new(send: SyncSender<Block>, names: &'a [String]) -> Self {
        Out { send, names, block: Block::default(), text: Vec::new(), row_text: 0, row_ends: 0, row_faults: Vec::new(), bad_bytes: 0 }
    }

    /// The names of the columns.
    pub fn names(&self) -> &'a [String] {
        self.names
    }

    /// The text of the cell at hand; append to it and end it with [`Out::end_cell`].
    pub fn text(&mut self) -> &mut Vec<u8> {
        &mut self.text
    }

    /// Ends the cell at hand.
    pub fn end_cell(&mut self) {
        self.block.ends.push(self.text.len() as u32);
    }

    /// Adds a whole cell.
    pub fn cell(&mut self, text: &str) {
        self.text.extend_from_slice(text.as_bytes());
        self.end_cell();
    }

    /// How many cells the row at hand has so far.
    pub fn cells(&self) -> usize {
        self.block.ends.len() - self.row_ends
    }

    /// Something is wrong with the row at hand: it will not be among the rows.
    pub fn row_fault(&mut self, fault: FileFault) {
        self.row_faults.push(fault);
    }

    /// Something is wrong with the file, and no row can be rejected for it.
    pub fn fault(&mut self, fault: FileFault) {
        self.block.faults.push(fault);
    }

    /// Leaves out the row at hand.
    pub fn drop_row(&mut self) {
        self.row_faults.clear();
        self.text.truncate(self.row_text);
        self.block.ends.truncate(self.row_ends);
    }

    /// A line that is no row.
    pub fn bad_line(&mut self, line: u64, detail: &str) -> Result<(), Stop> {
        self.bad(Bad { line, faults: vec![FileFault::at(line, detail)], cells: Vec::new() });
        self.send_if_full()
    }

    fn bad(&mut self, bad: Bad) {
        self.bad_bytes += bad.size();
        self.block.bad.push(bad);
    }

    /// Bytes and cells of the row at hand.
    pub fn row_size(&self) -> (usize, usize) {
        (self.text.len() - self.row_text, self.cells())
    }

    /// Looks whether the cells of the row at hand are text.
    pub fn check_text(&mut self, line: u64) {
        let mut faults = Vec::new();
        for (at, bytes) in self.row_bytes().enumerate() {
            let detail = if bytes.contains(&0) {
                "the cell holds a NUL byte; export the table again as text"
            } else if std::str::from_utf8(bytes).is_err() {
                "the text is not UTF-8, nor is the file GB18030 as a whole; save the file as UTF-8"
            } else {
                continue;
            };
            faults.push(FileFault { line: Some(line), column: self.names.get(at).cloned(), detail: detail.to_owned() });
        }
        self.row_faults.extend(faults);
    }

    /// Something that a publisher should know.
    pub fn note(&mut self, note: ReportNote) {
        self.block.notes.push(note);
    }

    /// Ends the row at hand, which began on that line.
    pub fn end_row(&mut self, line: u64) -> Result<(), Stop> {
        let (cells, wanted) = (self.cells(), self.names.len());
        if cells != wanted {
            self.row_faults.push(FileFault::at(line, format!("the row has {cells} cells, and the header {wanted}")));
        }
        if let Err(faults) = self.check_cells(line) {
            self.row_faults.extend(faults);
        }
        if self.row_faults.is_empty() {
            self.block.lines.push(line);
        } else {
            let bad = Bad { line, faults: std::mem::take(&mut self.row_faults), cells: self.raw_cells() };
            self.bad(bad);
            self.text.truncate(self.row_text);
            self.block.ends.truncate(self.row_ends);
        }
        (self.row_text, self.row_ends) = (self.text.len(), self.block.ends.len());
        self.send_if_full()
    }

    fn send_if_full(&mut self) -> Result<(), Stop> {
        let many = self.block.rows() == BLOCK_ROWS || self.block.bad.len() >= BLOCK_ROWS;
        if many || self.text.len() >= BLOCK_BYTES || self.bad_bytes >= BLOCK_BYTES {
            self.send()?;
        }
        Ok(())
    }

    fn check_cells(&self, line: u64) -> Result<(), Vec<FileFault>> {
        if self.text.len() - self.row_text <= MAX_CELL_BYTES {
            return Ok(());
        }
        let mut start = self.row_text;
        let mut faults = Vec::new();
        for (at, end) in self.block.ends[self.row_ends..].iter().enumerate() {
            if *end as usize - start > MAX_CELL_BYTES {
                let column = self.names.get(at).cloned();
                let detail = format!("the cell is longer than {} MiB, the most that one may hold", MAX_CELL_BYTES >> 20);
                faults.push(FileFault { line: Some(line), column, detail });
            }
            start = *end as usize;
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// The cells of the row at hand as they are shown to the publisher; bytes that are no text are written as `\xNN`.
    fn raw_cells(&self) -> Vec<String> {
        let mut start = self.row_text;
        let mut cells = Vec::new();
        for end in &self.block.ends[self.row_ends..] {
            let mut cell = String::new();
            for chunk in self.text[start..*end as usize].utf8_chunks() {
                cell.push_str(chunk.valid());
                chunk.invalid().iter().for_each(|byte| cell.push_str(&format!("\\x{byte:02X}")));
            }
            cells.push(cell);
            start = *end as usize;
        }
        cells
    }

    /// The raw bytes of the cells of the row at hand.
    fn row_bytes(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = self.row_text;
        self.block.ends[self.row_ends..].iter().map(move |end| {
            let cell = &self.text[start..*end as usize];
            start = *end as usize;
            cell
        })
    }

    fn send(&mut self) -> Result<(), Stop> {
        let (bytes, cells) = (self.text.len(), self.block.ends.len());
        let mut block = std::mem::take(&mut self.block);
        block.text = String::from_utf8(std::mem::take(&mut self.text)).map_err(Stop::internal)?;
        self.text.reserve(bytes);
        self.block.ends.reserve(cells);
        (self.row_text, self.row_ends, self.bad_bytes) = (0, 0, 0);
        self.send.send(block).map_err(|_nobody| Stop::Gone)
    }

    /// Sends what is left; a row that has not ended is none.
    pub fn finish(&mut self) -> Result<(), Stop> {
        self.drop_row();
        self.send()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The most memory that the bad rows of one block take, when that many are made by `row`.
    fn largest(rows: u64, names: &[String], row: impl Fn(&mut Out<'_>)) -> (usize, u64) {
        let (send, receive) = std::sync::mpsc::sync_channel(rows as usize + 1);
        let mut out = Out::new(send, names);
        for line in 1..=rows {
            row(&mut out);
            out.check_text(line);
            out.end_row(line).unwrap();
        }
        out.finish().unwrap();
        drop(out);
        let blocks: Vec<Block> = receive.into_iter().collect();
        let size = |block: &Block| block.bad.iter().map(Bad::size).sum::<usize>();
        let bad = blocks.iter().map(|block| block.bad.len() as u64).sum();
        (blocks.iter().map(size).max().unwrap_or_default(), bad)
    }

    #[test]
    fn bad_rows_do_not_pile_up() {
        let long = vec![b'x'; 1 << 20];
        let (most, bad) = largest(40, &["a".to_owned(), "b".to_owned()], |out| {
            out.text().extend_from_slice(&long);
            out.end_cell();
        });
        assert_eq!(bad, 40);
        assert!(most <= BLOCK_BYTES + (2 << 20), "long cells: {most}");
        let (most, _) = largest(100, &["a".to_owned()], |out| (0..20_000).for_each(|_| out.end_cell()));
        assert!(most <= BLOCK_BYTES + (1 << 20), "many cells: {most}");
        let names: Vec<String> = (0..2000).map(|at| format!("c{at}")).collect();
        let (most, _) = largest(100, &names, |out| (0..2000).for_each(|_| out.cell("\0")));
        assert!(most <= BLOCK_BYTES + (1 << 20), "many faults: {most}");
    }
}
