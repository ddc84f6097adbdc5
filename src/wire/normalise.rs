//! An upstream's message → [`RawAnswer`]: R24, once, at insert.
//!
//! Only what hangs on the question by CNAME or DNAME is kept, in chain order, RRsets contiguous with one TTL each; of
//! the authority section the SOA of a negative answer and, with DO, the NSEC/NSEC3 and RRSIG that belong. So NS
//! records, glue and records that nobody asked for never reach a client or the cache (RFC 2181 §5.4.1).

use std::collections::HashSet;

use super::encode::Writer;
use super::raw::{End, Offsets, RawAnswer, Step, Steps};
use super::record::{Record, Records, name_at};
use super::{CLASS_IN, Edns, Error, Full, HEADER_OCTETS, Header, Key, MAX_ALIASES, Question, Ttl, WireName};
use super::{flags, rcode, rtype, u32_at};

impl RawAnswer {
    /// Puts an upstream's reply to `key`'s question in order.
    ///
    /// The caller has matched id and question; this checks the question once more, since what is kept hangs on it.
    ///
    /// # Errors
    /// What makes the message unusable.
    pub fn from_upstream(message: &[u8], key: &Key) -> Result<Self, Error> {
        let parsed = Parsed::read(message, key)?;
        match parsed.in_order() {
            Some(kept) => kept,
            None => parsed.reordered(),
        }
    }
}

/// A record with its owner and, for an RRSIG, the type it covers.
struct Entry {
    record: Record,
    owner: WireName,
    covered: u16,
}

struct Parsed<'m> {
    message: &'m [u8],
    key: &'m Key,
    header: Header,
    question: Question,
    /// Where the answer section ends.
    answer_end: usize,
    edns: Option<Edns>,
}

/// What a chain has collected so far.
#[derive(Default)]
struct Kept {
    ttls: Offsets,
    steps: Steps,
    answers: u16,
    authorities: u16,
    lifetime: Option<Ttl>,
}

impl Kept {
    fn note(&mut self, ttl_at: usize, ttl: Ttl) {
        self.ttls.push(u16::try_from(ttl_at).unwrap_or(u16::MAX));
        self.lifetime = Some(self.lifetime.map_or(ttl, |least| least.min(ttl)));
    }

    fn answer(&mut self, ttl_at: usize, ttl: Ttl) {
        self.answers = self.answers.saturating_add(1);
        self.note(ttl_at, ttl);
    }

    fn step(&mut self, end: usize, target_at: usize) {
        let offset = |at| u16::try_from(at).unwrap_or(u16::MAX);
        self.steps.push(Step { end: offset(end), count: self.answers, target_at: offset(target_at) });
    }
}

impl<'m> Parsed<'m> {
    fn read(message: &'m [u8], key: &'m Key) -> Result<Self, Error> {
        let header = Header::read(message)?;
        if header.questions != 1 {
            return Err(Error::QuestionCount);
        }
        let question = Question::read(message)?;
        if question.name.octets() != key.name_octets() || question.qtype != key.qtype() || question.qclass != CLASS_IN {
            return Err(Error::QuestionCount);
        }
        let (edns, _) = super::query::opt_behind(message, &header, question.end)?;
        let mut records = Records::new(message, question.end, header.answers);
        for record in records.by_ref() {
            record?.check_rdata(message)?;
        }
        let answer_end = records.at();
        for record in Records::new(message, answer_end, header.authorities) {
            record?.check_rdata(message)?;
        }
        Ok(Self { message, key, header, question, answer_end, edns })
    }

