//! Encrypted upstreams: DNS over TLS and over HTTPS, to servers of our own making and to real ones.

mod faults;

use crate::harness::client::receive;
use crate::harness::hickory::Hickory;
use crate::harness::message::{Rr, kind};
use crate::harness::real::Real;
use crate::harness::reply::rcode;
use crate::harness::server::{BINARY, run};
use crate::harness::small::{SPOKE_A, SPOKE_B, Small, public};
use crate::harness::tls::{Authority, Front};
use crate::harness::{Query, Reply, Script, Seen, Server, Setup, Transport, Upstream};
use std::net::IpAddr;
use std::process::Command;
use std::time::{Duration, Instant};

const NAME: &str = "dns.example";

fn good(seen: &Seen) -> Script {
    Script::records(vec![Rr::host(&seen.name, 300, "198.51.100.10")])
}

/// The small world with these servers and one authority, beside the server.
fn setup(servers: &[String], authority: &Authority, small: Small) -> Setup {
    let upstream = format!("ca = \"ca.pem\"\n{}", small.upstream);
    Setup::new(Small { upstream, ..small }.text(servers)).file("ca.pem", &authority.pem)
}

fn serve(servers: &[String], authority: &Authority, small: Small) -> Server {
    setup(servers, authority, small).start()
}

fn short() -> Small {
    Small { upstream: "timeout = \"2s\"".to_owned(), ..Small::default() }
}

fn addresses(reply: &Reply) -> Vec<String> {
    reply.addresses().iter().map(IpAddr::to_string).collect()
}

/// Asks for a name, with OPT, and gives the reply and how long it took.
fn ask(server: &Server, name: &str) -> (Reply, Duration) {
    let start = Instant::now();
    let reply = server.client(SPOKE_A).udp(&Query::new(name, kind::A).with_opt());
    (reply, start.elapsed())
}

