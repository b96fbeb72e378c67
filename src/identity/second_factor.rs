//! The second factor of people: a code of six digits that an app makes from a shared secret and the time (TOTP, RFC 6238: SHA-1, 30 seconds, one step
//! either side), and recovery codes for when the app is lost.
//!
//! The secret lies sealed under the master key. Each step's code is used once: the last step is remembered, and none at or before it is taken again.

use chrono::{Duration, NaiveDateTime};
use diesel::prelude::*;
use qrcode::QrCode;
use serde::Serialize;
use serde_json::json;
use totp_rs::{Builder, Totp};
use utoipa::ToSchema;

use super::PersonIdentity;
use super::people::lockout::{self, Tried};
use super::people::{self, Person, sessions};
use crate::clock::{now, now_naive};
use crate::crypto::{MasterKey, hex, random_bytes};
use crate::db::schema::{people as people_table, recovery_codes, second_factors};
use crate::db::{Conn, lock_ledger};
use crate::error::{Error, Result};
use crate::ledger::{self, Kind};
use crate::settings::SignInSettings;

/// The length of a secret, as RFC 4226 recommends it.
const SECRET_BYTES: usize = 20;

/// The length of a code of the app.
const APP_DIGITS: usize = 6;

/// How many recovery codes a person has.
const RECOVERY_CODES: usize = 10;

/// How long a secret that was begun is shown, and may be confirmed.
const PENDING_MINUTES: i64 = 10;

/// How a person's second factor stands.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SecondFactor {
    /// Whether a log-in asks for a code.
    pub enrolled: bool,
    /// Since when.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize_option")]
    pub since: Option<NaiveDateTime>,
    /// How many recovery codes are left.
    pub recovery_codes_left: i64,
    /// Whether this service asks people with these roles to have one.
    pub required: bool,
}

/// What an app needs to make codes.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Enrolment {
    /// The secret in base32, to type in.
    pub secret: String,
    /// The secret as an address that apps open.
    pub uri: String,
    /// The address as a QR code, an SVG image.
    pub qr_svg: String,
}

/// Recovery codes.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RecoveryCodes {
    /// Each is taken once in place of a code of the app. They are shown this once; those before them are worth nothing.
    pub recovery_codes: Vec<String>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = second_factors)]
struct FactorRow {
    sealed_secret: Vec<u8>,
    last_step: i64,
    created_at: NaiveDateTime,
    confirmed_at: Option<NaiveDateTime>,
    begun_in: Option<String>,
}

fn row_of(conn: &mut Conn, person_id: &str) -> Result<Option<FactorRow>> {
    Ok(second_factors::table.find(person_id).select(FactorRow::as_select()).first(conn).optional()?)
}

fn label(person_id: &str) -> String {
    format!("second-factor:{person_id}")
}

fn subject(person_id: &str) -> String {
    format!("person:{person_id}")
}

/// How a person's second factor stands.
///
/// # Errors
/// When there is no such person.
pub fn state(conn: &mut Conn, settings: &SignInSettings, person_id: &str) -> Result<SecondFactor> {
    let since = row_of(conn, person_id)?.and_then(|row| row.confirmed_at);
    let left: i64 = recovery_codes::table.filter(recovery_codes::person_id.eq(person_id)).count().get_result(conn)?;
    let required = people::find(conn, person_id)?.must_have_second_factor(settings);
    Ok(SecondFactor { enrolled: since.is_some(), since, recovery_codes_left: left, required })
}

/// Whether a log-in asks for a code.
///
/// # Errors
/// When the database does not answer.
pub fn is_enrolled(conn: &mut Conn, person_id: &str) -> Result<bool> {
    Ok(row_of(conn, person_id)?.is_some_and(|row| row.confirmed_at.is_some()))
}

/// The row of a secret that nobody has confirmed yet: it is over after a while, and belongs to the session that gave the password for it.
fn pending_row(conn: &mut Conn, person: &PersonIdentity) -> Result<Option<FactorRow>> {
    let Some(row) = row_of(conn, &person.id)? else { return Ok(None) };
    let (session, oldest) = (sessions::id_of(conn, person)?, now_naive() - Duration::minutes(PENDING_MINUTES));
    Ok(Some(row).filter(|row| row.confirmed_at.is_none() && row.created_at > oldest && row.begun_in.is_some() && row.begun_in == session))
}

