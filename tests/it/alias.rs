//! Alias chains: what an upstream's alias leads to is decided by the view that asks (R21 to R24), and what a zone's
//! own alias leads to is part of the same answer.

use crate::harness::message::{Rr, kind};
use crate::harness::public::Chains;
use crate::harness::reply::rcode;
use crate::harness::small::{Small, inline_alias, public};
use crate::harness::{Public, Query, Reply, Script, Transport, Upstream};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// The addresses of a reply as text.
fn addresses(reply: &Reply) -> Vec<String> {
    reply.addresses().iter().map(IpAddr::to_string).collect()
}

/// SERVFAIL and nothing in any section but OPT.
fn assert_empty_servfail(reply: &Reply) {
    assert_eq!(reply.rcode(), rcode::SERVFAIL, "{:?}", reply.message);
    assert!(reply.answers().is_empty() && reply.authority().is_empty(), "{:?}", reply.message);
}

#[test]
fn d_01a_an_upstream_alias_into_a_private_zone_is_answered_from_the_zone() {
    let world = Small::default().start(public());
    for query in [Query::new("hp1.avd.example", kind::A), Query::new("hp1.avd.example", kind::A).with_opt()] {
        for reply in world.spoke_a().both(&query) {
            assert_eq!(reply.rcode(), rcode::NOERROR);
            assert_eq!(reply.targets(), ["hp1.privatelink.avd.example"]);
            assert_eq!(addresses(&reply), ["10.10.4.4"]);
            assert!(reply.authority().is_empty());
            assert!(!reply.aa(), "the first owner is the upstream's (R10)");
            assert!(reply.ra());
        }
    }
    for reply in world.spoke_a().ask_both("hp1.privatelink.avd.example", kind::A) {
        assert_eq!(addresses(&reply), ["10.10.4.4"]);
        assert!(reply.aa());
        assert_eq!(reply.answers()[0].ttl, 300);
    }
    assert_eq!(world.asked("hp1.privatelink.avd.example"), 0, "an owned name is never asked");
    let aaaa = world.spoke_a().ask("hp1.avd.example", kind::AAAA);
    assert_eq!(aaaa.rcode(), rcode::NOERROR);
    assert_eq!(aaaa.targets(), ["hp1.privatelink.avd.example"]);
    assert!(aaaa.addresses().is_empty(), "no public AAAA: {:?}", aaaa.message);
    assert_eq!(aaaa.soa_owner().as_deref(), Some("privatelink.avd.example"));
}

#[test]
fn r23_an_alias_before_a_cut_leaves_with_the_lesser_ttl() {
    let mut names = public();
    names.add(Rr::cname("long.avd.example", 3600, "hp1.privatelink.avd.example"));
    names.add(Rr::cname("short.avd.example", 30, "hp1.privatelink.avd.example"));
    let world = Small::default().start(names);
    let ttls = |name| -> Vec<u32> { world.spoke_a().ask(name, kind::A).answers().iter().map(|rr| rr.ttl).collect() };
    assert_eq!(ttls("long.avd.example"), [300, 300]);
    let short = ttls("short.avd.example");
    assert!((29..=30).contains(&short[0]) && short[1] == 300, "{short:?}");
}

#[test]
fn d_01b_an_alias_of_a_private_zone_to_the_outside_is_followed() {
    let records = inline_alias("portal", "www.public.example") + &inline_alias("gone", "gone.public.example");
    let world = Small { records, ..Small::default() }.start(public());
    for reply in world.spoke_a().ask_both("portal.privatelink.avd.example", kind::A) {
        assert_eq!(reply.targets(), ["www.public.example"]);
        assert_eq!(addresses(&reply), ["198.51.100.10"]);
        assert!(reply.ra() && reply.aa());
    }
    for reply in world.spoke_a().ask_both("gone.privatelink.avd.example", kind::A) {
        assert_eq!(reply.rcode(), rcode::NXDOMAIN);
        assert_eq!(reply.targets(), ["gone.public.example"]);
        assert_eq!(reply.soa_owner().as_deref(), Some("public.example"));
    }
}

#[test]
fn d_02a_a_loop_in_private_data_is_a_servfail_and_the_server_goes_on() {
    let records = inline_alias("l1", "l2.privatelink.avd.example") + &inline_alias("l2", "l1.privatelink.avd.example");
    let world = Small { records, ..Small::default() }.start(public());
    let begun = Instant::now();
    for reply in world.spoke_a().ask_both("l1.privatelink.avd.example", kind::A) {
        assert_empty_servfail(&reply);
    }
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(addresses(&world.spoke_a().ask("ws1.privatelink.avd.example", kind::A)), ["10.10.4.5"]);
}

