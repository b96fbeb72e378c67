//! The rows of a book as entries. Whatever is wrong is named by sheet, row and column, and stops nothing else from being looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::columns::{Column, Kind, OF_DATASETS, OF_FIELDS, SLUG, named};
use super::write::sheets_of;
use super::{BookFault, DATASETS, FIELDS};
use crate::catalog::check::{Vocabulary, check_entry};
use crate::catalog::collection::complete;
use crate::catalog::entry::Entry;
use crate::catalog::folder::{SLUG_RULE, is_slug};
use crate::catalog::grading::Scheme;
use crate::intake::{CellText, IntakeError, SheetText, cell_reference, read_sheets};

/// Where a value of an entry stands.
#[derive(Debug, Clone, Default)]
struct Place {
    row: u64,
    /// The places of the columns in the sheet, by key: one map for all of its rows.
    columns: Arc<BTreeMap<&'static str, usize>>,
}

/// An entry that was read, with where it stands.
#[derive(Debug)]
pub struct BookEntry {
    pub slug: String,
    pub entry: Entry,
    place: Place,
    fields: Vec<Place>,
    /// How many fields the service has put before those of the book.
    added: usize,
}

/// Everything that a book says.
#[derive(Debug, Default)]
pub struct Rows {
    /// The entries without mistakes of their own.
    pub entries: Vec<BookEntry>,
    /// Every slug that a row names, also of those with mistakes.
    pub named: BTreeSet<String>,
    /// Every mistake.
    pub faults: Vec<BookFault>,
}

impl BookEntry {
    /// A mistake at a key of the entry, such as `licence` or `fields[2].release`, by its cell.
    pub fn fault(&self, key: &str, detail: String) -> BookFault {
        if let Some((number, rest)) = key.strip_prefix("fields[").and_then(|rest| rest.split_once(']'))
            && let Some(place) = number.parse::<usize>().ok().and_then(|number| self.fields.get(number.checked_sub(self.added)?))
        {
            return fault_at(FIELDS, place, rest.trim_start_matches('.'), detail);
        }
        fault_at(DATASETS, &self.place, key, detail)
    }
}

/// A mistake in the cell of a key, or in the first of those that make it up.
fn fault_at(sheet: &str, place: &Place, key: &str, detail: String) -> BookFault {
    let whole = key.split('[').next().unwrap_or(key);
    let head = whole.split('.').next().unwrap_or(whole);
    let columns = if sheet == FIELDS { OF_FIELDS } else { OF_DATASETS };
    let found = columns
        .iter()
        .find(|column| column.key == whole)
        .or_else(|| columns.iter().find(|column| column.key.split('.').next() == Some(head)))
        .map(|column| column.key);
    let at = found.and_then(|key| place.columns.get(key));
    BookFault {
        sheet: sheet.to_owned(),
        row: Some(place.row),
        column: at.map(|at| letters(*at)),
        key: found.map_or_else(|| Some(key.to_owned()).filter(|key| !key.is_empty()), |key| Some(key.to_owned())),
        detail,
    }
}

/// The letters of a column, from 0.
fn letters(column: usize) -> String {
    let reference = cell_reference(0, u32::try_from(column).unwrap_or(u32::MAX - 1));
    reference.trim_end_matches(|character: char| character.is_ascii_digit()).to_owned()
}

/// Reads a workbook.
///
/// # Errors
/// When the file cannot be read as one.
pub fn read_xlsx(path: &Path) -> Result<Vec<SheetText>, IntakeError> {
    read_sheets(path)
}

/// Reads the text of a CSV file as a sheet.
///
/// # Errors
/// Says which line cannot be read.
pub fn read_csv(name: &str, text: &str) -> Result<SheetText, BookFault> {
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let mut cells = Vec::new();
    for (row, record) in (1_u64..).zip(reader.records()) {
        let record = record.map_err(|cause| BookFault {
            sheet: name.to_owned(),
            row: Some(row),
            column: None,
            key: None,
            detail: format!("cannot be read as CSV: {cause}"),
        })?;
        let cell = |(column, text): (usize, &str)| CellText { row, column, text: Ok(text.to_owned()) };
        cells.extend(record.iter().enumerate().filter(|(_, text)| !text.is_empty()).map(cell));
    }
    Ok(SheetText { name: name.to_owned(), cells })
}

