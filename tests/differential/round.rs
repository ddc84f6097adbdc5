//! One world: both servers started, every question asked of both, each difference judged.

use crate::classes::{CLASSES, Case, is_refused};
use crate::compare::{Part, differences};
use crate::filed;
use crate::harness::client::PATIENCE;
use crate::harness::message::presentation;
use crate::harness::{Client, Query, Reply, Setup, Upstream};
use crate::named::Named;
use crate::oracle::sight::Sight;
use crate::oracle::{self, Verdict};
use crate::scene::Scene;
use crate::shapes;
use crate::trace::Trace;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

/// What became of the questions of a class.
#[derive(Clone, Copy, Default)]
struct Counts {
    /// To which it applies.
    applied: usize,
    /// Of which it explains a difference.
    differed: usize,
    /// Whose reply the oracle found right.
    confirmed: usize,
}

/// What became of the questions.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) asked: usize,
    pub(crate) equal: usize,
    pub(crate) unexplained: usize,
    classes: BTreeMap<usize, Counts>,
    /// Explained differences whose reply the oracle found right; it does not know all names.
    confirmed: usize,
}

impl Tally {
    /// The report: sums, then a table of the classes.
    pub(crate) fn print(&self, took: Duration) {
        let explained = self.asked - self.equal - self.unexplained;
        println!(
            "{} questions in {} s: {} equal, {explained} differ by a rule ({} of them right by the oracle), {} \
             unexplained",
            self.asked,
            took.as_secs(),
            self.equal,
            self.confirmed,
            self.unexplained
        );
        println!("| rule | why hubdns differs | questions | differ | right by the oracle |\n|---|---|---|---|---|");
        for (index, class) in CLASSES.iter().enumerate() {
            let Counts { applied, differed, confirmed } = self.classes.get(&index).copied().unwrap_or_default();
            println!("| {} | {} | {applied} | {differed} | {confirmed} |", class.rule, class.reason);
        }
    }
}

/// Runs one world.
pub(crate) fn run(binary: &Path, seed: u64, questions: usize, verbose: bool, tally: &mut Tally) {
    let scene = Scene::draw(seed, questions);
    let upstreams: Vec<_> = scene
        .tables
        .iter()
        .cloned()
        .map(|table| Upstream::start(move |seen| shapes::answer(&table, &seen.name, seen.kind)))
        .collect();
    let addresses: Vec<_> = upstreams.iter().map(|upstream| upstream.address).collect();
    let servers: Vec<_> = upstreams.iter().map(Upstream::server).collect();
    let named = Named::start(binary, &scene.world, &addresses);
    let hubdns = Setup::new(scene.configuration(&servers)).file("filed.zone", filed::TEXT).start();
    let begun = Instant::now();
    for (number, (client, query)) in scene.questions.iter().enumerate() {
        let asked = Asked { scene: &scene, client: *client, query, hubdns: hubdns.address, named: named.address };
        tally.asked += 1;
        if let Err(why) = asked.judge(number % 10 == 9, begun, tally) {
            tally.unexplained += 1;
            println!("seed {seed}, question {number}: {why}");
            if verbose {
                println!("{}\n{}", scene.configuration(&servers), named.log());
            }
        }
    }
}

/// One question of a scene, and whom it is asked.
struct Asked<'a> {
    scene: &'a Scene,
    client: IpAddr,
    query: &'a Query,
    hubdns: SocketAddr,
    named: SocketAddr,
}

