//! What goes wrong on the way in: collected faults, and how a source tells that it has to stop.

use std::io;

use super::{FileFault, IntakeError, MAX_FAULTS};
use crate::error::Error;

/// The longest text of a faulty cell that is shown.
const SHOWN_CHARS: usize = 40;

/// The faults of a file: the first ones, and the number of all.
#[derive(Default)]
pub struct Faults {
    pub listed: Vec<FileFault>,
    pub count: u64,
}

impl Faults {
    pub fn add(&mut self, fault: FileFault) {
        self.count += 1;
        if self.listed.len() < MAX_FAULTS {
            self.listed.push(fault);
        }
    }

    /// Answers the faults in the order of their lines, if there is any.
    pub fn end(&mut self) -> Result<(), IntakeError> {
        if self.count == 0 {
            return Ok(());
        }
        self.listed.sort_by_key(|fault| fault.line);
        Err(IntakeError::Faults(std::mem::take(&mut self.listed), self.count))
    }
}

/// Why a source stops before the end of its file.
#[derive(Debug)]
pub enum Stop {
    /// The file is at fault, and the rest of it cannot be read.
    Fault(FileFault),
    /// Nobody takes the rows any more.
    Gone,
    /// A fault of ours.
    Internal(Error),
}

impl Stop {
    pub fn whole(detail: impl Into<String>) -> Self {
        Stop::Fault(FileFault::whole(detail))
    }

    pub fn at(line: u64, detail: impl Into<String>) -> Self {
        Stop::Fault(FileFault::at(line, detail))
    }

    pub fn internal(cause: impl Into<anyhow::Error>) -> Self {
        Stop::Internal(Error::internal(cause))
    }
}

/// A fault of the file on its way through `std::io`.
#[derive(Debug)]
struct Carried(FileFault);

impl std::fmt::Display for Carried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.detail)
    }
}

impl std::error::Error for Carried {}

/// An I/O error that says what is wrong with the file.
pub fn io_fault(fault: FileFault) -> io::Error {
    io::Error::other(Carried(fault))
}

/// Whether the I/O error says what is wrong with the file, and is none of ours.
pub fn carried(cause: &io::Error) -> Option<&FileFault> {
    cause.get_ref()?.downcast_ref::<Carried>().map(|carried| &carried.0)
}

impl From<io::Error> for Stop {
    fn from(cause: io::Error) -> Self {
        match carried(&cause) {
            Some(fault) => Stop::Fault(fault.clone()),
            None => Stop::Internal(cause.into()),
        }
    }
}

impl From<Stop> for IntakeError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Fault(fault) => IntakeError::Faults(vec![fault], 1),
            Stop::Gone => IntakeError::Cancelled,
            Stop::Internal(cause) => IntakeError::Internal(cause),
        }
    }
}

/// Runs a reader of another library on a file that may be hostile: when it panics, the file is at fault.
pub fn guarded<T>(what: &str, read: impl FnOnce() -> Result<T, Stop>) -> Result<T, Stop> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(read))
        .unwrap_or_else(|_panic| Err(Stop::whole(format!("the {what} is damaged: its reader has given up; save it again"))))
}

/// A cell as a message shows it.
pub fn shown(text: &str, personal: bool) -> String {
    if personal {
        return format!("a value of {} characters (not shown)", text.chars().count());
    }
    format!("`{}`", text.chars().take(SHOWN_CHARS).collect::<String>())
}
