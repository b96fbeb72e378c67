//! A leaked copy, read as any publisher's file is, and compared row by row in the columns that it has in common with releases.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, StringArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::{cast, ident};
use futures::StreamExt;

use super::Found;
use crate::crypto::sha256;
use crate::db::blocking;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::intake::{self, IntakeError, Options, value};
use crate::release::CandidateRows;
use crate::storage::{Storage, digest_file};

/// How many rows that look alike are told apart.
const MOST_ALIKE: usize = 16;

/// A column of a copy that has another name than in the dataset.
#[derive(Debug, Clone)]
pub struct Renamed {
    /// Its name in the copy.
    pub column: String,
    /// The field that it is.
    pub field: String,
}

/// A copy as it is given.
#[derive(Debug, Clone)]
pub struct Given {
    /// The file.
    pub path: PathBuf,
    /// Columns with other names.
    pub renamed: Vec<Renamed>,
    /// Fields that are not compared, since somebody changed them in the copy.
    pub without: Vec<String>,
}

/// A copy that was read.
pub struct Copy {
    /// SHA-256 of the file.
    pub sha256: String,
    /// The fields that it has in common with releases.
    pub columns: Vec<String>,
    /// How many rows it has.
    pub rows: u64,
    /// Rows that could not be read.
    pub unread: i64,
    /// Its different rows, by a hash of their values.
    distinct: HashMap<[u8; 16], u32>,
    /// Which columns of each have a value, the first 64 of them.
    filled: Vec<u64>,
}

impl Copy {
    /// Reads a copy, in which only the fields `known` to releases are looked at.
    ///
    /// # Errors
    /// When the file cannot be read, or it has none of these fields.
    pub async fn read(engine: &Arc<Engine>, storage: &Storage, given: Given, known: &[&str]) -> Result<Self> {
        let (path, scratch) = (given.path.clone(), storage.clone());
        let (taken, sha256) = blocking(move || {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let options = Options { max_reject_share: 0.5 };
            let taken = intake::take(&path, &name, &[], &options, &|| scratch.scratch(), &|_| ControlFlow::Continue(()));
            Ok((taken.map_err(unreadable)?, digest_file(&path)?.0))
        })
        .await?;
        let names: Vec<String> = taken.columns.iter().map(|column| column.name.clone()).collect();
        let blank: Vec<&str> = taken
            .profile
            .columns
            .iter()
            .zip(&names)
            .filter(|(column, _)| column.nulls >= taken.row_count)
            .map(|(_, name)| name.as_str())
            .collect();
        let mut pairs = in_common(&names, &given, known)?;
        // A column that somebody emptied says nothing.
        pairs.retain(|(column, _)| !blank.contains(&column.as_str()));
        if pairs.is_empty() {
            return Err(Error::invalid("copy", "has no value in the columns that it has in common with releases"));
        }
        let frame = engine.file(taken.file.path()).await?;
        let columns = pairs.iter().map(|(column, _)| cast(ident(column), DataType::Utf8).alias(column)).collect::<Vec<_>>();
        let reading = async move {
            let (mut rows, mut distinct, mut filled) = (0, HashMap::new(), Vec::new());
            let mut stream = frame.select(columns)?.execute_stream().await?;
            while let Some(batch) = stream.next().await {
                let batch = batch?;
                rows += batch.num_rows() as u64;
                let columns: Vec<Option<&StringArray>> = batch.columns().iter().map(|column| Some(column.as_string::<i32>())).collect();
                for row in 0..batch.num_rows() {
                    let next =
                        u32::try_from(distinct.len()).map_err(|_many| Error::invalid("copy", "has more than 4 billion different rows"))?;
                    if let Entry::Vacant(place) = distinct.entry(key_of(&columns, row)) {
                        place.insert(next);
                        filled.push(filled_in(&columns, row));
                    }
                }
            }
            Ok((rows, distinct, filled))
        };
        let (rows, distinct, filled) = engine.run(None, reading).await?;
        let columns = pairs.into_iter().map(|(_, field)| field).collect();
        Ok(Copy { sha256, columns, rows, unread: taken.report.rejected_rows, distinct, filled })
    }

    /// How many different rows it has.
    pub fn len(&self) -> usize {
        self.distinct.len()
    }

    /// Whether a row of it has a value in a column.
    pub fn has_value(&self, row: u32, column: usize) -> bool {
        self.filled.get(row as usize).is_some_and(|filled| column >= 64 || filled & (1 << column) != 0)
    }

    /// Notes which rows of a release the copy has.
    pub fn look(&self, found: &mut HashMap<u32, Found>, rows: &CandidateRows) {
        let columns: Vec<Option<&StringArray>> = rows.columns.iter().map(Option::as_ref).collect();
        for row in 0..rows.marks.len() {
            let Some(at) = self.distinct.get(&key_of(&columns, row)) else { continue };
            let known = found.entry(*at).or_default();
            known.released |= !rows.left_out.value(row);
            let mark = rows.marks.value(row).get(..8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes);
            // That so many rows are left out at once does not happen.
            if known.rows.len() < MOST_ALIKE && !known.rows.contains(&mark) {
                known.rows.push(mark);
            }
            if rows.subjects.is_valid(row) && !rows.subjects.value(row).is_empty() {
                let hash = sha256(rows.subjects.value(row).as_bytes());
                known.subject = hash.first_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes));
            }
        }
    }
}

