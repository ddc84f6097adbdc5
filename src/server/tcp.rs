//! DNS over TCP (RFC 7766): pipelined, concurrent, answered out of order, bounded in connections, time and questions.
//!
//! Whole messages of one read are answered at once and written together; what needs an upstream goes on in a task of its
//! own and its reply leaves when it is ready.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::{sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::audit::{Audit, Seen};
use super::count;
use crate::metrics::{Board, Carrier, Counters, Source, Tally};
use crate::query_log::{Draft, Left, QueryLog, Tap};
use crate::resolve::general::{Observe, Shared};
use crate::resolve::{Client, Event, MAX_OCTETS, Observer, Outcome, Transport, is_owed_a_reply, servfail};
use crate::view::Snapshot;
use crate::wire::{Ede, HEADER_OCTETS, Moment};

/// Connections in all, where the descriptors allow.
const MAX_CONNECTIONS: usize = 4_096;
/// Connections of one client.
const MAX_PER_CLIENT: usize = 64;
/// Descriptors left for UDP, upstreams and files.
const SPARE_DESCRIPTORS: u64 = 256;
/// How long a connection may be idle, and how long above three quarters of the bound.
const IDLE: Duration = Duration::from_secs(10);
const IDLE_WHEN_BUSY: Duration = Duration::from_secs(2);
/// Within what time a message must be whole, once its first octet came.
const FRAME: Duration = Duration::from_secs(3);
/// How long a client may take to read its replies.
const WRITE: Duration = Duration::from_secs(5);
/// Questions of one connection that wait for an upstream.
const MAX_WAITING: usize = 128;
/// Room for one read.
const READ_OCTETS: usize = 16 * 1024;
/// Pause after an error of accept, such as no free descriptor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The bounds that all listeners share.
pub(super) struct TcpLimits {
    most: usize,
    connections: Mutex<Connections>,
    tasks: TaskTracker,
    stopping: CancellationToken,
    /// Written by several threads at once.
    counters: Arc<Counters>,
    tally: Mutex<Tally>,
    log: Mutex<Tap>,
}

#[derive(Default)]
struct Connections {
    next: u64,
    open: HashMap<u64, Open>,
    clients: HashMap<IpAddr, usize>,
}

struct Open {
    client: IpAddr,
    /// Milliseconds of the clock at the last message.
    active: Arc<AtomicU64>,
    end: CancellationToken,
}

impl TcpLimits {
    /// Bounds for a process that may have so many descriptors; what is counted goes to `board`, what is logged to `log`.
    pub(super) fn new(descriptors: u64, board: &Arc<Board>, log: &QueryLog) -> Self {
        let (counters, tally) = board.streams();
        let log = Mutex::new(log.tap(&counters));
        let spare = usize::try_from(descriptors.saturating_sub(SPARE_DESCRIPTORS)).unwrap_or(usize::MAX);
        Self {
            most: spare.clamp(16, MAX_CONNECTIONS),
            connections: Mutex::default(),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            counters,
            tally: Mutex::new(tally),
            log,
        }
    }

    /// Room for the notes of a query, where queries are logged.
    fn draft(&self) -> Option<Box<Draft>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).is_on().then(Box::default)
    }

    /// Logs a reply.
    fn log(&self, draft: &Draft, left: &Left<'_>) {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).leaves_with(draft, left);
    }

    /// Counts a reply and how long its query took.
    fn count(&self, snapshot: &Snapshot, seen: &Seen, message: &[u8], reply: &[u8], took: Duration) {
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        count::follow(&mut tally, snapshot);
        let labels = count::reply(&mut tally, Carrier::Tcp, seen, message, reply);
        tally.took(labels, took, 1);
    }

    /// Ends every connection, those with open questions when they are answered or after `patience`.
    pub(super) async fn drain(&self, patience: Duration) {
        self.stopping.cancel();
        self.tasks.close();
        let _ = timeout(patience, self.tasks.wait()).await;
    }

    /// A place for a connection; none when its client has too many. When all places are taken the connection that has
    /// been idle for longest gives its own.
    fn take(self: &Arc<Self>, client: IpAddr) -> Option<Place> {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let own = connections.clients.entry(client).or_default();
        if *own >= MAX_PER_CLIENT {
            self.counters.tcp_rejected.add_shared(1);
            return None;
        }
        *own += 1;
        if connections.open.len() >= self.most {
            let oldest = connections.open.values().min_by_key(|open| open.active.load(Relaxed));
            if let Some(oldest) = oldest {
                oldest.end.cancel();
                self.counters.tcp_evicted.add_shared(1);
            }
        }
        self.counters.tcp_accepted.add_shared(1);
        let id = connections.next;
        connections.next += 1;
        let (active, end) = (Arc::new(AtomicU64::new(0)), CancellationToken::new());
        connections.open.insert(id, Open { client, active: Arc::clone(&active), end: end.clone() });
        Some(Place { limits: Arc::clone(self), id, active, end })
    }

    fn idle(&self) -> Duration {
        let open = self.connections.lock().unwrap_or_else(PoisonError::into_inner).open.len();
        if open > self.most / 4 * 3 { IDLE_WHEN_BUSY } else { IDLE }
    }
}

