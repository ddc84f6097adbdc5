//! A reply's octets as text: RCODE, flags, records and extended errors.

use std::net::IpAddr;

use hickory_proto::rr::{RData, Record as HickoryRecord};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};
use serde::{Deserialize, Serialize};

use super::Word;
use crate::wire::{Header, Question, Record, RecordType, Records, flags, rcode, rtype, u16_at};
use crate::zone::printable;

/// The option code of an extended error (RFC 8914 §2).
const OPTION_EDE: u16 = 15;

/// An answer, read back from its octets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The RCODE's name.
    pub rcode: String,
    /// AA: the data are owned by the view.
    pub authoritative: bool,
    /// TC: not all of it fitted.
    pub truncated: bool,
    /// AD.
    pub authentic: bool,
    /// The answer section.
    pub answer: Vec<RecordLine>,
    /// The authority section.
    pub authority: Vec<RecordLine>,
    /// Extended errors (RFC 8914).
    pub errors: Vec<ExtendedError>,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordLine {
    /// The owner.
    pub name: String,
    /// The TTL in seconds.
    pub ttl: u32,
    /// The type's name.
    #[serde(rename = "type")]
    pub rtype: String,
    /// The data in presentation form.
    pub data: String,
}

/// One extended error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtendedError {
    /// INFO-CODE.
    pub code: u16,
    /// What it means.
    pub meaning: Word,
    /// EXTRA-TEXT.
    pub text: String,
}

impl Reply {
    /// Reads a reply; none where the octets are no message with one question.
    pub fn read(octets: &[u8]) -> Option<Self> {
        let header = Header::read(octets).ok().filter(|header| header.questions == 1)?;
        let question = Question::read(octets).ok()?;
        let (answer, at) = section(octets, question.end, header.answers);
        let (authority, at) = section(octets, at, header.authorities);
        let mut code = header.flags & flags::RCODE;
        let mut errors = Vec::new();
        let opt = Records::new(octets, at, header.additionals).map_while(Result::ok);
        for record in opt.filter(|record| record.rtype == rtype::OPT) {
            // RFC 6891 §6.1.3: the upper eight bits of the RCODE.
            code |= u16::try_from(record.ttl_bits >> 24).unwrap_or(0) << 4;
            errors = extended_errors(octets, &record);
        }
        Some(Self {
            rcode: rcode_name(code),
            authoritative: header.has(flags::AA),
            truncated: header.has(flags::TC),
            authentic: header.has(flags::AD),
            answer,
            authority,
            errors,
        })
    }
}

impl Reply {
    /// The addresses of the answer.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let records = self.answer.iter().filter(|own| matches!(&*own.rtype, "A" | "AAAA"));
        records.filter_map(|own| own.data.parse().ok())
    }

    /// Whether the answer has this address.
    pub fn has_address(&self, address: IpAddr) -> bool {
        self.addresses().any(|own| own == address)
    }
}

/// The records of a section, and where the next one begins.
fn section(octets: &[u8], at: usize, count: u16) -> (Vec<RecordLine>, usize) {
    let mut records = Records::new(octets, at, count);
    let lines = records.by_ref().map_while(Result::ok).map(|record| line(octets, &record)).collect();
    (lines, records.at())
}

fn line(octets: &[u8], record: &Record) -> RecordLine {
    RecordLine {
        name: record.owner(octets).map_or_else(|_| "?".to_owned(), |name| name.to_string()),
        ttl: record.ttl().seconds(),
        rtype: RecordType(record.rtype).to_string(),
        data: data(octets, record),
    }
}

/// RDATA in presentation form; in the form of RFC 3597 §5 where its type is unknown or it is malformed.
fn data(octets: &[u8], record: &Record) -> String {
    let opaque = || {
        let rdata = record.rdata(octets);
        let hex: String = rdata.iter().map(|octet| format!("{octet:02x}")).collect();
        format!("\\# {} {hex}", rdata.len())
    };
    let Ok(at) = u16::try_from(record.owner_at) else { return opaque() };
    match HickoryRecord::read(&mut BinDecoder::new(octets).clone(at)) {
        Ok(HickoryRecord { data: RData::Unknown { .. }, .. }) | Err(_) => opaque(),
        // Text from elsewhere must not disturb a terminal.
        Ok(known) => known.data.to_string().chars().flat_map(printable).collect(),
    }
}

fn extended_errors(octets: &[u8], opt: &Record) -> Vec<ExtendedError> {
    let mut errors = Vec::new();
    let mut at = opt.rdata_at;
    while let (Ok(option), Ok(length)) = (u16_at(octets, at), u16_at(octets, at + 2)) {
        let end = at + 4 + usize::from(length);
        if end > opt.end {
            break;
        }
        if let (OPTION_EDE, Ok(code), Some(text)) = (option, u16_at(octets, at + 4), octets.get(at + 6..end)) {
            let text = String::from_utf8_lossy(text).chars().flat_map(printable).collect();
            errors.push(ExtendedError { code, meaning: meaning(code).into(), text });
        }
        at = end;
    }
    errors
}

/// An RCODE's name (IANA "DNS RCODEs").
pub(super) fn rcode_name(code: u16) -> String {
    match rcode::name(code) {
        "other" => format!("RCODE{code}"),
        name => name.to_owned(),
    }
}

/// What an extended error means, for the codes that this program sends or passes on (RFC 8914 §5.2).
fn meaning(code: u16) -> &'static str {
    match code {
        0 => "Other Error",
        3 => "Stale Answer",
        4 => "Forged Answer",
        6 => "DNSSEC Bogus",
        9 => "DNSKEY Missing",
        13 => "Cached Error",
        14 => "Not Ready",
        15 => "Blocked",
        16 => "Censored",
        17 => "Filtered",
        18 => "Prohibited",
        19 => "Stale NXDOMAIN Answer",
        22 => "No Reachable Authority",
        23 => "Network Error",
        _ => "",
    }
}
