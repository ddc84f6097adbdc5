//! What servers of the field do (F-10): each quirk alone behind a route of its own, with what a client has to get.

use crate::harness::load::ask;
use crate::harness::message::{Rr, kind};
use crate::harness::reply::rcode;
use crate::harness::small::{SPOKE_A, Small};
use crate::harness::{Client, Query, Reply, Script, Seen, Setup, Transport, Upstream};
use std::time::{Duration, Instant};

const ADDRESS: &str = "198.51.100.10";

fn good(seen: &Seen) -> Script {
    match seen.kind {
        kind::A => Script::records(vec![Rr::host(&seen.name, 300, ADDRESS)]),
        _ => Script::nodata("example"),
    }
}

/// A reply as octets, changed after it was written.
fn changed(seen: &Seen, script: &Script, change: impl FnOnce(&mut Vec<u8>)) -> Script {
    let mut octets = script.encode(seen);
    change(&mut octets);
    Script { garbage: Some(octets.split_off(2)), ..Script::default() }
}

/// A query as it would be without its OPT record.
fn without_opt(seen: &Seen) -> Seen {
    let mut plain = seen.clone();
    plain.octets.truncate(12 + seen.question().len());
    plain
}

fn has_opt(seen: &Seen) -> bool {
    !seen.additional().is_empty()
}

struct Quirk {
    name: &'static str,
    script: fn(&Seen) -> Script,
    /// Asks `host.NAME.example` and more, and looks at what comes.
    holds: fn(&Client, &str, &Upstream),
}

/// The answer, three times for three names.
fn answered(client: &Client, zone: &str, _: &Upstream) {
    for host in ["one", "two", "three"] {
        has_address(&client.udp(&ask(&format!("{host}.{zone}"))));
    }
}

fn has_address(reply: &Reply) {
    let addresses: Vec<_> = reply.addresses().iter().map(ToString::to_string).collect();
    assert_eq!((reply.rcode(), addresses), (rcode::NOERROR, vec![ADDRESS.to_owned()]), "{:?}", reply.message);
    assert!(!reply.aa() && reply.ra() && !reply.z() && !reply.tc());
}

/// SERVFAIL within the budget of two seconds.
fn failed(client: &Client, zone: &str, _: &Upstream) {
    let begun = Instant::now();
    let reply = client.udp(&ask(&format!("one.{zone}")));
    assert_eq!((reply.rcode(), reply.answers().len()), (rcode::SERVFAIL, 0), "{:?}", reply.message);
    assert!(begun.elapsed() <= Duration::from_millis(1_900), "{:?}", begun.elapsed());
}

/// SERVFAIL without waiting: the server has said that it does not serve.
fn failed_at_once(client: &Client, zone: &str, upstream: &Upstream) {
    let begun = Instant::now();
    failed(client, zone, upstream);
    assert!(begun.elapsed() <= Duration::from_millis(500), "{:?}", begun.elapsed());
}

