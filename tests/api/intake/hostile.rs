//! Files that are broken, or made to break something: a clear fault within bounds.

use std::io::Write;

use qingdan::intake::IntakeError;

use super::support::{Bench, columns, gz, notes, zipped};

#[test]
fn broken_packings_are_told() {
    let bench = Bench::new();
    let text: String =
        std::iter::once("a,b\n".to_owned()).chain((0..10_000).map(|row| format!("{row},{}\n", row * 7919 % 10_007))).collect();
    let declared = columns(&["a", "b"]);
    let packed = gz(text.as_bytes());
    let zstd = zstd::encode_all(text.as_bytes(), 3).unwrap();
    let zip = zipped(&[("t.csv", text.as_bytes())]);
    let mut flipped = zip.clone();
    flipped[200] ^= 0xFF;
    let many: Vec<(String, &[u8])> = (0..12).map(|at| (format!("{at}.csv"), b"x".as_slice())).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("gzip cut off", packed[..packed.len() / 2].to_vec(), "the gzip file is cut off"),
        ("gzip with rubbish behind", [packed.as_slice(), b"rubbish behind it"].concat(), "the gzip file is damaged"),
        ("zstd cut off", zstd[..zstd.len() / 2].to_vec(), "the zstd file is"),
        ("zip cut off", zip[..zip.len() / 2].to_vec(), "the zip archive is damaged or cut off"),
        ("zip damaged", flipped, "the zip"),
        ("packed twice", gz(&packed), "packed twice"),
        ("zip in gzip", gz(&zip), "packed twice"),
        ("gzip in zip", zipped(&[("t.csv.gz", &packed)]), "packed twice"),
        ("several files", zipped(&many), "has 12 files (`0.csv`, `1.csv`"),
        ("no file", zipped(&[]), "no file in it"),
        ("outside", zipped(&[("../../etc/t.csv", b"a\n")]), "`../../etc/t.csv` in the archive leads out of it"),
        ("absolute", zipped(&[("/etc/t.csv", b"a\n")]), "leads out of it"),
        ("backslashes", zipped(&[("..\\t.csv", b"a\n")]), "leads out of it"),
        ("tar", gz(&tar()), "tar archive"),
    ];
    for (name, content, wanted) in cases {
        let told = bench.refuse("t.csv", content, &declared);
        assert!(told.len() == 1 && told[0].contains(wanted), "{name}: {told:?}");
    }
    let mut links = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    links.add_symlink("t.csv", "/etc/passwd", zip::write::SimpleFileOptions::default()).unwrap();
    assert!(bench.refuse("t.zip", links.finish().unwrap().into_inner(), &declared)[0].contains("is a link"));
}

fn tar() -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(4);
    header.set_cksum();
    tar.append_data(&mut header, "t.csv", b"a\n1\n".as_slice()).unwrap();
    tar.into_inner().unwrap()
}

#[test]
fn a_bomb_is_stopped() {
    let bench = Bench::new();
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let lines = b"a,b\n".repeat(1 << 18);
    (0..96).for_each(|_| writer.write_all(&lines).unwrap());
    let told = bench.refuse("bomb.csv.gz", writer.finish().unwrap(), &columns(&["a", "b"]));
    assert!(told[0].contains("unpacks to more than 200 times its size"), "{told:?}");
}

