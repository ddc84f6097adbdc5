//! The kinds of answers that the benches of the core ask for: one configuration, one cache, one query each.
#![allow(dead_code, reason = "each bench uses its part")]

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Instant;

use hubdns::cache::{Cache, Limits, Near};
use hubdns::load;
use hubdns::metrics::{Board, Carrier, Counters, Tally};
use hubdns::query_log::{QueryLog, Settings, Tap};
use hubdns::resolve::{Client, Nearby, Outcome, Silence, Transport, answer};
use hubdns::server::{Audit, Batch, count_reply, follow};
use hubdns::view::Snapshot;
use hubdns::wire::{Key, Moment, RawAnswer, RouteId, WireName};

/// One view with an endpoint and a zone, and a server behind it. Whoever serves it puts its own ports in.
pub(crate) const CONFIGURATION: &str = r#"
version = 1
[server]
listen = ["127.0.0.1:5300"]
[[upstream]]
name = "stand-in"
servers = ["127.0.0.1:5301"]
[[endpoint]]
name = "discovery"
kind = "global"
records = { "rdweb.wvd.microsoft.com" = ["10.10.1.4"] }
[[zone]]
name = "priv"
apex = "priv.example"
records = { "hp1" = ["10.10.4.4"], "ws1" = ["10.10.4.5"] }
[[view]]
name = "clients"
networks = ["127.0.10.0/24"]
endpoints = ["discovery"]
zones = ["priv"]
"#;

fn wire(name: &str) -> Vec<u8> {
    let labels = name.split('.').flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat());
    labels.chain([0]).collect()
}

/// An upstream's reply: an alias where `target` is given, then one address, 192.0.2.1.
pub(crate) fn reply(name: &str, target: Option<&str>) -> Vec<u8> {
    let mut message = vec![0, 7, 0x81, 0x80, 0, 1, 0, 1 + u8::from(target.is_some()), 0, 0, 0, 0];
    message.extend(wire(name));
    message.extend([0, 1, 0, 1]);
    let mut owner = vec![0xc0, 12];
    if let Some(target) = target {
        let target = wire(target);
        message.extend([&owner[..], &[0, 5, 0, 1, 0, 0, 1, 44, 0, target.len() as u8], &target].concat());
        owner = target;
    }
    message.extend([&owner[..], &[0, 1, 0, 1, 0, 0, 14, 16, 0, 4, 192, 0, 2, 1]].concat());
    message
}

/// A kind of query, by what it is answered with.
pub(crate) struct Kind {
    /// What it is called.
    pub(crate) name: &'static str,
    /// What it asks for.
    pub(crate) qname: &'static str,
    pub(crate) qtype: u8,
    /// Whether the client is in a view.
    pub(crate) inside: bool,
    /// Octets that are missing at the end.
    cut: usize,
}

impl Kind {
    const fn new(name: &'static str, qname: &'static str) -> Self {
        Self { name, qname, qtype: 1, inside: true, cut: 0 }
    }

