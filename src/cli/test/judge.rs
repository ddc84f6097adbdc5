//! One expectation asked of the core, and whether what leaves is what was expected.

use std::net::SocketAddr;
use std::sync::Arc;

use hickory_proto::op::Message as HickoryMessage;
use hickory_proto::rr::RData;

use super::script::{Message, Script};
use crate::cache::{Cache, Entry, Limits};
use crate::load::{Case, Expected};
use crate::resolve::{Client, Event, MAX_OCTETS, Observer, Outcome, Scratch, Transport, contained};
use crate::view::Snapshot;
use crate::wire::{CLASS_IN, Ede, Header, Key, MAX_ALIASES, Moment, RecordType, RouteId, Ttl, WireName, flags, rcode};

/// What came of an expectation.
#[derive(Debug, Clone)]
pub(super) struct Verdict {
    /// The client's view; none: it is refused.
    pub(super) view: Option<String>,
    /// Whether it is as expected.
    pub(super) passed: bool,
    /// What was expected, in the words of the file.
    pub(super) expected: String,
    /// What left, in the same words.
    pub(super) actual: String,
    /// The whole answer section, aliases and all.
    pub(super) records: Vec<String>,
    /// What happened on the way that is worth telling.
    pub(super) notes: Vec<String>,
}

/// What left.
enum Left {
    /// A response.
    Response(Vec<u8>),
    /// It has to be asked of this group, and no row says what it would say.
    Forward(String),
    /// Nothing.
    Nothing,
}

/// Asks the core. `listen` is the address that is asked where the case does not say.
pub(super) fn judge(case: &Case, snapshot: &Snapshot, listen: SocketAddr) -> Verdict {
    let local = case.local.unwrap_or(listen);
    let mut notes = Notes::default();
    let left = ask(case, snapshot, local, &mut notes);
    let (mut records, mut data, mut code) = (Vec::new(), Vec::new(), None);
    if let Left::Response(octets) = &left {
        code = Header::read(octets).ok().map(|header| header.rcode());
        let answers = HickoryMessage::from_vec(octets).map(|message| message.answers).unwrap_or_default();
        records = answers.iter().map(|own| printable(&own.to_string())).collect();
        data =
            answers.into_iter().filter(|own| u16::from(own.record_type()) == case.qtype).map(|own| own.data).collect();
    }
    let passed = match (&case.expected, &left) {
        (Expected::Forward(None), Left::Forward(_)) => true,
        (Expected::Forward(Some(wanted)), Left::Forward(group)) => wanted.value == *group,
        (Expected::Forward(_), _) | (_, Left::Forward(_) | Left::Nothing) => false,
        (Expected::Records(wanted), Left::Response(_)) => {
            code == Some(rcode::NOERROR) && same(&read_back(case, wanted), &data)
        }
        (Expected::NoData, Left::Response(_)) => code == Some(rcode::NOERROR) && data.is_empty(),
        (Expected::NxDomain, Left::Response(_)) => code == Some(rcode::NXDOMAIN),
        (Expected::Refused, Left::Response(_)) => code == Some(rcode::REFUSED),
        (Expected::ServFail, Left::Response(_)) => code == Some(rcode::SERVFAIL),
    };
    let actual = match &left {
        Left::Forward(group) => format!("forward:{group}"),
        Left::Nothing => "no response".to_owned(),
        Left::Response(_) => match code.unwrap_or(rcode::SERVFAIL) {
            rcode::NOERROR if data.is_empty() => "nodata".to_owned(),
            rcode::NOERROR => list(&data),
            code => rcode::name(code).to_ascii_lowercase(),
        },
    };
    let view = snapshot.select(case.client, local).map(|(view, _)| view.name.to_string());
    Verdict { view, passed, expected: expected(case), actual, records, notes: notes.0 }
}

/// What was expected, in the words of the file.
fn expected(case: &Case) -> String {
    match &case.expected {
        Expected::Records(wanted) => list(&read_back(case, wanted)),
        Expected::NoData => "nodata".to_owned(),
        Expected::NxDomain => "nxdomain".to_owned(),
        Expected::Refused => "refused".to_owned(),
        Expected::ServFail => "servfail".to_owned(),
        Expected::Forward(None) => "forward".to_owned(),
        Expected::Forward(Some(group)) => format!("forward:{}", group.value),
    }
}

