//! The files of public releases that are made already: how large they are, and their digests. Others are made when somebody asks for them.

use std::collections::BTreeMap;

use diesel::prelude::*;

use super::Format;
use crate::db::Conn;
use crate::db::schema::{exports, parts, releases};
use crate::error::Result;
use crate::storage::Object;

/// By a version's id, the files of its public release.
pub type KnownFiles = BTreeMap<String, BTreeMap<Format, Object>>;

/// What is made of the public releases of these versions, without content codings.
///
/// # Errors
/// When the database does not answer.
pub fn known_files(conn: &mut Conn, version_ids: &[&str]) -> Result<KnownFiles> {
    let made: Vec<(String, String)> = releases::table
        .filter(releases::version_id.eq_any(version_ids.iter().copied()))
        .filter(releases::receiver.eq("public"))
        .filter(releases::deleted_at.is_null())
        .select((releases::id, releases::version_id))
        .load(conn)?;
    let versions: BTreeMap<String, String> = made.into_iter().collect();
    let ids: Vec<&str> = versions.keys().map(String::as_str).collect();
    let mut files = KnownFiles::new();
    let mut add = |release: &str, format: Format, sha256: String, size: i64| {
        if let Some(version) = versions.get(release) {
            let object = Object { sha256, size_bytes: size as u64, format: format.as_str().to_owned() };
            files.entry(version.clone()).or_default().insert(format, object);
        }
    };
    let kept: Vec<(String, String, String, i64)> = exports::table
        .filter(exports::release_id.eq_any(ids.iter().copied()))
        .filter(exports::format.eq_any(Format::ALL.map(Format::as_str)))
        .select((exports::release_id, exports::format, exports::object_sha256, exports::size_bytes))
        .load(conn)?;
    for (release, key, sha256, size) in kept {
        if let Some(format) = Format::ALL.into_iter().find(|format| format.as_str() == key) {
            add(&release, format, sha256, size);
        }
    }
    let parts: Vec<(String, i32, String, i64)> = parts::table
        .filter(parts::owner_id.eq_any(ids))
        .order((parts::owner_id, parts::position))
        .select((parts::owner_id, parts::position, parts::object_sha256, parts::size_bytes))
        .load(conn)?;
    // A release of one file is downloaded as that file.
    for alike in parts.chunk_by(|one, other| one.0 == other.0) {
        if let [(release, _, sha256, size)] = alike {
            add(release, Format::Parquet, sha256.clone(), *size);
        }
    }
    Ok(files)
}
