//! `GET status`: the process at a glance.

use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::State;
use serde::Serialize;

use super::{Answer, Api, answer};
use crate::admin::outcome::{Outcome, ToldOverride, epoch_seconds};
use crate::admin::status::{Listening, Served};
use crate::metrics::What;

/// The process at a glance.
#[derive(Debug, Serialize)]
pub(super) struct Overview {
    schema: u8,
    version: &'static str,
    commit: Option<&'static str>,
    phase: &'static str,
    /// In seconds since 1970.
    #[serde(serialize_with = "epoch_seconds")]
    started_at: SystemTime,
    uptime_seconds: u64,
    generation: u64,
    revision: String,
    listening: Listening,
    last_reload: Option<Outcome>,
    rolled_back: bool,
    overrides: Vec<ToldOverride>,
    /// None before anything is served.
    counts: Option<Counts>,
}

/// How much there is, and how much was done since the start.
#[derive(Debug, Serialize)]
struct Counts {
    views: usize,
    endpoints: usize,
    zones: usize,
    upstreams: usize,
    queries: u64,
    cache_hits: u64,
    cache_misses: u64,
    cache_entries: usize,
    cache_octets: u64,
    /// Queries over UDP that wait for an upstream.
    waiting: u64,
    tcp_connections: u64,
}

pub(super) async fn status(State(api): State<Arc<Api>>) -> Answer<Overview> {
    let status = api.status();
    let in_force = status.in_force.load();
    answer(Overview {
        schema: 1,
        version: env!("CARGO_PKG_VERSION"),
        commit: option_env!("HUBDNS_COMMIT"),
        phase: status.phase().word(),
        started_at: status.started,
        uptime_seconds: status.started.elapsed().unwrap_or_default().as_secs(),
        generation: in_force.generation,
        revision: in_force.revision.clone(),
        listening: in_force.listening.clone(),
        last_reload: status.reloads.last().map(|last| Outcome::clone(&last)),
        rolled_back: in_force.is_rolled_back,
        overrides: in_force.overrides.clone(),
        counts: status.served().map(counts),
    })
}

fn counts(served: &Served) -> Counts {
    let snapshot = served.shared.snapshot.load();
    let sums = served.board.sums();
    let sum = |wanted: &str| sums.iter().find(|(name, _)| *name == wanted).map_or(0, |(_, sum)| *sum);
    let tallied = served.board.tallied().into_iter();
    let queries = tallied.filter(|((_, labels), _)| labels.what() == What::Query).map(|(_, count)| count).sum();
    let named = |names: &mut dyn Iterator<Item = &Arc<str>>| names.collect::<hashbrown::HashSet<_>>().len();
    let views = &snapshot.views;
    Counts {
        views: views.len(),
        endpoints: named(&mut views.iter().flat_map(|view| view.endpoints.iter().map(|own| &own.name))),
        zones: named(&mut views.iter().flat_map(|view| view.zones.iter().map(|(own, _)| &own.name))),
        upstreams: snapshot.groups.len(),
        queries,
        cache_hits: sum("hits"),
        cache_misses: sum("misses"),
        cache_entries: served.shared.cache.len(),
        cache_octets: served.shared.cache.octets(),
        waiting: sum("held"),
        tcp_connections: sum("tcp_accepted").saturating_sub(sum("tcp_closed")),
    }
}
