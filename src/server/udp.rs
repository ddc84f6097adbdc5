//! A UDP worker: one thread, its own sockets of every listener, its own exchanges, one event loop.
//!
//! Owned names and cached answers leave on the spot. What needs an upstream is held here while this worker's exchange,
//! or another's of the same key, brings it; then the core runs again on the snapshot of that moment (R5).

mod answer;
mod fetch;

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::Cache as Cached;
use mio::{Events, Poll, Token, Waker};
use rustix::event::{PollFd, PollFlags, Timespec};
use smallvec::SmallVec;

use super::WorkerHandle;
use super::audit::Seen;
use super::count::{self, Batch};
use super::held::HeldQueries;
use crate::cache::{Entry, Near};
use crate::metrics::{Board, Counters, SocketFigures, Tally};
use crate::query_log::{QueryLog, Tap};
use crate::resolve::general::Shared;
use crate::socket::{self, Inbox, Outbox};
use crate::upstream::{Exchanges, Finished, Mailbox, Messages, Servers, Streams, Ticket};
use crate::wire::{Ede, Failure, Key, Moment};

/// Tokens: mail, then listeners, then upstream sockets.
const MAIL: Token = Token(0);
const FIRST_LISTENER: usize = 1;
const FIRST_SOCKET: usize = 1 << 20;
/// Messages that wait for a worker at most.
const MAX_MESSAGES: usize = 65_536;
/// Batches of one listener before the others get their turn.
const BATCHES_PER_TURN: usize = 8;
/// Turns of a listener that is closed at most: no socket's buffer holds more.
const LAST_TURNS: usize = 64;
/// How long the event loop sleeps at most: it shows that it lives, and looks at its sockets, as often.
const TURN: Duration = Duration::from_secs(1);

/// Our own queue is full.
const FULL: Ede = Ede::other("too many queries wait");

/// What the server tells a worker.
pub(super) enum Control {
    /// Serve a socket that is bound to the local address.
    Add(usize, SocketAddr, UdpSocket),
    /// Stop serving a listener.
    Remove(usize),
    /// Take no more queries; finish what is held, and what streams wait for, within this time.
    Drain(Duration),
    /// No stream waits any more: end once nothing is held.
    End,
}

/// What exists of a worker before its thread does.
pub(super) struct Part {
    poll: Poll,
    pub(super) messages: Arc<Mailbox<Messages<Arc<Entry>>>>,
    control: Arc<Mailbox<Control>>,
}

impl Part {
    pub(super) fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        // One eventfd for both boxes: each wake looks into both.
        let waker = Arc::new(Waker::new(poll.registry(), MAIL)?);
        let messages = Mailbox::new(Arc::clone(&waker), MAX_MESSAGES);
        let control = Mailbox::new(waker, 1_024);
        Ok(Self { poll, messages, control })
    }
}

struct Listener {
    id: usize,
    local: SocketAddr,
    socket: UdpSocket,
    outbox: Outbox,
    figures: Arc<SocketFigures>,
}

impl Listener {
    fn token(&self) -> Token {
        Token(FIRST_LISTENER + self.id)
    }

    /// Asks the kernel what it dropped.
    fn look(&self) {
        if let Ok(memory) = socket::memory(&self.socket) {
            self.figures.overflows.store(u64::from(memory.drops), Ordering::Relaxed);
            self.figures.buffer_octets.store(u64::from(memory.buffer_octets), Ordering::Relaxed);
        }
    }
}

/// What is counted of a held query: what its first pass showed, and when it came.
#[derive(Clone, Copy)]
struct HeldNote {
    seen: Seen,
    begun: Instant,
}

