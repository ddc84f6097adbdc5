//! Exchanges: one worker's open questions, their tries and their end (R28–R31).
//!
//! Single-threaded and non-blocking: the worker's event loop calls [`Exchanges::ask`] for a question that nobody else
//! asks, [`Exchanges::readable`] when a socket has something, [`Exchanges::expire`] when [`Exchanges::next_timer`] has
//! come, [`Exchanges::flush`] at the end of each turn, and gets what ended as [`Finished`].
//!
//! An exchange that has its answer lingers for a moment while other tries of it are open: a reply that comes late still
//! says that its server lives, and how far away it is.

mod order;
mod replies;
mod tries;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use mio::{Registry, Token};

use super::datagram::Sockets;
use super::group::Group;
use super::servers::{Health, Parent, ServerState, Servers, Turned, is_given_up};
use super::stream::{StreamReply, Streams};
use super::{Mailbox, Ticket};
use crate::socket::Arrivals;
use crate::wire::{End, Failure, Key, Moment, RawAnswer};
use order::{Order, Retries, order};
use tries::{Try, Via};

/// Messages sent for one question at most, tries and TCP included.
const MAX_MESSAGES: u8 = 8;
/// When the tries of a question that every server was asked are repeated, from the exchange's start (R28).
const REPEATS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];
/// How long an exchange may take while its whole group is known to be down (R27).
const DOWN_BUDGET: Duration = Duration::from_millis(800);
/// When a try that has no place in the budget is looked at again.
const POSTPONED: Duration = Duration::from_millis(50);
/// How long an answered exchange waits for its other tries.
const LINGER: Duration = Duration::from_secs(1);
/// Batches read from one socket before others get their turn.
const READS_PER_TURN: usize = 8;
/// Exchanges that one worker drives at most.
const MAX_EXCHANGES: usize = 65_536;

/// What other threads leave for a worker's exchanges.
#[derive(Debug)]
pub enum Messages<T> {
    /// A question of the general path to be asked; the asker, a client at this address, has joined it.
    Fetch(Box<Key>, Arc<Group>, Option<IpAddr>),
    /// What another worker's exchange brought for a query that this one holds.
    Done(Ticket, Box<Key>, T),
    /// What a stream brought.
    Stream(StreamReply),
}

/// What became of a question handed to [`Exchanges::ask`].
#[derive(Debug)]
pub enum Asked {
    /// It is open.
    Open,
    /// It ended at once.
    Ended(Box<Finished>),
}

/// An exchange that ended: its raw answer is to be kept and handed to all who wait for the key.
#[derive(Debug)]
pub struct Finished {
    /// The question.
    pub key: Key,
    /// What it brought.
    pub raw: RawAnswer,
}

/// The states of a group's servers.
type States = Arc<[Arc<ServerState>]>;

struct Exchange {
    serial: u32,
    /// It has its answer; what is open only tells of the servers.
    answered: bool,
    key: Key,
    parent: Parent,
    group: Arc<Group>,
    states: States,
    started: Moment,
    ends: Moment,
    wakes: Moment,
    /// Servers in the order they are asked, and how many were.
    order: Order,
    asked: usize,
    tries: Vec<Try>,
    /// The number of the next try.
    number: u8,
    messages: u8,
    repeats: usize,
    /// The next try has no place in the budget of later ones; when it is looked at again.
    postponed: Option<Moment>,
    /// The servers that replied with a failure, a bit each.
    failed: u64,
    failure: Failure,
}

/// What a worker knows of a group.
struct Known {
    group: Arc<Group>,
    states: States,
    retries: Retries,
}

/// One worker's exchanges.
pub struct Exchanges<T> {
    slots: Vec<Option<Exchange>>,
    free: Vec<u32>,
    serial: u32,
    timers: BinaryHeap<Reverse<(Moment, u32, u32)>>,
    sockets: Sockets,
    servers: Arc<Servers>,
    /// Groups that were asked, so that the shared map is asked once a group.
    known: Vec<Known>,
    streams: Arc<Streams>,
    mailbox: Arc<Mailbox<Messages<T>>>,
    arrivals: Arrivals,
    /// Sockets that failed while something was sent.
    failed: Vec<Token>,
    /// Lists of tries of exchanges that ended, to be used again.
    spare: Vec<Vec<Try>>,
}

