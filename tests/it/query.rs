//! `query`: a server asked over UDP and TCP, from a chosen address, with exit codes for pipelines; and the
//! expectations that `explain` and `test` share with it.

use crate::harness::message::Rr;
use crate::harness::server::run;
use crate::harness::small::{SPOKE_A, SPOKE_B, Small, public};
use crate::harness::{Script, Transport, Upstream, port};
use serde_json::Value;
use std::fs;
use tempfile::TempDir;

#[test]
fn the_source_address_chooses_the_view() {
    let world = Small::default().start(public());
    let server = format!("@{}", world.server.address);
    let ask = |from: &str, more: &[&str]| run(&[&["query", &server, "hp1.avd.example", "--from", from], more].concat());
    assert_eq!(ask(SPOKE_A, &["--short"]).1, "hp1.privatelink.avd.example.\n10.10.4.4\n");
    let own = |out: String| out.lines().last().map(str::to_owned);
    for more in [&["--short"][..], &["--short", "--tcp"]] {
        assert_eq!(own(ask(SPOKE_A, more).1).as_deref(), Some("10.10.4.4"));
        assert_eq!(own(ask(SPOKE_B, more).1).as_deref(), Some("10.20.4.4"));
    }
    let (code, out, errors) = ask(SPOKE_B, &[]);
    assert_eq!(code, 0, "{errors}");
    for part in
        [";; NOERROR, id ", ";hp1.avd.example IN A", "hp1.privatelink.avd.example ", " IN A 10.20.4.4", " over UDP in "]
    {
        assert!(out.contains(part), "{part}: {out}");
    }
    let value: Value = serde_json::from_str(&ask(SPOKE_B, &["--json", "--tcp"]).1).expect("JSON");
    assert_eq!((&value["schema"], &value["transport"]), (&1.into(), &"tcp".into()));
    assert_eq!(value["reply"]["rcode"], "NOERROR");
}

#[test]
fn exit_codes_tell_an_answer_no_reply_and_a_wrong_answer_apart() {
    let world = Small::default().start(public());
    let server = format!("@{}", world.server.address);
    let ask = |words: &[&str]| run(&[&["query", &server, "--from", SPOKE_A], words].concat());
    assert_eq!(ask(&["gone.privatelink.avd.example"]).0, 0, "NXDOMAIN is an answer");
    assert_eq!(ask(&["gone.privatelink.avd.example", "--expect", "nxdomain"]).0, 0);
    assert_eq!(ask(&["hp1.privatelink.avd.example", "AAAA", "--expect", "nodata"]).0, 0);
    assert_eq!(ask(&["hp1.privatelink.avd.example", "--expect", "10.10.4.4"]).0, 0);
    let (code, _, errors) = ask(&["hp1.privatelink.avd.example", "--expect", "10.20.4.4"]);
    assert_eq!((code, &*errors), (5, "hubdns: 10.20.4.4 expected, 10.10.4.4 came\n"));
    assert_eq!(ask(&["a..b"]).0, 2);
    assert_eq!(run(&["query", "a.example", "--expect", "what"]).0, 2);
    let nobody = format!("@127.0.0.1:{}", port::free());
    let (code, out, errors) = run(&["query", &nobody, "a.example", "--timeout", "300ms", "--tries", "1"]);
    assert_eq!((code, &*out), (1, ""), "{errors}");
    assert!(errors.contains(&nobody[1..]), "{errors}");
}

#[test]
fn a_cut_reply_is_asked_again_over_tcp() {
    let upstream = Upstream::start(|seen| {
        let address = |number: u8| Rr::host(&seen.name, 60, &format!("203.0.113.{number}"));
        Script::records((1..=120).map(address).collect())
    });
    let server = format!("@{}", upstream.server());
    let (code, out, errors) = run(&["query", &server, "big.example"]);
    assert_eq!(code, 0, "{errors}");
    assert!(out.contains("cut over UDP, so asked again") && out.contains("203.0.113.120"), "{out}");
    let seen: Vec<_> = upstream.seen().iter().map(|seen| seen.transport).collect();
    assert_eq!(seen, [Transport::Udp, Transport::Tcp]);
}

