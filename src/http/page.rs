//! Lists in pages: `limit`, an opaque `cursor`, and the envelope `{items, total, next_cursor}`.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::crypto::{base64url, unbase64url};
use crate::error::{Error, Result};

/// The most items of one page.
pub const MAX_LIMIT: i64 = 1000;

/// Where a page of a list begins and how long it is.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// How many items at the most.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 1000, example = 100)]
    pub limit: Option<String>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

impl PageQuery {
    /// The limit, 100 by default.
    ///
    /// # Errors
    /// When it is no number from 1 to 1000.
    pub fn limit(&self) -> Result<i64> {
        parse_limit(self.limit.as_deref(), MAX_LIMIT)
    }

    /// The key of the last item of the page before, in the list of that name.
    ///
    /// # Errors
    /// When the cursor is none of this list's.
    pub fn after(&self, list: &str) -> Result<Option<String>> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let key = unbase64url(cursor).and_then(|bytes| String::from_utf8(bytes).ok());
        let key = key.and_then(|text| text.strip_prefix(list).and_then(|rest| rest.strip_prefix('\n')).map(str::to_owned));
        key.map(Some).ok_or_else(|| Error::invalid("cursor", "this is no cursor of this list with these filters; start again without it"))
    }
}

/// Reads a limit from 1 to `max`, 100 by default.
///
/// # Errors
/// When it is no such number.
pub fn parse_limit(text: Option<&str>, max: i64) -> Result<i64> {
    let Some(text) = text else { return Ok(100.min(max)) };
    let number = text.parse::<i64>().ok().filter(|number| (1..=max).contains(number));
    number.ok_or_else(|| Error::invalid("limit", format!("`{text}` is not a whole number from 1 to {max}")))
}

/// The cursor behind the item with that key, in the list of that name.
pub fn cursor(list: &str, key: &str) -> String {
    base64url(format!("{list}\n{key}").as_bytes())
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// How many there are in all.
    pub total: i64,
    /// The cursor of the next page; null at the end.
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// A page; `last_key` is the key of its last item when more follow.
    pub fn new(list: &str, items: Vec<T>, total: i64, last_key: Option<&str>) -> Self {
        let next_cursor = last_key.map(|key| cursor(list, key));
        Page { items, total, next_cursor }
    }

    /// A list that is always answered whole.
    pub fn whole(items: Vec<T>) -> Self {
        let total = items.len() as i64;
        Page { items, total, next_cursor: None }
    }

    /// A page of at most `limit` items from up to one more.
    pub fn cut(list: &str, mut items: Vec<T>, total: i64, limit: i64, key: impl Fn(&T) -> String) -> Self {
        let more = items.len() as i64 > limit;
        items.truncate(limit as usize);
        let last = if more { items.last().map(key) } else { None };
        Page::new(list, items, total, last.as_deref())
    }
}