#[test]
fn what_is_no_table_is_told() {
    let bench = Bench::new();
    let declared = columns(&["a", "b"]);
    let binary: Vec<u8> = (0..10_000_u32).flat_map(|number| (number % 300).to_be_bytes()).collect();
    let cases: Vec<(&[u8], &str)> = vec![
        (b"", "the file is empty"),
        (b"\xEF\xBB\xBF", "the file is empty"),
        (b"\n\n", "the file is empty"),
        (&binary, "`t.csv` is a binary file"),
        (b"%PDF-1.7 ...", "`t.csv` is a PDF"),
        (b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "save it as .xlsx"),
        (b"PK\x03\x04 no archive", "the zip archive is damaged"),
        (b"PAR1 no parquet PAR1", "the Parquet file is damaged"),
        (b"a,a\n1,2\n", "1: the name of column number 2 stands twice"),
        (b"a,b\n1,\0\n", "2: b: the cell holds a NUL byte"),
        (b"\xFF\xFEa\0,\0b\0\n\0\x00\xD8\n\0", "2: half of a pair of UTF-16 (a lone surrogate)"),
        (b"a,b\n1,\xE5\xBE\x90\n2,\xFF\xFF\n", "3: b: the text is not UTF-8"),
        (b"a,\xFF\xFF\n", "1: the header is not UTF-8"),
        (b"a,b\n1,\"x\n", "2: the quote that opens here is never closed"),
    ];
    for (content, wanted) in cases {
        let told = bench.refuse("t.csv", content, &declared);
        assert!(told[0].starts_with(wanted) || told[0].contains(wanted), "{told:?} for {wanted}");
        assert_eq!(bench.scratch_files(), 0);
    }
    let year = bench.refuse("t.csv", "day\n0000-01-01\n", &columns(&["day:date"]));
    assert!(year[0].starts_with("2: day: `0000-01-01` is not a day"), "{year:?}");
}

#[test]
fn a_header_alone_is_a_table_without_rows() {
    let bench = Bench::new();
    for content in ["a,b\n", "a,b"] {
        let taken = bench.take("t.csv", content, &columns(&["a", "b:integer"]));
        assert_eq!(taken.row_count, 0);
        assert!(notes(&taken).contains("a header and no rows"));
    }
}

#[test]
fn too_many_columns_are_refused() {
    let bench = Bench::new();
    let header = |count: usize| (0..count).map(|at| format!("column_{at}")).collect::<Vec<_>>().join(",");
    let told = bench.refuse("t.csv", header(5000) + "\n", &[]);
    assert_eq!(told, ["1: the file has 5000 columns; at most 2000 are allowed"]);
    let wide = format!("{{{}}}\n", (0..5000).map(|at| format!("\"c{at}\":1")).collect::<Vec<_>>().join(","));
    assert!(bench.refuse("t.ndjson", wide, &[])[0].contains("more than 2000 different keys"));
    assert_eq!(bench.take("t.csv", header(2000) + "\n", &[]).columns.len(), 2000);
}

#[test]
fn a_line_without_end_takes_no_memory() {
    let bench = Bench::new();
    let declared = columns(&["a", "b"]);
    let told = bench.refuse("long.csv", format!("a,b\n1,{}", " ".repeat(24 << 20)), &declared);
    assert!(told[0].starts_with("2: the record is longer than 16 MiB"), "{told:?}");
    let header = bench.refuse("header.csv", "x".repeat(24 << 20), &declared);
    assert!(header[0].starts_with("1: the record is longer than 16 MiB"), "{header:?}");
    let quoted = bench.refuse("quoted.csv", format!("a,b\n1,\"{}", "x\n".repeat(12 << 20)), &declared);
    assert!(quoted[0].starts_with("2: the quote that opens here is not closed within 16 MiB"), "{quoted:?}");
    let cell = bench.refuse("cell.csv", format!("a,b\n1,{}\n", "x".repeat(9 << 20)), &declared);
    assert!(cell[0].starts_with("2: b: the cell is longer than 8 MiB"), "{cell:?}");
    let commas = bench.refuse("commas.csv", format!("a,b\n{}\n", ",".repeat(1 << 20)), &declared);
    assert!(commas[0].contains("more than 100000 cells"), "{commas:?}");
}

