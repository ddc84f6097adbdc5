//! What comes back: replies by datagram and by stream, and sockets that fail (R29, R30).

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use mio::{Registry, Token};

use super::tries::{Try, Via};
use super::{Exchanges, Finished};
use crate::upstream::PAYLOAD_OCTETS;
use crate::upstream::cookies::Echo;
use crate::upstream::judge::{Judged, content, judge};
use crate::upstream::stream::StreamReply;
use crate::wire::{Failure, Header, Moment, RawAnswer};

impl<T: Send + 'static> Exchanges<T> {
    /// Takes a stream's reply.
    pub fn streamed(&mut self, registry: &Registry, reply: StreamReply, now: Moment) -> Option<Finished> {
        let exchange = self.exchange(reply.slot, reply.serial)?;
        let index = exchange.tries.iter().position(|attempt| attempt.number == reply.number)?;
        let attempt = exchange.tries.swap_remove(index);
        let state = Arc::clone(exchange.states.get(attempt.server)?);
        state.give_place(exchange.parent);
        let is_usual = exchange.is_encrypted(attempt.server);
        let judged = match &reply.message {
            Ok(message) => {
                let judged = judge(message, &exchange.key, attempt.case.spelled(&exchange.key).octets());
                if !matches!(judged, Judged::Mismatch) {
                    exchange.replied(&state, &attempt, is_usual, now);
                    state.kept_case(!matches!(judged, Judged::OtherCase), now);
                    if let Some(sent) = attempt.cookie {
                        state.cookies.over_tcp(message, sent, now);
                    }
                }
                // Over a connection nobody but the server can answer: its spelling does not matter.
                match (judged, Header::read(message)) {
                    (Judged::OtherCase, Ok(header)) => content(message, &header, &exchange.key),
                    (judged, _) => judged,
                }
            }
            Err(error) => {
                exchange.failure = match error.kind() {
                    io::ErrorKind::TimedOut => Failure::Silent,
                    // A queue of ours is full, which says nothing of the server.
                    io::ErrorKind::WouldBlock => Failure::Capped,
                    _ => Failure::Network,
                };
                if is_usual && !attempt.silent && error.kind() != io::ErrorKind::WouldBlock {
                    exchange.was_silent(&state, &attempt, now);
                }
                return self.go_on(registry, reply.slot, now);
            }
        };
        match judged {
            Judged::Answer(raw) => self.answered(registry, reply.slot, attempt.server, *raw, now),
            _ => self.failed_at(registry, reply.slot, attempt.server, now),
        }
    }

    pub(super) fn datagram(
        &mut self,
        registry: &Registry,
        token: Token,
        message: &[u8],
        now: Moment,
    ) -> Option<Finished> {
        let header = Header::read(message).ok();
        let found = header.and_then(|header| self.sockets.waiting(token, header.id));
        let Some((opened, slot)) = found.filter(|_| message.len() <= PAYLOAD_OCTETS) else {
            self.mismatch(token);
            return None;
        };
        let exchange = self.slots.get_mut(slot as usize)?.as_mut()?;
        let index = exchange.tries.iter().position(|attempt| attempt.via == Via::Datagram(opened))?;
        let judged = judge(message, &exchange.key, exchange.tries[index].case.spelled(&exchange.key).octets());
        if matches!(judged, Judged::Mismatch) {
            // R30: what does not match or parse is dropped, and the wait goes on.
            self.mismatch(token);
            return None;
        }
        let state = Arc::clone(&exchange.states[exchange.tries[index].server]);
        let echo = exchange.tries[index].cookie.map(|sent| state.cookies.judge(message, sent, now));
        if echo == Some(Echo::Foreign) {
            self.mismatch(token);
            return None;
        }
        let attempt = exchange.tries.swap_remove(index);
        exchange.replied(&state, &attempt, true, now);
        state.give_place(exchange.parent);
        self.sockets.close(registry, opened);
        let judged = match echo {
            // The server knows cookies: this may be anyone's.
            Some(Echo::Missing) => Judged::Unproven,
            Some(Echo::Bad) => Judged::BadCookie,
            _ => judged,
        };
        if let Judged::Answer(raw) = judged {
            if attempt.after_formerr || attempt.with_opt {
                state.took_opt(attempt.with_opt, now);
            }
            return self.answered(registry, slot, attempt.server, *raw, now);
        }
        if exchange.answered {
            return self.go_on(registry, slot, now);
        }
        if self.asked_again(registry, slot, &attempt, &judged, now) {
            self.set_timer(slot, now);
            return None;
        }
        self.failed_at(registry, slot, attempt.server, now)
    }

    /// Asks the same server in another way, where what it replied calls for that.
    fn asked_again(&mut self, registry: &Registry, slot: u32, attempt: &Try, judged: &Judged, now: Moment) -> bool {
        match judged {
            // A spoofer who guessed all but the case must not win, nor make the server look dead: ask where he cannot.
            Judged::Truncated | Judged::OtherCase | Judged::Unproven => {
                self.ask_stream(slot, attempt.server, attempt.case, now)
            }
            // With the server's new part; a second time it is asked over TCP, where none is needed (RFC 7873 §5.3).
            Judged::BadCookie => {
                let again = !attempt.after_bad_cookie && self.try_server(registry, slot, attempt.server, true, now);
                if again && let Some(attempt) = self.open(slot).and_then(|exchange| exchange.tries.last_mut()) {
                    attempt.after_bad_cookie = true;
                }
                again || self.ask_stream(slot, attempt.server, attempt.case, now)
            }
            // First without the cookie, then without OPT.
            Judged::FormErr if attempt.cookie.is_some() => {
                if let Some(state) = self.open(slot).and_then(|exchange| exchange.states.get(attempt.server)) {
                    state.cookies.pause(now);
                }
                self.try_server(registry, slot, attempt.server, true, now)
            }
            Judged::FormErr if attempt.with_opt => self.try_server(registry, slot, attempt.server, false, now),
            _ => false,
        }
    }

    fn mismatch(&self, token: Token) {
        if let Some(server) = self.sockets.server(token) {
            self.servers.state(server).mismatched.fetch_add(1, Relaxed);
        }
    }

    /// A server replied with a failure: the next one is asked.
    fn failed_at(&mut self, registry: &Registry, slot: u32, server: usize, now: Moment) -> Option<Finished> {
        let exchange = self.open(slot)?;
        exchange.failure = Failure::Refused;
        exchange.failed |= 1 << server.min(63);
        exchange.states[server].failed.fetch_add(1, Relaxed);
        self.go_on(registry, slot, now)
    }

    /// A try has ended without an answer.
    fn go_on(&mut self, registry: &Registry, slot: u32, now: Moment) -> Option<Finished> {
        let exchange = self.open(slot)?;
        if !exchange.answered {
            return self.advance(registry, slot, now);
        }
        if exchange.tries.is_empty() {
            self.release(registry, slot);
        }
        None
    }

    /// A server answered.
    fn answered(
        &mut self,
        registry: &Registry,
        slot: u32,
        server: usize,
        raw: RawAnswer,
        now: Moment,
    ) -> Option<Finished> {
        let exchange = self.open(slot)?;
        exchange.tell(server, exchange.states[server].answered());
        if exchange.answered {
            return self.go_on(registry, slot, now);
        }
        for failed in (0..exchange.states.len().min(64)).filter(|place| exchange.failed & 1 << place != 0) {
            if failed != server {
                exchange.tell(failed, exchange.states[failed].was_made_good());
            }
        }
        Some(self.finish(registry, slot, raw, now))
    }

    pub(super) fn socket_failed(&mut self, registry: &Registry, token: Token, now: Moment, ended: &mut Vec<Finished>) {
        let mut waiting = Vec::new();
        self.sockets.failed(registry, token, &mut waiting);
        for (opened, slot) in waiting {
            let Some(exchange) = self.slots.get_mut(slot as usize).and_then(Option::as_mut) else { continue };
            let Some(index) = exchange.tries.iter().position(|attempt| attempt.via == Via::Datagram(opened)) else {
                continue;
            };
            let attempt = exchange.tries.swap_remove(index);
            exchange.failure = Failure::Network;
            let state = Arc::clone(&exchange.states[attempt.server]);
            if !attempt.silent {
                exchange.was_silent(&state, &attempt, now);
            }
            state.give_place(exchange.parent);
            self.sockets.close(registry, opened);
            ended.extend(self.go_on(registry, slot, now));
        }
    }
}
