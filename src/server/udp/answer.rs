//! What comes to a listener and what leaves it: owned names and cached answers on the spot.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::Token;

use super::{BATCHES_PER_TURN, FIRST_LISTENER, FULL, HeldNote, Listener, Worker};
use crate::metrics::{Carrier, Source};
use crate::resolve::{Client, Discard, Nearby, Outcome, Transport, servfail};
use crate::server::audit::{Audit, Seen};
use crate::server::count;
use crate::server::held::Arrival;
use crate::socket::Peer;
use crate::upstream::Ticket;
use crate::view::{Route, Snapshot};
use crate::wire::{Ede, Moment};

/// Our own question has come back.
const LOOP: Ede = Ede::other("a loop of forwarders");

impl Worker {
    /// Reads a listener's datagrams and answers them.
    pub(super) fn listener(&mut self, snapshot: &Snapshot, id: usize, now: Moment) {
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
            if !self.inbox.is_full() {
                return;
            }
        }
        // What is left shows when it is waited for; but nobody waits for more once this worker drains.
        if self.stops.is_some() {
            self.again.push(Token(FIRST_LISTENER + id));
        }
    }

    pub(super) fn datagram(&mut self, snapshot: &Snapshot, index: usize, datagram: usize, now: Moment) {
        let Some(listener) = self.listeners.get_mut(index) else { return };
        let Some(received) = self.inbox.get(datagram) else { return };
        let Some(source) = received.peer.address() else { return };
        let local = SocketAddr::new(received.local.unwrap_or(listener.local.ip()), listener.local.port());
        let client = Client::new(source, local, Transport::Udp);
        let out = listener.outbox.buffer();
        let mut audit = Audit::new(&self.counters, &client, snapshot, now, 0);
        let raw = Nearby::new(&self.shared.cache, &self.near);
        let outcome = audit.answer(received.octets, &raw, out, self.log.draft());
        let (refresh, verdicts, seen) = (audit.refresh.take(), audit.verdicts, audit.seen);
        if let Some(found) = raw.found() {
            self.near.keep(found);
        }
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
    pub(super) fn note(&mut self, ticket: Ticket, seen: Seen) {
        let note = HeldNote { seen, begun: self.begun };
        match self.notes.get_mut(ticket.slot as usize) {
            Some(place) => *place = note,
            // Slots are given out in turn, so this is the next one.
            None => self.notes.push(note),
        }
    }

    /// Sends what is in the outbox's buffer to a held query's client and lets the query go.
    pub(super) fn reply(&mut self, snapshot: &Snapshot, ticket: Ticket, index: usize, length: usize, seen: &Seen) {
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
    pub(super) fn release(&mut self, ticket: Ticket) {
        if let Some(held) = self.held.get_mut(ticket) {
            self.shared.waiting.give(held.client.address());
            self.held.release(ticket);
        }
    }

    pub(super) fn flush(&mut self) {
        for index in 0..self.listeners.len() {
            self.flush_listener(index);
        }
    }

    pub(super) fn flush_listener(&mut self, index: usize) {
        if let Some(listener) = self.listeners.get_mut(index).filter(|listener| !listener.outbox.is_empty()) {
            let dropped = listener.outbox.flush(&listener.socket);
            if dropped > 0 {
                self.counters.unsent.add(dropped as u64);
            }
        }
    }
}

/// When a query that needs this route is answered at the latest.
fn deadline(snapshot: &Snapshot, client: &Client, route: Route, now: Moment) -> Moment {
    let view = snapshot.select(client.address(), client.local());
    let wait = match (view, snapshot.group(route)) {
        (Some((view, _)), Some(group)) => view.deadline(group),
        _ => Duration::ZERO,
    };
    now.after(wait)
}
