//! One step taken with many things at once, as a wave of advertising needs it.

use std::collections::HashSet;

use serde::Serialize;
use utoipa::ToSchema;

use super::steps::{MODERATORS, dismiss, moderate};
use super::{FeedbackKind, find};
use crate::db::Conn;
use crate::error::{Error, Result};
use crate::identity::Caller;

/// How many things one call takes the step with.
pub const MOST_AT_ONCE: usize = 100;

/// The step.
#[derive(Debug, Clone)]
pub enum BulkStep {
    /// Everybody sees what was written.
    Show,
    /// Nobody does, for this reason.
    Hide(String),
    /// It is none, for this reason.
    Dismiss(String),
}

/// One with which the step was not taken.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PassedOver {
    /// Which.
    pub id: String,
    /// Why the step was not taken with it.
    pub detail: String,
}

/// What became of them.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct BulkOutcome {
    /// Those with which the step was taken, in the order given.
    pub done: Vec<String>,
    /// Those with which it was not: they are as they were.
    pub passed_over: Vec<PassedOver>,
}

/// Takes the step with each of them, in one transaction and with an entry of the ledger for each. What cannot be decided so, because somebody else
/// has decided it meanwhile, say, is passed over.
///
/// # Errors
/// When the caller may not, none or too many or one twice is named, or there is none of that ID.
pub fn take_with_all(conn: &mut Conn, caller: &Caller, ids: &[String], step: &BulkStep) -> Result<BulkOutcome> {
    caller.with_role(&MODERATORS)?;
    check(ids)?;
    let mut outcome = BulkOutcome { done: Vec::new(), passed_over: Vec::new() };
    for id in ids {
        if find(conn, id)?.kind()? == FeedbackKind::RightsClaim {
            outcome.passed_over.push(PassedOver { id: id.clone(), detail: "a rights claim is decided by itself".to_owned() });
            continue;
        }
        // Each of them looks before it writes: what is passed over has changed nothing.
        let taken = match step {
            BulkStep::Show => moderate(conn, caller, id, true, None),
            BulkStep::Hide(reason) => moderate(conn, caller, id, false, Some(reason)),
            BulkStep::Dismiss(reason) => dismiss(conn, caller, id, reason),
        };
        match taken {
            Ok(()) => outcome.done.push(id.clone()),
            Err(Error::Conflict(detail) | Error::Forbidden(detail)) => outcome.passed_over.push(PassedOver { id: id.clone(), detail }),
            Err(error) => return Err(error),
        }
    }
    Ok(outcome)
}

fn check(ids: &[String]) -> Result<()> {
    if ids.is_empty() || ids.len() > MOST_AT_ONCE {
        return Err(Error::invalid("/ids", format!("name 1 to {MOST_AT_ONCE} of them; there are {}", ids.len())));
    }
    let mut known = HashSet::new();
    match ids.iter().position(|id| !known.insert(id)) {
        Some(twice) => Err(Error::invalid(format!("/ids/{twice}"), format!("`{}` is named twice", ids[twice]))),
        None => Ok(()),
    }
}
