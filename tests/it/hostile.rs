//! Forwarding under load to upstreams that misbehave, hang and throttle, while owned and cached names go on (F-01, F-05,
//! R31; one public name for 1,000 views: R3).

use crate::harness::load::{Load, Outcome, alone, ask, best_of_three, per_mille};
use crate::harness::message::{Rr, kind, wire_name};
use crate::harness::small::{SPOKE_A, Small};
use crate::harness::{Client, Query, Script, Seen, Server, Setup, Transport, Upstream};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::VecDeque;
use std::fmt::Write;
use std::net::UdpSocket;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const MS: fn(u64) -> Duration = Duration::from_millis;

const OWNED: &str = "hp1.privatelink.avd.example";
const OWNED_ADDRESS: &str = "10.10.4.4";
/// An address that must never reach a client.
const LEAK: &str = "203.0.113.66";

fn start(world: &Small, servers: &[&Upstream]) -> Server {
    let servers: Vec<_> = servers.iter().map(|server| server.server()).collect();
    Setup::new(world.text(&servers)).start()
}

fn good(seen: &Seen) -> Script {
    Script::records(vec![Rr::host(&seen.name, 300, "198.51.100.10")])
}

/// Every `each`-th query of a load, from the `first` on.
fn every(outcomes: &[Outcome], first: usize, each: usize) -> impl Iterator<Item = &Outcome> + Clone {
    outcomes.iter().skip(first).step_by(each)
}

/// All owned names were answered with their address; gives the time within which 99 of 100 were.
fn owned<'a>(outcomes: impl Iterator<Item = &'a Outcome> + Clone) -> Duration {
    for outcome in outcomes.clone() {
        assert_eq!(outcome.reply().addresses()[0].to_string(), OWNED_ADDRESS);
    }
    per_mille(outcomes, 990)
}

/// How many misbehaviours [`misbehave`] draws from.
pub(crate) const MISBEHAVIOURS: u32 = 24;

/// One misbehaviour of a server over UDP, by its number; behind TC also one over TCP.
pub(crate) fn misbehave(number: u32, draw: u32, seen: &Seen, elsewhere: &UdpSocket) -> Script {
    let lie = || Script::records(vec![Rr::host(&seen.name, 300, LEAK)]);
    let asked = |name: &str| [wire_name(name), vec![0, 1, 0, 1]].concat();
    if seen.transport == Transport::Tcp {
        return match draw % 7 {
            0 => Script { close: true, ..Script::default() },
            1 => Script::silence(),
            2 => Script { cut: Some(20), ..lie() },
            3 => Script { cut: Some(20), close_after: true, ..lie() },
            4 => Script { wrong_id: 1, ..lie() },
            5 => good(seen).delay(MS(u64::from(draw % 1_000))),
            _ => good(seen),
        };
    }
    match number {
        0 => Script::silence(),
        1 => Script::rcode(2),
        2 => Script::rcode(5),
        3 => Script::rcode(4),
        4 => Script::rcode(1),
        5 => Script { authority: vec![Rr::ns("example", 300, "ns.example")], ..Script::default() },
        6 => Script { wrong_id: 1 + (draw % 65_535) as u16, ..lie() },
        7 => Script { question: Some(asked("victim.public.example")), ..lie() },
        8 => Script { garbage: Some((0..40).map(|at| (draw >> (at % 24)) as u8).collect()), ..Script::default() },
        9 => Script { garbage: Some(vec![0x81; (draw % 10) as usize]), ..Script::default() },
        10 | 11 => Script { tc: true, ..Script::default() },
        12 => {
            let strings: Vec<_> = (0..20).map(|_| "x".repeat(200)).collect();
            Script { oversized: true, ..Script::records(vec![Rr::txt(&seen.name, 300, &strings)]) }
        }
        13 => good(seen).delay(MS(50 + u64::from(draw % 1_450))),
        14 => good(seen).after(vec![good(seen), good(seen)]),
        15 => {
            let mut question = seen.question().to_vec();
            question[..seen.question().len() - 4].iter_mut().for_each(|octet| match octet {
                b'a'..=b'z' => octet.make_ascii_uppercase(),
                _ => octet.make_ascii_lowercase(),
            });
            Script { question: Some(question), ..good(seen) }
        }
        16 => Script { questions: 0, ..lie() },
        17 => Script { questions: 2, question: Some([seen.question(), seen.question()].concat()), ..lie() },
        18 => Script::rcode(3),
        19 => Script::records(vec![
            Rr::cname(&seen.name, 300, "loop.public.example"),
            Rr::cname("loop.public.example", 300, &seen.name),
        ]),
        20 => {
            let mut script = good(seen);
            script.answers.push(Rr::host(OWNED, 300, LEAK));
            script.additional.push(Rr::host("ws1.privatelink.avd.example", 300, LEAK));
            script
        }
        21 => {
            // From another address than the one that was asked.
            let _ = elsewhere.send_to(&lie().encode(seen), seen.from);
            Script::silence()
        }
        22 => Script::records(vec![Rr::cname(&seen.name, 300, OWNED), Rr::host(OWNED, 300, LEAK)]),
        _ => Script { question: Some(asked(OWNED)), ..Script::records(vec![Rr::host(OWNED, 300, LEAK)]) },
    }
}

