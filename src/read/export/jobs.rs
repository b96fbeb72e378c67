//! Exports in the making: each is made once, a few at a time, and goes on being made when nobody waits for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use diesel::prelude::*;
use tokio::sync::{Semaphore, watch};

use super::{Coding, Export, Format, Opened, Wanted, make};
use crate::clock::now_naive;
use crate::db::schema::{exports, releases};
use crate::db::{Conn, Db, blocking, lock_ledger};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::release::Release;
use crate::storage::{Growth, Object, Scratch, Storage};

/// How many exports are made at the same time; each keeps every core busy.
const AT_ONCE: usize = 2;

/// A release of so many bytes is large: whoever comes first reads its export while it is made.
const LARGE_BYTES: u64 = 1 << 20;

/// Below this, a content coding saves less than its header costs.
const CODED_FROM_BYTES: u64 = 1 << 10;

type Key = (String, Export);

/// How far a job is.
#[derive(Clone)]
enum State {
    /// It waits for its turn.
    Waiting,
    /// It is written, and can be read meanwhile.
    Growing(Arc<Scratch>, watch::Receiver<Growth>),
    /// It has ended.
    Ended(std::result::Result<Object, Arc<Error>>),
}

type Jobs = Arc<Mutex<HashMap<Key, watch::Receiver<State>>>>;

/// Every export in the making.
#[derive(Clone)]
pub struct Exports {
    jobs: Jobs,
    turns: Arc<Semaphore>,
    db: Db,
    storage: Storage,
    engine: Arc<Engine>,
}

impl Exports {
    /// Nothing in the making.
    pub fn new(db: Db, storage: Storage, engine: Arc<Engine>) -> Self {
        Exports { jobs: Jobs::default(), turns: Arc::new(Semaphore::new(AT_ONCE)), db, storage, engine }
    }

    /// The release as a file: one that is there, or one in the making.
    ///
    /// # Errors
    /// When the release cannot be had like this, or the file cannot be made.
    pub async fn open(&self, release: &Release, wanted: Wanted) -> Result<Opened> {
        let plain = wanted.plain;
        plain.check(release)?;
        let may_grow = wanted.may_grow && is_large(release);
        let Some(coding) = wanted.coding.filter(|_| plain.format.is_text()) else { return self.one(release, plain, may_grow).await };
        let coded = Export { coding: Some(coding), ..plain };
        if wanted.plain_will_do {
            let known = match (self.known(release, plain).await?, is_large(release)) {
                (None, false) => Some(self.finished(release, plain).await?),
                (known, _) => known,
            };
            if let Some(known) = known {
                if known.size_bytes < CODED_FROM_BYTES {
                    return Ok(Opened::File(known, None));
                }
                return Ok(match self.one(release, coded, may_grow).await? {
                    Opened::File(object, _) if object.size_bytes >= known.size_bytes => Opened::File(known, None),
                    opened @ (Opened::File(..) | Opened::Growing(..)) => opened,
                });
            }
        }
        self.one(release, coded, may_grow).await
    }

    /// The file of a plain export, made.
    ///
    /// # Errors
    /// When the release cannot be had like this, or the file cannot be made.
    pub async fn file(&self, release: &Release, format: Format) -> Result<Object> {
        Export::plain(format).check(release)?;
        self.finished(release, Export::plain(format)).await
    }

