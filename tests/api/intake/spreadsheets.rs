//! Workbooks, and what spreadsheets do to data.

use qingdan::intake::{Declared, FieldType};
use rust_xlsxwriter::{ExcelDateTime, Format, Formula, Workbook, Worksheet};

use super::support::{Bench, bytes, columns, notes, rows, types};

fn book(fill: impl FnOnce(&mut Worksheet)) -> Vec<u8> {
    let mut book = Workbook::new();
    fill(book.add_worksheet());
    book.save_to_buffer().unwrap()
}

/// Writes a table: text cells, and number cells for whole numbers without leading zeros of up to fifteen digits.
fn table(rows: &[Vec<String>]) -> Vec<u8> {
    book(|sheet| {
        for (row, cells) in rows.iter().enumerate() {
            for (column, cell) in cells.iter().enumerate() {
                let (row, column) = (row as u32, column as u16);
                match cell.parse::<i64>() {
                    Ok(number) if number.to_string() == *cell && cell.len() <= 15 => {
                        sheet.write_number(row, column, number as f64).unwrap()
                    }
                    _ if cell.is_empty() => sheet,
                    _ => sheet.write_string(row, column, cell).unwrap(),
                };
            }
        }
    })
}

fn declared(folder: &std::path::Path) -> Vec<Declared> {
    let entry: toml::Value = toml::from_str(&std::fs::read_to_string(folder.join("dataset.toml")).unwrap()).unwrap();
    let field = |field: &toml::Value| Declared {
        name: field["name"].as_str().unwrap().to_owned(),
        field_type: field.get("type").map(|kind| serde_json::from_value::<FieldType>(kind.as_str().unwrap().into()).unwrap()),
        scale: field.get("scale").map(|scale| scale.as_integer().unwrap() as i8),
        ..Declared::default()
    };
    entry["fields"].as_array().unwrap().iter().map(field).collect()
}

#[test]
fn the_shipped_tables_are_the_same_as_utf_8_gb18030_and_xlsx() {
    let bench = Bench::new();
    let mut seen = 0;
    for folder in std::fs::read_dir(crate::support::shipped()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        let csv = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| path.extension().is_some_and(|end| end == "csv"));
        let Some(csv) = csv else { continue };
        let text = std::fs::read_to_string(&csv).unwrap();
        let cells: Vec<Vec<String>> = csv::ReaderBuilder::new()
            .has_headers(false)
            .from_reader(text.as_bytes())
            .records()
            .map(|row| row.unwrap().iter().map(str::to_owned).collect())
            .collect();
        let gb18030 = encoding_rs::GB18030.encode(&text).0.into_owned();
        let workbook = table(&cells);
        let untyped: Vec<Declared> =
            declared(&folder).into_iter().map(|column| Declared { field_type: None, scale: None, ..column }).collect();
        for declared in [declared(&folder), untyped, Vec::new()] {
            let usual = bench.take("t.csv", &text, &declared);
            assert_eq!(usual.row_count as usize, cells.len() - 1);
            assert!(bytes(&bench.take("t.csv", &gb18030, &declared)) == bytes(&usual), "{}", csv.display());
            let sheet = bench.take("t.xlsx", &workbook, &declared);
            assert_eq!((sheet.report.format.as_str(), types(&sheet)), ("xlsx", types(&usual)));
            assert!(bytes(&sheet) == bytes(&usual), "{}", csv.display());
        }
        seen += 1;
    }
    assert_eq!(seen, 6);
}

#[test]
fn cells_are_read_by_their_kind() {
    let bench = Bench::new();
    let bytes = book(|sheet| {
        let (day, moment) = (Format::new().set_num_format("yyyy-mm-dd"), Format::new().set_num_format("yyyy-mm-dd hh:mm:ss"));
        for (column, name) in ["code", "n", "price", "day", "at", "ok", "sum"].iter().enumerate() {
            sheet.write_string(0, column as u16, *name).unwrap();
        }
        sheet.write_string(1, 0, "007").unwrap().write_number(1, 1, 12.0).unwrap().write_number(1, 2, 0.1).unwrap();
        sheet.write_datetime_with_format(1, 3, ExcelDateTime::from_ymd(2024, 2, 29).unwrap(), &day).unwrap();
        let at = ExcelDateTime::from_ymd(2024, 2, 29).unwrap().and_hms(8, 30, 1).unwrap();
        sheet.write_datetime_with_format(1, 4, at, &moment).unwrap().write_boolean(1, 5, true).unwrap();
        sheet.write_formula(1, 6, Formula::new("=B2+1").set_result("13")).unwrap();
        // Row 3 is empty.
        sheet.write_string(3, 0, "008").unwrap();
        sheet.write_datetime_with_format(3, 4, ExcelDateTime::from_ymd(2024, 3, 1).unwrap(), &moment).unwrap();
    });
    let taken = bench.take("t.xlsx", bytes, &columns(&["code", "n", "price", "day", "at:datetime", "ok", "sum"]));
    assert_eq!(types(&taken), ["string", "integer", "decimal", "date", "datetime", "boolean", "integer"]);
    assert_eq!(rows(&taken)[0], ["007", "12", "0.1", "2024-02-29", "2024-02-29T08:30:01", "true", "13"]);
    assert_eq!(rows(&taken)[1], ["008", "∅", "∅", "∅", "2024-03-01T00:00:00", "∅", "∅"]);
    let notes = notes(&taken);
    assert!(notes.contains("cells hold formulas; their stored values were taken in [1] 1"), "{notes}");
    assert!(notes.contains("rows without any value were left out [2] 1"), "{notes}");
}

