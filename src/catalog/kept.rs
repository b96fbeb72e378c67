//! The list as those who keep it see it: every dataset, whatever its state.

use diesel::prelude::*;

use super::state::State;
use super::store::{Dataset, DatasetPage, find_any};
use crate::db::Conn;
use crate::db::schema::datasets;
use crate::error::Result;

/// Which datasets somebody looks for.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    /// Those of one publisher alone.
    pub publisher: Option<String>,
    /// Those of one state alone.
    pub state: Option<State>,
    /// How the slug or the code begins.
    pub words: String,
}

/// Datasets by slug, after the one named `after`.
///
/// # Errors
/// When the database does not answer.
pub fn list_kept(conn: &mut Conn, wanted: &Kept, after: Option<&str>, limit: i64) -> Result<DatasetPage> {
    let matching = || {
        let mut query = datasets::table.into_boxed::<<Conn as Connection>::Backend>();
        if let Some(publisher) = &wanted.publisher {
            query = query.filter(datasets::publisher.eq(publisher.clone()));
        }
        if let Some(state) = wanted.state {
            query = query.filter(datasets::state.eq(state.as_str()));
        }
        if !wanted.words.is_empty() {
            // Both are compared byte by byte: what begins so lies between the words and the words with the last character behind them.
            let (from, to) = (wanted.words.clone(), format!("{}\u{10ffff}", wanted.words));
            let by_code = datasets::code.ge(from.clone()).and(datasets::code.le(to.clone()));
            query = query.filter(datasets::slug.ge(from).and(datasets::slug.le(to)).or(by_code.assume_not_null()));
        }
        query
    };
    let total = matching().count().get_result(conn)?;
    let mut page = matching();
    if let Some(after) = after {
        page = page.filter(datasets::slug.gt(after.to_owned()));
    }
    let mut slugs: Vec<String> = page.order(datasets::slug).limit(limit + 1).select(datasets::slug).load(conn)?;
    let more = slugs.len() as i64 > limit;
    slugs.truncate(limit as usize);
    let datasets: Vec<Dataset> = slugs.iter().map(|slug| find_any(conn, slug)).collect::<Result<_>>()?;
    Ok(DatasetPage { datasets, total, more })
}
