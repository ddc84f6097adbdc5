//! RDATA of one record out of its tokens, each type with its exact number of fields.

use std::net::{Ipv4Addr, Ipv6Addr};

use hickory_proto::rr::Name as HickoryName;
use hickory_proto::serialize::binary::BinEncodable;
use hickory_proto::serialize::txt::Parser;

use super::split::Token;
use super::{shorten, ttl};
use crate::wire::{RecordType, WireName, layout, rtype};

/// Reads a name as the file means it.
type ReadName<'r> = &'r dyn Fn(&Token<'_>) -> Result<WireName, String>;

/// Type and RDATA, names in it whole and uncompressed.
pub(super) fn read(kind: &str, tokens: &[Token<'_>], name: ReadName<'_>) -> Result<(u16, Vec<u8>), String> {
    let kind = kind.to_ascii_uppercase();
    if let [mark, rest @ ..] = tokens
        && !mark.quoted
        && mark.text == "\\#"
    {
        return generic(&kind, rest);
    }
    let fields = Fields { kind: &kind, tokens };
    match &*kind {
        "A" => {
            let [address] = fields.exactly()?;
            let address: Ipv4Addr = address.text.parse().map_err(|_| fields.bad(address, "an IPv4 address"))?;
            Ok((rtype::A, address.octets().to_vec()))
        }
        "AAAA" => {
            let [address] = fields.exactly()?;
            let address: Ipv6Addr = address.text.parse().map_err(|_| fields.bad(address, "an IPv6 address"))?;
            Ok((rtype::AAAA, address.octets().to_vec()))
        }
        "CNAME" | "NS" | "PTR" => {
            let [target] = fields.exactly()?;
            let rtype = match &*kind {
                "CNAME" => rtype::CNAME,
                "NS" => rtype::NS,
                _ => rtype::PTR,
            };
            Ok((rtype, name(target)?.octets().to_vec()))
        }
        "MX" => {
            let [preference, exchange] = fields.exactly()?;
            let mut rdata = fields.number::<u16>(preference)?.to_be_bytes().to_vec();
            rdata.extend_from_slice(name(exchange)?.octets());
            Ok((rtype::MX, rdata))
        }
        "SRV" => {
            let [priority, weight, port, target] = fields.exactly()?;
            let mut rdata = Vec::new();
            for number in [priority, weight, port] {
                rdata.extend_from_slice(&fields.number::<u16>(number)?.to_be_bytes());
            }
            rdata.extend_from_slice(name(target)?.octets());
            Ok((rtype::SRV, rdata))
        }
        "SOA" => {
            let [primary, mailbox, serial, refresh, retry, expire, minimum] = fields.exactly()?;
            let mut rdata = name(primary)?.octets().to_vec();
            rdata.extend_from_slice(name(mailbox)?.octets());
            rdata.extend_from_slice(&fields.number::<u32>(serial)?.to_be_bytes());
            for time in [refresh, retry, expire, minimum] {
                let seconds = ttl(time.text).ok_or_else(|| fields.bad(time, "a number of seconds"))?;
                rdata.extend_from_slice(&seconds.seconds().to_be_bytes());
            }
            Ok((rtype::SOA, rdata))
        }
        "TXT" => {
            let mut rdata = Vec::new();
            for token in tokens {
                let text = unescape(token.text)?;
                let length = u8::try_from(text.len()).map_err(|_| "a string has more than 255 octets".to_owned())?;
                rdata.push(length);
                rdata.extend_from_slice(&text);
            }
            if tokens.is_empty() {
                return Err("TXT needs at least one string".to_owned());
            }
            Ok((rtype::TXT, rdata))
        }
        _ => other(&kind, tokens),
    }
}

/// The fields of a record.
struct Fields<'f, 't> {
    kind: &'f str,
    tokens: &'f [Token<'t>],
}

impl<'f, 't> Fields<'f, 't> {
    /// Just so many fields.
    fn exactly<const N: usize>(&self) -> Result<&'f [Token<'t>; N], String> {
        self.tokens.try_into().map_err(|_| format!("{} has {N} fields, not {}", self.kind, self.tokens.len()))
    }

    /// A number.
    fn number<T: std::str::FromStr>(&self, token: &Token<'_>) -> Result<T, String> {
        token.text.parse().map_err(|_| self.bad(token, "a number in its range"))
    }

    /// A field that is not what it should be.
    fn bad(&self, token: &Token<'_>, wanted: &str) -> String {
        format!("{} in {} is not {wanted}", shorten(token.text), self.kind)
    }
}

