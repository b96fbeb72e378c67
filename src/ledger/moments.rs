//! When what happened to a thing, as everybody may know it: kinds and moments, and nobody's words.

use chrono::NaiveDateTime;
use diesel::prelude::*;
use serde::Serialize;
use utoipa::ToSchema;

use super::Kind;
use crate::db::Conn;
use crate::db::schema::ledger;
use crate::error::{Error, Result};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Moment {
    /// What it happened to.
    #[serde(skip)]
    pub subject: String,
    /// What happened, `noun.verb`, as in the ledger.
    pub kind: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    pub moment: NaiveDateTime,
}

/// The entries of these kinds about these things, in the ledger's order.
///
/// # Errors
/// When the database does not answer.
pub fn moments(conn: &mut Conn, subjects: &[String], kinds: &[Kind]) -> Result<Vec<Moment>> {
    if subjects.is_empty() {
        return Ok(Vec::new());
    }
    let kinds: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
    let rows: Vec<(String, String, String)> = ledger::table
        .filter(ledger::subject.eq_any(subjects))
        .filter(ledger::kind.eq_any(kinds))
        .order(ledger::seq)
        .select((ledger::subject, ledger::kind, ledger::moment))
        .load(conn)?;
    rows.into_iter()
        .map(|(subject, kind, moment)| {
            let moment = NaiveDateTime::parse_from_str(&moment, "%Y-%m-%dT%H:%M:%S%.fZ").map_err(Error::internal)?;
            Ok(Moment { subject, kind, moment })
        })
        .collect()
}
