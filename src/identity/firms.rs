//! Firms: who registered, and what the operator decided. 人工智能企业

use std::collections::HashMap;

use chrono::{Duration, NaiveDateTime};
use diesel::dsl::count_star;
use diesel::prelude::*;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::people;
use crate::clock::now_naive;
use crate::db::schema::firms;
use crate::db::{Conn, lock_ledger};
use crate::error::{Error, Result};
use crate::ledger::{self, Kind};

/// A registered organisation.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset, Serialize, ToSchema)]
#[diesel(table_name = firms, treat_none_as_null = true)]
pub struct Firm {
    /// Never changes.
    pub id: String,
    /// Its 统一社会信用代码.
    pub uscc: String,
    /// Its registered name.
    pub name: String,
    /// The person to talk to.
    pub contact_name: String,
    /// That person's e-mail address.
    pub contact_email: String,
    /// That person's telephone number.
    pub contact_phone: Option<String>,
    /// `pending`, `approved`, `suspended`, `refused` or `revoked`.
    pub status: String,
    /// Why the operator decided so.
    pub status_reason: Option<String>,
    /// When it registered.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    pub created_at: NaiveDateTime,
    /// When the operator decided.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize_option")]
    pub decided_at: Option<NaiveDateTime>,
    /// Whether its requests are held to a part of what firms may ask.
    pub throttled: bool,
}

/// The state of a firm that may act.
pub const APPROVED: &str = "approved";

/// The state of a firm that waits for its approval.
const PENDING: &str = "pending";

/// The state of a firm whose registration was refused.
const REFUSED: &str = "refused";

/// The state of a firm that may not act for a while.
pub const SUSPENDED: &str = "suspended";

/// The state of a firm that may not act any more.
pub const REVOKED: &str = "revoked";

/// Every state of a firm; first that in which it waits for the operator.
pub const STATES: [&str; 5] = [PENDING, APPROVED, SUSPENDED, REFUSED, REVOKED];

/// Firms on one page of a list for people.
pub const PAGE: i64 = 50;

/// What a firm says of itself.
pub struct NewFirm {
    /// Its registered name.
    pub name: String,
    /// Its 统一社会信用代码, checked already.
    pub uscc: String,
    /// The person to talk to.
    pub contact_name: String,
    /// That person's e-mail address.
    pub contact_email: String,
    /// That person's telephone number.
    pub contact_phone: Option<String>,
}

/// Registers a firm; it waits for the operator. A registration with the same code gives way when it was refused, or nobody has decided it for so many
/// days: anybody may have made it, since the code of a firm is known to everybody. Its accounts end.
///
/// # Errors
/// When the code is registered already.
pub fn register(conn: &mut Conn, new: NewFirm, days: u32) -> Result<Firm> {
    lock_ledger(conn)?;
    let before: Option<Firm> = firms::table.filter(firms::uscc.eq(&new.uscc)).select(Firm::as_select()).first(conn).optional()?;
    let oldest = now_naive() - Duration::days(i64::from(days));
    let gives_way = |firm: &Firm| firm.status == REFUSED || (firm.status == PENDING && firm.created_at < oldest);
    if before.as_ref().is_some_and(|firm| !gives_way(firm)) {
        return Err(Error::Conflict("a firm with this 统一社会信用代码 is registered already".to_owned()));
    }
    let firm = Firm {
        // Nobody has been given anything in the name of the one before.
        id: before.as_ref().map_or_else(|| uuid::Uuid::now_v7().to_string(), |firm| firm.id.clone()),
        uscc: new.uscc,
        name: new.name,
        contact_name: new.contact_name,
        contact_email: new.contact_email,
        contact_phone: new.contact_phone,
        status: PENDING.to_owned(),
        status_reason: None,
        created_at: now_naive(),
        decided_at: None,
        throttled: false,
    };
    match before {
        None => diesel::insert_into(firms::table).values(&firm).execute(conn)?,
        Some(_) => {
            people::end_all_of_firm(conn, &firm.id)?;
            diesel::update(firms::table.find(&firm.id)).set(&firm).execute(conn)?
        }
    };
    ledger::append(conn, Kind::FirmRegistered, "anonymous", &format!("firm:{}", firm.id), &json!({ "uscc": firm.uscc }))?;
    Ok(firm)
}

/// One firm.
///
/// # Errors
/// When there is none.
pub fn find(conn: &mut Conn, id: &str) -> Result<Firm> {
    let firm: Option<Firm> = firms::table.find(id).select(Firm::as_select()).first(conn).optional()?;
    firm.ok_or_else(|| Error::not_found("firm", id))
}

/// Firms after the one named `after`, by id, and how many there are in all.
///
/// # Errors
/// When the database does not answer.
pub fn list(conn: &mut Conn, after: Option<&str>, limit: i64) -> Result<(Vec<Firm>, i64)> {
    let total = firms::table.count().get_result(conn)?;
    let mut query = firms::table.into_boxed::<<Conn as Connection>::Backend>();
    if let Some(after) = after {
        query = query.filter(firms::id.gt(after.to_owned()));
    }
    Ok((query.order(firms::id).limit(limit).select(Firm::as_select()).load(conn)?, total))
}

