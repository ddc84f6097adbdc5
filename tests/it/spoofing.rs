//! What a spoofer has to guess, and what wrong replies do to a running server (S-10 to S-13, S-15).

use crate::harness::client::{PATIENCE, receive};
use crate::harness::load::{Load, alone, ask, best_of_three};
use crate::harness::message::{Rr, kind, presentation, wire_name};
use crate::harness::reply::rcode;
use crate::harness::small::{SPOKE_A, Small};
use crate::harness::{Opt, Query, Script, Seen, Setup, Transport, Upstream};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use std::net::UdpSocket;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const MS: fn(u64) -> Duration = Duration::from_millis;

const GOOD: &str = "198.51.100.10";
const BAD: &str = "203.0.113.66";

fn good(seen: &Seen) -> Script {
    Script::records(vec![Rr::host(&seen.name, 300, GOOD)])
}

fn lie(seen: &Seen) -> Script {
    Script::records(vec![Rr::host(&seen.name, 300, BAD)])
}

/// A small world before one upstream.
fn start(upstream: &Upstream, lines: &str) -> crate::harness::Server {
    let small = Small { upstream: lines.to_owned(), ..Small::default() };
    Setup::new(small.text(&[upstream.server()])).start()
}

/// Queries that are seen by the upstream.
const QUERIES: usize = 100_000;
/// Sockets that one worker keeps open for a server (`upstream/datagram.rs`).
const OPEN: usize = 8;
/// Queries that a socket carries at most.
const PER_SOCKET: usize = 64;
/// A name whose letters are to be mixed; its first label is the query's number.
const LETTERS: &str = "abcdefgh.public.example";

/// What an upstream saw of a query: port, id, and which of the letters of [`LETTERS`] are in upper case.
struct Drawn {
    port: u16,
    id: u16,
    case: Vec<bool>,
}

/// Answers and notes every query, as quickly as may be, until told to stop.
fn note(socket: &UdpSocket, stop: &AtomicBool) -> Vec<Drawn> {
    let mut drawn = Vec::with_capacity(QUERIES);
    let mut octets = [0; 1_024];
    socket.set_read_timeout(Some(MS(100))).expect("a read timeout");
    while !stop.load(Ordering::Acquire) {
        let Ok((length, from)) = socket.recv_from(&mut octets) else { continue };
        let question = 12 + presentation(&octets[12..length]).1 + 4;
        if !presentation(&octets[12..length]).0.ends_with(&LETTERS.to_ascii_lowercase()) {
            continue;
        }
        let letters =
            octets[12..question - 4].iter().skip(1 + usize::from(octets[12])).filter(|o| o.is_ascii_alphabetic());
        let id = u16::from_be_bytes([octets[0], octets[1]]);
        drawn.push(Drawn { port: from.port(), id, case: letters.map(u8::is_ascii_uppercase).collect() });
        octets[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
        octets[question..question + 16].copy_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 198, 51, 100, 10]);
        let _ = socket.send_to(&octets[..question + 16], from);
    }
    drawn
}

/// Asks for [`QUERIES`] names, a few at a time, each when another has its answer.
fn ask_all(socket: &UdpSocket) {
    let send = |number: usize| {
        let query = Query::new(&format!("{number}.{LETTERS}"), kind::A).id((number % 65_536) as u16);
        socket.send(&query.to_octets()).expect("loopback takes it");
    };
    (0..16).for_each(send);
    for number in 16..QUERIES + 16 {
        let reply = receive(socket, PATIENCE).expect("every query has its reply");
        assert_eq!(reply[3] & 0x0f, 0, "{reply:02x?}");
        if number < QUERIES {
            send(number);
        }
    }
}

