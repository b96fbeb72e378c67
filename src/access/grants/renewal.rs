//! A grant's term is made longer: by an application of its own, decided and signed like the first one, for what the grant gives already.

use chrono::Duration;
use diesel::prelude::*;
use serde_json::json;

use super::{Grant, find, require_in_force};
use crate::access::Terms;
use crate::access::agreements::Agreement;
use crate::access::applications::{self, Application, NewApplication};
use crate::catalog::{Policy, Wish};
use crate::db::schema::{applications as application_rows, grants};
use crate::db::{Conn, lock_ledger};
use crate::error::{Error, Result};
use crate::identity::Caller;
use crate::ledger::{self, Kind};

/// What a firm says when it asks for more time.
pub struct NewRenewal {
    /// For how many days more, from the end of the current term on.
    pub term_days: i32,
    /// What the data is for still, in its words.
    pub purpose: String,
    /// How it keeps the data safe, in its words.
    pub safeguards: String,
}

/// Asks for a longer term: an application for what the grant gives, submitted at once.
///
/// # Errors
/// When the grant is another firm's, gives nothing any more, or is asked to be renewed already.
pub fn ask(conn: &mut Conn, caller: &Caller, id: &str, new: NewRenewal, terms: &Terms) -> Result<Application> {
    let firm = caller.firm()?.to_owned();
    lock_ledger(conn)?;
    let grant = find(conn, id)?;
    if grant.firm_id != firm {
        return Err(Error::not_found("grant", id));
    }
    require_renewable(&grant)?;
    if let Some(open) = open_renewal(conn, id)? {
        return Err(Error::Conflict(format!("the application {open} asks for that already; wait for its end, or withdraw it")));
    }
    let agreed = applications::find(conn, &grant.application_id)?;
    let granted = agreed.granted();
    let wish = Wish {
        purposes: granted.purposes,
        shares_models: granted.shares_models,
        safeguards_met: agreed.wish.safeguards_met,
        versions: grant.reach.versions,
        quota: grant.reach.quota,
        condition: grant.policy.rows.receiver_condition.clone(),
        sender_constrained: grant.reach.sender_constrained,
    };
    let new = NewApplication {
        dataset: grant.dataset,
        purpose: new.purpose,
        wish,
        fields: granted.fields,
        modes: grant.modes,
        term_days: new.term_days,
        safeguards: new.safeguards,
        renews: Some(grant.id),
    };
    applications::create(conn, caller, new, false, terms)
}

fn require_renewable(grant: &Grant) -> Result<()> {
    require_in_force(grant).map_err(|cause| Error::Conflict(format!("{cause}; only a grant in force is renewed")))
}

/// The application that asks for a longer term of a grant and has not come to its end.
fn open_renewal(conn: &mut Conn, id: &str) -> Result<Option<String>> {
    let open: Vec<&str> = applications::State::ALL.into_iter().filter(|state| !state.is_over()).map(applications::State::as_str).collect();
    let of_grant = application_rows::table.filter(application_rows::renews_id.eq(id)).filter(application_rows::status.eq_any(open));
    Ok(of_grant.select(application_rows::id).first(conn).optional()?)
}

/// The grant that an application asks to renew, if an approval with this policy can do that.
///
/// # Errors
/// When it is over, or the policy of the dataset is another one than the grant's by now.
pub(in crate::access) fn renewed_by(conn: &mut Conn, application: &Application, policy: &Policy) -> Result<Option<Grant>> {
    let Some(id) = &application.renews_id else { return Ok(None) };
    let grant = find(conn, id)?;
    require_renewable(&grant)?;
    if grant.policy != *policy {
        return Err(Error::Conflict(
            "an approval would give something else than the grant gives, whose policy is of an earlier day; refuse the renewal, and have the firm apply for a new grant"
                .to_owned(),
        ));
    }
    Ok(Some(grant))
}

/// Lengthens the term by what was agreed.
pub(super) fn renew(conn: &mut Conn, id: &str, agreement: &Agreement, application: &Application) -> Result<Grant> {
    let grant = renewed_by(conn, application, &agreement.policy)?.ok_or_else(|| Error::not_found("grant", id))?;
    let granted = application.granted();
    let expires_at = grant.expires_at + Duration::days(i64::from(granted.term_days));
    diesel::update(grants::table.find(id))
        .set((
            grants::agreement_id.eq(&agreement.id),
            grants::modes_json.eq(serde_json::to_string(&granted.modes)?),
            grants::reach_json.eq(serde_json::to_string(&granted.reach)?),
            grants::expires_at.eq(expires_at),
            grants::ending_told.eq(false),
        ))
        .execute(conn)?;
    let until = crate::clock::format(expires_at.and_utc());
    let detail = json!({ "agreement": agreement.id, "firm": grant.firm_id, "dataset": grant.dataset, "term_days": granted.term_days, "until": until });
    ledger::append(conn, Kind::GrantRenewed, "service", &format!("grant:{id}"), &detail)?;
    find(conn, id)
}
