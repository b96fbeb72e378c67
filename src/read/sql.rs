//! `POST /api/v1/sql`: one SELECT over every release that the caller may read, answered while it is computed.
//!
//! The text is checked by its syntax tree first ([`check()`]); then the surface takes a release for each dataset that it names;
//! then it is planned in a session that knows these tables and the functions of `functions` and nothing else.

mod check;
pub(crate) mod functions;
mod guarded;
pub(crate) mod patterns;
mod refusal;
mod sandbox;
mod stream;
mod sums;
mod texts;

use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::catalog::TableProvider;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::{DataFrame, SQLOptions, SessionContext};
use serde::Serialize;
use utoipa::ToSchema;

use self::check::wrong;
use super::encode::{Encoding, field_type};
use super::rows::numbered;
use crate::engine::{Engine, QueryStats, Texts};
use crate::error::{Error, Result};
use crate::intake::FieldType;
use crate::release::Release;

pub(crate) use check::MAX_GROWING;
pub use check::{Checked, MAX_BYTES, TableName};
pub use sandbox::{OutputCheck, Sandbox};
pub use stream::Answer;

/// Rows that the operators hand on at once: with the engine's own 8,192 they spend more time on handing on than on scans and sums.
const BATCH_ROWS: usize = 32_768;

/// What an answer may take.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Rows.
    pub rows: u64,
    /// Bytes, in the format of the answer.
    pub bytes: u64,
    /// Wall time.
    pub time: Duration,
}

/// A column of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type: that of a field, or the engine's own word for one that no field has.
    #[serde(rename = "type")]
    pub column_type: String,
    /// Digits behind the point of a decimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<i8>,
}

/// What stands behind the rows.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Summary {
    /// How many rows the answer has.
    pub row_count: u64,
    /// Whether there were more rows than the caller may have, or asked for.
    pub truncated: bool,
    /// What the query cost. In the sandbox this is its time alone.
    pub stats: QueryStats,
    /// The output check of the sandbox, where it was answered there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<OutputCheck>,
}

/// Reads a text and checks that it is one SELECT over datasets.
///
/// # Errors
/// Says what is wrong with it.
pub async fn check(engine: &Engine, text: String, limit: Duration) -> Result<Checked> {
    // A nested text takes more stack than an HTTP worker has.
    engine.run(Some(limit), async move { check::check(&text) }).await
}

/// Starts a query over releases, each under the name by which the query calls it. When this answers, the first rows are there.
///
/// # Errors
/// When the query cannot be planned, or fails before its first rows.
pub async fn run(
    engine: &Arc<Engine>,
    query: Checked,
    tables: Vec<(TableName, Arc<Release>)>,
    bounds: Bounds,
    encoding: Encoding,
) -> Result<Answer> {
    let started = Instant::now();
    let context = session(engine, &tables, query.numbered).await?;
    stream::start(engine, context, query, bounds, encoding, started).await
}

/// A session of one query: its tables, its functions, its share of the memory.
async fn session(engine: &Engine, tables: &[(TableName, Arc<Release>)], numbered: bool) -> Result<SessionContext> {
    let mut config = engine.config(engine.cores()).with_batch_size(BATCH_ROWS);
    let options = config.options_mut();
    options.sql_parser.collect_spans = true;
    // Each table decides by its condition.
    options.execution.parquet.pushdown_filters = false;
    // Readers of numbered tables keep to their pieces.
    options.optimizer.repartition_file_scans &= !numbered;

    let state = functions::state(config, Some(engine.query_env()));
    let context = SessionContext::new_with_state(state);
    for (name, release) in tables {
        let table = engine.open(&release.objects(), Texts::Views).await?;
        let provider: Arc<dyn TableProvider> = match numbered {
            false => Arc::new(table),
            true => numbered::numbered_view(engine, &context, table, release)?.into_view(),
        };
        context.register_table(datafusion::common::TableReference::bare(name.name.as_str()), provider)?;
    }
    Ok(context)
}

/// The query as a plan that reads and does nothing else.
async fn plan(context: &SessionContext, query: Checked, rows: u64) -> Result<DataFrame> {
    let Checked { statement, sandbox, .. } = query;
    let plan = context.state().statement_to_plan(statement).await.map_err(refusal::refuse)?;
    SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false)
        .verify_plan(&plan)
        .map_err(refusal::refuse)?;
    check_names(&plan)?;
    let plan = match &sandbox {
        None => plan,
        Some(sandbox) => sandbox::guard(context, plan, sandbox)?,
    };
    let frame = context.execute_logical_plan(plan).await.map_err(refusal::refuse)?;
    // One more than may be sent tells whether there are more.
    let most = usize::try_from(rows.saturating_add(1)).unwrap_or(usize::MAX);
    frame.limit(0, Some(most)).map_err(refusal::refuse)
}

/// Two columns of one name would be one in JSON.
fn check_names(plan: &LogicalPlan) -> Result<()> {
    let mut names: Vec<&str> = plan.schema().fields().iter().map(|field| field.name().as_str()).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(wrong(format!("two columns of the answer are named `{}`: give one of them another name with AS", pair[0]))),
        None => Ok(()),
    }
}

fn columns(schema: &datafusion::arrow::datatypes::Schema) -> Vec<Column> {
    let column = |field: &Arc<datafusion::arrow::datatypes::Field>| {
        let known = field_type(field.data_type());
        let column_type =
            known.map_or_else(|| field.data_type().to_string().to_lowercase(), |(kind, _)| FieldType::as_str(kind).to_owned());
        Column { name: field.name().clone(), column_type, scale: known.and_then(|(_, scale)| scale) }
    };
    schema.fields().iter().map(column).collect()
}

/// What the surface says of a dataset that a query names and that does not exist.
pub fn unknown_table(name: &TableName, slugs: &[String]) -> Error {
    let mut near: Vec<(usize, &String)> =
        slugs.iter().map(|slug| (datafusion::common::utils::datafusion_strsim::levenshtein(slug, &name.slug), slug)).collect();
    near.sort();
    let near: Vec<String> = near.into_iter().take(3).map(|(_, slug)| format!("\"{slug}\"")).collect();
    let near = if near.is_empty() { "there is none yet".to_owned() } else { format!("near it are {}", near.join(", ")) };
    wrong(format!("there is no dataset `{}`; {near}", name.slug))
}
