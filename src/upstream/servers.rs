//! What is known of each server, over all groups and workers: round-trip times, health, questions open (R28, R29, R31).

use std::fmt;
use std::hash::BuildHasher;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hashbrown::HashMap;

use super::Group;
use super::cookies::Cookies;
use crate::wire::{Key, Moment};

/// Tries in a row without a reply after which a server counts as down (R29).
const SILENT_TRIES: u32 = 3;
/// Questions open at once that show silence as well (R29).
const SILENT_QUESTIONS: u32 = 3;
/// How long nothing valid comes meanwhile, at least, and as a multiple of the round-trip time (R29).
const SILENCE: Duration = Duration::from_secs(1);
const SILENCE_ROUND_TRIPS: u32 = 4;
/// Failures in a row that another server of the group made good, after which a server is asked last (R29).
const FAILURES: u32 = 3;
/// How often a server that is down or fails is tried beside the others.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// How long after a cap was reached silence says nothing of a server that has replied within the double of it (R29).
const THROTTLED: Duration = Duration::from_secs(1);
/// A group's last server is not given up on while it replied within this time (R29).
const LAST_SERVER: Duration = Duration::from_secs(10);
/// How long case is not mixed for a server that does not echo it (R30), and OPT not sent to one that does not know it.
const PAUSE: Duration = Duration::from_secs(3_600);
/// How long a first try waits while nothing was measured, or in doubt (R28).
const UNMEASURED: Duration = Duration::from_millis(200);
/// Tenths of a second that are counted: those that any second may touch, and no fewer than a power of two.
const TENTHS: usize = 16;
/// Counts of open questions by parent name; two names may share one.
const PARENTS: usize = 512;

/// What a server's replies and silence say of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// It replies.
    Up,
    /// The last try went without a reply.
    Doubtful,
    /// It replies with failures that other servers of its group do not have.
    Failing,
    /// It does not reply.
    Down,
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Up => "up",
            Self::Doubtful => "doubtful",
            Self::Failing => "failing",
            Self::Down => "down",
        })
    }
}

/// One server's state. Written without locks; figures that two threads write at once may lose one sample.
#[derive(Debug)]
pub struct ServerState {
    /// Smoothed round-trip time in microseconds; 0 while unmeasured.
    srtt: AtomicU32,
    /// Its variance.
    rttvar: AtomicU32,
    silent_tries: AtomicU32,
    /// When the last of them was counted; a try that was sent before is not one more in the row.
    silent_at: AtomicU64,
    /// Since when questions are open and nothing valid came.
    waiting_since: AtomicU64,
    /// When the last valid reply came; 0: never.
    replied_at: AtomicU64,
    failures: AtomicU32,
    capped_at: AtomicU64,
    /// When it was last tried while down or failing.
    probed: AtomicU64,
    in_flight: AtomicU32,
    /// Open questions by parent name.
    parents: Box<[AtomicU16]>,
    /// Questions sent, by tenths of a second: which tenth in the upper half, how many in the lower.
    turns: [AtomicU64; TENTHS],
    /// Replies over TCP in a row that did not echo QNAME's case (R30).
    other_case: AtomicU32,
    /// Until when its case is not mixed.
    plain_case_until: AtomicU64,
    /// Questions in a row that it took without OPT only.
    without_opt: AtomicU32,
    /// Until when it is asked without OPT.
    without_opt_until: AtomicU64,
    pub(super) cookies: Cookies,
    /// Questions sent.
    pub sent: AtomicU64,
    /// Valid replies.
    pub replies: AtomicU64,
    /// Tries that ran out of patience, a cap's throttling not among them.
    pub silences: AtomicU64,
    /// Replies with a failure, or lame.
    pub failed: AtomicU64,
    /// Replies that matched no open question.
    pub mismatched: AtomicU64,
    /// Questions that a cap kept back.
    pub capped: AtomicU64,
}

impl Default for ServerState {
    fn default() -> Self {
        Self {
            srtt: AtomicU32::default(),
            rttvar: AtomicU32::default(),
            silent_tries: AtomicU32::default(),
            silent_at: AtomicU64::default(),
            waiting_since: AtomicU64::default(),
            replied_at: AtomicU64::default(),
            failures: AtomicU32::default(),
            capped_at: AtomicU64::default(),
            probed: AtomicU64::default(),
            in_flight: AtomicU32::default(),
            parents: (0..PARENTS).map(|_| AtomicU16::default()).collect(),
            turns: Default::default(),
            other_case: AtomicU32::default(),
            plain_case_until: AtomicU64::default(),
            without_opt: AtomicU32::default(),
            without_opt_until: AtomicU64::default(),
            cookies: Cookies::default(),
            sent: AtomicU64::default(),
            replies: AtomicU64::default(),
            silences: AtomicU64::default(),
            failed: AtomicU64::default(),
            mismatched: AtomicU64::default(),
            capped: AtomicU64::default(),
        }
    }
}

