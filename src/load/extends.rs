//! `extends` (R8) and the references of views: names and globs → endpoints, zones, upstreams.
//!
//! The result is a flat view: everything it has, each entry with where it was written and whether it
//! is its own or inherited.

use hashbrown::HashMap;

use super::endpoints::EndpointModel;
use super::zones::ZoneModel;
use crate::config::spec::{ClientDetail, EndpointKind, GuardMode, Missing, QueryLevel, Spec, Unlisted, ViewSpec};
use crate::config::{DnsName, Finding, Pattern, Place, Spanned, codes, suggest};
use crate::zone::avd::Kind;

/// The deepest chain of `extends`.
const DEEPEST: usize = 8;

/// An entry of a view: an index, where it was written, and whether it is inherited.
#[derive(Clone)]
pub(super) struct Entry {
    /// Index of an endpoint or zone.
    pub(super) index: usize,
    /// Where the view names it.
    pub(super) place: Place,
    /// Whether the view's own table names it.
    pub(super) own: bool,
}

/// A route of a view.
#[derive(Clone)]
pub(super) struct RouteEntry {
    /// The suffix.
    pub(super) suffix: Spanned<DnsName>,
    /// Index of the upstream.
    pub(super) upstream: usize,
    /// Whether the view's own table has it.
    pub(super) own: bool,
}

/// A view with everything that it inherits.
#[derive(Clone)]
pub(super) struct FlatView<'s> {
    /// Its own table.
    pub(super) spec: &'s ViewSpec,
    /// The default route, an index of an upstream.
    pub(super) upstream: Option<usize>,
    /// Routes.
    pub(super) forward: Vec<RouteEntry>,
    /// The upstream of reverse names.
    pub(super) reverse: Option<usize>,
    /// Endpoints.
    pub(super) endpoints: Vec<Entry>,
    /// Records of inherited endpoints that own ones hide: (endpoint, record).
    pub(super) hidden: Vec<(usize, usize)>,
    /// Zones.
    pub(super) zones: Vec<Entry>,
    /// `private`, where written.
    pub(super) private: Option<Spanned<Vec<Spanned<EndpointKind>>>>,
    /// Foreign names.
    pub(super) unlisted: Option<Unlisted>,
    /// The guard.
    pub(super) guard: Option<GuardMode>,
    /// More guarded names.
    pub(super) must_be_private: Vec<Spanned<Pattern>>,
    /// What counts as private, where written.
    pub(super) private_ranges: Option<Vec<ipnet::IpNet>>,
    /// The clients' deadline.
    pub(super) reply_within: Option<Spanned<std::time::Duration>>,
    /// Names that are kept in the cache.
    pub(super) keep_warm: Vec<DnsName>,
    /// `missing` by zone name.
    pub(super) missing: Vec<(Spanned<String>, Missing)>,
    /// What is logged, where written.
    pub(super) log: (Option<QueryLevel>, Option<ClientDetail>),
    /// Whether part of it or of what it extends could not be read or resolved.
    pub(super) faulty: bool,
}

/// What references are resolved against.
pub(super) struct Tables<'t> {
    /// The whole spec.
    pub(super) spec: &'t Spec,
    /// The endpoints that were built.
    pub(super) endpoints: &'t [EndpointModel],
    /// The zones that were built.
    pub(super) zones: &'t [ZoneModel],
    /// Upstreams by name.
    upstreams: HashMap<&'t str, usize>,
    /// Endpoints by name.
    endpoint_names: HashMap<&'t str, usize>,
    /// Zones by name.
    zone_names: HashMap<&'t str, usize>,
}

impl<'t> Tables<'t> {
    /// Indexes the tables by name.
    pub(super) fn new(spec: &'t Spec, endpoints: &'t [EndpointModel], zones: &'t [ZoneModel]) -> Self {
        let by_name = |names: Vec<&'t str>| -> HashMap<&'t str, usize> {
            names.into_iter().enumerate().map(|(index, name)| (name, index)).collect()
        };
        Self {
            spec,
            endpoints,
            zones,
            upstreams: by_name(spec.upstreams.iter().map(|own| &*own.name.value).collect()),
            endpoint_names: by_name(endpoints.iter().map(|own| &*own.name.value).collect()),
            zone_names: by_name(zones.iter().map(|own| &*own.name.value).collect()),
        }
    }
}

