//! The admin API: every route as docs/openapi.json describes it, who may ask what, flushes as the upstream sees them,
//! reloads that are whole or change nothing; and what must not keep DNS from answering.

mod access;
mod changes;
mod load;
mod overrides;
mod random;

use crate::harness::api::{Api, description};
use crate::harness::message::{Rr, kind};
use crate::harness::small::{SPOKE_A, Small};
use crate::harness::{Script, Server, Setup, Upstream, port};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::SocketAddr;

/// An upstream that has an address for every name but some.
fn public() -> Upstream {
    Upstream::start(|seen| match &*seen.name {
        name if name.starts_with("missing") => Script::nxdomain("example"),
        name if seen.kind == kind::TXT => Script::records(vec![Rr::txt(name, 300, &["text".to_owned()])]),
        name => Script::records(vec![Rr::host(name, 300, "203.0.113.9")]),
    })
}

/// The small world with an admin listener, and more lines of `[server]`.
fn start(upstream: &Upstream, more: &str) -> (Server, Api) {
    let admin = SocketAddr::from(([127, 0, 0, 1], port::free()));
    let setup = Setup::new(Small::default().text(&[upstream.server()]));
    (setup.server(&format!("admin = \"{admin}\"\n{more}")).start(), Api::new(admin))
}

/// The only item of a page.
fn only(page: &Value) -> &Value {
    assert_eq!((page["total"].as_u64(), page["items"].as_array().map(Vec::len)), (Some(1), Some(1)), "{page:#}");
    &page["items"][0]
}

