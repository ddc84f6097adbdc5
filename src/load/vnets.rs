//! `check --vnets`: virtual networks as Azure has them against the views: whose clients get REFUSED, and whose machines
//! are told to ask someone else.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::Inventory;
use crate::azure::{At, Vnet};
use crate::config::{Finding, codes};
use crate::view::{ListenerMatch, SnapshotPlan, ViewPlan};

/// Parts of a prefix that are told one by one.
const SHOWN: usize = 5;

/// Compares the virtual networks of an inventory with views and listeners. `others` are addresses that lead to us
/// though we do not listen on them: a load balancer's.
pub fn check_vnets(
    inventory: &Inventory,
    plan: &SnapshotPlan,
    listen: &[SocketAddr],
    others: &[IpAddr],
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let ours = Ours::new(listen, others);
    for vnet in &inventory.vnets {
        uncovered(inventory, vnet, plan, &mut findings);
        servers(inventory, vnet, &ours, &mut findings);
    }
    inventory.add_pointers(&mut findings);
    findings
}

/// Prefixes of a network whose clients are in no view.
fn uncovered(inventory: &Inventory, vnet: &Vnet, plan: &SnapshotPlan, findings: &mut Vec<Finding>) {
    let servers: Vec<IpAddr> = vnet.dns_servers.iter().map(|(address, _)| *address).collect();
    let views = plan.views.iter().filter(|view| is_reached(view, &servers));
    let mut held: Vec<IpNet> = views.flat_map(|view| networks(view)).collect();
    held.sort();
    held.dedup();
    let mut bare = Vec::new();
    for prefix in &vnet.prefixes {
        subtract(*prefix, &held, &mut bare);
    }
    if bare.is_empty() {
        return;
    }
    let more = if bare.len() > SHOWN { ", …" } else { "" };
    let shown: Vec<String> = bare.iter().take(SHOWN).map(ToString::to_string).collect();
    let whole = if bare == vnet.prefixes { "is in no view" } else { "is in no view in part" };
    let message = format!("virtual network {} {whole}: clients in {}{more} get REFUSED", vnet.name, shown.join(", "));
    findings.push(
        Finding::new(&codes::NETWORK_IN_NO_VIEW, inventory.place(&vnet.at), "", message)
            .hint("add it to `networks` of a view; a view with 10.0.0.0/8 that forwards catches what nobody placed"),
    );
}

/// Whether clients that are told these servers can reach a view: it has no listeners of its own, or one of these.
fn is_reached(view: &ViewPlan, servers: &[IpAddr]) -> bool {
    let address = |listener: &ListenerMatch| match listener {
        ListenerMatch::Address(address) => *address,
        ListenerMatch::Socket(socket) => socket.ip(),
    };
    view.listeners.is_empty() || view.listeners.iter().any(|own| servers.contains(&address(own)))
}

/// The clients of a view; beside listeners none means all.
fn networks(view: &ViewPlan) -> Vec<IpNet> {
    if !view.networks.is_empty() {
        return view.networks.clone();
    }
    let all = [IpAddr::from([0_u8; 4]), IpAddr::from([0_u8; 16])];
    all.into_iter().filter_map(|address| IpNet::new(address, 0).ok()).collect()
}

/// The parts of a prefix that are in none of the networks, which are sorted.
fn subtract(prefix: IpNet, held: &[IpNet], bare: &mut Vec<IpNet>) {
    if held.iter().any(|net| net.contains(&prefix)) {
        return;
    }
    let inside: Vec<IpNet> = held.iter().filter(|net| prefix.contains(*net)).copied().collect();
    if inside.is_empty() {
        bare.push(prefix);
        return;
    }
    // a network inside is longer, so there is a half to go on with
    for half in prefix.subnets(prefix.prefix_len() + 1).into_iter().flatten() {
        subtract(half, &inside, bare);
    }
}

/// The addresses that lead to us.
struct Ours<'o> {
    listen: &'o [SocketAddr],
    others: &'o [IpAddr],
    /// Whether we listen on all addresses of the machine and nobody said which lead to us.
    unknown: bool,
}

impl<'o> Ours<'o> {
    fn new(listen: &'o [SocketAddr], others: &'o [IpAddr]) -> Self {
        let wild = listen.iter().any(|own| own.ip().is_unspecified());
        Self { listen, others, unknown: wild && others.is_empty() }
    }

    /// Whether a server of a list may be us.
    fn may_be(&self, server: IpAddr) -> bool {
        let named = self.others.contains(&server) || self.listen.iter().any(|own| own.ip() == server);
        named || self.unknown && is_private(server)
    }
}

/// Whether an address can be a machine's own in a virtual network.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => four.is_private() || four.octets()[0] == 100 && four.octets()[1] & 0xc0 == 64,
        IpAddr::V6(six) => six.octets()[0] & 0xfe == 0xfc,
    }
}

/// The DNS servers that a network's machines are told.
fn servers(inventory: &Inventory, vnet: &Vnet, ours: &Ours<'_>, findings: &mut Vec<Finding>) {
    let mut tell = |at: &At, message: String, hint: &str| {
        findings.push(Finding::new(&codes::OTHER_DNS_SERVER, inventory.place(at), "", message).hint(hint));
    };
    if vnet.dns_servers.is_empty() {
        let message = format!("virtual network {} names no DNS server: its machines ask Azure's own", vnet.name);
        tell(
            &vnet.at,
            message,
            "set our addresses as its custom DNS; machines take them up when their lease is renewed",
        );
        return;
    }
    for (server, at) in vnet.dns_servers.iter().filter(|(server, _)| !ours.may_be(*server)) {
        let message = format!("virtual network {} names {server}, which is none of our listeners", vnet.name);
        tell(at, message, "every entry has to be one of ours: name a load balancer's address with --dns-server");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(prefix: &str, held: &[&str]) -> Vec<String> {
        let mut held: Vec<IpNet> = held.iter().map(|net| net.parse().unwrap()).collect();
        held.sort();
        let mut bare = Vec::new();
        subtract(prefix.parse().unwrap(), &held, &mut bare);
        bare.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_no_network_holds_is_left() {
        assert_eq!(left("10.0.0.0/16", &[]), ["10.0.0.0/16"]);
        assert_eq!(left("10.0.0.0/16", &["10.0.0.0/8"]), Vec::<String>::new());
        assert_eq!(left("10.0.0.0/16", &["10.0.0.0/17", "10.0.128.0/17"]), Vec::<String>::new());
        assert_eq!(left("10.0.0.0/16", &["10.0.0.0/18", "10.0.192.0/18"]), ["10.0.64.0/18", "10.0.128.0/18"]);
        assert_eq!(left("10.0.0.0/31", &["10.0.0.1/32"]), ["10.0.0.0/32"]);
        assert_eq!(left("fd00::/48", &["10.0.0.0/8"]), ["fd00::/48"]);
    }
}
