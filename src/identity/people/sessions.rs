//! Sessions of people: of a browser, which keeps the token in a cookie, or of a program, which sends it. Neither passes for the other.
//!
//! A session ends by itself when nobody has used it for a while, and at its absolute end. Its token is kept as a digest; its id names it where
//! people look at their sessions. No address is kept.

use chrono::{Duration, NaiveDateTime, Timelike};
use diesel::prelude::*;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{Person, PersonRow, find};
use crate::clock::now_naive;
use crate::crypto::{random_token, sha256_hex};
use crate::db::Conn;
use crate::db::schema::{people, second_factors, sessions};
use crate::error::{Error, Result};
use crate::identity::{PersonIdentity, firms};
use crate::ledger::{self, Kind};
use crate::settings::SignInSettings;

/// How old the moment of last use may become before it is written down again: the session ends earlier by as much, so it is a part of the idle time.
fn seen_seconds(settings: &SignInSettings) -> i64 {
    (i64::from(settings.idle_minutes) * 60 / 4).min(60)
}

/// What a session is started from.
#[derive(Debug, Clone, Copy)]
pub struct Origin {
    /// Whether a browser keeps the token in a cookie.
    pub browser: bool,
    /// The family of the program, of a closed list.
    pub agent: &'static str,
}

/// A session that was started.
#[derive(Debug)]
pub struct Started {
    /// The token, shown this once.
    pub token: String,
    /// The absolute end.
    pub expires_at: NaiveDateTime,
    /// Whose session it is.
    pub person: Person,
}

/// A session as its person sees it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SessionView {
    /// Names the session; it is not the token.
    pub id: String,
    /// Whether it is the one that asks.
    pub current: bool,
    /// Whether it is a browser's; else a program has the token.
    pub browser: bool,
    /// The family of the browser or program, as it called itself when it logged in.
    pub agent: String,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    pub created_at: NaiveDateTime,
    /// When it was used last, to the minute.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    pub seen_at: NaiveDateTime,
    /// When it ends at the latest.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    pub expires_at: NaiveDateTime,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = sessions)]
struct SessionRow {
    token_sha256: String,
    id: String,
    browser: bool,
    agent: String,
    created_at: NaiveDateTime,
    seen_at: NaiveDateTime,
    expires_at: NaiveDateTime,
}

/// The moment before which a session was last used that is over since.
fn idle_since(settings: &SignInSettings) -> NaiveDateTime {
    now_naive() - Duration::minutes(i64::from(settings.idle_minutes))
}

/// Starts a session; the token is shown this once and kept as a digest.
///
/// # Errors
/// When the database does not take it.
pub(super) fn start(conn: &mut Conn, settings: &SignInSettings, person_id: &str, origin: Origin, second_factor: bool) -> Result<Started> {
    let person = find(conn, person_id)?;
    end_oldest(conn, settings, person_id)?;
    let (id, token) = (uuid::Uuid::now_v7().to_string(), random_token("qds_")?);
    let now = now_naive();
    let expires_at = now + Duration::hours(i64::from(settings.hours));
    diesel::insert_into(sessions::table)
        .values((
            sessions::token_sha256.eq(sha256_hex(token.as_bytes())),
            sessions::id.eq(&id),
            sessions::person_id.eq(person_id),
            sessions::browser.eq(origin.browser),
            sessions::agent.eq(origin.agent),
            sessions::created_at.eq(now),
            sessions::seen_at.eq(now),
            sessions::expires_at.eq(expires_at),
        ))
        .execute(conn)?;
    let detail = json!({ "session": id, "browser": origin.browser, "second_factor": second_factor });
    ledger::append(conn, Kind::SessionStarted, &format!("person:{person_id}"), &format!("person:{person_id}"), &detail)?;
    Ok(Started { token, expires_at, person })
}

/// Makes room for one more session where a person has as many as anybody may have: those that began first end.
fn end_oldest(conn: &mut Conn, settings: &SignInSettings, person_id: &str) -> Result<()> {
    let of_person = || sessions::table.filter(sessions::person_id.eq(person_id));
    let newest_first = of_person().order((sessions::created_at.desc(), sessions::id.desc()));
    let beyond: Vec<String> =
        newest_first.offset(i64::from(settings.most_sessions) - 1).limit(i64::from(u32::MAX)).select(sessions::id).load(conn)?;
    for id in beyond {
        diesel::delete(of_person().filter(sessions::id.eq(&id))).execute(conn)?;
        let who = format!("person:{person_id}");
        ledger::append(conn, Kind::SessionEnded, "service", &who, &json!({ "session": id }))?;
    }
    Ok(())
}

/// Who goes on with a session.
pub struct Resumed {
    /// The person.
    pub person: PersonIdentity,
    /// Whether [`touch`] has to write down that it was used.
    pub stale: bool,
}

/// The person behind a session's token, as long as the session lasts.
///
/// # Errors
/// When the token is unknown, or the session is over.
pub fn resume(conn: &mut Conn, settings: &SignInSettings, token: &str, browser: bool) -> Result<Resumed> {
    let row: Option<(PersonRow, SessionRow)> = sessions::table
        .inner_join(people::table)
        .filter(sessions::token_sha256.eq(sha256_hex(token.as_bytes())))
        .filter(sessions::browser.eq(browser))
        .filter(sessions::expires_at.gt(now_naive()))
        .filter(sessions::seen_at.gt(idle_since(settings)))
        .filter(people::status.eq("active"))
        .select((PersonRow::as_select(), SessionRow::as_select()))
        .first(conn)
        .optional()?;
    let (row, session) = row.ok_or_else(|| Error::Unauthenticated("the session is unknown, or over; log in again".to_owned()))?;
    let person = Person::from(&row);
    let firm = person.firm_id.as_ref().map(|id| firms::find(conn, id)).transpose()?;
    let needs_second_factor = person.must_have_second_factor(settings) && !is_enrolled(conn, &person.id)?;
    Ok(Resumed {
        stale: session.seen_at < now_naive() - Duration::seconds(seen_seconds(settings)),
        person: PersonIdentity {
            firm_approved: firm.as_ref().is_some_and(|firm| firm.status == firms::APPROVED),
            throttled: firm.is_some_and(|firm| firm.throttled),
            id: person.id,
            session: session.token_sha256,
            browser,
            roles: person.roles,
            publisher: person.publisher,
            firm_id: person.firm_id,
            one_time_password: person.one_time_password,
            needs_second_factor,
        },
    })
}