/// Flattens all views, in the order of the file. Views whose chain is broken are flattened without
/// the missing part and marked as faulty.
pub(super) fn flatten<'s>(tables: &Tables<'s>, findings: &mut Vec<Finding>) -> Vec<FlatView<'s>> {
    let views = &tables.spec.views;
    let by_name: HashMap<&str, usize> =
        views.iter().enumerate().map(|(index, view)| (&*view.name.value, index)).collect();
    let mut done: Vec<Option<FlatView<'s>>> = views.iter().map(|_| None).collect();
    for start in 0..views.len() {
        // from the view down to its base, then up again
        let mut chain = vec![start];
        let mut broken = false;
        while let Some(view) = chain.last().and_then(|index| views.get(*index)) {
            let Some(extends) = &view.extends else { break };
            let key = format!("{}.extends", view.path);
            let Some(&base) = by_name.get(&*extends.value) else {
                if chain.len() == 1 {
                    let message = format!("there is no view {:?}", extends.value);
                    let near = suggest(&extends.value, by_name.keys().copied());
                    findings.push(
                        Finding::new(&codes::UNKNOWN_VIEW, extends.place.clone(), key, message)
                            .maybe_hint(near.map(|near| format!("did you mean {near:?}?"))),
                    );
                }
                broken = true;
                break;
            };
            if chain.contains(&base) || chain.len() > DEEPEST {
                if chain.first() == Some(&base) || chain.len() > DEEPEST {
                    let names: Vec<&str> =
                        chain.iter().filter_map(|own| views.get(*own)).map(|own| &*own.name.value).collect();
                    let message = format!("{} extends {}", names.join(" extends "), extends.value);
                    let place =
                        views.get(start).and_then(|own| own.extends.as_ref()).map_or(&extends.place, |own| &own.place);
                    findings.push(
                        Finding::new(&codes::EXTENDS_CYCLE, place.clone(), key, message)
                            .hint(format!("a chain ends at a view without `extends` and is at most {DEEPEST} long")),
                    );
                }
                broken = true;
                break;
            }
            chain.push(base);
        }
        for (depth, index) in chain.into_iter().enumerate().rev() {
            if done.get(index).is_some_and(Option::is_some) {
                continue;
            }
            let Some(spec) = views.get(index) else { continue };
            let base = spec.extends.as_ref().filter(|_| !(broken && depth == 0));
            let base = base.and_then(|extends| by_name.get(&*extends.value));
            let base = base.and_then(|base| done.get(*base)?.clone());
            let mut flat = one(tables, spec, base, findings);
            flat.faulty |= broken;
            if let Some(slot) = done.get_mut(index) {
                *slot = Some(flat);
            }
        }
    }
    done.into_iter().flatten().collect()
}

