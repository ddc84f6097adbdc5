//! What each fuzz target runs, with the invariants that must hold whatever the octets are.
//!
//! Included by the targets beside it and by the ordinary test `seeds`, which runs every seed of `fuzz/corpus`. Only
//! public functions of the library are called.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};

use hubdns::cache::{Entry, Hold, Limits};
use hubdns::resolve::{Client, Held, MAX_UDP_OCTETS, Outcome, Raw, Silence, Transport, answer as resolve};
use hubdns::view::{Snapshot, Verdict};
use hubdns::wire::{Header, Key, Moment, Name, Query, Question, RawAnswer, Record, Records, RouteId, WireName};
use hubdns::wire::{flags, rtype};
use hubdns::zone::{Missing, Origin, ZoneBuilder, master};

/// A client's message: either it is malformed, or what was read lies inside it and is read again alike.
pub(crate) fn query(data: &[u8]) {
    let Ok(query) = Query::read(data) else { return };
    assert!(query.question.end <= data.len());
    assert!((1..=255).contains(&query.question.name.octets().len()));
    assert_eq!(Question::read(data), Ok(query.question));
    assert_eq!(query.question.name.octets().to_ascii_lowercase(), query.question.name.octets());
}

/// An upstream's message: what is kept is a whole message again, holds nothing but the answer to its question, and stays
/// the same when it is put in order once more.
pub(crate) fn raw(data: &[u8]) {
    let Ok(question) = Question::read(data) else { return };
    for dnssec_ok in [false, true] {
        let key = Key::new(RouteId(1), question.name.as_ref(), question.qtype, dnssec_ok, false);
        let Ok(raw) = RawAnswer::from_upstream(data, &key) else { continue };
        assert_whole(raw.octets());
        let mut behind = raw.question_end();
        for step in raw.steps() {
            assert!(raw.target(step).is_some(), "an alias without a target");
            assert!(usize::from(step.end) > behind && usize::from(step.end) <= raw.answer_end());
            behind = usize::from(step.end);
        }
        assert!(question.qtype != rtype::CNAME || raw.steps().is_empty(), "a CNAME that was asked for is walked");
        let again = RawAnswer::from_upstream(raw.octets(), &key).expect("what is kept can be read");
        assert_eq!(again.end(), raw.end());
        assert_eq!((again.answers(), again.authorities()), (raw.answers(), raw.authorities()));
        assert_eq!(records(&again), records(&raw), "in order, and yet put in another");
    }
}

/// Owner, type and TTL of what is kept, in order. Compression may differ.
fn records(raw: &RawAnswer) -> Vec<(WireName, u16, u32)> {
    let sections = raw.answer_records(raw.question_end(), 0).chain(raw.authority_records()).map_while(Result::ok);
    let fields = |record: Record| (record.owner(raw.octets()).unwrap_or(WireName::ROOT), record.rtype, record.ttl_bits);
    sections.map(fields).collect()
}

/// One octet of choices (bit 0: the view, bit 1: over a stream), two of a length, a query so long, and what every
/// upstream says. The reply is a whole message of a bounded size, and no owned name has an address but its own.
pub(crate) fn answer(data: &[u8]) {
    let Some((&[choices, high, low], rest)) = data.split_first_chunk::<3>() else { return };
    let length = usize::from(u16::from_be_bytes([high, low])).min(rest.len());
    let (message, said) = rest.split_at(length);
    let stream = choices & 2 != 0;
    let source = SocketAddr::from(([127, 0, if choices & 1 == 0 { 10 } else { 20 }, 1], 40_000));
    let local = SocketAddr::from(([127, 0, 0, 1], 5_300));
    let client = Client::new(source, local, if stream { Transport::Stream } else { Transport::Udp });
    let mut out = vec![0; if stream { 65_535 } else { MAX_UDP_OCTETS }];
    let now = Moment::from_millis(1_000_000);
    let outcome = resolve(message, &client, &LAB, &Upstream(said), now, &mut out, &mut Silence);
    let length = match outcome {
        Outcome::Reply(length) => length,
        Outcome::Discard(_) => {
            assert!(message.len() < 12 || Header::read(message).is_ok_and(|header| header.has(flags::QR)));
            return;
        }
        Outcome::Need(key, route) => {
            assert!(LAB.group(route).is_some_and(|group| group.route_id() == key.route()));
            return;
        }
    };
    let reply = out.get(..length).expect("the reply is in the buffer");
    let header = Header::read(reply).expect("a header");
    assert!(header.has(flags::QR));
    assert_eq!(header.id, Header::read(message).expect("a reply is owed to a header").id);
    if header.questions == 1 {
        assert_whole(reply);
        assert_own_addresses(reply, &client);
    }
}