#[test]
fn every_route_answers_as_it_is_described() {
    let upstream = public();
    let (server, api) = start(&upstream, "");
    server.client(SPOKE_A).ask("www.public.example", kind::A);
    server.client(SPOKE_A).ask("missing.public.example", kind::A);
    let mut seen = BTreeSet::new();
    let mut read = |path: &str| {
        seen.insert(format!("get {}", path.split('?').next().unwrap_or_default()));
        api.read(path)
    };
    let status = read("/api/v1/status");
    assert_eq!((&status["phase"], &status["generation"]), (&json!("serving"), &json!(1)));
    assert_eq!(status["listening"]["dns"], json!([server.address.to_string()]));
    assert_eq!(status["counts"]["views"], 3);
    assert!(status["counts"]["queries"].as_u64() >= Some(2), "{status:#}");
    assert_eq!((&status["last_reload"]["trigger"], &status["last_reload"]["done"]), (&json!("start"), &json!(true)));

    let views = read("/api/v1/views");
    assert_eq!(views["total"], 3);
    let view = &views["items"][0];
    assert_eq!(
        (&view["name"], &view["upstream"], &view["guard"]),
        (&json!("spoke-a"), &json!("public"), &json!("own"))
    );
    assert_eq!(view["networks"], json!({ "total": 1, "items": ["127.0.10.0/24"] }));
    assert_eq!(view["queries"], json!({ "upstream": 2 }));
    let text = std::fs::read_to_string(server.path()).expect("the file");
    let line = |part: &str| 1 + text.lines().position(|line| line.contains(part)).expect("a line") as u64;
    assert!(view["place"]["file"].as_str().expect("text").ends_with("hub.toml"));
    assert_eq!(view["place"]["line"], line("name = \"spoke-a\""), "{view:#}\n{text}");
    let zone = &view["zones"]["items"][0];
    assert_eq!((&zone["name"], &zone["missing"]), (&json!("avd-a"), &json!("nxdomain")));

    let endpoints = read("/api/v1/endpoints?view=spoke-a");
    let endpoint = only(&endpoints);
    assert_eq!((&endpoint["name"], &endpoint["kind"]), (&json!("rdweb"), &json!("other")));
    assert_eq!(endpoint["views"]["items"], json!([{ "view": "spoke-a", "state": "private" }]));
    let record = &endpoint["records"]["items"][0];
    assert_eq!((&record["names"], &record["addresses"]), (&json!(["rdweb.avd.example"]), &json!(["10.10.4.7"])));
    assert_eq!(record["place"]["line"], line("rdweb.avd.example"));
    assert_eq!(read("/api/v1/endpoints?view=spoke-b")["total"], 0);
    assert_eq!(read("/api/v1/endpoints?name=rdweb")["total"], 1);

    let upstreams = read("/api/v1/upstreams");
    let told = only(&upstreams);
    let server_of = &told["servers"][0];
    assert_eq!((&told["name"], &server_of["server"]), (&json!("public"), &json!(upstream.server())));
    // The mark by which loops are found has no reply, which is a doubt.
    assert!(["up", "doubtful"].map(Value::from).contains(&server_of["health"]), "{server_of:#}");
    assert!(server_of["in_flight"].as_u64() <= Some(1), "{server_of:#}");
    assert!(server_of["replies"].as_u64() >= Some(2) && server_of["round_trip_ms"].is_number(), "{server_of:#}");
    assert!(server_of["last_reply_age_ms"].as_u64() < Some(60_000), "{server_of:#}");

    // Nothing is logged here; tests/it/query_log.rs has what comes of a log.
    assert_eq!(read("/api/v1/clients?name=www.public.example&since=1h")["total"], 0);

    let found = read("/api/v1/cache?name=WWW.public.example");
    let entry = only(&found);
    assert_eq!((&entry["name"], &entry["type"]), (&json!("www.public.example"), &json!("A")));
    assert_eq!((&entry["kind"], &entry["upstreams"]), (&json!("positive"), &json!(["public"])));
    assert!((290..=300).contains(&entry["ttl_left"].as_u64().expect("a number")), "{entry:#}");
    assert!(entry["octets"].as_u64() > Some(50), "{entry:#}");
    let all = read("/api/v1/cache?route=public&limit=1&offset=1");
    assert_eq!((all["offset"].as_u64(), all["items"].as_array().map(Vec::len)), (Some(1), Some(1)), "{all:#}");
    assert_eq!(read("/api/v1/cache?name=missing.public.example&route=public")["items"][0]["kind"], "negative");
    read("/api/v1/openapi.json");

    let mut told = |path: &str, body: Value| {
        seen.insert(format!("post {path}"));
        api.told(path, &body)
    };
    let question = json!({ "client": SPOKE_A, "name": "rdweb.avd.example" });
    assert_eq!(told("/api/v1/explain", question)["reply"]["answer"][0]["data"], "10.10.4.7");
    assert_eq!(told("/api/v1/cache/flush", json!({ "name": "www.public.example" }))["entries"], 1);
    assert_eq!(told("/api/v1/reload", json!({}))["generation"], 2);
    let own = json!({ "view": "spoke-a", "endpoint": "rdweb", "state": "public", "for": "1h" });
    assert_eq!(told("/api/v1/override", own)["generation"], 3);
    assert_eq!(told("/api/v1/override/end", json!({ "view": "spoke-a", "endpoint": "rdweb" }))["generation"], 4);
    assert_eq!(told("/api/v1/rollback", json!({}))["generation"], 5);

    let described = description()["paths"].as_object().expect("paths").iter();
    let described = described.flat_map(|(path, methods)| {
        methods.as_object().expect("methods").keys().map(move |method| format!("{method} {path}"))
    });
    assert_eq!(seen, described.collect::<BTreeSet<_>>(), "what is described is what is there");
}

#[test]
fn the_description_that_is_served_is_the_one_in_the_repository() {
    let upstream = public();
    let (_server, api) = start(&upstream, "");
    assert_eq!(&api.read("/api/v1/openapi.json"), description());
    // What it describes is there: no path of it is unknown.
    for path in description()["paths"].as_object().expect("paths").keys() {
        assert_ne!(api.get(path).status, 404, "{path}");
    }
    let ids = description()["paths"]
        .as_object()
        .expect("paths")
        .values()
        .flat_map(|own| own.as_object().expect("methods").values());
    let ids: Vec<_> = ids.map(|operation| operation["operationId"].to_string()).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{ids:?}");
}