#[test]
fn d_02b_an_alias_to_itself_is_a_servfail_cold_and_warm() {
    let names = Public::new([Rr::cname("self.public.example", 300, "self.public.example")]);
    let world = Small::default().start(names);
    for ask in 1..=2 {
        assert_empty_servfail(&world.spoke_a().ask("self.public.example", kind::A));
        assert!(world.asked("self.public.example") <= ask);
    }
    assert_empty_servfail(&world.spoke_a().tcp(&Query::new("self.public.example", kind::A)));
}

/// A chain of aliases `c0` to `c{length}`, the last of which has an address.
fn chain(length: usize) -> Vec<Rr> {
    let name = |step| format!("c{step}.public.example");
    let mut records: Vec<_> = (0..length).map(|step| Rr::cname(&name(step), 300, &name(step + 1))).collect();
    records.push(Rr::host(&name(length), 300, "198.51.100.40"));
    records
}

#[test]
fn d_02c_a_chain_of_forty_is_a_servfail_cold_and_warm() {
    for chains in [Chains::Whole, Chains::Single] {
        let mut names = Public::new(chain(40));
        names.chains = chains;
        let world = Small::default().start(names);
        for _ in 0..2 {
            for reply in world.spoke_a().ask_both("c0.public.example", kind::A) {
                assert_empty_servfail(&reply);
            }
        }
    }
}

#[test]
fn r21_sixteen_aliases_are_answered_and_seventeen_are_not() {
    for chains in [Chains::Whole, Chains::Single] {
        let mut names = Public::new(chain(17));
        names.chains = chains;
        let world = Small::default().start(names);
        for _ in 0..2 {
            let reply = world.spoke_a().udp(&Query::new("c1.public.example", kind::A).with_opt());
            assert_eq!(reply.targets().len(), 16, "{chains:?}: {:?}", reply.message);
            assert_eq!(addresses(&reply), ["198.51.100.40"]);
            assert_empty_servfail(&world.spoke_a().ask("c0.public.example", kind::A));
        }
    }
}

#[test]
fn r21_a_question_for_the_alias_itself_is_not_walked() {
    let world = Small::default().start(public());
    for reply in world.spoke_a().ask_both("hp1.avd.example", kind::CNAME) {
        assert_eq!(reply.targets(), ["hp1.privatelink.avd.example"]);
        assert_eq!(reply.answers().len(), 1);
    }
}

#[test]
fn r22_an_alias_that_leaves_on_another_route_is_asked_there() {
    let mut names = public();
    names.add(Rr::cname("app.public.example", 300, "app.corp.example"));
    names.add(Rr::host("app.corp.example", 300, "203.0.113.80"));
    let inside = Upstream::start(|seen| match (&*seen.name, seen.kind) {
        ("app.corp.example", kind::A) => Script::records(vec![Rr::host("app.corp.example", 60, "10.1.0.80")]),
        _ => Script::nxdomain("corp.example"),
    });
    let world = Small {
        view: "forward = [{ suffix = \"corp.example\", upstream = \"inside\" }]".to_owned(),
        more: format!("[[upstream]]\nname = \"inside\"\nservers = [\"{}\"]", inside.server()),
        ..Small::default()
    };
    let running = world.start(names);
    let (server, outside) = (&running.server, &running.u1);
    for _ in 0..2 {
        let reply = server.client("127.0.10.9").ask("app.public.example", kind::A);
        assert_eq!(addresses(&reply), ["10.1.0.80"], "spoke-a has the route");
        let reply = server.client("127.0.20.9").ask("app.public.example", kind::A);
        assert_eq!(addresses(&reply), ["203.0.113.80"], "spoke-b has not");
    }
    assert_eq!((outside.count("app.public.example"), inside.count("app.corp.example")), (1, 1));
}

