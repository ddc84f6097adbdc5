//! The metrics as a scraper reads them: what is counted under which labels, no client's text in any (S-08), and the
//! document that names them.

use crate::harness::http::{get, request};
use crate::harness::message::{Rr, kind};
use crate::harness::metrics::Scrape;
use crate::harness::small::{SPOKE_A, Small};
use crate::harness::{Client, Opt, Query, Script, Server, Setup, Upstream, client, port};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const POOL: &str = "fbc91b00-e6a4-4b2c-a7d8-68c7a740fe9f";
const STRANGER: &str = "34c6de84-0b0c-42ba-9a48-e164ed43a9ef";

/// The small world with AVD's endpoints in `spoke-a`, its guard on a forwarded name, and a health listener.
fn start(upstream: &Upstream) -> (Server, SocketAddr) {
    let health = SocketAddr::from(([127, 0, 0, 1], port::free()));
    let small = Small {
        endpoints: ", \"discovery\", \"pool\"".to_owned(),
        view: "must-be-private = [\"guarded.public.example\"]".to_owned(),
        more: format!(
            "[[endpoint]]\nname = \"discovery\"\nkind = \"global\"\nrecords = {{ \"rdweb.wvd.microsoft.com\" = [\"10.10.1.4\"] }}\n\
             [[endpoint]]\nname = \"pool\"\nkind = \"host-pool\"\nrecords = {{ \"{POOL}.rdbroker.wvd.microsoft.com\" = [\"10.10.1.5\"] }}\n"
        ),
        ..Small::default()
    };
    let setup = Setup::new(small.text(&[upstream.server()])).server(&format!("health = \"{health}\""));
    (setup.start(), health)
}

fn public() -> Upstream {
    Upstream::start(|seen| match &*seen.name {
        name if name.starts_with("missing") => Script::nxdomain("example"),
        name if name.starts_with("broken") => Script::rcode(2),
        _ => Script::records(vec![Rr::host(&seen.name, 300, "203.0.113.9")]),
    })
}

