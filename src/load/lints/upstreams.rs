//! Lints of `[server]`, `[cache]`, `[[upstream]]` and routes.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hashbrown::HashMap;

use super::Input;
use crate::config::spec::UpstreamSpec;
use crate::config::value::{Server, Transport};
use crate::config::{Finding, Place, Spanned, codes};
use crate::load::views::{ranges_of, upstream_of};

/// Runs them.
pub(super) fn check(input: &Input<'_, '_>, findings: &mut Vec<Finding>) {
    listen_twice(input, findings);
    admin_exposed(input, findings);
    negative_over_max(input, findings);
    for upstream in &input.tables.spec.upstreams {
        platform(upstream, findings);
        own_listener(input, upstream, findings);
        server_twice(upstream, findings);
        transport_built(upstream, findings);
        ca_unused(upstream, findings);
        plain_beside_encrypted(upstream, findings);
    }
    unused(input, findings);
    no_reverse(input, findings);
    reply_after_timeout(input, findings);
}

/// One address and port for two listeners.
fn listen_twice(input: &Input<'_, '_>, findings: &mut Vec<Finding>) {
    let Some(server) = &input.tables.spec.server else { return };
    let mut seen: HashMap<SocketAddr, (&Place, &str)> = HashMap::new();
    let listen = server.listen.iter().map(|at| (at, "server.listen"));
    let health = server.health.iter().map(|at| (at, "server.health"));
    let admin = server.admin.iter().map(|at| (at, "server.admin"));
    for (at, key) in listen.chain(health).chain(admin) {
        if let Some((first, first_key)) = seen.insert(at.value, (&at.place, key)) {
            let message = format!("{} is the address of `{first_key}` already", at.value);
            findings.push(
                Finding::new(&codes::LISTEN_TWICE, at.place.clone(), key, message)
                    .see(first.clone(), "first used here"),
            );
        }
    }
}

/// The admin listener away from loopback, without a token.
fn admin_exposed(input: &Input<'_, '_>, findings: &mut Vec<Finding>) {
    let Some(server) = &input.tables.spec.server else { return };
    let Some(admin) = server.admin.as_ref().filter(|_| server.token_file.is_none()) else { return };
    if !admin.value.ip().is_loopback() {
        let message = format!("the admin listener on {} needs a token, and none is set", admin.value);
        findings.push(
            Finding::new(&codes::ADMIN_EXPOSED, admin.place.clone(), "server.admin", message)
                .hint("use 127.0.0.1, or set `token-file`; health checks go to `health`"),
        );
    }
}

/// `max-negative-ttl` above `max-ttl`.
fn negative_over_max(input: &Input<'_, '_>, findings: &mut Vec<Finding>) {
    let cache = &input.tables.spec.cache;
    if let Some(place) = cache.place.as_ref().filter(|_| cache.max_negative_ttl > cache.max_ttl) {
        let message = "`max-negative-ttl` is above `max-ttl`".to_owned();
        findings.push(Finding::new(&codes::NEGATIVE_OVER_MAX, place.clone(), "cache.max-negative-ttl", message));
    }
}

/// The limits of Azure's platform resolver.
fn platform(upstream: &UpstreamSpec, findings: &mut Vec<Finding>) {
    if !upstream.servers.iter().any(|server| server.value.is_platform()) {
        return;
    }
    let mut tell = |row, place: &Place, key: &str, message: String, hint: &str| {
        let key = format!("{}.{key}", upstream.path);
        findings.push(Finding::new(row, place.clone(), key, message).hint(hint));
    };
    if upstream.timeout.value <= Duration::from_secs(4) {
        let message = "168.63.129.16 may need more than 4 s to answer".to_owned();
        tell(&codes::PLATFORM_TIMEOUT, &upstream.timeout.place, "timeout", message, "leave the default of 5s");
    }
    if let Some(cap) = upstream.max_in_flight.as_ref().filter(|cap| cap.value >= 200) {
        let message = "168.63.129.16 drops what exceeds 200 pending queries".to_owned();
        tell(&codes::PLATFORM_IN_FLIGHT, &cap.place, "max-in-flight", message, "leave the default of 150");
    }
    if let Some(cap) = upstream.max_qps.as_ref().filter(|cap| cap.value >= 1_000) {
        let message = "168.63.129.16 drops what exceeds 1,000 queries a second".to_owned();
        tell(&codes::PLATFORM_QPS, &cap.place, "max-qps", message, "leave the default of 900");
    }
}