/// A change of health that is worth a line in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turned {
    /// Nothing changed.
    Not,
    /// It is down, or fails, from now on.
    Worse,
    /// It is back.
    Back,
}

impl ServerState {
    /// How long a try waits before the next server is asked (R28).
    pub fn patience(&self) -> Duration {
        let srtt = self.srtt.load(Relaxed);
        if srtt == 0 || self.silent_tries.load(Relaxed) > 0 {
            return UNMEASURED;
        }
        let micros = u64::from(srtt) + 4 * u64::from(self.rttvar.load(Relaxed));
        Duration::from_micros(micros).clamp(Duration::from_millis(20), Duration::from_secs(1))
    }

    /// A valid reply: whatever it says, the server lives. `took` is none where it does not measure the server's usual
    /// transport. The smoothing is RFC 6298's.
    pub(super) fn replied(&self, took: Option<Duration>, now: Moment) -> Turned {
        if let Some(took) = took {
            self.measured(took);
        }
        self.replied_at.store(now.millis().max(1), Relaxed);
        self.waiting_since.store(now.millis(), Relaxed);
        self.replies.fetch_add(1, Relaxed);
        if self.silent_tries.load(Relaxed) != 0 && self.silent_tries.swap(0, Relaxed) >= SILENT_TRIES {
            return Turned::Back;
        }
        Turned::Not
    }

    fn measured(&self, took: Duration) {
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
    }

    /// A try that was sent then went without a reply. One that was sent before the last silence was counted says
    /// nothing new: a short pause meets all that are open at once.
    pub(super) fn was_silent(&self, sent: Moment, now: Moment) -> Turned {
        if self.is_throttling(now) {
            return Turned::Not;
        }
        self.silences.fetch_add(1, Relaxed);
        if sent.millis() < self.silent_at.load(Relaxed) {
            return self.judge_silence(now);
        }
        self.silent_at.store(now.millis(), Relaxed);
        match self.silent_tries.fetch_add(1, Relaxed) + 1 == SILENT_TRIES {
            true => Turned::Worse,
            false => self.judge_silence(now),
        }
    }

    /// Whether the questions that are open show the server to be down (R29).
    pub(super) fn judge_silence(&self, now: Moment) -> Turned {
        let enough = SILENCE.max(self.round_trip().unwrap_or_default() * SILENCE_ROUND_TRIPS);
        let silence = now.since(Moment::from_millis(self.waiting_since.load(Relaxed)));
        let silent = self.in_flight.load(Relaxed) >= SILENT_QUESTIONS && silence >= enough && !self.is_throttling(now);
        if silent && self.silent_tries.fetch_max(SILENT_TRIES, Relaxed) < SILENT_TRIES {
            return Turned::Worse;
        }
        Turned::Not
    }

    /// Whether silence may be a quota's (R29). Who drops what exceeds a quota still answers the rest.
    fn is_throttling(&self, now: Moment) -> bool {
        let within = |at: &AtomicU64, time| {
            let at = at.load(Relaxed);
            at != 0 && now.since(Moment::from_millis(at)) < time
        };
        within(&self.capped_at, THROTTLED) && within(&self.replied_at, 2 * THROTTLED)
    }

    /// It replied with a failure, and another server of the group then answered the same question.
    pub(super) fn was_made_good(&self) -> Turned {
        match self.failures.fetch_add(1, Relaxed) + 1 == FAILURES {
            true => Turned::Worse,
            false => Turned::Not,
        }
    }

    /// It answered.
    pub(super) fn answered(&self) -> Turned {
        if self.failures.load(Relaxed) != 0 && self.failures.swap(0, Relaxed) >= FAILURES {
            return Turned::Back;
        }
        Turned::Not
    }

    /// What is known of it.
    pub fn health(&self) -> Health {
        match (self.silent_tries.load(Relaxed), self.failures.load(Relaxed)) {
            (SILENT_TRIES.., _) => Health::Down,
            (_, FAILURES..) => Health::Failing,
            (1.., _) => Health::Doubtful,
            _ => Health::Up,
        }
    }

