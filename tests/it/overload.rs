//! More than can be done: caps are answers, not waits, and owned names go on (R26, R31; D-13d in short).

use crate::harness::client::{PATIENCE, receive};
use crate::harness::message::kind;
use crate::harness::reply::rcode;
use crate::harness::small::{Small, public};
use crate::harness::{Query, Reply, Script, Setup, Upstream};
use std::time::{Duration, Instant};

#[test]
fn r31_the_cap_in_flight_is_an_answer() {
    let upstream = Upstream::start(|_| Script::silence());
    let small = Small { upstream: "timeout = \"2s\"\nmax-in-flight = 10".to_owned(), ..Small::default() };
    let server = Setup::new(small.text(&[upstream.server()])).start();
    let socket = server.client("127.0.10.9").socket();
    let begun = Instant::now();
    for id in 0..60u16 {
        socket
            .send(&Query::new(&format!("n{id}.public.example"), kind::A).id(id).with_opt().to_octets())
            .expect("sent");
    }
    let owned = server.client("127.0.10.9").ask("hp1.privatelink.avd.example", kind::A);
    assert_eq!(owned.addresses().len(), 1);
    assert!(begun.elapsed() < Duration::from_millis(500), "owned names do not wait: {:?}", begun.elapsed());
    let (mut at_once, mut capped) = (0, 0);
    for _ in 0..60 {
        let reply = Reply::decode(receive(&socket, PATIENCE).expect("every query has its reply"));
        assert_eq!(reply.rcode(), rcode::SERVFAIL);
        at_once += usize::from(begun.elapsed() < Duration::from_millis(1000));
        capped += usize::from(reply.ede() == Some(0));
    }
    assert!(begun.elapsed() < Duration::from_millis(3000), "{:?}", begun.elapsed());
    assert!(at_once >= 40, "{at_once} of 50 above the cap came at once");
    assert!(capped >= 40, "{capped} carry EDE 0");
    assert!(upstream.total() <= 30, "{} datagrams for a cap of 10", upstream.total());
}

#[test]
fn d_13d_random_names_do_not_stop_owned_ones() {
    let world = Small { upstream: "timeout = \"2s\"".to_owned(), ..Small::default() }.start_with(|seen| {
        if seen.name.ends_with("dead.example") { Script::silence() } else { Script::nxdomain("example") }
    });
    for zone in ["flood.example", "dead.example"] {
        let socket = world.other().socket();
        socket.set_nonblocking(true).expect("non-blocking");
        let mut octets = [0; 4096];
        for number in 0..5_000u16 {
            let query = Query::new(&format!("r{number}.{zone}"), kind::A).id(number);
            let _ = socket.send(&query.to_octets());
            while socket.recv(&mut octets).is_ok() {}
            if number % 100 == 0 {
                let begun = Instant::now();
                let reply = world.spoke_a().ask("hp1.privatelink.avd.example", kind::A);
                assert_eq!(reply.addresses()[0].to_string(), "10.10.4.4");
                assert!(begun.elapsed() < Duration::from_millis(500), "{zone} {number}: {:?}", begun.elapsed());
            }
        }
    }
    assert_eq!(world.spoke_a().ask("ws1.privatelink.avd.example", kind::A).addresses().len(), 1);
}

#[test]
fn r31_the_cap_does_not_touch_the_cache() {
    let names = public();
    let upstream = Upstream::start(move |seen| match &*seen.name {
        "www.public.example" => names.answer(&seen.name, seen.kind),
        _ => Script::silence(),
    });
    let small = Small { upstream: "timeout = \"2s\"\nmax-in-flight = 2".to_owned(), ..Small::default() };
    let server = Setup::new(small.text(&[upstream.server()])).start();
    let client = server.client("127.0.10.9");
    assert_eq!(client.ask("www.public.example", kind::A).addresses().len(), 1);
    let socket = client.socket();
    for id in 0..10u16 {
        socket.send(&Query::new(&format!("n{id}.public.example"), kind::A).id(id).to_octets()).expect("sent");
    }
    let begun = Instant::now();
    assert_eq!(client.ask("www.public.example", kind::A).addresses().len(), 1);
    assert!(begun.elapsed() < Duration::from_millis(500));
    for _ in 0..10 {
        assert_eq!(Reply::decode(receive(&socket, PATIENCE).expect("a reply")).rcode(), rcode::SERVFAIL);
    }
}
