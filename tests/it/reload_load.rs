//! Reloads under load, half of them of broken files: no query is lost, answered wrongly or out of two generations.
//!
//! `HUBDNS_RELOADS=100 cargo test --test it reload_load -- --nocapture` is the whole show with its figures: 50 s a run,
//! compared with as long a run without reloads.

use crate::harness::load::{Load, Outcomes, alone, ask, best_of_three, per_mille};
use crate::harness::message::{Rr, kind};
use crate::harness::small::Small;
use crate::harness::{Query, Reply, Script, Server, Setup, Upstream};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const PER_SECOND: u32 = 2_000;
const EVERY: Duration = Duration::from_millis(500);
const CONNECTIONS: usize = 50;
/// Owned in each generation, owned behind an alias of the upstream, forwarded.
const NAMES: [&str; 3] = ["two.avd.example", "alias.public.example", "www.public.example"];

fn text(upstream: &Upstream, generation: u32) -> String {
    let (high, low) = (generation / 250, generation % 250);
    let record = format!("\"two.avd.example\" = [\"10.1{high}.{low}.1\", \"10.1{high}.{low}.2\"]");
    let more = format!("[[endpoint]]\nname = \"two\"\nkind = \"other\"\nrecords = {{ {record} }}\n");
    Small { more, endpoints: ", \"two\"".to_owned(), ..Small::default() }.text(&[upstream.server()])
}

fn upstream() -> Upstream {
    Upstream::start(|seen| match &*seen.name {
        "alias.public.example" => Script::records(vec![
            Rr::cname("alias.public.example", 300, "two.avd.example"),
            Rr::host("two.avd.example", 300, "203.0.113.66"),
        ]),
        name => Script::records(vec![Rr::host(name, 300, "198.51.100.10")]),
    })
}

/// Generations that a client may see at a moment: from the last one known to be served to the last one written.
#[derive(Default)]
struct Allowed {
    oldest: AtomicU32,
    newest: AtomicU32,
}

/// The generation of a reply; none for a forwarded name.
///
/// # Panics
/// When the reply is wrong.
fn generation(name: &str, reply: &Reply) -> Option<u32> {
    let addresses = reply.addresses();
    if name == NAMES[2] {
        assert_eq!(addresses, ["198.51.100.10".parse::<IpAddr>().expect("an address")]);
        return None;
    }
    let of = |address: &IpAddr| match address {
        IpAddr::V4(own) => u32::from(own.octets()[1] - 10) * 250 + u32::from(own.octets()[2]),
        IpAddr::V6(_) => panic!("{address}"),
    };
    assert_eq!(addresses.len(), 2, "{name}: {:?}", reply.message);
    let found = addresses.iter().map(of).collect::<Vec<_>>();
    assert_eq!(found[0], found[1], "{name}: two generations in one reply");
    Some(found[0])
}

/// What a run came to: the longest reply, and a line of figures.
#[derive(Debug)]
struct Run {
    worst: Duration,
    told: String,
}

/// Load over UDP and 50 connections while `change` runs; every reply is looked at.
fn run(server: &Server, lasts: Duration, allowed: &Allowed, change: impl FnOnce() + Send) -> Run {
    let count = (lasts.as_secs_f64() * f64::from(PER_SECOND)) as usize;
    let (over, streamed) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (oldest, newest) = (allowed.oldest.load(Ordering::Acquire), || allowed.newest.load(Ordering::Acquire));
    let outcomes: Outcomes = std::thread::scope(|scope| {
        let connections = scope.spawn(|| {
            let client = server.client("127.0.10.77");
            let mut sessions: Vec<_> = (0..CONNECTIONS).map(|_| client.connect()).collect();
            while !over.load(Ordering::Acquire) {
                for (index, session) in sessions.iter_mut().enumerate() {
                    let name = NAMES[index % NAMES.len()];
                    let least = allowed.oldest.load(Ordering::Acquire);
                    session.send(&Query::new(name, kind::A).with_opt().to_octets());
                    let reply = Reply::decode(session.receive(Duration::from_secs(5)).expect("a reply over TCP"));
                    if let Some(found) = generation(name, &reply) {
                        assert!((least..=newest()).contains(&found), "{found} is not of {least}..={}", newest());
                    }
                    streamed.fetch_add(1, Ordering::Relaxed);
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let changing = scope.spawn(change);
        let load = Load::of_spoke_a(server.address, PER_SECOND);
        let outcomes = load.run(count, |number| ask(NAMES[number % NAMES.len()]));
        over.store(true, Ordering::Release);
        connections.join().expect("connections");
        changing.join().expect("changes");
        outcomes
    });
    for (number, outcome) in outcomes.iter().enumerate() {
        if let Some(found) = generation(NAMES[number % NAMES.len()], &outcome.reply()) {
            assert!((oldest..=newest()).contains(&found), "{found} is not of {oldest}..={}", newest());
        }
    }
    let [worst, p99] = [1_000, 990].map(|share| per_mille(outcomes.iter(), share));
    let (floor, streamed) = (outcomes.floor(1_000), streamed.load(Ordering::Relaxed));
    let told = format!("worst {worst:?}, p99 {p99:?}, echo {floor:?}, {count} over UDP, {streamed} over TCP");
    Run { worst, told }
}

#[test]
fn reloads_under_load_lose_and_mix_nothing() {
    let whole = std::env::var("HUBDNS_RELOADS").ok().and_then(|text| text.parse::<u32>().ok());
    let reloads = whole.unwrap_or(12);
    let _alone = alone();
    let upstream = upstream();
    let server = Setup::new(text(&upstream, 0)).start();
    let allowed = Allowed::default();
    let mut number = 0;
    let mut measure = || {
        let lasts = EVERY * reloads;
        let still = run(&server, lasts, &allowed, || {});
        let before = server.resident();
        let moving = run(&server, lasts, &allowed, || {
            let begun = Instant::now();
            for step in 0..reloads {
                std::thread::sleep((EVERY * step).saturating_sub(begun.elapsed()));
                if step % 2 == 1 {
                    server.refused_reload(&format!("{}\n[[view\n", server.render(&text(&upstream, number))));
                    continue;
                }
                number += 1;
                allowed.newest.store(number, Ordering::Release);
                server.reload(&text(&upstream, number));
                allowed.oldest.store(number, Ordering::Release);
            }
        });
        let growth = server.resident() as f64 / before as f64;
        println!("{reloads} reloads in {lasts:?}, memory {growth:.3} x of {before} KiB");
        println!("still: {}\nmoving: {}", still.told, moving.told);
        (still, moving, growth)
    };
    match whole {
        // Correctness alone; a figure in milliseconds is for a quiet machine.
        None => drop(measure()),
        Some(_) => best_of_three(measure, |(still, moving, growth)| {
            moving.worst <= still.worst + Duration::from_millis(5) && *growth <= 1.1
        }),
    }
}