/// Makes a secret, which counts once [`enrol`] was given a code of it in the same session, soon. One that was made before and never confirmed is over.
///
/// # Errors
/// When the person has a second factor already.
pub fn begin(conn: &mut Conn, master: &MasterKey, person: &PersonIdentity, issuer: &str) -> Result<Enrolment> {
    lock_ledger(conn)?;
    let person_id = person.id.as_str();
    if is_enrolled(conn, person_id)? {
        return Err(Error::Conflict("there is a second factor already; end it before you begin another one".to_owned()));
    }
    let secret = random_bytes::<SECRET_BYTES>()?;
    diesel::delete(second_factors::table.find(person_id)).execute(conn)?;
    diesel::insert_into(second_factors::table)
        .values((
            second_factors::person_id.eq(person_id),
            second_factors::sealed_secret.eq(master.seal(&label(person_id), &secret)?),
            second_factors::last_step.eq(0),
            second_factors::created_at.eq(now_naive()),
            second_factors::begun_in.eq(sessions::id_of(conn, person)?),
        ))
        .execute(conn)?;
    ledger::append(conn, Kind::SecondFactorBegun, &subject(person_id), &subject(person_id), &json!({}))?;
    enrolment(conn, person_id, &secret, issuer)
}

/// The secret that [`begin`] made in this session, as long as it may be confirmed.
///
/// # Errors
/// When it was sealed under another master key.
pub fn pending(conn: &mut Conn, master: &MasterKey, person: &PersonIdentity, issuer: &str) -> Result<Option<Enrolment>> {
    let Some(row) = pending_row(conn, person)? else { return Ok(None) };
    let secret = master.open(&label(&person.id), &row.sealed_secret)?;
    enrolment(conn, &person.id, &secret, issuer).map(Some)
}

fn enrolment(conn: &mut Conn, person_id: &str, secret: &[u8], issuer: &str) -> Result<Enrolment> {
    let username: String = people_table::table.find(person_id).select(people_table::username).first(conn)?;
    let totp = totp(secret, &username, issuer)?;
    let uri = totp.to_url().map_err(|_named| Error::internal(anyhow::anyhow!("an account has no name for an address of its secret")))?;
    let code = QrCode::new(&uri).map_err(Error::internal)?;
    let svg = code.render::<qrcode::render::svg::Color<'_>>().min_dimensions(240, 240).build();
    // It may stand inside of a page.
    let qr_svg = svg.split_once("?>").map_or(svg.as_str(), |(_, image)| image).to_owned();
    Ok(Enrolment { secret: totp.secret().to_base32(), uri, qr_svg })
}

/// The maker of codes. `issuer` is the service's address; apps show its host beside the username.
fn totp(secret: &[u8], username: &str, issuer: &str) -> Result<Totp> {
    let host = url::Url::parse(issuer).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
    // A colon would end the issuer.
    let name = format!("qingdan {}", host.replace(':', "."));
    let built = Builder::new().with_secret(secret).with_account_name(username).with_issuer(Some(name.trim_end())).build();
    // The library's errors may repeat names.
    built.map_err(|_named| Error::internal(anyhow::anyhow!("a second factor's secret or names are not as RFC 6238 has them")))
}

/// The step of time that a code belongs to, when it is the secret's and later than `last`.
fn step_of(secret: &[u8], code: &str, last: i64, at: u64) -> Result<Option<i64>> {
    let found = totp(secret, "-", "")?.check(code, at).and_then(|step| i64::try_from(step).ok());
    Ok(found.filter(|step| *step > last))
}

/// Takes a code of the app once; writes down its step. `false` when it is none, or was used.
fn spend_step(conn: &mut Conn, master: &MasterKey, person_id: &str, row: &FactorRow, code: &str) -> Result<bool> {
    let secret = master.open(&label(person_id), &row.sealed_secret)?;
    let Some(step) = step_of(&secret, code, row.last_step, now().timestamp().unsigned_abs())? else { return Ok(false) };
    let earlier = second_factors::table.find(person_id).filter(second_factors::last_step.lt(step));
    Ok(diesel::update(earlier).set(second_factors::last_step.eq(step)).execute(conn)? > 0)
}

/// Takes a code of the app or a recovery code once. `false` when it is neither, or was used, or the person has no second factor.
pub(super) fn spend(conn: &mut Conn, master: &MasterKey, person_id: &str, code: &str) -> Result<bool> {
    lock_ledger(conn)?;
    let Some(row) = row_of(conn, person_id)?.filter(|row| row.confirmed_at.is_some()) else { return Ok(false) };
    let plain = plain(code);
    if plain.len() == APP_DIGITS {
        return spend_step(conn, master, person_id, &row, &plain);
    }
    let own = recovery_codes::table.find(recovery_digest(master, person_id, &plain)).filter(recovery_codes::person_id.eq(person_id));
    if diesel::delete(own).execute(conn)? == 0 {
        return Ok(false);
    }
    ledger::append(conn, Kind::RecoveryCodeUsed, &subject(person_id), &subject(person_id), &json!({}))?;
    Ok(true)
}

