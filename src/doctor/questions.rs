//! What is asked as a view's client, and what is expected to come.

use hashbrown::HashSet;

use super::Options;
use super::judge::Expected;
use crate::azure::needs::{self, Need, Own};
use crate::view::{Snapshot, Unlisted, Verdict, View, Why};
use crate::wire::{Name, NameRef, WireName, rtype};
use crate::zone::avd::{Cloud, Kind, guid_text};
use crate::zone::{Endpoint, EndpointRecord};

/// One name to ask for.
#[derive(Debug)]
pub(super) struct Subject {
    /// The AVD process, or what else the name is for.
    pub(super) process: String,
    /// Who needs it; empty where that is the process's matter.
    pub(super) who: &'static str,
    /// QNAME.
    pub(super) name: WireName,
    /// As it is shown, where that is not QNAME: `*.digicert.com`.
    pub(super) shown: Option<String>,
    /// QTYPE.
    pub(super) qtype: u16,
    /// Where the name is from.
    pub(super) source: String,
    /// What should come.
    pub(super) expected: Expected,
    /// Whether AVD works without it.
    pub(super) optional: bool,
    /// Whether it is asked at all: of names below a parent only the route is known.
    pub(super) is_sent: bool,
}

/// Everything to ask as a client of `view`, each name once.
pub(super) fn of_view(snapshot: &Snapshot, view: &View, options: &Options) -> Vec<Subject> {
    let clouds = clouds(snapshot);
    let mut found = Vec::new();
    for cloud in &clouds {
        found.extend(own(snapshot, view, cloud, &needs::DISCOVERY, Some(Kind::Global)));
    }
    for kind in [Kind::Global, Kind::Workspace, Kind::HostPool, Kind::Other] {
        let endpoints = view.endpoints.iter().filter(|endpoint| endpoint.kind == kind);
        for (endpoint, record) in endpoints.flat_map(|own| own.records.iter().map(move |record| (own, record))) {
            found.extend(of_record(snapshot, view, endpoint, record));
        }
        if kind != Kind::Other && !view.private.contains(&kind) {
            found.extend(elsewhere(snapshot, view, kind));
        }
    }
    for (file, names) in &options.files {
        for host in names {
            let Ok(name) = WireName::from_presentation(&host.name) else { continue };
            let kind = snapshot.clouds.kind_by_name(name.as_ref());
            let expected = expected(snapshot, view, name.as_ref(), kind);
            let process = kind.map_or("session", Kind::process).to_owned();
            found.push(Subject {
                source: format!("{file}:{} {}", host.line, host.key),
                ..subject(process, name, expected)
            });
        }
    }
    for cloud in &clouds {
        found.extend(needs::OWN.iter().filter_map(|label| own(snapshot, view, cloud, label, None)));
    }
    if clouds.iter().any(|cloud| needs::DISCOVERY.under.contains(&&*cloud.public.to_string())) {
        found.extend(needs::AZURE.iter().filter_map(needed));
    }
    found.extend(clouds.first().and_then(|cloud| guest(view, cloud)));
    let mut seen: HashSet<(Name, u16)> = HashSet::new();
    found.retain(|own| seen.insert((own.name.into(), own.qtype)));
    found
}

fn subject(process: String, name: WireName, expected: Expected) -> Subject {
    Subject {
        process,
        who: "",
        name,
        shown: None,
        qtype: rtype::A,
        source: String::new(),
        expected,
        optional: false,
        is_sent: true,
    }
}

/// The clouds that the configuration has endpoints in; without any, Azure.
pub(super) fn clouds(snapshot: &Snapshot) -> Vec<&Cloud> {
    let mut found: Vec<&Cloud> = Vec::new();
    let records = snapshot.views.iter().flat_map(|view| &view.endpoints).flat_map(|endpoint| &endpoint.records);
    for name in records.filter_map(|record| record.names.first()) {
        if let Some(avd) = snapshot.clouds.classify(name.as_ref())
            && !found.contains(&avd.cloud)
        {
            found.push(avd.cloud);
        }
    }
    if found.is_empty() { snapshot.clouds.iter().take(1).collect() } else { found }
}

/// A name of AVD's own that is known by its label.
fn own(snapshot: &Snapshot, view: &View, cloud: &Cloud, own: &Own, kind: Option<Kind>) -> Option<Subject> {
    own.under.contains(&&*cloud.public.to_string()).then_some(())?;
    let name = WireName::from_presentation(&format!("{}.{}", own.label, cloud.public)).ok()?;
    let expected = expected(snapshot, view, name.as_ref(), kind);
    let source = "built in".to_owned();
    Some(Subject { who: own.who.word(), source, ..subject(own.purpose.to_owned(), name, expected) })
}

