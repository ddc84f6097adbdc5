//! Lints of endpoints and their records.

use std::sync::LazyLock;

use hashbrown::HashSet;

use super::Input;
use crate::config::{Finding, codes};
use crate::load::endpoints::{EndpointModel, RecordModel};
use crate::load::zones::known_name;
use crate::wire::{Name, NameRef};
use crate::zone::avd::{Clouds, Kind, Spelling, guid_of_label};

/// Parents of relay and STUN names, which are never private.
static RELAYS: &[&str] = &["relay.avd.microsoft.com", "relay.avd.azure.us", "relay.avd.azure.cn"];

/// Runs them.
pub(super) fn check(input: &Input<'_, '_>, findings: &mut Vec<Finding>) {
    for endpoint in input.tables.endpoints {
        for record in &endpoint.records {
            relay_owned(record, findings);
            if record.wildcard {
                wildcard(record, input.clouds, findings);
            }
            if endpoint.built.kind != Kind::Other {
                suffixes(endpoint, record, input.clouds, findings);
                folded_labels(record, input.clouds, findings);
            }
        }
    }
    global_with_feed(input, findings);
    unused(input, findings);
    outside_ranges(input, findings);
}

/// A finding at a record.
fn at(record: &RecordModel, row: &codes::CodeRow, message: String) -> Finding {
    Finding::new(row, record.place.clone(), record.key(), message)
}

/// Relay and STUN names are never owned.
fn relay_owned(record: &RecordModel, findings: &mut Vec<Finding>) {
    if is_relay(record.written.as_ref(), record.wildcard) {
        let message = format!("{} is a relay name: relays are never private", record.written);
        findings.push(at(record, &codes::RELAY_OWNED, message));
    }
}

/// Whether a name, or some name below the parent of a wildcard, is a relay's.
pub(super) fn is_relay(name: NameRef<'_>, wildcard: bool) -> bool {
    static PARENTS: LazyLock<Vec<Name>> = LazyLock::new(|| RELAYS.iter().map(|own| known_name(own)).collect());
    let relay = |own: &Name| name.is_at_or_below(own.as_ref()) || wildcard && own.as_ref().is_at_or_below(name);
    PARENTS.iter().any(relay)
}

/// Wildcards at or above an AVD suffix, and above the GUID label (R15).
fn wildcard(record: &RecordModel, clouds: &Clouds, findings: &mut Vec<Finding>) {
    if let Some((row, message)) = wide_wildcard(record.written.as_ref(), clouds) {
        findings.push(at(record, row, message).hint("list the endpoint's names"));
    }
}

/// What is wrong with a wildcard below `parent`.
pub(super) fn wide_wildcard(parent: NameRef<'_>, clouds: &Clouds) -> Option<(&'static codes::CodeRow, String)> {
    let above = clouds.iter().any(|cloud| cloud.public.as_ref().is_at_or_below(parent));
    let avd = clouds.classify(parent);
    if above || avd.is_some_and(|avd| avd.is_suffix) {
        Some((&codes::WILDCARD_TOO_WIDE, format!("*.{parent} would take names that must stay public")))
    } else if avd.is_some_and(|avd| avd.guid.is_none()) {
        let message = format!("*.{parent} also takes other tenants' workspaces and pools");
        Some((&codes::WILDCARD_TAKES_OTHERS, message))
    } else {
        None
    }
}

/// Names against the suffixes of their kind.
fn suffixes(endpoint: &EndpointModel, record: &RecordModel, clouds: &Clouds, findings: &mut Vec<Finding>) {
    if let Some((row, message, hint)) = suffix_fault(endpoint.built.kind, record.written.as_ref(), clouds) {
        findings.push(at(record, row, message).hint(hint));
    }
}

/// What is wrong with a name of an AVD endpoint, and what to do about it.
pub(in crate::load) fn suffix_fault(
    kind: Kind,
    name: NameRef<'_>,
    clouds: &Clouds,
) -> Option<(&'static codes::CodeRow, String, String)> {
    let Some(avd) = clouds.classify(name) else {
        let message = format!("{name} is under no AVD suffix");
        return Some((&codes::OUTSIDE_SUFFIXES, message, "other services' endpoints have kind = \"other\"".to_owned()));
    };
    let one_zone = avd.cloud.private_link == avd.cloud.private_link_global;
    match avd.spelling {
        Spelling::PrivateLink if kind == Kind::Global && !one_zone => {
            let message = format!("{name} is a global endpoint's name under the plain private-link suffix");
            let hint = format!("global names live under {}", avd.cloud.private_link_global);
            Some((&codes::GLOBAL_IN_FEED_ZONE, message, hint))
        }
        Spelling::PrivateLinkGlobal if kind != Kind::Global && !one_zone => {
            let message = format!("{name} is under the global suffix, its endpoint is a {kind}");
            Some((&codes::KIND_AND_SUFFIX, message, "check the endpoint's kind".to_owned()))
        }
        _ => None,
    }
}

