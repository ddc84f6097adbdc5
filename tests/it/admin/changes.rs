//! Flushes as the upstream sees them, and reloads that are whole or change nothing.

use super::{public, start};
use crate::harness::api::Api;
use crate::harness::message::kind;
use crate::harness::small::{SPOKE_A, Small};
use crate::harness::{Setup, Upstream, port};
use serde_json::json;
use std::net::SocketAddr;

#[test]
fn what_is_flushed_is_asked_anew_and_nothing_else() {
    let (first, second) = (public(), public());
    let admin = SocketAddr::from(([127, 0, 0, 1], port::free()));
    let more = format!(
        "[[upstream]]\nname = \"other\"\nservers = [\"{}\"]\n[[view]]\nname = \"elsewhere\"\nupstream = \"other\"\nnetworks = [\"127.0.40.0/24\"]\n",
        second.server()
    );
    let text = Small { more, ..Small::default() }.text(&[first.server()]);
    let server = Setup::new(text).server(&format!("admin = \"{admin}\"")).start();
    let api = Api::new(admin);
    const NAMES: [&str; 4] =
        ["a.public.example", "b.a.public.example", "xa.public.example", "missing.a.public.example"];
    let ask = || {
        for source in [SPOKE_A, "127.0.40.9"] {
            for name in NAMES {
                for kind in [kind::A, kind::TXT] {
                    server.client(source).ask(name, kind);
                }
            }
        }
    };
    let counts = |upstream: &Upstream| NAMES.map(|name| upstream.count(name));
    ask();
    assert_eq!((counts(&first), counts(&second)), ([2; 4], [2; 4]), "two types each");
    ask();
    assert_eq!((counts(&first), counts(&second)), ([2; 4], [2; 4]), "from the cache");
    let flush = |what: serde_json::Value| api.told("/api/v1/cache/flush", &what)["entries"].clone();
    assert_eq!(flush(json!({ "name": "A.public.example." })), 4, "two types, two routes");
    ask();
    assert_eq!((counts(&first), counts(&second)), ([4, 2, 2, 2], [4, 2, 2, 2]));
    assert_eq!(flush(json!({ "subtree": "a.public.example" })), 12, "itself and two names below, not xa");
    ask();
    assert_eq!((counts(&first), counts(&second)), ([6, 4, 2, 4], [6, 4, 2, 4]));
    assert_eq!(flush(json!({ "route": "other" })), 8);
    ask();
    assert_eq!((counts(&first), counts(&second)), ([6, 4, 2, 4], [8, 6, 4, 6]));
    assert!(flush(json!({ "all": true })).as_u64() >= Some(16));
    ask();
    assert_eq!((counts(&first), counts(&second)), ([8, 6, 4, 6], [10, 8, 6, 8]));
    assert_eq!(flush(json!({ "name": "nothing.example" })), 0);
    assert_eq!(api.post("/api/v1/cache/flush", &json!({ "route": "nowhere" })).status, 404);
    let log = server.log();
    assert_eq!(log.lines().filter(|line| line.contains("flush") && line.contains("127.0.0.1:")).count(), 5, "{log}");
}

