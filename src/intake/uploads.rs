//! Uploads: files on their way in, as the database knows them. The bytes are in [`crate::storage::Incoming`].

use chrono::{Duration, NaiveDateTime};
use diesel::prelude::*;
use serde::Serialize;
use utoipa::ToSchema;

use crate::clock::now_naive;
use crate::db::Conn;
use crate::db::schema::uploads;
use crate::error::{Error, Result};

/// An upload that nobody has touched for so long is removed.
const LIFE_DAYS: i64 = 7;

/// A file on its way in.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, Serialize, ToSchema)]
#[diesel(table_name = uploads)]
pub struct Upload {
    /// Its id.
    pub id: String,
    /// Who sends it, as in the ledger.
    pub created_by: String,
    /// The file's name at the sender; it tells nothing that is relied on.
    pub file_name: String,
    /// How many bytes it will have.
    pub size_bytes: i64,
    /// How many bytes have arrived and are on the disk.
    pub offset_bytes: i64,
    /// The SHA-256 that the whole file must have, where the sender gave it.
    pub sha256: Option<String>,
    /// When it was begun.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    pub created_at: NaiveDateTime,
    /// When it is removed unless more arrives.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    pub expires_at: NaiveDateTime,
}

impl Upload {
    /// Whether all bytes have arrived.
    pub fn is_complete(&self) -> bool {
        self.offset_bytes == self.size_bytes
    }
}

/// What may be sent.
#[derive(Debug, Clone, Copy)]
pub struct Quota {
    /// The most bytes of one file.
    pub file_bytes: u64,
    /// The most bytes of all files of one person that are on their way.
    pub person_bytes: u64,
}

/// Begins an upload.
///
/// # Errors
/// When it is over the quota: nothing has been sent yet.
pub fn create(conn: &mut Conn, actor: &str, file_name: &str, size_bytes: u64, sha256: Option<String>, quota: Quota) -> Result<Upload> {
    if size_bytes > quota.file_bytes {
        let detail = format!("the file has {size_bytes} bytes, and the most is {} (setting upload_max_bytes)", quota.file_bytes);
        return Err(Error::TooLarge(detail));
    }
    let sizes: Vec<i64> = uploads::table.filter(uploads::created_by.eq(actor)).select(uploads::size_bytes).load(conn)?;
    let before: u64 = sizes.iter().map(|size| size.unsigned_abs()).sum();
    if before + size_bytes > quota.person_bytes {
        let detail = format!(
            "your uploads that are not published yet have {before} bytes; with {size_bytes} more they are over the quota of {} (setting upload_quota_bytes): publish or delete some",
            quota.person_bytes
        );
        return Err(Error::TooLarge(detail));
    }
    let now = now_naive();
    let upload = Upload {
        id: uuid::Uuid::now_v7().to_string(),
        created_by: actor.to_owned(),
        file_name: file_name.to_owned(),
        size_bytes: i64::try_from(size_bytes).map_err(Error::internal)?,
        offset_bytes: 0,
        sha256,
        created_at: now,
        expires_at: now + Duration::days(LIFE_DAYS),
    };
    diesel::insert_into(uploads::table).values(&upload).execute(conn)?;
    Ok(upload)
}

/// The upload of that id, to the person who began it.
///
/// # Errors
/// When there is none, or it is somebody else's.
pub fn find(conn: &mut Conn, actor: &str, id: &str) -> Result<Upload> {
    let own = uploads::table.find(id).filter(uploads::created_by.eq(actor));
    own.select(Upload::as_select()).first(conn).optional()?.ok_or_else(|| Error::not_found("upload", id))
}

/// The uploads of a person, newest first.
///
/// # Errors
/// When the database does not answer.
pub fn list(conn: &mut Conn, actor: &str) -> Result<Vec<Upload>> {
    let own = uploads::table.filter(uploads::created_by.eq(actor)).order(uploads::id.desc());
    Ok(own.select(Upload::as_select()).load(conn)?)
}

/// Writes down how much has arrived.
///
/// # Errors
/// When the upload is gone.
pub fn advance(conn: &mut Conn, id: &str, offset_bytes: u64) -> Result<()> {
    let offset = i64::try_from(offset_bytes).map_err(Error::internal)?;
    let values = (uploads::offset_bytes.eq(offset), uploads::expires_at.eq(now_naive() + Duration::days(LIFE_DAYS)));
    if diesel::update(uploads::table.find(id)).set(values).execute(conn)? == 0 {
        return Err(Error::not_found("upload", id));
    }
    Ok(())
}

/// Gives an upload more time.
///
/// # Errors
/// When the database does not answer.
pub fn extend(conn: &mut Conn, id: &str) -> Result<()> {
    diesel::update(uploads::table.find(id)).set(uploads::expires_at.eq(now_naive() + Duration::days(LIFE_DAYS))).execute(conn)?;
    Ok(())
}

/// Forgets an upload; its bytes are removed by the caller afterwards. Answers whether there was one.
///
/// # Errors
/// When the database does not answer.
pub fn remove(conn: &mut Conn, id: &str) -> Result<bool> {
    Ok(diesel::delete(uploads::table.find(id)).execute(conn)? > 0)
}

/// Forgets the uploads whose time is over, and answers the ids of all others.
///
/// # Errors
/// When the database does not answer.
pub fn expire(conn: &mut Conn) -> Result<Vec<String>> {
    diesel::delete(uploads::table.filter(uploads::expires_at.lt(now_naive()))).execute(conn)?;
    Ok(uploads::table.select(uploads::id).load(conn)?)
}
