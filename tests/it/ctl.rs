//! `hubdns ctl`: the admin API from the shell, its exit codes and what it prints.

use crate::harness::message::{Rr, kind};
use crate::harness::server::run;
use crate::harness::small::{SPOKE_A, Small};
use crate::harness::{Script, Server, Setup, Upstream, port};
use serde_json::{Value, json};
use std::net::SocketAddr;

const TOKEN: &str = "a-token-of-the-test-0123";

fn start() -> (Upstream, Server, SocketAddr) {
    let upstream = Upstream::start(|seen| Script::records(vec![Rr::host(&seen.name, 300, "203.0.113.9")]));
    let admin = SocketAddr::from(([127, 0, 0, 1], port::free()));
    let setup = Setup::new(Small::default().text(&[upstream.server()]))
        .file("token", TOKEN)
        .server(&format!("admin = \"{admin}\"\ntoken-file = \"token\""));
    (upstream, setup.start(), admin)
}

/// `ctl` by the server's own file.
fn ctl(server: &Server, words: &[&str]) -> (i32, String, String) {
    let path = server.path();
    run(&[&["ctl", "-c", path.to_str().expect("a plain path")], words].concat())
}

fn json(server: &Server, words: &[&str]) -> Value {
    let (code, out, errors) = ctl(server, &[words, &["--json"]].concat());
    assert_eq!(code, 0, "{words:?}: {out}{errors}");
    serde_json::from_str(&out).expect("JSON")
}

#[test]
fn status_tells_phase_revision_and_the_last_load() {
    let (_upstream, server, admin) = start();
    server.client(SPOKE_A).ask("www.public.example", kind::A);
    let status = json(&server, &["status"]);
    assert_eq!((&status["schema"], &status["phase"]), (&json!(1), &json!("serving")));
    let (code, out, errors) = ctl(&server, &["status"]);
    assert_eq!(code, 0, "{errors}");
    let revision = status["revision"].as_str().expect("text");
    for part in
        [revision, "serving", "generation 1", &admin.to_string(), "by start: served", "views 3", " queries", "H0205"]
    {
        assert!(out.contains(part), "{part} in {out}");
    }
}

#[test]
fn flush_drops_what_is_named() {
    let (upstream, server, _) = start();
    let ask = || server.client(SPOKE_A).ask("www.public.example", kind::A);
    ask();
    let (code, out, errors) = ctl(&server, &["flush", "--name", "www.public.example"]);
    assert_eq!((code, out.as_str()), (0, "1 entry dropped\n"), "{errors}");
    ask();
    assert_eq!(upstream.count("www.public.example"), 2);
    for words in [&["--subtree", "public.example"][..], &["--route", "public"], &["--all"]] {
        ask();
        let told = json(&server, &[&["flush"], words].concat());
        assert!(told["entries"].as_u64() >= Some(1), "{words:?}: {told}");
    }
    let (code, _, errors) = ctl(&server, &["flush", "--route", "nowhere"]);
    assert!(code == 1 && errors.contains("404") && errors.contains("nowhere"), "{errors}");
    for words in [&["flush"][..], &["flush", "--all", "--name", "a.example"], &["nothing"], &[]] {
        assert_eq!(ctl(&server, words).0, 2, "{words:?}");
    }
}

#[test]
fn a_reload_of_a_faulty_file_is_exit_3_with_its_findings() {
    let (upstream, server, admin) = start();
    let good = server.render(&Small::default().text(&[upstream.server()]));
    std::fs::write(server.path(), good.replace("10.10.4.4", "10.10.4.44")).expect("written");
    let (code, out, errors) = ctl(&server, &["reload"]);
    assert_eq!(code, 0, "{out}{errors}");
    for part in ["generation 2 is served", "spoke-a", "avd-a"] {
        assert!(out.contains(part), "{part} in {out}");
    }
    // The file is broken, and where the server is can be read from it all the same.
    std::fs::write(server.path(), good.replace("10.10.4.4", "10.10.4")).expect("written");
    let (code, out, errors) = ctl(&server, &["reload"]);
    assert_eq!((code, out.as_str()), (3, ""), "{errors}");
    assert!(errors.contains("H0117") && errors.contains("hub.toml:"), "{errors}");
    let (code, out, _) = ctl(&server, &["reload", "--json"]);
    let problem: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &problem["code"], &problem["generation"]), (3, &json!("faulty"), &json!(2)));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let health = format!("health = \"{}\"\n", taken.local_addr().expect("its address"));
    std::fs::write(server.path(), good.replace("[server]\n", &format!("[server]\n{health}"))).expect("written");
    let (code, _, errors) = ctl(&server, &["reload"]);
    assert!(code == 1 && errors.contains("cannot listen"), "{errors}");
    // By the address alone there is no token.
    let url = format!("http://{admin}");
    let (code, _, errors) = run(&["ctl", "--at", &url, "reload"]);
    assert!(code == 1 && errors.contains("--token-file"), "{errors}");
    let token = server.path().with_file_name("token");
    let token = token.to_str().expect("a plain path");
    std::fs::write(server.path(), &good).expect("written");
    let (code, _, errors) = run(&["ctl", "--at", &url, "reload", "--token-file", token]);
    assert_eq!(code, 0, "{errors}");
}

