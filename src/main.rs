//! The `hubdns` binary: parses the command line and turns its outcome into an exit code.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use hubdns::cli::{check, exit};
use hubdns::reload::Refused;
use hubdns::{config::render, run};

/// A private DNS resolver for Azure Virtual Desktop over Private Link.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The configuration.
    #[arg(short, long, global = true, env = "HUBDNS_CONFIG", default_value = "/etc/hubdns/hubdns.toml")]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the server.
    Serve,
    /// Validates and lints; prints the matrix of names × views.
    Check {
        /// Warnings fail too.
        #[arg(long)]
        strict: bool,
        /// One JSON object in place of text.
        #[arg(long)]
        json: bool,
    },
}

fn main() -> ExitCode {
    let Arguments { config, command } = Arguments::parse();
    match command {
        Command::Serve => {
            tracing_subscriber::fmt().with_writer(std::io::stderr).init();
            match run::serve(&config) {
                Ok(()) => exit::FINE.into(),
                Err(run::Error::Refused(Refused::Findings { findings, .. })) => {
                    tracing::error!("{}", render::text(&findings, false));
                    exit::CONFIGURATION.into()
                }
                Err(error) => {
                    tracing::error!("{error}");
                    exit::FAILED.into()
                }
            }
        }
        Command::Check { strict, json } => {
            let options = check::Options { config, strict, json, colour: false };
            check::run(&options, &mut std::io::stdout(), &mut std::io::stderr()).unwrap_or(exit::FAILED).into()
        }
    }
}