/// How long a query over TCP takes; it must be answered.
fn over_tcp(client: &Client, label: &str) -> Duration {
    let begun = Instant::now();
    let reply = client.tcp(&ask(&format!("{label}.public.example")));
    assert!(reply.addresses().iter().all(|one| one.to_string() != LEAK), "{:?}", reply.message);
    begun.elapsed()
}

#[test]
fn f_05_an_upstream_that_misbehaves_in_every_way() {
    let _alone = alone();
    let measure = || {
        let seed = rand::random::<u64>();
        println!("f_05: seed {seed}");
        let draws = Mutex::new(StdRng::seed_from_u64(seed));
        let elsewhere = UdpSocket::bind("127.0.0.1:0").expect("another port");
        let upstream = Upstream::start(move |seen| {
            let (number, draw) = {
                let mut draws = draws.lock().expect("nothing panics with it");
                (draws.random_range(0..MISBEHAVIOURS), draws.random::<u32>())
            };
            misbehave(number, draw, seen, &elsewhere)
        });
        let mut server = start(&Small { upstream: "timeout = \"2s\"".to_owned(), ..Small::default() }, &[&upstream]);
        // Four of five are forwarded: 5,000 queries.
        let load = Load::of_spoke_a(server.address, 1_250);
        let (outcomes, streams) = std::thread::scope(|scope| {
            let streams: Vec<_> = (0..10)
                .map(|number| {
                    let client = server.client(&format!("127.0.10.{}", 100 + number));
                    scope.spawn(move || (0..3).map(|turn| over_tcp(&client, &format!("t{number}.{turn}"))).max())
                })
                .collect();
            let outcomes = load.run(6_250, |number| match number % 5 {
                0 => ask(OWNED),
                _ => ask(&format!("n{number}.p{}.public.example", number % 50)),
            });
            let streams = streams.into_iter().filter_map(|asked| asked.join().expect("every query is answered")).max();
            (outcomes, streams)
        });
        let worst = per_mille(&*outcomes, 1_000).max(streams.unwrap_or_default());
        let answered = outcomes.iter().filter(|outcome| outcome.is_answered()).count();
        println!("f_05: seed {seed}, {answered} of {} with an answer, worst {worst:?}", outcomes.len());
        for outcome in outcomes.iter() {
            let reply = outcome.reply();
            assert!(reply.addresses().iter().all(|one| one.to_string() != LEAK), "seed {seed}: {:?}", reply.message);
        }
        let panicked = server.log().lines().find(|line| line.contains("panic")).map(str::to_owned);
        assert_eq!((server.is_alive(), panicked), (true, None), "seed {seed}");
        ([worst, owned(every(&outcomes, 0, 5))], [1_000, 990].map(|share| outcomes.floor(share)))
    };
    best_of_three(measure, |([worst, owned], [longest, floor])| {
        *worst <= MS(1_900) + *longest && *owned <= MS(2) + *floor
    });
}

