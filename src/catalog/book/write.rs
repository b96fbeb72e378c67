//! Entries as the rows of a book, and as a folder of entry files.

use rust_xlsxwriter::{Format, FormatAlign, Workbook, XlsxError};
use serde::Serialize;
use serde_json::Value;

use super::columns::{Column, Kind, OF_DATASETS, OF_FIELDS, SLUG};
use super::{DATASETS, FIELDS};
use crate::catalog::entry::Entry;
use crate::catalog::store::{Publisher, Theme};
use crate::catalog::subjects::SubjectClass;
use crate::error::{Error, Result};
use crate::intake::{CellText, SheetText};

/// Characters of a cell, in UTF-16 units.
const MAX_TEXT: usize = 32_767;

/// What stands in a cell for a value of an entry.
fn cell(column: &Column, value: &Value) -> Result<String> {
    Ok(match (column.kind, value) {
        (_, Value::Null) => String::new(),
        (Kind::List, Value::Array(items)) => {
            let text = items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n");
            // One item with a semicolon is told from two by a line of its own.
            if text.contains([';', '；']) && !text.contains('\n') { text + "\n" } else { text }
        }
        (Kind::Toml, Value::String(word)) => word.clone(),
        (Kind::Toml, value) => in_toml(value)?,
        (_, Value::String(text)) => text.clone(),
        (_, other) => other.to_string(),
    })
}

/// A value in TOML on one line.
fn in_toml(value: &Value) -> Result<String> {
    let mut text = String::new();
    value.serialize(toml::ser::ValueSerializer::new(&mut text)).map_err(Error::internal)?;
    Ok(text)
}

fn at<'a>(value: &'a Value, key: &str) -> &'a Value {
    key.split('.').fold(value, |value, key| &value[key])
}

/// The cells of a sheet below its header, row by row.
type Cells = Vec<Vec<String>>;

/// The rows of both sheets.
fn rows(list: &[(String, Entry)]) -> Result<(Cells, Cells)> {
    let (mut datasets, mut fields) = (Vec::with_capacity(list.len()), Vec::new());
    let row = |columns: &[Column], slug: &str, value: &Value| -> Result<Vec<String>> {
        columns.iter().map(|column| if column.key == SLUG { Ok(slug.to_owned()) } else { cell(column, at(value, column.key)) }).collect()
    };
    for (slug, entry) in list {
        let value = serde_json::to_value(entry)?;
        datasets.push(row(OF_DATASETS, slug, &value)?);
        for field in value["fields"].as_array().into_iter().flatten() {
            fields.push(row(OF_FIELDS, slug, field)?);
        }
    }
    Ok((datasets, fields))
}

/// Both sheets as they are read.
pub(super) fn sheets_of(list: &[(String, Entry)]) -> Result<[SheetText; 2]> {
    let (datasets, fields) = rows(list)?;
    let sheet = |name: &str, columns: &[Column], rows: Cells| {
        let header: Vec<String> = columns.iter().map(header).collect();
        let cells = std::iter::once(header).chain(rows).zip(1..).flat_map(|(texts, row)| {
            let cell = move |(column, text)| CellText { row, column, text: Ok(text) };
            texts.into_iter().enumerate().filter(|(_, text)| !text.is_empty()).map(cell)
        });
        SheetText { name: name.to_owned(), cells: cells.collect() }
    };
    Ok([sheet(DATASETS, OF_DATASETS, datasets), sheet(FIELDS, OF_FIELDS, fields)])
}

fn header(column: &Column) -> String {
    format!("{} {}", column.zh, column.key)
}

/// A workbook. Every cell is a text, so that no code loses its zeros and no text becomes a formula.
///
/// # Errors
/// When a text is longer than a cell can be.
pub fn to_xlsx(list: &[(String, Entry)]) -> Result<Vec<u8>> {
    let (datasets, fields) = rows(list)?;
    let mut book = Workbook::new();
    for (name, columns, rows) in [(DATASETS, OF_DATASETS, datasets), (FIELDS, OF_FIELDS, fields)] {
        sheet(&mut book, name, columns, &rows)?;
    }
    book.save_to_buffer().map_err(Error::internal)
}

