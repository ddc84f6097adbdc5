//! Names, records and queries as octets, written by hand so that a test can also say what no library would.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The numbers of the record types that the tests speak of.
pub(crate) mod kind {
    pub(crate) const A: u16 = 1;
    pub(crate) const NS: u16 = 2;
    pub(crate) const CNAME: u16 = 5;
    pub(crate) const SOA: u16 = 6;
    pub(crate) const PTR: u16 = 12;
    pub(crate) const HINFO: u16 = 13;
    pub(crate) const MX: u16 = 15;
    pub(crate) const TXT: u16 = 16;
    pub(crate) const AAAA: u16 = 28;
    pub(crate) const SRV: u16 = 33;
    pub(crate) const DNAME: u16 = 39;
    pub(crate) const OPT: u16 = 41;
    pub(crate) const DS: u16 = 43;
    pub(crate) const RRSIG: u16 = 46;
    pub(crate) const SVCB: u16 = 64;
    pub(crate) const HTTPS: u16 = 65;
    pub(crate) const ANY: u16 = 255;
    /// A type from the private range, which no code has a parser for.
    pub(crate) const UNKNOWN: u16 = 65280;
}

/// A name in wire form, uncompressed. `\.` and `\DDD` are understood; a trailing dot is optional.
///
/// # Panics
/// When a label is empty. Labels over 63 octets are written as they are: some tests want them.
pub(crate) fn wire_name(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    for label in labels(text) {
        octets.push(u8::try_from(label.len()).expect("a label's length fits an octet"));
        octets.extend_from_slice(&label);
    }
    octets.push(0);
    octets
}

/// The labels of a name in presentation form, unescaped.
fn labels(text: &str) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    let mut label = Vec::new();
    let mut octets = text.bytes();
    while let Some(octet) = octets.next() {
        match octet {
            b'.' if label.is_empty() => assert_eq!(text, ".", "empty label in {text:?}"),
            b'.' => out.push(std::mem::take(&mut label)),
            b'\\' => match octets.next().expect("something follows a backslash") {
                digit if digit.is_ascii_digit() => {
                    let number: String =
                        [digit, octets.next().unwrap(), octets.next().unwrap()].map(char::from).iter().collect();
                    label.push(number.parse().expect("three digits up to 255"));
                }
                other => label.push(other),
            },
            other => label.push(other),
        }
    }
    if !label.is_empty() {
        out.push(label);
    }
    out
}

/// One resource record of class IN with its RDATA uncompressed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Rr {
    /// The owner in presentation form, without the trailing dot.
    pub(crate) name: String,
    pub(crate) kind: u16,
    /// Seconds.
    pub(crate) ttl: u32,
    pub(crate) data: Vec<u8>,
}

impl Rr {
    pub(crate) fn new(name: &str, kind: u16, ttl: u32, data: Vec<u8>) -> Self {
        let name = name.to_owned();
        Self { name, kind, ttl, data }
    }