/// The octets of a string with its escapes.
fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        if octet != b'\\' {
            octets.push(octet);
            continue;
        }
        let wrong = || format!("{} has an unfinished escape", shorten(text));
        let first = rest.next().ok_or_else(wrong)?;
        if !first.is_ascii_digit() {
            octets.push(first);
            continue;
        }
        let mut number = u16::from(first.saturating_sub(b'0'));
        for _ in 0..2 {
            let digit = rest.next().filter(u8::is_ascii_digit).ok_or_else(wrong)?;
            number = number.saturating_mul(10).saturating_add(u16::from(digit.saturating_sub(b'0')));
        }
        octets.push(u8::try_from(number).map_err(|_| wrong())?);
    }
    Ok(octets)
}

/// RFC 3597 §5: the count of octets and their hexadecimal digits, for a type by name or as `TYPE123`. Types whose RDATA
/// holds names are taken in their own form alone, since the digits could hide a compressed one.
fn generic(kind: &str, tokens: &[Token<'_>]) -> Result<(u16, Vec<u8>), String> {
    let bad = || format!("{} after \\# is not a count of octets and that many in hexadecimal digits", shorten(kind));
    let RecordType(rtype) = kind.parse().map_err(|()| format!("type {} is not taken", shorten(kind)))?;
    let [count, digits @ ..] = tokens else { return Err(bad()) };
    let count: usize = count.text.parse::<u16>().map_err(|_| bad())?.into();
    let mut rdata = Vec::with_capacity(count);
    let mut digits = digits.iter().flat_map(|token| token.text.chars()).map(|digit| digit.to_digit(16));
    while let Some(high) = digits.next() {
        let (Some(high), Some(Some(low))) = (high, digits.next()) else { return Err(bad()) };
        rdata.push(u8::try_from(high << 4 | low).map_err(|_| bad())?);
    }
    let is_data = !matches!(rtype, 0 | rtype::OPT | 128..=255);
    let has_names = rtype == rtype::DNAME || !layout(rtype).is_empty();
    let fits = match rtype {
        rtype::A => rdata.len() == 4,
        rtype::AAAA => rdata.len() == 16,
        _ => true,
    };
    match () {
        () if rdata.len() != count || !fits => Err(bad()),
        () if !is_data || has_names => Err(format!("{kind} is not taken in the form of \\#")),
        () => Ok((rtype, rdata)),
    }
}

/// Any other type that hickory's parser reads. Names in it must be absolute.
fn other(kind: &str, tokens: &[Token<'_>]) -> Result<(u16, Vec<u8>), String> {
    let known = kind.bytes().all(|octet| octet.is_ascii_alphanumeric()) && kind.len() <= 16;
    if !known || ["DNAME", "ANY", "AXFR", "OPT"].contains(&kind) {
        return Err(format!("type {} is not taken", shorten(kind)));
    }
    let quoted = |token: &Token<'_>| {
        if token.quoted { format!("\"{}\"", token.text) } else { token.text.to_owned() }
    };
    let fields: Vec<String> = tokens.iter().map(quoted).collect();
    let entry = format!("x. 1 IN {kind} {}\n", fields.join(" "));
    let parsed = Parser::new(entry, None, Some(HickoryName::root())).parse();
    let (_, sets) = parsed.map_err(|error| format!("{kind}: {error}"))?;
    let record = sets.values().flat_map(|set| set.records_without_rrsigs()).next();
    let record = record.ok_or_else(|| format!("type {} is not taken", shorten(kind)))?;
    let rdata = record.data.to_bytes().map_err(|error| format!("{kind}: {error}"))?;
    Ok((record.record_type().into(), rdata))
}
