//! Negative answers: who denies a name, with which SOA, and what stays private because of it (R11, R13, R16, R19, R20).

use crate::harness::message::{Rr, kind};
use crate::harness::reply::rcode;
use crate::harness::small::{Small, public};
use crate::harness::{Public, Query, Script};

#[test]
fn d_03a_a_strict_zone_denies_and_a_fallback_zone_asks() {
    let mut names = public();
    names.add(Rr::host("other.privatelink-global.avd.example", 300, "203.0.113.30"));
    names.add(Rr::host("other.privatelink.avd.example", 300, "203.0.113.30"));
    let world = Small::default().start(names);
    for reply in world.spoke_a().ask_both("other.privatelink-global.avd.example", kind::A) {
        assert_eq!(reply.addresses().len(), 1);
        assert_eq!(reply.addresses()[0].to_string(), "203.0.113.30");
        assert!(!reply.aa());
    }
    for reply in world.spoke_a().ask_both("other.privatelink.avd.example", kind::A) {
        assert_eq!(reply.rcode(), rcode::NXDOMAIN);
        assert_eq!(reply.soa_owner().as_deref(), Some("privatelink.avd.example"));
        assert!(reply.aa());
        let soa = &reply.authority()[0];
        assert_eq!(soa.ttl, 10, "the synthetic SOA (R14)");
    }
    assert_eq!(world.asked("other.privatelink.avd.example"), 0);
}

#[test]
fn d_03b_other_types_of_an_owned_name_are_nodata() {
    let world = Small::default().start(public());
    for kind in [kind::AAAA, kind::MX, kind::TXT, kind::HTTPS, kind::SRV, kind::UNKNOWN] {
        for reply in world.spoke_a().ask_both("hp1.privatelink.avd.example", kind) {
            assert!(reply.is_nodata(), "type {kind}: {:?}", reply.message);
            assert_eq!(reply.soa_owner().as_deref(), Some("privatelink.avd.example"));
            assert!(reply.aa() && reply.ra());
        }
    }
    assert_eq!(world.asked_in_all(), 0);
}

#[test]
fn d_03c_an_override_owns_its_name_for_all_types() {
    let names = Public::new([
        Rr::host("rdweb.avd.example", 300, "2001:db8::7"),
        Rr::host("rdweb.avd.example", 300, "203.0.113.7"),
    ]);
    let world = Small::default().start(names);
    for reply in world.spoke_a().ask_both("rdweb.avd.example", kind::AAAA) {
        assert!(reply.is_nodata(), "{:?}", reply.message);
        assert_eq!(reply.soa_owner().as_deref(), Some("rdweb.avd.example"), "its own apex (R13)");
    }
    let reply = world.spoke_a().ask("rdweb.avd.example", kind::A);
    assert_eq!(reply.addresses()[0].to_string(), "10.10.4.7");
    assert_eq!(reply.answers()[0].ttl, 10, "the default of an endpoint's record");
    assert_eq!(world.asked_in_all(), 0);
}

#[test]
fn r13_an_endpoint_name_has_a_soa_and_neither_ns_nor_ds() {
    let world = Small::default().start(public());
    for reply in world.spoke_a().ask_both("rdweb.avd.example", kind::SOA) {
        let answers = reply.answers();
        assert_eq!(answers.len(), 1, "{:?}", reply.message);
        assert_eq!((answers[0].kind, &*answers[0].name, answers[0].ttl), (kind::SOA, "rdweb.avd.example", 10));
        let mut wanted = crate::harness::message::wire_name("hubdns.invalid");
        wanted.extend(crate::harness::message::wire_name("nobody.invalid"));
        for number in [1u32, 3600, 1200, 604_800, 10] {
            wanted.extend_from_slice(&number.to_be_bytes());
        }
        assert_eq!(answers[0].data, wanted, "R14");
        assert!(reply.aa());
    }
    for kind in [kind::NS, kind::DS] {
        assert!(world.spoke_a().ask("rdweb.avd.example", kind).is_nodata(), "type {kind}");
    }
    assert_eq!(world.asked_in_all(), 0);
}

