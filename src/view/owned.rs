//! What a name is in a view (R11–R20): owned, blocked, of special use, or forwarded by a route.
//!
//! The one function [`Snapshot::look_up`] serves QNAME and every alias target alike; [`View::guarded`] tells what the
//! leak guard holds against the addresses behind a name (R25).

use std::net::IpAddr;

use super::plan::{GuardMode, Unlisted};
use super::snapshot::{Entry, Hit, Route, Snapshot, Suffix, View};
use crate::wire::{NameRef, Template, WireName, rtype};
use crate::zone::avd::{AvdName, Kind};
use crate::zone::{Endpoint, EndpointRecord, Match, Missing, Origin, State, Zone, reverse};

/// What a name is in a view.
#[derive(Debug, Clone, Copy)]
pub enum Verdict<'v> {
    /// An endpoint's name.
    Endpoint {
        /// The endpoint.
        endpoint: &'v Endpoint,
        /// Its record.
        record: &'v EndpointRecord,
        /// The zone of the view that the name is a node of.
        zone: Option<&'v Zone>,
    },
    /// A zone answers.
    Zone {
        /// The zone.
        zone: &'v Zone,
        /// What it has.
        found: Match<'v>,
        /// Whether the name was found under the zone's public suffix.
        public: bool,
    },
    /// A PTR record made from the view's own addresses.
    Pointer(&'v Template),
    /// A name without records above owned ones: NODATA. With the zone that it lies in, if any.
    Empty(Option<&'v Zone>),
    /// NXDOMAIN by the operator's will.
    Blocked(Blocked),
    /// Special use (R20), or a reverse name that is nobody's (R17).
    Special(Special),
    /// Asked upstream.
    Forward {
        /// Where.
        route: Route,
        /// Which rule chose it.
        why: Why<'v>,
        /// Whether it is an AVD name of a resource that is neither here nor known (R18).
        foreign: bool,
        /// Whether it is an AVD name.
        avd: bool,
    },
}

/// Why a name is blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocked {
    /// Foreign, and the view says `unlisted = "nxdomain"`.
    Unlisted,
    /// Its endpoint's state is `blocked`.
    State,
}

/// Names that never leave (RFC 6761, RFC 6303 and others).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Special {
    /// `localhost`: loopback addresses.
    Localhost,
    /// NXDOMAIN; the SOA's owner is the suffix with so many octets.
    NxDomain(usize),
    /// NODATA; likewise.
    NoData(usize),
}

/// What chose a route.
#[derive(Debug, Clone, Copy)]
pub enum Why<'v> {
    /// The view's `upstream`.
    Default,
    /// A `forward` entry: its suffix and where it was written.
    Suffix(NameRef<'v>, &'v Origin),
    /// The view's `reverse`.
    Reverse,
    /// The endpoint's state is `public`.
    Public(&'v Endpoint),
}

