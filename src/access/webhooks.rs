//! Webhooks: addresses of firms to which each change of the list is sent, signed as Standard Webhooks has it. 变更推送
//!
//! A webhook has come so far in the ledger; what it has not taken yet is sent again, oldest first, and nothing is skipped but what it would not take
//! many times while it answered. So events come in order, and a receiver that was down for a while gets all of them.

use chrono::{Duration, NaiveDateTime};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::catalog::Change;
use crate::clock::now_naive;
use crate::crypto::{HmacKey, MasterKey, base64};
use crate::db::schema::{dead_letters, firms as firm_rows, webhooks};
use crate::db::{Conn, lock_ledger};
use crate::error::{Error, Result};
use crate::identity::{Caller, firms};
use crate::ledger::{self, Kind};

/// How many webhooks a firm may have.
const MOST: i64 = 10;

/// How long a process has a webhook to itself before another one may take it.
pub(super) const LEASE_SECONDS: i64 = 90;

/// Within so long whoever sends notices that it has a webhook no longer: it writes down every 5 s, and one try takes 30 s at the most.
pub(super) const NOTICED_SECONDS: i64 = 40;

/// After so many refusals of one event by an address that answers, the event is laid aside.
pub(super) const MOST_REFUSALS: i32 = 10;

/// The longest wait between two tries.
pub(super) const LONGEST_WAIT_SECONDS: i64 = 3600;

/// After so long without any success a webhook is disabled.
pub(super) const GIVE_UP_HOURS: i64 = 72;

/// The events that can be asked for.
pub const EVENTS: [&str; 10] = [
    "dataset.created",
    "dataset.updated",
    "dataset.suspended",
    "dataset.restored",
    "dataset.withdrawn",
    "dataset.reopened",
    "version.published",
    "publisher.updated",
    "theme.updated",
    "subject_class.updated",
];

/// Where the changes of the list are sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Webhook {
    /// Its id.
    pub id: String,
    /// The address.
    pub url: String,
    /// The events that are sent; all of them where the list is empty.
    pub events: Vec<String>,
    /// The datasets whose events are sent, by slug; all of them where the list is empty.
    pub datasets: Vec<String>,
    /// `active`, or `disabled`: it answered 410, or failed for 72 hours. A replay makes it active again.
    pub status: String,
    /// The entry of the ledger up to which everything was sent.
    pub sent_to: i64,
    /// How many times the event that comes next was tried in vain.
    pub attempts: i32,
    /// When it is tried next, where the last try was in vain.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize_option")]
    pub next_at: Option<NaiveDateTime>,
    /// Why the last try was in vain.
    pub last_error: Option<String>,
    /// When an event was taken last.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize_option")]
    pub delivered_at: Option<NaiveDateTime>,
    /// When it was registered.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    pub created_at: NaiveDateTime,
    /// Its firm.
    #[serde(skip)]
    pub firm_id: String,
}

impl Webhook {
    /// Whether it wants to know of a change.
    pub fn wants(&self, change: &Change) -> bool {
        wants(&self.events, &self.datasets, change)
    }
}

/// Whether somebody who asked for these events and datasets wants to know of a change.
pub(super) fn wants(events: &[String], datasets: &[String], change: &Change) -> bool {
    let of_dataset = change.event.starts_with("dataset.") || change.event.starts_with("version.");
    let asked = |event: &str| events.iter().any(|asked| asked == event);
    // What was published while a dataset was suspended is told with its restoration.
    let by_event = events.is_empty() || asked(&change.event) || change.event == "dataset.restored" && asked("version.published");
    let by_dataset = datasets.is_empty() || of_dataset && datasets.contains(&change.slug);
    by_event && by_dataset
}

