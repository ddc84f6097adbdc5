//! What a new snapshot changes for the names of endpoints, and what an operator has to do about it (DESIGN.md section 4).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use super::snapshot::{Snapshot, View};
use crate::zone::avd::Kind;
use crate::zone::{Endpoint, State};

/// How the names of one endpoint changed in one view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The view.
    pub view: Arc<str>,
    /// The endpoint.
    pub endpoint: Arc<str>,
    /// What it is for.
    pub kind: Kind,
    /// Names with other addresses than before.
    pub moved: usize,
    /// Names that were not answered here before.
    pub appeared: usize,
    /// Names that are no more.
    pub vanished: usize,
    /// Whether the view has no global endpoint any more and had one.
    pub discovery_stops: bool,
}

impl Change {
    /// What to do, so that clients and session hosts take the change up.
    pub fn advice(&self) -> &'static str {
        match self.kind {
            _ if self.discovery_stops => "initial feed discovery leaves this view's private endpoint",
            Kind::HostPool => {
                "restart RDAgentBootLoader on its session hosts; `ipconfig /flushdns`; \
                 `Clear-DnsServerCache` on domain controllers"
            }
            _ => "`ipconfig /flushdns` on clients; `Clear-DnsServerCache` on domain controllers",
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Global => "global endpoint",
            Kind::Workspace => "workspace",
            Kind::HostPool => "host pool",
            Kind::Other => "endpoint",
        };
        write!(f, "{kind} {} in view {}:", self.endpoint, self.view)?;
        let counts = [(self.moved, "moved"), (self.appeared, "appeared"), (self.vanished, "vanished")];
        let mut separator = "";
        for (count, verb) in counts.into_iter().filter(|(count, _)| *count > 0) {
            let names = if count == 1 { "name" } else { "names" };
            write!(f, "{separator} {count} {names} {verb}")?;
            separator = ",";
        }
        write!(f, "; {}", self.advice())
    }
}

/// The private names of an endpoint with their addresses; wildcards as their parents.
type Names = BTreeMap<(String, bool), BTreeSet<IpAddr>>;

/// All changes from one snapshot to the next, by view and endpoint.
pub fn changes(old: &Snapshot, new: &Snapshot) -> Vec<Change> {
    let names: BTreeSet<&Arc<str>> = old.views.iter().chain(&new.views).map(|view| &view.name).collect();
    let of = |snapshot: &'_ Snapshot, name: &Arc<str>| snapshot.views.iter().position(|view| view.name == *name);
    let both = names.into_iter().map(|name| {
        let old = of(old, name).and_then(|index| old.views.get(index));
        (name, old, of(new, name).and_then(|index| new.views.get(index)))
    });
    both.flat_map(|(name, old, new)| in_view(name, old, new)).collect()
}

fn in_view(name: &Arc<str>, old: Option<&View>, new: Option<&View>) -> Vec<Change> {
    let (before, after) = (endpoints(old), endpoints(new));
    let has_global = |endpoints: &BTreeMap<Arc<str>, (Kind, Names)>| {
        endpoints.values().any(|(kind, names)| *kind == Kind::Global && !names.is_empty())
    };
    let discovery_stops = has_global(&before) && !has_global(&after);
    let all: BTreeSet<&Arc<str>> = before.keys().chain(after.keys()).collect();
    let none = Names::new();
    let change = |endpoint: &Arc<str>| {
        let kind = after.get(endpoint).or_else(|| before.get(endpoint)).map(|(kind, _)| *kind)?;
        let old = before.get(endpoint).map_or(&none, |(_, names)| names);
        let new = after.get(endpoint).map_or(&none, |(_, names)| names);
        let moved = old.iter().filter(|(name, held)| new.get(*name).is_some_and(|other| other != *held)).count();
        let appeared = new.keys().filter(|name| !old.contains_key(*name)).count();
        let vanished = old.keys().filter(|name| !new.contains_key(*name)).count();
        (moved + appeared + vanished > 0).then(|| Change {
            view: Arc::clone(name),
            endpoint: Arc::clone(endpoint),
            kind,
            moved,
            appeared,
            vanished,
            discovery_stops: discovery_stops && kind == Kind::Global,
        })
    };
    all.into_iter().filter_map(change).collect()
}

fn endpoints(view: Option<&View>) -> BTreeMap<Arc<str>, (Kind, Names)> {
    let endpoints = view.into_iter().flat_map(|view| &view.endpoints);
    endpoints.map(|endpoint| (Arc::clone(&endpoint.name), (endpoint.kind, private_names(endpoint)))).collect()
}

fn private_names(endpoint: &Endpoint) -> Names {
    let mut names = Names::new();
    for record in endpoint.records.iter().filter(|_| endpoint.state == State::Private) {
        // Both spellings change together: the first one stands for the pair.
        if let Some(name) = record.names.first() {
            names.entry((name.to_string(), record.wildcard)).or_default().extend(record.addresses());
        }
    }
    names
}
