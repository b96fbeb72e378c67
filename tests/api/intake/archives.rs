//! Archives as programs of all kinds write them: nothing of them is lost, and nothing is guessed without a word.

use std::ops::ControlFlow;
use std::sync::Mutex;

use qingdan::intake::Step;
use qingdan::intake::collection::{folder_digest, gather};

use super::collections::{FIELDS, refuse, renamed, take};
use super::support::{Bench, columns, gz};
use crate::collections::{tar_of, zip_of};

fn paths(bench: &Bench, name: &str, bytes: impl AsRef<[u8]>) -> Vec<String> {
    take(bench, name, bytes, &[]).unwrap().members.into_iter().map(|member| member.path).collect()
}

/// A tar archive whose one file has these PAX extensions.
fn pax(extensions: &[(&str, &[u8])], bytes: &[u8]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    tar.append_pax_extensions(extensions.iter().copied()).unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_size(bytes.len() as u64);
    header.set_path("short").unwrap();
    header.set_cksum();
    tar.append(&header, bytes).unwrap();
    tar.into_inner().unwrap()
}

#[test]
fn odd_names_are_kept_as_they_are() {
    let bench = Bench::new();
    let names = [
        "NA",
        "null",
        "-",
        "N/A",
        " lead.txt",
        "trail.txt ",
        "=1+1.txt",
        "@x",
        "+1",
        "a'b\"c,d.txt",
        "1",
        "001",
        "\u{feff}bom.txt",
        "none",
        "%41.txt",
        "a/b/c/d/e/f/g",
    ];
    let zip = zip_of(names.iter().map(|name| (*name, &b"1"[..])));
    let gathered = take(&bench, "a.zip", zip, &[]).unwrap();
    let rows = super::support::rows(&gathered.taken);
    for (row, member) in rows.iter().zip(&gathered.members) {
        assert_eq!(row[0], member.path);
    }
    assert_eq!(rows.len(), names.len());
}

#[test]
fn long_names_and_parted_streams_are_read() {
    let bench = Bench::new();
    let long = "x".repeat(120) + "/" + &"y".repeat(150);
    assert_eq!(paths(&bench, "long.tar", tar_of([(long.as_str(), &b"1"[..])])), std::slice::from_ref(&long));
    assert_eq!(paths(&bench, "pax.tar", pax(&[("path", long.as_bytes())], b"1")), std::slice::from_ref(&long));
    // As a program writes it that packs in pieces.
    let two = [gz(&tar_of([("a", &b"1"[..])])[..100]), gz(&tar_of([("a", &b"1"[..])])[100..])].concat();
    assert_eq!(paths(&bench, "members.tar.gz", two), ["a"]);
}

#[test]
fn a_sparse_file_of_pax_is_refused() {
    let sparse = pax(
        &[("GNU.sparse.major", b"1"), ("GNU.sparse.minor", b"0"), ("GNU.sparse.name", b"real"), ("GNU.sparse.realsize", b"9")],
        &[b'0'; 512],
    );
    assert!(refuse("sparse.tar", sparse, &[])[0].contains("`short` in the archive is a sparse file"));
}

#[test]
fn two_zip_archives_in_one_file_are_refused() {
    let two = [zip_of([("a.txt", &b"1"[..])]), zip_of([("b.txt", &b"2"[..])])].concat();
    let faults = refuse("two.zip", two, &[]);
    assert!(faults[0].contains("something before the zip archive"), "{faults:?}");
}

#[test]
fn a_folder_with_content_is_refused() {
    let zip = renamed(zip_of([("a.txtx", &b"not to be lost"[..]), ("b", b"2")]), b"a.txtx", b"a.txt/");
    let faults = refuse("folder.zip", zip, &[]);
    assert!(faults[0].contains("`a.txt/` in the archive is a folder, and has content"), "{faults:?}");
}

#[test]
fn a_file_is_no_folder() {
    let faults = refuse("clash.tar", tar_of([("a", &b"1"[..]), ("a.b", b"3"), ("a/b", b"2")]), &[]);
    assert!(faults[0].contains("`a` is a file and a folder at once"), "{faults:?}");
}

