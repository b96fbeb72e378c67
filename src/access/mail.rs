//! Mail: people of firms to whom the changes of the list are told, some together in one letter. 邮件订阅
//!
//! Nothing is sent to an address but one letter that asks, until somebody who reads it has said yes. The address is sealed here; a keyed tag of it, which
//! nobody can turn back, tells whether it is another one's too. Letters themselves are in [`outbox`].

pub mod outbox;

use chrono::{Duration, NaiveDateTime};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::webhooks::{NOTICED_SECONDS, check_wish};
use crate::clock::now_naive;
use crate::crypto::{MasterKey, base64url, random_token, sha256_hex, unbase64url};
use crate::db::schema::{dead_mails, mail_confirmations, mail_subscriptions};
use crate::db::{Conn, lock_ledger};
use crate::error::{Error, Result};
use crate::identity::{Caller, firms};
use crate::ledger::{self, Kind};

/// How many subscriptions a firm may have.
const MOST: i64 = 10;

/// How many confirmations a day go to one address, whoever asks for them.
const MOST_OF_ADDRESS: usize = 3;

/// How many confirmations a day one firm asks for.
const MOST_OF_FIRM: usize = 20;

/// How long the link of a confirmation holds.
const CONFIRM_DAYS: i64 = 3;

/// It waits for its confirmation.
const PENDING: &str = "pending";

/// Its letters are sent.
const ACTIVE: &str = "active";

/// Nothing more is sent, until it is replayed.
const DISABLED: &str = "disabled";

/// An address to which the changes of the list are sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MailSubscription {
    /// Its id.
    pub id: String,
    /// The address. Only people of the firm see it.
    pub address: String,
    /// The events that are told; all of them where the list is empty.
    pub events: Vec<String>,
    /// The datasets whose events are told, by slug; all of them where the list is empty.
    pub datasets: Vec<String>,
    /// `pending` until the address is confirmed, `active`, or `disabled`: the mail server said that there is no such address, or took nothing for 72 hours.
    /// A replay makes it active again.
    pub status: String,
    /// The entry of the ledger at which the address was confirmed: nothing before it is told.
    pub confirmed_at_entry: Option<i64>,
    /// The entry of the ledger up to which everything was told.
    pub sent_to: i64,
    /// How many times the letter that comes next was tried in vain.
    pub attempts: i32,
    /// When the next letter leaves, where one waits: for what else happens within a minute, or after a try in vain.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize_option")]
    pub next_at: Option<NaiveDateTime>,
    /// Why the last try was in vain.
    pub last_error: Option<String>,
    /// When the mail server took the last letter.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize_option")]
    pub delivered_at: Option<NaiveDateTime>,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    pub created_at: NaiveDateTime,
}

/// A letter that the mail server would not take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema, Queryable)]
pub struct DeadMail {
    /// The letter told what came after this entry of the ledger: `since` of a replay.
    pub after: i64,
    /// The letter told what came up to this entry.
    pub to: i64,
    /// How many times it was tried.
    pub attempts: i32,
    /// What the mail server answered last.
    pub error: String,
    /// When it was laid aside.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    pub died_at: NaiveDateTime,
}

/// What a firm asks for.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMailSubscription {
    /// The address of somebody who wants to be told.
    #[schema(example = "somebody@example.com", max_length = 254)]
    pub address: String,
    /// Only these events, as webhooks have them; all of them without it.
    #[serde(default)]
    pub events: Vec<String>,
    /// Only events of these datasets, by slug; all of them without it.
    #[serde(default)]
    pub datasets: Vec<String>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = mail_subscriptions)]
struct Row {
    id: String,
    firm_id: String,
    sealed_address: Vec<u8>,
    events_json: String,
    datasets_json: String,
    status: String,
    sealed_token: Option<Vec<u8>>,
    confirmed_seq: Option<i64>,
    after_seq: i64,
    letter_id: Option<String>,
    letter_to: Option<i64>,
    attempts: i32,
    refusals: i32,
    failing_since: Option<NaiveDateTime>,
    next_at: Option<NaiveDateTime>,
    last_error: Option<String>,
    delivered_at: Option<NaiveDateTime>,
    created_at: NaiveDateTime,
}

