//! What a loader hands over to have a [`super::Snapshot`] built: plain data, all references resolved, all inheritance
//! worked out. Nothing here is checked again but what the building itself needs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::overrides::Override;
use crate::config::{ClientDetail, QueryLevel};
use crate::upstream::Group;
use crate::wire::Name;
use crate::zone::avd::{Clouds, Kind};
use crate::zone::{Endpoint, Missing, Origin, Zone};

/// Everything that answers depend on.
#[derive(Debug, Clone, Default)]
pub struct SnapshotPlan {
    /// Counts up with every snapshot of a process.
    pub generation: u64,
    /// The clouds whose names are AVD's.
    pub clouds: Clouds,
    /// GUIDs that are not foreign though no endpoint is here (`[[known]]`).
    pub known: Vec<u128>,
    /// The upstream groups.
    pub groups: Vec<Group>,
    /// The views that have clients; abstract ones are gone.
    pub views: Vec<Arc<ViewPlan>>,
}

/// A listener that a view is bound to (R7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ListenerMatch {
    /// Any port of this address.
    Address(std::net::IpAddr),
    /// Just this address and port.
    Socket(SocketAddr),
}

/// What becomes of AVD names of unknown resources (R18).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unlisted {
    /// Forwarded, counted.
    Forward,
    /// NXDOMAIN.
    NxDomain,
}

/// What the leak guard covers (R25).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GuardMode {
    /// The view's own names and what belongs to them.
    Own,
    /// Also every name under the private-link suffixes whose kind is in the view's `private`.
    All,
    /// As `own`, but only counted.
    Watch,
    /// Nothing.
    Off,
}

/// A name of `must-be-private`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pattern {
    /// The name; for a wildcard the parent of its `*`.
    pub name: Name,
    /// Whether all names below it are meant, and not it.
    pub wildcard: bool,
}

/// A conditional route.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Forward {
    /// Names at and below it take the route.
    pub suffix: Name,
    /// Index into [`SnapshotPlan::groups`].
    pub group: usize,
    /// Where it was written.
    pub origin: Origin,
}

/// One view.
#[derive(Debug, Clone)]
pub struct ViewPlan {
    /// Its name.
    pub name: Arc<str>,
    /// Where it was written.
    pub origin: Origin,
    /// Its clients; masked prefixes. Empty beside `listeners` means all.
    pub networks: Vec<IpNet>,
    /// Empty: any listener.
    pub listeners: Vec<ListenerMatch>,
    /// The default route, an index into [`SnapshotPlan::groups`].
    pub upstream: usize,
    /// Conditional routes.
    pub forwards: Vec<Forward>,
    /// Where reverse names of private addresses without a record go (R17); none: NXDOMAIN.
    pub reverse: Option<usize>,
    /// Its endpoints, inherited ones included; of records that hide each other only those that win.
    pub endpoints: Vec<Arc<Endpoint>>,
    /// Its zones, with the fate of missing names in this view.
    pub zones: Vec<(Arc<Zone>, Missing)>,
    /// The kinds that are meant to answer privately.
    pub private: Vec<Kind>,
    /// What becomes of foreign names.
    pub unlisted: Unlisted,
    /// What the guard covers.
    pub guard: GuardMode,
    /// Further guarded names.
    pub must_be_private: Vec<Pattern>,
    /// Ranges whose addresses the guard lets pass for names without a record here.
    pub private_ranges: Vec<IpNet>,
    /// How long a client waits at most; none: as the route's group says (R27).
    pub reply_within: Option<Duration>,
    /// Names kept in the cache.
    pub keep_warm: Vec<Name>,
    /// Overrides that hold here; the endpoints are as they say already.
    pub overrides: Vec<Override>,
    /// Which of its queries are logged; none: as all.
    pub log_queries: Option<QueryLevel>,
    /// How much of its clients' addresses is logged; none: as of all.
    pub log_clients: Option<ClientDetail>,
}
