//! Words of people in the ledger: a reason that somebody wrote may name somebody else. The entry holds a commitment, and the words
//! lie beside it, so that they can be taken out later while the chain and its proofs hold.
//!
//! The commitment is `SHA-256(salt ‖ words)`, in hexadecimal, with a random salt of 32 bytes: without the salt nobody can try out what
//! was said. It stands in the entry's detail as `NAME_commitment`.

use std::collections::HashMap;

use diesel::prelude::*;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{Kind, LedgerEntry, append};
use crate::crypto::{hex, random_bytes, sha256_hex, unhex};
use crate::db::Conn;
use crate::db::schema::{ledger, ledger_words};
use crate::error::{Error, Result};

/// The words that there are today.
const REASON: &str = "reason";

/// What the name of a commitment ends in.
const ENDING: &str = "_commitment";

#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = ledger_words)]
struct WordsRow {
    seq: i64,
    name: String,
    salt: String,
    words: String,
}

/// Words of an entry, with the salt by which its commitment can be checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Words {
    /// What they are: `reason`.
    pub name: String,
    /// 32 bytes in hexadecimal.
    pub salt: String,
    /// What was said.
    pub words: String,
}

fn commitment(salt: &[u8], words: &str) -> String {
    sha256_hex(&[salt, words.as_bytes()].concat())
}

/// [`append`] for an entry that has somebody's reason: `detail`, an object, gets a commitment to it.
///
/// # Errors
/// When the database does not take it.
pub fn append_with_reason(conn: &mut Conn, kind: Kind, actor: &str, subject: &str, mut detail: Value, reason: &str) -> Result<LedgerEntry> {
    let salt = random_bytes::<32>()?;
    detail[format!("{REASON}{ENDING}")] = commitment(&salt, reason).into();
    let entry = append(conn, kind, actor, subject, &detail)?;
    let row = WordsRow { seq: entry.seq, name: REASON.to_owned(), salt: hex(&salt), words: reason.to_owned() };
    diesel::insert_into(ledger_words::table).values(row).execute(conn)?;
    Ok(entry)
}

/// The words of entries that stand one behind the other, by entry.
///
/// # Errors
/// When the database does not answer.
pub(super) fn of(conn: &mut Conn, entries: &[LedgerEntry]) -> Result<HashMap<i64, Vec<Words>>> {
    let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return Ok(HashMap::new()) };
    let rows: Vec<WordsRow> = ledger_words::table
        .filter(ledger_words::seq.between(first.seq, last.seq))
        .order((ledger_words::seq, ledger_words::name))
        .load(conn)?;
    let mut found: HashMap<i64, Vec<Words>> = HashMap::new();
    for WordsRow { seq, name, salt, words } in rows {
        found.entry(seq).or_default().push(Words { name, salt, words });
    }
    Ok(found)
}

/// What is wrong with the words that lie beside an entry, if anything. Words that were taken out are no fault.
pub(super) fn fault(entry: &LedgerEntry, words: Option<&Vec<Words>>) -> Option<String> {
    let detail: Value = serde_json::from_str(&entry.detail_json).unwrap_or_default();
    let holds = |words: &Words| {
        let committed = detail.get(format!("{}{ENDING}", words.name)).and_then(Value::as_str);
        unhex(&words.salt).is_some_and(|salt| committed == Some(commitment(&salt, &words.words).as_str()))
    };
    let wrong = words?.iter().find(|words| !holds(words))?;
    Some(format!("its `{}` is not what the entry has committed to", wrong.name))
}

/// Takes the words of an entry out for ever, with an entry that says so.
///
/// # Errors
/// When there is no such entry, or it has no words.
pub fn redact(conn: &mut Conn, actor: &str, seq: i64, reason: &str) -> Result<LedgerEntry> {
    let known: i64 = ledger::table.filter(ledger::seq.eq(seq)).count().get_result(conn)?;
    if known == 0 {
        return Err(Error::not_found("ledger entry", seq.to_string()));
    }
    let gone = diesel::delete(ledger_words::table.filter(ledger_words::seq.eq(seq))).execute(conn)?;
    if gone == 0 {
        return Err(Error::Conflict(format!("entry {seq} has no words that could be taken out, or has none any more")));
    }
    append_with_reason(conn, Kind::EntryRedacted, actor, &format!("entry:{seq}"), json!({}), reason)
}