/// One view on top of its base.
fn one<'s>(
    tables: &Tables<'s>,
    spec: &'s ViewSpec,
    base: Option<FlatView<'s>>,
    findings: &mut Vec<Finding>,
) -> FlatView<'s> {
    let mut resolver = Resolver { tables, spec, findings, failed: false };
    let own_endpoints = resolver.endpoints();
    let own_zones = resolver.zones();
    let own_routes = resolver.routes();
    let upstream = spec.upstream.as_ref().and_then(|name| resolver.upstream(name, "upstream"));
    let reverse = spec.reverse.as_ref().and_then(|name| resolver.upstream(name, "reverse"));
    let failed = resolver.failed;
    let private_ranges = spec.private_ranges.as_ref();
    let mut flat = base.unwrap_or_else(|| FlatView {
        spec,
        upstream: None,
        forward: Vec::new(),
        reverse: None,
        endpoints: Vec::new(),
        hidden: Vec::new(),
        zones: Vec::new(),
        private: None,
        unlisted: None,
        guard: None,
        must_be_private: Vec::new(),
        private_ranges: None,
        reply_within: None,
        keep_warm: Vec::new(),
        missing: Vec::new(),
        log: (None, None),
        faulty: false,
    });
    flat.spec = spec;
    flat.faulty |= spec.faulty || failed;
    flat.upstream = upstream.or(flat.upstream);
    flat.reverse = reverse.or(flat.reverse);
    flat.private = spec.private.clone().or(flat.private);
    flat.unlisted = spec.unlisted.as_ref().map(|own| own.value).or(flat.unlisted);
    flat.guard = spec.guard.as_ref().map(|own| own.value).or(flat.guard);
    flat.private_ranges = private_ranges.map(|own| own.iter().map(|net| net.value).collect()).or(flat.private_ranges);
    flat.reply_within = spec.reply_within.clone().or(flat.reply_within);
    flat.log.0 = spec.log_queries.as_ref().map(|own| own.value).or(flat.log.0);
    flat.log.1 = spec.log_clients.as_ref().map(|own| own.value).or(flat.log.1);
    for pattern in spec.must_be_private.iter().flatten() {
        if !flat.must_be_private.iter().any(|own| own.value == pattern.value) {
            flat.must_be_private.push(pattern.clone());
        }
    }
    for name in spec.keep_warm.iter().flatten() {
        if !flat.keep_warm.contains(&name.value) {
            flat.keep_warm.push(name.value.clone());
        }
    }
    for (name, missing) in &spec.missing {
        flat.missing.retain(|(own, _)| own.value != name.value);
        flat.missing.push((name.clone(), *missing));
    }
    for entry in &mut flat.endpoints {
        entry.own = false;
    }
    for entry in &mut flat.zones {
        entry.own = false;
    }
    for route in &mut flat.forward {
        route.own = false;
    }
    without(tables, spec, &mut flat, findings);
    merge_routes(spec, own_routes, &mut flat, findings);
    merge_zones(tables, spec, own_zones, &mut flat, findings);
    merge_endpoints(tables, spec, own_endpoints, &mut flat, findings);
    flat
}

/// Removes what the view does not take over.
fn without(tables: &Tables<'_>, spec: &ViewSpec, flat: &mut FlatView<'_>, findings: &mut Vec<Finding>) {
    for (index, name) in spec.without.iter().enumerate() {
        let fits = matcher(&name.value);
        let before = flat.endpoints.len() + flat.zones.len();
        flat.endpoints.retain(|entry| !tables.endpoints.get(entry.index).is_some_and(|own| fits(&own.name.value)));
        flat.zones.retain(|entry| !tables.zones.get(entry.index).is_some_and(|own| fits(&own.name.value)));
        if before == flat.endpoints.len() + flat.zones.len() && !flat.faulty {
            let message = format!("no inherited endpoint or zone is called {:?}", name.value);
            findings.push(Finding::new(
                &codes::WITHOUT_NOTHING,
                name.place.clone(),
                format!("{}.without[{index}]", spec.path),
                message,
            ));
        }
    }
    // what is gone hides nothing
    let kept: Vec<usize> = flat.endpoints.iter().map(|entry| entry.index).collect();
    flat.hidden.retain(|(endpoint, _)| kept.contains(endpoint));
}

/// Own routes replace inherited ones of the same suffix.
fn merge_routes(spec: &ViewSpec, own: Vec<RouteEntry>, flat: &mut FlatView<'_>, findings: &mut Vec<Finding>) {
    for (index, route) in own.into_iter().enumerate() {
        let key = format!("{}.forward[{index}].suffix", spec.path);
        if let Some(at) = flat.forward.iter().position(|other| other.suffix.value == route.suffix.value) {
            let Some(other) = flat.forward.get_mut(at) else { continue };
            if other.own {
                let message = format!("suffix {} has a route already", route.suffix.value);
                findings.push(
                    Finding::new(&codes::ROUTE_TWICE, route.suffix.place.clone(), key, message)
                        .see(other.suffix.place.clone(), "first route"),
                );
                continue;
            }
            findings.push(hides(
                &route.suffix.place,
                key,
                format!("route {}", route.suffix.value),
                &other.suffix.place,
            ));
            *other = route;
        } else {
            flat.forward.push(route);
        }
    }
}

