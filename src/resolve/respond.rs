//! The reply: header bits, sections, truncation, OPT and extended errors (R9, R10, R26). Every transport's replies are
//! finished here.

use crate::wire::{
    Age, Ede, Full, HEADER_OCTETS, Header, NameRef, Query, RawAnswer, Record, Records, Template, Writer,
};
use crate::wire::{MAX_ALIASES, flags, opt_octets, put, rcode, rtype, skip_name};

use super::{MAX_OCTETS, MAX_UDP_OCTETS, Transport};

/// Most extended errors in a reply.
const MAX_ERRORS: usize = 4;

/// A reply being put together. The question is the client's, octet for octet.
pub(super) struct Reply<'b> {
    pub(super) writer: Writer<'b>,
    header: Header,
    question_end: usize,
    /// The most that all of it may take, and what of that the OPT record needs at least.
    limit: usize,
    has_opt: bool,
    dnssec_ok: bool,
    answers: u16,
    authorities: u16,
    truncated: bool,
    errors: [Ede; MAX_ERRORS],
    error_count: usize,
    /// The upstream's, of the last message alone.
    upstream_errors: [Option<u16>; 2],
    /// How many answer records stood before each cut: their TTLs are lowered at the end (R23).
    cuts: [u16; MAX_ALIASES + 1],
    cut_count: usize,
    /// Whether the first owner is ours; none until something was answered.
    authoritative: Option<bool>,
    /// Whether the client asked for AD and all pieces so far carry it.
    authentic: bool,
    has_pieces: bool,
}

/// A state to go back to.
#[derive(Clone, Copy, Default)]
pub(super) struct Place {
    mark: crate::wire::Mark,
    answers: u16,
}

impl<'b> Reply<'b> {
    /// A reply to `query`, whose octets are `message`.
    #[inline(always)]
    pub(super) fn new(message: &[u8], query: &Query, transport: Transport, out: &'b mut [u8]) -> Self {
        let limit = limit(query, transport);
        let has_opt = query.edns.is_some();
        let mut writer = Writer::new(out, limit);
        // A question takes at most 271 octets, so that it fits in the least limit.
        let _ = writer.octets(message.get(..query.question.end).unwrap_or(&[]));
        writer.set_limit(limit.saturating_sub(if has_opt { opt_octets(&[]) } else { 0 }));
        let wants_ad = query.header.has(flags::AD) || query.dnssec_ok();
        Self {
            writer,
            header: query.header,
            question_end: query.question.end,
            limit,
            has_opt,
            dnssec_ok: query.dnssec_ok(),
            answers: 0,
            authorities: 0,
            truncated: false,
            errors: [Ede::bare(0); MAX_ERRORS],
            error_count: 0,
            upstream_errors: [None; 2],
            cuts: [0; MAX_ALIASES + 1],
            cut_count: 0,
            authoritative: None,
            authentic: wants_ad,
            has_pieces: false,
        }
    }

    /// Where the question ends and the answer begins.
    pub(super) fn question_end(&self) -> usize {
        self.question_end
    }

    /// Whether nothing but the question is written.
    pub(super) fn is_empty(&self) -> bool {
        self.writer.len() == self.question_end
    }

    pub(super) fn is_truncated(&self) -> bool {
        self.truncated
    }

    pub(super) fn set_truncated(&mut self) {
        self.truncated = true;
    }

    /// Whose data this piece is. The first piece decides AA; AD is the AND of all.
    pub(super) fn piece(&mut self, owned: bool, authentic: bool) {
        self.authoritative.get_or_insert(owned);
        self.authentic &= authentic && !owned;
        self.has_pieces = true;
    }

    /// Adds an extended error; a client without OPT will not see it.
    pub(super) fn error(&mut self, error: Ede) {
        let known = self.errors.iter().take(self.error_count).any(|known| *known == error);
        if let Some(free) = self.errors.get_mut(self.error_count).filter(|_| !known) {
            *free = error;
            self.error_count = self.error_count.wrapping_add(1);
        }
    }

    /// The upstream's extended errors, in place of an earlier message's.
    pub(super) fn set_upstream_errors(&mut self, codes: [Option<u16>; 2]) {
        self.upstream_errors = codes;
    }

    /// The present state.
    pub(super) fn place(&self) -> Place {
        Place { mark: self.writer.mark(), answers: self.answers }
    }

