//! Exchanges: one worker's open questions, their tries and their end (R28–R31).
//!
//! Single-threaded and non-blocking: the worker's event loop calls [`Exchanges::ask`] for a question that nobody else
//! asks, [`Exchanges::readable`] when a socket has something, [`Exchanges::expire`] when [`Exchanges::next_timer`] has
//! come, and gets what ended as [`Finished`].

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mio::{Registry, Token};

use super::case::Case;
use super::datagram::{Opened, Sockets};
use super::group::{CaseMixing, Group, Policy, Transport};
use super::judge::{Judged, content, judge};
use super::servers::{ServerState, Servers};
use super::stream::{StreamReply, Streams};
use super::{Mailbox, PAYLOAD_OCTETS, Ticket};
use crate::wire::{End, Failure, HEADER_OCTETS, Header, Key, Moment, RawAnswer, upstream_query};

/// Messages sent for one question at most, tries and TCP included.
const MAX_MESSAGES: u8 = 8;
/// When unanswered tries are repeated, from the exchange's start (R28).
const REPEATS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];
/// How long an exchange may take while its whole group is known to be down (R27).
const DOWN_BUDGET: Duration = Duration::from_millis(800);
/// Datagrams read from one socket before others get their turn.
const READS_PER_TURN: usize = 128;
/// Exchanges that one worker drives at most.
const MAX_EXCHANGES: usize = 65_536;

