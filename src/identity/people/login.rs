//! Logging in, and passwords. Hashing takes long and is done before the transaction, which decides: it counts wrong tries, and looks whether the
//! password is still the one that was compared.

use diesel::prelude::*;
use serde_json::json;

use super::Person;
use super::lockout::{self, Tried};
use super::sessions::{self, Origin, Started};
use crate::crypto::MasterKey;
use crate::db::schema::people;
use crate::db::{Conn, lock_ledger};
use crate::error::{Error, Result};
use crate::identity::{PersonIdentity, password, second_factor};
use crate::ledger::{self, Kind};
use crate::settings::SignInSettings;

/// A person and the hash of their password.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The person.
    pub id: String,
    /// The argon2id hash.
    pub hash: String,
}

impl Stored {
    /// Whether it is still so.
    fn holds(&self, conn: &mut Conn) -> Result<bool> {
        let same =
            people::table.filter(people::id.eq(&self.id)).filter(people::password_hash.eq(&self.hash)).filter(people::status.eq("active"));
        let count: i64 = same.count().get_result(conn)?;
        Ok(count > 0)
    }
}

/// What is stored behind a username, if there is somebody.
///
/// # Errors
/// When the database does not answer.
fn stored_of(conn: &mut Conn, username: &str) -> Result<Option<Stored>> {
    let found: Option<(String, String)> = people::table
        .filter(people::username.eq(username))
        .filter(people::status.eq("active"))
        .select((people::id, people::password_hash))
        .first(conn)
        .optional()?;
    Ok(found.map(|(id, hash)| Stored { id, hash }))
}

/// What a password for this username is compared to.
///
/// # Errors
/// As long as a lock lasts for the username, whoever has it.
pub fn begin(conn: &mut Conn, master: &MasterKey, username: &str, network: &str) -> Result<Option<Stored>> {
    match refusal(conn, &Tried::login(master, username, network))? {
        Some(refusal) => Err(refusal),
        None => stored_of(conn, username),
    }
}

/// The refusal of a log-in, as long as a lock of either kind lasts.
fn refusal(conn: &mut Conn, tried: &[Tried; 2]) -> Result<Option<Error>> {
    let [here, anywhere] = tried;
    match lockout::refusal(conn, here)? {
        Some(refusal) => Ok(Some(refusal)),
        None => lockout::refusal(conn, anywhere),
    }
}

/// Compares a password, taking the same time whether or not there is somebody.
///
/// # Errors
/// When the stored hash cannot be read.
pub fn verify(password: &str, stored: Option<&Stored>) -> Result<bool> {
    password::verify(password, stored.map(|stored| stored.hash.as_str()))
}

/// Somebody who logs in, whose password was compared.
pub struct Attempt {
    /// The name that was given.
    pub username: String,
    /// The network of the address that it comes from.
    pub network: String,
    /// What stands behind it.
    pub stored: Option<Stored>,
    /// Whether the password was the right one.
    pub right: bool,
    /// The code of the second factor, where one was given.
    pub code: Option<String>,
    /// Where the session starts from.
    pub origin: Origin,
}

/// Decides who is logged in. The refusal is inside: what was counted stays.
///
/// # Errors
/// When the database does not take it.
pub fn decide(conn: &mut Conn, master: &MasterKey, settings: &SignInSettings, attempt: Attempt) -> Result<Result<Started>> {
    lock_ledger(conn)?;
    let tried = Tried::login(master, &attempt.username, &attempt.network);
    // Also those whose password was being compared while the lock began.
    if let Some(refusal) = refusal(conn, &tried)? {
        return Ok(Err(refusal));
    }
    let right = match &attempt.stored {
        Some(stored) => attempt.right && stored.holds(conn)?,
        None => false,
    };
    let Some(stored) = attempt.stored.as_ref().filter(|_| right) else {
        return refuse(conn, &tried, attempt.stored.as_ref(), "the username or the password is wrong");
    };
    let enrolled = second_factor::is_enrolled(conn, &stored.id)?;
    if enrolled {
        let Some(code) = attempt.code.as_deref().filter(|code| !code.trim().is_empty()) else {
            // Neither wrong nor right: it counts nothing and clears nothing.
            return Ok(Err(Error::SecondFactorRequired));
        };
        if !second_factor::spend(conn, master, &stored.id, code)? {
            return refuse(conn, &tried, Some(stored), "the code is wrong, or was used already; wait for the next one");
        }
    }
    for tried in &tried {
        lockout::clear(conn, tried)?;
    }
    sessions::start(conn, settings, &stored.id, attempt.origin, enrolled).map(Ok)
}

