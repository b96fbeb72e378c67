//! Folders of datasets, written for one test.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

pub struct Folder {
    dir: TempDir,
}

impl Folder {
    /// A folder with a publisher and a theme.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("publishers.toml"), "[office]\nname = { zh = \"办公室\", en = \"Office\" }\n").unwrap();
        fs::write(dir.path().join("themes.toml"), "[things]\nname = { zh = \"事物\", en = \"Things\" }\n").unwrap();
        Folder { dir }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes any file of the folder.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.file(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Writes an unconditional dataset; each field is `name` or `name:type`, with `:scale` behind a decimal.
    pub fn open(&self, slug: &str, fields: &[&str], csv: impl AsRef<[u8]>) {
        self.write(&format!("{slug}/data.csv"), csv);
        self.write(&format!("{slug}/dataset.toml"), entry(slug, fields));
    }

    /// Writes an unconditional collection, without its files; `more` are lines of its entry, before its fields.
    pub fn collection(&self, slug: &str, data: &str, more: &str, fields: &[&str]) {
        let more = format!("data = \"{data}\"\nkind = \"collection\"\n{more}");
        self.write(&format!("{slug}/dataset.toml"), entry(slug, fields).replace("data = \"data.csv\"\n", &more));
    }

    /// Writes a conditional collection, without its files, with the rules by which its columns leave.
    pub fn conditional_collection(&self, slug: &str, data: &str, rules: &[(&str, &str)]) {
        let reason =
            "open_type_reason = { zh = \"含敏感内容\", en = \"sensitive\" }\nconditions = { zh = \"须说明用途\", en = \"say what for\" }\n";
        self.collection(slug, data, reason, &[]);
        let file = self.file(&format!("{slug}/dataset.toml"));
        let mut text = fs::read_to_string(&file).unwrap().replace("\"unconditional\"", "\"conditional\"");
        for (name, rule) in rules {
            text += &format!(
                "[[fields]]\nname = \"{name}\"\ntitle = {{ zh = \"{name}\", en = \"{name}\" }}\nsensitivity = \"none\"\nrelease = \"{rule}\"\n"
            );
        }
        fs::write(file, text).unwrap();
    }
}

/// The text of an unconditional entry.
pub fn entry(slug: &str, fields: &[&str]) -> String {
    let mut text = format!(
        "title = {{ zh = \"{slug}\", en = \"{slug}\" }}\ndescription = {{ zh = \"说明\", en = \"About\" }}\npublisher = \"office\"\n\
         theme = \"things\"\nopen_type = \"unconditional\"\nupdate_frequency = \"yearly\"\nlicence = \"CC0-1.0\"\nsource = \"made for a test\"\ndata = \"data.csv\"\n"
    );
    for field in fields {
        let mut parts = field.split(':');
        let name = parts.next().unwrap();
        text += &format!("[[fields]]\nname = \"{name}\"\ntitle = {{ zh = \"{name}\", en = \"{name}\" }}\nsensitivity = \"none\"\n");
        if let Some(kind) = parts.next() {
            text += &format!("type = \"{kind}\"\n");
        }
        if let Some(scale) = parts.next() {
            text += &format!("scale = {scale}\n");
        }
    }
    text
}