/// A page of a list for people.
#[derive(Debug)]
pub struct FirmListing {
    /// The firms.
    pub firms: Vec<Firm>,
    /// How many the list has in all.
    pub total: i64,
    /// How many there are in each state, where there are any.
    pub counts: Vec<(&'static str, i64)>,
}

/// The firms in a state, or all of them; `page` counts from 0. Those that wait for the operator come first, of others the newest.
///
/// # Errors
/// When the database does not answer.
pub fn page(conn: &mut Conn, status: Option<&str>, page: i64) -> Result<FirmListing> {
    let counted: Vec<(String, i64)> = firms::table.group_by(firms::status).select((firms::status, count_star())).load(conn)?;
    let counted: HashMap<String, i64> = counted.into_iter().collect();
    let counts: Vec<(&str, i64)> = STATES.into_iter().filter_map(|state| Some((state, *counted.get(state)?))).collect();
    let query = firms::table.into_boxed::<<Conn as Connection>::Backend>();
    let query = match status {
        Some(status) => query.filter(firms::status.eq(status.to_owned())),
        None => query,
    };
    let ordered = match status {
        Some(PENDING) => query.order((firms::created_at, firms::id)),
        Some(_) | None => query.order((firms::status.ne(PENDING), firms::created_at.desc(), firms::id)),
    };
    let found = ordered.limit(PAGE).offset(page.max(0) * PAGE).select(Firm::as_select()).load(conn)?;
    let total = counts.iter().filter(|(state, _)| status.is_none_or(|status| status == *state)).map(|(_, count)| count).sum();
    Ok(FirmListing { firms: found, total, counts })
}

/// How many firms wait for the operator.
///
/// # Errors
/// When the database does not answer.
pub fn waiting(conn: &mut Conn) -> Result<i64> {
    Ok(firms::table.filter(firms::status.eq(PENDING)).count().get_result(conn)?)
}

/// The firm, when it may act.
///
/// # Errors
/// When it is not approved.
pub fn require_approved(conn: &mut Conn, id: &str) -> Result<Firm> {
    let firm = find(conn, id)?;
    if firm.status == APPROVED {
        return Ok(firm);
    }
    Err(Error::Forbidden(format!("the firm is {}; it may act once the operator has approved it", firm.status)))
}

/// What the operator makes of a firm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirmStep {
    /// From `pending` to `approved`.
    Approve,
    /// From `pending` to `refused`.
    Refuse,
    /// From `approved` to `suspended`: its tokens stop at the next request, until it is resumed.
    Suspend,
    /// From `suspended` to `approved`.
    Resume,
    /// From `approved` or `suspended` to `revoked`: its tokens stop at the next request.
    Revoke,
    /// From `revoked` to `approved`, when the sanction that revoked it is lifted.
    Reinstate,
}

/// Moves a firm one step on.
///
/// # Errors
/// When the firm is not in the state that the step starts from.
pub fn step(conn: &mut Conn, actor: &str, id: &str, step: FirmStep, reason: Option<&str>) -> Result<Firm> {
    let (from, to, kind) = match step {
        FirmStep::Approve => (vec![PENDING], APPROVED, Kind::FirmApproved),
        FirmStep::Refuse => (vec![PENDING], REFUSED, Kind::FirmRefused),
        FirmStep::Suspend => (vec![APPROVED], SUSPENDED, Kind::FirmSuspended),
        FirmStep::Resume => (vec![SUSPENDED], APPROVED, Kind::FirmResumed),
        FirmStep::Revoke => (vec![APPROVED, SUSPENDED], REVOKED, Kind::FirmRevoked),
        FirmStep::Reinstate => (vec![REVOKED], APPROVED, Kind::FirmReinstated),
    };
    let firm = find(conn, id)?;
    let changed = diesel::update(firms::table.find(id).filter(firms::status.eq_any(&from)))
        .set((firms::status.eq(to), firms::status_reason.eq(reason), firms::decided_at.eq(now_naive())))
        .execute(conn)?;
    if changed == 0 {
        return Err(Error::Conflict(format!("the firm is {}, not {}", firm.status, from.join(" or "))));
    }
    let subject = format!("firm:{id}");
    match reason {
        Some(reason) => ledger::append_with_reason(conn, kind, actor, &subject, json!({}), reason)?,
        None => ledger::append(conn, kind, actor, &subject, &json!({}))?,
    };
    find(conn, id)
}

/// Holds a firm's requests to a part of what firms may ask, or to that no more. The sanction that does so has the ledger's entry.
///
/// # Errors
/// When it is so already.
pub fn throttle(conn: &mut Conn, id: &str, throttled: bool) -> Result<()> {
    let changed =
        diesel::update(firms::table.find(id).filter(firms::throttled.ne(throttled))).set(firms::throttled.eq(throttled)).execute(conn)?;
    if changed == 0 {
        let already = if throttled { "throttled already" } else { "not throttled" };
        return Err(Error::Conflict(format!("the firm is {already}")));
    }
    Ok(())
}
