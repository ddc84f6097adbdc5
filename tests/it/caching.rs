//! What is kept, for how long, and what of it a client sees (R2, R3, R10, R32, R33; D-10, D-14a, D-14b).

use crate::harness::message::{Rr, kind};
use crate::harness::reply::rcode;
use crate::harness::small::{Small, public};
use crate::harness::{Public, Query, Script};
use std::time::{Duration, Instant};

#[test]
fn d_10a_a_ttl_of_zero_is_asked_again() {
    let world = Small::default().start_with(|seen| {
        let address = format!("198.51.100.{}", seen.earlier + 1);
        Script::records(vec![Rr::host("live.public.example", 0, &address)])
    });
    for ask in 1..=3 {
        let reply = world.spoke_a().ask("live.public.example", kind::A);
        assert_eq!(reply.addresses()[0].to_string(), format!("198.51.100.{ask}"));
        assert_eq!(reply.answers()[0].ttl, 0);
    }
    let reply = world.spoke_a().tcp(&Query::new("live.public.example", kind::A));
    assert_eq!(reply.addresses()[0].to_string(), "198.51.100.4");
    assert_eq!(world.asked("live.public.example"), 4);
}

#[test]
fn d_10a_an_alias_of_ttl_zero_into_a_zone_is_asked_again() {
    let names = Public::new([Rr::cname("hp1.avd.example", 0, "hp1.privatelink.avd.example")]);
    let world = Small::default().start(names);
    for ask in 1..=2 {
        let reply = world.spoke_a().ask("hp1.avd.example", kind::A);
        assert_eq!(reply.addresses()[0].to_string(), "10.10.4.4");
        assert_eq!(reply.answers()[0].ttl, 0);
        assert_eq!(world.asked("hp1.avd.example"), ask);
    }
}

#[test]
fn d_10b_ttls_run_down_positive_and_negative() {
    let world = Small::default().start(public());
    let positive = || world.spoke_a().ask("www.public.example", kind::A).answers()[0].ttl;
    let negative = || world.spoke_a().ask("no.public.example", kind::A).authority()[0].ttl;
    let alias = || world.spoke_a().ask("hp1.avd.example", kind::A).answers()[0].ttl;
    let begun = Instant::now();
    let first = [positive(), negative(), alias()];
    assert!(first[0] <= 300 && first[0] >= 299, "{first:?}");
    assert!(first[1] <= 300, "never above the SOA's own");
    assert!(first[2] <= 300 && first[2] >= 299, "{first:?}");
    let deadline = begun + Duration::from_secs(6);
    let second = loop {
        let second = [positive(), negative(), alias()];
        if second.iter().zip(first).all(|(now, then)| *now + 2 <= then) {
            break second;
        }
        assert!(Instant::now() < deadline, "TTLs stand still: {first:?}, then {second:?}");
        std::thread::sleep(Duration::from_millis(50));
    };
    let passed = u32::try_from(begun.elapsed().as_secs()).unwrap();
    for (now, then) in second.iter().zip(first) {
        assert!(now + passed + 2 >= then, "not faster than the clock: {first:?}, then {second:?} after {passed} s");
    }
    let owned = world.spoke_a().ask("hp1.privatelink.avd.example", kind::A).answers()[0].ttl;
    assert_eq!(owned, 300, "an owned TTL does not run down");
    assert_eq!(world.asked_in_all(), 3, "all from the cache");
}

#[test]
fn r32_ttls_are_capped_and_a_set_top_bit_is_zero() {
    let names = Public::new([
        Rr::host("week.public.example", 7 * 86400, "198.51.100.1"),
        Rr::host("top.public.example", 0x8000_0001, "198.51.100.2"),
    ]);
    let world = Small::default().start(names);
    let first = world.spoke_a().ask("week.public.example", kind::A).answers()[0].ttl;
    assert!(first <= 86400, "{first}");
    let second = world.spoke_a().ask("week.public.example", kind::A).answers()[0].ttl;
    assert!((86390..=86400).contains(&second), "{second}");
    for _ in 0..2 {
        assert_eq!(world.spoke_a().ask("top.public.example", kind::A).answers()[0].ttl, 0);
    }
    assert_eq!(world.asked("top.public.example"), 2);
}

