//! The walk (R21–R23): from QNAME along aliases, each name by what it is in the view, until one ends the chain.

use super::guard;
use super::observe::{Event, Observer};
use super::raw::{Held, Raw};
use super::respond::{Place, Reply};
use crate::view::{Blocked, GuardMode, Route, Snapshot, Special, Verdict, View};
use crate::wire::{Age, CLASS_IN, Ede, End, Failure, Full, HEADER_OCTETS, Key, MAX_ALIASES, Moment, NameRef, Query};
use crate::wire::{RawAnswer, Step, Template, Ttl, WireName, flags, name_at, rcode, rtype};
use crate::zone::{Endpoint, EndpointRecord, Match, Node, Zone, synthetic_soa};

/// How a walk ended.
pub(super) enum Ended {
    /// The reply's sections are written; this is the RCODE.
    With(u16),
    /// SERVFAIL with an empty answer.
    Failed(Option<Ede>),
    /// A raw answer is needed.
    Need(Box<Key>, Route),
}

/// A name of the chain: QNAME or an alias target.
#[derive(Clone, Copy, Default)]
pub(super) struct Link {
    /// Where it stands in the reply.
    pub(super) name_at: u16,
    /// The reply before anything about this name was written.
    pub(super) place: Place,
}

/// One walk.
pub(super) struct Walk<'w, 'b, R, O> {
    pub(super) snapshot: &'w Snapshot,
    pub(super) view: &'w View,
    pub(super) query: &'w Query,
    raw: &'w R,
    now: Moment,
    pub(super) reply: &'w mut Reply<'b>,
    observer: &'w mut O,
    /// How many events the observer was told of.
    pub(super) told: usize,
    /// The chain so far, and room for the rest of it: one more than `aliases` are names.
    links: [Link; MAX_ALIASES + 1],
    /// Which of them is the current name; one too many when the chain is too long (R21).
    aliases: usize,
}

/// What to do after a name.
enum Next {
    /// The chain goes on at the last link.
    Go,
    /// It ended.
    End(Ended),
}

impl<'w, 'b, R: Raw, O: Observer> Walk<'w, 'b, R, O> {
    #[inline(always)]
    pub(super) fn new(
        snapshot: &'w Snapshot,
        view: &'w View,
        query: &'w Query,
        raw: &'w R,
        now: Moment,
        reply: &'w mut Reply<'b>,
        observer: &'w mut O,
    ) -> Self {
        let first = Link { name_at: HEADER_OCTETS as u16, place: reply.place() };
        let mut links = [Link::default(); MAX_ALIASES + 1];
        links[0] = first;
        Self { snapshot, view, query, raw, now, reply, observer, told: 0, links, aliases: 0 }
    }

    /// Walks to the end.
    pub(super) fn run(&mut self) -> Ended {
        let query = self.query;
        let mut next = self.step(&query.question.name);
        loop {
            match next {
                Next::End(ended) => return ended,
                // What leaves is made of the whole answer: the caller sees that this one is cut.
                Next::Go if self.reply.is_truncated() => return Ended::With(rcode::NOERROR),
                Next::Go => {}
            }
            next = match self.name() {
                Some(name) => self.step(&name),
                None => return Ended::Failed(None),
            };
        }
    }

    /// Answers for one name of the chain.
    fn step(&mut self, name: &WireName) -> Next {
        let verdict = self.snapshot.look_up(self.view, name.as_ref(), self.qtype());
        self.settle(name, &verdict)
    }

    /// Answers for a name of the chain by what it is. An alias that is cut comes here with its target, so this nests as
    /// deep as a chain is long: [`MAX_ALIASES`] at most.
    fn settle(&mut self, name: &WireName, verdict: &Verdict<'w>) -> Next {
        self.reply.set_upstream_errors([None; 2]);
        self.note(Event::Verdict(name.as_ref(), verdict));
        match self.without_recursion(verdict) {
            Some(ended) => Next::End(ended),
            None => self.visit(name, verdict),
        }
    }

