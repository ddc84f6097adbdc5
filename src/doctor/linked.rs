//! Private zones linked to the network of an upstream: they beat what a view forwards, for every view alike.
//!
//! A random name below a private-link suffix exists nowhere. Where a zone of that suffix is linked, Azure's resolver
//! answers NXDOMAIN with that zone's SOA, whose host is `azureprivatedns.net`; without a link the public zone's comes.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;

use super::questions::clouds;
use crate::explain::Reply;
use crate::stub::{Stub, Transport};
use crate::upstream;
use crate::view::{Snapshot, Verdict, View};
use crate::wire::{WireName, rtype};
use crate::zone::avd::Cloud;

/// The host of every private zone's SOA.
const PRIVATE_HOST: &str = "azureprivatedns.net.";
/// How long one server may take; it is asked twice at most.
const TIMEOUT: Duration = Duration::from_secs(2);

/// One server and one suffix.
#[derive(Debug, Clone, Serialize)]
pub struct Linked {
    /// The upstream group.
    pub upstream: String,
    /// The server.
    pub server: String,
    /// The private-link suffix.
    pub suffix: String,
    /// What came.
    pub outcome: String,
    /// Whether a zone is linked; none where nothing came.
    pub linked: Option<bool>,
    /// Whether that is as expected.
    pub as_expected: Option<bool>,
}

/// Asks each server that the views' AVD names go to.
pub(super) fn check<'v>(snapshot: &Snapshot, views: impl Iterator<Item = &'v View>) -> Vec<Linked> {
    let mut found: Vec<Linked> = Vec::new();
    let mut silent: Vec<SocketAddr> = Vec::new();
    for view in views {
        for suffix in clouds(snapshot).into_iter().flat_map(suffixes) {
            let name = format!("{:016x}.{suffix}", rand::random::<u64>());
            let Ok(name) = WireName::from_presentation(&name) else { continue };
            let Verdict::Forward { route, .. } = snapshot.look_up(view, name.as_ref(), rtype::A) else { continue };
            let Some(group) = snapshot.group(route) else { continue };
            for server in group.servers.iter().filter(|own| own.transport == upstream::Transport::Plain) {
                let (text, address) = (server.to_string(), server.address);
                let done = found.iter().any(|own| own.server == text && own.suffix == suffix);
                if done || silent.contains(&address) {
                    continue;
                }
                let row = ask(&group.name, address, &suffix, &name);
                if row.linked.is_none() {
                    silent.push(address);
                }
                found.push(row);
            }
        }
    }
    found
}

/// A cloud's private-link suffixes, one where both are the same.
fn suffixes(cloud: &Cloud) -> Vec<String> {
    let mut suffixes = vec![cloud.private_link.to_string(), cloud.private_link_global.to_string()];
    suffixes.dedup();
    suffixes
}

fn ask(group: &str, server: SocketAddr, suffix: &str, name: &WireName) -> Linked {
    let stub = Stub { timeout: TIMEOUT, tries: 2, ..Stub::new(server) };
    let (outcome, linked) = match stub.ask(name.as_ref(), rtype::A, Transport::Udp) {
        Err(error) => (error.to_string(), None),
        Ok(received) => match Reply::read(&received.message) {
            None => ("an unreadable reply".to_owned(), None),
            Some(reply) => {
                let mut soa = reply.authority.iter().filter(|record| record.rtype == "SOA");
                let linked = soa.any(|record| record.data.to_ascii_lowercase().starts_with(PRIVATE_HOST));
                let text = if linked { "a zone is linked to its network: unlink it" } else { "no zone is linked" };
                (format!("{}: {text}", reply.rcode), Some(linked))
            }
        },
    };
    Linked {
        upstream: group.to_owned(),
        server: server.to_string(),
        suffix: suffix.to_owned(),
        outcome,
        linked,
        as_expected: Some(linked == Some(false)),
    }
}
