//! Numbered rows as text: the rows alone, without what stands before and behind them.

use std::borrow::Cow;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::csv::WriterBuilder as CsvWriterBuilder;
use datafusion::arrow::json::StructMode;
use datafusion::arrow::json::writer::JsonArray;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use quick_xml::escape::escape;

use super::NUMBER;
use crate::catalog::Field;
use crate::error::{Error, Result};
use crate::read::encode::schema_of;
use crate::read::export::{MOMENT, csv, json};

/// How rows are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Layout {
    /// JSON objects, with commas between them.
    #[default]
    Objects,
    /// JSON arrays of values, with commas between them.
    Lists,
    /// Lines of RFC 4180, without a header; a missing value is an empty cell.
    Csv,
    /// The same with tabs.
    Tsv,
    /// Elements `row`.
    Xml,
}

impl Layout {
    /// The line with the names of the columns, of a layout that has one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn header(self, fields: &[Field]) -> Result<Vec<u8>> {
        let schema = schema_of(fields);
        match self {
            Layout::Csv => Ok(csv::header(&schema, false)),
            Layout::Tsv => {
                let mut bytes = Vec::new();
                let builder = CsvWriterBuilder::new().with_header(true).with_delimiter(b'\t');
                builder.build(&mut bytes).write(&RecordBatch::new_empty(schema)).map_err(Error::internal)?;
                Ok(bytes)
            }
            Layout::Objects | Layout::Lists | Layout::Xml => Ok(Vec::new()),
        }
    }
}

/// Writes one batch after the other.
pub(super) struct Writer {
    layout: Layout,
    first: bool,
}

impl Writer {
    pub(super) fn new(layout: Layout) -> Self {
        Writer { layout, first: true }
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<Vec<u8>> {
        let bytes = written(self.layout, batch)?;
        Ok(self.join(bytes))
    }

    /// What was written of a batch, with what stands between it and the one before.
    pub(super) fn join(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        let between = matches!(self.layout, Layout::Objects | Layout::Lists) && !bytes.is_empty();
        if between && !std::mem::take(&mut self.first) {
            bytes.insert(0, b',');
        }
        bytes
    }
}

/// A batch by itself.
pub(super) fn written(layout: Layout, batch: &RecordBatch) -> Result<Vec<u8>> {
    if batch.num_rows() == 0 {
        return Ok(Vec::new());
    }
    match layout {
        Layout::Objects => json::items(batch),
        Layout::Lists => {
            let mut writer = json::writer().with_struct_mode(StructMode::ListOnly).build::<_, JsonArray>(Vec::new());
            writer.write(&json::shapes(batch)?).and_then(|()| writer.finish()).map_err(Error::internal)?;
            json::unwrapped(writer.into_inner())
        }
        Layout::Csv => csv::rows(&json::shapes(batch)?, false),
        Layout::Tsv => {
            let mut bytes = Vec::new();
            let builder = CsvWriterBuilder::new().with_header(false).with_delimiter(b'\t').with_timestamp_format(MOMENT.to_owned());
            builder.build(&mut bytes).write(&json::shapes(batch)?).map_err(Error::internal)?;
            Ok(bytes)
        }
        Layout::Xml => xml(&json::shapes(batch)?),
    }
}

/// Each row as an element. The number is its attribute, as CKAN has it.
fn xml(batch: &RecordBatch) -> Result<Vec<u8>> {
    let options = FormatOptions::default().with_timestamp_format(Some(MOMENT));
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns());
    let columns = columns
        .map(|(field, column)| Ok((field.name().as_str(), column, ArrayFormatter::try_new(column, &options).map_err(Error::internal)?)))
        .collect::<Result<Vec<_>>>()?;
    let mut out = String::new();
    for row in 0..batch.num_rows() {
        out.push_str("<row");
        if let Some((_, _, cells)) = columns.iter().find(|(name, _, _)| *name == NUMBER) {
            out.push_str(&format!(" {NUMBER}=\"{}\"", cells.value(row)));
        }
        out.push('>');
        for (name, column, cells) in columns.iter().filter(|(name, _, _)| *name != NUMBER) {
            let (begin, end) = element(name);
            if column.is_null(row) {
                out.push_str(&format!("<{begin} xsi:nil=\"true\"/>"));
            } else {
                let text = cells.value(row).try_to_string().map_err(Error::internal)?;
                out.push_str(&format!("<{begin}>{}</{end}>", escape(sayable(&text))));
            }
        }
        out.push_str("</row>\n");
    }
    Ok(out.into_bytes())
}