#[test]
fn explanations_are_of_the_cache_that_serves_and_send_nothing_unless_told() {
    let upstream = public();
    let (server, api) = start(&upstream, "");
    let explain = |more: Value| {
        let mut question = json!({ "client": SPOKE_A, "name": "www.public.example", "type": "A" });
        question.as_object_mut().expect("members").extend(more.as_object().expect("members").clone());
        api.told("/api/v1/explain", &question)
    };
    let cold = explain(json!({}));
    assert_eq!((&cold["asks"]["upstream"], &cold["reply"]), (&json!("public"), &Value::Null), "{cold:#}");
    assert_eq!(upstream.count("www.public.example"), 0, "nothing was sent");
    let asked = explain(json!({ "ask": true }));
    assert_eq!(asked["reply"]["answer"][0]["data"], "203.0.113.9", "{asked:#}");
    assert_eq!(asked["trail"][1]["source"], "upstream", "{asked:#}");
    let warm = explain(json!({}));
    assert_eq!((&warm["trail"][1]["source"], &warm["asks"]), (&json!("cache"), &Value::Null), "{warm:#}");
    server.client(SPOKE_A).ask("www.public.example", kind::A);
    assert_eq!(upstream.count("www.public.example"), 1, "the explanation's answer serves clients too");
    // What the shell prints by the file is the same structure; here with the listener of this server.
    let path = server.path();
    let path = path.to_str().expect("a plain path");
    let name = "hp1.privatelink.avd.example";
    let (code, out, errors) =
        crate::harness::server::run(&["explain", "-c", path, "--client", SPOKE_A, "--json", name]);
    assert_eq!(code, 0, "{errors}");
    let by_file: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(api.told("/api/v1/explain", &json!({ "client": SPOKE_A, "name": name })), by_file);
    for (body, wrong) in [
        (json!({ "client": "x", "name": "a" }), "address"),
        (json!({ "client": SPOKE_A, "name": "a..b" }), "a..b"),
        (json!({ "client": SPOKE_A, "name": "a", "type": "NOTHING" }), "NOTHING"),
        (json!({ "client": SPOKE_A, "name": "a", "more": 1 }), "more"),
        (json!({ "name": "a" }), "client"),
        (json!([]), ""),
    ] {
        let answer = api.post("/api/v1/explain", &body);
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.json()["detail"].as_str().is_some_and(|detail| detail.contains(wrong)), "{answer:?}");
    }
}

#[test]
fn lists_come_in_pages() {
    let upstream = public();
    let views: String = (0..250)
        .map(|number| {
            format!("[[view]]\nname = \"v{number:03}\"\nupstream = \"public\"\nnetworks = [\"127.1.{number}.0/24\"]\nendpoints = [\"rdweb\"]\n")
        })
        .collect();
    let admin = SocketAddr::from(([127, 0, 0, 1], port::free()));
    let text = Small { more: views, ..Small::default() }.text(&[upstream.server()]);
    let _server = Setup::new(text).server(&format!("admin = \"{admin}\"")).start();
    let api = Api::new(admin);
    let (mut found, mut offset) = (BTreeSet::new(), 0);
    loop {
        let page = api.read(&format!("/api/v1/views?offset={offset}"));
        assert_eq!(page["total"], 253);
        let items = page["items"].as_array().expect("a list");
        found.extend(items.iter().map(|view| view["name"].to_string()));
        offset += items.len();
        if items.is_empty() {
            break;
        }
    }
    assert_eq!((found.len(), offset), (253, 253));
    let endpoints = api.read("/api/v1/endpoints");
    let endpoint = only(&endpoints);
    assert_eq!(endpoint["views"]["total"], 251);
    assert_eq!(endpoint["views"]["items"].as_array().map(Vec::len), Some(200), "a list in an item is bounded");
    for query in ["limit=1001", "limit=-1", "limit=x", "more=1", "offset=1.5"] {
        assert_eq!(api.get(&format!("/api/v1/views?{query}")).status, 400, "{query}");
    }
    assert_eq!(api.get("/api/v1/cache").status, 400, "which entries has to be said");
    assert_eq!(api.get("/api/v1/cache?route=nowhere").status, 404);
    assert_eq!(api.get("/api/v1/cache?name=a..b").status, 400);
}
