//! What is known of each server, over all groups and workers: round-trip times, health, questions open (R28, R29, R31).

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hashbrown::HashMap;

use super::Group;
use crate::wire::Moment;

/// Tries in a row without a reply after which a server counts as down (R29).
const SILENT_TRIES: u32 = 3;
/// How often a server that is down is tried beside the others.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// How long case is not mixed for a server that does not echo it.
const CASE_PAUSE: Duration = Duration::from_secs(3_600);
/// How long a first try waits while nothing was measured (R28).
const UNMEASURED: Duration = Duration::from_millis(200);

/// One server's state. Written without locks; figures that two threads write at once may lose one sample.
#[derive(Debug, Default)]
pub struct ServerState {
    /// Smoothed round-trip time in microseconds; 0 while unmeasured.
    srtt: AtomicU32,
    /// Its variance.
    rttvar: AtomicU32,
    silent_tries: AtomicU32,
    /// When it was last tried while down, in milliseconds.
    probed: AtomicU64,
    in_flight: AtomicU32,
    /// The second in the upper half, the questions sent in it in the lower.
    turns: AtomicU64,
    /// Replies over TCP in a row that did not echo QNAME's case (R30).
    other_case: AtomicU32,
    /// Until when its case is not mixed, in milliseconds.
    plain_case_until: AtomicU64,
    /// It answers FORMERR to queries with an OPT record.
    without_opt: AtomicBool,
    /// Questions sent.
    pub sent: AtomicU64,
    /// Valid replies.
    pub replies: AtomicU64,
    /// Replies that matched no open question.
    pub mismatched: AtomicU64,
}

impl ServerState {
    /// How long a try waits before the next server is asked (R28).
    pub fn patience(&self) -> Duration {
        let srtt = self.srtt.load(Relaxed);
        if srtt == 0 || self.is_doubtful() {
            return UNMEASURED;
        }
        let micros = u64::from(srtt) + 4 * u64::from(self.rttvar.load(Relaxed));
        Duration::from_micros(micros).clamp(Duration::from_millis(20), Duration::from_secs(1))
    }

    /// A valid reply: whatever it says, the server lives. The smoothing is RFC 6298's.
    pub fn replied(&self, took: Duration) {
        let sample = u32::try_from(took.as_micros()).unwrap_or(u32::MAX).max(1);
        let srtt = self.srtt.load(Relaxed);
        if srtt == 0 {
            self.rttvar.store(sample / 2, Relaxed);
            self.srtt.store(sample, Relaxed);
        } else {
            let (old, new) = (u64::from(srtt), u64::from(sample));
            let variance = (3 * u64::from(self.rttvar.load(Relaxed)) + old.abs_diff(new)) / 4;
            self.rttvar.store(u32::try_from(variance).unwrap_or(u32::MAX), Relaxed);
            self.srtt.store(u32::try_from((7 * old + new) / 8).unwrap_or(u32::MAX).max(1), Relaxed);
        }
        if self.silent_tries.load(Relaxed) != 0 {
            self.silent_tries.store(0, Relaxed);
        }
        self.replies.fetch_add(1, Relaxed);
    }

    /// A try went without a reply.
    pub fn was_silent(&self) {
        self.silent_tries.fetch_add(1, Relaxed);
    }

    /// The last try went without a reply.
    pub fn is_doubtful(&self) -> bool {
        self.silent_tries.load(Relaxed) > 0
    }

    /// Several tries in a row went without a reply.
    pub fn is_down(&self) -> bool {
        self.silent_tries.load(Relaxed) >= SILENT_TRIES
    }

    /// Whether a server that is down is due for a try; at most one caller in a second is told so.
    pub fn take_probe(&self, now: Moment) -> bool {
        let probed = self.probed.load(Relaxed);
        now.since(Moment::from_millis(probed)) >= PROBE_EVERY
            && self.probed.compare_exchange(probed, now.millis(), Relaxed, Relaxed).is_ok()
    }

    /// Whether a reply over TCP echoed QNAME's case; two in a row that did not turn mixing off for an hour (R30).
    pub fn kept_case(&self, kept: bool, now: Moment) {
        if kept {
            self.other_case.store(0, Relaxed);
        } else if self.other_case.fetch_add(1, Relaxed) + 1 >= 2 {
            self.other_case.store(0, Relaxed);
            self.plain_case_until.store(now.after(CASE_PAUSE).millis(), Relaxed);
        }
    }

    /// Whether case is not mixed for this server at present.
    pub fn keeps_no_case(&self, now: Moment) -> bool {
        now.millis() < self.plain_case_until.load(Relaxed)
    }