/// A connection's place; given back when dropped.
struct Place {
    limits: Arc<TcpLimits>,
    id: u64,
    active: Arc<AtomicU64>,
    end: CancellationToken,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.limits.counters.tcp_closed.add_shared(1);
        let mut connections = self.limits.connections.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = connections.open.remove(&self.id)
            && let Some(own) = connections.clients.get_mut(&open.client)
        {
            *own -= 1;
            if *own == 0 {
                connections.clients.remove(&open.client);
            }
        }
    }
}

/// Accepts on a bound listener until `token` is cancelled. No error of accept ends it.
pub(super) fn listen(
    runtime: &Handle,
    listener: std::net::TcpListener,
    local: SocketAddr,
    shared: &Arc<Shared>,
    limits: &Arc<TcpLimits>,
    token: CancellationToken,
) {
    let (shared, limits) = (Arc::clone(shared), Arc::clone(limits));
    let _guard = runtime.enter();
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, %local, "a TCP listener cannot be watched"),
    };
    runtime.spawn(async move {
        loop {
            let accepted = tokio::select! {
                () = token.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, source)) => {
                    // Beyond the bounds the connection is closed at once.
                    if let Some(place) = limits.take(source.ip().to_canonical()) {
                        let (shared, listener_token) = (Arc::clone(&shared), token.clone());
                        limits.tasks.spawn(async move {
                            let _ = serve(stream, source, &shared, &place, &listener_token).await;
                        });
                    }
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    });
}

/// One connection's life.
async fn serve(
    mut stream: TcpStream,
    source: SocketAddr,
    shared: &Arc<Shared>,
    place: &Place,
    listener: &CancellationToken,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let client = Client::new(source, stream.local_addr()?, Transport::Stream);
    let mut connection = Connection {
        client,
        shared,
        limits: &place.limits,
        input: Vec::with_capacity(READ_OCTETS),
        output: Vec::new(),
        reply: vec![0; MAX_OCTETS],
        waiting: 0,
    };
    let (replies, mut ready) = mpsc::channel::<Vec<u8>>(MAX_WAITING);
    let mut wakes = Instant::now() + place.limits.idle();
    let mut ending = false;
    loop {
        if ending && connection.waiting == 0 {
            return stream.shutdown().await;
        }
        tokio::select! {
            () = place.end.cancelled(), if connection.waiting == 0 => return Ok(()),
            () = place.limits.stopping.cancelled(), if !ending => ending = true,
            () = listener.cancelled(), if !ending => ending = true,
            () = sleep_until(wakes.into()), if connection.waiting == 0 => return Ok(()),
            read = stream.read_buf(&mut connection.input), if !ending => {
                if read? == 0 {
                    // The client has said all; what it asked is still answered (RFC 7766 §6.2.4).
                    ending = true;
                    continue;
                }
                place.active.store(shared.clock.now().millis(), Relaxed);
                if !connection.take_messages(&replies) {
                    return Ok(());
                }
                let patience = if connection.input.is_empty() { place.limits.idle() } else { FRAME };
                wakes = Instant::now() + patience;
            }
            reply = ready.recv() => if let Some(reply) = reply {
                connection.waiting -= 1;
                connection.output.extend(reply);
                wakes = Instant::now() + place.limits.idle();
            },
        }
        if !connection.output.is_empty() {
            timeout(WRITE, stream.write_all(&connection.output)).await.map_err(|_| io::ErrorKind::TimedOut)??;
            connection.output.clear();
        }
    }
}

struct Connection<'c> {
    client: Client,
    shared: &'c Arc<Shared>,
    limits: &'c Arc<TcpLimits>,
    input: Vec<u8>,
    output: Vec<u8>,
    reply: Vec<u8>,
    waiting: usize,
}

