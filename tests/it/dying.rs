//! Real name servers behind the product that are stopped, continued, killed and started again under load (F-06; one of
//! two stopped: DESIGN.md 12).

use crate::harness::authoritative::{ADDRESS, Authoritative, ZONE};
use crate::harness::load::{Load, Outcome, Outcomes, alone, ask, best_of_three, per_mille};
use crate::harness::message::kind;
use crate::harness::small::{SPOKE_A, Small};
use crate::harness::{Query, Server, Setup};
use std::time::{Duration, Instant};

/// How long each state of the server lasts.
const PHASE: Duration = Duration::from_secs(2);
const PER_SECOND: u32 = 1_000;
const SECONDS: usize = 20;

/// What a server's queries are about, in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    Owned,
    Cached,
    /// Names that were never asked before.
    Forwarded,
}

fn about(number: usize) -> About {
    [About::Owned, About::Cached, About::Forwarded, About::Forwarded][number % 4]
}

fn query(number: usize) -> Query {
    match about(number) {
        About::Owned => ask("hp1.privatelink.avd.example"),
        About::Cached => ask(&cached(number / 4)),
        About::Forwarded => ask(&format!("n{number}.p{}.{ZONE}", number % 100)),
    }
}

fn cached(number: usize) -> String {
    format!("c{}.{ZONE}", number % 20)
}

/// The product before these servers, with what [`cached`] names in its cache.
fn start(upstreams: &[&Authoritative]) -> Server {
    let servers: Vec<_> = upstreams.iter().map(|upstream| upstream.address.to_string()).collect();
    let server = Setup::new(Small::default().text(&servers)).start();
    for number in 0..20 {
        let reply = server.client(SPOKE_A).ask(&cached(number), kind::A);
        assert_eq!(reply.addresses()[0].to_string(), ADDRESS);
    }
    server
}

/// The load, while `upstream` is stopped, continued, killed and started again; gives the times within which it was well.
fn run_while_dying(server: &Server, upstream: &mut Authoritative) -> (Outcomes, Vec<(Duration, Duration)>) {
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let load = Load::of_spoke_a(server.address, PER_SECOND);
        let load = scope.spawn(move || load.run(SECONDS * PER_SECOND as usize, query));
        let (mut well, mut back) = (Vec::new(), Duration::ZERO);
        for phase in 0..SECONDS / 2 {
            match phase % 4 {
                0 | 2 => {
                    well.push((back, begun.elapsed()));
                    if phase % 4 == 0 { upstream.stop() } else { upstream.kill() }
                }
                1 => upstream.go_on(),
                _ => upstream.restart(),
            }
            if phase % 2 == 1 {
                back = begun.elapsed();
            }
            let next = begun + PHASE * (u32::try_from(phase).expect("few phases") + 1);
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        well.push((back, begun.elapsed()));
        (load.join().expect("the load runs"), well)
    })
}

/// Those that got no answer with an address, by what they were about.
fn count_failed(outcomes: &[Outcome], wanted: About) -> usize {
    let of = outcomes.iter().enumerate().filter(|(number, _)| about(*number) == wanted);
    of.filter(|(_, outcome)| !outcome.is_answered()).count()
}

#[test]
fn f_06_servers_die_under_load() {
    std::thread::scope(|scope| {
        scope.spawn(one_of_two_servers_dies_and_no_query_fails);
        scope.spawn(the_only_server_dies_and_every_query_is_answered);
    });
}

fn one_of_two_servers_dies_and_no_query_fails() {
    let test = "f_06 (two servers)";
    let Some(mut first) = Authoritative::start(test, 0) else { return };
    let Some(second) = Authoritative::start(test, 1) else { return };
    let server = start(&[&first, &second]);
    let (outcomes, _) = run_while_dying(&server, &mut first);
    let failed = [About::Owned, About::Cached, About::Forwarded].map(|wanted| count_failed(&outcomes, wanted));
    println!("{test}: failed {failed:?} of {}, worst {:?}", outcomes.len(), per_mille(&*outcomes, 1_000));
    assert_eq!(failed, [0; 3], "owned, cached, forwarded:\n{}", server.log());
}

fn the_only_server_dies_and_every_query_is_answered() {
    let test = "f_06 (one server)";
    let Some(mut only) = Authoritative::start(test, 0) else { return };
    let server = start(&[&only]);
    let (outcomes, well) = run_while_dying(&server, &mut only);
    let silent = outcomes.iter().filter(|outcome| outcome.took.is_none()).count();
    let failed = [About::Owned, About::Cached].map(|wanted| count_failed(&outcomes, wanted));
    println!(
        "{test}: unanswered {silent}, owned and cached failed {failed:?}, worst {:?}",
        per_mille(&*outcomes, 1_000)
    );
    assert_eq!((silent, failed), (0, [0; 2]), "{}", server.log());
    for outcome in outcomes.iter().filter(|outcome| !outcome.is_answered()) {
        assert!(outcome.is_servfail(), "{:?}", outcome.reply().message);
        // Well since a second, and not about to be stopped.
        let (late, early) = (Duration::from_secs(1), Duration::from_millis(200));
        let inside = |(from, to): &&(Duration, Duration)| outcome.at >= *from + late && outcome.at + early <= *to;
        assert_eq!(well.iter().find(inside), None, "sent at {:?}, well {well:?}\n{}", outcome.at, server.log());
    }
}

#[test]
fn f_03_one_of_two_servers_is_stopped_at_2_000_queries_a_second() {
    let test = "f_03 (one of two stopped)";
    let _alone = alone();
    let measure = || {
        let (Some(first), Some(second)) = (Authoritative::start(test, 0), Authoritative::start(test, 0)) else {
            return [Duration::ZERO; 2];
        };
        let server = start(&[&first, &second]);
        let load = Load::of_spoke_a(server.address, 2_000);
        // Both are well at first, and known.
        load.run(500, |number| ask(&format!("w{number}.{ZONE}")));
        first.stop();
        let outcomes = load.run(20_000, |number| ask(&format!("n{number}.p{}.{ZONE}", number % 100)));
        let failed = outcomes.iter().filter(|outcome| !outcome.is_answered()).count();
        assert_eq!(failed, 0, "{}", server.log());
        let later = || outcomes.iter().filter(|outcome| outcome.at >= Duration::from_secs(1));
        let early = outcomes.iter().filter(|outcome| outcome.at < Duration::from_secs(1));
        println!("{test}: at first at most {:?}, then p50 {:?}", per_mille(early, 1_000), per_mille(later(), 500));
        [per_mille(later(), 990), outcomes.floor(990)]
    };
    best_of_three(measure, |[p99, floor]| *p99 <= Duration::from_millis(5) + *floor);
}
