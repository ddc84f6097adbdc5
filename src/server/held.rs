//! Queries that a worker holds while their raw answers are fetched.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::cache::Entry;
use crate::resolve::Client;
use crate::socket::Peer;
use crate::upstream::Ticket;
use crate::wire::{Key, Moment};

/// Queries that one worker holds at most; further ones get SERVFAIL at once.
const MAX_HELD: usize = 16_384;

/// One query.
pub(super) struct Held {
    serial: u32,
    busy: bool,
    pub(super) message: Vec<u8>,
    pub(super) peer: Peer,
    pub(super) local: Option<IpAddr>,
    pub(super) listener: usize,
    pub(super) client: Client,
    pub(super) received: Moment,
    pub(super) deadline: Moment,
    /// Verdicts that its passes have told.
    pub(super) verdicts: u16,
    /// What was fetched for it so far.
    pub(super) fetched: Vec<(Key, Arc<Entry>)>,
}

/// All of a worker's. Slots are reused with what they have allocated.
pub(super) struct HeldQueries {
    worker: usize,
    slots: Vec<Held>,
    free: Vec<u32>,
    deadlines: BinaryHeap<Reverse<(Moment, u32, u32)>>,
}

/// A query as it came.
pub(super) struct Arrival<'a> {
    pub(super) message: &'a [u8],
    pub(super) peer: Peer,
    pub(super) local: Option<IpAddr>,
    pub(super) listener: usize,
    pub(super) client: Client,
    /// Verdicts that its first pass has told.
    pub(super) verdicts: u16,
}

impl HeldQueries {
    pub(super) fn new(worker: usize) -> Self {
        Self { worker, slots: Vec::new(), free: Vec::new(), deadlines: BinaryHeap::new() }
    }

    /// How many are held.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Holds a query until `deadline`; none when there are too many.
    pub(super) fn hold(&mut self, arrival: &Arrival<'_>, now: Moment, deadline: Moment) -> Option<Ticket> {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None if self.slots.len() >= MAX_HELD => return None,
            None => {
                self.slots.push(Held {
                    serial: 0,
                    busy: false,
                    message: Vec::new(),
                    peer: arrival.peer,
                    local: None,
                    listener: 0,
                    client: arrival.client,
                    received: now,
                    deadline,
                    verdicts: 0,
                    fetched: Vec::new(),
                });
                (self.slots.len() - 1) as u32
            }
        };
        let held = &mut self.slots[slot as usize];
        held.serial = held.serial.wrapping_add(1);
        held.busy = true;
        held.message.clear();
        held.message.extend_from_slice(arrival.message);
        (held.peer, held.local, held.listener) = (arrival.peer, arrival.local, arrival.listener);
        (held.client, held.received, held.deadline) = (arrival.client, now, deadline);
        held.verdicts = arrival.verdicts;
        self.deadlines.push(Reverse((deadline, slot, held.serial)));
        Some(Ticket { worker: self.worker, slot, serial: held.serial })
    }

    /// Has a query looked at before its deadline, for something stale (R33).
    pub(super) fn wake(&mut self, ticket: Ticket, at: Moment) {
        self.deadlines.push(Reverse((at, ticket.slot, ticket.serial)));
    }

    /// A held query; none when it was answered meanwhile.
    pub(super) fn get_mut(&mut self, ticket: Ticket) -> Option<&mut Held> {
        self.slots.get_mut(ticket.slot as usize).filter(|held| held.busy && held.serial == ticket.serial)
    }

    /// Its reply has left.
    pub(super) fn release(&mut self, ticket: Ticket) {
        if let Some(held) = self.get_mut(ticket) {
            held.busy = false;
            held.fetched.clear();
            self.free.push(ticket.slot);
        }
    }

    /// When the next one runs out of time. Those that were answered count until they are passed.
    pub(super) fn next_deadline(&self) -> Option<Moment> {
        self.deadlines.peek().map(|Reverse((at, _, _))| *at)
    }

    /// A query whose deadline or earlier waking has come.
    pub(super) fn due(&mut self, now: Moment) -> Option<Ticket> {
        while let Some(Reverse((at, slot, serial))) = self.deadlines.peek().copied() {
            let ticket = Ticket { worker: self.worker, slot, serial };
            let open = self.get_mut(ticket).is_some();
            if open && at > now {
                return None;
            }
            self.deadlines.pop();
            if open {
                return Some(ticket);
            }
        }
        None
    }
}
