//! The metrics as text (OpenMetrics 1.0). No label ever holds a queried name, a client's address or an error's text:
//! views, upstreams and listeners come from the file, all other values from closed sets.
//!
//! A series exists once something was counted; those without labels exist always. docs/metrics.md has each metric, and
//! a test compares the two.

use std::collections::{BTreeMap, HashSet};
use std::fmt::{Error, Result, Write as _};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeLabelSet, MetricEncoder, NoLabelSet, text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::status::{Phase, Served, Status};
use crate::metrics::{BUCKETS, Labels, What};
use crate::upstream::Health;
use crate::wire::rcode;

/// What the text is.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics of this moment.
pub(super) fn text(status: &Arc<Status>) -> std::result::Result<String, Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Exposition(Arc::clone(status))));
    let mut out = String::new();
    text::encode(&mut out, &registry)?;
    Ok(out)
}

struct Exposition(Arc<Status>);

impl std::fmt::Debug for Exposition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> Result {
        f.write_str("Exposition")
    }
}

impl Collector for Exposition {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result {
        let mut sheet = Sheet { encoder };
        let status = &*self.0;
        process(&mut sheet, status)?;
        configuration(&mut sheet, status)?;
        let Some(served) = status.served() else { return Ok(()) };
        queries(&mut sheet, served)?;
        sums(&mut sheet, served)?;
        cache(&mut sheet, served)?;
        upstreams(&mut sheet, served)?;
        sockets(&mut sheet, served)
    }
}

/// Writes metrics.
struct Sheet<'e> {
    encoder: DescriptorEncoder<'e>,
}

/// One series: its labels and its value.
type Series<'l, V> = (Vec<(&'l str, &'l str)>, V);

/// A series without labels.
fn plain<V>(value: V) -> [Series<'static, V>; 1] {
    [(Vec::new(), value)]
}

impl Sheet<'_> {
    fn counter<'l, V: EncodeCounterValue>(
        &mut self,
        (name, unit): (&str, Option<&Unit>),
        help: &str,
        series: impl IntoIterator<Item = Series<'l, V>>,
    ) -> Result {
        let mut metric = self.encoder.encode_descriptor(name, help, unit, MetricType::Counter)?;
        for (labels, value) in series {
            with(&mut metric, &labels, |metric| metric.encode_counter::<NoLabelSet, _, u64>(&value, None))?;
        }
        Ok(())
    }

    fn gauge<'l, V: EncodeGaugeValue>(
        &mut self,
        (name, unit): (&str, Option<&Unit>),
        help: &str,
        series: impl IntoIterator<Item = Series<'l, V>>,
    ) -> Result {
        let mut metric = self.encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
        for (labels, value) in series {
            with(&mut metric, &labels, |metric| metric.encode_gauge(&value))?;
        }
        Ok(())
    }

    fn info(&mut self, name: &str, help: &str, labels: &impl EncodeLabelSet) -> Result {
        self.encoder.encode_descriptor(name, help, None, MetricType::Info)?.encode_info(labels)
    }
}

