//! The ledger, for those who audit it.

use actix_web::{get, web};
use utoipa::IntoParams;

use crate::app::App;
use crate::error::{Error, Result};
use crate::http::page::{Page, PageQuery};
use crate::identity::{Caller, Role};
use crate::ledger::{self, LedgerEntry};

/// Which entries.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct LedgerQuery {
    /// How many items at the most.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 1000, example = 100)]
    limit: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List ledger entries
///
/// Oldest first, to auditors and operators. `qingdan ledger verify` checks the chain.
#[utoipa::path(tag = "ledger", params(LedgerQuery), security(("session" = [])), responses((status = OK, body = Page<LedgerEntry>)))]
#[get("/ledger/entries")]
pub async fn list_ledger_entries(
    caller: Caller,
    app: web::Data<App>,
    query: web::Query<LedgerQuery>,
) -> Result<web::Json<Page<LedgerEntry>>> {
    const LIST: &str = "ledger";
    caller.with_role(&[Role::Auditor, Role::Operator])?;
    let LedgerQuery { limit, cursor } = query.into_inner();
    let page = PageQuery { limit, cursor };
    let limit = page.limit()?;
    let after = match page.after(LIST)? {
        None => 0,
        Some(key) => key.parse().map_err(|_unreadable| Error::invalid("cursor", "this is no cursor of this list"))?,
    };
    let (items, total) = app.db.read(move |conn| ledger::list(conn, after, limit + 1)).await?;
    Ok(web::Json(Page::cut(LIST, items, total, limit, |entry| entry.seq.to_string())))
}
