//! The health listener: alive, ready, and nothing else; bounded in what a client may hold (O-02).

use crate::harness::http::{self, connect, get, raw, read, request};
use crate::harness::message::kind;
use crate::harness::small::Small;
use crate::harness::{Server, Setup, port};
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// A server with a health listener and an upstream that is dead.
fn start(more: &str) -> (Server, SocketAddr) {
    let health = SocketAddr::from(([127, 0, 0, 1], port::free()));
    let setup = Setup::new(Small::default().text(&["127.0.0.1:9".to_owned()]));
    (setup.server(&format!("health = \"{health}\"\n{more}")).start(), health)
}

#[test]
fn a_server_that_answers_is_alive_and_ready_whatever_its_upstreams_are() {
    let (server, health) = start("");
    let live = get(health, "/livez");
    assert_eq!(live.status, 200, "{live:?}");
    assert_eq!(live.json()["alive"], true);
    assert!(live.json()["standstill_ms"].as_u64().expect("a number") < 3_000, "{live:?}");
    let ready = get(health, "/readyz");
    assert_eq!(ready.status, 200, "{ready:?}");
    let body = ready.json();
    assert_eq!((&body["ready"], &body["phase"], &body["generation"]), (&true.into(), &"serving".into(), &1.into()));
    assert_eq!(body["revision"].as_str().map(str::len), Some(64), "{body}");
    assert_eq!(ready.header("cache-control"), Some("no-store"));
    assert!(server.log().contains(body["revision"].as_str().expect("text")), "the log has the revision too");
}

#[test]
fn the_health_listener_has_three_paths_and_takes_get_alone() {
    let (_server, health) = start("");
    for path in ["/", "/api/v1/status", "/livez/", "/metrics/x", "/%2e%2e/livez", "//livez"] {
        assert_eq!(get(health, path).status, 404, "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"] {
        for path in ["/livez", "/readyz", "/metrics"] {
            assert_eq!(request(health, method, path, &[], "x").status, 405, "{method} {path}");
        }
    }
    // A prober names whatever host it likes.
    assert_eq!(request(health, "GET", "/livez", &["host: balancer.example"], "").status, 200);
}

#[test]
fn o_02_it_is_not_ready_at_once_after_sigterm_and_answers_on() {
    let (mut server, health) = start("lameduck = \"2s\"");
    assert_eq!(get(health, "/readyz").status, 200);
    server.signal("TERM");
    server.wait_for_log(|line| line.contains("stopping"));
    let ready = get(health, "/readyz");
    assert_eq!((ready.status, &ready.json()["phase"]), (503, &"stopping".into()), "{ready:?}");
    assert_eq!(get(health, "/livez").status, 200);
    for reply in server.client("127.0.10.9").ask_both("hp1.privatelink.avd.example", kind::A) {
        assert_eq!(reply.addresses().len(), 1);
    }
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
    assert!(TcpStream::connect(health).is_err());
}

#[test]
fn a_health_address_in_use_is_exit_1_and_nothing_listens() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address");
    let setup = Setup::new(Small::default().text(&["127.0.0.1:9".to_owned()]));
    let dns = setup.port();
    let (status, log) = setup.server(&format!("health = \"{address}\"")).run_to_end();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains(&format!("cannot listen on {address} over HTTP (`health`)")), "{log}");
    assert!(!log.contains("listening over UDP and TCP"), "DNS was not begun: {log}");
    assert!(std::net::UdpSocket::bind(("127.0.0.1", dns)).is_ok());
}

#[test]
fn d_15d_a_reload_moves_the_health_listener_or_changes_nothing() {
    let (server, health) = start("");
    let text = Small::default().text(&["127.0.0.1:9".to_owned()]);
    let whole = server.render(&text);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let refused = whole.replace(&health.to_string(), &taken.local_addr().expect("its address").to_string());
    let log = server.refused_reload(&refused.replace("10.10.4.4", "10.10.4.44"));
    assert!(log.contains("over HTTP (`health`)"), "{log}");
    assert_eq!(get(health, "/readyz").json()["generation"], 1);
    let ask = || server.client("127.0.10.9").ask("hp1.privatelink.avd.example", kind::A).addresses()[0].to_string();
    assert_eq!(ask(), "10.10.4.4");

    let other = SocketAddr::from(([127, 0, 0, 1], port::free()));
    std::fs::write(server.path(), whole.replace(&health.to_string(), &other.to_string())).expect("written");
    server.signal("HUP");
    server.wait_for_log(crate::harness::server::is_reloaded);
    assert_eq!(get(other, "/readyz").json()["generation"], 2);
    http::wait_until_gone(health);
    std::fs::write(server.path(), whole.replace(&format!("health = \"{health}\"\n"), "")).expect("written");
    server.signal("HUP");
    server.wait_for_log(|line| line.contains("\"generation\":3") || line.contains("generation=3"));
    http::wait_until_gone(other);
}

#[test]
fn a_prober_gets_in_beside_clients_that_hold_all_connections() {
    let (_server, health) = start("");
    // More than there are places, by one client: some silent, some with half a request.
    let held: Vec<TcpStream> = (0..200)
        .map(|number| {
            let mut stream = connect(health);
            if number % 2 == 0 {
                stream.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n").expect("sent");
            }
            stream
        })
        .collect();
    let begun = Instant::now();
    assert_eq!(get(health, "/livez").status, 200);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    drop(held);
}

#[test]
fn headers_are_bounded_in_time_size_and_number() {
    let (_server, health) = start("");
    let long = format!("GET /livez HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(64 << 10));
    let answer = raw(health, long.as_bytes());
    assert!(answer.as_ref().is_none_or(|answer| answer.status == 431), "{answer:?}");
    let many = format!("GET /livez HTTP/1.1\r\nhost: x\r\n{}\r\n", "x: y\r\n".repeat(100));
    let answer = raw(health, many.as_bytes());
    assert!(answer.as_ref().is_none_or(|answer| answer.status == 431), "{answer:?}");
    for garbage in
        [&b"\0\xff\xfe\r\n\r\n"[..], b"GET /livez HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"]
    {
        let mut stream = connect(health);
        stream.write_all(garbage).expect("sent");
        let answer = read(&mut stream);
        assert!(answer.as_ref().is_none_or(|answer| answer.status >= 400), "{answer:?}");
    }
    // A request that is never whole ends with the time for headers, 5 s.
    let begun = Instant::now();
    let mut slow = connect(health);
    slow.write_all(b"GET /livez HT").expect("sent");
    assert!(read(&mut slow).is_none_or(|answer| answer.status == 408));
    assert!((Duration::from_secs(3)..Duration::from_secs(15)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    assert_eq!(http::get(health, "/livez").status, 200);
}
