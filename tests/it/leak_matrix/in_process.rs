//! In this process: the loader, the one path and the cache, on a stepped clock.

use super::world::{
    CUT, Cell, DEPTHS, MODES, NETS, PUBLIC, STALE, TYPES, Tally, guarded, guarded_by, public, query, text,
};
use crate::harness::message::presentation;
use crate::harness::{Query, Reply, Script, Seen, Transport};
use hubdns::cache::{Cache, Limits};
use hubdns::resolve::{self, Event, MAX_OCTETS, MAX_UDP_OCTETS, Observer, Outcome, Scratch};
use hubdns::view::Snapshot;
use hubdns::wire::{Failure, Moment, RawAnswer};
use std::net::SocketAddr;

/// A snapshot, what it has kept, and what its guard told.
struct Core {
    snapshot: Snapshot,
    cache: Cache,
    now: Moment,
    told: Told,
    /// What served before a reload, once there was one.
    before: Option<Box<Core>>,
}

/// Counts what the guard withholds, and what it would.
#[derive(Default)]
struct Told {
    withheld: usize,
    watched: usize,
}

impl Observer for Told {
    fn note(&mut self, event: Event<'_>) {
        self.withheld += usize::from(matches!(event, Event::Withheld { watch: false, .. }));
        self.watched += usize::from(matches!(event, Event::Withheld { watch: true, .. }));
    }
}

/// An upstream that answers everything, or nothing.
fn answering(name: &str, qtype: u16) -> Option<Script> {
    Some(public(name, qtype, false))
}

impl Core {
    fn load(mode: Option<&str>, generation: u64) -> Self {
        let head = "version = 1\n[server]\nlisten = [\"127.0.0.1:5300\"]\n";
        let whole = head.to_owned() + &text("127.0.0.1:5301", mode, "");
        let loaded = hubdns::load::from_text("hub.toml", &whole).into_parts();
        let (_, mut plan, _) = loaded.unwrap_or_else(|findings| panic!("{findings:#?}"));
        plan.generation = generation;
        let (cache, now) = (Cache::new(1 << 20, Limits::default()), Moment::from_millis(86_400_000));
        Self { snapshot: Snapshot::build(plan), cache, now, told: Told::default(), before: None }
    }

    /// One query to its end; `None` from the upstream is a failure.
    fn ask(&mut self, net: u8, query: &Query, stream: bool, upstream: impl Fn(&str, u16) -> Option<Script>) -> Reply {
        let transport = if stream { resolve::Transport::Stream } else { resolve::Transport::Udp };
        let source = SocketAddr::from(([127, 0, net, 9], 40_000));
        let client = resolve::Client::new(source, SocketAddr::from(([127, 0, 0, 1], 5300)), transport);
        let (message, mut fetched) = (query.to_octets(), Vec::new());
        let mut out = vec![0; if stream { MAX_OCTETS } else { MAX_UDP_OCTETS }];
        for _ in 0..40 {
            let raw = Scratch { cache: &self.cache, fetched: &fetched };
            match resolve::answer(&message, &client, &self.snapshot, &raw, self.now, &mut out, &mut self.told) {
                Outcome::Reply(length) => return Reply::decode(out[..length].to_vec()),
                Outcome::Discard(_) => panic!("discarded: {query:?}"),
                Outcome::Need(key, _) => {
                    let key = *key;
                    let (name, _) = presentation(key.name_octets());
                    let raw = match upstream(&name, key.qtype()) {
                        Some(script) => {
                            let octets = Query::new(&name, key.qtype()).with_opt().to_octets();
                            let (transport, kind) = (Transport::Tcp, key.qtype());
                            let seen = Seen { name, kind, transport, from: source, octets, earlier: 0 };
                            RawAnswer::from_upstream(&script.encode(&seen), &key).expect("it can be put in order")
                        }
                        None => RawAnswer::failed(Failure::Silent),
                    };
                    fetched.push((key, self.cache.insert(&key, raw, self.now)));
                }
            }
        }
        panic!("no end of needs for {query:?}");
    }

