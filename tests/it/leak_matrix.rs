//! The leak matrix (S-23, R25): guarded names of every kind × state × alias depth × type × transport × guard mode, seen
//! from two views that hold the same names. No public address, no hint and nothing of the other view may leave; what is
//! withheld is NODATA with the synthetic SOA and EDE 15, and every withheld answer is in the audit log.
//!
//! In this process where a socket adds nothing (fresh, cached, reloading, lying, down); over sockets where the exchange
//! itself is at stake (coalesced, reloading, down, truncated).

use crate::harness::client::{PATIENCE, receive};
use crate::harness::message::{Rr, kind, presentation, wire_name};
use crate::harness::reply::rcode;
use crate::harness::{Client, Query, Reply, Script, Seen, Server, Setup, Transport, Upstream, port};
use hubdns::cache::{Entry, Limits};
use hubdns::resolve::{self, Event, Held, Observer, Outcome, Raw};
use hubdns::view::Snapshot;
use hubdns::wire::{Failure, Key, Moment, RawAnswer};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

const POOL: &str = "fbc91b00-e6a4-4b2c-a7d8-68c7a740fe9f";
const FOREIGN: &str = "0d4f2c6e-1111-4222-8333-944455556666";
const TYPES: [u16; 4] = [kind::A, kind::AAAA, kind::HTTPS, kind::SVCB];
const DEPTHS: usize = 13;
/// The views, by the third octet of their clients and the second of their addresses.
const NETS: [u8; 2] = [10, 20];
const MODES: [&str; 2] = ["own", "all"];
/// What no reply may hold, wherever: a public IPv4 address (also mapped) and a public IPv6 one.
const PUBLIC: [&[u8]; 2] = [&[203, 0, 113], &[0x20, 0x01, 0x0d, 0xb8]];

/// One guarded name.
struct Guarded {
    what: &'static str,
    name: String,
    /// The last octet of its private address where the view owns it.
    owned: Option<u8>,
    /// Guarded under `guard = "all"` alone.
    all_only: bool,
}

/// Every kind of R25.
fn guarded() -> Vec<Guarded> {
    let one = |what, name: String, owned| Guarded { what, name, owned, all_only: false };
    let mut all = vec![
        one("endpoint, public spelling", format!("{POOL}.rdbroker.wvd.microsoft.com"), Some(7)),
        one("endpoint, private spelling", format!("{POOL}.rdbroker.privatelink.wvd.microsoft.com"), Some(7)),
        one("global endpoint, public", "rdweb.wvd.microsoft.com".to_owned(), Some(4)),
        one("global endpoint, private", "rdweb.privatelink-global.wvd.microsoft.com".to_owned(), Some(4)),
        one("wildcard endpoint", "w.wild.example".to_owned(), Some(9)),
        one("below an endpoint, public", format!("x.{POOL}.rdbroker.wvd.microsoft.com"), None),
        one("below an endpoint, private", format!("x.{POOL}.rdbroker.privatelink.wvd.microsoft.com"), None),
        one("GUID-mate, public", format!("{POOL}.rdnew.wvd.microsoft.com"), None),
        one("GUID-mate, private", format!("{POOL}.rdnew.privatelink.wvd.microsoft.com"), None),
        one("must-be-private name", "acct1.file.example".to_owned(), None),
        one("must-be-private wildcard", "a.b.vault.example".to_owned(), None),
        one("under privatelink-global", "rdweb-r9.privatelink-global.wvd.microsoft.com".to_owned(), None),
    ];
    let name = format!("{FOREIGN}.rdbroker.privatelink.wvd.microsoft.com");
    all.push(Guarded { what: "another resource", name, owned: None, all_only: true });
    all
}

/// The kinds that a mode guards, with their number in all.
fn guarded_by(mode: &str) -> Vec<(usize, Guarded)> {
    guarded().into_iter().enumerate().filter(|(_, name)| mode == "all" || !name.all_only).collect()
}

/// QNAME for a depth: so many aliases before the guarded name.
fn qname(number: usize, name: &str, depth: usize) -> String {
    match depth.checked_sub(1) {
        None => name.to_owned(),
        Some(step) => format!("s{step}.k{number}.steps.example"),
    }
}