/// Own zones replace inherited ones of the same apex.
fn merge_zones(
    tables: &Tables<'_>,
    spec: &ViewSpec,
    own: Vec<Entry>,
    flat: &mut FlatView<'_>,
    findings: &mut Vec<Finding>,
) {
    for entry in own {
        let Some(zone) = tables.zones.get(entry.index) else { continue };
        let same = |other: &Entry| tables.zones.get(other.index).is_some_and(|other| other.apex() == zone.apex());
        let Some(other) = flat.zones.iter_mut().find(|other| same(other)) else {
            flat.zones.push(entry);
            continue;
        };
        let key = format!("{}.zones", spec.path);
        if other.index == entry.index {
            *other = entry; // named again: it is the view's own now
        } else if other.own {
            let message = format!("view {:?} has two zones of apex {}", spec.name.value, zone.apex());
            let mut finding = Finding::new(&codes::APEX_TWICE, entry.place.clone(), key, message);
            if let Some(first) = tables.zones.get(other.index) {
                finding = finding.see(first.name.place.clone(), "the one").see(zone.name.place.clone(), "the other");
            }
            findings.push(finding);
        } else {
            findings.push(hides(&entry.place, key, format!("zone {}", zone.apex()), &other.place));
            *other = entry;
        }
    }
}

/// Own endpoints hide inherited records of the same names; an own global endpoint replaces the
/// inherited one whole.
fn merge_endpoints(
    tables: &Tables<'_>,
    spec: &ViewSpec,
    own: Vec<Entry>,
    flat: &mut FlatView<'_>,
    findings: &mut Vec<Finding>,
) {
    let kind = |entry: &Entry| tables.endpoints.get(entry.index).map(|own| own.built.kind);
    let key = format!("{}.endpoints", spec.path);
    let is_again = |entry: &Entry| own.iter().any(|new| new.index == entry.index);
    if let Some(new) = own.iter().find(|entry| kind(entry) == Some(Kind::Global)) {
        for old in flat.endpoints.iter().filter(|old| kind(old) == Some(Kind::Global) && !is_again(old)) {
            findings.push(hides(&new.place, key.clone(), "the global endpoint".to_owned(), &old.place));
        }
        flat.endpoints.retain(|old| kind(old) != Some(Kind::Global));
    }
    flat.endpoints.retain(|old| !is_again(old));
    flat.hidden.retain(|(endpoint, _)| !own.iter().any(|new| new.index == *endpoint));
    if !flat.endpoints.is_empty() && !own.is_empty() {
        let mut names: HashMap<(&[u8], bool), &Place> = HashMap::new();
        for entry in &own {
            for record in tables.endpoints.get(entry.index).iter().flat_map(|own| &own.records) {
                for name in &record.names {
                    names.insert((name.octets(), record.wildcard), &entry.place);
                }
            }
        }
        for old in &flat.endpoints {
            let Some(endpoint) = tables.endpoints.get(old.index) else { continue };
            for (index, record) in endpoint.records.iter().enumerate() {
                let by = record.names.iter().find_map(|name| names.get(&(name.octets(), record.wildcard)));
                if let (Some(by), false) = (by, flat.hidden.contains(&(old.index, index))) {
                    findings.push(hides(by, key.clone(), format!("record {}", record.written), &record.place));
                    flat.hidden.push((old.index, index));
                }
            }
        }
    }
    flat.endpoints.extend(own);
}

/// The remark that an own entry hides an inherited one.
fn hides(place: &Place, key: String, what: String, other: &Place) -> Finding {
    Finding::new(&codes::HIDDEN, place.clone(), key, format!("{what} of the extended view is hidden"))
        .see(other.clone(), "hidden here")
}

/// Resolves the names of one view.
struct Resolver<'r, 't> {
    tables: &'r Tables<'t>,
    spec: &'t ViewSpec,
    findings: &'r mut Vec<Finding>,
    failed: bool,
}

