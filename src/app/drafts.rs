//! Drafts of the list: a book comes into one, and those whose moment has come take effect.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};

use super::App;
use crate::catalog::book::{self, Plan, Rows, Vocabulary};
use crate::catalog::drafts::{self, Draft};
use crate::catalog::{self, Edition};
use crate::db::{Conn, lock_ledger};
use crate::error::{Error, Fault, Result};
use crate::identity::Caller;
use crate::intake::IntakeError;

/// How often is looked whether a draft's moment has come.
const LOOK: Duration = Duration::from_secs(1);

/// The largest book.
pub const MOST_BOOK_BYTES: usize = 16 << 20;

/// Puts drafts into the list whose moment has come, for ever.
pub(super) async fn run(app: Arc<App>) {
    let mut told = false;
    loop {
        let published = app.publish_due_drafts().await;
        if let (Err(cause), false) = (&published, told) {
            // Each look would say the same.
            tracing::error!(error = ?cause, "scheduled drafts could not be looked at; it is tried again");
        }
        told = published.is_err();
        tokio::time::sleep(LOOK).await;
    }
}

impl App {
    /// Puts every draft into the list whose moment has come.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn publish_due_drafts(&self) -> Result<()> {
        // Asked before it is written: what is written makes every reader look anew.
        while self.db.read(drafts::any_due).await? {
            let grades = Arc::clone(&self.grades);
            if !self.db.write(move |conn| drafts::publish_due(conn, &grades)).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// What a book would change of the list; unless it is a trial, each change goes into the draft.
    ///
    /// # Errors
    /// When the caller may not edit the draft, the body is too large or no workbook, or, unless it is a trial, when there is any mistake in it.
    pub async fn take_book<S, E>(&self, caller: Caller, draft: String, trial: bool, mut body: S) -> Result<(Draft, Plan)>
    where
        S: Stream<Item = std::result::Result<bytes::Bytes, E>> + Unpin,
        E: std::fmt::Display,
    {
        caller.with_role(&drafts::EDITORS)?;
        let (asking, id) = (caller.clone(), draft.clone());
        self.db.read(move |conn| drafts::open_for_book(conn, &asking, &id)).await?;
        let mut bytes = Vec::new();
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|cause| Error::Malformed(format!("the body did not come whole: {cause}")))?;
            if bytes.len() + chunk.len() > MOST_BOOK_BYTES {
                return Err(Error::TooLarge(format!("a book has {} MiB at the most; split it", MOST_BOOK_BYTES >> 20)));
            }
            bytes.extend_from_slice(&chunk);
        }
        let (storage, grades) = (self.storage.clone(), Arc::clone(&self.grades));
        let sheets = crate::db::blocking(move || {
            let scratch = storage.scratch()?;
            scratch.writer()?.write_all(&bytes)?;
            book::read_xlsx(scratch.path()).map_err(unread)
        });
        let sheets = sheets.await?;
        let (publishers, themes, classes) =
            self.db.read(|conn| Ok((catalog::publishers(conn)?, catalog::themes(conn)?, catalog::subject_classes(conn)?))).await?;
        let rows = crate::db::blocking(move || {
            let vocabulary = Vocabulary { publishers: &publishers, themes: &themes, subject_classes: &classes };
            Ok(book::read_rows(&sheets, vocabulary, &grades))
        });
        let rows = rows.await?;
        if trial {
            return self.db.read(move |conn| planned(conn, &caller, &draft, &rows)).await;
        }
        self.db
            .write(move |conn| {
                // What is planned is what the list is when it is written.
                lock_ledger(conn)?;
                let (_, plan) = planned(conn, &caller, &draft, &rows)?;
                refuse_faults(&plan)?;
                let changed: BTreeSet<&str> = plan.changes.iter().map(|change| change.slug.as_str()).collect();
                let (entries, others): (Vec<_>, Vec<_>) = rows.entries.into_iter().partition(|one| changed.contains(one.slug.as_str()));
                let unchanged: BTreeSet<String> = others.into_iter().map(|one| one.slug).collect();
                let entries = entries.into_iter().map(|one| (one.slug, one.entry));
                let draft = drafts::put_book(conn, &caller, &draft, entries, &unchanged)?;
                Ok((draft, plan))
            })
            .await
    }
}

/// What a book would change, and every reason why the draft cannot take it.
fn planned(conn: &mut Conn, caller: &Caller, draft: &str, rows: &Rows) -> Result<(Draft, Plan)> {
    let draft = drafts::open_for_book(conn, caller, draft)?;
    // A reason is asked for when the draft is handed in.
    let edition = Edition::by(caller.actor()).because(draft.reason.as_deref().unwrap_or("of the draft"));
    let mut plan = book::plan(conn, &edition, rows)?;
    let changed: BTreeSet<&str> = plan.changes.iter().map(|change| change.slug.as_str()).collect();
    let mut refused = Vec::new();
    for one in rows.entries.iter().filter(|one| changed.contains(one.slug.as_str())) {
        let faults = drafts::refusals(conn, caller, &draft, &one.slug, &one.entry)?;
        refused.extend(faults.into_iter().map(|(key, detail)| one.fault(&key, detail)));
    }
    plan.faults.extend(refused);
    Ok((draft, plan))
}

fn refuse_faults(plan: &Plan) -> Result<()> {
    if plan.faults.is_empty() {
        return Ok(());
    }
    let fault = |fault: &book::BookFault| {
        let column = fault.column.as_deref().unwrap_or_default();
        let row = fault.row.map(|row| row.to_string()).unwrap_or_default();
        Fault { pointer: format!("{}!{column}{row}", fault.sheet), detail: fault.to_string() }
    };
    Err(Error::Invalid(plan.faults.iter().map(fault).collect()))
}

/// Why a file is no book.
fn unread(cause: IntakeError) -> Error {
    match cause {
        IntakeError::Faults(faults, _) => {
            Error::Invalid(faults.into_iter().map(|fault| Fault { pointer: "body".to_owned(), detail: fault.detail }).collect())
        }
        IntakeError::Cancelled => Error::Unavailable("the reading was stopped".to_owned()),
        IntakeError::Internal(cause) => cause,
    }
}
