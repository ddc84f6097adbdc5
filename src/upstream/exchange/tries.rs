//! One exchange's tries: a question at one server, by datagram or stream (R28, R30).

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use mio::Registry;

use super::{Exchange, Exchanges, MAX_MESSAGES, tell};
use crate::socket::OUTGOING_OCTETS;
use crate::upstream::case::Case;
use crate::upstream::cookies::ClientCookie;
use crate::upstream::datagram::Opened;
use crate::upstream::group::{CaseMixing, Transport};
use crate::upstream::servers::{Health, ServerState, Turned};
use crate::upstream::stream::StreamReply;
use crate::upstream::{Messages, PAYLOAD_OCTETS};
use crate::wire::{Cookie, Failure, HEADER_OCTETS, Key, Moment, upstream_query};

/// A stream waits at least this long: a new connection costs round trips of its own.
const STREAM_PATIENCE: Duration = Duration::from_millis(200);

/// How a try was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Via {
    Datagram(Opened),
    Stream,
}

/// One try.
#[derive(Debug, Clone, Copy)]
pub(super) struct Try {
    /// Index into the group's servers.
    pub(super) server: usize,
    /// Tells an exchange's tries apart.
    pub(super) number: u8,
    pub(super) via: Via,
    pub(super) sent: Moment,
    pub(super) with_opt: bool,
    /// It stands for one that got FORMERR.
    pub(super) after_formerr: bool,
    pub(super) case: Case,
    /// Our part of the cookie that went along.
    pub(super) cookie: Option<ClientCookie>,
    /// It stands for one that got BADCOOKIE.
    pub(super) after_bad_cookie: bool,
    /// It was already counted as silent.
    pub(super) silent: bool,
}

impl Exchange {
    /// Whether a server is left to be asked.
    pub(super) fn has_next(&self) -> bool {
        self.asked < self.order.len() && self.messages < MAX_MESSAGES
    }

    /// Whether every server that was asked is down by now.
    pub(super) fn only_asked_the_dead(&self) -> bool {
        let mut asked = (0..self.asked).filter_map(|place| self.order.get(place));
        asked.all(|server| self.states.get(server).is_some_and(|state| state.health() == Health::Down))
    }

    /// Whether a server is asked over a stream always, not only after a truncated reply.
    pub(super) fn is_encrypted(&self, server: usize) -> bool {
        self.group.servers.get(server).is_some_and(|server| server.transport != Transport::Plain)
    }

    /// How long a try waits before the next server is asked.
    pub(super) fn patience(&self, attempt: &Try) -> Duration {
        let patience = self.states[attempt.server].patience();
        match attempt.via {
            Via::Datagram(_) => patience,
            Via::Stream => patience.max(STREAM_PATIENCE),
        }
    }

    /// Counts the tries that have run out of patience, or all of them at the budget's end.
    pub(super) fn mark_silent(&mut self, all: bool, now: Moment) {
        for index in 0..self.tries.len() {
            let attempt = self.tries[index];
            if attempt.silent || !all && now.since(attempt.sent) < self.patience(&attempt) {
                continue;
            }
            self.tries[index].silent = true;
            // A stream that a truncated reply led to says nothing: the server has replied.
            if matches!(attempt.via, Via::Datagram(_)) || self.is_encrypted(attempt.server) {
                let state = Arc::clone(&self.states[attempt.server]);
                self.was_silent(&state, &attempt, now);
            }
        }
    }

    pub(super) fn was_silent(&self, state: &ServerState, attempt: &Try, now: Moment) {
        self.tell(attempt.server, state.was_silent(attempt.sent, now));
        if attempt.cookie.is_some() {
            state.cookies.was_silent(state.health() == Health::Down, now);
        }
    }

    /// A valid reply came; it measures the round trip where it came by the server's usual transport.
    pub(super) fn replied(&self, state: &ServerState, attempt: &Try, is_usual: bool, now: Moment) {
        self.tell(attempt.server, state.replied(is_usual.then(|| now.since(attempt.sent)), now));
    }

    pub(super) fn tell(&self, server: usize, turned: Turned) {
        if turned != Turned::Not
            && let (Some(state), Some(server)) = (self.states.get(server), self.group.servers.get(server))
        {
            tell(turned, state, server, &self.group);
        }
    }
}