#[test]
fn r32_negative_answers_without_a_soa_are_not_kept() {
    let world = Small::default().start_with(|_| Script::rcode(3));
    for ask in 1..=2 {
        let reply = world.spoke_a().ask("bare.public.example", kind::A);
        assert_eq!(reply.rcode(), rcode::NXDOMAIN, "{:?}", reply.message);
        assert_eq!(world.asked("bare.public.example"), ask);
    }
}

#[test]
fn r02_the_key_holds_type_do_and_cd() {
    let world = Small::default().start(public());
    let query = Query::new("www.public.example", kind::A);
    let variants =
        [query.clone(), query.clone().with_opt().dnssec_ok(), query.clone().cd(), query.clone().cd().dnssec_ok()];
    for (asked, variant) in variants.iter().enumerate() {
        for _ in 0..2 {
            world.spoke_a().udp(variant);
            assert_eq!(world.asked("www.public.example"), asked + 1, "{variant:?}");
        }
    }
    // An OPT without DO, AD and another view of the same route change nothing.
    world.spoke_a().udp(&query.clone().with_opt());
    world.spoke_a().udp(&query.clone().ad());
    world.spoke_b().udp(&query);
    world.other().tcp(&query);
    assert_eq!(world.asked("www.public.example"), 4);
}

#[test]
fn r03_one_query_carries_nothing_of_the_client() {
    let world = Small::default().start(public());
    world.spoke_a().udp(&Query::new("www.public.example", kind::A).id(7));
    world.spoke_a().udp(&Query::new("one.public.example", kind::A).cd().dnssec_ok().id(7));
    let seen = world.u1.seen();
    assert_eq!(seen.len(), 2);
    for one in &seen {
        assert_eq!(one.octets[2] & 0x79, 1, "opcode 0, RD=1");
        assert!(one.octets[3] & 0x20 != 0, "AD=1");
        assert!(!one.additional().is_empty(), "own OPT");
    }
    assert!(seen[0].octets[3] & 0x10 == 0 && seen[1].octets[3] & 0x10 != 0, "CD is the client's");
    let dnssec_ok = |at: usize| seen[at].additional()[7] & 0x80 != 0;
    assert!(!dnssec_ok(0) && dnssec_ok(1), "DO is the client's");
}