#[test]
fn a_reload_by_the_api_is_whole_or_changes_nothing() {
    let upstream = public();
    let (server, api) = start(&upstream, "");
    let text = Small::default().text(&[upstream.server()]);
    let ask = || server.client(SPOKE_A).ask("hp1.privatelink.avd.example", kind::A).addresses()[0].to_string();
    let write = |text: &str| std::fs::write(server.path(), text).expect("written");
    let good = server.render(&text);

    write(&good.replace("10.10.4.4", "10.10.4.44"));
    let told = api.told("/api/v1/reload", &json!({}));
    assert_eq!(
        (&told["generation"], &told["done"], &told["trigger"]),
        (&json!(2), &json!(true), &json!("api")),
        "{told:#}"
    );
    assert_eq!(told["changes_total"], 1, "{told:#}");
    assert_eq!((&told["changes"][0]["view"], &told["changes"][0]["resource"]), (&json!("spoke-a"), &json!("avd-a")));
    assert_eq!(ask(), "10.10.4.44");
    let revision = told["revision"].clone();

    let broken = good.replace("10.10.4.4", "10.10.4").replace("version = 1", "version = 1\nverison = 2");
    write(&broken);
    let refused = api.post("/api/v1/reload", &json!({}));
    let problem = refused.json();
    assert_eq!((refused.status, &problem["code"]), (422, &json!("faulty")), "{problem:#}");
    let codes: Vec<_> = problem["findings"].as_array().expect("a list").iter().map(|own| own["code"].clone()).collect();
    assert!(codes.contains(&json!("H0102")) && codes.contains(&json!("H0117")), "{problem:#}");
    assert_eq!((&problem["generation"], &problem["revision"]), (&json!(2), &revision), "nothing changed");
    assert_eq!(ask(), "10.10.4.44");
    let status = api.read("/api/v1/status");
    assert_eq!((&status["generation"], &status["last_reload"]["done"]), (&json!(2), &json!(false)));
    assert_eq!(status["last_reload"]["findings"], problem["findings"]);

    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let own = format!("\"{}\"", server.address);
    write(&good.replace(&own, &format!("{own}, \"{}\"", taken.local_addr().expect("its address"))));
    let refused = api.post("/api/v1/reload", &json!({}));
    assert_eq!((refused.status, &refused.json()["code"]), (409, &json!("listener")), "{refused:?}");
    std::fs::remove_file(server.path()).expect("removed");
    let refused = api.post("/api/v1/reload", &json!({}));
    assert_eq!((refused.status, &refused.json()["code"]), (409, &json!("unreadable")), "{refused:?}");
    assert_eq!(ask(), "10.10.4.44");

    write(&good);
    assert_eq!(api.told("/api/v1/reload", &json!({}))["generation"], 3);
    assert_eq!(ask(), "10.10.4.4");
    let metrics = crate::harness::metrics::Scrape::of(api.address);
    assert_eq!(metrics.count("hubdns_reloads", &[("trigger", "api")]), 5.0);
    assert_eq!(metrics.count("hubdns_reload_failures", &[("trigger", "api")]), 3.0);
    let orders = server.log().lines().filter(|line| line.contains("ordered by the admin API")).count();
    assert_eq!(orders, 5, "{}", server.log());
}

#[test]
fn a_reload_moves_the_admin_listener_and_still_answers() {
    let upstream = public();
    let (server, api) = start(&upstream, "");
    let other = Api::new(SocketAddr::from(([127, 0, 0, 1], port::free())));
    let whole = std::fs::read_to_string(server.path()).expect("the file");
    std::fs::write(server.path(), whole.replace(&api.address.to_string(), &other.address.to_string()))
        .expect("written");
    assert_eq!(api.told("/api/v1/reload", &json!({}))["generation"], 2, "the answer leaves by the old listener");
    assert_eq!(other.read("/api/v1/status")["listening"]["admin"], json!(other.address.to_string()));
    crate::harness::http::wait_until_gone(api.address);
}

#[test]
fn changes_at_once_are_carried_out_one_after_another_or_refused() {
    let upstream = public();
    let (server, api) = start(&upstream, "");
    let answers: Vec<u16> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..12).map(|_| scope.spawn(|| api.post("/api/v1/reload", &json!({})).status)).collect();
        calls.into_iter().map(|call| call.join().expect("an answer")).collect()
    });
    let done = answers.iter().filter(|status| **status == 200).count();
    assert!(done >= 1 && answers.iter().all(|status| matches!(status, 200 | 409)), "{answers:?}");
    let generation = api.read("/api/v1/status")["generation"].clone();
    assert_eq!(generation, 1 + done, "{answers:?}: each was one reload: {}", server.log());
}
