//! Stale answers: in place of a failure only, within their age, of the present route, never a denial (S-16; R33).

use crate::harness::load::ask;
use crate::harness::message::{Rr, kind};
use crate::harness::reply::rcode;
use crate::harness::small::{SPOKE_A, Small};
use crate::harness::{Client, Query, Reply, Script, Seen, Server, Setup, Upstream};
use std::time::{Duration, Instant};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// What every upstream record lives; the server adds the age limit to it.
const LIFE: Duration = Duration::from_secs(1);
const AGE: Duration = Duration::from_secs(4);

/// The names that are asked, by what they lead to.
const DATA: &str = "data.public.example";
const CHAIN: &str = "chain.public.example";
const TO_OWNED: &str = "owned.public.example";
const GONE: &str = "gone.public.example";
const EMPTY: &str = "empty.public.example";

/// An upstream whose records live a second, with an address that tells it from others.
fn alive(address: &'static str) -> impl Fn(&Seen) -> Script + Send + Sync + 'static {
    move |seen| match (&*seen.name, seen.kind) {
        (CHAIN, kind::A) => {
            Script::records(vec![Rr::cname(CHAIN, 1, "end.public.example"), Rr::host("end.public.example", 1, address)])
        }
        (TO_OWNED, kind::A) => {
            let target = "hp1.privatelink.avd.example";
            Script::records(vec![Rr::cname(TO_OWNED, 1, target), Rr::host(target, 1, "203.0.113.66")])
        }
        (GONE, _) => Script { rcode: 3, authority: vec![Rr::soa("public.example", 1, 1)], ..Script::default() },
        (EMPTY, _) => Script { authority: vec![Rr::soa("public.example", 1, 1)], ..Script::default() },
        _ => Script::records(vec![Rr::host(&seen.name, 1, address)]),
    }
}

fn text(upstream: &str) -> String {
    let more = format!("[cache]\nserve-stale = \"{}s\"\n", AGE.as_secs());
    Small { upstream: "timeout = \"2s\"".to_owned(), more, ..Small::default() }.text(&[upstream.to_owned()])
}

/// The server before an upstream that has answered all names once; gives when the last of them was had.
fn warm(upstream: &Upstream) -> (Server, Instant) {
    let server = Setup::new(text(&upstream.server())).start();
    let client = server.client(SPOKE_A);
    for name in [DATA, CHAIN, TO_OWNED, GONE, EMPTY] {
        let reply = client.udp(&ask(name));
        assert_eq!(reply.ede(), None, "{name}: {:?}", reply.message);
        assert_eq!(reply.rcode(), if name == GONE { rcode::NXDOMAIN } else { rcode::NOERROR });
    }
    (server, Instant::now())
}

/// All names at once, over UDP or TCP, each by the budget's end.
fn ask_all(client: Client, stream: bool) -> [Reply; 5] {
    std::thread::scope(|scope| {
        let asked = [DATA, CHAIN, TO_OWNED, GONE, EMPTY].map(|name| {
            scope.spawn(move || {
                let begun = Instant::now();
                let reply = if stream { client.tcp(&ask(name)) } else { client.udp(&ask(name)) };
                assert!(begun.elapsed() <= MS(1_900), "{name}: {:?}", begun.elapsed());
                reply
            })
        });
        asked.map(|asked| asked.join().expect("a reply in time"))
    })
}

/// Owner, TTL and address of what a stale answer holds, in order.
fn records(reply: &Reply) -> Vec<(String, u32, Option<String>)> {
    let plain = |rr: Rr| (rr.name.clone(), rr.ttl, rr.to_address().map(|address| address.to_string()));
    reply.answers().into_iter().map(plain).collect()
}

fn assert_stale(replies: &[Reply; 5], address: &str) {
    let [data, chain, to_owned, gone, empty] = replies;
    let record = |name: &str, ttl, address: Option<&str>| (name.to_owned(), ttl, address.map(str::to_owned));
    assert_eq!(records(data), [record(DATA, 30, Some(address))], "{:?}", data.message);
    assert_eq!(records(chain), [record(CHAIN, 30, None), record("end.public.example", 30, Some(address))]);
    let wanted = [record(TO_OWNED, 30, None), record("hp1.privatelink.avd.example", 300, Some("10.10.4.4"))];
    assert_eq!(records(to_owned), wanted, "owned records have their own TTL: {:?}", to_owned.message);
    for reply in [data, chain, to_owned] {
        assert_eq!((reply.rcode(), reply.ede()), (rcode::NOERROR, Some(3)));
    }
    for reply in [gone, empty] {
        assert_failed(reply);
    }
}

fn assert_failed(reply: &Reply) {
    assert_eq!((reply.rcode(), reply.answers().len()), (rcode::SERVFAIL, 0), "{:?}", reply.message);
    assert!(matches!(reply.ede(), Some(13 | 22 | 23)), "{:?}", reply.message);
}

fn sleep_until(moment: Instant) {
    std::thread::sleep(moment.saturating_duration_since(Instant::now()));
}

#[test]
fn s_16_stale_answers_serve_in_place_of_a_failure_and_within_their_age() {
    std::thread::scope(|scope| {
        for dies_by_silence in [true, false] {
            scope.spawn(move || {
                let upstream = Upstream::start(alive("198.51.100.1"));
                let (server, had) = warm(&upstream);
                let client = server.client(SPOKE_A);
                if dies_by_silence {
                    upstream.set(|_| Script::silence());
                } else {
                    // Its port is closed from now on.
                    drop(upstream);
                }
                sleep_until(had + LIFE + MS(50));
                for stream in [false, true] {
                    assert_stale(&ask_all(client, stream), "198.51.100.1");
                }
                sleep_until(had + LIFE + AGE + MS(50));
                for stream in [false, true] {
                    ask_all(client, stream).iter().for_each(assert_failed);
                }
                let owned = client.ask("hp1.privatelink.avd.example", kind::A);
                assert_eq!(owned.addresses()[0].to_string(), "10.10.4.4");
            });
        }
    });
}

#[test]
fn s_16_a_failing_upstream_is_no_reason_for_a_stale_denial() {
    let upstream = Upstream::start(alive("198.51.100.1"));
    let (server, had) = warm(&upstream);
    upstream.set(|_| Script::rcode(2));
    sleep_until(had + LIFE + MS(50));
    let [data, _, _, gone, _] = ask_all(server.client(SPOKE_A), false);
    assert_eq!((data.addresses().len(), data.ede()), (1, Some(3)));
    assert_eq!((gone.rcode(), gone.answers().len()), (rcode::SERVFAIL, 0), "{:?}", gone.message);
}

#[test]
fn s_16_nothing_of_the_old_route_is_served_after_a_reload() {
    let (old, new) = (Upstream::start(alive("198.51.100.1")), Upstream::start(alive("198.51.100.2")));
    let (server, had) = warm(&old);
    let client = server.client(SPOKE_A);
    // Both are dead, and the route is another one.
    let dead = |_: &Seen| Script::silence();
    old.set(dead);
    new.set(dead);
    server.reload(&text(&new.server()));
    sleep_until(had + LIFE + MS(50));
    ask_all(client, false).iter().for_each(assert_failed);
    // Back on the old route its answers serve again: they are its own (R3).
    server.reload(&text(&old.server()));
    assert_stale(&ask_all(client, false), "198.51.100.1");
    server.reload(&text(&new.server()));
    new.set(alive("198.51.100.2"));
    let deadline = Instant::now() + Duration::from_secs(3);
    loop {
        // A remembered failure lasts a second (R32).
        let reply = client.udp(&ask(DATA));
        if reply.rcode() == rcode::NOERROR {
            assert_eq!((reply.addresses()[0].to_string(), reply.ede()), ("198.51.100.2".to_owned(), None));
            break;
        }
        assert!(Instant::now() < deadline, "{:?}", reply.message);
        std::thread::sleep(MS(50));
    }
}

#[test]
fn s_16_a_valid_answer_replaces_what_was_stale() {
    let upstream = Upstream::start(alive("198.51.100.1"));
    let (server, had) = warm(&upstream);
    let client = server.client(SPOKE_A);
    let query = Query::new(DATA, kind::A).with_opt();
    let until_fresh = |wanted: &dyn Fn(&Reply) -> bool| {
        let deadline = Instant::now() + Duration::from_secs(4);
        while !wanted(&client.udp(&query)) {
            assert!(Instant::now() < deadline, "no fresh answer:\n{}", server.log());
            std::thread::sleep(MS(50));
        }
    };
    upstream.set(|_| Script::silence());
    sleep_until(had + LIFE + MS(50));
    assert_stale(&ask_all(client, false), "198.51.100.1");
    // Alive again with another address, then dead: the new one is what is stale.
    upstream.set(alive("198.51.100.2"));
    until_fresh(&|reply| reply.ede().is_none() && reply.addresses()[0].to_string() == "198.51.100.2");
    upstream.set(|_| Script::silence());
    std::thread::sleep(LIFE);
    let reply = client.udp(&query);
    assert_eq!((reply.addresses()[0].to_string(), reply.ede()), ("198.51.100.2".to_owned(), Some(3)));
    // A denial replaces it as well: then nothing is left to be served.
    upstream.set(|seen| match seen.name.as_str() {
        DATA => Script { rcode: 3, authority: vec![Rr::soa("public.example", 1, 1)], ..Script::default() },
        _ => Script::silence(),
    });
    until_fresh(&|reply| reply.rcode() == rcode::NXDOMAIN && reply.ede().is_none());
    upstream.set(|_| Script::silence());
    std::thread::sleep(LIFE);
    assert_failed(&client.udp(&query));
}