/// How far counts are from being equal, as a standard normal variable (Wilson and Hilferty's cube root of chi-square).
fn deviation(counts: &[usize]) -> f64 {
    let (cells, total) = (counts.len() as f64, counts.iter().sum::<usize>() as f64);
    let expected = total / cells;
    let chi_square: f64 = counts.iter().map(|count| (*count as f64 - expected).powi(2) / expected).sum();
    let freedom = cells - 1.0;
    ((chi_square / freedom).cbrt() - (1.0 - 2.0 / (9.0 * freedom))) / (2.0 / (9.0 * freedom)).sqrt()
}

/// Beyond this a chi-square test gives p < 0.001.
const UNLIKELY: f64 = 3.09;

/// The sockets one after another, as they are seen: which of the open ones each query was drawn to, and how many
/// queries each carried. Ports may come back by chance, so a port that is not open is a new socket, in the place of one
/// that has carried all it may.
fn sockets(drawn: &[Drawn]) -> (Vec<usize>, Vec<usize>) {
    let (mut open, mut draws, mut carried) = (Vec::<(u16, usize)>::new(), vec![0; OPEN], Vec::new());
    for one in drawn {
        let place = open.iter().position(|(port, _)| *port == one.port).unwrap_or_else(|| {
            if open.len() < OPEN {
                open.push((one.port, 0));
                return open.len() - 1;
            }
            let spent = (0..OPEN).max_by_key(|place| open[*place].1).expect("some are open");
            carried.push(open[spent].1);
            open[spent] = (one.port, 0);
            spent
        });
        open[place].1 += 1;
        draws[place] += 1;
    }
    (draws, carried)
}

/// The figures that chance decides; whatever must hold in every run is asserted.
fn draws() -> BTreeMap<&'static str, f64> {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let small = Small::default().text(&[socket.local_addr().expect("its address").to_string()]);
    let server = Setup::new(small).server("workers = 1").start();
    let stop = AtomicBool::new(false);
    let drawn = std::thread::scope(|scope| {
        let noted = scope.spawn(|| note(&socket, &stop));
        ask_all(&server.client(SPOKE_A).socket());
        stop.store(true, Ordering::Release);
        noted.join().expect("the upstream ran")
    });
    assert!(drawn.len() >= QUERIES, "{} queries", drawn.len());
    let ports: BTreeSet<_> = drawn.iter().map(|one| one.port).collect();
    let (draws, carried) = sockets(&drawn);
    println!("s_10: {} queries, {} ports, {} sockets", drawn.len(), ports.len(), carried.len() + OPEN);
    // A port in use carries what its socket may; one that came back too early would carry more.
    assert_eq!(carried.iter().max(), Some(&PER_SOCKET));
    let count = |cells: usize, of: &dyn Fn(&Drawn) -> usize| {
        let mut counts = vec![0; cells];
        drawn.iter().for_each(|one| counts[of(one)] += 1);
        deviation(&counts)
    };
    let mut figures = BTreeMap::from([
        // The kernel draws them from 28,232: 1,523 ± 7 of 1,565 are distinct.
        ("distinct ports", if ports.len() >= 1_500 { 0.0 } else { f64::INFINITY }),
        ("ids, high octet", count(256, &|one| usize::from(one.id >> 8))),
        ("ids, low octet", count(256, &|one| usize::from(one.id & 0xff))),
        ("ids, middle bits", count(4_096, &|one| usize::from(one.id >> 2 & 0xfff))),
        ("draw among open sockets", deviation(&draws)),
        (
            "letters together",
            count(256, &|one| one.case.iter().take(8).fold(0, |sum, upper| 2 * sum + usize::from(*upper))),
        ),
    ]);
    let letters = LETTERS.chars().filter(|letter| *letter != '.').count();
    let worst = (0..letters).map(|letter| {
        let upper = drawn.iter().filter(|one| one.case[letter]).count();
        // One degree of freedom: the normal variable itself.
        ((upper as f64 - drawn.len() as f64 / 2.0) / (drawn.len() as f64 / 4.0).sqrt()).abs()
    });
    // The worst of 21 letters: p > 0.001 for all of them together.
    figures.insert("each letter", worst.fold(0.0, f64::max) * UNLIKELY / 4.06);
    figures
}

