//! Who may ask what: hosts, origins, tokens, methods, bodies.

use super::{public, start};
use crate::harness::api::{Api, hold};
use crate::harness::http::{self, connect, read};
use crate::harness::server::is_reloaded;
use crate::harness::small::Small;
use crate::harness::{Setup, port};
use serde_json::json;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

const TOKEN: &str = "a-token-of-the-test-0123";
const READS: [&str; 7] =
    ["status", "views", "endpoints", "upstreams", "clients", "cache?name=a.example", "openapi.json"];

#[test]
fn what_is_not_there_is_a_problem() {
    let upstream = public();
    let (_server, api) = start(&upstream, "");
    for path in ["/", "/api", "/api/", "/api/v1", "/api/v1/", "/api/v1/status/", "/api/v2/status", "/%2e%2e/status"] {
        let answer = api.get(path);
        assert_eq!((answer.status, &answer.json()["code"]), (404, &json!("not-found")), "{path}");
    }
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS"] {
        for path in ["/api/v1/status", "/api/v1/reload"] {
            assert_eq!(api.call(method, path, &[], "").status, 405, "{method} {path}");
        }
    }
    assert_eq!(api.call("GET", "/api/v1/reload", &[], "").status, 405);
    // What the health listener has, this one has too.
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(http::get(api.address, path).status, 200, "{path}");
    }
}

#[test]
fn a_name_that_is_made_to_lead_here_is_refused() {
    let upstream = public();
    let (_server, api) = start(&upstream, "");
    for host in ["rebind.example", "rebind.example:80", "10.0.0.9", "localhost.rebind.example", "evil@localhost", ""] {
        for path in ["/api/v1/status", "/metrics"] {
            let answer = http::request(api.address, "GET", path, &[&format!("host: {host}")], "");
            assert_eq!(answer.status, 421, "{host}: {answer:?}");
            assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        }
    }
    let absolute = format!(
        "GET http://rebind.example/api/v1/status HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
        api.address
    );
    assert_eq!(http::raw(api.address, absolute.as_bytes()).map(|answer| answer.status), Some(421));
    let without = b"GET /api/v1/status HTTP/1.0\r\n\r\n";
    assert_eq!(http::raw(api.address, without).map(|answer| answer.status), Some(421));
    for host in ["localhost", "LOCALHOST:9", "127.0.0.1", "[::1]:8053", &api.address.to_string()] {
        assert_eq!(api.call("GET", "/api/v1/status", &[&format!("host: {host}")], "").status, 200, "{host}");
    }
}

#[test]
fn a_page_of_another_origin_changes_and_reads_nothing() {
    let upstream = public();
    let (server, api) = start(&upstream, "");
    let own = format!("origin: http://{}", api.address);
    for header in
        ["origin: https://evil.example", "origin: null", "sec-fetch-site: cross-site", "sec-fetch-site: same-site"]
    {
        for (method, path) in [("POST", "/api/v1/reload"), ("POST", "/api/v1/cache/flush"), ("GET", "/api/v1/status")] {
            assert_eq!(api.call(method, path, &[header], "").status, 403, "{header} {method} {path}");
        }
    }
    assert_eq!(api.call("POST", "/api/v1/reload", &[&own, "sec-fetch-site: same-origin"], "").status, 200);
    server.wait_for_log(is_reloaded);
    assert_eq!(server.log().matches("reloaded").count(), 1, "{}", server.log());
    // What a form can send is no JSON.
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        let answer = api.call("POST", "/api/v1/cache/flush", &[&format!("content-type: {kind}")], "{\"all\":true}");
        assert_eq!(answer.status, 415, "{kind}");
    }
}

