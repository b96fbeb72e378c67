//! `qingdan keys`.

use anyhow::Result;
use clap::{Arg, Command};

use super::End;
use crate::app::Parts;
use crate::clock;
use crate::identity::keys;
use crate::settings::Settings;

/// `qingdan keys` and what stands behind it.
pub(super) fn command() -> Command {
    Command::new("keys").about("Look after the keys that sign tokens, while the service is stopped").subcommand_required(true).subcommand(
        Command::new("rotate")
            .about("Make a new key; it signs six minutes later, and the keys before it verify until their last token has ended")
            .arg(
                Arg::new("emergency")
                    .long("emergency")
                    .action(clap::ArgAction::SetTrue)
                    .help("a private key may have leaked: the new key signs at once, and every token of the others is over"),
            ),
    )
}

/// Makes a new key for tokens, and says from when on it signs.
pub(super) fn rotate(settings: &Settings, emergency: bool) -> Result<End> {
    let parts = Parts::open(settings)?;
    let rotation = parts.db.write_now(|conn| keys::rotate(conn, &parts.master, "service", emergency))?;
    let (from, until) = (clock::format(rotation.signs_from.and_utc()), clock::format(rotation.others_until.and_utc()));
    println!("key {} signs from {from}; tokens of the keys before it are taken until {until}", rotation.kid);
    Ok(End::Well)
}
