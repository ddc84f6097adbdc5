//! What a new snapshot changes for whom, and what an operator has to do about it (DESIGN.md section 4). The reload logs
//! it, `diff` prints it.
//!
//! It is told by clients: all that had one view and now have one are compared once, so a view that is renamed changes
//! no name, and a network that moves to another view changes what that view answers otherwise. Names are those of the
//! data, endpoints and zones; what an upstream says of a forwarded name is not known here.

mod clients;
mod names;
mod settings;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use ipnet::IpNet;

use super::snapshot::{Snapshot, View};
use crate::wire::{Name, Ttl};
use crate::zone::avd::Kind;
pub use settings::Setting;

/// What happened to a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// It has other records than before.
    Moved,
    /// It was not owned before.
    Appeared,
    /// It is not owned any more.
    Vanished,
    /// Its endpoint is public now: it is forwarded.
    TurnedPublic,
    /// Its endpoint was public or blocked and is private now.
    TurnedPrivate,
    /// Its endpoint is blocked now: NXDOMAIN.
    TurnedBlocked,
    /// It has the same records with another TTL.
    Retimed,
}

impl Verb {
    /// All verbs, in the order in which they are told.
    pub const ALL: [Self; 7] = [
        Self::Moved,
        Self::Appeared,
        Self::Vanished,
        Self::TurnedPublic,
        Self::TurnedPrivate,
        Self::TurnedBlocked,
        Self::Retimed,
    ];

    /// As part of a sentence: `4 names moved`.
    pub fn words(self) -> &'static str {
        match self {
            Self::Moved => "moved",
            Self::Appeared => "appeared",
            Self::Vanished => "vanished",
            Self::TurnedPublic => "turned public",
            Self::TurnedPrivate => "turned private",
            Self::TurnedBlocked => "were blocked",
            Self::Retimed => "with another TTL",
        }
    }

    /// One word, for JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Moved => "moved",
            Self::Appeared => "appeared",
            Self::Vanished => "vanished",
            Self::TurnedPublic => "public",
            Self::TurnedPrivate => "private",
            Self::TurnedBlocked => "blocked",
            Self::Retimed => "ttl",
        }
    }
}

/// Records of one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordSet {
    /// The type.
    pub rtype: u16,
    /// Their TTL.
    pub ttl: Ttl,
    /// Their RDATA, in order, names whole.
    pub rdata: Vec<Box<[u8]>>,
}

/// What a view's data say of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Nothing: it takes its route, or is missing.
    Absent,
    /// It has these records, by type.
    Records(Vec<RecordSet>),
    /// Its endpoint is public: forwarded and not guarded.
    Public,
    /// Its endpoint is blocked.
    Blocked,
}

/// A name that changes.
#[derive(Debug, Clone)]
pub struct NameChange {
    /// The name, by its first spelling; a wildcard with its `*`.
    pub name: Name,
    /// What happened.
    pub verb: Verb,
    /// What it was.
    pub before: Fate,
    /// What it is.
    pub after: Fate,
}

/// Whose names changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// An endpoint's.
    Endpoint {
        /// Its name in the configuration.
        name: Arc<str>,
        /// What it is for.
        kind: Kind,
    },
    /// A zone's.
    Zone {
        /// Its name in the configuration.
        name: Arc<str>,
        /// Its apex.
        apex: Name,
    },
}

impl Resource {
    /// Its name in the configuration.
    pub fn name(&self) -> &Arc<str> {
        match self {
            Self::Endpoint { name, .. } | Self::Zone { name, .. } => name,
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Endpoint { kind: Kind::Global, .. } => "global endpoint",
            Self::Endpoint { kind: Kind::Workspace, .. } => "workspace",
            Self::Endpoint { kind: Kind::HostPool, .. } => "host pool",
            Self::Endpoint { kind: Kind::Other, .. } => "endpoint",
            Self::Zone { .. } => "zone",
        };
        write!(f, "{kind} {}", self.name())
    }
}

