//! The message's form: EDNS versions and options, counts, flags, opcodes, classes (R6, R10, R26; D-08).

use crate::harness::client::PATIENCE;
use crate::harness::message::{Opt, kind, wire_name};
use crate::harness::reply::rcode;
use crate::harness::small::{Small, public};
use crate::harness::{Client, Query, Reply, Script};

#[test]
fn d_08a_an_edns_version_above_0_is_badvers() {
    let world = Small::default().start(public());
    let versions = [
        Opt { version: 100, ..Opt::default() },
        Opt { version: 1, options: vec![(100, vec![])], ..Opt::default() },
        Opt { version: 255, options: vec![(100, vec![1, 2, 3])], ..Opt::default() },
    ];
    for opt in versions {
        for name in ["hp1.privatelink.avd.example", "www.public.example"] {
            for reply in world.spoke_a().both(&Query::new(name, kind::A).opt(opt.clone())) {
                assert_eq!(reply.rcode(), rcode::BADVERS, "{:?}", reply.message);
                assert_eq!(reply.edns().expect("an OPT").version(), 0);
                assert!(reply.answers().is_empty() && reply.authority().is_empty());
                assert!(reply.options().is_empty());
            }
        }
    }
    assert_eq!(world.asked_in_all(), 0);
}

#[test]
fn d_08b_an_unknown_option_is_ignored_and_not_sent_back() {
    let world = Small::default().start(public());
    let opt = Opt { options: vec![(65001, vec![1, 2, 3, 4])], ..Opt::default() };
    for (name, address) in [("hp1.privatelink.avd.example", "10.10.4.4"), ("www.public.example", "198.51.100.10")] {
        for reply in world.spoke_a().both(&Query::new(name, kind::A).opt(opt.clone())) {
            assert_eq!(reply.addresses()[0].to_string(), address);
            assert!(reply.options().is_empty(), "{:?}", reply.options());
            assert!(reply.edns().is_some());
        }
        for reply in world.spoke_a().ask_both(name, kind::A) {
            assert!(reply.edns().is_none(), "no OPT for a query without one");
        }
    }
    for seen in world.u1.seen() {
        assert!(!seen.octets.windows(2).any(|pair| pair == 65001u16.to_be_bytes()), "it must not travel on");
    }
}

#[test]
fn d_06e_a_clients_subnet_option_neither_picks_a_view_nor_leaves() {
    let world = Small::default().start(public());
    // ECS: family 1, source 24, scope 0, 10.20.0.
    let subnet = Opt { options: vec![(8, vec![0, 1, 24, 0, 10, 20, 0])], ..Opt::default() };
    for reply in world.spoke_a().both(&Query::new("hp1.avd.example", kind::A).opt(subnet.clone())) {
        assert_eq!(reply.addresses()[0].to_string(), "10.10.4.4");
        assert!(!reply.options().contains(&8), "{:?}", reply.options());
    }
    let seen = world.u1.seen();
    assert_eq!(seen.len(), 1);
    let opt = seen[0].additional();
    assert!(!opt.is_empty(), "an OPT of our own (R3)");
    assert!(!opt.windows(4).any(|octets| octets == [0, 8, 0, 7]), "no ECS: {opt:02x?}");
}

/// Sends octets and reads the RCODE of what comes back, without asking for more than the id.
fn rcode_of(client: Client, octets: &[u8]) -> Option<u16> {
    let reply = client.datagram(octets, PATIENCE)?;
    assert_eq!(reply[..2], octets[..2], "the id");
    assert!(reply[2] & 0x80 != 0, "QR");
    Some(u16::from(reply[3] & 0x0f))
}

