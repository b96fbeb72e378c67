//! The queue in the database.

use chrono::{Duration, NaiveDateTime};
use diesel::prelude::*;
use serde_json::Value;

use super::{Job, JobKind, JobProblem, JobState, MAX_ATTEMPTS, Outcome, Progress};
use crate::clock::now_naive;
use crate::db::schema::jobs;
use crate::db::{Conn, lock_ledger};
use crate::error::{Error, Result};

/// A running job that has told nothing for so long belongs to a process that is gone.
const SILENCE_SECONDS: i64 = 30;

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = jobs)]
struct JobRow {
    id: String,
    kind: String,
    subject: String,
    order_json: String,
    state: String,
    stage: String,
    done_bytes: i64,
    total_bytes: i64,
    row_count: i64,
    attempts: i32,
    cancel_asked: bool,
    problem_json: Option<String>,
    result_json: Option<String>,
    runner: Option<String>,
    created_by: String,
    created_at: NaiveDateTime,
    started_at: Option<NaiveDateTime>,
    finished_at: Option<NaiveDateTime>,
}

impl TryFrom<JobRow> for Job {
    type Error = Error;

    fn try_from(row: JobRow) -> Result<Self> {
        let state: JobState = serde_json::from_value(Value::String(row.state))?;
        let share = row.done_bytes as f64 / (row.total_bytes.max(1)) as f64;
        let percent = match state {
            JobState::Done => Some(100.0),
            _ if row.total_bytes == 0 => None,
            // Rounded to a tenth: that is as exact as anybody looks.
            JobState::Queued | JobState::Running | JobState::Failed | JobState::Cancelled => Some((share.min(1.0) * 1000.0).round() / 10.0),
        };
        Ok(Job {
            id: row.id,
            kind: serde_json::from_value(Value::String(row.kind))?,
            subject: row.subject,
            order: serde_json::from_str(&row.order_json)?,
            state,
            stage: row.stage,
            percent,
            done_bytes: row.done_bytes,
            total_bytes: row.total_bytes,
            rows: row.row_count,
            attempts: row.attempts,
            cancel_asked: row.cancel_asked,
            problem: row.problem_json.map(|text| serde_json::from_str(&text)).transpose()?,
            result: row.result_json.map(|text| serde_json::from_str(&text)).transpose()?,
            claim: row.runner.unwrap_or_default(),
            created_by: row.created_by,
            created_at: row.created_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
        })
    }
}

/// Puts a job at the end of the queue.
///
/// # Errors
/// When the database does not take it.
pub fn enqueue(conn: &mut Conn, kind: JobKind, subject: &str, order: &Value, created_by: &str) -> Result<Job> {
    let row = JobRow {
        id: uuid::Uuid::now_v7().to_string(),
        kind: kind.as_str().to_owned(),
        subject: subject.to_owned(),
        order_json: order.to_string(),
        state: JobState::Queued.as_str().to_owned(),
        stage: "waiting".to_owned(),
        done_bytes: 0,
        total_bytes: 0,
        row_count: 0,
        attempts: 0,
        cancel_asked: false,
        problem_json: None,
        result_json: None,
        runner: None,
        created_by: created_by.to_owned(),
        created_at: now_naive(),
        started_at: None,
        finished_at: None,
    };
    diesel::insert_into(jobs::table).values(&row).execute(conn)?;
    row.try_into()
}

/// The job of that id.
///
/// # Errors
/// When there is none.
pub fn find(conn: &mut Conn, id: &str) -> Result<Job> {
    let row: Option<JobRow> = jobs::table.find(id).select(JobRow::as_select()).first(conn).optional()?;
    row.ok_or_else(|| Error::not_found("job", id))?.try_into()
}

/// The newest job of a kind that is not at its end, or has ended well.
///
/// # Errors
/// When the database does not answer.
pub fn latest_of(conn: &mut Conn, kind: JobKind) -> Result<Option<Job>> {
    let row: Option<JobRow> = jobs::table
        .filter(jobs::kind.eq(kind.as_str()))
        .filter(jobs::state.eq_any(["queued", "running", "done"]))
        .order(jobs::id.desc())
        .select(JobRow::as_select())
        .first(conn)
        .optional()?;
    row.map(Job::try_from).transpose()
}

/// Which jobs to list.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    /// Jobs in this state only.
    pub state: Option<JobState>,
    /// Jobs about one of these only; `None` for all.
    pub subjects: Option<Vec<String>>,
}

/// Jobs, newest first, after the one with the id `after`; and how many match in all.
///
/// # Errors
/// When the database does not answer.
pub fn list(conn: &mut Conn, filter: &JobFilter, after: Option<&str>, limit: i64) -> Result<(Vec<Job>, i64)> {
    let matching = || {
        let mut query = jobs::table.into_boxed::<<Conn as Connection>::Backend>();
        if let Some(state) = filter.state {
            query = query.filter(jobs::state.eq(state.as_str()));
        }
        if let Some(subjects) = &filter.subjects {
            query = query.filter(jobs::subject.eq_any(subjects.clone()));
        }
        query
    };
    let total = matching().count().get_result(conn)?;
    let mut page = matching();
    if let Some(after) = after {
        page = page.filter(jobs::id.lt(after.to_owned()));
    }
    let rows: Vec<JobRow> = page.order(jobs::id.desc()).limit(limit).select(JobRow::as_select()).load(conn)?;
    Ok((rows.into_iter().map(Job::try_from).collect::<Result<_>>()?, total))
}

