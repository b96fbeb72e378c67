//! The one error of the core. It knows nothing of HTTP: `http::problem` gives each variant its status and wire shape.
//!
//! Outside of requests (`cli`, `main`, start-up) `anyhow` is used instead.

use std::fmt;

/// What every core function answers with.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// One thing that is wrong with the input: where it is, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// A JSON pointer into the body (`/uscc`), or a query parameter's name (`where`).
    pub pointer: String,
    /// What is wrong and what would be right.
    pub detail: String,
}

/// Everything that can go wrong in the core.
#[derive(Debug)]
pub enum Error {
    /// The request cannot be read at all: malformed JSON, an unknown key, a bad cursor.
    Malformed(String),
    /// The request can be read, but some of its values are not allowed.
    Invalid(Vec<Fault>),
    /// No identity, or one that does not hold: the text names the reason without helping a guesser.
    Unauthenticated(String),
    /// The person signed in with a one-time password and has to change it first.
    PasswordChangeRequired,
    /// The password is right, and the person has a second factor: a code is asked for.
    SecondFactorRequired,
    /// The person must have a second factor, and has to begin one first.
    SecondFactorEnrolmentRequired,
    /// The identity holds, but may not do this.
    Forbidden(String),
    /// The named thing does not exist, or the caller may not know of it.
    NotFound {
        /// The kind of thing, such as `dataset`.
        what: &'static str,
        /// The name that was asked for.
        name: String,
    },
    /// The list names the dataset, and gives nothing of it out for now.
    Suspended(String),
    /// The dataset was taken from the list.
    Withdrawn(String),
    /// The thing is in a state that does not allow this.
    Conflict(String),
    /// Somebody else has changed what the caller read: how what there is now differs from what came, each at its place.
    Stale {
        /// What to do about it.
        detail: String,
        /// The differences.
        differences: Vec<Fault>,
    },
    /// The request changes something that others change too, and does not say which state of it the caller has read.
    ConditionMissing(String),
    /// The body or answer is larger than the limit.
    TooLarge(String),
    /// The body is of a media type that this operation does not take.
    UnsupportedMediaType(String),
    /// The bytes that arrived are not those that the sender made the checksum of.
    ChecksumMismatch,
    /// The caller speaks another version of a protocol.
    WrongProtocol {
        /// The version that is spoken here.
        spoken: &'static str,
        /// What is wrong, in words.
        detail: String,
    },
    /// None of the media types that the caller takes can be answered.
    NotAcceptable(String),
    /// The caller's limit is used up for now.
    RateLimited {
        /// Which limit, in words.
        reason: String,
        /// When to come back.
        retry_after_seconds: u64,
    },
    /// The requested range lies outside of the file.
    RangeNotSatisfiable {
        /// The file's whole size.
        size_bytes: u64,
    },
    /// The query ran longer than the caller's tier allows.
    QueryTimeout {
        /// The tier's limit.
        limit_seconds: u64,
    },
    /// What was kept cannot be read any more: its bytes were changed, or the key is another one.
    Damaged(String),
    /// A part that this request needs does not answer.
    Unavailable(String),
    /// A fault of ours. The cause is logged once and never shown.
    Internal(anyhow::Error),
}

impl Error {
    /// One fault at one place.
    pub fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Error::Invalid(vec![Fault { pointer: pointer.into(), detail: detail.into() }])
    }

    /// The same, where the faults are named as parameters and the values came in a JSON body: by pointer.
    #[must_use]
    #[expect(clippy::wildcard_enum_match_arm, reason = "no other error names places")]
    pub fn in_body(self) -> Self {
        let pointed = |faults: Vec<Fault>| {
            let point = |fault: Fault| Fault { pointer: format!("/{}", fault.pointer.trim_start_matches('/')), ..fault };
            faults.into_iter().map(point).collect()
        };
        match self {
            Error::Invalid(faults) => Error::Invalid(pointed(faults)),
            Error::Stale { detail, differences } => Error::Stale { detail, differences: pointed(differences) },
            other => other,
        }
    }

    /// The named thing does not exist.
    pub fn not_found(what: &'static str, name: impl Into<String>) -> Self {
        Error::NotFound { what, name: name.into() }
    }

    /// A fault of ours, with its cause.
    pub fn internal(cause: impl Into<anyhow::Error>) -> Self {
        Error::Internal(cause.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Malformed(text)
            | Error::Unauthenticated(text)
            | Error::Forbidden(text)
            | Error::Suspended(text)
            | Error::Withdrawn(text)
            | Error::Conflict(text)
            | Error::TooLarge(text)
            | Error::UnsupportedMediaType(text)
            | Error::NotAcceptable(text)
            | Error::Unavailable(text)
            | Error::Damaged(text)
            | Error::WrongProtocol { detail: text, .. }
            | Error::Stale { detail: text, .. }
            | Error::ConditionMissing(text)
            | Error::RateLimited { reason: text, .. } => f.write_str(text),
            Error::Invalid(faults) => {
                let texts: Vec<String> = faults.iter().map(|fault| format!("{}: {}", fault.pointer, fault.detail)).collect();
                f.write_str(&texts.join("; "))
            }
            Error::ChecksumMismatch => {
                f.write_str("the piece is not the one that Upload-Checksum was made of; nothing of it counts: send it again")
            }
            Error::PasswordChangeRequired => f.write_str("the one-time password must be changed first: PUT /api/v1/people/me/password"),
            Error::SecondFactorRequired => f.write_str("this person has a second factor: send `code` too, from the app or a recovery code"),
            Error::SecondFactorEnrolmentRequired => f.write_str(
                "people with this role must have a second factor: begin it at /account, or by POST /api/v1/people/me/second-factor",
            ),
            Error::NotFound { what, name } => write!(f, "there is no {what} `{name}`"),
            Error::RangeNotSatisfiable { size_bytes } => write!(f, "the range lies outside of the file, which has {size_bytes} bytes"),
            Error::QueryTimeout { limit_seconds } => {
                write!(f, "the query ran longer than the {limit_seconds} s of this tier; narrow `where`, or download the file")
            }
            Error::Internal(_) => f.write_str("an internal error occurred"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        if let Error::Internal(cause) = self { Some(cause.as_ref()) } else { None }
    }
}

impl From<std::io::Error> for Error {
    fn from(cause: std::io::Error) -> Self {
        Error::internal(cause)
    }
}

impl From<serde_json::Error> for Error {
    fn from(cause: serde_json::Error) -> Self {
        Error::internal(cause)
    }
}
