//! The walk a second time (R6, R10, R18 to R26): from a query to what its reply has to be.

use super::expected::{Authority, Expected, Record, Verdict};
use super::guard::{Outcome, judge, without_hints};
use super::name::is_below;
use super::sight::{Sight, Special, What};
use super::world::{Data, World};
use crate::harness::message::{Query, Rr, kind, presentation, wire_name};
use crate::harness::reply::rcode;
use crate::harness::{Public, Script};
use std::net::IpAddr;

/// The most aliases in an answer (R21).
const MOST: usize = 16;

/// What a reply to this query has to be. `tables` are the public tables that the world's upstreams serve.
pub(crate) fn answer(world: &World, tables: &[Public], client: IpAddr, query: &Query) -> Verdict {
    let expected = |expected| Verdict::Reply(Box::new(expected));
    if query.opcode != 0 {
        return expected(Expected { ad: None, ..Expected::rcode(4) });
    }
    let Some(view) = world.view_of(client) else {
        return expected(Expected { ede: Some(Some(18)), ..Expected::rcode(rcode::REFUSED) });
    };
    if query.opt.as_ref().is_some_and(|opt| opt.version > 0) {
        return expected(Expected::rcode(rcode::BADVERS));
    }
    if query.class != 1 || matches!(query.kind, 249..=254) {
        return expected(Expected::rcode(rcode::REFUSED));
    }
    if query.kind == kind::OPT {
        return expected(Expected::rcode(rcode::FORMERR));
    }
    let (qname, _) = presentation(&query.name);
    let qname = if qname.is_empty() { ".".to_owned() } else { qname };
    let mut walk = Walk {
        sight: Sight { world, view },
        tables,
        query,
        names: vec![qname],
        answers: Vec::new(),
        cuts: Vec::new(),
        ad: query.ad || query.opt.as_ref().is_some_and(|opt| opt.dnssec_ok),
        aa: None,
    };
    walk.run()
}

/// Where a chain went on outside of a raw answer.
struct Cut {
    /// How many answer records stand before it.
    at: usize,
    /// The raw answer ended in a bare alias, and its target was asked on the same route.
    continued: bool,
}

/// A walk under way.
struct Walk<'a> {
    sight: Sight<'a>,
    tables: &'a [Public],
    query: &'a Query,
    /// The names of the chain: QNAME and every alias' target.
    names: Vec<String>,
    answers: Vec<Record>,
    cuts: Vec<Cut>,
    /// The AD bit so far.
    ad: bool,
    /// What the first owner makes of AA.
    aa: Option<bool>,
}

/// What a step of the walk leads to.
enum Step {
    On,
    Done(Verdict),
}

