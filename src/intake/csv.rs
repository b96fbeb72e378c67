//! CSV (RFC 4180, UTF-8 with or without BOM, header row) into Parquet, in bounded memory.

use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use csv::ByteRecord;
use datafusion::arrow::datatypes::{Field as ArrowField, Schema};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::file::properties::WriterProperties;

use super::column::Column;
use super::strict::Strict;
use super::value::Guess;
use super::{Declared, FieldType, FileFault, IntakeError, MAX_FAULTS, Profiler, Report, Taken};
use crate::error::Error;
use crate::storage::{File, Scratch, open_file};

/// Rows that are turned into arrays at a time.
const BATCH_ROWS: usize = 8192;

/// Rows of one row group of the Parquet file.
const ROW_GROUP_ROWS: usize = 262_144;

/// The longest text of a faulty cell that is shown.
const SHOWN_CHARS: usize = 40;

/// Reads the CSV file at `path` as the declared columns say and writes a Parquet file to `to`.
///
/// # Errors
/// [`IntakeError::Faults`] names what is wrong with the file, and where.
pub fn csv_to_parquet(path: &Path, declared: &[Declared], to: Scratch) -> Result<Taken, IntakeError> {
    let mut reader = Reader::open(path)?;
    reader.check_header(declared)?;
    let columns = if declared.iter().all(|column| column.field_type.is_some()) {
        declared.to_vec()
    } else {
        let inferred = infer(&mut reader, declared)?;
        reader = Reader::open(path)?;
        inferred
    };
    let row_count = write(&mut reader, &columns, &to)?;
    let profile = Profiler::new(&columns).finish();
    Ok(Taken { file: to, columns, row_count, rejects: None, profile, report: Report { format: "csv".to_owned(), ..Report::default() } })
}

struct Reader {
    csv: csv::Reader<BufReader<Strict<File>>>,
    header: ByteRecord,
    record: ByteRecord,
    faults: Faults,
    columns: usize,
}

#[derive(Default)]
struct Faults {
    listed: Vec<FileFault>,
    count: u64,
}

impl Faults {
    fn add(&mut self, fault: FileFault) {
        self.count += 1;
        if self.listed.len() < MAX_FAULTS {
            self.listed.push(fault);
        }
    }

    fn end(&mut self) -> Result<(), IntakeError> {
        if self.count == 0 {
            return Ok(());
        }
        Err(IntakeError::Faults(std::mem::take(&mut self.listed), self.count))
    }
}

impl Reader {
    fn open(path: &Path) -> Result<Self, IntakeError> {
        let mut file = open_file(path)?;
        let mut start = [0u8; 3];
        let read = file.read(&mut start)?;
        let skip = if read == 3 && start == [0xEF, 0xBB, 0xBF] { 3 } else { 0 };
        file.seek(SeekFrom::Start(skip))?;
        let mut csv =
            csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(BufReader::with_capacity(1 << 18, Strict::new(file)));
        let mut header = ByteRecord::new();
        if !csv.read_byte_record(&mut header).map_err(Error::internal)? {
            return Err(IntakeError::Faults(vec![FileFault::whole("the file is empty; its first line must name the columns")], 1));
        }
        let columns = header.len();
        csv.get_mut().get_mut().set_columns(columns);
        Ok(Reader { csv, header, record: ByteRecord::new(), faults: Faults::default(), columns })
    }

    /// The header must name exactly the declared columns, in their order.
    fn check_header(&mut self, declared: &[Declared]) -> Result<(), IntakeError> {
        let names: Vec<String> = self.header.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        for (at, name) in names.iter().enumerate() {
            if names[..at].contains(name) {
                self.faults.add(FileFault::at(1, format!("the name of column number {} stands twice", at + 1)));
            }
            if !declared.iter().any(|column| column.name == *name) {
                // Without a header the first line is a row: its cells are not to be repeated where any may be personal.
                let personal = declared.iter().any(|column| column.personal);
                let named = if personal { format!("number {}", at + 1) } else { shown(name, false) };
                self.faults.add(FileFault::at(1, format!("the column {named} has no [[fields]] in dataset.toml")));
            }
        }
        for column in declared.iter().filter(|column| !names.contains(&column.name)) {
            self.faults.add(FileFault::at(1, format!("the column `{}` of dataset.toml is missing in the file", column.name)));
        }
        let same_order = names.iter().zip(declared).all(|(name, column)| *name == column.name);
        if self.faults.count == 0 && !same_order {
            self.faults.add(FileFault::at(1, "the columns stand in another order than the [[fields]] of dataset.toml"));
        }
        self.faults.end()
    }

