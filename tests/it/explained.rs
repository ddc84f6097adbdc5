//! What a running server explains is what it sends: `explain --at` against the wire, over random worlds.

use crate::harness::api::Api;
use crate::harness::client::receive;
use crate::harness::message::{Opt, presentation};
use crate::harness::server::run;
use crate::harness::small::{SPOKE_A, Small, public};
use crate::harness::{Public, Query, Setup, Upstream, client, port};
use crate::oracle::World;
use crate::oracle::generate::{self, Choices};
use hubdns::explain::{Explained, RecordLine, Reply};
use hubdns::wire::RecordType;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// How many worlds to draw: `HUBDNS_CASES`, or so many; each has so many questions.
const WORLDS: u64 = 8;
const QUESTIONS: usize = 1_250;

/// A reply without TTLs; of a failure without its extended errors, which say whether it is a cached one (R26).
fn plain(reply: &Reply) -> Reply {
    let without = |records: &[RecordLine]| records.iter().map(|own| RecordLine { ttl: 0, ..own.clone() }).collect();
    let mut plain = Reply { answer: without(&reply.answer), authority: without(&reply.authority), ..reply.clone() };
    if plain.rcode == "SERVFAIL" {
        plain.errors.clear();
    }
    plain
}

/// The highest difference of TTLs between two replies with the same records.
fn drift(one: &Reply, other: &Reply) -> u32 {
    let both = one.answer.iter().zip(&other.answer).chain(one.authority.iter().zip(&other.authority));
    both.map(|(one, other)| one.ttl.abs_diff(other.ttl)).max().unwrap_or(0)
}

struct Drawn {
    world: World,
    tables: Vec<Public>,
    questions: Vec<(IpAddr, String, u16)>,
}

fn draw(seed: u64) -> Drawn {
    let mut random = StdRng::seed_from_u64(seed);
    let numbers: Vec<u16> = (0..2_000 + 30 * QUESTIONS).map(|_| random.random()).collect();
    let mut choices = Choices::new(&numbers);
    let (world, tables) = (generate::world(&mut choices), generate::tables(&mut choices));
    let questions = (0..QUESTIONS).map(|_| {
        let (client, query) = (generate::client(&mut choices, &world), generate::query(&mut choices, &world));
        let (name, _) = presentation(&query.name);
        (client, if name.is_empty() { ".".to_owned() } else { name }, query.kind)
    });
    let questions = questions.collect();
    Drawn { world, tables, questions }
}