fn sheet(book: &mut Workbook, name: &str, columns: &[Column], rows: &[Vec<String>]) -> Result<()> {
    let broken = |cause: XlsxError| Error::internal(cause);
    let (bold, plain) = (Format::new().set_bold(), Format::new().set_num_format("@").set_align(FormatAlign::Top));
    let sheet = book.add_worksheet();
    sheet.set_name(name).map_err(broken)?;
    sheet.set_freeze_panes(1, 1).map_err(broken)?;
    for (at, column) in (0_u16..).zip(columns) {
        sheet.write_string_with_format(0, at, header(column), &bold).map_err(broken)?;
        sheet.set_column_width(at, 24).map_err(broken)?;
        sheet.set_column_format(at, &plain).map_err(broken)?;
    }
    for (line, row) in (1_u32..).zip(rows) {
        for ((at, column), text) in (0_u16..).zip(columns).zip(row) {
            if text.encode_utf16().count() > MAX_TEXT {
                let slug = row.first().cloned().unwrap_or_default();
                let detail =
                    format!("`{}` of `{slug}` is longer than the {MAX_TEXT} characters of a cell; export a folder of TOML", column.key);
                return Err(Error::TooLarge(detail));
            }
            if !text.is_empty() {
                sheet.write_string_with_format(line, at, text, &plain).map_err(broken)?;
            }
        }
    }
    Ok(())
}

/// The texts of two files, `datasets.csv` and `fields.csv`, in UTF-8 with a mark of it at the start, by which Excel knows it.
///
/// # Errors
/// When the list cannot be written as text.
pub fn to_csv(list: &[(String, Entry)]) -> Result<[(String, String); 2]> {
    let (datasets, fields) = rows(list)?;
    let file = |name: &str, columns: &[Column], rows: Vec<Vec<String>>| -> Result<(String, String)> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(columns.iter().map(header)).map_err(Error::internal)?;
        for row in rows {
            writer.write_record(row).map_err(Error::internal)?;
        }
        let bytes = writer.into_inner().map_err(|cause| Error::internal(cause.into_error()))?;
        Ok((format!("{name}.csv"), format!("\u{feff}{}", String::from_utf8(bytes).map_err(Error::internal)?)))
    };
    Ok([file(DATASETS, OF_DATASETS, datasets)?, file(FIELDS, OF_FIELDS, fields)?])
}

/// The entry files of a folder: `SLUG/dataset.toml` and its text.
///
/// # Errors
/// When an entry cannot be written as TOML.
pub fn to_folder(list: &[(String, Entry)]) -> Result<Vec<(String, String)>> {
    let file = |(slug, entry): &(String, Entry)| Ok((format!("{slug}/dataset.toml"), toml::to_string(entry).map_err(Error::internal)?));
    list.iter().map(file).collect()
}

/// What entries name by slug, as the files of a folder: `publishers.toml`, `themes.toml` and `subjects.toml`.
///
/// # Errors
/// When they cannot be written as TOML.
pub fn vocabulary_files(publishers: &[Publisher], themes: &[Theme], classes: &[SubjectClass]) -> Result<Vec<(String, String)>> {
    fn file<'a, T: Serialize + 'a>(name: &str, items: impl Iterator<Item = (&'a str, &'a T)>) -> Result<(String, String)> {
        let mut text = String::new();
        for (slug, item) in items {
            let mut value = serde_json::to_value(item)?;
            if let Value::Object(map) = &mut value {
                map.remove("slug");
                map.retain(|_, value| !value.is_null() && value.as_object().is_none_or(|inner| !inner.is_empty()));
            }
            text += &toml::to_string(&serde_json::json!({ slug: value })).map_err(Error::internal)?;
            text.push('\n');
        }
        Ok((format!("{name}.toml"), text))
    }
    Ok(vec![
        file("publishers", publishers.iter().map(|one| (one.slug.as_str(), one)))?,
        file("themes", themes.iter().map(|one| (one.slug.as_str(), one)))?,
        file("subjects", classes.iter().map(|one| (one.slug.as_str(), one)))?,
    ])
}

/// A workbook with one sheet of texts. What is longer than a cell can be is cut, with a mark.
///
/// # Errors
/// When the sheet cannot be written.
pub fn workbook(name: &str, header: &[&str], rows: &[Vec<String>]) -> Result<Vec<u8>> {
    let broken = |cause: XlsxError| Error::internal(cause);
    let (bold, plain) = (Format::new().set_bold(), Format::new().set_num_format("@").set_align(FormatAlign::Top).set_text_wrap());
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    sheet.set_name(name).map_err(broken)?;
    sheet.set_freeze_panes(1, 2).map_err(broken)?;
    for (at, text) in (0_u16..).zip(header) {
        sheet.write_string_with_format(0, at, *text, &bold).map_err(broken)?;
        sheet.set_column_width(at, 24).map_err(broken)?;
    }
    for (line, row) in (1_u32..).zip(rows) {
        for (at, text) in (0_u16..).zip(row).filter(|(_, text)| !text.is_empty()) {
            let fits = text.encode_utf16().count() <= MAX_TEXT;
            let cut = || format!("{}…", text.chars().take(MAX_TEXT / 2 - 1).collect::<String>());
            sheet.write_string_with_format(line, at, if fits { text.clone() } else { cut() }, &plain).map_err(broken)?;
        }
    }
    book.save_to_buffer().map_err(Error::internal)
}
