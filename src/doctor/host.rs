//! This host before networks are switched to it: whether it has the addresses and ports to listen on, and whether every
//! upstream answers over UDP and over TCP.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

use serde::Serialize;

use crate::config::Config;
use crate::explain::Reply;
use crate::socket;
use crate::stub::{Stub, Transport};
use crate::upstream;
use crate::view::Snapshot;
use crate::wire::{WireName, rtype};

/// How long one reply may take; over UDP a server is asked twice at most.
const TIMEOUT: Duration = Duration::from_secs(2);
/// What is asked of an upstream that takes every name: sign-in.
const ASKED: &str = "login.microsoftonline.com";

/// One thing that was checked.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// `listen`, `health`, `admin` or `upstream`.
    pub what: &'static str,
    /// The address, with the upstream's name in front of one.
    pub target: String,
    /// UDP or TCP.
    pub transport: String,
    /// What came of it.
    pub outcome: String,
    /// Whether that is as expected; none where it was not tried.
    pub as_expected: Option<bool>,
}

/// Checks everything; offline only what is this host's own.
pub(super) fn check(snapshot: &Snapshot, config: &Config, offline: bool) -> Vec<Check> {
    let mut found = Vec::new();
    for address in &config.listen {
        for transport in [Transport::Udp, Transport::Tcp] {
            found.push(port("listen", *address, transport, true));
        }
    }
    for (what, address) in [("health", config.health), ("admin", config.admin)] {
        found.extend(address.map(|address| port(what, address, Transport::Tcp, false)));
    }
    for (index, group) in snapshot.groups.iter().enumerate() {
        let (name, rtype) = asked(snapshot, index);
        for server in &group.servers {
            for transport in [Transport::Udp, Transport::Tcp] {
                let target = format!("{} {server}", group.name);
                let plain = server.transport == upstream::Transport::Plain;
                let (outcome, as_expected) = if offline || !plain {
                    ("not asked".to_owned(), None)
                } else {
                    reply(server.address, &name, rtype, transport)
                };
                let transport = transport.to_string();
                found.push(Check { what: "upstream", target, transport, outcome, as_expected });
            }
        }
    }
    found
}

/// What to ask of a group: for one that only takes certain suffixes, the SOA of one of them.
fn asked(snapshot: &Snapshot, group: usize) -> (WireName, u16) {
    let default = snapshot.views.iter().any(|view| view.default_route.group == group);
    let mut forwards = snapshot.views.iter().flat_map(|view| view.forward_suffixes());
    let suffix = forwards.find(|(_, route)| route.group == group).filter(|_| !default);
    match suffix {
        Some((suffix, _)) => (suffix.to_wire(), rtype::SOA),
        None => (WireName::from_presentation(ASKED).unwrap_or(WireName::ROOT), rtype::A),
    }
}

fn reply(server: SocketAddr, name: &WireName, rtype: u16, transport: Transport) -> (String, Option<bool>) {
    let stub = Stub { timeout: TIMEOUT, tries: 2, ..Stub::new(server) };
    match stub.ask(name.as_ref(), rtype, transport) {
        Err(error) => (error.to_string(), Some(false)),
        Ok(received) => {
            let rcode =
                Reply::read(&received.message).map_or_else(|| "an unreadable reply".to_owned(), |reply| reply.rcode);
            let answers = matches!(&*rcode, "NOERROR" | "NXDOMAIN");
            (format!("{rcode} for {name} in {} ms", received.elapsed.as_millis()), Some(answers))
        }
    }
}

/// Whether an address and port can be listened on, or is by something that answers DNS.
fn port(what: &'static str, address: SocketAddr, transport: Transport, dns: bool) -> Check {
    let bind = || match transport {
        Transport::Udp => UdpSocket::bind(address).map(drop),
        Transport::Tcp => TcpListener::bind(address).map(drop),
    };
    let bound = socket::with_bind_service(bind).and_then(|bound| bound);
    let (outcome, as_expected) = match bound {
        Ok(()) => ("free".to_owned(), Some(true)),
        Err(error) if error.kind() == ErrorKind::AddrInUse && dns => in_use(address, transport),
        Err(error) if error.kind() == ErrorKind::AddrInUse => ("in use".to_owned(), None),
        Err(error) => (format!("{error}{}", socket::cure(&error)), Some(false)),
    };
    Check { what, target: address.to_string(), transport: transport.to_string(), outcome, as_expected }
}

/// Something listens there: hubdns itself, or another.
fn in_use(address: SocketAddr, transport: Transport) -> (String, Option<bool>) {
    let server = crate::explain::listener(&[address], address.ip());
    let stub = Stub { timeout: TIMEOUT, tries: 1, ..Stub::new(server) };
    let localhost = WireName::from_presentation("localhost").unwrap_or(WireName::ROOT);
    match stub.ask(localhost.as_ref(), rtype::A, transport) {
        Ok(_) => ("in use, by a server that answers".to_owned(), Some(true)),
        Err(error) => (format!("in use, and {error}"), Some(false)),
    }
}