impl Snapshot {
    /// What `name` is in `view` (R12). `qtype` matters for single labels alone.
    pub fn look_up<'v>(&'v self, view: &'v View, name: NameRef<'_>, qtype: u16) -> Verdict<'v> {
        if reverse::is_reverse(name) {
            return self.look_up_reverse(view, name);
        }
        let own = view.held.names.get(name.octets());
        if let Some(hit) = own.and_then(|entry| entry.exact) {
            return self.endpoint(view, name, hit, qtype);
        }
        // Whether a longer name exists, which no wildcard above it covers (R15).
        let mut exists = false;
        // Whether a fallback zone lacks the name: then no shorter zone or wildcard is tried (R11).
        let mut not_owned = false;
        for suffix in name.suffixes() {
            // The name itself was looked for already.
            let entry =
                if suffix.octets().len() == name.octets().len() { own } else { view.held.names.get(suffix.octets()) };
            let Some(entry) = entry else { continue };
            if let Some(verdict) = (!not_owned && entry.suffix.has_zone())
                .then(|| view.by_zone(name, suffix, entry.suffix, &mut not_owned))
                .flatten()
            {
                return verdict;
            }
            if let Some(hit) = entry.suffix.wildcard
                && !not_owned
                && !exists
                && suffix != name
                && own.is_none_or(|own| !own.above)
            {
                return self.endpoint(view, name, hit, qtype);
            }
            if let Some(forward) = entry.suffix.route.and_then(|route| view.held.forwards.get(route)) {
                let why = Why::Suffix(forward.suffix.as_ref(), &forward.origin);
                return self.forward(view, name, qtype, forward.route, why);
            }
            exists |= entry.exact.is_some() || entry.above_endpoint;
        }
        self.forward(view, name, qtype, view.default_route, Why::Default)
    }

    #[inline(always)]
    fn endpoint<'v>(&'v self, view: &'v View, name: NameRef<'_>, hit: Hit, qtype: u16) -> Verdict<'v> {
        let Some((endpoint, record)) = view.record(hit) else {
            return self.forward(view, name, qtype, view.default_route, Why::Default);
        };
        match endpoint.state {
            State::Private => {
                let zone = hit.zone.and_then(|zone| view.zones.get(zone)).map(|(zone, _)| &**zone);
                Verdict::Endpoint { endpoint, record, zone }
            }
            State::Blocked => Verdict::Blocked(Blocked::State),
            State::Public => Verdict::Forward {
                route: view.route_of(name),
                why: Why::Public(endpoint),
                foreign: false,
                avd: self.clouds.may_hold(name),
            },
        }
    }

    /// A name that no owned data has: AVD's rules (R18) and special use (R20) before the route.
    fn forward<'v>(&'v self, view: &'v View, name: NameRef<'_>, qtype: u16, route: Route, why: Why<'v>) -> Verdict<'v> {
        if let Some(avd) = self.clouds.classify(name) {
            let above = || view.held.names.get(name.octets()).is_some_and(|entry| entry.above_endpoint);
            if avd.is_private_link() && (avd.is_suffix || above()) {
                return Verdict::Empty(None);
            }
            let foreign = self.is_foreign(view, &avd);
            if foreign && view.unlisted == Unlisted::NxDomain {
                return Verdict::Blocked(Blocked::Unlisted);
            }
            return Verdict::Forward { route, why, foreign, avd: true };
        }
        if matches!(why, Why::Default)
            && let Some(special) = special(name, qtype)
        {
            return Verdict::Special(special);
        }
        Verdict::Forward { route, why, foreign: false, avd: false }
    }

    fn is_foreign(&self, view: &View, avd: &AvdName<'_>) -> bool {
        avd.guid.is_some_and(|guid| !view.held.guids.contains_key(&guid) && !self.known.contains(&guid))
    }

    /// R17: a zone's node, a PTR made here, a route, the local zones' NXDOMAIN, the default route.
    fn look_up_reverse<'v>(&'v self, view: &'v View, name: NameRef<'_>) -> Verdict<'v> {
        let mut by_zone = None;
        let mut route = None;
        let mut not_owned = false;
        for suffix in name.suffixes().filter(|suffix| reverse::is_reverse(*suffix)) {
            let Some(entry) = view.held.names.get(suffix.octets()) else { continue };
            let zone = (!not_owned && by_zone.is_none() && route.is_none())
                .then(|| view.by_zone(name, suffix, entry.suffix, &mut not_owned))
                .flatten();
            by_zone = by_zone.or(zone);
            if route.is_none() && by_zone.is_none() {
                route = entry.suffix.route.and_then(|index| view.held.forwards.get(index));
            }
        }
        if let Some(verdict @ Verdict::Zone { found: Match::Node(_) | Match::Wildcard(_), .. }) = by_zone {
            return verdict;
        }
        let network = reverse::network_of(name);
        if let Some(pointer) = network.and_then(|(address, bits)| view.pointer(address, bits)) {
            return Verdict::Pointer(pointer);
        }
        let local = name.suffixes().find(|suffix| self.local_reverse.contains(suffix.octets()));
        if let Some(verdict) = by_zone {
            return verdict;
        }
        if local.is_some() && view.is_above_pointer(name) {
            return Verdict::Empty(None);
        }
        if let Some(forward) = route {
            let why = Why::Suffix(forward.suffix.as_ref(), &forward.origin);
            return Verdict::Forward { route: forward.route, why, foreign: false, avd: false };
        }
        match (local, view.reverse_route) {
            (Some(_), Some(route)) => Verdict::Forward { route, why: Why::Reverse, foreign: false, avd: false },
            (Some(zone), None) => Verdict::Special(Special::NxDomain(zone.octets().len())),
            (None, _) => Verdict::Forward { route: view.route_of(name), why: Why::Default, foreign: false, avd: false },
        }
    }
}

