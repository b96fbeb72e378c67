//! Documents that a firm attaches to its application, such as those on its safeguards. Their bytes lie sealed in the object store, each under a
//! key of its own that lies sealed here: with the row goes the key, and what is left in the store is of no use to anybody.

use std::collections::HashMap;

use chrono::{Duration, NaiveDateTime};
use diesel::prelude::*;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::steps::Turn;
use super::{Application, State, Step, find_for as find_application_for};
use crate::clock::now_naive;
use crate::db::Conn;
use crate::db::schema::{applications, attachments, grants};
use crate::error::{Error, Result};
use crate::identity::{Caller, firms};
use crate::intake::collection::told_type;
use crate::ledger::{self, Kind};
use crate::storage::Object;

/// What the store calls a sealed document.
pub const FORMAT: &str = "sealed";

/// The kinds of documents: the ending of the name, and the media type.
const KINDS: [(&str, &str); 7] = [
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("txt", "text/plain"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
];

/// A document of an application.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Attachment {
    /// Never changes.
    pub id: String,
    /// What the firm calls it.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// Its size.
    pub size_bytes: i64,
    /// SHA-256 of its bytes, in lower-case hexadecimal.
    pub sha256: String,
    /// When it came.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    pub at: NaiveDateTime,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = attachments)]
struct AttachmentRow {
    id: String,
    application_id: String,
    name: String,
    media_type: String,
    size_bytes: i64,
    sha256: String,
    object_sha256: String,
    object_size_bytes: i64,
    sealed_key: Vec<u8>,
    created_by: String,
    created_at: NaiveDateTime,
}

impl From<AttachmentRow> for Attachment {
    fn from(row: AttachmentRow) -> Self {
        let AttachmentRow { id, name, media_type, size_bytes, sha256, created_at, .. } = row;
        Attachment { id, name, media_type, size_bytes, sha256, at: created_at }
    }
}

/// A document with what is needed to open it.
pub struct Sealed {
    /// What everybody who may read it sees.
    pub attachment: Attachment,
    /// Its sealed bytes in the store.
    pub object: Object,
    /// Its key, sealed with the master key.
    pub sealed_key: Vec<u8>,
    /// To what both are bound.
    pub bound_to: String,
}

/// To what a document's bytes and its key are bound, so that neither can stand in another one's place.
pub fn bound_to(application_id: &str, id: &str) -> String {
    format!("attachment\n{application_id}\n{id}")
}

/// The media type of a document by what the request says of it: the one list of what is taken.
///
/// # Errors
/// When documents of that kind are not taken, or its name says that it is of another one.
pub fn declared_type(name: &str, content_type: &str) -> Result<&'static str> {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let Some((_, declared)) = KINDS.iter().find(|(_, media_type)| *media_type == essence) else {
        let taken: Vec<&str> = KINDS.iter().map(|(ending, _)| *ending).collect();
        let detail = format!("send a document with its media type in Content-Type; taken are {}", taken.join(", "));
        return Err(Error::UnsupportedMediaType(detail));
    };
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
    if !KINDS.contains(&(ending.as_str(), declared)) {
        return Err(Error::invalid("name", format!("give a name with the ending of its media type, {declared}")));
    }
    Ok(declared)
}

/// The media type of a document by the ending of its name, for a form: what a browser says of a file depends on the machine.
///
/// # Errors
/// When documents of that kind are not taken.
pub fn named_type(name: &str) -> Result<&'static str> {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
    let known = KINDS.iter().find(|(known, _)| *known == ending);
    declared_type(name, known.map_or("", |(_, media_type)| media_type))
}

/// Checks that a document is what it is said to be, by its first bytes; `is_all` when it has no more.
///
/// # Errors
/// When it is something else.
pub fn check_content(declared: &str, start: &[u8], is_all: bool) -> Result<()> {
    // The name only tells texts apart, of which one kind is taken.
    let told = told_type("document.txt", start, is_all);
    // A PDF may consist of text.
    if told == declared || (declared == "application/pdf" && start.starts_with(b"%PDF-")) {
        return Ok(());
    }
    Err(Error::invalid("Content-Type", format!("the document begins like {told}, and is said to be {declared}")))
}

/// Whether the caller may attach another document now; asked before its bytes are taken.
///
/// # Errors
/// When the application is another firm's, is not open for changes, or has as many as it may have.
pub fn require_room(conn: &mut Conn, caller: &Caller, id: &str, most: u32) -> Result<()> {
    let firm = firms::require_approved(conn, caller.firm()?)?;
    let application = super::find(conn, id)?;
    if application.firm_id != firm.id {
        return Err(Error::not_found("application", id));
    }
    application.require(Step::Change)?;
    require_fewer(&application, most)
}

fn require_fewer(application: &Application, most: u32) -> Result<()> {
    if application.attachments.len() < most as usize {
        return Ok(());
    }
    Err(Error::Conflict(format!("the application has {most} attachments, and may not have more; remove one first")))
}

