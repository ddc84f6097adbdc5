//! `--check`: a configuration against what Azure has now. What operators wrote beside it (routes, guards, zones that the
//! files do not have, endpoints of other services) is theirs and no difference.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use ipnet::IpNet;

use crate::import::{Data, Endpoint, Tables, View, Zone, ZoneContent};
use crate::view::{Selector, SnapshotPlan, ViewPlan};
use crate::wire::{Name, WireName, rtype};
use crate::zone::avd::Kind;
use crate::zone::{self, address_of};

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Which one, a word for machines.
    pub what: &'static str,
    /// The endpoint, zone or view.
    pub of: String,
    /// The name or prefix, where there is one.
    pub name: Option<String>,
    /// What Azure has.
    pub azure: Option<String>,
    /// What the configuration has.
    pub configuration: Option<String>,
    /// Where the configuration says it.
    pub at: Option<String>,
}

impl Difference {
    fn new(what: &'static str, of: &str) -> Self {
        Self { what, of: of.to_owned(), name: None, azure: None, configuration: None, at: None }
    }

    fn name(self, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    fn azure(self, azure: impl Into<String>) -> Self {
        Self { azure: Some(azure.into()), ..self }
    }

    fn configuration(self, configuration: impl Into<String>) -> Self {
        Self { configuration: Some(configuration.into()), ..self }
    }

    fn at(self, at: &zone::Origin) -> Self {
        Self { at: Some(at.to_string()), ..self }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.what, self.of)?;
        if let Some(name) = &self.name {
            write!(f, ": {name}")?;
        }
        match (&self.azure, &self.configuration) {
            (Some(azure), Some(own)) => write!(f, ": {azure} in Azure, {own} here")?,
            (Some(azure), None) => write!(f, ": {azure} in Azure, nothing here")?,
            (None, Some(own)) => write!(f, ": nothing in Azure, {own} here")?,
            (None, None) => {}
        }
        if let Some(at) = &self.at {
            write!(f, " ({at})")?;
        }
        Ok(())
    }
}

/// Everything in which a configuration is not as the tables say.
pub fn differences(tables: &Tables, actual: &SnapshotPlan, listen: &[SocketAddr]) -> Vec<Difference> {
    let here = Here::new(actual);
    let mut found = Vec::new();
    let matched = endpoints(tables, &here, &mut found);
    let selector = Selector::new(&actual.views);
    let choose = |client: IpAddr| {
        let selected = listen.iter().find_map(|local| selector.select(client, *local));
        selected.and_then(|selected| actual.views.get(selected.view)).map(|view| &**view)
    };
    for view in &tables.views {
        clients(view, &choose, &matched, &here, &mut found);
    }
    for own in tables.zones() {
        zone(own, actual, &mut found);
    }
    found
}

/// The endpoints of a configuration.
struct Here<'a> {
    endpoints: Vec<&'a Arc<zone::Endpoint>>,
    /// Endpoints by public name; `*.` in front of wildcards.
    by_name: HashMap<String, Vec<usize>>,
    /// Their names and addresses.
    names: Vec<BTreeMap<String, BTreeSet<IpAddr>>>,
}

impl<'a> Here<'a> {
    fn new(actual: &'a SnapshotPlan) -> Self {
        let mut seen = HashSet::new();
        let all = actual.views.iter().flat_map(|view| &view.endpoints);
        let endpoints: Vec<_> = all.filter(|own| seen.insert(Arc::as_ptr(own))).collect();
        let names: Vec<_> = endpoints.iter().map(|own| names_of(own)).collect();
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, own) in names.iter().enumerate() {
            for name in own.keys() {
                by_name.entry_ref(name).or_default().push(index);
            }
        }
        Self { endpoints, by_name, names }
    }

    /// The endpoint that is meant: the one that has most of these names with their addresses. Without any, the one that is
    /// called alike, else the one that has most of the names and that nobody else's addresses claim.
    fn nearest(&self, own: &Endpoint, claimed: Option<&HashSet<usize>>) -> Option<usize> {
        let mut scores: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
        for record in &own.records {
            let addresses: BTreeSet<IpAddr> = record.addresses.iter().copied().collect();
            for index in self.by_name.get(&record.name).into_iter().flatten() {
                let score = scores.entry(*index).or_default();
                let held = self.names.get(*index).and_then(|names| names.get(&record.name));
                score.0 += usize::from(held == Some(&addresses));
                score.1 += 1;
            }
        }
        let alike = |index: &usize| self.endpoints.get(*index).is_some_and(|other| *other.name == *own.name);
        let fits = |(index, score): &(usize, (usize, usize))| match claimed {
            None => score.0 > 0,
            Some(claimed) => alike(index) || !claimed.contains(index),
        };
        let fitting = scores.into_iter().filter(fits);
        fitting.max_by_key(|(index, score)| (score.0, alike(index), score.1)).map(|(index, _)| index)
    }
}

