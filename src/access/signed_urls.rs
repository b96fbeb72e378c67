//! Signed URLs: who may make one, and for what.

use super::{Pass, Read, decide, detail, is_stranger};
use crate::catalog::{self, Dataset, OpenType, State};
use crate::clock;
use crate::db::{Conn, lock_ledger};
use crate::error::{Error, Result};
use crate::identity::Caller;
use crate::identity::signed_urls::SignedUrl;
use crate::ledger::{self, Kind};

/// Checks that the caller may make a signed URL for a read. That they may not is written into the ledger; that they may is by
/// [`record_signed`].
///
/// The outcome is a value inside the answer, so that the entry of a refusal is kept when the transaction ends.
///
/// # Errors
/// When the database does not answer.
pub fn check_signable(conn: &mut Conn, caller: &Caller, slug: &str, read: &Read) -> Result<Result<Pass>> {
    if !is_stranger(caller) {
        // What is decided here holds at the place of its entry: nobody writes in between.
        lock_ledger(conn)?;
    }
    // A name that nobody has given to a dataset does not go into the ledger, and a read of what is open to everybody does not either.
    let dataset = catalog::find_any(conn, slug)?;
    if dataset.state == State::Published && dataset.entry.open_type == OpenType::Unconditional {
        let addresses = format!("its addresses under /api/v1/datasets/{slug} need no token and no signature");
        return Ok(Err(Error::invalid("slug", format!("`{slug}` is open to everybody: {addresses}"))));
    }
    let refused = match signable(conn, caller, dataset, read) {
        Ok(pass) => return Ok(Ok(pass)),
        Err(error @ (Error::Internal(_) | Error::Unavailable(_))) => return Err(error),
        Err(refused) => refused,
    };
    if !is_stranger(caller) {
        let mut detail = detail(caller.grant(), (read, read.mode), read.version, Some(&refused.to_string()));
        detail["signing"] = true.into();
        ledger::append(conn, Kind::ReadRefused, &caller.actor(), &format!("dataset:{slug}"), &detail)?;
    }
    Ok(Err(refused))
}

/// Writes down that the caller makes a signed URL for a read, if they still may; `form` says in which form a release leaves.
///
/// # Errors
/// When the database does not answer; when they may no longer, that is inside the answer.
pub fn record_signed(
    conn: &mut Conn,
    caller: &Caller,
    slug: &str,
    (read, form): (&Read, Option<&str>),
    url: &SignedUrl,
) -> Result<Result<()>> {
    match check_signable(conn, caller, slug, read)? {
        Err(refused) => Ok(Err(refused)),
        Ok(_pass) => {
            let mut detail = detail(Some(&url.grant_id), (read, read.mode), read.version, None);
            detail["signed_url"] = url.id.as_str().into();
            detail["jti"] = url.jti.as_str().into();
            detail["until"] = clock::format(url.until).into();
            if let Some(form) = form {
                detail["format"] = form.into();
            }
            ledger::append(conn, Kind::UrlSigned, &caller.actor(), &format!("dataset:{slug}"), &detail)?;
            Ok(Ok(()))
        }
    }
}

fn signable(conn: &mut Conn, caller: &Caller, dataset: Dataset, read: &Read) -> Result<Pass> {
    let pass = decide(conn, caller, dataset, read)?;
    // Whoever has the URL needs no key.
    if pass.grant().is_some_and(|grant| grant.reach.sender_constrained) {
        return Err(Error::Forbidden(
            "the grant asks for tokens that are bound to a key, and a signed URL is bound to none; send the token with its proof"
                .to_owned(),
        ));
    }
    Ok(pass)
}
