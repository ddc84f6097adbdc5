//! TCP to clients: many queries on a connection, broken frames, wildcard listeners, idle crowds (D-13, B-03).

use crate::harness::client::{PATIENCE, framed, receive};
use crate::harness::message::{Rr, kind};
use crate::harness::small::{Small, public};
use crate::harness::{Client, Query, Reply, Script, Setup, Upstream};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

#[test]
fn d_13a_many_queries_share_a_connection() {
    let world = Small::default().start(public());
    let mut session = world.spoke_a().connect();
    let first = Query::new("hp1.privatelink.avd.example", kind::A).id(1);
    let second = Query::new("www.public.example", kind::A).id(2);
    let both = [framed(&first.to_octets()), framed(&second.to_octets())].concat();
    session.write(&both);
    let ids: BTreeSet<_> = (0..2).map(|_| Reply::decode(session.receive(PATIENCE).expect("a reply")).id()).collect();
    assert_eq!(ids, BTreeSet::from([1, 2]));
    // The same connection, later.
    std::thread::sleep(Duration::from_secs(1));
    session.send(&Query::new("ws1.privatelink.avd.example", kind::A).id(3).to_octets());
    assert_eq!(Reply::decode(session.receive(PATIENCE).expect("a third reply")).id(), 3);
}

#[test]
fn d_13a_a_slow_answer_does_not_hold_up_the_next() {
    let world = Small::default().start_with(|seen| {
        let delay = if seen.name.starts_with("slow") { Duration::from_millis(500) } else { Duration::ZERO };
        Script::records(vec![Rr::host(&seen.name, 300, "198.51.100.10")]).delay(delay)
    });
    let mut session = world.spoke_a().connect();
    session.send(&Query::new("slow.public.example", kind::A).id(1).to_octets());
    session.send(&Query::new("fast.public.example", kind::A).id(2).to_octets());
    session.send(&Query::new("hp1.privatelink.avd.example", kind::A).id(3).to_octets());
    let ids: Vec<_> = (0..3).map(|_| Reply::decode(session.receive(PATIENCE).expect("a reply")).id()).collect();
    assert_eq!(ids[2], 1, "the slow one comes last: {ids:?}");
}

#[test]
fn b_03_a_query_may_come_in_pieces() {
    let world = Small::default().start(public());
    let octets = framed(&Query::new("hp1.privatelink.avd.example", kind::A).to_octets());
    for cut in 1..octets.len() {
        let mut session = world.spoke_a().connect();
        session.write(&octets[..cut]);
        session.write(&octets[cut..]);
        let reply = Reply::decode(session.receive(PATIENCE).expect("a reply"));
        assert_eq!(reply.addresses()[0].to_string(), "10.10.4.4", "cut at {cut}");
    }
}

#[test]
fn b_03_pipelined_queries_are_all_answered() {
    let world = Small::default().start(public());
    let mut session = world.spoke_a().connect();
    let names = ["hp1.privatelink.avd.example", "hp1.avd.example", "www.public.example", "no.privatelink.avd.example"];
    let mut stream = Vec::new();
    for id in 0..128u16 {
        stream.extend(framed(&Query::new(names[usize::from(id) % 4], kind::A).id(id).to_octets()));
    }
    session.write(&stream);
    let mut ids = BTreeSet::new();
    for _ in 0..128 {
        let reply = Reply::decode(session.receive(PATIENCE).expect("a reply"));
        let wanted: &[&str] =
            [&["10.10.4.4"][..], &["10.10.4.4"], &["198.51.100.10"], &[]][usize::from(reply.id()) % 4];
        let got: Vec<_> = reply.addresses().iter().map(ToString::to_string).collect();
        assert_eq!(got, wanted);
        ids.insert(reply.id());
    }
    assert_eq!(ids.len(), 128);
}