    /// When the last valid reply came; none before the first.
    pub fn last_reply(&self) -> Option<Moment> {
        let at = self.replied_at.load(Relaxed);
        (at != 0).then(|| Moment::from_millis(at))
    }

    /// Whether a server that is not well is due for a try; at most one caller in a second is told so.
    pub(super) fn take_probe(&self, now: Moment) -> bool {
        let probed = self.probed.load(Relaxed);
        now.since(Moment::from_millis(probed)) >= PROBE_EVERY
            && self.probed.compare_exchange(probed, now.millis(), Relaxed, Relaxed).is_ok()
    }

    /// Whether a reply over TCP echoed QNAME's case; two in a row that did not turn mixing off for an hour (R30).
    pub(super) fn kept_case(&self, kept: bool, now: Moment) {
        if kept {
            self.other_case.store(0, Relaxed);
        } else if self.other_case.fetch_add(1, Relaxed) + 1 >= 2 {
            self.other_case.store(0, Relaxed);
            self.plain_case_until.store(now.after(PAUSE).millis(), Relaxed);
        }
    }

    /// Whether case is not mixed for this server at present.
    pub(super) fn keeps_no_case(&self, now: Moment) -> bool {
        now.millis() < self.plain_case_until.load(Relaxed)
    }

    /// Whether a question that got FORMERR with OPT was answered without; two in a row leave OPT out for an hour, so
    /// that one odd name changes nothing.
    pub(super) fn took_opt(&self, took: bool, now: Moment) {
        if took {
            if self.without_opt.load(Relaxed) != 0 {
                self.without_opt.store(0, Relaxed);
            }
        } else if self.without_opt.fetch_add(1, Relaxed) + 1 >= 2 {
            self.without_opt.store(0, Relaxed);
            self.without_opt_until.store(now.after(PAUSE).millis(), Relaxed);
        }
    }

    /// Whether to ask without an OPT record.
    pub(super) fn lacks_opt(&self, now: Moment) -> bool {
        now.millis() < self.without_opt_until.load(Relaxed)
    }

    /// Takes one of `most` places for an open question, half of them for one `parent` at most, and one of those of this
    /// second (R31).
    pub(super) fn take_place(&self, most: u32, per_second: Option<u32>, parent: Parent, now: Moment) -> bool {
        let open = self.in_flight.fetch_add(1, Relaxed);
        let siblings = self.parents.get(usize::from(parent.0));
        let of_parent = siblings.map_or(0, |siblings| siblings.fetch_add(1, Relaxed));
        let parent_is_full = u32::from(of_parent) >= most.div_ceil(2);
        let is_capped = open >= most || !parent_is_full && !self.take_turn(per_second, now);
        if is_capped {
            self.capped_at.store(now.millis().max(1), Relaxed);
        }
        if is_capped || parent_is_full {
            self.capped.fetch_add(1, Relaxed);
            self.give_place(parent);
            return false;
        }
        if open == 0 {
            self.waiting_since.store(now.millis(), Relaxed);
        }
        true
    }

    /// Counts a question, unless there were `most` in the second that ends now: a quota is of any second, not of the
    /// clock's.
    fn take_turn(&self, most: Option<u32>, now: Moment) -> bool {
        let Some(most) = most else { return true };
        let tenth = now.millis() / 100;
        let count = |of: u64, turns: u64| if turns >> 32 == of & 0xffff_ffff { turns & 0xffff_ffff } else { 0 };
        let place = |of: u64| self.turns.get(of as usize % TENTHS);
        let sent = |of: u64| place(of).map_or(0, |turns| count(of, turns.load(Relaxed)));
        if (tenth.saturating_sub(10)..=tenth).map(sent).sum::<u64>() >= u64::from(most) {
            return false;
        }
        if let Some(turns) = place(tenth) {
            let one_more = |turns| Some((tenth << 32) | (count(tenth, turns) + 1));
            // It always has a new value to set.
            let _ = turns.fetch_update(Relaxed, Relaxed, one_more);
        }
        true
    }

    /// Gives a place back.
    pub(super) fn give_place(&self, parent: Parent) {
        self.in_flight.fetch_sub(1, Relaxed);
        if let Some(siblings) = self.parents.get(usize::from(parent.0)) {
            siblings.fetch_sub(1, Relaxed);
        }
    }

    /// Questions open.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    /// Smoothed round-trip time; none while unmeasured.
    pub fn round_trip(&self) -> Option<Duration> {
        let srtt = self.srtt.load(Relaxed);
        (srtt > 0).then(|| Duration::from_micros(u64::from(srtt)))
    }
}