    /// Takes one of `most` places for an open question, and one of those of this second (R31).
    pub fn take_place(&self, most: u32, per_second: Option<u32>, now: Moment) -> bool {
        let open = self.in_flight.fetch_add(1, Relaxed);
        if open >= most || !self.take_turn(per_second, now) {
            self.in_flight.fetch_sub(1, Relaxed);
            return false;
        }
        true
    }

    /// Counts a question of this second, unless there are `most` already.
    fn take_turn(&self, most: Option<u32>, now: Moment) -> bool {
        let Some(most) = most else { return true };
        let second = now.millis() / 1_000;
        let taken = self.turns.fetch_update(Relaxed, Relaxed, |turns| {
            let count = if turns >> 32 == second { turns & u64::from(u32::MAX) } else { 0 };
            (count < u64::from(most)).then_some(second << 32 | (count + 1))
        });
        taken.is_ok()
    }

    /// Gives a place back.
    pub fn give_place(&self) {
        self.in_flight.fetch_sub(1, Relaxed);
    }

    /// Questions open.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    /// Whether to ask without an OPT record.
    pub fn lacks_opt(&self) -> bool {
        self.without_opt.load(Relaxed)
    }

    /// Remembers that the server does not know OPT.
    pub fn set_lacks_opt(&self) {
        self.without_opt.store(true, Relaxed);
    }

    /// Smoothed round-trip time; none while unmeasured.
    pub fn round_trip(&self) -> Option<Duration> {
        let srtt = self.srtt.load(Relaxed);
        (srtt > 0).then(|| Duration::from_micros(u64::from(srtt)))
    }
}

/// The states of all servers ever asked; few, since they come from the configuration.
#[derive(Debug, Default)]
pub struct Servers {
    states: Mutex<HashMap<SocketAddr, Arc<ServerState>>>,
}

impl Servers {
    /// The state of a server, made at first use.
    pub fn state(&self, address: SocketAddr) -> Arc<ServerState> {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(states.entry(address).or_default())
    }

    /// Whether every server of a group is down.
    pub fn are_down(&self, group: &Group) -> bool {
        group.servers.iter().all(|server| self.state(server.address).is_down())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r28_patience_follows_the_round_trip_time() {
        let state = ServerState::default();
        assert_eq!(state.patience(), Duration::from_millis(200));
        for _ in 0..50 {
            state.replied(Duration::from_millis(1));
        }
        assert_eq!(state.patience(), Duration::from_millis(20));
        for _ in 0..50 {
            state.replied(Duration::from_millis(400));
        }
        assert!(state.patience() > Duration::from_millis(400));
        state.was_silent();
        assert_eq!(state.patience(), Duration::from_millis(200));
    }

    #[test]
    fn r29_a_server_is_down_after_three_silent_tries_and_up_by_one_reply() {
        let state = ServerState::default();
        for _ in 0..3 {
            assert!(!state.is_down());
            state.was_silent();
        }
        assert!(state.is_down());
        assert!(state.take_probe(Moment::from_millis(5_000)));
        assert!(!state.take_probe(Moment::from_millis(5_999)));
        assert!(state.take_probe(Moment::from_millis(6_000)));
        state.replied(Duration::from_millis(1));
        assert!(!state.is_down());
    }

    #[test]
    fn r30_two_tcp_replies_in_a_row_turn_case_mixing_off_for_an_hour() {
        let (state, at) = (ServerState::default(), Moment::from_millis);
        for kept in [false, true, false] {
            state.kept_case(kept, at(1_000));
            assert!(!state.keeps_no_case(at(1_000)));
        }
        state.kept_case(false, at(2_000));
        assert!(state.keeps_no_case(at(3_601_999)));
        assert!(!state.keeps_no_case(at(3_602_000)));
    }

    #[test]
    fn r31_places_are_counted() {
        let state = ServerState::default();
        let at = Moment::from_millis;
        assert!(state.take_place(2, None, at(0)) && state.take_place(2, None, at(0)));
        assert!(!state.take_place(2, None, at(0)));
        assert!(state.take_place(9, None, at(0)));
        state.give_place();
        state.give_place();
        assert!(state.take_place(2, None, at(0)));
        let state = ServerState::default();
        let sent = (0..10).filter(|_| state.take_place(99, Some(3), at(5_400))).count();
        assert_eq!((sent, state.in_flight()), (3, 3), "three a second, and no place lost");
        assert!(state.take_place(99, Some(3), at(6_000)));
    }
}
