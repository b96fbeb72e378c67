//! The query engine: DataFusion on a runtime of its own, so that no query ever holds up an HTTP worker.
//!
//! A plan is always built from expressions, never from SQL text, over one Parquet object of the store.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use datafusion::dataframe::DataFrame;
use datafusion::error::DataFusionError;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use tokio::runtime::{Builder, Runtime};

use crate::error::{Error, Result};
use crate::storage::{Object, Storage};

const STORE: &str = "qingdan://store";

/// The engine.
pub struct Engine {
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
    env: Arc<RuntimeEnv>,
}

impl Engine {
    /// Starts the engine over a store; what does not fit into `memory_bytes` spills into `scratch`.
    ///
    /// # Errors
    /// When its runtime cannot start.
    pub fn start(storage: &Storage, memory_bytes: usize, scratch: &Path) -> anyhow::Result<Self> {
        let runtime = Builder::new_multi_thread().thread_name("engine").enable_all().build()?;
        let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Directories(vec![scratch.to_owned()]));
        let env = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(memory_bytes)))
            .with_disk_manager_builder(disk)
            .build_arc()?;
        let url = ObjectStoreUrl::parse(STORE)?;
        env.register_object_store(url.as_ref(), storage.object_store());
        Ok(Engine { runtime: Some(runtime), env })
    }

    /// The rows of a table's Parquet objects, in their order and that of the files: one partition reads them from front to back.
    ///
    /// # Errors
    /// When an object cannot be read.
    pub async fn table(&self, objects: &[Object]) -> Result<DataFrame> {
        let mut config = SessionConfig::new().with_target_partitions(1);
        // Text stays in the type in which it is written.
        config.options_mut().execution.parquet.schema_force_view_types = false;
        config.options_mut().execution.parquet.pushdown_filters = true;
        let context = SessionContext::new_with_config_rt(config, Arc::clone(&self.env));
        let urls: Vec<String> = objects.iter().map(|object| format!("{STORE}/{}", object.path())).collect();
        Ok(context.read_parquet(urls, ParquetReadOptions::default()).await?)
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
