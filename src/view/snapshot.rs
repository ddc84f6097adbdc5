//! `Snapshot`: everything that answers depend on, immutable, swapped whole; and the [`View`]s in it.

use std::net::{IpAddr, SocketAddr};
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::{HashMap, HashSet};
use ipnet::IpNet;

use super::index::Union;
use super::plan::{ListenerMatch, ViewPlan};
use super::select::{Selected, Selector};
use crate::upstream::Group;
use crate::wire::{Name, NameRef, RouteId, Template, WireName};
use crate::zone::avd::Clouds;
use crate::zone::{ByAddress, Endpoint, Origin};

type NameMap<V> = HashMap<Name, V, foldhash::fast::RandomState>;

/// A view's names. Most suffixes that are looked for are not there, and most of those are told by their size alone.
#[derive(Debug, Default)]
pub(super) struct Names {
    entries: NameMap<Entry>,
    /// A bit for each size in octets, modulo 64, that a name has.
    sizes: u64,
}

impl Names {
    /// What is known of a name in wire form.
    #[inline]
    pub(super) fn get(&self, name: &[u8]) -> Option<&Entry> {
        if self.sizes & size_bit(name) == 0 { None } else { self.entries.get(name) }
    }

    /// Whether it is known that an owned name lies below a name, an endpoint's where that is asked.
    pub(super) fn is_marked(&self, name: NameRef<'_>, by_endpoint: bool) -> bool {
        self.get(name.octets()).is_some_and(|entry| entry.above && (entry.above_endpoint || !by_endpoint))
    }

    /// The place of a name, made where there is none.
    pub(super) fn place(&mut self, name: Name) -> &mut Entry {
        self.sizes |= size_bit(name.as_ref().octets());
        self.entries.entry(name).or_default()
    }
}

fn size_bit(name: &[u8]) -> u64 {
    1 << (name.len() % 64)
}

/// Where a forwarded name is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Index into [`Snapshot::groups`].
    pub group: usize,
    /// What its answers are kept under.
    pub id: RouteId,
}

/// An endpoint's record as a name finds it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hit {
    pub(super) endpoint: usize,
    pub(super) record: usize,
    /// The zone of the view that the name is a node of (R13).
    pub(super) zone: Option<usize>,
}

/// What a view has at a suffix.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Suffix {
    pub(super) zone: Option<usize>,
    /// The zone whose names are owned under this public suffix too.
    pub(super) public: Option<usize>,
    pub(super) wildcard: Option<Hit>,
    /// Index into the view's forwards.
    pub(super) route: Option<usize>,
}

impl Suffix {
    /// Whether a zone of the view may own names here.
    #[inline]
    pub(super) fn has_zone(&self) -> bool {
        self.zone.is_some() || self.public.is_some()
    }
}

/// All that a view has at one name; one look-up a name.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Entry {
    pub(super) exact: Option<Hit>,
    pub(super) suffix: Suffix,
    /// Whether an endpoint's name lies below.
    pub(super) above_endpoint: bool,
    /// Whether an owned name lies below (R19).
    pub(super) above: bool,
}

/// A conditional route of a view.
#[derive(Debug, Clone)]
pub(super) struct ForwardRoute {
    pub(super) suffix: Name,
    pub(super) route: Route,
    pub(super) origin: Origin,
}

/// What a view has, laid out for look-ups. It follows from the endpoints, the zones and the conditional routes alone, so
/// views that have the same share one.
#[derive(Debug)]
pub(super) struct Holdings {
    pub(super) forwards: Vec<ForwardRoute>,
    pub(super) names: Names,
    /// PTR records made from the endpoints' addresses (R17); zones have their own.
    pub(super) pointers: ByAddress<Template>,
    /// For each endpoint the index of its resource.
    pub(super) resource_of: Vec<usize>,
    /// The addresses held for each resource.
    pub(super) addresses: Vec<Vec<IpAddr>>,
    pub(super) guids: HashMap<u128, usize, foldhash::fast::RandomState>,
    pub(super) has_global: bool,
}

/// The clients of one or more virtual networks and what they see.
#[derive(Debug)]
pub struct View {
    /// What it was built of: its settings and data are read there, and a reload keeps the same.
    pub plan: Arc<ViewPlan>,
    /// The default route.
    pub default_route: Route,
    pub(super) reverse_route: Option<Route>,
    pub(super) held: Arc<Holdings>,
}

