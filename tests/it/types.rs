//! Record types beside addresses: HTTPS and SVCB, and those that no code has a parser for (D-09).

use crate::harness::message::{Rr, kind};
use crate::harness::small::{Small, public};
use crate::harness::{Public, Query, Reply};

/// `1 TARGET alpn=… ipv4hint=203.0.113.7 ipv6hint=2001:db8::7 ech=… key65400=…`.
fn service(name: &str, kind: u16, target: &str) -> Rr {
    let hint6: std::net::Ipv6Addr = "2001:db8::7".parse().unwrap();
    let parameters = [
        (1, b"\x02h3\x02h2".to_vec()),
        (4, vec![203, 0, 113, 7]),
        (5, vec![0, 4, 0xfe, 0x0d, 0, 0]),
        (6, hint6.octets().to_vec()),
        (65400, b"opaque".to_vec()),
    ];
    Rr::service(name, kind, 300, target, &parameters)
}

fn contains(reply: &Reply, octets: &[u8]) -> bool {
    reply.octets.windows(octets.len()).any(|window| window == octets)
}

#[test]
fn d_09a_https_of_an_override_is_nodata() {
    let names =
        Public::new([service("rdweb.avd.example", kind::HTTPS, "."), service("rdweb.avd.example", kind::SVCB, ".")]);
    let world = Small::default().start(names);
    for kind in [kind::HTTPS, kind::SVCB] {
        for reply in world.spoke_a().ask_both("rdweb.avd.example", kind) {
            assert!(reply.is_nodata(), "{:?}", reply.message);
        }
    }
    assert_eq!(world.asked_in_all(), 0);
}

#[test]
fn d_09b_https_of_a_public_name_passes_octet_for_octet() {
    let record = service("www.public.example", kind::HTTPS, ".");
    let world = Small::default().start(Public::new([record.clone()]));
    for _ in 0..2 {
        for reply in world.spoke_a().both(&Query::new("www.public.example", kind::HTTPS).with_opt()) {
            assert_eq!(reply.message.answers.len(), 1);
            assert!(contains(&reply, &record.data), "RDATA changed: {:?}", reply.message);
        }
    }
}

#[test]
fn d_09c_unknown_types_are_opaque() {
    let data = vec![0xc0, 0x0c, 0, 1, 0xff, b'.', 7];
    let record = Rr::new("www.public.example", kind::UNKNOWN, 300, data.clone());
    let world = Small::default().start(Public::new([record]));
    for _ in 0..2 {
        for reply in world.spoke_a().ask_both("www.public.example", kind::UNKNOWN) {
            assert_eq!(reply.message.answers.len(), 1);
            assert!(contains(&reply, &data), "what looks like a pointer is none: {:?}", reply.message);
        }
    }
    assert_eq!(world.asked("www.public.example"), 1, "kept like any other");
    for reply in world.spoke_a().ask_both("hp1.privatelink.avd.example", kind::UNKNOWN) {
        assert!(reply.is_nodata());
    }
}

#[test]
fn r25_hints_of_a_service_that_leads_to_an_owned_name_are_dropped() {
    let mut names = public();
    names.add(service("svc.public.example", kind::HTTPS, "rdweb.avd.example"));
    names.add(service("free.public.example", kind::HTTPS, "www.public.example"));
    let world = Small::default().start(names);
    for _ in 0..2 {
        for reply in world.spoke_a().both(&Query::new("svc.public.example", kind::HTTPS).with_opt()) {
            assert_eq!(reply.answers().len(), 1, "{:?}", reply.message);
            assert!(!contains(&reply, &[203, 0, 113, 7]), "the v4 hint: {:?}", reply.message);
            assert!(!contains(&reply, &[0x20, 0x01, 0x0d, 0xb8]), "the v6 hint: {:?}", reply.message);
            assert!(contains(&reply, b"opaque"), "the rest stays");
        }
        let reply = world.other().udp(&Query::new("svc.public.example", kind::HTTPS).with_opt());
        assert!(contains(&reply, &[203, 0, 113, 7]), "another view keeps it");
        let reply = world.spoke_a().udp(&Query::new("free.public.example", kind::HTTPS).with_opt());
        assert!(contains(&reply, &[203, 0, 113, 7]));
    }
}