impl View {
    /// What the zone at `suffix` says; none when there is no zone or it does not own the name.
    fn by_zone<'v>(
        &'v self,
        name: NameRef<'_>,
        suffix: NameRef<'_>,
        entry: Suffix,
        not_owned: &mut bool,
    ) -> Option<Verdict<'v>> {
        if let Some((zone, missing)) = entry.zone.and_then(|index| self.zones.get(index)) {
            let found = self.find_in(zone, name, suffix)?;
            if !matches!(found, Match::Missing) || *missing == Missing::NxDomain {
                let above = || self.held.names.get(name.octets()).is_some_and(|entry| entry.above_endpoint);
                if matches!(found, Match::Missing) && above() {
                    return Some(Verdict::Empty(Some(zone)));
                }
                return Some(Verdict::Zone { zone, found, public: false });
            }
            *not_owned = true;
            return None;
        }
        let (zone, _) = entry.public.and_then(|index| self.zones.get(index))?;
        // Only names with records of their own: neither the suffix nor an empty non-terminal of it is ours.
        let found = self.find_in(zone, name, suffix).filter(|_| suffix != name)?;
        let owned = match found {
            Match::Node(node) | Match::Wildcard(node) => !node.is_empty(),
            Match::Missing => false,
        };
        owned.then_some(Verdict::Zone { zone, found, public: true })
    }

    fn find_in<'v>(&'v self, zone: &'v Zone, name: NameRef<'_>, suffix: NameRef<'_>) -> Option<Match<'v>> {
        // It is a suffix of this very name.
        let relative = name.octets().get(..name.octets().len().checked_sub(suffix.octets().len())?)?;
        let exists = |encloser: &[u8]| {
            let ahead = relative.len().saturating_sub(encloser.len());
            let entry = name.octets().get(ahead..).and_then(|whole| self.held.names.get(whole));
            entry.is_some_and(|entry| entry.exact.is_some() || entry.above_endpoint)
        };
        Some(zone.find(relative, exists))
    }

    #[inline]
    fn record(&self, hit: Hit) -> Option<(&Endpoint, &EndpointRecord)> {
        let endpoint = self.endpoints.get(hit.endpoint)?;
        Some((endpoint, endpoint.records.get(hit.record)?))
    }

    /// The route of a name by the longest `forward` suffix, or the default.
    fn route_of(&self, name: NameRef<'_>) -> Route {
        let routes = name.suffixes().filter_map(|suffix| self.held.names.get(suffix.octets())?.suffix.route);
        routes
            .filter_map(|index| self.held.forwards.get(index))
            .map(|forward| forward.route)
            .next()
            .unwrap_or(self.default_route)
    }

    /// Whether an owned name lies below `name` (R19).
    pub fn is_above_owned(&self, name: NameRef<'_>) -> bool {
        self.held.names.get(name.octets()).is_some_and(|entry| entry.above)
            || reverse::is_reverse(name) && self.is_above_pointer(name)
            || name.octets() == b"\x04arpa\0"
                && [IpAddr::from([0; 4]), IpAddr::from([0; 16])].iter().any(|all| self.has_address_in(*all, 0))
    }

    /// The PTR record of an address: of the endpoints' and the zones' names the first by its text (R17).
    fn pointer(&self, address: IpAddr, bits: u8) -> Option<&Template> {
        if bits < bits_of(address) {
            return None;
        }
        let mut best = self.held.pointers.get(address);
        for other in self.zones.iter().filter_map(|(zone, _)| zone.pointer(address)) {
            if best.is_none_or(|best| target(other) < target(best)) {
                best = Some(other);
            }
        }
        best
    }

    /// Whether the reverse name of an address of this view lies below `name`.
    fn is_above_pointer(&self, name: NameRef<'_>) -> bool {
        let above = reverse::network_of(name).filter(|(network, bits)| *bits < bits_of(*network));
        above.is_some_and(|(network, bits)| self.has_address_in(network, bits))
    }

    /// Whether a PTR record is made for an address of the prefix.
    fn has_address_in(&self, network: IpAddr, bits: u8) -> bool {
        self.held.pointers.has_any(network, bits)
            || self.zones.iter().any(|(zone, _)| zone.has_address_in(network, bits))
    }

    /// Whether the leak guard holds `name` (R25), and for which resource. `crossed` says whether the chain it stands in
    /// crossed an AVD private-link suffix.
    pub fn guarded(&self, snapshot: &Snapshot, name: NameRef<'_>, crossed: bool) -> Option<Guarded> {
        if self.guard == GuardMode::Off {
            return None;
        }
        for suffix in name.suffixes() {
            let Some(entry) = self.held.names.get(suffix.octets()) else { continue };
            if let Some(guarded) = self.guarded_at(entry, suffix == name) {
                return guarded;
            }
        }
        let listed = self.must_be_private.iter().any(|pattern| {
            let below = name.is_below(pattern.name.as_ref());
            if pattern.wildcard { below } else { name == pattern.name.as_ref() }
        });
        if listed {
            return Some(Guarded { resource: None, mate: false });
        }
        let avd = snapshot.clouds.classify(name)?;
        let mate = avd.guid.and_then(|guid| self.held.guids.get(&guid)).copied();
        if let Some(resource) = mate.filter(|resource| crossed && self.is_private(*resource)) {
            return Some(Guarded { resource: Some(resource), mate: true });
        }
        let global_suffix = name.is_at_or_below(avd.cloud.private_link_global.as_ref());
        let one_zone = avd.cloud.private_link == avd.cloud.private_link_global;
        if self.held.has_global && global_suffix && !one_zone {
            return Some(Guarded { resource: mate, mate: false });
        }
        let kinds: &[Kind] = match snapshot.clouds.kind_by_name(name) {
            Some(Kind::Global) => &[Kind::Global],
            Some(Kind::HostPool) => &[Kind::HostPool],
            _ => &[Kind::Workspace, Kind::HostPool],
        };
        let all = self.guard == GuardMode::All && avd.is_private_link() && !avd.is_suffix;
        let guarded = all && kinds.iter().any(|kind| self.private.contains(kind));
        guarded.then_some(Guarded { resource: mate, mate: false })
    }

    /// Whether a resource has an endpoint here that is not public.
    fn is_private(&self, resource: usize) -> bool {
        let own = self.endpoints.iter().zip(&self.held.resource_of).filter(|(_, of)| **of == resource);
        own.into_iter().any(|(endpoint, _)| endpoint.state != State::Public)
    }

    /// The inner none: the name's endpoint is public, so the guard lets it be.
    #[expect(clippy::option_option, reason = "no entry, an unguarded one and a guarded one are three things")]
    fn guarded_at(&self, entry: &Entry, itself: bool) -> Option<Option<Guarded>> {
        let hit = entry.exact.or(entry.suffix.wildcard.filter(|_| !itself))?;
        let (endpoint, _) = self.record(hit)?;
        let resource = self.held.resource_of.get(hit.endpoint).copied();
        Some((endpoint.state != State::Public).then_some(Guarded { resource, mate: false }))
    }

    /// Whether an address behind a guarded name may leave: one held for its resource, or a private one for a name
    /// without a record here.
    pub fn lets_pass(&self, guarded: Guarded, address: IpAddr) -> bool {
        let held = guarded.resource.and_then(|resource| self.held.addresses.get(resource));
        held.is_some_and(|held| held.contains(&address))
            || self.private_ranges.iter().any(|range| range.contains(&address))
    }

    /// The GUID's resource has an endpoint here.
    pub fn has_guid(&self, guid: u128) -> bool {
        self.held.guids.contains_key(&guid)
    }
}

