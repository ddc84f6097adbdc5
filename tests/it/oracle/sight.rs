//! What a name is for one view (R11 to R20): owned, blocked, special, or forwarded, and by what.

use super::name::{depth, guids, is_below, is_private_link, is_within, parent, private_suffixes, swap};
use super::world::{Data, Endpoint, Kind, View, World, Zone, spellings};
use crate::harness::message::kind;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// What a name is.
#[derive(Clone, Debug)]
pub(crate) enum What {
    /// An endpoint's record, exact or by wildcard; `apexes` are the owners that its SOA may have.
    Endpoint {
        addresses: Vec<IpAddr>,
        ttl: u32,
        apexes: Vec<String>,
        own_apex: bool,
    },
    /// A node of a zone; `None` is its apex or an empty non-terminal.
    Node {
        data: Option<Data>,
        ttl: u32,
        apexes: Vec<String>,
        at_apex: bool,
    },
    /// A name that a strict zone lacks.
    Missing {
        apex: String,
    },
    /// Addresses whose reverse name this is: one of these names has to come.
    Reverse {
        names: Vec<String>,
    },
    /// An ancestor of such a name.
    ReverseAncestor,
    /// A private reverse name without a record here.
    ReverseDenied,
    /// A foreign name in a view that blocks those.
    Blocked,
    /// A private-link suffix or an empty non-terminal below one: NODATA, but the rules leave open by whom.
    Gap,
    Special(Special),
    /// Forwarded to an upstream group.
    Route(usize),
}

/// Special-use names (R20).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Special {
    Localhost,
    Denied,
    ResolverArpa,
    /// One label: addresses and services are denied with the root's SOA.
    Single,
}

/// A zone as one spelling shows it.
struct Spelling<'a> {
    zone: &'a Zone,
    apex: String,
    /// The public spelling owns only the names that exist.
    is_public: bool,
}

/// One view of a world.
pub(crate) struct Sight<'a> {
    pub(crate) world: &'a World,
    pub(crate) view: &'a View,
}