/// Asks for new names until one is answered; how long that took.
fn until_answered(server: &Server, stem: &str) -> Duration {
    let start = Instant::now();
    for number in 0.. {
        if ask(server, &format!("{stem}{number}.public.example")).0.rcode() == rcode::NOERROR {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(5), "no answer in five seconds:\n{}", server.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    start.elapsed()
}

/// Lines of the log with a text.
fn lines(server: &Server, text: &str) -> Vec<String> {
    server.log().lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
}

#[test]
fn names_are_asked_over_one_padded_connection() {
    let authority = Authority::new();
    let upstream = Upstream::start(good);
    let front = Front::end(&authority.issue(NAME), upstream.address);
    let server = serve(&[front.tls(NAME)], &authority, Small::default());
    for number in 0..50 {
        let name = format!("n{number}.{}.example", "x".repeat(number + 1));
        let (reply, _) = ask(&server, &name);
        assert_eq!(addresses(&reply), ["198.51.100.10"], "{:?}", reply.message);
    }
    assert_eq!((front.connections(), front.handshakes()), (1, 1), "one connection for all of them");
    assert_eq!(front.names(), [Some(NAME.to_owned())], "the name is sent, for servers with several");
    let seen = upstream.seen();
    assert_eq!(seen.len(), 50);
    for query in &seen {
        assert_eq!(query.transport, Transport::Tcp);
        assert_eq!(query.octets.len() % 128, 0, "{} octets", query.octets.len());
    }
    assert!(front.was_never_asked_in_plain());
}

#[test]
fn questions_are_pipelined() {
    let authority = Authority::new();
    // Each connection of this upstream answers in turn: what is slow there is slow for all on the same connection.
    let upstream = Upstream::start(|seen| good(seen).delay(Duration::from_millis(5)));
    let front = Front::end(&authority.issue(NAME), upstream.address);
    let server = serve(&[front.tls(NAME)], &authority, Small::default());
    ask(&server, "first.public.example");
    let client = server.client(SPOKE_A);
    let mut session = client.connect();
    for number in 0..20 {
        session.send(&Query::new(&format!("n{number}.public.example"), kind::A).to_octets());
    }
    for _ in 0..20 {
        let reply = Reply::decode(session.receive(Duration::from_secs(5)).expect("a reply"));
        assert_eq!(addresses(&reply), ["198.51.100.10"]);
    }
    assert_eq!(front.connections(), 1, "twenty at once are not crowded");
}

/// Four hundred questions of two clients at once, to a server that knows nobody yet.
fn burst(server: &Server) {
    let sockets = [SPOKE_A, SPOKE_B].map(|source| server.client(source).socket());
    for number in 0..200 {
        for (place, socket) in sockets.iter().enumerate() {
            let query = Query::new(&format!("n{number}-{place}.public.example"), kind::A).to_octets();
            socket.send(&query).expect("sent");
        }
    }
    for socket in &sockets {
        for _ in 0..200 {
            let Some(octets) = receive(socket, Duration::from_secs(5)) else { panic!("no reply:\n{}", server.log()) };
            let reply = Reply::decode(octets);
            assert_ne!(reply.rcode(), rcode::SERVFAIL, "{:?}\n{}", reply.message, server.log());
        }
    }
}

#[test]
fn a_burst_is_answered_whole_over_few_connections() {
    let authority = Authority::new();
    let identity = authority.issue(NAME);
    let upstream = Upstream::start(good);
    let tls = Front::end(&identity, upstream.address);
    burst(&serve(&[tls.tls(NAME)], &authority, Small::default()));
    assert_eq!(upstream.total(), 400, "each was asked once");
    let doh = Hickory::https(&identity, public());
    let https = Front::pass(doh.address);
    burst(&serve(&[https.https(NAME)], &authority, Small::default()));
    assert_eq!(doh.had().len(), 400, "each was asked once");
    for front in [tls, https] {
        assert!((1..=4).contains(&front.connections()), "{}", front.connections());
    }
}

/// What a view owns comes from the view, whatever an upstream says of it.
fn owned_names_and_aliases(server: &Server, asked: impl Fn(&str) -> usize) {
    for (source, name, expected) in [
        (SPOKE_A, "hp1.avd.example", "10.10.4.4"),
        (SPOKE_B, "hp1.avd.example", "10.20.4.4"),
        ("127.0.30.9", "hp1.avd.example", "203.0.113.4"),
        (SPOKE_A, "rdweb.avd.example", "10.10.4.7"),
        (SPOKE_A, "www.public.example", "198.51.100.10"),
    ] {
        for reply in server.client(source).ask_both(name, kind::A) {
            assert_eq!(addresses(&reply), [expected], "{source} {name}: {:?}", reply.message);
        }
    }
    assert_eq!(asked("hp1.avd.example"), 1, "one raw answer, shaped for three views (R2)");
    assert_eq!(asked("rdweb.avd.example"), 0, "an owned name is never asked");
    let (gone, _) = ask(server, "gone.public.example");
    assert_eq!(gone.rcode(), rcode::NXDOMAIN);
    assert_eq!(gone.soa_owner().as_deref(), Some("public.example"), "denials keep their SOA");
}

#[test]
fn r22_aliases_re_enter_owned_names_over_tls() {
    let (authority, names) = (Authority::new(), public());
    let upstream = Upstream::start(move |seen| names.answer(&seen.name, seen.kind));
    let front = Front::end(&authority.issue(NAME), upstream.address);
    let server = serve(&[front.tls(NAME)], &authority, Small::default());
    owned_names_and_aliases(&server, |name| upstream.count(name));
    assert_eq!(front.connections(), 1);
}

#[test]
fn r22_aliases_re_enter_owned_names_over_https() {
    let authority = Authority::new();
    let doh = Hickory::https(&authority.issue(NAME), public());
    let front = Front::pass(doh.address);
    let server = serve(&[front.https(NAME)], &authority, Small::default());
    owned_names_and_aliases(&server, |name| doh.count(name));
    assert_eq!(front.connections(), 1, "one connection for all of them");
    assert!(doh.had().iter().all(|(_, id, octets)| *id == 0 && octets % 128 == 0), "{:?}", doh.had());
    assert!(front.was_never_asked_in_plain());
}

/// A real server behind a front that passes TLS through: answers, one connection, nothing in plain.
fn real_server(real: &Real, authority: &Authority) {
    for https in [false, true] {
        let front = Front::pass(if https { real.https } else { real.tls });
        let entry = if https { front.https(NAME) } else { front.tls(NAME) };
        let server = serve(std::slice::from_ref(&entry), authority, Small::default());
        for number in 0..40 {
            let (reply, _) = ask(&server, &format!("n{number}.public.example"));
            assert_eq!(addresses(&reply), ["198.51.100.7"], "https: {https}, {:?}\n{}", reply.message, server.log());
        }
        assert_eq!(front.connections(), 1, "https: {https}");
        assert!(front.was_never_asked_in_plain());
        let entry = entry.replace(NAME, "other.example");
        let other = serve(&[entry], authority, short());
        let (reply, _) = ask(&other, "n0.public.example");
        assert_eq!(reply.rcode(), rcode::SERVFAIL, "its certificate is for another name");
        other.wait_for_log(|line| line.contains("certificate-refused"));
        assert!(front.was_never_asked_in_plain());
    }
}

#[test]
fn unbound_answers_over_tls_and_https_where_it_is_installed() {
    let authority = Authority::new();
    match Real::unbound(&authority.issue(NAME)) {
        Some(real) => real_server(&real, &authority),
        None => println!("unbound is not installed here; hickory's servers and ours are asked by the other tests"),
    }
}

#[test]
fn dnsdist_answers_over_tls_and_https_where_it_is_installed() {
    let authority = Authority::new();
    let upstream = Upstream::start(|seen| Script::records(vec![Rr::host(&seen.name, 300, "198.51.100.7")]));
    match Real::dnsdist(&authority.issue(NAME), upstream.address) {
        Some(real) => {
            real_server(&real, &authority);
            let seen = upstream.seen();
            let ours = seen.iter().filter(|seen| seen.name.ends_with(".public.example"));
            assert_eq!(ours.clone().count(), 80);
            assert!(ours.clone().all(|seen| seen.octets.len() % 128 == 0), "it hands on what it gets, padding and all");
        }
        None => println!("dnsdist is not installed here; hickory's servers and ours are asked by the other tests"),
    }
}

#[test]
fn a_large_answer_comes_whole() {
    let authority = Authority::new();
    let strings = vec!["t".repeat(250); 16];
    let upstream = Upstream::start(move |seen| Script::records(vec![Rr::txt(&seen.name, 300, &strings)]));
    let front = Front::end(&authority.issue(NAME), upstream.address);
    let server = serve(&[front.tls(NAME)], &authority, Small::default());
    let reply = server.client(SPOKE_A).tcp(&Query::new("txt.public.example", kind::TXT));
    assert!(reply.octets.len() > 4_000, "{} octets", reply.octets.len());
    assert_eq!(upstream.total(), 1);
}

/// Two views, two upstreams to one server, each with its own authorities.
fn two_trusts(entry: &str) -> String {
    format!(
        "[[upstream]]\nname = \"a\"\nservers = [\"{entry}\"]\nca = \"a.pem\"\ntimeout = \"2s\"\n\
         [[upstream]]\nname = \"b\"\nservers = [\"{entry}\"]\nca = \"b.pem\"\ntimeout = \"2s\"\n\
         [[view]]\nname = \"a\"\nnetworks = [\"127.0.10.0/24\"]\nupstream = \"a\"\n\
         [[view]]\nname = \"b\"\nnetworks = [\"127.0.20.0/24\"]\nupstream = \"b\"\n"
    )
}

#[test]
fn r03_other_authorities_share_neither_connection_nor_answer() {
    let (one, two) = (Authority::new(), Authority::new());
    let upstream = Upstream::start(good);
    let front = Front::end(&one.issue(NAME), upstream.address);
    let text = two_trusts(&front.tls(NAME));
    let server = Setup::new(&*text).file("a.pem", &one.pem).file("b.pem", &two.pem).start();
    assert_eq!(addresses(&server.client(SPOKE_A).ask("n.public.example", kind::A)), ["198.51.100.10"]);
    let reply = server.client(SPOKE_B).ask("n.public.example", kind::A);
    assert_eq!(reply.rcode(), rcode::SERVFAIL, "neither the connection nor the cached answer of the other");
    // Once the same authorities stand in the other file, all is shared.
    std::fs::write(server.path().with_file_name("b.pem"), &one.pem).expect("written");
    server.reload(&text);
    assert_eq!(addresses(&server.client(SPOKE_B).ask("n.public.example", kind::A)), ["198.51.100.10"]);
    assert_eq!((front.handshakes(), upstream.total()), (1, 1));
}

#[test]
fn check_and_explain_show_the_transport() {
    let authority = Authority::new();
    let upstream = Upstream::start(good);
    let front = Front::end(&authority.issue(NAME), upstream.address);
    let entries = [front.tls(NAME), front.https(NAME)];
    let setup = setup(&entries, &authority, Small::default());
    let path = setup.write(&Small { upstream: "ca = \"ca.pem\"".to_owned(), ..Small::default() }.text(&entries));
    let path = path.to_str().expect("a path");
    let (code, out, findings) = run(&["check", "--strict", "-c", path]);
    assert_eq!(code, 0, "{findings}");
    assert!(entries.iter().all(|entry| out.contains(entry)), "{out}");
    let explain = |more: &[&str]| run(&[&["explain", "-c", path, "--client", SPOKE_A], more].concat());
    let (code, out, errors) = explain(&["www.public.example"]);
    assert_eq!(code, 0, "{errors}");
    assert!(entries.iter().all(|entry| out.contains(entry)), "{out}");
    assert_eq!(front.connections(), 0, "it asks nobody unless it is told to");
    let (code, out, errors) = explain(&["--ask", "--expect", "198.51.100.10", "www.public.example"]);
    assert_eq!(code, 0, "{out}{errors}");
    assert_eq!(front.handshakes(), 1);
}

#[test]
fn the_system_is_believed_where_no_authority_is_named() {
    let authority = Authority::new();
    let upstream = Upstream::start(good);
    let front = Front::end(&authority.issue(NAME), upstream.address);
    let setup = Setup::new("").file("own.pem", &authority.pem).file("other.pem", &Authority::new().pem);
    let path = setup.write(&Small::default().text(&[front.tls(NAME)]));
    for (bundle, expected) in [("own.pem", 0), ("other.pem", 5), ("none.pem", 3)] {
        let output = Command::new(BINARY)
            .args(["explain", "--client", SPOKE_A, "--ask", "--expect", "198.51.100.10", "www.public.example", "-c"])
            .arg(&path)
            .env("SSL_CERT_FILE", path.with_file_name(bundle))
            .output()
            .expect("the binary runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(expected), "{bundle}: {said}");
        assert_eq!(said.contains("H0315"), expected == 3, "{bundle}: {said}");
    }
    assert_eq!(upstream.total(), 1);
}

#[cfg(feature = "doq")]
#[test]
fn r22_aliases_re_enter_owned_names_over_quic() {
    let authority = Authority::new();
    let doq = Hickory::quic(&authority.issue(NAME), public());
    let entry = format!("quic://{}#{NAME}", doq.address);
    let server = serve(std::slice::from_ref(&entry), &authority, Small::default());
    owned_names_and_aliases(&server, |name| doq.count(name));
    // This server ends a connection after a hundred questions.
    for number in 0..150 {
        assert_eq!(ask(&server, &format!("n{number}.public.example")).0.rcode(), rcode::NXDOMAIN);
    }
    assert!(doq.had().iter().all(|(_, id, octets)| *id == 0 && octets % 128 == 0), "{:?}", doq.had());
    let other = serve(&[entry.replace(NAME, "other.example")], &authority, short());
    assert_eq!(ask(&other, "www.public.example").0.rcode(), rcode::SERVFAIL);
    other.wait_for_log(|line| line.contains("certificate-refused"));
}

#[test]
fn no_second_tls_library_is_built() {
    let lock = include_str!("../../Cargo.lock");
    for name in ["aws-lc-rs", "aws-lc-sys", "openssl", "openssl-sys", "native-tls", "boring", "mbedtls"] {
        assert!(!lock.contains(&format!("name = \"{name}\"")), "{name} is in Cargo.lock");
    }
    assert_eq!(lock.matches("name = \"rustls\"").count(), 1);
}
