//! An entry as a form of texts: the columns of a book, each a field of the form.

use serde_json::Value;

use super::columns::{Column, Kind, OF_DATASETS, OF_FIELDS, SLUG};
use super::read::{entry_of, rows_of};
use super::write::sheets_of;
use super::{BookFault, DATASETS, FIELDS};
use crate::catalog::entry::Entry;
use crate::error::Result;
use crate::intake::{CellText, SheetText};

/// One text of a form.
#[derive(Debug, Clone)]
pub struct FormText {
    /// Where it stands in the entry, or in one of its fields.
    pub key: &'static str,
    /// What a curator calls it.
    pub zh: &'static str,
    /// How it is written.
    pub kind: Kind,
    /// Whether every entry has it.
    pub required: bool,
    /// What stands there.
    pub text: String,
}

/// An entry as texts.
#[derive(Debug, Clone, Default)]
pub struct Form {
    /// Those of the dataset.
    pub dataset: Vec<FormText>,
    /// Those of each of its fields.
    pub fields: Vec<Vec<FormText>>,
}

/// A text of a form that says nothing that an entry can say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormFault {
    /// Of which field of the entry, from 0; none of the dataset's own.
    pub field: Option<usize>,
    /// Where it stands there.
    pub key: String,
    /// What is wrong, and what would be right.
    pub detail: String,
}

fn texts(columns: &'static [Column], sheet: &SheetText, row: u64) -> Vec<FormText> {
    let text_at = |at: usize| {
        let found = sheet.cells.iter().find(|cell| cell.row == row && cell.column == at);
        found.and_then(|cell| cell.text.clone().ok()).unwrap_or_default()
    };
    let with_text = |(at, column): (usize, &'static Column)| FormText {
        key: column.key,
        zh: column.zh,
        kind: column.kind,
        required: column.required,
        text: text_at(at),
    };
    columns.iter().enumerate().filter(|(_, column)| column.key != SLUG).map(with_text).collect()
}

impl Form {
    /// The texts of an entry.
    ///
    /// # Errors
    /// When the entry cannot be written as texts.
    pub fn of(entry: &Entry) -> Result<Self> {
        let [datasets, fields] = sheets_of(&[("form".to_owned(), entry.clone())])?;
        let rows = (2..).take(entry.fields.len()).map(|row| texts(OF_FIELDS, &fields, row)).collect();
        Ok(Form { dataset: texts(OF_DATASETS, &datasets, 2), fields: rows })
    }

    /// The texts of a field that says nothing yet.
    pub fn empty_field() -> Vec<FormText> {
        texts(OF_FIELDS, &SheetText { name: String::new(), cells: Vec::new() }, 0)
    }

    /// The texts of a dataset that say nothing yet.
    pub fn empty_dataset() -> Vec<FormText> {
        texts(OF_DATASETS, &SheetText { name: String::new(), cells: Vec::new() }, 0)
    }

    /// The entry that the texts say.
    ///
    /// # Errors
    /// Every text that says nothing that an entry can say.
    pub fn entry(&self) -> Result<Entry, Vec<FormFault>> {
        let mut faults = Vec::new();
        let datasets = sheet(DATASETS, OF_DATASETS, std::slice::from_ref(&self.dataset));
        let fields = sheet(FIELDS, OF_FIELDS, &self.fields);
        let dataset = rows_of(DATASETS, &datasets, OF_DATASETS, &mut faults).and_then(|mut rows| rows.pop());
        let fields = rows_of(FIELDS, &fields, OF_FIELDS, &mut faults);
        let read = match (dataset, fields) {
            (Some(dataset), Some(fields)) if faults.is_empty() => entry_of(dataset, fields).map_err(|fault| vec![fault]),
            (Some(_) | None, Some(_) | None) => Err(faults),
        };
        read.map(|(entry, _)| entry).map_err(|faults| faults.into_iter().map(of_form).collect())
    }
}

/// Where a mistake of the sheet stands in the form.
fn of_form(fault: BookFault) -> FormFault {
    let field = fault.row.filter(|_| fault.sheet == FIELDS).and_then(|row| usize::try_from(row).ok()?.checked_sub(2));
    FormFault { field, key: fault.key.unwrap_or_default(), detail: fault.detail }
}

/// The texts as a sheet, with a header of keys.
fn sheet(name: &str, columns: &'static [Column], rows: &[Vec<FormText>]) -> SheetText {
    let text = |row: u64, column: usize, text: &str| CellText { row, column, text: Ok(text.to_owned()) };
    let mut cells: Vec<CellText> = columns.iter().enumerate().map(|(at, column)| text(1, at, column.key)).collect();
    for (row, texts) in (2..).zip(rows) {
        for (at, column) in columns.iter().enumerate() {
            let found = texts.iter().find(|text| text.key == column.key).map_or("", |text| text.text.as_str());
            let said = if column.key == SLUG { "form" } else { found };
            if !said.is_empty() {
                cells.push(text(row, at, said));
            }
        }
    }
    SheetText { name: name.to_owned(), cells }
}

/// An entry of a dataset that is begun: what it says is to be said yet.
pub fn begun(slug: &str, publisher: &str, theme: &str) -> Result<Entry> {
    let value: Value = serde_json::json!({
        "title": { "zh": slug, "en": slug }, "description": { "zh": "待补充", "en": "TBD" },
        "publisher": publisher, "theme": theme, "open_type": "unconditional", "update_frequency": "irregular",
    });
    Ok(serde_json::from_value(value)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_comes_back_from_its_form_and_mistakes_are_told_by_their_place() {
        let entry: Entry = toml::from_str(include_str!("../../../datasets/xuhui-subdistricts/dataset.toml")).unwrap();
        let form = Form::of(&entry).unwrap();
        assert_eq!(Some(form.entry().unwrap()), super::super::read::again(&entry));
        let mut wrong = form;
        for text in &mut wrong.dataset {
            match text.key {
                "title.en" => text.text.clear(),
                "open_type" => text.text = "open".to_owned(),
                _ => {}
            }
        }
        wrong.fields[1].iter_mut().filter(|text| text.key == "type").for_each(|text| text.text = "words".to_owned());
        let told: Vec<(Option<usize>, String)> = wrong.entry().unwrap_err().into_iter().map(|fault| (fault.field, fault.key)).collect();
        assert!(told.contains(&(None, "title.en".to_owned())), "{told:?}");
        assert!(told.contains(&(None, "open_type".to_owned())), "{told:?}");
        assert!(told.contains(&(Some(1), "type".to_owned())), "{told:?}");
        assert_eq!(told.len(), 3, "{told:?}");
    }
}
