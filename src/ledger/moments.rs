//! When what happened to a thing, as everybody may know it: kinds and moments, and nobody's words.

use std::collections::HashMap;

use chrono::NaiveDateTime;
use diesel::dsl::max;
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
    rows.into_iter().map(|(subject, kind, moment)| Ok(Moment { subject, kind, moment: parse(&moment)? })).collect()
}

fn parse(moment: &str) -> Result<NaiveDateTime> {
    NaiveDateTime::parse_from_str(moment, "%Y-%m-%dT%H:%M:%S%.fZ").map_err(Error::internal)
}

/// When something of a kind happened last to each of these things; what it never happened to is not in the answer.
///
/// # Errors
/// When the database does not answer.
pub fn last_moments(conn: &mut Conn, subjects: &[String], kind: Kind) -> Result<HashMap<String, NaiveDateTime>> {
    if subjects.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(String, Option<String>)> = ledger::table
        .filter(ledger::subject.eq_any(subjects))
        .filter(ledger::kind.eq(kind.as_str()))
        .group_by(ledger::subject)
        // All moments are written alike, so that their order is that of their texts.
        .select((ledger::subject, max(ledger::moment)))
        .load(conn)?;
    rows.into_iter().filter_map(|(subject, moment)| moment.map(|moment| Ok((subject, parse(&moment)?)))).collect()
}
