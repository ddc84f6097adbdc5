//! Upstreams that hang, are closed, fail, lie and break their TCP side (F-01 to F-04, F-07).

use crate::harness::load::{Load, Outcome, ask, best_of_three, per_mille};
use crate::harness::message::{Rr, kind, wire_name};
use crate::harness::reply::rcode;
use crate::harness::small::{SPOKE_A, Small};
use crate::harness::{Client, Reply, Script, Seen, Server, Setup, Transport, Upstream};
use std::net::TcpListener;
use std::time::{Duration, Instant};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// By when a client has its reply where the upstream's timeout is two seconds.
const BUDGET: Duration = Duration::from_millis(1_900);

/// A small world with a timeout of two seconds that serves nothing stale.
fn short() -> Small {
    let more = "[cache]\nserve-stale = \"0s\"\n".to_owned();
    Small { upstream: "timeout = \"2s\"".to_owned(), more, ..Small::default() }
}

fn start(world: &Small, servers: &[&Upstream]) -> Server {
    let servers: Vec<_> = servers.iter().map(|server| server.server()).collect();
    Setup::new(world.text(&servers)).start()
}

fn good(seen: &Seen) -> Script {
    Script::records(vec![Rr::host(&seen.name, 300, "198.51.100.10")])
}

fn timed(client: &Client, name: &str) -> (Reply, Duration) {
    let begun = Instant::now();
    let reply = client.udp(&ask(name));
    (reply, begun.elapsed())
}

