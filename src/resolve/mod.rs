//! The one path: a query's octets → a reply's octets, pure over a snapshot and raw upstream answers (R1).
//!
//! duties (R6) → view (R7) → policy (R10) → the walk: owned, raw, cut, again (R11–R25) → respond (R9, R26). UDP
//! workers, TCP, `explain`, `demo` and every later transport call [`answer`]; on [`Outcome::Need`] they have the key
//! fetched and call it again from the start. It reads no clock, takes no lock and allocates nothing on the way of
//! owned names and cached answers.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        reason = "tests may fail loudly"
    )
)]

pub mod general;
mod guard;
mod observe;
mod policy;
mod raw;
mod respond;
mod waiting;
mod walk;

use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use observe::{Event, Observer, Silence};
pub use raw::{Held, Nearby, Overdue, Raw, Scratch};
pub use respond::servfail;
pub use waiting::{MAX_WAITING, Waiting};

use crate::view::{Route, Snapshot};
use crate::wire::{Ede, Error, HEADER_OCTETS, Header, Key, Moment, Query, flags, rcode};
use respond::Reply;

/// Largest reply over UDP in octets, and what our OPT record offers (R9).
pub const MAX_UDP_OCTETS: usize = 1_232;
/// Largest message in octets.
pub const MAX_OCTETS: usize = 65_535;

/// How a query came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// UDP: the reply's size is bounded by R9.
    Udp,
    /// A stream: TCP and what runs over it.
    Stream,
}

/// Who asks, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// The source address, canonical.
    address: IpAddr,
    /// The source port.
    port: u16,
    /// The address and port that it sent to, canonical.
    local: SocketAddr,
    /// How.
    transport: Transport,
}

impl Client {
    /// A client as its socket saw it. The one constructor: IPv4 mapped into IPv6 is IPv4 from here on (R7).
    pub fn new(source: SocketAddr, local: SocketAddr, transport: Transport) -> Self {
        let canonical = |address: SocketAddr| address.ip().to_canonical();
        let local = SocketAddr::new(canonical(local), local.port());
        Self { address: canonical(source), port: source.port(), local, transport }
    }

    /// The source address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The source port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address and port that it sent to.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// How the query came.
    pub fn transport(&self) -> Transport {
        self.transport
    }
}

/// What becomes of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// So many octets of the buffer are the reply.
    Reply(usize),
    /// No reply is owed.
    Discard(Discard),
    /// This raw answer is needed; ask for it by this route and call again. Boxed, so that what every answer returns
    /// stays small.
    Need(Box<Key>, Route),
}

/// Why a datagram gets no reply (R6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Discard {
    /// Fewer than 12 octets.
    Short,
    /// It is a response.
    Response,
    /// From a port that answers whatever it gets: 0, 7, 13, 17, 19.
    Port,
}

impl Discard {
    /// A fixed word for a metric label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Response => "response",
            Self::Port => "port",
        }
    }
}