/// Checks what somebody asks to be told of.
pub(super) fn check_wish(conn: &mut Conn, events: &[String], datasets: &[String]) -> Result<()> {
    for (at, event) in events.iter().enumerate() {
        if !EVENTS.contains(&event.as_str()) {
            return Err(Error::invalid(format!("/events/{at}"), format!("`{event}` is no event; there are: {}", EVENTS.join(", "))));
        }
    }
    if datasets.len() > 1000 {
        return Err(Error::invalid("/datasets", "give at most 1000 datasets, or none for all"));
    }
    for (at, slug) in datasets.iter().enumerate() {
        if let Err(Error::NotFound { .. } | Error::Withdrawn(_)) = crate::catalog::find(conn, slug) {
            return Err(Error::invalid(format!("/datasets/{at}"), format!("there is no dataset `{slug}`")));
        }
    }
    Ok(())
}

/// An event that an address would not take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema, Queryable)]
pub struct DeadLetter {
    /// The number of the event's entry in the ledger: `since` of a replay is one less.
    pub seq: i64,
    /// How many times it was tried.
    pub attempts: i32,
    /// What the address answered last.
    pub error: String,
    /// When it was laid aside.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    pub died_at: NaiveDateTime,
}

/// What a firm asks for.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWebhook {
    /// An https address in the public network, at port 443 or 8443.
    #[schema(example = "https://example.com/qingdan")]
    pub url: String,
    /// Only these events; all of them without it.
    #[serde(default)]
    pub events: Vec<String>,
    /// Only events of these datasets, by slug; all of them without it.
    #[serde(default)]
    pub datasets: Vec<String>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = webhooks)]
struct Row {
    id: String,
    firm_id: String,
    url: String,
    events_json: String,
    datasets_json: String,
    status: String,
    after_seq: i64,
    attempts: i32,
    refusals: i32,
    failing_since: Option<NaiveDateTime>,
    next_at: Option<NaiveDateTime>,
    last_error: Option<String>,
    delivered_at: Option<NaiveDateTime>,
    created_at: NaiveDateTime,
}

impl TryFrom<Row> for Webhook {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Webhook {
            events: serde_json::from_str(&row.events_json)?,
            datasets: serde_json::from_str(&row.datasets_json)?,
            id: row.id,
            url: row.url,
            status: row.status,
            sent_to: row.after_seq,
            attempts: row.attempts,
            next_at: row.next_at,
            last_error: row.last_error,
            delivered_at: row.delivered_at,
            created_at: row.created_at,
            firm_id: row.firm_id,
        })
    }
}

/// The key by which what is sent to a webhook is signed: of the master key and its id, so that it stands nowhere.
fn key_of(master: &MasterKey, id: &str) -> [u8; 32] {
    master.derive("webhook").tag(id.as_bytes())
}

/// The secret that its firm verifies by.
pub fn secret_of(master: &MasterKey, id: &str) -> String {
    format!("whsec_{}", base64(&key_of(master, id)))
}

/// The signature of a message: `v1,` and HMAC-SHA-256 over `id.timestamp.payload`, in base64.
pub fn signature(master: &MasterKey, webhook: &str, message: &str, timestamp: i64, payload: &str) -> String {
    let key = HmacKey::of(&key_of(master, webhook));
    format!("v1,{}", base64(&key.tag(format!("{message}.{timestamp}.{payload}").as_bytes())))
}

/// Registers an address for the caller's firm. It is sent what happens from now on.
///
/// # Errors
/// When the caller is no person of an approved firm, a name is unknown, or the firm has 10 already.
pub fn register(conn: &mut Conn, caller: &Caller, new: NewWebhook) -> Result<Webhook> {
    lock_ledger(conn)?;
    caller.person()?;
    let firm = firms::require_approved(conn, caller.firm()?)?.id;
    check_wish(conn, &new.events, &new.datasets)?;
    let there: i64 = webhooks::table.filter(webhooks::firm_id.eq(&firm)).count().get_result(conn)?;
    if there >= MOST {
        return Err(Error::Conflict(format!("a firm has at most {MOST} webhooks; remove one first")));
    }
    let id = uuid::Uuid::now_v7().to_string();
    let after = ledger::last_entry(conn)?;
    let row = (
        webhooks::id.eq(&id),
        webhooks::firm_id.eq(&firm),
        webhooks::url.eq(&new.url),
        webhooks::events_json.eq(serde_json::to_string(&new.events)?),
        webhooks::datasets_json.eq(serde_json::to_string(&new.datasets)?),
        webhooks::status.eq("active"),
        webhooks::after_seq.eq(after),
        webhooks::attempts.eq(0),
        webhooks::refusals.eq(0),
        webhooks::served_at.eq(now_naive()),
        webhooks::created_at.eq(now_naive()),
    );
    diesel::insert_into(webhooks::table).values(row).execute(conn)?;
    ledger::append(conn, Kind::WebhookRegistered, &caller.actor(), &format!("webhook:{id}"), &json!({ "firm": firm }))?;
    find(conn, &firm, &id)
}

