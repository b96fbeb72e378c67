//! Our own API, one file for each noun. A handler extracts, calls one function of the core, and wraps the answer.

pub mod admin;
pub mod agreements;
pub mod applications;
pub mod attachments;
pub mod changes;
pub mod citation;
pub mod clients;
pub mod curation;
pub mod datasets;
pub mod download;
pub mod drafts;
pub mod feedback;
pub mod files;
pub mod firms;
pub mod grants;
pub mod jobs;
pub mod ledger;
pub mod listing;
pub mod mail;
pub mod offers;
pub mod open_list;
pub mod operation;
pub mod people;
pub mod publishing;
pub mod register;
pub mod reviews;
pub mod rows;
pub mod sanctions;
pub mod second_factor;
pub mod sessions;
pub mod signed_urls;
pub mod sql;
pub mod statutory;
pub mod uploads;
pub mod use_reports;
pub mod versions;
pub mod webhooks;

use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::error::{Error, Result};

/// A thing by its id.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct IdPath {
    /// The thing's id.
    pub id: String,
}

/// Why something is done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// The reason, in 3 to 2000 characters.
    #[schema(min_length = 3, max_length = 2000)]
    pub reason: String,
}

impl Reason {
    /// The reason, trimmed.
    ///
    /// # Errors
    /// When it is too short or too long.
    pub fn checked(&self) -> Result<String> {
        check_text("/reason", &self.reason, 3, 2000)
    }
}

/// A yes or no with its reason.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// `true` approves, `false` refuses.
    pub approve: bool,
    /// The reason, in 3 to 2000 characters.
    #[schema(min_length = 3, max_length = 2000)]
    pub reason: String,
}

/// A text of so many characters, trimmed.
///
/// # Errors
/// When it is too short or too long.
pub fn check_text(pointer: &str, text: &str, min: usize, max: usize) -> Result<String> {
    let text = text.trim();
    let length = text.chars().count();
    if !(min..=max).contains(&length) {
        return Err(Error::invalid(pointer, format!("give {min} to {max} characters; this has {length}")));
    }
    if text.chars().any(|character| character.is_control() && !matches!(character, '\n' | '\r' | '\t')) {
        return Err(Error::invalid(pointer, "it has control characters"));
    }
    // They change the order in which a text is shown, or hide parts of it.
    if text
        .chars()
        .any(|character| matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'))
    {
        return Err(Error::invalid(pointer, "it has invisible characters that change how the text is shown"));
    }
    Ok(text.to_owned())
}
