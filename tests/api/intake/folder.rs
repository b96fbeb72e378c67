//! Data files of every kind in a folder of datasets, taken in and read back over HTTP.

use qingdan::release::import_folder;

use super::support::gz;
use crate::support::{Folder, TestApp};

#[tokio::test]
async fn a_folder_may_hold_any_kind_of_file() {
    let app = TestApp::empty().await;
    let folder = Folder::new();
    let gb18030 = encoding_rs::GB18030.encode("code;name\n007;徐汇\n").0.into_owned();
    let workbook = {
        let mut book = rust_xlsxwriter::Workbook::new();
        let sheet = book.add_worksheet();
        for (row, cells) in [["code", "name"], ["007", "徐汇"]].iter().enumerate() {
            for (at, cell) in cells.iter().enumerate() {
                sheet.write_string(row as u32, at as u16, *cell).unwrap();
            }
        }
        book.save_to_buffer().unwrap()
    };
    let files: [(&str, Vec<u8>); 4] = [
        ("packed", gz("code,name\n007,徐汇\n".as_bytes())),
        ("semicolons", gb18030),
        ("lines", "{\"code\":\"007\",\"name\":\"徐汇\"}\n".into()),
        ("workbook", workbook),
    ];
    for (slug, bytes) in &files {
        folder.open(slug, &["code", "name"], bytes.as_slice());
    }
    folder.open("broken", &["code", "name"], &gz(b"code,name\n1,2\n")[..20]);
    let report = import_folder(&app.app.tools(), folder.path(), "service", qingdan::release::unwatched).await.unwrap();
    assert_eq!(report.mistakes.len(), 1, "{:?}", report.mistakes);
    assert!(report.mistakes[0].to_string().contains("the gzip file is cut off"), "{:?}", report.mistakes);
    for (slug, _) in &files {
        let back = app.get(&format!("/api/v1/datasets/{slug}/download?format=csv")).await.text();
        assert_eq!(back, "code,name\n007,徐汇\n", "{slug}");
    }
}