/// One worker.
pub(super) struct Worker {
    index: usize,
    shared: Arc<Shared>,
    poll: Poll,
    messages: Arc<Mailbox<Messages<Arc<Entry>>>>,
    control: Arc<Mailbox<Control>>,
    listeners: Vec<Listener>,
    inbox: Inbox,
    held: HeldQueries,
    near: Near,
    exchanges: Exchanges<Arc<Entry>>,
    ended: Vec<Finished>,
    resumed: Vec<(Ticket, Key, Arc<Entry>)>,
    /// Sockets that may have more to read.
    again: Vec<Token>,
    /// Upstream sockets had something in the last turn.
    is_busy: bool,
    counters: Arc<Counters>,
    board: Arc<Board>,
    tally: Tally,
    log: Tap,
    /// When the batch at work was received, and what has left of it.
    begun: Instant,
    batch: Batch,
    /// By the slot of a held query.
    notes: Vec<HeldNote>,
    /// When the sockets are looked at next.
    look_at: Moment,
    seen: Arc<AtomicU64>,
    /// What stands for an answer that has not come at the client's timer.
    silent: Arc<Entry>,
    /// When the names to keep warm are looked at next; none where there are none.
    warm_at: Option<Moment>,
    /// The generation of the snapshot whose names were looked at.
    warmed: u64,
    /// Until when what is held may be finished.
    stops: Option<Moment>,
    ends: bool,
}

