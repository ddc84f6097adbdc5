//! `hubdns demo`: the embedded default, a newcomer's first minute. Loopback only; ends on ^C with nothing left behind.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::render;
use crate::demo::{self, Demo, Table};

use super::{Exit, complain, print, print_json};

/// How long queries in flight may take at the end.
const PATIENCE: Duration = Duration::from_secs(1);

/// What `demo` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// End after the table; exit with 5 unless every row is as expected
    #[arg(long)]
    once: bool,
    /// Print the table as JSON
    #[arg(long)]
    json: bool,
    /// Leave the stand-in's address empty, to see what the table says then
    #[arg(long, hide = true)]
    without_stand_in: bool,
}

/// Runs the demo. `begun` is when the process started.
pub(super) fn run(arguments: &Arguments, begun: Instant) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let handle = runtime.handle().clone();
    runtime.block_on(async {
        let demo = match Demo::start(handle, !arguments.without_stand_in).await {
            Err(demo::Error::Lab(findings)) => {
                complain(&render::text(&findings, false));
                return Ok(Exit::Faulty);
            }
            other => other?,
        };
        let table = demo.table(begun).await?;
        if arguments.json {
            print_json(&table)?;
        } else {
            print(&format!("{}\n{}", head(&demo), table.text()))?;
        }
        if !arguments.once {
            if !arguments.json {
                print(&lines_to_try(&demo, &table))?;
            }
            ended().await?;
        }
        demo.stop(PATIENCE).await;
        Ok(if table.is_as_expected() { Exit::Fine } else { Exit::NotAsExpected })
    })
}

fn head(demo: &Demo) -> String {
    let (server, stand_in) = (demo.address(), demo.stand_in().address());
    format!("hubdns serves conf/lab.toml at {server}; a stand-in for the public DNS answers at {stand_in}.\n")
}

/// Waits for ^C or SIGTERM.
async fn ended() -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for ^C")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// A `dig` line for every row whose process is AVD's, and how to end.
fn lines_to_try(demo: &Demo, table: &Table) -> String {
    let mut out = "\nTry it (^C ends the demo):\n".to_owned();
    let port = demo.address().port();
    for row in &table.rows {
        let _ = writeln!(out, "  dig -b {} @127.0.0.1 -p {port} {}", row.client, row.name);
    }
    out
}
