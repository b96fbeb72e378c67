//! A bench for files: writes one, takes it in, and reads what came out.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use qingdan::intake::{self, Declared, FieldType, IntakeError, Options, Taken};
use qingdan::storage::Storage;

pub struct Bench {
    dir: tempfile::TempDir,
    storage: Storage,
}

impl Bench {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let scratch = dir.path().join("scratch");
        std::fs::create_dir(&scratch).unwrap();
        let storage = Storage::open(&dir.path().join("store"), &scratch, &dir.path().join("incoming")).unwrap();
        Bench { dir, storage }
    }

    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub fn take_with(&self, name: &str, declared: &[Declared], max_reject_share: f64) -> Result<Taken, IntakeError> {
        let options = Options { max_reject_share };
        intake::take(&self.path(name), name, declared, &options, &|| self.storage.scratch(), &|_| ControlFlow::Continue(()))
    }

    /// Writes a file and takes it in.
    pub fn take(&self, name: &str, bytes: impl AsRef<[u8]>, declared: &[Declared]) -> Taken {
        self.write(name, bytes);
        self.take_with(name, declared, 0.0).unwrap_or_else(|cause| panic!("{name}: {cause:?}"))
    }

    /// Writes a file that is not taken in; answers its faults as `line: column: detail`.
    pub fn refuse(&self, name: &str, bytes: impl AsRef<[u8]>, declared: &[Declared]) -> Vec<String> {
        self.write(name, bytes);
        faults(self.take_with(name, declared, 0.0))
    }

    pub fn scratch_files(&self) -> usize {
        std::fs::read_dir(self.path("scratch")).unwrap().count()
    }
}

pub fn faults(taken: Result<Taken, IntakeError>) -> Vec<String> {
    match taken {
        Err(IntakeError::Faults(faults, _)) => faults
            .into_iter()
            .map(|fault| {
                let line = fault.line.map(|line| format!("{line}: ")).unwrap_or_default();
                let column = fault.column.map(|column| format!("{column}: ")).unwrap_or_default();
                format!("{line}{column}{}", fault.detail)
            })
            .collect(),
        other => panic!("{other:?}"),
    }
}

/// Columns written as `name` or `name:type` or `name:decimal:2`.
pub fn columns(texts: &[&str]) -> Vec<Declared> {
    let column = |text: &&str| {
        let mut parts = text.split(':');
        let name = parts.next().unwrap().to_owned();
        let field_type = parts.next().map(|kind| serde_json::from_value::<FieldType>(kind.into()).unwrap());
        let scale = parts.next().map(|scale| scale.parse().unwrap());
        Declared { name, field_type, scale, ..Declared::default() }
    };
    texts.iter().map(column).collect()
}

pub fn batches(taken: &Taken) -> Vec<RecordBatch> {
    let file = std::fs::File::open(taken.file.path()).unwrap();
    ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap().map(Result::unwrap).collect()
}

/// The rows as text, a missing value as `∅`.
pub fn rows(taken: &Taken) -> Vec<Vec<String>> {
    let options = FormatOptions::new().with_null("∅");
    let mut rows = Vec::new();
    for batch in batches(taken) {
        let columns: Vec<_> = batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
        rows.extend((0..batch.num_rows()).map(|row| columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>()));
    }
    assert_eq!(rows.len() as i64, taken.row_count);
    rows
}

pub fn bytes(taken: &Taken) -> Vec<u8> {
    std::fs::read(taken.file.path()).unwrap()
}

/// The types of the columns.
pub fn types(taken: &Taken) -> Vec<&'static str> {
    taken.columns.iter().map(|column| column.field_type.unwrap().as_str()).collect()
}

pub fn notes(taken: &Taken) -> String {
    taken
        .report
        .notes
        .iter()
        .map(|note| format!("{}: {} {:?} {}\n", note.column.as_deref().unwrap_or("-"), note.detail, note.rows, note.count))
        .collect()
}

pub fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

/// A zip archive of these files.
pub fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}
