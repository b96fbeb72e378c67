//! Archives that are damaged, hostile, or not what their manifest says.

use std::ops::ControlFlow;

use qingdan::intake::IntakeError;
use qingdan::intake::collection::{Gathered, gather};

use super::support::{Bench, columns, gz};
use crate::collections::{tar_of, zip_of};

pub const FIELDS: &[&str] = &["path:string", "size_bytes:integer", "media_type:string", "sha256:string"];

pub fn take(bench: &Bench, name: &str, bytes: impl AsRef<[u8]>, more: &[&str]) -> Result<Gathered, IntakeError> {
    let path = bench.write(name, bytes);
    gather(&path, name, &columns(&[FIELDS, more].concat()), bench.storage(), &|_| ControlFlow::Continue(()))
}

pub fn refuse(name: &str, bytes: impl AsRef<[u8]>, more: &[&str]) -> Vec<String> {
    let bench = Bench::new();
    let taken = take(&bench, name, bytes, more).map(|gathered| gathered.taken);
    let faults = super::support::faults(taken);
    assert_eq!(bench.scratch_files(), 0);
    faults
}

/// The archive with a name in it that no library would write.
pub fn renamed(mut archive: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let found: Vec<usize> = (0..archive.len() - from.len()).filter(|at| archive[*at..].starts_with(from)).collect();
    assert!(!found.is_empty());
    for at in found {
        archive[at..at + from.len()].copy_from_slice(to);
    }
    archive
}

/// The tar archive of one file whose header says what it likes.
fn tar_with(name: &[u8], kind: tar::EntryType, bytes: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(kind);
    header.set_size(bytes.len() as u64);
    if kind.is_symlink() {
        header.set_link_name("/etc/passwd").unwrap();
    }
    header.set_cksum();
    let mut tar = tar::Builder::new(Vec::new());
    tar.append(&header, bytes).unwrap();
    tar.into_inner().unwrap()
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let file = tar::EntryType::Regular;
    let cases: [(&str, Vec<u8>, &str); 10] = [
        ("up.zip", renamed(zip_of([("xx/a", &b"1"[..])]), b"xx/a", b"../a"), "`../a` leads out of the collection"),
        ("root.zip", renamed(zip_of([("xa", &b"1"[..])]), b"xa", b"/a"), "`/a` leads out of the collection"),
        ("back.zip", renamed(zip_of([("xxxa", &b"1"[..])]), b"xxxa", b"..\\a"), "has a backslash"),
        ("up.tar", tar_with(b"a/../../b", file, b"1"), "`a/../../b` leads out of the collection"),
        ("root.tar", tar_with(b"/etc/passwd", file, b"1"), "`/etc/passwd` leads out of the collection"),
        ("link.tar", tar_with(b"a", tar::EntryType::Symlink, b""), "`a` in the archive is a link"),
        ("hard.tar", tar_with(b"a", tar::EntryType::Link, b""), "`a` in the archive is a link"),
        ("fifo.tar", tar_with(b"a", tar::EntryType::Fifo, b""), "is no file but a device"),
        ("bell.tar", tar_with(b"a\x07b", file, b"1"), "control character"),
        ("bytes.tar", tar_with(b"\xFF\xFE", file, b"1"), "neither UTF-8 nor GB18030"),
    ];
    for (name, bytes, wanted) in cases {
        let faults = refuse(name, bytes, &[]);
        assert!(faults[0].contains(wanted), "{name}: {faults:?}");
    }
}

#[test]
fn two_files_of_one_name_are_refused() {
    let zip = renamed(zip_of([("a.txt", &b"1"[..]), ("b.txt", b"2")]), b"b.txt", b"a.txt");
    assert!(refuse("twice.zip", zip, &[])[0].contains("two files in the zip archive have the same name"));
    let tar = tar_of([("a.txt", &b"1"[..]), ("./a.txt", b"2")]);
    assert!(refuse("twice.tar", tar, &[])[0].contains("two files have the path `a.txt`"));
    // The same name in two spellings of Unicode.
    let zip = zip_of([("\u{e9}.txt", &b"1"[..]), ("e\u{301}.txt", b"2")]);
    assert!(refuse("spelling.zip", zip, &[])[0].contains("two files have the path"));
}