#[test]
fn d_08c_other_counts_of_questions_are_a_formerr() {
    let world = Small::default().start(public());
    let query = Query::new("hp1.privatelink.avd.example", kind::A);
    let none = query.header([0, 0, 0, 0]);
    let mut two = query.header([2, 0, 0, 0]);
    two.extend(query.question());
    two.extend(query.question());
    let mut cookie_only = query.header([0, 0, 0, 1]);
    Opt { options: vec![(10, vec![1; 8])], ..Opt::default() }.write(&mut cookie_only);
    let cut = query.to_octets()[..query.to_octets().len() - 3].to_vec();
    for octets in [&none, &two, &cookie_only, &cut] {
        assert_eq!(rcode_of(world.spoke_a(), octets), Some(rcode::FORMERR), "{octets:02x?}");
        let mut session = world.spoke_a().connect();
        session.send(octets);
        let reply = session.receive(PATIENCE).expect("a reply over TCP");
        assert_eq!(reply[3] & 0x0f, 1);
    }
    assert_eq!(world.spoke_a().ask("hp1.privatelink.avd.example", kind::A).addresses().len(), 1);
}

#[test]
fn d_08c_an_upstream_reply_without_a_question_is_no_match() {
    let names = public();
    let world = Small::default().start_with(move |seen| {
        let empty = Script { questions: 0, question: Some(vec![]), ..Script::default() };
        let forged = Script { questions: 0, ..names.answer("hp1.privatelink.avd.example", seen.kind) };
        names.answer(&seen.name, seen.kind).after(vec![empty, forged])
    });
    let reply = world.spoke_a().ask("www.public.example", kind::A);
    assert_eq!(reply.addresses()[0].to_string(), "198.51.100.10");
}

#[test]
fn r06_a_broken_opt_is_a_formerr() {
    let world = Small::default().start(public());
    let query = Query::new("hp1.privatelink.avd.example", kind::A);
    let mut opt = Vec::new();
    Opt::default().write(&mut opt);
    let with = |counts: [u16; 4], parts: &[&[u8]]| {
        let mut octets = query.header(counts);
        octets.extend(query.question());
        for part in parts {
            octets.extend_from_slice(part);
        }
        octets
    };
    let mut elsewhere = wire_name("x.example");
    elsewhere.extend_from_slice(&opt[1..]);
    let overlong = [&opt[..9], &[0, 9], &[0, 8, 0, 200, 1]].concat();
    let cases: [(&str, Vec<u8>); 5] = [
        ("two OPTs", with([1, 0, 0, 2], &[&opt, &opt])),
        ("an OPT not at the root", with([1, 0, 0, 1], &[&elsewhere])),
        ("an OPT among the answers", with([1, 1, 0, 0], &[&opt])),
        ("an option longer than the record", with([1, 0, 0, 1], &[&overlong])),
        ("an OPT that is cut", with([1, 0, 0, 1], &[&opt[..7]])),
    ];
    for (what, octets) in cases {
        assert_eq!(rcode_of(world.spoke_a(), &octets), Some(rcode::FORMERR), "{what}");
    }
}

#[test]
fn d_08d_flags_that_mean_nothing_here_do_no_harm() {
    let world = Small::default().start(public());
    for name in ["hp1.privatelink.avd.example", "www.public.example"] {
        let mut query = Query::new(name, kind::A).cd().ad().dnssec_ok();
        query.z = true;
        query.opt.as_mut().expect("an OPT").z = 0x7fff;
        for reply in world.spoke_a().both(&query) {
            assert_eq!(reply.rcode(), rcode::NOERROR);
            assert_eq!(reply.addresses().len(), 1);
            assert!(!reply.z());
            assert_eq!(reply.edns().expect("an OPT").flags().z, 0);
            assert!(reply.cd(), "copied (R10)");
        }
    }
}

#[test]
fn d_08e_other_opcodes_are_notimp_from_the_header_alone() {
    let world = Small::default().start(public());
    for client in [world.spoke_a(), world.other()] {
        for opcode in (1..=15).filter(|&opcode| opcode != 0) {
            let query = Query::new("hp1.privatelink.avd.example", kind::SOA).opcode(opcode);
            // The header alone is enough, whatever follows it.
            for octets in [query.to_octets(), query.header([1, 0, 0, 0]), query.header([7, 7, 7, 7])] {
                let reply = client.datagram(&octets, PATIENCE).expect("a reply");
                assert_eq!(reply[..2], octets[..2]);
                assert_eq!(reply[3] & 0x0f, 4, "opcode {opcode}: {reply:02x?}");
                assert_eq!((reply[2] >> 3) & 0x0f, opcode);
                Reply::decode(reply);
            }
        }
    }
    assert_eq!(world.asked_in_all(), 0);
}