    fn visit(&mut self, name: &WireName, verdict: &Verdict<'w>) -> Next {
        match verdict {
            Verdict::Endpoint { endpoint, record, zone } => self.endpoint(name, endpoint, record, *zone),
            Verdict::Zone { zone, found, public } => self.zone(name, zone, *found, *public),
            Verdict::Pointer(pointer) => {
                self.reply.piece(true, false);
                if self.qtype() == rtype::PTR { self.data(pointer) } else { self.no_data(name.as_ref(), None) }
            }
            Verdict::Empty(zone) => {
                self.reply.piece(true, false);
                self.no_data(zone.map_or(name.as_ref(), |zone| zone.apex()), zone.map(|zone| zone.negative()))
            }
            Verdict::Blocked(blocked) => self.blocked(name, *blocked),
            Verdict::Special(special) => self.special(name, *special),
            Verdict::Forward { route, .. } => self.forward(name, *route),
        }
    }

    /// Tells the observer.
    #[inline]
    pub(super) fn note(&mut self, event: Event<'_>) {
        self.told = self.told.wrapping_add(1);
        self.observer.note(event);
    }

    pub(super) fn qtype(&self) -> u16 {
        self.query.question.qtype
    }

    fn wants_any(&self) -> bool {
        self.qtype() == rtype::ANY
    }

    /// R10: with RD=0 only owned data are answered, and an owned alias to the outside alone.
    fn without_recursion(&mut self, verdict: &Verdict<'_>) -> Option<Ended> {
        if self.query.header.has(flags::RD) || !matches!(verdict, Verdict::Forward { .. }) {
            return None;
        }
        let outside = if self.reply.is_empty() { rcode::REFUSED } else { rcode::NOERROR };
        Some(Ended::With(outside))
    }

    /// The current name as it stands in the reply.
    fn name(&self) -> Option<WireName> {
        let link = self.links.get(self.aliases)?;
        name_at(self.reply.written(), usize::from(link.name_at)).ok()
    }

    fn name_at(&self) -> u16 {
        self.links.get(self.aliases).map_or(HEADER_OCTETS as u16, |link| link.name_at)
    }