#[test]
fn r22_an_alias_that_leaves_a_route_for_the_default_is_asked_there() {
    // The directory's server has an opinion on the public name; the view asks public names elsewhere.
    let inside = Upstream::start(|_| {
        Script::records(vec![
            Rr::cname("app.corp.example", 300, "www.public.example"),
            Rr::host("www.public.example", 300, "203.0.113.99"),
        ])
    });
    let world = Small {
        view: "forward = [{ suffix = \"corp.example\", upstream = \"inside\" }]".to_owned(),
        more: format!("[[upstream]]\nname = \"inside\"\nservers = [\"{}\"]", inside.server()),
        ..Small::default()
    }
    .start(public());
    for _ in 0..2 {
        for reply in world.spoke_a().ask_both("app.corp.example", kind::A) {
            assert_eq!(reply.targets(), ["www.public.example"]);
            assert_eq!(addresses(&reply), ["198.51.100.10"], "the default upstream's answer (R22)");
        }
    }
}

#[test]
fn r22_a_chain_that_ends_in_a_bare_alias_is_continued() {
    let world = Small::default().start_with(|seen| match &*seen.name {
        "bare.public.example" => Script::records(vec![Rr::cname("bare.public.example", 300, "www.public.example")]),
        "www.public.example" => Script::records(vec![Rr::host("www.public.example", 300, "198.51.100.10")]),
        other => Script::nxdomain(other),
    });
    for _ in 0..2 {
        for reply in world.spoke_a().ask_both("bare.public.example", kind::A) {
            assert_eq!(reply.targets(), ["www.public.example"]);
            assert_eq!(addresses(&reply), ["198.51.100.10"]);
        }
    }
    assert_eq!(world.asked_in_all(), 2);
}

#[test]
fn r23_a_failure_behind_an_alias_is_a_servfail_without_half_a_chain() {
    let world = Small::default().start_with(|seen| match &*seen.name {
        "half.public.example" => Script::records(vec![Rr::cname("half.public.example", 300, "broken.public.example")]),
        _ => Script::rcode(2),
    });
    assert_empty_servfail(&world.spoke_a().ask("half.public.example", kind::A));
}

#[test]
fn d_14c_a_dname_redirects_what_is_below_it_and_not_itself() {
    let world = Small::default().start_with(|seen| match (&*seen.name, seen.kind) {
        ("x.d.public.example", kind::A) => Script::records(vec![
            Rr::dname("d.public.example", 300, "e.public.example"),
            Rr::cname("x.d.public.example", 300, "x.e.public.example"),
            Rr::host("x.e.public.example", 300, "198.51.100.21"),
        ]),
        // The CNAME is left to the resolver here (RFC 6672 §3.4: upstream's is synthesized as well).
        ("y.d.public.example", kind::A) => Script::records(vec![
            Rr::dname("d.public.example", 120, "e.public.example"),
            Rr::host("y.e.public.example", 300, "198.51.100.22"),
        ]),
        ("d.public.example", kind::A) => Script::records(vec![Rr::host("d.public.example", 300, "198.51.100.20")]),
        _ => Script::nxdomain("public.example"),
    });
    for _ in 0..2 {
        for reply in world.spoke_a().ask_both("x.d.public.example", kind::A) {
            let kinds: Vec<_> = reply.answers().iter().map(|rr| rr.kind).collect();
            assert_eq!(kinds, [kind::DNAME, kind::CNAME, kind::A], "{:?}", reply.message);
            assert_eq!(addresses(&reply), ["198.51.100.21"]);
        }
        let made = world.spoke_a().ask("y.d.public.example", kind::A);
        assert_eq!(made.targets(), ["y.e.public.example"], "{:?}", made.message);
        assert_eq!(addresses(&made), ["198.51.100.22"]);
        let ttls: Vec<_> = made.answers().iter().filter(|rr| rr.kind == kind::CNAME).map(|rr| rr.ttl).collect();
        assert!((118..=120).contains(&ttls[0]), "the DNAME's TTL (R21): {ttls:?}");
        assert_eq!(addresses(&world.spoke_a().ask("d.public.example", kind::A)), ["198.51.100.20"]);
    }
}

#[test]
fn r22_aliases_are_cut_over_tcp_upstreams_too() {
    // The upstream's UDP says TC, so the raw answer comes over TCP and is walked like any other.
    let names = public();
    let world = Small::default().start_with(move |seen| match seen.transport {
        Transport::Udp => Script { tc: true, ..Script::default() },
        Transport::Tcp => names.answer(&seen.name, seen.kind),
    });
    for reply in world.spoke_a().ask_both("hp1.avd.example", kind::A) {
        assert_eq!(addresses(&reply), ["10.10.4.4"]);
    }
}