    /// Brings the cache into a state, then asks; what was told is that of the last question alone.
    fn ask_in(&mut self, state: &str, net: u8, query: &Query, stream: bool) -> Reply {
        let lying = |name: &str, qtype: u16| Some(public(name, qtype, true));
        let silent = |_: &str, _: u16| None;
        match state {
            "fresh" | "lying" => self.cache.clear(),
            STALE => {
                self.cache.clear();
                self.ask(net, query, stream, answering);
                self.now = self.now.after(std::time::Duration::from_secs(100));
            }
            "reloading" => {
                // Held and marked plain under a snapshot that guards nothing, then reloaded.
                let generation = self.snapshot.generation - 1;
                let mut before = self.before.take().unwrap_or_else(|| Box::new(Core::load(None, generation)));
                before.cache.clear();
                before.now = self.now;
                for _ in 0..2 {
                    let reply = before.ask(net, query, stream, answering);
                    let holds = |octets: &&[u8]| reply.octets.windows(octets.len()).any(|own| own == *octets);
                    assert!(PUBLIC.iter().any(holds), "nothing to guard: {query:?}");
                }
                std::mem::swap(&mut self.cache, &mut before.cache);
                self.before = Some(before);
            }
            "down" => drop(self.ask(net, query, stream, silent)),
            "lying, cached" => drop(self.ask(net, query, stream, lying)),
            _ => drop(self.ask(net, query, stream, answering)),
        }
        self.told = Told::default();
        match state {
            "down" | STALE => self.ask(net, query, stream, silent),
            "lying" | "lying, cached" => self.ask(net, query, stream, lying),
            _ => self.ask(net, query, stream, answering),
        }
    }
}

/// Every depth and type.
fn cells() -> impl Iterator<Item = (usize, u16)> {
    (0..DEPTHS).flat_map(|depth| TYPES.map(|qtype| (depth, qtype)))
}

#[test]
fn s_23_leak_matrix_in_this_process() {
    let mut tally = Tally::default();
    let (mut told, mut told_of, mut cut) = (0, 0, 0);
    for mode in MODES {
        for (number, name) in guarded_by(mode) {
            for state in ["fresh", "cached", STALE, "reloading", "lying", "lying, cached", "down", CUT] {
                for stream in [false, true] {
                    // A core for both views: what one of them fetches the other one finds.
                    let mut core = Core::load(Some(mode), 2);
                    for (depth, qtype) in cells() {
                        let query = query(number, &name, depth, qtype, state);
                        for net in NETS {
                            let reply = core.ask_in(state, net, &query, stream);
                            let before = tally.withheld;
                            tally.add(&Cell { state, mode, number, name: &name, depth, qtype, net }, &reply);
                            cut += usize::from(reply.tc());
                            // A cut reply has no room for EDE 15, by which the tally knows a withheld answer.
                            if reply.tc() {
                                assert!(core.told.withheld >= tally.withheld - before, "{}: {state}", name.what);
                            } else {
                                told += core.told.withheld;
                                told_of += tally.withheld - before;
                            }
                        }
                    }
                }
            }
        }
    }
    tally.end("in process");
    println!("{cut} cells were cut for the client");
    assert!(cut > 500, "{cut} cells were cut for the client");
    assert_eq!(told, told_of, "every withheld answer is an event");
}

#[test]
fn s_23_watch_and_off_pass_what_own_withholds() {
    let (mut passed, mut watched) = (0, 0);
    for mode in ["watch", "off"] {
        for (number, name) in guarded().into_iter().enumerate() {
            for state in ["fresh", "cached", STALE, "reloading", "lying", "lying, cached", "down", CUT] {
                for stream in [false, true] {
                    // An owned name is what it is under every mode; another one as if nothing were guarded.
                    let wanted = if name.owned.is_some() { Some("own") } else { None };
                    let (mut core, mut model) = (Core::load(Some(mode), 2), Core::load(wanted, 2));
                    for (depth, qtype) in cells() {
                        let query = query(number, &name, depth, qtype, state);
                        for net in NETS {
                            let cell =
                                format!("{state}, {mode}, {} at depth {depth}, TYPE{qtype}, view v{net}", name.what);
                            let reply = core.ask_in(state, net, &query, stream);
                            assert_eq!(reply.octets, model.ask_in(state, net, &query, stream).octets, "{cell}");
                            assert_eq!(core.told.withheld, 0, "{cell}: withheld");
                            // Addresses would be withheld, and hints taken out.
                            let is_guarded = state != "down" && name.owned.is_none() && !name.all_only;
                            let told = core.told.watched > 0;
                            let is_due = is_guarded && mode == "watch";
                            assert!(told == is_due, "{cell}: told {told}");
                            passed += usize::from(is_guarded);
                            watched += usize::from(told);
                        }
                    }
                }
            }
        }
    }
    println!("{passed} answers passed that `own` withholds, {watched} of them told of by `watch`");
    assert!(watched > 3_000, "{watched}");
}
