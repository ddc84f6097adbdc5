//! `hubdns diff OLD NEW`: what would change for whom, and what to do about it.
//!
//! The report is the one that a reload logs, with the names; `--replay` adds the questions of a log that would be
//! answered otherwise. Nothing is sent.

mod actions;
mod replay;
mod report;

use std::path::PathBuf;

use clap::Args;

use super::{Exit, loaded, print, print_json};
use crate::config::Config;
use crate::view::{Setting, Snapshot, changes};

/// What `diff` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The configuration in force
    old: PathBuf,
    /// The configuration to come
    new: PathBuf,
    /// Answer the questions of a log (JSON lines with client, name and type) by both, and list what differs
    #[arg(long, value_name = "LOG")]
    replay: Option<PathBuf>,
    /// Exit with 5 when something differs
    #[arg(long)]
    exit_code: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One of the two configurations.
struct Side {
    config: Config,
    snapshot: Snapshot,
}

/// Compares two configurations.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let side = |path: &PathBuf| -> anyhow::Result<Result<Side, Exit>> {
        Ok(loaded(path)?.map(|(config, plan)| Side { config, snapshot: Snapshot::build(plan) }))
    };
    // Both are read before either is given up, so that all faults are told at once.
    let (old, new) = match (side(&arguments.old)?, side(&arguments.new)?) {
        (Ok(old), Ok(new)) => (old, new),
        (Err(exit), _) | (_, Err(exit)) => return Ok(exit),
    };
    let changes = changes(&old.snapshot, &new.snapshot, usize::MAX);
    let server = server_settings(&old.config, &new.config);
    let replayed = match &arguments.replay {
        Some(log) => Some(replay::replay(log, &old, &new)?),
        None => None,
    };
    let actions = actions::actions(&changes, &server);
    let report = report::Report {
        files: [&arguments.old, &arguments.new],
        sides: [&old.snapshot, &new.snapshot],
        changes: &changes,
        server: &server,
        actions: &actions,
        replayed: replayed.as_ref(),
    };
    if arguments.json {
        print_json(&report.json())?;
    } else {
        print(&report.text())?;
    }
    let exit = if arguments.exit_code && report.differs() { Exit::NotAsExpected } else { Exit::Fine };
    Ok(exit)
}

/// What differs of [server], [cache] and [log].
fn server_settings(old: &Config, new: &Config) -> Vec<Setting> {
    let values = |config: &Config| {
        // The token is a secret.
        let Config { listen, workers, health, admin, token: _, lameduck, watch, cache, log } = config;
        let listen: Vec<String> = listen.iter().map(ToString::to_string).collect();
        let address = |address: &Option<std::net::SocketAddr>| address.map(|address| address.to_string());
        [
            ("listen", Some(listen.join(", "))),
            ("workers", Some(workers.to_string())),
            ("health", address(health)),
            ("admin", address(admin)),
            ("lameduck", Some(format!("{lameduck:?}"))),
            ("watch", Some(watch.to_string())),
            ("cache.size", Some(format!("{} octets", cache.size_octets))),
            ("cache.serve-stale", Some(format!("{:?}", cache.serve_stale))),
            ("cache.max-ttl", Some(format!("{:?}", cache.max_ttl))),
            ("cache.max-negative-ttl", Some(format!("{:?}", cache.max_negative_ttl))),
            ("cache.file", cache.file.clone()),
            ("log.queries", Some(log.queries.word().to_owned())),
            ("log.sample", Some(log.sample.to_string())),
            ("log.clients", Some(log.clients.word().to_owned())),
            ("log.file", log.file.clone()),
        ]
    };
    let both = values(old).into_iter().zip(values(new)).filter(|((_, before), (_, after))| before != after);
    both.map(|((key, before), (_, after))| Setting { key: key.to_owned(), before, after }).collect()
}
