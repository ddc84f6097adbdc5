//! Flat views → [`ViewPlan`], with the errors that make a view impossible.

use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::HashMap;

use super::endpoints::{EndpointModel, avd_kind};
use super::extends::{FlatView, Tables};
use super::names::{name_of, origin_of};
use super::zones::missing_of;
use crate::config::spec::{GuardMode, Missing, Unlisted};
use crate::config::{Finding, Place, codes, sections, value};
use crate::view::{self, Forward, ListenerMatch, Pattern, ViewPlan};
use crate::zone::avd::Kind;
use crate::zone::{Endpoint, State};

/// The view's default route: its own, or the one upstream of the file.
pub(super) fn upstream_of(tables: &Tables<'_>, view: &FlatView<'_>) -> Option<usize> {
    view.upstream.or((tables.spec.upstreams.len() == 1).then_some(0))
}

/// The kinds that the view means to answer privately.
pub(super) fn private_of(tables: &Tables<'_>, view: &FlatView<'_>) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = match &view.private {
        Some(private) => private.value.iter().map(|kind| avd_kind(kind.value)).collect(),
        None => endpoints_of(tables, view)
            .map(|endpoint| &endpoint.built)
            .filter(|endpoint| endpoint.kind != Kind::Other && endpoint.state == State::Private)
            .map(|endpoint| endpoint.kind)
            .collect(),
    };
    kinds.sort();
    kinds.dedup();
    kinds
}

/// The endpoints of a view.
pub(super) fn endpoints_of<'t>(tables: &Tables<'t>, view: &FlatView<'_>) -> impl Iterator<Item = &'t EndpointModel> {
    let endpoints = tables.endpoints;
    view.endpoints.iter().filter_map(move |entry| endpoints.get(entry.index))
}

/// The ranges whose addresses are private in a view.
pub(super) fn ranges_of(view: &FlatView<'_>) -> Vec<ipnet::IpNet> {
    view.private_ranges.clone().unwrap_or_else(|| {
        // the table's default is a list of strings, as JSON has them
        let texts: Vec<String> = serde_json::from_str(sections::PRIVATE_RANGES).unwrap_or_default();
        texts.iter().filter_map(|text| value::prefix(text).ok()).collect()
    })
}

/// What becomes of a zone's missing names in a view.
pub(super) fn missing_in(tables: &Tables<'_>, view: &FlatView<'_>, zone: usize) -> crate::zone::Missing {
    let Some(zone) = tables.zones.get(zone) else { return crate::zone::Missing::NxDomain };
    let written = view.missing.iter().find(|(name, _)| name.value == zone.name.value);
    written.map_or(zone.built.missing(), |(_, missing)| missing_of(*missing))
}

/// Plans the views that have clients; errors are reported and leave a view out.
pub(super) fn plan(tables: &Tables<'_>, views: &[FlatView<'_>], findings: &mut Vec<Finding>) -> Vec<Arc<ViewPlan>> {
    let mut plans = Vec::new();
    for view in views {
        let before = findings.len();
        check(tables, view, findings);
        if view.spec.is_abstract() {
            continue;
        }
        let Some(upstream) = upstream_of(tables, view) else {
            // an unknown name has been reported; so has a file whose upstreams could not be read
            if !view.faulty && !tables.spec.incomplete {
                let message = format!("view {:?} has no upstream", view.spec.name.value);
                let hint = match tables.spec.upstreams.len() {
                    0 => "add an [[upstream]] table",
                    _ => "set `upstream`: it may be left out only where the file has exactly one",
                };
                let finding =
                    Finding::new(&codes::NO_UPSTREAM, view.spec.name.place.clone(), view.spec.path.clone(), message);
                findings.push(finding.hint(hint));
            }
            continue;
        };
        if findings.get(before..).is_some_and(crate::config::has_errors) {
            continue;
        }
        plans.push(Arc::new(plan_of(tables, view, upstream)));
    }
    plans
}

