//! How many datasets there are of a kind: counted once for each state of the list, since counting a long list takes longer than reading a page of it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::App;
use crate::catalog::{self, DatasetFilter};
use crate::error::Result;

/// How many counts are known before all of them are forgotten.
const MOST: usize = 1000;

/// What was counted since the list last changed.
#[derive(Default)]
pub(super) struct Totals(Mutex<Counted>);

#[derive(Default)]
struct Counted {
    mark: i64,
    totals: HashMap<DatasetFilter, i64>,
}

impl App {
    /// How many datasets of the list match.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn total(&self, filter: &DatasetFilter) -> Result<i64> {
        // Read first: what is counted afterwards is as new as that, or newer.
        let mark = self.follower.marks(&self.db).await?.list;
        {
            let known = self.totals.0.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(total) = known.totals.get(filter).filter(|_| known.mark == mark) {
                return Ok(*total);
            }
        }
        let wanted = filter.clone();
        let total = self.db.read(move |conn| catalog::total(conn, &wanted)).await?;
        let mut known = self.totals.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.mark != mark || known.totals.len() >= MOST {
            known.mark = known.mark.max(mark);
            known.totals.clear();
        }
        if known.mark == mark {
            known.totals.insert(filter.clone(), total);
        }
        Ok(total)
    }
}
