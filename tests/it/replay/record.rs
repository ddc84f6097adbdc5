//! Resource records in presentation form (RFC 1035 §5.1, RFC 3597 §5, RFC 9460 §2.1), read and shown by code that
//! shares nothing with the product's.

use crate::harness::message::{Rr, kind, presentation};
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Types by their mnemonics.
const TYPES: [(&str, u16); 20] = [
    ("A", kind::A),
    ("NS", kind::NS),
    ("CNAME", kind::CNAME),
    ("SOA", kind::SOA),
    ("PTR", kind::PTR),
    ("HINFO", kind::HINFO),
    ("MX", kind::MX),
    ("TXT", kind::TXT),
    ("AAAA", kind::AAAA),
    ("SRV", kind::SRV),
    ("DNAME", kind::DNAME),
    ("OPT", kind::OPT),
    ("DS", kind::DS),
    ("RRSIG", kind::RRSIG),
    ("NSEC", NSEC),
    ("SVCB", kind::SVCB),
    ("HTTPS", kind::HTTPS),
    ("TSIG", 250),
    ("AXFR", 252),
    ("ANY", kind::ANY),
];
const NSEC: u16 = 47;

/// SvcParamKeys by name (RFC 9460 §14.3.2).
const PARAMETERS: [(&str, u16); 5] = [("mandatory", 0), ("alpn", 1), ("port", 3), ("ipv4hint", 4), ("ipv6hint", 6)];

/// The synthetic SOA's RDATA (R14).
const SYNTHETIC: [&str; 7] = ["hubdns.invalid.", "nobody.invalid.", "1", "3600", "1200", "604800", "10"];

/// A type's number.
pub(super) fn type_number(text: &str) -> Result<u16, String> {
    let known = TYPES.iter().find(|(mnemonic, _)| *mnemonic == text).map(|(_, number)| *number);
    let generic = || text.strip_prefix("TYPE")?.parse().ok();
    known.or_else(generic).ok_or_else(|| format!("{text:?} is no record type"))
}

/// A type's mnemonic, or the generic one.
pub(super) fn type_text(number: u16) -> String {
    let known = TYPES.iter().find(|(_, known)| *known == number).map(|(mnemonic, _)| (*mnemonic).to_owned());
    known.unwrap_or_else(|| format!("TYPE{number}"))
}

/// A fully qualified name as a test has it: lower case, without the last dot unless it is the root.
pub(super) fn name(text: &str) -> Result<String, String> {
    let (shown, _) = presentation(&wire(text)?);
    Ok(if shown.is_empty() { ".".to_owned() } else { shown })
}

/// A fully qualified name in wire form; `\.` and `\DDD` are understood.
pub(super) fn wire(text: &str) -> Result<Vec<u8>, String> {
    let (mut out, mut label) = (Vec::new(), Vec::new());
    let mut octets = text.bytes();
    let mut is_absolute = false;
    while let Some(octet) = octets.next() {
        is_absolute = octet == b'.';
        match octet {
            b'.' if text == "." => {}
            b'.' if label.is_empty() => return Err(format!("{text:?} has an empty label")),
            b'.' => {
                let length = u8::try_from(label.len()).ok().filter(|length| *length < 64);
                out.push(length.ok_or_else(|| format!("{text:?} has a label of more than 63 octets"))?);
                out.append(&mut label);
            }
            b'\\' => label.push(escaped(&mut octets).ok_or_else(|| format!("{text:?} has a broken escape"))?),
            other => label.push(other),
        }
    }
    out.push(0);
    match (is_absolute, out.len()) {
        (false, _) => Err(format!("{text:?} does not end in a dot")),
        (true, 256..) => Err(format!("{text:?} has more than 255 octets")),
        (true, _) => Ok(out),
    }
}

fn escaped(octets: &mut std::str::Bytes<'_>) -> Option<u8> {
    let first = octets.next()?;
    if !first.is_ascii_digit() {
        return Some(first);
    }
    let digits = [first, octets.next()?, octets.next()?].map(char::from);
    digits.iter().collect::<String>().parse().ok()
}

/// The TTL that a record may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TtlRange {
    pub(super) least: u32,
    pub(super) most: u32,
}

