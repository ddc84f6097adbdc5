//! A record as a line: one JSON object in fields of the Elastic Common Schema, ours below `hubdns.`.
//!
//! Names and data are a peer's choice. They are printable ASCII here, all other octets being `\DDD`, and JSON's own
//! escapes come on top.

use std::fmt::Write as _;
use std::io;
use std::net::IpAddr;
use std::time::{Instant, SystemTime};

use serde::Serialize;
use time::OffsetDateTime;

use super::draft::{Draft, Fact, Route, Text};
use super::record::Record;
use crate::metrics::Source;
use crate::wire::{
    CLASS_IN, Edns, Header, Question, Record as ResourceRecord, RecordType, Records, WireName, flags, name_at, rcode,
    rtype,
};
use crate::zone::{address_of, rdata_text};

/// A moment by two clocks: what was taken by the steady one is told by the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Anchor {
    steady: Instant,
    wall: SystemTime,
}

impl Anchor {
    pub(super) fn now() -> Self {
        Self { steady: Instant::now(), wall: SystemTime::now() }
    }

    /// The time of day of a moment.
    pub(super) fn wall(&self, at: Instant) -> SystemTime {
        let ago = self.steady.saturating_duration_since(at);
        self.wall.checked_sub(ago).unwrap_or(self.wall) + at.saturating_duration_since(self.steady)
    }
}

#[derive(Serialize)]
struct Line<'l> {
    #[serde(rename = "@timestamp")]
    timestamp: String,
    #[serde(rename = "event.action")]
    action: &'static str,
    #[serde(rename = "event.duration")]
    duration: u64,
    #[serde(rename = "source.ip", skip_serializing_if = "Option::is_none")]
    client: Option<IpAddr>,
    #[serde(rename = "source.port", skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(rename = "destination.ip")]
    local: IpAddr,
    #[serde(rename = "destination.port")]
    local_port: u16,
    #[serde(rename = "network.transport")]
    transport: &'static str,
    #[serde(rename = "dns.id")]
    id: String,
    #[serde(rename = "dns.question.name", skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(rename = "dns.question.type", skip_serializing_if = "Option::is_none")]
    qtype: Option<String>,
    #[serde(rename = "dns.question.class", skip_serializing_if = "Option::is_none")]
    qclass: Option<String>,
    #[serde(rename = "dns.response_code")]
    code: String,
    #[serde(rename = "dns.header_flags")]
    flags: Vec<&'static str>,
    #[serde(rename = "dns.answers")]
    answers: Vec<Answer>,
    #[serde(rename = "dns.resolved_ip", skip_serializing_if = "Vec::is_empty")]
    addresses: Vec<IpAddr>,
    #[serde(rename = "hubdns.view", skip_serializing_if = "str::is_empty")]
    view: &'l str,
    #[serde(rename = "hubdns.source")]
    source: &'static str,
    #[serde(rename = "hubdns.route", skip_serializing_if = "Option::is_none")]
    route: Option<String>,
    #[serde(rename = "hubdns.upstream", skip_serializing_if = "str::is_empty")]
    upstream: &'l str,
    #[serde(rename = "hubdns.endpoint", skip_serializing_if = "str::is_empty")]
    endpoint: &'l str,
    #[serde(rename = "hubdns.zone", skip_serializing_if = "str::is_empty")]
    zone: &'l str,
    #[serde(rename = "hubdns.guard", skip_serializing_if = "Option::is_none")]
    guard: Option<&'static str>,
    #[serde(rename = "hubdns.ede", skip_serializing_if = "Vec::is_empty")]
    errors: Vec<u16>,
    #[serde(rename = "hubdns.cut", skip_serializing_if = "std::ops::Not::not")]
    is_cut: bool,
}

#[derive(Serialize)]
struct Answer {
    name: String,
    #[serde(rename = "type")]
    rtype: String,
    class: String,
    ttl: u32,
    data: String,
}

/// Lines that are missing.
#[derive(Serialize)]
struct Gap {
    #[serde(rename = "@timestamp")]
    timestamp: String,
    #[serde(rename = "event.action")]
    action: &'static str,
    #[serde(rename = "hubdns.dropped")]
    dropped: u64,
    #[serde(rename = "hubdns.reason")]
    reason: &'static str,
}

/// What the table of clients wants of a record.
pub(super) struct Gist<'r> {
    pub(super) at: SystemTime,
    pub(super) client: Option<IpAddr>,
    pub(super) name: Option<WireName>,
    pub(super) view: &'r str,
    pub(super) endpoint: &'r str,
}

