//! Break-glass: an endpoint answered otherwise in one view for a while, and the way back to the revision before.

use super::public;
use crate::harness::api::Api;
use crate::harness::message::kind;
use crate::harness::metrics::Scrape;
use crate::harness::reply::rcode;
use crate::harness::server::run;
use crate::harness::small::{SPOKE_A, Small};
use crate::harness::{Server, Setup, Upstream, port};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const NAME: &str = "rdweb.avd.example";
/// A client of another view that has the endpoint too.
const ELSEWHERE: &str = "127.0.40.9";

fn text(upstream: &Upstream) -> String {
    let more = "[[view]]\nname = \"elsewhere\"\nupstream = \"public\"\nnetworks = [\"127.0.40.0/24\"]\nendpoints = [\"rdweb\"]\n";
    Small { more: more.to_owned(), ..Small::default() }.text(&[upstream.server()])
}

fn start(upstream: &Upstream) -> (Server, Api) {
    let admin = SocketAddr::from(([127, 0, 0, 1], port::free()));
    let server = Setup::new(text(upstream)).server(&format!("admin = \"{admin}\"")).start();
    (server, Api::new(admin))
}

/// What a client gets for the endpoint's name: an address, or an RCODE with its extended error.
fn got(server: &Server, source: &str) -> String {
    let reply = server.client(source).udp(&crate::harness::Query::new(NAME, kind::A).with_opt());
    match reply.addresses().first() {
        Some(address) => address.to_string(),
        None => format!("RCODE {} EDE {:?}", reply.rcode(), reply.ede()),
    }
}

fn order(endpoint: &str, state: &str, lasts: &str) -> Value {
    json!({ "view": "spoke-a", "endpoint": endpoint, "state": state, "for": lasts })
}

#[test]
fn an_override_holds_in_its_view_over_reloads_until_it_ends() {
    let upstream = public();
    let (server, api) = start(&upstream);
    assert_eq!(got(&server, SPOKE_A), "10.10.4.7");
    let told = api.told("/api/v1/override", &order("rdweb", "public", "1h"));
    assert_eq!(
        (&told["trigger"], &told["generation"], &told["changes_total"]),
        (&json!("override"), &json!(2), &json!(1))
    );
    assert_eq!([SPOKE_A, ELSEWHERE].map(|source| got(&server, source)), ["203.0.113.9", "10.10.4.7"]);
    let status = api.read("/api/v1/status");
    let held = &status["overrides"][0];
    assert_eq!(
        (&held["view"], &held["endpoint"], &held["state"], &held["holds"]),
        (&json!("spoke-a"), &json!("rdweb"), &json!("public"), &json!(true))
    );
    assert!(held["by"].as_str().is_some_and(|by| by.starts_with("127.0.0.1:")), "{held}");
    assert_eq!(Scrape::of(api.address).value("hubdns_overrides", "", &[]), 1.0);
    let explained = api.told("/api/v1/explain", &json!({ "client": SPOKE_A, "name": NAME }));
    assert_eq!(
        (&explained["view"]["overrides"][0]["endpoint"], &explained["view"]["overrides"][0]["state"]),
        (&json!("rdweb"), &json!("public"))
    );
    let url = format!("http://{}", api.address);
    let (_, out, errors) = run(&["explain", "--at", &url, "--client", SPOKE_A, NAME]);
    assert!(out.contains("override endpoint rdweb is public for"), "{out}{errors}");
    let endpoints = api.read("/api/v1/endpoints?name=rdweb");
    let views = endpoints["items"][0]["views"]["items"].clone();
    assert_eq!(views, json!([{ "view": "spoke-a", "state": "public" }, { "view": "elsewhere", "state": "private" }]));

    // A reload that changes something else, and one that takes the endpoint away and gives it back.
    server.reload(&text(&upstream).replace("10.10.4.4", "10.10.4.44"));
    assert_eq!([SPOKE_A, ELSEWHERE].map(|source| got(&server, source)), ["203.0.113.9", "10.10.4.7"]);
    server.reload(&text(&upstream).replace("endpoints = [\"rdweb\"]", "endpoints = []"));
    assert_eq!(api.read("/api/v1/status")["overrides"][0]["holds"], false);
    server.reload(&text(&upstream));
    assert_eq!(got(&server, SPOKE_A), "203.0.113.9");

    // Another one in its place, and its end by hand.
    api.told("/api/v1/override", &order("rdweb", "blocked", "10m"));
    assert_eq!(got(&server, SPOKE_A), format!("RCODE {} EDE Some(15)", rcode::NXDOMAIN));
    assert_eq!(api.read("/api/v1/status")["overrides"].as_array().map(Vec::len), Some(1));
    let end = json!({ "view": "spoke-a", "endpoint": "rdweb" });
    api.told("/api/v1/override/end", &end);
    assert_eq!(got(&server, SPOKE_A), "10.10.4.7");
    assert_eq!(api.post("/api/v1/override/end", &end).status, 404);
    assert_eq!(api.read("/api/v1/status")["overrides"], json!([]));

    // And by itself.
    api.told("/api/v1/override", &order("rdweb", "public", "1s"));
    assert_eq!(got(&server, SPOKE_A), "203.0.113.9");
    let begun = Instant::now();
    while got(&server, SPOKE_A) != "10.10.4.7" {
        assert!(begun.elapsed() < Duration::from_secs(10), "it ends: {}", server.log());
        std::thread::yield_now();
    }
    server.wait_for_log(|line| line.contains("the override has ended"));
    assert_eq!(Scrape::of(api.address).value("hubdns_overrides", "", &[]), 0.0);
    let orders = server.log().lines().filter(|line| line.contains("ordered by the admin API")).count();
    assert_eq!(orders, 5, "each is in the log: {}", server.log());
}