impl<'a> Sight<'a> {
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = &'a Endpoint> {
        let world = self.world;
        self.view.endpoints.iter().map(move |&at| &world.endpoints[at])
    }

    fn spelt_zones(&self) -> Vec<Spelling<'a>> {
        let mut found = Vec::new();
        for &at in &self.view.zones {
            let zone = &self.world.zones[at];
            found.push(Spelling { zone, apex: zone.apex.clone(), is_public: false });
            if let Some(public) = &zone.public {
                found.push(Spelling { zone, apex: public.clone(), is_public: true });
            }
        }
        found
    }

    /// Every endpoint record in every spelling.
    pub(crate) fn records(&self) -> Vec<(String, &'a Endpoint, &'a [IpAddr])> {
        let mut found = Vec::new();
        for endpoint in self.endpoints() {
            for (name, addresses) in &endpoint.records {
                for spelling in spellings(endpoint.kind, name) {
                    found.push((spelling, endpoint, addresses.as_slice()));
                }
            }
        }
        found
    }

    /// The names that a zone holds under a spelling, empty non-terminals and the endpoints' names included (R13).
    fn nodes(&self, spelling: &Spelling<'_>) -> BTreeSet<String> {
        let mut names: BTreeSet<String> = BTreeSet::new();
        for (relative, _) in &spelling.zone.records {
            names.insert(absolute(relative, &spelling.apex));
        }
        if !spelling.is_public {
            names.insert(spelling.apex.clone());
            let within = self.records().into_iter().map(|(name, ..)| name);
            names.extend(within.filter(|name| is_within(name, &spelling.apex)));
        }
        for name in names.clone() {
            let mut name = name.as_str();
            while let Some(above) = parent(name).filter(|above| is_below(above, &spelling.apex)) {
                names.insert(above.to_owned());
                name = above;
            }
        }
        names
    }

    /// Every name that the view owns; for wildcards, the name that they hang on.
    pub(crate) fn owned(&self) -> BTreeSet<String> {
        let mut names: BTreeSet<String> =
            self.records().into_iter().map(|(name, ..)| name.trim_start_matches("*.").to_owned()).collect();
        for spelling in self.spelt_zones() {
            names.extend(self.nodes(&spelling).into_iter().map(|name| name.trim_start_matches("*.").to_owned()));
        }
        names
    }

    /// What a name is for this view (R12), for a question of a type: that counts for single labels alone (R20).
    pub(crate) fn what(&self, name: &str, kind: u16) -> What {
        let records = self.records();
        if let Some((_, endpoint, addresses)) = records.iter().find(|(owner, ..)| owner == name) {
            let zone = self.deepest_zone(name);
            return What::Endpoint {
                addresses: addresses.to_vec(),
                ttl: endpoint.ttl,
                apexes: zone.iter().cloned().chain([name.to_owned()]).collect(),
                own_apex: zone.is_none(),
            };
        }
        // The longest suffix; a tie goes to the zone, then to the wildcard, then to the route.
        let zones = self.spelt_zones();
        let zone = zones.iter().filter(|one| is_within(name, &one.apex)).max_by_key(|one| depth(&one.apex));
        let wildcard = records
            .iter()
            .filter_map(|(owner, endpoint, addresses)| Some((owner.strip_prefix("*.")?, endpoint, addresses)))
            .filter(|(base, ..)| is_below(name, base) && !self.is_covered(name, base))
            .max_by_key(|(base, ..)| depth(base));
        let route = self.route(name);
        let zone_depth = zone.map(|one| depth(&one.apex));
        let wildcard_depth = wildcard.map(|(base, ..)| depth(base));
        let route_depth = route.map(|(suffix, _)| depth(suffix));
        if let Some(zone) = zone
            && zone_depth >= wildcard_depth
            && zone_depth >= route_depth
            && let Some(what) = self.in_zone(name, zone)
        {
            return what;
        }
        if let Some((base, endpoint, addresses)) = wildcard
            && wildcard_depth > zone_depth
            && wildcard_depth >= route_depth
        {
            return What::Endpoint {
                addresses: addresses.to_vec(),
                ttl: endpoint.ttl,
                apexes: vec![name.to_owned(), base.to_owned(), format!("*.{base}")],
                own_apex: false,
            };
        }
        self.not_owned(name, kind, route)
    }

    /// What comes after owned names.
    fn not_owned(&self, name: &str, kind: u16, route: Option<(&str, usize)>) -> What {
        if self.is_foreign(name) && self.view.unlisted_is_blocked {
            return What::Blocked;
        }
        let is_suffix = [false, true].into_iter().any(|global| private_suffixes(global).any(|one| one == name));
        let is_above_owned = || self.owned().iter().any(|owned| is_below(owned, name));
        if is_suffix || is_private_link(name) && is_above_owned() {
            return What::Gap;
        }
        let in_reverse = is_within(name, "in-addr.arpa") || is_within(name, "ip6.arpa");
        if in_reverse {
            let held = self.reversed();
            let names: Vec<_> =
                held.iter().filter(|(reverse, _)| reverse == name).map(|(_, target)| target.clone()).collect();
            if !names.is_empty() {
                return What::Reverse { names };
            }
            if held.iter().any(|(reverse, _)| is_below(reverse, name)) {
                return What::ReverseAncestor;
            }
        }
        if let Some((_, upstream)) = route {
            return What::Route(upstream);
        }
        if in_reverse && is_private_reverse(name) {
            return self.view.reverse.map_or(What::ReverseDenied, What::Route);
        }
        if let Some(special) = special(name, kind) {
            return What::Special(special);
        }
        What::Route(self.view.upstream)
    }

    /// The longest `forward` suffix.
    pub(crate) fn route(&self, name: &str) -> Option<(&str, usize)> {
        let matching = self.view.forward.iter().filter(|(suffix, _)| is_within(name, suffix));
        matching.max_by_key(|(suffix, _)| depth(suffix)).map(|(suffix, upstream)| (suffix.as_str(), *upstream))
    }

    fn deepest_zone(&self, name: &str) -> Option<String> {
        let zones = self.spelt_zones();
        let within = zones.iter().filter(|one| !one.is_public && is_within(name, &one.apex));
        within.max_by_key(|one| depth(&one.apex)).map(|one| one.apex.clone())
    }

    /// A name in its deepest zone; `None` where a fallback zone lacks it (R11, R16).
    fn in_zone(&self, name: &str, spelling: &Spelling<'_>) -> Option<What> {
        let nodes = self.nodes(spelling);
        let apexes = if spelling.is_public {
            vec![spelling.apex.clone(), spelling.zone.apex.clone(), name.to_owned()]
        } else {
            vec![spelling.apex.clone()]
        };
        let node = |owner: &str| {
            let relative = |(relative, _): &&(String, Data)| absolute(relative, &spelling.apex) == owner;
            let data = spelling.zone.records.iter().find(relative).map(|(_, data)| data.clone());
            let at_apex = name == spelling.apex;
            What::Node { data, ttl: spelling.zone.ttl, apexes: apexes.clone(), at_apex }
        };
        if nodes.contains(name) {
            return Some(node(name));
        }
        // RFC 4592 §3.3.1: the wildcard below the closest encloser, and no other.
        let mut encloser = name;
        while !nodes.contains(encloser) && encloser != spelling.apex {
            encloser = parent(encloser).expect("the apex is above");
        }
        let wildcard = format!("*.{encloser}");
        if nodes.contains(&wildcard) {
            return Some(node(&wildcard));
        }
        (spelling.zone.strict && !spelling.is_public).then(|| What::Missing { apex: spelling.apex.clone() })
    }

    /// Whether a name exists below a wildcard's base, or lies below one that does (R15).
    fn is_covered(&self, name: &str, base: &str) -> bool {
        let mut existing: BTreeSet<String> = self.owned();
        existing.extend(self.view.forward.iter().map(|(suffix, _)| suffix.clone()));
        existing.iter().any(|other| {
            // The part of `name` below `base` that is also an ancestor of, or the same as, something that exists.
            is_below(other, base) && {
                let mut shared = name;
                while is_below(shared, base) {
                    if is_within(other, shared) {
                        return true;
                    }
                    shared = parent(shared).expect("the base is above");
                }
                false
            }
        })
    }

    /// Whether a name's GUID belongs to nobody here (R18).
    fn is_foreign(&self, name: &str) -> bool {
        let here = self.guids();
        let labels = guids(name);
        !labels.is_empty()
            && !labels.iter().any(|guid| here.contains(*guid) || self.world.known.iter().any(|one| one == guid))
    }

    /// The GUIDs of the resources that have an endpoint here.
    pub(crate) fn guids(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for endpoint in self.endpoints() {
            found.extend(endpoint.resource.clone());
            for (name, _) in &endpoint.records {
                found.extend(guids(name).into_iter().map(str::to_owned));
            }
        }
        found
    }

    /// Whether the view has an endpoint of a kind.
    pub(crate) fn has(&self, kind: Kind) -> bool {
        self.endpoints().any(|endpoint| endpoint.kind == kind)
    }

    /// Reverse names of the view's addresses with the names that may stand for them (R17).
    pub(crate) fn reversed(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for endpoint in self.endpoints() {
            for (name, addresses) in &endpoint.records {
                let public = spellings(endpoint.kind, name).swap_remove(0);
                if !public.starts_with('*') {
                    found.extend(addresses.iter().map(|&address| (reverse(address), public.clone())));
                }
            }
        }
        for &at in &self.view.zones {
            let zone = &self.world.zones[at];
            for (relative, data) in &zone.records {
                let name = absolute(relative, &zone.apex);
                let public = zone.public.as_ref().and_then(|public| swap(&name, &zone.apex, public));
                if let Data::Addresses(addresses) = data
                    && !name.starts_with('*')
                {
                    let name = public.unwrap_or(name);
                    found.extend(addresses.iter().map(|&address| (reverse(address), name.clone())));
                }
            }
        }
        found
    }
}

