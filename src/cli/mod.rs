//! The command line: one file a command. Results go to standard output, diagnostics to standard error; the outcome is
//! one [`Exit`]. This is the edge: the library returns values, and here they are printed.
#![allow(
    rustdoc::broken_intra_doc_links,
    reason = "doc comments are help texts, where brackets mark what may be left out"
)]

mod api;
mod check;
mod completions;
mod ctl;
mod demo;
mod diff;
mod doctor;
mod expect;
mod explain;
mod healthcheck;
mod import;
mod log_lines;
mod matrix;
mod query;
mod schema;
mod serve;
mod test;
mod who;

use std::io::{self, IsTerminal, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::parser::ValueSource;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::config::{Config, render};
use crate::load;
use crate::view::SnapshotPlan;

/// How a run ended; the numbers are part of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All is well.
    Fine = 0,
    /// It failed at run time; also a main file that cannot be read.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The configuration has errors.
    Faulty = 3,
    /// The configuration has warnings and `--strict` was given.
    Warned = 4,
    /// The result is not what was expected.
    NotAsExpected = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A private DNS resolver for Azure Virtual Desktop over Private Link.
#[derive(Debug, Parser)]
#[command(
    name = "hubdns",
    version,
    after_help = "Exit status: 0 fine, 1 failed at run time, 2 usage, 3 the configuration has errors,\n\
                  4 it has only warnings and --strict was given, 5 not as expected."
)]
struct Cli {
    /// The configuration file
    #[arg(
        short,
        long,
        global = true,
        env = "HUBDNS_CONFIG",
        default_value = "/etc/hubdns/hubdns.toml",
        value_name = "FILE"
    )]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the server
    Serve,
    /// Validates and lints the configuration, and prints what each name is in each view
    Check(CheckArguments),
    /// Runs the server and a stand-in public DNS on loopback, asks every process in every view, and keeps serving
    Demo(demo::Arguments),
    /// Tells how a client's question is answered, and why
    Explain(Box<explain::Arguments>),
    /// Asks, as each view, for what AVD needs, and tells what is private, public, or not as expected
    Doctor(doctor::Arguments),
    /// Tells what another configuration would change for whom, and what to do about it
    Diff(diff::Arguments),
    /// Asks a server as a client would, from a chosen address
    Query(query::Arguments),
    /// Asks a running server whether it is ready
    Healthcheck(healthcheck::Arguments),
    /// Makes a configuration of what Azure prints, or of what another DNS server is configured by
    Import(import::Arguments),
    /// Asks and tells a running server over its admin API
    Ctl(ctl::Arguments),
    /// Runs a table of expectations (client, name, type, answer) as a test suite
    Test(TestArguments),
    /// Tells who asked, by a query log: clients, how often, first and last time
    Who(Box<who::Arguments>),
    /// Prints the JSON Schema of the configuration file
    Schema,
    /// Prints a completion script for a shell
    Completions(completions::Arguments),
    /// Prints the manual page
    Man,
}

/// What `check` takes.
#[derive(Debug, Args)]
struct CheckArguments {
    /// Exit with 4 where there are warnings
    #[arg(long)]
    strict: bool,
    /// Print JSON: the same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// How to print: text, JSON, or SARIF 2.1.0 for code hosts
    #[arg(long, value_enum, default_value = "text")]
    format: check::Format,
    /// Compare with virtual networks as `az network vnet list` prints them; may be repeated
    #[arg(long, value_name = "FILE")]
    vnets: Vec<PathBuf>,
    /// An address that leads to us though we do not listen on it, as a load balancer's; for --vnets, may be repeated
    #[arg(long = "dns-server", value_name = "ADDRESS", requires = "vnets")]
    dns_servers: Vec<IpAddr>,
}