/// A record, and which TTLs it may have: `300`, `290-300` or `*`. The owner `*` is any.
pub(super) fn record(line: &str) -> Result<(Rr, TtlRange), String> {
    let fields = fields(line)?;
    let [owner, ttl, mnemonic, data @ ..] = fields.as_slice() else {
        return Err("a record is: name TTL type RDATA".to_owned());
    };
    let number = |text: &str| text.parse::<u32>().map_err(|_| format!("{ttl:?} is no TTL"));
    let range = match ttl.split_once('-') {
        _ if ttl == "*" => TtlRange { least: 0, most: u32::MAX },
        Some((least, most)) => TtlRange { least: number(least)?, most: number(most)? },
        None => TtlRange { least: number(ttl)?, most: number(ttl)? },
    };
    let kind = type_number(mnemonic)?;
    let data: Vec<&str> = data.iter().map(String::as_str).collect();
    let data = rdata(kind, &data).map_err(|fault| format!("{mnemonic}: {fault}"))?;
    let owner = if owner == "*" { owner.clone() } else { name(owner)? };
    Ok((Rr::new(&owner, kind, range.most, data), range))
}

/// The fields of a line; one in double quotes may hold blanks.
fn fields(line: &str) -> Result<Vec<String>, String> {
    let mut out = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let (field, behind) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or("a quote is not closed")?,
            None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        };
        out.push(field.to_owned());
        rest = behind.trim_start();
    }
    Ok(out)
}

fn integer<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text:?} is no number of this field"))
}

fn rdata(kind: u16, fields: &[&str]) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    match (kind, fields) {
        (_, ["\\#", length, hex @ ..]) => {
            out = octets_of_hex(&hex.concat())?;
            if out.len() != integer::<usize>(length)? {
                return Err(format!("{} octets, not {length}", out.len()));
            }
        }
        (kind::A, [address]) => out.extend(integer::<Ipv4Addr>(address)?.octets()),
        (kind::AAAA, [address]) => out.extend(integer::<Ipv6Addr>(address)?.octets()),
        (kind::NS | kind::CNAME | kind::DNAME | kind::PTR, [target]) => out = wire(target)?,
        (kind::SOA, ["synthetic"]) => return rdata(kind, &SYNTHETIC),
        (kind::SOA, [mname, rname, numbers @ ..]) if numbers.len() == 5 => {
            out.extend(wire(mname)?);
            out.extend(wire(rname)?);
            for number in numbers {
                out.extend(integer::<u32>(number)?.to_be_bytes());
            }
        }
        (kind::MX, [preference, exchange]) => {
            out.extend(integer::<u16>(preference)?.to_be_bytes());
            out.extend(wire(exchange)?);
        }
        (kind::SRV, [priority, weight, port, target]) => {
            for number in [priority, weight, port] {
                out.extend(integer::<u16>(number)?.to_be_bytes());
            }
            out.extend(wire(target)?);
        }
        (kind::TXT | kind::HINFO, strings) if !strings.is_empty() => {
            for string in strings {
                out.push(u8::try_from(string.len()).map_err(|_| "a string of more than 255 octets")?);
                out.extend(string.as_bytes());
            }
        }
        (kind::DS, [tag, algorithm, digest_type, digest]) => {
            out.extend(integer::<u16>(tag)?.to_be_bytes());
            out.extend([integer::<u8>(algorithm)?, integer::<u8>(digest_type)?]);
            out.extend(octets_of_hex(digest)?);
        }
        (kind::RRSIG, [covered, algorithm, labels, ttl, until, from, tag, signer, signature]) => {
            out.extend(type_number(covered)?.to_be_bytes());
            out.extend([integer::<u8>(algorithm)?, integer::<u8>(labels)?]);
            for number in [ttl, until, from] {
                out.extend(integer::<u32>(number)?.to_be_bytes());
            }
            out.extend(integer::<u16>(tag)?.to_be_bytes());
            out.extend(wire(signer)?);
            out.extend(octets_of_hex(signature)?);
        }
        (NSEC, [next, types @ ..]) => {
            out.extend(wire(next)?);
            out.extend(bitmap(types)?);
        }
        (kind::HTTPS | kind::SVCB, [priority, target, parameters @ ..]) => {
            out.extend(integer::<u16>(priority)?.to_be_bytes());
            out.extend(wire(target)?);
            for text in parameters {
                let (key, value) = parameter(text)?;
                out.extend(key.to_be_bytes());
                out.extend(u16::try_from(value.len()).map_err(|_| "a value that is too long")?.to_be_bytes());
                out.extend(value);
            }
        }
        _ => return Err(format!("cannot be {:?}", fields.join(" "))),
    }
    Ok(out)
}

