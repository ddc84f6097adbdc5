//! The names of endpoints and zones, compared.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::HashMap;

use super::super::snapshot::View;
use super::{Change, Counts, Fate, NameChange, RecordSet, Resource, Verb};
use crate::wire::{Name, NameRef, Template, WireName};
use crate::zone::avd::Kind;
use crate::zone::{Endpoint, Match, Node, State, Zone};

/// An endpoint's name in a view.
struct Held<'v> {
    endpoint: &'v Endpoint,
    /// All its spellings; a wildcard's with the `*`.
    spellings: Vec<Name>,
    fate: Fate,
}

/// The endpoint names of a view by their first spelling in text, so in order.
type Names<'v> = BTreeMap<String, Held<'v>>;

/// What changes between two views that the same clients had and have.
pub(super) fn changes(old: Option<&View>, new: Option<&View>, zones: &mut ZonePairs) -> Vec<Change> {
    let (before, after) = (endpoint_names(old), endpoint_names(new));
    let view = new.or(old).map(|view| Arc::clone(&view.name)).unwrap_or_default();
    let has_global = |names: &Names<'_>| {
        let global = |held: &Held<'_>| held.endpoint.kind == Kind::Global && held.endpoint.state == State::Private;
        names.values().any(global)
    };
    let discovery_stops = has_global(&before) && !has_global(&after);
    let mut found: Vec<Change> = Vec::new();
    let all: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in all {
        let (was, is) = (before.get(name), after.get(name));
        let Some(held) = is.or(was) else { continue };
        let fate = |held: Option<&Held<'_>>, view| {
            held.map_or_else(|| by_zone(view, &held_spellings(was, is)), |held| held.fate.clone())
        };
        let (before, after) = (fate(was, old), fate(is, new));
        let (Some(verb), Some(name)) = (verb(&before, &after), held.spellings.first()) else { continue };
        let resource = Resource::Endpoint { name: Arc::clone(&held.endpoint.name), kind: held.endpoint.kind };
        let change = NameChange { name: name.clone(), verb, before, after };
        note(&mut found, &view, resource, change, zones.most);
    }
    for change in &mut found {
        let global = matches!(change.resource, Resource::Endpoint { kind: Kind::Global, .. });
        change.discovery_stops = discovery_stops && global;
    }
    found.sort_by(|one, other| one.resource.name().cmp(other.resource.name()));
    found.extend(zone_changes(&view, [old, new], &[before, after], zones));
    found
}

fn held_spellings(was: Option<&Held<'_>>, is: Option<&Held<'_>>) -> Vec<Name> {
    was.or(is).map(|held| held.spellings.clone()).unwrap_or_default()
}

/// Adds a name to its resource's change.
fn note(found: &mut Vec<Change>, view: &Arc<str>, resource: Resource, change: NameChange, most: usize) {
    let place = found.iter().position(|own| own.resource == resource).unwrap_or_else(|| {
        let counts = Counts::default();
        let (view, names) = (Arc::clone(view), Arc::default());
        found.push(Change { view, resource, counts, names, discovery_stops: false });
        found.len() - 1
    });
    let Some(own) = found.get_mut(place) else { return };
    add(&mut own.counts, change.verb);
    if own.names.len() < most {
        Arc::make_mut(&mut own.names).push(change);
    }
}

fn add(counts: &mut Counts, verb: Verb) {
    if let Some(count) = Verb::ALL.iter().position(|own| *own == verb).and_then(|at| counts.get_mut(at)) {
        *count += 1;
    }
}

fn take_away(counts: &mut Counts, verb: Verb) {
    if let Some(count) = Verb::ALL.iter().position(|own| *own == verb).and_then(|at| counts.get_mut(at)) {
        *count = count.saturating_sub(1);
    }
}

/// What lies between two fates; none where nothing does.
fn verb(before: &Fate, after: &Fate) -> Option<Verb> {
    match (before, after) {
        _ if before == after => None,
        (Fate::Absent, Fate::Records(_) | Fate::Public) => Some(Verb::Appeared),
        (_, Fate::Absent) => Some(Verb::Vanished),
        (_, Fate::Blocked) => Some(Verb::TurnedBlocked),
        (_, Fate::Public) => Some(Verb::TurnedPublic),
        (Fate::Public | Fate::Blocked, Fate::Records(_)) => Some(Verb::TurnedPrivate),
        (Fate::Records(old), Fate::Records(new)) => {
            let data = |sets: &'_ [RecordSet]| -> Vec<(u16, Vec<Box<[u8]>>)> {
                sets.iter().map(|set| (set.rtype, set.rdata.clone())).collect()
            };
            Some(if data(old) == data(new) { Verb::Retimed } else { Verb::Moved })
        }
    }
}

fn endpoint_names(view: Option<&View>) -> Names<'_> {
    let mut names = Names::new();
    for endpoint in view.into_iter().flat_map(|view| &view.endpoints) {
        for record in &endpoint.records {
            let spelling = |name: &Name| -> Option<Name> {
                if record.wildcard { Some(name.as_ref().prefixed(b"\x01*")?.into()) } else { Some(name.clone()) }
            };
            let spellings: Vec<Name> = record.names.iter().filter_map(spelling).collect();
            let Some(first) = spellings.first() else { continue };
            let fate = match endpoint.state {
                State::Private => Fate::Records(sets([&record.a, &record.aaaa].into_iter().flatten())),
                State::Public => Fate::Public,
                State::Blocked => Fate::Blocked,
            };
            // Of two records of one name the first is served.
            names.entry(first.to_string()).or_insert(Held { endpoint, spellings, fate });
        }
    }
    names
}

