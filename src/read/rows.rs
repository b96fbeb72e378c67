//! Rows of a release by query: a page of rows, the true number of rows that match, and a cursor that pins the version.

use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::json::WriterBuilder;
use datafusion::arrow::json::writer::JsonArray;
use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::{Expr, ident};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::export::MOMENT;
use super::filter;
use crate::catalog::Field;
use crate::crypto::{base64url, sha256_hex, unbase64url};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::release::Release;

/// The most rows of one page.
pub const MAX_LIMIT: usize = 1000;

/// What is asked of a release.
#[derive(Debug, Clone, Default)]
pub struct RowsQuery {
    /// Names of fields, separated by commas.
    pub select: Option<String>,
    /// A condition.
    pub condition: Option<String>,
    /// Names of fields to sort by.
    pub order_by: Option<String>,
    /// How many rows at the most.
    pub limit: usize,
    /// Where the page before ended.
    pub cursor: Option<Cursor>,
}

/// The place where a page ended. It holds for the same query over the same version only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    /// The digest of the dataset's slug, `select`, `where` and `order_by`.
    q: String,
    /// The version.
    v: i32,
    /// How many rows went before.
    o: usize,
}

impl Cursor {
    /// Reads a cursor.
    ///
    /// # Errors
    /// When it is none of ours.
    pub fn parse(text: &str) -> Result<Self> {
        let cursor = unbase64url(text).and_then(|bytes| serde_json::from_slice(&bytes).ok());
        cursor.ok_or_else(|| Error::invalid("cursor", "this is no cursor of ours; take next_cursor of the page before, or leave it out"))
    }

    /// The version that it pins.
    pub fn version(&self) -> i32 {
        self.v
    }

    fn write(&self) -> Result<String> {
        Ok(base64url(serde_json::to_string(self)?.as_bytes()))
    }
}

/// A page of rows.
#[derive(Debug, Serialize)]
pub struct Rows {
    /// The columns of the rows.
    pub fields: Vec<Field>,
    /// The rows, as a JSON array of objects.
    pub rows: Box<RawValue>,
    /// How many rows match in all.
    pub total: u64,
    /// The cursor of the next page; null at the end.
    pub next_cursor: Option<String>,
}

impl RowsQuery {
    fn digest(&self, slug: &str) -> String {
        let parts = (slug, &self.select, &self.condition, &self.order_by);
        // A tuple of texts always has a JSON form.
        sha256_hex(serde_json::to_string(&parts).unwrap_or_default().as_bytes())[..16].to_owned()
    }
}

/// Answers a query over a release.
///
/// # Errors
/// When the query cannot be read, or runs longer than `limit`.
pub async fn query(engine: &Arc<Engine>, release: &Release, query: RowsQuery, limit: Duration) -> Result<Rows> {
    let digest = query.digest(&release.dataset().slug);
    let offset = match &query.cursor {
        None => 0,
        Some(cursor) if cursor.q == digest && cursor.v == release.version() && cursor.o as i128 <= i128::from(release.row_count()) => {
            cursor.o
        }
        Some(_) => return Err(Error::invalid("cursor", "this cursor belongs to another query; start again without it")),
    };
    let selected = filter::selection(query.select.as_deref(), release.fields())?;
    let condition = query.condition.as_deref().map(|text| filter::condition(text, release.fields())).transpose()?;
    let order = filter::order(query.order_by.as_deref(), release.fields())?;
    let columns: Vec<Expr> = selected.iter().map(|field| ident(&field.name)).collect();
    let fields: Vec<Field> = selected.into_iter().cloned().collect();

    let mut table = engine.table(&release.objects()).await?;
    let counted = condition.is_some();
    if let Some(condition) = condition {
        table = table.filter(condition)?;
    }
    let all = table.clone();
    if !order.is_empty() {
        table = table.sort(order)?;
    }
    let page = table.limit(offset, Some(query.limit))?.select(columns)?;
    let known_total = release.row_count().max(0).unsigned_abs();
    let (rows, count, total) = engine
        .run(Some(limit), async move {
            let (rows, count) = collect(page).await?;
            let total = if counted { all.count().await? as u64 } else { known_total };
            Ok((rows, count, total))
        })
        .await?;
    let reached = offset + count;
    let more = (reached as u64) < total && count > 0;
    let next = Cursor { q: digest, v: release.version(), o: reached };
    Ok(Rows { fields, rows, total, next_cursor: more.then(|| next.write()).transpose()? })
}

pub(super) async fn collect(page: DataFrame) -> Result<(Box<RawValue>, usize)> {
    let batches = page.collect().await?;
    let count = batches.iter().map(|batch| batch.num_rows()).sum();
    let mut writer =
        WriterBuilder::new().with_explicit_nulls(true).with_timestamp_format(MOMENT.to_owned()).build::<_, JsonArray>(Vec::new());
    for batch in &batches {
        writer.write(batch).map_err(Error::internal)?;
    }
    writer.finish().map_err(Error::internal)?;
    let mut bytes = writer.into_inner();
    if bytes.is_empty() {
        bytes.extend_from_slice(b"[]");
    }
    let text = String::from_utf8(bytes).map_err(Error::internal)?;
    Ok((RawValue::from_string(text)?, count))
}