#[test]
fn r13_names_below_an_endpoint_name_are_forwarded_and_guarded() {
    let names = Public::new([
        Rr::host("x.rdweb.avd.example", 300, "203.0.113.77"),
        Rr::host("y.rdweb.avd.example", 300, "10.10.4.99"),
        Rr::new("x.rdweb.avd.example", kind::TXT, 300, b"\x04free".to_vec()),
    ]);
    let world = Small::default().start(names);
    for reply in world.spoke_a().both(&Query::new("x.rdweb.avd.example", kind::A).with_opt()) {
        assert!(reply.is_nodata(), "guarded (R25): {:?}", reply.message);
        assert_eq!(reply.ede(), Some(15));
    }
    let reply = world.spoke_a().ask("y.rdweb.avd.example", kind::A);
    assert_eq!(reply.addresses().len(), 1, "an address in the private ranges passes: {:?}", reply.message);
    assert_eq!(world.spoke_a().ask("x.rdweb.avd.example", kind::TXT).answers().len(), 1);
    let reply = world.other().ask("x.rdweb.avd.example", kind::A);
    assert_eq!(reply.addresses()[0].to_string(), "203.0.113.77", "another view does not guard it");
}

#[test]
fn d_03d_a_search_suffix_on_a_private_name_goes_nowhere() {
    let world = Small::default().start(public());
    for reply in world.spoke_a().ask_both("www.public.example.privatelink.avd.example", kind::A) {
        assert_eq!(reply.rcode(), rcode::NXDOMAIN);
        assert_eq!(reply.soa_owner().as_deref(), Some("privatelink.avd.example"));
    }
    assert_eq!(world.asked_in_all(), 0);
    for reply in world.spoke_a().ask_both("hp1.privatelink.avd.example.corp.example", kind::A) {
        assert_eq!(reply.rcode(), rcode::NXDOMAIN);
        assert!(reply.answers().is_empty());
        assert!(!reply.aa());
    }
    assert_eq!(world.asked("hp1.privatelink.avd.example.corp.example"), 1);
    // Not a suffix by whole labels.
    let reply = world.spoke_a().ask("xprivatelink.avd.example", kind::A);
    assert_eq!(world.asked("xprivatelink.avd.example"), 1, "{:?}", reply.message);
}

#[test]
fn d_03e_a_single_label_stays_here_for_addresses() {
    let world = Small::default().start_with(|seen| match seen.kind {
        kind::NS => Script::records(vec![Rr::ns("hp1", 300, "ns.example")]),
        _ => Script::nxdomain("."),
    });
    for client in [world.spoke_a(), world.other()] {
        for kind in [kind::A, kind::AAAA, kind::HTTPS, kind::SVCB] {
            for reply in client.ask_both("hp1", kind) {
                assert_eq!(reply.rcode(), rcode::NXDOMAIN, "type {kind}: {:?}", reply.message);
                assert_eq!(reply.soa_owner().as_deref(), Some("."));
            }
        }
    }
    assert_eq!(world.asked_in_all(), 0);
    let reply = world.spoke_a().ask("hp1", kind::NS);
    assert_eq!(reply.answers().len(), 1, "other types are forwarded: {:?}", reply.message);
}

#[test]
fn r20_special_use_names_are_answered_here() {
    let world = Small::default().start_with(|_| Script::records(vec![]));
    let ask = |name, kind| world.spoke_a().ask(name, kind);
    assert_eq!(ask("localhost", kind::A).addresses()[0].to_string(), "127.0.0.1");
    assert_eq!(ask("localhost", kind::AAAA).addresses()[0].to_string(), "::1");
    for name in ["x.invalid", "printer.local", "abc.onion", "x.home.arpa"] {
        let reply = ask(name, kind::A);
        assert_eq!(reply.rcode(), rcode::NXDOMAIN, "{name}: {:?}", reply.message);
        assert!(reply.soa_owner().is_some(), "{name}");
    }
    assert!(ask("_dns.resolver.arpa", kind::SVCB).is_nodata());
    assert_eq!(world.asked_in_all(), 0);
}