fn sets<'t>(templates: impl Iterator<Item = &'t Template>) -> Vec<RecordSet> {
    let set = |template: &Template| {
        let mut rdata: Vec<Box<[u8]>> = template.rdata().map(Into::into).collect();
        rdata.sort();
        RecordSet { rtype: template.rtype(), ttl: template.ttl(), rdata }
    };
    let mut sets: Vec<RecordSet> = templates.map(set).collect();
    sets.sort_by_key(|set| set.rtype);
    sets
}

fn fate_of(node: Option<&Node>) -> Fate {
    match node {
        Some(node) if !node.is_empty() => Fate::Records(sets(node.rrsets().iter())),
        _ => Fate::Absent,
    }
}

/// What a view's zones say of a name that no endpoint has there.
fn by_zone(view: Option<&View>, spellings: &[Name]) -> Fate {
    let zones = view.into_iter().flat_map(|view| &view.zones);
    let deepest = zones
        .filter_map(|(zone, _)| spellings.iter().find_map(|name| relative(zone, name.as_ref())).map(|own| (zone, own)))
        .max_by_key(|(zone, _)| zone.apex().label_count());
    deepest.map_or(Fate::Absent, |(zone, relative)| match zone.find(relative, |_| false) {
        Match::Node(node) | Match::Wildcard(node) => fate_of(Some(node)),
        Match::Missing => Fate::Absent,
    })
}

/// A name relative to a zone, by either of the zone's spellings.
fn relative<'n>(zone: &Zone, name: NameRef<'n>) -> Option<&'n [u8]> {
    name.relative_to(zone.apex()).or_else(|| name.relative_to(zone.public()?))
}

/// How many names of a zone differ, and which.
type Compared = (Counts, Arc<Vec<NameChange>>);

/// Zones that were compared already: many views share one.
pub(super) struct ZonePairs {
    /// How many names are listed.
    most: usize,
    done: HashMap<(usize, usize), Compared>,
}

impl ZonePairs {
    pub(super) fn new(most: usize) -> Self {
        Self { most, done: HashMap::new() }
    }

    fn compare(&mut self, pair: [Option<&Arc<Zone>>; 2]) -> Compared {
        let address = |zone: Option<&Arc<Zone>>| zone.map_or(0, |zone| Arc::as_ptr(zone).addr());
        let most = self.most;
        self.done.entry((address(pair[0]), address(pair[1]))).or_insert_with(|| compare(pair, most)).clone()
    }
}

/// All names of one zone that differ.
fn compare([old, new]: [Option<&Arc<Zone>>; 2], most: usize) -> Compared {
    let (mut counts, mut names) = (Counts::default(), Vec::new());
    let mut differs = |zone: &Zone, relative: &[u8], was: Option<&Node>, is: Option<&Node>| {
        if was.map(Node::rrsets) == is.map(Node::rrsets) {
            return;
        }
        let (before, after) = (fate_of(was), fate_of(is));
        let Some(verb) = verb(&before, &after) else { return };
        add(&mut counts, verb);
        if let Some(name) = zone.apex().prefixed(relative).filter(|_| names.len() < most) {
            names.push(NameChange { name: name.into(), verb, before, after });
        }
    };
    for (relative, node) in old.iter().flat_map(|zone| zone.nodes()) {
        if let Some(zone) = old {
            differs(zone, relative, Some(node), new.and_then(|new| new.node(relative)));
        }
    }
    for (relative, node) in new.iter().flat_map(|zone| zone.nodes()) {
        let was = old.and_then(|old| old.node(relative));
        if let Some(zone) = new.filter(|_| was.is_none()) {
            differs(zone, relative, None, Some(node));
        }
    }
    names.sort_by_cached_key(|change| change.name.to_string());
    (counts, Arc::new(names))
}

/// The changes of the zones of two views, zones of one apex being one. A name that an endpoint of either view has is
/// the endpoint's.
fn zone_changes(view: &Arc<str>, pair: [Option<&View>; 2], held: &[Names<'_>; 2], done: &mut ZonePairs) -> Vec<Change> {
    let of = |view: Option<&View>| -> BTreeMap<String, Arc<Zone>> {
        let zones = view.into_iter().flat_map(|view| &view.zones);
        zones.map(|(zone, _)| (zone.apex().to_string(), Arc::clone(zone))).collect()
    };
    let [old, new] = pair.map(of);
    let apexes: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let mut found = Vec::new();
    for apex in apexes {
        let pair = [old.get(apex), new.get(apex)];
        let Some(zone) = pair[1].or(pair[0]) else { continue };
        let (mut counts, mut names) = done.compare(pair);
        if counts.iter().sum::<usize>() == 0 {
            continue;
        }
        let taken: BTreeSet<&[u8]> = held
            .iter()
            .flat_map(BTreeMap::values)
            .flat_map(|held| &held.spellings)
            .filter_map(|name| relative(zone, name.as_ref()))
            .collect();
        for relative in &taken {
            let [was, is] = pair.map(|zone| fate_of(zone.and_then(|zone| zone.node(relative))));
            if let Some(verb) = verb(&was, &is) {
                take_away(&mut counts, verb);
                let name = zone.apex().prefixed(relative).unwrap_or(WireName::ROOT);
                Arc::make_mut(&mut names).retain(|own| own.name.as_ref() != name.as_ref());
            }
        }
        if counts.iter().sum::<usize>() > 0 {
            let resource = Resource::Zone { name: Arc::clone(&zone.name), apex: zone.apex().to_owned() };
            found.push(Change { view: Arc::clone(view), resource, counts, names, discovery_stops: false });
        }
    }
    found
}
