//! A set-up → tables. Names of AVD become endpoints by the GUID in them, for a zone of theirs would hide what it lacks.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use super::setup::{Named, NamedData, Scope, Setup, ViewSetup, ZoneSetup, server_of};
use super::{Format, Options};
use crate::config::{Finding, Place, codes};
use crate::import::azure::kind_by_names;
use crate::import::names::Names;
use crate::import::tables::DEFAULT_UPSTREAM;
use crate::import::{Data, Endpoint, Group, PLATFORM, Record, Tables, Upstream, View, Zone, ZoneContent};
use crate::wire::Name;
use crate::zone::avd::{Clouds, Kind, guid_text};

/// The most lines of the comment that lists what is not carried over.
const LISTED: usize = 200;
/// The name of the abstract view of what everybody has.
const BASE: &str = "base";
/// The name of the abstract view of the routes alone.
const ROUTES: &str = "routes";

/// The tables of a set-up.
pub(super) fn tables(
    format: Format,
    path: &Path,
    mut setup: Setup,
    options: &Options,
    findings: &mut Vec<Finding>,
) -> Tables {
    let mut head = options.head();
    defaults(&mut setup, options);
    let mut builder = Builder::default();
    if let Some(head) = &mut head {
        if options.listen.is_empty() && !setup.listen.is_empty() {
            setup.listen.sort();
            setup.listen.dedup();
            head.listen.clone_from(&setup.listen);
        }
        let plain: Vec<SocketAddr> = setup.common.default.iter().filter_map(|text| socket(text)).collect();
        if plain.len() == setup.common.default.len() {
            head.upstream = plain;
            builder.common = Some(DEFAULT_UPSTREAM.to_owned());
        }
        builder.upstream_names.take(DEFAULT_UPSTREAM, "");
    }
    let views = views(&mut builder, &mut setup, findings);
    let left = setup.take_left();
    let comments = comments(format, path, &left);
    findings.extend(left);
    let groups = vec![Group { comments: Vec::new(), endpoints: builder.endpoints, zones: builder.zones }];
    let mut tables = Tables { comments, head, upstreams: builder.upstreams.into_values().collect(), groups, views };
    tables.upstreams.sort_by(|one, other| one.name.cmp(&other.name));
    if tables.upstreams.is_empty() {
        // the file's one upstream goes without saying
        tables.views.iter_mut().for_each(|view| view.upstream = None);
    }
    tables
}

/// Settles where names without a route go: the command line, the source, Azure's resolver.
fn defaults(setup: &mut Setup, options: &Options) {
    if !options.upstream.is_empty() {
        setup.common.default = options.upstream.iter().map(|own| server_of(own.ip(), Some(own.port()))).collect();
    }
    if setup.common.default.is_empty() {
        let how = if setup.iterates { "were resolved from the root" } else { "had no server" };
        let message = format!("names without a route {how}; here they go to {PLATFORM}");
        setup.leave(setup.start(), message);
        setup.common.default = vec![PLATFORM.to_string()];
    }
}

/// The comments at the head of the file.
fn comments(format: Format, path: &Path, left: &[Finding]) -> Vec<String> {
    let mut comments = vec![format!("Made by `hubdns import {}` from {}.", format.word(), path.display())];
    if !left.is_empty() {
        comments.push(String::new());
        comments.push("Not carried over:".to_owned());
        let shown = left.iter().take(LISTED);
        comments.extend(shown.map(|own| format!("  line {}: {}", own.place.line(), own.message)));
        if left.len() > LISTED {
            comments.push(format!("  and {} more", left.len() - LISTED));
        }
    }
    comments
}