    /// Takes back what was written since.
    pub(super) fn rewind(&mut self, place: Place) {
        self.writer.rewind(place.mark);
        self.answers = place.answers;
        self.authorities = 0;
        while self.cut_count > 0 && self.cuts.get(self.cut_count.wrapping_sub(1)).is_some_and(|cut| *cut > self.answers)
        {
            self.cut_count = self.cut_count.wrapping_sub(1);
        }
    }

    pub(super) fn count_answers(&mut self, more: u16) {
        self.answers = self.answers.saturating_add(more);
    }

    pub(super) fn count_authorities(&mut self, more: u16) {
        self.authorities = self.authorities.saturating_add(more);
    }

    /// What follows belongs to another piece: aliases so far take its TTL where that is lower (R23).
    pub(super) fn cut(&mut self) {
        if let Some(cut) = self.cuts.get_mut(self.cut_count) {
            *cut = self.answers;
            self.cut_count = self.cut_count.wrapping_add(1);
        }
    }

    /// Writes owned records of the name that stands at `owner_at`; when they do not fit, TC is set.
    pub(super) fn rrset(&mut self, set: &Template, owner_at: u16) {
        match set.write(&mut self.writer, owner_at) {
            Ok(()) => self.count_answers(set.count()),
            Err(Full) => self.truncated = true,
        }
    }

    /// Writes the SOA of a negative answer; when it does not fit, TC is set (R9).
    pub(super) fn soa(&mut self, soa: &Template, owner: NameRef<'_>) {
        let place = self.place();
        self.writer.remember(HEADER_OCTETS);
        match soa.write_owned_by(&mut self.writer, owner) {
            Ok(()) => self.count_authorities(soa.count()),
            Err(Full) => {
                self.rewind(place);
                self.truncated = true;
            }
        }
    }

    /// Writes the records of a raw answer's message from octet `from` on, `age` seconds old: as they stand where this
    /// reply is so far a prefix of that message, else each anew. On [`Full`] the caller rewinds.
    pub(super) fn raw_records(
        &mut self,
        raw: &RawAnswer,
        from: usize,
        to: usize,
        count: u16,
        age: Age,
    ) -> Result<(), Full> {
        if self.writer.len() == from && self.is_prefix_of(raw, from) {
            return raw.copy_in_place(&mut self.writer, from, to, age);
        }
        self.writer.remember(HEADER_OCTETS);
        for record in Records::new(raw.octets(), from, count) {
            let record = record.map_err(|_| Full)?;
            self.writer.copy(raw.octets(), &record, record.ttl().aged(age))?;
        }
        Ok(())
    }

    /// Whether all that is written before `from` stands so in the raw answer: either the question alone, or what was
    /// copied from it. Offsets agree only then.
    fn is_prefix_of(&self, raw: &RawAnswer, from: usize) -> bool {
        self.question_end == raw.question_end() && (from == self.question_end || self.cut_count == 0)
    }

    /// Writes one record of a raw answer anew.
    pub(super) fn raw_record(&mut self, raw: &RawAnswer, record: &Record, age: Age) -> Result<(), Full> {
        self.writer.copy(raw.octets(), record, record.ttl().aged(age)).map(|_| ())
    }

    /// Finishes the reply and returns its octets.
    pub(super) fn end(&mut self, code: u16, errors: &[Ede]) -> usize {
        for error in errors {
            self.error(*error);
        }
        for code in self.upstream_errors.into_iter().flatten() {
            self.error(Ede::bare(code));
        }
        self.lower_aliases();
        let mut additionals = 0;
        if self.has_opt {
            self.writer.set_limit(self.limit);
            let place = self.writer.mark();
            let upper = u8::try_from(code >> 4).unwrap_or(0);
            // What does not fit is left out from the last: the OPT itself always has room.
            for count in (0..=self.error_count).rev() {
                let errors = self.errors.get(..count).unwrap_or(&[]);
                if self.writer.opt(MAX_UDP_OCTETS as u16, upper, self.dnssec_ok, errors).is_ok() {
                    additionals = 1;
                    break;
                }
                self.writer.rewind(place);
            }
        }
        let bit = |set: bool, flag: u16| if set { flag } else { 0 };
        let kept = self.header.flags & (flags::RD | flags::CD);
        let header = Header {
            id: self.header.id,
            flags: flags::QR
                | kept
                | flags::RA
                | bit(self.authoritative == Some(true), flags::AA)
                | bit(self.truncated, flags::TC)
                | bit(self.authentic && self.has_pieces, flags::AD)
                | (code & flags::RCODE),
            questions: 1,
            answers: self.answers,
            authorities: self.authorities,
            additionals,
        };
        self.writer.patch(0, &header.octets());
        self.writer.len()
    }

