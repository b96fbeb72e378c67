//! Which files of the store are exports.

use diesel::prelude::*;

use crate::db::Conn;
use crate::db::schema::exports;
use crate::error::Result;

/// Whether an export is kept under that digest.
///
/// # Errors
/// When the database does not answer.
pub fn is_export(conn: &mut Conn, sha256: &str) -> Result<bool> {
    let count: i64 = exports::table.filter(exports::object_sha256.eq(sha256)).count().get_result(conn)?;
    Ok(count > 0)
}