/// Scrapes until something holds, which a reply may be a moment ahead of.
fn until(health: SocketAddr, holds: impl Fn(&Scrape) -> bool) -> Scrape {
    let begun = Instant::now();
    loop {
        let scrape = Scrape::of(health);
        if holds(&scrape) {
            return scrape;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{scrape:#?}");
    }
}

/// The labels of a query's series.
fn labels([view, process, transport, kind, rcode, source]: [&str; 6]) -> [(&'static str, &str); 6] {
    let names = ["view", "process", "transport", "type", "rcode", "source"];
    let values = [view, process, transport, kind, rcode, source];
    std::array::from_fn(|at| (names[at], values[at]))
}

#[test]
fn each_query_is_counted_once_under_its_labels() {
    let upstream = public();
    let (server, health) = start(&upstream);
    let client = server.client(SPOKE_A);
    let pool = format!("{POOL}.rdbroker.wvd.microsoft.com");
    let stranger = format!("{STRANGER}.wvd.microsoft.com");
    let ask = |name: &str, kind| client.ask_both(name, kind);
    ask("rdweb.wvd.microsoft.com", kind::A);
    ask(&pool, kind::AAAA);
    ask("www.public.example", kind::A);
    ask("missing.public.example", kind::HTTPS);
    ask("broken.public.example", kind::UNKNOWN);
    ask("guarded.public.example", kind::A);
    ask(&stranger, kind::A);
    ask("localhost", kind::A);
    client.both(&Query::new("www.public.example", kind::A).opt(Opt { version: 1, ..Opt::default() }));
    client.both(&Query { rd: false, ..Query::new("other.public.example", kind::A) });
    client.both(&Query { class: 3, ..Query::new("version.bind", kind::TXT) });
    client.udp(&Query::new("hp1.privatelink.avd.example", kind::ANY));
    let scrape = Scrape::of(health);
    // Over UDP an answer is fetched, over TCP it is found.
    for (both, udp, tcp) in [
        (["discovery", "A", "NOERROR"], "local", "local"),
        (["connection", "AAAA", "NOERROR"], "local", "local"),
        (["other", "A", "NOERROR"], "upstream", "cache"),
        (["other", "HTTPS", "NXDOMAIN"], "upstream", "cache"),
        (["other", "other", "SERVFAIL"], "upstream", "cache"),
        (["feed", "A", "NOERROR"], "upstream", "cache"),
        (["other", "other", "BADVERS"], "policy", "policy"),
        (["other", "A", "REFUSED"], "policy", "policy"),
    ] {
        let [process, kind, rcode] = both;
        for (transport, source) in [("udp", udp), ("tcp", tcp)] {
            let own = labels(["spoke-a", process, transport, kind, rcode, source]);
            assert_eq!(
                scrape.value("hubdns_queries", "_total", &own),
                1.0,
                "{own:?} in {:#?}",
                scrape.families["hubdns_queries"]
            );
        }
    }
    let local = labels(["spoke-a", "other", "tcp", "A", "NOERROR", "local"]);
    assert_eq!(scrape.value("hubdns_queries", "_total", &local), 1.0, "localhost");
    let withheld = [("udp", "policy"), ("tcp", "policy")].map(|(transport, source)| {
        scrape.value("hubdns_queries", "_total", &labels(["spoke-a", "other", transport, "A", "NOERROR", source]))
    });
    assert_eq!(withheld, [1.0, 1.0]);
    let any = labels(["spoke-a", "other", "udp", "ANY", "NOERROR", "local"]);
    assert_eq!(scrape.value("hubdns_queries", "_total", &any), 1.0);
    assert_eq!(scrape.count("hubdns_queries", &[("view", "spoke-a")]), 23.0);
    assert_eq!(scrape.count("hubdns_refused", &[("reason", "policy")]), 4.0, "without RD, and of another class");
    assert_eq!(scrape.value("hubdns_guard_withheld", "_total", &[("view", "spoke-a")]), 2.0);
    assert_eq!(scrape.value("hubdns_avd_foreign", "_total", &[("view", "spoke-a")]), 2.0);
}

#[test]
fn the_view_of_a_refused_client_is_empty_and_a_discard_has_its_reason() {
    let upstream = public();
    let health = SocketAddr::from(([127, 0, 0, 1], port::free()));
    let text = Small::default().text(&[upstream.server()]).replace("\"0.0.0.0/0\", \"::/0\"", "\"127.0.30.0/24\"");
    let server = Setup::new(text).server(&format!("health = \"{health}\"")).start();
    let outside = server.client("127.0.99.1");
    let before = Scrape::of(health);
    outside.udp(&Query::new("www.public.example", kind::A));
    for octets in [&[0_u8; 5][..], &[0, 1, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0]] {
        assert!(outside.datagram(octets, Duration::from_millis(50)).is_none());
    }
    let scrape = until(health, |scrape| scrape.count("hubdns_discards", &[]) >= 2.0);
    let own = labels(["", "other", "udp", "other", "REFUSED", "policy"]);
    assert_eq!(scrape.value("hubdns_queries", "_total", &own), 1.0);
    assert_eq!(scrape.count("hubdns_refused", &[("reason", "no-view")]), 1.0);
    for reason in ["short", "response"] {
        assert_eq!(scrape.count("hubdns_discards", &[("reason", reason)]), 1.0, "{reason}");
        assert_eq!(before.count("hubdns_discards", &[("reason", reason)]), 0.0, "{reason}");
    }
}

#[test]
fn durations_are_counted_for_every_reply() {
    let upstream = Upstream::start(|seen| {
        Script::records(vec![Rr::host(&seen.name, 300, "203.0.113.9")]).delay(Duration::from_millis(120))
    });
    let (server, health) = start(&upstream);
    let client = server.client(SPOKE_A);
    for _ in 0..5 {
        client.ask("hp1.privatelink.avd.example", kind::A);
    }
    client.ask("slow.public.example", kind::A);
    client.ask("slow.public.example", kind::A);
    let count = |scrape: &Scrape, source: &str| {
        scrape.value("hubdns_query_duration_seconds", "_count", &[("view", "spoke-a"), ("source", source)])
    };
    let scrape = until(health, |scrape| count(scrape, "cache") == 1.0);
    assert_eq!([count(&scrape, "local"), count(&scrape, "upstream")], [5.0, 1.0]);
    let slow = [("view", "spoke-a"), ("source", "upstream")];
    let within = |bound| {
        let labels = [slow[0], slow[1], ("le", bound)];
        scrape.value("hubdns_query_duration_seconds", "_bucket", &labels)
    };
    assert_eq!([within("0.1"), within("5.0")], [0.0, 1.0], "{scrape:#?}");
    let sum = scrape.value("hubdns_query_duration_seconds", "_sum", &slow);
    assert!((0.12..5.0).contains(&sum), "{sum}");
}

#[test]
fn a_view_that_goes_away_takes_its_series_with_it() {
    let upstream = public();
    let (server, health) = start(&upstream);
    for source in [SPOKE_A, "127.0.20.9"] {
        server.client(source).ask("www.public.example", kind::A);
    }
    let of = |scrape: &Scrape, view: &str| scrape.count("hubdns_queries", &[("view", view)]);
    let before = Scrape::of(health);
    assert_eq!([of(&before, "spoke-a"), of(&before, "spoke-b")], [1.0, 1.0]);
    let text = Small::default().text(&[upstream.server()]).replace("\"spoke-b\"", "\"renamed\"");
    server.reload(&text);
    server.client("127.0.20.9").ask("www.public.example", kind::A);
    server.client(SPOKE_A).ask("www.public.example", kind::A);
    let after = Scrape::of(health);
    assert_eq!([of(&after, "spoke-a"), of(&after, "spoke-b"), of(&after, "renamed")], [2.0, 0.0, 1.0]);
    assert!(!after.label_values().contains("spoke-b"));
    assert_eq!(after.count("hubdns_reloads", &[("trigger", "signal")]), 1.0);
    assert_eq!(after.value("hubdns_config_last_reload_successful", "", &[]), 1.0);
    server.refused_reload("version = 2\n");
    let refused = Scrape::of(health);
    assert_eq!(refused.count("hubdns_reload_failures", &[("trigger", "signal")]), 1.0);
    assert_eq!(refused.value("hubdns_config_last_reload_successful", "", &[]), 0.0);
    assert_eq!(
        refused.families["hubdns_config"].samples.keys().collect::<Vec<_>>(),
        after.families["hubdns_config"].samples.keys().collect::<Vec<_>>()
    );
}

/// Names of octets that mean something to a text format, to a terminal or to nobody.
fn hostile(random: &mut StdRng) -> Vec<u8> {
    const OCTETS: &[u8] = b"\"'\n\r\t{}=,#\\ \0\x7f\x1b\xff\xfe$%<>/aZ0-_.";
    let mut name = Vec::new();
    for _ in 0..random.random_range(1..4) {
        let length = random.random_range(1..30_u8);
        name.push(length);
        name.extend((0..length).map(|_| OCTETS[random.random_range(0..OCTETS.len())]));
    }
    name.extend(b"\x06public\x07example\0");
    name
}

#[test]
fn s_08_ten_thousand_hostile_names_leave_the_metrics_valid_and_the_series_as_many() {
    let upstream = Upstream::start(|_| Script::nxdomain("example"));
    let (server, health) = start(&upstream);
    let mut random = StdRng::seed_from_u64(8);
    let types = [kind::A, kind::AAAA, kind::UNKNOWN, kind::TXT];
    let mut ask = |client: &Client, count: usize| {
        let socket = client.socket();
        for at in 0..count {
            let id = u16::try_from(at).expect("a small number");
            let query = Query { id, name: hostile(&mut random), kind: types[at % types.len()], ..Query::new("x", 1) };
            socket.send(&query.to_octets()).expect("sent");
            if at % 50 == 49 {
                for _ in 0..50 {
                    client::receive(&socket, Duration::from_secs(10)).expect("a reply");
                }
            }
        }
    };
    // Each label set once, also one that a name found in the cache has.
    let client = server.client(SPOKE_A);
    ask(&client, 100);
    for name in ["twice.public.example", "twice.public.example"] {
        for kind in types {
            client.ask(name, kind);
        }
    }
    let warm = |scrape: &Scrape| {
        let own = [("view", "spoke-a"), ("source", "cache")];
        scrape.value("hubdns_query_duration_seconds", "_count", &own) >= 4.0
    };
    let before = until(health, warm);
    let own: BTreeSet<String> = before.label_values();
    ask(&client, 10_000);
    let after =
        until(health, |scrape| scrape.count("hubdns_queries", &[]) >= before.count("hubdns_queries", &[]) + 10_000.0);
    assert_eq!(after.series(), before.series(), "the number of series is constant");
    assert_eq!(after.label_values(), own, "no label has anything of a name");
    let text = get(health, "/metrics").body;
    assert!(!text.contains(|own: char| own.is_control() && own != '\n') && !text.contains('\u{fffd}'));
}

/// What the document says of each metric: its type and its labels.
fn documented() -> BTreeMap<String, (String, BTreeSet<String>)> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let text = std::fs::read_to_string(path).expect("docs/metrics.md");
    let mut found = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| `hubdns_")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [name, kind, labels, what] = cells.as_slice() else { panic!("four cells: {line}") };
        assert!(!what.is_empty(), "{line}");
        let labels = labels.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        let old = found.insert(name.trim_matches('`').to_owned(), ((*kind).to_owned(), labels));
        assert!(old.is_none(), "twice: {line}");
    }
    found
}

#[test]
fn the_document_names_every_metric_that_there_is_and_no_other() {
    let upstream = public();
    let (server, health) = start(&upstream);
    let client = server.client(SPOKE_A);
    // Something of everything that has labels.
    client.ask_both("guarded.public.example", kind::A);
    client.ask(&format!("{STRANGER}.rdweb.wvd.microsoft.com"), kind::A);
    let watch = "must-be-private = [\"guarded.public.example\"]\nguard = \"watch\"";
    let text = Small { view: watch.to_owned(), ..Small::default() }.text(&[upstream.server()]);
    server.reload(&text);
    client.ask("guarded.public.example", kind::A);
    server.reload(&text.replace("guard = \"watch\"", ""));
    client.ask("guarded.public.example", kind::A);
    client.ask(&format!("{STRANGER}.rdweb.wvd.microsoft.com"), kind::A);
    let holds = |scrape: &Scrape| scrape.families.values().all(|family| !family.samples.is_empty());
    let scrape = until(health, holds);
    let mut there = BTreeMap::new();
    for (name, family) in &scrape.families {
        let suffix = match &*family.kind {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        let mut labels: BTreeSet<String> = family.samples.keys().flat_map(|(_, own)| own.keys().cloned()).collect();
        labels.remove("le");
        assert!(!family.help.is_empty(), "{name} has no help");
        there.insert(format!("{name}{suffix}"), (family.kind.clone(), labels));
    }
    let documented = documented();
    let names = |map: &BTreeMap<String, (String, BTreeSet<String>)>| map.keys().cloned().collect::<BTreeSet<_>>();
    let (missing, too_many) = (&names(&there) - &names(&documented), &names(&documented) - &names(&there));
    assert!(missing.is_empty() && too_many.is_empty(), "not documented: {missing:?}; not there: {too_many:?}");
    assert_eq!(there, documented);
}

/// The samples of a text without their values.
fn samples(text: &str) -> BTreeSet<&str> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.rsplit_once(' ').map(|(sample, _)| sample)).collect()
}

#[test]
fn who_does_not_ask_for_open_metrics_gets_the_same_samples_in_the_format_of_prometheus() {
    let upstream = public();
    let (server, health) = start(&upstream);
    server.client(SPOKE_A).ask("rdweb.avd.example", kind::A);
    server.client(SPOKE_A).ask("www.public.example", kind::A);
    until(health, |scrape| scrape.count("hubdns_queries", &[]) >= 2.0);
    let scrape = |accept: &[&str]| request(health, "GET", "/metrics", accept, "");
    let plain = scrape(&[]);
    let open = scrape(&["accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2"]);
    assert_eq!(plain.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert_eq!(open.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    assert_eq!(samples(&plain.body), samples(&open.body));
    // What Debian's prometheus package has; printed loudly where it is not installed.
    let promtool =
        Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut promtool) = promtool else { return println!("SKIPPED: promtool is not installed") };
    promtool.stdin.take().expect("a pipe").write_all(plain.body.as_bytes()).expect("written");
    let output = promtool.wait_with_output().expect("it ends");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && told.is_empty(), "{told}\n{}", plain.body);
}