/// A row of a sheet: its values by key, and where it stands.
pub(super) struct Row {
    place: Place,
    values: Map<String, Value>,
    slug: Option<String>,
    /// Whether a cell of it is wrong.
    wrong: bool,
}

/// Reads the entries of a book, whose fields are graded by that scheme.
pub fn read_rows(sheets: &[SheetText], vocabulary: Vocabulary<'_>, scheme: &Scheme) -> Rows {
    let mut rows = Rows::default();
    let mut of = |name: &str, columns: &'static [Column]| match sheets.iter().find(|sheet| sheet.name.trim().eq_ignore_ascii_case(name)) {
        Some(sheet) => rows_of(name, sheet, columns, &mut rows.faults),
        None => {
            let there: Vec<&str> = sheets.iter().map(|sheet| sheet.name.as_str()).collect();
            let detail = format!("there is no sheet of that name; the book has: {}", there.join(", "));
            rows.faults.push(BookFault { sheet: name.to_owned(), row: None, column: None, key: None, detail });
            None
        }
    };
    // Without one of the sheets the other says nothing.
    let (Some(datasets), Some(fields)) = (of(DATASETS, OF_DATASETS), of(FIELDS, OF_FIELDS)) else { return rows };
    let mut by_slug: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for row in fields {
        if let Some(slug) = row.slug.clone() {
            by_slug.entry(slug).or_default().push(row);
        }
    }
    for row in datasets {
        let Some(slug) = row.slug.clone() else { continue };
        if !is_slug(&slug) {
            rows.faults.push(fault_at(DATASETS, &row.place, SLUG, format!("{}: {SLUG_RULE}", crate::intake::shown(&slug))));
        } else if rows.named.contains(&slug) {
            rows.faults.push(fault_at(DATASETS, &row.place, SLUG, format!("the dataset `{slug}` stands twice; keep one of the rows")));
        } else {
            rows.named.insert(slug.clone());
            let fields = by_slug.remove(&slug).unwrap_or_default();
            entry(slug, row, fields, vocabulary, scheme, &mut rows);
            continue;
        }
        by_slug.remove(&slug);
    }
    for (slug, fields) in by_slug {
        for row in fields.iter().filter(|_| !rows.named.contains(&slug)) {
            let detail = format!("there is no dataset {} in the sheet `{DATASETS}`", crate::intake::shown(&slug));
            rows.faults.push(fault_at(FIELDS, &row.place, SLUG, detail));
        }
    }
    rows.faults = in_order(std::mem::take(&mut rows.faults));
    rows
}

/// Mistakes in the order of the book; of several in one cell the first, which says how many more there are.
pub fn in_order(mut faults: Vec<BookFault>) -> Vec<BookFault> {
    fn cell(fault: &BookFault) -> (&String, Option<u64>, Option<(usize, &String)>) {
        (&fault.sheet, fault.row, fault.column.as_ref().map(|column| (column.len(), column)))
    }
    faults.sort_by(|one, other| cell(one).cmp(&cell(other)));
    let alike = |one: &BookFault, other: &BookFault| one.column.is_some() && cell(one) == cell(other);
    let first = |faults: &[BookFault]| {
        let mut first = faults.first()?.clone();
        match faults.len() {
            1 => {}
            count => first.detail += &format!(" (and {} more in this cell)", count - 1),
        }
        Some(first)
    };
    faults.chunk_by(alike).filter_map(first).collect()
}

fn entry(slug: String, row: Row, fields: Vec<Row>, vocabulary: Vocabulary<'_>, scheme: &Scheme, rows: &mut Rows) {
    if row.wrong || fields.iter().any(|field| field.wrong) {
        return;
    }
    let places: Vec<Place> = fields.iter().map(|field| field.place.clone()).collect();
    let place = row.place.clone();
    let (entry, added) = match entry_of(row, fields) {
        Ok(read) => read,
        Err(fault) => return rows.faults.push(fault),
    };
    let read = BookEntry { slug, entry, place, fields: places, added };
    let faults = check_entry(&read.entry, vocabulary, scheme);
    if faults.is_empty() {
        rows.entries.push(read);
    } else {
        rows.faults.extend(faults.into_iter().map(|(key, detail)| read.fault(&key, detail)));
    }
}

