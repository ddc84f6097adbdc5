//! Record types: their numbers, their names, and where their RDATA holds names.

use std::fmt;

/// Numbers of the record types that the program treats in some way of their own (IANA "DNS RR TYPEs").
#[allow(missing_docs, reason = "each is the type of that name")]
pub mod rtype {
    pub const A: u16 = 1;
    pub const NS: u16 = 2;
    pub const CNAME: u16 = 5;
    pub const SOA: u16 = 6;
    pub const PTR: u16 = 12;
    pub const HINFO: u16 = 13;
    pub const MX: u16 = 15;
    pub const TXT: u16 = 16;
    pub const SIG: u16 = 24;
    pub const AAAA: u16 = 28;
    pub const SRV: u16 = 33;
    pub const DNAME: u16 = 39;
    pub const OPT: u16 = 41;
    pub const DS: u16 = 43;
    pub const RRSIG: u16 = 46;
    pub const NSEC: u16 = 47;
    pub const NSEC3: u16 = 50;
    pub const SVCB: u16 = 64;
    pub const HTTPS: u16 = 65;
    pub const TKEY: u16 = 249;
    pub const TSIG: u16 = 250;
    pub const IXFR: u16 = 251;
    pub const AXFR: u16 = 252;
    pub const MAILB: u16 = 253;
    pub const MAILA: u16 = 254;
    pub const ANY: u16 = 255;
}

const NAMES: &[(u16, &str)] = &[
    (1, "A"),
    (2, "NS"),
    (3, "MD"),
    (4, "MF"),
    (5, "CNAME"),
    (6, "SOA"),
    (7, "MB"),
    (8, "MG"),
    (9, "MR"),
    (10, "NULL"),
    (11, "WKS"),
    (12, "PTR"),
    (13, "HINFO"),
    (14, "MINFO"),
    (15, "MX"),
    (16, "TXT"),
    (17, "RP"),
    (18, "AFSDB"),
    (21, "RT"),
    (24, "SIG"),
    (25, "KEY"),
    (26, "PX"),
    (28, "AAAA"),
    (29, "LOC"),
    (30, "NXT"),
    (33, "SRV"),
    (35, "NAPTR"),
    (36, "KX"),
    (37, "CERT"),
    (39, "DNAME"),
    (41, "OPT"),
    (42, "APL"),
    (43, "DS"),
    (44, "SSHFP"),
    (45, "IPSECKEY"),
    (46, "RRSIG"),
    (47, "NSEC"),
    (48, "DNSKEY"),
    (49, "DHCID"),
    (50, "NSEC3"),
    (51, "NSEC3PARAM"),
    (52, "TLSA"),
    (53, "SMIMEA"),
    (55, "HIP"),
    (59, "CDS"),
    (60, "CDNSKEY"),
    (61, "OPENPGPKEY"),
    (62, "CSYNC"),
    (63, "ZONEMD"),
    (64, "SVCB"),
    (65, "HTTPS"),
    (99, "SPF"),
    (108, "EUI48"),
    (109, "EUI64"),
    (249, "TKEY"),
    (250, "TSIG"),
    (251, "IXFR"),
    (252, "AXFR"),
    (253, "MAILB"),
    (254, "MAILA"),
    (255, "ANY"),
    (256, "URI"),
    (257, "CAA"),
    (32769, "DLV"),
];

/// A record type, shown by its name, or as `TYPE65280` where it has none (RFC 3597 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RecordType(pub u16);

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(number, _)| *number == self.0) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "TYPE{}", self.0),
        }
    }
}

impl std::str::FromStr for RecordType {
    type Err = ();

    /// Reads a type's name in any case, or `TYPE123`.
    fn from_str(text: &str) -> Result<Self, ()> {
        if let Some((number, _)) = NAMES.iter().find(|(_, name)| name.eq_ignore_ascii_case(text)) {
            return Ok(Self(*number));
        }
        let digits = text.get(..4).filter(|head| head.eq_ignore_ascii_case("TYPE")).and_then(|_| text.get(4..));
        digits.and_then(|digits| digits.parse().ok()).map(Self).ok_or(())
    }
}

/// One stretch of an RDATA that has names in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// So many octets as they are.
    Octets(usize),
    /// A character-string (RFC 1035 §3.3).
    Text,
    /// A name, which may be compressed.
    Name,
    /// All that is left.
    Rest,
}

/// The layout of RDATA that may hold compressed names (RFC 3597 §4); empty for types whose RDATA is opaque.
pub(crate) fn layout(rtype: u16) -> &'static [Part] {
    use Part::{Name, Octets, Rest, Text};
    match rtype {
        2..=5 | 7..=9 | 12 | 39 => &[Name],
        6 => &[Name, Name, Octets(20)],
        14 | 17 => &[Name, Name],
        15 | 18 | 21 | 36 => &[Octets(2), Name],
        24 => &[Octets(18), Name, Rest],
        26 => &[Octets(2), Name, Name],
        30 => &[Name, Rest],
        33 => &[Octets(6), Name],
        35 => &[Octets(4), Text, Text, Text, Name],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_shown_and_read_by_name_or_number() {
        for text in ["A", "HTTPS", "TYPE65280", "SRV"] {
            assert_eq!(text.parse::<RecordType>().unwrap().to_string(), text);
        }
        assert_eq!("type1".parse(), Ok(RecordType(1)));
        assert_eq!("aaaa".parse(), Ok(RecordType(28)));
        assert!("TYPE65536".parse::<RecordType>().is_err());
        assert!("".parse::<RecordType>().is_err());
    }
}