/// Takes the oldest job that waits, for `runner`. What is written down later goes by [`Job::claim`]: whoever lost the job to somebody else
/// writes nothing any more.
///
/// # Errors
/// When the database does not answer.
pub fn claim(conn: &mut Conn, runner: &str) -> Result<Option<Job>> {
    // Two who look at the same time would both take it.
    lock_ledger(conn)?;
    let silent_since = now_naive() - Duration::seconds(SILENCE_SECONDS);
    let silent = running(conn)?.into_iter().filter(|job| job.beat_at.is_none_or(|beat| beat < silent_since)).collect();
    give_up(conn, silent)?;
    let id: Option<String> = jobs::table.filter(jobs::state.eq("queued")).order(jobs::id).select(jobs::id).first(conn).optional()?;
    let Some(id) = id else { return Ok(None) };
    let now = now_naive();
    diesel::update(jobs::table.find(&id))
        .set((
            jobs::state.eq(JobState::Running.as_str()),
            jobs::runner.eq(format!("{runner}/{}", uuid::Uuid::new_v4())),
            jobs::attempts.eq(jobs::attempts + 1),
            jobs::started_at.eq(now),
            jobs::beat_at.eq(now),
            (jobs::done_bytes.eq(0), jobs::row_count.eq(0), jobs::stage.eq("starting")),
        ))
        .execute(conn)?;
    find(conn, &id).map(Some)
}

/// A job that runs, as far as it matters for taking it away from its runner.
#[derive(Queryable, Selectable)]
#[diesel(table_name = jobs)]
struct Running {
    id: String,
    attempts: i32,
    cancel_asked: bool,
    runner: Option<String>,
    beat_at: Option<NaiveDateTime>,
}

fn running(conn: &mut Conn) -> Result<Vec<Running>> {
    let running = jobs::table.filter(jobs::state.eq(JobState::Running.as_str()));
    Ok(running.select(Running::as_select()).load(conn)?)
}

/// Puts running jobs back in the queue, and gives up those that were interrupted too often.
fn give_up(conn: &mut Conn, interrupted: Vec<Running>) -> Result<usize> {
    for job in &interrupted {
        let (state, problem) = match (job.cancel_asked, job.attempts >= MAX_ATTEMPTS) {
            (true, _) => (JobState::Cancelled, None),
            (false, true) => {
                let detail = format!("the service ended {} times while it did this; retry it when the cause is found", job.attempts);
                (JobState::Failed, Some(serde_json::to_string(&JobProblem { detail, ..JobProblem::default() })?))
            }
            (false, false) => (JobState::Queued, None),
        };
        let finished = state.is_final().then(now_naive);
        diesel::update(jobs::table.find(&job.id))
            .set((
                jobs::state.eq(state.as_str()),
                jobs::stage.eq("waiting"),
                jobs::runner.eq(None::<String>),
                jobs::problem_json.eq(problem),
                jobs::finished_at.eq(finished),
            ))
            .execute(conn)?;
    }
    Ok(interrupted.len())
}

/// Puts the jobs back in the queue that a process of the same name was running when it ended.
///
/// # Errors
/// When the database does not answer.
pub fn requeue_interrupted(conn: &mut Conn, runner: &str) -> Result<usize> {
    let own =
        running(conn)?.into_iter().filter(|job| job.runner.as_deref().and_then(|claim| claim.split('/').next()) == Some(runner)).collect();
    give_up(conn, own)
}

/// Puts a job back that this runner has to leave because the service stops; it does not count as an attempt.
///
/// # Errors
/// When the database does not take it.
pub fn give_back(conn: &mut Conn, id: &str, claim: &str) -> Result<()> {
    let own = jobs::table.find(id).filter(jobs::runner.eq(claim)).filter(jobs::state.eq(JobState::Running.as_str()));
    let values = (
        jobs::state.eq(JobState::Queued.as_str()),
        jobs::stage.eq("waiting"),
        jobs::attempts.eq(jobs::attempts - 1),
        jobs::runner.eq(None::<String>),
    );
    diesel::update(own).set(values).execute(conn)?;
    Ok(())
}

