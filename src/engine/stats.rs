//! What a query cost, from the metrics of its plan.

use std::sync::Arc;
use std::time::Instant;

use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::MetricValue;
use serde::Serialize;
use utoipa::ToSchema;

/// What a query has read so far, and how long it took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct QueryStats {
    /// Bytes read from Parquet files, as they lie in the store.
    pub scanned_bytes: u64,
    /// Row groups that were looked at.
    pub row_groups: u64,
    /// Row groups of these that were skipped, since statistics or bloom filters show that no row of theirs matches.
    pub pruned_row_groups: u64,
    /// Rows that the readers handed on.
    pub rows_scanned: u64,
    /// Milliseconds since the query began.
    pub elapsed_ms: u64,
}

impl QueryStats {
    /// The cost of these plans, begun at `started`.
    pub fn of(plans: &[Arc<dyn ExecutionPlan>], started: Instant) -> Self {
        let mut stats =
            QueryStats { elapsed_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX), ..QueryStats::default() };
        for plan in plans {
            stats.add(plan.as_ref());
        }
        stats
    }

    fn add(&mut self, plan: &dyn ExecutionPlan) {
        if plan.children().is_empty()
            && let Some(metrics) = plan.metrics()
        {
            for metric in metrics.iter() {
                self.metric(metric.value());
            }
        }
        for child in plan.children() {
            self.add(child.as_ref());
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "of many metrics a few are told")]
    fn metric(&mut self, value: &MetricValue) {
        match value {
            MetricValue::OutputRows(count) => self.rows_scanned += count.value() as u64,
            MetricValue::Count { name, count } if name == "bytes_scanned" => self.scanned_bytes += count.value() as u64,
            MetricValue::PruningMetrics { name, pruning_metrics } if name == "row_groups_pruned_statistics" => {
                self.row_groups += (pruning_metrics.pruned() + pruning_metrics.matched()) as u64;
                self.pruned_row_groups += pruning_metrics.pruned() as u64;
            }
            // These were let through by the statistics, and are counted there.
            MetricValue::PruningMetrics { name, pruning_metrics } if name == "row_groups_pruned_bloom_filter" => {
                self.pruned_row_groups += pruning_metrics.pruned() as u64;
            }
            _ => {}
        }
    }
}

impl std::fmt::Display for QueryStats {
    /// As it stands in a header.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let QueryStats { scanned_bytes, row_groups, pruned_row_groups, rows_scanned, elapsed_ms } = self;
        write!(
            f,
            "scanned_bytes={scanned_bytes}, row_groups={row_groups}, pruned_row_groups={pruned_row_groups}, rows_scanned={rows_scanned}, elapsed_ms={elapsed_ms}"
        )
    }
}