fn refuse(conn: &mut Conn, tried: &[Tried; 2], stored: Option<&Stored>, reason: &str) -> Result<Result<Started>> {
    if let Some(stored) = stored {
        ledger::append(conn, Kind::SessionRefused, "anonymous", &format!("person:{}", stored.id), &json!({}))?;
    }
    for tried in tried {
        lockout::count(conn, tried, stored.map(|stored| stored.id.as_str()))?;
    }
    Ok(Err(Error::Unauthenticated(reason.to_owned())))
}

/// What the password of a person with a session is compared to, who is asked for it again; with the username.
///
/// # Errors
/// As long as a lock lasts, or when there is no such person.
pub fn begin_again(conn: &mut Conn, master: &MasterKey, person: &PersonIdentity) -> Result<(String, Stored)> {
    if let Some(refusal) = lockout::refusal(conn, &Tried::session(master, &person.id))? {
        return Err(refusal);
    }
    let (username, hash) = people::table.find(&person.id).select((people::username, people::password_hash)).first(conn)?;
    Ok((username, Stored { id: person.id.clone(), hash }))
}

/// Decides whether a person with a session gave the password. The refusal is inside: what was counted stays. `pointer` is where the password stood.
///
/// # Errors
/// When the database does not take it.
pub fn decide_again(conn: &mut Conn, master: &MasterKey, stored: &Stored, right: bool, pointer: &str) -> Result<Result<()>> {
    lock_ledger(conn)?;
    let tried = Tried::session(master, &stored.id);
    if let Some(refusal) = lockout::refusal(conn, &tried)? {
        return Ok(Err(refusal));
    }
    if right && stored.holds(conn)? {
        lockout::clear(conn, &tried)?;
        return Ok(Ok(()));
    }
    lockout::count(conn, &tried, Some(&stored.id))?;
    Ok(Err(Error::invalid(pointer, "this is not the password until now")))
}

/// Sets a person's own password and ends their other sessions. Answers the new token of a browser's session.
///
/// # Errors
/// When the database does not take it.
pub fn set_password(conn: &mut Conn, person: &PersonIdentity, hash: &str) -> Result<Option<String>> {
    diesel::update(people::table.find(&person.id))
        .set((people::password_hash.eq(hash), people::one_time_password.eq(false)))
        .execute(conn)?;
    sessions::end_others(conn, person)?;
    let who = format!("person:{}", person.id);
    ledger::append(conn, Kind::PasswordChanged, &who, &who, &json!({}))?;
    sessions::renew(conn, person)
}

/// Gives a person a one-time password, and ends the sessions and a lock: the way back in when the password is lost.
///
/// # Errors
/// When there is no such account, or it is revoked.
pub fn reset_password(conn: &mut Conn, master: &MasterKey, username: &str, hash: &str) -> Result<()> {
    let Stored { id, .. } = stored_of(conn, username)?.ok_or_else(|| Error::not_found("active account", username))?;
    one_time(conn, master, &id, username, hash)?;
    ledger::append(conn, Kind::PasswordChanged, "service", &format!("person:{id}"), &json!({ "reset": true }))?;
    Ok(())
}

/// [`reset_password`] by an operator, for somebody else.
///
/// # Errors
/// When it is the operator's own account, there is none, or it is revoked.
pub fn reset_password_of(
    conn: &mut Conn,
    master: &MasterKey,
    operator: &PersonIdentity,
    id: &str,
    hash: &str,
    reason: &str,
) -> Result<Person> {
    if operator.id == id {
        return Err(Error::Conflict("nobody resets their own password; change it, or ask another operator".to_owned()));
    }
    lock_ledger(conn)?;
    let username = super::find(conn, id)?.username;
    let stored = stored_of(conn, &username)?.ok_or_else(|| Error::Conflict("the account is revoked".to_owned()))?;
    one_time(conn, master, &stored.id, &username, hash)?;
    let (actor, subject) = (format!("person:{}", operator.id), format!("person:{id}"));
    ledger::append_with_reason(conn, Kind::PasswordChanged, &actor, &subject, json!({ "reset": true }), reason)?;
    super::find(conn, id)
}

fn one_time(conn: &mut Conn, master: &MasterKey, id: &str, username: &str, hash: &str) -> Result<()> {
    diesel::update(people::table.find(id)).set((people::password_hash.eq(hash), people::one_time_password.eq(true))).execute(conn)?;
    sessions::end_all(conn, id)?;
    lockout::clear_name(conn, master, username)
}

/// The person behind a username.
///
/// # Errors
/// When there is no such account, or it is revoked.
pub fn id_of(conn: &mut Conn, username: &str) -> Result<String> {
    Ok(stored_of(conn, username)?.ok_or_else(|| Error::not_found("active account", username))?.id)
}
