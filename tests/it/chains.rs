//! Amplified work: long chains of aliases, loops in names, loops of forwarders (S-19, S-20; R21, R31).

use crate::harness::load::ask;
use crate::harness::message::{Rr, kind, presentation};
use crate::harness::public::Chains;
use crate::harness::reply::rcode;
use crate::harness::small::{SPOKE_A, Small, inline_alias};
use crate::harness::{Query, Reply, Script, Seen, Server, Setup, Upstream};
use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Aliases of a finished answer at most (R21).
const MOST: usize = 16;
const ADDRESS: &str = "198.51.100.40";

/// The `step`-th name of the chain of so many aliases. With two routes every other name is of `corp.example`.
fn link(length: usize, step: usize, routes: usize) -> String {
    let suffix = if routes == 2 && step % 2 == 1 { "corp.example" } else { "public.example" };
    format!("l{step}.c{length}.r{routes}.{suffix}")
}

/// What a server says to a link of a chain: all that follows, or the next alias only.
fn follow(seen: &Seen, chains: Chains) -> Script {
    let number = |label: &str| label.get(1..).and_then(|number| number.parse::<usize>().ok());
    let labels: Vec<_> = seen.name.split('.').map(number).collect();
    let [Some(first), Some(length), Some(routes), ..] = *labels else { return Script::nxdomain("example") };
    let mut answers = Vec::new();
    for step in first..length {
        answers.push(Rr::cname(&link(length, step, routes), 300, &link(length, step + 1, routes)));
        if chains == Chains::Single {
            return Script::records(answers);
        }
    }
    answers.push(Rr::host(&link(length, length, routes), 300, ADDRESS));
    Script::records(answers)
}

/// The product before two servers of the default route and one of the route `corp.example`.
struct World {
    server: Server,
    upstreams: [Upstream; 3],
}

fn start(answer: impl Fn(&Seen) -> Script + Send + Sync + Copy + 'static, records: String) -> World {
    let upstreams = [0; 3].map(|_| Upstream::start(answer));
    let small = Small {
        records,
        view: "forward = [{ suffix = \"corp.example\", upstream = \"inside\" }]".to_owned(),
        more: format!("[[upstream]]\nname = \"inside\"\nservers = [\"{}\"]", upstreams[2].server()),
        ..Small::default()
    };
    let servers = [upstreams[0].server(), upstreams[1].server()];
    World { server: Setup::new(small.text(&servers)).start(), upstreams }
}

impl World {
    fn asked(&self) -> usize {
        self.upstreams.iter().map(Upstream::total).sum()
    }

    /// One query, cold or warm, over UDP or TCP, and how many upstream messages it took.
    fn ask(&self, name: &str, stream: bool) -> (Reply, usize) {
        let (client, before) = (self.server.client(SPOKE_A), self.asked());
        let query = Query::new(name, kind::A).with_opt();
        let reply = if stream { client.tcp(&query) } else { client.udp(&query) };
        (reply, self.asked() - before)
    }
}

fn assert_empty_servfail(reply: &Reply, what: &str) {
    assert_eq!((reply.rcode(), reply.answers().len()), (rcode::SERVFAIL, 0), "{what}: {:?}", reply.message);
}

#[test]
fn s_19_sixteen_aliases_are_answered_and_more_are_not_cold_and_warm() {
    for chains in [Chains::Whole, Chains::Single] {
        for (routes, lengths) in [(1, 1..=40), (2, 1..=24)] {
            let world = start(move |seen| follow(seen, chains), String::new());
            for length in lengths {
                let name = link(length, 0, routes);
                // Cold, warm, warm over TCP; cold over TCP is the same path for every other length.
                for stream in [length % 2 == 1, false, true] {
                    let what = format!("{chains:?}, {routes} routes, {length} aliases, stream {stream}");
                    let (reply, messages) = world.ask(&name, stream);
                    assert!(messages <= 8 + length.min(MOST + 1), "{what}: {messages} upstream messages");
                    if length > MOST {
                        assert_empty_servfail(&reply, &what);
                        continue;
                    }
                    // What does not fit a datagram is cut; a client then asks over TCP.
                    let reply = if reply.tc() { world.ask(&name, true).0 } else { reply };
                    assert_eq!(reply.rcode(), rcode::NOERROR, "{what}: {:?}", reply.message);
                    assert_eq!(reply.targets().len(), length, "{what}");
                    assert_eq!(reply.addresses()[0].to_string(), ADDRESS, "{what}");
                }
            }
        }
    }
}

