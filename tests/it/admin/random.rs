//! Requests that nobody would write: whatever comes, the answer is one that is described, and the server goes on.

use super::{public, start};
use crate::harness::api::description;
use crate::harness::message::kind;
use crate::harness::small::SPOKE_A;
use rand::RngExt;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Map, Value, json};

const TEXTS: [&str; 20] = [
    "",
    ".",
    "a.example",
    "rdweb",
    "spoke-a",
    "public",
    "blocked",
    "1h",
    "-1s",
    "99999999999999999999d",
    "A",
    "ANY",
    "TYPE65536",
    "127.0.10.9",
    "::1",
    "127.0.0.1:53",
    "\u{0}",
    "ä.example",
    "\\255\\000.example",
    "*",
];
const NAMES: [&str; 14] = [
    "client", "local", "name", "type", "ask", "all", "subtree", "route", "view", "endpoint", "state", "for", "limit",
    "more",
];

/// A value of any kind, mostly an object of members that mean something.
fn value(random: &mut StdRng, depth: usize) -> Value {
    match random.random_range(0..if depth < 3 { 9 } else { 6 }) {
        0 => Value::Null,
        1 => json!(random.random::<bool>()),
        2 => json!(random.random::<i64>()),
        3 => json!(random.random::<f64>()),
        4 | 5 => json!(TEXTS[random.random_range(0..TEXTS.len())]),
        6 => (0..random.random_range(0..4)).map(|_| value(random, depth + 1)).collect(),
        _ => object(random, depth),
    }
}

fn object(random: &mut StdRng, depth: usize) -> Value {
    let count = random.random_range(0..6);
    let members = (0..count).map(|_| {
        // Texts, mostly: other kinds are refused at once.
        let own = if random.random_range(0..4) > 0 {
            json!(TEXTS[random.random_range(0..TEXTS.len())])
        } else {
            value(random, depth + 1)
        };
        (NAMES[random.random_range(0..NAMES.len())].to_owned(), own)
    });
    Value::Object(members.collect::<Map<_, _>>())
}

#[test]
fn whatever_is_sent_is_answered_as_described() {
    let upstream = public();
    let (mut server, api) = start(&upstream, "");
    let mut random = StdRng::seed_from_u64(11);
    let mut statuses = std::collections::BTreeMap::new();
    for _ in 0..1_500 {
        let (path, methods) = {
            let paths = description()["paths"].as_object().expect("paths");
            paths.iter().nth(random.random_range(0..paths.len())).expect("a path")
        };
        let is_post = methods.get("post").is_some();
        let answer = if is_post {
            let body = if random.random_range(0..10) == 0 { value(&mut random, 0) } else { object(&mut random, 0) };
            api.post(path, &body)
        } else {
            let mut query = String::new();
            for _ in 0..random.random_range(0..4) {
                let text: String =
                    TEXTS[random.random_range(0..TEXTS.len())].bytes().map(|octet| format!("%{octet:02x}")).collect();
                query += &format!("&{}={text}", NAMES[random.random_range(0..NAMES.len())]);
            }
            api.get(&format!("{path}?{query}"))
        };
        assert!(answer.status < 500, "{path}: {answer:?}");
        *statuses.entry((path.clone(), answer.status)).or_insert(0_u32) += 1;
    }
    assert!(server.is_alive(), "{}", server.log());
    assert!(!server.log().contains("panicked"), "{}", server.log());
    let of = |status: u16| statuses.iter().filter(|((_, own), _)| *own == status).map(|(_, count)| count).sum::<u32>();
    assert!(of(200) > 100 && of(400) > 300, "{statuses:#?}");
    assert_eq!(server.client(SPOKE_A).ask("hp1.privatelink.avd.example", kind::A).addresses().len(), 1);
}
