//! [`SnapshotPlan`] → [`Snapshot`]: the indexes that make a look-up cheap.

use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::HashMap;

use super::index::Union;
use super::owned;
use super::plan::{Forward, SnapshotPlan, ViewPlan};
use super::select::Selector;
use super::snapshot::{ForwardRoute, Hit, Holdings, Names, Route, Snapshot, View};
use crate::upstream::Group;
use crate::wire::{Name, NameRef, Template, rtype};
use crate::zone::avd::Kind;
use crate::zone::{ByAddress, Endpoint, State, Zone, reverse};

impl Snapshot {
    /// Builds all indexes. The plan was checked by its loader; of two entries for one name the first wins.
    pub fn build(plan: SnapshotPlan) -> Self {
        let selector = Selector::new(&plan.views);
        let union = Union::new(&plan.views);
        let groups: Vec<Arc<Group>> = plan.groups.into_iter().map(Arc::new).collect();
        let routes: Vec<Route> =
            groups.iter().enumerate().map(|(group, servers)| Route { group, id: servers.route_id() }).collect();
        let mut shared = HashMap::new();
        let views: Vec<View> = plan.views.into_iter().map(|view| view_of(view, &routes, &mut shared)).collect();
        Self {
            generation: plan.generation,
            views,
            groups,
            clouds: plan.clouds,
            known: plan.known.into_iter().collect(),
            selector,
            union,
            local_reverse: reverse::local_zones().collect(),
        }
    }
}

/// What [`Holdings`] are made of; endpoints and zones by their places in memory.
#[derive(PartialEq, Eq, Hash)]
struct Parts {
    endpoints: Vec<*const Endpoint>,
    zones: Vec<*const Zone>,
    forwards: Vec<Forward>,
}

fn view_of(plan: Arc<ViewPlan>, routes: &[Route], shared: &mut HashMap<Parts, Arc<Holdings>>) -> View {
    let route = |group: usize| routes.get(group).copied().unwrap_or(Route { group, id: crate::wire::RouteId(0) });
    let parts = Parts {
        endpoints: plan.endpoints.iter().map(Arc::as_ptr).collect(),
        zones: plan.zones.iter().map(|(zone, _)| Arc::as_ptr(zone)).collect(),
        forwards: plan.forwards.clone(),
    };
    let held = shared.entry(parts).or_insert_with(|| Arc::new(holdings(&plan, route)));
    View { default_route: route(plan.upstream), reverse_route: plan.reverse.map(route), held: Arc::clone(held), plan }
}

fn holdings(plan: &ViewPlan, route: impl Fn(usize) -> Route) -> Holdings {
    let (resource_of, addresses, guids) = resources(&plan.endpoints);
    let forwards = plan.forwards.iter().map(|forward| ForwardRoute {
        suffix: forward.suffix.clone(),
        route: route(forward.group),
        origin: forward.origin.clone(),
    });
    let forwards: Vec<ForwardRoute> = forwards.collect();
    let has_global =
        plan.endpoints.iter().any(|endpoint| endpoint.kind == Kind::Global && endpoint.state == State::Private);
    Holdings {
        names: names(plan, &forwards),
        forwards,
        pointers: pointers(&plan.endpoints),
        resource_of,
        addresses,
        guids,
        has_global,
    }
}