impl Row {
    fn address(&self, master: &MasterKey) -> Result<String> {
        String::from_utf8(master.open(&address_label(&self.id), &self.sealed_address)?).map_err(Error::internal)
    }

    fn shown(self, master: &MasterKey) -> Result<MailSubscription> {
        Ok(MailSubscription {
            address: self.address(master)?,
            events: serde_json::from_str(&self.events_json)?,
            datasets: serde_json::from_str(&self.datasets_json)?,
            id: self.id,
            status: self.status,
            confirmed_at_entry: self.confirmed_seq,
            sent_to: self.after_seq,
            attempts: self.attempts,
            next_at: self.next_at,
            last_error: self.last_error,
            delivered_at: self.delivered_at,
            created_at: self.created_at,
        })
    }
}

fn address_label(id: &str) -> String {
    format!("mail-address\n{id}")
}

fn token_label(id: &str) -> String {
    format!("mail-token\n{id}")
}

/// What tells whether two addresses are the same, and nothing else of them. Nearly all servers take capitals for small letters, also before the `@`.
fn tag_of(master: &MasterKey, address: &str) -> String {
    master.derive("mail-address").hex(address.to_lowercase().as_bytes())
}

fn subject_of(id: &str) -> String {
    format!("mail:{id}")
}

/// Asks for a subscription of the caller's firm: the address is sent a letter that asks whether it wants it. The address has been checked already.
///
/// # Errors
/// When the caller is no person of an approved firm, a name is unknown, the firm has the address or ten others already, or was asked too much of the
/// address.
pub fn subscribe(conn: &mut Conn, caller: &Caller, master: &MasterKey, new: &NewMailSubscription) -> Result<MailSubscription> {
    lock_ledger(conn)?;
    caller.person()?;
    let firm = firms::require_approved(conn, caller.firm()?)?.id;
    check_wish(conn, &new.events, &new.datasets)?;
    let tag = tag_of(master, &new.address);
    require_room(conn, &firm, &tag)?;
    let (id, token, now) = (uuid::Uuid::now_v7().to_string(), random_token("qdm_")?, now_naive());
    let row = (
        mail_subscriptions::id.eq(&id),
        mail_subscriptions::firm_id.eq(&firm),
        mail_subscriptions::sealed_address.eq(master.seal(&address_label(&id), new.address.as_bytes())?),
        mail_subscriptions::address_tag.eq(&tag),
        mail_subscriptions::events_json.eq(serde_json::to_string(&new.events)?),
        mail_subscriptions::datasets_json.eq(serde_json::to_string(&new.datasets)?),
        mail_subscriptions::status.eq(PENDING),
        mail_subscriptions::token_sha256.eq(sha256_hex(token.as_bytes())),
        // Until the letter has left; then the hash alone is kept.
        mail_subscriptions::sealed_token.eq(master.seal(&token_label(&id), token.as_bytes())?),
        mail_subscriptions::token_expires_at.eq(now + Duration::days(CONFIRM_DAYS)),
        mail_subscriptions::after_seq.eq(ledger::last_entry(conn)?),
        mail_subscriptions::letter_id.eq(uuid::Uuid::now_v7().to_string()),
        mail_subscriptions::attempts.eq(0),
        mail_subscriptions::refusals.eq(0),
        mail_subscriptions::served_at.eq(now),
        mail_subscriptions::created_at.eq(now),
    );
    diesel::insert_into(mail_subscriptions::table).values(row).execute(conn)?;
    let asked = (
        mail_confirmations::id.eq(&id),
        mail_confirmations::firm_id.eq(&firm),
        mail_confirmations::address_tag.eq(&tag),
        mail_confirmations::asked_at.eq(now),
    );
    diesel::insert_into(mail_confirmations::table).values(asked).execute(conn)?;
    ledger::append(conn, Kind::MailSubscribed, &caller.actor(), &subject_of(&id), &json!({ "firm": firm }))?;
    find(conn, &firm, &id)?.shown(master)
}

