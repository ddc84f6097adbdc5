//! A reply against what a script wants of it. The header, question and OPT record that every reply owes are checked
//! without a word in the script.

use super::record::{TtlRange, show as show_record};
use super::script::{Asked, RCODES, Wanted};
use crate::harness::Reply;
use crate::harness::message::{Query, Rr};
use std::fmt::Display;

/// What is wrong with a reply, and the script's line that says otherwise.
type Wrong = (usize, String);

/// The most octets of a reply over UDP (R9).
const MOST_OVER_UDP: usize = 1_232;

pub(super) fn reply(asked: &Asked, wanted: &Wanted, reply: &Reply, line: usize) -> Result<(), Wrong> {
    let wrong = |what: String| Err((line, format!("{what}; the reply:\n{}", show(reply))));
    if let Some(what) = duty(asked, reply) {
        return wrong(what);
    }
    let rcode = |code: u16| {
        let known = RCODES.iter().find(|(_, known)| *known == code);
        known.map_or_else(|| format!("RCODE {code}"), |(name, _)| (*name).to_owned())
    };
    if reply.rcode() != wanted.rcode {
        return wrong(differs("the RCODE", &rcode(wanted.rcode), &rcode(reply.rcode())));
    }
    let flags = |set: [bool; 3]| -> String {
        let named = set.iter().zip(["AA", "AD", "TC"]).filter(|(set, _)| **set).map(|(_, name)| name);
        let named: Vec<&str> = named.collect();
        if named.is_empty() { "none of AA, AD, TC".to_owned() } else { named.join(" ") }
    };
    let want = [wanted.aa.unwrap_or(reply.aa()), wanted.ad, wanted.tc];
    let got = [reply.aa(), reply.ad(), reply.tc()];
    if want != got {
        return wrong(differs("the flags", &flags(want), &flags(got)));
    }
    if wanted.ede != reply.errors() {
        return wrong(differs("EDE", &format!("{:?}", wanted.ede), &format!("{:?}", reply.errors())));
    }
    section("answer", &wanted.answers, &reply.answers(), line)?;
    section("authority", &wanted.authority, &reply.authority(), line)
}

/// What every reply owes to its query (R6, R9, R10): id, question, QR, RD, CD, RA, Z, OPT for OPT, its size.
fn duty(asked: &Asked, reply: &Reply) -> Option<String> {
    let query = &asked.query;
    // NOTIMP is made of the header alone, where no other flag of a query has a meaning.
    let is_bare = reply.message.queries.is_empty() && reply.octets.len() == 12 && query.opcode != 0;
    let opt = query.opt.as_ref();
    let most =
        if asked.tcp { usize::MAX } else { opt.map_or(512, |opt| usize::from(opt.size)).clamp(512, MOST_OVER_UDP) };
    let edns = reply.edns();
    let faults = [
        (reply.octets[2] & 0x80 == 0, "QR is clear"),
        (reply.id() != query.id || reply.rd() != query.rd, "id or RD is not the query's"),
        (reply.octets[2] >> 3 & 0x0f != query.opcode, "the opcode is not the query's"),
        (reply.z(), "Z is set"),
        (!is_bare && !reply.repeats(query), "question or CD is not the query's"),
        (!is_bare && !reply.ra(), "RA is clear"),
        (!is_bare && edns.is_some() != opt.is_some(), "an OPT record for a query without one, or none for one with it"),
        (edns.is_some_and(|edns| edns.version() != 0), "the OPT record's version is not 0"),
        (edns.is_some_and(|edns| edns.flags().dnssec_ok != is_dnssec_ok(query)), "DO is not the query's"),
        (reply.options().iter().any(|code| *code != 15), "an option other than an extended error"),
        // R26: texts are ours alone, and only code 0 has one.
        (
            reply.error_values().iter().any(|value| value.len() > 2 && value[..2] != [0, 0]),
            "the text of an extended error",
        ),
        (reply.octets.len() > most, "larger than its transport allows"),
    ];
    faults.iter().find(|(is_fault, _)| *is_fault).map(|(_, what)| (*what).to_owned())
}

fn is_dnssec_ok(query: &Query) -> bool {
    query.opt.as_ref().is_some_and(|opt| opt.dnssec_ok)
}

fn section(what: &str, wanted: &[(usize, Rr, TtlRange)], got: &[Rr], line: usize) -> Result<(), Wrong> {
    let same = |(_, rr, ttl): &(usize, Rr, TtlRange), got: &Rr| {
        let owner = rr.name == "*" || rr.name == got.name;
        owner && (rr.kind, &rr.data) == (got.kind, &got.data) && (ttl.least..=ttl.most).contains(&got.ttl)
    };
    let differs = |at: &usize| match (wanted.get(*at), got.get(*at)) {
        (Some(wanted), Some(got)) => !same(wanted, got),
        (wanted, got) => wanted.is_some() || got.is_some(),
    };
    let Some(at) = (0..wanted.len().max(got.len())).find(differs) else { return Ok(()) };
    let line = wanted.get(at).map_or(line, |(line, ..)| *line);
    let ttl = |range: &TtlRange| match range {
        TtlRange { least: 0, most: u32::MAX } => "*".to_owned(),
        TtlRange { least, most } if least == most => least.to_string(),
        TtlRange { least, most } => format!("{least}-{most}"),
    };
    let wanted: Vec<_> = wanted
        .iter()
        .map(|(_, rr, range)| show_record(rr).replacen(&format!(" {} ", rr.ttl), &format!(" {} ", ttl(range)), 1))
        .collect();
    let got: Vec<_> = got.iter().map(show_record).collect();
    Err((line, format!("the {what} section differs\n{}", two(&wanted, &got))))
}

fn differs(what: &str, wanted: &str, got: &str) -> String {
    format!("{what}: expected {wanted}, got {got}")
}

/// Two lists of lines, one under the other.
pub(super) fn two(wanted: &[impl Display], got: &[impl Display]) -> String {
    format!("expected:{}\ngot:{}", lines(wanted), lines(got))
}

fn lines(list: &[impl Display]) -> String {
    if list.is_empty() { " nothing".to_owned() } else { list.iter().map(|line| format!("\n  {line}")).collect() }
}

/// A whole reply, for people.
pub(super) fn show(reply: &Reply) -> String {
    let named = [(reply.aa(), "AA"), (reply.ad(), "AD"), (reply.tc(), "TC")];
    let flags: String = named.iter().filter(|(set, _)| *set).map(|(_, name)| format!(" {name}")).collect();
    let records = |list: Vec<Rr>| lines(&list.iter().map(show_record).collect::<Vec<_>>());
    let (answers, authority) = (records(reply.answers()), records(reply.authority()));
    format!("RCODE {}{flags} EDE {:?}\nanswer:{answers}\nauthority:{authority}", reply.rcode(), reply.errors())
}