impl<T: Send + 'static> Exchanges<T> {
    /// None yet. Sockets get the tokens from `first_token` on; what streams bring comes to `mailbox`.
    pub fn new(
        first_token: usize,
        servers: Arc<Servers>,
        streams: Arc<Streams>,
        mailbox: Arc<Mailbox<Messages<T>>>,
    ) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            serial: 0,
            timers: BinaryHeap::new(),
            sockets: Sockets::new(first_token),
            servers,
            known: Vec::new(),
            streams,
            mailbox,
            arrivals: Arrivals::default(),
            failed: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// How many are open or linger.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Opens an exchange for a query of `asker`, which is never asked itself; none where no client waits for it.
    pub fn ask(
        &mut self,
        registry: &Registry,
        key: &Key,
        group: &Arc<Group>,
        asker: Option<IpAddr>,
        now: Moment,
    ) -> Asked {
        let failed = |failure| Asked::Ended(Box::new(Finished { key: *key, raw: RawAnswer::failed(failure) }));
        if self.free.is_empty() && self.slots.len() >= MAX_EXCHANGES {
            return failed(Failure::Full);
        }
        let turn = self.serial as usize;
        let known = self.known(group);
        known.retries.earn();
        let states = Arc::clone(&known.states);
        for (state, server) in states.iter().zip(&group.servers) {
            tell(state.judge_silence(now), state, server, group);
        }
        let order = order(group, &states, turn, asker, now);
        if let Some(server) = order.looped.and_then(|looped| group.servers.get(usize::from(looped))) {
            self.servers.suspect_loop(server.address, now);
            if order.len() == 0 {
                return failed(Failure::Loop);
            }
        }
        let all_down = states.iter().all(|state| is_given_up(state, now));
        let budget = if all_down { group.timeout.min(DOWN_BUDGET) } else { group.timeout };
        self.serial = self.serial.wrapping_add(1);
        let exchange = Exchange {
            serial: self.serial,
            answered: false,
            key: *key,
            parent: self.servers.parent(key),
            group: Arc::clone(group),
            states,
            started: now,
            ends: now.after(budget),
            wakes: now.after(budget),
            order,
            asked: 0,
            tries: self.spare.pop().unwrap_or_default(),
            number: 0,
            messages: 0,
            repeats: 0,
            postponed: None,
            failed: 0,
            failure: Failure::Capped,
        };
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            (self.slots.len() - 1) as u32
        });
        self.slots[slot as usize] = Some(exchange);
        if let Some(server) = order.probe {
            self.try_server(registry, slot, usize::from(server), true, now);
        }
        for _ in 0..order.at_once {
            if let Some(finished) = self.advance(registry, slot, now) {
                return Asked::Ended(Box::new(finished));
            }
        }
        Asked::Open
    }

    /// Reads what has come for a socket. True when there may be more: call again.
    pub fn readable(&mut self, registry: &Registry, token: Token, now: Moment, ended: &mut Vec<Finished>) -> bool {
        let mut arrivals = std::mem::take(&mut self.arrivals);
        let mut more = true;
        for _ in 0..READS_PER_TURN {
            match self.sockets.receive(token, &mut arrivals) {
                Ok(count) => {
                    for message in (0..count).filter_map(|index| arrivals.get(index)) {
                        ended.extend(self.datagram(registry, token, message, now));
                    }
                    more = arrivals.is_whole(count);
                }
                Err(error) => {
                    if error.kind() != io::ErrorKind::WouldBlock {
                        self.socket_failed(registry, token, now, ended);
                    }
                    more = false;
                }
            }
            if !more {
                break;
            }
        }
        self.arrivals = arrivals;
        more
    }

    /// Sends what waits. True when exchanges ended by it.
    pub fn flush(&mut self, registry: &Registry, now: Moment, ended: &mut Vec<Finished>) -> bool {
        let before = ended.len();
        // A socket that failed has its questions asked elsewhere, which may fill the next batch.
        for _ in 0..usize::from(MAX_MESSAGES) {
            self.sockets.flush(&mut self.failed);
            if self.failed.is_empty() {
                break;
            }
            for token in std::mem::take(&mut self.failed) {
                self.socket_failed(registry, token, now, ended);
            }
        }
        ended.len() > before
    }

    /// When [`Exchanges::expire`] is due.
    pub fn next_timer(&self) -> Option<Moment> {
        self.timers.peek().map(|Reverse((at, _, _))| *at)
    }

    /// Does what is due at `now`.
    pub fn expire(&mut self, registry: &Registry, now: Moment, ended: &mut Vec<Finished>) {
        while let Some(Reverse((at, slot, serial))) = self.timers.peek().copied() {
            if at > now {
                return;
            }
            self.timers.pop();
            // A timer that was put off is in the heap a second time.
            if self.exchange(slot, serial).is_some_and(|exchange| exchange.wakes <= now) {
                ended.extend(self.wake(registry, slot, now));
            }
        }
    }

    fn exchange(&mut self, slot: u32, serial: u32) -> Option<&mut Exchange> {
        self.slots.get_mut(slot as usize)?.as_mut().filter(|exchange| exchange.serial == serial)
    }

    fn open(&mut self, slot: u32) -> Option<&mut Exchange> {
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    fn known(&mut self, group: &Arc<Group>) -> &mut Known {
        let found = self.known.iter().position(|known| Arc::ptr_eq(&known.group, group));
        let index = found.unwrap_or_else(|| {
            // Groups come and go with snapshots: those that nothing else holds are dropped.
            self.known.retain(|known| Arc::strong_count(&known.group) > 1);
            let states = group.servers.iter().map(|server| self.servers.state(server.address)).collect();
            self.known.push(Known { group: Arc::clone(group), states, retries: Retries::default() });
            self.known.len() - 1
        });
        &mut self.known[index]
    }

    /// A try's patience, a repeat, the linger or the whole budget has run out.
    fn wake(&mut self, registry: &Registry, slot: u32, now: Moment) -> Option<Finished> {
        let exchange = self.open(slot)?;
        let over = now >= exchange.ends;
        exchange.mark_silent(over && !exchange.answered, now);
        if over {
            if exchange.answered {
                self.release(registry, slot);
                return None;
            }
            let failure = if exchange.tries.is_empty() { exchange.failure } else { Failure::Silent };
            return Some(self.finish(registry, slot, RawAnswer::failed(failure), now));
        }
        if exchange.answered {
            self.set_timer(slot, now);
            return None;
        }
        if exchange.has_next() {
            return self.advance(registry, slot, now);
        }
        if REPEATS.get(exchange.repeats).is_some_and(|repeat| now >= exchange.started.after(*repeat)) {
            exchange.repeats += 1;
            let (group, first) = (Arc::clone(&exchange.group), exchange.repeats == 1);
            // The first stands for the failover that a lost datagram would have had.
            if first || self.known(&group).retries.spend() {
                self.repeat(slot, now);
            }
        }
        self.set_timer(slot, now);
        None
    }

    /// Asks the next server; when there is none and nothing is awaited, the exchange has failed.
    fn advance(&mut self, registry: &Registry, slot: u32, now: Moment) -> Option<Finished> {
        loop {
            let exchange = self.open(slot)?;
            let mut next = exchange.order.get(exchange.asked).filter(|_| exchange.messages < MAX_MESSAGES);
            // The first server and the first failover are free. So is what follows servers that are known to be down by
            // now: a question that came later would not have been sent to them.
            if next.is_some() && exchange.asked >= 2 && !exchange.only_asked_the_dead() {
                let group = Arc::clone(&exchange.group);
                if !self.known(&group).retries.spend() {
                    let exchange = self.open(slot)?;
                    exchange.postponed = Some(now.after(POSTPONED));
                    break;
                }
            }
            let exchange = self.open(slot)?;
            exchange.postponed = None;
            let Some(server) = next.take() else {
                exchange.asked = exchange.order.len();
                if exchange.tries.is_empty() {
                    let failure = exchange.failure;
                    return Some(self.finish(registry, slot, RawAnswer::failed(failure), now));
                }
                break;
            };
            exchange.asked += 1;
            if self.try_server(registry, slot, server, true, now) {
                break;
            }
        }
        self.set_timer(slot, now);
        None
    }

    fn set_timer(&mut self, slot: u32, now: Moment) {
        let Some(exchange) = self.open(slot) else { return };
        let mut wakes = exchange.ends;
        if let Some(postponed) = exchange.postponed {
            wakes = wakes.min(postponed);
        } else if let Some(attempt) = exchange.tries.iter().rev().find(|attempt| !attempt.silent) {
            wakes = wakes.min(attempt.sent.after(exchange.patience(attempt)));
        }
        if !exchange.answered
            && !exchange.has_next()
            && let Some(repeat) = REPEATS.get(exchange.repeats)
        {
            wakes = wakes.min(exchange.started.after(*repeat));
        }
        // At least one millisecond ahead: the clock's step, so that no timer is due at once for ever.
        exchange.wakes = wakes.max(now.after(Duration::from_millis(1)));
        let timer = (exchange.wakes, slot, exchange.serial);
        self.timers.push(Reverse(timer));
    }

    /// The exchange has its end; with an answer it lingers while tries of it are open.
    fn finish(&mut self, registry: &Registry, slot: u32, raw: RawAnswer, now: Moment) -> Finished {
        let Some(exchange) = self.open(slot) else { unreachable!("only open exchanges finish") };
        let finished = Finished { key: exchange.key, raw };
        if exchange.tries.is_empty() || matches!(finished.raw.end(), End::Failed(_)) {
            self.release(registry, slot);
        } else {
            exchange.answered = true;
            exchange.ends = exchange.ends.min(now.after(LINGER));
            self.set_timer(slot, now);
        }
        finished
    }

    /// Closes what is open of an exchange and frees its slot.
    fn release(&mut self, registry: &Registry, slot: u32) {
        let Some(mut exchange) = self.slots.get_mut(slot as usize).and_then(Option::take) else { return };
        self.free.push(slot);
        for attempt in exchange.tries.drain(..) {
            exchange.states[attempt.server].give_place(exchange.parent);
            if let Via::Datagram(opened) = attempt.via {
                self.sockets.close(registry, opened);
            }
        }
        if self.spare.len() < 1_024 {
            self.spare.push(exchange.tries);
        }
    }
}

/// Says that a server's health changed.
fn tell(turned: Turned, state: &ServerState, server: &super::Server, group: &Group) {
    let upstream = &*group.name;
    match (turned, state.health()) {
        (Turned::Not, _) => {}
        (Turned::Back, _) => tracing::info!(%server, upstream, "the upstream server is back"),
        (Turned::Worse, Health::Down) => {
            tracing::warn!(%server, upstream, "the upstream server is down: it does not reply");
        }
        (Turned::Worse, _) => tracing::warn!(
            %server,
            upstream,
            "the upstream server fails: it replied with failures to questions that another server of its group answered"
        ),
    }
}
