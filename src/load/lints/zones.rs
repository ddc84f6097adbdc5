//! Lints of zones.

use std::net::IpAddr;

use hashbrown::HashSet;

use super::Input;
use super::endpoints::{UNFOLD, folded, is_avd, is_relay, wide_wildcard};
use crate::azure::needs::{self, Need};
use crate::config::{Finding, Place, codes};
use crate::load::services;
use crate::load::views::{ranges_of, strict_here};
use crate::load::zones::{ZoneModel, known_name};
use crate::wire::{Name, rtype};
use crate::zone::{Match, Missing, Node};

/// Runs them.
pub(super) fn check(input: &Input<'_, '_>, findings: &mut Vec<Finding>) {
    for (index, zone) in input.tables.zones.iter().enumerate() {
        at_avd(input, zone, findings);
        let strict = zone.built.missing() == Missing::NxDomain;
        if strict {
            over_avd(input, zone, &zone.apex_place, findings);
        }
        let place = strict_place(input, index, zone);
        if let Some(place) = place.filter(|_| !zone.faulty) {
            if !strict {
                over_avd(input, zone, place, findings);
            }
            hides_needed(zone, place, findings);
        }
        records(input, index, zone, findings);
    }
    unused(input, findings);
}

/// Where a zone is made strict for a view that has it; a zone in no view counts as it is.
fn strict_place<'p>(input: &'p Input<'_, '_>, index: usize, zone: &'p ZoneModel) -> Option<&'p Place> {
    let mut views = input.views.iter().filter(|view| view.zones.iter().any(|entry| entry.index == index)).peekable();
    let strict = zone.built.missing() == Missing::NxDomain;
    if views.peek().is_none() {
        return strict.then_some(&zone.apex_place);
    }
    views.find_map(|view| {
        let written = view.missing.iter().find(|(name, _)| name.value == zone.name.value);
        match written {
            Some(_) => strict_here(view, &zone.name.value),
            None => strict.then_some(&zone.apex_place),
        }
    })
}

/// A zone at an AVD private-link suffix (R16).
fn at_avd(input: &Input<'_, '_>, zone: &ZoneModel, findings: &mut Vec<Finding>) {
    if input.clouds.is_private_link_suffix(zone.apex()) {
        let message = format!("{} is an AVD private-link suffix and cannot be a zone", zone.apex());
        findings.push(
            Finding::new(&codes::ZONE_AT_AVD, zone.apex_place.clone(), zone.path.clone(), message)
                .hint("import its records as endpoints: [[endpoint]] with `records` or `from`"),
        );
    }
}

/// A strict zone at, above or below a public AVD suffix (R16).
fn over_avd(input: &Input<'_, '_>, zone: &ZoneModel, place: &Place, findings: &mut Vec<Finding>) {
    let apex = zone.apex();
    if input.clouds.is_private_link_suffix(apex) {
        return; // told by its own code
    }
    let above = input.clouds.iter().find(|cloud| cloud.public.as_ref().is_at_or_below(apex));
    if is_avd(input.clouds, apex) || above.is_some() {
        let message = format!("the strict zone {apex} would hide AVD names that it lacks");
        findings.push(
            Finding::new(&codes::ZONE_OVER_AVD, place.clone(), zone.path.clone(), message)
                .hint("own names, never the whole zone: use [[endpoint]] tables"),
        );
    }
}

/// A strict zone that hides names which AVD needs.
fn hides_needed(zone: &ZoneModel, place: &Place, findings: &mut Vec<Finding>) {
    let hidden: Vec<String> = needs::AZURE.iter().filter_map(|need| hidden_name(zone, need)).collect();
    if hidden.is_empty() {
        return;
    }
    let message = format!("the strict zone {} hides names that AVD needs: {}", zone.apex(), hidden.join(", "));
    findings.push(
        Finding::new(&codes::HIDES_NEEDED, place.clone(), zone.path.clone(), message)
            .hint("set missing = \"forward\" for the zone, or give it these names"),
    );
}