impl Walk<'_> {
    fn run(&mut self) -> Verdict {
        loop {
            match self.step() {
                Step::On => {}
                Step::Done(verdict) => return verdict,
            }
        }
    }

    fn last(&self) -> String {
        self.names.last().expect("QNAME at least").clone()
    }

    fn step(&mut self) -> Step {
        let name = self.last();
        let is_first = self.names.len() == 1;
        let what = self.sight.what(&name, self.query.kind);
        let owned = matches!(what, What::Endpoint { .. } | What::Node { .. } | What::Missing { .. });
        if is_first {
            self.aa = match what {
                _ if owned => Some(true),
                What::Reverse { .. } => Some(true),
                What::Route(_) => Some(false),
                _ => None,
            };
        }
        if !self.query.rd && !owned {
            return Step::Done(match what {
                What::Route(_) if is_first => self.refused(),
                // An owned alias to the outside alone (R10).
                What::Route(_) => self.done(rcode::NOERROR, Authority::Empty),
                _ => Verdict::Open("RD=0 at a name that is neither owned nor forwarded"),
            });
        }
        if self.query.kind == kind::ANY {
            self.ad = false;
            return Step::Done(self.any(&what));
        }
        match what {
            What::Route(upstream) => return self.ask(upstream),
            What::Node { data: Some(Data::Alias(target)), ttl, .. } if self.query.kind != kind::CNAME => {
                self.ad = false;
                self.answers.push(Record { rr: Rr::cname(&name, ttl, &target), least: ttl, runs: false });
                return self.turn(target);
            }
            _ => {}
        }
        self.ad = false;
        Step::Done(self.made_here(&name, what))
    }

    /// Goes on with an alias' target, if the chain allows.
    fn turn(&mut self, target: String) -> Step {
        if self.names.contains(&target) || self.names.len() > MOST {
            return Step::Done(Verdict::Reply(Box::new(Expected::rcode(rcode::SERVFAIL))));
        }
        self.names.push(target);
        Step::On
    }

    fn refused(&self) -> Verdict {
        Verdict::Reply(Box::new(Expected { authority: Authority::Any, ..Expected::rcode(rcode::REFUSED) }))
    }

    fn any(&self, what: &What) -> Verdict {
        let qname = &self.names[0];
        match what {
            What::Missing { apex } => {
                let soa = Authority::Soa(vec![apex.clone()]);
                self.done(rcode::NXDOMAIN, soa)
            }
            What::Node { data: None, at_apex: false, apexes, .. } => {
                self.done(rcode::NOERROR, Authority::Soa(apexes.clone()))
            }
            What::Endpoint { .. } | What::Node { .. } | What::Route(_) => {
                let rr = Rr::new(qname, kind::HINFO, u32::MAX, b"\x07RFC8482\x00".to_vec());
                let answers = vec![Record { rr, least: 0, runs: false }];
                let expected = Expected { aa: self.aa, answers, ..Expected::rcode(rcode::NOERROR) };
                Verdict::Reply(Box::new(expected))
            }
            _ => Verdict::Open("ANY for a name that is neither owned nor forwarded"),
        }
    }

    /// The end of a walk: the chain so far, an RCODE, an authority section.
    fn done(&self, rcode: u16, authority: Authority) -> Verdict {
        let mut answers = self.answers.clone();
        let mut floor = u32::MAX;
        let soa_floor = matches!(authority, Authority::Soa(_)).then_some(0);
        for at in (0..answers.len()).rev() {
            // Aliases before a cut leave with the lesser of their own TTL and the TTL after the cut (R23): that of the
            // record behind it, or the least of all behind it. An own alias and one that was continued may.
            let own = !answers[at].runs;
            let behind = || self.cuts.iter().filter(|cut| cut.at > at);
            if answers[at].rr.kind == kind::CNAME && (own || behind().next().is_some()) {
                let least = answers[at + 1..].iter().map(|record| record.least).min();
                floor = floor.min(least.unwrap_or(floor)).min(soa_floor.unwrap_or(floor));
                let after = behind().filter(|cut| !cut.continued).filter_map(|cut| answers.get(cut.at));
                let most = after.map(|record| record.rr.ttl).min();
                let record = &mut answers[at];
                record.least = record.least.min(floor);
                record.runs = true;
                if let Some(most) = most
                    && !own
                {
                    record.rr.ttl = record.rr.ttl.min(most);
                }
            }
        }
        Verdict::Reply(Box::new(Expected {
            rcode,
            aa: self.aa,
            ad: Some(self.ad),
            answers,
            reverse: Vec::new(),
            authority,
            ede: Some(None),
        }))
    }

    /// The same with an EDE and with AD that is ours to clear.
    fn done_with(&mut self, rcode: u16, authority: Authority, ede: u16) -> Verdict {
        self.ad = false;
        match self.done(rcode, authority) {
            Verdict::Reply(mut expected) => {
                expected.ede = Some(Some(ede));
                Verdict::Reply(expected)
            }
            open => open,
        }
    }

    /// Everything that is answered without an upstream, aliases apart.
    fn made_here(&mut self, name: &str, what: What) -> Verdict {
        let kind = self.query.kind;
        match what {
            What::Endpoint { addresses, ttl, apexes, own_apex } => {
                if matches!(kind, kind::SOA) {
                    if !own_apex {
                        return Verdict::Open("SOA of an endpoint's name inside a zone or by a wildcard");
                    }
                    self.answers.push(synthetic_soa(name));
                    return self.done(rcode::NOERROR, Authority::Empty);
                }
                self.addresses(name, &addresses, ttl, apexes)
            }
            What::Node { data: Some(Data::Addresses(addresses)), ttl, apexes, at_apex }
                if kind != kind::SOA || !at_apex =>
            {
                self.addresses(name, &addresses, ttl, apexes)
            }
            What::Node { data: Some(Data::Alias(target)), ttl, .. } => {
                // The question was for the alias itself.
                self.answers.push(Record { rr: Rr::cname(name, ttl, &target), least: ttl, runs: false });
                self.done(rcode::NOERROR, Authority::Empty)
            }
            What::Node { apexes, at_apex, .. } => {
                if at_apex && kind == kind::SOA {
                    self.answers.push(synthetic_soa(name));
                    return self.done(rcode::NOERROR, Authority::Empty);
                }
                self.done(rcode::NOERROR, Authority::Soa(apexes))
            }
            What::Missing { apex } => self.done(rcode::NXDOMAIN, Authority::Soa(vec![apex])),
            What::Blocked => self.done_with(rcode::NXDOMAIN, Authority::Soa(Vec::new()), 15),
            What::Gap => Verdict::Open("a private-link suffix or a gap below one"),
            What::Reverse { names } if kind == kind::PTR && self.names.len() == 1 => {
                let verdict = self.done(rcode::NOERROR, Authority::Empty);
                match verdict {
                    Verdict::Reply(mut expected) => {
                        expected.reverse = names;
                        Verdict::Reply(expected)
                    }
                    open => open,
                }
            }
            What::Reverse { .. } | What::ReverseAncestor if kind != kind::PTR || self.names.len() == 1 => match kind {
                kind::SOA | kind::NS | kind::DS => Verdict::Open("zone types of a reverse name"),
                _ => self.done(rcode::NOERROR, Authority::Soa(Vec::new())),
            },
            What::ReverseDenied if !matches!(kind, kind::SOA | kind::NS | kind::DS) => {
                self.done(rcode::NXDOMAIN, Authority::Soa(Vec::new()))
            }
            What::Special(special) => self.special(name, special),
            _ => Verdict::Open("a reverse name at the end of an alias, or a zone type of one"),
        }
    }

    fn addresses(&mut self, name: &str, addresses: &[IpAddr], ttl: u32, apexes: Vec<String>) -> Verdict {
        for &address in addresses {
            let rr = Rr::address(name, ttl, address);
            if rr.kind == self.query.kind {
                self.answers.push(Record { rr, least: ttl, runs: false });
            }
        }
        match self.answers.last() {
            Some(record) if record.rr.kind == self.query.kind && record.rr.name == name => {
                self.done(rcode::NOERROR, Authority::Empty)
            }
            _ => self.done(rcode::NOERROR, Authority::Soa(apexes)),
        }
    }

    fn special(&mut self, name: &str, special: Special) -> Verdict {
        let zone_types = matches!(self.query.kind, kind::SOA | kind::NS | kind::DS);
        match (special, self.query.kind) {
            (Special::Single, _) => self.done(rcode::NXDOMAIN, Authority::Soa(vec![".".to_owned()])),
            _ if zone_types => Verdict::Open("zone types of a special-use name"),
            (Special::Localhost, kind::A | kind::AAAA) => {
                let address: IpAddr = if self.query.kind == kind::A {
                    [127, 0, 0, 1].into()
                } else {
                    IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1u16])
                };
                self.answers.push(Record { rr: Rr::address(name, u32::MAX, address), least: 0, runs: false });
                self.done(rcode::NOERROR, Authority::Any)
            }
            (Special::Localhost | Special::ResolverArpa, _) => self.done(rcode::NOERROR, Authority::Soa(Vec::new())),
            (Special::Denied, _) => self.done(rcode::NXDOMAIN, Authority::Soa(Vec::new())),
        }
    }

    /// Asks an upstream for the last name, and walks what it says.
    fn ask(&mut self, upstream: usize) -> Step {
        let table = self.sight.world.upstreams[upstream];
        let start = self.last();
        let raw = self.tables[table].answer(&start, self.query.kind);
        if !matches!(raw.rcode, 0 | 3) {
            return Step::Done(Verdict::Reply(Box::new(Expected::rcode(rcode::SERVFAIL))));
        }
        self.ad &= raw.ad;
        let mut owner = start.clone();
        while self.query.kind != kind::CNAME
            && let Some(alias) = raw.answers.iter().find(|rr| rr.name == owner && rr.kind == kind::CNAME)
        {
            let target = alias.target().expect("a CNAME has a target");
            self.answers.push(Record { rr: capped(alias), least: capped(alias).ttl, runs: true });
            if let done @ Step::Done(_) = self.turn(target.clone()) {
                return done;
            }
            let same_route = matches!(self.sight.what(&target, self.query.kind), What::Route(other)
                if self.sight.world.upstreams[other] == table);
            if !same_route {
                self.cuts.push(Cut { at: self.answers.len(), continued: false });
                return Step::On;
            }
            owner = target;
        }
        self.end(&raw, &owner, &start)
    }

    /// The end of a raw chain at `owner`.
    fn end(&mut self, raw: &Script, owner: &str, start: &str) -> Step {
        let records: Vec<_> =
            raw.answers.iter().filter(|rr| rr.name == owner && rr.kind == self.query.kind).cloned().collect();
        if records.is_empty() {
            let Some(soa) = raw.authority.iter().find(|rr| rr.kind == kind::SOA) else {
                if owner == start {
                    return Step::Done(self.done(rcode::NOERROR, Authority::Empty));
                }
                self.cuts.push(Cut { at: self.answers.len(), continued: true });
                return Step::On;
            };
            // R32: a negative answer's TTLs, its aliases' included, may be lowered to how long it is kept.
            for record in self.answers.iter_mut().filter(|record| record.runs) {
                record.least = record.least.min(60);
            }
            let authority = Authority::Soa(vec![soa.name.clone()]);
            // R19: a denial of an ancestor of an owned name leaves as NODATA.
            let is_ancestor = self.sight.owned().iter().any(|owned| is_below(owned, owner));
            if raw.rcode == 3 && is_ancestor {
                let verdict = self.done(rcode::NOERROR, authority);
                return Step::Done(match verdict {
                    Verdict::Reply(expected) => Verdict::Reply(Box::new(Expected { ad: None, ede: None, ..*expected })),
                    open => open,
                });
            }
            return Step::Done(self.done(u16::from(raw.rcode), authority));
        }
        Step::Done(self.guarded(records))
    }

    /// Records of an upstream at the end of the chain, past the guard.
    fn guarded(&mut self, records: Vec<Rr>) -> Verdict {
        match judge(&self.sight, &self.names, &records) {
            Outcome::Open(why) => Verdict::Open(why),
            Outcome::Withheld(place) => {
                // An alias at a time from QNAME on: as many as there are names before the guarded one.
                self.answers.truncate(place);
                self.cuts.push(Cut { at: place, continued: false });
                match self.done_with(rcode::NOERROR, Authority::Soa(Vec::new()), 15) {
                    Verdict::Reply(mut expected) => {
                        for record in &mut expected.answers {
                            record.least = record.least.min(10);
                        }
                        Verdict::Reply(expected)
                    }
                    open => open,
                }
            }
            outcome => {
                let least = records.iter().map(|rr| capped(rr).ttl).min().unwrap_or(0);
                let stripped = matches!(outcome, Outcome::Stripped);
                for rr in &records {
                    let rr = Rr { ttl: least, ..if stripped { without_hints(rr) } else { rr.clone() } };
                    self.answers.push(Record { rr, least, runs: true });
                }
                match self.done(rcode::NOERROR, Authority::Empty) {
                    Verdict::Reply(mut expected) if stripped => {
                        (expected.ad, expected.ede) = (None, None);
                        Verdict::Reply(expected)
                    }
                    verdict => verdict,
                }
            }
        }
    }
}

/// A record with its TTL under the cap of a day (R32).
fn capped(rr: &Rr) -> Rr {
    Rr { ttl: rr.ttl.min(86_400), ..rr.clone() }
}

/// The SOA of R14.
fn synthetic_soa(owner: &str) -> Record {
    let mut data = wire_name("hubdns.invalid");
    data.extend(wire_name("nobody.invalid"));
    for number in [1u32, 3600, 1200, 604_800, 10] {
        data.extend_from_slice(&number.to_be_bytes());
    }
    Record { rr: Rr::new(owner, kind::SOA, 10, data), least: 10, runs: false }
}
