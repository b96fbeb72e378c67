//! Letters on their way: which subscription is served next, what its next letter tells, and what became of it.
//!
//! A letter's id and its end are written down before it leaves. So one that nobody knows to have arrived is sent again as the same letter, and what it
//! tells is read from the ledger anew: of a dataset that was withdrawn meanwhile, only that.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, NaiveDateTime};
use diesel::prelude::*;
use serde_json::json;

use super::{ACTIVE, CONFIRM_DAYS, DISABLED, PENDING, Row, subject_of, token_label};
use crate::access::webhooks::{GIVE_UP_HOURS, LEASE_SECONDS, LONGEST_WAIT_SECONDS, MOST_REFUSALS, wait, wants};
use crate::catalog::{self, Change, Text};
use crate::clock::now_naive;
use crate::crypto::MasterKey;
use crate::db::schema::{dead_mails, firms as firm_rows, mail_subscriptions};
use crate::db::{Conn, lock_ledger};
use crate::error::{Error, Result};
use crate::identity::firms;
use crate::ledger::{self, Kind};

/// How many changes are read at a time; a letter tells no more.
const CHANGES: i64 = 100;

/// A subscription that this process has for some time. It has no `Debug`: the address is nobody else's.
#[derive(Clone)]
pub struct Claimed {
    /// Its id.
    pub id: String,
    /// The name of its firm.
    pub firm: String,
    /// The address.
    pub address: String,
    /// The moment until which it is this process's, by which the functions here know that it still is.
    pub lease: NaiveDateTime,
    /// The token of the confirmation that is still to be sent, with the letter's id.
    pub confirmation: Option<(String, String)>,
    /// The entry up to which everything was told.
    pub after: i64,
    /// The letter that was begun: its id, and the last entry that it tells.
    pub begun: Option<(String, i64)>,
    events: Vec<String>,
    datasets: Vec<String>,
}

/// Those that have something to be sent by now, and that nobody else has, of firms that may act. `last` is the last entry that changed the list.
macro_rules! due {
    ($last:expr, $now:expr) => {
        mail_subscriptions::table
            .inner_join(firm_rows::table)
            .filter(firm_rows::status.eq(firms::APPROVED))
            .filter(
                mail_subscriptions::status
                    .eq(ACTIVE)
                    .and(mail_subscriptions::after_seq.lt($last))
                    .or(mail_subscriptions::status.eq(PENDING).and(mail_subscriptions::sealed_token.is_not_null())),
            )
            .filter(mail_subscriptions::next_at.is_null().or(mail_subscriptions::next_at.le($now)))
            .filter(mail_subscriptions::lease_until.is_null().or(mail_subscriptions::lease_until.le($now)))
    };
}

/// Whether a subscription could be claimed now.
///
/// # Errors
/// When the database does not answer.
pub fn any_due(conn: &mut Conn, last: i64) -> Result<bool> {
    let count: i64 = due!(last, now_naive()).count().get_result(conn)?;
    Ok(count > 0)
}

/// Takes a subscription for some time that has something to be sent by now: the one that was served the longest time ago.
///
/// # Errors
/// When the database does not answer, or the address was sealed with another key.
pub fn claim(conn: &mut Conn, master: &MasterKey, last: i64) -> Result<Option<Claimed>> {
    let now = now_naive();
    let oldest = due!(last, now).order((mail_subscriptions::served_at, mail_subscriptions::id));
    let found: Option<(String, String)> = oldest.select((mail_subscriptions::id, firm_rows::name)).first(conn).optional()?;
    let Some((id, firm)) = found else { return Ok(None) };
    let until = now + Duration::seconds(LEASE_SECONDS);
    let free = mail_subscriptions::lease_until.is_null().or(mail_subscriptions::lease_until.le(now));
    let taken = diesel::update(mail_subscriptions::table.find(&id).filter(free))
        .set((mail_subscriptions::lease_until.eq(until), mail_subscriptions::served_at.eq(now)))
        .execute(conn)?;
    if taken == 0 {
        return Ok(None);
    }
    // As it is now that nobody else changes it.
    let row: Row = mail_subscriptions::table.find(&id).select(Row::as_select()).first(conn)?;
    if row.status != ACTIVE && row.sealed_token.is_none() {
        // Another process has sent what was to be sent, between the look and the lease.
        diesel::update(mail_subscriptions::table.find(&id)).set(mail_subscriptions::lease_until.eq(None::<NaiveDateTime>)).execute(conn)?;
        return Ok(None);
    }
    match opened(master, row, firm, until) {
        Ok(claimed) => Ok(Some(claimed)),
        Err(cause) => {
            // It keeps its lease, so that others are served meanwhile.
            tracing::error!(subscription = %id, error = ?cause, "a mail subscription cannot be read");
            Ok(None)
        }
    }
}

