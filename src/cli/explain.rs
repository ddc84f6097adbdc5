//! `hubdns explain`: how a client's question is answered, and why. Sends nothing unless it is told to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use clap::Args;

use crate::cache::Limits;
use crate::explain::{Explained, Noted, Question, Trail, offline, text};
use crate::resolve::general::Observe;
use crate::resolve::{Client, MAX_UDP_OCTETS, Observer};
use crate::server::{Server, Settings};
use crate::view::Snapshot;
use crate::wire::{Moment, RecordType, WireName};

use super::{Exit, loaded, print, print_json};

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
    /// Exit with 5 unless the answer has this address
    #[arg(long, value_name = "ADDRESS")]
    expect: Option<IpAddr>,
    /// Ask the upstreams for what the file alone does not answer
    #[arg(long)]
    ask: bool,
}

fn name(text: &str) -> Result<WireName, String> {
    WireName::from_presentation(text).map_err(|error| error.to_string())
}

fn record_type(text: &str) -> Result<u16, String> {
    text.parse::<RecordType>().map(|known| known.0).map_err(|()| format!("`{text}` is no record type"))
}

/// Explains one question.
pub(super) fn run(config: &Path, arguments: &Arguments) -> anyhow::Result<Exit> {
    let (config, mut plan) = match loaded(config)? {
        Ok(parts) => parts,
        Err(exit) => return Ok(exit),
    };
    plan.generation = 1;
    let local = arguments.local.unwrap_or_else(|| listener(&config.listen, arguments.client));
    let question = Question { client: arguments.client, local, name: arguments.name, qtype: arguments.r#type };
    let snapshot = Snapshot::build(plan);
    let explained = if arguments.ask { ask(snapshot, &question)? } else { offline(&snapshot, &question) };
    if arguments.json {
        print_json(&explained)?;
    } else {
        print(&text(&explained))?;
    }
    let expected = arguments.expect.is_none_or(|address| explained.has_address(address));
    Ok(if expected { Exit::Fine } else { Exit::NotAsExpected })
}

/// The first listener of the client's address family; the loopback address in place of a wildcard.
pub(super) fn listener(listen: &[SocketAddr], client: IpAddr) -> SocketAddr {
    let same = listen.iter().find(|address| address.is_ipv4() == client.is_ipv4());
    let found = same.or(listen.first()).copied().unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 53)));
    match found.ip() {
        IpAddr::V4(address) if address.is_unspecified() => SocketAddr::from((Ipv4Addr::LOCALHOST, found.port())),
        IpAddr::V6(address) if address.is_unspecified() => SocketAddr::from((Ipv6Addr::LOCALHOST, found.port())),
        _ => found,
    }
}

/// Explains with the exchanges done: a server without listeners and without a cache answers the one question.
fn ask(snapshot: Snapshot, question: &Question) -> anyhow::Result<Explained> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let settings = Settings { listen: Vec::new(), workers: 1, cache_octets: 0, limits: Limits::default() };
    let server = Server::start(&settings, snapshot, runtime.handle().clone()).context("cannot ask")?;
    let notes = Notes { question: *question, noted: Mutex::default() };
    let mut out = vec![0; MAX_UDP_OCTETS];
    let message = question.message();
    let length = runtime.block_on(server.shared().answer(&message, &question.client(), &mut out, &notes));
    runtime.block_on(server.stop(Duration::ZERO));
    let noted = notes.noted.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(Explained::new(question, noted, out.get(..length).unwrap_or(&[])))
}

/// Makes the observer of each pass; the last pass's notes stay.
struct Notes {
    question: Question,
    noted: Mutex<Noted>,
}

impl Observe for Notes {
    fn observer<'s>(&'s self, _: &'s Client, snapshot: &'s Snapshot, _: Moment) -> Box<dyn Observer + 's> {
        Box::new(Trail::new(snapshot, &self.question, &self.noted))
    }
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
