//! Forwarders that go round in a circle: at load, by the mark, by the asker's address (R31, S-20).

use crate::harness::message::kind;
use crate::harness::reply::rcode;
use crate::harness::small::Small;
use crate::harness::{Query, Setup};
use std::time::{Duration, Instant};

/// Two instances, each the other's upstream.
#[test]
fn s_20_a_loop_of_two_instances_is_told_and_ends_by_the_budget() {
    let upstream = "timeout = \"1s\"".to_owned();
    let small = |server: String| Small { upstream: upstream.clone(), ..Small::default() }.text(&[server]);
    let port = crate::harness::port::free();
    let one = Setup::new(small(format!("127.0.0.1:{port}")));
    let one_port = one.port();
    let one = one.start();
    let other = Setup::new(small(format!("127.0.0.1:{one_port}"))).at(port).start();
    other.wait_for_log(|line| line.contains("a loop of forwarders"));
    let begun = Instant::now();
    let reply = one.client("127.0.10.9").udp(&Query::new("www.public.example", kind::A).with_opt());
    assert_eq!(reply.rcode(), rcode::SERVFAIL);
    assert!(begun.elapsed() < Duration::from_millis(1_000), "{:?}", begun.elapsed());
    assert_eq!(one.client("127.0.10.9").ask("hp1.privatelink.avd.example", kind::A).addresses().len(), 1);
}

/// Our own listener as an upstream, by another loopback address than the file's.
#[test]
fn s_20_our_own_listener_as_upstream_is_an_error() {
    for host in ["127.0.0.1", "127.0.9.1"] {
        let text = Small::default().text(&[format!("{host}:@PORT@")]);
        let (status, log) = Setup::new(text).listen(&["127.0.0.1", "127.0.9.1"]).run_to_end();
        assert_eq!(status.code(), Some(3), "{log}");
        assert!(log.contains("own listener") || log.contains("our own"), "{log}");
    }
}
