//! What may be used once: assertions and proofs, remembered by a digest until their time is over.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DbError};

use crate::clock::now;
use crate::crypto::sha256_hex;
use crate::db::Conn;
use crate::db::schema::assertions;
use crate::error::{Error, Result};

/// Writes down that it was used; `false` when it was used before. `name` names it, and whoever uses it.
///
/// # Errors
/// When another replica writes down the same at this moment: then the transaction ends, and the caller with it.
pub(super) fn remember(conn: &mut Conn, name: &str, until: DateTime<Utc>) -> Result<bool> {
    let key = sha256_hex(name.as_bytes());
    let known: i64 = assertions::table.find(&key).count().get_result(conn)?;
    if known > 0 {
        return Ok(false);
    }
    let row = (assertions::jti_sha256.eq(key), assertions::expires_at.eq(until.naive_utc()));
    match diesel::insert_into(assertions::table).values(row).execute(conn) {
        Ok(_) => Ok(true),
        Err(DbError::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => {
            Err(Error::Unauthenticated("this jti is being used at this moment; make a new one for each request".to_owned()))
        }
        Err(other) => Err(other.into()),
    }
}

/// Forgets those whose time is over.
pub(super) fn forget_expired(conn: &mut Conn) -> Result<()> {
    diesel::delete(assertions::table.filter(assertions::expires_at.lt(now().naive_utc()))).execute(conn)?;
    Ok(())
}
