//! Whatever the admin listener is sent, DNS answers.

use super::public;
use crate::harness::api::Api;
use crate::harness::http::connect;
use crate::harness::load::{Load, ask};
use crate::harness::small::Small;
use crate::harness::{Setup, port};
use serde_json::json;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

const TOKEN: &str = "a-token-of-the-test-0123";

/// Sends all kinds of requests until it is told to stop; how many.
fn trouble(api: &Api, stop: &AtomicBool, sent: &AtomicUsize) {
    let long = format!("{{\"name\": \"{}\"}}", "x".repeat(80 << 10));
    let mut held: Vec<TcpStream> = Vec::new();
    while !stop.load(Relaxed) {
        // Slow ones, with half a head and half a body; more than there are places for.
        for part in [
            "GET /api/v1/status HT",
            "POST /api/v1/cache/flush HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{",
        ] {
            let mut stream = connect(api.address);
            let _ = stream.write_all(part.as_bytes());
            held.push(stream);
        }
        if held.len() > 150 {
            held.drain(..50);
        }
        assert_eq!(api.call("GET", "/api/v1/status", &["host: rebind.example"], "").status, 421);
        assert_eq!(api.post("/api/v1/reload", &json!({})).status, 401);
        assert_eq!(api.call("POST", "/api/v1/explain", &["content-type: application/json"], &long).status, 413);
        assert_eq!(api.call("POST", "/api/v1/explain", &["content-type: application/json"], "{").status, 400);
        assert_eq!(api.get("/api/v1/nowhere").status, 404);
        for path in ["status", "views", "endpoints", "upstreams", "cache?route=public"] {
            let status = api.get(&format!("/api/v1/{path}")).status;
            assert!(matches!(status, 200 | 503), "{path}: {status}");
        }
        // And what is allowed.
        let own = api.token(TOKEN);
        let flushed = own.post("/api/v1/cache/flush", &json!({ "subtree": "public.example" })).status;
        assert!(matches!(flushed, 200 | 503), "{flushed}");
        for path in ["/api/v1/reload", "/api/v1/rollback"] {
            let status = own.post(path, &json!({})).status;
            assert!(matches!(status, 200 | 409), "{path}: {status}");
        }
        sent.fetch_add(15, Relaxed);
    }
}

#[test]
fn no_request_keeps_dns_from_answering() {
    let upstream = public();
    let admin = SocketAddr::from(([127, 0, 0, 1], port::free()));
    let server = Setup::new(Small::default().text(&[upstream.server()]))
        .file("token", TOKEN)
        .server(&format!("admin = \"{admin}\"\ntoken-file = \"token\""))
        .start();
    let api = Api::new(admin);
    let (stop, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
    let outcomes = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..2).map(|_| scope.spawn(|| trouble(&api, &stop, &sent))).collect();
        let names = ["hp1.privatelink.avd.example", "www.public.example", "new.public.example"];
        let outcomes = Load::of_spoke_a(server.address, 400).run(1_600, |number| match number % 3 {
            2 => ask(&format!("n{number}.public.example")),
            place => ask(names[place]),
        });
        stop.store(true, Relaxed);
        callers.into_iter().for_each(|caller| caller.join().expect("every call had its answer"));
        outcomes
    });
    let answered = outcomes.iter().filter(|outcome| outcome.is_answered()).count();
    assert_eq!(answered, outcomes.len(), "every query was answered");
    let slowest = outcomes.iter().filter_map(|outcome| outcome.took).max().expect("replies");
    assert!(slowest < Duration::from_secs(2), "{slowest:?}, beside {:?} of the machine's own", outcomes.floor(1_000));
    assert!(sent.load(Relaxed) >= 24, "{} requests", sent.load(Relaxed));
}