#[test]
fn names_without_a_declared_encoding_are_of_one_encoding() {
    let bench = Bench::new();
    // The first name is UTF-8 by chance: its two bytes are a Latin letter there.
    let names = ["模", "模板"].map(|name| encoding_rs::GB18030.encode(name).0.into_owned());
    let zip = zip_of([("xx", &b"1"[..]), ("yyyy", b"2"), ("说明", b"3")]);
    let zip = renamed(renamed(zip, b"xx", &names[0]), b"yyyy", &names[1]);
    assert_eq!(paths(&bench, "names.zip", zip), ["模", "模板", "说明"]);
}

#[test]
fn a_manifest_comes_in_many_kinds() {
    let files: [(&str, &[u8]); 2] = [("1", b"abc"), ("2", b"b")];
    for (name, manifest) in [
        ("manifest.csv", "path,note\n1,甲\n2,\n".as_bytes().to_vec()),
        ("manifest.csv", "\u{feff}path,note\r\n1,甲\r\n2,\r\n".as_bytes().to_vec()),
        ("manifest.csv", encoding_rs::GB18030.encode("path,note\n1,甲\n2,\n").0.into_owned()),
        ("manifest.tsv", "path\tnote\n1\t甲\n2\t\n".into()),
        ("manifest.json", r#"[{"path": 1, "note": "甲"}, {"path": "2"}]"#.into()),
        ("manifest.ndjson", "{\"path\": \"1\", \"note\": \"甲\"}\n{\"path\": 2}\n".into()),
    ] {
        let bench = Bench::new();
        let zip = zip_of(files.into_iter().chain([(name, manifest.as_slice())]));
        let gathered = take(&bench, "a.zip", zip, &["note:string"]).unwrap_or_else(|cause| panic!("{name}: {cause:?}"));
        let rows = super::support::rows(&gathered.taken);
        assert_eq!((rows[0][0].as_str(), rows[0][4].as_str(), rows[1][4].as_str()), ("1", "甲", "∅"), "{name}");
    }
    let bench = Bench::new();
    let zip = zip_of([(" a", &b"1"[..]), ("b ", b"2"), ("manifest.csv", b"path,note\n a,1\nb ,2\n")]);
    take(&bench, "spaces.zip", zip, &["note:string"]).unwrap();
}

#[test]
fn a_column_of_a_manifest_stands_once() {
    let zip = zip_of([("a", &b"1"[..]), ("manifest.csv", b"path,sha256,sha256\na,,00\n")]);
    let faults = refuse("twice.zip", zip, &[]);
    assert!(faults[0].contains("the column `sha256` stands twice"), "{faults:?}");
}

#[test]
fn texts_are_looked_into_whatever_their_type_is_called() {
    let bench = Bench::new();
    let letter = "身份证 11010519491231002X\n".as_bytes();
    for (name, manifest) in [("a.csv", "path,media_type\na.csv,application/vnd.ms-excel\n"), ("BM", "path\nBM\n")] {
        let letter = [b"BM ", letter].concat();
        let zip = zip_of([(name, letter.as_slice()), ("manifest.csv", manifest.as_bytes())]);
        let gathered = take(&bench, "letters.zip", zip, &[]).unwrap();
        assert_eq!(
            gathered.taken.profile.findings.iter().map(|finding| finding.column.as_str()).collect::<Vec<_>>(),
            ["(content)"],
            "{name}"
        );
    }
}

#[test]
fn a_link_makes_another_folder() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("files")).unwrap();
    bench.write("files/a.txt", "a");
    let before = folder_digest(&bench.path("files")).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", bench.path("files/b.txt")).unwrap();
    assert_ne!(folder_digest(&bench.path("files")).unwrap(), before, "it is read again, and then refused");
}

#[test]
fn all_is_read_at_the_end_and_each_file_is_counted_once() {
    let bench = Bench::new();
    for (name, bytes) in
        [("a.zip", zip_of([("a.txt", &b"abc"[..]), ("b.bin", b"\0")])), ("a.tar", tar_of([("a.txt", &b"abc"[..]), ("b.bin", b"\0")]))]
    {
        let last = Mutex::new(Step::default());
        let watch = |step: Step| {
            *last.lock().unwrap() = step;
            ControlFlow::Continue(())
        };
        gather(&bench.write(name, bytes), name, &columns(FIELDS), bench.storage(), &watch).unwrap();
        let step = last.into_inner().unwrap();
        assert_eq!((step.rows, step.done_bytes), (2, step.total_bytes), "{name}");
    }
}