/// What other threads leave for a worker's exchanges.
#[derive(Debug)]
pub enum Messages<T> {
    /// A question of the general path to be asked; the asker has joined it.
    Fetch(Box<Key>, Arc<Group>),
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

/// One try.
#[derive(Debug, Clone, Copy)]
struct Try {
    /// Index into the group's servers.
    server: usize,
    /// Its socket; none for a server that is asked over a stream from the start.
    opened: Option<Opened>,
    sent: Moment,
    with_opt: bool,
    case: Case,
    /// It was already counted as silent.
    silent: bool,
}

struct Exchange {
    serial: u32,
    key: Key,
    group: Arc<Group>,
    states: States,
    started: Moment,
    ends: Moment,
    wakes: Moment,
    /// Servers in the order they are asked, and how many were.
    order: Vec<usize>,
    asked: usize,
    tries: Vec<Try>,
    streams: u8,
    messages: u8,
    repeats: usize,
    failure: Failure,
}

/// One worker's exchanges.
pub struct Exchanges<T> {
    slots: Vec<Option<Exchange>>,
    free: Vec<u32>,
    serial: u32,
    timers: BinaryHeap<Reverse<(Moment, u32, u32)>>,
    sockets: Sockets,
    servers: Arc<Servers>,
    /// The states of a group's servers, so that the shared map is asked once a group.
    known: Vec<(Arc<Group>, States)>,
    streams: Arc<Streams>,
    mailbox: Arc<Mailbox<Messages<T>>>,
    buffer: Box<[u8]>,
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
            buffer: vec![0; 4_096].into(),
        }
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Opens an exchange.
    pub fn ask(&mut self, registry: &Registry, key: &Key, group: &Arc<Group>, now: Moment) -> Asked {
        if self.free.is_empty() && self.slots.len() >= MAX_EXCHANGES {
            return Asked::Ended(Box::new(Finished { key: *key, raw: RawAnswer::failed(Failure::Full) }));
        }
        let states = self.states(group);
        let (order, at_once, probe) = order(group, &states, self.serial as usize, now);
        let all_down = states.iter().all(|state| state.is_down());
        let budget = if all_down { group.timeout.min(DOWN_BUDGET) } else { group.timeout };
        self.serial = self.serial.wrapping_add(1);
        let exchange = Exchange {
            serial: self.serial,
            key: *key,
            group: Arc::clone(group),
            states,
            started: now,
            ends: now.after(budget),
            wakes: now.after(budget),
            order,
            asked: 0,
            tries: Vec::with_capacity(2),
            streams: 0,
            messages: 0,
            repeats: 0,
            failure: Failure::Capped,
        };
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            (self.slots.len() - 1) as u32
        });
        self.slots[slot as usize] = Some(exchange);
        if let Some(server) = probe {
            self.try_server(registry, slot, server, true, now);
        }
        for _ in 1..at_once {
            if let Some(finished) = self.advance(registry, slot, now) {
                return Asked::Ended(Box::new(finished));
            }
        }
        match self.advance(registry, slot, now) {
            Some(finished) => Asked::Ended(Box::new(finished)),
            None => Asked::Open,
        }
    }

    /// Reads what has come for a socket. True when there may be more: call again.
    pub fn readable(&mut self, registry: &Registry, token: Token, now: Moment, ended: &mut Vec<Finished>) -> bool {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut more = true;
        for _ in 0..READS_PER_TURN {
            match self.sockets.receive(token, &mut buffer) {
                None => {
                    more = false;
                    break;
                }
                Some(Ok(length)) => {
                    let message = buffer.get(..length).unwrap_or(&[]);
                    ended.extend(self.datagram(registry, token, message, now));
                }
                Some(Err(_)) => {
                    self.socket_failed(registry, token, now, ended);
                    more = false;
                    break;
                }
            }
        }
        self.buffer = buffer;
        more
    }

    /// Takes a stream's reply.
    pub fn streamed(&mut self, registry: &Registry, reply: StreamReply, now: Moment) -> Option<Finished> {
        let exchange = self.exchange(reply.slot, reply.serial)?;
        exchange.streams = exchange.streams.saturating_sub(1);
        let state = exchange.states.get(reply.server).cloned();
        let tried = |attempt: &Try| attempt.opened.is_none() && attempt.server == reply.server;
        let attempt = exchange.tries.iter().position(tried).map(|index| exchange.tries.swap_remove(index));
        if let (Some(attempt), Some(state)) = (attempt, &state) {
            state.give_place();
            if reply.message.is_err() && !attempt.silent {
                state.was_silent();
            }
        }
        match reply.message {
            Ok(message) => {
                let judged = judge(&message, &exchange.key, reply.case.spelled(&exchange.key).octets());
                if let Some(state) = state.filter(|_| !matches!(judged, Judged::Mismatch)) {
                    state.replied(now.since(reply.sent));
                    state.kept_case(!matches!(judged, Judged::OtherCase), now);
                }
                // Over a connection nobody but the server can answer: its spelling does not matter.
                let judged = match (judged, Header::read(&message)) {
                    (Judged::OtherCase, Ok(header)) => content(&message, &header, &exchange.key),
                    (judged, _) => judged,
                };
                match judged {
                    Judged::Answer(raw) => Some(self.finish(registry, reply.slot, *raw)),
                    _ => {
                        exchange.failure = Failure::Refused;
                        self.advance(registry, reply.slot, now)
                    }
                }
            }
            Err(error) => {
                exchange.failure = match error.kind() {
                    io::ErrorKind::TimedOut => Failure::Silent,
                    io::ErrorKind::WouldBlock => Failure::Capped,
                    _ => Failure::Network,
                };
                self.advance(registry, reply.slot, now)
            }
        }
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

    fn states(&mut self, group: &Arc<Group>) -> States {
        if let Some((_, states)) = self.known.iter().find(|(known, _)| Arc::ptr_eq(known, group)) {
            return Arc::clone(states);
        }
        // Groups come and go with snapshots: those that nothing else holds are dropped.
        self.known.retain(|(known, _)| Arc::strong_count(known) > 1);
        let states: States = group.servers.iter().map(|server| self.servers.state(server.address)).collect();
        self.known.push((Arc::clone(group), Arc::clone(&states)));
        states
    }

    /// A try's patience, a repeat or the whole budget has run out.
    fn wake(&mut self, registry: &Registry, slot: u32, now: Moment) -> Option<Finished> {
        let exchange = self.slots.get_mut(slot as usize)?.as_mut()?;
        if now >= exchange.ends {
            let failure =
                if exchange.tries.is_empty() && exchange.streams == 0 { exchange.failure } else { Failure::Silent };
            return Some(self.finish(registry, slot, RawAnswer::failed(failure)));
        }
        for index in 0..exchange.tries.len() {
            let attempt = &mut exchange.tries[index];
            let state = &exchange.states[attempt.server];
            if !attempt.silent && now.since(attempt.sent) >= state.patience() {
                attempt.silent = true;
                state.was_silent();
            }
        }
        if exchange.asked < exchange.order.len() {
            return self.advance(registry, slot, now);
        }
        if REPEATS.get(exchange.repeats).is_some_and(|repeat| now >= exchange.started.after(*repeat)) {
            exchange.repeats += 1;
            self.repeat(slot);
        }
        self.set_timer(slot, now);
        None
    }

    /// The same datagrams again, from the same ports with the same ids.
    fn repeat(&mut self, slot: u32) {
        let Some(exchange) = self.slots.get_mut(slot as usize).and_then(Option::as_mut) else { return };
        let mut query = [0; 512];
        for attempt in &mut exchange.tries {
            if exchange.messages >= MAX_MESSAGES {
                return;
            }
            // A stream loses nothing: there is no sense in saying it twice.
            let Some(opened) = attempt.opened else { continue };
            exchange.messages += 1;
            attempt.silent = false;
            let length = spelled_query(&mut query, opened.id(), &exchange.key, attempt.with_opt, attempt.case);
            let _ = self.sockets.send(opened, query.get(..length).unwrap_or(&[]));
        }
    }

    /// Asks the next server; when there is none and nothing is awaited, the exchange has failed.
    fn advance(&mut self, registry: &Registry, slot: u32, now: Moment) -> Option<Finished> {
        loop {
            let exchange = self.slots.get_mut(slot as usize)?.as_mut()?;
            if exchange.asked >= exchange.order.len() || exchange.messages >= MAX_MESSAGES {
                if exchange.tries.is_empty() && exchange.streams == 0 {
                    let failure = exchange.failure;
                    return Some(self.finish(registry, slot, RawAnswer::failed(failure)));
                }
                break;
            }
            let server = exchange.order[exchange.asked];
            exchange.asked += 1;
            if self.try_server(registry, slot, server, true, now) {
                break;
            }
        }
        self.set_timer(slot, now);
        None
    }

    /// Sends the question to one server; false when it could not be sent.
    fn try_server(&mut self, registry: &Registry, slot: u32, server: usize, with_opt: bool, now: Moment) -> bool {
        let Some(exchange) = self.slots.get_mut(slot as usize).and_then(Option::as_mut) else { return false };
        let Some(target) = exchange.group.servers.get(server) else { return false };
        let state = &exchange.states[server];
        let (most, per_second) = (exchange.group.most_in_flight(target), exchange.group.most_per_second(target));
        if !state.take_place(most, per_second, now) {
            return false;
        }
        let with_opt = with_opt && !state.lacks_opt();
        let case = match exchange.group.case {
            CaseMixing::Off => Case::LOWER,
            CaseMixing::Auto if state.keeps_no_case(now) => Case::LOWER,
            CaseMixing::Auto | CaseMixing::On => self.sockets.draw_case(),
        };
        if target.transport != Transport::Plain {
            // Nobody but the server can answer: its letters need no mixing.
            state.sent.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let target = target.clone();
            let attempt = Try { server, opened: None, sent: now, with_opt, case: Case::LOWER, silent: false };
            exchange.tries.push(attempt);
            exchange.messages += 1;
            exchange.streams += 1;
            exchange.failure = Failure::Silent;
            let (serial, left) = (exchange.serial, exchange.ends.since(now));
            let mut query = [0; 512];
            let length = spelled_query(&mut query, 0, &exchange.key, with_opt, Case::LOWER);
            let mailbox = Arc::clone(&self.mailbox);
            self.streams.ask(&target, query.get(..length).unwrap_or(&[]).to_vec(), left, move |message| {
                let reply = StreamReply { slot, serial, server, case: Case::LOWER, sent: now, message };
                // A full mailbox loses it; the exchange then ends with its budget.
                let _ = mailbox.post(Messages::Stream(reply));
            });
            return true;
        }
        match send(&mut self.sockets, registry, target.address, slot, &exchange.key, (with_opt, case), now) {
            Ok(opened) => {
                let opened = Some(opened);
                state.sent.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                exchange.messages += 1;
                exchange.tries.push(Try { server, opened, sent: now, with_opt, case, silent: false });
                exchange.failure = Failure::Silent;
                true
            }
            Err(_) => {
                state.give_place();
                exchange.failure = Failure::Network;
                false
            }
        }
    }

    fn set_timer(&mut self, slot: u32, now: Moment) {
        let Some(exchange) = self.slots.get_mut(slot as usize).and_then(Option::as_mut) else { return };
        let mut wakes = exchange.ends;
        if exchange.asked < exchange.order.len() && exchange.messages < MAX_MESSAGES {
            if let Some(attempt) = exchange.tries.last() {
                wakes = wakes.min(attempt.sent.after(exchange.states[attempt.server].patience()));
            }
        } else if let Some(repeat) = REPEATS.get(exchange.repeats) {
            wakes = wakes.min(exchange.started.after(*repeat));
        }
        // At least one millisecond ahead: the clock's step, so that no timer is due at once for ever.
        exchange.wakes = wakes.max(now.after(Duration::from_millis(1)));
        self.timers.push(Reverse((exchange.wakes, slot, exchange.serial)));
    }

    fn datagram(&mut self, registry: &Registry, token: Token, message: &[u8], now: Moment) -> Option<Finished> {
        let header = Header::read(message).ok();
        let found = header.and_then(|header| self.sockets.waiting(token, header.id));
        let Some((opened, slot)) = found.filter(|_| message.len() <= PAYLOAD_OCTETS) else {
            self.mismatch(token);
            return None;
        };
        let exchange = self.slots.get_mut(slot as usize)?.as_mut()?;
        let index = exchange.tries.iter().position(|attempt| attempt.opened == Some(opened))?;
        let judged = judge(message, &exchange.key, exchange.tries[index].case.spelled(&exchange.key).octets());
        if matches!(judged, Judged::Mismatch) {
            // R30: what does not match or parse is dropped, and the wait goes on.
            self.mismatch(token);
            return None;
        }
        let attempt = exchange.tries.swap_remove(index);
        let state = Arc::clone(&exchange.states[attempt.server]);
        state.replied(now.since(attempt.sent));
        state.give_place();
        self.sockets.close(registry, opened);
        match judged {
            Judged::Answer(raw) => Some(self.finish(registry, slot, *raw)),
            // A spoofer who guessed all but the case must not win, nor make the server look dead: ask where he cannot.
            Judged::Truncated | Judged::OtherCase => self.ask_stream(registry, slot, attempt.server, attempt.case, now),
            Judged::FormErr if attempt.with_opt => {
                if self.try_server(registry, slot, attempt.server, false, now) {
                    self.set_timer(slot, now);
                    None
                } else {
                    self.advance(registry, slot, now)
                }
            }
            _ => {
                exchange.failure = Failure::Refused;
                self.advance(registry, slot, now)
            }
        }
    }

    fn mismatch(&self, token: Token) {
        if let Some(server) = self.sockets.server(token) {
            self.servers.state(server).mismatched.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }

    /// A truncated reply: the same question over TCP to the same server (RFC 7766 §5).
    fn ask_stream(
        &mut self,
        registry: &Registry,
        slot: u32,
        server: usize,
        case: Case,
        now: Moment,
    ) -> Option<Finished> {
        let exchange = self.slots.get_mut(slot as usize)?.as_mut()?;
        let (serial, left) = (exchange.serial, exchange.ends.since(now));
        let target = exchange.group.servers.get(server)?.clone();
        if exchange.messages >= MAX_MESSAGES {
            exchange.failure = Failure::Refused;
            return self.advance(registry, slot, now);
        }
        exchange.messages += 1;
        exchange.streams += 1;
        let mut query = [0; 512];
        let length = spelled_query(&mut query, 0, &exchange.key, true, case);
        let query = query.get(..length).unwrap_or(&[]).to_vec();
        let mailbox = Arc::clone(&self.mailbox);
        self.streams.ask(&target, query, left, move |message| {
            // A full mailbox loses it; the exchange then ends with its budget.
            let _ = mailbox.post(Messages::Stream(StreamReply { slot, serial, server, case, sent: now, message }));
        });
        self.set_timer(slot, now);
        None
    }

    fn socket_failed(&mut self, registry: &Registry, token: Token, now: Moment, ended: &mut Vec<Finished>) {
        let mut waiting = Vec::new();
        self.sockets.failed(registry, token, &mut waiting);
        for (opened, slot) in waiting {
            let Some(exchange) = self.slots.get_mut(slot as usize).and_then(Option::as_mut) else { continue };
            let Some(index) = exchange.tries.iter().position(|attempt| attempt.opened == Some(opened)) else {
                continue;
            };
            let attempt = exchange.tries.swap_remove(index);
            exchange.failure = Failure::Network;
            exchange.states[attempt.server].was_silent();
            exchange.states[attempt.server].give_place();
            self.sockets.close(registry, opened);
            ended.extend(self.advance(registry, slot, now));
        }
    }

    fn finish(&mut self, registry: &Registry, slot: u32, raw: RawAnswer) -> Finished {
        let exchange = self.slots.get_mut(slot as usize).and_then(Option::take);
        let Some(exchange) = exchange else { unreachable!("only open exchanges finish") };
        self.free.push(slot);
        let silent = matches!(raw.end(), End::Failed(Failure::Silent));
        for attempt in &exchange.tries {
            let state = &exchange.states[attempt.server];
            state.give_place();
            if silent && !attempt.silent {
                state.was_silent();
            }
            if let Some(opened) = attempt.opened {
                self.sockets.close(registry, opened);
            }
        }
        Finished { key: exchange.key, raw }
    }
}

/// Builds a query and sends it from a drawn socket.
fn send(
    sockets: &mut Sockets,
    registry: &Registry,
    server: SocketAddr,
    slot: u32,
    key: &Key,
    (with_opt, case): (bool, Case),
    now: Moment,
) -> io::Result<Opened> {
    let opened = sockets.open(registry, server, slot, now)?;
    let mut query = [0; 512];
    let length = spelled_query(&mut query, opened.id(), key, with_opt, case);
    let sent = sockets.send(opened, query.get(..length).unwrap_or(&[]));
    // A full send buffer loses the datagram, as the network may: its try runs out of patience.
    match sent {
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
            sockets.close(registry, opened);
            Err(error)
        }
        _ => Ok(opened),
    }
}