/// All views: one, or an abstract base and those that extend it.
fn views(builder: &mut Builder, setup: &mut Setup, findings: &mut Vec<Finding>) -> Vec<View> {
    let mut rest = std::mem::take(&mut setup.rest);
    let common = builder.scope(std::mem::take(&mut setup.common), "", findings);
    let reverse = builder.common.clone().filter(|_| setup.reverse);
    rest.sort_by_key(ToString::to_string);
    rest.dedup();
    if setup.views.is_empty() {
        let name = builder.view_names.take("clients", "");
        return vec![common.view(View { name, networks: rest, reverse, ..View::default() })];
    }
    for own in [BASE, ROUTES] {
        builder.view_names.take(own, "");
    }
    let mut views = Vec::new();
    let mut common = common;
    if setup.views.iter().any(|view| view.alone) {
        let routes = Built {
            upstream: common.upstream.take(),
            forward: std::mem::take(&mut common.forward),
            ..Built::default()
        };
        let comments = vec!["The routes of every view.".to_owned()];
        let name = ROUTES.to_owned();
        let reverse = reverse.clone();
        views.push(routes.view(View { comments, name, reverse, is_abstract: true, ..View::default() }));
    }
    let extends = (!views.is_empty()).then(|| ROUTES.to_owned());
    let comments = vec!["What views have in common.".to_owned()];
    let name = BASE.to_owned();
    let reverse = reverse.filter(|_| extends.is_none());
    views.push(common.view(View { comments, name, reverse, is_abstract: true, extends, ..View::default() }));
    for own in std::mem::take(&mut setup.views) {
        let name = builder.view_names.take(&own.name, "");
        let built = builder.scope(own.scope, &name, findings);
        let base = if own.alone { ROUTES } else { BASE };
        let ViewSetup { networks, listeners, place, .. } = own;
        let extends = Some(base.to_owned());
        views.push(built.view(View { name, networks, listeners, place, extends, ..View::default() }));
    }
    if !rest.is_empty() {
        let name = builder.view_names.take("everybody-else", "");
        let view = View { name, networks: rest, extends: Some(BASE.to_owned()), ..View::default() };
        views.push(view);
    }
    for view in &mut views {
        view.networks.sort_by_key(ToString::to_string);
        view.networks.dedup();
    }
    let used = |name: &str, views: &[View]| views.iter().any(|view| view.extends.as_deref() == Some(name));
    if !used(BASE, &views) {
        // every view is alone
        views.retain(|view| view.name != BASE);
    }
    views
}

/// A server without a transport of its own.
fn socket(text: &str) -> Option<SocketAddr> {
    let address = text.parse::<IpAddr>().map(|address| SocketAddr::new(address, 53));
    address.or_else(|_| text.parse::<SocketAddr>()).ok()
}

/// What a scope has come to: the names of tables.
#[derive(Default)]
struct Built {
    upstream: Option<String>,
    forward: Vec<(String, String)>,
    endpoints: Vec<String>,
    zones: Vec<String>,
}

impl Built {
    /// The view that has it.
    fn view(self, view: View) -> View {
        let Self { upstream, forward, endpoints, zones } = self;
        View { upstream, forward, endpoints, zones, ..view }
    }
}

/// Tables under way.
#[derive(Default)]
struct Builder {
    clouds: Clouds,
    /// The name of the upstream of names without a route.
    common: Option<String>,
    upstreams: BTreeMap<Vec<String>, Upstream>,
    upstream_names: Names,
    endpoint_names: Names,
    zone_names: Names,
    view_names: Names,
    endpoints: Vec<Endpoint>,
    zones: Vec<Zone>,
}

impl Builder {
    /// The upstream of these servers; equal servers are one upstream.
    fn upstream(&mut self, servers: &[String], wanted: &str, place: Option<&Place>) -> String {
        if let Some(upstream) = self.upstreams.get(servers) {
            return upstream.name.clone();
        }
        let name = self.upstream_names.take(wanted, "");
        let upstream =
            Upstream { comments: Vec::new(), name: name.clone(), servers: servers.to_vec(), place: place.cloned() };
        self.upstreams.insert(servers.to_vec(), upstream);
        name
    }