/// The element of a field, and its name alone: the field's own, or `field` with it as an attribute where XML knows no such name.
fn element(name: &str) -> (Cow<'_, str>, &str) {
    // Fewer than XML knows, and none that it does not.
    let is_letter =
        |letter: char| letter.is_ascii_alphabetic() || matches!(letter, '_' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}');
    let mut letters = name.chars();
    let is_name =
        letters.next().is_some_and(is_letter) && letters.all(|letter| is_letter(letter) || letter.is_ascii_digit() || letter == '-');
    // Names that begin so are kept for XML itself.
    if is_name && !name.to_ascii_lowercase().starts_with("xml") {
        return (Cow::Borrowed(name), name);
    }
    (Cow::Owned(format!("field name=\"{}\"", escape(sayable(name)))), "field")
}

/// A text in which the control characters that XML cannot say are replaced by U+FFFD.
fn sayable(text: &str) -> Cow<'_, str> {
    let unsayable =
        |letter: char| (letter.is_ascii_control() && !matches!(letter, '\t' | '\n' | '\r')) || matches!(letter, '\u{fffe}' | '\u{ffff}');
    if text.contains(unsayable) { Cow::Owned(text.replace(unsayable, "\u{fffd}")) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};

    use super::*;

    #[test]
    fn every_layout_writes_missing_values_and_signs() {
        let columns: [(&str, ArrayRef); 4] = [
            (NUMBER, Arc::new(Int64Array::from(vec![1, 2]))),
            ("name", Arc::new(StringArray::from(vec![Some("a,\"<b>\"\t\u{1}"), None]))),
            ("2 x", Arc::new(StringArray::from(vec![Some("甲"), Some("")]))),
            ("n", Arc::new(Float64Array::from(vec![Some(0.5), Some(f64::NAN)]))),
        ];
        let batch = RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap();
        let all = |layout: Layout| {
            let mut writer = Writer::new(layout);
            let parts = [
                writer.write(&batch.slice(0, 1)).unwrap(),
                writer.write(&batch.slice(1, 0)).unwrap(),
                writer.write(&batch.slice(1, 1)).unwrap(),
            ];
            String::from_utf8(parts.concat()).unwrap()
        };
        assert_eq!(
            all(Layout::Objects),
            "{\"_id\":1,\"name\":\"a,\\\"<b>\\\"\\t\\u0001\",\"2 x\":\"甲\",\"n\":0.5},{\"_id\":2,\"name\":null,\"2 x\":\"\",\"n\":null}"
        );
        assert_eq!(all(Layout::Lists), "[1,\"a,\\\"<b>\\\"\\t\\u0001\",\"甲\",0.5],[2,null,\"\",null]");
        assert_eq!(all(Layout::Csv), "1,\"a,\"\"<b>\"\"\t\u{1}\",甲,0.5\n2,,,NaN\n");
        assert_eq!(all(Layout::Tsv), "1\t\"a,\"\"<b>\"\"\t\u{1}\"\t甲\t0.5\n2\t\t\tNaN\n");
        assert_eq!(
            all(Layout::Xml),
            "<row _id=\"1\"><name>a,&quot;&lt;b&gt;&quot;\t\u{fffd}</name><field name=\"2 x\">甲</field><n>0.5</n></row>\n\
             <row _id=\"2\"><name xsi:nil=\"true\"/><field name=\"2 x\"></field><n>NaN</n></row>\n"
        );
    }
}