/// A server that is one of our own listeners.
fn own_listener(input: &Input<'_, '_>, upstream: &UpstreamSpec, findings: &mut Vec<Finding>) {
    let listen = input.tables.spec.server.iter().flat_map(|server| &server.listen);
    let listen: Vec<&Spanned<SocketAddr>> = listen.collect();
    for (index, server) in upstream.servers.iter().enumerate() {
        let address = server.value.address;
        let ours = listen.iter().find(|own| covers(own.value, address));
        if let Some(own) = ours.filter(|_| server.value.transport == Transport::Plain) {
            let message = format!("{address} is our own listener: queries would go around in a circle");
            let key = format!("{}.servers[{index}]", upstream.path);
            findings.push(
                Finding::new(&codes::OWN_LISTENER, server.place.clone(), key, message)
                    .see(own.place.clone(), "listens here"),
            );
        }
    }
}

/// Whether a listener surely takes what is sent to an address of this host.
fn covers(listener: SocketAddr, address: SocketAddr) -> bool {
    if listener.port() != address.port() {
        return false;
    }
    let wild = listener.ip().is_unspecified() && (address.ip().is_loopback() || address.ip().is_unspecified());
    let family = listener.is_ipv6() || address.is_ipv4();
    listener.ip() == address.ip() || (wild && family)
}

/// One server twice.
fn server_twice(upstream: &UpstreamSpec, findings: &mut Vec<Finding>) {
    for (index, server) in upstream.servers.iter().enumerate() {
        let first = upstream.servers.iter().take(index).find(|other| other.value == server.value);
        if let Some(first) = first {
            let message = format!("{} is in the list already", server.value);
            let key = format!("{}.servers[{index}]", upstream.path);
            findings.push(
                Finding::new(&codes::SERVER_TWICE, server.place.clone(), key, message)
                    .see(first.place.clone(), "first here"),
            );
        }
    }
}

/// A transport that this program does not have.
fn transport_built(upstream: &UpstreamSpec, findings: &mut Vec<Finding>) {
    for (index, server) in upstream.servers.iter().enumerate() {
        let scheme = server.value.transport.scheme();
        if !crate::load::TRANSPORTS.contains(&scheme) {
            let message = format!("this program has no {scheme} upstreams");
            let key = format!("{}.servers[{index}]", upstream.path);
            findings.push(
                Finding::new(&codes::TRANSPORT_NOT_BUILT, server.place.clone(), key, message)
                    .hint("build it with `--features doq`, or use `tls://ip#name` or `https://name/path#ip`"),
            );
        }
    }
}

/// Authorities that check nothing.
fn ca_unused(upstream: &UpstreamSpec, findings: &mut Vec<Finding>) {
    if let Some(ca) = upstream.ca.as_ref().filter(|_| !upstream.encrypted()) {
        let message = format!("no server of upstream {:?} is encrypted", upstream.name.value);
        let key = format!("{}.ca", upstream.path);
        findings.push(Finding::new(&codes::CA_UNUSED, ca.place.clone(), key, message));
    }
}

