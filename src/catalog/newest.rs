//! What is public of the newest versions of several datasets, in one query.

use std::collections::BTreeMap;

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::entry::Field;
use super::state::State;
use super::store::Dataset;
use super::versions::VersionStatus;
use crate::db::Conn;
use crate::db::schema::{datasets, versions};
use crate::error::Result;

/// A dataset's newest version, without its data.
#[derive(Debug, Clone)]
pub struct Newest {
    /// The version's id.
    pub id: String,
    /// From 1.
    pub number: i32,
    /// Its columns with their types.
    pub fields: Vec<Field>,
    /// How many rows it has.
    pub row_count: i64,
    /// When it was taken in.
    pub created_at: NaiveDateTime,
}

type Row = (String, String, i32, String, i64, NaiveDateTime);

/// The newest version of each dataset that has one which can be read, by the dataset's id.
///
/// # Errors
/// When the database does not answer.
pub fn newest_of(conn: &mut Conn, of: &[Dataset]) -> Result<BTreeMap<String, Newest>> {
    let ids: Vec<&str> = of.iter().map(|dataset| dataset.id.as_str()).collect();
    let rows: Vec<Row> = versions::table
        .inner_join(datasets::table)
        .filter(versions::dataset_id.eq_any(ids))
        .filter(datasets::version.eq(versions::number.nullable()))
        .filter(datasets::state.eq(State::Published.as_str()))
        .filter(versions::status.eq(VersionStatus::Published.as_str()))
        .select((versions::dataset_id, versions::id, versions::number, versions::fields_json, versions::row_count, versions::created_at))
        .load(conn)?;
    let newest = |(dataset, id, number, fields, row_count, created_at): Row| {
        Ok((dataset, Newest { id, number, fields: serde_json::from_str(&fields)?, row_count, created_at }))
    };
    rows.into_iter().map(newest).collect()
}