/// Both views with everything that guards, or with nothing of it.
fn text(server: &str, mode: Option<&str>, upstream: &str) -> String {
    let mut text = format!("[[upstream]]\nname = \"azure\"\nservers = [\"{server}\"]\n{upstream}\n");
    for net in NETS {
        let Some(mode) = mode else {
            text += &format!("[[view]]\nname = \"v{net}\"\nnetworks = [\"127.0.{net}.0/24\"]\nguard = \"off\"\n");
            continue;
        };
        text += &format!(
            r#"
[[endpoint]]
name = "pool-{net}"
kind = "host-pool"
resource = "{POOL}"
records = {{ "{POOL}.rdbroker.wvd.microsoft.com" = ["10.{net}.4.7"] }}
[[endpoint]]
name = "global-{net}"
kind = "global"
records = {{ "rdweb.wvd.microsoft.com" = ["10.{net}.4.4"] }}
[[endpoint]]
name = "wild-{net}"
kind = "other"
records = {{ "*.wild.example" = ["10.{net}.4.9"] }}
[[view]]
name = "v{net}"
networks = ["127.0.{net}.0/24"]
endpoints = ["pool-{net}", "global-{net}", "wild-{net}"]
guard = "{mode}"
must-be-private = ["acct1.file.example", "*.vault.example"]
"#
        );
    }
    text
}

/// The public chain from a name to its public end; a liar reverses it, mixes a private address in, adds records that
/// nobody asked for, and makes the hints mandatory.
fn public(name: &str, qtype: u16, lying: bool) -> Script {
    let mut answers = Vec::new();
    let mut owner = name.to_owned();
    if let Some((step, rest)) = name.strip_prefix('s').and_then(|name| name.split_once(".k")) {
        let (number, _) = rest.split_once('.').expect("a step's name");
        let end = guarded().swap_remove(number.parse().expect("a kind's number")).name;
        for next in (0..step.parse().expect("a step")).rev() {
            let target = format!("s{next}.k{number}.steps.example");
            answers.push(Rr::cname(&owner, 60, &target));
            owner = target;
        }
        answers.push(Rr::cname(&owner, 60, &end));
        owner = end;
    }
    let new = format!("{POOL}.rdnew.wvd.microsoft.com");
    if owner == new {
        let private = new.replace(".wvd", ".privatelink.wvd");
        answers.push(Rr::cname(&owner, 60, &private));
        owner = private;
    }
    if owner != "acct1.file.example" {
        answers.push(Rr::cname(&owner, 60, "front.example"));
        owner = "front.example".to_owned();
    }
    let hints = [(4, vec![203, 0, 113, 50]), (6, [PUBLIC[1], &[0; 11], &[0x50]].concat())];
    let mandatory = (0, vec![0, 4]);
    let parameters: Vec<_> =
        lying.then_some(mandatory).into_iter().chain([(1, b"\x02h2".to_vec())]).chain(hints).collect();
    match qtype {
        kind::A => answers.push(Rr::host(&owner, 60, "203.0.113.50")),
        kind::AAAA => answers.push(Rr::host(&owner, 60, "2001:db8::50")),
        _ => answers.push(Rr::service(&owner, qtype, 60, ".", &parameters)),
    }
    let mut script = Script::records(answers);
    if lying {
        match qtype {
            kind::A => script.answers.push(Rr::host(&owner, 60, "10.99.0.1")),
            kind::AAAA => script.answers.push(Rr::host(&owner, 60, "::ffff:203.0.113.51")),
            _ => {}
        }
        script.answers.reverse();
        script.answers.push(Rr::host("other.example", 60, "203.0.113.66"));
        script.authority.push(Rr::ns("example", 60, "ns.example"));
        script.additional.push(Rr::host(name, 60, "203.0.113.67"));
    }
    script
}

/// One cell of the matrix.
struct Cell<'a> {
    state: &'static str,
    mode: &'static str,
    name: &'a Guarded,
    depth: usize,
    qtype: u16,
    net: u8,
}

