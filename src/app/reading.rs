//! From a caller to the release that may be read. What was found out is kept for as long as nothing has happened by the ledger that
//! could change it; the entry of a sensitive read is written each time, and is on the disk before anything leaves.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::anyhow;

use super::App;
use crate::access::grants::Grant;
use crate::access::reports::{self, FiledReport, Tried};
use crate::access::{self, Mode, Pass, Read};
use crate::catalog::Version;
use crate::error::{Error, Result};
use crate::identity::{Caller, Identity};
use crate::ledger::Marks;
use crate::limits::Meter;
use crate::read::sql::Sandbox;
use crate::release::{self, Found, Holder, Maker, Release};

/// How many reads are known before all of them are forgotten.
const MOST: usize = 2000;

/// Reads of this process that were found to be allowed.
#[derive(Default)]
pub(super) struct KnownReads(Mutex<Reads>);

/// Those that were found out under the same marks.
#[derive(Default)]
struct Reads {
    marks: Marks,
    known: HashMap<Reading, Known>,
}

/// A release that may be read.
pub struct Allowed {
    /// The release.
    pub release: Arc<Release>,
    /// The marks under which that was found out.
    pub(super) marks: Marks,
    /// What counts against the quota of the grant under which it is read.
    pub(super) meter: Option<Meter>,
    /// The rules of the sandbox, where a query is answered by them.
    pub sandbox: Option<Sandbox>,
}

/// Who reads what.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Reading {
    /// Nobody for what everybody may read.
    holder: Option<ReadHolder>,
    slug: String,
    version: Option<i32>,
}

/// A token by its own name, with its client and its grant; and whether a signed URL came in its place, which is worth less where tokens have to be bound.
#[derive(Clone, PartialEq, Eq, Hash)]
struct ReadHolder {
    jti: String,
    client: String,
    grant: String,
    by_url: bool,
}

#[derive(Clone)]
struct Known {
    pass: Arc<Pass>,
    release: Arc<Release>,
}

impl KnownReads {
    fn find(&self, reading: &Reading, marks: Marks) -> Option<Known> {
        let reads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if reads.marks.same(marks) { reads.known.get(reading).cloned() } else { None }
    }

    fn keep(&self, reading: Reading, marks: Marks, new: Known) {
        let mut reads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !reads.marks.same(marks) {
            // Of two that were found out at the same time, what is older is not kept.
            if marks.seen < reads.marks.seen {
                return;
            }
            *reads = Reads { marks, known: HashMap::new() };
        }
        if reads.known.len() >= MOST {
            reads.known.clear();
        }
        reads.known.insert(reading, new);
    }
}

impl App {
    /// Checks that the caller may read the dataset and answers the release to read, making a grant's release where it is missing.
    ///
    /// # Errors
    /// When the caller may not, or there is no such version; whether a collection has the files that are asked for is not looked at.
    pub async fn release(&self, caller: &Caller, slug: &str, read: Read) -> Result<Allowed> {
        let holder = match &caller.identity {
            Identity::Client(client) => client.grant_id.clone().map(|grant| ReadHolder {
                jti: client.jti.clone(),
                client: client.client_id.clone(),
                grant,
                by_url: client.signed_url.is_some(),
            }),
            Identity::Anonymous | Identity::Person(_) => None,
        };
        let mut meter = None;
        let for_grant = caller.grant().map(str::to_owned);
        let reading = Reading { holder, slug: slug.to_owned(), version: read.version };
        // Read before anything else is: what changes in between shows at the next request, by its mark.
        let marks = self.follower.marks(&self.db).await?;
        if let Some(known) = self.reads.find(&reading, marks) {
            let allowed = match known.pass.entry_of(caller, &read, marks) {
                None => known.pass.is_public(),
                Some(draft) => {
                    meter = self.begin(known.pass.grant()).await?;
                    self.recorder.record(draft).await?
                }
            };
            if allowed {
                let sandbox = self.sandbox(&known.pass, &read);
                return Ok(Allowed { release: known.release, marks, meter, sandbox });
            }
        }
        if let (None, Some(id)) = (&meter, for_grant) {
            let slug = slug.to_owned();
            let grant = self.db.read(move |conn| access::grants::for_dataset(conn, &id, &slug)).await?;
            meter = self.begin(grant.as_ref()).await?;
        }
        let pass = self.pass(caller, slug, &read).await?;
        let sandbox = self.sandbox(&pass, &read);
        let (release, made) = Box::pin(self.release_of(pass.clone(), read.version)).await?;
        let release = Arc::new(release);
        if made {
            // That may have taken a while, in which the grant may have ended.
            let (caller, slug) = (caller.clone(), slug.to_owned());
            self.db.write(move |conn| access::check_running(conn, &caller, &slug, &read)).await??;
        }
        self.reads.keep(reading, marks, Known { pass: Arc::new(pass), release: Arc::clone(&release) });
        Ok(Allowed { release, marks, meter, sandbox })
    }

