//! `qingdan keys`.

use anyhow::Result;
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::End;
use crate::app::Parts;
use crate::clock;
use crate::identity::keys;
use crate::settings::Settings;

/// `qingdan keys` and what stands behind it.
pub(super) fn command() -> Command {
    Command::new("keys").about("Look after the keys that sign, while the service is stopped").subcommand_required(true).subcommand(
        Command::new("rotate")
            .about("Make a new key; it signs six minutes later, and the keys before it verify until their last token, and the last URL signed with one, has ended")
            .arg(
                Arg::new("emergency")
                    .long("emergency")
                    .action(ArgAction::SetTrue)
                    .help("a private key may have leaked: the new key signs at once, and every token of the others, and URL signed with one, is over"),
            )
            .arg(
                Arg::new("agreements")
                    .long("agreements")
                    .action(ArgAction::SetTrue)
                    .conflicts_with("emergency")
                    .help("the key that countersigns agreements, in place of that of tokens; the keys before it stay published"),
            ),
    )
}

/// Makes a new key for tokens or agreements, and says from when on it signs.
pub(super) fn rotate(settings: &Settings, matches: &ArgMatches) -> Result<End> {
    let parts = Parts::open(settings)?;
    if matches.get_flag("agreements") {
        let kid = parts.db.write_now(|conn| keys::agreements::rotate(conn, &parts.master, "service"))?;
        println!("key {kid} countersigns agreements from the next start on; the keys before it stay published");
        return Ok(End::Well);
    }
    let emergency = matches.get_flag("emergency");
    let rotation = parts.db.write_now(|conn| keys::rotate(conn, &parts.master, "service", emergency))?;
    let (from, until) = (clock::format(rotation.signs_from.and_utc()), clock::format(rotation.others_until.and_utc()));
    println!("key {} signs from {from}; tokens of the keys before it are taken until {until}", rotation.kid);
    Ok(End::Well)
}