impl Connection<'_> {
    /// Answers every whole message of the input; false when the connection is to be closed.
    fn take_messages(&mut self, replies: &mpsc::Sender<Vec<u8>>) -> bool {
        let mut at = 0;
        while let Some(length) = self.input.get(at..at + 2) {
            let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
            let Some(message) = self.input.get(at + 2..at + 2 + length) else { break };
            at += 2 + length;
            // What is no query to a server has no place on a stream either.
            if !is_owed_a_reply(message) {
                let counters = &self.limits.counters;
                let is_short = message.len() < HEADER_OCTETS;
                if is_short { &counters.discarded_short } else { &counters.discarded_response }.add_shared(1);
                return false;
            }
            let message = message.to_vec();
            self.message(message, replies);
        }
        self.input.drain(..at);
        true
    }

    fn message(&mut self, message: Vec<u8>, replies: &mpsc::Sender<Vec<u8>>) {
        let (shared, client, begun) = (self.shared, self.client, Instant::now());
        // Other threads serve other connections: what this query counts is added in one go.
        let own = Counters::default();
        let now = shared.clock.now();
        let snapshot = shared.snapshot.load();
        let mut draft = self.limits.draft();
        let mut audit = Audit::new(&own, &client, &snapshot, now, 0);
        let outcome = audit.answer(&message, &shared.cache, &mut self.reply, draft.as_deref_mut());
        let (seen, verdicts) = (audit.seen, audit.verdicts);
        let (length, seen) = match outcome {
            Outcome::Reply(length) => (length, seen),
            Outcome::Discard(_) => (0, seen),
            Outcome::Need(..) if self.waiting >= MAX_WAITING || !shared.waiting.take(client.address()) => {
                own.full.increment();
                let full = Ede::other("too many queries wait");
                (servfail(&message, Transport::Stream, full, &mut self.reply), seen.by(Source::Policy))
            }
            Outcome::Need(..) => {
                self.waiting += 1;
                let (shared, limits, replies) = (Arc::clone(shared), Arc::clone(self.limits), replies.clone());
                let later = LaterPasses {
                    counters: own,
                    known: AtomicU16::new(verdicts),
                    seen: Mutex::new((seen, true)),
                    draft: Mutex::new(draft),
                };
                self.limits.tasks.spawn(async move {
                    let mut out = vec![0; MAX_OCTETS];
                    let length = shared.answer(&message, &client, &mut out, &later).await;
                    shared.waiting.give(client.address());
                    let reply = out.get(..length).unwrap_or(&[]);
                    later.end((&limits, &shared, &client), &message, reply, begun);
                    let mut framed = Vec::new();
                    frame(&mut framed, reply);
                    // A client that left does not mind.
                    let _ = replies.send(framed).await;
                });
                return;
            }
        };
        self.limits.counters.absorb(&own);
        let reply = self.reply.get(..length).unwrap_or(&[]);
        if length > 0 {
            self.limits.count(&snapshot, &seen, &message, reply, begun.elapsed());
            if let Some(draft) = draft {
                self.limits.log(&draft, &seen.left(&snapshot, &client, Carrier::Tcp, begun, reply));
            }
        }
        frame(&mut self.output, reply);
    }
}

/// Observes a query after its first pass, which its connection observed.
struct LaterPasses {
    /// What this query counts.
    counters: Counters,
    /// Verdicts that earlier passes told.
    known: AtomicU16,
    /// What the last pass showed, and whether it lacked an answer still.
    seen: Mutex<(Seen, bool)>,
    /// The last pass's notes, where queries are logged.
    draft: Mutex<Option<Box<Draft>>>,
}

impl LaterPasses {
    /// Its reply leaves.
    fn end(
        self,
        (limits, shared, client): (&TcpLimits, &Shared, &Client),
        message: &[u8],
        reply: &[u8],
        begun: Instant,
    ) {
        let (seen, lacks) = self.seen.into_inner().unwrap_or_else(PoisonError::into_inner);
        // The last pass may have been over an older snapshot.
        let snapshot = shared.snapshot.load();
        let seen = seen.in_view_of(&snapshot, client);
        if !reply.is_empty() {
            // What came to its deadline is the upstream's.
            let seen = if lacks { seen.by(Source::Upstream) } else { seen };
            limits.count(&snapshot, &seen, message, reply, begun.elapsed());
            if let Some(draft) = self.draft.into_inner().unwrap_or_else(PoisonError::into_inner) {
                limits.log(&draft, &seen.left(&snapshot, client, Carrier::Tcp, begun, reply));
            }
            if lacks {
                self.counters.late.increment();
            }
        }
        limits.counters.absorb(&self.counters);
    }
}

/// One later pass.
struct LaterPass<'s> {
    audit: Audit<'s>,
    lacks: bool,
    /// Its own notes over those of the pass before it.
    draft: Option<Box<Draft>>,
    passes: &'s LaterPasses,
}

impl Observe for LaterPasses {
    fn observer<'s>(&'s self, client: &'s Client, snapshot: &'s Snapshot, now: Moment) -> Box<dyn Observer + 's> {
        let audit = Audit::new(&self.counters, client, snapshot, now, self.known.load(Relaxed));
        let mut draft = self.draft.lock().unwrap_or_else(PoisonError::into_inner).take();
        draft.as_deref_mut().into_iter().for_each(Draft::clear);
        Box::new(LaterPass { audit, lacks: false, draft, passes: self })
    }
}

impl Observer for LaterPass<'_> {
    fn note(&mut self, event: Event<'_>) {
        self.lacks |= matches!(event, Event::Need(..));
        if let Some(draft) = &mut self.draft {
            draft.note(&event, self.audit.snapshot);
        }
        self.audit.note(event);
        self.passes.known.fetch_max(self.audit.verdicts, Relaxed);
    }
}

impl Drop for LaterPass<'_> {
    fn drop(&mut self) {
        *self.passes.draft.lock().unwrap_or_else(PoisonError::into_inner) = self.draft.take();
        let mut seen = self.passes.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = (self.audit.seen.after(&seen.0), self.lacks);
    }
}

/// Appends a message with its length in front (RFC 1035 §4.2.2); nothing for an empty one.
fn frame(output: &mut Vec<u8>, message: &[u8]) {
    if !message.is_empty() {
        output.extend((message.len() as u16).to_be_bytes());
        output.extend(message);
    }
}
