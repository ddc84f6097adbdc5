//! A client's query, parsed once: header, exactly one question, OPT (RFC 1035 §4.1, RFC 9619, RFC 6891).

use super::record::Records;
use super::{Edns, Error, HEADER_OCTETS, Header, WireName, rtype, u16_at};

/// Octets of an OPT record without options.
const OPT_OCTETS: usize = 11;

/// The one question of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// QNAME, lower-cased.
    pub name: WireName,
    /// QTYPE.
    pub qtype: u16,
    /// QCLASS.
    pub qclass: u16,
    /// Where the question section ends in its message.
    pub end: usize,
}

impl Question {
    /// Reads the question behind the header. Its name is never compressed, since nothing stands before it.
    ///
    /// # Errors
    /// What is wrong with it.
    #[inline]
    pub fn read(message: &[u8]) -> Result<Self, Error> {
        let mut question = Self::EMPTY;
        question.fill(message)?;
        Ok(question)
    }

    const EMPTY: Self = Self { name: WireName::ROOT, qtype: 0, qclass: 0, end: 0 };

    #[inline]
    fn fill(&mut self, message: &[u8]) -> Result<(), Error> {
        let at = self.name.fill(message, HEADER_OCTETS)?;
        self.qtype = u16_at(message, at)?;
        self.qclass = u16_at(message, at.saturating_add(2))?;
        self.end = at.saturating_add(4);
        Ok(())
    }
}

/// A whole query that is well formed.
#[derive(Debug, Clone, Copy)]
pub struct Query {
    /// The header.
    pub header: Header,
    /// The question.
    pub question: Question,
    /// The OPT record, where there is one.
    pub edns: Option<Edns>,
}

impl Query {
    /// Reads a whole message: the question, and all records behind it for the one OPT that may be among them.
    ///
    /// # Errors
    /// What makes it malformed; its sender is owed FORMERR (R6).
    pub fn read(message: &[u8]) -> Result<Self, Error> {
        let mut query = Self::EMPTY;
        query.fill(message)?;
        Ok(query)
    }

    /// Nothing yet; see [`Query::fill`].
    pub const EMPTY: Self = Self {
        header: Header { id: 0, flags: 0, questions: 0, answers: 0, authorities: 0, additionals: 0 },
        question: Question::EMPTY,
        edns: None,
    };

    /// [`Query::read`] into a query that is there already: on the fast path nothing is moved.
    ///
    /// # Errors
    /// As [`Query::read`].
    #[inline]
    pub fn fill(&mut self, message: &[u8]) -> Result<(), Error> {
        self.header = Header::read(message)?;
        if self.header.questions != 1 {
            return Err(Error::QuestionCount);
        }
        self.question.fill(message)?;
        let (edns, end) = opt_behind(message, &self.header, self.question.end)?;
        self.edns = edns;
        // Octets that no section accounts for are no part of a DNS message.
        if end == message.len() { Ok(()) } else { Err(Error::Trailing) }
    }

    /// Whether the client set DO.
    pub fn dnssec_ok(&self) -> bool {
        self.edns.is_some_and(|edns| edns.dnssec_ok)
    }
}

/// The OPT record of the sections behind the question, and where the message ends.
#[inline]
pub(super) fn opt_behind(message: &[u8], header: &Header, at: usize) -> Result<(Option<Edns>, usize), Error> {
    if (header.answers, header.authorities, header.additionals) == (0, 0, 0) {
        return Ok((None, at));
    }
    // As most clients have it: an OPT record alone, without options.
    if (header.answers, header.authorities, header.additionals) == (0, 0, 1)
        && let Some([0, 0, 41, high, low, extended_rcode, version, flags, _, 0, 0]) =
            message.get(at..at.saturating_add(OPT_OCTETS))
    {
        let edns = Edns {
            payload: u16::from_be_bytes([*high, *low]),
            extended_rcode: *extended_rcode,
            version: *version,
            dnssec_ok: flags & 0x80 != 0,
            errors: [None; 2],
        };
        return Ok((Some(edns), at.saturating_add(OPT_OCTETS)));
    }
    opt_among(message, header, at)
}

/// The same where there are records to go through.
fn opt_among(message: &[u8], header: &Header, at: usize) -> Result<(Option<Edns>, usize), Error> {
    let mut at = at;
    for count in [header.answers, header.authorities] {
        let mut records = Records::new(message, at, count);
        for record in records.by_ref() {
            if record?.rtype == rtype::OPT {
                return Err(Error::Opt);
            }
        }
        at = records.at();
    }
    let mut edns = None;
    let mut records = Records::new(message, at, header.additionals);
    for record in records.by_ref() {
        let record = record?;
        if record.rtype == rtype::OPT && edns.replace(Edns::read(message, &record)?).is_some() {
            return Err(Error::Opt);
        }
    }
    Ok((edns, records.at()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(additionals: u16, tail: &[u8]) -> Vec<u8> {
        let header = Header { id: 1, flags: 0x0100, questions: 1, additionals, ..Header::default() };
        let mut message = header.octets().to_vec();
        message.extend(b"\x01a\0\0\x01\0\x01");
        message.extend(tail);
        message
    }

    const OPT: &[u8] = &[0, 0, 41, 0x04, 0xd0, 0, 0, 0x80, 0, 0, 0];

    #[test]
    fn an_opt_record_is_read() {
        let query = Query::read(&query(1, OPT)).unwrap();
        let edns = query.edns.unwrap();
        assert_eq!((edns.payload, edns.version, edns.dnssec_ok), (1232, 0, true));
    }

    #[test]
    fn s_07_misplaced_and_malformed_opt_records_are_faults() {
        let two = [OPT, OPT].concat();
        assert_eq!(Query::read(&query(2, &two)).unwrap_err(), Error::Opt);
        let owner = [b"\x01a".as_slice(), OPT].concat();
        assert_eq!(Query::read(&query(1, &owner)).unwrap_err(), Error::Opt);
        let mut answer = query(0, OPT);
        answer[7] = 1;
        assert_eq!(Query::read(&answer).unwrap_err(), Error::Opt);
        let mut option = OPT.to_vec();
        option[10] = 4;
        option.extend([0, 10, 0, 8]);
        assert_eq!(Query::read(&query(1, &option)).unwrap_err(), Error::Opt);
        let mut many = OPT.to_vec();
        many[10] = 33 * 4;
        many.extend([0, 99, 0, 0].repeat(33));
        assert_eq!(Query::read(&query(1, &many)).unwrap_err(), Error::Opt);
    }

    #[test]
    fn counts_and_lengths_must_agree() {
        assert_eq!(Query::read(&query(1, &[])).unwrap_err(), Error::Short);
        assert_eq!(Query::read(&query(0, &[0])).unwrap_err(), Error::Trailing);
        let mut none = query(0, &[]);
        none[5] = 0;
        assert_eq!(Query::read(&none).unwrap_err(), Error::QuestionCount);
        none[5] = 2;
        assert_eq!(Query::read(&none).unwrap_err(), Error::QuestionCount);
    }
}
