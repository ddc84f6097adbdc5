//! `GET views` and `GET endpoints`: what is served, with the lines that say so.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use hashbrown::HashSet;
use serde::{Deserialize, Serialize};

use super::problem::Problem;
use super::request::{Page, Paging, parameters};
use super::{Answer, Api, answer};
use crate::metrics::{Board, What};
use crate::view::{GuardMode, ListenerMatch, Route, Snapshot, Unlisted, View};
use crate::zone::{Endpoint, EndpointRecord, Missing, Origin};

/// Parts of one item that are told at most; a count tells of the rest.
const MOST_PARTS: usize = 200;

/// A list inside an item.
#[derive(Debug, Serialize)]
struct Parts<T> {
    total: usize,
    /// The first of them.
    items: Vec<T>,
}

fn parts<A, T>(all: impl ExactSizeIterator<Item = A>, make: impl FnMut(A) -> T) -> Parts<T> {
    Parts { total: all.len(), items: all.take(MOST_PARTS).map(make).collect() }
}

/// A line of a file.
#[derive(Debug, Serialize)]
struct Place {
    file: String,
    line: u32,
}

impl From<&Origin> for Place {
    fn from(origin: &Origin) -> Self {
        Self { file: origin.file.to_string(), line: origin.line }
    }
}

/// A view.
#[derive(Debug, Serialize)]
pub(super) struct ToldView {
    name: String,
    place: Place,
    networks: Parts<String>,
    listeners: Parts<String>,
    upstream: String,
    forward: Parts<ToldForward>,
    reverse: Option<String>,
    endpoints: Parts<String>,
    zones: Parts<ToldZone>,
    private: Vec<&'static str>,
    guard: &'static str,
    unlisted: &'static str,
    reply_within_ms: Option<u64>,
    /// Answers since the start, by what they were made of.
    queries: BTreeMap<&'static str, u64>,
}

/// A route of a view.
#[derive(Debug, Serialize)]
struct ToldForward {
    suffix: String,
    upstream: String,
}

/// A zone of a view.
#[derive(Debug, Serialize)]
struct ToldZone {
    name: String,
    apex: String,
    place: Place,
    missing: &'static str,
}

pub(super) async fn views(State(api): State<Arc<Api>>, uri: Uri) -> Answer<Page<ToldView>> {
    let paging: Paging = parameters(&uri)?;
    let served = api.served()?;
    let (snapshot, board) = (served.shared.snapshot.load_full(), Arc::clone(&served.board));
    answer(api.pass(move || page_of_views(&snapshot, &board, &paging)).await?)
}

fn page_of_views(snapshot: &Snapshot, board: &Board, paging: &Paging) -> Result<Page<ToldView>, Problem> {
    let mut queries: BTreeMap<Arc<str>, BTreeMap<&'static str, u64>> = BTreeMap::new();
    for ((view, labels), count) in board.tallied() {
        if labels.what() == What::Query {
            let [.., source] = labels.words();
            *queries.entry(view).or_default().entry(source).or_default() += count;
        }
    }
    let told = |view: &View| told_view(snapshot, view, queries.remove(&view.name).unwrap_or_default());
    paging.page(&snapshot.views, told)
}

fn told_view(snapshot: &Snapshot, view: &View, queries: BTreeMap<&'static str, u64>) -> ToldView {
    let upstream = |route: Route| snapshot.group(route).map_or_else(String::new, |group| group.name.to_string());
    let forward: Vec<_> = view.forward_suffixes().collect();
    ToldView {
        name: view.name.to_string(),
        place: (&view.origin).into(),
        networks: parts(view.networks.iter(), ToString::to_string),
        listeners: parts(view.listeners.iter(), |listener| match listener {
            ListenerMatch::Address(address) => address.to_string(),
            ListenerMatch::Socket(socket) => socket.to_string(),
        }),
        upstream: upstream(view.default_route),
        forward: parts(forward.into_iter(), |(suffix, route)| ToldForward {
            suffix: suffix.to_string(),
            upstream: upstream(route),
        }),
        reverse: view.reverse_route().map(upstream),
        endpoints: parts(view.endpoints.iter(), |own| own.name.to_string()),
        zones: parts(view.zones.iter(), |(zone, missing)| ToldZone {
            name: zone.name.to_string(),
            apex: zone.apex().to_string(),
            place: (&zone.origin).into(),
            missing: match missing {
                Missing::NxDomain => "nxdomain",
                Missing::Forward => "forward",
            },
        }),
        private: view.private.iter().map(|kind| kind.word()).collect(),
        guard: match view.guard {
            GuardMode::Own => "own",
            GuardMode::All => "all",
            GuardMode::Watch => "watch",
            GuardMode::Off => "off",
        },
        unlisted: match view.unlisted {
            Unlisted::Forward => "forward",
            Unlisted::NxDomain => "nxdomain",
        },
        reply_within_ms: view.reply_within.map(|within| u64::try_from(within.as_millis()).unwrap_or(u64::MAX)),
        queries,
    }
}

