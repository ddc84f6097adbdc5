//! `ctl top`: rates by view and upstream, out of the differences of what is counted.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{IsTerminal, stdout};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;

use super::super::api::Api;
use super::super::print;
use super::text::{items, number, word};

/// Views that are shown; the others are in the sum.
const SHOWN: usize = 20;
const SOURCES: [&str; 5] = ["local", "cache", "upstream", "stale", "policy"];
/// What is counted of a server.
const COUNTS: [&str; 5] = ["sent", "replies", "silences", "failed", "capped"];

/// What is counted, at one time.
struct Sample {
    at: Instant,
    status: Value,
    views: BTreeMap<String, [u64; SOURCES.len()]>,
    servers: BTreeMap<(String, String), (Value, [u64; COUNTS.len()])>,
}

impl Sample {
    fn take(api: &Api) -> anyhow::Result<Self> {
        let status = api.get("/api/v1/status")?.json()?;
        let views: Value = api.get("/api/v1/views?limit=1000")?.json()?;
        let upstreams: Value = api.get("/api/v1/upstreams?limit=1000")?.json()?;
        let counts = |view: &Value| SOURCES.map(|source| number(view, &format!("/queries/{source}")));
        let servers = items(&upstreams, "/items").iter().flat_map(|group| {
            items(group, "/servers").iter().map(move |server| {
                let counts = COUNTS.map(|name| number(server, &format!("/{name}")));
                ((word(group, "/name"), word(server, "/server")), (server.clone(), counts))
            })
        });
        Ok(Self {
            at: Instant::now(),
            status,
            views: items(&views, "/items").iter().map(|view| (word(view, "/name"), counts(view))).collect(),
            servers: servers.collect(),
        })
    }
}

/// One round.
#[derive(Debug, Serialize)]
struct Round {
    schema: u8,
    queries_per_second: f64,
    cache_entries: u64,
    cache_octets: u64,
    waiting: u64,
    views: Vec<ViewRates>,
    servers: Vec<ServerRates>,
}

/// A view's answers a second, by what they were made of.
#[derive(Debug, Serialize)]
struct ViewRates {
    view: String,
    queries_per_second: f64,
    by_source: BTreeMap<&'static str, f64>,
}

/// A server's figures a second.
#[derive(Debug, Serialize)]
struct ServerRates {
    upstream: String,
    server: String,
    health: String,
    round_trip_ms: Option<f64>,
    in_flight: u64,
    per_second: BTreeMap<&'static str, f64>,
}

/// Shows round after round.
pub(super) fn run(api: &Api, interval: Duration, count: Option<u64>, json: bool) -> anyhow::Result<()> {
    let mut before = Sample::take(api)?;
    let clear = !json && stdout().is_terminal();
    for number in 0.. {
        if count.is_some_and(|count| number >= count) {
            break;
        }
        sleep(interval);
        let after = Sample::take(api)?;
        let round = round(&before, &after);
        if json {
            print(&format!("{}\n", serde_json::to_string(&round)?))?;
        } else {
            // The cursor to the upper left, and all below it erased.
            let clear = if clear { "\u{1b}[H\u{1b}[J" } else { "" };
            print(&format!("{clear}{}", text(&round)))?;
        }
        before = after;
    }
    Ok(())
}

fn round(before: &Sample, after: &Sample) -> Round {
    let seconds = after.at.duration_since(before.at).as_secs_f64().max(1e-3);
    // Counts begin anew with the process.
    let rate = |old: u64, new: u64| (new.saturating_sub(old) as f64 / seconds * 10.0).round() / 10.0;
    let mut views: Vec<ViewRates> = Vec::new();
    for (view, counts) in &after.views {
        let old = before.views.get(view).copied().unwrap_or_default();
        let rates = SOURCES.into_iter().zip(old).zip(counts).map(|((source, old), new)| (source, rate(old, *new)));
        let queries_per_second = rate(old.iter().sum(), counts.iter().sum());
        views.push(ViewRates { view: view.clone(), queries_per_second, by_source: rates.collect() });
    }
    views.sort_by(|one, other| other.queries_per_second.total_cmp(&one.queries_per_second));
    let servers = after.servers.iter().map(|((upstream, server), (now, counts))| {
        let old = before.servers.get(&(upstream.clone(), server.clone())).map_or([0; COUNTS.len()], |(_, old)| *old);
        let rates = COUNTS.into_iter().zip(old).zip(counts).map(|((name, old), new)| (name, rate(old, *new)));
        ServerRates {
            upstream: upstream.clone(),
            server: server.clone(),
            health: word(now, "/health"),
            round_trip_ms: now["round_trip_ms"].as_f64(),
            in_flight: number(now, "/in_flight"),
            per_second: rates.collect(),
        }
    });
    let queries = |sample: &Sample| number(&sample.status, "/counts/queries");
    Round {
        schema: 1,
        queries_per_second: rate(queries(before), queries(after)),
        cache_entries: number(&after.status, "/counts/cache_entries"),
        cache_octets: number(&after.status, "/counts/cache_octets"),
        waiting: number(&after.status, "/counts/waiting"),
        views,
        servers: servers.collect(),
    }
}

fn text(round: &Round) -> String {
    let mut out = format!(
        "{} queries a second; cache {} entries, {} KiB; {} wait\n\n{:<24}{:>11}",
        round.queries_per_second,
        round.cache_entries,
        round.cache_octets / 1_024,
        round.waiting,
        "VIEW",
        "QUERIES/S"
    );
    SOURCES.iter().for_each(|source| _ = write!(out, "{:>11}", source.to_uppercase()));
    for own in round.views.iter().take(SHOWN) {
        let _ = write!(out, "\n{:<24}{:>11.1}", own.view, own.queries_per_second);
        SOURCES
            .iter()
            .for_each(|source| _ = write!(out, "{:>11.1}", own.by_source.get(source).copied().unwrap_or(0.0)));
    }
    let _ = write!(out, "\n\n{:<16}{:<32}{:<9}{:>9}{:>9}", "UPSTREAM", "SERVER", "HEALTH", "MS", "OPEN");
    COUNTS.iter().for_each(|name| _ = write!(out, "{:>11}", format!("{}/S", name.to_uppercase())));
    for own in &round.servers {
        let took = own.round_trip_ms.map_or_else(|| "-".to_owned(), |took| format!("{took:.1}"));
        let ServerRates { upstream, server, health, in_flight, .. } = own;
        let _ = write!(out, "\n{upstream:<16}{server:<32}{health:<9}{took:>9}{in_flight:>9}");
        COUNTS.iter().for_each(|name| _ = write!(out, "{:>11.1}", own.per_second.get(name).copied().unwrap_or(0.0)));
    }
    out + "\n"
}