#[test]
fn b_03_broken_frames_harm_nobody_else() {
    let mut world = Small::default().start(public());
    let query = Query::new("hp1.privatelink.avd.example", kind::A).to_octets();
    for octets in [&[0, 0][..], &[0, 1, 7], &[0, 11, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], &[0xff, 0xff, 1, 2]] {
        let mut session = world.spoke_a().connect();
        session.write(octets);
        drop(session);
    }
    let mut session = world.spoke_a().connect();
    session.write(&framed(&query)[..9]);
    drop(session);
    // A length of 0 to 11 can hold no message: such a connection is closed soon (B-03: within 3 s).
    for octets in [&[0, 0][..], &[0, 11, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]] {
        let mut session = world.spoke_a().connect();
        session.write(octets);
        assert!(session.is_closed_within(Duration::from_secs(3)), "{octets:02x?}");
    }
    assert_eq!(world.spoke_a().tcp(&Query::new("hp1.privatelink.avd.example", kind::A)).addresses().len(), 1);
    assert!(world.server.is_alive());
}

#[test]
fn d_13b_a_reply_leaves_from_the_address_that_was_asked() {
    let upstream = Upstream::start({
        let names = public();
        move |seen| names.answer(&seen.name, seen.kind)
    });
    for listen in [&["0.0.0.0", "[::]"][..], &["[::]"], &["0.0.0.0"]] {
        let setup = Setup::new(Small::default().text(&[upstream.server()])).listen(listen);
        let port = setup.port();
        let server = setup.start();
        // The client's sockets are connected: a reply from any other address does not reach them.
        for host in ["127.0.0.1", "127.0.0.2", "127.3.2.1"] {
            let client = server.client_of("127.0.10.9", host);
            for name in ["hp1.privatelink.avd.example", "hp1.avd.example"] {
                for reply in client.ask_both(name, kind::A) {
                    assert_eq!(reply.addresses()[0].to_string(), "10.10.4.4", "{listen:?} {host}");
                }
            }
        }
        if listen.contains(&"[::]") {
            let client = Client::new("::1", SocketAddr::new("::1".parse().unwrap(), port));
            for reply in client.ask_both("www.public.example", kind::A) {
                assert_eq!(reply.addresses()[0].to_string(), "198.51.100.10");
            }
        }
    }
}

#[test]
fn d_13c_idle_connections_do_not_stop_service() {
    let world = Small::default().start(public());
    let query = Query::new("hp1.privatelink.avd.example", kind::A);
    let half = framed(&query.to_octets());
    let mut idle = Vec::new();
    for number in 0..300 {
        let client = world.server.client(&format!("127.0.10.{}", 1 + number % 3));
        // A cap may close or refuse some of them: that is no fault.
        let Ok(session) = client.try_connect() else { continue };
        let part = [&half[..0], &half[..1], &half[..half.len() / 2]][number % 3];
        let _ = std::io::Write::write_all(&mut &session.stream, part);
        idle.push(session);
    }
    for client in [world.spoke_a(), world.spoke_b()] {
        let begun = Instant::now();
        client.tcp(&query);
        client.udp(&query);
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    }
    drop(idle);
}

#[test]
fn r09_a_closed_client_costs_nothing() {
    // Clients that ask and go: their questions end, and the server goes on.
    let mut world = Small::default().start_with(|seen| {
        Script::records(vec![Rr::host(&seen.name, 300, "198.51.100.10")]).delay(Duration::from_millis(100))
    });
    for number in 0..50 {
        let mut session = world.spoke_a().connect();
        session.send(&Query::new(&format!("n{number}.public.example"), kind::A).to_octets());
    }
    world.u1.wait_for("n49.public.example", 1);
    assert_eq!(world.spoke_a().ask("hp1.privatelink.avd.example", kind::A).addresses().len(), 1);
    let socket = world.spoke_a().socket();
    socket.send(&Query::new("n49.public.example", kind::A).to_octets()).expect("sent");
    assert!(receive(&socket, PATIENCE).is_some());
    assert!(world.server.is_alive());
}
