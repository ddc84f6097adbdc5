//! The names, the public DNS behind them, and what a reply may hold.

use crate::harness::message::{Rr, kind, presentation, wire_name};
use crate::harness::reply::rcode;
use crate::harness::{Opt, Query, Reply, Script};
use std::net::IpAddr;

pub(super) const POOL: &str = "fbc91b00-e6a4-4b2c-a7d8-68c7a740fe9f";
pub(super) const FOREIGN: &str = "0d4f2c6e-1111-4222-8333-944455556666";
pub(super) const TYPES: [u16; 4] = [kind::A, kind::AAAA, kind::HTTPS, kind::SVCB];
pub(super) const DEPTHS: usize = 13;
/// The views, by the third octet of their clients and the second of their addresses.
pub(super) const NETS: [u8; 2] = [10, 20];
/// Past its life, with an upstream that fails (R33).
pub(super) const STALE: &str = "stale";
/// Larger than the client's datagram (R9).
pub(super) const CUT: &str = "cut for the client";
const CUT_OCTETS: usize = 512;
/// The guard modes that withhold.
pub(super) const MODES: [&str; 2] = ["own", "all"];
/// What no reply may hold, wherever: a public IPv4 address (also mapped) and a public IPv6 one.
pub(super) const PUBLIC: [&[u8]; 2] = [&[203, 0, 113], &[0x20, 0x01, 0x0d, 0xb8]];

/// One guarded name.
pub(super) struct Guarded {
    pub(super) what: &'static str,
    pub(super) name: String,
    /// The last octet of its private address where the view owns it.
    pub(super) owned: Option<u8>,
    /// Guarded under `guard = "all"` alone.
    pub(super) all_only: bool,
}

/// Every kind of R25.
pub(super) fn guarded() -> Vec<Guarded> {
    let one = |what, name: String, owned| Guarded { what, name, owned, all_only: false };
    let mut all = vec![
        one("endpoint, public spelling", format!("{POOL}.rdbroker.wvd.microsoft.com"), Some(7)),
        one("endpoint, private spelling", format!("{POOL}.rdbroker.privatelink.wvd.microsoft.com"), Some(7)),
        one("global endpoint, public", "rdweb.wvd.microsoft.com".to_owned(), Some(4)),
        one("global endpoint, private", "rdweb.privatelink-global.wvd.microsoft.com".to_owned(), Some(4)),
        one("wildcard endpoint", "w.wild.example".to_owned(), Some(9)),
        one("below an endpoint, public", format!("x.{POOL}.rdbroker.wvd.microsoft.com"), None),
        one("below an endpoint, private", format!("x.{POOL}.rdbroker.privatelink.wvd.microsoft.com"), None),
        one("GUID-mate, public", format!("{POOL}.rdnew.wvd.microsoft.com"), None),
        one("GUID-mate, private", format!("{POOL}.rdnew.privatelink.wvd.microsoft.com"), None),
        one("must-be-private name", "acct1.file.example".to_owned(), None),
        one("must-be-private wildcard", "a.b.vault.example".to_owned(), None),
        one("under privatelink-global", "rdweb-r9.privatelink-global.wvd.microsoft.com".to_owned(), None),
    ];
    let name = format!("{FOREIGN}.rdbroker.privatelink.wvd.microsoft.com");
    all.push(Guarded { what: "another resource", name, owned: None, all_only: true });
    all
}

/// The kinds that a mode guards, with their number in all.
pub(super) fn guarded_by(mode: &str) -> Vec<(usize, Guarded)> {
    guarded().into_iter().enumerate().filter(|(_, name)| mode == "all" || !name.all_only).collect()
}

/// QNAME for a depth: so many aliases before the guarded name. Long ones are for answers that do not fit a datagram.
pub(super) fn qname(number: usize, name: &str, depth: usize, long: bool) -> String {
    match depth.checked_sub(1) {
        None => name.to_owned(),
        Some(step) => alias(step, if long { LONG } else { "" }, number),
    }
}

/// What makes a name long: no other name ends in it, so that it is not compressed away.
const LONG: &str = "-long-long-long-long-long-long-long-long-long";

fn alias(step: usize, long: &str, number: usize) -> String {
    format!("s{step}{long}.k{number}.steps.example")
}

/// A query for a cell.
pub(super) fn query(number: usize, name: &Guarded, depth: usize, qtype: u16, state: &str) -> Query {
    let is_cut = state == CUT;
    let size = if is_cut { u16::try_from(CUT_OCTETS).expect("a datagram's size") } else { 1_232 };
    Query::new(&qname(number, &name.name, depth, is_cut), qtype).opt(Opt { size, ..Opt::default() })
}