fn with(
    metric: &mut MetricEncoder<'_>,
    labels: &[(&str, &str)],
    encode: impl FnOnce(&mut MetricEncoder<'_>) -> Result,
) -> Result {
    if labels.is_empty() { encode(metric) } else { encode(&mut metric.encode_family(&labels)?) }
}

/// A moment as seconds since 1970.
fn seconds(at: SystemTime) -> f64 {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

fn process(sheet: &mut Sheet<'_>, status: &Status) -> Result {
    let commit = option_env!("HUBDNS_COMMIT").unwrap_or("unknown");
    sheet.info("hubdns_build", "The program", &[("version", env!("CARGO_PKG_VERSION")), ("commit", commit)])?;
    sheet.gauge(
        ("hubdns_start_time", Some(&Unit::Seconds)),
        "When the process started, since 1970",
        plain(seconds(status.started)),
    )?;
    let ready = u32::from(status.phase() == Phase::Serving);
    sheet.gauge(("hubdns_ready", None), "1 while it serves and no signal has come to stop", plain(ready))?;
    let lost = status.lost_lines.load(std::sync::atomic::Ordering::Relaxed);
    let help = "Lines of the process's log that are missing, since whoever reads it is too slow";
    sheet.counter(("hubdns_log_dropped", None), help, plain(lost))
}

fn configuration(sheet: &mut Sheet<'_>, status: &Status) -> Result {
    let in_force = status.in_force.load();
    sheet.info("hubdns_config", "The configuration in force", &[("revision", &*in_force.revision)])?;
    sheet.gauge(
        ("hubdns_config_generation", None),
        "Which snapshot of the process is served",
        plain(in_force.generation),
    )?;
    let overrides = in_force.overrides.len();
    sheet.gauge(
        ("hubdns_overrides", None),
        "Endpoints that are answered otherwise for a while",
        plain(overrides as u64),
    )?;
    let counts: Vec<_> = status.reloads.counts().collect();
    let label = |trigger: super::Trigger| vec![("trigger", trigger.word())];
    let done = counts.iter().map(|(trigger, done, refused)| (label(*trigger), done + refused));
    sheet.counter(("hubdns_reloads", None), "Reloads that were tried", done)?;
    let refused = counts.iter().map(|(trigger, _, refused)| (label(*trigger), *refused));
    sheet.counter(
        ("hubdns_reload_failures", None),
        "Reloads that changed nothing, since something was wrong",
        refused,
    )?;
    let last = status.reloads.last();
    let successful = u32::from(last.as_ref().is_some_and(|last| last.done));
    sheet.gauge(
        ("hubdns_config_last_reload_successful", None),
        "1 when the last load is the one that is served",
        plain(successful),
    )?;
    let at = last.map_or(0.0, |last| seconds(last.at));
    sheet.gauge(
        ("hubdns_config_last_reload_timestamp", Some(&Unit::Seconds)),
        "When the last load was tried",
        plain(at),
    )
}

/// What was counted by label.
fn queries(sheet: &mut Sheet<'_>, served: &Served) -> Result {
    // A writer that has not met the newest snapshot yet may know views that are gone.
    let snapshot = served.shared.snapshot.load();
    let mut tallied = served.board.tallied();
    let views: HashSet<&str> = snapshot.views.iter().map(|view| &*view.name).collect();
    tallied.retain(|(view, _), _| view.is_empty() || views.contains(&**view));
    let of = |what: What| tallied.iter().filter(move |((_, labels), _)| labels.what() == what);
    let (mut series, mut refused): (Vec<Series<'_, u64>>, BTreeMap<&str, u64>) = (Vec::new(), BTreeMap::new());
    for ((view, labels), count) in of(What::Query) {
        let [transport, process, qtype, mut source] = labels.words();
        let code = u16::from(labels.rcode());
        // Without RD a name that is not ours is refused before anything is looked up.
        if code == rcode::REFUSED && source == "local" {
            source = "policy";
        }
        if code == rcode::REFUSED && source == "policy" {
            *refused.entry(if view.is_empty() { "no-view" } else { "policy" }).or_default() += count;
        }
        let code = rcode::name(code);
        let own = vec![
            ("view", &**view),
            ("process", process),
            ("transport", transport),
            ("type", qtype),
            ("rcode", code),
            ("source", source),
        ];
        series.push((own, *count));
    }
    sheet.counter(("hubdns_queries", None), "Queries that were answered", merged(series))?;
    let refused = ["no-view", "policy"].map(|why| (vec![("reason", why)], refused.get(why).copied().unwrap_or(0)));
    sheet.counter(("hubdns_refused", None), "Queries answered with REFUSED by our own will", refused)?;
    durations(sheet, &tallied)?;
    for (what, metric, help) in [
        (What::Withheld, "hubdns_guard_withheld", "Answers withheld by the guard (R25)"),
        (What::Watched, "hubdns_guard_watched", "Answers that a watching guard would have withheld"),
        (What::Foreign, "hubdns_avd_foreign", "Queries for AVD resources that are neither here nor known (R18)"),
    ] {
        let series = of(what).map(|((view, _), count)| (vec![("view", &**view)], *count));
        sheet.counter((metric, None), help, series)?;
    }
    Ok(())
}

/// Adds up series with the same labels: several RCODEs are `other`.
fn merged(series: Vec<Series<'_, u64>>) -> BTreeMap<Vec<(&str, &str)>, u64> {
    let mut sums = BTreeMap::new();
    for (labels, count) in series {
        *sums.entry(labels).or_default() += count;
    }
    sums
}

/// One histogram's buckets and its sum in microseconds.
type Histogram = ([u64; BUCKETS.len() + 1], u64);

fn durations(sheet: &mut Sheet<'_>, tallied: &BTreeMap<(Arc<str>, Labels), u64>) -> Result {
    let mut histograms: BTreeMap<(&str, &str), Histogram> = BTreeMap::new();
    for ((view, labels), count) in tallied {
        let what = labels.what();
        if !matches!(what, What::Duration | What::Microseconds) {
            continue;
        }
        let (buckets, sum) = histograms.entry((&**view, labels.words()[3])).or_default();
        match buckets.get_mut(usize::from(labels.rcode())) {
            Some(bucket) if what == What::Duration => *bucket += count,
            _ => *sum += count,
        }
    }
    let help = "From a query's arrival in the process to its reply's departure";
    let mut metric =
        sheet.encoder.encode_descriptor("hubdns_query_duration", help, Some(&Unit::Seconds), MetricType::Histogram)?;
    for ((view, source), (buckets, sum)) in histograms {
        let bounds = BUCKETS.iter().map(|micros| *micros as f64 / 1e6).chain([f64::INFINITY]);
        let count = buckets.iter().sum();
        let buckets: Vec<(f64, u64)> = bounds.zip(buckets).collect();
        let labels = [("view", view), ("source", source)];
        metric.encode_family(&labels)?.encode_histogram::<NoLabelSet>(sum as f64 / 1e6, count, &buckets, None)?;
    }
    Ok(())
}

/// The counters without labels: their name here, the metric, and what it says.
const SUMS: &[(&str, &str, &str)] = &[
    ("malformed", "hubdns_malformed", "Malformed queries, answered with FORMERR"),
    ("hits", "hubdns_cache_hits", "Cached answers used, stale ones not among them"),
    ("misses", "hubdns_cache_misses", "Answers that had to be asked of an upstream"),
    ("refreshes", "hubdns_cache_refreshes", "Cached answers fetched anew before their end"),
    ("stale", "hubdns_cache_stale", "Stale answers used in place of a failure (R33)"),
    ("full", "hubdns_handoff_full", "Queries that met a full queue of ours, answered with SERVFAIL"),
    ("late", "hubdns_late", "Queries whose deadline came before their answer"),
    ("guard_mates", "hubdns_guard_mates", "Names that share a resource's GUID and passed the guard (R25)"),
    ("hints_removed", "hubdns_guard_hints_removed", "HTTPS and SVCB records that lost their address hints"),
    ("ancestors", "hubdns_ancestors", "NXDOMAIN turned into NODATA above an owned name (R19)"),
    ("truncated", "hubdns_truncated", "Replies with TC set"),
    ("unsent", "hubdns_socket_unsent", "Replies that a socket did not take"),
    ("panics", "hubdns_panics", "Faults of ours in a query, answered with SERVFAIL"),
];

fn sums(sheet: &mut Sheet<'_>, served: &Served) -> Result {
    let sums: BTreeMap<&str, u64> = served.board.sums().into_iter().collect();
    let sum = |name: &str| sums.get(name).copied().unwrap_or(0);
    for (name, metric, help) in SUMS {
        sheet.counter((metric, None), help, plain(sum(name)))?;
    }
    let discards = [("short", "discarded_short"), ("response", "discarded_response"), ("port", "discarded_port")];
    let discards = discards.map(|(reason, name)| (vec![("reason", reason)], sum(name)));
    sheet.counter(("hubdns_discards", None), "Messages that no reply is owed to (R6)", discards)?;
    let dropped = [("full", "query_log_full"), ("write", "query_log_unwritten")];
    let dropped = dropped.map(|(reason, name)| (vec![("reason", reason)], sum(name)));
    let help = "Lines missing in the query log since a ring was full, or since they could not be written";
    sheet.counter(("hubdns_query_log_dropped", None), help, dropped)?;
    let rejected = [("client", "tcp_rejected"), ("idle", "tcp_evicted")];
    let rejected = rejected.map(|(reason, name)| (vec![("reason", reason)], sum(name)));
    let help = "Connections closed since their client has too many, or idle ones that made room";
    sheet.counter(("hubdns_tcp_rejected", None), help, rejected)?;
    let connections = [(vec![("transport", "tcp")], sum("tcp_accepted").saturating_sub(sum("tcp_closed")))];
    sheet.gauge(("hubdns_tcp_connections", None), "Connections of clients", connections)?;
    let queue: usize = served.shared.workers.iter().map(|mailbox| mailbox.len()).sum();
    sheet.gauge(("hubdns_handoff_queue_length", None), "Messages that wait for a worker", plain(queue))?;
    sheet.gauge(("hubdns_held_queries", None), "Queries over UDP that wait for an upstream", plain(sum("held")))
}

fn cache(sheet: &mut Sheet<'_>, served: &Served) -> Result {
    let cache = &served.shared.cache;
    let octets = ("hubdns_cache", Some(&Unit::Other("octets".to_owned())));
    sheet.gauge((octets.0, octets.1), "Octets of the cache, keys and bookkeeping included", plain(cache.octets()))?;
    sheet.gauge(("hubdns_cache_entries", None), "Answers in the cache", plain(cache.len()))?;
    sheet.counter(("hubdns_cache_evictions", None), "Answers dropped to make room", plain(cache.evictions()))
}

/// One server with the upstreams that it stands in, by their names.
struct ServerFigures {
    upstream: String,
    server: String,
    state: Arc<crate::upstream::ServerState>,
}

fn upstreams(sheet: &mut Sheet<'_>, served: &Served) -> Result {
    use std::sync::atomic::Ordering::Relaxed;
    let snapshot = served.shared.snapshot.load();
    // What is known of a server is known by its address: one that several upstreams name is one series.
    let mut by_address: BTreeMap<std::net::SocketAddr, ServerFigures> = BTreeMap::new();
    for group in &snapshot.groups {
        for server in &group.servers {
            let figures = by_address.entry(server.address).or_insert_with(|| ServerFigures {
                upstream: String::new(),
                server: server.to_string(),
                state: served.shared.servers.state(server.address),
            });
            let comma = if figures.upstream.is_empty() { "" } else { "," };
            write!(figures.upstream, "{comma}{}", group.name)?;
        }
    }
    let all: Vec<ServerFigures> = by_address.into_values().collect();
    let labels = |own: &'_ ServerFigures| -> Vec<(&'static str, String)> {
        vec![("upstream", own.upstream.clone()), ("server", own.server.clone())]
    };
    let labels: Vec<Vec<(&'static str, String)>> = all.iter().map(labels).collect();
    let of = |index: usize| -> Vec<(&str, &str)> {
        labels.get(index).into_iter().flatten().map(|(key, value)| (*key, value.as_str())).collect()
    };
    let states = || all.iter().enumerate().map(|(index, own)| (of(index), &*own.state));
    let sent = states().map(|(labels, state)| (labels, state.sent.load(Relaxed)));
    sheet.counter(("hubdns_upstream_queries", None), "Questions sent", sent)?;
    let replies = states().map(|(labels, state)| (labels, state.replies.load(Relaxed)));
    sheet.counter(("hubdns_upstream_replies", None), "Valid replies", replies)?;
    let failures = states().flat_map(|(labels, state)| {
        let reasons = [
            ("silence", &state.silences),
            ("failure", &state.failed),
            ("mismatch", &state.mismatched),
            ("cap", &state.capped),
        ];
        reasons.map(|(reason, count)| {
            let mut labels = labels.clone();
            labels.push(("reason", reason));
            (labels, count.load(Relaxed))
        })
    });
    let help = "Tries without a reply, replies with a failure, replies that matched no question, questions kept back by \
                a cap";
    sheet.counter(("hubdns_upstream_failures", None), help, failures)?;
    let open = states().map(|(labels, state)| (labels, state.in_flight()));
    sheet.gauge(("hubdns_upstream_in_flight", None), "Questions open", open)?;
    let up =
        states().map(|(labels, state)| (labels, u32::from(!matches!(state.health(), Health::Down | Health::Failing))));
    sheet.gauge(("hubdns_upstream_up", None), "0 while a server is down or fails (R29)", up)?;
    let times = states().filter_map(|(labels, state)| Some((labels, state.round_trip()?.as_secs_f64())));
    sheet.gauge(
        ("hubdns_upstream_round_trip", Some(&Unit::Seconds)),
        "Smoothed round-trip time, once there was a reply",
        times,
    )?;
    let loops = served.shared.servers.loops.load(Relaxed);
    let help = "Questions that would have gone back to the server that asked them (R31)";
    sheet.counter(("hubdns_upstream_loops", None), help, plain(loops))
}

fn sockets(sheet: &mut Sheet<'_>, served: &Served) -> Result {
    let sockets = served.board.sockets();
    let addresses: Vec<String> = sockets.keys().map(ToString::to_string).collect();
    let series = |value: fn(&crate::metrics::SocketSums) -> u64| {
        addresses
            .iter()
            .zip(sockets.values())
            .map(move |(address, own)| (vec![("listener", address.as_str())], value(own)))
    };
    let help = "Datagrams that the kernel dropped since a worker's socket was full";
    sheet.counter(("hubdns_socket_overflows", None), help, series(|own| own.overflows))?;
    let unit = Unit::Other("octets".to_owned());
    let help = "Receive buffer of a worker's socket as the kernel granted it, the least of them";
    sheet.gauge(("hubdns_socket_receive_buffer", Some(&unit)), help, series(|own| own.buffer_octets))
}