#[test]
fn s_10_ids_ports_and_case_are_drawn_evenly() {
    let _alone = alone();
    // Chance fails an honest test in a thousand; it does not fail the same one twice.
    let unlikely = |figures: BTreeMap<&'static str, f64>| -> BTreeSet<_> {
        println!("s_10: {figures:.2?}");
        // Nor may anything be more even than chance has it: a round is easy to foresee.
        figures.into_iter().filter(|(_, figure)| !(-4.0..UNLIKELY).contains(figure)).map(|(what, _)| what).collect()
    };
    let first = unlikely(draws());
    if !first.is_empty() {
        let again = unlikely(draws());
        let both: Vec<_> = first.intersection(&again).collect();
        assert!(both.is_empty(), "twice not by chance: {both:?}");
    }
}

#[test]
fn s_11_five_hundred_clients_of_ten_views_are_one_upstream_query() {
    let upstream = Upstream::start(|seen| {
        let target = "hp1.privatelink.avd.example";
        Script::records(vec![Rr::cname(&seen.name, 300, target), Rr::host(target, 300, BAD)]).delay(MS(200))
    });
    let mut text = format!("[[upstream]]\nname = \"public\"\nservers = [\"{}\"]\n", upstream.server());
    for view in 0..10 {
        text += &format!(
            "[[zone]]\nname = \"z{view}\"\napex = \"privatelink.avd.example\"\nrecords = {{ \"hp1\" = [\"10.{view}.0.4\"] }}\n\
             [[view]]\nname = \"v{view}\"\nnetworks = [\"127.0.1{view}.0/24\"]\nzones = [\"z{view}\"]\n"
        );
    }
    let server = Setup::new(text).start();
    let clients = (0..500).map(|number| format!("127.0.1{}.{}", number % 10, 1 + number / 10));
    let load = Load::new(server.address, clients, 10_000);
    for (round, name) in ["plain.public.example", "subnet.public.example"].into_iter().enumerate() {
        let outcomes = load.run(500, |number| match round {
            0 => ask(name),
            _ => {
                let subnet = vec![0, 1, 24, 0, 10, (number % 10) as u8, (number / 10) as u8];
                Query::new(name, kind::A).opt(Opt { options: vec![(8, subnet)], ..Opt::default() })
            }
        });
        for (number, outcome) in outcomes.iter().enumerate() {
            let reply = outcome.reply();
            let addresses: Vec<_> = reply.addresses().iter().map(ToString::to_string).collect();
            assert_eq!(addresses, [format!("10.{}.0.4", number % 10)], "{:?}", reply.message);
            assert!(reply.options().iter().all(|code| *code != 8), "no ECS comes back");
        }
        let seen: Vec<_> = upstream.seen().into_iter().filter(|seen| seen.name == name).collect();
        assert_eq!(seen.len(), 1, "one upstream query");
        assert!(seen[0].cookie().is_none_or(|own| own.len() == 8), "no option but a cookie of our own");
    }
}

