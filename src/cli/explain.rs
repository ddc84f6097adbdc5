//! `hubdns explain`: how a client's question is answered, and why. Sends nothing unless it is told to.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use anyhow::Context;
use clap::Args;
use serde_json::json;

use crate::asker::Asker;
use crate::explain::{Explained, Question, listener, offline, text};
use crate::view::Snapshot;
use crate::wire::{RecordType, WireName};

use super::api::Target;
use super::expect::{Expect, actual};
use super::{Exit, complain, loaded, print, print_json};

/// What `explain` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The client's address
    #[arg(long, value_name = "IP")]
    client: IpAddr,
    /// The address and port that it sends to; else the file's first listener
    #[arg(long, value_name = "IP:PORT")]
    local: Option<SocketAddr>,
    /// The name asked for
    #[arg(value_parser = name)]
    name: WireName,
    /// The type asked for, by name or as TYPE65
    #[arg(default_value = "A", value_parser = record_type)]
    r#type: u16,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Exit with 5 unless the answer is so: ADDRESS, nodata, nxdomain, refused, servfail, forward or forward:UPSTREAM;
    /// given again, all must be
    #[arg(long, value_name = "ANSWER")]
    expect: Vec<Expect>,
    /// Ask the upstreams for what the file alone, or the running server's cache, does not answer
    #[arg(long)]
    ask: bool,
    #[command(flatten)]
    target: Target,
}

fn name(text: &str) -> Result<WireName, String> {
    WireName::from_presentation(text).map_err(|error| error.to_string())
}

fn record_type(text: &str) -> Result<u16, String> {
    text.parse::<RecordType>().map(|known| known.0).map_err(|()| format!("`{text}` is no record type"))
}

/// Explains one question, by the file or by a running server.
pub(super) fn run(config: &Path, arguments: &Arguments) -> anyhow::Result<Exit> {
    let explained = if arguments.target.at.is_some() {
        by_server(config, arguments)?
    } else {
        match by_file(config, arguments)? {
            Ok(explained) => explained,
            Err(exit) => return Ok(exit),
        }
    };
    if arguments.json {
        print_json(&explained)?;
    } else {
        print(&text(&explained))?;
    }
    let Some(wrong) = arguments.expect.iter().find(|expect| !expect.fits(&explained)) else { return Ok(Exit::Fine) };
    let actual = match &explained.asks {
        Some(asks) if explained.reply.is_none() => format!("forward:{}", asks.upstream),
        _ => actual(explained.reply.as_ref()),
    };
    complain(&format!("hubdns: {wrong} expected, {actual} came\n"));
    Ok(Exit::NotAsExpected)
}

/// By the file; the exit code where it has errors.
fn by_file(config: &Path, arguments: &Arguments) -> anyhow::Result<Result<Explained, Exit>> {
    let (config, mut plan) = match loaded(config)? {
        Ok(parts) => parts,
        Err(exit) => return Ok(Err(exit)),
    };
    plan.generation = 1;
    let local = arguments.local.unwrap_or_else(|| listener(&config.listen, arguments.client));
    let question = Question { client: arguments.client, local, name: arguments.name, qtype: arguments.r#type };
    Ok(Ok(if arguments.ask {
        Asker::start(plan, 0).context("cannot ask")?.ask(&question)
    } else {
        offline(&Snapshot::build(plan), &question)
    }))
}

/// By the snapshot and the cache of a running server.
fn by_server(config: &Path, arguments: &Arguments) -> anyhow::Result<Explained> {
    let question = json!({
        "client": arguments.client,
        "local": arguments.local,
        "name": arguments.name.to_string(),
        "type": RecordType(arguments.r#type).to_string(),
        "ask": arguments.ask,
    });
    arguments.target.client(config)?.post("/api/v1/explain", &question)?.json()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listener_is_one_of_the_clients_family() {
        let listen = ["[::]:53", "0.0.0.0:53", "10.0.0.4:5300"].map(|address| address.parse().unwrap());
        let of = |client: &str| listener(&listen, client.parse().unwrap()).to_string();
        assert_eq!(of("10.1.0.1"), "127.0.0.1:53");
        assert_eq!(of("fd00::1"), "[::1]:53");
        assert_eq!(listener(&[], "10.1.0.1".parse().unwrap()).to_string(), "127.0.0.1:53");
    }

    #[test]
    fn names_and_types_are_read_as_people_write_them() {
        assert!(name("RdWeb.wvd.microsoft.com.").is_ok());
        assert!(name("a..b").is_err());
        assert_eq!((record_type("https"), record_type("TYPE65")), (Ok(65), Ok(65)));
        assert!(record_type("nothing").is_err());
    }
}