fn is_enrolled(conn: &mut Conn, person_id: &str) -> Result<bool> {
    let confirmed = second_factors::table.find(person_id).filter(second_factors::confirmed_at.is_not_null());
    let count: i64 = confirmed.count().get_result(conn)?;
    Ok(count > 0)
}

/// Writes down that a session is used at this moment.
///
/// # Errors
/// When the database does not take it.
pub fn touch(conn: &mut Conn, person: &PersonIdentity) -> Result<()> {
    diesel::update(sessions::table.find(&person.session)).set(sessions::seen_at.eq(now_naive())).execute(conn)?;
    Ok(())
}

/// A person's sessions that last, newest first.
///
/// # Errors
/// When the database does not answer.
pub fn list(conn: &mut Conn, settings: &SignInSettings, person: &PersonIdentity) -> Result<Vec<SessionView>> {
    let rows: Vec<SessionRow> = sessions::table
        .filter(sessions::person_id.eq(&person.id))
        .filter(sessions::expires_at.gt(now_naive()))
        .filter(sessions::seen_at.gt(idle_since(settings)))
        .order((sessions::created_at.desc(), sessions::id.desc()))
        .select(SessionRow::as_select())
        .load(conn)?;
    let view = |row: SessionRow| SessionView {
        current: row.token_sha256 == person.session,
        id: row.id,
        browser: row.browser,
        agent: row.agent,
        created_at: row.created_at,
        seen_at: row.seen_at.with_second(0).and_then(|at| at.with_nanosecond(0)).unwrap_or(row.seen_at),
        expires_at: row.expires_at,
    };
    Ok(rows.into_iter().map(view).collect())
}

/// What names the session that asks, as long as it lasts: its token may become another one.
///
/// # Errors
/// When the database does not answer.
pub fn id_of(conn: &mut Conn, person: &PersonIdentity) -> Result<Option<String>> {
    Ok(sessions::table.find(&person.session).select(sessions::id).first(conn).optional()?)
}

/// Ends the session that asks.
///
/// # Errors
/// When it is over already.
pub fn end_current(conn: &mut Conn, person: &PersonIdentity) -> Result<()> {
    let id = id_of(conn, person)?.ok_or_else(|| Error::Unauthenticated("the session is over already".to_owned()))?;
    end(conn, person, &id)
}

/// Ends one of a person's own sessions.
///
/// # Errors
/// When the person has no such session.
pub fn end(conn: &mut Conn, person: &PersonIdentity, id: &str) -> Result<()> {
    let own = sessions::table.filter(sessions::person_id.eq(&person.id)).filter(sessions::id.eq(id));
    if diesel::delete(own).execute(conn)? == 0 {
        return Err(Error::not_found("session", id));
    }
    let who = format!("person:{}", person.id);
    ledger::append(conn, Kind::SessionEnded, &who, &who, &json!({ "session": id }))?;
    Ok(())
}

/// Ends all of a person's sessions but the one that asks; answers how many there were.
///
/// # Errors
/// When the database does not take it.
pub fn end_others(conn: &mut Conn, person: &PersonIdentity) -> Result<usize> {
    let others = sessions::table.filter(sessions::person_id.eq(&person.id)).filter(sessions::token_sha256.ne(&person.session));
    let ended = diesel::delete(others).execute(conn)?;
    if ended > 0 {
        let who = format!("person:{}", person.id);
        ledger::append(conn, Kind::SessionEnded, &who, &who, &json!({ "others": ended }))?;
    }
    Ok(ended)
}

/// Ends all sessions of a person, whose account somebody else has changed.
pub(in crate::identity) fn end_all(conn: &mut Conn, person_id: &str) -> Result<()> {
    diesel::delete(sessions::table.filter(sessions::person_id.eq(person_id))).execute(conn)?;
    Ok(())
}

/// Gives a browser's session another token, since its person may do more from now on: a token that somebody learned or planted before is worth nothing.
/// `None` for a program's session, whose token came to it in the answer to its own log-in.
///
/// # Errors
/// When the session is over.
pub fn renew(conn: &mut Conn, person: &PersonIdentity) -> Result<Option<String>> {
    if !person.browser {
        return Ok(None);
    }
    let token = random_token("qds_")?;
    let changed =
        diesel::update(sessions::table.find(&person.session)).set(sessions::token_sha256.eq(sha256_hex(token.as_bytes()))).execute(conn)?;
    if changed == 0 {
        return Err(Error::Unauthenticated("the session is over; log in again".to_owned()));
    }
    Ok(Some(token))
}

/// Forgets sessions that are over.
///
/// # Errors
/// When the database does not answer.
pub(super) fn forget(conn: &mut Conn, settings: &SignInSettings) -> Result<()> {
    let over = sessions::expires_at.lt(now_naive()).or(sessions::seen_at.lt(idle_since(settings)));
    diesel::delete(sessions::table.filter(over)).execute(conn)?;
    Ok(())
}