/// How the names of one resource changed for the clients of one view.
#[derive(Debug, Clone)]
pub struct Change {
    /// The view that they have now, or had where they have none any more.
    pub view: Arc<str>,
    /// The endpoint or zone.
    pub resource: Resource,
    /// How many names, in the order of [`Verb::ALL`].
    counts: Counts,
    /// The names, as many as were asked for, in order of name.
    pub names: Arc<Vec<NameChange>>,
    /// Whether the clients have no global endpoint any more and had one.
    pub discovery_stops: bool,
}

/// How many names, in the order of [`Verb::ALL`].
type Counts = [usize; Verb::ALL.len()];

impl Change {
    /// How many names did so.
    pub fn count(&self, verb: Verb) -> usize {
        Verb::ALL.iter().zip(&self.counts).filter(|(own, _)| **own == verb).map(|(_, count)| *count).sum()
    }

    /// How many names changed at all.
    pub fn total(&self) -> usize {
        self.counts.iter().sum()
    }

    /// Whether names have other records or another fate than before, and not only another TTL.
    pub fn is_felt(&self) -> bool {
        self.total() > self.count(Verb::Retimed)
    }

    /// What to do, so that clients and session hosts take the change up.
    pub fn advice(&self) -> &'static str {
        match self.resource {
            _ if self.discovery_stops => "initial feed discovery leaves this view's private endpoint",
            _ if !self.is_felt() => "nothing to do",
            Resource::Endpoint { kind: Kind::HostPool, .. } => {
                "restart RDAgentBootLoader on its session hosts; `ipconfig /flushdns`; \
                 `Clear-DnsServerCache` on domain controllers"
            }
            _ => "`ipconfig /flushdns` on clients; `Clear-DnsServerCache` on domain controllers",
        }
    }

    /// `4 names moved, 1 name appeared`.
    pub fn counted(&self) -> String {
        let told = Verb::ALL.iter().zip(&self.counts).filter(|(_, count)| **count > 0);
        let told = told.map(|(verb, count)| {
            let verb = if *verb == Verb::TurnedBlocked && *count == 1 { "was blocked" } else { verb.words() };
            format!("{count} {} {verb}", if *count == 1 { "name" } else { "names" })
        });
        told.collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in view {}: {}; {}", self.resource, self.view, self.counted(), self.advice())
    }
}

/// What changes for all clients that had one view and have one now.
#[derive(Debug, Clone)]
pub struct ViewChange {
    /// The view that they had; none: they were refused.
    pub old: Option<Arc<str>>,
    /// The view that they have; none: they are refused.
    pub new: Option<Arc<str>>,
    /// Who they are; empty where a view takes every client of its listener.
    pub networks: Vec<IpNet>,
    /// Settings that differ.
    pub settings: Vec<Setting>,
    /// Endpoints and zones whose names differ.
    pub resources: Vec<Change>,
}

/// Everything that one snapshot changes against another.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Settings of no view.
    pub everywhere: Vec<Setting>,
    /// By view, in the order of the new file; what is gone comes last.
    pub views: Vec<ViewChange>,
}

impl Changes {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.everywhere.is_empty() && self.views.is_empty()
    }

    /// What changed of endpoints and zones, view by view.
    pub fn resources(&self) -> impl Iterator<Item = &Change> {
        self.views.iter().flat_map(|view| &view.resources)
    }
}

/// All changes from one snapshot to the next. Of each resource the first `most` names are listed; counts are whole.
pub fn changes(old: &Snapshot, new: &Snapshot, most: usize) -> Changes {
    let mut zones = names::ZonePairs::new(most);
    let mut views = Vec::new();
    for clients::Class { old: before, new: after, networks } in clients::classes(old, new) {
        let (before, after) = (before.and_then(|view| old.views.get(view)), after.and_then(|view| new.views.get(view)));
        let own = |view: Option<&View>| view.map(|view| Arc::clone(&view.name));
        let change = ViewChange {
            old: own(before),
            new: own(after),
            networks,
            settings: settings::of_views((old, before), (new, after)),
            resources: names::changes(before, after, &mut zones),
        };
        if !(change.settings.is_empty() && change.resources.is_empty()) {
            views.push(change);
        }
    }
    Changes { everywhere: settings::everywhere(old, new), views }
}