    /// Makes the tables of a scope; `of` is the view whose it is, empty for everybody's.
    fn scope(&mut self, scope: Scope, of: &str, findings: &mut Vec<Finding>) -> Built {
        let mut built = Built::default();
        if of.is_empty() && self.common.is_none() {
            self.common = Some(self.upstream(&scope.default, "everything-else", None));
        }
        if of.is_empty() {
            built.upstream.clone_from(&self.common);
        } else if !scope.default.is_empty() {
            built.upstream = Some(self.upstream(&scope.default, of, None));
        }
        let mut suffixes = BTreeSet::new();
        // the last one of a suffix counts
        for route in scope.routes.into_iter().rev() {
            if suffixes.insert(route.suffix.clone()) {
                let upstream = match &route.servers[..] {
                    [] => self.common.clone().unwrap_or_default(),
                    servers => self.upstream(servers, &route.suffix, Some(&route.place)),
                };
                built.forward.push((route.suffix, upstream));
            }
        }
        built.forward.sort();
        self.names(scope.zones, scope.names, of, &mut built, findings);
        built
    }

    /// Puts names into zones and endpoints.
    fn names(
        &mut self,
        mut zones: Vec<ZoneSetup>,
        names: Vec<Named>,
        of: &str,
        built: &mut Built,
        findings: &mut Vec<Finding>,
    ) {
        let (avd, names): (Vec<Named>, Vec<Named>) =
            names.into_iter().partition(|own| matches!(own.data, NamedData::Address(_)) && self.is_avd(&own.name));
        let apexes: BTreeSet<String> =
            zones.iter().filter(|own| own.file.is_none()).map(|own| own.apex.clone()).collect();
        // an alias needs a zone: its parent's, which forwards all else
        let mut parents: BTreeSet<&str> = BTreeSet::new();
        for own in names.iter().filter(|own| matches!(own.data, NamedData::Alias(_))) {
            let parent = own.name.split_once('.').map(|(_, parent)| parent);
            if home(&own.name, &apexes).is_none()
                && let Some(parent) = parent.filter(|parent| parents.insert(*parent))
            {
                let apex = parent.to_owned();
                zones.push(ZoneSetup { apex, forward: true, file: None, ttl: None, place: own.place.clone() });
            }
        }
        let apexes: BTreeSet<String> =
            zones.iter().filter(|own| own.file.is_none()).map(|own| own.apex.clone()).collect();
        let mut inside: BTreeMap<String, Vec<Named>> = BTreeMap::new();
        let mut loose = Vec::new();
        for own in names {
            match home(&own.name, &apexes).map(str::to_owned) {
                Some(apex) => inside.entry(apex).or_default().push(own),
                None => loose.push(own),
            }
        }
        // the last one of an apex counts
        let zones: BTreeMap<String, ZoneSetup> = zones.into_iter().map(|own| (own.apex.clone(), own)).collect();
        for zone in zones.into_values() {
            let own = if zone.file.is_none() { inside.remove(&zone.apex).unwrap_or_default() } else { Vec::new() };
            // a zone at AVD's own suffix is its names as endpoints
            let is_suffix =
                Name::from_presentation(&zone.apex).is_ok_and(|apex| self.clouds.is_private_link_suffix(apex.as_ref()));
            if is_suffix && own.is_empty() && zone.file.is_none() {
                continue;
            }
            let name = self.zone_names.take(&zone.apex, of);
            built.zones.push(name.clone());
            self.zones.push(table(name, zone, own, findings));
        }
        let single: Vec<Named> = loose.into_iter().filter(|own| matches!(own.data, NamedData::Address(_))).collect();
        if !single.is_empty() {
            let wanted = if of.is_empty() { "local-names".to_owned() } else { format!("{of}-names") };
            built.endpoints.push(self.endpoint(&wanted, Kind::Other, None, single));
        }
        let made = self.avd(avd, of);
        built.endpoints.extend(made);
    }

    fn is_avd(&self, name: &str) -> bool {
        let name = Name::from_presentation(name.strip_prefix("*.").unwrap_or(name));
        name.is_ok_and(|name| self.clouds.classify(name.as_ref()).is_some())
    }

