//! Workbooks (XLSX): one sheet with a header row, read cell by cell. What a spreadsheet may have done to the data is a fault or a note.

mod cell;
mod moments;
mod parts;
mod sheets;

use std::io::BufReader;
use std::path::{Path, PathBuf};

use calamine::{DataRef, Dimensions, Reader, Xlsx, XlsxError};

pub use self::cell::reference;
use self::cell::{Text, text};
use super::block::Out;
use super::faults::{Stop, guarded};
use super::progress::Progress;
use super::table::{Found, Source};
use super::traps::LISTED_ROWS;
use super::{Declared, FieldType, FileFault, ReportNote};
use crate::storage::{File, open_file};

pub use self::sheets::{CellText, SheetText, read_sheets};

type Book = Xlsx<BufReader<File>>;

/// A sheet of a workbook.
pub struct Workbook {
    path: PathBuf,
    size: u64,
    sheet: String,
    sheets: usize,
    columns: Vec<Found>,
    /// Of each column, whether it is declared, or else formatted, as moments: then a day is one at midnight.
    moments: Vec<bool>,
    /// Where the header lies: its row, and the column of its first cell, from 0.
    header: (u32, u32),
    merged: Vec<Dimensions>,
}

fn open_book(path: &Path) -> Result<Book, Stop> {
    guarded("workbook", || Xlsx::new(BufReader::new(open_file(path)?)).map_err(broken))
}

fn broken(cause: XlsxError) -> Stop {
    if let XlsxError::Io(cause) = cause {
        if cause.raw_os_error().is_some() {
            return cause.into();
        }
        return Stop::whole(format!("the workbook is damaged ({cause}); save it again"));
    }
    if matches!(cause, XlsxError::Password) {
        return Stop::whole("the workbook is encrypted; save it without a password");
    }
    Stop::whole(format!("the workbook is damaged or none of Excel ({cause}); save it as .xlsx again"))
}

impl Workbook {
    /// Looks at a workbook: the sheet whose header names the declared columns, or else the first.
    pub fn open(path: &Path, declared: &[Declared]) -> Result<Self, Stop> {
        parts::check(path)?;
        let size = open_file(path)?.metadata()?.len();
        let mut book = open_book(path)?;
        let sheets = book.sheet_names();
        let fits = |header: &Option<Header>| {
            header.as_ref().is_some_and(|header| {
                header.names.len() == declared.len() && declared.iter().all(|column| header.names.contains(&column.name))
            })
        };
        let mut headers = Vec::new();
        // Without declared columns the first sheet is taken, and a look at the others helps nobody.
        let looked_at = if declared.is_empty() { 1 } else { sheets.len() };
        for sheet in sheets.iter().take(looked_at) {
            headers.push(guarded("workbook", || header(&mut book, sheet))?);
        }
        let mut fitting = headers.iter().enumerate().filter(|(_, header)| fits(header)).map(|(at, _)| at);
        let at = match (fitting.next(), fitting.next()) {
            (Some(only), None) => only,
            _ => 0,
        };
        drop(fitting);
        let sheet = sheets.get(at).ok_or_else(|| Stop::whole("the workbook has no sheet"))?.clone();
        let Some(header) = headers.swap_remove(at) else {
            return Err(Stop::whole(format!("the sheet `{sheet}` is empty; its first row must name the columns")));
        };
        let merged = guarded("workbook", || book.merge_cells_by_sheet_name(&sheet).map_err(broken))?;
        header.check_merged(&merged)?;
        let type_of = |name: &String| declared.iter().find(|column| column.name == *name).and_then(|column| column.field_type);
        let types: Vec<Option<FieldType>> = header.names.iter().map(type_of).collect();
        let formatted = match types.iter().any(Option::is_none) {
            true => guarded("workbook", || moments::columns(&mut book, &sheet, (header.row, header.first), types.len()))?,
            false => vec![false; types.len()],
        };
        let is_moment = |(kind, formatted): (&Option<FieldType>, bool)| kind.map_or(formatted, |kind| kind == FieldType::Datetime);
        let moments = types.iter().zip(formatted).map(is_moment).collect();
        let columns = header.names.into_iter().map(Found::named).collect();
        let merged = merged.into_iter().filter(|area| area.start.0 > header.row).collect();
        Ok(Workbook {
            path: path.to_owned(),
            size,
            sheet,
            sheets: sheets.len(),
            columns,
            moments,
            header: (header.row, header.first),
            merged,
        })
    }

