//! An upstream out of rows: what a recursive resolver would send back that has these records and no others.

use crate::load::{Scripted, What};
use crate::wire::{CLASS_IN, Failure, HEADER_OCTETS, Header, Key, MAX_ALIASES, RawAnswer, Ttl, WireName};
use crate::wire::{flags, rcode, rtype};
use crate::zone::synthetic_soa;

/// The rows of one expectation.
pub(super) struct Script<'r>(pub(super) &'r [Scripted]);

impl Script<'_> {
    /// The raw answer to a key; none where the rows say nothing about its name.
    pub(super) fn answer(&self, key: &Key) -> Option<RawAnswer> {
        let mut message = Message::new(key);
        let mut name = key.name();
        for _ in 0..=MAX_ALIASES {
            let rows: Vec<&What> = self.0.iter().filter(|row| row.owner == name).map(|row| &row.what).collect();
            if rows.is_empty() && message.answers == 0 {
                return None;
            }
            if rows.contains(&&What::ServFail) {
                return Some(RawAnswer::failed(Failure::Refused));
            }
            let before = message.answers;
            for (ttl, rdata) in records(&rows, key.qtype()) {
                message.answer(&name, key.qtype(), ttl, rdata);
            }
            if rows.is_empty() || message.answers > before {
                break; // an alias whose target the upstream does not know is passed as it is
            }
            let alias = records(&rows, rtype::CNAME).next();
            let target = alias.and_then(|(_, rdata)| WireName::read_plain(rdata, 0).ok());
            if let (Some((ttl, rdata)), Some((target, _))) = (alias, target) {
                message.answer(&name, rtype::CNAME, ttl, rdata);
                name = target;
                continue;
            }
            message.negative(&name, rows.contains(&&What::NxDomain));
            break;
        }
        let octets = message.octets();
        Some(RawAnswer::from_upstream(&octets, key).unwrap_or_else(|_| RawAnswer::failed(Failure::Refused)))
    }
}

/// The records of a type among the rows of one name.
fn records<'r>(rows: &[&'r What], wanted: u16) -> impl Iterator<Item = (Ttl, &'r [u8])> {
    rows.iter().filter_map(move |row| match row {
        What::Record { rtype, ttl, rdata } if *rtype == wanted => Some((*ttl, &**rdata)),
        _ => None,
    })
}

/// A response being written; names in it are whole.
pub(super) struct Message {
    header: Header,
    body: Vec<u8>,
    answers: u16,
}

impl Message {
    /// A response to a key's question.
    pub(super) fn new(key: &Key) -> Self {
        let header = Header { flags: flags::QR | flags::RD | flags::RA, questions: 1, ..Header::default() };
        let mut body = key.name_octets().to_vec();
        body.extend(key.qtype().to_be_bytes());
        body.extend(CLASS_IN.to_be_bytes());
        Self { header, body, answers: 0 }
    }

    /// Adds a record to the answer section.
    pub(super) fn answer(&mut self, owner: &WireName, rtype: u16, ttl: Ttl, rdata: &[u8]) {
        self.record(owner.octets(), rtype, ttl, rdata);
        self.answers = self.answers.saturating_add(1);
    }

    /// Ends the answer without data at `name`.
    fn negative(&mut self, name: &WireName, nxdomain: bool) {
        let soa = synthetic_soa();
        let apex = name.as_ref().parent().map_or(WireName::ROOT, |parent| parent.to_wire());
        if let Some(rdata) = soa.rdata().next() {
            self.record(apex.octets(), rtype::SOA, soa.ttl(), rdata);
            self.header.authorities = 1;
        }
        if nxdomain {
            self.header.flags |= rcode::NXDOMAIN;
        }
    }

    fn record(&mut self, owner: &[u8], rtype: u16, ttl: Ttl, rdata: &[u8]) {
        self.body.extend(owner);
        self.body.extend(rtype.to_be_bytes());
        self.body.extend(CLASS_IN.to_be_bytes());
        self.body.extend(ttl.seconds().to_be_bytes());
        self.body.extend(u16::try_from(rdata.len()).unwrap_or(u16::MAX).to_be_bytes());
        self.body.extend(rdata);
    }

    /// The whole of it.
    pub(super) fn octets(&self) -> Vec<u8> {
        let header = Header { answers: self.answers, ..self.header };
        let mut octets = Vec::with_capacity(HEADER_OCTETS + self.body.len());
        octets.extend(header.octets());
        octets.extend(&self.body);
        octets
    }
}