/// A code without what people put in between.
fn plain(code: &str) -> String {
    code.chars().filter(|sign| !sign.is_whitespace() && *sign != '-').collect::<String>().to_lowercase()
}

/// As what a code is taken: `totp`, one of the app, or `recovery_code`.
pub fn method(code: &str) -> &'static str {
    if plain(code).len() == APP_DIGITS { "totp" } else { "recovery_code" }
}

fn recovery_digest(master: &MasterKey, person_id: &str, plain: &str) -> String {
    master.derive("recovery-code").hex(format!("{person_id}\n{plain}").as_bytes())
}

fn make_recovery_codes(conn: &mut Conn, master: &MasterKey, person_id: &str) -> Result<RecoveryCodes> {
    diesel::delete(recovery_codes::table.filter(recovery_codes::person_id.eq(person_id))).execute(conn)?;
    let mut codes = Vec::with_capacity(RECOVERY_CODES);
    for _ in 0..RECOVERY_CODES {
        let plain = hex(&random_bytes::<10>()?);
        diesel::insert_into(recovery_codes::table)
            .values((recovery_codes::code_hmac.eq(recovery_digest(master, person_id, &plain)), recovery_codes::person_id.eq(person_id)))
            .execute(conn)?;
        codes.push([&plain[..5], &plain[5..10], &plain[10..15], &plain[15..]].join("-"));
    }
    ledger::append(conn, Kind::RecoveryCodesMade, &subject(person_id), &subject(person_id), &json!({ "codes": RECOVERY_CODES }))?;
    Ok(RecoveryCodes { recovery_codes: codes })
}

/// What a person who enrolled gets.
#[derive(Debug)]
pub struct Enrolled {
    /// The recovery codes.
    pub codes: RecoveryCodes,
    /// The new token of a browser's session.
    pub token: Option<String>,
}

/// Makes the secret of [`begin`] count, by a code of it. The other sessions end, which were started without one. A refusal is inside: what was
/// counted stays.
///
/// # Errors
/// When there is nothing to confirm.
pub fn enrol(conn: &mut Conn, master: &MasterKey, person: &PersonIdentity, code: &str) -> Result<Result<Enrolled>> {
    lock_ledger(conn)?;
    let none = || format!("this session has begun no second factor in the last {PENDING_MINUTES} minutes; begin one first");
    let row = pending_row(conn, person)?.ok_or_else(|| Error::Conflict(none()))?;
    let tried = Tried::code(master, &person.id);
    if let Some(refusal) = lockout::refusal(conn, &tried)? {
        return Ok(Err(refusal));
    }
    if !spend_step(conn, master, &person.id, &row, code.trim())? {
        return refuse(conn, &tried, &person.id).map(Err);
    }
    lockout::clear(conn, &tried)?;
    diesel::update(second_factors::table.find(&person.id)).set(second_factors::confirmed_at.eq(now_naive())).execute(conn)?;
    ledger::append(conn, Kind::SecondFactorEnrolled, &subject(&person.id), &subject(&person.id), &json!({}))?;
    let codes = make_recovery_codes(conn, master, &person.id)?;
    sessions::end_others(conn, person)?;
    Ok(Ok(Enrolled { codes, token: sessions::renew(conn, person)? }))
}

/// Confirms what a person is about to do, by a code of the app or a recovery code, which is used up. Call it in the transaction of what is confirmed.
///
/// A refusal is the inner error, and the transaction must not end with it: an error rolls back, and the wrong code would not be counted. So:
///
/// ```text
/// if let Err(refusal) = second_factor::confirm(conn, &master, &person.id, &code)? {
///     return Ok(Err(refusal));
/// }
/// ```
///
/// # Errors
/// When the person has no second factor; that counts nothing.
pub fn confirm(conn: &mut Conn, master: &MasterKey, person_id: &str, code: &str) -> Result<Result<()>> {
    lock_ledger(conn)?;
    if !is_enrolled(conn, person_id)? {
        return Err(Error::Conflict("this needs a second factor, and there is none yet: begin one at /account".to_owned()));
    }
    let tried = Tried::code(master, person_id);
    if let Some(refusal) = lockout::refusal(conn, &tried)? {
        return Ok(Err(refusal));
    }
    if !spend(conn, master, person_id, code)? {
        return refuse(conn, &tried, person_id).map(Err);
    }
    lockout::clear(conn, &tried)?;
    Ok(Ok(()))
}