/// The names of an endpoint, in the public spelling, and their addresses.
fn names_of(own: &zone::Endpoint) -> BTreeMap<String, BTreeSet<IpAddr>> {
    let mut names: BTreeMap<String, BTreeSet<IpAddr>> = BTreeMap::new();
    for record in &own.records {
        let star = if record.wildcard { "*." } else { "" };
        let Some(name) = record.names.first() else { continue };
        names.entry(format!("{star}{name}")).or_default().extend(record.addresses());
    }
    names
}

/// Compares endpoints; returns the index of the one here for each name of a table that has one.
fn endpoints<'t>(tables: &'t Tables, here: &Here<'_>, found: &mut Vec<Difference>) -> HashMap<&'t str, usize> {
    let mut matched: HashMap<&str, usize> = HashMap::new();
    let mut named: HashMap<usize, HashSet<&str>> = HashMap::new();
    let claims = |own: &'t Endpoint| Some((&*own.name, here.nearest(own, None)?));
    let by_address: HashMap<&str, usize> = tables.endpoints().filter_map(claims).collect();
    let claimed: HashSet<usize> = by_address.values().copied().collect();
    for own in tables.endpoints() {
        let index = by_address.get(&*own.name).copied();
        let Some(index) = index.or_else(|| here.nearest(own, Some(&claimed))) else {
            let names = format!("{} with {} names", own.kind, own.records.len());
            found.push(Difference::new("endpoint", &own.name).azure(names));
            continue;
        };
        matched.insert(&own.name, index);
        let (Some(other), Some(names)) = (here.endpoints.get(index), here.names.get(index)) else { continue };
        if other.kind != own.kind {
            let difference = Difference::new("kind of endpoint", &own.name).azure(own.kind.word());
            found.push(difference.configuration(other.kind.word()).at(&other.origin));
        }
        for record in &own.records {
            named.entry(index).or_default().insert(&record.name);
            let wanted: BTreeSet<IpAddr> = record.addresses.iter().copied().collect();
            let held = names.get(&record.name);
            if held == Some(&wanted) {
                continue;
            }
            let difference = Difference::new("name of endpoint", &own.name).name(&*record.name).azure(list(&wanted));
            found.push(match held {
                Some(held) => difference.configuration(list(held)).at(&other.origin),
                None => difference,
            });
        }
    }
    for (index, (own, names)) in here.endpoints.iter().zip(&here.names).enumerate() {
        match named.get(&index) {
            Some(wanted) => {
                for (name, addresses) in names.iter().filter(|(name, _)| !wanted.contains(&***name)) {
                    let difference = Difference::new("name of endpoint", &own.name).name(&**name);
                    found.push(difference.configuration(list(addresses)).at(&own.origin));
                }
            }
            None if own.kind != Kind::Other => {
                let difference = Difference::new("endpoint", &own.name);
                let what = format!("{} with {} names", own.kind, names.len());
                found.push(difference.configuration(what).at(&own.origin));
            }
            None => {}
        }
    }
    matched
}

/// Compares what the clients of a virtual network's prefixes get: their view has just the endpoints of the table's view.
fn clients<'a>(
    view: &View,
    choose: &dyn Fn(IpAddr) -> Option<&'a ViewPlan>,
    matched: &HashMap<&str, usize>,
    here: &Here<'_>,
    found: &mut Vec<Difference>,
) {
    let known: HashSet<usize> = matched.values().copied().collect();
    let wanted: HashSet<usize> = view.endpoints.iter().filter_map(|name| matched.get(&**name).copied()).collect();
    let mut told = HashSet::new();
    for net in &view.networks {
        for client in ends(net) {
            let Some(other) = choose(client) else {
                if told.insert((net, None)) {
                    let difference = Difference::new("clients of", &view.name).name(net.to_string());
                    found.push(difference.azure("a virtual network".to_owned()).configuration("in no view".to_owned()));
                }
                continue;
            };
            if !told.insert((net, Some(&*other.name))) {
                continue;
            }
            let held: HashSet<_> = other.endpoints.iter().map(Arc::as_ptr).collect();
            let has = |index: &usize| here.endpoints.get(*index).is_some_and(|own| held.contains(&Arc::as_ptr(own)));
            let told = |what: String| Difference::new("clients of", &view.name).name(net.to_string()).azure(what);
            // what is not here at all has been told
            for name in &view.endpoints {
                if matched.get(&**name).is_some_and(|index| !has(index)) {
                    let own = format!("view {} has it not", other.name);
                    found.push(told(format!("endpoint {name}")).configuration(own).at(&other.origin));
                }
            }
            let more = known.iter().filter(|index| !wanted.contains(*index) && has(index));
            let mut more: Vec<&str> = more.filter_map(|index| Some(&*here.endpoints.get(*index)?.name)).collect();
            more.sort_unstable();
            for name in more {
                let own = format!("view {} has it", other.name);
                found.push(told(format!("endpoint {name} elsewhere")).configuration(own).at(&other.origin));
            }
        }
    }
}

