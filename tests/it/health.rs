//! What an upstream server's replies, silence and spoofed replies make of it, on a stepped clock (F-05, S-10, S-12,
//! S-13, S-20; R28 to R31).

use crate::harness::driven::Driven;
use crate::harness::message::{Rr, kind, presentation, wire_name};
use crate::harness::{Script, Seen, Transport, Upstream};
use crate::hostile::{MISBEHAVIOURS, misbehave};
use hubdns::upstream::Health;
use hubdns::wire::{End, Failure};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;
use std::io::Write;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tracing_subscriber::fmt::MakeWriter;

const MS: fn(u64) -> Duration = Duration::from_millis;

/// Longer than anything takes on loopback.
const REAL: Duration = Duration::from_secs(5);

fn good(seen: &Seen) -> Script {
    Script::records(vec![Rr::host(&seen.name, 300, "198.51.100.10")])
}

/// A server whose socket the test itself reads and writes.
struct Socket {
    socket: UdpSocket,
}

impl Socket {
    fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.set_read_timeout(Some(REAL)).expect("a read timeout");
        Self { socket }
    }

    fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("its address")
    }

    /// The next query.
    fn take(&self) -> Seen {
        let mut octets = [0; 512];
        let (length, from) = self.socket.recv_from(&mut octets).expect("a query");
        let octets = octets[..length].to_vec();
        let (name, _) = presentation(&octets[12..]);
        Seen { name, kind: kind::A, transport: Transport::Udp, from, octets, earlier: 0 }
    }

    fn send(&self, octets: &[u8], to: SocketAddr) {
        self.socket.send_to(octets, to).expect("loopback takes it");
    }

    fn answer(&self, seen: &Seen) {
        self.send(&good(seen).encode(seen), seen.from);
    }
}

/// Whether any of a query's letters is in upper case.
fn is_mixed(seen: &Seen) -> bool {
    seen.question().iter().any(u8::is_ascii_uppercase)
}

#[test]
fn s_10_a_socket_carries_64_queries_and_lives_ten_seconds() {
    for (every, count) in [(MS(400), 200), (MS(10), 2_000)] {
        let server = Socket::new();
        let mut driven = Driven::new(&[server.address()]);
        let begun = driven.now;
        let mut used: BTreeMap<u16, Vec<Duration>> = BTreeMap::new();
        for number in 0..count {
            assert!(driven.ask(&format!("n{number}.public.example")).is_none());
            let seen = server.take();
            used.entry(seen.from.port()).or_default().push(driven.now.since(begun));
            server.answer(&seen);
            assert_eq!(driven.receive(REAL).len(), 1);
            driven.step(every);
        }
        for (port, times) in &used {
            let life = *times.last().expect("used") - times[0];
            assert!(times.len() <= 64 && life <= MS(10_000), "port {port}: {} queries in {life:?}", times.len());
        }
        let most = used.values().map(Vec::len).max().expect("some");
        let longest = used.values().map(|times| *times.last().expect("used") - times[0]).max().expect("some");
        let bound = if every > MS(100) { longest >= MS(7_000) } else { most == 64 };
        assert!(bound, "the bound that ends them is met: {most} queries, {longest:?}, {} ports", used.len());
    }
}

/// A server that does not echo QNAME's case over UDP, and over TCP only where told so.
fn lower_case(over_tcp: bool) -> impl Fn(&Seen) -> Script {
    move |seen| match seen.transport {
        Transport::Tcp if !over_tcp => good(seen),
        _ => Script { question: Some(seen.question().to_ascii_lowercase()), ..good(seen) },
    }
}

/// Asks for a name, waits for the answer, and gives what the server has seen of it.
fn asked(driven: &mut Driven, upstream: &Upstream, name: &str) -> Vec<Seen> {
    assert!(driven.ask(name).is_none());
    let ended = driven.receive(REAL);
    assert_eq!(ended.len(), 1, "{name}");
    assert_eq!(ended[0].raw.end(), End::Data, "{name}");
    upstream.seen().into_iter().filter(|seen| seen.name == name).collect()
}

