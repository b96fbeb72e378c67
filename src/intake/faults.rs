//! What goes wrong on the way in: collected faults, and how a source tells that it has to stop.

use std::io;

use super::scan::conceal;
use super::{Declared, FileFault, IntakeError, MAX_FAULTS};
use crate::error::Error;

/// The longest text of a faulty cell that is shown.
const SHOWN_CHARS: usize = 40;

/// So much of it is looked at for personal data: what begins in the part that is shown ends in this one.
const LOOKED_AT_CHARS: usize = 1000;

/// The longest reason that is told.
const REASON_CHARS: usize = 200;

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
            self.listed.push(harmless(fault));
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
            Stop::Fault(fault) => IntakeError::Faults(vec![harmless(fault)], 1),
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

/// A cell as a message shows it: of a personal column not at all, of another without what looks like personal data.
pub fn shown_of(text: &str, column: &Declared) -> String {
    if column.personal {
        return format!("a value of {} characters (not shown)", text.chars().count());
    }
    if column.cleared { quoted(text) } else { with_nothing_personal(text, Some(column)) }
}

/// A text of a file that is no cell of a known column, as a message shows it.
pub fn shown(text: &str) -> String {
    with_nothing_personal(text, None)
}

/// Why another reader takes no cell, which may repeat some of it.
pub fn reason(why: &str) -> String {
    conceal(why, None).unwrap_or_else(|| why.to_owned()).chars().take(REASON_CHARS).collect()
}

fn with_nothing_personal(text: &str, column: Option<&Declared>) -> String {
    // Of a long text only the front is shown, but what is cut in two there must be hidden too.
    let end = text.char_indices().nth(LOOKED_AT_CHARS).map_or(text.len(), |(at, _)| at);
    let front = text.get(..end).unwrap_or_default();
    quoted(conceal(front, column).as_deref().unwrap_or(front))
}

fn quoted(text: &str) -> String {
    let shown: String = text.chars().take(SHOWN_CHARS).collect();
    format!("`{}`", printable(&shown))
}

/// The text without characters that a terminal would obey, or that would show other characters in another order: they are escaped.
pub fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for letter in text.chars() {
        let hidden = matches!(
            letter,
            '\u{AD}' | '\u{61C}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}'
        );
        if letter.is_control() {
            printable.extend(letter.escape_default());
        } else if hidden {
            printable.extend(letter.escape_unicode());
        } else {
            printable.push(letter);
        }
    }
    printable
}

/// The fault with nothing of the file in it that a terminal would obey.
fn harmless(fault: FileFault) -> FileFault {
    FileFault { column: fault.column.as_deref().map(printable), detail: printable(&fault.detail), ..fault }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_file_reaches_a_terminal_raw() {
        assert_eq!(printable("a\u{1b}[31m\r\n\t徐 \"\\\u{9b}\u{202e}"), "a\\u{1b}[31m\\r\\n\\t徐 \"\\\\u{9b}\\u{202e}");
        assert_eq!(shown("x\0"), "`x\\u{0}`");
    }
}