/// Appends a record's line.
///
/// # Errors
/// None that a buffer in memory has.
pub(super) fn write<'r>(out: &mut Vec<u8>, record: &'r Record, anchor: &Anchor) -> io::Result<Gist<'r>> {
    let (reply, draft) = (record.reply(), &record.draft);
    let header = Header::read(reply).unwrap_or_default();
    let question = Question::read(reply).ok().filter(|_| header.questions == 1);
    let read = question.as_ref().map_or_else(Read::default, |question| Read::new(reply, &header, question.end));
    let text = |text: Text| std::str::from_utf8(draft.octets(text)).unwrap_or("?");
    let at = anchor.wall(record.begun);
    let (code, bits) = (header.flags & flags::RCODE | read.upper_code, header.flags);
    let refused = code == rcode::REFUSED && record.source == Source::Local;
    let mut errors = read.errors;
    errors.extend(draft.errors().iter().filter(|code| !errors.contains(code)).copied().collect::<Vec<_>>());
    let line = Line {
        timestamp: timestamp(at),
        action: record.action.word(),
        duration: u64::try_from(record.took.as_nanos()).unwrap_or(u64::MAX),
        client: record.client.map(|client| client.0),
        port: record.client.and_then(|client| client.1),
        local: record.local.ip(),
        local_port: record.local.port(),
        transport: record.carrier.word(),
        id: header.id.to_string(),
        name: question.as_ref().map(|question| question.name.to_string()),
        qtype: question.as_ref().map(|question| RecordType(question.qtype).to_string()),
        qclass: question.as_ref().map(|question| class(question.qclass)),
        code: match rcode::name(code) {
            "other" => format!("RCODE{code}"),
            name => name.to_owned(),
        },
        flags: FLAGS
            .iter()
            .filter(|(bit, _)| bits & bit != 0)
            .map(|(_, word)| *word)
            .chain(read.dnssec_ok.then_some("DO"))
            .collect(),
        answers: read.answers,
        addresses: read.addresses,
        view: text(Text::View),
        source: if refused { Source::Policy } else { record.source }.word(),
        route: route(draft),
        upstream: text(Text::Upstream),
        endpoint: text(Text::Endpoint),
        zone: text(Text::Zone),
        guard: guard(draft),
        errors,
        is_cut: record.is_cut,
    };
    serde_json::to_writer(&mut *out, &line)?;
    out.push(b'\n');
    let client = record.client.map(|client| client.0);
    let name = question.map(|question| question.name);
    Ok(Gist { at, client, name, view: text(Text::View), endpoint: text(Text::Endpoint) })
}

/// Appends a line that tells how many are missing before it.
///
/// # Errors
/// None that a buffer in memory has.
pub(super) fn write_gap(out: &mut Vec<u8>, at: SystemTime, dropped: u64, reason: &'static str) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &Gap { timestamp: timestamp(at), action: "gap", dropped, reason })?;
    out.push(b'\n');
    Ok(())
}

const FLAGS: [(u16, &str); 6] =
    [(flags::AA, "AA"), (flags::TC, "TC"), (flags::RD, "RD"), (flags::RA, "RA"), (flags::AD, "AD"), (flags::CD, "CD")];

/// RFC 3339 in UTC, with microseconds.
pub fn timestamp(at: SystemTime) -> String {
    let at = OffsetDateTime::from(at);
    let (date, (hour, minute, second, micros)) = (at.date(), at.time().as_hms_micro());
    let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}

fn class(class: u16) -> String {
    match class {
        CLASS_IN => "IN".to_owned(),
        3 => "CH".to_owned(),
        4 => "HS".to_owned(),
        254 => "NONE".to_owned(),
        255 => "ANY".to_owned(),
        // RFC 3597 §5
        other => format!("CLASS{other}"),
    }
}

fn route(draft: &Draft) -> Option<String> {
    Some(match draft.route {
        Route::None => return None,
        Route::Default => "default".to_owned(),
        Route::Reverse => "reverse".to_owned(),
        Route::Public => "public".to_owned(),
        Route::Suffix => {
            let suffix = WireName::read_plain(draft.octets(Text::Suffix), 0).map_or(WireName::ROOT, |(name, _)| name);
            format!("suffix:{suffix}")
        }
    })
}

fn guard(draft: &Draft) -> Option<&'static str> {
    let words = [(Fact::WITHHELD, "withheld"), (Fact::WATCHED, "watched"), (Fact::MATE, "mate")];
    words.into_iter().find(|(fact, _)| draft.has(*fact)).map(|(_, word)| word)
}