#[test]
fn f_01_owned_and_stale_names_go_on_while_the_only_upstream_hangs() {
    let measure = || {
        let upstream = Upstream::start(|seen| Script::records(vec![Rr::host(&seen.name, 1, "198.51.100.10")]));
        let server = start(&Small { upstream: "timeout = \"2s\"".to_owned(), ..Small::default() }, &[&upstream]);
        let kept = |number: usize| format!("c{}.public.example", number / 4 % 20);
        for number in 0..20 {
            server.client(SPOKE_A).ask(&kept(4 * number), kind::A);
        }
        upstream.set(|_| Script::silence());
        let hung = Instant::now();
        std::thread::sleep(MS(1_100));
        let waited = hung.elapsed();
        // Known to be down, as the last of its group, 10 s after its last reply (R29).
        let outcomes = Load::of_spoke_a(server.address, 500).run(5_600, |number| match number % 4 {
            0 => ask(OWNED),
            1 => ask(&kept(number)),
            _ => ask(&format!("n{number}.p{}.public.example", number % 50)),
        });
        for outcome in every(&outcomes, 1, 4) {
            let reply = outcome.reply();
            assert_eq!(reply.addresses()[0].to_string(), "198.51.100.10", "{:?}", reply.message);
            assert_eq!((reply.answers()[0].ttl, reply.ede()), (30, Some(3)));
        }
        let forwarded = || every(&outcomes, 2, 4).chain(every(&outcomes, 3, 4));
        for outcome in forwarded() {
            assert!(outcome.is_servfail() && matches!(outcome.reply().ede(), Some(13 | 22)), "{:?}", outcome.reply());
        }
        let is_down = |outcome: &&Outcome| outcome.at + waited >= MS(10_200);
        let down = forwarded().filter(is_down).collect::<Vec<_>>();
        assert!(down.len() > 250, "{} queries once it is known to be down", down.len());
        let stale = every(&outcomes, 1, 4);
        let [worst, down, stale] = [per_mille(&*outcomes, 1_000), per_mille(down, 1_000), per_mille(stale, 1_000)];
        ([worst, down, stale, owned(every(&outcomes, 0, 4))], [1_000, 990].map(|share| outcomes.floor(share)))
    };
    best_of_three(measure, |([worst, down, stale, owned], [longest, floor])| {
        let in_time = *worst <= MS(1_900) + *longest && *down <= MS(1_000) + *longest;
        in_time && *stale <= MS(1_800) + *longest && *owned <= MS(2) + *floor
    });
}

#[test]
fn r03_one_public_name_for_a_thousand_views_is_one_upstream_query() {
    let upstream = Upstream::start(|seen| good(seen).delay(MS(100)));
    let mut text = format!("[[upstream]]\nname = \"public\"\nservers = [\"{}\"]\n", upstream.server());
    let (network, address) = (
        |view: usize| format!("127.{}.{}", 16 + view / 256, view % 256),
        |view: usize| format!("10.{}.{}.4", view / 256, view % 256),
    );
    for view in 0..1_000 {
        writeln!(
            text,
            "[[endpoint]]\nname = \"e{view}\"\nkind = \"other\"\nrecords = {{ \"own.corp.example\" = [\"{}\"] }}\n\
             [[view]]\nname = \"v{view}\"\nnetworks = [\"{}.0/24\"]\nendpoints = [\"e{view}\"]",
            address(view),
            network(view)
        )
        .expect("a text grows");
    }
    let server = Setup::new(text).start();
    for half in [0..500, 500..1_000] {
        let sources = half.clone().map(|view| format!("{}.9", network(view)));
        let outcomes = Load::new(server.address, sources, 5_000).run(1_000, |number| match number {
            0..500 => ask("www.public.example"),
            _ => ask("own.corp.example"),
        });
        for (number, outcome) in outcomes.iter().enumerate() {
            let wanted = if number < 500 { "198.51.100.10".to_owned() } else { address(half.start + number - 500) };
            assert_eq!(outcome.reply().addresses()[0].to_string(), wanted, "view {}", half.start + number % 500);
        }
    }
    assert_eq!(upstream.total(), 1);
}

/// A stand-in of Azure's platform resolver: it answers after a while and drops what exceeds its quotas.
#[derive(Default)]
struct Platform {
    /// When the queries of the last second came.
    last_second: VecDeque<Instant>,
    /// When the replies to open queries leave.
    pending: VecDeque<Instant>,
    most_in_a_second: usize,
    most_pending: usize,
    dropped: usize,
}