impl Cell<'_> {
    /// Whether an answer was withheld; an error says what is wrong with it.
    fn judge(&self, reply: &Reply) -> Result<bool, String> {
        let wrong = |what: &str| {
            let Self { state, mode, name, depth, qtype, net } = self;
            let cell =
                format!("{state}, {mode}, {} {} at depth {depth}, TYPE{qtype}, view v{net}", name.what, name.name);
            Err(format!("{cell}: {what}: {:?} {:?} EDE {:?}", reply.answers(), reply.authority(), reply.ede()))
        };
        let holds = |wanted: &[u8]| reply.octets.windows(wanted.len()).any(|octets| octets == wanted);
        if PUBLIC.iter().any(|address| holds(address)) {
            return wrong("a public address");
        }
        let other = if self.net == NETS[0] { NETS[1] } else { NETS[0] };
        if holds(&[10, other, 4]) {
            return wrong("the other view's address");
        }
        let answers = reply.answers();
        if answers.iter().any(has_hints) {
            return wrong("a hint");
        }
        if self.state.starts_with("down") && !(self.depth == 0 && self.name.owned.is_some()) {
            let is_failure = reply.rcode() == rcode::SERVFAIL && answers.is_empty();
            return if is_failure { Ok(false) } else { wrong("no SERVFAIL") };
        }
        if reply.rcode() != rcode::NOERROR {
            return wrong(&format!("RCODE {}", reply.rcode()));
        }
        let is_service = matches!(self.qtype, kind::HTTPS | kind::SVCB);
        let data: Vec<_> = answers.iter().filter(|rr| rr.kind != kind::CNAME).collect();
        if self.name.owned.is_none() && is_service {
            // The record stays without its hints; where `mandatory` lists one, it goes.
            let wanted = usize::from(!self.state.starts_with("lying"));
            return if data.len() == wanted { Ok(false) } else { wrong("service records") };
        }
        let targets = reply.targets();
        if targets.len() != self.depth || targets.last().is_some_and(|last| *last != self.name.name) {
            return wrong("not the aliases up to the guarded name");
        }
        if let Some(last) = self.name.owned
            && self.qtype == kind::A
        {
            let held = IpAddr::from([10, self.net, 4, last]);
            return if reply.addresses() == [held] && data.len() == 1 { Ok(false) } else { wrong("not its address") };
        }
        let authority = reply.authority();
        let is_synthetic = authority.len() == 1
            && authority[0].kind == kind::SOA
            && authority[0].name == self.name.name
            && authority[0].data.starts_with(&wire_name("hubdns.invalid"));
        if !data.is_empty() || !is_synthetic {
            return wrong("no NODATA with the synthetic SOA");
        }
        let is_withheld = self.name.owned.is_none();
        if is_withheld && reply.ede() != Some(15) {
            return wrong("no EDE 15");
        }
        Ok(is_withheld)
    }
}

/// Whether a record is HTTPS or SVCB with an address hint.
fn has_hints(record: &Rr) -> bool {
    if !matches!(record.kind, kind::HTTPS | kind::SVCB) {
        return false;
    }
    let mut at = 2 + presentation(&record.data[2..]).1;
    while let [high, low, long_high, long_low, ..] = record.data[at..] {
        if matches!([high, low], [0, 4 | 6]) {
            return true;
        }
        at += 4 + usize::from(u16::from_be_bytes([long_high, long_low]));
    }
    false
}

/// What the cells came to.
#[derive(Default)]
struct Tally {
    cells: usize,
    withheld: usize,
    faults: Vec<String>,
}

impl Tally {
    fn add(&mut self, cell: &Cell<'_>, reply: &Reply) {
        self.cells += 1;
        match cell.judge(reply) {
            Ok(withheld) => self.withheld += usize::from(withheld),
            Err(fault) => self.faults.push(fault),
        }
    }

    fn end(&self, what: &str) {
        println!("leak matrix, {what}: {} cells, {} withheld, {} wrong", self.cells, self.withheld, self.faults.len());
        let first: Vec<_> = self.faults.iter().take(10).collect();
        assert!(first.is_empty(), "{} of {} cells are wrong: {first:#?}", self.faults.len(), self.cells);
    }
}

/// The core in this process: a snapshot, what it has kept, and how its upstream behaves.
struct Core {
    snapshot: Snapshot,
    kept: HashMap<Key, Arc<Entry>>,
    withheld: Withheld,
}

/// Counts what the guard withholds.
#[derive(Default)]
struct Withheld(usize);

impl Observer for Withheld {
    fn note(&mut self, event: Event<'_>) {
        self.0 += usize::from(matches!(event, Event::Withheld { watch: false, .. }));
    }
}

struct Answers<'a>(&'a HashMap<Key, Arc<Entry>>, &'a HashMap<Key, Arc<Entry>>);

impl Raw for Answers<'_> {
    fn look_up(&self, key: &Key, _: Moment) -> Option<Held> {
        let held = |entry: &Arc<Entry>, fresh| Held { entry: Arc::clone(entry), fresh };
        self.1.get(key).map(|entry| held(entry, true)).or_else(|| self.0.get(key).map(|entry| held(entry, false)))
    }
}

impl Core {
    fn load(mode: Option<&str>, generation: u64) -> Self {
        let head = "version = 1\n[server]\nlisten = [\"127.0.0.1:5300\"]\n";
        let whole = head.to_owned() + &text("127.0.0.1:5301", mode, "");
        let loaded = hubdns::load::from_text("hub.toml", &whole).into_parts();
        let (_, mut plan, _) = loaded.unwrap_or_else(|findings| panic!("{findings:#?}"));
        plan.generation = generation;
        Self { snapshot: Snapshot::build(plan), kept: HashMap::new(), withheld: Withheld::default() }
    }

