//! A workbook as text, sheet by sheet: for tables that are no dataset's data, such as the list itself.

use std::path::Path;

use calamine::{Reader, XlsxError};

use super::cell::{Text, text};
use super::{Book, broken, check_place, open_book, parts};
use crate::intake::IntakeError;
use crate::intake::faults::{Stop, guarded};

/// How many cells are read of one workbook.
const MOST_CELLS: usize = 4_000_000;

/// A cell with something in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellText {
    /// Its row, from 1.
    pub row: u64,
    /// Its column, from 0.
    pub column: usize,
    /// What it says, or why it cannot be read.
    pub text: Result<String, String>,
}

/// A sheet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SheetText {
    /// Its name.
    pub name: String,
    /// Its cells, row by row.
    pub cells: Vec<CellText>,
}

/// Reads every sheet of a workbook. Days are written as in ISO 8601; of a formula its value is taken.
///
/// # Errors
/// When the file is no workbook, is damaged, or has more than 4,000,000 cells.
pub fn read_sheets(path: &Path) -> Result<Vec<SheetText>, IntakeError> {
    parts::check(path)?;
    let mut book = open_book(path)?;
    let mut left = MOST_CELLS;
    let mut sheets = Vec::new();
    for name in book.sheet_names() {
        let cells = guarded("workbook", || cells_of(&mut book, &name, &mut left))?;
        sheets.push(SheetText { name, cells });
    }
    Ok(sheets)
}

fn cells_of(book: &mut Book, sheet: &str, left: &mut usize) -> Result<Vec<CellText>, Stop> {
    let mut reader = match book.worksheet_cells_reader(sheet) {
        Ok(reader) => reader,
        Err(XlsxError::NotAWorksheet(_)) => return Ok(Vec::new()),
        Err(other) => return Err(broken(other)),
    };
    let mut cells = Vec::new();
    while let Some(cell) = reader.next_cell().map_err(broken)? {
        let (row, column) = cell.get_position();
        check_place(row, column)?;
        let text = match text(cell.get_value(), false) {
            Text::Missing => continue,
            Text::Value(text) => Ok(text),
            Text::Fault(why) => Err(why),
        };
        *left = left.checked_sub(1).ok_or_else(|| Stop::whole(format!("the workbook has more than {MOST_CELLS} cells")))?;
        cells.push(CellText { row: u64::from(row) + 1, column: column as usize, text });
    }
    Ok(cells)
}
