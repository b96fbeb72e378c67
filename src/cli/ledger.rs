//! `qingdan ledger verify`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use clap::{Arg, ArgMatches, Command};

use super::End;
use crate::db::Db;
use crate::identity::keys;
use crate::ledger::note::{Checkpoint, Verifier};
use crate::ledger::{Verdict, verify as check};
use crate::settings::Settings;

/// `qingdan ledger` and what stands behind it.
pub(super) fn command() -> Command {
    Command::new("ledger").about("Look at the ledger").subcommand_required(true).subcommand(
        Command::new("verify")
            .about("Check the whole ledger and name the first broken entry; also beside a running service")
            .arg(
                Arg::new("from-checkpoint")
                    .long("from-checkpoint")
                    .value_name("FILE")
                    .action(clap::ArgAction::Append)
                    .value_parser(clap::value_parser!(PathBuf))
                    .help("a checkpoint that you have kept: the ledger must be a continuation of it"),
            )
            .arg(
                Arg::new("key")
                    .long("key")
                    .value_name("KEY")
                    .help("the ledger's key that you have kept, `name+id+base64`; without it, the database's own is believed"),
            ),
    )
}

/// Checks the chain, its tree and its checkpoints. Reads only, and takes no lock, so that it also works beside a running service.
pub(super) fn verify(settings: &Settings, matches: &ArgMatches) -> Result<End> {
    let url = settings.database_url.expose();
    if let Some(path) = crate::db::sqlite_path(url)
        && !path.exists()
    {
        anyhow::bail!("there is no database at {}", path.display());
    }
    let db = Db::connect(url)?;
    let given =
        matches.get_one::<String>("key").map(|text| text.parse::<Verifier>().map_err(|wrong| anyhow!("--key: {wrong}"))).transpose()?;
    let key = match given {
        Some(key) => Some(key),
        None => db.read_now(keys::log_verifier)?,
    };
    let mut kept = Vec::new();
    for path in matches.get_many::<PathBuf>("from-checkpoint").into_iter().flatten() {
        let key = key.as_ref().context("the database has no key of the ledger yet; give the key that you have kept with --key")?;
        kept.push(read(path, key)?);
    }
    match db.read_now(|conn| check(conn, &kept, key.as_ref()))? {
        Verdict::Whole { entries, head, root } => {
            println!("the ledger holds: {entries} entries, head {head}, root {root}");
            for checkpoint in kept {
                println!("it continues the checkpoint of {} over {} entries", checkpoint.origin, checkpoint.size);
            }
            Ok(End::Well)
        }
        Verdict::Broken { seq, reason } => {
            println!("the ledger is broken at entry {seq}: {reason}");
            Ok(End::Found)
        }
    }
}

fn read(path: &Path, verifier: &Verifier) -> Result<Checkpoint> {
    let note = crate::storage::read_text(path).with_context(|| format!("cannot read {}", path.display()))?;
    Checkpoint::open(&note, verifier).map_err(|wrong| anyhow!("{}: {wrong}", path.display()))
}