    /// SERVFAIL with an empty answer.
    pub(super) fn fail(&mut self, error: Option<Ede>) -> usize {
        let (kept, count) = (self.errors, std::mem::take(&mut self.error_count));
        for error in error.into_iter().chain(kept.into_iter().take(count)) {
            self.error(error);
        }
        let start = Place { mark: self.writer.mark_at(self.question_end), answers: 0 };
        self.rewind(start);
        (self.truncated, self.authoritative, self.has_pieces) = (false, None, false);
        self.end(rcode::SERVFAIL, &[])
    }

    /// R23: aliases before a cut leave with the lesser of their own TTL and that of what follows the cut.
    fn lower_aliases(&mut self) {
        if self.cut_count == 0 {
            return;
        }
        // The lowest and highest TTL of each piece; then, from the back, the lowest of all that follows a piece.
        let mut pieces = [(u32::MAX, 0); MAX_ALIASES + 2];
        self.each_ttl(|piece, ttl| {
            if let Some((least, most)) = pieces.get_mut(piece) {
                (*least, *most) = (ttl.min(*least), ttl.max(*most));
            }
            None
        });
        let (mut following, mut is_lowered) = (u32::MAX, false);
        for (least, most) in pieces.iter_mut().take(self.cut_count.saturating_add(1)).rev() {
            let own = *least;
            *least = following;
            is_lowered |= *most > following;
            following = following.min(own);
        }
        // An aged alias has less than what it leads to most of the time.
        if is_lowered {
            self.each_ttl(|piece, ttl| pieces.get(piece).map(|(least, _)| *least).filter(|least| ttl > *least));
        }
    }

    /// Visits the TTLs of answer and authority section with the piece that each belongs to, and writes what `visit`
    /// returns in their place.
    fn each_ttl(&mut self, mut visit: impl FnMut(usize, u32) -> Option<u32>) {
        let (mut at, mut piece) = (self.question_end, 0_usize);
        for index in 0..self.answers.saturating_add(self.authorities) {
            let Some(own) = ttl_of(self.writer.written(), at) else { return };
            if index >= self.answers {
                piece = self.cut_count;
            }
            while piece < self.cut_count && self.cuts.get(piece).is_some_and(|cut| *cut <= index) {
                piece = piece.saturating_add(1);
            }
            if let Some(ttl) = visit(piece, own.seconds) {
                self.writer.patch(own.at, &ttl.to_be_bytes());
            }
            at = own.record_end;
        }
    }

    /// What is written.
    pub(super) fn written(&self) -> &[u8] {
        self.writer.written()
    }
}

/// A record's TTL as it is written.
struct WrittenTtl {
    at: usize,
    seconds: u32,
    record_end: usize,
}

/// The TTL of the record at `at` of a message that we have written: no more than it takes to go on to the next one.
#[inline]
fn ttl_of(message: &[u8], at: usize) -> Option<WrittenTtl> {
    let ttl_at = skip_name(message, at).ok()?.saturating_add(4);
    let [a, b, c, d, high, low] = *message.get(ttl_at..)?.first_chunk()?;
    let record_end = ttl_at.saturating_add(6).saturating_add(usize::from(u16::from_be_bytes([high, low])));
    Some(WrittenTtl { at: ttl_at, seconds: u32::from_be_bytes([a, b, c, d]), record_end })
}