    /// A or AAAA, as the address says.
    pub(crate) fn address(name: &str, ttl: u32, address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Self::new(name, kind::A, ttl, v4.octets().to_vec()),
            IpAddr::V6(v6) => Self::new(name, kind::AAAA, ttl, v6.octets().to_vec()),
        }
    }

    /// A or AAAA from text.
    pub(crate) fn host(name: &str, ttl: u32, address: &str) -> Self {
        Self::address(name, ttl, address.parse().expect("an address"))
    }

    pub(crate) fn cname(name: &str, ttl: u32, target: &str) -> Self {
        Self::new(name, kind::CNAME, ttl, wire_name(target))
    }

    pub(crate) fn dname(name: &str, ttl: u32, target: &str) -> Self {
        Self::new(name, kind::DNAME, ttl, wire_name(target))
    }

    pub(crate) fn ns(name: &str, ttl: u32, target: &str) -> Self {
        Self::new(name, kind::NS, ttl, wire_name(target))
    }

    pub(crate) fn soa(zone: &str, ttl: u32, minimum: u32) -> Self {
        let mut data = wire_name("ns.example");
        data.extend(wire_name("hostmaster.example"));
        for number in [1, 3600, 600, 86400, minimum] {
            data.extend_from_slice(&u32::to_be_bytes(number));
        }
        Self::new(zone, kind::SOA, ttl, data)
    }

    pub(crate) fn txt(name: &str, ttl: u32, strings: &[String]) -> Self {
        let mut data = Vec::new();
        for string in strings {
            data.push(u8::try_from(string.len()).expect("a TXT string of at most 255 octets"));
            data.extend_from_slice(string.as_bytes());
        }
        Self::new(name, kind::TXT, ttl, data)
    }

    pub(crate) fn srv(name: &str, ttl: u32, port: u16, target: &str) -> Self {
        let mut data = vec![0, 0, 0, 0];
        data.extend_from_slice(&port.to_be_bytes());
        data.extend(wire_name(target));
        Self::new(name, kind::SRV, ttl, data)
    }

    /// HTTPS or SVCB with parameters given as (key, value octets), in rising order of keys.
    pub(crate) fn service(name: &str, kind: u16, ttl: u32, target: &str, parameters: &[(u16, Vec<u8>)]) -> Self {
        let mut data = vec![0, 1];
        data.extend(wire_name(target));
        for (key, value) in parameters {
            data.extend_from_slice(&key.to_be_bytes());
            data.extend_from_slice(&u16::try_from(value.len()).expect("a short value").to_be_bytes());
            data.extend_from_slice(value);
        }
        Self::new(name, kind, ttl, data)
    }

    /// The address of an A or AAAA record.
    pub(crate) fn to_address(&self) -> Option<IpAddr> {
        match self.kind {
            kind::A => <[u8; 4]>::try_from(&*self.data).ok().map(|octets| Ipv4Addr::from(octets).into()),
            kind::AAAA => <[u8; 16]>::try_from(&*self.data).ok().map(|octets| Ipv6Addr::from(octets).into()),
            _ => None,
        }
    }

    /// The target of a CNAME or DNAME in lower case.
    pub(crate) fn target(&self) -> Option<String> {
        matches!(self.kind, kind::CNAME | kind::DNAME).then(|| presentation(&self.data).0)
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend(wire_name(&self.name));
        out.extend_from_slice(&self.kind.to_be_bytes());
        out.extend_from_slice(&[0, 1]);
        out.extend_from_slice(&self.ttl.to_be_bytes());
        out.extend_from_slice(&u16::try_from(self.data.len()).expect("RDATA fits").to_be_bytes());
        out.extend_from_slice(&self.data);
    }
}

impl std::fmt::Debug for Rr {
    /// As a zone file would have it, as far as the tests need.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} TYPE{} ", self.name, self.ttl, self.kind)?;
        match (self.to_address(), self.target()) {
            (Some(address), _) => write!(f, "{address}"),
            (_, Some(target)) => write!(f, "{target}"),
            _ => write!(f, "{}", self.data.escape_ascii()),
        }
    }
}

/// Reads an uncompressed name: its lower-cased presentation form and its length in octets.
pub(crate) fn presentation(octets: &[u8]) -> (String, usize) {
    let mut text = String::new();
    let mut at = 0;
    while let Some(&length) = octets.get(at) {
        at += 1;
        if length == 0 {
            break;
        }
        if !text.is_empty() {
            text.push('.');
        }
        for &octet in octets.get(at..at + usize::from(length)).unwrap_or_default() {
            match octet {
                b'.' | b'\\' => text.extend(['\\', char::from(octet)]),
                0x21..=0x7e => text.push(char::from(octet.to_ascii_lowercase())),
                other => text.push_str(&format!("\\{other:03}")),
            }
        }
        at += usize::from(length);
    }
    (text, at)
}

/// The OPT record of a query.
#[derive(Clone, Debug)]
pub(crate) struct Opt {
    pub(crate) size: u16,
    pub(crate) version: u8,
    pub(crate) dnssec_ok: bool,
    /// The fifteen flag bits after DO.
    pub(crate) z: u16,
    pub(crate) options: Vec<(u16, Vec<u8>)>,
}