/// One plan.
fn plan_of(tables: &Tables<'_>, view: &FlatView<'_>, upstream: usize) -> ViewPlan {
    let listeners = view.spec.listeners.iter().map(|listener| match listener.value.port {
        None => ListenerMatch::Address(listener.value.address),
        Some(port) => ListenerMatch::Socket((listener.value.address, port).into()),
    });
    let zones = view.zones.iter().filter_map(|entry| {
        let zone = tables.zones.get(entry.index)?;
        Some((Arc::clone(&zone.built), missing_in(tables, view, entry.index)))
    });
    let forwards = view.forward.iter().map(|route| Forward {
        suffix: name_of(&route.suffix.value),
        group: route.upstream,
        origin: origin_of(&route.suffix.place),
    });
    let patterns = view
        .must_be_private
        .iter()
        .map(|pattern| Pattern { name: name_of(&pattern.value.name), wildcard: pattern.value.wildcard });
    ViewPlan {
        name: view.spec.name.value.as_str().into(),
        origin: origin_of(&view.spec.name.place),
        networks: view.spec.networks.iter().map(|net| net.value).collect(),
        listeners: listeners.collect(),
        upstream,
        forwards: forwards.collect(),
        reverse: view.reverse,
        endpoints: endpoints(tables, view),
        zones: zones.collect(),
        private: private_of(tables, view),
        unlisted: match view.unlisted {
            None | Some(Unlisted::Forward) => view::Unlisted::Forward,
            Some(Unlisted::NxDomain) => view::Unlisted::NxDomain,
        },
        guard: match view.guard {
            None | Some(GuardMode::Own) => view::GuardMode::Own,
            Some(GuardMode::All) => view::GuardMode::All,
            Some(GuardMode::Watch) => view::GuardMode::Watch,
            Some(GuardMode::Off) => view::GuardMode::Off,
        },
        must_be_private: patterns.collect(),
        private_ranges: ranges_of(view),
        reply_within: view.reply_within.as_ref().map(|own| own.value),
        keep_warm: view.keep_warm.iter().map(name_of).collect(),
        overrides: Vec::new(),
        log_queries: view.log.0,
        log_clients: view.log.1,
    }
}

/// The view's endpoints; those of which records are hidden are copied without them.
fn endpoints(tables: &Tables<'_>, view: &FlatView<'_>) -> Vec<Arc<Endpoint>> {
    let mut endpoints = Vec::with_capacity(view.endpoints.len());
    // own entries first: of two records for one name the first wins
    for own in [true, false] {
        for entry in view.endpoints.iter().filter(|entry| entry.own == own) {
            let Some(model) = tables.endpoints.get(entry.index) else { continue };
            let hidden = |record: usize| view.hidden.contains(&(entry.index, record));
            if !(0..model.records.len()).any(hidden) {
                endpoints.push(Arc::clone(&model.built));
                continue;
            }
            let records = model.built.records.iter().enumerate();
            let records = records.filter(|(index, _)| !hidden(*index)).map(|(_, record)| record.clone());
            endpoints.push(Arc::new(Endpoint { records: records.collect(), ..(*model.built).clone() }));
        }
    }
    endpoints
}

/// The errors of one view, abstract ones included.
fn check(tables: &Tables<'_>, view: &FlatView<'_>, findings: &mut Vec<Finding>) {
    two_address_sets(tables, view, findings);
    two_globals(tables, view, findings);
    private_without_endpoint(tables, view, findings);
    missing_of_no_zone(tables, view, findings);
}

/// Two own entries that give one name different addresses (R8).
fn two_address_sets(tables: &Tables<'_>, view: &FlatView<'_>, findings: &mut Vec<Finding>) {
    let mut seen: HashMap<(&[u8], bool), (usize, usize)> = HashMap::new();
    let mut told = hashbrown::HashSet::new();
    for entry in &view.endpoints {
        let Some(endpoint) = tables.endpoints.get(entry.index) else { continue };
        for (index, record) in endpoint.records.iter().enumerate() {
            if view.hidden.contains(&(entry.index, index)) {
                continue;
            }
            for name in &record.names {
                let at = (entry.index, index);
                let first = *seen.entry((name.octets(), record.wildcard)).or_insert(at);
                let other = tables.endpoints.get(first.0).and_then(|own| Some((own, own.records.get(first.1)?)));
                let Some((other_endpoint, other)) = other.filter(|_| first != at) else { continue };
                if same(&other.addresses, &record.addresses) || !told.insert((first, at)) {
                    continue;
                }
                let row = if record.wildcard { &codes::WILDCARD_SUFFIX_TWICE } else { &codes::TWO_ADDRESS_SETS };
                let message = format!(
                    "in view {:?} {} has {} by {:?} and {} by {:?}",
                    view.spec.name.value,
                    record.written,
                    list(&other.addresses),
                    other_endpoint.name.value,
                    list(&record.addresses),
                    endpoint.name.value,
                );
                findings.push(
                    Finding::new(row, record.place.clone(), record.key(), message)
                        .see(other.place.clone(), "the other addresses")
                        .see(view.spec.name.place.clone(), "the view")
                        .hint("endpoints that are isolated from each other belong into different views"),
                );
            }
        }
    }
}