/// What stands behind a reply's question.
#[derive(Default)]
struct Read {
    answers: Vec<Answer>,
    addresses: Vec<IpAddr>,
    upper_code: u16,
    dnssec_ok: bool,
    errors: Vec<u16>,
}

impl Read {
    fn new(reply: &[u8], header: &Header, at: usize) -> Self {
        let mut read = Self::default();
        let mut records = Records::new(reply, at, header.answers);
        for record in records.by_ref().map_while(Result::ok) {
            if let Some(address) = address(reply, &record) {
                read.addresses.push(address);
            }
            read.answers.push(Answer {
                name: record.owner(reply).map_or_else(|_| "?".to_owned(), |name| name.to_string()),
                rtype: RecordType(record.rtype).to_string(),
                class: class(record.class),
                ttl: record.ttl().seconds(),
                data: data(reply, &record),
            });
        }
        let mut records = Records::new(reply, records.at(), header.authorities);
        records.by_ref().for_each(drop);
        let mut additionals = Records::new(reply, records.at(), header.additionals).map_while(Result::ok);
        let opt = additionals.find(|record| record.rtype == rtype::OPT);
        if let Some(edns) = opt.and_then(|opt| Edns::read(reply, &opt).ok()) {
            read.upper_code = u16::from(edns.extended_rcode) << 4;
            read.dnssec_ok = edns.dnssec_ok;
            read.errors = edns.errors.into_iter().flatten().collect();
        }
        read
    }
}

fn address(reply: &[u8], record: &ResourceRecord) -> Option<IpAddr> {
    let is_one = matches!(record.rtype, rtype::A | rtype::AAAA) && record.class == CLASS_IN;
    address_of(record.rdata(reply)).filter(|_| is_one)
}

/// RDATA in presentation form.
fn data(reply: &[u8], record: &ResourceRecord) -> String {
    if let Some(address) = address(reply, record) {
        return address.to_string();
    }
    match record.rtype {
        rtype::CNAME | rtype::NS | rtype::PTR | rtype::DNAME => {
            name_at(reply, record.rdata_at).map_or_else(|_| "?".to_owned(), |name| name.to_string())
        }
        rtype::TXT => strings(record.rdata(reply)),
        other => printable(&rdata_text(other, &record.plain_rdata(reply))),
    }
}

/// Character-strings in quotes (RFC 1035 §5.1).
fn strings(mut rdata: &[u8]) -> String {
    let mut out = String::new();
    while let Some((length, rest)) = rdata.split_first() {
        let (string, behind) = rest.split_at(rest.len().min(usize::from(*length)));
        out.push_str(if out.is_empty() { "\"" } else { " \"" });
        for octet in string {
            match octet {
                b'"' | b'\\' => out.extend(['\\', char::from(*octet)]),
                0x20..=0x7e => out.push(char::from(*octet)),
                _ => drop(write!(out, "\\{octet:03}")),
            }
        }
        out.push('"');
        rdata = behind;
    }
    out
}

/// Text with every octet that is not printable ASCII as `\DDD`.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for octet in text.bytes() {
        match octet {
            0x20..=0x7e => out.push(char::from(octet)),
            _ => drop(write!(out, "\\{octet:03}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn times_are_told_in_utc_with_microseconds() {
        let at = |micros| timestamp(SystemTime::UNIX_EPOCH + Duration::from_micros(micros));
        assert_eq!(at(0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(at(951_827_696_000_789), "2000-02-29T12:34:56.000789Z");
    }

    #[test]
    fn a_moment_before_or_behind_the_anchor_has_its_time_of_day() {
        let anchor = Anchor::now();
        let second = Duration::from_secs(1);
        assert_eq!(anchor.wall(anchor.steady + second), anchor.wall + second);
        let earlier = Anchor { steady: anchor.steady + second, ..anchor };
        assert_eq!(earlier.wall(anchor.steady), anchor.wall - second);
    }

    #[test]
    fn text_of_any_octets_is_printable() {
        assert_eq!(strings(b"\x03a\"\\\x02\x1b\n\x00\x05\xff"), r#""a\"\\" "\027\010" "" "\255""#);
        assert_eq!(printable("a\u{1b}\u{e9} b"), "a\\027\\195\\169 b");
        assert_eq!([class(1), class(3), class(9)], ["IN", "CH", "CLASS9"]);
    }
}