#[test]
fn s_12_r30_wrong_case_is_asked_again_over_tcp_and_0x20_ends_after_two_such_replies_for_an_hour() {
    let upstream = Upstream::start(lower_case(false));
    let mut driven = Driven::new(&[upstream.address]);
    let ways = |seen: &[Seen]| seen.iter().map(|one| (one.transport, is_mixed(one))).collect::<Vec<_>>();
    let both = [(Transport::Udp, true), (Transport::Tcp, true)];
    for number in 0..4 {
        let seen = asked(&mut driven, &upstream, &format!("kept{number}.public.example"));
        assert_eq!(ways(&seen), both, "TCP echoes the case: it stays on");
        assert_eq!(seen[0].question(), seen[1].question(), "the same question");
    }
    upstream.set(lower_case(true));
    asked(&mut driven, &upstream, "once.public.example");
    // A reply over TCP that echoes it: not two in a row.
    upstream.set(lower_case(false));
    asked(&mut driven, &upstream, "between.public.example");
    upstream.set(lower_case(true));
    for name in ["first.public.example", "second.public.example"] {
        assert_eq!(ways(&asked(&mut driven, &upstream, name)), both);
    }
    for minutes in [0, 30, 59] {
        let seen = asked(&mut driven, &upstream, &format!("off{minutes}.public.example"));
        assert_eq!(ways(&seen), [(Transport::Udp, false)], "after {minutes} minutes");
        driven.step(Duration::from_secs(if minutes == 0 { 1_800 } else { 1_740 }));
    }
    driven.step(Duration::from_secs(3_600));
    let seen = asked(&mut driven, &upstream, "on-again.public.example");
    assert_eq!(ways(&seen), both, "mixed again after an hour");
}

/// Spoofed replies to a question: everything but the id is right, or wrong in many ways.
fn spoof(seen: &Seen, draws: &mut StdRng) -> Vec<u8> {
    let lie = || Script::records(vec![Rr::host(&seen.name, 300, "203.0.113.66")]);
    let script = match draws.random_range(0..9) {
        0 => Script::rcode(2),
        1 => Script::rcode(5),
        2 => Script::rcode(1),
        3 => Script { garbage: Some(vec![0x81, 0x81, 0, 0, 0, 0, 0, 0, 0, 0]), ..Script::default() },
        4 => Script { tc: true, ..Script::default() },
        5 => Script { question: Some(seen.question().to_ascii_lowercase()), ..lie() },
        6 => Script { question: Some([wire_name("victim.example"), vec![0, 1, 0, 1]].concat()), ..lie() },
        7 => Script::nxdomain("example"),
        _ => lie(),
    };
    Script { wrong_id: draws.random_range(1..=u16::MAX), ..script }.encode(seen)
}

/// What is known of a server at some time: milliseconds, health, patience, round-trip time.
type Known = (u128, Health, Duration, Option<Duration>);

/// A measured server falls silent with so many questions open, and spoofed replies to them come, or none. Further
/// questions come just before and after the time when three open ones show it to be down, and at last it replies.
fn silent(questions: usize, round_trip: Duration, spoofed: Option<u64>) -> Vec<Known> {
    let server = Socket::new();
    let mut driven = Driven::new(&[server.address()]);
    for number in 0..30 {
        assert!(driven.ask(&format!("measured{number}.public.example")).is_none());
        driven.step(round_trip);
        server.answer(&server.take());
        assert_eq!(driven.receive(REAL).len(), 1);
    }
    let begun = driven.now;
    let mut known = Vec::new();
    let mut note = |driven: &Driven| {
        let state = driven.state();
        let at = driven.now.since(begun).as_millis();
        known.push((at, state.health(), state.patience(), state.round_trip()));
    };
    let mut draws = StdRng::seed_from_u64(spoofed.unwrap_or(0));
    let mut open: Vec<_> = (0..questions)
        .map(|number| {
            assert!(driven.ask(&format!("open{number}.public.example")).is_none());
            server.take()
        })
        .collect();
    let down = MS(1_000).max(4 * round_trip);
    let mut sent = 0;
    // A hundred steps, and the moments around the time that counts.
    for step in 1..=100 {
        let (from, to) = (driven.now.since(begun), MS(45 * step));
        for moment in [down - MS(1), down, to] {
            if moment > from && moment <= to && moment > driven.now.since(begun) {
                driven.step(moment - driven.now.since(begun));
                if questions == 3 && moment != to {
                    driven.ask(&format!("late{}.public.example", moment.as_millis()));
                    open.push(server.take_new(&open));
                    note(&driven);
                }
            }
        }
        if spoofed.is_some() {
            for number in 0..100 {
                let seen = &open[number % questions];
                server.send(&spoof(seen, &mut draws), seen.from);
                sent += 1;
            }
            assert!(driven.receive(Duration::ZERO).is_empty(), "no spoofed reply ends an exchange");
        }
        note(&driven);
    }
    assert!(spoofed.is_none() || sent == 10_000);
    if spoofed.is_some() {
        assert!(
            driven.state().mismatched.load(Relaxed) >= 9_000,
            "they came in: {}",
            driven.state().mismatched.load(Relaxed)
        );
    }
    for finished in driven.step(MS(10_000)) {
        assert_eq!(finished.raw.end(), End::Failed(Failure::Silent));
    }
    note(&driven);
    // Well again: one valid reply, to a query with all that it had before.
    assert!(driven.ask("well.public.example").is_none());
    let seen = server.take_named("well.public.example");
    assert!(is_mixed(&seen), "0x20 is on");
    assert!(!seen.additional().is_empty(), "OPT is sent");
    server.answer(&seen);
    assert_eq!(driven.receive(REAL).len(), 1);
    note(&driven);
    known
}

