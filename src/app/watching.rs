//! An answer that takes long is watched: when the firm, the client or the grant is revoked meanwhile, the term ends, or the dataset is not given
//! out any more, it breaks off.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt};

use super::{Allowed, App};
use crate::access::{self, Read};
use crate::error::Result;
use crate::identity::Caller;
use crate::ledger::Marks;
use crate::limits::{Amounts, Meter};

/// How often is looked whether something has happened elsewhere; what this process writes is seen at once.
const LOOK: Duration = Duration::from_millis(100);

/// Looks whether a read may go on.
pub struct Watch {
    app: Arc<App>,
    caller: Caller,
    slug: String,
    read: Read,
    /// The marks under which it was found to hold last.
    marks: Marks,
    looked: Instant,
    /// What this process had written then.
    commits: u64,
    /// When the grant's term ends; of what everybody may read, never.
    ends: Option<chrono::NaiveDateTime>,
    /// What counts against the grant's quota.
    meter: Option<Meter>,
}

impl Watch {
    /// The watch over a read that was just allowed.
    pub fn over(app: &Arc<App>, caller: &Caller, allowed: &Allowed, read: Read) -> Self {
        let (slug, ends) = (allowed.release.dataset().slug.clone(), allowed.release.ends());
        let (app, caller) = (Arc::clone(app), caller.clone());
        Watch { app, caller, slug, read, marks: allowed.marks, looked: Instant::now(), commits: 0, ends, meter: allowed.meter.clone() }
    }

    /// Counts what is about to be sent against the grant's quota.
    ///
    /// # Errors
    /// When that has not so much left; then nothing may be sent.
    pub fn take(&self, rows: u64, bytes: u64) -> Result<()> {
        self.meter.as_ref().map_or(Ok(()), |meter| meter.take(Amounts { calls: 0, rows, bytes }))
    }

    /// Looks whether the grant's quota has so much left.
    ///
    /// # Errors
    /// When it has not.
    pub fn require(&self, rows: u64, bytes: u64) -> Result<()> {
        self.meter.as_ref().map_or(Ok(()), |meter| meter.require(Amounts { calls: 0, rows, bytes }))
    }

    /// Whether it may go on. That it may not is written into the ledger, unless everybody may read it otherwise.
    ///
    /// # Errors
    /// When it may not, or the database does not answer.
    pub async fn holds(&mut self) -> Result<()> {
        let commits = self.app.db.own_commits();
        if self.commits == commits && self.looked.elapsed() < LOOK {
            return Ok(());
        }
        let marks = self.app.follower.marks(&self.app.db).await?;
        match self.ends {
            Some(ends) if ends <= crate::clock::now_naive() || !self.marks.same(marks) => {
                let (caller, slug, read) = (self.caller.clone(), self.slug.clone(), self.read.clone());
                self.app.db.write(move |conn| access::check_running(conn, &caller, &slug, &read)).await??;
            }
            None if self.marks.list != marks.list => {
                let slug = self.slug.clone();
                self.app.db.read(move |conn| access::check_still_open(conn, &slug)).await?;
            }
            Some(_) | None => {}
        }
        self.marks = marks;
        (self.looked, self.commits) = (Instant::now(), commits);
        Ok(())
    }
}

/// The watch by which an answer counts against a quota: what everybody may read beside it counts against none.
pub fn metered(watches: &[Watch]) -> Option<&Watch> {
    watches.iter().find(|watch| watch.meter.is_some())
}

/// The pieces for as long as every watch holds and the grant's quota lasts; then an error, after which nothing comes. `rows` says at each piece
/// how many rows came with it.
pub fn watched(
    watches: Vec<Watch>,
    pieces: impl Stream<Item = Result<Bytes>> + Send + 'static,
    rows: impl FnMut() -> u64 + Send + 'static,
) -> impl Stream<Item = Result<Bytes>> + Send + 'static {
    stream::unfold(Some((watches, pieces.boxed(), rows)), |state| async move {
        let (mut watches, mut pieces, mut rows) = state?;
        let piece = pieces.next().await?;
        for watch in &mut watches {
            if let Err(ended) = watch.holds().await {
                return Some((Err(ended), None));
            }
        }
        // A token is for one grant: however many of its tables are read, the answer counts once.
        if let (Some(watch), Ok(bytes)) = (metered(&watches), &piece)
            && let Err(used_up) = watch.take(rows(), bytes.len() as u64)
        {
            return Some((Err(used_up), None));
        }
        Some((piece, Some((watches, pieces, rows))))
    })
}
