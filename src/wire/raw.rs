//! `RawAnswer`: what an upstream said to one question, put in order once (R24) and never shaped by a view (R2).

use smallvec::SmallVec;

use super::record::{Records, name_at};
use super::{Age, Error, Full, Header, Key, Ttl, WireName, Writer, flags, rcode, u32_at};

/// How a raw answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With the records asked for.
    Data,
    /// Without: NODATA or NXDOMAIN, as the RCODE says, with the SOA where `has_soa` says so.
    Negative,
    /// In an alias whose target the upstream said nothing about: it is to be asked.
    Dangling,
    /// In a loop, or in more aliases than an answer may have.
    Loop,
    /// No usable reply was had.
    Failed(Failure),
}

/// Why there is no usable reply (R26, R29).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// No server replied in time.
    Silent,
    /// A socket or ICMP error.
    Network,
    /// Every server replied with a failure, or lamely.
    Refused,
    /// One of our own caps was reached; never kept (R32).
    Capped,
    /// No exchange could be started: a queue of ours is full; never kept.
    Full,
    /// The only servers to ask are the one that asked us (R31); never kept.
    Loop,
}

/// One alias of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Where the alias's records (the CNAME, a DNAME in front of it, their signatures) end.
    pub end: u16,
    /// How many records of the answer section stand before that end.
    pub count: u16,
    /// Where the target's name stands.
    pub target_at: u16,
}

/// Offsets in a message: as many as most answers have TTLs stand in place.
pub(super) type Offsets = SmallVec<[u16; 8]>;
/// The aliases of a chain: as many as most answers have stand in place.
pub(super) type Steps = SmallVec<[Step; 4]>;

/// A message in order: header, question, answer section in chain order from QNAME with contiguous RRsets, authority
/// with just what a negative answer or its proof needs; no additional section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawAnswer {
    /// The octets of the key, if there is one, then the message: one allocation, and side by side, since who
    /// looks at one looks at the other.
    pub(super) whole: Box<[u8]>,
    /// Where the message begins.
    pub(super) start: u16,
    /// Offsets of the TTLs, ascending. They run down.
    pub(super) ttls: Offsets,
    pub(super) steps: Steps,
    pub(super) end: End,
    pub(super) question_end: u16,
    pub(super) answer_end: u16,
    pub(super) answers: u16,
    pub(super) authorities: u16,
    pub(super) rcode: u16,
    pub(super) has_soa: bool,
    pub(super) authentic: bool,
    /// The upstream's extended errors.
    pub(super) errors: [Option<u16>; 2],
    /// The lowest TTL; how long it may be kept at most.
    pub(super) lifetime: Ttl,
}

impl RawAnswer {
    /// The outcome of an exchange that brought no usable reply.
    pub fn failed(failure: Failure) -> Self {
        Self {
            whole: Box::default(),
            start: 0,
            ttls: Offsets::new(),
            steps: Steps::new(),
            end: End::Failed(failure),
            question_end: 0,
            answer_end: 0,
            answers: 0,
            authorities: 0,
            rcode: rcode::SERVFAIL,
            has_soa: false,
            authentic: false,
            errors: [None; 2],
            lifetime: Ttl::ZERO,
        }
    }

    /// How it ends.
    pub fn end(&self) -> End {
        self.end
    }

    /// The last name's RCODE.
    pub fn rcode(&self) -> u16 {
        self.rcode
    }

    /// Whether a negative answer carries its SOA.
    pub fn has_soa(&self) -> bool {
        self.has_soa
    }

    /// AD as the upstream set it.
    pub fn is_authentic(&self) -> bool {
        self.authentic
    }

    /// The upstream's extended errors, without their texts.
    pub fn errors(&self) -> [Option<u16>; 2] {
        self.errors
    }

    /// The aliases in chain order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The target of an alias.
    pub fn target(&self, step: &Step) -> Option<WireName> {
        name_at(self.octets(), usize::from(step.target_at)).ok()
    }

    /// The same into a name that is there already.
    ///
    /// # Errors
    /// What is wrong with the name; it was checked when the answer was put in order.
    pub fn read_target(&self, step: &Step, target: &mut WireName) -> Result<(), Error> {
        target.fill_compressed(self.octets(), usize::from(step.target_at)).map(|_| ())
    }

    /// The lowest TTL of its records.
    pub fn lifetime(&self) -> Ttl {
        self.lifetime
    }

