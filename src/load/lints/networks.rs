//! Lints of who belongs to which view (R7).

use std::net::{IpAddr, SocketAddr};

use hashbrown::{HashMap, HashSet};
use ipnet::IpNet;

use super::Input;
use crate::config::value::Listener;
use crate::config::{Finding, Place, Spanned, codes};
use crate::load::extends::FlatView;

/// Runs them.
pub(super) fn check(input: &Input<'_, '_>, findings: &mut Vec<Finding>) {
    same_network(input, findings);
    crossed_networks(input, findings);
    not_listening(input, findings);
}

/// The prefixes of a view; beside listeners none means all.
fn prefixes<'v>(view: &'v FlatView<'_>) -> Vec<(IpNet, &'v Place)> {
    let own: Vec<_> = view.spec.networks.iter().map(|net| (net.value, &net.place)).collect();
    if !own.is_empty() || view.spec.faulty || view.spec.listeners.is_empty() {
        return own;
    }
    let all = [IpAddr::from([0_u8; 4]), IpAddr::from([0_u8; 16])];
    let nets = all.into_iter().filter_map(|address| IpNet::new(address, 0).ok());
    nets.map(|net| (net, &view.spec.name.place)).collect()
}

/// Two views with the same prefix and listener.
fn same_network(input: &Input<'_, '_>, findings: &mut Vec<Finding>) {
    let mut seen: HashMap<IpNet, Vec<(&FlatView<'_>, &Place)>> = HashMap::new();
    for view in input.views {
        for (net, place) in prefixes(view) {
            let others = seen.entry(net).or_default();
            let other = others
                .iter()
                .find(|(other, _)| !std::ptr::eq(*other, view) && meet(&other.spec.listeners, &view.spec.listeners));
            if let Some((other, first)) = other {
                let message =
                    format!("{net} is a network of view {:?} already, for the same listener", other.spec.name.value);
                let key = format!("{}.networks", view.spec.path);
                findings.push(
                    Finding::new(&codes::SAME_NETWORK, place.clone(), key, message)
                        .see(Place::clone(first), "first here"),
                );
            }
            others.push((view, place));
        }
    }
}

/// Whether one query could come in by a listener of both.
fn meet(one: &[Spanned<Listener>], other: &[Spanned<Listener>]) -> bool {
    let both = |own: &Listener, other: &Listener| {
        own.address == other.address && (own.port.is_none() || other.port.is_none() || own.port == other.port)
    };
    match (one.is_empty(), other.is_empty()) {
        (true, true) => true,
        (false, false) => one.iter().any(|own| other.iter().any(|other| both(&own.value, &other.value))),
        _ => false, // the one that names the listener wins
    }
}

/// Views each of which holds a network of the other.
fn crossed_networks(input: &Input<'_, '_>, findings: &mut Vec<Finding>) {
    let mut all: Vec<(IpNet, usize, &Place)> = Vec::new();
    for (index, view) in input.views.iter().enumerate() {
        all.extend(view.spec.networks.iter().map(|net| (net.value, index, &net.place)));
    }
    all.sort_by_key(|(net, index, _)| (net.network(), net.prefix_len(), *index));
    let mut around: Vec<(IpNet, usize)> = Vec::new();
    let mut holds: HashMap<(usize, usize), (IpNet, IpNet, &Place)> = HashMap::new();
    for (net, view, place) in all {
        while around.last().is_some_and(|(outer, _)| !outer.contains(&net)) {
            around.pop();
        }
        // the nearest network around it decides where its clients would go without it
        if let Some((outer, holder)) = around.iter().rev().find(|(outer, _)| *outer != net)
            && *holder != view
        {
            holds.entry((*holder, view)).or_insert((*outer, net, place));
        }
        around.push((net, view));
    }
    let mut told: HashSet<(usize, usize)> = HashSet::new();
    let mut pairs: Vec<_> = holds.iter().collect();
    pairs.sort_by_key(|(pair, _)| **pair);
    for (&(one, other), (outer, inner, place)) in pairs {
        let Some((back_outer, back_inner, back_place)) = holds.get(&(other, one)) else { continue };
        if !told.insert((one.min(other), one.max(other))) {
            continue;
        }
        let (Some(one), Some(other)) = (input.views.get(one), input.views.get(other)) else { continue };
        let message = format!(
            "views {:?} and {:?} partly duplicate each other: {inner} lies in {outer}, but {back_inner} lies in {back_outer}",
            one.spec.name.value, other.spec.name.value
        );
        let key = format!("{}.networks", other.spec.path);
        findings.push(
            Finding::new(&codes::CROSSED_NETWORKS, Place::clone(place), key, message)
                .see(Place::clone(back_place), "the other way around here"),
        );
    }
}

/// A view's listener that nobody listens on.
fn not_listening(input: &Input<'_, '_>, findings: &mut Vec<Finding>) {
    let Some(server) = &input.tables.spec.server else { return };
    if server.listen.is_empty() {
        return; // it could not be read
    }
    for view in input.views {
        for (index, listener) in view.spec.listeners.iter().enumerate() {
            if !server.listen.iter().any(|own| serves(own.value, listener.value)) {
                let message = format!("nothing listens on {}", listener.value);
                let key = format!("{}.listeners[{index}]", view.spec.path);
                findings.push(
                    Finding::new(&codes::NOT_LISTENING, listener.place.clone(), key, message)
                        .hint("add it to `listen` of [server], or a wildcard address"),
                );
            }
        }
    }
}

/// Whether queries to `wanted` come in by the listener `own`.
fn serves(own: SocketAddr, wanted: Listener) -> bool {
    let port = wanted.port.is_none_or(|port| port == own.port());
    let wild = own.ip().is_unspecified() && (own.is_ipv6() || wanted.address.is_ipv4());
    port && (own.ip() == wanted.address || wild)
}