#[test]
fn what_cannot_be_reached_is_exit_1() {
    let (upstream, server, admin) = start();
    for (at, part) in [
        ("http://127.0.0.1:9", "cannot reach"),
        ("https://127.0.0.1:8053", "http://HOST:PORT"),
        (&*format!("http://{}", server.address), ""),
        (&*format!("http://{admin}/api"), "http://HOST:PORT"),
    ] {
        let (code, out, errors) = run(&["ctl", "--at", at, "status"]);
        assert!(code == 1 && out.is_empty() && errors.contains(part), "{at}: {out}{errors}");
    }
    std::fs::write(
        server.path(),
        server.render(&Small::default().text(&[upstream.server()])).replace("admin =", "health ="),
    )
    .expect("written");
    let (code, _, errors) = ctl(&server, &["status"]);
    assert!(code == 1 && errors.contains("no `admin` listener"), "{errors}");
    assert_eq!(run(&["ctl", "-c", "/nonexistent/hub.toml", "status"]).0, 1);
}

#[test]
fn top_shows_rates() {
    let (upstream, server, _) = start();
    let told = std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            for number in 0..200 {
                server.client(SPOKE_A).ask(&format!("n{number}.public.example"), kind::A);
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        });
        let told = ctl(&server, &["top", "--interval", "300ms", "--count", "2", "--json"]);
        asking.join().expect("they are answered");
        told
    });
    let (code, out, errors) = told;
    assert_eq!((code, out.lines().count()), (0, 2), "{out}{errors}");
    for line in out.lines() {
        let round: Value = serde_json::from_str(line).expect("JSON");
        let view = &round["views"][0];
        assert_eq!(view["view"], "spoke-a", "the busiest first: {round:#}");
        assert!(view["by_source"]["upstream"].as_f64() > Some(1.0), "{round:#}");
        assert!(round["servers"][0]["per_second"]["sent"].as_f64() > Some(1.0), "{round:#}");
    }
    let (code, out, _) = ctl(&server, &["top", "--interval", "100ms", "--count", "1"]);
    assert_eq!(code, 0);
    for part in ["spoke-b", "QUERIES/S", &upstream.server(), "up"] {
        assert!(out.contains(part), "{part} in {out}");
    }
}

#[test]
fn a_bundle_has_what_a_support_case_needs_and_no_secret() {
    let (_upstream, server, _) = start();
    server.client(SPOKE_A).ask("www.public.example", kind::A);
    let file = server.path().with_file_name("bundle.json");
    let (code, out, errors) = ctl(&server, &["bundle", "-o", file.to_str().expect("a plain path")]);
    assert!(code == 0 && out.contains("octets written"), "{out}{errors}");
    let text = std::fs::read_to_string(&file).expect("the bundle");
    assert!(!text.contains(TOKEN), "no secret");
    let bundle: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(bundle["schema"], 1);
    assert_eq!(bundle["views"].as_array().map(Vec::len), Some(3));
    assert_eq!(bundle["endpoints"][0]["name"], "rdweb");
    assert_eq!(bundle["upstreams"][0]["name"], "public");
    assert_eq!(bundle["findings"][0]["code"], "H0205");
    assert_eq!(bundle["status"]["phase"], "serving");
    assert!(bundle["metrics"].as_str().is_some_and(|text| text.contains("hubdns_queries_total")), "{bundle:#}");
    let (code, out, _) = ctl(&server, &["bundle"]);
    assert!(code == 0 && serde_json::from_str::<Value>(&out).is_ok());
}