impl Platform {
    const PER_SECOND: usize = 1_000;
    const PENDING: usize = 200;

    fn answer(&mut self, seen: &Seen, ttl: u32, delay: Duration) -> Script {
        let now = Instant::now();
        self.last_second.retain(|at| now.duration_since(*at) < Duration::from_secs(1));
        self.pending.retain(|due| *due > now);
        self.last_second.push_back(now);
        self.most_in_a_second = self.most_in_a_second.max(self.last_second.len());
        self.most_pending = self.most_pending.max(self.pending.len() + 1);
        if self.last_second.len() > Self::PER_SECOND || self.pending.len() >= Self::PENDING {
            self.dropped += 1;
            return Script::silence();
        }
        self.pending.push_back(now + delay);
        Script::records(vec![Rr::host(&seen.name, ttl, "198.51.100.10")]).delay(delay)
    }
}

/// A load of 2,000 queries a second for three seconds before the stand-in, which takes `delay` for an answer. A quarter
/// each is owned, cached, expired and new. Gives what the stand-in has noted.
fn throttled(delay: Duration) -> Platform {
    let platform = Arc::new(Mutex::new(Platform::default()));
    let noted = Arc::clone(&platform);
    let upstream = Upstream::start(move |seen| {
        let ttl = if seen.name.starts_with('e') { 1 } else { 300 };
        noted.lock().expect("nothing panics with it").answer(seen, ttl, delay)
    });
    let caps = "max-in-flight = 150\nmax-qps = 900".to_owned();
    let server = start(&Small { upstream: caps, ..Small::default() }, &[&upstream]);
    let query = |number: usize| -> Query {
        match number % 4 {
            0 => ask(OWNED),
            1 => ask(&format!("c{}.public.example", number / 4 % 20)),
            2 => ask(&format!("e{}.public.example", number / 4 % 20)),
            _ => ask(&format!("n{number}.p{}.public.example", number % 50)),
        }
    };
    for number in (0..80).filter(|number| matches!(number % 4, 1 | 2)) {
        server.client(SPOKE_A).udp(&query(number));
    }
    std::thread::sleep(MS(1_100));
    // Four times as many new names as a load of all four kinds would have.
    let outcomes = Load::of_spoke_a(server.address, 4_000).run(12_000, |number| match number % 8 {
        of @ 0..3 => query(of + 4 * (number / 8)),
        _ => query(4 * number + 3),
    });
    let kept = outcomes.iter().enumerate().filter(|(number, _)| number % 8 < 3);
    for (number, outcome) in kept {
        assert!(outcome.is_answered(), "query {number}: {:?}", outcome.reply().message);
    }
    let new = outcomes.iter().enumerate().filter(|(number, _)| number % 8 >= 3).map(|(_, outcome)| outcome);
    let mut capped = 0;
    for outcome in new.filter(|outcome| !outcome.is_answered()) {
        let reply = outcome.reply();
        assert!(outcome.is_servfail() && reply.ede() == Some(0), "{:?}", reply.message);
        capped += 1;
    }
    drop(upstream);
    let platform = Arc::into_inner(platform).expect("the upstream has ended").into_inner().expect("nothing panicked");
    println!(
        "delay {delay:?}: {} in a second, {} pending, {} dropped, {capped} capped of {}",
        platform.most_in_a_second,
        platform.most_pending,
        platform.dropped,
        outcomes.len()
    );
    assert!(capped > 0, "the load reaches the caps");
    platform
}

#[test]
fn r31_a_platform_that_drops_past_its_pending_quota_drops_nothing() {
    let _alone = alone();
    let platform = throttled(MS(300));
    assert!(platform.most_pending <= 150, "{}", platform.most_pending);
    assert_eq!(platform.dropped, 0);
}

#[test]
fn r31_a_platform_that_drops_past_its_rate_drops_nothing() {
    let _alone = alone();
    let platform = throttled(MS(20));
    assert!(platform.most_in_a_second <= 1_000, "{}", platform.most_in_a_second);
    assert_eq!(platform.dropped, 0);
}
