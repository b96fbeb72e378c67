//! The walls of the house: which room may use which, and which crates stay where.

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms from top to bottom. A room uses those of lower floors only; rooms of one floor do not use each other.
const FLOORS: &[&[&str]] = &[
    &["main", "lib", "cli"],
    &["app", "http"],
    &["lab"],
    &["read", "feedback"],
    &["release"],
    &["access"],
    &["catalog"],
    &["intake"],
    &["identity"],
    &["limits"],
    &["ledger"],
    &["jobs"],
    &["engine"],
    &["outbound"],
    &["db", "storage", "settings", "error", "clock", "crypto"],
];

/// Rooms of one floor that use each other all the same: `app` starts the server of `http`, whose handlers use `app`;
/// the rooms at the bottom are one foundation.
const NEIGHBOURS: &[(&str, &str)] = &[
    ("app", "http"),
    ("http", "app"),
    ("db", "error"),
    ("storage", "error"),
    ("crypto", "error"),
    ("storage", "crypto"),
    ("storage", "db"),
    ("db", "storage"),
    ("settings", "storage"),
];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

/// Every source file with the room that it belongs to and its text without the unit tests at its end.
fn rooms() -> Vec<(PathBuf, String, String)> {
    let mut found = Vec::new();
    files(&source(), &mut found);
    found
        .into_iter()
        .map(|path| {
            let relative = path.strip_prefix(source()).unwrap();
            let room = relative.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
            let text = fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap().to_owned();
            (path, room, text)
        })
        .collect()
}

fn floor(room: &str) -> usize {
    FLOORS.iter().position(|rooms| rooms.contains(&room)).unwrap_or_else(|| panic!("the room `{room}` stands on no floor; give it one"))
}

/// The rooms named after `crate::`, also inside braces.
fn used(text: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for part in text.split("crate::").skip(1) {
        let names = match part.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap().split(',').map(|name| name.trim().to_owned()).collect(),
            None => vec![part.to_owned()],
        };
        rooms.extend(
            names.iter().map(|name| name.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect::<String>()),
        );
    }
    rooms
}

#[test]
fn arrows_go_down_only() {
    let mut wrong = Vec::new();
    for (path, room, text) in rooms() {
        if room == "lib" {
            continue;
        }
        for other in used(&text) {
            let allowed = other == room || floor(&other) > floor(&room) || NEIGHBOURS.contains(&(room.as_str(), other.as_str()));
            if !allowed {
                wrong.push(format!("{}: {room} uses {other}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn crates_stay_in_their_rooms() {
    let mut wrong = Vec::new();
    for (path, room, text) in rooms() {
        let mut forbid = |name: &str, allowed: bool| {
            if !allowed && text.contains(name) {
                wrong.push(format!("{} uses {name}", path.display()));
            }
        };
        forbid("actix", matches!(room.as_str(), "http" | "app"));
        forbid("diesel", room != "http");
        forbid("lettre::", room == "outbound");
        forbid("std::fs", room == "storage");
        forbid("std::env", room == "cli");
        forbid("block_in_place", false);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_file_outgrows_its_room() {
    let mut all = Vec::new();
    files(&source(), &mut all);
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api"), &mut all);
    let long: Vec<String> = all
        .iter()
        .map(|path| (path, fs::read_to_string(path).unwrap().lines().count()))
        .filter(|(_, lines)| *lines > 500)
        .map(|(path, lines)| format!("{}: {lines} lines", path.display()))
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn pages_name_no_outside_address() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = Vec::new();
    files(&root.join("templates"), &mut pages);
    files(&root.join("assets"), &mut pages);
    for page in pages {
        let text = fs::read_to_string(&page).unwrap().replace("http://www.w3.org/2000/svg", "");
        assert!(!text.contains("http://") && !text.contains("https://") && !text.contains("//cdn"), "{}", page.display());
    }
}
