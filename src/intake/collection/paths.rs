//! Paths of files in a collection: relative, in one spelling, and safe wherever somebody unpacks them.

use icu_normalizer::ComposingNormalizerBorrowed;

/// The longest path, and the longest part of one.
const MAX_PATH_BYTES: usize = 1024;
const MAX_PART_BYTES: usize = 255;

/// The path of a file whose name is `name` in an archive, a folder or a manifest: without `./` before it, and in the normal form C, so that the
/// same name is the same text whichever system it comes from.
///
/// # Errors
/// A sentence on what is wrong with the name.
pub fn path_of(name: &str) -> Result<String, String> {
    let mut rest = name;
    while let Some(behind) = rest.strip_prefix("./") {
        rest = behind;
    }
    if rest.is_empty() {
        return Err("has no name".to_owned());
    }
    if rest.starts_with('/') || rest.as_bytes().get(1) == Some(&b':') {
        return Err("leads out of the collection; give a path relative to it".to_owned());
    }
    if rest.contains('\\') {
        return Err("has a backslash in its name; use `/` between folders".to_owned());
    }
    if rest.chars().any(char::is_control) {
        return Err("has a control character in its name; rename it".to_owned());
    }
    for part in rest.split('/') {
        match part {
            ".." => return Err("leads out of the collection; give a path relative to it".to_owned()),
            "" | "." => return Err("has an empty part in its path; name each folder".to_owned()),
            part if part.len() > MAX_PART_BYTES => return Err(format!("has a name of more than {MAX_PART_BYTES} bytes; shorten it")),
            _ => {}
        }
    }
    let path = ComposingNormalizerBorrowed::new_nfc().normalize(rest).into_owned();
    if path.len() > MAX_PATH_BYTES {
        return Err(format!("has a path of more than {MAX_PATH_BYTES} bytes; shorten it"));
    }
    Ok(path)
}

/// Whether a file is one that macOS or Windows adds without being asked.
pub fn is_added(path: &str) -> bool {
    let last = path.rsplit('/').next().unwrap_or(path);
    path.starts_with("__MACOSX/") || matches!(last, ".DS_Store" | "Thumbs.db" | "desktop.ini")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_brought_into_one_spelling() {
        for (name, wanted) in
            [("a.jpg", "a.jpg"), ("././a/b c.jpg", "a/b c.jpg"), ("e\u{301}té/深.txt", "été/深.txt"), ("..a/b..", "..a/b..")]
        {
            assert_eq!(path_of(name).as_deref(), Ok(wanted));
        }
    }

    #[test]
    fn what_leads_elsewhere_is_no_path() {
        let long = "x".repeat(256);
        let deep = "abcdefgh/".repeat(200) + "x";
        for name in ["", "./", "/a", "../a", "a/../b", "a/..", "a//b", "a/./b", "a\\b", "C:/a", "c:a", "a\0", "a\nb", &long, &deep] {
            assert!(path_of(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn files_of_the_system_are_known() {
        assert!(["__MACOSX/a/._b.jpg", ".DS_Store", "a/.DS_Store", "a/Thumbs.db"].iter().all(|path| is_added(path)));
        assert!(!["a/b.jpg", "DS_Store", "x__MACOSX/a"].iter().any(|path| is_added(path)));
    }
}