/// A configuration: findings stand at places of the text, and there is a plan exactly when there is no error.
pub(crate) fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let loaded = hubdns::load::from_text("fuzz.toml", text);
    let lines = u32::try_from(text.split('\n').count()).unwrap_or(u32::MAX);
    for finding in &loaded.findings {
        assert!((1..=lines).contains(&finding.place.line()), "{finding:?}");
        assert!(finding.place.column() >= 1, "{finding:?}");
    }
    assert_eq!(loaded.plan.is_none(), loaded.has_errors());
    assert_eq!(loaded.config.is_none(), loaded.has_errors());
    let _ = hubdns::config::render::text(&loaded.findings, false);
    if let Some(plan) = loaded.plan {
        let _ = Snapshot::build(plan);
    }
}

/// A zone file: every record and every fault has a line of the text, and the records make a zone that answers.
pub(crate) fn zone(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let apex = Name::from_presentation("privatelink.blob.core.windows.net").expect("a name");
    let parsed = master::parse(text, Some(&apex));
    let lines = u32::try_from(text.split('\n').count()).unwrap_or(u32::MAX);
    assert!(parsed.faults.iter().all(|fault| (1..=lines).contains(&fault.line)), "{:?}", parsed.faults);
    let mut builder = ZoneBuilder::new(apex.clone());
    for entry in &parsed.entries {
        assert!((1..=lines).contains(&entry.line), "{entry:?}");
        let _ = builder.add(entry.owner.as_ref(), entry.rtype, entry.ttl, &entry.rdata, entry.line);
    }
    let zone = builder.finish("fuzz".into(), None, Missing::NxDomain, Origin::new("fuzz.zone", 1));
    for entry in &parsed.entries {
        if let Some(relative) = entry.owner.as_ref().relative_to(apex.as_ref()) {
            let _ = zone.find(relative, |_| false);
        }
    }
}

/// The shipped lab: two views that hold different addresses for one host pool.
static LAB: LazyLock<Snapshot> = LazyLock::new(|| {
    let loaded = hubdns::load::from_text("lab.toml", include_str!("../conf/lab.toml"));
    Snapshot::build(loaded.plan.expect("the lab is sound"))
});

/// Says the same to every question that its message is about.
struct Upstream<'a>(&'a [u8]);

impl Raw for Upstream<'_> {
    fn look_up(&self, key: &Key, now: Moment) -> Option<Held<'_>> {
        let raw = RawAnswer::from_upstream(self.0, key).ok()?;
        Some(Held { entry: Hold::Own(Arc::new(Entry::new(raw, now, &Limits::default()))), fresh: true })
    }
}

/// The counts of a message's header are those of its records, and nothing stands behind them.
fn assert_whole(message: &[u8]) {
    let header = Header::read(message).expect("a header");
    let mut at = Question::read(message).expect("a question").end;
    for count in [header.answers, header.authorities, header.additionals] {
        let mut records = Records::new(message, at, count);
        for record in records.by_ref() {
            record.expect("a whole record").check_rdata(message).expect("sound RDATA");
        }
        at = records.at();
    }
    assert_eq!(at, message.len(), "octets behind the last record");
}

/// R25: an owned name's addresses are those of the client's view and no others.
fn assert_own_addresses(reply: &[u8], client: &Client) {
    let question = Question::read(reply).expect("a question");
    let Some((view, _)) = LAB.select(client.address(), client.local()) else { return };
    let Verdict::Endpoint { record, .. } = LAB.look_up(view, question.name.as_ref(), question.qtype) else { return };
    let count = Header::read(reply).expect("a header").answers;
    for found in Records::new(reply, question.end, count).map_while(Result::ok) {
        if matches!(found.rtype, rtype::A | rtype::AAAA) {
            let held = record.rrset(found.rtype).is_some_and(|set| set.rdata().any(|own| own == found.rdata(reply)));
            assert!(held, "an address that the view does not hold");
        }
    }
}