/// A name that the guard holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guarded {
    /// The resource whose addresses may leave.
    resource: Option<usize>,
    /// Whether it is guarded for its GUID alone.
    pub mate: bool,
}

/// All bits of an address.
fn bits_of(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The target of a PTR record as text.
pub(super) fn target(pointer: &Template) -> Option<String> {
    let name = WireName::read_plain(pointer.rdata().next()?, 0).ok()?;
    Some(name.0.to_string())
}

/// Whether a name is of special use whatever the type.
pub(super) fn is_special(name: NameRef<'_>) -> bool {
    special(name, rtype::A).is_some()
}

/// R20.
fn special(name: NameRef<'_>, qtype: u16) -> Option<Special> {
    const NAMES: [(&[u8], bool); 6] = [
        (b"\x07invalid\0", true),
        (b"\x05local\0", true),
        (b"\x05onion\0", true),
        (b"\x04home\x04arpa\0", true),
        (b"\x08resolver\x04arpa\0", false),
        (b"\x09localhost\0", false),
    ];
    // Most names end otherwise.
    if !matches!(name.octets(), [.., b'd' | b'l' | b'n' | b'a' | b't', 0]) {
        return single_label(name, qtype);
    }
    for (suffix, nxdomain) in NAMES {
        if name.octets().ends_with(suffix) && name.suffixes().any(|own| own.octets() == suffix) {
            return Some(match (suffix, nxdomain) {
                (_, true) => Special::NxDomain(suffix.len()),
                (b"\x09localhost\0", _) => Special::Localhost,
                _ => Special::NoData(suffix.len()),
            });
        }
    }
    single_label(name, qtype)
}

/// A single label is no name of the Internet: hosts of a search list's domain were meant.
fn single_label(name: NameRef<'_>, qtype: u16) -> Option<Special> {
    let single = !name.is_root() && name.parent().is_some_and(NameRef::is_root);
    let address = matches!(qtype, rtype::A | rtype::AAAA | rtype::HTTPS | rtype::SVCB);
    (single && address).then_some(Special::NxDomain(WireName::ROOT.octets().len()))
}