/// All have their SERVFAIL within a time; gives their EDE codes, each once.
fn servfails(outcomes: &[Outcome], within: Duration) -> Vec<Option<u16>> {
    let worst = per_mille(outcomes, 1_000);
    assert!(worst <= within, "{worst:?}");
    let mut codes: Vec<_> = outcomes
        .iter()
        .map(|outcome| {
            assert!(outcome.is_servfail(), "{:?}", outcome.reply().message);
            outcome.reply().ede()
        })
        .collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

#[test]
fn f_01_a_hanging_upstream_is_a_servfail_within_the_budget_and_sooner_once_it_is_down() {
    let upstream = Upstream::start(|_| Script::silence());
    let server = start(&short(), &[&upstream]);
    let load = Load::of_spoke_a(server.address, 100);
    let outcomes = load.run(50, |number| ask(&format!("n{number}.public.example")));
    assert_eq!(servfails(&outcomes, BUDGET), [Some(22)]);
    server.wait_for_log(|line| line.contains("is down"));
    let outcomes = load.run(50, |number| ask(&format!("m{number}.public.example")));
    assert_eq!(servfails(&outcomes, MS(1_000)), [Some(22)]);
    let begun = Instant::now();
    let reply = server.client(SPOKE_A).tcp(&ask("tcp.public.example"));
    assert_eq!((reply.rcode(), reply.ede()), (rcode::SERVFAIL, Some(22)));
    assert!(begun.elapsed() <= MS(1_000), "{:?}", begun.elapsed());
    let (reply, took) = timed(&server.client(SPOKE_A), "tcp.public.example");
    assert_eq!((reply.rcode(), reply.ede()), (rcode::SERVFAIL, Some(13)), "the failure is remembered");
    assert!(took <= MS(500), "{took:?}");
}

#[test]
fn f_01_one_query_alone_has_its_servfail_within_the_budget() {
    let upstream = Upstream::start(|_| Script::silence());
    let server = start(&short(), &[&upstream]);
    for stream in [false, true] {
        let query = ask(&format!("{stream}.public.example"));
        let begun = Instant::now();
        let client = server.client(SPOKE_A);
        let reply = if stream { client.tcp(&query) } else { client.udp(&query) };
        assert_eq!((reply.rcode(), reply.ede()), (rcode::SERVFAIL, Some(22)));
        assert!(begun.elapsed() <= BUDGET, "{:?}", begun.elapsed());
    }
}

#[test]
fn f_01_an_answer_after_four_and_a_half_seconds_reaches_the_client() {
    let upstream = Upstream::start(|seen| good(seen).delay(MS(4_500)));
    let server = start(&Small::default(), &[&upstream]);
    std::thread::scope(|scope| {
        for stream in [false, true] {
            let client = server.client(SPOKE_A);
            scope.spawn(move || {
                let query = ask(&format!("{stream}.public.example"));
                let begun = Instant::now();
                let reply = if stream { client.tcp(&query) } else { client.udp(&query) };
                assert_eq!(reply.addresses().len(), 1, "{:?}", reply.message);
                assert!(begun.elapsed() >= MS(4_500), "{:?}", begun.elapsed());
            });
        }
    });
    for (stream, count) in
        [(false, upstream.count("false.public.example")), (true, upstream.count("true.public.example"))]
    {
        assert!((1..=3).contains(&count), "stream {stream}: {count} datagrams, the repeats at 1 s and 3 s among them");
    }
}

#[test]
fn f_01_something_stale_is_served_before_the_budget_ends() {
    let upstream = Upstream::start(|seen| Script::records(vec![Rr::host(&seen.name, 1, "198.51.100.10")]));
    let server = start(&Small { more: String::new(), ..short() }, &[&upstream]);
    let client = server.client(SPOKE_A);
    for number in 0..5 {
        client.ask(&format!("n{number}.public.example"), kind::A);
    }
    upstream.set(|_| Script::silence());
    std::thread::sleep(MS(1_100));
    std::thread::scope(|scope| {
        for number in 0..5 {
            scope.spawn(move || {
                let (reply, took) = timed(&client, &format!("n{number}.public.example"));
                assert_eq!(reply.addresses().len(), 1, "{:?}", reply.message);
                assert_eq!((reply.answers()[0].ttl, reply.ede()), (30, Some(3)));
                assert!(took <= BUDGET, "{took:?}");
            });
        }
    });
}

#[test]
fn f_02_a_closed_port_is_a_servfail_at_once() {
    let measure = || {
        let closed = format!("127.0.0.1:{}", crate::harness::port::free());
        let server = Setup::new(short().text(&[closed])).start();
        let client = server.client(SPOKE_A);
        let worst = (0..20).map(|number| {
            let (reply, took) = timed(&client, &format!("n{number}.public.example"));
            assert_eq!((reply.rcode(), reply.ede()), (rcode::SERVFAIL, Some(23)), "{number}");
            took
        });
        let worst = worst.max();
        let begun = Instant::now();
        let reply = client.tcp(&ask("tcp.public.example"));
        assert_eq!((reply.rcode(), reply.ede()), (rcode::SERVFAIL, Some(23)));
        worst.max(Some(begun.elapsed()))
    };
    best_of_three(measure, |worst| *worst <= Some(MS(50)));
}

#[test]
fn f_03_a_hanging_server_beside_a_good_one_costs_no_query() {
    let measure_policy = |policy: &'static str, count: usize| {
        let measure = || {
            let (hangs, answers) = (Upstream::start(|_| Script::silence()), Upstream::start(good));
            let upstream = format!("timeout = \"2s\"\npolicy = \"{policy}\"");
            let server = start(&Small { upstream, ..short() }, &[&hangs, &answers]);
            let load = Load::of_spoke_a(server.address, 1_000);
            let outcomes = load.run(count, |number| ask(&format!("n{number}.p{}.public.example", number % 50)));
            let failed = outcomes.iter().filter(|outcome| !outcome.is_answered()).count();
            assert_eq!(failed, 0, "{policy}:\n{}", server.log());
            let (early, later) = outcomes.split_at(1_000);
            let first = [per_mille(early, 1_000), outcomes.floor(1_000)];
            (policy, first, [per_mille(later, 990), outcomes.floor(990)])
        };
        best_of_three(measure, |(_, [first, longest], [later, floor])| {
            *first <= MS(300) + *longest && *later <= MS(5) + *floor
        });
    };
    measure_policy("ordered", 2_500);
    std::thread::scope(|scope| {
        for policy in ["round-robin", "fastest", "race"] {
            scope.spawn(move || measure_policy(policy, 1_600));
        }
    });
}