/// A zone's relative name made absolute.
fn absolute(relative: &str, apex: &str) -> String {
    if relative == "@" { apex.to_owned() } else { format!("{relative}.{apex}") }
}

/// The reverse name of an address.
pub(crate) fn reverse(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(v6) => {
            let digits: String =
                v6.octets().iter().rev().map(|octet| format!("{:x}.{:x}.", octet & 15, octet >> 4)).collect();
            format!("{digits}ip6.arpa")
        }
    }
}

/// Reverse names of the zones of RFC 6303 §4 that the generators draw from.
fn is_private_reverse(name: &str) -> bool {
    ["10.in-addr.arpa", "168.192.in-addr.arpa", "127.in-addr.arpa", "d.f.ip6.arpa"]
        .iter()
        .any(|zone| is_within(name, zone))
}

fn special(name: &str, kind: u16) -> Option<Special> {
    if is_within(name, "localhost") {
        Some(Special::Localhost)
    } else if ["invalid", "local", "onion", "home.arpa"].iter().any(|zone| is_within(name, zone)) {
        Some(Special::Denied)
    } else if is_within(name, "resolver.arpa") {
        Some(Special::ResolverArpa)
    } else if depth(name) == 1 && matches!(kind, kind::A | kind::AAAA | kind::HTTPS | kind::SVCB) {
        Some(Special::Single)
    } else {
        None
    }
}