/// Both views with everything that guards, or with nothing of it.
pub(super) fn text(server: &str, mode: Option<&str>, upstream: &str) -> String {
    let mut text = format!("[[upstream]]\nname = \"azure\"\nservers = [\"{server}\"]\n{upstream}\n");
    for net in NETS {
        let Some(mode) = mode else {
            text += &format!("[[view]]\nname = \"v{net}\"\nnetworks = [\"127.0.{net}.0/24\"]\nguard = \"off\"\n");
            continue;
        };
        text += &format!(
            r#"
[[endpoint]]
name = "pool-{net}"
kind = "host-pool"
resource = "{POOL}"
records = {{ "{POOL}.rdbroker.wvd.microsoft.com" = ["10.{net}.4.7"] }}
[[endpoint]]
name = "global-{net}"
kind = "global"
records = {{ "rdweb.wvd.microsoft.com" = ["10.{net}.4.4"] }}
[[endpoint]]
name = "wild-{net}"
kind = "other"
records = {{ "*.wild.example" = ["10.{net}.4.9"] }}
[[view]]
name = "v{net}"
networks = ["127.0.{net}.0/24"]
endpoints = ["pool-{net}", "global-{net}", "wild-{net}"]
guard = "{mode}"
must-be-private = ["acct1.file.example", "*.vault.example"]
"#
        );
    }
    text
}

/// The public chain from a name to its public end; a liar reverses it, mixes a private address in, adds records that
/// nobody asked for, and makes the hints mandatory.
pub(super) fn public(name: &str, qtype: u16, lying: bool) -> Script {
    let mut answers = Vec::new();
    let mut owner = name.to_owned();
    if let Some((step, rest)) = name.strip_prefix('s').and_then(|name| name.split_once(".k")) {
        let (number, _) = rest.split_once('.').expect("a step's name");
        let number = number.parse().expect("a kind's number");
        let end = guarded().swap_remove(number).name;
        let (step, long) = step.split_at(step.find('-').unwrap_or(step.len()));
        for next in (0..step.parse().expect("a step")).rev() {
            let target = alias(next, long, number);
            answers.push(Rr::cname(&owner, 60, &target));
            owner = target;
        }
        answers.push(Rr::cname(&owner, 60, &end));
        owner = end;
    }
    let new = format!("{POOL}.rdnew.wvd.microsoft.com");
    if owner == new {
        let private = new.replace(".wvd", ".privatelink.wvd");
        answers.push(Rr::cname(&owner, 60, &private));
        owner = private;
    }
    if owner != "acct1.file.example" {
        answers.push(Rr::cname(&owner, 60, "front.example"));
        owner = "front.example".to_owned();
    }
    let hints = [(4, vec![203, 0, 113, 50]), (6, [PUBLIC[1], &[0; 11], &[0x50]].concat())];
    let mandatory = (0, vec![0, 4]);
    let parameters: Vec<_> =
        lying.then_some(mandatory).into_iter().chain([(1, b"\x02h2".to_vec())]).chain(hints).collect();
    match qtype {
        kind::A => answers.push(Rr::host(&owner, 60, "203.0.113.50")),
        kind::AAAA => answers.push(Rr::host(&owner, 60, "2001:db8::50")),
        _ => answers.push(Rr::service(&owner, qtype, 60, ".", &parameters)),
    }
    let mut script = Script::records(answers);
    if lying {
        match qtype {
            kind::A => script.answers.push(Rr::host(&owner, 60, "10.99.0.1")),
            kind::AAAA => script.answers.push(Rr::host(&owner, 60, "::ffff:203.0.113.51")),
            _ => {}
        }
        script.answers.reverse();
        script.answers.push(Rr::host("other.example", 60, "203.0.113.66"));
        script.authority.push(Rr::ns("example", 60, "ns.example"));
        script.additional.push(Rr::host(name, 60, "203.0.113.67"));
    }
    script
}

/// One cell of the matrix.
pub(super) struct Cell<'a> {
    pub(super) state: &'static str,
    pub(super) mode: &'static str,
    pub(super) number: usize,
    pub(super) name: &'a Guarded,
    pub(super) depth: usize,
    pub(super) qtype: u16,
    pub(super) net: u8,
}

