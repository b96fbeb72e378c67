//! What a signed URL opens: one file, of one version.

use serde::{Deserialize, Serialize};

use super::Format;
use crate::access::{Files, Mode, Read};

/// Which file of which version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// The dataset's slug.
    pub slug: String,
    /// The version's number.
    pub version: i32,
    /// Which file.
    pub file: TargetFile,
}

/// Which file of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetFile {
    /// The release as one file, as by `download`.
    Release {
        /// The format.
        format: Format,
        /// For CSV: no text that a spreadsheet would take for a formula.
        spreadsheet: bool,
    },
    /// One file of a collection, by its path in the manifest.
    File {
        /// The path.
        path: String,
    },
    /// All files of a collection, as one tar archive.
    Archive {},
}

impl TargetFile {
    /// In which form a release leaves, in one word for the ledger: `csv`, `csv+spreadsheet`.
    pub fn form(&self) -> Option<String> {
        match self {
            TargetFile::Release { format, spreadsheet } => {
                Some(format!("{}{}", format.as_str(), if *spreadsheet { "+spreadsheet" } else { "" }))
            }
            TargetFile::File { .. } | TargetFile::Archive {} => None,
        }
    }

    /// The read by which it is had.
    pub fn read(&self, version: Option<i32>) -> Read {
        let files = match self {
            TargetFile::Release { .. } => Files::None,
            TargetFile::File { path } => Files::One(path.clone()),
            TargetFile::Archive {} => Files::All,
        };
        Read { version, mode: Mode::Download, files }
    }
}

impl Target {
    /// The name at the end of its address, of signs that no tool writes in another way; tools go by its ending.
    pub fn file_name(&self) -> String {
        let Target { slug, version, file } = self;
        let name = match file {
            TargetFile::Release { format, .. } => format!("{slug}-v{version}.{}", format.ending()),
            TargetFile::Archive {} => format!("{slug}-v{version}.tar"),
            TargetFile::File { path } => path.rsplit('/').next().unwrap_or(path).to_owned(),
        };
        let plain = |sign: char| if sign.is_ascii_alphanumeric() || matches!(sign, '-' | '_' | '.') { sign } else { '_' };
        let name: String = name.chars().map(plain).collect();
        // What begins with a dot is hidden, or a step of a path.
        if name.starts_with('.') { format!("_{name}") } else { name }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_plain_and_no_step_of_a_path() {
        let name = |path: &str| Target { slug: "a".to_owned(), version: 1, file: TargetFile::File { path: path.to_owned() } }.file_name();
        assert_eq!(name("2026/wukang road.jpg"), "wukang_road.jpg");
        assert_eq!(name("图/武康路.jpg"), "___.jpg");
        assert_eq!(name("a/.."), "_..");
        let table = Target { slug: "a".to_owned(), version: 2, file: TargetFile::Release { format: Format::Arrow, spreadsheet: false } };
        assert_eq!(table.file_name(), "a-v2.arrows");
    }
}