/// A record of one of the view's endpoints. Wildcards have no name to ask for.
fn of_record(snapshot: &Snapshot, view: &View, endpoint: &Endpoint, record: &EndpointRecord) -> Option<Subject> {
    let name = record.names.first().filter(|_| !record.wildcard)?.as_ref().to_wire();
    let qtype = if record.a.is_none() && record.aaaa.is_some() { rtype::AAAA } else { rtype::A };
    let source = format!("endpoint {} ({})", endpoint.name, record.origin);
    let process = if endpoint.kind == Kind::Other { "private endpoint" } else { endpoint.kind.process() };
    let expected = expected(snapshot, view, name.as_ref(), Some(endpoint.kind));
    Some(Subject { qtype, source, ..subject(process.to_owned(), name, expected) })
}

/// For a kind that is not private here: one name of each resource that other views have an endpoint for.
fn elsewhere(snapshot: &Snapshot, view: &View, kind: Kind) -> Vec<Subject> {
    let endpoints = snapshot.views.iter().flat_map(|view| &view.endpoints).filter(|endpoint| endpoint.kind == kind);
    let one = |endpoint: &std::sync::Arc<Endpoint>| {
        let names = endpoint.records.iter().filter(|record| !record.wildcard).filter_map(|record| record.names.first());
        // The shortest is the one that people know.
        let name = names.min_by_key(|name| name.octets().len())?.as_ref().to_wire();
        let expected = expected(snapshot, view, name.as_ref(), Some(kind));
        let source = format!("endpoint {} of other views", endpoint.name);
        Some(Subject { source, ..subject(kind.process().to_owned(), name, expected) })
    };
    endpoints.filter_map(one).collect()
}

fn needed(need: &Need) -> Option<Subject> {
    let (name, shown) = match need.parent() {
        Some(parent) => (format!("{:016x}.{parent}", rand::random::<u64>()), Some(need.name.to_owned())),
        None => (need.name.to_owned(), None),
    };
    let name = WireName::from_presentation(&name).ok()?;
    let expected = if shown.is_some() { Expected::Forwarded } else { Expected::Address };
    let process = match need.purpose {
        "" if need.optional => "optional".to_owned(),
        "" => "needed".to_owned(),
        purpose if need.optional => format!("{purpose}, optional"),
        purpose => purpose.to_owned(),
    };
    Some(Subject {
        who: need.who.word(),
        is_sent: shown.is_none(),
        shown,
        source: "built in".to_owned(),
        optional: need.optional,
        ..subject(process, name, expected)
    })
}

/// The feed of a workspace that nobody has: what a guest of another tenant meets.
fn guest(view: &View, cloud: &Cloud) -> Option<Subject> {
    let guid = guid_text(rand::random());
    let name = WireName::from_presentation(&format!("{guid}.{}", cloud.public)).ok()?;
    let expected = if view.unlisted == Unlisted::NxDomain { Expected::Blocked } else { Expected::Forwarded };
    let source = "made up: another tenant's workspace".to_owned();
    Some(Subject { source, ..subject("a guest's feed".to_owned(), name, expected) })
}

/// What a view's `private` and `unlisted` want of a name. `kind` is what the name is for, as far as the caller knows.
pub(super) fn expected(snapshot: &Snapshot, view: &View, name: NameRef<'_>, kind: Option<Kind>) -> Expected {
    let by_kind = |kind: Kind| if view.private.contains(&kind) { Expected::Private } else { Expected::Public };
    match snapshot.look_up(view, name, rtype::A) {
        Verdict::Endpoint { endpoint, .. } | Verdict::Forward { why: Why::Public(endpoint), .. } => {
            return if endpoint.kind == Kind::Other { Expected::Private } else { by_kind(endpoint.kind) };
        }
        _ => {}
    }
    let Some(avd) = snapshot.clouds.classify(name) else { return Expected::Address };
    match avd.guid {
        Some(guid) => match view.endpoint_of(guid) {
            Some(endpoint) => by_kind(endpoint.kind),
            None if view.unlisted == Unlisted::NxDomain && !snapshot.is_known(guid) => Expected::Blocked,
            None => Expected::Public,
        },
        None if kind == Some(Kind::Global) => by_kind(Kind::Global),
        None => Expected::Public,
    }
}
