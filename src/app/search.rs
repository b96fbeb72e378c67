//! Search over the list: the index of this machine, and answers that are as new as the list.

use std::sync::Arc;

use anyhow::Context;

use super::App;
use crate::catalog::{Field, Found, Search, SearchWish};
use crate::error::{Error, Result};
use crate::read::Format;
use crate::settings::Settings;

/// Opens the index in the data folder.
pub(super) fn open(settings: &Settings) -> anyhow::Result<Arc<Search>> {
    let search = Search::open(&settings.data_dir.join("search"), formats).context("cannot open the search index")?;
    Ok(Arc::new(search))
}

fn formats(fields: &[Field], rows: i64) -> Vec<&'static str> {
    Format::ALL.into_iter().filter(|format| format.suits(fields, rows)).map(Format::as_str).collect()
}

impl App {
    /// Answers a search from an index that is as new as the list is.
    ///
    /// # Errors
    /// When the database does not answer, or the index cannot be read or written.
    pub async fn search(&self, wish: SearchWish) -> Result<Found> {
        let mark = self.follower.marks(&self.db).await?.list;
        if !self.search.reaches(mark) {
            // One brings it up, and those who wait hold no connection meanwhile.
            let _turn = self.following.lock().await;
            if !self.search.reaches(mark) {
                let search = Arc::clone(&self.search);
                self.db.read(move |conn| search.follow(conn, mark)).await?;
            }
        }
        let _place = self.searching.acquire().await.map_err(Error::internal)?;
        let search = Arc::clone(&self.search);
        crate::db::blocking(move || search.find(&wish)).await
    }

    /// What somebody may have meant by a question.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn suggestion(&self, question: String) -> Result<Option<String>> {
        let search = Arc::clone(&self.search);
        crate::db::blocking(move || search.suggestion(&question)).await
    }
}