/// A name's parent as far as the counts tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parent(u16);

/// The states of all servers ever asked; few, since they come from the configuration.
#[derive(Debug, Default)]
pub struct Servers {
    states: Mutex<HashMap<SocketAddr, Arc<ServerState>>>,
    hasher: foldhash::fast::RandomState,
    /// Questions that would have gone back to the server that asked them (R31).
    pub loops: AtomicU64,
    warned_of_loop: AtomicU64,
}

impl Servers {
    /// The state of a server, made at first use.
    pub fn state(&self, address: SocketAddr) -> Arc<ServerState> {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(states.entry(address).or_default())
    }

    /// Whether every server of a group is known to be down. One that replied in the last 10 s keeps the group up.
    pub fn are_down(&self, group: &Group, now: Moment) -> bool {
        group.servers.iter().all(|server| is_given_up(&self.state(server.address), now))
    }

    /// The parent of a key's QNAME.
    pub(super) fn parent(&self, key: &Key) -> Parent {
        let name = key.name_octets();
        let first = name.first().map_or(0, |length| usize::from(*length) + 1);
        let parent = name.get(first..).unwrap_or(&[]);
        Parent((self.hasher.hash_one(parent) as usize % PARENTS) as u16)
    }

    /// Our own mark came back from a client. Rare: one question a server and reload goes out.
    pub fn mark_returned(&self, client: IpAddr) {
        self.loops.fetch_add(1, Relaxed);
        tracing::error!(
            %client,
            "a loop of forwarders: a question that we sent upstream came back to us from this client; one of the \
             upstream servers forwards to us, directly or by others"
        );
    }

    /// What is known of every server, in the order of addresses.
    pub fn report(&self) -> Vec<(SocketAddr, Arc<ServerState>)> {
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let mut report: Vec<_> = states.iter().map(|(address, state)| (*address, Arc::clone(state))).collect();
        report.sort_by_key(|(address, _)| *address);
        report
    }

    /// A question came from the server that it would be sent to. Says so at most once a minute.
    pub(super) fn suspect_loop(&self, server: SocketAddr, now: Moment) {
        self.loops.fetch_add(1, Relaxed);
        let warned = self.warned_of_loop.load(Relaxed);
        let due = warned == 0 || now.since(Moment::from_millis(warned)) >= Duration::from_secs(60);
        if due && self.warned_of_loop.compare_exchange(warned, now.millis().max(1), Relaxed, Relaxed).is_ok() {
            tracing::warn!(
                %server,
                "a loop of forwarders is suspected: this upstream server asks us what we would ask it; take this name's \
                 suffix out of its forwarders, or give the view of its address another route"
            );
        }
    }
}