/// A question that fails encrypted would go out in plain.
fn plain_beside_encrypted(upstream: &UpstreamSpec, findings: &mut Vec<Finding>) {
    let is_plain = |server: &&Spanned<Server>| server.value.transport == Transport::Plain;
    let encrypted = upstream.servers.iter().find(|server| !is_plain(server));
    let plain = upstream.servers.iter().enumerate().find(|(_, server)| is_plain(server));
    if let (Some(encrypted), Some((index, plain))) = (encrypted, plain) {
        let message = format!("what {} leaves unanswered is asked of {} in plain", encrypted.value, plain.value);
        let key = format!("{}.servers[{index}]", upstream.path);
        findings.push(
            Finding::new(&codes::PLAIN_BESIDE_ENCRYPTED, plain.place.clone(), key, message)
                .see(encrypted.place.clone(), "encrypted"),
        );
    }
}

/// An upstream that nothing uses.
fn unused(input: &Input<'_, '_>, findings: &mut Vec<Finding>) {
    if input.incomplete() {
        return;
    }
    let mut used: Vec<bool> = input.tables.spec.upstreams.iter().map(|_| false).collect();
    for view in input.views {
        let indexes = view.forward.iter().map(|route| route.upstream);
        let indexes = indexes.chain(view.reverse).chain(upstream_of(input.tables, view));
        for index in indexes {
            if let Some(used) = used.get_mut(index) {
                *used = true;
            }
        }
    }
    for (upstream, _) in input.tables.spec.upstreams.iter().zip(used).filter(|(_, used)| !used) {
        let message = format!("no view uses upstream {:?}", upstream.name.value);
        let key = upstream.path.clone();
        findings.push(Finding::new(&codes::UPSTREAM_UNUSED, upstream.name.place.clone(), key, message));
    }
}

/// Forwarding to private servers (a directory, most often) without their reverse names.
fn no_reverse(input: &Input<'_, '_>, findings: &mut Vec<Finding>) {
    for view in input.views.iter().filter(|view| !view.spec.is_abstract() && !view.faulty) {
        let arpa = |text: &str| text == "arpa" || text.ends_with(".arpa");
        let is_reverse = |route: &&crate::load::extends::RouteEntry| arpa(&route.suffix.value.to_string());
        if view.reverse.is_some() || view.forward.iter().any(|route| is_reverse(&route)) {
            continue;
        }
        let ranges = ranges_of(view);
        let private = |address: IpAddr| ranges.iter().any(|net| net.contains(&address));
        let default = upstream_of(input.tables, view);
        let directory = view.forward.iter().find(|route| {
            let upstream = input.tables.spec.upstreams.get(route.upstream);
            let servers = upstream.iter().flat_map(|upstream| &upstream.servers);
            Some(route.upstream) != default
                && servers.clone().next().is_some()
                && servers.clone().all(|server| private(server.value.address.ip()))
        });
        if let Some(route) = directory {
            let name = input.tables.spec.upstreams.get(route.upstream).map_or("", |own| &own.name.value);
            let message = format!(
                "view {:?} forwards {} to {name:?}, but answers NXDOMAIN for private reverse names",
                view.spec.name.value, route.suffix.value
            );
            let key = format!("{}.reverse", view.spec.path);
            findings.push(
                Finding::new(&codes::NO_REVERSE, route.suffix.place.clone(), key, message)
                    .hint(format!("set reverse = {name:?} in the view")),
            );
        }
    }
}

/// A deadline that never ends a wait.
fn reply_after_timeout(input: &Input<'_, '_>, findings: &mut Vec<Finding>) {
    for view in input.views {
        let Some(within) = &view.spec.reply_within else { continue };
        let upstream = upstream_of(input.tables, view).and_then(|index| input.tables.spec.upstreams.get(index));
        let Some(upstream) = upstream.filter(|upstream| within.value >= upstream.timeout.value) else { continue };
        let message = format!("`reply-within` is not below the timeout of upstream {:?}", upstream.name.value);
        let key = format!("{}.reply-within", view.spec.path);
        findings.push(
            Finding::new(&codes::REPLY_AFTER_TIMEOUT, within.place.clone(), key, message)
                .see(upstream.timeout.place.clone(), "the timeout"),
        );
    }
}