    /// What a publisher should know about how the workbook is read.
    pub fn notes(&self) -> Vec<ReportNote> {
        let mut notes = Vec::new();
        if self.sheets > 1 {
            let detail = format!("the workbook has {} sheets; `{}` was taken in and the others were not", self.sheets, self.sheet);
            notes.push(ReportNote { column: None, detail, rows: Vec::new(), count: self.sheets as i64 - 1 });
        }
        if let Some(area) = self.merged.first() {
            let detail = format!(
                "cells are merged (first {}:{}); only the first cell of each has the value, the others were taken as missing",
                reference(area.start.0, area.start.1),
                reference(area.end.0, area.end.1)
            );
            let rows = self.merged.iter().take(LISTED_ROWS).map(|area| i64::from(area.start.0 - self.header.0)).collect();
            notes.push(ReportNote { column: None, detail, rows, count: self.merged.len() as i64 });
        }
        notes
    }
}

struct Header {
    row: u32,
    first: u32,
    names: Vec<String>,
}

impl Header {
    /// A name over several columns leaves the others without one.
    fn check_merged(&self, merged: &[Dimensions]) -> Result<(), Stop> {
        match merged.iter().find(|area| area.start.0 <= self.row && area.end.0 >= self.row) {
            None => Ok(()),
            Some(area) => Err(Stop::at(
                u64::from(self.row) + 1,
                format!(
                    "the cells {}:{} of the header are merged; give each column one cell with its own name, and remove titles above the header",
                    reference(area.start.0, area.start.1),
                    reference(area.end.0, area.end.1)
                ),
            )),
        }
    }
}

/// Rows and columns that a sheet has at most.
const SHEET: (u32, u32) = (1 << 20, 1 << 14);

/// Room for all the cells up to a place that no sheet has would take all memory, and time without end.
fn check_place(row: u32, column: u32) -> Result<(), Stop> {
    if row < SHEET.0 && column < SHEET.1 {
        return Ok(());
    }
    let (rows, columns) = SHEET;
    let why = format!("the workbook is damaged: it has a cell in row {} and column {}, and", u64::from(row) + 1, u64::from(column) + 1);
    Err(Stop::whole(format!("{why} no sheet has more than {rows} rows and {columns} columns; save it again")))
}

/// The first row that has a value.
fn header(book: &mut Book, sheet: &str) -> Result<Option<Header>, Stop> {
    let mut cells = match book.worksheet_cells_reader(sheet) {
        Ok(cells) => cells,
        // A sheet with nothing but a chart is no table.
        Err(XlsxError::NotAWorksheet(_)) => return Ok(None),
        Err(other) => return Err(broken(other)),
    };
    let mut found: Option<Header> = None;
    while let Some(cell) = cells.next_cell().map_err(broken)? {
        let (row, column) = cell.get_position();
        check_place(row, column)?;
        let name = match text(cell.get_value(), false) {
            Text::Value(name) if !name.is_empty() => name,
            Text::Value(_) | Text::Missing => continue,
            Text::Fault(why) => {
                return Err(Stop::at(u64::from(row) + 1, format!("the cell {} of the header: {why}", reference(row, column))));
            }
        };
        let header = found.get_or_insert_with(|| Header { row, first: column, names: Vec::new() });
        if row != header.row {
            break;
        }
        let place = column.saturating_sub(header.first) as usize;
        // Cells that are missing in the file are columns without a name.
        header.names.resize(place.max(header.names.len()), String::new());
        header.names.push(name);
    }
    Ok(found)
}

impl Source for Workbook {
    fn columns(&self) -> &[Found] {
        &self.columns
    }

