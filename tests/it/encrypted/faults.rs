//! Encrypted servers that fail: refused, closed, stalling, restarted, lying.

use super::*;
use crate::harness::message::wire_name;
use crate::harness::tls::Identity;

/// The codes of extended errors: no reachable authority, network error.
const EDE: [u16; 2] = [22, 23];

/// A server with an identity that must be refused: SERVFAIL, one line that says what and why, and nothing in plain.
fn refused(identity: &Identity, trusted: &Authority, reason: &str) {
    let upstream = Upstream::start(good);
    let front = Front::end(identity, upstream.address);
    let server = serve(&[front.tls(NAME)], trusted, short());
    for number in 0..30 {
        let (reply, took) = ask(&server, &format!("n{number}.public.example"));
        assert_eq!(reply.rcode(), rcode::SERVFAIL, "{:?}", reply.message);
        assert!(reply.ede().is_some_and(|code| EDE.contains(&code)), "{:?}", reply.ede());
        assert!(took < Duration::from_millis(1_000), "{took:?}");
    }
    assert_eq!(
        addresses(&server.client(SPOKE_A).ask("rdweb.avd.example", kind::A)),
        ["10.10.4.7"],
        "owned names go on"
    );
    server.wait_for_log(|line| line.contains("certificate-refused"));
    let told = lines(&server, "certificate-refused");
    assert_eq!(told.len(), 1, "one line for thirty questions:\n{}", server.log());
    for part in [&front.tls(NAME), NAME, reason] {
        assert!(told[0].contains(part), "{part} is not in {}", told[0]);
    }
    assert_eq!(
        server.log().matches("\"WARN\"").count() + server.log().matches("\"ERROR\"").count(),
        1 + missing(&server) + lines(&server, "the upstream server is down").len().min(1)
    );
    assert!(front.connections() < 20, "{} handshakes: there is a pause between them", front.connections());
    assert_eq!((front.handshakes(), upstream.total()), (0, 0), "nothing was asked");
    assert!(front.was_never_asked_in_plain());
}

/// Warnings that every start gives.
fn missing(server: &Server) -> usize {
    lines(server, "are checked but not served").len()
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let authority = Authority::new();
    refused(&authority.issue("other.example"), &authority, "not valid for name");
}

#[test]
fn a_certificate_of_another_authority_is_refused() {
    refused(&Authority::new().issue(NAME), &Authority::new(), "UnknownIssuer");
}

#[test]
fn a_certificate_that_has_run_out_is_refused() {
    let authority = Authority::new();
    refused(&authority.issue_expired(NAME), &authority, "expired");
}

#[test]
fn a_refused_server_is_passed_over() {
    let authority = Authority::new();
    let upstream = Upstream::start(good);
    let bad = Front::end(&authority.issue("other.example"), upstream.address);
    let fine = Front::end(&authority.issue(NAME), upstream.address);
    let server = serve(&[bad.tls(NAME), fine.tls(NAME)], &authority, short());
    for number in 0..20 {
        let (reply, took) = ask(&server, &format!("n{number}.public.example"));
        assert_eq!(addresses(&reply), ["198.51.100.10"], "{:?}", reply.message);
        assert!(took < Duration::from_millis(300), "{took:?}");
    }
    assert_eq!((bad.handshakes(), fine.handshakes()), (0, 1));
}

#[test]
fn f_02_a_closed_port_is_a_servfail_at_once_or_passed_over() {
    let authority = Authority::new();
    let upstream = Upstream::start(good);
    let fine = Front::end(&authority.issue(NAME), upstream.address);
    let closed = { Front::hang().tls(NAME) };
    let server = serve(std::slice::from_ref(&closed), &authority, short());
    for number in 0..5 {
        let (reply, took) = ask(&server, &format!("n{number}.public.example"));
        assert_eq!((reply.rcode(), reply.ede()), (rcode::SERVFAIL, Some(23)), "{:?}", reply.message);
        assert!(took < Duration::from_millis(50), "{took:?}");
    }
    server.wait_for_log(|line| line.contains("cannot be reached"));
    assert_eq!(lines(&server, "cannot be reached").len(), 1, "{}", server.log());
    let server = serve(&[closed, fine.tls(NAME)], &authority, short());
    let (reply, took) = ask(&server, "n.public.example");
    assert_eq!(addresses(&reply), ["198.51.100.10"]);
    assert!(took < Duration::from_millis(300), "{took:?}");
}

#[test]
fn f_01_a_handshake_that_stalls_is_a_servfail_in_time_or_passed_over() {
    let authority = Authority::new();
    let upstream = Upstream::start(good);
    let fine = Front::end(&authority.issue(NAME), upstream.address);
    let hanging = Front::hang();
    for entry in [hanging.tls(NAME), hanging.https(NAME)] {
        let server = serve(std::slice::from_ref(&entry), &authority, short());
        let (reply, took) = ask(&server, "n.public.example");
        assert_eq!((reply.rcode(), reply.ede()), (rcode::SERVFAIL, Some(22)), "{:?}", reply.message);
        assert!(took < Duration::from_millis(1_900), "{took:?}");
        let server = serve(&[entry, fine.tls(NAME)], &authority, short());
        for number in 0..10 {
            let (reply, took) = ask(&server, &format!("n{number}.public.example"));
            assert_eq!(addresses(&reply), ["198.51.100.10"]);
            assert!(took < Duration::from_millis(400), "{took:?}");
        }
        server.wait_for_log(|line| line.contains("cannot be reached"));
    }
    assert!(hanging.was_never_asked_in_plain());
}

