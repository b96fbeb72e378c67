//! Carries out jobs: takes them from the queue one at a time for each place, tells how far they are, and stops when asked to.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::App;
use crate::access::{applications, duties, grants};
use crate::catalog;
use crate::error::{Error, Result};
use crate::feedback;
use crate::identity::{people, tokens};
use crate::intake::{FileFault, Step, uploads};
use crate::jobs::{self, Job, JobFault, JobKind, JobProblem, Outcome, Progress};
use crate::ledger;
use crate::release::{PublishMode, Refusal, Settle, Source, Stage, Watcher, publish_file};

/// How often the queue is looked at when nobody has said that there is something in it: another replica may have put it there.
const LOOK: Duration = Duration::from_secs(2);

/// How often a running job tells how far it is.
const BEAT: Duration = Duration::from_millis(300);

/// What an intake job is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct IntakeOrder {
    /// The upload.
    pub upload: String,
    /// The dataset.
    pub slug: String,
    /// What becomes of the rows that are there.
    pub mode: PublishMode,
}

/// What a release job is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReleaseOrder {
    /// The grant.
    pub grant: String,
}

/// Takes jobs and does them until the service stops.
pub(super) async fn run(app: Arc<App>) {
    while !app.stopping.load(Ordering::Relaxed) {
        let runner = app.runner.clone();
        match app.db.write(move |conn| jobs::claim(conn, &runner)).await {
            Ok(Some(job)) => carry_out(&app, job).await,
            Ok(None) => {
                // Whichever comes first.
                let _ = tokio::time::timeout(LOOK, app.work.notified()).await;
            }
            Err(cause) => {
                tracing::error!(error = ?cause, "the queue of jobs cannot be read");
                tokio::time::sleep(LOOK).await;
            }
        }
    }
}

/// How often orphans are collected.
const COLLECT_HOURS: i64 = 6;

/// Orders now and then that orphans are collected, unless somebody did so lately.
pub(super) async fn tidy(app: Arc<App>) {
    loop {
        let ordered = app.db.write(|conn| {
            let due = crate::clock::now_naive() - chrono::Duration::hours(COLLECT_HOURS);
            match jobs::latest_of(conn, JobKind::Collect)? {
                Some(job) if job.created_at > due => Ok(()),
                Some(_) | None => jobs::enqueue(conn, JobKind::Collect, "service", &json!({}), "service").map(|_job| ()),
            }
        });
        match ordered.await {
            Ok(()) => app.wake(),
            Err(cause) => tracing::error!(error = ?cause, "the collection of orphans could not be ordered; the next hour tries again"),
        }
        tokio::time::sleep(Duration::from_secs(3600)).await;
    }
}

/// How often is looked what time has done.
const MINUTE: Duration = Duration::from_secs(60);

/// Each minute: keeps the tree over the ledger, and signs a checkpoint when something was written.
pub(super) async fn grow(app: Arc<App>) {
    loop {
        let signer = Arc::clone(&app);
        let grown = async {
            while app.db.write(ledger::tree::grow).await? {}
            app.db.write(move |conn| ledger::checkpoint::sign(conn, &signer.log_key)).await
        };
        if let Err(cause) = grown.await {
            tracing::error!(error = ?cause, "the tree over the ledger could not be kept; the next minute tries again");
        }
        tokio::time::sleep(MINUTE).await;
    }
}

/// Each minute: forgets what is over of tokens and sessions, and looks through what time has done to applications, grants and words. What fails
/// keeps nothing else from being done.
pub(super) async fn sweep(app: Arc<App>) {
    loop {
        let settings = app.settings.sign_in.clone();
        let forgotten = app.db.write(move |conn| {
            tokens::forget_expired(conn)?;
            people::forget_expired(conn, &settings)
        });
        told("tokens and sessions", forgotten.await);
        told("applications", app.db.write(applications::tidy).await);
        told("grants", app.end_grants().await);
        told("old words", app.forget_old_words().await);
        told("feedback", app.look_through_feedback().await);
        tokio::time::sleep(MINUTE).await;
    }
}

fn told<T>(what: &str, done: Result<T>) {
    if let Err(cause) = done {
        tracing::error!(what, error = ?cause, "what is over could not be looked through; the next minute tries again");
    }
}

/// How often is looked which reports of firms did not come in time.
const REMIND: Duration = Duration::from_secs(3600);

