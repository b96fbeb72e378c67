//! Lock-out: wrong passwords and codes in a row make the next try wait, longer each time. While a lock lasts even the right password is refused.
//!
//! At the log-in tries are counted for a name and the network that they come from, so that a stranger does not keep the owner out; and more patiently for
//! the name alone, so that guessing at one account is slow however many addresses it comes from.
//!
//! A name that nobody has is counted like any other. What is kept are keyed digests of names and networks: the table says nothing about who exists, or
//! what was tried from where. Sessions go on while a lock lasts, and count apart.

use chrono::{Duration, NaiveDateTime};
use diesel::prelude::*;
use serde_json::json;

use crate::clock::now_naive;
use crate::crypto::MasterKey;
use crate::db::schema::lockouts;
use crate::db::{Conn, lock_ledger};
use crate::error::{Error, Result};
use crate::ledger::{self, Kind};

/// Wrong tries in a row before the first lock.
const FREE: i32 = 5;

/// The same for a name alone, from wherever the tries come.
const FREE_ANYWHERE: i32 = 10 * FREE;

/// The longest lock.
const LONGEST_SECONDS: i64 = 15 * 60;

/// After how long without a wrong try they are forgotten.
const FORGET_HOURS: i64 = 24;

/// How many names are kept; beyond, the oldest that are not locked are forgotten.
const MOST: i64 = 100_000;

/// For whom something was tried.
pub struct Tried {
    /// A keyed digest of the name, and of where the tries come from where that counts.
    name: String,
    /// A keyed digest of the name alone.
    of_name: String,
    /// Who tries, as the ledger names them.
    actor: String,
    /// Wrong tries in a row before the first lock.
    free: i32,
}

impl Tried {
    /// Somebody who logs in with this name from this network, whether or not anybody has it: counted for both together, and for the name alone.
    pub fn login(master: &MasterKey, username: &str, network: &str) -> [Self; 2] {
        let (key, anywhere) = (master.derive("lockout"), Self::name(master, username));
        // Neither has a line's end in it.
        let name = key.hex(format!("login\n{username}\n{network}").as_bytes());
        [Tried { name, free: FREE, of_name: anywhere.of_name.clone(), actor: anywhere.actor.clone() }, anywhere]
    }

    /// Somebody who logs in with this name, from wherever.
    fn name(master: &MasterKey, username: &str) -> Self {
        let name = master.derive("lockout").hex(format!("login\n{username}").as_bytes());
        Tried { of_name: name.clone(), name, actor: "anonymous".to_owned(), free: FREE_ANYWHERE }
    }

    /// A person with a session, who is asked for the password again. Counted apart: strangers cannot keep somebody from what a session may do.
    pub fn session(master: &MasterKey, person_id: &str) -> Self {
        Self::in_session(master, "session", person_id)
    }

    /// A person with a session, who is asked for a code. Counted apart from the password: whoever knows that one would clear the wrong codes with it.
    pub fn code(master: &MasterKey, person_id: &str) -> Self {
        Self::in_session(master, "session-code", person_id)
    }

    fn in_session(master: &MasterKey, what: &str, person_id: &str) -> Self {
        let name = master.derive("lockout").hex(format!("{what}\n{person_id}").as_bytes());
        Tried { of_name: name.clone(), name, actor: format!("person:{person_id}"), free: FREE }
    }
}

/// How long the next try waits after so many wrong ones in a row: 1 s after those that are free, twice as long after each more, a quarter of an hour at most.
fn wait_seconds(failures: i32, free: i32) -> i64 {
    let beyond = failures - free;
    if beyond < 0 {
        return 0;
    }
    // 2^10 is beyond the longest already.
    (1 << beyond.min(10)).min(LONGEST_SECONDS)
}

/// The refusal of a try, as long as a lock lasts.
///
/// # Errors
/// When the database does not answer.
pub fn refusal(conn: &mut Conn, tried: &Tried) -> Result<Option<Error>> {
    let row: Option<Option<NaiveDateTime>> = lockouts::table.find(&tried.name).select(lockouts::locked_until).first(conn).optional()?;
    let left = row.flatten().map_or(0, |until| (until - now_naive()).num_milliseconds());
    if left <= 0 {
        return Ok(None);
    }
    let retry_after_seconds = left.unsigned_abs().div_ceil(1000);
    let reason = format!("too many wrong passwords or codes in a row; come back in {retry_after_seconds} s");
    Ok(Some(Error::RateLimited { reason, retry_after_seconds }))
}

