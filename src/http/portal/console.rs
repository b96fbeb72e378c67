//! The console: the queue of applications, their review, the grants, and the firms. 工作台

pub mod application;
pub mod datasets;
pub mod drafts;
pub mod feedback;
pub mod firms;
pub mod grants;
pub mod queue;
pub mod report;

use crate::catalog::drafts as drafting;
use crate::db::Conn;
use crate::error::Result;
use crate::feedback as heard;
use crate::http::browser;
use crate::identity::{Caller, PersonIdentity, Role, firms as known_firms};

/// The person who is logged in, who has one of these roles.
///
/// # Errors
/// When nobody is logged in by the cookie, or the person has none of them.
fn staff_of<'a>(caller: &'a Caller, roles: &[Role]) -> Result<&'a PersonIdentity> {
    browser::signed_in(caller)?;
    caller.with_role(roles)
}

/// Who may look at the console at all.
const ANY: [Role; 4] = [Role::Steward, Role::Reviewer, Role::Operator, Role::Auditor];

/// Who may look at grants.
const OVER_GRANTS: [Role; 3] = [Role::Reviewer, Role::Operator, Role::Auditor];

/// Who may look at firms.
const OVER_FIRMS: [Role; 2] = [Role::Operator, Role::Auditor];

/// The parts of the console that a person sees.
struct Rooms {
    /// Whether the grants are one of them.
    grants: bool,
    /// How many drafts wait for a review, where the person may decide on them.
    drafts: i64,
    /// How much of what the public filed waits for the person.
    feedback: i64,
    /// How many firms wait for the operator, where the firms are one of them.
    firms: Option<i64>,
}

impl Rooms {
    fn of(conn: &mut Conn, caller: &Caller) -> Result<Self> {
        let firms = if caller.with_role(&OVER_FIRMS).is_ok() { Some(known_firms::waiting(conn)?) } else { None };
        let decides = caller.with_role(&drafting::DECIDERS).is_ok();
        let drafts = if decides { drafting::waiting_drafts(conn)? } else { 0 };
        let feedback = heard::waiting(conn, caller)?;
        Ok(Rooms { drafts, feedback, grants: caller.with_role(&OVER_GRANTS).is_ok(), firms })
    }
}
