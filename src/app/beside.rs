//! The parts that a command needs to look into a data folder that a running service may be using: nothing is locked, migrated or made.

use std::sync::Arc;

use anyhow::{Context, anyhow};

use crate::crypto::MasterKey;
use crate::db::{Db, sqlite_path};
use crate::engine::Engine;
use crate::release::Maker;
use crate::settings::Settings;
use crate::storage::{Beside, Storage};

/// Parts beside a service.
pub struct PartsBeside {
    /// The key from which all others come.
    pub master: MasterKey,
    /// The database.
    pub db: Db,
    /// The object store.
    pub storage: Storage,
    /// The query engine.
    pub engine: Arc<Engine>,
    /// Files in the making, removed with this.
    _folder: Beside,
}

impl PartsBeside {
    /// Opens what is there.
    ///
    /// # Errors
    /// When there is no database or no master key, or one of them cannot be opened.
    pub fn open(settings: &Settings) -> anyhow::Result<Self> {
        let url = settings.database_url.expose();
        if let Some(path) = sqlite_path(url)
            && !path.exists()
        {
            return Err(anyhow!("there is no database at {}", path.display()));
        }
        let folder = Beside::open(&settings.data_dir)?;
        let text = match &settings.master_key {
            Some(key) => key.expose().to_owned(),
            None => folder.secret("master.key")?,
        };
        let master = MasterKey::from_hex(&text).ok_or_else(|| anyhow!("secrets/master.key is not 64 hexadecimal characters"))?;
        let db = Db::connect(url).context("cannot open the database")?;
        let storage = Storage::open(&settings.store_dir, folder.scratch(), folder.scratch())?;
        let engine = Arc::new(Engine::start(&storage, settings.query_memory_bytes, folder.scratch())?);
        Ok(PartsBeside { master, db, storage, engine, _folder: folder })
    }

    /// What releases are made with.
    pub fn maker(&self) -> Maker<'_> {
        Maker { db: &self.db, storage: &self.storage, engine: &self.engine, master: &self.master }
    }
}