type Lie = fn(&Seen) -> Script;

/// What a server does that is worth nothing (RELIABILITY.md 4.1), by name.
const LIES: [(&str, Lie); 7] = [
    ("servfail", |_| Script::rcode(2)),
    ("refused", |_| Script::rcode(5)),
    ("lame", |_| Script { authority: vec![Rr::ns("example", 300, "ns.example")], ..Script::default() }),
    ("lame without RA", |_| Script { ra: false, ..Script::default() }),
    ("wrong", |seen| {
        let lie = || Script::records(vec![Rr::host(&seen.name, 300, "203.0.113.66")]);
        let mut question = wire_name("victim.public.example");
        question.extend_from_slice(&[0, 1, 0, 1]);
        Script { question: Some(question), ..lie() }.after(vec![Script { wrong_id: 1, ..lie() }])
    }),
    ("garbage", |seen| Script {
        garbage: Some((0..40u8).map(|at| (seen.id() >> (at % 16)) as u8 ^ at.wrapping_mul(73)).collect()),
        ..Script::default()
    }),
    ("cut header", |_| Script { garbage: Some(vec![0x81, 0x80, 0, 1]), ..Script::default() }),
];

#[test]
fn f_04_a_server_that_fails_or_lies_beside_a_good_one_costs_no_query() {
    let measure_each = |(what, lie): (&'static str, Lie)| {
        let measure = || {
            let (bad, answers) = (Upstream::start(lie), Upstream::start(good));
            let server = start(&short(), &[&bad, &answers]);
            let client = server.client(SPOKE_A);
            let mut took: Vec<_> = (0..20)
                .map(|number| {
                    std::thread::sleep(MS(50));
                    let (reply, took) = timed(&client, &format!("n{number}.public.example"));
                    let address = reply.addresses().first().map(ToString::to_string);
                    assert_eq!(address.as_deref(), Some("198.51.100.10"), "{what}: {:?}", reply.message);
                    took
                })
                .collect();
            took.sort_unstable();
            assert!(bad.total() > 0, "{what}: it was asked");
            (what, took[9], took[19])
        };
        best_of_three(measure, |(_, median, worst)| *median <= MS(5) && *worst <= MS(300));
    };
    std::thread::scope(|scope| LIES.iter().for_each(|lie| _ = scope.spawn(|| measure_each(*lie))));
}

/// What becomes of TCP after a reply with TC.
#[derive(Clone, Copy, Debug)]
enum Broken {
    Closed,
    /// The connection is taken and closed before anything is read.
    FinFirst,
    /// Closed when a query has come.
    FinThen,
    Hangs,
    HalfAFrame,
    HalfAFrameThenFin,
    WrongId,
}

const BROKEN: [Broken; 7] = [
    Broken::Closed,
    Broken::FinFirst,
    Broken::FinThen,
    Broken::Hangs,
    Broken::HalfAFrame,
    Broken::HalfAFrameThenFin,
    Broken::WrongId,
];

impl Broken {
    fn script(self, seen: &Seen) -> Script {
        match (seen.transport, self) {
            (Transport::Udp, _) => Script { tc: true, ..Script::default() },
            (_, Self::HalfAFrame) => Script { cut: Some(20), ..good(seen) },
            (_, Self::HalfAFrameThenFin) => Script { cut: Some(20), close_after: true, ..good(seen) },
            (_, Self::WrongId) => Script { wrong_id: 9, ..good(seen) },
            (_, Self::Hangs) => Script::silence(),
            (_, Self::FinThen) => Script { close: true, ..Script::default() },
            (_, Self::Closed | Self::FinFirst) => unreachable!("nothing is read"),
        }
    }

