//! Jobs: long work in a durable queue. A job is written down before anything is done, tells how far it is, can be asked to
//! stop, and starts again when the process that ran it is gone.
//!
//! Knows nothing of what a job does; `app` carries the orders out.

mod store;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use chrono::NaiveDateTime;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

pub use store::{
    JobFilter, ask_cancel, beat, cancel_about, claim, enqueue, find, finish, give_back, is_ordered, latest_of, list, requeue_interrupted,
    retry, running_since,
};

/// A job that was interrupted this often is given up: something in it ends the process.
pub const MAX_ATTEMPTS: i32 = 3;

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// An uploaded file becomes a version.
    Intake,
    /// A grant's release of a version is made.
    Release,
    /// Files in the store that nothing points at are removed.
    Collect,
}

impl JobKind {
    /// The kind as it is written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            JobKind::Intake => "intake",
            JobKind::Release => "release",
            JobKind::Collect => "collect",
        }
    }
}

/// How a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// It waits for its turn.
    Queued,
    /// It is being done.
    Running,
    /// It is done; `result` says what came of it.
    Done,
    /// It could not be done; `problem` says why. Nothing of it is left over.
    Failed,
    /// It was stopped on request. Nothing of it is left over.
    Cancelled,
}

impl JobState {
    /// The state as it is written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            JobState::Queued => "queued",
            JobState::Running => "running",
            JobState::Done => "done",
            JobState::Failed => "failed",
            JobState::Cancelled => "cancelled",
        }
    }

    /// Whether nothing more happens to the job by itself.
    pub fn is_final(self) -> bool {
        matches!(self, JobState::Done | JobState::Failed | JobState::Cancelled)
    }
}

/// What went wrong with a job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobProblem {
    /// In one sentence.
    pub detail: String,
    /// Each thing that is wrong with the file, as far as they are listed.
    #[serde(default)]
    pub faults: Vec<JobFault>,
    /// How many more there are.
    #[serde(default)]
    pub more_faults: u64,
}

/// One thing that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobFault {
    /// The line or row, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// What is wrong.
    pub detail: String,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Job {
    /// Its id.
    pub id: String,
    /// What it does.
    pub kind: JobKind,
    /// What it is about: `dataset:<slug>`, `grant:<id>` or `service`.
    pub subject: String,
    /// What exactly is to be done.
    #[serde(skip)]
    pub order: Value,
    /// How it stands.
    pub state: JobState,
    /// What is being done at this moment, in a word: `waiting`, `reading`, `sorting`, `storing`, `publishing`, …
    pub stage: String,
    /// How far it is, from 0 to 100; null where that cannot be known.
    pub percent: Option<f64>,
    /// Bytes of the source that were read, over all passes.
    pub done_bytes: i64,
    /// Bytes to read in all; 0 where that is not known yet.
    pub total_bytes: i64,
    /// Rows that were written so far.
    pub rows: i64,
    /// How often it was started.
    pub attempts: i32,
    /// Whether it was asked to stop.
    pub cancel_asked: bool,
    /// What went wrong.
    pub problem: Option<JobProblem>,
    /// What came of it; its shape depends on the kind.
    #[schema(value_type = Option<Object>)]
    pub result: Option<Value>,
    /// Under which claim it runs; empty while it does not.
    #[serde(skip)]
    pub claim: String,
    /// Who asked for it, as in the ledger.
    pub created_by: String,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    pub created_at: NaiveDateTime,
    /// When it was last started.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize_option")]
    pub started_at: Option<NaiveDateTime>,
    /// When it came to its end.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize_option")]
    pub finished_at: Option<NaiveDateTime>,
}

/// How a job ended.
#[derive(Debug)]
pub enum Outcome {
    /// It is done.
    Done(Value),
    /// It could not be done.
    Failed(JobProblem),
    /// It was stopped.
    Cancelled,
}

/// How far a running job is: written by the work, read by whoever writes it down.
#[derive(Debug, Default)]
pub struct Progress {
    done_bytes: AtomicU64,
    total_bytes: AtomicU64,
    rows: AtomicU64,
    stopping: AtomicBool,
    stage: Mutex<&'static str>,
}

impl Progress {
    /// Says how far the work is. Answers whether it is to go on.
    pub fn tell(&self, done_bytes: u64, total_bytes: u64, rows: u64) -> bool {
        self.done_bytes.store(done_bytes, Ordering::Relaxed);
        self.total_bytes.store(total_bytes, Ordering::Relaxed);
        self.rows.store(rows, Ordering::Relaxed);
        !self.is_stopping()
    }

    /// Says what is being done from now on.
    pub fn stage(&self, stage: &'static str) {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner) = stage;
    }

    /// Asks the work to stop.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether the work was asked to stop.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    fn read(&self) -> (&'static str, i64, i64, i64) {
        let number = |value: &AtomicU64| i64::try_from(value.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
        let stage = *self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        (stage, number(&self.done_bytes), number(&self.total_bytes), number(&self.rows))
    }
}