impl Deref for View {
    type Target = ViewPlan;

    #[inline]
    fn deref(&self) -> &ViewPlan {
        &self.plan
    }
}

/// Everything that answers depend on.
#[derive(Debug)]
pub struct Snapshot {
    /// Counts up with every snapshot of a process.
    pub generation: u64,
    /// The views.
    pub views: Vec<View>,
    /// The upstream groups; a [`Route`] names one by index.
    pub groups: Vec<Arc<Group>>,
    /// The clouds whose names are AVD's.
    pub clouds: Clouds,
    pub(super) known: HashSet<u128, foldhash::fast::RandomState>,
    pub(super) selector: Selector,
    pub(super) union: Union,
    /// The zones of RFC 6303 that are answered here.
    pub(super) local_reverse: HashSet<WireName, foldhash::fast::RandomState>,
}

impl Snapshot {
    /// The view of a client that sent to `local`; both canonical.
    pub fn select(&self, client: IpAddr, local: SocketAddr) -> Option<(&View, Selected)> {
        let selected = self.selector.select(client, local)?;
        self.views.get(selected.view).map(|view| (view, selected))
    }

    /// A client that has a view, and the address that it sends to; none where other views take all of its clients.
    /// `listen` is the address that clients of a family send to where views do not say.
    pub fn client_of(&self, view: usize, listen: impl Fn(IpAddr) -> SocketAddr) -> Option<(IpAddr, SocketAddr)> {
        let listeners = &self.views.get(view)?.listeners;
        let has = |client: IpAddr, local| self.selector.select(client, local).is_some_and(|own| own.view == view);
        self.selector.starts().find_map(|start| {
            // Where it can be, a host rather than the network itself.
            [next(start), Some(start)].into_iter().flatten().find_map(|client| {
                let own = listeners.iter().map(|listener| match listener {
                    ListenerMatch::Address(address) => SocketAddr::new(*address, listen(*address).port()),
                    ListenerMatch::Socket(socket) => *socket,
                });
                let mut locals = own.chain(listeners.is_empty().then(|| listen(client)));
                locals.find(|local| has(client, *local)).map(|local| (client, local))
            })
        })
    }

    /// The index that tells whether any view could shape an answer.
    pub fn union(&self) -> &Union {
        &self.union
    }

    /// The group of a route.
    pub fn group(&self, route: Route) -> Option<&Arc<Group>> {
        self.groups.get(route.group)
    }

    /// Whether a GUID is listed as known (`[[known]]`).
    pub fn is_known(&self, guid: u128) -> bool {
        self.known.contains(&guid)
    }
}

/// The address behind one.
fn next(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => address.to_bits().checked_add(1).map(|bits| IpAddr::from(bits.to_be_bytes())),
        IpAddr::V6(address) => address.to_bits().checked_add(1).map(|bits| IpAddr::from(bits.to_be_bytes())),
    }
}

impl View {
    /// Whether an address is in the view's private ranges.
    pub fn is_private_address(&self, address: IpAddr) -> bool {
        self.private_ranges.iter().any(|range| range.contains(&address))
    }

    /// The endpoint of the resource with a GUID, if one is here.
    pub fn endpoint_of(&self, guid: u128) -> Option<&Arc<Endpoint>> {
        let resource = self.held.guids.get(&guid)?;
        let own = self.endpoints.iter().zip(&self.held.resource_of).find(|(_, of)| *of == resource);
        own.map(|(endpoint, _)| endpoint)
    }

    /// The suffixes of its conditional routes.
    pub fn forward_suffixes(&self) -> impl Iterator<Item = (NameRef<'_>, Route)> {
        self.held.forwards.iter().map(|forward| (forward.suffix.as_ref(), forward.route))
    }

    /// Where reverse names of private addresses without a record go (R17).
    pub fn reverse_route(&self) -> Option<Route> {
        self.reverse_route
    }

    /// How long a client waits for an answer that this route brings (R27).
    pub fn deadline(&self, group: &Group) -> Duration {
        self.reply_within.unwrap_or_else(|| group.reply_within())
    }

    /// The prefix of `networks` that holds `client` with `bits` bits, for people.
    pub fn prefix(&self, client: IpAddr, bits: u8) -> Option<IpNet> {
        self.networks.iter().copied().find(|net| net.prefix_len() == bits && net.contains(&client))
    }
}