/// The first and the last address of a prefix: a nested view that takes a part away shows at one of them, mostly.
fn ends(net: &IpNet) -> [IpAddr; 2] {
    [net.network(), net.broadcast()]
}

/// What a zone has for an owner.
type Held = (BTreeSet<IpAddr>, Option<String>);

/// Compares a zone's addresses and aliases with the zone of the same apex here.
fn zone(own: &Zone, actual: &SnapshotPlan, found: &mut Vec<Difference>) {
    let ZoneContent::Records(records) = &own.content else { return };
    let Ok(apex) = Name::from_presentation(&own.apex) else { return };
    let all = actual.views.iter().flat_map(|view| &view.zones).map(|(zone, _)| zone);
    let mut seen = HashSet::new();
    let here: Vec<_> = all.filter(|zone| zone.apex() == apex.as_ref() && seen.insert(Arc::as_ptr(zone))).collect();
    let mut wanted: BTreeMap<String, Held> = BTreeMap::new();
    for (owner, data, _) in records {
        let whole = if owner == "@" { own.apex.clone() } else { format!("{owner}.{}", own.apex) };
        let name = WireName::from_presentation(&whole).map_or(whole, |name| name.to_string());
        let held = wanted.entry(name).or_default();
        match data {
            Data::Addresses(addresses) => held.0.extend(addresses),
            Data::Alias(target) => held.1 = Some(target.to_ascii_lowercase()),
        }
    }
    // of several zones of one apex the one that is nearest
    let distance = |zone: &&Arc<zone::Zone>| {
        let held = held_by(zone);
        wanted.iter().filter(|(name, data)| held.get(*name) != Some(data)).count()
    };
    let Some(zone) = here.into_iter().min_by_key(distance) else {
        let names = format!("{} names", wanted.len());
        found.push(Difference::new("zone", &own.apex).azure(names));
        return;
    };
    let held = held_by(zone);
    let names: BTreeSet<&String> = wanted.keys().chain(held.keys()).collect();
    for name in names {
        let (azure, here) = (wanted.get(name), held.get(name));
        if azure != here {
            let mut difference = Difference::new("record of zone", &own.apex).name(name).at(&zone.origin);
            difference.azure = azure.map(shown);
            difference.configuration = here.map(shown);
            found.push(difference);
        }
    }
}

/// The addresses and aliases of a zone.
fn held_by(zone: &zone::Zone) -> BTreeMap<String, Held> {
    let mut all: BTreeMap<String, Held> = BTreeMap::new();
    for (relative, node) in zone.nodes() {
        let Some(name) = zone.apex().prefixed(relative) else { continue };
        let addresses = [rtype::A, rtype::AAAA].into_iter().filter_map(|kind| node.rrset(kind));
        let addresses: BTreeSet<IpAddr> = addresses.flat_map(|set| set.rdata()).filter_map(address_of).collect();
        let alias = node.rrset(rtype::CNAME).and_then(|set| {
            let target = set.rdata().next()?;
            WireName::read_plain(target, 0).ok().map(|(name, _)| name.to_string())
        });
        if !addresses.is_empty() || alias.is_some() {
            all.insert(name.to_string(), (addresses, alias));
        }
    }
    all
}

/// What an owner has, for people.
fn shown(held: &Held) -> String {
    match &held.1 {
        Some(target) => format!("alias {target}"),
        None => list(&held.0),
    }
}

/// Addresses for people.
fn list(addresses: &BTreeSet<IpAddr>) -> String {
    addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(" ")
}