impl Cell<'_> {
    /// Whether an answer was withheld; an error says what is wrong with it.
    fn judge(&self, reply: &Reply) -> Result<bool, String> {
        let wrong = |what: &str| {
            let Self { state, mode, name, depth, qtype, net, .. } = self;
            let cell =
                format!("{state}, {mode}, {} {} at depth {depth}, TYPE{qtype}, view v{net}", name.what, name.name);
            Err(format!("{cell}: {what}: {:?} {:?} EDE {:?}", reply.answers(), reply.authority(), reply.ede()))
        };
        let holds = |wanted: &[u8]| reply.octets.windows(wanted.len()).any(|octets| octets == wanted);
        if PUBLIC.iter().any(|address| holds(address)) {
            return wrong("a public address");
        }
        let other = if self.net == NETS[0] { NETS[1] } else { NETS[0] };
        if holds(&[10, other, 4]) {
            return wrong("the other view's address");
        }
        let answers = reply.answers();
        if answers.iter().any(has_hints) {
            return wrong("a hint");
        }
        if self.state == CUT && reply.tc() {
            // As much of the chain as fits, and nothing of what is behind it.
            let targets = reply.targets();
            let chain = (0..self.depth.saturating_sub(1)).rev().map(|step| alias(step, LONG, self.number));
            let is_chain =
                targets.iter().zip(chain.chain([self.name.name.clone()])).all(|(got, wanted)| *got == wanted);
            let is_aliases = targets.len() == answers.len() && reply.authority().is_empty();
            let is_whole = is_chain && is_aliases && reply.rcode() == rcode::NOERROR;
            return if is_whole { Ok(false) } else { wrong("not the beginning of the chain") };
        }
        if self.state.starts_with("down") && !(self.depth == 0 && self.name.owned.is_some()) {
            let is_failure = reply.rcode() == rcode::SERVFAIL && answers.is_empty();
            return if is_failure { Ok(false) } else { wrong("no SERVFAIL") };
        }
        if reply.rcode() != rcode::NOERROR {
            return wrong(&format!("RCODE {}", reply.rcode()));
        }
        let is_service = matches!(self.qtype, kind::HTTPS | kind::SVCB);
        let data: Vec<_> = answers.iter().filter(|rr| rr.kind != kind::CNAME).collect();
        if self.name.owned.is_none() && is_service {
            // The record stays without its hints; where `mandatory` lists one, it goes.
            let wanted = usize::from(!self.state.starts_with("lying"));
            return if data.len() == wanted { Ok(false) } else { wrong("service records") };
        }
        let targets = reply.targets();
        if targets.len() != self.depth || targets.last().is_some_and(|last| *last != self.name.name) {
            return wrong("not the aliases up to the guarded name");
        }
        if let Some(last) = self.name.owned
            && self.qtype == kind::A
        {
            let held = IpAddr::from([10, self.net, 4, last]);
            return if reply.addresses() == [held] && data.len() == 1 { Ok(false) } else { wrong("not its address") };
        }
        let authority = reply.authority();
        let is_synthetic = authority.len() == 1
            && authority[0].kind == kind::SOA
            && authority[0].name == self.name.name
            && authority[0].data.starts_with(&wire_name("hubdns.invalid"));
        if !data.is_empty() || !is_synthetic {
            return wrong("no NODATA with the synthetic SOA");
        }
        let is_withheld = self.name.owned.is_none();
        let mut wanted = if is_withheld { vec![15] } else { Vec::new() };
        if self.state == STALE && (self.depth > 0 || is_withheld) {
            wanted.insert(0, 3);
        }
        // What does not fit a datagram is left out (R9): six octets for each.
        let is_full =
            self.state == CUT && reply.octets.len() + 6 * wanted.len() > CUT_OCTETS && reply.errors().is_empty();
        if reply.errors() != wanted && !is_full {
            return wrong("not its extended errors");
        }
        Ok(is_withheld)
    }
}

/// Whether a record is HTTPS or SVCB with an address hint.
pub(super) fn has_hints(record: &Rr) -> bool {
    if !matches!(record.kind, kind::HTTPS | kind::SVCB) {
        return false;
    }
    let mut at = 2 + presentation(&record.data[2..]).1;
    while let [high, low, long_high, long_low, ..] = record.data[at..] {
        if matches!([high, low], [0, 4 | 6]) {
            return true;
        }
        at += 4 + usize::from(u16::from_be_bytes([long_high, long_low]));
    }
    false
}

/// What the cells came to.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) cells: usize,
    pub(super) withheld: usize,
    pub(super) faults: Vec<String>,
}

impl Tally {
    pub(super) fn add(&mut self, cell: &Cell<'_>, reply: &Reply) {
        self.cells += 1;
        match cell.judge(reply) {
            Ok(withheld) => self.withheld += usize::from(withheld),
            Err(fault) => self.faults.push(fault),
        }
    }

    pub(super) fn end(&self, what: &str) {
        println!("leak matrix, {what}: {} cells, {} withheld, {} wrong", self.cells, self.withheld, self.faults.len());
        let first: Vec<_> = self.faults.iter().take(10).collect();
        assert!(first.is_empty(), "{} of {} cells are wrong: {first:#?}", self.faults.len(), self.cells);
    }
}