#[test]
fn with_a_token_file_what_changes_something_needs_the_token() {
    let upstream = public();
    let admin = SocketAddr::from(([127, 0, 0, 1], port::free()));
    let setup = Setup::new(Small::default().text(&[upstream.server()]))
        .file("token", TOKEN)
        .server(&format!("admin = \"{admin}\"\ntoken-file = \"token\""));
    let server = setup.start();
    let token = server.path().with_file_name("token");
    let api = Api::new(admin);
    for path in READS {
        assert_eq!(api.get(&format!("/api/v1/{path}")).status, 200, "{path}");
    }
    let question = json!({ "client": "127.0.10.9", "name": "rdweb.avd.example" });
    assert_eq!(api.post("/api/v1/explain", &question).status, 200, "it changes nothing");
    let changes = [("/api/v1/reload", json!({})), ("/api/v1/cache/flush", json!({ "all": true }))];
    let longer = format!("{TOKEN}0");
    for (path, body) in &changes {
        for other in [None, Some(""), Some("x"), Some("a-token-of-the-test-0124"), Some(&*longer)] {
            let api = other.map_or(api.clone(), |other| api.token(other));
            let answer = api.post(path, body);
            assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer")), "{path} {other:?}");
        }
        assert_eq!(api.token(TOKEN).post(path, body).status, 200, "{path}");
    }
    // Another token, from the next reload on; a bad one changes nothing.
    std::fs::write(&token, "short").expect("written");
    let refused = api.token(TOKEN).post("/api/v1/reload", &json!({}));
    assert_eq!((refused.status, &refused.json()["findings"][0]["code"]), (422, &json!("H0204")), "{refused:?}");
    std::fs::write(&token, "another-token-of-the-test\n").expect("written");
    std::fs::set_permissions(&token, PermissionsExt::from_mode(0o644)).expect("everybody's");
    let told = api.token(TOKEN).told("/api/v1/reload", &json!({}));
    assert_eq!(told["findings"][0]["code"], "H0205", "others can read it: {told:#}");
    assert_eq!(api.token(TOKEN).post("/api/v1/reload", &json!({})).status, 401);
    assert_eq!(api.token("another-token-of-the-test").post("/api/v1/reload", &json!({})).status, 200);
    // The way back brings no token back.
    assert_eq!(api.token("another-token-of-the-test").post("/api/v1/rollback", &json!({})).status, 200);
    assert_eq!(api.token(TOKEN).post("/api/v1/cache/flush", &json!({ "all": true })).status, 401);
    assert_eq!(api.token("another-token-of-the-test").post("/api/v1/cache/flush", &json!({ "all": true })).status, 200);
    let log = server.log();
    for secret in [TOKEN, "another-token", "short\"", "a-token-of-the-test-0124"] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
    assert_eq!(
        log.matches("action=\"denied\"").count() + log.matches("\"action\":\"denied\"").count(),
        1,
        "once in a while: {log}"
    );
}

#[test]
fn away_from_loopback_every_call_needs_the_token() {
    let upstream = public();
    let port = port::free();
    let setup = Setup::new(Small::default().text(&[upstream.server()]))
        .file("token", TOKEN)
        .server(&format!("admin = \"0.0.0.0:{port}\"\ntoken-file = \"token\""));
    let _server = setup.start();
    let api = Api::new(SocketAddr::from(([127, 0, 0, 1], port)));
    for path in READS.iter().map(|path| format!("/api/v1/{path}")).chain(["/api/v1/nowhere".to_owned()]) {
        assert_eq!(api.get(&path).status, 401, "{path}");
        assert_ne!(api.token(TOKEN).get(&path).status, 401, "{path}");
    }
    for path in ["/api/v1/explain", "/api/v1/reload", "/api/v1/cache/flush"] {
        assert_eq!(api.post(path, &json!({})).status, 401, "{path}");
    }
    // Probes and scrapes have none.
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(http::get(api.address, path).status, 200, "{path}");
    }
    let without =
        Setup::new(Small::default().text(&[upstream.server()])).server(&format!("admin = \"0.0.0.0:{port}\""));
    let (status, log) = without.run_to_end();
    assert_eq!(status.code(), Some(3), "{log}");
    assert!(log.contains("H0202"), "{log}");
}

#[test]
fn bodies_are_bounded_in_size_and_time() {
    let upstream = public();
    let (_server, api) = start(&upstream, "");
    let json = ["content-type: application/json"];
    let long = format!("{{\"name\": \"{}\"}}", "x".repeat(64 << 10));
    assert_eq!(api.call("POST", "/api/v1/cache/flush", &json, &long).status, 413);
    for body in [
        "",
        "{",
        "{}",
        "nothing",
        "{\"all\":false}",
        "{\"all\":true,\"name\":\"a\"}",
        "{\"name\":1}",
        "{\"more\":1}",
        "\0",
    ] {
        assert_eq!(api.call("POST", "/api/v1/cache/flush", &json, body).status, 400, "{body:?}");
    }
    let begun = Instant::now();
    let mut slow = connect(api.address);
    let head = format!(
        "POST /api/v1/cache/flush HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: 20\r\nconnection: close\r\n\r\n",
        api.address
    );
    slow.write_all((head + "{\"all\"").as_bytes()).expect("sent");
    let answer = read(&mut slow).expect("an answer");
    assert_eq!(answer.status, 408, "{answer:?}");
    hold("POST", "/api/v1/cache/flush", &answer);
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}