/// Whether a server is down and has not replied for a while.
pub(super) fn is_given_up(state: &ServerState, now: Moment) -> bool {
    state.health() == Health::Down && state.last_reply().is_none_or(|at| now.since(at) >= LAST_SERVER)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: fn(u64) -> Moment = Moment::from_millis;
    const MS: fn(u64) -> Duration = Duration::from_millis;
    const NONE: Parent = Parent(0);

    fn take(state: &ServerState, most: u32, per_second: Option<u32>, at: u64) -> bool {
        state.take_place(most, per_second, NONE, AT(at))
    }

    #[test]
    fn r28_patience_follows_the_round_trip_time() {
        let state = ServerState::default();
        assert_eq!(state.patience(), MS(200));
        (0..50).for_each(|_| _ = state.replied(Some(MS(1)), AT(5)));
        assert_eq!(state.patience(), MS(20));
        (0..50).for_each(|_| _ = state.replied(Some(MS(400)), AT(5)));
        assert!(state.patience() > MS(400));
        state.was_silent(AT(10), AT(500));
        assert_eq!(state.patience(), MS(200), "in doubt");
    }

    #[test]
    fn r29_three_silent_tries_in_a_row_are_down_and_one_reply_is_up() {
        let state = ServerState::default();
        // What was open at once is one sign, not many.
        for _ in 0..10 {
            assert_eq!(state.was_silent(AT(1_000), AT(1_200)), Turned::Not);
        }
        assert_eq!(state.health(), Health::Doubtful);
        assert_eq!(state.was_silent(AT(1_200), AT(1_400)), Turned::Not);
        assert_eq!(state.was_silent(AT(1_500), AT(1_700)), Turned::Worse);
        assert_eq!(state.health(), Health::Down);
        assert!(state.take_probe(AT(5_000)) && !state.take_probe(AT(5_999)) && state.take_probe(AT(6_000)));
        assert_eq!(state.replied(Some(MS(1)), AT(6_001)), Turned::Back);
        assert_eq!(state.health(), Health::Up);
    }

    #[test]
    fn r29_three_open_questions_and_a_second_of_silence_are_down() {
        let state = ServerState::default();
        state.replied(Some(MS(300)), AT(900));
        assert!(take(&state, 100, None, 1_000) && take(&state, 100, None, 2_000));
        assert_eq!(state.judge_silence(AT(9_000)), Turned::Not, "two open");
        assert!(take(&state, 100, None, 2_100));
        assert_eq!(state.judge_silence(AT(2_199)), Turned::Not, "four round trips are 1.2 s");
        assert_eq!(state.judge_silence(AT(2_200)), Turned::Worse);
        assert!(!is_given_up(&state, AT(10_899)), "it replied in the last 10 s");
        assert!(is_given_up(&state, AT(10_900)));
    }

    #[test]
    fn r29_silence_after_a_cap_is_throttling() {
        let state = ServerState::default();
        state.replied(Some(MS(1)), AT(1_000));
        (0..4).for_each(|parent| _ = state.take_place(3, None, Parent(parent), AT(1_100)));
        assert_eq!(state.was_silent(AT(1_100), AT(1_300)), Turned::Not);
        assert_eq!(state.health(), Health::Up);
        // Nothing at all for two seconds is no quota.
        state.take_place(3, None, Parent(9), AT(3_000));
        assert_eq!(state.was_silent(AT(1_100), AT(3_050)), Turned::Worse);
    }

    #[test]
    fn r29_failures_count_where_another_server_answered() {
        let state = ServerState::default();
        assert_eq!([0; 3].map(|_| state.was_made_good()), [Turned::Not, Turned::Not, Turned::Worse]);
        assert_eq!(state.health(), Health::Failing);
        state.replied(Some(MS(1)), AT(1));
        assert_eq!(state.health(), Health::Failing, "a reply alone is no answer");
        assert_eq!(state.answered(), Turned::Back);
        assert_eq!(state.health(), Health::Up);
    }

    #[test]
    fn r29_opt_is_left_out_after_two_questions_in_a_row() {
        let state = ServerState::default();
        state.took_opt(false, AT(1));
        state.took_opt(true, AT(2));
        state.took_opt(false, AT(3));
        assert!(!state.lacks_opt(AT(4)));
        state.took_opt(false, AT(4));
        assert!(state.lacks_opt(AT(3_600_003)) && !state.lacks_opt(AT(3_600_004)));
    }

    #[test]
    fn r30_two_tcp_replies_in_a_row_turn_case_mixing_off_for_an_hour() {
        let state = ServerState::default();
        for kept in [false, true, false] {
            state.kept_case(kept, AT(1_000));
            assert!(!state.keeps_no_case(AT(1_000)));
        }
        state.kept_case(false, AT(2_000));
        assert!(state.keeps_no_case(AT(3_601_999)));
        assert!(!state.keeps_no_case(AT(3_602_000)));
    }

    #[test]
    fn r31_places_are_counted() {
        let state = ServerState::default();
        assert!((0..4).all(|parent| state.take_place(4, None, Parent(parent), AT(0))));
        assert!(!state.take_place(4, None, Parent(9), AT(0)));
        assert!(state.take_place(9, None, Parent(9), AT(0)));
        (0..2).for_each(|parent| state.give_place(Parent(parent)));
        assert!(state.take_place(4, None, Parent(9), AT(0)));
        let state = ServerState::default();
        let sent = (0..10).filter(|_| take(&state, 99, Some(3), 5_400)).count();
        assert_eq!((sent, state.in_flight()), (3, 3), "three a second, and no place lost");
        assert!(!take(&state, 99, Some(3), 6_399), "any second, not the clock's");
        assert!(take(&state, 99, Some(3), 6_500));
    }

    #[test]
    fn r31_one_parent_has_half_of_the_places() {
        let state = ServerState::default();
        assert_eq!((0..10).filter(|_| state.take_place(6, None, Parent(1), AT(0))).count(), 3);
        assert!(state.take_place(6, None, Parent(2), AT(0)));
        state.give_place(Parent(1));
        assert!(state.take_place(6, None, Parent(1), AT(0)));
        assert_eq!(state.in_flight(), 4);
        assert!(state.was_silent(AT(0), AT(9)) == Turned::Not && state.health() == Health::Doubtful, "no throttling");
    }
}
