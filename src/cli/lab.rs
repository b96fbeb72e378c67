//! `qingdan lab trace`.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::{End, block_on};
use crate::app::PartsBeside;
use crate::lab::trace::{Given, Renamed, Trace, Tracer};
use crate::settings::Settings;

/// How many grants are listed.
const SHOWN: usize = 20;

/// `qingdan lab` and what stands behind it.
pub(super) fn command() -> Command {
    let list = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).action(ArgAction::Append).help(help)
    };
    Command::new("lab").about("Find out about data and its use").subcommand_required(true).subcommand(
        Command::new("trace")
            .about("Find out whose release a leaked copy comes from; also beside a running service")
            .arg(
                Arg::new("FILE")
                    .required(true)
                    .value_parser(clap::value_parser!(PathBuf))
                    .help("the copy: CSV, TSV, JSON, NDJSON, Parquet or xlsx"),
            )
            .arg(Arg::new("dataset").long("dataset").required(true).value_name("SLUG").help("the dataset that it was copied from"))
            .arg(list("rename", "COLUMN=FIELD", "a column of the copy that has another name than the field"))
            .arg(list("without", "FIELD", "a field that is not compared, since its values were changed in the copy"))
            .arg(
                Arg::new("confidence")
                    .long("confidence")
                    .value_name("P")
                    .default_value("0.99")
                    .value_parser(clap::value_parser!(f64))
                    .help("name a grant only with this probability or more, from 0.9 to 0.999999"),
            )
            .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("answer JSON")),
    )
}

/// Traces a copy and tells what was found out.
pub(super) fn trace(settings: &Settings, matches: &ArgMatches) -> Result<End> {
    let confidence = matches.get_one::<f64>("confidence").copied().unwrap_or(0.99);
    if !(0.9..=0.999_999).contains(&confidence) {
        bail!("--confidence: give 0.9 to 0.999999");
    }
    let texts = |name: &str| matches.get_many::<String>(name).into_iter().flatten().cloned().collect::<Vec<_>>();
    let mut renamed = Vec::new();
    for pair in texts("rename") {
        let Some((column, field)) = pair.split_once('=') else { bail!("--rename: give COLUMN=FIELD, not `{pair}`") };
        renamed.push(Renamed { column: column.to_owned(), field: field.to_owned() });
    }
    let path = matches.get_one::<PathBuf>("FILE").cloned().unwrap_or_default();
    let slug = matches.get_one::<String>("dataset").cloned().unwrap_or_default();
    let given = Given { path, renamed, without: texts("without") };
    let parts = PartsBeside::open(settings)?;
    let trace = block_on(async {
        let tracer = Tracer { db: &parts.db, storage: &parts.storage, engine: &parts.engine, maker: parts.maker() };
        Ok(tracer.trace("service", &slug, given, confidence).await?)
    })?;
    match matches.get_flag("json") {
        true => println!("{}", serde_json::to_string_pretty(&trace)?),
        false => tell(&trace),
    }
    Ok(if trace.named.is_empty() { End::Found } else { End::Well })
}

fn tell(trace: &Trace) {
    let Trace { rows, distinct, foreign, .. } = trace;
    println!("the copy has {rows} rows, {distinct} different ones in {}; {foreign} of these no release can have", trace.columns.join(", "));
    if trace.unread > 0 {
        println!("{} rows could not be read, and were not looked at", trace.unread);
    }
    println!("{:<36}  {:>9}  {:>9}  {:>11}  firm", "grant", "has", "left out", "probability");
    for suspect in trace.grants.iter().take(SHOWN) {
        let (grant, firm, probability) = (&suspect.grant, &suspect.firm, percent(suspect.probability));
        println!("{grant:<36}  {:>9}  {:>9}  {probability:>11}  {firm} ({})", suspect.has, suspect.left_out, suspect.status);
    }
    if trace.grants.len() > SHOWN {
        println!("and {} grants that are less likely", trace.grants.len() - SHOWN);
    }
    println!("from no release: {}", percent(trace.none));
    if *foreign * 2 > *distinct {
        println!("most rows are of no release: where a column was changed in the copy, leave it out with --without FIELD");
    }
    match trace.named.as_slice() {
        [] => println!("cannot tell: no grant reaches {}", percent(trace.confidence)),
        named => println!("the copy comes from: {} (each with {} or more)", named.join(" and "), percent(trace.confidence)),
    }
}

fn percent(probability: f64) -> String {
    format!("{:.4} %", (probability * 1e6).floor() / 1e4)
}