#[test]
fn d_04a_an_empty_non_terminal_is_nodata() {
    let world = Small { records: "\"a.b\" = [\"10.10.4.8\"], ".to_owned(), ..Small::default() }.start(public());
    for kind in [kind::A, kind::AAAA, kind::TXT] {
        for reply in world.spoke_a().ask_both("b.privatelink.avd.example", kind) {
            assert!(reply.is_nodata(), "{:?}", reply.message);
            assert_eq!(reply.soa_owner().as_deref(), Some("privatelink.avd.example"));
        }
    }
    assert_eq!(world.spoke_a().ask("c.b.privatelink.avd.example", kind::A).rcode(), rcode::NXDOMAIN);
    assert_eq!(world.asked_in_all(), 0);
}

#[test]
fn d_04a_an_empty_non_terminal_of_a_fallback_zone_is_owned() {
    let world = Small {
        zones: ", \"fallback\"".to_owned(),
        more: "[[zone]]\nname = \"fallback\"\napex = \"fallback.example\"\nmissing = \"forward\"\n\
               records = { \"a.b\" = [\"10.10.4.8\"] }"
            .to_owned(),
        ..Small::default()
    }
    .start(public());
    let reply = world.spoke_a().ask("b.fallback.example", kind::A);
    assert!(reply.is_nodata(), "{:?}", reply.message);
    assert!(reply.aa());
    assert_eq!(world.asked_in_all(), 0);
    assert!(!world.spoke_a().ask("c.b.fallback.example", kind::A).aa());
    assert_eq!(world.asked("c.b.fallback.example"), 1, "a missing name is not owned (R11)");
}

#[test]
fn d_04b_a_wildcard_stops_at_an_empty_non_terminal() {
    let records = "\"*\" = [\"10.10.4.9\"], \"ssh.git\" = [\"10.10.4.10\"], ".to_owned();
    let world = Small { records, ..Small::default() }.start(public());
    for name in ["games", "notgames", "deep.er"] {
        for reply in world.spoke_a().ask_both(&format!("{name}.privatelink.avd.example"), kind::A) {
            assert_eq!(reply.addresses()[0].to_string(), "10.10.4.9", "{name}");
            assert_eq!(reply.answers()[0].name, format!("{name}.privatelink.avd.example"));
        }
    }
    assert!(world.spoke_a().ask("games.privatelink.avd.example", kind::AAAA).is_nodata());
    assert!(world.spoke_a().ask("git.privatelink.avd.example", kind::A).is_nodata());
    assert_eq!(world.spoke_a().ask("x.git.privatelink.avd.example", kind::A).rcode(), rcode::NXDOMAIN);
    let reply = world.spoke_a().ask("ssh.git.privatelink.avd.example", kind::A);
    assert_eq!(reply.addresses()[0].to_string(), "10.10.4.10");
}

#[test]
fn r19_a_forwarded_denial_of_an_ancestor_leaves_as_nodata() {
    let world = Small::default().start_with(|_| Script::nxdomain("example"));
    for name in ["avd.example", "example"] {
        for _ in 0..2 {
            let reply = world.spoke_a().ask(name, kind::TXT);
            assert_eq!(reply.rcode(), rcode::NOERROR, "{name}: {:?}", reply.message);
            assert_eq!(reply.soa_owner().as_deref(), Some("example"), "the same SOA");
        }
        assert_eq!(world.spoke_a().ask("hp1.privatelink.avd.example", kind::A).addresses().len(), 1);
        assert_eq!(world.other().ask(name, kind::TXT).rcode(), rcode::NXDOMAIN, "no view's name is below it there");
    }
}