#[test]
fn an_override_of_what_is_not_there_is_refused() {
    let upstream = public();
    let (server, api) = start(&upstream);
    let nowhere = json!({ "view": "nowhere", "endpoint": "rdweb", "state": "public", "for": "1h" });
    for body in [order("nothing", "public", "1h"), nowhere] {
        let answer = api.post("/api/v1/override", &body);
        assert_eq!((answer.status, &answer.json()["code"]), (404, &json!("unknown")), "{body}");
    }
    for body in [
        order("rdweb", "private", "1h"),
        order("rdweb", "public", "8d"),
        order("rdweb", "public", "0s"),
        order("rdweb", "public", "1"),
        json!({}),
    ] {
        assert_eq!(api.post("/api/v1/override", &body).status, 400, "{body}");
    }
    assert_eq!(got(&server, SPOKE_A), "10.10.4.7");
    assert_eq!(api.read("/api/v1/status")["generation"], 1, "nothing was built");
}

#[test]
fn a_rollback_serves_the_revision_before_until_the_next_reload() {
    let upstream = public();
    let (server, api) = start(&upstream);
    let none = api.post("/api/v1/rollback", &json!({}));
    assert_eq!((none.status, &none.json()["code"]), (409, &json!("no-previous")));
    let first = api.read("/api/v1/status")["revision"].clone();
    api.told("/api/v1/override", &json!({ "view": "elsewhere", "endpoint": "rdweb", "state": "public", "for": "1h" }));
    server.reload(&text(&upstream).replace("10.10.4.7", "10.10.4.77"));
    assert_eq!(got(&server, SPOKE_A), "10.10.4.77");
    let path = server.path();
    let (code, out, errors) = run(&["ctl", "-c", path.to_str().expect("a plain path"), "rollback"]);
    assert!(code == 0 && out.contains("generation 4 is served"), "{out}{errors}");
    assert_eq!([SPOKE_A, ELSEWHERE].map(|source| got(&server, source)), ["10.10.4.7", "203.0.113.9"], "overrides stay");
    let status = api.read("/api/v1/status");
    assert_eq!((&status["rolled_back"], &status["revision"]), (&json!(true), &first));
    assert_eq!(status["last_reload"]["trigger"], "rollback");
    assert_eq!(api.post("/api/v1/rollback", &json!({})).status, 409, "there is one step");
    api.told("/api/v1/reload", &json!({}));
    assert_eq!(got(&server, SPOKE_A), "10.10.4.77", "the files again");
    assert_eq!(api.read("/api/v1/status")["rolled_back"], false);
}

#[test]
fn the_shell_overrides_and_ends_overrides() {
    let upstream = public();
    let (server, _api) = start(&upstream);
    let path = server.path();
    let ctl = |words: &[&str]| run(&[&["ctl", "-c", path.to_str().expect("a plain path")], words].concat());
    let own = ["override", "--view", "spoke-a", "--endpoint", "rdweb"];
    let (code, out, errors) = ctl(&[&own[..], &["public", "--for", "2h"]].concat());
    assert!(code == 0 && out.contains("generation 2 is served"), "{out}{errors}");
    assert_eq!(got(&server, SPOKE_A), "203.0.113.9");
    let (_, out, _) = ctl(&["status"]);
    assert!(out.contains("endpoint rdweb is public in view spoke-a for "), "{out}");
    assert_eq!(ctl(&[&own[..], &["--end"]].concat()).0, 0);
    assert_eq!(got(&server, SPOKE_A), "10.10.4.7");
    for (words, code) in
        [(&["--end"][..], 1), (&["secret"], 2), (&["public", "--end"], 2), (&[], 2), (&["public", "--for", "x"], 1)]
    {
        assert_eq!(ctl(&[&own[..], words].concat()).0, code, "{words:?}");
    }
}