/// The one map of a view's names.
fn names(plan: &ViewPlan, forwards: &[ForwardRoute]) -> Names {
    let mut names = Names::default();
    let mut above: Vec<(Name, bool)> = Vec::new();
    for (index, (zone, _)) in plan.zones.iter().enumerate() {
        names.place(zone.apex().to_owned()).suffix.zone.get_or_insert(index);
        above.push((zone.apex().to_owned(), false));
        if let Some(public) = zone.public() {
            names.place(public.to_owned()).suffix.public.get_or_insert(index);
            above.push((public.to_owned(), false));
        }
    }
    for (index, forward) in forwards.iter().enumerate() {
        names.place(forward.suffix.clone()).suffix.route.get_or_insert(index);
    }
    for (endpoint, record, name) in records(&plan.endpoints) {
        let zone = deepest_zone(plan, name.as_ref());
        let hit = Hit { endpoint, record, zone };
        let Some(entry) = plan.endpoints.get(endpoint).and_then(|endpoint| endpoint.records.get(record)) else {
            continue;
        };
        let place = names.place(name.clone());
        if entry.wildcard {
            place.suffix.wildcard.get_or_insert(hit);
            place.above = true;
            place.above_endpoint = true;
        } else {
            place.exact.get_or_insert(hit);
        }
        above.push((name.clone(), true));
    }
    for (name, endpoint) in above {
        for parent in name.as_ref().suffixes().skip(1).filter(|parent| !parent.is_root()) {
            // Whoever marked it marks, or has marked, all above it.
            if names.is_marked(parent, endpoint) {
                break;
            }
            let place = names.place(parent.to_owned());
            place.above = true;
            place.above_endpoint |= endpoint;
        }
    }
    names
}

/// (endpoint, record, name) of every name of every record.
fn records(endpoints: &[Arc<Endpoint>]) -> impl Iterator<Item = (usize, usize, &Name)> {
    endpoints.iter().enumerate().flat_map(|(endpoint, data)| {
        let records = data.records.iter().enumerate();
        records.flat_map(move |(record, data)| data.names.iter().map(move |name| (endpoint, record, name)))
    })
}

fn deepest_zone(plan: &ViewPlan, name: NameRef<'_>) -> Option<usize> {
    let holding = plan.zones.iter().enumerate().filter(|(_, (zone, _))| name.is_at_or_below(zone.apex()));
    holding.max_by_key(|(_, (zone, _))| zone.apex().octets().len()).map(|(index, _)| index)
}

type Resources = (Vec<usize>, Vec<Vec<IpAddr>>, HashMap<u128, usize, foldhash::fast::RandomState>);

/// Which endpoints lead to one resource: those that name it alike, or share a GUID.
fn resources(endpoints: &[Arc<Endpoint>]) -> Resources {
    let mut by_name: HashMap<&str, usize> = HashMap::new();
    let mut guids: HashMap<u128, usize, foldhash::fast::RandomState> = HashMap::default();
    let (mut resource_of, mut addresses): (Vec<usize>, Vec<Vec<IpAddr>>) = (Vec::new(), Vec::new());
    for endpoint in endpoints {
        let own_guids = endpoint.guids();
        let named = endpoint.resource.as_deref().and_then(|resource| by_name.get(resource)).copied();
        let shared = own_guids.iter().find_map(|guid| guids.get(guid)).copied();
        let index = named.or(shared).unwrap_or_else(|| {
            addresses.push(Vec::new());
            addresses.len().saturating_sub(1)
        });
        if let Some(resource) = endpoint.resource.as_deref() {
            by_name.entry(resource).or_insert(index);
        }
        for guid in own_guids {
            guids.entry(guid).or_insert(index);
        }
        resource_of.push(index);
        if let Some(held) = addresses.get_mut(index) {
            held.extend(endpoint.records.iter().flat_map(|record| record.addresses().collect::<Vec<_>>()));
        }
    }
    (resource_of, addresses, guids)
}

/// PTR records for the addresses of private endpoints; those of zones are the zones' own. Of several names for one
/// address the first by its text counts (R17).
fn pointers(endpoints: &[Arc<Endpoint>]) -> ByAddress<Template> {
    let private = endpoints.iter().filter(|endpoint| endpoint.state == State::Private);
    let records = private.flat_map(|endpoint| &endpoint.records).filter(|record| !record.wildcard);
    let all = records.flat_map(|record| {
        let sets = [&record.a, &record.aaaa].into_iter().flatten();
        sets.flat_map(move |set| {
            let pointer = record.names.first().and_then(|name| Template::new(rtype::PTR, set.ttl(), [name.octets()]));
            let addresses = set.rdata().filter_map(crate::zone::address_of);
            addresses.filter_map(move |address| Some((address, pointer.clone()?)))
        })
    });
    ByAddress::new(all, |one, other| owned::target(one) < owned::target(other))
}