/// A document whose sealed bytes are in the store.
pub struct NewAttachment {
    /// Its id, to which it is bound.
    pub id: String,
    /// What the firm calls it.
    pub name: String,
    /// Its media type.
    pub media_type: &'static str,
    /// Its size.
    pub size_bytes: u64,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// Its sealed bytes.
    pub object: Object,
    /// Its sealed key.
    pub sealed_key: Vec<u8>,
}

/// Attaches a document to a draft, or to an application that more was asked of.
///
/// # Errors
/// When the application is another firm's, is not open for changes, or has as many as it may have.
pub fn attach(conn: &mut Conn, caller: &Caller, application_id: &str, new: NewAttachment, most: u32) -> Result<Attachment> {
    let turn = Turn::of_firm(conn, caller, application_id, Step::Change)?;
    require_fewer(&turn.application, most)?;
    let row = AttachmentRow {
        id: new.id,
        application_id: application_id.to_owned(),
        name: new.name,
        media_type: new.media_type.to_owned(),
        size_bytes: i64::try_from(new.size_bytes).map_err(Error::internal)?,
        sha256: new.sha256,
        object_sha256: new.object.sha256,
        object_size_bytes: i64::try_from(new.object.size_bytes).map_err(Error::internal)?,
        sealed_key: new.sealed_key,
        created_by: caller.actor(),
        created_at: now_naive(),
    };
    diesel::insert_into(attachments::table).values(&row).execute(conn)?;
    // Its name is the firm's words, and stays out.
    let detail = json!({ "attachment": row.id, "media_type": row.media_type, "size_bytes": row.size_bytes, "sha256": row.sha256 });
    ledger::append(conn, Kind::AttachmentAdded, &row.created_by, &format!("application:{application_id}"), &detail)?;
    Ok(row.into())
}

/// The documents of applications, by application.
///
/// # Errors
/// When the database does not answer.
pub(super) fn of_applications(conn: &mut Conn, ids: &[&str]) -> Result<HashMap<String, Vec<Attachment>>> {
    let of_them = attachments::table.filter(attachments::application_id.eq_any(ids));
    let rows: Vec<AttachmentRow> = of_them.order(attachments::id).select(AttachmentRow::as_select()).load(conn)?;
    let mut found: HashMap<String, Vec<Attachment>> = HashMap::new();
    for row in rows {
        found.entry(row.application_id.clone()).or_default().push(row.into());
    }
    Ok(found)
}

fn rows_of(conn: &mut Conn, application_id: &str) -> Result<Vec<AttachmentRow>> {
    let of_it = attachments::table.filter(attachments::application_id.eq(application_id));
    Ok(of_it.order(attachments::id).select(AttachmentRow::as_select()).load(conn)?)
}

/// The digests of an application's documents, as entries of the ledger hold on to what was submitted.
pub(super) fn digests(application: &Application) -> Vec<&str> {
    application.attachments.iter().map(|attachment| attachment.sha256.as_str()).collect()
}

/// A document, for those who may see its application: the firm, reviewers, operators and auditors; of a draft the firm alone.
///
/// # Errors
/// When there is none, or the caller may not see it.
pub fn find_for(conn: &mut Conn, caller: &Caller, application_id: &str, id: &str) -> Result<Sealed> {
    let application = find_application_for(conn, caller, application_id)?;
    let row = rows_of(conn, &application.id)?.into_iter().find(|row| row.id == id);
    let mut row = row.ok_or_else(|| Error::not_found("attachment", id))?;
    Ok(Sealed {
        object: Object { sha256: row.object_sha256.clone(), size_bytes: row.object_size_bytes.unsigned_abs(), format: FORMAT.to_owned() },
        sealed_key: std::mem::take(&mut row.sealed_key),
        bound_to: bound_to(&row.application_id, &row.id),
        attachment: row.into(),
    })
}

/// Takes a document away from a draft, or from an application that more was asked of.
///
/// # Errors
/// When there is none, the application is another firm's, or is not open for changes.
pub fn remove(conn: &mut Conn, caller: &Caller, application_id: &str, id: &str) -> Result<()> {
    let turn = Turn::of_firm(conn, caller, application_id, Step::Change)?;
    let found = turn.application.attachments.into_iter().find(|attachment| attachment.id == id);
    let attachment = found.ok_or_else(|| Error::not_found("attachment", id))?;
    forget(conn, Kind::AttachmentRemoved, &caller.actor(), application_id, &attachment.id, &attachment.sha256)
}

fn forget(conn: &mut Conn, kind: Kind, actor: &str, application_id: &str, id: &str, sha256: &str) -> Result<()> {
    diesel::delete(attachments::table.find(id)).execute(conn)?;
    ledger::append(conn, kind, actor, &format!("application:{application_id}"), &json!({ "attachment": id, "sha256": sha256 }))?;
    Ok(())
}