    /// One query to its end; `None` from the upstream is a failure.
    fn ask(&mut self, net: u8, query: &Query, stream: bool, upstream: impl Fn(&str, u16) -> Option<Script>) -> Reply {
        let transport = if stream { resolve::Transport::Stream } else { resolve::Transport::Udp };
        let source = SocketAddr::from(([127, 0, net, 9], 40_000));
        let client = resolve::Client::new(source, SocketAddr::from(([127, 0, 0, 1], 5300)), transport);
        let now = Moment::from_millis(1_000);
        let (message, mut fresh, mut out) = (query.to_octets(), HashMap::new(), vec![0; 65_535]);
        for _ in 0..40 {
            let raw = Answers(&self.kept, &fresh);
            match resolve::answer(&message, &client, &self.snapshot, &raw, now, &mut out, &mut self.withheld) {
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
                    let entry = Arc::new(Entry::new(raw, now, &Limits::default()));
                    self.kept.insert(key, Arc::clone(&entry));
                    fresh.insert(key, entry);
                }
            }
        }
        panic!("no end of needs for {query:?}");
    }
}

#[test]
fn s_23_leak_matrix_in_this_process() {
    let mut tally = Tally::default();
    let mut noted = 0;
    for mode in MODES {
        for (number, name) in guarded_by(mode) {
            for state in ["fresh", "cached", "reloading", "lying", "lying, cached", "down"] {
                for stream in [false, true] {
                    // A core for both views: what one of them fetches the other one finds.
                    let mut core = Core::load(Some(mode), 2);
                    for (depth, qtype) in (0..DEPTHS).flat_map(|depth| TYPES.map(|qtype| (depth, qtype))) {
                        let query = Query::new(&qname(number, &name.name, depth), qtype).with_opt();
                        let upstream = |name: &str, qtype: u16| match state {
                            "down" => None,
                            _ => Some(public(name, qtype, state.starts_with("lying"))),
                        };
                        for net in NETS {
                            match state {
                                "fresh" | "lying" => core.kept.clear(),
                                "reloading" => {
                                    // Held and marked plain under a snapshot that guards nothing, then reloaded.
                                    let mut before = Core::load(None, 1);
                                    for _ in 0..2 {
                                        let reply = before.ask(net, &query, stream, upstream);
                                        let public =
                                            |octets: &[u8]| reply.octets.windows(octets.len()).any(|o| o == octets);
                                        assert!(
                                            PUBLIC.iter().any(|octets| public(octets)),
                                            "nothing to guard: {query:?}"
                                        );
                                    }
                                    core.kept = before.kept;
                                }
                                _ => drop(core.ask(net, &query, stream, upstream)),
                            }
                            core.withheld.0 = 0;
                            let reply = core.ask(net, &query, stream, upstream);
                            tally.add(&Cell { state, mode, name: &name, depth, qtype, net }, &reply);
                            noted += core.withheld.0;
                        }
                    }
                }
            }
        }
    }
    tally.end("in process");
    assert_eq!(noted, tally.withheld, "every withheld answer is an event");
}

/// A question that many ask, and what each of them got.
struct Burst {
    replies: Vec<(usize, u8, Reply)>,
}

/// Sends all questions from both views over UDP and TCP before it reads any reply; `meanwhile` runs in between.
fn burst(server: &Server, queries: &[Query], meanwhile: impl FnOnce()) -> Burst {
    let with_id = |at: usize| queries[at].clone().id(u16::try_from(at + 1).expect("few queries")).to_octets();
    let mut waiting = Vec::new();
    for net in NETS {
        let client: Client = server.client(&format!("127.0.{net}.9"));
        let (socket, mut session) = (client.socket(), client.connect());
        for at in 0..queries.len() {
            socket.send(&with_id(at)).expect("sent");
            session.send(&with_id(at));
        }
        waiting.push((net, socket, session));
    }
    meanwhile();
    let mut replies = Vec::new();
    for (net, socket, mut session) in waiting {
        for _ in 0..queries.len() {
            for octets in [receive(&socket, PATIENCE), session.receive(PATIENCE)] {
                let reply = Reply::decode(octets.unwrap_or_else(|| panic!("a reply is missing in view v{net}")));
                replies.push((usize::from(reply.id()) - 1, net, reply));
            }
        }
    }
    Burst { replies }
}