    fn start(self) -> Upstream {
        match self {
            Self::Closed => Upstream::start_without_tcp(move |seen| self.script(seen)),
            Self::FinFirst => {
                let upstream = Upstream::start_without_tcp(move |seen| self.script(seen));
                let listener = TcpListener::bind(upstream.address).expect("the TCP port is free");
                // Ends with the test's process; it holds nothing but its port.
                std::thread::spawn(move || listener.incoming().for_each(drop));
                upstream
            }
            _ => Upstream::start(move |seen| self.script(seen)),
        }
    }
}

/// No connection has carried a question after one of its questions failed.
fn assert_not_used_again(broken: Broken, upstream: &Upstream, names: &[&str]) {
    let seen = upstream.seen();
    let of = |name: &str| -> Vec<u16> {
        let streams = seen.iter().filter(|seen| seen.transport == Transport::Tcp && seen.name == name);
        streams.map(|seen| seen.from.port()).collect()
    };
    let [first, second] = [of(names[0]), of(names[1])];
    assert!(second.iter().all(|port| !first.contains(port)), "{broken:?}: ports {first:?}, then {second:?}");
    let comes_to_a_question = !matches!(broken, Broken::Closed | Broken::FinFirst);
    assert_eq!(!first.is_empty() && !second.is_empty(), comes_to_a_question, "{broken:?}: {first:?}, {second:?}");
}

#[test]
fn f_07_a_broken_tcp_side_leads_to_the_other_server() {
    std::thread::scope(|scope| {
        for broken in BROKEN {
            scope.spawn(move || {
                let (bad, answers) = (broken.start(), Upstream::start(good));
                let server = start(&short(), &[&bad, &answers]);
                let client = server.client(SPOKE_A);
                let names = ["one.public.example", "two.public.example"];
                for name in names {
                    let (reply, took) = timed(&client, name);
                    assert_eq!(reply.addresses().len(), 1, "{broken:?}: {:?}", reply.message);
                    assert!(took <= BUDGET, "{broken:?}: {took:?}");
                    // The exchange of the first question ends, whatever it still waits for.
                    std::thread::sleep(MS(2_100).saturating_sub(took));
                }
                assert_not_used_again(broken, &bad, &names);
            });
        }
    });
}

#[test]
fn f_07_a_broken_tcp_side_alone_is_a_servfail_within_the_budget() {
    std::thread::scope(|scope| {
        for broken in BROKEN {
            scope.spawn(move || {
                let bad = broken.start();
                let server = start(&short(), &[&bad]);
                let client = server.client(SPOKE_A);
                let names = ["one.public.example", "two.public.example"];
                for name in names {
                    let (reply, took) = timed(&client, name);
                    assert_eq!(reply.rcode(), rcode::SERVFAIL, "{broken:?}: {:?}", reply.message);
                    assert!(matches!(reply.ede(), Some(22 | 23)), "{broken:?}: {:?}", reply.ede());
                    assert!(took <= BUDGET, "{broken:?}: {took:?}");
                    std::thread::sleep(MS(2_100).saturating_sub(took));
                }
                assert_not_used_again(broken, &bad, &names);
                // The server that answers over UDP is not given up for it.
                bad.set(good);
                let (reply, _) = timed(&client, "three.public.example");
                assert_eq!(reply.addresses().len(), 1, "{broken:?}: {:?}", reply.message);
            });
        }
    });
}