    /// The content coding of the release's file with this digest, of those that are made; `None` for the file without coding too.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn coding_of(&self, release: &Release, plain: Export, sha256: &str) -> Result<Option<Coding>> {
        for coding in Coding::ALL.into_iter().filter(|_| plain.format.is_text()) {
            let coded = Export { coding: Some(coding), ..plain };
            if self.known(release, coded).await?.is_some_and(|object| object.sha256 == sha256) {
                return Ok(Some(coding));
            }
        }
        Ok(None)
    }

    async fn finished(&self, release: &Release, export: Export) -> Result<Object> {
        match self.one(release, export, false).await? {
            Opened::File(object, _) => Ok(object),
            Opened::Growing(..) => Err(Error::internal(anyhow::anyhow!("a growing file for somebody who cannot read it"))),
        }
    }

    async fn one(&self, release: &Release, export: Export, may_grow: bool) -> Result<Opened> {
        if let Some(object) = self.known(release, export).await? {
            return Ok(Opened::File(object, export.coding));
        }
        let mut job = self.job(release, export);
        let may_grow = may_grow && export.format.grows();
        let is_ready = |state: &State| matches!(state, State::Ended(_)) || may_grow && matches!(state, State::Growing(..));
        let state = job.wait_for(is_ready).await.map_err(|_gone| broken_off())?.clone();
        match state {
            State::Growing(scratch, growth) => {
                let storage = self.storage.clone();
                let pieces = blocking(move || storage.follow(&scratch, growth)).await?;
                Ok(Opened::Growing(pieces, export.coding))
            }
            State::Ended(Ok(object)) => Ok(Opened::File(object, export.coding)),
            State::Ended(Err(cause)) => Err(again(&cause)),
            State::Waiting => Err(broken_off()),
        }
    }

    async fn known(&self, release: &Release, export: Export) -> Result<Option<Object>> {
        if export.format == Format::Parquet
            && let [only] = release.objects().as_slice()
        {
            return Ok(Some(only.clone()));
        }
        let id = release.id().to_owned();
        self.db.read(move |conn| find(conn, &id, export)).await
    }

    /// The job that makes the export: the one that runs, or a new one.
    fn job(&self, release: &Release, export: Export) -> watch::Receiver<State> {
        let key = (release.id().to_owned(), export);
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = jobs.get(&key) {
            return running.clone();
        }
        let (state, receiver) = watch::channel(State::Waiting);
        jobs.insert(key.clone(), receiver.clone());
        let listed = Listed { jobs: Arc::clone(&self.jobs), key };
        let (exports, release) = (self.clone(), release.clone());
        tokio::spawn(async move {
            let made = exports.make(&release, export, &state).await;
            if let Err(cause) = &made {
                tracing::error!(error = ?cause, export = %export.key(), "an export could not be made");
            }
            // From here on it is found in the database, or tried again.
            drop(listed);
            state.send_replace(State::Ended(made.map_err(Arc::new)));
        });
        receiver
    }

    async fn make(&self, release: &Release, export: Export, state: &watch::Sender<State>) -> Result<Object> {
        let _turn = self.turns.acquire().await.map_err(Error::internal)?;
        // It may have ended between the look into the database and the one into the jobs, or another replica has made it.
        if let Some(object) = self.known(release, export).await? {
            return Ok(object);
        }
        let plain = match export.coding {
            Some(_) => self.known(release, Export { coding: None, ..export }).await?,
            None => None,
        };
        let storage = self.storage.clone();
        let scratch = Arc::new(blocking(move || storage.scratch()).await?);
        let (sender, growth) = watch::channel(Growth::Written(0));
        let to = scratch.digest_writer()?.telling(sender);
        state.send_replace(State::Growing(Arc::clone(&scratch), growth));
        let digested = match plain {
            Some(plain) => make::from_plain(&self.storage, plain, export, to).await?,
            None => make::from_rows(&self.engine, &self.storage, release.objects(), export, to).await?,
        };
        let storage = self.storage.clone();
        let object = blocking(move || storage.keep_now(&scratch, digested, &export.ending())).await?;
        let (id, kept) = (release.id().to_owned(), object.clone());
        self.db.write(move |conn| add(conn, &id, export, &kept)).await?;
        Ok(object)
    }
}

/// Takes a job off the list, also when it breaks off.
struct Listed {
    jobs: Jobs,
    key: Key,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

fn is_large(release: &Release) -> bool {
    release.objects().iter().map(|object| object.size_bytes).sum::<u64>() >= LARGE_BYTES
}

fn broken_off() -> Error {
    Error::Unavailable("the export was broken off; try again".to_owned())
}

/// The error of a job for each of those who wait for it.
#[expect(clippy::wildcard_enum_match_arm, reason = "few errors come from an export, and the log has the others")]
fn again(cause: &Error) -> Error {
    match cause {
        Error::Unavailable(text) => Error::Unavailable(text.clone()),
        Error::TooLarge(text) => Error::TooLarge(text.clone()),
        Error::Invalid(faults) => Error::Invalid(faults.clone()),
        other => Error::internal(anyhow::anyhow!("an export could not be made: {other:?}")),
    }
}

fn find(conn: &mut Conn, release_id: &str, export: Export) -> Result<Option<Object>> {
    let row: Option<(String, i64)> =
        exports::table.find((release_id, export.key())).select((exports::object_sha256, exports::size_bytes)).first(conn).optional()?;
    Ok(row.map(|(sha256, size)| Object { sha256, size_bytes: size.max(0).unsigned_abs(), format: export.ending() }))
}

fn add(conn: &mut Conn, release_id: &str, export: Export, object: &Object) -> Result<()> {
    // Another replica may have made it meanwhile: the same bytes under the same digest. Two who look at the same time would
    // both find nothing.
    lock_ledger(conn)?;
    // Of a release that was deleted meanwhile nothing is pointed at any more.
    let kept: i64 = releases::table.find(release_id).filter(releases::deleted_at.is_null()).count().get_result(conn)?;
    if kept > 0 && find(conn, release_id, export)?.is_none() {
        let values = (
            exports::release_id.eq(release_id),
            exports::format.eq(export.key()),
            exports::object_sha256.eq(&object.sha256),
            exports::size_bytes.eq(object.size_bytes as i64),
            exports::created_at.eq(now_naive()),
        );
        diesel::insert_into(exports::table).values(values).execute(conn)?;
    }
    Ok(())
}