#[test]
fn what_is_cut_off_or_damaged_is_refused() {
    let content = vec![b'x'; 3000];
    let tar = tar_of([("a.txt", &content[..]), ("b.txt", &content[..])]);
    let one = 512 + 3072;
    for (name, end, wanted) in [
        ("between.tar", one, "the block that ends it is missing"),
        ("end.tar", 2 * one, "the block that ends it is missing"),
        ("within.tar", one + 2000, "cut off"),
        ("header.tar", one + 100, "damaged or cut off"),
    ] {
        let faults = refuse(name, &tar[..end], &[]);
        assert!(faults[0].contains(wanted), "{name}: {faults:?}");
        let faults = refuse("packed.tar.gz", gz(&tar[..end]), &[]);
        assert!(faults[0].contains(wanted), "{name}, packed: {faults:?}");
    }
    let packed = gz(&tar);
    let faults = refuse("cut.tar.gz", &packed[..packed.len() - 20], &[]);
    assert!(faults[0].contains("the gzip file is cut off"), "{faults:?}");
    let faults = refuse("two.tar", [tar.clone(), tar].concat(), &[]);
    assert!(faults[0].contains("something behind the end of the tar archive"), "{faults:?}");
    let mut zip = zip_of([("a.txt", &b"abc"[..])]);
    let at = zip.windows(5).position(|bytes| bytes == b"a.txt").unwrap() + 6;
    zip[at] ^= 1;
    let faults = refuse("damaged.zip", zip, &[]);
    assert!(faults[0].contains("a.txt"), "{faults:?}");
    let zip = zip_of([("a.txt", &b"abc"[..])]);
    assert!(refuse("cut.zip", &zip[..zip.len() - 10], &[])[0].contains("damaged or cut off"));
}

#[test]
fn what_is_no_archive_is_refused() {
    for (name, bytes, wanted) in [
        ("a.csv", &b"a,b\n1,2\n"[..], "`a.csv` is no archive"),
        ("empty.zip", b"", "is no archive"),
        ("a.rar", b"Rar!\x1a\x07\x01\x00 and so on", "a RAR archive; pack it as zip"),
        ("a.7z", b"7z\xBC\xAF\x27\x1C and so on", "a 7z archive"),
    ] {
        let faults = refuse(name, bytes, &[]);
        assert!(faults[0].contains(wanted), "{name}: {faults:?}");
    }
    assert!(refuse("a.csv.gz", gz(b"a,b\n1,2\n"), &[])[0].contains("is no archive"));
    assert!(refuse("none.zip", zip_of([]), &[])[0].contains("there is no file in"));
    assert!(refuse("none.tar", [0; 1024], &[])[0].contains("there is no file in"));
}

#[test]
fn bombs_are_stopped() {
    let zeros = vec![0; 100 << 20];
    let tar = tar_of([("zeros", &zeros[..])]);
    let faults = refuse("bomb.tar.gz", gz(&tar), &[]);
    assert!(faults[0].contains("more than 200 times its size"), "{faults:?}");
    let faults = refuse("bomb.zip", zip_of([("zeros", &zeros[..])]), &[]);
    assert!(faults[0].contains("more than 200 times its size"), "{faults:?}");
    // None of them is large by itself.
    let piece = &zeros[..20 << 20];
    let names: Vec<String> = (0..8).map(|at| format!("zeros{at}")).collect();
    let faults = refuse("pieces.zip", zip_of(names.iter().map(|name| (name.as_str(), piece))), &[]);
    assert!(faults[0].contains("more than 200 times its size"), "{faults:?}");
}

#[test]
fn a_manifest_must_say_what_is_there() {
    let files: [(&str, &[u8]); 2] = [("a.txt", b"abc"), ("b.txt", b"b")];
    let with = |manifest: &str| zip_of(files.into_iter().chain([("manifest.csv", manifest.as_bytes())]));
    for (manifest, wanted) in [
        ("path\na.txt\n", "path: `manifest.csv`: the file `b.txt` is not listed"),
        ("path\na.txt\nb.txt\nc.txt\n", "4: path: `manifest.csv`: `c.txt` is not among the files"),
        ("path\na.txt\nb.txt\n./a.txt\n", "4: path: `manifest.csv`: `./a.txt` is listed twice"),
        ("path\n../a.txt\nb.txt\n", "2: path: `manifest.csv`: `../a.txt` leads out of the collection; give a path relative to it"),
        ("path,size_bytes\na.txt,4\nb.txt,1\n", "2: size_bytes: `manifest.csv`: `a.txt` has 3 bytes, not `4`"),
        ("path,media_type\na.txt,text\nb.txt,\n", "2: media_type: `manifest.csv`: `text` is no media type such as image/jpeg"),
        (
            "name\na.txt\nb.txt\n",
            "the file `manifest.csv` is taken for the list of the files, and has no column `path`; if it is one of the files, give it another name",
        ),
        ("path,more\na.txt,1\nb.txt,2\n", "the column `more` has no [[fields]] in dataset.toml"),
        ("path\na.txt\nb.txt,2\n", "3: `manifest.csv`: the row has 2 cells, and the header 1"),
    ] {
        assert_eq!(refuse("files.zip", with(manifest), &[]), [wanted], "{manifest}");
    }
    let faults = refuse("files.zip", with("path,sha256\na.txt,00\nb.txt,\n"), &[]);
    assert!(faults[0].contains("`a.txt` has the SHA-256 ba7816bf8f01cfea"), "{faults:?}");
    let faults = refuse("files.zip", with("path,n\na.txt,1\nb.txt,two\n"), &["n:integer"]);
    assert!(faults[0].starts_with("3: n: `two` is not a whole number"), "the line is that of the manifest: {faults:?}");
    assert!(refuse("files.zip", zip_of(files), &["n:integer"])[0].contains("the field `n` needs a manifest"));
    let two = zip_of(files.into_iter().chain([("manifest.csv", &b"path\n"[..]), ("manifest.json", b"[]")]));
    assert!(refuse("files.zip", two, &[])[0].contains("there are two manifests"));
}

