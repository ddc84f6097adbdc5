//! A UDP worker: one thread, its own sockets of every listener, its own exchanges, one event loop.
//!
//! Owned names and cached answers leave on the spot. What needs an upstream is held here while this worker's exchange,
//! or another's of the same key, brings it; then the core runs again on the snapshot of that moment (R5).

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::Cache as Cached;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};

use super::WorkerHandle;
use super::audit::{Audit, Seen};
use super::count::{self, Batch};
use super::held::{Arrival, HeldQueries};
use crate::cache::Entry;
use crate::metrics::{Board, Carrier, Counters, SocketFigures, Source, Tally};
use crate::query_log::{Notes, QueryLog, Tap};
use crate::resolve::general::Shared;
use crate::resolve::{Client, Discard, Outcome, Overdue, Scratch, Transport, contained, servfail};
use crate::socket::{self, BATCH, Inbox, Outbox, Peer};
use crate::upstream::{self, Asked, Exchanges, Finished, Group, Mailbox, Messages, Servers, Streams, Ticket, Waiter};
use crate::view::{Route, Snapshot, Verdict};
use crate::wire::{Ede, Failure, Header, Key, MAX_ALIASES, Moment, rcode, rtype};

/// Tokens: mail, then listeners, then upstream sockets.
const MAIL: Token = Token(0);
const FIRST_LISTENER: usize = 1;
const FIRST_SOCKET: usize = 1 << 20;
/// Messages that wait for a worker at most.
const MAX_MESSAGES: usize = 65_536;
/// Batches of one listener before the others get their turn.
const BATCHES_PER_TURN: usize = 8;
/// How long the event loop sleeps at most: it shows that it lives, and looks at its sockets, as often.
const TURN: Duration = Duration::from_secs(1);

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
    exchanges: Exchanges<Arc<Entry>>,
    ended: Vec<Finished>,
    resumed: Vec<(Ticket, Key, Arc<Entry>)>,
    /// Sockets that may have more to read.
    again: Vec<Token>,
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
            exchanges,
            ended: Vec::new(),
            resumed: Vec::new(),
            again: Vec::new(),
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
            if let Err(error) = self.poll.poll(&mut events, self.patience())
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(%error, worker = self.index, "the event loop failed");
                return;
            }
            let now = self.shared.clock.now();
            self.turn(now);
            let current = Arc::clone(snapshot.load());
            count::follow(&mut self.tally, &current);
            self.seen.store(current.generation, Ordering::Release);
            tokens.clear();
            tokens.append(&mut self.again);
            tokens.extend(events.iter().map(|event| event.token()));
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

    /// How long the event loop may sleep.
    fn patience(&self) -> Option<Duration> {
        if !self.again.is_empty() {
            return Some(Duration::ZERO);
        }
        let timers = [self.exchanges.next_timer(), self.held.next_deadline(), self.warm_at, self.stops];
        let Some(next) = timers.into_iter().flatten().min() else { return Some(TURN) };
        // A moment is a millisecond: sleep into it, not to its beginning.
        Some((next.since(self.shared.clock.now()) + Duration::from_millis(1)).min(TURN))
    }

    /// Shows that the event loop turns, and looks at the sockets once a second.
    fn turn(&mut self, now: Moment) {
        self.counters.turns.increment();
        self.counters.held.set(self.held.len() as u64);
        if now >= self.look_at {
            self.look_at = now.after(TURN);
            self.listeners.iter().for_each(Listener::look);
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
        let token = Token(FIRST_LISTENER + id);
        if let Err(error) = self.poll.registry().register(&mut SourceFd(&socket.as_raw_fd()), token, Interest::READABLE)
        {
            tracing::error!(%error, %local, "a listener cannot be watched");
            return;
        }
        let listener = Listener { id, local, socket, outbox: Outbox::default(), figures: self.board.socket(local) };
        listener.look();
        self.listeners.push(listener);
        // What came between bind and now raised no event.
        self.again.push(token);
    }

    /// Takes what was already received, so that nothing accepted is lost, and closes the socket.
    fn remove(&mut self, id: usize) {
        let current = self.shared.snapshot.load_full();
        count::follow(&mut self.tally, &current);
        let now = self.shared.clock.now();
        self.listener(&current, id, now);
        if let Some(index) = self.listeners.iter().position(|listener| listener.id == id) {
            let mut listener = self.listeners.swap_remove(index);
            listener.outbox.flush(&listener.socket);
            let _ = self.poll.registry().deregister(&mut SourceFd(&listener.socket.as_raw_fd()));
        }
    }

    fn read_to_the_end(&mut self, now: Moment) {
        let current = self.shared.snapshot.load_full();
        count::follow(&mut self.tally, &current);
        let ids: Vec<usize> = self.listeners.iter().map(|listener| listener.id).collect();
        for id in ids {
            self.listener(&current, id, now);
            if let Some(listener) = self.listeners.iter().find(|listener| listener.id == id) {
                let _ = self.poll.registry().deregister(&mut SourceFd(&listener.socket.as_raw_fd()));
            }
        }
    }

    fn mail(&mut self, snapshot: &Snapshot, mail: &mut Vec<Messages<Arc<Entry>>>, now: Moment) {
        self.messages.take(mail);
        for message in mail.drain(..) {
            match message {
                Messages::Fetch(key, group, asker) => {
                    if let Asked::Ended(finished) = self.exchanges.ask(self.poll.registry(), &key, &group, asker, now) {
                        self.ended.push(*finished);
                    }
                }
                Messages::Done(ticket, key, entry) => self.resumed.push((ticket, *key, entry)),
                Messages::Stream(reply) => self.ended.extend(self.exchanges.streamed(self.poll.registry(), reply, now)),
            }
        }
        self.settle(snapshot, now);
    }

    fn upstream(&mut self, token: Token, now: Moment) {
        if self.exchanges.readable(self.poll.registry(), token, now, &mut self.ended) {
            self.again.push(token);
        }
    }

    /// Reads a listener's datagrams and answers them.
    fn listener(&mut self, snapshot: &Snapshot, id: usize, now: Moment) {
        let Some(index) = self.listeners.iter().position(|listener| listener.id == id) else { return };
        for _ in 0..BATCHES_PER_TURN {
            let received = self.inbox.receive(&self.listeners[index].socket);
            let count = match received {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // An ICMP error of an earlier reply; the socket goes on.
                Err(_) => continue,
            };
            self.begun = Instant::now();
            for datagram in 0..count {
                self.datagram(snapshot, index, datagram, now);
            }
            self.ask(snapshot, now);
            self.flush_listener(index);
            self.batch.end(&mut self.tally, self.begun.elapsed());
            if count < BATCH {
                return;
            }
        }
        self.again.push(Token(FIRST_LISTENER + id));
    }

    fn datagram(&mut self, snapshot: &Snapshot, index: usize, datagram: usize, now: Moment) {
        let Some(listener) = self.listeners.get_mut(index) else { return };
        let Some(received) = self.inbox.get(datagram) else { return };
        let Some(source) = received.peer.address() else { return };
        let local = SocketAddr::new(received.local.unwrap_or(listener.local.ip()), listener.local.port());
        let client = Client::new(source, local, Transport::Udp);
        let out = listener.outbox.buffer();
        let mut audit = Audit::new(&self.counters, &client, snapshot, now, 0);
        let outcome = audit.answer(received.octets, &self.shared.cache, out, self.log.draft());
        let (refresh, verdicts, seen) = (audit.refresh.take(), audit.verdicts, audit.seen);
        let mut leaves = |listener: &mut Listener, seen: &Seen, length: usize| {
            let reply = listener.outbox.buffer().get(..length).unwrap_or(&[]);
            self.batch.push(count::reply(&mut self.tally, Carrier::Udp, seen, received.octets, reply));
            if self.log.is_drafted() {
                self.log.leaves(&seen.left(snapshot, &client, Carrier::Udp, self.begun, reply));
            }
            listener.outbox.push(length, received.peer, received.local, listener.local.is_ipv6());
        };
        match outcome {
            Outcome::Reply(length) => {
                leaves(listener, &seen, length);
            }
            Outcome::Discard(Discard::Short) => self.counters.discarded_short.increment(),
            Outcome::Discard(Discard::Response) => self.counters.discarded_response.increment(),
            Outcome::Discard(Discard::Port) => self.counters.discarded_port.increment(),
            Outcome::Need(key, _) if self.shared.is_mark(&key) => {
                self.shared.servers.mark_returned(client.address());
                let length = servfail(received.octets, Transport::Udp, LOOP, listener.outbox.buffer());
                leaves(listener, &seen.by(Source::Policy), length);
            }
            Outcome::Need(key, route) => {
                let (peer, at) = (received.peer, received.local);
                let arrival =
                    Arrival { message: received.octets, peer, local: at, listener: listener.id, client, verdicts };
                let deadline = deadline(snapshot, &client, route, now);
                let place = self.shared.waiting.take(client.address());
                let ticket = if place { self.held.hold(&arrival, now, deadline) } else { None };
                if place && ticket.is_none() {
                    self.shared.waiting.give(client.address());
                }
                match ticket {
                    Some(ticket) => {
                        self.note(ticket, seen);
                        self.need(snapshot, ticket, &key, route, now);
                    }
                    None => {
                        self.counters.full.increment();
                        let length = servfail(received.octets, Transport::Udp, FULL, listener.outbox.buffer());
                        leaves(listener, &seen.by(Source::Policy), length);
                    }
                }
            }
        }
        if self.listeners.get(index).is_some_and(|listener| listener.outbox.is_full()) {
            self.flush_listener(index);
        }
        if let Some((key, route)) = refresh {
            self.refresh(snapshot, &key, route, now);
        }
    }

    /// Keeps what is counted of a query that is held now.
    fn note(&mut self, ticket: Ticket, seen: Seen) {
        let note = HeldNote { seen, begun: self.begun };
        match self.notes.get_mut(ticket.slot as usize) {
            Some(place) => *place = note,
            // Slots are given out in turn, so this is the next one.
            None => self.notes.push(note),
        }
    }

    /// Has a cached answer fetched anew before its end.
    fn refresh(&mut self, snapshot: &Snapshot, key: &Key, route: Route, now: Moment) {
        let Some(group) = snapshot.group(route) else { return };
        if !self.shared.pending.join(key, Waiter::Nobody) {
            return;
        }
        self.counters.refreshes.increment();
        if let Asked::Ended(finished) = self.exchanges.ask(self.poll.registry(), key, group, None, now) {
            self.ended.push(*finished);
        }
    }

    /// Keeps the views' `keep-warm` names in the cache: the first worker looks once a second.
    fn keep_warm(&mut self, snapshot: &Snapshot, now: Moment) {
        let is_new = self.warmed != snapshot.generation;
        if self.index != 0 || !is_new && self.warm_at.is_none_or(|at| at > now) {
            return;
        }
        self.warmed = snapshot.generation;
        if is_new {
            self.look_for_loops(snapshot, now);
        }
        let mut some = false;
        for view in &snapshot.views {
            for (name, qtype) in view.keep_warm.iter().flat_map(|name| [(name, rtype::A), (name, rtype::AAAA)]) {
                some = true;
                let Verdict::Forward { route, .. } = snapshot.look_up(view, name.as_ref(), qtype) else { continue };
                let key = Key::new(route.id, name.as_ref(), qtype, false, false);
                if self.shared.cache.look_up(&key, now).is_none_or(|entry| entry.take_refresh(now)) {
                    self.refresh(snapshot, &key, route, now);
                }
            }
        }
        self.warm_at = some.then(|| now.after(Duration::from_secs(1)));
    }

    /// Sends every server a question that only we know; if it comes back, forwarders go round in a circle. We listen to
    /// plain DNS alone, so no circle begins at an encrypted server.
    fn look_for_loops(&mut self, snapshot: &Snapshot, now: Moment) {
        for group in &snapshot.groups {
            for server in group.servers.iter().filter(|server| server.transport == upstream::Transport::Plain) {
                let alone = Arc::new(Group { servers: vec![server.clone()], ..Group::clone(group) });
                let key = Key::new(alone.route_id(), self.shared.mark.as_ref(), rtype::HINFO, false, false);
                if self.shared.pending.join(&key, Waiter::Nobody)
                    && let Asked::Ended(finished) = self.exchanges.ask(self.poll.registry(), &key, &alone, None, now)
                {
                    self.ended.push(*finished);
                }
            }
        }
    }

    /// Has a key asked for a held query, or joins whoever asks it.
    fn need(&mut self, snapshot: &Snapshot, ticket: Ticket, key: &Key, route: Route, now: Moment) {
        let Some(group) = snapshot.group(route) else { return };
        let mut asker = None;
        if let Some(held) = self.held.get_mut(ticket) {
            let (received, deadline) = (held.received, held.deadline);
            asker = Some(held.client.address());
            if let Some(at) = self.shared.stale_at(key, group, received, deadline, now) {
                self.held.wake(ticket, at);
            }
        }
        if !self.shared.pending.join(key, Waiter::Held(ticket)) {
            return;
        }
        // Another worker's exchange may have ended between the look-up and the joining.
        if let Some(entry) = self.shared.cache.look_up(key, now) {
            self.close(key, &entry);
        } else if let Asked::Ended(finished) = self.exchanges.ask(self.poll.registry(), key, group, asker, now) {
            self.ended.push(*finished);
        }
    }

    /// Keeps what exchanges brought and answers all who wait for it.
    fn settle(&mut self, snapshot: &Snapshot, now: Moment) {
        while !self.ended.is_empty() || !self.resumed.is_empty() {
            let mut ended = std::mem::take(&mut self.ended);
            for finished in ended.drain(..) {
                let entry = self.shared.cache.insert(&finished.key, finished.raw, now);
                self.close(&finished.key, &entry);
            }
            if self.ended.is_empty() {
                self.ended = ended;
            }
            let mut resumed = std::mem::take(&mut self.resumed);
            for (ticket, key, entry) in resumed.drain(..) {
                self.resume(snapshot, ticket, key, entry, now);
            }
            if self.resumed.is_empty() {
                self.resumed = resumed;
            }
        }
    }

    fn close(&mut self, key: &Key, entry: &Arc<Entry>) {
        let (shared, resumed, index) = (&self.shared, &mut self.resumed, self.index);
        shared.pending.close(key, |waiter| match waiter {
            Waiter::Held(ticket) if ticket.worker == index => resumed.push((ticket, *key, Arc::clone(entry))),
            waiter => shared.deliver(waiter, key, entry),
        });
    }

    /// Runs the core again for a held query.
    fn resume(&mut self, snapshot: &Snapshot, ticket: Ticket, key: Key, entry: Arc<Entry>, now: Moment) {
        let Some(held) = self.held.get_mut(ticket) else { return };
        held.fetched.push((key, entry));
        let Some(index) = self.listeners.iter().position(|listener| listener.id == held.listener) else {
            return self.release(ticket);
        };
        if self.listeners[index].outbox.is_full() {
            self.flush_listener(index);
        }
        let Some(held) = self.held.get_mut(ticket) else { return };
        let listener = &mut self.listeners[index];
        let raw = Scratch { cache: &self.shared.cache, fetched: &held.fetched };
        let out = listener.outbox.buffer();
        let mut audit = Audit::new(&self.counters, &held.client, snapshot, now, held.verdicts);
        let outcome = audit.answer(&held.message, &raw, out, self.log.draft());
        let seen = audit.seen;
        held.verdicts = held.verdicts.max(audit.verdicts);
        let seen = match self.notes.get_mut(ticket.slot as usize) {
            Some(note) => {
                note.seen = seen.after(&note.seen);
                note.seen
            }
            None => seen,
        };
        let length = match outcome {
            Outcome::Reply(length) => length,
            Outcome::Discard(_) => 0,
            Outcome::Need(key, route) if held.fetched.len() <= MAX_ALIASES => {
                return self.need(snapshot, ticket, &key, route, now);
            }
            Outcome::Need(..) => servfail(&held.message, Transport::Udp, FULL, listener.outbox.buffer()),
        };
        self.reply(snapshot, ticket, index, length, &seen);
    }

    /// The deadlines of held queries, and their earlier wakings for something stale.
    fn expire(&mut self, snapshot: &Snapshot, now: Moment) {
        while let Some(ticket) = self.held.due(now) {
            let Some(held) = self.held.get_mut(ticket) else { continue };
            let late = held.deadline <= now;
            let Some(index) = self.listeners.iter().position(|listener| listener.id == held.listener) else {
                self.release(ticket);
                continue;
            };
            if self.listeners[index].outbox.is_full() {
                self.flush_listener(index);
            }
            let Some(held) = self.held.get_mut(ticket) else { continue };
            let out = self.listeners[index].outbox.buffer();
            if late {
                self.counters.late.increment();
                if let Some(draft) = self.log.draft() {
                    // Once more for the log: what it waits for.
                    let raw = Scratch { cache: &self.shared.cache, fetched: &held.fetched };
                    contained(&held.message, &held.client, snapshot, &raw, now, out, &mut Notes { draft, snapshot });
                }
                let length = servfail(&held.message, Transport::Udp, Ede::NO_REACHABLE_AUTHORITY, out);
                let seen = self.notes.get(ticket.slot as usize).map_or(Seen::NOTHING, |note| note.seen);
                let seen = seen.in_view_of(snapshot, &held.client).by(Source::Upstream);
                self.reply(snapshot, ticket, index, length, &seen);
                continue;
            }
            let scratch = Scratch { cache: &self.shared.cache, fetched: &held.fetched };
            let raw = Overdue { scratch, failure: &self.silent };
            let mut audit = Audit::new(&self.counters, &held.client, snapshot, now, held.verdicts);
            let outcome = audit.answer(&held.message, &raw, out, self.log.draft());
            let earlier = self.notes.get(ticket.slot as usize).map_or(Seen::NOTHING, |note| note.seen);
            let seen = audit.seen.after(&earlier);
            // A failure is no reason to give up before the deadline.
            if let Outcome::Reply(length) = outcome
                && Header::read(out).is_ok_and(|header| header.rcode() != rcode::SERVFAIL)
            {
                self.reply(snapshot, ticket, index, length, &seen);
            }
        }
    }

    /// Sends what is in the outbox's buffer to a held query's client and lets the query go.
    fn reply(&mut self, snapshot: &Snapshot, ticket: Ticket, index: usize, length: usize, seen: &Seen) {
        if let (Some(held), Some(listener)) = (self.held.get_mut(ticket), self.listeners.get_mut(index))
            && length > 0
        {
            let (peer, local): (Peer, _) = (held.peer, held.local);
            let octets = listener.outbox.buffer().get(..length).unwrap_or(&[]);
            let labels = count::reply(&mut self.tally, Carrier::Udp, seen, &held.message, octets);
            if let Some(note) = self.notes.get(ticket.slot as usize) {
                self.tally.took(labels, note.begun.elapsed(), 1);
                if self.log.is_drafted() {
                    self.log.leaves(&seen.left(snapshot, &held.client, Carrier::Udp, note.begun, octets));
                }
            }
            listener.outbox.push(length, peer, local, listener.local.is_ipv6());
        }
        self.release(ticket);
    }

    /// A held query has its reply, or no listener any more.
    fn release(&mut self, ticket: Ticket) {
        if let Some(held) = self.held.get_mut(ticket) {
            self.shared.waiting.give(held.client.address());
            self.held.release(ticket);
        }
    }

    /// Sends the questions that wait, and settles what ends by it: a question that cannot be sent.
    fn ask(&mut self, snapshot: &Snapshot, now: Moment) {
        while self.exchanges.flush(self.poll.registry(), now, &mut self.ended) {
            self.settle(snapshot, now);
        }
    }

    fn flush(&mut self) {
        for index in 0..self.listeners.len() {
            self.flush_listener(index);
        }
    }

    fn flush_listener(&mut self, index: usize) {
        if let Some(listener) = self.listeners.get_mut(index).filter(|listener| !listener.outbox.is_empty()) {
            let dropped = listener.outbox.flush(&listener.socket);
            if dropped > 0 {
                self.counters.unsent.add(dropped as u64);
            }
        }
    }
}

/// Our own question has come back.
const LOOP: Ede = Ede::other("a loop of forwarders");
/// Our own queue is full.
const FULL: Ede = Ede::other("too many queries wait");

/// When a query that needs this route is answered at the latest.
fn deadline(snapshot: &Snapshot, client: &Client, route: Route, now: Moment) -> Moment {
    let view = snapshot.select(client.address(), client.local());
    let wait = match (view, snapshot.group(route)) {
        (Some((view, _)), Some(group)) => view.deadline(group),
        _ => Duration::ZERO,
    };
    now.after(wait)
}
