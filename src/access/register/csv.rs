//! The register as one file for a spreadsheet.

use chrono::NaiveDateTime;

use super::{RegisterEntry, RegisterFilter, Search, next_end};
use crate::clock::format;
use crate::db::Conn;
use crate::error::{Error, Result};

/// How many grants of a file are read at a time.
pub const BATCH: i64 = 1000;

const HEADER: [&str; 19] = [
    "grant",
    "firm_name",
    "firm_uscc",
    "dataset",
    "dataset_title_zh",
    "dataset_title_en",
    "publisher_zh",
    "publisher_en",
    "fields_zh",
    "fields_en",
    "purpose",
    "modes",
    "starts_at",
    "expires_at",
    "state",
    "state_since",
    "agreement",
    "agreement_sha256",
    "agreement_signed_at",
];

/// What tells a spreadsheet that the file is in UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The register as a file.
pub struct RegisterFile {
    /// CSV.
    pub bytes: Vec<u8>,
    /// Whether it is one of the files that there are a limited number of.
    pub usual: bool,
    /// When the next term ends: until then the file holds, unless something is written.
    pub until: Option<NaiveDateTime>,
}

/// Every grant that matches, the newest first, as CSV with a byte order mark; so many are read at a time.
///
/// # Errors
/// When the database does not answer.
pub fn csv(conn: &mut Conn, filter: &RegisterFilter, batch: i64) -> Result<RegisterFile> {
    let mut writer = ::csv::Writer::from_writer(BYTE_ORDER_MARK.to_vec());
    writer.write_record(HEADER).map_err(Error::internal)?;
    let search = Search::begin(conn, filter)?;
    let until = next_end(conn, search.now)?;
    let (mut after, mut some): (Option<String>, bool) = (None, false);
    loop {
        let (entries, more) = search.batch(conn, after.as_deref(), batch)?;
        for entry in &entries {
            writer.write_record(cells(entry).map(plain)).map_err(Error::internal)?;
        }
        some = some || !entries.is_empty();
        after = entries.last().map(|entry| entry.grant.clone());
        if !more || after.is_none() {
            break;
        }
    }
    let bytes = writer.into_inner().map_err(|cause| Error::internal(cause.into_error()))?;
    let usual = filter.q.is_none() && (some || (filter.dataset.is_none() && filter.firm.is_none()));
    Ok(RegisterFile { bytes, usual, until })
}

fn cells(entry: &RegisterEntry) -> [String; 19] {
    let moment = |at: NaiveDateTime| format(at.and_utc());
    let zh: Vec<String> = entry.fields.iter().map(|field| format!("{}（{}）", field.name, field.leaves.zh)).collect();
    let en: Vec<String> = entry.fields.iter().map(|field| format!("{} ({})", field.name, field.leaves.en)).collect();
    let modes: Vec<&str> = entry.modes.iter().map(|mode| mode.as_str()).collect();
    [
        entry.grant.clone(),
        entry.firm.name.clone(),
        entry.firm.uscc.clone(),
        entry.dataset.slug.clone(),
        entry.dataset.title.zh.clone(),
        entry.dataset.title.en.clone(),
        entry.dataset.publisher.zh.clone(),
        entry.dataset.publisher.en.clone(),
        zh.join("；"),
        en.join("; "),
        entry.purpose.clone(),
        modes.join(", "),
        moment(entry.starts_at),
        moment(entry.expires_at),
        entry.state.as_str().to_owned(),
        moment(entry.state_since),
        entry.agreement.id.clone(),
        entry.agreement.sha256.clone(),
        entry.agreement.signed_at.map(moment).unwrap_or_default(),
    ]
}

/// A text that no spreadsheet takes for a formula: firms wrote some of them. A spreadsheet may overlook what is not seen before it, and takes full-width
/// signs for the plain ones.
fn plain(text: String) -> String {
    let unseen =
        |sign: char| sign.is_whitespace() || sign.is_control() || matches!(sign, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}');
    let formula = text.trim_start_matches(unseen).starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
    if formula || text.starts_with(['\t', '\r', '\n']) { format!("'{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_would_take_for_a_formula_gets_an_apostrophe() {
        for text in
            ["=1", "+1", "-1", "@SUM(1)", " =1", "\u{3000}=1", "\u{feff}=1", "\u{200b}+1", "＝1", "＋1", "－1", " ＠1", "\ttext", "\r\n=1"]
        {
            assert_eq!(plain(text.to_owned()), format!("'{text}"), "{text:?}");
        }
        for text in ["", "text", " text", "1=1", "中文＝", "2026-01-01"] {
            assert_eq!(plain(text.to_owned()), text);
        }
    }
}
