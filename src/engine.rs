//! The query engine: DataFusion on a runtime of its own, so that no query ever holds up an HTTP worker.
//!
//! It reads releases as tables of Parquet objects. Which tables a query may see, and of what it may consist, is for `read` to say.

mod share;
mod stats;
mod stop;
mod table;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use datafusion::dataframe::DataFrame;
use datafusion::error::DataFusionError;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use tokio::runtime::{Builder, Runtime};

use crate::error::{Error, Result};
use crate::storage::{Object, Storage};

pub use stats::QueryStats;
pub use stop::Stop;
pub use table::{Piece, ReleaseTable, Texts, row_number};

const STORE: &str = "qingdan://store";

/// Planning goes as deep as a query is nested, in frames that are large in a debug build.
const STACK_BYTES: usize = 16 << 20;

/// Footers of objects that are kept in memory.
const FOOTER_CACHE_BYTES: usize = 64 << 20;

/// One query may take this part of the memory of all.
const SHARES: usize = 2;

/// The engine.
pub struct Engine {
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
    env: Arc<RuntimeEnv>,
    memory_bytes: usize,
    cores: usize,
}

impl Engine {
    /// Starts the engine over a store; what does not fit into `memory_bytes` spills into `scratch`.
    ///
    /// # Errors
    /// When its runtime cannot start.
    pub fn start(storage: &Storage, memory_bytes: usize, scratch: &Path) -> anyhow::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let runtime =
            Builder::new_multi_thread().worker_threads(cores).thread_stack_size(STACK_BYTES).thread_name("engine").enable_all().build()?;
        let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Directories(vec![scratch.to_owned()]));
        let env = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(memory_bytes)))
            .with_disk_manager_builder(disk)
            .with_metadata_cache_limit(FOOTER_CACHE_BYTES)
            .build_arc()?;
        let url = table::store_url()?;
        env.register_object_store(url.as_ref(), storage.object_store());
        Ok(Engine { runtime: Some(runtime), env, memory_bytes, cores })
    }

    /// The rows of a table's Parquet objects, in their order and that of the files: one partition reads them from front to back.
    ///
    /// # Errors
    /// When an object cannot be read.
    pub async fn table(&self, objects: &[Object]) -> Result<DataFrame> {
        let table = self.open(objects, Texts::Plain).await?.in_order();
        let context = SessionContext::new_with_config_rt(self.config(1), Arc::clone(&self.env));
        Ok(context.read_table(Arc::new(table))?)
    }

    /// A release's objects as a table, for a query of its own.
    ///
    /// # Errors
    /// When an object cannot be read.
    pub async fn open(&self, objects: &[Object], texts: Texts) -> Result<ReleaseTable> {
        Ok(ReleaseTable::open(&self.env, objects, texts).await?)
    }

    /// What every query is set up with; `partitions` is how many work at the same time.
    pub fn config(&self, partitions: usize) -> SessionConfig {
        let mut config = SessionConfig::new().with_target_partitions(partitions).with_information_schema(false);
        let options = config.options_mut();
        // Each table says how its texts lie.
        options.execution.parquet.schema_force_view_types = false;
        options.execution.parquet.pushdown_filters = true;
        options.execution.parquet.reorder_filters = true;
        options.execution.parquet.bloom_filter_on_read = true;
        options.execution.enable_recursive_ctes = false;
        // `0.1` is the number that it looks like.
        options.sql_parser.parse_float_as_decimal = true;
        config
    }

    /// What one query may use: its share of the memory, and all that the queries have in common.
    pub fn query_env(&self) -> Arc<RuntimeEnv> {
        let pool = Arc::clone(&self.env.memory_pool);
        let mut env = RuntimeEnv::clone(&self.env);
        env.memory_pool = Arc::new(share::Share::new(pool, self.memory_bytes / SHARES));
        Arc::new(env)
    }

    /// How many threads work on queries.
    pub fn cores(&self) -> usize {
        self.cores
    }

    /// Starts `work` on the engine's runtime. It is stopped when what this answers is dropped, also where it looks after `stop` alone.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub fn spawn(&self, stop: Stop, work: impl Future<Output = ()> + Send + 'static) -> Result<Work> {
        let Some(runtime) = &self.runtime else {
            return Err(Error::Unavailable("the query engine has stopped".to_owned()));
        };
        Ok(Work { stop, _task: AbortOnDrop(runtime.spawn(work)) })
    }

    /// The rows of one Parquet file outside of the store, in its order.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn file(&self, path: &Path) -> Result<DataFrame> {
        let mut config = SessionConfig::new().with_target_partitions(1);
        config.options_mut().execution.parquet.schema_force_view_types = false;
        let context = SessionContext::new_with_config_rt(config, Arc::clone(&self.env));
        // A file in the making has no ending.
        let options = ParquetReadOptions { file_extension: "", ..ParquetReadOptions::default() };
        Ok(context.read_parquet(path.display().to_string(), options).await?)
    }

    /// Runs `work` on the engine's runtime. It is stopped when the caller goes away or the time is over.
    ///
    /// # Errors
    /// What `work` answers, or [`Error::QueryTimeout`].
    pub async fn run<T: Send + 'static>(
        &self,
        limit: Option<Duration>,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let Some(runtime) = &self.runtime else {
            return Err(Error::Unavailable("the query engine has stopped".to_owned()));
        };
        let mut task = AbortOnDrop(runtime.spawn(work));
        match limit {
            None => (&mut task.0).await.map_err(Error::internal)?,
            Some(limit) => match tokio::time::timeout(limit, &mut task.0).await {
                Ok(joined) => joined.map_err(Error::internal)?,
                Err(_elapsed) => Err(Error::QueryTimeout { limit_seconds: limit.as_secs() }),
            },
        }
    }
}

/// Work of the engine that ends when this is dropped.
pub struct Work {
    stop: Stop,
    _task: AbortOnDrop<()>,
}

impl Drop for Work {
    fn drop(&mut self) {
        self.stop.end();
    }
}

struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // A runtime must not be dropped where it would block.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl From<DataFusionError> for Error {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the library may name more kinds of errors")]
    fn from(cause: DataFusionError) -> Self {
        match cause.find_root() {
            DataFusionError::ResourcesExhausted(_) => {
                Error::Unavailable("the query needs more memory than there is at this moment; narrow it, or try again later".to_owned())
            }
            _ => Error::internal(cause),
        }
    }
}