#[test]
fn s_04_other_classes_opcodes_and_transfers_see_no_data_in_any_view() {
    let world = Small::default().start(public());
    for client in [world.spoke_a(), world.spoke_b(), world.other()] {
        let bare = |query: &Query, wanted: u16| {
            for reply in client.both(query) {
                assert_eq!(reply.rcode(), wanted, "{query:?}");
                assert!(reply.answers().is_empty() && reply.authority().is_empty(), "{:?}", reply.message);
            }
        };
        for name in ["hp1.privatelink.avd.example", "rdweb.avd.example", "www.public.example", "version.bind"] {
            // None, CH, HS, NONE, ANY.
            for class in [0, 3, 4, 254, 255] {
                for kind in [kind::A, kind::TXT, kind::ANY] {
                    bare(&Query::new(name, kind).class(class).with_opt(), rcode::REFUSED);
                }
            }
            for kind in [249, 250, 251, 252, 253, 254] {
                bare(&Query::new(name, kind), rcode::REFUSED);
            }
            bare(&Query::new(name, kind::OPT), rcode::FORMERR);
            for opcode in 1..=15 {
                for class in [1, 3, 255] {
                    // The header alone comes back (R6).
                    let query = Query::new(name, kind::A).class(class).opcode(opcode);
                    let mut session = client.connect();
                    session.send(&query.to_octets());
                    for reply in [client.datagram(&query.to_octets(), PATIENCE), session.receive(PATIENCE)] {
                        let reply = reply.expect("a reply");
                        assert_eq!((reply.len(), reply[3] & 0x0f, reply[2] >> 3 & 0x0f), (12, 4, opcode), "{query:?}");
                    }
                }
            }
        }
    }
    assert_eq!(world.asked_in_all(), 0);
}

#[test]
fn r06_what_must_be_dropped_is_dropped() {
    let world = Small::default().start(public());
    let mut answer = Query::new("hp1.privatelink.avd.example", kind::A);
    answer.qr = true;
    let whole = Query::new("hp1.privatelink.avd.example", kind::A).to_octets();
    let socket = world.spoke_a().socket();
    socket.send(&answer.to_octets()).expect("sent");
    for length in 0..12 {
        socket.send(&whole[..length]).expect("sent");
    }
    // What was sent before is handled by the time a later query of another socket has its reply, twice over.
    for _ in 0..2 {
        world.spoke_a().ask("ws1.privatelink.avd.example", kind::A);
    }
    socket.set_nonblocking(true).expect("non-blocking");
    let mut octets = [0; 512];
    let left = socket.recv(&mut octets);
    assert!(left.is_err(), "dropped, not answered: {:02x?}", &octets[..left.unwrap_or(0)]);
}

#[test]
fn r26_no_view_is_refused_with_ede_18() {
    let world = Small::default();
    let upstream = crate::harness::Upstream::start(|_| Script::nxdomain("example"));
    let text = world.text(&[upstream.server()]).replace("[\"0.0.0.0/0\", \"::/0\"]", "[\"127.0.99.0/24\"]");
    let server = crate::harness::Setup::new(text).start();
    let client = server.client("127.0.30.9");
    for name in ["hp1.privatelink.avd.example", "www.public.example"] {
        for reply in client.both(&Query::new(name, kind::A).with_opt()) {
            assert_eq!((reply.rcode(), reply.ede()), (rcode::REFUSED, Some(18)));
        }
        let query = Query::new(name, kind::A);
        for reply in client.both(&query) {
            assert_eq!(reply.rcode(), rcode::REFUSED);
            assert!(reply.edns().is_none());
            assert!(reply.octets.len() <= query.to_octets().len() + 6);
        }
    }
    assert_eq!(upstream.total(), 0);
}