/// The spelling of a needed name that the zone denies.
fn hidden_name(zone: &ZoneModel, need: &Need) -> Option<String> {
    let (wildcard, text) = need.parent().map_or((false, need.name), |parent| (true, parent));
    let other = if wildcard { services::private_of(text).map(str::to_owned) } else { services::other_spelling(text) };
    [Some(text.to_owned()), other].into_iter().flatten().find_map(|text| {
        let name: Name = known_name(&text);
        let relative = name.as_ref().relative_to(zone.apex())?;
        let found = !wildcard && !matches!(zone.built.find(relative, |_| false), Match::Missing);
        (!found).then(|| if wildcard { format!("*.{text}") } else { text })
    })
}

/// The records of a zone that holds AVD names or relays: what endpoints are told of, zones are told of too.
fn records(input: &Input<'_, '_>, index: usize, zone: &ZoneModel, findings: &mut Vec<Finding>) {
    let apex = zone.apex();
    let above = input.clouds.iter().any(|cloud| cloud.public.as_ref().is_at_or_below(apex));
    if zone.faulty || !(above || is_avd(input.clouds, apex) || is_relay(apex, true)) {
        return;
    }
    let views = input.views.iter().filter(|view| view.zones.iter().any(|entry| entry.index == index));
    let ranges: Vec<_> = views.map(|view| (view.spec.name.value.as_str(), ranges_of(view))).collect();
    for (relative, node) in zone.built.nodes() {
        let Some(name) = apex.prefixed(relative) else { continue };
        let wildcard = name.as_ref().first_label() == b"*";
        let written = if wildcard { name.as_ref().parent().unwrap_or(apex) } else { name.as_ref() };
        let place = Place::at(zone.built.origin.file.clone(), node.line(), 1);
        let mut tell = |row, message: String, hint: &str| {
            findings.push(Finding::new(row, place.clone(), zone.path.clone(), message).hint(hint));
        };
        if is_relay(written, wildcard) {
            let message = format!("{name} is a relay name: relays are never private");
            tell(&codes::RELAY_OWNED, message, "remove the record, or set missing = \"forward\" and leave it out");
        }
        if let Some((row, message)) = wide_wildcard(written, input.clouds).filter(|_| wildcard) {
            tell(row, message, "list the names");
        }
        let addresses = addresses_of(node);
        if let Some(message) = folded(written, addresses.len(), input.clouds) {
            tell(&codes::FOLDED_LABELS, message, UNFOLD);
        }
        if is_avd(input.clouds, written) {
            let outside = addresses.iter().find_map(|address| {
                let view = ranges.iter().find(|(_, ranges)| !ranges.iter().any(|net| net.contains(address)));
                view.map(|(view, _)| (address, view))
            });
            if let Some((address, view)) = outside {
                let message = format!("{address} of {name} is outside the private ranges of view {view:?}");
                tell(
                    &codes::OUTSIDE_RANGES,
                    message,
                    "is it a public address that was copied? else widen `private-ranges`",
                );
            }
        }
    }
}

/// The addresses of a name.
fn addresses_of(node: &Node) -> Vec<IpAddr> {
    let four = node.rrset(rtype::A).into_iter().flat_map(|set| set.rdata());
    let four = four.filter_map(|rdata| <[u8; 4]>::try_from(rdata).ok()).map(IpAddr::from);
    let six = node.rrset(rtype::AAAA).into_iter().flat_map(|set| set.rdata());
    four.chain(six.filter_map(|rdata| <[u8; 16]>::try_from(rdata).ok()).map(IpAddr::from)).collect()
}

/// Zones in no view.
fn unused(input: &Input<'_, '_>, findings: &mut Vec<Finding>) {
    if input.incomplete() {
        return;
    }
    let used: HashSet<usize> = input.views.iter().flat_map(|view| &view.zones).map(|entry| entry.index).collect();
    for (index, zone) in input.tables.zones.iter().enumerate() {
        if !used.contains(&index) {
            let message = format!("zone {:?} is in no view", zone.name.value);
            let place = zone.name.place.clone();
            findings.push(Finding::new(&codes::ZONE_UNUSED, place, zone.path.clone(), message));
        }
    }
}