/// Runs the core until it answers or asks for something that no row has.
fn ask(case: &Case, snapshot: &Snapshot, local: SocketAddr, notes: &mut Notes) -> Left {
    let message = query(case);
    // over a stream nothing is truncated; the port is any that a client may have
    let client = Client::new(SocketAddr::new(case.client, 49_152), local, Transport::Stream);
    let cache = Cache::new(0, Limits::default());
    let script = Script(&case.script);
    let mut fetched: Vec<(Key, Arc<Entry>)> = Vec::new();
    let mut out = vec![0; MAX_OCTETS];
    let now = Moment::from_millis(0);
    loop {
        notes.0.clear();
        let raw = Scratch { cache: &cache, fetched: &fetched };
        let (key, route) = match contained(&message, &client, snapshot, &raw, now, &mut out, notes) {
            Outcome::Reply(length) => return Left::Response(out.get(..length).unwrap_or(&[]).to_vec()),
            Outcome::Discard(_) => return Left::Nothing,
            Outcome::Need(key, route) => (key, route),
        };
        match script.answer(&key) {
            Some(answer) if fetched.len() <= MAX_ALIASES => {
                fetched.push((*key, Arc::new(Entry::new(answer, now, &Limits::default()))));
            }
            _ => return Left::Forward(snapshot.group(route).map(|group| group.name.to_string()).unwrap_or_default()),
        }
    }
}

/// The question in wire form: RD and an OPT record, so that extended errors are told.
fn query(case: &Case) -> Vec<u8> {
    let header = Header { flags: flags::RD, questions: 1, additionals: 1, ..Header::default() };
    let mut message = header.octets().to_vec();
    message.extend(case.name.octets());
    message.extend(case.qtype.to_be_bytes());
    message.extend(CLASS_IN.to_be_bytes());
    // RFC 6891 §6.1.2: the root, OPT, 1232 octets, no extended RCODE, version 0, no flags, no options
    message.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    message
}

/// Expected RDATA read by the decoder that reads what leaves.
fn read_back(case: &Case, wanted: &[Box<[u8]>]) -> Vec<RData> {
    let key = Key::new(RouteId(0), case.name.as_ref(), case.qtype, false, false);
    let mut message = Message::new(&key);
    for rdata in wanted {
        message.answer(&WireName::ROOT, case.qtype, Ttl::ZERO, rdata);
    }
    let read = HickoryMessage::from_vec(&message.octets());
    read.map(|message| message.answers.into_iter().map(|own| own.data).collect()).unwrap_or_default()
}

/// Whether both hold the same data, in any order.
fn same(wanted: &[RData], found: &[RData]) -> bool {
    wanted.len() == found.len() && wanted.iter().all(|own| found.contains(own))
}

/// Data as the file has them.
fn list(data: &[RData]) -> String {
    let mut texts: Vec<String> = data.iter().map(|own| printable(&own.to_string())).collect();
    texts.sort();
    texts.join(", ")
}

/// Text for a terminal: control characters as escapes.
fn printable(text: &str) -> String {
    let escape = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(escape).collect()
}

/// The extended error, the guard and the cuts, in words.
#[derive(Default)]
struct Notes(Vec<String>);

impl Observer for Notes {
    fn note(&mut self, event: Event<'_>) {
        let note = match event {
            Event::Cut(name) => format!("the chain is cut at {name}"),
            Event::Withheld { name, address, watch } => {
                let address = address.map_or_else(|| "data".to_owned(), |address| address.to_string());
                let verb = if watch { "would withhold" } else { "withheld" };
                format!("the guard {verb} {address} behind {name}")
            }
            Event::Ancestor(name) => format!("{name} is above an owned name: its NXDOMAIN leaves as NODATA"),
            Event::Error(Ede { code, .. }) => format!("extended error {code}"),
            Event::Need(key, _) => format!("{} {} is asked upstream", key.name(), RecordType(key.qtype())),
            Event::Panicked => "the core panicked".to_owned(),
            _ => return,
        };
        self.0.push(note);
    }
}
