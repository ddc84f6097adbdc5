//! `hubdns healthcheck`: 0 while the server is ready, else 1, and one line that says why.

use crate::harness::server::run;
use crate::harness::small::Small;
use crate::harness::{Server, Setup, port};
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

/// Runs it on a file; gives its code and its one line, which a failure has on standard error.
fn check(path: &str, more: &[&str]) -> (i32, String) {
    let (code, out, errors) = run(&[&["healthcheck", "-c", path][..], more].concat());
    let (line, other) = if code == 0 { (out, errors) } else { (errors, out) };
    assert_eq!((line.lines().count(), &*other), (1, ""), "one line: {line:?}, and none beside it");
    (code, line.trim_end().to_owned())
}

fn start(more: &str) -> (Server, String) {
    let server = Setup::new(Small::default().text(&["127.0.0.1:9".to_owned()])).server(more).start();
    let path = server.path().to_str().expect("a plain path").to_owned();
    (server, path)
}

#[test]
fn it_asks_the_files_health_address_and_a_wildcard_means_loopback() {
    let health = port::free();
    let (_server, path) = start(&format!("health = \"0.0.0.0:{health}\""));
    assert_eq!(check(&path, &[]), (0, "ready: serving, generation 1".to_owned()));
    // A file that has become faulty since: the server serves on by the old one, so nothing else is well or ill.
    let text = fs::read_to_string(&path).expect("the file");
    fs::write(&path, format!("{text}\n[[view\nname = 1\n")).expect("written");
    assert_eq!(check(&path, &[]).0, 0);
}

#[test]
fn another_place_may_be_named_by_address_or_url() {
    let health = port::free();
    let (_server, _) = start(&format!("health = \"127.0.0.1:{health}\""));
    let nowhere = "/nonexistent/hub.toml";
    for at in [format!("127.0.0.1:{health}"), format!("http://127.0.0.1:{health}/readyz")] {
        assert_eq!(check(nowhere, &["--at", &at]), (0, "ready: serving, generation 1".to_owned()));
    }
    let (code, line) = check(nowhere, &["--at", &format!("http://127.0.0.1:{health}/nowhere")]);
    assert_eq!(code, 1);
    assert!(line.contains("status 404"), "{line}");
    assert_eq!(run(&["healthcheck", "--at", "https://127.0.0.1/"]).0, 2);
}

#[test]
fn a_server_that_stops_is_not_ready() {
    let health = port::free();
    let (mut server, path) = start(&format!("lameduck = \"2s\"\nhealth = \"127.0.0.1:{health}\""));
    server.signal("TERM");
    server.wait_for_log(|line| line.contains("stopping"));
    let (code, line) = check(&path, &[]);
    assert_eq!(code, 1);
    assert!(line.starts_with("hubdns: not ready: stopping, generation 1 (status 503 at http://127.0.0.1:"), "{line}");
    server.wait();
    let (code, line) = check(&path, &[]);
    assert_eq!(code, 1);
    assert!(line.contains("no answer at http://127.0.0.1:") && line.contains("refused"), "{line}");
}

#[test]
fn without_health_in_the_file_a_reply_over_dns_is_what_counts() {
    let (mut server, path) = start("lameduck = \"0s\"");
    let (code, line) = check(&path, &[]);
    assert_eq!(code, 0);
    assert!(line.starts_with(&format!("answers over DNS at {}", server.address)), "{line}");
    server.signal("TERM");
    server.wait();
    let (code, line) = check(&path, &["--timeout", "500ms"]);
    assert_eq!(code, 1);
    assert!(line.contains(&server.address.to_string()), "{line}");
}

#[test]
fn a_listener_that_never_answers_is_given_up_in_time() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address: SocketAddr = silent.local_addr().expect("its address");
    let begun = Instant::now();
    let (code, line) = check("/nonexistent", &["--timeout", "300ms", "--at", &address.to_string()]);
    assert_eq!(code, 1);
    assert!(line.contains("within 300 ms"), "{line}");
    assert!((Duration::from_millis(300)..Duration::from_secs(5)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
}

#[test]
fn a_file_that_does_not_say_where_is_one_line_with_the_cure() {
    let (code, line) = check("/nonexistent/hub.toml", &[]);
    assert_eq!(code, 1);
    assert!(line.contains("cannot read /nonexistent/hub.toml") && line.contains("HUBDNS_CONFIG"), "{line}");
    let folder = tempfile::TempDir::new().expect("a folder");
    let path = folder.path().join("hub.toml");
    fs::write(&path, "version = 1\n").expect("written");
    let (code, line) = check(path.to_str().expect("a plain path"), &[]);
    assert_eq!(code, 1);
    assert!(line.contains("--at"), "{line}");
}
