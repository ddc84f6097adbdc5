//! What the listeners tell of the process: its phase, its pulse, its configuration. Who runs the server writes it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use serde::Serialize;

use super::outcome::{Outcome, ToldOverride};
use crate::config::Token;
use crate::metrics::Board;
use crate::query_log::Clients;
use crate::resolve::general::Shared;

/// An event loop that stood still for so long is dead.
const STILL: Duration = Duration::from_secs(5);

/// Where the process is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// Nothing is answered yet.
    Starting,
    /// A snapshot is served.
    Serving,
    /// A signal has come: still answering, and not ready any more.
    Stopping,
}

impl Phase {
    /// The word in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Serving => "serving",
            Self::Stopping => "stopping",
        }
    }
}

/// The server, once there is one.
pub struct Served {
    /// What its threads share.
    pub shared: Arc<Shared>,
    /// Its counters.
    pub board: Arc<Board>,
    /// Who asked lately.
    pub clients: Arc<Mutex<Clients>>,
}

/// What made a reload happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Trigger {
    /// SIGHUP.
    Signal,
    /// The admin API.
    Api,
    /// A file that has changed, with `watch`.
    Watch,
    /// The admin API, back to the revision before.
    Rollback,
}

impl Trigger {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Signal, Self::Api, Self::Watch, Self::Rollback];

    /// The label's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Signal => "signal",
            Self::Api => "api",
            Self::Watch => "watch",
            Self::Rollback => "rollback",
        }
    }
}

/// The configuration in force.
#[derive(Debug, Clone, Default)]
pub struct InForce {
    /// Which snapshot of the process it is.
    pub generation: u64,
    /// A hash of all files that it was read from.
    pub revision: String,
    /// Where it listens.
    pub listening: Listening,
    /// The admin listener's token.
    pub token: Option<Token>,
    /// Whether it is a revision that was gone back to.
    pub is_rolled_back: bool,
    /// Overrides.
    pub overrides: Vec<ToldOverride>,
}

/// Where a process listens, with the ports that port 0 became.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Listening {
    /// DNS over UDP and TCP.
    pub dns: Vec<SocketAddr>,
    /// The health listener.
    pub health: Option<SocketAddr>,
    /// The admin listener.
    pub admin: Option<SocketAddr>,
}

/// Loads that were tried, by what made them happen.
#[derive(Debug, Default)]
pub struct Reloads {
    done: [AtomicU64; Trigger::ALL.len()],
    refused: [AtomicU64; Trigger::ALL.len()],
    last: Mutex<Option<Arc<Outcome>>>,
}

impl Reloads {
    /// Takes note of a reload.
    pub fn note(&self, trigger: Trigger, outcome: Arc<Outcome>) {
        let counts = if outcome.done { &self.done } else { &self.refused };
        if let Some(count) = counts.get(trigger as usize) {
            count.fetch_add(1, Relaxed);
        }
        self.set(outcome);
    }

    fn set(&self, outcome: Arc<Outcome>) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
    }

    /// (trigger, done, refused).
    pub fn counts(&self) -> impl Iterator<Item = (Trigger, u64, u64)> + '_ {
        let count = |counts: &[AtomicU64], trigger| counts.get(trigger as usize).map_or(0, |count| count.load(Relaxed));
        Trigger::ALL.into_iter().map(move |own| (own, count(&self.done, own), count(&self.refused, own)))
    }

    /// What the last load came to, the first one included.
    pub fn last(&self) -> Option<Arc<Outcome>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// When each event loop was last seen to move.
#[derive(Debug, Default)]
struct Pulse {
    /// (turns, since when they are as many).
    seen: Vec<(u64, Instant)>,
    looked: Option<Instant>,
}

/// All of it.
pub struct Status {
    phase: AtomicU8,
    served: OnceLock<Served>,
    pulse: Mutex<Pulse>,
    /// When the process started.
    pub started: SystemTime,
    /// Lines of the process's log that could not be written.
    pub lost_lines: AtomicU64,
    /// Loads.
    pub reloads: Reloads,
    /// The configuration in force.
    pub in_force: ArcSwap<InForce>,
}

impl Default for Status {
    fn default() -> Self {
        Self {
            phase: AtomicU8::new(Phase::Starting as u8),
            served: OnceLock::new(),
            pulse: Mutex::default(),
            started: SystemTime::now(),
            lost_lines: AtomicU64::new(0),
            reloads: Reloads::default(),
            in_force: ArcSwap::default(),
        }
    }
}

impl Status {
    /// The server answers from now on.
    pub fn serves(&self, served: Served, in_force: InForce, outcome: Outcome) {
        self.in_force.store(Arc::new(in_force));
        self.reloads.set(Arc::new(outcome));
        if self.served.set(served).is_ok() {
            self.phase.store(Phase::Serving as u8, Relaxed);
        }
    }

    /// A signal has come.
    pub fn stops(&self) {
        self.phase.store(Phase::Stopping as u8, Relaxed);
    }

    /// Where the process is in its life.
    pub fn phase(&self) -> Phase {
        match self.phase.load(Relaxed) {
            0 => Phase::Starting,
            1 => Phase::Serving,
            _ => Phase::Stopping,
        }
    }

    /// The server.
    pub fn served(&self) -> Option<&Served> {
        self.served.get()
    }

    /// Looks at the event loops; to be called at least once a second.
    pub fn feel_pulse(&self, now: Instant) {
        let turns = self.served().map(|served| served.board.turns()).unwrap_or_default();
        let mut pulse = self.pulse.lock().unwrap_or_else(PoisonError::into_inner);
        pulse.looked = Some(now);
        pulse.seen.truncate(turns.len());
        for (index, turns) in turns.into_iter().enumerate() {
            match pulse.seen.get_mut(index) {
                Some(seen) if seen.0 == turns => {}
                Some(seen) => *seen = (turns, now),
                None => pulse.seen.push((turns, now)),
            }
        }
    }

    /// For how long the event loop that stands still for the longest time has not moved; the last is the general path.
    pub fn standstill(&self, now: Instant) -> Duration {
        let pulse = self.pulse.lock().unwrap_or_else(PoisonError::into_inner);
        let longest = pulse.seen.iter().map(|(_, since)| now.saturating_duration_since(*since)).max();
        // Where nobody looks any more the figures say nothing.
        let unseen = pulse.looked.map(|looked| now.saturating_duration_since(looked));
        longest.unwrap_or_default().max(unseen.unwrap_or_default())
    }

    /// Whether every event loop moves.
    pub fn is_alive(&self, now: Instant) -> bool {
        self.standstill(now) < STILL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reloads_are_counted_by_trigger() {
        let reloads = Reloads::default();
        assert!(reloads.last().is_none());
        let outcome = |done| Arc::new(Outcome { done, ..Outcome::default() });
        reloads.note(Trigger::Signal, outcome(true));
        reloads.note(Trigger::Signal, outcome(false));
        assert_eq!(
            reloads.counts().map(|(own, done, refused)| (own.word(), done, refused)).next(),
            Some(("signal", 1, 1))
        );
        assert!(!reloads.last().unwrap().done);
    }

    #[test]
    fn a_status_that_nobody_looks_at_is_dead_after_five_seconds() {
        let (status, begun) = (Status::default(), Instant::now());
        status.feel_pulse(begun);
        assert!(status.is_alive(begun + Duration::from_millis(4_900)));
        assert!(!status.is_alive(begun + Duration::from_millis(5_100)));
        status.feel_pulse(begun + Duration::from_millis(5_100));
        assert!(status.is_alive(begun + Duration::from_millis(5_200)));
    }
}