#[test]
fn explain_expects_every_kind_of_answer_with_and_without_an_exchange() {
    let upstream = Upstream::start(|seen| {
        let known = public();
        if seen.name == "broken.example" { Script::rcode(2) } else { known.answer(&seen.name, seen.kind) }
    });
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("hub.toml");
    let small = Small { upstream: "timeout = \"1s\"".to_owned(), ..Small::default() };
    let text = small
        .text(&[upstream.server()])
        .replace("networks = [\"0.0.0.0/0\", \"::/0\"]", "networks = [\"127.0.30.0/24\"]");
    fs::write(&path, format!("version = 1\n[server]\nlisten = [\"127.0.0.1:5300\"]\n{text}")).expect("written");
    let path = path.to_str().expect("a plain path");
    let explain = |client: &str, name: &[&str], more: &[&str]| {
        run(&[&["explain", "-c", path, "--client", client], name, more].concat()).0
    };
    for (client, name, expected) in [
        (SPOKE_A, &["gone.privatelink.avd.example"][..], "nxdomain"),
        (SPOKE_A, &["hp1.privatelink.avd.example", "AAAA"], "nodata"),
        (SPOKE_A, &["www.public.example"], "forward"),
        (SPOKE_A, &["www.public.example"], "forward:public"),
        ("127.0.99.9", &["www.public.example"], "refused"),
    ] {
        assert_eq!(explain(client, name, &["--expect", expected]), 0, "{name:?} {expected}");
    }
    assert_eq!(upstream.total(), 0, "nothing was asked");
    for wrong in ["nxdomain", "198.51.100.10", "forward:other", "servfail"] {
        assert_eq!(explain(SPOKE_A, &["www.public.example"], &["--expect", wrong]), 5, "{wrong}");
    }
    let ask = |name: &str, expected: &str| explain(SPOKE_A, &[name], &["--ask", "--expect", expected]);
    assert_eq!(ask("www.public.example", "198.51.100.10"), 0);
    assert_eq!(ask("www.public.example", "forward:public"), 0);
    assert_eq!(ask("www.public.example", "198.51.100.11"), 5);
    assert_eq!(ask("hp1.avd.example", "10.10.4.4"), 0, "the alias re-enters the view");
    assert_eq!(ask("nothing.example", "nxdomain"), 0);
    assert_eq!(ask("broken.example", "servfail"), 0);
    assert!(upstream.count("www.public.example") > 0);
}

#[test]
fn a_table_of_expectations_is_tap_or_json() {
    let folder = TempDir::new().expect("a temporary folder");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
    write(
        "hub.toml",
        &format!(
            "version = 1\n[server]\nlisten = [\"127.0.0.1:5300\"]\n{}",
            Small::default().text(&["127.0.0.1:5301".to_owned()])
        ),
    );
    write(
        "expect.toml",
        "config = \"hub.toml\"\nexpect = [{ client = \"127.0.10.9\", name = \"hp1.avd.example\", answer = \"forward:public\" }]\n",
    );
    let table = folder.path().join("expect.toml");
    let table = table.to_str().expect("a plain path");
    let plain = run(&["test", table]);
    assert_eq!((plain.0, plain.1.starts_with("TAP version 14\n1..1\nok 1 - ")), (0, true), "{plain:?}");
    assert_eq!(run(&["test", "--tap", table]), plain);
    let value: Value = serde_json::from_str(&run(&["test", "--json", table]).1).expect("JSON");
    assert_eq!((&value["schema"], &value["passed"]), (&1.into(), &1.into()));
    assert_eq!(run(&["test", "--tap", "--json", table]).0, 2);
}