/// A way in which a reply is bad.
type Badness = (&'static str, fn(&Seen) -> Script);

const BAD_REPLIES: [Badness; 9] = [
    ("id", |seen| Script { wrong_id: 1, ..lie(seen) }),
    // Sent from another port, see below.
    ("port", |seen| lie(seen)),
    ("qr", |seen| {
        let mut octets = lie(seen).encode(seen);
        octets[2] &= 0x7f;
        Script { garbage: Some(octets.split_off(2)), ..Script::default() }
    }),
    ("type", |seen| {
        let mut question = seen.question().to_vec();
        let at = question.len() - 3;
        question[at] = 28;
        Script { question: Some(question), ..lie(seen) }
    }),
    ("case", |seen| {
        let mut question = seen.question().to_vec();
        let at = question.iter().rposition(u8::is_ascii_alphabetic).expect("a letter");
        question[at] ^= 0x20;
        Script { question: Some(question), ..lie(seen) }
    }),
    ("empty", |seen| Script { questions: 0, ..lie(seen) }),
    ("two", |seen| Script { questions: 2, question: Some([seen.question(), seen.question()].concat()), ..lie(seen) }),
    ("garbage", |_| Script { garbage: Some(vec![0xff; 40]), ..Script::default() }),
    ("cut", |_| Script { garbage: Some(vec![0x81, 0x80, 0, 1]), ..Script::default() }),
];

#[test]
fn s_12_bad_replies_before_the_good_one_are_waited_out() {
    let elsewhere = UdpSocket::bind("127.0.0.1:0").expect("another port");
    // A name says how its replies are bad and how many of them there are.
    let upstream = Upstream::start(move |seen| {
        let mut labels = seen.name.split('.');
        let (kind, count) = (labels.next().unwrap_or_default(), labels.next().and_then(|count| count.parse().ok()));
        let found = BAD_REPLIES.iter().find(|(what, _)| *what == kind);
        let (Some((what, bad)), Some(count), Transport::Udp) = (found, count, seen.transport) else {
            return good(seen);
        };
        let bad = bad(seen);
        if *what == "port" {
            (0..count).for_each(|_| _ = elsewhere.send_to(&bad.encode(seen), seen.from));
            return good(seen).delay(MS(20));
        }
        good(seen).delay(MS(20)).after(vec![bad; count])
    });
    let server = start(&upstream, "timeout = \"2s\"");
    let client = server.client(SPOKE_A);
    let mut names = 0..;
    for (what, _) in BAD_REPLIES {
        for count in [1, 10, 1_000] {
            let measure = || {
                let took = (0..3).map(|_| {
                    let number: usize = names.next().expect("no end of numbers");
                    let name = format!("{what}.{count}.n{number}.public.example");
                    let begun = Instant::now();
                    let reply = client.udp(&ask(&name));
                    let addresses: Vec<_> = reply.addresses().iter().map(ToString::to_string).collect();
                    assert_eq!(addresses, [GOOD], "{name}: {:?}", reply.message);
                    begun.elapsed()
                });
                (what, count, took.max())
            };
            best_of_three(measure, |(_, _, worst)| *worst <= Some(MS(60)));
        }
    }
}

#[test]
fn s_13_spoofed_replies_end_no_exchange_and_leave_nothing_behind() {
    let seed = rand::random();
    println!("s_13: seed {seed}");
    let draws = Mutex::new(StdRng::seed_from_u64(seed));
    // Names that begin with "open" get 10,000 lies and no answer.
    let upstream = Upstream::start(move |seen| {
        if !seen.name.starts_with("open") {
            return good(seen);
        }
        let mut draws = draws.lock().expect("nothing panics with it");
        let victim = [wire_name("victim.public.example"), vec![0, 1, 0, 1]].concat();
        let count = if seen.earlier == 0 { 10_000 } else { 0 };
        let spoofed = (0..count).map(|number| {
            let script = match number % 5 {
                0 => Script::rcode(2),
                1 => Script { tc: true, ..Script::default() },
                2 => Script { question: Some(victim.clone()), ..lie(seen) },
                3 => Script::rcode(1),
                _ => lie(seen),
            };
            Script { wrong_id: draws.random_range(1..=u16::MAX), ..script }
        });
        Script::silence().after(spoofed.collect())
    });
    let server = start(&upstream, "timeout = \"2s\"");
    let client = server.client(SPOKE_A);
    client.ask("before.public.example", kind::A);
    let begun = Instant::now();
    let reply = client.udp(&ask("open.public.example"));
    assert_eq!((reply.rcode(), reply.ede()), (rcode::SERVFAIL, Some(22)));
    assert!(begun.elapsed() >= MS(1_700) && begun.elapsed() <= MS(1_900), "{:?}", begun.elapsed());
    assert!(!server.log().contains("is down"), "one question open says nothing:\n{}", server.log());
    for name in ["victim.public.example", "after.public.example"] {
        let begun = Instant::now();
        assert_eq!(client.ask(name, kind::A).addresses()[0].to_string(), GOOD, "{name}");
        assert!(begun.elapsed() <= MS(500), "{name}: {:?}", begun.elapsed());
        let seen = upstream.seen().into_iter().find(|seen| seen.name == name).expect("the cache was not touched");
        assert!(seen.question().iter().any(u8::is_ascii_uppercase), "0x20 is on");
        assert!(seen.additional().len() >= 11, "OPT is sent");
    }
    // Three at once, and further ones: it is down, and back with the first reply.
    let outcomes = Load::of_spoke_a(server.address, 3).run(5, |number| ask(&format!("open{number}.public.example")));
    assert!(outcomes.iter().all(|outcome| outcome.is_servfail()));
    server.wait_for_log(|line| line.contains("is down"));
    let reply = client.udp(&ask("well.public.example"));
    assert_eq!(reply.addresses()[0].to_string(), GOOD);
    server.wait_for_log(|line| line.contains("is back"));
}

#[test]
fn s_15_a_datagram_larger_than_asked_is_not_taken() {
    // Addresses that make a message of about so many octets; its size is in the name.
    let large = |seen: &Seen| -> Script {
        let size: usize = seen.name.split('.').next().and_then(|size| size.parse().ok()).unwrap_or(512);
        let fixed = Script::records(Vec::new()).encode(seen).len();
        let owner = seen.question().len() - 4;
        let mut answers = Vec::new();
        let mut left = size - fixed;
        while left > 0 {
            // A TXT record of what is left, 200 octets of text at most and never a rest too small for another.
            let header = owner + 10 + 1;
            let text = if left <= header + 200 { left - header } else { (left - 2 * header).min(200) };
            let letter = char::from(b'a' + answers.len() as u8 % 26);
            answers.push(Rr::txt(&seen.name, 300, &[letter.to_string().repeat(text)]));
            left -= header + text;
        }
        let script = Script { oversized: true, ..Script::records(answers) };
        assert_eq!(script.encode(seen).len(), size);
        script
    };
    let one = Upstream::start(large);
    let alone = start(&one, "timeout = \"2s\"");
    let honest = |seen: &Seen| Script::records(vec![Rr::txt(&seen.name, 300, &["good".to_owned()])]);
    let both = Small { upstream: "timeout = \"2s\"".to_owned(), ..Small::default() }.start_two(large, honest);
    std::thread::scope(|scope| {
        for size in [1_232, 1_233, 1_408, 1_409, 1_500, 4_000] {
            let (alone, both, one) = (alone.client(SPOKE_A), both.spoke_a(), &one);
            scope.spawn(move || {
                let query = Query::new(&format!("{size}.public.example"), kind::TXT).with_opt();
                let begun = Instant::now();
                let reply = alone.tcp(&query);
                assert!(begun.elapsed() <= MS(1_900), "{size}: {:?}", begun.elapsed());
                let streams = one.seen().iter().any(|seen| seen.transport == Transport::Tcp);
                assert!(!streams, "{size}: nothing says that TCP would be better");
                if size <= 1_232 {
                    assert!(reply.answers().len() > 4, "{:?}", reply.message);
                    return;
                }
                assert_eq!((reply.rcode(), reply.answers().len()), (rcode::SERVFAIL, 0), "{size}: {:?}", reply.message);
                let reply = both.tcp(&query);
                assert_eq!(reply.answers()[0].data, b"\x04good", "{size}: {:?}", reply.message);
            });
        }
    });
}
