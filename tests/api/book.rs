//! The list as a book: out to a spreadsheet and back, with every mistake named by its cell.

use std::path::Path;
use std::process::Output;

use qingdan::catalog::book;
use rust_xlsxwriter::Workbook;
use serde_json::json;

use crate::process::run;
use crate::support::{Folder, TestDatabase, closed, shipped};

/// The cells of both sheets, the header first.
type Sheets = [(&'static str, Vec<Vec<String>>); 2];

const DATASETS: usize = 0;
const FIELDS: usize = 1;

/// A list of so many datasets, two fields each.
fn list(count: usize) -> Sheets {
    let entries: Vec<(String, qingdan::catalog::Entry)> = (0..count)
        .map(|number| {
            let field = |name: &str| json!({ "name": name, "type": "string", "title": { "zh": name, "en": name }, "sensitivity": "none" });
            let entry = json!({
                "title": { "zh": format!("街道{number}的设施"), "en": format!("Facilities of street {number}") },
                "description": { "zh": "设施名录", "en": "A list of facilities" }, "code": format!("3101040{number:04}/000001"),
                "publisher": "office", "theme": "things", "open_type": "unconditional", "update_frequency": "yearly",
                "licence": "CC0-1.0", "source": "made for a test", "data": "data.csv", "keywords": { "zh": ["设施", "街道"], "en": ["facility"] },
                "fields": [field("name"), field("place")],
            });
            (format!("facilities-{number}"), serde_json::from_value(entry).unwrap())
        })
        .collect();
    let files = book::to_csv(&entries).unwrap();
    let rows = |at: usize| {
        let text = files[at].1.trim_start_matches('\u{feff}');
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
        reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
    };
    [("datasets", rows(0)), ("fields", rows(1))]
}

fn save(sheets: &Sheets, path: &Path) {
    let mut workbook = Workbook::new();
    for (name, rows) in sheets {
        let sheet = workbook.add_worksheet();
        sheet.set_name(*name).unwrap();
        for (row, cells) in (0_u32..).zip(rows) {
            for (column, text) in (0_u16..).zip(cells).filter(|(_, text)| !text.is_empty()) {
                sheet.write_string(row, column, text).unwrap();
            }
        }
    }
    workbook.save(path).unwrap();
}

/// Puts a text into the cell of a column, in a row as a spreadsheet counts it; answers how the cell is told.
fn put(sheets: &mut Sheets, sheet: usize, row: usize, key: &str, text: &str) -> String {
    let (name, rows) = &mut sheets[sheet];
    let column = rows[0].iter().position(|header| header.ends_with(&format!(" {key}"))).unwrap();
    rows[row - 1][column] = text.to_owned();
    let letter =
        if column < 26 { char::from(b'A' + column as u8).to_string() } else { format!("A{}", char::from(b'A' + (column - 26) as u8)) };
    format!("{name}!{letter}{row} ({key})")
}

/// The text of a mistake.
fn planted(text: &str) -> String {
    match text {
        TOO_MANY => vec!["词"; 10_000].join("\n"),
        other => other.to_owned(),
    }
}

/// Stands for ten thousand keywords.
const TOO_MANY: &str = "ten thousand keywords";

/// A mistake for each of thirty rows: the sheet, the row and the column, and what stands there instead.
const MISTAKES: [(usize, usize, &str, &str); 30] = [
    (DATASETS, 11, "slug", "Facilities 9"),
    (DATASETS, 21, "slug", "facilities-0"),
    (DATASETS, 31, "slug", ""),
    (DATASETS, 41, "title.zh", ""),
    (DATASETS, 51, "title.zh", "设施\u{200b}名录"),
    (DATASETS, 61, "description.en", ""),
    (DATASETS, 71, "code", "310104999/000009"),
    (DATASETS, 81, "publisher", "bureau"),
    (DATASETS, 91, "theme", "2026-01-01"),
    (DATASETS, 101, "open_type", "open"),
    (DATASETS, 111, "update_frequency", "每天"),
    (DATASETS, 121, "next_due", "2026-13-01"),
    (DATASETS, 131, "licence", "CC-BY-9.9"),
    (DATASETS, 141, "max_term_days", "许多"),
    (DATASETS, 151, "synthetic", "perhaps"),
    (DATASETS, 161, "related", "[{ dataset = "),
    (DATASETS, 171, "related", "[{ dataset = \"nowhere\", relation = \"see_also\" }]"),
    (DATASETS, 181, "related", "[{ dataset = \"facilities-179\", relation = \"part_of\" }]"),
    (DATASETS, 191, "keywords.zh", TOO_MANY),
    (DATASETS, 201, "conditions.zh", "仅限企业"),
    (DATASETS, 211, "max_reject_share", "1.5"),
    (DATASETS, 221, "key", "no_such_field"),
    (DATASETS, 231, "contact", "{ email = \"nobody\" }"),
    (DATASETS, 241, "data", "../data.csv"),
    (FIELDS, 502, "type", "text"),
    (FIELDS, 602, "sensitivity", "secret"),
    (FIELDS, 703, "name", "name"),
    (FIELDS, 802, "slug", "facilities-99999"),
    (FIELDS, 902, "scale", "2"),
    (FIELDS, 1002, "release", "{ mask = "),
];

#[tokio::test(flavor = "multi_thread")]
async fn thirty_mistakes_among_two_thousand_rows_are_each_named_and_nothing_is_imported() {
    let dir = tempfile::tempdir().unwrap();
    let database = TestDatabase::create(dir.path());
    let folder = Folder::new();
    folder.open("there", &["name"], "name\na\n");
    let text = std::fs::read_to_string(folder.file("there/dataset.toml")).unwrap();
    folder.write("there/dataset.toml", format!("code = \"310104999/000009\"\n{text}"));
    let imported = run(dir.path(), &database, &["import", folder.path().to_str().unwrap()]);
    assert!(imported.status.success(), "{imported:?}");

    let mut sheets = list(2000);
    let whole = sheets.clone();
    let mut wanted: Vec<String> =
        MISTAKES.into_iter().map(|(sheet, row, key, text)| put(&mut sheets, sheet, row, key, &planted(text))).collect();
    // Of a text in one language, the other one is missing.
    wanted.iter_mut().for_each(|cell| *cell = cell.replace("Q201 (conditions.zh)", "R201 (conditions.en)"));
    assert_eq!(wanted.len(), 30);
    let path = dir.path().join("list.xlsx");
    save(&sheets, &path);
    let path = path.to_str().unwrap().to_owned();
    for apply in [&["list", "import", &path, "--apply"][..], &["list", "import", &path]] {
        let output = run(dir.path(), &database, apply);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let told = String::from_utf8(output.stderr).unwrap();
        let mut found: Vec<String> =
            told.lines().map(|line| line.split_once("): ").map_or(line, |(cell, _)| cell).to_owned() + ")").collect();
        // The rows of fields of the three datasets whose own row names them otherwise are told too.
        let left_behind = ["A20", "A21", "A40", "A41", "A60", "A61"].map(|cell| format!("fields!{cell} (slug)"));
        found.retain(|cell| !left_behind.contains(cell));
        found.sort();
        wanted.sort();
        assert_eq!(found, wanted, "{told}");
        println!("{told}");
        assert!(String::from_utf8(output.stdout).unwrap().ends_with("mistakes; nothing was imported\n"));
    }
    let versions = |expected: usize| {
        let told = run(dir.path(), &database, &["list", "versions"]);
        assert_eq!(String::from_utf8(told.stdout).unwrap().lines().count(), expected);
    };
    versions(1);

    // Mended: a dry run changes nothing, and what is asked for is one version of the list.
    save(&whole, Path::new(&path));
    let dry = run(dir.path(), &database, &["list", "import", &path]);
    assert!(dry.status.success(), "{dry:?}");
    let told = String::from_utf8(dry.stdout).unwrap();
    assert!(
        told.ends_with("2000 to change, 0 unchanged, 1 of the list not named, which stay\nnothing was imported; --apply does it\n"),
        "{told}"
    );
    versions(1);
    let applied = run(dir.path(), &database, &["list", "import", &path, "--apply"]);
    assert!(
        String::from_utf8(applied.stdout.clone()).unwrap().ends_with("2000 entries changed; the list is at version 2\n"),
        "{applied:?}"
    );
    versions(2);
    let again = run(dir.path(), &database, &["list", "import", &path, "--apply"]);
    assert!(String::from_utf8(again.stdout).unwrap().ends_with("there is nothing to change\n"));
    let told = run(dir.path(), &database, &["list", "diff", "0", "1"]);
    assert!(String::from_utf8(told.stdout).unwrap().contains("+ there "));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_format_brings_the_list_back_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let database = TestDatabase::create(dir.path());
    for folder in [shipped(), closed()] {
        let imported = run(dir.path(), &database, &["import", folder.to_str().unwrap()]);
        assert!(imported.status.success(), "{imported:?}");
    }
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    for (format, path) in [("xlsx", at("list.xlsx")), ("csv", at("csv")), ("toml", at("toml"))] {
        let output = run(dir.path(), &database, &["list", "export", "--format", format, &path]);
        assert!(output.status.success(), "{output:?}");
        if format == "toml" {
            let of = [("ai-policy-measures", shipped()), ("community-health-visits", shipped()), ("enterprise-inspection-clues", closed())];
            for (slug, folder) in of {
                let read = |folder: &Path| -> qingdan::catalog::Entry {
                    toml::from_str(&std::fs::read_to_string(folder.join(slug).join("dataset.toml")).unwrap()).unwrap()
                };
                assert_eq!(read(Path::new(&path)), read(&folder), "{slug}");
            }
            continue;
        }
        let output = run(dir.path(), &database, &["list", "import", &path]);
        let told = String::from_utf8(output.stdout).unwrap();
        assert!(
            told.starts_with("0 to change, 7 unchanged, 0 of the list not named"),
            "{format}: {told} {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// A list with one dataset, and its book as CSV.
struct Desk {
    dir: tempfile::TempDir,
    database: TestDatabase,
    csv: std::path::PathBuf,
}

impl Desk {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let database = TestDatabase::create(dir.path());
        let folder = Folder::new();
        folder.open("things", &["name", "value"], "name,value\na,1\n");
        // What a book cannot say is no change of the list.
        let text = std::fs::read_to_string(folder.file("things/dataset.toml")).unwrap();
        let text = text.replace("\"About\"", "\"About\\n\"");
        folder.write("things/dataset.toml", format!("keywords = {{ zh = [\"研发；创新\"], en = [] }}\n{text}"));
        assert!(run(dir.path(), &database, &["import", folder.path().to_str().unwrap()]).status.success());
        Desk { csv: dir.path().join("csv"), dir, database }
    }

    fn list(&self, arguments: &[&str]) -> Output {
        run(self.dir.path(), &self.database, &[&["list"], arguments].concat())
    }

    fn export(&self) {
        assert!(self.list(&["export", "--format", "csv", self.csv.to_str().unwrap()]).status.success());
    }

    fn import(&self, more: &[&str]) -> Output {
        self.list(&[&["import", self.csv.to_str().unwrap()], more].concat())
    }

    fn change(&self, file: &str, from: &str, to: &str) {
        self.export();
        let text = std::fs::read_to_string(self.csv.join(file)).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(self.csv.join(file), text.replacen(from, to, 1)).unwrap();
    }

    /// Leaves out the field `value` of a dataset.
    fn without(&self, slug: &str) {
        self.export();
        let text = std::fs::read_to_string(self.csv.join("fields.csv")).unwrap();
        let begin = format!("{slug},value,");
        let left = text.lines().filter(|line| !line.starts_with(&begin)).fold(String::new(), |all, line| all + line + "\n");
        std::fs::write(self.csv.join("fields.csv"), left).unwrap();
    }

    #[track_caller]
    fn refused(&self, cell: &str, why: &str, more: &[&str]) {
        let output = self.import(&[&["--apply"], more].concat());
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.starts_with(cell) && told.contains(why), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_import_must_not_do_by_accident() {
    let desk = Desk::new();
    desk.export();
    let output = desk.import(&[]);
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("0 to change, 1 unchanged"), "{output:?}");
    // Its values are open to everybody at this moment.
    desk.change("fields.csv", "none", "quasi");
    desk.refused("fields!M2 (sensitivity)", "says something of a person from now on", &[]);
    // A column goes, which the data goes on having.
    desk.without("things");
    desk.refused("datasets, row 2 (fields)", "goes on having the columns", &["--reason", "never collected"]);
    // Of one without data it may, where somebody says why.
    desk.export();
    for file in ["datasets.csv", "fields.csv"] {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_path(desk.csv.join(file)).unwrap();
        let mut records: Vec<Vec<String>> = reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect();
        let more: Vec<Vec<String>> = records.iter().filter(|record| record[0] == "things").cloned().collect();
        records.extend(more.into_iter().map(|record| [vec!["others".to_owned()], record[1..].to_vec()].concat()));
        let mut writer = csv::Writer::from_path(desk.csv.join(file)).unwrap();
        records.iter().for_each(|record| writer.write_record(record).unwrap());
        writer.flush().unwrap();
    }
    let output = desk.import(&["--apply"]);
    assert!(output.status.success(), "{output:?}");
    desk.without("others");
    desk.refused("datasets, row 2 (fields)", "the field `value` goes", &[]);
    let blank = desk.import(&["--apply", "--reason", " "]);
    assert!(!blank.status.success() && String::from_utf8_lossy(&blank.stderr).contains("give 3 to 2000 characters"), "{blank:?}");
    let output = desk.import(&["--apply", "--reason", "never collected"]);
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8(desk.list(&["diff"]).stdout).unwrap().contains("fields_change: never collected"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_book_whose_columns_are_not_what_they_should_be_is_told_by_its_header() {
    let desk = Desk::new();
    // A column that is left out would clear what stands in it.
    desk.change("fields.csv", ",分级 grade", "");
    desk.refused("fields, row 1 (grade)", "is missing", &[]);
    desk.change("datasets.csv", "名称 title.zh,", "");
    desk.refused("datasets, row 1 (title.zh)", "is missing", &[]);
    desk.change("datasets.csv", "名称 title.zh", "标题");
    desk.refused("datasets, row 1 (title.zh)", "is missing", &[]);
    desk.change("datasets.csv", "登记码 registration_code", "信息资源代码 code");
    desk.refused("datasets, row 1 (registration_code)", "stands twice, also in F", &[]);
    // Cells that are shifted by one.
    desk.change("fields.csv", "things,name", ",things,name");
    desk.refused("", "fields!A2 (slug): `标识` is empty", &[]);
    // What is no workbook at all.
    let none = desk.dir.path().join("none.xlsx");
    std::fs::write(&none, "not a workbook").unwrap();
    let output = desk.list(&["import", none.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("none.xlsx: "));
}
