//! The connections to one encrypted server: few, bounded, replaced when they fail, with a pause before the next try.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hickory_net::NetError;
use hickory_net::proto::op::Message;
use rand::RngExt;
use rustls::ClientConfig;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};

use super::connect::{self, Driver, Exchange};
use super::connection::{Connection, Fault, live};
use super::report::Report;
use crate::upstream::{Server, Transport};

/// The bounds of one server's connections.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Connections at once.
    pub(super) connections: usize,
    /// Questions open on each.
    pub(super) open: usize,
    /// Questions open on each from which another connection is made: a turn of hickory's multiplexer goes through all
    /// that are open.
    pub(super) crowded: usize,
    /// How long connecting and the handshake may take together.
    pub(super) handshake: Duration,
    /// How long an unused connection is kept.
    pub(super) idle: Duration,
    /// How often a connection looks whether it is still needed.
    pub(super) turn: Duration,
    /// How long a connection may say nothing at all while a question is open, and still be given others.
    pub(super) stall: Duration,
    /// The pauses after the first and after further failures: doubled each time from the one to the other. A server
    /// that is back answers within the second.
    pub(super) pauses: (Duration, Duration),
}

impl Limits {
    /// What is served with.
    pub(super) const DEFAULT: Self = Self {
        connections: 4,
        open: 128,
        crowded: 32,
        handshake: Duration::from_secs(3),
        idle: Duration::from_secs(30),
        turn: Duration::from_secs(1),
        stall: Duration::from_secs(2),
        pauses: (Duration::from_millis(100), Duration::from_millis(800)),
    };
}