    /// The message as it is, cut behind what is kept; none when records have to be moved, dropped or patched.
    fn in_order(&self) -> Option<Result<RawAnswer, Error>> {
        let mut kept = Kept::default();
        let mut current = self.question.name;
        let (mut data, mut end) = (None, self.question.end);
        for record in Records::new(self.message, self.question.end, self.header.answers) {
            let record = record.ok()?;
            let asked = record.rtype == self.question.qtype;
            let alias = record.rtype == rtype::CNAME && !asked && data.is_none();
            if record.class != CLASS_IN || !(asked || alias) || record.owner(self.message).ok()? != current {
                return None;
            }
            if alias {
                let target = name_at(self.message, record.rdata_at).ok()?;
                kept.answer(record.ttl_at, record.ttl());
                kept.step(record.end, record.rdata_at);
                if kept.steps.len() > MAX_ALIASES || target == self.question.name || self.leads_back(&kept, &target) {
                    return None;
                }
                current = target;
            } else {
                if data.is_some_and(|ttl| ttl != record.ttl()) {
                    return None;
                }
                data = Some(record.ttl());
                kept.answer(record.ttl_at, record.ttl());
            }
            end = record.end;
        }
        if record_needs_patch(self.message, &kept) || self.has_twins(&kept) {
            return None;
        }
        let answer_end = end;
        let mut has_soa = false;
        if self.key.dnssec_ok() && self.header.authorities > 0 {
            return None;
        }
        if data.is_none() && self.header.authorities > 0 {
            let soa = Record::read(self.message, answer_end).ok()?;
            let owner = soa.owner(self.message).ok()?;
            let fits = soa.rtype == rtype::SOA && current.as_ref().is_at_or_below(owner.as_ref());
            if !fits || soa_ttl(self.message, &soa) != soa.ttl() || soa.ttl().seconds() != soa.ttl_bits {
                return None;
            }
            kept.note(soa.ttl_at, soa.ttl());
            kept.authorities = 1;
            has_soa = true;
            end = soa.end;
        }
        let finish = ended(data.is_some(), has_soa, &kept, self.rcode());
        Some(self.finish(self.message.get(..end)?, answer_end, kept, finish, has_soa))
    }

    /// Whether a record stands twice among those behind the aliases.
    fn has_twins(&self, kept: &Kept) -> bool {
        let (at, ahead) = kept.steps.last().map_or((self.question.end, 0), |step| (usize::from(step.end), step.count));
        let count = kept.answers.saturating_sub(ahead);
        if count < 2 {
            return false;
        }
        let records = Records::new(self.message, at, count).map_while(Result::ok);
        let mut rdata: Vec<_> = records.map(|record| record.plain_rdata(self.message)).collect();
        rdata.sort_unstable();
        rdata.windows(2).any(|pair| pair.first() == pair.last())
    }

    /// Whether the target of the last alias is that of an earlier one.
    fn leads_back(&self, kept: &Kept, target: &WireName) -> bool {
        let earlier = kept.steps.iter().rev().skip(1);
        earlier.map(|step| name_at(self.message, usize::from(step.target_at))).any(|name| name == Ok(*target))
    }

    /// A new message with what is kept, in order.
    fn reordered(&self) -> Result<RawAnswer, Error> {
        let entries = self.entries(self.question.end, self.header.answers)?;
        let mut octets = vec![0; usize::from(u16::MAX)];
        let mut writer = Writer::new(&mut octets, usize::from(u16::MAX));
        let mut kept = Kept::default();
        let (end, answer_end, has_soa) = self.write(&mut writer, &entries, &mut kept)?;
        let length = writer.len();
        self.finish(octets.get(..length).unwrap_or(&[]), answer_end, kept, end, has_soa)
    }

