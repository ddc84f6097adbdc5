//! DNS cookies towards upstream servers (RFC 7873): servers that know them, that do not, and that choke on them.

use crate::harness::authoritative::Authoritative;
use crate::harness::load::ask;
use crate::harness::message::Rr;
use crate::harness::reply::rcode;
use crate::harness::small::{SPOKE_A, Small};
use crate::harness::upstream::COOKIE;
use crate::harness::{Client, Script, Seen, Setup, Transport, Upstream};
use std::time::{Duration, Instant};

const GOOD: &str = "198.51.100.10";
const BAD: &str = "203.0.113.66";
const SERVER_PART: [u8; 16] = [0x5a; 16];

fn good(seen: &Seen) -> Script {
    Script::records(vec![Rr::host(&seen.name, 300, GOOD)])
}

/// A server that knows cookies.
fn echoing(seen: &Seen) -> Script {
    let client = seen.cookie().map(|data| data[..8].to_vec());
    let options = client.map(|client| vec![(COOKIE, [client, SERVER_PART.to_vec()].concat())]).unwrap_or_default();
    Script { options, ..good(seen) }
}

fn start(upstream: &Upstream) -> crate::harness::Server {
    Setup::new(Small::default().text(&[upstream.server()])).start()
}

fn has_good(client: &Client, name: &str) {
    let reply = client.udp(&ask(name));
    let addresses: Vec<_> = reply.addresses().iter().map(ToString::to_string).collect();
    assert_eq!((reply.rcode(), addresses), (rcode::NOERROR, vec![GOOD.to_owned()]), "{name}: {:?}", reply.message);
}

fn cookies_of(upstream: &Upstream) -> Vec<(Transport, Option<Vec<u8>>)> {
    upstream.seen().iter().map(|seen| (seen.transport, seen.cookie())).collect()
}

#[test]
fn a_server_that_knows_cookies_gets_its_part_back_and_no_client_is_told() {
    let upstream = Upstream::start(echoing);
    let server = start(&upstream);
    let client = server.client(SPOKE_A);
    ["one.public.example", "two.public.example"].iter().for_each(|name| has_good(&client, name));
    let seen = cookies_of(&upstream);
    let [(_, Some(first)), (Transport::Udp, Some(second))] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!(first.len(), 8);
    assert_eq!(second[..], [first.clone(), SERVER_PART.to_vec()].concat());
    let query = ask("two.public.example").opt(crate::harness::Opt::default());
    let reply = client.udp(&query);
    assert!(!reply.octets.windows(8).any(|octets| octets == &first[..]), "{:02x?}", reply.octets);
}

#[test]
fn each_server_has_a_cookie_of_its_own() {
    let upstreams = [Upstream::start(echoing), Upstream::start(echoing)];
    let mut seen = Vec::new();
    for upstream in &upstreams {
        let server = start(upstream);
        has_good(&server.client(SPOKE_A), "one.public.example");
        seen.extend(cookies_of(upstream));
    }
    assert_ne!(seen[0], seen[1]);
}

#[test]
fn a_datagram_without_the_cookie_is_not_believed_and_asked_again_over_tcp() {
    let upstream = Upstream::start(echoing);
    let server = start(&upstream);
    let client = server.client(SPOKE_A);
    has_good(&client, "one.public.example");
    // A spoofer who guessed port, id and case.
    upstream.set(|seen| match seen.transport {
        Transport::Udp => Script::records(vec![Rr::host(&seen.name, 300, BAD)]),
        Transport::Tcp => echoing(seen),
    });
    for name in ["two.public.example", "three.public.example", "four.public.example"] {
        has_good(&client, name);
    }
    // One who sends another client's cookie is not even asked about: the wait goes on.
    upstream.set(|seen| {
        let wrong = Script {
            options: vec![(COOKIE, [[0xee; 8].to_vec(), SERVER_PART.to_vec()].concat())],
            ..Script::records(vec![Rr::host(&seen.name, 300, BAD)])
        };
        echoing(seen).after(vec![wrong])
    });
    has_good(&client, "five.public.example");
    let over_tcp = upstream.seen().iter().filter(|seen| seen.transport == Transport::Tcp).count();
    assert_eq!(over_tcp, 3);
}

#[test]
fn a_server_that_loses_its_cookies_is_found_out_over_tcp() {
    let upstream = Upstream::start(echoing);
    let server = start(&upstream);
    let client = server.client(SPOKE_A);
    has_good(&client, "one.public.example");
    upstream.set(good);
    (0..6).for_each(|number| has_good(&client, &format!("n{number}.public.example")));
    let seen = cookies_of(&upstream);
    assert_eq!(seen.iter().filter(|(transport, _)| *transport == Transport::Tcp).count(), 2, "{seen:?}");
    assert_eq!(seen.last(), Some(&(Transport::Udp, None)));
}