/// As much of a whole reply as a transport's size holds (R9): first without the authority section of a positive answer,
/// then whole RRsets in chain order with TC. A negative answer that cannot hold its SOA has TC too.
pub(super) fn fit(whole: &[u8], query: &Query, transport: Transport, out: &mut [u8]) -> usize {
    let Ok(header) = Header::read(whole) else { return 0 };
    let limit = limit(query, transport);
    let mut answers = Records::new(whole, query.question.end, header.answers);
    let answer_records: Vec<Record> = answers.by_ref().map_while(Result::ok).collect();
    let mut authorities = Records::new(whole, answers.at(), header.authorities);
    let authority_records: Vec<Record> = authorities.by_ref().map_while(Result::ok).collect();
    // Behind these the OPT record alone: whole where it fits, else without its errors.
    let opt = whole.get(authorities.at()..).unwrap_or(&[]);
    let bare = opt.get(..opt.len().min(opt_octets(&[]))).unwrap_or(&[]);
    let mut writer = Writer::new(out, limit);
    let _ = writer.octets(whole.get(..query.question.end).unwrap_or(&[]));
    writer.remember(HEADER_OCTETS);
    writer.set_limit(limit.saturating_sub(bare.len()));
    let (mut kept, mut truncated) = (0_u16, false);
    for set in answer_records.chunk_by(|one, next| same_set(whole, one, next)) {
        let mark = writer.mark();
        if set.iter().any(|record| writer.copy(whole, record, record.ttl()).is_err()) {
            writer.rewind(mark);
            truncated = true;
            break;
        }
        kept = kept.saturating_add(u16::try_from(set.len()).unwrap_or(u16::MAX));
    }
    let mark = writer.mark();
    let mut authorities = header.authorities;
    if truncated || authority_records.iter().any(|record| writer.copy(whole, record, record.ttl()).is_err()) {
        writer.rewind(mark);
        authorities = 0;
        truncated |= authority_records.iter().any(|record| record.rtype == rtype::SOA);
    }
    writer.set_limit(limit);
    if writer.octets(opt).is_err() {
        // Room for it was kept; its length of RDATA becomes zero.
        let at = writer.len();
        let _ = writer.octets(bare);
        writer.patch(at.saturating_add(9), &[0, 0]);
    }
    let flags = header.flags | if truncated { flags::TC } else { 0 };
    let header = Header { flags, answers: kept, authorities, ..header };
    writer.patch(0, &header.octets());
    writer.len()
}

/// Whether two records are of one RRset.
fn same_set(message: &[u8], one: &Record, next: &Record) -> bool {
    one.rtype == next.rtype && one.owner(message).ok() == next.owner(message).ok()
}

/// The most octets of a reply (R9).
fn limit(query: &Query, transport: Transport) -> usize {
    match (transport, query.edns) {
        (Transport::Stream, _) => MAX_OCTETS,
        (Transport::Udp, Some(edns)) => usize::from(edns.payload).clamp(512, MAX_UDP_OCTETS),
        (Transport::Udp, None) => 512,
    }
}

/// A reply of the header alone: for what cannot be parsed, or is not answered (R6). Opcode and RD are echoed; what the
/// other flags mean is known for queries alone (RFC 8906 §3.1.4).
pub(super) fn bare(header: &Header, code: u16, out: &mut [u8]) -> usize {
    let query = if header.opcode() == 0 { flags::RA | header.flags & flags::CD } else { 0 };
    let kept = query | header.flags & (flags::OPCODE | flags::RD);
    let reply = Header { id: header.id, flags: flags::QR | kept | code, ..Header::default() };
    put(out, 0, &reply.octets());
    HEADER_OCTETS
}

/// SERVFAIL with an empty answer for a query that the core found to be in order, when its raw answer cannot be had:
/// a queue or a cap of ours, or the client's deadline. Returns the reply's octets, 0 where none is owed.
pub fn servfail(message: &[u8], transport: Transport, error: Ede, out: &mut [u8]) -> usize {
    match Query::read(message) {
        Ok(query) => Reply::new(message, &query, transport, out).fail(Some(error)),
        Err(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::u32_at;

    #[test]
    fn r06_a_bare_reply_echoes_opcode_and_id() {
        let header = Header { id: 7, flags: 0x2910, questions: 1, ..Header::default() };
        let mut out = [0xff; 20];
        assert_eq!(bare(&header, rcode::NOTIMP, &mut out), 12);
        let reply = Header::read(&out).unwrap();
        assert_eq!((reply.id, reply.opcode(), reply.rcode(), reply.questions), (7, 0x2800, rcode::NOTIMP, 0));
        assert!(reply.has(flags::QR | flags::RD) && reply.flags & (flags::CD | flags::RA) == 0);
        assert_eq!(u32_at(&out, 4), Ok(0));
    }
}