#[test]
fn what_a_publisher_should_know_is_noted() {
    let bench = Bench::new();
    // As a Chinese Windows writes it: names in GB18030, without saying so.
    let name = encoding_rs::GB18030.encode("街景.txt").0.into_owned();
    let placeholder = "x".repeat(name.len());
    let zip = zip_of([
        (placeholder.as_str(), &b"abc"[..]),
        (".DS_Store", b"x"),
        ("__MACOSX/._a", b"x"),
        ("a/Thumbs.db", b"x"),
        ("b.bin", b"\0\x01"),
    ]);
    let gathered = take(&bench, "files.zip", renamed(zip, placeholder.as_bytes(), &name), &[]).unwrap();
    let paths: Vec<&str> = gathered.members.iter().map(|member| member.path.as_str()).collect();
    assert_eq!(paths, ["b.bin", "街景.txt"]);
    let notes: Vec<(&str, i64)> = gathered.taken.report.notes.iter().map(|note| (note.detail.as_str(), note.count)).collect();
    assert_eq!(
        notes,
        [
            ("files that an operating system adds (such as .DS_Store) were left out", 3),
            ("names in the archive are not UTF-8 and were read as GB18030", 1),
            ("files are no text, and were not looked into for personal data", 1),
        ]
    );
    assert_eq!((gathered.taken.report.format.as_str(), gathered.taken.report.packing.as_deref()), ("collection", Some("zip")));
}

/// A JPEG of nothing but its EXIF data: a little-endian TIFF with one directory, which points to one of places.
fn jpeg(placed: bool) -> Vec<u8> {
    let mut tiff = b"II*\0\x08\0\0\0".to_vec();
    tiff.extend(1u16.to_le_bytes());
    // The place's directory, or the orientation.
    let (tag, kind, value) = if placed { (0x8825_u16, 4_u16, 26_u32) } else { (0x0112, 3, 1) };
    let entry = |tag: u16, kind: u16, count: u32, value: u32| {
        [&tag.to_le_bytes()[..], &kind.to_le_bytes(), &count.to_le_bytes(), &value.to_le_bytes()].concat()
    };
    tiff.extend(entry(tag, kind, 1, value));
    tiff.extend([0; 4]);
    tiff.extend(1u16.to_le_bytes());
    tiff.extend(entry(2, 5, 3, 44));
    tiff.extend([0; 4]);
    for number in [31_u32, 1, 12, 1, 0, 1] {
        tiff.extend(number.to_le_bytes());
    }
    let mut jpeg = b"\xFF\xD8\xFF\xE1".to_vec();
    jpeg.extend((tiff.len() as u16 + 8).to_be_bytes());
    jpeg.extend(b"Exif\0\0");
    jpeg.extend(tiff);
    jpeg.extend(b"\xFF\xD9");
    jpeg
}

#[test]
fn pictures_that_say_where_they_were_taken_are_noted() {
    let bench = Bench::new();
    let gathered =
        take(&bench, "files.zip", zip_of([("a.jpg", &jpeg(true)[..]), ("b.jpg", &jpeg(false)), ("c.jpg", &jpeg(true)[..40])]), &[])
            .unwrap();
    let note = gathered.taken.report.notes.iter().find(|note| note.detail.contains("EXIF")).unwrap();
    assert_eq!((note.count, &note.rows), (1, &vec![1]));
}
