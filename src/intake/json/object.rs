//! One flat JSON object as a row of cells. Numbers keep their spelling, nested values are kept as JSON text, a missing key is a missing value.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt;

use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::intake::FileFault;
use crate::intake::block::Out;
use crate::intake::faults::{Stop, shown};

/// The members of an object, in their order and with all that stand twice.
pub struct Members<'a>(pub Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> serde::Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::with_capacity(map.size_hint().unwrap_or(16));
                while let Some(key) = map.next_key::<Key<'de>>()? {
                    if members.len() == super::MAX_MEMBERS {
                        return Err(A::Error::custom("the object has too many members"));
                    }
                    members.push((key.0, map.next_value()?));
                }
                Ok(Members(members))
            }
        }
        from.deserialize_map(Collect)
    }
}

/// A key, borrowed where it has no escapes.
struct Key<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> serde::Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        from.deserialize_str(Text)
    }
}

/// Reads an object; answers what is wrong with it.
pub fn members(bytes: &[u8]) -> Result<Members<'_>, String> {
    if bytes.first() != Some(&b'{') {
        return Err("the record is no JSON object; write each row as an object with the columns as its keys".to_owned());
    }
    serde_json::from_slice(bytes).map_err(|cause| broken(&cause))
}

fn broken(cause: &serde_json::Error) -> String {
    let text = cause.to_string();
    if text.contains("surrogate") || text.contains("hex escape") {
        return "a text holds half of a pair of UTF-16 (a lone surrogate), which is no character".to_owned();
    }
    format!("the JSON is broken: {text} of the record")
}

/// Puts the members of objects into columns.
pub struct Mapper<'n> {
    names: &'n [String],
    places: HashMap<&'n str, usize>,
    /// How many texts were empty.
    pub empty: i64,
    first_empty: Vec<i64>,
    rows: i64,
}

impl<'n> Mapper<'n> {
    pub fn new(names: &'n [String]) -> Self {
        let places = names.iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
        Mapper { names, places, empty: 0, first_empty: Vec::new(), rows: 0 }
    }

    /// Finds the column of each member; answers what is wrong with them.
    pub fn place<'a>(&self, members: &Members<'a>, cells: &mut [Option<&'a RawValue>], line: u64) -> Vec<FileFault> {
        let mut faults = Vec::new();
        let mut seen = HashSet::new();
        let mut guess = 0;
        for (key, value) in &members.0 {
            // Objects mostly have their keys in the same order.
            let place = match self.names.get(guess) {
                Some(name) if name == key => Some(guess),
                _ => self.places.get(key.as_ref()).copied(),
            };
            let twice = match place {
                Some(place) => cells[place].replace(*value).is_some(),
                None => !seen.insert(key.as_ref()),
            };
            if twice {
                let detail = format!("the key {} stands twice in one object", shown(key));
                faults.push(FileFault { line: Some(line), column: place.map(|place| self.names[place].clone()), detail });
            } else if place.is_none() {
                faults.push(FileFault::at(line, format!("the key {} has no [[fields]] in dataset.toml", shown(key))));
            }
            guess = place.map_or(guess, |place| place + 1);
        }
        faults
    }

    /// Writes a row.
    pub fn row(&mut self, cells: &[Option<&RawValue>], faults: Vec<FileFault>, line: u64, out: &mut Out<'_>) -> Result<(), Stop> {
        self.rows += 1;
        for (at, cell) in cells.iter().enumerate() {
            let raw = cell.map_or("null", RawValue::get);
            match raw.as_bytes().first() {
                Some(b'"') => match serde_json::from_str::<Cow<'_, str>>(raw) {
                    Ok(text) => {
                        if text.is_empty() {
                            self.note_empty();
                        }
                        if text.contains('\0') {
                            let detail = "the text holds a NUL character; export the table again without it".to_owned();
                            out.row_fault(FileFault { line: Some(line), column: Some(self.names[at].clone()), detail });
                        }
                        out.cell(&text);
                    }
                    Err(cause) => {
                        out.row_fault(FileFault { line: Some(line), column: Some(self.names[at].clone()), detail: broken(&cause) });
                        out.cell(raw);
                    }
                },
                Some(b'n') => out.cell(""),
                _ => out.cell(raw),
            }
        }
        faults.into_iter().for_each(|fault| out.row_fault(fault));
        out.end_row(line)
    }

    fn note_empty(&mut self) {
        self.empty += 1;
        if self.first_empty.len() < crate::intake::traps::LISTED_ROWS && self.first_empty.last() != Some(&self.rows) {
            self.first_empty.push(self.rows);
        }
    }

    /// Tells what a publisher should know.
    pub fn finish(self, out: &mut Out<'_>) {
        if self.empty > 0 {
            out.note(crate::intake::ReportNote {
                column: None,
                detail: "empty texts were kept as missing values, as in every table here".to_owned(),
                rows: self.first_empty,
                count: self.empty,
            });
        }
    }
}