    /// A query with RD and an OPT record.
    pub(crate) fn message(&self) -> Vec<u8> {
        let mut message = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
        message.extend(wire(self.qname));
        message.extend([0, self.qtype, 0, 1, 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
        message.truncate(message.len() - self.cut);
        message
    }

    /// The query and who asks it.
    pub(crate) fn question(&self) -> (Vec<u8>, Client) {
        let source = if self.inside { "127.0.10.1:4000" } else { "127.0.99.1:4000" };
        let client = Client::new(source.parse().unwrap(), "127.0.0.1:5300".parse().unwrap(), Transport::Udp);
        (self.message(), client)
    }

    /// Whether its question can be read.
    pub(crate) fn is_whole(&self) -> bool {
        self.cut == 0
    }

    /// Whether no reply is due before an upstream was asked.
    pub(crate) fn is_miss(&self) -> bool {
        self.name == "miss"
    }
}

/// All kinds.
pub(crate) const KINDS: [Kind; 9] = [
    Kind::new("endpoint", "rdweb.wvd.microsoft.com"),
    Kind::new("zone", "hp1.priv.example"),
    Kind { qtype: 28, ..Kind::new("nodata", "hp1.priv.example") },
    Kind::new("nxdomain", "missing.priv.example"),
    Kind::new("hit", "www.fwd.example"),
    Kind::new("alias", "al1.fwd.example"),
    Kind::new("miss", "never.fwd.example"),
    Kind { inside: false, ..Kind::new("refused", "hp1.priv.example") },
    Kind { cut: 20, ..Kind::new("formerr", "hp1.priv.example") },
];

/// What an exchange brings: the key and the raw answer of an A record, behind an alias where `target` is given.
pub(crate) fn fetched(route: RouteId, name: &str, target: Option<&str>) -> (Key, RawAnswer) {
    let key = Key::new(route, WireName::from_presentation(name).unwrap().as_ref(), 1, false, false);
    let raw = RawAnswer::from_upstream(&reply(name, target), &key).unwrap();
    (key, raw)
}

/// When the cache is filled, and a second later.
pub(crate) const FILLED: Moment = Moment::from_millis(1_000);
pub(crate) const NOW: Moment = Moment::from_millis(2_000);

/// What all kinds are asked of.
pub(crate) struct World {
    pub(crate) snapshot: Snapshot,
    cache: Cache,
    near: RefCell<Near>,
    counters: Arc<Counters>,
    counts: RefCell<(Tally, Batch)>,
    log: QueryLog,
    tap: RefCell<Tap>,
    begun: Instant,
}

impl World {
    /// Loads the configuration and fills the cache.
    pub(crate) fn new() -> Self {
        let loaded = load::from_text("bench.toml", CONFIGURATION);
        let mut plan = loaded.plan.unwrap_or_else(|| panic!("{:?}", loaded.findings));
        plan.generation = 1;
        let snapshot = Snapshot::build(plan);
        let cache = Cache::new(1 << 24, Limits::default());
        let route = snapshot.views[0].default_route;
        for (name, target) in [("www.fwd.example", None), ("al1.fwd.example", Some("hp1.priv.example"))] {
            let (key, raw) = fetched(route.id, name, target);
            cache.insert(&key, raw, FILLED);
        }
        let board = Board::default();
        let (counters, mut tally) = board.event_loop();
        follow(&mut tally, &snapshot);
        let log = QueryLog::new(&Arc::new(board));
        let tap = RefCell::new(log.tap(&counters));
        Self {
            snapshot,
            cache,
            near: RefCell::default(),
            counters,
            counts: RefCell::new((tally, Batch::default())),
            log,
            tap,
            begun: Instant::now(),
        }
    }

    /// Logs every query from now on.
    pub(crate) fn log(&self, settings: &Settings) {
        self.log.apply(settings, &self.snapshot).expect("a thread");
    }

    /// Asks once.
    pub(crate) fn ask(&self, message: &[u8], client: &Client, out: &mut [u8]) -> Outcome {
        let mut near = self.near.borrow_mut();
        let raw = Nearby::new(&self.cache, &near);
        let outcome = answer(message, client, &self.snapshot, &raw, NOW, out, &mut Silence);
        if let Some(found) = raw.found() {
            near.keep(found);
        }
        outcome
    }

    /// Asks once as a worker does, which counts and watches.
    pub(crate) fn serve(&self, message: &[u8], client: &Client, out: &mut [u8]) -> Outcome {
        let mut audit = Audit::new(&self.counters, client, &self.snapshot, NOW, 0);
        let (mut tap, mut near) = (self.tap.borrow_mut(), self.near.borrow_mut());
        let raw = Nearby::new(&self.cache, &near);
        let outcome = audit.answer(message, &raw, out, tap.draft());
        if let Some(found) = raw.found() {
            near.keep(found);
        }
        if let Outcome::Reply(length) = outcome {
            let (tally, batch) = &mut *self.counts.borrow_mut();
            let reply = out.get(..length).unwrap_or(&[]);
            batch.push(count_reply(tally, Carrier::Udp, &audit.seen, message, reply));
            if tap.is_drafted() {
                tap.leaves(&audit.seen.left(&self.snapshot, client, Carrier::Udp, self.begun, reply));
            }
        }
        outcome
    }
}