    /// The names of the chain so far.
    pub(super) fn links(&self) -> impl DoubleEndedIterator<Item = Link> + '_ {
        self.links.iter().take(self.aliases.saturating_add(1)).copied()
    }

    /// Notes an alias whose target stands at `target_at` of the reply; false when there are too many (R21).
    fn alias(&mut self, target_at: usize) -> bool {
        let Some(slot) = self.links.get_mut(self.aliases.saturating_add(1)) else { return false };
        *slot = Link { name_at: u16::try_from(target_at).unwrap_or(HEADER_OCTETS as u16), place: self.reply.place() };
        self.aliases = self.aliases.saturating_add(1);
        true
    }

    // Owned names.

    fn endpoint(&mut self, name: &WireName, endpoint: &Endpoint, record: &EndpointRecord, zone: Option<&Zone>) -> Next {
        self.reply.piece(true, false);
        if self.wants_any() {
            return self.minimal_any();
        }
        debug_assert!(endpoint.state == crate::zone::State::Private, "others are not owned");
        match (record.rrset(self.qtype()), zone) {
            (Some(set), _) => self.data(set),
            (None, Some(zone)) => self.no_data(zone.apex(), Some(zone.negative())),
            // The name is its own apex (R13).
            (None, None) if self.qtype() == rtype::SOA => self.data(soa()),
            (None, None) => self.no_data(name.as_ref(), None),
        }
    }

    fn zone(&mut self, name: &WireName, zone: &Zone, found: Match<'_>, public: bool) -> Next {
        self.reply.piece(true, false);
        // Under the public suffix the zone has no apex of its own, so a negative answer speaks for its name alone.
        let apex = if public { name.as_ref() } else { zone.apex() };
        match found {
            Match::Missing => {
                self.reply.soa(zone.negative(), apex);
                Next::End(Ended::With(rcode::NXDOMAIN))
            }
            Match::Node(node) | Match::Wildcard(node) if node.is_empty() => self.no_data(apex, Some(zone.negative())),
            Match::Node(_) | Match::Wildcard(_) if self.wants_any() => self.minimal_any(),
            Match::Node(node) | Match::Wildcard(node) => self.node(node, apex, zone),
        }
    }

    fn node(&mut self, node: &Node, apex: NameRef<'_>, zone: &Zone) -> Next {
        if let Some(set) = node.rrset(self.qtype()) {
            return self.data(set);
        }
        let Some(alias) = node.rrset(rtype::CNAME) else { return self.no_data(apex, Some(zone.negative())) };
        let target_at = self.reply.writer.len().saturating_add(12);
        self.reply.rrset(alias, self.name_at());
        if self.reply.is_truncated() {
            return Next::Go;
        }
        self.reply.cut();
        if self.alias(target_at) { Next::Go } else { Next::End(Ended::Failed(None)) }
    }

    fn data(&mut self, set: &Template) -> Next {
        self.reply.rrset(set, self.name_at());
        Next::End(Ended::With(rcode::NOERROR))
    }

    fn no_data(&mut self, owner: NameRef<'_>, own: Option<&Template>) -> Next {
        self.reply.soa(own.unwrap_or(soa()), owner);
        Next::End(Ended::With(rcode::NOERROR))
    }

    fn blocked(&mut self, name: &WireName, _: Blocked) -> Next {
        self.reply.piece(true, false);
        self.error(Ede::BLOCKED);
        self.reply.soa(soa(), name.as_ref());
        Next::End(Ended::With(rcode::NXDOMAIN))
    }

    fn special(&mut self, name: &WireName, special: Special) -> Next {
        self.reply.piece(true, false);
        let suffix = |octets: usize| name.as_ref().suffixes().find(|suffix| suffix.octets().len() == octets);
        match special {
            Special::Localhost => {
                let loopback: &[u8] = match self.qtype() {
                    rtype::A => &[127, 0, 0, 1],
                    rtype::AAAA => &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
                    _ => return self.no_data(suffix(11).unwrap_or(name.as_ref()), None),
                };
                self.local_record(self.qtype(), Ttl::from_seconds(10), loopback)
            }
            Special::NxDomain(octets) => {
                self.reply.soa(soa(), suffix(octets).unwrap_or(name.as_ref()));
                Next::End(Ended::With(rcode::NXDOMAIN))
            }
            Special::NoData(octets) => self.no_data(suffix(octets).unwrap_or(name.as_ref()), None),
        }
    }

    /// ANY: one HINFO in place of everything (RFC 8482 §4.2).
    fn minimal_any(&mut self) -> Next {
        self.local_record(rtype::HINFO, Ttl::from_seconds(3_789), b"\x07RFC8482\0")
    }

    fn local_record(&mut self, kind: u16, ttl: Ttl, rdata: &[u8]) -> Next {
        let owner = (0xc000 | self.name_at()).to_be_bytes();
        let mut head = [0_u8; 12];
        let length = u16::try_from(rdata.len()).unwrap_or(0);
        for (at, octets) in
            [(0, owner), (2, kind.to_be_bytes()), (4, CLASS_IN.to_be_bytes()), (10, length.to_be_bytes())]
        {
            crate::wire::put(&mut head, at, &octets);
        }
        crate::wire::put(&mut head, 6, &ttl.seconds().to_be_bytes());
        match self.reply.writer.octets(&head).and_then(|()| self.reply.writer.octets(rdata)) {
            Ok(()) => self.reply.count_answers(1),
            Err(Full) => self.reply.set_truncated(),
        }
        Next::End(Ended::With(rcode::NOERROR))
    }

    // Forwarded names.

    fn forward(&mut self, name: &WireName, route: Route) -> Next {
        if self.wants_any() {
            self.reply.piece(false, false);
            return self.minimal_any();
        }
        let checking = self.query.header.has(flags::CD);
        let key = Key::new(route.id, name.as_ref(), self.qtype(), self.query.dnssec_ok(), checking);
        let stored: &'w R = self.raw;
        let Some(held) = stored.look_up(&key, self.now) else {
            self.note(Event::Need(&key, route));
            return Next::End(Ended::Need(Box::new(key), route));
        };
        self.note(Event::Raw(&key, &held, route));
        let mut held = held;
        let mut age = if held.fresh { Age::Seconds(0) } else { Age::Seconds(held.entry.age(self.now)) };
        if let End::Failed(failure) = held.entry.raw().end() {
            let Some(stale) = stored.stale(&key, self.now) else {
                return Next::End(Ended::Failed(Some(failure_error(failure, held.fresh))));
            };
            // R33: in place of a failure, and said so.
            self.note(Event::Stale(&key, &stale));
            self.error(Ede::STALE);
            (held, age) = (stale, Age::Stale);
        }
        // The last name's alone leave (R23).
        self.reply.set_upstream_errors(held.entry.raw().errors());
        if self.reply.is_empty() && self.is_plain(&held, name) {
            return self.whole(held.entry.raw(), age, name);
        }
        self.shape(held.entry.raw(), age, name, route)
    }

    /// R4: whether no view of this snapshot shapes the answer.
    fn is_plain(&self, held: &Held<'_>, name: &WireName) -> bool {
        let (union, clouds) = (self.snapshot.union(), &self.snapshot.clouds);
        held.entry.is_plain(self.snapshot.generation, |raw| {
            let last = raw.steps().last().and_then(|step| raw.target(step)).unwrap_or(*name);
            let targets_plain = || {
                raw.steps()
                    .iter()
                    .all(|step| raw.target(step).is_some_and(|target| !union.may_cut(target.as_ref(), clouds)))
            };
            matches!(raw.end(), End::Data | End::Negative)
                && raw.steps().len() <= MAX_ALIASES
                && !matches!(self.qtype(), rtype::HTTPS | rtype::SVCB)
                && !(raw.rcode() == rcode::NXDOMAIN && union.is_above(last.as_ref()))
                && !union.may_guard(name.as_ref(), clouds)
                && (raw.steps().is_empty() || !union.may_route(name.as_ref()))
                && targets_plain()
        })
    }

    /// A raw answer that may be cut, guarded or continued.
    fn shape(&mut self, raw: &RawAnswer, age: Age, name: &WireName, route: Route) -> Next {
        let mut from = raw.question_end();
        let mut counted = 0_u16;
        let mut target = WireName::ROOT;
        for step in raw.steps() {
            if raw.read_target(step, &mut target).is_err() {
                return Next::End(Ended::Failed(None));
            }
            let verdict = self.snapshot.look_up(self.view, target.as_ref(), self.qtype());
            let goes_on = matches!(verdict, Verdict::Forward { route: next, .. } if next.id == route.id);
            if self.prefix(raw, step, from, counted, age).is_err() {
                self.reply.set_truncated();
                return Next::Go;
            }
            (from, counted) = (usize::from(step.end), step.count);
            if self.aliases > MAX_ALIASES {
                return Next::End(Ended::Failed(None));
            }
            if !goes_on {
                self.reply.piece(false, raw.is_authentic());
                self.reply.cut();
                self.note(Event::Cut(target.as_ref()));
                return self.settle(&target, &verdict);
            }
            self.note(Event::Verdict(target.as_ref(), &verdict));
        }
        self.reply.piece(false, raw.is_authentic());
        match raw.end() {
            End::Loop | End::Failed(_) => Next::End(Ended::Failed(None)),
            End::Dangling => {
                self.reply.cut();
                Next::Go
            }
            End::Data | End::Negative => self.tail(raw, from, counted, age, name),
        }
    }

    /// Writes the records of one alias of a raw answer.
    fn prefix(&mut self, raw: &RawAnswer, step: &Step, from: usize, counted: u16, age: Age) -> Result<(), Full> {
        let count = step.count.saturating_sub(counted);
        let place = self.reply.place();
        let start = self.reply.writer.len();
        let written = self.reply.raw_records(raw, from, usize::from(step.end), count, age);
        if written.is_err() {
            self.reply.rewind(place);
            return written;
        }
        self.reply.count_answers(count);
        // Where nothing moved the target stands where it stood; else it is in the last CNAME written.
        let target_at =
            if start == from { usize::from(step.target_at) } else { self.last_target(start).ok_or(Full)? };
        if !self.alias(target_at) {
            // One too many: the caller finds no link and fails.
            self.aliases = self.aliases.saturating_add(1);
        }
        Ok(())
    }

    /// Where the target of the last CNAME written since `start` stands.
    fn last_target(&self, start: usize) -> Option<usize> {
        let records = crate::wire::Records::new(self.reply.written(), start, u16::MAX);
        records.map_while(Result::ok).filter(|record| record.rtype == rtype::CNAME).last().map(|record| record.rdata_at)
    }

    /// What is left of a raw answer behind its aliases: data or a negative end.
    fn tail(&mut self, raw: &RawAnswer, from: usize, counted: u16, age: Age, name: &WireName) -> Next {
        if let Some(withheld) = guard::withheld(self, raw, from, counted) {
            return self.withhold(withheld);
        }
        if matches!(self.qtype(), rtype::HTTPS | rtype::SVCB) && guard::has_hints_to_lose(self, raw, from, counted) {
            if self.view.guard != GuardMode::Watch {
                return self.without_hints(raw, from, counted, age);
            }
            self.note(Event::Withheld { name: name.as_ref(), address: None, watch: true });
        }
        self.rest(raw, from, counted, age)
    }

    /// A whole raw answer that no view shapes.
    fn whole(&mut self, raw: &RawAnswer, age: Age, name: &WireName) -> Next {
        self.reply.piece(false, raw.is_authentic());
        let end = raw.octets().len();
        if raw.question_end() == self.reply.question_end()
            && raw.copy_in_place(&mut self.reply.writer, raw.question_end(), end, age).is_ok()
        {
            self.reply.count_answers(raw.answers());
            self.reply.count_authorities(raw.authorities());
            return Next::End(Ended::With(raw.rcode()));
        }
        let _ = name;
        self.rest(raw, raw.question_end(), 0, age)
    }

    /// The records of a raw answer from octet `from` on, with truncation (R9) and R19.
    fn rest(&mut self, raw: &RawAnswer, from: usize, counted: u16, age: Age) -> Next {
        let count = raw.answers().saturating_sub(counted);
        let place = self.reply.place();
        if self.reply.raw_records(raw, from, raw.answer_end(), count, age).is_ok() {
            self.reply.count_answers(count);
        } else {
            self.reply.rewind(place);
            self.reply.set_truncated();
        }
        if !self.reply.is_truncated() {
            self.authority(raw, age);
        }
        let ancestor =
            raw.rcode() == rcode::NXDOMAIN && self.name().is_some_and(|name| self.view.is_above_owned(name.as_ref()));
        if ancestor && let Some(name) = self.name() {
            self.note(Event::Ancestor(name.as_ref()));
            return Next::End(Ended::With(rcode::NOERROR));
        }
        Next::End(Ended::With(raw.rcode()))
    }

    /// The authority section; of a positive answer it is left out where it does not fit, a negative one then gets TC.
    fn authority(&mut self, raw: &RawAnswer, age: Age) {
        let place = self.reply.place();
        let (from, to) = (raw.answer_end(), raw.octets().len());
        match self.reply.raw_records(raw, from, to, raw.authorities(), age) {
            Ok(()) => self.reply.count_authorities(raw.authorities()),
            Err(Full) => {
                self.reply.rewind(place);
                if raw.end() != End::Data {
                    self.reply.set_truncated();
                }
            }
        }
    }

    /// The guard's answer: the aliases up to the guarded name, NODATA, EDE 15 (R25).
    fn withhold(&mut self, link: Link) -> Next {
        let name = name_at(self.reply.written(), usize::from(link.name_at)).unwrap_or(WireName::ROOT);
        self.reply.rewind(link.place);
        self.reply.cut();
        self.reply.piece(false, false);
        self.error(Ede::BLOCKED);
        self.reply.soa(soa(), name.as_ref());
        Next::End(Ended::With(rcode::NOERROR))
    }

    fn without_hints(&mut self, raw: &RawAnswer, from: usize, counted: u16, age: Age) -> Next {
        let place = self.reply.place();
        match guard::write_without_hints(self, raw, from, counted, age) {
            Ok(0) => {
                let name = self.name().unwrap_or(WireName::ROOT);
                self.no_data(name.as_ref(), None)
            }
            Ok(count) => {
                self.reply.count_answers(count);
                Next::End(Ended::With(raw.rcode()))
            }
            Err(Full) => {
                self.reply.rewind(place);
                self.reply.set_truncated();
                Next::End(Ended::With(raw.rcode()))
            }
        }
    }

    fn error(&mut self, error: Ede) {
        self.note(Event::Error(error));
        self.reply.error(error);
    }
}

/// R26: what a failed exchange tells the client.
fn failure_error(failure: Failure, fresh: bool) -> Ede {
    match failure {
        Failure::Capped => Ede::other("too many queries wait for this upstream"),
        Failure::Full => Ede::other("too many queries wait"),
        Failure::Loop => Ede::other("a loop of forwarders is suspected"),
        _ if !fresh => Ede::CACHED_ERROR,
        Failure::Silent => Ede::NO_REACHABLE_AUTHORITY,
        Failure::Network => Ede::NETWORK_ERROR,
        Failure::Refused => Ede::NO_REACHABLE_AUTHORITY,
    }
}

/// The synthetic SOA (R14), built once.
fn soa() -> &'static Template {
    static SOA: std::sync::LazyLock<Template> = std::sync::LazyLock::new(synthetic_soa);
    &SOA
}