/// Which columns have a value.
fn filled_in(columns: &[Option<&StringArray>], row: usize) -> u64 {
    let has = |column: &&StringArray| column.is_valid(row) && !column.value(row).trim().is_empty();
    columns.iter().take(64).enumerate().filter(|(_, column)| column.as_ref().is_some_and(has)).fold(0, |filled, (at, _)| filled | 1 << at)
}

/// The columns of the copy with the fields that they are.
fn in_common(names: &[String], given: &Given, known: &[&str]) -> Result<Vec<(String, String)>> {
    if let Some(renamed) = given.renamed.iter().find(|renamed| !names.contains(&renamed.column)) {
        return Err(Error::invalid("rename", format!("the copy has no column `{}`; it has {}", renamed.column, names.join(", "))));
    }
    let named = given.renamed.iter().map(|renamed| &renamed.field).chain(&given.without);
    if let Some(unknown) = named.into_iter().find(|field| !known.contains(&field.as_str())) {
        let mut known = known.to_vec();
        known.sort_unstable();
        known.dedup();
        return Err(Error::invalid("field", format!("no release has a field `{unknown}`; they have {}", known.join(", "))));
    }
    let field = |name: &String| {
        let renamed = given.renamed.iter().find(|renamed| renamed.column == *name).map_or(name.trim(), |renamed| renamed.field.as_str());
        known.iter().find(|known| known.eq_ignore_ascii_case(renamed)).map(|known| (name.clone(), (*known).to_owned()))
    };
    let pairs: Vec<(String, String)> = names.iter().filter_map(field).filter(|(_, field)| !given.without.contains(field)).collect();
    if let Some((column, field)) =
        pairs.iter().enumerate().find(|(at, (_, field))| pairs[..*at].iter().any(|(_, other)| other == field)).map(|(_, pair)| pair)
    {
        return Err(Error::invalid("copy", format!("has the field `{field}` twice, once as `{column}`; give one of them another name")));
    }
    if pairs.is_empty() {
        let mut known = known.to_vec();
        known.sort_unstable();
        known.dedup();
        let detail = format!("has no column of the dataset's releases; it has {}, they have {}", names.join(", "), known.join(", "));
        return Err(Error::invalid("copy", detail));
    }
    Ok(pairs)
}

fn unreadable(cause: IntakeError) -> Error {
    match cause {
        IntakeError::Internal(cause) => cause,
        IntakeError::Cancelled => Error::Unavailable("the reading was stopped".to_owned()),
        IntakeError::Faults(faults, _) => {
            let first = faults.into_iter().next().map(|fault| fault.detail).unwrap_or_default();
            Error::invalid("copy", format!("cannot be read as a table: {first}"))
        }
    }
}

/// A row by its values, however they are written.
fn key_of(columns: &[Option<&StringArray>], row: usize) -> [u8; 16] {
    let mut text = String::new();
    for column in columns {
        match column {
            Some(column) if column.is_valid(row) => {
                let value = plain(column.value(row));
                text += &format!("{}:{value}", value.len());
            }
            Some(_) => text.push_str("0:"),
            // A release without the column is no release with an empty cell.
            None => text.push('-'),
        }
    }
    let hash = sha256(text.as_bytes());
    std::array::from_fn(|at| hash[at])
}

/// A value in one way of writing it: numbers without needless zeros, days and moments in ISO's order, truth in small letters. A file that
/// went through a spreadsheet has the same values in other clothes; a missing value and an empty text are the same there.
fn plain(text: &str) -> String {
    let text = text.trim();
    if let Some(number) = plain_number(text) {
        return number;
    }
    let dashed = text.replace('/', "-").replace(' ', "T");
    if let Some(moment) = value::datetime(&dashed) {
        let moment = moment.format("%Y-%m-%dT%H:%M:%S%.f").to_string();
        return moment.strip_suffix("T00:00:00").map(str::to_owned).unwrap_or(moment);
    }
    if let Some(day) = padded(&dashed).and_then(|day| value::date(&day)) {
        return day.to_string();
    }
    text.to_ascii_lowercase()
}

/// `2025-3-1` as `2025-03-01`.
fn padded(text: &str) -> Option<String> {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let short = |part: &str| (1..=2).contains(&part.len());
    (parts.next().is_none() && year.len() == 4 && short(month) && short(day)).then(|| format!("{year}-{month:0>2}-{day:0>2}"))
}

fn plain_number(text: &str) -> Option<String> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(part) {
        return None;
    }
    let (whole, part) = (whole.trim_start_matches('0'), part.trim_end_matches('0'));
    let number = match (whole, part) {
        ("", "") => return Some("0".to_owned()),
        (whole, "") => whole.to_owned(),
        ("", part) => format!("0.{part}"),
        (whole, part) => format!("{whole}.{part}"),
    };
    Some(format!("{sign}{number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_the_same_however_they_are_written() {
        for (one, other) in [
            ("57.80", "57.8"),
            ("-0.50", "-0.5"),
            ("0", "-0.0"),
            ("007", "7"),
            ("2025-03-01", "2025/3/1"),
            ("2025-03-01T00:00:00", "2025-03-01"),
            ("2025-03-01T08:30:00", "2025-03-01 08:30:00"),
            ("TRUE", "true"),
            (" x ", "x"),
        ] {
            assert_eq!(plain(one), plain(other), "{one}");
        }
        for (one, other) in [("1", "10"), ("0.5", "5"), ("1-2", "12"), ("2025-01-02", "2025-02-01"), ("", "0")] {
            assert_ne!(plain(one), plain(other), "{one}");
        }
    }
}
