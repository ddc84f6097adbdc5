//! The end: SIGTERM drains and exits with 0, a second one ends at once.

use crate::harness::message::{Rr, kind};
use crate::harness::metrics::Scrape;
use crate::harness::small::{Small, public};
use crate::harness::{Query, Reply, Script, Setup, Upstream, port};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

#[test]
fn o_02_sigterm_answers_what_is_in_flight_and_exits_with_0() {
    let upstream = Upstream::start(|seen| {
        Script::records(vec![Rr::host(&seen.name, 300, "198.51.100.10")]).delay(Duration::from_millis(700))
    });
    let mut server = Setup::new(Small::default().text(&[upstream.server()])).server("lameduck = \"300ms\"").start();
    let udp = server.client("127.0.10.9").socket();
    udp.send(&Query::new("udp.public.example", kind::A).to_octets()).expect("sent");
    let mut tcp = server.client("127.0.10.9").connect();
    tcp.send(&Query::new("tcp.public.example", kind::A).to_octets());
    upstream.wait_for("udp.public.example", 1);
    upstream.wait_for("tcp.public.example", 1);
    server.signal("TERM");
    let reply = crate::harness::client::receive(&udp, Duration::from_secs(5)).expect("the datagram's reply");
    let reply = Reply::decode(reply);
    assert_eq!(reply.addresses().len(), 1, "{:?}", reply.message);
    let reply = tcp.receive(Duration::from_secs(5)).expect("the connection's reply");
    let reply = Reply::decode(reply);
    assert_eq!(reply.addresses().len(), 1, "{:?}", reply.message);
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
}

#[test]
fn o_02_it_answers_on_through_lameduck() {
    let mut server = Setup::new(Small::default().text(&["127.0.0.1:9".to_owned()])).server("lameduck = \"1s\"").start();
    let begun = Instant::now();
    server.signal("TERM");
    while begun.elapsed() < Duration::from_millis(700) {
        for reply in server.client("127.0.10.9").ask_both("hp1.privatelink.avd.example", kind::A) {
            assert_eq!(reply.addresses().len(), 1);
        }
    }
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
    assert!(begun.elapsed() >= Duration::from_millis(900), "{:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(7), "lameduck and at most 5 s: {:?}", begun.elapsed());
}

#[test]
fn o_02_a_second_sigterm_ends_at_once() {
    let mut world = Small::default().start(public());
    world.server.signal("TERM");
    // Two signals that wait together are one: the first has to be heeded before the second is sent.
    world.server.wait_for_log(|line| line.contains("stopping"));
    // The default lameduck of 5 s has begun: still answering.
    assert_eq!(world.spoke_a().ask("hp1.privatelink.avd.example", kind::A).addresses().len(), 1);
    let begun = Instant::now();
    world.server.signal("TERM");
    world.server.wait();
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[test]
fn a_log_that_nobody_reads_holds_up_no_answer_no_reload_and_no_end() {
    // Each reload has 200 lines of changes: some are more than a pipe holds, all are more than may wait.
    let text = |last: u32| {
        let mut more = String::new();
        for number in 0..200 {
            let records = format!("\"n{number}.more.example\" = [\"10.9.{}.{last}\"]", number % 200);
            writeln!(more, "[[endpoint]]\nname = \"e{number}\"\nkind = \"other\"\nrecords = {{ {records} }}")
                .expect("text");
        }
        let endpoints = ", \"e*\"".to_owned();
        Small { more, endpoints, ..Small::default() }.text(&["127.0.0.1:9".to_owned()])
    };
    let health = SocketAddr::from(([127, 0, 0, 1], port::free()));
    let setup = Setup::new(text(0)).server(&format!("health = \"{health}\"\nlameduck = \"0s\""));
    let mut server = setup.start();
    server.stall_log(true);
    let client = server.client("127.0.10.9");
    let (mut last, deadline) = (0, Instant::now() + Duration::from_secs(60));
    while Scrape::of(health).value("hubdns_log_dropped", "_total", &[]) == 0.0 {
        assert!(Instant::now() < deadline, "no line is lost after {last} reloads");
        last += 1;
        std::fs::write(server.path(), server.render(&text(last % 250))).expect("written");
        server.signal("HUP");
        let wanted = format!("10.9.0.{}", last % 250);
        while client.ask("n0.more.example", kind::A).addresses()[0].to_string() != wanted {
            assert!(Instant::now() < deadline, "reload {last} is not served");
        }
    }
    server.stall_log(false);
    server.wait_for_log(|line| line.contains("lines of this log were lost"));
    server.stall_log(true);
    let begun = Instant::now();
    server.signal("TERM");
    while server.is_alive() {
        assert!(begun.elapsed() < Duration::from_secs(5), "it does not end");
        std::thread::sleep(Duration::from_millis(10));
    }
    server.stall_log(false);
    assert_eq!(server.wait().code(), Some(0));
}
