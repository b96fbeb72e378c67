//! JSON: an array of flat objects, or an object on each line (NDJSON). Streamed; one record is in memory at a time.

pub mod elements;
pub mod object;

use std::collections::HashSet;

use self::elements::{Elements, Form, each};
use self::object::{Mapper, members};
use super::Declared;
use super::block::Out;
use super::decode::{TextFile, size};
use super::faults::Stop;
use super::progress::Progress;
use super::table::{Found, MAX_COLUMNS, Source};

/// The most members of one object.
pub const MAX_MEMBERS: usize = 100_000;

/// A file of JSON records.
pub struct Json {
    file: TextFile,
    form: Form,
    columns: Vec<Found>,
    size: u64,
}

impl Json {
    /// Looks at a file. Where no column is declared, the whole of it is read for its keys.
    pub fn open(file: TextFile, form: Form, declared: &[Declared], progress: &Progress<'_>) -> Result<Self, Stop> {
        let size = size(&file.packed)?;
        let mut names = Names::new(declared);
        if declared.is_empty() {
            progress.plan(size);
            let mut elements = Elements::new(file.open(progress)?);
            each(&mut elements, form, |_line, bytes| {
                if progress.stopped_at_last() {
                    return Err(Stop::Gone);
                }
                // Whatever is wrong is told when the rows are read.
                members(bytes).map_or(Ok(()), |members| members.0.iter().try_for_each(|(key, _)| names.add(key)))
            })?;
            if names.list.is_empty() {
                return Err(Stop::whole("the file has no record with a key, so that its columns are not known"));
            }
        }
        Ok(Json { file, form, columns: names.list, size })
    }
}

/// Names of columns in the order of their first appearance.
pub struct Names {
    pub list: Vec<Found>,
    seen: HashSet<String>,
}

impl Names {
    /// Begins with the declared columns.
    pub fn new(declared: &[Declared]) -> Self {
        let list: Vec<Found> = declared.iter().map(|column| Found::named(column.name.clone())).collect();
        let seen = declared.iter().map(|column| column.name.clone()).collect();
        Names { list, seen }
    }

    /// Adds a name, unless it is known.
    pub fn add(&mut self, name: &str) -> Result<(), Stop> {
        if self.seen.contains(name) {
            return Ok(());
        }
        if self.list.len() >= MAX_COLUMNS {
            return Err(Stop::whole(format!("the records have more than {MAX_COLUMNS} different keys, the most columns that are allowed")));
        }
        self.seen.insert(name.to_owned());
        self.list.push(Found::named(name));
        Ok(())
    }
}

impl Source for Json {
    fn columns(&self) -> &[Found] {
        &self.columns
    }

    fn header_line(&self) -> Option<u64> {
        None
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn read(&self, progress: &Progress<'_>, out: &mut Out<'_>) -> Result<(), Stop> {
        let mut elements = Elements::new(self.file.open(progress)?);
        let mut mapper = Mapper::new(out.names());
        each(&mut elements, self.form, |line, bytes| match members(bytes) {
            Ok(members) => {
                let mut cells = vec![None; out.names().len()];
                let faults = mapper.place(&members, &mut cells, line);
                mapper.row(&cells, faults, line, out)
            }
            Err(detail) => out.bad_line(line, &detail),
        })?;
        mapper.finish(out);
        Ok(())
    }
}