#[test]
fn s_19_loops_are_servfails_cold_and_warm() {
    let alias = |seen: &Seen, target: &str| Script::records(vec![Rr::cname(&seen.name, 300, target)]);
    let both = |one: &str, other: &str| Script::records(vec![Rr::cname(one, 300, other), Rr::cname(other, 300, one)]);
    let answer = move |seen: &Seen| match &*seen.name {
        "self.public.example" => alias(seen, "self.public.example"),
        "one.public.example" => alias(seen, "two.public.example"),
        "two.public.example" => alias(seen, "one.public.example"),
        "whole.public.example" => both("whole.public.example", "other.public.example"),
        "other.public.example" => both("other.public.example", "whole.public.example"),
        "here.public.example" => alias(seen, "there.corp.example"),
        "there.corp.example" => alias(seen, "here.public.example"),
        "told.public.example" => both("told.public.example", "told.corp.example"),
        "told.corp.example" => both("told.corp.example", "told.public.example"),
        "into.public.example" => alias(seen, "loop.privatelink.avd.example"),
        "under.public.example" => {
            Script::records(vec![Rr::dname("under.public.example", 300, "x.under.public.example")])
        }
        name if name.ends_with(".under.public.example") => {
            Script::records(vec![Rr::dname("under.public.example", 300, "x.under.public.example")])
        }
        _ => Script::nxdomain("example"),
    };
    let world = start(answer, inline_alias("loop", "into.public.example"));
    let names = [
        "self.public.example",
        "one.public.example",
        "whole.public.example",
        "here.public.example",
        "there.corp.example",
        "told.public.example",
        "into.public.example",
        "loop.privatelink.avd.example",
        "a.under.public.example",
    ];
    for name in names {
        for stream in [false, true, false] {
            let begun = Instant::now();
            let (reply, messages) = world.ask(name, stream);
            assert_empty_servfail(&reply, name);
            assert!(messages <= 8 + MOST + 1, "{name}: {messages} upstream messages");
            assert!(begun.elapsed() < Duration::from_secs(1), "{name}: {:?}", begun.elapsed());
        }
    }
    assert_eq!(world.ask("ws1.privatelink.avd.example", false).0.addresses().len(), 1);
}

#[test]
fn s_20_an_upstream_that_is_an_own_listener_does_not_start() {
    for (listen, server) in [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.9", "127.0.0.9"),
        ("0.0.0.0", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.5"),
        ("[::]", "[::1]"),
        ("[::]", "127.0.0.1"),
    ] {
        let setup = Setup::new(Small::default().text(&[format!("{server}:@PORT@")])).listen(&[listen]);
        let (status, log) = setup.run_to_end();
        assert_eq!(status.code(), Some(3), "listens on {listen}, asks {server}:\n{log}");
        assert!(log.contains("H0304"), "{log}");
    }
}

/// Passes datagrams on to a server and its replies back, and counts the passes of each name.
fn relay(socket: &UdpSocket, to: SocketAddr, stop: &AtomicBool) -> HashMap<String, usize> {
    let (mut passes, mut askers) = (HashMap::new(), HashMap::new());
    socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a read timeout");
    let mut octets = [0; 4_096];
    while !stop.load(Ordering::Acquire) {
        let Ok((length, from)) = socket.recv_from(&mut octets) else { continue };
        let id = [octets[0], octets[1]];
        if from == to {
            if let Some(asker) = askers.get(&id) {
                let _ = socket.send_to(&octets[..length], asker);
            }
            continue;
        }
        askers.insert(id, from);
        *passes.entry(presentation(&octets[12..length]).0).or_default() += 1;
        let _ = socket.send_to(&octets[..length], to);
    }
    // The server's own look for loops goes round too.
    passes.retain(|name: &String, _| name.ends_with(".public.example"));
    passes
}

#[test]
fn s_20_a_loop_of_two_instances_stops_at_its_second_pass() {
    let between = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let short = |server: String| {
        let small = Small { upstream: "timeout = \"2s\"".to_owned(), ..Small::default() };
        Setup::new(small.text(&[server])).start()
    };
    let first = short(between.local_addr().expect("its address").to_string());
    let second = short(first.address.to_string());
    let stop = AtomicBool::new(false);
    let passes = std::thread::scope(|scope| {
        let relayed = scope.spawn(|| relay(&between, second.address, &stop));
        let asked: Vec<_> = (0..20)
            .map(|number| {
                let client = if number % 2 == 0 { &first } else { &second }.client(SPOKE_A);
                scope.spawn(move || {
                    let begun = Instant::now();
                    let query = ask(&format!("n{number}.public.example"));
                    let reply = if number % 4 < 2 { client.udp(&query) } else { client.tcp(&query) };
                    assert_empty_servfail(&reply, "a loop");
                    assert!(begun.elapsed() <= Duration::from_millis(1_900), "{:?}", begun.elapsed());
                })
            })
            .collect();
        asked.into_iter().for_each(|asked| asked.join().expect("a SERVFAIL by the budget"));
        stop.store(true, Ordering::Release);
        relayed.join().expect("the relay ran")
    });
    assert_eq!(passes.len(), 20, "{passes:?}");
    assert!(passes.values().all(|passes| *passes <= 3), "{passes:?}");
    for server in [&first, &second] {
        let owned = server.client(SPOKE_A).ask("hp1.privatelink.avd.example", kind::A);
        assert_eq!(owned.addresses().len(), 1);
        let warnings = server.log().lines().filter(|line| line.contains("loop of forwarders")).count();
        assert!(warnings <= 1, "{warnings} warnings");
    }
}
