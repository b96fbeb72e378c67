//! Suspending and withdrawing datasets: who may, and what goes with them.

use diesel::prelude::*;
use serde_json::json;

use crate::access::{self, applications, grants};
use crate::catalog::{self, Dataset, Edition, State, Turn};
use crate::clock::now_naive;
use crate::db::schema::{exports, releases};
use crate::db::{Conn, lock_ledger};
use crate::error::{Error, Result};
use crate::identity::{Caller, Role};
use crate::jobs::{self, JobKind};
use crate::ledger;

/// Suspends a dataset, gives it out again, withdraws it, or puts it into the list again without the data that it had.
///
/// A steward of its publisher suspends; reviewers and operators take every step. With a withdrawal every grant over the dataset is revoked and
/// every public release is deleted: what was made of it is pointed at by nothing any more.
///
/// # Errors
/// When the caller may not, or the dataset is not in the state that the step starts from.
pub fn turn_dataset(conn: &mut Conn, caller: &Caller, slug: &str, step: Turn, reason: &str) -> Result<Dataset> {
    // Of two who decide at the same time, the second finds what the first has done.
    lock_ledger(conn)?;
    require_may(conn, caller, slug, step)?;
    let mut edition = Edition::by(caller.actor()).because(reason);
    let dataset = catalog::turn(conn, &mut edition, slug, step)?;
    if dataset.state == State::Withdrawn {
        let seq = ledger::last_entry(conn)?;
        // Not the reason itself: words stand at one entry, where they can be taken out.
        let words = format!("the dataset was withdrawn from the open list; entry {seq} of the ledger says why");
        for grant in grants::running_over(conn, &dataset)? {
            grants::revoke(conn, caller, &grant, &words)?;
        }
        applications::expire_for(conn, &dataset)?;
        jobs::cancel_about(conn, JobKind::Intake, &format!("dataset:{slug}"))?;
        delete_public_releases(conn, &dataset)?;
    }
    Ok(dataset)
}

/// Whether somebody may take a step, whatever the state of the dataset.
///
/// # Errors
/// When they may not, or there is no such dataset.
pub fn require_may(conn: &mut Conn, caller: &Caller, slug: &str, step: Turn) -> Result<()> {
    let over_all = caller.with_role(&[Role::Reviewer, Role::Operator]).map(|_| ());
    match (step, over_all) {
        (_, Ok(())) => Ok(()),
        (Turn::Suspend(_), Err(_)) if caller.with_role(&[Role::Steward]).is_ok() => {
            access::check_steward(caller, &catalog::find_any(conn, slug)?)
        }
        (Turn::Restore | Turn::Withdraw(_) | Turn::Reopen, Err(_)) if caller.with_role(&[Role::Steward]).is_ok() => Err(Error::Forbidden(
            "a steward suspends a dataset; whether it is given out again or withdrawn, a reviewer or an operator decides".to_owned(),
        )),
        (_, Err(refused)) => Err(refused),
    }
}

/// A dataset, and how many grants would end with its withdrawal.
///
/// # Errors
/// When there is none of that name.
pub fn affected(conn: &mut Conn, slug: &str) -> Result<(Dataset, usize)> {
    let dataset = catalog::find_any(conn, slug)?;
    let running = grants::running_over(conn, &dataset)?.len();
    Ok((dataset, running))
}

/// Forgets the files of a dataset's public releases, and what was made of them in other formats. The files of its versions stay in the store,
/// where nobody reads them: they are the proof of what was given out.
fn delete_public_releases(conn: &mut Conn, dataset: &Dataset) -> Result<()> {
    let made = releases::table
        .filter(releases::dataset_id.eq(&dataset.id))
        .filter(releases::receiver.eq("public"))
        .filter(releases::deleted_at.is_null());
    let ids: Vec<(String, String)> = made.select((releases::id, releases::version_id)).load(conn)?;
    for (id, version) in &ids {
        catalog::forget_parts(conn, id)?;
        diesel::delete(exports::table.filter(exports::release_id.eq(id))).execute(conn)?;
        diesel::update(releases::table.find(id)).set(releases::deleted_at.eq(now_naive())).execute(conn)?;
        let (subject, detail) = (format!("dataset:{}", dataset.slug), json!({ "version_id": version, "receiver": "public" }));
        ledger::append(conn, ledger::Kind::ReleaseDeleted, "service", &subject, &detail)?;
    }
    Ok(())
}