#[test]
fn a_server_that_comes_back_is_asked_within_the_second() {
    let authority = Authority::new();
    let identity = authority.issue(NAME);
    let upstream = Upstream::start(good);
    let front = Front::end(&identity, upstream.address);
    let (address, entry) = (front.address, front.tls(NAME));
    let server = serve(&[entry], &authority, short());
    assert_eq!(ask(&server, "a.public.example").0.rcode(), rcode::NOERROR);
    // Ended and started again between two questions: the second one finds its connection closed and makes another.
    drop(front);
    let front = Front::end_at(address, &identity, upstream.address);
    let (reply, took) = ask(&server, "b.public.example");
    assert_eq!(addresses(&reply), ["198.51.100.10"], "{:?}\n{}", reply.message, server.log());
    assert!(took < Duration::from_millis(300), "{took:?}");
    assert_eq!(lines(&server, "cannot be reached").len(), 0, "{}", server.log());
    drop(front);
    // Gone for a while: SERVFAIL, and an answer as soon as it is there again.
    for number in 0..10 {
        assert_eq!(ask(&server, &format!("gone{number}.public.example")).0.rcode(), rcode::SERVFAIL);
    }
    let front = Front::end_at(address, &identity, upstream.address);
    let took = until_answered(&server, "back");
    assert!(took < Duration::from_millis(1_500), "{took:?}");
    server.wait_for_log(|line| line.contains("is reached again"));
    drop(front);
    // Another server in its place, with a certificate for another name, gets nothing though the first one was known.
    let other = Front::end_at(address, &authority.issue("other.example"), upstream.address);
    let before = upstream.total();
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(ask(&server, "other.public.example").0.rcode(), rcode::SERVFAIL);
    assert_eq!((other.handshakes(), upstream.total()), (0, before));
}

#[test]
fn https_is_asked_again_after_its_server_was_restarted() {
    let authority = Authority::new();
    let identity = authority.issue(NAME);
    let doh = Hickory::https(&identity, public());
    let front = Front::pass(doh.address);
    let (address, entry) = (front.address, front.https(NAME));
    let server = serve(&[entry], &authority, short());
    assert_eq!(ask(&server, "www.public.example").0.rcode(), rcode::NOERROR);
    drop(front);
    let front = Front::pass_at(address, doh.address);
    let (reply, took) = ask(&server, "hp1.avd.example");
    assert_eq!(addresses(&reply), ["10.10.4.4"], "{:?}\n{}", reply.message, server.log());
    assert!(took < Duration::from_millis(500), "{took:?}");
    assert_eq!(front.connections(), 1);
    assert_eq!(lines(&server, "h2 connection failed").len(), 0, "hickory's own words stay out of the log");
}

#[test]
fn r30_a_reply_to_another_question_is_not_used() {
    let authority = Authority::new();
    let liar = Upstream::start(|seen| Script {
        question: Some([wire_name("other.example").as_slice(), &[0, 1, 0, 1]].concat()),
        ..good(seen)
    });
    let upstream = Upstream::start(good);
    let identity = authority.issue(NAME);
    let (lies, fine) = (Front::end(&identity, liar.address), Front::end(&identity, upstream.address));
    let server = serve(&[lies.tls(NAME)], &authority, short());
    assert_eq!(ask(&server, "n.public.example").0.rcode(), rcode::SERVFAIL);
    let server = serve(&[lies.tls(NAME), fine.tls(NAME)], &authority, short());
    assert_eq!(addresses(&ask(&server, "n.public.example").0), ["198.51.100.10"]);
    // A wrong id is no reply to anything: the question waits, and another server is asked meanwhile.
    let stranger = Upstream::start(|seen| Script { wrong_id: 1, ..good(seen) });
    let strange = Front::end(&identity, stranger.address);
    let server = serve(&[strange.tls(NAME), fine.tls(NAME)], &authority, short());
    assert_eq!(addresses(&ask(&server, "n.public.example").0), ["198.51.100.10"]);
}

#[test]
fn r29_failures_go_to_the_next_server_and_denials_do_not() {
    let authority = Authority::new();
    let identity = authority.issue(NAME);
    let first = Upstream::start(|seen| match &*seen.name {
        "no.public.example" => Script::nxdomain("public.example"),
        _ => Script::rcode(if seen.name.starts_with('r') { 5 } else { 2 }),
    });
    let second = Upstream::start(good);
    let fronts = [Front::end(&identity, first.address), Front::end(&identity, second.address)];
    let server = serve(&fronts.each_ref().map(|front| front.tls(NAME)), &authority, short());
    for name in ["r.public.example", "s.public.example"] {
        assert_eq!(addresses(&ask(&server, name).0), ["198.51.100.10"], "{name}");
    }
    assert_eq!(ask(&server, "no.public.example").0.rcode(), rcode::NXDOMAIN);
    assert_eq!(second.count("no.public.example"), 0);
}