/// What `test` takes.
#[derive(Debug, Args)]
struct TestArguments {
    /// The table; it may name its configuration, which -c overrides
    file: PathBuf,
    /// Print TAP, the Test Anything Protocol, which is the default
    #[arg(long, conflicts_with = "json")]
    tap: bool,
    /// Print JSON in place of TAP
    #[arg(long)]
    json: bool,
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let begun = Instant::now();
    let matches = Cli::command().try_get_matches();
    let named = matches.as_ref().is_ok_and(|own| own.value_source("config") == Some(ValueSource::CommandLine));
    let cli = match matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and the version are errors to clap; those go to standard output and are fine.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Fine };
            let _ = error.print();
            return exit.into();
        }
    };
    let outcome = match &cli.command {
        Command::Serve => serve::run(&cli.config),
        Command::Check(arguments) => checked(&cli.config, arguments),
        Command::Demo(arguments) => demo::run(arguments, begun),
        Command::Explain(arguments) => explain::run(&cli.config, arguments),
        Command::Doctor(arguments) => doctor::run(&cli.config, arguments),
        Command::Diff(arguments) => diff::run(arguments),
        Command::Query(arguments) => query::run(arguments),
        Command::Healthcheck(arguments) => healthcheck::run(&cli.config, arguments),
        Command::Import(arguments) => import::run(arguments),
        Command::Ctl(arguments) => ctl::run(&cli.config, arguments),
        Command::Test(arguments) => tested(named.then_some(cli.config), arguments),
        Command::Who(arguments) => who::run(arguments),
        Command::Schema => schema::run(),
        Command::Completions(arguments) => completions::run(arguments),
        Command::Man => completions::man(),
    };
    let exit = outcome.unwrap_or_else(|error| match error.downcast_ref::<io::Error>() {
        // The reader of our output has seen enough.
        Some(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Fine,
        _ => {
            complain(&format!("hubdns: {error:#}\n"));
            Exit::Failed
        }
    });
    exit.into()
}

fn checked(config: &Path, arguments: &CheckArguments) -> anyhow::Result<Exit> {
    let options = check::Options {
        config: config.to_owned(),
        strict: arguments.strict,
        format: if arguments.json { check::Format::Json } else { arguments.format },
        vnets: arguments.vnets.clone(),
        dns_servers: arguments.dns_servers.clone(),
        colour: is_coloured(&io::stderr()),
    };
    Ok(check::run(&options, &mut io::stdout().lock(), &mut io::stderr().lock())?)
}

fn tested(config: Option<PathBuf>, arguments: &TestArguments) -> anyhow::Result<Exit> {
    let colour = is_coloured(&io::stderr());
    let options = test::Options { file: arguments.file.clone(), config, json: arguments.json, colour };
    Ok(test::run(&options, &mut io::stdout().lock(), &mut io::stderr().lock())?)
}

/// Settings and plan of a file. With errors all findings are printed and the outcome is the exit code; warnings are
/// `check`'s to tell.
fn loaded(path: &Path) -> anyhow::Result<Result<(Config, SnapshotPlan), Exit>> {
    Ok(match load::load(path)?.into_parts() {
        Ok((config, plan, _)) => Ok((config, plan)),
        Err(findings) => {
            complain(&render::text(&findings, is_coloured(&io::stderr())));
            Err(Exit::Faulty)
        }
    })
}

/// Whether to use colours on a stream: a terminal, and `NO_COLOR` unset or empty.
fn is_coloured(stream: &impl IsTerminal) -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && stream.is_terminal()
}

/// Prints a result.
///
/// # Errors
/// When standard output cannot be written.
fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// Prints a value as JSON.
fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    print(&format!("{}\n", serde_json::to_string_pretty(value)?))
}

/// Text from elsewhere, so that it does not disturb a terminal.
fn printable(text: &str) -> String {
    text.chars().flat_map(crate::zone::printable).collect()
}

/// Prints a diagnostic. Where standard error is gone there is nobody to tell.
fn complain(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_configuration_may_be_named_behind_the_command() {
        let cli = Cli::try_parse_from(["hubdns", "serve", "-c", "conf/lab.toml"]).unwrap();
        assert_eq!(cli.config, Path::new("conf/lab.toml"));
        let error = Cli::try_parse_from(["hubdns", "explain"]).unwrap_err();
        assert_eq!(error.exit_code(), i32::from(Exit::Usage as u8));
    }
}
