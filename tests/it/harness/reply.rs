//! A reply as a test reads it: the octets, and what hickory's decoder, which shares nothing with the product's,
//! makes of them.

use super::message::{Query, Rr, kind};
use hickory_proto::op::{Edns, Message};
use hickory_proto::rr::Record;
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder};
use std::net::IpAddr;

/// The RCODEs that the tests speak of, BADVERS with its extended bits.
pub(crate) mod rcode {
    pub(crate) const NOERROR: u16 = 0;
    pub(crate) const FORMERR: u16 = 1;
    pub(crate) const SERVFAIL: u16 = 2;
    pub(crate) const NXDOMAIN: u16 = 3;
    pub(crate) const REFUSED: u16 = 5;
    pub(crate) const BADVERS: u16 = 16;
}

/// One reply.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) octets: Vec<u8>,
    pub(crate) message: Message,
}

impl Reply {
    /// # Panics
    /// When the octets are no message: the product must never send such.
    pub(crate) fn decode(octets: Vec<u8>) -> Self {
        match Message::from_vec(&octets) {
            Ok(message) => Self { octets, message },
            Err(error) => panic!("a reply that does not decode: {error}: {octets:02x?}"),
        }
    }

    pub(crate) fn id(&self) -> u16 {
        self.message.metadata.id
    }

    /// The RCODE with the bits that OPT adds.
    pub(crate) fn rcode(&self) -> u16 {
        let high = self.edns().map_or(0, |edns| u16::from(edns.rcode_high()));
        (high << 4) | u16::from(self.octets[3] & 0x0f)
    }

    pub(crate) fn aa(&self) -> bool {
        self.message.metadata.authoritative
    }

    pub(crate) fn tc(&self) -> bool {
        self.message.metadata.truncation
    }

    pub(crate) fn rd(&self) -> bool {
        self.message.metadata.recursion_desired
    }

    pub(crate) fn ra(&self) -> bool {
        self.message.metadata.recursion_available
    }

    pub(crate) fn ad(&self) -> bool {
        self.message.metadata.authentic_data
    }

    pub(crate) fn cd(&self) -> bool {
        self.message.metadata.checking_disabled
    }

    /// The header's Z bit.
    pub(crate) fn z(&self) -> bool {
        self.octets[3] & 0x40 != 0
    }

    pub(crate) fn edns(&self) -> Option<&Edns> {
        self.message.edns.as_ref()
    }

    /// The values of the Extended DNS Errors (RFC 8914) in order: info code and text.
    pub(crate) fn error_values(&self) -> Vec<&[u8]> {
        let options = self.edns().map(|edns| edns.options().options.as_slice()).unwrap_or_default();
        let values = options.iter().filter_map(|(_, option)| match option {
            EdnsOption::Unknown(15, value) => Some(value.as_slice()),
            _ => None,
        });
        values.collect()
    }

    /// The info codes of all Extended DNS Errors.
    pub(crate) fn errors(&self) -> Vec<u16> {
        let code = |value: &&[u8]| Some(u16::from_be_bytes([*value.first()?, *value.get(1)?]));
        self.error_values().iter().filter_map(code).collect()
    }

    /// The info code of the first Extended DNS Error.
    pub(crate) fn ede(&self) -> Option<u16> {
        self.errors().first().copied()
    }

    /// The codes of the options that came back.
    pub(crate) fn options(&self) -> Vec<u16> {
        let options = self.edns().map(|edns| edns.options().options.as_slice()).unwrap_or_default();
        options.iter().map(|(code, _)| u16::from(*code)).collect()
    }

    pub(crate) fn answers(&self) -> Vec<Rr> {
        self.message.answers.iter().map(plain).collect()
    }

    pub(crate) fn authority(&self) -> Vec<Rr> {
        self.message.authorities.iter().map(plain).collect()
    }

    /// The addresses in the answer section, in order.
    pub(crate) fn addresses(&self) -> Vec<IpAddr> {
        self.answers().iter().filter_map(Rr::to_address).collect()
    }

    /// The targets of the aliases in the answer section, in order.
    pub(crate) fn targets(&self) -> Vec<String> {
        let answers = self.answers();
        answers.iter().filter(|rr| rr.kind == kind::CNAME).filter_map(Rr::target).collect()
    }

    /// The owner of the SOA in the authority section.
    pub(crate) fn soa_owner(&self) -> Option<String> {
        self.authority().into_iter().find(|rr| rr.kind == kind::SOA).map(|rr| rr.name)
    }

    /// NOERROR without an answer, with one SOA.
    pub(crate) fn is_nodata(&self) -> bool {
        self.rcode() == rcode::NOERROR && self.answers().is_empty() && self.soa_owner().is_some()
    }

    /// Whether the question came back octet for octet, with the id, RD and CD of the query.
    pub(crate) fn repeats(&self, query: &Query) -> bool {
        let question = query.question();
        self.octets.get(12..12 + question.len()) == Some(&question)
            && self.id() == query.id
            && self.rd() == query.rd
            && self.cd() == query.cd
    }
}

/// A decoded record with its RDATA written out again without compression, names in lower case.
fn plain(record: &Record) -> Rr {
    let mut data = Vec::new();
    let mut encoder = BinEncoder::new(&mut data);
    encoder.set_canonical_form(true);
    record.data.emit(&mut encoder).expect("what was decoded can be encoded");
    let mut name = record.name.to_lowercase().to_ascii();
    if name.len() > 1 && name.ends_with('.') {
        name.pop();
    }
    Rr { name, kind: record.record_type().into(), ttl: record.ttl, data }
}