    /// Octets that it holds in memory beside the struct itself.
    pub fn heap_octets(&self) -> usize {
        let ttls = if self.ttls.spilled() { self.ttls.capacity().saturating_mul(2) } else { 0 };
        let steps = if self.steps.spilled() { self.steps.capacity().saturating_mul(size_of::<Step>()) } else { 0 };
        self.whole.len().saturating_add(ttls).saturating_add(steps)
    }

    /// The whole message.
    #[inline]
    pub fn octets(&self) -> &[u8] {
        self.whole.get(usize::from(self.start)..).unwrap_or(&[])
    }

    /// The octets of the key that it is had under; none for an outcome that nobody has put under one.
    #[inline]
    pub fn key(&self) -> &[u8] {
        self.whole.get(..usize::from(self.start)).unwrap_or(&[])
    }

    /// The same as what is had under a key, which most often it was asked by.
    pub fn under(self, key: &Key) -> Self {
        if self.key() == key.octets() {
            return self;
        }
        let start = u16::try_from(key.octets().len()).unwrap_or(0);
        Self { whole: [key.octets(), self.octets()].concat().into(), start, ..self }
    }

    /// Octets of header and question.
    pub fn question_end(&self) -> usize {
        usize::from(self.question_end)
    }

    /// Records of the answer section.
    pub fn answers(&self) -> u16 {
        self.answers
    }

    /// Records of the authority section.
    pub fn authorities(&self) -> u16 {
        self.authorities
    }

    /// Where the answer section ends.
    pub fn answer_end(&self) -> usize {
        usize::from(self.answer_end)
    }

    /// The answer section's records from record `first` at the offset `at` on.
    pub fn answer_records(&self, at: usize, first: u16) -> Records<'_> {
        Records::new(self.octets(), at, self.answers.saturating_sub(first))
    }

    /// The authority section's records.
    pub fn authority_records(&self) -> Records<'_> {
        Records::new(self.octets(), self.answer_end(), self.authorities)
    }

    /// Copies the octets from `from` to `to` to the same offsets of a reply to the same question, and runs the TTLs
    /// among them down by `age`. Pointers stay true, since nothing moves.
    ///
    /// # Errors
    /// [`Full`]; the writer is then as before. Also when the writer does not stand at `from`.
    pub fn copy_in_place(&self, writer: &mut Writer<'_>, from: usize, to: usize, age: Age) -> Result<(), Full> {
        if writer.len() != from {
            return Err(Full);
        }
        writer.octets(self.octets().get(from..to).ok_or(Full)?)?;
        for at in self.ttls.iter().map(|at| usize::from(*at)).filter(|at| (from..to).contains(at)) {
            let left = Ttl::from_wire(u32_at(self.octets(), at).unwrap_or(0)).aged(age);
            writer.patch(at, &left.seconds().to_be_bytes());
        }
        Ok(())
    }

    /// Lowers all TTLs to at most `most` and returns the lowest.
    pub fn lower_ttls(&mut self, most: Ttl) -> Ttl {
        if self.ttls.iter().any(|at| u32_at(self.octets(), usize::from(*at)).is_ok_and(|bits| bits > most.seconds())) {
            for at in &self.ttls {
                let ttl = Ttl::from_wire(u32_at(self.octets(), usize::from(*at)).unwrap_or(0)).min(most);
                let at = usize::from(self.start).saturating_add(usize::from(*at));
                super::put(&mut self.whole, at, &ttl.seconds().to_be_bytes());
            }
        }
        self.lifetime = self.lifetime.min(most);
        self.lifetime
    }

    /// The lowest TTL of the records from octet `from` on, at this age.
    pub fn least_ttl_from(&self, from: usize, age: Age) -> Option<Ttl> {
        let tail = self.ttls.iter().map(|at| usize::from(*at)).filter(|at| *at >= from);
        tail.filter_map(|at| u32_at(self.octets(), at).ok()).map(|bits| Ttl::from_wire(bits).aged(age)).min()
    }

    /// Offsets of the TTLs in front of octet `to`.
    pub fn ttls_before(&self, to: usize) -> impl Iterator<Item = usize> + '_ {
        self.ttls.iter().map(|at| usize::from(*at)).take_while(move |at| *at < to)
    }

    /// Sets the header's counts to what is kept.
    pub(super) fn seal(mut self, id: u16) -> Self {
        let header = Header {
            id,
            flags: flags::QR | (self.rcode & flags::RCODE),
            questions: 1,
            answers: self.answers,
            authorities: self.authorities,
            additionals: 0,
        };
        super::put(&mut self.whole, usize::from(self.start), &header.octets());
        self
    }
}
