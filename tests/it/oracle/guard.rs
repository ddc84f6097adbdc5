//! The leak guard a second time (R25): which names of a chain are guarded, and which addresses may follow them.

use super::name::{guids, is_below, is_private_link, is_within, private_suffixes};
use super::sight::{Sight, What};
use super::world::{Endpoint, Guard, Kind, is_private};
use crate::harness::message::{Rr, kind, presentation};
use std::net::IpAddr;

/// Why a name is guarded: the addresses that the view holds for its resource.
struct Reason {
    held: Vec<IpAddr>,
}

/// What the guard makes of a chain's end.
#[derive(Debug)]
pub(crate) enum Outcome {
    Passes,
    /// The answer ends before this name of the chain, by its place.
    Withheld(usize),
    /// Services without their hints.
    Stripped,
    Open(&'static str),
}

/// Judges what stands at the end of a chain: `names` from QNAME on, `records` from an upstream.
pub(crate) fn judge(sight: &Sight<'_>, names: &[String], records: &[Rr]) -> Outcome {
    // The plain suffix serves two kinds, and the rules do not say how a name tells which of them is its own.
    let one_kind = sight.has(Kind::Workspace) != sight.has(Kind::HostPool);
    let services = records.iter().any(|rr| matches!(rr.kind, kind::HTTPS | kind::SVCB));
    let targets = records.iter().filter(|_| services).map(target);
    if sight.view.guard == Guard::All
        && one_kind
        && names.iter().cloned().chain(targets).any(|name| is_under(&name, false))
    {
        return Outcome::Open("guard = \"all\" where one of two kinds under the private-link suffix is private");
    }
    let crossed = names.iter().any(|name| is_private_link(name));
    if matches!(sight.view.guard, Guard::Watch | Guard::Off) {
        let owned = |rr: &Rr| is_owned(sight, &target(rr));
        return if services && records.iter().any(owned) {
            Outcome::Open("hints of a service with an owned target where the guard only watches or is off")
        } else {
            Outcome::Passes
        };
    }
    if services {
        let special = |rr: &Rr| {
            let what = sight.what(&target(rr), kind::A);
            matches!(what, What::Special(_) | What::Gap | What::ReverseAncestor | What::ReverseDenied)
        };
        if records.iter().any(special) {
            return Outcome::Open("a service whose target is neither owned nor forwarded");
        }
        if names.iter().any(|name| is_owned(sight, name)) {
            return Outcome::Open("a service behind an owned alias");
        }
        let guarded = |name: &str| reason(sight, name, crossed || is_private_link(name)).is_some();
        let strips = names.iter().any(|name| guarded(name))
            || records.iter().any(|rr| is_owned(sight, &target(rr)) || guarded(&target(rr)));
        return if strips { Outcome::Stripped } else { Outcome::Passes };
    }
    let addresses: Vec<_> = records.iter().filter_map(Rr::to_address).collect();
    for (place, name) in names.iter().enumerate() {
        let Some(reason) = reason(sight, name, crossed) else { continue };
        if addresses.iter().any(|address| !reason.held.contains(address) && !is_private(*address)) {
            return Outcome::Withheld(place);
        }
    }
    Outcome::Passes
}

fn is_owned(sight: &Sight<'_>, name: &str) -> bool {
    matches!(
        sight.what(name, kind::A),
        What::Endpoint { .. } | What::Node { .. } | What::Missing { .. } | What::Reverse { .. }
    )
}

/// The target name of a service; its owner where that is ".".
fn target(rr: &Rr) -> String {
    match presentation(rr.data.get(2..).unwrap_or_default()).0 {
        empty if empty.is_empty() => rr.name.clone(),
        name => name,
    }
}

/// Whether a name is guarded in a view, by the first reason that holds.
fn reason(sight: &Sight<'_>, name: &str, crossed: bool) -> Option<Reason> {
    let held = |belongs: &dyn Fn(&Endpoint) -> bool| Reason {
        held: sight
            .endpoints()
            .filter(|endpoint| belongs(endpoint))
            .flat_map(|endpoint| endpoint.records.iter().flat_map(|(_, addresses)| addresses.iter().copied()))
            .collect(),
    };
    for (owner, endpoint, _) in sight.records() {
        let base = owner.trim_start_matches("*.");
        let by_wildcard = base != owner && is_below(name, base);
        if by_wildcard || base == owner && is_within(name, &owner) {
            let resource = endpoint.resource.clone();
            return Some(held(&|other| {
                other.name == endpoint.name || resource.is_some() && other.resource == resource
            }));
        }
    }
    let here = sight.guids();
    if crossed && let Some(guid) = guids(name).into_iter().find(|guid| here.contains(*guid)) {
        return Some(held(&|other| {
            other.resource.as_deref() == Some(guid) || other.records.iter().any(|(name, _)| name.contains(guid))
        }));
    }
    let listed = sight.view.must_be_private.iter().any(|entry| match entry.strip_prefix("*.") {
        Some(base) => is_below(name, base),
        None => entry == name,
    });
    if listed {
        return Some(Reason { held: Vec::new() });
    }
    if sight.has(Kind::Global) && is_under(name, true) {
        return Some(held(&|other| other.kind == Kind::Global));
    }
    let private = sight.has(Kind::Workspace) || sight.has(Kind::HostPool);
    if sight.view.guard == Guard::All && private && is_under(name, false) {
        return Some(Reason { held: Vec::new() });
    }
    None
}

/// Whether a name lies under the private-link suffixes of workspaces and host pools, or under the global ones.
fn is_under(name: &str, global: bool) -> bool {
    private_suffixes(global).any(|suffix| is_below(name, &suffix))
}

/// A service record without `ipv4hint` and `ipv6hint`.
pub(crate) fn without_hints(rr: &Rr) -> Rr {
    let start = 2 + presentation(&rr.data[2..]).1;
    let mut data = rr.data[..start].to_vec();
    let mut rest = &rr.data[start..];
    while let [k1, k2, l1, l2, tail @ ..] = rest {
        let (value, next) = tail.split_at(usize::from(u16::from_be_bytes([*l1, *l2])));
        if !matches!(u16::from_be_bytes([*k1, *k2]), 4 | 6) {
            data.extend_from_slice(&[*k1, *k2, *l1, *l2]);
            data.extend_from_slice(value);
        }
        rest = next;
    }
    Rr { data, ..rr.clone() }
}