/// A place on a connection, given back when dropped.
pub(super) struct Place(Arc<Connection>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// Failures to connect since the last success.
struct Failures {
    count: u32,
    /// No new connection before.
    pause_ends: Option<Instant>,
    last: io::ErrorKind,
}

struct Inner {
    connections: Vec<Arc<Connection>>,
    failures: Failures,
    report: Report,
}

/// The connections to one server.
pub(super) struct Pool {
    server: Server,
    settings: Result<Arc<ClientConfig>, rustls::Error>,
    limits: Limits,
    runtime: Handle,
    /// Something failed since the last reply.
    troubled: AtomicBool,
    inner: Mutex<Inner>,
}

impl Pool {
    /// No connection yet.
    pub(super) fn new(server: &Server, limits: Limits, runtime: Handle) -> Arc<Self> {
        let settings = match server.transport.peer() {
            Some(peer) => connect::settings(&peer.trust),
            None => Err(rustls::Error::General("a plain server has no TLS settings".to_owned())),
        };
        let failures = Failures { count: 0, pause_ends: None, last: io::ErrorKind::NotConnected };
        let inner = Inner { connections: Vec::new(), failures, report: Report::default() };
        let (server, troubled) = (server.clone(), AtomicBool::new(false));
        Arc::new(Self { server, settings, limits, runtime, troubled, inner: Mutex::new(inner) })
    }

    /// The bounds.
    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether nothing would be lost with it.
    pub(super) fn is_unused(&self) -> bool {
        let inner = self.inner();
        inner.connections.is_empty() && inner.failures.pause_ends.is_none_or(|ends| ends <= Instant::now())
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place on the connection with the fewest questions; makes another one where all are crowded.
    ///
    /// # Errors
    /// When all are full, or the server could not be reached and the pause after that is not over.
    pub(super) fn take_place(self: &Arc<Self>) -> Result<Place, io::ErrorKind> {
        let mut inner = self.inner();
        let room = |connection: &&Arc<Connection>| connection.open() < self.limits.open;
        let usable = inner.connections.iter().filter(room);
        // One that stalls is better than none where there may be no more.
        let best = usable.min_by_key(|one| (one.is_retired(), one.is_connecting(), one.open())).cloned();
        let crowded = best.as_ref().is_none_or(|one| one.is_retired() || one.open() >= self.limits.crowded);
        let paused = inner.failures.pause_ends.is_some_and(|ends| Instant::now() < ends);
        // Whoever finds room waits for the handshake that is under way; a burst that fills it needs another one.
        let connecting = best.is_some() && inner.connections.iter().any(|one| one.is_connecting());
        let may_connect = !paused && !connecting && inner.connections.len() < self.limits.connections;
        let made = (crowded && may_connect).then(|| self.make(&mut inner));
        let chosen = match (best, made) {
            (Some(best), Some(made)) => Some(if best.is_retired() { made } else { best }),
            (best, made) => best.or(made),
        };
        match chosen {
            Some(connection) => {
                connection.enter();
                Ok(Place(connection))
            }
            None if inner.connections.is_empty() => Err(inner.failures.last),
            None => Err(io::ErrorKind::WouldBlock),
        }
    }

    fn make(self: &Arc<Self>, inner: &mut Inner) -> Arc<Connection> {
        let connection = Connection::new();
        inner.connections.push(Arc::clone(&connection));
        self.runtime.spawn(live(Arc::clone(self), Arc::clone(&connection)));
        connection
    }

    /// Asks over the connection of a place; once more over another one where a server closed a connection that it had
    /// answered on.
    ///
    /// # Errors
    /// By kind: out of time, no connection, a connection that ended, a reply that is none.
    pub(super) async fn ask(self: Arc<Self>, place: Place, message: Message, deadline: Instant) -> io::Result<Vec<u8>> {
        let mut place = place;
        let mut again = false;
        loop {
            let asked = timeout_at(deadline, place.0.ask(&message, self.limits.stall)).await;
            match asked {
                Err(_) => return Err(io::ErrorKind::TimedOut.into()),
                Ok(Ok(reply)) => {
                    self.replied();
                    return self.checked(reply, message.metadata.id);
                }
                Ok(Err(Fault::Unconnected(kind))) => return Err(kind.into()),
                Ok(Err(Fault::Ended)) if !again && place.0.has_replied() => {
                    again = true;
                    place = self.take_place()?;
                }
                Ok(Err(Fault::Ended)) => return Err(io::ErrorKind::ConnectionReset.into()),
                Ok(Err(Fault::Reply(error))) => return Err(self.is_no_reply(&error.to_string())),
            }
        }
    }

    /// A reply with the question's own id. Over HTTPS and QUIC it came with 0 (RFC 8484 §4.1, RFC 9250 §4.2.1); over TLS
    /// the multiplexer has matched its own.
    fn checked(&self, mut reply: Vec<u8>, id: u16) -> io::Result<Vec<u8>> {
        let Some(place) = reply.first_chunk_mut::<2>() else {
            return Err(self.is_no_reply("it is empty"));
        };
        if !matches!(self.server.transport, Transport::Tls(_)) && *place != [0, 0] {
            return Err(self.is_no_reply("its id is not the one that was asked with"));
        }
        *place = id.to_be_bytes();
        Ok(reply)
    }

    fn is_no_reply(&self, reason: &str) -> io::Error {
        self.inner().report.odd(&self.server, reason);
        io::ErrorKind::InvalidData.into()
    }

    /// Connects, without a bound on the time.
    pub(super) async fn connect(&self) -> Result<(Exchange, Driver), NetError> {
        let settings = self.settings.clone()?;
        connect::connect(&self.server, settings, self.limits.open).await
    }

    /// A handshake went well.
    pub(super) fn connected(&self) {
        self.inner().report.reached(&self.server);
    }

    /// A reply came: the next pause is short again. A handshake alone is no reason for that.
    pub(super) fn replied(&self) {
        if self.troubled.swap(false, Relaxed) {
            let mut inner = self.inner();
            inner.failures.count = 0;
            inner.failures.pause_ends = None;
        }
    }

    /// A handshake failed: a pause begins. Gives the kind that those who wait for it get.
    pub(super) fn could_not_connect(&self, error: &NetError) -> io::ErrorKind {
        let kind = match error {
            NetError::Timeout => io::ErrorKind::TimedOut,
            NetError::Io(error) => error.kind(),
            _ => io::ErrorKind::NotConnected,
        };
        let mut inner = self.inner();
        inner.report.failed(&self.server, error);
        self.pause(&mut inner.failures, kind);
        kind
    }

    /// The server closed a connection without a reply to what was asked on it.
    pub(super) fn was_closed_unanswered(&self) {
        let mut inner = self.inner();
        inner.report.odd(&self.server, "it closed a new connection without a reply");
        self.pause(&mut inner.failures, io::ErrorKind::ConnectionReset);
    }

    fn pause(&self, failures: &mut Failures, kind: io::ErrorKind) {
        let (first, longest) = self.limits.pauses;
        let doubled = first.saturating_mul(1 << failures.count.min(16)).min(longest);
        failures.count = failures.count.saturating_add(1);
        // Half of it by chance, so that many of us do not come back at one moment.
        let pause = doubled.mul_f64(rand::rng().random_range(0.5..1.0));
        failures.pause_ends = Some(Instant::now() + pause);
        failures.last = kind;
        self.troubled.store(true, Relaxed);
    }

    /// A connection has ended.
    pub(super) fn forget(&self, connection: &Arc<Connection>) {
        self.inner().connections.retain(|one| !Arc::ptr_eq(one, connection));
    }

    /// Forgets a connection that no question holds a place on; false when one does.
    pub(super) fn forget_unused(&self, connection: &Arc<Connection>) -> bool {
        let mut inner = self.inner();
        let unused = connection.open() == 0;
        if unused {
            inner.connections.retain(|one| !Arc::ptr_eq(one, connection));
        }
        unused
    }
}

#[cfg(test)]
impl Pool {
    /// Whether a handshake is under way.
    pub(super) fn is_connecting(&self) -> bool {
        self.inner().connections.iter().any(|one| one.is_connecting())
    }

    /// How long no connection is made.
    pub(super) fn pause_left(&self) -> Duration {
        let ends = self.inner().failures.pause_ends;
        ends.map_or(Duration::ZERO, |ends| ends.saturating_duration_since(Instant::now()))
    }
}