/// An endpoint.
#[derive(Debug, Serialize)]
pub(super) struct ToldEndpoint {
    name: String,
    kind: &'static str,
    resource: Option<String>,
    place: Place,
    /// The views that have it, with what is done with its names there.
    views: Parts<InView>,
    records: Parts<ToldRecord>,
}

/// An endpoint in a view.
#[derive(Debug, Serialize)]
struct InView {
    view: String,
    state: &'static str,
}

/// A record.
#[derive(Debug, Serialize)]
struct ToldRecord {
    /// Both spellings, the public one first; of a wildcard with the `*`.
    names: Vec<String>,
    addresses: Vec<String>,
    ttl: u32,
    place: Place,
}

/// Which endpoints are asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    view: Option<String>,
    name: Option<String>,
    limit: Option<usize>,
    #[serde(default)]
    offset: usize,
}

pub(super) async fn endpoints(State(api): State<Arc<Api>>, uri: Uri) -> Answer<Page<ToldEndpoint>> {
    let wanted: Wanted = parameters(&uri)?;
    let snapshot = api.served()?.shared.snapshot.load_full();
    answer(api.pass(move || page_of_endpoints(&snapshot, &wanted)).await?)
}

fn page_of_endpoints(snapshot: &Snapshot, wanted: &Wanted) -> Result<Page<ToldEndpoint>, Problem> {
    let mut found: BTreeMap<&str, Vec<(&View, &Arc<Endpoint>)>> = BTreeMap::new();
    for view in &snapshot.views {
        for endpoint in &view.endpoints {
            if wanted.name.as_deref().is_none_or(|name| name == &*endpoint.name) {
                found.entry(&endpoint.name).or_default().push((view, endpoint));
            }
        }
    }
    if let Some(name) = &wanted.view {
        found.retain(|_, places| places.iter().any(|(view, _)| *view.name == **name));
    }
    let found: Vec<_> = found.into_iter().collect();
    Page::of(&found, wanted.limit, wanted.offset, |(name, places)| told_endpoint(name, places))
}

/// An endpoint out of its places: a view may have a part of its records only.
fn told_endpoint(name: &str, places: &[(&View, &Arc<Endpoint>)]) -> ToldEndpoint {
    let mut seen = HashSet::new();
    let records = places.iter().flat_map(|(_, endpoint)| &endpoint.records);
    let records: Vec<&EndpointRecord> = records.filter(|own| seen.insert((&own.names, own.wildcard))).collect();
    let first = places.first().map(|(_, endpoint)| endpoint);
    ToldEndpoint {
        name: name.to_owned(),
        kind: first.map_or("", |own| own.kind.word()),
        resource: first.and_then(|own| own.resource.clone()),
        place: first.map_or(Place { file: String::new(), line: 0 }, |own| (&own.origin).into()),
        views: parts(places.iter(), |(view, own)| InView { view: view.name.to_string(), state: own.state.word() }),
        records: parts(records.into_iter(), |record| ToldRecord {
            names: record
                .names
                .iter()
                .map(|name| format!("{}{name}", if record.wildcard { "*." } else { "" }))
                .collect(),
            addresses: record.addresses().map(|address| address.to_string()).collect(),
            ttl: record.a.as_ref().or(record.aaaa.as_ref()).map_or(0, |set| set.ttl().seconds()),
            place: (&record.origin).into(),
        }),
    }
}