impl Default for Opt {
    fn default() -> Self {
        Self { size: 1232, version: 0, dnssec_ok: false, z: 0, options: Vec::new() }
    }
}

impl Opt {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(0);
        out.extend_from_slice(&kind::OPT.to_be_bytes());
        out.extend_from_slice(&self.size.to_be_bytes());
        out.extend_from_slice(&[0, self.version]);
        out.extend_from_slice(&((u16::from(self.dnssec_ok) << 15) | self.z).to_be_bytes());
        let mut options = Vec::new();
        for (code, value) in &self.options {
            options.extend_from_slice(&code.to_be_bytes());
            options.extend_from_slice(&u16::try_from(value.len()).expect("a short option").to_be_bytes());
            options.extend_from_slice(value);
        }
        out.extend_from_slice(&u16::try_from(options.len()).expect("short options").to_be_bytes());
        out.extend(options);
    }
}

/// One query, every header bit at hand. The default is what a stub resolver sends: RD=1, no OPT.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    pub(crate) id: u16,
    pub(crate) opcode: u8,
    pub(crate) qr: bool,
    pub(crate) rd: bool,
    pub(crate) z: bool,
    pub(crate) ad: bool,
    pub(crate) cd: bool,
    /// The question's name as octets.
    pub(crate) name: Vec<u8>,
    pub(crate) kind: u16,
    pub(crate) class: u16,
    pub(crate) opt: Option<Opt>,
}

impl Query {
    pub(crate) fn new(name: &str, kind: u16) -> Self {
        Self {
            id: 0x4d53,
            opcode: 0,
            qr: false,
            rd: true,
            z: false,
            ad: false,
            cd: false,
            name: wire_name(name),
            kind,
            class: 1,
            opt: None,
        }
    }

    /// The same query with an OPT record of 1232 octets.
    pub(crate) fn with_opt(self) -> Self {
        self.opt(Opt::default())
    }

    pub(crate) fn opt(mut self, opt: Opt) -> Self {
        self.opt = Some(opt);
        self
    }

    pub(crate) fn id(mut self, id: u16) -> Self {
        self.id = id;
        self
    }

    pub(crate) fn rd(mut self, rd: bool) -> Self {
        self.rd = rd;
        self
    }

    pub(crate) fn ad(mut self) -> Self {
        self.ad = true;
        self
    }

    pub(crate) fn cd(mut self) -> Self {
        self.cd = true;
        self
    }

    pub(crate) fn class(mut self, class: u16) -> Self {
        self.class = class;
        self
    }

    pub(crate) fn opcode(mut self, opcode: u8) -> Self {
        self.opcode = opcode;
        self
    }

    /// DO=1.
    pub(crate) fn dnssec_ok(mut self) -> Self {
        self.opt.get_or_insert_default().dnssec_ok = true;
        self
    }

    /// The question section as octets: what must come back unchanged.
    pub(crate) fn question(&self) -> Vec<u8> {
        let mut out = self.name.clone();
        out.extend_from_slice(&self.kind.to_be_bytes());
        out.extend_from_slice(&self.class.to_be_bytes());
        out
    }

    /// The twelve octets of the header with the given counts.
    pub(crate) fn header(&self, counts: [u16; 4]) -> Vec<u8> {
        let mut out = self.id.to_be_bytes().to_vec();
        out.push((u8::from(self.qr) << 7) | (self.opcode << 3) | u8::from(self.rd));
        out.push((u8::from(self.z) << 6) | (u8::from(self.ad) << 5) | (u8::from(self.cd) << 4));
        for count in counts {
            out.extend_from_slice(&count.to_be_bytes());
        }
        out
    }

    pub(crate) fn to_octets(&self) -> Vec<u8> {
        let mut out = self.header([1, 0, 0, u16::from(self.opt.is_some())]);
        out.extend(self.question());
        if let Some(opt) = &self.opt {
            opt.write(&mut out);
        }
        out
    }
}