    /// The rules of the sandbox, where the pass opens no more than that.
    fn sandbox(&self, pass: &Pass, read: &Read) -> Option<Sandbox> {
        let grant = pass.grant().filter(|_| pass.way(read) == Mode::Sandbox)?;
        let settings = &self.settings.sandbox;
        // Of another version the noise is another one, also where a group is the same: what changed must not show. Two grants of a firm over the same
        // rows and fields have the same.
        let version = read.version.or(pass.version()).unwrap_or_default();
        let key = self.master.derive(&format!("sandbox:{}:{}:{version}", grant.firm_id, grant.dataset_id));
        Some(Sandbox::new(settings.min_units, settings.max_share, &grant.policy, &key))
    }

    /// Counts a call under a grant.
    async fn begin(&self, grant: Option<&Grant>) -> Result<Option<Meter>> {
        match grant {
            None => Ok(None),
            Some(grant) => self.metering.begin(&self.db, &grant.id, grant.reach.quota).await.map(Some),
        }
    }

    async fn pass(&self, caller: &Caller, slug: &str, read: &Read) -> Result<Pass> {
        // Whoever comes with the token of a grant comes for what it gives: that is looked up where it is written down.
        if caller.grant().is_none() {
            let name = slug.to_owned();
            if let Some(pass) = self.db.read(move |conn| access::check_open(conn, &name)).await? {
                return Ok(pass);
            }
        }
        let (caller, slug, read) = (caller.clone(), slug.to_owned(), read.clone());
        // The entry is on disk when this returns: nothing has been sent yet.
        self.db.write(move |conn| access::check_recorded(conn, &caller, &slug, &read)).await?
    }

    /// The release that a pass opens, and whether it had to be made.
    pub(super) async fn release_of(&self, pass: Pass, version: Option<i32>) -> Result<(Release, bool)> {
        let find = |pass: Pass| self.db.read(move |conn| release::find_for(conn, &pass, version));
        match find(pass.clone()).await? {
            Found::Release(release) => Ok((*release, false)),
            Found::Missing(grant, version) => {
                self.make_release(&grant, *version).await?;
                match find(pass).await? {
                    Found::Release(release) => Ok((*release, true)),
                    Found::Missing(..) => Err(Error::internal(anyhow!("a release was made and cannot be found"))),
                }
            }
        }
    }

    /// Tries out what an approval of an application would release of the dataset's newest version, and puts the report on file.
    ///
    /// # Errors
    /// When the caller is no reviewer, the application is decided, or the policy does not fit the version.
    pub async fn report(&self, caller: &Caller, application: &str, fields: Option<Vec<String>>) -> Result<FiledReport> {
        let (who, id, terms) = (caller.clone(), application.to_owned(), Arc::clone(&self.terms));
        let to_try = self.db.read(move |conn| reports::to_try(conn, &who, &id, fields, &terms)).await?;
        let (policy, number, contents) = (to_try.policy, to_try.version.number, to_try.contents);
        let holder = Holder { application: to_try.keyed_by, firm: to_try.firm, dataset: to_try.dataset.id };
        let report = {
            // One at a time; whoever waits for a release does not wait for a report.
            let _turn = self.trying.lock().await;
            self.maker().try_out(&to_try.dataset.slug, &policy, &holder, to_try.version).await?
        };
        let (caller, id) = (caller.clone(), application.to_owned());
        let (reached, report) = (report.reached, serde_json::to_value(report)?);
        let tried = Tried { version: number, policy, reached, report, contents };
        self.db.write(move |conn| reports::put(conn, &caller, &id, &tried)).await
    }

    fn maker(&self) -> Maker<'_> {
        Maker { db: &self.db, storage: &self.storage, engine: &self.engine, master: &self.master }
    }

    /// Makes a grant's release, one at a time, unless somebody else has made it meanwhile.
    pub(super) async fn make_release(&self, grant: &Grant, version: Version) -> Result<()> {
        let _turn = self.making.lock().await;
        let (id, version_id) = (grant.id.clone(), version.id.clone());
        if self.db.read(move |conn| release::exists(conn, &version_id, &id)).await? {
            return Ok(());
        }
        self.maker().make(grant, version).await
    }
}