#[test]
fn a_fault_names_its_cell() {
    let bench = Bench::new();
    let bytes = book(|sheet| {
        sheet.write_string(2, 1, "a").unwrap().write_string(2, 2, "b").unwrap();
        sheet.write_string(3, 1, "x").unwrap().write_formula(3, 2, Formula::new("=NA()").set_result("#N/A")).unwrap();
        sheet.write_number(4, 1, 1.0).unwrap().write_number(4, 5, 9.0).unwrap();
        sheet.write_number(5, 1, 1.5).unwrap();
    });
    let faults = bench.refuse("t.xlsx", bytes, &columns(&["a:integer", "b"]));
    assert!(faults.iter().any(|fault| fault.starts_with("5: the cell F5 stands outside")), "{faults:?}");
    assert!(faults.iter().any(|fault| fault.starts_with("6: a: the cell B6: `1.5` is not a whole number")), "{faults:?}");
    assert!(faults.iter().any(|fault| fault.contains("the cell C4: it holds the error #N/A")), "{faults:?}");
}

#[test]
fn a_header_of_merged_cells_is_refused() {
    let bench = Bench::new();
    let bytes = book(|sheet| {
        sheet.merge_range(0, 0, 0, 2, "A title over all", &Format::new()).unwrap();
        sheet.write_string(1, 0, "a").unwrap();
    });
    let faults = bench.refuse("t.xlsx", bytes, &columns(&["a"]));
    assert!(faults[0].starts_with("1: the cells A1:C1 of the header are merged"), "{faults:?}");
    let below = book(|sheet| {
        sheet
            .write_string(0, 0, "a")
            .unwrap()
            .write_string(0, 1, "b")
            .unwrap()
            .write_number(1, 1, 1.0)
            .unwrap()
            .write_number(2, 1, 2.0)
            .unwrap();
        sheet.merge_range(1, 0, 2, 0, "x", &Format::new()).unwrap();
    });
    let taken = bench.take("t.xlsx", below, &columns(&["a", "b"]));
    assert_eq!(rows(&taken), [["x", "1"], ["∅", "2"]]);
    assert!(notes(&taken).contains("cells are merged (first A2:A3)"), "{}", notes(&taken));
}

#[test]
fn the_sheet_that_fits_is_taken() {
    let bench = Bench::new();
    let mut book = Workbook::new();
    for (name, cells) in [("About", ["read", "me"]), ("Data", ["a", "b"])] {
        let sheet = book.add_worksheet().set_name(name).unwrap();
        sheet.write_string(0, 0, cells[0]).unwrap().write_string(0, 1, cells[1]).unwrap().write_number(1, 0, 1.0).unwrap();
    }
    let bytes = book.save_to_buffer().unwrap();
    let taken = bench.take("t.xlsx", &bytes, &columns(&["a", "b"]));
    assert_eq!(rows(&taken), [["1", "∅"]]);
    assert!(notes(&taken).contains("2 sheets; `Data` was taken in"), "{}", notes(&taken));
    assert!(bench.refuse("t.xlsx", bytes, &columns(&["x"]))[0].contains("the column `read` has no"));
}

#[test]
fn spoilt_identifiers_and_days_are_told() {
    let bench = Bench::new();
    let spoilt = book(|sheet| {
        sheet.write_string(0, 0, "id").unwrap().write_string(1, 0, "310105194912310021").unwrap();
        sheet.write_number(2, 0, 310_105_194_912_310_021_f64).unwrap();
    });
    let faults = bench.refuse("t.xlsx", &spoilt, &columns(&["id:string"]));
    assert!(faults[0].starts_with("3: id: `3.1010519491231") && faults[0].contains("digits are lost; ask for the original"), "{faults:?}");
    let taken = bench.take("t.xlsx", spoilt, &columns(&["id"]));
    assert!(notes(&taken).contains("digits are lost; ask for the original"), "{}", notes(&taken));
    let text = "id,day\n310105194912310021,2024-01-01\n3.10105E+17,45123\n";
    let faults = bench.refuse("t.csv", text, &columns(&["id:string", "day:date"]));
    assert!(
        faults[0].contains("`45123` is not a day as YYYY-MM-DD; it looks like a spreadsheet's serial number of the day 2023-07-16"),
        "{faults:?}"
    );
    assert!(faults[1].starts_with("3: id: `3.10105E+17`"), "{faults:?}");
    let taken = bench.take("t.csv", "visit_date,code\n45123,'007\n45124,'008\n", &[]);
    assert!(notes(&taken).contains("visit_date: whole numbers such as `45123` look like"), "{}", notes(&taken));
    assert!(notes(&taken).contains("code: `'007` begins with an apostrophe"), "{}", notes(&taken));
}