fn refuse(conn: &mut Conn, tried: &Tried, person_id: &str) -> Result<Error> {
    ledger::append(conn, Kind::SecondFactorRefused, &subject(person_id), &subject(person_id), &json!({}))?;
    lockout::count(conn, tried, Some(person_id))?;
    Ok(Error::invalid("/code", "the code is wrong, or was used already; wait for the next one"))
}

/// Makes new recovery codes, by a code. A refusal is inside: what was counted stays.
///
/// # Errors
/// When the person has no second factor.
pub fn renew_recovery_codes(conn: &mut Conn, master: &MasterKey, person_id: &str, code: &str) -> Result<Result<RecoveryCodes>> {
    match confirm(conn, master, person_id, code)? {
        Ok(()) => make_recovery_codes(conn, master, person_id).map(Ok),
        Err(refusal) => Ok(Err(refusal)),
    }
}

/// Ends a person's own second factor, by a code; the password was asked before. A refusal is inside: what was counted stays.
///
/// # Errors
/// When the person has none.
pub fn end(conn: &mut Conn, master: &MasterKey, person_id: &str, code: &str) -> Result<Result<()>> {
    if let Err(refusal) = confirm(conn, master, person_id, code)? {
        return Ok(Err(refusal));
    }
    remove(conn, person_id)?;
    ledger::append(conn, Kind::SecondFactorEnded, &subject(person_id), &subject(person_id), &json!({}))?;
    Ok(Ok(()))
}

fn remove(conn: &mut Conn, person_id: &str) -> Result<()> {
    diesel::delete(recovery_codes::table.filter(recovery_codes::person_id.eq(person_id))).execute(conn)?;
    diesel::delete(second_factors::table.find(person_id)).execute(conn)?;
    Ok(())
}

/// Takes the second factor from another person, who has lost it, and ends their sessions.
///
/// # Errors
/// When it is the operator's own, or there is none.
pub fn reset(conn: &mut Conn, operator: &PersonIdentity, person_id: &str, reason: &str) -> Result<Person> {
    if operator.id == person_id {
        return Err(Error::Conflict("nobody resets their own second factor; another operator does it".to_owned()));
    }
    let person = require_enrolled(conn, person_id)?;
    ledger::append_with_reason(conn, Kind::SecondFactorReset, &subject(&operator.id), &subject(person_id), json!({}), reason)?;
    Ok(person)
}

/// [`reset`] by whoever has the machine.
///
/// # Errors
/// When there is no such account, or it has none.
pub fn reset_by_service(conn: &mut Conn, username: &str) -> Result<()> {
    let id = people::login::id_of(conn, username)?;
    require_enrolled(conn, &id)?;
    ledger::append(conn, Kind::SecondFactorReset, "service", &subject(&id), &json!({}))?;
    Ok(())
}

/// Removes a person's second factor and ends the sessions.
fn require_enrolled(conn: &mut Conn, person_id: &str) -> Result<Person> {
    lock_ledger(conn)?;
    let person = people::find(conn, person_id)?;
    if !is_enrolled(conn, person_id)? {
        return Err(Error::Conflict("this person has no second factor".to_owned()));
    }
    remove(conn, person_id)?;
    sessions::end_all(conn, person_id)?;
    Ok(person)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The secret of RFC 6238, appendix B; its codes of eight digits end in these six.
    const SECRET: &[u8] = b"12345678901234567890";

    #[test]
    fn codes_are_those_of_the_standard() {
        for (at, code) in [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (20_000_000_000, "353130")] {
            assert_eq!(step_of(SECRET, code, 0, at).unwrap(), Some(i64::try_from(at / 30).unwrap()));
        }
    }

    #[test]
    fn a_code_holds_one_step_either_side_and_once() {
        let code = "081804";
        let (at, step) = (1_111_111_109, 1_111_111_109 / 30);
        assert_eq!(step_of(SECRET, code, 0, at - 30).unwrap(), Some(step));
        assert_eq!(step_of(SECRET, code, 0, at + 30).unwrap(), Some(step));
        assert_eq!(step_of(SECRET, code, 0, at - 60).unwrap(), None);
        assert_eq!(step_of(SECRET, code, 0, at + 60).unwrap(), None);
        assert_eq!(step_of(SECRET, code, step, at).unwrap(), None, "used already");
        assert_eq!(step_of(SECRET, code, step - 1, at).unwrap(), Some(step));
        for wrong in ["", "081805", "81804", "0818040", "+81804", "08 1804", "abcdef"] {
            assert_eq!(step_of(SECRET, wrong, 0, at).unwrap(), None, "{wrong}");
        }
    }
}