/// Counts a wrong try, and locks where it was one too many. `person` is whoever it was tried for, where there is somebody.
///
/// # Errors
/// When the database does not take it.
pub fn count(conn: &mut Conn, tried: &Tried, person: Option<&str>) -> Result<()> {
    // Replicas count together: one reads what the other has written.
    lock_ledger(conn)?;
    let now = now_naive();
    let known: Option<i32> = lockouts::table.find(&tried.name).select(lockouts::failures).first(conn).optional()?;
    let failures = known.unwrap_or(0).saturating_add(1);
    let seconds = wait_seconds(failures, tried.free);
    let until = (seconds > 0).then(|| now + Duration::seconds(seconds));
    let values = (lockouts::failures.eq(failures), lockouts::locked_until.eq(until), lockouts::failed_at.eq(now));
    match known {
        Some(_) => diesel::update(lockouts::table.find(&tried.name)).set(values).execute(conn)?,
        None => diesel::insert_into(lockouts::table)
            .values((lockouts::name_hmac.eq(&tried.name), lockouts::of_name.eq(&tried.of_name), values.0, values.1, values.2))
            .execute(conn)?,
    };
    if seconds > 0 {
        let subject = format!("person:{}", person.unwrap_or("unknown"));
        ledger::append(conn, Kind::SessionLocked, &tried.actor, &subject, &json!({ "failures": failures, "seconds": seconds }))?;
    }
    Ok(())
}

/// Forgets the wrong tries: a right one came.
///
/// # Errors
/// When the database does not take it.
pub fn clear(conn: &mut Conn, tried: &Tried) -> Result<()> {
    diesel::delete(lockouts::table.find(&tried.name)).execute(conn)?;
    Ok(())
}

/// Forgets the wrong tries at the log-in for a name, from wherever: its person has a new password.
///
/// # Errors
/// When the database does not take it.
pub fn clear_name(conn: &mut Conn, master: &MasterKey, username: &str) -> Result<()> {
    diesel::delete(lockouts::table.filter(lockouts::of_name.eq(Tried::name(master, username).of_name))).execute(conn)?;
    Ok(())
}

/// Forgets wrong tries that are long ago, and the oldest where there are too many.
///
/// # Errors
/// When the database does not answer.
pub(super) fn forget(conn: &mut Conn) -> Result<()> {
    forget_beyond(conn, MOST)
}

fn forget_beyond(conn: &mut Conn, most: i64) -> Result<()> {
    let now = now_naive();
    diesel::delete(lockouts::table.filter(lockouts::failed_at.lt(now - Duration::hours(FORGET_HOURS)))).execute(conn)?;
    let newest_beyond: Option<NaiveDateTime> =
        lockouts::table.order(lockouts::failed_at.desc()).offset(most).limit(1).select(lockouts::failed_at).first(conn).optional()?;
    if let Some(newest) = newest_beyond {
        let free = lockouts::locked_until.is_null().or(lockouts::locked_until.lt(now));
        diesel::delete(lockouts::table.filter(lockouts::failed_at.le(newest)).filter(free)).execute(conn)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wrong_try_beyond_the_fifth_doubles_the_wait() {
        let waits: Vec<i64> = (0..8).map(|failures| wait_seconds(failures, FREE)).collect();
        assert_eq!(waits, [0, 0, 0, 0, 0, 1, 2, 4]);
        assert_eq!([14, 15, 16, i32::MAX].map(|failures| wait_seconds(failures, FREE)), [512, 900, 900, 900]);
        assert_eq!([49, 50, 51].map(|failures| wait_seconds(failures, FREE_ANYWHERE)), [0, 1, 2]);
    }

    #[test]
    fn a_name_and_an_account_are_counted_apart_and_not_kept() {
        let master = MasterKey::from_hex(&"07".repeat(32)).unwrap();
        let [here, anywhere] = Tried::login(&master, "anna", "here");
        let [there, same] = Tried::login(&master, "anna", "there");
        assert_eq!((&anywhere.name, &here.of_name), (&same.name, &there.of_name));
        let all = [here.name, there.name, anywhere.name, Tried::session(&master, "anna").name, Tried::code(&master, "anna").name];
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), 5);
        assert!(!all.iter().any(|name| name.contains("anna")));
    }

    #[test]
    fn of_too_many_names_the_oldest_that_are_free_are_forgotten() {
        let (dir, master) = (tempfile::tempdir().unwrap(), MasterKey::from_hex(&"07".repeat(32)).unwrap());
        let db = crate::db::Db::open(&format!("sqlite:{}", dir.path().join("test.sqlite").display())).unwrap();
        let names = ["locked", "oldest", "older", "newest"];
        db.write_now(|conn| {
            for (age, name) in names.iter().rev().enumerate() {
                let tried = Tried::name(&master, name);
                count(conn, &tried, None)?;
                let at = now_naive() - Duration::minutes(i64::try_from(age).unwrap());
                diesel::update(lockouts::table.find(&tried.name)).set(lockouts::failed_at.eq(at)).execute(conn)?;
            }
            let until = now_naive() + Duration::minutes(1);
            let locked = lockouts::table.find(Tried::name(&master, "locked").name);
            diesel::update(locked).set(lockouts::locked_until.eq(until)).execute(conn)?;
            forget_beyond(conn, 4)?;
            assert_eq!(lockouts::table.count().get_result::<i64>(conn)?, 4);
            forget_beyond(conn, 2)?;
            let mut left: Vec<String> = lockouts::table.order(lockouts::failed_at).select(lockouts::name_hmac).load(conn)?;
            assert_eq!(left.remove(0), Tried::name(&master, "locked").name);
            let wanted = ["older", "newest"].map(|name| Tried::name(&master, name).name);
            assert_eq!(left, wanted);
            Ok(())
        })
        .unwrap();
    }
}