/// Writes down how far a job is. Answers whether it is to go on: not when it was asked to stop, or is no longer this runner's.
///
/// # Errors
/// When the database does not answer.
pub fn beat(conn: &mut Conn, id: &str, claim: &str, progress: &Progress) -> Result<bool> {
    let (stage, done_bytes, total_bytes, rows) = progress.read();
    let own = jobs::table.find(id).filter(jobs::runner.eq(claim)).filter(jobs::state.eq(JobState::Running.as_str()));
    let values = (
        jobs::beat_at.eq(now_naive()),
        jobs::stage.eq(stage),
        jobs::done_bytes.eq(done_bytes),
        jobs::total_bytes.eq(total_bytes),
        jobs::row_count.eq(rows),
    );
    if diesel::update(own).set(values).execute(conn)? == 0 {
        return Ok(false);
    }
    let cancel_asked: bool = jobs::table.find(id).select(jobs::cancel_asked).first(conn)?;
    Ok(!cancel_asked)
}

/// Writes down how a job ended. Answers whether it did: not when the job is no longer under this claim.
///
/// # Errors
/// When the database does not take it.
pub fn finish(conn: &mut Conn, id: &str, claim: &str, outcome: &Outcome) -> Result<bool> {
    let (state, problem, result) = match outcome {
        Outcome::Done(result) => (JobState::Done, None, Some(result.to_string())),
        Outcome::Failed(problem) => (JobState::Failed, Some(serde_json::to_string(problem)?), None),
        Outcome::Cancelled => (JobState::Cancelled, None, None),
    };
    let own = jobs::table.find(id).filter(jobs::runner.eq(claim)).filter(jobs::state.eq(JobState::Running.as_str()));
    let values = (
        jobs::state.eq(state.as_str()),
        jobs::stage.eq("ended"),
        jobs::problem_json.eq(problem),
        jobs::result_json.eq(result),
        jobs::finished_at.eq(now_naive()),
        jobs::runner.eq(None::<String>),
    );
    Ok(diesel::update(own).set(values).execute(conn)? > 0)
}

/// Since when the job runs that runs longest, of those that put something into the store.
///
/// # Errors
/// When the database does not answer.
pub fn running_since(conn: &mut Conn) -> Result<Option<NaiveDateTime>> {
    let running = jobs::table.filter(jobs::state.eq(JobState::Running.as_str())).filter(jobs::kind.ne(JobKind::Collect.as_str()));
    Ok(running.select(diesel::dsl::min(jobs::started_at)).first(conn)?)
}

/// Whether somebody has ordered, about one subject, a job with that text in its order, which is not at its end.
///
/// # Errors
/// When the database does not answer.
pub fn is_ordered(conn: &mut Conn, subject: &str, order: &str) -> Result<bool> {
    let orders: Vec<String> = jobs::table
        .filter(jobs::subject.eq(subject))
        .filter(jobs::state.eq_any(["queued", "running"]))
        .select(jobs::order_json)
        .load(conn)?;
    Ok(orders.iter().any(|known| known.contains(order)))
}

/// Asks a job to stop. One that waits is cancelled at once; a running one soon.
///
/// # Errors
/// When it has come to its end already.
pub fn ask_cancel(conn: &mut Conn, id: &str) -> Result<Job> {
    let job = find(conn, id)?;
    if job.state.is_final() {
        return Err(Error::Conflict(format!("the job is {} already", job.state.as_str())));
    }
    let waiting = jobs::table.find(id).filter(jobs::state.eq(JobState::Queued.as_str()));
    let cancelled = (jobs::state.eq(JobState::Cancelled.as_str()), jobs::cancel_asked.eq(true), jobs::finished_at.eq(now_naive()));
    if diesel::update(waiting).set(cancelled).execute(conn)? == 0 {
        diesel::update(jobs::table.find(id)).set(jobs::cancel_asked.eq(true)).execute(conn)?;
    }
    find(conn, id)
}

/// Asks every job of a kind about one subject to stop.
///
/// # Errors
/// When the database does not take it.
pub fn cancel_about(conn: &mut Conn, kind: JobKind, subject: &str) -> Result<()> {
    let open = jobs::table.filter(jobs::subject.eq(subject)).filter(jobs::kind.eq(kind.as_str()));
    let ids: Vec<String> = open.filter(jobs::state.eq_any(["queued", "running"])).select(jobs::id).load(conn)?;
    for id in ids {
        ask_cancel(conn, &id)?;
    }
    Ok(())
}

/// Puts a failed or cancelled job into the queue again, as if it were new.
///
/// # Errors
/// When it has not failed.
pub fn retry(conn: &mut Conn, id: &str) -> Result<Job> {
    let again = (
        jobs::state.eq(JobState::Queued.as_str()),
        jobs::stage.eq("waiting"),
        jobs::attempts.eq(0),
        jobs::cancel_asked.eq(false),
        jobs::problem_json.eq(None::<String>),
        jobs::finished_at.eq(None::<NaiveDateTime>),
    );
    let ended = jobs::table.find(id).filter(jobs::state.eq_any(["failed", "cancelled"]));
    if diesel::update(ended).set(again).execute(conn)? == 0 {
        let job = find(conn, id)?;
        return Err(Error::Conflict(format!("the job is {}; only a failed or cancelled one is tried again", job.state.as_str())));
    }
    find(conn, id)
}
