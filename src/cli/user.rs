//! `qingdan user`.

use anyhow::Result;
use clap::{Arg, ArgMatches, Command};

use super::End;
use crate::app::Parts;
use crate::identity::people::login;
use crate::identity::{password, second_factor};
use crate::settings::Settings;

/// `qingdan user` and what stands behind it.
pub(super) fn command() -> Command {
    let username = || Arg::new("USERNAME").required(true).help("the name to log in with");
    Command::new("user")
        .about("Look after accounts, while the service is stopped")
        .subcommand_required(true)
        .subcommand(Command::new("reset-password").about("Give a person a new one-time password and end the sessions").arg(username()))
        .subcommand(
            Command::new("reset-second-factor")
                .about("Take the second factor from a person who has lost it, and end the sessions")
                .arg(username()),
        )
}

/// Runs one of them.
pub(super) fn run(settings: &Settings, name: &str, matches: &ArgMatches) -> Result<End> {
    let username = matches.get_one::<String>("USERNAME").map(String::as_str).unwrap_or_default();
    match name {
        "reset-password" => reset_password(settings, username),
        "reset-second-factor" => reset_second_factor(settings, username),
        other => anyhow::bail!("there is no command `user {other}`"),
    }
}

/// Gives a person a one-time password and prints it this once.
fn reset_password(settings: &Settings, username: &str) -> Result<End> {
    let parts = Parts::open(settings)?;
    let password = password::one_time()?;
    let hash = password::hash(&password)?;
    parts.db.write_now(|conn| login::reset_password(conn, &parts.master, username, &hash))?;
    println!("username `{username}`, one-time password `{password}` (shown this once; it must be changed at the first log-in)");
    Ok(End::Well)
}

/// Takes a person's second factor away.
fn reset_second_factor(settings: &Settings, username: &str) -> Result<End> {
    let parts = Parts::open(settings)?;
    parts.db.write_now(|conn| second_factor::reset_by_service(conn, username))?;
    println!("username `{username}` has no second factor now, and no session");
    Ok(End::Well)
}