/// A bare GUID name with several addresses.
fn folded_labels(record: &RecordModel, clouds: &Clouds, findings: &mut Vec<Finding>) {
    if let Some(message) = folded(record.written.as_ref(), record.addresses.len(), clouds) {
        findings.push(at(record, &codes::FOLDED_LABELS, message).hint(UNFOLD));
    }
}

/// What to do about folded labels.
pub(super) const UNFOLD: &str = "import the network interface: each member has names and an address of its own";

/// What is wrong with a bare GUID name of several addresses.
pub(super) fn folded(name: NameRef<'_>, addresses: usize, clouds: &Clouds) -> Option<String> {
    let bare = guid_of_label(name.first_label()).is_some()
        && name.parent().and_then(|parent| clouds.classify(parent)).is_some_and(|avd| avd.is_suffix);
    (bare && addresses > 1).then(|| format!("{name} has {addresses} addresses: were labels folded into one?"))
}

/// The global endpoint on a workspace that also serves a feed.
fn global_with_feed(input: &Input<'_, '_>, findings: &mut Vec<Finding>) {
    let endpoints = input.tables.endpoints;
    for global in endpoints.iter().filter(|own| own.built.kind == Kind::Global) {
        let Some(resource) = &global.built.resource else { continue };
        let feed = endpoints
            .iter()
            .find(|own| own.built.kind == Kind::Workspace && own.built.resource.as_ref() == Some(resource));
        if let Some(feed) = feed {
            let message = format!(
                "global endpoint {:?} is on the workspace whose feed {:?} serves",
                global.name.value, feed.name.value
            );
            findings.push(
                Finding::new(&codes::GLOBAL_WITH_FEED, global.name.place.clone(), global.path.clone(), message)
                    .see(feed.name.place.clone(), "the feed")
                    .hint("put it on a placeholder workspace: deleting it stops all discovery"),
            );
        }
    }
}

/// Endpoints in no view; those of one `[[endpoints]]` are told together.
fn unused(input: &Input<'_, '_>, findings: &mut Vec<Finding>) {
    if input.incomplete() {
        return;
    }
    let used: HashSet<usize> = input.views.iter().flat_map(|view| &view.endpoints).map(|entry| entry.index).collect();
    let idle = input.tables.endpoints.iter().enumerate().filter(|(index, _)| !used.contains(index));
    let mut by_set: std::collections::BTreeMap<usize, Vec<&EndpointModel>> = std::collections::BTreeMap::new();
    for (_, endpoint) in idle {
        match endpoint.set {
            Some(set) => by_set.entry(set).or_default().push(endpoint),
            None => {
                let message = format!("endpoint {:?} is in no view", endpoint.name.value);
                let place = endpoint.name.place.clone();
                findings.push(Finding::new(&codes::ENDPOINT_UNUSED, place, endpoint.path.clone(), message));
            }
        }
    }
    for idle in by_set.values() {
        let Some(first) = idle.first() else { continue };
        let names: Vec<&str> = idle.iter().take(5).map(|own| &*own.name.value).collect();
        let more = if idle.len() > names.len() { ", …" } else { "" };
        let message = format!("{} imported endpoints are in no view: {}{more}", idle.len(), names.join(", "));
        findings.push(Finding::new(&codes::ENDPOINT_UNUSED, first.name.place.clone(), first.path.clone(), message));
    }
}

/// Addresses outside the private ranges of a view that has the endpoint; told once a record.
fn outside_ranges(input: &Input<'_, '_>, findings: &mut Vec<Finding>) {
    let mut told: HashSet<(usize, usize)> = HashSet::new();
    for view in input.views {
        let ranges = crate::load::views::ranges_of(view);
        for entry in &view.endpoints {
            let Some(endpoint) = input.tables.endpoints.get(entry.index) else { continue };
            for (index, record) in endpoint.records.iter().enumerate() {
                let outside = record.addresses.iter().find(|address| !ranges.iter().any(|net| net.contains(*address)));
                let Some(address) = outside.filter(|_| told.insert((entry.index, index))) else { continue };
                let message = format!("{address} is outside the private ranges of view {:?}", view.spec.name.value);
                findings.push(
                    at(record, &codes::OUTSIDE_RANGES, message)
                        .hint("is it a public address that was copied? else widen `private-ranges`"),
                );
            }
        }
    }
}

/// Whether a name is under an AVD suffix, for other lints.
pub(super) fn is_avd(clouds: &Clouds, name: NameRef<'_>) -> bool {
    clouds.classify(name).is_some()
}