    /// Endpoints of AVD's names, one for each GUID.
    fn avd(&mut self, names: Vec<Named>, of: &str) -> Vec<String> {
        let mut groups: BTreeMap<Option<u128>, Vec<Named>> = BTreeMap::new();
        for own in names {
            let name = Name::from_presentation(own.name.strip_prefix("*.").unwrap_or(&own.name)).ok();
            let guid = name.and_then(|name| self.clouds.classify(name.as_ref())?.guid);
            groups.entry(guid).or_default().push(own);
        }
        let mut made = Vec::new();
        for (guid, names) in groups {
            let wire: Vec<Name> = names.iter().filter_map(|own| Name::from_presentation(&own.name).ok()).collect();
            let kind = kind_by_names(&wire, &self.clouds).unwrap_or(Kind::Global);
            let guid = guid.map(guid_text);
            let part = guid.as_deref().and_then(|guid| guid.get(..8)).map(|part| format!("-{part}"));
            let wanted = format!("{kind}{}", part.unwrap_or_default());
            let wanted = if of.is_empty() { wanted } else { format!("{wanted}-{of}") };
            made.push(self.endpoint(&wanted, kind, guid, names));
        }
        made
    }

    /// An endpoint of names with addresses.
    fn endpoint(&mut self, wanted: &str, kind: Kind, resource: Option<String>, names: Vec<Named>) -> String {
        let name = self.endpoint_names.take(wanted, "");
        let place = names.first().map(|own| own.place.clone());
        let ttl = names.iter().filter_map(|own| own.ttl).min();
        let mut records: BTreeMap<String, (BTreeSet<IpAddr>, Place)> = BTreeMap::new();
        for own in names {
            let NamedData::Address(address) = own.data else { continue };
            records.entry(own.name).or_insert_with(|| (BTreeSet::new(), own.place)).0.insert(address);
        }
        let records = records.into_iter().map(|(name, (addresses, place))| Record {
            name,
            addresses: addresses.into_iter().collect(),
            comment: None,
            place: Some(place),
        });
        let records = records.collect();
        self.endpoints.push(Endpoint { comments: Vec::new(), name: name.clone(), kind, resource, ttl, records, place });
        name
    }
}

/// The deepest of these apexes that a name is at or below.
fn home<'a>(name: &str, apexes: &'a BTreeSet<String>) -> Option<&'a str> {
    let mut rest = name.strip_prefix("*.").unwrap_or(name);
    loop {
        if let Some(apex) = apexes.get(rest) {
            return Some(apex);
        }
        rest = rest.split_once('.')?.1;
    }
}

/// A zone's table.
fn table(name: String, zone: ZoneSetup, names: Vec<Named>, findings: &mut Vec<Finding>) -> Zone {
    let ttl = zone.ttl.or(names.iter().filter_map(|own| own.ttl).min());
    let mut owners: BTreeMap<String, (Option<String>, BTreeSet<IpAddr>, Place)> = BTreeMap::new();
    for own in names {
        let owner = match own.name.strip_suffix(&zone.apex).map(|head| head.trim_end_matches('.')) {
            Some("") => "@".to_owned(),
            Some(head) => head.to_owned(),
            None => format!("{}.", own.name),
        };
        let entry = owners.entry(owner).or_insert_with(|| (None, BTreeSet::new(), own.place.clone()));
        match own.data {
            NamedData::Address(address) => drop(entry.1.insert(address)),
            NamedData::Alias(target) => entry.0 = Some(target),
        }
        if entry.0.is_some() && !entry.1.is_empty() {
            let message = format!("{} has an alias beside addresses", own.name);
            findings.push(Finding::new(&codes::CNAME_BESIDE_DATA, own.place, "", message));
        }
    }
    let records = owners.into_iter().map(|(owner, (alias, addresses, place))| match alias {
        Some(target) => (owner, Data::Alias(target), Some(place)),
        None => (owner, Data::Addresses(addresses.into_iter().collect()), Some(place)),
    });
    let content = match zone.file {
        Some(file) => ZoneContent::File(file),
        None => ZoneContent::Records(records.collect()),
    };
    let place = Some(zone.place);
    Zone { comments: Vec::new(), name, apex: zone.apex, content, ttl, forward: zone.forward, place }
}