#[test]
fn a_server_without_cookies_is_asked_once_with_one() {
    let upstream = Upstream::start(good);
    let server = start(&upstream);
    let client = server.client(SPOKE_A);
    (0..4).for_each(|number| has_good(&client, &format!("n{number}.public.example")));
    let with: Vec<_> = cookies_of(&upstream).iter().map(|(_, cookie)| cookie.is_some()).collect();
    assert_eq!(with, [true, false, false, false]);
}

#[test]
fn servers_that_choke_on_the_option_are_asked_without_it() {
    // FORMERR whole, FORMERR by the header alone, and silence.
    let scripts: [fn(&Seen) -> Script; 3] = [
        |_| Script::rcode(1),
        |seen| Script {
            garbage: Some(vec![0x81 | seen.octets[2] & 1, 0x81, 0, 0, 0, 0, 0, 0, 0, 0]),
            ..Script::default()
        },
        |_| Script::silence(),
    ];
    for (number, choke) in scripts.into_iter().enumerate() {
        let upstream = Upstream::start(move |seen| if seen.cookie().is_some() { choke(seen) } else { good(seen) });
        let server = start(&upstream);
        let client = server.client(SPOKE_A);
        let begun = Instant::now();
        has_good(&client, "one.public.example");
        assert!(begun.elapsed() < Duration::from_millis(1_800), "choke {number}: {:?}", begun.elapsed());
        has_good(&client, "two.public.example");
        let seen = upstream.seen();
        let with_opt: Vec<_> =
            seen.iter().map(|seen| (seen.cookie().is_some(), !seen.additional().is_empty())).collect();
        assert_eq!(with_opt, [(true, true), (false, true), (false, true)], "choke {number}: OPT itself is no fault");
    }
}

#[test]
fn a_server_that_wants_its_cookie_gets_it_at_once() {
    // BADCOOKIE is 23: 7 in the header, 1 in the OPT record.
    let upstream = Upstream::start(|seen| match seen.cookie() {
        Some(data) if data.len() == 8 => bad_cookie(seen),
        _ => echoing(seen),
    });
    let server = start(&upstream);
    let client = server.client(SPOKE_A);
    has_good(&client, "one.public.example");
    has_good(&client, "two.public.example");
    let lengths: Vec<_> = cookies_of(&upstream).into_iter().map(|(_, cookie)| cookie.map(|data| data.len())).collect();
    assert_eq!(lengths, [Some(8), Some(24), Some(24)]);
    // One that is never content is asked over TCP.
    upstream.set(|seen| match seen.transport {
        Transport::Udp => bad_cookie(seen),
        Transport::Tcp => echoing(seen),
    });
    has_good(&client, "three.public.example");
    let transports: Vec<_> = upstream.seen().iter().skip(3).map(|seen| seen.transport).collect();
    assert_eq!(transports, [Transport::Udp, Transport::Udp, Transport::Tcp]);
}

/// BADCOOKIE with a cookie.
fn bad_cookie(seen: &Seen) -> Script {
    let mut octets = Script { rcode: 7, answers: Vec::new(), ..echoing(seen) }.encode(seen);
    let opt = 12 + seen.question().len();
    octets[opt + 5] = 1;
    Script { garbage: Some(octets.split_off(2)), ..Script::default() }
}

#[test]
fn bind_that_requires_cookies_is_never_asked_over_tcp() {
    let Some(named) = Authoritative::requiring_cookies("bind_that_requires_cookies") else { return };
    let small = Small { upstream: "case = \"off\"\n".to_owned(), ..Small::default() };
    let server = Setup::new(small.text(&[named.address.to_string()])).start();
    let client = server.client(SPOKE_A);
    for number in 0..20 {
        let reply = client.udp(&ask(&format!("n{number}.fwd.example")));
        assert_eq!((reply.rcode(), reply.addresses().len()), (rcode::NOERROR, 1), "{:?}", reply.message);
    }
    let log = named.queries();
    let flags: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("query: n") && line.contains(" IN A "))
        .filter_map(|line| line.split(" IN A ").nth(1)?.split(' ').next())
        .collect();
    // K: a cookie without the server's part, V: with a valid one, T: over TCP.
    let valid = flags.iter().filter(|flags| flags.contains('V')).count();
    assert!(valid >= 20, "{flags:?}\n{log}");
    assert!(flags.iter().filter(|flags| flags.contains('K')).count() <= 1, "{flags:?}");
    assert!(flags.iter().all(|flags| !flags.contains('T')), "{flags:?}");
}
