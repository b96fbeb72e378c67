//! The command line. Every command works with the same functions of the core as the API does.

mod agreement;
mod import;
mod keys;
mod lab;
mod ledger;
mod list;
mod openapi;
mod serve;
mod user;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use tracing_subscriber::EnvFilter;

use crate::settings::{KEYS, Settings};

/// What a command ends with.
enum End {
    /// All is well.
    Well,
    /// The command did its work and found something wrong, which it has told.
    Found,
}

/// Runs the command line.
pub fn main() -> ExitCode {
    let matches = command().get_matches();
    match run(&matches) {
        Ok(End::Well) => ExitCode::SUCCESS,
        Ok(End::Found) => ExitCode::from(1),
        Err(error) => {
            eprintln!("qingdan: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn command() -> Command {
    let mut command = Command::new("qingdan")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A district's open-data list, and the lawful release of its sensitive datasets to registered AI firms")
        .after_help("Without a command: serve. Each setting is a flag, an environment variable QINGDAN_… and a key of qingdan.toml, in that order of precedence.")
        .subcommand(Command::new("serve").about("Run the service; the first start imports the datasets folder"))
        .subcommand(
            Command::new("import")
                .about("Import a folder of datasets; the same input changes nothing")
                .arg(Arg::new("DIR").required(true).value_parser(clap::value_parser!(PathBuf)).help("the folder, with publishers.toml, themes.toml and <slug>/dataset.toml"))
                .arg(Arg::new("check").long("check").action(ArgAction::SetTrue).help("only say what is wrong with the entries, and what their editors should look at; change nothing"))
                .arg(Arg::new("reason").long("reason").value_name("TEXT").help("why, for everybody to read; needed where an entry opens less than before")),
        )
        .subcommand(agreement::command())
        .subcommand(lab::command())
        .subcommand(ledger::command())
        .subcommand(list::command())
        .subcommand(keys::command())
        .subcommand(user::command())
        .subcommand(
            Command::new("openapi")
                .about("Write the API document")
                .arg(Arg::new("FILE").value_parser(clap::value_parser!(PathBuf)).help("the file; standard output by default")),
        )
        .arg(
            Arg::new("settings")
                .long("settings")
                .global(true)
                .value_name("FILE")
                .value_parser(clap::value_parser!(PathBuf))
                .help("the settings file; qingdan.toml in this folder by default, where there is one"),
        );
    for key in KEYS {
        let default = if key.default.is_empty() { String::new() } else { format!(" [default: {}]", key.default) };
        let help = format!("{}: {}{default}", key.help, key.allowed);
        command = command.arg(Arg::new(key.name).long(key.name.replace('_', "-")).global(true).value_name("VALUE").help(help));
    }
    command
}

fn run(matches: &ArgMatches) -> Result<End> {
    match matches.subcommand() {
        None => serve::serve(&settings(matches)?),
        Some(("serve", matches)) => serve::serve(&settings(matches)?),
        Some(("import", matches)) => {
            let dir = matches.get_one::<PathBuf>("DIR").cloned().unwrap_or_default();
            let reason = matches.get_one::<String>("reason").map(String::as_str);
            let settings = settings(matches)?;
            if matches.get_flag("check") { import::check(&settings, &dir, reason) } else { import::import(&settings, &dir, reason) }
        }
        Some(("agreement", matches)) => {
            let matches = matches.subcommand().map_or(matches, |(_, inner)| inner);
            agreement::verify(matches)
        }
        Some(("lab", matches)) => {
            let matches = matches.subcommand().map_or(matches, |(_, inner)| inner);
            lab::trace(&settings(matches)?, matches)
        }
        Some(("ledger", matches)) => {
            let matches = matches.subcommand().map_or(matches, |(_, inner)| inner);
            ledger::verify(&settings(matches)?, matches)
        }
        Some(("list", matches)) => {
            let (name, matches) = matches.subcommand().unwrap_or(("", matches));
            list::run(&settings(matches)?, name, matches)
        }
        Some(("keys", matches)) => {
            let matches = matches.subcommand().map_or(matches, |(_, inner)| inner);
            keys::rotate(&settings(matches)?, matches)
        }
        Some(("user", matches)) => {
            let (name, matches) = matches.subcommand().unwrap_or(("", matches));
            user::run(&settings(matches)?, name, matches)
        }
        Some(("openapi", matches)) => openapi::write(matches.get_one::<PathBuf>("FILE")),
        Some((other, _)) => anyhow::bail!("there is no command `{other}`"),
    }
}

fn settings(matches: &ArgMatches) -> Result<Settings> {
    let mut flags = BTreeMap::new();
    for key in KEYS {
        if matches.value_source(key.name) == Some(ValueSource::CommandLine)
            && let Some(value) = matches.get_one::<String>(key.name)
        {
            flags.insert(key.name.to_owned(), value.clone());
        }
    }
    let given = matches.get_one::<PathBuf>("settings").cloned();
    let usual = PathBuf::from("qingdan.toml");
    let file = given.or_else(|| usual.exists().then_some(usual));
    // A variable of ours that is not UTF-8 is kept with its faults, so that it is refused by name.
    let variables = std::env::vars_os().map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()));
    Settings::load(&flags, variables, file.as_deref())
}

/// Logs as JSON lines on standard error; `QINGDAN_LOG` filters them. A thread of their own writes them, several at once when many come. When it
/// falls far behind, whoever logs waits for it. The answer waits a second for the last lines when it is dropped; a process that is killed loses them.
fn start_logging() -> tracing_appender::non_blocking::WorkerGuard {
    let lines = std::io::BufWriter::with_capacity(64 << 10, std::io::stderr());
    let (writer, guard) = tracing_appender::non_blocking::NonBlockingBuilder::default().lossy(false).thread_name("log").finish(lines);
    let filter = EnvFilter::try_from_env("QINGDAN_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().json().flatten_event(true).with_current_span(false).with_env_filter(filter).with_writer(writer).init();
    guard
}

/// A runtime for commands that are not the service.
fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}