fn opened(master: &MasterKey, row: Row, firm: String, lease: NaiveDateTime) -> Result<Claimed> {
    let token = row.sealed_token.as_ref().map(|sealed| master.open(&token_label(&row.id), sealed)).transpose()?;
    let token = token.map(|token| String::from_utf8(token).map_err(Error::internal)).transpose()?;
    Ok(Claimed {
        firm,
        address: row.address(master)?,
        lease,
        confirmation: row.letter_id.clone().zip(token),
        after: row.after_seq,
        begun: row.letter_id.zip(row.letter_to),
        events: serde_json::from_str(&row.events_json)?,
        datasets: serde_json::from_str(&row.datasets_json)?,
        id: row.id,
    })
}

/// What comes next for a subscription.
pub enum Next {
    /// Nothing is to be told up to an entry; whether there may be more behind it.
    Nothing(i64, bool),
    /// Something is to be told at that moment, with what else has happened by then.
    Wait(NaiveDateTime),
    /// A letter is to be sent.
    Tell(Digest),
}

/// What a letter tells.
pub struct Digest {
    /// What happened, oldest first; there is something.
    pub changes: Vec<Change>,
    /// The entry of the last of them.
    pub to: i64,
    /// What the things are called, by the part of the event before its dot and the slug.
    pub titles: BTreeMap<(String, String), Text>,
}

impl Digest {
    /// What the thing is called that a change is about; its slug where it is in the list no more.
    pub fn title(&self, change: &Change) -> Text {
        let known = self.titles.get(&(of_what(change).to_owned(), change.slug.clone())).cloned();
        known.unwrap_or_else(|| Text { zh: change.slug.clone(), en: change.slug.clone() })
    }
}

fn of_what(change: &Change) -> &str {
    match change.event.split_once('.') {
        Some(("publisher", _)) => "publisher",
        Some(("theme", _)) => "theme",
        Some(("subject_class", _)) => "subject_class",
        Some(_) | None => "dataset",
    }
}

/// What comes next: a letter that was begun, or one of what has happened once the first of it is `batch_seconds` old.
///
/// # Errors
/// When the database does not answer.
pub fn next(conn: &mut Conn, claimed: &Claimed, batch_seconds: u32) -> Result<Next> {
    let found = catalog::changes(conn, claimed.after, CHANGES)?;
    let end = claimed.begun.as_ref().map(|(_, to)| *to);
    let wanted = |change: &Change| wants(&claimed.events, &claimed.datasets, change) && end.is_none_or(|end| change.seq <= end);
    let changes: Vec<Change> = found.items.into_iter().filter(wanted).collect();
    let (Some(first), Some(last)) = (changes.first(), changes.last()) else {
        // What a letter was begun about may have been taken from the list since.
        return Ok(end.map_or(Next::Nothing(found.next_since, found.more), |end| Next::Nothing(end, true)));
    };
    let happened = DateTime::parse_from_rfc3339(&first.moment).map_err(Error::internal)?.naive_utc();
    let leaves = happened + Duration::seconds(batch_seconds.into());
    if end.is_none() && leaves > now_naive() {
        return Ok(Next::Wait(leaves));
    }
    let to = end.unwrap_or(last.seq);
    let titles = titles_of(conn, &changes)?;
    Ok(Next::Tell(Digest { changes, to, titles }))
}

fn titles_of(conn: &mut Conn, changes: &[Change]) -> Result<BTreeMap<(String, String), Text>> {
    let slugs: Vec<String> = changes.iter().filter(|change| of_what(change) == "dataset").map(|change| change.slug.clone()).collect();
    let mut titles = BTreeMap::new();
    for dataset in catalog::named(conn, &slugs)? {
        titles.insert(("dataset".to_owned(), dataset.slug), dataset.entry.title);
    }
    if changes.iter().any(|change| of_what(change) != "dataset") {
        titles.extend(catalog::publishers(conn)?.into_iter().map(|one| (("publisher".to_owned(), one.slug), one.name)));
        titles.extend(catalog::themes(conn)?.into_iter().map(|one| (("theme".to_owned(), one.slug), one.name)));
        titles.extend(catalog::subject_classes(conn)?.into_iter().map(|one| (("subject_class".to_owned(), one.slug), one.name)));
    }
    Ok(titles)
}

