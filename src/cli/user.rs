//! `qingdan user`.

use anyhow::Result;
use clap::{Arg, Command};

use super::End;
use crate::app::Parts;
use crate::identity::{password, people};
use crate::settings::Settings;

/// `qingdan user` and what stands behind it.
pub(super) fn command() -> Command {
    Command::new("user").about("Look after accounts, while the service is stopped").subcommand_required(true).subcommand(
        Command::new("reset-password")
            .about("Give a person a new one-time password and end the sessions")
            .arg(Arg::new("USERNAME").required(true).help("the name to log in with")),
    )
}

/// Gives a person a one-time password and prints it this once.
pub(super) fn reset_password(settings: &Settings, username: &str) -> Result<End> {
    let parts = Parts::open(settings)?;
    let password = password::one_time()?;
    let hash = password::hash(&password)?;
    parts.db.write_now(|conn| people::reset_password(conn, username, &hash))?;
    println!("username `{username}`, one-time password `{password}` (shown this once; it must be changed at the first log-in)");
    Ok(End::Well)
}
