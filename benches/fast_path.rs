//! Bytes in, bytes out: the core alone, without a socket. One figure a kind of answer.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use hubdns::cache::{Cache, Limits};
use hubdns::load;
use hubdns::resolve::{Client, Outcome, Silence, Transport, answer};
use hubdns::view::Snapshot;
use hubdns::wire::{Key, Moment, RawAnswer};

const CONFIGURATION: &str = r#"
version = 1
[server]
listen = ["127.0.0.1:5300"]
[[upstream]]
name = "stand-in"
servers = ["127.0.0.1:5301"]
[[endpoint]]
name = "discovery"
kind = "global"
records = { "rdweb.wvd.microsoft.com" = ["10.10.1.4"] }
[[zone]]
name = "priv"
apex = "priv.example"
records = { "hp1" = ["10.10.4.4"], "ws1" = ["10.10.4.5"] }
[[view]]
name = "clients"
networks = ["127.0.10.0/24"]
endpoints = ["discovery"]
zones = ["priv"]
"#;

/// A query for an A record with RD and an OPT record.
fn query(name: &str) -> Vec<u8> {
    let mut message = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    message.extend(wire(name));
    message.extend([0, 1, 0, 1, 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    message
}

fn wire(name: &str) -> Vec<u8> {
    let labels = name.split('.').flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat());
    labels.chain([0]).collect()
}

/// An upstream's reply: an alias where `target` is given, then one address.
fn reply(name: &str, target: Option<&str>) -> Vec<u8> {
    let mut message = vec![0, 7, 0x81, 0x80, 0, 1, 0, 1 + u8::from(target.is_some()), 0, 0, 0, 0];
    message.extend(wire(name));
    message.extend([0, 1, 0, 1]);
    let mut owner = vec![0xc0, 12];
    if let Some(target) = target {
        let target = wire(target);
        message.extend([&owner[..], &[0, 5, 0, 1, 0, 0, 1, 44, 0, target.len() as u8], &target].concat());
        owner = target;
    }
    message.extend([&owner[..], &[0, 1, 0, 1, 0, 0, 14, 16, 0, 4, 192, 0, 2, 1]].concat());
    message
}

fn kinds(criterion: &mut Criterion) {
    let loaded = load::from_text("bench.toml", CONFIGURATION);
    let mut plan = loaded.plan.unwrap_or_else(|| panic!("{:?}", loaded.findings));
    plan.generation = 1;
    let snapshot = Snapshot::build(plan);
    let cache = Cache::new(1 << 24, Limits::default());
    let now = Moment::from_millis(1_000);
    let route = snapshot.views[0].default_route;
    for (name, target) in [("www.fwd.example", None), ("al1.fwd.example", Some("hp1.priv.example"))] {
        let message = reply(name, target);
        let owner = hubdns::wire::WireName::from_presentation(name).unwrap();
        let key = Key::new(route.id, owner.as_ref(), 1, false, false);
        cache.insert(&key, RawAnswer::from_upstream(&message, &key).unwrap(), now);
    }
    let client = |address: &str| {
        Client::new(format!("{address}:4000").parse().unwrap(), "127.0.0.1:5300".parse().unwrap(), Transport::Udp)
    };
    let (inside, outside) = (client("127.0.10.1"), client("127.0.99.1"));
    let mut group = criterion.benchmark_group("answer");
    for (kind, name, from) in [
        ("endpoint", "rdweb.wvd.microsoft.com", &inside),
        ("zone", "hp1.priv.example", &inside),
        ("nxdomain", "missing.priv.example", &inside),
        ("hit", "www.fwd.example", &inside),
        ("alias", "al1.fwd.example", &inside),
        ("miss", "never.fwd.example", &inside),
        ("refused", "hp1.priv.example", &outside),
    ] {
        let message = query(name);
        let mut out = [0; 1_232];
        group.bench_function(kind, |bencher| {
            bencher.iter(|| {
                let outcome = answer(black_box(&message), from, &snapshot, &cache, now, &mut out, &mut Silence);
                assert!(matches!(outcome, Outcome::Reply(_)) || kind == "miss");
                outcome
            });
        });
    }
    group.finish();
}

criterion_group!(benches, kinds);
criterion_main!(benches);