/// A service parameter: `key=value`, the value of an unnamed key in hex.
fn parameter(text: &str) -> Result<(u16, Vec<u8>), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("{text:?} is no parameter"))?;
    let number = key_number(key)?;
    let mut out = Vec::new();
    for item in value.split(',') {
        match key {
            "alpn" => {
                out.push(u8::try_from(item.len()).map_err(|_| "a protocol of more than 255 octets")?);
                out.extend(item.as_bytes());
            }
            "port" => out.extend(integer::<u16>(item)?.to_be_bytes()),
            "mandatory" => out.extend(key_number(item)?.to_be_bytes()),
            "ipv4hint" => out.extend(integer::<Ipv4Addr>(item)?.octets()),
            "ipv6hint" => out.extend(integer::<Ipv6Addr>(item)?.octets()),
            _ => out.extend(octets_of_hex(item)?),
        }
    }
    Ok((number, out))
}

fn key_number(key: &str) -> Result<u16, String> {
    let known = PARAMETERS.iter().find(|(name, _)| *name == key).map(|(_, number)| *number);
    let generic = || key.strip_prefix("key")?.parse().ok();
    known.or_else(generic).ok_or_else(|| format!("{key:?} is no parameter's key"))
}

fn key_text(number: u16) -> String {
    let known = PARAMETERS.iter().find(|(_, known)| *known == number).map(|(name, _)| (*name).to_owned());
    known.unwrap_or_else(|| format!("key{number}"))
}

/// The first window of a type bitmap (RFC 4034 §4.1.2).
fn bitmap(types: &[&str]) -> Result<Vec<u8>, String> {
    let mut window = [0_u8; 32];
    for text in types {
        let number = u8::try_from(type_number(text)?).map_err(|_| format!("{text} is not in the first window"))?;
        window[usize::from(number / 8)] |= 0x80 >> (number % 8);
    }
    let length = window.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1);
    let head = [0, u8::try_from(length).expect("at most 32")];
    Ok(if length == 0 { Vec::new() } else { [head.as_slice(), &window[..length]].concat() })
}

fn octets_of_hex(text: &str) -> Result<Vec<u8>, String> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0).ok_or_else(|| format!("{text:?} is not hexadecimal"))?;
    Ok(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}

/// A record in presentation form, so that an expected and a received one can be told apart by eye.
pub(super) fn show(rr: &Rr) -> String {
    let owner = absolute(&rr.name);
    let data = show_rdata(rr).unwrap_or_else(|| format!("\\# {} {}", rr.data.len(), hex(&rr.data)));
    format!("{owner} {} {} {}", rr.ttl, type_text(rr.kind), data.trim_end())
}

/// With its last dot.
pub(super) fn absolute(name: &str) -> String {
    match name {
        "" | "." => ".".to_owned(),
        "*" => "*".to_owned(),
        name => format!("{name}."),
    }
}

/// Reads RDATA from the front.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn number<const N: usize>(&mut self) -> Option<u64> {
        let (octets, rest) = self.0.split_at_checked(N)?;
        self.0 = rest;
        Some(octets.iter().fold(0, |sum, octet| sum << 8 | u64::from(*octet)))
    }

    fn name(&mut self) -> Option<String> {
        let (text, length) = presentation(self.0);
        self.0 = self.0.get(length..)?;
        Some(absolute(&text))
    }

    fn rest(&mut self) -> String {
        hex(std::mem::take(&mut self.0))
    }
}