/// Whether an object of the store holds a document.
///
/// # Errors
/// When the database does not answer.
pub fn is_attachment(conn: &mut Conn, object_sha256: &str) -> Result<bool> {
    let known: i64 = attachments::table.filter(attachments::object_sha256.eq(object_sha256)).count().get_result(conn)?;
    Ok(known > 0)
}

/// Forgets the documents of drafts that came to nothing, and of applications whose end is so many days ago. Answers how many.
///
/// # Errors
/// When the database does not answer.
pub fn expire(conn: &mut Conn, retention_days: u32) -> Result<usize> {
    let with_some = attachments::table.select(attachments::application_id).distinct();
    let over: Vec<&str> = State::ALL.into_iter().filter(|state| state.is_over()).map(State::as_str).collect();
    let candidates: Vec<(String, String)> = applications::table
        .filter(applications::id.eq_any(with_some))
        .filter(applications::status.eq_any(over))
        .select((applications::id, applications::status))
        .load(conn)?;
    let before = now_naive() - Duration::days(retention_days.into());
    let mut forgotten = 0;
    for (id, status) in candidates {
        if !is_done_with(conn, &id, State::parse(&status)?, before)? {
            continue;
        }
        for row in rows_of(conn, &id)? {
            forget(conn, Kind::AttachmentExpired, "service", &id, &row.id, &row.sha256)?;
            forgotten += 1;
        }
    }
    Ok(forgotten)
}

/// Whether nobody needs the documents of an application any more: it was never submitted, or it and its grant ended before that moment.
fn is_done_with(conn: &mut Conn, id: &str, state: State, before: NaiveDateTime) -> Result<bool> {
    let kinds =
        [Kind::ApplicationSubmitted, Kind::ApplicationRefused, Kind::AppealDismissed, Kind::ApplicationWithdrawn, Kind::ApplicationExpired];
    let happened = ledger::moments(conn, &[format!("application:{id}")], &kinds)?;
    if state == State::Signed {
        // Of a grant that was renewed the first application counts as long as the last one.
        let renewed: Option<String> = applications::table.find(id).select(applications::renews_id).first(conn)?;
        let of_it = grants::table.filter(grants::application_id.eq(id).or(grants::id.eq(renewed.unwrap_or_default())));
        let terms: Vec<(NaiveDateTime, Option<NaiveDateTime>)> = of_it.select((grants::expires_at, grants::revoked_at)).load(conn)?;
        return Ok(terms.into_iter().all(|(expires_at, revoked_at)| revoked_at.unwrap_or(expires_at) < before));
    }
    let was_submitted = happened.iter().any(|step| step.kind == Kind::ApplicationSubmitted.as_str());
    Ok(!was_submitted || happened.last().is_some_and(|last| last.moment < before))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_what_its_name_its_type_and_its_bytes_say() {
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
        assert_eq!((named_type("a.PDF").unwrap(), named_type("说明.jpeg").unwrap()), ("application/pdf", "image/jpeg"));
        assert!(named_type("a.svg").is_err() && named_type("pdf").is_err());
        assert_eq!(declared_type("a.PNG", "image/png").unwrap(), "image/png");
        assert_eq!(declared_type("说明.txt", "Text/Plain; charset=utf-8").unwrap(), "text/plain");
        assert_eq!(declared_type("a.jpeg", "image/jpeg").unwrap(), "image/jpeg");
        for (name, content_type) in
            [("a.html", "text/html"), ("a.svg", "image/svg+xml"), ("a.pdf", ""), ("a.pdf", "application/octet-stream")]
        {
            assert!(matches!(declared_type(name, content_type), Err(Error::UnsupportedMediaType(_))), "{name} {content_type}");
        }
        for (name, content_type) in [("a.exe", "application/pdf"), ("pdf", "application/pdf"), ("a.png", "image/jpeg"), ("a", "text/plain")]
        {
            assert!(matches!(declared_type(name, content_type), Err(Error::Invalid(_))), "{name} {content_type}");
        }
        for (declared, start) in [
            ("image/png", &png[..]),
            ("application/pdf", b"%PDF-1.7 all of it in ASCII"),
            ("application/pdf", b"%PDF-1.7\n%\xE2\xE3\xCF\xD3\n"),
            ("text/plain", "安全措施".as_bytes()),
        ] {
            check_content(declared, start, true).unwrap();
        }
        for (declared, start) in [
            ("image/png", &b"MZ\x90\0"[..]),
            ("image/jpeg", png),
            ("application/pdf", png),
            ("text/plain", png),
            ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", b"PK\x03\x04 a zip of anything"),
        ] {
            assert!(matches!(check_content(declared, start, true), Err(Error::Invalid(_))), "{declared} {start:?}");
        }
    }
}