#[test]
fn f_07_a_connection_that_hangs_does_not_hold_up_questions_to_come() {
    // The first connection hangs, later ones work: what is asked after the hang is answered by a new one.
    let upstream = Upstream::start(|seen| match (seen.transport, &*seen.name) {
        (Transport::Udp, _) => Script { tc: true, ..Script::default() },
        (_, "one.public.example") => Script::silence(),
        _ => good(seen),
    });
    let server = start(&short(), &[&upstream]);
    let client = server.client(SPOKE_A);
    let (reply, took) = timed(&client, "one.public.example");
    assert_eq!(reply.rcode(), rcode::SERVFAIL);
    assert!(took <= BUDGET, "{took:?}");
    std::thread::sleep(MS(2_100).saturating_sub(took));
    let (reply, took) = timed(&client, "two.public.example");
    assert_eq!(reply.addresses().len(), 1, "{:?}", reply.message);
    assert!(took <= MS(500), "{took:?}");
}

#[test]
fn f_07_a_question_that_hangs_costs_no_other_on_its_connection() {
    let upstream = Upstream::start(|seen| match (seen.transport, &*seen.name) {
        (Transport::Udp, _) => Script { tc: true, ..Script::default() },
        (_, "hangs.public.example") => Script::silence(),
        _ => good(seen).delay(MS(50)),
    });
    let server = start(&short(), &[&upstream]);
    let client = server.client(SPOKE_A);
    std::thread::scope(|scope| {
        scope.spawn(move || assert_eq!(client.udp(&ask("hangs.public.example")).rcode(), rcode::SERVFAIL));
        // One is under way at any time, also when the one that hangs has run out of time.
        for number in 0..45 {
            scope.spawn(move || {
                let (reply, _) = timed(&client, &format!("n{number}.public.example"));
                assert_eq!(reply.addresses().len(), 1, "{number}: {:?}", reply.message);
            });
            std::thread::sleep(MS(55));
        }
    });
}

#[test]
fn f_07_a_connection_that_replies_to_another_question_is_not_used_again() {
    let victim = || Some([wire_name("victim.public.example"), vec![0, 1, 0, 1]].concat());
    let upstream = Upstream::start(move |seen| match seen.transport {
        Transport::Udp => Script { tc: true, ..Script::default() },
        Transport::Tcp => Script { question: victim(), ..good(seen) },
    });
    let server = start(&short(), &[&upstream]);
    for name in ["one.public.example", "two.public.example"] {
        assert_eq!(timed(&server.client(SPOKE_A), name).0.rcode(), rcode::SERVFAIL);
    }
    let streams = upstream.seen().into_iter().filter(|seen| seen.transport == Transport::Tcp);
    let ports: Vec<_> = streams.map(|seen| seen.from.port()).collect();
    assert!(ports.len() == 2 && ports[0] != ports[1], "ports {ports:?}");
}

#[test]
fn r29_the_ninth_of_nine_servers_is_asked_when_the_others_are_down() {
    let hang: Vec<_> = (0..8).map(|_| Upstream::start(|_| Script::silence())).collect();
    let ninth = Upstream::start(good);
    let servers: Vec<_> = hang.iter().chain([&ninth]).collect();
    let server = start(&short(), &servers);
    let load = Load::of_spoke_a(server.address, 100);
    load.run(400, |number| ask(&format!("n{number}.public.example")));
    // All eight have been silent for four seconds.
    let outcomes = load.run(100, |number| ask(&format!("m{number}.public.example")));
    let answered = outcomes.iter().filter(|outcome| outcome.is_answered()).count();
    assert_eq!((answered, ninth.total() > 0), (100, true), "{}", server.log());
}

#[test]
fn f_03_two_hanging_servers_before_a_good_one_cost_no_query() {
    let hang = [0; 2].map(|_| Upstream::start(|_| Script::silence()));
    let answers = Upstream::start(good);
    let server = start(&short(), &[&hang[0], &hang[1], &answers]);
    let outcomes =
        Load::of_spoke_a(server.address, 1_000).run(2_000, |number| ask(&format!("n{number}.public.example")));
    let failed = outcomes.iter().filter(|outcome| !outcome.is_answered()).count();
    assert_eq!(failed, 0, "of 2,000, while their good server had every question's time to answer");
}
