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
            let plain = wanted.words.replace('!', "!!").replace('%', "!%").replace('_', "!_");
            let begin = format!("{plain}%");
            let by_code = datasets::code.assume_not_null().like(begin.clone()).escape('!').and(datasets::code.is_not_null());
            query = query.filter(datasets::slug.like(begin).escape('!').or(by_code));
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
