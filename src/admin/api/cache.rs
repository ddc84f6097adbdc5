//! `GET cache` and `POST cache/flush`: what upstream answers are held, and having them dropped.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};

use super::problem::Problem;
use super::request::{Page, body, parameters};
use super::{Answer, Api, answer};
use crate::admin::http::Ends;
use crate::cache::{Entry, Flush};
use crate::resolve::general::Shared;
use crate::view::Snapshot;
use crate::wire::{End, Key, Moment, RecordType, RouteId, WireName, rcode};

/// Entries that one look-up takes note of at most.
const MOST_ENTRIES: usize = 10_000;

/// Which entries are asked for: those of a name, of an upstream, or of both.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    name: Option<String>,
    route: Option<String>,
    limit: Option<usize>,
    #[serde(default)]
    offset: usize,
}

/// Entries.
#[derive(Debug, Serialize)]
pub(super) struct Found {
    #[serde(flatten)]
    page: Page<ToldEntry>,
    /// Whether there are more than were taken note of.
    cut: bool,
}

/// An entry.
#[derive(Debug, Clone, Serialize)]
struct ToldEntry {
    name: String,
    #[serde(rename = "type")]
    qtype: String,
    /// The upstreams whose servers it came from; none where the file names them no more.
    upstreams: Vec<String>,
    dnssec_ok: bool,
    checking_disabled: bool,
    /// `positive`, `negative` or `failure`.
    kind: &'static str,
    rcode: String,
    /// Whole seconds; none once its life is over.
    ttl_left: Option<u64>,
    /// Whether it may serve in place of a failure.
    stale: bool,
    age_seconds: u32,
    octets: u64,
}

pub(super) async fn entries(State(api): State<Arc<Api>>, uri: Uri) -> Answer<Found> {
    let wanted: Wanted = parameters(&uri)?;
    let shared = Arc::clone(&api.served()?.shared);
    answer(api.pass(move || find(&shared, &wanted)).await?)
}

fn find(shared: &Shared, wanted: &Wanted) -> Result<Found, Problem> {
    let snapshot = shared.snapshot.load();
    let name = wanted.name.as_deref().map(read_name).transpose()?;
    let route = wanted.route.as_deref().map(|upstream| route_of(&snapshot, upstream)).transpose()?;
    let meant = match (&name, route) {
        (Some(name), _) => Flush::Name(name.as_ref()),
        (None, Some(route)) => Flush::Route(route),
        (None, None) => return Err(Problem::bad_request("`name` or `route` is needed")),
    };
    let now = shared.clock.now();
    let (mut found, mut cut) = (Vec::new(), false);
    shared.cache.for_each(meant, |key, entry| {
        if route.is_none_or(|route| Key::route_of(key) == Some(route)) {
            cut |= found.len() >= MOST_ENTRIES;
            if let Some(key) = Key::from_octets(key).filter(|_| found.len() < MOST_ENTRIES) {
                found.push(told(&snapshot, &key, entry, now));
            }
        }
    });
    found.sort_by(|one, other| {
        (&one.name, &one.qtype, &one.upstreams).cmp(&(&other.name, &other.qtype, &other.upstreams))
    });
    Ok(Found { page: Page::of(&found, wanted.limit, wanted.offset, ToldEntry::clone)?, cut })
}

fn told(snapshot: &Snapshot, key: &Key, entry: &Entry, now: Moment) -> ToldEntry {
    let kind = match entry.raw().end() {
        End::Data | End::Dangling => "positive",
        End::Negative => "negative",
        End::Failed(_) | End::Loop => "failure",
    };
    let groups = snapshot.groups.iter().filter(|group| group.route_id() == key.route());
    ToldEntry {
        name: key.name().to_string(),
        qtype: RecordType(key.qtype()).to_string(),
        upstreams: groups.map(|group| group.name.to_string()).collect(),
        dnssec_ok: key.dnssec_ok(),
        checking_disabled: key.checking_disabled(),
        kind,
        rcode: match rcode::name(entry.raw().rcode()) {
            "other" => format!("RCODE{}", entry.raw().rcode()),
            name => name.to_owned(),
        },
        ttl_left: entry.is_live(now).then(|| entry.left(now).as_secs()),
        stale: entry.is_stale(now),
        age_seconds: entry.age(now),
        octets: entry.octets(),
    }
}

fn read_name(text: &str) -> Result<WireName, Problem> {
    WireName::from_presentation(text).map_err(|_| Problem::bad_request(format!("`{text}` is no name")))
}

fn route_of(snapshot: &Snapshot, upstream: &str) -> Result<RouteId, Problem> {
    let group = snapshot.groups.iter().find(|group| &*group.name == upstream);
    let missing = || Problem::new(StatusCode::NOT_FOUND, "not-found", format!("there is no upstream {upstream:?}"));
    group.map(|group| group.route_id()).ok_or_else(missing)
}

/// What is to be dropped: exactly one of these.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Meant {
    /// All; has to be true.
    All(bool),
    /// One name, all types and upstreams.
    Name(String),
    /// A name and all names below it.
    Subtree(String),
    /// What came from an upstream.
    Route(String),
}

/// What was dropped.
#[derive(Debug, Serialize)]
pub(super) struct Flushed {
    schema: u8,
    /// How many entries.
    entries: usize,
}

pub(super) async fn flush(
    State(api): State<Arc<Api>>,
    Extension(Ends { peer, .. }): Extension<Ends>,
    request: Request,
) -> Answer<Flushed> {
    let meant: Meant = body(request).await?;
    let shared = Arc::clone(&api.served()?.shared);
    let told = format!("{meant:?}");
    let entries = api.pass(move || dropped(&shared, &meant)).await?;
    tracing::info!(action = "flush", %peer, what = told, entries, "cache flushed");
    answer(Flushed { schema: 1, entries })
}

fn dropped(shared: &Shared, meant: &Meant) -> Result<usize, Problem> {
    let cache = &shared.cache;
    Ok(match meant {
        Meant::All(true) => cache.flush(Flush::All),
        Meant::All(false) => return Err(Problem::bad_request("`all` has to be true")),
        Meant::Name(name) => cache.flush(Flush::Name(read_name(name)?.as_ref())),
        Meant::Subtree(name) => cache.flush(Flush::Subtree(read_name(name)?.as_ref())),
        Meant::Route(upstream) => cache.flush(Flush::Route(route_of(&shared.snapshot.load(), upstream)?)),
    })
}
