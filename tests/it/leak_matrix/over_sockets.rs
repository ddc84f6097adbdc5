//! Over sockets: the real server beside a scripted upstream.

use super::world::{CUT, Cell, DEPTHS, MODES, NETS, TYPES, Tally, guarded, guarded_by, public, query, text};
use crate::harness::client::{PATIENCE, receive};
use crate::harness::message::kind;
use crate::harness::{Client, Query, Reply, Script, Server, Setup, Transport, Upstream, port};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

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
        let queries: Vec<_> = cells.iter().map(|(depth, qtype)| query(number, &name, *depth, *qtype, state)).collect();
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
            tally.add(&Cell { state, mode, number, name: &name, depth, qtype, net: *net }, reply);
        }
        let seen = upstream.seen();
        let repeated = seen.iter().skip(asked).filter(|one| one.earlier > 0).count();
        assert!(state != "coalesced" || repeated == 0, "{}: {repeated} questions were asked twice", name.what);
        assert!(state == "down" || seen.len() > asked, "{}: the upstream was not asked", name.what);
    }
    println!("leak matrix, {state}, {mode}: {} cells, {} withheld", tally.cells, tally.withheld);
    // A cut reply has a line too, but no room for EDE 15, by which the tally knows it.
    if tally.faults.is_empty() && tally.withheld > 0 && state != CUT {
        let withheld = wait_for_audit(&server, tally.withheld);
        println!("leak matrix, {state}, {mode}: {withheld} withheld answers in the audit log");
    }
    tally
}

#[test]
fn s_23_leak_matrix_over_sockets() {
    let mut all = Tally::default();
    for state in ["coalesced", "reloading", "down", "truncated", CUT] {
        for mode in MODES {
            let tally = over_sockets(state, mode);
            all.cells += tally.cells;
            all.withheld += tally.withheld;
            all.faults.extend(tally.faults);
        }
    }
    all.end("over sockets");
}

#[test]
fn s_23_watch_passes_and_has_a_line_for_each_answer() {
    let upstream = Upstream::start(|seen| public(&seen.name, seen.kind, false));
    let server = Setup::new(text(&upstream.server(), Some("watch"), "")).start();
    let mut passed = 0;
    for (number, name) in guarded_by("watch").into_iter().filter(|(_, name)| name.owned.is_none()) {
        let cells: Vec<_> = (0..3).flat_map(|depth| [(depth, kind::A), (depth, kind::AAAA)]).collect();
        let queries: Vec<_> = cells.iter().map(|(depth, kind)| query(number, &name, *depth, *kind, "")).collect();
        for (at, net, reply) in burst(&server, &queries, || {}).replies {
            let addresses = reply.addresses();
            let is_public =
                addresses.iter().all(|address| ["203.0.113.50", "2001:db8::50"].contains(&&*address.to_string()));
            assert!(
                addresses.len() == 1 && is_public && reply.errors().is_empty(),
                "{} from v{net}, {:?}: {:?}",
                name.what,
                cells[at],
                reply.message
            );
            passed += 1;
        }
    }
    let log = server.log();
    assert!(
        log.lines().filter(|line| line.contains("\"withheld\"")).all(|line| line.contains("\"watch\":true")),
        "{log}"
    );
    let deadline = Instant::now() + Duration::from_secs(10);
    let one_more = Query::new(&guarded()[9].name, kind::A);
    while audited(&server) < passed && Instant::now() < deadline {
        passed += server.client("127.0.10.9").udp(&one_more).addresses().len();
        std::thread::sleep(Duration::from_millis(20));
    }
    println!("{passed} answers passed, {} in the audit log", audited(&server));
    assert!(audited(&server) >= passed && passed >= 7 * 6 * 4, "{passed}, {}", audited(&server));
}