impl Socket {
    /// The next query that is none of the repeats of those that are open.
    fn take_new(&self, open: &[Seen]) -> Seen {
        loop {
            let seen = self.take();
            if open.iter().all(|one| one.name != seen.name) {
                return seen;
            }
        }
    }

    fn take_named(&self, name: &str) -> Seen {
        loop {
            let seen = self.take();
            if seen.name == name {
                return seen;
            }
        }
    }
}

#[test]
fn s_13_spoofed_replies_leave_health_as_silence_alone_does() {
    let seed = rand::random();
    println!("s_13: seed {seed}");
    for (questions, round_trip) in [(1, MS(10)), (3, MS(10)), (3, MS(400))] {
        let alone = silent(questions, round_trip, None);
        let spoofed = silent(questions, round_trip, Some(seed));
        assert_eq!(spoofed, alone, "seed {seed}, {questions} open, round trip {round_trip:?}");
        let down = MS(1_000).max(4 * round_trip).as_millis();
        let first = alone.iter().find(|(_, health, ..)| *health == Health::Down).map(|(at, ..)| *at);
        let wanted = (questions == 3).then_some(down);
        assert_eq!(first, wanted, "{questions} open, round trip {round_trip:?}: {alone:?}");
        assert_eq!(alone.last().map(|(_, health, ..)| *health), Some(Health::Up), "one valid reply");
    }
}

#[test]
fn f_05_no_place_is_lost_to_a_server_that_misbehaves() {
    let seed = rand::random();
    println!("f_05: seed {seed}");
    let draws = Mutex::new(StdRng::seed_from_u64(seed));
    let elsewhere = UdpSocket::bind("127.0.0.1:0").expect("another port");
    let bad = Upstream::start(move |seen| {
        let mut draws = draws.lock().expect("nothing panics with it");
        misbehave(draws.random_range(0..MISBEHAVIOURS), draws.random(), seen, &elsewhere)
    });
    let fair =
        Upstream::start(|seen| if seen.earlier == 0 && seen.id() % 2 == 0 { Script::silence() } else { good(seen) });
    let mut driven = Driven::new(&[bad.address, fair.address]);
    let (rounds, questions) = (40, 30);
    let mut ended = 0;
    for round in 0..rounds {
        for number in 0..questions {
            ended += usize::from(driven.ask(&format!("n{number}.r{round}.public.example")).is_some());
        }
        for _ in 0..3 {
            ended += driven.receive(MS(3)).len();
        }
        ended += driven.step(MS(120)).len();
    }
    // All budgets run out, and all that lingers.
    ended += driven.step(MS(20_000)).len();
    driven.receive(MS(50));
    driven.step(MS(20_000));
    assert_eq!(ended, rounds * questions, "every question ends, once");
    let in_flight = [&bad, &fair].map(|server| driven.servers.state(server.address).in_flight());
    assert_eq!((in_flight, driven.open()), ([0, 0], 0), "places and exchanges are given back");
}

#[test]
fn s_20_r31_a_question_is_not_forwarded_to_the_server_it_came_from() {
    // Nothing is sent to this address of a documentation range: that is the test.
    let address: SocketAddr = "192.0.2.53:53".parse().expect("an address");
    let mut driven = Driven::new(&[address]);
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).finish();
    tracing::subscriber::with_default(subscriber, || {
        for number in 0..20 {
            let ended = driven.ask_for(&format!("n{number}.public.example"), "192.0.2.53").expect("it ends at once");
            assert_eq!(ended.raw.end(), End::Failed(Failure::Loop));
            driven.step(MS(1_000));
        }
    });
    assert_eq!(driven.servers.loops.load(Relaxed), 20, "each is counted");
    assert_eq!(driven.state().sent.load(Relaxed), 0, "nothing was sent");
    let text = String::from_utf8(log.0.lock().expect("nothing panicked").clone()).expect("a log is text");
    assert_eq!(text.matches("loop of forwarders").count(), 1, "one warning a minute: {text}");
    assert!(text.contains("192.0.2.53"), "{text}");
}

/// A log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("nothing panicked").extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
