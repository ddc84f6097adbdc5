//! The exchange with upstreams: which server is asked, which reply counts, what of it is used (R24, R28 to R31; D-11, D-12).

use crate::harness::message::{Rr, kind, wire_name};
use crate::harness::reply::rcode;
use crate::harness::small::{Small, public};
use crate::harness::{Query, Script, Seen, Setup, Upstream};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A group whose whole exchange takes two seconds, so that a client has its SERVFAIL after 1.8 s (R27).
fn short() -> Small {
    Small { upstream: "timeout = \"2s\"".to_owned(), ..Small::default() }
}

fn good(seen: &Seen) -> Script {
    Script::records(vec![Rr::host(&seen.name, 300, "198.51.100.10")])
}

#[test]
fn d_11a_refused_and_servfail_go_to_the_next_server() {
    for code in [5, 2, 4, 9] {
        let world = short().start_two(move |_| Script::rcode(code), good);
        for number in 0..5 {
            let reply = world.spoke_a().ask(&format!("n{number}.public.example"), kind::A);
            assert_eq!(reply.addresses().len(), 1, "RCODE {code}: {:?}", reply.message);
        }
        let reply = world.spoke_a().tcp(&Query::new("tcp.public.example", kind::A));
        assert_eq!(reply.addresses().len(), 1);
        assert!(world.u2.total() >= 6);
    }
}

#[test]
fn d_11a_denials_are_answers() {
    let world = short().start_two(
        |seen| {
            if seen.name.starts_with("no") {
                Script::nxdomain("public.example")
            } else {
                Script::nodata("public.example")
            }
        },
        good,
    );
    for name in ["no.public.example", "data.public.example"] {
        for _ in 0..2 {
            let reply = world.spoke_a().ask(name, kind::A);
            assert!(reply.answers().is_empty());
            assert_eq!(reply.soa_owner().as_deref(), Some("public.example"));
        }
    }
    assert_eq!(world.u2.total(), 0, "no second server is asked because of them");
}

#[test]
fn r29_a_lame_server_is_passed_over() {
    let lame = |seen: &Seen| Script {
        authority: vec![Rr::ns("public.example", 300, "ns.public.example")],
        ra: seen.name != "b.public.example",
        ..Script::default()
    };
    let world = short().start_two(lame, good);
    for name in ["a.public.example", "b.public.example"] {
        assert_eq!(world.spoke_a().ask(name, kind::A).addresses().len(), 1, "{name}");
    }
}

#[test]
fn r29_formerr_is_asked_again_without_opt() {
    let world = short().start_with(|seen| match seen.additional() {
        [] => good(seen),
        _ => Script::rcode(1),
    });
    let reply = world.spoke_a().udp(&Query::new("old.public.example", kind::A).with_opt());
    assert_eq!(reply.addresses().len(), 1, "{:?}", reply.message);
    assert!(reply.edns().is_some(), "the client has its OPT all the same");
}

