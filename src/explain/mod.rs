//! Why a client gets the answer it gets: the trail of one query through the core, as values.
//!
//! It calls the function that serves ([`crate::resolve::answer`]) with an observer that takes note of everything, so it
//! cannot differ from what is served. [`offline`] and [`now()`] send nothing: a name that has to be forwarded ends in
//! [`Asks`]. [`ask()`] does the exchange, as a running server does. The shell prints it as text or JSON, the admin API as
//! JSON.

mod ask;
mod reply;
mod text;
mod trail;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

pub use ask::ask;
pub use reply::{ExtendedError, RecordLine, Reply};
pub use text::text;
pub use trail::{Asks, ChosenView, Noted, Overridden, Place, Step, Trail, What, Word};

use crate::cache::{Cache, Limits};
use crate::resolve::{Client, MAX_UDP_OCTETS, Outcome, Transport, answer};
use crate::view::Snapshot;
use crate::wire::{CLASS_IN, Header, Moment, RecordType, WireName, flags};

/// One question as a client asks it.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    /// The client's address.
    pub client: IpAddr,
    /// The address and port that it sends to.
    pub local: SocketAddr,
    /// QNAME.
    pub name: WireName,
    /// QTYPE.
    pub qtype: u16,
}

impl Question {
    /// The query in wire form: RD and an OPT record, so that extended errors are told.
    pub fn message(&self) -> Vec<u8> {
        let header = Header { id: 0, flags: flags::RD, questions: 1, additionals: 1, ..Header::default() };
        let mut message = header.octets().to_vec();
        message.extend_from_slice(self.name.octets());
        message.extend(self.qtype.to_be_bytes());
        message.extend(CLASS_IN.to_be_bytes());
        let payload = u16::try_from(MAX_UDP_OCTETS).unwrap_or(512).to_be_bytes();
        // RFC 6891 §6.1.2: the root, OPT, our payload size, no extended RCODE, version 0, no flags, no options.
        message.extend([0, 0, 41, payload[0], payload[1], 0, 0, 0, 0, 0, 0]);
        message
    }

    /// The client as a server sees it. The port is any that a client may have.
    pub fn client(&self, transport: Transport) -> Client {
        Client::new(SocketAddr::new(self.client, 49_152), self.local, transport)
    }
}

/// A question and how it is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    /// Version of this structure in JSON.
    pub schema: u8,
    /// Who asks.
    pub client: IpAddr,
    /// Where.
    pub local: SocketAddr,
    /// QNAME.
    pub name: String,
    /// QTYPE.
    #[serde(rename = "type")]
    pub qtype: String,
    /// The client's view; none: it is refused.
    pub view: Option<ChosenView>,
    /// What happened on the way, in order.
    pub trail: Vec<Step>,
    /// What would have to be asked upstream before there is an answer.
    pub asks: Option<Asks>,
    /// The answer.
    pub reply: Option<Reply>,
}

impl Explained {
    /// Puts a trail and the reply's octets together. Without octets there is no reply.
    pub fn new(question: &Question, noted: Noted, octets: &[u8]) -> Self {
        Self {
            schema: 1,
            client: question.client.to_canonical(),
            local: question.local,
            name: question.name.to_string(),
            qtype: RecordType(question.qtype).to_string(),
            view: noted.view,
            trail: noted.steps,
            asks: noted.asks,
            reply: Reply::read(octets),
        }
    }
}

/// Explains a question by a snapshot alone; nothing is sent.
pub fn offline(snapshot: &Snapshot, question: &Question) -> Explained {
    now(snapshot, &Cache::new(0, Limits::default()), Moment::from_millis(0), question)
}

/// Explains a question by a snapshot and what the cache holds at a moment; nothing is sent.
pub fn now(snapshot: &Snapshot, cache: &Cache, now: Moment, question: &Question) -> Explained {
    let noted = Mutex::new(Noted::default());
    let mut out = vec![0; MAX_UDP_OCTETS];
    let mut trail = Trail::new(snapshot, question, &noted);
    let client = question.client(Transport::Udp);
    let outcome = answer(&question.message(), &client, snapshot, cache, now, &mut out, &mut trail);
    let length = match outcome {
        Outcome::Reply(length) => length,
        Outcome::Discard(_) | Outcome::Need(..) => 0,
    };
    let noted = noted.into_inner().unwrap_or_else(PoisonError::into_inner);
    Explained::new(question, noted, out.get(..length).unwrap_or(&[]))
}

/// The listener that clients of a family send to: the first of it, the loopback address in place of a wildcard.
pub fn listener(listen: &[SocketAddr], client: IpAddr) -> SocketAddr {
    let same = listen.iter().find(|address| address.is_ipv4() == client.is_ipv4());
    let found = same.or(listen.first()).copied().unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 53)));
    match found.ip() {
        IpAddr::V4(address) if address.is_unspecified() => SocketAddr::from((Ipv4Addr::LOCALHOST, found.port())),
        IpAddr::V6(address) if address.is_unspecified() => SocketAddr::from((Ipv6Addr::LOCALHOST, found.port())),
        _ => found,
    }
}

#[cfg(test)]
mod tests;