/// Writes down now and then which reports on the use of grants did not come in time.
pub(super) async fn remind(app: Arc<App>) {
    let mut warned = None;
    loop {
        let today = crate::clock::now_naive().date();
        if let Some(end) = app.terms.beyond_calendar().filter(|_| warned != Some(today)) {
            warned = Some(today);
            tracing::warn!(
                until = %end,
                "the calendar does not know the holidays of that year, and counts Monday to Friday as worked: give a newer one by the setting working_calendar"
            );
        }
        if let Err(cause) = app.note_overdue().await {
            tracing::error!(error = ?cause, "overdue reports could not be written down; the next hour tries again");
        }
        tokio::time::sleep(REMIND).await;
    }
}

impl App {
    /// Takes words of people out of the ledger that are older than the settings say; answers how many entries lost theirs.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn forget_old_words(&self) -> Result<usize> {
        let (days, mut after, mut count) = (self.settings.duties.retention_days, 0, 0);
        if days == 0 {
            return Ok(0);
        }
        let before = crate::clock::now() - chrono::Duration::days(i64::from(days));
        loop {
            let (taken, next) = self.db.write(move |conn| ledger::forget_old(conn, before, after)).await?;
            count += taken;
            match next {
                Some(next) => after = next,
                None => return Ok(count),
            }
        }
    }

    /// Looks through what time has done to grants; what their releases leave in the store is collected at once.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn end_grants(&self) -> Result<grants::Ended> {
        let settings = self.settings.duties;
        let ended = self
            .db
            .write(move |conn| {
                let ended = grants::tidy(conn, &settings)?;
                if ended.releases > 0 {
                    jobs::enqueue(conn, JobKind::Collect, "service", &json!({}), "service")?;
                }
                Ok(ended)
            })
            .await?;
        if ended.releases > 0 {
            self.wake();
        }
        Ok(ended)
    }

    /// Looks through what time has done to what the public has filed: what is overdue, and what nobody needs any more.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn look_through_feedback(&self) -> Result<()> {
        // Asked before it is written: what is written makes every reader look anew.
        let rules = Arc::clone(&self.hearing);
        if self.db.read(move |conn| feedback::any_over(conn, &rules)).await? {
            let rules = Arc::clone(&self.hearing);
            self.db.write(move |conn| Ok((feedback::note_overdue(conn)?, feedback::forget_old(conn, &rules)?))).await?;
        }
        Ok(())
    }

    /// Writes down which reports on the use of grants did not come in time, once for each period; answers how many are new.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn note_overdue(&self) -> Result<usize> {
        let settings = self.settings.duties;
        self.db.write(move |conn| duties::note_overdue(conn, &settings)).await
    }
}

async fn carry_out(app: &Arc<App>, job: Job) {
    tracing::info!(job.id = %job.id, job.kind = job.kind.as_str(), subject = %job.subject, attempt = job.attempts, "a job starts");
    let progress = Arc::new(Progress::default());
    let beating = tokio::spawn(beat(Arc::clone(app), job.clone(), Arc::clone(&progress)));
    let (doing, order) = (Arc::clone(app), job.clone());
    let told = Arc::clone(&progress);
    // A task of its own: a panic in it ends the job, and not the runner.
    let done = tokio::spawn(async move { perform(&doing, &order, &told).await }).await;
    beating.abort();
    let outcome = match done {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(error)) => Outcome::Failed(problem_of(&job, &error)),
        Err(panic) => Outcome::Failed(problem_of(&job, &Error::internal(panic))),
    };
    let stopping = app.stopping.load(Ordering::Relaxed) && matches!(outcome, Outcome::Cancelled);
    let (id, claim) = (job.id.clone(), job.claim.clone());
    let last = Arc::clone(&progress);
    let written = app
        .db
        .write(move |conn| {
            jobs::beat(conn, &id, &claim, &last)?;
            // A job that wrote its end down itself is not found any more.
            if stopping { jobs::give_back(conn, &id, &claim) } else { jobs::finish(conn, &id, &claim, &outcome).map(|_written| ()) }
        })
        .await;
    if let Err(cause) = written {
        tracing::error!(job.id = %job.id, error = ?cause, "a job's end could not be written down; it is done again");
    }
}

/// Writes down how far the job is, and hands on the wish that it stops.
async fn beat(app: Arc<App>, job: Job, progress: Arc<Progress>) {
    loop {
        tokio::time::sleep(BEAT).await;
        let (id, claim, told) = (job.id.clone(), job.claim.clone(), Arc::clone(&progress));
        match app.db.write(move |conn| jobs::beat(conn, &id, &claim, &told)).await {
            Ok(true) if !app.stopping.load(Ordering::Relaxed) => {}
            Ok(_) => progress.stop(),
            Err(cause) => tracing::warn!(error = %cause, "a job cannot tell how far it is"),
        }
    }
}

async fn perform(app: &Arc<App>, job: &Job, progress: &Arc<Progress>) -> Result<Outcome> {
    match job.kind {
        JobKind::Intake => take_in(app, job, progress).await,
        JobKind::Release => make_release(app, job).await,
        JobKind::Collect => super::collect::collect(app, progress).await,
    }
}