#[test]
fn d_11b_a_silent_first_server_costs_the_first_few_and_is_taken_back() {
    let world = short().start_two(|_| Script::silence(), good);
    let mut slow = Vec::new();
    for number in 0..50 {
        let begun = Instant::now();
        let name = format!("n{number}.public.example");
        let reply = if number % 5 == 4 {
            world.spoke_a().tcp(&Query::new(&name, kind::A))
        } else {
            world.spoke_a().ask(&name, kind::A)
        };
        assert_eq!(reply.addresses().len(), 1);
        if begun.elapsed() > Duration::from_millis(100) {
            slow.push((number, begun.elapsed()));
        }
    }
    assert!(slow.iter().all(|(number, _)| *number < 5), "all but the first few within 100 ms: {slow:?}");
    assert!(slow.iter().all(|(_, took)| *took <= Duration::from_millis(300)), "{slow:?}");
    // It lives again: it is tried beside the other, and has the questions once it has replied.
    let before = world.u1.total();
    world.u1.set(good);
    let deadline = Instant::now() + Duration::from_secs(5);
    for number in 0.. {
        let (first, second) = (world.u1.total(), world.u2.total());
        assert_eq!(world.spoke_a().ask(&format!("b{number}.public.example"), kind::A).addresses().len(), 1);
        if world.u1.total() > first && world.u2.total() == second && first > before {
            break;
        }
        assert!(Instant::now() < deadline, "the first server is not taken back:\n{}", world.server.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn d_11b_a_server_whose_port_was_closed_is_taken_back() {
    // The first server's port is closed at first: connection refused, so the second one answers.
    let first = SocketAddr::from(([127, 0, 0, 1], crate::harness::port::free()));
    let second = Upstream::start(good);
    let server = Setup::new(short().text(&[first.to_string(), second.server()])).start();
    let client = server.client("127.0.10.9");
    for number in 0..10 {
        assert_eq!(client.ask(&format!("n{number}.public.example"), kind::A).addresses().len(), 1);
    }
    let back = Upstream::start_at(first, good);
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut number = 0;
    while back.total() < 5 {
        assert!(Instant::now() < deadline, "the first server is not asked again");
        assert_eq!(client.ask(&format!("b{number}.public.example"), kind::A).addresses().len(), 1);
        number += 1;
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn d_12a_a_reply_to_another_question_is_ignored() {
    let victim = |seen: &Seen| {
        let mut question = wire_name("victim.public.example");
        question.extend_from_slice(&[0, 1, 0, 1]);
        match &*seen.name {
            "a.public.example" => Script {
                question: Some(question),
                ..Script::records(vec![Rr::host("victim.public.example", 300, "203.0.113.66")])
            },
            _ => good(seen),
        }
    };
    let world = short().start_with(victim);
    let begun = Instant::now();
    let reply = world.spoke_a().udp(&Query::new("a.public.example", kind::A).with_opt());
    assert_eq!(reply.rcode(), rcode::SERVFAIL, "{:?}", reply.message);
    assert!(begun.elapsed() < Duration::from_millis(2500), "{:?}", begun.elapsed());
    let reply = world.spoke_a().ask("victim.public.example", kind::A);
    assert_eq!(reply.addresses()[0].to_string(), "198.51.100.10");
    assert_eq!(world.asked("victim.public.example"), 1, "a fresh upstream query");
}

#[test]
fn r30_noise_before_the_good_reply_is_no_reason_to_ask_another_server() {
    let world = short().start_with(|seen| {
        let lie = || Script::records(vec![Rr::host(&seen.name, 300, "203.0.113.66")]);
        let mut other_type = seen.octets[12..12 + wire_name(&seen.name).len()].to_vec();
        other_type.extend_from_slice(&[0, 16, 0, 1]);
        let mut two = seen.octets[12..12 + wire_name(&seen.name).len() + 4].to_vec();
        two.extend(two.clone());
        let bad = vec![
            Script { wrong_id: 1, ..lie() },
            Script { wrong_id: 0x8000, ..lie() },
            Script { question: Some(other_type), ..lie() },
            Script { questions: 0, ..lie() },
            Script { questions: 2, question: Some(two), ..lie() },
            Script { garbage: Some(vec![]), ..lie() },
            Script { garbage: Some(vec![0x81, 0x80, 0, 1]), ..lie() },
            Script { garbage: Some(vec![0xff; 40]), ..lie() },
        ];
        good(seen).after(bad)
    });
    for number in 0..10 {
        let name = format!("n{number}.public.example");
        for reply in world.spoke_a().ask_both(&name, kind::A) {
            assert_eq!(reply.addresses()[0].to_string(), "198.51.100.10", "{name}");
        }
    }
    assert_eq!(world.u2.total(), 0, "a liar's noise is no reason to ask another server");
}

#[test]
fn d_12b_records_that_nobody_asked_for_are_dropped() {
    let world = Small::default().start_with(|seen| match &*seen.name {
        "a.public.example" => Script {
            answers: vec![
                Rr::host("a.public.example", 300, "198.51.100.1"),
                Rr::host("hp1.privatelink.avd.example", 300, "203.0.113.66"),
                Rr::host("bank.example", 300, "203.0.113.66"),
                Rr::new("a.public.example", kind::TXT, 300, vec![1, b'x']),
            ],
            authority: vec![Rr::ns("public.example", 300, "ns.public.example")],
            additional: vec![Rr::host("ns.public.example", 300, "203.0.113.66")],
            ..Script::default()
        },
        "bank.example" => Script::records(vec![Rr::host("bank.example", 300, "198.51.100.2")]),
        _ => Script::nxdomain("example"),
    });
    for _ in 0..2 {
        for reply in world.spoke_a().ask_both("a.public.example", kind::A) {
            assert_eq!(reply.answers().len(), 1, "{:?}", reply.message);
            assert_eq!(reply.addresses()[0].to_string(), "198.51.100.1");
            assert!(reply.authority().is_empty() && reply.message.additionals.is_empty());
        }
    }
    assert_eq!(world.spoke_a().ask("bank.example", kind::A).addresses()[0].to_string(), "198.51.100.2");
    let reply = world.spoke_a().ask("hp1.privatelink.avd.example", kind::A);
    assert_eq!(reply.addresses()[0].to_string(), "10.10.4.4");
    assert_eq!(world.spoke_a().ask("ns.public.example", kind::A).rcode(), rcode::NXDOMAIN);
}

#[test]
fn r24_an_answer_is_put_in_order() {
    let world = Small::default().start_with(|_| {
        Script::records(vec![
            Rr::host("c.public.example", 300, "198.51.100.1"),
            Rr::cname("b.public.example", 200, "c.public.example"),
            Rr::host("c.public.example", 100, "198.51.100.2"),
            Rr::cname("a.public.example", 300, "b.public.example"),
        ])
    });
    for _ in 0..2 {
        let reply = world.spoke_a().ask("a.public.example", kind::A);
        let owners: Vec<_> = reply.answers().into_iter().map(|rr| rr.name).collect();
        let wanted = ["a.public.example", "b.public.example", "c.public.example", "c.public.example"];
        assert_eq!(owners, wanted, "chain order from QNAME");
        let got: Vec<_> = reply.addresses().iter().map(ToString::to_string).collect();
        assert_eq!(got, ["198.51.100.1", "198.51.100.2"], "the RRset keeps its order");
        let ttls: Vec<_> = reply.answers().iter().map(|rr| rr.ttl).collect();
        assert!(ttls[2] == ttls[3] && ttls[2] <= 100, "unequal TTLs are lowered to the least: {ttls:?}");
    }
}

#[test]
fn r28_a_group_of_one_repeats_the_same_datagram() {
    let upstream = Upstream::start(|seen| if seen.earlier == 0 { Script::silence() } else { good(seen) });
    let server = Setup::new(Small::default().text(&[upstream.server()])).start();
    let reply = server.client("127.0.10.9").ask("lost.public.example", kind::A);
    assert_eq!(reply.addresses().len(), 1, "{:?}", reply.message);
    let seen = upstream.seen();
    assert_eq!(seen.len(), 2, "{seen:?}");
    assert_eq!((seen[0].id(), seen[0].from), (seen[1].id(), seen[1].from), "same id and port");
}

#[test]
fn r30_ids_and_ports_are_drawn() {
    let world = Small::default().start_with(good);
    for number in 0..300 {
        world.spoke_a().ask(&format!("n{number}.public.example"), kind::A);
    }
    let seen = world.u1.seen();
    let ids: BTreeSet<_> = seen.iter().map(Seen::id).collect();
    let ports: BTreeSet<_> = seen.iter().map(|one| one.from.port()).collect();
    assert!(ids.len() > 290, "{} ids of 300", ids.len());
    assert!(ports.len() >= 8, "{} ports of 300", ports.len());
    let most = ports.iter().map(|port| seen.iter().filter(|one| one.from.port() == *port).count()).max();
    assert!(most <= Some(64), "a socket carries at most 64 queries (S-10): {most:?}");
}

#[test]
fn r31_equal_questions_are_asked_once() {
    let world = Small::default().start_with(|seen| good(seen).delay(Duration::from_millis(200)));
    let query = Query::new("same.public.example", kind::A);
    std::thread::scope(|scope| {
        for number in 0..40u8 {
            let client =
                world.server.client(&format!("127.0.{}.{}", [10, 20, 30][usize::from(number) % 3], number + 1));
            let query = &query;
            scope.spawn(move || {
                let reply = if number % 4 == 0 { client.tcp(query) } else { client.udp(query) };
                assert_eq!(reply.addresses().len(), 1);
            });
        }
    });
    // The second server may be asked too while the first is slow (R28), but no server twice.
    let (first, second) = (world.u1.count("same.public.example"), world.u2.count("same.public.example"));
    assert!(first == 1 && second <= 1, "{first} and {second} queries");
}

#[test]
fn r25_nothing_of_the_public_dns_hides_an_owned_name() {
    let world = Small::default().start(public());
    assert_eq!(world.spoke_a().ask("hp1.avd.example", kind::A).addresses()[0].to_string(), "10.10.4.4");
    world.u1.set(|_| Script::nxdomain("example"));
    world.u2.set(|_| Script::nxdomain("example"));
    assert_eq!(world.spoke_a().ask("hp1.avd.example", kind::A).addresses()[0].to_string(), "10.10.4.4");
    world.spoke_a().ask("avd.example", kind::A);
    assert_eq!(world.spoke_a().ask("hp1.privatelink.avd.example", kind::A).addresses().len(), 1);
    assert_eq!(world.spoke_a().ask("rdweb.avd.example", kind::A).addresses().len(), 1);
}