fn find(conn: &mut Conn, firm: &str, id: &str) -> Result<Webhook> {
    let row: Option<Row> = webhooks::table.find(id).filter(webhooks::firm_id.eq(firm)).select(Row::as_select()).first(conn).optional()?;
    row.ok_or_else(|| Error::not_found("webhook", id))?.try_into()
}

/// The webhooks of the caller's firm.
///
/// # Errors
/// When the caller has no firm.
pub fn list(conn: &mut Conn, caller: &Caller) -> Result<Vec<Webhook>> {
    let of_firm = webhooks::table.filter(webhooks::firm_id.eq(caller.firm()?));
    let rows: Vec<Row> = of_firm.order(webhooks::id).select(Row::as_select()).load(conn)?;
    rows.into_iter().map(Webhook::try_from).collect()
}

/// Removes a webhook of the caller's firm, with what it would not take.
///
/// # Errors
/// When the caller is no person of the firm, or there is none of that id.
pub fn remove(conn: &mut Conn, caller: &Caller, id: &str) -> Result<()> {
    lock_ledger(conn)?;
    caller.person()?;
    let webhook = find(conn, caller.firm()?, id)?;
    diesel::delete(dead_letters::table.filter(dead_letters::webhook_id.eq(&webhook.id))).execute(conn)?;
    diesel::delete(webhooks::table.find(&webhook.id)).execute(conn)?;
    ledger::append(conn, Kind::WebhookRemoved, &caller.actor(), &format!("webhook:{id}"), &json!({ "firm": webhook.firm_id }))?;
    Ok(())
}

/// What a webhook of the caller's firm would not take, oldest first.
///
/// # Errors
/// When there is none of that id.
pub fn letters(conn: &mut Conn, caller: &Caller, id: &str, after: i64, limit: i64) -> Result<(Vec<DeadLetter>, i64)> {
    let webhook = find(conn, caller.firm()?, id)?;
    let of_it = || dead_letters::table.filter(dead_letters::webhook_id.eq(webhook.id.clone()));
    let total = of_it().count().get_result(conn)?;
    let columns = (dead_letters::seq, dead_letters::attempts, dead_letters::error, dead_letters::died_at);
    let page = of_it().filter(dead_letters::seq.gt(after)).order(dead_letters::seq).limit(limit).select(columns).load(conn)?;
    Ok((page, total))
}

/// Sends everything again that came after entry `since` of the ledger, under the same ids, and makes a disabled webhook active.
///
/// # Errors
/// When the caller is no person of the firm, there is none of that id, or the ledger has not so many entries.
pub fn replay(conn: &mut Conn, caller: &Caller, id: &str, since: i64) -> Result<Webhook> {
    lock_ledger(conn)?;
    caller.person()?;
    let webhook = find(conn, caller.firm()?, id)?;
    let last = ledger::last_entry(conn)?;
    if !(0..=last).contains(&since) {
        return Err(Error::invalid("/since", format!("give 0 to {last}")));
    }
    let again = (
        webhooks::after_seq.eq(since),
        webhooks::status.eq("active"),
        webhooks::attempts.eq(0),
        webhooks::refusals.eq(0),
        webhooks::failing_since.eq(None::<NaiveDateTime>),
        webhooks::next_at.eq(None::<NaiveDateTime>),
    );
    diesel::update(webhooks::table.find(&webhook.id)).set(again).execute(conn)?;
    // Whoever is sending at this moment has it no longer, and is given the time to notice before it is sent again.
    let held = webhooks::table.find(&webhook.id).filter(webhooks::lease_until.gt(now_naive()));
    diesel::update(held).set(webhooks::lease_until.eq(now_naive() + Duration::seconds(NOTICED_SECONDS))).execute(conn)?;
    let dead = dead_letters::table.filter(dead_letters::webhook_id.eq(&webhook.id)).filter(dead_letters::seq.gt(since));
    diesel::delete(dead).execute(conn)?;
    find(conn, &webhook.firm_id, id)
}