    /// Answers every fault of the file, when it is read to its end.
    fn end(&mut self) -> Result<(), IntakeError> {
        let (found, count) = self.csv.get_mut().get_mut().finish();
        let listed = found.len() as u64;
        found.into_iter().for_each(|fault| self.faults.add(fault));
        self.faults.count += count - listed;
        self.faults.listed.sort_by_key(|fault| fault.line);
        self.faults.end()
    }

    /// Moves to the next row that has the right number of cells; others become faults.
    fn next(&mut self) -> Result<bool, IntakeError> {
        loop {
            if !self.csv.read_byte_record(&mut self.record).map_err(Error::internal)? {
                return Ok(false);
            }
            if self.record.len() == self.columns {
                return Ok(true);
            }
            let fault = format!("the row has {} cells, and the header {}", self.record.len(), self.columns);
            self.faults.add(FileFault::at(self.line(), fault));
        }
    }

    fn line(&self) -> u64 {
        self.record.position().map_or(0, csv::Position::line)
    }

    fn cell(&self, at: usize) -> Result<&str, FileFault> {
        std::str::from_utf8(&self.record[at]).map_err(|_not_utf8| FileFault {
            line: Some(self.line()),
            column: Some(String::from_utf8_lossy(&self.header[at]).into_owned()),
            detail: "the text is not UTF-8; save the file as UTF-8".to_owned(),
        })
    }
}

/// Gives each column that has no type the narrowest one that keeps every value exactly.
fn infer(reader: &mut Reader, declared: &[Declared]) -> Result<Vec<Declared>, IntakeError> {
    let mut guesses = vec![Guess::default(); declared.len()];
    while reader.next()? {
        for (at, guess) in guesses.iter_mut().enumerate() {
            // Text that is not UTF-8 is reported when the file is written.
            if let Ok(text) = reader.cell(at)
                && !text.is_empty()
            {
                guess.look(text);
            }
        }
    }
    let with_type = declared.iter().zip(&guesses).map(|(column, guess)| match column.field_type {
        Some(_) => column.clone(),
        None => {
            let (field_type, scale) = guess.conclude();
            Declared { field_type: Some(field_type), scale, ..column.clone() }
        }
    });
    Ok(with_type.collect())
}

fn write(reader: &mut Reader, declared: &[Declared], to: &Scratch) -> Result<i64, IntakeError> {
    let mut columns = declared
        .iter()
        .map(|column| Column::new(column.field_type.unwrap_or(FieldType::String), column.scale.unwrap_or(0)))
        .collect::<Result<Vec<_>, _>>()
        .map_err(Error::internal)?;
    let fields: Vec<ArrowField> =
        declared.iter().zip(&columns).map(|(declared, column)| ArrowField::new(&declared.name, column.data_type(), true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let mut writer = ArrowWriter::try_new(to.writer()?, Arc::clone(&schema), Some(writer_properties())).map_err(Error::internal)?;
    let (mut row_count, mut pending) = (0, 0);
    while reader.next()? {
        push_row(reader, declared, &mut columns);
        (row_count, pending) = (row_count + 1, pending + 1);
        if pending == BATCH_ROWS {
            flush(&mut writer, &schema, &mut columns)?;
            pending = 0;
        }
    }
    flush(&mut writer, &schema, &mut columns)?;
    writer.close().map_err(Error::internal)?;
    reader.end()?;
    Ok(row_count)
}

fn push_row(reader: &mut Reader, declared: &[Declared], columns: &mut [Column]) {
    for at in 0..columns.len() {
        let fault = match reader.cell(at) {
            Ok(text) if columns[at].push(text) => continue,
            Ok(text) => FileFault {
                line: Some(reader.line()),
                column: Some(declared[at].name.clone()),
                detail: format!("{} is not {}", shown(text, declared[at].personal), columns[at].expected()),
            },
            Err(fault) => {
                columns[at].push("");
                fault
            }
        };
        reader.faults.add(fault);
    }
}

/// A faulty cell as a message shows it.
fn shown(text: &str, personal: bool) -> String {
    if personal {
        return format!("a value of {} characters (not shown)", text.chars().count());
    }
    format!("`{}`", text.chars().take(SHOWN_CHARS).collect::<String>())
}

fn flush(writer: &mut ArrowWriter<File>, schema: &Arc<Schema>, columns: &mut [Column]) -> Result<(), IntakeError> {
    let arrays = columns.iter_mut().map(Column::finish).collect();
    let batch = RecordBatch::try_new(Arc::clone(schema), arrays).map_err(Error::internal)?;
    writer.write(&batch).map_err(Error::internal)?;
    Ok(())
}

/// How every Parquet file of the service is written.
pub fn writer_properties() -> WriterProperties {
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_created_by("qingdan".to_owned())
        .build()
}