/// The subscription, where it still is whose lease it is.
macro_rules! held {
    ($claimed:expr) => {
        mail_subscriptions::table.find($claimed.id.clone()).filter(mail_subscriptions::lease_until.eq($claimed.lease))
    };
}

/// Writes down which letter is sent next, before it is. Answers until when the subscription is taken now, or nothing where somebody else has it by now,
/// or it is gone: then nothing more is sent.
///
/// # Errors
/// When the database does not take it.
pub fn begin(conn: &mut Conn, claimed: &Claimed, letter: &str, to: i64) -> Result<Option<NaiveDateTime>> {
    let until = now_naive() + Duration::seconds(LEASE_SECONDS);
    let begun = (mail_subscriptions::letter_id.eq(letter), mail_subscriptions::letter_to.eq(to), mail_subscriptions::lease_until.eq(until));
    let changed = diesel::update(held!(claimed)).set(begun).execute(conn)?;
    Ok((changed > 0).then_some(until))
}

/// Gives a subscription free until a moment.
///
/// # Errors
/// When the database does not take it.
pub fn postpone(conn: &mut Conn, claimed: &Claimed, until: NaiveDateTime) -> Result<()> {
    let waits = (mail_subscriptions::next_at.eq(until), mail_subscriptions::lease_until.eq(None::<NaiveDateTime>));
    diesel::update(held!(claimed)).set(waits).execute(conn)?;
    Ok(())
}

/// Writes down that everything up to an entry was told; `done` gives the subscription free. Answers as [`begin`] does.
///
/// # Errors
/// When the database does not take it.
pub fn settle(conn: &mut Conn, claimed: &Claimed, to: i64, sent: bool, done: bool) -> Result<Option<NaiveDateTime>> {
    let now = now_naive();
    let until = now + Duration::seconds(LEASE_SECONDS);
    let lease = if done { None } else { Some(until) };
    let told = (
        mail_subscriptions::after_seq.eq(to),
        mail_subscriptions::letter_id.eq(None::<String>),
        mail_subscriptions::letter_to.eq(None::<i64>),
        mail_subscriptions::next_at.eq(None::<NaiveDateTime>),
        mail_subscriptions::lease_until.eq(lease),
    );
    let changed = diesel::update(held!(claimed)).set(told).execute(conn)?;
    if sent && changed > 0 {
        diesel::update(mail_subscriptions::table.find(&claimed.id)).set(taken(now)).execute(conn)?;
    }
    Ok((changed > 0).then_some(until))
}

type Taken = (
    diesel::dsl::Eq<mail_subscriptions::attempts, i32>,
    diesel::dsl::Eq<mail_subscriptions::refusals, i32>,
    diesel::dsl::Eq<mail_subscriptions::failing_since, Option<NaiveDateTime>>,
    diesel::dsl::Eq<mail_subscriptions::delivered_at, Option<NaiveDateTime>>,
    diesel::dsl::Eq<mail_subscriptions::last_error, Option<String>>,
);

/// What is said of a subscription when the mail server took something.
fn taken(now: NaiveDateTime) -> Taken {
    (
        mail_subscriptions::attempts.eq(0),
        mail_subscriptions::refusals.eq(0),
        mail_subscriptions::failing_since.eq(None),
        mail_subscriptions::delivered_at.eq(Some(now)),
        mail_subscriptions::last_error.eq(None),
    )
}

/// Writes down that the confirmation has left: its token is forgotten, and its link holds from now on.
///
/// # Errors
/// When the database does not take it.
pub fn asked(conn: &mut Conn, claimed: &Claimed) -> Result<()> {
    let now = now_naive();
    let left = (
        mail_subscriptions::sealed_token.eq(None::<Vec<u8>>),
        mail_subscriptions::letter_id.eq(None::<String>),
        mail_subscriptions::token_expires_at.eq(now + Duration::days(CONFIRM_DAYS)),
        mail_subscriptions::next_at.eq(None::<NaiveDateTime>),
        mail_subscriptions::lease_until.eq(None::<NaiveDateTime>),
    );
    if diesel::update(held!(claimed)).set(left).execute(conn)? > 0 {
        diesel::update(mail_subscriptions::table.find(&claimed.id)).set(taken(now)).execute(conn)?;
    }
    Ok(())
}