/// The workbook with one of its parts changed.
fn changed(workbook: &[u8], part: &str, change: impl Fn(String) -> String) -> Vec<u8> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(workbook)).unwrap();
    let mut files = Vec::new();
    for at in 0..archive.len() {
        let mut entry = archive.by_index(at).unwrap();
        let (name, mut text) = (entry.name().unwrap().into_owned(), String::new());
        std::io::Read::read_to_string(&mut entry, &mut text).unwrap();
        files.push((name.clone(), if name == part { change(text) } else { text }));
    }
    super::support::zipped(&files.iter().map(|(name, text)| (name.as_str(), text.as_bytes())).collect::<Vec<_>>())
}

#[test]
fn a_workbook_cannot_ask_for_more_than_it_holds() {
    let bench = Bench::new();
    let usual = table(&[vec!["a".to_owned()], vec!["x".to_owned()]]);
    let said = |count: &str| {
        changed(&usual, "xl/sharedStrings.xml", |text| {
            assert!(text.contains("uniqueCount=\"2\""), "{text}");
            text.replace("uniqueCount=\"2\"", &format!("uniqueCount=\"{count}\""))
        })
    };
    // Many programs count them wrongly.
    assert_eq!(rows(&bench.take("t.xlsx", said("1000"), &columns(&["a"]))), [["x"]]);
    for count in ["4000000000", "18446744073709551615", "99999999999999999999999"] {
        let told = bench.refuse("t.xlsx", said(count), &columns(&["a"]));
        assert!(told.len() == 1 && told[0].starts_with("the workbook is damaged: its part of texts"), "{told:?}");
        assert!(told[0].contains(" texts in "), "{told:?}");
    }
}

#[test]
fn a_cell_that_no_sheet_has_is_refused_at_once() {
    let bench = Bench::new();
    let usual = table(&[vec!["a".to_owned(), "b".to_owned()], vec!["x".to_owned(), "y".to_owned()]]);
    for (cell, place) in [("A2", "A4000000000"), ("A2", "A1048577"), ("B2", "ZZZZZZ2"), ("B1", "XFE1")] {
        let bytes = changed(&usual, "xl/worksheets/sheet1.xml", |text| {
            let from = format!("r=\"{cell}\"");
            assert!(text.contains(&from), "{text}");
            text.replace(&from, &format!("r=\"{place}\""))
        });
        let told = bench.refuse("t.xlsx", bytes, &columns(&["a", "b"]));
        assert!(told.len() == 1 && told[0].contains("no sheet has more than 1048576 rows"), "{told:?}");
    }
}

#[test]
fn a_column_of_moments_is_one_when_all_are_midnight() {
    let bench = Bench::new();
    let bytes = book(|sheet| {
        let (day, moment) = (Format::new().set_num_format("yyyy-mm-dd"), Format::new().set_num_format("yyyy-mm-dd hh:mm"));
        for (column, name) in ["day", "midnight", "some", "mixed", "said"].iter().enumerate() {
            // The header's own format says nothing of the values.
            sheet.write_string_with_format(0, column as u16, *name, &day).unwrap();
        }
        for row in 1..3 {
            let date = ExcelDateTime::from_ymd(2024, 2, row as u8).unwrap();
            let noon = ExcelDateTime::from_ymd(2024, 2, row as u8).unwrap().and_hms(12, 0, 0).unwrap();
            sheet.write_datetime_with_format(row, 0, &date, &day).unwrap();
            sheet.write_datetime_with_format(row, 1, &date, &moment).unwrap();
            sheet.write_datetime_with_format(row, 2, if row == 1 { &date } else { &noon }, &moment).unwrap();
            sheet.write_datetime_with_format(row, 3, &date, if row == 1 { &day } else { &moment }).unwrap();
            sheet.write_datetime_with_format(row, 4, &date, &moment).unwrap();
        }
    });
    let taken = bench.take("t.xlsx", bytes, &columns(&["day", "midnight", "some", "mixed", "said:date"]));
    assert_eq!(types(&taken), ["date", "datetime", "datetime", "date", "date"]);
    assert_eq!(rows(&taken)[0], ["2024-02-01", "2024-02-01T00:00:00", "2024-02-01T00:00:00", "2024-02-01", "2024-02-01"]);
    assert_eq!(rows(&taken)[1][2], "2024-02-02T12:00:00");
}