#[test]
fn a_running_server_explains_what_it_sends() {
    let worlds = std::env::var("HUBDNS_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(WORLDS);
    let (mut replies, mut forwarded) = (0, 0);
    let mut kinds: BTreeMap<(String, bool, bool, bool), usize> = BTreeMap::new();
    for seed in 0..worlds {
        let drawn = draw(seed);
        let upstreams = Public::start_each(&drawn.tables);
        let servers: Vec<_> = upstreams.iter().map(Upstream::server).collect();
        let admin = SocketAddr::from(([127, 0, 0, 1], port::free()));
        let text = drawn.world.render(&servers);
        let server = Setup::new(text.clone()).server(&format!("admin = \"{admin}\"")).start();
        let mut api = Api::new(admin).session();
        for (number, (client, name, kind)) in drawn.questions.iter().enumerate() {
            let qtype = RecordType(*kind).to_string();
            let mut explain = |ask: bool| -> Explained {
                let question = json!({ "client": client, "name": name, "type": qtype, "ask": ask });
                serde_json::from_value(api.told("/api/v1/explain", &question)).expect("an explanation")
            };
            let query = Query::new(name, *kind).opt(Opt { size: 1232, ..Opt::default() });
            let wire = || {
                let socket = server.client(&client.to_string()).socket();
                socket.send(&query.to_octets()).expect("sent");
                Reply::read(&receive(&socket, client::PATIENCE).expect("a reply")).expect("one that can be read")
            };
            // In turn, so that either finds an empty cache.
            let (explained, sent) = if number % 2 == 0 {
                let explained = explain(true);
                (explained, wire())
            } else {
                let sent = wire();
                (explain(true), sent)
            };
            let what = || format!("seed {seed}: {client} {name} {qtype}\n{sent:#?}\n{explained:#?}\n{text}");
            let told = explained.reply.as_ref().unwrap_or_else(|| panic!("{}", what()));
            assert_eq!(plain(told), plain(&sent), "{}", what());
            assert!(drift(told, &sent) <= 30, "{}", what());
            replies += 1;
            let is_withheld = sent.errors.iter().any(|own| own.code == 15);
            *kinds
                .entry((sent.rcode.clone(), sent.authoritative, !sent.answer.is_empty(), is_withheld))
                .or_default() += 1;
            // Without an exchange: the same, or what would have to be asked.
            let now = explain(false);
            match (&now.reply, &now.asks) {
                (Some(told), None) => assert_eq!(plain(told), plain(&sent), "{}", what()),
                (None, Some(_)) => forwarded += 1,
                _ => panic!("{now:#?}\n{}", what()),
            }
        }
    }
    println!("{replies} replies agree; {forwarded} were not in the cache; {kinds:#?}");
    assert!(forwarded < replies / 4, "{forwarded} of {replies} were not in the cache: they are hardly compared");
    // Every kind of reply has to be drawn often: owned, forwarded, withheld, blocked, missing, failed, refused.
    for (rcode, authoritative, has_answer, has_blocked) in [
        ("NOERROR", true, true, false),
        ("NOERROR", false, true, false),
        ("NOERROR", true, false, false),
        ("NOERROR", false, false, true),
        ("NXDOMAIN", true, false, false),
        ("NXDOMAIN", true, false, true),
        ("SERVFAIL", false, false, false),
        ("REFUSED", false, false, false),
    ] {
        let kind = (rcode.to_owned(), authoritative, has_answer, has_blocked);
        let count = kinds.get(&kind).copied().unwrap_or(0);
        assert!(worlds < WORLDS || count * 500 >= replies, "{count} of {kind:?} among {kinds:#?}");
    }
}

#[test]
fn the_shell_prints_what_a_running_server_explains_as_it_prints_the_file() {
    let upstream = Upstream::start(|seen| public().answer(&seen.name, seen.kind));
    let admin = SocketAddr::from(([127, 0, 0, 1], port::free()));
    let setup = Setup::new(Small::default().text(&[upstream.server()]));
    let server = setup.server(&format!("admin = \"{admin}\"")).start();
    let (path, url) = (server.path(), format!("http://{admin}"));
    let path = path.to_str().expect("a plain path");
    let by_server = |more: &[&str]| run(&[&["explain", "--at", &url, "--client", SPOKE_A], more].concat());
    for name in [
        "hp1.privatelink.avd.example",
        "rdweb.avd.example",
        "www.public.example",
        "localhost",
        "none.privatelink.avd.example",
    ] {
        for more in [&[][..], &["--json"]] {
            let offline = run(&[&["explain", "-c", path, "--client", SPOKE_A, name], more].concat());
            assert_eq!(by_server(&[&[name], more].concat()), offline, "{name}");
        }
    }
    let (code, out, errors) = by_server(&["--ask", "--expect", "198.51.100.10", "www.public.example"]);
    assert_eq!(code, 0, "{out}{errors}");
    assert!(out.contains("upstream: NOERROR") && out.contains("198.51.100.10"), "{out}");
    let (code, out, _) = by_server(&["--json", "www.public.example"]);
    let warm: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &warm["trail"][1]["source"]), (0, &json!("cache")), "{warm:#}");
    let (code, _, errors) = by_server(&["--expect", "nxdomain", "www.public.example"]);
    assert_eq!(code, 5, "{errors}");
    let (code, _, errors) = run(&["explain", "--at", "http://127.0.0.1:9", "--client", SPOKE_A, "a.example"]);
    assert!(code == 1 && errors.contains("cannot reach the admin API at 127.0.0.1:9"), "{errors}");
}