impl<T: Send + 'static> Exchanges<T> {
    /// Sends the question to one server; false when it could not be sent.
    pub(super) fn try_server(
        &mut self,
        registry: &Registry,
        slot: u32,
        server: usize,
        with_opt: bool,
        now: Moment,
    ) -> bool {
        if self.sockets.is_full() {
            self.sockets.flush(&mut self.failed);
        }
        let Some(exchange) = self.slots.get_mut(slot as usize).and_then(Option::as_mut) else { return false };
        let Some(target) = exchange.group.servers.get(server) else { return false };
        if target.transport != Transport::Plain {
            return self.ask_stream(slot, server, Case::LOWER, now);
        }
        let state = &exchange.states[server];
        let (most, per_second) = (exchange.group.most_in_flight(target), exchange.group.most_per_second(target));
        if !state.take_place(most, per_second, exchange.parent, now) {
            return false;
        }
        let after_formerr = !with_opt;
        let with_opt = with_opt && !state.lacks_opt(now);
        let case = match exchange.group.case {
            CaseMixing::Off => Case::LOWER,
            CaseMixing::Auto if state.keeps_no_case(now) => Case::LOWER,
            CaseMixing::Auto | CaseMixing::On => self.sockets.draw_case(),
        };
        let Ok(opened) = self.sockets.open(registry, target.address, slot, now) else {
            state.give_place(exchange.parent);
            exchange.failure = Failure::Network;
            return false;
        };
        let cookie = if with_opt { state.cookies.outgoing(state.health() == Health::Up, now) } else { None };
        let key = &exchange.key;
        self.sockets.send(opened, |query| spelled_query(query, opened.id(), key, with_opt, cookie.as_ref(), case));
        state.sent.fetch_add(1, Relaxed);
        exchange.sent(server, Via::Datagram(opened), (with_opt, after_formerr), case, cookie, now);
        true
    }

    /// The same datagrams again, from the same ports with the same ids.
    pub(super) fn repeat(&mut self, slot: u32, now: Moment) {
        for index in 0.. {
            if self.sockets.is_full() {
                self.sockets.flush(&mut self.failed);
            }
            let Some(exchange) = self.slots.get_mut(slot as usize).and_then(Option::as_mut) else { return };
            let Some(attempt) = exchange.tries.get(index).filter(|_| exchange.messages < MAX_MESSAGES) else { return };
            if let Via::Datagram(opened) = attempt.via {
                exchange.messages += 1;
                let (key, with_opt, case) = (&exchange.key, attempt.with_opt, attempt.case);
                let cookies = exchange.states.get(attempt.server).map(|state| &state.cookies);
                let cookie =
                    attempt.cookie.and_then(|own| cookies?.outgoing(true, now).filter(|cookie| cookie.client() == own));
                self.sockets
                    .send(opened, |query| spelled_query(query, opened.id(), key, with_opt, cookie.as_ref(), case));
            }
        }
    }

    /// Asks a server over a stream: an encrypted one, or after a truncated reply over TCP (RFC 7766 §5); false when it
    /// could not be sent.
    pub(super) fn ask_stream(&mut self, slot: u32, server: usize, case: Case, now: Moment) -> bool {
        let Some(exchange) = self.slots.get_mut(slot as usize).and_then(Option::as_mut) else { return false };
        let Some(target) = exchange.group.servers.get(server).filter(|_| exchange.messages < MAX_MESSAGES) else {
            return false;
        };
        let state = &exchange.states[server];
        let (most, per_second) = (exchange.group.most_in_flight(target), exchange.group.most_per_second(target));
        if !state.take_place(most, per_second, exchange.parent, now) {
            return false;
        }
        state.sent.fetch_add(1, Relaxed);
        let mut query = [0; OUTGOING_OCTETS];
        let cookie = if target.transport == Transport::Plain { state.cookies.proven(now) } else { None };
        let length = spelled_query(&mut query, 0, &exchange.key, true, cookie.as_ref(), case);
        let query = query.get(..length).unwrap_or(&[]).to_vec();
        let (serial, number, left) = (exchange.serial, exchange.number, exchange.ends.since(now));
        let mailbox = Arc::clone(&self.mailbox);
        self.streams.ask(target, query, left, move |message: io::Result<Vec<u8>>| {
            // A full mailbox loses it; the exchange then ends with its budget.
            let _ = mailbox.post(Messages::Stream(StreamReply { slot, serial, number, message }));
        });
        exchange.sent(server, Via::Stream, (true, false), case, cookie, now);
        true
    }
}

impl Exchange {
    fn sent(
        &mut self,
        server: usize,
        via: Via,
        (with_opt, after_formerr): (bool, bool),
        case: Case,
        cookie: Option<Cookie>,
        now: Moment,
    ) {
        let cookie = cookie.map(|cookie| cookie.client());
        let number = self.number;
        self.number = number.wrapping_add(1);
        self.messages += 1;
        self.tries.push(Try {
            server,
            number,
            via,
            sent: now,
            with_opt,
            after_formerr,
            case,
            cookie,
            after_bad_cookie: false,
            silent: false,
        });
        self.failure = Failure::Silent;
    }
}

/// A query with QNAME's letters in the given case; returns its octets.
fn spelled_query(
    out: &mut [u8; OUTGOING_OCTETS],
    id: u16,
    key: &Key,
    with_opt: bool,
    cookie: Option<&Cookie>,
    case: Case,
) -> usize {
    let length = upstream_query(out, id, key, PAYLOAD_OCTETS as u16, with_opt, cookie).unwrap_or(0);
    case.spell(&mut out[HEADER_OCTETS..HEADER_OCTETS + key.name_octets().len()]);
    length
}