impl Resolver<'_, '_> {
    /// The view's own endpoints.
    fn endpoints(&mut self) -> Vec<Entry> {
        let names: Vec<&str> = self.tables.endpoints.iter().map(|own| &*own.name.value).collect();
        // endpoints that were written but could not be built are not unknown
        let written: Vec<&str> = self.tables.spec.endpoints.iter().map(|own| &*own.name.value).collect();
        self.entries(
            &self.spec.endpoints,
            "endpoints",
            &self.tables.endpoint_names,
            &names,
            &written,
            &codes::UNKNOWN_ENDPOINT,
            "endpoint",
        )
    }

    /// The view's own zones.
    fn zones(&mut self) -> Vec<Entry> {
        let names: Vec<&str> = self.tables.zones.iter().map(|own| &*own.name.value).collect();
        self.entries(&self.spec.zones, "zones", &self.tables.zone_names, &names, &[], &codes::UNKNOWN_ZONE, "zone")
    }

    /// Names and globs of one list.
    #[expect(clippy::too_many_arguments, reason = "one list of names against one table, called twice")]
    fn entries(
        &mut self,
        list: &[Spanned<String>],
        key: &str,
        by_name: &HashMap<&str, usize>,
        names: &[&str],
        written: &[&str],
        unknown: &'static codes::CodeRow,
        what: &str,
    ) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen = hashbrown::HashSet::new();
        for (at, item) in list.iter().enumerate() {
            let key = format!("{}.{key}[{at}]", self.spec.path);
            if !item.value.contains(['*', '?', '[']) {
                if let Some(&index) = by_name.get(&*item.value) {
                    if seen.insert(index) {
                        entries.push(Entry { index, place: item.place.clone(), own: true });
                    }
                    continue;
                }
                self.failed = true;
                if written.contains(&&*item.value) || self.tables.spec.incomplete {
                    continue;
                }
                let message = format!("there is no {what} {:?}", item.value);
                let near = suggest(&item.value, names.iter().copied());
                self.findings.push(
                    Finding::new(unknown, item.place.clone(), key, message)
                        .maybe_hint(near.map(|near| format!("did you mean {near:?}?"))),
                );
                continue;
            }
            let fits = matcher(&item.value);
            let mut any = false;
            for (index, _) in names.iter().enumerate().filter(|(_, name)| fits(name)) {
                any = true;
                if seen.insert(index) {
                    entries.push(Entry { index, place: item.place.clone(), own: true });
                }
            }
            if !any && !self.tables.spec.incomplete {
                let message = format!("no {what} is called {:?}", item.value);
                self.findings.push(Finding::new(&codes::NAME_GLOB_EMPTY, item.place.clone(), key, message));
            }
        }
        entries
    }

    /// The view's own routes.
    fn routes(&mut self) -> Vec<RouteEntry> {
        let mut routes = Vec::new();
        for (index, route) in self.spec.forward.iter().enumerate() {
            if let Some(upstream) = self.upstream(&route.upstream, &format!("forward[{index}].upstream")) {
                routes.push(RouteEntry { suffix: route.suffix.clone(), upstream, own: true });
            }
        }
        routes
    }

    /// An upstream by name.
    fn upstream(&mut self, name: &Spanned<String>, key: &str) -> Option<usize> {
        let found = self.tables.upstreams.get(&*name.value).copied();
        if found.is_none() {
            self.failed = true;
            if !self.tables.spec.incomplete {
                let message = format!("there is no upstream {:?}", name.value);
                let near = suggest(&name.value, self.tables.upstreams.keys().copied());
                let key = format!("{}.{key}", self.spec.path);
                self.findings.push(
                    Finding::new(&codes::UNKNOWN_UPSTREAM, name.place.clone(), key, message)
                        .maybe_hint(near.map(|near| format!("did you mean {near:?}?"))),
                );
            }
        }
        found
    }
}

/// Whether a name is one or fits a glob.
fn matcher(pattern: &str) -> impl Fn(&str) -> bool {
    let glob = glob::Pattern::new(pattern).ok();
    move |name| glob.as_ref().is_some_and(|glob| glob.matches(name))
}