    fn write(&self, writer: &mut Writer<'_>, entries: &[Entry], kept: &mut Kept) -> Result<(End, usize, bool), Error> {
        let full = |Full| Error::Short;
        writer.octets(self.message.get(..self.question.end).ok_or(Error::Short)?).map_err(full)?;
        writer.remember(HEADER_OCTETS);
        let (mut visited, mut redirecting) = (vec![self.question.name], Vec::new());
        let (current, data) = loop {
            let current = visited.last().copied().unwrap_or(WireName::ROOT);
            let qtype = self.question.qtype;
            let redirects = qtype == rtype::CNAME || !has(entries, &current, qtype);
            if let Some(dname) = dname_above(entries, &current).filter(|_| redirects) {
                // A chain may pass below one DNAME again; its RRset stands once.
                if !redirecting.contains(&dname.owner) {
                    self.write_rrset(writer, entries, &dname.owner, rtype::DNAME, kept).map_err(full)?;
                    redirecting.push(dname.owner);
                }
                if !has(entries, &current, rtype::CNAME) {
                    let Some(target) = self.redirected(&current, dname) else { break (current, false) };
                    let ttl = dname.record.ttl();
                    let length = u16::try_from(target.octets().len()).map_err(|_| Error::LongName)?;
                    writer.record_head(current.as_ref(), rtype::CNAME, ttl, length).map_err(full)?;
                    kept.answer(writer.len().saturating_sub(6), ttl);
                    let target_at = writer.len();
                    writer.octets(target.octets()).map_err(full)?;
                    writer.remember(target_at);
                    if qtype == rtype::CNAME {
                        // R21: the CNAME is what was asked for, and is not walked.
                        break (current, true);
                    }
                    kept.step(writer.len(), target_at);
                    if visited.contains(&target) || kept.steps.len() > MAX_ALIASES {
                        return Ok((End::Loop, writer.len(), false));
                    }
                    visited.push(target);
                    continue;
                }
            }
            if has(entries, &current, qtype) {
                self.write_rrset(writer, entries, &current, qtype, kept).map_err(full)?;
                break (current, true);
            }
            let alias = entries.iter().find(|entry| entry.owner == current && entry.record.rtype == rtype::CNAME);
            let Some(alias) = alias.filter(|_| qtype != rtype::CNAME) else { break (current, false) };
            let target = name_at(self.message, alias.record.rdata_at)?;
            let (ttl_at, target_at) = writer.copy(self.message, &alias.record, alias.record.ttl()).map_err(full)?;
            kept.answer(ttl_at, alias.record.ttl());
            self.write_signatures(writer, entries, &current, rtype::CNAME, kept).map_err(full)?;
            kept.step(writer.len(), target_at);
            if visited.contains(&target) || kept.steps.len() > MAX_ALIASES {
                return Ok((End::Loop, writer.len(), false));
            }
            visited.push(target);
        };
        let answer_end = writer.len();
        let has_soa = self.write_authority(writer, &current, data, kept)?;
        Ok((ended(data, has_soa, kept, self.rcode()), answer_end, has_soa))
    }

    /// The authority records that belong: a negative answer's SOA, and with DO the proofs (RFC 4035 §3.1.3).
    fn write_authority(
        &self,
        writer: &mut Writer<'_>,
        name: &WireName,
        data: bool,
        kept: &mut Kept,
    ) -> Result<bool, Error> {
        let entries = self.entries(self.answer_end, self.header.authorities)?;
        let soa = entries.iter().find(|entry| {
            !data && entry.record.rtype == rtype::SOA && name.as_ref().is_at_or_below(entry.owner.as_ref())
        });
        let proof = |kind: u16| matches!(kind, rtype::NSEC | rtype::NSEC3);
        let belongs = |entry: &&Entry| {
            let kind = entry.record.rtype;
            soa.is_some_and(|soa| std::ptr::eq(*entry, soa))
                || self.key.dnssec_ok()
                    && (proof(kind)
                        || kind == rtype::RRSIG
                            && (proof(entry.covered) || soa.is_some() && entry.covered == rtype::SOA))
        };
        for entry in entries.iter().filter(belongs) {
            let ttl = if entry.record.rtype == rtype::SOA {
                soa_ttl(self.message, &entry.record)
            } else {
                entry.record.ttl()
            };
            let (ttl_at, _) = writer.copy(self.message, &entry.record, ttl).map_err(|Full| Error::Short)?;
            kept.note(ttl_at, ttl);
            kept.authorities = kept.authorities.saturating_add(1);
        }
        Ok(soa.is_some())
    }

    fn write_rrset(
        &self,
        writer: &mut Writer<'_>,
        entries: &[Entry],
        owner: &WireName,
        kind: u16,
        kept: &mut Kept,
    ) -> Result<(), Full> {
        let set = || entries.iter().filter(|entry| entry.record.rtype == kind && entry.owner == *owner);
        let least = set().map(|entry| entry.record.ttl()).min().unwrap_or(Ttl::ZERO);
        // RFC 2181 §5: a record that is in the set already is left out.
        let mut written = HashSet::new();
        for entry in set().filter(|entry| written.insert(entry.record.plain_rdata(self.message))) {
            let (ttl_at, _) = writer.copy(self.message, &entry.record, least)?;
            kept.answer(ttl_at, least);
        }
        self.write_signatures(writer, entries, owner, kind, kept)
    }