/// The entry that a row and those of its fields say, and how many fields were put before them.
pub(super) fn entry_of(row: Row, fields: Vec<Row>) -> Result<(Entry, usize), BookFault> {
    let mut value = row.values;
    value.insert("fields".to_owned(), fields.into_iter().map(|field| Value::Object(field.values)).collect());
    let mut entry: Entry = serde_json::from_value(Value::Object(value)).map_err(|cause| {
        // The reader names the key between backticks: "missing field `en`".
        let text = cause.to_string();
        let key = text.split('`').nth(1).unwrap_or_default().to_owned();
        fault_at(DATASETS, &row.place, &key, text)
    })?;
    let added = complete(&mut entry);
    Ok((entry, added))
}

/// An entry as it comes back when it is written into a book and read again: without blanks around its texts, and without what is empty.
pub fn again(entry: &Entry) -> Option<Entry> {
    let slug = "again";
    let [datasets, fields] = sheets_of(&[(slug.to_owned(), entry.clone())]).ok()?;
    let mut faults = Vec::new();
    let row = rows_of(DATASETS, &datasets, OF_DATASETS, &mut faults)?.pop()?;
    let fields: Vec<Value> = rows_of(FIELDS, &fields, OF_FIELDS, &mut faults)?.into_iter().map(|row| Value::Object(row.values)).collect();
    let mut values = row.values;
    values.insert("fields".to_owned(), fields.into());
    let mut read: Entry = serde_json::from_value(Value::Object(values)).ok()?;
    complete(&mut read);
    faults.is_empty().then_some(read)
}

/// The rows below the header; `None` where that is wrong, and so would be every cell.
pub(super) fn rows_of(name: &str, sheet: &SheetText, columns: &'static [Column], faults: &mut Vec<BookFault>) -> Option<Vec<Row>> {
    let (header, cells): (Vec<&CellText>, Vec<&CellText>) = sheet.cells.iter().partition(|cell| cell.row == 1);
    let (places, complete) = header_of(name, &header, columns, faults);
    if !complete {
        return None;
    }
    let places = Arc::new(places);
    let by_place: BTreeMap<usize, &'static Column> = columns.iter().filter_map(|column| Some((*places.get(column.key)?, column))).collect();
    let row = |cells: &[&CellText]| row_of(name, cells, columns, (&places, &by_place), faults);
    Some(cells.chunk_by(|one, other| one.row == other.row).map(row).collect())
}

/// Where each column stands, and whether every one that is needed is there and no other.
fn header_of(
    name: &str,
    header: &[&CellText],
    columns: &'static [Column],
    faults: &mut Vec<BookFault>,
) -> (BTreeMap<&'static str, usize>, bool) {
    let before = faults.len();
    let mut places = BTreeMap::new();
    for cell in header {
        let mut fault = |detail: String| {
            let column = Some(letters(cell.column));
            faults.push(BookFault { sheet: name.to_owned(), row: Some(1), column, key: None, detail });
        };
        let text = cell.text.clone().unwrap_or_default();
        match named(columns, &text).and_then(|at| columns.get(at)) {
            None => fault(format!(
                "there is no column {}; `qingdan list export` writes the columns that there are",
                crate::intake::shown(&text)
            )),
            Some(column) => {
                if let Some(other) = places.insert(column.key, cell.column) {
                    fault(format!("the column `{}` stands twice, also in {}", column.key, letters(other)));
                }
            }
        }
    }
    // Also those that may be empty: a column that somebody left out would clear its values everywhere.
    for column in columns.iter().filter(|column| !places.contains_key(column.key)) {
        let detail = format!("the column `{} {}` is missing; leave its cells empty where nothing is to be said", column.zh, column.key);
        faults.push(BookFault { sheet: name.to_owned(), row: Some(1), column: None, key: Some(column.key.to_owned()), detail });
    }
    (places, faults.len() == before)
}

type Places<'a> = (&'a Arc<BTreeMap<&'static str, usize>>, &'a BTreeMap<usize, &'static Column>);

