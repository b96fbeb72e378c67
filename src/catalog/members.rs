//! The files of collections in the database.
//!
//! They stand in sets. A part names its set, and what names no set has no files: a set belongs to one intake, or to one release made for
//! a grant, so that nobody reaches a file through another dataset that happens to have the same manifest.

use chrono::{DateTime, NaiveDateTime};
use diesel::prelude::*;

use super::versions::Part;
use crate::db::Conn;
use crate::db::schema::{members, parts};
use crate::error::{Error, Result};
use crate::intake::collection::{MEMBER_FORMAT, Member};
use crate::storage::Object;

/// Rows that are written, or names that are asked for, in one statement.
pub const MEMBERS_AT_ONCE: usize = 1000;

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = members)]
struct MemberRow {
    set_id: String,
    path: String,
    object_sha256: String,
    size_bytes: i64,
    media_type: String,
}

impl From<MemberRow> for Member {
    fn from(row: MemberRow) -> Self {
        let object = Object { sha256: row.object_sha256, size_bytes: row.size_bytes as u64, format: MEMBER_FORMAT.to_owned() };
        Member { path: row.path, object, media_type: row.media_type }
    }
}

/// A new name for a set. It says when it was made.
pub fn new_set() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// Adds files to a set. Nobody sees them before a part names the set.
///
/// # Errors
/// When the database does not take them.
pub fn put_members(conn: &mut Conn, set: &str, files: &[Member]) -> Result<()> {
    let row = |member: &Member| MemberRow {
        set_id: set.to_owned(),
        path: member.path.clone(),
        object_sha256: member.object.sha256.clone(),
        size_bytes: member.object.size_bytes as i64,
        media_type: member.media_type.clone(),
    };
    let rows: Vec<MemberRow> = files.iter().map(row).collect();
    for row in &rows {
        diesel::insert_into(members::table).values(row).execute(conn)?;
    }
    Ok(())
}

fn sets(files: &[Part]) -> Vec<&str> {
    files.iter().filter_map(|part| part.members.as_deref()).collect()
}

/// The file of that path in these parts.
///
/// # Errors
/// When there is none.
pub fn find_member(conn: &mut Conn, files: &[Part], path: &str) -> Result<Member> {
    let row: Option<MemberRow> = members::table
        .filter(members::set_id.eq_any(sets(files)))
        .filter(members::path.eq(path))
        .select(MemberRow::as_select())
        .first(conn)
        .optional()?;
    row.map(Member::from).ok_or_else(|| Error::not_found("file", path))
}

/// The files of these paths in these parts; what is not there is left out.
///
/// # Errors
/// When the database does not answer.
pub fn members_of(conn: &mut Conn, files: &[Part], paths: &[String]) -> Result<Vec<Member>> {
    let mut found = Vec::new();
    for paths in paths.chunks(MEMBERS_AT_ONCE) {
        let rows: Vec<MemberRow> = members::table
            .filter(members::set_id.eq_any(sets(files)))
            .filter(members::path.eq_any(paths))
            .select(MemberRow::as_select())
            .load(conn)?;
        found.extend(rows.into_iter().map(Member::from));
    }
    Ok(found)
}

/// The files in these parts in the order of the bytes of their paths, from the one behind `after` on.
///
/// # Errors
/// When the database does not answer.
pub fn members_after(conn: &mut Conn, files: &[Part], after: Option<&str>) -> Result<Vec<Member>> {
    let rows: Vec<MemberRow> = members::table
        .filter(members::set_id.eq_any(sets(files)))
        .filter(members::path.gt(after.unwrap_or_default()))
        .order(members::path)
        .limit(MEMBERS_AT_ONCE as i64)
        .select(MemberRow::as_select())
        .load(conn)?;
    Ok(rows.into_iter().map(Member::from).collect())
}

/// Whether a collection has the file of that digest.
///
/// # Errors
/// When the database does not answer.
pub fn is_member(conn: &mut Conn, sha256: &str) -> Result<bool> {
    let known: i64 = members::table.filter(members::object_sha256.eq(sha256)).count().get_result(conn)?;
    Ok(known > 0)
}

/// Removes the sets that no part names and that were made before that moment: what was to name them came to nothing. Answers how many.
///
/// # Errors
/// When the database does not take it.
pub fn remove_orphan_sets(conn: &mut Conn, before: NaiveDateTime) -> Result<usize> {
    let named = parts::table.filter(parts::members_id.is_not_null()).select(parts::members_id.assume_not_null());
    let orphans: Vec<String> = members::table.filter(members::set_id.ne_all(named)).select(members::set_id).distinct().load(conn)?;
    let old: Vec<String> = orphans.into_iter().filter(|set| made_at(set).is_some_and(|made| made < before)).collect();
    for set in &old {
        diesel::delete(members::table.filter(members::set_id.eq(set))).execute(conn)?;
    }
    Ok(old.len())
}

fn made_at(set: &str) -> Option<NaiveDateTime> {
    let (seconds, nanos) = uuid::Uuid::parse_str(set).ok()?.get_timestamp()?.to_unix();
    DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanos).map(|moment| moment.naive_utc())
}