    fn write_signatures(
        &self,
        writer: &mut Writer<'_>,
        entries: &[Entry],
        owner: &WireName,
        kind: u16,
        kept: &mut Kept,
    ) -> Result<(), Full> {
        let set = entries.iter().filter(|entry| self.key.dnssec_ok() && entry.covered == kind && entry.owner == *owner);
        for entry in set {
            let (ttl_at, _) = writer.copy(self.message, &entry.record, entry.record.ttl())?;
            kept.answer(ttl_at, entry.record.ttl());
        }
        Ok(())
    }

    /// What a DNAME makes of a name below its owner (RFC 6672 §2.2); none when that is too long.
    fn redirected(&self, name: &WireName, dname: &Entry) -> Option<WireName> {
        let target = name_at(self.message, dname.record.rdata_at).ok()?;
        target.as_ref().prefixed(name.as_ref().relative_to(dname.owner.as_ref())?)
    }

    fn entries(&self, at: usize, count: u16) -> Result<Vec<Entry>, Error> {
        let mut entries = Vec::new();
        for record in Records::new(self.message, at, count) {
            let record = record?;
            if record.class == CLASS_IN {
                let (owner, covered) = (record.owner(self.message)?, record.covered(self.message));
                entries.push(Entry { record, owner, covered });
            }
        }
        Ok(entries)
    }

    fn rcode(&self) -> u16 {
        self.header.rcode() | self.edns.map_or(0, |edns| u16::from(edns.extended_rcode) << 4)
    }

    fn finish(
        &self,
        octets: &[u8],
        answer_end: usize,
        kept: Kept,
        end: End,
        has_soa: bool,
    ) -> Result<RawAnswer, Error> {
        if octets.len() > usize::from(u16::MAX) {
            return Err(Error::Short);
        }
        let offset = |at: usize| u16::try_from(at).map_err(|_| Error::Short);
        let raw = RawAnswer {
            whole: [self.key.octets(), octets].concat().into(),
            start: offset(self.key.octets().len())?,
            ttls: kept.ttls,
            steps: kept.steps,
            end,
            question_end: offset(self.question.end)?,
            answer_end: offset(answer_end)?,
            answers: kept.answers,
            authorities: kept.authorities,
            // The RCODE is the last name's; where that has the data asked for, it is NOERROR.
            rcode: if end == End::Data { rcode::NOERROR } else { self.rcode() },
            has_soa,
            authentic: self.header.has(flags::AD),
            errors: self.edns.map_or([None; 2], |edns| edns.errors),
            lifetime: kept.lifetime.unwrap_or(Ttl::ZERO),
        };
        Ok(raw.seal(self.header.id))
    }
}

fn ended(data: bool, has_soa: bool, kept: &Kept, code: u16) -> End {
    match data {
        true => End::Data,
        false if !has_soa && !kept.steps.is_empty() && code == rcode::NOERROR => End::Dangling,
        false => End::Negative,
    }
}

/// Whether a TTL has its highest bit set and must be written anew as zero.
fn record_needs_patch(message: &[u8], kept: &Kept) -> bool {
    kept.ttls
        .iter()
        .any(|at| u32_at(message, usize::from(*at)).is_ok_and(|bits| Ttl::from_wire(bits).seconds() != bits))
}

/// A negative answer's time to live: the lesser of the SOA's TTL and its MINIMUM (RFC 2308 §5).
fn soa_ttl(message: &[u8], soa: &Record) -> Ttl {
    let minimum = u32_at(message, soa.end.saturating_sub(4)).unwrap_or(0);
    soa.ttl().min(Ttl::from_wire(minimum))
}

fn has(entries: &[Entry], owner: &WireName, kind: u16) -> bool {
    entries.iter().any(|entry| entry.record.rtype == kind && entry.owner == *owner)
}

fn dname_above<'e>(entries: &'e [Entry], name: &WireName) -> Option<&'e Entry> {
    let above = entries
        .iter()
        .filter(|entry| entry.record.rtype == rtype::DNAME && name.as_ref().is_below(entry.owner.as_ref()));
    above.max_by_key(|entry| entry.owner.octets().len())
}

#[cfg(test)]
mod tests;