const QUIRKS: [Quirk; 22] = [
    Quirk {
        name: "lower-case",
        script: |seen| changed(seen, &good(seen), |reply| reply[12..].make_ascii_lowercase()),
        holds: |client, zone, upstream| {
            answered(client, zone, upstream);
            has_address(&client.udp(&ask(&format!("four.{zone}"))));
            let streams = upstream.seen().iter().filter(|seen| seen.transport == Transport::Tcp).count();
            assert_eq!(streams, 2, "after two replies over TCP its case is not mixed");
        },
    },
    Quirk {
        name: "no-opt-in-replies",
        script: |seen| changed(&without_opt(seen), &good(seen), |_| {}),
        holds: answered,
    },
    Quirk {
        name: "formerr-to-opt",
        script: |seen| if has_opt(seen) { Script::rcode(1) } else { good(seen) },
        holds: |client, zone, upstream| {
            answered(client, zone, upstream);
            has_address(&client.udp(&ask(&format!("four.{zone}"))));
            assert_eq!(upstream.seen().iter().filter(|seen| has_opt(seen)).count(), 3, "then no OPT is tried");
            let cookies = upstream.seen().iter().filter(|seen| seen.cookie().is_some()).count();
            assert_eq!(cookies, 1, "the option goes first");
        },
    },
    Quirk {
        name: "formerr-header-alone",
        script: |seen| match has_opt(seen) {
            true => Script { garbage: Some(vec![0x81, 0x81, 0, 0, 0, 0, 0, 0, 0, 0]), ..Script::default() },
            false => good(seen),
        },
        holds: answered,
    },
    Quirk {
        name: "silent-to-opt",
        script: |seen| if has_opt(seen) { Script::silence() } else { good(seen) },
        holds: failed,
    },
    Quirk {
        name: "badvers-to-version-0",
        // The extended RCODE stands in the first octet of the OPT record's TTL field.
        script: |seen| {
            changed(seen, &Script::default(), |reply| {
                let opt = reply.len() - 11;
                reply[opt + 5] = 1;
            })
        },
        holds: failed_at_once,
    },
    Quirk {
        name: "notimp-to-opt",
        script: |seen| if has_opt(seen) { Script::rcode(4) } else { good(seen) },
        holds: failed_at_once,
    },
    Quirk {
        name: "nxdomain-above-names",
        script: |seen| match seen.name.starts_with("one.") {
            true => good(seen),
            false => Script::nxdomain("example"),
        },
        holds: |client, zone, _| {
            assert_eq!(client.udp(&ask(zone)).rcode(), rcode::NXDOMAIN);
            has_address(&client.udp(&ask(&format!("one.{zone}"))));
        },
    },
    Quirk {
        name: "cut-without-tc",
        script: |seen| match seen.transport {
            Transport::Udp => changed(&without_opt(seen), &good(seen), |reply| reply.truncate(reply.len() - 3)),
            Transport::Tcp => good(seen),
        },
        holds: failed,
    },
    Quirk {
        name: "tc-with-records",
        script: |seen| match seen.transport {
            Transport::Udp => Script { tc: true, ..Script::records(vec![Rr::host(&seen.name, 300, "198.51.100.66")]) },
            Transport::Tcp => good(seen),
        },
        holds: answered,
    },
    Quirk {
        name: "refuses-aaaa",
        script: |seen| if seen.kind == kind::AAAA { Script::rcode(5) } else { good(seen) },
        holds: |client, zone, upstream| {
            for host in ["one", "two", "three"] {
                let reply = client.udp(&Query::new(&format!("{host}.{zone}"), kind::AAAA).with_opt());
                assert_eq!(reply.rcode(), rcode::SERVFAIL);
            }
            answered(client, zone, upstream);
        },
    },
    Quirk {
        name: "echo",
        script: |seen| Script { garbage: Some(seen.octets[2..].to_vec()), ..Script::default() },
        holds: failed,
    },
    Quirk { name: "aa-without-ra", script: |seen| Script { aa: true, ra: false, ..good(seen) }, holds: answered },
    Quirk { name: "counts-too-high", script: |seen| changed(seen, &good(seen), |reply| reply[7] = 3), holds: failed },
    Quirk {
        name: "nodata-without-soa",
        script: |_| Script::default(),
        holds: |client, zone, upstream| {
            for _ in 0..2 {
                let reply = client.udp(&ask(&format!("one.{zone}")));
                assert_eq!((reply.rcode(), reply.answers().len()), (rcode::NOERROR, 0), "{:?}", reply.message);
            }
            assert_eq!(upstream.total(), 2, "not kept");
        },
    },
    Quirk {
        name: "ttl-top-bit",
        script: |seen| Script::records(vec![Rr::host(&seen.name, 0xffff_ffff, ADDRESS)]),
        holds: |client, zone, _| {
            let reply = client.udp(&ask(&format!("one.{zone}")));
            has_address(&reply);
            assert_eq!(reply.answers()[0].ttl, 0);
        },
    },
    Quirk {
        name: "pointer-to-itself",
        script: |seen| {
            changed(&without_opt(seen), &Script::default(), |reply| {
                reply[7] = 1;
                let at = u8::try_from(reply.len()).expect("a short name");
                reply.extend([0xc0, at, 0, 1, 0, 1, 0, 0, 1, 0, 0, 4, 198, 51, 100, 10]);
            })
        },
        holds: failed,
    },
    Quirk { name: "replies-thrice", script: |seen| good(seen).after(vec![good(seen), good(seen)]), holds: answered },
    Quirk { name: "z-set", script: |seen| changed(seen, &good(seen), |reply| reply[3] |= 0x40), holds: answered },
    Quirk {
        name: "larger-than-asked",
        script: |seen| {
            let many = (0..120).map(|host| Rr::host(&seen.name, 300, &format!("203.0.113.{host}"))).collect();
            Script { oversized: true, ..Script::records(many) }
        },
        holds: failed,
    },
    Quirk {
        name: "doubled-records",
        script: |seen| Script::records(vec![Rr::host(&seen.name, 300, ADDRESS); 2]),
        holds: |client, zone, _| {
            let reply = client.udp(&ask(&format!("one.{zone}")));
            assert_eq!(reply.rcode(), rcode::NOERROR);
            assert!(!reply.addresses().is_empty() && reply.addresses().iter().all(|one| one.to_string() == ADDRESS));
        },
    },
    Quirk {
        name: "another-class",
        // A record of class CHAOS is none of the question's.
        script: |seen| {
            changed(&without_opt(seen), &good(seen), |reply| {
                let class = reply.len() - 14 + 3;
                reply[class] = 3;
            })
        },
        holds: |client, zone, _| {
            let reply = client.udp(&ask(&format!("one.{zone}")));
            assert!(reply.addresses().is_empty(), "{:?}", reply.message);
        },
    },
];

#[test]
fn f_10_quirks_of_upstreams_end_as_answers_or_servfails() {
    let upstreams: Vec<_> = QUIRKS.iter().map(|quirk| Upstream::start(quirk.script)).collect();
    let mut world = Small::default();
    let routes = QUIRKS.iter().zip(&upstreams).map(|(Quirk { name, .. }, upstream)| {
        let server = upstream.server();
        world.more += &format!("[[upstream]]\nname = \"{name}\"\ntimeout = \"2s\"\nservers = [\"{server}\"]\n");
        format!("{{ suffix = \"{name}.example\", upstream = \"{name}\" }}")
    });
    world.view = format!("forward = [{}]", routes.collect::<Vec<_>>().join(", "));
    let server = Setup::new(world.text(&[upstreams[0].server()])).start();
    std::thread::scope(|scope| {
        let client = server.client(SPOKE_A);
        let asked = QUIRKS.iter().zip(&upstreams).map(|(quirk, upstream)| {
            let holds = move || (quirk.holds)(&client, &format!("{}.example", quirk.name), upstream);
            (quirk.name, scope.spawn(holds))
        });
        let failed: Vec<_> = asked
            .collect::<Vec<_>>()
            .into_iter()
            .filter_map(|(name, asked)| asked.join().err().map(|_| name))
            .collect();
        assert!(failed.is_empty(), "these quirks do not end as listed: {failed:?}");
    });
    assert_eq!(server.client(SPOKE_A).ask("hp1.privatelink.avd.example", kind::A).addresses().len(), 1);
}