impl Worker {
    /// Starts the thread of worker `index`.
    pub(super) fn start(
        index: usize,
        part: Part,
        shared: &Arc<Shared>,
        (board, log): (&Arc<Board>, &QueryLog),
        servers: &Arc<Servers>,
        streams: &Arc<Streams>,
    ) -> io::Result<WorkerHandle> {
        let (counters, tally) = board.event_loop();
        let log = log.tap(&counters);
        let seen = Arc::new(AtomicU64::new(0));
        let control = Arc::clone(&part.control);
        let exchanges =
            Exchanges::new(FIRST_SOCKET, Arc::clone(servers), Arc::clone(streams), Arc::clone(&part.messages));
        let worker = Self {
            index,
            shared: Arc::clone(shared),
            poll: part.poll,
            messages: part.messages,
            control: part.control,
            listeners: Vec::new(),
            inbox: Inbox::default(),
            held: HeldQueries::new(index),
            near: Near::default(),
            exchanges,
            ended: Vec::new(),
            resumed: Vec::new(),
            again: Vec::new(),
            is_busy: false,
            counters,
            board: Arc::clone(board),
            tally,
            log,
            begun: Instant::now(),
            batch: Batch::default(),
            notes: Vec::new(),
            look_at: Moment::from_millis(0),
            seen: Arc::clone(&seen),
            silent: Arc::new(Entry::failed(Failure::Silent, shared.clock.now())),
            warm_at: None,
            warmed: 0,
            stops: None,
            ends: false,
        };
        let thread = std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || worker.run())?;
        Ok(WorkerHandle { control, thread: Some(thread), seen })
    }

    fn run(mut self) {
        let mut events = Events::with_capacity(1_024);
        let shared = Arc::clone(&self.shared);
        let mut snapshot = Cached::new(&shared.snapshot);
        let (mut mail, mut controls) = (Vec::new(), Vec::new());
        let mut tokens = Vec::new();
        loop {
            if let Err(error) = self.wait(&mut events, &mut tokens) {
                tracing::error!(%error, worker = self.index, "the event loop failed");
                return;
            }
            let now = self.shared.clock.now();
            self.turn(now);
            let current = Arc::clone(snapshot.load());
            count::follow(&mut self.tally, &current);
            self.seen.store(current.generation, Ordering::Release);
            for token in &tokens {
                match *token {
                    MAIL => {
                        self.controls(&mut controls, now);
                        self.mail(&current, &mut mail, now);
                    }
                    Token(index) if index >= FIRST_SOCKET => self.upstream(*token, now),
                    Token(index) => self.listener(&current, index - FIRST_LISTENER, now),
                }
            }
            self.exchanges.expire(self.poll.registry(), now, &mut self.ended);
            self.keep_warm(&current, now);
            self.settle(&current, now);
            self.expire(&current, now);
            self.ask(&current, now);
            self.flush();
            let idle = self.ends && self.held.len() == 0 && self.again.is_empty();
            if self.stops.is_some_and(|stops| idle || now >= stops) {
                return;
            }
        }
    }

    /// Waits for something to do, and puts what can be read into `tokens`.
    ///
    /// Listeners are in no epoll: one calls back for every datagram that comes and every reply that is freed, whether
    /// somebody waits or not. With poll(2) a listener has somebody who waits only while this thread sleeps.
    fn wait(&mut self, events: &mut Events, tokens: &mut Vec<Token>) -> io::Result<()> {
        let patience = self.patience();
        tokens.clear();
        tokens.append(&mut self.again);
        let takes_more = self.stops.is_none();
        let listeners = || self.listeners.iter().filter(|_| takes_more);
        if std::mem::take(&mut self.is_busy) {
            tokens.extend(listeners().map(Listener::token));
            return self.collect(events, tokens);
        }
        let mut waited: SmallVec<[PollFd<'_>; 16]> = SmallVec::new();
        waited.push(PollFd::new(self.poll.registry(), PollFlags::IN));
        waited.extend(listeners().map(|listener| PollFd::new(&listener.socket, PollFlags::IN)));
        match rustix::event::poll(&mut waited, Timespec::try_from(patience).ok().as_ref()) {
            Err(error) if error != rustix::io::Errno::INTR => return Err(error.into()),
            Err(_) => return Ok(()),
            Ok(_) => {}
        }
        let mut is_ready = waited.iter().map(|waited| !waited.revents().is_empty());
        let has_events = is_ready.next() == Some(true);
        let ready = listeners().zip(is_ready).filter(|(_, is_ready)| *is_ready);
        tokens.extend(ready.map(|(listener, _)| listener.token()));
        drop(waited);
        if has_events { self.collect(events, tokens) } else { Ok(()) }
    }

    /// Takes what mail and upstream sockets have. Where those have something they will soon have more, so that the next
    /// turn looks without asking first.
    fn collect(&mut self, events: &mut Events, tokens: &mut Vec<Token>) -> io::Result<()> {
        match self.poll.poll(events, Some(Duration::ZERO)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            Err(_) => return Ok(()),
            Ok(()) => {}
        }
        tokens.extend(events.iter().map(|event| event.token()));
        self.is_busy = events.iter().any(|event| event.token().0 >= FIRST_SOCKET);
        Ok(())
    }

    /// How long the event loop may sleep.
    fn patience(&self) -> Duration {
        if self.is_busy || !self.again.is_empty() {
            return Duration::ZERO;
        }
        let timers = [self.exchanges.next_timer(), self.held.next_deadline(), self.warm_at, self.stops];
        let Some(next) = timers.into_iter().flatten().min() else { return TURN };
        // A moment is a millisecond: sleep into it, not to its beginning.
        (next.since(self.shared.clock.now()) + Duration::from_millis(1)).min(TURN)
    }

    /// Shows that the event loop turns, and looks at the sockets once a second.
    fn turn(&mut self, now: Moment) {
        self.counters.turns.increment();
        self.counters.held.set(self.held.len() as u64);
        if now >= self.look_at {
            self.look_at = now.after(TURN);
            self.listeners.iter().for_each(Listener::look);
            self.near.sweep();
        }
    }

    fn controls(&mut self, controls: &mut Vec<Control>, now: Moment) {
        self.control.take(controls);
        for control in controls.drain(..) {
            match control {
                Control::Add(id, local, socket) => self.add(id, local, socket),
                Control::Remove(id) => self.remove(id),
                Control::End => self.ends = true,
                Control::Drain(patience) => {
                    self.stops = Some(now.after(patience));
                    self.read_to_the_end(now);
                }
            }
        }
    }

    fn add(&mut self, id: usize, local: SocketAddr, socket: UdpSocket) {
        let listener = Listener { id, local, socket, outbox: Outbox::default(), figures: self.board.socket(local) };
        listener.look();
        self.listeners.push(listener);
    }

    /// Takes what was already received, so that nothing accepted is lost, and closes the socket.
    fn remove(&mut self, id: usize) {
        let current = self.shared.snapshot.load_full();
        count::follow(&mut self.tally, &current);
        let now = self.shared.clock.now();
        for _ in 0..LAST_TURNS {
            self.listener(&current, id, now);
            if !self.inbox.is_full() {
                break;
            }
        }
        if let Some(index) = self.listeners.iter().position(|listener| listener.id == id) {
            let mut listener = self.listeners.swap_remove(index);
            listener.outbox.flush(&listener.socket);
        }
    }

    fn read_to_the_end(&mut self, now: Moment) {
        let current = self.shared.snapshot.load_full();
        count::follow(&mut self.tally, &current);
        let ids: Vec<usize> = self.listeners.iter().map(|listener| listener.id).collect();
        for id in ids {
            self.listener(&current, id, now);
        }
    }
}