/// Why a letter was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The service's own mail server is not reached, or has something against the service. No recipient is given up for that.
    Ours(String),
    /// It may be taken later.
    NotNow(String),
    /// It was handed over, and whether it was taken is not known.
    Unknown(String),
    /// This letter is not taken.
    Refused(String),
    /// There is no such address.
    NoRecipient(String),
}

/// Writes down that the letter that was begun was not taken.
///
/// # Errors
/// When the database does not take it.
pub fn fail(conn: &mut Conn, claimed: &Claimed, failure: &Failure) -> Result<()> {
    // Whoever sends it back or removes it takes the same things in the same order.
    lock_ledger(conn)?;
    let now = now_naive();
    let Some(row) = held!(claimed).select(Row::as_select()).first::<Row>(conn).optional()? else { return Ok(()) };
    let attempts = row.attempts + 1;
    // Where nobody has tried for long, it has not failed for so long.
    let rested = row.next_at.is_some_and(|next| now - next > Duration::seconds(LONGEST_WAIT_SECONDS));
    let since = Some(row.failing_since.filter(|_| !rested).unwrap_or(now));
    let (error, refusals, since) = match failure {
        Failure::Ours(error) => (error, row.refusals, None),
        Failure::NotNow(error) | Failure::Unknown(error) | Failure::NoRecipient(error) => (error, row.refusals, since),
        Failure::Refused(error) => (error, row.refusals + 1, since),
    };
    let told = (
        mail_subscriptions::attempts.eq(attempts),
        mail_subscriptions::refusals.eq(refusals),
        mail_subscriptions::failing_since.eq(since),
        mail_subscriptions::next_at.eq(now + wait(attempts)),
        mail_subscriptions::lease_until.eq(None::<NaiveDateTime>),
        mail_subscriptions::last_error.eq(error),
    );
    diesel::update(mail_subscriptions::table.find(&row.id)).set(told).execute(conn)?;
    let nobody = matches!(failure, Failure::NoRecipient(_)) || since.is_some_and(|since| now - since > Duration::hours(GIVE_UP_HOURS));
    match (nobody, row.letter_to) {
        (false, _) if refusals < MOST_REFUSALS => Ok(()),
        (false, Some(to)) => lay_aside(conn, &row, to, attempts, error),
        // A confirmation is no event that could be laid aside.
        (true, _) | (false, None) => disable(conn, &row),
    }
}

fn disable(conn: &mut Conn, row: &Row) -> Result<()> {
    // Of a confirmation that did not arrive nothing is kept that opens anything.
    let ended = (mail_subscriptions::status.eq(DISABLED), mail_subscriptions::sealed_token.eq(None::<Vec<u8>>));
    diesel::update(mail_subscriptions::table.find(&row.id)).set(ended).execute(conn)?;
    let detail = json!({ "firm": row.firm_id, "sent_to": row.after_seq });
    ledger::append(conn, Kind::MailDisabled, "service", &subject_of(&row.id), &detail)?;
    Ok(())
}

fn lay_aside(conn: &mut Conn, row: &Row, to: i64, attempts: i32, error: &str) -> Result<()> {
    let known: i64 = dead_mails::table.find((&row.id, to)).count().get_result(conn)?;
    if known == 0 {
        let dead = (
            dead_mails::subscription_id.eq(&row.id),
            dead_mails::after_seq.eq(row.after_seq),
            dead_mails::to_seq.eq(to),
            dead_mails::attempts.eq(attempts),
            dead_mails::error.eq(error),
            dead_mails::died_at.eq(now_naive()),
        );
        diesel::insert_into(dead_mails::table).values(dead).execute(conn)?;
    }
    // It goes on failing until something is taken.
    let next = (
        mail_subscriptions::after_seq.eq(to),
        mail_subscriptions::letter_id.eq(None::<String>),
        mail_subscriptions::letter_to.eq(None::<i64>),
        mail_subscriptions::attempts.eq(0),
        mail_subscriptions::refusals.eq(0),
        mail_subscriptions::next_at.eq(None::<NaiveDateTime>),
    );
    diesel::update(mail_subscriptions::table.find(&row.id)).set(next).execute(conn)?;
    Ok(())
}