/// Audit lines of the log and what they say was left out.
fn audited(server: &Server) -> usize {
    let log = server.log();
    let lines = log.lines().filter(|line| line.contains("withheld") && line.contains("skipped"));
    lines
        .map(|line| {
            let (_, rest) = line.rsplit_once("skipped").expect("it is in the line");
            let digits: String =
                rest.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
            1 + digits.parse::<usize>().expect("a count of lines that were left out")
        })
        .sum()
}

/// Waits until the audit lines account for every withheld answer. What the last second left out is said with a later
/// line, so one more answer is withheld from time to time.
fn wait_for_audit(server: &Server, mut withheld: usize) -> usize {
    let deadline = Instant::now() + Duration::from_secs(10);
    let query = Query::new(&guarded()[9].name, kind::A).with_opt();
    while audited(server) != withheld && Instant::now() < deadline {
        let reply = server.client("127.0.10.9").udp(&query);
        withheld += usize::from(reply.ede() == Some(15));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(audited(server), withheld, "audit lines with what they left out");
    withheld
}

/// A door that the upstream waits at.
#[derive(Default)]
struct Door {
    open: Mutex<bool>,
    changed: Condvar,
}

impl Door {
    fn set(&self, open: bool) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = open;
        self.changed.notify_all();
    }

    fn pass(&self) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let most = Duration::from_secs(3);
        drop(self.changed.wait_timeout_while(open, most, |open| !*open).unwrap_or_else(PoisonError::into_inner));
    }
}

/// Runs all kinds of a mode in one state over sockets.
fn over_sockets(state: &'static str, mode: &'static str) -> Tally {
    let door = Arc::new(Door::default());
    let at_door = Arc::clone(&door);
    let upstream = Upstream::start(move |seen| {
        let lying = public(&seen.name, seen.kind, true);
        match state {
            "coalesced" => public(&seen.name, seen.kind, false).delay(Duration::from_millis(40)),
            "reloading" => {
                at_door.pass();
                public(&seen.name, seen.kind, false)
            }
            // The part that fits lies as well; the whole comes over TCP.
            "truncated" if seen.transport == Transport::Udp => Script { tc: true, ..lying },
            _ => public(&seen.name, seen.kind, false),
        }
    });
    let address = if state == "down" { format!("127.0.0.1:{}", port::free()) } else { upstream.server() };
    let more = if state == "down" { "timeout = \"1s\"" } else { "" };
    let (before, after) = (text(&address, None, more), text(&address, Some(mode), more));
    let server = Setup::new(after.clone()).start();
    let mut tally = Tally::default();
    for (number, name) in guarded_by(mode) {
        let cells: Vec<_> = (0..DEPTHS).flat_map(|depth| TYPES.map(|qtype| (depth, qtype))).collect();
        let query = |(depth, qtype): &(usize, u16)| Query::new(&qname(number, &name.name, *depth), *qtype).with_opt();
        let queries: Vec<_> = cells.iter().map(query).collect();
        let asked = upstream.total();
        if state == "reloading" {
            door.set(false);
            server.reload(&before);
        }
        let burst = burst(&server, &queries, || {
            if state == "reloading" {
                // In flight under the snapshot that guards nothing; what comes back meets the one that does (R5).
                let deadline = Instant::now() + PATIENCE;
                while upstream.total() == asked && Instant::now() < deadline {
                    std::thread::yield_now();
                }
                assert!(upstream.total() > asked, "{}: nothing is in flight", name.what);
                server.reload(&after);
                door.set(true);
            }
        });
        for (at, net, reply) in &burst.replies {
            let (depth, qtype) = cells[*at];
            tally.add(&Cell { state, mode, name: &name, depth, qtype, net: *net }, reply);
        }
        let seen = upstream.seen();
        let repeated = seen.iter().skip(asked).filter(|one| one.earlier > 0).count();
        assert!(state != "coalesced" || repeated == 0, "{}: {repeated} questions were asked twice", name.what);
        assert!(state == "down" || seen.len() > asked, "{}: the upstream was not asked", name.what);
    }
    println!("leak matrix, {state}, {mode}: {} cells, {} withheld", tally.cells, tally.withheld);
    if tally.faults.is_empty() && tally.withheld > 0 {
        let withheld = wait_for_audit(&server, tally.withheld);
        println!("leak matrix, {state}, {mode}: {withheld} withheld answers in the audit log");
    }
    tally
}

#[test]
fn s_23_leak_matrix_over_sockets() {
    let mut all = Tally::default();
    for state in ["coalesced", "reloading", "down", "truncated"] {
        for mode in MODES {
            let tally = over_sockets(state, mode);
            all.cells += tally.cells;
            all.withheld += tally.withheld;
            all.faults.extend(tally.faults);
        }
    }
    all.end("over sockets");
}