fn row_of(
    sheet: &str,
    cells: &[&CellText],
    columns: &'static [Column],
    (places, by_place): Places<'_>,
    faults: &mut Vec<BookFault>,
) -> Row {
    let number = cells.first().map_or(0, |cell| cell.row);
    let place = Place { row: number, columns: Arc::clone(places) };
    let before = faults.len();
    let (mut values, mut slug) = (Map::new(), None);
    let mut said: BTreeSet<&str> = BTreeSet::new();
    for cell in cells {
        let Some(column) = by_place.get(&cell.column) else {
            let detail = "the column has no header; put the cell into its column, or take it out".to_owned();
            let column = Some(letters(cell.column));
            faults.push(BookFault { sheet: sheet.to_owned(), row: Some(number), column, key: None, detail });
            continue;
        };
        let read = cell.text.clone().and_then(|text| value_of(column, &text));
        match read {
            Ok(None) => {}
            Ok(Some(value)) if column.key == SLUG => {
                said.insert(SLUG);
                slug = value.as_str().map(str::to_owned);
            }
            Ok(Some(value)) => {
                said.insert(column.key);
                put(&mut values, column.key, value);
            }
            Err(detail) => {
                said.insert(column.key);
                faults.push(fault_at(sheet, &place, column.key, detail));
            }
        }
    }
    for column in columns.iter().filter(|column| column.required && !said.contains(column.key)) {
        faults.push(fault_at(sheet, &place, column.key, format!("`{}` is empty", column.zh)));
    }
    // A text is given in both languages.
    for column in columns.iter().filter(|column| !column.required && column.kind == Kind::Text && !said.contains(column.key)) {
        let other = match column.key.rsplit_once('.') {
            Some((head, "zh")) => format!("{head}.en"),
            Some((head, "en")) => format!("{head}.zh"),
            Some(_) | None => continue,
        };
        if said.contains(other.as_str()) {
            faults.push(fault_at(sheet, &place, column.key, format!("`{}` is empty, and `{other}` is not", column.zh)));
        }
    }
    Row { place, values, slug, wrong: faults.len() > before }
}

/// Puts a value where its key says.
fn put(values: &mut Map<String, Value>, key: &str, value: Value) {
    match key.split_once('.') {
        None => _ = values.insert(key.to_owned(), value),
        Some((head, rest)) => {
            if let Value::Object(inner) = values.entry(head).or_insert_with(|| json!({})) {
                put(inner, rest, value);
            }
        }
    }
}

/// What a cell says; `None` where it is empty.
fn value_of(column: &Column, text: &str) -> Result<Option<Value>, String> {
    let trimmed = text.trim();
    let is_listed = text.contains('\n');
    if trimmed.is_empty() {
        return Ok(None);
    }
    let shown = || crate::intake::shown(trimmed);
    let value = match column.kind {
        Kind::Text => Value::String(trimmed.to_owned()),
        // Where lines part the items, a semicolon is a part of one.
        Kind::List => trimmed
            .split(|character| character == '\n' || !is_listed && matches!(character, ';' | '；'))
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(Value::from)
            .collect(),
        Kind::Integer => trimmed.parse::<i64>().map(Value::from).map_err(|_cause| format!("{} is no whole number", shown()))?,
        Kind::Number => {
            let number = trimmed.parse::<f64>().ok().filter(|number| number.is_finite());
            number.map(Value::from).ok_or_else(|| format!("{} is no number", shown()))?
        }
        Kind::Boolean => match trimmed.to_lowercase().as_str() {
            "true" | "是" | "1" => Value::Bool(true),
            "false" | "否" | "0" => Value::Bool(false),
            _ => return Err(format!("{} is neither true (是) nor false (否)", shown())),
        },
        Kind::Toml => toml_value(trimmed)?,
    };
    (column.check)(&value).map_err(|cause| format!("{}: {cause}", shown()))?;
    Ok(Some(value))
}

/// A value in TOML; a single word is a text.
fn toml_value(text: &str) -> Result<Value, String> {
    let is_word = text.chars().all(|character| character.is_alphanumeric() || matches!(character, '_' | '-' | '.' | '/' | ':'));
    if is_word && !text.starts_with(|first: char| first.is_ascii_digit()) {
        return Ok(Value::String(text.to_owned()));
    }
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct One {
        value: Value,
    }
    let one: One = toml::from_str(&format!("value = {text}")).map_err(|cause| {
        let message = cause.message().to_owned();
        format!("{} cannot be read as TOML ({message}); write it as in an entry file", crate::intake::shown(text))
    })?;
    Ok(one.value)
}
