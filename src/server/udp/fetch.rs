//! What needs an upstream: exchanges of this worker or another, the queries that are held for them, and what is asked
//! for nobody: refreshes, names to keep warm, the search for loops.

use std::sync::Arc;
use std::time::Duration;

use mio::Token;

use super::{FULL, Worker};
use crate::cache::Entry;
use crate::metrics::Source;
use crate::query_log::Notes;
use crate::resolve::{Outcome, Overdue, Scratch, Transport, contained, servfail};
use crate::server::audit::{Audit, Seen};
use crate::upstream::{self, Asked, Group, Messages, Ticket, Waiter};
use crate::view::{Route, Snapshot, Verdict};
use crate::wire::{Ede, Header, Key, MAX_ALIASES, Moment, rcode, rtype};

impl Worker {
    pub(super) fn mail(&mut self, snapshot: &Snapshot, mail: &mut Vec<Messages<Arc<Entry>>>, now: Moment) {
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

    pub(super) fn upstream(&mut self, token: Token, now: Moment) {
        if self.exchanges.readable(self.poll.registry(), token, now, &mut self.ended) {
            self.again.push(token);
        }
    }

    /// Has a cached answer fetched anew before its end.
    pub(super) fn refresh(&mut self, snapshot: &Snapshot, key: &Key, route: Route, now: Moment) {
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
    pub(super) fn keep_warm(&mut self, snapshot: &Snapshot, now: Moment) {
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
    pub(super) fn look_for_loops(&mut self, snapshot: &Snapshot, now: Moment) {
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
    pub(super) fn need(&mut self, snapshot: &Snapshot, ticket: Ticket, key: &Key, route: Route, now: Moment) {
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
    pub(super) fn settle(&mut self, snapshot: &Snapshot, now: Moment) {
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

    pub(super) fn close(&mut self, key: &Key, entry: &Arc<Entry>) {
        let (shared, resumed, index) = (&self.shared, &mut self.resumed, self.index);
        shared.pending.close(key, |waiter| match waiter {
            Waiter::Held(ticket) if ticket.worker == index => resumed.push((ticket, *key, Arc::clone(entry))),
            waiter => shared.deliver(waiter, key, entry),
        });
    }

    /// Runs the core again for a held query.
    pub(super) fn resume(&mut self, snapshot: &Snapshot, ticket: Ticket, key: Key, entry: Arc<Entry>, now: Moment) {
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
    pub(super) fn expire(&mut self, snapshot: &Snapshot, now: Moment) {
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

    /// Sends the questions that wait, and settles what ends by it: a question that cannot be sent.
    pub(super) fn ask(&mut self, snapshot: &Snapshot, now: Moment) {
        while self.exchanges.flush(self.poll.registry(), now, &mut self.ended) {
            self.settle(snapshot, now);
        }
    }
}