/// That the firm may have the address asked now.
fn require_room(conn: &mut Conn, firm: &str, tag: &str) -> Result<()> {
    let of_firm = || mail_subscriptions::table.filter(mail_subscriptions::firm_id.eq(firm.to_owned()));
    let same: i64 = of_firm().filter(mail_subscriptions::address_tag.eq(tag)).count().get_result(conn)?;
    if same > 0 {
        return Err(Error::Conflict("the firm has a subscription of this address already; remove that first".to_owned()));
    }
    let there: i64 = of_firm().count().get_result(conn)?;
    if there >= MOST {
        return Err(Error::Conflict(format!("a firm has at most {MOST} mail subscriptions; remove one first")));
    }
    let since = now_naive() - Duration::days(1);
    let asked: Vec<(String, String, NaiveDateTime)> = mail_confirmations::table
        .filter(mail_confirmations::asked_at.gt(since))
        .filter(mail_confirmations::address_tag.eq(tag).or(mail_confirmations::firm_id.eq(firm)))
        .order(mail_confirmations::asked_at)
        .select((mail_confirmations::firm_id, mail_confirmations::address_tag, mail_confirmations::asked_at))
        .load(conn)?;
    // The one that has to be a day old before there is room again.
    let first = |most: usize, counts: &dyn Fn(&str, &str) -> bool| {
        let times: Vec<NaiveDateTime> = asked.iter().filter(|(by, of, _)| counts(by, of)).map(|(_, _, at)| *at).collect();
        times.len().checked_sub(most).and_then(|over| times.get(over).copied())
    };
    let full =
        [first(1, &|by, of| by == firm && of == tag), first(MOST_OF_ADDRESS, &|_, of| of == tag), first(MOST_OF_FIRM, &|by, _| by == firm)];
    match full.into_iter().flatten().max() {
        None => Ok(()),
        Some(at) => Err(Error::RateLimited {
            reason: "this address, or this firm, has had as many confirmations as a day allows".to_owned(),
            retry_after_seconds: (at - since).num_seconds().max(1).unsigned_abs(),
        }),
    }
}

fn find(conn: &mut Conn, firm: &str, id: &str) -> Result<Row> {
    let of_firm = mail_subscriptions::table.find(id).filter(mail_subscriptions::firm_id.eq(firm));
    let row: Option<Row> = of_firm.select(Row::as_select()).first(conn).optional()?;
    row.ok_or_else(|| Error::not_found("mail subscription", id))
}

/// The mail subscriptions of the caller's firm, for its people.
///
/// # Errors
/// When the caller is no person of a firm.
pub fn list(conn: &mut Conn, caller: &Caller, master: &MasterKey) -> Result<Vec<MailSubscription>> {
    caller.person()?;
    let of_firm = mail_subscriptions::table.filter(mail_subscriptions::firm_id.eq(caller.firm()?));
    let rows: Vec<Row> = of_firm.order(mail_subscriptions::id).select(Row::as_select()).load(conn)?;
    rows.into_iter().map(|row| row.shown(master)).collect()
}

/// Removes a subscription of the caller's firm, with the address and what was not taken.
///
/// # Errors
/// When the caller is no person of the firm, or there is none of that id.
pub fn remove(conn: &mut Conn, caller: &Caller, id: &str) -> Result<()> {
    lock_ledger(conn)?;
    caller.person()?;
    let row = find(conn, caller.firm()?, id)?;
    forget(conn, &row, &caller.actor(), "removed")
}

fn forget(conn: &mut Conn, row: &Row, actor: &str, because: &str) -> Result<()> {
    diesel::delete(dead_mails::table.filter(dead_mails::subscription_id.eq(&row.id))).execute(conn)?;
    diesel::delete(mail_subscriptions::table.find(&row.id)).execute(conn)?;
    let detail = json!({ "firm": row.firm_id, "because": because });
    ledger::append(conn, Kind::MailEnded, actor, &subject_of(&row.id), &detail)?;
    Ok(())
}

