//! `qingdan agreement verify`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use chrono::DateTime;
use clap::{Arg, ArgMatches, Command};

use super::End;
use crate::access::agreements::{Statement, Verdict, verify as check};
use crate::clock;

/// `qingdan agreement` and what stands behind it.
pub(super) fn command() -> Command {
    let file = |arg: Arg| arg.value_name("FILE").value_parser(clap::value_parser!(PathBuf));
    Command::new("agreement").about("Look at agreements").subcommand_required(true).subcommand(
        Command::new("verify")
            .about("Check a signed agreement's bundle anywhere: its text, the firm's signature and the service's; without a service or its data")
            .arg(file(Arg::new("FILE")).required(true).help("the bundle, from GET /api/v1/agreements/ID/bundle"))
            .arg(file(Arg::new("keys").long("keys")).help(
                "the service's keys that you have kept, from GET /api/v1/agreements/keys; without them, the bundle's own is believed",
            )),
    )
}

/// Checks a bundle, and says whose key is believed.
pub(super) fn verify(matches: &ArgMatches) -> Result<End> {
    let read = |name: &str| {
        let path = matches.get_one::<PathBuf>(name);
        path.map(|path| crate::storage::read_text(path).with_context(|| format!("cannot read {}", path.display()))).transpose()
    };
    let (bundle, keys) = (read("FILE")?.unwrap_or_default(), read("keys")?);
    match check(&bundle, keys.as_deref())? {
        Verdict::Holds { statement, kid } => {
            tell(&statement, &kid);
            match keys {
                Some(_) => println!("that key is believed because it is among the keys that you gave"),
                None => println!(
                    "that key is the bundle's own and is believed because the bundle says so: whoever made the bundle could have made the key. \
                     Compare it with {}/api/v1/agreements/keys, or give these with --keys",
                    plain(&statement.iss)
                ),
            }
            Ok(End::Well)
        }
        Verdict::Broken(faults) => {
            println!("the agreement does not hold:");
            for fault in faults {
                println!("{}", plain(&fault));
            }
            Ok(End::Found)
        }
    }
}

fn tell(statement: &Statement, kid: &str) {
    println!("the agreement holds: {}, SHA-256 of its text {}", plain(&statement.agreement), plain(&statement.agreement_sha256));
    let firm = plain(&statement.firm_uscc);
    match (&statement.client_id, &statement.firm_jkt, &statement.confirmation) {
        (_, _, Some(said)) => println!(
            "the firm {firm} confirmed it, with no signature of its own: person {} by {} at {}; that is the service's word",
            plain(&said.person),
            plain(&said.method),
            plain(&said.at)
        ),
        (client, jkt, None) => println!(
            "the firm {firm} signed it, by client {} with the key {}",
            plain(client.as_deref().unwrap_or_default()),
            plain(jkt.as_deref().unwrap_or_default())
        ),
    }
    let at = DateTime::from_timestamp(statement.iat, 0).map_or_else(|| statement.iat.to_string(), clock::format);
    let uscc = statement.publisher_uscc.as_ref().map_or_else(String::new, |uscc| format!(" ({})", plain(uscc)));
    println!(
        "{} countersigned it at {at} for the publisher {}{uscc}, with the grant {}",
        plain(&statement.iss),
        plain(&statement.publisher),
        plain(&statement.grant)
    );
    println!("it countersigned with the key {}", plain(kid));
}

/// A text from outside, with which nobody moves the cursor of a terminal.
fn plain(text: &str) -> String {
    text.chars().flat_map(|character| if character.is_control() { character.escape_unicode().collect() } else { vec![character] }).collect()
}
