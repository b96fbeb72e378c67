//! Aggregates: one pass over the table, whose groups are ordered by what is asked for and then by all columns.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::common::TableReference;
use datafusion::logical_expr::{Expr, SortExpr};
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::{DataFrame, SessionContext};
use datafusion::sql::parser::Statement as EngineStatement;
use datafusion::sql::sqlparser::ast::{Expr as Ast, GroupByExpr, SelectItem, SetExpr, Statement};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use futures::StreamExt;

use super::scan::Page;
use crate::catalog::Field;
use crate::engine::{Engine, ReleaseTable};
use crate::error::{Error, Result};
use crate::read::cursor::Place;
use crate::read::select::{self, Item};
use crate::read::sql::functions;
use crate::read::terms;

/// What is asked of a table.
pub(super) struct Grouped {
    pub condition: Option<Expr>,
    pub items: Vec<Item>,
    pub group_by: Vec<Ast>,
    pub order_by: Option<String>,
    pub limit: usize,
    /// How many groups went before.
    pub before: u64,
}

pub(super) async fn page(engine: &Engine, table: ReleaseTable, grouped: Grouped) -> Result<(Vec<Field>, Page)> {
    let mut context = context(engine, engine.cores());
    let mut groups = plan(&context, table.clone(), &grouped).await?;
    // Sums of floating-point numbers depend on the order in which they are added: one reader always adds in the same.
    if groups.schema().fields().iter().any(|field| field.data_type().is_floating()) {
        context = self::context(engine, 1);
        groups = plan(&context, table, &grouped).await?;
    }
    let fields = select::output_fields(groups.schema().as_arrow(), "select")?;
    let order: Vec<SortExpr> = crate::read::filter::order(grouped.order_by.as_deref(), &fields)?;
    let order = if order.is_empty() { select::by_all(&fields) } else { order };
    let plan = groups.sort(order)?.create_physical_plan().await.map_err(|cause| functions::refuse("select", cause))?;
    let mut stream = execute_stream(Arc::clone(&plan), context.task_ctx())?;
    let (first, mut seen, mut batches, mut rows) =
        (usize::try_from(grouped.before).map_err(Error::internal)?, 0, Vec::<RecordBatch>::new(), 0);
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(|cause| functions::refuse("select", cause))?;
        let from = first.saturating_sub(seen).min(batch.num_rows());
        let taken = (batch.num_rows() - from).min(grouped.limit - rows);
        seen += batch.num_rows();
        if taken > 0 {
            rows += taken;
            batches.push(batch.slice(from, taken));
        }
    }
    Ok((fields, Page { batches, rows, total: seen as u64, next: Place::Counted, plans: vec![plan] }))
}

fn context(engine: &Engine, partitions: usize) -> SessionContext {
    SessionContext::new_with_state(functions::state(terms::config(engine.config(partitions)), Some(engine.query_env())))
}

const NAME: &str = "release";

/// The tree of a SELECT is put together from the checked parts; no text of the query is parsed again.
async fn plan(context: &SessionContext, table: ReleaseTable, grouped: &Grouped) -> Result<DataFrame> {
    let mut rows = context.read_table(Arc::new(table))?;
    if let Some(condition) = &grouped.condition {
        rows = rows.filter(condition.clone())?;
    }
    let view: Arc<dyn TableProvider> = rows.into_view();
    context.register_table(TableReference::bare(NAME), view)?;
    let template = Parser::parse_sql(&GenericDialect {}, "SELECT 1 FROM release").map_err(Error::internal)?;
    let Some(Statement::Query(mut query)) = template.into_iter().next() else {
        return Err(Error::internal(anyhow::anyhow!("no template")));
    };
    if let SetExpr::Select(select) = query.body.as_mut() {
        select.projection =
            grouped.items.iter().map(|item| SelectItem::ExprWithAlias { expr: item.ast.clone(), alias: item.alias() }).collect();
        select.group_by = GroupByExpr::Expressions(grouped.group_by.clone(), Vec::new());
    }
    let statement = EngineStatement::Statement(Box::new(Statement::Query(query)));
    let plan = context.state().statement_to_plan(statement).await.map_err(|cause| functions::refuse("select", cause))?;
    context.execute_logical_plan(plan).await.map_err(|cause| functions::refuse("select", cause))
}