/// Those that have something to be sent by now, and that nobody else has, of firms that may act. `last` is the last entry that changed the list.
macro_rules! due {
    ($last:expr, $now:expr) => {
        webhooks::table
            .inner_join(firm_rows::table)
            .filter(firm_rows::status.eq(firms::APPROVED))
            .filter(webhooks::status.eq("active"))
            .filter(webhooks::after_seq.lt($last))
            .filter(webhooks::next_at.is_null().or(webhooks::next_at.le($now)))
            .filter(webhooks::lease_until.is_null().or(webhooks::lease_until.le($now)))
    };
}

/// Takes a webhook for some time that has something to be sent by now: the one that was served the longest time ago. With it comes the moment until
/// which it is taken, by which [`advance`] and [`fail`] know that it still is.
///
/// # Errors
/// When the database does not answer.
pub fn claim(conn: &mut Conn, last: i64) -> Result<Option<(Webhook, NaiveDateTime)>> {
    let now = now_naive();
    let found: Option<String> = due!(last, now).order((webhooks::served_at, webhooks::id)).select(webhooks::id).first(conn).optional()?;
    let Some(id) = found else { return Ok(None) };
    let until = now + Duration::seconds(LEASE_SECONDS);
    let free = webhooks::lease_until.is_null().or(webhooks::lease_until.le(now));
    let taken = diesel::update(webhooks::table.find(&id).filter(free))
        .set((webhooks::lease_until.eq(until), webhooks::served_at.eq(now)))
        .execute(conn)?;
    if taken == 0 {
        return Ok(None);
    }
    // As it is now that nobody else changes it: it may have been sent back meanwhile.
    let row: Row = webhooks::table.find(&id).select(Row::as_select()).first(conn)?;
    Ok(Some((row.try_into()?, until)))
}

/// Whether a webhook could be claimed now.
///
/// # Errors
/// When the database does not answer.
pub fn any_due(conn: &mut Conn, last: i64) -> Result<bool> {
    let now = now_naive();
    let count: i64 = due!(last, now).count().get_result(conn)?;
    Ok(count > 0)
}

/// Writes down that everything up to an entry was sent; `done` gives the webhook free. Answers until when it is taken now, or nothing where somebody
/// else has it by now, or it is gone: then nothing more is sent.
///
/// # Errors
/// When the database does not take it.
pub fn advance(conn: &mut Conn, id: &str, lease: NaiveDateTime, to: i64, sent: bool, done: bool) -> Result<Option<NaiveDateTime>> {
    let now = now_naive();
    let until = now + Duration::seconds(LEASE_SECONDS);
    let held = || webhooks::table.find(id).filter(webhooks::lease_until.eq(lease));
    let lease = if done { None } else { Some(until) };
    let changed = diesel::update(held()).set((webhooks::after_seq.eq(to), webhooks::lease_until.eq(lease))).execute(conn)?;
    if sent && changed > 0 {
        let taken = (
            webhooks::attempts.eq(0),
            webhooks::refusals.eq(0),
            webhooks::failing_since.eq(None::<NaiveDateTime>),
            webhooks::next_at.eq(None::<NaiveDateTime>),
            webhooks::delivered_at.eq(now),
            webhooks::last_error.eq(None::<String>),
        );
        diesel::update(webhooks::table.find(id)).set(taken).execute(conn)?;
    }
    Ok((changed > 0).then_some(until))
}