#[test]
fn d_10c_a_failure_is_kept_briefly() {
    let begun = Instant::now();
    let names = public();
    let world = Small::default().start_with(move |seen| {
        if begun.elapsed() < Duration::from_secs(2) {
            return Script::rcode(2);
        }
        names.answer(&seen.name, seen.kind)
    });
    let mut asks = 0;
    loop {
        asks += 1;
        let reply = world.spoke_a().ask("www.public.example", kind::A);
        if reply.rcode() == rcode::NOERROR {
            break;
        }
        assert_eq!(reply.rcode(), rcode::SERVFAIL);
        assert!(begun.elapsed() < Duration::from_secs(8), "good again at 6 s at the latest");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(asks > 3, "the test began too late");
    let asked = world.asked("www.public.example");
    assert!(asked <= 16, "{asked} upstream queries for {asks} asks");
}

#[test]
fn d_10d_r33_a_stale_answer_serves_only_a_dead_upstream() {
    let holds = |stale: bool, lines: &str| {
        let moved = Instant::now();
        let script = move |_: &crate::harness::Seen| {
            let address = if moved.elapsed() < Duration::from_secs(2) { "198.51.100.1" } else { "198.51.100.2" };
            Script::records(vec![Rr::host("moved.public.example", 1, address)])
        };
        let upstream = "timeout = \"2s\"".to_owned();
        let world = Small { upstream, more: lines.to_owned(), ..Small::default() }.start_with(script);
        let query = Query::new("moved.public.example", kind::A).with_opt();
        assert_eq!(world.spoke_a().udp(&query).addresses()[0].to_string(), "198.51.100.1");
        while moved.elapsed() < Duration::from_secs(3) {
            std::thread::sleep(Duration::from_millis(50));
            world.spoke_a().udp(&query);
        }
        for reply in world.spoke_a().both(&query) {
            assert_eq!(reply.addresses()[0].to_string(), "198.51.100.2", "healthy: the new address");
            assert_eq!(reply.ede(), None);
        }
        world.u1.set(|_| Script::silence());
        world.u2.set(|_| Script::silence());
        std::thread::sleep(Duration::from_millis(1100));
        for stream in [false, true] {
            let begun = Instant::now();
            let reply = if stream { world.spoke_a().tcp(&query) } else { world.spoke_a().udp(&query) };
            assert!(begun.elapsed() <= Duration::from_millis(1900), "{:?}", begun.elapsed());
            if stale {
                assert_eq!(reply.addresses()[0].to_string(), "198.51.100.2", "{reply:?}");
                assert_eq!((reply.answers()[0].ttl, reply.ede()), (30, Some(3)));
            } else {
                assert_eq!((reply.rcode(), reply.answers().len()), (rcode::SERVFAIL, 0), "{reply:?}");
                assert!(matches!(reply.ede(), Some(13 | 22)), "{:?}", reply.ede());
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| holds(true, ""));
        scope.spawn(|| holds(false, "[cache]\nserve-stale = \"0s\"\n"));
    });
}

#[test]
fn d_14a_aa_is_cleared_and_ad_is_the_upstreams() {
    let names = public();
    let world = Small::default().start_with(move |seen| Script {
        aa: true,
        ad: seen.name != "hp1.avd.example",
        ..names.answer(&seen.name, seen.kind)
    });
    let query = Query::new("www.public.example", kind::A);
    for _ in 0..2 {
        for reply in world.spoke_a().both(&query) {
            assert!(!reply.aa() && !reply.ad(), "neither AD nor DO in the query");
        }
        for reply in world.spoke_a().both(&query.clone().ad()) {
            assert!(!reply.aa() && reply.ad());
        }
        for reply in world.spoke_a().both(&query.clone().dnssec_ok()) {
            assert!(!reply.aa() && reply.ad());
        }
    }
    for name in ["hp1.privatelink.avd.example", "hp1.avd.example"] {
        for reply in world.spoke_a().both(&Query::new(name, kind::A).ad()) {
            assert!(!reply.ad(), "a piece is ours: {name}");
        }
    }
}

#[test]
fn d_14b_signatures_are_for_those_who_ask() {
    let mut signature = Vec::new();
    signature.extend_from_slice(&kind::A.to_be_bytes());
    signature.extend_from_slice(&[13, 3, 0, 0, 1, 44, 0x70, 0, 0, 0, 0x60, 0, 0, 0, 0, 7]);
    signature.extend(crate::harness::message::wire_name("public.example"));
    signature.extend_from_slice(&[9; 64]);
    let world = Small::default().start_with(move |seen| {
        let mut answers = vec![Rr::host("signed.public.example", 300, "198.51.100.5")];
        // An upstream that does not look at DO.
        answers.push(Rr::new("signed.public.example", kind::RRSIG, 300, signature.clone()));
        if seen.kind == kind::RRSIG {
            answers.remove(0);
        }
        Script::records(answers)
    });
    let query = Query::new("signed.public.example", kind::A);
    for (wanted, query) in [(1, query.clone().dnssec_ok()), (0, query.clone()), (1, query.clone().dnssec_ok())] {
        for reply in world.spoke_a().both(&query) {
            assert_eq!(reply.addresses().len(), 1);
            let signatures = reply.message.answers.iter().filter(|rr| u16::from(rr.record_type()) == kind::RRSIG);
            assert_eq!(signatures.count(), wanted, "{:?}", reply.message);
        }
    }
    let asked = world.spoke_a().ask("signed.public.example", kind::RRSIG);
    assert_eq!(asked.message.answers.len(), 1, "RRSIG itself was asked for");
}
