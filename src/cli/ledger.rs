//! `qingdan ledger verify`.

use anyhow::Result;

use super::End;
use crate::db::Db;
use crate::ledger::{Verdict, verify as check};
use crate::settings::Settings;

/// Checks the chain. Reads only, and takes no lock, so that it also works beside a running service.
pub(super) fn verify(settings: &Settings) -> Result<End> {
    let url = settings.database_url.expose();
    if let Some(path) = crate::db::sqlite_path(url)
        && !path.exists()
    {
        anyhow::bail!("there is no database at {}", path.display());
    }
    let db = Db::connect(url)?;
    match db.read_now(check)? {
        Verdict::Whole { entries, head } => {
            println!("the ledger holds: {entries} entries, head {head}");
            Ok(End::Well)
        }
        Verdict::Broken { seq, reason } => {
            println!("the ledger is broken at entry {seq}: {reason}");
            Ok(End::Found)
        }
    }
}