async fn take_in(app: &Arc<App>, job: &Job, progress: &Arc<Progress>) -> Result<Outcome> {
    let IntakeOrder { upload: id, slug, mode } = serde_json::from_value(job.order.clone())?;
    let actor = job.created_by.clone();
    let upload = app.db.read(move |conn| uploads::find(conn, &actor, &id)).await?;
    let path = app.storage.incoming().path(&upload.id);
    if let Some(wanted) = upload.sha256.clone() {
        progress.stage("checking");
        let file = path.clone();
        let (found, _) = crate::db::blocking(move || Ok(crate::storage::digest_file(&file)?)).await?;
        if found != wanted {
            let detail = format!("the file that arrived has the SHA-256 {found}, and {wanted} was announced: upload it again");
            return Ok(Outcome::Failed(JobProblem { detail, ..JobProblem::default() }));
        }
    }
    let source = Source { path, file_name: upload.file_name.clone() };
    let settle = settle(job, &slug, &upload.id);
    let published = publish_file(&app.tools(), &job.created_by, &slug, &source, mode, &watcher(progress), settle).await?;
    match published {
        Ok(published) => {
            let incoming = app.storage.incoming().clone();
            crate::db::blocking(move || incoming.remove(&upload.id)).await?;
            Ok(Outcome::Done(published.to_json(&slug)))
        }
        Err(Refusal::Cancelled) => Ok(Outcome::Cancelled),
        Err(Refusal::Faults(faults, count)) => Ok(Outcome::Failed(faulty(faults, count))),
    }
}

/// In the transaction that writes the version down, the upload is used up and the job is done: a crash before it leaves all three as
/// they were, and one behind it leaves nothing to do again.
fn settle(job: &Job, slug: &str, upload: &str) -> Settle {
    let (job, slug, upload) = (job.clone(), slug.to_owned(), upload.to_owned());
    Box::new(move |conn, published| {
        if !uploads::remove(conn, &upload)? {
            return Err(Error::Conflict("the upload is gone: it was deleted, or published by another job".to_owned()));
        }
        if !jobs::finish(conn, &job.id, &job.claim, &Outcome::Done(published.to_json(&slug)))? {
            return Err(Error::Conflict("the job was taken over while the file was read".to_owned()));
        }
        Ok(())
    })
}

fn watcher(progress: &Arc<Progress>) -> Watcher {
    let progress = Arc::clone(progress);
    Arc::new(move |stage: Stage, step: Step| {
        progress.stage(stage.as_str());
        let go_on = match stage {
            Stage::Reading => progress.tell(step.done_bytes, step.total_bytes, step.rows),
            Stage::Sorting | Stage::Storing | Stage::Publishing => !progress.is_stopping(),
        };
        if go_on { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })
}

fn faulty(faults: Vec<FileFault>, count: u64) -> JobProblem {
    let more_faults = count - faults.len() as u64;
    let fault = |fault: FileFault| JobFault { line: fault.line, column: fault.column, detail: fault.detail };
    let plural = if count == 1 { "one fault" } else { "faults" };
    JobProblem {
        detail: format!("the file has {plural} and did not become a version; mend the file, upload it, and publish it again"),
        faults: faults.into_iter().map(fault).collect(),
        more_faults,
    }
}

async fn make_release(app: &Arc<App>, job: &Job) -> Result<Outcome> {
    let ReleaseOrder { grant } = serde_json::from_value(job.order.clone())?;
    let found = app.db.read(move |conn| {
        let grant = grants::find(conn, &grant)?;
        let dataset = catalog::find(conn, &grant.dataset)?;
        let number = grant.reach.version.or(dataset.version);
        let version = number.map(|number| catalog::version(conn, &dataset, number)).transpose()?;
        Ok((grant, version))
    });
    let (grant, version) = found.await?;
    let Some(version) = version else { return Ok(Outcome::Done(json!({ "version": null }))) };
    let number = version.number;
    app.make_release(&grant, version).await?;
    Ok(Outcome::Done(json!({ "grant": grant.id, "version": number })))
}

/// What the person who asked for the job may know of an error.
fn problem_of(job: &Job, error: &Error) -> JobProblem {
    if let Error::Internal(cause) = error {
        tracing::error!(job.id = %job.id, error = format!("{cause:#}"), "a job failed");
    }
    let detail = if matches!(error, Error::Internal(_)) {
        format!("an internal error occurred; the service's log has it under the job {}", job.id)
    } else {
        error.to_string()
    };
    JobProblem { detail, ..JobProblem::default() }
}
