//! Sizes (R9): what a datagram may hold, what TC means on both sides, and that nothing cut is ever kept (D-07).

use crate::harness::message::{Opt, Rr, kind};
use crate::harness::small::{Small, public};
use crate::harness::{Public, Query, Script, Transport};

/// Twelve strings of a hundred octets, and forty targets.
fn big() -> Public {
    let strings: Vec<_> = (b'a'..b'm').map(|letter| char::from(letter).to_string().repeat(100)).collect();
    let mut names = Public::new([Rr::txt("big.public.example", 300, &strings)]);
    for number in 0..40 {
        names.add(Rr::srv("big.public.example", 300, 1000 + number, &format!("host-{number}.public.example")));
    }
    names
}

#[test]
fn d_07a_what_does_not_fit_is_cut_with_tc_and_whole_over_tcp() {
    let world = Small::default().start(big());
    for (kind, count) in [(kind::TXT, 1), (kind::SRV, 40)] {
        for _ in 0..2 {
            let query = Query::new("big.public.example", kind);
            let reply = world.spoke_a().udp(&query);
            assert!(reply.octets.len() <= 512, "{}", reply.octets.len());
            assert!(reply.tc());
            assert!(reply.answers().is_empty(), "whole RRsets only: {:?}", reply.message);
            let whole = world.spoke_a().tcp(&query);
            assert!(!whole.tc());
            assert_eq!(whole.answers().len(), count);
        }
    }
}

#[test]
fn d_07b_the_size_is_the_clients_within_512_and_1232() {
    let mut names = big();
    for number in 0..20 {
        names.add(Rr::host("some.public.example", 300, &format!("198.51.100.{number}")));
    }
    let world = Small::default().start(names);
    let sized = |size| Opt { size, ..Opt::default() };
    let cases = [
        (None, 512),
        (Some(sized(0)), 512),
        (Some(sized(100)), 512),
        (Some(sized(512)), 512),
        (Some(sized(700)), 700),
        (Some(sized(1232)), 1232),
        (Some(sized(4096)), 1232),
        (Some(sized(65535)), 1232),
    ];
    for (opt, limit) in cases {
        for (name, asked) in
            [("big.public.example", kind::TXT), ("big.public.example", kind::SRV), ("some.public.example", kind::A)]
        {
            let query = Query { opt: opt.clone(), ..Query::new(name, asked) };
            let reply = world.spoke_a().udp(&query);
            assert!(reply.octets.len() <= limit, "{name} {asked} {opt:?}: {}", reply.octets.len());
            assert_eq!(reply.edns().is_some(), opt.is_some());
            let whole = world.spoke_a().tcp(&query);
            // A reply that is written anew may be smaller than what an upstream wrote without compression.
            assert!(!reply.tc() || whole.octets.len() > limit, "{name} {asked} {opt:?}");
            let may_shrink = asked == kind::A;
            assert!(reply.tc() || may_shrink || whole.octets.len() <= limit, "{name} {asked} {opt:?}");
            assert!(reply.tc() || reply.answers() == whole.answers());
        }
    }
}

#[test]
fn d_07c_an_upstreams_tc_leads_to_tcp_and_the_whole_answer_is_kept() {
    let names = big();
    let world = Small::default().start_with(move |seen| match seen.transport {
        Transport::Udp => Script { tc: true, ..Script::default() },
        Transport::Tcp => names.answer(&seen.name, seen.kind),
    });
    for _ in 0..3 {
        let whole = world.spoke_a().tcp(&Query::new("big.public.example", kind::SRV));
        assert_eq!(whole.answers().len(), 40);
        assert!(world.spoke_a().ask("big.public.example", kind::SRV).tc());
    }
    let seen: Vec<_> = world.u1.seen().into_iter().map(|seen| seen.transport).collect();
    assert_eq!(seen, [Transport::Udp, Transport::Tcp], "asked once each way, to the same server");
    assert_eq!(world.u2.total(), 0);
}

#[test]
fn d_07c_a_cut_answer_with_records_is_never_kept() {
    // Half of the RRset with TC=1, and TCP that closes: the half must not leave, now or later.
    let world = Small::default().start_with(|seen| match seen.transport {
        Transport::Udp => {
            Script { tc: true, ..Script::records(vec![Rr::host("half.public.example", 300, "198.51.100.66")]) }
        }
        Transport::Tcp => Script { close: true, ..Script::default() },
    });
    for _ in 0..2 {
        let reply = world.spoke_a().ask("half.public.example", kind::A);
        assert_eq!(reply.rcode(), 2, "{:?}", reply.message);
        assert!(reply.answers().is_empty());
    }
}

#[test]
fn r09_a_negative_answer_keeps_its_soa() {
    let world = Small::default().start(public());
    let label = "x".repeat(60);
    let name = format!("{label}.{label}.{label}.privatelink.avd.example");
    let reply = world.spoke_a().ask(&name, kind::A);
    assert!(reply.octets.len() <= 512);
    assert!(reply.soa_owner().is_some() || reply.tc());
}

#[test]
fn r09_owned_answers_are_cut_too() {
    let addresses: Vec<_> = (1..=60).map(|number| format!("\"10.10.5.{number}\"")).collect();
    let records = format!("\"many\" = [{}], ", addresses.join(", "));
    let world = Small { records, ..Small::default() }.start(public());
    let query = Query::new("many.privatelink.avd.example", kind::A);
    let reply = world.spoke_a().udp(&query);
    assert!(reply.tc() && reply.octets.len() <= 512);
    let whole = world.spoke_a().tcp(&query);
    assert!(!whole.tc());
    let got: Vec<_> = whole.addresses().iter().map(ToString::to_string).collect();
    let wanted: Vec<_> = (1..=60).map(|number| format!("10.10.5.{number}")).collect();
    assert_eq!(got, wanted, "nothing is rotated (R9)");
    let large = world.spoke_a().udp(&query.with_opt());
    assert!(!large.tc());
    assert_eq!(large.addresses().len(), 60);
}
