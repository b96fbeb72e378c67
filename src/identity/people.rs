//! People: who works for the public body and in which roles, who acts for a firm; how they log in, and their sessions.

pub mod lockout;
pub mod login;
pub mod sessions;

use chrono::NaiveDateTime;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::PersonIdentity;
use crate::clock::now_naive;
use crate::db::schema::{people, publishers};
use crate::db::{Conn, lock_ledger, on_duplicate};
use crate::error::{Error, Result};
use crate::ledger::{self, Kind};
use crate::settings::SignInSettings;

/// What a person of the public body may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Edits one publisher's datasets.
    Steward,
    /// Decides applications and publications, never on own work.
    Reviewer,
    /// Keeps firms, keys, settings and limits.
    Operator,
    /// Reads the ledger.
    Auditor,
}

impl Role {
    /// The role as it is written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Steward => "steward",
            Role::Reviewer => "reviewer",
            Role::Operator => "operator",
            Role::Auditor => "auditor",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Role::Steward, Role::Reviewer, Role::Operator, Role::Auditor].into_iter().find(|role| role.as_str() == text)
    }
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = people)]
struct PersonRow {
    id: String,
    username: String,
    display_name: String,
    password_hash: String,
    one_time_password: bool,
    roles: String,
    publisher: Option<String>,
    firm_id: Option<String>,
    status: String,
    created_at: NaiveDateTime,
}

/// A person as others see them.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Person {
    /// Never changes.
    pub id: String,
    /// The name to log in with.
    pub username: String,
    /// The name that is shown.
    pub display_name: String,
    /// What the person may do.
    pub roles: Vec<Role>,
    /// The publisher whose datasets a steward edits.
    pub publisher: Option<String>,
    /// The firm of a firm's person.
    pub firm_id: Option<String>,
    /// Whether the password must be changed before anything else.
    pub one_time_password: bool,
}

impl From<&PersonRow> for Person {
    fn from(row: &PersonRow) -> Self {
        Person {
            id: row.id.clone(),
            username: row.username.clone(),
            display_name: row.display_name.clone(),
            roles: row.roles.split(',').filter_map(Role::parse).collect(),
            publisher: row.publisher.clone(),
            firm_id: row.firm_id.clone(),
            one_time_password: row.one_time_password,
        }
    }
}

impl Person {
    /// Whether the settings ask people like this one for a second factor.
    pub fn must_have_second_factor(&self, settings: &SignInSettings) -> bool {
        let asked = |name: &str| settings.second_factor.iter().any(|asked| asked == name);
        self.roles.iter().any(|role| asked(role.as_str())) || (self.firm_id.is_some() && asked("firm"))
    }
}

/// Who is to be added. The password is hashed already, since hashing takes long.
pub struct NewPerson {
    /// Where the username stands in what was sent, as a JSON pointer.
    pub pointer: &'static str,
    /// The name to log in with.
    pub username: String,
    /// The name that is shown.
    pub display_name: String,
    /// The argon2id hash.
    pub password_hash: String,
    /// Whether the password must be changed before anything else.
    pub one_time_password: bool,
    /// What the person may do.
    pub roles: Vec<Role>,
    /// The publisher of a steward.
    pub publisher: Option<String>,
    /// The firm of a firm's person.
    pub firm_id: Option<String>,
}

/// Whether a text can be a username.
///
/// # Errors
/// Says what is asked.
pub fn check_username(pointer: &str, username: &str) -> Result<()> {
    let proper = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'_' | b'@');
    if (3..=100).contains(&username.len()) && username.bytes().all(proper) {
        return Ok(());
    }
    Err(Error::invalid(pointer, "use 3 to 100 lower-case letters, digits and . - _ @"))
}

/// Whether there is nobody yet.
///
/// # Errors
/// When the database does not answer.
pub fn is_empty(conn: &mut Conn) -> Result<bool> {
    let count: i64 = people::table.count().get_result(conn)?;
    Ok(count == 0)
}

/// Adds a person.
///
/// # Errors
/// When the username is taken, or a steward's publisher does not exist.
pub fn create(conn: &mut Conn, actor: &str, new: NewPerson) -> Result<Person> {
    if let Some(slug) = &new.publisher {
        let known: i64 = publishers::table.filter(publishers::slug.eq(slug)).count().get_result(conn)?;
        if known == 0 {
            return Err(Error::invalid("/publisher", format!("there is no publisher `{slug}`")));
        }
    }
    let roles: Vec<&str> = new.roles.iter().map(|role| role.as_str()).collect();
    let row = PersonRow {
        id: uuid::Uuid::now_v7().to_string(),
        username: new.username,
        display_name: new.display_name,
        password_hash: new.password_hash,
        one_time_password: new.one_time_password,
        roles: roles.join(","),
        publisher: new.publisher,
        firm_id: new.firm_id,
        status: "active".to_owned(),
        created_at: now_naive(),
    };
    diesel::insert_into(people::table)
        .values(&row)
        .execute(conn)
        .map_err(on_duplicate(Error::invalid(new.pointer, "this username is taken; choose another one")))?;
    let detail = json!({ "roles": roles, "publisher": row.publisher, "firm": row.firm_id });
    ledger::append(conn, Kind::PersonCreated, actor, &format!("person:{}", row.id), &detail)?;
    Ok((&row).into())
}