/// Why an event was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Nobody answered, or the answer was that it is not possible now.
    Unreachable(String),
    /// It answered that it does not take this.
    Refused(String),
    /// It answered that it wants nothing any more.
    Gone,
}

/// How long is waited after so many tries in vain: twice as long each time, up to an hour.
pub(super) fn wait(attempts: i32) -> Duration {
    let doubled = 1_i64 << (attempts - 1).clamp(0, 12);
    Duration::seconds(doubled.min(LONGEST_WAIT_SECONDS))
}

/// Writes down that the event of entry `seq` was not taken; what was taken before it is written down already.
///
/// # Errors
/// When the database does not take it.
pub fn fail(conn: &mut Conn, webhook: &Webhook, lease: NaiveDateTime, seq: i64, failure: &Failure) -> Result<()> {
    // Whoever sends it back or removes it takes the same things in the same order.
    lock_ledger(conn)?;
    let now = now_naive();
    let held = webhooks::table.find(&webhook.id).filter(webhooks::lease_until.eq(lease));
    let Some(row) = held.select(Row::as_select()).first::<Row>(conn).optional()? else { return Ok(()) };
    let attempts = row.attempts + 1;
    // Where nobody has tried for long, it has not failed for so long.
    let rested = row.next_at.is_some_and(|next| now - next > Duration::seconds(LONGEST_WAIT_SECONDS));
    let since = row.failing_since.filter(|_| !rested).unwrap_or(now);
    let (error, refusals) = match failure {
        Failure::Unreachable(error) => (error.clone(), row.refusals),
        Failure::Refused(error) => (error.clone(), row.refusals + 1),
        Failure::Gone => ("it answered 410: it wants nothing any more".to_owned(), row.refusals),
    };
    let told = (
        webhooks::after_seq.eq(seq - 1),
        webhooks::attempts.eq(attempts),
        webhooks::refusals.eq(refusals),
        webhooks::failing_since.eq(since),
        webhooks::next_at.eq(now + wait(attempts)),
        webhooks::lease_until.eq(None::<NaiveDateTime>),
        webhooks::last_error.eq(&error),
    );
    diesel::update(webhooks::table.find(&webhook.id)).set(told).execute(conn)?;
    if *failure == Failure::Gone || now - since > Duration::hours(GIVE_UP_HOURS) {
        diesel::update(webhooks::table.find(&webhook.id)).set(webhooks::status.eq("disabled")).execute(conn)?;
        let (subject, detail) = (format!("webhook:{}", webhook.id), json!({ "firm": webhook.firm_id, "sent_to": seq - 1 }));
        ledger::append(conn, Kind::WebhookDisabled, "service", &subject, &detail)?;
    } else if refusals >= MOST_REFUSALS {
        lay_aside(conn, &webhook.id, seq, attempts, &error)?;
    }
    Ok(())
}

fn lay_aside(conn: &mut Conn, id: &str, seq: i64, attempts: i32, error: &str) -> Result<()> {
    let known: i64 = dead_letters::table.find((id, seq)).count().get_result(conn)?;
    if known == 0 {
        let row = (
            dead_letters::webhook_id.eq(id),
            dead_letters::seq.eq(seq),
            dead_letters::attempts.eq(attempts),
            dead_letters::error.eq(error),
            dead_letters::died_at.eq(now_naive()),
        );
        diesel::insert_into(dead_letters::table).values(row).execute(conn)?;
    }
    // It goes on failing until something is taken.
    let next =
        (webhooks::after_seq.eq(seq), webhooks::attempts.eq(0), webhooks::refusals.eq(0), webhooks::next_at.eq(None::<NaiveDateTime>));
    diesel::update(webhooks::table.find(id)).set(next).execute(conn)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_an_hour() {
        let seconds: Vec<i64> = [1, 2, 3, 7, 12, 13, 40].map(|attempts| wait(attempts).num_seconds()).to_vec();
        assert_eq!(seconds, [1, 2, 4, 64, 2048, 3600, 3600]);
    }
}
