//! The console: the queue of applications, their review, and the grants. 工作台

pub mod application;
pub mod grants;
pub mod queue;
pub mod report;

use crate::error::Result;
use crate::http::browser;
use crate::identity::{Caller, PersonIdentity, Role};

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