/// What the mail server would not take of a subscription of the caller's firm, oldest first.
///
/// # Errors
/// When the caller is no person of the firm, or there is none of that id.
pub fn letters(conn: &mut Conn, caller: &Caller, id: &str, after: i64, limit: i64) -> Result<(Vec<DeadMail>, i64)> {
    caller.person()?;
    let row = find(conn, caller.firm()?, id)?;
    let of_it = || dead_mails::table.filter(dead_mails::subscription_id.eq(row.id.clone()));
    let total = of_it().count().get_result(conn)?;
    let columns = (dead_mails::after_seq, dead_mails::to_seq, dead_mails::attempts, dead_mails::error, dead_mails::died_at);
    let page = of_it().filter(dead_mails::to_seq.gt(after)).order(dead_mails::to_seq).limit(limit).select(columns).load(conn)?;
    Ok((page, total))
}

/// Tells everything again that came after entry `since` of the ledger and after the confirmation, and makes a disabled subscription active.
///
/// # Errors
/// When the caller is no person of the firm, there is none of that id, it was never confirmed, or `since` lies outside of that.
pub fn replay(conn: &mut Conn, caller: &Caller, master: &MasterKey, id: &str, since: i64) -> Result<MailSubscription> {
    lock_ledger(conn)?;
    caller.person()?;
    let row = find(conn, caller.firm()?, id)?;
    let Some(confirmed) = row.confirmed_seq else {
        return Err(Error::Conflict("the address was never confirmed; remove the subscription and ask for it again".to_owned()));
    };
    let last = ledger::last_entry(conn)?;
    if !(confirmed..=last).contains(&since) {
        return Err(Error::invalid("/since", format!("give {confirmed}, where it was confirmed, to {last}")));
    }
    let again = (
        mail_subscriptions::after_seq.eq(since),
        mail_subscriptions::status.eq(ACTIVE),
        mail_subscriptions::letter_id.eq(None::<String>),
        mail_subscriptions::letter_to.eq(None::<i64>),
        mail_subscriptions::attempts.eq(0),
        mail_subscriptions::refusals.eq(0),
        mail_subscriptions::failing_since.eq(None::<NaiveDateTime>),
        mail_subscriptions::next_at.eq(None::<NaiveDateTime>),
    );
    diesel::update(mail_subscriptions::table.find(&row.id)).set(again).execute(conn)?;
    // Whoever is sending at this moment has it no longer, and is given the time to notice before it is sent again.
    let held = mail_subscriptions::table.find(&row.id).filter(mail_subscriptions::lease_until.gt(now_naive()));
    diesel::update(held).set(mail_subscriptions::lease_until.eq(now_naive() + Duration::seconds(NOTICED_SECONDS))).execute(conn)?;
    let dead = dead_mails::table.filter(dead_mails::subscription_id.eq(&row.id)).filter(dead_mails::to_seq.gt(since));
    diesel::delete(dead).execute(conn)?;
    find(conn, &row.firm_id, id)?.shown(master)
}

/// The subscription whose confirmation has this token, as long as its link holds.
fn of_token(conn: &mut Conn, token: &str) -> Result<Option<Row>> {
    let of_it = mail_subscriptions::table.filter(mail_subscriptions::token_sha256.eq(sha256_hex(token.as_bytes())));
    let holds = of_it.filter(mail_subscriptions::token_expires_at.gt(now_naive())).filter(mail_subscriptions::status.ne(DISABLED));
    Ok(holds.select(Row::as_select()).first(conn).optional()?)
}

/// How far the confirmation behind a link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmation {
    /// It can be given.
    Open,
    /// It was given.
    Given,
    /// There is none, or its time is over.
    Over,
}

