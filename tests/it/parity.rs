//! The product against the oracle, and its three ways of answering against each other: over random worlds, whatever
//! answers a query has to say what the rules say, and UDP from the cache, UDP past an exchange and TCP have to say it
//! in the same octets.

use crate::harness::{Public, Query, Reply, Setup, Upstream};
use crate::oracle::generate::{self, Choices};
use crate::oracle::{Verdict, World, answer};
use crate::pure::{self, Core};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestError, TestRunner};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// How many worlds to draw: `HUBDNS_CASES`, or so many.
fn cases(default: u32) -> u32 {
    std::env::var("HUBDNS_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The numbers that a world, its tables and its queries are made of.
fn numbers() -> impl Strategy<Value = Vec<u16>> {
    proptest::collection::vec(any::<u16>(), 1600)
}

/// One drawn case.
struct Case {
    world: World,
    tables: Vec<Public>,
    queries: Vec<(IpAddr, Query)>,
}

impl Case {
    fn draw(numbers: &[u16], queries: usize) -> Self {
        let mut choices = Choices::new(numbers);
        let world = generate::world(&mut choices);
        let tables = generate::tables(&mut choices);
        let queries = (0..queries)
            .map(|_| (generate::client(&mut choices, &world), generate::query(&mut choices, &world)))
            .collect();
        Self { world, tables, queries }
    }

    /// Everything that a reader of a failure needs.
    fn describe(&self, client: IpAddr, query: &Query, wanted: &Verdict, reply: &Reply) -> String {
        let text = self.world.render(&["127.0.0.1:5301".to_owned(), "127.0.0.1:5302".to_owned()]);
        let (name, _) = crate::harness::message::presentation(&query.name);
        let raw = self.tables.iter().map(|table| {
            let script = table.answer(&name, query.kind);
            format!("RCODE {} AD {} {:#?} {:#?}\n", script.rcode, script.ad, script.answers, script.authority)
        });
        let raw: String = raw.collect();
        format!(
            "{text}\nclient {client}, view {:?}\nquery {name} {query:?}\n\nwanted {wanted:#?}\n\ngot {}\n\nupstreams: {raw}",
            self.world.view_of(client).map(|view| &view.name),
            format_args!(
                "RCODE {} AA {} AD {} TC {} EDE {:?} {:#?} {:#?}",
                reply.rcode(),
                reply.aa(),
                reply.ad(),
                reply.tc(),
                reply.ede(),
                reply.answers(),
                reply.authority()
            )
        )
    }

    fn check(&self, client: IpAddr, query: &Query, reply: &Reply, elapsed: u32) -> Result<bool, TestCaseError> {
        let wanted = answer(&self.world, &self.tables, client, query);
        let Verdict::Reply(expected) = &wanted else { return Ok(false) };
        let mut expected = expected.clone();
        // An EDE that does not fit is left out (R9): six octets.
        let limit = query.opt.as_ref().map_or(512, |opt| usize::from(opt.size.clamp(512, 1232)));
        if reply.ede().is_none() && reply.octets.len() + 6 > limit {
            expected.ede = None;
        }
        if let Some(fault) = expected.fault(reply, elapsed) {
            return Err(TestCaseError::fail(format!("{fault}\n{}", self.describe(client, query, &wanted, reply))));
        }
        Ok(true)
    }
}

/// Runs a property with a seed that is printed, so that a failure can be run again.
fn run(count: u32, shrinks: u32, property: impl FnMut(&[u16]) -> Result<(), TestCaseError>) {
    let config = Config { cases: count, failure_persistence: None, max_shrink_iters: shrinks, ..Config::default() };
    let property = std::cell::RefCell::new(property);
    let mut runner = TestRunner::new(config);
    match runner.run(&numbers(), |numbers| (property.borrow_mut())(&numbers)) {
        Ok(()) => {}
        Err(TestError::Fail(reason, numbers)) => panic!("{}\nmade of {numbers:?}", reason.message()),
        Err(error) => panic!("{error}"),
    }
}

/// The octets of a reply with every TTL but OPT's set to zero.
fn without_ttls(octets: &[u8]) -> Vec<u8> {
    let mut out = octets.to_vec();
    let count = |at: usize| usize::from(u16::from_be_bytes([octets[at], octets[at + 1]]));
    let skip = |mut at: usize| loop {
        match octets[at] {
            0 => return at + 1,
            pointer if pointer >= 0xc0 => return at + 2,
            length => at += 1 + usize::from(length),
        }
    };
    let mut at = 12;
    for _ in 0..count(4) {
        at = skip(at) + 4;
    }
    for _ in 0..count(6) + count(8) + count(10) {
        at = skip(at);
        if count(at) != 41 {
            out[at + 4..at + 8].fill(0);
        }
        at += 10 + count(at + 8);
    }
    out
}

#[test]
fn r01_the_core_says_what_the_oracle_says() {
    let (mut judged, mut open, mut owned) = (0u32, 0u32, 0);
    run(cases(1_500), 2_000, |numbers| {
        let case = Case::draw(numbers, 24);
        let text = case.world.render(&pure::servers());
        let whole = format!("version = 1\n[server]\nlisten = [\"127.0.0.1:5300\"]\n{text}");
        let mut core = Core::load(&whole, 1).map_err(|error| TestCaseError::fail(format!("{text}\n{error}")))?;
        owned += core.canary().map_err(|error| TestCaseError::fail(format!("{text}\n{error}")))?;
        // Cold; warm over a stream; then seven seconds later, after a reload that changes nothing.
        for (round, (stream, age)) in [(false, 0), (true, 0), (false, 7)].into_iter().enumerate() {
            if round == 2 {
                core = Core::load(&whole, 2).expect("it loaded before").after(core);
            }
            let now = Duration::from_secs(1_000 + age);
            for (client, query) in &case.queries {
                let reply = core.ask(&case.tables, *client, query, stream, now).expect("a reply is owed");
                if case.check(*client, query, &reply, u32::try_from(age).expect("small"))? {
                    judged += 1;
                } else {
                    open += 1;
                }
            }
        }
        Ok(())
    });
    println!("{judged} replies judged, {open} left open by the rules, {owned} asked by the canary");
    assert!(judged > 8 * open && owned > 1_000, "{judged} judged, {open} open, {owned} owned");
}

#[test]
fn the_ways_of_answering_agree_with_each_other_and_with_the_oracle() {
    let count = cases(12);
    let (mut judged, mut open) = (0u32, 0u32);
    run(count, 20, |numbers| {
        let case = Case::draw(numbers, 40);
        let upstreams = Public::start_each(&case.tables);
        let servers: Vec<_> = upstreams.iter().map(Upstream::server).collect();
        let server = Setup::new(case.world.render(&servers)).start();
        let begun = Instant::now();
        for (client, query) in &case.queries {
            let asker = server.client(&client.to_string());
            let general =
                Reply::decode(asker.datagram(&query.to_octets(), crate::harness::client::PATIENCE).expect("a reply"));
            let fast =
                Reply::decode(asker.datagram(&query.to_octets(), crate::harness::client::PATIENCE).expect("a reply"));
            let mut session = asker.connect();
            session.send(&query.to_octets());
            let stream = Reply::decode(session.receive(crate::harness::client::PATIENCE).expect("a reply"));
            let elapsed = 1 + u32::try_from(begun.elapsed().as_secs()).expect("a short run");
            for reply in [&general, &fast, &stream] {
                if case.check(*client, query, reply, elapsed)? {
                    judged += 1;
                } else {
                    open += 1;
                }
            }
            let limit = query.opt.as_ref().map_or(512, |opt| usize::from(opt.size.clamp(512, 1232)));
            let data = |reply: &Reply| -> Vec<_> {
                reply.answers().iter().map(|record| (record.name.clone(), record.kind, record.data.clone())).collect()
            };
            let same = |one: &Reply, other: &Reply| {
                one.tc() != other.tc()
                    || without_ttls(&one.octets) == without_ttls(&other.octets)
                    // What is too large for UDP is written anew and may fit then (R9): the same records.
                    || other.octets.len() > limit && data(one) == data(other)
            };
            // A failure's EDE says whether it is a cached one (R26): that may differ.
            let failed = general.rcode() == 2;
            let agree = same(&general, &fast) && same(&general, &stream);
            if !failed && !agree {
                let wanted = answer(&case.world, &case.tables, *client, query);
                return Err(TestCaseError::fail(format!(
                    "the octets differ:\ngeneral {:02x?}\nfast    {:02x?}\nstream  {:02x?}\n{}",
                    general.octets,
                    fast.octets,
                    stream.octets,
                    case.describe(*client, query, &wanted, &fast)
                )));
            }
        }
        Ok(())
    });
    println!("{judged} replies judged, {open} left open by the rules");
    assert!(judged > 8 * open, "{judged} judged, {open} open: the oracle judges too little");
}

#[test]
fn the_oracle_judges_most_of_what_is_drawn() {
    let (mut judged, mut open) = (0u32, std::collections::BTreeMap::new());
    let mut kinds = std::collections::BTreeMap::new();
    run(500, 0, |numbers| {
        let case = Case::draw(numbers, 24);
        for (client, query) in &case.queries {
            match answer(&case.world, &case.tables, *client, query) {
                Verdict::Reply(expected) => {
                    judged += 1;
                    let shape = (expected.rcode, expected.aa, expected.answers.len().min(4), expected.ede.flatten());
                    *kinds.entry(shape).or_insert(0u32) += 1;
                }
                Verdict::Open(why) => *open.entry(why).or_insert(0u32) += 1,
            }
        }
        Ok(())
    });
    assert!(judged > 8 * open.values().sum::<u32>(), "{judged} judged, open: {open:?}");
    // Every shape of reply has to be drawn often: owned, forwarded, withheld, blocked, failed, refused.
    type Shape = (u16, Option<bool>, usize, Option<u16>);
    let seen = |wanted: &dyn Fn(&Shape) -> bool| -> u32 {
        kinds.iter().filter(|(shape, _)| wanted(shape)).map(|(_, count)| count).sum()
    };
    assert!(seen(&|shape| shape.0 == 0 && shape.1 == Some(true) && shape.2 > 0) > 200, "{kinds:?}");
    assert!(seen(&|shape| shape.0 == 0 && shape.1 == Some(false) && shape.2 > 1) > 200, "{kinds:?}");
    assert!(seen(&|shape| shape.0 == 0 && shape.3 == Some(15)) > 50, "{kinds:?}");
    assert!(seen(&|shape| shape.0 == 3 && shape.3 == Some(15)) > 50, "{kinds:?}");
    assert!(seen(&|shape| shape.0 == 2) > 20, "{kinds:?}");
    assert!(seen(&|shape| shape.0 == 5) > 50, "{kinds:?}");
}
