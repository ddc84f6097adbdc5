//! `hubdns doctor`: whether each view's clients get what they are meant to get.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;

use super::{Exit, complain, loaded, print, print_json};
use crate::azure::session::{self, HostName};
use crate::doctor::{Error, Options, examine, text};

/// What `doctor` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Examine one view alone
    #[arg(long, value_name = "VIEW")]
    view: Option<String>,
    /// Also ask for the names in an .rdp file; may be given again
    #[arg(long, value_name = "FILE")]
    rdp: Vec<PathBuf>,
    /// Also ask for the names in a session host's exported registry key HKLM\SOFTWARE\Microsoft\RDInfraAgent (.reg text); may be given again
    #[arg(long, value_name = "FILE")]
    registry: Vec<PathBuf>,
    /// Also check the addresses and ports of this host, and each upstream over UDP and TCP
    #[arg(long)]
    host: bool,
    /// Send nothing: a name that is forwarded is shown with its upstream
    #[arg(long)]
    offline: bool,
    /// Ask for every name of every endpoint, however many a view has
    #[arg(long)]
    all: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Examines a configuration.
pub(super) fn run(config: &Path, arguments: &Arguments) -> anyhow::Result<Exit> {
    let (config, plan) = match loaded(config)? {
        Ok(parts) => parts,
        Err(exit) => return Ok(exit),
    };
    let rdp = arguments.rdp.iter().map(|path| names(path, session::rdp));
    let registry = arguments.registry.iter().map(|path| names(path, session::registry));
    let options = Options {
        view: arguments.view.clone(),
        offline: arguments.offline,
        all: arguments.all,
        host: arguments.host,
        files: rdp.chain(registry).collect::<anyhow::Result<_>>()?,
    };
    let report = match examine(plan, &config, &options) {
        Err(error @ Error::NoView { .. }) => {
            complain(&format!("hubdns: {error}\n"));
            return Ok(Exit::Usage);
        }
        report => report?,
    };
    if arguments.json {
        print_json(&report)?;
    } else {
        print(&text(&report))?;
    }
    Ok(if report.is_as_expected() { Exit::Fine } else { Exit::NotAsExpected })
}

/// The host names of a file.
fn names(path: &Path, read: fn(&str) -> Vec<HostName>) -> anyhow::Result<(String, Vec<HostName>)> {
    let shown = path.display().to_string();
    let octets = std::fs::read(path).with_context(|| format!("cannot read {shown}"))?;
    let names = read(&session::text(&octets).with_context(|| format!("cannot read {shown}"))?);
    if names.is_empty() {
        bail!("{shown} holds no host name of a session");
    }
    Ok((shown, names))
}