/// How far the confirmation with that token is. It changes nothing: programs that look after mail follow links.
///
/// # Errors
/// When the database does not answer.
pub fn confirmation(conn: &mut Conn, token: &str) -> Result<Confirmation> {
    Ok(match of_token(conn, token)? {
        None => Confirmation::Over,
        Some(row) if row.status == PENDING => Confirmation::Open,
        Some(_active) => Confirmation::Given,
    })
}

/// Somebody who reads the address's mail wants it: what happens from now on is told. Twice is as good as once.
///
/// # Errors
/// When the database does not take it.
pub fn confirm(conn: &mut Conn, caller: &Caller, token: &str) -> Result<Confirmation> {
    lock_ledger(conn)?;
    let Some(row) = of_token(conn, token)? else { return Ok(Confirmation::Over) };
    if row.status != PENDING {
        return Ok(Confirmation::Given);
    }
    ledger::append(conn, Kind::MailConfirmed, &caller.actor(), &subject_of(&row.id), &json!({ "firm": row.firm_id }))?;
    let last = ledger::last_entry(conn)?;
    let active = (
        mail_subscriptions::status.eq(ACTIVE),
        mail_subscriptions::sealed_token.eq(None::<Vec<u8>>),
        mail_subscriptions::confirmed_seq.eq(last),
        mail_subscriptions::after_seq.eq(last),
        mail_subscriptions::letter_id.eq(None::<String>),
        mail_subscriptions::attempts.eq(0),
        mail_subscriptions::refusals.eq(0),
        mail_subscriptions::failing_since.eq(None::<NaiveDateTime>),
        mail_subscriptions::next_at.eq(None::<NaiveDateTime>),
        mail_subscriptions::lease_until.eq(None::<NaiveDateTime>),
        mail_subscriptions::last_error.eq(None::<String>),
    );
    diesel::update(mail_subscriptions::table.find(&row.id)).set(active).execute(conn)?;
    Ok(Confirmation::Given)
}

/// What the link in each letter of a subscription ends it by: of the master key and its id, so that it stands nowhere.
pub fn unsubscribe_token(master: &MasterKey, id: &str) -> String {
    format!("{id}.{}", base64url(&master.derive("mail-unsubscribe").tag(id.as_bytes())))
}

/// The subscription that a token ends, whether there still is one or not.
///
/// # Errors
/// When the token is none of ours.
pub fn unsubscribes<'t>(master: &MasterKey, token: &'t str) -> Result<&'t str> {
    let given = token.split_once('.').and_then(|(id, tag)| Some((id, unbase64url(tag)?)));
    match given {
        Some((id, tag)) if master.derive("mail-unsubscribe").verifies_tag(id.as_bytes(), &tag) => Ok(id),
        Some(_) | None => Err(Error::not_found("link", "unsubscribe")),
    }
}

/// Ends a subscription for its recipient, and forgets the address. What is ended already stays so.
///
/// # Errors
/// When the database does not take it.
pub fn unsubscribe(conn: &mut Conn, caller: &Caller, id: &str) -> Result<()> {
    lock_ledger(conn)?;
    let row: Option<Row> = mail_subscriptions::table.find(id).select(Row::as_select()).first(conn).optional()?;
    row.map_or(Ok(()), |row| forget(conn, &row, &caller.actor(), "unsubscribed"))
}

/// Forgets what was not confirmed in time, and who asked for confirmations more than a day ago.
///
/// # Errors
/// When the database does not answer.
pub fn expire(conn: &mut Conn) -> Result<usize> {
    lock_ledger(conn)?;
    let now = now_naive();
    let over =
        mail_subscriptions::table.filter(mail_subscriptions::confirmed_seq.is_null()).filter(mail_subscriptions::token_expires_at.le(now));
    let rows: Vec<Row> = over.order(mail_subscriptions::id).select(Row::as_select()).load(conn)?;
    for row in &rows {
        forget(conn, row, "service", "expired")?;
    }
    diesel::delete(mail_confirmations::table.filter(mail_confirmations::asked_at.le(now - Duration::days(1)))).execute(conn)?;
    Ok(rows.len())
}