#[test]
fn no_piece_of_a_file_makes_it_panic() {
    let bench = Bench::new();
    let mut book = rust_xlsxwriter::Workbook::new();
    book.add_worksheet().write_string(0, 0, "a").unwrap().write_number(1, 0, 1.0).unwrap();
    let workbook = book.save_to_buffer().unwrap();
    let taken = bench.take("t.csv", "a,b\n1,2\n3,4\n", &[]);
    let parquet = super::support::bytes(&taken);
    let geo = br#"{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"a":1},"geometry":{"type":"Point","coordinates":[1,2]}}]}"#;
    let mut state = 7_u64;
    for (name, bytes) in [("t.xlsx", workbook.as_slice()), ("t.parquet", parquet.as_slice()), ("t.geojson", geo.as_slice())] {
        for _ in 0..60 {
            let mut piece = bytes.to_vec();
            for _ in 0..3 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let at = (state >> 33) as usize % piece.len();
                piece[at] = (state >> 20) as u8;
            }
            if state.is_multiple_of(3) {
                piece.truncate((state >> 33) as usize % bytes.len());
            }
            bench.write(name, &piece);
            match bench.take_with(name, &[], 0.0) {
                Ok(_) | Err(IntakeError::Faults(..)) => {}
                Err(other) => panic!("{name}: {other:?}"),
            }
        }
    }
}

#[test]
fn nothing_of_a_file_reaches_a_terminal_raw() {
    let bench = Bench::new();
    let red = "\u{1b}[31m";
    let escape = |name: &str| zipped(&[(name, b"a\n".as_slice())]);
    let json = format!("{{\"a\":1,\"{}\":2}}\n", "\\u001b[31m");
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (format!("a\n{red}x\n").into_bytes(), "2: a: `\\u{1b}[31mx` is not a whole number"),
        (format!("{red}a\n1\n").into_bytes(), "1: the column `\\u{1b}[31ma` has no"),
        (json.into_bytes(), "the key `\\u{1b}[31m` has no"),
        (escape(&format!("../{red}.csv")), "`../\\u{1b}[31m.csv` in the archive leads out of it"),
        (b"a\n\"1\n2\"\n".to_vec(), "2: a: `1\\n2` is not a whole number"),
    ];
    for (content, wanted) in cases {
        let told = bench.refuse("t.csv", content, &columns(&["a:integer"]));
        assert!(told.iter().any(|told| told.contains(wanted)), "{told:?}");
        assert!(!told.iter().any(|told| told.contains(char::is_control)), "{told:?}");
    }
    // The name of a column that is declared nowhere.
    let told = bench.refuse("t.csv", format!("{red}a,b\n\0,1\n"), &[]);
    assert!(told[0].starts_with("2: \\u{1b}[31ma: the cell holds a NUL byte"), "{told:?}");
}

#[test]
fn lone_carriage_returns_are_told_before_the_names() {
    let bench = Bench::new();
    for content in ["a,b\r1,2\r".to_owned(), format!("a,b\r{}", "1,2\r".repeat(5 << 20))] {
        for declared in [columns(&["a", "b"]), Vec::new()] {
            let told = bench.refuse("t.csv", &content, &declared);
            assert!(told.len() == 1 && told[0].starts_with("1: a lone carriage return"), "{told:?}");
        }
    }
}

#[test]
fn notes_show_no_example_of_what_the_scan_has_found() {
    let bench = Bench::new();
    let table = "resident_id,code\n'11010519491231002X,'007\n'11010519491231002X,'008\n";
    let mut declared = columns(&["resident_id", "code"]);
    let said = notes(&bench.take("t.csv", table, &declared));
    assert!(said.contains("resident_id: a value of 19 characters (not shown) begins with an apostrophe"), "{said}");
    assert!(said.contains("code: `'007` begins with an apostrophe") && !said.contains("11010519491231002X"), "{said}");
    // Inference keeps examples too.
    let mixed = "resident_id\n11010519491231002X\n110105194912310021\n110105194912310021\n";
    let said = notes(&bench.take("t.csv", mixed, &columns(&["resident_id"])));
    assert!(said.contains("several kinds") && said.contains("(not shown)") && !said.contains("11010519491231002"), "{said}");
    declared[0].cleared = true;
    let said = notes(&bench.take("t.csv", table, &declared));
    assert!(said.contains("resident_id: `'11010519491231002X` begins"), "{said}");
}