/// A query with QNAME's letters in the given case; returns its octets.
fn spelled_query(out: &mut [u8; 512], id: u16, key: &Key, with_opt: bool, case: Case) -> usize {
    let length = upstream_query(out, id, key, PAYLOAD_OCTETS as u16, with_opt).unwrap_or(0);
    case.spell(&mut out[HEADER_OCTETS..HEADER_OCTETS + key.name_octets().len()]);
    length
}

/// The servers in the order they are asked, those that are down last; how many at once; and one that is down and due
/// for a probe beside them.
fn order(group: &Group, states: &[Arc<ServerState>], turn: usize, now: Moment) -> (Vec<usize>, usize, Option<usize>) {
    let count = group.servers.len();
    let is_down = |server: &usize| states.get(*server).is_some_and(|state| state.is_down());
    let mut order: Vec<usize> = match group.policy {
        Policy::RoundRobin => (0..count).map(|place| (place + turn) % count).collect(),
        _ => (0..count).collect(),
    };
    if group.policy == Policy::Fastest {
        // One that was never measured comes first, once.
        order.sort_by_key(|server| states.get(*server).and_then(|state| state.round_trip()));
    }
    order.sort_by_key(is_down);
    let some_up = order.first().is_some_and(|server| !is_down(server));
    let due = |server: &usize| is_down(server) && states.get(*server).is_some_and(|state| state.take_probe(now));
    let probe = if some_up { (0..count).find(due) } else { None };
    order.retain(|server| Some(*server) != probe);
    (order, if group.policy == Policy::Race { 2 } else { 1 }, probe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::Server;

    fn group(policy: Policy) -> Group {
        let server = |port| Server { address: SocketAddr::from(([127, 0, 0, 1], port)), transport: Transport::Plain };
        Group {
            name: "group".into(),
            servers: vec![server(1), server(2), server(3)],
            policy,
            timeout: Duration::from_secs(5),
            max_in_flight: None,
            max_qps: None,
            case: CaseMixing::Off,
        }
    }

    #[test]
    fn policies_order_servers_and_put_those_that_are_down_last() {
        let states: Vec<Arc<ServerState>> = (0..3).map(|_| Arc::default()).collect();
        let at = Moment::from_millis(10_000);
        let of = |policy, turn| order(&group(policy), &states, turn, at);
        assert_eq!(of(Policy::Ordered, 1), (vec![0, 1, 2], 1, None));
        assert_eq!(of(Policy::RoundRobin, 1), (vec![1, 2, 0], 1, None));
        assert_eq!(of(Policy::Race, 0), (vec![0, 1, 2], 2, None));
        for (state, millis) in states.iter().zip([30, 10, 20]) {
            state.replied(Duration::from_millis(millis));
        }
        assert_eq!(of(Policy::Fastest, 0).0, [1, 2, 0]);
        (0..3).for_each(|_| states[0].was_silent());
        assert_eq!(of(Policy::Ordered, 0), (vec![1, 2], 1, Some(0)), "due for a probe");
        assert_eq!(of(Policy::Ordered, 0), (vec![1, 2, 0], 1, None), "just probed");
    }
}