/// Everybody with a role, by username.
///
/// # Errors
/// When the database does not answer.
pub fn list_staff(conn: &mut Conn) -> Result<Vec<Person>> {
    let rows: Vec<PersonRow> =
        people::table.filter(people::firm_id.is_null()).order(people::username).select(PersonRow::as_select()).load(conn)?;
    Ok(rows.iter().map(Person::from).collect())
}

/// One person.
///
/// # Errors
/// When there is none.
pub fn find(conn: &mut Conn, id: &str) -> Result<Person> {
    let row: Option<PersonRow> = people::table.find(id).select(PersonRow::as_select()).first(conn).optional()?;
    row.as_ref().map(Person::from).ok_or_else(|| Error::not_found("person", id))
}

/// Ends a person's account: the sessions stop at the next request, and nobody logs in to it again.
///
/// # Errors
/// When it is the caller's own, or has ended already.
pub fn revoke(conn: &mut Conn, operator: &PersonIdentity, id: &str, reason: &str) -> Result<Person> {
    if operator.id == id {
        return Err(Error::Conflict("nobody revokes their own account; another operator does it".to_owned()));
    }
    let person = find(conn, id)?;
    let changed =
        diesel::update(people::table.find(id).filter(people::status.eq("active"))).set(people::status.eq("revoked")).execute(conn)?;
    if changed == 0 {
        return Err(Error::Conflict("the account is revoked already".to_owned()));
    }
    sessions::end_all(conn, id)?;
    let (actor, subject) = (format!("person:{}", operator.id), format!("person:{id}"));
    ledger::append_with_reason(conn, Kind::PersonRevoked, &actor, &subject, json!({}), reason)?;
    Ok(person)
}

/// Ends the accounts of a firm whose registration gives way to another one. Their usernames are free again.
pub(in crate::identity) fn end_all_of_firm(conn: &mut Conn, firm_id: &str) -> Result<()> {
    let of_firm = people::table.filter(people::firm_id.eq(firm_id)).filter(people::status.eq("active"));
    let ids: Vec<String> = of_firm.select(people::id).load(conn)?;
    for id in ids {
        diesel::update(people::table.find(&id)).set((people::status.eq("revoked"), people::username.eq(&id))).execute(conn)?;
        sessions::end_all(conn, &id)?;
        ledger::append(conn, Kind::PersonRevoked, "anonymous", &format!("person:{id}"), &json!({ "firm": firm_id }))?;
    }
    Ok(())
}

/// The first operator, made when there is nobody yet; `None` when there is.
///
/// # Errors
/// When the database does not take it.
pub fn create_first_operator(conn: &mut Conn, hash: String, one_time: bool) -> Result<Option<Person>> {
    // Replicas that start together must not each make one.
    lock_ledger(conn)?;
    if !is_empty(conn)? {
        return Ok(None);
    }
    let new = NewPerson {
        pointer: "",
        username: "operator".to_owned(),
        display_name: "Operator".to_owned(),
        password_hash: hash,
        one_time_password: one_time,
        roles: vec![Role::Operator],
        publisher: None,
        firm_id: None,
    };
    create(conn, "service", new).map(Some)
}

/// Rules for the roles of a new person: stewards have a publisher, and only they.
///
/// # Errors
/// Says which rule is broken.
pub fn check_roles(roles: &[Role], publisher: Option<&str>) -> Result<()> {
    if roles.is_empty() {
        return Err(Error::invalid("/roles", "give at least one of steward, reviewer, operator, auditor"));
    }
    // Who keeps firms and people does not decide what they get, and who audits has no part in either.
    for alone in [Role::Operator, Role::Auditor] {
        if roles.contains(&alone) && roles.iter().any(|role| *role != alone) {
            return Err(Error::invalid("/roles", format!("{} goes with no other role", alone.as_str())));
        }
    }
    match (roles.contains(&Role::Steward), publisher) {
        (true, None) => Err(Error::invalid("/publisher", "a steward edits one publisher's datasets: give its slug")),
        (false, Some(_)) => Err(Error::invalid("/publisher", "only a steward has a publisher")),
        _ => Ok(()),
    }
}

/// Forgets sessions and wrong tries that are over.
///
/// # Errors
/// When the database does not answer.
pub fn forget_expired(conn: &mut Conn, settings: &SignInSettings) -> Result<()> {
    sessions::forget(conn, settings)?;
    lockout::forget(conn)
}