/// More than one global endpoint.
fn two_globals(tables: &Tables<'_>, view: &FlatView<'_>, findings: &mut Vec<Finding>) {
    let globals: Vec<(&EndpointModel, &Place)> = view
        .endpoints
        .iter()
        .filter_map(|entry| Some((tables.endpoints.get(entry.index)?, &entry.place)))
        .filter(|(endpoint, _)| endpoint.built.kind == Kind::Global)
        .collect();
    if let [(first, _), (second, place), ..] = &globals[..] {
        let message = format!(
            "view {:?} has {} global endpoints: {:?} and {:?}",
            view.spec.name.value,
            globals.len(),
            first.name.value,
            second.name.value
        );
        let key = format!("{}.endpoints", view.spec.path);
        findings.push(
            Finding::new(&codes::TWO_GLOBALS, Place::clone(place), key, message)
                .see(first.name.place.clone(), "one of them")
                .hint("the global names are shared: keep one endpoint a view"),
        );
    }
}

/// A kind in `private` without an endpoint.
fn private_without_endpoint(tables: &Tables<'_>, view: &FlatView<'_>, findings: &mut Vec<Finding>) {
    // an abstract base may state the intent and leave the endpoints to those who extend it
    if view.faulty || view.spec.is_abstract() || endpoints_of(tables, view).any(|own| own.faulty) {
        return;
    }
    for kind in view.private.iter().flat_map(|private| &private.value) {
        let wanted = avd_kind(kind.value);
        if !endpoints_of(tables, view).any(|endpoint| endpoint.built.kind == wanted) {
            let message =
                format!("view {:?} lists {wanted} as private but has no endpoint of that kind", view.spec.name.value);
            let key = format!("{}.private", view.spec.path);
            findings.push(
                Finding::new(&codes::PRIVATE_WITHOUT_ENDPOINT, kind.place.clone(), key, message)
                    .hint(format!("add the endpoint to `endpoints`, or remove \"{wanted}\" from `private`")),
            );
        }
    }
}

/// `missing` for a zone that the view does not have.
fn missing_of_no_zone(tables: &Tables<'_>, view: &FlatView<'_>, findings: &mut Vec<Finding>) {
    if view.faulty {
        return;
    }
    for (name, _) in &view.spec.missing {
        let has = |entry: &super::extends::Entry| {
            tables.zones.get(entry.index).is_some_and(|zone| zone.name.value == name.value)
        };
        if !view.zones.iter().any(has) {
            let message = format!("view {:?} has no zone {:?}", view.spec.name.value, name.value);
            let key = format!("{}.missing.{}", view.spec.path, name.value);
            let names = view.zones.iter().filter_map(|entry| tables.zones.get(entry.index));
            let near = crate::config::suggest(&name.value, names.map(|zone| &*zone.name.value));
            findings.push(
                Finding::new(&codes::MISSING_OF_NO_ZONE, name.place.clone(), key, message)
                    .maybe_hint(near.map(|near| format!("did you mean {near:?}?"))),
            );
        }
    }
}

/// The strict override of a view, for lints.
pub(super) fn strict_here<'v>(view: &'v FlatView<'_>, zone: &str) -> Option<&'v Place> {
    let own = view.spec.missing.iter().find(|(name, _)| name.value == zone)?;
    (own.1 == Missing::NxDomain).then_some(&own.0.place)
}

/// Whether two lists hold the same addresses.
fn same(one: &[IpAddr], other: &[IpAddr]) -> bool {
    one.iter().all(|address| other.contains(address)) && other.iter().all(|address| one.contains(address))
}

/// Addresses for a message.
fn list(addresses: &[IpAddr]) -> String {
    addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ")
}