fn show_rdata(rr: &Rr) -> Option<String> {
    let mut data = Reader(&rr.data);
    let text = match rr.kind {
        kind::A | kind::AAAA => return rr.to_address().map(|address| address.to_string()),
        kind::NS | kind::CNAME | kind::DNAME | kind::PTR => data.name()?,
        kind::SOA => {
            let mut parts = vec![data.name()?, data.name()?];
            for _ in 0..5 {
                parts.push(data.number::<4>()?.to_string());
            }
            if parts == SYNTHETIC { "synthetic".to_owned() } else { parts.join(" ") }
        }
        kind::MX => format!("{} {}", data.number::<2>()?, data.name()?),
        kind::SRV => {
            format!("{} {} {} {}", data.number::<2>()?, data.number::<2>()?, data.number::<2>()?, data.name()?)
        }
        kind::TXT | kind::HINFO => {
            let mut strings = Vec::new();
            while !data.0.is_empty() {
                let length = usize::try_from(data.number::<1>()?).ok()?;
                let (string, rest) = data.0.split_at_checked(length)?;
                strings.push(format!("\"{}\"", string.escape_ascii()));
                data.0 = rest;
            }
            strings.join(" ")
        }
        kind::DS => format!("{} {} {} {}", data.number::<2>()?, data.number::<1>()?, data.number::<1>()?, data.rest()),
        kind::RRSIG => {
            let covered = type_text(u16::try_from(data.number::<2>()?).ok()?);
            let mut parts = vec![covered, data.number::<1>()?.to_string(), data.number::<1>()?.to_string()];
            for _ in 0..3 {
                parts.push(data.number::<4>()?.to_string());
            }
            parts.extend([data.number::<2>()?.to_string(), data.name()?, data.rest()]);
            parts.join(" ")
        }
        NSEC => {
            let mut parts = vec![data.name()?];
            let bits = data.0.get(2..).unwrap_or_default();
            for (at, octet) in bits.iter().enumerate() {
                let set = (0..8).filter(|bit| octet & (0x80 >> bit) != 0);
                parts.extend(set.map(|bit| type_text(u16::try_from(at * 8 + bit).unwrap_or(0))));
            }
            data.0 = &[];
            parts.join(" ")
        }
        kind::HTTPS | kind::SVCB => {
            let mut parts = vec![data.number::<2>()?.to_string(), data.name()?];
            while !data.0.is_empty() {
                let key = u16::try_from(data.number::<2>()?).ok()?;
                let length = usize::try_from(data.number::<2>()?).ok()?;
                let (value, rest) = data.0.split_at_checked(length)?;
                data.0 = rest;
                parts.push(format!("{}={}", key_text(key), show_value(key, value)?));
            }
            parts.join(" ")
        }
        _ => return None,
    };
    data.0.is_empty().then_some(text)
}

fn show_value(key: u16, value: &[u8]) -> Option<String> {
    let items: Vec<String> = match key {
        0 => value.chunks_exact(2).map(|pair| key_text(u16::from_be_bytes([pair[0], pair[1]]))).collect(),
        1 => {
            let (mut rest, mut items) = (value, Vec::new());
            while let [length, behind @ ..] = rest {
                let (item, next) = behind.split_at_checked(usize::from(*length))?;
                items.push(item.escape_ascii().to_string());
                rest = next;
            }
            items
        }
        3 => vec![u16::from_be_bytes(value.try_into().ok()?).to_string()],
        4 => value.chunks(4).map(|octets| <[u8; 4]>::try_from(octets).ok().map(address)).collect::<Option<_>>()?,
        6 => value.chunks(16).map(|octets| <[u8; 16]>::try_from(octets).ok().map(address)).collect::<Option<_>>()?,
        _ => vec![hex(value)],
    };
    Some(items.join(","))
}

fn address(octets: impl Into<IpAddr>) -> String {
    octets.into().to_string()
}

#[test]
fn records_are_shown_as_they_are_written() {
    for line in [
        "www.example. 300 A 192.0.2.1",
        ". 10 SOA synthetic",
        "example. 300 SOA ns.example. hostmaster.example. 1 3600 600 86400 60",
        "www.example. 0 AAAA 2001:db8::1",
        "d.example. 5 DNAME e.example.",
        "example. 5 MX 10 mx.example.",
        "_ldap._tcp.example. 5 SRV 0 5 389 dc1.example.",
        "www.example. 5 TXT \"two words\" \"three\"",
        "www.example. 5 HTTPS 1 . mandatory=ipv4hint alpn=h3,h2 port=8443 ipv4hint=192.0.2.1 ipv6hint=2001:db8::1",
        "www.example. 5 SVCB 0 svc.example.",
        "www.example. 5 SVCB 1 . key65400=00ff",
        "www.example. 5 RRSIG A 13 2 300 2000000000 1700000000 12345 example. 0badcafe",
        "a.example. 5 NSEC c.example. A AAAA RRSIG NSEC",
        "example. 5 DS 12345 13 2 00ff",
        "www.example. 5 TYPE65280 \\# 3 0102ff",
        "www.example. 5 HINFO \"RFC8482\" \"\"",
    ] {
        let (rr, _) = record(line).unwrap_or_else(|fault| panic!("{line}: {fault}"));
        assert_eq!(show(&rr), line);
    }
}