impl Asked<'_> {
    /// Asks both and counts what comes of it.
    ///
    /// # Errors
    /// What differs without a reason.
    fn judge(&self, over_tcp: bool, begun: Instant, tally: &mut Tally) -> Result<(), String> {
        let mut pairs = vec![self.ask(over_tcp)?];
        if pairs[0].iter().any(Reply::tc) {
            pairs.push(self.ask(true)?);
        }
        let elapsed = 1 + u32::try_from(begun.elapsed().as_secs()).expect("a short run");
        let mut parts: Vec<Part> = pairs.iter().flat_map(|[own, other]| differences(own, other, elapsed)).collect();
        parts.sort();
        parts.dedup();
        let case = self.case();
        let applying: Vec<usize> = (0..CLASSES.len()).filter(|&index| (CLASSES[index].applies)(&case)).collect();
        for index in &applying {
            tally.classes.entry(*index).or_default().applied += 1;
        }
        if parts.is_empty() {
            tally.equal += 1;
            return Ok(());
        }
        let reason = |part: &Part| applying.iter().find(|&&index| CLASSES[index].parts.contains(part)).copied();
        let mut reasons: Vec<Option<usize>> = parts.iter().map(reason).collect();
        reasons.dedup();
        if reasons.contains(&None) {
            return Err(format!("{parts:?} differ\n{}", self.describe(&case, &pairs)));
        }
        let mut is_confirmed = true;
        for [own, _] in &pairs {
            match self.oracle_fault(&case, own, elapsed) {
                None => is_confirmed = false,
                Some(None) => {}
                Some(Some(fault)) => {
                    return Err(format!("{parts:?} differ and {fault}\n{}", self.describe(&case, &pairs)));
                }
            }
        }
        tally.confirmed += usize::from(is_confirmed);
        reasons.sort();
        reasons.dedup();
        for index in reasons.into_iter().flatten() {
            let counts = tally.classes.entry(index).or_default();
            counts.differed += 1;
            counts.confirmed += usize::from(is_confirmed);
        }
        Ok(())
    }

    /// hubdns's reply and BIND's.
    fn ask(&self, over_tcp: bool) -> Result<[Reply; 2], String> {
        let query = self.query.to_octets();
        let ask = |server| {
            let client = Client::new(&self.client.to_string(), server);
            let octets = if over_tcp {
                client.try_connect().ok().and_then(|mut session| {
                    session.send(&query);
                    session.receive(PATIENCE)
                })
            } else {
                client.datagram(&query, PATIENCE)
            };
            octets.map(Reply::decode)
        };
        match [ask(self.hubdns), ask(self.named)] {
            [Some(own), Some(other)] => Ok([own, other]),
            [own, other] => {
                Err(format!("no reply: hubdns {}, BIND {}\n{:?}", own.is_some(), other.is_some(), self.query))
            }
        }
    }

    fn name(&self) -> String {
        match presentation(&self.query.name).0 {
            empty if empty.is_empty() => ".".to_owned(),
            name => name,
        }
    }

    fn case(&self) -> Case<'_> {
        let world = &self.scene.world;
        let seen = world.view_of(self.client).map(|view| {
            let sight = Sight { world, view };
            let trace = Trace::follow(self.scene, &sight, &self.name(), self.query.kind);
            (sight, trace)
        });
        Case { query: self.query, seen }
    }

    /// What the oracle holds against hubdns's reply; none where it does not know the names or the rules leave it open.
    #[expect(clippy::option_option, reason = "not judged, right and wrong are three things")]
    fn oracle_fault(&self, case: &Case<'_>, reply: &Reply, elapsed: u32) -> Option<Option<String>> {
        let unknown = |name: &str| filed::holds(name) || shapes::is_scripted(name);
        let leads_there = |trace: &Trace| trace.names.iter().any(|(name, _)| unknown(name));
        if !is_refused(case) && case.seen.as_ref().is_some_and(|(_, trace)| leads_there(trace)) {
            return None;
        }
        let verdict = oracle::answer(&self.scene.world, &self.scene.tables, self.client, self.query);
        let Verdict::Reply(mut expected) = verdict else { return None };
        // An EDE that does not fit is left out (R9): six octets.
        let limit = self.query.opt.as_ref().map_or(512, |opt| usize::from(opt.size.clamp(512, 1232)));
        if reply.ede().is_none() && reply.octets.len() + 6 > limit {
            expected.ede = None;
        }
        Some(expected.fault(reply, elapsed))
    }

    fn describe(&self, case: &Case<'_>, pairs: &[[Reply; 2]]) -> String {
        let mut text = format!("client {} asks {} {:?}\n", self.client, self.name(), self.query);
        if let Some((_, trace)) = &case.seen {
            text += &format!("it leads to {trace:?}\n");
        }
        for (reply, who) in pairs.iter().flat_map(|[own, other]| [(own, "hubdns"), (other, "BIND")]) {
            text += &format!(
                "{who}: RCODE {} AA {} TC {} RD {} RA {} AD {} CD {} EDE {:?} {} octets\n  {:?}\n  {:?}\n",
                reply.rcode(),
                reply.aa(),
                reply.tc(),
                reply.rd(),
                reply.ra(),
                reply.ad(),
                reply.cd(),
                reply.ede(),
                reply.octets.len(),
                reply.answers(),
                reply.authority()
            );
        }
        text
    }
}