/// Answers one message into `out`, which should hold 65,535 octets, or 1,232 for UDP.
pub fn answer<R: Raw, O: Observer>(
    message: &[u8],
    client: &Client,
    snapshot: &Snapshot,
    raw: &R,
    now: Moment,
    out: &mut [u8],
    observer: &mut O,
) -> Outcome {
    let Ok(header) = Header::read(message) else { return Outcome::Discard(Discard::Short) };
    if header.has(flags::QR) {
        return Outcome::Discard(Discard::Response);
    }
    if client.transport == Transport::Udp && matches!(client.port, 0 | 7 | 13 | 17 | 19) {
        return Outcome::Discard(Discard::Port);
    }
    if header.opcode() != 0 {
        return Outcome::Reply(respond::bare(&header, rcode::NOTIMP, out));
    }
    let mut query = Query::EMPTY;
    let parsed = query.fill(message);
    let Some((view, selected)) = snapshot.select(client.address, client.local) else {
        observer.note(Event::NoView);
        return Outcome::Reply(match parsed {
            Ok(()) => Reply::new(message, &query, client.transport, out).end(rcode::REFUSED, &[Ede::PROHIBITED]),
            Err(_) => respond::bare(&header, rcode::REFUSED, out),
        });
    };
    observer.note(Event::View(view, selected));
    if let Err(error) = parsed {
        return Outcome::Reply(malformed(&header, error, out, observer));
    }
    let mut reply = Reply::new(message, &query, client.transport, out);
    if let Some(rcode) = policy::refusal(&query) {
        return Outcome::Reply(reply.end(rcode, &[]));
    }
    let mut walk = walk::Walk::new(snapshot, view, &query, raw, now, &mut reply, observer);
    let ended = walk.run();
    let told = walk.told;
    if reply.is_truncated() {
        if client.transport == Transport::Udp {
            return fitted(message, &query, client, snapshot, raw, now, out, &mut Rest { observer, told });
        }
        observer.note(Event::Truncated);
    }
    match ended {
        walk::Ended::With(rcode) => Outcome::Reply(reply.end(rcode, &[])),
        walk::Ended::Failed(ede) => Outcome::Reply(reply.fail(ede)),
        walk::Ended::Need(key, route) => Outcome::Need(key, route),
    }
}

/// A reply that does not fit: the whole answer is made aside, and as much of it as fits leaves with TC. So a small reply
/// hides no loop, NXDOMAIN or withheld address at the end of its chain (R9, R21, R23, R25). Rare, and the only place
/// here that allocates.
#[cold]
#[expect(clippy::too_many_arguments, reason = "those of `answer`, and the query that it has read")]
fn fitted<R: Raw>(
    message: &[u8],
    query: &Query,
    client: &Client,
    snapshot: &Snapshot,
    raw: &R,
    now: Moment,
    out: &mut [u8],
    rest: &mut Rest<'_>,
) -> Outcome {
    let mut whole = vec![0; MAX_OCTETS];
    let stream = Client { transport: Transport::Stream, ..*client };
    match answer(message, &stream, snapshot, raw, now, &mut whole, rest) {
        Outcome::Reply(length) => {
            let length = respond::fit(whole.get(..length).unwrap_or(&[]), query, client.transport, out);
            if Header::read(out).is_ok_and(|header| header.has(flags::TC)) {
                rest.observer.note(Event::Truncated);
            }
            Outcome::Reply(length)
        }
        other => other,
    }
}

/// Tells of the second pass what the first, which stopped where its buffer ended, has not told yet: both go through the
/// same events in the same order.
struct Rest<'o> {
    observer: &'o mut dyn Observer,
    told: usize,
}

impl Observer for Rest<'_> {
    fn note(&mut self, event: Event<'_>) {
        match event {
            Event::View(..) => {}
            _ if self.told > 0 => self.told = self.told.saturating_sub(1),
            event => self.observer.note(event),
        }
    }
}

/// [`answer`] with a panic contained: it is that query's SERVFAIL and an event. What serves calls this.
pub fn contained<R: Raw, O: Observer>(
    message: &[u8],
    client: &Client,
    snapshot: &Snapshot,
    raw: &R,
    now: Moment,
    out: &mut [u8],
    observer: &mut O,
) -> Outcome {
    let run = AssertUnwindSafe(|| answer(message, client, snapshot, raw, now, &mut *out, &mut *observer));
    catch_unwind(run).unwrap_or_else(|_| {
        observer.note(Event::Panicked);
        Outcome::Reply(servfail(message, client.transport(), Ede::other("internal error"), out))
    })
}

/// FORMERR: a bare header, since what follows it cannot be trusted.
fn malformed<O: Observer>(header: &Header, error: Error, out: &mut [u8], observer: &mut O) -> usize {
    observer.note(Event::Malformed(error));
    respond::bare(header, rcode::FORMERR, out)
}

/// Whether a message is long enough to be owed any reply at all.
pub fn is_owed_a_reply(message: &[u8]) -> bool {
    message.len() >= HEADER_OCTETS && Header::read(message).is_ok_and(|header| !header.has(flags::QR))
}