    fn header_line(&self) -> Option<u64> {
        Some(u64::from(self.header.0) + 1)
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn cell_reference(&self, line: u64, column: usize) -> Option<String> {
        Some(reference(u32::try_from(line).ok()?.checked_sub(1)?, self.header.1 + u32::try_from(column).ok()?))
    }

    fn read(&self, progress: &Progress<'_>, out: &mut Out<'_>) -> Result<(), Stop> {
        let mut book = open_book(&self.path)?;
        guarded("workbook", || {
            let mut cells = book.worksheet_cells_reader(&self.sheet).map_err(broken)?;
            let mut rows = Rows { sheet: self, row: None, next: self.header.0 + 1, formulas: Seen::default(), blanks: Seen::default() };
            while let Some(cell) = cells.next_cell_with_formula_metadata().map_err(broken)? {
                rows.cell(cell.pos, &cell.value, cell.formula.is_some(), out)?;
            }
            rows.finish(out)
        })?;
        progress.read(self.size);
        Ok(())
    }
}

#[derive(Default)]
struct Seen {
    count: i64,
    rows: Vec<i64>,
}

impl Seen {
    fn add(&mut self, row: u32) {
        self.count += 1;
        if self.rows.len() < LISTED_ROWS && self.rows.last() != Some(&i64::from(row)) {
            self.rows.push(i64::from(row));
        }
    }
}

/// Puts cells together to rows.
struct Rows<'w> {
    sheet: &'w Workbook,
    /// The row at hand.
    row: Option<u32>,
    /// The row that follows.
    next: u32,
    formulas: Seen,
    blanks: Seen,
}

impl Rows<'_> {
    fn cell(&mut self, (row, column): (u32, u32), value: &DataRef<'_>, formula: bool, out: &mut Out<'_>) -> Result<(), Stop> {
        check_place(row, column)?;
        let (header_row, first) = self.sheet.header;
        let place = column.wrapping_sub(first) as usize;
        let moment = self.sheet.moments.get(place).copied().unwrap_or_default();
        let text = text(value, moment);
        if row <= header_row || (matches!(text, Text::Missing) && !formula) {
            return Ok(());
        }
        self.begin(row, out)?;
        let line = u64::from(row) + 1;
        let fault = |detail: String| FileFault { line: Some(line), column: out_name(self.sheet, place), detail };
        if column < first || place >= self.sheet.columns.len() {
            out.row_fault(fault(format!("the cell {} stands outside of the columns that the header names", reference(row, column))));
            return Ok(());
        }
        if out.cells() > place {
            return Err(Stop::at(line, format!("the cell {} stands twice; the workbook is damaged", reference(row, column))));
        }
        self.fill(place, out);
        match text {
            Text::Value(text) => out.cell(&text),
            Text::Fault(why) => {
                out.row_fault(fault(format!("the cell {}: {why}", reference(row, column))));
                out.cell("");
            }
            Text::Missing => {
                let why = "a formula without a stored value; open the workbook in a spreadsheet program and save it again";
                out.row_fault(fault(format!("the cell {} holds {why}", reference(row, column))));
                out.cell("");
            }
        }
        if formula {
            self.formulas.add(row - header_row);
        }
        Ok(())
    }

    fn fill(&self, place: usize, out: &mut Out<'_>) {
        while out.cells() < place {
            out.cell("");
        }
    }

    /// Begins a row, if it is another than the one at hand.
    fn begin(&mut self, row: u32, out: &mut Out<'_>) -> Result<(), Stop> {
        if self.row == Some(row) {
            return Ok(());
        }
        self.end(out)?;
        if row < self.next {
            return Err(Stop::at(u64::from(row) + 1, "the rows of the workbook are out of order; save it again"));
        }
        for blank in self.next..row {
            self.blanks.add(blank - self.sheet.header.0);
        }
        (self.row, self.next) = (Some(row), row + 1);
        Ok(())
    }

    fn end(&mut self, out: &mut Out<'_>) -> Result<(), Stop> {
        let Some(row) = self.row.take() else { return Ok(()) };
        self.fill(self.sheet.columns.len(), out);
        out.end_row(u64::from(row) + 1)
    }

    fn finish(mut self, out: &mut Out<'_>) -> Result<(), Stop> {
        self.end(out)?;
        let mut note = |seen: Seen, detail: &str| {
            if seen.count > 0 {
                out.note(ReportNote { column: None, detail: detail.to_owned(), rows: seen.rows, count: seen.count });
            }
        };
        note(self.formulas, "cells hold formulas; their stored values were taken in");
        note(self.blanks, "rows without any value were left out");
        Ok(())
    }
}

fn out_name(sheet: &Workbook, place: usize) -> Option<String> {
    sheet.columns.get(place).map(|found| found.name.clone())
}
