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
use crate::db::schema::{
    applications, datasets, deletion_proofs, drafts, feedback, firms, grants, ledger, ledger_words, list_changes, sanctions, use_reports,
    versions,
};
use crate::db::{Conn, lock_ledger};
use crate::error::{Error, Result};

/// What is shown in their place.
const TAKEN_OUT: &str = "(taken out)";

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

/// An entry with what was said, for those who may read it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct LedgerRecord {
    /// The entry.
    #[serde(flatten)]
    pub entry: LedgerEntry,
    /// Words of people that belong to it and were not taken out since. Each is committed to in the entry's detail: there
    /// `NAME_commitment` is SHA-256 over the salt's bytes and the words.
    pub words: Vec<Words>,
}

/// Entries after `after`, oldest first, and how many there are in all.
///
/// # Errors
/// When the database does not answer.
pub fn list(conn: &mut Conn, after: i64, limit: i64) -> Result<(Vec<LedgerRecord>, i64)> {
    let entries: Vec<LedgerEntry> = ledger::table.filter(ledger::seq.gt(after)).order(ledger::seq).limit(limit).load(conn)?;
    let total = ledger::table.count().get_result(conn)?;
    let mut said = of(conn, &entries)?;
    let record = |entry: LedgerEntry| LedgerRecord { words: said.remove(&entry.seq).unwrap_or_default(), entry };
    Ok((entries.into_iter().map(record).collect(), total))
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

/// The entries about one thing in their order, each with what was said at it, unless that was taken out.
///
/// # Errors
/// When the database does not answer.
pub fn history(conn: &mut Conn, subject: &str) -> Result<Vec<(LedgerEntry, Option<String>)>> {
    let about: Vec<LedgerEntry> = ledger::table.filter(ledger::subject.eq(subject)).order(ledger::seq).load(conn)?;
    let seqs = ledger::table.filter(ledger::subject.eq(subject)).select(ledger::seq);
    let said: Vec<WordsRow> = ledger_words::table.filter(ledger_words::seq.eq_any(seqs)).load(conn)?;
    let said = said.into_iter().filter(|row| row.name == REASON).map(|row| (row.seq, row.words));
    let mut said: HashMap<i64, String> = said.collect();
    Ok(about.into_iter().map(|entry| (said.remove(&entry.seq), entry)).map(|(words, entry)| (entry, words)).collect())
}

/// How many entries of a kind there are about one thing.
///
/// # Errors
/// When the database does not answer.
pub fn count_of(conn: &mut Conn, kind: Kind, subject: &str) -> Result<i64> {
    Ok(ledger::table.filter(ledger::subject.eq(subject)).filter(ledger::kind.eq(kind.as_str())).count().get_result(conn)?)
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

/// Whether an entry has committed to words that do not lie beside it.
pub(super) fn is_silent(entry: &LedgerEntry, words: Option<&Vec<Words>>) -> bool {
    // Most entries say nothing: to read each of them as JSON would take longer than the rest of the check.
    if !entry.detail_json.contains(ENDING) {
        return false;
    }
    let detail: Value = serde_json::from_str(&entry.detail_json).unwrap_or_default();
    let committed = detail.as_object().into_iter().flatten().filter_map(|(name, _)| name.strip_suffix(ENDING));
    committed.into_iter().any(|name| !words.is_some_and(|words| words.iter().any(|words| words.name == name)))
}

/// The last entry that words lie beside.
pub(super) fn last(conn: &mut Conn) -> Result<Option<i64>> {
    Ok(ledger_words::table.select(diesel::dsl::max(ledger_words::seq)).first(conn)?)
}

/// Checks that a firm's own words against a sanction can be taken out: not by who imposed it, and not before an appeal is decided that they belong to.
fn require_heard(conn: &mut Conn, actor: &str, kind: &str, subject: &str) -> Result<()> {
    if ![Kind::SanctionAnswered, Kind::SanctionAppealed].iter().any(|own| own.as_str() == kind) {
        return Ok(());
    }
    let id = subject.split_once(':').map_or("", |(_, id)| id);
    let imposed_by: String = sanctions::table.find(id).select(sanctions::imposed_by).first(conn)?;
    if actor == format!("person:{imposed_by}") {
        return Err(Error::Forbidden(
            "who imposed a sanction does not take out what the firm says against it; another operator does (four eyes)".to_owned(),
        ));
    }
    let open = sanctions::table
        .find(id)
        .filter(sanctions::lifted_at.is_null())
        .filter(sanctions::appealed_at.is_not_null())
        .filter(sanctions::appeal_decided_at.is_null());
    if open.count().get_result::<i64>(conn)? > 0 {
        return Err(Error::Conflict(
            "an appeal waits for its decision, and these words belong to it; take them out when it is decided".to_owned(),
        ));
    }
    Ok(())
}

/// Takes the purpose of an application out, when the entry is that of its submission; `false` when nothing is there to be taken out. The firm may have
/// changed it since, or submitted it before the entry had words.
fn forget_purpose(conn: &mut Conn, said_in: &str, subject: &str) -> Result<bool> {
    if said_in != Kind::ApplicationSubmitted.as_str() {
        return Ok(false);
    }
    let id = subject.split_once(':').map_or("", |(_, id)| id);
    let shown = applications::table.find(id).filter(applications::purpose.ne(TAKEN_OUT));
    Ok(diesel::update(shown).set(applications::purpose.eq(TAKEN_OUT)).execute(conn)? > 0)
}

/// Takes words out of the thing that they were said of, where it shows them.
fn forget(conn: &mut Conn, said_in: &str, subject: &str, words: &str) -> Result<()> {
    let (kind, id) = subject.split_once(':').unwrap_or((subject, ""));
    match kind {
        "firm" => {
            let shown = firms::table.find(id).filter(firms::status_reason.eq(words));
            diesel::update(shown).set(firms::status_reason.eq(TAKEN_OUT)).execute(conn)?
        }
        "application" => {
            let shown = applications::table.find(id).filter(applications::reason.eq(words));
            diesel::update(shown).set(applications::reason.eq(TAKEN_OUT)).execute(conn)?
        }
        "grant" if said_in == Kind::DeletionProved.as_str() => {
            let proof = deletion_proofs::table.filter(deletion_proofs::grant_id.eq(id));
            diesel::update(proof).set((deletion_proofs::method.eq(TAKEN_OUT), deletion_proofs::copies.eq(TAKEN_OUT))).execute(conn)?
        }
        "grant" => {
            let shown = grants::table.find(id).filter(grants::reason.eq(words));
            diesel::update(shown).set(grants::reason.eq(TAKEN_OUT)).execute(conn)?
        }
        "use_report" => {
            let shown = use_reports::table.find(id).filter(use_reports::used_for.eq(words));
            diesel::update(shown).set(use_reports::used_for.eq(TAKEN_OUT)).execute(conn)?
        }
        "draft" => {
            let shown = drafts::table.find(id).filter(drafts::remark.eq(words));
            diesel::update(shown).set(drafts::remark.eq(TAKEN_OUT)).execute(conn)?
        }
        "feedback" => return forget_of_feedback(conn, said_in, id, words),
        "sanction" => return forget_of_sanction(conn, said_in, id, words),
        "dataset" => {
            let ids = datasets::table.filter(datasets::slug.eq(id)).select(datasets::id);
            let shown = versions::table.filter(versions::dataset_id.eq_any(ids)).filter(versions::resolution.eq(words));
            diesel::update(shown).set(versions::resolution.eq(TAKEN_OUT)).execute(conn)?
        }
        _ => 0,
    };
    Ok(())
}

/// What was filed goes whole; what was asked or answered since goes with its own entry.
fn forget_of_feedback(conn: &mut Conn, said_in: &str, id: &str, words: &str) -> Result<()> {
    let of_it = || feedback::table.find(id);
    if said_in == Kind::FeedbackFiled.as_str() {
        diesel::update(of_it().filter(feedback::words.is_not_null())).set(feedback::words.eq(TAKEN_OUT)).execute(conn)?;
        diesel::update(of_it().filter(feedback::title.is_not_null())).set(feedback::title.eq(TAKEN_OUT)).execute(conn)?;
        diesel::update(of_it().filter(feedback::maker.is_not_null())).set(feedback::maker.eq(TAKEN_OUT)).execute(conn)?;
        diesel::update(of_it()).set(feedback::link.eq(None::<String>)).execute(conn)?;
    }
    if said_in == Kind::FeedbackAsked.as_str() {
        diesel::update(of_it().filter(feedback::question.eq(words))).set(feedback::question.eq(TAKEN_OUT)).execute(conn)?;
    }
    if said_in == Kind::FeedbackAnswered.as_str() {
        diesel::update(of_it().filter(feedback::answer.eq(words))).set(feedback::answer.eq(TAKEN_OUT)).execute(conn)?;
    }
    Ok(())
}

/// A sanction shows several words of people; what its publication says stands in two languages, which are two lines of one entry. What the firm said
/// goes with its own entries only.
fn forget_of_sanction(conn: &mut Conn, said_in: &str, id: &str, words: &str) -> Result<()> {
    let of_it = || sanctions::table.find(id);
    if said_in == Kind::SanctionAnswered.as_str() {
        diesel::update(of_it().filter(sanctions::answer.eq(words))).set(sanctions::answer.eq(TAKEN_OUT)).execute(conn)?;
        return Ok(());
    }
    if said_in == Kind::SanctionAppealed.as_str() {
        diesel::update(of_it().filter(sanctions::appeal.eq(words))).set(sanctions::appeal.eq(TAKEN_OUT)).execute(conn)?;
        return Ok(());
    }
    diesel::update(of_it().filter(sanctions::reason.eq(words))).set(sanctions::reason.eq(TAKEN_OUT)).execute(conn)?;
    diesel::update(of_it().filter(sanctions::appeal_reason.eq(words))).set(sanctions::appeal_reason.eq(TAKEN_OUT)).execute(conn)?;
    diesel::update(of_it().filter(sanctions::lifting_reason.eq(words))).set(sanctions::lifting_reason.eq(TAKEN_OUT)).execute(conn)?;
    if let Some((zh, en)) = words.split_once('\n') {
        let published = of_it().filter(sanctions::public_zh.eq(zh)).filter(sanctions::public_en.eq(en));
        diesel::update(published).set((sanctions::public_zh.eq(TAKEN_OUT), sanctions::public_en.eq(TAKEN_OUT))).execute(conn)?;
    }
    Ok(())
}

/// Takes the words of an entry out, here and where they are shown; `false` when it has none.
pub(super) fn take_out(conn: &mut Conn, seq: i64, kind: &str, subject: &str) -> Result<bool> {
    let said: Vec<WordsRow> = ledger_words::table.filter(ledger_words::seq.eq(seq)).load(conn)?;
    let shown = forget_purpose(conn, kind, subject)?;
    diesel::delete(ledger_words::table.filter(ledger_words::seq.eq(seq))).execute(conn)?;
    for words in &said {
        forget(conn, kind, subject, &words.words)?;
    }
    if !said.is_empty() {
        let change = list_changes::table.filter(list_changes::entry_seq.eq(seq));
        diesel::update(change).set(list_changes::reason.eq(TAKEN_OUT)).execute(conn)?;
    }
    Ok(shown || !said.is_empty())
}

/// Takes the words of an entry out for ever, here and where they are shown, with an entry that says so.
///
/// # Errors
/// When there is no such entry, it has no words, or they are what a firm says against a sanction and are still needed.
pub fn redact(conn: &mut Conn, actor: &str, seq: i64, reason: &str) -> Result<LedgerEntry> {
    lock_ledger(conn)?;
    let entry: Option<(String, String)> = ledger::table.find(seq).select((ledger::kind, ledger::subject)).first(conn).optional()?;
    let (kind, subject) = entry.ok_or_else(|| Error::not_found("ledger entry", seq.to_string()))?;
    require_heard(conn, actor, &kind, &subject)?;
    if !take_out(conn, seq, &kind, &subject)? {
        return Err(Error::Conflict(format!("entry {seq} has no words that could be taken out, or has none any more")));
    }
    append_with_reason(conn, Kind::EntryRedacted, actor, &format!("entry:{seq}"), json!({}), reason)
}
